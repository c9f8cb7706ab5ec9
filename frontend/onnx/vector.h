/* frontend/onnx/vector.h - test vectors: a file that holds one TensorProto (input_0.pb, output_0.pb). */
#ifndef NNC_FRONTEND_ONNX_VECTOR_H
#define NNC_FRONTEND_ONNX_VECTOR_H
#include "frontend/onnx/model.h"

/* Everything wrong with the file is reported; the tensor lives in `a`. */
nnc_status nnc_onnx_vector_read(nnc_arena *a, nnc_diag *diag, const char *path,
                                nnc_onnx_tensor *out);
#endif
