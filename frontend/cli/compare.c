#include <math.h>
#include <string.h>
#include "frontend/cli/compare.h"
#include "ir/eval.h"

/* Bits as integers in the order of the numbers, so that neighbours differ by one. */
static int64_t ordered(nnc_dtype dt, uint64_t bits)
{
    unsigned width = nnc_dtype_infos[dt].bits;
    uint64_t sign = 1ull << (width - 1);
    return bits & sign ? -(int64_t)(bits & (sign - 1)) : (int64_t)bits;
}

static uint64_t gap(int64_t a, int64_t b)
{
    return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

static void compare_one(nnc_dtype dt, const char *p, const char *q, cli_distance *d)
{
    bool is_float = nnc_dtype_is_float(dt);
    nnc_num x = nnc_num_load(dt, p), y = nnc_num_load(dt, q);
    double fx = is_float ? x.f : (double)x.i, fy = is_float ? y.f : (double)y.i;
    if (isfinite(fy) && fabs(fy) > d->scale)
        d->scale = fabs(fy);
    if (is_float ? (isnan(fx) && isnan(fy)) || (fx == fy) : x.i == y.i)
        return;
    d->differ++;
    if (!isfinite(fx) || !isfinite(fy)) {
        d->max_abs = INFINITY;
        d->max_ulp = UINT64_MAX;
        return;
    }
    if (fabs(fx - fy) > d->max_abs)
        d->max_abs = fabs(fx - fy);
    uint64_t u = is_float ? gap(ordered(dt, nnc_num_bits(dt, x)), ordered(dt, nnc_num_bits(dt, y)))
                          : gap(x.i, y.i);
    if (u > d->max_ulp)
        d->max_ulp = u;
}

cli_distance cli_compare(const nnc_tensor *got, const nnc_tensor *want)
{
    cli_distance d = {.shape =
                          got->dtype == want->dtype && got->rank == want->rank &&
                          !memcmp(got->dim, want->dim, (size_t)want->rank * sizeof *want->dim)};
    if (!d.shape)
        return d;
    d.count = (uint64_t)nnc_tensor_count(want);
    size_t step = nnc_dtype_bytes(want->dtype);
    for (uint64_t i = 0; i < d.count; i++)
        compare_one(want->dtype, (const char *)got->data + i * step,
                    (const char *)want->data + i * step, &d);
    d.relative = d.max_abs == 0 ? 0 : d.max_abs / (d.scale > 0 ? d.scale : 1);
    return d;
}
