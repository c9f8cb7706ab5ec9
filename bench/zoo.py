#!/usr/bin/env python3
"""The benchmark zoo: 22 networks with random, sane weights, as ONNX files.

usage: zoo.py OUTDIR [name ...]         build these (default: all) unless they are there already

Needs the `onnx` and `numpy` packages; the int8 models also need `onnxruntime` (its static quantiser,
QDQ form, per-channel weights, random calibration data).

Every model has static shapes, opset 17 and IR version 8.  Weights come from a fixed seed: He
initialisation, and convolutions carry a bias as if their batch normalisation had been folded in.
Residual branches are scaled down so that activations keep their magnitude through deep networks.
The same command gives the same bytes for the same versions of the packages.
"""

import logging
import os
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
SEED = 20240


class Net:
    """A small graph builder: each method appends nodes and returns a value name."""

    def __init__(self, name):
        self.name = name
        self.rng = np.random.default_rng([SEED] + [ord(c) for c in name])
        self.nodes, self.inits, self.inputs, self.outputs = [], [], [], []
        self.count = 0
        self.ranges = {}  # integer input -> (low, high), kept as metadata `bench.range.INPUT`
        self.chan = {}  # value name -> number of channels / features

    def fresh(self, stem):
        self.count += 1
        return f"{stem}_{self.count}"

    def const(self, array, stem="w"):
        name = self.fresh(stem)
        self.inits.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def op(self, kind, inputs, outputs=1, **attrs):
        names = [self.fresh(kind.lower()) for _ in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, name=names[0], **attrs))
        if inputs and inputs[0] in self.chan:
            for n in names:
                self.chan[n] = self.chan[inputs[0]]
        return names[0] if outputs == 1 else names

    def input(self, name, shape, channels=None, dtype=TensorProto.FLOAT):
        self.inputs.append(helper.make_tensor_value_info(name, dtype, shape))
        self.chan[name] = channels if channels is not None else shape[1]
        return name

    def output(self, value, name, dtype=TensorProto.FLOAT):
        self.nodes.append(helper.make_node("Identity", [value], [name], name=name))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, None))

    def normal(self, shape, std):
        return (self.rng.standard_normal(shape) * std).astype(np.float32)

    # -- layers ---------------------------------------------------------------

    def conv(self, x, cout, k, stride=1, pad=None, group=1, act=None, gain=1.0, dilation=1):
        cin = self.chan[x]
        kk = k if isinstance(k, tuple) else (k, k)
        rank = len(kk)
        if pad is None:
            pad = [((d - 1) * dilation) // 2 for d in kk] * 2
        fan = cin // group * int(np.prod(kk))
        std = gain * np.sqrt((2.0 if act else 1.0) / fan)
        w = self.const(self.normal((cout, cin // group) + kk, std))
        b = self.const(self.normal((cout,), 0.05), "b")
        strides = list(stride) if isinstance(stride, tuple) else [stride] * rank
        y = self.op("Conv", [x, w, b], kernel_shape=list(kk), strides=strides, pads=list(pad),
                    group=group, dilations=[dilation] * rank)
        self.chan[y] = cout
        return self.act(y, act)

    def act(self, x, kind):
        if kind is None:
            return x
        if kind == "relu":
            return self.op("Relu", [x])
        if kind == "relu6":
            lo = self.const(np.float32(0), "lo")
            hi = self.const(np.float32(6), "hi")
            return self.op("Clip", [x, lo, hi])
        if kind == "silu":
            return self.op("Mul", [x, self.op("Sigmoid", [x])])
        if kind == "leaky":
            return self.op("LeakyRelu", [x], alpha=0.1)
        raise ValueError(kind)

    def fc(self, x, cout, act=None, gain=1.0):
        cin = self.chan[x]
        std = gain * np.sqrt((2.0 if act else 1.0) / cin)
        w = self.const(self.normal((cout, cin), std))
        b = self.const(self.normal((cout,), 0.05), "b")
        y = self.op("Gemm", [x, w, b], transB=1)
        self.chan[y] = cout
        return self.act(y, act)

    def linear(self, x, cout, gain=1.0):
        """MatMul + Add on the last axis, as exporters write it for transformers."""
        cin = self.chan[x]
        w = self.const(self.normal((cin, cout), gain * np.sqrt(1.0 / cin)))
        b = self.const(self.normal((cout,), 0.02), "b")
        y = self.op("MatMul", [x, w])
        self.chan[y] = cout
        return self.op("Add", [y, b])

    def add(self, a, b):
        return self.op("Add", [a, b])

    def maxpool(self, x, k, s, pad=0):
        return self.op("MaxPool", [x], kernel_shape=[k, k], strides=[s, s], pads=[pad] * 4)

    def gap_flat(self, x):
        c = self.chan[x]
        y = self.op("Flatten", [self.op("GlobalAveragePool", [x])], axis=1)
        self.chan[y] = c
        return y

    def concat(self, xs, axis=1):
        y = self.op("Concat", xs, axis=axis)
        self.chan[y] = sum(self.chan[x] for x in xs)
        return y

    def reshape(self, x, shape):
        return self.op("Reshape", [x, self.const(np.array(shape, np.int64), "shape")])

    def upsample2(self, x):
        scales = self.const(np.array([1, 1, 2, 2], np.float32), "scales")
        return self.op("Resize", [x, "", scales], mode="nearest",
                       coordinate_transformation_mode="asymmetric", nearest_mode="floor")

    def layernorm(self, x):
        c = self.chan[x]
        g = self.const(1 + self.normal((c,), 0.1), "g")
        b = self.const(self.normal((c,), 0.1), "b")
        return self.op("LayerNormalization", [x, g, b], axis=-1, epsilon=1e-5)

    def gelu(self, x):
        """Exact GELU from Div, Erf, Add, Mul, as opset 17 exporters write it."""
        e = self.op("Erf", [self.op("Div", [x, self.const(np.float32(np.sqrt(2)), "c")])])
        y = self.op("Mul", [x, self.op("Add", [e, self.const(np.float32(1), "c")])])
        return self.op("Mul", [y, self.const(np.float32(0.5), "c")])

    def attention(self, x, heads, seq, mask=None):
        c = self.chan[x]
        d = c // heads

        def split(y, perm):
            return self.op("Transpose", [self.reshape(y, [1, seq, heads, d])], perm=perm)

        q = split(self.linear(x, c), [0, 2, 1, 3])
        k = split(self.linear(x, c), [0, 2, 3, 1])
        v = split(self.linear(x, c), [0, 2, 1, 3])
        s = self.op("Div", [self.op("MatMul", [q, k]), self.const(np.float32(np.sqrt(d)), "c")])
        if mask is not None:
            s = self.add(s, mask)
        o = self.op("MatMul", [self.op("Softmax", [s], axis=-1), v])
        o = self.reshape(self.op("Transpose", [o], perm=[0, 2, 1, 3]), [1, seq, c])
        self.chan[o] = c
        return self.linear(o, c)

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.inits)
        m = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)],
                              producer_name="make_zoo", ir_version=IR_VERSION)
        m = onnx.shape_inference.infer_shapes(m, strict_mode=True, data_prop=True)
        onnx.checker.check_model(m)
        for name, (low, high) in self.ranges.items():
            p = m.metadata_props.add()
            p.key, p.value = f"bench.range.{name}", f"{low},{high}"
        return m


