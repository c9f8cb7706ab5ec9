#!/usr/bin/env python3
"""The benchmark zoo (bench/zoo.py) against ONNX Runtime: 16 float networks, six int8 ones.

Float outputs must agree within 1e-4 of the output's scale.  The int8 networks end in a DequantizeLinear.  ONNX Runtime
computes them in floating point, or, when it may fuse operators, in integers, and a deep network then differs from itself;
nnc must be within one quantisation step of the former, or equal the latter to the bit.  Elements that differ are counted.

usage: run_zoo.py [--small] [--cc "gcc -O2"] [--keep-going] [NAME ...]      --small: those below 3 MB
"""

import argparse
import json
import os
import sys
import time
import warnings

import numpy as np
import onnx
from harness import ROOT, Toolchain, compile_onnx, isolated, relative_error
from reference import ort_run

sys.path.insert(0, str(ROOT / "bench"))
import zoo as nets

SMALL = ["dscnn_kws", "autoencoder", "resnet8", "tcn", "mlp", "cnn_mnist", "lstm", "gru", "unet",
         "dscnn_kws_int8", "resnet8_int8", "autoencoder_int8", "mlp_int8"]
TOLERANCE = 1e-4
FOLDER = os.environ.get("NNC_ZOO") or str(ROOT / ".cache/zoo")


def last_scale(model, output):
    """The scale of the quantisation the output was last squeezed through, searching back through shape-only ops."""
    made_by = {o: n for n in model.graph.node for o in n.output}
    weights = {w.name: w for w in model.graph.initializer}
    while output in made_by:
        node = made_by[output]
        if node.op_type in ("DequantizeLinear", "QuantizeLinear"):
            return float(np.max(onnx.numpy_helper.to_array(weights[node.input[1]])))
        if node.op_type not in ("Identity", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze"):
            return None
        output = node.input[0]
    return None


def steps_off(got, want, step):
    """Whole quantisation steps between the two, per element."""
    return np.round(np.abs(got.astype(np.float64) - want) / step)


def check(name, toolchain):
    path = nets.build(FOLDER, name)
    model = onnx.load(path)
    feeds = nets.inputs_of(model)
    want = ort_run(path, feeds)
    start = time.monotonic()
    compiled = compile_onnx(path, [toolchain])
    seconds = time.monotonic() - start
    got = compiled.run(list(feeds.values()), seconds=300)
    info, notes, bad = compiled.info, [], False
    fused = dict(zip([t.name for t in compiled.outputs], ort_run(path, feeds, optimise=True))) if name.endswith("_int8") else {}
    for tensor, a, b in zip(compiled.outputs, got, want):
        error = relative_error(a, b) if a.shape == b.shape and a.dtype == b.dtype else np.inf
        step = last_scale(model, tensor.name) if name.endswith("_int8") else None
        if step and np.isfinite(error):
            off, own = steps_off(a, b, step), steps_off(fused[tensor.name], b, step)
            same = np.array_equal(a, fused[tensor.name])
            bad |= bool(off.max() > 1) and not same
            notes.append(f"{np.count_nonzero(off)} of {a.size} off, by {off.max():.0f} steps at most (ONNX Runtime itself: "
                         f"{np.count_nonzero(own)}, by {own.max():.0f}{'; equal to that' if same else ''})")
        else:
            bad |= not error <= TOLERANCE
            notes.append(f"relative error {error:.2g}")
    arena, bound = info["workspace_bytes"], info["workspace_lower_bound"]
    return bad, f"arena {arena} = {arena / max(bound, 1):.3f} of the lower bound, {seconds:.1f} s to build, {', '.join(notes)}"


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("names", nargs="*")
    parse.add_argument("--small", action="store_true")
    parse.add_argument("--cc", default="gcc -O2")
    parse.add_argument("--json")
    args = parse.parse_args()
    warnings.simplefilter("ignore")
    names = args.names or (SMALL if args.small else nets.NAMES)
    for name in names:
        nets.build(FOLDER, name)
    failed, rows = [], {}
    for name, status, value in isolated(names, lambda n: check(n, Toolchain(*args.cc.split())), seconds=1200):
        bad, text = value if status == "ok" else (True, f"{value[0]}: {value[1][:600]}" if status == "raised" else value)
        print(f"{'FAILED' if bad else 'ok':7}{name:18} {text}", flush=True)
        rows[name] = {"ok": not bad, "text": text}
        if bad:
            failed.append(name)
    if args.json:
        with open(args.json, "w") as out:
            json.dump(rows, out, indent=1)
    print(f"{len(names) - len(failed)} of {len(names)} networks agree with ONNX Runtime")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
