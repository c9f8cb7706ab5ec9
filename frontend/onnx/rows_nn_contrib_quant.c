/* frontend/onnx/rows_nn_contrib_quant.c - com.microsoft: quantised operators.
 *
 * Elementwise ones and pools are their float form between dequantisation and quantisation;
 * products add up integers, as QLinearMatMul does.  Weights of 2, 4 and 8 bits (MatMulNBits) are
 * taken apart by shifts and scaled by blocks. */
#include "frontend/onnx/rows_contrib.h"
#include "frontend/onnx/rows_window.h"
#include "ir/interp.h"

/* ---- one number as scale and zero point ---- */

/* Input `i` (bytes) dequantised by scalars: its scale follows, then its zero point (which may be
 * left out). */
static nnc_status real_of(nnc_onnx_cx *cx, uint32_t i, nnc_value *out)
{
    nnc_value scale, zero = nnc_cx_num(cx, nnc_cx_dtype(cx, nnc_cx_in(cx, i)), 0);
    NNC_TRY(nnc_row_byte(cx, i));
    NNC_TRY(nnc_row_real(cx, i + 1));
    NNC_TRY(nnc_row_single(cx, i + 1, "a scale", &scale));
    if (nnc_cx_has(cx, i + 2))
        NNC_TRY(nnc_row_single(cx, i + 2, "a zero point", &zero));
    if (nnc_cx_dtype(cx, zero) != nnc_cx_dtype(cx, nnc_cx_in(cx, i)))
        return nnc_cx_error(cx, "input %u is %s, but its zero point is %s", i,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)), nnc_cx_type_text(cx, zero));
    *out = nnc_g_dequantize(&cx->b, nnc_cx_in(cx, i), scale, zero, 0, 0);
    return NNC_OK;
}

/* y quantised by the scalars in inputs i and i + 1; without a zero point to the type of input 0. */
static nnc_status quantised(nnc_onnx_cx *cx, nnc_value y, uint32_t i)
{
    nnc_value scale, zero = nnc_cx_num(cx, nnc_cx_dtype(cx, nnc_cx_in(cx, 0)), 0);
    NNC_TRY(nnc_row_real(cx, i));
    NNC_TRY(nnc_row_single(cx, i, "the output's scale", &scale));
    if (nnc_cx_has(cx, i + 1)) {
        NNC_TRY(nnc_row_byte(cx, i + 1));
        NNC_TRY(nnc_row_single(cx, i + 1, "the output's zero point", &zero));
    }
    nnc_cx_set(cx, 0, nnc_g_quantize(&cx->b, y, scale, zero, 0, 0, true));
    return NNC_OK;
}

/* Inputs: a, scale, zero, b, scale, zero, scale, zero.  arg: the operation */
nnc_status nnc_row_qlinear_binary(nnc_onnx_cx *cx)
{
    nnc_value a, b, y;
    NNC_TRY(nnc_row_inputs(cx, 2, 8));
    if (!nnc_cx_has(cx, 3) || !nnc_cx_has(cx, 1) || !nnc_cx_has(cx, 4) || !nnc_cx_has(cx, 6))
        return nnc_cx_error(cx, "both operands and all three scales are needed");
    NNC_TRY(real_of(cx, 0, &a));
    NNC_TRY(real_of(cx, 3, &b));
    NNC_TRY(nnc_cx_binary(cx, (nnc_opcode)cx->arg, a, b, &y));
    return quantised(cx, y, 6);
}

/* Inputs: x, scale, zero, y scale, y zero.  arg: 0 LeakyRelu, 1 Sigmoid */
nnc_status nnc_row_qlinear_unary(nnc_onnx_cx *cx)
{
    nnc_value x;
    NNC_TRY(nnc_row_inputs(cx, 2, 5));
    if (!nnc_cx_has(cx, 3))
        return nnc_cx_error(cx, "the output's scale is needed");
    NNC_TRY(real_of(cx, 0, &x));
    if (cx->arg)
        x = sigmoid_of(cx, x);
    else
        x = choose(cx, is_less_num(cx, x, 0),
                   mul_of_num(cx, x, nnc_onnx_node_float(cx->node, "alpha", (double)0.01f)), x);
    return quantised(cx, x, 3);
}

