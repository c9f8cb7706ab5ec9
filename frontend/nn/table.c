/* From a traced program to the tables of runtime/host.h, in memory. */
#include "frontend/nn/table.h"
#include "frontend/nn/data/dtype.h"
#include "frontend/nn/root.h"
#include <string.h>

static nnp_tensor tensor_of(const nnc_module *m, nnc_type type)
{
    const nnc_type_rec *r = nnc_type_get(m, type);
    nnp_tensor t = {.dtype = nn_host_dtype_of((nnc_dtype)r->dtype), .rank = r->rank};
    for (int i = 0; i < r->rank; i++)
        t.dim[i] = (size_t)nnc_dim_hi(m->dims, r->dim[i]);
    return t;
}

static nnp_graph graph_of(nn_trace *t, nnc_op g)
{
    nnc_module *m = t->m;
    nnc_block body = nnc_op_region(m, g, 0);
    nnc_op yield = nnc_block_last(m, body);
    unsigned nin = nnc_block_narg(m, body), nout = nnc_op_nin(m, yield);
    nnp_tensor *in = nnc_arena_array(t->arena, nin, sizeof *in),
               *out = nnc_arena_array(t->arena, nout, sizeof *out);
    for (unsigned i = 0; i < nin; i++)
        in[i] = tensor_of(m, nnc_value_type(m, nnc_block_arg(m, body, i)));
    for (unsigned i = 0; i < nout; i++)
        out[i] = tensor_of(m, nnc_value_type(m, nnc_op_in(m, yield, i)));
    return (nnp_graph){.name = nnc_func_name(m, g),
                       .ninput = (int)nin,
                       .noutput = (int)nout,
                       .input = in,
                       .output = out};
}

/* ---- data ---- */

static int data_row(nn_trace *t, nn_tables *d, const nn_host_tensor *h)
{
    for (uint32_t i = 0; i < d->source.n; i++)
        if (d->source.at[i]->id == h->id)
            return (int)i;
    nnp_data row = {.name = h->name ? h->name : "data", .offset = d->bytes};
    row.type.dtype = nn_host_dtype_of(h->t.dtype);
    row.type.rank = h->t.rank;
    for (int i = 0; i < h->t.rank; i++)
        row.type.dim[i] = (size_t)h->t.dim[i];
    d->bytes = (d->bytes + nnc_tensor_bytes(&h->t) + 63) & ~(size_t)63;
    NNC_PUSH(t->arena, &d->source, h);
    NNC_PUSH(t->arena, &d->data, row);
    return (int)d->source.n - 1;
}

void nn_tables_copy_data(const nn_tables *d, void *to)
{
    for (uint32_t i = 0; i < d->source.n; i++)
        memcpy((char *)to + d->data.at[i].offset, d->source.at[i]->t.data,
               nnc_tensor_bytes(&d->source.at[i]->t));
}

/* ---- everything ---- */

nn_tables *nn_tables_of(nn_trace *t, const char *name)
{
    nn_tables *d = nnc_arena_alloc(t->arena, sizeof *d);
    const nn_program *p = t->program;
    nnp_graph *graph = nnc_arena_array(t->arena, p->graph.n, sizeof *graph);
    nnp_experiment *e = nnc_arena_array(t->arena, p->root.n, sizeof *e);
    for (uint32_t i = 0; i < p->graph.n; i++)
        graph[i] = graph_of(t, p->graph.at[i]);
    for (uint32_t i = 0; i < p->root.n; i++) {
        const nn_root *r = &p->root.at[i];
        int *in = nnc_arena_array(t->arena, r->ndata, sizeof *in);
        for (uint32_t k = 0; k < r->ndata; k++)
            in[k] = data_row(t, d, r->data[k]);
        e[i] = (nnp_experiment){nn_sym(t, r->decl->name), r->decl->node->kind == NN_test, r->graph,
                                in};
    }
    d->graph = graph;
    d->program = (nnp_program){.name = name,
                               .nexperiment = (int)p->root.n,
                               .nhost = (int)p->host.n,
                               .ngraph = (int)p->graph.n,
                               .ndata = (int)d->data.n,
                               .experiment = e,
                               .host = p->host.at,
                               .graph = graph,
                               .dataset = d->data.at,
                               .data_bytes = d->bytes};
    return d;
}

/* ---- tracing ---- */

static bool wanted(nn_trace *t, const nn_decl *d, const char *const *name, unsigned n, bool tests)
{
    bool test = nn_is(d->node, NN_test);
    if (!test && !nn_is(d->node, NN_experiment))
        return false;
    for (unsigned i = 0; i < n; i++)
        if (strcmp(name[i], nn_sym(t, d->name)) == 0)
            return true;
    return !n && test == tests;
}

nnc_status nn_program_trace(nn_trace *t, nn_unit *u, const char *const *name, unsigned n,
                            bool tests)
{
    unsigned before = nnc_diag_errors(t->diag);
    t->main = u;
    t->program = nnc_arena_alloc(t->arena, sizeof *t->program);
    for (uint32_t i = 0; i < u->decl.n; i++) {
        nn_decl *d = u->decl.at[i];
        if (!wanted(t, d, name, n, tests))
            continue;
        nn_root_block(t, d);
        nn_root r = {.decl = d, .graph = (int)t->program->graph.n, .ndata = t->input.n};
        r.data = nnc_arena_copy(t->arena, t->input.at, t->input.n * sizeof *r.data);
        NNC_PUSH(t->arena, &t->program->graph, t->root);
        NNC_PUSH(t->arena, &t->program->root, r);
    }
    return nnc_diag_errors(t->diag) > before ? NNC_ERR : NNC_OK;
}
