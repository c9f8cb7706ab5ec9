/* Loops as regions: `for` becomes scan, `for .. while` and `while` become while.
 *
 * A loop carries the names that its body assigns.  Their leaves become operands and block arguments; while the body is
 * traced the slots hold the block arguments, afterwards the results.  What is assigned is found twice: by scanning the
 * text (so that most loops are traced once), and by nn_set_slot while tracing (state of models); when the second finds
 * more, or when a weak value becomes concrete, the region is dropped and traced again. */
#include "frontend/nn/flow.h"
#include "frontend/nn/gradient.h"
#include "frontend/nn/number.h"
#include <string.h>

enum { MOST_TRACES = 6, MOST_TURNS = 10000 };

/* ---- what a text assigns ---- */

static void note_root(nn_trace *t, const nn_ast *target, nn_slots *out)
{
    if (nn_is(target, NN_tuple)) {
        for (uint32_t i = 0; i < target->nkid; i++)
            note_root(t, target->kid[i], out);
        return;
    }
    while (nn_is(target, NN_field) || nn_is(target, NN_at))
        target = nn_kid(target, 0);
    nn_slot *s = nn_is(target, NN_name) ? nn_lookup(t, target->name) : NULL;
    for (uint32_t i = 0; s && i < out->n; i++)
        if (out->at[i] == s)
            s = NULL;
    if (s && s->is_var && s->val->kind != NN_V_poison)
        NNC_PUSH(t->arena, out, s);
}

void nn_assigned(nn_trace *t, const nn_ast *text, nn_slots *out)
{
    if (nn_is(text, NN_bind) || nn_is(text, NN_update) || nn_is(text, NN_call_bang))
        note_root(t, nn_kid(text, 0), out);
    if (nn_is(text, NN_lambda))
        return; /* cannot assign what is around it */
    for (uint32_t i = 0; i < text->nkid; i++)
        nn_assigned(t, text->kid[i], out);
}

/* ---- carried values ---- */

static nn_v plain_leaf(nn_trace *t, nnc_value v, nn_v like, bool weak)
{
    nn_v x = like->is_key ? nn_key_value(t, v) : weak ? nn_weak(t, v) : nn_tensor(t, v);
    return nn_with_labels(t, x, like->label);
}

void nn_carry_init(nn_trace *t, nn_carry *c)
{
    c->leaf.n = 0;
    for (uint32_t i = 0; i < c->slot.n; i++) {
        uint32_t from = c->leaf.n;
        nn_collect(t, c->initial.at[i], &c->leaf);
        for (uint32_t k = from; k < c->leaf.n; k++)
            if (k < c->dtype.n && c->dtype.at[k] && c->leaf.at[k]->weak)
                c->leaf.at[k] = nn_convert(t, c->leaf.at[k], c->dtype.at[k]);
    }
    while (c->dtype.n < c->leaf.n)
        NNC_PUSH(t->arena, &c->dtype, NNC_DT_none);
}

/* Slots hold these values from here on: one per leaf, in order. */
void nn_carry_set(nn_trace *t, nn_carry *c, const nnc_value *v)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->slot.n; i++) {
        nn_leaves old = {0};
        nn_collect(t, c->initial.at[i], &old);
        nn_v *item = nnc_arena_array(t->arena, old.n, sizeof *item);
        for (uint32_t j = 0; j < old.n; j++, k++)
            item[j] = plain_leaf(t, v[k], old.at[j], c->leaf.at[k]->weak);
        const nn_v *next = item;
        nn_v now = nn_rebuild(t, c->initial.at[i], &next);
        c->slot.at[i]->val = nn_as_leaf(t, c->slot.at[i]->name, now);
    }
}

void nn_carry_restore(nn_carry *c)
{
    for (uint32_t i = 0; i < c->slot.n; i++)
        c->slot.at[i]->val = c->initial.at[i];
}

static void add_slot(nn_trace *t, nn_carry *c, nn_slot *s, nn_v initial)
{
    for (uint32_t i = 0; i < c->slot.n; i++)
        if (c->slot.at[i] == s)
            return;
    nn_touch(t, s, initial);
    NNC_PUSH(t->arena, &c->slot, s);
    NNC_PUSH(t->arena, &c->initial, initial);
    c->dtype.n = 0; /* leaves are counted anew */
}

