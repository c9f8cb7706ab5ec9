/* ir/build_fn.h - inside ir/: what the files of G constructors share. */
#ifndef NNC_IR_BUILD_FN_H
#define NNC_IR_BUILD_FN_H
#include "ir/build.h"

/* An op whose attributes are still to come; every result gets type `guess` until nnc_build_finish. */
nnc_op nnc_build_start(nnc_builder *b, nnc_opcode code, unsigned nin, const nnc_value *in,
                       unsigned nout, nnc_type guess);
/* Infer the result types, then share the op with an equal one of the same block; result 0 of what remains (none when
 * there are no results).  A failed inference has been reported; the guess stays. */
nnc_value nnc_build_finish(nnc_builder *b, nnc_op op);
/* A rank-0 tensor type: the guess where only the dtype matters. */
nnc_type nnc_build_guess(nnc_builder *b, nnc_dtype dt);
/* Start and finish in one, for ops without attributes. */
nnc_value nnc_build_plain(nnc_builder *b, nnc_opcode code, unsigned nin, const nnc_value *in,
                          nnc_type guess);

static inline nnc_dtype nnc_build_dtype(const nnc_builder *b, nnc_value x)
{
    return (nnc_dtype)nnc_value_ty(b->m, x)->dtype;
}
static inline int nnc_build_rank(const nnc_builder *b, nnc_value x)
{
    return nnc_value_ty(b->m, x)->rank;
}
#endif
