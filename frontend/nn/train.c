/* train: a declared training procedure as the loop that it means.
 *
 * The loop is made as syntax, from the declaration's own expressions, and traced like any other; hidden names start with
 * '%', which no program can write.  Each step draws the next rows of a fresh permutation per epoch, from a stream of the
 * key that no mention shifts. */
#include "frontend/nn/train.h"
#include "frontend/nn/builtin.h"
#include "frontend/nn/model.h"
#include "frontend/nn/number.h"
#include <string.h>

/* ---- making syntax ---- */

static nn_ast *node(nn_trace *t, nn_kind kind, const nn_ast *at, uint32_t n, nn_ast *const *kid)
{
    nn_ast *e = nnc_arena_alloc(t->arena, sizeof *e);
    *e = (nn_ast){.kind = (uint8_t)kind,
                  .begin = at->begin,
                  .end = at->end,
                  .loc = at->loc,
                  .name_loc = at->loc,
                  .nkid = n,
                  .id = ++t->syntax.nnode};
    e->kid = nnc_arena_copy(t->arena, kid, n * sizeof *kid);
    return e;
}

static nn_ast *name(nn_trace *t, const char *s, const nn_ast *at)
{
    nn_ast *e = node(t, NN_name, at, 0, NULL);
    e->name = nn_name(t, s);
    return e;
}

static nn_ast *field(nn_trace *t, nn_ast *base, const char *s)
{
    nn_ast *e = node(t, NN_field, base, 1, &base);
    e->name = nn_name(t, s);
    return e;
}

static nn_ast *call(nn_trace *t, nn_ast *f, uint32_t n, nn_ast *const *args, const nn_ast *at)
{
    nn_ast *kid[8] = {f};
    for (uint32_t i = 0; i < n; i++)
        kid[i + 1] = args[i];
    return node(t, NN_call, at, n + 1, kid);
}

static nn_ast *bind(nn_trace *t, nn_ast *target, const nn_ast *value, const nn_ast *at)
{
    nn_ast *kid[3] = {target, node(t, NN_absent, at, 0, NULL), (nn_ast *)(uintptr_t)value};
    return node(t, NN_bind, at, 3, kid);
}

/* The loss with net!(..) for net(..); nodes keep their ids, so that keys mentioned keep their streams. */
static const nn_ast *with_bang(nn_trace *t, const nn_ast *e, nnc_sym net)
{
    nn_ast *c = nnc_arena_copy(t->arena, e, sizeof *e);
    if (nn_is(e, NN_call) && nn_is(nn_kid(e, 0), NN_name) && nn_kid(e, 0)->name.id == net.id)
        c->kind = NN_call_bang;
    nn_ast **kid = nnc_arena_array(t->arena, e->nkid, sizeof *kid);
    for (uint32_t i = 0; i < e->nkid; i++)
        kid[i] = (nn_ast *)(uintptr_t)with_bang(t, e->kid[i], net);
    c->kid = kid;
    return c;
}

nn_ast *nn_made_block(nn_trace *t, const nn_nodes *statements, const nn_ast *at)
{
    return node(t, NN_block, at, statements->n, statements->at);
}

nn_ast *nn_made_field(nn_trace *t, const char *base, const char *s, const nn_ast *at)
{
    return field(t, name(t, base, at), s);
}

/* ---- settings ---- */

static void read_settings(nn_trace *t, nn_training *r)
{
    static const char *const known[] = {"loss", "optimizer", "batch", "epochs", "steps"};
    const nn_ast **slot[] = {&r->loss, &r->optimizer, &r->batch, &r->epochs, &r->steps};
    for (uint32_t i = 0; i < r->block->nkid; i++) {
        const nn_ast *s = r->block->kid[i];
        if (nn_is(s, NN_every))
            continue;
        bool found = false;
        for (unsigned k = 0; k < 5 && nn_is(s, NN_bind) && nn_is(nn_kid(s, 0), NN_name); k++)
            if (!strcmp(nn_sym(t, nn_kid(s, 0)->name), known[k])) {
                *slot[k] = nn_kid(s, 2);
                found = true;
            }
        if (!found)
            nn_fail(t, s->loc,
                    "in 'train' stand the settings loss, optimizer, batch, epochs, steps, and "
                    "every blocks; "
                    "write anything else as a loop");
    }
    if (!r->loss || !r->optimizer)
        nn_fail(t, r->block->loc, "'train' needs the setting '%s'", r->loss ? "optimizer" : "loss");
    if (!r->epochs == !r->steps)
        nn_fail(t, r->block->loc, "'train' needs %s of 'epochs' and 'steps'",
                r->epochs ? "only one" : "one");
}

