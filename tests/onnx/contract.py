#!/usr/bin/env python3
"""What every emitted C file promises, checked on a handful of small models.

Each promise is a function below; its docstring is the promise.  usage: contract.py [NAME ...]
"""

import os
import re
import shutil
import sys
import warnings

import numpy as np
import onnx
from harness import NNC, SANITIZE, STRICT, Toolchain, compile_onnx, difference, execute, isolated, nnc
from models import ALL, flexible
from reference import ort_run

CLANG = shutil.which("clang-19") or "clang"
MEMORY = {"memcpy", "memset", "memmove", "memcmp"}


def saved(name):
    model, inputs = ALL[name]()
    onnx.save(model, f"{name}.onnx")
    return f"{name}.onnx", inputs


def must(command, **more):
    done = execute(command, **more)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr[:2000]}"
    return done.stdout


def right_everywhere():
    """The same answer as ONNX Runtime from gcc and clang at -O0 and -O2 and under both sanitizers, warning-free."""
    for name in ALL:
        path, inputs = saved(name)
        feeds = dict(zip([v.name for v in onnx.load(path).graph.input], inputs))
        want = ort_run(path, feeds)
        got = compile_onnx(path, Toolchain.named("all")).run(inputs)
        for a, b in zip(got, want):
            assert np.allclose(a, b, rtol=1e-4, atol=1e-5), f"{name}: {difference(a, b)}"


def painted_arena():
    """Nothing is read before it was written: workspace and outputs painted with zeros, junk and NaN give equal bytes."""
    for name in ALL:
        path, inputs = saved(name)
        model = compile_onnx(path, [Toolchain("gcc", "-O1")])
        runs = [model.run_all([inputs, inputs], paint=p) for p in (0x00, 0xA5, 0xFF)]
        for run in runs:
            for again in run:
                for a, b in zip(again, runs[0][0]):
                    assert a.tobytes() == b.tobytes(), f"{name}: {difference(a, b)}"


def reentrant():
    """A run leaves nothing behind: A, B, A in one workspace gives A's answer twice."""
    for name in ALL:
        path, inputs = saved(name)
        other = [np.flip(a).copy() for a in inputs]
        first, _, third = compile_onnx(path, [Toolchain("gcc", "-O1")]).run_all([inputs, other, inputs])
        for a, b in zip(first, third):
            assert a.tobytes() == b.tobytes(), f"{name}: {difference(a, b)}"


def libm_names():
    library = next(p for p in ("/lib/x86_64-linux-gnu/libm.so.6", "/lib/aarch64-linux-gnu/libm.so.6", "/lib64/libm.so.6")
                   if os.path.exists(p))
    return {line.split()[-1].split("@")[0] for line in must(["nm", "-D", "--defined-only", library]).splitlines()}


def symbols_and_sections():
    """Undefined symbols are libm's and mem*; one visible function; .data and .bss are empty."""
    allowed = libm_names() | MEMORY
    for name in ALL:
        path, _ = saved(name)
        nnc(path, "-o", "net.c", "--name=net")
        for cc in (["gcc", "-O0"], ["gcc", "-O2"], [CLANG, "-O2"]):
            must([*cc, *STRICT, "-c", "net.c", "-o", "net.o"])
            missing = {line.split()[-1] for line in must(["nm", "-u", "net.o"]).splitlines()}
            assert missing <= allowed, f"{name}: {cc}: undefined {missing - allowed}"
            visible = [line.split()[-1] for line in must(["nm", "-g", "--defined-only", "net.o"]).splitlines() if line]
            assert all(v.startswith("net_") for v in visible) and "net_run" in visible, f"{name}: visible {visible}"
            for line in must(["size", "-A", "net.o"]).splitlines():
                words = line.split()
                if words and re.match(r"\.(data|bss)(\.|$)", words[0]) and not words[0].startswith(".data.rel.ro"):
                    assert words[1] == "0", f"{name}: {cc}: {line}"


