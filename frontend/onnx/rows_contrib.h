/* frontend/onnx/rows_contrib.h - what the rows of domains without schemas share.  Their nodes come
 * unchecked: a row says first what it needs. */
#ifndef NNC_FRONTEND_ONNX_ROWS_CONTRIB_H
#define NNC_FRONTEND_ONNX_ROWS_CONTRIB_H
#include "frontend/onnx/rows_short.h"

/* Between lo and hi inputs, all tensors, the first lo of them there; at least one output. */
nnc_status nnc_row_inputs(nnc_onnx_cx *cx, uint32_t lo, uint32_t hi);
/* Input i is floating point / of up to 8 bits (i8, u8). */
nnc_status nnc_row_real(nnc_onnx_cx *cx, uint32_t i);
nnc_status nnc_row_byte(nnc_onnx_cx *cx, uint32_t i);
/* Inputs 0 .. n - 1, those that are there, are floating point of one type. */
nnc_status nnc_row_same_real(nnc_onnx_cx *cx, uint32_t n);
/* Input i as a scalar. */
nnc_status nnc_row_single(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_value *v);

/* Run another row with input 0 replaced; its output 0. */
nnc_status nnc_row_through(nnc_onnx_cx *cx, nnc_onnx_row_fn row, nnc_value x, nnc_value *y);
/* Channels from the last axis to axis 1, and back. */
nnc_value nnc_row_to_nchw(nnc_onnx_cx *cx, nnc_value x);
nnc_value nnc_row_to_nhwc(nnc_onnx_cx *cx, nnc_value x);
#endif
