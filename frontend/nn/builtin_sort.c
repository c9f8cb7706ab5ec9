/* Order: sort, topk, search, segments; picking and placing along an axis. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <math.h>
#include <string.h>

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

static nnc_value i64_of(nn_trace *t, int64_t v)
{
    return nnc_g_int(&t->b, NNC_DT_i64, v);
}

static nn_v numbers(nn_trace *t, const nn_bcall *c, const char *name)
{
    nn_v x = nn_arg_tensor(t, c, name);
    if (x->is_key)
        nn_fail(t, nn_arg_at(t, c, name)->loc, "%s of keys", c->self->name);
    return nn_dtype(t, x) == NNC_DT_bool ? nn_convert(t, x, NNC_DT_i32) : x;
}

nn_v nn_b_sort(nn_trace *t, const nn_bcall *c)
{
    nn_v x = numbers(t, c, "x");
    int axis = nn_option_axis(t, c, x, -1);
    nnc_value y;
    nnc_g_sort(&t->b, 1, &x->ssa, axis, nn_flag(t, c, "descending", false), &y);
    return nn_like(t, x, y);
}

nn_v nn_b_argsort(nn_trace *t, const nn_bcall *c)
{
    nn_v x = numbers(t, c, "x");
    int axis = nn_option_axis(t, c, x, -1);
    nn_shape s = nn_shape_of(t, x);
    nnc_value in[2] = {x->ssa, nnc_g_iota(&t->b, NNC_DT_i64, s.rank, s.dim, axis)}, out[2];
    nnc_g_sort(&t->b, 2, in, axis, nn_flag(t, c, "descending", false), out);
    return nn_index_result(t, out[1]);
}

nn_v nn_b_topk(nn_trace *t, const nn_bcall *c)
{
    nn_v x = numbers(t, c, "x");
    int axis = nn_option_axis(t, c, x, -1);
    const nn_ast *at = nn_arg_at(t, c, "k");
    nnc_dim k = nn_ask_dim(t, nn_static(t, c, "k"), at, "the k of topk");
    nnc_dim n = nn_axis_size(t, x, axis);
    nnc_value out[2];
    if (nnc_dim_hi(t->m->dims, nnc_dim_sub(t->m->dims, n, k)) < 0)
        nn_fail(t, at->loc, "topk[%s] along an axis of size %s", nnc_dim_text(t->m->dims, k),
                nnc_dim_text(t->m->dims, n));
    nnc_g_topk(&t->b, x->ssa, k, axis, nn_flag(t, c, "largest", true), out);
    nnc_sym name[2] = {nn_name(t, "value"), nn_name(t, "index")};
    nn_v item[2] = {nn_like(t, x, out[0]), nn_index_result(t, out[1])};
    return nn_record(t, 2, name, item);
}

/* Binary search: place grows by halving steps while the element before it still counts as smaller. */
nn_v nn_b_search(nn_trace *t, const nn_bcall *c)
{
    nn_v sorted = numbers(t, c, "sorted"), x = numbers(t, c, "x");
    bool right = nn_option_word(t, c, "side", "left right") == 1;
    if (nn_rank(t, sorted) != 1)
        nn_fail(t, nn_arg_at(t, c, "sorted")->loc, "search looks in a vector, this is %s",
                nn_type_text(t, sorted));
    nn_promote(t, &sorted, &x, c->at);
    nnc_dim n = nn_axis_size(t, sorted, 0);
    int64_t most = nnc_dim_hi(t->m->dims, n), step = 1;
    if (most == INT64_MAX)
        nn_fail(t, c->at->loc, "search in a vector without a bound");
    nn_shape s = nn_shape_of(t, x);
    nnc_value place = nn_full_tensor(t, i64_of(t, 0), &s), size = nnc_g_extent(&t->b, n);
    while (step <= most)
        step *= 2;
    for (step /= 2; step >= 1; step /= 2) {
        nnc_value next = op2(t, NNC_OP_add, place, i64_of(t, step));
        nnc_value at = op2(t, NNC_OP_sub, next, i64_of(t, 1));
        nnc_value e = nnc_g_gather(&t->b, sorted->ssa, at, 0, 0);
        nnc_value smaller = op2(t, right ? NNC_OP_le : NNC_OP_lt, e, x->ssa);
        nnc_value fits = op2(t, NNC_OP_and, op2(t, NNC_OP_le, next, size), smaller);
        place = nnc_g_select(&t->b, fits, next, place);
    }
    return nn_index_result(t, place);
}

static nnc_value as_tuples(nn_trace *t, nn_v i)
{
    nn_shape s = nn_shape_of(t, i);
    s.dim[s.rank++] = 1;
    return nn_reshape_to(t, i, &s)->ssa;
}

