/* frontend/onnx/rows_join.c - repetition, joining, splitting, and blocks of space as depth. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

/* ---- growing by repetition ---- */

nnc_status nnc_row_expand(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), s = nnc_cx_in(cx, 1);
    nnc_type_rec tx = nnc_cx_ty(cx, x), want;
    nnc_dim dim[NNC_MAX_RANK];
    const nnc_dim *at;
    uint32_t n;

    NNC_TRY(nnc_cx_rank_is(cx, s, 1, "the shape"));
    if (!nnc_cx_dims(cx, s, &n, &at)) {
        nnc_dim size;
        if (!nnc_cx_declared(cx, 0, &want))
            return nnc_cx_unknown_shape(cx, 1, "the shape");
        size = nnc_cx_dim(cx, s, 0);
        if (!nnc_dim_is_const(size) || size > want.rank)
            return nnc_cx_error(cx, "the shape is %s, but the output is declared with rank %d",
                                nnc_cx_type_text(cx, s), want.rank);
        nnc_value ok = nnc_cx_op2(cx, NNC_OP_eq, s,
                                  nnc_cx_shape(cx, (int)size, want.dim + (want.rank - size)));
        ok = nnc_cx_op2(cx, NNC_OP_or, ok,
                        nnc_cx_op2(cx, NNC_OP_eq, s, nnc_g_int(&cx->b, NNC_DT_i64, 1)));
        if (size)
            NNC_TRY(nnc_cx_check(
                cx, ok, "the shape operand differs from the declared shape of the output"));
        at = want.dim;
        n = want.rank;
    }
    int rank = (int)n > tx.rank ? (int)n : tx.rank;
    if (rank > NNC_MAX_RANK)
        return nnc_cx_error(cx, "the result would have rank %d; at most %d is supported", rank,
                            NNC_MAX_RANK);
    for (int i = 0; i < rank; i++) {
        int ix = i - (rank - tx.rank), is = i - (rank - (int)n);
        nnc_dim a = ix < 0 ? 1 : tx.dim[ix], b = is < 0 ? 1 : at[is];
        dim[i] = a == 1 ? b : a;
        if (a != 1 && b != 1)
            NNC_TRY(
                nnc_cx_same_dim(cx, a, b, "the operand does not broadcast to the shape", &dim[i]));
    }
    return done(cx, nnc_g_broadcast(&cx->b, x, rank, dim));
}

/* x repeated r times along the axis, as a broadcast of [before, 1, d, after]. */
static nnc_value tile_axis(nnc_onnx_cx *cx, nnc_value x, int axis, nnc_dim r)
{
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_dim dim[4] = {1, 1, ty.dim[axis], 1};

    if (r == 1)
        return x;
    if (ty.dim[axis] == 1) {
        ty.dim[axis] = r;
        return nnc_g_broadcast(&cx->b, x, ty.rank, ty.dim);
    }
    for (int i = 0; i < ty.rank; i++)
        if (i != axis)
            dim[i < axis ? 0 : 3] = nnc_dim_mul(cx->dims, dim[i < axis ? 0 : 3], ty.dim[i]);
    x = nnc_cx_reshape(cx, x, 4, dim);
    dim[1] = r;
    x = nnc_g_broadcast(&cx->b, x, 4, dim);
    ty.dim[axis] = nnc_dim_mul(cx->dims, ty.dim[axis], r);
    return nnc_cx_reshape(cx, x, ty.rank, ty.dim);
}

nnc_status nnc_row_tile(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), s = nnc_cx_in(cx, 1);
    nnc_type_rec tx = nnc_cx_ty(cx, x), want;
    nnc_dim r[NNC_MAX_RANK];
    const nnc_dim *at;
    uint32_t n;

    NNC_TRY(nnc_cx_rank_is(cx, s, 1, "the repeats"));
    if (nnc_cx_dim(cx, s, 0) != tx.rank)
        return nnc_cx_error(cx, "the repeats are %s, but the input is %s", nnc_cx_type_text(cx, s),
                            nnc_cx_type_text(cx, x));
    if (nnc_cx_dims(cx, s, &n, &at)) {
        memcpy(r, at, n * sizeof *r);
    } else { /* how often follows from the declared result */
        if (!nnc_cx_declared(cx, 0, &want) || want.rank != tx.rank)
            return nnc_cx_unknown_shape(cx, 1, "the repeats");
        for (int i = 0; i < tx.rank; i++) {
            if (tx.dim[i] == 0)
                return nnc_cx_unknown_shape(cx, 1, "the repeats");
            r[i] = nnc_dim_floordiv(cx->dims, want.dim[i], tx.dim[i]);
        }
        nnc_value ok = nnc_cx_op2(cx, NNC_OP_eq, s, nnc_cx_shape(cx, tx.rank, r));
        if (tx.rank)
            NNC_TRY(
                nnc_cx_check(cx, ok, "the repeats differ from the declared shape of the output"));
    }
    for (int i = 0; i < tx.rank; i++)
        x = tile_axis(cx, x, i, r[i]);
    return done(cx, x);
}

