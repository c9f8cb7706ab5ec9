/* passes/legalise.h - operations that targets do not have, in terms of ones they do.
 *
 * nnc_math_build spells exp, tanh, erf and their kin in K arithmetic (add, mul, compare, select, bit operations), for
 * scalars and vectors of f32 alike, so one definition serves every target; emitters print it as a function or in place.
 * Errors are within 4 units in the last place over the whole range, special values as in C's Annex F. */
#ifndef NNC_PASSES_LEGALISE_H
#define NNC_PASSES_LEGALISE_H
#include "ir/build.h"
#include "passes/pass.h"

bool nnc_math_has(nnc_opcode code, nnc_dtype dt);
nnc_value nnc_math_build(nnc_builder *b, nnc_opcode code, nnc_value x);

/* Arithmetic on floats below f32 and integers below 8 bits goes through f32 and i32: casts around each op, as the
 * definition "computed wide, rounded once per op" says. */
void nnc_legalise_func(nnc_pass_cx *cx, nnc_op func);
#endif
