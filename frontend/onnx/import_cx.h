/* frontend/onnx/import_cx.h - what a row of the importer sees: one node, its inputs as values, a builder at the place
 * where its ops go.
 *
 * A row is a function `nnc_status nnc_row_<function>(nnc_onnx_cx *cx)` named in rows.def.  It reads cx->node
 * (attributes), cx->in (inputs), builds ops with cx->b (their location is the node) and calls nnc_cx_set for each
 * output it makes; or it reports with nnc_cx_error and returns NNC_ERR.  Before a row runs, it has been checked that
 *   - required inputs are present, and none of the inputs failed before;
 *   - each input is a tensor or a sequence as the schema asks, and its element type is one the schema allows
 *     (inputs of one type variable have equal types).
 * Ranks, shapes and attribute values are the row's business: the constructors of ir/build.h assert, so check first.
 * After a row the results are checked against the declared types of the outputs.
 *
 * Shape arithmetic.  Any value that is computed from constants and dimensions can be asked for its elements
 * (nnc_cx_ints, nnc_cx_dims, nnc_cx_known): the ops behind it are evaluated on demand, symbolically. */
#ifndef NNC_FRONTEND_ONNX_IMPORT_CX_H
#define NNC_FRONTEND_ONNX_IMPORT_CX_H
#include "frontend/onnx/import.h"
#include "ir/build.h"
#include "ir/interp.h"

/* ---- values of the importer ---------------------------------------------------------------------------- */

typedef enum {
    NNC_VAL_absent, /* an optional input that was left out */
    NNC_VAL_tensor,
    NNC_VAL_sequence, /* a list of tensors (or of sequences), known at import */
    NNC_VAL_empty,    /* an optional without a value */
    NNC_VAL_strings,  /* a constant tensor of strings */
    NNC_VAL_bad       /* its node failed and was reported: be quiet about what follows */
} nnc_val_kind;

typedef struct nnc_val {
    nnc_val_kind kind;
    nnc_value v;                /* tensor */
    const struct nnc_val *item; /* sequence: n of them */
    uint32_t n;
    nnc_dtype dtype; /* sequence: of its elements, none when unknown */
    const nnc_onnx_tensor *str;
} nnc_val;

/* One element of a value at import time.  FIXED: the number itself, in i (integers, bool) or f (floats).  DIM: the
 * dimension expression i; in a float value f times it (f = 0.5: half the dimension). */
typedef enum { NNC_KNOWN_not, NNC_KNOWN_fixed, NNC_KNOWN_dim } nnc_known_kind;
typedef struct nnc_known {
    nnc_known_kind kind;
    int64_t i;
    double f;
} nnc_known;

/* ---- the context --------------------------------------------------------------------------------------- */

typedef struct nnc_onnx_cx {
    nnc_module *m;
    nnc_arena *a; /* that of the module */
    nnc_diag *diag;
    nnc_dims *dims;
    nnc_builder b;
    const nnc_onnx_model *model;
    const nnc_onnx_node *node;
    int arg;            /* the last column of the row */
    uint32_t nin, nout; /* as the node spells them, trailing ones left out included */
    const nnc_val *in;
    nnc_val *out;
    struct nnc_import *im; /* private to import.c and known.c */
} nnc_onnx_cx;

typedef nnc_status (*nnc_onnx_row_fn)(nnc_onnx_cx *cx);

