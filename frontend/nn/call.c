/* Calls: arguments to parameters, a fresh environment, and the walk of the body.
 *
 * An environment of a function has two parts: sizes and static arguments below, arguments and local names above.  Static
 * arguments are evaluated in the caller, matched and kept in the value of the function (`bound`); parameters take what
 * the call gives, by position or by name, then defaults, which see the parameters before them. */
#include "frontend/nn/call.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/model.h"
#include "frontend/nn/near.h"
#include "frontend/nn/number.h"
#include "frontend/nn/types.h"
#include <string.h>

enum { DEEPEST = 256 };

/* ---- the arguments of a call, evaluated ---- */

static void push_spread(nn_trace *t, nn_arglist *out, nn_v v, const nn_ast *e)
{
    if (v->kind == NN_V_range || (v->kind == NN_V_tensor && nn_rank(t, v) == 1)) {
        nnc_tensor x = nn_ask_tensor(t, v, e, "a spread list");
        for (int64_t i = 0; i < nnc_tensor_count(&x); i++)
            NNC_PUSH(t->arena, out,
                     (nn_arg){{0}, nn_take(t, nn_as_tensor(t, v, e), nn_int(t, i), e), e});
        return;
    }
    if (v->kind != NN_V_record && v->kind != NN_V_list)
        nn_fail(t, e->loc, "'..' spreads a tuple, a record or a list, this is %s",
                nn_type_text(t, v));
    for (uint32_t i = 0; i < v->n; i++)
        NNC_PUSH(t->arena, out, (nn_arg){v->name ? v->name[i] : (nnc_sym){0}, v->item[i], e});
}

static void push_rest(nn_trace *t, nn_arglist *out, const nn_ast *e)
{
    nn_v g = nn_group(t, e->name);
    NNC_PUSH(t->arena, out, (nn_arg){{0}, g ? g : nn_none(), e});
}

static nn_args eval_items(nn_trace *t, const nn_ast *items, unsigned from,
                          nn_v (*eval)(nn_trace *, const nn_ast *))
{
    nn_arglist out = {0};
    for (unsigned i = from; i < items->nkid; i++) {
        const nn_ast *e = items->kid[i];
        if (nn_is(e, NN_named))
            NNC_PUSH(t->arena, &out, (nn_arg){e->name, eval(t, nn_kid(e, 0)), e});
        else if (nn_is(e, NN_rest))
            push_rest(t, &out, e);
        else if (nn_is(e, NN_spread) && nn_is(nn_kid(e, 0), NN_name) &&
                 !nn_lookup(t, nn_kid(e, 0)->name) && nn_group(t, nn_kid(e, 0)->name))
            push_spread(t, &out, nn_group(t, nn_kid(e, 0)->name), e);
        else if (nn_is(e, NN_spread))
            push_spread(t, &out, nn_expr(t, nn_kid(e, 0)), e);
        else if (nn_is(e, NN_all) || nn_is(e, NN_from) || nn_is(e, NN_to))
            nn_fail(t, e->loc, "an index into a tensor cannot be a static argument");
        else
            NNC_PUSH(t->arena, &out, (nn_arg){{0}, eval(t, e), e});
    }
    return (nn_args){out.n, out.at};
}

nn_args nn_eval_args(nn_trace *t, const nn_ast *items, unsigned from)
{
    return eval_items(t, items, from, nn_expr);
}

nn_args nn_eval_statics(nn_trace *t, const nn_ast *items, unsigned from)
{
    return eval_items(t, items, from, nn_law_or_value);
}

/* ---- parameters ---- */

static const char *signature(nn_trace *t, const nn_ast *list)
{
    const char *s = "";
    for (uint32_t i = 0; i < list->nkid; i++)
        s = nnc_arena_printf(t->arena, "%s%s%s%s", s, i ? ", " : "",
                             nn_is(list->kid[i], NN_rest) ? ".." : "",
                             nn_sym(t, list->kid[i]->name));
    return s;
}

static void note_signature(nn_trace *t, const nn_ast *list, const char *who)
{
    nnc_note(t->diag, list->loc, "the %s of %s: %s",
             nn_is(list, NN_statics) ? "static arguments" : "arguments", who,
             list->nkid ? signature(t, list) : "none");
}

static int find_param(const nn_ast *list, nnc_sym name)
{
    for (uint32_t i = 0; i < list->nkid; i++)
        if (list->kid[i]->name.id == name.id)
            return (int)i;
    return -1;
}