nnc_status nnc_row_qlinear_softmax(nnc_onnx_cx *cx)
{
    nnc_value x;
    int axis;
    int64_t opset = nnc_onnx_node_int(cx->node, "opset", 0);
    NNC_TRY(nnc_row_inputs(cx, 4, 5));
    NNC_TRY(real_of(cx, 0, &x));
    nnc_type_rec t = nnc_cx_ty(cx, x);
    NNC_TRY(
        nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", -1), t.rank, "attribute axis", &axis));
    if (opset < 13) { /* over all dims from the axis on */
        nnc_dim dim[2] = {1, 1};
        for (int i = 0; i < t.rank; i++)
            dim[i >= axis] = nnc_dim_mul(cx->dims, dim[i >= axis], t.dim[i]);
        x = nnc_cx_reshape(cx, x, 2, dim);
        axis = 1;
    }
    x = nnc_g_softmax(&cx->b, x, axis, false);
    return quantised(cx, nnc_cx_reshape(cx, x, t.rank, t.dim), 3);
}

/* Inputs: y scale, y zero, then x, scale, zero for each part. */
nnc_status nnc_row_qlinear_concat(nnc_onnx_cx *cx)
{
    uint32_t n = cx->nin < 5 ? 0 : (cx->nin - 2) / 3;
    nnc_value *part = nnc_arena_array(cx->a, (size_t)n + 1, sizeof *part), y, scale, zero;
    int axis;
    NNC_TRY(nnc_row_inputs(cx, 5, UINT32_MAX));
    if ((cx->nin - 2) % 3)
        return nnc_cx_error(
            cx, "%u inputs, expected a scale, a zero point, and three for each part", cx->nin);
    for (uint32_t k = 0; k < n; k++)
        NNC_TRY(real_of(cx, 2 + 3 * k, &part[k]));
    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 0), nnc_cx_rank(cx, part[0]),
                        "attribute axis", &axis));
    NNC_TRY(nnc_cx_concat(cx, n, part, axis, &y));
    NNC_TRY(nnc_row_byte(cx, 1));
    NNC_TRY(nnc_row_single(cx, 0, "the output's scale", &scale));
    NNC_TRY(nnc_row_single(cx, 1, "the output's zero point", &zero));
    nnc_cx_set(cx, 0, nnc_g_quantize(&cx->b, y, scale, zero, 0, 0, true));
    return NNC_OK;
}

/* Inputs: x, scale, zero, y scale, y zero.  arg: 1 over everything */
nnc_status nnc_row_qlinear_average_pool(nnc_onnx_cx *cx)
{
    nnc_value x, y;
    bool last = nnc_onnx_node_int(cx->node, "channels_last", 0) != 0;
    NNC_TRY(nnc_row_inputs(cx, 4, 5));
    NNC_TRY(real_of(cx, 0, &x));
    if (nnc_cx_rank(cx, x) < 3)
        return nnc_cx_error(cx, "input is %s, expected batch, channels and spatial dimensions",
                            nnc_cx_type_text(cx, x));
    x = last ? nnc_row_to_nchw(cx, x) : x;
    NNC_TRY(
        nnc_row_through(cx, cx->arg ? nnc_row_global_average_pool : nnc_row_average_pool, x, &y));
    return quantised(cx, last ? nnc_row_to_nhwc(cx, y) : y, 3);
}

