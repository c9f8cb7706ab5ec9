/* frontend/onnx/rows_nn_norm.c - normalisation.
 *
 * Instance, group and layer normalisation share the composite `layer_norm`; scale and shift follow in the type of the
 * input, as the operators' function bodies say. */
#include "frontend/onnx/rows.h"

/* A vector of one number per channel, standing at axis 1 of a tensor of `rank` dims. */
static nnc_status channel(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_dim c, int rank,
                          nnc_dtype dt, nnc_value *out)
{
    nnc_value v = nnc_cx_in(cx, i);
    nnc_dim dim[NNC_MAX_RANK] = {1, c, 1, 1, 1, 1, 1, 1};
    if (nnc_cx_rank(cx, v) != 1 || nnc_cx_dim(cx, v, 0) != c)
        return nnc_cx_error(cx, "%s is %s, expected one number per channel (%s)", what,
                            nnc_cx_type_text(cx, v), nnc_cx_dim_text(cx, c));
    *out = nnc_g_cast(&cx->b, rank > 1 ? nnc_cx_reshape(cx, v, rank, dim) : v, dt);
    return NNC_OK;
}

static nnc_value rsqrt_eps(nnc_onnx_cx *cx, nnc_value v, double eps)
{
    nnc_value s =
        nnc_cx_op1(cx, NNC_OP_sqrt, nnc_cx_op2(cx, NNC_OP_add, v, nnc_cx_like(cx, v, eps)));
    return nnc_cx_op2(cx, NNC_OP_div, nnc_cx_like(cx, v, 1), s);
}

static nnc_value square(nnc_onnx_cx *cx, nnc_value v)
{
    return nnc_cx_op2(cx, NNC_OP_mul, v, v);
}

static nnc_value variance(nnc_onnx_cx *cx, nnc_value x, nnc_value mean, unsigned n,
                          const int64_t *axes)
{
    return nnc_cx_mean(cx, square(cx, nnc_cx_op2(cx, NNC_OP_sub, x, mean)), n, axes, true);
}

/* ---- batch ---- */

static nnc_value mix(nnc_onnx_cx *cx, nnc_value old, nnc_value now, double momentum)
{
    nnc_value a = nnc_cx_op2(cx, NNC_OP_mul, old, nnc_cx_like(cx, old, momentum));
    return nnc_cx_op2(cx, NNC_OP_add, a,
                      nnc_cx_op2(cx, NNC_OP_mul, now, nnc_cx_like(cx, now, 1 - momentum)));
}

/* Statistics of this batch; the running ones are outputs 1 and 2. */
static void batch_statistics(nnc_onnx_cx *cx, nnc_value x, nnc_value *mean, nnc_value *var)
{
    int rank = nnc_cx_rank(cx, x);
    int64_t axes[NNC_MAX_RANK] = {0};
    unsigned n = 1;
    double momentum = nnc_onnx_node_float(cx->node, "momentum", (double)0.9f);
    for (int i = 2; i < rank; i++)
        axes[n++] = i;
    nnc_value old[2] = {*mean, *var}, wide = nnc_g_cast(&cx->b, x, nnc_cx_dtype(cx, *mean));
    *mean = nnc_cx_mean(cx, wide, n, axes, true);
    *var = variance(cx, wide, *mean, n, axes);
    for (uint32_t i = 0; i < 2; i++)
        if (nnc_cx_wants(cx, i + 1)) {
            nnc_dtype dt = nnc_cx_dtype(cx, nnc_cx_in(cx, i + 3));
            nnc_cx_set(cx, i + 1,
                       nnc_g_cast(&cx->b,
                                  nnc_cx_flat(cx, mix(cx, old[i], i ? *var : *mean, momentum)),
                                  dt));
        }
}

