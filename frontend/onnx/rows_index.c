/* frontend/onnx/rows_index.c - reading and writing at indices; index-made tensors.
 *
 * G wants indices in [0, n): negative ones get n added, constants are checked here.  At run time an index out of
 * range reads the nearest element and writes nothing. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

static nnc_status constant_in_range(nnc_onnx_cx *cx, nnc_value i, nnc_dim n)
{
    uint32_t count;
    const int64_t *at;
    if (!nnc_dim_is_const(n) || !nnc_cx_ints(cx, i, &count, &at))
        return NNC_OK;
    for (uint32_t k = 0; k < count; k++)
        if (at[k] < -n || at[k] >= n)
            return nnc_cx_error(cx, "index %lld is out of range for a dimension of %lld",
                                (long long)at[k], (long long)n);
    return NNC_OK;
}

static nnc_status axis_of(nnc_onnx_cx *cx, int64_t dflt, int *axis)
{
    nnc_value x = nnc_cx_in(cx, 0);
    return nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", dflt), nnc_cx_rank(cx, x),
                       "attribute axis", axis);
}

nnc_status nnc_row_gather(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), i = nnc_cx_in(cx, 1);
    int axis;

    NNC_TRY(axis_of(cx, 0, &axis));
    NNC_TRY(constant_in_range(cx, i, nnc_cx_dim(cx, x, axis)));
    if (nnc_cx_rank(cx, x) + nnc_cx_rank(cx, i) - 1 > NNC_MAX_RANK)
        return nnc_cx_error(cx, "the result of gathering %s from %s has a rank over %d",
                            nnc_cx_type_text(cx, i), nnc_cx_type_text(cx, x), NNC_MAX_RANK);
    return done(
        cx, nnc_g_gather(&cx->b, x, nnc_cx_wrap_index(cx, i, nnc_cx_dim(cx, x, axis)), axis, 0));
}

/* Operands of equal rank; beside the axis the indices may cover less than x, whose rest is cut off. */
static nnc_status covered(nnc_onnx_cx *cx, nnc_value *x, nnc_value i, int axis)
{
    nnc_type_rec tx = nnc_cx_ty(cx, *x), ti = nnc_cx_ty(cx, i);
    for (int d = 0; d < tx.rank; d++) {
        if (d == axis || tx.dim[d] == ti.dim[d])
            continue;
        if (nnc_dim_hi(cx->dims, ti.dim[d]) > nnc_dim_lo(cx->dims, tx.dim[d]))
            NNC_TRY(
                nnc_cx_same_dim(cx, tx.dim[d], ti.dim[d], "indices beside the axis", &ti.dim[d]));
        else
            *x = nnc_g_slice_axis(&cx->b, *x, d, 0, 1, ti.dim[d]);
    }
    return NNC_OK;
}

nnc_status nnc_row_gather_elements(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), i = nnc_cx_in(cx, 1);
    int axis;

    NNC_TRY(axis_of(cx, 0, &axis));
    NNC_TRY(nnc_cx_rank_is(cx, i, nnc_cx_rank(cx, x), "indices"));
    NNC_TRY(constant_in_range(cx, i, nnc_cx_dim(cx, x, axis)));
    NNC_TRY(covered(cx, &x, i, axis));
    return done(cx, nnc_g_gather_elements(&cx->b, x,
                                          nnc_cx_wrap_index(cx, i, nnc_cx_dim(cx, x, axis)), axis));
}

