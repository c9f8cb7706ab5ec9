/* frontend/onnx/rows_nn_quant.c - quantised operators.
 *
 * QuantizeLinear and DequantizeLinear are G composites.  QLinearConv and QLinearMatMul are integer contractions of
 * values less their zero points, then the three scales in one f32 factor (x * w / y, in that order, as ONNX Runtime
 * combines them), rounding half to even, the zero point, and saturation. */
#include "frontend/onnx/rows_window.h"

static nnc_status axis_of(nnc_onnx_cx *cx, nnc_value x, nnc_value scale, int *axis)
{
    nnc_type_rec t = nnc_cx_ty(cx, scale);
    *axis = 0;
    if (t.rank == 0 || (t.rank == 1 && t.dim[0] == 1) || nnc_cx_rank(cx, x) == 0)
        return NNC_OK; /* one scale for all: the axis says nothing */
    int64_t given = nnc_onnx_node_int(cx->node, "axis", 1);
    if (nnc_cx_rank(cx, x) == 1 && !nnc_onnx_node_has(cx->node, "axis"))
        given = 0; /* the default of 1 only makes sense from two dimensions on */
    return nnc_cx_axis(cx, given, nnc_cx_rank(cx, x), "attribute axis", axis);
}

/* Scale and zero point: a scalar (or one element), a vector along the axis, or blocks. */
static nnc_status check_scale(nnc_onnx_cx *cx, nnc_value x, nnc_value *v, const char *what,
                              int axis, int64_t block)
{
    nnc_type_rec t = nnc_cx_ty(cx, *v), tx = nnc_cx_ty(cx, x);
    nnc_dim best;
    if (block) {
        NNC_TRY(nnc_cx_rank_is(cx, *v, tx.rank, what));
        for (int i = 0; i < tx.rank; i++)
            NNC_TRY(nnc_cx_same_dim(
                cx, t.dim[i], i == axis ? nnc_dim_ceildiv(cx->dims, tx.dim[i], block) : tx.dim[i],
                what, &best));
        return NNC_OK;
    }
    if (t.rank == 1 && t.dim[0] == 1)
        *v = nnc_cx_scalar(cx, *v);
    else if (t.rank == 1)
        return nnc_cx_same_dim(cx, t.dim[0], tx.dim[axis], what, &best);
    else if (t.rank)
        return nnc_cx_error(cx, "%s is %s, expected a scalar or a vector", what,
                            nnc_cx_type_text(cx, *v));
    return NNC_OK;
}

static nnc_status read_block(nnc_onnx_cx *cx, int64_t *block)
{
    *block = nnc_onnx_node_int(cx->node, "block_size", 0);
    return *block < 0 ? nnc_cx_bad_attr(cx, "block_size", "a positive number, or 0 for none")
                      : NNC_OK;
}

/* The zero point of a target type: the operand, or zeros. */
static nnc_value zero_like(nnc_onnx_cx *cx, nnc_value scale, nnc_dtype dt)
{
    nnc_type_rec t = nnc_cx_ty(cx, scale);
    return nnc_cx_full(cx, nnc_cx_num(cx, dt, 0), t.rank, t.dim);
}

nnc_status nnc_row_quantize(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), scale = nnc_cx_in(cx, 1), zero;
    int64_t block, elem = nnc_onnx_node_int(cx->node, "output_dtype", 0);
    int axis;
    nnc_dtype dt = NNC_DT_u8;
    NNC_TRY(read_block(cx, &block));
    if (elem && !nnc_cx_has(cx, 2)) {
        dt = nnc_cx_elem(cx, elem);
        if (!dt)
            return NNC_ERR;
    }
    NNC_TRY(axis_of(cx, x, scale, &axis));
    NNC_TRY(check_scale(cx, x, &scale, "y_scale", axis, block));
    zero = nnc_cx_has(cx, 2) ? nnc_cx_in(cx, 2) : zero_like(cx, scale, dt);
    NNC_TRY(check_scale(cx, x, &zero, "y_zero_point", axis, block));
    if (nnc_cx_rank(cx, zero) != nnc_cx_rank(cx, scale))
        return nnc_cx_error(cx, "scale %s and zero point %s differ in shape",
                            nnc_cx_type_text(cx, scale), nnc_cx_type_text(cx, zero));
    if (nnc_dtype_is_int(nnc_cx_dtype(cx, x)))
        x = nnc_g_cast(&cx->b, x, nnc_cx_dtype(cx, scale));
    bool saturate = nnc_onnx_node_int(cx->node, "saturate", 1) != 0;
    nnc_cx_set(cx, 0, nnc_g_quantize(&cx->b, x, scale, zero, axis, block, saturate));
    return NNC_OK;
}

