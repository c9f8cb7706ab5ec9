/* codegen/report/report.h - a model for human eyes. */
#ifndef NNC_CODEGEN_REPORT_H
#define NNC_CODEGEN_REPORT_H
#include <stdio.h>
#include "ir/module.h"
#include "ir/target.h"

/* The entry graph (or, without one, the entry kernel) as a Graphviz file. */
nnc_status nnc_report_dot(nnc_module *m, FILE *o);
/* A self-contained page: graph, per-layer MACs, bytes and estimated time, arena over time as SVG.  `m` is the module
 * after the default pipeline; it still holds the entry graph's fused ops as locations and the planned entry kernel. */
nnc_status nnc_report_html(nnc_module *m, const nnc_target *t, const char *title, FILE *o);
#endif
