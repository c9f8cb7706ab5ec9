/* Views of buffers, and the copies between layouts.
 *
 * reshape, transpose, broadcast, slice and prefix become K views: the same memory under other strides.  What strides
 * cannot say (a reshape across a gap, a negative step) is copied by a kernel that walks the result and computes the
 * place in the operand. */
#include <assert.h>
#include "passes/lower/entry.h"

bool nnc_entry_plain(const nnc_dims *t, int rank, const nnc_dim *dim)
{
    bool outer = false; /* is there a dimension before this one that is not 1? */

    for (int i = 0; i < rank; i++) {
        if (outer && !nnc_dim_is_const(dim[i]))
            return false;
        outer = outer || nnc_dim_hi(t, dim[i]) != 1;
    }
    return true;
}

nnc_value nnc_entry_base(const nnc_module *m, nnc_value buffer)
{
    for (;;) {
        nnc_op op = nnc_value_op(m, buffer);
        if (!op.id || nnc_op_code(m, op) != NNC_OP_view)
            return buffer;
        buffer = nnc_op_in(m, op, 0);
    }
}

static nnc_value view_as(nnc_lower *x, nnc_value buffer, nnc_value offset, const nnc_type_rec *r)
{
    nnc_type_rec t = *r;
    const nnc_type_rec *b = nnc_value_ty(x->m, buffer);
    nnc_type type;

    t.kind = NNC_TYPE_buffer;
    t.space = b->space;
    t.lanes = b->lanes;
    type = nnc_type_buffer(x->m, (nnc_dtype)t.dtype, t.lanes, t.rank, t.dim, t.stride,
                           (nnc_space)t.space);
    /* look through views that begin at the same place: going back and forth between shapes ends where it began */
    for (nnc_op op; !offset.id && type.id != nnc_value_type(x->m, buffer).id;
         buffer = nnc_op_in(x->m, op, 0)) {
        op = nnc_value_op(x->m, buffer);
        if (!op.id || nnc_op_code(x->m, op) != NNC_OP_view || nnc_op_nin(x->m, op) > 1)
            break;
    }
    if (!offset.id && type.id == nnc_value_type(x->m, buffer).id)
        return buffer;
    return nnc_k_view(&x->b, buffer, offset, type);
}

/* ---- copies ---- */

/* How one side of a copy finds its element: by the buffer's own indices start + i * step, or by the row-major number
 * of the index in a space of real sizes. */
typedef struct side {
    nnc_value buffer;
    bool flat;
    const nnc_dim *start; /* NULL: 0 */
    const int64_t *step;  /* NULL: 1 */
} side;

static unsigned side_index(nnc_kb *k, const side *s, int rank, const nnc_dim *dim,
                           const nnc_value *i, nnc_value *out)
{
    nnc_module *m = k->x->m;

    if (s->flat) {
        nnc_value at = nnc_const_idx(m, 0);
        for (int d = 0; d < rank; d++)
            at = nnc_kb_idx(k, NNC_OP_add, nnc_kb_idx(k, NNC_OP_mul, at, nnc_kb_dim(k, dim[d])),
                            i[d]);
        out[0] = at;
        return 1;
    }
    for (int d = 0; d < rank; d++) {
        out[d] = i[d];
        if (s->step && s->step[d] != 1)
            out[d] = nnc_kb_idx(k, NNC_OP_mul, out[d], nnc_const_idx(m, s->step[d]));
        if (s->start && s->start[d] != 0)
            out[d] = nnc_kb_idx(k, NNC_OP_add, out[d], nnc_kb_dim(k, s->start[d]));
    }
    return (unsigned)rank;
}

nnc_value nnc_entry_flat(nnc_lower *x, nnc_value buffer)
{
    nnc_type_rec r = *nnc_value_ty(x->m, buffer);
    nnc_dim n = 1;

    for (int i = 0; i < r.rank; i++)
        n = nnc_dim_mul(x->m->dims, n, r.dim[i]);
    r.rank = 1;
    r.dim[0] = n;
    r.stride[0] = 1;
    return view_as(x, buffer, (nnc_value){0}, &r);
}

static bool same_strides(const nnc_module *m, nnc_value a, nnc_value b)
{
    const nnc_type_rec *x = nnc_value_ty(m, a), *y = nnc_value_ty(m, b);

    if (x->rank != y->rank)
        return false;
    for (int i = 0; i < x->rank; i++)
        if (x->dim[i] != y->dim[i] || (x->stride[i] != y->stride[i] && x->dim[i] != 1))
            return false;
    return true;
}

