/* Intervals of integer and float values, from dtypes, constants and loop bounds: enough to leave out casts, checks and
 * clamps that cannot matter.  A few levels deep, no fixed point. */
#include <float.h>
#include <math.h>
#include "passes/krange.h"

enum { DEPTH = 6 };

static nnc_dtype dtype_of(const nnc_module *m, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(m, v)->dtype;
}

static void whole(nnc_dtype dt, int64_t *lo, int64_t *hi)
{
    unsigned w = nnc_dtype_infos[dt].bits;

    switch (nnc_dtype_infos[dt].class) {
    case NNC_DC_BOOL: *lo = 0, *hi = 1; break;
    case NNC_DC_UINT: *lo = 0, *hi = w >= 64 ? INT64_MAX : (int64_t)(UINT64_MAX >> (64 - w)); break;
    default: *lo = INT64_MIN >> (64 - w), *hi = INT64_MAX >> (64 - w); break;
    }
}

static bool range(const nnc_module *m, nnc_value v, int64_t *lo, int64_t *hi, int depth);

static bool of_argument(const nnc_module *m, nnc_value v, int64_t *lo, int64_t *hi, int depth)
{
    const nnc_value_rec *r = nnc_value_get(m, v);
    nnc_op parent = nnc_block_parent(m, (nnc_block){r->def});
    int64_t a, b;

    if (r->kind != NNC_VALUE_arg || !parent.id || nnc_op_code(m, parent) != NNC_OP_for)
        return false;
    if (!range(m, nnc_op_in(m, parent, 0), lo, &a, depth) ||
        !range(m, nnc_op_in(m, parent, 1), &b, hi, depth))
        return false;
    if (*hi > *lo)
        --*hi;
    return true;
}

static int64_t least4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t x = a < b ? a : b, y = c < d ? c : d;
    return x < y ? x : y;
}

static int64_t most4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t x = a > b ? a : b, y = c > d ? c : d;
    return x > y ? x : y;
}

static bool product(int64_t a, int64_t b, int64_t c, int64_t d, int64_t *lo, int64_t *hi)
{
    int64_t p[4];

    if (__builtin_mul_overflow(a, c, &p[0]) || __builtin_mul_overflow(a, d, &p[1]) ||
        __builtin_mul_overflow(b, c, &p[2]) || __builtin_mul_overflow(b, d, &p[3]))
        return false;
    *lo = least4(p[0], p[1], p[2], p[3]);
    *hi = most4(p[0], p[1], p[2], p[3]);
    return true;
}

/* The exact interval of an operation, before it wraps. */
static bool of_op(const nnc_module *m, nnc_op d, int64_t *lo, int64_t *hi, int depth)
{
    int64_t a, b, c, e;
    nnc_value x = nnc_op_in(m, d, 0);

    if (!range(m, x, &a, &b, depth))
        return false;
    if (nnc_op_code(m, d) == NNC_OP_cast || nnc_op_code(m, d) == NNC_OP_splat) {
        *lo = a, *hi = b;
        return true;
    }
    if (nnc_op_nin(m, d) < 2 || !range(m, nnc_op_in(m, d, 1), &c, &e, depth))
        return false;
    switch (nnc_op_code(m, d)) {
    case NNC_OP_add: return !__builtin_add_overflow(a, c, lo) && !__builtin_add_overflow(b, e, hi);
    case NNC_OP_sub: return !__builtin_sub_overflow(a, e, lo) && !__builtin_sub_overflow(b, c, hi);
    case NNC_OP_mul: return product(a, b, c, e, lo, hi);
    case NNC_OP_min: *lo = a < c ? a : c, *hi = b < e ? b : e; return true;
    case NNC_OP_max: *lo = a > c ? a : c, *hi = b > e ? b : e; return true;
    case NNC_OP_div:
        if (c != e || c <= 0)
            return false;
        *lo = a / c, *hi = b / c;
        return true;
    case NNC_OP_rem:
        if (c != e || c <= 0)
            return false;
        *lo = 0, *hi = c - 1;
        return true;
    default: return false;
    }
}

