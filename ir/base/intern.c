/* Open addressing over ids; strings live in the arena, a second array maps id to string. */
#include "ir/base/intern.h"
#include <string.h>

struct entry {
    const char *s;
    size_t len;
    uint64_t hash;
};
struct nnc_intern {
    nnc_arena *a;
    NNC_BUF(struct entry) entry;
    uint32_t *slot;
    uint32_t nslot;
};

uint64_t nnc_hash(const void *p, size_t n, uint64_t seed)
{
    const unsigned char *s = p;
    uint64_t h = seed ^ 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ s[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

nnc_intern *nnc_intern_new(nnc_arena *a)
{
    nnc_intern *t = nnc_arena_alloc(a, sizeof *t);
    t->a = a;
    NNC_PUSH(a, &t->entry, (struct entry){"", 0, 0});
    t->nslot = 256;
    t->slot = nnc_arena_array(a, t->nslot, sizeof *t->slot);
    return t;
}

static uint32_t *find_slot(const nnc_intern *t, const char *s, size_t len, uint64_t hash)
{
    uint32_t i = (uint32_t)hash & (t->nslot - 1);
    for (;; i = (i + 1) & (t->nslot - 1)) {
        const struct entry *e = &t->entry.at[t->slot[i]];
        if (!t->slot[i] || (e->hash == hash && e->len == len && !memcmp(e->s, s, len)))
            return &t->slot[i];
    }
}

static void rehash(nnc_intern *t)
{
    t->nslot *= 2;
    t->slot = nnc_arena_array(t->a, t->nslot, sizeof *t->slot);
    for (uint32_t i = 1; i < t->entry.n; i++) {
        const struct entry *e = &t->entry.at[i];
        *find_slot(t, e->s, e->len, e->hash) = i;
    }
}

nnc_sym nnc_intern_put(nnc_intern *t, const char *s, size_t len)
{
    if (!len)
        return (nnc_sym){0};
    uint64_t hash = nnc_hash(s, len, 0);
    uint32_t *slot = find_slot(t, s, len, hash);
    if (*slot)
        return (nnc_sym){*slot};
    NNC_PUSH(t->a, &t->entry, (struct entry){nnc_arena_copy(t->a, s, len), len, hash});
    uint32_t id = *slot = t->entry.n - 1;
    if (t->entry.n * 2 > t->nslot)
        rehash(t);
    return (nnc_sym){id};
}

const char *nnc_intern_str(const nnc_intern *t, nnc_sym sym)
{
    return t->entry.at[sym.id].s;
}

uint32_t nnc_intern_count(const nnc_intern *t)
{
    return t->entry.n - 1;
}
