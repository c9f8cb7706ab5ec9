/* An exported `train`: one step of it as a graph, with the state that goes from step to step as arguments that are also
 * results.
 *
 * Twice traced: first in a graph that is thrown away, which tells the fresh state (parameters, state of the model, of the
 * optimiser) in host form; then with an argument for each leaf of that and for each part of the rows.  As in a loop, a
 * number without a dtype may turn out to need one; then both are done again. */
#include "frontend/nn/export_fn.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/flow.h"
#include "frontend/nn/gradient.h"
#include "frontend/nn/number.h"
#include "frontend/nn/train.h"
#include <string.h>

enum { MOST_TRACES = 6 };

typedef struct step {
    nn_training r; /* first: nn_training_call hands out its address */
    nn_exporting x;
    nn_v params, state, opt;  /* of the model, of the optimiser: fresh, in host form */
    nn_v set;                 /* of which types count */
    NNC_BUF(nnc_dtype) dtype; /* per leaf of the state: what a weak one turned out to be */
    nn_leaves first, now;     /* per leaf: fresh, in host form; as an argument */
    nn_leaves part;           /* per leaf of the set: its rows of a step, as an argument */
    NNC_BUF(nnc_type) part_type;
    nnc_value loss;
    nnc_value *next; /* per leaf of the state; none for a counter that nobody reads */
    bool again;
} step;

/* Arguments with a type are the caller's; the others keep their defaults. */
static nn_args typed_arguments(nn_trace *t, step *s)
{
    const nn_ast *params = nn_kid(s->x.d->node, 1);
    nn_arg *a = nnc_arena_array(t->arena, params->nkid + 1u, sizeof *a);
    uint32_t n = 0;
    for (uint32_t i = 0; i < params->nkid; i++) {
        const nn_ast *p = params->kid[i], *type = nn_kid_or_null(p, 0);
        const char *name = nn_sym(t, p->name);
        if (i == 0 && !nn_kid_or_null(p, 1))
            nn_fail(t, p->loc,
                    "an exported training begins with a model of its own: write '%s = trained', "
                    "where 'trained' is 'data'",
                    name);
        if (nn_kid_or_null(p, 1))
            continue;
        if (!type)
            nn_fail(t, p->loc,
                    "the arguments of an exported training have a type or a default; write '%s: "
                    "f32[..]' or '%s = 1'",
                    name, name);
        a[n++] = (nn_arg){p->name, nn_export_argument(t, &s->x, name, type), p};
    }
    return (nn_args){n, a};
}

static void run_in_root(nn_trace *t, step *s, nn_v (*body)(nn_trace *t, void *s))
{
    nn_decl *d = s->x.d;
    nn_val f = {.kind = NN_V_function, .decl = d, .unit = d->unit};
    nn_args args = typed_arguments(t, s);
    t->first_input = s->x.n;
    nn_training_call(t, nnc_arena_copy(t->arena, &f, sizeof f), &args, nn_kid(d->node, 1)->kid[0],
                     body, &s->r);
}

/* ---- the fresh state ---- */

static nn_v part_of(nn_trace *t, nn_v v, const char *field)
{
    return nn_field_of(t, v, nn_name(t, field), t->b.loc);
}

/* Notes a leaf of the state, known now. */
static nn_v settle_leaf(nn_trace *t, nn_v x, void *user)
{
    step *s = user;
    uint32_t k = s->first.n;
    if (k < s->dtype.n && s->dtype.at[k] && x->weak)
        x = nn_convert(t, x, s->dtype.at[k]);
    x = nn_freeze_value(t, x, nn_kid(s->r.d, 1)->kid[0], "the state that a training begins with");
    NNC_PUSH(t->arena, &s->first, x);
    return x;
}

/* The rows of a step lie in memory as the set's, with numbers without a dtype as i32 or float. */
static void find_rows(nn_trace *t, step *s)
{
    nn_leaves leaf = {0};
    s->set = s->r.set;
    s->part_type.n = 0;
    nn_collect(t, s->set, &leaf);
    for (uint32_t i = 0; i < leaf.n; i++) {
        nnc_type_rec r = *nnc_type_get(t->m, nn_leaf_type(t, leaf.at[i]));
        bool real = nnc_dtype_is_float((nnc_dtype)r.dtype);
        r.dim[0] = s->r.batch_size ? s->r.batch_size : s->r.rows;
        if (leaf.at[i]->weak)
            r.dtype = (uint8_t)(real ? nn_float_here(t) : NNC_DT_i32);
        NNC_PUSH(t->arena, &s->part_type, nnc_type_tensor(t->m, (nnc_dtype)r.dtype, r.rank, r.dim));
    }
}