/* com.microsoft's QLinearConv may have its channels last. */
nnc_status nnc_row_contrib_qlinear_conv(nnc_onnx_cx *cx)
{
    nnc_value x, y;
    NNC_TRY(nnc_row_inputs(cx, 8, 9));
    NNC_TRY(nnc_row_byte(cx, 0));
    NNC_TRY(nnc_row_byte(cx, 3));
    NNC_TRY(nnc_row_byte(cx, 7));
    for (uint32_t i = 1; i < 7; i++)
        if (i != 2 && i != 3 && i != 5 && nnc_cx_dtype(cx, nnc_cx_in(cx, i)) != NNC_DT_f32)
            return nnc_cx_error(cx, "input %u is %s, expected f32", i,
                                nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    if (nnc_cx_has(cx, 8) && nnc_cx_dtype(cx, nnc_cx_in(cx, 8)) != NNC_DT_i32)
        return nnc_cx_error(cx, "bias is %s, expected i32", nnc_cx_type_text(cx, nnc_cx_in(cx, 8)));
    if (!nnc_onnx_node_int(cx->node, "channels_last", 0))
        return nnc_row_qlinear_conv(cx);
    x = nnc_row_to_nchw(cx, nnc_cx_in(cx, 0));
    NNC_TRY(nnc_row_through(cx, nnc_row_qlinear_conv, x, &y));
    nnc_cx_set(cx, 0, nnc_row_to_nhwc(cx, y));
    return NNC_OK;
}

/* The operators of ai.onnx under another name.  arg: 1 DequantizeLinear */
nnc_status nnc_row_contrib_quantize(nnc_onnx_cx *cx)
{
    NNC_TRY(nnc_row_inputs(cx, 2, 3));
    NNC_TRY(nnc_row_real(cx, 1));
    nnc_dtype dt = nnc_cx_dtype(cx, nnc_cx_in(cx, 0)),
              z = nnc_cx_has(cx, 2) ? nnc_cx_dtype(cx, nnc_cx_in(cx, 2)) : NNC_DT_none;
    if (cx->arg ? !nnc_dtype_is_int(dt) || (z && z != dt)
                : !nnc_dtype_is_float(dt) || (z && !nnc_dtype_is_int(z)))
        return nnc_cx_error(cx, "input %s with zero point %s is not supported",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)),
                            z ? nnc_dtype_infos[z].name : "left out");
    return cx->arg ? nnc_row_dequantize(cx) : nnc_row_quantize(cx);
}

/* ---- integer products ---- */

/* Input i as i16 less its zero point z: a scalar, or one per column (last axis; `rows`: first). */
static nnc_status centred(nnc_onnx_cx *cx, uint32_t i, uint32_t z, bool rows, nnc_value *out)
{
    nnc_value x = nnc_cx_in(cx, i), zero;
    nnc_dim best;
    NNC_TRY(nnc_row_byte(cx, i));
    NNC_TRY(nnc_row_byte(cx, z));
    int rank = nnc_cx_rank(cx, x), axis = rows ? 0 : rank - 1;
    if (rank < 1)
        return nnc_cx_error(cx, "input %u is a scalar, expected a matrix", i);
    *out = cast_to(cx, x, NNC_DT_i16);
    if (!nnc_cx_has(cx, z))
        return NNC_OK;
    zero = cast_to(cx, nnc_cx_in(cx, z), NNC_DT_i16);
    if (nnc_cx_rank(cx, zero) > 1)
        return nnc_cx_error(cx, "a zero point is %s, expected a scalar or a vector",
                            nnc_cx_type_text(cx, zero));
    if (nnc_cx_rank(cx, zero) == 1 && nnc_cx_dim(cx, zero, 0) == 1)
        zero = nnc_cx_scalar(cx, zero);
    if (nnc_cx_rank(cx, zero)) {
        nnc_dim dim[2] = {nnc_cx_dim(cx, zero, 0), 1};
        NNC_TRY(nnc_cx_same_dim(cx, dim[0], nnc_cx_dim(cx, x, axis), "a zero point and its matrix",
                                &best));
        zero = rows ? nnc_cx_reshape(cx, zero, 2, dim) : zero;
    }
    *out = sub_of(cx, *out, zero);
    return NNC_OK;
}

/* A scale: scalar, or one per column of y. */
static nnc_status column_scale(nnc_onnx_cx *cx, uint32_t i, nnc_value y, nnc_value *out)
{
    nnc_value s = nnc_cx_in(cx, i);
    nnc_dim best;
    NNC_TRY(nnc_row_real(cx, i));
    if (nnc_cx_rank(cx, s) > 1)
        return nnc_cx_error(cx, "a scale is %s, expected a scalar or a vector",
                            nnc_cx_type_text(cx, s));
    if (nnc_cx_rank(cx, s) == 1 && nnc_cx_dim(cx, s, 0) == 1)
        s = nnc_cx_scalar(cx, s);
    if (nnc_cx_rank(cx, s))
        NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, s, 0), nnc_cx_dim(cx, y, nnc_cx_rank(cx, y) - 1),
                                "a scale and the columns of the result", &best));
    *out = cast_to(cx, s, NNC_DT_f32);
    return NNC_OK;
}

