/* Tensors from and to files. */
#include <string.h>
#include "frontend/cli/cli.h"
#include "runtime/npy.h"

static nnc_dtype dtype_of(const npy *a)
{
    switch (a->kind) {
    case 'f':
        return a->bytes == 8   ? NNC_DT_f64
               : a->bytes == 4 ? NNC_DT_f32
               : a->bytes == 2 ? NNC_DT_f16
                               : NNC_DT_none;
    case 'i':
        return a->bytes == 8   ? NNC_DT_i64
               : a->bytes == 4 ? NNC_DT_i32
               : a->bytes == 2 ? NNC_DT_i16
                               : NNC_DT_i8;
    case 'u':
        return a->bytes == 8   ? NNC_DT_u64
               : a->bytes == 4 ? NNC_DT_u32
               : a->bytes == 2 ? NNC_DT_u16
                               : NNC_DT_u8;
    case 'b': return NNC_DT_bool;
    default:
        return a->bytes == 2 ? NNC_DT_bf16 : NNC_DT_f8e4m3fn; /* raw cells: the model says which */
    }
}

nnc_status cli_read_npy(cli *c, const char *path, nnc_tensor *out)
{
    npy a;
    const char *error;
    if (npy_read(path, &a, &error))
        return nnc_error(c->diag, nnc_loc_file(c->diag, path), "%s", error);
    int64_t dim[NNC_MAX_RANK];
    for (int i = 0; i < a.rank; i++)
        dim[i] = (int64_t)a.dim[i];
    *out = nnc_tensor_new(c->arena, dtype_of(&a), a.rank, dim);
    memcpy(out->data, a.data, nnc_tensor_bytes(out));
    npy_free(&a);
    return NNC_OK;
}

nnc_status cli_write_npy(cli *c, const char *path, const nnc_tensor *t)
{
    npy a = {.rank = t->rank, .data = t->data};
    const char *error;
    npy_dtype(nnc_dtype_infos[t->dtype].numpy, &a.kind, &a.bytes);
    for (int i = 0; i < t->rank; i++)
        a.dim[i] = (size_t)t->dim[i];
    if (npy_write(path, &a, &error))
        return nnc_error(c->diag, nnc_loc_file(c->diag, path), "%s", error);
    return NNC_OK;
}