nnc_status nnc_row_batch_norm(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), scale, shift, mean, var;
    int rank = nnc_cx_rank(cx, x);
    nnc_dtype dt = nnc_cx_dtype(cx, x), wide = dt == NNC_DT_f64 ? NNC_DT_f64 : NNC_DT_f32;
    bool training = nnc_onnx_node_int(cx->node, "training_mode", 0) != 0;
    nnc_dim c = rank > 1 ? nnc_cx_dim(cx, x, 1) : 1;
    if (nnc_onnx_node_int(cx->node, "spatial", 1) == 0)
        return nnc_cx_error(cx, "spatial = 0 (statistics per element) was removed from ONNX and is "
                                "not supported; use spatial = 1");
    if (!training && (nnc_cx_wants(cx, 1) || nnc_cx_wants(cx, 2)))
        return nnc_cx_error(cx, "running statistics are outputs of training_mode = 1 (opset 14); "
                                "export the model for inference, or with a newer opset");
    NNC_TRY(channel(cx, 1, "scale", c, rank, wide, &scale));
    NNC_TRY(channel(cx, 2, "B", c, rank, wide, &shift));
    NNC_TRY(channel(cx, 3, "mean", c, rank, wide, &mean));
    NNC_TRY(channel(cx, 4, "var", c, rank, wide, &var));
    if (training)
        batch_statistics(cx, x, &mean, &var);
    nnc_value a =
        nnc_cx_op2(cx, NNC_OP_mul, scale,
                   rsqrt_eps(cx, var, nnc_onnx_node_float(cx->node, "epsilon", (double)1e-5f)));
    nnc_value b = nnc_cx_op2(cx, NNC_OP_sub, shift, nnc_cx_op2(cx, NNC_OP_mul, mean, a));
    nnc_value y =
        nnc_cx_op2(cx, NNC_OP_add, nnc_cx_op2(cx, NNC_OP_mul, nnc_g_cast(&cx->b, x, wide), a), b);
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, dt));
    return NNC_OK;
}

/* ---- instance and group ---- */

/* Normalise groups of channels with all their positions. */
static nnc_value group_norm(nnc_onnx_cx *cx, nnc_value x, int64_t groups, double eps)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    nnc_dim dim[3] = {t.dim[0], groups, nnc_dim_floordiv(cx->dims, t.dim[1], groups)};
    for (int i = 2; i < t.rank; i++)
        dim[2] = nnc_dim_mul(cx->dims, dim[2], t.dim[i]);
    nnc_value y = nnc_g_layer_norm(&cx->b, nnc_cx_reshape(cx, nnc_cx_widen(cx, x), 3, dim), 2, eps);
    return nnc_g_cast(&cx->b, nnc_cx_reshape(cx, y, t.rank, t.dim), (nnc_dtype)t.dtype);
}

static nnc_status check_channels(nnc_onnx_cx *cx, nnc_value x, int64_t groups)
{
    nnc_dim c = nnc_cx_rank(cx, x) > 1 ? nnc_cx_dim(cx, x, 1) : -1;
    if (nnc_cx_rank(cx, x) < 2 || !nnc_dim_is_const(c))
        return nnc_cx_error(cx, "input is %s, expected a batch and a known number of channels",
                            nnc_cx_type_text(cx, x));
    if (groups < 1 || c % groups)
        return nnc_cx_error(cx, "%lld channels do not divide into %lld groups", (long long)c,
                            (long long)groups);
    return NNC_OK;
}

