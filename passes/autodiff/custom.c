/* custom_grad: an adjoint that comes with the function.
 *
 * Reverse, `bwd` is copied to where the adjoint is needed.  Forward, its transpose is: bwd maps cotangents v to cotangents of
 * the operands, linearly, so the tangent of the results is the vjp of bwd by v. */
#include "passes/autodiff/ad.h"

/* Copy region bwd; cotangent argument i is v[i], yields go to *y. */
static void copy_backward(nnc_ad *x, nnc_op op, unsigned nv, const nnc_value *v, nnc_ad_values *y)
{
    nnc_module *m = x->m;
    nnc_block bwd = nnc_op_region(m, op, 1);
    nnc_ad_map_of map = nnc_ad_new_map(x);
    nnc_op end = nnc_block_last(m, bwd);
    unsigned nresult = (unsigned)nnc_attr_int(m, op, NNC_W_results, 0), at = 0;

    for (unsigned i = 0; i < nv; i++)
        map.to[nnc_block_arg(m, bwd, at++).id] = v[i];
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        map.to[nnc_block_arg(m, bwd, at++).id] = nnc_op_in(m, op, i);
    for (unsigned i = nresult; i < nnc_op_nout(m, op); i++)
        map.to[nnc_block_arg(m, bwd, at++).id] = nnc_op_out(m, op, i);
    nnc_block_clone(m, bwd, x->b.pos, map.to, map.n, false);
    for (unsigned i = 0; i < nnc_op_nin(m, end); i++)
        NNC_PUSH(x->a, y, nnc_ad_mapped(&map, nnc_op_in(m, end, i)));
}

/* Which operand does yielded cotangent i belong to? */
static unsigned operand_of(const nnc_ad *x, nnc_op op, unsigned i)
{
    unsigned n, at = 0;

    if (nnc_attr_find(x->m, op, NNC_W_wrt))
        return (unsigned)nnc_attr_ints(x->m, op, NNC_W_wrt, &n)[i];
    for (;; at++)
        if (nnc_ad_is_float(x, nnc_op_in(x->m, op, at)) && i-- == 0)
            return at;
}

/* Residual result i, when it is no constant: the result or operand that it is as well. */
static nnc_value same_as(const nnc_ad *x, nnc_op op, unsigned i)
{
    nnc_module *m = x->m;
    nnc_block fwd = nnc_op_region(m, op, 0);
    nnc_op end = nnc_block_last(m, fwd);
    unsigned nresult = (unsigned)nnc_attr_int(m, op, NNC_W_results, 0);
    nnc_value y = nnc_op_in(m, end, i);

    for (unsigned k = 0; k < nresult; k++)
        if (nnc_op_in(m, end, k).id == y.id)
            return nnc_op_out(m, op, k);
    for (unsigned k = 0; k < nnc_op_nin(m, op); k++)
        if (nnc_block_arg(m, fwd, k).id == y.id)
            return nnc_op_in(m, op, k);
    return (nnc_value){0};
}

nnc_status nnc_ad_custom_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned nresult = (unsigned)nnc_attr_int(m, op, NNC_W_results, 0);
    nnc_ad_values v = {0}, y = {0};
    bool any = false;

    for (unsigned i = nresult; i < nnc_op_nout(m, op); i++) {
        nnc_value same = same_as(x, op, i);
        if (same.id)
            nnc_ad_add(x, same, nnc_ad_get(x, nnc_op_out(m, op, i)));
    }
    for (unsigned i = 0; i < nresult; i++) {
        nnc_value r = nnc_op_out(m, op, i);
        if (!nnc_ad_is_float(x, r))
            continue;
        any |= nnc_ad_get(x, r).id != 0;
        NNC_PUSH(x->a, &v, nnc_ad_base(x, r));
    }
    if (!any)
        return NNC_OK;
    copy_backward(x, op, v.n, v.at, &y);
    for (uint32_t i = 0; i < y.n; i++)
        nnc_ad_add(x, nnc_op_in(m, op, operand_of(x, op, i)), y.at[i]);
    return NNC_OK;
}

nnc_status nnc_ad_custom_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned nresult = (unsigned)nnc_attr_int(m, op, NNC_W_results, 0), n = 0;
    nnc_ad_values v = {0}, y = {0}, ys = {0}, ts = {0};
    nnc_value *result = nnc_arena_array(x->a, nresult + 1u, sizeof *result);
    nnc_op pull;

    for (unsigned i = 0; i < nresult; i++)
        if (nnc_ad_is_float(x, nnc_op_out(m, op, i))) {
            nnc_value zero = nnc_ad_zeros(x, nnc_value_type(m, nnc_op_out(m, op, i)));
            nnc_op leaf;
            nnc_type t = nnc_value_type(m, zero);
            leaf = nnc_build_op(&x->b, NNC_OP_leaf, 1, &zero, 1, &t);
            NNC_PUSH(x->a, &v, nnc_op_out(m, leaf, 0));
        }
    copy_backward(x, op, v.n, v.at, &y);
    for (uint32_t i = 0; i < y.n; i++) {
        nnc_value t = nnc_ad_get(x, nnc_op_in(m, op, operand_of(x, op, i)));
        if (!t.id)
            continue;
        NNC_PUSH(x->a, &ys, y.at[i]);
        NNC_PUSH(x->a, &ts, t);
    }
    if (!ys.n)
        return NNC_OK;
    pull = nnc_g_vjp(&x->b, ys.n, ys.at, ts.at, v.n, v.at);
    nnc_attr_set_word(m, pull, NNC_W_mode, NNC_W_zero);
    NNC_TRY(nnc_ad_expand(m, x->a, pull, result));
    for (unsigned i = 0; i < nresult; i++)
        if (nnc_ad_is_float(x, nnc_op_out(m, op, i)))
            nnc_ad_set(x, nnc_op_out(m, op, i), result[n++]);
    for (unsigned i = nresult; i < nnc_op_nout(m, op); i++) {
        nnc_value same = same_as(x, op, i);
        if (same.id)
            nnc_ad_set(x, nnc_op_out(m, op, i), nnc_ad_get(x, same));
    }
    return NNC_OK;
}

/* ---- the end ---- */

static void dissolve_custom(nnc_module *m, nnc_arena *a, nnc_op op)
{
    nnc_block fwd = nnc_op_region(m, op, 0);
    nnc_op end = nnc_block_last(m, fwd);
    nnc_ad_map_of map = {.n = m->value.n};

    map.to = nnc_arena_array(a, map.n, sizeof *map.to);
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        map.to[nnc_block_arg(m, fwd, i).id] = nnc_op_in(m, op, i);
    nnc_block_clone(m, fwd, (nnc_pos){nnc_op_get(m, op)->block, op}, map.to, map.n, false);
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        nnc_value_replace(m, nnc_op_out(m, op, i), nnc_ad_mapped(&map, nnc_op_in(m, end, i)));
    nnc_op_erase(m, op);
}

void nnc_ad_dissolve(nnc_module *m, nnc_arena *a, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            nnc_ad_dissolve(m, a, nnc_op_region(m, op, i));
        switch (nnc_op_code(m, op)) {
        case NNC_OP_leaf:
        case NNC_OP_stop_grad:
            nnc_value_replace(m, nnc_op_out(m, op, 0), nnc_op_in(m, op, 0));
            nnc_op_erase(m, op);
            break;
        case NNC_OP_custom_grad: dissolve_custom(m, a, op); break;
        default: break;
        }
    }
}
