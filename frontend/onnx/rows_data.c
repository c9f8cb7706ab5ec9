/* frontend/onnx/rows_data.c - results whose size the data decides, sorting, searching, running sums.
 *
 * A data-dependent size is a count beside a buffer of the largest possible size: `compact` and friends give both, and
 * nnc_cx_prefix makes the count a dimension.  A count that is a constant after all gives a fixed size. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

enum { MAX_UNIQUE_COLUMNS = 256 /* one sort each */ };

static nnc_value counting(nnc_onnx_cx *cx, nnc_dim n)
{
    return nnc_g_iota(&cx->b, NNC_DT_i64, 1, &n, 0);
}

/* The first count elements along axis 0; *dim is shared by what has the same count, 0 at first. */
static nnc_value first(nnc_onnx_cx *cx, nnc_value x, nnc_value count, nnc_dim *dim)
{
    int64_t n;
    nnc_value y;

    if (nnc_cx_int(cx, count, &n))
        return nnc_g_slice_axis(&cx->b, x, 0, 0, 1, *dim = n);
    if (*dim)
        return nnc_g_prefix(&cx->b, x, count, 0, *dim);
    y = nnc_cx_prefix(cx, x, count, 0);
    *dim = nnc_cx_dim(cx, y, 0);
    return y;
}

static nnc_value compacted(nnc_onnx_cx *cx, nnc_value x, nnc_value mask, nnc_value *count)
{
    nnc_value out[2];
    nnc_g_compact(&cx->b, x, mask, out);
    *count = out[1];
    return out[0];
}

nnc_status nnc_row_non_zero(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), part[NNC_MAX_RANK], count;
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_dim n = nnc_type_size(cx->m, nnc_value_type(cx->m, x)), dim = 0;

    if (ty.rank == 0)
        return nnc_cx_error(
            cx, "the input is a scalar, whose result would have no rows; expected rank 1 or more");
    nnc_value flat = nnc_cx_flat(cx, x);
    nnc_value zero = op2(cx, NNC_OP_eq, flat, nnc_cx_num(cx, (nnc_dtype)ty.dtype, 0));
    nnc_value at = compacted(cx, counting(cx, n), nnc_cx_op1(cx, NNC_OP_not, zero), &count);
    at = first(cx, at, count, &dim);
    for (int d = ty.rank - 1; d >= 0; d--) {
        nnc_value size = nnc_cx_extent(cx, ty.dim[d], NNC_DT_i64);
        part[d] = nnc_cx_expand_dim(cx, d ? op2(cx, NNC_OP_rem, at, size) : at, 0);
        at = op2(cx, NNC_OP_div, at, size);
    }
    return done(cx, nnc_g_concat(&cx->b, ty.rank, part, 0));
}

/* The condition may be shorter than the axis: the rest is not taken. */
static nnc_status fit_mask(nnc_onnx_cx *cx, nnc_value *mask, nnc_dim n)
{
    nnc_dim have = nnc_cx_dim(cx, *mask, 0), missing = nnc_dim_sub(cx->dims, n, have), lo = 0;

    if (nnc_dim_hi(cx->dims, missing) < 0)
        return nnc_cx_error(cx, "condition %s is longer than the axis, which has %s elements",
                            nnc_cx_type_text(cx, *mask), nnc_cx_dim_text(cx, n));
    if (nnc_dim_lo(cx->dims, missing) >= 0 || nnc_dim_lo(cx->dims, have) < 1) {
        if (nnc_dim_lo(cx->dims, missing) < 0)
            return nnc_cx_same_dim(cx, n, have, "condition and the axis", &n);
        *mask =
            nnc_g_pad(&cx->b, *mask, nnc_cx_num(cx, NNC_DT_bool, 0), &lo, &missing, NNC_W_constant);
        return NNC_OK;
    }
    nnc_value i = counting(cx, n), size = nnc_cx_extent(cx, have, NNC_DT_i64);
    NNC_TRY(nnc_cx_check(cx, op2(cx, NNC_OP_le, size, nnc_cx_extent(cx, n, NNC_DT_i64)),
                         "the condition is longer than the axis"));
    nnc_value at = op2(cx, NNC_OP_min, i, op2(cx, NNC_OP_sub, size, i64(cx, 1)));
    *mask = op2(cx, NNC_OP_and, nnc_g_gather(&cx->b, *mask, at, 0, 0), op2(cx, NNC_OP_lt, i, size));
    return NNC_OK;
}

