/* Algebraic rules, until nothing changes.
 *
 * Rules are indexed by the op at their root.  Sweeps go through all blocks in order; a rule that fires puts its ops
 * before the old one, and they are looked at in the next sweep.  Ops nobody reads are left to dce. */
#include "passes/rules/rules.h"
#include <string.h>

enum { SWEEPS = 64 };
typedef struct
    indexed { /* rule numbers by root op; structure rules for any elementwise op are under `none` */
    uint16_t *algebra[NNC_OP_COUNT], *structure[NNC_OP_COUNT];
    unsigned nalgebra[NNC_OP_COUNT], nstructure[NNC_OP_COUNT];
} indexed;

static void add(nnc_arena *a, uint16_t **list, unsigned *n, unsigned most, unsigned rule)
{
    if (!*list)
        *list = nnc_arena_array(a, most, sizeof **list);
    (*list)[(*n)++] = (uint16_t)rule;
}

static indexed *make_index(nnc_pass_cx *cx)
{
    indexed *x = nnc_arena_alloc(cx->scratch, sizeof *x);

    for (unsigned i = 0; i < nnc_rule_count; i++)
        if (nnc_rule_enabled(cx->opt, nnc_rules[i].class))
            add(cx->scratch, &x->algebra[nnc_rules[i].lhs->code],
                &x->nalgebra[nnc_rules[i].lhs->code], nnc_rule_count, i);
    for (unsigned i = 0; i < nnc_structure_rule_count; i++)
        if (nnc_rule_enabled(cx->opt, nnc_structure_rules[i].class))
            add(cx->scratch, &x->structure[nnc_structure_rules[i].root],
                &x->nstructure[nnc_structure_rules[i].root], nnc_structure_rule_count, i);
    return x;
}

static nnc_value try_structure(const indexed *x, nnc_builder *b, nnc_op op, nnc_opcode list)
{
    for (unsigned i = 0; i < x->nstructure[list]; i++) {
        nnc_value v = nnc_structure_rules[x->structure[list][i]].fn(b, op);
        if (v.id)
            return v;
    }
    return (nnc_value){0};
}

static nnc_value try_rules(const indexed *x, nnc_builder *b, nnc_op op)
{
    nnc_opcode code = nnc_op_code(b->m, op);
    nnc_value v = {0};

    if (nnc_op_has(b->m, op, NNC_ELEMENTWISE))
        v = try_structure(x, b, op, NNC_OP_none);
    for (unsigned i = 0; i < x->nalgebra[code] && !v.id; i++)
        v = nnc_rule_apply(b, &nnc_rules[x->algebra[code][i]], op);
    return v.id ? v : try_structure(x, b, op, code);
}

static void simplify_block(nnc_pass_cx *cx, const indexed *x, nnc_block block)
{
    nnc_module *m = cx->m;
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, block); op.id; op = next) {
        nnc_builder b;
        nnc_value v, old;
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            simplify_block(cx, x, nnc_op_region(m, op, i));
        if (nnc_op_nout(m, op) != 1 || nnc_value_nuse(m, nnc_op_out(m, op, 0)) == 0)
            continue;
        old = nnc_op_out(m, op, 0);
        b = nnc_builder_before(m, op);
        v = try_rules(x, &b, op);
        if (!v.id || nnc_value_type(m, v).id != nnc_value_type(m, old).id)
            continue; /* none, or inference gave another symbolic size: not the same value for the verifier */
        cx->changed++;
        if (v.id != old.id) /* else changed in place */
            nnc_op_replace(m, op, v);
    }
}

nnc_status nnc_pass_simplify(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    const indexed *x = make_index(cx);
    unsigned before, sweep = 0;

    do {
        before = cx->changed;
        for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
            if (nnc_op_code(m, f) == NNC_OP_graph)
                simplify_block(cx, x, nnc_op_region(m, f, 0));
    } while (cx->changed != before && ++sweep < SWEEPS);
    return NNC_OK;
}