static nnc_status plus_bias(nnc_onnx_cx *cx, uint32_t i, nnc_value *y)
{
    if (!nnc_cx_has(cx, i))
        return NNC_OK;
    NNC_TRY(nnc_row_real(cx, i));
    return nnc_cx_binary(cx, NNC_OP_add, *y, cast_to(cx, nnc_cx_in(cx, i), nnc_cx_dtype(cx, *y)),
                         y);
}

/* Inputs: a, b, a scale, b scale, a zero, b zero, bias. */
nnc_status nnc_row_matmul_integer_to_float(nnc_onnx_cx *cx)
{
    nnc_value a, b, sa, sb, y;
    NNC_TRY(nnc_row_inputs(cx, 4, 7));
    NNC_TRY(centred(cx, 0, 4, false, &a));
    NNC_TRY(centred(cx, 1, 5, false, &b));
    NNC_TRY(nnc_cx_check_matmul(cx, a, b));
    y = nnc_g_matmul(&cx->b, a, b, NNC_DT_i32);
    NNC_TRY(nnc_row_single(cx, 2, "a_scale", &sa));
    NNC_TRY(column_scale(cx, 3, y, &sb));
    y = mul_of(cx, cast_to(cx, y, NNC_DT_f32), mul_of(cx, cast_to(cx, sa, NNC_DT_f32), sb));
    NNC_TRY(plus_bias(cx, 6, &y));
    nnc_cx_set(cx, 0, cast_to(cx, y, nnc_cx_dtype(cx, nnc_cx_in(cx, 2))));
    return NNC_OK;
}

