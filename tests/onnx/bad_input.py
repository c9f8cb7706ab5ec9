#!/usr/bin/env python3
"""Wrong ONNX files: each must be refused with exit code 1, a diagnostic that has the words listed here, and no output file.

A case is a function that writes the file and returns its path; the words every diagnostic must have, in any case and
order, are the arguments of @case.  Each model also goes to the sanitized nnc when there is one.

usage: bad_input.py [NAME ...] [--show]
"""

import os
import struct
import sys
import warnings

import numpy as np
import onnx
from harness import ASAN_BUILD, ASAN_OPTIONS, FINDING, NNC, execute, how_it_died, isolated
from models import ALL, make
from onnx import TensorProto, helper

F, I = TensorProto.FLOAT, TensorProto.INT64
node = helper.make_node
CASES = {}


def case(*words):
    def register(f):
        CASES[f.__name__] = (f, words)
        return f
    return register


def save(model):
    with open("bad.onnx", "wb") as out:
        out.write(model if isinstance(model, bytes) else model.SerializeToString())
    return "bad.onnx"


def unary(kind="Relu", **attrs):
    return make([node(kind, ["x"], ["y"], name="the_node", **attrs)], {"x": (F, [2, 3])}, {"y": (F, [2, 3])})


def one(kind, inputs, out, weights=(), opset=17, **attrs):
    """A model of one node 'the_node' with float (or given) inputs."""
    inputs = {k: v if isinstance(v, tuple) else (F, v) for k, v in inputs.items()}
    names = list(inputs) + list(dict(weights))
    return make([node(kind, names, ["y"], name="the_node", **attrs)], inputs, {"y": out if isinstance(out, tuple) else (F, out)},
                weights, opset)


# -- the file as a whole ---------------------------------------------------------------------------

@case("bad.onnx")
def missing_file():
    return "bad.onnx"


@case("empty")
def empty_file():
    return save(b"")


@case("bad.onnx")
def a_folder():
    os.mkdir("bad.onnx")
    return "bad.onnx"


@case("LFS")
def lfs_pointer():
    return save(b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"ab" * 32 + b"\nsize 12345\n")


@case("bad.onnx")
def html_page():
    return save(b"<!DOCTYPE html><html><head><title>404</title></head></html>")


@case("bad.onnx")
def text_file():
    return save(b"hello, this is no model\n" * 10)


