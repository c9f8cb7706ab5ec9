#!/usr/bin/env python3
"""Random quantised contractions: nnc's C against ONNX Runtime without its fusions.

Every model holds a few islands that do not depend on each other: a convolution or matrix product of bytes in one of the
forms that models are found in, with odd sizes, groups, strides, dilations, uneven padding, scales per channel, zero points
that are not 0, and u8 and i8 in all combinations, a bias, an activation and something that moves or pools data.

  qdq        DequantizeLinear, Conv or Gemm or MatMul, (Relu, Clip, Add, MaxPool ..), QuantizeLinear: floating point in
             ONNX Runtime, so results may be one step off where the sum lies on the border of two steps
  qoperator  QLinearConv, QLinearMatMul: bit for bit
  integer    ConvInteger, MatMulInteger: bit for bit
  dynamic    DynamicQuantizeLinear, MatMulInteger and the multiplication by the scales: close
  weights    DequantizeLinear of weights alone, Gemm of floats: close

The same model runs as portable C, as vector code and under the sanitizers in turn.

usage: quantised.py [--count N] [--seed FIRST] [--cc "gcc -O2"] [--keep FOLDER]
"""

import argparse
import os
import shutil
import sys
import warnings

import numpy as np
import onnx
from harness import SANITIZE, Toolchain, compile_onnx, isolated
from onnx import helper, numpy_helper
from reference import ort_run

CLANG = shutil.which("clang-19") or "clang"
# the option --target, and the compiler with its flags
MACHINES = [("avx512", ["gcc", "-O2"]), ("avx512", ["gcc", "-O2", "-march=native"]), ("avx512", [CLANG, "-O2", "-march=native"]),
            ("avx2", ["gcc", "-O2", "-mavx2", "-mfma"]), ("avx512", ["gcc", "-O1", *SANITIZE]),
            ("avx512", [CLANG, "-O3", "-march=skylake-avx512"]), ("scalar", ["gcc", "-O2"]),
            ("avx512", ["gcc", "-O1", "-march=native", *SANITIZE]), ("avx2", [CLANG, "-O2", "-march=native"])]
OFTEN = 0.02                # of the elements of a qdq output may be one step off; what is more is no accident
ISLANDS = 5


class Model:
    """Nodes, inputs and weights of one random model; outputs: name -> how exact it must be."""

    def __init__(self, seed):
        self.r = np.random.default_rng(seed)
        self.nodes, self.weights, self.feeds, self.outputs, self.count = [], {}, {}, {}, 0

    def one(self, *items):
        return items[int(self.r.integers(len(items)))]

    def int(self, low, high):
        return int(self.r.integers(low, high + 1))

    def chance(self, p):
        return self.r.random() < p

    def name(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    def weight(self, array):
        name = self.name("w")
        self.weights[name] = np.asarray(array)
        return name

    def feed(self, array):
        name = self.name("x")
        self.feeds[name] = array
        return name

    def node(self, op, *ins, **attrs):
        out = self.name(op.lower())
        self.nodes.append(helper.make_node(op, list(ins), [out], **attrs))
        return out

    def bytes(self, dtype, shape):
        low, high = (0, 255) if dtype == np.uint8 else (-128, 127)
        return self.r.integers(low, high + 1, shape).astype(dtype)

    def zero(self, dtype):
        if self.chance(0.3):
            return dtype(0)
        return dtype(self.int(0, 255)) if dtype == np.uint8 else dtype(self.int(-128, 127))

    def scale(self, *shape):
        return np.asarray(self.r.uniform(0.004, 0.06, shape), np.float32)

    def build(self):
        def infos(arrays):
            return [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for k, a in arrays.items()]
        outs = [helper.make_tensor_value_info(k, t, None) for k, (t, _) in self.outputs.items()]
        graph = helper.make_graph(self.nodes, "quantised", infos(self.feeds), outs,
                                  [numpy_helper.from_array(w, k) for k, w in self.weights.items()])
        return helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17)])


# ---- operands ----