def deterministic():
    """The same model gives the same bytes, whatever the folder, its name, the time and the environment."""
    for name in ALL:
        path, _ = saved(name)
        seen = set()
        for folder, env in (("a", {}), ("some where/else", {"LANG": "C", "HOME": "/nonexistent", "TZ": "Asia/Tokyo"})):
            os.makedirs(folder, exist_ok=True)
            shutil.copy(path, f"{folder}/{name}.onnx")
            execute([NNC, f"{name}.onnx", "-o", "net.c"], cwd=folder, env={**os.environ, **env})
            texts = [open(f"{folder}/net.{s}").read() for s in "ch"]
            seen.add(tuple(texts))
            for text in texts:
                assert os.getcwd() not in text and "some where" not in text, f"{name}: a path in the output"
        assert len(seen) == 1, f"{name}: the output differs between folders"


PAIR = r"""
#include "first.h"
#include "second.h"
#include <cstdio>
#include <cstdlib>
static_assert(FIRST_WORKSPACE_BYTES >= 0 && SECOND_WORKSPACE_ALIGN >= 1, "constant expressions");
int main()
{
    static_cast<void>(sizeof(char[FIRST_WORKSPACE_BYTES + SECOND_WORKSPACE_BYTES + 1]));
    void *work = nullptr;
    if (posix_memalign(&work, FIRST_WORKSPACE_ALIGN > SECOND_WORKSPACE_ALIGN ? FIRST_WORKSPACE_ALIGN : SECOND_WORKSPACE_ALIGN,
                       FIRST_WORKSPACE_BYTES + SECOND_WORKSPACE_BYTES + 64))
        return 9;
    static float x[3 * 13 * 17], probs[5], x2[4], y[4];
    for (int i = 0; i < 3 * 13 * 17; i++) x[i] = static_cast<float>(i % 19) / 19.0F;
    for (int i = 0; i < 4; i++) x2[i] = static_cast<float>(i);
    first_inputs in = {};
    first_outputs out = {};
    second_inputs in2 = {};
    second_outputs out2 = {};
    in.x = x; out.probs = probs; in2.x = x2; out2.y = y;
    if (first_run(&in, &out, work) || second_run(&in2, &out2, work) || first_run(&in, &out, work)) return 1;
    for (float v : probs) std::printf("%.7g\n", static_cast<double>(v));
    for (float v : y) std::printf("%.7g\n", static_cast<double>(v));
}
"""


def two_models_and_cxx():
    """Two models link into one C++17 program through their headers, which are clean under strict warnings."""
    saved("convnet"), saved("control")
    nnc("convnet.onnx", "-o", "first.c", "--name=first")
    nnc("control.onnx", "-o", "second.c", "--name=second")
    with open("main.cc", "w") as out:
        out.write(PAIR)
    for cc, cxx in (("gcc", "g++"), (CLANG, CLANG)):
        must([cc, "-O1", *STRICT, "-c", "first.c", "second.c"])
        language = ["-x", "c++"] if cxx == CLANG else []
        must([cxx, *language, "-std=c++17", "-pedantic", "-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Werror", "-c", "main.cc"])
        must(["g++", "main.o", "first.o", "second.o", "-o", "pair", "-lm"])
        got = np.array(must(["./pair"]).split(), np.float32)
        x = (np.arange(3 * 13 * 17) % 19 / np.float32(19)).astype(np.float32).reshape(1, 3, 13, 17)
        want = np.concatenate([ort_run("convnet.onnx", {"x": x})[0].ravel(),
                               ort_run("control.onnx", {"x": np.arange(4, dtype=np.float32)})[0]])
        assert np.allclose(got, want, rtol=1e-4, atol=1e-5), difference(got, want)


