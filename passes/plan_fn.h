/* passes/plan_fn.h - shared by the files of the pass `plan`: who touches which memory of the entry kernel, and when.
 *
 * A *step* is the position of an op in a walk through the kernel; a loop or branch spans the steps of its regions.
 * A *memory* is an arena alloc, an argument or a weight, with everything that is a view of it. */
#ifndef NNC_PASSES_PLAN_FN_H
#define NNC_PASSES_PLAN_FN_H
#include "passes/pass.h"
#include "passes/plan.h"

typedef struct nnc_touch { /* one access of one memory by one op */
    nnc_op op;
    unsigned at; /* which operand of the op */
    bool reads, writes;
} nnc_touch;

typedef struct nnc_memory {
    nnc_value base;
    NNC_BUF(nnc_touch) touch; /* in order of steps */
    uint32_t first, last; /* steps; loops around an access but not around the alloc count whole */
    bool arena;
} nnc_memory;

typedef struct nnc_live {
    nnc_module *m;
    nnc_arena *a;
    nnc_op kernel;
    nnc_block top;
    uint32_t *start, *end; /* per op id: its steps */
    uint32_t *of;          /* per value id: index + 1 of the memory it is the base of */
    NNC_BUF(nnc_memory) memory;
    uint32_t nvalue, nstep;
    NNC_BUF(nnc_op) step; /* per step: its op */
} nnc_live;

nnc_live *nnc_live_new(nnc_module *m, nnc_arena *a, nnc_op entry);
/* The memory that buffer v lies in, through views; NULL: none of the entry. */
nnc_memory *nnc_live_of(const nnc_live *l, nnc_value v);
/* The op of block b that is `op` or holds it; 0: op is not inside b. */
nnc_op nnc_live_inside(const nnc_module *m, nnc_op op, nnc_block b);

/* What a kernel does with its parameter i, calls inside it included. */
typedef struct nnc_use_facts {
    bool reads, writes;
} nnc_use_facts;
nnc_use_facts nnc_param_facts(const nnc_module *m, nnc_op kernel, unsigned i);

/* May parameter `out` of a kernel lie in the same memory as parameter `in`?  What the kernel's [inplace] says: pairs
 * (out, in) such that every element of `in` is read for the last time where the same element of `out` is written. */
bool nnc_param_in_place(const nnc_module *m, nnc_op kernel, unsigned out, unsigned in);

/* Results take over the memory of operands that die with the call, copies between memories that never hold different
 * things at once go away.  Number of buffers saved. */
unsigned nnc_plan_reuse(nnc_module *m, nnc_arena *scratch, nnc_op entry);
/* Calls of straight-line blocks reordered when that lowers the bound.  Number of blocks that changed. */
unsigned nnc_plan_order(nnc_module *m, nnc_arena *scratch, nnc_op entry);
/* Warnings for large copies inside of loops. */
void nnc_plan_copies(nnc_module *m);
#endif
