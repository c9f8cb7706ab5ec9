#!/usr/bin/env python3
"""A loop over rows against the same network written with matrices: `for s in rows { mlp(s) }` must run at batch speed.

    bench/maps.py [--nnc build/release/nnc] [--target avx512] [--rounds 5]

Every row is a program of three layers, compiled twice; times are the best of all rounds, in milliseconds.  The third form
keeps the loop (@serial), the fourth runs tiles of 64 rows.
"""
import argparse
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

SIZES = [(1200, 64, 96, 10), (10000, 32, 32, 4), (10000, 64, 128, 10), (4000, 256, 512, 10)]
PROGRAM = """
export fn net(rows: f32[{n}, {d}], w: f32[{d}, {h}], b: f32[{h}], u: f32[{h}, {h}], v: f32[{h}, {o}])
    -> f32[{n}, {o}] {{
  {body}
}}
"""
LAYERS = "relu(relu({x} @ w + b) @ u + b) @ v"
FORMS = [
    ("matrices", LAYERS.format(x="rows")),
    ("loop", "for s in rows { " + LAYERS.format(x="s") + " }"),
    ("@serial", "@serial for s in rows { " + LAYERS.format(x="s") + " }"),
    ("@batch(64)", "@batch(64) for s in rows { " + LAYERS.format(x="s") + " }"),
]
UNITS = {"s": 1e3, "ms": 1, "us": 1e-3, "ns": 1e-6}


def inputs(folder, n, d, h, o):
    """Random tensors as files, as arguments of `nnc run`."""
    rng = np.random.default_rng(1)
    args = []
    for name, shape in dict(rows=(n, d), w=(d, h), b=(h,), u=(h, h), v=(h, o)).items():
        path = os.path.join(folder, name + ".npy")
        np.save(path, (0.1 * rng.standard_normal(shape)).astype(np.float32))
        args += ["--input", f"{name}={path}"]
    return args


def milliseconds(nnc, target, path, args, repeat):
    command = [nnc, "run", path, f"--target={target}", "--quiet", f"--repeat={repeat}"] + args
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"([\d.e+-]+) *(ns|us|ms|s)\b", done.stdout + done.stderr)
    if done.returncode or not found:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return float(found[1]) * UNITS[found[2]]


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--nnc", default="build/release/nnc")
    p.add_argument("--target", default="avx512")
    p.add_argument("--rounds", type=int, default=5)
    o = p.parse_args()
    print("rows x inputs x hidden  " + "".join(f"{name:>12}" for name, _ in FORMS) + "   loop / matrices")
    worst = 0
    for n, d, h, out in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            args = inputs(folder, n, d, h, out)
            best = [float("inf")] * len(FORMS)
            repeat = max(3, int(2e9 / (2 * n * (d * h + h * h + h * out))))
            for _ in range(o.rounds):  # interleaved: other load hits all forms alike
                for i, (name, body) in enumerate(FORMS):
                    path = os.path.join(folder, f"form{i}.nn")
                    with open(path, "w") as f:
                        f.write(PROGRAM.format(n=n, d=d, h=h, o=out, body=body))
                    best[i] = min(best[i], milliseconds(o.nnc, o.target, path, args, repeat))
        ratio = best[1] / best[0]
        worst = max(worst, ratio)
        print(f"{n} x {d} x {h}".ljust(24) + "".join(f"{t:12.3f}" for t in best) + f"   {ratio:.2f}")
    return 0 if worst <= 1.2 else 1


if __name__ == "__main__":
    sys.exit(main())