def conv_shapes(m):
    """x, w and attributes of a convolution."""
    dims, groups = m.one(1, 2, 2, 2), m.one(1, 1, 1, 2, 0)
    if groups == 0:                                   # depthwise
        groups = m.int(2, 37)
        inside, outside = 1, m.one(1, 1, 2)
    else:
        inside, outside = m.one(1, 3, 4, 7, 8, 16, 21), m.int(1, 40)
    kernel = [m.one(1, 1, 2, 3, 3, 5) for _ in range(dims)]
    dilation = [m.one(1, 1, 1, 2) for _ in range(dims)]
    pads = [m.int(0, min(2, k - 1)) for k in kernel] + [m.int(0, min(2, k - 1)) for k in kernel]
    size = [(k - 1) * d + 1 + m.int(0, 12) for k, d in zip(kernel, dilation)]
    attrs = dict(group=groups, strides=[m.one(1, 1, 2) for _ in range(dims)], dilations=dilation, pads=pads)
    return [m.one(1, 1, 2), groups * inside, *size], [groups * outside, inside, *kernel], attrs


def dot_shapes(m):
    lead = m.one([], [], [2], [2, 3])
    return [*lead, m.one(1, 1, 5, 13, 30), m.one(1, 3, 8, 35, 64)], m.one(1, 7, 16, 45, 75)


def weights_of(m, shape, axis, kinds):
    """(array, scale, zero point): per channel along `axis` or for all."""
    dtype = m.one(*kinds)
    n = shape[axis] if m.chance(0.6) else None
    zero = np.zeros(n or (), dtype) if dtype == np.int8 else np.full(n or (), 128, dtype)
    if m.chance(0.15):
        zero = zero + dtype(m.int(0, 3))
    array = np.clip(m.r.normal(0, 40, shape) + (0 if dtype == np.int8 else 128), *((-120, 120) if dtype == np.int8 else (8, 248)))
    return array.astype(dtype), m.scale(*([n] if n else [])), zero


# ---- islands ----

def dequantised(m, shape):
    dtype = m.one(np.uint8, np.uint8, np.int8)
    scale, zero = m.scale(), m.zero(dtype)
    x = m.feed(m.bytes(dtype, shape))
    return m.node("DequantizeLinear", x, m.weight(scale), m.weight(zero)), scale


def quantised(m, y, spread):
    """y as bytes, on a scale that uses most of them."""
    dtype = m.one(np.uint8, np.uint8, np.int8)
    zero = dtype(m.int(0, 200)) if dtype == np.uint8 else dtype(m.int(-100, 100))
    args = m.weight(np.float32(spread / m.int(60, 110))), m.weight(zero)
    return m.node("QuantizeLinear", y, *args), args, dtype


def tail(m, y, spread, rank):
    """Activation, quantisation, and what may follow it."""
    kind = m.one("none", "relu", "clip", "add", "sigmoid")
    if kind == "relu":
        y = m.node("Relu", y)
    elif kind == "clip":
        y = m.node("Clip", y, m.weight(np.float32(m.one(0, -spread / 3))), m.weight(np.float32(spread * m.one(0.2, 0.7))))
    y, args, dtype = quantised(m, y, spread)
    if kind == "add":
        z = m.node("DequantizeLinear", y, *args)
        other = m.node("Relu", m.node("Neg", z)) if m.chance(0.5) else z
        y, args, dtype = quantised(m, m.node("Add", z, other), 2 * spread)
    elif kind == "sigmoid":
        y, args, dtype = quantised(m, m.node("Sigmoid", m.node("DequantizeLinear", y, *args)), 1.0)
    moved = m.one("none", "pool", "mean", "transpose", "concat")
    if moved == "pool" and rank >= 3:
        z = m.node("MaxPool", m.node("DequantizeLinear", y, *args), kernel_shape=[1] * (rank - 3) + [2], pads=[0] * (rank - 3) + [1] + [0] * (rank - 2))
        y = m.node("QuantizeLinear", z, *args)
    elif moved == "mean" and rank >= 3:
        y, args, dtype = quantised(m, m.node("GlobalAveragePool", m.node("DequantizeLinear", y, *args)), spread)
    elif moved == "transpose":
        perm = [int(i) for i in m.r.permutation(rank)]
        y = m.node("QuantizeLinear", m.node("Transpose", m.node("DequantizeLinear", y, *args), perm=perm), *args)
    elif moved == "concat":
        z = m.node("DequantizeLinear", y, *args)
        y = m.node("QuantizeLinear", m.node("Concat", z, z, axis=rank - 1), *args)
    m.outputs[y] = (helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), "step")


