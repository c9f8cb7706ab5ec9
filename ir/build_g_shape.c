/* G constructors of views and data movement, with the simplifications that need no pattern matching. */
#include "ir/build_fn.h"
#include <assert.h>
#include <string.h>

static bool same_dims(const nnc_type_rec *r, int rank, const nnc_dim *dim)
{
    for (int i = 0; i < rank && r->rank == rank; i++)
        if (r->dim[i] != dim[i])
            return false;
    return r->rank == rank;
}

static nnc_value view(nnc_builder *b, nnc_opcode code, nnc_value x, int rank, const nnc_dim *dim)
{
    return nnc_build_plain(b, code, 1, &x, nnc_type_tensor(b->m, nnc_build_dtype(b, x), rank, dim));
}

nnc_value nnc_g_reshape(nnc_builder *b, nnc_value x, int rank, const nnc_dim *dim)
{
    nnc_dim copy[NNC_MAX_RANK]; /* dim may point into the table of types */
    assert(rank <= NNC_MAX_RANK);
    for (int i = 0; i < rank; i++)
        copy[i] = dim[i];
    if (same_dims(nnc_value_ty(b->m, x), rank, copy))
        return x;
    nnc_op op = nnc_value_op(b->m, x);
    if (op.id && nnc_op_code(b->m, op) == NNC_OP_reshape)
        return nnc_g_reshape(b, nnc_op_in(b->m, op, 0), rank, copy);
    return view(b, NNC_OP_reshape, x, rank, copy);
}

nnc_value nnc_g_broadcast(nnc_builder *b, nnc_value x, int rank, const nnc_dim *dim)
{
    nnc_dim copy[NNC_MAX_RANK];
    assert(rank <= NNC_MAX_RANK);
    for (int i = 0; i < rank; i++)
        copy[i] = dim[i];
    if (same_dims(nnc_value_ty(b->m, x), rank, copy))
        return x;
    nnc_op op = nnc_value_op(b->m, x);
    if (op.id && nnc_op_code(b->m, op) == NNC_OP_broadcast)
        return nnc_g_broadcast(b, nnc_op_in(b->m, op, 0), rank, copy);
    return view(b, NNC_OP_broadcast, x, rank, copy);
}