# -- image classifiers ---------------------------------------------------------

def mobilenet_v2(n):
    x = n.input("input", [1, 3, 224, 224])
    x = n.conv(x, 32, 3, 2, act="relu6")
    for t, c, reps, s in [(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                          (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)]:
        for i in range(reps):
            cin, stride = n.chan[x], s if i == 0 else 1
            y = n.conv(x, cin * t, 1, act="relu6") if t > 1 else x
            y = n.conv(y, cin * t, 3, stride, group=cin * t, act="relu6")
            keep = stride == 1 and cin == c
            y = n.conv(y, c, 1, gain=0.5 if keep else 1.0)
            x = n.add(x, y) if keep else y
    x = n.conv(x, 1280, 1, act="relu6")
    n.output(n.fc(n.gap_flat(x), 1000), "logits")


def resnet18(n):
    x = n.input("input", [1, 3, 224, 224])
    x = n.maxpool(n.conv(x, 64, 7, 2, act="relu"), 3, 2, 1)
    for c, s in [(64, 1), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1)]:
        y = n.conv(n.conv(x, c, 3, s, act="relu"), c, 3, gain=0.4)
        if s != 1 or n.chan[x] != c:
            x = n.conv(x, c, 1, s)
        x = n.act(n.add(y, x), "relu")
    n.output(n.fc(n.gap_flat(x), 1000), "logits")


