/* init: what parameters a module has, and their first values.
 *
 * The body is traced on the side with stand-ins for its arguments.  Sizes that the call leaves open are 720 in one trace
 * and 1440 in another: a parameter whose shape differs between the two depends on an open size.  Then each leaf is drawn
 * with a key folded from its path, so that adding a layer does not move the others. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/flow.h"
#include "frontend/nn/model.h"
#include "frontend/nn/types.h"
#include "ir/philox.h"
#include <string.h>

static const int64_t STAND_IN = 720;

/* ---- laws ---- */

static bool is_key_type(nn_trace *t, const nn_ast *arg)
{
    const nn_ast *type = nn_kid_or_null(arg, 0);
    return type && nn_is(type, NN_type_name) && strcmp(nn_sym(t, type->name), "key") == 0;
}

bool nn_takes_key(nn_trace *t, nn_v f)
{
    if (f->kind == NN_V_builtin)
        return f->builtin->args[0] == 'k' && (f->builtin->args[1] == ' ' || !f->builtin->args[1]);
    const nn_ast *params = f->kind == NN_V_function && nn_is(f->decl->node, NN_fn)
                               ? nn_kid(f->decl->node, 1)
                           : f->kind == NN_V_closure ? nn_kid(f->lambda, 0)
                                                     : NULL;
    return params && params->nkid && is_key_type(t, params->kid[0]);
}

static bool has_key(const nn_args *args)
{
    for (uint32_t i = 0; i < args->n; i++)
        if (args->at[i].v->kind == NN_V_tensor && args->at[i].v->is_key)
            return true;
    return false;
}

/* full(2.0) without its shape waits for it, as a law does. */
static bool is_open_full(nn_v f)
{
    return f->kind == NN_V_builtin && f->builtin->fn == nn_b_full && !f->bound;
}

nn_v nn_law_or_value(nn_trace *t, const nn_ast *e)
{
    if (!nn_is(e, NN_call))
        return nn_expr(t, e);
    nn_v f = nn_raw(t, nn_kid(e, 0));
    nn_args args = nn_eval_args(t, e, 1);
    if ((!nn_takes_key(t, f) && !is_open_full(f)) || has_key(&args))
        return nn_call(t, f, &args, e);
    nn_arg *kept = nnc_arena_array(t->arena, args.n, sizeof *kept);
    for (uint32_t i = 0; i < args.n; i++) {
        kept[i] = args.at[i];
        kept[i].v = nn_static_value(t, args.at[i].v, args.at[i].node);
    }
    nn_args *bound = nnc_arena_alloc(t->arena, sizeof *bound);
    *bound = (nn_args){args.n, kept};
    nn_val *law = nnc_arena_alloc(t->arena, sizeof *law);
    nn_v *item = nnc_arena_alloc(t->arena, sizeof *item);
    item[0] = f;
    law->kind = NN_V_law;
    law->item = item;
    law->n = 1;
    law->bound = bound;
    law->where = e;
    return law;
}

nn_v nn_call_law(nn_trace *t, nn_v law, const nn_args *args, const nn_ast *at)
{
    nn_arglist all = {0};
    for (uint32_t i = 0; i < args->n; i++)
        NNC_PUSH(t->arena, &all, args->at[i]);
    for (uint32_t i = 0; i < law->bound->n; i++)
        NNC_PUSH(t->arena, &all, law->bound->at[i]);
    nn_args whole = {all.n, all.at};
    return nn_call(t, law->item[0], &whole, at);
}