_Noreturn static void wrong_args(nn_trace *t, const nn_ast *list, const char *who, nnc_loc loc,
                                 const char *text)
{
    nn_error(t, loc, "%s", text);
    note_signature(t, list, who);
    nn_fail_silently(t);
}

/* Which argument each parameter gets; what a last `..rest` takes goes to *rest. */
void nn_assign_args(nn_trace *t, const nn_ast *list, const nn_args *args, const char *who,
                    const nn_ast *at, const nn_arg **slot, nn_arglist *rest)
{
    uint32_t next = 0, n = list->nkid;
    bool open = n && nn_is(list->kid[n - 1], NN_rest);
    for (uint32_t i = 0; i < args->n; i++) {
        const nn_arg *a = &args->at[i];
        int k;
        if (a->name.id) {
            k = find_param(list, a->name);
            if (k < 0) {
                nn_near near = {.want = nn_sym(t, a->name)};
                for (uint32_t j = 0; j < n; j++)
                    nn_near_try(&near, nn_sym(t, list->kid[j]->name));
                wrong_args(t, list, who, a->node->loc,
                           nnc_arena_printf(t->arena, "%s has no argument '%s'%s%s%s", who,
                                            nn_sym(t, a->name), near.best ? "; did you mean '" : "",
                                            near.best ? near.best : "", near.best ? "'?" : ""));
            }
        } else if (open && next >= n - 1) {
            NNC_PUSH(t->arena, rest, *a);
            continue;
        } else if (next >= n) {
            wrong_args(t, list, who, a->node->loc,
                       nnc_arena_printf(t->arena, "%s takes %u %s%s, this is one more", who, n,
                                        nn_is(list, NN_statics) ? "static argument" : "argument",
                                        n == 1 ? "" : "s"));
        } else {
            k = (int)next++;
        }
        if (slot[k])
            wrong_args(
                t, list, who, a->node->loc,
                nnc_arena_printf(t->arena, "'%s' is given twice", nn_sym(t, list->kid[k]->name)));
        slot[k] = a;
    }
    for (uint32_t i = 0; i < n; i++)
        if (!slot[i] && !nn_is(list->kid[i], NN_rest) && !nn_kid_or_null(list->kid[i], 1))
            wrong_args(
                t, list, who, at->loc,
                nnc_arena_printf(t->arena, "%s needs '%s'", who, nn_sym(t, list->kid[i]->name)));
}

/* ---- static arguments ---- */

/* A value that brackets accept: known numbers, sizes, code, texts. */
nn_v nn_static_value(nn_trace *t, nn_v v, const nn_ast *at)
{
    if (v->kind == NN_V_none || v->kind == NN_V_poison || v->has_dim || nn_is_callable(v) ||
        v->kind == NN_V_text || v->kind == NN_V_strings || v->kind == NN_V_unit)
        return v;
    return nn_thaw(t, nn_freeze_value(t, v, at, "brackets"));
}

nn_v nn_with_statics(nn_trace *t, nn_v callee, const nn_args *statics, const nn_ast *at)
{
    if (callee->kind == NN_V_dtype)
        nn_fail(
            t, at->loc,
            "a type takes no brackets in an expression; zeros[..] makes a tensor, f32(x) converts");
    if (callee->bound && callee->bound->n)
        nn_fail(t, at->loc, "%s has its static arguments already", nn_type_text(t, callee));
    nn_arglist out = {0};
    for (uint32_t i = 0; i < statics->n; i++) {
        nn_arg a = statics->at[i];
        const nn_ast *node = nn_is(a.node, NN_named) ? nn_kid(a.node, 0) : a.node;
        bool rest = nn_is(a.node, NN_rest);
        if (rest && callee->kind != NN_V_builtin) {
            for (uint32_t k = 0; a.v->kind == NN_V_list && k < a.v->n; k++)
                NNC_PUSH(t->arena, &out, (nn_arg){{0}, a.v->item[k], a.node});
            continue;
        }
        if (!rest)
            a.v = nn_static_value(t, a.v, node);
        NNC_PUSH(t->arena, &out, a);
    }
    nn_args *bound = nnc_arena_alloc(t->arena, sizeof *bound);
    *bound = (nn_args){out.n, out.at};
    nn_val *v = nnc_arena_copy(t->arena, callee, sizeof *callee);
    v->bound = bound;
    v->where = at;
    return v;
}

