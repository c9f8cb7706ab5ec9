/* `for`: its heads, the value of its turns, and scan, which it becomes when the number of turns is a dimension. */
#include "frontend/nn/flow.h"
#include "frontend/nn/gradient.h"
#include "frontend/nn/number.h"
#include <string.h>

enum { MOST_TURNS = 10000 };

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
nn_v nn_stacked_value(nn_trace *t, nn_v turn, const nn_leaves *leaf, const nnc_value *ys)
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

void nn_check_turn(nn_trace *t, nn_v v, const nn_ast *block)
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

static bool trace_scan(nn_trace *t, const nn_loop *l, nn_head *h, nn_carry *c, nn_v *value)
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
    nn_v turn = h->of_leaves ? nn_turn_of_leaves(t, h, arg + 1 + c->leaf.n)
                             : nn_turn_of_range(t, h, arg[0], l->at);
    nn_v v = nn_run_body(t, l, h, turn, nn_weak(t, arg[0]));
    nn_check_turn(t, v, l->block);
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
    *value = v->kind == NN_V_none ? v : nn_stacked_value(t, v, &ys, res + c->leaf.n);
    return true;
}

static nn_v scan_head(nn_trace *t, const nn_loop *l, nn_head *h)
{
    nn_carry c = {0};
    const nn_ast *text[2] = {l->block, l->heads};
    nn_carry_begin(t, &c, text, 2);
    for (int i = 0; i < NN_MOST_TRACES; i++) {
        nn_v v;
        if (trace_scan(t, l, h, &c, &v))
            return v;
    }
    nn_unstable(t, &c, l->at);
}

/* ---- heads ---- */

nn_v nn_run_body(nn_trace *t, const nn_loop *l, const nn_head *h, nn_v turn, nn_v index)
{
    nn_env_push(t, NN_ENV_block);
    nn_push_turn(t, index);
    nn_head_bind(t, h->pattern, turn);
    nn_v v = nn_run_heads(t, l, h->place + 1);
    nn_env_pop(t);
    return v;
}

static nn_v unroll(nn_trace *t, const nn_loop *l, unsigned h)
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
        nn_v v = nn_run_heads(t, l, h + 1);
        nn_unrolled_end(t);
        nn_env_pop(t);
        if (v->kind != NN_V_none)
            item[n++] = v;
    }
    return n ? nn_record(t, n, NULL, item) : nn_none();
}

nn_v nn_run_heads(nn_trace *t, const nn_loop *l, unsigned h)
{
    if (h == l->heads->nkid)
        return nn_block_value(t, l->block);
    if (nn_is(l->heads->kid[h], NN_static_in))
        return unroll(t, l, h);
    nn_head head;
    nn_head_of(t, l->heads->kid[h], &head);
    head.place = h;
    return l->until || head.count ? nn_while_head(t, l, &head) : scan_head(t, l, &head);
}

nn_v nn_for(nn_trace *t, const nn_ast *e, const nn_ast *hint)
{
    nn_loop l = {.heads = nn_kid(e, 0),
                 .until = nn_kid_or_null(e, 1),
                 .block = nn_kid(e, 2),
                 .hint = hint,
                 .at = e};
    const nn_ast *last = l.heads->kid[l.heads->nkid - 1];
    if (l.until && nn_is(last, NN_static_in))
        nn_fail(t, last->loc,
                "'while' is looked at before each turn of the last head, and this one is unrolled; "
                "write it without brackets");
    if (!l.until || l.heads->nkid == 1)
        return nn_run_heads(t, &l, 0);
    nn_env_push(t, NN_ENV_block);
    l.go = nn_bind(t, nn_name(t, "while"), nn_bool(t, true), NULL);
    nn_v v = nn_run_heads(t, &l, 0);
    nn_env_pop(t);
    return v;
}
