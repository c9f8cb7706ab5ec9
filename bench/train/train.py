#!/usr/bin/env python3
"""Training steps of the programs beside, compiled by nnc, against PyTorch: the same numbers first, then time and memory.

Every engine is a process on one thread, and they take turns, round after round; a figure is the median of the rounds
with its quartiles, in processor time.  nnc's programs run a whole training: the time of a step is the difference of a
long and a short one over the difference of their steps.

usage: train.py [--rounds N] [--out docs/bench-train.md] [NAME ...]
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
from figures import geomean, processor, quartiles  # noqa: E402

NNC = os.environ.get("NNC") or str(ROOT / "build/release/nnc")
NETS = {
    "mlp": "MLP 64-160-128-10, batch 128",
    "cnn": "LeNet-5 (relu, max pools) on 28 x 28, batch 64",
    "lstm": "LSTM 128 over 32 steps of 64, batch 32",
    "transformer": "transformer, 2 blocks of 128, 4 heads, 64 tokens, batch 8",
    "pinn": "PINN 2-32-32-32-32-1, u_xx, 512 + 128 points",
}
ENGINES = {"nnc": "nnc", "eager": "PyTorch", "compile": "torch.compile"}
SAMPLE = 0.25            # seconds of a sample
SHORT = 20               # steps of the short run
LIMIT = 1e-5             # relative, of what must be equal


def run(*command, **more):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **more)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done


def processor_time(*command):
    """Seconds of user and system time of a command."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        raise SystemExit(f"{command[0]} failed")
    return usage.ru_utime + usage.ru_stime


class Nnc:
    """The program of a network in two lengths."""

    def __init__(self, name, folder):
        self.name, self.folder = name, folder
        self.few = self.compile(SHORT)
        probe = self.compile(SHORT + 100)
        one = max((self.once(probe) - self.once(self.few)) / 100, 1e-6)
        self.steps = max(100, int(SAMPLE / one))
        self.many = self.compile(SHORT + self.steps)

    def compile(self, steps):
        program = self.folder / f"{self.name}_{steps}"
        done = run(NNC, HERE / f"{self.name}.nn", "--set", f"steps={steps}", "--stats", "--quiet", "-o", program)
        self.workspace = int(re.search(r"graph time: workspace (\d+) bytes", done.stderr).group(1))
        return program

    def once(self, program):
        return processor_time(str(program), "time", "--quiet", f"--out={self.folder}/results")

    def sample(self):
        return (self.once(self.many) - self.once(self.few)) / self.steps * 1e3

    def close(self):
        done = run(self.folder / "measure", self.many, "time", "--quiet", f"--out={self.folder}/results")
        return {"peak": int(done.stdout.split()[-1]), "workspace": self.workspace}


