/* Effects: host ops and their descriptors. */
#include "frontend/nn/table.h"
#include "frontend/nn/builtin.h"
#include "frontend/nn/data/dtype.h"
#include "frontend/nn/expr.h"
#include "ir/extract.h"
#include <string.h>

/* ---- operands ---- */

nnp_dtype nn_host_dtype(nn_trace *t, nn_v x)
{
    return nn_host_dtype_of(nn_dtype(t, x));
}

int nn_operand(nn_trace *t, nn_operands *o, nn_v x)
{
    for (uint32_t i = 0; i < o->value.n; i++)
        if (o->value.at[i].id == x->ssa.id)
            return (int)i;
    NNC_PUSH(t->arena, &o->value, x->ssa);
    return (int)o->value.n - 1;
}

/* ---- labels ---- */

static const char *label_text(nn_trace *t, nn_v v)
{
    if (v->kind == NN_V_text)
        return v->text;
    if (v->kind == NN_V_blueprint || v->kind == NN_V_function || v->kind == NN_V_model)
        return v->decl ? nn_sym(t, v->decl->name) : "";
    if (v->kind == NN_V_dtype)
        return nnc_dtype_infos[v->dtype].name;
    if (!nn_can_be_tensor(v))
        return NULL;
    static const nn_ast nowhere = {.kind = NN_absent};
    return nn_known(t, v) ? nn_value_text(t, v, "", &nowhere) : NULL;
}

nnp_axis nn_label_axis(nn_trace *t, const nn_label *l, nnc_dim size)
{
    nnp_axis a = {.at = NNP_NONE, .count = (int)nnc_dim_hi(t->m->dims, size)};
    if (!l)
        return a;
    a.name = nn_sym(t, l->name);
    if (!l->value)
        return a;
    const char **text = nnc_arena_array(t->arena, l->n, sizeof *text);
    for (uint32_t i = 0; i < l->n; i++) {
        text[i] = label_text(t, l->value[i]);
        if (!text[i])
            return a;
    }
    a.count = (int)l->n;
    a.text = text;
    return a;
}

const nnp_axis *nn_host_axes(nn_trace *t, nn_v x)
{
    if (!x->label)
        return NULL;
    int rank = nn_rank(t, x);
    nnp_axis *axis = nnc_arena_array(t->arena, (size_t)rank, sizeof *axis);
    for (int i = 0; i < rank; i++)
        axis[i] = nn_label_axis(t, x->label[i], nn_axis_size(t, x, i));
    return axis;
}

/* Texts travel as indices into their table. */
static nnp_value text_operand(nn_trace *t, nn_operands *o, nn_v x)
{
    nnc_sym one = x->kind == NN_V_text ? nn_name(t, x->text) : (nnc_sym){0};
    nn_strings single = {.rank = 0, .at = &one};
    const nn_strings *s = x->kind == NN_V_text ? &single : x->strings;
    int64_t n = 1;
    nnc_dim dim[NNC_MAX_RANK];
    for (int i = 0; i < s->rank; i++) {
        n *= s->dim[i];
        dim[i] = s->dim[i];
    }
    int32_t *index = nnc_arena_array(t->arena, (size_t)n + 1, sizeof *index);
    const char **text = nnc_arena_array(t->arena, (size_t)n + 1, sizeof *text);
    for (int64_t i = 0; i < n; i++) {
        index[i] = (int32_t)i;
        text[i] = nn_sym(t, s->at[i]);
    }
    nn_v v = nn_tensor(t, nnc_g_const_data(&t->b, NNC_DT_i32, s->rank, dim, index));
    return (nnp_value){.at = nn_operand(t, o, v),
                       .dtype = NNP_STR,
                       .rank = s->rank,
                       .strings = text,
                       .nstring = (int)n};
}