def freestanding():
    """Compiles with -ffreestanding, as C11 and C17 too; includes nothing beyond what a board has, uses no stdio or heap."""
    for name in ALL:
        path, _ = saved(name)
        nnc(path, "-o", "net.c", "--name=net")
        text = open("net.c").read() + open("net.h").read()
        headers = set(re.findall(r"#\s*include\s*<([^>]+)>", text))
        known = {"stddef.h", "stdint.h", "string.h", "math.h", "float.h", "limits.h", "immintrin.h", "arm_neon.h"}
        assert headers <= known, f"{name}: includes {headers - known}"
        for word in ("malloc", "alloca", "errno", "printf", "setjmp", "__DATE__", "__TIME__"):
            assert not re.search(rf"\b{word}\b", text), f"{name}: uses {word}"
        for std in ("c99", "c11", "c17"):
            must(["gcc", "-O1", f"-std={std}", "-ffreestanding", "-pedantic", "-Wall", "-Wextra", "-Werror", "-c", "net.c"])


def vector_forms():
    """The portable form, the compiler's own vectors and everything this machine has give the same answer."""
    for name in ALL:
        path, inputs = saved(name)
        tools = [Toolchain(*c.split()) for c in ("gcc -O2", "gcc -O3 -march=x86-64-v3", f"{CLANG} -O3 -march=x86-64-v3",
                                                 "gcc -O3 -march=native", f"{CLANG} -O3 -march=native")]
        if os.uname().machine != "x86_64":
            tools = [tools[0], tools[3]]
        compile_onnx(path, tools, strict=False).run(inputs)       # raises when they differ by more than rounding


def bounded_dimension():
    """A bounded dimension is an argument: any size up to the bound works, one above it or below is refused, not a crash."""
    model, inputs = flexible()
    onnx.save(model, "flexible.onnx")
    compiled = compile_onnx("flexible.onnx", [Toolchain("gcc", "-O1", *SANITIZE)], ["--dim", "rows=1..7"])
    for rows in (1, 5, 7):
        x = np.resize(inputs[0], (rows, 6))
        got, = compiled.run([x])
        want, = ort_run("flexible.onnx", {"x": x})
        assert np.allclose(got, want, rtol=1e-4, atol=1e-5), f"{rows} rows: {difference(got, want)}"
    try:
        compiled.run([np.zeros((8, 6), np.float32)])
    except Exception as error:
        assert "returned" in str(error), f"8 rows: {error}"
    else:
        raise AssertionError("8 rows were accepted, the bound is 7")


def integer_types():
    """The header's macros are integer constant expressions, usable in #if and as array sizes."""
    saved("convnet")
    nnc("convnet.onnx", "-o", "net.c", "--name=net")
    header = open("net.h").read()
    macros = re.findall(r"#\s*define\s+(NET_(?:WORKSPACE|INPUT|OUTPUT)\w+)[ \t]+(\S.*)", header)
    names = [n for n, value in macros if not value.startswith('"') and not re.search(r"\d\.\d|[{]", value)]
    assert "NET_WORKSPACE_BYTES" in names and "NET_WORKSPACE_ALIGN" in names, names
    assert any(n.endswith("_RANK") for n in names), names
    with open("macros.c", "w") as out:
        out.write('#include "net.h"\n' + "".join(f"enum {{ test_{n} = {n} }};\n" for n in names) +
                  "#if NET_WORKSPACE_BYTES < 0\n#error\n#endif\nint main(void) { return 0; }\n")
    must(["gcc", *STRICT, "macros.c", "-o", "macros"])


PROMISES = [right_everywhere, painted_arena, reentrant, symbols_and_sections, deterministic, two_models_and_cxx, freestanding,
            vector_forms, bounded_dimension, integer_types]


def main():
    warnings.simplefilter("ignore")
    wanted = [p for p in PROMISES if not sys.argv[1:] or p.__name__ in sys.argv[1:]]
    failed = 0
    for promise, status, value in isolated(wanted, lambda p: p()):
        failed += status != "ok"
        print(f"{'ok' if status == 'ok' else 'FAILED':7}{promise.__name__:22} {promise.__doc__.split('.')[0].splitlines()[0]}")
        if status != "ok":
            print(f"       {value if isinstance(value, str) else ': '.join(value)[:3000]}", flush=True)
    print(f"{len(wanted) - failed} of {len(wanted)} promises hold")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
