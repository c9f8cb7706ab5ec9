/* The value of a G value at an index (Halide's inlining): an argument is a load, the root its accumulator, a finished
 * stage its buffer; everything else recurses into operands, views by rewriting the index only.
 *
 * Floats below f32 are computed in f32 and rounded by a cast to their dtype and back, once per G op; sub-byte integers
 * are computed in 32 bits and wrapped the same way.  Values asked for twice at the same index within one loop body are
 * made once (x->memo). */
#include "passes/lower/kernel.h"
#include <assert.h>
#include <math.h>
#include <string.h>

nnc_dtype nnc_compute_dtype(nnc_dtype dt)
{
    const nnc_dtype_info *i = &nnc_dtype_infos[dt];
    if (i->class == NNC_DC_FLOAT)
        return i->bits < 32 ? NNC_DT_f32 : dt;
    if (i->bits < 8 && i->class == NNC_DC_SINT)
        return NNC_DT_i32;
    if (i->bits < 8 && i->class == NNC_DC_UINT)
        return NNC_DT_u32;
    return dt;
}

/* ---- builders that a probe only counts ---- */

static bool heavy_op(nnc_opcode code)
{
    return (code >= NNC_OP_exp && code <= NNC_OP_log1p) ||
           (code >= NNC_OP_sin && code <= NNC_OP_sigmoid) || code == NNC_OP_pow ||
           code == NNC_OP_atan2 || code == NNC_OP_rem;
}

static void count(nnc_kx *x, nnc_opcode code)
{
    x->flops++;
    if (heavy_op(code))
        x->heavy++;
}

nnc_value nnc_kx_un(nnc_kx *x, nnc_opcode code, nnc_value a)
{
    count(x, code);
    return x->probe ? (nnc_value){0} : nnc_k_unary(&x->b, code, a);
}

nnc_value nnc_kx_bin(nnc_kx *x, nnc_opcode code, nnc_value a, nnc_value b)
{
    count(x, code);
    return x->probe ? (nnc_value){0} : nnc_k_binary(&x->b, code, a, b);
}

nnc_value nnc_kx_select(nnc_kx *x, nnc_value c, nnc_value a, nnc_value b)
{
    x->flops++;
    return x->probe ? (nnc_value){0} : nnc_k_select(&x->b, c, a, b);
}

nnc_value nnc_kx_cast(nnc_kx *x, nnc_value a, nnc_dtype dt)
{
    return x->probe ? (nnc_value){0} : nnc_k_cast(&x->b, a, dt);
}

nnc_value nnc_kx_number(nnc_kx *x, nnc_dtype dt, double v)
{
    if (x->probe)
        return (nnc_value){0};
    nnc_type t = nnc_type_scalar(x->m, dt, 1);
    return nnc_dtype_is_float(dt) ? nnc_const_float(x->m, t, v)
                                  : nnc_const_int(x->m, t, (int64_t)v);
}

nnc_value nnc_kx_limit(nnc_kx *x, nnc_dtype dt, bool lowest)
{
    if (x->probe)
        return (nnc_value){0};
    const nnc_dtype_info *i = &nnc_dtype_infos[dt];
    nnc_type t = nnc_type_scalar(x->m, nnc_compute_dtype(dt), 1);
    if (i->class == NNC_DC_FLOAT)
        return nnc_const_float(x->m, t, lowest ? -INFINITY : INFINITY);
    if (i->class == NNC_DC_SINT) {
        int64_t top = i->bits == 64 ? INT64_MAX : (INT64_C(1) << (i->bits - 1)) - 1;
        return nnc_const_int(x->m, t, lowest ? -top - 1 : top);
    }
    uint64_t top = i->bits == 64 ? UINT64_MAX : (UINT64_C(1) << i->bits) - 1;
    return nnc_const_int(x->m, t, lowest ? 0 : (int64_t)top);
}