@case("truncated")
def truncated():
    data = ALL["convnet"]()[0].SerializeToString()
    return save(data[:len(data) * 2 // 3])


@case("graph")
def no_graph():
    m = unary()
    m.ClearField("graph")
    return save(m)


@case("output")
def no_output():
    m = unary()
    del m.graph.output[:]
    return save(m)


# -- opsets and domains ----------------------------------------------------------------------------

@case("opset")
def opset_missing():
    m = unary()
    del m.opset_import[:]
    return save(m)


@case("opset", "999")
def opset_newer():
    m = unary()
    m.opset_import[0].version = 999
    return save(m)


@case("opset")
def opset_zero():
    m = unary()
    m.opset_import[0].version = 0
    return save(m)


@case("the_node", "Gelu", "20")
def operator_newer_than_opset():
    return save(unary("Gelu"))


@case("the_node", "Frobnicate")
def unknown_operator():
    return save(unary("Frobnicate"))


@case("the_node", "com.example")
def unknown_domain():
    m = unary()
    m.graph.node[0].domain = "com.example"
    m.opset_import.append(helper.make_opsetid("com.example", 1))
    return save(m)


@case("com.example")
def domain_not_imported():
    m = unary()
    m.graph.node[0].domain = "com.example"
    return save(m)


# -- names and order -------------------------------------------------------------------------------

@case("the_node", "nowhere")
def missing_value():
    m = unary()
    m.graph.node[0].input[0] = "nowhere"
    return save(m)


@case("y")
def output_never_made():
    m = unary()
    m.graph.node[0].output[0] = "other"
    return save(m)


@case("y")
def duplicate_output():
    m = unary()
    m.graph.node.append(node("Tanh", ["x"], ["y"], name="second"))
    return save(m)


@case("x")
def duplicate_input():
    m = unary()
    m.graph.input.append(m.graph.input[0])
    return save(m)


@case("w")
def duplicate_weight():
    m = one("Add", {"x": [2, 3]}, [2, 3], {"w": np.zeros(3, np.float32)})
    m.graph.initializer.append(m.graph.initializer[0])
    return save(m)


@case("cycle")
def cycle():
    return save(make([node("Add", ["x", "b"], ["a"], name="first"), node("Relu", ["a"], ["b"], name="second")],
                     {"x": (F, [2])}, {"b": (F, [2])}))


@case("second")
def wrong_order():
    return save(make([node("Relu", ["a"], ["y"], name="second"), node("Tanh", ["x"], ["a"], name="first")],
                     {"x": (F, [2])}, {"y": (F, [2])}))


# -- shapes and types ------------------------------------------------------------------------------

@case("y", "7")
def contradicting_output_shape():
    m = unary()
    m.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 7
    return save(m)


@case("the_node", "declares")
def contradicting_value_info():
    m = make([node("Relu", ["x"], ["a"], name="the_node"), node("Tanh", ["a"], ["y"])], {"x": (F, [2, 3])}, {"y": (F, [2, 3])})
    m.graph.value_info.append(helper.make_tensor_value_info("a", F, [5, 5]))
    return save(m)


@case("y")
def contradicting_output_type():
    m = unary()
    m.graph.output[0].type.tensor_type.elem_type = I
    return save(m)


@case("x")
def negative_dimension():
    m = unary()
    m.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -4
    return save(m)


@case("x")
def input_without_type():
    m = unary()
    m.graph.input[0].ClearField("type")
    return save(m)


@case("the_node", "MatMul", "3", "4")
def inner_dimensions():
    return save(one("MatMul", {"a": [2, 3], "b": [4, 5]}, [2, 5]))


@case("the_node", "Add")
def no_broadcast():
    return save(one("Add", {"a": [2, 3], "b": [2, 4]}, [2, 3]))


@case("the_node", "Conv")
def conv_channels():
    return save(one("Conv", {"x": [1, 3, 8, 8]}, [1, 4, 6, 6], {"w": np.zeros((4, 2, 3, 3), np.float32)}))


@case("the_node", "Conv")
def conv_group():
    return save(one("Conv", {"x": [1, 4, 8, 8]}, [1, 6, 6, 6], {"w": np.zeros((6, 1, 3, 3), np.float32)}, group=3))


@case("the_node", "Conv")
def kernel_larger_than_input():
    return save(one("Conv", {"x": [1, 1, 2, 2]}, [1, 1, 1, 1], {"w": np.zeros((1, 1, 5, 5), np.float32)}))


@case("the_node", "Reshape")
def reshape_count():
    return save(one("Reshape", {"x": [2, 3]}, [4, 2], {"s": np.array([4, 2])}))


@case("the_node", "Concat")
def concat_shapes():
    return save(one("Concat", {"a": [2, 3], "b": [3, 3]}, [2, 6], axis=1))


@case("the_node", "Add")
def mixed_types():
    return save(one("Add", {"a": (F, [3]), "b": (I, [3])}, [3]))


@case("the_node", "Conv")
def wrong_type():
    return save(one("Conv", {"x": (I, [1, 1, 4, 4]), "w": (I, [1, 1, 3, 3])}, (I, [1, 1, 2, 2])))


@case("the_node", "Transpose")
def bad_permutation():
    return save(unary("Transpose", perm=[0, 0]))


# -- attributes ------------------------------------------------------------------------------------

@case("the_node", "Cast", "to")
def missing_attribute():
    return save(unary("Cast"))


@case("the_node", "Relu", "colour")
def unknown_attribute():
    return save(unary("Relu", colour=1))


@case("the_node", "Softmax", "axis")
def attribute_of_wrong_type():
    return save(unary("Softmax", axis="last"))


@case("the_node", "Softmax", "axis")
def axis_out_of_range():
    return save(unary("Softmax", axis=5))


@case("the_node", "Concat", "axis")
def concat_axis():
    return save(one("Concat", {"a": [2, 3]}, [2, 3], axis=-4))


@case("the_node", "AveragePool")
def zero_stride():
    return save(one("AveragePool", {"x": [1, 1, 8, 8]}, [1, 1, 1, 1], kernel_shape=[2, 2], strides=[0, 1]))


@case("the_node", "MaxPool", "kernel_shape")
def huge_kernel():
    return save(one("MaxPool", {"x": [1, 1, 8, 8]}, [1, 1, 1, 1], kernel_shape=[1 << 40, 1 << 40]))


@case("the_node", "Cast")
def cast_to_nonsense():
    return save(unary("Cast", to=777))


@case("the_node", "Conv")
def auto_pad_nonsense():
    return save(one("Conv", {"x": [1, 1, 8, 8]}, [1, 1, 6, 6], {"w": np.zeros((1, 1, 3, 3), np.float32)}, auto_pad="SOMETIMES"))


@case("the_node", "Add")
def too_few_inputs():
    m = unary("Add")
    return save(m)


@case("the_node", "Relu")
def too_many_inputs():
    m = unary()
    m.graph.node[0].input.append("x")
    return save(m)


# -- weights ---------------------------------------------------------------------------------------

def weighted():
    return one("Add", {"x": [2, 3]}, [2, 3], {"w": np.zeros((2, 3), np.float32)})


@case("w")
def weight_too_short():
    m = weighted()
    m.graph.initializer[0].raw_data = m.graph.initializer[0].raw_data[:10]
    return save(m)


@case("w")
def weight_too_long():
    m = weighted()
    m.graph.initializer[0].raw_data += bytes(4)
    return save(m)


@case("w")
def weight_without_data():
    m = weighted()
    m.graph.initializer[0].ClearField("raw_data")
    return save(m)


@case("w")
def weight_type_nonsense():
    m = weighted()
    m.graph.initializer[0].data_type = 99
    return save(m)


@case("w")
def weight_negative_dim():
    m = weighted()
    m.graph.initializer[0].dims[0] = -2
    return save(m)


@case("w")
def size_overflows():
    m = weighted()
    m.graph.initializer[0].dims[:] = [1 << 33, 1 << 33]
    return save(m)


@case("x")
def input_size_overflows():
    m = unary()
    for d in m.graph.input[0].type.tensor_type.shape.dim:
        d.dim_value = 1 << 62
    del m.graph.output[0].type.tensor_type.shape.dim[:]
    m.graph.output[0].type.tensor_type.ClearField("shape")
    return save(m)


@case("the_node", "Expand")
def expand_overflows():
    return save(one("Expand", {"x": [1]}, None, {"s": np.array([1 << 40, 1 << 40])}))


def external(location, content=None, offset=None, length=None):
    m = weighted()
    w = m.graph.initializer[0]
    w.ClearField("raw_data")
    w.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", offset), ("length", length)):
        if value is not None:
            w.external_data.add(key=key, value=str(value))
    if content is not None:
        with open(location, "wb") as out:
            out.write(content)
    return save(m)


@case("w", "w.bin")
def external_missing():
    return external("w.bin")


@case("w", "w.bin")
def external_short():
    return external("w.bin", bytes(10))


@case("w", "w.bin")
def external_offset_past_end():
    return external("w.bin", bytes(24), offset=1000)


@case("w")
def external_offset_nonsense():
    return external("w.bin", bytes(24), offset="-8")


@case("w")
def external_length_contradicts():
    return external("w.bin", bytes(100), length=8)


@case("w", "outside")
def external_outside():
    os.mkdir("sub")
    with open("w.bin", "wb") as out:
        out.write(bytes(24))
    external("../w.bin")
    os.rename("bad.onnx", "sub/bad.onnx")
    return "sub/bad.onnx"


@case("w")
def external_absolute():
    with open("w.bin", "wb") as out:
        out.write(bytes(24))
    return external(os.path.abspath("w.bin"))


@case("w", "outside")
def external_link_outside():
    os.mkdir("sub")
    with open("w.bin", "wb") as out:
        out.write(bytes(24))
    os.symlink("../w.bin", "sub/w.bin")
    external("w.bin")
    os.rename("bad.onnx", "sub/bad.onnx")
    return "sub/bad.onnx"


@case("w")
def external_without_location():
    m = weighted()
    m.graph.initializer[0].ClearField("raw_data")
    m.graph.initializer[0].data_location = TensorProto.EXTERNAL
    return save(m)


# -- indices and constants -------------------------------------------------------------------------

@case("the_node", "Gather")
def gather_out_of_range():
    return save(one("Gather", {"x": [3, 2]}, [1, 2], {"i": np.array([3])}))


@case("the_node", "ScatterND")
def scatter_out_of_range():
    return save(one("ScatterND", {"x": [3]}, [3], {"i": np.array([[-9]]), "u": np.zeros(1, np.float32)}))


@case("the_node", "Squeeze")
def squeeze_not_one():
    return save(one("Squeeze", {"x": [2, 3]}, [2], {"a": np.array([1])}))


@case("the_node", "Slice")
def slice_step_zero():
    return save(make([node("Slice", ["x", "s", "e", "a", "t"], ["y"], name="the_node")], {"x": (F, [4])}, {"y": (F, [4])},
                     {"s": np.array([0]), "e": np.array([4]), "a": np.array([0]), "t": np.array([0])}))


@case("the_node", "Split")
def split_sum():
    return save(make([node("Split", ["x", "s"], ["y", "z"], name="the_node")], {"x": (F, [4])}, {"y": (F, [2]), "z": (F, [3])},
                     {"s": np.array([2, 3])}))


@case("the_node", "TopK")
def topk_too_many():
    return save(make([node("TopK", ["x", "k"], ["y", "i"], name="the_node")], {"x": (F, [4])}, {"y": (F, [9]), "i": (I, [9])},
                     {"k": np.array([9])}))


# -- subgraphs and functions -----------------------------------------------------------------------

@case("the_node", "If")
def branch_missing():
    g = helper.make_graph([node("Relu", ["x"], ["t"])], "b", [], [helper.make_tensor_value_info("t", F, [2])])
    return save(make([node("If", ["c"], ["y"], name="the_node", then_branch=g)], {"x": (F, [2]), "c": (TensorProto.BOOL, [])}, {"y": (F, [2])}))


@case("nowhere")
def capture_missing():
    g = helper.make_graph([node("Relu", ["nowhere"], ["t"])], "b", [], [helper.make_tensor_value_info("t", F, [2])])
    return save(make([node("If", ["c"], ["y"], name="the_node", then_branch=g, else_branch=g)],
                     {"x": (F, [2]), "c": (TensorProto.BOOL, [])}, {"y": (F, [2])}))


@case("the_node")
def branches_disagree():
    def g(out, n):
        return helper.make_graph([node("Identity", [n], [out])], out, [], [helper.make_tensor_value_info(out, F, None)])
    return save(make([node("If", ["c"], ["y"], name="the_node", then_branch=g("t", "x"), else_branch=g("e", "z"))],
                     {"x": (F, [2]), "z": (I, [2, 2]), "c": (TensorProto.BOOL, [])}, {"y": (F, [2])}))


@case("recurs")
def recursive_function():
    m = unary("Loopy")
    m.graph.node[0].domain = "local"
    m.opset_import.append(helper.make_opsetid("local", 1))
    m.functions.append(helper.make_function("local", "Loopy", ["a"], ["b"], [node("Loopy", ["a"], ["b"], domain="local")],
                                            [helper.make_opsetid("local", 1)]))
    return save(m)


@case("rows")
def dimension_not_bounded():
    from models import flexible
    return save(flexible()[0])


@case("first", "second")
def every_problem_in_one_run():
    return save(make([node("Frobnicate", ["x"], ["a"], name="first"), node("Transpose", ["x"], ["y"], name="second", perm=[5, 5])],
                     {"x": (F, [2, 2])}, {"y": (F, [2, 2]), "a": (F, [2, 2])}))


@case("bad.onnx")
def deep_nesting():
    """Protocol buffers nested a hundred thousand times: the reader must not recurse without a limit."""
    data = b""
    for _ in range(20000):                    # AttributeProto.g = field 6, GraphProto.node = 1, NodeProto.attribute = 5
        data = b"\x32" + varint(len(data)) + data
        data = b"\x2a" + varint(len(data)) + data
        data = b"\x0a" + varint(len(data)) + data
    return save(b"\x08\x08\x3a" + varint(len(data)) + data + b"\x42\x04\x0a\x00\x10\x11")


def varint(n):
    out = b""
    while n >= 128:
        out += struct.pack("B", n & 127 | 128)
        n >>= 7
    return out + struct.pack("B", n)


# -- the check -------------------------------------------------------------------------------------

def check(name):
    make_file, words = CASES[name]
    path = make_file()
    asan = os.path.join(ASAN_BUILD, "nnc")
    said = ""
    for program in [NNC] + [asan] * os.path.exists(asan):
        done = execute([program, path, "-o", "out.c"], 20, None, env={**os.environ, **ASAN_OPTIONS})
        said = done.stderr.strip()
        assert not FINDING.search(said), f"{program}: {said[-1500:]}"
        assert done.returncode == 1, f"{program}: {how_it_died(done)}, expected exit 1: {said[-1500:]}"
        assert "error" in said.lower(), f"no word of an error: {said}"
        assert not any(f.startswith("out.") for f in os.listdir(".")), f"left a file: {os.listdir('.')}"
        for word in words:
            assert word.lower() in said.lower(), f"expected '{word}' in: {said}"
    return said


def main():
    warnings.simplefilter("ignore")
    show = "--show" in sys.argv
    names = [n for n in sys.argv[1:] if n != "--show"] or list(CASES)
    failed = 0
    for name, status, value in isolated(names, check):
        if status != "ok":
            failed += 1
            print(f"FAILED {name}: {value if isinstance(value, str) else ': '.join(value)[:1500]}", flush=True)
        elif show:
            print(f"ok     {name}:\n{value}\n")
    print(f"{len(names) - failed} of {len(names)} wrong files are refused as expected")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
