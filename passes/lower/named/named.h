/* passes/lower/named/named.h - hand-written kernels: one function per NAMED op, and what they share.
 *
 * Each makes the kernel and the call for one op.  Loops are over real sizes.  Numbers narrower than 32 bits are
 * computed in 32 (f16, bf16 and 8-bit floats in f32) and rounded when stored. */
#ifndef NNC_PASSES_LOWER_NAMED_H
#define NNC_PASSES_LOWER_NAMED_H
#include "passes/lower/entry.h"

nnc_status nnc_named_scatter_elements(nnc_lower *x, nnc_op op);
nnc_status nnc_named_scatter_nd(nnc_lower *x, nnc_op op);
nnc_status nnc_named_dynamic_update_slice(nnc_lower *x, nnc_op op);
nnc_status nnc_named_cumulate(nnc_lower *x, nnc_op op);
nnc_status nnc_named_sort(nnc_lower *x, nnc_op op);
nnc_status nnc_named_topk(nnc_lower *x, nnc_op op);
nnc_status nnc_named_compact(nnc_lower *x, nnc_op op);
nnc_status nnc_named_rng_bits(nnc_lower *x, nnc_op op);
nnc_status nnc_named_fold_key(nnc_lower *x, nnc_op op);
nnc_status nnc_named_nms(nnc_lower *x, nnc_op op);

/* A loop per dimension except `skip` (-1: none); i[d] gets the variable.  Returns the number of loops opened. */
int nnc_kb_nest(nnc_kb *k, int rank, const nnc_dim *dim, int skip, nnc_value *i);
void nnc_kb_close(nnc_kb *k, int loops);
/* A variable: a one-cell register buffer. */
nnc_value nnc_kb_var(nnc_kb *k, nnc_dtype dt, nnc_value init, const char *name);
nnc_value nnc_kb_get(nnc_kb *k, nnc_value var);
void nnc_kb_set(nnc_kb *k, nnc_value var, nnc_value v);
nnc_value nnc_kb_int(nnc_kb *k, int64_t v); /* idx constant */
/* A `while` loop: nnc_kb_while enters the condition, nnc_kb_do(cond) the body, nnc_kb_close(k, 1) ends it. */
void nnc_kb_while(nnc_kb *k);
void nnc_kb_do(nnc_kb *k, nnc_value cond);
/* The type that dt is computed in, and both ways. */
nnc_dtype nnc_kb_wide_type(nnc_dtype dt);
nnc_value nnc_kb_wide(nnc_kb *k, nnc_value v);
nnc_value nnc_kb_narrow(nnc_kb *k, nnc_value v, nnc_dtype dt);
/* op in wide arithmetic on values of dtype dt: add and mul of bools are or and and. */
nnc_value nnc_kb_combine(nnc_kb *k, nnc_word kind, nnc_value a, nnc_value b);
/* 0 <= i < n */
nnc_value nnc_kb_inside(nnc_kb *k, nnc_value i, nnc_value n);
/* A buffer's element at an index, as idx. */
nnc_value nnc_kb_load_idx(nnc_kb *k, nnc_value buf, unsigned n, const nnc_value *i);
/* Scratch memory of a kernel: an arena buffer of the entry, as a parameter. */
nnc_value nnc_kb_scratch(nnc_kb *k, nnc_dtype dt, int rank, const nnc_dim *dim, const char *name);

/* ---- rng_bits.c ---- */
nnc_value nnc_kb_word(nnc_kb *k, uint32_t v); /* u32 constant */
/* A block of Philox4x32-10: the counter c (u32) becomes the random words. */
void nnc_kb_philox(nnc_kb *k, nnc_value c[4], nnc_value key0, nnc_value key1);

/* ---- sort.c ---- */
/* The line of `buf` along `axis` at index i[]. */
typedef struct nnc_line {
    nnc_value buf;
    int rank, axis;
    nnc_value i[NNC_MAX_RANK];
    bool descending;
} nnc_line;
/* May the element with number b stand before the one with number a, strictly?  nan is last, or first in descending
 * order; numbers are idx. */
nnc_value nnc_kb_before(nnc_kb *k, const nnc_line *line, nnc_value vb, nnc_value va);
nnc_value nnc_kb_line_load(nnc_kb *k, const nnc_line *line, nnc_value at);
/* Scratch for orders of n elements. */
nnc_value nnc_kb_order_scratch(nnc_kb *k, nnc_dim n);
/* Stable order of the n elements of a line into row *row of perm [2, n]; `filled`: row 0 holds the numbers to order,
 * else it is filled with 0 .. n-1. */
nnc_value nnc_kb_order(nnc_kb *k, const nnc_line *line, nnc_value n, nnc_value perm, bool filled);
#endif