static nn_v find_state(nn_trace *t, void *user)
{
    step *s = user;
    nn_training_begin(t, &s->r);
    s->first.n = 0;
    nn_v net = nn_lookup(t, s->r.net)->val;
    s->params = nn_map(t, part_of(t, net, "params"), settle_leaf, s);
    s->state = nn_map(t, part_of(t, net, "state"), settle_leaf, s);
    s->opt = nn_map(t, nn_lookup(t, nn_name(t, "%s"))->val, settle_leaf, s);
    nn_map(t, nn_int(t, 0), settle_leaf, s); /* step */
    while (s->dtype.n < s->first.n)
        NNC_PUSH(t->arena, &s->dtype, NNC_DT_none);
    find_rows(t, s);
    return nn_none();
}

/* ---- arguments ---- */

static void add_state(nn_trace *t, step *s)
{
    const char *net = nn_sym(t, nn_kid(s->x.d->node, 1)->kid[0]->name), *names = "";
    nn_export_names(t, s->params, net, "", &names);
    nn_export_names(t, s->state, net, "", &names);
    nn_export_names(t, s->opt, "optimizer", "", &names);
    names = nn_add_line(t, names, "step");
    s->now.n = 0;
    for (uint32_t k = 0; k < s->first.n; k++) {
        nn_v old = s->first.at[k];
        nnc_value v = nn_export_add(t, &s->x, nn_line_at(t, names, k), nn_leaf_type(t, old));
        NNC_PUSH(t->arena, &s->now, nn_with_labels(t, nn_like(t, old, v), old->label));
    }
}

static void add_rows(nn_trace *t, step *s)
{
    nn_leaves leaf = {0};
    const char *names = "";
    nn_collect(t, s->set, &leaf);
    nn_export_names(t, s->set, nn_is_tree(s->set) ? "" : "rows", s->x.names, &names);
    s->part.n = 0;
    for (uint32_t k = 0; k < leaf.n; k++) {
        nnc_value v = nn_export_add(t, &s->x, nn_line_at(t, names, k), s->part_type.at[k]);
        NNC_PUSH(t->arena, &s->part, leaf.at[k]->is_key ? nn_key_value(t, v) : nn_tensor(t, v));
    }
}

/* ---- the step ---- */

static void begin_step(nn_trace *t, step *s)
{
    const nn_ast *at = s->r.d;
    const char *net = nn_sym(t, s->r.net);
    const nn_v *next = s->now.at;
    nn_v params = nn_rebuild(t, s->params, &next);
    nn_v state = nn_rebuild(t, s->state, &next);
    nn_assign(t, nn_made_field(t, net, "params", at), NN_OP_none, params);
    if (s->r.stateful)
        nn_assign(t, nn_made_field(t, net, "state", at), NN_OP_none, state);
    nn_set_slot(t, nn_lookup(t, nn_name(t, "%s")), nn_rebuild(t, s->opt, &next), at);
}

static void end_step(nn_trace *t, step *s)
{
    nn_leaves now = {0};
    nn_v net = nn_lookup(t, s->r.net)->val, count = s->now.at[s->now.n - 1];
    s->loss = nn_settle(t, nn_as_tensor(t, nn_lookup(t, nn_name(t, "%loss"))->val, s->r.loss))->ssa;
    nn_collect(t, part_of(t, net, "params"), &now);
    nn_collect(t, part_of(t, net, "state"), &now);
    nn_collect(t, nn_lookup(t, nn_name(t, "%s"))->val, &now);
    s->next = nnc_arena_array(t->arena, s->now.n, sizeof *s->next);
    if (now.n + 1 != s->now.n)
        nn_fail(t, s->r.optimizer->loc, "the optimiser's step changes what its state consists of");
    if (nnc_value_nuse(t->m, count->ssa))
        NNC_PUSH(t->arena, &now, nn_binary(t, NN_OP_add, count, nn_int(t, 1), s->r.d));
    for (uint32_t k = 0; k < now.n; k++) {
        if (!nn_carry_leaf(t, s->now.at[k], now.at[k], &s->dtype.at[k], &s->next[k]))
            s->again = true;
        else if (nnc_value_type(t->m, s->next[k]).id != nn_leaf_type(t, s->now.at[k]).id)
            nn_fail(t, s->r.optimizer->loc, "a step makes %s of %s", nn_type_text(t, now.at[k]),
                    nn_type_text(t, s->now.at[k]));
    }
}

