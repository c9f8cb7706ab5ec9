/* Heads of loops: what they walk over, in how many turns, and the value of a turn. */
#include "frontend/nn/flow.h"
#include "frontend/nn/gradient.h"
#include "frontend/nn/number.h"
#include <string.h>

static nn_v upper_bound(nn_trace *t, nn_v v)
{
    nnc_op op = v->ssa.id ? nnc_value_op(t->m, v->ssa) : (nnc_op){0};
    while (op.id && nnc_op_code(t->m, op) == NNC_OP_cast) {
        nnc_value x = nnc_op_in(t->m, op, 0);
        op = nnc_value_op(t->m, x);
    }
    for (unsigned i = 0; op.id && nnc_op_code(t->m, op) == NNC_OP_min && i < 2; i++) {
        int64_t n;
        if (nnc_value_idx(t->m, nnc_op_in(t->m, op, i), &n))
            return nn_int(t, n);
    }
    return NULL;
}

static nn_v in_i64(nn_trace *t, nn_v x)
{
    return nn_weak(t, nnc_g_cast(&t->b, x->ssa, NNC_DT_i64));
}

/* The number of turns of a range: a dimension where it is one, else a run-time number with perhaps a bound. */
static void range_turns(nn_trace *t, nn_head *h, const nn_ast *at)
{
    nn_v a = h->xs->item[0], b = h->xs->item[1], s = h->xs->item[2];
    nnc_dims *d = t->m->dims;
    int64_t step = 1;
    if (s)
        step = nn_ask_int(t, s, at, "the step of a loop");
    if (step == 0)
        nn_fail(t, at->loc, "the step of a range is 0");
    h->first = a;
    h->step = step;
    if (nn_known(t, a) && !a->has_dim)
        a = nn_int(t, nn_ask_int(t, a, at, "the start"));
    if (nn_known(t, b) && !b->has_dim)
        b = nn_int(t, nn_ask_int(t, b, at, "the end"));
    if (a->has_dim && b->has_dim) {
        nnc_dim n = step > 0 ? nnc_dim_sub(d, b->dim, a->dim) : nnc_dim_sub(d, a->dim, b->dim);
        h->trips =
            nnc_dim_max(d, nnc_dim_ceildiv(d, n, nnc_dim_const(d, step > 0 ? step : -step)), 0);
        return;
    }
    nn_v n = nn_binary(t, NN_OP_sub, in_i64(t, b), in_i64(t, a), at);
    if (step != 1)
        n = nn_binary(t, NN_OP_floordiv,
                      nn_binary(t, NN_OP_add, n, nn_int(t, step - (step > 0 ? 1 : -1)), at),
                      nn_int(t, step), at);
    h->count = n;
    nn_v most = upper_bound(t, b);
    int64_t lo;
    h->bounded = most && nn_peek_int(t, a, &lo) && step == 1;
    h->trips = h->bounded ? nnc_dim_max(d, nnc_dim_sub(d, most->dim, nnc_dim_const(d, lo)), 0) : 0;
}

nn_v nn_head_turns(nn_trace *t, const nn_head *h)
{
    return h->count ? in_i64(t, h->count) : nn_dim_value(t, h->trips);
}

/* The first axis that all leaves share. */
static void tensor_turns(nn_trace *t, nn_head *h, const nn_ast *at)
{
    nn_collect(t, h->xs, &h->leaf);
    if (!h->leaf.n)
        nn_fail(t, at->loc,
                "a loop walks over a range, a tensor or a record of tensors, this is %s",
                nn_type_text(t, h->xs));
    for (uint32_t i = 0; i < h->leaf.n; i++) {
        if (nn_rank(t, h->leaf.at[i]) == 0)
            nn_fail(t, at->loc, "a loop walks over the first axis, but this is %s",
                    nn_type_text(t, h->xs));
        nnc_dim n = nn_axis_size(t, h->leaf.at[i], 0);
        if (i && n != h->trips)
            nn_fail(t, at->loc,
                    "these are walked over together, but their first sizes differ: %s and %s",
                    nnc_dim_text(t->m->dims, h->trips), nnc_dim_text(t->m->dims, n));
        h->trips = n;
    }
    h->of_leaves = true;
}

void nn_head_of(nn_trace *t, const nn_ast *in, nn_head *h)
{
    const nn_ast *e = nn_kid(in, 1);
    memset(h, 0, sizeof *h);
    h->pattern = nn_kid(in, 0);
    h->xs = nn_expr(t, e);
    if (h->xs->kind == NN_V_strings || h->xs->kind == NN_V_text ||
        (h->xs->kind == NN_V_list && !h->xs->numeric))
        nn_fail(
            t, e->loc,
            "a run-time loop walks over tensors, this is %s; write 'for [x in ..]' to unroll it",
            nn_type_text(t, h->xs));
    if (h->xs->kind == NN_V_range)
        range_turns(t, h, e);
    else
        tensor_turns(t, h, e);
}

/* Bind the pattern of a head to this turn's value. */
void nn_head_bind(nn_trace *t, const nn_ast *pattern, nn_v v)
{
    if (nn_is(pattern, NN_name)) {
        nn_bind(t, pattern->name, v, pattern);
        return;
    }
    if (v->kind != NN_V_record && v->kind != NN_V_list)
        nn_fail(t, pattern->loc, "%u names, but each turn gives %s", pattern->nkid,
                nn_type_text(t, v));
    if (v->n != pattern->nkid)
        nn_fail(t, pattern->loc, "%u names, but each turn gives %u values: %s", pattern->nkid, v->n,
                nn_type_text(t, v));
    for (uint32_t i = 0; i < pattern->nkid; i++)
        if (!nn_is(pattern->kid[i], NN_hole))
            nn_bind(t, pattern->kid[i]->name, v->item[i], pattern->kid[i]);
}

/* A slice of every leaf as this turn's value. */
nn_v nn_turn_of_leaves(nn_trace *t, nn_head *h, const nnc_value *slice)
{
    nn_v *item = nnc_arena_array(t->arena, h->leaf.n, sizeof *item);
    for (uint32_t i = 0; i < h->leaf.n; i++) {
        nn_v x = h->leaf.at[i];
        nn_v y = nn_like_leaf(t, slice[i], x, x->weak);
        item[i] = x->label ? nn_with_labels(t, y, x->label + 1) : y;
    }
    const nn_v *next = item;
    nn_v v = nn_rebuild(t, h->xs, &next);
    if (v->batch) {
        nn_val *one = nnc_arena_copy(t->arena, v, sizeof *v);
        one->batch--;
        return one;
    }
    return v;
}

nn_v nn_turn_of_range(nn_trace *t, nn_head *h, nnc_value i, const nn_ast *at)
{
    nn_v k = nn_weak(t, i);
    int64_t lo;
    if (h->step != 1)
        k = nn_binary(t, NN_OP_mul, k, nn_int(t, h->step), at);
    if (!nn_peek_int(t, h->first, &lo) || lo != 0)
        k = nn_binary(t, NN_OP_add, h->first->weak ? k : nn_convert(t, k, nn_dtype(t, h->first)),
                      h->first, at);
    return k;
}

void nn_push_turn(nn_trace *t, nn_v index)
{
    nn_env *e = t->env;
    nn_v *turn = nnc_arena_array(t->arena, e->nturn + 1u, sizeof *turn);
    if (e->nturn)
        memcpy(turn, e->turn, e->nturn * sizeof *turn);
    turn[e->nturn] = index;
    e->turn = turn;
    e->nturn++;
}
