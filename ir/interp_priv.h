/* ir/interp_priv.h - what the files of the interpreter (interp_*.c) share; nobody else includes it.
 *
 * Tensors are immutable once made, so views alias.  A value's tensor lives in `env` under the value's id; loops let two
 * arenas take turns, so a body's memory is gone two iterations later. */
#ifndef NNC_IR_INTERP_PRIV_H
#define NNC_IR_INTERP_PRIV_H
#include "ir/eval.h"
#include "ir/interp.h"

/* ELEMENTS: work on so many elements takes about as long as one operation. */
enum { NNC_INTERP_MAX_NEST = 200, NNC_INTERP_ARENAS = 64, NNC_INTERP_ELEMENTS = 8 };

typedef struct nnc_interp {
    nnc_module *m;
    nnc_arena *root; /* lives as long as the run */
    nnc_arena *a;    /* where results go now */
    nnc_tensor *env; /* by value id; dtype none: no value yet */
    uint32_t nenv;
    int64_t *sym; /* by symbol; < 0: not known */
    uint32_t nsym;
    unsigned depth;
    uint64_t budget;   /* operations left */
    uint64_t elements; /* that may still be read, written or multiplied */
    nnc_host_fn *call; /* carries out `host`; NULL: nobody does */
    void *context;
    nnc_arena *spare[NNC_INTERP_ARENAS]; /* loop arenas, by nesting */
    unsigned nspare;
} nnc_interp;

/* Count work of `n` elements at op; an error when a bounded run has no more of it. */
nnc_status nnc_interp_charge(nnc_interp *x, nnc_op op, int64_t n);

/* One G op: results out[i] have shape and memory already unless the row says otherwise. */
typedef nnc_status (*nnc_interp_fn)(nnc_interp *x, nnc_op op, const nnc_tensor *in,
                                    nnc_tensor *out);
#define INTERP(name) \
    nnc_status nnc_interp_##name(nnc_interp *x, nnc_op op, const nnc_tensor *in, nnc_tensor *out)
INTERP(elementwise);
INTERP(select);
INTERP(cast);
INTERP(bitcast);
INTERP(quantize);
INTERP(dequantize);
INTERP(reshape);
INTERP(transpose);
INTERP(broadcast);
INTERP(slice);
INTERP(pad);
INTERP(concat);
INTERP(iota);
INTERP(gather);
INTERP(gather_elements);
INTERP(gather_nd);
INTERP(scatter_elements);
INTERP(scatter_nd);
INTERP(dynamic_slice);
INTERP(dynamic_update_slice);
INTERP(prefix);
INTERP(extent);
INTERP(reduce);
INTERP(argreduce);
INTERP(cumulate);
INTERP(window_reduce);
INTERP(window_argmax);
INTERP(dot);
INTERP(conv);
INTERP(sort);
INTERP(topk);
INTERP(compact);
INTERP(rng_bits);
INTERP(fold_key);
INTERP(check);
INTERP(nms);
INTERP(softmax);
INTERP(layer_norm);
INTERP(const);
INTERP(if);
INTERP(while);
INTERP(scan);
INTERP(fused);
INTERP(call);
INTERP(same);
INTERP(derivative);
INTERP(host);
INTERP(state);

/* Run the ops of a block; *yielded gets the values of its terminator (nout of them, else a diagnostic). */
nnc_status nnc_interp_block(nnc_interp *x, nnc_block b, unsigned nout, nnc_tensor *yielded);
/* Give value v the tensor t: solves unknown symbols of v's type from t's sizes, checks the known ones. */
nnc_status nnc_interp_bind(nnc_interp *x, nnc_value v, nnc_tensor t, nnc_loc loc);
/* The tensor of an operand. */
nnc_status nnc_interp_value(nnc_interp *x, nnc_value v, nnc_loc loc, nnc_tensor *out);
/* The value of a dimension under the symbols known so far. */
nnc_status nnc_interp_dim(nnc_interp *x, nnc_dim d, nnc_loc loc, int64_t *out);
/* The pair of arenas for the next deeper loop. */
nnc_status nnc_interp_arenas(nnc_interp *x, nnc_loc loc, nnc_arena *pair[2]);

/* ---- strided walks ---- */
/* Positions of a box, row-major, with up to four offsets that follow their own strides (elements). */
typedef struct nnc_walk {
    int rank, n;
    int64_t dim[NNC_MAX_RANK], pos[NNC_MAX_RANK], stride[4][NNC_MAX_RANK], off[4];
} nnc_walk;
static inline bool nnc_walk_next(nnc_walk *w)
{
    for (int d = w->rank - 1; d >= 0; d--) {
        for (int k = 0; k < w->n; k++)
            w->off[k] += w->stride[k][d];
        if (++w->pos[d] < w->dim[d])
            return true;
        for (int k = 0; k < w->n; k++)
            w->off[k] -= w->stride[k][d] * w->dim[d];
        w->pos[d] = 0;
    }
    return false;
}
void nnc_tensor_strides(const nnc_tensor *t, int64_t *stride);
static inline char *nnc_cell(const nnc_tensor *t, int64_t i)
{
    return (char *)t->data + (size_t)i * nnc_dtype_bytes(t->dtype);
}
static inline int64_t nnc_tensor_int(const nnc_tensor *t, int64_t i)
{
    return nnc_num_load(t->dtype, nnc_cell(t, i)).i;
}
static inline int64_t nnc_clamp64(int64_t v, int64_t lo, int64_t hi)
{
    return v > hi ? (hi < lo ? lo : hi) : v < lo ? lo : v;
}
/* n elements, `stride` apart, as doubles (float dtypes) or as integers (the others). */
void nnc_load_f64(nnc_dtype dt, const void *p, int64_t i, int64_t stride, int64_t n, double *out);
void nnc_load_i64(nnc_dtype dt, const void *p, int64_t i, int64_t stride, int64_t n, int64_t *out);
#endif