/* Opset 1: `tiles` times along `axis`, both scalars. */
nnc_status nnc_row_tile_one(nnc_onnx_cx *cx)
{
    int64_t tiles, at;
    int axis;
    NNC_TRY(nnc_cx_need_int(cx, 1, "tiles", &tiles));
    NNC_TRY(nnc_cx_need_int(cx, 2, "axis", &at));
    NNC_TRY(nnc_cx_axis(cx, at, nnc_cx_rank(cx, nnc_cx_in(cx, 0)), "axis", &axis));
    if (tiles < 0)
        return nnc_cx_error(cx, "tiles is %lld", (long long)tiles);
    return done(cx, tile_axis(cx, nnc_cx_in(cx, 0), axis, tiles));
}

/* ---- joining and splitting ---- */

/* Concatenate v[0 .. n-1] after checking that they fit. */
nnc_status nnc_cx_concat(nnc_onnx_cx *cx, uint32_t n, const nnc_value *v, int axis, nnc_value *out)
{
    nnc_type_rec first = nnc_cx_ty(cx, v[0]);
    for (uint32_t i = 1; i < n; i++) {
        nnc_type_rec ty = nnc_cx_ty(cx, v[i]);
        if (ty.rank != first.rank || ty.dtype != first.dtype)
            return nnc_cx_error(cx, "%s and %s cannot be concatenated", nnc_cx_type_text(cx, v[0]),
                                nnc_cx_type_text(cx, v[i]));
        for (int d = 0; d < ty.rank; d++)
            if (d != axis)
                NNC_TRY(nnc_cx_same_dim(cx, first.dim[d], ty.dim[d],
                                        "concatenated tensors differ beside the axis",
                                        &first.dim[d]));
    }
    *out = n == 1 ? v[0] : nnc_g_concat(&cx->b, n, v, axis);
    return NNC_OK;
}

nnc_status nnc_row_concat(nnc_onnx_cx *cx)
{
    nnc_value *v = nnc_arena_array(cx->a, cx->nin, sizeof *v), y;
    int axis;

    for (uint32_t i = 0; i < cx->nin; i++)
        v[i] = nnc_cx_in(cx, i);
    if (nnc_cx_rank(cx, v[0]) == 0)
        return nnc_cx_error(cx, "scalars cannot be concatenated");
    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 1), nnc_cx_rank(cx, v[0]),
                        "attribute axis", &axis));
    NNC_TRY(nnc_cx_concat(cx, cx->nin, v, axis, &y));
    return done(cx, y);
}

/* Sizes of the parts along the axis: given, or equal ones (the last may be smaller from opset 18 on). */
static nnc_status split_sizes(nnc_onnx_cx *cx, nnc_dim d, int axis, nnc_dim *size)
{
    uint32_t n = 0;
    const int64_t *attr = nnc_onnx_node_ints(cx->node, "split", &n);
    const nnc_dim *at = attr;
    int64_t parts = nnc_onnx_node_int(cx->node, "num_outputs", cx->nout);
    nnc_type_rec want;

    if (!attr && nnc_cx_has(cx, 1)) {
        if (!nnc_cx_dims(cx, nnc_cx_in(cx, 1), &n, &at)) {
            for (uint32_t i = 0; i < cx->nout; i++) {
                if (!nnc_cx_declared(cx, i, &want) || want.rank <= axis)
                    return nnc_cx_unknown_shape(cx, 1, "split");
                size[i] = want.dim[axis];
            }
            for (uint32_t i = 0; i < cx->nout; i++) {
                nnc_value e =
                    nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, nnc_cx_in(cx, 1), 0, i, 1, 1));
                NNC_TRY(nnc_cx_check(cx,
                                     nnc_cx_op2(cx, NNC_OP_eq, e, nnc_g_extent(&cx->b, size[i])),
                                     "split differs from the declared shapes of the outputs"));
            }
            return NNC_OK;
        }
    }
    if (at) {
        if (n != cx->nout)
            return nnc_cx_error(cx, "split has %u entries for %u outputs", n, cx->nout);
        for (uint32_t i = 0; i < n; i++) {
            if (attr && attr[i] < 0)
                return nnc_cx_error(cx, "split has the entry %lld", (long long)attr[i]);
            size[i] = at[i];
        }
        return NNC_OK;
    }
    if (parts != cx->nout)
        return nnc_cx_error(cx, "num_outputs is %lld, but the node has %u outputs",
                            (long long)parts, cx->nout);
    nnc_dim each = nnc_dim_ceildiv(cx->dims, d, parts), left = d;
    for (uint32_t i = 0; i < cx->nout; i++) {
        size[i] = i + 1 < cx->nout ? nnc_dim_min(cx->dims, each, left) : left;
        left = nnc_dim_sub(cx->dims, left, size[i]);
    }
    if (!nnc_onnx_node_has(cx->node, "num_outputs"))
        NNC_TRY(nnc_cx_same_dim(cx, nnc_dim_mul(cx->dims, each, parts), d,
                                "the axis does not split into equal parts", &each));
    return NNC_OK;
}

