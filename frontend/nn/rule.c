/* Functions with an adjoint of their own: `fn f(..) { .. } backward (d) { .. }` as a custom_grad op.
 *
 * Operands are the float leaves of the arguments (captured tensors of callables among them); everything else is seen from
 * outside.  The forward region yields the result and what the backward block mentions of the body's names; the backward
 * region binds the same names to its own arguments. */
#include "frontend/nn/call.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/number.h"
#include <string.h>

typedef struct kept { /* a name of the body that the backward block mentions */
    nnc_sym name;
    nn_v value;
    uint32_t first; /* residual, when it is a local name; else UINT32_MAX: an argument or a size */
} kept;

typedef struct rule {
    const nn_ast *d, *block;
    const nn_args *args; /* as given, then with block arguments for leaves */
    nn_args inside;
    nn_leaves operand; /* float leaves of all arguments */
    nn_env *env;       /* of the forward body */
    NNC_BUF(kept) keep;
    nn_leaves residual;
    nn_v result;
} rule;

static bool is_operand(nn_trace *t, nn_v x)
{
    return !x->is_key && !x->weak && nn_kind_of(nn_dtype(t, x)) == 2 && !nn_known(t, x);
}

typedef struct replacing {
    rule *r;
    nnc_block block;
    unsigned next, first;
} replacing;

static nn_v collect_operand(nn_trace *t, nn_v x, void *user)
{
    rule *r = user;
    if (is_operand(t, x))
        NNC_PUSH(t->arena, &r->operand, x);
    return x;
}

static nn_v replace_operand(nn_trace *t, nn_v x, void *user)
{
    replacing *p = user;
    if (!is_operand(t, x))
        return x;
    nn_val *v = nnc_arena_copy(t->arena, x, sizeof *x);
    v->ssa = nnc_block_arg(t->m, p->block, p->first + p->next++);
    return v;
}

static nn_args with_arguments(nn_trace *t, rule *r, nnc_block block, unsigned first)
{
    replacing p = {r, block, 0, first};
    nn_arg *a = nnc_arena_copy(t->arena, r->args->at, r->args->n * sizeof *a);
    for (uint32_t i = 0; i < r->args->n; i++)
        a[i].v = nn_map(t, a[i].v, replace_operand, &p);
    return (nn_args){r->args->n, a};
}

static void note_names(nn_trace *t, rule *r, const nn_ast *e)
{
    if (nn_is(e, NN_name)) {
        nn_slot *s = nn_lookup(t, e->name);
        for (uint32_t i = 0; s && i < r->keep.n; i++)
            if (r->keep.at[i].name.id == e->name.id)
                s = NULL;
        if (s && s->val->kind != NN_V_poison)
            NNC_PUSH(t->arena, &r->keep, (kept){e->name, s->val, UINT32_MAX});
    }
    for (uint32_t i = 0; i < e->nkid; i++)
        note_names(t, r, e->kid[i]);
}

static nn_v run_forward(nn_trace *t, void *user)
{
    rule *r = user;
    nn_v v = nn_body(t, nn_kid(r->d, 3));
    r->env = t->env;
    note_names(t, r, r->block);
    for (uint32_t i = 0; i < r->keep.n; i++) {
        kept *k = &r->keep.at[i];
        if (nn_has_param(r->d, k->name) || k->value->has_dim ||
            (!nn_is_tree(k->value) && !nn_can_be_tensor(k->value)))
            continue;
        k->first = r->residual.n;
        nn_collect(t, k->value, &r->residual);
    }
    return v;
}

/* ---- backward ---- */

static nn_v residual_leaves(nn_trace *t, const kept *k, nnc_block b, unsigned first)
{
    nn_leaves leaf = {0};
    nn_collect(t, k->value, &leaf);
    nn_v *item = nnc_arena_array(t->arena, leaf.n, sizeof *item);
    for (uint32_t i = 0; i < leaf.n; i++) {
        nn_val *v = nnc_arena_copy(t->arena, leaf.at[i], sizeof *v);
        v->ssa = nnc_block_arg(t->m, b, first + k->first + i);
        v->has_dim = false;
        item[i] = v;
    }
    const nn_v *next = item;
    return nn_rebuild(t, k->value, &next);
}

/* Cotangents of the result: arguments for float leaves, zeros for the rest. */
typedef struct cotangents {
    nnc_block block;
    unsigned next;
} cotangents;

static nn_v cotangent_leaf(nn_trace *t, nn_v x, void *user)
{
    cotangents *c = user;
    if (x->is_key || nn_kind_of(nn_dtype(t, x)) != 2) {
        const nnc_type_rec r = *nn_ty(t, x);
        return nn_tensor(
            t, nnc_g_broadcast(&t->b, nnc_g_int(&t->b, (nnc_dtype)r.dtype, 0), r.rank, r.dim));
    }
    return nn_tensor(t, nnc_block_arg(t->m, c->block, c->next++));
}