nnc_status nnc_row_dequantize(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), scale = nnc_cx_in(cx, 1), zero;
    int64_t block, elem = nnc_onnx_node_int(cx->node, "output_dtype", 0);
    int axis;
    NNC_TRY(read_block(cx, &block));
    NNC_TRY(axis_of(cx, x, scale, &axis));
    NNC_TRY(check_scale(cx, x, &scale, "x_scale", axis, block));
    zero = nnc_cx_has(cx, 2) ? nnc_cx_in(cx, 2) : zero_like(cx, scale, nnc_cx_dtype(cx, x));
    NNC_TRY(check_scale(cx, x, &zero, "x_zero_point", axis, block));
    if (nnc_cx_rank(cx, zero) != nnc_cx_rank(cx, scale))
        return nnc_cx_error(cx, "scale %s and zero point %s differ in shape",
                            nnc_cx_type_text(cx, scale), nnc_cx_type_text(cx, zero));
    nnc_value y = nnc_g_dequantize(&cx->b, x, scale, zero, axis, block);
    if (elem) {
        nnc_dtype dt = nnc_cx_elem(cx, elem);
        if (!dt)
            return NNC_ERR;
        y = nnc_g_cast(&cx->b, y, dt);
    }
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* scale = (max(0, max x) - min(0, min x)) / 255; zero = round(clamp(-min / scale)); then as QuantizeLinear. */
nnc_status nnc_row_dynamic_quantize(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), zero = nnc_cx_like(cx, x, 0), top = nnc_cx_like(cx, x, 255);
    int rank = nnc_cx_rank(cx, x);
    int64_t axes[NNC_MAX_RANK];
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    nnc_value hi = nnc_cx_op2(
        cx, NNC_OP_max, nnc_g_reduce(&cx->b, NNC_W_max, x, (unsigned)rank, axes, false), zero);
    nnc_value lo = nnc_cx_op2(
        cx, NNC_OP_min, nnc_g_reduce(&cx->b, NNC_W_min, x, (unsigned)rank, axes, false), zero);
    nnc_value scale = nnc_cx_op2(cx, NNC_OP_div, nnc_cx_op2(cx, NNC_OP_sub, hi, lo), top);
    nnc_value z = nnc_cx_op2(cx, NNC_OP_div, nnc_cx_op2(cx, NNC_OP_sub, zero, lo), scale);
    z = nnc_cx_op2(cx, NNC_OP_min, nnc_cx_op2(cx, NNC_OP_max, z, zero), top);
    z = nnc_g_cast(&cx->b, nnc_cx_op1(cx, NNC_OP_round, z), NNC_DT_u8);
    nnc_cx_set(cx, 0, nnc_g_quantize(&cx->b, x, scale, z, 0, 0, true));
    nnc_cx_set(cx, 1, scale);
    nnc_cx_set(cx, 2, z);
    return NNC_OK;
}

/* ---- integer contractions ---- */

/* v (scalar, one element, or a vector) so that it broadcasts along `axis` of a tensor of `rank` dims. */
static nnc_status spread(nnc_onnx_cx *cx, nnc_value v, int axis, int rank, nnc_dim size,
                         const char *what, nnc_value *out)
{
    nnc_dim dim[NNC_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    nnc_type_rec t = nnc_cx_ty(cx, v);
    if (t.rank == 0 || (t.rank == 1 && t.dim[0] == 1)) {
        *out = nnc_cx_scalar(cx, v);
        return NNC_OK;
    }
    if (t.rank == rank) { /* already of the operand's rank, ones elsewhere */
        *out = v;
        return NNC_OK;
    }
    if (t.rank != 1 || axis < 0 || (t.dim[0] != size && nnc_dim_is_const(size)))
        return nnc_cx_error(cx, "%s is %s, expected a scalar or one number per entry of the axis",
                            what, nnc_cx_type_text(cx, v));
    dim[axis] = t.dim[0];
    *out = nnc_cx_reshape(cx, v, rank, dim);
    return NNC_OK;
}

/* Input i as i16 less the zero point in input z. */
nnc_status nnc_row_centred(nnc_onnx_cx *cx, uint32_t i, uint32_t z, int axis, const char *what,
                           nnc_value *out)
{
    nnc_value x = nnc_g_cast(&cx->b, nnc_cx_in(cx, i), NNC_DT_i16), zero;
    *out = x;
    if (!nnc_cx_has(cx, z))
        return NNC_OK;
    NNC_TRY(spread(cx, nnc_cx_in(cx, z), axis, nnc_cx_rank(cx, x),
                   axis >= 0 ? nnc_cx_dim(cx, x, axis) : -1, what, &zero));
    return nnc_cx_binary(cx, NNC_OP_sub, x, nnc_g_cast(&cx->b, zero, NNC_DT_i16), out);
}

/* acc * (sx * sw / sy), rounded, plus the zero point, saturated to its type. */
static nnc_value requantise(nnc_onnx_cx *cx, nnc_value acc, nnc_value sx, nnc_value sw,
                            nnc_value sy, nnc_value zy)
{
    nnc_dtype to = nnc_cx_dtype(cx, zy);
    int64_t lo = to == NNC_DT_i8 ? -128 : 0, hi = to == NNC_DT_i8 ? 127 : 255;
    nnc_value factor = nnc_cx_op2(cx, NNC_OP_div, nnc_cx_op2(cx, NNC_OP_mul, sx, sw), sy);
    nnc_value f = nnc_cx_op2(cx, NNC_OP_mul, nnc_g_cast(&cx->b, acc, NNC_DT_f32), factor),
              z = nnc_g_cast(&cx->b, zy, NNC_DT_i32);
    f = nnc_cx_op1(cx, NNC_OP_round, f);
    nnc_value bound =
        nnc_cx_num(cx, NNC_DT_f32, 65536); /* far outside of 8 bits, and exact as i32 */
    f = nnc_cx_op2(cx, NNC_OP_max, nnc_cx_op2(cx, NNC_OP_min, f, bound),
                   nnc_cx_op1(cx, NNC_OP_neg, bound));
    nnc_value q = nnc_cx_op2(cx, NNC_OP_add, nnc_g_cast(&cx->b, f, NNC_DT_i32), z);
    q = nnc_cx_op2(cx, NNC_OP_min,
                   nnc_cx_op2(cx, NNC_OP_max, q, nnc_cx_num(cx, NNC_DT_i32, (double)lo)),
                   nnc_cx_num(cx, NNC_DT_i32, (double)hi));
    return nnc_g_cast(&cx->b, q, to);
}

nnc_status nnc_row_matmul_integer(nnc_onnx_cx *cx)
{
    nnc_value a, b;
    int ra = nnc_cx_rank(cx, nnc_cx_in(cx, 0)), rb = nnc_cx_rank(cx, nnc_cx_in(cx, 1));
    if (ra < 1 || rb < 1)
        return nnc_cx_error(cx, "operands %s and %s: at least one dimension each",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)),
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 1)));
    NNC_TRY(nnc_row_centred(cx, 0, 2, ra - 2, "a_zero_point", &a));
    NNC_TRY(nnc_row_centred(cx, 1, 3, rb - 1, "b_zero_point", &b));
    NNC_TRY(nnc_cx_check_matmul(cx, a, b));
    nnc_cx_set(cx, 0, nnc_g_matmul(&cx->b, a, b, NNC_DT_i32));
    return NNC_OK;
}