nnc_status nnc_row_split(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_dim *size = nnc_arena_array(cx->a, cx->nout + 1, sizeof *size), at = 0, d;
    int axis;

    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 0), nnc_cx_rank(cx, x),
                        "attribute axis", &axis));
    d = nnc_cx_dim(cx, x, axis);
    NNC_TRY(split_sizes(cx, d, axis, size));
    for (uint32_t i = 0; i < cx->nout; i++)
        at = nnc_dim_add(cx->dims, at, size[i]);
    NNC_TRY(nnc_cx_same_dim(cx, at, d, "the sum of split and the axis", &d));
    at = 0;
    for (uint32_t i = 0; i < cx->nout; i++) {
        nnc_cx_set(cx, i, nnc_g_slice_axis(&cx->b, x, axis, at, 1, size[i]));
        at = nnc_dim_add(cx->dims, at, size[i]);
    }
    return NNC_OK;
}

/* ---- depth and space ---- */

static nnc_status block_size(nnc_onnx_cx *cx, int64_t *block)
{
    *block = nnc_onnx_node_int(cx->node, "blocksize", 0);
    if (*block <= 0 || *block > 1 << 20)
        return nnc_cx_bad_attr(cx, "blocksize", "a positive number");
    return nnc_cx_rank_is(cx, nnc_cx_in(cx, 0), 4, "the input");
}

static nnc_status block_mode(nnc_onnx_cx *cx, bool *crd)
{
    const char *mode = nnc_onnx_node_str(cx->node, "mode", "DCR");
    *crd = strcmp(mode, "CRD") == 0;
    return *crd || strcmp(mode, "DCR") == 0 ? NNC_OK : nnc_cx_bad_attr(cx, "mode", "DCR or CRD");
}

nnc_status nnc_row_depth_to_space(nnc_onnx_cx *cx)
{
    static const int64_t dcr_perm[6] = {0, 3, 4, 1, 5, 2}, crd_perm[6] = {0, 1, 4, 2, 5, 3};
    nnc_value x = nnc_cx_in(cx, 0);
    int64_t b;
    bool crd;
    nnc_dim c;

    NNC_TRY(block_size(cx, &b));
    NNC_TRY(block_mode(cx, &crd));
    nnc_type_rec t = nnc_cx_ty(cx, x);
    c = nnc_dim_floordiv(cx->dims, t.dim[1], b * b);
    NNC_TRY(nnc_cx_same_dim(cx, nnc_dim_mul(cx->dims, c, b * b), t.dim[1],
                            "channels must be a multiple of blocksize squared", &t.dim[1]));
    nnc_dim dcr_dim[6] = {t.dim[0], b, b, c, t.dim[2], t.dim[3]},
            crd_dim[6] = {t.dim[0], c, b, b, t.dim[2], t.dim[3]};
    x = nnc_g_transpose(&cx->b, nnc_cx_reshape(cx, x, 6, crd ? crd_dim : dcr_dim),
                        crd ? crd_perm : dcr_perm);
    nnc_dim out[4] = {t.dim[0], c, nnc_dim_mul(cx->dims, t.dim[2], b),
                      nnc_dim_mul(cx->dims, t.dim[3], b)};
    return done(cx, nnc_cx_reshape(cx, x, 4, out));
}

nnc_status nnc_row_space_to_depth(nnc_onnx_cx *cx)
{
    static const int64_t dcr_perm[6] = {0, 3, 5, 1, 2, 4}, crd_perm[6] = {0, 1, 3, 5, 2, 4};
    nnc_value x = nnc_cx_in(cx, 0);
    int64_t b;
    bool crd;

    NNC_TRY(block_size(cx, &b));
    NNC_TRY(block_mode(cx, &crd));
    nnc_type_rec t = nnc_cx_ty(cx, x);
    nnc_dim h = nnc_dim_floordiv(cx->dims, t.dim[2], b),
            w = nnc_dim_floordiv(cx->dims, t.dim[3], b);
    NNC_TRY(nnc_cx_same_dim(cx, nnc_dim_mul(cx->dims, h, b), t.dim[2],
                            "the height must be a multiple of blocksize", &t.dim[2]));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_dim_mul(cx->dims, w, b), t.dim[3],
                            "the width must be a multiple of blocksize", &t.dim[3]));
    nnc_dim dim[6] = {t.dim[0], t.dim[1], h, b, w, b};
    x = nnc_g_transpose(&cx->b, nnc_cx_reshape(cx, x, 6, dim), crd ? crd_perm : dcr_perm);
    nnc_dim out[4] = {t.dim[0], nnc_dim_mul(cx->dims, t.dim[1], b * b), h, w};
    return done(cx, nnc_cx_reshape(cx, x, 4, out));
}
