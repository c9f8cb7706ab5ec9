/* `if` in both forms, what `for [..]` walks over, and small help for regions.
 *
 * A run-time `if` traces both sides with the outer values; what either assigns is a result of the op, as is the value.
 * The two sides are then made equal: weak leaves take the other side's dtype. */
#include "frontend/nn/flow.h"
#include "frontend/nn/gradient.h"
#include "frontend/nn/number.h"
#include <string.h>

void nn_take_region(nn_trace *t, nnc_op to, nnc_op from, unsigned i)
{
    nnc_module *m = t->m;
    nnc_op_rec *a = nnc_op_get(m, to), *b = nnc_op_get(m, from);
    nnc_block body = m->region.at[b->region + i], empty = m->region.at[a->region + i];
    m->region.at[a->region + i] = body;
    m->region.at[b->region + i] = empty;
    m->block.at[body.id].parent = to;
    m->block.at[empty.id].parent = from;
}

void nn_hint_attributes(nn_trace *t, nnc_op op, const nn_ast *hint)
{
    if (!hint)
        return;
    const char *s = nn_sym(t, hint->name);
    int64_t n = hint->nkid ? nn_ask_int(t, nn_expr(t, hint->kid[0]), hint->kid[0], "a hint") : 0;
    static const char *const known[] = {"unroll", "checkpoint", "newton", "batch",
                                        "serial", "inline",     "outline"};
    for (unsigned i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(s, known[i]) == 0) {
            nnc_attr_rec a = {.key = nn_name(t, s), .kind = NNC_ATTR_int, .u = {.i = n ? n : 1}};
            nnc_attr_set(t->m, op, a);
            return;
        }
    nn_fail(t, hint->loc,
            "there is no hint '@%s'; known are @unroll @checkpoint @newton @batch @serial @inline "
            "@outline",
            s);
}

/* ---- run-time if ---- */

typedef struct side {
    nnc_block block;
    nn_region region;
    nn_v value;
    NNC_BUF(nn_v) now; /* what each written slot holds at the end */
} side;

static void trace_side(nn_trace *t, side *s, const nn_ast *text)
{
    s->region = (nn_region){.up = t->region, .first = t->nslot};
    t->region = &s->region;
    t->b.pos = (nnc_pos){s->block, {0}};
    s->value = !text ? nn_none() : nn_is(text, NN_block) ? nn_scoped(t, text) : nn_expr(t, text);
    t->region = s->region.up;
    for (uint32_t i = 0; i < s->region.written.n; i++) {
        NNC_PUSH(t->arena, &s->now, s->region.written.at[i]->val);
        s->region.written.at[i]->val = s->region.old.at[i];
    }
}

static nn_v value_on(const side *s, const nn_slot *slot)
{
    for (uint32_t i = 0; i < s->region.written.n; i++)
        if (s->region.written.at[i] == slot)
            return s->now.at[i];
    return slot->val;
}

static _Noreturn void sides_differ(nn_trace *t, const nn_ast *e, const char *what, nn_v a, nn_v b,
                                   const char *why)
{
    nn_error(t, e->loc, "the two sides of 'if' give %s of different types: %s against %s", what,
             nn_type_text(t, a), nn_type_text(t, b));
    if (why)
        nnc_note(t->diag, e->loc, "%s", why);
    nnc_note(
        t->diag, e->loc,
        "if the condition is known at compile time, write 'if [..]': the sides may differ then");
    nn_fail_silently(t);
}

/* One leaf from both sides in one type; conversions go to the end of the side that needs them. */
static void unify(nn_trace *t, const nn_ast *e, const char *what, side s[2], nn_v *a, nn_v *b)
{
    bool same = nn_rank(t, *a) == nn_rank(t, *b) && (*a)->is_key == (*b)->is_key;
    for (int i = 0; same && i < nn_rank(t, *a); i++)
        same = nn_axis_size(t, *a, i) == nn_axis_size(t, *b, i);
    nnc_dtype x = nn_dtype(t, *a), y = nn_dtype(t, *b);
    if (!same || (!(*a)->weak && !(*b)->weak && x != y))
        sides_differ(t, e, what, *a, *b, NULL);
    if ((*a)->weak == (*b)->weak && x == y)
        return;
    nnc_pos outer = t->b.pos;
    if ((*a)->weak && (*b)->weak) {
        nn_v *low = nn_kind_of(x) < nn_kind_of(y) ? a : b;
        t->b.pos = (nnc_pos){s[low == b].block, {0}};
        *low = nn_weak(t, nnc_g_cast(&t->b, (*low)->ssa, low == a ? y : x));
    } else {
        nn_v *weak = (*a)->weak ? a : b;
        if (nn_kind_of(weak == a ? x : y) > nn_kind_of(weak == a ? y : x))
            sides_differ(t, e, what, *a, *b, NULL);
        t->b.pos = (nnc_pos){s[weak == b].block, {0}};
        *weak = nn_convert(t, *weak, weak == a ? y : x);
    }
    t->b.pos = outer;
}

