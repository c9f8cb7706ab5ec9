#!/usr/bin/env python3
"""Models split for threads (--threads): the same bits from any number of parts, whoever runs them.

One driver per model runs it without threads, with pools of 1 to 5, and through a hook that takes seven parts from the
last to the first.  It is compiled with gcc's strict warnings, as C11 with the pool and as C99 without, and again
under the thread sanitizer.  usage: threads.py [NAME ...]
"""

import sys

import numpy as np
import onnx
from harness import NNC, STRICT, execute, isolated, nnc
from models import F, f32, make, rng

node = onnx.helper.make_node


def convolutions():
    r = rng()
    nodes = [node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]), node("Relu", ["a"], ["b"]),
             node("Conv", ["b", "d"], ["c"], pads=[1, 1, 1, 1], group=24, strides=[2, 2]), node("Add", ["c", "c"], ["e"]),
             node("MaxPool", ["e"], ["f"], kernel_shape=[3, 3]), node("Conv", ["f", "v"], ["y"])]
    return make(nodes, {"x": (F, [1, 5, 61, 67])}, {"y": (F, [1, 70, 29, 32])},
                dict(w=f32(r, 24, 5, 3, 3), d=f32(r, 24, 1, 3, 3), v=f32(r, 70, 24, 1, 1)))


def products():
    r = rng()
    nodes = [node("MatMul", ["x", "w"], ["a"]), node("Softmax", ["a"], ["b"], axis=-1), node("MatMul", ["b", "v"], ["c"]),
             node("Tanh", ["c"], ["y"])]
    return make(nodes, {"x": (F, [77, 131])}, {"y": (F, [77, 203])}, dict(w=f32(r, 131, 331), v=f32(r, 331, 203)))


def one_row():
    r = rng()
    return make([node("MatMul", ["x", "w"], ["a"]), node("Relu", ["a"], ["y"])], {"x": (F, [1, 700])}, {"y": (F, [1, 1111])},
                dict(w=f32(r, 700, 1111)))


def joined():
    """A concat (one nest per part) and reductions along rows and columns."""
    nodes = [node("Concat", ["x", "x"], ["a"], axis=1), node("Exp", ["a"], ["e"]), node("ReduceMean", ["e"], ["m"], axes=[0]),
             node("Sub", ["e", "m"], ["s"]), node("ReduceMax", ["s"], ["y"], axes=[1], keepdims=0)]
    return make(nodes, {"x": (F, [1203, 811])}, {"y": (F, [1203])}, opset=13)


ALL = {f.__name__: f for f in (convolutions, products, one_row, joined)}

