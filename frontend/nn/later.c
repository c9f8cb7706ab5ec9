/* What the language has and the compiler does not: each says so at its place. */
#include "frontend/nn/call.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/flow.h"
#include "frontend/nn/root.h"

nn_v nn_import_onnx(nn_trace *t, const char *path, const nn_ast *at)
{
    nnc_error(t->diag, at->loc, "%s: models from ONNX files are not yet supported here", path);
    return NULL;
}
