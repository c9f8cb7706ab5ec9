/* frontend/nn/expr.h - what the files of expressions and statements share, and the hooks of models and effects. */
#ifndef NNC_FRONTEND_NN_EXPR_H
#define NNC_FRONTEND_NN_EXPR_H
#include "frontend/nn/trace.h"

/* The value of a path without folding the key that it may be. */
nn_v nn_raw(nn_trace *t, const nn_ast *e);
/* The name at the root of a path a.b[i].c, or NULL. */
const nn_ast *nn_path_root(const nn_ast *e);
nn_v nn_field_of(nn_trace *t, nn_v base, nnc_sym name, nnc_loc loc);
bool nn_is_comparison(const nn_ast *e);
bool nn_is_code(nn_v v); /* something that brackets give static arguments to */
bool nn_is_none_name(nn_trace *t, const nn_ast *e); /* the builtin `none`, written out */
nn_v nn_string(nn_trace *t, const nn_ast *e);

/* Give a slot a value; tells the loops being traced that they carry it. */
void nn_set_slot(nn_trace *t, nn_slot *s, nn_v v, const nn_ast *at);

/* The regions being traced, innermost first, learn that s, which held `old`, gets another value. */
void nn_touch(nn_trace *t, nn_slot *s, nn_v old);

/* ---- models (model.c) ---- */
nn_v nn_model_field(nn_trace *t, nn_v model, nnc_sym name,
                    nnc_loc loc); /* net.params, net.enc, net.enc.w */
/* `.params` and `.state` of a record of models; NULL when the record holds none or has such a field of its own. */
nn_v nn_models_field(nn_trace *t, nn_v record, nnc_sym name, nnc_loc loc);
/* The state of a model or of the models of a record; NULL: neither. */
nn_v nn_model_state(nn_trace *t, nn_v m, const nn_ast *at);
nn_v nn_model_with_field(nn_trace *t, nn_v model, nnc_sym name, nn_v v,
                         const nn_ast *at); /* net.params = v */
nn_v nn_call_model(nn_trace *t, nn_v model, const nn_args *args, const nn_ast *at);
nn_v nn_call_blueprint(nn_trace *t, nn_v blueprint, const nn_args *args, const nn_ast *at);
nn_v nn_call_bang(nn_trace *t, const nn_ast *e);       /* net!(x) */
void nn_param_statement(nn_trace *t, const nn_ast *s); /* param and state */
nn_v nn_call_law(nn_trace *t, nn_v law, const nn_args *args, const nn_ast *at);
nn_v nn_bind_blueprint(nn_trace *t, nnc_sym name, nn_v blueprint,
                       const nn_ast *at); /* enc = dense[64] in a module */

/* A model out of an .onnx file; NULL after a diagnostic (onnx.c). */
nn_v nn_import_onnx(nn_trace *t, const char *path, const nn_ast *at);

/* ---- experiments (effect.c) ---- */
nn_v nn_sweep(nn_trace *t, const nn_ast *e);
void nn_claim(nn_trace *t, const nn_ast *s);
void nn_assert(nn_trace *t, const nn_ast *s);
/* A program stops with `text` at `at` where the bools of `ok` do not all hold. */
void nn_assert_value(nn_trace *t, nn_v ok, const char *text, const nn_ast *at);
void nn_every(nn_trace *t, const nn_ast *s);
void nn_effect_statement(nn_trace *t,
                         const nn_ast *e); /* hook: an expression statement is about to run */
/* A `train` declaration called as a function (train.c). */
nn_v nn_call_train(nn_trace *t, nn_v train, const nn_args *args, const nn_ast *at);

/* ---- regions being traced (carry.c) ---- */
typedef struct nn_region {
    struct nn_region *up;
    uint32_t first; /* serial numbers of slots from here on are inside */
    nn_slots written;
    NNC_BUF(nn_v) old; /* what they held before the region */
} nn_region;
#endif
