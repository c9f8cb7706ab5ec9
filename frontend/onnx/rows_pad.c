/* frontend/onnx/rows_pad.c - Pad, CenterCropPad.
 *
 * Known pads are `pad` ops.  Those that only the run knows, and reflections that may be longer than the axis, become
 * gathers with computed indices, of the declared size and with a check. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

static nnc_value clamp(nnc_onnx_cx *cx, nnc_value x, nnc_value lo, nnc_value hi)
{
    return op2(cx, NNC_OP_min, op2(cx, NNC_OP_max, x, lo), hi);
}

static nnc_value element(nnc_onnx_cx *cx, nnc_value v, int64_t i)
{
    return nnc_g_cast(&cx->b, nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, v, 0, i, 1, 1)),
                      NNC_DT_i64);
}

/* ---- Pad ---- */

static bool pad_mode(const char *s, nnc_word *out)
{
    static const struct {
        const char *name;
        nnc_word word;
    } modes[] = {
        {"constant", NNC_W_constant},
        {"reflect", NNC_W_reflect},
        {"edge", NNC_W_edge},
        {"wrap", NNC_W_wrap},
    };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(s, modes[i].name) == 0) {
            *out = modes[i].word;
            return true;
        }
    return false;
}

/* Index into an axis of size n for position i of the padded one: computed, any pads. */
static nnc_value padded_index(nnc_onnx_cx *cx, nnc_value i, nnc_value n, nnc_word mode)
{
    nnc_value zero = i64(cx, 0), one = i64(cx, 1), last = op2(cx, NNC_OP_sub, n, one);
    if (mode == NNC_W_wrap)
        return op2(cx, NNC_OP_rem, i, n);
    if (mode == NNC_W_reflect) {
        nnc_value period = op2(cx, NNC_OP_max, op2(cx, NNC_OP_mul, last, i64(cx, 2)), one);
        i = op2(cx, NNC_OP_rem, i, period);
        return op2(cx, NNC_OP_min, i, op2(cx, NNC_OP_sub, period, i));
    }
    return clamp(cx, i, zero, op2(cx, NNC_OP_max, last, zero));
}

/* x at `i - lo` along the axis, for i in 0 .. size-1. */
static nnc_value index_pad(nnc_onnx_cx *cx, nnc_value x, int axis, nnc_value lo, nnc_dim size,
                           nnc_word mode, nnc_value fill)
{
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_value n = nnc_cx_extent(cx, ty.dim[axis], NNC_DT_i64);
    nnc_value i = op2(cx, NNC_OP_sub, nnc_g_iota(&cx->b, NNC_DT_i64, 1, &size, 0), lo);
    nnc_value y = nnc_g_gather(&cx->b, x, padded_index(cx, i, n, mode), axis, 0);
    nnc_dim dim[NNC_MAX_RANK];

    if (mode != NNC_W_constant)
        return y;
    nnc_value inside =
        op2(cx, NNC_OP_and, op2(cx, NNC_OP_le, i64(cx, 0), i), op2(cx, NNC_OP_lt, i, n));
    for (int d = axis; d < ty.rank; d++)
        dim[d - axis] = d == axis ? size : 1;
    return nnc_g_select(&cx->b, nnc_cx_reshape(cx, inside, ty.rank - axis, dim), y, fill);
}

/* Pads that only the run knows: the declared output says how large it gets. */
static nnc_status dynamic_pad(nnc_onnx_cx *cx, nnc_value pads, nnc_value axes, nnc_word mode,
                              nnc_value fill)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x), want;
    nnc_dim count = nnc_cx_dim(cx, pads, 0), both = 2 * ty.rank,
            half = nnc_dim_floordiv(cx->dims, count, 2);

    if (!nnc_cx_declared(cx, 0, &want) || want.rank != ty.rank)
        return nnc_cx_error(cx,
                            "pads ('%s') are only known at run time and output '%s' has no "
                            "declared static shape; fold "
                            "constants before exporting, or declare the output's shape",
                            nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, 1)),
                            nnc_onnx_name(cx->model, nnc_onnx_node_out(cx->node, 0)));
    pads = nnc_g_cast(&cx->b, pads, NNC_DT_i64);
    if (axes.id) { /* spread over all axes: axes, then axes + rank */
        nnc_value at = nnc_cx_wrap_index(cx, nnc_g_cast(&cx->b, axes, NNC_DT_i64), ty.rank), two[2];
        NNC_TRY(
            nnc_cx_same_dim(cx, nnc_cx_dim(cx, axes, 0), half, "number of pads and axes", &half));
        two[0] = at;
        two[1] = op2(cx, NNC_OP_add, at, i64(cx, ty.rank));
        pads = nnc_g_scatter_elements(&cx->b, nnc_cx_full(cx, i64(cx, 0), 1, &both),
                                      nnc_g_concat(&cx->b, 2, two, 0), pads, 0, NNC_W_none);
    } else {
        NNC_TRY(nnc_cx_same_dim(cx, count, both, "number of pads", &count));
    }
    for (int d = 0; d < ty.rank; d++) {
        nnc_value lo = element(cx, pads, d), hi = element(cx, pads, d + ty.rank);
        nnc_value size = op2(cx, NNC_OP_add, nnc_cx_extent(cx, ty.dim[d], NNC_DT_i64),
                             op2(cx, NNC_OP_add, lo, hi));
        NNC_TRY(nnc_cx_check(cx,
                             op2(cx, NNC_OP_eq, size, nnc_cx_extent(cx, want.dim[d], NNC_DT_i64)),
                             "the padded size differs from the declared shape of the output"));
        if (ty.dim[d] == 0 && want.dim[d] != 0 && mode != NNC_W_constant)
            return nnc_cx_error(cx, "an empty axis can only be padded with a constant");
        x = ty.dim[d] == 0 ? nnc_cx_full(cx, fill, want.rank, want.dim)
                           : index_pad(cx, x, d, lo, want.dim[d], mode, fill);
        ty = nnc_cx_ty(cx, x);
    }
    return done(cx, x);
}