nnc_value nnc_g_transpose(nnc_builder *b, nnc_value x, const int64_t *perm)
{
    int rank = nnc_build_rank(b, x), i = 0;
    while (i < rank && perm[i] == i)
        i++;
    if (i == rank)
        return x;
    nnc_op op = nnc_build_start(b, NNC_OP_transpose, 1, &x, 1, nnc_value_type(b->m, x));
    nnc_attr_set_ints(b->m, op, NNC_W_perm, (unsigned)rank, perm);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_slice(nnc_builder *b, nnc_value x, const nnc_dim *start, const int64_t *step,
                      const nnc_dim *size)
{
    const nnc_type_rec r = *nnc_value_ty(b->m, x);
    bool all = true;
    for (int i = 0; i < r.rank; i++)
        all &= start[i] == 0 && step[i] == 1 && size[i] == r.dim[i];
    if (all)
        return x;
    nnc_op op = nnc_build_start(b, NNC_OP_slice, 1, &x, 1,
                                nnc_type_tensor(b->m, (nnc_dtype)r.dtype, r.rank, size));
    nnc_attr_set_ints(b->m, op, NNC_W_start, r.rank, start);
    nnc_attr_set_ints(b->m, op, NNC_W_step, r.rank, step);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_slice_axis(nnc_builder *b, nnc_value x, int axis, nnc_dim start, int64_t step,
                           nnc_dim size)
{
    nnc_type_rec r = *nnc_value_ty(b->m, x);
    nnc_dim starts[NNC_MAX_RANK] = {0};
    int64_t steps[NNC_MAX_RANK];
    for (int i = 0; i < r.rank; i++)
        steps[i] = 1;
    starts[axis] = start;
    steps[axis] = step;
    r.dim[axis] = size;
    return nnc_g_slice(b, x, starts, steps, r.dim);
}

nnc_value nnc_g_flip(nnc_builder *b, nnc_value x, int axis)
{
    nnc_dim n = nnc_value_ty(b->m, x)->dim[axis];
    if (n == 0 || n == 1)
        return x;
    return nnc_g_slice_axis(b, x, axis, nnc_dim_sub(b->m->dims, n, 1), -1, n);
}

/* Cut what negative lo and hi ask for; they become 0. */
static nnc_value crop(nnc_builder *b, nnc_value x, nnc_dim *lo, nnc_dim *hi)
{
    const nnc_type_rec r = *nnc_value_ty(b->m, x);
    nnc_dims *t = b->m->dims;
    nnc_dim start[NNC_MAX_RANK], size[NNC_MAX_RANK];
    int64_t step[NNC_MAX_RANK];
    for (int i = 0; i < r.rank; i++) {
        start[i] = 0;
        step[i] = 1;
        size[i] = r.dim[i];
        if (nnc_dim_hi(t, lo[i]) < 0) {
            start[i] = nnc_dim_sub(t, 0, lo[i]);
            size[i] = nnc_dim_add(t, size[i], lo[i]);
            lo[i] = 0;
        }
        if (nnc_dim_hi(t, hi[i]) < 0) {
            size[i] = nnc_dim_add(t, size[i], hi[i]);
            hi[i] = 0;
        }
        if (nnc_dim_lo(t, size[i]) < 0)
            size[i] = nnc_dim_max(t, size[i], 0);
    }
    return nnc_g_slice(b, x, start, step, size);
}

nnc_value nnc_g_pad(nnc_builder *b, nnc_value x, nnc_value value, const nnc_dim *lo,
                    const nnc_dim *hi, nnc_word mode)
{
    int rank = nnc_build_rank(b, x);
    nnc_dim low[NNC_MAX_RANK], high[NNC_MAX_RANK];
    memcpy(low, lo, (size_t)rank * sizeof *lo);
    memcpy(high, hi, (size_t)rank * sizeof *hi);
    x = crop(b, x, low, high);
    bool none = true;
    for (int i = 0; i < rank; i++)
        none &= low[i] == 0 && high[i] == 0;
    if (none)
        return x;
    nnc_value in[2] = {x, value};
    nnc_op op = nnc_build_start(b, NNC_OP_pad, 2, in, 1, nnc_value_type(b->m, x));
    nnc_attr_set_ints(b->m, op, NNC_W_lo, (unsigned)rank, low);
    nnc_attr_set_ints(b->m, op, NNC_W_hi, (unsigned)rank, high);
    nnc_attr_set_word(b->m, op, NNC_W_mode, mode);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_concat(nnc_builder *b, unsigned n, const nnc_value *x, int axis)
{
    if (n == 1)
        return x[0];
    nnc_op op = nnc_build_start(b, NNC_OP_concat, n, x, 1, nnc_value_type(b->m, x[0]));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_iota(nnc_builder *b, nnc_dtype dt, int rank, const nnc_dim *dim, int axis)
{
    nnc_op op = nnc_build_start(b, NNC_OP_iota, 0, NULL, 1, nnc_type_tensor(b->m, dt, rank, dim));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    return nnc_build_finish(b, op);
}

/* Indices are i64 or i32; anything else is widened. */
static nnc_value as_index(nnc_builder *b, nnc_value i)
{
    return nnc_build_dtype(b, i) == NNC_DT_i32 ? i : nnc_g_cast(b, i, NNC_DT_i64);
}

nnc_value nnc_g_gather(nnc_builder *b, nnc_value x, nnc_value i, int axis, int batch_dims)
{
    nnc_value in[2] = {x, as_index(b, i)};
    nnc_op op = nnc_build_start(b, NNC_OP_gather, 2, in, 1, nnc_value_type(b->m, x));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_int(b->m, op, NNC_W_batch_dims, batch_dims);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_gather_elements(nnc_builder *b, nnc_value x, nnc_value i, int axis)
{
    nnc_value in[2] = {x, as_index(b, i)};
    nnc_op op = nnc_build_start(b, NNC_OP_gather_elements, 2, in, 1, nnc_value_type(b->m, x));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_gather_nd(nnc_builder *b, nnc_value x, nnc_value i, int batch_dims)
{
    nnc_value in[2] = {x, as_index(b, i)};
    nnc_op op = nnc_build_start(b, NNC_OP_gather_nd, 2, in, 1, nnc_value_type(b->m, x));
    nnc_attr_set_int(b->m, op, NNC_W_batch_dims, batch_dims);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_scatter_elements(nnc_builder *b, nnc_value x, nnc_value i, nnc_value u, int axis,
                                 nnc_word reduction)
{
    nnc_value in[3] = {x, as_index(b, i), u};
    nnc_op op = nnc_build_start(b, NNC_OP_scatter_elements, 3, in, 1, nnc_value_type(b->m, x));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    nnc_attr_set_word(b->m, op, NNC_W_reduction, reduction);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_scatter_nd(nnc_builder *b, nnc_value x, nnc_value i, nnc_value u,
                           nnc_word reduction)
{
    nnc_value in[3] = {x, as_index(b, i), u};
    nnc_op op = nnc_build_start(b, NNC_OP_scatter_nd, 3, in, 1, nnc_value_type(b->m, x));
    nnc_attr_set_word(b->m, op, NNC_W_reduction, reduction);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_dynamic_slice(nnc_builder *b, nnc_value x, nnc_value start, const nnc_dim *size)
{
    nnc_value in[2] = {x, nnc_g_cast(b, start, NNC_DT_i64)};
    nnc_type t = nnc_type_tensor(b->m, nnc_build_dtype(b, x), nnc_build_rank(b, x), size);
    return nnc_build_plain(b, NNC_OP_dynamic_slice, 2, in, t);
}

nnc_value nnc_g_dynamic_update_slice(nnc_builder *b, nnc_value x, nnc_value u, nnc_value start)
{
    nnc_value in[3] = {x, u, nnc_g_cast(b, start, NNC_DT_i64)};
    return nnc_build_plain(b, NNC_OP_dynamic_update_slice, 3, in, nnc_value_type(b->m, x));
}

nnc_value nnc_g_prefix(nnc_builder *b, nnc_value x, nnc_value count, int axis, nnc_dim dim)
{
    nnc_type_rec r = *nnc_value_ty(b->m, x);
    nnc_value in[2] = {x, nnc_g_cast(b, count, NNC_DT_i64)};
    r.dim[axis] = dim;
    nnc_op op = nnc_build_start(b, NNC_OP_prefix, 2, in, 1,
                                nnc_type_tensor(b->m, (nnc_dtype)r.dtype, r.rank, r.dim));
    nnc_attr_set_int(b->m, op, NNC_W_axis, axis);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_extent(nnc_builder *b, nnc_dim dim)
{
    int64_t v;
    if (nnc_dim_value(b->m->dims, dim, &v))
        return nnc_g_int(b, NNC_DT_i64, v);
    nnc_op op = nnc_build_start(b, NNC_OP_extent, 0, NULL, 1, nnc_build_guess(b, NNC_DT_i64));
    nnc_attr_set_int(b->m, op, NNC_W_dim, dim);
    return nnc_build_finish(b, op);
}
