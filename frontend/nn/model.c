/* Models: calls, fields, assignment of parts, training and frozen leaves, taps. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/model.h"
#include "frontend/nn/near.h"
#include <string.h>

static bool is(nn_trace *t, nnc_sym name, const char *s)
{
    return strcmp(nn_sym(t, name), s) == 0;
}

/* ---- calls ---- */

static nn_instance *instance_for(nn_trace *t, nn_v m)
{
    nn_instance *inst = nnc_arena_alloc(t->arena, sizeof *inst);
    inst->root = inst;
    inst->blueprint = m->instance->blueprint;
    inst->name = m->decl->name;
    inst->training = m->training;
    inst->params = m->item[0];
    inst->state_record = m->item[1];
    inst->frozen = m->item[2];
    inst->serial = t->nslot++;
    inst->region = t->region;
    return inst;
}

static void check_single(nn_trace *t, nn_v m, const nn_ast *at)
{
    if (m->batch)
        nn_fail(
            t, at->loc,
            "this is a batch of models; take one with [i], or walk over it with 'for net in nets'");
}

nn_v nn_call_model(nn_trace *t, nn_v m, const nn_args *args, const nn_ast *at)
{
    check_single(t, m, at);
    if (m->onnx)
        return nn_call_onnx(t, m, args, at);
    return nn_run_instance(t, instance_for(t, m), args, at);
}

_Noreturn static void refuse_data(nn_trace *t, const nn_ast *e, const nn_ast *root)
{
    const nn_decl *d = nn_find_decl(t, t->frame->unit, root->name, root);
    nn_error(t, e->loc, "'%s' is declared in the file, so '!' cannot store its new state here",
             nn_sym(t, root->name));
    nnc_note(t->diag, d->node->name_loc,
             "declared here; bind it first ('var m = %s'), or call it in the body of an 'export "
             "fn', which keeps the state in its caller's memory",
             nn_sym(t, root->name));
    nn_fail_silently(t);
}

/* net!(x): the state after the call goes into the name. */
nn_v nn_call_bang(nn_trace *t, const nn_ast *e)
{
    const nn_ast *path = nn_kid(e, 0), *root = nn_path_root(path);
    nn_v m = nn_raw(t, path);
    nn_args args = nn_eval_args(t, e, 1);
    if (m->kind != NN_V_model) {
        if (m->kind == NN_V_closure || nn_is_code(m))
            nn_fail(t, e->loc, "'!' keeps the state of a model, this is %s", nn_type_text(t, m));
        nn_fail(t, e->loc, "'!' calls a model, this is %s", nn_type_text(t, m));
    }
    check_single(t, m, e);
    if (m->onnx)
        return nn_call_onnx(t, m, &args, e);
    nn_slot *s = root ? nn_lookup(t, root->name) : NULL;
    if (!s && root && nn_find_decl(t, t->frame->unit, root->name, root))
        refuse_data(t, e, root);
    if (!s)
        nn_fail(t, e->loc,
                "'!' stores the new state in a name, which must be a 'var' or bound in this block");
    nn_instance *inst = instance_for(t, m);
    nn_v v = nn_run_instance(t, inst, &args, e);
    if (m->item[1]->n)
        nn_assign(t, path, NN_OP_none,
                  nn_model_with_field(t, nn_raw(t, path), nn_name(t, "state"),
                                      nn_states_after(t, inst, m->item[1]), e));
    return v;
}

/* ---- fields ---- */

static nn_v part_model(nn_trace *t, nn_v m, const nn_instance *p)
{
    nn_v none = nn_empty_record(t), params = nn_field(m->item[0], p->name),
         state = nn_field(m->item[1], p->name), frozen = nn_field(m->item[2], p->name);
    nn_v v =
        nn_model_of(t, p, params ? params : none, state ? state : none, frozen ? frozen : none);
    nn_val *r = nnc_arena_copy(t->arena, v, sizeof *v);
    r->training = m->training;
    r->batch = m->batch;
    return r;
}

