"""nnc as a backend of the onnx package: `onnx.backend.test` and anything else that speaks onnx.backend.base.

prepare() compiles the model to C and the C to a program (harness.py); compiled models are kept by content while the
process lives, because the suite asks for some models more than once.
"""

import onnx
import onnx.backend.base
from harness import Toolchain, compile_onnx, digest


class NncRep(onnx.backend.base.BackendRep):
    def __init__(self, model):
        self.model = model

    def run(self, inputs, **kwargs):
        if isinstance(inputs, dict):
            inputs = [inputs[t.name] for t in self.model.inputs]
        return self.model.run(list(inputs))


class NncBackend(onnx.backend.base.Backend):
    toolchains = [Toolchain("gcc", "-O1")]
    last = None                               # the model last prepared, for reports by operator
    prepared = {}

    @classmethod
    def prepare(cls, model, device="CPU", **kwargs):
        cls.last = model
        data = model.SerializeToString()
        key = digest(data)
        if key not in cls.prepared:
            with open(f"{key}.onnx", "wb") as out:
                out.write(data)
            cls.prepared[key] = NncRep(compile_onnx(f"{key}.onnx", cls.toolchains))
        return cls.prepared[key]

    @classmethod
    def run_model(cls, model, inputs, device="CPU", **kwargs):
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(cls, node, inputs, device="CPU", outputs_info=None, **kwargs):
        raise NotImplementedError("nnc compiles models, not nodes")

    @classmethod
    def supports_device(cls, device):
        return device == "CPU"
