/* claim and assert: both sides of every comparison are kept, so that they can be shown as measured. */
#include "frontend/nn/program.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/number.h"
#include <string.h>

typedef struct claiming {
    nn_operands o;
    NNC_BUF(nnp_part) part;
    const char *fixed;
    nn_v where;
    const nn_ast *at;
} claiming;

/* Labels that the text fixes by indexing: r.acc[w = 4] -> "w = 4". */
typedef struct fixing {
    const char *name, *value; /* value: NULL when the text fixes several */
} fixing;
typedef NNC_BUF(fixing) fixings;

static void fix(nn_trace *t, fixings *f, const char *name, const char *value)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (!strcmp(f->at[i].name, name)) {
            if (f->at[i].value && strcmp(f->at[i].value, value))
                f->at[i].value = NULL;
            return;
        }
    NNC_PUSH(t->arena, f, ((fixing){name, value}));
}

static void find_fixed(nn_trace *t, const nn_ast *e, fixings *f)
{
    for (uint32_t i = 1; nn_is(e, NN_at) && i < e->nkid; i++) {
        const nn_ast *k = e->kid[i];
        if (!nn_is(k, NN_named))
            continue;
        const nn_ast *v = nn_kid(k, 0);
        fix(t, f, nn_sym(t, k->name),
            v->text             ? v->text
            : nn_is(v, NN_name) ? nn_sym(t, v->name)
                                : "..");
    }
    for (uint32_t i = 0; i < e->nkid; i++)
        find_fixed(t, e->kid[i], f);
}

/* "w = 4, seed = 0", or NULL */
static const char *fixed_text(nn_trace *t, const nn_ast *e)
{
    fixings f = {0};
    const char *out = NULL;
    find_fixed(t, e, &f);
    for (uint32_t i = 0; i < f.n; i++)
        if (f.at[i].value)
            out = nnc_arena_printf(t->arena, "%s%s%s = %s", out ? out : "", out ? ", " : "",
                                   f.at[i].name, f.at[i].value);
    return out;
}

static nnp_value nothing(void)
{
    return (nnp_value){.at = NNP_NONE};
}

static nnp_compare compare_of(nn_operator op)
{
    static const nnp_compare of[] = {NNP_EQ, NNP_NE, NNP_LT, NNP_LE, NNP_GT, NNP_GE};
    return op >= NN_OP_eq && op <= NN_OP_ge ? of[op - NN_OP_eq] : NNP_TRUE;
}

static void add_part(nn_trace *t, claiming *c, const char *name, nn_operator op, nn_v verdict,
                     nn_v l, nn_v r, nn_v tol, const nn_ast *at)
{
    if (nn_dtype(t, verdict) != NNC_DT_bool)
        nn_fail(t, at->loc, "a claim is a bool, this is %s; compare it with something",
                nn_type_text(t, verdict));
    nnp_part p = {.name = *name ? name : NULL,
                  .op = compare_of(op),
                  .fixed = c->fixed,
                  .left = nothing(),
                  .right = nothing(),
                  .tolerance = nothing(),
                  .where = nothing()};
    p.verdict = nn_host_operand(t, &c->o, verdict, at);
    if (l && r && p.op != NNP_TRUE) {
        p.left = nn_host_operand(t, &c->o, l, at);
        p.right = nn_host_operand(t, &c->o, r, at);
    } else {
        p.op = NNP_TRUE; /* texts: nothing to show */
    }
    if (tol)
        p.tolerance = nn_host_operand(t, &c->o, tol, at);
    if (c->where)
        p.where = nn_host_operand(t, &c->o, c->where, at);
    NNC_PUSH(t->arena, &c->part, p);
}

static bool is_text(nn_v v)
{
    return v->kind == NN_V_text || v->kind == NN_V_strings;
}

/* A comparison of trees, leaf by leaf. */
static void compare_trees(nn_trace *t, claiming *c, const char *name, nn_operator op, nn_v l,
                          nn_v r, nn_v tol, const nn_ast *at)
{
    bool tl = nn_is_leafwise(l), tr = nn_is_leafwise(r);
    if (is_text(l) || is_text(r)) /* a list beside texts is one of texts */
        tl = tr = false;
    if (!tl && !tr) {
        nn_v verdict;
        if (tol) {
            nn_v d = nn_elementwise(t, NNC_OP_abs, nn_binary(t, NN_OP_sub, l, r, at), at);
            verdict = nn_binary(t, NN_OP_le, d, tol, at);
        } else {
            verdict = nn_binary(t, op, l, r, at);
        }
        bool text = !nn_can_be_tensor(l) || !nn_can_be_tensor(r);
        add_part(t, c, name, op, verdict, text ? NULL : nn_as_tensor(t, l, at),
                 text ? NULL : nn_as_tensor(t, r, at), tol, at);
        return;
    }
    nn_v shape = tl ? l : r;
    if (tl && tr && l->n != r->n)
        nn_fail(t, at->loc, "records with different fields: %s against %s", nn_type_text(t, l),
                nn_type_text(t, r));
    for (uint32_t i = 0; i < shape->n; i++) {
        const char *f = shape->name && shape->name[i].id ? nn_sym(t, shape->name[i])
                                                         : nnc_arena_printf(t->arena, "%u", i);
        compare_trees(t, c, *name ? nnc_arena_printf(t->arena, "%s.%s", name, f) : f, op,
                      tl ? l->item[i] : l, tr ? r->item[i] : r, tol, at);
    }
}

