/* Rules of reductions, dot and conv: what can move into their attributes or their constants. */
#include "passes/rules/structure.h"
#include <math.h>
#include <string.h>

/* ---- reductions ---- */
nnc_value nnc_rule_reduce_units(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_value x = nnc_op_in(m, op, 0);
    nnc_type_rec tx = *nnc_value_ty(m, x), ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    int64_t axes[NNC_MAX_RANK], rest[NNC_MAX_RANK];
    unsigned n, k = 0;
    const int64_t *p = nnc_attr_ints(m, op, NNC_W_axes, &n);
    nnc_value v;

    memcpy(axes, p, n * sizeof *p);
    for (unsigned i = 0; i < n; i++)
        if (tx.dim[axes[i]] != 1)
            rest[k++] = axes[i];
    if (k == n)
        return nnc_no_value();
    v = k ? nnc_g_reduce(b, nnc_attr_word(m, op, NNC_W_kind, NNC_W_sum), x, k, rest, true) : x;
    return nnc_g_reshape(b, v, ty.rank, ty.dim);
}

typedef struct window {
    int rank;
    int64_t size[NNC_MAX_RANK], stride[NNC_MAX_RANK], dilation[NNC_MAX_RANK], lo[NNC_MAX_RANK],
        hi[NNC_MAX_RANK];
} window;

static window window_of(const nnc_module *m, nnc_op op)
{
    window w = {.rank = nnc_value_ty(m, nnc_op_in(m, op, 0))->rank};

    nnc_attr_list(m, op, NNC_W_size, w.rank, 1, w.size);
    nnc_attr_list(m, op, NNC_W_stride, w.rank, 1, w.stride);
    nnc_attr_list(m, op, NNC_W_dilation, w.rank, 1, w.dilation);
    nnc_attr_list(m, op, NNC_W_lo, w.rank, 0, w.lo);
    nnc_attr_list(m, op, NNC_W_hi, w.rank, 0, w.hi);
    return w;
}

nnc_value nnc_rule_window_identity(nnc_builder *b, nnc_op op)
{
    window w = window_of(b->m, op);

    for (int d = 0; d < w.rank; d++)
        if (w.size[d] != 1 || w.stride[d] != 1 || w.lo[d] != 0 || w.hi[d] != 0)
            return nnc_no_value();
    return nnc_op_in(b->m, op, 0);
}

/* A constant pad with number `fill` that nobody else reads; its lo and hi, all constant. */
static nnc_op constant_pad(const nnc_module *m, nnc_value v, double fill, int rank, int64_t *lo,
                           int64_t *hi)
{
    nnc_op pad = nnc_maker(m, v, NNC_OP_pad);

    if (!pad.id || nnc_attr_word(m, pad, NNC_W_mode, NNC_W_constant) != NNC_W_constant ||
        nnc_value_nuse(m, v) != 1 || !nnc_value_is_number(m, nnc_op_in(m, pad, 1), fill))
        return (nnc_op){0};
    nnc_attr_list(m, pad, NNC_W_lo, rank, 0, lo);
    nnc_attr_list(m, pad, NNC_W_hi, rank, 0, hi);
    for (int d = 0; d < rank; d++)
        if (!nnc_dim_is_const(lo[d]) || !nnc_dim_is_const(hi[d]))
            return (nnc_op){0};
    return pad;
}

