/* One row, or one window of rows, is an address.
 *
 * `gather` of one number along the first axis, and `dynamic_slice` of whole rows, become views at an offset known at run
 * time, as long as nobody may write over the operand while the view is read (see own.c): else, the rows are copied. */
#include "ir/eval.h"
#include "ir/interp.h"
#include "passes/group.h"
#include "passes/lower/entry.h"

bool nnc_is_pick(const nnc_module *m, nnc_op op)
{
    const nnc_type_rec *y, *x;

    if (nnc_op_code(m, op) == NNC_OP_gather)
        return nnc_value_ty(m, nnc_op_in(m, op, 1))->rank == 0 &&
               nnc_attr_int(m, op, NNC_W_axis, 0) == 0 &&
               nnc_attr_int(m, op, NNC_W_batch_dims, 0) == 0 &&
               nnc_type_count(m, nnc_value_type(m, nnc_op_out(m, op, 0))) > 1;
    if (nnc_op_code(m, op) != NNC_OP_dynamic_slice)
        return false;
    x = nnc_value_ty(m, nnc_op_in(m, op, 0));
    y = nnc_value_ty(m, nnc_op_out(m, op, 0));
    for (int d = 1; d < y->rank; d++)
        if (y->dim[d] != x->dim[d])
            return false;
    return y->rank > 0 && nnc_type_count(m, nnc_value_type(m, nnc_op_out(m, op, 0))) > 1;
}

/* ---- indices ---- */

/* Element `at` of an index vector, traced to a value of one element; none: only the memory has it. */
static nnc_value source_of(const nnc_module *m, nnc_value g, int64_t at)
{
    nnc_op op = nnc_value_op(m, g), concat;
    nnc_block body;

    if (nnc_type_count(m, nnc_value_type(m, g)) == 1) {
        if (op.id && nnc_op_code(m, op) == NNC_OP_reshape)
            return source_of(m, nnc_op_in(m, op, 0), 0);
        return g;
    }
    if (!op.id || nnc_op_code(m, op) != NNC_OP_fused)
        return (nnc_value){0};
    body = nnc_op_region(m, op, 0);
    concat = nnc_value_op(m, nnc_op_in(m, nnc_block_last(m, body), nnc_value_get(m, g)->index));
    if (!concat.id || nnc_op_code(m, concat) != NNC_OP_concat)
        return (nnc_value){0};
    for (unsigned i = 0; i < nnc_op_nin(m, concat); i++) {
        nnc_value part = nnc_op_in(m, concat, i);
        int64_t n = nnc_value_ty(m, part)->rank == 1 ? nnc_value_ty(m, part)->dim[0] : -1;
        if (n < 0)
            return (nnc_value){0};
        if (at < n) {
            const nnc_value_rec *r = nnc_value_get(m, part);
            return r->kind == NNC_VALUE_arg && r->def == body.id
                       ? source_of(m, nnc_op_in(m, op, r->index), at)
                       : (nnc_value){0};
        }
        at -= n;
    }
    return (nnc_value){0};
}

/* Element i of a constant; false: it is none. */
static bool known(const nnc_module *m, nnc_value g, int64_t i, int64_t *v)
{
    nnc_tensor t;

    if (!nnc_tensor_of(m, g, &t) || i >= nnc_tensor_count(&t))
        return false;
    *v = nnc_num_load(t.dtype, (const char *)t.data + (size_t)i * nnc_dtype_bytes(t.dtype)).i;
    return true;
}

nnc_value nnc_entry_index(nnc_lower *x, nnc_value g, int64_t i)
{
    nnc_module *m = x->m;
    nnc_value from = source_of(m, g, i), buffer, at[NNC_MAX_RANK];
    int64_t v;

    if (known(m, from.id ? from : g, from.id ? 0 : i, &v))
        return nnc_const_idx(m, v);
    buffer = nnc_lower_buffer(x, from.id ? from : g);
    for (unsigned d = 0; d < nnc_value_ty(m, buffer)->rank; d++)
        at[d] = nnc_const_idx(m, from.id ? 0 : i);
    return nnc_k_cast(&x->b, nnc_k_load(&x->b, buffer, nnc_value_ty(m, buffer)->rank, at),
                      NNC_DT_idx);
}

nnc_value nnc_entry_clamp(nnc_lower *x, nnc_value i, nnc_value most)
{
    i = nnc_k_binary(&x->b, NNC_OP_max, i, nnc_const_idx(x->m, 0));
    return nnc_k_binary(&x->b, NNC_OP_min, i, most);
}

/* ---- the op ---- */

nnc_status nnc_entry_pick(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value from = nnc_lower_buffer(x, nnc_op_in(m, op, 0)), result = nnc_op_out(m, op, 0), seen;
    nnc_value i = nnc_entry_index(x, nnc_op_in(m, op, 1), 0);
    nnc_type_rec r = *nnc_value_ty(m, from), y = *nnc_value_ty(m, result);
    bool slice = nnc_op_code(m, op) == NNC_OP_dynamic_slice;
    nnc_value rows = nnc_lower_dim(x, r.dim[0]),
              size = slice ? nnc_lower_dim(x, y.dim[0]) : nnc_const_idx(m, 1);

    i = nnc_entry_clamp(x, i, nnc_k_binary(&x->b, NNC_OP_sub, rows, size));
    if (slice) {
        nnc_value at = nnc_k_binary(&x->b, NNC_OP_mul, i, nnc_const_idx(m, r.stride[0]));
        r.dim[0] = y.dim[0];
        seen = nnc_k_view(&x->b, from, at, nnc_type_put(m, &r));
    } else {
        seen = nnc_entry_row(x, from, i);
    }
    if (!nnc_entry_of(x)->target[result.id].id && nnc_own_stays(x, op)) {
        x->buffer[result.id] = seen;
        return NNC_OK;
    }
    nnc_entry_copy(x, nnc_lower_result(x, result), seen);
    return NNC_OK;
}
