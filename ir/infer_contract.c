/* Reductions, windows, contractions, sorting, and the quantisation pair. */
#include "ir/infer_fn.h"
#include <string.h>

/* Drop the axes in `mask`, or make them 1. */
static nnc_type reduced(nnc_module *m, const nnc_type_rec *x, unsigned mask, bool keep,
                        nnc_dtype dt)
{
    nnc_dim dim[NNC_MAX_RANK];
    int r = 0;
    for (int i = 0; i < x->rank; i++)
        if (!(mask >> i & 1))
            dim[r++] = x->dim[i];
        else if (keep)
            dim[r++] = 1;
    return nnc_type_tensor(m, dt, r, dim);
}

nnc_status nnc_infer_reduce(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    int64_t axes[NNC_MAX_RANK];
    unsigned n, mask = 0;
    nnc_word kind = nnc_attr_word(m, op, NNC_W_kind, NNC_W_none0);
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_axes(m, op, NNC_W_axes, x.rank, &n, axes));
    for (unsigned i = 0; i < n; i++)
        mask |= 1u << axes[i];
    bool logical = kind == NNC_W_and || kind == NNC_W_or;
    if (!logical && kind != NNC_W_sum && kind != NNC_W_prod && kind != NNC_W_max &&
        kind != NNC_W_min)
        return nnc_infer_error(m, op, "kind '%s', must be sum, prod, max, min, and or or",
                               nnc_sym_str(m, nnc_w(kind)));
    if (logical != (x.dtype == NNC_DT_bool))
        return nnc_infer_error(m, op, "kind %s of %s", nnc_sym_str(m, nnc_w(kind)),
                               nnc_infer_text(m, op, 0));
    out[0] = reduced(m, &x, mask, nnc_attr_int(m, op, NNC_W_keep, 0) != 0, (nnc_dtype)x.dtype);
    return NNC_OK;
}

nnc_status nnc_infer_argreduce(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    int axis;
    nnc_word kind = nnc_attr_word(m, op, NNC_W_kind, NNC_W_none0);
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x.rank, &axis));
    if (kind != NNC_W_max && kind != NNC_W_min)
        return nnc_infer_error(m, op, "kind '%s', must be max or min", nnc_sym_str(m, nnc_w(kind)));
    if (nnc_dim_hi(m->dims, x.dim[axis]) <= 0)
        return nnc_infer_error(m, op, "axis %d of %s is empty", axis, nnc_infer_text(m, op, 0));
    out[0] = reduced(m, &x, 1u << axis, nnc_attr_int(m, op, NNC_W_keep, 0) != 0, NNC_DT_i64);
    return NNC_OK;
}

/* Windows of k elements (dilated by dil) every `stride` elements over lo + x + hi, x first spread by lhs. */
static nnc_dim window_count(nnc_dims *t, nnc_dim x, int64_t k, int64_t stride, int64_t dil,
                            int64_t lhs, nnc_dim lo, nnc_dim hi)
{
    nnc_dim extent = x;
    if (lhs > 1 && x != 0)
        extent = nnc_dim_shift(t, nnc_dim_mul(t, nnc_dim_sub(t, x, 1), lhs), 1);
    nnc_dim room =
        nnc_dim_shift(t, nnc_dim_add(t, nnc_dim_add(t, extent, lo), hi), -((k - 1) * dil + 1));
    if (nnc_dim_hi(t, room) < 0)
        return 0;
    nnc_dim n = nnc_dim_shift(t, nnc_dim_floordiv(t, room, stride), 1);
    return nnc_dim_lo(t, n) < 0 ? nnc_dim_max(t, n, 0) : n;
}

/* Sizes, strides and dilations so large that sums of them would overflow are refused. */
static nnc_status positive(nnc_module *m, nnc_op op, const char *what, const int64_t *v, int n)
{
    for (int i = 0; i < n; i++)
        if (v[i] < 1 || v[i] > INT32_MAX)
            return nnc_infer_error(m, op, "%s %d is %lld, must be from 1 to 2^31 - 1", what, i,
                                   (long long)v[i]);
    return NNC_OK;
}

