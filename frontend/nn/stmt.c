/* Statements and assignment.
 *
 * A statement that fails is reported and skipped: the names it would have bound become poison, so that later statements
 * do not repeat the error.  Assignment to a path gives its root a new value: the part is replaced in the value of the
 * path above it, up to the name. */
#include "frontend/nn/expr.h"
#include "frontend/nn/gradient.h"
#include "frontend/nn/near.h"
#include <string.h>

/* ---- slots ---- */

static const char *dtype_text(nn_trace *t, nn_v x)
{
    return nn_type_text(t, x);
}

typedef struct fitting {
    const nn_slot *s;
    const nn_ast *at;
    nn_leaves old;
    uint32_t i;
} fitting;

static bool same_shape(nn_trace *t, nn_v a, nn_v b)
{
    int r = nn_rank(t, a);
    bool same = r == nn_rank(t, b) && a->is_key == b->is_key;
    for (int i = 0; same && i < r; i++)
        same = nn_axis_size(t, a, i) == nn_axis_size(t, b, i);
    return same;
}

/* A leaf of the new value, in the type that the variable has. */
static nn_v fit_leaf(nn_trace *t, nn_v x, void *user)
{
    fitting *f = user;
    nn_v old = f->old.at[f->i++];
    if (!same_shape(t, old, x)) {
        nn_error(t, f->at->loc, "'%s' is %s and cannot become %s", nn_sym(t, f->s->name),
                 dtype_text(t, old), dtype_text(t, x));
        nnc_note(t->diag, f->s->where, "a variable keeps one type; '%s' is bound here",
                 nn_sym(t, f->s->name));
        nn_fail_silently(t);
    }
    if (old->weak)
        return x;
    if (x->weak)
        return nn_convert(t, x, nn_dtype(t, old));
    if (nn_dtype(t, old) != nn_dtype(t, x)) {
        nn_error(t, f->at->loc, "'%s' is %s and cannot become %s", nn_sym(t, f->s->name),
                 dtype_text(t, old), dtype_text(t, x));
        nnc_note(t->diag, f->s->where, "bound here; convert with %s(..)",
                 nnc_dtype_infos[nn_dtype(t, old)].name);
        nn_fail_silently(t);
    }
    return x;
}

static nn_v fit(nn_trace *t, const nn_slot *s, nn_v v, const nn_ast *at)
{
    const char *why = NULL;
    if (!nn_same_tree(t, s->val, v, &why)) {
        nn_error(t, at->loc, "'%s' is %s and cannot become %s", nn_sym(t, s->name),
                 nn_type_text(t, s->val), nn_type_text(t, v));
        nnc_note(t->diag, s->where, "a variable keeps one type; '%s' is bound here%s%s",
                 nn_sym(t, s->name), why ? ": " : "", why ? why : "");
        nn_fail_silently(t);
    }
    fitting f = {.s = s, .at = at};
    nn_collect(t, s->val, &f.old);
    return nn_map(t, v, fit_leaf, &f);
}

void nn_touch(nn_trace *t, nn_slot *s, nn_v old)
{
    for (nn_region *r = t->region; r && s->serial < r->first; r = r->up) {
        bool have = false;
        for (uint32_t i = 0; i < r->written.n && !have; i++)
            have = r->written.at[i] == s;
        if (have)
            continue;
        NNC_PUSH(t->arena, &r->written, s);
        NNC_PUSH(t->arena, &r->old, old);
    }
}

void nn_set_slot(nn_trace *t, nn_slot *s, nn_v v, const nn_ast *at)
{
    if (s->val->kind == NN_V_poison)
        nn_fail_silently(t);
    v = nn_as_changed_leaf(t, s->name, s->val, fit(t, s, v, at));
    nn_touch(t, s, s->val);
    s->val = v;
}

/* ---- assignment ---- */

static nn_env *home(nn_trace *t)
{
    nn_env *e = t->env;
    while (e->kind == NN_ENV_pasted && e->up)
        e = e->up;
    return e;
}

