/* One walk over the packed indices; the logical coordinates and the source offset follow incrementally. */
#include "ir/pack.h"
#include <string.h>

enum { MAX_DIMS = NNC_MAX_RANK + 1 };
typedef struct pack {
    int rank, naxis; /* packed dimensions (the element within a cell included), logical axes */
    int64_t dim[MAX_DIMS], axis[MAX_DIMS], mult[MAX_DIMS];
    int64_t extent[MAX_DIMS], stride[MAX_DIMS], offset;
    size_t elem; /* bytes of one source element */
} pack;

size_t nnc_const_bytes(const nnc_module *m, nnc_op op)
{
    return (size_t)nnc_type_bytes(m, nnc_value_type(m, nnc_op_out(m, op, 0)));
}

bool nnc_const_is_packed(const nnc_module *m, nnc_op op)
{
    return nnc_attr_find(m, op, NNC_W_src_axis) != NULL;
}

static nnc_status wrong(nnc_module *m, nnc_op op, const char *what)
{
    return nnc_error(m->diag, nnc_op_loc(m, op), "packed constant: %s", what);
}

/* Elements that one cell of the type holds beside its index. */
static int64_t cell_elements(const nnc_type_rec *ty)
{
    return ty->lanes * (ty->dtype == NNC_DT_u8q || ty->dtype == NNC_DT_i8q ? 4 : 1);
}

static nnc_status read_ints(nnc_module *m, nnc_op op, nnc_word key, int64_t *to, int *n)
{
    unsigned k;
    const int64_t *v = nnc_attr_ints(m, op, key, &k);

    if ((!v && !nnc_attr_find(m, op, key)) || k > MAX_DIMS)
        return wrong(
            m, op,
            "src_axis, src_mult, src_extent and src_stride are lists of up to nine integers");
    if (k) /* a scalar has empty lists */
        memcpy(to, v, k * sizeof *v);
    *n = (int)k;
    return NNC_OK;
}

static nnc_status read_pack(nnc_module *m, nnc_op op, pack *p)
{
    nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    int64_t cell = cell_elements(&ty);
    int nmult, nstride;

    NNC_TRY(read_ints(m, op, NNC_W_src_axis, p->axis, &p->rank));
    NNC_TRY(read_ints(m, op, NNC_W_src_mult, p->mult, &nmult));
    NNC_TRY(read_ints(m, op, NNC_W_src_extent, p->extent, &p->naxis));
    NNC_TRY(read_ints(m, op, NNC_W_src_stride, p->stride, &nstride));
    if (p->rank != ty.rank + (cell > 1) || nmult != p->rank || nstride != p->naxis)
        return wrong(m, op,
                     "its lists do not have one entry per dimension (src_axis, src_mult) and per "
                     "axis (src_extent, src_stride)");
    for (int d = 0; d < ty.rank; d++) {
        if (!nnc_dim_is_const(ty.dim[d]))
            return wrong(m, op, "its dimensions must be constant");
        p->dim[d] = ty.dim[d];
    }
    if (cell > 1)
        p->dim[p->rank - 1] = cell;
    for (int d = 0; d < p->rank; d++)
        if (p->axis[d] < 0 || p->axis[d] >= p->naxis || p->mult[d] < 0)
            return wrong(
                m, op,
                "src_axis names an axis that src_extent does not have, or src_mult is negative");
    p->offset = nnc_attr_int(m, op, NNC_W_offset, 0);
    p->elem =
        ty.dtype == NNC_DT_u8q || ty.dtype == NNC_DT_i8q ? 1 : nnc_dtype_bytes((nnc_dtype)ty.dtype);
    return NNC_OK;
}

/* The blob must hold every element that lies inside the extents. */
static nnc_status check_reach(nnc_module *m, nnc_op op, const pack *p, int64_t bytes)
{
    int64_t lo = p->offset, hi = p->offset;

    for (int a = 0; a < p->naxis; a++) {
        int64_t top = 0, far;
        for (int d = 0; d < p->rank; d++)
            if (p->axis[d] == a)
                top += (p->dim[d] - 1) * p->mult[d];
        top = top < p->extent[a] - 1 ? top : p->extent[a] - 1;
        if (top < 0)
            return NNC_OK; /* nothing is read */
        far = top * p->stride[a];
        lo += far < 0 ? far : 0;
        hi += far > 0 ? far : 0;
    }
    if (lo < 0 || hi >= bytes / (int64_t)p->elem)
        return wrong(m, op, "it reads outside its blob");
    return NNC_OK;
}

static void copy_packed(const pack *p, const char *from, char *to)
{
    int64_t pos[MAX_DIMS] = {0}, total = 1;

    for (int d = 0; d < p->rank; d++)
        total *= p->dim[d];
    for (int64_t i = 0; i < total; i++, to += p->elem) {
        int64_t at[MAX_DIMS] = {0}, e = p->offset;
        bool inside = true;
        for (int d = 0; d < p->rank; d++)
            at[p->axis[d]] += p->mult[d] * pos[d];
        for (int a = 0; a < p->naxis; a++) {
            inside = inside && at[a] < p->extent[a];
            e += at[a] * p->stride[a];
        }
        if (inside)
            memcpy(to, from + e * (int64_t)p->elem, p->elem);
        else
            memset(to, 0, p->elem);
        for (int d = p->rank - 1; d >= 0 && ++pos[d] == p->dim[d]; d--)
            pos[d] = 0;
    }
}

nnc_status nnc_const_pack(nnc_module *m, nnc_op op, void *out)
{
    int64_t blob = nnc_attr_int(m, op, NNC_W_blob, 0), at = nnc_attr_int(m, op, NNC_W_at, 0), have;
    size_t bytes = nnc_const_bytes(m, op);
    pack p = {0};

    if (blob <= 0 || blob >= (int64_t)m->blob.n || at < 0 || (uint64_t)at > m->blob.at[blob].bytes)
        return nnc_error(m->diag, nnc_op_loc(m, op),
                         "constant outside its blob (blob %lld, byte %lld)", (long long)blob,
                         (long long)at);
    have = (int64_t)m->blob.at[blob].bytes - at;
    if (!nnc_const_is_packed(m, op)) {
        if ((int64_t)bytes > have)
            return nnc_error(m->diag, nnc_op_loc(m, op),
                             "constant of %zu bytes, its blob has %lld from there on", bytes,
                             (long long)have);
        if (bytes)
            memcpy(out, nnc_const_data(m, op), bytes);
        return NNC_OK;
    }
    NNC_TRY(read_pack(m, op, &p));
    for (int d = 0; d < p.rank; d++)
        if (p.dim[d] == 0)
            return NNC_OK;
    NNC_TRY(check_reach(m, op, &p, have));
    copy_packed(&p, nnc_const_data(m, op), out);
    return NNC_OK;
}
