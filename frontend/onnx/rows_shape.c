/* frontend/onnx/rows_shape.c - operators that change or ask for shapes without moving numbers about, and constants.
 *
 * Shapes given as tensors are read symbolically.  One that only the run knows is replaced by the declared shape of
 * the output, and a `check` makes sure that the run agrees. */
#include "frontend/onnx/import_priv.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

/* Dimensions given by the 1-D tensor input i, or the declared output shape; then with a check that they agree. */
nnc_status nnc_cx_shape_operand(nnc_onnx_cx *cx, uint32_t i, const char *what, int *rank,
                                nnc_dim *dim)
{
    nnc_value s = nnc_cx_in(cx, i);
    const nnc_dim *at;
    nnc_type_rec want;
    uint32_t n;

    if (nnc_cx_rank(cx, s) > 1)
        return nnc_cx_error(cx, "%s is %s, expected a vector", what, nnc_cx_type_text(cx, s));
    if (nnc_cx_dims(cx, s, &n, &at)) {
        if (n > NNC_MAX_RANK)
            return nnc_cx_error(cx, "%s has %u entries; at most rank %d is supported", what, n,
                                NNC_MAX_RANK);
        *rank = (int)n;
        memcpy(dim, at, n * sizeof *dim);
        return NNC_OK;
    }
    const nnc_known *k = nnc_cx_known(cx, s, &n);
    for (uint32_t j = 0; k && j < n; j++)
        if (k[j].kind == NNC_KNOWN_fixed && k[j].i < 0)
            return nnc_cx_error(cx, "%s has the entry %lld; sizes are not negative", what,
                                (long long)k[j].i);
    if (!nnc_cx_declared(cx, 0, &want))
        return nnc_cx_unknown_shape(cx, i, what);
    *rank = want.rank;
    memcpy(dim, want.dim, sizeof want.dim);
    nnc_dim size = want.rank;
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_rank(cx, s) ? nnc_cx_dim(cx, s, 0) : 1, size, what, &size));
    nnc_value same = nnc_cx_op2(cx, NNC_OP_eq, nnc_g_cast(&cx->b, s, NNC_DT_i64),
                                nnc_cx_shape(cx, want.rank, want.dim));
    return nnc_cx_check(
        cx, same,
        nnc_arena_printf(cx->a, "%s differs from the declared shape of the output", what));
}

/* ---- asking ---- */

nnc_status nnc_row_shape(nnc_onnx_cx *cx)
{
    nnc_type_rec ty = nnc_cx_ty(cx, nnc_cx_in(cx, 0));
    int64_t from = nnc_onnx_node_int(cx->node, "start", 0),
            to = nnc_onnx_node_int(cx->node, "end", ty.rank);

    from = from < 0 ? from + ty.rank : from;
    to = to < 0 ? to + ty.rank : to;
    from = from < 0 ? 0 : from > ty.rank ? ty.rank : from;
    to = to < from ? from : to > ty.rank ? ty.rank : to;
    return done(cx, nnc_cx_shape(cx, (int)(to - from), ty.dim + from));
}

nnc_status nnc_row_size(nnc_onnx_cx *cx)
{
    nnc_dim n = nnc_type_size(cx->m, nnc_value_type(cx->m, nnc_cx_in(cx, 0)));
    return done(cx, nnc_cx_extent(cx, n, NNC_DT_i64));
}

/* ---- constants ---- */

nnc_status nnc_row_identity(nnc_onnx_cx *cx)
{
    nnc_cx_set_val(cx, 0, *nnc_cx_val(cx, 0));
    return NNC_OK;
}

nnc_status nnc_row_constant(nnc_onnx_cx *cx)
{
    const nnc_onnx_tensor *t = nnc_onnx_node_tensor(cx->node, "value");
    uint32_t n;
    nnc_value v;

    if (!t)
        t = nnc_onnx_node_tensor(cx->node, "sparse_value");
    if (t && t->elem == NNC_ONNX_string) {
        nnc_cx_set_val(cx, 0, (nnc_val){.kind = NNC_VAL_strings, .str = t});
        return NNC_OK;
    }
    if (t) {
        NNC_TRY(nnc_import_tensor(cx, t, &v));
        return done(cx, v);
    }
    const int64_t *ints = nnc_onnx_node_ints(cx->node, "value_ints", &n);
    if (ints || nnc_onnx_node_has(cx->node, "value_ints"))
        return done(cx, nnc_g_ints(&cx->b, n, ints));
    const float *floats = nnc_onnx_node_floats(cx->node, "value_floats", &n);
    if (floats || nnc_onnx_node_has(cx->node, "value_floats")) {
        nnc_dim size = n;
        return done(cx, nnc_g_const_data(&cx->b, NNC_DT_f32, 1, &size, floats));
    }
    if (nnc_onnx_node_has(cx->node, "value_int"))
        return done(cx, nnc_g_int(&cx->b, NNC_DT_i64, nnc_onnx_node_int(cx->node, "value_int", 0)));
    if (nnc_onnx_node_has(cx->node, "value_float"))
        return done(
            cx, nnc_g_float(&cx->b, NNC_DT_f32, nnc_onnx_node_float(cx->node, "value_float", 0)));
    if (nnc_onnx_node_has(cx->node, "value_string") ||
        nnc_onnx_node_has(cx->node, "value_strings")) {
        nnc_cx_set_val(cx, 0, (nnc_val){.kind = NNC_VAL_strings});
        return NNC_OK;
    }
    return nnc_cx_error(cx, "the node has no value; one of the attributes value, sparse_value, "
                            "value_int.. must be given");
}

