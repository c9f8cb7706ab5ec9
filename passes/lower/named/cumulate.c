/* cumulate: running sums or products along an axis, in either direction, with or without the current element.
 *
 * Narrow floats keep the running value in f32 and round what they store. */
#include "passes/lower/named/named.h"

nnc_status nnc_named_cumulate(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value gx = nnc_op_in(m, op, 0);
    nnc_type_rec t = *nnc_value_ty(m, gx);
    nnc_word kind = nnc_attr_word(m, op, NNC_W_kind, NNC_W_add);
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);
    bool exclusive = nnc_attr_int(m, op, NNC_W_exclusive, 0) != 0,
         reverse = nnc_attr_int(m, op, NNC_W_reverse, 0) != 0;
    nnc_dtype wide = nnc_kb_wide_type((nnc_dtype)t.dtype);
    nnc_value from = nnc_lower_buffer(x, gx), to = nnc_lower_result(x, nnc_op_out(m, op, 0));
    nnc_value i[NNC_MAX_RANK], var, old, now, n;
    nnc_kb k;

    nnc_kb_begin(&k, x, "cumulate", nnc_op_loc(m, op));
    from = nnc_kb_param(&k, from, "x");
    to = nnc_kb_param(&k, to, "y");
    nnc_kb_nest(&k, t.rank, t.dim, axis, i);
    n = nnc_kb_dim(&k, t.dim[axis]);
    var = nnc_kb_var(&k, wide, nnc_const_int(m, nnc_type_scalar(m, wide, 1), kind == NNC_W_mul),
                     "acc");
    i[axis] = nnc_kb_for(&k, n, "j");
    if (reverse)
        i[axis] =
            nnc_kb_idx(&k, NNC_OP_sub, nnc_kb_idx(&k, NNC_OP_sub, n, nnc_kb_int(&k, 1)), i[axis]);
    old = nnc_kb_get(&k, var);
    now = nnc_kb_combine(&k, kind, old, nnc_kb_wide(&k, nnc_k_load(&k.b, from, t.rank, i)));
    nnc_kb_set(&k, var, now);
    nnc_k_store(&k.b, nnc_kb_narrow(&k, exclusive ? old : now, (nnc_dtype)t.dtype), to, t.rank, i);
    nnc_kb_end(&k);
    return NNC_OK;
}
