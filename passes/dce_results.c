/* Results of `if` and `scan` that nobody reads (a recurrent layer's sequence when only its last state is wanted).
 *
 * Such an op is made anew with fewer results, because results of one op are consecutive values.  What only fed them is
 * dead inside the regions then and falls in the sweep that follows. */
#include "passes/clean.h"

static bool may_drop(const nnc_module *m, nnc_op op, unsigned i)
{
    if (nnc_value_nuse(m, nnc_op_out(m, op, i)))
        return false;
    return nnc_op_code(m, op) == NNC_OP_if ||
           (nnc_op_code(m, op) == NNC_OP_scan &&
            i >= (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0));
}

/* Copy region r of `from` into a new region of `to`, yielding only what is kept. */
static void copy_region(nnc_pass_cx *cx, nnc_op from, nnc_op to, unsigned r, unsigned nkeep,
                        const unsigned *keep)
{
    nnc_module *m = cx->m;
    nnc_block old = nnc_op_region(m, from, r), made = nnc_op_add_region(m, to);
    nnc_op end = nnc_block_last(m, old);
    nnc_value *v = nnc_arena_array(cx->scratch, nkeep, sizeof *v), *map;
    uint32_t nmap;
    nnc_builder b;

    for (unsigned i = 0; i < nnc_block_narg(m, old); i++)
        nnc_block_add_arg(m, made, nnc_value_type(m, nnc_block_arg(m, old, i)),
                          nnc_value_name(m, nnc_block_arg(m, old, i)));
    nmap = m->value.n;
    map = nnc_arena_array(cx->scratch, nmap, sizeof *map);
    for (unsigned i = 0; i < nnc_block_narg(m, old); i++)
        map[nnc_block_arg(m, old, i).id] = nnc_block_arg(m, made, i);
    nnc_block_clone(m, old, (nnc_pos){made, {0}}, map, nmap, false);
    for (unsigned i = 0; i < nkeep; i++) {
        nnc_value y = nnc_op_in(m, end, keep[i]);
        v[i] = y.id < nmap && map[y.id].id ? map[y.id] : y;
    }
    b = nnc_builder_at_end(m, made);
    b.loc = nnc_op_loc(m, end);
    nnc_build_yield(&b, nkeep, v);
}

bool nnc_op_drop_results(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    unsigned nin = nnc_op_nin(m, op), nout = nnc_op_nout(m, op), n = 0;
    unsigned *keep = nnc_arena_array(cx->scratch, nout, sizeof *keep);
    nnc_type *type = nnc_arena_array(cx->scratch, nout, sizeof *type);
    nnc_value *in = nnc_arena_array(cx->scratch, nin, sizeof *in);
    nnc_op made;

    for (unsigned i = 0; i < nout; i++)
        if (!may_drop(m, op, i)) {
            type[n] = nnc_value_type(m, nnc_op_out(m, op, i));
            keep[n++] = i;
        }
    if (n == nout)
        return false;
    for (unsigned i = 0; i < nin; i++)
        in[i] = nnc_op_in(m, op, i);
    made = nnc_op_new(m, (nnc_pos){nnc_op_get(m, op)->block, op}, nnc_op_code(m, op), nin, in, n,
                      type, nnc_op_loc(m, op));
    nnc_attr_copy(m, made, op);
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        copy_region(cx, op, made, r, n, keep);
    for (unsigned i = 0; i < n; i++) {
        nnc_value_set_name(m, nnc_op_out(m, made, i),
                           nnc_value_name(m, nnc_op_out(m, op, keep[i])));
        nnc_value_replace(m, nnc_op_out(m, op, keep[i]), nnc_op_out(m, made, i));
    }
    nnc_op_erase(m, op);
    cx->changed++;
    return true;
}
