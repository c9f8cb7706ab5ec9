#!/usr/bin/env python3
"""Operators outside of ONNX's own test vectors: com.microsoft, ai.onnx.ml and qonnx, and corners of ai.onnx.

Small random models are run by `nnc run` and compared with onnxruntime, with ONNX's reference implementation where
onnxruntime is known to differ from it, or with a few lines of numpy.  Cases marked REFUSE must be refused with a
diagnostic.

usage: test_contrib.py [--filter REGEX] [--compiled]     --compiled: emitted C instead of the interpreter
"""

import argparse
import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from harness import Refused, nnc
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

F32, I32, I64, U8, I8 = 1, 6, 7, 2, 3
MS, ML = "com.microsoft", "ai.onnx.ml"
VERSIONS = {"": 18, MS: 1, ML: 3, "qonnx.custom_op.general": 1, "onnx.brevitas": 1, "finn.custom_op.general": 1}
REFUSE = object()
onnxruntime.set_default_logger_severity(4)
rng = np.random.default_rng(7)
cases = []


class Case:
    def __init__(self, name, model, feeds, want, rtol, atol):
        self.name, self.model, self.feeds, self.want, self.rtol, self.atol = name, model, feeds, want, rtol, atol


def graph_of(nodes, feeds, outs, const, opsets):
    ins = [helper.make_tensor_value_info(k, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape) for k, v in feeds.items()]
    outputs = [helper.make_tensor_value_info(k, t, None) for k, t in outs.items()]
    init = [numpy_helper.from_array(np.asarray(v), k) for k, v in const.items()]
    used = {"": VERSIONS[""]} | {n.domain: VERSIONS.get(n.domain, 1) for n in nodes} | opsets
    return helper.make_model(helper.make_graph(nodes, "g", ins, outputs, init), ir_version=9,
                             opset_imports=[helper.make_opsetid(d, v) for d, v in used.items()])


def add(name, op, feeds, outs=None, const=None, domain=MS, want="ort", rtol=1e-4, atol=1e-5, inputs=None, opsets=None, **attrs):
    """One node.  feeds: run-time inputs; const: initializers; inputs: their order, "" for one left out."""
    const, outs = const or {}, outs or {"y": F32}
    order = inputs if inputs is not None else [*feeds, *const]
    model = graph_of([helper.make_node(op, order, list(outs), domain=domain, **attrs)], feeds, outs, const, opsets or {})
    if isinstance(want, str) and want == "ort":
        want = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)
    elif isinstance(want, str) and want == "onnx":
        want = ReferenceEvaluator(model).run(None, feeds)
    cases.append(Case(name, model, feeds, want, rtol, atol))


