/* The portable form: vector loops stay as loops.  What a schedule does to whole vectors outside of loops (adding partial
 * results before a horizontal sum) becomes a loop into a stack buffer; horizontal operations then read that. */
#include "passes/kexpand/kexpand.h"

static unsigned lanes_of(const nnc_module *m, nnc_value v)
{
    return nnc_value_ty(m, v)->kind == NNC_TYPE_scalar ? nnc_value_ty(m, v)->lanes : 1;
}

/* Lane `l` of a vector operand: the loads and splats that made it, taken apart. */
static nnc_value lane_of(nnc_builder *b, nnc_value v, nnc_value l)
{
    nnc_module *m = b->m;
    nnc_op d = nnc_value_op(m, v);
    nnc_value in[NNC_MAX_RANK];

    if (lanes_of(m, v) == 1)
        return v;
    if (nnc_op_code(m, d) == NNC_OP_splat)
        return nnc_op_in(m, d, 0);
    unsigned n = nnc_op_nin(m, d) - 1; /* a load: every vector operation has become one by now */
    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_op_in(m, d, i + 1);
    in[n - 1] = nnc_k_binary(b, NNC_OP_add, in[n - 1], l);
    return nnc_k_load(b, nnc_op_in(m, d, 0), n, in);
}

static bool takes_apart(const nnc_module *m, nnc_op op)
{
    return nnc_op_nout(m, op) == 1 && nnc_op_has(m, op, NNC_ELEMENTWISE) &&
           lanes_of(m, nnc_op_out(m, op, 0)) > 1;
}

static void take_apart(nnc_expand *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value v = nnc_op_out(m, op, 0), in[3] = {{0}};
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, v)->dtype;
    nnc_dim n = (nnc_dim)lanes_of(m, v);
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value buf =
        nnc_k_alloc(&b, nnc_type_buffer(m, dt, 1, 1, &n, NULL, NNC_SPACE_stack), "part");
    nnc_value l =
        nnc_k_for(&b, nnc_k_idx(&b, 0), nnc_k_idx(&b, n), nnc_k_idx(&b, 1), NNC_W_serial, "l");
    nnc_type scalar = nnc_type_scalar(m, dt, 1), whole = nnc_value_type(m, v);

    for (unsigned i = 0; i < nnc_op_nin(m, op) && i < 3; i++)
        in[i] = lane_of(&b, nnc_op_in(m, op, i), l);
    nnc_op one = nnc_build_op(&b, nnc_op_code(m, op), nnc_op_nin(m, op), in, 1, &scalar);
    nnc_attr_copy(m, one, op);
    nnc_k_store(&b, nnc_op_out(m, one, 0), buf, 1, &l);
    nnc_k_end(&b);
    nnc_value address[2] = {buf, nnc_k_idx(&b, 0)};
    nnc_op load = nnc_build_op(&b, NNC_OP_load, 2, address, 1, &whole);
    nnc_value_replace(m, v, nnc_op_out(m, load, 0));
    nnc_op_erase(m, op);
}

static void scalar_block(nnc_expand *x, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = next) {
        next = nnc_op_next(x->m, op);
        for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++)
            scalar_block(x, nnc_op_region(x->m, op, r));
        if (nnc_op_code(x->m, op) == NNC_OP_for &&
            nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_serial) == NNC_W_vector)
            nnc_attr_remove(x->m, op, NNC_W_kind);
        else if (takes_apart(x->m, op))
            take_apart(x, op);
    }
}

void nnc_expand_scalar(nnc_expand *x)
{
    scalar_block(x, nnc_op_region(x->m, x->func, 0));
}
