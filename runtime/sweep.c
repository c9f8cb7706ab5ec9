/* Sweeps: a grid of points, each a run of a compiled graph.
 *
 * Threads take points by number; each has its own workspace, and results go straight to their place in the stacked
 * tensors.  What points tell is kept and retold in the order of the grid, as far as it is complete.  When a point fails no
 * further ones are begun, but those before it are finished, so the sweep always stops at the same one.  With MPI, rank r
 * runs the points p with p mod ranks = r, then everybody gets everything.  A sweep within a point runs in its thread. */
#include "session.h"
#include "mpi_rank.h"
#include "value.h"
#include <stdlib.h>
#include <string.h>

typedef enum point_state { WAITING, DONE, SHOWN } point_state;

typedef struct sweep_run {
    nnp_scope *c;
    const nnp_sweep *w;
    void *const *data;
    const size_t *const *dim;
    size_t total, count[NNP_MAX_RANK];
    size_t *leaf;       /* [nresult] bytes of one point */
    nnp_scope *scope;   /* [total] */
    point_state *state; /* [total] */
    int mine, step;     /* this process takes mine, mine + step, .. */
    int stream;         /* retell while running */
    double start;
    pthread_mutex_t lock; /* of all below */
    size_t next, done, shown;
    int stop;
} sweep_run;

typedef struct worker { /* the frame one thread runs points in */
    sweep_run *r;
    void **data;
    size_t **dim;
    size_t (*sizes)[NNP_MAX_RANK];
    int64_t index[NNP_MAX_RANK];
    void **spare; /* [nresult] room for outputs whose bound is above their size */
    void *workspace;
    pthread_t thread;
} worker;

static const nnp_graph *graph_of(const sweep_run *r, int variant)
{
    return &r->c->session->program->graph[r->w->variant[variant].graph];
}

/* ---- the grid ---- */

static int measure_grid(sweep_run *r)
{
    const nnp_sweep *w = r->w;
    r->total = 1;
    if (w->nhead > NNP_MAX_RANK)
        return nnp_stop(r->c, NNP_SYSTEM, "a sweep over more than %d axes", NNP_MAX_RANK);
    for (int h = 0; h < w->nhead; h++) {
        const nnp_head *head = &w->head[h];
        r->count[h] = head->count >= 0 ? (size_t)head->count : r->dim[head->at][0];
        r->total *= r->count[h];
    }
    r->leaf = nnp_alloc(sizeof *r->leaf * (size_t)w->nresult);
    for (int k = 0; k < w->nresult; k++) {
        nnp_tensor t = graph_of(r, 0)->output[k];
        for (int d = 0; d < t.rank; d++)
            t.dim[d] = r->dim[w->noperand + k][w->nhead + d];
        r->leaf[k] = nnp_tensor_bytes(&t);
    }
    return 0;
}

/* Where point `i` lies, and its variant. */
static int locate(const sweep_run *r, size_t i, int64_t *index)
{
    int variant = 0;
    for (int h = r->w->nhead; h-- > 0;) {
        index[h] = (int64_t)(i % r->count[h]);
        i /= r->count[h];
    }
    for (int h = 0; h < r->w->nhead; h++)
        if (r->w->head[h].choose)
            variant = variant * (int)r->count[h] + (int)index[h];
    return variant;
}

static void name_point(const sweep_run *r, const int64_t *index, nnp_scope *c)
{
    nnp_text value = {0};
    nnp_text_add(&c->place, nnp_text_str(&c->up->place));
    nnp_text_add(&c->place_json, nnp_text_str(&c->up->place_json));
    for (int h = 0; h < r->w->nhead; h++) {
        const nnp_axis *a = &r->w->head[h].label;
        double number;
        if (!a->name)
            continue;
        nnp_text_clear(&value);
        nnp_axis_place(a, (size_t)index[h], r->data, &value);
        nnp_text_printf(&c->place, "%s%s = %s", c->place.n ? ", " : "", a->name, value.at);
        nnp_text_add(&c->place_json, c->place_json.n ? ", " : "");
        nnp_text_json(&c->place_json, a->name);
        nnp_text_add(&c->place_json, ": ");
        if (nnp_axis_number(a, (size_t)index[h], r->data, &number))
            nnp_text_json_number(&c->place_json, number);
        else
            nnp_text_json(&c->place_json, value.at);
    }
    nnp_text_free(&value);
}

