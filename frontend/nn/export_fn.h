/* frontend/nn/export_fn.h - what exported functions (export.c) and exported training (export_train.c) share. */
#ifndef NNC_FRONTEND_NN_EXPORT_FN_H
#define NNC_FRONTEND_NN_EXPORT_FN_H
#include "frontend/nn/trace.h"

/* A model in `data` whose state stays with the caller. */
typedef struct nn_kept {
    nn_decl *decl;
    nnc_sym name;
    nn_leaves first; /* per leaf: what it begins with, in host form */
    nn_v state;      /* in host form, then as arguments of the root */
    nn_slot *slot;   /* the model, while the body is traced */
} nn_kept;

typedef struct nn_exporting {
    nn_decl *d;
    const char *names; /* of the arguments, a line each */
    uint32_t n;        /* arguments of the root graph */
    const nn_v *
        given; /* per parameter: its default in host form where no type says what it is; else NULL */
    NNC_BUF(nn_kept) kept;
} nn_exporting;

/* An argument of the root. */
nnc_value nn_export_add(nn_trace *t, nn_exporting *x, const char *name, nnc_type type);
/* The same of a declared type, a record's fields as name.field. */
nn_v nn_export_argument(nn_trace *t, nn_exporting *x, const char *name, const nn_ast *type);
/* A tree with arguments of the root for leaves. */
nn_v nn_export_tree(nn_trace *t, nn_exporting *x, const char *name, nn_v like);
/* A model (or a record of models) whose parameters and state are arguments. */
nn_v nn_export_model(nn_trace *t, nn_exporting *x, const char *name, nn_v model, const nn_ast *at);
/* Adds a line for each leaf of v: its path, kept apart from `arguments`. */
void nn_export_names(nn_trace *t, nn_v v, const char *path, const char *arguments,
                     const char **names);
nnc_type nn_leaf_type(nn_trace *t, nn_v leaf); /* also of a host tensor */
/* Contents of `data` behind the first `own` arguments become constants. */
void nn_export_close_data(nn_trace *t, uint32_t own);
/* The defaults of parameters without a type, in host form. */
const nn_v *nn_export_defaults(nn_trace *t, nn_decl *d);
/* The arguments for a call of the exported declaration, as the root gets them. */
nn_args nn_export_arguments(nn_trace *t, nn_exporting *x);
/* Names, a line each. */
const char *nn_add_line(nn_trace *t, const char *all, const char *name);
const char *nn_line_at(nn_trace *t, const char *all, uint32_t i);

/* ---- export_state.c ---- */
/* The models in `data` that the body calls with `!`: asks for their state, in a graph of its own. */
void nn_export_find_state(nn_trace *t, nn_exporting *x);
/* Their state as arguments of the root. */
void nn_export_add_state(nn_trace *t, nn_exporting *x);
/* The function's body with these models under their names. */
nn_v nn_export_run(nn_trace *t, nn_exporting *x, const nn_args *args);
/* The state behind the results. */
void nn_export_yield_state(nn_trace *t, nn_exporting *x, nn_leaves *out, const char **names);
/* The constant that a leaf of state begins with; none: zeros. */
nnc_value nn_export_first(nn_trace *t, nnc_builder *b, nn_v leaf);

/* ---- export_train.c ---- */
/* One step of a `train` declaration as the root. */
void nn_export_step(nn_trace *t, nn_decl *d);
#endif
