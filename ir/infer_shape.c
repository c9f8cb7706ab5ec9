/* Views and data movement: result shapes and the checks of `given` ones. */
#include "ir/infer_fn.h"
#include "ir/text.h"

/* Is `inner` surely larger than `outer`? */
static bool surely_above(nnc_dims *t, nnc_dim inner, nnc_dim outer)
{
    return inner != outer && nnc_dim_lo(t, inner) > nnc_dim_hi(t, outer);
}

static const char *result_text(nnc_module *m, nnc_op op)
{
    return nnc_print_type(m, nnc_value_type(m, nnc_op_out(m, op, 0)));
}

static nnc_status given_const(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    int64_t blob = nnc_attr_int(m, op, NNC_W_blob, -1), at = nnc_attr_int(m, op, NNC_W_at, 0);
    if (blob <= 0 || blob >= m->blob.n)
        return nnc_infer_error(m, op, "blob %lld does not exist", (long long)blob);
    if (y->kind == NNC_TYPE_buffer)
        return NNC_OK; /* packed: the source extent is in src_*, checked by the verifier */
    if (!nnc_type_is_static(m, nnc_value_type(m, nnc_op_out(m, op, 0))))
        return nnc_infer_error(m, op, "type %s is not static", result_text(m, op));
    int64_t bytes = nnc_type_bytes(m, nnc_value_type(m, nnc_op_out(m, op, 0)));
    if (at < 0 || bytes < 0 || (uint64_t)at > m->blob.at[blob].bytes ||
        (uint64_t)bytes > m->blob.at[blob].bytes - (uint64_t)at)
        return nnc_infer_error(m, op, "%s at byte %lld of blob %lld ends behind its %zu bytes",
                               result_text(m, op), (long long)at, (long long)blob,
                               m->blob.at[blob].bytes);
    return NNC_OK;
}

static nnc_status same_dtype(nnc_module *m, nnc_op op, const nnc_type_rec *y, nnc_type_rec *x)
{
    NNC_TRY(nnc_infer_tensor(m, op, 0, x));
    if (x->dtype != y->dtype)
        return nnc_infer_error(m, op, "from %s to %s: the dtype must stay",
                               nnc_infer_text(m, op, 0), result_text(m, op));
    return NNC_OK;
}

static nnc_status given_reshape(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    nnc_type_rec x;
    nnc_dim d;
    NNC_TRY(same_dtype(m, op, y, &x));
    nnc_dim have = nnc_type_size(m, nnc_value_type(m, nnc_op_in(m, op, 0)));
    nnc_dim want = nnc_type_size(m, nnc_value_type(m, nnc_op_out(m, op, 0)));
    if (!nnc_dim_meet(m->dims, have, want, &d))
        return nnc_infer_error(m, op, "%s has %s elements, %s has %s", nnc_infer_text(m, op, 0),
                               nnc_dim_text(m->dims, have), result_text(m, op),
                               nnc_dim_text(m->dims, want));
    return NNC_OK;
}

static nnc_status given_broadcast(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    nnc_type_rec x;
    NNC_TRY(same_dtype(m, op, y, &x));
    bool ok = x.rank <= y->rank;
    for (int i = 0; ok && i < x.rank; i++) {
        nnc_dim d, a = x.dim[i], b = y->dim[y->rank - x.rank + i];
        ok = a == 1 || nnc_dim_meet(m->dims, a, b, &d);
    }
    return ok ? NNC_OK
              : nnc_infer_error(m, op, "%s does not broadcast to %s", nnc_infer_text(m, op, 0),
                                result_text(m, op));
}

