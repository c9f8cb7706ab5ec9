/* frontend/onnx/export.h - G graphs as ONNX files. */
#ifndef NNC_FRONTEND_ONNX_EXPORT_H
#define NNC_FRONTEND_ONNX_EXPORT_H
#include <stdio.h>
#include "ir/module.h"

enum { NNC_ONNX_EXPORT_OPSET = 21 }; /* what today's runtimes all read */

/* The entry graph as an ONNX model, weights included (written from where they lie, never copied).  What ONNX cannot
 * say gives a diagnostic that names the op and where it came from. */
nnc_status nnc_onnx_export(nnc_module *m, const char *producer_version, FILE *o);
#endif