nnc_status nnc_row_constant_of_shape(nnc_onnx_cx *cx)
{
    const nnc_onnx_tensor *t = nnc_onnx_node_tensor(cx->node, "value");
    nnc_value v = nnc_g_float(&cx->b, NNC_DT_f32, 0);
    nnc_dim dim[NNC_MAX_RANK];
    int rank;

    if (t && t->count != 1)
        return nnc_cx_error(cx, "attribute value has %llu elements, expected one",
                            (unsigned long long)t->count);
    if (t) {
        NNC_TRY(nnc_import_tensor(cx, t, &v));
        v = nnc_cx_scalar(cx, v);
    }
    NNC_TRY(nnc_cx_shape_operand(cx, 0, "the shape", &rank, dim));
    return done(cx, nnc_cx_full(cx, v, rank, dim));
}

nnc_status nnc_row_eye_like(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    int64_t k = nnc_onnx_node_int(cx->node, "k", 0);
    nnc_dtype dt = nnc_cx_dtype(cx, x);

    NNC_TRY(nnc_cx_rank_is(cx, x, 2, "the input"));
    if (nnc_onnx_node_has(cx->node, "dtype") &&
        !(dt = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "dtype", 0))))
        return NNC_ERR;
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_value row = nnc_g_iota(&cx->b, NNC_DT_i64, 2, ty.dim, 0),
              col = nnc_g_iota(&cx->b, NNC_DT_i64, 2, ty.dim, 1);
    nnc_value hit = nnc_cx_op2(
        cx, NNC_OP_eq, nnc_cx_op2(cx, NNC_OP_add, row, nnc_g_int(&cx->b, NNC_DT_i64, k)), col);
    return done(cx, nnc_g_cast(&cx->b, hit, dt));
}

/* ---- reshapes ---- */

static nnc_status reshape_to(nnc_onnx_cx *cx, int rank, nnc_dim *dim, int infer)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_dim total = nnc_type_size(cx->m, nnc_value_type(cx->m, x)), others = 1, have;

    for (int i = 0; i < rank; i++)
        if (i != infer)
            others = nnc_dim_mul(cx->dims, others, dim[i]);
    if (infer >= 0 && others == 0)
        return nnc_cx_error(cx, "the dimension -1 cannot be inferred beside one of size 0");
    if (infer >= 0) {
        dim[infer] = nnc_dim_floordiv(cx->dims, total, others);
        others = nnc_dim_mul(cx->dims, others, dim[infer]);
    }
    const char *text = "";
    for (int i = 0; i < rank; i++)
        text = nnc_arena_printf(cx->a, "%s%s%s", text, i ? "," : "", nnc_cx_dim_text(cx, dim[i]));
    NNC_TRY(nnc_cx_same_dim(cx, total, others,
                            nnc_arena_printf(cx->a, "element counts of %s and the new shape [%s]",
                                             nnc_cx_type_text(cx, x), text),
                            &have));
    return done(cx, nnc_cx_reshape(cx, x, rank, dim));
}

/* The run must give the declared sizes, or -1 or 0 where those mean the same. */
static nnc_status reshape_declared(nnc_onnx_cx *cx, nnc_value s, const nnc_type_rec *want,
                                   bool allowzero)
{
    nnc_type_rec tx = nnc_cx_ty(cx, nnc_cx_in(cx, 0));
    uint8_t copies[NNC_MAX_RANK] = {0};
    nnc_dim n = want->rank, dim[NNC_MAX_RANK];

    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, s, 0), n, "length of the shape operand", &n));
    for (int i = 0; i < want->rank; i++)
        copies[i] = !allowzero && i < tx.rank && tx.dim[i] == want->dim[i];
    nnc_value ok = nnc_cx_op2(cx, NNC_OP_eq, s, nnc_cx_shape(cx, want->rank, want->dim));
    ok = nnc_cx_op2(cx, NNC_OP_or, ok,
                    nnc_cx_op2(cx, NNC_OP_eq, s, nnc_g_int(&cx->b, NNC_DT_i64, -1)));
    nnc_value zero = nnc_cx_op2(cx, NNC_OP_eq, s, nnc_g_int(&cx->b, NNC_DT_i64, 0));
    nnc_value copied = nnc_g_const_data(&cx->b, NNC_DT_bool, 1, &n, copies);
    ok = nnc_cx_op2(cx, NNC_OP_or, ok, nnc_cx_op2(cx, NNC_OP_and, zero, copied));
    if (want->rank)
        NNC_TRY(nnc_cx_check(cx, ok,
                             "the shape operand differs from the declared shape of the output"));
    memcpy(dim, want->dim, sizeof dim);
    return reshape_to(cx, want->rank, dim, -1);
}

