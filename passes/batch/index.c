/* Gathers, scatters and windows at run-time places.
 *
 * Where an op has batch dims, the lanes are one more of them.  scatter_nd has none: the number of the lane becomes the
 * first index.  Windows whose start differs per lane are gathers of index ranges, axis by axis, and updates of such
 * windows are scatters whose places are distinct, [unique=1]. */
#include <string.h>
#include "passes/batch/lanes.h"

/* Common leading dims of both operands: the lanes first. */
static bool with_batch_dims(nnc_lanes *x, nnc_op op, bool axis)
{
    nnc_value in[2] = {nnc_lane_in_full(x, op, 0), nnc_lane_in_full(x, op, 1)};
    nnc_op to = nnc_lane_op(x, op, 2, in, nnc_value_type(x->m, in[0]));
    nnc_attr_set_int(x->m, to, NNC_W_batch_dims, nnc_attr_int(x->m, op, NNC_W_batch_dims, 0) + 1);
    if (axis)
        nnc_attr_set_int(x->m, to, NNC_W_axis, nnc_attr_int(x->m, op, NNC_W_axis, 0) + 1);
    return nnc_lane_done(x, op, nnc_lane_finish(x, to));
}

static bool gather(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value v = nnc_lane_in(x, op, 0), i = nnc_lane_in(x, op, 1);
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    if (nnc_attr_int(x->m, op, NNC_W_batch_dims, 0) || (v.batched && i.batched))
        return with_batch_dims(x, op, true);
    if (v.batched) /* the same places in every lane */
        return nnc_lane_done(x, op, nnc_g_gather(&x->b, v.v, i.v, axis + 1, 0));
    v.v = nnc_g_gather(&x->b, v.v, i.v, axis, 0); /* the lanes come out where the axis was */
    return nnc_lane_done(x, op, nnc_lane_move(x, v.v, axis, 0));
}

static bool gather_nd(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value v = nnc_lane_in(x, op, 0), i = nnc_lane_in(x, op, 1);
    if (!v.batched && !nnc_attr_int(x->m, op, NNC_W_batch_dims, 0))
        return nnc_lane_done(x, op, nnc_g_gather_nd(&x->b, v.v, i.v, 0));
    return with_batch_dims(x, op, false);
}

static bool along_axis(nnc_lanes *x, nnc_op op)
{
    unsigned n = nnc_op_nin(x->m, op);
    nnc_value in[3];
    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_lane_in_full(x, op, i);
    nnc_op to = nnc_lane_op(x, op, n, in, nnc_value_type(x->m, in[0]));
    nnc_attr_set_int(x->m, to, NNC_W_axis, nnc_attr_int(x->m, op, NNC_W_axis, 0) + 1);
    return nnc_lane_done(x, op, nnc_lane_finish(x, to));
}

/* Index columns col[0 .. n), each of dims dim[0 .. rank) or broadcasting to them, as i64[dim.., n]. */
static nnc_value columns(nnc_lanes *x, int n, const nnc_value *col, int rank, const nnc_dim *dim)
{
    nnc_dim one[NNC_MAX_RANK];
    nnc_value part[NNC_MAX_RANK];
    memcpy(one, dim, (size_t)rank * sizeof *dim);
    one[rank] = 1;
    for (int i = 0; i < n; i++) {
        part[i] = nnc_g_broadcast(&x->b, nnc_g_cast(&x->b, col[i], NNC_DT_i64), rank, dim);
        part[i] = nnc_g_reshape(&x->b, part[i], rank + 1, one);
    }
    return n == 1 ? part[0] : nnc_g_concat(&x->b, (unsigned)n, part, rank);
}

/* The number of the lane as [n, 1..] of rank `rank`. */
static nnc_value lane_column(nnc_lanes *x, int rank)
{
    nnc_dim dim[NNC_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dim[i] = i ? 1 : x->n;
    return nnc_g_reshape(&x->b, nnc_lane_iota(x), rank, dim);
}

static bool scatter_nd(nnc_lanes *x, nnc_op op)
{
    nnc_builder *b = &x->b;
    nnc_value v = nnc_lane_in_full(x, op, 0), i = nnc_lane_in_full(x, op, 1),
              u = nnc_lane_in_full(x, op, 2), in[3];
    nnc_type_rec r = *nnc_value_ty(x->m, i);
    nnc_value lane = lane_column(x, r.rank);
    r.dim[r.rank - 1] = 1;
    lane = nnc_g_broadcast(b, lane, r.rank, r.dim);
    in[0] = lane;
    in[1] = nnc_g_cast(b, i, NNC_DT_i64);
    i = nnc_g_concat(b, 2, in, r.rank - 1);
    nnc_value all[3] = {v, i, u};
    return nnc_lane_done(x, op,
                         nnc_lane_finish(x, nnc_lane_op(x, op, 3, all, nnc_value_type(x->m, v))));
}

bool nnc_lane_gathers(nnc_lanes *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_gather: return gather(x, op);
    case NNC_OP_gather_nd: return gather_nd(x, op);
    case NNC_OP_scatter_nd: return scatter_nd(x, op);
    default: return along_axis(x, op);
    }
}

