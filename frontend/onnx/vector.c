/* A TensorProto alone in a file, read with the machinery of the model loader. */
#include "frontend/onnx/vector.h"
#include "frontend/onnx/load.h"

nnc_status nnc_onnx_vector_read(nnc_arena *a, nnc_diag *diag, const char *path,
                                nnc_onnx_tensor *out)
{
    nnc_loc loc = nnc_loc_file(diag, path);
    nnc_onnx_loader ld = {.a = a, .diag = diag, .path = path, .file = loc};
    NNC_TRY(nnc_onnx_map(a, diag, loc, path, "test vector", &ld.base, &ld.len));
    const Onnx__TensorProto *p = nnc_onnx_unpack_tensor(&ld);
    if (!p)
        return NNC_ERR;
    return nnc_onnx_tensor_read(&ld, loc, "test vector", p, out);
}
