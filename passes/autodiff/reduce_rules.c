/* Reductions, running sums and products, windows.
 *
 * Products never divide: what multiplies an element is a product of those before and of those behind it, so zeros are like any
 * number.  Maxima and minima go to the first winner, found again by its index. */
#include "passes/autodiff/ad.h"

static nnc_value cotangent(nnc_ad *x, nnc_op op)
{
    return nnc_ad_get(x, nnc_op_out(x->m, op, 0));
}

/* ---- reduce ---- */

/* A tensor seen with its reduced axes as one. */
typedef struct line {
    nnc_type_rec full, moved; /* full: before; moved: after the transpose */
    int64_t back[NNC_MAX_RANK], perm[NNC_MAX_RANK];
    nnc_type_rec flat; /* the reduced axes are axis `axis` */
    int axis;
    bool direct; /* one axis only: nothing to move */
} line;

static line line_of(nnc_ad *x, nnc_op op)
{
    nnc_value v = nnc_op_in(x->m, op, 0);
    line l = {.full = nnc_ad_ty(x, v)};
    unsigned n;
    const int64_t *axes = nnc_attr_ints(x->m, op, NNC_W_axes, &n);
    bool reduced[NNC_MAX_RANK] = {false};
    int at = 0;

    l.direct = n == 1;
    l.flat = l.full;
    l.axis = l.direct ? (int)axes[0] : l.full.rank - (int)n;
    if (l.direct)
        return l;
    for (unsigned i = 0; i < n; i++)
        reduced[axes[i]] = true;
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0; d < l.full.rank; d++)
            if (reduced[d] == (pass == 1))
                l.perm[at++] = d;
    l.moved = l.full;
    for (int d = 0; d < l.full.rank; d++) {
        l.back[l.perm[d]] = d;
        l.moved.dim[d] = l.full.dim[l.perm[d]];
    }
    l.flat = l.moved;
    l.flat.rank = (uint8_t)(l.axis + 1);
    for (int d = l.axis + 1; d < l.full.rank; d++)
        l.flat.dim[l.axis] = nnc_dim_mul(x->m->dims, l.flat.dim[l.axis], l.moved.dim[d]);
    return l;
}

static nnc_value to_line(nnc_ad *x, const line *l, nnc_value v)
{
    if (l->direct)
        return v;
    return nnc_ad_reshape(x, nnc_g_transpose(&x->b, v, l->perm), &l->flat);
}

static nnc_value from_line(nnc_ad *x, const line *l, nnc_value v)
{
    if (l->direct)
        return v;
    return nnc_g_transpose(&x->b, nnc_ad_reshape(x, v, &l->moved), l->back);
}

/* y, or its cotangent, against the flat form: 1 in place of the reduced axes. */
static nnc_value one_per_line(nnc_ad *x, const line *l, nnc_value v)
{
    nnc_type_rec ty = l->flat;
    ty.dim[l->axis] = 1;
    return nnc_ad_reshape(x, v, &ty);
}

/* dy/dx of max, min: bool, true at the first winner.  Of prod: the product of the others. */
static nnc_value weight(nnc_ad *x, nnc_op op, const line *l)
{
    nnc_value v = to_line(x, l, nnc_op_in(x->m, op, 0)), a, b;
    nnc_word kind = nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_none);

    if (kind == NNC_W_prod) {
        a = nnc_g_cumulate(&x->b, NNC_W_mul, v, l->axis, true, false);
        b = nnc_g_cumulate(&x->b, NNC_W_mul, v, l->axis, true, true);
        return nnc_ad_op2(x, NNC_OP_mul, a, b);
    }
    a = nnc_g_argreduce(&x->b, kind, v, l->axis, false, true);
    b = nnc_g_iota(&x->b, NNC_DT_i64, l->flat.rank, l->flat.dim, l->axis);
    return nnc_ad_op2(x, NNC_OP_eq, b, a);
}

static nnc_value weighted(nnc_ad *x, nnc_op op, nnc_value w, nnc_value g)
{
    if (nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_none) == NNC_W_prod)
        return nnc_ad_op2(x, NNC_OP_mul, w, g);
    return nnc_g_select(&x->b, w, g, nnc_ad_like(x, g, 0));
}