/* Index tuples [.., n] for the n dims of x from `first` on, negative ones wrapped. */
static nnc_status wrap_tuples(nnc_onnx_cx *cx, nnc_value x, nnc_value *i, int first)
{
    nnc_type_rec tx = nnc_cx_ty(cx, x), ti = nnc_cx_ty(cx, *i);
    uint32_t count;
    const int64_t *at;
    bool negative = true;

    if (ti.rank == 0)
        return nnc_cx_error(cx, "indices are a scalar, expected rank 1 or more");
    nnc_dim n = ti.dim[ti.rank - 1];
    if (!nnc_dim_is_const(n) || n < 1 || first + n > tx.rank)
        return nnc_cx_error(cx, "indices %s hold tuples that do not fit %s",
                            nnc_cx_type_text(cx, *i), nnc_cx_type_text(cx, x));
    if (nnc_cx_ints(cx, *i, &count, &at)) {
        negative = false;
        for (uint32_t k = 0; k < count; k++) {
            nnc_dim d = tx.dim[first + (int)(k % (uint32_t)n)];
            negative |= at[k] < 0;
            if (nnc_dim_is_const(d) && (at[k] < -d || at[k] >= d))
                return nnc_cx_error(cx, "index %lld is out of range for a dimension of %lld",
                                    (long long)at[k], (long long)d);
        }
    }
    if (!negative)
        return NNC_OK;
    *i = nnc_g_cast(&cx->b, *i, NNC_DT_i64);
    nnc_value wrapped = op2(cx, NNC_OP_add, *i, nnc_cx_shape(cx, (int)n, tx.dim + first));
    *i = nnc_g_select(&cx->b, op2(cx, NNC_OP_lt, *i, i64(cx, 0)), wrapped, *i);
    return NNC_OK;
}

nnc_status nnc_row_gather_nd(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), i = nnc_cx_in(cx, 1);
    int64_t batch = nnc_onnx_node_int(cx->node, "batch_dims", 0);
    nnc_type_rec tx = nnc_cx_ty(cx, x), ti = nnc_cx_ty(cx, i);

    if (batch < 0 || batch >= tx.rank || batch >= ti.rank)
        return nnc_cx_bad_attr(cx, "batch_dims", "a number below both ranks");
    for (int d = 0; d < batch; d++)
        NNC_TRY(nnc_cx_same_dim(cx, tx.dim[d], ti.dim[d], "batch dimensions", &tx.dim[d]));
    NNC_TRY(wrap_tuples(cx, x, &i, (int)batch));
    if (ti.rank - 1 + tx.rank - (int)batch - (int)ti.dim[ti.rank - 1] > NNC_MAX_RANK)
        return nnc_cx_error(cx, "the result has a rank over %d", NNC_MAX_RANK);
    return done(cx, nnc_g_gather_nd(&cx->b, x, i, (int)batch));
}

static nnc_status reduction_of(nnc_onnx_cx *cx, nnc_word *out)
{
    static const struct {
        const char *name;
        nnc_word word;
    } kinds[] = {
        {"none", NNC_W_none}, {"add", NNC_W_add}, {"mul", NNC_W_mul},
        {"max", NNC_W_max},   {"min", NNC_W_min},
    };
    const char *s = nnc_onnx_node_str(cx->node, "reduction", "none");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(s, kinds[i].name) == 0) {
            *out = kinds[i].word;
            return NNC_OK;
        }
    return nnc_cx_bad_attr(cx, "reduction", "none, add, mul, max or min");
}

nnc_status nnc_row_scatter_elements(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), i = nnc_cx_in(cx, 1), u = nnc_cx_in(cx, 2);
    nnc_type_rec tx = nnc_cx_ty(cx, x), ti = nnc_cx_ty(cx, i), tu = nnc_cx_ty(cx, u);
    nnc_word reduction;
    int axis;

    NNC_TRY(axis_of(cx, 0, &axis));
    NNC_TRY(reduction_of(cx, &reduction));
    NNC_TRY(nnc_cx_rank_is(cx, i, tx.rank, "indices"));
    NNC_TRY(nnc_cx_rank_is(cx, u, tx.rank, "updates"));
    NNC_TRY(constant_in_range(cx, i, tx.dim[axis]));
    for (int d = 0; d < tx.rank; d++) {
        NNC_TRY(nnc_cx_same_dim(cx, ti.dim[d], tu.dim[d], "indices and updates", &tu.dim[d]));
        if (d != axis && nnc_dim_lo(cx->dims, ti.dim[d]) > nnc_dim_hi(cx->dims, tx.dim[d]))
            return nnc_cx_error(cx, "indices %s are larger than the data %s",
                                nnc_cx_type_text(cx, i), nnc_cx_type_text(cx, x));
    }
    return done(cx, nnc_g_scatter_elements(&cx->b, x, nnc_cx_wrap_index(cx, i, tx.dim[axis]), u,
                                           axis, reduction));
}

