/* ir/hashset.h - a set of 32-bit ids keyed by what they stand for; the caller hashes and compares. */
#ifndef NNC_IR_HASHSET_H
#define NNC_IR_HASHSET_H
#include "ir/base/arena.h"

typedef struct nnc_hashset {
    nnc_arena *a;
    uint32_t *slot;
    uint64_t *hash;
    uint32_t nslot, n;
} nnc_hashset;
typedef bool (*nnc_hashset_same)(const void *user, uint32_t id, const void *key);

nnc_hashset *nnc_hashset_new(nnc_arena *a);
/* The id stored under `key`, or 0. */
uint32_t nnc_hashset_find(const nnc_hashset *s, uint64_t hash, nnc_hashset_same same,
                          const void *user, const void *key);
void nnc_hashset_add(nnc_hashset *s, uint64_t hash, uint32_t id);
void nnc_hashset_clear(nnc_hashset *s);
#endif
