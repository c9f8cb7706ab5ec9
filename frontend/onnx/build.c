/* From the unpacked message to the structures of model.h: names interned, types and tensors
 * decoded, attributes sorted out, the schema in force looked up for every node.  Only what makes
 * a single record wrong is reported here; how records fit together is left to check.c, names.c
 * and types.c.
 *
 * Nodes of subgraphs and functions get a place as their file name ("net.onnx: in then_branch of
 * node 'If_3'"), so every later message says where to look without further work. */
#include "frontend/onnx/load.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { NEWEST_IR = 14 };

/* What is being built: a message's place, the opsets in force. */
struct place {
    const char *path;
    nnc_loc loc;
};

static const char *domain_of(const char *s)
{
    return !s || strcmp(s, "ai.onnx") == 0 ? "" : s;
}

static const nnc_sym *intern_all(nnc_onnx_loader *ld, char **s, size_t n)
{
    nnc_sym *to = nnc_arena_array(ld->a, n, sizeof *to);
    for (size_t i = 0; i < n; i++)
        to[i] = nnc_onnx_intern(ld, s[i]);
    return to;
}

int64_t nnc_onnx_opset_of(const nnc_onnx_loader *ld, const char *domain)
{
    for (uint32_t i = 0; i < ld->nopset; i++)
        if (strcmp(ld->opset[i].domain, domain) == 0)
            return ld->opset[i].version;
    for (uint32_t i = 0; ld->opset != ld->m->opset && i < ld->m->nopset; i++)
        if (strcmp(ld->m->opset[i].domain, domain) == 0)
            return ld->m->opset[i].version;
    return 0;
}

/* ---- attributes ------------------------------------------------------------------------------ */

static const char *const kind_names[] = {"nothing",        "a float", "an int", "a string",
                                         "a tensor",       "a graph", "floats", "ints",
                                         "strings",        "tensors", "graphs", "a sparse tensor",
                                         "sparse tensors", "a type",  "types"};
enum { KINDS = sizeof kind_names / sizeof *kind_names };

const char *nnc_onnx_attr_kind_str(nnc_onnx_attr_kind k)
{
    return kind_names[k];
}

/* What the message carries, whatever its `type` field says; none when nothing. */
static nnc_onnx_attr_kind carried(const Onnx__AttributeProto *p)
{
    return p->has_f              ? NNC_ONNX_ATTR_float
           : p->has_i            ? NNC_ONNX_ATTR_int
           : p->has_s            ? NNC_ONNX_ATTR_string
           : p->t                ? NNC_ONNX_ATTR_tensor
           : p->g                ? NNC_ONNX_ATTR_graph
           : p->n_floats         ? NNC_ONNX_ATTR_floats
           : p->n_ints           ? NNC_ONNX_ATTR_ints
           : p->n_strings        ? NNC_ONNX_ATTR_strings
           : p->n_tensors        ? NNC_ONNX_ATTR_tensors
           : p->n_graphs         ? NNC_ONNX_ATTR_graphs
           : p->sparse_tensor    ? NNC_ONNX_ATTR_sparse
           : p->n_sparse_tensors ? NNC_ONNX_ATTR_sparses
           : p->tp               ? NNC_ONNX_ATTR_type
           : p->n_type_protos    ? NNC_ONNX_ATTR_types
                                 : NNC_ONNX_ATTR_none;
}

static bool carries(const Onnx__AttributeProto *p, nnc_onnx_attr_kind k)
{
    const bool has[KINDS] = {false,
                             p->has_f,
                             p->has_i,
                             p->has_s,
                             p->t,
                             p->g,
                             p->n_floats,
                             p->n_ints,
                             p->n_strings,
                             p->n_tensors,
                             p->n_graphs,
                             p->sparse_tensor,
                             p->n_sparse_tensors,
                             p->tp,
                             p->n_type_protos};
    return has[k];
}

static nnc_onnx_graph *build_graph(nnc_onnx_loader *ld, const struct place *at,
                                   const Onnx__GraphProto *p, nnc_onnx_graph *parent,
                                   const nnc_onnx_node *owner);

struct attr_cx {
    nnc_onnx_loader *ld;
    const struct place *at; /* of the graph */
    nnc_loc loc;            /* of the node */
    nnc_onnx_graph *graph;
    const nnc_onnx_node *node; /* NULL: a function's default */
};