/* Inputs: a (float), b, b scale, b zero, bias: a is quantised to u8 by its own range. */
nnc_status nnc_row_dynamic_quantize_matmul(nnc_onnx_cx *cx)
{
    nnc_value a, b, sa, za, sb, y, unused;
    NNC_TRY(nnc_row_inputs(cx, 3, 5));
    NNC_TRY(nnc_row_real(cx, 0));
    nnc_val *kept = cx->out, made[3];
    uint32_t nout = cx->nout;
    cx->out = made; /* the row of DynamicQuantizeLinear has three results */
    cx->nout = 3;
    nnc_status s = nnc_row_through(cx, nnc_row_dynamic_quantize,
                                   cast_to(cx, nnc_cx_in(cx, 0), NNC_DT_f32), &unused);
    cx->out = kept;
    cx->nout = nout;
    NNC_TRY(s);
    a = made[0].v;
    sa = made[1].v;
    za = made[2].v;
    a = sub_of(cx, cast_to(cx, a, NNC_DT_i16), cast_to(cx, za, NNC_DT_i16));
    NNC_TRY(centred(cx, 1, 3, false, &b));
    NNC_TRY(nnc_cx_check_matmul(cx, a, b));
    y = nnc_g_matmul(&cx->b, a, b, NNC_DT_i32);
    NNC_TRY(column_scale(cx, 2, y, &sb));
    y = mul_of(cx, cast_to(cx, y, NNC_DT_f32), mul_of(cx, sa, sb));
    NNC_TRY(plus_bias(cx, 4, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* Inputs: a, scale, zero, b, scale, zero, c (i32), y scale, y zero; without a y scale the result
 * is f32. */
nnc_status nnc_row_qgemm(nnc_onnx_cx *cx)
{
    nnc_value a, b, sa, sb, acc;
    NNC_TRY(nnc_row_inputs(cx, 6, 9));
    bool ta = nnc_onnx_node_int(cx->node, "transA", 0) != 0,
         tb = nnc_onnx_node_int(cx->node, "transB", 0) != 0;
    int64_t ca[1] = {ta ? 0 : 1}, cb[1] = {tb ? 1 : 0};
    nnc_dim best;
    NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 0), 2, "A"));
    NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 3), 2, "B"));
    NNC_TRY(centred(cx, 0, 2, false, &a));
    NNC_TRY(centred(cx, 3, 5, tb, &b));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, a, (int)ca[0]), nnc_cx_dim(cx, b, (int)cb[0]),
                            "product of A and B", &best));
    acc = nnc_g_dot(&cx->b, a, b, 0, NULL, NULL, 1, ca, cb, NNC_DT_i32);
    if (nnc_cx_has(cx, 6)) {
        if (nnc_cx_dtype(cx, nnc_cx_in(cx, 6)) != NNC_DT_i32 ||
            nnc_cx_rank(cx, nnc_cx_in(cx, 6)) > 2)
            return nnc_cx_error(cx, "C is %s, expected i32 of up to two dimensions",
                                nnc_cx_type_text(cx, nnc_cx_in(cx, 6)));
        NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, acc, nnc_cx_in(cx, 6), &acc));
    }
    NNC_TRY(nnc_row_real(cx, 1));
    NNC_TRY(nnc_row_single(cx, 1, "a_scale", &sa));
    NNC_TRY(column_scale(cx, 4, acc, &sb));
    nnc_value scale = mul_of(
        cx, mul_of_num(cx, cast_to(cx, sa, NNC_DT_f32), nnc_onnx_node_float(cx->node, "alpha", 1)),
        sb);
    nnc_value sums = cast_to(cx, acc, NNC_DT_f32);
    if (!nnc_cx_has(cx, 7)) {
        nnc_cx_set(cx, 0, mul_of(cx, sums, scale));
        return NNC_OK;
    }
    nnc_value by, zero = nnc_cx_num(cx, nnc_cx_dtype(cx, nnc_cx_in(cx, 0)), 0);
    NNC_TRY(nnc_row_real(cx, 7));
    NNC_TRY(nnc_row_byte(cx, 8));
    NNC_TRY(nnc_row_single(cx, 7, "y_scale", &by));
    if (nnc_cx_has(cx, 8))
        NNC_TRY(nnc_row_single(cx, 8, "y_zero_point", &zero));
    scale = div_of(cx, scale, cast_to(cx, by, NNC_DT_f32)); /* one factor, as ONNX Runtime has it */
    nnc_cx_set(cx, 0,
               nnc_g_quantize(&cx->b, mul_of(cx, sums, scale), nnc_cx_num(cx, NNC_DT_f32, 1), zero,
                              0, 0, true));
    return NNC_OK;
}

/* ---- weights of few bits ---- */

struct nbits {
    nnc_onnx_cx *cx;
    int64_t k, n, bits, block, blocks;
};

/* u8 [n, bytes] -> u8 [n, bytes * 8 / bits], the lowest bits first. */
static nnc_value unpack(struct nbits *w, nnc_value v, int64_t bytes)
{
    nnc_onnx_cx *cx = w->cx;
    int64_t per = 8 / w->bits;
    nnc_dim col[3] = {w->n, bytes, 1}, flat[2] = {w->n, bytes * per}, dim = per;
    uint8_t shift[4] = {0, (uint8_t)w->bits, (uint8_t)(2 * w->bits), (uint8_t)(3 * w->bits)};
    if (per == 1)
        return v;
    nnc_value by = nnc_g_const_data(&cx->b, NNC_DT_u8, 1, &dim, shift);
    v = nnc_cx_op2(cx, NNC_OP_shr, nnc_cx_reshape(cx, v, 3, col), by);
    v = both(cx, v, nnc_cx_num(cx, NNC_DT_u8, (double)((1 << w->bits) - 1)));
    return nnc_cx_reshape(cx, v, 2, flat);
}