static const nn_instance *find_part(nn_v m, nnc_sym name)
{
    for (uint32_t i = 0; m->instance && i < m->instance->part.n; i++)
        if (m->instance->part.at[i]->name.id == name.id)
            return m->instance->part.at[i];
    return NULL;
}

nn_v nn_model_field(nn_trace *t, nn_v m, nnc_sym name, nnc_loc loc)
{
    if (m->kind != NN_V_model)
        nn_fail(t, loc, "'.%s' needs a model, this is %s", nn_sym(t, name), nn_type_text(t, m));
    if (is(t, name, "params"))
        return m->item[0];
    if (is(t, name, "state"))
        return m->item[1];
    const nn_instance *p = find_part(m, name);
    if (p)
        return part_model(t, m, p);
    for (int i = 0; i < 3; i++) {
        nn_v v = nn_field(m->item[i], name);
        if (v)
            return v;
    }
    nn_near near = {.want = nn_sym(t, name)};
    for (uint32_t i = 0; m->instance && i < m->instance->part.n; i++)
        nn_near_try(&near, nn_sym(t, m->instance->part.at[i]->name));
    for (uint32_t i = 0; i < m->item[0]->n; i++)
        nn_near_try(&near, nn_sym(t, m->item[0]->name[i]));
    nn_error(t, loc, "the model has no part '%s'; it has %s", nn_sym(t, name),
             nn_type_text(t, m->item[0]));
    if (near.best)
        nnc_note(t->diag, loc, "did you mean '%s'?", near.best);
    nn_fail_silently(t);
}

static bool holds_models(nn_v r)
{
    for (uint32_t i = 0; i < r->n; i++)
        if (r->item[i]->kind == NN_V_model ||
            (r->item[i]->kind == NN_V_record && holds_models(r->item[i])))
            return true;
    return false;
}

/* `.params` of a record: the parameters of its models, what is no model left as it is. */
static nn_v collect_part(nn_trace *t, nn_v r, int which)
{
    nn_v *item = nnc_arena_array(t->arena, r->n, sizeof *item);
    for (uint32_t i = 0; i < r->n; i++)
        item[i] = r->item[i]->kind == NN_V_model    ? r->item[i]->item[which]
                  : r->item[i]->kind == NN_V_record ? collect_part(t, r->item[i], which)
                                                    : nn_empty_record(t);
    return nn_record(t, r->n, r->name, item);
}

nn_v nn_models_field(nn_trace *t, nn_v r, nnc_sym name, nnc_loc loc)
{
    (void)loc;
    int which = is(t, name, "params") ? 0 : is(t, name, "state") ? 1 : -1;
    if (which < 0 || nn_field(r, name) || !holds_models(r))
        return NULL;
    return collect_part(t, r, which);
}

nn_v nn_model_state(nn_trace *t, nn_v m, const nn_ast *at)
{
    nnc_sym name = nn_name(t, "state");
    if (m->kind == NN_V_model)
        return m->item[1];
    return m->kind == NN_V_record ? nn_models_field(t, m, name, at->loc) : NULL;
}

/* ---- assignment ---- */

static nn_v with_item(nn_trace *t, nn_v m, int which, nn_v v)
{
    nn_val *r = nnc_arena_copy(t->arena, m, sizeof *m);
    nn_v *item = nnc_arena_copy(t->arena, m->item, m->n * sizeof *item);
    item[which] = v;
    r->item = item;
    return r;
}

static nn_v with_record_field(nn_trace *t, nn_v r, nnc_sym name, nn_v v)
{
    nn_v *item = nnc_arena_copy(t->arena, r->item, r->n * sizeof *item);
    for (uint32_t i = 0; i < r->n; i++)
        if (r->name[i].id == name.id)
            item[i] = v;
    return nn_record(t, r->n, r->name, item);
}

