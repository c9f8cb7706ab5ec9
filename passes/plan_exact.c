/* Branch and bound for offsets.
 *
 * In a solution with no air under any box, sorted by offset, every box lies on 0 or on boxes placed before it.  So the
 * search places boxes in order of non-decreasing offset, each at its floor: the top of the placed boxes that overlap it
 * in time.  Cuts:
 *   - at every step, what is placed there (or the current offset, if higher) plus what is still to be placed there must
 *     stay under the best height known;
 *   - a box is not placed at an offset under which another unplaced box would fit whole: that one could move down.
 * (Moffitt, "MiniMalloc", ASPLOS 2023, has the same two ideas.)  Only steps at which a box begins are looked at: the
 * live set is largest at one of them. */
#include <string.h>
#include "passes/plan_pack.h"

typedef struct search {
    nnc_pack_box *box;
    uint32_t n, nstep;
    uint32_t *from, *to;  /* per box: range of compressed steps, both included */
    uint64_t *top, *rest; /* per step: height of what is placed, bytes still to be placed */
    uint64_t *depth;      /* scratch of each level: floors [n], saved tops [nstep] */
    uint64_t *best_offset, best, bound, nodes;
    bool *placed;
    uint32_t left;
    bool complete; /* the tree was searched to the end */
} search;

static uint64_t up(uint64_t v, uint64_t align)
{
    return (v + align - 1) / align * align;
}

static uint64_t floor_of(const search *s, uint32_t i)
{
    uint64_t f = 0;

    for (uint32_t t = s->from[i]; t <= s->to[i]; t++)
        f = s->top[t] > f ? s->top[t] : f;
    return up(f, s->box[i].align);
}

static bool hopeless(const search *s, uint64_t low)
{
    for (uint32_t t = 0; t < s->nstep; t++)
        if (s->rest[t] && (s->top[t] > low ? s->top[t] : low) + s->rest[t] >= s->best)
            return true;
    return false;
}

static void descend(search *s, uint64_t low);

static void try_box(search *s, uint32_t i, uint64_t at, uint64_t *saved)
{
    uint32_t span = s->to[i] - s->from[i] + 1;

    memcpy(saved, s->top + s->from[i], span * sizeof *saved);
    for (uint32_t t = s->from[i]; t <= s->to[i]; t++) {
        s->top[t] = at + s->box[i].size;
        s->rest[t] -= s->box[i].size;
    }
    s->box[i].offset = at;
    s->placed[i] = true;
    s->left--;
    descend(s, at);
    s->left++;
    s->placed[i] = false;
    for (uint32_t t = s->from[i]; t <= s->to[i]; t++)
        s->rest[t] += s->box[i].size;
    memcpy(s->top + s->from[i], saved, span * sizeof *saved);
}

static void record(search *s)
{
    uint64_t height = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        uint64_t end = s->box[i].offset + s->box[i].size;
        height = end > height ? end : height;
    }
    if (height >= s->best)
        return;
    s->best = height;
    for (uint32_t i = 0; i < s->n; i++)
        s->best_offset[i] = s->box[i].offset;
}

/* Has an unplaced box before i the same size and steps?  Then placing i instead leads to the same solutions. */
static bool repeats(const search *s, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++)
        if (!s->placed[j] && s->from[j] == s->from[i] && s->to[j] == s->to[i] &&
            s->box[j].size == s->box[i].size && s->box[j].align == s->box[i].align)
            return true;
    return false;
}

static void descend(search *s, uint64_t low)
{
    uint64_t *floors = s->depth + (size_t)s->left * (s->n + s->nstep), *saved = floors + s->n,
             under = UINT64_MAX;

    if (s->left == 0) {
        record(s);
        return;
    }
    if (s->best <= s->bound || hopeless(s, low))
        return;
    if (s->nodes == 0) {
        s->complete = false;
        return;
    }
    s->nodes--;
    for (uint32_t i = 0; i < s->n; i++)
        if (!s->placed[i]) {
            floors[i] = floor_of(s, i);
            under = floors[i] + s->box[i].size < under ? floors[i] + s->box[i].size : under;
        }
    for (uint32_t i = 0; i < s->n; i++)
        if (!s->placed[i] && floors[i] >= low && floors[i] < under && !repeats(s, i))
            try_box(s, i, floors[i], saved);
}

/* Steps that are the first of some box, in order; from and to of every box among them. */
static void compress_steps(search *s, nnc_arena *a)
{
    uint32_t *first = nnc_arena_array(a, s->n + 1u, sizeof *first), m = 0;

    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t j = m++;
        for (; j > 0 && first[j - 1] > s->box[i].first; j--)
            first[j] = first[j - 1];
        first[j] = s->box[i].first;
    }
    s->nstep = 0;
    for (uint32_t i = 0; i < m; i++)
        if (i == 0 || first[i] != first[i - 1])
            first[s->nstep++] = first[i];
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t t = 0;
        while (first[t] != s->box[i].first)
            t++;
        s->from[i] = t;
        while (t + 1 < s->nstep && first[t + 1] <= s->box[i].last)
            t++;
        s->to[i] = t;
    }
}

bool nnc_pack_exact(nnc_arena *scratch, nnc_pack_box *box, uint32_t n, uint64_t bound,
                    uint64_t *best, uint64_t nodes)
{
    search s = {.box = box,
                .n = n,
                .best = *best,
                .bound = bound,
                .nodes = nodes,
                .left = n,
                .complete = true};

    for (uint32_t i = 0; i < n; i++)
        if (box[i].fixed)
            return *best <= bound;
    s.from = nnc_arena_array(scratch, n + 1u, sizeof *s.from);
    s.to = nnc_arena_array(scratch, n + 1u, sizeof *s.to);
    compress_steps(&s, scratch);
    s.top = nnc_arena_array(scratch, s.nstep + 1u, sizeof *s.top);
    s.rest = nnc_arena_array(scratch, s.nstep + 1u, sizeof *s.rest);
    s.placed = nnc_arena_array(scratch, n + 1u, sizeof *s.placed);
    s.best_offset = nnc_arena_array(scratch, n + 1u, sizeof *s.best_offset);
    s.depth = nnc_arena_array(scratch, (size_t)(n + 1u) * (n + s.nstep), sizeof *s.depth);
    for (uint32_t i = 0; i < n; i++) {
        s.best_offset[i] = box[i].offset;
        for (uint32_t t = s.from[i]; t <= s.to[i]; t++)
            s.rest[t] += box[i].size;
    }
    descend(&s, 0);
    for (uint32_t i = 0; i < n; i++)
        box[i].offset = s.best_offset[i];
    *best = s.best;
    return s.complete || s.best <= bound;
}
