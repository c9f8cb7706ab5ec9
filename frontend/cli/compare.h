/* frontend/cli/compare.h - how far two tensors are apart. */
#ifndef NNC_FRONTEND_CLI_COMPARE_H
#define NNC_FRONTEND_CLI_COMPARE_H
#include "ir/interp.h"

typedef struct cli_distance {
    bool shape;             /* dtype, rank and sizes agree */
    uint64_t count, differ; /* elements; those that are not bit-equal (nan equals nan) */
    double max_abs, scale;  /* largest difference; largest magnitude of the expected tensor */
    double relative;  /* max_abs / scale; infinite when only one side is nan or inf somewhere */
    uint64_t max_ulp; /* of float dtypes; integers: the largest difference */
} cli_distance;
cli_distance cli_compare(const nnc_tensor *got, const nnc_tensor *want);
#endif
