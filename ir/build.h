/* ir/build.h - the builder: make ops at an insertion point, typed, folded where trivial, with value numbering.
 *
 * G constructors (nnc_g_*) compute the result type, set attributes and simplify what is trivially simple (identity
 * reshape, transpose of transpose is left to passes); they take and return SSA values.  Errors in operands are the
 * caller's business: constructors assert.  Ops that are pure and equal to one already in the same block (found by a
 * hash, invalidated with the builder) are shared.
 * K constructors (nnc_k_*) fold idx and constant arithmetic. */
#ifndef NNC_IR_BUILD_H
#define NNC_IR_BUILD_H
#include "ir/module.h"

typedef struct nnc_builder {
    nnc_module *m;
    nnc_pos pos;
    nnc_loc loc;
    struct nnc_hashset *numbering; /* value numbering of the current block; NULL: off */
    nnc_block numbered;            /* the block that numbering speaks of */
} nnc_builder;

nnc_builder nnc_builder_at_end(nnc_module *m, nnc_block b);
nnc_builder nnc_builder_before(nnc_module *m, nnc_op op); /* takes the op's location */

/* A graph or kernel op at the end of the module with an empty region; returns the op. */
nnc_op nnc_build_func(nnc_module *m, nnc_opcode code, const char *name, bool entry, nnc_loc loc);
/* Any op, result types given, no folding. */
nnc_op nnc_build_op(nnc_builder *b, nnc_opcode code, unsigned nin, const nnc_value *in,
                    unsigned nout, const nnc_type *out);
void nnc_build_yield(nnc_builder *b, unsigned n, const nnc_value *v);

/* ---- G ---- */
/* A weight tensor in place: bytes [at, at + size) of blob. */
nnc_value nnc_g_const(nnc_builder *b, nnc_type t, nnc_blob blob, uint64_t at);
/* Arena copy of dense data becomes a blob. */
nnc_value nnc_g_const_data(nnc_builder *b, nnc_dtype dt, int rank, const nnc_dim *dim,
                           const void *data);
/* Rank-0 constants of a dtype. */
nnc_value nnc_g_int(nnc_builder *b, nnc_dtype dt, int64_t v);
nnc_value nnc_g_float(nnc_builder *b, nnc_dtype dt, double v);
/* 1-D i64 constant. */
nnc_value nnc_g_ints(nnc_builder *b, unsigned n, const int64_t *v);

nnc_value nnc_g_unary(nnc_builder *b, nnc_opcode code, nnc_value x);
nnc_value nnc_g_binary(nnc_builder *b, nnc_opcode code, nnc_value x,
                       nnc_value y); /* broadcasts; equal dtypes */
nnc_value nnc_g_select(nnc_builder *b, nnc_value c, nnc_value x, nnc_value y);
nnc_value nnc_g_cast(nnc_builder *b, nnc_value x, nnc_dtype dt); /* x itself when equal */
nnc_value nnc_g_bitcast(nnc_builder *b, nnc_value x, nnc_dtype dt);

nnc_value nnc_g_reshape(nnc_builder *b, nnc_value x, int rank, const nnc_dim *dim);
nnc_value nnc_g_transpose(nnc_builder *b, nnc_value x, const int64_t *perm); /* rank entries */
nnc_value nnc_g_broadcast(nnc_builder *b, nnc_value x, int rank, const nnc_dim *dim);
/* y[i] = x[start + i * step], size entries per dim */
nnc_value nnc_g_slice(nnc_builder *b, nnc_value x, const nnc_dim *start, const int64_t *step,
                      const nnc_dim *size);
nnc_value nnc_g_slice_axis(nnc_builder *b, nnc_value x, int axis, nnc_dim start, int64_t step,
                           nnc_dim size);
nnc_value nnc_g_flip(nnc_builder *b, nnc_value x, int axis);
/* Negative lo or hi crop.  mode NNC_W_constant, reflect, edge, wrap. */
nnc_value nnc_g_pad(nnc_builder *b, nnc_value x, nnc_value value, const nnc_dim *lo,
                    const nnc_dim *hi, nnc_word mode);