/* ---- one point ---- */

static void set_input(worker *k, int at, const nnp_input *in, const nnp_tensor *t)
{
    const sweep_run *r = k->r;
    size_t bytes = 1;
    for (int d = 0; d < t->rank; d++)
        k->dim[at][d] = r->dim[in->at][d + (in->source == NNP_SLICE)];
    if (in->source == NNP_CAPTURE) {
        k->data[at] = r->data[in->at];
        return;
    }
    nnp_tensor slice = *t;
    memcpy(slice.dim, k->dim[at], sizeof slice.dim);
    bytes = nnp_tensor_bytes(&slice);
    k->data[at] = (char *)r->data[in->at] + (size_t)k->index[in->axis] * bytes;
}

static void set_frame(worker *k, size_t i, int variant)
{
    const sweep_run *r = k->r;
    const nnp_graph *g = graph_of(r, variant);
    for (int a = 0; a < g->ninput; a++) {
        const nnp_input *in = &r->w->variant[variant].input[a];
        if (in->source == NNP_INDEX)
            k->data[a] = &k->index[in->axis];
        else
            set_input(k, a, in, &g->input[a]);
    }
    for (int o = 0; o < g->noutput; o++) {
        const nnp_tensor *t = &g->output[o];
        memcpy(k->dim[g->ninput + o], t->dim, sizeof t->dim);
        int fits = nnp_tensor_bytes(t) == r->leaf[o];
        k->data[g->ninput + o] =
            fits ? (char *)r->data[r->w->noperand + o] + i * r->leaf[o] : k->spare[o];
    }
}

/* Outputs that went to spare room: their sizes must be those of the stacked result. */
static void collect(worker *k, size_t i, int variant, nnp_scope *c)
{
    const sweep_run *r = k->r;
    const nnp_graph *g = graph_of(r, variant);
    for (int o = 0; o < g->noutput; o++) {
        nnp_tensor t = g->output[o];
        memcpy(t.dim, k->dim[g->ninput + o], sizeof t.dim);
        if (nnp_tensor_bytes(&t) != r->leaf[o]) {
            nnp_stop(c, NNP_SYSTEM, "points of a sweep gave values of different sizes%s%s%s",
                     c->place.n ? " (" : "", nnp_text_str(&c->place), c->place.n ? ")" : "");
            return;
        }
        void *to = (char *)r->data[r->w->noperand + o] + i * r->leaf[o];
        if (to != k->data[g->ninput + o])
            memcpy(to, k->data[g->ninput + o], r->leaf[o]);
    }
}

static void run_point(worker *k, size_t i)
{
    sweep_run *r = k->r;
    nnp_scope *c = &r->scope[i];
    int variant = locate(r, i, k->index);
    c->session = r->c->session;
    c->up = r->c;
    name_point(r, k->index, c);
    set_frame(k, i, variant);
    if (!nnp_graph_run(c, graph_of(r, variant), k->data, k->dim, k->workspace))
        collect(k, i, variant, c);
}

/* ---- threads ---- */

static void show_progress(const sweep_run *r)
{
    if (r->c->up || !r->c->session->progress)
        return;
    enum { WIDTH = 24 };
    size_t all = (r->total - (size_t)r->mine + (size_t)r->step - 1) / (size_t)r->step;
    double spent = nnp_now() - r->start;
    nnp_text line = {0};
    int full = all ? (int)(r->done * WIDTH / all) : 0;
    nnp_text_add(&line, "  sweep [");
    nnp_text_fill(&line, '#', (size_t)full);
    nnp_text_fill(&line, '.', (size_t)(WIDTH - full));
    nnp_text_printf(&line, "] %zu of %zu, ", r->done, all);
    nnp_seconds_text(spent, &line);
    if (r->done) {
        nnp_text_add(&line, ", ");
        nnp_seconds_text(spent / (double)r->done * (double)(all - r->done), &line);
        nnp_text_add(&line, " left");
    }
    nnp_progress(r->c->session, line.at);
    nnp_text_free(&line);
}

