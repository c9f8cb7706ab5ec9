/* A TensorProto alone in a file, read with the machinery of the model loader. */
#include "frontend/onnx/vector.h"
#include "frontend/onnx/load.h"

static void free_tensor(void *p)
{
    onnx__tensor_proto__free_unpacked(p, NULL);
}

nnc_status nnc_onnx_vector_read(nnc_arena *a, nnc_diag *diag, const char *path, nnc_onnx_tensor *out)
{
    nnc_loc loc = nnc_loc_file(diag, path);
    nnc_onnx_loader ld = { .a = a, .diag = diag, .path = path, .file = loc, .names = nnc_intern_new(a), .within = "" };
    NNC_TRY(nnc_onnx_map(a, diag, loc, path, "test vector", &ld.base, &ld.len));
    Onnx__TensorProto *p = onnx__tensor_proto__unpack(NULL, ld.len, ld.base);
    if (!p)
        return nnc_error(diag, loc, "not a tensor in ONNX's format (a serialised TensorProto was expected)");
    nnc_arena_defer(a, free_tensor, p);
    return nnc_onnx_tensor_read(&ld, loc, "test vector", p, out);
}