static nnc_status window_type(nnc_module *m, nnc_op op, nnc_type_rec *x)
{
    int64_t size[NNC_MAX_RANK], stride[NNC_MAX_RANK], dil[NNC_MAX_RANK], lo[NNC_MAX_RANK],
        hi[NNC_MAX_RANK];
    NNC_TRY(nnc_infer_tensor(m, op, 0, x));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_size, x->rank, size));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_stride, x->rank, stride));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_dilation, x->rank, dil));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_lo, x->rank, lo));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_hi, x->rank, hi));
    NNC_TRY(positive(m, op, "size", size, x->rank));
    NNC_TRY(positive(m, op, "stride", stride, x->rank));
    NNC_TRY(positive(m, op, "dilation", dil, x->rank));
    for (int i = 0; i < x->rank; i++) {
        if (nnc_dim_hi(m->dims, lo[i]) < 0 || nnc_dim_hi(m->dims, hi[i]) < 0)
            return nnc_infer_error(m, op, "dim %d: a negative padding", i);
        x->dim[i] = window_count(m->dims, x->dim[i], size[i], stride[i], dil[i], 1, lo[i], hi[i]);
    }
    return NNC_OK;
}

nnc_status nnc_infer_window(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    nnc_word kind = nnc_attr_word(m, op, NNC_W_kind, NNC_W_none0);
    NNC_TRY(window_type(m, op, &x));
    if (kind != NNC_W_sum && kind != NNC_W_max && kind != NNC_W_min)
        return nnc_infer_error(m, op, "kind '%s', must be sum, max or min",
                               nnc_sym_str(m, nnc_w(kind)));
    out[0] = nnc_type_tensor(m, (nnc_dtype)x.dtype, x.rank, x.dim);
    return NNC_OK;
}

nnc_status nnc_infer_window_arg(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    NNC_TRY(window_type(m, op, &x));
    out[0] = nnc_type_tensor(m, NNC_DT_i64, x.rank, x.dim);
    return NNC_OK;
}

static bool is_short(nnc_dtype dt)
{
    return nnc_dtype_is_int(dt) && nnc_dtype_infos[dt].bits <= 16;
}

/* The dtype of a contraction: given by the result, within what ops.def allows. */
static nnc_status product_dtype(nnc_module *m, nnc_op op, const nnc_type_rec *a,
                                const nnc_type_rec *b, nnc_dtype *dt)
{
    *dt = (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype;
    bool wide = is_short((nnc_dtype)a->dtype) && is_short((nnc_dtype)b->dtype) && *dt == NNC_DT_i32;
    if (wide || (a->dtype == b->dtype && *dt == (nnc_dtype)a->dtype && a->dtype != NNC_DT_bool))
        return NNC_OK;
    return nnc_infer_error(
        m, op, "%s by %s to %s: dtypes must be equal, or integers of up to 16 bits to i32",
        nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1), nnc_dtype_infos[*dt].name);
}

/* Pairs of axes of a and b that must agree; marks them. */
static nnc_status pair_axes(nnc_module *m, nnc_op op, nnc_word ka, nnc_word kb, nnc_type_rec *a,
                            const nnc_type_rec *b, unsigned *n, int64_t *ia, unsigned *used_a,
                            unsigned *used_b)
{
    int64_t ib[NNC_MAX_RANK];
    unsigned nb;
    NNC_TRY(nnc_infer_axes(m, op, ka, a->rank, n, ia));
    NNC_TRY(nnc_infer_axes(m, op, kb, b->rank, &nb, ib));
    if (*n != nb)
        return nnc_infer_error(m, op, "%s has %u entries, %s has %u", nnc_sym_str(m, nnc_w(ka)), *n,
                               nnc_sym_str(m, nnc_w(kb)), nb);
    for (unsigned i = 0; i < nb; i++) {
        if ((*used_a >> ia[i] & 1) || (*used_b >> ib[i] & 1))
            return nnc_infer_error(m, op, "an axis is both a batch and a contracted one");
        *used_a |= 1u << ia[i];
        *used_b |= 1u << ib[i];
        if (!nnc_dim_meet(m->dims, a->dim[ia[i]], b->dim[ib[i]], &a->dim[ia[i]]))
            return nnc_infer_error(m, op, "axis %lld of %s is no match for axis %lld of %s",
                                   (long long)ia[i], nnc_infer_text(m, op, 0), (long long)ib[i],
                                   nnc_infer_text(m, op, 1));
    }
    return NNC_OK;
}

