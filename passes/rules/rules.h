/* passes/rules/rules.h - algebra as data: rules of pass `simplify`, and what a rule is.
 *
 * A rule is a name, a class, the dtypes it holds for and two trees; rules/algebra.def lists them.  It states one operand
 * order (the matcher tries both for COMMUTES ops) and makes the graph smaller or more canonical.  Classes:
 *   EXACT       bit for bit, nan, inf and -0 included
 *   ROUND       rounds differently by a few units in the last place; special values as before.  On by default
 *   FOLD        constants of a scale or shift move into the constants of the conv, dot or chain before it; may round
 *               differently, and overflow where a scaled weight does.  On by default, as in every deployment compiler
 *   FAST        wrong for nan, inf or -0; asked for by name
 *   FAST_ASSOC  reassociates; asked for by name
 * For integers, whose arithmetic wraps, a row says INT or NUM and is always EXACT.  Which zero max and min take from +0 and
 * -0 is not part of their value (the matcher swaps operands, and a tie gives the second). */
#ifndef NNC_PASSES_RULES_RULES_H
#define NNC_PASSES_RULES_RULES_H
#include "ir/eval.h"
#include "passes/clean.h"

typedef enum {
    NNC_RULE_EXACT,
    NNC_RULE_ROUND,
    NNC_RULE_FOLD,
    NNC_RULE_FAST,
    NNC_RULE_FAST_ASSOC
} nnc_rule_class;
/* dtypes of the operand variable X (of the root's first operand) */
enum {
    NNC_RULE_FLT = 1,
    NNC_RULE_INT = 2,
    NNC_RULE_BOOL = 4,
    NNC_RULE_NUM = 3,
    NNC_RULE_INT_BOOL = 6,
    NNC_RULE_ALL = 7
};

typedef enum {
    NNC_PAT_OP,  /* code(in..) */
    NNC_PAT_VAR, /* any value; the same variable must be the same value */
    NNC_PAT_NUM, /* a splat constant with exactly this number (bits: +0 is not -0) */
    NNC_PAT_CONST /* any constant, captured like a variable; a splat one when the rule has a condition */
} nnc_pat_kind;
typedef struct nnc_pat {
    nnc_pat_kind kind;
    nnc_opcode code;
    int var;
    double num;
    const struct nnc_pat *in[3];
} nnc_pat;
/* An extra condition on the captured constants (numbers of X's dtype). */
typedef bool (*nnc_rule_when)(nnc_dtype dt, const nnc_num *c);
typedef struct nnc_rule {
    const char *name;
    nnc_rule_class class;
    unsigned dtypes;
    const nnc_pat *lhs, *rhs;
    nnc_rule_when when;
} nnc_rule;
extern const nnc_rule nnc_rules[];
extern const unsigned nnc_rule_count;

/* A rule about shapes and structure is a function: it returns the value to replace op's single result with (same type),
 * or none.  rules/structure.def lists them. */
typedef struct nnc_structure_rule {
    const char *name;
    nnc_rule_class class;
    nnc_opcode root; /* NNC_OP_none: any elementwise op */
    nnc_value (*fn)(nnc_builder *b, nnc_op op);
} nnc_structure_rule;
extern const nnc_structure_rule nnc_structure_rules[];
extern const unsigned nnc_structure_rule_count;

/* Try one rule at op; the new value or none. */
nnc_value nnc_rule_apply(nnc_builder *b, const nnc_rule *r, nnc_op op);
bool nnc_rule_enabled(const nnc_options *opt, nnc_rule_class class);
#endif