/* Inputs: a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero. */
nnc_status nnc_row_qlinear_matmul(nnc_onnx_cx *cx)
{
    nnc_value a, b, sa, sb, sy, zy;
    int ra = nnc_cx_rank(cx, nnc_cx_in(cx, 0)), rb = nnc_cx_rank(cx, nnc_cx_in(cx, 3));
    NNC_TRY(nnc_row_centred(cx, 0, 2, ra - 2, "a_zero_point", &a));
    NNC_TRY(nnc_row_centred(cx, 3, 5, rb - 1, "b_zero_point", &b));
    NNC_TRY(nnc_cx_check_matmul(cx, a, b));
    nnc_value acc = nnc_g_matmul(&cx->b, a, b, NNC_DT_i32);
    int r = nnc_cx_rank(cx, acc);
    NNC_TRY(spread(cx, nnc_cx_in(cx, 1), r - 2, r, -1, "a_scale", &sa));
    NNC_TRY(spread(cx, nnc_cx_in(cx, 4), r - 1, r, -1, "b_scale", &sb));
    NNC_TRY(spread(cx, nnc_cx_in(cx, 6), r - 2, r, -1, "y_scale", &sy));
    NNC_TRY(spread(cx, nnc_cx_in(cx, 7), r - 2, r, -1, "y_zero_point", &zy));
    nnc_cx_set(cx, 0,
               requantise(cx, acc, nnc_g_cast(&cx->b, sa, NNC_DT_f32),
                          nnc_g_cast(&cx->b, sb, NNC_DT_f32), nnc_g_cast(&cx->b, sy, NNC_DT_f32),
                          zy));
    return NNC_OK;
}

/* Inputs: x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias (i32). */
nnc_status nnc_row_qlinear_conv(nnc_onnx_cx *cx)
{
    nnc_value x, w, acc, sx, sw, sy, zy;
    NNC_TRY(nnc_row_centred(cx, 0, 2, -1, "x_zero_point", &x));
    NNC_TRY(nnc_row_centred(cx, 3, 5, 0, "w_zero_point", &w));
    NNC_TRY(nnc_row_convolve(cx, x, w, NNC_DT_i32, &acc));
    NNC_TRY(nnc_row_channel_bias(cx, 8, &acc));
    int r = nnc_cx_rank(cx, acc);
    NNC_TRY(spread(cx, nnc_cx_in(cx, 1), -1, r, -1, "x_scale", &sx));
    NNC_TRY(spread(cx, nnc_cx_in(cx, 4), 1, r, nnc_cx_dim(cx, acc, 1), "w_scale", &sw));
    NNC_TRY(spread(cx, nnc_cx_in(cx, 6), -1, r, -1, "y_scale", &sy));
    NNC_TRY(spread(cx, nnc_cx_in(cx, 7), -1, r, -1, "y_zero_point", &zy));
    nnc_cx_set(cx, 0, requantise(cx, acc, sx, sw, sy, zy));
    return NNC_OK;
}
