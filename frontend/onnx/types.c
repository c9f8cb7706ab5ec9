/* Element types where they are known without shapes: of initializers, of declared values, and of
 * outputs whose operator says "the same type as that input" or has only one choice.  An input
 * whose type its operator does not take, or that differs from a sibling it must equal, is
 * reported with both types.  What stays unknown is not judged.
 *
 * A type is one small number: the bit it has in the operator table (schema.h), 0 when unknown. */
#include "frontend/onnx/load.h"
#include <inttypes.h>
#include <string.h>

enum { SEQUENCE = 32, OPTIONAL = 61, MAP = 62, SPARSE = 63, MAX_VARS = 32 };

struct types {
    nnc_onnx_loader *ld;
    NNC_BUF(uint8_t) of;
}; /* by name */

static uint8_t code_of(const nnc_onnx_type *ty)
{
    if (!ty)
        return 0;
    switch (ty->kind) {
    case NNC_ONNX_TY_tensor: return (uint8_t)ty->elem;
    case NNC_ONNX_TY_sequence:
        return !ty->of                              ? 0
               : ty->of->kind == NNC_ONNX_TY_tensor ? (uint8_t)(SEQUENCE + ty->of->elem)
                                                    : MAP;
    case NNC_ONNX_TY_optional: return OPTIONAL;
    case NNC_ONNX_TY_sparse: return SPARSE;
    default: return MAP;
    }
}

static const char *code_text(nnc_arena *a, uint8_t code)
{
    if (code < NNC_ONNX_ELEM_COUNT)
        return nnc_onnx_elem_str((nnc_onnx_elem)code);
    if (code > SEQUENCE && code < SEQUENCE + NNC_ONNX_ELEM_COUNT)
        return nnc_arena_printf(a, "a sequence of %s",
                                nnc_onnx_elem_str((nnc_onnx_elem)(code - SEQUENCE)));
    return code == OPTIONAL ? "an optional" : code == SPARSE ? "a sparse tensor" : "a map";
}

static bool is_complex(uint8_t code)
{
    return code == NNC_ONNX_c64 ||
           code == NNC_ONNX_c128; /* nnc has none, so they are not worth a word */
}

/* The tensor types in (or, wanted = 0, not in) the set. */
static const char *tensors_text(nnc_arena *a, uint64_t types, unsigned wanted)
{
    const char *text = "";
    for (uint8_t code = 1; code < NNC_ONNX_ELEM_COUNT; code++)
        if ((types >> code & 1) == wanted && !is_complex(code))
            text = nnc_arena_printf(a, "%s%s%s", text, *text ? ", " : "", code_text(a, code));
    return text;
}

/* "f32, f64 and sequences", "all types but string" */
static const char *types_text(nnc_arena *a, uint64_t types)
{
    uint64_t tensors = types & ((1ull << NNC_ONNX_ELEM_COUNT) - 2);
    bool most = __builtin_popcountll(tensors) > NNC_ONNX_ELEM_COUNT / 2;
    const char *text = most ? nnc_arena_printf(a, "all types but %s", tensors_text(a, types, 0))
                            : tensors_text(a, types, 1);
    uint64_t sequences = types >> SEQUENCE & ((1ull << NNC_ONNX_ELEM_COUNT) - 2);
    if (sequences && !(sequences & (sequences - 1)))
        text = nnc_arena_printf(a, "%s%s%s", text, *text ? ", " : "",
                                code_text(a, (uint8_t)(SEQUENCE + __builtin_ctzll(sequences))));
    else if (sequences)
        text = nnc_arena_printf(a, "%s%ssequences", text, *text ? ", " : "");
    for (uint8_t code = OPTIONAL; code <= SPARSE; code++)
        if (types >> code & 1)
            text = nnc_arena_printf(a, "%s%s%ss", text, *text ? ", " : "",
                                    code_text(a, code) + (code == OPTIONAL ? 3 : 2));
    return text;
}

