/* frontend/onnx/rows_short.h - short spellings for rows that write long formulas.  Operands must
 * fit, as for nnc_cx_op2; numbers take the dtype of the other operand. */
#ifndef NNC_FRONTEND_ONNX_ROWS_SHORT_H
#define NNC_FRONTEND_ONNX_ROWS_SHORT_H
#include "frontend/onnx/rows.h"

#define SHORT1(name, code)                                     \
    static inline nnc_value name(nnc_onnx_cx *cx, nnc_value x) \
    {                                                          \
        return nnc_cx_op1(cx, NNC_OP_##code, x);               \
    }
#define SHORT2(name, code)                                                     \
    static inline nnc_value name(nnc_onnx_cx *cx, nnc_value x, nnc_value y)    \
    {                                                                          \
        return nnc_cx_op2(cx, NNC_OP_##code, x, y);                            \
    }                                                                          \
    static inline nnc_value name##_num(nnc_onnx_cx *cx, nnc_value x, double y) \
    {                                                                          \
        return name(cx, x, nnc_cx_like(cx, x, y));                             \
    }
SHORT2(add_of, add)
SHORT2(sub_of, sub)
SHORT2(mul_of, mul)
SHORT2(div_of, div)
SHORT2(max_of, max)
SHORT2(min_of, min)
SHORT2(pow_of, pow)
SHORT2(is_less, lt)
SHORT2(is_at_most, le)
SHORT2(is_equal, eq)
SHORT2(both, and)
SHORT2(either, or)
SHORT1(floor_of, floor)
SHORT1(round_of, round)
SHORT1(abs_of, abs)
SHORT1(neg_of, neg)
SHORT1(sqrt_of, sqrt)
SHORT1(exp_of, exp)
SHORT1(tanh_of, tanh)
SHORT1(sigmoid_of, sigmoid)
SHORT1(not_of, not )
#undef SHORT1
#undef SHORT2

static inline nnc_value choose(nnc_onnx_cx *cx, nnc_value c, nnc_value x, nnc_value y)
{
    return nnc_g_select(&cx->b, c, x, y);
}
static inline nnc_value cast_to(nnc_onnx_cx *cx, nnc_value x, nnc_dtype dt)
{
    return nnc_g_cast(&cx->b, x, dt);
}
static inline nnc_value clamp_of(nnc_onnx_cx *cx, nnc_value x, double lo, double hi)
{
    return min_of_num(cx, max_of_num(cx, x, lo), hi);
}
#endif