/* arg: 1 when the shape is an attribute */
nnc_status nnc_row_reshape(nnc_onnx_cx *cx)
{
    bool allowzero = nnc_onnx_node_int(cx->node, "allowzero", 0) != 0;
    nnc_type_rec tx = nnc_cx_ty(cx, nnc_cx_in(cx, 0)), want;
    nnc_dim dim[NNC_MAX_RANK];
    int infer = -1, blind = -1;
    uint32_t n;
    const int64_t *attr = cx->arg ? nnc_onnx_node_ints(cx->node, "shape", &n) : NULL;
    nnc_value s = cx->arg ? nnc_g_ints(&cx->b, n, attr) : nnc_cx_in(cx, 1);
    const nnc_known *k = nnc_cx_known(cx, s, &n);

    NNC_TRY(nnc_cx_rank_is(cx, s, 1, "the shape"));
    if (!nnc_dim_is_const(nnc_cx_dim(cx, s, 0)))
        return nnc_cx_unknown_shape(cx, 1, "the shape");
    n = (uint32_t)nnc_cx_dim(cx, s, 0);
    if (n > NNC_MAX_RANK)
        return nnc_cx_error(cx, "the new shape has rank %u; at most %d is supported", n,
                            NNC_MAX_RANK);
    for (uint32_t i = 0; i < n; i++) {
        nnc_known e = k ? k[i] : (nnc_known){0};
        dim[i] = e.i;
        if (e.kind == NNC_KNOWN_not || (e.kind == NNC_KNOWN_fixed && e.i == -1)) {
            bool is_blind = e.kind == NNC_KNOWN_not;
            if (infer >= 0 && !is_blind && blind < 0)
                return nnc_cx_error(cx, "the shape has more than one -1");
            if (infer >= 0 || (is_blind && nnc_cx_declared(cx, 0, &want))) {
                if (!nnc_cx_declared(cx, 0, &want))
                    return nnc_cx_unknown_shape(cx, 1, "the shape");
                return reshape_declared(cx, s, &want, allowzero);
            }
            infer = (int)i;
            blind = is_blind ? (int)i : -1;
        } else if (e.kind == NNC_KNOWN_fixed && e.i == 0 && !allowzero) {
            if ((int)i >= tx.rank)
                return nnc_cx_error(cx, "entry %u of the shape is 0 (copy), but the input is %s", i,
                                    nnc_cx_type_text(cx, nnc_cx_in(cx, 0)));
            dim[i] = tx.dim[i];
        } else if (e.kind == NNC_KNOWN_fixed && e.i < 0) {
            return nnc_cx_error(cx, "entry %u of the shape is %lld", i, (long long)e.i);
        }
    }
    NNC_TRY(reshape_to(cx, (int)n, dim, infer));
    if (blind < 0)
        return NNC_OK;
    /* one size that only the run knows is the one that is left */
    nnc_value e = nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, s, 0, blind, 1, 1));
    nnc_value ok = nnc_cx_op2(cx, NNC_OP_eq, e, nnc_g_extent(&cx->b, dim[blind]));
    ok = nnc_cx_op2(cx, NNC_OP_or, ok,
                    nnc_cx_op2(cx, NNC_OP_eq, e, nnc_g_int(&cx->b, NNC_DT_i64, -1)));
    return nnc_cx_check(cx, ok,
                        "an entry of the shape operand does not fit the number of elements");
}

nnc_status nnc_row_flatten(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    int64_t axis = nnc_onnx_node_int(cx->node, "axis", 1);
    nnc_dim dim[2] = {1, 1};

    if (axis < -ty.rank || axis > ty.rank)
        return nnc_cx_error(cx, "attribute axis is %lld, expected %d .. %d", (long long)axis,
                            -ty.rank, ty.rank);
    axis = axis < 0 ? axis + ty.rank : axis;
    for (int i = 0; i < ty.rank; i++)
        dim[i >= axis] = nnc_dim_mul(cx->dims, dim[i >= axis], ty.dim[i]);
    return done(cx, nnc_cx_reshape(cx, x, 2, dim));
}

