/* G ops that move elements without looking at them.
 *
 * Most of them are one picture: along each dimension of the result a table says which coordinate of the source is read
 * (-1: none, the fill value).  slice, flip, pad in all modes and dynamic windows only differ in how they fill the tables. */
#include "ir/interp_priv.h"
#include <string.h>

static inline void move(char *to, const char *from, size_t size)
{
    switch (size) {
    case 1: *to = *from; break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8); break;
    }
}

/* out[..] = in at strides of `out`'s dimensions; `in` points at the element for position 0. */
static void copy_strided(const nnc_tensor *out, const char *in, const int64_t *stride)
{
    size_t size = nnc_dtype_bytes(out->dtype);
    int64_t total = nnc_tensor_count(out), n = out->rank ? out->dim[out->rank - 1] : 1;
    int64_t inner = out->rank ? stride[out->rank - 1] : 0;
    nnc_walk w = {.rank = out->rank ? out->rank - 1 : 0, .n = 1};

    memcpy(w.dim, out->dim, sizeof w.dim);
    memcpy(w.stride[0], stride, sizeof w.stride[0]);
    for (int64_t done = 0; done < total; done += n, nnc_walk_next(&w)) {
        const char *p = in + w.off[0] * (int64_t)size;
        if (inner == 1) {
            memcpy(nnc_cell(out, done), p, (size_t)n * size);
            continue;
        }
        for (int64_t i = 0; i < n; i++)
            move(nnc_cell(out, done + i), p + i * inner * (int64_t)size, size);
    }
}

/* out[i, j, ..] = in[map[0][i], map[1][j], ..], or *fill where a map says -1. */
static void copy_mapped(const nnc_tensor *out, const nnc_tensor *in, int64_t *const *map,
                        const char *fill)
{
    size_t size = nnc_dtype_bytes(out->dtype);
    int64_t stride[NNC_MAX_RANK], total = nnc_tensor_count(out),
                                  n = out->rank ? out->dim[out->rank - 1] : 1;
    int last = out->rank - 1;
    nnc_walk w = {.rank = out->rank ? last : 0};

    nnc_tensor_strides(in, stride);
    memcpy(w.dim, out->dim, sizeof w.dim);
    for (int64_t done = 0; done < total; done += n, nnc_walk_next(&w)) {
        int64_t base = 0;
        bool none = false;
        for (int d = 0; d < last; d++) {
            none |= map[d][w.pos[d]] < 0;
            base += map[d][w.pos[d]] * stride[d];
        }
        for (int64_t i = 0; i < n; i++) {
            int64_t k = last < 0 ? 0 : map[last][i];
            move(nnc_cell(out, done + i), none || k < 0 ? fill : nnc_cell(in, base + k), size);
        }
    }
}

static void new_maps(nnc_interp *x, const nnc_tensor *out, int64_t **map)
{
    for (int d = 0; d < out->rank; d++)
        map[d] = nnc_arena_array(x->a, (size_t)out->dim[d], sizeof(int64_t));
}

INTERP(reshape)
{
    nnc_type_rec ty = *nnc_value_ty(x->m, nnc_op_out(x->m, op, 0));

    *out = *in;
    out->rank = ty.rank;
    for (int d = 0; d < ty.rank; d++)
        NNC_TRY(nnc_interp_dim(x, ty.dim[d], nnc_op_loc(x->m, op), &out->dim[d]));
    if (nnc_tensor_count(out) != nnc_tensor_count(in))
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "reshape of %lld elements into %lld",
                         (long long)nnc_tensor_count(in), (long long)nnc_tensor_count(out));
    return NNC_OK;
}

INTERP(transpose)
{
    int64_t own[NNC_MAX_RANK], stride[NNC_MAX_RANK];
    unsigned n;
    const int64_t *perm = nnc_attr_ints(x->m, op, NNC_W_perm, &n);

    nnc_tensor_strides(in, own);
    for (int d = 0; d < out->rank; d++)
        stride[d] = own[perm[d]];
    copy_strided(out, in->data, stride);
    return NNC_OK;
}