nnp_value nn_host_operand(nn_trace *t, nn_operands *o, nn_v x, const nn_ast *at)
{
    if (x->kind == NN_V_text || x->kind == NN_V_strings)
        return text_operand(t, o, x);
    x = nn_as_tensor(t, x, at);
    if (x->is_key)
        nn_fail(t, at->loc, "a key cannot be shown or stored");
    return (nnp_value){.at = nn_operand(t, o, x),
                       .dtype = nn_host_dtype(t, x),
                       .rank = nn_rank(t, x),
                       .axis = nn_host_axes(t, x)};
}

void nn_host_items(nn_trace *t, nn_operands *o, const char *name, nn_v v, const nn_ast *at,
                   nn_items *out)
{
    if (v->kind == NN_V_model) {
        nn_host_items(t, o, name, v->item[0], at, out); /* parameters, then state */
        nn_host_items(t, o, name, v->item[1], at, out);
        return;
    }
    if (v->kind != NN_V_record && !(v->kind == NN_V_list && !v->numeric)) {
        NNC_PUSH(t->arena, out, (nnp_item){name, nn_host_operand(t, o, v, at)});
        return;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        const char *f =
            v->name && v->name[i].id ? nn_sym(t, v->name[i]) : nnc_arena_printf(t->arena, "%u", i);
        nn_host_items(t, o, *name ? nnc_arena_printf(t->arena, "%s.%s", name, f) : f, v->item[i],
                      at, out);
    }
}

/* ---- the op ---- */

static const char *place(nn_trace *t, const nn_ast *at)
{
    return nnc_loc_text_of(t->diag, at->loc);
}

nnc_op nn_emit_host(nn_trace *t, nnp_kind kind, const void *detail, const nn_operands *o,
                    unsigned nout, const nnc_type *out, const nn_ast *at)
{
    if (!t->program || t->standins)
        return (nnc_op){0};
    NNC_PUSH(t->arena, &t->program->host, (nnp_host_op){kind, place(t, at), detail});
    nnc_op op = nnc_build_op(&t->b, NNC_OP_host, o->value.n, o->value.at, nout, out);
    nnc_attr_rec id = {
        .key = nn_name(t, "id"), .kind = NNC_ATTR_int, .u = {.i = t->program->host.n - 1}};
    nnc_attr_set(t->m, op, id);
    return op;
}

/* ---- graphs on the side ---- */

nn_side_graph nn_side_begin(nn_trace *t, const char *name, nnc_loc loc)
{
    nn_side_graph g = {.pos = t->b.pos};
    nnc_builder keep = t->b;
    g.graph = nnc_build_func(t->m, NNC_OP_graph, name, false, loc);
    t->b = keep;
    t->b.pos = (nnc_pos){nnc_op_region(t->m, g.graph, 0), {0}};
    return g;
}

void nn_side_end(nn_trace *t, nn_side_graph *g, unsigned n, const nnc_value *result)
{
    nnc_build_yield(&t->b, n, result);
    t->b.pos = g->pos;
    g->narg = nnc_block_narg(t->m, nnc_op_region(t->m, g->graph, 0));
    nnc_captures c = {0};
    if (nnc_graph_capture(t->m, g->graph, &c) != NNC_OK)
        nn_fail_silently(t);
    g->captured = c.value;
    g->ncaptured = c.n;
    if (t->program) {
        g->number = (int)t->program->graph.n;
        NNC_PUSH(t->arena, &t->program->graph, g->graph);
    }
}

void nn_side_captures(nn_trace *t, const nn_side_graph *g, nn_operands *o, nn_inputs *in)
{
    for (unsigned i = 0; i < g->ncaptured; i++) {
        int at = nn_operand(t, o, nn_tensor(t, g->captured[i]));
        NNC_PUSH(t->arena, in, (nnp_input){NNP_CAPTURE, at, NNP_NONE});
    }
}

/* ---- report, print, table, plot, save ---- */