def normal(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def integers(low, high, *shape, dtype=np.int64):
    return rng.integers(low, high, shape).astype(dtype)


def f32(x):
    return np.float32(x)


# ---- com.microsoft, floating point ----------------------------------------------------------------

def fused():
    x = normal(2, 5, 8)
    for op in ("Gelu", "QuickGelu", "FastGelu"):
        add(op, op, {"x": x})
    add("FastGelu bias", "FastGelu", {"x": x, "b": normal(8)})
    add("BiasGelu", "BiasGelu", {"x": x, "b": normal(8)})
    add("QuickGelu alpha", "QuickGelu", {"x": x}, alpha=1.5)
    for k, attrs in enumerate([{}, {"transA": 1}, {"transB": 1, "alpha": 0.5}, {"transA": 1, "transB": 1}]):
        a = normal(2, 4, 3) if attrs.get("transA") else normal(2, 3, 4)
        b = normal(2, 5, 4) if attrs.get("transB") else normal(2, 4, 5)
        add(f"FusedMatMul {k}", "FusedMatMul", {"a": a, "b": b}, **attrs)
    add("TransposeMatMul", "TransposeMatMul", {"a": normal(3, 4), "b": normal(4, 5)}, alpha=2.0)
    for act, attrs in [("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.3}), ("Tanh", {}), ("Sigmoid", {})]:
        add(f"FusedGemm {act}", "FusedGemm", {"a": normal(3, 4), "b": normal(5, 4), "c": normal(5)}, transB=1, activation=act, **attrs)
    for act, params in [("Relu", None), ("Clip", [-0.2, 0.4]), ("LeakyRelu", [0.2]), ("HardSigmoid", [0.3, 0.4]), ("Tanh", None)]:
        extra = {"activation_params": params} if params else {}
        add(f"FusedConv {act}", "FusedConv", {"x": normal(1, 3, 7, 7)}, const={"w": normal(4, 3, 3, 3), "b": normal(4)}, activation=act,
            pads=[1, 1, 1, 1], **extra)
    add("FusedConv Z", "FusedConv", {"x": normal(1, 3, 7, 7), "z": normal(1, 4, 5, 5)}, const={"w": normal(4, 3, 3, 3), "b": normal(4)},
        inputs=["x", "w", "b", "z"], activation="Relu")
    w, b, image = normal(4, 3, 3, 3), normal(4), normal(1, 6, 7, 3)
    conv = graph_of([helper.make_node("Conv", ["x", "w", "b"], ["y"], strides=[2, 1])], {"x": image.transpose(0, 3, 1, 2).copy()}, {"y": F32}, {"w": w, "b": b}, {})
    flat = onnxruntime.InferenceSession(conv.SerializeToString()).run(None, {"x": image.transpose(0, 3, 1, 2).copy()})[0]
    add("NhwcConv", "NhwcConv", {"x": image}, const={"w": w, "b": b}, strides=[2, 1], want=[flat.transpose(0, 2, 3, 1)])
    add("FusedConv bad activation", "FusedConv", {"x": normal(1, 3, 7, 7)}, const={"w": normal(4, 3, 3, 3)}, activation="Frobnicate", want=REFUSE)
    add("Gelu of integers", "Gelu", {"x": integers(0, 5, 3)}, outs={"y": I64}, want=REFUSE)


def norms():
    x, s, g, b = normal(2, 3, 8), normal(2, 3, 8), normal(8), normal(8)
    add("SkipLayerNorm", "SkipLayerNormalization", {"x": x, "s": s}, const={"g": g, "b": b})
    model_outs = ["y", "", "", "sum"]
    node = helper.make_node("SkipLayerNormalization", ["x", "s", "g", "b", "bias"], model_outs, domain=MS, epsilon=1e-5)
    bias = normal(8)
    model = graph_of([node], {"x": x, "s": s}, {"y": F32, "sum": F32}, {"g": g, "b": b, "bias": bias}, {})
    want = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x, "s": s})
    cases.append(Case("SkipLayerNorm bias sum", model, {"x": x, "s": s}, want, 1e-4, 1e-5))
    add("SkipLayerNorm broadcast", "SkipLayerNormalization", {"x": x, "s": s[:1]}, const={"g": g, "b": b})
    add("SkipSimplified", "SkipSimplifiedLayerNormalization", {"x": x, "s": s}, const={"g": g}, epsilon=1e-5)
    add("Simplified", "SimplifiedLayerNormalization", {"x": x}, const={"g": g}, domain="", epsilon=1e-5, axis=-1)
    add("LayerNorm in opset 13", "LayerNormalization", {"x": x}, const={"g": g, "b": b}, domain="", opsets={"": 13}, axis=-1)
    ids, seg = integers(0, 20, 2, 4, dtype=np.int32), integers(0, 2, 2, 4, dtype=np.int32)
    tables = {"word": normal(20, 8), "pos": normal(6, 8), "type": normal(2, 8), "g": g, "b": b}
    mask = np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    add("EmbedLayerNorm", "EmbedLayerNormalization", {"i": ids, "s": seg, "m": mask}, const=tables, outs={"y": F32, "len": I32},
        inputs=["i", "s", *tables, "m"])
    add("EmbedLayerNorm no segments", "EmbedLayerNormalization", {"i": ids}, const=tables, outs={"y": F32, "len": I32},
        inputs=["i", "", "word", "pos", "", "g", "b"])


def attention():
    x, w, b = normal(2, 5, 12), normal(12, 24), normal(24)
    base = {"w": w, "b": b}
    add("Attention", "Attention", {"x": x}, const=base, num_heads=2)
    add("Attention causal", "Attention", {"x": x}, const=base, num_heads=2, unidirectional=1)
    add("Attention sizes", "Attention", {"x": x}, const={"w": normal(12, 28), "b": normal(28)}, num_heads=2, qkv_hidden_sizes=[8, 8, 12])
    masks = {"lengths": np.array([3, 5], np.int32), "ends and starts": np.array([4, 5, 1, 0], np.int32),
             "keys": np.array([[1, 1, 0, 1, 0], [1, 1, 1, 1, 0]], np.int32), "pairs": integers(0, 2, 2, 5, 5, dtype=np.int32)}
    for name, mask in masks.items():
        add("Attention mask " + name, "Attention", {"x": x, "m": mask}, const=base, inputs=["x", "w", "b", "m"], num_heads=2)
    add("Attention past", "Attention", {"x": x, "p": normal(2, 2, 2, 3, 4)}, {"y": F32, "present": F32}, const=base, inputs=["x", "w", "b", "", "p"], num_heads=2, unidirectional=1)
    add("Attention bias", "Attention", {"x": x, "a": normal(1, 2, 5, 5)}, const=base, inputs=["x", "w", "b", "", "", "a"], num_heads=2, scale=.3)
    add("Attention shared", "Attention", {"x": x}, const=base, num_heads=2, past_present_share_buffer=1, want=REFUSE)
    xq, wq = integers(0, 256, 2, 5, 12, dtype=np.uint8), integers(-128, 128, 12, 24, dtype=np.int8)
    scales = {"xs": f32(.02), "ws": f32(.01), "xz": np.uint8(120), "wz": np.int8(3)}
    for name, extra in (("", {}), (" columns", {"ws": normal(24) ** 2 / 50, "wz": integers(-5, 5, 24, dtype=np.int8)})):
        add("QAttention" + name, "QAttention", {"x": xq, "m": masks["keys"]}, const={"w": wq, "b": b} | scales | extra, inputs=["x", "w", "b", "xs", "ws", "m", "xz", "wz"],
            num_heads=2)
    add("ms GridSample", "GridSample", {"x": normal(1, 2, 4, 5), "g": normal(1, 3, 3, 2)}, mode="bilinear", padding_mode="reflection")
    q, k, v = normal(2, 3, 8), normal(2, 5, 8), normal(2, 5, 12)
    add("MultiHeadAttention", "MultiHeadAttention", {"q": q, "k": k, "v": v}, num_heads=2)
    add("MultiHeadAttention bias mask", "MultiHeadAttention", {"q": q, "k": k, "v": v, "m": masks["keys"]}, const={"b": normal(28)}, inputs=["q", "k", "v", "b", "m"], num_heads=2)
    add("MultiHeadAttention past", "MultiHeadAttention", {"q": q, "k": normal(2, 3, 8), "v": normal(2, 3, 8), "pk": normal(2, 2, 4, 4), "pv": normal(2, 2, 4, 4)},
        {"y": F32, "k1": F32, "v1": F32}, inputs=["q", "k", "v", "", "", "", "pk", "pv"], num_heads=2, unidirectional=1)
    add("MultiHeadAttention packed", "MultiHeadAttention", {"q": normal(2, 3, 2, 3, 4)}, num_heads=2, want=REFUSE)
    angle = normal(9, 4)
    cache = {"c": np.cos(angle), "s": np.sin(angle)}
    ids = integers(0, 9, 2, 5)
    for inter in (0, 1):
        add(f"RotaryEmbedding {inter}", "RotaryEmbedding", {"x": normal(2, 5, 24), "i": ids}, const=cache, interleaved=inter)
        add(f"RotaryEmbedding 4d {inter}", "RotaryEmbedding", {"x": normal(2, 3, 5, 8), "i": np.array([2])}, const=cache, interleaved=inter)
        add(f"RotaryEmbedding part {inter}", "RotaryEmbedding", {"x": normal(2, 5, 24), "i": ids}, const=cache, interleaved=inter, num_heads=2, rotary_embedding_dim=8)


# ---- com.microsoft, quantised ---------------------------------------------------------------------

def quantised():
    q = {"atol": 1.01, "rtol": 0}          # onnxruntime works with reciprocal scales: a tie may fall to the other side
    for t, elem, lo in ((np.uint8, U8, 0), (np.int8, I8, -128)):
        n = t.__name__
        a, b = integers(lo, lo + 256, 2, 3, 4, dtype=t), integers(lo, lo + 256, 3, 4, dtype=t)
        z = lambda v: t(v + lo + 128)
        binary = {"as": f32(.02), "az": z(3), "bs": f32(.03), "bz": z(-5), "ys": f32(.05), "yz": z(2)}
        for op in ("QLinearAdd", "QLinearMul"):
            add(f"{op} {n}", op, {"a": a, "b": b}, const=binary, outs={"y": elem}, inputs=["a", "as", "az", "b", "bs", "bz", "ys", "yz"], **q)
        unary = {"as": f32(.02), "az": z(3), "ys": f32(.03), "yz": z(2)}
        add(f"QLinearLeakyRelu {n}", "QLinearLeakyRelu", {"a": a}, const=unary, outs={"y": elem}, alpha=.2, **q)
        add(f"QLinearSigmoid {n}", "QLinearSigmoid", {"a": a}, const=unary | {"ys": f32(1 / 256), "yz": t(lo)}, outs={"y": elem}, **q)
        add(f"QLinearSoftmax {n}", "QLinearSoftmax", {"a": a}, const=unary | {"ys": f32(1 / 256), "yz": t(lo)}, outs={"y": elem}, axis=-1, opset=13, **q)
        add(f"QLinearSoftmax flat {n}", "QLinearSoftmax", {"a": a}, const=unary | {"ys": f32(1 / 256), "yz": t(lo)}, outs={"y": elem}, axis=1, opset=12, **q)
        image = integers(lo, lo + 256, 1, 3, 6, 6, dtype=t)
        add(f"QLinearAveragePool {n}", "QLinearAveragePool", {"a": image}, const=unary, outs={"y": elem}, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], **q)
        add(f"QLinearGlobalAveragePool {n}", "QLinearGlobalAveragePool", {"a": image}, const=unary, outs={"y": elem}, **q)
        add(f"QLinearGlobalAveragePool nhwc {n}", "QLinearGlobalAveragePool", {"a": image}, const=unary, outs={"y": elem}, channels_last=1, **q)
        add(f"QLinearConcat {n}", "QLinearConcat", {"a": a, "b": a[:, :2].copy()}, const=binary, outs={"y": elem}, axis=1,
            inputs=["ys", "yz", "a", "as", "az", "b", "bs", "bz"], **q)
    quantised_products(q)