INTERP(broadcast)
{
    int64_t own[NNC_MAX_RANK], stride[NNC_MAX_RANK];
    int shift = out->rank - in->rank;

    nnc_tensor_strides(in, own);
    for (int d = 0; d < out->rank; d++) {
        int64_t size = d < shift ? 1 : in->dim[d - shift];
        if (size != 1 && size != out->dim[d])
            return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                             "broadcast of size %lld to %lld (dimension %d)", (long long)size,
                             (long long)out->dim[d], d);
        stride[d] = size == 1 ? 0 : own[d - shift];
    }
    copy_strided(out, in->data, stride);
    return NNC_OK;
}

INTERP(slice)
{
    nnc_loc loc = nnc_op_loc(x->m, op);
    int64_t *map[NNC_MAX_RANK], start[NNC_MAX_RANK], step[NNC_MAX_RANK];
    unsigned n, k;
    const int64_t *p = nnc_attr_ints(x->m, op, NNC_W_start, &n), *q;

    memcpy(start, p, n * sizeof *p);
    q = nnc_attr_ints(x->m, op, NNC_W_step, &k);
    memcpy(step, q, k * sizeof *q);
    new_maps(x, out, map);
    for (int d = 0; d < out->rank; d++) {
        NNC_TRY(nnc_interp_dim(x, start[d], loc, &start[d]));
        for (int64_t i = 0; i < out->dim[d]; i++) {
            map[d][i] = start[d] + i * step[d];
            if (map[d][i] < 0 || map[d][i] >= in->dim[d])
                return nnc_error(x->m->diag, loc,
                                 "slice reads element %lld of %lld in dimension %d",
                                 (long long)map[d][i], (long long)in->dim[d], d);
        }
    }
    copy_mapped(out, in, map, NULL);
    return NNC_OK;
}

/* The source coordinate for padded coordinate i (already without lo); -1: the fill value. */
static int64_t pad_source(int64_t i, int64_t n, nnc_word mode)
{
    int64_t period;

    if (i >= 0 && i < n)
        return i;
    switch (mode) {
    case NNC_W_edge: return nnc_clamp64(i, 0, n - 1);
    case NNC_W_wrap: return ((i % n) + n) % n;
    case NNC_W_reflect:
        if (n == 1)
            return 0;
        period = 2 * (n - 1);
        i = ((i % period) + period) % period;
        return i < n ? i : period - i;
    default: return -1;
    }
}

INTERP(pad)
{
    nnc_loc loc = nnc_op_loc(x->m, op);
    nnc_word mode = nnc_attr_word(x->m, op, NNC_W_mode, NNC_W_constant);
    int64_t *map[NNC_MAX_RANK], lo[NNC_MAX_RANK];
    unsigned n;
    const int64_t *p = nnc_attr_ints(x->m, op, NNC_W_lo, &n);

    memcpy(lo, p, n * sizeof *p);
    new_maps(x, out, map);
    for (int d = 0; d < out->rank; d++) {
        NNC_TRY(nnc_interp_dim(x, lo[d], loc, &lo[d]));
        if (in->dim[d] == 0 && out->dim[d] && mode != NNC_W_constant)
            return nnc_error(x->m->diag, loc, "pad of an empty dimension needs mode constant");
        for (int64_t i = 0; i < out->dim[d]; i++)
            map[d][i] = pad_source(i - lo[d], in->dim[d], mode);
    }
    copy_mapped(out, &in[0], map, in[1].data);
    return NNC_OK;
}

INTERP(concat)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    size_t inner = nnc_dtype_bytes(out->dtype);
    int64_t outer = 1, sum = 0;
    char *to = out->data;

    for (int d = 0; d < axis; d++)
        outer *= out->dim[d];
    for (int d = axis + 1; d < out->rank; d++)
        inner *= (size_t)out->dim[d];
    for (unsigned k = 0; k < nnc_op_nin(x->m, op); k++) {
        sum += in[k].dim[axis];
        for (int d = 0; d < out->rank; d++)
            if (d != axis && in[k].dim[d] != out->dim[d])
                return nnc_error(
                    x->m->diag, nnc_op_loc(x->m, op),
                    "concat operand %u has size %lld in dimension %d, the result has %lld", k,
                    (long long)in[k].dim[d], d, (long long)out->dim[d]);
    }
    if (sum != out->dim[axis])
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "concat gives %lld elements along its axis, its type says %lld",
                         (long long)sum, (long long)out->dim[axis]);
    for (int64_t o = 0; o < outer; o++)
        for (unsigned k = 0; k < nnc_op_nin(x->m, op); k++) {
            size_t n = (size_t)in[k].dim[axis] * inner;
            memcpy(to, (const char *)in[k].data + (size_t)o * n, n);
            to += n;
        }
    return NNC_OK;
}