/* Give a computed value the precision of its G dtype. */
static nnc_value rounded(nnc_kx *x, nnc_value v, nnc_dtype dt)
{
    nnc_dtype c = nnc_compute_dtype(dt);
    if (c == dt)
        return v;
    return nnc_kx_cast(x, nnc_kx_cast(x, v, dt), c);
}

static nnc_type_rec type_of(const nnc_kx *x, nnc_value v)
{
    return *nnc_value_ty(x->m, v);
}
static nnc_dtype dtype_of(const nnc_kx *x, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(x->m, v)->dtype;
}

/* ---- memory ---- */

/* What an access along the vector axis would look like. */
static void note_access(nnc_kx *x, const nnc_type_rec *t, unsigned n, const nnc_kix *ix, bool store)
{
    int64_t at[NNC_AXES] = {0};
    uint32_t opaque = 0;
    for (unsigned d = 0; d < n; d++) {
        for (int a = 0; a < x->nax; a++)
            at[a] += ix[d].c[a] * t->stride[d];
        opaque |= ix[d].dep;
    }
    x->novec |= opaque;
    x->opaque |= opaque;
    for (int a = 0; a < x->nax; a++) {
        if (at[a] != 1 && (at[a] != 0 || store))
            x->novec |= 1u << a;
        else if (at[a] == 1 && !store)
            x->contig |= 1u << a;
    }
    x->loads++;
}

nnc_value nnc_kx_load(nnc_kx *x, nnc_value buf, unsigned n, const nnc_kix *ix)
{
    nnc_value k[NNC_MAX_RANK];
    if (x->probe)
        return (nnc_value){0};
    for (unsigned i = 0; i < n; i++)
        k[i] = nnc_kix_value(x, &ix[i]);
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(x->m, buf)->dtype;
    return nnc_kx_cast(x, nnc_k_load(&x->b, buf, n, k), nnc_compute_dtype(dt));
}

/* Does the address move by one element along the open cell's axis? */
static bool lies_along(const nnc_kx *x, nnc_value buf, unsigned n, const nnc_kix *ix)
{
    const nnc_type_rec *t = nnc_value_ty(x->m, buf);
    for (unsigned d = 0; d < n; d++)
        if (ix[d].c[x->cell_axis] != (d + 1 == n))
            return false;
    return n && t->stride[n - 1] == 1;
}

nnc_value nnc_kx_load_cell(nnc_kx *x, nnc_value buf, unsigned n, const nnc_kix *ix)
{
    nnc_value k[NNC_MAX_RANK], sum = {0}, at = x->idx[x->cell_axis];
    nnc_type cell = nnc_type_scalar(x->m, NNC_DT_u8q, 1),
             i32 = nnc_type_scalar(x->m, NNC_DT_i32, 1);
    if (x->cell == 4 && lies_along(x, buf, n, ix)) {
        for (unsigned i = 0; i < n; i++)
            k[i] = nnc_kix_value(x, &ix[i]);
        return nnc_k_load_cell(&x->b, buf, n, k);
    }
    for (int e = 0; e < x->cell; e++) { /* not past the end: that may be the end of the memory */
        x->idx[x->cell_axis] = nnc_k_binary(&x->b, NNC_OP_add, at, nnc_const_idx(x->m, e));
        for (unsigned i = 0; i < n; i++)
            k[i] = nnc_kix_value(x, &ix[i]);
        nnc_value v = nnc_k_cast(&x->b, nnc_k_load(&x->b, buf, n, k), NNC_DT_i32);
        if (e)
            v = nnc_k_binary(&x->b, NNC_OP_shl, v, nnc_const_int(x->m, i32, 8 * e));
        sum = e ? nnc_k_binary(&x->b, NNC_OP_or, sum, v) : v;
    }
    x->idx[x->cell_axis] = at;
    return nnc_op_out(x->m, nnc_build_op(&x->b, NNC_OP_bitcast, 1, &sum, 1, &cell), 0);
}

