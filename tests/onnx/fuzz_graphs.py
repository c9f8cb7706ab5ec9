#!/usr/bin/env python3
"""Random graphs: nnc's C against ONNX Runtime.

How: a graph grows node by node.  Every candidate node is run at once by ONNX Runtime on concrete values; a node it
refuses is thrown away, so the generators below may be careless and need no shape inference.  Then the whole model goes
through nnc and gcc, and the values must agree.  A failing graph is made smaller, by turning the results of nodes into
inputs for as long as it still fails, and printed.

What makes results legitimately differ is kept out: rounding, comparing and casting apply only to values computed without
rounding errors (`exact`), and NaN or infinities only appear in every fourth graph, away from operators whose result for
them the standard leaves open.

usage: fuzz_graphs.py [--count N] [--seed FIRST] [--ops OP,OP] [--cc "gcc -O1"] [--keep FOLDER] [--list]
"""

import argparse
import collections
import os
import re
import sys
import time
import warnings

import numpy as np
import onnx
import onnx.printer
from harness import Crash, Refused, Toolchain, compile_onnx, difference, isolated, relative_error
from onnx import helper, numpy_helper
from reference import ort_run

FLOATS = [np.float32, np.float64, np.float16]
INTS = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
TOLERANCE = {"float32": 2e-4, "float64": 1e-9, "float16": 1e-2}
OPS = {}


class Skip(Exception):
    """The generator finds no fitting operands."""


def op(*names):
    """Register a generator for these operators: it gets (graph, operator) and adds a node."""
    def register(f):
        for name in names:
            OPS[name] = f
        return f
    return register


class Value:
    def __init__(self, name, array, exact, source):
        self.name, self.array, self.exact, self.source = name, array, exact, source

    shape = property(lambda self: self.array.shape)
    rank = property(lambda self: self.array.ndim)
    dtype = property(lambda self: self.array.dtype)
    finite = property(lambda self: self.dtype.kind != "f" or bool(np.isfinite(self.array).all()))


class Graph:
    """Values and nodes so far; `pick` finds operands, `add` tries a node."""

    def __init__(self, seed):
        self.r = np.random.default_rng(seed)
        self.odd = seed % 4 == 3               # NaN and infinities among the inputs
        self.opset = int(self.r.choice([17, 21]))
        self.values, self.nodes, self.weights, self.count = [], [], {}, 0
        self.inputs = {}

    # -- small random things
    def chance(self, p):
        return self.r.random() < p

    def int(self, low, high):
        """Both ends included."""
        return int(self.r.integers(low, high + 1))

    def one(self, items):
        items = list(items)
        if not items:
            raise Skip
        return items[int(self.r.integers(len(items)))]

    def shape(self, low=0, high=4):
        dims = [self.int(1, 6) for _ in range(self.int(low, high))]
        if dims and self.chance(0.06):
            dims[self.int(0, len(dims) - 1)] = 0
        return dims

    def fresh(self, stem):
        self.count += 1
        return f"{stem}{self.count}"

    def array(self, dtype, shape, plain=False):
        dtype = np.dtype(dtype)
        if dtype.kind == "b":
            return self.r.random(shape) < 0.5
        if dtype.kind in "iu":
            return self.r.integers(0 if dtype.kind == "u" else -7, 8, shape).astype(dtype)
        a = np.asarray(self.r.integers(-24, 25, shape) / 8).astype(dtype)      # multiples of 1/8: sums and products stay exact
        if self.odd and not plain and a.size and self.chance(0.5):
            strange = self.r.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape).astype(dtype)
            a = np.where(self.r.random(shape) < 0.15, strange, a)
        return a

    # -- operands
    def new(self, dtype, shape, plain=False, constant=0.3):
        """A fresh graph input or weight."""
        array = np.asarray(self.array(dtype, shape, plain))
        name = self.fresh("x")
        if self.chance(constant):
            self.weights[name] = array
        else:
            self.inputs[name] = array
        return Value(name, array, True, "new")

    def pick(self, dtypes=None, rank=None, where=None, shape=None):
        """An existing value that fits, most likely a recent one, or a new one."""
        dtypes = [np.dtype(d) for d in (dtypes or [np.float32])]
        low, high = (0, 5) if rank is None else rank if isinstance(rank, tuple) else (rank, rank)
        fits = [v for v in self.values if v.dtype in dtypes and low <= v.rank <= high and (where is None or where(v)) and
                (shape is None or list(v.shape) == list(shape))]
        if fits and self.chance(0.75):
            v = fits[-1 - min(int(self.r.exponential(1.5)), len(fits) - 1)]
            return v
        for _ in range(5):
            dims = shape if shape is not None else self.shape(low, min(high, max(low, 4)))
            v = self.new(dtypes[0] if self.chance(0.6) else self.one(dtypes), dims, plain=where is not None)
            if where is None or where(v):
                return self.keep(v)
        raise Skip

    def keep(self, v):
        self.values.append(v)
        return v

    def like(self, v, shape, constant=0.5, plain=False):
        return self.keep(self.new(v.dtype, list(shape), plain, constant))

    def partner(self, v):
        """Another operand of the same dtype that broadcasts with v."""
        shape = [1 if self.chance(0.25) else d for d in v.shape][self.int(0, v.rank) if v.rank and self.chance(0.4) else 0:]
        if self.chance(0.15):
            shape = [self.int(1, 3)] * (1 if len(shape) == v.rank and v.rank < 4 else 0) + shape
        fits = [u for u in self.values if u.dtype == v.dtype and list(u.shape) == list(shape)]
        return self.one(fits) if fits and self.chance(0.6) else self.like(v, shape)

    def const(self, array):
        """A parameter known when compiling: an initializer or a Constant node."""
        array = np.asarray(array)
        name = self.fresh("k")
        if self.chance(0.2):
            self.nodes.append(helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array)))
            self.constants[name] = array
        else:
            self.weights[name] = array
        return Value(name, array, True, "const")

    constants = property(lambda self: self.__dict__.setdefault("_constants", {}))

    # -- nodes
    def add(self, kind, operands, outputs=1, exact=None, **attrs):
        """Run the node on the operands' values; keep it when ONNX Runtime accepts it and the values stay tame."""
        names = [self.fresh("v") for _ in range(outputs)]
        node = helper.make_node(kind, [v.name if v else "" for v in operands], names, name=f"{kind}_{self.count}",
                                **{k: a for k, a in attrs.items() if a is not None})
        given = {v.name: v.array for v in operands if v}
        results = reference([node], given, names, self.opset)
        if sum(a.size for a in results) > 20000 or any(a.dtype == object for a in results):
            raise Skip
        if not self.odd and any(a.dtype.kind == "f" and not np.isfinite(a).all() for a in results):
            raise Skip
        if any(a.dtype.kind == "f" and a.size and np.nanmax(np.abs(np.where(np.isinf(a), 0, a)), initial=0) > 1e4 for a in results):
            raise Skip
        self.nodes.append(node)
        inherited = all(v.exact for v in operands if v)
        for name, a in zip(names, results):
            rounded = inherited and a.dtype.kind == "f" and not exact
            self.keep(Value(name, a, inherited and not rounded, kind))

    def model(self):
        used = {i for n in self.nodes for i in n.input}
        made = [o for n in self.nodes for o in n.output if n.op_type != "Constant"]
        outputs = [o for o in made if o not in used] or made[-1:]
        arrays = {v.name: v.array for v in self.values}
        return build(self.nodes, {k: a for k, a in self.inputs.items() if k in used}, self.weights,
                     {o: arrays[o] for o in outputs}, self.opset), {o: arrays[o] for o in outputs}


