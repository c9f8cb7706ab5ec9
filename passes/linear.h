/* passes/linear.h - index arithmetic as a sum: k + c0 * v0 + c1 * v1 + ..., so that constants meet in one
 * displacement and every text target prints A[m * 2304 + k + 768]. */
#ifndef NNC_PASSES_LINEAR_H
#define NNC_PASSES_LINEAR_H
#include "ir/module.h"

enum { NNC_LINEAR_TERMS = 24 };
typedef struct nnc_linear {
    int64_t k;
    unsigned n;
    struct {
        int64_t c;
        nnc_value v; /* an idx value that is not itself a sum, a difference or a multiple */
    } term[NNC_LINEAR_TERMS];
} nnc_linear;

/* l += c * v.  When the terms run out, v itself becomes a term. */
void nnc_linear_add(const nnc_module *m, nnc_linear *l, nnc_value v, int64_t c);
/* The element offset of a load (first = 1) or store (first = 2) in its buffer. */
void nnc_linear_address(const nnc_module *m, nnc_linear *l, nnc_op op, unsigned first);
/* Is v an idx sum, difference or constant multiple, i.e. never a term? */
bool nnc_linear_is_sum(const nnc_module *m, nnc_value v);
/* How much of `var` is in v: its coefficient when v is linear in it; *ok = false when v depends on it in another way. */
int64_t nnc_linear_coef(const nnc_module *m, nnc_value v, nnc_value var, bool *ok);
#endif