def bias_of(m, n, sx, sw):
    """Dequantised i32 on the scale of the accumulator, as quantisers write it, or any floats."""
    if m.chance(0.7):
        scale = np.asarray(sx * np.broadcast_to(sw, n), np.float32)
        return m.node("DequantizeLinear", m.weight(m.r.integers(-3000, 3000, n).astype(np.int32)), m.weight(scale),
                      m.weight(np.zeros(n, np.int32)), axis=0)
    return m.weight(m.r.normal(0, 3, n).astype(np.float32))


def spread_of(sx, sw, terms):
    return float(3 * sx * np.mean(sw) * 75 * 40 * np.sqrt(terms))


def qdq(m):
    if m.chance(0.6):
        xs, ws, attrs = conv_shapes(m)
        x, sx = dequantised(m, xs)
        w, sw, zw = weights_of(m, ws, 0, (np.int8, np.int8, np.uint8))
        ins = [x, m.node("DequantizeLinear", m.weight(w), m.weight(sw), m.weight(zw), axis=0)]
        if m.chance(0.6):
            ins.append(bias_of(m, ws[0], sx, sw))
        y, rank, terms = m.node("Conv", *ins, **attrs), len(xs), np.prod(ws[1:])
    else:
        xs, n = dot_shapes(m)
        x, sx = dequantised(m, xs)
        turned = len(xs) == 2 and m.chance(0.5)
        w, sw, zw = weights_of(m, [n, xs[-1]] if turned else [xs[-1], n], 0 if turned else 1, (np.int8, np.int8, np.uint8))
        w = m.node("DequantizeLinear", m.weight(w), m.weight(sw), m.weight(zw), axis=0 if turned else 1)
        if len(xs) == 2 and (turned or m.chance(0.5)):
            y = m.node("Gemm", x, w, *([bias_of(m, n, sx, sw)] if m.chance(0.6) else []), transB=int(turned))
        else:
            y = m.node("MatMul", x, w)
        rank, terms = len(xs), xs[-1]
    if m.chance(0.15):
        m.outputs[y] = (1, "close")
    else:
        tail(m, y, spread_of(sx, sw, terms), rank)


def qoperator(m):
    """ONNX Runtime has these for u8 activations with either weights, and for i8 with i8."""
    dtype = m.one(np.uint8, np.uint8, np.int8)
    kinds = (np.int8,) if dtype == np.int8 else (np.int8, np.uint8)
    sx, zx = m.scale(), m.zero(dtype)
    zy = m.zero(dtype)
    if m.chance(0.6):
        xs, ws, attrs = conv_shapes(m)
        w, sw, zw = weights_of(m, ws, 0, kinds)
        ins = [m.feed(m.bytes(dtype, xs)), m.weight(sx), m.weight(zx), m.weight(w), m.weight(sw), m.weight(zw),
               m.weight(np.float32(spread_of(sx, sw, np.prod(ws[1:])) / 110)), m.weight(zy)]
        if m.chance(0.6):
            ins.append(m.weight(m.r.integers(-3000, 3000, ws[0]).astype(np.int32)))
        y = m.node("QLinearConv", *ins, **attrs)
    else:
        xs, n = dot_shapes(m)
        w, sw, zw = weights_of(m, [xs[-1], n], 1, kinds)
        y = m.node("QLinearMatMul", m.feed(m.bytes(dtype, xs)), m.weight(sx), m.weight(zx), m.weight(w), m.weight(sw),
                   m.weight(zw), m.weight(np.float32(spread_of(sx, sw, xs[-1]) / 110)), m.weight(zy))
    m.outputs[y] = (helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), "exact")


def integer(m):
    if m.chance(0.5):
        xs, ws, attrs = conv_shapes(m)
        w, _, _ = weights_of(m, ws, 0, (np.uint8,))
        y = m.node("ConvInteger", m.feed(m.bytes(np.uint8, xs)), m.weight(w), m.weight(m.zero(np.uint8)),
                   m.weight(np.uint8(128)), **attrs)
    else:
        xs, n = dot_shapes(m)
        dtype = m.one(np.uint8, np.int8)
        w, _, zw = weights_of(m, [xs[-1], n], 1, (np.int8, np.uint8))
        zx = m.weight(m.zero(dtype)) if m.chance(0.6) else m.feed(np.asarray(m.zero(dtype)))
        y = m.node("MatMulInteger", m.feed(m.bytes(dtype, xs)), m.weight(w), zx, m.weight(zw))
    m.outputs[y] = (6, "exact")


