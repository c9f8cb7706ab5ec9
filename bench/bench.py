#!/usr/bin/env python3
"""Speed of the compiled zoo against ONNX Runtime, OpenVINO and emx-onnx-cgen, on one thread.

The engines take turns, round after round, so that what else the machine does hits all alike; a figure is the median of
the rounds with its quartiles, in processor time of the process.  Every engine's outputs are compared with ONNX
Runtime's.  C is compiled by gcc -O3 -march=native; ONNX Runtime and OpenVINO choose their code by the processor anyway.

usage: bench.py [--rounds N] [--out docs/bench.md] [--json FILE] [--engines nnc,ort,openvino,emx] [NAME ...]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import onnx

sys.path.insert(0, str(Path(__file__).resolve().parent))
import engines  # noqa: E402
from figures import geomean, processor, quartiles  # noqa: E402
import zoo  # noqa: E402

SAMPLE = 0.03            # seconds: a sample runs the network often enough to last that long
SLOW = 0.5               # an engine that needs longer for one run gets three rounds
KEYS = {"nnc": engines.Nnc, "ort": engines.Ort, "openvino": engines.OpenVino, "emx": engines.Emx}


def error(got, want):
    """Largest difference over the largest magnitude, over all outputs."""
    worst = 0.0
    for k, b in want.items():
        a, b = got[k].astype(np.float64), b.astype(np.float64)
        worst = max(worst, float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-30)) if np.isfinite(a).all() else np.inf)
    return worst


def run_network(name, path, keys, rounds, folder):
    """Engine key -> {"ms": [..], "error": .., "facts": ..} or {"refused": text}."""
    feeds = zoo.inputs_of(onnx.load(path))
    ready, result = {}, {}
    for key in keys:
        place = os.path.join(folder, f"{name}-{key}")
        os.makedirs(place)
        try:
            engine = KEYS[key](path, feeds, place)
            once = engine.loop(1)
            once = min(once, engine.loop(1)) if once < SLOW else once
            if once < 0:
                raise RuntimeError("a run failed")
        except Exception as refused:
            result[key] = {"refused": f"{type(refused).__name__}: {str(refused).strip().splitlines()[0][:150]}"}
            continue
        ready[key] = (engine, max(1, int(SAMPLE / max(once, 1e-7))), once)
        result[key] = {"ms": [], "facts": engine.facts}
    for r in range(rounds):
        for key, (engine, n, once) in ready.items():
            if once < SLOW or r < 3:
                result[key]["ms"].append(engine.loop(n) / n * 1e3)
    outputs = {key: engine.outputs() for key, (engine, _, _) in ready.items()}
    for key in ready:
        if "ort" in outputs:
            result[key]["error"] = error(outputs[key], outputs["ort"])
    return result


def cell(entry):
    if "refused" in entry:
        return "refused"
    low, mid, high = quartiles(entry["ms"])
    return f"{mid:.3g} ({low:.3g}-{high:.3g})"


def ratio(row, key):
    """How many times the engine's median is nnc's."""
    if any(k not in row or "refused" in row[k] for k in (key, "nnc")):
        return None
    return quartiles(row[key]["ms"])[1] / quartiles(row["nnc"]["ms"])[1]


def show(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def page(results, keys, rounds, seconds):
    others = [k for k in keys if k != "nnc"]
    names = {k: KEYS[k].name for k in keys}
    yield "# Speed of the zoo\n"
    yield "Written by `make bench`. Milliseconds of processor time for one run on one thread: median (quartiles) of "
    yield f"{rounds} interleaved rounds. `x` is the engine's time over nnc's: above 1, nnc is faster. The networks are those"
    yield "of `bench/zoo.py`, the outputs of every engine were compared with ONNX Runtime's in the same run.\n"
    yield f"- processor: {processor()}; load average {os.getloadavg()[0]:.1f}; {seconds / 60:.0f} minutes"
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    yield f"- {', '.join(KEYS[k].version() for k in keys)}; {gcc}, {' '.join(engines.CFLAGS)}\n"
    yield "| network | " + " | ".join(names[k] for k in keys) + " | " + " | ".join(f"x {names[k]}" for k in others) + " | error |"
    yield "|---|" + "---:|" * (len(keys) + len(others) + 1)
    for name, row in results.items():
        worst = row.get("nnc", {}).get("error")
        yield f"| {name} | " + " | ".join(cell(row[k]) for k in keys) + " | " + \
            " | ".join(show(ratio(row, k)) for k in others) + f" | {show(worst, '{:.1e}')} |"
    for title, chosen in (("geomean, float", [n for n in results if "int8" not in n]), ("geomean, int8", [n for n in results if "int8" in n])):
        if chosen:
            yield f"| **{title}** |" + " |" * len(keys) + " " + \
                " | ".join(f"**{show(geomean([ratio(results[n], k) for n in chosen]))}**" for k in others) + " | |"
    yield "\n`error`: nnc's largest difference from ONNX Runtime over the largest magnitude of the output. ONNX Runtime computes"
    yield "int8 networks in integers or in floating point, depending on what it may fuse; here it fuses.\n"
    refused = [(n, k, row[k]["refused"]) for n, row in results.items() for k in keys if "refused" in row[k]]
    for n, k, text in refused:
        yield f"- {names[k]} refuses {n}: {text}"
    wrong = [(n, k, row[k]["error"]) for n, row in results.items() for k in others if row[k].get("error", 0) > 1e-3 and "int8" not in n]
    for n, k, text in wrong:
        yield f"- {names[k]} differs from ONNX Runtime on {n}: {text:.1e}"
    yield "\n## Compiling\n"
    yield "Seconds and peak memory of nnc, seconds of gcc, and sizes in kB. The last column is the arena over its lower bound.\n"
    yield "| network | model | nnc s | nnc peak / model | gcc -O3 s | .c | text + weights | arena | arena / bound |"
    yield "|---|" + "---:|" * 8
    for name, row in results.items():
        f = row.get("nnc", {}).get("facts")
        if f:
            yield (f"| {name} | {f['model'] / 1e3:.0f} | {f['nnc_s']:.2f} | {f['nnc_peak'] / f['model']:.2f} | {f['gcc_s']:.1f} | "
                   f"{f['source'] / 1e3:.0f} | {f['text'] / 1e3:.0f} | {f['arena'] / 1e3:.0f} | {f['arena'] / max(f['bound'], 1):.3f} |")


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("names", nargs="*")
    parse.add_argument("--rounds", type=int, default=15)
    parse.add_argument("--engines", default="nnc,ort,openvino,emx")
    parse.add_argument("--out")
    parse.add_argument("--json")
    args = parse.parse_args()
    warnings.simplefilter("ignore")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    folder = os.environ.get("NNC_ZOO") or str(engines.ROOT / ".cache/zoo")
    keys, results, start = args.engines.split(","), {}, time.monotonic()
    for name in args.names or zoo.NAMES:
        path = zoo.build(folder, name)
        # A process per network: no engine's memory or threads outlive it.
        with tempfile.TemporaryDirectory() as place:
            results[name] = forked(lambda: (engines.load_loops(place), run_network(name, path, keys, args.rounds, place))[1])
        row = results[name]
        print(f"{name:18} " + "  ".join(f"{k} {cell(row[k])}" + (f" x{ratio(row, k):.2f}" if k != "nnc" and ratio(row, k) else "")
                                        for k in keys), flush=True)
    text = "\n".join(page(results, keys, args.rounds, time.monotonic() - start)) + "\n"
    print(text)
    if args.out:
        with open(args.out, "w") as out:
            out.write(text)
    if args.json:
        with open(args.json, "w") as out:
            json.dump(results, out, indent=1)
    missing = [n for n, row in results.items() if "refused" in row.get("nnc", {})]
    wrong = [n for n, row in results.items() if row.get("nnc", {}).get("error", 0) > (0.05 if "int8" in n else 1e-4)]
    if missing or wrong:
        sys.exit(f"nnc refuses {missing}, differs from ONNX Runtime on {wrong}")


def forked(work):
    """work() in a child; its result comes back as JSON."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            data = json.dumps(work())
        except BaseException as error:
            data = json.dumps({"failed": repr(error)})
        with os.fdopen(writer, "w") as out:
            out.write(data)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as data:
        text = data.read()
    os.waitpid(pid, 0)
    result = json.loads(text or '{"failed": "died"}')
    if "failed" in result:
        raise SystemExit(f"the benchmark itself failed: {result['failed']}")
    return result


if __name__ == "__main__":
    main()