nnc_status nnc_row_instance_norm(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), scale, shift;
    nnc_type_rec t = nnc_cx_ty(cx, x);
    NNC_TRY(check_channels(cx, x, 1));
    NNC_TRY(channel(cx, 1, "scale", t.dim[1], t.rank, (nnc_dtype)t.dtype, &scale));
    NNC_TRY(channel(cx, 2, "B", t.dim[1], t.rank, (nnc_dtype)t.dtype, &shift));
    nnc_value y =
        group_norm(cx, x, t.dim[1], nnc_onnx_node_float(cx->node, "epsilon", (double)1e-5f));
    y = nnc_cx_op2(cx, NNC_OP_add, nnc_cx_op2(cx, NNC_OP_mul, y, scale), shift);
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* arg: 1 for opset 18, where scale and bias had one number per group */
nnc_status nnc_row_group_norm(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), scale, shift, y;
    nnc_type_rec t = nnc_cx_ty(cx, x);
    int64_t groups = nnc_onnx_node_int(cx->node, "num_groups", 1);
    NNC_TRY(check_channels(cx, x, groups));
    y = group_norm(cx, x, groups, nnc_onnx_node_float(cx->node, "epsilon", (double)1e-5f));
    if (cx->arg) {
        nnc_dim dim[NNC_MAX_RANK] = {t.dim[0], groups, t.dim[1] / groups};
        memcpy(dim + 3, t.dim + 2, (size_t)(t.rank - 2) * sizeof *dim);
        NNC_TRY(channel(cx, 1, "scale", groups, t.rank + 1, (nnc_dtype)t.dtype, &scale));
        NNC_TRY(channel(cx, 2, "bias", groups, t.rank + 1, (nnc_dtype)t.dtype, &shift));
        y = nnc_cx_reshape(cx, y, t.rank + 1, dim);
    } else {
        NNC_TRY(channel(cx, 1, "scale", t.dim[1], t.rank, (nnc_dtype)t.dtype, &scale));
        NNC_TRY(channel(cx, 2, "bias", t.dim[1], t.rank, (nnc_dtype)t.dtype, &shift));
    }
    y = nnc_cx_op2(cx, NNC_OP_add, nnc_cx_op2(cx, NNC_OP_mul, y, scale), shift);
    nnc_cx_set(cx, 0, nnc_cx_reshape(cx, y, t.rank, t.dim));
    return NNC_OK;
}

/* ---- layer ---- */

static nnc_status scale_shift(nnc_onnx_cx *cx, nnc_value y, nnc_type_rec t)
{
    nnc_value out = y;
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_mul, y,
                          nnc_g_cast(&cx->b, nnc_cx_in(cx, 1), nnc_cx_dtype(cx, y)), &out));
    if (nnc_cx_has(cx, 2))
        NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, out,
                              nnc_g_cast(&cx->b, nnc_cx_in(cx, 2), nnc_cx_dtype(cx, out)), &out));
    if (nnc_cx_rank(cx, out) != t.rank)
        return nnc_cx_error(cx, "scale %s does not broadcast to the input",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 1)));
    nnc_cx_set(cx, 0, out);
    return NNC_OK;
}

static unsigned axes_from(int axis, int rank, int64_t *axes)
{
    unsigned n = 0;
    for (int i = axis; i < rank; i++)
        axes[n++] = i;
    return n;
}

nnc_status nnc_row_layer_norm(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec t = nnc_cx_ty(cx, x);
    int axis;
    int64_t axes[NNC_MAX_RANK];
    double eps = nnc_onnx_node_float(cx->node, "epsilon", (double)1e-5f);
    NNC_TRY(
        nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", -1), t.rank, "attribute axis", &axis));
    nnc_value wide = nnc_onnx_node_int(cx->node, "stash_type", 1) == 1 ? nnc_cx_widen(cx, x) : x;
    nnc_value y = nnc_g_cast(&cx->b, nnc_g_layer_norm(&cx->b, wide, axis, eps), (nnc_dtype)t.dtype);
    if (nnc_cx_wants(cx, 1) || nnc_cx_wants(cx, 2)) {
        unsigned n = axes_from(axis, t.rank, axes);
        nnc_value mean = nnc_cx_mean(cx, wide, n, axes, true);
        nnc_cx_set(cx, 1, mean);
        nnc_cx_set(cx, 2, rsqrt_eps(cx, variance(cx, wide, mean, n, axes), eps));
    }
    return scale_shift(cx, y, t);
}

nnc_status nnc_row_rms_norm(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec t = nnc_cx_ty(cx, x);
    int axis;
    int64_t axes[NNC_MAX_RANK];
    NNC_TRY(
        nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", -1), t.rank, "attribute axis", &axis));
    nnc_value wide = nnc_onnx_node_int(cx->node, "stash_type", 1) == 1 ? nnc_cx_widen(cx, x) : x;
    unsigned n = axes_from(axis, t.rank, axes);
    nnc_value r = rsqrt_eps(cx, nnc_cx_mean(cx, square(cx, wide), n, axes, true),
                            nnc_onnx_node_float(cx->node, "epsilon", (double)1e-5f));
    return scale_shift(
        cx, nnc_g_cast(&cx->b, nnc_cx_op2(cx, NNC_OP_mul, wide, r), (nnc_dtype)t.dtype), t);
}

/* ---- others ---- */

/* x / norm along one axis; 0 where the norm is 0. */
nnc_status nnc_row_lp_normalization(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), wide = nnc_cx_widen(cx, x), norm;
    int64_t p = nnc_onnx_node_int(cx->node, "p", 2), axes[1];
    int axis;
    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", -1), nnc_cx_rank(cx, x),
                        "attribute axis", &axis));
    if (p != 1 && p != 2)
        return nnc_cx_bad_attr(cx, "p", "1 or 2");
    axes[0] = axis;
    norm =
        nnc_cx_sum(cx, p == 1 ? nnc_cx_op1(cx, NNC_OP_abs, wide) : square(cx, wide), 1, axes, true);
    if (p == 2)
        norm = nnc_cx_op1(cx, NNC_OP_sqrt, norm);
    nnc_value zero = nnc_cx_like(cx, norm, 0), none = nnc_cx_op2(cx, NNC_OP_eq, norm, zero);
    nnc_value y = nnc_g_select(&cx->b, none, zero, nnc_cx_op2(cx, NNC_OP_div, wide, norm));
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, nnc_cx_dtype(cx, x)));
    return NNC_OK;
}