nnc_status nnc_infer_dot(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec a, b;
    nnc_dtype dt;
    nnc_dim dim[2 * NNC_MAX_RANK];
    int64_t batch[NNC_MAX_RANK], contract[NNC_MAX_RANK];
    unsigned nbatch, ncontract, used_a = 0, used_b = 0;
    int r = 0;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &a));
    NNC_TRY(nnc_infer_tensor(m, op, 1, &b));
    NNC_TRY(product_dtype(m, op, &a, &b, &dt));
    NNC_TRY(
        pair_axes(m, op, NNC_W_batch_a, NNC_W_batch_b, &a, &b, &nbatch, batch, &used_a, &used_b));
    NNC_TRY(pair_axes(m, op, NNC_W_contract_a, NNC_W_contract_b, &a, &b, &ncontract, contract,
                      &used_a, &used_b));
    for (unsigned i = 0; i < nbatch; i++)
        dim[r++] = a.dim[batch[i]];
    for (int i = 0; i < a.rank; i++)
        if (!(used_a >> i & 1))
            dim[r++] = a.dim[i];
    for (int i = 0; i < b.rank; i++)
        if (!(used_b >> i & 1))
            dim[r++] = b.dim[i];
    if (r > NNC_MAX_RANK)
        return nnc_infer_error(m, op,
                               "the result of %s and %s has rank %d, at most %d is supported",
                               nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1), r, NNC_MAX_RANK);
    out[0] = nnc_type_tensor(m, dt, r, dim);
    return NNC_OK;
}

/* Channels: x's C must be groups * w's I, and groups must divide O. */
static nnc_status conv_channels(nnc_module *m, nnc_op op, nnc_dim c, nnc_dim i, nnc_dim o,
                                int64_t groups)
{
    nnc_dim d;
    if (groups < 1 || groups > INT32_MAX)
        return nnc_infer_error(m, op, "groups is %lld, must be at least 1", (long long)groups);
    if (!nnc_dim_meet(m->dims, c, nnc_dim_mul(m->dims, i, groups), &d))
        return nnc_infer_error(m, op, "x %s has %s channels, w %s with groups=%lld needs %s",
                               nnc_infer_text(m, op, 0), nnc_dim_text(m->dims, c),
                               nnc_infer_text(m, op, 1), (long long)groups,
                               nnc_dim_text(m->dims, nnc_dim_mul(m->dims, i, groups)));
    if (nnc_dim_is_const(o) && o % groups)
        return nnc_infer_error(m, op, "%lld output channels do not divide into %lld groups",
                               (long long)o, (long long)groups);
    return NNC_OK;
}

nnc_status nnc_infer_conv(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x, w;
    nnc_dtype dt;
    int64_t stride[NNC_MAX_RANK], dil[NNC_MAX_RANK], lhs[NNC_MAX_RANK], lo[NNC_MAX_RANK],
        hi[NNC_MAX_RANK];
    nnc_word layout = nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw);
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_tensor(m, op, 1, &w));
    NNC_TRY(product_dtype(m, op, &x, &w, &dt));
    int ns = x.rank - 2;
    if (ns < 1 || ns > 3 || w.rank != x.rank)
        return nnc_infer_error(m, op, "x %s and w %s: both need rank 3, 4 or 5",
                               nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1));
    if (layout != NNC_W_nchw && layout != NNC_W_nhwc)
        return nnc_infer_error(m, op, "layout %s, must be nchw or nhwc",
                               nnc_sym_str(m, nnc_w(layout)));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_stride, (unsigned)ns, stride));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_dilation, (unsigned)ns, dil));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_lhs_dilation, (unsigned)ns, lhs));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_lo, (unsigned)ns, lo));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_hi, (unsigned)ns, hi));
    NNC_TRY(positive(m, op, "stride", stride, ns));
    NNC_TRY(positive(m, op, "dilation", dil, ns));
    NNC_TRY(positive(m, op, "lhs_dilation", lhs, ns));
    bool nchw = layout == NNC_W_nchw;
    nnc_dim c = nchw ? x.dim[1] : x.dim[ns + 1], i = nchw ? w.dim[1] : w.dim[ns],
            o = nchw ? w.dim[0] : w.dim[ns + 1];
    NNC_TRY(conv_channels(m, op, c, i, o, nnc_attr_int(m, op, NNC_W_groups, 1)));
    nnc_dim dim[NNC_MAX_RANK];
    dim[0] = x.dim[0];
    dim[nchw ? 1 : ns + 1] = o;
    for (int k = 0; k < ns; k++) {
        nnc_dim kernel = w.dim[nchw ? k + 2 : k];
        if (!nnc_dim_is_const(kernel) || kernel < 1 || kernel > INT32_MAX ||
            dil[k] * kernel > INT32_MAX)
            return nnc_infer_error(m, op, "spatial dim %d of w %s must be a constant of at least 1",
                                   k, nnc_infer_text(m, op, 1));
        if (lo[k] < -INT32_MAX || lo[k] > INT32_MAX || hi[k] < -INT32_MAX || hi[k] > INT32_MAX)
            return nnc_infer_error(m, op, "padding %lld, %lld is out of range", (long long)lo[k],
                                   (long long)hi[k]);
        dim[nchw ? k + 2 : k + 1] =
            window_count(m->dims, x.dim[nchw ? k + 2 : k + 1], kernel, stride[k], dil[k], lhs[k],
                         nnc_dim_const(m->dims, lo[k]), nnc_dim_const(m->dims, hi[k]));
    }
    out[0] = nnc_type_tensor(m, dt, x.rank, dim);
    return NNC_OK;
}

