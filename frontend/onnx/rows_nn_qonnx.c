/* frontend/onnx/rows_nn_qonnx.c - Quant, BipolarQuant, Trunc and MultiThreshold of QONNX, Brevitas
 * and FINN.
 *
 * They take and give floats that lie on a grid.  Quant clamps before it rounds; a bit width of 1
 * with a sign is -1 or 1. */
#include "frontend/onnx/rows_contrib.h"

static nnc_status in_f32(nnc_onnx_cx *cx, uint32_t i, nnc_value *v)
{
    nnc_dtype dt = nnc_cx_dtype(cx, nnc_cx_in(cx, i));
    if (!nnc_dtype_is_float(dt) && !nnc_dtype_is_int(dt))
        return nnc_cx_error(cx, "input %u is %s, expected numbers", i,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    *v = cast_to(cx, nnc_cx_in(cx, i), NNC_DT_f32);
    return NNC_OK;
}

static nnc_value away_from_zero(nnc_onnx_cx *cx, nnc_value x, nnc_opcode how, double shift)
{
    nnc_value size = nnc_cx_op1(cx, how, add_of_num(cx, abs_of(cx, x), shift));
    return mul_of(cx, nnc_cx_op1(cx, NNC_OP_sign, x), size);
}

/* By attribute rounding_mode, upper or lower case. */
static nnc_status rounded(nnc_onnx_cx *cx, const char *dflt, nnc_value *x)
{
    const char *given = nnc_onnx_node_str(cx->node, "rounding_mode", dflt);
    char *mode = nnc_arena_printf(cx->a, "%.20s", given);
    for (char *p = mode; *p; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    if (!strcmp(mode, "ROUND") || !strcmp(mode, "HALF_EVEN"))
        *x = round_of(cx, *x);
    else if (!strcmp(mode, "FLOOR"))
        *x = floor_of(cx, *x);
    else if (!strcmp(mode, "CEIL"))
        *x = nnc_cx_op1(cx, NNC_OP_ceil, *x);
    else if (!strcmp(mode, "DOWN") || !strcmp(mode, "ROUND_TO_ZERO"))
        *x = nnc_cx_op1(cx, NNC_OP_trunc, *x);
    else if (!strcmp(mode, "UP"))
        *x = away_from_zero(cx, *x, NNC_OP_ceil, 0);
    else if (!strcmp(mode, "HALF_UP"))
        *x = away_from_zero(cx, *x, NNC_OP_floor, 0.5);
    else if (!strcmp(mode, "HALF_DOWN"))
        *x = away_from_zero(cx, *x, NNC_OP_ceil, -0.5);
    else
        return nnc_cx_bad_attr(cx, "rounding_mode",
                               "ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, HALF_UP or HALF_DOWN");
    return NNC_OK;
}

static nnc_status set_like_input(nnc_onnx_cx *cx, nnc_value y)
{
    nnc_type_rec t = nnc_cx_ty(cx, nnc_cx_in(cx, 0)), got = nnc_cx_ty(cx, y);
    nnc_dim best;
    if (got.rank != t.rank)
        return nnc_cx_error(cx, "scale, zero point or bit width do not broadcast to the input %s",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)));
    for (int i = 0; i < t.rank; i++)
        NNC_TRY(nnc_cx_same_dim(cx, got.dim[i], t.dim[i],
                                "scale, zero point or bit width against the input", &best));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* The grid's integers: x / scale + zero. */
static nnc_status to_grid(nnc_onnx_cx *cx, nnc_value *q, nnc_value *scale, nnc_value *zero)
{
    nnc_value x;
    NNC_TRY(in_f32(cx, 0, &x));
    NNC_TRY(in_f32(cx, 1, scale));
    NNC_TRY(in_f32(cx, 2, zero));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_div, x, *scale, &x));
    return nnc_cx_binary(cx, NNC_OP_add, x, *zero, q);
}

static nnc_status from_grid(nnc_onnx_cx *cx, nnc_value q, nnc_value scale, nnc_value zero)
{
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_sub, q, zero, &q));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_mul, q, scale, &q));
    return set_like_input(cx, q);
}

static nnc_value sign_of(nnc_onnx_cx *cx, nnc_value x)
{
    nnc_value one = nnc_cx_like(cx, x, 1);
    return choose(cx, is_at_most(cx, nnc_cx_like(cx, x, 0), x), one, neg_of(cx, one));
}

/* Clamped to `bits` (f32) bits, then rounded. */
static nnc_status limited(nnc_onnx_cx *cx, nnc_value bits, bool is_signed, bool narrow,
                          nnc_value *q)
{
    nnc_value two = nnc_cx_like(cx, bits, 2), whole = pow_of(cx, two, bits),
              half = pow_of(cx, two, sub_of_num(cx, bits, 1));
    nnc_value lo = is_signed ? add_of_num(cx, neg_of(cx, half), narrow) : mul_of_num(cx, bits, 0);
    nnc_value hi = is_signed ? sub_of_num(cx, half, 1) : sub_of_num(cx, whole, narrow ? 2 : 1);
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_min, *q, hi, q));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_max, *q, lo, q));
    return rounded(cx, "ROUND", q);
}

