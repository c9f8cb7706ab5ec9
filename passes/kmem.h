/* passes/kmem.h - questions about memory and loops in K code. */
#ifndef NNC_PASSES_KMEM_H
#define NNC_PASSES_KMEM_H
#include "ir/module.h"

/* The alloc or argument behind views. */
nnc_value nnc_buffer_root(const nnc_module *m, nnc_value buffer);
/* Is every load and store of the buffer at constant indices (and nothing else done to it)? */
bool nnc_buffer_is_cells(const nnc_module *m, nnc_value buffer);
/* Does the op write the buffer (store, fill, copy, or a call or region that might)? */
bool nnc_op_writes_buffer(const nnc_module *m, nnc_op op, nnc_value root);
/* The buffer operand of a load or store; 0 otherwise. */
nnc_value nnc_op_buffer(const nnc_module *m, nnc_op op);

typedef struct nnc_range {
    int64_t lo, hi, step, trips;
} nnc_range;

/* What a `for` runs over, if that is constant. */
bool nnc_for_range(const nnc_module *m, nnc_op loop, nnc_range *r);
#endif