/* Ranges and lists of numbers get a tensor's form where they are kept and changed. */
static nn_v storable(nn_trace *t, nn_v v, const nn_ast *at)
{
    if (v->kind == NN_V_none && at)
        nn_fail(t, at->loc, "this has no value to keep");
    return v;
}

static void bind_plain(nn_trace *t, const nn_ast *target, nn_v v)
{
    nn_slot *s = nn_lookup(t, target->name);
    if (s && s->is_symbol)
        s = NULL;
    if (s && s->is_var) {
        nn_set_slot(t, s, v, target);
        return;
    }
    if (s && s->is_captured) {
        nn_error(t, target->loc,
                 "'%s' is captured by this function, which cannot give it another value",
                 nn_sym(t, target->name));
        nnc_note(t->diag, target->loc,
                 "a function captures values; return the new one, or choose another name");
        nn_fail_silently(t);
    }
    if (s && s->env != home(t) && (s->env->kind != NN_ENV_function || s->env->body)) {
        nn_error(t, target->loc,
                 "'%s' is bound outside this block, so this assignment would be lost",
                 nn_sym(t, target->name));
        nnc_note(t->diag, s->where,
                 "bound here; write 'var %s' to carry it, or choose another name",
                 nn_sym(t, target->name));
        nn_fail_silently(t);
    }
    if (s && s->env != home(t) &&
        home(t)->kind == NN_ENV_block) { /* an argument, from inside a loop */
        nn_error(t, target->loc,
                 "'%s' is an argument, bound outside this block, so this assignment would be lost",
                 nn_sym(t, target->name));
        nnc_note(t->diag, s->where,
                 "bound here; write 'var x = %s' before the loop and assign that",
                 nn_sym(t, target->name));
        nn_fail_silently(t);
    }
    nn_bind(t, target->name, nn_bind_blueprint(t, target->name, v, target), target);
}

static nn_v with_field(nn_trace *t, nn_v r, const nn_ast *target, nn_v v)
{
    if (r->kind == NN_V_model)
        return nn_model_with_field(t, r, target->name, v, target);
    if (r->kind != NN_V_record)
        nn_fail(t, target->name_loc, "'.%s' needs a record, this is %s", nn_sym(t, target->name),
                nn_type_text(t, r));
    nn_field_of(t, r, target->name, target->name_loc); /* it must be there */
    nn_v whole = nn_models_field(t, r, target->name, target->name_loc);
    if (whole)
        return nn_model_with_field(t, r, target->name, v, target);
    nn_v *item = nnc_arena_copy(t->arena, r->item, r->n * sizeof *item);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->name[i].id == target->name.id) {
            const char *why = NULL;
            if (!nn_same_tree(t, item[i], v, &why))
                nn_fail(t, target->loc, "the field '%s' is %s and cannot become %s",
                        nn_sym(t, target->name), nn_type_text(t, item[i]), nn_type_text(t, v));
            item[i] = v;
        }
    return nn_record(t, r->n, r->name, item);
}

static void check_root(nn_trace *t, const nn_ast *target)
{
    const nn_ast *root = nn_path_root(target);
    if (!root)
        nn_fail(t, target->loc,
                "only a name, a field, an index or a tuple of those can be assigned");
    nn_slot *s = nn_lookup(t, root->name);
    if (s)
        return;
    nn_decl *d = nn_find_decl(t, t->frame->unit, root->name, root);
    if (d) {
        nn_error(t, root->loc, "'%s' is a declaration of the file and cannot be changed",
                 nn_sym(t, root->name));
        nnc_note(t->diag, d->node->name_loc, "declared here; copy it into a 'var' first");
        nn_fail_silently(t);
    }
    nn_mention(t, root); /* reports what is wrong */
    nn_fail(t, root->loc, "'%s' cannot be assigned", nn_sym(t, root->name));
}

