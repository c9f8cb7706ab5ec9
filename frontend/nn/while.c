/* `while` and `for .. while`, and a `for` with a run-time number of turns: they become while.
 *
 * A counter of turns is carried beside the names, and buffers that take the values of the turns where there is a
 * bound.  Several heads are loops in each other; `while` is looked at in the innermost, and a bool beside the counters
 * tells the outer ones that it has failed. */
#include "frontend/nn/flow.h"
#include "frontend/nn/number.h"
#include <string.h>

static nn_v turn_of_count(nn_trace *t, nn_head *h, nnc_value i, const nn_ast *at)
{
    if (!h->of_leaves)
        return nn_turn_of_range(t, h, i, at);
    nnc_value *slice = nnc_arena_array(t->arena, h->leaf.n, sizeof *slice);
    for (uint32_t k = 0; k < h->leaf.n; k++)
        slice[k] = nnc_g_gather(&t->b, h->leaf.at[k]->ssa, i, 0, 0);
    return nn_turn_of_leaves(t, h, slice);
}

typedef struct drafting {
    nnc_op op;
    nnc_block cond, step;
    uint32_t n; /* counter and carried leaves */
} drafting;

static drafting start_while(nn_trace *t, nn_carry *c)
{
    drafting d = {.n = c->leaf.n + 1};
    nnc_value *in = nnc_arena_array(t->arena, d.n, sizeof *in);
    in[0] = nnc_g_int(&t->b, NNC_DT_i64, 0);
    for (uint32_t i = 0; i < c->leaf.n; i++)
        in[i + 1] = c->leaf.at[i]->ssa;
    d.op = nnc_g_while(&t->b, d.n, in);
    d.cond = nnc_op_region(t->m, d.op, 0);
    d.step = nnc_op_region(t->m, d.op, 1);
    return d;
}

static void args_of(nn_trace *t, nnc_block b, uint32_t n, nnc_value *out)
{
    for (uint32_t i = 0; i < n; i++)
        out[i] = nnc_block_arg(t->m, b, i);
}

static nn_v condition(nn_trace *t, const nn_ast *e)
{
    nn_v c = nn_as_tensor(t, nn_expr(t, e), e);
    if (nn_dtype(t, c) != NNC_DT_bool || nn_rank(t, c) != 0)
        nn_fail(t, e->loc, "a condition is one bool, this is %s%s", nn_type_text(t, c),
                nn_dtype(t, c) == NNC_DT_bool
                    ? "; use all(..), any(..), or where(c, a, b) for each element"
                    : "; compare it with something");
    return c;
}

/* Are there heads inside this one?  `while` is then looked at there. */
static bool has_inner(const nn_loop *l, const nn_head *h)
{
    return h && h->place + 1 < l->heads->nkid;
}

static nn_v both(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    return a && b ? nn_binary(t, NN_OP_and, a, b, at) : a ? a : b;
}

/* cond: counter below the number of turns, and the user's condition in the environment of the turn. */
static void trace_cond(nn_trace *t, const nn_loop *l, nn_head *h, nn_carry *c, const drafting *d)
{
    nnc_value *arg = nnc_arena_array(t->arena, d->n, sizeof *arg);
    args_of(t, d->cond, d->n, arg);
    t->b.pos = (nnc_pos){d->cond, {0}};
    nn_carry_set(t, c, arg + 1);
    nn_v ok = l->go ? l->go->val : NULL;
    if (h)
        ok = both(t, ok, nn_binary(t, NN_OP_lt, nn_weak(t, arg[0]), nn_head_turns(t, h), l->at),
                  l->at);
    if (l->until && !has_inner(l, h)) {
        nn_env_push(t, NN_ENV_block);
        nn_push_turn(t, nn_weak(t, arg[0]));
        if (h)
            nn_head_bind(t, h->pattern, turn_of_count(t, h, arg[0], l->at));
        ok = both(t, ok, condition(t, l->until), l->at);
        nn_env_pop(t);
    }
    nnc_build_yield(&t->b, 1, &ok->ssa);
}

