/* frontend/onnx/export_cx.h - what the rows of the exporter share; nobody outside of frontend/onnx includes this. */
#ifndef NNC_FRONTEND_ONNX_EXPORT_CX_H
#define NNC_FRONTEND_ONNX_EXPORT_CX_H
#include "ir/base/intern.h"
#include "ir/module.h"
#include "onnx.pb-c.h"

/* A graph being written. */
typedef struct nnc_export_graph {
    struct nnc_export_graph *up;
    NNC_BUF(Onnx__NodeProto *) node;
    NNC_BUF(Onnx__TensorProto *) init;
} nnc_export_graph;

typedef struct nnc_export {
    nnc_module *m;
    nnc_arena *a;
    nnc_export_graph *g;
    const char **name; /* per value id; NULL: not written yet */
    uint32_t nname, serial;
    nnc_intern *taken; /* the names of the model's inputs and outputs */
    nnc_op op;         /* being written, for messages */
    bool failed;
} nnc_export;

/* A node with one output, which is returned; attributes are added to the node made last. */
const char *nnc_export_node(nnc_export *x, const char *op, unsigned nin, ...);
const char *nnc_export_node_v(nnc_export *x, const char *op, unsigned nin, const char *const *in,
                              unsigned nout, const char **out);
void nnc_export_int(nnc_export *x, const char *key, int64_t v);
void nnc_export_float(nnc_export *x, const char *key, double v);
void nnc_export_str(nnc_export *x, const char *key, const char *v);
void nnc_export_ints(nnc_export *x, const char *key, unsigned n, const int64_t *v);
void nnc_export_graph_attr(nnc_export *x, const char *key, Onnx__GraphProto *g);

/* Constants: 1-D i64; a scalar of a dtype. */
const char *nnc_export_const_ints(nnc_export *x, unsigned n, const int64_t *v);
const char *nnc_export_const_scalar(nnc_export *x, nnc_dtype dt, double v);
/* Dimensions as a 1-D i64 tensor: a constant when all are, else computed from the shapes of the inputs. */
const char *nnc_export_dims(nnc_export *x, unsigned n, const nnc_dim *dim);
/* The name of operand i; interned constants become initializers. */
const char *nnc_export_in(nnc_export *x, nnc_op op, unsigned i);
const char *nnc_export_value(nnc_export *x, nnc_value v);
/* Result i of the op gets this name. */
void nnc_export_bind(nnc_export *x, nnc_op op, unsigned i, const char *name);
const char *nnc_export_cast(nnc_export *x, const char *v, nnc_dtype dt);
/* "ONNX has no way to say ..."; marks the export as failed. */
void nnc_export_refuse(nnc_export *x, nnc_op op, const char *why);

/* export_rows.c: one op of a block. */
void nnc_export_op(nnc_export *x, nnc_op op);
/* export.c: a block as a GraphProto; outputs are its yield. */
Onnx__GraphProto *nnc_export_block(nnc_export *x, nnc_block b, const char *name);
Onnx__ValueInfoProto *nnc_export_info(nnc_export *x, const char *name, nnc_type t);
#endif
