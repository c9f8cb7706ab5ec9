/* frontend/onnx/live.c - what is needed: does a dimension matter, and away with ops that nobody reads.
 *
 * A dimension of unknown size is only a problem when something that is needed depends on it: an op that leads to an
 * output or to a check, and that reads or makes a tensor of such a shape or asks for the size.  Inner regions count
 * with the op that holds them. */
#include "frontend/onnx/import_priv.h"

struct live {
    nnc_onnx_cx *cx;
    nnc_dim dim;
    uint8_t *needed; /* by value id */
    bool found;
};

static bool mentions(nnc_onnx_cx *cx, nnc_dim d, nnc_dim symbol)
{
    uint32_t n;
    if (d == symbol)
        return true;
    if (nnc_dim_is_const(d))
        return false;
    const nnc_dim_term *t = nnc_dim_terms(cx->dims, d, &n);
    nnc_sym name;
    nnc_dim_is_symbol(cx->dims, symbol, &name);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t[i].natom; k++) {
            nnc_dim_atom a = nnc_dim_atom_get(cx->dims, t[i].atom[k]);
            if (a.op == '$' ? nnc_dim_symbol_name(cx->dims, (uint32_t)a.a).id == name.id
                            : mentions(cx, a.a, symbol) || mentions(cx, a.b, symbol))
                return true;
        }
    return false;
}

static void look_at(struct live *l, nnc_value v)
{
    nnc_type_rec ty = nnc_cx_ty(l->cx, v);
    for (int i = 0; i < ty.rank; i++)
        l->found |= mentions(l->cx, ty.dim[i], l->dim);
}

/* All of a region is taken as needed when its op is. */
static void need_op(struct live *l, nnc_op op);

static void need_region(struct live *l, nnc_block b)
{
    for (nnc_op op = nnc_block_first(l->cx->m, b); op.id && !l->found;
         op = nnc_op_next(l->cx->m, op))
        need_op(l, op);
}

static void need_op(struct live *l, nnc_op op)
{
    nnc_module *m = l->cx->m;
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i);
        l->needed[v.id] = 1;
        look_at(l, v);
    }
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        look_at(l, nnc_op_out(m, op, i));
    if (nnc_op_code(m, op) == NNC_OP_extent)
        l->found |= mentions(l->cx, nnc_attr_int(m, op, NNC_W_dim, 0), l->dim);
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        need_region(l, nnc_op_region(m, op, r));
}

bool nnc_import_dim_matters(nnc_onnx_cx *cx, nnc_block body, nnc_dim d)
{
    struct live l = {cx, d, nnc_arena_alloc(cx->a, cx->m->value.n), false};
    for (nnc_op op = nnc_block_last(cx->m, body); op.id && !l.found; op = nnc_op_prev(cx->m, op)) {
        bool used = !nnc_op_has(cx->m, op, NNC_PURE);
        for (unsigned i = 0; i < nnc_op_nout(cx->m, op); i++)
            used |= l.needed[nnc_op_out(cx->m, op, i).id] != 0;
        if (used)
            need_op(&l, op);
    }
    return l.found;
}

/* Backwards, so that a whole dead chain goes in one sweep. */
void nnc_import_sweep(nnc_onnx_cx *cx, nnc_block body)
{
    nnc_module *m = cx->m;
    nnc_op prev;
    for (nnc_op op = nnc_block_last(m, body); op.id; op = prev) {
        bool used = !nnc_op_has(m, op, NNC_PURE);
        if (nnc_op_code(m, op) == NNC_OP_prefix) /* its symbol may be asked for; pass dce knows */
            used = true;
        prev = nnc_op_prev(m, op);
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            used |= nnc_value_nuse(m, nnc_op_out(m, op, i)) != 0;
        if (!used)
            nnc_op_erase(m, op);
        for (unsigned r = 0; used && r < nnc_op_nregion(m, op); r++)
            nnc_import_sweep(cx, nnc_op_region(m, op, r));
    }
}
