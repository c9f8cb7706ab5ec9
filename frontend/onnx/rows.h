/* frontend/onnx/rows.h - the functions of the tables rows.def and rows_nn.def. */
#ifndef NNC_FRONTEND_ONNX_ROWS_H
#define NNC_FRONTEND_ONNX_ROWS_H
#include <math.h>
#include <string.h>
#include "frontend/onnx/import_cx.h"

#define ROW(domain, op, since, function, arg) nnc_status nnc_row_##function(nnc_onnx_cx *cx);
#include "frontend/onnx/rows.def"
#endif