static void bind_statics(nn_trace *t, const nn_ast *list, const nn_args *given, const char *who,
                         const nn_ast *at)
{
    static const nn_args none = {0, NULL};
    const nn_arg **slot = nnc_arena_array(t->arena, list->nkid, sizeof *slot);
    nn_arglist rest = {0};
    nn_assign_args(t, list, given ? given : &none, who, at, slot, &rest);
    for (uint32_t i = 0; i < list->nkid; i++) {
        const nn_ast *p = list->kid[i];
        if (nn_is(p, NN_rest)) {
            nn_v *item = nnc_arena_array(t->arena, rest.n, sizeof *item);
            for (uint32_t k = 0; k < rest.n; k++)
                item[k] = rest.at[k].v;
            nn_v dims = nn_list(t, rest.n, item);
            nn_bind(t, p->name, dims, p);
            nn_bind(t, nn_name(t, nnc_arena_printf(t->arena, "..%s", nn_sym(t, p->name))), dims, p);
            continue;
        }
        nn_v v = slot[i] ? slot[i]->v
                         : nn_static_value(t, nn_law_or_value(t, nn_kid(p, 1)), nn_kid(p, 1));
        const nn_ast *type = nn_kid_or_null(p, 0);
        if (type)
            v = nn_match(t, v, type, slot[i] ? slot[i]->node : nn_kid(p, 1),
                         nnc_arena_printf(t->arena, "static argument '%s'", nn_sym(t, p->name)));
        nn_bind(t, p->name, v, p);
    }
}

/* ---- parameters ---- */

static void bind_params(nn_trace *t, const nn_ast *list, const nn_args *args, const char *who,
                        const nn_ast *at)
{
    const nn_arg **slot = nnc_arena_array(t->arena, list->nkid, sizeof *slot);
    nn_arglist rest = {0};
    nn_assign_args(t, list, args, who, at, slot, &rest);
    for (uint32_t i = 0; i < list->nkid; i++)
        if (slot[i] && nn_kid_or_null(list->kid[i], 0))
            nn_decide_dtypes(t, slot[i]->v, nn_kid(list->kid[i], 0));
    for (uint32_t i = 0; i < list->nkid; i++) {
        const nn_ast *p = list->kid[i], *type = nn_kid_or_null(p, 0);
        nn_v v = slot[i] ? slot[i]->v : nn_expr(t, nn_kid(p, 1));
        const nn_ast *place = slot[i] ? slot[i]->node : nn_kid(p, 1);
        if (v->kind == NN_V_none && !nn_is_none_name(t, place))
            nn_fail(t, place->loc, "this has no value, so it cannot be the argument '%s'",
                    nn_sym(t, p->name));
        if (type && v->kind != NN_V_none)
            v = nn_match(t, v, type, place,
                         nnc_arena_printf(t->arena, "argument '%s'", nn_sym(t, p->name)));
        nn_bind(t, p->name, v, p);
    }
}

/* ---- frames ---- */

void nn_enter(nn_trace *t, nn_frame *f, const nn_ast *call)
{
    f->caller = t->frame;
    f->call = call;
    f->depth = t->frame ? t->frame->depth + 1 : 0;
    if (f->depth > DEEPEST)
        nn_fail(t, call->loc,
                "calls are nested more than %d deep; recursion must end under an 'if [..]'",
                DEEPEST);
    t->frame = f;
}

nn_v nn_bind_and_run(nn_trace *t, nn_frame *f, const nn_code *code, const nn_args *args,
                     const nn_ast *at)
{
    nn_env *env = t->env;
    nn_enter(t, f, at);
    nn_env_push(t, NN_ENV_function);
    t->env->frame = f;
    for (uint32_t i = 0; i < code->ncaptured; i++)
        nn_bind(t, code->captured_name[i], code->captured[i], NULL)->is_captured = true;
    if (code->statics)
        bind_statics(t, code->statics, code->bound, code->name, at);
    nn_env *below = t->env;
    nn_env_push(t, NN_ENV_block);
    t->env->kind = NN_ENV_function;
    t->env->up = below;
    bind_params(t, code->params, args, code->name, at);
    nn_env *signature = t->env;
    nn_env_push(t, NN_ENV_block);
    t->env->kind = NN_ENV_function;
    t->env->body = true;
    t->env->up = signature;
    nn_v v = code->run ? code->run(t, code->user) : nn_body(t, code->body);
    t->env = signature;
    if (code->result) {
        if (v->kind == NN_V_none)
            nn_fail(t, code->result->loc, "%s declares a result, but its body has no value",
                    code->name);
        v = nn_match(t, v, code->result, nn_result_place(code->body), "the result");
    }
    t->env = env;
    t->frame = f->caller;
    return v;
}

bool nn_has_param(const nn_ast *fn, nnc_sym name)
{
    const nn_ast *params = nn_kid(fn, 1);
    for (uint32_t i = 0; i < params->nkid; i++)
        if (params->kid[i]->name.id == name.id)
            return true;
    return false;
}