/* One axis at a time, so that a large reflection is an index computation and small ones stay `pad`. */
static nnc_status known_pad(nnc_onnx_cx *cx, nnc_word mode, nnc_value fill, const nnc_dim *lo,
                            const nnc_dim *hi)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_dim clo[NNC_MAX_RANK], chi[NNC_MAX_RANK];

    for (int d = 0; d < ty.rank; d++) {
        nnc_dim size = nnc_dim_add(cx->dims, ty.dim[d], nnc_dim_add(cx->dims, lo[d], hi[d]));
        int64_t most = nnc_dim_hi(cx->dims, lo[d]) > nnc_dim_hi(cx->dims, hi[d])
                           ? nnc_dim_hi(cx->dims, lo[d])
                           : nnc_dim_hi(cx->dims, hi[d]);
        bool negative = nnc_dim_lo(cx->dims, lo[d]) < 0 || nnc_dim_lo(cx->dims, hi[d]) < 0;
        bool none = lo[d] == 0 && hi[d] == 0;
        int64_t room = nnc_dim_lo(cx->dims, ty.dim[d]) - (mode == NNC_W_reflect);

        if (nnc_dim_hi(cx->dims, size) < 0)
            return nnc_cx_error(cx, "pads %s and %s leave less than nothing of dimension %d of %s",
                                nnc_cx_dim_text(cx, lo[d]), nnc_cx_dim_text(cx, hi[d]), d,
                                nnc_cx_type_text(cx, x));
        clo[d] = lo[d];
        chi[d] = hi[d];
        if (mode == NNC_W_constant || none ||
            (!negative && (mode == NNC_W_edge ? room > 0 : most <= room)))
            continue;
        if (room + (mode == NNC_W_reflect) <= 0)
            return nnc_cx_error(
                cx,
                "dimension %d of %s may be empty; such an axis can only be padded with a constant",
                d, nnc_cx_type_text(cx, x));
        x = index_pad(cx, x, d, nnc_cx_extent(cx, lo[d], NNC_DT_i64), size, mode, fill);
        clo[d] = chi[d] = 0;
    }
    return done(cx, nnc_g_pad(&cx->b, x, fill, clo, chi, mode));
}

