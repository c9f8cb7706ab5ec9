/* nnc_plan: from items to offsets.
 *
 * Items joined by alias_of become one box.  A greedy placement takes boxes in some order and puts each into the lowest
 * gap between the boxes that overlap it in time.  Several orders are tried (by size, by size x lifetime, by how full
 * the steps of a box are, by time); if none meets the lower bound, the best one is improved: the boxes that reach the
 * top are moved to the front of the order, with a few random swaps, and the placement is repeated.  Last comes branch
 * and bound (plan_exact.c).  All random numbers come from a fixed seed: equal inputs give equal plans. */
#include <stdlib.h>
#include <string.h>
#include "passes/plan.h"
#include "passes/plan_pack.h"

enum {
    SEARCH_WORK =
        20000000, /* pairs of boxes looked at while improving an order: well under a second */
    EXACT_BOXES = 400,
    EXACT_NODES = 200000
};

typedef struct span {
    uint64_t offset, end;
} span;
typedef struct begin {
    uint64_t live;
    uint32_t step;
} begin;

typedef struct pack {
    nnc_arena *a;
    nnc_pack_box *box;
    uint32_t n;
    uint32_t *near,
        *near_at; /* boxes that overlap box i in time: near[near_at[i] .. near_at[i + 1]) */
    uint64_t *best_offset, best, bound;
    uint64_t *key;      /* for sorting orders */
    span *taken;        /* scratch of place() */
    begin *begin;       /* one per box in order of first steps: bytes live there so far */
    uint32_t *begin_of; /* per box: its place in begin[] */
    bool *placed;
    uint64_t work, seed;
} pack;

static uint64_t up(uint64_t v, uint64_t align)
{
    return (v + align - 1) / align * align;
}

static uint32_t random_below(pack *p, uint32_t n)
{
    p->seed ^= p->seed << 13;
    p->seed ^= p->seed >> 7;
    p->seed ^= p->seed << 17;
    return (uint32_t)((p->seed >> 11) % n);
}

/* ---- overlaps and the bound ---- */

typedef struct event {
    uint32_t step, box;
    bool end;
} event;

static int by_step(const void *x, const void *y)
{
    const event *a = x, *b = y;
    if (a->step != b->step)
        return a->step < b->step ? -1 : 1;
    if (a->end != b->end)
        return a->end ? 1 : -1; /* begins before ends: both steps belong to the lifetime */
    return a->box < b->box ? -1 : a->box > b->box;
}

/* Sweep over time with the set of live boxes: pairs, and the largest sum. */
static void sweep(pack *p)
{
    event *e = nnc_arena_array(p->a, 2u * p->n + 1u, sizeof *e);
    uint32_t *live = nnc_arena_array(p->a, p->n + 1u, sizeof *live), nlive = 0;
    NNC_BUF(uint32_t) pair = {0}; /* two entries each */
    uint64_t sum = 0;
    uint32_t nbegin = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        e[2 * i] = (event){p->box[i].first, i, false};
        e[2 * i + 1] = (event){p->box[i].last, i, true};
    }
    qsort(e, 2u * p->n, sizeof *e, by_step);
    for (uint32_t k = 0; k < 2 * p->n; k++) {
        uint32_t i = e[k].box;
        if (e[k].end) {
            uint32_t j = 0;
            while (live[j] != i)
                j++;
            live[j] = live[--nlive];
            sum -= p->box[i].size;
            continue;
        }
        for (uint32_t j = 0; j < nlive; j++) {
            NNC_PUSH(p->a, &pair, i);
            NNC_PUSH(p->a, &pair, live[j]);
            p->near_at[i + 1]++;
            p->near_at[live[j] + 1]++;
        }
        live[nlive++] = i;
        sum += p->box[i].size;
        p->bound = sum > p->bound ? sum : p->bound;
        p->begin_of[i] = nbegin;
        p->begin[nbegin++] = (begin){sum, e[k].step};
    }
    for (uint32_t i = 0; i < p->n; i++)
        p->near_at[i + 1] += p->near_at[i];
    p->near = nnc_arena_array(p->a, pair.n + 1u, sizeof *p->near);
    uint32_t *fill = nnc_arena_copy(p->a, p->near_at, (p->n + 1u) * sizeof *fill);
    for (uint32_t k = 0; k < pair.n; k += 2) {
        p->near[fill[pair.at[k]]++] = pair.at[k + 1];
        p->near[fill[pair.at[k + 1]]++] = pair.at[k];
    }
}

