/* Expressions: one function per kind of node; everything that is large has a file of its own.
 *
 * Paths (names, fields, indexed names) are evaluated raw, that is without folding keys: only the whole path, when it is a
 * key, is a mention of that key. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/near.h"
#include "frontend/nn/number.h"
#include <string.h>

/* ---- fields ---- */

static nn_v unit_field(nn_trace *t, nn_v u, const nn_ast *e)
{
    nn_unit *unit = (nn_unit *)u->unit;
    if (!unit)
        return nn_g_op(t, e); /* g.op */
    for (uint32_t i = 0; i < unit->decl.n; i++)
        if (unit->decl.at[i]->name.id == e->name.id)
            return nn_decl_value(t, unit->decl.at[i], e);
    nn_fail(t, e->name_loc, "%s declares no '%s'", unit->file->path, nn_sym(t, e->name));
}

static void no_field(nn_trace *t, nn_v r, nnc_sym name, nnc_loc loc)
{
    nn_near near = {.want = nn_sym(t, name)};
    for (uint32_t i = 0; r->name && i < r->n; i++)
        nn_near_try(&near, nn_sym(t, r->name[i]));
    nn_error(t, loc, "there is no field '%s' in %s", nn_sym(t, name), nn_type_text(t, r));
    if (near.best)
        nnc_note(t->diag, loc, "did you mean '%s'?", near.best);
    nn_fail_silently(t);
}

nn_v nn_field_of(nn_trace *t, nn_v base, nnc_sym name, nnc_loc loc)
{
    if (base->kind == NN_V_poison)
        nn_fail_silently(t);
    if (base->kind == NN_V_model || (base->instance && base->kind == NN_V_blueprint))
        return nn_model_field(t, base, name, loc);
    nn_v models = base->kind == NN_V_record ? nn_models_field(t, base, name, loc) : NULL;
    if (models)
        return models;
    nn_v v = base->kind == NN_V_record ? nn_field(base, name) : NULL;
    if (v)
        return v;
    if (base->kind != NN_V_record)
        nn_fail(t, loc, "'.%s' needs a record, this is %s", nn_sym(t, name), nn_type_text(t, base));
    no_field(t, base, name, loc);
    return NULL;
}

/* ---- paths ---- */

const nn_ast *nn_path_root(const nn_ast *e)
{
    while (nn_is(e, NN_field) || nn_is(e, NN_at))
        e = nn_kid(e, 0);
    return nn_is(e, NN_name) ? e : NULL;
}

bool nn_is_code(nn_v v)
{
    return v->kind == NN_V_function || v->kind == NN_V_builtin || v->kind == NN_V_blueprint ||
           v->kind == NN_V_law || v->kind == NN_V_dtype;
}

static nn_v at_value(nn_trace *t, const nn_ast *e, bool called)
{
    nn_v base = nn_raw(t, nn_kid(e, 0));
    if (!nn_is_code(base))
        return nn_index(t, base, e);
    nn_args statics = nn_eval_statics(t, e, 1);
    nn_v v = nn_with_statics(t, base, &statics, e);
    nn_args none = {0, NULL};
    if (!called && v->kind == NN_V_builtin && !*v->builtin->args)
        return nn_call(t, v, &none, e); /* zeros[n, 3] is its value */
    return v;
}

nn_v nn_raw(nn_trace *t, const nn_ast *e)
{
    nn_v v;
    switch ((nn_kind)e->kind) {
    case NN_name: return nn_mention(t, e);
    case NN_field:
        v = nn_raw(t, nn_kid(e, 0));
        return v->kind == NN_V_unit ? unit_field(t, v, e) : nn_field_of(t, v, e->name, e->name_loc);
    case NN_at: return at_value(t, e, false);
    default: return nn_expr(t, e);
    }
}

/* Where the root of a path is bound decides how many loop turns a mention of it folds. */
static nn_v mention_key(nn_trace *t, const nn_ast *e, nn_v v)
{
    const nn_ast *root = nn_path_root(e);
    if (!root)
        return v;
    nn_slot *s = nn_lookup(t, root->name);
    return nn_key_mention(t, root, v, s ? s->turns : 0, s ? NULL : t->frame->decl);
}

