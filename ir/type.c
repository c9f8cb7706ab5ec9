/* Types are records in an array, found again through a hash of the canonical record (unused dims zero). */
#include "ir/hashset.h"
#include "ir/module.h"
#include <string.h>

void nnc_type_dense_strides(const nnc_dims *dims, int rank, const nnc_dim *dim, int64_t *stride)
{
    int64_t s = 1;
    for (int i = rank - 1; i >= 0; i--) {
        stride[i] = s;
        int64_t hi = nnc_dim_hi(dims, dim[i]);
        if (__builtin_mul_overflow(s, hi > 0 ? hi : 1, &s))
            s = INT64_MAX;
    }
}

static bool same_type(const void *user, uint32_t id, const void *key)
{
    const nnc_module *m = user;
    return !memcmp(&m->type.at[id], key, sizeof(nnc_type_rec));
}

/* Types are asked for at every op, so whole words go in at once, and only what the rank says is there. */
static uint64_t hash_type(const nnc_type_rec *t)
{
    uint64_t h = (uint64_t)t->kind | (uint64_t)t->dtype << 8 | (uint64_t)t->space << 16 |
                 (uint64_t)t->rank << 24 | (uint64_t)t->lanes << 32;

    for (int d = 0; d < t->rank; d++) {
        h = (h ^ h >> 29 ^ (uint64_t)t->dim[d]) * 0x9e3779b97f4a7c15u;
        h = (h ^ h >> 32 ^ (uint64_t)t->stride[d]) * 0xff51afd7ed558ccdu;
    }
    h = (h ^ h >> 32) * 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

nnc_type nnc_type_put(nnc_module *m, const nnc_type_rec *r)
{
    nnc_type_rec t;
    memset(&t, 0, sizeof t); /* padding and unused dims take part in the hash */
    t.kind = r->kind;
    t.dtype = r->dtype;
    t.space = r->space;
    t.rank = r->rank;
    t.lanes = r->lanes;
    for (int i = 0; i < r->rank; i++) {
        t.dim[i] = r->dim[i];
        t.stride[i] = r->kind == NNC_TYPE_buffer ? r->stride[i] : 0;
    }
    uint64_t h = hash_type(&t);
    uint32_t id = nnc_hashset_find(m->types, h, same_type, m, &t);
    if (!id) {
        NNC_PUSH(m->arena, &m->type, t);
        id = m->type.n - 1;
        nnc_hashset_add(m->types, h, id);
    }
    return (nnc_type){id};
}

nnc_type nnc_type_tensor(nnc_module *m, nnc_dtype dt, int rank, const nnc_dim *dim)
{
    nnc_type_rec r = {
        .kind = NNC_TYPE_tensor, .dtype = (uint8_t)dt, .rank = (uint8_t)rank, .lanes = 1};
    if (rank)
        memcpy(r.dim, dim, (size_t)rank * sizeof *dim);
    return nnc_type_put(m, &r);
}

nnc_type nnc_type_scalar(nnc_module *m, nnc_dtype dt, int lanes)
{
    nnc_type_rec r = {.kind = NNC_TYPE_scalar, .dtype = (uint8_t)dt, .lanes = (uint16_t)lanes};
    return nnc_type_put(m, &r);
}

nnc_type nnc_type_buffer(nnc_module *m, nnc_dtype dt, int lanes, int rank, const nnc_dim *dim,
                         const int64_t *stride, nnc_space space)
{
    nnc_type_rec r = {.kind = NNC_TYPE_buffer,
                      .dtype = (uint8_t)dt,
                      .space = (uint8_t)space,
                      .rank = (uint8_t)rank,
                      .lanes = (uint16_t)lanes};
    if (rank)
        memcpy(r.dim, dim, (size_t)rank * sizeof *dim);
    if (stride && rank)
        memcpy(r.stride, stride, (size_t)rank * sizeof *stride);
    else
        nnc_type_dense_strides(m->dims, rank, dim, r.stride);
    return nnc_type_put(m, &r);
}

int64_t nnc_type_count(const nnc_module *m, nnc_type t)
{
    const nnc_type_rec *r = nnc_type_get(m, t);
    int64_t n = 1;
    bool zero = false, over = false;
    for (int i = 0; i < r->rank; i++) {
        int64_t hi = nnc_dim_hi(m->dims, r->dim[i]);
        zero |= hi == 0;
        over |= __builtin_mul_overflow(n, hi, &n);
    }
    return zero ? 0 : over ? INT64_MAX : n;
}

nnc_dim nnc_type_size(nnc_module *m, nnc_type t)
{
    const nnc_type_rec r = *nnc_type_get(m, t);
    nnc_dim n = 1;
    for (int i = 0; i < r.rank; i++)
        n = nnc_dim_mul(m->dims, n, r.dim[i]);
    return n;
}

bool nnc_type_is_static(const nnc_module *m, nnc_type t)
{
    const nnc_type_rec *r = nnc_type_get(m, t);
    for (int i = 0; i < r->rank; i++)
        if (!nnc_dim_is_const(r->dim[i]))
            return false;
    return true;
}

int64_t nnc_type_bytes(const nnc_module *m, nnc_type t)
{
    const nnc_type_rec *r = nnc_type_get(m, t);
    int64_t n = nnc_type_count(m, t), cell = (int64_t)nnc_dtype_bytes(r->dtype) * r->lanes;
    if (n == 0)
        return 0;
    if (r->kind == NNC_TYPE_buffer) { /* strided: one past the last cell */
        n = 1;
        for (int i = 0; i < r->rank; i++) {
            int64_t span;
            if (__builtin_mul_overflow(nnc_dim_hi(m->dims, r->dim[i]) - 1, r->stride[i], &span) ||
                __builtin_add_overflow(n, span, &n))
                return INT64_MAX;
        }
    }
    return __builtin_mul_overflow(n, cell, &n) ? INT64_MAX : n;
}