void nnc_kx_store(nnc_kx *x, nnc_value v, nnc_dtype dt, nnc_value buf, unsigned n,
                  const nnc_kix *ix)
{
    nnc_value k[NNC_MAX_RANK];
    if (x->probe)
        return;
    for (unsigned i = 0; i < n; i++)
        k[i] = nnc_kix_value(x, &ix[i]);
    nnc_k_store(&x->b, nnc_kx_cast(x, v, dt), buf, n, k);
}

void nnc_kx_note_store(nnc_kx *x, nnc_value v, const nnc_kix *ix)
{
    nnc_type_rec t = type_of(x, v);
    nnc_type_dense_strides(x->m->dims, t.rank, t.dim, t.stride);
    note_access(x, &t, t.rank, ix, true);
}

static nnc_value packed_load(nnc_kx *x)
{
    nnc_value k[NNC_MAX_RANK];
    for (int i = 0; i < x->npacked; i++)
        k[i] = x->ctr[x->packed_loop[i]];
    if (x->cell)
        return nnc_k_load(&x->b, x->packed, (unsigned)x->npacked, k);
    return nnc_kx_cast(x, nnc_k_load(&x->b, x->packed, (unsigned)x->npacked, k),
                       nnc_compute_dtype((nnc_dtype)nnc_value_ty(x->m, x->packed)->dtype));
}

static nnc_value load_arg(nnc_kx *x, nnc_value v, unsigned n, const nnc_kix *ix)
{
    if (x->probe) {
        nnc_type_rec t = type_of(x, v);
        nnc_type_dense_strides(x->m->dims, t.rank, t.dim, t.stride);
        bool pack = x->pack_arg.id == v.id;
        if (pack) {
            x->pack_loads++;
            x->pack_address = nnc_kix_const(0);
            for (unsigned d = 0; d < n; d++) {
                nnc_kix part = nnc_kix_mul(x, &ix[d], t.stride[d]);
                x->pack_address = nnc_kix_add(x, &x->pack_address, &part);
            }
        } else {
            note_access(x, &t, n, ix, false);
        }
        return (nnc_value){0};
    }
    if (x->packed.id && v.id == x->packed_arg.id)
        return packed_load(x);
    nnc_value buf = x->param[nnc_value_get(x->m, v)->index];
    return x->cell ? nnc_kx_load_cell(x, buf, n, ix) : nnc_kx_load(x, buf, n, ix);
}

static nnc_value constant(nnc_kx *x, nnc_value v)
{
    if (x->probe)
        return (nnc_value){0};
    nnc_dtype dt = dtype_of(x, v);
    nnc_value k = nnc_const_bits(x->m, nnc_type_scalar(x->m, dt, 1), nnc_value_get(x->m, v)->bits);
    return nnc_k_cast(&x->b, k, nnc_compute_dtype(dt));
}

/* ---- index rewriting of views ---- */

/* Operand i of an elementwise op at the op's index: numpy broadcasting. */
static nnc_value operand_at(nnc_kx *x, nnc_op op, unsigned i, unsigned n, const nnc_kix *ix)
{
    nnc_kix w[NNC_MAX_RANK];
    nnc_value v = nnc_op_in(x->m, op, i);
    nnc_type_rec t = type_of(x, v);
    for (unsigned d = 0; d < t.rank; d++)
        w[d] = t.dim[d] == 1 ? nnc_kix_const(0) : ix[n - t.rank + d];
    return nnc_kx_value(x, v, w);
}

/* One group of dims with equal products: linearise the result's, split into the operand's. */
static void regroup(nnc_kx *x, unsigned no, const nnc_dim *od, const nnc_kix *oi, unsigned ni,
                    const nnc_dim *id, nnc_kix *ii)
{
    nnc_kix lin = nnc_kix_const(0);
    for (unsigned d = 0; d < no; d++) {
        lin = nnc_kix_mul_dim(x, &lin, od[d]);
        lin = nnc_kix_add(x, &lin, &oi[d]);
    }
    int first = 0;
    for (unsigned d = 0; d < ni; d++) /* the outermost real dim takes what is left */
        if (id[d] != 1) {
            first = (int)d;
            break;
        }
    for (int d = (int)ni - 1; d > first; d--) {
        ii[d] = nnc_kix_mod(x, &lin, id[d]);
        lin = nnc_kix_div(x, &lin, id[d]);
    }
    for (int d = 0; d < first; d++)
        ii[d] = nnc_kix_const(0);
    if (ni)
        ii[first] = id[first] == 1 ? nnc_kix_const(0) : lin;
}

