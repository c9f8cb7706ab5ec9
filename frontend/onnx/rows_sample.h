/* frontend/onnx/rows_sample.h - reading images between their pixels. */
#ifndef NNC_FRONTEND_ONNX_ROWS_SAMPLE_H
#define NNC_FRONTEND_ONNX_ROWS_SAMPLE_H
#include "frontend/onnx/rows_short.h"

enum { NNC_MAX_SPATIAL = NNC_MAX_RANK - 2 };
typedef enum { NNC_SAMPLE_nearest, NNC_SAMPLE_linear, NNC_SAMPLE_cubic } nnc_sample_mode;
typedef enum { NNC_SAMPLE_zeros, NNC_SAMPLE_border, NNC_SAMPLE_reflection } nnc_sample_pad;

typedef struct nnc_sampler {
    int n; /* spatial dims */
    nnc_dim size[NNC_MAX_SPATIAL];
    nnc_value at[NNC_MAX_SPATIAL]; /* float [B, P]: where to read, in pixels, along each of them */
    nnc_sample_mode mode;
    nnc_sample_pad pad;
    bool align_corners; /* reflection about pixel centres, not edges */
} nnc_sampler;

/* x [B, C, S], S the product of the sizes: the values at P places, [B, C, P] in the dtype of x (at
 * least f32 unless the mode is nearest). */
nnc_value nnc_row_sample(nnc_onnx_cx *cx, nnc_value x, const nnc_sampler *s);
#endif