static const char *want_title(nn_trace *t, const nn_bcall *c)
{
    if (!c->args->n || c->args->at[0].name.id || c->args->at[0].v->kind != NN_V_text)
        nn_fail(t, c->at->loc, "%s(..) starts with its title, a text", c->self->name);
    return c->args->at[0].v->text;
}

static bool is_named(nn_trace *t, const nn_arg *a, const char *name)
{
    return a->name.id && strcmp(nn_sym(t, a->name), name) == 0;
}

/* What an argument is called: `loss = l` by its name, `r.acc` by its field.  The fields of the only record are
 * columns by themselves. */
static const char *item_name(nn_trace *t, const nn_bcall *c, const nn_arg *a)
{
    uint32_t records = 0;
    if (a->name.id)
        return nn_sym(t, a->name);
    for (uint32_t i = 0; i < c->args->n; i++)
        records += !c->args->at[i].name.id && c->args->at[i].v->kind == NN_V_record;
    if (records == 1 && a->v->kind == NN_V_record)
        return "";
    const nn_ast *e = a->node;
    return nn_is(e, NN_name) || nn_is(e, NN_field) ? nn_sym(t, e->name) : "";
}

nn_v nn_b_report(nn_trace *t, const nn_bcall *c)
{
    nn_operands o = {0};
    nn_items items = {0};
    nnp_report *r = nnc_arena_alloc(t->arena, sizeof *r);
    *r = (nnp_report){.step = NNP_NONE, .steps = NNP_NONE, .samples = NNP_NONE};
    for (uint32_t i = 0; i < c->args->n; i++) {
        const nn_arg *a = &c->args->at[i];
        int *place_of = is_named(t, a, "step")      ? &r->step
                        : is_named(t, a, "steps")   ? &r->steps
                        : is_named(t, a, "samples") ? &r->samples
                                                    : NULL;
        if (place_of) {
            nn_v v = nn_settle(t, nn_as_tensor(t, a->v, a->node));
            *place_of = nn_operand(t, &o, v);
            *(place_of == &r->step    ? &r->step_dtype
              : place_of == &r->steps ? &r->steps_dtype
                                      : &r->samples_dtype) = nn_host_dtype(t, v);
        } else {
            nn_host_items(t, &o, item_name(t, c, a), a->v, a->node, &items);
        }
    }
    r->n = (int)items.n;
    r->item = items.at;
    nn_emit_host(t, NNP_REPORT, r, &o, 0, NULL, c->at);
    return nn_none();
}

nn_v nn_b_save(nn_trace *t, const nn_bcall *c)
{
    nn_operands o = {0};
    nn_items items = {0};
    nnp_save *s = nnc_arena_alloc(t->arena, sizeof *s);
    s->file = nn_ask_text(t, nn_argument(t, c, "file"), c->at, "the file's name");
    const char *dot = strrchr(s->file, '.');
    if (!dot || (strcmp(dot, ".npy") && strcmp(dot, ".npz") && strcmp(dot, ".safetensors")))
        nn_fail(t, c->at->loc, "save writes .npy, .npz and .safetensors, not '%s'", s->file);
    nn_host_items(t, &o, "", nn_argument(t, c, "value"), c->at, &items);
    s->n = (int)items.n;
    s->item = items.at;
    nn_emit_host(t, NNP_SAVE, s, &o, 0, NULL, c->at);
    return nn_none();
}

