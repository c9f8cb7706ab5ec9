/* Quantised islands compute in integers.
 *
 * One sweep in block order.  `dequantize` sinks below ops that only move data, so that it meets the contraction that
 * reads it; a contraction of two dequantised operands becomes one of 8-bit integers with a 32-bit result, and the
 * floating-point ops behind it become its requantisation (contract.c).  What is not exact in integers (sums of values
 * with different scales, softmax, pools that average) stays floating point between `dequantize` and `quantize`, which
 * later passes write out and fuse.  Large weights that are quantised alone stay bytes as well: the matrix product converts
 * them on the way (weights.c).  Other dequantised constants are folded at the end. */
#include "passes/quant/quant.h"

static void fold_constant(nnc_pass_cx *cx, nnc_op op)
{
    nnc_value v = nnc_op_out(cx->m, op, 0), folded = nnc_value_fold(cx->m, v);

    if (folded.id == v.id)
        return;
    nnc_op_replace(cx->m, op, folded);
    cx->changed++;
}

static bool is_dead(const nnc_module *m, nnc_op op)
{
    if (!nnc_op_has(m, op, NNC_PURE) || nnc_op_nregion(m, op))
        return false;
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        if (nnc_value_nuse(m, nnc_op_out(m, op, i)))
            return false;
    return true;
}

static bool rewrite(nnc_pass_cx *cx, nnc_op op)
{
    switch (nnc_op_code(cx->m, op)) {
    case NNC_OP_dot: return nnc_quant_contract(cx, op) || nnc_quant_expand(cx, op);
    case NNC_OP_conv: return nnc_quant_contract(cx, op);
    case NNC_OP_quantize: return nnc_quant_round_trip(cx, op);
    case NNC_OP_reshape:
    case NNC_OP_transpose:
    case NNC_OP_slice:
    case NNC_OP_broadcast:
    case NNC_OP_gather:
    case NNC_OP_concat:
    case NNC_OP_window_reduce: return nnc_quant_move(cx, op);
    default: return false;
    }
}

static void quant_block(nnc_pass_cx *cx, nnc_block b)
{
    nnc_module *m = cx->m;
    nnc_op prev;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            quant_block(cx, nnc_op_region(m, op, i));
        cx->changed += rewrite(cx, op);
    }
    for (nnc_op op = nnc_block_last(m, b); op.id; op = prev) {
        prev = nnc_op_prev(m, op);
        if (is_dead(m, op))
            nnc_op_erase(m, op);
        else if (nnc_op_code(m, op) == NNC_OP_dequantize)
            fold_constant(cx, op);
    }
}

nnc_status nnc_pass_quant(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            quant_block(cx, nnc_op_region(m, f, 0));
    return NNC_OK;
}
