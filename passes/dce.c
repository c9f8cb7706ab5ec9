/* Drop pure ops nobody reads.
 *
 * Each block is walked backwards: when an op is visited its dead users are gone already, so a whole dead chain falls in
 * one sweep.  `if`, `while`, `scan` and `fused` go when nothing inside them has an effect.  A `prefix` defines a symbol,
 * so it stays as long as some type or attribute mentions that symbol. */
#include "passes/clean.h"
#include <string.h>

static bool dim_mentions(nnc_dims *t, nnc_dim d, int64_t sym)
{
    uint32_t n;

    if (nnc_dim_is_const(d))
        return false;
    const nnc_dim_term *term = nnc_dim_terms(t, d, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < term[i].natom; k++) {
            nnc_dim_atom a = nnc_dim_atom_get(t, term[i].atom[k]);
            if (a.op == '$' ? a.a == sym : dim_mentions(t, a.a, sym) || dim_mentions(t, a.b, sym))
                return true;
        }
    return false;
}

static bool op_mentions(nnc_module *m, nnc_op op, int64_t sym)
{
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        const nnc_type_rec *ty = nnc_value_ty(m, nnc_op_out(m, op, i));
        for (int d = 0; d < ty->rank; d++)
            if (dim_mentions(m->dims, ty->dim[d], sym))
                return true;
    }
    return nnc_op_code(m, op) == NNC_OP_extent &&
           dim_mentions(m->dims, nnc_attr_int(m, op, NNC_W_dim, 0), sym);
}

static bool block_mentions(nnc_module *m, nnc_block b, int64_t sym, nnc_op except)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (op.id != except.id && op_mentions(m, op, sym))
            return true;
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            if (block_mentions(m, nnc_op_region(m, op, i), sym, except))
                return true;
    }
    return false;
}

static bool defines_needed_symbol(nnc_module *m, nnc_op op)
{
    const nnc_type_rec *ty = nnc_value_ty(m, nnc_op_out(m, op, 0));
    nnc_dim d = ty->rank ? ty->dim[nnc_attr_int(m, op, NNC_W_axis, 0)] : 0;
    nnc_sym name;
    uint32_t n;

    if (nnc_dim_is_const(d) || !nnc_dim_is_symbol(m->dims, d, &name))
        return false;
    return block_mentions(m, m->top,
                          nnc_dim_atom_get(m->dims, nnc_dim_terms(m->dims, d, &n)->atom[0]).a, op);
}

static bool block_has_effects(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) != NNC_OP_yield && !nnc_op_is_pure(m, op))
            return true;
    return false;
}

bool nnc_op_is_pure(const nnc_module *m, nnc_op op)
{
    switch (nnc_op_code(m, op)) {
    case NNC_OP_if:
    case NNC_OP_while:
    case NNC_OP_scan:
    case NNC_OP_fused:
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            if (block_has_effects(m, nnc_op_region(m, op, i)))
                return false;
        return true;
    default: return nnc_op_has(m, op, NNC_PURE);
    }
}

static bool is_dead(nnc_module *m, nnc_op op)
{
    if (nnc_op_code(m, op) == NNC_OP_graph || nnc_op_code(m, op) == NNC_OP_kernel ||
        nnc_op_has(m, op, NNC_TERMINATOR))
        return false;
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        if (nnc_value_nuse(m, nnc_op_out(m, op, i)))
            return false;
    if (!nnc_op_is_pure(m, op))
        return false;
    return nnc_op_code(m, op) != NNC_OP_prefix || !defines_needed_symbol(m, op);
}

static void sweep(nnc_pass_cx *cx, nnc_block b)
{
    nnc_module *m = cx->m;
    nnc_op prev;

    for (nnc_op op = nnc_block_last(m, b); op.id; op = prev) {
        prev = nnc_op_prev(m, op);
        if (nnc_op_code(m, op) == NNC_OP_kernel)
            continue;
        if (is_dead(m, op)) {
            nnc_op_erase(m, op);
            cx->changed++;
            continue;
        }
        if (nnc_op_drop_results(cx, op)) /* the new one stands where the old one stood */
            op = prev.id ? nnc_op_next(m, prev) : nnc_block_first(m, b);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            sweep(cx, nnc_op_region(m, op, i));
    }
}

nnc_status nnc_pass_dce(nnc_pass_cx *cx)
{
    sweep(cx, cx->m->top);
    return NNC_OK;
}
