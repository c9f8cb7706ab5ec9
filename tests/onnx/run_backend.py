#!/usr/bin/env python3
"""The standard onnx.backend.test suite with nnc as the backend: every case, each in a process of its own.

A case passes, is refused (nnc says why), gives a wrong answer, or fails otherwise (nnc crashed, its C did not compile,
the compiled program crashed).  Two kinds more are told apart and do not count as passes: `random`, where the vector is
one draw of another generator, and `close`, where only rounding differs (1e-6 of the output's scale) but the suite's
absolute tolerance of 1e-7 says no.  Wrong answers and failures make the run fail, and so does a number of passes below
--at-least.

usage: run_backend.py [--filter REGEX] [--list-failures] [--json FILE] [--compilers "gcc -O2"|all] [--node-only]
                      [--at-least N]
"""

import argparse
import collections
import json
import os
import re
import sys
import tempfile
import time
import warnings

import numpy as np
import onnx
from backend import NncBackend
from harness import JOBS, TMP, Toolchain, agree, ensure, isolated
from onnx.backend.test.runner import Runner

KINDS = ["pass", "refused", "random", "close", "wrong", "bad code", "crash"]
BAD = KINDS[4:]
# the vectors hold one draw of another generator: only shape and type can agree
RANDOM = re.compile("test_bernoulli|test_training_dropout")
KIND_OF = {"Refused": "refused", "Close": "close", "BadCode": "bad code", "Fault": "crash", "Crash": "crash"}


def result_of(name, raised):
    """Kind and reason of a case that raised (type, text)."""
    kind, reason = KIND_OF.get(raised[0], "wrong"), f"{raised[0]}: {raised[1]}"
    drawn = "Not equal to tolerance" in reason
    if "C against interpreter" in reason:  # of nnc check: our two sides must still agree
        drawn = not re.search("C against interpreter.*FAILED", reason)
    if kind == "wrong" and RANDOM.search(name) and drawn:
        kind = "random"
    return kind, reason


class Close(Exception):
    """Only rounding differs."""


def compare(ref_outputs, outputs, rtol, atol, model_dir=None):
    """The suite's own comparison; Close when it fails by rounding only."""
    try:
        Runner.assert_similar_outputs(ref_outputs, outputs, rtol, atol, model_dir)
    except AssertionError as error:
        if len(outputs) == len(ref_outputs) and all(isinstance(b, np.ndarray) and agree(a, b, 1e-6) and b.dtype.kind == "f"
                                                    for a, b in zip(outputs, ref_outputs)):
            raise Close(str(error)) from error
        raise


def collect(pattern, node_only):
    """Name -> (bound test method, operator) for the cases of the suite, via its own runner."""
    import onnx.backend.test
    from onnx.backend.test.loader import load_node_model_tests

    suite = onnx.backend.test.BackendTest(NncBackend, __name__)
    suite.assert_similar_outputs = compare
    operators = {}
    for case in load_node_model_tests():
        operators[case.name] = case.model.graph.node[0].op_type if case.model.graph.node else "(none)"
    found = {}
    for group, cases in sorted(suite.test_cases.items()):
        if node_only and "NodeModel" not in group:
            continue
        for method in sorted(m for m in dir(cases) if m.startswith("test_") and m.endswith("_cpu")):
            name = method.removesuffix("_cpu")
            if pattern and not re.search(pattern, name):
                continue
            kind = group.removeprefix("OnnxBackend").removesuffix("ModelTest")
            base = re.sub(r"_expanded.*$", "", name)
            found[f"{kind}/{name}"] = (getattr(cases(method), method), operators.get(base) or kind)
    return found


def table(results, column):
    """Lines of `key pass refused wrong ...` sorted by what needs attention."""
    counts = collections.defaultdict(collections.Counter)
    for r in results:
        counts[r[column]][r["result"]] += 1
    width = max(map(len, counts), default=10)
    yield f"{'':{width}} " + " ".join(f"{k:>8}" for k in KINDS)
    for key, c in sorted(counts.items(), key=lambda kv: (-sum(kv[1][k] for k in BAD), -kv[1]["refused"], kv[0])):
        yield f"{key:{width}} " + " ".join(f"{c[k] or '.':>8}" for k in KINDS)


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--filter")
    parse.add_argument("--list-failures", action="store_true", help="every case that did not pass, with its reason")
    parse.add_argument("--json", help="write all results to this file")
    parse.add_argument("--compilers", default="gcc -O1")
    parse.add_argument("--node-only", action="store_true")
    parse.add_argument("--at-least", type=int, default=0, help="fail when fewer cases pass")
    parse.add_argument("--jobs", type=int, default=JOBS)
    args = parse.parse_args()

    warnings.simplefilter("ignore")
    NncBackend.toolchains = Toolchain.named(args.compilers)
    home = tempfile.TemporaryDirectory(dir=ensure(TMP))        # the suite keeps files of its `real` models there
    os.environ["ONNX_HOME"] = home.name
    cases = collect(args.filter, args.node_only)
    if not cases:
        sys.exit("no case matches")
    results, start = [], time.monotonic()

    def work(name):
        cases[name][0]()
        return True

    for name, status, value in isolated(cases, work, args.jobs, seconds=600):
        result, reason = "pass", ""
        if status == "raised":
            result, reason = result_of(name, value)
        elif status == "died":
            result, reason = "crash", value
        results.append({"case": name, "kind": name.split("/")[0], "operator": cases[name][1], "result": result,
                        "reason": reason})
        if result in BAD:
            print(f"{result}: {name}: {reason[:400]}", flush=True)
    results.sort(key=lambda r: r["case"])
    report(results, args, time.monotonic() - start)


def report(results, args, seconds):
    count = collections.Counter(r["result"] for r in results)
    if args.list_failures:
        for r in results:
            if r["result"] != "pass":
                print(f"{r['result']}: {r['case']}: {r['reason'].splitlines()[0] if r['reason'] else ''}")
    print("\nby operator (those that all pass are left out)")
    bad = {r["operator"] for r in results if r["result"] != "pass"}
    print("\n".join(table([r for r in results if r["operator"] in bad], "operator")))
    print("\nby kind")
    print("\n".join(table(results, "kind")))
    if args.json:
        with open(args.json, "w") as out:
            json.dump({"onnx": onnx.__version__, "compilers": args.compilers, "counts": count, "cases": results}, out, indent=1)
    failed = sum(count[k] for k in BAD)
    print(f"\n{count['pass']} of {len(results)} cases pass, {count['refused']} refused, {count['random']} random, {count['close']} close, "
          f"{count['wrong']} wrong, "
          f"{count['bad code']} with C that does not compile, {count['crash']} crashed; {seconds:.0f} s")
    if count["pass"] < args.at_least:
        print(f"expected at least {args.at_least} to pass")
    sys.exit(1 if failed or count["pass"] < args.at_least else 0)


if __name__ == "__main__":
    main()
