/* What group needs to be true of a block before it starts: composites without a schedule are primitives, computed right
 * operands of dots have their free dim last, and every reader of a view has its own. */
#include <assert.h>
#include <string.h>
#include "ir/build.h"
#include "ir/decompose.h"
#include "passes/group.h"
#include "passes/schedule/schedule.h"

static void write_out_composites(nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b), next; op.id; op = next) {
        next = nnc_op_next(m, op);
        if (!nnc_op_has(m, op, NNC_COMPOSITE) || nnc_schedule_claims(nnc_op_code(m, op)))
            continue;
        nnc_builder at = nnc_builder_before(m, op);
        nnc_value in[8], out[2];
        assert(nnc_op_nin(m, op) <= 8);
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
            in[i] = nnc_op_in(m, op, i);
        nnc_decompose(&at, op, in, out);
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            nnc_value_replace(m, nnc_op_out(m, op, i), out[i]);
        nnc_op_erase(m, op);
    }
}

/* Where an op on v alone may stand: before `op`, or before the loops around it that v comes from outside of. */
static nnc_op outside_of_loops(const nnc_module *m, nnc_value v, nnc_op op)
{
    const nnc_value_rec *r = nnc_value_get(m, v);
    uint32_t home =
        r->kind == NNC_VALUE_result ? nnc_op_get(m, (nnc_op){r->def})->block.id : r->def;
    while (nnc_op_get(m, op)->block.id != home) {
        nnc_op around = nnc_block_parent(m, nnc_op_get(m, op)->block);
        if (nnc_op_code(m, around) != NNC_OP_scan && nnc_op_code(m, around) != NNC_OP_while)
            break;
        op = around;
    }
    return op;
}

/* A right operand that is computed must have its free dim last, so that vectors run along it. */
static void turn_right_operand(nnc_module *m, nnc_op op)
{
    unsigned nb, nc;
    nnc_value v = nnc_op_in(m, op, 1), src = v;
    nnc_op def = nnc_value_op(m, v);
    while (def.id && nnc_op_has(m, def, NNC_VIEW))
        def = nnc_value_op(m, src = nnc_op_in(m, def, 0));
    if (def.id && nnc_op_code(m, def) == NNC_OP_const)
        return;
    unsigned rank = nnc_value_ty(m, v)->rank;
    const int64_t *batch = nnc_attr_ints(m, op, NNC_W_batch_b, &nb);
    int64_t perm[NNC_MAX_RANK], contract[NNC_MAX_RANK], newb[NNC_MAX_RANK], n = 0, b[NNC_MAX_RANK],
                                                                            c[NNC_MAX_RANK];
    if (nb)
        memcpy(b, batch, nb * sizeof *b);
    const int64_t *con = nnc_attr_ints(m, op, NNC_W_contract_b, &nc);
    if (nc)
        memcpy(c, con, nc * sizeof *c);
    bool free_last = rank > 0 && nb + nc < rank, used[NNC_MAX_RANK] = {false};
    for (unsigned i = 0; i < nb; i++)
        free_last &= b[i] != (int64_t)rank - 1;
    for (unsigned i = 0; i < nc; i++)
        free_last &= c[i] != (int64_t)rank - 1;
    if (free_last || nb + nc == rank)
        return;
    for (unsigned i = 0; i < nb; i++) {
        newb[i] = n;
        perm[n++] = b[i];
        used[b[i]] = true;
    }
    for (unsigned i = 0; i < nc; i++) {
        contract[i] = n;
        perm[n++] = c[i];
        used[c[i]] = true;
    }
    for (unsigned d = 0; d < rank; d++)
        if (!used[d])
            perm[n++] = d;
    nnc_builder at = nnc_builder_before(m, outside_of_loops(m, v, op));
    nnc_op_set_in(m, op, 1, nnc_g_transpose(&at, v, perm));
    nnc_attr_set_ints(m, op, NNC_W_batch_b, nb, newb);
    nnc_attr_set_ints(m, op, NNC_W_contract_b, nc, contract);
}

bool nnc_group_is_view(const nnc_module *m, nnc_op op)
{
    nnc_opcode c = nnc_op_code(m, op);
    return c == NNC_OP_transpose || c == NNC_OP_broadcast || c == NNC_OP_slice || c == NNC_OP_iota;
}

/* Give every reader of a view its own. */
static void clone_views(nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_last(m, b); op.id; op = nnc_op_prev(m, op)) {
        if (!nnc_group_is_view(m, op))
            continue;
        nnc_value v = nnc_op_out(m, op, 0);
        bool first = true;
        for (uint32_t u = nnc_value_get(m, v)->first_use, next; u; u = next) {
            next = m->use.at[u].next;
            nnc_op user = m->use.at[u].user;
            if (nnc_op_get(m, user)->block.id != b.id || nnc_group_outside(m, user))
                continue;
            if (first) {
                first = false;
                continue;
            }
            nnc_op copy = nnc_op_clone(m, op, (nnc_pos){b, op}, NULL, 0);
            nnc_op_set_in(m, user, u - nnc_op_get(m, user)->in, nnc_op_out(m, copy, 0));
        }
    }
}

void nnc_group_prepare(nnc_module *m, nnc_block b)
{
    write_out_composites(m, b);
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_dot)
            turn_right_operand(m, op);
    clone_views(m, b);
}
