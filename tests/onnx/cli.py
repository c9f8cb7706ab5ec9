#!/usr/bin/env python3
"""The command line: every output form, every command, exit codes, and no partial files.

Each check is a function below; its docstring says what holds.  usage: cli.py [NAME ...]
"""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import onnx
from harness import NNC, difference, execute, isolated
from models import ALL, flexible
from onnx import numpy_helper
from reference import ort_run

DONE, WRONG, USAGE, DIFFERS, SYSTEM = range(5)


def nnc(*args, expect=DONE, **more):
    done = execute([NNC, *args], **more)
    assert done.returncode == expect, f"nnc {' '.join(args)}: exit {done.returncode}, expected {expect}: {done.stderr[:1500]}"
    return done


def saved(name):
    """Write NAME.onnx and its inputs as .npy; returns (--input options, what ONNX Runtime answers)."""
    model, inputs = ALL[name]()
    onnx.save(model, f"{name}.onnx")
    names = [v.name for v in model.graph.input]
    for n, a in zip(names, inputs):
        np.save(f"{n}.npy", a)
    want = dict(zip([v.name for v in model.graph.output], ort_run(f"{name}.onnx", dict(zip(names, inputs)))))
    return [f"--input={n}={n}.npy" for n in names], want


def compare(want, name):
    for output, b in want.items():
        a = np.load(f"out_{output}.npy")
        assert a.shape == b.shape and a.dtype == b.dtype and np.allclose(a, b, rtol=1e-4, atol=1e-5), \
            f"{name}: {output}: {difference(a, b)}"
        os.remove(f"out_{output}.npy")


def usage():
    """Wrong usage is exit code 2 with a hint; --help and --version are not errors, and help fits a screen."""
    saved("convnet")
    for args in ([], ["convnet.onnx", "--no-such-option"], ["frobnicate", "--x"], ["run"], ["convnet.onnx"],
                 ["convnet.onnx", "-o"], ["convnet.onnx", "-o", "x.c", "--dim", "n"], ["convnet.onnx", "-o", "x.pdf"]):
        said = nnc(*args, expect=USAGE)
        assert said.stderr.strip() or said.stdout.strip(), f"{args}: no word"
    assert "--stats" in nnc("convnet.onnx", "-o", "x.c", "--stat", expect=USAGE).stderr, "no suggestion for --stat"
    assert re.match(r"nnc \d+\.\d+", nnc("--version").stdout)
    for args in (["--help"], ["info", "--help"], ["run", "--help"], ["check", "--help"], ["help", "build"]):
        text = nnc(*args).stdout
        assert 0 < text.count("\n") <= 45, f"{args}: {text.count(chr(10))} lines"


def operators():
    """`nnc ops` lists what can be imported."""
    text = nnc("ops").stdout
    for name in ("Conv", "LSTM", "Attention", "QuantizeLinear"):
        assert re.search(rf"\b{name}\b", text), f"no {name}"


def info():
    """`nnc info --json` is JSON with the promised members, and the text form names inputs and outputs."""
    for name in ALL:
        saved(name)
        model, inputs = ALL[name]()
        facts = json.loads(nnc("info", "--json", f"{name}.onnx").stdout)
        for key in ("name", "hash", "inputs", "outputs", "workspace_bytes", "workspace_lower_bound", "weights_bytes", "operators"):
            assert key in facts, f"{name}: no {key}"
        for entry, array in zip(facts["inputs"], inputs):
            assert entry["dtype"] == str(array.dtype) and entry["shape"] == list(array.shape), f"{name}: {entry}"
        counts = {}
        for n in model.graph.node:
            counts[n.op_type] = counts.get(n.op_type, 0) + 1
        assert counts.items() <= facts["operators"].items(), f"{name}: {facts['operators']}"
        text = nnc("info", f"{name}.onnx").stdout
        assert all(v.name in text for v in [*model.graph.input, *model.graph.output]), text