DRIVER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net.h"
static union { double align; unsigned char bytes[NET_WORKSPACE_BYTES]; } work;
static float x[NET_INPUT_X_ELEMENTS], want[NET_OUTPUT_Y_ELEMENTS], got[NET_OUTPUT_Y_ELEMENTS];
static int calls;
static void backwards(void *context, int parts, void (*part)(void *job, int index), void *job)
{
    (void)context;
    calls++;
    for (int i = parts; i-- > 0;)
        part(job, i);
}
static int differs(const net_parallel *parallel)
{
    const net_inputs in = {.x = x, .parallel = parallel};
    const net_outputs out = {.y = got};
    for (int i = 0; i < 3; i++) {
        memset(got, 0xFF, sizeof got);
        memset(work.bytes, 0xFF, sizeof work.bytes);
        if (net_run(&in, &out, work.bytes) || memcmp(got, want, sizeof got))
            return 1;
    }
    return 0;
}
int main(void)
{
    const net_inputs in = {.x = x};
    const net_outputs out = {.y = want};
    const net_parallel hook = {NULL, backwards, 7};
    for (size_t i = 0; i < NET_INPUT_X_ELEMENTS; i++)
        x[i] = (float)(i * 37 % 101) / 101.0F - 0.5F;
    if (net_run(&in, &out, work.bytes))
        return 1;
    if (differs(&hook) || !calls)
        return 2;
#ifndef NET_NO_PTHREADS
    for (int n = 1; n <= 5; n++) {
        net_pool pool;
        if (net_pool_start(&pool, n))
            return 3;
        if (differs(&pool.parallel))
            return 10 + n;
        net_pool_stop(&pool);
    }
    net_pool none;
    if (net_pool_start(&none, 0) != NET_ERR_ARGUMENT || net_pool_start(&none, NET_POOL_THREADS + 1) != NET_ERR_ARGUMENT)
        return 4;
#endif
    if (fwrite(want, 1, sizeof want, stdout) != sizeof want)
        return 5;
    return 0;
}
"""

SERIAL = r"""
#include <stdio.h>
#include "net.h"
static union { double align; unsigned char bytes[NET_WORKSPACE_BYTES]; } work;
static float x[NET_INPUT_X_ELEMENTS], y[NET_OUTPUT_Y_ELEMENTS];
int main(void)
{
    const net_inputs in = {.x = x};
    const net_outputs out = {.y = y};
    for (size_t i = 0; i < NET_INPUT_X_ELEMENTS; i++)
        x[i] = (float)(i * 37 % 101) / 101.0F - 0.5F;
    return net_run(&in, &out, work.bytes) || fwrite(y, 1, sizeof y, stdout) != sizeof y;
}
"""


def output(driver, *flags, standard="-std=c11"):
    with open("main.c", "w") as out:
        out.write(driver)
    strict = [standard, *STRICT[1:]]
    done = execute(["gcc", *strict, *flags, "net.c", "main.c", "-o", "run", "-lm"])
    assert done.returncode == 0, f"{flags}: {done.stderr[:2000]}"
    done = execute(["sh", "-c", "./run > y.bin"], gigabytes=0)  # the sanitizer reserves much
    assert done.returncode == 0, f"{flags}: code {done.returncode}: {done.stderr[:2000]}"
    return np.fromfile("y.bin", np.uint8).tobytes()


def check(name):
    model = ALL[name]()
    onnx.save(model, "m.onnx")
    for form in ([], ["--portable"]):
        nnc("m.onnx", "-o", "net.c", "--name=net", *form)
        serial = output(SERIAL, "-O2", "-march=native", standard="-std=c99")
        nnc("m.onnx", "-o", "net.c", "--name=net", "--threads=2", *form)
        assert "_job job" in open("net.c").read(), "no kernel is split"
        assert output(DRIVER, "-O2", "-march=native", "-pthread") == serial, "threads change the result"
        assert output(DRIVER, "-O2", "-march=native", "-DNET_NO_PTHREADS", standard="-std=c99") == serial, "the hook does"
    output(DRIVER, "-O1", "-g", "-fsanitize=thread", "-pthread")
    output(DRIVER, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-pthread")


def refused():
    """Counts that no pool can have."""
    onnx.save(one_row(), "m.onnx")
    for count in ("0", "65"):
        done = execute([NNC, "m.onnx", "-o", "net.c", f"--threads={count}"])
        assert done.returncode == 2 and "expected 1 to 64" in done.stderr, done.stderr


def program():
    """A program starts its pool itself; its name is not `net`."""
    onnx.save(one_row(), "m.onnx")
    np.save("x.npy", f32(rng(), 1, 700))
    for name, more in (("one", []), ("two", ["--threads=2"])):
        nnc("m.onnx", "-o", name, *more)
        done = execute([f"./{name}", "--input", "x=x.npy", "--output", f"y={name}.npy"])
        assert done.returncode == 0, done.stderr
    assert np.load("one.npy").tobytes() == np.load("two.npy").tobytes()


OTHERS = {f.__name__: f for f in (refused, program)}


def main():
    names = sys.argv[1:] or [*ALL, *OTHERS]
    failed = 0
    for name, status, value in isolated(names, lambda n: OTHERS[n]() if n in OTHERS else check(n)):
        failed += status != "ok"
        print(f"{name}: {status}" + ("" if status == "ok" else f" {value if isinstance(value, str) else ': '.join(value)[:2000]}"))
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
