/* frontend/onnx/import_priv.h - the importer's state that rows do not see. */
#ifndef NNC_FRONTEND_ONNX_IMPORT_PRIV_H
#define NNC_FRONTEND_ONNX_IMPORT_PRIV_H
#include "frontend/onnx/import_cx.h"
#include "ir/hashset.h"

/* What is known about one G value; state says how far it was looked at. */
typedef struct nnc_fact {
    uint8_t elems_done, const_done; /* 0 not yet, 1 asked: see the pointers, 2 being asked */
    uint32_t n;
    const nnc_known *at;     /* NULL: nothing known */
    const nnc_tensor *whole; /* NULL: not a constant */
} nnc_fact;

typedef struct nnc_import_symbol {
    const char *name;  /* as the model spells it */
    nnc_dim dim;       /* a constant when pinned */
    const char *input; /* where it was met first, and on which axis */
    uint32_t axis;
    bool unbounded; /* no --dim speaks of it */
} nnc_import_symbol;

typedef struct nnc_import_blob {
    const nnc_onnx_tensor *tensor;
    nnc_blob blob;
} nnc_import_blob;

/* A name bound by an inner graph, and what it stood for outside. */
typedef struct nnc_import_undo {
    uint32_t name;
    nnc_val old;
} nnc_import_undo;

struct nnc_import {
    const nnc_onnx_options *opt;
    nnc_val *env; /* by name id: what it stands for in the graph being imported */
    uint32_t nenv;
    NNC_BUF(nnc_import_undo) undo;
    NNC_BUF(nnc_fact) fact; /* by value id */
    NNC_BUF(nnc_import_symbol) symbol;
    NNC_BUF(nnc_import_blob) blob;
    nnc_hashset *blobs;  /* tensor address -> blob.at[id - 1] */
    uint8_t *bound_used; /* per --dim option */
    unsigned depth;      /* of subgraphs */
    bool failed;         /* some node was reported */
    bool holding;        /* diagnostics are kept back until it is known which sizes matter */
    bool missing;        /* some node's operator is not supported at all */
};

nnc_fact *nnc_import_fact(nnc_onnx_cx *cx, nnc_value v);
/* A constant tensor of the model as a value; reports strings and complex numbers. */
nnc_status nnc_import_tensor(nnc_onnx_cx *cx, const nnc_onnx_tensor *t, nnc_value *out);
/* live.c: does anything that matters depend on the size `d`? */
bool nnc_import_dim_matters(nnc_onnx_cx *cx, nnc_block body, nnc_dim d);
/* Pure ops without users go: shape arithmetic leaves many. */
void nnc_import_sweep(nnc_onnx_cx *cx, nnc_block body);
/* Schema and declared types: import_check.c. */
nnc_status nnc_import_check_inputs(nnc_onnx_cx *cx);
nnc_status nnc_import_check_output(nnc_onnx_cx *cx, uint32_t i);
/* "12 of 'x'": letters, digits and _ only, not starting with a digit. */
const char *nnc_import_ident(nnc_arena *a, const char *s);
/* What a name stands for in the graph being imported; absent when it is not bound (yet). */
nnc_val nnc_import_lookup(const nnc_onnx_cx *cx, nnc_sym name);
nnc_dim nnc_import_find_dim(const nnc_onnx_cx *cx, const char *name, bool *found);
#endif
