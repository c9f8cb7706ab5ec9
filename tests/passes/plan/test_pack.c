/* The planner on plain items: random instances against brute force, aliases, fixed items, budgets. */
#include "passes/plan.h"
#include "passes/plan_pack.h"
#include "tests/test.h"

static uint64_t seed = 1;

static uint32_t below(uint32_t n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % n);
}

static bool meet(const nnc_plan_item *a, const nnc_plan_item *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* The least height over all orders of placing every item into its lowest gap: the optimum, since the items of an
 * optimal plan, settled and taken from the bottom up, are one of these orders. */
static uint64_t brute(nnc_plan_item *it, uint32_t n, uint32_t *placed, uint32_t nplaced,
                      uint64_t height, uint64_t best)
{
    if (height >= best)
        return best;
    if (nplaced == n)
        return height;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = 0, h;
        bool used = false, moved = true;
        for (uint32_t k = 0; k < nplaced; k++)
            used = used || placed[k] == i;
        if (used)
            continue;
        while (moved) {
            moved = false;
            for (uint32_t k = 0; k < nplaced; k++) {
                const nnc_plan_item *p = &it[placed[k]];
                if (meet(p, &it[i]) && at < p->offset + p->bytes && p->offset < at + it[i].bytes) {
                    at = p->offset + p->bytes;
                    moved = true;
                }
            }
        }
        it[i].offset = at;
        placed[nplaced] = i;
        h = brute(it, n, placed, nplaced + 1, at + it[i].bytes > height ? at + it[i].bytes : height,
                  best);
        best = h < best ? h : best;
    }
    return best;
}

static uint64_t most_live(const nnc_plan_item *it, uint32_t n)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t sum = 0;
        for (uint32_t j = 0; j < n; j++)
            sum += it[j].first <= it[i].first && it[i].first <= it[j].last ? it[j].bytes : 0;
        most = sum > most ? sum : most;
    }
    return most;
}

static void check_disjoint(const nnc_plan_item *it, size_t n, uint64_t arena)
{
    size_t a, b;

    CHECK(!nnc_plan_overlap(it, n, &a, &b));
    for (size_t i = 0; i < n; i++) {
        CHECK(it[i].offset + it[i].bytes <= arena);
        CHECK_INT(it[i].offset % 64, 0);
    }
}

static void small_instances_are_optimal(void)
{
    for (int round = 0; round < 500; round++) {
        nnc_arena *a = nnc_arena_new();
        nnc_plan_item it[7], copy[7];
        nnc_pack_box box[7];
        uint32_t n = 1 + below(7), placed[7];
        uint64_t arena, bound, best;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t first = below(8);
            it[i] = (nnc_plan_item){.id = i + 1,
                                    .bytes = 64 * (1 + below(4)),
                                    .first = first,
                                    .last = first + below(5)};
        }
        memcpy(copy, it, sizeof it);
        CHECK_INT(nnc_plan(a, it, n, 0, &arena, &bound), NNC_OK);
        best = brute(copy, n, placed, 0, 0, UINT64_MAX);
        CHECK_INT(arena, best);
        CHECK_INT(bound, most_live(it, n));
        check_disjoint(it, n, arena);
        /* branch and bound alone, from a bad start and without the bound to stop at */
        for (uint32_t i = 0; i < n; i++)
            box[i] = (nnc_pack_box){
                .size = it[i].bytes, .align = 64, .first = it[i].first, .last = it[i].last};
        arena = UINT64_MAX;
        CHECK(nnc_pack_exact(a, box, n, 0, &arena, 1000000));
        CHECK_INT(arena, best);
        for (uint32_t i = 0; i < n; i++)
            it[i].offset = box[i].offset;
        check_disjoint(it, n, arena);
        nnc_arena_free(a);
    }
}

static void chains_with_skips_meet_the_bound(void)
{
    for (int round = 0; round < 20; round++) {
        nnc_arena *a = nnc_arena_new();
        nnc_plan_item it[300];
        uint64_t arena, bound;
        for (uint32_t i = 0; i < 300; i++)
            it[i] = (nnc_plan_item){.id = i + 1,
                                    .bytes = 1 + below(100000),
                                    .first = i,
                                    .last = i + 1 + (below(4) == 0 ? below(6) : 0)};
        CHECK_INT(nnc_plan(a, it, 300, 0, &arena, &bound), NNC_OK);
        check_disjoint(it, 300, arena);
        CHECK((double)arena <= 1.02 * (double)bound);
        nnc_arena_free(a);
    }
}

