/* frontend/nn/root.h - tracing whole experiments, tests and exported functions. */
#ifndef NNC_FRONTEND_NN_ROOT_H
#define NNC_FRONTEND_NN_ROOT_H
#include "frontend/nn/trace.h"

/* An experiment or a test as the graph t->root, without results; its effects are host ops (when t->program is set). */
nnc_status nn_root_block(nn_trace *t, nn_decl *d);
/* An exported function: arguments with their symbols, results as outputs; [entry, input, output] as an ONNX graph. */
nnc_status nn_root_export(nn_trace *t, nn_decl *d);
#endif
