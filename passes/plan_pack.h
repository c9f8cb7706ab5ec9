/* passes/plan_pack.h - between plan_pack.c (heuristics) and plan_exact.c (branch and bound). */
#ifndef NNC_PASSES_PLAN_PACK_H
#define NNC_PASSES_PLAN_PACK_H
#include "ir/base/arena.h"

/* A rectangle: `size` bytes (a multiple of align) over the steps first .. last. */
typedef struct nnc_pack_box {
    uint64_t size, align, offset;
    uint32_t first, last;
    bool fixed;
} nnc_pack_box;

/* Improve on *best (offsets in the boxes, total height *best) until *bound is met or `nodes` places were tried.
 * true: the result is proven optimal. */
bool nnc_pack_exact(nnc_arena *scratch, nnc_pack_box *box, uint32_t n, uint64_t bound,
                    uint64_t *best, uint64_t nodes);
#endif