def info(name, array):
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def build(nodes, inputs, weights, outputs, opset):
    used = {i for n in nodes for i in n.input}
    graph = helper.make_graph(nodes, "fuzz", [info(k, a) for k, a in inputs.items()], [info(k, a) for k, a in outputs.items()],
                              [numpy_helper.from_array(np.array(a, order="C"), k) for k, a in weights.items() if k in used])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def reference(nodes, given, outputs, opset):
    """ONNX Runtime's answers; Skip when it refuses."""
    graph = helper.make_graph(nodes, "one", [info(k, np.asarray(a)) for k, a in given.items()],
                              [onnx.ValueInfoProto(name=o) for o in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    try:
        return [np.asarray(a) for a in ort_run(model.SerializeToString(), {k: np.asarray(a) for k, a in given.items()})]
    except Exception as refused:
        raise Skip from refused


def finite(v):
    return v.finite


def exact_finite(v):
    return v.exact and v.finite


# -- generators ------------------------------------------------------------------------------------

@op("Abs", "Neg", "Relu", "Sign", "Identity")
def exact_unary(g, kind):
    g.add(kind, [g.pick([np.float32, np.int32, np.int8, np.int64, np.float16, np.float64])], exact=True)


@op("Exp", "Log", "Sqrt", "Sigmoid", "Tanh", "Erf", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh",
    "Atanh", "Softplus", "Softsign", "HardSwish", "Mish", "Reciprocal")
def float_unary(g, kind):
    g.add(kind, [g.pick()])


@op("LeakyRelu", "Elu", "Selu", "Celu", "HardSigmoid", "ThresholdedRelu")
def parametric_unary(g, kind):
    attrs = {} if g.chance(0.3) else {"alpha": g.one([0.1, 0.5, 1.0, 2.0])}
    if kind == "HardSigmoid" and g.chance(0.5):
        attrs["beta"] = 0.25
    if kind == "ThresholdedRelu":
        g.add(kind, [g.pick(where=lambda v: v.exact)], exact=True, **attrs)
    else:
        g.add(kind, [g.pick()], **attrs)


@op("Gelu")
def gelu(g, kind):
    if g.opset < 20:
        raise Skip
    g.add(kind, [g.pick()], approximate=g.one(["none", "tanh"]))


@op("Ceil", "Floor", "Round", "IsNaN", "IsInf")
def jumps(g, kind):
    g.add(kind, [g.pick([np.float32, np.float64], where=lambda v: v.exact)], exact=True)


@op("Not")
def invert(g, kind):
    g.add(kind, [g.pick([np.bool_])], exact=True)


@op("Add", "Sub", "Mul")
def arithmetic(g, kind):
    a = g.pick([np.float32, np.int32, np.int64, np.float64, np.float16])
    pair = [a, g.partner(a)]
    g.add(kind, pair if g.chance(0.5) else pair[::-1], exact=True if kind != "Mul" else None)


@op("Div", "Mod")
def division(g, kind):
    a = g.pick([np.float32, np.int32, np.int64], where=exact_finite)
    b = g.partner(a)
    if b.dtype.kind in "iu":
        nonzero = np.where(b.array == 0, 3, b.array).astype(b.dtype)
        b = g.const(nonzero)
    fmod = 1 if kind == "Mod" and (a.dtype.kind == "f" or g.chance(0.3)) else None
    g.add(kind, [a, b], fmod=fmod)


@op("Pow")
def power(g, kind):
    a = g.pick(where=finite)
    g.add(kind, [a, g.const(np.float32(g.one([0, 1, 2, 3, -1, 0.5])))])


@op("Max", "Min", "Sum", "Mean")
def variadic(g, kind):
    a = g.pick([np.float32, np.int32, np.float64] if kind in ("Max", "Min") else [np.float32, np.float64])
    g.add(kind, [a] + [g.partner(a) for _ in range(g.int(0, 2))], exact=kind in ("Max", "Min"))


@op("PRelu")
def prelu(g, kind):
    a = g.pick(rank=(1, 4))
    g.add(kind, [a, g.like(a, [d if g.chance(0.5) else 1 for d in a.shape])])


@op("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
def compare(g, kind):
    a = g.pick([np.float32, np.int32, np.int64, np.float64], where=lambda v: v.exact)
    g.add(kind, [a, g.partner(a)], exact=True)


@op("And", "Or", "Xor")
def logic(g, kind):
    a = g.pick([np.bool_])
    g.add(kind, [a, g.partner(a)], exact=True)


@op("BitwiseAnd", "BitwiseOr", "BitwiseXor", "BitwiseNot")
def bits(g, kind):
    if g.opset < 18:
        raise Skip
    a = g.pick([np.int32, np.uint8, np.int64, np.uint16])
    g.add(kind, [a] if kind == "BitwiseNot" else [a, g.partner(a)], exact=True)


@op("BitShift")
def shift(g, kind):
    a = g.pick([np.uint8, np.uint32, np.uint64])
    g.add(kind, [a, g.const(g.r.integers(0, 8, a.shape).astype(a.dtype))], direction=g.one(["LEFT", "RIGHT"]), exact=True)


@op("Where")
def where(g, kind):
    a = g.pick([np.float32, np.int64, np.int32])
    b = g.partner(a)
    g.add(kind, [g.pick([np.bool_], shape=[d if g.chance(0.7) else 1 for d in a.shape]), a, b], exact=True)


@op("Clip")
def clip(g, kind):
    a = g.pick([np.float32, np.int32, np.float64])
    low, high = g.const(np.array(-1, a.dtype)), g.const(np.array(2, a.dtype))
    g.add(kind, [a, low if g.chance(0.7) else None, high if g.chance(0.7) else None], exact=True)


@op("Cast")
def cast(g, kind):
    a = g.pick(FLOATS + INTS + [np.bool_], where=exact_finite)
    to = np.dtype(g.one(FLOATS + INTS + [np.bool_]))
    if a.dtype.kind == "f" and to.kind == "u" and (a.array < 0).any():
        raise Skip                             # undefined
    if a.dtype.kind == "f" and to.kind in "iu" and a.array.size and np.abs(a.array).max() > np.iinfo(to).max:
        raise Skip
    g.add(kind, [a], to=helper.np_dtype_to_tensor_dtype(to), exact=True)


@op("Concat")
def concat(g, kind):
    a = g.pick([np.float32, np.int64, np.float16, np.uint8], rank=(1, 4))
    axis = g.int(0, a.rank - 1)
    parts = [a]
    for _ in range(g.int(1, 3)):
        shape = list(a.shape)
        shape[axis] = g.int(0 if g.chance(0.1) else 1, 4)
        parts.insert(g.int(0, len(parts)), g.like(a, shape))
    g.add(kind, parts, axis=axis - (a.rank if g.chance(0.3) else 0), exact=True)


@op("Split")
def split(g, kind):
    a = g.pick([np.float32, np.int32], rank=(1, 4))
    axis = g.int(0, a.rank - 1)
    parts = g.int(1, 3)
    cuts = np.sort(g.r.integers(0, a.shape[axis] + 1, parts - 1))
    sizes = np.diff(np.concatenate([[0], cuts, [a.shape[axis]]])).astype(np.int64)
    g.add(kind, [a, g.const(sizes)], outputs=parts, axis=axis, exact=True)


@op("Slice")
def slices(g, kind):
    a = g.pick([np.float32, np.int64, np.bool_, np.float16], rank=(1, 5))
    axes = sorted(g.r.choice(a.rank, g.int(1, a.rank), replace=False).tolist())
    steps = [g.one([1, 1, 2, 3, -1, -2]) for _ in axes]
    starts, ends = [], []
    for axis, step in zip(axes, steps):
        n = a.shape[axis]
        low, high = sorted((g.int(-n - 2, n + 2), g.int(-n - 2, n + 2)))
        starts.append(low if step > 0 else high)
        ends.append(high if step > 0 else low)
        if g.chance(0.2):
            ends[-1] = np.iinfo(np.int64).max if step > 0 else np.iinfo(np.int64).min
    g.add(kind, [a] + [g.const(np.array(p, np.int64)) for p in (starts, ends, axes, steps)], exact=True)


@op("Pad")
def pad(g, kind):
    a = g.pick([np.float32, np.int32, np.float64], rank=(1, 4), where=lambda v: v.array.size > 0)
    mode = g.one(["constant", "constant", "reflect", "edge"])
    low = -1 if g.chance(0.3) else 0
    room = [min(2, d - 1) if mode == "reflect" else 2 for d in a.shape] * 2
    pads = np.array([g.int(low, max(low, m)) for m in room], np.int64)
    more = [g.const(np.array(g.int(-3, 3), a.dtype))] if mode == "constant" and g.chance(0.7) else []
    g.add(kind, [a, g.const(pads)] + more, mode=mode, exact=True)


@op("Transpose")
def transpose(g, kind):
    a = g.pick([np.float32, np.int8, np.float16, np.int64], rank=(0, 5))
    g.add(kind, [a], perm=None if a.rank == 0 or g.chance(0.2) else g.r.permutation(a.rank).tolist(), exact=True)


def factorise(g, size):
    dims = []
    while size > 1 and len(dims) < 4:
        d = g.one([d for d in range(1, size + 1) if size % d == 0])
        dims.append(d)
        size //= d
    return dims + ([size] if size != 1 or not dims else [])


@op("Reshape")
def reshape(g, kind):
    a = g.pick([np.float32, np.int64, np.bool_, np.float64])
    if a.array.size == 0:
        raise Skip
    dims = factorise(g, a.array.size)
    if g.chance(0.4):
        dims[g.int(0, len(dims) - 1)] = -1
    g.add(kind, [a, g.const(np.array(dims, np.int64))], exact=True)


@op("Squeeze", "Unsqueeze")
def squeeze(g, kind):
    a = g.pick([np.float32, np.int64, np.bool_], rank=(0, 4))
    if kind == "Squeeze":
        ones = [i for i, d in enumerate(a.shape) if d == 1]
        axes = [i - (a.rank if g.chance(0.3) else 0) for i in ones if g.chance(0.7)]
        if not axes:
            raise Skip
    else:
        axes = g.r.choice(a.rank + 2, 2, replace=False).tolist()
    g.add(kind, [a, g.const(np.array(axes, np.int64))], exact=True)


@op("Flatten")
def flatten(g, kind):
    a = g.pick([np.float32, np.int32])
    g.add(kind, [a], axis=g.int(-a.rank, a.rank), exact=True)


@op("Expand")
def expand(g, kind):
    a = g.pick([np.float32, np.int64, np.bool_])
    shape = [g.int(1, 3) if d == 1 and g.chance(0.6) else d for d in a.shape]
    shape = [1 if g.chance(0.2) else d for d in shape]
    g.add(kind, [a, g.const(np.array([2] * g.int(0, 1) + shape, np.int64))], exact=True)


@op("Tile")
def tile(g, kind):
    a = g.pick([np.float32, np.int32, np.uint8], rank=(1, 4))
    g.add(kind, [a, g.const(np.array([g.int(0 if g.chance(0.05) else 1, 3) for _ in a.shape], np.int64))], exact=True)


@op("Gather")
def gather(g, kind):
    a = g.pick([np.float32, np.int64, np.float16, np.bool_], rank=(1, 4))
    axis = g.int(0, a.rank - 1)
    n = a.shape[axis]
    if n == 0:
        raise Skip
    index = g.r.integers(-n, n, g.shape(0, 2)).astype(g.one([np.int32, np.int64]))
    g.add(kind, [a, g.const(index)], axis=axis - (a.rank if g.chance(0.3) else 0), exact=True)


@op("GatherElements", "ScatterElements")
def elements(g, kind):
    a = g.pick([np.float32, np.int32], rank=(1, 3))
    axis = g.int(0, a.rank - 1)
    n = a.shape[axis]
    shape = [g.int(1, d) if d else 0 for d in a.shape]
    if n == 0 or 0 in shape:
        raise Skip
    index = g.r.integers(-n, n, shape).astype(np.int64)
    if kind == "GatherElements":
        g.add(kind, [a, g.const(index)], axis=axis, exact=True)
        return
    lines = [g.r.permutation(n)[:shape[axis]] for _ in range(index.size // shape[axis])]      # no duplicates along the axis:
    rest = [d for i, d in enumerate(shape) if i != axis]                                      # which of them wins is open
    order = np.moveaxis(np.stack(lines).reshape(rest + [shape[axis]]), -1, axis)
    reduction = g.one([None, "add", "mul"] + (["max", "min"] if g.opset >= 18 else []))
    g.add(kind, [a, g.const(order.astype(np.int64)), g.like(a, shape)], axis=axis, reduction=reduction)


@op("GatherND", "ScatterND")
def nd(g, kind):
    a = g.pick([np.float32, np.int64], rank=(1, 3), where=lambda v: v.array.size > 0)
    depth = g.int(1, a.rank)
    cells = int(np.prod(a.shape[:depth]))
    flat = g.r.permutation(cells)[:g.int(1, min(cells, 5))]
    index = np.stack(np.unravel_index(flat, a.shape[:depth]), axis=-1).astype(np.int64)
    if kind == "GatherND":
        g.add(kind, [a, g.const(index)], exact=True)
    else:
        reduction = g.one([None, "add"])
        g.add(kind, [a, g.const(index), g.like(a, list(index.shape[:-1]) + list(a.shape[depth:]))], reduction=reduction)


@op("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
    "ReduceSumSquare")
def reduce(g, kind):
    a = g.pick([np.float32, np.int32] if kind in ("ReduceSum", "ReduceMax", "ReduceMin") else [np.float32],
               where=lambda v: v.finite and v.array.size > 0)
    axes = sorted(g.r.choice(a.rank, g.int(0, a.rank), replace=False).tolist())
    axes = [x - (a.rank if g.chance(0.2) else 0) for x in axes]
    keep = g.one([None, 0, 1])
    if g.opset >= 18 or kind == "ReduceSum":
        more = [g.const(np.array(axes, np.int64))] if axes or g.chance(0.5) else []
        g.add(kind, [a] + more, keepdims=keep, exact=kind in ("ReduceMax", "ReduceMin"),
              noop_with_empty_axes=1 if more and not axes and g.chance(0.5) else None)
    else:
        g.add(kind, [a], axes=axes or None, keepdims=keep, exact=kind in ("ReduceMax", "ReduceMin"))


@op("ArgMax", "ArgMin")
def arg(g, kind):
    a = g.pick([np.float32, np.int32], rank=(1, 4), where=lambda v: v.exact and v.finite and v.array.size > 0)
    g.add(kind, [a], axis=g.int(-a.rank, a.rank - 1), keepdims=g.int(0, 1), select_last_index=g.one([None, 0, 1]), exact=True)


@op("Softmax", "LogSoftmax")
def softmax(g, kind):
    a = g.pick([np.float32, np.float64], rank=(1, 4), where=finite)
    g.add(kind, [a], axis=g.int(-a.rank, a.rank - 1))


@op("CumSum")
def cumsum(g, kind):
    a = g.pick([np.float32, np.int32], rank=(1, 3), where=finite)
    g.add(kind, [a, g.const(np.array(g.int(-a.rank, a.rank - 1), np.int32))], exclusive=g.int(0, 1), reverse=g.int(0, 1))


@op("TopK")
def topk(g, kind):
    a = g.pick(rank=(1, 3), where=lambda v: v.exact and v.finite and v.array.size > 0)
    axis = g.int(0, a.rank - 1)
    g.add(kind, [a, g.const(np.array([g.int(1, a.shape[axis])], np.int64))], outputs=2, axis=axis, largest=g.int(0, 1), exact=True)


@op("Trilu")
def trilu(g, kind):
    a = g.pick([np.float32, np.int64], rank=(2, 4))
    g.add(kind, [a, g.const(np.array(g.int(-3, 3), np.int64))] if g.chance(0.7) else [a], upper=g.int(0, 1), exact=True)


@op("OneHot")
def onehot(g, kind):
    ids = g.pick([np.int64, np.int32], rank=(0, 2))
    g.add(kind, [ids, g.const(np.array(g.int(1, 6), np.int64)), g.const(np.array([-1, 2], np.float32))],
          axis=g.int(-ids.rank - 1, ids.rank), exact=True)


@op("DepthToSpace", "SpaceToDepth")
def depth(g, kind):
    if kind == "DepthToSpace":
        a = g.pick(shape=[g.int(1, 2), 4 * g.int(1, 3), g.int(1, 4), g.int(1, 4)])
        g.add(kind, [a], blocksize=2, mode=g.one(["DCR", "CRD"]), exact=True)
    else:
        a = g.pick(shape=[g.int(1, 2), g.int(1, 3), 2 * g.int(1, 3), 2 * g.int(1, 3)])
        g.add(kind, [a], blocksize=2, exact=True)


@op("Resize")
def resize(g, kind):
    a = g.pick(rank=(3, 4), where=lambda v: v.finite and v.array.size > 0)
    scales = np.ones(a.rank, np.float32)
    scales[2:] = [g.one([0.5, 1, 1.5, 2, 3]) for _ in range(a.rank - 2)]
    mode = g.one(["nearest", "linear", "cubic"] if a.rank == 4 else ["nearest", "linear"])
    where = g.one(["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"])
    if mode == "nearest":
        g.add(kind, [a, None, g.const(scales)], mode=mode, coordinate_transformation_mode="asymmetric",
              nearest_mode=g.one(["floor", "ceil"]), exact=True)
    elif g.chance(0.5):
        sizes = np.array(list(a.shape[:2]) + [g.int(1, 9) for _ in a.shape[2:]], np.int64)
        g.add(kind, [a, None, None, g.const(sizes)], mode=mode, coordinate_transformation_mode=where)
    else:
        g.add(kind, [a, None, g.const(scales)], mode=mode, coordinate_transformation_mode=where)


@op("MatMul")
def matmul(g, kind):
    a = g.pick(rank=(1, 4), where=finite)
    k, n = a.shape[-1], g.int(1, 20)
    batch = [d if g.chance(0.7) else 1 for d in a.shape[:-2]]
    shape = g.one([[k, n], [k], batch + [k, n]])
    g.add(kind, [a, g.like(a, shape)])


@op("Gemm")
def gemm(g, kind):
    ta, tb = g.int(0, 1), g.int(0, 1)
    a = g.pick(rank=2, where=finite)
    m, k = a.shape[::-1] if ta else a.shape
    n = g.int(1, 20)
    c = [g.like(a, g.one([[m, n], [n], [1, n], [m, 1], [1], []]))] if g.chance(0.7) else []
    g.add(kind, [a, g.like(a, [n, k] if tb else [k, n])] + c, transA=ta, transB=tb, alpha=g.one([None, 0.5]), beta=g.one([None, 2.0]))


def window(g, n, kernel, need_half=False):
    """Random strides, dilations and pads for n spatial dimensions."""
    attrs = {}
    if g.chance(0.5):
        attrs["strides"] = [g.int(1, 3) for _ in range(n)]
    if g.chance(0.3):
        attrs["dilations"] = [g.int(1, 2) for _ in range(n)]
    if g.chance(0.25):
        attrs["auto_pad"] = g.one(["SAME_UPPER", "SAME_LOWER", "VALID"])
    elif g.chance(0.6):
        attrs["pads"] = [g.int(0, (k - 1) if not need_half else k // 2) for k in list(kernel) * 2]
    return attrs


@op("Conv", "ConvTranspose")
def conv(g, kind):
    n = g.one([1, 2, 2, 3])
    group = g.one([1, 1, 2, 3])
    cin = group * g.int(1, 4)
    fits = [v for v in g.values if v.rank == n + 2 and v.dtype == np.float32 and v.finite and v.array.size]
    a = g.one(fits) if fits and g.chance(0.6) else g.keep(g.new(np.float32, [g.int(1, 2), cin] + [g.int(3, 9) for _ in range(n)], plain=True))
    cin = a.shape[1]
    group = g.one([d for d in range(1, cin + 1) if cin % d == 0])
    kernel = [g.int(1, 3) for _ in range(n)]
    out = g.int(1, 4)
    shape = [out * group, cin // group] + kernel if kind == "Conv" else [cin, out] + kernel
    attrs = window(g, n, kernel)
    if kind == "ConvTranspose":
        attrs.pop("auto_pad", None)
        if "strides" in attrs and g.chance(0.4):
            attrs["output_padding"] = [g.int(0, s - 1) for s in attrs["strides"]]
    plain = kind == "ConvTranspose"            # 0 times infinity: whether a sum has such a term depends on the algorithm
    bias = [g.like(a, [out * group], plain=plain)] if g.chance(0.6) else []
    g.add(kind, [a, g.like(a, shape, 0.8, plain)] + bias, group=group, kernel_shape=kernel if g.chance(0.7) else None, **attrs)


@op("MaxPool", "AveragePool", "LpPool")
def pool(g, kind):
    n = g.one([1, 2, 2, 3])
    a = g.pick(rank=n + 2, where=lambda v: v.finite and v.array.size > 0)
    kernel = [g.int(1, 3) for _ in range(n)]
    attrs = window(g, n, kernel, need_half=True)
    if kind != "MaxPool" and g.opset < 19:
        attrs.pop("dilations", None)
    if "auto_pad" not in attrs and g.chance(0.3) and (kind != "LpPool" or g.opset >= 18):
        attrs["ceil_mode"] = 1
    if kind == "AveragePool" and g.chance(0.4):
        attrs["count_include_pad"] = 1
    g.add(kind, [a], outputs=1, kernel_shape=kernel, exact=kind == "MaxPool", **attrs)


@op("GlobalAveragePool", "GlobalMaxPool")
def global_pool(g, kind):
    g.add(kind, [g.pick(rank=(3, 5), where=lambda v: v.finite and v.array.size > 0)], exact=kind == "GlobalMaxPool")


@op("BatchNormalization", "InstanceNormalization")
def batchnorm(g, kind):
    a = g.pick(rank=(3, 4) if kind[0] == "I" else (2, 4), where=lambda v: v.finite and v.array.size > 0)
    c = [a.shape[1]]
    var = g.const(np.abs(g.array(np.float32, c, True)) + np.float32(0.5))
    scale, bias = g.like(a, c, plain=True), g.like(a, c, plain=True)
    g.add(kind, [a, scale, bias] + ([g.like(a, c, plain=True), var] if kind[0] == "B" else []),
          epsilon=g.one([None, 1e-3]))


@op("LayerNormalization")
def layernorm(g, kind):
    a = g.pick(rank=(1, 4), where=lambda v: v.finite and v.array.size > 0)
    axis = g.int(0, a.rank - 1)
    bias = [g.like(a, a.shape[axis:], plain=True)] if g.chance(0.7) else []
    g.add(kind, [a, g.like(a, a.shape[axis:], plain=True)] + bias, axis=axis - (a.rank if g.chance(0.5) else 0), epsilon=1e-2)


@op("LRN")
def lrn(g, kind):
    g.add(kind, [g.pick(rank=4, where=lambda v: v.finite and v.array.size > 0)], size=g.one([1, 3, 5]), alpha=g.one([None, 0.01]), bias=g.one([None, 2.0]))


@op("LSTM", "GRU", "RNN")
def recurrent(g, kind):
    gates = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    direction = g.one(["forward", "reverse", "bidirectional"])
    d = 2 if direction == "bidirectional" else 1
    a = g.pick(rank=3, where=lambda v: v.finite and v.array.size > 0)
    t, b, i = a.shape
    h = g.int(1, 6)

    def small(*shape):
        return g.const((g.array(np.float32, list(shape), True) / 4).astype(np.float32))
    ins = [a, small(d, gates * h, i), small(d, gates * h, h), small(d, 2 * gates * h) if g.chance(0.7) else None]
    ins.append(g.const(g.r.integers(1, t + 1, b).astype(np.int32)) if g.chance(0.25) else None)
    ins.append(g.like(a, [d, b, h], plain=True) if g.chance(0.5) else None)
    attrs = {}
    if kind == "LSTM":
        ins.append(g.like(a, [d, b, h], plain=True) if g.chance(0.5) else None)
        ins.append(small(d, 3 * h) if g.chance(0.3) else None)
    elif kind == "GRU" and g.chance(0.5):
        attrs["linear_before_reset"] = 1
    if g.chance(0.2):
        attrs["clip"] = 0.5
    if g.chance(0.2):
        each = {"LSTM": ["HardSigmoid", "Softsign", "Tanh"], "GRU": ["Sigmoid", "Softsign"], "RNN": ["Relu"]}[kind]
        attrs["activations"] = each * d
        if kind == "LSTM":
            attrs["activation_alpha"], attrs["activation_beta"] = [0.3] * d, [0.4] * d
    while ins and ins[-1] is None:
        ins.pop()
    g.add(kind, ins, outputs=3 if kind == "LSTM" else 2, hidden_size=h, direction=direction, **attrs)


@op("Einsum")
def einsum(g, kind):
    form = g.one(["ij,jk->ik", "bij,bjk->bik", "ij->ji", "ii->i", "ij->", "i,j->ij", "bij,bkj->bik", "bhid,bhjd->bhij", "ij,ij->i"])
    sizes = collections.defaultdict(lambda: g.int(1, 5))
    operands = [g.keep(g.new(np.float32, [sizes[c] for c in term], plain=True)) for term in form.split("->")[0].split(",")]
    g.add(kind, operands, equation=form)


@op("QuantizeLinear", "DequantizeLinear")
def quantise(g, kind):
    zero_type = g.one([np.uint8, np.int8])
    a = g.pick(rank=(0, 4), where=exact_finite) if kind[0] == "Q" else g.pick([np.uint8, np.int8], rank=(0, 4))
    zero_type = zero_type if kind[0] == "Q" else a.dtype
    axis = g.int(0, a.rank - 1) if a.rank and g.chance(0.4) else None
    shape = [] if axis is None else [a.shape[axis]]
    scale = g.const((2.0 ** g.r.integers(-4, 2, shape)).astype(np.float32))
    zero = g.const(g.r.integers(0 if zero_type == np.uint8 else -9, 9, shape).astype(zero_type))
    g.add(kind, [a, scale, zero] if kind[0] == "D" or g.chance(0.8) else [a, scale], axis=axis, exact=True)


@op("MatMulInteger")
def matmul_integer(g, kind):
    a = g.pick([np.uint8, np.int8], rank=(2, 3))
    b = g.keep(g.new(g.one([np.uint8, np.int8]), [a.shape[-1], g.int(1, 9)]))
    zeros = [g.const(np.array(3, a.dtype)), g.const(np.array(2, b.dtype))] if g.chance(0.5) else []
    g.add(kind, [a, b] + zeros, exact=True)


@op("Shape", "Size")
def shape_of(g, kind):
    g.add(kind, [g.pick([np.float32, np.int64])], exact=True)


@op("ConstantOfShape")
def constant_of_shape(g, kind):
    g.add(kind, [g.const(np.array(g.shape(), np.int64))], exact=True,
          value=numpy_helper.from_array(np.array([g.int(-3, 3)], g.one([np.float32, np.int64]))))


@op("Range")
def ranges(g, kind):
    g.add(kind, [g.const(np.array(v, np.int64)) for v in (g.int(-5, 5), g.int(-9, 9), g.one([1, 2, -1, -3]))], exact=True)


@op("NonZero")
def nonzero(g, kind):
    g.add(kind, [g.pick([np.float32, np.bool_, np.int64], rank=(1, 3), where=lambda v: v.exact)], exact=True)


@op("Compress")
def compress(g, kind):
    a = g.pick([np.float32, np.int64], rank=(1, 3))
    axis = g.int(0, a.rank - 1)
    g.add(kind, [a, g.const(g.r.random(a.shape[axis]) < 0.5)], axis=axis, exact=True)


@op("ReverseSequence")
def reverse(g, kind):
    a = g.pick(rank=(2, 3), where=lambda v: v.array.size > 0)
    g.add(kind, [a, g.const(g.r.integers(1, a.shape[0] + 1, a.shape[1]).astype(np.int64))], time_axis=0, batch_axis=1, exact=True)


@op("EyeLike")
def eye(g, kind):
    g.add(kind, [g.pick([np.float32, np.int32], rank=2)], k=g.int(-2, 2), exact=True)


@op("GridSample")
def grid(g, kind):
    a = g.pick(shape=[1, g.int(1, 2), g.int(2, 5), g.int(2, 5)], where=finite)
    coords = g.const((g.r.integers(-10, 11, [1, 3, 4, 2]) / 9).astype(np.float32))
    g.add(kind, [a, coords], mode=g.one(["bilinear" if g.opset < 20 else "linear"]), padding_mode=g.one(["zeros", "border", "reflection"]),
          align_corners=g.int(0, 1))


# -- one case --------------------------------------------------------------------------------------

def generate(seed, only):
    g = Graph(seed)
    want = g.int(1, 8)
    for _ in range(want * 6):
        kind = g.one(only or OPS)
        mark = len(g.nodes), len(g.values)
        try:
            OPS[kind](g, kind)
        except Skip:
            del g.nodes[mark[0]:]
            g.values = [v for v in g.values[:mark[1]]]
        if sum(n.op_type != "Constant" for n in g.nodes) >= want:
            break
    return g


def failure(model, want, inputs, toolchain):
    """None when nnc's answer agrees, else what is wrong; raises Refused."""
    onnx.save(model, "case.onnx")
    try:
        compiled = compile_onnx("case.onnx", [toolchain])
        got = compiled.run([inputs[v.name] for v in model.graph.input])
    except Refused:
        raise
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:1500]}"
    for tensor, a, (name, b) in zip(compiled.outputs, got, want.items()):
        tolerance = TOLERANCE.get(b.dtype.name, 0.0)
        if a.shape != b.shape or a.dtype != b.dtype or relative_error(a, b) > tolerance:
            return f"output {name}: {difference(a, b)}"
    return None


def minimise(g, model, want, wrong, toolchain):
    """Turn results of nodes into inputs, or drop outputs, while it still fails."""
    nodes, inputs = list(g.nodes), dict(g.inputs)
    values = {v.name: v.array for v in g.values}
    outputs = list(want)
    deadline = time.monotonic() + 60

    def attempt(nodes, inputs, outputs):
        needed, kept = set(outputs), []
        for n in reversed(nodes):
            if needed & set(n.output):
                kept.insert(0, n)
                needed |= set(n.input)
        made = {o for n in kept for o in n.output}
        inputs = {k: a for k, a in inputs.items() if k in needed and k not in made}
        if not kept or not set(outputs) <= made or time.monotonic() > deadline:
            return None
        small = build(kept, inputs, g.weights, {o: values[o] for o in outputs}, g.opset)
        try:
            again = failure(small, {o: values[o] for o in outputs}, inputs, toolchain)
        except Refused:
            return None
        return again and (kept, inputs, outputs, small, again)

    best = (nodes, inputs, outputs, model, wrong)
    progress = True
    while progress:
        progress = False
        nodes, inputs, outputs = best[:3]
        trials = [(nodes, inputs, [o]) for o in outputs] if len(outputs) > 1 else []
        for n in nodes:
            if n.op_type != "Constant" and len(nodes) > 1:
                trials.append(([m for m in nodes if m is not n], {**inputs, **{o: values[o] for o in n.output if o in values}},
                               [o for o in outputs if o not in n.output]))
        for trial in trials:
            found = trial[2] and attempt(*trial)
            if found:
                best, progress = found, True
                break
    return best


def run_case(seed, only, toolchain, keep):
    g = generate(seed, only)
    if not any(n.op_type != "Constant" for n in g.nodes):
        return "empty", "", []
    kinds = [n.op_type for n in g.nodes]
    model, want = g.model()
    try:
        wrong = failure(model, want, g.inputs, toolchain)
    except Refused as reason:
        return "refused", str(reason), kinds
    if wrong is None:
        return "ok", "", kinds
    nodes, inputs, outputs, model, wrong = minimise(g, model, want, wrong, toolchain)
    if keep:
        os.makedirs(keep, exist_ok=True)
        onnx.save(model, f"{keep}/seed{seed}.onnx")
        np.savez(f"{keep}/seed{seed}.npz", **inputs)
    shown = "\n".join(f"    {k} = {np.array2string(a, threshold=40)}" for k, a in inputs.items())
    return "FAILED", f"{wrong}\n{onnx.printer.to_text(model)}\n{shown}", [n.op_type for n in nodes]


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--count", type=int, default=100)
    parse.add_argument("--seed", type=int, default=1)
    parse.add_argument("--ops", help="only these operators, separated by commas")
    parse.add_argument("--cc", default="gcc -O1")
    parse.add_argument("--keep", help="save failing models and inputs in this folder")
    parse.add_argument("--list", action="store_true", help="list the operators and stop")
    args = parse.parse_args()
    if args.list:
        print(" ".join(sorted(OPS)))
        return
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    only = args.ops.split(",") if args.ops else None
    keep = os.path.abspath(args.keep) if args.keep else None
    counts, refusals, covered = collections.Counter(), collections.Counter(), collections.Counter()
    toolchain = Toolchain(*args.cc.split())
    seeds = range(args.seed, args.seed + args.count)
    for seed, status, value in isolated(seeds, lambda s: run_case(s, only, toolchain, keep), seconds=180):
        result, text, kinds = value if status == "ok" else ("FAILED", f"{status}: {value}", [])
        counts[result] += 1
        if result == "refused":
            refusals[re.sub(r"^.*? error: |\d+", "", re.sub(r"'[^']*'", "'..'", text.splitlines()[0]))[:160]] += 1
        elif result == "ok":
            covered.update(set(kinds) & set(OPS))
        elif result == "FAILED":
            print(f"seed {seed}: FAILED in {', '.join(kinds)}: {text}\n", flush=True)
    for text, n in refusals.most_common(40):
        print(f"refused {n:4}: {text}")
    print(f"{counts['ok']} graphs agree with ONNX Runtime, {counts['refused']} refused, {counts['empty']} empty, "
          f"{counts['FAILED']} failed; {len(covered)} of {len(OPS)} operators covered")
    sys.exit(bool(counts["FAILED"]) or counts["ok"] < args.count // 2)


if __name__ == "__main__":
    main()