static void aliases_lie_where_they_are_told(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_plan_item it[] = {
        {.id = 10, .bytes = 256, .first = 2, .last = 4},
        {.id = 11, .bytes = 64, .first = 0, .last = 2, .alias_of = 10, .alias_offset = 128},
        {.id = 12, .bytes = 64, .first = 0, .last = 1},
        {.id = 13, .bytes = 64, .first = 5, .last = 6, .alias_of = 11, .alias_offset = 64},
        {.id = 14, .bytes = 0, .first = 5, .last = 6},
    };
    uint64_t arena, bound;

    CHECK_INT(nnc_plan(a, it, 5, 0, &arena, &bound), NNC_OK);
    CHECK_INT(it[1].offset, it[0].offset + 128);
    CHECK_INT(it[3].offset, it[1].offset + 64);
    CHECK_INT(arena, 320); /* the group lives from 0 on, so item 12 cannot share with it */
    it[1].alias_of = 99;
    CHECK_INT(nnc_plan(a, it, 5, 0, &arena, &bound), NNC_ERR);
    it[1].alias_of = 13; /* a cycle */
    CHECK_INT(nnc_plan(a, it, 5, 0, &arena, &bound), NNC_ERR);
    nnc_arena_free(a);
}

static void fixed_items_stay(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_plan_item it[] = {
        {.id = 1, .bytes = 64, .first = 0, .last = 9, .fixed = true, .offset = 128},
        {.id = 2, .bytes = 192, .first = 0, .last = 1},
        {.id = 3, .bytes = 128, .first = 1, .last = 2},
    };
    uint64_t arena, bound;

    CHECK_INT(nnc_plan(a, it, 3, 0, &arena, &bound), NNC_OK);
    CHECK_INT(it[0].offset, 128);
    CHECK_INT(it[2].offset, 0);
    CHECK_INT(it[1].offset, 192);
    CHECK_INT(arena, 384);
    check_disjoint(it, 3, arena);
    nnc_arena_free(a);
}

static void a_budget_that_is_too_small_is_an_error(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_plan_item it[] = {{.id = 1, .bytes = 100, .first = 0, .last = 1},
                          {.id = 2, .bytes = 100, .first = 1, .last = 2}};
    uint64_t arena, bound;

    CHECK_INT(nnc_plan(a, it, 2, 256, &arena, &bound), NNC_OK);
    CHECK_INT(arena, 256);
    CHECK_INT(nnc_plan(a, it, 2, 255, &arena, &bound), NNC_ERR);
    CHECK_INT(nnc_plan(a, it, 0, 255, &arena, &bound), NNC_OK);
    CHECK_INT(arena, 0);
    nnc_arena_free(a);
}

static void equal_items_give_equal_plans(void)
{
    nnc_plan_item it[2][60];
    uint64_t arena[2], bound;

    for (uint32_t i = 0; i < 60; i++) {
        uint32_t first = below(40);
        it[0][i] = it[1][i] = (nnc_plan_item){
            .id = i + 1, .bytes = 64 * (1 + below(50)), .first = first, .last = first + below(12)};
    }
    for (int k = 0; k < 2; k++) {
        nnc_arena *a = nnc_arena_new();
        CHECK_INT(nnc_plan(a, it[k], 60, 0, &arena[k], &bound), NNC_OK);
        nnc_arena_free(a);
    }
    CHECK_INT(arena[0], arena[1]);
    for (int i = 0; i < 60; i++)
        CHECK_INT(it[0][i].offset, it[1][i].offset);
}

int main(void)
{
    RUN(small_instances_are_optimal);
    RUN(chains_with_skips_meet_the_bound);
    RUN(aliases_lie_where_they_are_told);
    RUN(fixed_items_stay);
    RUN(a_budget_that_is_too_small_is_an_error);
    RUN(equal_items_give_equal_plans);
    return test_end();
}