static nn_v trace_turn(nn_trace *t, const nn_loop *l, nn_head *h, nn_carry *c, const drafting *d)
{
    nnc_value *arg = nnc_arena_array(t->arena, d->n, sizeof *arg);
    args_of(t, d->step, d->n, arg);
    t->b.pos = (nnc_pos){d->step, {0}};
    nn_carry_set(t, c, arg + 1);
    nn_v index = nn_weak(t, arg[0]);
    if (h)
        return nn_run_body(t, l, h, turn_of_count(t, h, arg[0], l->at), index);
    nn_env_push(t, NN_ENV_block);
    nn_push_turn(t, index);
    nn_v v = nn_block_value(t, l->block);
    nn_env_pop(t);
    return v;
}

/* Is the number of turns limited, and are these not turns of a turn?  Rows of different sizes are not stacked. */
static bool keeps_value(const nn_loop *l, const nn_head *h)
{
    if (!h || (h->count && !h->bounded))
        return false;
    for (unsigned i = 0; i < h->place; i++)
        if (!nn_is(l->heads->kid[i], NN_static_in))
            return false;
    return true;
}

/* Room for the turns' values: carried buffers [T, ..] of zeros that each turn writes a row of. */
static void add_buffers(nn_trace *t, nn_head *h, const drafting *d, const nn_leaves *ys,
                        nnc_pos outer, nnc_value *init, nnc_value *out, const nnc_value *counter)
{
    for (uint32_t i = 0; i < ys->n; i++) {
        const nnc_type_rec r = *nnc_value_ty(t->m, ys->at[i]->ssa);
        nnc_dim dim[NNC_MAX_RANK] = {h->trips}, one[NNC_MAX_RANK] = {1};
        memcpy(dim + 1, r.dim, r.rank * sizeof *dim);
        memcpy(one + 1, r.dim, r.rank * sizeof *one);
        nnc_pos step = t->b.pos;
        t->b.pos = outer;
        init[i] = nnc_g_broadcast(&t->b, nnc_g_int(&t->b, (nnc_dtype)r.dtype, 0), r.rank + 1, dim);
        t->b.pos = step;
        nnc_type type = nnc_value_type(t->m, init[i]);
        nnc_block_add_arg(t->m, d->cond, type, "ys");
        nnc_value buffer = nnc_block_add_arg(t->m, d->step, type, "ys");
        nnc_value row = nnc_g_reshape(&t->b, ys->at[i]->ssa, r.rank + 1, one);
        nnc_value at = nnc_g_pad(&t->b, nnc_g_reshape(&t->b, *counter, 1, one),
                                 nnc_g_int(&t->b, NNC_DT_i64, 0), (nnc_dim[]){0},
                                 (nnc_dim[]){r.rank}, NNC_W_constant);
        out[i] = nnc_g_dynamic_update_slice(&t->b, buffer, row, at);
    }
}

static nnc_op finish_while(nn_trace *t, const drafting *d, uint32_t n, const nnc_value *init,
                           nn_head *h)
{
    nnc_type *type = nnc_arena_array(t->arena, n, sizeof *type);
    for (uint32_t i = 0; i < n; i++)
        type[i] = nnc_value_type(t->m, init[i]);
    nnc_op op = nnc_build_op(&t->b, NNC_OP_while, n, init, n, type);
    nnc_op_add_region(t->m, op);
    nnc_op_add_region(t->m, op);
    nn_take_region(t, op, d->op, 0);
    nn_take_region(t, op, d->op, 1);
    nnc_op_erase(t->m, d->op);
    if (h && (!h->count || h->bounded) && nnc_dim_hi(t->m->dims, h->trips) < INT64_MAX)
        nnc_attr_set_int(t->m, op, NNC_W_max_trips, nnc_dim_hi(t->m->dims, h->trips));
    nnc_g_finish(&t->b, op);
    return op;
}

static nn_v cut_to_count(nn_trace *t, nn_head *h, nn_v turn, const nn_leaves *ys, nnc_op op,
                         uint32_t from)
{
    nnc_value *v = nnc_arena_array(t->arena, ys->n, sizeof *v);
    nnc_dim n = ys->n ? nnc_dim_fresh(t->m->dims, "turns", 0, nnc_dim_hi(t->m->dims, h->trips)) : 0;
    for (uint32_t i = 0; i < ys->n; i++)
        v[i] = nnc_g_prefix(&t->b, nnc_op_out(t->m, op, from + i), nnc_op_out(t->m, op, 0), 0, n);
    return nn_stacked_value(t, turn, ys, v);
}

