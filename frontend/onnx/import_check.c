/* frontend/onnx/import_check.c - a node's operands against the operator table, its results against declared types.
 *
 * The loader has judged element types as far as it could see them without importing; here they are known for sure.
 * Declared shapes of inner graphs are not judged: bodies of loops are imported for the shapes they really get. */
#include <string.h>
#include "frontend/onnx/import_priv.h"
#include "frontend/onnx/schema.h"

/* The table's bit for a value, 0 when nothing is known. */
static unsigned type_code(const nnc_onnx_cx *cx, const nnc_val *v)
{
    switch (v->kind) {
    case NNC_VAL_tensor: return (unsigned)nnc_dtype_infos[nnc_cx_dtype(cx, v->v)].onnx;
    case NNC_VAL_strings: return NNC_ONNX_string;
    case NNC_VAL_sequence: return v->dtype ? 32u + (unsigned)nnc_dtype_infos[v->dtype].onnx : 0;
    case NNC_VAL_empty: return 61;
    default: return 0;
    }
}

static const char *code_text(nnc_onnx_cx *cx, unsigned code)
{
    if (code < 32)
        return nnc_onnx_elem_str((nnc_onnx_elem)code);
    if (code == 61)
        return "an optional without a value";
    return nnc_arena_printf(cx->a, "a sequence of %s",
                            nnc_onnx_elem_str((nnc_onnx_elem)(code - 32)));
}

static const char *set_text(nnc_onnx_cx *cx, uint64_t types)
{
    const char *s = "";
    for (unsigned code = 1; code < 61; code++)
        if (types >> code & 1)
            s = nnc_arena_printf(cx->a, "%s%s%s", s, *s ? ", " : "", code_text(cx, code));
    return s;
}

nnc_status nnc_import_check_inputs(nnc_onnx_cx *cx)
{
    const nnc_onnx_schema *s = cx->node->schema;
    struct {
        unsigned code;
        uint32_t input;
    } var[64] = {{0, 0}};

    for (uint32_t i = 0; i < cx->nin; i++) {
        const nnc_onnx_param *p = s ? nnc_onnx_schema_in(s, i) : NULL;
        unsigned code = type_code(cx, &cx->in[i]);
        const char *name = nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, i));

        if (cx->in[i].kind == NNC_VAL_strings)
            return nnc_cx_error(cx,
                                "input '%s' is a tensor of strings, which cannot be compiled; do "
                                "that part of the work "
                                "outside of the model",
                                name);
        if (!p || !code)
            continue;
        /* any operator that takes an optional also takes what may be inside */
        if (!(p->types >> code & 1) && !(p->types >> 61 & 1))
            return nnc_cx_error(cx, "input '%s' is %s, but %s takes %s there", name,
                                code_text(cx, code), cx->node->op, set_text(cx, p->types));
        if (!p->var || p->var >= 64 || p->kind == NNC_ONNX_PARAM_ANY)
            continue;
        if (var[p->var].code && var[p->var].code != code)
            return nnc_cx_error(
                cx, "inputs '%s' (%s) and '%s' (%s) must have the same type",
                nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, var[p->var].input)),
                code_text(cx, var[p->var].code), name, code_text(cx, code));
        var[p->var].code = code;
        var[p->var].input = i;
    }
    return NNC_OK;
}

/* A result of fixed shape that no address space holds; sizes with symbols are the planner's business. */
static bool is_beyond_memory(nnc_onnx_cx *cx, nnc_value v)
{
    const nnc_type_rec *r = nnc_value_ty(cx->m, v);

    for (int d = 0; d < r->rank; d++)
        if (!nnc_dim_is_const(r->dim[d]))
            return false;
    return nnc_type_bytes(cx->m, nnc_value_type(cx->m, v)) == INT64_MAX;
}