nn_v nn_draw(nn_trace *t, nn_v law, nnc_type type, bool is_key, nn_v key, const nn_ast *at)
{
    const nnc_type_rec r = *nnc_type_get(t->m, type);
    nn_v f = law->kind == NN_V_law ? law->item[0] : law;
    nn_arglist dims = {0}, args = {0};
    for (int i = 0; i < r.rank - is_key; i++)
        NNC_PUSH(t->arena, &dims, (nn_arg){{0}, nn_dim_value(t, r.dim[i]), at});
    nn_args statics = {dims.n, dims.at};
    if (nn_takes_key(t, f))
        NNC_PUSH(t->arena, &args, (nn_arg){{0}, key, at});
    for (uint32_t i = 0; law->kind == NN_V_law && i < law->bound->n; i++)
        NNC_PUSH(t->arena, &args, law->bound->at[i]);
    nn_args given = {args.n, args.at};
    nnc_dtype old = t->law_dtype, old_float = t->frame->float_dt;
    if (nnc_dtype_is_float((nnc_dtype)r.dtype)) {
        t->law_dtype = (nnc_dtype)r.dtype;
        t->frame->float_dt = (nnc_dtype)r.dtype;
    }
    nn_v v =
        nn_call(t, f->kind == NN_V_closure ? f : nn_with_statics(t, f, &statics, at), &given, at);
    t->law_dtype = old;
    t->frame->float_dt = old_float;
    v = nn_as_tensor(t, v, at);
    if (!is_key)
        v = nn_convert(t, v, (nnc_dtype)r.dtype);
    if (nnc_value_type(t->m, v->ssa).id != type.id)
        nn_fail(t, at->loc, "the law gives %s, the parameter is another shape", nn_type_text(t, v));
    return v;
}

/* ---- stand-ins ---- */

typedef struct trial {
    nn_v blueprint;
    const nn_args *sizes; /* of init, from its third argument on */
    const nn_ast *at;
    int64_t stand_in;
    bool open;  /* a stand-in was used */
    bool *used; /* which of the sizes */
    NNC_BUF(nnc_sym) missing;
} trial;

static const nn_arg *given(trial *c, nnc_sym name)
{
    for (uint32_t i = 0; i < c->sizes->n; i++)
        if (c->sizes->at[i].name.id == name.id) {
            c->used[i] = true;
            return &c->sizes->at[i];
        }
    return NULL;
}

static void note_missing(nn_trace *t, trial *c, nnc_sym name)
{
    c->open = true;
    for (uint32_t i = 0; i < c->missing.n; i++)
        if (c->missing.at[i].id == name.id)
            return;
    NNC_PUSH(t->arena, &c->missing, name);
}

static bool size_of(nn_trace *t, trial *c, const nn_ast *d, nnc_dim *out);

/* The names of an expression as sizes. */
static bool bind_sizes(nn_trace *t, trial *c, const nn_ast *e)
{
    nnc_dim size;
    nn_decl *decl =
        nn_is(e, NN_name) ? nn_find_decl(t, c->blueprint->decl->unit, e->name, NULL) : NULL;
    if (nn_is(e, NN_name) && !nn_lookup(t, e->name) && !(decl && !nn_is(decl->node, NN_const_)) &&
        !nn_builtin_find(t, e->name)) {
        if (!size_of(t, c, e, &size))
            return false;
        nn_bind(t, e->name, nn_dim_value(t, size), e);
    }
    for (uint32_t i = 0; i < e->nkid; i++)
        if (!bind_sizes(t, c, e->kid[i]))
            return false;
    return true;
}

/* 2 * d, widths[-1] */
static bool computed_size(nn_trace *t, trial *c, const nn_ast *d, nnc_dim *out)
{
    nn_env *env = t->env;
    nn_unit *unit = t->frame->unit;
    const nn_ast *statics = nn_kid(c->blueprint->decl->node, 0);
    nn_env_push(t, NN_ENV_function);
    t->frame->unit = c->blueprint->decl->unit;
    for (uint32_t i = 0; c->blueprint->bound && i < c->blueprint->bound->n && i < statics->nkid;
         i++) {
        const nn_arg *b = &c->blueprint->bound->at[i];
        nn_bind(t, b->name.id ? b->name : statics->kid[i]->name, b->v, d);
    }
    bool ok = bind_sizes(t, c, d);
    if (ok)
        *out = nn_ask_dim(t, nn_expr(t, d), d, "a size");
    t->env = env;
    t->frame->unit = unit;
    return ok;
}

