/* passes/group.h - which ops share a kernel. */
#ifndef NNC_PASSES_GROUP_H
#define NNC_PASSES_GROUP_H
#include "passes/pass.h"

/* Must the op stand outside `fused`: constants, reshapes and prefixes (views of memory), control flow, calls, checks
 * and NAMED ops? */
bool nnc_group_outside(const nnc_module *m, nnc_op op);
/* Is the cost of the op a function call rather than an instruction? */
bool nnc_group_heavy(nnc_opcode code);

/* Inside group (group_prepare.c): make a block ready for clustering; is the op only another view of its operand? */
void nnc_group_prepare(nnc_module *m, nnc_block b);
bool nnc_group_is_view(const nnc_module *m, nnc_op op);
/* Does the op pick whole rows of its operand at an index known at run time?  Lowering makes a view of it. */
bool nnc_is_pick(const nnc_module *m, nnc_op op);
#endif