/* Elements of tensor `v`, which must be `want`, as rows of u8 [n, want / n]. */
static nnc_status as_rows(struct nbits *w, nnc_value v, const char *what, int64_t per_row,
                          nnc_value *out)
{
    nnc_onnx_cx *cx = w->cx;
    nnc_dim flat[2] = {w->n, per_row};
    if (nnc_type_size(cx->m, nnc_value_type(cx->m, v)) != w->n * per_row)
        return nnc_cx_error(cx, "%s is %s, expected %lld elements", what, nnc_cx_type_text(cx, v),
                            (long long)(w->n * per_row));
    *out = nnc_cx_reshape(cx, v, 2, flat);
    return NNC_OK;
}

/* Zero points f32 [n, blocks]: packed as the weights, as numbers, or the middle of the range. */
static nnc_status read_zeros(struct nbits *w, nnc_value *zero)
{
    nnc_onnx_cx *cx = w->cx;
    nnc_dim dim[2] = {w->n, w->blocks};
    if (!nnc_cx_has(cx, 3)) {
        *zero = nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_f32, (double)(1 << (w->bits - 1))), 2, dim);
        return NNC_OK;
    }
    nnc_value v = nnc_cx_in(cx, 3);
    if (nnc_dtype_is_float(nnc_cx_dtype(cx, v))) {
        NNC_TRY(as_rows(w, v, "zero_points", w->blocks, zero));
    } else if (nnc_cx_dtype(cx, v) == NNC_DT_u8) {
        int64_t bytes = (w->blocks * w->bits + 7) / 8;
        NNC_TRY(as_rows(w, v, "zero_points", bytes, zero));
        *zero = nnc_g_slice_axis(&cx->b, unpack(w, *zero, bytes), 1, 0, 1, w->blocks);
    } else {
        return nnc_cx_error(cx, "zero_points is %s, expected u8 or floating point",
                            nnc_cx_type_text(cx, v));
    }
    *zero = cast_to(cx, *zero, NNC_DT_f32);
    return NNC_OK;
}

/* Number i of a row of `bits` each, the lowest bits first. */
static int field(const uint8_t *row, int64_t i, int64_t bits)
{
    int64_t at = i * bits;
    return row[at / 8] >> at % 8 & ((1 << bits) - 1);
}

/* Constant weights less their zero points as i8 [n, k]; none: something is computed, or a number does not fit. */
static nnc_value whole_weights(struct nbits *w)
{
    nnc_onnx_cx *cx = w->cx;
    nnc_tensor q, z = {0};
    nnc_dim dim[2] = {w->n, w->k};
    nnc_value none = {0};
    bool zeros = nnc_cx_has(cx, 3);
    int64_t bytes = w->block * w->bits / 8 * w->blocks, zbytes = (w->blocks * w->bits + 7) / 8;
    if (!nnc_tensor_of(cx->m, nnc_cx_in(cx, 1), &q) || q.dtype != NNC_DT_u8 ||
        nnc_tensor_count(&q) != w->n * bytes || w->k % w->block ||
        (zeros && (!nnc_tensor_of(cx->m, nnc_cx_in(cx, 3), &z) || z.dtype != NNC_DT_u8 ||
                   nnc_tensor_count(&z) != w->n * zbytes)))
        return none;
    nnc_arena *a = nnc_arena_new();
    int8_t *to = nnc_arena_alloc(a, (size_t)(w->n * w->k));
    bool fits = true;
    for (int64_t n = 0; n < w->n; n++)
        for (int64_t k = 0; k < w->k; k++) {
            int zero = zeros ? field((const uint8_t *)z.data + n * zbytes, k / w->block, w->bits)
                             : 1 << (w->bits - 1);
            int v = field((const uint8_t *)q.data + n * bytes, k, w->bits) - zero;
            fits &= v >= -128 && v <= 127;
            to[n * w->k + k] = (int8_t)v;
        }
    nnc_value v = fits ? nnc_g_const_data(&cx->b, NNC_DT_i8, 2, dim, to) : none;
    nnc_arena_free(a);
    return v;
}

