/* Instances: the parts of a module's body while it is traced, their parameters, state and names.
 *
 * An anonymous part is named after its module, numbered in the order in which the walk meets it; the walk is the same at
 * `init` and at every call, so names agree. */
#include "frontend/nn/flow.h"
#include "frontend/nn/model.h"
#include "frontend/nn/types.h"
#include <string.h>

nn_v nn_empty_record(nn_trace *t)
{
    return nn_record(t, 0, NULL, NULL);
}

/* ---- unrolled turns ---- */

static nn_model_cx *models(nn_trace *t)
{
    if (!t->models)
        t->models = nnc_arena_alloc(t->arena, sizeof *t->models);
    return t->models;
}

void nn_unrolled(nn_trace *t, uint32_t i)
{
    NNC_PUSH(t->arena, &models(t)->turn, i);
}

void nn_unrolled_end(nn_trace *t)
{
    models(t)->turn.n--;
}

/* ---- finding and making parts ---- */

static bool same_place(nn_trace *t, const nn_instance *p, const nn_ast *place, nn_v blueprint)
{
    const nn_model_cx *m = models(t);
    return p->place == place && p->blueprint->decl == blueprint->decl && p->nturn == m->turn.n &&
           (!p->nturn || !memcmp(p->turn, m->turn.at, p->nturn * sizeof *p->turn));
}

static nnc_sym fresh_name(nn_trace *t, const nn_instance *owner, const char *stem, bool numbered)
{
    for (uint32_t n = 1;; n++) {
        const char *s = !numbered && n == 1 ? stem : nnc_arena_printf(t->arena, "%s_%u", stem, n);
        nnc_sym name = nn_name(t, s);
        bool taken = false;
        for (uint32_t i = 0; i < owner->part.n && !taken; i++)
            taken = owner->part.at[i]->name.id == name.id;
        if (!taken)
            return name;
    }
}

static nn_v part_of(nn_v record, nnc_sym name, nn_trace *t)
{
    nn_v v = record ? nn_field(record, name) : NULL;
    return v && v->kind == NN_V_record ? v : nn_empty_record(t);
}

static nn_instance *part(nn_trace *t, nn_instance *owner, nn_v blueprint, const nn_ast *place,
                         const char *own_name)
{
    for (uint32_t i = 0; i < owner->part.n; i++)
        if (same_place(t, owner->part.at[i], place, blueprint))
            return owner->part.at[i];
    nn_instance *p = nnc_arena_alloc(t->arena, sizeof *p);
    const nn_model_cx *m = models(t);
    p->owner = owner;
    p->root = owner->root;
    p->name =
        fresh_name(t, owner, own_name ? own_name : nn_sym(t, blueprint->decl->name), !own_name);
    p->blueprint = blueprint;
    p->place = place;
    p->nturn = m->turn.n;
    p->turn = nnc_arena_copy(t->arena, m->turn.at, m->turn.n * sizeof *p->turn);
    p->trial = owner->trial;
    p->training = owner->training;
    p->want_taps = owner->want_taps;
    p->serial = owner->serial;
    p->region = owner->region;
    p->params = part_of(owner->params, p->name, t);
    p->state_record = part_of(owner->state_record, p->name, t);
    p->frozen = part_of(owner->frozen, p->name, t);
    NNC_PUSH(t->arena, &owner->part, p);
    return p;
}

/* `enc = dense[64]` inside a module. */
nn_v nn_bind_blueprint(nn_trace *t, nnc_sym name, nn_v v, const nn_ast *at)
{
    if (v->kind != NN_V_blueprint || v->instance || !t->frame->self)
        return v;
    nn_val *r = nnc_arena_copy(t->arena, v, sizeof *v);
    r->instance = part(t, t->frame->self, v, at, nn_sym(t, name));
    return r;
}

nn_v nn_call_blueprint(nn_trace *t, nn_v blueprint, const nn_args *args, const nn_ast *at)
{
    nn_instance *self = t->frame->self;
    if (!self && blueprint->instance)
        self = blueprint->instance->owner;
    if (!self) {
        nn_error(t, at->loc, "module '%s' is called outside a module, where it has no parameters",
                 nn_sym(t, blueprint->decl->name));
        nnc_note(t->diag, at->loc, "make a model first: net = init(%s[..], key(1))",
                 nn_sym(t, blueprint->decl->name));
        nn_fail_silently(t);
    }
    nn_instance *p = (nn_instance *)blueprint->instance;
    if (!p)
        p = part(t, self, blueprint, at, NULL);
    for (const nn_instance *o = self; o; o = o->owner)
        if (o == p)
            nn_fail(t, at->loc,
                    "'%s' is called in its own argument or body; only state goes from one call to "
                    "the next",
                    nn_sym(t, p->name));
    return nn_run_instance(t, p, args, at);
}

/* ---- running a body ---- */

