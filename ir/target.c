/* One row per machine class; figures are per core, measured or from the vendor's optimisation guides. */
#include "ir/target.h"
#include <string.h>

static const nnc_target targets[] = {
    {"avx512",
     16,
     32,
     48 << 10,
     1 << 20,
     200.f,
     170.f,
     50.f,
     20.f,
     {{6, 64}, {12, 32}, {14, 32}, {9, 48}, {8, 48}, {0, 0}}},
    {"avx2", 8, 16, 32 << 10, 512 << 10, 100.f, 100.f, 40.f, 20.f, {{6, 16}, {4, 24}, {0, 0}}},
    {"neon", 4, 32, 64 << 10, 1 << 20, 30.f, 40.f, 20.f, 15.f, {{8, 8}, {4, 16}, {0, 0}}},
    {"scalar", 1, 16, 16 << 10, 128 << 10, 1.f, 8.f, 4.f, 2.f, {{4, 4}, {2, 4}, {0, 0}}},
};

const nnc_target *nnc_target_at(unsigned i)
{
    return i < sizeof targets / sizeof targets[0] ? &targets[i] : NULL;
}

const nnc_target *nnc_target_by_name(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        if (!strcmp(targets[i].name, name))
            return &targets[i];
    return NULL;
}
