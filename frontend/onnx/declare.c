/* Declared types of graph inputs, outputs and inner values.  What is not declared stays unknown;
 * what cannot be (a negative dimension, a product that overflows, an element type that does not
 * exist) is reported. */
#include "frontend/onnx/load.h"
#include <inttypes.h>
#include <string.h>

const char *nnc_onnx_text(const char *s)
{
    return s ? s : "";
}

nnc_sym nnc_onnx_intern(nnc_onnx_loader *ld, const char *s)
{
    return s && *s ? nnc_intern_put(ld->names, s, strlen(s)) : (nnc_sym){0};
}

/* -1 is what some exporters write for "unknown". */
static nnc_onnx_dim build_dim(nnc_onnx_loader *ld, nnc_loc loc, const char *what, size_t axis,
                              const Onnx__TensorShapeProto__Dimension *d)
{
    if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
        *nnc_onnx_text(d->dim_param))
        return (nnc_onnx_dim){NNC_ONNX_DIM_param, 0, d->dim_param};
    if (d->value_case != ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
        return (nnc_onnx_dim){NNC_ONNX_DIM_unknown, 0, NULL};
    if (d->dim_value >= 0)
        return (nnc_onnx_dim){NNC_ONNX_DIM_value, d->dim_value, NULL};
    if (d->dim_value == -1)
        nnc_warning(ld->diag, loc,
                    "%s: dimension %zu is -1, read as unknown (a dimension that may vary has a "
                    "name, dim_param)",
                    what, axis);
    else
        nnc_error(ld->diag, loc,
                  "%s: dimension %zu is %" PRId64
                  ", expected 0 or more, or a name when it may vary",
                  what, axis, d->dim_value);
    return (nnc_onnx_dim){NNC_ONNX_DIM_unknown, 0, NULL};
}

static void set_shape(nnc_onnx_loader *ld, nnc_loc loc, const char *what,
                      const Onnx__TensorShapeProto *p, nnc_onnx_type *ty)
{
    if (!p)
        return;
    nnc_onnx_dim *dim = nnc_arena_array(ld->a, p->n_dim, sizeof *dim);
    int64_t *known = nnc_arena_array(ld->a, p->n_dim, sizeof *known);
    uint64_t count;
    for (size_t i = 0; i < p->n_dim; i++) {
        dim[i] = build_dim(ld, loc, what, i, p->dim[i]);
        known[i] = dim[i].kind == NNC_ONNX_DIM_value ? dim[i].value : 1;
    }
    if (!nnc_onnx_dims_fit(known, (uint32_t)p->n_dim, 16, &count))
        nnc_error(
            ld->diag, loc,
            "%s: the product of its dimensions overflows, expected a size in bytes below 2^63",
            what);
    ty->has_shape = true;
    ty->rank = (uint32_t)p->n_dim;
    ty->dim = dim;
}

static bool set_elem(nnc_onnx_loader *ld, nnc_loc loc, const char *what, int32_t number,
                     nnc_onnx_type *ty)
{
    if (nnc_onnx_elem_is_known(number))
        ty->elem = (nnc_onnx_elem)number;
    else if (number)
        nnc_error(ld->diag, loc,
                  "%s has element type %" PRId32 ", which is not one of ONNX's (1..%d)", what,
                  number, NNC_ONNX_ELEM_COUNT - 1);
    return ty->elem != NNC_ONNX_undefined;
}

/* NULL when the type is not given, or was reported. */
const nnc_onnx_type *nnc_onnx_type_build(nnc_onnx_loader *ld, nnc_loc loc, const char *what,
                                         const Onnx__TypeProto *p)
{
    if (!p || p->value_case == ONNX__TYPE_PROTO__VALUE__NOT_SET)
        return NULL;
    nnc_onnx_type *ty = nnc_arena_alloc(ld->a, sizeof *ty);
    switch (p->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
        ty->kind = NNC_ONNX_TY_tensor;
        set_shape(ld, loc, what, p->tensor_type->shape, ty);
        return set_elem(ld, loc, what, p->tensor_type->elem_type, ty) ? ty : NULL;
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
        ty->kind = NNC_ONNX_TY_sparse;
        set_shape(ld, loc, what, p->sparse_tensor_type->shape, ty);
        return set_elem(ld, loc, what, p->sparse_tensor_type->elem_type, ty) ? ty : NULL;
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
        ty->kind = NNC_ONNX_TY_sequence;
        ty->of = nnc_onnx_type_build(ld, loc, what, p->sequence_type->elem_type);
        return ty;
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
        ty->kind = NNC_ONNX_TY_optional;
        ty->of = nnc_onnx_type_build(ld, loc, what, p->optional_type->elem_type);
        return ty;
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
        ty->kind = NNC_ONNX_TY_map;
        ty->of = nnc_onnx_type_build(ld, loc, what, p->map_type->value_type);
        return set_elem(ld, loc, what, p->map_type->key_type, ty) ? ty : NULL;
    default:
        nnc_error(ld->diag, loc, "%s has an opaque type, which is not supported", what);
        return NULL;
    }
}

/* Graph inputs and outputs, and value_info. `need`: of the main graph, where a type must be
 * there. */
const nnc_onnx_value *nnc_onnx_values_build(nnc_onnx_loader *ld, nnc_loc loc, const char *kind,
                                            Onnx__ValueInfoProto **p, size_t n, bool need)
{
    nnc_onnx_value *v = nnc_arena_array(ld->a, n, sizeof *v);
    for (size_t i = 0; i < n; i++) {
        const char *what = nnc_arena_printf(ld->a, "%s '%s'", kind, nnc_onnx_text(p[i]->name));
        unsigned before = nnc_diag_errors(ld->diag);
        v[i].name = nnc_onnx_intern(ld, p[i]->name);
        v[i].type = nnc_onnx_type_build(ld, loc, what, p[i]->type);
        if (need && !v[i].type && nnc_diag_errors(ld->diag) == before)
            nnc_error(ld->diag, loc, "%s has no type, expected an element type and a shape", what);
    }
    return v;
}