nnc_value nnc_g_concat(nnc_builder *b, unsigned n, const nnc_value *x, int axis);
nnc_value nnc_g_iota(nnc_builder *b, nnc_dtype dt, int rank, const nnc_dim *dim, int axis);
nnc_value nnc_g_gather(nnc_builder *b, nnc_value x, nnc_value i, int axis, int batch_dims);
nnc_value nnc_g_gather_elements(nnc_builder *b, nnc_value x, nnc_value i, int axis);
nnc_value nnc_g_gather_nd(nnc_builder *b, nnc_value x, nnc_value i, int batch_dims);
nnc_value nnc_g_scatter_elements(nnc_builder *b, nnc_value x, nnc_value i, nnc_value u, int axis,
                                 nnc_word reduction);
nnc_value nnc_g_scatter_nd(nnc_builder *b, nnc_value x, nnc_value i, nnc_value u,
                           nnc_word reduction);
nnc_value nnc_g_dynamic_slice(nnc_builder *b, nnc_value x, nnc_value start, const nnc_dim *size);
nnc_value nnc_g_dynamic_update_slice(nnc_builder *b, nnc_value x, nnc_value u, nnc_value start);
nnc_value nnc_g_prefix(nnc_builder *b, nnc_value x, nnc_value count, int axis, nnc_dim dim);
nnc_value nnc_g_extent(nnc_builder *b, nnc_dim dim); /* i64[]; a constant when static */

nnc_value nnc_g_reduce(nnc_builder *b, nnc_word kind, nnc_value x, unsigned naxes,
                       const int64_t *axes, bool keep);
nnc_value nnc_g_argreduce(nnc_builder *b, nnc_word kind, nnc_value x, int axis, bool last,
                          bool keep);
nnc_value nnc_g_cumulate(nnc_builder *b, nnc_word kind, nnc_value x, int axis, bool exclusive,
                         bool reverse);
typedef struct nnc_window { /* one entry per dim of x (window_reduce) or per spatial dim (conv) */
    int64_t size[NNC_MAX_RANK], stride[NNC_MAX_RANK], dilation[NNC_MAX_RANK],
        lhs_dilation[NNC_MAX_RANK];
    nnc_dim lo[NNC_MAX_RANK],
        hi[NNC_MAX_RANK]; /* window_reduce: lo, hi >= 0.  conv: plain integers, may be negative */
} nnc_window;
nnc_value nnc_g_window_reduce(nnc_builder *b, nnc_word kind, nnc_value x, const nnc_window *w);
nnc_value nnc_g_window_argmax(nnc_builder *b, nnc_value x, const nnc_window *w);
/* out: NNC_DT_none = the operands' */
nnc_value nnc_g_dot(nnc_builder *b, nnc_value x, nnc_value y, unsigned nbatch,
                    const int64_t *batch_x, const int64_t *batch_y, unsigned ncontract,
                    const int64_t *contract_x, const int64_t *contract_y, nnc_dtype out);
/* numpy matmul: 1-D operands, broadcast batch dims */
nnc_value nnc_g_matmul(nnc_builder *b, nnc_value x, nnc_value y, nnc_dtype out);
nnc_value nnc_g_conv(nnc_builder *b, nnc_value x, nnc_value w, const nnc_window *win,
                     int64_t groups, nnc_word layout, nnc_dtype out);
/* results in out[0 .. n-1] */
void nnc_g_sort(nnc_builder *b, unsigned n, const nnc_value *x, int axis, bool descending,
                nnc_value *out);
void nnc_g_topk(nnc_builder *b, nnc_value x, nnc_dim k, int axis, bool largest, nnc_value out[2]);
void nnc_g_compact(nnc_builder *b, nnc_value x, nnc_value mask, nnc_value out[2]);
nnc_value nnc_g_rng_bits(nnc_builder *b, nnc_value key, int rank, const nnc_dim *dim);
/* The key for mention `site` at indices index[] (i64 tensors): the last counter word is 1 + 2^16 n. */
nnc_value nnc_g_fold_key(nnc_builder *b, nnc_value key, uint32_t site, unsigned n,
                         const nnc_value *index);
