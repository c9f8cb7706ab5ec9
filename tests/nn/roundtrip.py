#!/usr/bin/env python3
"""ONNX -> `.nn` -> ONNX gives the same numbers, and the text in between is pinned for two networks.

Both ends run in ONNX Runtime without its optimisations (with them, int8 networks differ from themselves).

usage: roundtrip.py [--all] [--update] [NAME ...]     networks of bench/zoo.py; --all: every one, not just the small;
                                                      --update: write the pinned texts anew
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "bench"))
import zoo  # noqa: E402

NNC = os.environ["NNC"]
FOLDER = os.environ.get("NNC_ZOO") or str(ROOT / ".cache/zoo")
SMALL = ["mlp", "resnet8", "cnn_mnist", "autoencoder", "dscnn_kws", "tcn", "lstm", "gru", "unet", "mlp_int8",
         "resnet8_int8", "dscnn_kws_int8"]
ALL = SMALL + ["autoencoder_int8", "yolo_nano", "squeezenet1_1", "mobilenet_v2", "resnet18", "vit_tiny", "minilm6",
               "resnet50", "mobilenet_v2_int8", "resnet18_int8"]
PINNED = ["mlp", "resnet8"]
TOLERANCE = 2e-5  # of the largest element


def session(path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options)


def nnc(*args):
    done = subprocess.run([NNC, *map(str, args)], capture_output=True, text=True, timeout=300)
    if done.returncode:
        raise AssertionError(f"nnc {' '.join(map(str, args))}: {done.stderr.strip()}")


def pin(name, text, update):
    golden = HERE / "written" / f"{name}.nn"
    if update:
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    elif text != golden.read_text():
        raise AssertionError(f"the text differs from {golden}; if it is meant to, run with --update")


def check(name, folder, update):
    path = zoo.build(FOLDER, name)
    text, back = folder / f"{name}.nn", folder / f"{name}.onnx"
    nnc(path, "-o", text)
    if name in PINNED:
        pin(name, text.read_text(), update)
    if any(len(line) > 100 for line in text.read_text().splitlines()):
        raise AssertionError("a line is wider than 100 columns")
    nnc(text, "-o", back)
    feeds = zoo.inputs_of(onnx.load(path))
    there, here = session(path), session(back)
    want = there.run(None, feeds)
    got = here.run(None, dict(zip([i.name for i in here.get_inputs()], feeds.values())))
    if len(want) != len(got):
        raise AssertionError(f"{len(got)} outputs instead of {len(want)}")
    worst = 0.0
    for a, b in zip(want, got):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise AssertionError(f"{b.dtype}{b.shape} instead of {a.dtype}{a.shape}")
        a, b = a.astype(np.float64), b.astype(np.float64)
        worst = max(worst, float(np.max(np.abs(a - b))) / max(float(np.max(np.abs(a))), 1e-30))
    if not worst <= TOLERANCE:
        raise AssertionError(f"the numbers differ by {worst:.2g}")
    return worst


def main():
    names = [a for a in sys.argv[1:] if not a.startswith("-")] or (ALL if "--all" in sys.argv else SMALL)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            try:
                print(f"{name:20} {check(name, Path(folder), '--update' in sys.argv):.1e}", flush=True)
            except AssertionError as e:
                failed += 1
                print(f"{name:20} FAIL  {e}", flush=True)
    print(f"{len(names)} networks, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