/* The padding of a window is the identity of its kind, so an explicit pad with that number is the same. */
nnc_value nnc_rule_window_pad(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    window w = window_of(m, op);
    nnc_word kind = nnc_attr_word(m, op, NNC_W_kind, NNC_W_sum);
    int64_t lo[NNC_MAX_RANK], hi[NNC_MAX_RANK];
    double fill = kind == NNC_W_max ? -INFINITY : kind == NNC_W_min ? INFINITY : 0;
    nnc_op pad = constant_pad(m, nnc_op_in(m, op, 0), fill, w.rank, lo, hi);
    nnc_window to = {0};

    if (!pad.id || !nnc_dtype_is_float((nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype))
        return nnc_no_value();
    for (int d = 0; d < w.rank; d++) {
        if (!nnc_dim_is_const(w.lo[d]) || !nnc_dim_is_const(w.hi[d]))
            return nnc_no_value();
        to.size[d] = w.size[d];
        to.stride[d] = w.stride[d];
        to.dilation[d] = w.dilation[d];
        to.lo[d] = w.lo[d] + lo[d];
        to.hi[d] = w.hi[d] + hi[d];
    }
    return nnc_g_window_reduce(b, kind, nnc_op_in(m, pad, 0), &to);
}

/* Zeros padded around spatial dimensions are what conv pads itself. */
nnc_value nnc_rule_conv_pad(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_type_rec tx = *nnc_value_ty(m, nnc_op_in(m, op, 0));
    bool nhwc = nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nhwc;
    int first = nhwc ? 1 : 2, n = tx.rank - 2;
    int64_t lo[NNC_MAX_RANK], hi[NNC_MAX_RANK], l[NNC_MAX_RANK], h[NNC_MAX_RANK], dil[NNC_MAX_RANK];
    nnc_op pad = constant_pad(m, nnc_op_in(m, op, 0), 0, tx.rank, lo, hi), copy;

    if (!pad.id)
        return nnc_no_value();
    nnc_attr_list(m, op, NNC_W_lo, n, 0, l);
    nnc_attr_list(m, op, NNC_W_hi, n, 0, h);
    nnc_attr_list(m, op, NNC_W_lhs_dilation, n, 1, dil);
    for (int d = 0; d < tx.rank; d++)
        if ((d < first || d >= first + n)
                ? lo[d] != 0 || hi[d] != 0
                : dil[d - first] != 1 || l[d - first] < 0 || h[d - first] < 0)
            return nnc_no_value();
    for (int d = 0; d < n; d++) {
        l[d] += lo[first + d];
        h[d] += hi[first + d];
    }
    copy = nnc_op_clone(m, op, (nnc_pos){nnc_op_get(m, op)->block, op}, NULL, 0);
    nnc_op_set_in(m, copy, 0, nnc_op_in(m, pad, 0));
    nnc_attr_set_ints(m, copy, NNC_W_lo, (unsigned)n, l);
    nnc_attr_set_ints(m, copy, NNC_W_hi, (unsigned)n, h);
    (void)b;
    return nnc_op_out(m, copy, 0);
}

/* ---- dot ---- */
static bool listed(const int64_t *v, unsigned n, int64_t a)
{
    for (unsigned i = 0; i < n; i++)
        if (v[i] == a)
            return true;
    return false;
}

/* dot(transpose(a), b): operand a is read one element at a time, so its layout does not matter; b keeps its own. */
nnc_value nnc_rule_dot_transpose(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_op t = nnc_maker(m, nnc_op_in(m, op, 0), NNC_OP_transpose);
    int64_t perm[NNC_MAX_RANK], ba[NNC_MAX_RANK], bb[NNC_MAX_RANK], ca[NNC_MAX_RANK],
        cb[NNC_MAX_RANK], last = -1;
    unsigned nb, nc, n;
    int rank = nnc_value_ty(m, nnc_op_in(m, op, 0))->rank;

    if (!t.id)
        return nnc_no_value();
    nnc_attr_ints(m, op, NNC_W_batch_a, &nb);
    nnc_attr_ints(m, op, NNC_W_contract_a, &nc);
    nnc_attr_list(m, t, NNC_W_perm, rank, 0, perm);
    nnc_attr_list(m, op, NNC_W_batch_a, (int)nb, 0, ba);
    nnc_attr_list(m, op, NNC_W_batch_b, (int)nb, 0, bb);
    nnc_attr_list(m, op, NNC_W_contract_a, (int)nc, 0, ca);
    nnc_attr_list(m, op, NNC_W_contract_b, (int)nc, 0, cb);
    for (int64_t d = 0; d < rank; d++) /* free dimensions must come in the same order */
        if (!listed(ba, nb, d) && !listed(ca, nc, d)) {
            if (perm[d] < last)
                return nnc_no_value();
            last = perm[d];
        }
    for (n = 0; n < nb; n++)
        ba[n] = perm[ba[n]];
    for (n = 0; n < nc; n++)
        ca[n] = perm[ca[n]];
    return nnc_g_dot(b, nnc_op_in(m, t, 0), nnc_op_in(m, op, 1), nb, ba, bb, nc, ca, cb,
                     (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype);
}

/* A sum over no elements is 0. */
nnc_value nnc_rule_dot_nothing(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_type_rec tx = *nnc_value_ty(m, nnc_op_in(m, op, 0)),
                 ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    unsigned n;
    const int64_t *c = nnc_attr_ints(m, op, NNC_W_contract_a, &n);

    for (unsigned i = 0; i < n; i++)
        if (tx.dim[c[i]] == 0)
            return nnc_g_broadcast(b, nnc_g_int(b, (nnc_dtype)ty.dtype, 0), ty.rank, ty.dim);
    return nnc_no_value();
}

/* ---- constants into weights ---- */
typedef struct
    linear { /* a conv or dot with constant weights, perhaps with a constant bias behind it */
    nnc_op op, add;
    nnc_value bias;
    int out_axis;    /* of the result: the dimension that the weights' own outputs become */
    int weight_axis; /* of the weights */
} linear;

static bool is_constant(const nnc_module *m, nnc_value v)
{
    nnc_tensor t;

    return nnc_tensor_of(m, v, &t);
}

static bool describe(const nnc_module *m, nnc_op op, linear *l)
{
    nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, 0)), tw;
    int64_t used[2 * NNC_MAX_RANK];
    unsigned nb, nc, free = 0;

    if (nnc_op_code(m, op) != NNC_OP_conv && nnc_op_code(m, op) != NNC_OP_dot)
        return false;
    tw = *nnc_value_ty(m, nnc_op_in(m, op, 1));
    if (!is_constant(m, nnc_op_in(m, op, 1)) || !nnc_dtype_is_float((nnc_dtype)ty.dtype) ||
        tw.dtype != ty.dtype)
        return false;
    l->op = op;
    if (nnc_op_code(m, op) == NNC_OP_conv) {
        bool nhwc = nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nhwc;
        l->out_axis = nhwc ? ty.rank - 1 : 1;
        l->weight_axis = nhwc ? tw.rank - 1 : 0;
        return true;
    }
    nnc_attr_ints(m, op, NNC_W_batch_b, &nb);
    nnc_attr_ints(m, op, NNC_W_contract_b, &nc);
    nnc_attr_list(m, op, NNC_W_batch_b, (int)nb, 0, used);
    nnc_attr_list(m, op, NNC_W_contract_b, (int)nc, 0, used + nb);
    for (int64_t d = 0; d < tw.rank; d++)
        if (!listed(used, nb + nc, d)) {
            free++;
            l->weight_axis = (int)d;
        }
    l->out_axis = ty.rank - 1;
    return free == 1 && nb == 0;
}

