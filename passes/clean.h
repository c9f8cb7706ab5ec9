/* passes/clean.h - what the G clean-up passes share. */
#ifndef NNC_PASSES_CLEAN_H
#define NNC_PASSES_CLEAN_H
#include "ir/build.h"
#include "ir/interp.h"
#include "passes/pass.h"

/* No effect but its results: PURE ops, and control flow whose regions hold only such. */
bool nnc_op_is_pure(const nnc_module *m, nnc_op op);
/* Are all elements of constant v (looking through broadcast and reshape) one number?  Its bits in v's dtype. */
bool nnc_value_splat(const nnc_module *m, nnc_value v, uint64_t *bits);
/* Replace the single result of `op` by v (same type) and erase op. */
void nnc_op_replace(nnc_module *m, nnc_op op, nnc_value v);
/* Put copies of a region's ops before `op`, its arguments replaced by args[]; yielded[] gets what its yield names. */
void nnc_region_inline(nnc_pass_cx *cx, nnc_op op, nnc_block region, const nnc_value *args,
                       unsigned nyield, nnc_value *yielded);
/* The constant that v is, when its op has only constant operands and pass `fold` would evaluate it; else v. */
nnc_value nnc_value_fold(nnc_module *m, nnc_value v);
/* About how many multiply-adds and elements the ops of a block (or one op) compute; loops of unknown length count 16 times. */
double nnc_block_work(const nnc_module *m, nnc_block b);
double nnc_op_work(const nnc_module *m, nnc_op op);
/* Make an `if` or `scan` anew without the results nobody reads; false when there are none. */
bool nnc_op_drop_results(nnc_pass_cx *cx, nnc_op op);
#endif