static nn_v taps_of(nn_trace *t, nn_instance *inst)
{
    NNC_BUF(nnc_sym) name = {0};
    NNC_BUF(nn_v) item = {0};
    const nn_env *e = t->env;
    for (uint32_t i = e->slot.n; i-- > 0;) {
        const nn_slot *s = e->slot.at[i];
        bool old = s->is_param || s->is_state || s->val->kind == NN_V_poison || !s->made ||
                   s->made->kind == NN_arg ||
                   (!nn_can_be_tensor(s->val) && s->val->kind != NN_V_record);
        for (uint32_t k = 0; k < name.n && !old; k++)
            old = name.at[k].id == s->name.id;
        if (old)
            continue;
        NNC_PUSH(t->arena, &name, s->name);
        NNC_PUSH(t->arena, &item, s->val);
    }
    for (uint32_t i = 0; i < inst->part.n; i++)
        if (inst->part.at[i]->taps) {
            NNC_PUSH(t->arena, &name, inst->part.at[i]->name);
            NNC_PUSH(t->arena, &item, inst->part.at[i]->taps);
        }
    return nn_record(t, name.n, name.at, item.at);
}

static nn_v run_body(nn_trace *t, void *user)
{
    nn_instance *inst = user;
    const nn_ast *d = inst->blueprint->decl->node;
    nn_bind(t, nn_name(t, "training"), nn_bool(t, inst->training), NULL);
    nn_model_cx *m = models(t);
    uint32_t turns = m->turn.n; /* a body counts its own */
    m->turn.n = 0;
    nn_v v = nn_body(t, nn_kid(d, 3));
    m->turn.n = turns;
    if (inst->want_taps && t->region == inst->region)
        inst->taps = taps_of(t, inst);
    return v;
}

nn_v nn_run_instance(nn_trace *t, nn_instance *inst, const nn_args *args, const nn_ast *at)
{
    const nn_ast *d = inst->blueprint->decl->node;
    nn_frame frame = {.unit = inst->blueprint->decl->unit,
                      .decl = (nn_decl *)inst->blueprint->decl,
                      .self = inst};
    frame.float_dt = inst->trial ? t->law_dtype : NNC_DT_none;
    nn_code code = {.name = nn_sym(t, inst->blueprint->decl->name),
                    .statics = nn_kid(d, 0),
                    .params = nn_kid(d, 1),
                    .result = nn_kid_or_null(d, 2),
                    .body = nn_kid(d, 3),
                    .bound = inst->blueprint->bound,
                    .run = run_body,
                    .user = inst};
    return nn_bind_and_run(t, &frame, &code, args, at);
}

/* ---- param and state ---- */

static void check_name(nn_trace *t, const nn_instance *self, const nn_ast *s)
{
    for (uint32_t i = 0; i < self->param.n + self->state.n; i++) {
        const nn_leaf_spec *l =
            i < self->param.n ? &self->param.at[i] : &self->state.at[i - self->param.n];
        if (l->name.id == s->name.id && l->node != s) {
            nn_error(t, s->name_loc, "'%s' is declared twice in this module", nn_sym(t, s->name));
            nnc_note(t->diag, l->node->name_loc, "first here");
            nn_fail_silently(t);
        }
    }
}

/* A trial: note what is asked for, and go on with a stand-in of the type. */
static nn_v ask_leaf(nn_trace *t, nn_instance *self, const nn_ast *s, bool state)
{
    nn_leaf_spec l = {.name = s->name, .type = nn_declared_type(t, nn_kid(s, 0)), .node = s};
    const nn_ast *init = nn_kid(s, 1), *word = nn_alias(t, nn_kid(s, 0));
    word = nn_is(word, NN_type_tensor) ? nn_kid(word, 0) : word;
    l.is_key = nn_is(word, NN_type_name) && !strcmp(nn_sym(t, word->name), "key");
    if (nn_is(init, NN_draw))
        l.law = nn_law_or_value(t, nn_kid(init, 0));
    else
        l.value = nn_freeze_value(t, nn_expr(t, init), init, "the initial value");
    if (l.law && l.law->kind != NN_V_law && !nn_is_code(l.law) && l.law->kind != NN_V_closure)
        nn_fail(
            t, init->loc,
            "after '~' stands a law, a function of a key, for example normal(0, 0.1); this is %s",
            nn_type_text(t, l.law));
    check_name(t, self, s);
    bool have = false;
    for (uint32_t i = 0; i < (state ? self->state.n : self->param.n); i++)
        have |= (state ? self->state.at[i] : self->param.at[i]).node == s;
    if (have)
        ; /* a part called again */
    else if (state)
        NNC_PUSH(t->arena, &self->state, l);
    else
        NNC_PUSH(t->arena, &self->param, l);
    nnc_value v =
        nnc_block_add_arg(t->m, nnc_op_region(t->m, t->trial_graph, 0), l.type, nn_sym(t, s->name));
    return l.is_key ? nn_key_value(t, v) : nn_tensor(t, v);
}

