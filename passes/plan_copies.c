/* Copies that a loop could not do without.
 *
 * Lowering writes the next value of a loop's state where the old one lies, unless somebody reads the old one afterwards;
 * then the state is copied in every turn.  A large copy is worth a word: most often two lines of the program, exchanged,
 * make it go away.  Code that a pass made has no such lines. */
#include "passes/plan_fn.h"

enum { LARGE = 4096 /* bytes */ };

static bool is_copy(const nnc_module *m, nnc_op op, nnc_value *to)
{
    nnc_op kernel;

    if (nnc_op_code(m, op) == NNC_OP_copy) {
        *to = nnc_op_in(m, op, 0);
        return true;
    }
    if (nnc_op_code(m, op) != NNC_OP_call || nnc_op_nin(m, op) < 2)
        return false;
    kernel = nnc_func_find(m, nnc_attr_str(m, op, NNC_W_callee, ""));
    *to = nnc_op_in(m, op, 1);
    return kernel.id && nnc_attr_int(m, kernel, NNC_W_copy, 0);
}

static void look(nnc_module *m, nnc_block b, bool turns, nnc_loc *told)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_opcode code = nnc_op_code(m, op);
        nnc_value to;
        if (turns && is_copy(m, op, &to)) {
            int64_t bytes = nnc_type_bytes(m, nnc_value_type(m, to));
            nnc_loc loc = nnc_op_loc(m, op);
            if (bytes > LARGE && told->id != loc.id && !nnc_loc_is_pass(m->diag, loc)) {
                const char *name = nnc_value_name(m, to);
                nnc_warning(
                    m->diag, loc,
                    "%lld bytes%s%s are copied in every turn of the loop, because what they "
                    "replace is still read; read it before the new value is made",
                    (long long)bytes, *name ? " of " : "", name);
                *told = loc;
            }
        }
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            look(m, nnc_op_region(m, op, r), turns || code == NNC_OP_for || code == NNC_OP_while,
                 told);
    }
}

void nnc_plan_copies(nnc_module *m)
{
    nnc_loc told = {0};

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_kernel &&
            nnc_attr_word(m, f, NNC_W_form, NNC_W_none) != NNC_W_portable)
            look(m, nnc_op_region(m, f, 0), false, &told);
}
