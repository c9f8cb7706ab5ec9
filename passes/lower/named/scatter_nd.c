/* scatter_nd: y = x, then for every index tuple i[q..] of n numbers, the slice y[i[q..], ..] (op)= u[q.., ..].
 *
 * The copy of x is the entry's (see scatter_elements.c).  A tuple with a number outside of its dimension is ignored. */
#include "passes/lower/named/named.h"

nnc_status nnc_named_scatter_nd(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value gx = nnc_op_in(m, op, 0), gi = nnc_op_in(m, op, 1), gu = nnc_op_in(m, op, 2);
    nnc_type_rec tx = *nnc_value_ty(m, gx), ti = *nnc_value_ty(m, gi), tu = *nnc_value_ty(m, gu);
    nnc_word kind = nnc_attr_word(m, op, NNC_W_reduction, NNC_W_none);
    int nq = ti.rank - 1, n = (int)ti.dim[nq];
    nnc_value from = nnc_lower_buffer(x, gx), ki = nnc_lower_buffer(x, gi),
              ku = nnc_lower_buffer(x, gu);
    nnc_value y = nnc_lower_result(x, nnc_op_out(m, op, 0));
    nnc_value iu[NNC_MAX_RANK], iy[NNC_MAX_RANK], ii[NNC_MAX_RANK], ok = {0}, u;
    nnc_kb k;

    if (y.id != from.id)
        nnc_entry_copy(x, y, from);
    nnc_kb_begin(&k, x, "scatter_nd", nnc_op_loc(m, op));
    ki = nnc_kb_param(&k, ki, "index");
    ku = nnc_kb_param(&k, ku, "update");
    y = nnc_kb_param(&k, y, "y");
    nnc_kb_nest(&k, nq, ti.dim, -1, iu);
    for (int d = 0; d < nq; d++)
        ii[d] = iu[d];
    for (int d = 0; d < n; d++) {
        nnc_value in;
        ii[nq] = nnc_kb_int(&k, d);
        iy[d] = nnc_kb_load_idx(&k, ki, ti.rank, ii);
        in = nnc_kb_inside(&k, iy[d], nnc_kb_dim(&k, tx.dim[d]));
        ok = ok.id ? nnc_k_binary(&k.b, NNC_OP_and, ok, in) : in;
    }
    if (ok.id)
        nnc_k_if(&k.b, ok);
    nnc_kb_nest(&k, tx.rank - n, tx.dim + n, -1, iy + n);
    for (int d = n; d < tx.rank; d++)
        iu[nq + d - n] = iy[d];
    u = nnc_k_load(&k.b, ku, tu.rank, iu);
    if (kind != NNC_W_none) {
        nnc_value old = nnc_kb_wide(&k, nnc_k_load(&k.b, y, tx.rank, iy));
        u = nnc_kb_narrow(&k, nnc_kb_combine(&k, kind, old, nnc_kb_wide(&k, u)),
                          (nnc_dtype)tx.dtype);
    }
    nnc_k_store(&k.b, u, y, tx.rank, iy);
    nnc_kb_end(&k);
    return NNC_OK;
}
