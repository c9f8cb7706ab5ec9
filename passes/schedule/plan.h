/* passes/schedule/plan.h - a plan is an ordered list of loops over named axes (docs/ir.md section 7).
 *
 *     plan  := ["winograd:" n] ["outer" loops "stage"] loops ["pack"]
 *     loops := (axis ":" step kind)*
 *
 * `outer` loops are shared by all stages of a kernel that makes several passes over a row.  A step counts elements; a
 * loop iterates inside the enclosing loop of the same axis.  Kinds: none serial, u unroll, v vector, p parallel,
 * s unroll with a partial result per iteration (reduction axes; `v` on a reduction axis keeps one per lane), d the
 * last four steps of a contraction of bytes as one packed product (behind everything else; the loop around it steps by 4).
 * `winograd:n`: a convolution runs in transformed tiles of n x n outputs; its loops are over place f, tile m, o and i of the
 * products, and h:r is the number of rows of tiles in a strip.
 * `pack`: the constant operand of a contraction is laid out in the order in which the loops read it. */
#ifndef NNC_PASSES_SCHEDULE_PLAN_H
#define NNC_PASSES_SCHEDULE_PLAN_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNC_PLAN_LOOPS = 40 };
typedef struct nnc_plan_loop {
    char axis, kind;
    int64_t step;
} nnc_plan_loop; /* kind: ' ' u v p s d */
typedef struct nnc_plan {
    nnc_plan_loop loop[NNC_PLAN_LOOPS];
    unsigned n, nouter; /* the first nouter loops are the outer ones */
    bool pack;
    int winograd; /* outputs of a tile's row; 0: no transform */
} nnc_plan;

/* false: not a plan; *at is where reading stopped. */
bool nnc_plan_parse(nnc_plan *p, const char *text, const char **at);
/* The text of a plan; returns the length without the NUL, like snprintf. */
int nnc_plan_print(const nnc_plan *p, char *to, size_t size);
/* Add a loop at position i. */
void nnc_plan_insert(nnc_plan *p, unsigned i, char axis, int64_t step, char kind);
#endif