/* The same with another last word: NNC_KEY_SPLIT, NNC_KEY_INIT (ir/philox.h).  Keys and indices broadcast. */
nnc_value nnc_g_fold_key_domain(nnc_builder *b, nnc_value key, uint32_t site, uint32_t domain,
                                unsigned n, const nnc_value *index);
nnc_value nnc_g_split_key(nnc_builder *b, nnc_value key, nnc_dim n); /* u32[2] -> u32[n,2] */
/* Draws: under each of the keys u32[b.., 2] a tensor of dim[0 .. rank), together [b.., dim..].  build_random.c says which
 * bits make which number.  dt is a float. */
nnc_value nnc_g_uniform(nnc_builder *b, nnc_value key, nnc_dtype dt, int rank, const nnc_dim *dim);
nnc_value nnc_g_normal(nnc_builder *b, nnc_value key, nnc_dtype dt, int rank, const nnc_dim *dim);
/* bool: true with probability p (a float that broadcasts to the result). */
nnc_value nnc_g_bernoulli(nnc_builder *b, nnc_value key, nnc_value p, int rank, const nnc_dim *dim);
/* lo <= y < hi, i64 that broadcast to the result; hi - lo from 1 to 2^32. */
nnc_value nnc_g_randint(nnc_builder *b, nnc_value key, nnc_value lo, nnc_value hi, int rank,
                        const nnc_dim *dim);
/* i64[b.., n]: the numbers 0 .. n-1 in random order. */
nnc_value nnc_g_permutation(nnc_builder *b, nnc_value key, nnc_dim n);
/* i64: class c with probability softmax(logits)[c]; logits [.., c], the dims before c broadcast to the result. */
nnc_value nnc_g_categorical(nnc_builder *b, nnc_value key, nnc_value logits, int rank,
                            const nnc_dim *dim);
void nnc_g_check(nnc_builder *b, nnc_value cond, const char *message);
/* results in out[0 .. nout-1], of the given types */
void nnc_g_host(nnc_builder *b, int64_t id, unsigned n, const nnc_value *x, unsigned nout,
                const nnc_type *type, nnc_value *out);
/* The argument `arg` of the entry is kept by the caller; result `result` is its next value.  first (none: zeros): a constant. */
void nnc_g_state(nnc_builder *b, nnc_value arg, nnc_value first, unsigned result);
nnc_value nnc_g_softmax(nnc_builder *b, nnc_value x, int axis, bool log);
nnc_value nnc_g_layer_norm(nnc_builder *b, nnc_value x, int axis, double eps);
nnc_value nnc_g_quantize(nnc_builder *b, nnc_value x, nnc_value scale, nnc_value zero, int axis,
                         int64_t block, bool saturate);
nnc_value nnc_g_dequantize(nnc_builder *b, nnc_value q, nnc_value scale, nnc_value zero, int axis,
                           int64_t block);

/* Regions: make the op, fill its regions with builders of their own, end each with nnc_build_yield, then finish:
 * the results get their types from the yields.  `if`: 2 regions; `while`: 2, arguments typed as the initial values;
 * `scan`: 1, arguments (i64[], carried.., slices..); ys: the types of one step's values, stacked in the results. */
nnc_op nnc_g_if(nnc_builder *b, nnc_value cond, unsigned nout, const nnc_type *out);
nnc_op nnc_g_while(nnc_builder *b, unsigned n, const nnc_value *init);
nnc_op nnc_g_scan(nnc_builder *b, nnc_dim trips, unsigned ncarried, unsigned nin,
                  const nnc_value *in, unsigned nys, const nnc_type *ys);
void nnc_g_finish(nnc_builder *b, nnc_op op);

/* Derivatives (passes/autodiff/autodiff.h).  Leaves are values of the graph, usually results of nnc_g_leaf; the op's results are
 * shaped like the leaves (grad, vjp, hvp) or like y (jvp).  Leaves are floating point, l and y too. */
