"""The programs of models/: all are checked; those with tests are tested."""
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
NNC = os.environ["NNC"]


def run(*words):
    return subprocess.run([NNC, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600)


def main():
    programs = sorted(ROOT.glob("models/*/*.nn"))
    failed = 0
    for program in programs:
        commands = [("check", str(program))]
        if re.search(r"^test ", program.read_text(), re.M):
            commands.append(("test", "--quiet", str(program)))
        for command in commands:
            done = run(*command)
            if done.returncode:
                failed += 1
                print(f"nnc {command[0]} {program.relative_to(ROOT)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
        readme = program.parent / "README.md"
        if not readme.exists():
            failed += 1
            print(f"{readme.relative_to(ROOT)} is missing")
    if not programs:
        sys.exit("models/ holds no program")
    print(f"{len(programs)} programs, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
