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
void nn_every(nn_trace *t, const nn_ast *s)
{
    nn_fail(t, s->loc, "'every' belongs into 'train'");
}
nn_v nn_call_train(nn_trace *t, nn_v train, const nn_args *args, const nn_ast *at)
{
    (void)train;
    (void)args;
    nn_fail(t, at->loc, "training: not yet supported");
}