void nn_carry_begin(nn_trace *t, nn_carry *c, const nn_ast *const *text, unsigned n)
{
    nn_slots found = {0};
    for (unsigned i = 0; i < n; i++)
        if (text[i])
            nn_assigned(t, text[i], &found);
    for (uint32_t i = 0; i < found.n; i++)
        add_slot(t, c, found.at[i], found.at[i]->val);
}

bool nn_carry_leaf(nn_trace *t, nn_v old, nn_v x, nnc_dtype *dtype, nnc_value *out)
{
    nnc_dtype want = nn_dtype(t, old);
    if (old->weak && !x->weak) {
        *dtype = nn_dtype(t, x);
        return false;
    }
    if (x->weak && old->weak && nn_dtype(t, x) != want) {
        if (!nnc_dtype_is_float(want)) { /* 0 that becomes 0.5 */
            *dtype = nn_float_here(t);
            return false;
        }
        x = nn_weak(t, nnc_g_cast(&t->b, x->ssa, want));
    } else if (x->weak && !old->weak) {
        x = nn_convert(t, x, want);
    }
    *out = x->ssa;
    return true;
}

/* The leaves at the end of a turn in the types of the carried ones; false: trace again. */
bool nn_carry_end(nn_trace *t, nn_carry *c, nn_region *r, nnc_value *out)
{
    bool again = false;
    for (uint32_t i = 0; i < r->written.n; i++) {
        nn_slot *s = r->written.at[i];
        bool have = false;
        for (uint32_t k = 0; k < c->slot.n; k++)
            have |= c->slot.at[k] == s;
        if (!have) {
            add_slot(t, c, s, r->old.at[i]);
            again = true;
        }
    }
    if (again)
        return false;
    nn_leaves now = {0};
    for (uint32_t i = 0; i < c->slot.n; i++)
        nn_collect(t, c->slot.at[i]->val, &now);
    for (uint32_t k = 0; k < now.n; k++)
        again |= !nn_carry_leaf(t, c->leaf.at[k], now.at[k], &c->dtype.at[k], &out[k]);
    return !again;
}