def executable():
    """An output without a suffix is a program that reads and writes .npy files."""
    for name in ALL:
        inputs, want = saved(name)
        nnc(f"{name}.onnx", "-o", f"{name}_program")
        done = execute([f"./{name}_program", *inputs, *[f"--output={o}=out_{o}.npy" for o in want]])
        assert done.returncode == 0, f"{name}: {done.stderr}"
        compare(want, name)
        assert execute([f"./{name}_program", "--input", "nonsense=x.npy"]).returncode != 0, "accepted an unknown input"


def run():
    """`nnc run` gives the same through compiled code and through the interpreter."""
    for name in ALL:
        inputs, want = saved(name)
        for how in ([], ["--interpret"]):
            nnc("run", f"{name}.onnx", *inputs, *[f"--output={o}=out_{o}.npy" for o in want], *how)
            compare(want, f"{name} {how}")
        assert all(o in nnc("run", f"{name}.onnx", *inputs).stdout for o in want), "no summary of the outputs"
    nnc("run", "convnet.onnx", "--input", "x=absent.npy", expect=WRONG)
    nnc("run", "convnet.onnx", "--input", "zzz=x.npy", "--interpret", expect=USAGE)


def check():
    """`nnc check` compares interpreter and C; with vectors, a wrong expectation is exit code 3."""
    for name in ALL:
        saved(name)
        nnc("check", f"{name}.onnx")
    model, inputs = ALL["attention"]()
    want = ort_run("attention.onnx", {"ids": inputs[0]})[0]
    os.makedirs("vectors", exist_ok=True)
    for stem, array in (("input_0", inputs[0]), ("output_0", want)):
        with open(f"vectors/{stem}.pb", "wb") as out:
            out.write(numpy_helper.from_array(array).SerializeToString())
    nnc("check", "attention.onnx", "--against", "vectors")
    want = want + np.float32(0.01)
    with open("vectors/output_0.pb", "wb") as out:
        out.write(numpy_helper.from_array(want).SerializeToString())
    nnc("check", "attention.onnx", "--against", "vectors", expect=DIFFERS)


def shared_library():
    """A .so exports NAME_run and NAME_describe, which gives the JSON of `nnc info`."""
    _, want = saved("convnet")
    nnc("convnet.onnx", "-o", "net.so", "--name=net")
    library = ctypes.CDLL(os.path.abspath("net.so"))
    library.net_describe.restype = ctypes.c_char_p
    facts = json.loads(library.net_describe().decode())
    x, y = np.load("x.npy"), np.zeros((1, 5), np.float32)
    work = np.zeros(facts["workspace_bytes"] + 256, np.uint8)
    at = work.ctypes.data + (-work.ctypes.data) % 256
    status = library.net_run((ctypes.c_void_p * 1)(x.ctypes.data), (ctypes.c_void_p * 1)(y.ctypes.data), ctypes.c_void_p(at))
    assert status == 0 and np.allclose(y, want["probs"], rtol=1e-4), difference(y, want["probs"])


def objects():
    """A .o defines NAME_run and comes with its header."""
    saved("control")
    nnc("control.onnx", "-o", "net.o", "--name=net")
    assert " T net_run" in execute(["nm", "net.o"]).stdout
    assert os.path.exists("net.h"), os.listdir(".")


def ir_round_trip():
    """The text form is read back: it prints the same again, and compiles to the same C."""
    for name in ALL:
        saved(name)
        os.makedirs("again", exist_ok=True)
        nnc(f"{name}.onnx", "-o", "net.ir")
        nnc("net.ir", "-o", "again/net.ir")
        assert open("net.ir").read() == open("again/net.ir").read(), f"{name}: the text changes when read and printed"
        inputs, want = saved(name)
        nnc("run", "net.ir", *inputs, *[f"--output={o}=out_{o}.npy" for o in want])
        compare(want, name)