static bool size_of(nn_trace *t, trial *c, const nn_ast *d, nnc_dim *out)
{
    if (nn_is(d, NN_bounded))
        return size_of(t, c, nn_kid(d, 0), out);
    if (nn_is(d, NN_int_)) {
        *out = d->value;
        return true;
    }
    if (!nn_is(d, NN_name))
        return computed_size(t, c, d, out);
    const nn_arg *a = given(c, d->name);
    if (a) {
        *out = nn_ask_dim(t, a->v, a->node, "a size");
        return true;
    }
    for (uint32_t i = 0; c->blueprint->bound && i < c->blueprint->bound->n;
         i++) { /* a static argument? */
        const nn_ast *statics = nn_kid(c->blueprint->decl->node, 0);
        const nn_arg *b = &c->blueprint->bound->at[i];
        nnc_sym name = b->name.id          ? b->name
                       : i < statics->nkid ? statics->kid[i]->name
                                           : (nnc_sym){0};
        if (name.id == d->name.id && b->v->has_dim) {
            *out = b->v->dim;
            return true;
        }
    }
    nn_decl *decl = nn_find_decl(t, c->blueprint->decl->unit, d->name, NULL);
    if (decl && nn_is(decl->node, NN_const_)) {
        *out = nn_ask_dim(t, nn_const_value(t, decl, d), d, "a size");
        return true;
    }
    note_missing(t, c, d->name);
    *out = c->stand_in;
    return true;
}

static nn_v stand_in(nn_trace *t, trial *c, const nn_ast *arg, const nn_ast *type);

static nn_v record_stand_in(nn_trace *t, trial *c, const nn_ast *arg, const nn_ast *type)
{
    nnc_sym *name = nnc_arena_array(t->arena, type->nkid, sizeof *name);
    nn_v *item = nnc_arena_array(t->arena, type->nkid, sizeof *item);
    for (uint32_t i = 0; i < type->nkid; i++) {
        bool field = nn_is(type->kid[i], NN_field_type);
        name[i] = field ? type->kid[i]->name : (nnc_sym){0};
        item[i] = stand_in(t, c, arg, field ? nn_kid(type->kid[i], 0) : type->kid[i]);
    }
    return nn_record(t, type->nkid, name, item);
}

static nn_v stand_in(nn_trace *t, trial *c, const nn_ast *arg, const nn_ast *type)
{
    nn_unit *unit = t->frame->unit;
    t->frame->unit = c->blueprint->decl->unit;
    type = nn_alias(t, type);
    t->frame->unit = unit;
    if (nn_is(type, NN_type_record))
        return record_stand_in(t, c, arg, type);
    const nn_ast *name = nn_is(type, NN_type_tensor) ? nn_kid(type, 0) : type;
    const char *word = nn_is(name, NN_type_name) ? nn_sym(t, name->name) : "fn";
    bool key = strcmp(word, "key") == 0;
    nnc_dtype dt = key                         ? NNC_DT_u32
                   : nn_is(name, NN_type_name) ? nn_named_dtype(t, name->name)
                                               : NNC_DT_none;
    if (strcmp(word, "float") == 0)
        dt = t->law_dtype ? t->law_dtype : c->blueprint->decl->unit->float_default;
    if (!dt)
        nn_fail(t, c->at->loc, "the argument '%s' of %s needs an example: init(.., %s = ..)",
                nn_sym(t, arg->name), nn_sym(t, c->blueprint->decl->name), nn_sym(t, arg->name));
    nnc_dim dim[NNC_MAX_RANK];
    int rank = 0;
    const nn_ast *dims = nn_is(type, NN_type_tensor) ? nn_kid(type, 1) : NULL;
    for (uint32_t i = 0; dims && i < dims->nkid; i++) {
        const nn_ast *d = dims->kid[i];
        if (nn_is(d, NN_rest)) {
            c->open = true;
            dim[rank++] = c->stand_in;
        } else if (!size_of(t, c, d, &dim[rank++])) {
            nn_fail(t, c->at->loc,
                    "the argument '%s' of %s has a computed size, so it needs an example: init(.., "
                    "%s = ..)",
                    nn_sym(t, arg->name), nn_sym(t, c->blueprint->decl->name),
                    nn_sym(t, arg->name));
        }
    }
    if (key)
        dim[rank++] = 2;
    nnc_value v = nnc_block_add_arg(t->m, nnc_op_region(t->m, t->trial_graph, 0),
                                    nnc_type_tensor(t->m, dt, rank, dim), nn_sym(t, arg->name));
    return key ? nn_key_value(t, v) : nn_tensor(t, v);
}

