/* One hand-written kernel and its call.
 *
 * Parameters are added when they are first asked for and have the types of the actual operands, in space arg unless
 * they are weights: the kernel does not know where its operands live.  Symbols come in as idx parameters. */
#include "passes/lower/entry.h"

void nnc_kb_begin(nnc_kb *k, nnc_lower *x, const char *stem, nnc_loc loc)
{
    nnc_module *m = x->m;
    const char *name = nnc_arena_printf(m->arena, "%s_%u", stem, ++x->serial);

    *k = (nnc_kb){.x = x};
    k->kernel = nnc_build_func(m, NNC_OP_kernel, name, false, loc);
    k->b = nnc_builder_at_end(m, nnc_op_region(m, k->kernel, 0));
    k->b.loc = loc;
    k->sym = nnc_arena_array(x->cx->scratch, x->nsym + 1, sizeof *k->sym);
}

nnc_value nnc_kb_param(nnc_kb *k, nnc_value actual, const char *name)
{
    nnc_module *m = k->x->m;

    nnc_type_rec t = *nnc_value_ty(m, actual);

    if (t.kind == NNC_TYPE_buffer && t.space != NNC_SPACE_weight)
        t.space = NNC_SPACE_arg;
    NNC_PUSH(k->x->cx->scratch, &k->actual, actual);
    return nnc_block_add_arg(m, nnc_op_region(m, k->kernel, 0), nnc_type_put(m, &t), name);
}

/* Ask for every symbol that `d` speaks of. */
static void need_symbols(nnc_kb *k, nnc_dim d)
{
    nnc_dims *t = k->x->m->dims;
    uint32_t n;
    const nnc_dim_term *term;

    if (nnc_dim_is_const(d))
        return;
    term = nnc_dim_terms(t, d, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < term[i].natom; j++) {
            nnc_dim_atom at = nnc_dim_atom_get(t, term[i].atom[j]);
            if (at.op != '$') {
                need_symbols(k, at.a);
                need_symbols(k, at.b);
            } else if (!k->sym[at.a].id) {
                const char *name = nnc_sym_str(k->x->m, nnc_dim_symbol_name(t, (uint32_t)at.a));
                k->sym[at.a] = nnc_kb_param(k, k->x->sym[at.a], name);
            }
        }
}

nnc_value nnc_kb_dim(nnc_kb *k, nnc_dim d)
{
    need_symbols(k, d);
    return nnc_k_dim(&k->b, d, k->sym);
}

void nnc_kb_end(nnc_kb *k)
{
    nnc_module *m = k->x->m;
    nnc_op call = nnc_build_op(&k->x->b, NNC_OP_call, k->actual.n, k->actual.at, 0, NULL);

    nnc_attr_set_str(m, call, NNC_W_callee, nnc_func_name(m, k->kernel));
}

nnc_value nnc_kb_for(nnc_kb *k, nnc_value trips, const char *name)
{
    nnc_module *m = k->x->m;
    return nnc_k_for(&k->b, nnc_const_idx(m, 0), trips, nnc_const_idx(m, 1), NNC_W_serial, name);
}

nnc_value nnc_kb_idx(nnc_kb *k, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_k_binary(&k->b, code, a, b);
}
