/* Loading in order, and the getters.  Each step runs even when the one before found mistakes, as
 * long as what it needs is whole, so that one run shows everything. */
#include "frontend/onnx/load.h"
#include <string.h>

static void check(nnc_onnx_loader *ld)
{
    for (uint32_t i = 0; i < ld->func.n; i++) {
        nnc_onnx_func *f = &ld->func.at[i];
        ld->opset = f->opset;
        ld->nopset = f->nopset;
        nnc_onnx_check_ops(ld, &f->body);
        nnc_onnx_check_names(ld, &f->body, f);
    }
    ld->opset = ld->m->opset;
    ld->nopset = ld->m->nopset;
    nnc_onnx_check_ops(ld, ld->m->graph);
    nnc_onnx_check_names(ld, ld->m->graph, NULL);
}

/* All that is wrong so far is of single nodes, which are marked. */
static bool is_sound(const nnc_onnx_loader *ld, unsigned before)
{
    return nnc_diag_errors(ld->diag) == before + ld->node_errors;
}

nnc_status nnc_onnx_load_bytes(nnc_arena *a, nnc_diag *diag, const char *path, const void *bytes,
                               size_t len, nnc_onnx_model **m)
{
    nnc_onnx_loader *ld = nnc_arena_alloc(a, sizeof *ld);
    unsigned before = nnc_diag_errors(diag);
    *m = NULL;
    ld->a = a;
    ld->diag = diag;
    ld->path = nnc_arena_str(a, path);
    ld->file = nnc_loc_file(diag, path);
    ld->base = bytes;
    ld->len = len;
    ld->names = nnc_intern_new(a);
    ld->m = nnc_arena_alloc(a, sizeof *ld->m);
    ld->m->path = ld->path;
    ld->m->names = ld->names;
    NNC_TRY(nnc_onnx_sniff(diag, ld->file, bytes, len));
    const Onnx__ModelProto *p = nnc_onnx_unpack(ld);
    if (!p)
        return NNC_ERR;
    NNC_TRY(nnc_onnx_build(ld, p));
    check(ld);
    if (is_sound(ld, before))
        nnc_onnx_inline(ld);
    if (is_sound(ld, before))
        nnc_onnx_check_types(ld, ld->m->graph);
    if (is_sound(ld, before))
        *m = ld->m;
    return nnc_diag_errors(diag) == before ? NNC_OK : NNC_ERR;
}

nnc_status nnc_onnx_load(nnc_arena *a, nnc_diag *diag, const char *path, nnc_onnx_model **m)
{
    const uint8_t *base;
    size_t len;
    *m = NULL;
    NNC_TRY(nnc_onnx_map(a, diag, nnc_loc_file(diag, path), path, "ONNX model", &base, &len));
    return nnc_onnx_load_bytes(a, diag, path, base, len, m);
}

/* ---- lookup ---------------------------------------------------------------------------------- */

const char *nnc_onnx_name(const nnc_onnx_model *m, nnc_sym name)
{
    return nnc_intern_str(m->names, name);
}

/* The first of the name's entries, NULL when there is none. */
static const nnc_onnx_named *find(const nnc_onnx_named *list, uint32_t n, nnc_sym name)
{
    uint32_t low = 0, high = n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (list[mid].name.id < name.id)
            low = mid + 1;
        else
            high = mid;
    }
    return name.id && low < n && list[low].name.id == name.id ? &list[low] : NULL;
}

const nnc_onnx_tensor *nnc_onnx_graph_init(const nnc_onnx_graph *g, nnc_sym name)
{
    const nnc_onnx_named *hit = find(g->init_index, g->ninit, name);
    return hit ? &g->init[hit->at] : NULL;
}

const nnc_onnx_type *nnc_onnx_graph_type(const nnc_onnx_graph *g, nnc_sym name)
{
    const nnc_onnx_named *hit = find(g->type_index, g->ntype, name);
    for (; hit && hit < g->type_index + g->ntype && hit->name.id == name.id; hit++)
        if (hit->type)
            return hit->type;
    return NULL;
}

const nnc_onnx_attr *nnc_onnx_node_attr(const nnc_onnx_node *n, const char *name)
{
    for (uint32_t i = 0; i < n->nattr; i++)
        if (strcmp(n->attr[i].name, name) == 0)
            return &n->attr[i];
    return NULL;
}

static const nnc_onnx_attr *of_kind(const nnc_onnx_node *n, const char *name,
                                    nnc_onnx_attr_kind kind)
{
    const nnc_onnx_attr *at = nnc_onnx_node_attr(n, name);
    return at && at->kind == kind && !at->ref ? at : NULL;
}

bool nnc_onnx_node_has(const nnc_onnx_node *n, const char *name)
{
    return nnc_onnx_node_attr(n, name) != NULL;
}

int64_t nnc_onnx_node_int(const nnc_onnx_node *n, const char *name, int64_t dflt)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_int);
    return at ? at->u.i : dflt;
}

double nnc_onnx_node_float(const nnc_onnx_node *n, const char *name, double dflt)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_float);
    return at ? (double)at->u.f : dflt;
}

const char *nnc_onnx_node_str(const nnc_onnx_node *n, const char *name, const char *dflt)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_string);
    return at ? at->u.s.s : dflt;
}

const int64_t *nnc_onnx_node_ints(const nnc_onnx_node *n, const char *name, uint32_t *count)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_ints);
    *count = at ? at->n : 0;
    return at ? at->u.ints : NULL;
}

const float *nnc_onnx_node_floats(const nnc_onnx_node *n, const char *name, uint32_t *count)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_floats);
    *count = at ? at->n : 0;
    return at ? at->u.floats : NULL;
}

const nnc_onnx_str *nnc_onnx_node_strs(const nnc_onnx_node *n, const char *name, uint32_t *count)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_strings);
    *count = at ? at->n : 0;
    return at ? at->u.strings : NULL;
}

const nnc_onnx_tensor *nnc_onnx_node_tensor(const nnc_onnx_node *n, const char *name)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_tensor);
    if (!at)
        at = of_kind(n, name, NNC_ONNX_ATTR_sparse);
    return at ? at->u.tensor : NULL;
}

nnc_onnx_graph *nnc_onnx_node_graph(const nnc_onnx_node *n, const char *name)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_graph);
    return at ? at->u.graph : NULL;
}

const nnc_onnx_type *nnc_onnx_node_type(const nnc_onnx_node *n, const char *name)
{
    const nnc_onnx_attr *at = of_kind(n, name, NNC_ONNX_ATTR_type);
    return at ? at->u.type : NULL;
}

nnc_sym nnc_onnx_node_in(const nnc_onnx_node *n, uint32_t i)
{
    return i < n->nin ? n->in[i] : (nnc_sym){0};
}

nnc_sym nnc_onnx_node_out(const nnc_onnx_node *n, uint32_t i)
{
    return i < n->nout ? n->out[i] : (nnc_sym){0};
}
