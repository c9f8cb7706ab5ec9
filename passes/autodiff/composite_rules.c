/* Composites with a compact derivative of their own.
 *
 *     softmax       J v = y * (v - sum(y * v))
 *     log_softmax   J v = v - sum(softmax * v),   J' g = g - softmax * sum(g)
 *     layer_norm    J v = (v - mean(v) - y * mean(y * v)) / sd
 *     gelu          E: x * cdf(x)
 *
 * J is symmetric for all but log_softmax, so one text serves both modes. */
#include "passes/autodiff/ad.h"

static nnc_value mul(nnc_ad *x, nnc_value a, nnc_value b)
{
    return nnc_ad_op2(x, NNC_OP_mul, a, b);
}

static nnc_value add(nnc_ad *x, nnc_value a, nnc_value b)
{
    return nnc_ad_op2(x, NNC_OP_add, a, b);
}

static nnc_value sub(nnc_ad *x, nnc_value a, nnc_value b)
{
    return nnc_ad_op2(x, NNC_OP_sub, a, b);
}

static nnc_value c(nnc_ad *x, nnc_value like, double v)
{
    return nnc_ad_like(x, like, v);
}

static nnc_value sum_along(nnc_ad *x, nnc_op op, nnc_value v)
{
    return nnc_ad_sum(x, v, 1, &(int64_t){nnc_attr_int(x->m, op, NNC_W_axis, 0)}, true);
}

static nnc_value softmax(nnc_ad *x, nnc_op op, nnc_value y, nnc_value v)
{
    return mul(x, y, sub(x, v, sum_along(x, op, mul(x, y, v))));
}

static nnc_value log_softmax(nnc_ad *x, nnc_op op, nnc_value y, nnc_value v, bool reverse)
{
    nnc_value p = nnc_ad_op1(x, NNC_OP_exp, y);
    if (reverse)
        return sub(x, v, mul(x, p, sum_along(x, op, v)));
    return sub(x, v, sum_along(x, op, mul(x, p, v)));
}

/* Mean over the dims from [axis] on. */
static nnc_value mean(nnc_ad *x, nnc_op op, nnc_value v)
{
    const nnc_type_rec ty = nnc_ad_ty(x, v);
    int64_t axes[NNC_MAX_RANK];
    unsigned n = 0;
    nnc_dim size = 1;
    nnc_value count;

    for (int d = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0); d < ty.rank; d++) {
        axes[n++] = d;
        size = nnc_dim_mul(x->m->dims, size, ty.dim[d]);
    }
    v = nnc_ad_sum(x, v, n, axes, true);
    if (nnc_dim_is_const(size))
        return mul(x, v, c(x, v, 1.0 / (double)(size ? size : 1)));
    count = nnc_g_cast(&x->b, nnc_g_extent(&x->b, size), (nnc_dtype)ty.dtype);
    return nnc_ad_op2(x, NNC_OP_div, v, count);
}

static nnc_value layer_norm(nnc_ad *x, nnc_op op, nnc_value y, nnc_value v)
{
    nnc_value in = nnc_op_in(x->m, op, 0), centred = sub(x, in, mean(x, op, in)), scale;
    double eps = nnc_attr_float(x->m, op, NNC_W_eps, 1e-5);

    scale = add(x, mean(x, op, mul(x, centred, centred)), c(x, in, eps));
    scale = nnc_ad_op1(x, NNC_OP_rsqrt, scale);
    v = sub(x, v, add(x, mean(x, op, v), mul(x, y, mean(x, op, mul(x, y, v)))));
    return mul(x, v, scale);
}

/* cdf(x) + x * pdf(x), exact or with the tanh in place of the cdf. */
static nnc_value gelu_slope(nnc_ad *x, nnc_op op)
{
    nnc_value v = nnc_op_in(x->m, op, 0), half = c(x, v, 0.5), one = c(x, v, 1);
    nnc_value square = mul(x, v, v), inner, t, slope;

    if (!nnc_attr_int(x->m, op, NNC_W_approx, 0)) {
        t = nnc_ad_op1(x, NNC_OP_erf, mul(x, v, c(x, v, 0.70710678118654752440)));
        slope = nnc_ad_op1(x, NNC_OP_exp, mul(x, square, c(x, v, -0.5)));
        slope = mul(x, mul(x, v, slope), c(x, v, 0.39894228040143267794)); /* 1 / sqrt(2 pi) */
        return add(x, mul(x, half, add(x, one, t)), slope);
    }
    /* t = tanh(k (v + a v^3)), k = sqrt(2 / pi), a = 0.044715 */
    inner = mul(x, v, add(x, one, mul(x, square, c(x, v, 0.044715))));
    t = nnc_ad_op1(x, NNC_OP_tanh, mul(x, inner, c(x, v, 0.79788456080286535588)));
    slope = add(x, one, mul(x, square, c(x, v, 3 * 0.044715)));
    slope = mul(x, slope, c(x, v, 0.5 * 0.79788456080286535588));
    slope = mul(x, mul(x, v, slope), sub(x, one, mul(x, t, t)));
    return add(x, mul(x, half, add(x, one, t)), slope);
}

static nnc_value apply(nnc_ad *x, nnc_op op, nnc_value v, bool reverse)
{
    nnc_value y = nnc_op_out(x->m, op, 0);
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_softmax: return softmax(x, op, y, v);
    case NNC_OP_log_softmax: return log_softmax(x, op, y, v, reverse);
    case NNC_OP_layer_norm: return layer_norm(x, op, y, v);
    default: return mul(x, v, gelu_slope(x, op));
    }
}

nnc_status nnc_ad_composite_vjp(nnc_ad *x, nnc_op op)
{
    nnc_ad_add(x, nnc_op_in(x->m, op, 0),
               apply(x, op, nnc_ad_get(x, nnc_op_out(x->m, op, 0)), true));
    return NNC_OK;
}

nnc_status nnc_ad_composite_jvp(nnc_ad *x, nnc_op op)
{
    nnc_value t = nnc_ad_get(x, nnc_op_in(x->m, op, 0));
    if (t.id)
        nnc_ad_set(x, nnc_op_out(x->m, op, 0), apply(x, op, t, false));
    return NNC_OK;
}