static nn_v example_leaf(nn_trace *t, nn_v x, void *user)
{
    (void)user;
    if (x->has_dim || x->weak)
        return x;
    nnc_value v = nnc_block_add_arg(t->m, nnc_op_region(t->m, t->trial_graph, 0),
                                    nnc_value_type(t->m, x->ssa), "example");
    return x->is_key ? nn_key_value(t, v) : nn_tensor(t, v);
}

static nn_args stand_ins(nn_trace *t, trial *c)
{
    const nn_ast *params = nn_kid(c->blueprint->decl->node, 1);
    nn_arglist out = {0};
    for (uint32_t i = 0; i < params->nkid; i++) {
        const nn_ast *p = params->kid[i], *type = nn_kid_or_null(p, 0);
        const nn_arg *a = given(c, p->name);
        if (a)
            NNC_PUSH(t->arena, &out,
                     (nn_arg){p->name, nn_map(t, a->v, example_leaf, NULL), a->node});
        else if (nn_kid_or_null(p, 1))
            continue; /* its default */
        else if (type)
            NNC_PUSH(t->arena, &out, (nn_arg){p->name, stand_in(t, c, p, type), c->at});
        else
            nn_fail(
                t, c->at->loc,
                "the argument '%s' of %s has no type, so it needs an example: init(.., %s = ..)",
                nn_sym(t, p->name), nn_sym(t, c->blueprint->decl->name), nn_sym(t, p->name));
    }
    return (nn_args){out.n, out.at};
}

/* ---- the two traces ---- */

static nn_instance *trace_once(nn_trace *t, trial *c)
{
    nn_instance *inst = nnc_arena_alloc(t->arena, sizeof *inst);
    inst->root = inst;
    inst->trial = true;
    inst->blueprint = c->blueprint;
    inst->name = c->blueprint->decl->name;
    inst->params = inst->state_record = inst->frozen = nn_empty_record(t);
    inst->serial = t->nslot++;
    nnc_pos pos = t->b.pos;
    nnc_op outer_graph = t->trial_graph;
    bool standins = t->standins;
    nn_region *region = t->region;
    t->region = NULL;
    t->standins = true;
    t->trial_graph = nnc_build_func(t->m, NNC_OP_graph, "trial", false, c->at->loc);
    t->b.pos = (nnc_pos){nnc_op_region(t->m, t->trial_graph, 0), {0}};
    nn_args args = stand_ins(t, c);
    nn_run_instance(t, inst, &args, c->at);
    t->b.pos = pos;
    t->trial_graph = outer_graph;
    t->standins = standins;
    t->region = region;
    return inst;
}

