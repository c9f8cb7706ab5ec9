/* dynamic_update_slice: y = x, then the window of u's size at `start` is u; start is moved so that the window fits.
 *
 * The copy of x is the entry's (see scatter_elements.c). */
#include "passes/lower/named/named.h"

nnc_status nnc_named_dynamic_update_slice(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value gx = nnc_op_in(m, op, 0), gu = nnc_op_in(m, op, 1);
    nnc_type_rec tx = *nnc_value_ty(m, gx), tu = *nnc_value_ty(m, gu);
    nnc_value from = nnc_lower_buffer(x, gx), ku = nnc_lower_buffer(x, gu);
    nnc_value y = nnc_lower_result(x, nnc_op_out(m, op, 0));
    nnc_value start[NNC_MAX_RANK], i[NNC_MAX_RANK], u;
    nnc_kb k;

    if (y.id != from.id)
        nnc_entry_copy(x, y, from);
    for (int d = 0; d < tx.rank; d++) {
        nnc_value room = nnc_k_binary(&x->b, NNC_OP_sub, nnc_lower_dim(x, tx.dim[d]),
                                      nnc_lower_dim(x, tu.dim[d]));
        start[d] = nnc_entry_clamp(x, nnc_entry_index(x, nnc_op_in(m, op, 2), d), room);
    }
    nnc_kb_begin(&k, x, "update_slice", nnc_op_loc(m, op));
    ku = nnc_kb_param(&k, ku, "update");
    y = nnc_kb_param(&k, y, "y");
    for (int d = 0; d < tx.rank; d++)
        if (!nnc_value_is_const(m, start[d]))
            start[d] = nnc_kb_param(&k, start[d], "start");
    nnc_kb_nest(&k, tu.rank, tu.dim, -1, i);
    u = nnc_k_load(&k.b, ku, tu.rank, i);
    for (int d = 0; d < tx.rank; d++)
        i[d] = nnc_kb_idx(&k, NNC_OP_add, start[d], i[d]);
    nnc_k_store(&k.b, u, y, tx.rank, i);
    nnc_kb_end(&k);
    return NNC_OK;
}
