/* passes/lower/lower.h - from G to K: the entry kernel and one kernel per fused op.
 *
 * The pass `lower` (entry.c) makes for each graph a kernel with the same name.  Block arguments of the entry kernel,
 * in this order: one buffer @arg per graph input, one buffer @arg per graph output, one idx per symbol of the input
 * shapes (its run-time value), one i64[] buffer @arg per data-dependent symbol of the output shapes (written by the
 * kernel).  Attribute [role] holds an int per argument: 0 input, 1 output, 2 symbol, 3 symbol out, 4 state: a
 * graph input whose next value (`state`) is written over it, and no output has an argument for; [input] (state among
 * them) and [output] are the original tensor names, separated by newlines; symbol arguments are named after their symbol.
 * [name], copied from the graph, is what the entry's C function is called behind the model's name: run, or step.
 * Buffers of inputs and outputs are dense in their REAL sizes for the outermost dynamic dimension and strided by upper
 * bounds otherwise; entry.c copies between the caller's dense layout and ours when an inner dimension is dynamic. */
#ifndef NNC_PASSES_LOWER_H
#define NNC_PASSES_LOWER_H
#include "ir/build.h"
#include "passes/pass.h"

typedef struct nnc_lower {
    nnc_pass_cx *cx;
    nnc_module *m;
    nnc_op graph, kernel; /* being lowered, being made */
    nnc_builder b;        /* insertion point in the entry kernel (moves into loops and branches) */
    nnc_value *buffer;    /* per G value id: its K buffer in the entry kernel, 0: not yet */
    uint32_t nbuffer;
    nnc_value *sym;        /* per symbol: its idx value in the entry kernel, 0: not (yet) known */
    uint32_t nsym, serial; /* serial: for kernel names */
} nnc_lower;

/* The buffer that holds G value g (argument, result already made, alias, or constant); a rank-0 interned constant
 * becomes a one-cell weight.  Never fails for values that dominate the point. */
nnc_value nnc_lower_buffer(nnc_lower *x, nnc_value g);
/* Where g must be written: the output argument when g is a graph output made here, else a fresh arena alloc. */
nnc_value nnc_lower_result(nnc_lower *x, nnc_value g);
/* The idx value of a dimension in the entry kernel (built at x->b). */
nnc_value nnc_lower_dim(nnc_lower *x, nnc_dim d);

/* One fused op (kernel.c and friends): makes the kernel function and its call at x->b.  Kernel parameters: the buffers
 * it reads (types = those of the actual buffers; constants may be packed: then a K `const` with [src_*] is made in the
 * entry), the result buffers, then one idx per symbol it needs. */
nnc_status nnc_lower_fused(nnc_lower *x, nnc_op fused);
/* One NAMED op outside `fused` (named/<op>.c): the same, by hand-written builders. */
nnc_status nnc_lower_named(nnc_lower *x, nnc_op op);
#endif
