#!/usr/bin/env python3
"""Real models against ONNX Runtime, within 1e-4 of the output's scale: mnist, ultraface-RFB-320, and the three Silero
voice-activity files, whose state is carried over the 60 s of test.wav.

They are looked for below $NNC_SHARED_DATA (default ../shared/data beside the project); says so and succeeds when the
folder is not there.

usage: real.py [--cc "gcc -O2"] [--option OPTION ...] [NAME ...]
"""

import argparse
import sys
import warnings
import wave

import numpy as np
import onnx
from harness import SHARED, Toolchain, compile_onnx, isolated, relative_error
from reference import ort_session

TOLERANCE = 1e-4
FRAME, CONTEXT, RATE = 512, 64, 16000

MODELS = {
    "mnist": "onnx-models/mnist.onnx",
    "ultraface-RFB-320": "onnx-models/ultraface-RFB-320.onnx",
    "silero_vad": "silero-vad/silero_vad.onnx",
    "silero_vad_16k_op15": "silero-vad/silero_vad_16k_op15.onnx",
    "silero_vad_op18_ifless": "silero-vad/silero_vad_op18_ifless.onnx",
}


def frames(path):
    """Frames of 512 samples, each preceded by the last 64 of the frame before."""
    with wave.open(str(path)) as w:
        assert (w.getframerate(), w.getnchannels(), w.getsampwidth()) == (RATE, 1, 2)
        samples = np.frombuffer(w.readframes(w.getnframes()), np.int16).astype(np.float32) / 32768
    samples = np.concatenate([np.zeros(CONTEXT, np.float32), samples])
    for at in range(CONTEXT, len(samples) - FRAME + 1, FRAME):
        yield samples[None, at - CONTEXT:at + FRAME]


def free_inputs(path):
    graph = onnx.load(path).graph
    weights = {w.name for w in graph.initializer}
    return [v for v in graph.input if v.name not in weights]


def pins(path, options):
    """--dim options for the symbolic dimensions of a recurrent model's inputs: a batch of one, one frame."""
    found = {}
    for v in free_inputs(path):
        dims = v.type.tensor_type.shape.dim
        for i, d in enumerate(dims):
            if not d.HasField("dim_value"):
                found[d.dim_param or f"{v.name}_dim{i}"] = FRAME + CONTEXT if len(dims) == 2 and i == 1 else 1
    return options + [f"--dim={k}={n}" for k, n in found.items()]


def compare(got, want):
    return max(relative_error(a, b) if a.shape == b.shape and a.dtype == b.dtype else np.inf for a, b in zip(got, want))


def check_feedforward(path, toolchain, options):
    rng = np.random.default_rng(1)
    feeds = [{v.name: rng.uniform(-1, 1, [d.dim_value for d in v.type.tensor_type.shape.dim]).astype(np.float32)
              for v in free_inputs(path)} for _ in range(4)]
    session = ort_session(path)
    model = compile_onnx(path, [toolchain], options)
    got = model.run_all([list(f.values()) for f in feeds])
    return model, max(compare(g, session.run(None, f)) for g, f in zip(got, feeds)), len(feeds)


def check_recurrent(path, toolchain, options):
    """nnc's own state goes around nnc's loop and ONNX Runtime's around its own, so that drift would show."""
    session = ort_session(path)
    names = [v.name for v in session.get_inputs()]
    states = [n for n in names if n not in ("input", "x", "sr")]
    model = compile_onnx(path, [toolchain], pins(path, options))
    step = StepServer(model)

    def zeros():
        return {s: np.zeros([d if isinstance(d, int) else 1 for d in
                             next(v for v in session.get_inputs() if v.name == s).shape], np.float32) for s in states}

    ours, theirs, worst, count = zeros(), zeros(), 0.0, 0
    for frame in frames(SHARED / "silero-vad/test.wav"):
        feeds = {"sr": np.array(RATE, np.int64), **{n: frame for n in names if n in ("input", "x")}}
        want = session.run(None, {n: {**feeds, **theirs}[n] for n in names})
        got = step(list({n: {**feeds, **ours}[n] for n in names}.values()))
        worst = max(worst, compare(got, want))
        theirs, ours = dict(zip(states, want[1:])), dict(zip(states, got[1:]))
        count += 1
    step.close()
    return model, worst, count


class StepServer:
    """The model's driver kept running: one set of inputs at a time through pipes."""

    def __init__(self, model):
        self.model = model
        self.process, self.to, self.back = model.serve()

    def __call__(self, arrays):
        self.model.write_inputs(self.to, arrays)
        self.to.flush()
        return self.model.read_outputs(self.back, arrays)

    def close(self):
        self.process.kill()
        self.process.wait()


def check(name, toolchain, options):
    path = str(SHARED / MODELS[name])
    run = check_recurrent if name.startswith("silero") else check_feedforward
    model, worst, count = run(path, toolchain, options)
    arena, bound = model.info["workspace_bytes"], model.info["workspace_lower_bound"]
    return worst <= TOLERANCE, (f"relative error {worst:.2g} over {count} runs, "
                                f"arena {arena} = {arena / max(bound, 1):.3f} of the lower bound")


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("names", nargs="*")
    parse.add_argument("--cc", default="gcc -O2")
    parse.add_argument("--option", action="append", default=[])
    args = parse.parse_args()
    warnings.simplefilter("ignore")
    if not (SHARED / "silero-vad").is_dir():
        print(f"skipped: no models in {SHARED} (NNC_SHARED_DATA names another folder)")
        return
    failed = 0
    names = args.names or list(MODELS)
    for name, status, value in isolated(names, lambda n: check(n, Toolchain(*args.cc.split()), args.option), seconds=900):
        good, text = value if status == "ok" else (False, f"{value[0]}: {value[1][:600]}" if status == "raised" else value)
        print(f"{'ok' if good else 'FAILED':7}{name:24} {text}", flush=True)
        failed += not good
    print(f"{len(names) - failed} of {len(names)} real models agree with ONNX Runtime")
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