_Noreturn static void leaves_open(nn_trace *t, trial *c, const nn_instance *inst,
                                  const nn_leaf_spec *l)
{
    const char *names = "";
    for (uint32_t i = 0; i < c->missing.n; i++)
        names = nnc_arena_printf(t->arena, "%s%s'%s'", names, i ? ", " : "",
                                 nn_sym(t, c->missing.at[i]));
    nn_error(t, c->at->loc, "this leaves %s open: %s", c->missing.n > 1 ? "sizes" : "a size",
             *names ? names : "leading dimensions");
    if (l)
        nnc_note(t->diag, l->node->loc, "the shape of '%s' of %s depends on it%s%s%s",
                 nn_sym(t, l->name), nn_sym(t, inst->name), c->missing.n ? "; write init(.., " : "",
                 c->missing.n ? nn_sym(t, c->missing.at[0]) : "", c->missing.n ? " = 8)" : "");
    nn_fail_silently(t);
}

static void compare(nn_trace *t, trial *c, const nn_instance *a, const nn_instance *b)
{
    bool same = a->param.n == b->param.n && a->state.n == b->state.n && a->part.n == b->part.n;
    for (uint32_t i = 0; same && i < a->param.n; i++)
        if (a->param.at[i].type.id != b->param.at[i].type.id)
            leaves_open(t, c, a, &a->param.at[i]);
    for (uint32_t i = 0; same && i < a->state.n; i++)
        if (a->state.at[i].type.id != b->state.at[i].type.id)
            leaves_open(t, c, a, &a->state.at[i]);
    if (!same)
        leaves_open(t, c, a, NULL);
    for (uint32_t i = 0; i < a->part.n; i++)
        compare(t, c, a->part.at[i], b->part.at[i]);
}

static void check_sizes(nn_trace *t, nn_v blueprint, const nn_args *sizes)
{
    for (uint32_t i = 0; i < sizes->n; i++)
        if (!sizes->at[i].name.id)
            nn_fail(t, sizes->at[i].node->loc,
                    "init(module, key, ..) takes sizes and examples by name");
    (void)blueprint;
}

const nn_instance *nn_trial(nn_trace *t, nn_v blueprint, const nn_args *sizes, const nn_ast *at)
{
    trial c = {.blueprint = blueprint, .sizes = sizes, .at = at, .stand_in = STAND_IN};
    check_sizes(t, blueprint, sizes);
    c.used = nnc_arena_array(t->arena, sizes->n, sizeof *c.used);
    const nn_instance *first = trace_once(t, &c);
    for (uint32_t i = 0; i < sizes->n; i++)
        if (!c.used[i])
            nn_fail(t, sizes->at[i].node->loc, "%s has no size and no argument '%s'",
                    nn_sym(t, blueprint->decl->name), nn_sym(t, sizes->at[i].name));
    if (!c.open || t->open_sizes)
        return first;
    c.stand_in = 2 * STAND_IN;
    compare(t, &c, first, trace_once(t, &c));
    return first;
}

/* ---- values ---- */

typedef struct filling {
    nn_v key;
    const nn_ast *at;
} filling;

static nn_v first_value(nn_trace *t, const nn_leaf_spec *l, const char *path, const void *user)
{
    const filling *f = user;
    if (l->law) {
        nn_v key = nn_key_value(
            t, nnc_g_fold_key_domain(&t->b, f->key->ssa, nn_hash32(path), NNC_KEY_INIT, 0, NULL));
        return nn_draw(t, l->law, l->type, l->is_key, key, l->node);
    }
    const nnc_type_rec r = *nnc_type_get(t->m, l->type);
    nn_v v = nn_as_tensor(t, nn_thaw(t, l->value), l->node);
    if (v->is_key)
        return v;
    v = nn_convert(t, v, (nnc_dtype)r.dtype);
    if (nnc_value_type(t->m, v->ssa).id == l->type.id)
        return v;
    if (nn_rank(t, v) != 0)
        nn_fail(t, l->node->loc, "the initial value is %s, the declared shape another",
                nn_type_text(t, v));
    return nn_tensor(t, nnc_g_broadcast(&t->b, v->ssa, r.rank, r.dim));
}

