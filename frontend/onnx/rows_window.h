/* frontend/onnx/rows_window.h - kernel, stride, dilation and padding of convolutions and pools. */
#ifndef NNC_FRONTEND_ONNX_ROWS_WINDOW_H
#define NNC_FRONTEND_ONNX_ROWS_WINDOW_H
#include "frontend/onnx/rows.h"

typedef struct nnc_row_window {
    int n; /* spatial dims, 1 to 3 */
    int64_t size[3], stride[3], dilation[3];
    nnc_dim lo[3], hi[3]; /* as written, or resolved from auto_pad */
    nnc_dim extra[3];     /* more room on the far side that ceil_mode makes */
} nnc_row_window;

/* Reads the node's attributes for the input x [N, C, spatial..].  `kernel`: sizes from the weights, or NULL to take
 * attribute kernel_shape (which is checked against `kernel` otherwise). */
nnc_status nnc_row_window_read(nnc_onnx_cx *cx, nnc_value x, const nnc_dim *kernel,
                               nnc_row_window *w);
/* A list attribute of n positive integers, or all `dflt`. */
nnc_status nnc_row_window_list(nnc_onnx_cx *cx, const char *name, int n, int64_t dflt,
                               int64_t lowest, int64_t *out);
/* rows_nn_conv.c: a convolution by the node's attributes; + input i (if there) along axis 1. */
nnc_status nnc_row_convolve(nnc_onnx_cx *cx, nnc_value x, nnc_value w, nnc_dtype out, nnc_value *y);
nnc_status nnc_row_channel_bias(nnc_onnx_cx *cx, uint32_t i, nnc_value *y);
/* rows_nn_quant.c: input i (8 bits) as i16 less the zero point in input z, which is a scalar or stands along `axis`
 * (-1: scalar only). */
nnc_status nnc_row_centred(nnc_onnx_cx *cx, uint32_t i, uint32_t z, int axis, const char *what,
                           nnc_value *out);
#endif