static void reshape_index(nnc_kx *x, const nnc_type_rec *out, const nnc_kix *oi,
                          const nnc_type_rec *in, nnc_kix *ii)
{
    nnc_dims *ds = x->m->dims;
    unsigned i = 0, o = 0;
    while (i < in->rank || o < out->rank) {
        unsigned i0 = i, o0 = o;
        nnc_dim pi = i < in->rank ? in->dim[i++] : 1, po = o < out->rank ? out->dim[o++] : 1;
        while (pi != po && (i < in->rank || o < out->rank)) {
            bool more_in =
                i < in->rank && (o == out->rank || nnc_dim_hi(ds, pi) <= nnc_dim_hi(ds, po));
            if (more_in)
                pi = nnc_dim_mul(ds, pi, in->dim[i++]);
            else
                po = nnc_dim_mul(ds, po, out->dim[o++]);
        }
        regroup(x, o - o0, out->dim + o0, oi + o0, i - i0, in->dim + i0, ii + i0);
    }
}

/* K value of an index tensor element, as idx. */
static nnc_kix index_from(nnc_kx *x, nnc_value v, const nnc_kix *ix, nnc_dim n)
{
    uint32_t dep = 0;
    for (unsigned d = 0; d < nnc_value_ty(x->m, v)->rank; d++)
        dep |= nnc_kix_dep(&ix[d]);
    nnc_value k = nnc_kx_cast(x, nnc_kx_value(x, v, ix), NNC_DT_idx);
    nnc_kix r = nnc_kix_opaque(x, k, dep, -(INT64_C(1) << 40), INT64_C(1) << 40);
    return nnc_kix_clamp(x, &r, n);
}

static nnc_value gather(nnc_kx *x, nnc_op op, const nnc_kix *ix)
{
    nnc_value data = nnc_op_in(x->m, op, 0), index = nnc_op_in(x->m, op, 1);
    nnc_type_rec t = type_of(x, data), it = type_of(x, index);
    unsigned axis = (unsigned)nnc_attr_int(x->m, op, NNC_W_axis, 0),
             batch = (unsigned)nnc_attr_int(x->m, op, NNC_W_batch_dims, 0);
    unsigned nj = it.rank - batch;
    nnc_kix w[NNC_MAX_RANK], j[NNC_MAX_RANK];
    for (unsigned d = 0; d < batch; d++)
        j[d] = ix[d];
    for (unsigned d = 0; d < nj; d++)
        j[batch + d] = ix[axis + d];
    for (unsigned d = 0; d < axis; d++)
        w[d] = ix[d];
    w[axis] = index_from(x, index, j, t.dim[axis]);
    for (unsigned d = axis + 1; d < t.rank; d++)
        w[d] = ix[d - 1 + nj];
    return nnc_kx_value(x, data, w);
}

static nnc_value gather_elements(nnc_kx *x, nnc_op op, const nnc_kix *ix)
{
    nnc_value data = nnc_op_in(x->m, op, 0);
    nnc_type_rec t = type_of(x, data);
    unsigned axis = (unsigned)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_kix w[NNC_MAX_RANK];
    for (unsigned d = 0; d < t.rank; d++)
        w[d] = d == axis ? index_from(x, nnc_op_in(x->m, op, 1), ix, t.dim[d]) : ix[d];
    return nnc_kx_value(x, data, w);
}