nnc_status nnc_row_compress(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), mask = nnc_cx_in(cx, 1), count;
    int64_t perm[NNC_MAX_RANK];
    nnc_dim dim = 0;
    int axis = 0, rank;

    if (!nnc_onnx_node_has(cx->node, "axis"))
        x = nnc_cx_flat(cx, x);
    rank = nnc_cx_rank(cx, x);
    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 0), rank, "attribute axis", &axis));
    NNC_TRY(nnc_cx_rank_is(cx, mask, 1, "condition"));
    for (int i = 0; i < rank; i++)
        perm[i] = i == 0 ? axis : i == axis ? 0 : i;
    x = nnc_g_transpose(&cx->b, x, perm); /* its own inverse */
    NNC_TRY(fit_mask(cx, &mask, nnc_cx_dim(cx, x, 0)));
    x = first(cx, compacted(cx, x, mask, &count), count, &dim);
    return done(cx, nnc_g_transpose(&cx->b, x, perm));
}

/* ---- Unique ---- */

/* Rows of x[n, m] in ascending order, first column first: the order as positions, by stable sorts from the last
 * column to the first. */
static nnc_value row_order(nnc_onnx_cx *cx, nnc_value x, nnc_dim n, int64_t m)
{
    nnc_value order = counting(cx, n);
    for (int64_t c = m; c-- > 0;) {
        nnc_value pair[2], sorted[2];
        nnc_value column = nnc_g_slice_axis(&cx->b, x, 1, c, 1, 1);
        pair[0] = nnc_cx_reshape(cx, column, 1, &n);
        if (c != m - 1)
            pair[0] = nnc_g_gather(&cx->b, pair[0], order, 0, 0);
        pair[1] = order;
        nnc_g_sort(&cx->b, 2, pair, 0, false, sorted);
        order = sorted[1];
    }
    return order;
}

/* bool[n]: does row i of sorted rows differ from the one before it?  The first one does. */
static nnc_value row_starts(nnc_onnx_cx *cx, nnc_value rows, nnc_dim n)
{
    nnc_dim before = nnc_dim_sub(cx->dims, n, 1), one = 1;
    int64_t axis = 1;
    nnc_value part[2];
    nnc_value a = nnc_g_slice_axis(&cx->b, rows, 0, 0, 1, before),
              b = nnc_g_slice_axis(&cx->b, rows, 0, 1, 1, before);
    nnc_value same = op2(cx, NNC_OP_eq, a, b);
    if (nnc_dtype_is_float(nnc_cx_dtype(cx, rows))) { /* NaNs count as one, as in numpy */
        nnc_value both = op2(cx, NNC_OP_and, op1(cx, NNC_OP_isnan, a), op1(cx, NNC_OP_isnan, b));
        same = op2(cx, NNC_OP_or, same, both);
    }
    same = nnc_g_reduce(&cx->b, NNC_W_and, same, 1, &axis, false);
    part[0] = nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_bool, 1), 1, &one);
    part[1] = nnc_cx_op1(cx, NNC_OP_not, same);
    return nnc_g_concat(&cx->b, 2, part, 0);
}

struct groups {
    nnc_value at; /* where each group's first row stands in x, [n] with `count` valid */
    nnc_value of; /* the group of each row of x */
    nnc_value count;
};

static nnc_value running(nnc_onnx_cx *cx, nnc_value mask)
{
    nnc_value sum =
        nnc_g_cumulate(&cx->b, NNC_W_add, nnc_g_cast(&cx->b, mask, NNC_DT_i64), 0, false, false);
    return op2(cx, NNC_OP_sub, sum, i64(cx, 1));
}

