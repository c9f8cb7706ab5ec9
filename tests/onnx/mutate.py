#!/usr/bin/env python3
"""Mutated ONNX files: nnc must end within 10 seconds with exit code 0 or 1, without a finding of the sanitizers, and
leave either a whole output or none.

Two kinds of mutation, half each: of bytes (flips, cuts, doubled and swapped pieces, large numbers), and of the parsed
model (attributes, shapes, types, names, operators and whole nodes exchanged), which gets deeper into the compiler.

usage: mutate.py [--count N] [--seed FIRST] [--program NNC] [--keep FOLDER]

The program is the one of the asan build when that exists.
"""

import argparse
import collections
import os
import shutil
import signal
import subprocess
import sys
import warnings

import numpy as np
import onnx
from harness import ASAN_BUILD, ASAN_OPTIONS, FINDING, JOBS, NNC, isolated
from models import ALL, flexible
from onnx import helper

SECONDS = 10
LARGE = [0, 1, -1, 2, 7, 127, 128, 255, 1 << 16, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 62), (1 << 63) - 1, -(1 << 63), -2, -7]


def seeds():
    """Serialised models to start from: our small ones and the smaller cases of the onnx package."""
    found = [f()[0].SerializeToString() for f in [*ALL.values(), flexible]]
    from onnx.backend.test.loader import load_node_model_tests
    found += [c.model.SerializeToString() for c in load_node_model_tests()]
    return [d for d in found if len(d) < 100_000]


def mutate_bytes(r, data):
    data = bytearray(data)
    for _ in range(int(r.integers(1, 6))):
        if not data:
            break
        at = int(r.integers(len(data)))
        how = int(r.integers(7))
        if how == 0:
            data[at] ^= 1 << int(r.integers(8))
        elif how == 1:
            data[at] = int(r.integers(256))
        elif how == 2:
            del data[at:at + int(r.integers(1, 20))]
        elif how == 3:
            data[at:at] = r.integers(0, 256, int(r.integers(1, 12))).astype(np.uint8).tobytes()
        elif how == 4:
            other = int(r.integers(len(data)))
            data[at:at] = data[other:other + int(r.integers(1, 60))]
        elif how == 5:
            data[at:at + 10] = bytes([255] * int(r.integers(1, 10))) + b"\x01"
        else:
            del data[at:]
    return bytes(data)


def number(r):
    return int(LARGE[int(r.integers(len(LARGE)))])


def mutate_graph(r, model):
    g = model.graph
    names = [v for n in g.node for v in [*n.input, *n.output]] + ["", "zzz"]

    def one(items):
        return items[int(r.integers(len(items)))] if len(items) else None
    for _ in range(int(r.integers(1, 4))):
        n, how = one(g.node), int(r.integers(14))
        value = one(list(g.input) + list(g.output) + list(g.value_info))
        weight = one(g.initializer)
        if how == 0 and n:
            n.op_type = one(["Conv", "Reshape", "LSTM", "If", "Slice", "Pad", "Concat", "MatMul", "Resize", "Gather", "Split", "Einsum",
                             "MaxPool", "Softmax", "Scan", "Cast", "TopK", "QLinearConv", "Attention", "Tile", "Expand"])
        elif how == 1 and n and n.input:
            n.input[int(r.integers(len(n.input)))] = one(names)
        elif how == 2 and n:
            n.input.append(one(names))
        elif how == 3 and n and n.input:
            del n.input[int(r.integers(len(n.input)))]
        elif how == 4 and n and n.attribute:
            a = one(n.attribute)
            a.i = number(r)
            for i in range(len(a.ints)):
                if r.random() < 0.5:
                    a.ints[i] = number(r)
            if r.random() < 0.2:
                a.type = int(r.integers(0, 16))
        elif how == 5 and n and n.attribute:
            del n.attribute[int(r.integers(len(n.attribute)))]
        elif how == 6 and n:
            n.attribute.append(helper.make_attribute(one(["axis", "axes", "group", "pads", "strides", "perm", "to", "mode", "keepdims"]),
                                                     one([number(r), [number(r), number(r)], 1.5, "x"])))
        elif how == 7 and value and value.type.tensor_type.shape.dim:
            one(value.type.tensor_type.shape.dim).dim_value = number(r)
        elif how == 8 and value:
            value.type.tensor_type.elem_type = int(r.integers(0, 28))
        elif how == 9 and weight and weight.dims:
            weight.dims[int(r.integers(len(weight.dims)))] = number(r)
        elif how == 10 and weight:
            weight.data_type = int(r.integers(0, 28))
        elif how == 11 and weight and weight.raw_data:
            cells = bytearray(weight.raw_data)
            for _ in range(4):
                cells[int(r.integers(len(cells)))] = int(r.integers(256))
            weight.raw_data = bytes(cells)
        elif how == 12 and n:
            g.node.insert(int(r.integers(len(g.node))), n)
        elif how == 13 and model.opset_import:
            model.opset_import[0].version = int(r.integers(-1, 30))
    return model.SerializeToString()


