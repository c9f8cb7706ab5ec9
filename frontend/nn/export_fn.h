/* frontend/nn/export_fn.h - what exported functions (export.c) and exported training (export_train.c) share. */
#ifndef NNC_FRONTEND_NN_EXPORT_FN_H
#define NNC_FRONTEND_NN_EXPORT_FN_H
#include "frontend/nn/trace.h"

typedef struct nn_exporting {
    nn_decl *d;
    const char *names; /* of the arguments, a line each */
    uint32_t n;        /* arguments of the root graph */
    const nn_v *
        given; /* per parameter: its default in host form where no type says what it is; else NULL */
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

/* ---- export_train.c ---- */
/* One step of a `train` declaration as the root. */
void nn_export_step(nn_trace *t, nn_decl *d);
#endif