/* New leaves must have the old ones' shapes and dtypes; weak ones take them. */
static nn_v fitted(nn_trace *t, nn_v old, nn_v v, const nn_ast *at)
{
    const char *why = NULL;
    if (!nn_same_tree(t, old, v, &why))
        nn_fail(t, at->loc, "%s cannot take the place of %s%s%s", nn_type_text(t, v),
                nn_type_text(t, old), why ? ": " : "", why ? why : "");
    nn_leaves a = {0}, b = {0};
    nn_collect(t, old, &a);
    nn_collect(t, v, &b);
    for (uint32_t i = 0; i < a.n; i++) {
        if (b.at[i]->weak)
            b.at[i] = nn_convert(t, b.at[i], nn_dtype(t, a.at[i]));
        if (nnc_value_type(t->m, a.at[i]->ssa).id != nnc_value_type(t->m, b.at[i]->ssa).id)
            nn_fail(t, at->loc, "%s cannot take the place of %s", nn_type_text(t, b.at[i]),
                    nn_type_text(t, a.at[i]));
    }
    const nn_v *next = b.at;
    return nn_rebuild(t, old, &next);
}

static nn_v with_part(nn_trace *t, nn_v m, const nn_instance *p, nn_v v, const nn_ast *at)
{
    if (v->kind != NN_V_model)
        nn_fail(t, at->loc,
                "'%s' is a part of the model; only a model of the same module can take its place",
                nn_sym(t, p->name));
    for (int i = 0; i < 3; i++) {
        nn_v old = nn_field(m->item[i], p->name);
        if (old)
            m = with_item(
                t, m, i, with_record_field(t, m->item[i], p->name, fitted(t, old, v->item[i], at)));
    }
    return m;
}

static nn_v with_models(nn_trace *t, nn_v r, int which, nn_v v, const nn_ast *at)
{
    nn_v *item = nnc_arena_copy(t->arena, r->item, r->n * sizeof *item);
    for (uint32_t i = 0; i < r->n; i++) {
        nn_v part = v->kind == NN_V_record && i < v->n ? v->item[i] : NULL;
        if (!part)
            nn_fail(t, at->loc, "the record on the right has other fields: %s", nn_type_text(t, v));
        if (item[i]->kind == NN_V_model)
            item[i] = with_item(t, item[i], which, fitted(t, item[i]->item[which], part, at));
        else if (item[i]->kind == NN_V_record)
            item[i] = with_models(t, item[i], which, part, at);
    }
    return nn_record(t, r->n, r->name, item);
}

nn_v nn_model_with_field(nn_trace *t, nn_v m, nnc_sym name, nn_v v, const nn_ast *at)
{
    int which = is(t, name, "params") ? 0 : is(t, name, "state") ? 1 : -1;
    if (m->kind == NN_V_record)
        return with_models(t, m, which, v, at);
    if (which >= 0)
        return with_item(t, m, which, fitted(t, m->item[which], v, at));
    const nn_instance *p = find_part(m, name);
    if (p)
        return with_part(t, m, p, v, at);
    for (int i = 0; i < 3; i++) {
        nn_v old = nn_field(m->item[i], name);
        if (old)
            return with_item(t, m, i,
                             with_record_field(t, m->item[i], name, fitted(t, old, v, at)));
    }
    return nn_model_field(t, m, name, at->loc); /* reports */
}

/* ---- builtins ---- */

nn_v nn_with_training(nn_trace *t, nn_v v, bool on)
{
    if (v->kind == NN_V_model) {
        nn_val *r = nnc_arena_copy(t->arena, v, sizeof *v);
        r->training = on;
        return r;
    }
    if (v->kind != NN_V_record)
        return v;
    nn_v *item = nnc_arena_array(t->arena, v->n, sizeof *item);
    for (uint32_t i = 0; i < v->n; i++)
        item[i] = nn_with_training(t, v->item[i], on);
    return nn_record(t, v->n, v->name, item);
}

static nn_v want_models(nn_trace *t, const nn_bcall *c)
{
    nn_v v = nn_argument(t, c, "net");
    if (v->kind != NN_V_model && !(v->kind == NN_V_record && holds_models(v)))
        nn_fail(t, c->at->loc, "%s(net) takes a model, this is %s", c->self->name,
                nn_type_text(t, v));
    return v;
}

