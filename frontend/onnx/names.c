/* Names and order.  Graphs are walked as they run: a name is visible after the input,
 * initializer or node that makes it, subgraphs see what their node sees.  Two arrays indexed by
 * name do it: `seen` (made already, and visible) and `later` (made by some node of a graph that
 * is open now, maybe further down).  Entering a graph changes entries, leaving it undoes them.
 *
 * An input that is not visible but in `later` is out of order, or part of a cycle; which of the
 * two is only worked out when it happens, by a depth-first search over the graph's nodes. */
#include "frontend/onnx/load.h"
#include <string.h>

enum { MAX_CYCLES = 8, MAX_SUGGESTIONS = 10, CYCLE_NAMES = 6 };

enum kind { NOTHING, INPUT, INIT, NODE };
struct def {
    enum kind kind;
    const nnc_onnx_graph *graph;
    const nnc_onnx_node *node;
};
struct undo {
    uint32_t id;
    struct def seen, later;
};
struct early {
    const nnc_onnx_node *user, *maker;
    nnc_sym name;
}; /* `user` stands before `maker` */

struct names {
    nnc_onnx_loader *ld;
    const nnc_onnx_func *func; /* whose body this is, or NULL */
    NNC_BUF(struct def) seen, later;
    NNC_BUF(struct undo) undo;
    NNC_BUF(struct early) early;
    NNC_BUF(uint32_t) reported; /* by name: undefined, said so already */
    unsigned suggestions;
};

static const char *str(const struct names *cx, nnc_sym s)
{
    return nnc_intern_str(cx->ld->names, s);
}

static struct def *slot(struct names *cx, nnc_sym s)
{
    nnc_arena *a = cx->ld->a;
    NNC_RESERVE(a, &cx->seen, s.id + 1);
    NNC_RESERVE(a, &cx->later, s.id + 1);
    NNC_RESERVE(a, &cx->reported, s.id + 1);
    if (cx->seen.n <= s.id)
        cx->seen.n = s.id + 1;
    return &cx->seen.at[s.id];
}

static void save(struct names *cx, nnc_sym s)
{
    struct def *d = slot(cx, s);
    NNC_PUSH(cx->ld->a, &cx->undo, (struct undo){s.id, *d, cx->later.at[s.id]});
}

static void restore(struct names *cx, uint32_t to)
{
    while (cx->undo.n > to) {
        const struct undo *u = &cx->undo.at[--cx->undo.n];
        cx->seen.at[u->id] = u->seen;
        cx->later.at[u->id] = u->later;
    }
}

static const char *maker_text(const struct names *cx, const struct def *d)
{
    return d->kind == INPUT  ? "a graph input"
           : d->kind == INIT ? "an initializer"
                             : nnc_loc_text_of(cx->ld->diag, d->node->loc);
}

/* ---- definitions ----------------------------------------------------------------------------- */

static void define(struct names *cx, const nnc_onnx_graph *g, nnc_sym s, enum kind kind,
                   const nnc_onnx_node *n)
{
    struct def *d = slot(cx, s);
    nnc_loc loc = n ? n->loc : g->loc;
    nnc_diag *diag = cx->ld->diag;
    if (!s.id)
        return;
    if (d->kind && d->graph == g)
        nnc_error(diag, loc,
                  kind == NODE ? "output '%s' is made already by %s; every name may be made once"
                  : kind == INIT
                      ? "initializer '%s' has the name of %s; every name may be given once"
                      : "graph input '%s' has the name of %s; every name may be given once",
                  str(cx, s),
                  d->kind == kind && kind == INPUT  ? "an earlier one"
                  : d->kind == kind && kind == INIT ? "an earlier one"
                                                    : maker_text(cx, d));
    else if (d->kind && cx->func)
        nnc_error(diag, loc,
                  "'%s' hides the name made by %s outside of this subgraph; give it another name",
                  str(cx, s), maker_text(cx, d));
    else if (d->kind)
        nnc_warning(diag, loc, "'%s' hides the name made by %s outside of this subgraph",
                    str(cx, s), maker_text(cx, d));
    save(cx, s);
    *slot(cx, s) = (struct def){kind, g, n};
}

static void announce(struct names *cx, const nnc_onnx_graph *g)
{
    for (uint32_t i = 0; i < g->nnode; i++)
        for (uint32_t j = 0; j < g->node[i].nout; j++) {
            nnc_sym s = g->node[i].out[j];
            if (!s.id)
                continue;
            save(cx, s);
            if (cx->later.at[s.id].graph != g)
                cx->later.at[s.id] = (struct def){NODE, g, &g->node[i]};
        }
}

/* ---- uses ------------------------------------------------------------------------------------ */

static const char *nearest(struct names *cx, const char *name)
{
    const char *best = NULL;
    unsigned limit = nnc_onnx_near(name);
    if (cx->suggestions++ >= MAX_SUGGESTIONS)
        return NULL;
    for (uint32_t id = 1; id < cx->seen.n; id++) {
        if (!cx->seen.at[id].kind)
            continue;
        const char *other = str(cx, (nnc_sym){id});
        unsigned d = nnc_onnx_distance(name, other, limit);
        if (d <= limit && d > 0) {
            best = other;
            limit = d - 1;
        }
    }
    return best;
}

