/* ir/infer.h - result types from operands and attributes. */
#ifndef NNC_IR_INFER_H
#define NNC_IR_INFER_H
#include "ir/module.h"

/* Types of all results of a complete G op into out[0 .. nout-1].  On wrong operands: one diagnostic at the op's
 * location saying what was found and what is needed, and NNC_ERR.  `given` ops return their own type when it is
 * consistent. */
nnc_status nnc_infer(nnc_module *m, nnc_op op, nnc_type *out);
/* numpy broadcast of two shapes; dimensions that are equal, or 1 on one side, or symbolic and maybe equal (the
 * constant, else the first, wins).  false: they cannot agree. */
bool nnc_broadcast_dims(nnc_dims *t, int ra, const nnc_dim *a, int rb, const nnc_dim *b, int *r,
                        nnc_dim *out);
#endif