/* Inputs: x, scale, zero, bits. */
nnc_status nnc_row_quant(nnc_onnx_cx *cx)
{
    nnc_value q, scale, zero, bits, single;
    bool is_signed = nnc_onnx_node_int(cx->node, "signed", 1) != 0,
         narrow = nnc_onnx_node_int(cx->node, "narrow", 1) != 0;
    uint32_t n, ones = 0;
    const double *known;
    NNC_TRY(nnc_row_inputs(cx, 4, 4));
    NNC_TRY(to_grid(cx, &q, &scale, &zero));
    NNC_TRY(in_f32(cx, 3, &bits));
    if (!nnc_cx_floats(cx, bits, &n, &known))
        return nnc_cx_error(cx, "the bit width is only known at run time; make it a constant");
    for (uint32_t i = 0; i < n; i++) {
        ones += known[i] == 1;
        if (known[i] < 1 || known[i] > 32 || known[i] != floor(known[i]))
            return nnc_cx_error(cx, "a bit width is %g, expected 1 .. 32", known[i]);
    }
    single = sign_of(cx, q);
    if (is_signed && ones == n)
        return from_grid(cx, single, scale, zero);
    NNC_TRY(limited(cx, bits, is_signed, narrow, &q));
    if (is_signed && ones)
        q = choose(cx, is_equal_num(cx, bits, 1), single, q);
    return from_grid(cx, q, scale, zero);
}

/* Inputs: x, scale. */
nnc_status nnc_row_bipolar_quant(nnc_onnx_cx *cx)
{
    nnc_value x, scale;
    NNC_TRY(nnc_row_inputs(cx, 2, 2));
    NNC_TRY(in_f32(cx, 0, &x));
    NNC_TRY(in_f32(cx, 1, &scale));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_mul, sign_of(cx, x), scale, &x));
    return set_like_input(cx, x);
}

/* Inputs: x, scale, zero, bits before, bits after: the low bits go. */
nnc_status nnc_row_trunc(nnc_onnx_cx *cx)
{
    nnc_value q, scale, zero, from, to, by;
    if (cx->nin > 5)
        return nnc_cx_error(cx,
                            "Trunc with %u inputs (an output scale) is not supported; export with "
                            "version 1 of the QONNX operators, which has 5",
                            cx->nin);
    NNC_TRY(nnc_row_inputs(cx, 5, 5));
    NNC_TRY(to_grid(cx, &q, &scale, &zero));
    NNC_TRY(in_f32(cx, 3, &from));
    NNC_TRY(in_f32(cx, 4, &to));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_sub, from, to, &by));
    by = pow_of(cx, nnc_cx_like(cx, by, 2), by);
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_div, round_of(cx, q), by, &q));
    NNC_TRY(rounded(cx, "FLOOR", &q));
    return from_grid(cx, q, scale, zero);
}

/* Inputs: x, thresholds [C or 1, steps]: scale * (number of thresholds not above x) + bias. */
nnc_status nnc_row_multi_threshold(nnc_onnx_cx *cx)
{
    nnc_value x, t;
    const char *layout = nnc_onnx_node_str(cx->node, "data_layout", "NCHW");
    NNC_TRY(nnc_row_inputs(cx, 2, 2));
    NNC_TRY(in_f32(cx, 0, &x));
    NNC_TRY(in_f32(cx, 1, &t));
    NNC_TRY(nnc_cx_rank_is(cx, t, 2, "thresholds"));
    bool last = !strcmp(layout, "NHWC");
    if (!last && strcmp(layout, "NCHW") && strcmp(layout, "NC"))
        return nnc_cx_bad_attr(cx, "data_layout", "NCHW, NC or NHWC");
    int rank = nnc_cx_rank(cx, x), axis = last ? rank - 1 : 1;
    nnc_dim c = nnc_cx_dim(cx, t, 0), dim[NNC_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1}, best;
    if (rank + 1 > NNC_MAX_RANK || (c != 1 && rank != 2 && rank != 4))
        return nnc_cx_error(cx, "input is %s: thresholds per channel need two or four dimensions",
                            nnc_cx_type_text(cx, x));
    if (c != 1) {
        NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, x, axis), c, "channels of input and thresholds",
                                &best));
        dim[axis] = c;
    }
    dim[rank] = nnc_cx_dim(cx, t, 1);
    int64_t axes[1] = {rank};
    nnc_value over =
        is_at_most(cx, nnc_cx_reshape(cx, t, rank + 1, dim), nnc_cx_expand_dim(cx, x, rank));
    nnc_value y = nnc_cx_sum(cx, cast_to(cx, over, NNC_DT_f32), 1, axes, false);
    y = mul_of_num(cx, y, nnc_onnx_node_float(cx->node, "out_scale", 1));
    nnc_cx_set(cx, 0, add_of_num(cx, y, nnc_onnx_node_float(cx->node, "out_bias", 0)));
    return NNC_OK;
}