/* "input 1 'W'", or 0 when it is defined; `what` is only read when it is not. */
static void use(struct names *cx, nnc_loc loc, const nnc_onnx_node *n, nnc_sym s, const char *what,
                uint32_t i)
{
    const struct def *d = slot(cx, s), *maker = &cx->later.at[s.id];
    if (!s.id || d->kind)
        return;
    if (maker->kind && n) {
        NNC_PUSH(cx->ld->a, &cx->early, (struct early){n, maker->node, s});
        return;
    }
    if (cx->reported.at[s.id]++)
        return;
    const char *near = nearest(cx, str(cx, s));
    if (near)
        nnc_error(cx->ld->diag, loc, "%s %u, '%s', is made by nobody; did you mean '%s'?", what, i,
                  str(cx, s), near);
    else
        nnc_error(cx->ld->diag, loc,
                  "%s %u, '%s', is made by nobody: no graph input, initializer or earlier node has "
                  "that name",
                  what, i, str(cx, s));
}

/* ---- cycles ---------------------------------------------------------------------------------- */

/* The graph's nodes and what each reads of the others, for a depth-first search: a node met
 * again while it is still on the path closes a cycle, which is the end of the path. */
struct search {
    struct names *cx;
    const nnc_onnx_graph *g;
    uint32_t *first; /* nnode + 1 positions in `maker` */
    NNC_BUF(uint32_t) maker;
    uint8_t *state; /* NEW, OPEN, DONE */
    uint8_t *in_cycle;
    uint32_t *path, *next; /* nodes on the path, and the edge each goes on with */
    int cycles;
};
enum { NEW, OPEN, DONE };

static void edge(struct search *q, nnc_sym s)
{
    if (!s.id || s.id >= q->cx->later.cap)
        return;
    const struct def *d = &q->cx->later.at[s.id];
    if (d->graph == q->g)
        NNC_PUSH(q->cx->ld->a, &q->maker, d->node->index);
}

/* Everything the node reads, inside its subgraphs too. */
static void edges_of(struct search *q, const nnc_onnx_node *n)
{
    for (uint32_t i = 0; i < n->nin; i++)
        edge(q, n->in[i]);
    for (uint32_t i = 0; i < n->nattr; i++) {
        const nnc_onnx_attr *at = &n->attr[i];
        uint32_t graphs = at->kind == NNC_ONNX_ATTR_graph    ? at->u.graph != NULL
                          : at->kind == NNC_ONNX_ATTR_graphs ? at->n
                                                             : 0;
        for (uint32_t k = 0; k < graphs; k++) {
            const nnc_onnx_graph *g =
                at->kind == NNC_ONNX_ATTR_graph ? at->u.graph : at->u.graphs[k];
            for (uint32_t j = 0; j < g->nnode; j++)
                edges_of(q, &g->node[j]);
            for (uint32_t j = 0; j < g->nout; j++)
                edge(q, g->out[j].name);
        }
    }
}

/* path[from..to] is a cycle: each reads what the next makes, the last reads the first. */
static void report_cycle(struct search *q, uint32_t from, uint32_t to)
{
    nnc_diag *diag = q->cx->ld->diag;
    const char *text = nnc_loc_text_of(diag, q->g->node[q->path[from]].loc);
    for (uint32_t i = from; i <= to; i++)
        if (q->in_cycle[q->path[i]])
            return;
    for (uint32_t i = from; i <= to; i++) {
        uint32_t maker = q->path[i < to ? i + 1 : from];
        q->in_cycle[q->path[i]] = 1;
        if (i - from < CYCLE_NAMES || i == to)
            text = nnc_arena_printf(q->cx->ld->a, "%s needs %s", text,
                                    nnc_loc_text_of(diag, q->g->node[maker].loc));
        else if (i - from == CYCLE_NAMES)
            text = nnc_arena_printf(q->cx->ld->a, "%s needs ..", text);
    }
    if (q->cycles++ < MAX_CYCLES)
        nnc_error(diag, q->g->node[q->path[from]].loc,
                  "the graph has a cycle: %s; carry state from run to run with a graph "
                  "output and an input, or use Loop or Scan",
                  text);
}

static void search_from(struct search *q, uint32_t node)
{
    uint32_t depth = 0;
    q->path[0] = node;
    q->next[0] = q->first[node];
    q->state[node] = OPEN;
    for (;;) {
        uint32_t at = q->path[depth];
        if (q->next[depth] == q->first[at + 1]) {
            q->state[at] = DONE;
            if (depth-- == 0)
                return;
            continue;
        }
        uint32_t maker = q->maker.at[q->next[depth]++];
        if (q->state[maker] == NEW) {
            q->state[maker] = OPEN;
            q->path[++depth] = maker;
            q->next[depth] = q->first[maker];
        } else if (q->state[maker] == OPEN) {
            uint32_t from = depth;
            while (q->path[from] != maker)
                from--;
            report_cycle(q, from, depth);
        }
    }
}