def dynamic(m):
    xs, n = dot_shapes(m)
    w, sw, zw = weights_of(m, [xs[-1], n], 1, (np.int8, np.uint8))
    q, s, z = (m.name(k) for k in ("q", "s", "z"))
    m.nodes.append(helper.make_node("DynamicQuantizeLinear", [m.feed(m.r.normal(0, 2, xs).astype(np.float32))], [q, s, z]))
    y = m.node("Cast", m.node("MatMulInteger", q, m.weight(w), z, m.weight(zw)), to=1)
    m.outputs[m.node("Mul", y, m.node("Mul", s, m.weight(sw)))] = (1, "close")


def weights(m):
    """Large weights that are quantised alone, times floats."""
    k, n = 256 * m.int(1, 3), 1200
    turned = m.chance(0.5)
    w, sw, zw = weights_of(m, [n, k] if turned else [k, n], 0 if turned else 1, (np.int8, np.uint8))
    x = m.feed(m.r.normal(0, 2, [m.one(1, 3, 70), k]).astype(np.float32))
    d = m.node("DequantizeLinear", m.weight(w), m.weight(sw), m.weight(zw), axis=0 if turned else 1)
    y = m.node("Gemm", x, d, transB=int(turned))
    m.outputs[m.node("Relu", y)] = (1, "close")


# ---- comparison ----

def wrong(got, want, how):
    """None, or what is wrong."""
    if got.shape != want.shape or got.dtype != want.dtype:
        return f"{got.dtype}{list(got.shape)} instead of {want.dtype}{list(want.shape)}"
    off = np.abs(got.astype(np.float64) - want.astype(np.float64))
    if how == "close":
        limit = 1e-5 * max(np.abs(want).max(initial=0), 1e-3)
        return f"off by {off.max(initial=0)}" if off.max(initial=0) > limit else None
    most = int(off.max(initial=0))
    if most > (how == "step"):
        return f"{np.count_nonzero(off)} of {off.size} off, by {most} at most"
    if np.count_nonzero(off) > max(1, OFTEN * off.size):
        return f"{np.count_nonzero(off)} of {off.size} off by one"
    return None


def check(seed, keep, cc):
    m = Model(seed)
    for _ in range(ISLANDS):
        m.one(*[qdq] * 6, *[qoperator] * 3, *[integer] * 2, *[dynamic] * 2, weights)(m)
    model = m.build()
    path = os.path.join(keep or os.getcwd(), f"quantised{seed}.onnx")
    onnx.save(model, path)
    want = ort_run(model.SerializeToString(), m.feeds)
    target, flags = MACHINES[seed % len(MACHINES)]
    if cc:
        target, flags = "avx512", cc.split()
    compiled = compile_onnx(path, [Toolchain(*flags)], ["--target", target])
    got = compiled.run(list(m.feeds.values()))
    bad, off, total = [], 0, 0
    for a, b, (name, (_, how)) in zip(got, want, m.outputs.items()):
        fault = wrong(a, b, how)
        if fault:
            bad.append(f"{name} ({how}): {fault}")
        elif how == "step":
            off += int(np.count_nonzero(a != b))
            total += a.size
    return bad, off, total, f"{target}, {' '.join(flags)}"


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--count", type=int, default=60)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--cc", default="")
    parse.add_argument("--keep", default="")
    args = parse.parse_args()
    warnings.simplefilter("ignore")
    failed, off, total = 0, 0, 0
    for seed, status, value in isolated(range(args.seed, args.seed + args.count), lambda s: check(s, args.keep, args.cc)):
        if status == "ok" and not value[0]:
            off, total = off + value[1], total + value[2]
            continue
        failed += 1
        text = f"[{value[3]}] " + "; ".join(value[0]) if status == "ok" else f"{value[0]}: {value[1][:800]}" if status == "raised" else value
        print(f"FAILED seed {seed}: {text}", flush=True)
    print(f"{args.count - failed} of {args.count} models agree with ONNX Runtime; {off} of {total} quantised elements one step off")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