nnc_status nnc_ad_reduce_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0), g = cotangent(x, op);
    unsigned n;

    if (nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_none) == NNC_W_sum) {
        const nnc_type_rec ty = nnc_ad_ty(x, from);
        nnc_type_rec kept = ty;
        const int64_t *axes = nnc_attr_ints(x->m, op, NNC_W_axes, &n);
        for (unsigned i = 0; i < n; i++)
            kept.dim[axes[i]] = 1;
        nnc_ad_add(x, from, nnc_ad_broadcast(x, nnc_ad_reshape(x, g, &kept), &ty));
        return NNC_OK;
    }
    line l = line_of(x, op);
    g = weighted(x, op, weight(x, op, &l), one_per_line(x, &l, g));
    nnc_ad_add(x, from, from_line(x, &l, g));
    return NNC_OK;
}

nnc_status nnc_ad_reduce_jvp(nnc_ad *x, nnc_op op)
{
    nnc_value t = nnc_ad_get(x, nnc_op_in(x->m, op, 0)), y = nnc_op_out(x->m, op, 0);

    if (nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_none) == NNC_W_sum)
        return nnc_ad_linear_jvp(x, op);
    if (!t.id)
        return NNC_OK;
    line l = line_of(x, op);
    const nnc_type_rec ty = nnc_ad_ty(x, y);
    t = weighted(x, op, weight(x, op, &l), to_line(x, &l, t));
    t = nnc_ad_sum(x, t, 1, &(int64_t){l.axis}, false);
    nnc_ad_set(x, y, nnc_ad_reshape(x, t, &ty));
    return NNC_OK;
}

/* ---- cumulate ---- */

typedef struct running {
    int axis;
    bool exclusive, reverse, product;
    int64_t perm[NNC_MAX_RANK], back[NNC_MAX_RANK]; /* the axis to the front */
} running;

static running running_of(nnc_ad *x, nnc_op op)
{
    running r = {.axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0)};
    int rank = nnc_ad_ty(x, nnc_op_in(x->m, op, 0)).rank;

    r.exclusive = nnc_attr_int(x->m, op, NNC_W_exclusive, 0);
    r.reverse = nnc_attr_int(x->m, op, NNC_W_reverse, 0);
    r.product = nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_none) == NNC_W_mul;
    r.perm[0] = r.axis;
    for (int d = 1; d < rank; d++)
        r.perm[d] = d <= r.axis ? d - 1 : d;
    for (int d = 0; d < rank; d++)
        r.back[r.perm[d]] = d;
    return r;
}

/* A loop over the lines' positions that carries `nc` rows, starting from `start`, and reads a and b. */
static nnc_op begin_lines(nnc_ad *x, const running *r, bool backwards, nnc_value a, nnc_value b,
                          unsigned nc, const double *start, nnc_builder *in)
{
    nnc_module *m = x->m;
    nnc_type_rec ty;
    nnc_value init[4];
    nnc_type row;

    a = nnc_g_transpose(&x->b, a, r->perm);
    b = nnc_g_transpose(&x->b, b, r->perm);
    ty = nnc_ad_ty(x, a);
    row = nnc_type_tensor(m, (nnc_dtype)ty.dtype, ty.rank - 1, ty.dim + 1);
    for (unsigned i = 0; i < nc; i++)
        init[i] = nnc_g_broadcast(&x->b, nnc_ad_like(x, a, start[i]), ty.rank - 1, ty.dim + 1);
    init[nc] = a;
    init[nc + 1] = b;
    nnc_op scan = nnc_g_scan(&x->b, ty.dim[0], nc, nc + 2, init, 1, &row);
    if (backwards)
        nnc_attr_set_int(m, scan, NNC_W_reverse, 1);
    *in = nnc_builder_at_end(m, nnc_op_region(m, scan, 0));
    in->loc = x->b.loc;
    return scan;
}

static nnc_value end_lines(nnc_ad *x, const running *r, nnc_op scan, nnc_builder *in, unsigned nc,
                           const nnc_value *yield)
{
    nnc_build_yield(in, nc + 1, yield);
    nnc_g_finish(&x->b, scan);
    return nnc_g_transpose(&x->b, nnc_op_out(x->m, scan, nc), r->back);
}

/* dx[j] = (product before j) * s[j], where s gathers the results behind j: s[j] = g[j] + x[j+1] * s[j+1]; exclusive results
 * lie one further. */
