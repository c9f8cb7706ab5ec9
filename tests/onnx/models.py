"""Small models that between them use most of what nnc does: name -> (ModelProto, input arrays)."""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

F, I = TensorProto.FLOAT, TensorProto.INT64


def make(nodes, inputs, outputs, weights=(), opset=17, **more):
    """A model from nodes, {name: (type, shape)} twice, and {name: array}."""
    def value(name, spec):
        return helper.make_tensor_value_info(name, spec[0], spec[1])
    graph = helper.make_graph(nodes, more.pop("name", "g"), [value(n, s) for n, s in inputs.items()],
                              [value(n, s) for n, s in outputs.items()],
                              [numpy_helper.from_array(np.asarray(a), n) for n, a in dict(weights).items()])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8, **more)


def rng():
    return np.random.default_rng(7)


def f32(r, *shape, scale=1.0):
    return (r.standard_normal(shape) * scale).astype(np.float32)


def convnet():
    r, node = rng(), helper.make_node
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["c1"], name="conv1", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", ["c1", "s", "t", "m", "v"], ["n1"], name="bn1"),
        node("Relu", ["n1"], ["r1"], name="relu1"),
        node("Conv", ["r1", "w2"], ["c2"], name="depthwise", group=8, pads=[1, 1, 1, 1]),
        node("Add", ["c2", "r1"], ["a1"], name="skip"),
        node("MaxPool", ["a1"], ["p1"], name="pool", kernel_shape=[2, 2], strides=[2, 2]),
        node("GlobalAveragePool", ["p1"], ["g1"], name="gap"),
        node("Flatten", ["g1"], ["f1"], name="flat"),
        node("Gemm", ["f1", "w3", "b3"], ["l1"], name="fc", transB=1),
        node("Softmax", ["l1"], ["probs"], name="softmax")]
    weights = dict(w1=f32(r, 8, 3, 3, 3, scale=.3), b1=f32(r, 8), s=1 + f32(r, 8, scale=.1), t=f32(r, 8), m=f32(r, 8, scale=.1),
                   v=np.abs(f32(r, 8)) + 1, w2=f32(r, 8, 1, 3, 3, scale=.3), w3=f32(r, 5, 8), b3=f32(r, 5))
    return make(nodes, {"x": (F, [1, 3, 13, 17])}, {"probs": (F, [1, 5])}, weights, name="convnet"), [f32(r, 1, 3, 13, 17)]


def recurrent():
    r, node = rng(), helper.make_node
    nodes = [node("LSTM", ["x", "w", "r", "b", "", "h0", "c0"], ["y", "h", "c"], name="lstm", hidden_size=6, direction="bidirectional"),
             node("Tanh", ["y"], ["out"], name="tanh")]
    weights = dict(w=f32(r, 2, 24, 5, scale=.4), r=f32(r, 2, 24, 6, scale=.4), b=f32(r, 2, 48, scale=.1))
    state = (F, [2, 1, 6])
    return make(nodes, {"x": (F, [7, 1, 5]), "h0": state, "c0": state},
                {"out": (F, [7, 2, 1, 6]), "h": state, "c": state}, weights), [f32(r, 7, 1, 5), f32(r, 2, 1, 6), f32(r, 2, 1, 6)]


def attention():
    r, node = rng(), helper.make_node
    nodes = [node("Gather", ["table", "ids"], ["e"], name="embed"),
             node("LayerNormalization", ["e", "g", "b"], ["n"], name="norm", axis=-1),
             node("MatMul", ["n", "wq"], ["q"], name="query"), node("MatMul", ["n", "wk"], ["k"], name="key"),
             node("MatMul", ["n", "wv"], ["v"], name="value"), node("Transpose", ["k"], ["kt"], name="turn", perm=[0, 2, 1]),
             node("MatMul", ["q", "kt"], ["s"], name="scores"), node("Softmax", ["s"], ["p"], name="softmax", axis=-1),
             node("MatMul", ["p", "v"], ["o"], name="mix"), node("Erf", ["o"], ["out"], name="erf")]
    weights = dict(table=f32(r, 11, 8), g=1 + f32(r, 8, scale=.1), b=f32(r, 8, scale=.1), wq=f32(r, 8, 8, scale=.4),
                   wk=f32(r, 8, 8, scale=.4), wv=f32(r, 8, 8, scale=.4))
    return make(nodes, {"ids": (I, [1, 6])}, {"out": (F, [1, 6, 8])}, weights), [np.array([[3, 0, 10, 3, 7, 1]], np.int64)]


def quantised():
    r, node = rng(), helper.make_node
    nodes = [node("QuantizeLinear", ["x", "sx", "zx"], ["xq"], name="q0"), node("DequantizeLinear", ["xq", "sx", "zx"], ["xd"], name="d0"),
             node("DequantizeLinear", ["wq", "sw", "zw"], ["wd"], name="dw", axis=0),
             node("Conv", ["xd", "wd"], ["c"], name="conv", pads=[1, 1, 1, 1]), node("Relu", ["c"], ["r"], name="relu"),
             node("QuantizeLinear", ["r", "sy", "zy"], ["yq"], name="q1"), node("DequantizeLinear", ["yq", "sy", "zy"], ["y"], name="d1")]
    weights = dict(sx=np.float32(.03), zx=np.uint8(120), wq=r.integers(-127, 128, (4, 3, 3, 3)).astype(np.int8),
                   sw=np.abs(f32(r, 4, scale=.01)) + np.float32(.002), zw=np.zeros(4, np.int8), sy=np.float32(.05), zy=np.uint8(0))
    return make(nodes, {"x": (F, [1, 3, 9, 9])}, {"y": (F, [1, 4, 9, 9])}, weights), [f32(r, 1, 3, 9, 9)]


def control():
    r, node = rng(), helper.make_node

    def branch(name, op):
        return helper.make_graph([node(op, ["x", "k"], [name], name=op.lower())], name, [],
                                 [helper.make_tensor_value_info(name, F, [4])])
    nodes = [node("ReduceSum", ["x"], ["total"], name="sum", keepdims=0), node("Greater", ["total", "zero"], ["cond"], name="test"),
             node("If", ["cond"], ["y"], name="if", then_branch=branch("up", "Mul"), else_branch=branch("down", "Sub"))]
    return make(nodes, {"x": (F, [4])}, {"y": (F, [4])}, dict(k=f32(r, 4), zero=np.float32(0))), [f32(r, 4)]


def flexible():
    """A dimension that is not fixed: rows."""
    r, node = rng(), helper.make_node
    nodes = [node("MatMul", ["x", "w"], ["m"], name="product"), node("Relu", ["m"], ["y"], name="relu")]
    return make(nodes, {"x": (F, ["rows", 6])}, {"y": (F, ["rows", 3])}, dict(w=f32(r, 6, 3))), [f32(r, 5, 6)]


ALL = {f.__name__: f for f in (convnet, recurrent, attention, quantised, control)}
