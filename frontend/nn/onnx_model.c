/* `import "net.onnx" as net`: an ONNX file as a model.
 *
 * Initialisers are the model's params, under their names made identifiers.  A call imports the graph anew, with symbolic
 * sizes pinned to those of the arguments, puts the present params in the place of the constants that they were, and pastes
 * the operations where the call stands. */
#include "frontend/nn/model.h"
#include "frontend/onnx/import.h"
#include <ctype.h>
#include <string.h>

struct nn_onnx {
    const nnc_onnx_model *model;
    const char *path;
};

static nnc_sym identifier(nn_trace *t, const char *s)
{
    char *id = nnc_arena_printf(t->arena, "%s%s", isdigit((unsigned char)*s) || !*s ? "_" : "", s);
    for (char *p = id; *p; p++)
        if (!isalnum((unsigned char)*p))
            *p = '_';
    return nn_name(t, id);
}

static bool is_parameter(const nnc_onnx_tensor *x)
{
    nnc_dtype dt = nnc_dtype_by_onnx(x->elem);
    return x->rank > 0 && dt && nnc_dtype_is_float(dt) && x->rank <= NNC_MAX_RANK;
}

static nn_v parameter(nn_trace *t, const nnc_onnx_tensor *x, const char *name)
{
    nnc_tensor v = {.dtype = nnc_dtype_by_onnx(x->elem),
                    .rank = (int)x->rank,
                    .data = (void *)(uintptr_t)x->data};
    for (uint32_t i = 0; i < x->rank; i++)
        v.dim[i] = x->dim[i];
    return nn_host_value(t, &v, name, true);
}

nn_v nn_import_onnx(nn_trace *t, const char *path, const nn_ast *at)
{
    nnc_onnx_model *model = NULL;
    if (nnc_onnx_load(t->arena, t->diag, path, &model) != NNC_OK || !model) {
        nnc_note(t->diag, at->loc, "imported here");
        return NULL;
    }
    NNC_BUF(nnc_sym) name = {0};
    NNC_BUF(nn_v) item = {0};
    for (uint32_t i = 0; i < model->graph->ninit; i++) {
        const nnc_onnx_tensor *x = &model->graph->init[i];
        const char *s = nnc_onnx_name(model, model->graph->init_name[i]);
        if (!is_parameter(x))
            continue;
        NNC_PUSH(t->arena, &name, identifier(t, s));
        NNC_PUSH(t->arena, &item, parameter(t, x, s));
    }
    struct nn_onnx *o = nnc_arena_alloc(t->arena, sizeof *o);
    *o = (struct nn_onnx){model, path};
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    nn_v *part = nnc_arena_array(t->arena, 3, sizeof *part);
    nnc_sym *field = nnc_arena_array(t->arena, 3, sizeof *field);
    part[0] = nn_record(t, name.n, name.at, item.at);
    part[1] = part[2] = nn_empty_record(t);
    field[0] = nn_name(t, "params");
    field[1] = nn_name(t, "state");
    field[2] = nn_name(t, "frozen");
    v->kind = NN_V_model;
    v->onnx = o;
    v->n = 3;
    v->item = part;
    v->name = field;
    v->where = at;
    return v;
}

/* ---- calls ---- */

typedef struct pasting {
    const struct nn_onnx *o;
    const nn_ast *at;
    NNC_BUF(nnc_onnx_bound) bound;
    nnc_value *in;
} pasting;

static const nn_arg *find_argument(nn_trace *t, const nn_args *args, const char *name,
                                   uint32_t position)
{
    nnc_sym id = identifier(t, name);
    for (uint32_t i = 0; i < args->n; i++)
        if (args->at[i].name.id == id.id)
            return &args->at[i];
    return position < args->n && !args->at[position].name.id ? &args->at[position] : NULL;
}

static const char *signature(nn_trace *t, const nnc_onnx_model *m)
{
    const char *s = "";
    for (uint32_t i = 0; i < m->graph->nin; i++)
        s = nnc_arena_printf(t->arena, "%s%s%s", s, i ? ", " : "",
                             nn_sym(t, identifier(t, nnc_onnx_name(m, m->graph->in[i].name))));
    return s;
}

