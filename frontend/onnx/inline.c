/* Calls of model-local functions are replaced by the function's nodes, so that nobody after the
 * loader knows functions.
 *
 * Names of a body become the call's: formal inputs and outputs are replaced by actual ones,
 * every other name gets the call's name in front ("block1/hidden"), which cannot meet an
 * existing name because a number is added until it is new. Subgraphs inside a body are copied by
 * the same renaming, so captures need no thought.  Attributes that refer to the function's
 * parameters take the call's value, else the function's default, else vanish.
 *
 * An output that is just an input, or the same value twice, has no node to rename: an Identity
 * node stands in. */
#include "frontend/onnx/load.h"
#include <string.h>

enum { MAX_NODES = 1 << 18 };

typedef NNC_BUF(nnc_onnx_node) node_list;

/* One call being expanded; NULL outside of functions. */
struct call {
    const nnc_onnx_func *f;
    const nnc_onnx_node *node; /* the call, its names already those of the graph it goes to */
    const char *prefix;
    NNC_BUF(nnc_sym) to; /* by name of the body: the name in the graph */
    NNC_BUF(uint8_t) known;
};

struct inliner {
    nnc_onnx_loader *ld;
    uint32_t nodes;
};

/* ---- names ----------------------------------------------------------------------------------- */

static void map(struct inliner *in, struct call *c, nnc_sym from, nnc_sym to)
{
    NNC_RESERVE(in->ld->a, &c->to, from.id + 1);
    NNC_RESERVE(in->ld->a, &c->known, from.id + 1);
    c->to.at[from.id] = to;
    c->known.at[from.id] = 1;
}

static bool is_mapped(const struct call *c, nnc_sym s)
{
    return s.id < c->known.cap && c->known.at[s.id];
}

/* A name nobody has: interning a new string gives an id beyond all before. */
static nnc_sym fresh(struct inliner *in, const char *prefix, const char *name)
{
    nnc_intern *t = in->ld->names;
    const char *s = nnc_arena_printf(in->ld->a, "%s/%s", prefix, name);
    for (unsigned i = 2;; i++) {
        uint32_t before = nnc_intern_count(t);
        nnc_sym sym = nnc_intern_put(t, s, strlen(s));
        if (sym.id > before)
            return sym;
        s = nnc_arena_printf(in->ld->a, "%s/%s_%u", prefix, name, i);
    }
}

static nnc_sym rename_one(struct inliner *in, struct call *c, nnc_sym s)
{
    if (!c || !s.id)
        return s;
    if (!is_mapped(c, s))
        map(in, c, s, fresh(in, c->prefix, nnc_intern_str(in->ld->names, s)));
    return c->to.at[s.id];
}

static const nnc_sym *rename_all(struct inliner *in, struct call *c, const nnc_sym *s, uint32_t n)
{
    nnc_sym *to = nnc_arena_array(in->ld->a, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++)
        to[i] = rename_one(in, c, s[i]);
    return to;
}

