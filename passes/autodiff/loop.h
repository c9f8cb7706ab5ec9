/* passes/autodiff/loop.h - the adjoint of a scan while it is made (loop.c, hoist.c). */
#ifndef NNC_PASSES_AUTODIFF_LOOP_H
#define NNC_PASSES_AUTODIFF_LOOP_H
#include "passes/autodiff/ad.h"

typedef NNC_BUF(unsigned) nnc_ad_indices;

/* One summand of the cotangent of a value from outside, to be summed over all trips behind the loop. */
typedef struct nnc_ad_term {
    nnc_value cap;
    nnc_op op;          /* dot or reduce, in the body */
    nnc_value outer[2]; /* the stack of an operand, where there is one already */
    unsigned yield[2];  /* else which value of the body's yield becomes it */
} nnc_ad_term;

typedef struct nnc_ad_loop {
    nnc_ad *x;
    nnc_op op;
    nnc_block body;
    unsigned nc, nin, nout;
    nnc_ad_values cap; /* active values from outside */
    nnc_ad_indices k;  /* carried values with a cotangent */
    nnc_ad_indices g;  /* stacked results with a cotangent */
    nnc_ad_indices dx; /* slices that receive one */
    nnc_op hold;       /* holds the adjoint's region until its operands are known */
    nnc_block bw;
    nnc_ad_values in; /* operands of the adjoint, beside arguments 1.. of bw */
    NNC_BUF(nnc_ad_term) later;
} nnc_ad_loop;

/* First arguments of the adjoint's groups: 0 is the counter, then carried cotangents, then those of `cap`, then stacks. */
static inline unsigned nnc_ad_at_cap(const nnc_ad_loop *l)
{
    return 1 + l->k.n;
}
static inline unsigned nnc_ad_at_stack(const nnc_ad_loop *l)
{
    return nnc_ad_at_cap(l) + l->cap.n;
}

/* [T, ..] for a value of the body. */
nnc_type nnc_ad_stacked(nnc_ad_loop *l, nnc_value v);
/* Move sums out of the body: fills `later`, changes the yield, drops cap. */
void nnc_ad_hoist(nnc_ad_loop *l);
/* Behind the adjoint `made`: the sums over all trips. */
void nnc_ad_sum_later(nnc_ad_loop *l, nnc_op made);
#endif