static nnc_value gather_nd(nnc_kx *x, nnc_op op, const nnc_kix *ix)
{
    nnc_value data = nnc_op_in(x->m, op, 0), index = nnc_op_in(x->m, op, 1);
    nnc_type_rec t = type_of(x, data), it = type_of(x, index);
    unsigned batch = (unsigned)nnc_attr_int(x->m, op, NNC_W_batch_dims, 0), lead = it.rank - 1u;
    unsigned n = (unsigned)nnc_dim_hi(x->m->dims, it.dim[lead]);
    nnc_kix w[NNC_MAX_RANK], j[NNC_MAX_RANK];
    for (unsigned d = 0; d < lead; d++)
        j[d] = ix[d];
    for (unsigned d = 0; d < batch; d++)
        w[d] = ix[d];
    for (unsigned d = 0; d < n; d++) {
        j[lead] = nnc_kix_const(d);
        w[batch + d] = index_from(x, index, j, t.dim[batch + d]);
    }
    for (unsigned d = batch + n; d < t.rank; d++)
        w[d] = ix[lead + d - batch - n];
    return nnc_kx_value(x, data, w);
}

static nnc_value dynamic_slice(nnc_kx *x, nnc_op op, const nnc_kix *ix)
{
    nnc_value data = nnc_op_in(x->m, op, 0), start = nnc_op_in(x->m, op, 1);
    nnc_type_rec t = type_of(x, data), rt = type_of(x, nnc_op_out(x->m, op, 0));
    nnc_kix w[NNC_MAX_RANK];
    for (unsigned d = 0; d < t.rank; d++) {
        nnc_kix j = nnc_kix_const(d);
        nnc_dim room = nnc_dim_add(x->m->dims, nnc_dim_sub(x->m->dims, t.dim[d], rt.dim[d]), 1);
        nnc_kix s = index_from(x, start, &j, room);
        w[d] = nnc_kix_add(x, &s, &ix[d]);
    }
    return nnc_kx_value(x, data, w);
}

static nnc_value slice(nnc_kx *x, nnc_op op, unsigned n, const nnc_kix *ix)
{
    nnc_kix w[NNC_MAX_RANK];
    int64_t start[NNC_MAX_RANK], step[NNC_MAX_RANK];
    unsigned k;
    const int64_t *a = nnc_attr_ints(x->m, op, NNC_W_start, &k);
    for (unsigned d = 0; d < n; d++)
        start[d] = d < k ? a[d] : 0;
    a = nnc_attr_ints(x->m, op, NNC_W_step, &k);
    for (unsigned d = 0; d < n; d++)
        step[d] = d < k ? a[d] : 1;
    for (unsigned d = 0; d < n; d++) {
        nnc_kix s = nnc_kix_mul(x, &ix[d], step[d]);
        w[d] = nnc_kix_add_dim(x, &s, start[d]);
    }
    return nnc_kx_value(x, nnc_op_in(x->m, op, 0), w);
}

/* -|v| + n - 1, folded: the index mirrored into 0 .. n - 1, for reflections of any length. */
static nnc_kix reflected(nnc_kx *x, const nnc_kix *i, nnc_dim n)
{
    if (n == 1)
        return nnc_kix_const(0);
    nnc_dims *ds = x->m->dims;
    nnc_dim last = nnc_dim_sub(ds, n, 1), period = nnc_dim_mul(ds, 2, last);
    nnc_kix r =
        nnc_kix_mod(x, i, nnc_dim_lo(ds, period) >= 1 ? period : nnc_dim_max(ds, period, 1));
    if (x->probe)
        return nnc_kix_opaque(x, (nnc_value){0}, nnc_kix_dep(i), 0, nnc_dim_hi(ds, last));
    nnc_value v = nnc_kix_value(x, &r);
    v = nnc_k_binary(&x->b, NNC_OP_min, v,
                     nnc_k_binary(&x->b, NNC_OP_sub, nnc_kx_dim(x, period), v));
    return nnc_kix_opaque(x, v, nnc_kix_dep(i), 0, nnc_dim_hi(ds, last));
}