/* sort: every result as its operand; all shapes equal. */
nnc_status nnc_infer_all_same(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x, y;
    nnc_dim d;
    int axis;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x.rank, &axis));
    if (nnc_op_nin(m, op) != nnc_op_nout(m, op))
        return nnc_infer_error(m, op, "%u operands but %u results", nnc_op_nin(m, op),
                               nnc_op_nout(m, op));
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        NNC_TRY(nnc_infer_tensor(m, op, i, &y));
        bool ok = x.rank == y.rank;
        for (int k = 0; ok && k < x.rank; k++)
            ok = nnc_dim_meet(m->dims, x.dim[k], y.dim[k], &d);
        if (!ok)
            return nnc_infer_error(m, op, "keys %s and values %s have different shapes",
                                   nnc_infer_text(m, op, 0), nnc_infer_text(m, op, i));
        out[i] = nnc_value_type(m, nnc_op_in(m, op, i));
    }
    return NNC_OK;
}

nnc_status nnc_infer_topk(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    int axis;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x.rank, &axis));
    nnc_dim k = nnc_attr_int(m, op, NNC_W_k, 0);
    if (nnc_dim_lo(m->dims, k) > nnc_dim_hi(m->dims, x.dim[axis]) || nnc_dim_hi(m->dims, k) < 0)
        return nnc_infer_error(m, op, "k is %s, axis %d of %s has fewer", nnc_dim_text(m->dims, k),
                               axis, nnc_infer_text(m, op, 0));
    x.dim[axis] = k;
    out[0] = nnc_type_tensor(m, (nnc_dtype)x.dtype, x.rank, x.dim);
    out[1] = nnc_type_tensor(m, NNC_DT_i64, x.rank, x.dim);
    return NNC_OK;
}

nnc_status nnc_infer_compact(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    nnc_dim d;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_operand(m, op, 1, NNC_DT_bool, 1, "the mask"));
    if (!x.rank ||
        !nnc_dim_meet(m->dims, x.dim[0], nnc_value_ty(m, nnc_op_in(m, op, 1))->dim[0], &d))
        return nnc_infer_error(m, op, "the mask %s does not fit %s", nnc_infer_text(m, op, 1),
                               nnc_infer_text(m, op, 0));
    out[0] = nnc_value_type(m, nnc_op_in(m, op, 0));
    out[1] = nnc_type_tensor(m, NNC_DT_i64, 0, NULL);
    return NNC_OK;
}

nnc_status nnc_infer_key(nnc_module *m, nnc_op op, nnc_type_rec *key)
{
    NNC_TRY(nnc_infer_tensor(m, op, 0, key));
    if (key->dtype != NNC_DT_u32 || !key->rank || key->dim[key->rank - 1] != 2)
        return nnc_infer_error(m, op, "the key has type %s, needs u32[2] or u32[b.., 2]",
                               nnc_infer_text(m, op, 0));
    return NNC_OK;
}

static nnc_status counter_word(nnc_module *m, nnc_op op, nnc_word key)
{
    int64_t v = nnc_attr_int(m, op, key, -1);
    if (v < 0 || v > UINT32_MAX)
        return nnc_infer_error(m, op, "%s is %lld, must be from 0 to 4294967295",
                               nnc_sym_str(m, nnc_w(key)), (long long)v);
    return NNC_OK;
}

nnc_status nnc_infer_fold_key(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec key, i;
    nnc_dim dim[NNC_MAX_RANK];
    int rank;
    NNC_TRY(nnc_infer_key(m, op, &key));
    NNC_TRY(counter_word(m, op, NNC_W_site));
    NNC_TRY(counter_word(m, op, NNC_W_domain));
    rank = key.rank - 1;
    memcpy(dim, key.dim, (size_t)rank * sizeof *dim);
    for (unsigned k = 1; k < nnc_op_nin(m, op); k++) {
        NNC_TRY(nnc_infer_operand(m, op, k, NNC_DT_i64, -1, "an index"));
        i = *nnc_value_ty(m, nnc_op_in(m, op, k));
        if (!nnc_broadcast_dims(m->dims, rank, dim, i.rank, i.dim, &rank, dim) ||
            rank == NNC_MAX_RANK)
            return nnc_infer_error(m, op, "the index %s does not fit the keys %s",
                                   nnc_infer_text(m, op, k), nnc_infer_text(m, op, 0));
    }
    dim[rank] = 2;
    out[0] = nnc_type_tensor(m, NNC_DT_u32, rank + 1, dim);
    return NNC_OK;
}

