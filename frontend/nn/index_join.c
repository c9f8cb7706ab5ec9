/* Ranges as tensors, and tensors joined along a new axis (stack) or an old one (concat), leaf by leaf.
 *
 * A range whose ends the run knows is as long as its bound, found by looking at the ops behind its ends; what is too
 * much of it is cut by a prefix. */
#include "frontend/nn/index.h"

/* ---- ranges ---- */

static nn_v range_end_of(nn_trace *t, nn_v v, const nn_ast *at)
{
    v = nn_as_tensor(t, v, at);
    if (nn_rank(t, v) != 0 || v->is_key || !nnc_dtype_is_int(nn_dtype(t, v)))
        nn_fail(t, at ? at->loc : t->b.loc, "the end of a range is %s, expected an integer",
                nn_type_text(t, v));
    return v;
}

static nnc_dim dim_of_value(nn_trace *t, nn_v v, const nn_ast *at, bool *fixed)
{
    *fixed = v->has_dim || nn_known(t, v);
    if (v->has_dim)
        return v->dim;
    return *fixed ? nnc_dim_const(t->m->dims, nn_ask_int(t, v, at, "the end of a range")) : 0;
}

/* Elements of a range whose ends the run knows: at most so many, or a failure. */
static nnc_dim run_bound(nn_trace *t, nnc_value count, const nn_ast *at)
{
    int64_t lo, hi;
    nn_interval(t, count, &lo, &hi);
    if (hi == INT64_MAX)
        nn_fail(t, at ? at->loc : t->b.loc,
                "the length of this range is only known when the program runs, and nothing bounds "
                "it; write a..min(b, 200)");
    return hi < 0 ? 0 : hi;
}

nn_v nn_range_tensor(nn_trace *t, nn_v range, const nn_ast *at)
{
    nn_v a = range_end_of(t, range->item[0], at), b = range_end_of(t, range->item[1], at);
    nn_v by = range->n > 2 && range->item[2] ? range->item[2] : NULL;
    nnc_dims *d = t->m->dims;
    int64_t step = by ? nn_ask_int(t, by, at, "the step of a range") : 1;
    bool fa, fb;
    if (step == 0)
        nn_fail(t, at ? at->loc : t->b.loc, "the step of a range is 0");
    nn_promote(t, &a, &b, at);
    nnc_dim lo = dim_of_value(t, a, at, &fa), hi = dim_of_value(t, b, at, &fb), gap;
    nnc_value from = nn_scalar_i64(t, a->ssa), to = nn_scalar_i64(t, b->ssa), count = {0};
    bool known = (fa && fb) || nn_known_difference(t, from, to, &gap);
    if (fa && fb)
        gap = nnc_dim_sub(d, hi, lo);
    if (known) {
        gap = step > 0 ? nnc_dim_ceildiv(d, gap, step)
                       : nnc_dim_ceildiv(d, nnc_dim_sub(d, 0, gap), -step);
        gap = nnc_dim_lo(d, gap) >= 0 ? gap : nnc_dim_hi(d, gap) <= 0 ? 0 : nnc_dim_max(d, gap, 0);
    } else {
        count = step > 0 ? nn_int_op(t, NNC_OP_sub, to, from) : nn_int_op(t, NNC_OP_sub, from, to);
        int64_t size = step > 0 ? step : -step;
        count = nn_int_op(t, NNC_OP_max, count, nn_i64(t, 0));
        if (size > 1)
            count =
                nnc_g_binary(&t->b, NNC_OP_div,
                             nn_int_op(t, NNC_OP_add, count, nn_i64(t, size - 1)), nn_i64(t, size));
        gap = run_bound(t, count, at);
    }
    nnc_value i = nnc_g_iota(&t->b, NNC_DT_i64, 1, &gap, 0);
    int64_t zero;
    if (step != 1)
        i = nnc_g_binary(&t->b, NNC_OP_mul, i, nn_i64(t, step));
    if (!nnc_value_idx(t->m, from, &zero) || zero != 0)
        i = nnc_g_binary(&t->b, NNC_OP_add, i, from);
    nn_v x = nn_weak(t, i);
    if (count.id)
        x = nn_prefix_of(t, x, count, 0, gap);
    return a->weak ? x : nn_convert(t, x, nn_dtype(t, a));
}