/* v = linear, or add(linear, constant); every step read only here. */
static bool find_linear(const nnc_module *m, nnc_value v, linear *l)
{
    nnc_op op = nnc_value_op(m, v);

    *l = (linear){0};
    if (!op.id || nnc_value_nuse(m, v) != 1)
        return false;
    if (nnc_op_code(m, op) != NNC_OP_add)
        return describe(m, op, l);
    for (unsigned i = 0; i < 2; i++) {
        nnc_op in = nnc_value_op(m, nnc_op_in(m, op, i));
        nnc_value bias = nnc_op_in(m, op, 1 - i);
        if (in.id && nnc_value_nuse(m, nnc_op_in(m, op, i)) == 1 && is_constant(m, bias) &&
            describe(m, in, l)) {
            l->add = op;
            l->bias = bias;
            return nnc_value_type(m, nnc_op_out(m, in, 0)).id == nnc_value_type(m, v).id;
        }
    }
    return false;
}

/* Is s a scalar, or one number per output of the weights (every other dimension 1)? */
static bool per_output(const nnc_module *m, const linear *l, nnc_value s)
{
    nnc_type_rec ts = *nnc_value_ty(m, s), ty = *nnc_value_ty(m, nnc_op_out(m, l->op, 0));

    if (!is_constant(m, s) || ts.rank > ty.rank)
        return false;
    for (int d = 0; d < ts.rank; d++)
        if (ts.dim[d] != 1 && d + ty.rank - ts.rank != l->out_axis)
            return false;
    return true;
}

