/* Environments, mentions of names, and the jumps that errors take.
 *
 * A name is looked up in the environments of the present frame, then among the file's declarations, then those of its
 * imports, then the builtins.  A closure's captured names are an environment like any other. */
#include "frontend/nn/trace.h"
#include "frontend/nn/gradient.h"
#include "frontend/nn/near.h"
#include <stdlib.h>
#include <string.h>

/* ---- errors ---- */

/* "called from" notes, innermost first, at most five. */
static void note_calls(nn_trace *t)
{
    enum { MOST = 5 };
    int n = 0;
    for (nn_frame *f = t->frame; f && n < MOST; f = f->caller)
        if (f->call) {
            nnc_note(t->diag, f->call->loc, "called from here");
            n++;
        }
}

void nn_error(nn_trace *t, nnc_loc loc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(t->arena, fmt, ap);
    va_end(ap);
    nnc_error(t->diag, loc, "%s", text);
}

void nn_fail_silently(nn_trace *t)
{
    if (!t->catch_)
        abort(); /* every root runs below a catch */
    longjmp(t->catch_->at, 1);
}

void nn_fail(nn_trace *t, nnc_loc loc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(t->arena, fmt, ap);
    va_end(ap);
    nnc_error(t->diag, loc, "%s", text);
    note_calls(t);
    nn_fail_silently(t);
}

void nn_exhausted(nn_trace *t, nnc_loc loc, const char *text)
{
    bool told = t->exhausted;
    t->exhausted = true;
    t->budget = t->steps = 0;
    if (told)
        nn_fail_silently(t);
    nn_fail(t, loc, "%s", text);
}

void nn_try_enter(nn_trace *t, nn_catch *c)
{
    c->up = t->catch_;
    c->env = t->env;
    c->frame = t->frame;
    c->pos = t->b.pos;
    c->nest = t->nest;
    c->region = t->region;
    t->catch_ = c;
}

void nn_try_leave(nn_trace *t, nn_catch *c)
{
    t->catch_ = c->up;
}

void nn_try_failed(nn_trace *t, nn_catch *c)
{
    t->catch_ = c->up;
    t->env = c->env;
    t->frame = c->frame;
    t->b.pos = c->pos;
    t->nest = c->nest;
    t->region = c->region;
}

/* ---- environments ---- */

nn_env *nn_env_push(nn_trace *t, nn_env_kind kind)
{
    nn_env *e = nnc_arena_alloc(t->arena, sizeof *e);
    e->up = kind == NN_ENV_function ? NULL : t->env;
    e->kind = (uint8_t)kind;
    e->frame = t->frame;
    if (e->up) {
        e->nturn = e->up->nturn;
        e->turn = e->up->turn;
    }
    t->env = e;
    return e;
}

void nn_env_pop(nn_trace *t)
{
    t->env = t->env->up;
}

/* Unrolled turns leave their names behind: looking through thousands of them has its price. */
nn_slot *nn_lookup(nn_trace *t, nnc_sym name)
{
    uint64_t seen = 0;
    nn_slot *s = NULL;
    for (nn_env *e = t->env; e && !s; e = e->up)
        for (uint32_t i = e->slot.n; i-- > 0 && !s; seen++)
            if (e->slot.at[i]->name.id == name.id)
                s = e->slot.at[i];
    t->steps -= seen / 64 < t->steps ? seen / 64 : t->steps;
    return s;
}

nn_slot *nn_bind(nn_trace *t, nnc_sym name, nn_v v, const nn_ast *at)
{
    nn_env *e = t->env;
    while (e->kind == NN_ENV_pasted && e->up)
        e = e->up;
    nn_slot *s = nnc_arena_alloc(t->arena, sizeof *s);
    s->name = name;
    if (at)
        v = nn_as_leaf(t, name, v);
    s->val = v;
    s->made = at;
    s->where = at ? (at->name_loc.id ? at->name_loc : at->loc) : (nnc_loc){0};
    s->env = e;
    s->serial = t->nslot++;
    s->turns = t->env->nturn;
    NNC_PUSH(t->arena, &e->slot, s);
    if (v->kind == NN_V_tensor && v->ssa.id && !nnc_value_get(t->m, v->ssa)->name.id &&
        !nnc_value_is_const(t->m, v->ssa))
        nnc_value_set_name(t->m, v->ssa, nn_sym(t, name));
    return s;
}

/* ---- declarations ---- */

static nn_decl *own_decl(nn_unit *u, nnc_sym name)
{
    for (uint32_t i = 0; i < u->decl.n; i++)
        if (u->decl.at[i]->name.id == name.id)
            return u->decl.at[i];
    return NULL;
}