const nn_ast *nn_result_place(const nn_ast *body)
{
    return nn_is(body, NN_block) && body->nkid ? body->kid[body->nkid - 1] : body;
}

nn_v nn_trace_function(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at)
{
    const nn_ast *d = f->decl->node;
    nn_frame frame = {.unit = f->decl->unit, .decl = (nn_decl *)f->decl, .float_dt = t->law_dtype};
    nn_code code = {.name = nn_sym(t, f->decl->name),
                    .statics = nn_kid(d, 0),
                    .params = nn_kid(d, 1),
                    .result = nn_kid_or_null(d, 2),
                    .body = nn_kid(d, 3),
                    .bound = f->bound};
    if (!nn_is(nn_kid(d, 4), NN_absent))
        return nn_call_with_rule(t, f, &frame, &code, args, at);
    return nn_bind_and_run(t, &frame, &code, args, at);
}

static nn_v call_closure(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at)
{
    const nn_ast *l = f->lambda;
    nn_frame frame = {.unit = (nn_unit *)f->unit,
                      .decl = (nn_decl *)f->decl,
                      .float_dt = f->dtype,
                      .self = (struct nn_instance *)(uintptr_t)f->instance};
    nn_code code = {.name = "this function",
                    .params = nn_kid(l, 0),
                    .result = nn_kid_or_null(l, 1),
                    .body = nn_kid(l, 2),
                    .ncaptured = f->n,
                    .captured_name = f->name,
                    .captured = f->item};
    return nn_bind_and_run(t, &frame, &code, args, at);
}

/* ---- conversions: f32(x) ---- */

static nn_v convert_leaf(nn_trace *t, nn_v x, void *user)
{
    return nn_convert(t, x, *(nnc_dtype *)user);
}

static nn_v call_dtype(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at)
{
    const char *name = nnc_dtype_infos[f->dtype].name;
    if (args->n != 1 || args->at[0].name.id)
        nn_fail(t, at->loc, "%s(x) converts one value", name);
    nn_v v = args->at[0].v;
    if (!nn_can_be_tensor(v) && v->kind != NN_V_record)
        nn_fail(t, args->at[0].node->loc, "%s(..) converts tensors, this is %s", name,
                nn_type_text(t, v));
    nnc_dtype dt = f->dtype;
    return nn_map(t, v, convert_leaf, &dt);
}

nn_v nn_call(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at)
{
    if (t->budget == 0)
        nn_exhausted(t, at->loc, "this unrolls into too many calls; use a run-time loop");
    t->budget--;
    switch ((nn_vkind)f->kind) {
    case NN_V_poison: nn_fail_silently(t);
    case NN_V_function:
        return f->decl->node->kind == NN_train ? nn_call_train(t, f, args, at)
                                               : nn_trace_function(t, f, args, at);
    case NN_V_closure: return call_closure(t, f, args, at);
    case NN_V_dtype: return call_dtype(t, f, args, at);
    case NN_V_model: return nn_call_model(t, f, args, at);
    case NN_V_blueprint: return nn_call_blueprint(t, f, args, at);
    case NN_V_law: return nn_call_law(t, f, args, at);
    case NN_V_builtin: return nn_call_builtin(t, f, args, at);
    default: break;
    }
    nn_fail(t, nn_is(at, NN_call) ? nn_kid(at, 0)->loc : at->loc, "this cannot be called: it is %s",
            nn_type_text(t, f));
}

nn_v nn_call1(nn_trace *t, nn_v f, nn_v x, const nn_ast *at)
{
    nn_arg *a = nnc_arena_alloc(t->arena, sizeof *a);
    *a = (nn_arg){{0}, x, at};
    nn_args args = {1, a};
    return nn_call(t, f, &args, at);
}

nn_v nn_call_builtin(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at)
{
    static const nn_args none = {0, NULL};
    const nn_builtin *b = f->builtin;
    if (b->effect && !t->frame->effects)
        nn_fail(
            t, at->loc,
            "'%s' shows or stores something, which only experiments, tests and every blocks may do",
            b->name);
    for (uint32_t i = 0; i < args->n; i++)
        if (args->at[i].v->kind == NN_V_poison)
            nn_fail_silently(t);
    nnc_loc old = t->b.loc;
    t->b.loc = at->loc;
    nn_bcall c = {f->bound ? f->bound : &none, args, at, b};
    nn_v v = b->fn(t, &c);
    t->b.loc = old;
    return v;
}
