/* frontend/onnx/rows_nn_random.c - random numbers from the counter-based generator.
 *
 * The key is the node's seed, or its place in the graph when it has none, so that two runs agree and two nodes differ.
 * ONNX does not fix a generator: only the distributions are promised. */
#include "frontend/onnx/rows.h"

static nnc_value key(nnc_onnx_cx *cx)
{
    uint32_t bits[2] = {0x6e6e6331u, cx->node->index + 1u};
    if (nnc_onnx_node_has(cx->node, "seed")) {
        float seed = (float)nnc_onnx_node_float(cx->node, "seed", 0);
        memcpy(&bits[0], &seed, sizeof seed);
        bits[1] = 0;
    }
    nnc_dim two = 2;
    return nnc_g_const_data(&cx->b, NNC_DT_u32, 1, &two, bits);
}

/* 24 random bits over 2^24: f32 in [0, 1). */
static nnc_value unit(nnc_onnx_cx *cx, nnc_value bits)
{
    nnc_value top = nnc_cx_op2(cx, NNC_OP_shr, bits, nnc_cx_num(cx, NNC_DT_u32, 8));
    return nnc_cx_op2(cx, NNC_OP_mul, nnc_g_cast(&cx->b, top, NNC_DT_f32),
                      nnc_cx_num(cx, NNC_DT_f32, 1.0 / 16777216));
}

nnc_value nnc_cx_uniform(nnc_onnx_cx *cx, int rank, const nnc_dim *dim)
{
    return unit(cx, nnc_g_rng_bits(&cx->b, key(cx), rank, dim));
}

/* Box and Muller: sqrt(-2 log(1 - u)) cos(2 pi v), u and v from one stream. */
static nnc_value normal(nnc_onnx_cx *cx, int rank, const nnc_dim *dim)
{
    nnc_dim both[NNC_MAX_RANK] = {2};
    memcpy(both + 1, dim, (size_t)rank * sizeof *dim);
    nnc_value uv = nnc_cx_uniform(cx, rank + 1, both), one = nnc_cx_num(cx, NNC_DT_f32, 1);
    nnc_value u = nnc_cx_reshape(cx, nnc_g_slice_axis(&cx->b, uv, 0, 0, 1, 1), rank, dim);
    nnc_value v = nnc_cx_reshape(cx, nnc_g_slice_axis(&cx->b, uv, 0, 1, 1, 1), rank, dim);
    nnc_value r = nnc_cx_op1(cx, NNC_OP_log, nnc_cx_op2(cx, NNC_OP_sub, one, u));
    r = nnc_cx_op1(cx, NNC_OP_sqrt, nnc_cx_op2(cx, NNC_OP_mul, r, nnc_cx_num(cx, NNC_DT_f32, -2)));
    return nnc_cx_op2(
        cx, NNC_OP_mul, r,
        nnc_cx_op1(cx, NNC_OP_cos,
                   nnc_cx_op2(cx, NNC_OP_mul, v, nnc_cx_num(cx, NNC_DT_f32, 6.283185307179586))));
}

static nnc_value affine(nnc_onnx_cx *cx, nnc_value x, double scale, double shift)
{
    x = nnc_cx_op2(cx, NNC_OP_mul, x, nnc_cx_num(cx, NNC_DT_f32, scale));
    return nnc_cx_op2(cx, NNC_OP_add, x, nnc_cx_num(cx, NNC_DT_f32, shift));
}