/* The whole nest goes on if this head, its last, came to its end. */
static void set_go(nn_trace *t, const nn_loop *l, const nn_head *h, nnc_op op)
{
    nn_v turns = nn_weak(t, nnc_op_out(t->m, op, 0));
    nn_v whole = nn_binary(t, NN_OP_ge, turns, nn_head_turns(t, h), l->at);
    nn_set_slot(t, l->go, both(t, l->go->val, whole, l->at), l->at);
}

/* Close the region with the next values (out: of the names, from 1 on) and make the op. */
static nnc_op close_while(nn_trace *t, nn_head *h, nn_carry *c, const drafting *d,
                          const nn_leaves *ys, nnc_pos outer, nnc_value *out)
{
    nnc_value *init = nnc_arena_array(t->arena, d->n + ys->n, sizeof *init);
    nnc_value counter = nnc_block_arg(t->m, d->step, 0);
    out[0] = nnc_g_binary(&t->b, NNC_OP_add, counter, nnc_g_int(&t->b, NNC_DT_i64, 1));
    for (uint32_t i = 0; i < d->n; i++)
        init[i] = nnc_op_in(t->m, d->op, i);
    t->b.pos.before = (nnc_op){0};
    add_buffers(t, h, d, ys, (nnc_pos){outer.block, d->op}, init + d->n, out + d->n, &counter);
    nnc_build_yield(&t->b, d->n + ys->n, out);
    t->b.pos = outer;
    nnc_op op = finish_while(t, d, d->n + ys->n, init, h);
    nnc_value *res = nnc_arena_array(t->arena, d->n, sizeof *res);
    for (uint32_t i = 1; i < d->n; i++)
        res[i] = nnc_op_out(t->m, op, i);
    nn_carry_set(t, c, res + 1);
    return op;
}

static bool trace_while(nn_trace *t, const nn_loop *l, nn_head *h, nn_carry *c, nn_v *value)
{
    nnc_pos outer = t->b.pos;
    nn_carry_init(t, c);
    drafting d = start_while(t, c);
    nn_region r = {.up = t->region, .first = t->nslot};
    t->region = &r;
    trace_cond(t, l, h, c, &d);
    nn_v v = trace_turn(t, l, h, c, &d);
    bool keep = v->kind != NN_V_none && keeps_value(l, h);
    nn_leaves ys = {0};
    if (keep) {
        nn_check_turn(t, v, l->block);
        nn_collect(t, v, &ys);
    }
    nnc_value *out = nnc_arena_array(t->arena, d.n + ys.n, sizeof *out);
    bool done = nn_carry_end(t, c, &r, out + 1);
    t->region = r.up;
    if (!done) {
        t->b.pos = outer;
        nn_carry_restore(c);
        nnc_op_erase(t->m, d.op);
        return false;
    }
    nnc_op op = close_while(t, h, c, &d, &ys, outer, out);
    *value = keep ? cut_to_count(t, h, v, &ys, op, d.n) : nn_none();
    if (l->go && !has_inner(l, h))
        set_go(t, l, h, op);
    return true;
}

nn_v nn_while_head(nn_trace *t, const nn_loop *l, nn_head *h)
{
    nn_carry c = {0};
    const nn_ast *text[3] = {l->block, l->heads, l->until};
    nn_carry_begin(t, &c, text, 3);
    if (l->go && has_inner(l, h))
        nn_carry_add(t, &c, l->go, l->go->val);
    for (int i = 0; i < NN_MOST_TRACES; i++) {
        nn_v v;
        if (trace_while(t, l, h, &c, &v))
            return v;
    }
    nn_unstable(t, &c, l->at);
}

nn_v nn_while(nn_trace *t, const nn_ast *e)
{
    nn_loop l = {.until = nn_kid(e, 0), .block = nn_kid(e, 1), .at = e};
    nn_while_head(t, &l, NULL);
    return nn_none();
}
