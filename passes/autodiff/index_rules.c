/* Gathers, scatters, windows at run-time positions, sorting.
 *
 * The adjoint of a gather adds into what x has received so far, so a table that is read many times (in a loop above all)
 * costs its rows, not its size, each time.  Gathers clamp their indices and scatters ignore those out of range: adjoints
 * do the same with the same elements. */
#include "passes/autodiff/ad.h"
#include <string.h>

static nnc_value cotangent(nnc_ad *x, nnc_op op)
{
    return nnc_ad_get(x, nnc_op_out(x->m, op, 0));
}

static nnc_dtype dtype_of(const nnc_ad *x, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(x->m, v)->dtype;
}

/* dims[0 .. n) as a vector. */
static nnc_value sizes(nnc_ad *x, unsigned n, const nnc_dim *dim, nnc_dtype dt)
{
    nnc_value part[NNC_MAX_RANK];
    nnc_dim one = 1;

    for (unsigned i = 0; i < n; i++)
        part[i] = nnc_g_reshape(&x->b, nnc_g_cast(&x->b, nnc_g_extent(&x->b, dim[i]), dt), 1, &one);
    for (unsigned i = 0; i < n; i++)
        if (!nnc_dim_is_const(dim[i]))
            return nnc_g_concat(&x->b, n, part, 0);
    return n == 1 ? nnc_g_cast(&x->b, nnc_g_int(&x->b, NNC_DT_i64, dim[0]), dt)
                  : nnc_g_cast(&x->b, nnc_g_ints(&x->b, n, dim), dt);
}

/* Index components along the last axis (or a single one) kept inside [0, size). */
static nnc_value clamped(nnc_ad *x, nnc_value i, unsigned n, const nnc_dim *dim)
{
    nnc_op from = nnc_value_op(x->m, i);
    nnc_opcode code = from.id ? nnc_op_code(x->m, from) : NNC_OP_none;
    nnc_dtype dt = dtype_of(x, i);

    if (code == NNC_OP_argreduce || code == NNC_OP_topk || code == NNC_OP_sort)
        return i;
    nnc_value top = nnc_ad_op2(x, NNC_OP_sub, sizes(x, n, dim, dt), nnc_g_int(&x->b, dt, 1));
    i = nnc_ad_op2(x, NNC_OP_min, i, top);
    return nnc_ad_op2(x, NNC_OP_max, i, nnc_g_int(&x->b, dt, 0));
}

/* i[b.., s.., n] with the numbers of its `batch` leading dims put before the components. */
static nnc_value with_batch(nnc_ad *x, nnc_value i, int batch)
{
    nnc_type_rec ty = nnc_ad_ty(x, i);
    nnc_value part[NNC_MAX_RANK + 1];

    if (!batch)
        return i;
    ty.dim[ty.rank - 1] = 1;
    for (int k = 0; k < batch; k++)
        part[k] = nnc_g_iota(&x->b, (nnc_dtype)ty.dtype, ty.rank, ty.dim, k);
    part[batch] = i;
    return nnc_g_concat(&x->b, (unsigned)batch + 1, part, ty.rank - 1);
}

/* perm puts dims [from, from + n) of `rank` at `to` <= from. */
static void move_dims(int rank, int from, int n, int to, int64_t *perm, int64_t *back)
{
    int at = 0;

    for (int d = 0; d < to; d++)
        perm[at++] = d;
    for (int d = 0; d < n; d++)
        perm[at++] = from + d;
    for (int d = to; d < rank; d++)
        if (d < from || d >= from + n)
            perm[at++] = d;
    for (int d = 0; d < rank; d++)
        back[perm[d]] = d;
}