static nnc_value pad(nnc_kx *x, nnc_op op, unsigned n, const nnc_kix *ix)
{
    nnc_value data = nnc_op_in(x->m, op, 0);
    nnc_type_rec t = type_of(x, data);
    nnc_word mode = nnc_attr_word(x->m, op, NNC_W_mode, NNC_W_constant);
    nnc_kix w[NNC_MAX_RANK];
    nnc_value inside = {0};
    bool all = true;
    unsigned k;
    int64_t lo[NNC_MAX_RANK] = {0};
    const int64_t *a = nnc_attr_ints(x->m, op, NNC_W_lo, &k);
    for (unsigned d = 0; d < k; d++)
        lo[d] = a[d];
    for (unsigned d = 0; d < n; d++) {
        bool none =
            t.dim[d] == nnc_value_ty(x->m, nnc_op_out(x->m, op, 0))->dim[d]; /* not padded here */
        if (none) {
            w[d] = ix[d];
            continue;
        }
        w[d] = nnc_kix_sub_dim(x, &ix[d], lo[d]);
        if (mode == NNC_W_reflect) {
            w[d] = reflected(x, &w[d], t.dim[d]);
        } else if (mode == NNC_W_wrap) {
            w[d] = nnc_kix_mod(x, &w[d], t.dim[d]);
        } else {
            bool always;
            nnc_value in = mode == NNC_W_constant ? nnc_kix_inside(x, &w[d], t.dim[d], &always)
                                                  : (always = true, (nnc_value){0});
            if (!always)
                inside = all ? in : nnc_kx_bin(x, NNC_OP_and, inside, in);
            all &= always;
            w[d] = nnc_kix_clamp(x, &w[d], t.dim[d]);
        }
    }
    if (mode == NNC_W_constant && nnc_type_count(x->m, nnc_value_type(x->m, data)) == 0)
        return operand_at(x, op, 1, 0, ix);
    nnc_value v = nnc_kx_value(x, data, w);
    return all ? v : nnc_kx_select(x, inside, v, operand_at(x, op, 1, 0, ix));
}

/* Selects; a concat that is a result of its own has a nest per operand instead (kernel.c). */
static nnc_value concat(nnc_kx *x, nnc_op op, unsigned n, const nnc_kix *ix)
{
    unsigned axis = (unsigned)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_kix w[NNC_MAX_RANK];
    nnc_value sum = {0};
    nnc_dim at = nnc_value_ty(x->m, nnc_op_out(x->m, op, 0))->dim[axis];
    bool first = true;
    for (unsigned i = nnc_op_nin(x->m, op); i-- > 0;) {
        nnc_value v = nnc_op_in(x->m, op, i);
        nnc_dim size = nnc_value_ty(x->m, v)->dim[axis];
        bool always;
        at = nnc_dim_sub(x->m->dims, at, size);
        if (size == 0)
            continue;
        for (unsigned d = 0; d < n; d++)
            w[d] = ix[d];
        nnc_kix low = nnc_kix_sub_dim(x, &ix[axis], at);
        nnc_value below =
            first ? (nnc_value){0}
                  : nnc_kix_inside(x, &ix[axis], nnc_dim_add(x->m->dims, at, size), &always);
        w[axis] = nnc_kix_clamp(x, &low, size);
        nnc_value k = nnc_kx_value(x, v, w);
        sum = first || always ? k : nnc_kx_select(x, below, k, sum);
        first = false;
    }
    return sum;
}

/* ---- scalar operations ---- */