static void assign_tuple(nn_trace *t, const nn_ast *target, nn_operator op, nn_v v)
{
    if (op != NN_OP_none)
        nn_fail(t, target->loc, "a tuple cannot be updated with an operator");
    if (v->kind != NN_V_record && !(v->kind == NN_V_list))
        nn_fail(t, target->loc, "%u names on the left, but the right side is %s", target->nkid,
                nn_type_text(t, v));
    if (v->n != target->nkid)
        nn_fail(t, target->loc, "%u names on the left, but %u values on the right: %s",
                target->nkid, v->n, nn_type_text(t, v));
    for (uint32_t i = 0; i < target->nkid; i++)
        if (!nn_is(target->kid[i], NN_hole))
            nn_assign(t, target->kid[i], NN_OP_none, v->item[i]);
}

void nn_assign(nn_trace *t, const nn_ast *target, nn_operator op, nn_v v)
{
    switch ((nn_kind)target->kind) {
    case NN_tuple: assign_tuple(t, target, op, v); return;
    case NN_name:
        if (op != NN_OP_none) {
            check_root(t, target);
            v = nn_binary(t, op, nn_raw(t, target), v, target);
        }
        bind_plain(t, target, storable(t, v, target));
        return;
    case NN_field: {
        check_root(t, target);
        nn_v base = nn_raw(t, nn_kid(target, 0));
        if (op != NN_OP_none)
            v = nn_binary(t, op, nn_field_of(t, base, target->name, target->name_loc), v, target);
        nn_assign(t, nn_kid(target, 0), NN_OP_none, with_field(t, base, target, v));
        return;
    }
    case NN_at: {
        check_root(t, target);
        nn_v base = nn_raw(t, nn_kid(target, 0));
        nn_assign(t, nn_kid(target, 0), NN_OP_none, nn_index_update(t, base, target, op, v));
        return;
    }
    default:
        nn_fail(t, target->loc,
                "only a name, a field, an index or a tuple of those can be assigned");
    }
}

/* ---- statements ---- */

static void bind_statement(nn_trace *t, const nn_ast *s)
{
    const nn_ast *target = nn_kid(s, 0), *type = nn_kid_or_null(s, 1), *value = nn_kid(s, 2);
    nn_v v = nn_expr(t, value);
    if (type)
        v = nn_match(t, v, type, value, "the value");
    nn_assign(t, target, NN_OP_none, v);
}

/* A var keeps tensors: ranges and lists of numbers become one. */
static nn_v var_leaf(nn_trace *t, nn_v x, void *user)
{
    (void)t;
    (void)user;
    if (!x->has_dim)
        return x;
    nn_val *v = nnc_arena_copy(t->arena, x, sizeof *x);
    v->has_dim = false;
    return v;
}

static void var_statement(nn_trace *t, const nn_ast *s)
{
    const nn_ast *type = nn_kid_or_null(s, 0), *value = nn_kid(s, 1);
    nn_v v = nn_expr(t, value);
    if (type)
        v = nn_match(t, v, type, value, "the value");
    v = nn_map(t, storable(t, v, value), var_leaf, NULL);
    nn_bind(t, s->name, v, s)->is_var = true;
}

static void vars_statement(nn_trace *t, const nn_ast *s)
{
    const nn_ast *names = nn_kid(s, 0), *value = nn_kid(s, 1);
    nn_v v = nn_expr(t, value);
    if (v->kind != NN_V_record || v->n != names->nkid)
        nn_fail(t, value->loc, "%u names on the left, but the right side is %s", names->nkid,
                nn_type_text(t, v));
    for (uint32_t i = 0; i < names->nkid; i++)
        nn_bind(t, names->kid[i]->name, nn_map(t, v->item[i], var_leaf, NULL), names->kid[i])
            ->is_var = true;
}

static bool has_effect(nn_trace *t, const nn_ast *e)
{
    switch ((nn_kind)e->kind) {
    case NN_call_bang:
    case NN_for_:
    case NN_while_:
    case NN_if_:
    case NN_static_if:
    case NN_sweep: return true;
    case NN_hinted: return has_effect(t, nn_kid(e, 1));
    case NN_call: {
        const nn_ast *f = nn_kid(e, 0);
        const nn_builtin *b =
            nn_is(f, NN_name) && !nn_lookup(t, f->name) ? nn_builtin_find(t, f->name) : NULL;
        return b && b->effect && !nn_find_decl(t, t->frame->unit, f->name, f);
    }
    default: return false;
    }
}

