/* Views, data movement and select: the adjoint puts g back where the elements came from. */
#include "passes/autodiff/ad.h"

static nnc_value cotangent(nnc_ad *x, nnc_op op)
{
    return nnc_ad_get(x, nnc_op_out(x->m, op, 0));
}

/* The op itself on tangents; operands without one are zeros, integers stay. */
nnc_status nnc_ad_linear_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nin(m, op);
    nnc_value *in = nnc_arena_array(x->a, n, sizeof *in), y = nnc_op_out(m, op, 0);
    nnc_type out = nnc_value_type(m, y);
    bool any = false;

    for (unsigned i = 0; i < n; i++)
        any |= nnc_ad_get(x, nnc_op_in(m, op, i)).id != 0;
    if (!any)
        return NNC_OK;
    for (unsigned i = 0; i < n; i++) {
        in[i] = nnc_op_in(m, op, i);
        if (nnc_ad_is_float(x, in[i]))
            in[i] = nnc_ad_full(x, in[i]);
    }
    nnc_op t = nnc_build_op(&x->b, nnc_op_code(m, op), n, in, 1, &out);
    nnc_attr_copy(m, t, op);
    nnc_ad_set(x, y, nnc_op_out(m, t, 0));
    return NNC_OK;
}

nnc_status nnc_ad_cast_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0);
    nnc_ad_add(x, from,
               nnc_g_cast(&x->b, cotangent(x, op), (nnc_dtype)nnc_value_ty(x->m, from)->dtype));
    return NNC_OK;
}

nnc_status nnc_ad_reshape_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0);
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    nnc_ad_add(x, from, nnc_ad_reshape(x, cotangent(x, op), &ty));
    return NNC_OK;
}

nnc_status nnc_ad_transpose_vjp(nnc_ad *x, nnc_op op)
{
    unsigned n;
    const int64_t *perm = nnc_attr_ints(x->m, op, NNC_W_perm, &n);
    int64_t back[NNC_MAX_RANK];

    for (unsigned i = 0; i < n; i++)
        back[perm[i]] = i;
    nnc_ad_add(x, nnc_op_in(x->m, op, 0), nnc_g_transpose(&x->b, cotangent(x, op), back));
    return NNC_OK;
}

nnc_status nnc_ad_broadcast_vjp(nnc_ad *x, nnc_op op)
{
    nnc_ad_add(x, nnc_op_in(x->m, op, 0), cotangent(x, op)); /* the sum is unbroadcast's */
    return NNC_OK;
}

/* step - 1 zeros between the elements along axis d. */
nnc_value nnc_ad_dilate(nnc_ad *x, nnc_value g, int d, int64_t step)
{
    nnc_type_rec ty = nnc_ad_ty(x, g);
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0}, n = ty.dim[d];

    for (int i = ty.rank; i > d + 1; i--)
        ty.dim[i] = ty.dim[i - 1];
    ty.dim[d + 1] = 1;
    ty.rank++;
    hi[d + 1] = step - 1;
    g = nnc_g_pad(&x->b, nnc_ad_reshape(x, g, &ty), nnc_ad_like(x, g, 0), lo, hi, NNC_W_constant);
    ty.rank--;
    ty.dim[d] = nnc_dim_mul(x->m->dims, n, step);
    for (int i = d + 1; i < ty.rank; i++)
        ty.dim[i] = ty.dim[i + 1];
    g = nnc_ad_reshape(x, g, &ty);
    return nnc_g_slice_axis(&x->b, g, d, 0, 1,
                            nnc_dim_sub(x->m->dims, ty.dim[d], step - 1)); /* none behind */
}

nnc_status nnc_ad_slice_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_dims *t = m->dims;
    nnc_value from = nnc_op_in(m, op, 0), g = cotangent(x, op);
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    nnc_dim lo[NNC_MAX_RANK], hi[NNC_MAX_RANK];

    for (int d = 0; d < ty.rank; d++) {
        unsigned n;
        nnc_dim size = nnc_ad_ty(x, nnc_op_out(m, op, 0)).dim[d];
        int64_t step = nnc_attr_ints(m, op, NNC_W_step, &n)[d];
        lo[d] = nnc_attr_ints(m, op, NNC_W_start, &n)[d];
        if (step < 0) { /* the same elements, counted from the other end */
            g = nnc_g_flip(&x->b, g, d);
            lo[d] = nnc_dim_sub(t, lo[d], nnc_dim_mul(t, nnc_dim_sub(t, size, 1), -step));
            step = -step;
        }
        if (step > 1 && size != 1) {
            if (ty.rank == NNC_MAX_RANK)
                return nnc_ad_error(
                    x, op, "the derivative of a slice with steps needs rank %d or less, has %d",
                    NNC_MAX_RANK - 1, ty.rank);
            g = nnc_ad_dilate(x, g, d, step);
        }
        hi[d] = nnc_dim_sub(t, nnc_dim_sub(t, ty.dim[d], lo[d]), nnc_ad_ty(x, g).dim[d]);
    }
    nnc_ad_add(x, from, nnc_g_pad(&x->b, g, nnc_ad_like(x, g, 0), lo, hi, NNC_W_constant));
    return NNC_OK;
}