nnc_status nnc_infer_nms(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec boxes, scores;
    nnc_dim b, n, size = nnc_attr_int(m, op, NNC_W_size, 0), dim[2] = {0, 3};
    NNC_TRY(nnc_infer_operand(m, op, 0, NNC_DT_f32, 3, "boxes"));
    NNC_TRY(nnc_infer_operand(m, op, 1, NNC_DT_f32, 3, "scores"));
    NNC_TRY(nnc_infer_operand(m, op, 2, NNC_DT_i64, 0, "the number per class"));
    NNC_TRY(nnc_infer_operand(m, op, 3, NNC_DT_f32, 0, "the overlap limit"));
    NNC_TRY(nnc_infer_operand(m, op, 4, NNC_DT_f32, 0, "the score limit"));
    NNC_TRY(nnc_infer_tensor(m, op, 0, &boxes));
    NNC_TRY(nnc_infer_tensor(m, op, 1, &scores));
    if (!nnc_dim_meet(m->dims, boxes.dim[0], scores.dim[0], &b) ||
        !nnc_dim_meet(m->dims, boxes.dim[1], scores.dim[2], &n) || boxes.dim[2] != 4)
        return nnc_infer_error(m, op, "boxes %s and scores %s, need [b,n,4] and [b,c,n]",
                               nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1));
    dim[0] =
        nnc_dim_mul(m->dims, nnc_dim_mul(m->dims, b, scores.dim[1]), nnc_dim_min(m->dims, n, size));
    out[0] = nnc_type_tensor(m, NNC_DT_i64, 2, dim);
    out[1] = nnc_type_tensor(m, NNC_DT_i64, 0, NULL);
    return NNC_OK;
}

/* ---- quantisation ---- */

/* scale and zero: scalars, 1-D along `axis`, or of x's rank with blocks of [block] along `axis`. */
static nnc_status check_scale(nnc_module *m, nnc_op op, const nnc_type_rec *x, unsigned i)
{
    nnc_type_rec s;
    nnc_dim d;
    int axis;
    int64_t block = nnc_attr_int(m, op, NNC_W_block, 0);
    NNC_TRY(nnc_infer_tensor(m, op, i, &s));
    if (!s.rank)
        return NNC_OK;
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x->rank, &axis));
    bool ok;
    if (block > 0) {
        ok = s.rank == x->rank;
        for (int k = 0; ok && k < x->rank; k++)
            ok = nnc_dim_meet(m->dims, s.dim[k],
                              k == axis ? nnc_dim_ceildiv(m->dims, x->dim[k], block) : x->dim[k],
                              &d);
    } else {
        ok = s.rank == 1 && nnc_dim_meet(m->dims, s.dim[0], x->dim[axis], &d);
    }
    if (!ok)
        return nnc_infer_error(
            m, op, "scale or zero %s does not fit %s along axis %d with block %lld",
            nnc_infer_text(m, op, i), nnc_infer_text(m, op, 0), axis, (long long)block);
    return NNC_OK;
}

static nnc_status check_pair(nnc_module *m, nnc_op op, const nnc_type_rec *x)
{
    NNC_TRY(check_scale(m, op, x, 1));
    NNC_TRY(check_scale(m, op, x, 2));
    if (!nnc_dtype_is_float((nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 1))->dtype))
        return nnc_infer_error(m, op, "the scale has type %s, needs a float",
                               nnc_infer_text(m, op, 1));
    return NNC_OK;
}

nnc_status nnc_infer_quantize(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    nnc_dtype to = (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(check_pair(m, op, &x));
    if (nnc_value_ty(m, nnc_op_in(m, op, 2))->dtype != to)
        return nnc_infer_error(m, op, "zero has type %s, the result is %s",
                               nnc_infer_text(m, op, 2), nnc_dtype_infos[to].name);
    out[0] = nnc_type_tensor(m, to, x.rank, x.dim);
    return NNC_OK;
}

nnc_status nnc_infer_dequantize(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(check_pair(m, op, &x));
    if (nnc_value_ty(m, nnc_op_in(m, op, 2))->dtype != x.dtype)
        return nnc_infer_error(m, op, "zero has type %s beside %s", nnc_infer_text(m, op, 2),
                               nnc_infer_text(m, op, 0));
    out[0] =
        nnc_type_tensor(m, (nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 1))->dtype, x.rank, x.dim);
    return NNC_OK;
}