static nn_v given_leaf(nn_trace *t, nn_instance *self, const nn_ast *s)
{
    nn_v v = nn_field(self->params, s->name);
    if (!v)
        v = nn_field(self->frozen, s->name);
    if (!v)
        nn_fail(t, s->name_loc,
                "the model has no parameter '%s'; was it made for other static arguments?",
                nn_sym(t, s->name));
    nnc_type want = nn_declared_type(t, nn_kid(s, 0));
    const nnc_type_rec *a = nnc_type_get(t->m, want), *b = nn_ty(t, v);
    bool same = a->rank == b->rank;
    for (int i = 0; same && i < a->rank; i++)
        same = a->dim[i] == b->dim[i];
    if (!same) {
        nn_error(t, t->frame->call ? t->frame->call->loc : s->loc,
                 "this model was made for other sizes: '%s' is %s, this call needs another shape",
                 nn_sym(t, s->name), nn_type_text(t, v));
        nnc_note(t->diag, s->loc, "the parameter is declared here");
        nn_fail_silently(t);
    }
    return v;
}

static nn_slot *cell_of(nn_trace *t, nn_instance *self, const nn_ast *s)
{
    for (uint32_t i = 0; i < self->cell.n; i++)
        if (self->cell.at[i]->name.id == s->name.id)
            return self->cell.at[i];
    nn_v v = self->trial ? ask_leaf(t, self, s, true) : nn_field(self->state_record, s->name);
    if (!v)
        nn_fail(t, s->name_loc, "the model has no state '%s'", nn_sym(t, s->name));
    nn_slot *cell = nnc_arena_alloc(t->arena, sizeof *cell);
    *cell = (nn_slot){.name = s->name,
                      .val = v,
                      .is_var = true,
                      .is_state = true,
                      .where = s->name_loc,
                      .made = s,
                      .serial = self->serial};
    NNC_PUSH(t->arena, &self->cell, cell);
    return cell;
}

void nn_param_statement(nn_trace *t, const nn_ast *s)
{
    nn_instance *self = t->frame->self;
    if (!self)
        nn_fail(t, s->loc, "'%s' belongs into a module", nn_is(s, NN_param) ? "param" : "state");
    nn_env *e = t->env;
    while (e->kind == NN_ENV_pasted && e->up)
        e = e->up;
    if (nn_is(s, NN_param)) {
        nn_bind(t, s->name, self->trial ? ask_leaf(t, self, s, false) : given_leaf(t, self, s), s)
            ->is_param = true;
        return;
    }
    nn_slot *cell = cell_of(t, self, s);
    cell->env = e;
    NNC_PUSH(t->arena, &e->slot, cell);
}

nn_v nn_instance_record(nn_trace *t, const nn_instance *inst, const char *path, bool state,
                        nn_spec_fn fn, const void *user)
{
    NNC_BUF(nnc_sym) name = {0};
    NNC_BUF(nn_v) item = {0};
    uint32_t n = state ? inst->state.n : inst->param.n;
    for (uint32_t i = 0; i < n; i++) {
        const nn_leaf_spec *l = state ? &inst->state.at[i] : &inst->param.at[i];
        NNC_PUSH(t->arena, &name, l->name);
        NNC_PUSH(t->arena, &item,
                 fn(t, l, nnc_arena_printf(t->arena, "%s%s", path, nn_sym(t, l->name)), user));
    }
    for (uint32_t i = 0; i < inst->part.n; i++) {
        const nn_instance *p = inst->part.at[i];
        const char *below = nnc_arena_printf(t->arena, "%s%s.", path, nn_sym(t, p->name));
        nn_v v = nn_instance_record(t, p, below, state, fn, user);
        if (!v->n)
            continue;
        NNC_PUSH(t->arena, &name, p->name);
        NNC_PUSH(t->arena, &item, v);
    }
    return nn_record(t, name.n, name.at, item.at);
}

nn_v nn_states_after(nn_trace *t, const nn_instance *inst, nn_v like)
{
    nn_v *item = nnc_arena_copy(t->arena, like->item, like->n * sizeof *item);
    for (uint32_t i = 0; i < like->n; i++) {
        for (uint32_t k = 0; k < inst->cell.n; k++)
            if (inst->cell.at[k]->name.id == like->name[i].id)
                item[i] = inst->cell.at[k]->val;
        for (uint32_t k = 0; k < inst->part.n; k++)
            if (inst->part.at[k]->name.id == like->name[i].id && like->item[i]->kind == NN_V_record)
                item[i] = nn_states_after(t, inst->part.at[k], like->item[i]);
    }
    return nn_record(t, like->n, like->name, item);
}