nnc_status nnc_row_mean_variance(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), wide = nnc_cx_widen(cx, x);
    static const int64_t usual[3] = {0, 2, 3};
    uint32_t n;
    const int64_t *given = nnc_onnx_node_ints(cx->node, "axes", &n);
    int64_t axes[NNC_MAX_RANK];
    if (!n) {
        given = usual;
        n = 3;
    }
    NNC_TRY(nnc_cx_axes(cx, n, given, nnc_cx_rank(cx, x), "attribute axes", axes));
    nnc_value mean = nnc_cx_mean(cx, wide, n, axes, true),
              centred = nnc_cx_op2(cx, NNC_OP_sub, wide, mean);
    nnc_value std = nnc_cx_op1(cx, NNC_OP_sqrt, variance(cx, wide, mean, n, axes));
    nnc_value y = nnc_cx_op2(cx, NNC_OP_div, centred,
                             nnc_cx_op2(cx, NNC_OP_add, std, nnc_cx_like(cx, std, 1e-9)));
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, nnc_cx_dtype(cx, x)));
    return NNC_OK;
}

/* x / (bias + alpha / size * sum of squares over `size` neighbouring channels) ^ beta */
nnc_status nnc_row_lrn(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), wide = nnc_cx_widen(cx, x);
    int rank = nnc_cx_rank(cx, x);
    int64_t size = nnc_onnx_node_int(cx->node, "size", 1);
    double alpha = nnc_onnx_node_float(cx->node, "alpha", (double)1e-4f),
           beta = nnc_onnx_node_float(cx->node, "beta", 0.75);
    nnc_window w = {0};
    if (rank < 2)
        return nnc_cx_error(cx, "input is %s, expected batch and channel dimensions",
                            nnc_cx_type_text(cx, x));
    if (size < 1)
        return nnc_cx_bad_attr(cx, "size", "a positive number");
    for (int i = 0; i < rank; i++)
        w.size[i] = w.stride[i] = w.dilation[i] = 1;
    w.size[1] = size;
    w.lo[1] = (size - 1) / 2;
    w.hi[1] = size - 1 - w.lo[1];
    nnc_value sum = nnc_g_window_reduce(&cx->b, NNC_W_sum, square(cx, wide), &w);
    nnc_value base = nnc_cx_op2(cx, NNC_OP_mul, sum, nnc_cx_like(cx, sum, alpha / (double)size));
    base = nnc_cx_op2(cx, NNC_OP_add, base,
                      nnc_cx_like(cx, sum, nnc_onnx_node_float(cx->node, "bias", 1)));
    nnc_value y = nnc_cx_op2(cx, NNC_OP_div, wide,
                             nnc_cx_op2(cx, NNC_OP_pow, base, nnc_cx_like(cx, base, beta)));
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, nnc_cx_dtype(cx, x)));
    return NNC_OK;
}