/* Of a conversion that says it is exact. */
static bool of_float(const nnc_module *m, nnc_value x, int64_t *lo, int64_t *hi) /* true */
{
    double a, b;

    *lo = -(1 << 21), *hi = 1 << 21;
    if (nnc_float_range(m, x, &a, &b)) {
        *lo = a > (double)*lo ? (int64_t)floor(a) : *lo;
        *hi = b < (double)*hi ? (int64_t)ceil(b) : *hi;
    }
    return true;
}

static bool range(const nnc_module *m, nnc_value v, int64_t *lo, int64_t *hi, int depth)
{
    nnc_dtype dt = dtype_of(m, v);
    int64_t tlo, thi;
    nnc_op d = nnc_value_op(m, v);

    if (nnc_value_idx(m, v, lo)) {
        *hi = *lo;
        return true;
    }
    if (nnc_dtype_is_float(dt) || depth > DEPTH)
        return false;
    whole(dt, &tlo, &thi);
    bool exact = d.id && nnc_op_code(m, d) == NNC_OP_cast && nnc_attr_find(m, d, NNC_W_exact);
    bool known = nnc_value_get(m, v)->kind == NNC_VALUE_arg ? of_argument(m, v, lo, hi, depth + 1)
                 : exact && nnc_dtype_is_float(dtype_of(m, nnc_op_in(m, d, 0)))
                     ? of_float(m, nnc_op_in(m, d, 0), lo, hi)
                 : d.id && nnc_op_nin(m, d) && nnc_op_code(m, d) != NNC_OP_load
                     ? of_op(m, d, lo, hi, depth + 1)
                     : false;
    if (!known || *lo < tlo || *hi > thi) { /* unknown, or it may wrap */
        *lo = tlo, *hi = thi;
        return nnc_dtype_infos[dt].bits < 64;
    }
    return true;
}

bool nnc_int_range(const nnc_module *m, nnc_value v, int64_t *lo, int64_t *hi)
{
    return range(m, v, lo, hi, 0);
}

static bool float_range(const nnc_module *m, nnc_value v, double *lo, double *hi, int depth)
{
    nnc_op d = nnc_value_op(m, v);
    double a = -DBL_MAX, b = DBL_MAX, c;
    int64_t ilo, ihi;

    if (nnc_value_number(m, v, lo)) {
        *hi = *lo;
        return true;
    }
    if (!d.id || depth > DEPTH)
        return false;
    nnc_value x = nnc_op_nin(m, d) ? nnc_op_in(m, d, 0) : (nnc_value){0};
    switch (nnc_op_code(m, d)) {
    case NNC_OP_splat: return float_range(m, x, lo, hi, depth + 1);
    case NNC_OP_cast:
        if (nnc_dtype_is_float(dtype_of(m, x)))
            return false;
        if (!nnc_int_range(m, x, &ilo, &ihi))
            return false;
        *lo = (double)ilo, *hi = (double)ihi;
        return true;
    case NNC_OP_round:
    case NNC_OP_floor:
    case NNC_OP_ceil:
    case NNC_OP_trunc:
        if (!float_range(m, x, lo, hi, depth + 1))
            return false;
        *lo = floor(*lo), *hi = ceil(*hi);
        return true;
    case NNC_OP_add:
        if (!nnc_value_number(m, nnc_op_in(m, d, 1), &c) || !float_range(m, x, lo, hi, depth + 1))
            return false;
        *lo += c, *hi += c;
        return fabs(*lo) < 8388608.0 && fabs(*hi) < 8388608.0;
    case NNC_OP_select: { /* one arm a number inside the range of the other */
        nnc_value y = nnc_op_in(m, d, 1);
        bool swap = !nnc_value_number(m, y, &c);
        if (swap)
            y = nnc_op_in(m, d, 2);
        if (!nnc_value_number(m, y, &c) ||
            !float_range(m, nnc_op_in(m, d, swap ? 1 : 2), lo, hi, depth + 1))
            return false;
        *lo = c < *lo ? c : *lo, *hi = c > *hi ? c : *hi;
        return true;
    }
    case NNC_OP_max:
    case NNC_OP_min: {
        nnc_value y = nnc_op_in(m, d, 1);
        bool max = nnc_op_code(m, d) == NNC_OP_max, kx = float_range(m, x, &a, &b, depth + 1);
        double e = DBL_MAX;
        c = -DBL_MAX;
        bool ky = float_range(m, y, &c, &e, depth + 1);
        if (!kx)
            a = -DBL_MAX, b = DBL_MAX;
        if (!ky)
            c = -DBL_MAX, e = DBL_MAX;
        *lo = max ? (a > c ? a : c) : (a < c ? a : c);
        *hi = max ? (b > e ? b : e) : (b < e ? b : e);
        return kx || ky;
    }
    default: return false;
    }
}

