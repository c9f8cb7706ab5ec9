/* frontend/onnx/short.h - short names for what rows say all the time. */
#ifndef NNC_FRONTEND_ONNX_SHORT_H
#define NNC_FRONTEND_ONNX_SHORT_H
#include "frontend/onnx/import_cx.h"

/* The node's only result. */
static inline nnc_status done(nnc_onnx_cx *cx, nnc_value y)
{
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

static inline nnc_value op1(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x)
{
    return nnc_cx_op1(cx, code, x);
}

static inline nnc_value op2(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x, nnc_value y)
{
    return nnc_cx_op2(cx, code, x, y);
}

static inline nnc_value i64(nnc_onnx_cx *cx, int64_t v)
{
    return nnc_g_int(&cx->b, NNC_DT_i64, v);
}

static inline nnc_value truth(nnc_onnx_cx *cx, bool v)
{
    return nnc_g_int(&cx->b, NNC_DT_bool, v);
}

static inline nnc_val tensor(nnc_value v)
{
    return (nnc_val){.kind = NNC_VAL_tensor, .v = v};
}
#endif