nn_v nn_model_of(nn_trace *t, const nn_instance *inst, nn_v params, nn_v state, nn_v frozen)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    nn_v *item = nnc_arena_array(t->arena, 3, sizeof *item);
    nnc_sym *name = nnc_arena_array(t->arena, 3, sizeof *name);
    item[0] = params;
    item[1] = state;
    item[2] = frozen;
    name[0] = nn_name(t, "params");
    name[1] = nn_name(t, "state");
    name[2] = nn_name(t, "frozen");
    v->kind = NN_V_model;
    v->decl = inst->blueprint->decl;
    v->bound = inst->blueprint->bound;
    v->unit = inst->blueprint->unit;
    v->instance = inst;
    v->n = 3;
    v->item = item;
    v->name = name;
    return v;
}

static nn_args sizes_of(nn_trace *t, const nn_bcall *c, unsigned from, nnc_dtype *dtype)
{
    nn_arglist out = {0};
    for (uint32_t i = from; i < c->args->n; i++) {
        const nn_arg *a = &c->args->at[i];
        if (a->name.id && strcmp(nn_sym(t, a->name), "dtype") == 0) {
            if (a->v->kind != NN_V_dtype || !nnc_dtype_is_float(a->v->dtype))
                nn_fail(t, a->node->loc, "dtype = f32 or another float type, this is %s",
                        nn_type_text(t, a->v));
            *dtype = a->v->dtype;
            continue;
        }
        NNC_PUSH(t->arena, &out, *a);
    }
    return (nn_args){out.n, out.at};
}

static nn_v want_blueprint(nn_trace *t, const nn_bcall *c)
{
    if (!c->args->n || c->args->at[0].v->kind != NN_V_blueprint)
        nn_fail(t, c->args->n ? c->args->at[0].node->loc : c->at->loc,
                "%s(..) starts with a module, this is %s", c->self->name,
                c->args->n ? nn_type_text(t, c->args->at[0].v) : "nothing");
    return c->args->at[0].v;
}

nn_v nn_b_init(nn_trace *t, const nn_bcall *c)
{
    nn_v bp = want_blueprint(t, c);
    if (c->args->n < 2 || c->args->at[1].v->kind != NN_V_tensor || !c->args->at[1].v->is_key)
        nn_fail(t, c->at->loc,
                "init(module, key, ..) needs a key as its second argument, for example key(1)");
    nnc_dtype dtype = NNC_DT_none, old = t->law_dtype;
    nn_args sizes = sizes_of(t, c, 2, &dtype);
    t->law_dtype = dtype;
    const nn_instance *inst = nn_trial(t, bp, &sizes, c->at);
    filling f = {c->args->at[1].v, c->at};
    nn_v params = nn_instance_record(t, inst, "", false, first_value, &f),
         state = nn_instance_record(t, inst, "", true, first_value, &f);
    t->law_dtype = old;
    return nn_model_of(t, inst, params, state, nn_empty_record(t));
}

nn_v nn_b_make(nn_trace *t, const nn_bcall *c)
{
    if (c->args->n < 2)
        nn_fail(t, c->at->loc, "make(module, params) needs a module or model and its parameters");
    nn_v like = c->args->at[0].v, params = c->args->at[1].v;
    if (like->kind == NN_V_model) {
        nn_v m = nn_model_with_field(t, like, nn_name(t, "params"), params, c->args->at[1].node);
        return m;
    }
    nn_v bp = want_blueprint(t, c);
    nnc_dtype dtype = NNC_DT_none;
    nn_args sizes = sizes_of(t, c, 2, &dtype);
    const nn_instance *inst = nn_trial(t, bp, &sizes, c->at);
    filling f = {
        nn_key_value(t, nnc_g_const_data(&t->b, NNC_DT_u32, 1, (nnc_dim[]){2}, (uint32_t[]){0, 0})),
        c->at};
    return nn_model_of(t, inst, params, nn_instance_record(t, inst, "", true, first_value, &f),
                       nn_empty_record(t));
}