static nnc_status given_slice(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    nnc_type_rec x;
    int64_t start[NNC_MAX_RANK], step[NNC_MAX_RANK];
    NNC_TRY(same_dtype(m, op, y, &x));
    if (x.rank != y->rank)
        return nnc_infer_error(m, op, "%s to %s: the rank must stay", nnc_infer_text(m, op, 0),
                               result_text(m, op));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_start, x.rank, start));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_step, x.rank, step));
    for (int i = 0; i < x.rank; i++) {
        int64_t n = nnc_dim_hi(m->dims, x.dim[i]), at = nnc_dim_lo(m->dims, start[i]),
                size = nnc_dim_lo(m->dims, y->dim[i]), last;
        if (!step[i])
            return nnc_infer_error(m, op, "the step of dim %d is 0", i);
        if (size <= 0)
            continue;
        /* the last element; bounds of start and size are only tied together when constant */
        bool fixed = nnc_dim_is_const(start[i]) && nnc_dim_is_const(y->dim[i]);
        if (__builtin_mul_overflow(size - 1, step[i], &last) ||
            __builtin_add_overflow(last, at, &last))
            return nnc_infer_error(m, op, "dim %d: the end of the slice overflows", i);
        if (at >= n || (step[i] > 0 && last >= n) || (fixed && last < 0))
            return nnc_infer_error(m, op, "dim %d: %s elements from %s with step %lld leave %s", i,
                                   nnc_dim_text(m->dims, y->dim[i]),
                                   nnc_dim_text(m->dims, start[i]), (long long)step[i],
                                   nnc_infer_text(m, op, 0));
    }
    return NNC_OK;
}

static nnc_status given_dynamic_slice(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    nnc_type_rec x;
    NNC_TRY(same_dtype(m, op, y, &x));
    NNC_TRY(nnc_infer_operand(m, op, 1, NNC_DT_i64, 1, "start"));
    bool ok = x.rank == y->rank && nnc_value_ty(m, nnc_op_in(m, op, 1))->dim[0] == x.rank;
    for (int i = 0; ok && i < x.rank; i++)
        ok = !surely_above(m->dims, y->dim[i], x.dim[i]);
    if (!ok)
        return nnc_infer_error(m, op, "a window %s of %s at %s", result_text(m, op),
                               nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1));
    return NNC_OK;
}

static nnc_status given_prefix(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    nnc_type_rec x;
    nnc_dim d;
    int axis;
    NNC_TRY(same_dtype(m, op, y, &x));
    NNC_TRY(nnc_infer_operand(m, op, 1, NNC_DT_i64, 0, "count"));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x.rank, &axis));
    bool ok = x.rank == y->rank;
    for (int i = 0; ok && i < x.rank; i++)
        ok = i == axis ? !surely_above(m->dims, y->dim[i], x.dim[i])
                       : nnc_dim_meet(m->dims, x.dim[i], y->dim[i], &d);
    return ok ? NNC_OK
              : nnc_infer_error(m, op, "%s is no prefix of %s along axis %d", result_text(m, op),
                                nnc_infer_text(m, op, 0), axis);
}

static nnc_status given_scalar_i64(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    if (y->dtype != NNC_DT_i64 || y->rank)
        return nnc_infer_error(m, op, "makes %s, must make i64[]", result_text(m, op));
    if (!nnc_attr_find(m, op, NNC_W_dim))
        return nnc_infer_error(m, op, "the attribute dim is missing");
    return NNC_OK;
}

static nnc_status given_rng(nnc_module *m, nnc_op op, const nnc_type_rec *y)
{
    nnc_type_rec key;
    nnc_dim d;
    NNC_TRY(nnc_infer_key(m, op, &key));
    bool ok = y->dtype == NNC_DT_u32 && y->rank >= key.rank - 1;
    for (int i = 0; ok && i < key.rank - 1; i++)
        ok = nnc_dim_meet(m->dims, y->dim[i], key.dim[i], &d);
    if (!ok)
        return nnc_infer_error(m, op, "makes %s from %s, must make u32[b.., ..] from u32[b.., 2]",
                               result_text(m, op), nnc_infer_text(m, op, 0));
    return NNC_OK;
}

