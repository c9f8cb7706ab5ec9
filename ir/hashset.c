/* Open addressing with linear probing, at most half full; ids are not removed one by one. */
#include "ir/hashset.h"
#include <string.h>

nnc_hashset *nnc_hashset_new(nnc_arena *a)
{
    nnc_hashset *s = nnc_arena_alloc(a, sizeof *s);
    s->a = a;
    s->nslot = 64;
    s->slot = nnc_arena_array(a, s->nslot, sizeof *s->slot);
    s->hash = nnc_arena_array(a, s->nslot, sizeof *s->hash);
    return s;
}

uint32_t nnc_hashset_find(const nnc_hashset *s, uint64_t hash, nnc_hashset_same same,
                          const void *user, const void *key)
{
    for (uint32_t i = (uint32_t)hash & (s->nslot - 1); s->slot[i]; i = (i + 1) & (s->nslot - 1))
        if (s->hash[i] == hash && same(user, s->slot[i], key))
            return s->slot[i];
    return 0;
}

static void put(nnc_hashset *s, uint64_t hash, uint32_t id)
{
    uint32_t i = (uint32_t)hash & (s->nslot - 1);
    while (s->slot[i])
        i = (i + 1) & (s->nslot - 1);
    s->slot[i] = id;
    s->hash[i] = hash;
}

void nnc_hashset_add(nnc_hashset *s, uint64_t hash, uint32_t id)
{
    if (2 * ++s->n > s->nslot) {
        uint32_t *slot = s->slot, n = s->nslot;
        uint64_t *h = s->hash;
        s->nslot *= 2;
        s->slot = nnc_arena_array(s->a, s->nslot, sizeof *s->slot);
        s->hash = nnc_arena_array(s->a, s->nslot, sizeof *s->hash);
        for (uint32_t i = 0; i < n; i++)
            if (slot[i])
                put(s, h[i], slot[i]);
    }
    put(s, hash, id);
}

void nnc_hashset_clear(nnc_hashset *s)
{
    memset(s->slot, 0, s->nslot * sizeof *s->slot);
    s->n = 0;
}