static nnc_onnx_graph *attr_graph(struct attr_cx *cx, const char *name, const Onnx__GraphProto *p)
{
    struct place in = {nnc_arena_printf(cx->ld->a, "%s: in %s of %s", cx->at->path, name,
                                        nnc_loc_text_of(cx->ld->diag, cx->loc)),
                       {0}};
    in.loc = nnc_loc_file(cx->ld->diag, in.path);
    return build_graph(cx->ld, &in, p, cx->graph, cx->node);
}

static nnc_status attr_tensors(struct attr_cx *cx, const char *what, Onnx__TensorProto *const *p,
                               Onnx__SparseTensorProto *const *sparse, size_t n, nnc_onnx_attr *to)
{
    nnc_onnx_tensor *t = nnc_arena_array(cx->ld->a, n, sizeof *t);
    const nnc_onnx_tensor **list = nnc_arena_array(cx->ld->a, n, sizeof *list);
    nnc_status status = NNC_OK;
    for (size_t i = 0; i < n; i++) {
        list[i] = &t[i];
        if ((p ? nnc_onnx_tensor_read(cx->ld, cx->loc, what, p[i], &t[i])
               : nnc_onnx_sparse_read(cx->ld, cx->loc, what, sparse[i], &t[i])) != NNC_OK)
            status = NNC_ERR;
    }
    to->n = (uint32_t)n;
    if (to->kind == NNC_ONNX_ATTR_tensor || to->kind == NNC_ONNX_ATTR_sparse)
        to->u.tensor = &t[0];
    else
        to->u.tensors = list;
    return status;
}

static void attr_strings(nnc_onnx_loader *ld, const ProtobufCBinaryData *s, size_t n,
                         nnc_onnx_attr *to)
{
    nnc_onnx_str *list = nnc_arena_array(ld->a, n, sizeof *list);
    for (size_t i = 0; i < n; i++)
        list[i] = (nnc_onnx_str){nnc_arena_copy(ld->a, s[i].data, s[i].len), s[i].len};
    to->n = (uint32_t)n;
    to->u.strings = list;
}

static void attr_lists(struct attr_cx *cx, const char *what, const Onnx__AttributeProto *p,
                       nnc_onnx_attr *to)
{
    nnc_onnx_loader *ld = cx->ld;
    if (to->kind == NNC_ONNX_ATTR_graphs) {
        nnc_onnx_graph **list = nnc_arena_array(ld->a, p->n_graphs, sizeof *list);
        for (size_t i = 0; i < p->n_graphs; i++)
            list[i] = attr_graph(cx, to->name, p->graphs[i]);
        to->n = (uint32_t)p->n_graphs;
        to->u.graphs = list;
    } else {
        const nnc_onnx_type **list = nnc_arena_array(ld->a, p->n_type_protos, sizeof *list);
        for (size_t i = 0; i < p->n_type_protos; i++)
            list[i] = nnc_onnx_type_build(ld, cx->loc, what, p->type_protos[i]);
        to->n = (uint32_t)p->n_type_protos;
        to->u.types = list;
    }
}

/* A single float, int or string of value 0 may be left out of the message altogether; a tensor,
 * graph or type may not. */
static void attr_value(struct attr_cx *cx, const char *what, const Onnx__AttributeProto *p,
                       nnc_onnx_attr *to)
{
    nnc_onnx_loader *ld = cx->ld;
    to->n = 1;
    switch (to->kind) {
    case NNC_ONNX_ATTR_float: to->u.f = p->f; return;
    case NNC_ONNX_ATTR_int: to->u.i = p->i; return;
    case NNC_ONNX_ATTR_string:
        to->u.s = (nnc_onnx_str){nnc_arena_copy(ld->a, p->s.data, p->s.len), p->s.len};
        return;
    case NNC_ONNX_ATTR_floats:
        to->n = (uint32_t)p->n_floats;
        to->u.floats = p->floats;
        return;
    case NNC_ONNX_ATTR_ints:
        to->n = (uint32_t)p->n_ints;
        to->u.ints = p->ints;
        return;
    case NNC_ONNX_ATTR_strings: attr_strings(ld, p->strings, p->n_strings, to); return;
    case NNC_ONNX_ATTR_tensor: attr_tensors(cx, what, &p->t, NULL, 1, to); return;
    case NNC_ONNX_ATTR_sparse: attr_tensors(cx, what, NULL, &p->sparse_tensor, 1, to); return;
    case NNC_ONNX_ATTR_tensors: attr_tensors(cx, what, p->tensors, NULL, p->n_tensors, to); return;
    case NNC_ONNX_ATTR_sparses:
        attr_tensors(cx, what, NULL, p->sparse_tensors, p->n_sparse_tensors, to);
        return;
    case NNC_ONNX_ATTR_graph: to->u.graph = attr_graph(cx, to->name, p->g); return;
    case NNC_ONNX_ATTR_type: to->u.type = nnc_onnx_type_build(ld, cx->loc, what, p->tp); return;
    default: attr_lists(cx, what, p, to); return;
    }
}

