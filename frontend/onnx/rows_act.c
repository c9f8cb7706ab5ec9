/* frontend/onnx/rows_act.c - activations, casts.
 *
 * Formulas are those of the operators' definitions; constants get the dtype of the operand.  Softmax, LogSoftmax and
 * Hardmax before opset 13 worked on a matrix: everything before `axis` times everything from it on. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

static double attr(nnc_onnx_cx *cx, const char *name, double dflt)
{
    return nnc_onnx_node_float(cx->node, name, dflt);
}

static nnc_value scale(nnc_onnx_cx *cx, nnc_value x, double k)
{
    return k == 1 ? x : nnc_cx_op2(cx, NNC_OP_mul, x, nnc_cx_like(cx, x, k));
}

static nnc_value shift(nnc_onnx_cx *cx, nnc_value x, double k)
{
    return k == 0 ? x : nnc_cx_op2(cx, NNC_OP_add, x, nnc_cx_like(cx, x, k));
}

static nnc_value clamp(nnc_onnx_cx *cx, nnc_value x, double lo, double hi)
{
    x = nnc_cx_op2(cx, NNC_OP_max, x, nnc_cx_like(cx, x, lo));
    return nnc_cx_op2(cx, NNC_OP_min, x, nnc_cx_like(cx, x, hi));
}

/* x < 0 ? below : x */
static nnc_value below_zero(nnc_onnx_cx *cx, nnc_value x, nnc_value below)
{
    return nnc_g_select(&cx->b, nnc_cx_op2(cx, NNC_OP_lt, x, nnc_cx_like(cx, x, 0)), below, x);
}

nnc_status nnc_row_relu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    return done(cx, nnc_cx_op2(cx, NNC_OP_max, x, nnc_cx_like(cx, x, 0)));
}

nnc_status nnc_row_leaky_relu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    return done(cx, below_zero(cx, x, scale(cx, x, attr(cx, "alpha", (double)0.01f))));
}

nnc_status nnc_row_elu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    return done(
        cx, below_zero(cx, x, scale(cx, nnc_cx_op1(cx, NNC_OP_expm1, x), attr(cx, "alpha", 1))));
}

/* max(0, x) + min(0, alpha * (exp(x / alpha) - 1)) */
nnc_status nnc_row_celu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), zero = nnc_cx_like(cx, x, 0);
    double alpha = attr(cx, "alpha", 1);
    if (alpha == 0)
        return nnc_cx_bad_attr(cx, "alpha", "a number other than 0");
    nnc_value e = alpha == 1 ? x : nnc_cx_op2(cx, NNC_OP_div, x, nnc_cx_like(cx, x, alpha));
    e = scale(cx, nnc_cx_op1(cx, NNC_OP_expm1, e), alpha);
    return done(cx, nnc_cx_op2(cx, NNC_OP_add, nnc_cx_op2(cx, NNC_OP_max, x, zero),
                               nnc_cx_op2(cx, NNC_OP_min, e, zero)));
}

/* arg: 1 for the first version, whose constants had fewer digits */
nnc_status nnc_row_selu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    double alpha =
        attr(cx, "alpha", cx->arg ? (double)1.6732f : (double)1.67326319217681884765625f);
    double gamma =
        attr(cx, "gamma", cx->arg ? (double)1.0507f : (double)1.05070102214813232421875f);
    nnc_value e = scale(cx, nnc_cx_op1(cx, NNC_OP_expm1, x), alpha);
    return done(cx, scale(cx, below_zero(cx, x, e), gamma));
}

