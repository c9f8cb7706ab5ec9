/* tests/passes/loops/mix.h - the host of the random programs: what it returns depends on all it was ever asked.
 * Functions 0 to 2 take as many i64 and give one, 3 to 5 take that many less three and give none. */
#ifndef NNC_TESTS_PASSES_LOOPS_MIX_H
#define NNC_TESTS_PASSES_LOOPS_MIX_H
#include <stdint.h>

static inline int mix(uint64_t *seen, int id, void *const *data)
{
    int n = id < 3 ? id : id - 3;

    *seen = (*seen ^ (uint64_t)id) * 0x9E3779B97F4A7C15u;
    for (int i = 0; i < n; i++)
        *seen = (*seen ^ (uint64_t) * (const int64_t *)data[i]) * 0x9E3779B97F4A7C15u;
    if (id < 3)
        *(int64_t *)data[n] = (int64_t)(*seen >> 59);
    return 0;
}
#endif