static bool may_be_left_out(nnc_onnx_attr_kind k)
{
    return k != NNC_ONNX_ATTR_tensor && k != NNC_ONNX_ATTR_graph && k != NNC_ONNX_ATTR_sparse &&
           k != NNC_ONNX_ATTR_type;
}

static nnc_status build_attr(struct attr_cx *cx, const Onnx__AttributeProto *p, nnc_onnx_attr *to)
{
    nnc_diag *diag = cx->ld->diag;
    const char *what = nnc_arena_printf(cx->ld->a, "attribute '%s'", nnc_onnx_text(p->name));
    nnc_onnx_attr_kind has = carried(p);
    *to = (nnc_onnx_attr){.name = nnc_onnx_text(p->name)};
    if (!*to->name)
        return nnc_error(diag, cx->loc, "an attribute has no name");
    if (p->type < 0 || p->type >= KINDS)
        return nnc_error(diag, cx->loc,
                         "%s has type %" PRId32 ", which is not one of ONNX's (1..%d)", what,
                         p->type, KINDS - 1);
    to->kind = p->type ? (nnc_onnx_attr_kind)p->type : has;
    if (p->ref_attr_name && *p->ref_attr_name) {
        to->ref = p->ref_attr_name;
        return NNC_OK;
    }
    if (to->kind == NNC_ONNX_ATTR_none)
        return nnc_error(diag, cx->loc, "%s has neither a type nor a value", what);
    if (!carries(p, to->kind) && (has != NNC_ONNX_ATTR_none || !may_be_left_out(to->kind)))
        return nnc_error(diag, cx->loc, "%s says it is %s but carries %s", what,
                         kind_names[to->kind], kind_names[has]);
    attr_value(cx, what, p, to);
    return NNC_OK;
}

static const nnc_onnx_attr *build_attrs(struct attr_cx *cx, Onnx__AttributeProto *const *p,
                                        size_t n)
{
    nnc_onnx_attr *to = nnc_arena_array(cx->ld->a, n, sizeof *to);
    for (size_t i = 0; i < n; i++)
        build_attr(cx, p[i], &to[i]);
    for (size_t i = 1; i < n; i++)
        for (size_t j = 0; n < 256 && j < i; j++)
            if (to[i].name && strcmp(to[i].name, to[j].name) == 0) {
                nnc_error(cx->ld->diag, cx->loc, "attribute '%s' is given twice", to[i].name);
                break;
            }
    return to;
}

/* ---- graphs ---------------------------------------------------------------------------------- */

static void build_node(nnc_onnx_loader *ld, const struct place *at, const Onnx__NodeProto *p,
                       nnc_onnx_graph *g, uint32_t index, nnc_onnx_node *n)
{
    n->name = nnc_onnx_text(p->name);
    n->op = nnc_onnx_text(p->op_type);
    n->domain = domain_of(p->domain);
    n->overload = nnc_onnx_text(p->overload);
    n->index = index;
    n->graph = g;
    n->nin = (uint32_t)p->n_input;
    n->nout = (uint32_t)p->n_output;
    n->nattr = (uint32_t)p->n_attribute;
    n->in = intern_all(ld, p->input, p->n_input);
    n->out = intern_all(ld, p->output, p->n_output);
    n->loc = nnc_loc_node(ld->diag, at->path, n->name, n->op,
                          n->nout ? nnc_onnx_text(p->output[0]) : "", index);
    n->opset = (int)nnc_onnx_opset_of(ld, n->domain);
    n->schema = nnc_onnx_schema_find(n->domain, n->op, n->opset);
    n->since = n->schema ? n->schema->since : 0;
    struct attr_cx cx = {ld, at, n->loc, g, n};
    unsigned before = nnc_diag_errors(ld->diag) - ld->node_errors;
    n->attr = build_attrs(&cx, p->attribute, p->n_attribute);
    unsigned own = nnc_diag_errors(ld->diag) - ld->node_errors - before;
    n->broken = own > 0;
    ld->node_errors += own;
}