/* The number that a setting gives; `epochs = epochs` means the argument. */
static int64_t number(nn_trace *t, const nn_ast *e, const char *what)
{
    int64_t n = nn_ask_int(t, nn_expr(t, e), e, what);
    if (n < 1)
        nn_fail(t, e->loc, "%s is %lld, at least 1 is needed", what, (long long)n);
    return n;
}

static void read_set(nn_trace *t, nn_training *r)
{
    const nn_ast *e = nn_kid(r->d, 2);
    nn_leaves leaf = {0};
    r->set = nn_expr(t, e);
    nn_collect(t, r->set, &leaf);
    for (uint32_t i = 0; i < leaf.n; i++) {
        nnc_dim n = nn_rank(t, leaf.at[i]) ? nn_axis_size(t, leaf.at[i], 0) : 0;
        if (!nn_rank(t, leaf.at[i]) || (i && n != r->rows))
            nn_fail(t, e->loc, "the parts of a training set share their first axis, this is %s",
                    nn_type_text(t, r->set));
        r->rows = n;
    }
    if (!leaf.n)
        nn_fail(t, e->loc, "a training set is a tensor or a record of tensors, this is %s",
                nn_type_text(t, r->set));
}

static int64_t steps_of(nn_trace *t, nn_training *r)
{
    int64_t rows;
    if (r->batch)
        r->batch_size = number(t, r->batch, "the batch");
    if (r->steps)
        return number(t, r->steps, "the number of steps");
    int64_t epochs = number(t, r->epochs, "the number of epochs");
    if (!r->batch_size)
        return epochs;
    if (!nnc_dim_value(t->m->dims, r->rows, &rows))
        nn_fail(t, r->epochs->loc,
                "the set has no size known at compile time, so 'steps' must be given");
    return epochs * (rows / r->batch_size ? rows / r->batch_size : 1);
}

static void find_names(nn_trace *t, nn_training *r)
{
    const nn_ast *params = nn_kid(r->d, 1);
    if (!params->nkid)
        nn_fail(t, r->d->loc,
                "'train' declares a function from a model, so its first argument is the model");
    r->net = params->kid[0]->name;
    for (uint32_t i = 1; i < params->nkid && !r->key.id; i++) {
        nn_slot *s = nn_lookup(t, params->kid[i]->name);
        if (s && s->val->kind == NN_V_tensor && s->val->is_key && nn_rank(t, s->val) == 0)
            r->key = s->name;
    }
}

/* ---- rows of a step: %rows(step) ---- */

static nn_v take_leaf(nn_trace *t, nn_v x, void *user)
{
    nn_v i = *(nn_v *)user;
    nnc_value v = nnc_g_gather(&t->b, x->ssa, i->ssa, 0, 0);
    return nn_like(t, x, v);
}

/* Builtin of the loop: what the hidden names hold decides. */
nn_v nn_b_train_rows(nn_trace *t, const nn_bcall *c)
{
    nn_v set = nn_lookup(t, nn_name(t, "%set"))->val,
         order = nn_lookup(t, nn_name(t, "%order"))->val;
    int64_t batch = nn_ask_int(t, nn_lookup(t, nn_name(t, "%batch"))->val, c->at, "the batch");
    nn_v pass = nn_binary(t, NN_OP_mul, c->args->at[0].v, nn_int(t, batch), c->at);
    nnc_value start = nnc_g_cast(&t->b, pass->ssa, NNC_DT_i64);
    nnc_value first = nnc_g_reshape(&t->b, start, 1, (nnc_dim[]){1});
    nn_v i = nn_tensor(t, nnc_g_dynamic_slice(&t->b, order->ssa, first, (nnc_dim[]){batch}));
    return nn_map(t, set, take_leaf, &i);
}

nn_v nn_b_train_order(nn_trace *t, const nn_bcall *c)
{
    nn_v key = nn_lookup(t, nn_name(t, "%key"))->val, rows = nn_lookup(t, nn_name(t, "%size"))->val;
    nnc_value epoch = nnc_g_cast(&t->b, c->args->at[0].v->ssa, NNC_DT_i64);
    nnc_value k = nnc_g_fold_key(&t->b, key->ssa, 0, 1, &epoch);
    return nn_tensor(t, nnc_g_cast(&t->b, nnc_g_permutation(&t->b, k, rows->dim), NNC_DT_i32));
}

/* ---- the loop ---- */

static nn_ast *int_node(nn_trace *t, int64_t v, const nn_ast *at)
{
    nn_ast *e = node(t, NN_int_, at, 0, NULL);
    e->value = v;
    e->number = (double)v;
    return e;
}

