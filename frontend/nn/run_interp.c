/* Experiments on the interpreter: a graph's `run` hands its tensors over, host ops come back to the caller's host. */
#include "frontend/nn/table.h"
#include <string.h>

typedef struct interpreted {
    nn_trace *t;
    nnc_op graph;
} interpreted;

typedef struct bridge {
    const nnp_host *host;
    int code; /* what stopped the graph, or 0 */
} bridge;

/* The interpreter's sizes are int64_t, the runtime's size_t: the same bits. */
static int host_call(void *context, int id, void *const *data, const int64_t *const *dim)
{
    bridge *b = context;
    return b->code = b->host->call(b->host->context, id, data, (const size_t *const *)dim);
}

static nnc_tensor input(const nnc_module *m, nnc_value arg, const nnp_arguments *a, int i)
{
    const nnc_type_rec *r = nnc_value_ty(m, arg);
    nnc_tensor x = {.dtype = (nnc_dtype)r->dtype, .rank = r->rank, .data = a->data[i]};
    for (int k = 0; k < r->rank; k++)
        x.dim[k] = (int64_t)a->dim[i][k];
    return x;
}

static int run(const nnp_graph *g, const nnp_arguments *a)
{
    interpreted *p = g->self;
    nnc_module *m = p->t->m;
    nnc_block body = nnc_op_region(m, p->graph, 0);
    nnc_arena *arena = nnc_arena_new();
    nnc_tensor *in = nnc_arena_array(arena, (size_t)g->ninput, sizeof *in);
    nnc_tensor *out = nnc_arena_array(arena, (size_t)g->noutput, sizeof *out);
    for (int i = 0; i < g->ninput; i++)
        in[i] = input(m, nnc_block_arg(m, body, (unsigned)i), a, i);
    bridge b = {.host = a->host};
    nnc_interp_options o = {.call = host_call, .context = &b};
    nnc_diag_hold(m->diag);
    nnc_status s = nnc_interp_graph_with(m, p->graph, arena, (unsigned)g->ninput, in,
                                         (unsigned)g->noutput, out, &o);
    if (b.code) /* the host tells why; the interpreter knows only that it was stopped */
        nnc_diag_drop(m->diag);
    else
        nnc_diag_release(m->diag, true);
    for (int i = 0; s == NNC_OK && i < g->noutput; i++) {
        memcpy(a->data[g->ninput + i], out[i].data, nnc_tensor_bytes(&out[i]));
        for (int k = 0; k < out[i].rank; k++)
            a->dim[g->ninput + i][k] = (size_t)out[i].dim[k];
    }
    nnc_arena_free(arena);
    return b.code ? b.code : s == NNC_OK ? 0 : NNP_SYSTEM;
}

void nn_tables_interpret(nn_trace *t, nn_tables *d)
{
    void *data = nnc_arena_alloc(t->arena, d->bytes + 64);
    data = (void *)(((uintptr_t)data + 63) & ~(uintptr_t)63);
    nn_tables_copy_data(d, data);
    d->program.data = data;
    for (int i = 0; i < d->program.ngraph; i++) {
        interpreted *p = nnc_arena_alloc(t->arena, sizeof *p);
        *p = (interpreted){t, t->program->graph.at[i]};
        if (t->derive)
            t->derive(t->m, p->graph);
        d->graph[i].run = run;
        d->graph[i].self = p;
        d->graph[i].workspace = 0;
    }
}