nnc_status nnc_ad_prefix_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0), g = cotangent(x, op);
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};

    hi[axis] = nnc_dim_sub(x->m->dims, ty.dim[axis], nnc_ad_ty(x, g).dim[axis]);
    nnc_ad_add(x, from, nnc_g_pad(&x->b, g, nnc_ad_like(x, g, 0), lo, hi, NNC_W_constant));
    return NNC_OK;
}

static nnc_value all_sum(nnc_ad *x, nnc_value v)
{
    static const int64_t axes[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    return nnc_ad_sum(x, v, nnc_value_ty(x->m, v)->rank, axes, false);
}

/* Padding that repeats elements: the same pad of their numbers says where each result came from. */
static void pad_by_number(nnc_ad *x, nnc_op op, nnc_value from, nnc_value g)
{
    nnc_module *m = x->m;
    nnc_builder *b = &x->b;
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    nnc_dim n = nnc_type_size(m, nnc_value_type(m, from)),
            ng = nnc_type_size(m, nnc_value_type(m, g)), column[2] = {ng, 1};
    nnc_value number = nnc_g_reshape(b, nnc_g_iota(b, NNC_DT_i64, 1, &n, 0), ty.rank, ty.dim);
    nnc_value in[2] = {number, nnc_g_int(b, NNC_DT_i64, 0)}, flat;
    nnc_type out;
    const nnc_type_rec tg = nnc_ad_ty(x, g);

    out = nnc_type_tensor(m, NNC_DT_i64, tg.rank, tg.dim);
    nnc_op p = nnc_build_op(b, NNC_OP_pad, 2, in, 1, &out);
    nnc_attr_copy(m, p, op);
    flat = nnc_g_reshape(b, nnc_ad_base(x, from), 1, &n);
    flat = nnc_g_scatter_nd(b, flat, nnc_g_reshape(b, nnc_op_out(m, p, 0), 2, column),
                            nnc_g_reshape(b, g, 1, &ng), NNC_W_add);
    nnc_ad_set(x, from, nnc_g_reshape(b, flat, ty.rank, ty.dim));
}

nnc_status nnc_ad_pad_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value from = nnc_op_in(m, op, 0), value = nnc_op_in(m, op, 1), g = cotangent(x, op), part;
    const nnc_type_rec ty = nnc_ad_ty(x, from);
    nnc_dim lo[NNC_MAX_RANK];
    int64_t step[NNC_MAX_RANK];
    unsigned n;

    if (nnc_attr_word(m, op, NNC_W_mode, NNC_W_constant) != NNC_W_constant) {
        if (nnc_ad_active(x, from))
            pad_by_number(x, op, from, g);
        return NNC_OK;
    }
    for (int d = 0; d < ty.rank; d++) {
        lo[d] = nnc_attr_ints(m, op, NNC_W_lo, &n)[d];
        step[d] = 1;
    }
    part = nnc_g_slice(&x->b, g, lo, step, ty.dim);
    nnc_ad_add(x, from, part);
    if (nnc_ad_active(x, value))
        nnc_ad_add(x, value, nnc_ad_op2(x, NNC_OP_sub, all_sum(x, g), all_sum(x, part)));
    return NNC_OK;
}

nnc_status nnc_ad_concat_vjp(nnc_ad *x, nnc_op op)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_value g = cotangent(x, op);
    nnc_dim at = 0;

    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++) {
        nnc_value v = nnc_op_in(x->m, op, i);
        nnc_dim size = nnc_ad_ty(x, v).dim[axis];
        if (nnc_ad_active(x, v))
            nnc_ad_add(x, v, nnc_g_slice_axis(&x->b, g, axis, at, 1, size));
        at = nnc_dim_add(x->m->dims, at, size);
    }
    return NNC_OK;
}

nnc_status nnc_ad_select_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value c = nnc_op_in(x->m, op, 0), g = cotangent(x, op), zero = nnc_ad_like(x, g, 0);

    if (nnc_ad_active(x, nnc_op_in(x->m, op, 1)))
        nnc_ad_add(x, nnc_op_in(x->m, op, 1), nnc_g_select(&x->b, c, g, zero));
    if (nnc_ad_active(x, nnc_op_in(x->m, op, 2)))
        nnc_ad_add(x, nnc_op_in(x->m, op, 2), nnc_g_select(&x->b, c, zero, g));
    return NNC_OK;
}

nnc_status nnc_ad_select_jvp(nnc_ad *x, nnc_op op)
{
    nnc_value c = nnc_op_in(x->m, op, 0), y = nnc_op_out(x->m, op, 0), side[2];
    const nnc_type_rec ty = nnc_ad_ty(x, y);
    bool any = false;

    for (unsigned i = 0; i < 2; i++) {
        side[i] = nnc_ad_get(x, nnc_op_in(x->m, op, 1 + i));
        any |= side[i].id != 0;
        if (!side[i].id)
            side[i] = nnc_ad_like(x, y, 0);
    }
    if (any)
        nnc_ad_set(x, y, nnc_ad_broadcast(x, nnc_g_select(&x->b, c, side[0], side[1]), &ty));
    return NNC_OK;
}