/* arg: 1 when pads and value are attributes (before opset 11) */
nnc_status nnc_row_pad(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), fill = nnc_cx_like(cx, x, 0);
    int rank = nnc_cx_rank(cx, x);
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    int64_t axis[NNC_MAX_RANK];
    const int64_t *axes = NULL;
    uint32_t n = 0, na = (uint32_t)rank;
    nnc_word mode;

    if (!pad_mode(nnc_onnx_node_str(cx->node, "mode", "constant"), &mode))
        return nnc_cx_bad_attr(cx, "mode", "constant, reflect, edge or wrap");
    if (cx->arg)
        fill = nnc_cx_like(cx, x, nnc_onnx_node_float(cx->node, "value", 0));
    else if (nnc_cx_has(cx, 2)) {
        if (nnc_type_count(cx->m, nnc_value_type(cx->m, nnc_cx_in(cx, 2))) != 1)
            return nnc_cx_error(cx, "constant_value is %s, expected a scalar",
                                nnc_cx_type_text(cx, nnc_cx_in(cx, 2)));
        fill = nnc_cx_scalar(cx, nnc_cx_in(cx, 2));
    }
    const int64_t *attr =
        cx->arg ? nnc_onnx_node_ints(cx->node,
                                     nnc_onnx_node_has(cx->node, "pads") ? "pads" : "paddings", &n)
                : NULL;
    nnc_value pads = cx->arg ? nnc_g_ints(&cx->b, n, attr) : nnc_cx_in(cx, 1);
    bool blind = !cx->arg && nnc_cx_has(cx, 3) && !nnc_cx_ints(cx, nnc_cx_in(cx, 3), &na, &axes);

    NNC_TRY(nnc_cx_rank_is(cx, pads, 1, "pads"));
    const nnc_known *k = nnc_cx_known(cx, pads, &n);
    if (!nnc_dim_is_const(nnc_cx_dim(cx, pads, 0)))
        return nnc_cx_error(cx, "pads is %s; the number of pads must be known",
                            nnc_cx_type_text(cx, pads));
    n = (uint32_t)nnc_cx_dim(cx, pads, 0);
    for (uint32_t i = 0; i < n; i++)
        blind |= !k || k[i].kind == NNC_KNOWN_not;
    if (blind)
        return dynamic_pad(cx, pads, nnc_cx_in(cx, 3), mode, fill);
    if (n != 2 * na || na > NNC_MAX_RANK)
        return nnc_cx_error(cx, "pads has %u entries for %u axes", n, na);
    for (int i = 0; !axes && i < rank; i++)
        axis[i] = i;
    if (axes)
        NNC_TRY(nnc_cx_axes(cx, na, axes, rank, "axes entry", axis));
    for (uint32_t i = 0; i < na; i++) {
        lo[axis[i]] = k[i].kind == NNC_KNOWN_dim ? k[i].i : nnc_dim_const(cx->dims, k[i].i);
        hi[axis[i]] =
            k[i + na].kind == NNC_KNOWN_dim ? k[i + na].i : nnc_dim_const(cx->dims, k[i + na].i);
    }
    return known_pad(cx, mode, fill, lo, hi);
}

/* ---- CenterCropPad ---- */

nnc_status nnc_row_center_crop_pad(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), s = nnc_cx_in(cx, 1);
    nnc_type_rec ty = nnc_cx_ty(cx, x), want;
    int64_t axis[NNC_MAX_RANK], all[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    nnc_dim size[NNC_MAX_RANK], lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    uint32_t na = ty.rank, n;
    const int64_t *axes =
        nnc_onnx_node_has(cx->node, "axes") ? nnc_onnx_node_ints(cx->node, "axes", &na) : all;
    const nnc_dim *at;

    NNC_TRY(nnc_cx_rank_is(cx, s, 1, "shape"));
    if (na > NNC_MAX_RANK || nnc_cx_dim(cx, s, 0) != na)
        return nnc_cx_error(cx, "shape is %s for %u axes", nnc_cx_type_text(cx, s), na);
    NNC_TRY(nnc_cx_axes(cx, na, axes, ty.rank, "axes entry", axis));
    if (nnc_cx_dims(cx, s, &n, &at)) {
        memcpy(size, at, n * sizeof *size);
    } else {
        if (!nnc_cx_declared(cx, 0, &want) || want.rank != ty.rank)
            return nnc_cx_error(cx,
                                "shape ('%s') is only known at run time and the output has no "
                                "declared static shape; fold "
                                "constants before exporting, or declare it",
                                nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, 1)));
        for (uint32_t i = 0; i < na; i++)
            size[i] = want.dim[axis[i]];
        nnc_value same =
            op2(cx, NNC_OP_eq, nnc_g_cast(&cx->b, s, NNC_DT_i64), nnc_cx_shape(cx, (int)na, size));
        NNC_TRY(nnc_cx_check(cx, same, "shape differs from the declared shape of the output"));
    }
    for (uint32_t i = 0; i < na; i++) {
        nnc_dim d = ty.dim[axis[i]], more = nnc_dim_sub(cx->dims, size[i], d),
                less = nnc_dim_sub(cx->dims, d, size[i]);
        if (nnc_dim_lo(cx->dims, more) >= 0) {
            lo[axis[i]] = nnc_dim_floordiv(cx->dims, more, 2);
        } else if (nnc_dim_hi(cx->dims, more) <= 0) {
            lo[axis[i]] = nnc_dim_sub(cx->dims, 0, nnc_dim_floordiv(cx->dims, less, 2));
        } else {
            return nnc_cx_error(
                cx, "dimension %d of %s may be smaller or larger than %s; pin it with --dim",
                (int)axis[i], nnc_cx_type_text(cx, x), nnc_cx_dim_text(cx, size[i]));
        }
        hi[axis[i]] = nnc_dim_sub(cx->dims, more, lo[axis[i]]);
    }
    return done(cx, nnc_g_pad(&cx->b, x, nnc_cx_like(cx, x, 0), lo, hi, NNC_W_constant));
}
