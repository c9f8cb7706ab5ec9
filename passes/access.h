/* passes/access.h - the loads and stores of a kernel's parameters, and which of them can touch the same element.  For
 * kernels as lowered, loops not unrolled yet. */
#ifndef NNC_PASSES_ACCESS_H
#define NNC_PASSES_ACCESS_H
#include "ir/module.h"

enum {
    NNC_ACCESS_MAX = 64,   /* of one parameter */
    NNC_ACCESS_LOOPS = 24, /* around one access */
    NNC_ACCESS_PARAMS = 64 /* emitters keep a bit per parameter that shares memory */
};

typedef struct nnc_access {
    nnc_op op;
    uint32_t at; /* position in the text */
    unsigned nloop;
    nnc_op loop[NNC_ACCESS_LOOPS]; /* around it, outermost first */
} nnc_access;

typedef struct nnc_accesses {
    NNC_BUF(nnc_access) list;
    bool all; /* nothing is missing from the list */
} nnc_accesses;

typedef struct nnc_access_list {
    nnc_module *m;
    nnc_arena *a;
    nnc_block top; /* of the kernel */
    unsigned nparam;
    nnc_accesses *load, *store; /* per parameter */
    uint32_t position;          /* while they are found */
    unsigned nloop;
    nnc_op loop[NNC_ACCESS_LOOPS];
} nnc_access_list;

void nnc_access_find(nnc_access_list *f, nnc_module *m, nnc_arena *a, nnc_op kernel);
/* When the store `s` and the access `x` touch the same element, forced[i] says whether common loop i is in the same
 * iteration; *apart: they never touch the same element.  Number of loops around both. */
unsigned nnc_access_meet(const nnc_access_list *f, const nnc_access *s, const nnc_access *x,
                         bool forced[NNC_ACCESS_LOOPS], bool *apart);
#endif