/* Uses before the definition, from number `from` on, whose maker is in `g`. */
static void report_early(struct names *cx, const nnc_onnx_graph *g, uint32_t from)
{
    nnc_arena *a = cx->ld->a;
    size_t n = g->nnode;
    struct search q = {.cx = cx,
                       .g = g,
                       .first = nnc_arena_array(a, n + 1, sizeof *q.first),
                       .state = nnc_arena_alloc(a, n),
                       .in_cycle = nnc_arena_alloc(a, n),
                       .path = nnc_arena_array(a, n, sizeof *q.path),
                       .next = nnc_arena_array(a, n, sizeof *q.next)};
    for (uint32_t i = 0; i < g->nnode; i++) {
        edges_of(&q, &g->node[i]);
        q.first[i + 1] = q.maker.n;
    }
    for (uint32_t i = 0; i < g->nnode; i++)
        if (q.state[i] == NEW)
            search_from(&q, i);
    const nnc_onnx_node *last = NULL;
    for (uint32_t i = from; i < cx->early.n; i++) {
        const struct early *e = &cx->early.at[i];
        if (e->user == last || e->maker->graph != g ||
            (e->user->graph == g && q.in_cycle[e->user->index] && q.in_cycle[e->maker->index]))
            continue;
        last = e->user;
        nnc_error(cx->ld->diag, e->user->loc,
                  "the nodes are out of order: this one reads '%s', which %s makes further down; "
                  "sort the graph (onnxsim does, or a Kahn sort over graph.node)",
                  str(cx, e->name), nnc_loc_text_of(cx->ld->diag, e->maker->loc));
    }
}

/* ---- graphs ---------------------------------------------------------------------------------- */

static void walk(struct names *cx, const nnc_onnx_graph *g);

static void walk_node(struct names *cx, const nnc_onnx_graph *g, const nnc_onnx_node *n)
{
    for (uint32_t i = 0; i < n->nin; i++)
        use(cx, n->loc, n, n->in[i], "input", i);
    for (uint32_t i = 0; i < n->nattr; i++) {
        const nnc_onnx_attr *at = &n->attr[i];
        if (at->kind == NNC_ONNX_ATTR_graph && at->u.graph)
            walk(cx, at->u.graph);
        for (uint32_t k = 0; at->kind == NNC_ONNX_ATTR_graphs && k < at->n; k++)
            walk(cx, at->u.graphs[k]);
    }
    for (uint32_t i = 0; i < n->nout; i++)
        define(cx, g, n->out[i], NODE, n);
}

static void check_outputs(struct names *cx, const nnc_onnx_graph *g)
{
    if (!g->nout && !g->parent && !cx->func)
        nnc_error(cx->ld->diag, g->loc,
                  "the graph has no outputs, so there is nothing to compute; name at least one");
    for (uint32_t i = 0; i < g->nout; i++) {
        nnc_sym s = g->out[i].name;
        if (!s.id)
            nnc_error(cx->ld->diag, g->loc, "graph output %u has no name", i);
        use(cx, g->loc, NULL, s, "graph output", i);
        for (uint32_t j = 0; !g->parent && !cx->func && g->nout < 1024 && j < i; j++)
            if (s.id && g->out[j].name.id == s.id)
                nnc_error(cx->ld->diag, g->loc,
                          "graph output '%s' is listed twice; copy it with Identity", str(cx, s));
    }
}

/* Those whose maker stands in an outer graph are left for that graph to report. */
static void settle_early(struct names *cx, const nnc_onnx_graph *g, uint32_t from)
{
    uint32_t kept = from;
    bool mine = false;
    for (uint32_t i = from; i < cx->early.n; i++)
        mine |= cx->early.at[i].maker->graph == g;
    if (mine)
        report_early(cx, g, from);
    for (uint32_t i = from; i < cx->early.n; i++)
        if (cx->early.at[i].maker->graph != g)
            cx->early.at[kept++] = cx->early.at[i];
    cx->early.n = kept;
}

static void walk(struct names *cx, const nnc_onnx_graph *g)
{
    uint32_t undo = cx->undo.n, early = cx->early.n;
    for (uint32_t i = 0; i < g->nin; i++) {
        if (!g->in[i].name.id)
            nnc_error(cx->ld->diag, g->loc, "graph input %u has no name", i);
        define(cx, g, g->in[i].name, INPUT, NULL);
    }
    for (uint32_t i = 0; i < g->ninit; i++)
        define(cx, g, g->init_name[i], INIT, NULL);
    announce(cx, g);
    for (uint32_t i = 0; i < g->nnode; i++)
        walk_node(cx, g, &g->node[i]);
    check_outputs(cx, g);
    settle_early(cx, g, early);
    restore(cx, undo);
}

void nnc_onnx_check_names(nnc_onnx_loader *ld, const nnc_onnx_graph *g,
                          const nnc_onnx_func *in_func)
{
    struct names cx = {.ld = ld, .func = in_func};
    walk(&cx, g);
}