nnc_status nnc_row_gelu(nnc_onnx_cx *cx)
{
    const char *how = nnc_onnx_node_str(cx->node, "approximate", "none");
    nnc_value x = nnc_cx_in(cx, 0);
    bool tanh_form = strcmp(how, "tanh") == 0;

    if (!tanh_form && strcmp(how, "none") != 0)
        return nnc_cx_bad_attr(cx, "approximate", "none or tanh");
    if (!tanh_form)
        return done(cx, nnc_cx_op1(cx, NNC_OP_gelu, x));
    nnc_type ty = nnc_value_type(cx->m, x);
    nnc_op op = nnc_build_op(&cx->b, NNC_OP_gelu, 1, &x, 1, &ty);
    nnc_attr_set_int(cx->m, op, NNC_W_approx, 1);
    return done(cx, nnc_op_out(cx->m, op, 0));
}

nnc_status nnc_row_hard_sigmoid(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    x = shift(cx, scale(cx, x, attr(cx, "alpha", (double)0.2f)), attr(cx, "beta", 0.5));
    return done(cx, clamp(cx, x, 0, 1));
}

nnc_status nnc_row_hard_swish(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_value s = clamp(cx, shift(cx, scale(cx, x, 1.0 / 6.0), 0.5), 0, 1);
    return done(cx, nnc_cx_op2(cx, NNC_OP_mul, x, s));
}

nnc_status nnc_row_mish(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    return done(cx, nnc_cx_op2(cx, NNC_OP_mul, x,
                               nnc_cx_op1(cx, NNC_OP_tanh, nnc_cx_op1(cx, NNC_OP_softplus, x))));
}

nnc_status nnc_row_softsign(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    return done(cx, nnc_cx_op2(cx, NNC_OP_div, x, shift(cx, nnc_cx_op1(cx, NNC_OP_abs, x), 1)));
}

nnc_status nnc_row_swish(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_value s = nnc_cx_op1(cx, NNC_OP_sigmoid, scale(cx, x, attr(cx, "alpha", 1)));
    return done(cx, nnc_cx_op2(cx, NNC_OP_mul, x, s));
}

nnc_status nnc_row_thresholded_relu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_value over = nnc_cx_op2(cx, NNC_OP_lt, nnc_cx_like(cx, x, attr(cx, "alpha", 1)), x);
    return done(cx, nnc_g_select(&cx->b, over, x, nnc_cx_like(cx, x, 0)));
}

nnc_status nnc_row_shrink(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), zero = nnc_cx_like(cx, x, 0);
    double bias = attr(cx, "bias", 0), lambd = attr(cx, "lambd", 0.5);
    nnc_dtype dt = nnc_cx_dtype(cx, x), wide = nnc_dtype_is_float(dt) ? dt : NNC_DT_f64;
    nnc_value w = nnc_g_cast(&cx->b, x, wide); /* integers compare with a fraction */
    nnc_value low = nnc_cx_op2(cx, NNC_OP_lt, w, nnc_cx_num(cx, wide, -lambd));
    nnc_value high = nnc_cx_op2(cx, NNC_OP_lt, nnc_cx_num(cx, wide, lambd), w);
    nnc_value up = nnc_g_cast(&cx->b, shift(cx, w, bias), dt),
              down = nnc_g_cast(&cx->b, shift(cx, w, -bias), dt);
    return done(cx, nnc_g_select(&cx->b, low, up, nnc_g_select(&cx->b, high, down, zero)));
}

/* Before opset 7 the slope had one number, or one per channel (axis 1); arg: 1 then. */
nnc_status nnc_row_prelu(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), slope = nnc_cx_in(cx, 1);
    int rank = nnc_cx_rank(cx, x);
    nnc_dim dim[NNC_MAX_RANK];
    nnc_value y;

    if (cx->arg && nnc_cx_rank(cx, slope) == 1 && rank > 2) {
        dim[0] = nnc_cx_dim(cx, slope, 0);
        for (int i = 1; i < rank - 1; i++)
            dim[i] = 1;
        slope = nnc_cx_reshape(cx, slope, rank - 1, dim);
    }
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_mul, x, slope, &y));
    if (nnc_value_type(cx->m, y).id != nnc_value_type(cx->m, x).id)
        return nnc_cx_error(cx, "slope %s does not broadcast to %s", nnc_cx_type_text(cx, slope),
                            nnc_cx_type_text(cx, x));
    return done(cx, below_zero(cx, x, y));
}