static nnc_value product_vjp(nnc_ad *x, const running *r, nnc_value v, nnc_value g)
{
    nnc_builder in;
    nnc_op scan = begin_lines(x, r, !r->reverse, g, v, 1, &(double){0}, &in);
    nnc_block body = in.pos.block;
    nnc_value h = nnc_block_arg(x->m, body, 1), gj = nnc_block_arg(x->m, body, 2),
              xj = nnc_block_arg(x->m, body, 3), yield[2];

    if (r->exclusive) {
        yield[0] = nnc_g_binary(&in, NNC_OP_add, gj, nnc_g_binary(&in, NNC_OP_mul, xj, h));
        yield[1] = h;
    } else {
        yield[1] = nnc_g_binary(&in, NNC_OP_add, gj, h);
        yield[0] = nnc_g_binary(&in, NNC_OP_mul, xj, yield[1]);
    }
    nnc_value s = end_lines(x, r, scan, &in, 1, yield);
    nnc_value before = nnc_g_cumulate(&x->b, NNC_W_mul, v, r->axis, true, r->reverse);
    return nnc_ad_op2(x, NNC_OP_mul, before, s);
}

/* (p, dp) of the product so far. */
static nnc_value product_jvp(nnc_ad *x, const running *r, nnc_value v, nnc_value t)
{
    nnc_builder in;
    nnc_op scan = begin_lines(x, r, r->reverse, v, t, 2, (double[]){1, 0}, &in);
    nnc_block body = in.pos.block;
    nnc_value p = nnc_block_arg(x->m, body, 1), dp = nnc_block_arg(x->m, body, 2),
              xj = nnc_block_arg(x->m, body, 3), tj = nnc_block_arg(x->m, body, 4), yield[3];

    yield[0] = nnc_g_binary(&in, NNC_OP_mul, p, xj);
    yield[1] = nnc_g_binary(&in, NNC_OP_add, nnc_g_binary(&in, NNC_OP_mul, dp, xj),
                            nnc_g_binary(&in, NNC_OP_mul, p, tj));
    yield[2] = r->exclusive ? dp : yield[1];
    return end_lines(x, r, scan, &in, 2, yield);
}

nnc_status nnc_ad_cumulate_vjp(nnc_ad *x, nnc_op op)
{
    running r = running_of(x, op);
    nnc_value from = nnc_op_in(x->m, op, 0), g = cotangent(x, op);

    if (r.product)
        g = product_vjp(x, &r, from, g);
    else
        g = nnc_g_cumulate(&x->b, NNC_W_add, g, r.axis, r.exclusive, !r.reverse);
    nnc_ad_add(x, from, g);
    return NNC_OK;
}

nnc_status nnc_ad_cumulate_jvp(nnc_ad *x, nnc_op op)
{
    running r = running_of(x, op);
    nnc_value t = nnc_ad_get(x, nnc_op_in(x->m, op, 0));

    if (!r.product)
        return nnc_ad_linear_jvp(x, op);
    if (t.id)
        nnc_ad_set(x, nnc_op_out(x->m, op, 0), product_jvp(x, &r, nnc_op_in(x->m, op, 0), t));
    return NNC_OK;
}

/* ---- windows ---- */

static nnc_window window_of(nnc_ad *x, nnc_op op)
{
    nnc_window w = {{0}, {0}, {0}, {0}, {0}, {0}};
    unsigned n, rank = nnc_ad_ty(x, nnc_op_in(x->m, op, 0)).rank;

    for (unsigned d = 0; d < rank; d++) {
        w.size[d] = nnc_attr_ints(x->m, op, NNC_W_size, &n)[d];
        w.stride[d] = nnc_attr_ints(x->m, op, NNC_W_stride, &n)[d];
        w.dilation[d] = nnc_attr_ints(x->m, op, NNC_W_dilation, &n)[d];
        w.lo[d] = nnc_attr_ints(x->m, op, NNC_W_lo, &n)[d];
        w.hi[d] = nnc_attr_ints(x->m, op, NNC_W_hi, &n)[d];
    }
    return w;
}

static bool tiles(const nnc_window *w, int rank, int *wide)
{
    *wide = 0;
    for (int d = 0; d < rank; d++) {
        if (w->stride[d] != w->size[d] || (w->dilation[d] != 1 && w->size[d] > 1))
            return false;
        *wide += w->size[d] > 1;
    }
    return rank + *wide <= NNC_MAX_RANK;
}