/* arg: bit 0 normal, bit 1 the shape and type of an input */
nnc_status nnc_row_random(nnc_onnx_cx *cx)
{
    bool gauss = cx->arg & 1, like = cx->arg & 2;
    nnc_dim dim[NNC_MAX_RANK];
    int rank = 0;
    nnc_dtype dt = NNC_DT_f32;
    if (like) {
        nnc_type_rec t = nnc_cx_ty(cx, nnc_cx_in(cx, 0));
        rank = t.rank;
        memcpy(dim, t.dim, sizeof t.dim);
        dt = nnc_dtype_is_float((nnc_dtype)t.dtype) ? (nnc_dtype)t.dtype : NNC_DT_f32;
    } else {
        uint32_t n;
        const int64_t *shape = nnc_onnx_node_ints(cx->node, "shape", &n);
        if (n >= NNC_MAX_RANK)
            return nnc_cx_error(cx, "attribute shape has %u dimensions, at most %d are supported",
                                n, NNC_MAX_RANK - 1);
        for (uint32_t i = 0; i < n; i++) {
            if (shape[i] < 0)
                return nnc_cx_bad_attr(cx, "shape", "non-negative sizes");
            dim[rank++] = shape[i];
        }
    }
    if (rank == NNC_MAX_RANK)
        return nnc_cx_error(cx, "a shape of %d dimensions, at most %d are supported", rank,
                            NNC_MAX_RANK - 1);
    if (nnc_onnx_node_has(cx->node, "dtype")) {
        dt = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "dtype", 1));
        if (!dt)
            return NNC_ERR;
    }
    double a =
        gauss ? nnc_onnx_node_float(cx->node, "mean", 0) : nnc_onnx_node_float(cx->node, "low", 0);
    double b = gauss ? nnc_onnx_node_float(cx->node, "scale", 1)
                     : nnc_onnx_node_float(cx->node, "high", 1) - a;
    nnc_value y = affine(cx, gauss ? normal(cx, rank, dim) : nnc_cx_uniform(cx, rank, dim), b, a);
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, dt));
    return NNC_OK;
}

nnc_status nnc_row_bernoulli(nnc_onnx_cx *cx)
{
    nnc_value p = nnc_cx_in(cx, 0);
    nnc_type_rec t = nnc_cx_ty(cx, p);
    nnc_dtype dt = (nnc_dtype)t.dtype;
    if (nnc_onnx_node_has(cx->node, "dtype")) {
        dt = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "dtype", 1));
        if (!dt)
            return NNC_ERR;
    }
    nnc_value u = nnc_cx_uniform(cx, t.rank, t.dim),
              hit = nnc_cx_op2(cx, NNC_OP_lt, u, nnc_g_cast(&cx->b, p, NNC_DT_f32));
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, hit, dt));
    return NNC_OK;
}

/* Samples of the classes by inverting the cumulated softmax: the number of partial sums not above u. */
nnc_status nnc_row_multinomial(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_g_cast(&cx->b, nnc_cx_in(cx, 0), NNC_DT_f32);
    int64_t n = nnc_onnx_node_int(cx->node, "sample_size", 1), last[1] = {2};
    nnc_dtype dt = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "dtype", 6));
    NNC_TRY(nnc_cx_rank_is(cx, x, 2, "input"));
    if (!dt)
        return NNC_ERR;
    if (n < 1)
        return nnc_cx_bad_attr(cx, "sample_size", "a positive number");
    nnc_dim batch = nnc_cx_dim(cx, x, 0), classes = nnc_cx_dim(cx, x, 1), draw[3] = {batch, n, 1},
            row[3] = {batch, 1, classes};
    nnc_value sum =
        nnc_g_cumulate(&cx->b, NNC_W_add, nnc_g_softmax(&cx->b, x, 1, false), 1, false, false);
    nnc_value below =
        nnc_cx_op2(cx, NNC_OP_le, nnc_cx_reshape(cx, sum, 3, row), nnc_cx_uniform(cx, 3, draw));
    nnc_value k = nnc_cx_sum(cx, nnc_g_cast(&cx->b, below, NNC_DT_i64), 1, last, false);
    k = nnc_cx_op2(cx, NNC_OP_min, k,
                   nnc_cx_extent(cx, nnc_dim_sub(cx->dims, classes, 1), NNC_DT_i64));
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, k, dt));
    return NNC_OK;
}