static nn_v expression_statement(nn_trace *t, const nn_ast *e, bool last)
{
    if (!last && !has_effect(t, e))
        nn_fail(
            t, e->loc,
            "this value is not used: an expression without effect must be the last of its block");
    return nn_expr(t, e);
}

static nn_v statement(nn_trace *t, const nn_ast *s, bool last)
{
    switch ((nn_kind)s->kind) {
    case NN_bind: bind_statement(t, s); break;
    case NN_update: nn_assign(t, nn_kid(s, 0), (nn_operator)s->op, nn_expr(t, nn_kid(s, 1))); break;
    case NN_var: var_statement(t, s); break;
    case NN_vars: vars_statement(t, s); break;
    case NN_const_: {
        nn_v v = nn_expr(t, nn_kid(s, 1));
        if (nn_kid_or_null(s, 0))
            v = nn_match(t, v, nn_kid(s, 0), nn_kid(s, 1), "the constant");
        nn_bind(t, s->name, nn_thaw(t, nn_freeze_value(t, v, nn_kid(s, 1), "a const")), s);
        break;
    }
    case NN_param:
    case NN_state: nn_param_statement(t, s); break;
    case NN_claim: nn_claim(t, s); break;
    case NN_assert: nn_assert(t, s); break;
    case NN_every: nn_every(t, s); break;
    case NN_error: nn_fail_silently(t);
    default: return expression_statement(t, s, last);
    }
    return nn_none();
}

/* Names that a statement would have bound. */
static void poison(nn_trace *t, const nn_ast *s)
{
    if (nn_is(s, NN_bind) || nn_is(s, NN_update)) {
        const nn_ast *target = nn_kid(s, 0);
        uint32_t n = nn_is(target, NN_tuple) ? target->nkid : 1;
        for (uint32_t i = 0; i < n; i++) {
            const nn_ast *x = nn_path_root(nn_is(target, NN_tuple) ? target->kid[i] : target);
            if (x && !nn_lookup(t, x->name))
                nn_bind(t, x->name, nn_poison(), x);
            else if (x && nn_is(s, NN_bind) && !nn_lookup(t, x->name)->is_var)
                nn_bind(t, x->name, nn_poison(), x);
        }
    } else if (nn_is(s, NN_vars)) {
        for (uint32_t i = 0; i < nn_kid(s, 0)->nkid; i++)
            nn_bind(t, nn_kid(s, 0)->kid[i]->name, nn_poison(), nn_kid(s, 0)->kid[i]);
    } else if (nn_is(s, NN_var) || nn_is(s, NN_const_) || nn_is(s, NN_param) ||
               nn_is(s, NN_state)) {
        nn_bind(t, s->name, nn_poison(), s);
    }
}

nn_v nn_block_value(nn_trace *t, const nn_ast *block)
{
    nn_v v = nn_none();
    bool failed = false;
    for (uint32_t i = 0; i < block->nkid; i++) {
        const nn_ast *s = block->kid[i];
        nn_catch c;
        nn_try_enter(t, &c);
        if (setjmp(c.at) == 0) {
            v = statement(t, s, i + 1 == block->nkid);
            nn_try_leave(t, &c);
        } else {
            nn_try_failed(t, &c);
            poison(t, s);
            failed = true;
        }
    }
    if (failed)
        nn_fail_silently(t); /* everything here is told; the block has no value to go on with */
    return v;
}

nn_v nn_body(nn_trace *t, const nn_ast *body)
{
    return nn_is(body, NN_block) ? nn_block_value(t, body) : nn_expr(t, body);
}

nn_v nn_scoped(nn_trace *t, const nn_ast *block)
{
    nn_env_push(t, NN_ENV_block);
    nn_v v = nn_block_value(t, block);
    nn_env_pop(t);
    return v;
}
