/* What the language has and the compiler does not: each says so at its place. */
#include "frontend/nn/call.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/flow.h"
#include "frontend/nn/root.h"

nn_v nn_model_field(nn_trace *t, nn_v model, nnc_sym name, nnc_loc loc)
{
    (void)model;
    (void)name;
    nn_fail(t, loc, "models: not yet supported");
}
nn_v nn_models_field(nn_trace *t, nn_v record, nnc_sym name, nnc_loc loc)
{
    (void)t;
    (void)record;
    (void)name;
    (void)loc;
    return NULL;
}
nn_v nn_model_with_field(nn_trace *t, nn_v model, nnc_sym name, nn_v v, const nn_ast *at)
{
    (void)model;
    (void)name;
    (void)v;
    nn_fail(t, at->loc, "models: not yet supported");
}
nn_v nn_call_model(nn_trace *t, nn_v model, const nn_args *args, const nn_ast *at)
{
    (void)model;
    (void)args;
    nn_fail(t, at->loc, "models: not yet supported");
}
nn_v nn_call_blueprint(nn_trace *t, nn_v b, const nn_args *args, const nn_ast *at)
{
    (void)b;
    (void)args;
    nn_fail(t, at->loc, "modules: not yet supported");
}
nn_v nn_call_bang(nn_trace *t, const nn_ast *e)
{
    nn_fail(t, e->loc, "models: not yet supported");
}
void nn_param_statement(nn_trace *t, const nn_ast *s)
{
    nn_fail(t, s->loc, "modules: not yet supported");
}
nn_v nn_call_law(nn_trace *t, nn_v law, const nn_args *args, const nn_ast *at)
{
    (void)law;
    (void)args;
    nn_fail(t, at->loc, "laws: not yet supported");
}
nn_v nn_bind_blueprint(nn_trace *t, nnc_sym name, nn_v b, const nn_ast *at)
{
    (void)t;
    (void)name;
    (void)at;
    return b;
}
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
nn_v nn_call_with_rule(nn_trace *t, nn_v f, nn_frame *frame, const nn_code *code,
                       const nn_args *args, const nn_ast *at)
{
    (void)f;
    return nn_bind_and_run(t, frame, code, args, at);
}
nnc_status nn_root_export(nn_trace *t, nn_decl *d)
{
    nnc_error(t->diag, d->node->loc, "exports: not yet supported");
    return NNC_ERR;
}
void nn_unrolled(nn_trace *t, uint32_t i)
{
    (void)t;
    (void)i;
}
void nn_unrolled_end(nn_trace *t)
{
    (void)t;
}
