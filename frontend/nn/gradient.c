/* grad, vjp, jvp, hvp, jacobian, stop: ops of the graph, replaced later by the autodiff pass.
 *
 * A name that a declaration differentiates by is found in its text; each binding of such a name passes through `leaf`, so
 * that "the present binding of x" is an SSA value.  The dependence of l on x is checked here, by walking back. */
#include "frontend/nn/gradient.h"
#include "frontend/nn/builtin.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/model.h"
#include "frontend/nn/number.h"
#include <string.h>

/* ---- which names are differentiated by ---- */

static bool is_gradient(nn_trace *t, const nn_ast *callee)
{
    static const char *const name[] = {"grad", "vjp", "jvp", "hvp", "jacobian"};
    if (!nn_is(callee, NN_name))
        return false;
    const char *s = nn_sym(t, callee->name);
    for (unsigned i = 0; i < sizeof name / sizeof *name; i++)
        if (!strcmp(s, name[i]))
            return true;
    return false;
}

static void note_roots(nn_trace *t, nn_decl *d, const nn_ast *e)
{
    if (nn_is(e, NN_tuple)) {
        for (uint32_t i = 0; i < e->nkid; i++)
            note_roots(t, d, e->kid[i]);
        return;
    }
    const nn_ast *root = nn_path_root(e);
    if (root)
        NNC_PUSH(t->arena, &d->leaf_name, root->name);
}

static void scan(nn_trace *t, nn_decl *d, const nn_ast *e)
{
    if (nn_is(e, NN_train) && nn_kid(e, 1)->nkid)
        NNC_PUSH(t->arena, &d->leaf_name, nn_kid(e, 1)->kid[0]->name);
    if (nn_is(e, NN_call) && is_gradient(t, nn_kid(e, 0)) && e->nkid > 2)
        note_roots(t, d, nn_is(e->kid[2], NN_named) ? nn_kid(e->kid[2], 0) : e->kid[2]);
    for (uint32_t i = 0; i < e->nkid; i++)
        scan(t, d, e->kid[i]);
}

static nn_v mark(nn_trace *t, nn_v x, void *user)
{
    (void)user;
    if (x->is_key || nn_kind_of(nn_dtype(t, x)) != 2)
        return x;
    if (x->weak)
        x = nn_convert(t, x, nn_float_here(t));
    nn_val *v = nnc_arena_copy(t->arena, x, sizeof *x);
    v->ssa = nnc_g_leaf(&t->b, x->ssa);
    return v;
}

static bool is_variable(nn_trace *t, nnc_sym name)
{
    nn_decl *d = t->frame ? t->frame->decl : NULL;
    if (!d || t->no_variables)
        return false;
    if (!d->leaves_known) {
        d->leaves_known = true;
        scan(t, d, d->node);
    }
    for (uint32_t i = 0; i < d->leaf_name.n; i++)
        if (d->leaf_name.at[i].id == name.id)
            return true;
    return false;
}

nn_v nn_as_leaf(nn_trace *t, nnc_sym name, nn_v v)
{
    if (v->kind == NN_V_poison || v->has_dim || !is_variable(t, name))
        return v;
    return nn_map(t, v, mark, NULL);
}

typedef struct changing {
    nn_leaves old;
    uint32_t i;
} changing;

static nn_v mark_changed(nn_trace *t, nn_v x, void *user)
{
    changing *c = user;
    nn_v old = c->i < c->old.n ? c->old.at[c->i++] : NULL;
    return old && old->ssa.id == x->ssa.id ? x : mark(t, x, NULL);
}

nn_v nn_as_changed_leaf(nn_trace *t, nnc_sym name, nn_v old, nn_v v)
{
    changing c = {.i = 0};
    if (v->kind == NN_V_poison || !is_variable(t, name))
        return v;
    nn_collect(t, old, &c.old);
    return nn_map(t, v, mark_changed, &c);
}

/* ---- dependence ---- */

typedef struct walk {
    nn_trace *t;
    const nn_leaves *leaf;
    uint8_t *seen;
} walk;

static bool reaches(walk *w, nnc_value v);

/* The op's operands, or those of any op inside it. */
static bool reaches_op(walk *w, nnc_op op)
{
    nnc_module *m = w->t->m;
    if (nnc_op_code(m, op) == NNC_OP_stop_grad)
        return false;
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        if (reaches(w, nnc_op_in(m, op, i)))
            return true;
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op k = nnc_block_last(m, nnc_op_region(m, op, r)); k.id; k = nnc_op_prev(m, k))
            if (reaches_op(w, k))
                return true;
    return false;
}

static bool reaches(walk *w, nnc_value v)
{
    nnc_module *m = w->t->m;
    for (uint32_t i = 0; i < w->leaf->n; i++)
        if (w->leaf->at[i]->ssa.id == v.id)
            return true;
    if (w->seen[v.id])
        return false;
    w->seen[v.id] = 1;
    const nnc_value_rec *r = nnc_value_get(m, v);
    if (r->kind == NNC_VALUE_result)
        return reaches_op(w, (nnc_op){r->def});
    if (r->kind != NNC_VALUE_arg)
        return false;
    nnc_op parent = nnc_block_parent(m, (nnc_block){r->def});
    return nnc_op_code(m, parent) != NNC_OP_graph && reaches_op(w, parent);
}

