/* Contractions.  What the lanes share stays one matrix: a vector times a matrix becomes a matrix product, a convolution
 * gets more images.  Only two operands that both differ from lane to lane make a batch of products. */
#include <string.h>
#include "passes/batch/lanes.h"

typedef struct axes {
    unsigned nbatch, ncontract;
    int64_t batch[2][NNC_MAX_RANK], contract[2][NNC_MAX_RANK];
} axes;

static unsigned list(nnc_lanes *x, nnc_op op, nnc_word key, bool shift, int64_t *out)
{
    unsigned n;
    const int64_t *at = nnc_attr_ints(x->m, op, key, &n);
    for (unsigned i = 0; i < n && i < NNC_MAX_RANK; i++)
        out[i] = at[i] + shift;
    return n;
}

/* The op's axes, of operands that have lanes in front where `batched` says so. */
static axes axes_of(nnc_lanes *x, nnc_op op, const nnc_lane_value v[2])
{
    axes s = {0};
    s.nbatch = list(x, op, NNC_W_batch_a, v[0].batched, s.batch[0]);
    list(x, op, NNC_W_batch_b, v[1].batched, s.batch[1]);
    s.ncontract = list(x, op, NNC_W_contract_a, v[0].batched, s.contract[0]);
    list(x, op, NNC_W_contract_b, v[1].batched, s.contract[1]);
    return s;
}

static nnc_value dot(nnc_lanes *x, nnc_op op, const nnc_lane_value v[2], const axes *s, int first)
{
    int second = 1 - first;
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(x->m, nnc_op_out(x->m, op, 0))->dtype;
    return nnc_g_dot(&x->b, v[first].v, v[second].v, s->nbatch, s->batch[first], s->batch[second],
                     s->ncontract, s->contract[first], s->contract[second], dt);
}

/* One operand has lanes: they are one of its free axes, first among them. */
static bool dot_shared(nnc_lanes *x, nnc_op op, const nnc_lane_value v[2], const axes *s)
{
    int with = v[0].batched ? 0 : 1;
    nnc_value y = dot(x, op, v, s, with); /* batch, lanes, free of `with`, free of the other */
    y = nnc_lane_move(x, y, (int)s->nbatch, 0);
    if (with == 0)
        return nnc_lane_done(x, op, y);
    /* lanes, batch, free of b, free of a: a comes first */
    int nb = (int)s->nbatch, free[2];
    int64_t perm[NNC_MAX_RANK];
    for (int k = 0; k < 2; k++)
        free[k] = nnc_value_ty(x->m, v[k].v)->rank - v[k].batched - nb - (int)s->ncontract;
    for (int i = 0; i <= nb; i++)
        perm[i] = i;
    for (int i = 0; i < free[0]; i++)
        perm[1 + nb + i] = 1 + nb + free[1] + i;
    for (int i = 0; i < free[1]; i++)
        perm[1 + nb + free[0] + i] = 1 + nb + i;
    return nnc_lane_done(x, op, nnc_g_transpose(&x->b, y, perm));
}

/* Axes of operand k that are neither batch nor contracted. */
static unsigned free_axes(nnc_lanes *x, nnc_value v, const axes *s, int k, int64_t *out)
{
    unsigned used = 0, n = 0;
    for (unsigned i = 0; i < s->nbatch; i++)
        used |= 1u << s->batch[k][i];
    for (unsigned i = 0; i < s->ncontract; i++)
        used |= 1u << s->contract[k][i];
    for (int i = 0; i < nnc_value_ty(x->m, v)->rank; i++)
        if (!(used >> i & 1))
            out[n++] = i;
    return n;
}

/* Operand k with its axes in the order batch, free (of both: ones for the other's), contracted. */
static nnc_value laid_out(nnc_lanes *x, nnc_value v, const axes *s, int k, const unsigned *nfree)
{
    const nnc_type_rec r = *nnc_value_ty(x->m, v);
    int64_t perm[NNC_MAX_RANK];
    nnc_dim dim[NNC_MAX_RANK];
    unsigned n = 0, d = 0;
    for (unsigned i = 0; i < s->nbatch; i++)
        perm[n++] = s->batch[k][i];
    n += free_axes(x, v, s, k, perm + n);
    for (unsigned i = 0; i < s->ncontract; i++)
        perm[n++] = s->contract[k][i];
    for (unsigned i = 0; i < s->nbatch; i++)
        dim[d++] = r.dim[perm[i]];
    for (int side = 0; side < 2; side++)
        for (unsigned i = 0; i < nfree[side]; i++)
            dim[d++] = side == k ? r.dim[perm[s->nbatch + i]] : 1;
    for (unsigned i = 0; i < s->ncontract; i++)
        dim[d++] = r.dim[s->contract[k][i]];
    return nnc_g_reshape(&x->b, nnc_g_transpose(&x->b, v, perm), (int)d, dim);
}