/* A kernel for to[..] = from[..] over `dim`.  Between equal layouts it is marked [copy]: the planner may drop the call. */
static void copy_kernel(nnc_lower *x, int rank, const nnc_dim *dim, side to, side from)
{
    bool plain = !to.flat && !from.flat && !from.start && !from.step &&
                 same_strides(x->m, to.buffer, from.buffer);
    nnc_kb k;
    nnc_value i[NNC_MAX_RANK], ti[NNC_MAX_RANK], fi[NNC_MAX_RANK], v;
    unsigned nt, nf;

    if (to.flat)
        to.buffer = nnc_entry_flat(x, to.buffer);
    if (from.flat)
        from.buffer = nnc_entry_flat(x, from.buffer);
    nnc_kb_begin(&k, x, "copy", x->b.loc);
    if (plain)
        nnc_attr_set_int(x->m, k.kernel, NNC_W_copy, 1);
    from.buffer = nnc_kb_param(&k, from.buffer, "from");
    to.buffer = nnc_kb_param(&k, to.buffer, "to");
    for (int d = 0; d < rank; d++)
        i[d] = nnc_kb_for(&k, nnc_kb_dim(&k, dim[d]), "i");
    nf = side_index(&k, &from, rank, dim, i, fi);
    nt = side_index(&k, &to, rank, dim, i, ti);
    v = nnc_k_load(&k.b, from.buffer, nf, fi);
    nnc_k_store(&k.b, v, to.buffer, nt, ti);
    nnc_kb_end(&k);
}

/* No gaps between rows, whatever the sizes turn out to be? */
static bool is_real_dense(const nnc_module *m, const nnc_type_rec *t)
{
    int64_t dense[NNC_MAX_RANK];

    nnc_type_dense_strides(m->dims, t->rank, t->dim, dense);
    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != 1 && t->stride[i] != dense[i])
            return false;
    return nnc_entry_plain(m->dims, t->rank, t->dim);
}

bool nnc_entry_real_dense(const nnc_module *m, nnc_value buffer)
{
    return is_real_dense(m, nnc_value_ty(m, buffer));
}

/* Dense and of constant size: what `copy` takes. */
static bool is_dense(const nnc_module *m, const nnc_type_rec *t)
{
    for (int i = 0; i < t->rank; i++)
        if (!nnc_dim_is_const(t->dim[i]))
            return false;
    return is_real_dense(m, t);
}

void nnc_entry_copy(nnc_lower *x, nnc_value to, nnc_value from)
{
    nnc_module *m = x->m;
    nnc_type_rec t = *nnc_value_ty(m, to), f = *nnc_value_ty(m, from);

    assert(t.rank == f.rank && t.dtype == f.dtype);
    if (is_dense(m, &t) && is_dense(m, &f)) {
        bool equal = true; /* strides of axes of size 1 may differ */
        for (int i = 0; i < t.rank; i++)
            equal = equal && t.dim[i] == f.dim[i] && t.stride[i] == f.stride[i];
        nnc_value in[2] = {equal ? to : nnc_entry_flat(x, to),
                           equal ? from : nnc_entry_flat(x, from)};
        if (nnc_type_count(m, nnc_value_type(m, to)) > 0)
            nnc_build_op(&x->b, NNC_OP_copy, 2, in, 0, NULL);
        return;
    }
    copy_kernel(x, f.rank, f.dim, (side){.buffer = to}, (side){.buffer = from});
}

void nnc_entry_import(nnc_lower *x, nnc_value ours, nnc_value dense)
{
    nnc_type_rec t = *nnc_value_ty(x->m, ours);
    copy_kernel(x, t.rank, t.dim, (side){.buffer = ours}, (side){.buffer = dense, .flat = true});
}

void nnc_entry_export(nnc_lower *x, nnc_value dense, nnc_value ours)
{
    nnc_type_rec t = *nnc_value_ty(x->m, ours);
    copy_kernel(x, t.rank, t.dim, (side){.buffer = dense, .flat = true}, (side){.buffer = ours});
}

/* ---- reshape ---- */

typedef struct extent {
    nnc_dim dim;
    int64_t stride;
    int at;
} extent;

/* The axes of a shape that are not 1. */
static int real_axes(const nnc_type_rec *t, extent *out)
{
    int n = 0;

    for (int i = 0; i < t->rank; i++)
        if (t->dim[i] != 1)
            out[n++] = (extent){t->dim[i], t->stride[i], i};
    return n;
}

/* Strides of to[0 .. nt) when it splits or joins from[0 .. nf), of equal product.  A dynamic size may stand at the
 * outermost place only, unless the group is one axis on both sides. */
static bool group_strides(const extent *from, int nf, extent *to, int nt)
{
    if (nf == 0 || nt == 0)
        return false;
    for (int i = 0; i + 1 < nf; i++)
        if (!nnc_dim_is_const(from[i + 1].dim) ||
            from[i].stride != from[i + 1].stride * from[i + 1].dim)
            return false;
    to[nt - 1].stride = from[nf - 1].stride;
    for (int i = nt - 1; i > 0; i--) {
        if (!nnc_dim_is_const(to[i].dim))
            return false;
        to[i - 1].stride = to[i].stride * to[i].dim;
    }
    return true;
}