/* Two values of equal shape: a, b -> swish(a) * b. */
nnc_status nnc_row_swiglu(nnc_onnx_cx *cx)
{
    nnc_value a = nnc_cx_in(cx, 0), b = nnc_cx_in(cx, 1), y;
    nnc_value s = nnc_cx_op1(cx, NNC_OP_sigmoid, scale(cx, a, attr(cx, "alpha", 1)));
    if (nnc_cx_rank(cx, a) != nnc_cx_rank(cx, b))
        return nnc_cx_error(cx, "operands %s and %s differ in rank", nnc_cx_type_text(cx, a),
                            nnc_cx_type_text(cx, b));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_mul, nnc_cx_op2(cx, NNC_OP_mul, a, s), b, &y));
    return done(cx, y);
}

/* arg: 1 when the bounds are attributes (before opset 11) */
nnc_status nnc_row_clip(nnc_onnx_cx *cx)
{
    static const char *const name[2] = {"min", "max"};
    nnc_value x = nnc_cx_in(cx, 0), v;

    for (uint32_t i = 0; i < 2; i++) {
        if (cx->arg) {
            if (!nnc_onnx_node_has(cx->node, name[i]))
                continue;
            v = nnc_cx_like(cx, x, attr(cx, name[i], 0));
        } else {
            if (!nnc_cx_has(cx, i + 1))
                continue;
            v = nnc_cx_in(cx, i + 1);
            int64_t count = nnc_type_is_static(cx->m, nnc_value_type(cx->m, v))
                                ? nnc_type_count(cx->m, nnc_value_type(cx->m, v))
                                : 0;
            if (count != 1)
                return nnc_cx_error(cx, "bound %s is %s, expected a scalar", name[i],
                                    nnc_cx_type_text(cx, v));
            v = nnc_cx_scalar(cx, v);
        }
        x = nnc_cx_op2(cx, i ? NNC_OP_min : NNC_OP_max, x, v);
    }
    return done(cx, x);
}

/* ---- rows of a matrix ---- */

/* The operand as the operator sees it: before opset 13 a matrix, reduced along its second axis. */
static nnc_status softmax_operand(nnc_onnx_cx *cx, nnc_value *x, int *axis)
{
    nnc_type_rec ty = nnc_cx_ty(cx, *x);
    int64_t at = nnc_onnx_node_int(cx->node, "axis", cx->arg & 2 ? 1 : -1);
    nnc_dim dim[2] = {1, 1};

    if (cx->arg & 2 && at == ty.rank) /* everything is one column */
        *axis = ty.rank;
    else
        NNC_TRY(nnc_cx_axis(cx, at, ty.rank, "attribute axis", axis));
    if (!(cx->arg & 2))
        return NNC_OK;
    for (int i = 0; i < ty.rank; i++)
        dim[i >= *axis] = nnc_dim_mul(cx->dims, dim[i >= *axis], ty.dim[i]);
    *x = nnc_cx_reshape(cx, *x, 2, dim);
    *axis = 1;
    return NNC_OK;
}

/* arg: 1 logarithm, 2 matrix form */
nnc_status nnc_row_softmax(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    int axis;

    if (ty.rank == 0)
        return done(cx, nnc_cx_like(cx, x, cx->arg & 1 ? 0 : 1));
    NNC_TRY(softmax_operand(cx, &x, &axis));
    return done(cx,
                nnc_cx_reshape(cx, nnc_g_softmax(&cx->b, x, axis, cx->arg & 1), ty.rank, ty.dim));
}