nnc_status nnc_row_scatter_nd(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), i = nnc_cx_in(cx, 1), u = nnc_cx_in(cx, 2);
    nnc_type_rec tx = nnc_cx_ty(cx, x), ti = nnc_cx_ty(cx, i), tu = nnc_cx_ty(cx, u);
    nnc_word reduction;

    NNC_TRY(reduction_of(cx, &reduction));
    NNC_TRY(wrap_tuples(cx, x, &i, 0));
    int n = (int)ti.dim[ti.rank - 1], rank = ti.rank - 1 + tx.rank - n;
    NNC_TRY(nnc_cx_rank_is(cx, u, rank, "updates"));
    for (int d = 0; d < rank; d++)
        NNC_TRY(nnc_cx_same_dim(cx, d < ti.rank - 1 ? ti.dim[d] : tx.dim[d - (ti.rank - 1) + n],
                                tu.dim[d], "updates", &tu.dim[d]));
    return done(cx, nnc_g_scatter_nd(&cx->b, x, i, u, reduction));
}

/* Writes `update` at write_indices[batch] + 0, 1, .. along the axis; circular: modulo its size. */
nnc_status nnc_row_tensor_scatter(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), u = nnc_cx_in(cx, 1);
    nnc_type_rec tx = nnc_cx_ty(cx, x), tu = nnc_cx_ty(cx, u);
    const char *mode = nnc_onnx_node_str(cx->node, "mode", "linear");
    bool circular = strcmp(mode, "circular") == 0;
    nnc_dim dim[NNC_MAX_RANK];
    int axis;

    if (!circular && strcmp(mode, "linear") != 0)
        return nnc_cx_bad_attr(cx, "mode", "linear or circular");
    NNC_TRY(axis_of(cx, -2, &axis));
    NNC_TRY(nnc_cx_rank_is(cx, u, tx.rank, "update"));
    if (axis == 0)
        return nnc_cx_bad_attr(cx, "axis", "an axis behind the batch");
    for (int d = 0; d < tx.rank; d++) {
        if (d != axis)
            NNC_TRY(nnc_cx_same_dim(cx, tx.dim[d], tu.dim[d], "update and cache", &tu.dim[d]));
        dim[d] = d == axis ? tu.dim[d] : 1;
    }
    if (nnc_dim_lo(cx->dims, tu.dim[axis]) > nnc_dim_hi(cx->dims, tx.dim[axis]))
        return nnc_cx_error(cx, "update %s is longer than the cache %s", nnc_cx_type_text(cx, u),
                            nnc_cx_type_text(cx, x));
    nnc_value i = nnc_g_iota(&cx->b, NNC_DT_i64, tx.rank, dim, axis);
    if (nnc_cx_has(cx, 2)) {
        nnc_value at = nnc_cx_in(cx, 2);
        NNC_TRY(nnc_cx_rank_is(cx, at, 1, "write_indices"));
        NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, at, 0), tx.dim[0], "write_indices and the batch",
                                &dim[0]));
        for (int d = 1; d < tx.rank; d++)
            dim[d] = 1;
        i = op2(cx, NNC_OP_add,
                nnc_cx_reshape(cx, nnc_g_cast(&cx->b, at, NNC_DT_i64), tx.rank, dim), i);
    }
    if (circular)
        i = op2(cx, NNC_OP_rem, i, nnc_cx_extent(cx, tx.dim[axis], NNC_DT_i64));
    i = nnc_g_broadcast(&cx->b, i, tx.rank, tu.dim);
    return done(cx, nnc_g_scatter_elements(&cx->b, x, i, u, axis, NNC_W_none));
}

/* ---- made from indices ---- */