/* ---- windows ---- */

/* start[:, d], clamped so that the window fits: i64[n, 1]. */
static nnc_value start_of(nnc_lanes *x, nnc_value start, int d, nnc_dim extent, nnc_dim size)
{
    nnc_builder *b = &x->b;
    nnc_value s = nnc_g_slice_axis(b, start, 1, d, 1, 1);
    nnc_value most = nnc_g_binary(b, NNC_OP_sub, nnc_g_extent(b, extent), nnc_g_extent(b, size));
    s = nnc_g_binary(b, NNC_OP_min, s, most);
    return nnc_g_binary(b, NNC_OP_max, s, nnc_g_int(b, NNC_DT_i64, 0));
}

/* The places of the window along axis d: i64[n, size]. */
static nnc_value range_of(nnc_lanes *x, nnc_value start, int d, nnc_dim extent, nnc_dim size)
{
    nnc_value s = start_of(x, start, d, extent, size);
    if (size == 1)
        return s;
    return nnc_g_binary(&x->b, NNC_OP_add, s, nnc_g_iota(&x->b, NNC_DT_i64, 1, &size, 0));
}

static nnc_value with_zero(nnc_lanes *x, nnc_value start)
{
    int64_t zero = 0;
    nnc_value in[2] = {nnc_g_ints(&x->b, 1, &zero), start};
    return nnc_g_concat(&x->b, 2, in, 0);
}

static bool dynamic_slice(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value v = nnc_lane_in(x, op, 0), start = nnc_lane_in(x, op, 1);
    const nnc_type_rec from = *nnc_value_ty(x->m, nnc_op_in(x->m, op, 0)),
                       to = *nnc_value_ty(x->m, nnc_op_out(x->m, op, 0));
    nnc_dim size[NNC_MAX_RANK + 1] = {x->n};
    memcpy(size + 1, to.dim, sizeof to.dim);
    if (!start.batched)
        return nnc_lane_done(x, op, nnc_g_dynamic_slice(&x->b, v.v, with_zero(x, start.v), size));
    for (int d = 0; d < to.rank; d++) {
        if (from.dim[d] == to.dim[d])
            continue; /* all of it: clamped to 0 */
        nnc_value i = range_of(x, start.v, d, from.dim[d], to.dim[d]);
        if (v.batched) {
            v.v = nnc_g_gather(&x->b, v.v, i, d + 1, 1);
        } else {
            v.v = nnc_lane_move(x, nnc_g_gather(&x->b, v.v, i, d, 0), d, 0);
            v.batched = true;
        }
    }
    return nnc_lane_done(x, op, nnc_lane_full(x, v));
}

static bool update_slice(nnc_lanes *x, nnc_op op)
{
    nnc_builder *b = &x->b;
    nnc_value v = nnc_lane_in_full(x, op, 0), u = nnc_lane_in_full(x, op, 1);
    nnc_lane_value start = nnc_lane_in(x, op, 2);
    nnc_type_rec to = *nnc_value_ty(x->m, v), w = *nnc_value_ty(x->m, u);
    if (!start.batched)
        return nnc_lane_done(x, op, nnc_g_dynamic_update_slice(b, v, u, with_zero(x, start.v)));
    int depth = 1; /* leading axes up to the last one that the window does not fill */
    for (int d = 1; d < to.rank; d++)
        if (to.dim[d] != w.dim[d])
            depth = d + 1;
    if (depth == 1)
        return nnc_lane_done(x, op, u);
    if (depth == NNC_MAX_RANK)
        return nnc_lane_fail(x, "an update with as many axes as there can be");
    nnc_value col[NNC_MAX_RANK] = {lane_column(x, depth)};
    for (int d = 1; d < depth; d++) {
        nnc_dim dim[NNC_MAX_RANK];
        for (int k = 0; k < depth; k++)
            dim[k] = k == 0 ? x->n : k == d ? w.dim[d] : 1;
        col[d] = nnc_g_reshape(b, range_of(x, start.v, d - 1, to.dim[d], w.dim[d]), depth, dim);
    }
    v = nnc_g_scatter_nd(b, v, columns(x, depth, col, depth, w.dim), u, NNC_W_none);
    nnc_attr_set_int(x->m, nnc_value_op(x->m, v), NNC_W_unique, 1);
    return nnc_lane_done(x, op, v);
}

bool nnc_lane_windows(nnc_lanes *x, nnc_op op)
{
    return nnc_op_code(x->m, op) == NNC_OP_dynamic_slice ? dynamic_slice(x, op)
                                                         : update_slice(x, op);
}