/* The result type is the op's own; ops of K are the verifier's business. */
nnc_status nnc_infer_given(nnc_module *m, nnc_op op, nnc_type *out)
{
    out[0] = nnc_value_type(m, nnc_op_out(m, op, 0));
    const nnc_type_rec y = *nnc_type_get(m, out[0]);
    int axis;
    if (nnc_op_code(m, op) == NNC_OP_const)
        return given_const(m, op, &y);
    if (!(nnc_op_infos[nnc_op_code(m, op)].levels & NNC_LEVEL_G))
        return NNC_OK;
    if (y.kind != NNC_TYPE_tensor)
        return nnc_infer_error(m, op, "makes %s, must make a tensor", result_text(m, op));
    switch (nnc_op_code(m, op)) {
    case NNC_OP_reshape: return given_reshape(m, op, &y);
    case NNC_OP_broadcast: return given_broadcast(m, op, &y);
    case NNC_OP_slice: return given_slice(m, op, &y);
    case NNC_OP_dynamic_slice: return given_dynamic_slice(m, op, &y);
    case NNC_OP_prefix: return given_prefix(m, op, &y);
    case NNC_OP_extent: return given_scalar_i64(m, op, &y);
    case NNC_OP_rng_bits: return given_rng(m, op, &y);
    case NNC_OP_iota: return nnc_infer_axis(m, op, NNC_W_axis, y.rank, &axis);
    default: return NNC_OK;
    }
}

nnc_status nnc_infer_transpose(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    int64_t perm[NNC_MAX_RANK];
    nnc_dim dim[NNC_MAX_RANK];
    unsigned n;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_axes(m, op, NNC_W_perm, x.rank, &n, perm));
    if (n != x.rank)
        return nnc_infer_error(m, op, "perm has %u entries for %s", n, nnc_infer_text(m, op, 0));
    for (unsigned i = 0; i < n; i++)
        dim[i] = x.dim[perm[i]];
    out[0] = nnc_type_tensor(m, (nnc_dtype)x.dtype, x.rank, dim);
    return NNC_OK;
}

nnc_status nnc_infer_pad(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x;
    int64_t lo[NNC_MAX_RANK], hi[NNC_MAX_RANK];
    nnc_word mode = nnc_attr_word(m, op, NNC_W_mode, NNC_W_constant);
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(nnc_infer_operand(m, op, 1, (nnc_dtype)x.dtype, 0, "the padding value"));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_lo, x.rank, lo));
    NNC_TRY(nnc_infer_ints(m, op, NNC_W_hi, x.rank, hi));
    if (mode != NNC_W_constant && mode != NNC_W_reflect && mode != NNC_W_edge && mode != NNC_W_wrap)
        return nnc_infer_error(m, op, "mode %s, must be constant, reflect, edge or wrap",
                               nnc_sym_str(m, nnc_w(mode)));
    for (int i = 0; i < x.rank; i++) {
        nnc_dim d = x.dim[i];
        if (nnc_dim_hi(m->dims, lo[i]) < 0 || nnc_dim_hi(m->dims, hi[i]) < 0)
            return nnc_infer_error(m, op, "dim %d: a negative padding (%s, %s)", i,
                                   nnc_dim_text(m->dims, lo[i]), nnc_dim_text(m->dims, hi[i]));
        x.dim[i] = nnc_dim_add(m->dims, nnc_dim_add(m->dims, d, lo[i]), hi[i]);
        /* nothing to copy from */
        if (mode != NNC_W_constant && x.dim[i] != d && nnc_dim_hi(m->dims, d) <= 0)
            return nnc_infer_error(m, op, "dim %d of %s is empty: mode %s has nothing to repeat", i,
                                   nnc_infer_text(m, op, 0), nnc_sym_str(m, nnc_w(mode)));
    }
    out[0] = nnc_type_tensor(m, (nnc_dtype)x.dtype, x.rank, x.dim);
    return NNC_OK;
}

