/* frontend/onnx/rows_slice.c - windows of tensors: Slice; ReverseSequence.
 *
 * Starts and ends are usually known (numbers, or expressions over dimensions) and give views.  Those that only
 * the run knows become gathers with computed indices: of the declared size with a check, or, for Slice, of the
 * largest possible size with a count. */
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

/* ---- Slice ---- */

/* One axis: each number as known at import, and as a run-time value where it is not. */
struct cut {
    bool used; /* this axis is sliced */
    nnc_known start, end, step;
    nnc_value vstart, vend, vstep;
};

/* A known element as a dimension counted from the front; false when its sign is open. */
static bool from_front(nnc_onnx_cx *cx, nnc_known k, nnc_dim d, nnc_dim *out)
{
    *out = k.kind == NNC_KNOWN_dim ? k.i : nnc_dim_const(cx->dims, k.i);
    if (nnc_dim_lo(cx->dims, *out) >= 0)
        return true;
    if (nnc_dim_hi(cx->dims, *out) >= 0)
        return false;
    *out = nnc_dim_add(cx->dims, *out, d);
    return true;
}

static nnc_dim clamp_dim(nnc_onnx_cx *cx, nnc_dim x, nnc_dim lo, nnc_dim hi)
{
    return nnc_dim_min(cx->dims, nnc_dim_max(cx->dims, x, lo), hi);
}

/* Start and size of a cut when everything about it is known. */
static bool known_cut(nnc_onnx_cx *cx, const struct cut *c, nnc_dim d, nnc_dim *start,
                      nnc_dim *size)
{
    nnc_dims *t = cx->dims;
    nnc_dim s, e, span;
    int64_t step = c->step.i;

    if (c->start.kind == NNC_KNOWN_not || c->end.kind == NNC_KNOWN_not ||
        c->step.kind != NNC_KNOWN_fixed || !from_front(cx, c->start, d, &s) ||
        !from_front(cx, c->end, d, &e))
        return false;
    if (step > 0) {
        s = clamp_dim(cx, s, 0, d);
        e = clamp_dim(cx, e, 0, d);
        span = nnc_dim_sub(t, e, s);
    } else {
        nnc_dim before = nnc_dim_const(t, -1), last = nnc_dim_sub(t, d, 1);
        s = clamp_dim(cx, s, 0,
                      last); /* ONNX, unlike numpy: a start before the axis is its first */
        e = clamp_dim(cx, e, before, last);
        span = nnc_dim_sub(t, s, e);
    }
    int64_t stride = step > 0 ? step : step == INT64_MIN ? INT64_MAX : -step;
    span = nnc_dim_max(t, span, 0);
    *size = span == 0                ? 0
            : nnc_dim_is_const(span) ? (span - 1) / stride + 1
                                     : nnc_dim_ceildiv(t, span, stride);
    *start = *size == 0 ? 0 : s;
    return true;
}

static nnc_value known_or(nnc_onnx_cx *cx, nnc_known k, nnc_value v)
{
    int64_t n;
    if (k.kind == NNC_KNOWN_not)
        return v;
    nnc_dim d = k.kind == NNC_KNOWN_dim ? k.i : nnc_dim_const(cx->dims, k.i);
    return nnc_dim_value(cx->dims, d, &n) ? i64(cx, n) : nnc_g_extent(&cx->b, d);
}

/* The same rules on values: first index and how many. */
static void run_cut(nnc_onnx_cx *cx, const struct cut *c, nnc_dim d, nnc_value *start,
                    nnc_value *step, nnc_value *count)
{
    nnc_value n = nnc_cx_extent(cx, d, NNC_DT_i64), zero = i64(cx, 0), one = i64(cx, 1);
    nnc_value s = nnc_cx_wrap_index(cx, known_or(cx, c->start, c->vstart), d);
    nnc_value e = nnc_cx_wrap_index(cx, known_or(cx, c->end, c->vend), d);
    nnc_value st = known_or(cx, c->step, c->vstep);
    bool fixed = c->step.kind == NNC_KNOWN_fixed;
    nnc_value up = op2(cx, NNC_OP_lt, zero, st), lo, hi;

    lo = fixed ? i64(cx, c->step.i > 0 ? 0 : -1) : nnc_g_select(&cx->b, up, zero, i64(cx, -1));
    nnc_value last = op2(cx, NNC_OP_sub, n, one);
    hi = fixed ? (c->step.i > 0 ? n : last) : nnc_g_select(&cx->b, up, n, last);
    s = clamp(cx, s, zero, hi);
    e = clamp(cx, e, lo, hi);
    nnc_value span =
        op2(cx, NNC_OP_mul, op2(cx, NNC_OP_sub, e, s), nnc_cx_op1(cx, NNC_OP_sign, st));
    nnc_value stride = nnc_cx_op1(cx, NNC_OP_abs, st);
    span = op2(cx, NNC_OP_max, span, zero);
    *count =
        op2(cx, NNC_OP_div, op2(cx, NNC_OP_add, span, op2(cx, NNC_OP_sub, stride, one)), stride);
    *start = s;
    *step = st;
}

