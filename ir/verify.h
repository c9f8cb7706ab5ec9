/* ir/verify.h - what must hold between passes (docs/ir.md section 5); one diagnostic per violation. */
#ifndef NNC_IR_VERIFY_H
#define NNC_IR_VERIFY_H
#include "ir/module.h"

nnc_status nnc_verify(nnc_module *m);
nnc_status nnc_verify_func(nnc_module *m, nnc_op func);
#endif