def resnet50(n):
    x = n.input("input", [1, 3, 224, 224])
    x = n.maxpool(n.conv(x, 64, 7, 2, act="relu"), 3, 2, 1)
    for mid, reps, s in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for i in range(reps):
            stride = s if i == 0 else 1
            y = n.conv(x, mid, 1, act="relu")
            y = n.conv(y, mid, 3, stride, act="relu")
            y = n.conv(y, mid * 4, 1, gain=0.4)
            if i == 0:
                x = n.conv(x, mid * 4, 1, stride)
            x = n.act(n.add(y, x), "relu")
    n.output(n.fc(n.gap_flat(x), 1000), "logits")


def squeezenet1_1(n):
    x = n.input("input", [1, 3, 224, 224])
    x = n.maxpool(n.conv(x, 64, 3, 2, pad=[0] * 4, act="relu"), 3, 2)
    for i, (s, e) in enumerate([(16, 64), (16, 64), (32, 128), (32, 128),
                                (48, 192), (48, 192), (64, 256), (64, 256)]):
        if i in (2, 4):
            x = n.maxpool(x, 3, 2)
        y = n.conv(x, s, 1, act="relu")
        x = n.concat([n.conv(y, e, 1, act="relu"), n.conv(y, e, 3, act="relu")])
    n.output(n.gap_flat(n.conv(x, 1000, 1, act="relu")), "logits")


def resnet8(n):
    """The MLPerf Tiny image classifier."""
    x = n.input("input", [1, 3, 32, 32])
    x = n.conv(x, 16, 3, act="relu")
    for c, s in [(16, 1), (32, 2), (64, 2)]:
        y = n.conv(n.conv(x, c, 3, s, act="relu"), c, 3, gain=0.4)
        if s != 1:
            x = n.conv(x, c, 1, s)
        x = n.act(n.add(y, x), "relu")
    n.output(n.op("Softmax", [n.fc(n.gap_flat(x), 10)], axis=-1), "probs")


def cnn_mnist(n):
    x = n.input("input", [1, 1, 28, 28])
    x = n.maxpool(n.conv(x, 16, 5, act="relu"), 2, 2)
    x = n.maxpool(n.conv(x, 32, 5, act="relu"), 2, 2)
    x = n.reshape(x, [1, 32 * 49])
    n.chan[x] = 32 * 49
    n.output(n.fc(n.fc(x, 128, "relu"), 10), "logits")


# -- small dense and audio nets -------------------------------------------------

def mlp(n):
    x = n.input("input", [1, 784])
    n.output(n.fc(n.fc(n.fc(x, 256, "relu"), 128, "relu"), 10), "logits")


def autoencoder(n):
    """The MLPerf Tiny anomaly detector."""
    x = n.input("input", [1, 640])
    for c in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        x = n.fc(x, c, "relu")
    n.output(n.fc(x, 640), "reconstruction")


def dscnn_kws(n):
    """The MLPerf Tiny keyword spotter: 49x10 MFCC features, 12 classes."""
    x = n.input("input", [1, 1, 49, 10])
    x = n.conv(x, 64, (10, 4), (2, 2), pad=[4, 1, 5, 1], act="relu")
    for _ in range(4):
        x = n.conv(x, 64, 3, group=64, act="relu")
        x = n.conv(x, 64, 1, act="relu")
    n.output(n.op("Softmax", [n.fc(n.gap_flat(x), 12)], axis=-1), "probs")


def tcn(n):
    """A dilated 1-D convolution network on one second of 16 kHz / 160 features."""
    x = n.input("input", [1, 40, 400])
    x = n.conv(x, 64, (5,), act="relu")
    for d in (1, 2, 4, 8, 1, 2, 4, 8):
        y = n.conv(x, 128, (1,), act="relu")
        y = n.conv(y, 128, (3,), group=128, dilation=d, act="relu")
        y = n.conv(y, 64, (1,), gain=0.4)
        x = n.add(x, y)
    y = n.conv(x, 128, (3,), (2,), act="relu")
    n.output(n.op("Sigmoid", [n.conv(y, 24, (1,))]), "scores")


def recurrent(n, kind, gates):
    steps, size = 100, 256
    x = n.input("input", [steps, 1, size])
    std = np.sqrt(1.0 / size)
    w = n.const(n.normal((1, gates * size, size), std))
    r = n.const(n.normal((1, gates * size, size), std))
    b = n.const(n.normal((1, 2 * gates * size), 0.05), "b")
    extra = {"linear_before_reset": 1} if kind == "GRU" else {}
    y, h = n.fresh("y"), n.fresh("h")
    n.nodes.append(helper.make_node(kind, [x, w, r, b], [y, h], name="rnn", hidden_size=size, **extra))
    n.output(y, "sequence")
    n.output(h, "state")


def lstm(n):
    recurrent(n, "LSTM", 4)


