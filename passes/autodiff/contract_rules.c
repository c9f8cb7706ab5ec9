/* dot and conv: every derivative is another dot or conv, so that it meets the same schedules. */
#include "passes/autodiff/ad.h"
#include <string.h>

static nnc_value cotangent(nnc_ad *x, nnc_op op)
{
    return nnc_ad_get(x, nnc_op_out(x->m, op, 0));
}

/* op(dx, y) + op(x, dy) */
nnc_status nnc_ad_product_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value y = nnc_op_out(m, op, 0), sum = {0};
    nnc_type out = nnc_value_type(m, y);

    for (unsigned i = 0; i < 2; i++) {
        nnc_value in[2] = {nnc_op_in(m, op, 0), nnc_op_in(m, op, 1)}, t = nnc_ad_get(x, in[i]);
        if (!t.id)
            continue;
        in[i] = t;
        nnc_op p = nnc_build_op(&x->b, nnc_op_code(m, op), 2, in, 1, &out);
        nnc_attr_copy(m, p, op);
        sum = sum.id ? nnc_ad_op2(x, NNC_OP_add, sum, nnc_op_out(m, p, 0)) : nnc_op_out(m, p, 0);
    }
    if (sum.id)
        nnc_ad_set(x, y, sum);
    return NNC_OK;
}

/* ---- dot ---- */

enum { FREE, BATCH, CONTRACTED };
typedef struct side {
    nnc_value v;
    int rank;
    unsigned n; /* free dims */
    int64_t batch[NNC_MAX_RANK], contract[NNC_MAX_RANK], free[NNC_MAX_RANK];
} side;

static side side_of(nnc_ad *x, nnc_op op, unsigned i, unsigned *nb, unsigned *nk)
{
    side s = {.v = nnc_op_in(x->m, op, i)};
    int role[NNC_MAX_RANK] = {FREE};
    const int64_t *p;

    s.rank = nnc_value_ty(x->m, s.v)->rank;
    p = nnc_attr_ints(x->m, op, i ? NNC_W_batch_b : NNC_W_batch_a, nb);
    for (unsigned k = 0; k < *nb; k++)
        role[s.batch[k] = p[k]] = BATCH;
    p = nnc_attr_ints(x->m, op, i ? NNC_W_contract_b : NNC_W_contract_a, nk);
    for (unsigned k = 0; k < *nk; k++)
        role[s.contract[k] = p[k]] = CONTRACTED;
    for (int d = 0; d < s.rank; d++)
        if (role[d] == FREE)
            s.free[s.n++] = d;
    return s;
}

/* The dims of `me` in the order in which dot(g, other) or dot(other, g) leaves them: batch, then my free dims (from g) and the
 * contracted ones (free in other, in its order). */
static void order(const side *me, const side *other, unsigned nb, unsigned nk, bool g_first,
                  int64_t *perm)
{
    int64_t place[NNC_MAX_RANK];
    unsigned n = 0;

    for (unsigned i = 0; i < nb; i++)
        place[n++] = me->batch[i];
    for (int pass = 0; pass < 2; pass++) {
        if ((pass == 0) == g_first) {
            for (unsigned i = 0; i < me->n; i++)
                place[n++] = me->free[i];
            continue;
        }
        for (int d = 0; d < other->rank; d++)
            for (unsigned i = 0; i < nk; i++)
                if (other->contract[i] == d)
                    place[n++] = me->contract[i];
    }
    for (unsigned i = 0; i < n; i++)
        perm[place[i]] = i;
}

static bool is_identity(const int64_t *perm, int rank)
{
    for (int d = 0; d < rank; d++)
        if (perm[d] != d)
            return false;
    return true;
}

static void dot_side(nnc_ad *x, nnc_op op, nnc_value g, unsigned i)
{
    unsigned nb, nk;
    side me = side_of(x, op, i, &nb, &nk), other = side_of(x, op, !i, &nb, &nk);
    int64_t gb[NNC_MAX_RANK], gk[NNC_MAX_RANK], perm[NNC_MAX_RANK];
    bool g_first = true;
    nnc_value r;

    if (!nnc_ad_active(x, me.v))
        return;
    for (unsigned k = 0; k < nb; k++)
        gb[k] = k;
    for (unsigned k = 0; k < other.n; k++)
        gk[k] = nb + k + (i ? 0 : me.n); /* where other's free dims are in g */
    order(&me, &other, nb, nk, true, perm);
    if (!is_identity(perm, me.rank)) {
        int64_t swapped[NNC_MAX_RANK];
        order(&me, &other, nb, nk, false, swapped);
        if (is_identity(swapped, me.rank)) {
            memcpy(perm, swapped, sizeof perm);
            g_first = false;
        }
    }
    r = g_first ? nnc_g_dot(&x->b, g, other.v, nb, gb, other.batch, other.n, gk, other.free,
                            NNC_DT_none)
                : nnc_g_dot(&x->b, other.v, g, nb, other.batch, gb, other.n, other.free, gk,
                            NNC_DT_none);
    nnc_ad_add(x, me.v, nnc_g_transpose(&x->b, r, perm));
}

