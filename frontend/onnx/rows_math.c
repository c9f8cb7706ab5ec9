/* frontend/onnx/rows_math.c - arithmetic, comparison and logic on elements.
 *
 * Broadcasting is numpy's since opset 7.  Before, the second operand was a suffix of the first, or stood at `axis`,
 * when `broadcast` was set; such an operand is reshaped here with trailing ones and everything else is as today. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"

nnc_status nnc_row_unary(nnc_onnx_cx *cx)
{
    nnc_cx_set(cx, 0, nnc_cx_op1(cx, (nnc_opcode)cx->arg, nnc_cx_in(cx, 0)));
    return NNC_OK;
}

nnc_status nnc_row_is_inf(nnc_onnx_cx *cx)
{
    bool pos = nnc_onnx_node_int(cx->node, "detect_positive", 1) != 0;
    bool neg = nnc_onnx_node_int(cx->node, "detect_negative", 1) != 0;
    nnc_value x = nnc_cx_in(cx, 0), y = nnc_cx_op1(cx, NNC_OP_isinf, x),
              zero = nnc_cx_like(cx, x, 0);

    if (!pos)
        y = nnc_cx_op2(cx, NNC_OP_and, y, nnc_cx_op2(cx, NNC_OP_lt, x, zero));
    if (!neg)
        y = nnc_cx_op2(cx, NNC_OP_and, y, nnc_cx_op2(cx, NNC_OP_lt, zero, x));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_reciprocal(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_cx_set(cx, 0, nnc_cx_op2(cx, NNC_OP_div, nnc_cx_like(cx, x, 1), x));
    return NNC_OK;
}

nnc_status nnc_row_binary(nnc_onnx_cx *cx)
{
    nnc_value y;
    NNC_TRY(nnc_cx_binary(cx, (nnc_opcode)cx->arg, nnc_cx_in(cx, 0), nnc_cx_in(cx, 1), &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_greater(nnc_onnx_cx *cx)
{
    nnc_value y;
    NNC_TRY(nnc_cx_binary(cx, (nnc_opcode)cx->arg, nnc_cx_in(cx, 1), nnc_cx_in(cx, 0), &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* The second operand as numpy would have it: its dims stand at `axis` of the first. */
static nnc_status legacy_operand(nnc_onnx_cx *cx, nnc_value *y)
{
    nnc_type_rec tx = nnc_cx_ty(cx, nnc_cx_in(cx, 0)), ty = nnc_cx_ty(cx, nnc_cx_in(cx, 1));
    int64_t at = nnc_onnx_node_int(cx->node, "axis", tx.rank - ty.rank);
    nnc_dim dim[NNC_MAX_RANK];
    int rank = ty.rank;

    *y = nnc_cx_in(cx, 1);
    if (!nnc_onnx_node_int(cx->node, "broadcast", 0)) {
        bool same = tx.rank == ty.rank;
        for (int i = 0; same && i < tx.rank; i++)
            same = tx.dim[i] == ty.dim[i] || tx.dim[i] < 0 || ty.dim[i] < 0;
        if (!same)
            return nnc_cx_error(
                cx, "operands %s and %s differ in shape and attribute broadcast is not set",
                nnc_cx_type_text(cx, nnc_cx_in(cx, 0)), nnc_cx_type_text(cx, *y));
        return NNC_OK;
    }
    if (at < 0)
        at += tx.rank;
    if (at < 0 || at + ty.rank > tx.rank)
        return nnc_cx_error(cx, "axis %lld does not place %s inside %s", (long long)at,
                            nnc_cx_type_text(cx, *y), nnc_cx_type_text(cx, nnc_cx_in(cx, 0)));
    for (int i = 0; i < ty.rank; i++)
        dim[i] = ty.dim[i];
    while (rank < tx.rank - (int)at)
        dim[rank++] = 1;
    *y = nnc_cx_reshape(cx, *y, rank, dim);
    return NNC_OK;
}