static nnc_value cast(nnc_kx *x, nnc_op op, nnc_value v)
{
    nnc_value g = nnc_op_in(x->m, op, 0), r = nnc_op_out(x->m, op, 0);
    nnc_dtype from = dtype_of(x, g), to = dtype_of(x, r);
    if (nnc_op_code(x->m, op) == NNC_OP_bitcast) {
        if (x->probe)
            return v;
        nnc_type t = nnc_type_scalar(x->m, to, 1);
        v = nnc_k_cast(&x->b, v, from);
        v = nnc_op_out(x->m, nnc_build_op(&x->b, NNC_OP_bitcast, 1, &v, 1, &t), 0);
        return nnc_k_cast(&x->b, v, nnc_compute_dtype(to));
    }
    bool plain = !nnc_attr_find(x->m, op, NNC_W_saturate) && !nnc_attr_find(x->m, op, NNC_W_mode) &&
                 !nnc_attr_find(x->m, op, NNC_W_exact);
    if (plain || x->probe || from == to)
        return nnc_kx_cast(x, nnc_kx_cast(x, v, to), nnc_compute_dtype(to));
    nnc_type t = nnc_type_scalar(x->m, to, 1);
    nnc_op k = nnc_build_op(&x->b, NNC_OP_cast, 1, &v, 1, &t);
    nnc_attr_copy(x->m, k, op);
    return nnc_k_cast(&x->b, nnc_op_out(x->m, k, 0), nnc_compute_dtype(to));
}

/* No vector form in mind: kept scalar. */
static bool vector_op(nnc_opcode code)
{
    switch (code) {
    case NNC_OP_pow:
    case NNC_OP_rem:
    case NNC_OP_atan2:
    case NNC_OP_bitcast: return false;
    default: return true;
    }
}

/* From and to integers of the same width, which vectors hold as they are. */
static bool plain_lanes(const nnc_kx *x, nnc_op op)
{
    nnc_dtype from = dtype_of(x, nnc_op_in(x->m, op, 0)), to = dtype_of(x, nnc_op_out(x->m, op, 0));
    return nnc_dtype_is_int(from) && nnc_dtype_is_int(to) && nnc_compute_dtype(from) == from &&
           nnc_compute_dtype(to) == to && nnc_dtype_infos[to].bits <= 32;
}

static nnc_value elementwise(nnc_kx *x, nnc_op op, unsigned n, const nnc_kix *ix)
{
    nnc_opcode code = nnc_op_code(x->m, op);
    nnc_dtype dt = dtype_of(x, nnc_op_out(x->m, op, 0));
    nnc_value in[3] = {{0}};
    assert(nnc_op_nin(x->m, op) <= 3);
    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++)
        in[i] = operand_at(x, op, i, n, ix);
    if (!vector_op(code) && !(code == NNC_OP_bitcast && plain_lanes(x, op)))
        x->scalar_only = true;
    if (code == NNC_OP_cast || code == NNC_OP_bitcast)
        return cast(x, op, in[0]);
    if (code == NNC_OP_select)
        return nnc_kx_select(x, in[0], in[1], in[2]);
    if (code == NNC_OP_rem && nnc_attr_int(x->m, op, NNC_W_fmod, 0) && !x->probe) {
        nnc_type t = nnc_type_scalar(x->m, nnc_compute_dtype(dt), 1);
        nnc_op k = nnc_build_op(&x->b, NNC_OP_rem, 2, in, 1, &t);
        nnc_attr_set_int(x->m, k, NNC_W_fmod, 1);
        return rounded(x, nnc_op_out(x->m, k, 0), dt);
    }
    return rounded(x,
                   nnc_op_nin(x->m, op) == 1 ? nnc_kx_un(x, code, in[0])
                                             : nnc_kx_bin(x, code, in[0], in[1]),
                   dt);
}