nn_v nn_b_training(nn_trace *t, const nn_bcall *c)
{
    return nn_with_training(t, want_models(t, c), true);
}

nn_v nn_b_serving(nn_trace *t, const nn_bcall *c)
{
    return nn_with_training(t, want_models(t, c), false);
}

/* Union of two records of nested records. */
static nn_v merged(nn_trace *t, nn_v a, nn_v b)
{
    NNC_BUF(nnc_sym) name = {0};
    NNC_BUF(nn_v) item = {0};
    for (uint32_t i = 0; i < a->n; i++) {
        nn_v other = nn_field(b, a->name[i]);
        NNC_PUSH(t->arena, &name, a->name[i]);
        NNC_PUSH(t->arena, &item,
                 other && other->kind == NN_V_record ? merged(t, a->item[i], other) : a->item[i]);
    }
    for (uint32_t i = 0; i < b->n; i++)
        if (!nn_field(a, b->name[i])) {
            NNC_PUSH(t->arena, &name, b->name[i]);
            NNC_PUSH(t->arena, &item, b->item[i]);
        }
    return nn_record(t, name.n, name.at, item.at);
}

nn_v nn_b_freeze(nn_trace *t, const nn_bcall *c)
{
    nn_v m = want_models(t, c);
    if (m->kind != NN_V_model)
        nn_fail(t, c->at->loc, "freeze(net) takes one model, this is %s", nn_type_text(t, m));
    return with_item(t, with_item(t, m, 2, merged(t, m->item[0], m->item[2])), 0,
                     nn_empty_record(t));
}

nn_v nn_b_taps(nn_trace *t, const nn_bcall *c)
{
    if (!c->args->n || c->args->at[0].v->kind != NN_V_model)
        nn_fail(t, c->at->loc, "taps(net, x..) takes a model, this is %s",
                c->args->n ? nn_type_text(t, c->args->at[0].v) : "nothing");
    check_single(t, c->args->at[0].v, c->at);
    if (c->args->at[0].v->onnx)
        nn_fail(t, c->at->loc,
                "taps looks into modules; the names inside of an ONNX model are not kept");
    nn_instance *inst = instance_for(t, c->args->at[0].v);
    nn_args rest = {c->args->n - 1, c->args->at + 1};
    inst->want_taps = true;
    nn_run_instance(t, inst, &rest, c->at);
    return inst->taps ? inst->taps : nn_empty_record(t);
}

/* The float tensors among what a closure captured, by name; the parameters of a model. */
nn_v nn_captures(nn_trace *t, nn_v f)
{
    if (f->kind == NN_V_model)
        return f->item[0];
    NNC_BUF(nnc_sym) name = {0};
    NNC_BUF(nn_v) item = {0};
    for (uint32_t i = 0; f->kind == NN_V_closure && i < f->n; i++) {
        nn_leaves leaf = {0};
        nn_v v = nn_captured_part(t, f->item[i]);
        nn_collect(t, v, &leaf);
        bool floats = leaf.n > 0;
        for (uint32_t k = 0; k < leaf.n; k++)
            floats &= nnc_dtype_is_float(nn_dtype(t, leaf.at[k])) && !leaf.at[k]->weak;
        if (!floats)
            continue;
        NNC_PUSH(t->arena, &name, f->name[i]);
        NNC_PUSH(t->arena, &item, v);
    }
    return nn_record(t, name.n, name.at, item.at);
}

nn_v nn_captured_part(nn_trace *t, nn_v v)
{
    return v->kind == NN_V_model || v->kind == NN_V_closure || v->kind == NN_V_function ||
                   v->kind == NN_V_builtin
               ? nn_captures(t, v)
               : v;
}

nn_v nn_b_captures(nn_trace *t, const nn_bcall *c)
{
    return nn_captures(t, nn_argument(t, c, "f"));
}

/* Transforms of section 14 and the like. */
nn_v nn_b_not_yet(nn_trace *t, const nn_bcall *c)
{
    nn_fail(t, c->at->loc, "%s(..): not yet supported", c->self->name);
}
