/* ir/type.h - types, interned: equal types have equal ids.
 *
 * tensor  f32[n,64]          G: dtype and shape; dimensions may be expressions
 * buffer  f32[6,64:64,1]@arena   K: memory with strides (printed when not dense), in a space
 * scalar  f32, f32x16, idx   K: a scalar or a short vector of `lanes`
 *
 * Strides count elements of the dtype (times `lanes` for vector cells) and may make rows overlap. */
#ifndef NNC_IR_TYPE_H
#define NNC_IR_TYPE_H
#include "ir/dim.h"

enum { NNC_MAX_RANK = 8 };
typedef struct {
    uint32_t id;
} nnc_type;

typedef enum {
    NNC_DT_none,
#define DTYPE(name, bits, bytes, class, ctype, numpy, onnx) NNC_DT_##name,
#include "ir/dtypes.def"
    NNC_DT_COUNT
} nnc_dtype;
typedef enum { NNC_DC_FLOAT, NNC_DC_SINT, NNC_DC_UINT, NNC_DC_BOOL, NNC_DC_OTHER } nnc_dtype_class;
typedef struct nnc_dtype_info {
    const char *name;
    uint8_t bits, bytes, class;
    const char *ctype, *numpy;
    int onnx;
} nnc_dtype_info;
extern const nnc_dtype_info nnc_dtype_infos[NNC_DT_COUNT];
nnc_dtype nnc_dtype_by_name(const char *s, size_t len); /* 0: none has that name */
nnc_dtype nnc_dtype_by_onnx(int code);                  /* TensorProto.DataType */
static inline bool nnc_dtype_is_float(nnc_dtype d)
{
    return nnc_dtype_infos[d].class == NNC_DC_FLOAT;
}
static inline bool nnc_dtype_is_int(nnc_dtype d)
{
    return nnc_dtype_infos[d].class == NNC_DC_SINT || nnc_dtype_infos[d].class == NNC_DC_UINT;
}
static inline size_t nnc_dtype_bytes(nnc_dtype d)
{
    return nnc_dtype_infos[d].bytes;
}

typedef enum {
    NNC_SPACE_none,
    NNC_SPACE_arg,
    NNC_SPACE_weight,
    NNC_SPACE_arena,
    NNC_SPACE_stack,
    NNC_SPACE_reg,
    NNC_SPACE_shared,
    NNC_SPACE_tile,
    NNC_SPACE_stream,
    NNC_SPACE_COUNT
} nnc_space;
extern const char *const nnc_space_names[NNC_SPACE_COUNT];
typedef enum { NNC_TYPE_none, NNC_TYPE_tensor, NNC_TYPE_buffer, NNC_TYPE_scalar } nnc_type_kind;

typedef struct nnc_type_rec {
    uint8_t kind, dtype, space, rank;
    uint16_t lanes; /* 1 for tensors; a buffer's cells may be vectors */
    nnc_dim dim[NNC_MAX_RANK];
    int64_t stride[NNC_MAX_RANK]; /* buffers: elements; always constants (from upper bounds) */
} nnc_type_rec;

/* Row-major strides of `dim` from upper bounds. */
void nnc_type_dense_strides(const nnc_dims *dims, int rank, const nnc_dim *dim, int64_t *stride);
#endif
