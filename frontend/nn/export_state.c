/* Models in `data` whose state an exported function keeps: what it calls as `m!(x)` begins with the model's own state and
 * goes on from run to run in the caller's memory.
 *
 * Which models those are is read off the text, since arguments of the root come before its data.  In the body the name is a
 * variable that holds the model with its state as arguments; so loops and branches carry it like any other, and a mention
 * before the call sees the caller's state too. */
#include "frontend/nn/call.h"
#include "frontend/nn/export_fn.h"
#include "frontend/nn/expr.h"
#include "ir/eval.h"

/* Also -0, which `0 * p` leaves: no table for fresh moments. */
static bool is_zero(const nnc_tensor *x)
{
    size_t size = nnc_dtype_bytes(x->dtype);
    bool real = nnc_dtype_is_float(x->dtype);
    for (int64_t i = 0; i < nnc_tensor_count(x); i++) {
        nnc_num v = nnc_num_load(x->dtype, (const char *)x->data + (size_t)i * size);
        if (real ? v.f != 0 : v.i != 0)
            return false;
    }
    return true;
}

nnc_value nn_export_first(nn_trace *t, nnc_builder *b, nn_v x)
{
    if (!x->host)
        return nnc_value_get(t->m, x->ssa)->bits ? x->ssa : (nnc_value){0};
    if (is_zero(&x->host->t))
        return (nnc_value){0};
    return nnc_g_const(b, nn_leaf_type(t, x),
                       nnc_blob_new(t->m, x->host->t.data, nnc_tensor_bytes(&x->host->t), b->loc),
                       0);
}

/* ---- which models ---- */

/* Does the text bind this name anew, so that it is no longer the data's? */
static bool binds(const nn_ast *text, nnc_sym name)
{
    const nn_ast *target = text->nkid ? text->kid[0] : NULL;
    if ((nn_is(text, NN_bind) && nn_is(target, NN_name) && target->name.id == name.id) ||
        (nn_is(text, NN_var) && text->name.id == name.id))
        return true;
    for (uint32_t i = 0; i < text->nkid; i++)
        if (binds(text->kid[i], name))
            return true;
    return false;
}

/* A leaf of the state, known now; walked over later, a tree would take it into the present graph. */
static nn_v note_first(nn_trace *t, nn_v x, void *kept)
{
    nn_kept *k = kept;
    x = nn_freeze_value(t, x, k->decl->node, "the state that a model begins with");
    NNC_PUSH(t->arena, &k->first, x);
    return x;
}

static void note_model(nn_trace *t, nn_exporting *x, const nn_ast *root)
{
    nn_decl *d = nn_find_decl(t, x->d->unit, root->name, NULL);
    if (!d || !nn_is(d->node, NN_data) || nn_has_param(x->d->node, root->name) ||
        binds(nn_kid(x->d->node, 3), root->name))
        return;
    for (uint32_t i = 0; i < x->kept.n; i++)
        if (x->kept.at[i].decl == d)
            return;
    nn_v model = nn_decl_value(t, d, root), state = nn_model_state(t, model, root);
    if (!state || (model->kind == NN_V_model && !state->n))
        return; /* '!' itself says what is wrong; without state it is a plain call */
    nn_kept k = {.decl = d, .name = root->name};
    k.state = nn_map(t, state, note_first, &k);
    NNC_PUSH(t->arena, &x->kept, k);
}

static void find_models(nn_trace *t, nn_exporting *x, const nn_ast *text)
{
    const nn_ast *root = nn_is(text, NN_call_bang) ? nn_path_root(nn_kid(text, 0)) : NULL;
    if (root)
        note_model(t, x, root);
    for (uint32_t i = 0; i < text->nkid; i++)
        find_models(t, x, text->kid[i]);
}

void nn_export_find_state(nn_trace *t, nn_exporting *x)
{
    find_models(t, x, nn_kid(x->d->node, 3));
}

void nn_export_add_state(nn_trace *t, nn_exporting *x)
{
    for (uint32_t i = 0; i < x->kept.n; i++) {
        nn_kept *k = &x->kept.at[i];
        k->state = nn_export_tree(t, x, nn_sym(t, k->name), k->state);
    }
}

/* ---- the body ---- */

static nn_v run_body(nn_trace *t, void *user)
{
    nn_exporting *x = user;
    const nn_ast *body = nn_kid(x->d->node, 3);
    for (uint32_t i = 0; i < x->kept.n; i++) {
        nn_kept *k = &x->kept.at[i];
        nn_v model = nn_decl_value(t, k->decl, x->d->node);
        model = nn_model_with_field(t, model, nn_name(t, "state"), k->state, x->d->node);
        k->slot = nn_bind(t, k->name, model, NULL);
        k->slot->is_var = true;
        k->slot->where = k->decl->node->name_loc;
    }
    return nn_body(t, body);
}

nn_v nn_export_run(nn_trace *t, nn_exporting *x, const nn_args *args)
{
    const nn_ast *d = x->d->node;
    nn_frame frame = {.unit = x->d->unit, .decl = x->d, .float_dt = t->law_dtype};
    nn_code code = {.name = nn_sym(t, x->d->name),
                    .statics = nn_kid(d, 0),
                    .params = nn_kid(d, 1),
                    .result = nn_kid_or_null(d, 2),
                    .body = nn_kid(d, 3),
                    .run = run_body,
                    .user = x};
    return nn_bind_and_run(t, &frame, &code, args, d);
}

void nn_export_yield_state(nn_trace *t, nn_exporting *x, nn_leaves *out, const char **names)
{
    nnc_builder top = nnc_builder_before(t->m, t->first_op);
    for (uint32_t i = 0; i < x->kept.n; i++) {
        const nn_kept *k = &x->kept.at[i];
        nn_leaves arg = {0}, now = {0};
        nn_collect(t, k->state, &arg);
        nn_collect(t, nn_model_state(t, k->slot->val, x->d->node), &now);
        for (uint32_t n = 0; n < arg.n; n++) {
            const char *name = nnc_value_name(t->m, arg.at[n]->ssa);
            nnc_g_state(&top, arg.at[n]->ssa, nn_export_first(t, &top, k->first.at[n]), out->n);
            *names = nn_add_line(t, *names, nnc_arena_printf(t->arena, "%s_out", name));
            NNC_PUSH(t->arena, out, now.at[n]);
        }
    }
}
