/* passes/batch/batch.h - maps become batched operations.
 *
 * A map is a `scan` that carries nothing: its turns are independent.  Its body is rewritten with one more leading axis,
 * the lanes, on every value that depends on the turn: `dot [d]x[d,u]` becomes `dot [n,d]x[d,u]`, an inner scan steps all
 * lanes at once, an `if` on a lane's own condition becomes both sides and a select.  What does not depend on the turn
 * is computed once.  Maps inside maps become further axes of the same operations.
 *
 * Hints, attributes of the scan: [serial=1] keeps the loop; [batch=n] runs tiles of n lanes.
 * A map stays a loop when its body has an effect (`check`, `host`), a `while` of its own, a size that differs from turn to
 * turn, unequal sides of a costly `if`, or would need more than NNC_MAX_RANK axes. */
#ifndef NNC_PASSES_BATCH_H
#define NNC_PASSES_BATCH_H
#include "passes/pass.h"

/* Batch one scan before an enclosing gradient is taken, maps in its body first.  true: batched operations stand in its
 * place, and `scan` is erased; false: it stays, and `why` (may be NULL) says what is in the way.  Sides of an `if` that a
 * lane does not take are fed the operands of a lane that does, so that no 0 * inf spoils a gradient.  There are no
 * tiles unless [batch=n] asks for them. */
bool nnc_batch_scan(nnc_module *m, nnc_op scan, const char **why);

/* In a block and its regions (products.c): sums of outer products, as gradients per example make them, become contractions;
 * outer products that stay, and rows of a matrix times a vector, become maps.  It changes the order of sums.  Returns the
 * number of rewritten ops. */
unsigned nnc_batch_products(nnc_module *m, nnc_block b);
#endif