/* Axes from attribute or input 1; *given is false when there are none, *blind when only the run knows them. */
static nnc_status axes_of(nnc_onnx_cx *cx, int rank, uint32_t *n, int64_t *axes, bool *given,
                          bool *blind)
{
    const int64_t *at = nnc_onnx_node_ints(cx->node, "axes", n);

    *blind = false;
    *given = nnc_onnx_node_has(cx->node, "axes");
    if (!*given && nnc_cx_has(cx, 1)) {
        *given = true;
        if (!nnc_cx_ints(cx, nnc_cx_in(cx, 1), n, &at)) {
            *blind = true;
            return NNC_OK;
        }
    }
    if (*given && *n > NNC_MAX_RANK)
        return nnc_cx_error(cx, "%u axes; at most rank %d is supported", *n, NNC_MAX_RANK);
    return *given ? nnc_cx_axes(cx, *n, at, rank, "axes entry", axes) : NNC_OK;
}

/* The axes are only known at run time, but the outcome is declared and holds the same numbers. */
static nnc_status by_declaration(nnc_onnx_cx *cx)
{
    nnc_type_rec want;
    if (!nnc_cx_declared(cx, 0, &want))
        return nnc_cx_unknown_shape(cx, 1, "axes");
    return reshape_to(cx, want.rank, want.dim, -1);
}

nnc_status nnc_row_squeeze(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    int64_t axes[NNC_MAX_RANK];
    bool given, blind;
    unsigned drop = 0;
    uint32_t n = 0;
    int rank = 0;

    NNC_TRY(axes_of(cx, ty.rank, &n, axes, &given, &blind));
    if (blind)
        return by_declaration(cx);
    for (int i = 0; !given && i < ty.rank; i++) {
        drop |= (unsigned)(ty.dim[i] == 1) << i;
        if (nnc_dim_lo(cx->dims, ty.dim[i]) <= 1 && !nnc_dim_is_const(ty.dim[i]))
            return nnc_cx_error(cx,
                                "without axes, dimension %d of %s may or may not be dropped; pin "
                                "it with --dim, or give axes",
                                i, nnc_cx_type_text(cx, x));
    }
    for (uint32_t i = 0; given && i < n; i++) {
        nnc_dim one;
        int axis = (int)axes[i];
        NNC_TRY(nnc_cx_same_dim(cx, ty.dim[axis], 1, "a squeezed dimension must be 1", &one));
        if (ty.dim[axis] != 1)
            x = nnc_g_slice_axis(&cx->b, x, axis, 0, 1, 1);
        drop |= 1u << axis;
    }
    for (int i = 0; i < ty.rank; i++)
        if (!(drop >> i & 1))
            ty.dim[rank++] = ty.dim[i];
    return done(cx, nnc_cx_reshape(cx, x, rank, ty.dim));
}

nnc_status nnc_row_unsqueeze(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_dim dim[NNC_MAX_RANK];
    int64_t axes[NNC_MAX_RANK];
    unsigned fresh = 0;
    uint32_t n = 0;
    const int64_t *list = nnc_onnx_node_ints(cx->node, "axes", &n);

    if (!list && nnc_cx_has(cx, 1) && !nnc_cx_ints(cx, nnc_cx_in(cx, 1), &n, &list))
        return by_declaration(cx);
    int rank = ty.rank + (int)n;
    if (n > NNC_MAX_RANK || rank > NNC_MAX_RANK)
        return nnc_cx_error(cx, "the result would have rank %d; at most %d is supported",
                            ty.rank + (int)n, NNC_MAX_RANK);
    NNC_TRY(nnc_cx_axes(cx, n, list, rank, "axes entry", axes));
    for (uint32_t i = 0; i < n; i++)
        fresh |= 1u << axes[i];
    for (int i = 0, j = 0; i < rank; i++)
        dim[i] = fresh >> i & 1 ? 1 : ty.dim[j++];
    return done(cx, nnc_cx_reshape(cx, x, rank, dim));
}

nnc_status nnc_row_transpose(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    int rank = nnc_cx_rank(cx, x);
    int64_t perm[NNC_MAX_RANK];
    uint32_t n;
    const int64_t *at = nnc_onnx_node_ints(cx->node, "perm", &n);

    for (int i = 0; !at && i < rank; i++)
        perm[i] = rank - 1 - i;
    if (at && n != (uint32_t)rank)
        return nnc_cx_error(cx, "attribute perm has %u entries, but the input is %s", n,
                            nnc_cx_type_text(cx, x));
    if (at)
        NNC_TRY(nnc_cx_axes(cx, n, at, rank, "perm entry", perm));
    return done(cx, rank ? nnc_g_transpose(&cx->b, x, perm) : x);
}
