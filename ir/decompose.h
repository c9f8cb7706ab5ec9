/* ir/decompose.h - the definitions of composite ops as graphs of primitives. */
#ifndef NNC_IR_DECOMPOSE_H
#define NNC_IR_DECOMPOSE_H
#include "ir/build.h"

/* Build the decomposition of composite `op` at b with its operands replaced by in[]; results into out[]. */
void nnc_decompose(nnc_builder *b, nnc_op op, const nnc_value *in, nnc_value *out);
#endif