INTERP(iota)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_walk w = {.rank = out->rank};
    int64_t n = nnc_tensor_count(out);

    (void)in;
    memcpy(w.dim, out->dim, sizeof w.dim);
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&w)) {
        nnc_num v = {0, out->rank ? w.pos[axis] : 0};
        nnc_num_store(out->dtype, nnc_cell(out, i),
                      nnc_eval_cast(v, NNC_DT_i64, out->dtype, true, NNC_W_up));
    }
    return NNC_OK;
}

/* Window starts of dynamic_(update_)slice, clamped so that `size` fits into `whole`. */
static void clamp_starts(const nnc_tensor *start, const nnc_tensor *whole, const nnc_tensor *part,
                         int64_t *at)
{
    for (int d = 0; d < whole->rank; d++)
        at[d] = nnc_clamp64(nnc_tensor_int(start, d), 0, whole->dim[d] - part->dim[d]);
}

INTERP(dynamic_slice)
{
    int64_t *map[NNC_MAX_RANK], at[NNC_MAX_RANK];

    for (int d = 0; d < out->rank; d++)
        if (out->dim[d] > in[0].dim[d])
            return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                             "dynamic_slice of %lld elements from %lld (dimension %d)",
                             (long long)out->dim[d], (long long)in[0].dim[d], d);
    clamp_starts(&in[1], &in[0], out, at);
    new_maps(x, out, map);
    for (int d = 0; d < out->rank; d++)
        for (int64_t i = 0; i < out->dim[d]; i++)
            map[d][i] = at[d] + i;
    copy_mapped(out, &in[0], map, NULL);
    return NNC_OK;
}

INTERP(dynamic_update_slice)
{
    int64_t at[NNC_MAX_RANK], own[NNC_MAX_RANK], n = nnc_tensor_count(&in[1]);
    nnc_walk w = {.rank = out->rank, .n = 1};

    for (int d = 0; d < out->rank; d++)
        if (in[1].dim[d] > in[0].dim[d])
            return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                             "dynamic_update_slice of %lld elements in %lld (dimension %d)",
                             (long long)in[1].dim[d], (long long)in[0].dim[d], d);
    clamp_starts(&in[2], &in[0], &in[1], at);
    memcpy(out->data, in[0].data, nnc_tensor_bytes(out));
    nnc_tensor_strides(out, own);
    memcpy(w.dim, in[1].dim, sizeof w.dim);
    memcpy(w.stride[0], own, sizeof own);
    for (int d = 0; d < out->rank; d++)
        w.off[0] += at[d] * own[d];
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&w))
        move(nnc_cell(out, w.off[0]), nnc_cell(&in[1], i), nnc_dtype_bytes(out->dtype));
    return NNC_OK;
}

/* The first `count` elements along an axis; the binding of the result defines the symbol. */
INTERP(prefix)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    int64_t count = nnc_tensor_int(&in[1], 0), stride[NNC_MAX_RANK];
    nnc_type_rec ty = *nnc_value_ty(x->m, nnc_op_out(x->m, op, 0));
    nnc_sym name;

    if (count < 0 || count > in[0].dim[axis])
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "prefix of %lld elements out of %lld",
                         (long long)count, (long long)in[0].dim[axis]);
    if (nnc_dim_is_symbol(x->m->dims, ty.dim[axis],
                          &name)) { /* forget the value of an earlier trip of a loop */
        uint32_t n;
        const nnc_dim_term *t = nnc_dim_terms(x->m->dims, ty.dim[axis], &n);
        x->sym[nnc_dim_atom_get(x->m->dims, t[0].atom[0]).a] = -1;
    }
    *out = in[0];
    out->dim[axis] = count;
    nnc_tensor_strides(&in[0], stride);
    *out = nnc_tensor_new(x->a, out->dtype, out->rank, out->dim);
    copy_strided(out, in[0].data, stride);
    return NNC_OK;
}

INTERP(extent)
{
    int64_t v;

    (void)in;
    NNC_TRY(nnc_interp_dim(x, nnc_attr_int(x->m, op, NNC_W_dim, 0), nnc_op_loc(x->m, op), &v));
    nnc_num_store(out->dtype, out->data, (nnc_num){(double)v, v});
    return NNC_OK;
}