def quantised_products(q):
    a, w = integers(0, 256, 3, 8, dtype=np.uint8), integers(-128, 128, 8, 5, dtype=np.int8)
    base = {"as": f32(.02), "az": np.uint8(120), "bs": f32(.01), "bz": np.int8(3)}
    c = integers(-900, 900, 5, dtype=np.int32)
    add("QGemm float", "QGemm", {"a": a}, const=base | {"w": w, "c": c}, inputs=["a", "as", "az", "w", "bs", "bz", "c"], alpha=1.0)
    add("QGemm u8", "QGemm", {"a": a}, const=base | {"w": w, "c": c, "ys": f32(.03), "yz": np.uint8(100)}, outs={"y": U8},
        inputs=["a", "as", "az", "w", "bs", "bz", "c", "ys", "yz"], **q)
    add("QGemm columns", "QGemm", {"a": a}, const=base | {"w": w.T.copy(), "bs": normal(5) ** 2, "bz": np.zeros(5, np.int8), "c": c}, transB=1,
        inputs=["a", "as", "az", "w", "bs", "bz", "c"])
    add("MatMulIntegerToFloat", "MatMulIntegerToFloat", {"a": a}, const={"w": w, "as": f32(.02), "bs": normal(5), "az": np.uint8(7), "bz": integers(-5, 5, 5, dtype=np.int8),
        "bias": normal(5)}, inputs=["a", "w", "as", "bs", "az", "bz", "bias"])
    add("DynamicQuantizeMatMul", "DynamicQuantizeMatMul", {"a": normal(3, 8)}, const={"w": w, "bs": normal(5), "bz": integers(-5, 5, 5, dtype=np.int8), "bias": normal(5)})
    x = normal(2, 7)
    add("ms QuantizeLinear", "QuantizeLinear", {"x": x}, const={"s": f32(.02), "z": np.uint8(128)}, outs={"y": U8})
    add("ms DequantizeLinear", "DequantizeLinear", {"x": a}, const={"s": f32(.02), "z": np.uint8(128)})
    add("ms QuantizeLinear 16", "QuantizeLinear", {"x": x}, const={"s": f32(.002), "z": np.int16(12)}, outs={"y": 5})
    image, wt = integers(0, 256, 1, 5, 6, 3, dtype=np.uint8), integers(-128, 128, 4, 3, 3, 3, dtype=np.int8)
    conv = {"xs": f32(.02), "xz": np.uint8(120), "w": wt, "ws": f32(.01), "wz": np.int8(0), "ys": f32(.1), "yz": np.uint8(100), "b": integers(-99, 99, 4, dtype=np.int32)}
    add("ms QLinearConv nhwc", "QLinearConv", {"x": image}, const=conv, outs={"y": U8}, channels_last=1, pads=[1, 1, 1, 1], **q)
    for bits, k, block, zeros in ((4, 64, 32, None), (4, 40, 16, "u8"), (8, 32, 16, None), (4, 64, 16, "f32")):
        n, blocks = 5, -(-k // block)
        const = {"w": integers(0, 256, n, blocks, block * bits // 8, dtype=np.uint8), "s": normal(n * blocks) ** 2}
        if zeros:
            const["z"] = normal(n * blocks) + 8 if zeros == "f32" else integers(0, 256, n * (-(-blocks * bits // 8)), dtype=np.uint8)
        add(f"MatMulNBits {bits} {k} {block} {zeros}", "MatMulNBits", {"a": normal(2, 3, k)}, const=const, K=k, N=n, bits=bits, block_size=block, rtol=1e-3, atol=1e-3)
    large_weights()


def large_weights():
    """Beyond 1 MB as floats: kernels keep the bytes."""
    k, n, block = 512, 600, 64
    for bits, zeros, rows in ((4, True, 3), (8, False, 1), (2, True, 70)):
        const = {"b": integers(0, 256, n, k // block, block * bits // 8, dtype=np.uint8), "s": (normal(n, k // block) ** 2 + .1).astype(np.float32)}
        if zeros:
            const["z"] = integers(0, 256, n, k // block * bits // 8, dtype=np.uint8)
        q = np.unpackbits(const["b"].reshape(n, -1, 1), axis=2, bitorder="little").reshape(n, k, bits)
        q = q.astype(np.float64) @ (1 << np.arange(bits))
        z = 1 << (bits - 1)
        if zeros:
            z = np.unpackbits(const["z"].reshape(n, -1, 1), axis=2, bitorder="little").reshape(n, k // block, bits) @ (1 << np.arange(bits))
            z = np.repeat(z, block, axis=1)
        x = normal(rows, k)
        want = x @ ((q - z) * np.repeat(const["s"], block, axis=1)).T
        add(f"MatMulNBits large {bits}", "MatMulNBits", {"a": x}, const=const, K=k, N=n, bits=bits, block_size=block,
            want=[want.astype(np.float32)], rtol=1e-3, atol=1e-2)


# ---- qonnx -----------------------------------------------------------------------------------------

ROUND = {"ROUND": np.round, "FLOOR": np.floor, "CEIL": np.ceil, "DOWN": np.trunc, "UP": lambda v: np.sign(v) * np.ceil(np.abs(v)),
         "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + .5), "half_down": lambda v: np.sign(v) * np.ceil(np.abs(v) - .5)}


def quant(x, scale, zero, bits, signed, narrow, mode="ROUND"):
    q = x / scale + zero
    if bits == 1 and signed:
        return (np.where(q >= 0, f32(1), f32(-1)) - zero) * scale
    low = -2. ** (bits - 1) + narrow if signed else 0
    high = 2. ** (bits - 1) - 1 if signed else 2. ** bits - 1 - narrow
    return ((ROUND[mode](np.clip(q, f32(low), f32(high))) - zero) * scale).astype(np.float32)


def qonnx():
    general, brevitas, finn = "qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"
    x, scale = normal(2, 3, 4, 4) * 3, (normal(1, 3, 1, 1) ** 2 + .1).astype(np.float32)
    for k, (bits, signed, narrow) in enumerate([(4, 1, 0), (4, 1, 1), (3, 0, 0), (2, 0, 1), (1, 1, 0), (8, 1, 0)]):
        for domain, op in ((general, "Quant"), (brevitas, "Quant"), (general, "IntQuant")):
            zero = f32(0 if domain == brevitas else k % 3)
            add(f"{op} {domain} {bits} {signed} {narrow}", op, {"x": x}, const={"s": scale, "z": zero, "b": f32(bits)}, domain=domain, signed=signed, narrow=narrow,
                want=[quant(x, scale, zero, bits, signed, narrow)], atol=1e-6)
    halves = (np.arange(-12, 13) / 4).astype(np.float32)
    for mode in ROUND:
        add("Quant " + mode, "Quant", {"x": halves}, const={"s": f32(1), "z": f32(0), "b": f32(8)}, domain=general, signed=1, narrow=0, rounding_mode=mode,
            want=[quant(halves, f32(1), f32(0), 8, 1, 0, mode)])
    add("Quant bits at run time", "Quant", {"x": x, "b": f32(4).reshape(())}, const={"s": scale, "z": f32(0)}, inputs=["x", "s", "z", "b"], domain=general, want=REFUSE)
    add("BipolarQuant", "BipolarQuant", {"x": x}, const={"s": scale}, domain=general, want=[np.where(x >= 0, f32(1), f32(-1)) * scale])
    add("Trunc", "Trunc", {"x": x}, const={"s": f32(.125), "z": f32(1), "i": f32(8), "o": f32(5)}, domain=general, rounding_mode="FLOOR",
        want=[((np.floor(np.round(x / f32(.125) + 1) / 8) - 1) * f32(.125)).astype(np.float32)])
    steps = np.sort(normal(3, 7), axis=1)
    count = (x[..., None] >= steps[None, :, None, None, :]).sum(-1)
    add("MultiThreshold", "MultiThreshold", {"x": x}, const={"t": steps}, domain=finn, out_scale=2., out_bias=-7., out_dtype="INT4", want=[(count * 2. - 7).astype(np.float32)])
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    add("MultiThreshold NHWC", "MultiThreshold", {"x": last}, const={"t": steps}, domain=general, data_layout="NHWC", out_dtype="UINT4",
        want=[np.ascontiguousarray(count.transpose(0, 2, 3, 1)).astype(np.float32)])
    add("MultiThreshold one", "MultiThreshold", {"x": x[0]}, const={"t": steps[:1]}, domain=general, out_dtype="UINT4",
        want=[(x[0][..., None] >= steps[0]).sum(-1).astype(np.float32)])


# ---- ai.onnx.ml ------------------------------------------------------------------------------------

def ml(name, op, feeds, outs=None, **rest):
    add(name, op, feeds, outs, domain=ML, **rest)


def features():
    x, xi, gaps = normal(5, 4), integers(-3, 4, 5, 4), normal(5, 4)
    gaps[1, 2] = np.nan
    ml("Binarizer", "Binarizer", {"x": x}, threshold=.2)
    ml("FeatureVectorizer", "FeatureVectorizer", {"x": x, "z": x[:, :2].copy()}, inputdimensions=[4, 2])
    ml("Imputer", "Imputer", {"x": gaps}, imputed_value_floats=[1., 2, 3, 4], replaced_value_float=float("nan"))
    ml("Imputer int", "Imputer", {"x": xi}, {"y": I64}, imputed_value_int64s=[9], replaced_value_int64=2)
    ml("Normalizer MAX", "Normalizer", {"x": np.abs(x)}, norm="MAX")
    for norm in ("L1", "L2"):
        ml("Normalizer " + norm, "Normalizer", {"x": x}, norm=norm)
    ml("OneHotEncoder", "OneHotEncoder", {"x": xi}, cats_int64s=[1, -2, 3])
    ml("Scaler", "Scaler", {"x": x}, offset=[.1, .2, .3, .4], scale=[1., 2, 3, 4])
    ml("Scaler int", "Scaler", {"x": xi}, offset=[.5], scale=[2.])
    ml("ArrayFeatureExtractor", "ArrayFeatureExtractor", {"x": x, "i": np.array([3, 0])})
    ml("LabelEncoder", "LabelEncoder", {"x": xi}, opsets={ML: 2}, keys_int64s=[1, -2, 3, 0], values_floats=[.5, .25, 7, 9], default_float=-4.)
    ml("LabelEncoder float", "LabelEncoder", {"x": np.array([[1.5, np.nan, 2, .25, 8]], np.float32)}, {"y": I64}, opsets={ML: 2},
       keys_floats=[1.5, float("nan"), 2, .25, 7], values_int64s=[1, 2, 3, 4, 5], default_int64=-7)
    ml("LabelEncoder nan", "LabelEncoder", {"x": np.array([[1.5, np.nan, 2]], np.float32)}, {"y": I64}, opsets={ML: 4},
       keys_floats=[1.5, float("nan")], values_int64s=[1, 2], default_int64=-7)
    ml("LabelEncoder to strings", "LabelEncoder", {"x": xi}, {"y": 8}, opsets={ML: 2}, keys_int64s=[1], values_strings=["a"], want=REFUSE)
    ml("CategoryMapper", "CategoryMapper", {"x": xi}, {"y": 8}, cats_int64s=[1], cats_strings=["a"], want=REFUSE)
    labels = {"l": I64, "z": F32}
    for post in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT"):
        ml("LinearRegressor " + post, "LinearRegressor", {"x": x}, targets=2, coefficients=normal(8).tolist(), intercepts=[.1, .2], post_transform=post)
        ml("LinearClassifier 3 " + post, "LinearClassifier", {"x": x}, labels, coefficients=normal(12).tolist(), intercepts=[.1, .2, .3], post_transform=post,
           classlabels_ints=[4, 5, 6])
        ml("LinearClassifier 2 " + post, "LinearClassifier", {"x": x}, labels, coefficients=normal(8).tolist(), intercepts=[.1, .2], post_transform=post,
           classlabels_ints=[4, 5])
        ml("LinearClassifier 1 " + post, "LinearClassifier", {"x": x}, labels, coefficients=normal(4).tolist(), intercepts=[.1], post_transform=post,
           classlabels_ints=[4, 5], want="ort" if post == "LOGISTIC" else REFUSE)
    zip_map(x)


def zip_map(x):
    nodes = [helper.make_node("LinearClassifier", ["x"], ["l", "s"], domain=ML, coefficients=normal(8).tolist(), classlabels_ints=[4, 5], intercepts=[.1, .2],
                              post_transform="LOGISTIC"),
             helper.make_node("ZipMap", ["s"], ["z"], domain=ML, classlabels_int64s=[4, 5])]
    plain = graph_of(nodes[:1], {"x": x}, {"l": I64, "s": F32}, {}, {})
    model = graph_of(nodes, {"x": x}, {"l": I64}, {}, {})
    kind = helper.make_sequence_type_proto(helper.make_map_type_proto(I64, helper.make_tensor_type_proto(F32, [])))
    model.graph.output.append(helper.make_value_info("z", kind))
    cases.append(Case("ZipMap", model, {"x": x}, onnxruntime.InferenceSession(plain.SerializeToString()).run(None, {"x": x}), 1e-5, 1e-6))


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def forest(stem, trees, targets, modes, depth=4, features=6, single=None, negative=True, all_targets=False, missing=False):
    """Attributes of a random ensemble."""
    keys = ["treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids", "missing_value_tracks_true"]
    nodes, leaf = {k: [] for k in keys}, {k: [] for k in ("treeids", "nodeids", "ids", "weights")}

    def build(tree, level, number):
        me = next(number)
        at, is_leaf = len(nodes["nodeids"]), level == depth or (level and rng.random() < .2)
        row = [tree, me, 0 if is_leaf else int(rng.integers(features)), 0. if is_leaf else float(f32(np.round(rng.standard_normal(), 1))),
               "LEAF" if is_leaf else str(rng.choice(modes)), 0, 0, int(missing and rng.integers(2))]
        for k, v in zip(keys, row):
            nodes[k].append(v)
        if is_leaf:
            for t in range(targets) if all_targets else [int(rng.integers(targets)) if single is None else single]:
                w = float(f32(rng.standard_normal() / 3))
                for k, v in zip(leaf, [tree, me, t, w if negative else abs(w) / trees]):
                    leaf[k].append(v)
        else:
            nodes["truenodeids"][at], nodes["falsenodeids"][at] = build(tree, level + 1, number), build(tree, level + 1, number)
        return me

    for tree in range(trees):
        build(tree, 0, iter(range(10000)))
    return {"nodes_" + k: v for k, v in nodes.items()} | {f"{stem}_{k}": v for k, v in leaf.items()}


def trees():
    x = np.round(normal(20, 6), 1)
    gaps = np.where(rng.random(x.shape) < .1, f32(np.nan), x)
    labels = {"l": I64, "z": F32}
    for targets in (1, 3):
        for how in ("SUM", "AVERAGE", "MIN", "MAX"):
            for k, modes in enumerate((MODES[:1], MODES[1:2], MODES)):
                every = how in ("MIN", "MAX")
                ml(f"TreeEnsembleRegressor {how} {targets} {k}", "TreeEnsembleRegressor", {"x": x}, aggregate_function=how, n_targets=targets,
                   **forest("target", 7, targets, modes, all_targets=every))
                ml(f"TreeEnsembleRegressor nan {how} {targets} {k}", "TreeEnsembleRegressor", {"x": gaps}, aggregate_function=how, n_targets=targets,
                   base_values=[.5] * targets, **forest("target", 7, targets, modes[:5], all_targets=True, missing=True))
    for post in ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"):
        for base in ({}, {"base_values": [.1, .5, .3]}):
            ml(f"TreeEnsembleClassifier 3 {post} {len(base)}", "TreeEnsembleClassifier", {"x": x}, labels, classlabels_int64s=[3, 4, 9], post_transform=post, **base,
               **forest("class", 7, 3, MODES[:1], all_targets=True))
    two = {"classlabels_int64s": [3, 4]}
    ml("TreeEnsembleClassifier 2", "TreeEnsembleClassifier", {"x": x}, labels, **two, **forest("class", 7, 2, MODES[:1], single=0, negative=False))
    for data, name in ((x, "f32"), (x.astype(np.float64), "f64"), (integers(-2, 3, 9, 6), "i64")):
        ml(f"TreeEnsembleClassifier 2 LOGISTIC {name}", "TreeEnsembleClassifier", {"x": data}, labels, **two, post_transform="LOGISTIC", base_values=[.2],
           **forest("class", 7, 2, MODES[:1], single=0))
    ml("TreeEnsembleClassifier one class", "TreeEnsembleClassifier", {"x": x}, labels, **two, want=REFUSE, **forest("class", 3, 2, MODES[:1], single=1))
    ml("TreeEnsembleClassifier strings", "TreeEnsembleClassifier", {"x": x}, {"l": 8, "z": F32}, classlabels_strings=["a", "b"], want=REFUSE,
       **forest("class", 3, 2, MODES[:1], all_targets=True))
    loop = forest("target", 1, 1, MODES[:1], depth=1)
    loop["nodes_truenodeids"][0] = 0
    ml("TreeEnsembleRegressor loop", "TreeEnsembleRegressor", {"x": x}, n_targets=1, want=REFUSE, **loop)


def machines():
    x = normal(6, 4)
    labels = {"l": I64, "z": F32}
    for kernel in ("RBF", "LINEAR", "POLY", "SIGMOID"):
        base = {"kernel_type": kernel, "kernel_params": [.4, .1, 2.]}
        for one in (0, 1):
            ml(f"SVMRegressor {kernel} {one}", "SVMRegressor", {"x": x}, support_vectors=normal(20).tolist(), coefficients=normal(5).tolist(), n_supports=5, rho=[.2],
               one_class=one, **base)
        for classes in (2, 3, 5):
            counts, pairs = [3, 2, 4, 1, 2][:classes], classes * (classes - 1) // 2
            n = sum(counts)
            for proba in (0, 1):
                for post in ("NONE", "LOGISTIC", "SOFTMAX"):
                    if post != "NONE" and kernel != "RBF":
                        continue
                    extra = {"prob_a": (-rng.random(pairs) - .5).tolist(), "prob_b": (rng.random(pairs) * .2).tolist()} if proba else {}
                    ml(f"SVMClassifier {kernel} {classes} {proba} {post}", "SVMClassifier", {"x": x}, labels, support_vectors=normal(n * 4).tolist(), post_transform=post,
                       coefficients=normal((classes - 1) * n).tolist(), vectors_per_class=counts, rho=normal(pairs).tolist(), classlabels_ints=[3, 7, 9, 1, 4][:classes],
                       want=REFUSE if (classes, proba, post) == (2, 0, "SOFTMAX") else "ort", **base, **extra)
    ml("SVMClassifier linear", "SVMClassifier", {"x": x}, labels, coefficients=normal(8).tolist(), rho=[.1, .2], classlabels_ints=[1, 2], want=REFUSE)


# ---- corners of ai.onnx ----------------------------------------------------------------------------

def plain(name, op, feeds, outs=None, **rest):
    add(name, op, feeds, outs, domain="", **rest)


def images():
    x, grid = normal(2, 3, 5, 7), (normal(2, 4, 6, 2) * .9).astype(np.float32)
    for mode in ("bilinear", "nearest", "bicubic"):
        for pad in ("zeros", "border", "reflection"):
            for align in (0, 1):
                if (mode, pad) == ("bicubic", "border"):      # onnxruntime moves both coordinates when one is outside
                    mode_now, opset, want = "cubic", 20, "onnx"
                else:
                    mode_now, opset, want = mode, 16, "ort"
                plain(f"GridSample {mode} {pad} {align}", "GridSample", {"x": x, "g": grid}, mode=mode_now, padding_mode=pad, align_corners=align,
                      want=want, opsets={"": opset})
    rois = np.array([[0, 0, 5, 7], [2.5, 1.2, 16, 12], [3, 3, 3.1, 3.2], [8, 2, 4, 1], [.4, .6, 12.9, 11]], np.float32)
    at, image = np.array([0, 1, 1, 0, 0]), normal(2, 3, 13, 17)
    for k, attrs in enumerate([{"output_height": 3, "output_width": 4}, {"output_height": 2, "output_width": 5, "sampling_ratio": 2, "spatial_scale": .7},
                               {"output_height": 3, "output_width": 4, "mode": "max", "sampling_ratio": 2}, {"output_height": 3, "output_width": 3, "mode": "max"},
                               {"output_height": 3, "output_width": 4, "coordinate_transformation_mode": "output_half_pixel"}]):
        plain(f"RoiAlign {k}", "RoiAlign", {"x": image, "r": rois, "b": at}, opsets={"": 16}, **attrs)
    for k, attrs in enumerate([{"pooled_shape": [3, 4]}, {"pooled_shape": [2, 2], "spatial_scale": .6}, {"pooled_shape": [5, 7], "spatial_scale": 1.5}]):
        plain(f"MaxRoiPool {k}", "MaxRoiPool", {"x": image, "r": np.concatenate([at[:, None].astype(np.float32), rois], 1)}, **attrs)
    for k, (size, block, attrs) in enumerate([((5, 6), (2, 3), {}), ((7, 8), (3, 2), {"strides": [2, 3], "pads": [1, 0, 2, 1], "dilations": [2, 1]}),
                                              ((4, 5, 6), (2, 2, 3), {"strides": [1, 2, 1]}), ((9, 9), (3, 3), {"strides": [3, 3], "pads": [1] * 4})]):
        n = len(size)
        step, pads, dil = attrs.get("strides", [1] * n), attrs.get("pads", [0] * 2 * n), attrs.get("dilations", [1] * n)
        count = np.prod([(size[j] + pads[j] + pads[j + n] - dil[j] * (block[j] - 1) - 1) // step[j] + 1 for j in range(n)])
        plain(f"Col2Im {k}", "Col2Im", {"x": normal(2, 3 * int(np.prod(block)), int(count))}, const={"i": np.array(size), "b": np.array(block)}, want="onnx", **attrs)


def dropout():
    plain("DequantizeLinear of a vector, one scale, axis 1", "DequantizeLinear", {"x": integers(0, 256, 5, dtype=np.uint8)}, const={"s": np.array([.5], np.float32),
          "z": np.array([3], np.uint8)}, axis=1)
    x = normal(4, 5)
    off = np.array(False)
    plain("Dropout decided at run time", "Dropout", {"x": x, "r": f32(.5).reshape(()), "t": off}, {"y": F32, "mask": 9}, want=[x, np.ones((4, 5), bool)], opsets={"": 13})
    plain("Dropout at run time, ratio 0", "Dropout", {"x": x, "r": f32(0).reshape(()), "t": ~off}, {"y": F32, "mask": 9}, want=[x, np.ones((4, 5), bool)], opsets={"": 13})
    plain("Upsample of the first version", "Upsample", {"x": normal(1, 2, 3, 3)}, opsets={"": 1}, height_scale=2., width_scale=3., mode="nearest",
          want=None)
    cases[-1].want = [cases[-1].feeds["x"].repeat(2, 2).repeat(3, 3)]


def signals():
    for length in (400, 512, 131, 1024, 258, 300):
        for inverse in (0, 1):
            for onesided in (0, 1):
                for parts in (1, 2):
                    if onesided and not inverse and parts == 2:
                        continue
                    n = length // 2 + 1 if inverse and onesided else length
                    plain(f"DFT {length} {inverse} {onesided} {parts}", "DFT", {"x": normal(2, n, 3, parts)}, const={"l": np.int64(length), "a": np.int64(1)}, want="onnx",
                          opsets={"": 20}, inverse=inverse, onesided=onesided, atol=2e-4)
    x = normal(2, 1600, 1)
    plain("STFT 400", "STFT", {"x": x}, const={"s": np.int64(160), "w": np.hanning(400).astype(np.float32)}, want="onnx", atol=2e-4)
    plain("STFT 512", "STFT", {"x": x}, const={"s": np.int64(160), "l": np.int64(512)}, inputs=["x", "s", "", "l"], atol=2e-4)
    plain("DFT of a long prime", "DFT", {"x": normal(1, 8191, 1)}, want=REFUSE, opsets={"": 17})


# ---- running ---------------------------------------------------------------------------------------

def run(case, folder, compiled):
    path, args = Path(folder) / "m.onnx", []
    onnx.save(case.model, path)
    for k, v in case.feeds.items():
        np.save(f"{folder}/in_{k}.npy", v)
        args += ["--input", f"{k}={folder}/in_{k}.npy"]
    for o in case.model.graph.output:
        args += ["--output", f"{o.name}={folder}/out_{o.name}.npy"]
    args += ["--cflags=-O1"] if compiled else ["--interpret"]
    nnc("run", path, "--quiet", *args, seconds=300)
    return [np.load(f"{folder}/out_{o.name}.npy") for o in case.model.graph.output]


def judge(case, compiled):
    """None, or what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            got = run(case, folder, compiled)
        except Refused as e:
            return None if case.want is REFUSE else f"refused: {str(e)[:300]}"
        except Exception as e:
            return str(e)[:300]
    if case.want is REFUSE:
        return "accepted, but had to be refused"
    for g, w in zip(got, case.want):
        w = np.asarray(w)
        if g.dtype != w.dtype or g.shape != w.shape:
            return f"is {g.dtype}{list(g.shape)}, expected {w.dtype}{list(w.shape)}"
        a, b = g.astype(np.float64), w.astype(np.float64)
        if not np.allclose(a, b, rtol=case.rtol, atol=case.atol, equal_nan=True):
            return f"differs by {np.nanmax(np.abs(a - b)):.3g}"
    return None


def main():
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("--filter", default="")
    parse.add_argument("--compiled", action="store_true")
    args = parse.parse_args()
    for group in (fused, norms, attention, quantised, qonnx, features, trees, machines, images, dropout, signals):
        group()
    chosen = [c for c in cases if re.search(args.filter, c.name)]
    failed = 0
    for case in chosen:
        wrong = judge(case, args.compiled)
        if wrong:
            failed += 1
            print(f"{case.name}: {wrong}", flush=True)
    print(f"{len(chosen) - failed} of {len(chosen)} cases pass")
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