/* Windows side by side: each g is repeated over its window. */
static nnc_value repeated(nnc_ad *x, nnc_value g, const nnc_window *w, const nnc_type_rec *to)
{
    nnc_dims *t = x->m->dims;
    const nnc_type_rec tg = nnc_ad_ty(x, g);
    nnc_type_rec split = {.rank = 0}, wide = {.rank = 0}, whole = tg;
    nnc_dim lo[NNC_MAX_RANK], hi[NNC_MAX_RANK];

    for (int d = 0; d < tg.rank; d++) {
        split.dim[split.rank++] = tg.dim[d];
        wide.dim[wide.rank++] = tg.dim[d];
        if (w->size[d] > 1) {
            split.dim[split.rank++] = 1;
            wide.dim[wide.rank++] = w->size[d];
        }
        whole.dim[d] = nnc_dim_mul(t, tg.dim[d], w->size[d]);
        lo[d] = nnc_dim_sub(t, 0, w->lo[d]);
        hi[d] = nnc_dim_sub(t, nnc_dim_sub(t, to->dim[d], whole.dim[d]), lo[d]);
    }
    g = nnc_ad_broadcast(x, nnc_ad_reshape(x, g, &split), &wide);
    return nnc_g_pad(&x->b, nnc_ad_reshape(x, g, &whole), nnc_ad_like(x, g, 0), lo, hi,
                     NNC_W_constant);
}

/* dx[i] = sum of the windows that hold i: a window sum, step 1, over g with zeros between and around. */
static nnc_status window_sum_vjp(nnc_ad *x, nnc_op op, nnc_value from, nnc_value g)
{
    nnc_dims *t = x->m->dims;
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    nnc_window w = window_of(x, op), out = {{0}, {0}, {0}, {0}, {0}, {0}};
    nnc_dim lo[NNC_MAX_RANK], hi[NNC_MAX_RANK];
    int wide;

    if (tiles(&w, ty.rank, &wide)) {
        nnc_ad_add(x, from, repeated(x, g, &w, &ty));
        return NNC_OK;
    }
    for (int d = 0; d < ty.rank; d++) {
        int64_t reach = (w.size[d] - 1) * w.dilation[d];
        if (w.stride[d] > 1 && nnc_ad_ty(x, g).dim[d] != 1) {
            if (ty.rank == NNC_MAX_RANK)
                return nnc_ad_error(x, op,
                                    "the derivative of a window sum with strides needs rank %d "
                                    "or less",
                                    NNC_MAX_RANK - 1);
            g = nnc_ad_dilate(x, g, d, w.stride[d]);
        }
        lo[d] = nnc_dim_sub(t, reach, w.lo[d]);
        hi[d] = nnc_dim_sub(
            t, nnc_dim_add(t, nnc_dim_sub(t, ty.dim[d], nnc_ad_ty(x, g).dim[d]), reach), lo[d]);
        out.size[d] = w.size[d];
        out.dilation[d] = w.dilation[d];
    }
    g = nnc_g_pad(&x->b, g, nnc_ad_like(x, g, 0), lo, hi, NNC_W_constant);
    nnc_ad_add(x, from, nnc_g_window_reduce(&x->b, NNC_W_sum, g, &out));
    return NNC_OK;
}

/* Where the winner of each window is, in x as a vector. */
static nnc_value winners(nnc_ad *x, nnc_op op)
{
    nnc_window w = window_of(x, op);
    nnc_value v = nnc_op_in(x->m, op, 0);

    if (nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_none) == NNC_W_min)
        v = nnc_ad_op1(x, NNC_OP_neg, v);
    return nnc_g_window_argmax(&x->b, v, &w);
}

nnc_status nnc_ad_window_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value from = nnc_op_in(m, op, 0), g = cotangent(x, op), flat;
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    nnc_dim n = nnc_type_size(m, nnc_value_type(m, from)),
            ng = nnc_type_size(m, nnc_value_type(m, g)), column[2] = {ng, 1};

    if (nnc_attr_word(m, op, NNC_W_kind, NNC_W_none) == NNC_W_sum)
        return window_sum_vjp(x, op, from, g);
    flat = nnc_g_reshape(&x->b, nnc_ad_base(x, from), 1, &n);
    flat = nnc_g_scatter_nd(&x->b, flat, nnc_g_reshape(&x->b, winners(x, op), 2, column),
                            nnc_g_reshape(&x->b, g, 1, &ng), NNC_W_add);
    nnc_ad_set(x, from, nnc_ad_reshape(x, flat, &ty));
    return NNC_OK;
}

nnc_status nnc_ad_window_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value from = nnc_op_in(m, op, 0), t = nnc_ad_get(x, from);
    nnc_dim n = nnc_type_size(m, nnc_value_type(m, from));

    if (nnc_attr_word(m, op, NNC_W_kind, NNC_W_none) == NNC_W_sum)
        return nnc_ad_linear_jvp(x, op);
    if (t.id)
        nnc_ad_set(x, nnc_op_out(m, op, 0),
                   nnc_g_gather(&x->b, nnc_g_reshape(&x->b, t, 1, &n), winners(x, op), 0, 0));
    return NNC_OK;
}