/* The weights f32 [n, k]. */
static nnc_status read_weights(struct nbits *w, nnc_value *out)
{
    nnc_onnx_cx *cx = w->cx;
    nnc_value q, zero, scale;
    int64_t bytes = w->block * w->bits / 8;
    nnc_dim split[3] = {w->n, w->blocks, w->block}, one[3] = {w->n, w->blocks, 1},
            flat[2] = {w->n, w->blocks * w->block};
    if (nnc_cx_dtype(cx, nnc_cx_in(cx, 1)) != NNC_DT_u8)
        return nnc_cx_error(cx, "B is %s, expected packed u8",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 1)));
    NNC_TRY(nnc_row_real(cx, 2));
    NNC_TRY(as_rows(w, nnc_cx_in(cx, 1), "B", w->blocks * bytes, &q));
    NNC_TRY(as_rows(w, nnc_cx_in(cx, 2), "scales", w->blocks, &scale));
    nnc_value whole = whole_weights(w);
    if (whole.id) {
        nnc_dim dim[2] = {w->n, w->blocks};
        zero = nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_i8, 0), 2, dim);
        *out = nnc_g_dequantize(&cx->b, whole, cast_to(cx, scale, NNC_DT_f32), zero, 1, w->block);
        return NNC_OK;
    }
    NNC_TRY(read_zeros(w, &zero));
    q = cast_to(cx, nnc_cx_reshape(cx, unpack(w, q, w->blocks * bytes), 3, split), NNC_DT_f32);
    q = sub_of(cx, q, nnc_cx_reshape(cx, zero, 3, one));
    q = mul_of(cx, q, nnc_cx_reshape(cx, cast_to(cx, scale, NNC_DT_f32), 3, one));
    *out = nnc_g_slice_axis(&cx->b, nnc_cx_reshape(cx, q, 2, flat), 1, 0, 1, w->k);
    return NNC_OK;
}

/* Inputs: a [.., K], B [N, blocks, bytes], scales, zero points, g_idx, bias. */
nnc_status nnc_row_matmul_nbits(nnc_onnx_cx *cx)
{
    struct nbits w = {cx,
                      nnc_onnx_node_int(cx->node, "K", 0),
                      nnc_onnx_node_int(cx->node, "N", 0),
                      nnc_onnx_node_int(cx->node, "bits", 4),
                      nnc_onnx_node_int(cx->node, "block_size", 0),
                      0};
    nnc_value b, y;
    nnc_dim best;
    static const int64_t one[1] = {1};
    NNC_TRY(nnc_row_inputs(cx, 3, 6));
    NNC_TRY(nnc_row_real(cx, 0));
    if (w.bits != 2 && w.bits != 4 && w.bits != 8)
        return nnc_cx_bad_attr(cx, "bits", "2, 4 or 8");
    if (w.k < 1 || w.n < 1 || w.k > 1 << 24 || w.n > 1 << 24 || w.block < 16 || w.block > 1 << 16 ||
        w.block & (w.block - 1))
        return nnc_cx_error(
            cx,
            "K %lld, N %lld and block_size %lld: expected positive sizes, blocks of 16, 32, 64 ..",
            (long long)w.k, (long long)w.n, (long long)w.block);
    if (nnc_cx_has(cx, 4))
        return nnc_cx_error(
            cx, "g_idx (reordered groups) is not supported; quantise without act-order");
    if (nnc_onnx_node_int(cx->node, "weight_prepacked", 0))
        return nnc_cx_error(
            cx, "weights are packed for one machine (weight_prepacked); export them plain");
    w.blocks = (w.k + w.block - 1) / w.block;
    nnc_value a = nnc_cx_in(cx, 0), wide = nnc_cx_widen(cx, a);
    int rank = nnc_cx_rank(cx, a);
    if (rank < 1)
        return nnc_cx_error(cx, "A is a scalar, expected rows of %lld numbers", (long long)w.k);
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, a, rank - 1), w.k,
                            "last dimension of A and attribute K", &best));
    NNC_TRY(read_weights(&w, &b));
    int64_t last[1] = {rank - 1};
    y = nnc_g_dot(&cx->b, wide, cast_to(cx, b, nnc_cx_dtype(cx, wide)), 0, NULL, NULL, 1, last, one,
                  NNC_DT_none);
    NNC_TRY(plus_bias(cx, 5, &y));
    nnc_cx_set(cx, 0, cast_to(cx, y, nnc_cx_dtype(cx, a)));
    return NNC_OK;
}
