/* frontend/onnx/import.h - from an ONNX file to a G graph.
 *
 * Everything is normalised to the newest meaning on the way: legacy attributes, coerced shapes and sequences do not
 * exist in the IR.  Errors are reported for every node in one run; the module is only usable when NNC_OK comes back.
 * The entry graph op carries [input] and [output]: the original tensor names, separated by newlines. */
#ifndef NNC_FRONTEND_ONNX_IMPORT_H
#define NNC_FRONTEND_ONNX_IMPORT_H
#include "frontend/onnx/model.h"
#include "ir/module.h"

/* --dim name=lo..hi; lo == hi pins the dimension. */
typedef struct nnc_onnx_bound {
    const char *name;
    int64_t lo, hi;
} nnc_onnx_bound;

typedef struct nnc_onnx_options {
    const nnc_onnx_bound *bound;
    uint32_t nbound;
    /* NULL: from the model's graph, made an identifier; "net" when that is empty */
    const char *graph_name;
} nnc_onnx_options;

nnc_status nnc_onnx_import(nnc_module *m, const char *path, const nnc_onnx_options *opt);
/* The same for a model that was loaded before. */
nnc_status nnc_onnx_import_model(nnc_module *m, const nnc_onnx_model *model,
                                 const nnc_onnx_options *opt);

/* The table of operators, for `nnc ops`: one entry per (operator, first version of a meaning). */
typedef struct nnc_onnx_row_info {
    const char *domain, *op;
    int since;
    bool refused; /* known, but only to say why it cannot be compiled */
} nnc_onnx_row_info;
uint32_t nnc_onnx_row_count(void);
nnc_onnx_row_info nnc_onnx_row_at(uint32_t i);
#endif