static nn_ast *binary(nn_trace *t, nn_operator op, nn_ast *a, nn_ast *b)
{
    nn_ast *kid[2] = {a, b}, *e = node(t, NN_binary, a, 2, kid);
    e->op = (uint8_t)op;
    e->parens = true;
    return e;
}

/* var order is drawn anew when an epoch begins; rows = the next of it. */
static void draw_rows(nn_trace *t, const nn_training *r, nn_nodes *out, int64_t per_epoch)
{
    const nn_ast *at = nn_kid(r->d, 2);
    nn_ast *n = int_node(t, per_epoch, at), *pass = binary(t, NN_OP_mod, name(t, "step", at), n);
    nn_ast *epoch = binary(t, NN_OP_floordiv, name(t, "step", at), int_node(t, per_epoch, at));
    nn_ast *again =
        bind(t, name(t, "%order", at), call(t, name(t, "%train_order", at), 1, &epoch, at), at);
    nn_ast *kid[3] = {binary(t, NN_OP_eq, pass, int_node(t, 0, at)),
                      node(t, NN_block, at, 1, &again), node(t, NN_absent, at, 0, NULL)};
    NNC_PUSH(t->arena, out, node(t, NN_if_, at, 3, kid));
    nn_ast *pass2 = binary(t, NN_OP_mod, name(t, "step", at), int_node(t, per_epoch, at));
    NNC_PUSH(t->arena, out,
             bind(t, name(t, "rows", at), call(t, name(t, "%train_rows", at), 1, &pass2, at), at));
}

void nn_training_step(nn_trace *t, const nn_training *r, nn_nodes *out)
{
    const nn_ast *at = r->loss, *opt = r->optimizer;
    if (r->set->kind == NN_V_record)
        for (uint32_t i = 0; i < r->set->n; i++)
            if (r->set->name[i].id)
                NNC_PUSH(t->arena, out,
                         bind(t, name(t, nn_sym(t, r->set->name[i]), at),
                              field(t, name(t, "rows", at), nn_sym(t, r->set->name[i])), at));
    NNC_PUSH(
        t->arena, out,
        bind(t, name(t, "%loss", at), r->stateful ? with_bang(t, r->loss, r->net) : r->loss, at));
    const char *net = nn_sym(t, r->net);
    nn_ast *by[2] = {name(t, "%loss", at), field(t, name(t, net, at), "params")};
    nn_ast *args[3] = {field(t, name(t, net, opt), "params"),
                       call(t, name(t, "grad", at), 2, by, at), name(t, "%s", opt)};
    nn_ast *both[2] = {field(t, name(t, net, opt), "params"), name(t, "%s", opt)};
    NNC_PUSH(t->arena, out,
             bind(t, node(t, NN_tuple, opt, 2, both),
                  call(t, field(t, name(t, "%opt", opt), "step"), 3, args, opt), opt));
}

/* every n { .. }: after steps n, 2 n, ..; `loss` is the step's. */
static void every_statements(nn_trace *t, const nn_training *r, nn_nodes *out)
{
    for (uint32_t i = 0; i < r->block->nkid; i++) {
        const nn_ast *s = r->block->kid[i];
        if (!nn_is(s, NN_every))
            continue;
        nn_ast *next = binary(t, NN_OP_add, name(t, "step", s), int_node(t, 1, s));
        nn_ast *due =
            binary(t, NN_OP_eq, binary(t, NN_OP_mod, next, nn_kid(s, 0)), int_node(t, 0, s));
        const nn_ast *body = nn_kid(s, 1);
        nn_ast **kid = nnc_arena_array(t->arena, body->nkid + 1u, sizeof *kid);
        kid[0] = bind(t, name(t, "loss", s), name(t, "%loss", s), s);
        for (uint32_t k = 0; k < body->nkid; k++)
            kid[k + 1] = body->kid[k];
        nn_ast *parts[3] = {due, node(t, NN_block, s, body->nkid + 1, kid),
                            node(t, NN_absent, s, 0, NULL)};
        NNC_PUSH(t->arena, out, node(t, NN_if_, s, 3, parts));
    }
}

static const nn_ast *loop_of(nn_trace *t, const nn_training *r, int64_t per_epoch)
{
    const nn_ast *at = r->d;
    nn_nodes body = {0};
    if (r->batch_size)
        draw_rows(t, r, &body, per_epoch);
    else
        NNC_PUSH(t->arena, &body, bind(t, name(t, "rows", at), name(t, "%set", at), at));
    nn_training_step(t, r, &body);
    every_statements(t, r, &body);
    nn_ast *ends[3] = {int_node(t, 0, at), name(t, "steps", at), node(t, NN_absent, at, 0, NULL)};
    nn_ast *in[2] = {name(t, "step", at), node(t, NN_range, at, 3, ends)};
    nn_ast *head = node(t, NN_in, at, 2, in);
    nn_ast *kid[3] = {node(t, NN_heads, at, 1, &head), node(t, NN_absent, at, 0, NULL),
                      node(t, NN_block, at, body.n, body.at)};
    return node(t, NN_for_, at, 3, kid);
}