static void build_inits(nnc_onnx_loader *ld, const struct place *at, const Onnx__GraphProto *p,
                        nnc_onnx_graph *g)
{
    size_t n = p->n_initializer + p->n_sparse_initializer;
    nnc_onnx_tensor *t = nnc_arena_array(ld->a, n, sizeof *t);
    nnc_sym *name = nnc_arena_array(ld->a, n, sizeof *name);
    for (size_t i = 0; i < n; i++) {
        const Onnx__SparseTensorProto *sparse =
            i < p->n_initializer ? NULL : p->sparse_initializer[i - p->n_initializer];
        const Onnx__TensorProto *dense = sparse ? sparse->values : p->initializer[i];
        const char *s = dense ? nnc_onnx_text(dense->name) : "",
                   *what = nnc_arena_printf(ld->a, "initializer '%s'", s);
        name[i] = nnc_onnx_intern(ld, s);
        if (!*s)
            nnc_error(ld->diag, at->loc, "initializer #%zu has no name, so no node can use it", i);
        if (sparse)
            nnc_onnx_sparse_read(ld, at->loc, what, sparse, &t[i]);
        else
            nnc_onnx_tensor_read(ld, at->loc, what, dense, &t[i]);
    }
    g->ninit = (uint32_t)n;
    g->init = t;
    g->init_name = name;
}

static int by_id(const void *a, const void *b)
{
    const nnc_onnx_named *x = a, *y = b;
    return x->name.id != y->name.id ? (x->name.id > y->name.id) - (x->name.id < y->name.id)
                                    : (x->at > y->at) - (x->at < y->at);
}

/* Sorted by name, so that looking one up is a binary search. */
void nnc_onnx_graph_index(nnc_arena *a, nnc_onnx_graph *g)
{
    nnc_onnx_named *init = nnc_arena_array(a, g->ninit, sizeof *init);
    nnc_onnx_named *type = nnc_arena_array(a, (size_t)g->nin + g->nout + g->ninfo, sizeof *type);
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->ninit; i++)
        init[i] = (nnc_onnx_named){g->init_name[i], i, NULL};
    const struct {
        const nnc_onnx_value *v;
        uint32_t n;
    } lists[] = {{g->in, g->nin}, {g->out, g->nout}, {g->info, g->ninfo}};
    for (int l = 0; l < 3; l++)
        for (uint32_t i = 0; i < lists[l].n; i++, n++)
            type[n] = (nnc_onnx_named){lists[l].v[i].name, n, lists[l].v[i].type};
    qsort(init, g->ninit, sizeof *init, by_id);
    qsort(type, n, sizeof *type, by_id);
    g->init_index = init;
    g->type_index = type;
    g->ntype = n;
}

/* Old models list every weight among the inputs as well; it is a constant all the same. */
static void drop_constant_inputs(nnc_onnx_loader *ld, nnc_onnx_graph *g)
{
    nnc_onnx_value *in = nnc_arena_array(ld->a, g->nin, sizeof *in);
    nnc_onnx_value *info = nnc_arena_array(ld->a, (size_t)g->nin + g->ninfo, sizeof *info);
    uint32_t n = 0, ninfo = g->ninfo;
    if (ninfo)
        memcpy(info, g->info, ninfo * sizeof *info);
    for (uint32_t i = 0; i < g->nin; i++)
        if (nnc_onnx_graph_init(g, g->in[i].name))
            info[ninfo++] = g->in[i];
        else
            in[n++] = g->in[i];
    g->in = in;
    g->nin = n;
    g->info = info;
    g->ninfo = ninfo;
}

static void fill_graph(nnc_onnx_loader *ld, const struct place *at, const Onnx__GraphProto *p,
                       nnc_onnx_graph *g)
{
    g->name = nnc_onnx_text(p->name);
    g->loc = at->loc;
    bool main = !g->parent;
    g->in = nnc_onnx_values_build(ld, at->loc, "graph input", p->input, p->n_input, main);
    g->out = nnc_onnx_values_build(ld, at->loc, "graph output", p->output, p->n_output, false);
    g->info =
        nnc_onnx_values_build(ld, at->loc, "value_info of", p->value_info, p->n_value_info, false);
    g->nin = (uint32_t)p->n_input;
    g->nout = (uint32_t)p->n_output;
    g->ninfo = (uint32_t)p->n_value_info;
    build_inits(ld, at, p, g);
    nnc_onnx_graph_index(ld->a, g);
    drop_constant_inputs(ld, g);
    nnc_onnx_graph_index(ld->a, g);
    nnc_onnx_node *node = nnc_arena_array(ld->a, p->n_node, sizeof *node);
    g->node = node;
    g->nnode = (uint32_t)p->n_node;
    for (uint32_t i = 0; i < g->nnode; i++)
        build_node(ld, at, p->node[i], g, i, &node[i]);
}

