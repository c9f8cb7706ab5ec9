/* Ops along axes (reductions, sorting, running sums, softmax), keys and quantisation. */
#include <string.h>
#include "passes/batch/lanes.h"

static void shift_axis(nnc_lanes *x, nnc_op op)
{
    nnc_attr_set_int(x->m, op, NNC_W_axis, nnc_attr_int(x->m, op, NNC_W_axis, 0) + 1);
}

static void shift_axes(nnc_lanes *x, nnc_op op)
{
    int64_t list[NNC_MAX_RANK];
    unsigned n;
    const int64_t *at = nnc_attr_ints(x->m, op, NNC_W_axes, &n);
    for (unsigned i = 0; i < n && i < NNC_MAX_RANK; i++)
        list[i] = at[i] + 1;
    nnc_attr_set_ints(x->m, op, NNC_W_axes, n, list);
}

/* The lanes are a dim with windows of one element. */
static void shift_window(nnc_lanes *x, nnc_op op)
{
    static const struct {
        nnc_word key;
        int64_t v;
    } entry[] = {
        {NNC_W_size, 1}, {NNC_W_stride, 1}, {NNC_W_dilation, 1}, {NNC_W_lo, 0}, {NNC_W_hi, 0}};
    for (unsigned k = 0; k < sizeof entry / sizeof entry[0]; k++) {
        int64_t list[NNC_MAX_RANK + 1] = {entry[k].v};
        unsigned n;
        const int64_t *at = nnc_attr_ints(x->m, op, entry[k].key, &n);
        for (unsigned i = 0; i < n && i < NNC_MAX_RANK; i++)
            list[i + 1] = at[i];
        nnc_attr_set_ints(x->m, op, entry[k].key, n + 1, list);
    }
}

/* window_argmax counts in the whole tensor: take away what lies before the lane. */
static bool window_place(nnc_lanes *x, nnc_op op, nnc_value y)
{
    nnc_builder *b = &x->b;
    nnc_value size =
        nnc_g_extent(b, nnc_type_size(x->m, nnc_value_type(x->m, nnc_op_in(x->m, op, 0))));
    nnc_lane_value skip = {nnc_g_binary(b, NNC_OP_mul, nnc_lane_iota(x), size), true};
    skip.v = nnc_lane_align(x, skip, nnc_value_ty(x->m, y)->rank - 1, 0);
    return nnc_lane_done(x, op, nnc_g_binary(b, NNC_OP_sub, y, skip.v));
}

bool nnc_lane_axis(nnc_lanes *x, nnc_op op)
{
    unsigned n = nnc_op_nin(x->m, op), nout = nnc_op_nout(x->m, op);
    nnc_value *in = nnc_arena_array(x->a, n, sizeof *in);
    if (nout > 8)
        return nnc_lane_fail(x, "a sort of more than eight tensors");
    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_lane_in_full(x, op, i);
    nnc_op to = nnc_lane_op(x, op, n, in, nnc_value_type(x->m, nnc_op_out(x->m, op, 0)));
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_reduce: shift_axes(x, to); break;
    case NNC_OP_window_reduce: shift_window(x, to); break;
    case NNC_OP_window_argmax:
        shift_window(x, to);
        return window_place(x, op, nnc_lane_finish(x, to));
    default: shift_axis(x, to);
    }
    nnc_lane_finish(x, to);
    for (unsigned i = 0; i < nout; i++)
        nnc_lane_set(x, nnc_op_out(x->m, op, i), nnc_op_out(x->m, to, i), true);
    return true;
}

/* Kept rows first, in order: a stable sort by "not kept". */
bool nnc_lane_compact(nnc_lanes *x, nnc_op op)
{
    nnc_builder *b = &x->b;
    nnc_value v = nnc_lane_in_full(x, op, 0), mask = nnc_lane_in_full(x, op, 1), in[2], out[2];
    const nnc_type_rec r = *nnc_value_ty(x->m, mask);
    int64_t axis = 1;
    in[0] = nnc_g_cast(b, nnc_g_unary(b, NNC_OP_not, mask), NNC_DT_i32);
    in[1] = nnc_g_iota(b, NNC_DT_i64, 2, r.dim, 1);
    nnc_g_sort(b, 2, in, 1, false, out);
    v = nnc_g_gather(b, v, out[1], 1, 1);
    nnc_lane_set(x, nnc_op_out(x->m, op, 0), v, true);
    v = nnc_g_reduce(b, NNC_W_sum, nnc_g_cast(b, mask, NNC_DT_i64), 1, &axis, false);
    nnc_lane_set(x, nnc_op_out(x->m, op, 1), v, true);
    return true;
}

/* Scale and zero that are the same in all lanes, or scalars: then one per place of axis 0. */
bool nnc_lane_quantize(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value v[3];
    nnc_value in[3];
    unsigned n = nnc_op_nin(x->m, op);
    bool block = nnc_attr_int(x->m, op, NNC_W_block, 0) != 0, same = true, scalar = true;
    for (unsigned i = 0; i < n; i++) {
        v[i] = nnc_lane_in(x, op, i);
        in[i] = v[i].v;
        same &= i == 0 || !v[i].batched;
        scalar &= i == 0 || nnc_value_ty(x->m, nnc_op_in(x->m, op, i))->rank == 0;
    }
    if (!same && (block || !scalar))
        return nnc_lane_fail(x, "scales along an axis that differ from turn to turn");
    in[0] = nnc_lane_full(x, v[0]);
    for (unsigned i = 1; i < n && !same; i++)
        in[i] = nnc_lane_full(x, v[i]);
    nnc_op to = nnc_lane_op(x, op, n, in, nnc_value_type(x->m, nnc_op_out(x->m, op, 0)));
    if (!same)
        nnc_attr_set_int(x->m, to, NNC_W_axis, 0);
    else if (!scalar)
        shift_axis(x, to);
    return nnc_lane_done(x, op, nnc_lane_finish(x, to));
}

bool nnc_lane_keys(nnc_lanes *x, nnc_op op)
{
    unsigned n = nnc_op_nin(x->m, op);
    nnc_type guess = nnc_lane_type(x, nnc_value_type(x->m, nnc_op_out(x->m, op, 0)));
    nnc_value *in = nnc_arena_array(x->a, n, sizeof *in);
    int rank = 0;
    for (unsigned i = 0; i < n; i++) { /* dims before the two words of a key */
        int r = nnc_value_ty(x->m, nnc_op_in(x->m, op, i))->rank - (i == 0);
        rank = r > rank ? r : rank;
    }
    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_lane_align(x, nnc_lane_in(x, op, i), rank, i == 0);
    return nnc_lane_done(x, op, nnc_lane_finish(x, nnc_lane_op(x, op, n, in, guess)));
}
