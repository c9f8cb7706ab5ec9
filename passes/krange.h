/* passes/krange.h - intervals of K values, from dtypes, constants, clamps and loop bounds.  A few levels deep, no fixed
 * point: enough to leave out casts, checks and clamps that cannot matter. */
#ifndef NNC_PASSES_KRANGE_H
#define NNC_PASSES_KRANGE_H
#include "ir/module.h"

/* lo <= v <= hi for an integer, bool or idx value; false: nothing is known. */
bool nnc_int_range(const nnc_module *m, nnc_value v, int64_t *lo, int64_t *hi);
/* The same for a float that is not NaN. */
bool nnc_float_range(const nnc_module *m, nnc_value v, double *lo, double *hi);
/* Is a float certainly neither NaN nor infinite? */
bool nnc_float_is_finite(const nnc_module *m, nnc_value v);
/* Is a float always a whole number (or infinite or NaN)? */
bool nnc_float_is_whole(const nnc_module *m, nnc_value v);
#endif
