/* IDX: two zero bytes, the type, the rank, the sizes (big-endian, four bytes each), then the elements, big-endian too. */
#include "frontend/nn/data/data.h"
#include <string.h>

static nnc_dtype dtype_of(unsigned code)
{
    switch (code) {
    case 0x08: return NNC_DT_u8;
    case 0x09: return NNC_DT_i8;
    case 0x0b: return NNC_DT_i16;
    case 0x0c: return NNC_DT_i32;
    case 0x0d: return NNC_DT_f32;
    case 0x0e: return NNC_DT_f64;
    default: return NNC_DT_none;
    }
}

nnc_status nn_idx_parse(const nn_reader *r, const nn_bytes *b, nn_data *out)
{
    if (b->n < 4 || b->at[0] || b->at[1])
        return nn_bytes_fail(r, b, "not an idx file: it does not start with two zero bytes");
    nnc_dtype dt = dtype_of(b->at[2]);
    unsigned rank = b->at[3];
    if (!dt)
        return nn_bytes_fail(r, b, "byte 2: 0x%02x is no element type of idx (8, 9, b, c, d, e)",
                             b->at[2]);
    if (rank > NNC_MAX_RANK)
        return nn_bytes_fail(r, b, "byte 3: %u dimensions, %d are supported", rank, NNC_MAX_RANK);
    size_t head = 4 + 4 * (size_t)rank, size = nnc_dtype_bytes(dt), total = size;
    if (b->n < head)
        return nn_bytes_fail(r, b, "the file ends at byte %zu, inside its header", b->n);
    int64_t dim[NNC_MAX_RANK];
    for (unsigned i = 0; i < rank; i++) {
        const unsigned char *p = b->at + 4 + 4 * i;
        dim[i] =
            (int64_t)((uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
        if (__builtin_mul_overflow(total, (size_t)dim[i], &total))
            return nn_bytes_fail(r, b, "byte %u: the sizes in the header are too large", 4 + 4 * i);
    }
    if (b->n - head != total)
        return nn_bytes_fail(r, b, "%zu bytes of elements follow the header, its sizes ask for %zu",
                             b->n - head, total);
    *out =
        (nn_data){.kind = NN_DATA_tensor, .tensor = nnc_tensor_new(r->arena, dt, (int)rank, dim)};
    unsigned char *to = out->tensor.data;
    for (size_t i = 0; i < total; i += size)
        for (size_t k = 0; k < size; k++)
            to[i + k] = b->at[head + i + size - 1 - k];
    return NNC_OK;
}