/* s in a shape that broadcasts along the outputs of the weights. */
static nnc_value along_weights(nnc_builder *b, const linear *l, nnc_value s)
{
    nnc_type_rec tw = *nnc_value_ty(b->m, nnc_op_in(b->m, l->op, 1));
    nnc_dim dim[NNC_MAX_RANK], n = nnc_type_size(b->m, nnc_value_type(b->m, s));

    if (n == 1)
        return nnc_g_reshape(b, s, 0, NULL);
    for (int d = 0; d < tw.rank; d++)
        dim[d] = d == l->weight_axis ? n : 1;
    return nnc_g_reshape(b, s, tw.rank, dim);
}

/* Quantised nets round the scaled sum: a last bit that differs there becomes a whole step, so the reference's own order of
 * operations stays. */
static bool is_rounded(const nnc_module *m, nnc_value v)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_opcode code = nnc_op_code(m, m->use.at[u].user);
        if (code == NNC_OP_round || code == NNC_OP_quantize || code == NNC_OP_floor ||
            code == NNC_OP_ceil)
            return true;
    }
    return false;
}

/* (conv(x, w) + c) * s = conv(x, w * s) + c * s; the same for / and for dot. */
nnc_value nnc_rule_scale_into_weights(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_opcode code = nnc_op_code(m, op);
    nnc_pos at = {nnc_op_get(m, op)->block, op};
    nnc_value s, v, w;
    linear l;
    nnc_op copy;
    unsigned i = 0;

    if (!find_linear(m, nnc_op_in(m, op, 0), &l) &&
        (code != NNC_OP_mul || !find_linear(m, nnc_op_in(m, op, i = 1), &l)))
        return nnc_no_value();
    s = nnc_op_in(m, op, 1 - i);
    if (is_rounded(m, nnc_op_out(m, op, 0)) || !per_output(m, &l, s) ||
        nnc_value_type(m, nnc_op_out(m, op, 0)).id !=
            nnc_value_type(m, nnc_op_out(m, l.op, 0)).id ||
        (l.add.id && !per_output(m, &l, l.bias)))
        return nnc_no_value();
    w = nnc_g_binary(b, code, nnc_op_in(m, l.op, 1), along_weights(b, &l, s));
    copy = nnc_op_clone(m, l.op, at, NULL, 0);
    nnc_op_set_in(m, copy, 1, w);
    v = nnc_op_out(m, copy, 0);
    return l.add.id ? nnc_g_binary(b, NNC_OP_add, v, nnc_g_binary(b, code, l.bias, s)) : v;
}

/* (conv(x, w) + c) + d = conv(x, w) + (c + d) */
nnc_value nnc_rule_shift_into_bias(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    linear l;
    nnc_value d;
    unsigned i = 0;

    if ((!find_linear(m, nnc_op_in(m, op, 0), &l) || !l.add.id) &&
        (!find_linear(m, nnc_op_in(m, op, i = 1), &l) || !l.add.id))
        return nnc_no_value();
    d = nnc_op_in(m, op, 1 - i);
    if (!per_output(m, &l, d) || !per_output(m, &l, l.bias) ||
        nnc_value_type(m, nnc_op_out(m, op, 0)).id != nnc_value_type(m, nnc_op_out(m, l.op, 0)).id)
        return nnc_no_value();
    return nnc_g_binary(b, NNC_OP_add, nnc_op_out(m, l.op, 0),
                        nnc_g_binary(b, NNC_OP_add, l.bias, d));
}