nnc_status nnc_ad_gather_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value from = nnc_op_in(m, op, 0), i = nnc_op_in(m, op, 1), g = cotangent(x, op), base;
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0),
        batch = (int)nnc_attr_int(m, op, NNC_W_batch_dims, 0);
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    nnc_type_rec ti = nnc_ad_ty(x, i);
    int64_t perm[NNC_MAX_RANK], back[NNC_MAX_RANK];

    if (!nnc_ad_active(x, from))
        return NNC_OK;
    if (ti.rank == NNC_MAX_RANK)
        return nnc_ad_error(x, op, "the derivative of a gather needs indices of rank %d or less",
                            NNC_MAX_RANK - 1);
    i = clamped(x, i, 1, &ty.dim[axis]);
    ti.dim[ti.rank++] = 1;
    i = with_batch(x, nnc_ad_reshape(x, i, &ti), batch);
    /* [b.., p.., j.., q..] to [b.., j.., p.., q..] */
    move_dims(nnc_ad_ty(x, g).rank, axis, ti.rank - 1 - batch, batch, perm, back);
    g = nnc_g_transpose(&x->b, g, perm);
    move_dims(ty.rank, axis, 1, batch, perm, back);
    base = nnc_g_transpose(&x->b, nnc_ad_base(x, from), perm);
    base = nnc_g_scatter_nd(&x->b, base, i, g, NNC_W_add);
    nnc_ad_set(x, from, nnc_g_transpose(&x->b, base, back));
    return NNC_OK;
}

nnc_status nnc_ad_gather_elements_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0), i = nnc_op_in(x->m, op, 1);
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    const nnc_type_rec ty = nnc_ad_ty(x, from);

    if (nnc_ad_active(x, from))
        nnc_ad_set(x, from,
                   nnc_g_scatter_elements(&x->b, nnc_ad_base(x, from),
                                          clamped(x, i, 1, &ty.dim[axis]), cotangent(x, op), axis,
                                          NNC_W_add));
    return NNC_OK;
}

nnc_status nnc_ad_gather_nd_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0), i = nnc_op_in(x->m, op, 1);
    int batch = (int)nnc_attr_int(x->m, op, NNC_W_batch_dims, 0);
    const nnc_type_rec ty = nnc_ad_ty(x, from), ti = nnc_ad_ty(x, i);

    if (!nnc_ad_active(x, from))
        return NNC_OK;
    i = clamped(x, i, (unsigned)ti.dim[ti.rank - 1], &ty.dim[batch]);
    nnc_ad_set(x, from,
               nnc_g_scatter_nd(&x->b, nnc_ad_base(x, from), with_batch(x, i, batch),
                                cotangent(x, op), NNC_W_add));
    return NNC_OK;
}

/* ---- scatters ---- */

/* The gather that reads what the scatter `op` wrote, from t. */
static nnc_value read_back(nnc_ad *x, nnc_op op, nnc_value t)
{
    nnc_value i = nnc_op_in(x->m, op, 1);
    if (nnc_op_code(x->m, op) == NNC_OP_scatter_nd)
        return nnc_g_gather_nd(&x->b, t, i, 0);
    return nnc_g_gather_elements(&x->b, t, i, (int)nnc_attr_int(x->m, op, NNC_W_axis, 0));
}

static nnc_value write(nnc_ad *x, nnc_op op, nnc_value t, nnc_value u, nnc_word reduction)
{
    nnc_value i = nnc_op_in(x->m, op, 1);
    if (nnc_op_code(x->m, op) == NNC_OP_scatter_nd)
        return nnc_g_scatter_nd(&x->b, t, i, u, reduction);
    return nnc_g_scatter_elements(&x->b, t, i, u, (int)nnc_attr_int(x->m, op, NNC_W_axis, 0),
                                  reduction);
}