nnc_value nnc_g_leaf(nnc_builder *b,
                     nnc_value x); /* never shared: every call is another variable */
nnc_value nnc_g_stop_grad(nnc_builder *b, nnc_value x);
nnc_op nnc_g_grad(nnc_builder *b, nnc_value l, unsigned n, const nnc_value *leaf);
nnc_op nnc_g_vjp(nnc_builder *b, unsigned ny, const nnc_value *y, const nnc_value *dy, unsigned n,
                 const nnc_value *leaf);
nnc_op nnc_g_jvp(nnc_builder *b, unsigned ny, const nnc_value *y, unsigned n, const nnc_value *leaf,
                 const nnc_value *tangent);
/* Hessian of l by the leaves, times v: jvp of grad. */
nnc_op nnc_g_hvp(nnc_builder *b, nnc_value l, unsigned n, const nnc_value *leaf,
                 const nnc_value *v);
/* shape(y) ++ shape(leaf): a map over the smaller of the two sides.  Static shapes, rank at most 8. */
nnc_value nnc_g_jacobian(nnc_builder *b, nnc_value y, nnc_value leaf);
/* A function with its own adjoint, in four steps:
 *     op = nnc_g_custom_grad(b, n, in)            fill region 0 (arguments like `in`); yield results.., residuals..
 *     bwd = nnc_g_custom_backward(b, op, r)       r of the yielded values are results; fill bwd: its arguments are the
 *                                                 cotangents of the float results, operands, residuals; yield cotangents
 *     nnc_attr_set_ints(m, op, NNC_W_wrt, ..)     only if not every float operand gets one
 *     op = nnc_g_custom_finish(b, op)             the final op: results 0 .. r-1, then the residuals (leave them unused) */
nnc_op nnc_g_custom_grad(nnc_builder *b, unsigned n, const nnc_value *in);
nnc_block nnc_g_custom_backward(nnc_builder *b, nnc_op op, unsigned nresult);
nnc_op nnc_g_custom_finish(nnc_builder *b, nnc_op op);

/* ---- K ---- */
nnc_value nnc_k_unary(nnc_builder *b, nnc_opcode code, nnc_value x);
nnc_value nnc_k_binary(nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value y);
nnc_value nnc_k_select(nnc_builder *b, nnc_value c, nnc_value x, nnc_value y);
nnc_value nnc_k_cast(nnc_builder *b, nnc_value x, nnc_dtype dt);
nnc_value nnc_k_idx(nnc_builder *b, int64_t v);
nnc_value nnc_k_alloc(nnc_builder *b, nnc_type t, const char *name);
nnc_value nnc_k_view(nnc_builder *b, nnc_value buf, nnc_value offset,
                     nnc_type t); /* offset none: 0 */
nnc_value nnc_k_load(nnc_builder *b, nnc_value buf, unsigned n, const nnc_value *index);
/* The four bytes of a u8 (i8) buffer from an index on, along its last dim, as u8q (i8q). */
nnc_value nnc_k_load_cell(nnc_builder *b, nnc_value buf, unsigned n, const nnc_value *index);
void nnc_k_store(nnc_builder *b, nnc_value v, nnc_value buf, unsigned n, const nnc_value *index);
/* Opens the loop, moves the builder into it and returns its variable; nnc_k_end moves behind the loop. */
nnc_value nnc_k_for(nnc_builder *b, nnc_value lo, nnc_value hi, nnc_value step, nnc_word kind,
                    const char *name);
nnc_op nnc_k_if(
    nnc_builder *b,
    nnc_value cond); /* builder moves into the first region; nnc_k_else into the second */
void nnc_k_else(nnc_builder *b);
void nnc_k_end(nnc_builder *b);
/* An idx expression for a dimension: symbol i comes from sym[i]. */
nnc_value nnc_k_dim(nnc_builder *b, nnc_dim d, const nnc_value *sym);
#endif
