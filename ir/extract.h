/* ir/extract.h - functions out of a program: graphs that were built referring to values of other graphs become closed,
 * and one graph with all it calls becomes a module of its own, to be compiled by itself. */
#ifndef NNC_IR_EXTRACT_H
#define NNC_IR_EXTRACT_H
#include "ir/module.h"

typedef struct nnc_captures {
    nnc_value *value; /* in the order of the new arguments; memory of the module */
    unsigned n;
} nnc_captures;

/* Close `graph`: every value from outside that its body (regions included) uses becomes a new argument behind those it
 * has, once each, in the order of first use; the uses are rewritten.  Interned constants stay, `const` ops are cloned
 * into the body.  Calls of the graph do not change: the caller appends the captured values to their operands.  A graph
 * that calls another which still has values to capture must be closed after that one. */
nnc_status nnc_graph_capture(nnc_module *m, nnc_op graph, nnc_captures *out);

/* A new module in the arena of `m` (diagnostics and locations are shared) with a deep copy of `graph`, marked as the
 * entry, and of all graphs it calls.  Weights are the same memory.  The graph must be closed: a value from outside is
 * an error and gives NULL. */
nnc_module *nnc_module_extract(nnc_module *m, nnc_op graph);
#endif
