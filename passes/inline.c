/* Calls of graphs are replaced by their bodies.
 *
 * A callee is made free of calls before it is copied, so every body is copied in its final form and a chain of calls that
 * comes back to itself is met while it is being worked on.  Graphs that nobody calls any more and that are neither entry
 * nor exported are dropped. */
#include "ir/build.h"
#include "passes/pass.h"

enum { NEW, BUSY, DONE };
typedef struct inliner {
    nnc_pass_cx *cx;
    nnc_module *m;
    uint8_t *state; /* by op id of a graph; ops made later are never graphs */
    uint32_t nstate;
} inliner;

static nnc_status inline_func(inliner *x, nnc_op func);

static void replace_call(inliner *x, nnc_op call, nnc_block body)
{
    nnc_module *m = x->m;
    uint32_t nmap = m->value.n;
    nnc_value *map = nnc_arena_array(x->cx->scratch, nmap, sizeof *map);
    nnc_op end = nnc_block_last(m, body);

    for (unsigned i = 0; i < nnc_block_narg(m, body); i++)
        map[nnc_block_arg(m, body, i).id] = nnc_op_in(m, call, i);
    nnc_block_clone(m, body, (nnc_pos){nnc_op_get(m, call)->block, call}, map, nmap, false);
    for (unsigned i = 0; i < nnc_op_nout(m, call); i++) {
        nnc_value v = nnc_op_in(m, end, i), to = map[v.id].id ? map[v.id] : v;
        nnc_value_replace(m, nnc_op_out(m, call, i), to);
    }
    nnc_op_erase(m, call);
    x->cx->changed++;
}

static nnc_status inline_block(inliner *x, nnc_block b)
{
    nnc_module *m = x->m;
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        nnc_op callee;
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            NNC_TRY(inline_block(x, nnc_op_region(m, op, i)));
        if (nnc_op_code(m, op) != NNC_OP_call)
            continue;
        callee = nnc_func_find(m, nnc_attr_str(m, op, NNC_W_callee, ""));
        if (!callee.id || nnc_op_code(m, callee) != NNC_OP_graph)
            continue; /* the verifier's business */
        if (x->state[callee.id] == BUSY)
            return nnc_error(
                m->diag, nnc_op_loc(m, op),
                "graph '%s' calls itself, directly or through others: recursion cannot be compiled",
                nnc_func_name(m, callee));
        NNC_TRY(inline_func(x, callee));
        replace_call(x, op, nnc_op_region(m, callee, 0));
    }
    return NNC_OK;
}

static nnc_status inline_func(inliner *x, nnc_op func)
{
    if (x->state[func.id] == DONE)
        return NNC_OK;
    x->state[func.id] = BUSY;
    NNC_TRY(inline_block(x, nnc_op_region(x->m, func, 0)));
    x->state[func.id] = DONE;
    return NNC_OK;
}

nnc_status nnc_pass_inline(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    inliner x = {.cx = cx, .m = m, .nstate = m->op.n};
    nnc_op entry = nnc_func_entry(m, NNC_OP_graph), next;

    x.state = nnc_arena_alloc(cx->scratch, x.nstate);
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            NNC_TRY(inline_func(&x, f));
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = next) {
        next = nnc_op_next(m, f);
        if (nnc_op_code(m, f) != NNC_OP_graph || f.id == entry.id ||
            nnc_attr_int(m, f, NNC_W_entry, 0) || nnc_attr_int(m, f, NNC_W_export, 0))
            continue;
        nnc_op_erase(m, f);
        cx->changed++;
    }
    return NNC_OK;
}