static void check_depends(nn_trace *t, nn_v y, const nn_leaves *leaf, const nn_ast *e)
{
    walk w = {t, leaf, NULL};
    nn_leaves from = {0};
    nn_collect(t, y, &from);
    w.seen = nnc_arena_alloc(t->arena, t->m->value.n + 1u);
    for (uint32_t i = 0; i < from.n; i++)
        if (reaches(&w, from.at[i]->ssa))
            return;
    const nn_ast *l = e->kid[1], *x = e->kid[2];
    if (l->begin == x->begin || x->begin == e->begin) /* the gradient that `train` takes */
        nn_fail(t, l->loc, "the loss does not depend on the parameters of the model");
    const nn_unit *u = t->frame->unit;
    nn_error(t, e->loc, "'%.*s' does not depend on '%.*s'", (int)(l->end - l->begin),
             u->file->text + l->begin, (int)(x->end - x->begin), u->file->text + x->begin);
    nnc_note(
        t->diag, x->loc,
        "a gradient follows the values that were computed from the present binding of this name");
    nn_fail_silently(t);
}

/* ---- the arguments ---- */

typedef struct gradient {
    nn_v y, x;
    nn_leaves y_leaf, x_leaf; /* float leaves */
} gradient;

static void float_leaves(nn_trace *t, nn_v v, nn_leaves *out)
{
    nn_leaves all = {0};
    nn_collect(t, v, &all);
    for (uint32_t i = 0; i < all.n; i++)
        if (!all.at[i]->is_key && nn_kind_of(nn_dtype(t, all.at[i])) == 2)
            NNC_PUSH(t->arena, out, all.at[i]);
}

static const nn_ast *argument(nn_trace *t, const nn_bcall *c, unsigned i, const char *what)
{
    if (c->at->nkid <= i + 1)
        nn_fail(t, c->at->loc, "%s needs %s", c->self->name, what);
    const nn_ast *e = c->at->kid[i + 1];
    return nn_is(e, NN_named) ? nn_kid(e, 0) : e;
}

static nn_v variable(nn_trace *t, const nn_ast *e)
{
    if (nn_is(e, NN_tuple)) {
        nn_v *item = nnc_arena_array(t->arena, e->nkid, sizeof *item);
        for (uint32_t i = 0; i < e->nkid; i++)
            item[i] = variable(t, e->kid[i]);
        return nn_record(t, e->nkid, NULL, item);
    }
    if (!nn_path_root(e))
        nn_fail(t, e->loc,
                "a derivative is taken by a name or a path, for example x or net.params");
    nn_v v = nn_raw(t, e);
    return nn_captured_part(t, v);
}

static nn_v settled(nn_trace *t, nn_v x, void *user)
{
    (void)user;
    return x->weak ? nn_convert(t, nn_to_float(t, x), nn_float_here(t)) : x;
}

static gradient read(nn_trace *t, const nn_bcall *c)
{
    gradient g;
    memset(&g, 0, sizeof g);
    const nn_ast *l = argument(t, c, 0, "what to differentiate"),
                 *x = argument(t, c, 1, "a variable");
    g.y = nn_map(t, nn_expr(t, l), settled, NULL);
    g.x = variable(t, x);
    float_leaves(t, g.y, &g.y_leaf);
    float_leaves(t, g.x, &g.x_leaf);
    if (!g.y_leaf.n)
        nn_fail(t, l->loc, "only floats have derivatives, this is %s", nn_type_text(t, g.y));
    if (!g.x_leaf.n)
        nn_fail(t, x->loc, "only floats can be differentiated by, this is %s",
                nn_type_text(t, g.x));
    check_depends(t, g.y, &g.x_leaf, c->at);
    return g;
}

static nnc_value *ssa_of(nn_trace *t, const nn_leaves *l)
{
    nnc_value *v = nnc_arena_array(t->arena, l->n, sizeof *v);
    for (uint32_t i = 0; i < l->n; i++)
        v[i] = l->at[i]->ssa;
    return v;
}

/* A tree like `like`: its float leaves are results of op in order, the others zeros. */
typedef struct filling {
    nnc_op op;
    unsigned next;
} filling;

static nn_v fill_leaf(nn_trace *t, nn_v x, void *user)
{
    filling *f = user;
    if (x->is_key || nn_kind_of(nn_dtype(t, x)) != 2)
        return x->is_key ? x
                         : nn_binary(t, NN_OP_mul, x, nn_int(t, 0),
                                     x->where ? x->where : t->frame->decl->node);
    return nn_tensor(t, nnc_op_out(t->m, f->op, f->next++));
}