/* One input: its dtype, rank and sizes against the declared ones; symbolic sizes are noted. */
static nnc_value input(nn_trace *t, pasting *p, uint32_t i, const nn_args *args)
{
    const nnc_onnx_model *m = p->o->model;
    const nnc_onnx_value *in = &m->graph->in[i];
    const char *name = nnc_onnx_name(m, in->name);
    const nn_arg *a = find_argument(t, args, name, i);
    if (!a)
        nn_fail(t, p->at->loc, "the model needs its input '%s'; its inputs are: %s", name,
                signature(t, m));
    nnc_dtype dt = in->type ? nnc_dtype_by_onnx(in->type->elem) : NNC_DT_none;
    if (!dt)
        nn_fail(t, p->at->loc, "the input '%s' of the model has no type that a call can use", name);
    nn_v x = nn_as_tensor(t, a->v, a->node);
    if (x->weak)
        x = nn_convert(t, x, dt);
    if (nn_dtype(t, x) != dt)
        nn_fail(t, a->node->loc, "the input '%s' is %s, this is %s; convert with %s(..)", name,
                nnc_dtype_infos[dt].name, nn_type_text(t, x), nnc_dtype_infos[dt].name);
    if (in->type->has_shape && (int)in->type->rank != nn_rank(t, x))
        nn_fail(t, a->node->loc, "the input '%s' has %u axes, this is %s", name, in->type->rank,
                nn_type_text(t, x));
    for (uint32_t k = 0; in->type->has_shape && k < in->type->rank; k++) {
        const nnc_onnx_dim *d = &in->type->dim[k];
        nnc_dim size = nn_axis_size(t, x, (int)k);
        if (d->kind == NNC_ONNX_DIM_value && size != d->value)
            nn_fail(t, a->node->loc, "axis %u of the input '%s' is %lld, this is %s", k, name,
                    (long long)d->value, nn_type_text(t, x));
        if (d->kind == NNC_ONNX_DIM_param) {
            nnc_onnx_bound b = {d->param, nnc_dim_lo(t->m->dims, size),
                                nnc_dim_hi(t->m->dims, size)};
            NNC_PUSH(t->arena, &p->bound, b);
        }
    }
    return x->ssa;
}

/* Constants of the graph that are initialisers: the params of this model instead. */
static void put_params(nn_trace *t, const pasting *p, nnc_block body, nn_v params)
{
    const nnc_onnx_graph *g = p->o->model->graph;
    for (nnc_op op = nnc_block_first(t->m, body), next; op.id; op = next) {
        next = nnc_op_next(t->m, op);
        for (unsigned r = 0; r < nnc_op_nregion(t->m, op); r++)
            put_params(t, p, nnc_op_region(t->m, op, r), params);
        if (nnc_op_code(t->m, op) != NNC_OP_const)
            continue;
        const void *data = nnc_const_data(t->m, op);
        for (uint32_t i = 0, k = 0; i < g->ninit; i++) {
            if (!is_parameter(&g->init[i]))
                continue;
            nn_v leaf = params->item[k++];
            nnc_value old = nnc_op_out(t->m, op, 0);
            if (g->init[i].data == data &&
                nnc_value_type(t->m, old).id == nnc_value_type(t->m, leaf->ssa).id)
                nnc_value_replace(t->m, old, leaf->ssa);
        }
    }
}

static nn_v paste(nn_trace *t, const pasting *p, nnc_op graph, nn_v params)
{
    nnc_module *m = t->m;
    nnc_block body = nnc_op_region(m, graph, 0);
    uint32_t n = m->value.n;
    put_params(t, p, body, params);
    nnc_value *map = nnc_arena_array(t->arena, n, sizeof *map);
    for (unsigned i = 0; i < nnc_block_narg(m, body); i++) {
        nnc_value arg = nnc_block_arg(m, body, i);
        if (nnc_value_type(m, arg).id != nnc_value_type(m, p->in[i]).id)
            nn_fail(t, p->at->loc,
                    "the model cannot be called with these sizes; give arguments of static shape");
        map[arg.id] = p->in[i];
    }
    nnc_block_clone(m, body, t->b.pos, map, n, false);
    nnc_op yield = nnc_block_last(m, body);
    unsigned nout = nnc_op_nin(m, yield);
    nnc_sym *name = nnc_arena_array(t->arena, nout, sizeof *name);
    nn_v *item = nnc_arena_array(t->arena, nout, sizeof *item);
    for (unsigned i = 0; i < nout; i++) {
        nnc_value v = nnc_op_in(m, yield, i);
        item[i] = nn_tensor(t, v.id < n && map[v.id].id ? map[v.id] : v);
        name[i] = identifier(t, nnc_onnx_name(p->o->model, p->o->model->graph->out[i].name));
    }
    nnc_op_erase(m, graph);
    return nout == 1 ? item[0] : nn_record(t, nout, name, item);
}

nn_v nn_call_onnx(nn_trace *t, nn_v model, const nn_args *args, const nn_ast *at)
{
    pasting p = {.o = model->onnx, .at = at};
    const nnc_onnx_graph *g = p.o->model->graph;
    if (args->n > g->nin)
        nn_fail(t, at->loc, "the model has %u inputs: %s", g->nin, signature(t, p.o->model));
    p.in = nnc_arena_array(t->arena, g->nin, sizeof *p.in);
    for (uint32_t i = 0; i < g->nin; i++)
        p.in[i] = input(t, &p, i, args);
    nnc_onnx_options o = {.bound = p.bound.at,
                          .nbound = p.bound.n,
                          .graph_name = nnc_arena_printf(t->arena, "onnx%u", t->m->op.n)};
    if (nnc_onnx_import_model(t->m, p.o->model, &o) != NNC_OK) {
        nnc_note(t->diag, at->loc, "called here");
        nn_fail_silently(t);
    }
    return paste(t, &p, nnc_func_find(t->m, o.graph_name), model->item[0]);
}