def onnx_out():
    """`nnc in.onnx -o out.onnx` is an optimiser: valid ONNX with the same names and the same answer."""
    for name in ALL:
        inputs, want = saved(name)
        nnc(f"{name}.onnx", "-o", "optimised.onnx")
        model = onnx.load("optimised.onnx")
        onnx.checker.check_model(model, full_check=True)
        feeds = {i.split("=")[1]: np.load(i.split("=")[2]) for i in inputs}
        for (output, b), a in zip(want.items(), ort_run("optimised.onnx", feeds)):
            assert np.allclose(a, b, rtol=1e-4, atol=1e-5), f"{name}: {output}: {difference(a, b)}"
        assert [v.name for v in model.graph.output] == list(want), f"{name}: outputs are called differently"


def reports():
    """.dot is read by Graphviz when it is there; .html is one file that loads nothing."""
    for name in ALL:
        saved(name)
        nnc(f"{name}.onnx", "-o", "net.dot")
        nnc(f"{name}.onnx", "-o", "net.html")
        text = open("net.html").read()
        assert text.lstrip().lower().startswith("<!doctype html") and "<svg" in text and "</html>" in text, f"{name}: {text[:200]}"
        assert not re.search(r'(src|href)\s*=\s*"?(https?:)?//', text) and "@import" not in text, f"{name}: loads something"
        if shutil.which("dot"):
            done = execute(["dot", "-Tsvg", "net.dot"])
            assert done.returncode == 0 and "<svg" in done.stdout, f"{name}: {done.stderr}"


def weights_forms():
    """Weights as strings, as numbers and as a file give the same answer."""
    from harness import Toolchain, compile_onnx
    model, inputs = ALL["convnet"]()
    onnx.save(model, "convnet.onnx")
    want = ort_run("convnet.onnx", {"x": inputs[0]})
    for form in ("strings", "numbers", "bin"):
        got = compile_onnx("convnet.onnx", [Toolchain("gcc", "-O1")], [f"--weights={form}"]).run(inputs)
        assert np.allclose(got[0], want[0], rtol=1e-4, atol=1e-5), f"{form}: {difference(got[0], want[0])}"


def passes():
    """--stats, --print-after and --check-passes work, and an unknown pass is wrong usage or a diagnostic."""
    for name in ALL:
        saved(name)
        done = nnc(f"{name}.onnx", "-o", "x.c", "--stats", "--check-passes", "--print-after=all")
        assert len(done.stderr.splitlines()) > 10, f"{name}: {done.stderr}"
    done = execute([NNC, "convnet.onnx", "-o", "y.c", "--passes=frobnicate"])
    assert done.returncode in (WRONG, USAGE) and "frobnicate" in done.stderr and not os.path.exists("y.c"), done.stderr


def limits():
    """--max-ram refuses a plan that is too large, and an output that cannot be written leaves nothing behind."""
    saved("convnet")
    before = sorted(os.listdir("."))
    nnc("convnet.onnx", "-o", "small.c", "--max-ram=16", expect=WRONG)
    nnc("convnet.onnx", "-o", "no/such/folder/net.c", expect=SYSTEM)
    nnc("convnet.onnx", "-o", "net", "--cc=no-such-compiler", expect=SYSTEM)
    assert sorted(os.listdir(".")) == before, f"left {set(os.listdir('.')) - set(before)}"