nn_v nn_b_segment(nn_trace *t, const nn_bcall *c)
{
    nn_v x = numbers(t, c, "x"), i = nn_arg_tensor(t, c, "i");
    const char *name = c->self->name;
    nnc_word kind = !strcmp(name, "segment_max")   ? NNC_W_max
                    : !strcmp(name, "segment_min") ? NNC_W_min
                                                   : NNC_W_add;
    nn_need_int(t, i, nn_arg_at(t, c, "i"), "the segments");
    if (nn_rank(t, i) != 1 || nn_rank(t, x) < 1 || nn_axis_size(t, i, 0) != nn_axis_size(t, x, 0))
        nn_fail(t, c->at->loc, "%s of %s by %s: expected x[e, ..] and i[e]", name,
                nn_type_text(t, x), nn_type_text(t, i));
    nn_shape s = nn_shape_of(t, x);
    s.dim[0] = nn_ask_dim(t, nn_static(t, c, "n"), nn_arg_at(t, c, "n"), "a size");
    nnc_dtype dt = nn_dtype(t, x);
    nnc_value start =
        kind == NNC_W_add ? nnc_g_int(&t->b, dt, 0) : nn_limit_of(t, dt, kind == NNC_W_max);
    start = nn_full_tensor(t, start, &s);
    return nn_like(t, x, nnc_g_scatter_nd(&t->b, start, as_tuples(t, i), x->ssa, kind));
}

/* ---- along one axis ---- */

static nn_v gather_leaf(nn_trace *t, unsigned n, const nn_v *leaf, const nn_ast *at,
                        const void *user)
{
    const nn_bcall *c = user;
    (void)n;
    nn_v x = nn_as_tensor(t, leaf[0], at), i = nn_arg_tensor(t, c, "i");
    nn_need_int(t, i, nn_arg_at(t, c, "i"), "the index of gather");
    int axis = nn_option_axis(t, c, x, -1), rank = nn_rank(t, i);
    int batch = rank >= axis ? axis : rank > 0 ? rank - 1 : 0;
    for (int k = 0; k < batch; k++)
        if (nn_axis_size(t, x, k) != nn_axis_size(t, i, k))
            nn_fail_hint(t, at->loc, "to pick the same places everywhere, index: x[.., i]",
                         "gather from %s by %s: the leading axes of the index run along those of "
                         "the tensor",
                         nn_type_text(t, x), nn_type_text(t, i));
    if (nn_rank(t, x) - 1 + rank - batch > NNC_MAX_RANK)
        nn_fail(t, at->loc, "gather would make more than %d axes", NNC_MAX_RANK);
    return nn_like(t, x, nnc_g_gather(&t->b, x->ssa, i->ssa, axis, batch));
}

nn_v nn_b_gather(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x");
    return nn_map_n(t, 1, &x, gather_leaf, c->at, c);
}

/* i and x of one shape: the places and what goes there. */
static void check_places(nn_trace *t, const nn_bcall *c, nn_v i, nn_v *x)
{
    nn_need_int(t, i, nn_arg_at(t, c, "i"), "the places of scatter");
    nn_shape s = nn_shape_of(t, i), v = nn_shape_of(t, *x);
    if (v.rank < s.rank) {
        nn_check_broadcast(t, i, *x, c->at);
        *x = nn_broadcast_to(t, *x, &s);
        v = s;
    }
    if (!nn_shape_equal(&s, &v) || s.rank == 0)
        nn_fail(t, c->at->loc, "%s of %s to the places %s: the shapes differ", c->self->name,
                nn_type_text(t, *x), nn_type_text(t, i));
}

nn_v nn_b_scatter(nn_trace *t, const nn_bcall *c)
{
    nn_v i = nn_arg_tensor(t, c, "i"), x = nn_arg_tensor(t, c, "x");
    check_places(t, c, i, &x);
    int axis = nn_option_axis(t, c, x, -1);
    return nn_like(t, x, nnc_g_scatter_elements(&t->b, x->ssa, i->ssa, x->ssa, axis, NNC_W_none));
}

/* Sums, so that padding which adds nothing does no harm. */
nn_v nn_b_scatter_into(nn_trace *t, const nn_bcall *c)
{
    nn_v i = nn_arg_tensor(t, c, "i"), x = numbers(t, c, "x");
    check_places(t, c, i, &x);
    nn_shape s = nn_shape_of(t, x);
    s.dim[s.rank - 1] = nn_ask_dim(t, nn_static(t, c, "n"), nn_arg_at(t, c, "n"), "a size");
    nnc_value zero = nn_full_tensor(t, nnc_g_int(&t->b, nn_dtype(t, x), 0), &s);
    return nn_like(t, x,
                   nnc_g_scatter_elements(&t->b, zero, i->ssa, x->ssa, s.rank - 1, NNC_W_add));
}
