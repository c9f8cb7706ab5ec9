/* codegen/text/flow.h - which values a text target writes where they are used, and which get a name.
 *
 * A value is written in place when it is used once, in the block that makes it, and nothing it reads is written in
 * between; sums of indices always are, since addresses are printed as sums.  Everything else becomes a named constant
 * where it is made.  Register buffers touched at constant cells only are sets of local variables. */
#ifndef NNC_CODEGEN_TEXT_FLOW_H
#define NNC_CODEGEN_TEXT_FLOW_H
#include "passes/kmem.h"

typedef struct nnc_flow {
    const nnc_module *m;
    nnc_arena *a;
    bool *in_place; /* per value */
    nnc_op *root;   /* per value written in place: the statement it ends up in */
    uint8_t *size;  /* per value: operations in its expression */
    /* May two different buffers be the same memory?  NULL: never. */
    bool (*may_alias)(const void *user, nnc_value a, nnc_value b);
    const void *user;
} nnc_flow;

nnc_flow nnc_flow_new(const nnc_module *m, nnc_arena *a);
/* Decides for every op of a function. */
void nnc_flow_func(nnc_flow *f, nnc_op func);
#endif