static uint8_t get(const struct types *cx, nnc_sym s)
{
    return s.id && s.id < cx->of.cap ? cx->of.at[s.id] : 0;
}

static void set(struct types *cx, nnc_sym s, uint8_t code)
{
    NNC_RESERVE(cx->ld->a, &cx->of, s.id + 1);
    if (s.id)
        cx->of.at[s.id] = code;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

struct bound {
    uint8_t code;
    uint32_t input;
};

static void check_input(struct types *cx, const nnc_onnx_node *n, uint32_t i, struct bound *var)
{
    const nnc_onnx_param *p = nnc_onnx_schema_in(n->schema, i);
    uint8_t code = get(cx, n->in[i]);
    nnc_arena *a = cx->ld->a;
    const char *name = nnc_onnx_name(cx->ld->m, n->in[i]);
    if (!p || !code)
        return;
    if (!(p->types >> code & 1)) {
        const nnc_onnx_schema *newest = nnc_onnx_schema_find(n->domain, n->op, NNC_ONNX_ANY_NUMBER);
        const nnc_onnx_param *q = newest ? nnc_onnx_schema_in(newest, i) : NULL;
        bool later = q && q->types >> code & 1;
        nnc_error(cx->ld->diag, n->loc, "input %u, '%s', is %s, but '%s' of %s-%d takes %s%s", i,
                  name, code_text(a, code), p->name, n->op, n->since, types_text(a, p->types),
                  later ? nnc_arena_printf(a, "; opset %d allows it", newest->since)
                        : "; convert it with Cast");
    } else if (p->var && p->var < MAX_VARS && p->kind != NNC_ONNX_PARAM_ANY) {
        struct bound *b = &var[p->var];
        if (b->code && b->code != code)
            nnc_error(cx->ld->diag, n->loc,
                      "input %u, '%s', is %s, but input %u, '%s', is %s; %s-%d wants equal types: "
                      "convert "
                      "one with Cast",
                      i, name, code_text(a, code), b->input,
                      nnc_onnx_name(cx->ld->m, n->in[b->input]), code_text(a, b->code), n->op,
                      n->since);
        else
            *b = (struct bound){code, i};
    }
}

static uint8_t only(uint64_t types)
{
    return types && !(types & (types - 1)) ? (uint8_t)__builtin_ctzll(types) : 0;
}

/* Operators whose output type is an attribute's business. */
static uint8_t from_attribute(const nnc_onnx_node *n)
{
    int64_t to = strcmp(n->op, "Cast") == 0 ? nnc_onnx_node_int(n, "to", 0) : 0;
    const nnc_onnx_tensor *value =
        strcmp(n->op, "Constant") == 0 || strcmp(n->op, "ConstantOfShape") == 0
            ? nnc_onnx_node_tensor(n, "value")
            : NULL;
    return value ? (uint8_t)value->elem : nnc_onnx_elem_is_known(to) ? (uint8_t)to : 0;
}

static void set_output(struct types *cx, const nnc_onnx_node *n, uint32_t i,
                       const struct bound *var)
{
    const nnc_onnx_param *p = nnc_onnx_schema_out(n->schema, i);
    uint8_t declared = code_of(nnc_onnx_graph_type(n->graph, n->out[i])), code = 0;
    if (!p)
        return;
    code = only(p->types);
    if (!code && p->var && p->var < MAX_VARS && p->kind != NNC_ONNX_PARAM_ANY)
        code = var[p->var].code;
    if (!code)
        code = from_attribute(n);
    if (code && declared && code != declared && !*n->overload)
        nnc_error(
            cx->ld->diag, n->loc,
            "output %u, '%s', is declared as %s, but %s-%d makes %s here; correct the declaration "
            "(value_info or graph output)",
            i, nnc_onnx_name(cx->ld->m, n->out[i]), code_text(cx->ld->a, declared), n->op, n->since,
            code_text(cx->ld->a, code));
    set(cx, n->out[i], code ? code : declared);
}

static void walk(struct types *cx, const nnc_onnx_graph *g);

static void walk_node(struct types *cx, nnc_onnx_node *n)
{
    struct bound var[MAX_VARS] = {0};
    unsigned before = nnc_diag_errors(cx->ld->diag) - cx->ld->node_errors;
    if (n->broken)
        return;
    for (uint32_t i = 0; n->schema && i < n->nin; i++)
        check_input(cx, n, i, var);
    for (uint32_t i = 0; i < n->nattr; i++) {
        const nnc_onnx_attr *at = &n->attr[i];
        if (at->kind == NNC_ONNX_ATTR_graph)
            walk(cx, at->u.graph);
        for (uint32_t k = 0; at->kind == NNC_ONNX_ATTR_graphs && k < at->n; k++)
            walk(cx, at->u.graphs[k]);
    }
    for (uint32_t i = 0; i < n->nout; i++)
        if (n->schema)
            set_output(cx, n, i, var);
        else
            set(cx, n->out[i], code_of(nnc_onnx_graph_type(n->graph, n->out[i])));
    unsigned own = nnc_diag_errors(cx->ld->diag) - cx->ld->node_errors - before;
    n->broken = own > 0;
    cx->ld->node_errors += own;
}

/* A weight that is also declared, as old models do with all of them. */
static void check_init_shape(struct types *cx, const nnc_onnx_graph *g, uint32_t i)
{
    const nnc_onnx_tensor *t = &g->init[i];
    const nnc_onnx_type *ty = nnc_onnx_graph_type(g, g->init_name[i]);
    bool differs = ty && ty->has_shape && ty->rank != t->rank;
    for (uint32_t d = 0; ty && ty->has_shape && !differs && d < t->rank; d++)
        differs = ty->dim[d].kind == NNC_ONNX_DIM_value && ty->dim[d].value != t->dim[d];
    if (!differs)
        return;
    const char *have = "", *said = "";
    for (uint32_t d = 0; d < t->rank && d < 16; d++)
        have = nnc_arena_printf(cx->ld->a, "%s%s%" PRId64, have, d ? "," : "", t->dim[d]);
    for (uint32_t d = 0; d < ty->rank && d < 16; d++)
        said =
            ty->dim[d].kind == NNC_ONNX_DIM_value
                ? nnc_arena_printf(cx->ld->a, "%s%s%" PRId64, said, d ? "," : "", ty->dim[d].value)
                : nnc_arena_printf(cx->ld->a, "%s%s%s", said, d ? "," : "",
                                   ty->dim[d].param ? ty->dim[d].param : "?");
    nnc_error(cx->ld->diag, g->loc,
              "initializer '%s' has shape [%s] but is declared as [%s]; correct the declaration "
              "(graph input or value_info)",
              t->name, have, said);
}

static void walk(struct types *cx, const nnc_onnx_graph *g)
{
    for (uint32_t i = 0; i < g->nin; i++)
        set(cx, g->in[i].name, code_of(g->in[i].type));
    for (uint32_t i = 0; i < g->ninit; i++) {
        uint8_t code = (uint8_t)g->init[i].elem,
                declared = code_of(nnc_onnx_graph_type(g, g->init_name[i]));
        if (declared && declared != code)
            nnc_error(cx->ld->diag, g->loc, "initializer '%s' is %s but declared as %s",
                      g->init[i].name, code_text(cx->ld->a, code), code_text(cx->ld->a, declared));
        check_init_shape(cx, g, i);
        set(cx, g->init_name[i], code);
    }
    for (uint32_t i = 0; i < g->nnode; i++)
        walk_node(cx, (nnc_onnx_node *)&g->node[i]);
}

void nnc_onnx_check_types(nnc_onnx_loader *ld, const nnc_onnx_graph *g)
{
    struct types cx = {.ld = ld};
    walk(&cx, g);
}
