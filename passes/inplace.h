/* passes/inplace.h - which parameters of a kernel may share memory. */
#ifndef NNC_PASSES_INPLACE_H
#define NNC_PASSES_INPLACE_H
#include "ir/module.h"

/* Add to [inplace] of a kernel, as lowered (loops not unrolled), every pair (result, operand) that is proven to be able
 * to lie in the same memory.  Number of new pairs. */
unsigned nnc_kernel_in_place(nnc_module *m, nnc_arena *scratch, nnc_op kernel);
#endif