static nn_v add_chain(nn_trace *t, claiming *c, const nn_ast *e)
{
    const nn_ast *l = nn_kid(e, 0), *r = nn_kid(e, 1);
    if (e->op == NN_OP_within) {
        if (!nn_is(l, NN_binary) || l->op != NN_OP_eq)
            nn_fail(t, e->loc, "'within' belongs to an equality: a == b within tolerance");
        nn_v a = nn_expr(t, nn_kid(l, 0)), b = nn_expr(t, nn_kid(l, 1));
        compare_trees(t, c, "", NN_OP_eq, a, b, nn_as_tensor(t, nn_expr(t, r), r), e);
        return b;
    }
    nn_v a = nn_is_comparison(l) && !l->parens ? add_chain(t, c, l) : nn_expr(t, l);
    nn_v b = nn_expr(t, r);
    compare_trees(t, c, "", (nn_operator)e->op, a, b, NULL, e);
    return b;
}

static void add_bools(nn_trace *t, claiming *c, const char *name, nn_v v, const nn_ast *e)
{
    if (nn_is_leafwise(v)) {
        for (uint32_t i = 0; i < v->n; i++)
            add_bools(t, c, v->name && v->name[i].id ? nn_sym(t, v->name[i]) : name, v->item[i], e);
        return;
    }
    add_part(t, c, name, NN_OP_none, nn_as_tensor(t, v, e), NULL, NULL, NULL, e);
}

static void add_claim(nn_trace *t, claiming *c, const nn_ast *e)
{
    if (nn_is(e, NN_binary) && e->op == NN_OP_and) {
        add_claim(t, c, nn_kid(e, 0));
        add_claim(t, c, nn_kid(e, 1));
    } else if (nn_is_comparison(e)) {
        c->fixed = fixed_text(t, e);
        add_chain(t, c, e);
    } else {
        c->fixed = fixed_text(t, e);
        add_bools(t, c, "", nn_expr(t, e), e);
    }
}

void nn_claim(nn_trace *t, const nn_ast *s)
{
    claiming c = {.at = s};
    if (!t->frame->effects)
        nn_fail(t, s->loc, "a claim belongs into an experiment or a test");
    if (nn_kid_or_null(s, 1)) {
        c.where = nn_as_tensor(t, nn_expr(t, nn_kid(s, 1)), nn_kid(s, 1));
        if (nn_dtype(t, c.where) != NNC_DT_bool)
            nn_fail(t, nn_kid(s, 1)->loc, "'where' takes bools, this is %s",
                    nn_type_text(t, c.where));
    }
    add_claim(t, &c, nn_kid(s, 0));
    nnp_claim *d = nnc_arena_alloc(t->arena, sizeof *d);
    *d = (nnp_claim){s->text ? s->text : "", (int)c.part.n, c.part.at};
    nn_emit_host(t, NNP_CLAIM, d, &c.o, 0, NULL, s);
}

/* ---- assert ---- */

static bool all_known_true(nn_trace *t, nn_v v, const nn_ast *at)
{
    nnc_tensor x = nn_ask_tensor(t, v, at, "an assertion");
    const uint8_t *p = x.data;
    for (int64_t i = 0; i < nnc_tensor_count(&x); i++)
        if (!p[i])
            return false;
    return true;
}

static const char *text_of(nn_trace *t, const nn_ast *s)
{
    if (s->text && *s->text)
        return s->text;
    const nn_unit *u = t->frame->unit;
    const nn_ast *e = nn_kid(s, 0);
    int n = (int)(e->end - e->begin);
    return nnc_arena_printf(t->arena, "%.*s", n > 200 ? 200 : n, u->file->text + e->begin);
}

static void emit_assert(nn_trace *t, const nn_operands *o, nnp_assert a, const nn_ast *at)
{
    a.source = nnc_loc_excerpt(t->diag, at->loc);
    nn_emit_host(t, NNP_ASSERT, nnc_arena_copy(t->arena, &a, sizeof a), o, 0, NULL, at);
}

void nn_assert_value(nn_trace *t, nn_v ok, const char *text, const nn_ast *at)
{
    nn_operands o = {0};
    nnp_value *verdict = nnc_arena_alloc(t->arena, sizeof *verdict);
    *verdict = nn_host_operand(t, &o, ok, at);
    emit_assert(t, &o, (nnp_assert){text, NULL, 1, verdict}, at);
}

void nn_assert(nn_trace *t, const nn_ast *s)
{
    const nn_ast *e = nn_kid(s, 0);
    nn_v v = nn_expr(t, e);
    nn_leaves leaf = {0};
    nn_operands o = {0};
    NNC_BUF(nnp_value) run = {0};
    nn_collect(t, v, &leaf);
    for (uint32_t i = 0; i < leaf.n; i++) {
        if (nn_dtype(t, leaf.at[i]) != NNC_DT_bool)
            nn_fail(t, e->loc, "an assertion is a bool, this is %s; compare it with something",
                    nn_type_text(t, v));
        if (nn_known(t, leaf.at[i])) {
            if (!all_known_true(t, leaf.at[i], e))
                nn_fail(t, e->loc, "%s", text_of(t, s));
            continue;
        }
        NNC_PUSH(t->arena, &run, nn_host_operand(t, &o, leaf.at[i], e));
    }
    if (run.n && t->program)
        emit_assert(t, &o, (nnp_assert){text_of(t, s), NULL, (int)run.n, run.at}, e);
}