/* bool, broadcasts to the updates: is the index in range? */
static nnc_value inside(nnc_ad *x, nnc_op op)
{
    nnc_value i = nnc_op_in(x->m, op, 1);
    const nnc_type_rec ty = nnc_ad_ty(x, nnc_op_in(x->m, op, 0));
    nnc_type_rec ti = nnc_ad_ty(x, i), tu = nnc_ad_ty(x, nnc_op_in(x->m, op, 2));
    bool nd = nnc_op_code(x->m, op) == NNC_OP_scatter_nd;
    unsigned n = nd ? (unsigned)ti.dim[ti.rank - 1] : 1;
    int axis = nd ? 0 : (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_value size = sizes(x, n, &ty.dim[axis], (nnc_dtype)ti.dtype);
    nnc_value in = nnc_ad_op2(x, NNC_OP_and,
                              nnc_ad_op2(x, NNC_OP_le, nnc_g_int(&x->b, (nnc_dtype)ti.dtype, 0), i),
                              nnc_ad_op2(x, NNC_OP_lt, i, size));

    if (!nd)
        return in;
    int64_t last = ti.rank - 1;
    in = nnc_g_reduce(&x->b, NNC_W_and, in, 1, &last, false);
    for (int d = (int)last; d < tu.rank; d++)
        tu.dim[d] = 1;
    return nnc_ad_reshape(x, in, &tu);
}

/* Which update a cell of the result comes from: its number, -1 where x stayed.  *hit: did this update win? */
static nnc_value winner(nnc_ad *x, nnc_op op, nnc_word reduction, nnc_value *hit)
{
    nnc_module *m = x->m;
    nnc_value u = nnc_op_in(m, op, 2), y = nnc_op_out(m, op, 0), id, none, won;
    const nnc_type_rec tu = nnc_ad_ty(x, u), ty = nnc_ad_ty(x, y);
    nnc_dim n = nnc_type_size(m, nnc_value_type(m, u));

    none = nnc_g_int(&x->b, NNC_DT_i64, -1);
    id = nnc_ad_reshape(x, nnc_g_iota(&x->b, NNC_DT_i64, 1, &n, 0), &tu);
    if (reduction != NNC_W_none) /* only updates that are the extreme compete */
        won = nnc_g_select(&x->b, nnc_ad_op2(x, NNC_OP_eq, u, read_back(x, op, y)), id, none);
    else
        won = id;
    won = write(x, op, nnc_ad_broadcast(x, none, &ty), won, NNC_W_max);
    *hit = nnc_ad_op2(x, NNC_OP_and, nnc_ad_op2(x, NNC_OP_eq, read_back(x, op, won), id),
                      inside(x, op));
    return won;
}

/* dy/du of a product: the others, also when some are zero. */
static nnc_value other_factors(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value u = nnc_op_in(m, op, 2), zero = nnc_ad_like(x, u, 0), one = nnc_ad_like(x, u, 1);
    nnc_value is_zero = nnc_ad_op2(x, NNC_OP_eq, u, zero);
    nnc_value safe = nnc_g_select(&x->b, is_zero, one, u);
    nnc_value product = read_back(x, op, write(x, op, nnc_op_in(m, op, 0), safe, NNC_W_mul));
    nnc_value count = nnc_ad_zeros(x, nnc_value_type(m, nnc_op_out(m, op, 0)));
    nnc_value alone, none, r;

    count = read_back(x, op,
                      write(x, op, count, nnc_g_cast(&x->b, is_zero, dtype_of(x, u)), NNC_W_add));
    alone = nnc_ad_op2(x, NNC_OP_eq, count, one);
    none = nnc_ad_op2(x, NNC_OP_eq, count, zero);
    r = nnc_g_select(&x->b, is_zero, nnc_g_select(&x->b, alone, product, zero),
                     nnc_g_select(&x->b, none, nnc_ad_op2(x, NNC_OP_div, product, safe), zero));
    return nnc_g_select(&x->b, inside(x, op), r, zero);
}

nnc_status nnc_ad_scatter_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value to = nnc_op_in(m, op, 0), u = nnc_op_in(m, op, 2), g = cotangent(x, op);
    nnc_value zero = nnc_ad_like(x, g, 0), hit, won;
    nnc_word reduction = nnc_attr_word(m, op, NNC_W_reduction, NNC_W_none);

    switch (reduction) {
    case NNC_W_add:
        nnc_ad_add(x, to, g);
        if (nnc_ad_active(x, u))
            nnc_ad_add(x, u, nnc_g_select(&x->b, inside(x, op), read_back(x, op, g), zero));
        return NNC_OK;
    case NNC_W_mul:
        if (nnc_ad_active(x, to))
            nnc_ad_add(x, to, write(x, op, g, u, NNC_W_mul));
        if (nnc_ad_active(x, u))
            nnc_ad_add(x, u, nnc_ad_op2(x, NNC_OP_mul, read_back(x, op, g), other_factors(x, op)));
        return NNC_OK;
    default: break;
    }
    won = winner(x, op, reduction, &hit);
    if (nnc_ad_active(x, to)) {
        nnc_value stayed = nnc_ad_op2(x, NNC_OP_lt, won, nnc_g_int(&x->b, NNC_DT_i64, 0));
        nnc_ad_add(x, to, nnc_g_select(&x->b, stayed, g, zero));
    }
    if (nnc_ad_active(x, u))
        nnc_ad_add(x, u, nnc_g_select(&x->b, hit, read_back(x, op, g), zero));
    return NNC_OK;
}