/* `rows = names`: labels of the first axis. */
static const nnp_axis *row_axis(nn_trace *t, nn_operands *o, const nn_arg *a)
{
    nnp_axis *axis = nnc_arena_alloc(t->arena, sizeof *axis);
    nn_v v = a->v;
    *axis = (nnp_axis){.at = NNP_NONE};
    if (v->kind == NN_V_list || v->kind == NN_V_strings) {
        uint32_t n = v->kind == NN_V_list ? v->n : (uint32_t)v->strings->dim[0];
        const char **text = nnc_arena_array(t->arena, n, sizeof *text);
        for (uint32_t i = 0; i < n; i++) {
            text[i] =
                v->kind == NN_V_list ? label_text(t, v->item[i]) : nn_sym(t, v->strings->at[i]);
            if (!text[i])
                nn_fail(t, a->node->loc, "the rows' names must be known, this is %s",
                        nn_type_text(t, v->item[i]));
        }
        axis->count = (int)n;
        axis->text = text;
        return axis;
    }
    nn_v x = nn_as_tensor(t, v, a->node);
    if (nn_rank(t, x) != 1)
        nn_fail(t, a->node->loc, "names of rows are a list, this is %s", nn_type_text(t, x));
    axis->count = (int)nnc_dim_hi(t->m->dims, nn_axis_size(t, x, 0));
    axis->at = nn_operand(t, o, x);
    axis->dtype = nn_host_dtype(t, x);
    return axis;
}

nn_v nn_b_table(nn_trace *t, const nn_bcall *c)
{
    nn_operands o = {0};
    nn_items items = {0};
    nnp_table *d = nnc_arena_alloc(t->arena, sizeof *d);
    d->title = want_title(t, c);
    for (uint32_t i = 1; i < c->args->n; i++) {
        const nn_arg *a = &c->args->at[i];
        if (is_named(t, a, "rows"))
            d->rows = row_axis(t, &o, a);
        else
            nn_host_items(t, &o, item_name(t, c, a), a->v, a->node, &items);
    }
    d->n = (int)items.n;
    d->item = items.at;
    nn_emit_host(t, NNP_TABLE, d, &o, 0, NULL, c->at);
    return nn_none();
}

static bool flag(nn_trace *t, const nn_arg *a)
{
    return nn_ask_bool(t, a->v, a->node, nn_sym(t, a->name));
}

nn_v nn_b_plot(nn_trace *t, const nn_bcall *c)
{
    nn_operands o = {0};
    nn_items items = {0};
    nnp_plot *d = nnc_arena_alloc(t->arena, sizeof *d);
    d->title = want_title(t, c);
    for (uint32_t i = 1; i < c->args->n; i++) {
        const nn_arg *a = &c->args->at[i];
        if (is_named(t, a, "x")) {
            nnp_value *x = nnc_arena_alloc(t->arena, sizeof *x);
            *x = nn_host_operand(t, &o, a->v, a->node);
            d->x = x;
        } else if (is_named(t, a, "log_x")) {
            d->log_x = flag(t, a);
        } else if (is_named(t, a, "log_y")) {
            d->log_y = flag(t, a);
        } else if (is_named(t, a, "points")) {
            d->style = flag(t, a) ? NNP_POINTS : NNP_LINES;
        } else if (is_named(t, a, "bars")) {
            d->style = flag(t, a) ? NNP_BARS : NNP_LINES;
        } else if (is_named(t, a, "x_label")) {
            d->x_label = nn_ask_text(t, a->v, a->node, "a label");
        } else if (is_named(t, a, "y_label")) {
            d->y_label = nn_ask_text(t, a->v, a->node, "a label");
        } else {
            nn_host_items(t, &o, item_name(t, c, a), a->v, a->node, &items);
        }
    }
    d->n = (int)items.n;
    d->item = items.at;
    nn_emit_host(t, NNP_PLOT, d, &o, 0, NULL, c->at);
    return nn_none();
}

/* ---- print ---- */

typedef struct printing {
    nn_operands o;
    NNC_BUF(nnp_piece) piece;
    NNC_BUF(nnp_value) value;
} printing;

static void add_text(nn_trace *t, printing *p, const char *s)
{
    NNC_PUSH(t->arena, &p->piece, (nnp_piece){s, NNP_NONE, ""});
}