/* ---- joining ---- */

struct join {
    int axis;
    bool stack;
};

static nn_v one_more_axis(nn_trace *t, nn_v x, int axis)
{
    nn_shape s = nn_shape_of(t, x);
    for (int i = s.rank++; i > axis; i--)
        s.dim[i] = s.dim[i - 1];
    s.dim[axis] = 1;
    return nn_reshape_to(t, x, &s);
}

/* Numbers stand for every element of the shape that the others have. */
static void fill_scalars(nn_trace *t, unsigned n, nn_v *x)
{
    nn_v big = x[0];
    for (unsigned i = 1; i < n; i++)
        if (nn_rank(t, x[i]) > nn_rank(t, big))
            big = x[i];
    nn_shape s = nn_shape_of(t, big);
    for (unsigned i = 0; i < n; i++)
        if (nn_rank(t, x[i]) == 0 && s.rank)
            x[i] = nn_broadcast_to(t, x[i], &s);
}

static void check_joint(nn_trace *t, nn_v a, nn_v b, int but, const char *what, const nn_ast *at)
{
    nn_shape x = nn_shape_of(t, a), y = nn_shape_of(t, b);
    bool same = x.rank == y.rank;
    for (int i = 0; same && i < x.rank; i++)
        same = x.dim[i] == y.dim[i] || i == but;
    if (!same)
        nn_fail(t, at->loc, "%s of %s and %s: their shapes differ%s", what, nn_type_text(t, a),
                nn_type_text(t, b), but >= 0 ? " outside of the joined axis" : "");
}

static nn_v join_leaves(nn_trace *t, unsigned n, const nn_v *leaf, const nn_ast *at,
                        const void *user)
{
    const struct join *j = user;
    nn_v *x = nnc_arena_array(t->arena, n, sizeof *x);
    nnc_value *v = nnc_arena_array(t->arena, n, sizeof *v);
    for (unsigned i = 0; i < n; i++)
        x[i] = nn_as_tensor(t, leaf[i], at);
    nn_promote_all(t, n, x, at);
    if (j->stack)
        fill_scalars(t, n, x);
    int rank = nn_rank(t, x[0]);
    if (!j->stack && rank == 0)
        nn_fail(t, at->loc, "concat joins axes, and a scalar has none; write [x]");
    if (j->stack && rank == NNC_MAX_RANK)
        nn_fail(t, at->loc, "the stack would have more than %d axes", NNC_MAX_RANK);
    int axis = nn_axis_in(t, j->axis, rank + j->stack, at);
    for (unsigned i = 0; i < n; i++) {
        check_joint(t, x[0], x[i], j->stack ? -1 : axis, j->stack ? "a stack" : "concat", at);
        v[i] = (j->stack ? one_more_axis(t, x[i], axis) : x[i])->ssa;
    }
    return nn_like(t, x[0], nnc_g_concat(&t->b, n, v, axis));
}

nn_v nn_stack(nn_trace *t, uint32_t n, const nn_v *item, int axis, const nn_ast *at)
{
    struct join j = {axis, true};
    if (!n)
        nn_fail(t, at->loc, "a stack of nothing has no type");
    return nn_map_n(t, n, item, join_leaves, at, &j);
}

nn_v nn_concat(nn_trace *t, uint32_t n, const nn_v *item, int axis, const nn_ast *at)
{
    struct join j = {axis, false};
    if (!n)
        nn_fail(t, at->loc, "concat needs at least one operand");
    return nn_map_n(t, n, item, join_leaves, at, &j);
}