nnc_status nnc_ad_scatter_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_word reduction = nnc_attr_word(m, op, NNC_W_reduction, NNC_W_none);
    nnc_value to = nnc_op_in(m, op, 0), u = nnc_op_in(m, op, 2), y = nnc_op_out(m, op, 0);
    nnc_value dx = nnc_ad_get(x, to), du = nnc_ad_get(x, u), zero = nnc_ad_like(x, y, 0), t, hit,
              won;

    if (!dx.id && !du.id)
        return NNC_OK;
    if (reduction == NNC_W_add || reduction == NNC_W_none)
        return nnc_ad_linear_jvp(x, op);
    dx = nnc_ad_full(x, to);
    if (reduction == NNC_W_mul) {
        t = write(x, op, dx, u, NNC_W_mul);
        if (du.id)
            du = nnc_ad_op2(x, NNC_OP_mul, du, other_factors(x, op));
    } else {
        won = winner(x, op, reduction, &hit);
        t = nnc_g_select(&x->b, nnc_ad_op2(x, NNC_OP_lt, won, nnc_g_int(&x->b, NNC_DT_i64, 0)), dx,
                         zero);
        if (du.id)
            du = nnc_g_select(&x->b, hit, du, zero);
    }
    nnc_ad_set(x, y, du.id ? write(x, op, t, du, NNC_W_add) : t);
    return NNC_OK;
}

/* ---- windows ---- */

nnc_status nnc_ad_dynamic_slice_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0), start = nnc_op_in(x->m, op, 1), g = cotangent(x, op);
    nnc_value old = nnc_ad_get(x, from);
    const nnc_type_rec ty = nnc_ad_ty(x, g);

    if (!nnc_ad_active(x, from))
        return NNC_OK;
    if (old.id)
        g = nnc_ad_op2(x, NNC_OP_add, nnc_g_dynamic_slice(&x->b, old, start, ty.dim), g);
    nnc_ad_set(x, from, nnc_g_dynamic_update_slice(&x->b, nnc_ad_base(x, from), g, start));
    return NNC_OK;
}

nnc_status nnc_ad_dynamic_update_slice_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value to = nnc_op_in(x->m, op, 0), u = nnc_op_in(x->m, op, 1), g = cotangent(x, op);
    nnc_value start = nnc_op_in(x->m, op, 2);
    const nnc_type_rec tu = nnc_ad_ty(x, u);

    if (nnc_ad_active(x, u))
        nnc_ad_add(x, u, nnc_g_dynamic_slice(&x->b, g, start, tu.dim));
    if (nnc_ad_active(x, to))
        nnc_ad_add(
            x, to,
            nnc_g_dynamic_update_slice(&x->b, g, nnc_ad_zeros(x, nnc_value_type(x->m, u)), start));
    return NNC_OK;
}

/* ---- sorting ---- */

/* The sort again with the positions as one more value, unless they are there; its last result is the permutation. */
static nnc_op with_positions(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nin(m, op);
    nnc_op last = nnc_value_op(m, nnc_op_in(m, op, n - 1)), made;
    int64_t axis = nnc_attr_int(m, op, NNC_W_axis, 0);
    nnc_value *in = nnc_arena_array(x->a, n + 1u, sizeof *in);
    nnc_type *out = nnc_arena_array(x->a, n + 1u, sizeof *out);
    nnc_builder b = nnc_builder_before(m, op);

    if (n > 1 && last.id && nnc_op_code(m, last) == NNC_OP_iota &&
        nnc_attr_int(m, last, NNC_W_axis, 0) == axis &&
        nnc_value_ty(m, nnc_op_out(m, last, 0))->dtype == NNC_DT_i64)
        return op;
    for (unsigned i = 0; i < n; i++) {
        in[i] = nnc_op_in(m, op, i);
        out[i] = nnc_value_type(m, nnc_op_out(m, op, i));
    }
    const nnc_type_rec ty = nnc_ad_ty(x, in[0]);
    in[n] = nnc_g_iota(&b, NNC_DT_i64, ty.rank, ty.dim, (int)axis);
    out[n] = nnc_value_type(m, in[n]);
    made = nnc_build_op(&b, NNC_OP_sort, n + 1, in, n + 1, out);
    nnc_attr_copy(m, made, op);
    return made;
}