/* ---- heads ---- */

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
static nn_v turn_of_leaves(nn_trace *t, nn_head *h, const nnc_value *slice)
{
    nn_v *item = nnc_arena_array(t->arena, h->leaf.n, sizeof *item);
    for (uint32_t i = 0; i < h->leaf.n; i++) {
        nn_v x = h->leaf.at[i];
        nn_v y = plain_leaf(t, slice[i], x, x->weak);
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

static nn_v turn_of_range(nn_trace *t, nn_head *h, nnc_value i, const nn_ast *at)
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

/* ---- the value of a loop ---- */

nn_v nn_batched(nn_trace *t, nn_v v, uint32_t n)
{
    if (!nn_is_tree(v))
        return v;
    nn_val *b = nnc_arena_copy(t->arena, v, sizeof *v);
    if (v->kind == NN_V_model || v->kind == NN_V_closure) {
        b->batch = (uint8_t)(b->batch + n);
        return b;
    }
    nn_v *item = nnc_arena_array(t->arena, v->n, sizeof *item);
    for (uint32_t i = 0; i < v->n; i++)
        item[i] = nn_batched(t, v->item[i], n);
    b->item = item;
    return b;
}

/* Stack the leaves of a turn's value: results `ys` of the finished op. */
static nn_v stacked_value(nn_trace *t, nn_v turn, const nn_leaves *leaf, const nnc_value *ys)
{
    nn_v *item = nnc_arena_array(t->arena, leaf->n, sizeof *item);
    for (uint32_t i = 0; i < leaf->n; i++) {
        nn_v x = leaf->at[i];
        item[i] = x->is_key ? nn_key_value(t, ys[i])
                  : x->weak ? nn_weak(t, ys[i])
                            : nn_tensor(t, ys[i]);
        if (!x->label)
            continue;
        int rank = nn_rank(t, x);
        const nn_label **label = nnc_arena_array(t->arena, (size_t)rank + 1, sizeof *label);
        memcpy(label + 1, x->label, (size_t)rank * sizeof *label);
        item[i] = nn_with_labels(t, item[i], label);
    }
    const nn_v *next = item;
    nn_v v = nn_rebuild(t, turn, &next);
    return nn_batched(t, v, 1);
}

static void check_turn(nn_trace *t, nn_v v, const nn_ast *block)
{
    const nn_ast *at = block->nkid ? block->kid[block->nkid - 1] : block;
    nn_leaves leaf = {0};
    nn_collect(t, v, &leaf);
    for (uint32_t i = 0; i < leaf.n; i++)
        if (nn_ty(t, leaf.at[i])->rank + 1 > NNC_MAX_RANK)
            nn_fail(t, at->loc, "stacking these turns gives more than %d axes", NNC_MAX_RANK);
    if (!nn_is_tree(v) && !nn_can_be_tensor(v) && v->kind != NN_V_none)
        nn_fail(
            t, at->loc,
            "turns of a loop can be stacked when they are tensors, records, models or functions; "
            "this is %s",
            nn_type_text(t, v));
}

/* ---- scan ---- */

typedef struct loop {
    const nn_ast *heads, *until, *block, *hint, *at;
    unsigned h; /* which head */
} loop;
static nn_v run_heads(nn_trace *t, const loop *l, unsigned h);

static nn_v run_body(nn_trace *t, const loop *l, unsigned h, nn_v turn, nn_v index)
{
    nn_env_push(t, NN_ENV_block);
    nn_push_turn(t, index);
    nn_head_bind(t, nn_kid(l->heads->kid[h], 0), turn);
    nn_v v = run_heads(t, l, h + 1);
    nn_env_pop(t);
    return v;
}

static nnc_op start_scan(nn_trace *t, nn_head *h, nn_carry *c)
{
    uint32_t n = c->leaf.n + h->leaf.n;
    nnc_value *in = nnc_arena_array(t->arena, n, sizeof *in);
    for (uint32_t i = 0; i < c->leaf.n; i++)
        in[i] = c->leaf.at[i]->ssa;
    for (uint32_t i = 0; i < h->leaf.n; i++)
        in[c->leaf.n + i] = h->leaf.at[i]->ssa;
    return nnc_g_scan(&t->b, h->trips, c->leaf.n, n, in, 0, NULL);
}

/* The op again with its results, around the same body. */
static nnc_op finish_scan(nn_trace *t, nnc_op draft, nn_head *h, nn_carry *c, const nn_leaves *ys,
                          const nn_ast *hint)
{
    nnc_module *m = t->m;
    nnc_type *type = nnc_arena_array(t->arena, ys->n, sizeof *type);
    for (uint32_t i = 0; i < ys->n; i++)
        type[i] = nnc_value_type(m, ys->at[i]->ssa);
    uint32_t n = nnc_op_nin(m, draft);
    nnc_value *in = nnc_arena_array(t->arena, n, sizeof *in);
    for (uint32_t i = 0; i < n; i++)
        in[i] = nnc_op_in(m, draft, i);
    nnc_op op = nnc_g_scan(&t->b, h->trips, c->leaf.n, n, in, ys->n, type);
    nn_take_region(t, op, draft, 0);
    nnc_op_erase(m, draft);
    nn_hint_attributes(t, op, hint);
    nnc_g_finish(&t->b, op);
    return op;
}

static bool trace_scan(nn_trace *t, const loop *l, unsigned hi, nn_head *h, nn_carry *c,
                       nn_v *value)
{
    nnc_module *m = t->m;
    nnc_pos outer = t->b.pos;
    nn_carry_init(t, c);
    nnc_op draft = start_scan(t, h, c);
    nnc_block body = nnc_op_region(m, draft, 0);
    nnc_value *arg = nnc_arena_array(t->arena, nnc_block_narg(m, body), sizeof *arg);
    for (unsigned i = 0; i < nnc_block_narg(m, body); i++)
        arg[i] = nnc_block_arg(m, body, i);
    t->b.pos = (nnc_pos){body, {0}};
    nn_carry_set(t, c, arg + 1);
    nn_region r = {.up = t->region, .first = t->nslot};
    t->region = &r;
    nn_v turn = h->of_leaves ? turn_of_leaves(t, h, arg + 1 + c->leaf.n)
                             : turn_of_range(t, h, arg[0], l->at);
    nn_v v = run_body(t, l, hi, turn, nn_weak(t, arg[0]));
    check_turn(t, v, l->block);
    nn_leaves ys = {0};
    nn_collect(t, v, &ys);
    nnc_value *out = nnc_arena_array(t->arena, c->leaf.n + ys.n, sizeof *out);
    bool done = nn_carry_end(t, c, &r, out);
    t->region = r.up;
    if (!done) {
        t->b.pos = outer;
        nn_carry_restore(c);
        nnc_op_erase(m, draft);
        return false;
    }
    for (uint32_t i = 0; i < ys.n; i++)
        out[c->leaf.n + i] = ys.at[i]->ssa;
    nnc_build_yield(&t->b, c->leaf.n + ys.n, out);
    t->b.pos = outer;
    nnc_op op = finish_scan(t, draft, h, c, &ys, l->hint);
    nnc_value *res = nnc_arena_array(t->arena, c->leaf.n + ys.n, sizeof *res);
    for (uint32_t i = 0; i < c->leaf.n + ys.n; i++)
        res[i] = nnc_op_out(m, op, i);
    nn_carry_set(t, c, res);
    *value = v->kind == NN_V_none ? v : stacked_value(t, v, &ys, res + c->leaf.n);
    return true;
}

static _Noreturn void unstable(nn_trace *t, nn_carry *c, const nn_ast *at)
{
    nn_fail(t, at->loc, "the types of '%s' and others change from turn to turn",
            nn_sym(t, c->slot.at[0]->name));
}

static nn_v scan_head(nn_trace *t, const loop *l, unsigned hi, nn_head *h)
{
    nn_carry c = {0};
    const nn_ast *text[2] = {l->block, l->heads};
    nn_carry_begin(t, &c, text, 2);
    for (int i = 0; i < MOST_TRACES; i++) {
        nn_v v;
        if (trace_scan(t, l, hi, h, &c, &v))
            return v;
    }
    unstable(t, &c, l->at);
}

/* ---- while ---- */

static nn_v turn_of_count(nn_trace *t, nn_head *h, nnc_value i, const nn_ast *at)
{
    if (!h->of_leaves)
        return turn_of_range(t, h, i, at);
    nnc_value *slice = nnc_arena_array(t->arena, h->leaf.n, sizeof *slice);
    for (uint32_t k = 0; k < h->leaf.n; k++)
        slice[k] = nnc_g_gather(&t->b, h->leaf.at[k]->ssa, i, 0, 0);
    return turn_of_leaves(t, h, slice);
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

/* cond: counter below the number of turns, and the user's condition in the environment of the turn. */
static void trace_cond(nn_trace *t, const loop *l, nn_head *h, nn_carry *c, const drafting *d)
{
    nnc_value *arg = nnc_arena_array(t->arena, d->n, sizeof *arg);
    args_of(t, d->cond, d->n, arg);
    t->b.pos = (nnc_pos){d->cond, {0}};
    nn_carry_set(t, c, arg + 1);
    nn_v ok = NULL;
    if (h)
        ok = nn_binary(t, NN_OP_lt, nn_weak(t, arg[0]),
                       h->count ? in_i64(t, h->count) : nn_dim_value(t, h->trips), l->at);
    if (l->until) {
        nn_env_push(t, NN_ENV_block);
        nn_push_turn(t, nn_weak(t, arg[0]));
        if (h)
            nn_head_bind(t, nn_kid(l->heads->kid[0], 0), turn_of_count(t, h, arg[0], l->at));
        nn_v own = condition(t, l->until);
        nn_env_pop(t);
        ok = ok ? nn_binary(t, NN_OP_and, ok, own, l->at) : own;
    }
    nnc_build_yield(&t->b, 1, &ok->ssa);
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
    return stacked_value(t, turn, ys, v);
}

static bool trace_while(nn_trace *t, const loop *l, nn_head *h, nn_carry *c, nn_v *value)
{
    nnc_pos outer = t->b.pos;
    nn_carry_init(t, c);
    drafting d = start_while(t, c);
    nn_region r = {.up = t->region, .first = t->nslot};
    t->region = &r;
    trace_cond(t, l, h, c, &d);
    nnc_value *arg = nnc_arena_array(t->arena, d.n, sizeof *arg);
    args_of(t, d.step, d.n, arg);
    t->b.pos = (nnc_pos){d.step, {0}};
    nn_carry_set(t, c, arg + 1);
    nn_v v;
    if (h) {
        v = run_body(t, l, 0, turn_of_count(t, h, arg[0], l->at), nn_weak(t, arg[0]));
    } else {
        nn_env_push(t, NN_ENV_block);
        nn_push_turn(t, nn_weak(t, arg[0]));
        v = nn_block_value(t, l->block);
        nn_env_pop(t);
    }
    bool keep = h && v->kind != NN_V_none && (!h->count || h->bounded);
    nn_leaves ys = {0};
    if (keep) {
        check_turn(t, v, l->block);
        nn_collect(t, v, &ys);
    }
    nnc_value *out = nnc_arena_array(t->arena, d.n + ys.n, sizeof *out);
    nnc_value *init = nnc_arena_array(t->arena, d.n + ys.n, sizeof *init);
    bool done = nn_carry_end(t, c, &r, out + 1);
    t->region = r.up;
    if (!done) {
        t->b.pos = outer;
        nn_carry_restore(c);
        nnc_op_erase(t->m, d.op);
        return false;
    }
    out[0] = nnc_g_binary(&t->b, NNC_OP_add, arg[0], nnc_g_int(&t->b, NNC_DT_i64, 1));
    for (uint32_t i = 0; i < d.n; i++)
        init[i] = nnc_op_in(t->m, d.op, i);
    t->b.pos.before = (nnc_op){0};
    add_buffers(t, h, &d, &ys, (nnc_pos){outer.block, d.op}, init + d.n, out + d.n, &arg[0]);
    nnc_build_yield(&t->b, d.n + ys.n, out);
    t->b.pos = outer;
    nnc_op op = finish_while(t, &d, d.n + ys.n, init, h);
    nnc_value *res = nnc_arena_array(t->arena, d.n, sizeof *res);
    for (uint32_t i = 1; i < d.n; i++)
        res[i] = nnc_op_out(t->m, op, i);
    nn_carry_set(t, c, res + 1);
    *value = keep ? cut_to_count(t, h, v, &ys, op, d.n) : nn_none();
    return true;
}

static nn_v while_head(nn_trace *t, const loop *l, nn_head *h)
{
    nn_carry c = {0};
    const nn_ast *text[3] = {l->block, l->heads, l->until};
    nn_carry_begin(t, &c, text, 3);
    for (int i = 0; i < MOST_TRACES; i++) {
        nn_v v;
        if (trace_while(t, l, h, &c, &v))
            return v;
    }
    unstable(t, &c, l->at);
}

nn_v nn_while(nn_trace *t, const nn_ast *e)
{
    loop l = {.until = nn_kid(e, 0), .block = nn_kid(e, 1), .at = e};
    while_head(t, &l, NULL);
    return nn_none();
}

/* ---- for ---- */

static nn_v unroll(nn_trace *t, const loop *l, unsigned h)
{
    enum { STEPS_OF_TURN = 8 }; /* in memory: its scope, its number, what the head binds */
    const nn_ast *head = l->heads->kid[h], *e = nn_kid(head, 1);
    nn_v xs = nn_expr(t, e);
    nn_leaves turns = {0};
    nn_static_turns(t, xs, e, &turns);
    if (turns.n > MOST_TURNS)
        nn_fail(t, e->loc, "unrolling %u turns; at most %d are unrolled, use a run-time loop",
                turns.n, MOST_TURNS);
    nn_v *item = nnc_arena_array(t->arena, turns.n, sizeof *item);
    uint32_t n = 0;
    for (uint32_t i = 0; i < turns.n; i++) {
        nn_step(t, head->loc, STEPS_OF_TURN);
        nn_env_push(t, NN_ENV_pasted);
        nn_push_turn(t, nn_int(t, i));
        nn_head_bind(t, nn_kid(head, 0), turns.at[i]);
        nn_unrolled(t, i);
        nn_v v = run_heads(t, l, h + 1);
        nn_unrolled_end(t);
        nn_env_pop(t);
        if (v->kind != NN_V_none)
            item[n++] = v;
    }
    return n ? nn_record(t, n, NULL, item) : nn_none();
}

static nn_v run_heads(nn_trace *t, const loop *l, unsigned h)
{
    if (h == l->heads->nkid)
        return nn_block_value(t, l->block);
    if (nn_is(l->heads->kid[h], NN_static_in))
        return unroll(t, l, h);
    nn_head head;
    nn_head_of(t, l->heads->kid[h], &head);
    if (!l->until && !head.count)
        return scan_head(t, l, h, &head);
    if (l->heads->nkid > 1)
        nn_fail(t, l->at->loc,
                "'for .. while' and loops with a run-time number of turns have one head");
    return while_head(t, l, &head);
}

nn_v nn_for(nn_trace *t, const nn_ast *e, const nn_ast *hint)
{
    loop l = {.heads = nn_kid(e, 0),
              .until = nn_kid_or_null(e, 1),
              .block = nn_kid(e, 2),
              .hint = hint,
              .at = e};
    return run_heads(t, &l, 0);
}