static nnc_value op_value(nnc_kx *x, nnc_op op, unsigned n, const nnc_kix *ix)
{
    nnc_kix w[NNC_MAX_RANK];
    nnc_value in = nnc_op_nin(x->m, op) ? nnc_op_in(x->m, op, 0) : (nnc_value){0};
    nnc_type_rec t = type_of(x, nnc_op_out(x->m, op, 0));
    unsigned k;
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_reshape: {
        nnc_type_rec it = type_of(x, in);
        reshape_index(x, &t, ix, &it, w);
        return nnc_kx_value(x, in, w);
    }
    case NNC_OP_transpose: {
        const int64_t *perm = nnc_attr_ints(x->m, op, NNC_W_perm, &k);
        for (unsigned d = 0; d < k; d++)
            w[perm[d]] = ix[d];
        return nnc_kx_value(x, in, w);
    }
    case NNC_OP_broadcast: return operand_at(x, op, 0, n, ix);
    case NNC_OP_slice: return slice(x, op, n, ix);
    case NNC_OP_pad: return pad(x, op, n, ix);
    case NNC_OP_concat: return concat(x, op, n, ix);
    case NNC_OP_gather: return gather(x, op, ix);
    case NNC_OP_gather_elements: return gather_elements(x, op, ix);
    case NNC_OP_gather_nd: return gather_nd(x, op, ix);
    case NNC_OP_dynamic_slice: return dynamic_slice(x, op, ix);
    case NNC_OP_iota: {
        const nnc_kix *i = &ix[nnc_attr_int(x->m, op, NNC_W_axis, 0)];
        x->novec |= nnc_kix_dep(i);
        return rounded(x,
                       nnc_kx_cast(x, nnc_kix_value(x, i), nnc_compute_dtype((nnc_dtype)t.dtype)),
                       (nnc_dtype)t.dtype);
    }
    case NNC_OP_extent:
        return nnc_kx_cast(x, nnc_kx_dim(x, nnc_attr_int(x->m, op, NNC_W_dim, 0)), NNC_DT_i64);
    default: assert(nnc_op_has(x->m, op, NNC_ELEMENTWISE)); return elementwise(x, op, n, ix);
    }
}

/* ---- one value ---- */

static bool vector_dtype(nnc_dtype dt)
{
    return dt == NNC_DT_f32 || dt == NNC_DT_bool ||
           (nnc_dtype_is_int(dt) && nnc_dtype_infos[dt].bits >= 8 &&
            nnc_dtype_infos[dt].bits <= 32);
}

static nnc_value compute(nnc_kx *x, nnc_value v, unsigned n, const nnc_kix *ix)
{
    const nnc_value_rec *r = nnc_value_get(x->m, v);
    if (r->kind == NNC_VALUE_const)
        return constant(x, v);
    for (uint32_t i = 0; i < x->done.n; i++) {
        const nnc_kdone *d = &x->done.at[i];
        if (d->v.id == v.id)
            return x->probe     ? (nnc_value){0}
                   : d->full.id ? nnc_kx_load(x, d->full, n, ix)
                                : nnc_kx_cell_load(x, &d->cell);
    }
    if (r->kind == NNC_VALUE_arg)
        return load_arg(x, v, n, ix);
    nnc_op op = nnc_value_op(x->m, v);
    if (op.id == x->root.id || (x->bias.id && op.id == x->bias.id))
        return x->probe ? (nnc_value){0} : nnc_kx_root_value(x);
    if (nnc_kx_is_root(x->m, op)) {
        assert(x->probe); /* another stage's result: made before it is asked for */
        return (nnc_value){0};
    }
    return op_value(x, op, n, ix);
}

nnc_value nnc_kx_value(nnc_kx *x, nnc_value v, const nnc_kix *ix)
{
    unsigned n = nnc_value_ty(x->m, v)->rank;
    if (nnc_value_get(x->m, v)->kind == NNC_VALUE_const)
        return constant(x, v);
    if (!vector_dtype(dtype_of(x, v)))
        x->scalar_only = true;
    for (uint32_t i = 0; i < x->memo.n; i++) {
        if (x->memo.at[i].v.id != v.id)
            continue;
        bool same = true;
        for (unsigned d = 0; d < n && same; d++)
            same = nnc_kix_equal(&x->memo.at[i].ix[d], &ix[d]);
        if (same)
            return x->memo.at[i].k;
    }
    nnc_value k = compute(x, v, n, ix);
    nnc_kix *copy = nnc_arena_copy(x->scratch, ix, n * sizeof *ix);
    NNC_PUSH(x->scratch, &x->memo, (nnc_kmemo){v, k, copy});
    return k;
}