nnc_status nnc_import_check_output(nnc_onnx_cx *cx, uint32_t i)
{
    nnc_sym name = nnc_onnx_node_out(cx->node, i);
    const nnc_onnx_type *want = nnc_onnx_graph_type(cx->node->graph, name);

    if (cx->out[i].kind == NNC_VAL_tensor && is_beyond_memory(cx, cx->out[i].v))
        return nnc_cx_error(cx,
                            "'%s' is %s, whose size in bytes overflows, expected one below 2^63",
                            nnc_onnx_name(cx->model, name), nnc_cx_type_text(cx, cx->out[i].v));
    if (!want || want->kind != NNC_ONNX_TY_tensor || cx->out[i].kind != NNC_VAL_tensor)
        return NNC_OK;
    nnc_type_rec got = nnc_cx_ty(cx, cx->out[i].v);
    const char *text = nnc_cx_type_text(cx, cx->out[i].v);
    if (want->elem && (int)want->elem != nnc_dtype_infos[got.dtype].onnx)
        return nnc_cx_error(cx, "'%s' is %s, but the model declares it as %s",
                            nnc_onnx_name(cx->model, name), text, nnc_onnx_elem_str(want->elem));
    if (!want->has_shape || cx->node->graph->parent)
        return NNC_OK;
    if (want->rank != got.rank)
        return nnc_cx_error(cx, "'%s' is %s, but the model declares it with rank %u",
                            nnc_onnx_name(cx->model, name), text, want->rank);
    for (uint32_t d = 0; d < want->rank; d++)
        if (want->dim[d].kind == NNC_ONNX_DIM_value &&
            (nnc_dim_lo(cx->dims, got.dim[d]) > want->dim[d].value ||
             nnc_dim_hi(cx->dims, got.dim[d]) < want->dim[d].value))
            return nnc_cx_error(cx,
                                "'%s' is %s, but the model declares %lld for dimension %u; correct "
                                "the declared shape or "
                                "remove it",
                                nnc_onnx_name(cx->model, name), text, (long long)want->dim[d].value,
                                d);
    return NNC_OK;
}

/* ---- declared shapes as a way out ---- */

/* The declared type of a name as one of the IR; false when a part of it is unknown. */
static bool declared_type(nnc_onnx_cx *cx, nnc_sym name, nnc_type_rec *ty)
{
    const nnc_onnx_type *t = nnc_onnx_graph_type(cx->node->graph, name);

    *ty = (nnc_type_rec){0};
    if (!t || t->kind != NNC_ONNX_TY_tensor || !t->has_shape || t->rank > NNC_MAX_RANK)
        return false;
    ty->kind = NNC_TYPE_tensor;
    ty->dtype = (uint8_t)nnc_dtype_by_onnx(t->elem);
    ty->rank = (uint8_t)t->rank;
    for (uint32_t d = 0; d < t->rank; d++) {
        bool found = t->dim[d].kind == NNC_ONNX_DIM_value && t->dim[d].value >= 0;
        ty->dim[d] = found ? t->dim[d].value : 0;
        if (t->dim[d].kind == NNC_ONNX_DIM_param)
            ty->dim[d] = nnc_import_find_dim(cx, t->dim[d].param, &found);
        if (!found)
            return false;
    }
    return true;
}

enum { MAX_SAME = 64 };

static bool is_elementwise(const nnc_onnx_node *n)
{
    static const char *const ops[] = {
        "Sqrt",     "Log",  "Exp",     "Abs",   "Neg",  "Identity", "Cast",
        "CastLike", "Add",  "Sub",     "Mul",   "Div",  "Sin",      "Cos",
        "Tanh",     "Relu", "Sigmoid", "Floor", "Ceil", "Round",    "Reciprocal"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(n->op, ops[i]) == 0)
            return !*n->domain && n->nout == 1;
    return false;
}

/* Has the result of n the shape of the names in `same`?  All its operands are among them, or scalars. */
static bool keeps_shape(nnc_onnx_cx *cx, const nnc_onnx_node *n, const uint32_t *same,
                        uint32_t nsame)
{
    bool any = false;
    for (uint32_t i = 0; i < n->nin; i++) {
        bool in = false;
        for (uint32_t k = 0; k < nsame; k++)
            in |= same[k] == n->in[i].id;
        any |= in;
        nnc_val v = nnc_import_lookup(cx, n->in[i]);
        if (!in && (v.kind != NNC_VAL_tensor || nnc_cx_rank(cx, v.v)) &&
            !(i && strcmp(n->op, "CastLike") == 0))
            return false;
    }
    return any;
}

/* An inner value without a declared shape may have it from a declared one behind a chain of elementwise operators. */
bool nnc_cx_declared(nnc_onnx_cx *cx, uint32_t i, nnc_type_rec *ty)
{
    nnc_sym name = nnc_onnx_node_out(cx->node, i);
    const nnc_onnx_graph *g = cx->node->graph;
    uint32_t same[MAX_SAME] = {name.id}, nsame = 1;

    if (!name.id || declared_type(cx, name, ty))
        return name.id != 0;
    for (uint32_t k = cx->node->index + 1; k < g->nnode && nsame < MAX_SAME; k++) {
        const nnc_onnx_node *n = &g->node[k];
        if (!is_elementwise(n) || !keeps_shape(cx, n, same, nsame))
            continue;
        if (declared_type(cx, n->out[0], ty))
            return true;
        same[nsame++] = n->out[0].id;
    }
    return false;
}