def mutate(seed, pool):
    r = np.random.default_rng(seed)
    data = pool[int(r.integers(len(pool)))]
    if seed % 2:
        return mutate_bytes(r, data)
    try:
        return mutate_graph(r, onnx.load_from_string(data))
    except ValueError:                         # a number that does not fit its field
        return mutate_bytes(r, data)


def run_one(seed, pool, program, keep):
    with open("m.onnx", "wb") as out:
        out.write(mutate(seed, pool))
    try:
        done = subprocess.run([program, "m.onnx", "-o", "m.c"], capture_output=True, timeout=SECONDS, text=True, errors="replace",
                              env={**os.environ, **ASAN_OPTIONS})
        code, said = done.returncode, done.stderr
    except subprocess.TimeoutExpired:
        code, said = None, ""
    files = sorted(f for f in os.listdir(".") if f != "m.onnx")
    wrong = None
    if code is None:
        wrong = f"no end after {SECONDS} s"
    elif code not in (0, 1) or FINDING.search(said):
        wrong = f"{signal.Signals(-code).name if code < 0 else f'exit {code}'}: {said[-1800:]}"
    elif code == 1 and files:
        wrong = f"refused, but left {files}"
    elif code == 1 and not said.strip():
        wrong = "refused without a word"
    elif code == 0 and not {"m.c", "m.h"} <= set(files):
        wrong = f"accepted, but wrote {files}"
    if wrong and keep:
        os.makedirs(keep, exist_ok=True)
        shutil.copy("m.onnx", f"{keep}/{seed}.onnx")
    return code, wrong


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--count", type=int, default=1000)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--program")
    parse.add_argument("--keep", help="save the files that fail in this folder")
    args = parse.parse_args()
    warnings.simplefilter("ignore")
    asan = os.path.join(ASAN_BUILD, "nnc")
    program = os.path.abspath(args.program or (asan if os.path.exists(asan) else NNC))
    keep = os.path.abspath(args.keep) if args.keep else None
    pool = seeds()
    counts = collections.Counter()
    batches = [range(s, min(s + 10, args.seed + args.count)) for s in range(args.seed, args.seed + args.count, 10)]

    def work(batch):
        results = []
        for seed in batch:
            os.makedirs(str(seed))
            os.chdir(str(seed))
            results.append((seed, *run_one(seed, pool, program, keep)))
            os.chdir("..")
        return results

    for batch, status, value in isolated(batches, work, JOBS, seconds=SECONDS * 12):
        for seed, code, wrong in value if status == "ok" else [(batch[0], None, str(value))]:
            counts["accepted" if code == 0 else "refused" if code == 1 else "failed"] += 1
            if wrong:
                counts["wrong"] += 1
                print(f"seed {seed}: {wrong}", flush=True)
    print(f"{args.count} mutated files through {os.path.relpath(program)}: {counts['accepted']} accepted, {counts['refused']} refused, "
          f"{counts['wrong']} failures")
    sys.exit(bool(counts["wrong"]))


if __name__ == "__main__":
    main()
