/* compact: the rows of x where the mask is true, moved to the front in order, and how many there are. */
#include "passes/lower/named/named.h"

nnc_status nnc_named_compact(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value gx = nnc_op_in(m, op, 0);
    nnc_type_rec t = *nnc_value_ty(m, gx);
    nnc_value from = nnc_lower_buffer(x, gx), mask = nnc_lower_buffer(x, nnc_op_in(m, op, 1));
    nnc_value to = nnc_lower_result(x, nnc_op_out(m, op, 0)),
              count = nnc_lower_result(x, nnc_op_out(m, op, 1));
    nnc_value i[NNC_MAX_RANK], n, at, v;
    nnc_kb k;
    int loops;

    nnc_kb_begin(&k, x, "compact", nnc_op_loc(m, op));
    from = nnc_kb_param(&k, from, "x");
    mask = nnc_kb_param(&k, mask, "mask");
    to = nnc_kb_param(&k, to, "y");
    count = nnc_kb_param(&k, count, "count");
    n = nnc_kb_var(&k, NNC_DT_idx, nnc_kb_int(&k, 0), "n");
    i[0] = nnc_kb_for(&k, nnc_kb_dim(&k, t.dim[0]), "i");
    nnc_k_if(&k.b, nnc_k_load(&k.b, mask, 1, i));
    at = nnc_kb_get(&k, n);
    loops = nnc_kb_nest(&k, t.rank - 1, t.dim + 1, -1, i + 1);
    v = nnc_k_load(&k.b, from, t.rank, i);
    i[0] = at;
    nnc_k_store(&k.b, v, to, t.rank, i);
    nnc_kb_close(&k, loops);
    nnc_kb_set(&k, n, nnc_kb_idx(&k, NNC_OP_add, at, nnc_kb_int(&k, 1)));
    nnc_kb_close(&k, 2);
    nnc_k_store(&k.b, nnc_k_cast(&k.b, nnc_kb_get(&k, n), NNC_DT_i64), count, 0, NULL);
    nnc_kb_end(&k);
    return NNC_OK;
}
