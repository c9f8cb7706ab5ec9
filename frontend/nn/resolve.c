/* Names: everything that a file mentions is declared somewhere, also in templates that nobody calls.
 *
 * A walk with scopes of plain names: no values.  Where a name may be bound by something this walk does not see (sizes of a
 * signature, settings of `train`, fields of its set) it is let through; tracing is the judge then. */
#include "frontend/nn/expr.h"
#include "frontend/nn/near.h"
#include "frontend/nn/types.h"
#include <string.h>

typedef struct scope {
    struct scope *up;
    NNC_BUF(nnc_sym) name;
} scope;
typedef struct resolver {
    nn_trace *t;
    nn_unit *u;
    scope *s;
    bool open; /* inside `train`: rows have fields */
    NNC_BUF(nnc_sym) told;
    uint32_t aliases; /* of this declaration that were looked into */
} resolver;

static void add(resolver *r, nnc_sym name)
{
    NNC_PUSH(r->t->arena, &r->s->name, name);
}

static bool local(const resolver *r, nnc_sym name)
{
    for (const scope *s = r->s; s; s = s->up)
        for (uint32_t i = 0; i < s->name.n; i++)
            if (s->name.at[i].id == name.id)
                return true;
    return false;
}

static bool declared(const resolver *r, nnc_sym name)
{
    nn_trace *t = r->t;
    if (nn_find_decl(t, r->u, name, NULL) || nn_builtin_find(t, name))
        return true;
    for (uint32_t i = 0; i < r->u->import.n; i++)
        if (r->u->import.at[i].name.id == name.id)
            return true;
    const char *s = nn_sym(t, name);
    return strcmp(s, "float") == 0 || strcmp(s, "int") == 0 || nnc_dtype_by_name(s, strlen(s));
}

static void suggest(resolver *r, const nn_ast *at)
{
    nn_trace *t = r->t;
    nn_near near = {.want = nn_sym(t, at->name)};
    for (const scope *s = r->s; s; s = s->up)
        for (uint32_t i = 0; i < s->name.n; i++)
            nn_near_try(&near, nn_sym(t, s->name.at[i]));
    for (uint32_t i = 0; i < r->u->decl.n; i++)
        nn_near_try(&near, nn_sym(t, r->u->decl.at[i]->name));
    for (uint32_t k = 0; k < r->u->import.n; k++)
        for (uint32_t i = 0; r->u->import.at[k].unit && i < r->u->import.at[k].unit->decl.n; i++)
            nn_near_try(&near, nn_sym(t, r->u->import.at[k].unit->decl.at[i]->name));
    for (uint32_t i = 0; i < nn_builtin_count(); i++)
        nn_near_try(&near, nn_builtin_at(i)->name);
    if (near.best)
        nnc_note(t->diag, at->loc, "did you mean '%s'?", near.best);
}

static void mention(resolver *r, const nn_ast *e)
{
    if (r->open || local(r, e->name) || declared(r, e->name))
        return;
    NNC_PUSH(r->t->arena, &r->t->undeclared, e->id);
    for (uint32_t i = 0; i < r->told.n; i++)
        if (r->told.at[i].id == e->name.id)
            return; /* once per declaration */
    NNC_PUSH(r->t->arena, &r->told, e->name);
    nnc_error(r->t->diag, e->loc, "'%s' is not declared", nn_sym(r->t, e->name));
    suggest(r, e);
}

static void walk(resolver *r, const nn_ast *e);

static void walk_kids(resolver *r, const nn_ast *e, unsigned from)
{
    for (uint32_t i = from; i < e->nkid; i++)
        walk(r, e->kid[i]);
}

static void scoped(resolver *r, const nn_ast *e)
{
    scope s = {.up = r->s};
    r->s = &s;
    walk(r, e);
    r->s = s.up;
}

static void pattern(resolver *r, const nn_ast *p)
{
    if (nn_is(p, NN_name))
        add(r, p->name);
    for (uint32_t i = 0; i < p->nkid; i++)
        pattern(r, p->kid[i]);
}

/* Types of types of types: two of each in the next are a million after twenty. */
enum { MOST_ALIASES = 10000 };

/* Sizes that a type binds by mentioning them. */
static void type_names(resolver *r, const nn_ast *type)
{
    if (nn_is(type, NN_type_name)) {
        nn_decl *d = nn_type_decl(r->t, r->u, type->name, type);
        const char *s = nn_sym(r->t, type->name);
        bool word = strcmp(s, "float") == 0 || strcmp(s, "int") == 0 || strcmp(s, "key") == 0 ||
                    strcmp(s, "str") == 0 || nnc_dtype_by_name(s, strlen(s));
        if (d && d->busy) {
            nnc_error(r->t->diag, type->loc, "the type '%s' is declared through itself", s);
        } else if (d && r->aliases >= MOST_ALIASES) {
            if (r->aliases++ == MOST_ALIASES)
                nnc_error(r->t->diag, type->loc, "types stand for more than %d others",
                          MOST_ALIASES);
        } else if (d) {
            r->aliases++;
            d->busy = true;
            type_names(r, nn_kid(d->node, 0));
            d->busy = false;
        } else if (!word && type->nkid < 2)
            nnc_error(r->t->diag, type->loc, "'%s' is no type", s);
        return;
    }
    if (nn_is(type, NN_name) || (nn_is(type, NN_rest) && type->name.id)) {
        if (!local(r, type->name))
            add(r, type->name);
        return;
    }
    for (uint32_t i = 0; i < type->nkid; i++)
        type_names(r, type->kid[i]);
}

