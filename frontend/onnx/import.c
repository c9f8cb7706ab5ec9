/* frontend/onnx/import.c - the walk over a model: borders, nodes, subgraphs.
 *
 * Names map to values in one array indexed by name id; entering a subgraph remembers what it shadows.  A node whose
 * inputs failed fails silently, so that each problem is told once and everything independent of it is still looked
 * at.  Initializers become `const` ops at the start of their graph (scalars become plain constants); what nobody
 * reads is swept by dce. */
#include "frontend/onnx/import_priv.h"
#include <stdio.h>
#include <string.h>
#include "frontend/onnx/rows.h"
#include "ir/eval.h"

enum {
    UNBOUNDED = 1 << 20, /* what nothing depends on may still be this large */
    SHAPE_SIZED = 64,
    MAX_SUBGRAPH_DEPTH = 32,
    MAX_OPS = 4000000 /* unrolled bodies must end somewhere */
};

struct row {
    const char *domain, *op;
    int since;
    nnc_onnx_row_fn run;
    int arg;
};
static const struct row rows[] = {
#define ROW(domain, op, since, function, arg) {domain, #op, since, nnc_row_##function, arg},
#include "frontend/onnx/rows.def"
};

uint32_t nnc_onnx_row_count(void)
{
    return sizeof rows / sizeof *rows;
}

nnc_onnx_row_info nnc_onnx_row_at(uint32_t i)
{
    return (nnc_onnx_row_info){rows[i].domain, rows[i].op, rows[i].since,
                               rows[i].run == nnc_row_refused};
}

static const struct row *find_row(const nnc_onnx_node *n)
{
    const struct row *best = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].since <= n->opset && (!best || rows[i].since > best->since) &&
            strcmp(rows[i].op, n->op) == 0 && strcmp(rows[i].domain, n->domain) == 0)
            best = &rows[i];
    return best;
}