nnc_status nnc_infer_concat(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec y, x;
    int axis;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &y));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, y.rank, &axis));
    for (unsigned i = 1; i < nnc_op_nin(m, op); i++) {
        NNC_TRY(nnc_infer_tensor(m, op, i, &x));
        bool ok = x.dtype == y.dtype && x.rank == y.rank;
        for (int k = 0; ok && k < y.rank; k++)
            if (k != axis)
                ok = nnc_dim_meet(m->dims, y.dim[k], x.dim[k], &y.dim[k]);
        if (!ok)
            return nnc_infer_error(m, op, "%s and %s differ in more than axis %d",
                                   nnc_infer_text(m, op, 0), nnc_infer_text(m, op, i), axis);
        y.dim[axis] = nnc_dim_add(m->dims, y.dim[axis], x.dim[axis]);
    }
    out[0] = nnc_type_tensor(m, (nnc_dtype)y.dtype, y.rank, y.dim);
    return NNC_OK;
}

static nnc_status index_operand(nnc_module *m, nnc_op op, nnc_type_rec *out)
{
    NNC_TRY(nnc_infer_tensor(m, op, 1, out));
    if (out->dtype == NNC_DT_i64 || out->dtype == NNC_DT_i32)
        return NNC_OK;
    return nnc_infer_error(m, op, "the indices have type %s, need i64 or i32",
                           nnc_infer_text(m, op, 1));
}

static nnc_status too_deep(nnc_module *m, nnc_op op, int rank)
{
    return nnc_infer_error(m, op, "%s by %s has rank %d, at most %d is supported",
                           nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1), rank, NNC_MAX_RANK);
}

/* The common leading dims of x and i; *n of them. */
static nnc_status batch_dims(nnc_module *m, nnc_op op, nnc_type_rec *x, const nnc_type_rec *i,
                             int most, int *n)
{
    int64_t v = nnc_attr_int(m, op, NNC_W_batch_dims, 0);
    if (v < 0 || v > most)
        return nnc_infer_error(m, op, "batch_dims is %lld, must be from 0 to %d", (long long)v,
                               most);
    *n = (int)v;
    for (int k = 0; k < *n; k++)
        if (!nnc_dim_meet(m->dims, x->dim[k], i->dim[k], &x->dim[k]))
            return nnc_infer_error(m, op, "batch dim %d of %s and %s differs", k,
                                   nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1));
    return NNC_OK;
}

nnc_status nnc_infer_gather(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x, i;
    nnc_dim dim[2 * NNC_MAX_RANK];
    int axis, nb, r = 0;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(index_operand(m, op, &i));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x.rank, &axis));
    NNC_TRY(batch_dims(m, op, &x, &i, axis < i.rank ? axis : i.rank, &nb));
    for (int k = 0; k < axis; k++)
        dim[r++] = x.dim[k];
    for (int k = nb; k < i.rank; k++)
        dim[r++] = i.dim[k];
    for (int k = axis + 1; k < x.rank; k++)
        dim[r++] = x.dim[k];
    if (r > NNC_MAX_RANK)
        return too_deep(m, op, r);
    out[0] = nnc_type_tensor(m, (nnc_dtype)x.dtype, r, dim);
    return NNC_OK;
}

nnc_status nnc_infer_gather_elements(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x, i;
    int axis;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(index_operand(m, op, &i));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x.rank, &axis));
    bool ok = x.rank == i.rank;
    for (int k = 0; ok && k < x.rank; k++)
        ok = k == axis || !surely_above(m->dims, i.dim[k], x.dim[k]);
    if (!ok)
        return nnc_infer_error(m, op, "indices %s for %s along axis %d", nnc_infer_text(m, op, 1),
                               nnc_infer_text(m, op, 0), axis);
    out[0] = nnc_type_tensor(m, (nnc_dtype)x.dtype, i.rank, i.dim);
    return NNC_OK;
}