static void params(resolver *r, const nn_ast *list)
{
    for (uint32_t i = 0; i < list->nkid; i++) {
        const nn_ast *p = list->kid[i];
        if (nn_is(p, NN_arg) && nn_kid_or_null(p, 0))
            type_names(r, nn_kid(p, 0));
    }
    for (uint32_t i = 0; i < list->nkid; i++) {
        const nn_ast *p = list->kid[i];
        if (nn_is(p, NN_arg) && nn_kid_or_null(p, 1))
            walk(r, nn_kid(p, 1));
        add(r, p->name);
    }
}

static void function(resolver *r, const nn_ast *e, bool statics)
{
    scope s = {.up = r->s};
    r->s = &s;
    unsigned k = 0;
    if (statics)
        params(r, nn_kid(e, k++));
    params(r, nn_kid(e, k++));
    if (nn_kid_or_null(e, k))
        type_names(r, nn_kid(e, k));
    walk_kids(r, e, k + 1);
    r->s = s.up;
}

static void loop(resolver *r, const nn_ast *e)
{
    scope s = {.up = r->s};
    const nn_ast *heads = nn_kid(e, 0);
    bool pasted = false;
    r->s = &s;
    for (uint32_t i = 0; i < heads->nkid; i++) {
        walk(r, nn_kid(heads->kid[i], 1));
        pattern(r, nn_kid(heads->kid[i], 0));
        pasted |= nn_is(heads->kid[i], NN_static_in);
    }
    walk_kids(r, e, 1);
    r->s = s.up;
    for (uint32_t i = 0; pasted && r->s && i < s.name.n; i++)
        add(r, s.name.at[i]);
}

static void bind_target(resolver *r, const nn_ast *target)
{
    if (nn_is(target, NN_tuple))
        for (uint32_t i = 0; i < target->nkid; i++)
            bind_target(r, target->kid[i]);
    else if (nn_is(target, NN_name))
        add(r, target->name);
    else if (!nn_is(target, NN_hole))
        walk(r, target);
}

static void training(resolver *r, const nn_ast *e)
{
    scope s = {.up = r->s};
    bool open = r->open;
    r->s = &s;
    params(r, nn_kid(e, 0));
    params(r, nn_kid(e, 1));
    walk(r, nn_kid(e, 2));
    r->open = true;
    walk(r, nn_kid(e, 3));
    r->open = open;
    r->s = s.up;
}

static void statement_names(resolver *r, const nn_ast *e)
{
    walk_kids(r, e, nn_is(e, NN_bind) ? 2 : nn_is(e, NN_vars) ? 1 : 0);
    if (nn_is(e, NN_bind)) {
        bind_target(r, nn_kid(e, 0));
        if (nn_kid_or_null(e, 1))
            type_names(r, nn_kid(e, 1));
    } else if (nn_is(e, NN_vars)) {
        pattern(r, nn_kid(e, 0));
    } else {
        add(r, e->name);
    }
}

static void walk(resolver *r, const nn_ast *e)
{
    switch ((nn_kind)e->kind) {
    case NN_name: mention(r, e); return;
    case NN_lambda: function(r, e, false); return;
    case NN_fn:
    case NN_module: function(r, e, true); return;
    case NN_train: training(r, e); return;
    case NN_backward: {
        scope s = {.up = r->s};
        r->s = &s;
        pattern(r, nn_kid(e, 0));
        r->open = true; /* names of the body */
        walk(r, nn_kid(e, 1));
        r->open = false;
        r->s = s.up;
        return;
    }
    case NN_for_:
    case NN_sweep: loop(r, e); return;
    case NN_if_:
        walk(r, nn_kid(e, 0));
        scoped(r, nn_kid(e, 1));
        scoped(r, nn_kid(e, 2));
        return;
    case NN_while_:
        walk(r, nn_kid(e, 0));
        scoped(r, nn_kid(e, 1));
        return;
    case NN_bind:
    case NN_vars: statement_names(r, e); return;
    case NN_var:
    case NN_const_:
    case NN_param:
    case NN_state:
        if (nn_kid_or_null(e, 0))
            type_names(r, nn_kid(e, 0));
        walk(r, nn_kid(e, 1));
        add(r, e->name);
        return;
    case NN_type_name:
    case NN_type_tensor:
    case NN_type_fixed:
    case NN_type_record:
    case NN_hint: return;
    case NN_maximize:
    case NN_minimize:
    case NN_target: return;
    case NN_at: /* labels: x[w = 4] names an axis, its value is an expression */
    default: walk_kids(r, e, 0);
    }
}

void nn_resolve(nn_trace *t, nn_unit *u)
{
    for (uint32_t i = 0; i < u->decl.n; i++) {
        const nn_decl *d = u->decl.at[i];
        scope s = {0};
        resolver r = {.t = t, .u = u, .s = &s};
        if (d->node->kind == NN_type_decl) {
            type_names(&r, nn_kid(d->node, 0));
        } else if (d->node->kind == NN_const_ || d->node->kind == NN_data) {
            walk_kids(&r, d->node, 1);
        } else {
            walk(&r, d->node);
        }
    }
}