static struct groups find_groups(nnc_onnx_cx *cx, nnc_value x, nnc_dim n, int64_t m, bool sorted)
{
    struct groups g;
    nnc_value order = row_order(cx, x, n, m), zeros = nnc_cx_full(cx, i64(cx, 0), 1, &n);
    nnc_value start = row_starts(cx, nnc_g_gather(&cx->b, x, order, 0, 0), n);

    g.at = compacted(cx, order, start, &g.count);
    g.of = nnc_g_scatter_elements(&cx->b, zeros, order, running(cx, start), 0, NNC_W_none);
    if (sorted)
        return g;
    /* in the order of first appearance: number the first rows as they come */
    nnc_value is_first = nnc_g_scatter_elements(
        &cx->b, zeros, order, nnc_g_cast(&cx->b, start, NNC_DT_i64), 0, NNC_W_none);
    is_first = nnc_g_cast(&cx->b, is_first, NNC_DT_bool);
    nnc_value number = nnc_g_gather(&cx->b, running(cx, is_first), g.at, 0, 0);
    g.of = nnc_g_gather(&cx->b, number, g.of, 0, 0);
    g.at = compacted(cx, counting(cx, n), is_first, &g.count);
    return g;
}

nnc_status nnc_row_unique(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    bool by_axis = nnc_onnx_node_has(cx->node, "axis");
    int64_t perm[NNC_MAX_RANK], m = 1;
    nnc_dim dim[2], shared = 0;
    int axis = 0;

    if (!by_axis)
        x = nnc_cx_flat(cx, x);
    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 0), nnc_cx_rank(cx, x),
                        "attribute axis", &axis));
    for (int i = 0; i < nnc_cx_rank(cx, x); i++)
        perm[i] = i == 0 ? axis : i == axis ? 0 : i;
    x = nnc_g_transpose(&cx->b, x, perm);
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    for (int i = 1; i < ty.rank; i++) {
        if (!nnc_dim_is_const(ty.dim[i]) || ty.dim[i] > MAX_UNIQUE_COLUMNS ||
            (m *= ty.dim[i]) > MAX_UNIQUE_COLUMNS)
            return nnc_cx_error(cx,
                                "slices of %s have more than %d elements, or an unknown number; "
                                "that is not supported",
                                nnc_cx_type_text(cx, nnc_cx_in(cx, 0)), MAX_UNIQUE_COLUMNS);
    }
    if (nnc_dim_lo(cx->dims, ty.dim[0]) < 1 || m < 1)
        return nnc_cx_error(cx, "the input %s may be empty, which is not supported",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)));
    dim[0] = ty.dim[0];
    dim[1] = m;
    nnc_value rows = nnc_cx_reshape(cx, x, 2, dim);
    struct groups g =
        find_groups(cx, rows, dim[0], m, nnc_onnx_node_int(cx->node, "sorted", 1) != 0);
    nnc_value at = first(cx, g.at, g.count, &shared);
    nnc_cx_set(cx, 0, nnc_g_transpose(&cx->b, nnc_g_gather(&cx->b, x, at, 0, 0), perm));
    nnc_cx_set(cx, 1, at);
    nnc_cx_set(cx, 2, g.of);
    if (nnc_cx_wants(cx, 3)) {
        nnc_value ones = nnc_cx_full(cx, i64(cx, 1), 1, dim),
                  zeros = nnc_cx_full(cx, i64(cx, 0), 1, dim);
        nnc_value count = nnc_g_scatter_elements(&cx->b, zeros, g.of, ones, 0, NNC_W_add);
        nnc_cx_set(cx, 3, first(cx, count, g.count, &shared));
    }
    return NNC_OK;
}

/* ---- order ---- */