bool nnc_float_range(const nnc_module *m, nnc_value v, double *lo, double *hi)
{
    return float_range(m, v, lo, hi, 0);
}

bool nnc_float_is_whole(const nnc_module *m, nnc_value v)
{
    nnc_op d = nnc_value_op(m, v);
    double c, lo, hi;

    if (nnc_value_number(m, v, &c))
        return c == floor(c) && fabs(c) < 8388608.0;
    if (!d.id)
        return false;
    switch (nnc_op_code(m, d)) {
    case NNC_OP_round:
    case NNC_OP_floor:
    case NNC_OP_ceil:
    case NNC_OP_trunc: return true;
    case NNC_OP_max:
    case NNC_OP_min:
        return nnc_float_is_whole(m, nnc_op_in(m, d, 0)) &&
               nnc_float_is_whole(m, nnc_op_in(m, d, 1));
    case NNC_OP_add:
        return nnc_float_is_whole(m, nnc_op_in(m, d, 0)) &&
               nnc_float_is_whole(m, nnc_op_in(m, d, 1)) &&
               nnc_float_range(m, nnc_op_in(m, d, 0), &lo, &hi) && fabs(lo) < 8388608.0 &&
               fabs(hi) < 8388608.0;
    default: return false;
    }
}

/* A bound of |v| from integers and constants through arithmetic; what has one is a number. */
static bool magnitude(const nnc_module *m, nnc_value v, double *out, int depth)
{
    nnc_op d = nnc_value_op(m, v);
    double a = 0, b = 0;
    int64_t lo, hi;

    if (nnc_value_number(m, v, &a)) {
        *out = fabs(a);
        return isfinite(a);
    }
    if (!d.id || depth > DEPTH || !nnc_op_nin(m, d))
        return false;
    nnc_value x = nnc_op_in(m, d, 0);
    if (nnc_op_code(m, d) == NNC_OP_cast && !nnc_dtype_is_float(dtype_of(m, x))) {
        if (!nnc_int_range(m, x, &lo, &hi))
            return false;
        *out = fmax(fabs((double)lo), fabs((double)hi));
        return true;
    }
    if (!magnitude(m, x, &a, depth + 1) ||
        (nnc_op_nin(m, d) == 2 && !magnitude(m, nnc_op_in(m, d, 1), &b, depth + 1)))
        return false;
    switch (nnc_op_code(m, d)) {
    case NNC_OP_splat:
    case NNC_OP_neg:
    case NNC_OP_abs: *out = a; break;
    case NNC_OP_round: *out = a + 1; break;
    case NNC_OP_add:
    case NNC_OP_sub: *out = a + b; break;
    case NNC_OP_mul: *out = a * b; break;
    case NNC_OP_max:
    case NNC_OP_min: *out = fmax(a, b); break;
    case NNC_OP_div: /* by a constant */
        x = nnc_op_in(m, d, 1);
        if (nnc_value_op(m, x).id && nnc_op_code(m, nnc_value_op(m, x)) == NNC_OP_splat)
            x = nnc_op_in(m, nnc_value_op(m, x), 0);
        if (!nnc_value_number(m, x, &b) || b == 0)
            return false;
        *out = a / fabs(b);
        break;
    default: return false;
    }
    return *out < 1e30;
}

bool nnc_float_is_finite(const nnc_module *m, nnc_value v)
{
    double unused;

    return magnitude(m, v, &unused, 0);
}
