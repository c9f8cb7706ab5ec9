"""An exported function that keeps the state of models in `data`: emitted C, clean under strict warnings and the sanitizers, called
in turns with two states, gives what the same lines give in a native program."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent / "state"
NNC = os.environ["NNC"]
FLAGS = ("-std=c99 -pedantic -Wall -Wextra -Wconversion -Wshadow -Werror -g -fsanitize=address,undefined "
         "-fno-sanitize-recover=all").split()


def must(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def lines(text):
    """The lines of four numbers."""
    rows = [line.split() for line in text.splitlines()]
    return [[float(x) for x in row] for row in rows if len(row) == 4 and row[0].lstrip("-")[0].isdigit()]


def main():
    with tempfile.TemporaryDirectory(prefix="nnc-state-") as folder:
        os.chdir(folder)
        shutil.copy(HERE / "step.nn", "step.nn")
        want = lines(must(NNC, "run", "step.nn"))
        assert len(want) == 4, want
        must(NNC, "step.nn", "-o", "step.c")
        must(os.environ.get("CC", "cc"), *FLAGS, "-I.", str(HERE / "main.c"), "step.c", "-lm", "-o", "step")
        got = lines(must("./step"))
        order = [0, 1, 0, 2, 1, 3, 2]
        assert len(got) == len(order), got
        for row, k in zip(got, order):
            assert all(abs(a - b) < 2e-4 for a, b in zip(row, want[k])), f"step {k}: {row} instead of {want[k]}"


if __name__ == "__main__":
    sys.exit(main())