nnc_status nnc_infer_gather_nd(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec x, i;
    nnc_dim dim[2 * NNC_MAX_RANK];
    int nb, r = 0;
    NNC_TRY(nnc_infer_tensor(m, op, 0, &x));
    NNC_TRY(index_operand(m, op, &i));
    if (!i.rank || !nnc_dim_is_const(i.dim[i.rank - 1]))
        return nnc_infer_error(m, op, "the indices have type %s, need a static last dimension",
                               nnc_infer_text(m, op, 1));
    NNC_TRY(batch_dims(m, op, &x, &i, i.rank - 1 < x.rank ? i.rank - 1 : x.rank, &nb));
    int64_t depth = i.dim[i.rank - 1];
    if (depth > x.rank - nb)
        return nnc_infer_error(m, op, "%s indexes %lld dims of %s behind %d batch dims",
                               nnc_infer_text(m, op, 1), (long long)depth, nnc_infer_text(m, op, 0),
                               nb);
    for (int k = 0; k < nb; k++)
        dim[r++] = x.dim[k];
    for (int k = nb; k < i.rank - 1; k++)
        dim[r++] = i.dim[k];
    for (int k = nb + (int)depth; k < x.rank; k++)
        dim[r++] = x.dim[k];
    if (r > NNC_MAX_RANK)
        return too_deep(m, op, r);
    out[0] = nnc_type_tensor(m, (nnc_dtype)x.dtype, r, dim);
    return NNC_OK;
}

/* ---- ops whose result has the type of operand 0, with conditions on the rest ---- */

static nnc_status update_dtype(nnc_module *m, nnc_op op, unsigned i, const nnc_type_rec *x)
{
    nnc_type_rec u;
    NNC_TRY(nnc_infer_tensor(m, op, i, &u));
    if (u.dtype != x->dtype)
        return nnc_infer_error(m, op, "updates %s for %s: the dtypes must be equal",
                               nnc_infer_text(m, op, i), nnc_infer_text(m, op, 0));
    return NNC_OK;
}

static nnc_status check_reduction(nnc_module *m, nnc_op op)
{
    nnc_word r = nnc_attr_word(m, op, NNC_W_reduction, NNC_W_none);
    if (r == NNC_W_none || r == NNC_W_add || r == NNC_W_mul || r == NNC_W_max || r == NNC_W_min)
        return NNC_OK;
    return nnc_infer_error(m, op, "reduction %s, must be none, add, mul, max or min",
                           nnc_sym_str(m, nnc_w(r)));
}

static nnc_status same_scatter_elements(nnc_module *m, nnc_op op, const nnc_type_rec *x)
{
    nnc_type_rec i, u;
    int axis;
    nnc_dim d;
    NNC_TRY(index_operand(m, op, &i));
    NNC_TRY(update_dtype(m, op, 2, x));
    NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x->rank, &axis));
    NNC_TRY(nnc_infer_tensor(m, op, 2, &u));
    bool ok = i.rank == x->rank && u.rank == i.rank;
    for (int k = 0; ok && k < i.rank; k++)
        ok = nnc_dim_meet(m->dims, i.dim[k], u.dim[k], &d) &&
             (k == axis || !surely_above(m->dims, i.dim[k], x->dim[k]));
    if (!ok)
        return nnc_infer_error(m, op, "%s with indices %s and updates %s along axis %d",
                               nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 1),
                               nnc_infer_text(m, op, 2), axis);
    return check_reduction(m, op);
}

static nnc_status same_scatter_nd(nnc_module *m, nnc_op op, const nnc_type_rec *x)
{
    nnc_type_rec i, u;
    nnc_dim d;
    NNC_TRY(index_operand(m, op, &i));
    NNC_TRY(update_dtype(m, op, 2, x));
    NNC_TRY(nnc_infer_tensor(m, op, 2, &u));
    int64_t depth = i.rank && nnc_dim_is_const(i.dim[i.rank - 1]) ? i.dim[i.rank - 1] : -1;
    bool ok = depth >= 0 && depth <= x->rank && u.rank == i.rank - 1 + x->rank - (int)depth;
    for (int k = 0; ok && k < u.rank; k++)
        ok = nnc_dim_meet(m->dims, u.dim[k],
                          k < i.rank - 1 ? i.dim[k] : x->dim[k - (i.rank - 1) + (int)depth], &d);
    if (!ok)
        return nnc_infer_error(m, op, "%s with indices %s and updates %s", nnc_infer_text(m, op, 0),
                               nnc_infer_text(m, op, 1), nnc_infer_text(m, op, 2));
    return check_reduction(m, op);
}