static void replace_results(nnc_module *m, nnc_op op, nnc_op made)
{
    if (op.id == made.id)
        return;
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        nnc_value_replace(m, nnc_op_out(m, op, i), nnc_op_out(m, made, i));
    nnc_op_erase(m, op);
}

static nnc_value put_back(nnc_ad *x, nnc_value like, nnc_value i, nnc_value g, int axis)
{
    nnc_value r = nnc_g_scatter_elements(&x->b, nnc_ad_zeros(x, nnc_value_type(x->m, like)), i, g,
                                         axis, NNC_W_none);
    nnc_attr_set_int(x->m, nnc_value_op(x->m, r), NNC_W_unique, 1);
    return r;
}

nnc_status nnc_ad_sort_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_op made = with_positions(x, op);
    nnc_value perm = nnc_op_out(m, made, nnc_op_nout(m, made) - 1);
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i), g = nnc_ad_get(x, nnc_op_out(m, op, i));
        if (g.id && nnc_ad_active(x, v))
            nnc_ad_add(x, v, put_back(x, v, perm, g, axis));
    }
    replace_results(m, op, made);
    return NNC_OK;
}

nnc_status nnc_ad_sort_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_op made = with_positions(x, op);
    nnc_value perm = nnc_op_out(m, made, nnc_op_nout(m, made) - 1);
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value t = nnc_ad_get(x, nnc_op_in(m, op, i));
        if (t.id)
            nnc_ad_set(x, nnc_op_out(m, made, i), nnc_g_gather_elements(&x->b, t, perm, axis));
        if (nnc_ad_active(x, nnc_op_out(m, op, i)))
            nnc_ad_map_put(x->a, &x->active, nnc_op_out(m, made, i).id, 1);
    }
    replace_results(m, op, made);
    return NNC_OK;
}

nnc_status nnc_ad_topk_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0);
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_ad_add(x, from, put_back(x, from, nnc_op_out(x->m, op, 1), cotangent(x, op), axis));
    return NNC_OK;
}

nnc_status nnc_ad_topk_jvp(nnc_ad *x, nnc_op op)
{
    nnc_value t = nnc_ad_get(x, nnc_op_in(x->m, op, 0));
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    if (t.id)
        nnc_ad_set(x, nnc_op_out(x->m, op, 0),
                   nnc_g_gather_elements(&x->b, t, nnc_op_out(x->m, op, 1), axis));
    return NNC_OK;
}

/* Row r of x went to place (number of true before r); what lies behind the count is unspecified and gets nothing. */
nnc_status nnc_ad_compact_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value from = nnc_op_in(m, op, 0), mask = nnc_op_in(m, op, 1), g = cotangent(x, op), place;
    nnc_type_rec ty = nnc_ad_ty(x, from);

    place = nnc_g_cumulate(&x->b, NNC_W_add, nnc_g_cast(&x->b, mask, NNC_DT_i64), 0, true, false);
    g = nnc_g_gather(&x->b, g, place, 0, 0);
    for (int d = 1; d < ty.rank; d++)
        ty.dim[d] = 1;
    mask = nnc_ad_reshape(x, mask, &ty);
    nnc_ad_add(x, from, nnc_g_select(&x->b, mask, g, nnc_ad_like(x, g, 0)));
    return NNC_OK;
}

nnc_status nnc_ad_compact_jvp(nnc_ad *x, nnc_op op)
{
    nnc_value t = nnc_ad_get(x, nnc_op_in(x->m, op, 0)), out[2];
    if (!t.id)
        return NNC_OK;
    nnc_g_compact(&x->b, t, nnc_op_in(x->m, op, 1), out);
    nnc_ad_set(x, nnc_op_out(x->m, op, 0), out[0]);
    return NNC_OK;
}
