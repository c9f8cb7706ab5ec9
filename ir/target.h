/* ir/target.h - what a machine can do, for schedules, legalise and the cost model. */
#ifndef NNC_IR_TARGET_H
#define NNC_IR_TARGET_H
#include "ir/type.h"

typedef struct nnc_tile {
    uint8_t mr, nr;
} nnc_tile; /* rows x columns of accumulators (elements) */
typedef struct nnc_target {
    const char *name;
    uint16_t lanes; /* f32 lanes of the preferred vector; 1: scalars only */
    uint16_t vector_regs;
    uint32_t l1_bytes, l2_bytes;
    float gflops, l2_gbs, l3_gbs, dram_gbs; /* one core */
    nnc_tile tile[8]; /* f32 gemm tiles in order of preference, ended by {0, 0} */
} nnc_target;
/* "avx512", "avx2", "neon", "scalar"; NULL when unknown. */
const nnc_target *nnc_target_by_name(const char *name);
const nnc_target *nnc_target_at(unsigned i); /* NULL past the last */
#endif