static nn_v path(nn_trace *t, const nn_ast *e)
{
    nn_v v = nn_raw(t, e);
    return v->kind == NN_V_tensor && v->is_key ? mention_key(t, e, v) : v;
}

/* ---- literals ---- */

static nn_v number(nn_trace *t, const nn_ast *e)
{
    return nn_is(e, NN_int_) ? nn_int(t, e->value) : nn_float(t, e->number);
}

static nn_v tuple(nn_trace *t, const nn_ast *e)
{
    nn_args a = nn_eval_args(t, e, 0);
    nnc_sym *name = nnc_arena_array(t->arena, a.n, sizeof *name);
    nn_v *item = nnc_arena_array(t->arena, a.n, sizeof *item);
    for (uint32_t i = 0; i < a.n; i++) {
        name[i] = a.at[i].name;
        item[i] = a.at[i].v;
        for (uint32_t k = 0; name[i].id && k < i; k++)
            if (name[k].id == name[i].id)
                nn_fail(t, a.at[i].node->loc, "the field '%s' is given twice", nn_sym(t, name[i]));
        if (item[i]->kind == NN_V_none && !nn_is_none_name(t, a.at[i].node))
            nn_fail(t, a.at[i].node->loc, "this has no value, so it cannot be part of a record");
    }
    return nn_record(t, a.n, name, item);
}

/* Equal types of tensors: a stacked tensor; known numbers: both; anything else: a static list. */
static bool stackable(nn_trace *t, const nn_args *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        nn_v v = a->at[i].v, first = a->at[0].v;
        if (!nn_can_be_tensor(v))
            return false;
        v = nn_as_tensor(t, v, a->at[i].node);
        first = nn_as_tensor(t, first, a->at[0].node);
        if (v->is_key != first->is_key || nn_rank(t, v) != nn_rank(t, first))
            return false;
        for (int k = 0; k < nn_rank(t, v); k++)
            if (nn_axis_size(t, v, k) != nn_axis_size(t, first, k))
                return false;
    }
    return a->n > 0;
}

static nn_v list(nn_trace *t, const nn_ast *e)
{
    nn_args a = nn_eval_args(t, e, 0);
    nn_v *item = nnc_arena_array(t->arena, a.n, sizeof *item);
    bool text = a.n > 0;
    for (uint32_t i = 0; i < a.n; i++) {
        item[i] = a.at[i].v;
        text &= item[i]->kind == NN_V_text;
        if (a.at[i].name.id)
            nn_fail(t, a.at[i].node->loc,
                    "a list has no named items; a record is written in parentheses");
        if (item[i]->kind == NN_V_none)
            nn_fail(t, a.at[i].node->loc, "this has no value, so it cannot be part of a list");
    }
    nn_v v = nn_list(t, a.n, item);
    return !v->numeric && !text && stackable(t, &a) ? nn_stack(t, a.n, item, 0, e) : v;
}

static nn_v range(nn_trace *t, const nn_ast *e)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    nn_v *item = nnc_arena_array(t->arena, 3, sizeof *item);
    for (unsigned i = 0; i < 3; i++) {
        const nn_ast *k = nn_kid_or_null(e, i);
        item[i] = k ? nn_as_tensor(t, nn_expr(t, k), k) : NULL;
        if (item[i] && (nn_rank(t, item[i]) != 0 || nn_kind_of(nn_dtype(t, item[i])) != 1))
            nn_fail(t, k->loc, "the ends of a range are integers, this is %s",
                    nn_type_text(t, item[i]));
    }
    v->kind = NN_V_range;
    v->item = item;
    v->n = 3;
    v->where = e;
    return v;
}

/* ---- operators ---- */

bool nn_is_comparison(const nn_ast *e)
{
    return nn_is(e, NN_binary) && e->op >= NN_OP_eq && e->op <= NN_OP_within;
}

static nn_v within(nn_trace *t, nn_v a, nn_v b, nn_v tolerance, const nn_ast *e)
{
    nn_v d = nn_binary(t, NN_OP_sub, a, b, e);
    return nn_binary(t, NN_OP_le, nn_elementwise(t, NNC_OP_abs, d, e), tolerance, e);
}

