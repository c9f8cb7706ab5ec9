/* Views are followed to the alloc, constant or argument they show; distinct ones of those are distinct memory in K. */
#include "passes/kmem.h"

nnc_value nnc_buffer_root(const nnc_module *m, nnc_value b)
{
    nnc_op d;

    while ((d = nnc_value_op(m, b)).id && nnc_op_code(m, d) == NNC_OP_view)
        b = nnc_op_in(m, d, 0);
    return b;
}

nnc_value nnc_op_buffer(const nnc_module *m, nnc_op op)
{
    switch (nnc_op_code(m, op)) {
    case NNC_OP_load: return nnc_op_in(m, op, 0);
    case NNC_OP_store: return nnc_op_in(m, op, 1);
    default: return (nnc_value){0};
    }
}

bool nnc_buffer_is_cells(const nnc_module *m, nnc_value b)
{
    for (uint32_t u = nnc_value_get(m, b)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        if (nnc_op_buffer(m, op).id != b.id)
            return false;
        unsigned first = nnc_op_code(m, op) == NNC_OP_store ? 2 : 1;
        nnc_type t = first == 2 ? nnc_value_type(m, nnc_op_in(m, op, 0))
                                : nnc_value_type(m, nnc_op_out(m, op, 0));
        if (nnc_type_get(m, t)->lanes != nnc_value_ty(m, b)->lanes)
            return false;
        for (unsigned i = first; i < nnc_op_nin(m, op); i++)
            if (!nnc_value_is_const(m, nnc_op_in(m, op, i)))
                return false;
    }
    return true;
}

bool nnc_op_writes_buffer(const nnc_module *m, nnc_op op, nnc_value root)
{
    switch (nnc_op_code(m, op)) {
    case NNC_OP_store: return nnc_buffer_root(m, nnc_op_in(m, op, 1)).id == root.id;
    case NNC_OP_fill:
    case NNC_OP_copy: return nnc_buffer_root(m, nnc_op_in(m, op, 0)).id == root.id;
    case NNC_OP_call: return true;
    case NNC_OP_host:
        for (unsigned i = (unsigned)nnc_attr_int(m, op, NNC_W_reads, 0); i < nnc_op_nin(m, op); i++)
            if (nnc_value_ty(m, nnc_op_in(m, op, i))->kind == NNC_TYPE_buffer &&
                nnc_buffer_root(m, nnc_op_in(m, op, i)).id == root.id)
                return true;
        return false;
    default: break;
    }
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op o = nnc_block_first(m, nnc_op_region(m, op, r)); o.id; o = nnc_op_next(m, o))
            if (nnc_op_writes_buffer(m, o, root))
                return true;
    return false;
}

bool nnc_for_range(const nnc_module *m, nnc_op loop, nnc_range *r)
{
    if (nnc_op_code(m, loop) != NNC_OP_for || !nnc_value_idx(m, nnc_op_in(m, loop, 0), &r->lo) ||
        !nnc_value_idx(m, nnc_op_in(m, loop, 1), &r->hi) ||
        !nnc_value_idx(m, nnc_op_in(m, loop, 2), &r->step) || r->step < 1)
        return false;
    r->trips = r->hi > r->lo ? (r->hi - r->lo + r->step - 1) / r->step : 0;
    return true;
}