/* Report at the node; returns NNC_ERR.  Lower case, what was found, what is supported, the way out. */
nnc_status nnc_cx_error(nnc_onnx_cx *cx, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
const char *nnc_cx_type_text(nnc_onnx_cx *cx, nnc_value v); /* "f32[n,3]" */
const char *nnc_cx_dim_text(nnc_onnx_cx *cx, nnc_dim d);

/* ---- inputs and outputs -------------------------------------------------------------------------------- */

bool nnc_cx_has(const nnc_onnx_cx *cx, uint32_t i);           /* is input i there (not left out)? */
nnc_value nnc_cx_in(const nnc_onnx_cx *cx, uint32_t i);       /* the tensor; id 0 when left out */
const nnc_val *nnc_cx_val(const nnc_onnx_cx *cx, uint32_t i); /* any kind; absent past the end */
bool nnc_cx_wants(const nnc_onnx_cx *cx, uint32_t i);         /* is output i named? */
void nnc_cx_set(nnc_onnx_cx *cx, uint32_t i, nnc_value v);
void nnc_cx_set_val(nnc_onnx_cx *cx, uint32_t i, nnc_val v);
/* The declared type of output i when dtype, rank and every dimension are known (a number, or the name of a dimension
 * of some input).  The way out when a shape operand is only known at run time. */
bool nnc_cx_declared(nnc_onnx_cx *cx, uint32_t i, nnc_type_rec *ty);

/* ---- types --------------------------------------------------------------------------------------------- */

nnc_type_rec nnc_cx_ty(const nnc_onnx_cx *cx, nnc_value v); /* a copy: dtype, rank, dim[] */
nnc_dtype nnc_cx_dtype(const nnc_onnx_cx *cx, nnc_value v);
int nnc_cx_rank(const nnc_onnx_cx *cx, nnc_value v);
nnc_dim nnc_cx_dim(const nnc_onnx_cx *cx, nnc_value v, int axis);
/* The dtype of an ONNX element type number; none and a diagnostic for strings, complex numbers and unknown ones. */
nnc_dtype nnc_cx_elem(nnc_onnx_cx *cx, int64_t elem);

/* ---- what is known at import --------------------------------------------------------------------------- */

/* The whole tensor, if v only depends on constants (evaluated and remembered).  Any size. */
bool nnc_cx_const(nnc_onnx_cx *cx, nnc_value v, nnc_tensor *out);
/* Elements of a small tensor (up to 4096), row-major; NULL when none of them is known or it is larger. */
const nnc_known *nnc_cx_known(nnc_onnx_cx *cx, nnc_value v, uint32_t *n);
/* All elements of an integer or bool tensor as numbers / as dimensions (negative ones do not count as known). */
bool nnc_cx_ints(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, const int64_t **at);
bool nnc_cx_dims(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, const nnc_dim **at);
bool nnc_cx_floats(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, const double **at);
/* Scalars, or tensors of one element. */
bool nnc_cx_int(nnc_onnx_cx *cx, nnc_value v, int64_t *out);
bool nnc_cx_float(nnc_onnx_cx *cx, nnc_value v, double *out);
/* The same for input i, with a diagnostic that names `what` ("axes") when it is only known at run time. */
nnc_status nnc_cx_need_ints(nnc_onnx_cx *cx, uint32_t i, const char *what, uint32_t *n,
                            const int64_t **at);
nnc_status nnc_cx_need_int(nnc_onnx_cx *cx, uint32_t i, const char *what, int64_t *out);
nnc_status nnc_cx_need_float(nnc_onnx_cx *cx, uint32_t i, const char *what, double *out);

/* Dimensions given by the vector input i.  When only the run knows them: the declared shape of output 0, and a check. */
nnc_status nnc_cx_shape_operand(nnc_onnx_cx *cx, uint32_t i, const char *what, int *rank,
                                nnc_dim *dim);

/* Operand i says what the shape will be, and neither the import nor a declaration knows it. */
nnc_status nnc_cx_unknown_shape(nnc_onnx_cx *cx, uint32_t i, const char *what);

/* ---- checks -------------------------------------------------------------------------------------------- */

/* -rank .. rank-1 becomes 0 .. rank-1, else a diagnostic naming `what`. */
nnc_status nnc_cx_axis(nnc_onnx_cx *cx, int64_t axis, int rank, const char *what, int *out);
/* A list of axes without repeats; all[i] in the order given. */
nnc_status nnc_cx_axes(nnc_onnx_cx *cx, uint32_t n, const int64_t *axes, int rank, const char *what,
                       int64_t *out);
/* Can the two dimensions be equal?  When only the run can tell, a `check` is emitted.  *out: the better known one. */
nnc_status nnc_cx_same_dim(nnc_onnx_cx *cx, nnc_dim x, nnc_dim y, const char *what, nnc_dim *out);
/* Do the operands fit nnc_g_matmul? */
nnc_status nnc_cx_check_matmul(nnc_onnx_cx *cx, nnc_value a, nnc_value b);
nnc_status nnc_cx_rank_is(nnc_onnx_cx *cx, nnc_value v, int rank, const char *what);
/* The node itself has a wrong number in attribute `name`. */
nnc_status nnc_cx_bad_attr(nnc_onnx_cx *cx, const char *name, const char *want);
/* A run-time condition (bool, any shape) that must hold everywhere; constants are decided here. */
nnc_status nnc_cx_check(nnc_onnx_cx *cx, nnc_value cond, const char *message);

/* ---- building ------------------------------------------------------------------------------------------ */

nnc_value nnc_cx_num(nnc_onnx_cx *cx, nnc_dtype dt, double v); /* rank 0, any dtype */
nnc_value nnc_cx_like(nnc_onnx_cx *cx, nnc_value x, double v); /* rank 0, dtype of x */
nnc_value nnc_cx_op1(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x);
/* Operands whose shapes are known to fit.  nnc_cx_binary checks them and emits run-time checks. */
nnc_value nnc_cx_op2(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x, nnc_value y);
nnc_status nnc_cx_binary(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x, nnc_value y,
                         nnc_value *out);
/* numpy broadcast of all shapes, checked; ty: its rank and dims. */
nnc_status nnc_cx_broadcast(nnc_onnx_cx *cx, uint32_t n, const nnc_value *x, nnc_type_rec *ty);
nnc_value nnc_cx_reshape(nnc_onnx_cx *cx, nnc_value x, int rank, const nnc_dim *dim);
nnc_value nnc_cx_flat(nnc_onnx_cx *cx, nnc_value x);   /* 1-D */
nnc_value nnc_cx_scalar(nnc_onnx_cx *cx, nnc_value x); /* rank 0 from one element */
nnc_value nnc_cx_expand_dim(nnc_onnx_cx *cx, nnc_value x,
                            int axis); /* a new dim of 1 before `axis` */
nnc_value nnc_cx_drop_dim(nnc_onnx_cx *cx, nnc_value x, int axis);     /* of size 1 */
nnc_value nnc_cx_extent(nnc_onnx_cx *cx, nnc_dim d, nnc_dtype dt);     /* its value, rank 0 */
nnc_value nnc_cx_shape(nnc_onnx_cx *cx, int rank, const nnc_dim *dim); /* i64[rank] */
nnc_value nnc_cx_full(nnc_onnx_cx *cx, nnc_value scalar, int rank, const nnc_dim *dim);
nnc_value nnc_cx_sum(nnc_onnx_cx *cx, nnc_value x, unsigned n, const int64_t *axes, bool keep);
/* Concatenates after checking that the n tensors fit. */
nnc_status nnc_cx_concat(nnc_onnx_cx *cx, uint32_t n, const nnc_value *v, int axis, nnc_value *out);
/* sum / count, where the count may be symbolic */
nnc_value nnc_cx_mean(nnc_onnx_cx *cx, nnc_value x, unsigned n, const int64_t *axes, bool keep);
/* x < 0 ? x + n : x for index tensors, without ops when known; the result is i64 (or i32) in [0, n) when valid. */
nnc_value nnc_cx_wrap_index(nnc_onnx_cx *cx, nnc_value i, nnc_dim n);
/* The first count (i64[], run time) of the elements along axis, at most hi. */
nnc_value nnc_cx_prefix(nnc_onnx_cx *cx, nnc_value x, nnc_value count, int axis);
/* Floating point of at least 32 bits for a computation that the spec does in f32, and back. */
nnc_value nnc_cx_widen(nnc_onnx_cx *cx, nnc_value x);

/* rows_nn_random.c: f32 uniform in [0, 1), keyed by the node. */
nnc_value nnc_cx_uniform(nnc_onnx_cx *cx, int rank, const nnc_dim *dim);

/* ---- subgraphs ----------------------------------------------------------------------------------------- */

/* Import the nodes of g at cx->b with its inputs bound to in[0 .. g->nin-1]; out gets g->nout values.  Values of the
 * enclosing graphs are visible.  The same graph may be imported any number of times. */
nnc_status nnc_cx_subgraph(nnc_onnx_cx *cx, const nnc_onnx_graph *g, const nnc_val *in,
                           nnc_val *out);
/* The same for a graph that may turn out not to be needed: errors are held back (nnc_diag_hold; the caller releases
 * them) and do not fail the import.  *ok: all of it could be imported.  NNC_ERR: it uses an operator that does not
 * exist, which is an error in any case; nothing is held back then. */
nnc_status nnc_cx_try_subgraph(nnc_onnx_cx *cx, const nnc_onnx_graph *g, nnc_val *out, bool *ok);
#endif
