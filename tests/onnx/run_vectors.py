#!/usr/bin/env python3
"""Test vectors kept as files: node, pytorch-converted, pytorch-operator, simple (archives) and light (nine classic
image networks), looked for in onnx-tests below $NNC_SHARED_DATA (default ../shared/data beside the project).

Judged and counted as in run_backend.py; says so and succeeds when the folder is not there.

usage: run_vectors.py [--filter REGEX] [--list-failures] [--json FILE] [--compilers ...] [--at-least N]
                      [--check]     also `nnc check --against`: the interpreter and nnc's own reading of the vectors
"""

import argparse
import glob
import os
import re
import sys
import tarfile
import tempfile
import time
import warnings

import onnx
from harness import JOBS, SHARED, TMP, Toolchain, compile_onnx, ensure, isolated, nnc
from onnx import numpy_helper
from onnx.backend.test.runner import Runner
from run_backend import BAD, compare, report, result_of

RTOL, ATOL = 1e-3, 1e-7        # those of onnx.backend.test


def load(path, kind):
    """The numpy value of a .pb file whose type is `kind`, a TypeProto."""
    proto = {"sequence_type": onnx.SequenceProto, "optional_type": onnx.OptionalProto}.get(
        kind.WhichOneof("value"), onnx.TensorProto)()
    with open(path, "rb") as data:
        proto.ParseFromString(data.read())
    if isinstance(proto, onnx.SequenceProto):
        return numpy_helper.to_list(proto)
    if isinstance(proto, onnx.OptionalProto):
        return numpy_helper.to_optional(proto)
    return numpy_helper.to_array(proto)


def numbered(folder, stem, values):
    return [load(os.path.join(folder, f"{stem}_{i}.pb"), v.type) for i, v in enumerate(values)
            if os.path.exists(os.path.join(folder, f"{stem}_{i}.pb"))]


def dummy_inputs(graph):
    """The inputs the `light` networks were evaluated on."""
    weights = {w.name for w in graph.initializer}
    return [Runner.generate_dummy_data(v) for v in graph.input if v.name not in weights]


def run_case(path, toolchains, check):
    model = onnx.load(path)
    folder = os.path.dirname(path)
    sets = []
    for data in sorted(glob.glob(os.path.join(folder, "test_data_set_*"))):
        sets.append((numbered(data, "input", model.graph.input), numbered(data, "output", model.graph.output)))
        if check:
            nnc("check", path, "--against", data, "--rtol=1e-3", "--cflags=-O1", seconds=300)
    if not sets:
        stem = os.path.splitext(path)[0]
        want = [numpy_helper.to_array(onnx.load_tensor(f"{stem}_output_{i}.pb")) for i in range(len(model.graph.output))]
        sets.append((dummy_inputs(model.graph), want))
    compiled = compile_onnx(path, toolchains)
    for inputs, want in sets:
        compare(want, compiled.run(inputs), RTOL, ATOL)


def unpack(data, where):
    """Case name -> model path."""
    for archive in sorted(data.glob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            tar.extractall(where, filter="data")
    found = {}
    for path in sorted(glob.glob(os.path.join(where, "*", "*", "model.onnx"))):
        kind, name = path.split(os.sep)[-3:-1]
        found[f"{kind}/{name}"] = path
    for path in sorted(data.glob("light/*.onnx")):
        found[f"light/{path.stem}"] = str(path)
    return found


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--filter")
    parse.add_argument("--list-failures", action="store_true")
    parse.add_argument("--json")
    parse.add_argument("--compilers", default="gcc -O1")
    parse.add_argument("--check", action="store_true")
    parse.add_argument("--at-least", type=int, default=0)
    args = parse.parse_args()

    data = SHARED / "onnx-tests"
    if not data.is_dir():
        print(f"skipped: no test vectors in {data} (NNC_SHARED_DATA names another folder)")
        return
    warnings.simplefilter("ignore")
    toolchains = Toolchain.named(args.compilers)
    with tempfile.TemporaryDirectory(dir=ensure(TMP)) as where:
        cases = {n: p for n, p in unpack(data, where).items() if not args.filter or re.search(args.filter, n)}
        if not cases:
            sys.exit("no case matches")
        start, results = time.monotonic(), []
        for name, status, value in isolated(cases, lambda n: run_case(cases[n], toolchains, args.check), JOBS, seconds=600):
            result, reason = "pass", ""
            if status == "raised":
                result, reason = result_of(name, value)
            elif status == "died":
                result, reason = "crash", value
            kind = name.split("/")[0]
            nodes = onnx.load(cases[name], load_external_data=False).graph.node
            operator = nodes[0].op_type if kind == "node" and nodes else name if result != "pass" else kind
            results.append({"case": name, "kind": kind, "operator": operator, "result": result, "reason": reason})
            if result in BAD:
                print(f"{result}: {name}: {reason[:400]}", flush=True)
        results.sort(key=lambda r: r["case"])
        report(results, args, time.monotonic() - start)


if __name__ == "__main__":
    main()
