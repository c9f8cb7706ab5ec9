/* Views, and ops that move data without looking at it: the axis attributes get an entry for the lanes. */
#include <string.h>
#include "passes/batch/lanes.h"

/* An entry `v` before those of an integer list. */
static void prepend(nnc_lanes *x, nnc_op op, nnc_word key, int64_t v)
{
    int64_t list[NNC_MAX_RANK + 1] = {v};
    unsigned n;
    const int64_t *at = nnc_attr_ints(x->m, op, key, &n);
    for (unsigned i = 0; i < n && i < NNC_MAX_RANK; i++)
        list[i + 1] = at[i];
    nnc_attr_set_ints(x->m, op, key, n + 1, list);
}

static bool transpose(nnc_lanes *x, nnc_op op, nnc_value v)
{
    int64_t perm[NNC_MAX_RANK + 1] = {0};
    unsigned n;
    const int64_t *at = nnc_attr_ints(x->m, op, NNC_W_perm, &n);
    for (unsigned i = 0; i < n && i < NNC_MAX_RANK; i++)
        perm[i + 1] = at[i] + 1;
    return nnc_lane_done(x, op, nnc_g_transpose(&x->b, v, perm));
}

static bool concat(nnc_lanes *x, nnc_op op)
{
    unsigned n = nnc_op_nin(x->m, op);
    nnc_value *in = nnc_arena_array(x->a, n, sizeof *in);
    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_lane_in_full(x, op, i);
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0) + 1;
    return nnc_lane_done(x, op, nnc_g_concat(&x->b, n, in, axis));
}

static nnc_value pad_op(nnc_lanes *x, nnc_op op, nnc_value v, nnc_value value, bool batched)
{
    nnc_value in[2] = {v, value};
    nnc_op to = nnc_lane_op(x, op, 2, in, nnc_value_type(x->m, v));
    if (batched) {
        prepend(x, to, NNC_W_lo, 0);
        prepend(x, to, NNC_W_hi, 0);
    }
    return nnc_lane_finish(x, to);
}

/* A padding value per lane: pad with 0, then put it where a padded mask says so. */
static bool pad(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value v = nnc_lane_in(x, op, 0), value = nnc_lane_in(x, op, 1);
    nnc_builder *b = &x->b;
    if (!value.batched)
        return nnc_lane_done(x, op, pad_op(x, op, v.v, value.v, true));
    const nnc_type_rec r = *nnc_value_ty(x->m, nnc_op_in(x->m, op, 0));
    int rank = nnc_value_ty(x->m, nnc_op_out(x->m, op, 0))->rank;
    nnc_value mask = nnc_g_broadcast(b, nnc_g_int(b, NNC_DT_bool, 1), r.rank, r.dim);
    mask = pad_op(x, op, mask, nnc_g_int(b, NNC_DT_bool, 0), false);
    v.v = pad_op(x, op, v.v, nnc_g_int(b, (nnc_dtype)r.dtype, 0), v.batched);
    value.v = nnc_lane_align(x, value, rank, 0);
    return nnc_lane_done(x, op, nnc_g_select(b, mask, v.v, value.v));
}

bool nnc_lane_views(nnc_lanes *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_lane_value v = nnc_lane_in(x, op, 0);
    nnc_type to = nnc_lane_type(x, nnc_value_type(m, nnc_op_out(m, op, 0)));
    nnc_type_rec r = *nnc_type_get(m, to);
    nnc_op made;

    switch (nnc_op_code(m, op)) {
    case NNC_OP_concat: return concat(x, op);
    case NNC_OP_pad: return pad(x, op);
    case NNC_OP_transpose: return transpose(x, op, v.v);
    case NNC_OP_reshape: return nnc_lane_done(x, op, nnc_g_reshape(&x->b, v.v, r.rank, r.dim));
    case NNC_OP_broadcast:
        v.v = nnc_lane_align(x, v, r.rank - 1, 0);
        return nnc_lane_done(x, op, nnc_g_broadcast(&x->b, v.v, r.rank, r.dim));
    case NNC_OP_slice:
        made = nnc_lane_op(x, op, 1, &v.v, to);
        prepend(x, made, NNC_W_start, 0);
        prepend(x, made, NNC_W_step, 1);
        return nnc_lane_done(x, op, nnc_lane_finish(x, made));
    default: /* prefix */
        if (nnc_lane_in(x, op, 1).batched)
            return nnc_lane_fail(x, "a size that differs from turn to turn");
        nnc_value in[2] = {v.v, nnc_lane_in(x, op, 1).v};
        made = nnc_lane_op(x, op, 2, in, to);
        nnc_attr_set_int(m, made, NNC_W_axis, nnc_attr_int(m, op, NNC_W_axis, 0) + 1);
        return nnc_lane_done(x, op, nnc_lane_finish(x, made));
    }
}