/* Both have lanes.  Inner and outer products are no work for a matrix kernel: they are maps, which others can join. */
static bool dot_lanes(nnc_lanes *x, nnc_op op, const nnc_lane_value v[2], axes *s)
{
    for (int k = 0; k < 2; k++) {
        memmove(s->batch[k] + 1, s->batch[k], s->nbatch * sizeof s->batch[k][0]);
        s->batch[k][0] = 0;
    }
    s->nbatch++;
    int64_t unused[NNC_MAX_RANK];
    unsigned nfree[2] = {free_axes(x, v[0].v, s, 0, unused), free_axes(x, v[1].v, s, 1, unused)};
    const nnc_type_rec y = *nnc_value_ty(x->m, nnc_op_out(x->m, op, 0));
    bool plain =
        y.dtype == nnc_value_ty(x->m, v[0].v)->dtype && nnc_dtype_infos[y.dtype].bits >= 32;
    unsigned rank = s->nbatch + nfree[0] + nfree[1] + s->ncontract;
    if (!plain || rank > NNC_MAX_RANK || (s->ncontract && nfree[0] + nfree[1]))
        return nnc_lane_done(x, op, dot(x, op, v, s, 0));
    nnc_value p = nnc_g_binary(&x->b, NNC_OP_mul, laid_out(x, v[0].v, s, 0, nfree),
                               laid_out(x, v[1].v, s, 1, nfree));
    for (unsigned i = 0; i < s->ncontract; i++)
        unused[i] = (int64_t)(s->nbatch + i);
    return nnc_lane_done(x, op, nnc_g_reduce(&x->b, NNC_W_sum, p, s->ncontract, unused, false));
}

bool nnc_lane_dot(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value v[2] = {nnc_lane_in(x, op, 0), nnc_lane_in(x, op, 1)};
    axes s = axes_of(x, op, v);
    return v[0].batched && v[1].batched ? dot_lanes(x, op, v, &s) : dot_shared(x, op, v, &s);
}

/* ---- conv ---- */

/* Axis 0 and axis `at` (counted without axis 0) become one, axis 0 slower. */
static nnc_value merge(nnc_lanes *x, nnc_value v, int at)
{
    v = nnc_lane_move(x, v, 0, at);
    nnc_type_rec r = *nnc_value_ty(x->m, v);
    r.dim[at] = nnc_dim_mul(x->m->dims, r.dim[at], r.dim[at + 1]);
    memmove(r.dim + at + 1, r.dim + at + 2, (size_t)(r.rank - at - 2) * sizeof r.dim[0]);
    return nnc_g_reshape(&x->b, v, r.rank - 1, r.dim);
}

/* Axis `at` becomes [outer, rest]. */
static nnc_value split(nnc_lanes *x, nnc_value v, int at, nnc_dim outer, nnc_dim rest)
{
    nnc_type_rec r = *nnc_value_ty(x->m, v);
    memmove(r.dim + at + 2, r.dim + at + 1, (size_t)(r.rank - at - 1) * sizeof r.dim[0]);
    r.dim[at] = outer;
    r.dim[at + 1] = rest;
    return nnc_g_reshape(&x->b, v, r.rank + 1, r.dim);
}

static nnc_value conv(nnc_lanes *x, nnc_op op, nnc_value v, nnc_value w, nnc_dim groups)
{
    nnc_value in[2] = {v, w};
    nnc_op to = nnc_lane_op(x, op, 2, in, nnc_value_type(x->m, nnc_op_out(x->m, op, 0)));
    nnc_attr_set_int(x->m, to, NNC_W_groups, groups);
    return nnc_lane_finish(x, to);
}

bool nnc_lane_conv(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value v = nnc_lane_in(x, op, 0), w = nnc_lane_in(x, op, 1);
    const nnc_type_rec tx = *nnc_value_ty(x->m, nnc_op_in(x->m, op, 0)),
                       tw = *nnc_value_ty(x->m, nnc_op_in(x->m, op, 1));
    bool nchw = nnc_attr_word(x->m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nchw;
    int channel = nchw ? 1 : tx.rank - 1, out = nchw ? 0 : tw.rank - 1;
    int64_t groups = nnc_attr_int(x->m, op, NNC_W_groups, 1);
    nnc_value y;

    if (!w.batched) { /* more images */
        y = conv(x, op, merge(x, v.v, 0), w.v, groups);
        return nnc_lane_done(x, op, split(x, y, 0, x->n, tx.dim[0]));
    }
    if (!nnc_dim_is_const(x->n))
        return nnc_lane_fail(x, "a convolution whose kernel is another one in every turn, for a "
                                "number of turns that is not known");
    if (v.batched || groups > 1) { /* more groups: lanes slowest among the channels */
        y = conv(x, op, merge(x, nnc_lane_full(x, v), channel), merge(x, w.v, out), groups * x->n);
    } else { /* more output channels */
        y = conv(x, op, v.v, merge(x, w.v, out), 1);
    }
    y = split(x, y, channel, x->n, tw.dim[out]);
    return nnc_lane_done(x, op, nnc_lane_move(x, y, channel, 0));
}