static void bind_cotangents(nn_trace *t, rule *r, nn_v d)
{
    const nn_ast *names = nn_kid(nn_kid(r->d, 4), 0);
    if (names->nkid == 1) {
        nn_bind(t, names->kid[0]->name, d, names->kid[0]);
        return;
    }
    if (d->kind != NN_V_record || d->n != names->nkid)
        nn_fail(t, names->loc, "%u cotangents are named, but the result is %s", names->nkid,
                nn_type_text(t, r->result));
    for (uint32_t i = 0; i < names->nkid; i++)
        nn_bind(t, names->kid[i]->name, d->item[i], names->kid[i]);
}

static void bind_names(nn_trace *t, rule *r, nnc_block b, unsigned ncot)
{
    for (nn_env *e = r->env; e; e = e->up) /* sizes and static arguments */
        for (uint32_t i = 0; i < e->slot.n; i++)
            if (e->slot.at[i]->val->has_dim || *nn_sym(t, e->slot.at[i]->name) == '.' ||
                (!nn_is_tree(e->slot.at[i]->val) && !nn_can_be_tensor(e->slot.at[i]->val)))
                nn_bind(t, e->slot.at[i]->name, e->slot.at[i]->val, NULL);
    const nn_ast *params = nn_kid(r->d, 1);
    for (uint32_t i = 0; i < r->keep.n; i++)
        if (r->keep.at[i].first != UINT32_MAX)
            nn_bind(t, r->keep.at[i].name,
                    residual_leaves(t, &r->keep.at[i], b, ncot + r->operand.n), r->block);
    nn_args inside = with_arguments(t, r, b, ncot);
    for (uint32_t i = 0; i < inside.n; i++) {
        nnc_sym name = inside.at[i].name.id ? inside.at[i].name : params->kid[i]->name;
        nn_bind(t, name, inside.at[i].v, r->block);
    }
}

/* The cotangent of one argument: one leaf per operand of it. */
static void push_cotangents(nn_trace *t, nn_v arg, nn_v cot, nn_leaves *out, const nn_ast *at)
{
    if (arg->kind == NN_V_closure && cot->kind == NN_V_record) { /* by the names it captured */
        for (uint32_t i = 0; i < arg->n; i++) {
            nn_v part = nn_field(cot, arg->name[i]);
            push_cotangents(t, arg->item[i], part ? part : nn_none(), out, at);
        }
        return;
    }
    nn_leaves want = {0}, have = {0}, all = {0};
    nn_collect(t, arg, &all);
    if (cot->kind != NN_V_none)
        nn_collect(t, cot, &have);
    bool whole =
        have.n == all.n; /* constants among the leaves have cotangents too, which nobody wants */
    for (uint32_t i = 0, k = 0; i < all.n; i++)
        if (is_operand(t, all.at[i])) {
            NNC_PUSH(t->arena, &want, all.at[i]);
            if (whole)
                have.at[k++] = have.at[i];
        }
    if (!want.n)
        return;
    if (cot->kind != NN_V_none && !whole &&
        (have.n < want.n || (nn_can_be_tensor(arg) && have.n != want.n)))
        nn_fail(t, at->loc, "a cotangent of %s has %u tensors, this is %s", nn_type_text(t, arg),
                want.n, nn_type_text(t, cot));
    for (uint32_t i = 0; i < want.n; i++) {
        const nnc_type_rec r = *nn_ty(t, want.at[i]);
        nn_v v =
            cot->kind == NN_V_none
                ? nn_tensor(t, nnc_g_broadcast(&t->b, nnc_g_float(&t->b, (nnc_dtype)r.dtype, 0),
                                               r.rank, r.dim))
                : nn_convert(t, nn_to_float(t, have.at[i]), (nnc_dtype)r.dtype);
        if (nn_rank(t, v) == 0 && r.rank)
            v = nn_tensor(t, nnc_g_broadcast(&t->b, v->ssa, r.rank, r.dim));
        if (nnc_value_type(t->m, v->ssa).id != nnc_value_type(t->m, want.at[i]->ssa).id)
            nn_fail(t, at->loc, "the cotangent is %s, its argument %s", nn_type_text(t, v),
                    nn_type_text(t, want.at[i]));
        NNC_PUSH(t->arena, out, v);
    }
}

/* Do only the first argument's leaves take part? */
static bool first_alone(nn_trace *t, const rule *r)
{
    nn_leaves leaf = {0};
    for (uint32_t i = 1; i < r->args->n; i++)
        nn_collect(t, r->args->at[i].v, &leaf);
    for (uint32_t i = 0; i < leaf.n; i++)
        if (is_operand(t, leaf.at[i]))
            return false;
    return true;
}