static void forget(nnp_scope *c)
{
    nnp_text_free(&c->told);
    nnp_text_free(&c->place);
    nnp_text_free(&c->place_json);
}

/* Retell the points that are complete, up to and with the first that failed. */
static void retell(sweep_run *r)
{
    while (r->shown < r->total && r->state[r->shown] == DONE) {
        nnp_scope *c = &r->scope[r->shown];
        nnp_retell(r->c, &c->told);
        forget(c);
        if (c->code)
            return;
        r->state[r->shown++] = SHOWN;
    }
}

static void *work(void *argument)
{
    worker *k = argument;
    sweep_run *r = k->r;
    pthread_mutex_lock(&r->lock);
    while (r->next < r->total && !r->stop && !nnp_interrupted) {
        size_t i = r->next;
        r->next += (size_t)r->step;
        pthread_mutex_unlock(&r->lock);
        run_point(k, i);
        pthread_mutex_lock(&r->lock);
        r->state[i] = DONE;
        r->done++;
        r->stop |= r->scope[i].code != 0;
        if (r->stream)
            retell(r);
        show_progress(r);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

static void worker_free(worker *k)
{
    for (int o = 0; k->spare && o < k->r->w->nresult; o++)
        free(k->spare[o]);
    free(k->spare);
    free(k->data);
    free(k->dim);
    free(k->sizes);
    free(k->workspace);
}

/* 0 when there is no memory for another one. */
static int worker_make(worker *k, sweep_run *r)
{
    size_t n = 0, bytes = 0;
    k->r = r;
    for (int v = 0; v < r->w->nvariant; v++) {
        const nnp_graph *g = graph_of(r, v);
        size_t need = (size_t)(g->ninput + g->noutput);
        n = need > n ? need : n;
        bytes = g->workspace > bytes ? g->workspace : bytes;
    }
    k->data = nnp_alloc(sizeof *k->data * n);
    k->dim = nnp_alloc(sizeof *k->dim * n);
    k->sizes = nnp_alloc(sizeof *k->sizes * n);
    for (size_t i = 0; i < n; i++)
        k->dim[i] = k->sizes[i];
    k->spare = nnp_alloc(sizeof *k->spare * (size_t)r->w->nresult);
    for (int o = 0; o < r->w->nresult; o++) {
        size_t most = 0;
        for (int v = 0; v < r->w->nvariant; v++) {
            size_t b = nnp_tensor_bytes(&graph_of(r, v)->output[o]);
            most = b > most && b != r->leaf[o] ? b : most;
        }
        if (most && !(k->spare[o] = nnp_workspace(most)))
            return 0;
    }
    return (k->workspace = nnp_workspace(bytes)) != NULL;
}

static void run_points(sweep_run *r, int threads)
{
    worker *k = nnp_alloc(sizeof *k * (size_t)threads);
    int ready = 0, begun = 1;
    while (ready < threads && worker_make(&k[ready], r))
        ready++;
    if (ready < threads)
        worker_free(&k[ready]);
    if (!ready)
        nnp_stop(r->c, NNP_SYSTEM, "out of memory for a point of a sweep");
    r->start = nnp_now();
    show_progress(r);
    for (; begun < ready; begun++)
        if (pthread_create(&k[begun].thread, NULL, work, &k[begun]))
            break;
    if (ready)
        work(&k[0]);
    for (int t = 1; t < begun; t++)
        pthread_join(k[t].thread, NULL);
    for (int t = 0; t < ready; t++)
        worker_free(&k[t]);
    free(k);
    if (!r->c->up)
        nnp_progress(r->c->session, NULL);
}

/* ---- ranks ---- */

static void pack(const sweep_run *r, nnp_text *t)
{
    for (size_t i = 0; i < r->total; i++) {
        const nnp_scope *c = &r->scope[i];
        int mine = i >= (size_t)r->mine && (i - (size_t)r->mine) % (size_t)r->step == 0;
        if (r->state[i] != DONE || !mine)
            continue;
        uint64_t head[4] = {i, (uint64_t)c->code, c->told.n, c->error.n};
        nnp_text_bytes(t, head, sizeof head);
        nnp_text_bytes(t, nnp_text_str(&c->told), c->told.n);
        nnp_text_bytes(t, nnp_text_str(&c->error), c->error.n);
        for (int o = 0; o < r->w->nresult; o++)
            nnp_text_bytes(t, (char *)r->data[r->w->noperand + o] + i * r->leaf[o], r->leaf[o]);
    }
}

static void unpack(sweep_run *r, const nnp_text *t)
{
    for (const char *p = t->at; t->n && p < t->at + t->n;) {
        uint64_t head[4];
        memcpy(head, p, sizeof head);
        p += sizeof head;
        size_t i = (size_t)head[0];
        nnp_scope *c = &r->scope[i];
        r->state[i] = DONE;
        c->code = (int)head[1];
        nnp_text_bytes(&c->told, p, (size_t)head[2]);
        nnp_text_bytes(&c->error, p + head[2], (size_t)head[3]);
        p += head[2] + head[3];
        for (int o = 0; o < r->w->nresult; o++) {
            memcpy((char *)r->data[r->w->noperand + o] + i * r->leaf[o], p, r->leaf[o]);
            p += r->leaf[o];
        }
    }
}

static void exchange(sweep_run *r)
{
    nnp_session *s = r->c->session;
    for (int from = 0; from < s->ranks; from++) {
        nnp_text t = {0};
        if (from == s->rank)
            pack(r, &t);
        nnp_rank_share(s, from, &t);
        if (from != s->rank)
            unpack(r, &t);
        nnp_text_free(&t);
    }
}

/* ---- the sweep ---- */

static void finish(sweep_run *r)
{
    nnp_scope *c = r->c;
    retell(r);
    if (r->shown < r->total && !c->code) {
        nnp_scope *bad = &r->scope[r->shown];
        if (nnp_interrupted || !bad->code)
            nnp_stop(c, NNP_INTERRUPTED, "interrupted after %zu of %zu points of a sweep", r->shown,
                     r->total);
        else
            nnp_stop(c, bad->code, "%s", nnp_text_str(&bad->error));
    }
    for (size_t i = 0; i < r->total; i++)
        nnp_scope_free(&r->scope[i]);
    free(r->scope);
    free(r->state);
    free(r->leaf);
    pthread_mutex_destroy(&r->lock);
}

int nnp_do_sweep(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    nnp_session *s = c->session;
    sweep_run r = {.c = c, .w = op->detail, .data = data, .dim = dim, .step = 1};
    if (!r.w->nvariant)
        return 0;
    if (measure_grid(&r)) {
        free(r.leaf);
        return c->code;
    }
    int dealt = !c->up && s->ranks > 1;
    r.scope = nnp_alloc(sizeof *r.scope * r.total);
    r.state = nnp_alloc(sizeof *r.state * r.total);
    r.stream = !dealt;
    pthread_mutex_init(&r.lock, NULL);
    if (dealt) {
        r.mine = s->rank;
        r.step = s->ranks;
    }
    if (dealt && r.w->alone) {
        r.mine = s->rank ? (int)r.total : 0;
        r.step = 1;
    }
    r.next = (size_t)r.mine;
    size_t mine = r.next < r.total ? (r.total - r.next - 1) / (size_t)r.step + 1 : 0;
    int threads = c->up || r.w->alone ? 1 : s->options.threads;
    threads = (size_t)threads > mine ? (int)mine : threads;
    if (threads)
        run_points(&r, threads);
    if (dealt)
        exchange(&r);
    finish(&r);
    return c->code;
}