def gru(n):
    recurrent(n, "GRU", 3)


# -- transformers ----------------------------------------------------------------

def minilm6(n):
    """A MiniLM-L6 sentence encoder, 128 tokens, mean pooling; small vocabulary."""
    seq, width = 128, 384
    ids = n.input("input_ids", [1, seq], dtype=TensorProto.INT64)
    att = n.input("attention_mask", [1, seq], dtype=TensorProto.INT64)
    n.ranges = {"input_ids": (0, 4096), "attention_mask": (1, 2)}
    words = n.const(n.normal((4096, width), 0.5))
    places = n.const(n.normal((1, seq, width), 0.2))
    x = n.op("Gather", [words, ids], axis=0)
    n.chan[x] = width
    x = n.layernorm(n.add(x, places))
    m = n.op("Cast", [att], to=TensorProto.FLOAT)
    one, big = n.const(np.float32(1), "c"), n.const(np.float32(-10000), "c")
    axes = n.const(np.array([1, 2], np.int64), "axes")
    bias = n.op("Mul", [n.op("Sub", [one, n.op("Unsqueeze", [m, axes])]), big])
    for _ in range(6):
        x = n.layernorm(n.add(x, n.attention(x, 12, seq, bias)))
        h = n.gelu(n.linear(x, 1536))
        n.chan[h] = 1536
        x = n.layernorm(n.add(x, n.linear(h, width)))
    last = n.const(np.array([2], np.int64), "axes")
    mm = n.op("Unsqueeze", [m, last])
    one_axis = n.const(np.array([1], np.int64), "axes")
    total = n.op("ReduceSum", [n.op("Mul", [x, mm]), one_axis], keepdims=0)
    weight = n.op("ReduceSum", [mm, one_axis], keepdims=0)
    n.output(n.op("Div", [total, weight]), "embedding")


def vit_tiny(n):
    """ViT-Ti/16 at 224: 196 patches and a class token, width 192, 12 blocks."""
    width, seq = 192, 197
    x = n.input("input", [1, 3, 224, 224])
    x = n.conv(x, width, 16, 16, pad=[0] * 4)
    x = n.op("Transpose", [n.reshape(x, [1, width, 196])], perm=[0, 2, 1])
    x = n.op("Concat", [n.const(n.normal((1, 1, width), 0.5)), x], axis=1)
    x = n.op("Add", [x, n.const(n.normal((1, seq, width), 0.2))])
    n.chan[x] = width
    for _ in range(12):
        x = n.add(x, n.attention(n.layernorm(x), 3, seq))
        h = n.gelu(n.linear(n.layernorm(x), 768))
        n.chan[h] = 768
        x = n.add(x, n.linear(h, width))
    x = n.op("Gather", [n.layernorm(x), n.const(np.array(0, np.int64), "i")], axis=1)
    n.chan[x] = width
    n.output(n.fc(x, 1000), "logits")


# -- dense prediction --------------------------------------------------------------