/* The value behind reshapes, casts and joints of single elements. */
static nnc_value stripped(nnc_onnx_cx *cx, nnc_value v)
{
    for (unsigned guard = 0; guard < 64; guard++) {
        nnc_op op = nnc_value_op(cx->m, v);
        nnc_opcode code = op.id ? nnc_op_code(cx->m, op) : NNC_OP_none;
        unsigned n;
        if (code == NNC_OP_reshape ||
            (code == NNC_OP_cast && nnc_dtype_is_int(nnc_cx_dtype(cx, nnc_op_in(cx->m, op, 0))))) {
            v = nnc_op_in(cx->m, op, 0);
        } else if (code == NNC_OP_slice && nnc_cx_rank(cx, v) == 1) {
            nnc_value from = nnc_op_in(cx->m, op, 0);
            nnc_op join = nnc_value_op(cx->m, from);
            int64_t at = nnc_attr_ints(cx->m, op, NNC_W_start, &n)[0];
            if (!join.id || nnc_op_code(cx->m, join) != NNC_OP_concat || at < 0 ||
                nnc_op_nin(cx->m, join) != nnc_cx_dim(cx, from, 0))
                return v;
            v = nnc_op_in(cx->m, join, (unsigned)at);
        } else {
            return v;
        }
    }
    return v;
}

/* x[i : i + c], the way loops walk: is end = start + c with a fixed c > 0? */
static bool fixed_span(nnc_onnx_cx *cx, const struct cut *c, int64_t *span)
{
    nnc_value start = stripped(cx, c->vstart), end = stripped(cx, c->vend);
    nnc_op op = nnc_value_op(cx->m, end);

    if (c->step.kind != NNC_KNOWN_fixed || c->step.i != 1 || !op.id ||
        nnc_op_code(cx->m, op) != NNC_OP_add)
        return false;
    for (unsigned k = 0; k < 2; k++)
        if (stripped(cx, nnc_op_in(cx->m, op, k)).id == start.id &&
            nnc_cx_int(cx, nnc_op_in(cx->m, op, 1 - k), span))
            return *span > 0;
    return false;
}

/* A window of fixed size at a place that the run says; it must lie inside. */
static nnc_status window_cut(nnc_onnx_cx *cx, nnc_value *x, const struct cut *c, int axis,
                             int64_t span)
{
    nnc_type_rec ty = nnc_cx_ty(cx, *x);
    nnc_value n = nnc_cx_extent(cx, ty.dim[axis], NNC_DT_i64), s = c->vstart,
              e = op2(cx, NNC_OP_add, s, i64(cx, span));
    nnc_value zero = i64(cx, 0), part[3];
    nnc_dim before = axis, one = 1, after = ty.rank - axis - 1;

    if (nnc_dim_hi(cx->dims, ty.dim[axis]) < span)
        return nnc_cx_error(cx, "a window of %lld does not fit axis %d of %s", (long long)span,
                            axis, nnc_cx_type_text(cx, *x));
    nnc_value inside = op2(cx, NNC_OP_and, op2(cx, NNC_OP_le, zero, s), op2(cx, NNC_OP_le, e, n));
    nnc_value behind = op2(cx, NNC_OP_and, op2(cx, NNC_OP_lt, e, zero),
                           op2(cx, NNC_OP_le, op2(cx, NNC_OP_sub, zero, n), s));
    NNC_TRY(nnc_cx_check(cx, op2(cx, NNC_OP_or, inside, behind),
                         "a slice of fixed size reaches beyond its axis"));
    part[0] = nnc_cx_full(cx, zero, 1, &before);
    part[1] = nnc_cx_reshape(cx, nnc_cx_wrap_index(cx, s, ty.dim[axis]), 1, &one);
    part[2] = nnc_cx_full(cx, zero, 1, &after);
    ty.dim[axis] = span;
    *x = nnc_g_dynamic_slice(&cx->b, *x, nnc_g_concat(&cx->b, 3, part, 0), ty.dim);
    return NNC_OK;
}