nnc_status nnc_row_legacy_binary(nnc_onnx_cx *cx)
{
    nnc_value y;
    NNC_TRY(legacy_operand(cx, &y));
    NNC_TRY(nnc_cx_binary(cx, (nnc_opcode)cx->arg, nnc_cx_in(cx, 0), y, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_legacy_greater(nnc_onnx_cx *cx)
{
    nnc_value y;
    NNC_TRY(legacy_operand(cx, &y));
    NNC_TRY(nnc_cx_binary(cx, (nnc_opcode)cx->arg, y, nnc_cx_in(cx, 0), &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_bit_shift(nnc_onnx_cx *cx)
{
    const char *way = nnc_onnx_node_str(cx->node, "direction", "");
    bool left = strcmp(way, "LEFT") == 0;
    nnc_value y;

    if (!left && strcmp(way, "RIGHT") != 0)
        return nnc_cx_bad_attr(cx, "direction", "LEFT or RIGHT");
    NNC_TRY(
        nnc_cx_binary(cx, left ? NNC_OP_shl : NNC_OP_shr, nnc_cx_in(cx, 0), nnc_cx_in(cx, 1), &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_nary(nnc_onnx_cx *cx)
{
    nnc_value y = nnc_cx_in(cx, 0);
    for (uint32_t i = 1; i < cx->nin; i++)
        NNC_TRY(nnc_cx_binary(cx, (nnc_opcode)cx->arg, y, nnc_cx_in(cx, i), &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_nary_mean(nnc_onnx_cx *cx)
{
    nnc_value y = nnc_cx_in(cx, 0);
    for (uint32_t i = 1; i < cx->nin; i++)
        NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, y, nnc_cx_in(cx, i), &y));
    nnc_cx_set(cx, 0, nnc_cx_op2(cx, NNC_OP_div, y, nnc_cx_like(cx, y, (double)cx->nin)));
    return NNC_OK;
}

/* The sign of the divisor, as Python's %; with attribute fmod that of the dividend, as C's fmod. */
nnc_status nnc_row_mod(nnc_onnx_cx *cx)
{
    bool fmod_rule = nnc_onnx_node_int(cx->node, "fmod", 0) != 0;
    nnc_value y;

    NNC_TRY(nnc_cx_binary(cx, NNC_OP_rem, nnc_cx_in(cx, 0), nnc_cx_in(cx, 1), &y));
    if (fmod_rule) {
        nnc_value in[2] = {nnc_cx_in(cx, 0), nnc_cx_in(cx, 1)};
        nnc_type ty = nnc_value_type(cx->m, y);
        nnc_op op = nnc_build_op(&cx->b, NNC_OP_rem, 2, in, 1, &ty);
        nnc_attr_set_int(cx->m, op, NNC_W_fmod, 1);
        y = nnc_op_out(cx->m, op, 0);
    }
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* The exponent may be of another type: the result has that of the base.  An exponent that the base's type can hold
 * is cast; a float exponent of an integer base is computed in floating point and truncated. */
nnc_status nnc_row_pow(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), e = nnc_cx_in(cx, 1), y;
    nnc_dtype dx = nnc_cx_dtype(cx, x), de = nnc_cx_dtype(cx, e), dt = dx;

    if (nnc_dtype_is_int(dx) && nnc_dtype_is_float(de))
        dt = nnc_dtype_bytes(dx) > 2 ? NNC_DT_f64 : NNC_DT_f32;
    NNC_TRY(
        nnc_cx_binary(cx, NNC_OP_pow, nnc_g_cast(&cx->b, x, dt), nnc_g_cast(&cx->b, e, dt), &y));
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, dx));
    return NNC_OK;
}

nnc_status nnc_row_where(nnc_onnx_cx *cx)
{
    nnc_value x[3] = {nnc_cx_in(cx, 0), nnc_cx_in(cx, 1), nnc_cx_in(cx, 2)};
    nnc_type_rec ty;

    NNC_TRY(nnc_cx_broadcast(cx, 3, x, &ty));
    nnc_cx_set(cx, 0, nnc_g_select(&cx->b, x[0], x[1], x[2]));
    return NNC_OK;
}