nnc_status nnc_ad_dot_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value g = cotangent(x, op);
    dot_side(x, op, g, 0);
    dot_side(x, op, g, 1);
    return NNC_OK;
}

/* ---- conv ---- */

/* Output position o reads x at (o * stride + k * dilation - lo) / lhs, where that divides. */
typedef struct geometry {
    int ns; /* spatial dims */
    bool nchw;
    int64_t groups, stride[3], dilation[3], lhs[3], lo[3], n[3], k[3], m[3]; /* x, w, y */
} geometry;

static nnc_status geometry_of(nnc_ad *x, nnc_op op, geometry *q)
{
    nnc_module *m = x->m;
    const nnc_type_rec tx = nnc_ad_ty(x, nnc_op_in(m, op, 0)),
                       tw = nnc_ad_ty(x, nnc_op_in(m, op, 1)),
                       ty = nnc_ad_ty(x, nnc_op_out(m, op, 0));
    unsigned n;

    q->ns = tx.rank - 2;
    q->nchw = nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nchw;
    q->groups = nnc_attr_int(m, op, NNC_W_groups, 1);
    for (int i = 0; i < q->ns; i++) {
        int at = i + (q->nchw ? 2 : 1);
        q->stride[i] = nnc_attr_ints(m, op, NNC_W_stride, &n)[i];
        q->dilation[i] = nnc_attr_ints(m, op, NNC_W_dilation, &n)[i];
        q->lhs[i] = nnc_attr_ints(m, op, NNC_W_lhs_dilation, &n)[i];
        q->lo[i] = nnc_attr_ints(m, op, NNC_W_lo, &n)[i];
        q->n[i] = tx.dim[at];
        q->k[i] = tw.dim[i + (q->nchw ? 2 : 0)];
        q->m[i] = ty.dim[at];
        if (!nnc_dim_is_const(q->n[i]) || !nnc_dim_is_const(q->m[i]))
            return nnc_ad_error(x, op,
                                "the derivative of a convolution needs constant spatial sizes");
    }
    return NNC_OK;
}

static nnc_value transposed(nnc_ad *x, nnc_value v, int rank, const int *perm)
{
    int64_t p[NNC_MAX_RANK];
    for (int i = 0; i < rank; i++)
        p[i] = perm[i];
    return nnc_g_transpose(&x->b, v, p);
}

/* Split dim d of v into [groups, rest]. */
static nnc_value split_dim(nnc_ad *x, nnc_value v, int d, int64_t groups)
{
    nnc_type_rec ty = nnc_ad_ty(x, v);
    for (int i = ty.rank; i > d + 1; i--)
        ty.dim[i] = ty.dim[i - 1];
    ty.dim[d + 1] = nnc_dim_floordiv(x->m->dims, ty.dim[d], groups);
    ty.dim[d] = groups;
    ty.rank++;
    return nnc_ad_reshape(x, v, &ty);
}

/* Join dims d and d + 1. */
static nnc_value join_dims(nnc_ad *x, nnc_value v, int d)
{
    nnc_type_rec ty = nnc_ad_ty(x, v);
    ty.dim[d] = nnc_dim_mul(x->m->dims, ty.dim[d], ty.dim[d + 1]);
    for (int i = d + 1; i + 1 < ty.rank; i++)
        ty.dim[i] = ty.dim[i + 1];
    ty.rank--;
    return nnc_ad_reshape(x, v, &ty);
}

/* w with flipped taps and, in every group, inputs and outputs exchanged. */
static nnc_value mirrored(nnc_ad *x, const geometry *q, nnc_value w)
{
    int perm[NNC_MAX_RANK], ns = q->ns;

    for (int i = 0; i < ns; i++)
        w = nnc_g_flip(&x->b, w, i + (q->nchw ? 2 : 0));
    if (q->nchw) { /* [G*O, C, k..] -> [G, O, C, k..] -> [G, C, O, k..] */
        w = split_dim(x, w, 0, q->groups);
        for (int i = 0; i < ns + 3; i++)
            perm[i] = i == 1 ? 2 : i == 2 ? 1 : i;
        return join_dims(x, transposed(x, w, ns + 3, perm), 0);
    }
    w = split_dim(x, w, ns + 1, q->groups); /* [k.., C, G, O] -> [k.., O, G, C] */
    for (int i = 0; i < ns; i++)
        perm[i] = i;
    perm[ns] = ns + 2;
    perm[ns + 1] = ns + 1;
    perm[ns + 2] = ns;
    return join_dims(x, transposed(x, w, ns + 3, perm), ns + 1);
}