/* Cut both shapes from the right into smallest groups of equal products. */
static bool match_axes(nnc_dims *t, const extent *from, int nf, extent *to, int nt)
{
    while (nf > 0 || nt > 0) {
        int i = nf - 1, j = nt - 1;
        nnc_dim pf, pt;
        if (i < 0 || j < 0)
            return false;
        pf = from[i].dim;
        pt = to[j].dim;
        while (pf != pt) {
            if (nnc_dim_hi(t, pf) < nnc_dim_hi(t, pt) ? i == 0 : j == 0)
                return false;
            if (nnc_dim_hi(t, pf) < nnc_dim_hi(t, pt))
                pf = nnc_dim_mul(t, from[--i].dim, pf);
            else
                pt = nnc_dim_mul(t, to[--j].dim, pt);
        }
        if (!group_strides(from + i, nf - i, to + j, nt - j))
            return false;
        nf = i;
        nt = j;
    }
    return true;
}

nnc_value nnc_entry_reshaped(nnc_lower *x, nnc_value buffer, nnc_type tensor)
{
    nnc_module *m = x->m;
    nnc_type_rec from = *nnc_value_ty(m, buffer), to = *nnc_type_get(m, tensor);
    extent af[NNC_MAX_RANK], at[NNC_MAX_RANK];
    int nf = real_axes(&from, af), nt = real_axes(&to, at);

    nnc_type_dense_strides(m->dims, to.rank, to.dim, to.stride);
    if (nnc_type_count(m, tensor) != 0) {
        if (!match_axes(m->dims, af, nf, at, nt))
            return (nnc_value){0};
        for (int i = 0, k = 0; i < to.rank; i++)
            if (k < nt && at[k].at == i)
                to.stride[i] = at[k++].stride;
        /* axes of size 1: as if dense, so that a dense view has the dense type */
        for (int i = to.rank - 1; i >= 0; i--)
            if (to.dim[i] == 1)
                to.stride[i] =
                    i + 1 < to.rank ? to.stride[i + 1] * nnc_dim_hi(m->dims, to.dim[i + 1]) : 1;
    }
    to.dtype = from.dtype;
    return view_as(x, buffer, (nnc_value){0}, &to);
}

static void reshape_op(nnc_lower *x, nnc_value from, nnc_value result)
{
    nnc_module *m = x->m;
    nnc_value seen = nnc_entry_reshaped(x, from, nnc_value_type(m, result)), to;

    if (seen.id) {
        x->buffer[result.id] = seen;
        return;
    }
    /* Gather into a buffer that is dense in real sizes, then spread: either half may have nothing to do. */
    if (!is_real_dense(m, nnc_value_ty(m, from))) {
        nnc_type_rec r = *nnc_value_ty(m, from);
        nnc_value dense = nnc_k_alloc(
            &x->b, nnc_type_buffer(m, (nnc_dtype)r.dtype, 1, r.rank, r.dim, NULL, NNC_SPACE_arena),
            nnc_value_name(m, result));
        nnc_entry_export(x, dense, from);
        from = dense;
    }
    to = nnc_entry_alloc(x, nnc_value_type(m, result), nnc_value_name(m, result));
    x->buffer[result.id] = to;
    if (nnc_entry_plain(m->dims, nnc_value_ty(m, to)->rank, nnc_value_ty(m, to)->dim)) {
        nnc_value in = nnc_entry_flat(x, from), out = nnc_entry_flat(x, to);
        nnc_type_rec r = *nnc_value_ty(m, in);
        copy_kernel(x, 1, r.dim, (side){.buffer = out}, (side){.buffer = in});
    } else {
        nnc_entry_import(x, to, from);
    }
}

/* ---- the other views ---- */

nnc_value nnc_entry_row(nnc_lower *x, nnc_value buffer, nnc_value i)
{
    nnc_module *m = x->m;
    nnc_type_rec r = *nnc_value_ty(m, buffer);
    nnc_value offset = nnc_k_binary(&x->b, NNC_OP_mul, i, nnc_const_idx(m, r.stride[0]));

    for (int d = 1; d < r.rank; d++) {
        r.dim[d - 1] = r.dim[d];
        r.stride[d - 1] = r.stride[d];
    }
    r.rank--;
    r.dim[r.rank] = r.stride[r.rank] = 0;
    return view_as(x, buffer, offset, &r);
}