static nn_v run_step(nn_trace *t, void *user)
{
    step *s = user;
    nn_nodes text = {0};
    const nn_v *rows = s->part.at;
    nn_training_begin(t, &s->r);
    begin_step(t, s);
    nn_env_push(t, NN_ENV_block);
    nn_push_turn(t, s->now.at[s->now.n - 1]);
    nn_bind(t, nn_name(t, "step"), s->now.at[s->now.n - 1], s->r.d);
    nn_bind(t, nn_name(t, "rows"), nn_rebuild(t, s->set, &rows), s->r.d);
    nn_training_step(t, &s->r, &text);
    nn_block_value(t, nn_made_block(t, &text, s->r.d));
    end_step(t, s);
    nn_env_pop(t);
    return nn_none();
}

/* ---- the root ---- */

/* Arguments that nothing reads (the set that rows come from, the key of the order, columns) leave the signature. */
static const char *drop_unused(nn_trace *t, step *s)
{
    nnc_block body = nnc_op_region(t->m, t->root, 0);
    const char *names = "";
    for (uint32_t i = 0, at = 0; i < s->x.n; i++) {
        if (nnc_value_nuse(t->m, nnc_block_arg(t->m, body, at)) == 0) {
            nnc_block_erase_arg(t->m, body, at);
            continue;
        }
        names = nn_add_line(t, names, nn_line_at(t, s->x.names, i));
        at++;
    }
    return names;
}

static void yield_step(nn_trace *t, step *s)
{
    nn_leaves out = {0};
    nnc_builder top = nnc_builder_before(t->m, t->first_op);
    const char *names = "loss";
    t->b.pos = (nnc_pos){nnc_op_region(t->m, t->root, 0), {0}};
    NNC_PUSH(t->arena, &out, nn_tensor(t, s->loss));
    for (uint32_t k = 0; k < s->now.n && s->next[k].id; k++) {
        nnc_value arg = s->now.at[k]->ssa;
        nnc_g_state(&top, arg, nn_export_first(t, &top, s->first.at[k]), out.n);
        names =
            nn_add_line(t, names, nnc_arena_printf(t->arena, "%s_out", nnc_value_name(t->m, arg)));
        NNC_PUSH(t->arena, &out, nn_tensor(t, s->next[k]));
    }
    nn_root_end(t, out.n, out.at);
    nn_export_close_data(t, s->x.n);
    nnc_attr_set_int(t->m, t->root, NNC_W_entry, 1);
    nnc_attr_set_str(t->m, t->root, NNC_W_name, "step");
    nnc_attr_set_str(t->m, t->root, NNC_W_input, drop_unused(t, s));
    nnc_attr_set_str(t->m, t->root, NNC_W_output, names);
}

static void again(nn_trace *t, step *s)
{
    nnc_op_erase(t->m, t->root);
    nn_root_begin(t, nn_sym(t, s->x.d->name), s->x.d->node->loc);
    s->x = (nn_exporting){.d = s->x.d, .names = ""};
}

void nn_export_step(nn_trace *t, nn_decl *d)
{
    step s = {.x = {.d = d, .names = ""}};
    for (unsigned i = 0; i < MOST_TRACES; i++) {
        t->no_variables = true;
        run_in_root(t, &s, find_state);
        t->no_variables = false;
        again(t, &s);
        add_rows(t, &s);
        add_state(t, &s);
        s.again = false;
        run_in_root(t, &s, run_step);
        if (!s.again) {
            yield_step(t, &s);
            return;
        }
        again(t, &s);
    }
    nn_fail(t, d->node->loc, "the state of this training finds no dtype; write dtypes out");
}
