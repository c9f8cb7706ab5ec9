/* Composites that no schedule row claims become primitives, by the definitions in ir/decompose.c. */
#include "ir/decompose.h"
#include "passes/clean.h"
#include "passes/schedule/schedule.h"

static void decompose_op(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    unsigned nin = nnc_op_nin(m, op), nout = nnc_op_nout(m, op);
    nnc_value *in = nnc_arena_array(cx->scratch, nin + nout, sizeof *in), *out = in + nin;
    nnc_builder b = nnc_builder_before(m, op);

    b.loc = nnc_loc_pass(m->diag, "decompose", nnc_op_loc(m, op));
    for (unsigned i = 0; i < nin; i++)
        in[i] = nnc_op_in(m, op, i);
    nnc_decompose(&b, op, in, out);
    for (unsigned i = 0; i < nout; i++)
        nnc_value_replace(m, nnc_op_out(m, op, i), out[i]);
    nnc_op_erase(m, op);
    cx->changed++;
}

static void decompose_block(nnc_pass_cx *cx, nnc_block b)
{
    nnc_module *m = cx->m;
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            decompose_block(cx, nnc_op_region(m, op, i));
        if (nnc_op_has(m, op, NNC_COMPOSITE) && !nnc_schedule_claims(nnc_op_code(m, op)))
            decompose_op(cx, op);
    }
}

nnc_status nnc_pass_decompose(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            decompose_block(cx, nnc_op_region(m, f, 0));
    return NNC_OK;
}
