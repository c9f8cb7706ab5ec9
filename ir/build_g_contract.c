/* G constructors of reductions, windows, contractions, sorting and the composites. */
#include "ir/build_fn.h"
#include "ir/infer.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

nnc_value nnc_g_reduce(nnc_builder *b, nnc_word kind, nnc_value x, unsigned naxes,
                       const int64_t *axes, bool keep)
{
    int64_t sorted[NNC_MAX_RANK];
    assert(naxes <= NNC_MAX_RANK);
    if (!naxes)
        return x;
    memcpy(sorted, axes, naxes * sizeof *axes);
    qsort(sorted, naxes, sizeof *sorted, by_value);
    nnc_op op = nnc_build_start(b, NNC_OP_reduce, 1, &x, 1, nnc_value_type(b->m, x));
    nnc_attr_set_word(b->m, op, NNC_W_kind, kind);
    nnc_attr_set_ints(b->m, op, NNC_W_axes, naxes, sorted);
    nnc_attr_set_int(b->m, op, NNC_W_keep, keep);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_argreduce(nnc_builder *b, nnc_word kind, nnc_value x, int axis, bool last,
                          bool keep)
{
    nnc_op op = nnc_build_start(b, NNC_OP_argreduce, 1, &x, 1, nnc_build_guess(b, NNC_DT_i64));
    nnc_attr_set_word(b->m, op, NNC_W_kind, kind);
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_int(b->m, op, NNC_W_last, last);
    nnc_attr_set_int(b->m, op, NNC_W_keep, keep);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_cumulate(nnc_builder *b, nnc_word kind, nnc_value x, int axis, bool exclusive,
                         bool reverse)
{
    nnc_op op = nnc_build_start(b, NNC_OP_cumulate, 1, &x, 1, nnc_value_type(b->m, x));
    nnc_attr_set_word(b->m, op, NNC_W_kind, kind);
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_int(b->m, op, NNC_W_exclusive, exclusive);
    nnc_attr_set_int(b->m, op, NNC_W_reverse, reverse);
    return nnc_build_finish(b, op);
}

/* An entry left 0 means 1. */
static void set_steps(nnc_builder *b, nnc_op op, nnc_word key, unsigned n, const int64_t *v)
{
    int64_t step[NNC_MAX_RANK] = {0};
    for (unsigned i = 0; i < n; i++)
        step[i] = v[i] ? v[i] : 1;
    nnc_attr_set_ints(b->m, op, key, n, step);
}

static void set_window(nnc_builder *b, nnc_op op, const nnc_window *w)
{
    unsigned n = (unsigned)nnc_build_rank(b, nnc_op_in(b->m, op, 0));
    set_steps(b, op, NNC_W_size, n, w->size);
    set_steps(b, op, NNC_W_stride, n, w->stride);
    set_steps(b, op, NNC_W_dilation, n, w->dilation);
    nnc_attr_set_ints(b->m, op, NNC_W_lo, n, w->lo);
    nnc_attr_set_ints(b->m, op, NNC_W_hi, n, w->hi);
}

nnc_value nnc_g_window_reduce(nnc_builder *b, nnc_word kind, nnc_value x, const nnc_window *w)
{
    nnc_op op = nnc_build_start(b, NNC_OP_window_reduce, 1, &x, 1, nnc_value_type(b->m, x));
    nnc_attr_set_word(b->m, op, NNC_W_kind, kind);
    set_window(b, op, w);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_window_argmax(nnc_builder *b, nnc_value x, const nnc_window *w)
{
    nnc_op op = nnc_build_start(b, NNC_OP_window_argmax, 1, &x, 1, nnc_build_guess(b, NNC_DT_i64));
    set_window(b, op, w);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_dot(nnc_builder *b, nnc_value x, nnc_value y, unsigned nbatch,
                    const int64_t *batch_x, const int64_t *batch_y, unsigned ncontract,
                    const int64_t *contract_x, const int64_t *contract_y, nnc_dtype out)
{
    nnc_value in[2] = {x, y};
    nnc_op op = nnc_build_start(b, NNC_OP_dot, 2, in, 1,
                                nnc_build_guess(b, out ? out : nnc_build_dtype(b, x)));
    if (nbatch) {
        nnc_attr_set_ints(b->m, op, NNC_W_batch_a, nbatch, batch_x);
        nnc_attr_set_ints(b->m, op, NNC_W_batch_b, nbatch, batch_y);
    }
    nnc_attr_set_ints(b->m, op, NNC_W_contract_a, ncontract, contract_x);
    nnc_attr_set_ints(b->m, op, NNC_W_contract_b, ncontract, contract_y);
    return nnc_build_finish(b, op);
}

/* ---- matmul ---- */

static bool all_one(const nnc_type_rec *r, int n)
{
    for (int i = 0; i < n; i++)
        if (r->dim[i] != 1)
            return false;
    return true;
}

/* Broadcast the leading dims of x to batch[0 .. n), keeping its two last. */
static nnc_value spread(nnc_builder *b, nnc_value x, int n, const nnc_dim *batch)
{
    const nnc_type_rec r = *nnc_value_ty(b->m, x);
    nnc_dim dim[NNC_MAX_RANK];
    memcpy(dim, batch, (size_t)n * sizeof *dim);
    dim[n] = r.dim[r.rank - 2];
    dim[n + 1] = r.dim[r.rank - 1];
    return nnc_g_broadcast(b, x, n + 2, dim);
}

/* Both of rank >= 2, y with a batch of its own. */
static nnc_value batched(nnc_builder *b, nnc_value x, nnc_value y, nnc_dtype out)
{
    const nnc_type_rec rx = *nnc_value_ty(b->m, x), ry = *nnc_value_ty(b->m, y);
    static const int64_t axes[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    nnc_dim batch[NNC_MAX_RANK];
    int n;
    if (!nnc_broadcast_dims(b->m->dims, rx.rank - 2, rx.dim, ry.rank - 2, ry.dim, &n, batch))
        n = 0; /* the inference of dot will say so */
    else {
        x = spread(b, x, n, batch);
        y = spread(b, y, n, batch);
    }
    int64_t cx = nnc_build_rank(b, x) - 1, cy = nnc_build_rank(b, y) - 2;
    return nnc_g_dot(b, x, y, (unsigned)n, axes, axes, 1, &cx, &cy, out);
}

nnc_value nnc_g_matmul(nnc_builder *b, nnc_value x, nnc_value y, nnc_dtype out)
{
    const nnc_type_rec rx = *nnc_value_ty(b->m, x);
    nnc_type_rec ry = *nnc_value_ty(b->m, y);
    if (rx.rank >= 2 && ry.rank > 2 && ry.rank <= rx.rank && all_one(&ry, ry.rank - 2)) {
        y = nnc_g_reshape(b, y, 2, ry.dim + ry.rank - 2); /* a batch of one is no batch */
        ry.rank = 2;
    }
    if (rx.rank >= 2 && ry.rank > 2)
        return batched(b, x, y, out);
    int64_t cx = rx.rank - 1, cy = ry.rank >= 2 ? ry.rank - 2 : 0;
    return nnc_g_dot(b, x, y, 0, NULL, NULL, 1, &cx, &cy, out);
}

nnc_value nnc_g_conv(nnc_builder *b, nnc_value x, nnc_value w, const nnc_window *win,
                     int64_t groups, nnc_word layout, nnc_dtype out)
{
    nnc_value in[2] = {x, w};
    unsigned n = nnc_build_rank(b, x) > 2 ? (unsigned)nnc_build_rank(b, x) - 2 : 0;
    nnc_op op = nnc_build_start(b, NNC_OP_conv, 2, in, 1,
                                nnc_build_guess(b, out ? out : nnc_build_dtype(b, x)));
    set_steps(b, op, NNC_W_stride, n, win->stride);
    nnc_attr_set_ints(b->m, op, NNC_W_lo, n, win->lo);
    nnc_attr_set_ints(b->m, op, NNC_W_hi, n, win->hi);
    set_steps(b, op, NNC_W_dilation, n, win->dilation);
    set_steps(b, op, NNC_W_lhs_dilation, n, win->lhs_dilation);
    nnc_attr_set_int(b->m, op, NNC_W_groups, groups);
    nnc_attr_set_word(b->m, op, NNC_W_layout, layout);
    return nnc_build_finish(b, op);
}

/* ---- several results ---- */

static void results(nnc_builder *b, nnc_value first, unsigned n, nnc_value *out)
{
    nnc_op op = nnc_value_op(b->m, first);
    for (unsigned i = 0; i < n; i++)
        out[i] = nnc_op_out(b->m, op, i);
}

void nnc_g_sort(nnc_builder *b, unsigned n, const nnc_value *x, int axis, bool descending,
                nnc_value *out)
{
    nnc_op op = nnc_build_start(b, NNC_OP_sort, n, x, n, nnc_value_type(b->m, x[0]));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_int(b->m, op, NNC_W_descending, descending);
    results(b, nnc_build_finish(b, op), n, out);
}

void nnc_g_topk(nnc_builder *b, nnc_value x, nnc_dim k, int axis, bool largest, nnc_value out[2])
{
    nnc_op op = nnc_build_start(b, NNC_OP_topk, 1, &x, 2, nnc_value_type(b->m, x));
    nnc_attr_set_int(b->m, op, NNC_W_k, k);
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_int(b->m, op, NNC_W_largest, largest);
    results(b, nnc_build_finish(b, op), 2, out);
}

void nnc_g_compact(nnc_builder *b, nnc_value x, nnc_value mask, nnc_value out[2])
{
    nnc_value in[2] = {x, mask};
    results(
        b,
        nnc_build_finish(b, nnc_build_start(b, NNC_OP_compact, 2, in, 2, nnc_value_type(b->m, x))),
        2, out);
}

void nnc_g_check(nnc_builder *b, nnc_value cond, const char *message)
{
    int64_t v;
    if (nnc_value_idx(b->m, cond, &v) && v)
        return;
    nnc_op op = nnc_build_start(b, NNC_OP_check, 1, &cond, 0, (nnc_type){0});
    nnc_attr_set_str(b->m, op, NNC_W_message, message);
    nnc_build_finish(b, op);
}

void nnc_g_host(nnc_builder *b, int64_t id, unsigned n, const nnc_value *x, unsigned nout,
                const nnc_type *type, nnc_value *out)
{
    nnc_op op = nnc_build_op(b, NNC_OP_host, n, x, nout, type);
    nnc_attr_set_int(b->m, op, NNC_W_id, id);
    for (unsigned i = 0; i < nout; i++)
        out[i] = nnc_op_out(b->m, op, i);
}

void nnc_g_state(nnc_builder *b, nnc_value arg, nnc_value first, unsigned result)
{
    nnc_value in[2] = {arg, first};
    nnc_op op = nnc_build_op(b, NNC_OP_state, first.id ? 2 : 1, in, 0, NULL);
    nnc_attr_set_int(b->m, op, NNC_W_index, result);
}

/* ---- composites ---- */

nnc_value nnc_g_softmax(nnc_builder *b, nnc_value x, int axis, bool log)
{
    nnc_op op = nnc_build_start(b, log ? NNC_OP_log_softmax : NNC_OP_softmax, 1, &x, 1,
                                nnc_value_type(b->m, x));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_layer_norm(nnc_builder *b, nnc_value x, int axis, double eps)
{
    nnc_op op = nnc_build_start(b, NNC_OP_layer_norm, 1, &x, 1, nnc_value_type(b->m, x));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_float(b->m, op, NNC_W_eps, eps);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_quantize(nnc_builder *b, nnc_value x, nnc_value scale, nnc_value zero, int axis,
                         int64_t block, bool saturate)
{
    nnc_value in[3] = {x, scale, zero};
    nnc_op op =
        nnc_build_start(b, NNC_OP_quantize, 3, in, 1, nnc_build_guess(b, nnc_build_dtype(b, zero)));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_int(b->m, op, NNC_W_block, block);
    nnc_attr_set_int(b->m, op, NNC_W_saturate, saturate);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_dequantize(nnc_builder *b, nnc_value q, nnc_value scale, nnc_value zero, int axis,
                           int64_t block)
{
    nnc_value in[3] = {q, scale, zero};
    nnc_op op = nnc_build_start(b, NNC_OP_dequantize, 3, in, 1,
                                nnc_build_guess(b, nnc_build_dtype(b, scale)));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_int(b->m, op, NNC_W_block, block);
    return nnc_build_finish(b, op);
}