typedef struct joined { /* results of the op, in order */
    nn_leaves a, b;
} joined;

static void join(nn_trace *t, const nn_ast *e, const char *what, side s[2], nn_v a, nn_v b,
                 joined *out)
{
    const char *why = NULL;
    if (!nn_same_tree(t, a, b, &why))
        sides_differ(t, e, what, a, b, why);
    nn_leaves la = {0}, lb = {0};
    nnc_pos outer = t->b.pos;
    t->b.pos = (nnc_pos){s[0].block, {0}};
    nn_collect(t, a, &la);
    t->b.pos = (nnc_pos){s[1].block, {0}};
    nn_collect(t, b, &lb);
    t->b.pos = outer;
    for (uint32_t i = 0; i < la.n; i++) {
        unify(t, e, what, s, &la.at[i], &lb.at[i]);
        NNC_PUSH(t->arena, &out->a, la.at[i]);
        NNC_PUSH(t->arena, &out->b, lb.at[i]);
    }
}

static void yield_side(nn_trace *t, const side *s, const nn_leaves *v)
{
    nnc_value *out = nnc_arena_array(t->arena, v->n, sizeof *out);
    for (uint32_t i = 0; i < v->n; i++)
        out[i] = v->at[i]->ssa;
    t->b.pos = (nnc_pos){s->block, {0}};
    nnc_build_yield(&t->b, v->n, out);
}

static nnc_op finish_if(nn_trace *t, nnc_op draft, const joined *j)
{
    nnc_type *type = nnc_arena_array(t->arena, j->a.n, sizeof *type);
    for (uint32_t i = 0; i < j->a.n; i++)
        type[i] = nnc_value_type(t->m, j->a.at[i]->ssa);
    nnc_op op = nnc_g_if(&t->b, nnc_op_in(t->m, draft, 0), j->a.n, type);
    nn_take_region(t, op, draft, 0);
    nn_take_region(t, op, draft, 1);
    nnc_op_erase(t->m, draft);
    nnc_g_finish(&t->b, op);
    return op;
}

static nn_v rebuild(nn_trace *t, nn_v tree, const joined *j, nnc_op op, uint32_t *next)
{
    nn_leaves leaf = {0};
    nn_collect(t, tree, &leaf);
    nn_v *item = nnc_arena_array(t->arena, leaf.n, sizeof *item);
    for (uint32_t i = 0; i < leaf.n; i++, (*next)++)
        item[i] = nn_with_labels(t, nn_like(t, j->a.at[*next], nnc_op_out(t->m, op, *next)),
                                 j->a.at[*next]->label);
    const nn_v *p = item;
    return nn_rebuild(t, tree, &p);
}

static nn_v bool_condition(nn_trace *t, const nn_ast *e)
{
    nn_v c = nn_as_tensor(t, nn_expr(t, e), e);
    if (nn_dtype(t, c) != NNC_DT_bool)
        nn_fail(t, e->loc, "a condition is a bool, this is %s; compare it with something",
                nn_type_text(t, c));
    if (nn_rank(t, c) != 0)
        nn_fail(t, e->loc,
                "a condition is one bool, this is %s; use any(..) or all(..), or where(c, a, b) "
                "for the "
                "choice element by element",
                nn_type_text(t, c));
    return c;
}