/* a < b <= c: each operand is evaluated once.  *right: the value that the next comparison of the chain starts from. */
static nn_v chain(nn_trace *t, const nn_ast *e, nn_v *right)
{
    const nn_ast *l = nn_kid(e, 0), *r = nn_kid(e, 1);
    if (e->op == NN_OP_within) {
        if (!nn_is(l, NN_binary) || l->op != NN_OP_eq || l->parens)
            nn_fail(t, e->loc, "'within' belongs to an equality: a == b within tolerance");
        nn_v a = nn_expr(t, nn_kid(l, 0)), b = nn_expr(t, nn_kid(l, 1));
        *right = b;
        return within(t, a, b, nn_expr(t, r), e);
    }
    nn_v before = NULL, a = NULL;
    if (nn_is_comparison(l) && !l->parens)
        before = chain(t, l, &a);
    else
        a = nn_expr(t, l);
    *right = nn_expr(t, r);
    nn_v v = nn_binary(t, (nn_operator)e->op, a, *right, e);
    return before ? nn_binary(t, NN_OP_and, before, v, e) : v;
}

static nn_v binary(nn_trace *t, const nn_ast *e)
{
    nn_v right;
    if (nn_is_comparison(e))
        return chain(t, e, &right);
    nn_v a = nn_expr(t, nn_kid(e, 0)), b = nn_expr(t, nn_kid(e, 1));
    for (unsigned i = 0; i < 2; i++)
        if ((i ? b : a)->kind == NN_V_none)
            nn_fail(t, nn_kid(e, i)->loc, "this has no value, so '%s' cannot use it",
                    nn_operator_text[e->op]);
    return nn_binary(t, (nn_operator)e->op, a, b, e);
}

static nn_v transposed(nn_trace *t, nn_v x, void *user)
{
    const nn_ast *e = user;
    int rank = nn_rank(t, x);
    if (rank < 2)
        nn_fail(t, e->loc, "x' swaps the last two axes, but this is %s", nn_type_text(t, x));
    int64_t perm[NNC_MAX_RANK];
    for (int i = 0; i < NNC_MAX_RANK; i++)
        perm[i] = i;
    perm[rank - 2] = rank - 1;
    perm[rank - 1] = rank - 2;
    nnc_value v = nnc_g_transpose(&t->b, x->ssa, perm);
    nn_v r = nn_like(t, x, v);
    if (!x->label)
        return r;
    const nn_label **label = nnc_arena_array(t->arena, (size_t)rank, sizeof *label);
    for (int i = 0; i < rank; i++)
        label[i] = x->label[perm[i]];
    return nn_with_labels(t, r, label);
}

/* ---- calls ---- */

static nn_v callee_value(nn_trace *t, const nn_ast *e)
{
    return nn_is(e, NN_at) ? at_value(t, e, true) : nn_raw(t, e);
}

static nn_v call(nn_trace *t, const nn_ast *e)
{
    nn_v callee = callee_value(t, nn_kid(e, 0));
    bool raw = callee->kind == NN_V_builtin && callee->builtin->raw;
    nn_args args = raw ? (nn_args){0, NULL} : nn_eval_args(t, e, 1);
    return nn_call(t, callee, &args, e);
}

/* ---- closures ---- */

typedef struct capture {
    nn_trace *t;
    const nn_ast *lambda;
    NNC_BUF(nnc_sym) name;
    NNC_BUF(nn_v) item;
} capture;

static bool is_param(const nn_ast *lambda, nnc_sym name)
{
    const nn_ast *params = nn_kid(lambda, 0);
    for (uint32_t i = 0; i < params->nkid; i++)
        if (params->kid[i]->name.id == name.id)
            return true;
    return false;
}

static void capture_names(capture *c, const nn_ast *e)
{
    nn_trace *t = c->t;
    if (nn_is(e, NN_name) && !is_param(c->lambda, e->name)) {
        nn_slot *s = nn_lookup(t, e->name);
        for (uint32_t i = 0; s && i < c->name.n; i++)
            if (c->name.at[i].id == e->name.id)
                s = NULL;
        if (s && s->val->kind == NN_V_poison)
            nn_fail_silently(t);
        if (s) {
            nn_v v = s->val;
            if (v->kind == NN_V_tensor && v->is_key) /* the capture is the mention */
                v = nn_key_mention(t, e, v, s->turns, NULL);
            NNC_PUSH(t->arena, &c->name, e->name);
            NNC_PUSH(t->arena, &c->item, v);
        }
    }
    for (uint32_t i = 0; i < e->nkid; i++)
        capture_names(c, e->kid[i]);
}