static nn_v result(nn_trace *t, nn_v like, nnc_op op)
{
    filling f = {op, 0};
    like = nn_captured_part(t, like);
    return nn_map(t, like, fill_leaf, &f);
}

/* Cotangents or tangents: a tree with the float leaves of `like`. */
static nnc_value *directions(nn_trace *t, const nn_ast *e, const nn_leaves *like)
{
    nn_leaves leaf = {0};
    nn_v v = nn_expr(t, e);
    float_leaves(t, nn_map(t, nn_captured_part(t, v), settled, NULL), &leaf);
    if (leaf.n != like->n)
        nn_fail(t, e->loc, "%u tensors are needed here, this has %u: %s", like->n, leaf.n,
                nn_type_text(t, v));
    for (uint32_t i = 0; i < leaf.n; i++)
        if (nnc_value_type(t->m, leaf.at[i]->ssa).id != nnc_value_type(t->m, like->at[i]->ssa).id)
            nn_fail(t, e->loc, "this is %s, but the value it belongs to is %s",
                    nn_type_text(t, leaf.at[i]), nn_type_text(t, like->at[i]));
    return ssa_of(t, &leaf);
}

static void want_scalar(nn_trace *t, const gradient *g, const nn_bcall *c)
{
    if (g->y_leaf.n == 1 && nn_rank(t, g->y_leaf.at[0]) == 0 && nn_can_be_tensor(g->y))
        return;
    nn_error(t, c->at->kid[1]->loc, "the gradient of one number is taken, this is %s",
             nn_type_text(t, g->y));
    nnc_note(t->diag, c->at->kid[1]->loc,
             "reduce it with sum(..) or mean(..); jacobian(y, x) gives all derivatives");
    nn_fail_silently(t);
}

nn_v nn_b_grad(nn_trace *t, const nn_bcall *c)
{
    gradient g = read(t, c);
    want_scalar(t, &g, c);
    return result(t, g.x, nnc_g_grad(&t->b, g.y_leaf.at[0]->ssa, g.x_leaf.n, ssa_of(t, &g.x_leaf)));
}

nn_v nn_b_vjp(nn_trace *t, const nn_bcall *c)
{
    gradient g = read(t, c);
    nnc_value *dy = directions(t, argument(t, c, 2, "a cotangent"), &g.y_leaf);
    return result(
        t, g.x,
        nnc_g_vjp(&t->b, g.y_leaf.n, ssa_of(t, &g.y_leaf), dy, g.x_leaf.n, ssa_of(t, &g.x_leaf)));
}

nn_v nn_b_jvp(nn_trace *t, const nn_bcall *c)
{
    gradient g = read(t, c);
    nnc_value *dx = directions(t, argument(t, c, 2, "a tangent"), &g.x_leaf);
    return result(
        t, g.y,
        nnc_g_jvp(&t->b, g.y_leaf.n, ssa_of(t, &g.y_leaf), g.x_leaf.n, ssa_of(t, &g.x_leaf), dx));
}

nn_v nn_b_hvp(nn_trace *t, const nn_bcall *c)
{
    gradient g = read(t, c);
    want_scalar(t, &g, c);
    nnc_value *v = directions(t, argument(t, c, 2, "a direction"), &g.x_leaf);
    return result(t, g.x,
                  nnc_g_hvp(&t->b, g.y_leaf.at[0]->ssa, g.x_leaf.n, ssa_of(t, &g.x_leaf), v));
}

nn_v nn_b_jacobian(nn_trace *t, const nn_bcall *c)
{
    gradient g = read(t, c);
    if (g.y_leaf.n != 1 || g.x_leaf.n != 1 || !nn_can_be_tensor(g.y) || !nn_can_be_tensor(g.x))
        nn_fail(t, c->at->loc, "jacobian(y, x) takes tensors, these are %s and %s",
                nn_type_text(t, g.y), nn_type_text(t, g.x));
    return nn_tensor(t, nnc_g_jacobian(&t->b, g.y_leaf.at[0]->ssa, g.x_leaf.at[0]->ssa));
}

static nn_v stop_leaf(nn_trace *t, nn_v x, void *user)
{
    (void)user;
    if (x->is_key || x->weak || nn_kind_of(nn_dtype(t, x)) != 2)
        return x;
    nn_val *v = nnc_arena_copy(t->arena, x, sizeof *x);
    v->ssa = nnc_g_stop_grad(&t->b, x->ssa);
    return v;
}

nn_v nn_b_stop(nn_trace *t, const nn_bcall *c)
{
    return nn_map(t, nn_argument(t, c, "x"), stop_leaf, NULL);
}

nn_v nn_b_no_rule(nn_trace *t, const nn_bcall *c)
{
    nn_v f = nn_argument(t, c, "f");
    if (f->kind != NN_V_function)
        nn_fail(t, c->at->loc, "no_rule(f) takes a declared function, this is %s",
                nn_type_text(t, f));
    nn_val *v = nnc_arena_copy(t->arena, f, sizeof *f);
    v->training = true; /* of a function: its rule is ignored */
    return v;
}