class Torch:
    """A process that runs steps on demand."""

    def __init__(self, mode, name, checked):
        self.child = subprocess.Popen([sys.executable, HERE / "worker.py", mode, name, checked], text=True,
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if self.child.stdout.readline() != "ready\n":
            raise SystemExit(f"worker.py {mode} {name} failed")
        self.ask(SHORT)
        self.steps = max(10, int(SAMPLE * SHORT / self.ask(SHORT)))

    def ask(self, steps):
        print(steps, file=self.child.stdin, flush=True)
        return float(self.child.stdout.readline())

    def sample(self):
        return self.ask(self.steps) / self.steps * 1e3

    def close(self):
        return json.loads(self.child.communicate()[0])


def check(name, folder, *options):
    """What nnc saves, and how far PyTorch is from it."""
    run(NNC, "run", HERE / f"{name}.nn", "check", "--quiet", f"--results={folder}", *options)
    return json.loads(run(sys.executable, HERE / "worker.py", "check", name, folder / "check").stdout)


def measure(name, folder, rounds):
    row = {"f32": check(name, folder / "f32"), "f64": check(name, folder / "f64", "--set", "wide=true"), "ms": {}}
    engines = {"nnc": Nnc(name, folder)} | {m: Torch(m, name, folder / "f32/check") for m in ("eager", "compile")}
    for _ in range(rounds):
        for key, engine in engines.items():
            row["ms"].setdefault(key, []).append(engine.sample())
    row["memory"] = {key: engine.close() for key, engine in engines.items()}
    return row


def cell(ms):
    low, mid, high = quartiles(ms)
    return f"{mid:.3g} ({low:.3g}-{high:.3g})"


def ratio(row, key):
    """How many times PyTorch's median is nnc's."""
    return float(np.median(row["ms"][key]) / np.median(row["ms"]["nnc"]))


def versions():
    gcc = subprocess.run(["gcc", "--version"], capture_output=True, text=True).stdout.splitlines()[0]
    torch = run(sys.executable, "-c", "import torch; print(torch.__version__)").stdout.strip()
    return f"PyTorch {torch}, one thread, fused Adam; {gcc}, -O3 -march=native"


def times(results, rounds):
    yield "# Training steps against PyTorch\n"
    yield "Written by `make bench-train`. Milliseconds of processor time of one training step (loss, gradient, Adam) on one thread:"
    yield f"median (quartiles) of {rounds} interleaved rounds. `x` is PyTorch's time over nnc's: above 1, nnc is faster. The programs"
    yield "are in `bench/train/`; every step takes another batch of eight.\n"
    yield f"- processor: {processor()}; load average {os.getloadavg()[0]:.1f}"
    yield f"- {versions()}\n"
    yield "| network | " + " | ".join(ENGINES.values()) + " | x PyTorch | x torch.compile |"
    yield "|---|" + "---:|" * 5
    for name, row in results.items():
        yield f"| {NETS[name]} | " + " | ".join(cell(row["ms"][k]) for k in ENGINES) + \
            f" | {ratio(row, 'eager'):.2f} | {ratio(row, 'compile'):.2f} |"
    yield "| **geomean** | | | | " + " | ".join(f"**{geomean([ratio(r, k) for r in results.values()]):.2f}**" for k in ("eager", "compile")) + " |\n"
    yield "torch.compile compiles the loss and its gradient. It cannot differentiate twice through what it compiled, so its PINN takes"
    yield "the inner derivatives by `torch.func.jvp`; eager PyTorch takes them by `torch.autograd.grad`.\n"


def numbers(results):
    yield "## The same numbers\n"
    yield "From the same weights and batches: the largest difference of any element of a tensor from PyTorch's over the tensor's largest"
    yield "magnitude, for the worst tensor: of the gradient, and of the parameters after ten steps of Adam.\n"
    yield "| network | gradient, f32 | ten steps, f32 | gradient, f64 | ten steps, f64 |"
    yield "|---|" + "---:|" * 4
    for name, row in results.items():
        yield f"| {name} | " + " | ".join(f"{row[t][k][0]:.1e}" for t in ("f32", "f64") for k in ("gradient", "after")) + " |"
    yield "\nAdam divides a gradient by its own magnitude: where an element is as small as its rounding error, a step in f32 may go"
    yield "either way. In f64 the same programs agree, so what differs in f32 is that.\n"


def memory(results):
    yield "## Memory\n"
    yield "Peak resident memory of the processes in MB. PyTorch's is given whole and without what was resident before the first step,"
    yield "libraries included. `workspace` is nnc's plan for the whole graph: batches in use, parameters, both moments,"
    yield "gradients and what the backward pass needs; the rest of its peak is libc, the program and its eight batches.\n"
    yield "| network | nnc | of it workspace | PyTorch | of it since loading | torch.compile | of it since loading |"
    yield "|---|" + "---:|" * 6
    for name, row in results.items():
        m = row["memory"]
        yield f"| {name} | {m['nnc']['peak'] / 1e6:.1f} | {m['nnc']['workspace'] / 1e6:.2f} | " + \
            " | ".join(f"{m[k]['peak'] / 1e6:.0f} | {(m[k]['peak'] - m[k]['loaded']) / 1e6:.0f}" for k in ("eager", "compile")) + " |"


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("names", nargs="*")
    parse.add_argument("--rounds", type=int, default=11)
    parse.add_argument("--out")
    args = parse.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")
    results = {}
    with tempfile.TemporaryDirectory() as place:
        run("cc", "-O1", ROOT / "bench/measure.c", "-o", Path(place) / "measure")
        for name in args.names or NETS:
            results[name] = row = measure(name, Path(place), args.rounds)
            print(f"{name:12} " + "  ".join(f"{k} {cell(v)}" for k, v in row["ms"].items()) +
                  f"  x {ratio(row, 'eager'):.2f} {ratio(row, 'compile'):.2f}  f32 {row['f32']}  f64 {row['f64']}", flush=True)
    text = "\n".join([*times(results, args.rounds), *numbers(results), *memory(results)]) + "\n"
    print(text)
    if args.out:
        Path(args.out).write_text(text)
    wrong = [n for n, r in results.items() if max(r["f64"][k][0] for k in ("gradient", "after")) > LIMIT or r["f32"]["gradient"][0] > LIMIT]
    if wrong:
        sys.exit(f"nnc and PyTorch differ on {wrong}")


if __name__ == "__main__":
    main()
