/* Which results of a fused op may lie in the memory of an operand.
 *
 * A kernel computes every element of its result once.  If everything between an operand and the result is elementwise
 * and of the result's shape, element i of the operand is only read on the way to element i of the result, so it is
 * dead when that is written, whatever the schedule.  Not so when the kernel keeps other values in the result's memory
 * on the way (row passes over several `reduce` do): those are left out, as are kernels with several results. */
#include "passes/lower/entry.h"

static bool same_dims(const nnc_type_rec *a, const nnc_type_rec *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

static bool keeps_rows(const nnc_module *m, nnc_block body)
{
    for (nnc_op op = nnc_block_first(m, body); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_reduce ||
            (nnc_op_has(m, op, NNC_COMPOSITE) && !nnc_op_has(m, op, NNC_ELEMENTWISE)))
            return true;
    return false;
}

/* Is the argument read only by elementwise ops of the result's shape, and so on down to the end? */
static bool stays_in_place(nnc_lower *x, nnc_block body, nnc_value arg, const nnc_type_rec *result)
{
    nnc_entry *e = nnc_entry_of(x);
    const nnc_module *m = x->m;
    uint32_t s = ++e->nstamp;

    e->stamp[arg.id] = s;
    for (nnc_op op = nnc_block_first(m, body); op.id; op = nnc_op_next(m, op)) {
        bool reached = false;
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
            nnc_value v = nnc_op_in(m, op, i);
            reached |= v.id < x->nbuffer && e->stamp[v.id] == s;
        }
        if (!reached || nnc_op_has(m, op, NNC_TERMINATOR))
            continue;
        if (!nnc_op_has(m, op, NNC_ELEMENTWISE) || nnc_op_nout(m, op) != 1 ||
            !same_dims(nnc_value_ty(m, nnc_op_out(m, op, 0)), result))
            return false;
        e->stamp[nnc_op_out(m, op, 0).id] = s;
    }
    return true;
}

/* The one operand of the call that is `buffer`; -1: none or several. */
static int place_of(const nnc_module *m, nnc_op call, nnc_value buffer)
{
    int at = -1;

    for (unsigned i = 0; i < nnc_op_nin(m, call); i++)
        if (nnc_op_in(m, call, i).id == buffer.id) {
            if (at >= 0)
                return -1;
            at = (int)i;
        }
    return at;
}

static bool same_layout(const nnc_module *m, nnc_value a, nnc_value b)
{
    const nnc_type_rec *x = nnc_value_ty(m, a), *y = nnc_value_ty(m, b);

    if (nnc_dtype_bytes((nnc_dtype)x->dtype) != nnc_dtype_bytes((nnc_dtype)y->dtype) ||
        !same_dims(x, y))
        return false;
    for (int i = 0; i < x->rank; i++)
        if (x->stride[i] != y->stride[i])
            return false;
    return true;
}

void nnc_entry_in_place(nnc_lower *x, nnc_op fused, nnc_op call)
{
    nnc_module *m = x->m;
    nnc_block body = nnc_op_region(m, fused, 0);
    nnc_op kernel;
    nnc_type_rec result;
    NNC_BUF(int64_t) pair = {0};
    int out;

    if (nnc_op_code(m, call) != NNC_OP_call || nnc_op_nout(m, fused) != 1 || keeps_rows(m, body))
        return;
    kernel = nnc_func_find(m, nnc_attr_str(m, call, NNC_W_callee, ""));
    out = place_of(m, call, x->buffer[nnc_op_out(m, fused, 0).id]);
    result = *nnc_value_ty(m, nnc_op_out(m, fused, 0));
    if (!kernel.id || out < 0)
        return;
    for (unsigned i = 0; i < nnc_op_nin(m, fused); i++) {
        nnc_value arg = nnc_block_arg(m, body, i), g = nnc_op_in(m, fused, i), buffer;
        int in;
        if (nnc_value_is_const(m, g) || nnc_value_nuse(m, arg) == 0 ||
            !same_dims(nnc_value_ty(m, arg), &result))
            continue;
        buffer = x->buffer[g.id];
        in = buffer.id ? place_of(m, call, buffer) : -1;
        if (in < 0 || !same_layout(m, buffer, nnc_op_in(m, call, (unsigned)out)) ||
            !stays_in_place(x, body, arg, &result))
            continue;
        NNC_PUSH(x->cx->scratch, &pair, out);
        NNC_PUSH(x->cx->scratch, &pair, in);
    }
    if (pair.n)
        nnc_attr_set_ints(m, kernel, NNC_W_inplace, pair.n, pair.at);
}
