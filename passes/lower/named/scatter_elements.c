/* scatter_elements: y = x, then y[.., i[j], ..] (op)= u[j] in ascending order of j.
 *
 * The copy of x is the entry's, so the planner can drop it when x dies here; the kernel updates y in place.  An index
 * outside of the axis is ignored. */
#include "passes/lower/named/named.h"

nnc_status nnc_named_scatter_elements(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value gx = nnc_op_in(m, op, 0), gi = nnc_op_in(m, op, 1), gu = nnc_op_in(m, op, 2);
    nnc_type_rec tx = *nnc_value_ty(m, gx), tu = *nnc_value_ty(m, gu);
    nnc_word kind = nnc_attr_word(m, op, NNC_W_reduction, NNC_W_none);
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);
    nnc_value from = nnc_lower_buffer(x, gx), ki = nnc_lower_buffer(x, gi),
              ku = nnc_lower_buffer(x, gu);
    nnc_value y = nnc_lower_result(x, nnc_op_out(m, op, 0)), i[NNC_MAX_RANK], u, at;
    nnc_kb k;

    if (y.id != from.id)
        nnc_entry_copy(x, y, from);
    nnc_kb_begin(&k, x, "scatter_elements", nnc_op_loc(m, op));
    ki = nnc_kb_param(&k, ki, "index");
    ku = nnc_kb_param(&k, ku, "update");
    y = nnc_kb_param(&k, y, "y");
    nnc_kb_nest(&k, tu.rank, tu.dim, -1, i);
    at = nnc_kb_load_idx(&k, ki, tu.rank, i);
    nnc_k_if(&k.b, nnc_kb_inside(&k, at, nnc_kb_dim(&k, tx.dim[axis])));
    u = nnc_k_load(&k.b, ku, tu.rank, i);
    i[axis] = at;
    if (kind != NNC_W_none) {
        nnc_value old = nnc_kb_wide(&k, nnc_k_load(&k.b, y, tx.rank, i));
        u = nnc_kb_narrow(&k, nnc_kb_combine(&k, kind, old, nnc_kb_wide(&k, u)),
                          (nnc_dtype)tx.dtype);
    }
    nnc_k_store(&k.b, u, y, tx.rank, i);
    nnc_kb_end(&k);
    return NNC_OK;
}