/* arg: 1 when k is an attribute (opset 1) */
nnc_status nnc_row_topk(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), out[2], kv = nnc_cx_in(cx, 1), run = {0};
    bool largest = nnc_onnx_node_int(cx->node, "largest", 1) != 0;
    nnc_type_rec want;
    const nnc_dim *at;
    uint32_t n;
    nnc_dim k = nnc_onnx_node_int(cx->node, "k", -1), d;
    int axis;

    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", -1), nnc_cx_rank(cx, x),
                        "attribute axis", &axis));
    d = nnc_cx_dim(cx, x, axis);
    if (cx->arg) {
        if (k < 0)
            return nnc_cx_bad_attr(cx, "k", "a number that is not negative");
    } else if (nnc_cx_dims(cx, kv, &n, &at) && n == 1) {
        k = at[0];
    } else if (nnc_type_count(cx->m, nnc_value_type(cx->m, kv)) != 1) {
        return nnc_cx_error(cx, "K is %s, expected one number", nnc_cx_type_text(cx, kv));
    } else if (nnc_cx_declared(cx, 0, &want) && want.rank > axis) {
        k = want.dim[axis];
        NNC_TRY(nnc_cx_check(
            cx, op2(cx, NNC_OP_eq, nnc_cx_scalar(cx, kv), nnc_cx_extent(cx, k, NNC_DT_i64)),
            "K differs from the declared shape of the output"));
    } else { /* all of them, and a count */
        k = d;
        run = nnc_cx_scalar(cx, kv);
        NNC_TRY(nnc_cx_check(cx, op2(cx, NNC_OP_le, run, nnc_cx_extent(cx, d, NNC_DT_i64)),
                             "K is larger than the axis"));
    }
    if (nnc_dim_lo(cx->dims, k) > nnc_dim_hi(cx->dims, d))
        return nnc_cx_error(cx, "K is %s, but axis %d of %s has fewer elements",
                            nnc_cx_dim_text(cx, k), axis, nnc_cx_type_text(cx, x));
    nnc_g_topk(&cx->b, x, k, axis, largest, out);
    if (run.id) {
        out[0] = nnc_cx_prefix(cx, out[0], run, axis);
        out[1] = nnc_g_prefix(&cx->b, out[1], run, axis, nnc_cx_dim(cx, out[0], axis));
    }
    nnc_cx_set(cx, 0, out[0]);
    nnc_cx_set(cx, 1, out[1]);
    return NNC_OK;
}

/* arg: the word max or min */
nnc_status nnc_row_arg(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    bool last = nnc_onnx_node_int(cx->node, "select_last_index", 0) != 0,
         keep = nnc_onnx_node_int(cx->node, "keepdims", 1) != 0;
    int axis;

    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 0), nnc_cx_rank(cx, x),
                        "attribute axis", &axis));
    if (nnc_cx_dim(cx, x, axis) == 0)
        return nnc_cx_error(cx, "axis %d of %s is empty", axis, nnc_cx_type_text(cx, x));
    return done(cx, nnc_g_argreduce(&cx->b, (nnc_word)cx->arg, x, axis, last, keep));
}

/* arg: the word add or mul.  An axis that only the run knows: all of them, then choose. */
nnc_status nnc_row_cumulate(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), at = nnc_cx_in(cx, 1), y = {0};
    bool exclusive = nnc_onnx_node_int(cx->node, "exclusive", 0) != 0,
         reverse = nnc_onnx_node_int(cx->node, "reverse", 0) != 0;
    int rank = nnc_cx_rank(cx, x), axis;
    int64_t number;

    if (nnc_type_count(cx->m, nnc_value_type(cx->m, at)) != 1)
        return nnc_cx_error(cx, "axis is %s, expected a scalar", nnc_cx_type_text(cx, at));
    if (rank == 0)
        return nnc_cx_error(cx, "the input is a scalar, expected rank 1 or more");
    if (nnc_cx_int(cx, at, &number)) {
        NNC_TRY(nnc_cx_axis(cx, number, rank, "axis", &axis));
        return done(cx, nnc_g_cumulate(&cx->b, (nnc_word)cx->arg, x, axis, exclusive, reverse));
    }
    at = nnc_cx_wrap_index(cx, nnc_g_cast(&cx->b, nnc_cx_scalar(cx, at), NNC_DT_i64), rank);
    nnc_value ok = op2(cx, NNC_OP_and, op2(cx, NNC_OP_le, i64(cx, 0), at),
                       op2(cx, NNC_OP_lt, at, i64(cx, rank)));
    NNC_TRY(nnc_cx_check(cx, ok, "axis is out of range"));
    for (axis = 0; axis < rank; axis++) {
        nnc_value one = nnc_g_cumulate(&cx->b, (nnc_word)cx->arg, x, axis, exclusive, reverse);
        y = axis ? nnc_g_select(&cx->b, op2(cx, NNC_OP_eq, at, i64(cx, axis)), one, y) : one;
    }
    return done(cx, y);
}