static nnc_status dynamic_cut(nnc_onnx_cx *cx, nnc_value *x, const struct cut *c, int axis,
                              const nnc_type_rec *want)
{
    nnc_type_rec ty = nnc_cx_ty(cx, *x);
    nnc_dim d = ty.dim[axis], size = want ? want->dim[axis] : nnc_dim_hi(cx->dims, d);
    nnc_value start, step, count;
    int64_t span;

    if (fixed_span(cx, c, &span) && (!want || size == span))
        return window_cut(cx, x, c, axis, span);
    run_cut(cx, c, d, &start, &step, &count);
    if (want && d == 0 && size != 0)
        return nnc_cx_error(cx, "an empty axis cannot give the declared size %s",
                            nnc_cx_dim_text(cx, size));
    if (want)
        NNC_TRY(nnc_cx_check(cx, op2(cx, NNC_OP_eq, count, nnc_g_extent(&cx->b, size)),
                             "the slice differs in size from the declared output"));
    nnc_value i = nnc_g_iota(&cx->b, NNC_DT_i64, 1, &size, 0);
    i = op2(cx, NNC_OP_add, op2(cx, NNC_OP_mul, i, step), start);
    i = clamp(cx, i, i64(cx, 0),
              op2(cx, NNC_OP_max, op2(cx, NNC_OP_sub, nnc_cx_extent(cx, d, NNC_DT_i64), i64(cx, 1)),
                  i64(cx, 0)));
    *x = nnc_g_gather(&cx->b, *x, i, axis, 0);
    if (!want)
        *x = nnc_cx_prefix(cx, *x, count, axis);
    return NNC_OK;
}

static nnc_status apply_cuts(nnc_onnx_cx *cx, nnc_value x, const struct cut *cut)
{
    nnc_type_rec ty = nnc_cx_ty(cx, x), want;
    bool declared = nnc_cx_declared(cx, 0, &want) && want.rank == ty.rank;
    nnc_dim start[NNC_MAX_RANK], size[NNC_MAX_RANK];
    int64_t step[NNC_MAX_RANK];
    bool open[NNC_MAX_RANK] = {false};

    for (int i = 0; i < ty.rank; i++) {
        start[i] = 0;
        step[i] = 1;
        size[i] = ty.dim[i];
        if (!cut[i].used)
            continue;
        open[i] = !known_cut(cx, &cut[i], ty.dim[i], &start[i], &size[i]);
        if (!open[i])
            step[i] = cut[i].step.i;
    }
    x = nnc_g_slice(&cx->b, x, start, step, size);
    for (int i = 0; i < ty.rank; i++)
        if (open[i])
            NNC_TRY(dynamic_cut(cx, &x, &cut[i], i, declared ? &want : NULL));
    return done(cx, x);
}

static nnc_known known_elem(nnc_onnx_cx *cx, nnc_value v, uint32_t i)
{
    uint32_t n;
    const nnc_known *k = nnc_cx_known(cx, v, &n);
    return k && i < n ? k[i] : (nnc_known){0};
}

/* arg of Slice before opset 10: attributes */
nnc_status nnc_row_slice_attr(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    int rank = nnc_cx_rank(cx, x);
    struct cut cut[NNC_MAX_RANK] = {{false, {0}, {0}, {0}, {0}, {0}, {0}}};
    int64_t axis[NNC_MAX_RANK];
    uint32_t n, ne, na;
    const int64_t *start = nnc_onnx_node_ints(cx->node, "starts", &n),
                  *end = nnc_onnx_node_ints(cx->node, "ends", &ne);
    const int64_t *axes = nnc_onnx_node_ints(cx->node, "axes", &na),
                  all[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};

    if (n != ne || (axes && na != n) || n > (uint32_t)rank)
        return nnc_cx_error(
            cx, "attributes starts (%u), ends (%u) and axes (%u) do not fit each other or rank %d",
            n, ne, na, rank);
    NNC_TRY(nnc_cx_axes(cx, n, axes ? axes : all, rank, "axes entry", axis));
    for (uint32_t i = 0; i < n; i++)
        cut[axis[i]] = (struct cut){true,
                                    {NNC_KNOWN_fixed, start[i], 0},
                                    {NNC_KNOWN_fixed, end[i], 0},
                                    {NNC_KNOWN_fixed, 1, 1},
                                    {0},
                                    {0},
                                    {0}};
    return apply_cuts(cx, x, cut);
}

/* Which axes are cut is not known either: spread starts, ends and steps over all of them. */
static nnc_status blind_axes(nnc_onnx_cx *cx, uint32_t n, struct cut *cut)
{
    nnc_dim rank = nnc_cx_rank(cx, nnc_cx_in(cx, 0)), one = n;
    nnc_value at = nnc_cx_wrap_index(cx, nnc_g_cast(&cx->b, nnc_cx_in(cx, 3), NNC_DT_i64), rank),
              full[3];
    static const int64_t rest[3] = {0, INT64_MAX, 1};

    for (uint32_t i = 0; i < 3; i++) {
        uint32_t in = i == 2 ? 4 : i + 1;
        nnc_value v = nnc_cx_has(cx, in) ? nnc_g_cast(&cx->b, nnc_cx_in(cx, in), NNC_DT_i64)
                                         : nnc_cx_full(cx, i64(cx, 1), 1, &one);
        full[i] = nnc_g_scatter_elements(&cx->b, nnc_cx_full(cx, i64(cx, rest[i]), 1, &rank), at, v,
                                         0, NNC_W_none);
    }
    for (int d = 0; d < (int)rank; d++)
        cut[d] = (struct cut){true,
                              {0},
                              {0},
                              {0},
                              element(cx, full[0], d),
                              element(cx, full[1], d),
                              element(cx, full[2], d)};
    return NNC_OK;
}