static nnc_onnx_graph *build_graph(nnc_onnx_loader *ld, const struct place *at,
                                   const Onnx__GraphProto *p, nnc_onnx_graph *parent,
                                   const nnc_onnx_node *owner)
{
    nnc_onnx_graph *g = nnc_arena_alloc(ld->a, sizeof *g);
    g->parent = parent;
    g->owner = owner;
    fill_graph(ld, at, p, g);
    return g;
}

/* ---- the model ------------------------------------------------------------------------------- */

static const nnc_onnx_opset *build_opsets(nnc_onnx_loader *ld, nnc_loc loc,
                                          Onnx__OperatorSetIdProto **p, size_t n)
{
    nnc_onnx_opset *to = nnc_arena_array(ld->a, n, sizeof *to);
    for (size_t i = 0; i < n; i++) {
        to[i] = (nnc_onnx_opset){domain_of(p[i]->domain), p[i]->version};
        const char *name = *to[i].domain ? to[i].domain : "ai.onnx";
        int64_t newest = nnc_onnx_domain_newest(to[i].domain);
        if (to[i].version < 1 && newest)
            nnc_error(ld->diag, loc,
                      "opset import of %s has version %" PRId64 ", expected 1..%" PRId64, name,
                      to[i].version, newest);
        else if (newest && to[i].version > newest)
            nnc_error(ld->diag, loc,
                      "opset %" PRId64 " of %s is newer than nnc knows (%" PRId64 "); export with "
                      "opset_version=%" PRId64 " or convert with onnx.version_converter",
                      to[i].version, name, newest, newest);
        if (newest && (to[i].version < 1 || to[i].version > newest))
            to[i].version = newest; /* one message is enough */
        if (to[i].version > INT32_MAX)
            to[i].version = INT32_MAX;
        for (size_t j = 0; j < i && n < 256; j++)
            if (strcmp(to[j].domain, to[i].domain) == 0 && to[j].version != to[i].version)
                nnc_error(ld->diag, loc,
                          "opset of %s is imported twice, as version %" PRId64 " and %" PRId64,
                          name, to[j].version, to[i].version);
    }
    return to;
}

static void build_props(nnc_onnx_loader *ld, const Onnx__ModelProto *p)
{
    nnc_onnx_prop *to = nnc_arena_array(ld->a, p->n_metadata_props, sizeof *to);
    for (size_t i = 0; i < p->n_metadata_props; i++)
        to[i] = (nnc_onnx_prop){nnc_onnx_text(p->metadata_props[i]->key),
                                nnc_onnx_text(p->metadata_props[i]->value)};
    ld->m->prop = to;
    ld->m->nprop = (uint32_t)p->n_metadata_props;
}

static const nnc_onnx_value *untyped(nnc_onnx_loader *ld, char **s, size_t n)
{
    nnc_onnx_value *v = nnc_arena_array(ld->a, n, sizeof *v);
    for (size_t i = 0; i < n; i++)
        v[i].name = nnc_onnx_intern(ld, s[i]);
    return v;
}

static void build_func(nnc_onnx_loader *ld, const Onnx__FunctionProto *p, nnc_onnx_func *f)
{
    struct place at = {
        nnc_arena_printf(ld->a, "%s: in function '%s'", ld->path, nnc_onnx_text(p->name)), {0}};
    at.loc = nnc_loc_file(ld->diag, at.path);
    *f = (nnc_onnx_func){.name = nnc_onnx_text(p->name),
                         .domain = domain_of(p->domain),
                         .overload = nnc_onnx_text(p->overload),
                         .loc = at.loc};
    ld->nopset = (uint32_t)p->n_opset_import;
    ld->opset = build_opsets(ld, at.loc, p->opset_import, p->n_opset_import);
    f->nattr = (uint32_t)p->n_attribute;
    f->attr = (const char *const *)p->attribute;
    f->ndefault = (uint32_t)p->n_attribute_proto;
    struct attr_cx cx = {ld, &at, at.loc, &f->body, NULL};
    f->dflt = build_attrs(&cx, p->attribute_proto, p->n_attribute_proto);
    nnc_onnx_graph *g = &f->body;
    g->name = f->name;
    g->loc = at.loc;
    g->in = untyped(ld, p->input, p->n_input);
    g->out = untyped(ld, p->output, p->n_output);
    g->nin = (uint32_t)p->n_input;
    g->nout = (uint32_t)p->n_output;
    nnc_onnx_graph_index(ld->a, g);
    nnc_onnx_node *node = nnc_arena_array(ld->a, p->n_node, sizeof *node);
    g->node = node;
    g->nnode = (uint32_t)p->n_node;
    for (uint32_t i = 0; i < g->nnode; i++)
        build_node(ld, &at, p->node[i], g, i, &node[i]);
}