nnc_status nnc_row_one_hot(nnc_onnx_cx *cx)
{
    nnc_value i = nnc_g_cast(&cx->b, nnc_cx_in(cx, 0), NNC_DT_i64), depth = nnc_cx_in(cx, 1),
              values = nnc_cx_in(cx, 2);
    nnc_type_rec ti = nnc_cx_ty(cx, i), want;
    nnc_dim dim[NNC_MAX_RANK], n;
    const nnc_dim *at;
    uint32_t count;
    double number;
    int axis;

    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", -1), ti.rank + 1, "attribute axis",
                        &axis));
    if (ti.rank + 1 > NNC_MAX_RANK)
        return nnc_cx_error(cx, "the result would have rank %d; at most %d is supported",
                            ti.rank + 1, NNC_MAX_RANK);
    if (nnc_cx_rank(cx, values) != 1 || nnc_cx_dim(cx, values, 0) != 2)
        return nnc_cx_error(cx, "values is %s, expected two numbers", nnc_cx_type_text(cx, values));
    if (nnc_cx_float(cx, depth, &number) && number >= 0 && number < 1e15) {
        n = (nnc_dim)number;
    } else if (nnc_cx_dims(cx, depth, &count, &at) && count == 1) {
        n = at[0];
    } else if (nnc_cx_declared(cx, 0, &want) && want.rank == ti.rank + 1) {
        n = want.dim[axis];
        nnc_value d = nnc_g_cast(&cx->b, depth, NNC_DT_i64);
        NNC_TRY(nnc_cx_check(cx, op2(cx, NNC_OP_eq, d, nnc_cx_extent(cx, n, NNC_DT_i64)),
                             "depth differs from the declared shape"));
    } else {
        return nnc_cx_error(cx,
                            "depth ('%s') is only known at run time and the output has no declared "
                            "static shape; make it a "
                            "constant, or declare the shape",
                            nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, 1)));
    }
    for (int d = 0, j = 0; d < ti.rank + 1; d++)
        dim[d] = d == axis ? 1 : ti.dim[j++];
    i = nnc_cx_reshape(cx, nnc_cx_wrap_index(cx, i, n), ti.rank + 1, dim);
    for (int d = 0; d < ti.rank + 1; d++)
        dim[d] = d == axis ? n : 1;
    nnc_value hit = op2(cx, NNC_OP_eq, i, nnc_g_iota(&cx->b, NNC_DT_i64, ti.rank + 1, dim, axis));
    nnc_value off = nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, values, 0, 0, 1, 1));
    nnc_value on = nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, values, 0, 1, 1, 1));
    return done(cx, nnc_g_select(&cx->b, hit, on, off));
}

nnc_status nnc_row_trilu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), k = i64(cx, 0);
    bool upper = nnc_onnx_node_int(cx->node, "upper", 1) != 0;
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_dim rows[2], cols[2] = {1, 1};

    if (ty.rank < 2)
        return nnc_cx_error(cx, "the input is %s, expected rank 2 or more",
                            nnc_cx_type_text(cx, x));
    if (nnc_cx_has(cx, 1))
        k = nnc_cx_scalar(cx, nnc_cx_in(cx, 1));
    rows[0] = ty.dim[ty.rank - 2];
    rows[1] = 1;
    cols[1] = ty.dim[ty.rank - 1];
    nnc_value edge = op2(cx, NNC_OP_add, nnc_g_iota(&cx->b, NNC_DT_i64, 2, rows, 0), k);
    nnc_value col = nnc_g_iota(&cx->b, NNC_DT_i64, 2, cols, 1);
    nnc_value keep = upper ? op2(cx, NNC_OP_le, edge, col) : op2(cx, NNC_OP_le, col, edge);
    return done(cx, nnc_g_select(&cx->b, keep, x, nnc_cx_like(cx, x, 0)));
}

/* ---- Range ---- */