nn_decl *nn_find_decl(nn_trace *t, nn_unit *u, nnc_sym name, const nn_ast *at)
{
    nn_decl *d = own_decl(u, name);
    if (d)
        return d;
    for (uint32_t i = 0; i < u->import.n; i++) {
        nn_decl *x = u->import.at[i].unit ? own_decl(u->import.at[i].unit, name) : NULL;
        if (!x || x == d)
            continue;
        if (d && at) {
            nn_error(t, at->loc,
                     "'%s' is declared by two imports, so it must be written with its file's name",
                     nn_sym(t, name));
            nnc_note(t->diag, d->node->name_loc, "here");
            nnc_note(t->diag, x->node->name_loc, "and here; write file.%s", nn_sym(t, name));
            nn_fail_silently(t);
        }
        d = x;
    }
    return d;
}

static nn_v code_value(nn_trace *t, nn_vkind kind, nn_decl *d)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = (uint8_t)kind;
    v->decl = d;
    v->unit = d->unit;
    return v;
}

nn_v nn_decl_value(nn_trace *t, nn_decl *d, const nn_ast *at)
{
    switch ((nn_kind)d->node->kind) {
    case NN_fn:
    case NN_train: return code_value(t, NN_V_function, d);
    case NN_module: return code_value(t, NN_V_blueprint, d);
    case NN_const_: return nn_const_value(t, d, at);
    case NN_data: return nn_data_value(t, d, at);
    default: break;
    }
    nn_error(t, at->loc, "'%s' is %s, which has no value", nn_sym(t, d->name),
             d->node->kind == NN_type_decl    ? "a type"
             : d->node->kind == NN_experiment ? "an experiment"
             : d->node->kind == NN_test       ? "a test"
                                              : "a declaration");
    nnc_note(t->diag, d->node->name_loc, "declared here");
    nn_fail_silently(t);
}

/* ---- mentions ---- */

static nn_v import_value(nn_trace *t, nn_unit *u, nnc_sym name)
{
    for (uint32_t i = 0; i < u->import.n; i++) {
        const nn_import *im = &u->import.at[i];
        if (im->name.id != name.id)
            continue;
        if (im->model)
            return nn_thaw(t, im->model);
        nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
        v->kind = NN_V_unit;
        v->unit = im->unit;
        return v;
    }
    return NULL;
}

static void suggest(nn_trace *t, const nn_ast *at)
{
    nn_near near = {.want = nn_sym(t, at->name)};
    for (nn_env *e = t->env; e; e = e->up)
        for (uint32_t i = 0; i < e->slot.n; i++)
            nn_near_try(&near, nn_sym(t, e->slot.at[i]->name));
    nn_unit *u = t->frame->unit;
    for (uint32_t i = 0; i < u->decl.n; i++)
        nn_near_try(&near, nn_sym(t, u->decl.at[i]->name));
    for (uint32_t k = 0; k < u->import.n; k++)
        for (uint32_t i = 0; u->import.at[k].unit && i < u->import.at[k].unit->decl.n; i++)
            nn_near_try(&near, nn_sym(t, u->import.at[k].unit->decl.at[i]->name));
    if (near.best)
        nnc_note(t->diag, at->loc, "did you mean '%s'?", near.best);
}

nn_v nn_builtin_value(nn_trace *t, const nn_builtin *b)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = NN_V_builtin;
    v->builtin = b;
    return v;
}

static nn_v dtype_value(nn_trace *t, nnc_dtype dt)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = NN_V_dtype;
    v->dtype = dt;
    return v;
}

nn_v nn_mention(nn_trace *t, const nn_ast *at)
{
    nn_slot *s = nn_lookup(t, at->name);
    if (s && s->val->kind == NN_V_poison)
        nn_fail_silently(t);
    if (s)
        return s->val;
    nn_decl *d = nn_find_decl(t, t->frame->unit, at->name, at);
    if (d && d->node->kind != NN_import) {
        nn_v v = nn_decl_value(t, d, at);
        return v->kind == NN_V_tensor && v->is_key ? nn_key_mention(t, at, v, 0, t->frame->decl)
                                                   : v;
    }
    nn_v v = import_value(t, t->frame->unit, at->name);
    if (v)
        return v;
    nnc_dtype dt = nn_named_dtype(t, at->name);
    if (dt)
        return dtype_value(t, dt);
    const nn_builtin *b = nn_builtin_find(t, at->name);
    if (b)
        return b->constant ? b->constant(t) : nn_builtin_value(t, b);
    for (uint32_t i = 0; i < t->undeclared.n; i++)
        if (t->undeclared.at[i] == at->id)
            nn_fail_silently(t);
    nn_error(t, at->loc, "'%s' is not declared", nn_sym(t, at->name));
    suggest(t, at);
    note_calls(t);
    nn_fail_silently(t);
}
