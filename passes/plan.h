/* passes/plan.h - the memory planner: one arena for every buffer of a run, offsets chosen so that it is small.
 *
 * nnc_plan works on plain items and knows nothing of the IR.  The pass `plan` makes items of the arena buffers of the
 * entry kernel, after it has let results share memory with operands (plan_reuse.c) and reordered calls (plan_order.c).
 * Afterwards every arena `alloc` has [offset], and the entry kernel has [arena] and [bound] in bytes. */
#ifndef NNC_PASSES_PLAN_H
#define NNC_PASSES_PLAN_H
#include "ir/module.h"

enum { NNC_PLAN_ALIGN = 64 /* a cache line; also enough for any vector load */ };

/* Live from step `first` to step `last`, both included.  An item with alias_of (the id of another item, 0: none) lies
 * alias_offset bytes behind that item's start.  `fixed`: offset is given, not chosen. */
typedef struct nnc_plan_item {
    uint32_t id; /* unique, not 0 */
    uint64_t bytes;
    uint32_t align; /* 0: NNC_PLAN_ALIGN */
    uint32_t first, last;
    uint32_t alias_of;
    int64_t alias_offset;
    bool fixed;
    uint64_t offset; /* the result */
} nnc_plan_item;

/* Choose offsets.  *arena: bytes needed; *lower_bound: the largest sum of live bytes (sizes rounded up to their
 * alignment), below which no plan can be.  The best of several greedy orders, improved by a search, proven or beaten
 * by branch and bound where that is feasible (always for a dozen items).  NNC_ERR: alias chains that make no sense, or
 * *arena > budget (budget 0: none); the offsets are set in the second case.  No diagnostic is reported here. */
nnc_status nnc_plan(nnc_arena *scratch, nnc_plan_item *items, size_t n, uint64_t budget,
                    uint64_t *arena, uint64_t *lower_bound);
/* Do two items that live together and are not aliases of each other share a byte?  Their indices, else false. */
bool nnc_plan_overlap(const nnc_plan_item *items, size_t n, size_t *a, size_t *b);

/* ---- what the tool prints ---- */
typedef struct nnc_plan_row {
    const char *name;
    nnc_loc loc; /* of the op that first writes it */
    uint64_t bytes, offset;
    uint32_t first, last; /* steps */
} nnc_plan_row;
typedef struct nnc_plan_step {
    const char *name;
    nnc_loc loc;
    uint64_t live;
} nnc_plan_step; /* live: bytes in use */
typedef struct nnc_plan_info {
    uint64_t arena, lower_bound;
    nnc_plan_row *row;
    nnc_plan_step *step;
    uint32_t nrow, nstep, peak; /* peak: the step with the most live bytes */
} nnc_plan_info;
/* The plan of a planned entry kernel; memory from `a`.  NNC_ERR without a diagnostic: there is none. */
nnc_status nnc_plan_report(nnc_module *m, nnc_arena *a, nnc_plan_info *out);
#endif
