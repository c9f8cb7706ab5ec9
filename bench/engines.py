"""The engines of the benchmark, each behind the same three things:

    engine = Nnc(path, feeds, folder)       compiles or loads; raises when it cannot
    engine.loop(n)                          runs n times, returns seconds of processor time (bench/loop.c)
    engine.outputs()                        name -> array, of the last run

All of them run one thread on buffers made beforehand, and the loops are in C, also for ONNX Runtime and OpenVINO, whose
C interfaces are called directly.
"""

import ctypes as c
import glob
import importlib.metadata
import json
import mmap
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/onnx"))
from harness import NNC, Model, nnc  # noqa: E402

CFLAGS = ["-O3", "-march=native"]
loops = measure = None


def load_loops(folder):
    """Compile and load bench/loop.c, compile bench/measure.c."""
    global loops, measure
    measure = os.path.join(folder, "measure")
    subprocess.run(["gcc", "-O2", str(ROOT / "bench/measure.c"), "-o", measure], check=True)
    path = os.path.join(folder, "loop.so")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", str(ROOT / "bench/loop.c"), "-o", path], check=True)
    loops = c.CDLL(path)
    for name in ("bench_nnc", "bench_arrays", "bench_ort", "bench_openvino"):
        getattr(loops, name).restype = c.c_double


def measured(command, **options):
    """Run a command to its end: (seconds, peak resident bytes)."""
    done = subprocess.run([measure, *command], capture_output=True, text=True, errors="replace", **options)
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]}: exit {done.returncode}: {done.stderr[-800:]}")
    seconds, peak = done.stdout.split()
    return float(seconds), int(peak)


def aligned(count, align=4096):
    raw = np.zeros(count + align, np.uint8)
    at = -raw.ctypes.data % align
    return raw[at:at + count]


def buffer_like(array):
    """A copy at a page boundary, the same for every engine."""
    data = aligned(max(array.nbytes, 1))[:array.nbytes].view(array.dtype).reshape(array.shape)
    data[...] = array
    return data


def outputs_of(path):
    """name -> zeroed buffer for each output of the model; all shapes are static here."""
    result = {}
    for v in onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True).graph.output:
        shape = [d.dim_value for d in v.type.tensor_type.shape.dim]
        result[v.name] = buffer_like(np.zeros(shape, helper.tensor_dtype_to_np_dtype(v.type.tensor_type.elem_type)))
    return result


class Engine:
    def __init__(self, path, feeds, folder):
        self.feeds = {k: buffer_like(a) for k, a in feeds.items()}
        self.results = outputs_of(path)
        self.facts = {}
        self.prepare(path, folder)

    def outputs(self):
        return {k: a.copy() for k, a in self.results.items()}


class Nnc(Engine):
    name = "nnc"

    @staticmethod
    def version():
        return f"nnc {subprocess.run([NNC, '--version'], capture_output=True, text=True).stdout.split()[-1:] or ['?']}".replace("['", "").replace("']", "")

    def prepare(self, path, folder):
        out = os.path.join(folder, "net.c")
        seconds, peak = measured([NNC, path, "-o", out, "--name=net"])
        model = Model(folder, json.loads(nnc("info", "--json", path)), "net")
        gcc, _ = measured(["gcc", *CFLAGS, "-std=gnu99", "-shared", "-fPIC", "net.c", "-o", "net.so", "-lm"], cwd=folder)
        library = c.CDLL(os.path.join(folder, "net.so"))
        self.run = library.net_run
        ins = [self.feeds[t.name].ctypes.data for t in model.inputs]
        if model.weights:
            with open(model.weights, "rb") as weights:
                self.blob = mmap.mmap(weights.fileno(), 0, mmap.MAP_PRIVATE)
            ins.insert(0, c.addressof(c.c_char.from_buffer(self.blob)))      # the first member
        outs = [self.results[t.name].ctypes.data for t in model.outputs]
        self.ins, self.outs = (c.c_void_p * max(len(ins), 1))(*ins), (c.c_void_p * max(len(outs), 1))(*outs)
        self.workspace = aligned(model.info["workspace_bytes"] + 64)
        text = subprocess.run(["size", os.path.join(folder, "net.so")], capture_output=True, text=True).stdout.split()
        self.facts = {"nnc_s": seconds, "nnc_peak": peak, "gcc_s": gcc, "model": os.path.getsize(path),
                      "source": os.path.getsize(out), "text": int(text[6]), "arena": model.info["workspace_bytes"],
                      "bound": model.info["workspace_lower_bound"], "weights": model.info["weights_bytes"]}

    def loop(self, n):
        return loops.bench_nnc(self.run, self.ins, self.outs, c.c_void_p(self.workspace.ctypes.data), c.c_long(n))


class Emx(Engine):
    name = "emx-onnx-cgen"

    @staticmethod
    def version():
        return f"emx-onnx-cgen {importlib.metadata.version('emx-onnx-cgen')}"

    def prepare(self, path, folder):
        program = os.path.join(os.path.dirname(sys.executable), "emx-onnx-cgen")
        seconds, _ = measured([program, "compile", "--model-name", "model", os.path.abspath(path), "model.c"], cwd=folder)
        gcc, _ = measured(["gcc", *CFLAGS, "-w", "-shared", "-fPIC", "model.c", "-o", "model.so", "-lm"], cwd=folder)
        library = c.CDLL(os.path.join(folder, "model.so"))
        blobs = glob.glob(os.path.join(folder, "*.bin"))
        if blobs:
            library.model_load.restype = c.c_bool
            if not library.model_load(blobs[0].encode()):
                raise RuntimeError("model_load failed")
        arrays = [a.ctypes.data for a in [*self.feeds.values(), *self.results.values()]]
        if len(arrays) > 6:
            raise RuntimeError("more than six tensors")
        self.arrays = (c.c_void_p * 6)(*arrays)
        self.run = library.model
        self.facts = {"emx_s": seconds, "emx_gcc_s": gcc}

    def loop(self, n):
        return loops.bench_arrays(self.run, self.arrays, c.c_long(n))