static void add_value(nn_trace *t, printing *p, nn_v v, const char *spec, const nn_ast *at)
{
    if (v->kind == NN_V_text) {
        add_text(t, p, v->text);
        return;
    }
    if (v->kind == NN_V_record || v->kind == NN_V_model) {
        nn_items items = {0};
        nn_host_items(t, &p->o, "", v, at, &items);
        for (uint32_t i = 0; i < items.n; i++) {
            add_text(t, p, nnc_arena_printf(t->arena, "%s%s = ", i ? ", " : "(", items.at[i].name));
            NNC_PUSH(t->arena, &p->value, items.at[i].value);
            NNC_PUSH(t->arena, &p->piece, (nnp_piece){NULL, (int)p->value.n - 1, spec});
        }
        add_text(t, p, ")");
        return;
    }
    NNC_PUSH(t->arena, &p->value, nn_host_operand(t, &p->o, v, at));
    NNC_PUSH(t->arena, &p->piece, (nnp_piece){NULL, (int)p->value.n - 1, spec});
}

static void add_pieces(nn_trace *t, printing *p, const nn_ast *s)
{
    if (!s->nkid)
        add_text(t, p, s->text ? s->text : "");
    for (uint32_t i = 0; i < s->nkid; i++) {
        const nn_ast *k = s->kid[i];
        if (nn_is(k, NN_text))
            add_text(t, p, k->text);
        else if (nn_is(k, NN_format))
            add_value(t, p, nn_expr(t, nn_kid(k, 0)), k->text, nn_kid(k, 0));
        else
            add_value(t, p, nn_expr(t, k), "", k);
    }
}

/* print("..", x, ..): strings are templates, read from the tree, since what they show need not be known. */
nn_v nn_b_print(nn_trace *t, const nn_bcall *c)
{
    const nn_ast *call = c->at;
    printing p = {0};
    for (unsigned i = 1; i < call->nkid; i++) {
        const nn_ast *e = call->kid[i];
        if (i > 1)
            add_text(t, &p, " ");
        if (nn_is(e, NN_named))
            nn_fail(t, e->loc, "print takes values by position");
        if (nn_is(e, NN_string))
            add_pieces(t, &p, e);
        else
            add_value(t, &p, nn_expr(t, e), "", e);
    }
    nnp_print *d = nnc_arena_alloc(t->arena, sizeof *d);
    *d = (nnp_print){(int)p.piece.n, (int)p.value.n, p.piece.at, p.value.at};
    nn_emit_host(t, NNP_PRINT, d, &p.o, 0, NULL, call);
    return nn_none();
}

/* ---- seconds(f, args..) ---- */

nn_v nn_b_seconds(nn_trace *t, const nn_bcall *c)
{
    if (!c->args->n || c->args->at[0].name.id)
        nn_fail(t, c->at->loc, "seconds(f, args..) times a call of f");
    nn_operands o = {0};
    nn_inputs in = {0};
    nn_args rest = {c->args->n - 1, c->args->at + 1};
    nn_side_graph g = nn_side_begin(t, "timed", c->at->loc);
    nn_leaves leaf = {0};
    nn_collect(t, nn_call(t, c->args->at[0].v, &rest, c->at), &leaf);
    nnc_value *out = nnc_arena_array(t->arena, leaf.n, sizeof *out);
    for (uint32_t i = 0; i < leaf.n; i++)
        out[i] = leaf.at[i]->ssa;
    nn_side_end(t, &g, leaf.n, out);
    nn_side_captures(t, &g, &o, &in);
    nnp_seconds *d = nnc_arena_alloc(t->arena, sizeof *d);
    *d = (nnp_seconds){{g.number, in.at}, (int)o.value.n};
    t->measures = true;
    nnc_type f64 = nnc_type_tensor(t->m, NNC_DT_f64, 0, NULL);
    nnc_op op = nn_emit_host(t, NNP_SECONDS, d, &o, 1, &f64, c->at);
    return nn_tensor(t, op.id ? nnc_op_out(t->m, op, 0) : nnc_g_float(&t->b, NNC_DT_f64, 0));
}