static uint64_t func_hash(const char *domain, const char *name, const char *overload)
{
    return nnc_hash(name, strlen(name),
                    nnc_hash(domain, strlen(domain), nnc_hash(overload, strlen(overload), 0)));
}

nnc_onnx_func *nnc_onnx_func_find(nnc_onnx_loader *ld, const char *domain, const char *name,
                                  const char *overload)
{
    uint64_t hash = ld->func.n ? func_hash(domain, name, overload) : 0;
    for (uint32_t i = 0; i < ld->func.n; i++) {
        nnc_onnx_func *f = &ld->func.at[i];
        if (f->hash == hash && strcmp(f->name, name) == 0 && strcmp(f->domain, domain) == 0 &&
            strcmp(f->overload, overload) == 0)
            return f;
    }
    return NULL;
}

/* The array is made in full first: graphs of a body point back into it. */
static void build_funcs(nnc_onnx_loader *ld, const Onnx__ModelProto *p)
{
    NNC_RESERVE(ld->a, &ld->func, (uint32_t)p->n_functions);
    for (size_t i = 0; i < p->n_functions; i++) {
        const Onnx__FunctionProto *f = p->functions[i];
        const nnc_onnx_func *twin = nnc_onnx_func_find(
            ld, domain_of(f->domain), nnc_onnx_text(f->name), nnc_onnx_text(f->overload));
        if (twin)
            nnc_error(ld->diag, twin->loc,
                      "the function is defined twice; give one of them another name or overload");
        build_func(ld, f, &ld->func.at[ld->func.n++]);
        ld->func.at[ld->func.n - 1].hash =
            func_hash(domain_of(f->domain), nnc_onnx_text(f->name), nnc_onnx_text(f->overload));
    }
    ld->opset = ld->m->opset;
    ld->nopset = ld->m->nopset;
}

static nnc_status build_head(nnc_onnx_loader *ld, const Onnx__ModelProto *p)
{
    nnc_onnx_model *m = ld->m;
    static const nnc_onnx_opset first = {"", 1};
    m->ir_version = p->ir_version;
    m->producer = nnc_onnx_text(p->producer_name);
    m->producer_version = nnc_onnx_text(p->producer_version);
    m->domain = nnc_onnx_text(p->domain);
    m->doc = nnc_onnx_text(p->doc_string);
    m->model_version = p->model_version;
    build_props(ld, p);
    if (!p->graph)
        return nnc_error(ld->diag, ld->file,
                         "there is no graph in this file, so it is not an ONNX model (TensorFlow's "
                         ".pb files look alike: convert those with tf2onnx)");
    if (m->ir_version > NEWEST_IR)
        nnc_warning(ld->diag, ld->file,
                    "IR version %" PRId64
                    " is newer than nnc knows (%d); what is new in it is ignored",
                    m->ir_version, NEWEST_IR);
    m->nopset = (uint32_t)p->n_opset_import;
    m->opset = build_opsets(ld, ld->file, p->opset_import, p->n_opset_import);
    if (!m->nopset && m->ir_version > 0 && m->ir_version < 3) { /* before imports existed */
        m->opset = &first;
        m->nopset = 1;
    }
    ld->opset = m->opset;
    ld->nopset = m->nopset;
    return NNC_OK;
}

nnc_status nnc_onnx_build(nnc_onnx_loader *ld, const Onnx__ModelProto *p)
{
    struct place at = {ld->path, ld->file};
    NNC_TRY(build_head(ld, p));
    build_funcs(ld, p);
    ld->m->graph = nnc_arena_alloc(ld->a, sizeof *ld->m->graph);
    fill_graph(ld, &at, p->graph, ld->m->graph);
    return NNC_OK;
}
