/* frontend/onnx/rows_ml.h - what the rows of ai.onnx.ml share. */
#ifndef NNC_FRONTEND_ONNX_ROWS_ML_H
#define NNC_FRONTEND_ONNX_ROWS_ML_H
#include "frontend/onnx/rows_short.h"

/* Input 0 as [N, F] with a fixed F, floating point (f32 unless it is f64); a vector is one row. */
nnc_status nnc_row_ml_features(nnc_onnx_cx *cx, nnc_value *x, int64_t *f);
/* A list attribute as a constant vector of dtype dt; none when absent. */
nnc_value nnc_row_ml_floats(nnc_onnx_cx *cx, const char *name, nnc_dtype dt, uint32_t *n);
/* n numbers as a constant of floating dtype dt. */
nnc_value nnc_row_ml_const(nnc_onnx_cx *cx, nnc_dtype dt, int rank, const nnc_dim *dim,
                           const double *v);

typedef enum {
    NNC_POST_none,
    NNC_POST_softmax,
    NNC_POST_logistic,
    NNC_POST_softmax_zero,
    NNC_POST_probit
} nnc_row_post;
nnc_status nnc_row_ml_post(nnc_onnx_cx *cx,
                           nnc_row_post *post); /* attribute post_transform, by name */
nnc_value nnc_row_ml_transform(nnc_onnx_cx *cx, nnc_row_post post, nnc_value y); /* y [N, K] */

/* The number of labels in the two lists; strings are refused when output 0 is used. */
nnc_status nnc_row_ml_labels(nnc_onnx_cx *cx, const char *ints, const char *strings, uint32_t *n);
/* Output 0: labels at the positions i64[N]. */
void nnc_row_ml_set_label(nnc_onnx_cx *cx, const char *ints, nnc_value at);
#endif
