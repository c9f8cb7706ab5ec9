/* passes/rules/structure.h - inside rules/: the functions named in structure.def. */
#ifndef NNC_PASSES_RULES_STRUCTURE_H
#define NNC_PASSES_RULES_STRUCTURE_H
#include "passes/rules/rules.h"

#define STRUCTURE(name, class, root, fn) nnc_value nnc_rule_##fn(nnc_builder *b, nnc_op op);
#include "passes/rules/structure.def"

static inline nnc_value nnc_no_value(void)
{
    return (nnc_value){0};
}
/* The op that makes v when it has this code, else none. */
static inline nnc_op nnc_maker(const nnc_module *m, nnc_value v, nnc_opcode code)
{
    nnc_op op = nnc_value_op(m, v);

    return op.id && nnc_op_code(m, op) == code ? op : (nnc_op){0};
}
/* A list attribute of a known length as a copy; missing entries get `dflt`. */
void nnc_attr_list(const nnc_module *m, nnc_op op, nnc_word key, int n, int64_t dflt, int64_t *out);
/* Is v a constant scalar with this number? */
bool nnc_value_is_number(const nnc_module *m, nnc_value v, double num);
#endif