nn_v nn_if(nn_trace *t, const nn_ast *e)
{
    nn_v c = bool_condition(t, nn_kid(e, 0));
    nnc_pos outer = t->b.pos;
    nnc_op draft = nnc_g_if(&t->b, c->ssa, 0, NULL);
    side s[2] = {{.block = nnc_op_region(t->m, draft, 0)},
                 {.block = nnc_op_region(t->m, draft, 1)}};
    trace_side(t, &s[0], nn_kid(e, 1));
    trace_side(t, &s[1], nn_kid_or_null(e, 2));
    t->b.pos = outer;
    joined j = {0};
    bool value = s[0].value->kind != NN_V_none && s[1].value->kind != NN_V_none;
    if (value)
        join(t, e, "values", s, s[0].value, s[1].value, &j);
    nn_slots slot = {0};
    NNC_BUF(nn_v) tree = {0};
    for (int k = 0; k < 2; k++)
        for (uint32_t i = 0; i < s[k].region.written.n; i++) {
            nn_slot *w = s[k].region.written.at[i];
            bool have = false;
            for (uint32_t q = 0; q < slot.n; q++)
                have |= slot.at[q] == w;
            if (have)
                continue;
            NNC_PUSH(t->arena, &slot, w);
            nn_v a = value_on(&s[0], w);
            join(t, e, nnc_arena_printf(t->arena, "'%s'", nn_sym(t, w->name)), s, a,
                 value_on(&s[1], w), &j);
            NNC_PUSH(t->arena, &tree, a);
        }
    yield_side(t, &s[0], &j.a);
    yield_side(t, &s[1], &j.b);
    t->b.pos = outer;
    nnc_op op = finish_if(t, draft, &j);
    uint32_t next = 0;
    nn_v v = value ? rebuild(t, s[0].value, &j, op, &next) : nn_none();
    for (uint32_t i = 0; i < slot.n; i++) {
        nn_touch(t, slot.at[i], slot.at[i]->val);
        slot.at[i]->val = nn_as_leaf(t, slot.at[i]->name, rebuild(t, tree.at[i], &j, op, &next));
    }
    return v;
}

/* ---- compile time ---- */

nn_v nn_static_if(nn_trace *t, const nn_ast *e)
{
    nn_v c = nn_expr(t, nn_kid(e, 0));
    const nn_ast *taken = nn_ask_bool(t, c, nn_kid(e, 0), "the condition of 'if [..]'")
                              ? nn_kid(e, 1)
                              : nn_kid_or_null(e, 2);
    if (!taken)
        return nn_none();
    return nn_is(taken, NN_block) ? nn_block_value(t, taken) : nn_expr(t, taken);
}

/* The elements of a known vector, as constants. */
static void known_turns(nn_trace *t, nn_v x, const nn_ast *at, nn_leaves *out)
{
    nnc_tensor v = nn_ask_tensor(t, x, at, "an unrolled list");
    nnc_type type = nnc_type_tensor(t->m, v.dtype, 0, NULL);
    const char *p = v.data;
    for (int64_t i = 0; i < nnc_tensor_count(&v) && out->n <= 10000;
         i++, p += nnc_dtype_bytes(v.dtype)) {
        uint64_t bits = 0;
        memcpy(&bits, p, nnc_dtype_bytes(v.dtype));
        nnc_value one = nnc_const_bits(t->m, type, bits);
        int64_t n;
        if (x->weak && v.dtype == NNC_DT_i64 && nnc_value_idx(t->m, one, &n))
            NNC_PUSH(t->arena, out, nn_int(t, n));
        else
            NNC_PUSH(t->arena, out, x->weak ? nn_weak(t, one) : nn_tensor(t, one));
    }
}

void nn_static_turns(nn_trace *t, nn_v xs, const nn_ast *at, nn_leaves *out)
{
    if (xs->kind == NN_V_list || xs->kind == NN_V_record) {
        for (uint32_t i = 0; i < xs->n; i++)
            NNC_PUSH(t->arena, out, xs->item[i]);
        return;
    }
    if (xs->kind == NN_V_strings && xs->strings->rank == 1) {
        for (int64_t i = 0; i < xs->strings->dim[0]; i++)
            NNC_PUSH(t->arena, out, nn_text(t, nn_sym(t, xs->strings->at[i])));
        return;
    }
    if (xs->kind == NN_V_range) {
        int64_t a = nn_ask_int(t, xs->item[0], at, "the start of an unrolled range");
        int64_t b = nn_ask_int(t, xs->item[1], at, "the end of an unrolled range");
        int64_t s =
            xs->item[2] ? nn_ask_int(t, xs->item[2], at, "the step of an unrolled range") : 1;
        if (s == 0)
            nn_fail(t, at->loc, "the step of a range is 0");
        for (int64_t i = a; (s > 0 ? i < b : i > b) && out->n <= 10000;) {
            NNC_PUSH(t->arena, out, nn_int(t, i));
            if (__builtin_add_overflow(i, s, &i))
                break;
        }
        return;
    }
    nn_v x = nn_as_tensor(t, xs, at);
    int64_t n;
    if (nn_rank(t, x) == 1 && !x->is_key && nn_known(t, x)) {
        known_turns(t, x, at, out);
        return;
    }
    if (nn_rank(t, x) == 0 || !nnc_dim_value(t->m->dims, nn_axis_size(t, x, 0), &n))
        nn_fail(t, at->loc, "'for [x in ..]' walks over something of known size, this is %s",
                nn_type_text(t, x));
    for (int64_t i = 0; i < n && out->n <= 10000; i++)
        NNC_PUSH(t->arena, out, nn_take(t, x, nn_int(t, i), at));
}