static void transpose_op(nnc_lower *x, nnc_op op, nnc_value from, nnc_value result)
{
    nnc_module *m = x->m;
    nnc_type_rec f = *nnc_value_ty(m, from), r = f;
    unsigned n;
    const int64_t *perm = nnc_attr_ints(m, op, NNC_W_perm, &n);

    for (unsigned i = 0; i < n; i++) {
        r.dim[i] = f.dim[perm[i]];
        r.stride[i] = f.stride[perm[i]];
    }
    x->buffer[result.id] = view_as(x, from, (nnc_value){0}, &r);
}

static void broadcast_op(nnc_lower *x, nnc_value from, nnc_value result)
{
    nnc_module *m = x->m;
    nnc_type_rec f = *nnc_value_ty(m, from), r = *nnc_value_ty(m, result);

    for (int i = 0; i < r.rank; i++) {
        int k = i - (r.rank - f.rank);
        r.stride[i] = k >= 0 && (f.dim[k] != 1 || r.dim[i] == 1) ? f.stride[k] : 0;
    }
    x->buffer[result.id] = view_as(x, from, (nnc_value){0}, &r);
}

static void slice_op(nnc_lower *x, nnc_op op, nnc_value from, nnc_value result)
{
    nnc_module *m = x->m;
    nnc_type_rec f = *nnc_value_ty(m, from), r = *nnc_value_ty(m, result);
    int64_t start[NNC_MAX_RANK] = {0}, step[NNC_MAX_RANK] = {0};
    nnc_value offset = nnc_const_idx(m, 0);
    bool forward = true;
    unsigned n;
    const int64_t *p = nnc_attr_ints(m, op, NNC_W_start, &n);

    for (unsigned i = 0; i < n; i++)
        start[i] = p[i];
    p = nnc_attr_ints(m, op, NNC_W_step, &n);
    for (int i = 0; i < r.rank; i++) {
        step[i] = p && i < (int)n ? p[i] : 1;
        forward = forward && step[i] > 0;
    }
    if (!forward) {
        nnc_value to = nnc_lower_result(x, result);
        copy_kernel(x, r.rank, r.dim, (side){.buffer = to}, (side){from, false, start, step});
        return;
    }
    for (int i = 0; i < r.rank; i++) {
        nnc_value at = nnc_k_binary(&x->b, NNC_OP_mul, nnc_lower_dim(x, start[i]),
                                    nnc_const_idx(m, f.stride[i]));
        offset = nnc_k_binary(&x->b, NNC_OP_add, offset, at);
        r.stride[i] = f.stride[i] * step[i];
    }
    int64_t at;
    if (nnc_value_idx(m, offset, &at) && at == 0)
        offset = (nnc_value){0};
    x->buffer[result.id] = view_as(x, from, offset, &r);
}

/* The symbol gets its value from the count, held inside its bounds so that no address can leave the buffer. */
static nnc_status prefix_op(nnc_lower *x, nnc_op op, nnc_value from, nnc_value result)
{
    nnc_module *m = x->m;
    nnc_type_rec f = *nnc_value_ty(m, from), r = *nnc_value_ty(m, result);
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);
    int64_t symbol = nnc_entry_symbol(m->dims, r.dim[axis]);

    if (symbol >= 0 && !x->sym[symbol].id) {
        nnc_value n = nnc_entry_cell(x, nnc_lower_buffer(x, nnc_op_in(m, op, 1)));
        n = nnc_k_binary(&x->b, NNC_OP_max, n, nnc_const_idx(m, 0));
        x->sym[symbol] =
            nnc_k_binary(&x->b, NNC_OP_min, n, nnc_const_idx(m, nnc_dim_hi(m->dims, r.dim[axis])));
    }
    NNC_TRY(nnc_entry_known(x, nnc_value_type(m, result), x->b.loc));
    for (int i = 0; i < r.rank; i++)
        r.stride[i] = f.stride[i];
    x->buffer[result.id] = view_as(x, from, (nnc_value){0}, &r);
    return NNC_OK;
}

nnc_status nnc_entry_view(nnc_lower *x, nnc_op op)
{
    nnc_value from = nnc_lower_buffer(x, nnc_op_in(x->m, op, 0)), result = nnc_op_out(x->m, op, 0);

    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_reshape: reshape_op(x, from, result); return NNC_OK;
    case NNC_OP_transpose: transpose_op(x, op, from, result); return NNC_OK;
    case NNC_OP_broadcast: broadcast_op(x, from, result); return NNC_OK;
    case NNC_OP_slice: slice_op(x, op, from, result); return NNC_OK;
    case NNC_OP_prefix: return prefix_op(x, op, from, result);
    default:
        return nnc_error(x->m->diag, x->b.loc, "no view is known for '%s'",
                         nnc_op_infos[nnc_op_code(x->m, op)].name);
    }
}