nnc_status nnc_row_hardmax(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec ty = nnc_cx_ty(cx, x), in;
    int axis;

    NNC_TRY(softmax_operand(cx, &x, &axis));
    in = nnc_cx_ty(cx, x);
    nnc_value best = nnc_g_argreduce(&cx->b, NNC_W_max, x, axis, false, true);
    nnc_value hit =
        nnc_cx_op2(cx, NNC_OP_eq, best, nnc_g_iota(&cx->b, NNC_DT_i64, in.rank, in.dim, axis));
    return done(cx,
                nnc_cx_reshape(cx, nnc_g_cast(&cx->b, hit, (nnc_dtype)ty.dtype), ty.rank, ty.dim));
}

/* ---- casts ---- */

static nnc_status cast_to(nnc_onnx_cx *cx, nnc_dtype to)
{
    nnc_value x = nnc_cx_in(cx, 0);
    bool saturate = nnc_onnx_node_int(cx->node, "saturate", 1) != 0;
    const char *mode = nnc_onnx_node_str(cx->node, "round_mode", "up");
    nnc_word word = strcmp(mode, "down") == 0      ? NNC_W_down
                    : strcmp(mode, "nearest") == 0 ? NNC_W_nearest
                                                   : NNC_W_up;
    nnc_type_rec ty = nnc_cx_ty(cx, x);

    if (nnc_dtype_is_float((nnc_dtype)ty.dtype) && nnc_dtype_is_int(to) &&
        nnc_dtype_infos[to].bits < 8)
        x = nnc_g_cast(&cx->b, x, NNC_DT_i32); /* numpy's way: whole numbers wrap around */
    if (ty.dtype == to || (saturate && to != NNC_DT_f8e8m0))
        return done(cx, nnc_g_cast(&cx->b, x, to));
    nnc_type out = nnc_type_tensor(cx->m, to, ty.rank, ty.dim);
    nnc_op op = nnc_build_op(&cx->b, NNC_OP_cast, 1, &x, 1, &out);
    nnc_attr_set_int(cx->m, op, NNC_W_saturate, saturate);
    if (to == NNC_DT_f8e8m0)
        nnc_attr_set_word(cx->m, op, NNC_W_mode, word);
    return done(cx, nnc_op_out(cx->m, op, 0));
}

/* arg: 1 when the type is a word (opset 1) */
nnc_status nnc_row_cast(nnc_onnx_cx *cx)
{
    static const struct {
        const char *name;
        int elem;
    } names[] = {
        {"FLOAT", 1}, {"UINT8", 2}, {"INT8", 3},     {"UINT16", 4},  {"INT16", 5},   {"INT32", 6},
        {"INT64", 7}, {"BOOL", 9},  {"FLOAT16", 10}, {"DOUBLE", 11}, {"UINT32", 12}, {"UINT64", 13},
    };
    int64_t elem = nnc_onnx_node_int(cx->node, "to", 0);

    for (size_t i = 0; cx->arg && i < sizeof names / sizeof *names; i++)
        if (strcmp(nnc_onnx_node_str(cx->node, "to", ""), names[i].name) == 0)
            elem = names[i].elem;
    nnc_dtype to = nnc_cx_elem(cx, elem);
    return to ? cast_to(cx, to) : NNC_ERR;
}

nnc_status nnc_row_cast_like(nnc_onnx_cx *cx)
{
    return cast_to(cx, nnc_cx_dtype(cx, nnc_cx_in(cx, 1)));
}

nnc_status nnc_row_bit_cast(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_dtype from = nnc_cx_dtype(cx, x),
              to = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "to", 0));

    if (!to)
        return NNC_ERR;
    if ((from == NNC_DT_bool || to == NNC_DT_bool) && nnc_dtype_infos[from].bytes == 1 &&
        nnc_dtype_infos[to].bytes == 1)
        return done(cx, nnc_g_cast(&cx->b, x, to)); /* a bool is a byte, 0 or 1 */
    if (nnc_dtype_infos[from].bits != nnc_dtype_infos[to].bits)
        return nnc_cx_error(
            cx, "attribute to asks for %s, which has another width than the operand's %s",
            nnc_dtype_infos[to].name, nnc_dtype_infos[from].name);
    return done(cx, nnc_g_bitcast(&cx->b, x, to));
}