/* ---- boxes ---- */

static nnc_value scalar_or(nnc_onnx_cx *cx, uint32_t i, nnc_value dflt)
{
    return nnc_cx_has(cx, i) ? nnc_cx_scalar(cx, nnc_cx_in(cx, i)) : dflt;
}

nnc_status nnc_row_nms(nnc_onnx_cx *cx)
{
    nnc_value boxes = nnc_cx_in(cx, 0), scores = nnc_cx_in(cx, 1), in[5];
    int64_t limit;
    nnc_dim n, dim[2] = {0, 3}, shared = 0;

    NNC_TRY(nnc_cx_rank_is(cx, boxes, 3, "boxes"));
    NNC_TRY(nnc_cx_rank_is(cx, scores, 3, "scores"));
    for (uint32_t i = 2; i < cx->nin; i++)
        if (nnc_cx_has(cx, i) &&
            nnc_type_count(cx->m, nnc_value_type(cx->m, nnc_cx_in(cx, i))) != 1)
            return nnc_cx_error(cx, "operand %u is %s, expected a scalar", i,
                                nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, boxes, 0), nnc_cx_dim(cx, scores, 0),
                            "boxes and scores", &dim[0]));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, boxes, 1), nnc_cx_dim(cx, scores, 2),
                            "boxes and scores", &n));
    NNC_TRY(
        nnc_cx_same_dim(cx, nnc_cx_dim(cx, boxes, 2), 4, "the last dimension of boxes", &dim[1]));
    in[0] = nnc_cx_dim(cx, boxes, 2) == 4 ? boxes : nnc_g_slice_axis(&cx->b, boxes, 2, 0, 1, 4);
    in[1] = scores;
    in[2] = scalar_or(cx, 2, i64(cx, 0));
    in[3] = scalar_or(cx, 3, nnc_cx_num(cx, NNC_DT_f32, 0));
    in[4] = scalar_or(cx, 4, nnc_cx_num(cx, NNC_DT_f32, -INFINITY));
    nnc_dim size = n;
    if (nnc_cx_int(cx, in[2], &limit))
        size = nnc_dim_min(cx->dims, n, limit < 0 ? 0 : limit);
    dim[0] = nnc_dim_mul(cx->dims, nnc_dim_mul(cx->dims, dim[0], nnc_cx_dim(cx, scores, 1)),
                         nnc_dim_min(cx->dims, n, size));
    dim[1] = 3;
    nnc_type out[2] = {nnc_type_tensor(cx->m, NNC_DT_i64, 2, dim),
                       nnc_type_tensor(cx->m, NNC_DT_i64, 0, NULL)};
    nnc_op op = nnc_build_op(&cx->b, NNC_OP_nms, 5, in, 2, out);
    nnc_attr_set_int(cx->m, op, NNC_W_mode,
                     nnc_onnx_node_int(cx->node, "center_point_box", 0) != 0);
    nnc_attr_set_int(cx->m, op, NNC_W_size, size);
    return done(cx, first(cx, nnc_op_out(cx->m, op, 0), nnc_op_out(cx->m, op, 1), &shared));
}
