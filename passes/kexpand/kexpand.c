/* Loop kinds are carried out.
 *
 * A kernel with vector loops is kept twice: itself in vector form, [form=vector, portable="name"], and a twin
 * [form=portable] in which vector loops are ordinary loops.  Callers know the first; emitters for machines without
 * vectors (and the C file under #if) take the twin.  Kernels without vector loops stay single. */
#include "passes/kexpand/kexpand.h"
#include <string.h>
#include "passes/legalise.h"

static void portable_form(nnc_expand *x)
{
    nnc_expand_unroll(x, false);
    nnc_expand_scalar(x);
    nnc_expand_cse(x);
    nnc_expand_dce(x);
}

static void vector_form(nnc_expand *x)
{
    nnc_expand_unroll(x, true);
    nnc_expand_vector(x);
    nnc_expand_registers(x);
    nnc_expand_cse(x);
    nnc_expand_dce(x);
}

static nnc_op make_twin(nnc_expand *x)
{
    nnc_module *m = x->m;
    const char *name = nnc_arena_printf(m->arena, "%s_portable", nnc_func_name(m, x->func));

    (void)nnc_expand_map(x);
    nnc_op twin =
        nnc_op_clone(m, x->func, (nnc_pos){m->top, nnc_op_next(m, x->func)}, x->map, x->nmap);
    memset(x->map, 0, x->nmap * sizeof *x->map); /* the original's values live on, unmapped */
    nnc_attr_set_str(m, twin, NNC_W_sym, name);
    nnc_attr_set_word(m, twin, NNC_W_form, NNC_W_portable);
    nnc_attr_set_word(m, x->func, NNC_W_form, NNC_W_vector);
    nnc_attr_set_str(m, x->func, NNC_W_portable, name);
    return twin;
}

/* The vector form is tried on a copy of its loops: whether one can be carried out shows after unrolling. */
static void expand(nnc_expand *x)
{
    nnc_op vector = x->func, twin = make_twin(x);

    nnc_expand_unroll(x, true);
    if (x->vector_bytes >= 16 && nnc_expand_has_vector(x)) {
        vector_form(x);
        x->func = twin;
        portable_form(x);
        return;
    }
    /* one form only: the twin's, under the kernel's own name */
    const char *name = nnc_func_name(x->m, vector);
    bool entry = nnc_attr_int(x->m, vector, NNC_W_entry, 0) != 0;
    nnc_op_erase(x->m, vector);
    nnc_attr_set_str(x->m, twin, NNC_W_sym, name);
    nnc_attr_remove(x->m, twin, NNC_W_form);
    if (entry)
        nnc_attr_set_int(x->m, twin, NNC_W_entry, 1);
    x->func = twin;
    portable_form(x);
}

static bool has_kind(const nnc_module *m, nnc_block b, nnc_word kind)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_for &&
            nnc_attr_word(m, op, NNC_W_kind, NNC_W_serial) == kind)
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (has_kind(m, nnc_op_region(m, op, r), kind))
                return true;
    }
    return false;
}

nnc_status nnc_pass_kexpand(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    const nnc_target *t = cx->opt ? cx->opt->target : NULL;
    nnc_op next;

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = next) {
        next = nnc_op_next(m, f);
        if (nnc_op_code(m, f) != NNC_OP_kernel ||
            nnc_attr_word(m, f, NNC_W_form, NNC_W_none) != NNC_W_none)
            continue;
        nnc_arena_mark mark = nnc_arena_save(cx->scratch);
        nnc_expand x = {.cx = cx, .m = m, .func = f, .vector_bytes = t ? 4u * t->lanes : 64};
        nnc_legalise_func(cx, f);
        nnc_expand_narrow(&x);
        bool entry = nnc_attr_int(m, f, NNC_W_entry, 0) != 0;
        if (!entry && has_kind(m, nnc_op_region(m, f, 0), NNC_W_vector)) {
            expand(&x);
        } else {
            nnc_expand_unroll(&x, !entry);
            nnc_expand_scalar(&x);
            nnc_expand_cse(&x);
            nnc_expand_dce(&x);
        }
        nnc_arena_restore(cx->scratch, mark);
    }
    return NNC_OK;
}