def yolo_nano(n):
    """A 3x3-heavy detector at 320 with a top-down neck and three heads."""
    x = n.input("input", [1, 3, 320, 320])

    def c2f(x, c, reps):
        a = n.conv(x, c // 2, 1, act="silu")
        b = n.conv(x, c // 2, 1, act="silu")
        parts = [a, b]
        for _ in range(reps):
            y = n.conv(n.conv(b, c // 2, 3, act="silu"), c // 2, 3, act="silu", gain=0.5)
            b = n.add(b, y)
            parts.append(b)
        return n.conv(n.concat(parts), c, 1, act="silu")

    x = n.conv(n.conv(x, 16, 3, 2, act="silu"), 32, 3, 2, act="silu")
    x = c2f(x, 32, 1)
    p3 = c2f(n.conv(x, 64, 3, 2, act="silu"), 64, 2)
    p4 = c2f(n.conv(p3, 128, 3, 2, act="silu"), 128, 2)
    p5 = c2f(n.conv(p4, 256, 3, 2, act="silu"), 256, 1)
    p4 = c2f(n.concat([n.upsample2(p5), p4]), 128, 1)
    p3 = c2f(n.concat([n.upsample2(p4), p3]), 64, 1)
    p4 = c2f(n.concat([n.conv(p3, 64, 3, 2, act="silu"), p4]), 128, 1)
    p5 = c2f(n.concat([n.conv(p4, 128, 3, 2, act="silu"), p5]), 256, 1)
    boxes, scores = [], []
    for p, size in ((p3, 40), (p4, 20), (p5, 10)):
        b = n.conv(n.conv(n.conv(p, 64, 3, act="silu"), 64, 3, act="silu"), 4, 1)
        s = n.conv(n.conv(n.conv(p, 64, 3, act="silu"), 64, 3, act="silu"), 16, 1)
        boxes.append(n.reshape(b, [1, 4, size * size]))
        scores.append(n.reshape(s, [1, 16, size * size]))
    n.output(n.op("Concat", boxes, axis=2), "boxes")
    n.output(n.op("Sigmoid", [n.op("Concat", scores, axis=2)]), "scores")


def unet(n):
    x = n.input("input", [1, 3, 128, 128])

    def double(x, c):
        return n.conv(n.conv(x, c, 3, act="relu"), c, 3, act="relu")

    skips = []
    for c in (16, 32, 64):
        x = double(x, c)
        skips.append(x)
        x = n.maxpool(x, 2, 2)
    x = double(x, 128)
    for c, skip in zip((64, 32, 16), reversed(skips)):
        cin = n.chan[x]
        w = n.const(n.normal((cin, c, 2, 2), np.sqrt(1.0 / cin)))
        b = n.const(n.normal((c,), 0.05), "b")
        y = n.op("ConvTranspose", [x, w, b], kernel_shape=[2, 2], strides=[2, 2])
        n.chan[y] = c
        x = double(n.concat([y, skip]), c)
    n.output(n.op("Sigmoid", [n.conv(x, 1, 1)]), "mask")


FLOAT = [mobilenet_v2, resnet18, resnet50, squeezenet1_1, dscnn_kws, autoencoder, resnet8, lstm, gru,
         minilm6, vit_tiny, yolo_nano, tcn, unet, mlp, cnn_mnist]
INT8 = ["mobilenet_v2", "resnet18", "dscnn_kws", "resnet8", "autoencoder", "mlp"]


def quantise(src, dst):
    logging.getLogger().setLevel(logging.ERROR)      # advice on pre-processing, which static shapes do not need
    from onnxruntime.quantization import (CalibrationDataReader, QuantFormat, QuantType,
                                          quantize_static)

    inp = onnx.load(src).graph.input[0]
    shape = [d.dim_value for d in inp.type.tensor_type.shape.dim]

    class Reader(CalibrationDataReader):
        def __init__(self):
            rng = np.random.default_rng(SEED)
            self.items = [{inp.name: rng.standard_normal(shape).astype(np.float32)} for _ in range(4)]

        def get_next(self):
            return self.items.pop(0) if self.items else None

    # unsigned activations and signed per-channel weights: the form ONNX Runtime,
    # OpenVINO and TVM all have fast x86 kernels for
    quantize_static(src, dst, Reader(), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


NAMES = [f.__name__ for f in FLOAT] + [n + "_int8" for n in INT8]


def path_of(folder, name):
    return os.path.join(folder, name + ".onnx")


def build(folder, name):
    """The path of the network `name` in `folder`, made if it is not there; half-written files never are."""
    path = path_of(folder, name)
    if os.path.exists(path):
        return path
    os.makedirs(folder, exist_ok=True)
    partial = path + ".part"
    if name.endswith("_int8"):
        quantise(build(folder, name.removesuffix("_int8")), partial)
    else:
        net = Net(name)
        next(f for f in FLOAT if f.__name__ == name)(net)
        onnx.save(net.model(), partial)
    os.replace(partial, path)
    return path


def inputs_of(model, seed=0):
    """Random inputs: name -> array.  Integer inputs stay in the range the model's metadata give."""
    rng = np.random.default_rng(seed)
    ranges = {p.key.removeprefix("bench.range."): [int(v) for v in p.value.split(",")]
              for p in model.metadata_props if p.key.startswith("bench.range.")}
    feeds = {}
    for v in model.graph.input:
        shape = [d.dim_value for d in v.type.tensor_type.shape.dim]
        dtype = helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)
        if v.name in ranges:
            feeds[v.name] = rng.integers(*ranges[v.name], shape).astype(dtype)
        else:
            feeds[v.name] = rng.standard_normal(shape).astype(dtype)
    return feeds


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    unknown = [n for n in sys.argv[2:] if n not in NAMES]
    if unknown:
        sys.exit(f"no such network: {' '.join(unknown)}; there are {' '.join(NAMES)}")
    for name in sys.argv[2:] or NAMES:
        path = build(sys.argv[1], name)
        print(f"{name:18} {os.path.getsize(path) / 1e6:8.2f} MB", flush=True)


if __name__ == "__main__":
    main()