/* How many steps from start to limit when everything is known. */
static bool known_range(nnc_onnx_cx *cx, nnc_dim *n)
{
    uint32_t count;
    const nnc_known *s = nnc_cx_known(cx, nnc_cx_in(cx, 0), &count),
                    *l = nnc_cx_known(cx, nnc_cx_in(cx, 1), &count);
    const nnc_known *d = nnc_cx_known(cx, nnc_cx_in(cx, 2), &count);

    if (!s || !l || !d || !s->kind || !l->kind || d->kind != NNC_KNOWN_fixed)
        return false;
    if (nnc_dtype_is_float(nnc_cx_dtype(cx, nnc_cx_in(cx, 0)))) {
        if (s->kind != NNC_KNOWN_fixed || l->kind != NNC_KNOWN_fixed || d->f == 0)
            return false;
        double steps = ceil((l->f - s->f) / d->f);
        *n = steps > 0 && steps < 1e15 ? (nnc_dim)steps : 0;
        return steps < 1e15;
    }
    if (d->i == 0 || d->i == INT64_MIN)
        return false;
    nnc_dim from = s->kind == NNC_KNOWN_dim ? s->i : nnc_dim_const(cx->dims, s->i);
    nnc_dim to = l->kind == NNC_KNOWN_dim ? l->i : nnc_dim_const(cx->dims, l->i);
    nnc_dim span = d->i > 0 ? nnc_dim_sub(cx->dims, to, from) : nnc_dim_sub(cx->dims, from, to);
    *n = nnc_dim_ceildiv(cx->dims, nnc_dim_max(cx->dims, span, 0), d->i > 0 ? d->i : -d->i);
    return true;
}

/* The number of steps as the run computes it: ceil((limit - start) / delta), at least 0. */
static nnc_value run_range(nnc_onnx_cx *cx, nnc_value start, nnc_value limit, nnc_value delta)
{
    nnc_value span = op2(cx, NNC_OP_sub, limit, start);
    if (nnc_dtype_is_float(nnc_cx_dtype(cx, start))) {
        nnc_value n = nnc_cx_op1(cx, NNC_OP_ceil,
                                 op2(cx, NNC_OP_div, nnc_g_cast(&cx->b, span, NNC_DT_f64),
                                     nnc_g_cast(&cx->b, delta, NNC_DT_f64)));
        return op2(cx, NNC_OP_max, nnc_g_cast(&cx->b, n, NNC_DT_i64), i64(cx, 0));
    }
    span = nnc_g_cast(&cx->b, span, NNC_DT_i64);
    delta = nnc_g_cast(&cx->b, delta, NNC_DT_i64);
    nnc_value size = nnc_cx_op1(cx, NNC_OP_abs, delta);
    span = op2(cx, NNC_OP_max, op2(cx, NNC_OP_mul, span, nnc_cx_op1(cx, NNC_OP_sign, delta)),
               i64(cx, 0));
    return op2(cx, NNC_OP_div, op2(cx, NNC_OP_add, span, op2(cx, NNC_OP_sub, size, i64(cx, 1))),
               size);
}

nnc_status nnc_row_range(nnc_onnx_cx *cx)
{
    nnc_value x[3];
    nnc_dtype dt = nnc_cx_dtype(cx, nnc_cx_in(cx, 0)), work = dt;
    nnc_type_rec want;
    nnc_dim n;

    for (uint32_t i = 0; i < 3; i++) {
        if (nnc_type_count(cx->m, nnc_value_type(cx->m, nnc_cx_in(cx, i))) != 1)
            return nnc_cx_error(cx, "operand %u is %s, expected a scalar", i,
                                nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
        x[i] = nnc_cx_scalar(cx, nnc_cx_in(cx, i));
    }
    if (dt == NNC_DT_f16 || dt == NNC_DT_bf16)
        work = NNC_DT_f32;
    for (uint32_t i = 0; i < 3; i++)
        x[i] = nnc_g_cast(&cx->b, x[i], work);
    if (!known_range(cx, &n)) {
        if (!nnc_cx_declared(cx, 0, &want) || want.rank != 1)
            return nnc_cx_error(cx,
                                "the bounds are only known at run time and output '%s' has no "
                                "declared static shape; make them "
                                "constants, or declare the shape",
                                nnc_onnx_name(cx->model, nnc_onnx_node_out(cx->node, 0)));
        n = want.dim[0];
        NNC_TRY(nnc_cx_check(
            cx,
            op2(cx, NNC_OP_eq, run_range(cx, x[0], x[1], x[2]), nnc_cx_extent(cx, n, NNC_DT_i64)),
            "the range differs in length from the declared output"));
    }
    nnc_value i = nnc_g_iota(&cx->b, work, 1, &n, 0);
    i = op2(cx, NNC_OP_add, op2(cx, NNC_OP_mul, i, x[2]), x[0]);
    return done(cx, nnc_g_cast(&cx->b, i, dt));
}
