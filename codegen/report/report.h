/* codegen/report/report.h - a model for human eyes. */
#ifndef NNC_CODEGEN_REPORT_H
#define NNC_CODEGEN_REPORT_H
#include <stdio.h>
#include "ir/module.h"
#include "ir/target.h"

/* The entry graph (or, without one, the entry kernel) as a Graphviz file. */
nnc_status nnc_report_dot(nnc_module *m, FILE *o);

/* A self-contained page: the graph, a table of layers with multiply-adds, bytes and estimated time, and the arena drawn
 * over time.  `g` has been scheduled (its computations stand in `fused` ops), `k` is the same model planned.  The time
 * is the larger of arithmetic at the target's peak and bytes at its memory bandwidth: a bound, not a measurement. */
nnc_status nnc_report_html(nnc_module *g, nnc_module *k, const nnc_target *t, const char *title,
                           FILE *o);

/* What one op (with its regions) does once: multiply-adds, bytes of constants, and of tensors read and written. */
typedef struct nnc_cost {
    double macs, weights, traffic;
} nnc_cost;
nnc_cost nnc_report_cost(const nnc_module *m, nnc_op op);
#endif
