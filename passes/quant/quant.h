/* passes/quant/quant.h - inside passes/quant/: the parts of the pass `quant`.
 *
 * A quantised value stands for (q - zero) * scale.  The parts share one way to look at it: an 8-bit tensor, a scalar zero
 * point that may be known only at run time, and a scale that is missing where the graph itself computes in integers. */
#ifndef NNC_PASSES_QUANT_QUANT_H
#define NNC_PASSES_QUANT_QUANT_H
#include "passes/clean.h"

typedef struct nnc_qvalue {
    nnc_value q;     /* u8 or i8 */
    nnc_value zero;  /* rank 0, any integer dtype; none: 0 */
    nnc_value scale; /* rank 0 f32; none: v is the integer q - zero itself */
} nnc_qvalue;

/* v = dequantize(q) with one scale, or q - zero in 16 or 32 bits. */
bool nnc_quant_value(const nnc_module *m, nnc_value v, nnc_qvalue *out);

typedef struct nnc_qweights {
    nnc_value q;        /* i8: what stands there less its zero point, in the shape of the weights */
    unsigned axis;      /* the dim of q that counts the outputs; meaningless when n = 1 */
    int64_t n;          /* entries of sum and scale: outputs along that dim */
    const int64_t *sum; /* of the weights of each output */
    const float *scale; /* NULL: integers */
    const int64_t *size; /* the same of their magnitudes */
} nnc_qweights;

/* The constant right operand of a dot or conv; false when it is none, does not fit i8, or has scales that do not belong
 * to outputs. */
bool nnc_quant_weights(nnc_pass_cx *cx, nnc_op op, nnc_qweights *out);

/* op becomes an integer contraction when both operands are quantised; scaling, bias, clips and quantisation behind it
 * become one requantisation. */
bool nnc_quant_contract(nnc_pass_cx *cx, nnc_op op);

/* A matrix product of floats by large quantised weights keeps these as bytes, which the kernel expands. */
bool nnc_quant_expand(nnc_pass_cx *cx, nnc_op op);

/* Moving data commutes with dequantising it; and quantising what was dequantised the same way is nothing. */
bool nnc_quant_move(nnc_pass_cx *cx, nnc_op op);
bool nnc_quant_round_trip(nnc_pass_cx *cx, nnc_op op);

/* A scalar constant of any kind (interned or a `const` op of one element). */
bool nnc_quant_number(const nnc_module *m, nnc_value v, double *out);
/* Do only contractions and gathers read this dequantised constant?  Then pass `fold` leaves it for this pass. */
bool nnc_quant_wants(const nnc_module *m, nnc_op dequantize);
#endif