def interrupted():
    """Ctrl-C at any moment leaves a whole output or none."""
    saved("recurrent")
    for delay in (0.0, 0.002, 0.005, 0.01, 0.02, 0.05):
        child = subprocess.Popen([NNC, "recurrent.onnx", "-o", "net.so"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        child.send_signal(signal.SIGINT)
        code = child.wait(30)
        left = sorted(f for f in os.listdir(".") if f.startswith("net") or "tmp" in f or f.startswith("."))
        assert not left or code == 0, f"after {delay} s, exit {code}: {left}"
        for f in left:
            os.remove(f)
    nnc("recurrent.onnx", "-o", "net.so")
    assert os.path.exists("net.so")


def interrupted_compiler():
    """A signal to nnc alone ends the C compiler that it started, too."""
    saved("convnet")
    with open("slow-cc", "w") as out:
        out.write(f"#!/bin/sh\ncd {os.getcwd()}\ntouch started\nsleep 2\ntouch finished\n")
    os.chmod("slow-cc", 0o755)
    child = subprocess.Popen([NNC, "convnet.onnx", "-o", "net.so", "--cc=./slow-cc"], stderr=subprocess.DEVNULL)
    while child.poll() is None and not os.path.exists("started"):
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == -signal.SIGINT
    time.sleep(2.5)
    left = [f for f in os.listdir(".") if f == "finished" or f.startswith("net.")]
    assert not left, left


def special_files():
    """A device is written to and not replaced by a file, and the model is not overwritten."""
    saved("convnet")
    os.symlink("/dev/null", "sink")
    for kind in ("c", "onnx", "ir", "dot", "html"):
        nnc("convnet.onnx", "-o", "sink", f"--emit={kind}")
        assert os.path.islink("sink"), f"--emit={kind} put a file in the place of the device"
    assert sorted(os.listdir(".")) == ["convnet.onnx", "sink", "x.npy"], os.listdir(".")
    for kind in ("c", "onnx", "ir", "dot", "html") if os.path.exists("/dev/full") else ():
        nnc("convnet.onnx", "-o", "/dev/full", f"--emit={kind}", expect=SYSTEM)
    before = open("convnet.onnx", "rb").read()
    nnc("convnet.onnx", "-o", "./convnet.onnx", expect=USAGE)
    assert open("convnet.onnx", "rb").read() == before


def numbers():
    """Values that should be numbers are."""
    inputs, _ = saved("convnet")
    nnc("run", "convnet.onnx", *inputs, "--repeat=x", expect=USAGE)
    nnc("run", "convnet.onnx", *inputs, "--repeat=0", expect=USAGE)
    nnc("check", "convnet.onnx", "--rtol=abc", expect=USAGE)
    nnc("check", "convnet.onnx", "--seed=-1", expect=USAGE)


def symbolic():
    """--dim pins or bounds; without it the diagnostic names the dimension."""
    model, inputs = flexible()
    onnx.save(model, "flexible.onnx")
    want = ort_run("flexible.onnx", {"x": inputs[0]})[0]
    np.save("x.npy", inputs[0])
    for pin in ("rows=5", "rows=1..9"):
        nnc("run", "flexible.onnx", "--dim", pin, "--input=x=x.npy", "--output=y=y.npy")
        got = np.load("y.npy")
        assert got.shape == want.shape and np.allclose(got, want, rtol=1e-4, atol=1e-5), f"{pin}: {difference(got, want)}"
    nnc("run", "flexible.onnx", "--dim", "rows=4", "--input=x=x.npy", expect=WRONG)
    assert "rows" in nnc("flexible.onnx", "-o", "x.c", expect=WRONG).stderr


CHECKS = [usage, operators, info, executable, run, check, shared_library, objects, ir_round_trip, onnx_out, reports, weights_forms,
          passes, limits, interrupted, interrupted_compiler, special_files, numbers, symbolic]


def main():
    warnings.simplefilter("ignore")
    wanted = [f for f in CHECKS if not sys.argv[1:] or f.__name__ in sys.argv[1:]]
    failed = 0
    for f, status, value in isolated(wanted, lambda f: f()):
        failed += status != "ok"
        print(f"{'ok' if status == 'ok' else 'FAILED':7}{f.__name__:16} {' '.join(f.__doc__.split())}")
        if status != "ok":
            print(f"       {value if isinstance(value, str) else ': '.join(value)[:2500]}", flush=True)
    print(f"{len(wanted) - failed} of {len(wanted)} checks of the command line hold")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