static void trace_backward(nn_trace *t, rule *r, nnc_block b)
{
    unsigned ncot = nnc_block_narg(t->m, b) - r->operand.n - r->residual.n;
    nn_env_push(t, NN_ENV_function);
    t->b.pos = (nnc_pos){b, {0}};
    bind_names(t, r, b, ncot);
    cotangents c = {b, 0};
    bind_cotangents(t, r, nn_map(t, r->result, cotangent_leaf, &c));
    nn_v v = nn_block_value(t, r->block);
    const nn_ast *at = nn_result_place(r->block);
    bool tuple = v->kind == NN_V_record && r->args->n > 1 && v->n == r->args->n;
    if (!tuple && !first_alone(t, r))
        nn_fail(t, at->loc,
                "backward gives one cotangent for each of the %u arguments ('none' where there is "
                "none), "
                "this is %s",
                r->args->n, nn_type_text(t, v));
    nn_leaves out = {0};
    for (uint32_t i = 0; i < r->args->n; i++)
        push_cotangents(t, r->args->at[i].v, tuple ? v->item[i] : i ? nn_none() : v, &out, at);
    nnc_value *ssa = nnc_arena_array(t->arena, out.n, sizeof *ssa);
    for (uint32_t i = 0; i < out.n; i++)
        ssa[i] = out.at[i]->ssa;
    nnc_build_yield(&t->b, out.n, ssa);
}

static nn_v rebuild_result(nn_trace *t, nn_v like, nnc_op op)
{
    nn_leaves leaf = {0};
    nn_collect(t, like, &leaf);
    nn_v *item = nnc_arena_array(t->arena, leaf.n, sizeof *item);
    for (uint32_t i = 0; i < leaf.n; i++)
        item[i] = leaf.at[i]->is_key ? nn_key_value(t, nnc_op_out(t->m, op, i))
                                     : nn_tensor(t, nnc_op_out(t->m, op, i));
    const nn_v *next = item;
    return nn_rebuild(t, like, &next);
}

/* Every parameter with its value, in order: defaults evaluated by the call are no operands. */
static const nn_args *in_order(nn_trace *t, const nn_ast *params, const nn_args *args,
                               const char *who, const nn_ast *at)
{
    const nn_arg **slot = nnc_arena_array(t->arena, params->nkid, sizeof *slot);
    nn_arglist rest = {0}, out = {0};
    nn_assign_args(t, params, args, who, at, slot, &rest);
    for (uint32_t i = 0; i < params->nkid; i++)
        if (slot[i])
            NNC_PUSH(t->arena, &out, (nn_arg){params->kid[i]->name, slot[i]->v, slot[i]->node});
        else
            NNC_PUSH(t->arena, &out,
                     (nn_arg){params->kid[i]->name, nn_expr(t, nn_kid(params->kid[i], 1)), at});
    nn_args *all = nnc_arena_alloc(t->arena, sizeof *all);
    *all = (nn_args){out.n, out.at};
    return all;
}

nn_v nn_call_with_rule(nn_trace *t, nn_v f, nn_frame *frame, const nn_code *code,
                       const nn_args *args, const nn_ast *at)
{
    if (f->training || f->decl->in_rule)
        return nn_bind_and_run(t, frame, code, args, at);
    rule r = {.d = f->decl->node, .block = nn_kid(nn_kid(f->decl->node, 4), 1)};
    r.args = in_order(t, code->params, args, code->name, at);
    for (uint32_t i = 0; i < r.args->n; i++)
        nn_map(t, r.args->at[i].v, collect_operand, &r);
    if (!r.operand.n)
        return nn_bind_and_run(t, frame, code, args, at);
    nnc_value *in = nnc_arena_array(t->arena, r.operand.n, sizeof *in);
    for (uint32_t i = 0; i < r.operand.n; i++)
        in[i] = r.operand.at[i]->ssa;
    nnc_pos outer = t->b.pos;
    nnc_op op = nnc_g_custom_grad(&t->b, r.operand.n, in);
    nnc_block forward = nnc_op_region(t->m, op, 0);
    t->b.pos = (nnc_pos){forward, {0}};
    r.inside = with_arguments(t, &r, forward, 0);
    nn_code body = *code;
    body.run = run_forward;
    body.user = &r;
    r.result = nn_settle_tree(t, nn_bind_and_run(t, frame, &body, &r.inside, at));
    nn_leaves result = {0};
    nn_collect(t, r.result, &result);
    nnc_value *out = nnc_arena_array(t->arena, result.n + r.residual.n, sizeof *out);
    for (uint32_t i = 0; i < result.n; i++)
        out[i] = result.at[i]->ssa;
    for (uint32_t i = 0; i < r.residual.n; i++)
        out[result.n + i] = r.residual.at[i]->ssa;
    nnc_build_yield(&t->b, result.n + r.residual.n, out);
    t->b.pos = outer;
    nnc_block b = nnc_g_custom_backward(&t->b, op, result.n);
    nn_env *env = t->env;
    nn_frame back = *frame;
    back.caller = t->frame;
    t->frame = &back;
    nn_decl *d = (nn_decl *)f->decl;
    d->in_rule = true; /* what the adjoint itself calls is differentiated through its body */
    trace_backward(t, &r, b);
    d->in_rule = false;
    t->frame = back.caller;
    t->env = env;
    t->b.pos = outer;
    return rebuild_result(t, r.result, nnc_g_custom_finish(&t->b, op));
}