/* ---- one greedy placement ---- */

static int by_offset(const void *x, const void *y)
{
    const span *a = x, *b = y;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* The lowest gap of a box between its placed neighbours. */
static uint64_t lowest_gap(pack *p, uint32_t i)
{
    uint64_t at = 0;
    uint32_t n = 0;

    for (uint32_t k = p->near_at[i]; k < p->near_at[i + 1]; k++) {
        const nnc_pack_box *b = &p->box[p->near[k]];
        if (p->placed[p->near[k]])
            p->taken[n++] = (span){b->offset, b->offset + b->size};
    }
    p->work += 4u * n + 1u;
    qsort(p->taken, n, sizeof *p->taken, by_offset);
    for (uint32_t k = 0; k < n && p->taken[k].offset < at + p->box[i].size; k++)
        if (p->taken[k].end > at)
            at = up(p->taken[k].end, p->box[i].align);
    return at;
}

static uint64_t place(pack *p, const uint32_t *order)
{
    uint64_t height = 0;

    for (uint32_t i = 0; i < p->n; i++)
        p->placed[i] = p->box[i].fixed;
    for (uint32_t k = 0; k < p->n; k++) {
        nnc_pack_box *b = &p->box[order[k]];
        if (!b->fixed)
            b->offset = lowest_gap(p, order[k]);
        p->placed[order[k]] = true;
        height = b->offset + b->size > height ? b->offset + b->size : height;
    }
    p->work += p->n;
    if (height < p->best) {
        p->best = height;
        for (uint32_t i = 0; i < p->n; i++)
            p->best_offset[i] = p->box[i].offset;
    }
    return height;
}

/* ---- orders ---- */

typedef struct ranked {
    uint64_t key;
    uint32_t box;
} ranked;

static int by_key(const void *x, const void *y)
{
    const ranked *a = x, *b = y;
    if (a->key != b->key)
        return a->key > b->key ? -1 : 1;
    return a->box < b->box ? -1 : a->box > b->box;
}

static void order_by_key(pack *p, uint32_t *order)
{
    ranked *r = nnc_arena_array(p->a, p->n + 1u, sizeof *r);

    for (uint32_t i = 0; i < p->n; i++)
        r[i] = (ranked){p->key[i], i};
    qsort(r, p->n, sizeof *r, by_key);
    for (uint32_t i = 0; i < p->n; i++)
        order[i] = r[i].box;
}

/* Bytes that overlap a box in time: how crowded its lifetime is. */
static uint64_t crowd(const pack *p, uint32_t i)
{
    uint64_t sum = p->box[i].size;

    for (uint32_t k = p->near_at[i]; k < p->near_at[i + 1]; k++)
        sum += p->box[p->near[k]].size;
    return sum;
}

/* The most bytes that live at one step of a box's lifetime; begins of boxes are where that changes for the worse. */
static uint64_t breadth(const pack *p, uint32_t i)
{
    uint64_t most = 0;

    for (uint32_t k = p->begin_of[i]; k < p->n && p->begin[k].step <= p->box[i].last; k++)
        most = p->begin[k].live > most ? p->begin[k].live : most;
    return most;
}

enum { BY_SIZE, BY_AREA, BY_BREADTH, BY_CROWD, BY_LIFETIME, BY_START, BY_END, ORDERS };

static uint64_t key_of(const pack *p, uint32_t i, int kind)
{
    const nnc_pack_box *b = &p->box[i];
    uint64_t life = (uint64_t)b->last - b->first + 1;

    switch (kind) {
    case BY_SIZE: return b->size;
    case BY_AREA: return b->size * life;
    case BY_BREADTH: return breadth(p, i);
    case BY_CROWD: return crowd(p, i);
    case BY_LIFETIME: return life;
    case BY_START: return UINT32_MAX - b->first;
    default: return b->last;
    }
}

/* Move the boxes that reach the top to the front half of the order, and swap a few others. */
static void disturb(pack *p, uint32_t *order, uint64_t height)
{
    for (uint32_t k = 1; k < p->n; k++) {
        const nnc_pack_box *b = &p->box[order[k]];
        if (b->offset + b->size == height && random_below(p, 4)) {
            uint32_t to = random_below(p, k), v = order[k];
            memmove(order + to + 1, order + to, (k - to) * sizeof *order);
            order[to] = v;
        }
    }
    for (uint32_t s = random_below(p, 3); s > 0; s--) {
        uint32_t i = random_below(p, p->n), j = random_below(p, p->n), v = order[i];
        order[i] = order[j];
        order[j] = v;
    }
}

static void improve(pack *p, uint32_t *order, uint64_t height)
{
    uint32_t *next = nnc_arena_array(p->a, p->n + 1u, sizeof *next);

    while (p->best > p->bound && p->work < SEARCH_WORK) {
        uint64_t h;
        memcpy(next, order, p->n * sizeof *next);
        disturb(p, next, height); /* the boxes lie as the last placement left them */
        h = place(p, next);
        if (h <= height || random_below(p, 50) == 0) {
            memcpy(order, next, p->n * sizeof *next);
            height = h;
        } else {
            place(p, order);
        }
    }
}

static void pack_boxes(pack *p)
{
    uint32_t *order = nnc_arena_array(p->a, p->n + 1u, sizeof *order);
    uint32_t *good = nnc_arena_array(p->a, p->n + 1u, sizeof *good);
    uint64_t least = UINT64_MAX;

    p->near_at = nnc_arena_array(p->a, p->n + 2u, sizeof *p->near_at);
    p->best_offset = nnc_arena_array(p->a, p->n + 1u, sizeof *p->best_offset);
    p->key = nnc_arena_array(p->a, p->n + 1u, sizeof *p->key);
    p->taken = nnc_arena_array(p->a, p->n + 1u, sizeof *p->taken);
    p->begin = nnc_arena_array(p->a, p->n + 1u, sizeof *p->begin);
    p->begin_of = nnc_arena_array(p->a, p->n + 1u, sizeof *p->begin_of);
    p->placed = nnc_arena_array(p->a, p->n + 1u, sizeof *p->placed);
    p->best = UINT64_MAX;
    p->seed = 0x9E3779B97F4A7C15u;
    sweep(p);
    for (int kind = 0; kind < ORDERS && p->best > p->bound; kind++) {
        uint64_t h;
        for (uint32_t i = 0; i < p->n; i++)
            p->key[i] = key_of(p, i, kind);
        order_by_key(p, order);
        h = place(p, order);
        if (h < least) {
            least = h;
            memcpy(good, order, p->n * sizeof *good);
        }
    }
    p->work = 0;
    if (p->best > p->bound && p->n > 2)
        improve(p, good, place(p, good));
    for (uint32_t i = 0; i < p->n; i++)
        p->box[i].offset = p->best_offset[i];
    if (p->best > p->bound && p->n <= EXACT_BOXES)
        nnc_pack_exact(p->a, p->box, p->n, p->bound, &p->best, EXACT_NODES);
}

/* ---- items ---- */

typedef struct joined {
    uint32_t *root;      /* per item: index of its root */
    int64_t *from_root;  /* per item: bytes behind the root's start */
    int64_t *low, *high; /* per root: extent of its group */
    uint32_t *box;       /* per root: its box */
} joined;

static int by_id(const void *x, const void *y)
{
    const nnc_plan_item *const *a = x, *const *b = y;
    return (*a)->id < (*b)->id ? -1 : (*a)->id > (*b)->id;
}

static bool find_roots(nnc_arena *a, nnc_plan_item *items, size_t n, joined *g)
{
    nnc_plan_item **sorted = nnc_arena_array(a, n + 1, sizeof *sorted);

    for (size_t i = 0; i < n; i++)
        sorted[i] = &items[i];
    qsort(sorted, n, sizeof *sorted, by_id);
    for (size_t i = 0; i < n; i++) {
        const nnc_plan_item *it = &items[i];
        int64_t behind = 0;
        for (size_t hops = 0; it->alias_of; hops++) {
            nnc_plan_item key = {.id = it->alias_of}, *pkey = &key, **hit;
            behind += it->alias_offset;
            hit = bsearch(&pkey, sorted, n, sizeof *sorted, by_id);
            if (!hit || hops > n)
                return false;
            it = *hit;
        }
        g->root[i] = (uint32_t)(it - items);
        g->from_root[i] = behind;
    }
    return true;
}

static uint64_t align_of(const nnc_plan_item *it)
{
    return it->align ? it->align : NNC_PLAN_ALIGN;
}

/* One box per group of aliases; the members' own alignments are the caller's business. */
static uint32_t make_boxes(const nnc_plan_item *items, size_t n, joined *g, nnc_pack_box *box)
{
    uint32_t nbox = 0;

    for (size_t i = 0; i < n; i++)
        if (g->root[i] == i && items[i].bytes) {
            box[nbox] = (nnc_pack_box){.align = align_of(&items[i]),
                                       .first = items[i].first,
                                       .last = items[i].last,
                                       .fixed = items[i].fixed};
            g->high[i] = (int64_t)items[i].bytes;
            g->box[i] = nbox++;
        }
    for (size_t i = 0; i < n; i++) {
        uint32_t r = g->root[i];
        nnc_pack_box *b = &box[g->box[r]];
        int64_t end = g->from_root[i] + (int64_t)items[i].bytes;
        if (!items[r].bytes)
            continue;
        g->low[r] = g->from_root[i] < g->low[r] ? g->from_root[i] : g->low[r];
        g->high[r] = end > g->high[r] ? end : g->high[r];
        b->first = items[i].first < b->first ? items[i].first : b->first;
        b->last = items[i].last > b->last ? items[i].last : b->last;
    }
    for (size_t i = 0; i < n; i++)
        if (g->root[i] == i && items[i].bytes) {
            nnc_pack_box *b = &box[g->box[i]];
            g->low[i] = -(int64_t)up((uint64_t)-g->low[i], b->align);
            b->size = up((uint64_t)(g->high[i] - g->low[i]), b->align);
            b->offset = items[i].fixed ? (uint64_t)((int64_t)items[i].offset + g->low[i]) : 0;
        }
    return nbox;
}

nnc_status nnc_plan(nnc_arena *scratch, nnc_plan_item *items, size_t n, uint64_t budget,
                    uint64_t *arena, uint64_t *lower_bound)
{
    pack p = {.a = scratch};
    joined g = {0};

    g.root = nnc_arena_array(scratch, n + 1, sizeof *g.root);
    g.from_root = nnc_arena_array(scratch, n + 1, sizeof *g.from_root);
    g.low = nnc_arena_array(scratch, n + 1, sizeof *g.low);
    g.high = nnc_arena_array(scratch, n + 1, sizeof *g.high);
    g.box = nnc_arena_array(scratch, n + 1, sizeof *g.box);
    *arena = *lower_bound = 0;
    if (!find_roots(scratch, items, n, &g))
        return NNC_ERR;
    p.box = nnc_arena_array(scratch, n + 1, sizeof *p.box);
    p.n = make_boxes(items, n, &g, p.box);
    if (p.n) {
        pack_boxes(&p);
        *arena = p.best;
        *lower_bound = p.bound;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t r = g.root[i];
        int64_t start = items[r].bytes ? (int64_t)p.box[g.box[r]].offset - g.low[r] : 0;
        items[i].offset = (uint64_t)(start + g.from_root[i]);
    }
    return budget && *arena > budget ? NNC_ERR : NNC_OK;
}

bool nnc_plan_overlap(const nnc_plan_item *items, size_t n, size_t *a, size_t *b)
{
    for (*a = 0; *a < n; ++*a)
        for (*b = *a + 1; *b < n; ++*b) {
            const nnc_plan_item *x = &items[*a], *y = &items[*b];
            if (x->alias_of || y->alias_of || x->last < y->first || y->last < x->first)
                continue;
            if (x->offset < y->offset + y->bytes && y->offset < x->offset + x->bytes)
                return true;
        }
    return false;
}
