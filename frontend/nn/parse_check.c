/* Checks that need a tree but no meaning: what may stand left of `=`, and expressions whose value goes nowhere. */
#include "frontend/nn/parser.h"
#include <string.h>

/* What was reported is no longer there for the stages that go on. */
static void take_out(nn_ast *n)
{
    n->kind = NN_error;
    n->nkid = 0;
}

static nn_span span_of(const nn_ast *n)
{
    return (nn_span){n->begin, n->end};
}

/* A name, a path, an indexed path, or a tuple of those. */
static bool check_target(nn_parser *cx, const nn_ast *n, bool whole)
{
    switch (n->kind) {
    case NN_name: return true;
    case NN_hole: return !whole;
    case NN_field: return check_target(cx, n->kid[0], true);
    case NN_at: return check_target(cx, n->kid[0], true);
    case NN_tuple:
        for (uint32_t i = 0; i < n->nkid; i++)
            if (!check_target(cx, n->kid[i], false))
                return false;
        return n->nkid > 0;
    default: return false;
    }
}

static void check_bind(nn_parser *cx, nn_ast *n)
{
    const nn_ast *t = n->kid[0];
    if (n->kind == NN_update && t->kind == NN_tuple) {
        nn_mistake(cx, span_of(t), "a tuple cannot be updated; assign its parts one by one");
        take_out(n);
    } else if (!check_target(cx, t, true)) {
        nn_mistake(cx, span_of(t),
                   "this cannot be assigned; left of '=' stands a name, a path, an indexed path or "
                   "a tuple of those");
        if (t->kind == NN_call)
            nn_remark(cx, span_of(t), "a function is declared by 'fn name(..) = ..'");
        take_out(n);
    }
}

/* Whether the value of an expression statement may be unused: calls can be effects, blocks contain statements. */
static bool may_act(const nn_ast *n)
{
    switch (n->kind) {
    case NN_call:
    case NN_call_bang:
    case NN_if_:
    case NN_static_if:
    case NN_for_:
    case NN_while_:
    case NN_sweep: return true;
    case NN_hinted: return may_act(n->kid[1]);
    default: return false;
    }
}

static bool is_expression(const nn_ast *n)
{
    return n->kind >= NN_name && n->kind <= NN_sweep;
}

/* `assert(x > 0)` calls a function of that name. */
static void check_assert(nn_parser *cx, nn_ast *n)
{
    if (n->kind != NN_call || n->kid[0]->kind != NN_name ||
        strcmp(nnc_intern_str(cx->s->names, n->kid[0]->name), "assert") != 0)
        return;
    for (uint32_t i = 0; i < cx->root->nkid; i++)
        if (cx->root->kid[i]->name.id == n->kid[0]->name.id)
            return;
    nn_mistake(cx, span_of(n->kid[0]), "'assert' is no function; write assert x > 0, \"text\"");
    take_out(n);
}

static void check_block(nn_parser *cx, const nn_ast *b)
{
    for (uint32_t i = 0; i < b->nkid; i++)
        check_assert(cx, b->kid[i]);
    for (uint32_t i = 0; i + 1 < b->nkid; i++) {
        nn_ast *n = b->kid[i];
        if (!is_expression(n) || may_act(n))
            continue;
        nn_mistake(cx, span_of(n), "the value of this expression is not used");
        if (n->kind == NN_binary && n->op == NN_OP_eq)
            nn_remark(cx, span_of(n), "'==' compares; a name is given a value by '='");
        else
            nn_remark(cx, span_of(n), "only the last expression of a block is its value");
        take_out(n);
    }
}

static void check(nn_parser *cx, nn_ast *n, bool constraints)
{
    if (n->kind == NN_bind || n->kind == NN_update)
        check_bind(cx, n);
    if (n->kind == NN_block && !constraints)
        check_block(cx, n);
    for (uint32_t i = 0; i < n->nkid; i++) {
        bool problem = (n->kind == NN_maximize || n->kind == NN_minimize) && i == 2;
        bool closure = n->kind == NN_lambda;
        check(cx, n->kid[i], problem || (constraints && !closure));
    }
}

void nn_check_tree(nn_parser *cx)
{
    check(cx, cx->root, false);
}
