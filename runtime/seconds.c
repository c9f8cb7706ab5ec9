/* Timing.  The best of repeats is the least disturbed one; calls shorter than the clock's grain are timed in groups. */
#include "session.h"
#include "mpi_rank.h"
#include <stdlib.h>
#include <string.h>

#define LEAST_TOTAL 0.1   /* seconds spent, at least */
#define LEAST_GROUP 50e-6 /* seconds of one measurement, at least */
enum { LEAST_REPEATS = 3, MOST_GROUP = 1 << 20 };

typedef struct timed {
    nnp_scope *c;
    const nnp_graph *g;
    void **data;
    size_t **dim;
    void *workspace;
} timed;

static double run_group(timed *t, int n)
{
    double start = nnp_now();
    for (int i = 0; i < n; i++) {
        for (int o = 0; o < t->g->noutput; o++)
            memcpy(t->dim[t->g->ninput + o], t->g->output[o].dim, sizeof t->g->output[o].dim);
        if (nnp_graph_run(t->c, t->g, t->data, t->dim, t->workspace))
            break;
    }
    return (nnp_now() - start) / n;
}

static double best_of(timed *t)
{
    double begin = nnp_now(), best = run_group(t, 1); /* the first one warms up */
    int group = 1, repeats = 0;
    while (!t->c->code && !nnp_stop_asked(t->c) &&
           (repeats < LEAST_REPEATS || nnp_now() - begin < LEAST_TOTAL)) {
        double one = run_group(t, group);
        if (one * group < LEAST_GROUP && group < MOST_GROUP) {
            group *= 2; /* too short to be believed */
            continue;
        }
        best = repeats++ && best < one ? best : one;
    }
    return best;
}

static int measure(nnp_scope *c, const nnp_seconds *op, void *const *data, const size_t *const *dim,
                   double *result)
{
    const nnp_graph *g = &c->session->program->graph[op->call.graph];
    int n = g->ninput + g->noutput, ok = 1;
    nnp_scope quiet = {.session = c->session, .up = c};
    timed t = {&quiet, g, nnp_alloc(sizeof(void *) * (size_t)n),
               nnp_alloc(sizeof(size_t *) * (size_t)n), nnp_workspace(g->workspace)};
    ok = t.workspace != NULL;
    for (int i = 0; i < n; i++) {
        t.dim[i] = nnp_alloc(sizeof(size_t) * NNP_MAX_RANK);
        if (i < g->ninput) {
            int at = op->call.input[i].at;
            t.data[i] = data[at];
            memcpy(t.dim[i], dim[at], sizeof(size_t) * (size_t)g->input[i].rank);
        } else {
            t.data[i] = nnp_workspace(nnp_tensor_bytes(&g->output[i - g->ninput]));
            ok &= t.data[i] != NULL;
        }
    }
    if (ok)
        *result = best_of(&t);
    else
        nnp_stop(c, NNP_SYSTEM, "out of memory");
    if (quiet.code)
        nnp_stop(c, quiet.code, "%s", nnp_text_str(&quiet.error));
    for (int i = 0; i < n; i++) {
        free(t.dim[i]);
        if (i >= g->ninput)
            free(t.data[i]);
    }
    free(t.data);
    free(t.dim);
    free(t.workspace);
    nnp_scope_free(&quiet);
    return c->code;
}

int nnp_do_seconds(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    const nnp_seconds *sec = op->detail;
    nnp_session *s = c->session;
    double result = 0;
    int shared = !c->up && s->ranks > 1;
    if (shared)
        nnp_rank_meet(s); /* the others sleep from here on */
    if (!shared || !s->rank)
        measure(c, sec, data, dim, &result);
    if (shared) {
        nnp_text t = {0};
        nnp_text_bytes(&t, &result, sizeof result);
        nnp_rank_share(s, 0, &t);
        memcpy(&result, t.at, sizeof result);
        nnp_text_free(&t);
    }
    memcpy(data[sec->result], &result, sizeof result);
    return c->code;
}