static const nnc_onnx_value *rename_values(struct inliner *in, struct call *c,
                                           const nnc_onnx_value *v, uint32_t n)
{
    nnc_onnx_value *to = nnc_arena_array(in->ld->a, n, sizeof *to);
    for (uint32_t i = 0; i < n; i++)
        to[i] = (nnc_onnx_value){rename_one(in, c, v[i].name), v[i].type};
    return to;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

static nnc_status expand_graph(struct inliner *in, struct call *c, const nnc_onnx_graph *from,
                               nnc_onnx_graph *to);

static const nnc_onnx_attr *resolve(const struct call *c, const nnc_onnx_attr *at)
{
    if (!at->ref)
        return at;
    if (!c)
        return NULL;
    const nnc_onnx_attr *given = nnc_onnx_node_attr(c->node, at->ref);
    for (uint32_t i = 0; !given && i < c->f->ndefault; i++)
        if (strcmp(c->f->dflt[i].name, at->ref) == 0)
            given = &c->f->dflt[i];
    return given;
}

static nnc_status copy_subgraphs(struct inliner *in, struct call *c, nnc_onnx_graph *g,
                                 nnc_onnx_attr *at)
{
    bool one = at->kind == NNC_ONNX_ATTR_graph;
    nnc_onnx_graph **list = nnc_arena_array(in->ld->a, at->n, sizeof *list);
    for (uint32_t i = 0; i < at->n; i++) {
        list[i] = nnc_arena_alloc(in->ld->a, sizeof *list[i]);
        NNC_TRY(expand_graph(in, c, one ? at->u.graph : at->u.graphs[i], list[i]));
        list[i]->parent = g;
    }
    if (one)
        at->u.graph = list[0];
    else
        at->u.graphs = list;
    return NNC_OK;
}

/* The node as it stands in graph `g`: names, attributes and subgraphs replaced. */
static nnc_status copy_node(struct inliner *in, struct call *c, const nnc_onnx_node *from,
                            nnc_onnx_graph *g, nnc_onnx_node *to)
{
    nnc_onnx_attr *attr = nnc_arena_array(in->ld->a, from->nattr, sizeof *attr);
    *to = *from;
    to->in = rename_all(in, c, from->in, from->nin);
    to->out = rename_all(in, c, from->out, from->nout);
    to->nattr = 0;
    for (uint32_t i = 0; i < from->nattr && !from->broken; i++) {
        const nnc_onnx_attr *at = resolve(c, &from->attr[i]);
        if (!at)
            continue;
        nnc_onnx_attr *copy = &attr[to->nattr++];
        *copy = *at;
        copy->name = from->attr[i].name;
        if (at->kind == NNC_ONNX_ATTR_graph || at->kind == NNC_ONNX_ATTR_graphs)
            NNC_TRY(copy_subgraphs(in, at == &from->attr[i] ? c : NULL, g, copy));
    }
    to->attr = attr;
    if (c) {
        const char *label =
            *from->name ? from->name : nnc_arena_printf(in->ld->a, "%s_%u", from->op, from->index);
        to->name = nnc_arena_printf(in->ld->a, "%s/%s", c->prefix, label);
        to->loc =
            nnc_loc_node(in->ld->diag, in->ld->path, to->name, to->op,
                         to->nout ? nnc_intern_str(in->ld->names, to->out[0]) : "", from->index);
    }
    return NNC_OK;
}

static void identity(struct inliner *in, const nnc_onnx_node *call, nnc_sym from, nnc_sym to,
                     node_list *list)
{
    nnc_sym *io = nnc_arena_array(in->ld->a, 2, sizeof *io);
    io[0] = from;
    io[1] = to;
    nnc_onnx_node n = {.name = call->name,
                       .loc = call->loc,
                       .op = "Identity",
                       .domain = "",
                       .overload = "",
                       .opset = 25,
                       .nin = 1,
                       .nout = 1,
                       .in = io,
                       .out = io + 1};
    n.schema = nnc_onnx_schema_find("", "Identity", n.opset);
    n.since = n.schema->since;
    NNC_PUSH(in->ld->a, list, n);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static nnc_status expand_node(struct inliner *in, struct call *c, const nnc_onnx_node *from,
                              nnc_onnx_graph *g, node_list *list);

static void bind(struct inliner *in, struct call *c)
{
    const nnc_onnx_graph *body = &c->f->body;
    const nnc_onnx_node *n = c->node;
    for (uint32_t i = 0; i < body->nin; i++)
        map(in, c, body->in[i].name, nnc_onnx_node_in(n, i));
    for (uint32_t i = 0; i < body->nout; i++)
        if (nnc_onnx_node_out(n, i).id && !is_mapped(c, body->out[i].name))
            map(in, c, body->out[i].name, nnc_onnx_node_out(n, i));
}

static nnc_status expand_call(struct inliner *in, nnc_onnx_func *f, const nnc_onnx_node *n,
                              nnc_onnx_graph *g, node_list *list)
{
    const char *prefix =
        *n->name ? n->name : nnc_arena_printf(in->ld->a, "%s_%u", f->name, n->index);
    struct call c = {.f = f, .node = n, .prefix = prefix};
    if (f->active)
        return nnc_error(
            in->ld->diag, n->loc,
            "function '%s' is recursive (it calls itself, directly or through others), "
            "which ONNX does not allow; use Loop",
            f->name);
    f->active = 1;
    bind(in, &c);
    for (uint32_t i = 0; i < f->body.nnode; i++)
        NNC_TRY(expand_node(in, &c, &f->body.node[i], g, list));
    for (uint32_t i = 0; i < f->body.nout; i++) {
        nnc_sym made = rename_one(in, &c, f->body.out[i].name), want = nnc_onnx_node_out(n, i);
        if (want.id && made.id && made.id != want.id)
            identity(in, n, made, want, list);
        else if (want.id && !made.id)
            nnc_error(in->ld->diag, n->loc,
                      "output %u of function '%s' is its input, which the call leaves out", i,
                      f->name);
    }
    f->active = 0;
    return NNC_OK;
}

static nnc_status expand_node(struct inliner *in, struct call *c, const nnc_onnx_node *from,
                              nnc_onnx_graph *g, node_list *list)
{
    nnc_onnx_node n;
    if (++in->nodes > MAX_NODES)
        return nnc_error(in->ld->diag, from->loc,
                         "the model has more than %d nodes after its functions are inlined",
                         MAX_NODES);
    NNC_TRY(copy_node(in, c, from, g, &n));
    nnc_onnx_func *f = n.broken ? NULL : nnc_onnx_func_find(in->ld, n.domain, n.op, n.overload);
    if (f)
        return expand_call(in, f, &n, g, list);
    NNC_PUSH(in->ld->a, list, n);
    return NNC_OK;
}

/* Nodes have their final place now, so what points at them can be set. */
static void settle(nnc_onnx_graph *g, node_list *list)
{
    for (uint32_t i = 0; i < list->n; i++) {
        nnc_onnx_node *n = &list->at[i];
        n->graph = g;
        n->index = i;
        for (uint32_t j = 0; j < n->nattr; j++) {
            const nnc_onnx_attr *at = &n->attr[j];
            if (at->kind == NNC_ONNX_ATTR_graph)
                at->u.graph->owner = n;
            for (uint32_t k = 0; at->kind == NNC_ONNX_ATTR_graphs && k < at->n; k++)
                at->u.graphs[k]->owner = n;
        }
    }
    g->node = list->at;
    g->nnode = list->n;
}

static nnc_status expand_graph(struct inliner *in, struct call *c, const nnc_onnx_graph *from,
                               nnc_onnx_graph *to)
{
    node_list list = {0};
    *to = *from;
    to->in = rename_values(in, c, from->in, from->nin);
    to->out = rename_values(in, c, from->out, from->nout);
    to->info = rename_values(in, c, from->info, from->ninfo);
    to->init_name = rename_all(in, c, from->init_name, from->ninit);
    nnc_onnx_graph_index(in->ld->a, to);
    for (uint32_t i = 0; i < from->nnode; i++)
        NNC_TRY(expand_node(in, c, &from->node[i], to, &list));
    settle(to, &list);
    return NNC_OK;
}

nnc_status nnc_onnx_inline(nnc_onnx_loader *ld)
{
    struct inliner in = {.ld = ld};
    nnc_onnx_graph *main = nnc_arena_alloc(ld->a, sizeof *main);
    if (!ld->func.n)
        return NNC_OK;
    NNC_TRY(expand_graph(&in, NULL, ld->m->graph, main));
    ld->m->graph = main;
    return NNC_OK;
}