static void hide(nn_trace *t, const char *s, nn_v v, const nn_ast *at, bool variable)
{
    nn_bind(t, nn_name(t, s), v, at)->is_var = variable;
}

int64_t nn_training_begin(nn_trace *t, nn_training *r)
{
    find_names(t, r);
    read_settings(t, r);
    read_set(t, r);
    int64_t steps = steps_of(t, r);
    nn_v old = nn_lookup(t, r->net)->val;
    if (old->kind != NN_V_model && old->kind != NN_V_record)
        nn_fail(t, t->frame->call ? t->frame->call->loc : r->d->loc,
                "training takes a model, this is %s", nn_type_text(t, old));
    hide(t, nn_sym(t, r->net), nn_with_training(t, old, true), nn_kid(r->d, 1)->kid[0], true);
    nn_bind(t, nn_name(t, "steps"), nn_int(t, steps), r->d);
    hide(t, "%opt", nn_expr(t, r->optimizer), r->optimizer, false);
    nn_slot *now = nn_lookup(t, r->net);
    nn_v params = nn_field_of(t, now->val, nn_name(t, "params"), r->d->loc);
    nn_v init = nn_field_of(t, nn_lookup(t, nn_name(t, "%opt"))->val, nn_name(t, "init"),
                            r->optimizer->loc);
    hide(t, "%s", nn_call1(t, init, params, r->optimizer), r->optimizer, true);
    nn_leaves cells = {0};
    nn_collect(t, nn_field_of(t, now->val, nn_name(t, "state"), r->d->loc), &cells);
    r->stateful = cells.n > 0;
    return steps;
}

/* Names for the rows of each step; how many steps an epoch has. */
static int64_t begin_batches(nn_trace *t, const nn_training *r)
{
    int64_t rows = 0;
    if (!r->key.id)
        nn_fail(t, r->batch->loc,
                "batches are drawn by a key; give 'train' one: train fit(net, k: key) on ..");
    if (!nnc_dim_value(t->m->dims, r->rows, &rows) || rows < r->batch_size)
        nn_fail(t, r->batch->loc, "a batch of %lld does not fit into a set of %s rows",
                (long long)r->batch_size, nnc_dim_text(t->m->dims, r->rows));
    hide(t, "%key", nn_lookup(t, r->key)->val, r->d, false);
    hide(t, "%size", nn_int(t, rows), r->d, false);
    hide(t, "%batch", nn_int(t, r->batch_size), r->d, false);
    hide(t, "%order", nn_tensor(t, nnc_g_iota(&t->b, NNC_DT_i32, 1, (nnc_dim[]){rows}, 0)), r->d,
         true);
    return rows / r->batch_size;
}

static nn_v run(nn_trace *t, void *user)
{
    nn_training *r = user;
    nn_training_begin(t, r);
    hide(t, "%set", r->set, r->d, false);
    int64_t per_epoch = r->batch_size ? begin_batches(t, r) : 1;
    t->frame->effects = true;
    nn_for(t, loop_of(t, r, per_epoch), NULL);
    t->frame->effects = false;
    return nn_with_training(t, nn_lookup(t, r->net)->val, false);
}

nn_v nn_training_call(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at,
                      nn_v (*body)(nn_trace *t, void *r), nn_training *r)
{
    const nn_ast *d = f->decl->node;
    *r = (nn_training){.d = d, .block = nn_kid(d, 3)};
    nn_frame frame = {.unit = f->decl->unit, .decl = (nn_decl *)f->decl};
    nn_code code = {.name = nn_sym(t, f->decl->name),
                    .statics = nn_kid(d, 0),
                    .params = nn_kid(d, 1),
                    .body = nn_kid(d, 3),
                    .bound = f->bound,
                    .run = body,
                    .user = r};
    return nn_bind_and_run(t, &frame, &code, args, at);
}

nn_v nn_call_train(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at)
{
    nn_training r;
    return nn_training_call(t, f, args, at, run, &r);
}

void nn_every(nn_trace *t, const nn_ast *s)
{
    nn_fail(t, s->loc, "'every' belongs into 'train'; in a loop, write 'if step %% n == 0 { .. }'");
}