class Ort(Engine):
    """ONNX Runtime through its C API, whose table of functions only ever grows at the end."""

    name = "ONNX Runtime"
    API = {"message": 2, "env": 3, "session": 7, "run": 9, "options": 10, "level": 23, "intra": 24, "inter": 25, "tensor": 49,
           "memory": 69}
    table = environment = memory = None

    @staticmethod
    def version():
        return f"ONNX Runtime {importlib.metadata.version('onnxruntime')}"

    @classmethod
    def api(cls, name, *arguments):
        function = c.CFUNCTYPE(c.c_void_p, *[type(a) for a in arguments])(cls.table[cls.API[name]])
        status = function(*arguments)
        if status:
            message = c.CFUNCTYPE(c.c_char_p, c.c_void_p)(cls.table[cls.API["message"]])
            raise RuntimeError(message(status).decode())

    @classmethod
    def start(cls):
        import onnxruntime
        found = glob.glob(os.path.join(os.path.dirname(onnxruntime.__file__), "capi", "libonnxruntime.so*"))
        library = c.CDLL(found[0])
        library.OrtGetApiBase.restype = c.POINTER(c.c_void_p)
        get_api = c.CFUNCTYPE(c.POINTER(c.c_void_p), c.c_uint32)(library.OrtGetApiBase()[0])
        cls.library, cls.table = library, get_api(14)
        cls.environment, cls.memory = c.c_void_p(), c.c_void_p()
        cls.api("env", c.c_int(3), c.c_char_p(b"bench"), c.pointer(cls.environment))
        cls.api("memory", c.c_int(1), c.c_int(0), c.pointer(cls.memory))

    def tensor(self, array):
        value = c.c_void_p()
        shape = (c.c_int64 * max(array.ndim, 1))(*array.shape)
        self.api("tensor", self.memory, c.c_void_p(array.ctypes.data), c.c_size_t(array.nbytes), shape, c.c_size_t(array.ndim),
                 c.c_int(helper.np_dtype_to_tensor_dtype(array.dtype)), c.pointer(value))
        return value.value

    def prepare(self, path, folder):
        if not self.table:
            self.start()
        options, self.session = c.c_void_p(), c.c_void_p()
        self.api("options", c.pointer(options))
        self.api("level", options, c.c_int(99))
        self.api("intra", options, c.c_int(1))
        self.api("inter", options, c.c_int(1))
        self.api("session", self.environment, c.c_char_p(os.fsencode(path)), options, c.pointer(self.session))
        self.names = [(c.c_char_p * len(d))(*[k.encode() for k in d]) for d in (self.feeds, self.results)]
        self.values = [(c.c_void_p * len(d))(*[self.tensor(a) for a in d.values()]) for d in (self.feeds, self.results)]

    def loop(self, n):
        return loops.bench_ort(c.c_void_p(self.table[self.API["run"]]), self.session, self.names[0], self.values[0],
                               c.c_size_t(len(self.feeds)), self.names[1], c.c_size_t(len(self.results)), self.values[1], c.c_long(n))


class OpenVino(Engine):
    """OpenVINO through its C API: latency hint, one stream, one thread, and single precision where the model has it."""

    name = "OpenVINO"
    library = core = None
    SETTINGS = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": "1", "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32"}

    @staticmethod
    def version():
        return f"OpenVINO {importlib.metadata.version('openvino')}"

    def call(self, name, *arguments):
        status = getattr(self.library, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name}: {status}")

    def prepare(self, path, folder):
        if not self.library:
            import openvino
            found = glob.glob(os.path.join(os.path.dirname(openvino.__file__), "libs", "libopenvino_c.so*"))
            OpenVino.library, OpenVino.core = c.CDLL(found[0]), c.c_void_p()
            self.call("ov_core_create", c.byref(self.core))
        model, compiled, self.request = c.c_void_p(), c.c_void_p(), c.c_void_p()
        self.call("ov_core_read_model", self.core, os.fsencode(path), None, c.byref(model))
        settings = [c.c_char_p(s.encode()) for pair in self.SETTINGS.items() for s in pair]
        self.call("ov_core_compile_model", self.core, model, b"CPU", c.c_size_t(len(settings)), c.byref(compiled), *settings)
        self.call("ov_compiled_model_create_infer_request", compiled, c.byref(self.request))
        for i, a in enumerate(self.feeds.values()):
            c.memmove(self.data("input", i), a.ctypes.data, a.nbytes)
        self.infer = self.library.ov_infer_request_infer

    def data(self, side, i):
        tensor, pointer = c.c_void_p(), c.c_void_p()
        self.call(f"ov_infer_request_get_{side}_tensor_by_index", self.request, c.c_size_t(i), c.byref(tensor))
        self.call("ov_tensor_data", tensor, c.byref(pointer))
        return pointer

    def loop(self, n):
        return loops.bench_openvino(self.infer, self.request, c.c_long(n))

    def outputs(self):
        for i, a in enumerate(self.results.values()):
            c.memmove(a.ctypes.data, self.data("output", i), a.nbytes)
        return super().outputs()


ALL = [Nnc, Ort, OpenVino, Emx]