const char *nnc_import_ident(nnc_arena *a, const char *s)
{
    bool digit = *s >= '0' && *s <= '9';
    char *t = nnc_arena_printf(a, "%s%.100s", digit ? "_" : "", s);
    for (char *p = t; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9')))
            *p = '_';
    return t;
}

/* ---- names --------------------------------------------------------------------------------------------- */

static void bind(nnc_onnx_cx *cx, nnc_sym name, nnc_val v)
{
    struct nnc_import *im = cx->im;
    if (!name.id)
        return;
    if (name.id >= im->nenv) {
        uint32_t cap = im->nenv;
        nnc_buf_grow(cx->a, (void **)&im->env, &cap, name.id + 1, sizeof *im->env);
        im->nenv = cap;
    }
    NNC_PUSH(cx->a, &im->undo, (nnc_import_undo){name.id, im->env[name.id]});
    im->env[name.id] = v;
}

nnc_val nnc_import_lookup(const nnc_onnx_cx *cx, nnc_sym name)
{
    if (!name.id || name.id >= cx->im->nenv)
        return (nnc_val){0};
    return cx->im->env[name.id];
}

static void name_value(nnc_onnx_cx *cx, nnc_sym name, nnc_val v)
{
    if (v.kind == NNC_VAL_tensor && !nnc_value_is_const(cx->m, v.v) && !*nnc_value_name(cx->m, v.v))
        nnc_value_set_name(cx->m, v.v, nnc_onnx_name(cx->model, name));
}

/* ---- constant tensors ---------------------------------------------------------------------------------- */

static bool same_blob(const void *user, uint32_t id, const void *key)
{
    return ((const struct nnc_import *)user)->blob.at[id - 1].tensor == key;
}

/* A mapped file promises no alignment: readers of nnc_const_data copy what they need aligned. */
static nnc_blob blob_of(nnc_onnx_cx *cx, const nnc_onnx_tensor *t)
{
    struct nnc_import *im = cx->im;
    uint64_t h = nnc_hash(&t, sizeof t, 0);
    uint32_t id = nnc_hashset_find(im->blobs, h, same_blob, im, t);
    if (!id) {
        NNC_PUSH(cx->a, &im->blob,
                 (nnc_import_blob){t, nnc_blob_new(cx->m, t->data, t->bytes, cx->b.loc)});
        id = im->blob.n;
        nnc_hashset_add(im->blobs, h, id);
    }
    return im->blob.at[id - 1].blob;
}

nnc_status nnc_import_tensor(nnc_onnx_cx *cx, const nnc_onnx_tensor *t, nnc_value *out)
{
    nnc_dtype dt = nnc_cx_elem(cx, t->elem);
    nnc_dim dim[NNC_MAX_RANK];

    if (!dt)
        return NNC_ERR;
    if (t->rank > NNC_MAX_RANK)
        return nnc_cx_error(cx, "constant '%s' has rank %u; at most %d is supported", t->name,
                            t->rank, NNC_MAX_RANK);
    for (uint32_t i = 0; i < t->rank; i++)
        dim[i] = t->dim[i];
    nnc_type ty = nnc_type_tensor(cx->m, dt, (int)t->rank, dim);
    if (t->rank == 0) {
        uint64_t bits = nnc_num_bits(dt, nnc_num_load(dt, t->data));
        *out = nnc_const_bits(cx->m, ty, bits);
    } else {
        *out = nnc_g_const(&cx->b, ty, blob_of(cx, t), 0);
    }
    return NNC_OK;
}

static void bind_initializers(nnc_onnx_cx *cx, const nnc_onnx_graph *g)
{
    for (uint32_t i = 0; i < g->ninit; i++) {
        nnc_val v = {.kind = NNC_VAL_bad};
        if (g->init[i].elem == NNC_ONNX_string) {
            v.kind = NNC_VAL_strings;
            v.str = &g->init[i];
        } else if (nnc_import_tensor(cx, &g->init[i], &v.v) == NNC_OK) {
            v.kind = NNC_VAL_tensor;
        } else {
            cx->im->failed = true;
        }
        bind(cx, g->init_name[i], v);
        name_value(cx, g->init_name[i], v);
    }
}

/* ---- nodes --------------------------------------------------------------------------------------------- */

static nnc_status run_row(nnc_onnx_cx *cx)
{
    const struct row *row = find_row(cx->node);
    cx->im->missing |= !row;
    if (!row)
        return nnc_cx_error(
            cx, "operator %s%s%s (opset %d) is not supported; `nnc ops` lists what is",
            cx->node->domain, *cx->node->domain ? "." : "", cx->node->op, cx->node->opset);
    if (cx->m->op.n > MAX_OPS)
        return nnc_cx_error(cx, "the graph grows beyond %d operations; unrolled loops are too long",
                            MAX_OPS);
    cx->arg = row->arg;
    NNC_TRY(nnc_import_check_inputs(cx));
    NNC_TRY(row->run(cx));
    for (uint32_t i = 0; i < cx->nout; i++) {
        if (nnc_cx_wants(cx, i) && cx->out[i].kind == NNC_VAL_absent)
            return nnc_cx_error(cx, "output %u ('%s') is not supported", i,
                                nnc_onnx_name(cx->model, cx->node->out[i]));
        NNC_TRY(nnc_import_check_output(cx, i));
    }
    return NNC_OK;
}

static bool any_bad(const nnc_onnx_cx *cx)
{
    for (uint32_t i = 0; i < cx->nin; i++)
        if (cx->in[i].kind == NNC_VAL_bad)
            return true;
    return false;
}

static void import_node(nnc_onnx_cx *cx, const nnc_onnx_node *n)
{
    nnc_val *in = nnc_arena_array(cx->a, n->nin + 1, sizeof *in),
            *out = nnc_arena_array(cx->a, n->nout + 1, sizeof *out);
    uint32_t count;

    for (uint32_t i = 0; i < n->nin; i++)
        in[i] = nnc_import_lookup(cx, n->in[i]);
    cx->node = n;
    cx->in = in;
    cx->out = out;
    cx->nin = n->nin;
    cx->nout = n->nout;
    cx->b.loc = n->loc;
    if (n->broken || any_bad(cx) || run_row(cx) != NNC_OK) {
        cx->im->failed = true;
        for (uint32_t i = 0; i < n->nout; i++)
            out[i] = (nnc_val){.kind = NNC_VAL_bad};
    }
    for (uint32_t i = 0; i < n->nout; i++) {
        bind(cx, n->out[i], out[i]);
        name_value(cx, n->out[i], out[i]);
        if (out[i].kind == NNC_VAL_tensor &&
            nnc_type_count(cx->m, nnc_value_type(cx->m, out[i].v)) <= SHAPE_SIZED)
            nnc_cx_known(cx, out[i].v, &count); /* keeps later questions shallow */
    }
}

nnc_status nnc_cx_subgraph(nnc_onnx_cx *cx, const nnc_onnx_graph *g, const nnc_val *in,
                           nnc_val *out)
{
    nnc_onnx_cx saved = *cx;
    struct nnc_import *im = cx->im;
    uint32_t mark = im->undo.n;
    bool bad = false;

    if (im->depth >= MAX_SUBGRAPH_DEPTH)
        return nnc_cx_error(cx, "subgraphs are nested deeper than %d", MAX_SUBGRAPH_DEPTH);
    im->depth++;
    for (uint32_t i = 0; i < g->nin; i++) {
        bind(cx, g->in[i].name, in[i]);
        name_value(cx, g->in[i].name, in[i]);
    }
    bind_initializers(cx, g);
    for (uint32_t i = 0; i < g->nnode; i++)
        import_node(cx, &g->node[i]);
    for (uint32_t i = 0; i < g->nout; i++) {
        out[i] = nnc_import_lookup(cx, g->out[i].name);
        bad |= out[i].kind == NNC_VAL_bad || out[i].kind == NNC_VAL_absent;
    }
    while (im->undo.n > mark) {
        im->undo.n--;
        im->env[im->undo.at[im->undo.n].name] = im->undo.at[im->undo.n].old;
    }
    im->depth--;
    saved.b.pos = cx->b.pos;
    saved.b.numbering = cx->b.numbering;
    saved.b.numbered = cx->b.numbered;
    *cx = saved;
    return bad ? NNC_ERR : NNC_OK;
}

nnc_status nnc_cx_try_subgraph(nnc_onnx_cx *cx, const nnc_onnx_graph *g, nnc_val *out, bool *ok)
{
    struct nnc_import *im = cx->im;
    bool failed = im->failed, missing = im->missing;

    im->missing = false;
    nnc_diag_hold(cx->diag);
    *ok = nnc_cx_subgraph(cx, g, NULL, out) == NNC_OK && !nnc_diag_held(cx->diag);
    if (im->missing) {
        nnc_diag_release(cx->diag, true);
        im->failed = true;
        return NNC_ERR;
    }
    im->failed = failed;
    im->missing = missing;
    return NNC_OK;
}

/* ---- dimensions of inputs ------------------------------------------------------------------------------ */

nnc_dim nnc_import_find_dim(const nnc_onnx_cx *cx, const char *name, bool *found)
{
    for (uint32_t i = 0; i < cx->im->symbol.n; i++)
        if (strcmp(cx->im->symbol.at[i].name, name) == 0) {
            *found = true;
            return cx->im->symbol.at[i].dim;
        }
    *found = false;
    return 0;
}

static nnc_import_symbol new_symbol(nnc_onnx_cx *cx, const char *name, const char *input,
                                    uint32_t axis)
{
    const nnc_onnx_options *opt = cx->im->opt;
    const char *ident = nnc_import_ident(cx->a, name);
    nnc_sym sym = nnc_sym_put(cx->m, ident);
    nnc_import_symbol s = {nnc_arena_str(cx->a, name), 0, input, axis, false};

    for (uint32_t i = 0; i < opt->nbound; i++) {
        const nnc_onnx_bound *b = &opt->bound[i];
        if (strcmp(b->name, name) != 0 && strcmp(b->name, ident) != 0)
            continue;
        cx->im->bound_used[i] = 1;
        s.dim = b->lo == b->hi ? b->lo : nnc_dim_symbol(cx->dims, sym, b->lo, b->hi);
        return s;
    }
    s.unbounded = true; /* an error at the end, if anything depends on it */
    s.dim = nnc_dim_symbol(cx->dims, sym, 0, UNBOUNDED);
    return s;
}

static nnc_dim input_dim(nnc_onnx_cx *cx, const nnc_onnx_dim *d, const char *input, uint32_t axis)
{
    const char *name = d->param;
    bool found;
    nnc_dim dim;

    if (d->kind == NNC_ONNX_DIM_value)
        return d->value;
    if (d->kind == NNC_ONNX_DIM_unknown || !name || !*name)
        name = nnc_arena_printf(cx->a, "%s_dim%u", input, axis);
    dim = nnc_import_find_dim(cx, name, &found);
    if (found)
        return dim;
    nnc_import_symbol s = new_symbol(cx, name, input, axis);
    NNC_PUSH(cx->a, &cx->im->symbol, s);
    return s.dim;
}

/* What else went wrong may only be due to sizes that are not known: it is kept back until here, and
 * only told when it is certain. */
static void unbounded_symbols(nnc_onnx_cx *cx, nnc_block body)
{
    bool matters = false;
    for (uint32_t i = 0; i < cx->im->symbol.n; i++) {
        nnc_import_symbol *s = &cx->im->symbol.at[i];
        s->unbounded = s->unbounded && (cx->im->failed || nnc_import_dim_matters(cx, body, s->dim));
        matters |= s->unbounded;
    }
    if (cx->im->holding && matters && !cx->im->missing)
        nnc_diag_drop(cx->diag);
    else if (cx->im->holding)
        nnc_diag_release(cx->diag, true);
    for (uint32_t i = 0; i < cx->im->symbol.n; i++) {
        const nnc_import_symbol s = cx->im->symbol.at[i];
        if (!s.unbounded)
            continue;
        cx->im->failed = true;
        nnc_error(cx->diag, cx->b.loc,
                  "dimension '%s' (axis %u of input '%s') has no fixed size; give --dim '%s=1' (or "
                  "another size), or --dim '%s=1..128' for a range",
                  s.name, s.axis, s.input, s.name, s.name);
    }
}

static void unused_bounds(nnc_onnx_cx *cx)
{
    const nnc_onnx_options *opt = cx->im->opt;
    const char *have = "";
    for (uint32_t i = 0; i < cx->im->symbol.n; i++)
        have = nnc_arena_printf(cx->a, "%s%s%s", have, i ? ", " : "", cx->im->symbol.at[i].name);
    for (uint32_t i = 0; i < opt->nbound; i++)
        if (!cx->im->bound_used[i]) {
            cx->im->failed = true;
            nnc_error(cx->diag, cx->b.loc, "--dim %s: no input has a dimension of that name; %s%s",
                      opt->bound[i].name, *have ? "there are: " : "all are fixed", have);
        }
}

/* ---- the borders of the main graph --------------------------------------------------------------------- */

/* An optional tensor at the border is taken as present: the C interface has no way to leave it out. */
static nnc_status border_type(nnc_onnx_cx *cx, const nnc_onnx_value *in, nnc_type *out)
{
    const char *name = nnc_onnx_name(cx->model, in->name);
    const nnc_onnx_type *t = in->type;
    nnc_dim dim[NNC_MAX_RANK];

    if (t && t->kind == NNC_ONNX_TY_optional)
        t = t->of;
    if (!t)
        return nnc_error(cx->diag, cx->b.loc,
                         "input '%s' has no declared type; declare element type and shape", name);
    if (t->kind != NNC_ONNX_TY_tensor)
        return nnc_error(
            cx->diag, cx->b.loc,
            "input '%s' is a %s; only tensors can enter a compiled graph: pass its elements "
            "as inputs of their own",
            name,
            t->kind == NNC_ONNX_TY_sequence ? "sequence"
            : t->kind == NNC_ONNX_TY_map    ? "map"
                                            : "sparse tensor");
    if (t->elem == NNC_ONNX_string)
        return nnc_error(
            cx->diag, cx->b.loc,
            "input '%s' is a tensor of strings, which cannot be compiled; do that part of the "
            "work outside of the model",
            name);
    nnc_dtype dt = nnc_cx_elem(cx, t->elem);
    if (!dt)
        return NNC_ERR;
    if (!t->has_shape)
        return nnc_error(
            cx->diag, cx->b.loc,
            "input '%s' has no declared shape; its rank must be known: declare it in the model",
            name);
    if (t->rank > NNC_MAX_RANK)
        return nnc_error(cx->diag, cx->b.loc, "input '%s' has rank %u; at most %d is supported",
                         name, t->rank, NNC_MAX_RANK);
    for (uint32_t i = 0; i < t->rank; i++)
        dim[i] = input_dim(cx, &t->dim[i], name, i);
    *out = nnc_type_tensor(cx->m, dt, (int)t->rank, dim);
    return NNC_OK;
}

static void import_inputs(nnc_onnx_cx *cx, const nnc_onnx_graph *g, nnc_block body)
{
    for (uint32_t i = 0; i < g->nin; i++) {
        nnc_val v = {.kind = NNC_VAL_bad};
        nnc_type ty;
        if (border_type(cx, &g->in[i], &ty) == NNC_OK) {
            v.kind = NNC_VAL_tensor;
            v.v = nnc_block_add_arg(cx->m, body, ty, nnc_onnx_name(cx->model, g->in[i].name));
        } else {
            cx->im->failed = true;
        }
        bind(cx, g->in[i].name, v);
    }
}

static nnc_status output_value(nnc_onnx_cx *cx, const nnc_onnx_value *o, nnc_value *out)
{
    nnc_val v = nnc_import_lookup(cx, o->name);
    const char *name = nnc_onnx_name(cx->model, o->name);

    *out = v.v;
    if (v.kind == NNC_VAL_tensor)
        return NNC_OK;
    cx->im->failed = true;
    if (v.kind == NNC_VAL_sequence)
        return nnc_error(
            cx->diag, cx->b.loc,
            "output '%s' is a sequence; only tensors can leave a compiled graph: give out its "
            "elements, or stack them with ConcatFromSequence",
            name);
    if (v.kind == NNC_VAL_empty)
        return nnc_error(
            cx->diag, cx->b.loc,
            "output '%s' is an optional without a value; only tensors can leave a compiled graph",
            name);
    if (v.kind == NNC_VAL_strings)
        return nnc_error(cx->diag, cx->b.loc,
                         "output '%s' is a tensor of strings, which cannot be compiled", name);
    return NNC_ERR;
}

/* One name a line: a line break inside of a name becomes a space. */
static const char *joined_names(nnc_onnx_cx *cx, const nnc_onnx_value *v, uint32_t n)
{
    size_t len = 1, at = 0;
    for (uint32_t i = 0; i < n; i++)
        len += strlen(nnc_onnx_name(cx->model, v[i].name)) + 1;
    char *s = nnc_arena_alloc(cx->a, len);
    for (uint32_t i = 0; i < n; i++) {
        char *name = s + at + (i > 0);
        at += (size_t)snprintf(s + at, len - at, "%s%s", i ? "\n" : "",
                               nnc_onnx_name(cx->model, v[i].name));
        for (char *nl = name; (nl = strchr(nl, '\n')) != NULL;)
            *nl = ' ';
    }
    return s;
}

static void import_outputs(nnc_onnx_cx *cx, const nnc_onnx_graph *g)
{
    nnc_value *out = nnc_arena_array(cx->a, g->nout + 1, sizeof *out);
    bool ok = true;
    for (uint32_t i = 0; i < g->nout; i++)
        ok &= output_value(cx, &g->out[i], &out[i]) == NNC_OK;
    if (ok)
        nnc_build_yield(&cx->b, g->nout, out);
}

nnc_status nnc_onnx_import_model(nnc_module *m, const nnc_onnx_model *model,
                                 const nnc_onnx_options *opt)
{
    static const nnc_onnx_options none;
    struct nnc_import im = {.opt = opt ? opt : &none, .blobs = nnc_hashset_new(m->arena)};
    const nnc_onnx_graph *g = model->graph;
    nnc_loc loc = nnc_loc_file(m->diag, model->path);
    const char *name = opt && opt->graph_name ? opt->graph_name
                                              : nnc_import_ident(m->arena, g->name ? g->name : "");

    im.bound_used = nnc_arena_alloc(m->arena, im.opt->nbound + 1);
    nnc_op func = nnc_build_func(m, NNC_OP_graph, *name ? name : "net", true, loc);
    nnc_block body = nnc_op_region(m, func, 0);
    nnc_onnx_cx cx = {.m = m,
                      .a = m->arena,
                      .diag = m->diag,
                      .dims = m->dims,
                      .b = nnc_builder_at_end(m, body),
                      .model = model,
                      .im = &im};
    cx.b.loc = loc;
    nnc_attr_set_str(m, func, NNC_W_input, joined_names(&cx, g->in, g->nin));
    nnc_attr_set_str(m, func, NNC_W_output, joined_names(&cx, g->out, g->nout));
    import_inputs(&cx, g, body);
    unused_bounds(&cx);
    for (uint32_t i = 0; i < im.symbol.n; i++)
        im.holding |= im.symbol.at[i].unbounded;
    if (im.holding)
        nnc_diag_hold(m->diag);
    bind_initializers(&cx, g);
    for (uint32_t i = 0; i < g->nnode; i++)
        import_node(&cx, &g->node[i]);
    cx.b.loc = loc;
    import_outputs(&cx, g);
    unbounded_symbols(&cx, body);
    if (im.failed || nnc_diag_errors(m->diag))
        return NNC_ERR;
    nnc_import_sweep(&cx, body);
    return NNC_OK;
}

nnc_status nnc_onnx_import(nnc_module *m, const char *path, const nnc_onnx_options *opt)
{
    nnc_onnx_model *model;
    nnc_status loaded = nnc_onnx_load(m->arena, m->diag, path, &model);
    if (!model)
        return NNC_ERR;
    NNC_TRY(
        nnc_onnx_import_model(m, model, opt)); /* even when broken: it shows what else is wrong */
    return loaded;
}
