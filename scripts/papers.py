#!/usr/bin/env python3
"""Runs the programs of models/ and writes docs/papers.md: one row per claim.

    scripts/papers.py [--write | --readme] [--reuse] [--results DIR] [NAME ...]

NAME is a folder of models/; all of them without one.  Every program is tested and run with `nnc` ($NNC, default
build/release/nnc).  The exit status is 1 if a claim fails or a program does not run.  With --write the page is
written, and the section "Measured" of each program's README.md; programs that were not asked for have no rows on the
page, so write it with all of them (--readme writes the READMEs alone).
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NNC = os.environ.get("NNC", str(ROOT / "build/release/nnc"))


def programs(names):
    for folder in sorted((ROOT / "models").iterdir()):
        if not names or folder.name in names:
            yield from sorted(folder.glob("*.nn"))


def run(program, results):
    """The lines of one program: its claims, its seconds (compilation included), and whether it ran."""
    folder = results / program.stem
    started = time.monotonic()
    done = subprocess.run([NNC, "run", "--quiet", f"--results={folder}", str(program)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    seconds = time.monotonic() - started
    report = folder / "results.json"
    if done.returncode not in (0, 1) or not report.exists():
        return {"program": program, "failed": True, "seconds": seconds, "error": done.stderr.strip(), "report": None}
    return {"program": program, "failed": done.returncode != 0, "seconds": seconds, "error": "",
            "report": json.loads(report.read_text())}


def reuse(program, results):
    """What an earlier run left, or None."""
    report = results / program.stem / "results.json"
    if not report.exists():
        return None
    report = json.loads(report.read_text())
    return {"program": program, "failed": report["failed"] > 0, "error": "", "report": report,
            "seconds": sum(e["seconds"] for e in report["experiments"])}


def number(value):
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def claimed_and_measured(claim):
    """Both sides of each comparison of a claim, its worst element."""
    claimed, measured = [], []
    for part in claim["parts"]:
        if "compare" not in part:
            claimed.append("true")
            measured.append("true" if claim["ok"] else "false")
            continue
        within = f" within {number(part['within'])}" if "within" in part else ""
        claimed.append(f"{part['compare']} {number(part['right'])}{within}")
        measured.append(number(part["left"]) + (f" ({part['worst']})" if part.get("worst") else ""))
    return ", ".join(claimed), ", ".join(measured)


def rows(result):
    yield "| experiment | claim | claimed | measured | |"
    yield "|---|---|---|---|---|"
    for experiment in result["report"]["experiments"]:
        for claim in experiment["claims"]:
            left, right = claimed_and_measured(claim)
            verdict = "ok" if claim["ok"] else "**fails**"
            text = claim["text"].replace("|", "\\|")
            yield f"| {experiment['name']} | {text} | {left} | {right} | {verdict} |"


def page(results):
    machine = next(r["report"]["machine"] for r in results if r["report"])
    claims = sum(len(e["claims"]) for r in results if r["report"] for e in r["report"]["experiments"])
    failed = sum(r["report"]["failed"] for r in results if r["report"])
    yield "# Papers in small"
    yield ""
    yield ("Written by `make papers`: programs of `models/`, run as they stand. A row is a claim; where it is about many "
           "numbers, the worst of them is shown. `models/NAME/README.md` says what each experiment keeps of its paper.")
    yield ""
    yield f"{claims} claims, {claims - failed} hold. Machine: {machine['cpu']}, {machine['cores']} cores, {machine['architecture']}."
    missing = sorted({p.parent.name for p in programs([])} - {r["program"].parent.name for r in results})
    if missing:
        yield ""
        yield f"Not in this run: {', '.join(missing)}."
    for result in results:
        path = result["program"].relative_to(ROOT)
        yield ""
        yield f"## [{path.parent.name}](../{path.parent}/README.md)"
        yield ""
        yield f"`{path}`, {result['seconds']:.0f} s."
        yield ""
        if result["report"]:
            yield from rows(result)
        else:
            yield "**Does not run.**"


def write_readme(result):
    """Everything from the heading "Measured" on is this table."""
    readme = result["program"].parent / "README.md"
    if not readme.exists() or not result["report"]:
        return
    machine = result["report"]["machine"]
    text = readme.read_text().split("\n## Measured\n")[0].rstrip()
    line = (f"Where a claim is about many numbers, the worst of them is shown. {result['seconds']:.0f} s; "
            f"{machine['cpu']}, {machine['cores']} cores.")
    readme.write_text("\n".join([text, "", "## Measured", "", *rows(result), "", line]) + "\n")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--write", action="store_true")
    p.add_argument("--readme", action="store_true")
    p.add_argument("--reuse", action="store_true", help="programs whose results are there are not run again")
    p.add_argument("--results", type=pathlib.Path, default=ROOT / "build/papers")
    p.add_argument("name", nargs="*")
    options = p.parse_args()
    options.results.mkdir(parents=True, exist_ok=True)
    results = []
    for program in programs(options.name):
        result = (reuse(program, options.results) if options.reuse else None) or run(program, options.results)
        results.append(result)
        count = sum(len(e["claims"]) for e in result["report"]["experiments"]) if result["report"] else 0
        broken = result["report"]["failed"] if result["report"] else 0
        print(f"{program.stem:24} {count:3} claims, {broken} failed, {result['seconds']:6.1f} s", flush=True)
        if result["failed"] and result["report"]:
            for experiment in result["report"]["experiments"]:
                for claim in experiment["claims"]:
                    if not claim["ok"]:
                        left, right = claimed_and_measured(claim)
                        print(f"    FAIL {experiment['name']}: {claim['text']}: {right} {left}")
        elif result["failed"]:
            print("    " + result["error"].replace("\n", "\n    "))
    if options.write or options.readme:
        for result in results:
            write_readme(result)
    if not results:
        sys.exit("no program of that name in models/")
    if options.write and any(r["report"] for r in results):
        (ROOT / "docs/papers.md").write_text("\n".join(page(results)) + "\n")
    sys.exit(any(r["failed"] for r in results))


if __name__ == "__main__":
    main()