nnc_status nnc_row_slice(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), starts = nnc_cx_in(cx, 1), ends = nnc_cx_in(cx, 2),
              steps = nnc_cx_in(cx, 4);
    struct cut cut[NNC_MAX_RANK] = {{false, {0}, {0}, {0}, {0}, {0}, {0}}};
    int64_t axis[NNC_MAX_RANK], all[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    const int64_t *axes = all;
    int rank = nnc_cx_rank(cx, x);
    uint32_t n, na;

    for (uint32_t i = 1; i < cx->nin; i++) {
        static const char *const what[] = {"", "starts", "ends", "axes", "steps"};
        if (!nnc_cx_has(cx, i))
            continue;
        NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, i), 1, what[i]));
        if (nnc_cx_dim(cx, nnc_cx_in(cx, i), 0) != nnc_cx_dim(cx, starts, 0))
            return nnc_cx_error(cx, "starts is %s, but %s is %s", nnc_cx_type_text(cx, starts),
                                what[i], nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    }
    if (!nnc_dim_is_const(nnc_cx_dim(cx, starts, 0)) || nnc_cx_dim(cx, starts, 0) > rank)
        return nnc_cx_error(cx, "starts is %s, but the input is %s", nnc_cx_type_text(cx, starts),
                            nnc_cx_type_text(cx, x));
    n = (uint32_t)nnc_cx_dim(cx, starts, 0);
    if (nnc_cx_has(cx, 3) && !nnc_cx_ints(cx, nnc_cx_in(cx, 3), &na, &axes)) {
        NNC_TRY(blind_axes(cx, n, cut));
        return apply_cuts(cx, x, cut);
    }
    NNC_TRY(nnc_cx_axes(cx, n, axes, rank, "axes entry", axis));
    for (uint32_t i = 0; i < n; i++) {
        struct cut *c = &cut[axis[i]];
        *c = (struct cut){true,
                          known_elem(cx, starts, i),
                          known_elem(cx, ends, i),
                          {NNC_KNOWN_fixed, 1, 1},
                          element(cx, starts, i),
                          element(cx, ends, i),
                          i64(cx, 1)};
        if (steps.id) {
            c->step = known_elem(cx, steps, i);
            c->vstep = element(cx, steps, i);
            if (c->step.kind == NNC_KNOWN_fixed && c->step.i == 0)
                return nnc_cx_error(cx, "steps has the entry 0");
        }
    }
    return apply_cuts(cx, x, cut);
}

/* ---- ReverseSequence ---- */

nnc_status nnc_row_reverse_sequence(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), len = nnc_cx_in(cx, 1);
    int64_t batch = nnc_onnx_node_int(cx->node, "batch_axis", 1),
            time = nnc_onnx_node_int(cx->node, "time_axis", 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    int64_t perm[NNC_MAX_RANK] = {0}, back[NNC_MAX_RANK] = {0};
    nnc_dim dim[2];

    if (ty.rank < 2 || batch < 0 || time < 0 || batch > 1 || time > 1 || batch == time)
        return nnc_cx_error(cx,
                            "batch_axis %lld and time_axis %lld must be 0 and 1 in either order, "
                            "for an input of rank 2 or more",
                            (long long)batch, (long long)time);
    NNC_TRY(nnc_cx_rank_is(cx, len, 1, "sequence_lens"));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, len, 0), ty.dim[batch],
                            "sequence_lens and the batch", &dim[0]));
    for (int i = 0; i < ty.rank; i++)
        perm[i] = i < 2 ? (i == 0 ? batch : time) : i;
    for (int i = 0; i < ty.rank; i++)
        back[perm[i]] = i;
    dim[1] = ty.dim[time];
    nnc_value t = nnc_g_iota(&cx->b, NNC_DT_i64, 2, dim, 1);
    nnc_value n = nnc_cx_expand_dim(cx, nnc_g_cast(&cx->b, len, NNC_DT_i64), 1);
    nnc_value flipped = op2(cx, NNC_OP_sub, op2(cx, NNC_OP_sub, n, i64(cx, 1)), t);
    nnc_value i = nnc_g_select(&cx->b, op2(cx, NNC_OP_lt, t, n), flipped, t);
    nnc_value y = nnc_g_gather(&cx->b, nnc_g_transpose(&cx->b, x, perm), i, 1, 1);
    return done(cx, nnc_g_transpose(&cx->b, y, back));
}