/* By data: g with `stride` as its dilation meets the mirrored kernel; x's own dilation becomes the stride. */
static nnc_value conv_data(nnc_ad *x, const geometry *q, nnc_value w, nnc_value g)
{
    nnc_window win = {{0}, {0}, {0}, {0}, {0}, {0}};

    for (int i = 0; i < q->ns; i++) {
        int64_t reach = (q->k[i] - 1) * q->dilation[i], dg = (q->m[i] - 1) * q->stride[i] + 1;
        win.stride[i] = q->lhs[i];
        win.dilation[i] = q->dilation[i];
        win.lhs_dilation[i] = q->stride[i];
        win.lo[i] = reach - q->lo[i];
        win.hi[i] = (q->n[i] - 1) * q->lhs[i] + 1 + reach - dg - win.lo[i];
    }
    return nnc_g_conv(&x->b, g, mirrored(x, q, w), &win, q->groups,
                      q->nchw ? NNC_W_nchw : NNC_W_nhwc, NNC_DT_none);
}

/* Batch and channels of v exchanged, groups outside: [N, G*C, s..] -> [C, G*N, s..]. */
static nnc_value batch_as_channels(nnc_ad *x, const geometry *q, nnc_value v)
{
    int perm[NNC_MAX_RANK], ns = q->ns;

    if (q->nchw) { /* [N, G, C, s..] -> [C, G, N, s..] */
        v = split_dim(x, v, 1, q->groups);
        for (int i = 0; i < ns + 3; i++)
            perm[i] = i < 3 ? 2 - i : i;
        return join_dims(x, transposed(x, v, ns + 3, perm), 1);
    }
    v = split_dim(x, v, ns + 1, q->groups); /* [N, s.., G, C] -> [C, s.., G, N] */
    for (int i = 0; i < ns + 3; i++)
        perm[i] = i;
    perm[0] = ns + 2;
    perm[ns + 2] = 0;
    return join_dims(x, transposed(x, v, ns + 3, perm), ns + 1);
}

/* g as a kernel whose inputs are the examples: O N m.. or m.. N O. */
static nnc_value as_kernel(nnc_ad *x, const geometry *q, nnc_value g)
{
    int perm[NNC_MAX_RANK], ns = q->ns;

    for (int i = 0; i < ns + 2; i++)
        perm[i] = q->nchw ? (i < 2 ? 1 - i : i) : i < ns ? i + 1 : i == ns ? 0 : ns + 1;
    return transposed(x, g, ns + 2, perm);
}

/* By weights: tap k meets x at stride `dilation`, every output position at dilation `stride`; the sum over the batch is the sum
 * over input channels. */
static nnc_value conv_weights(nnc_ad *x, const geometry *q, nnc_value v, nnc_value g)
{
    nnc_window win = {{0}, {0}, {0}, {0}, {0}, {0}};
    int perm[NNC_MAX_RANK], ns = q->ns;
    nnc_value r;

    for (int i = 0; i < ns; i++) {
        win.stride[i] = q->dilation[i];
        win.dilation[i] = q->stride[i];
        win.lhs_dilation[i] = q->lhs[i];
        win.lo[i] = q->lo[i];
        win.hi[i] = (q->k[i] - 1) * q->dilation[i] + (q->m[i] - 1) * q->stride[i] + 1 -
                    ((q->n[i] - 1) * q->lhs[i] + 1) - q->lo[i];
    }
    r = nnc_g_conv(&x->b, batch_as_channels(x, q, v), as_kernel(x, q, g), &win, q->groups,
                   q->nchw ? NNC_W_nchw : NNC_W_nhwc, NNC_DT_none);
    for (int i = 0; i < ns + 2; i++) /* C O k.. -> O C k..;  C k.. O -> k.. C O */
        perm[i] = q->nchw ? (i < 2 ? 1 - i : i) : i < ns ? i + 1 : i == ns ? 0 : ns + 1;
    return transposed(x, r, ns + 2, perm);
}

nnc_status nnc_ad_conv_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value v = nnc_op_in(x->m, op, 0), w = nnc_op_in(x->m, op, 1), g = cotangent(x, op);
    geometry q;

    NNC_TRY(geometry_of(x, op, &q));
    if (nnc_ad_active(x, v))
        nnc_ad_add(x, v, conv_data(x, &q, w, g));
    if (nnc_ad_active(x, w))
        nnc_ad_add(x, w, conv_weights(x, &q, v, g));
    return NNC_OK;
}