/* Sizes that an enclosing signature binds are captured too: `..` and its groups have names of their own. */
static void capture_groups(capture *c)
{
    for (nn_env *e = c->t->env; e; e = e->up)
        for (uint32_t i = 0; i < e->slot.n; i++)
            if (*nn_sym(c->t, e->slot.at[i]->name) == '.') {
                NNC_PUSH(c->t->arena, &c->name, e->slot.at[i]->name);
                NNC_PUSH(c->t->arena, &c->item, e->slot.at[i]->val);
            }
}

static nn_v lambda(nn_trace *t, const nn_ast *e)
{
    capture c = {.t = t, .lambda = e};
    capture_names(&c, e);
    capture_groups(&c);
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = NN_V_closure;
    v->lambda = e;
    v->unit = t->frame->unit;
    v->decl = t->frame->decl;
    v->dtype = t->frame->float_dt;
    v->instance = t->frame->self;
    v->n = c.name.n;
    v->name = c.name.at;
    v->item = c.item.at;
    v->where = e;
    return v;
}

/* ---- the switch ---- */

static nn_v hinted(nn_trace *t, const nn_ast *e)
{
    const nn_ast *hint = nn_kid(e, 0), *inner = nn_kid(e, 1);
    if (nn_is(inner, NN_for_))
        return nn_for(t, inner, hint);
    nnc_warning(t->diag, hint->loc, "a hint is used by loops; this one has no effect here");
    return nn_expr(t, inner);
}

static _Noreturn void not_yet(nn_trace *t, const nn_ast *e, const char *what)
{
    nn_fail(t, e->loc, "%s: not yet supported", what);
}

static nn_v expr(nn_trace *t, const nn_ast *e)
{
    switch ((nn_kind)e->kind) {
    case NN_name:
    case NN_field:
    case NN_at: return path(t, e);
    case NN_int_:
    case NN_float_: return number(t, e);
    case NN_string: return nn_string(t, e);
    case NN_true_: return nn_bool(t, true);
    case NN_false_: return nn_bool(t, false);
    case NN_tuple: return tuple(t, e);
    case NN_list: return list(t, e);
    case NN_range: return range(t, e);
    case NN_binary: return binary(t, e);
    case NN_unary: return nn_unary(t, (nn_operator)e->op, nn_expr(t, nn_kid(e, 0)), e);
    case NN_transpose:
        return nn_map(t, nn_as_tensor(t, nn_expr(t, nn_kid(e, 0)), nn_kid(e, 0)), transposed,
                      (void *)(uintptr_t)e);
    case NN_call: return call(t, e);
    case NN_call_bang: return nn_call_bang(t, e);
    case NN_lambda: return lambda(t, e);
    case NN_if_: return nn_if(t, e);
    case NN_static_if: return nn_static_if(t, e);
    case NN_for_: return nn_for(t, e, NULL);
    case NN_while_: return nn_while(t, e);
    case NN_sweep: return nn_sweep(t, e);
    case NN_hinted: return hinted(t, e);
    case NN_maximize:
    case NN_minimize: not_yet(t, e, "optimisation problems");
    case NN_error: nn_fail_silently(t);
    case NN_hole:
        nn_fail(t, e->loc,
                "'_' stands for nothing here; it inserts an axis in an index and drops a part in a "
                "pattern");
    default: nn_fail(t, e->loc, "this is not an expression");
    }
}

void nn_step(nn_trace *t, nnc_loc at, uint64_t n)
{
    if (t->steps < n)
        nn_exhausted(t, at, "this unrolls into too many expressions; use a run-time loop");
    t->steps -= n;
}

nn_v nn_expr(nn_trace *t, const nn_ast *e)
{
    enum { DEEPEST = 3000 }; /* of the stack: a few hundred bytes to a kilobyte each */
    nnc_loc old = t->b.loc;
    t->b.loc = e->loc;
    nn_step(t, e->loc, 1);
    if (++t->nest > DEEPEST)
        nn_fail(t, e->loc, "expressions and calls are nested more than %d deep", DEEPEST);
    nn_v v = expr(t, e);
    t->nest--;
    t->b.loc = old;
    return v;
}