static nnc_status same_update_slice(nnc_module *m, nnc_op op, const nnc_type_rec *x)
{
    nnc_type_rec u;
    NNC_TRY(update_dtype(m, op, 1, x));
    NNC_TRY(nnc_infer_tensor(m, op, 1, &u));
    NNC_TRY(nnc_infer_operand(m, op, 2, NNC_DT_i64, 1, "start"));
    bool ok = u.rank == x->rank && nnc_value_ty(m, nnc_op_in(m, op, 2))->dim[0] == x->rank;
    for (int k = 0; ok && k < u.rank; k++)
        ok = !surely_above(m->dims, u.dim[k], x->dim[k]);
    if (!ok)
        return nnc_infer_error(m, op, "a window %s of %s at %s", nnc_infer_text(m, op, 1),
                               nnc_infer_text(m, op, 0), nnc_infer_text(m, op, 2));
    return NNC_OK;
}

static nnc_status is_float(nnc_module *m, nnc_op op)
{
    if (nnc_dtype_is_float((nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 0))->dtype))
        return NNC_OK;
    return nnc_infer_error(m, op, "operand 0 has type %s, needs a float", nnc_infer_text(m, op, 0));
}

static nnc_status same_extra(nnc_module *m, nnc_op op, const nnc_type_rec *x, nnc_type *out)
{
    int axis;
    nnc_word kind;
    switch (nnc_op_code(m, op)) {
    case NNC_OP_scatter_elements: return same_scatter_elements(m, op, x);
    case NNC_OP_scatter_nd: return same_scatter_nd(m, op, x);
    case NNC_OP_dynamic_update_slice: return same_update_slice(m, op, x);
    case NNC_OP_cumulate:
        NNC_TRY(nnc_infer_axis(m, op, NNC_W_axis, x->rank, &axis));
        kind = nnc_attr_word(m, op, NNC_W_kind, NNC_W_none0);
        if (kind != NNC_W_add && kind != NNC_W_mul)
            return nnc_infer_error(m, op, "kind '%s', must be add or mul",
                                   nnc_sym_str(m, nnc_w(kind)));
        return NNC_OK;
    case NNC_OP_softmax:
    case NNC_OP_log_softmax:
    case NNC_OP_layer_norm:
        NNC_TRY(is_float(m, op));
        return nnc_infer_axis(m, op, NNC_W_axis, x->rank, &axis);
    case NNC_OP_gelu:
    case NNC_OP_leaf:
    case NNC_OP_stop_grad:
    case NNC_OP_softplus: return is_float(m, op);
    case NNC_OP_fma:
    case NNC_OP_mulhi:
    case NNC_OP_rshift_round:
    case NNC_OP_add_sat: return nnc_infer_broadcast(m, op, out); /* K: as any binary op */
    case NNC_OP_not:
        if (!nnc_dtype_is_float((nnc_dtype)x->dtype))
            return NNC_OK;
        return nnc_infer_error(m, op, "operand 0 has type %s, needs bool or an integer",
                               nnc_infer_text(m, op, 0));
    default: return NNC_OK;
    }
}

nnc_status nnc_infer_same(nnc_module *m, nnc_op op, nnc_type *out)
{
    const nnc_type_rec x = *nnc_value_ty(m, nnc_op_in(m, op, 0));
    if (x.kind != NNC_TYPE_tensor && x.kind != NNC_TYPE_scalar)
        return nnc_infer_error(m, op, "operand 0 has type %s, needs a tensor or scalar",
                               nnc_infer_text(m, op, 0));
    out[0] = nnc_value_type(m, nnc_op_in(m, op, 0));
    return same_extra(m, op, &x, out);
}
