/* passes/autodiff/autodiff.h - replaces grad, vjp and jvp by the operations that compute them.
 *
 *     %w1 = leaf %w                                  a variable to differentiate by
 *     ..  %l                                         f32[], computed from %w1 and others
 *     %g = grad %l, %w1                              becomes the adjoints of what lies between %w1 and %l
 *
 * A leaf may be any value of the graph; results of `leaf` are distinct variables even when their values are the same,
 * and the variables of one derivative are independent: one that was made from another is not followed into that one.
 * What a value depends on is followed through ops, branches and loops, not through integers, comparisons, `stop_grad`,
 * and not into the past of a loop in which the op itself stands.  Leaves that are not reached get zeros; when none is,
 * that is an error, unless the op says [mode=zero].
 *
 * Modes.  grad by one leaf of rank 0 runs forward; every other grad and vjp runs in reverse.  Ops are visited in order,
 * regions first, so whatever a derivative looks at is plain already, and derivatives nest: grad of grad, jvp of grad.
 *
 * Loops.  In reverse, a scan becomes a scan that also yields what its adjoint needs and cannot cheaply compute again (the
 * tape), and one that runs backwards.  [checkpoint=n] keeps only the state before every n-th trip and computes the rest
 * again.  A `while` is differentiated in reverse as a scan over its [max_trips], without it not at all.
 *
 * custom_grad brings its adjoint along; inside it nothing is looked at.  In its `bwd` region residuals are constants for
 * second derivatives, except those that are results as well; operands and cotangents are not.
 *
 * Points without a derivative: max, min, abs, relu have 0 on the flat side (a tie of max(x, y) goes to y); reductions by max or
 * min go to the first winner, window maxima too; pow(0, y) has derivative 0 by y. */
#ifndef NNC_PASSES_AUTODIFF_AUTODIFF_H
#define NNC_PASSES_AUTODIFF_AUTODIFF_H
#include "ir/module.h"

/* All derivatives of one graph.  Calls of other graphs must be inlined before.  Afterwards there is no grad, vjp, jvp,
 * leaf, stop_grad or custom_grad in it; what is dead stays for pass dce. */
nnc_status nnc_autodiff_run(nnc_module *m, nnc_op graph);
/* Is there anything to do? */
bool nnc_autodiff_needed(const nnc_module *m, nnc_op graph);
#endif
