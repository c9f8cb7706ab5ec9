"""Reference answers: ONNX Runtime, with every rewriting that changes results switched off."""

import onnxruntime


def ort_session(model, optimise=False):
    """`model` is a path or bytes.  Without `optimise` only the graph's own operators run."""
    options = onnxruntime.SessionOptions()
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_ALL if optimise else level.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ort_run(model, feeds, optimise=False):
    return ort_session(model, optimise).run(None, feeds)
