/* Elementary functions of f32 in K arithmetic.
 *
 * exp and its kin reduce to r in [-ln2/2, ln2/2] with a two-part ln2 and a degree-6 polynomial; the power of two is
 * applied in two halves so that results down to the subnormals and up to infinity come out right.  log splits off the
 * exponent by bits.  tanh and erf use an odd polynomial near zero, where 1 - small would cancel, and exp beyond.
 * NaN passes through because limits keep it (max and min with a constant) and comparisons with it are false.
 * Rounding adds and takes away 2^23 on the magnitude.  Coefficients are minimax fits; the errors stated at each function
 * are measured by tests/passes/legalise. */
#include "passes/legalise.h"
#include <assert.h>
#include <math.h>

typedef struct calc {
    nnc_builder *b;
    int lanes;
} calc;

static nnc_value flt(calc *c, double v)
{
    return nnc_const_float(c->b->m, nnc_type_scalar(c->b->m, NNC_DT_f32, 1), v);
}

static nnc_value num(calc *c, int64_t v)
{
    return nnc_const_int(c->b->m, nnc_type_scalar(c->b->m, NNC_DT_i32, 1), v);
}

static nnc_value op2(calc *c, nnc_opcode code, nnc_value x, nnc_value y)
{
    return nnc_k_binary(c->b, code, x, y);
}

static nnc_value add(calc *c, nnc_value x, nnc_value y)
{
    return op2(c, NNC_OP_add, x, y);
}
static nnc_value sub(calc *c, nnc_value x, nnc_value y)
{
    return op2(c, NNC_OP_sub, x, y);
}
static nnc_value mul(calc *c, nnc_value x, nnc_value y)
{
    return op2(c, NNC_OP_mul, x, y);
}
static nnc_value div_(calc *c, nnc_value x, nnc_value y)
{
    return op2(c, NNC_OP_div, x, y);
}
static nnc_value lt(calc *c, nnc_value x, nnc_value y)
{
    return op2(c, NNC_OP_lt, x, y);
}
static nnc_value pick(calc *c, nnc_value m, nnc_value x, nnc_value y)
{
    return nnc_k_select(c->b, m, x, y);
}

static nnc_value bits(calc *c, nnc_value x, nnc_dtype dt)
{
    nnc_type t = nnc_type_scalar(c->b->m, dt, c->lanes);
    return nnc_op_out(c->b->m, nnc_build_op(c->b, NNC_OP_bitcast, 1, &x, 1, &t), 0);
}

static nnc_value as_int(calc *c, nnc_value x)
{
    return bits(c, x, NNC_DT_i32);
}
static nnc_value as_float(calc *c, nnc_value x)
{
    return bits(c, x, NNC_DT_f32);
}

static nnc_value magnitude(calc *c, nnc_value x)
{
    return nnc_k_unary(c->b, NNC_OP_abs, x);
}
static nnc_value sign_bit(calc *c, nnc_value x)
{
    return op2(c, NNC_OP_and, as_int(c, x), num(c, INT32_MIN));
}
static nnc_value with_sign(calc *c, nnc_value x, nnc_value sign)
{
    return as_float(c, op2(c, NNC_OP_or, as_int(c, x), sign));
}

/* ((k[0] * x + k[1]) * x + ...) */
static nnc_value poly(calc *c, nnc_value x, unsigned n, const double *k)
{
    nnc_value p = flt(c, k[0]);

    for (unsigned i = 1; i < n; i++)
        p = add(c, mul(c, p, x), flt(c, k[i]));
    return p;
}

/* 2^k for integer lanes -126 .. 127 */
static nnc_value power_of_two(calc *c, nnc_value k)
{
    return as_float(c, op2(c, NNC_OP_shl, add(c, k, num(c, 127)), num(c, 23)));
}

/* x = n ln2 + r: *k gets n as integers, *p a polynomial with e^r - 1 = p.  |x| < 2^21. */
static void reduce_exp(calc *c, nnc_value x, nnc_value *k, nnc_value *p)
{
    static const double e[] = {0.00139504706, 0.00836888328, 0.0416662060, 0.166665182, 0.5};
    nnc_value t = add(c, mul(c, x, flt(c, 1.44269504)),
                      flt(c, 12582912.0)); /* 1.5 * 2^23: the fraction is gone */
    nnc_value n = sub(c, t, flt(c, 12582912.0));
    nnc_value r = sub(c, x, mul(c, n, flt(c, 0.693359375)));

    r = add(c, r, mul(c, n, flt(c, 2.12194440e-4)));
    *k = sub(c, as_int(c, t), num(c, 0x4B400000));
    *p = add(c, mul(c, mul(c, poly(c, r, 5, e), r), r), r);
}

static nnc_value clamp(calc *c, nnc_value x, double lo, double hi)
{
    return op2(c, NNC_OP_max, op2(c, NNC_OP_min, x, flt(c, hi)), flt(c, lo));
}

/* 1.2 ulp */
static nnc_value exp_(calc *c, nnc_value x)
{
    nnc_value k, p, half;

    reduce_exp(c, clamp(c, x, -104.0, 89.0), &k, &p);
    half = op2(c, NNC_OP_shr, k, num(c, 1));
    p = mul(c, add(c, p, flt(c, 1)), power_of_two(c, half));
    return mul(c, p, power_of_two(c, sub(c, k, half)));
}

/* s p + (s - 1) with s = 2^k, at half the scale so that 2^128 does not overflow too early. */
static nnc_value expm1_(calc *c, nnc_value x)
{
    nnc_value k, p, s;

    reduce_exp(c, clamp(c, x, -20.0, 89.0), &k, &p);
    s = power_of_two(c, sub(c, k, num(c, 1)));
    p = add(c, mul(c, s, p), sub(c, s, flt(c, 0.5)));
    return pick(c, lt(c, magnitude(c, x), flt(c, 1e-7)), x, add(c, p, p));
}

static nnc_value sigmoid_(calc *c, nnc_value x)
{
    nnc_value e = exp_(c, nnc_k_unary(c->b, NNC_OP_neg, magnitude(c, x)));

    return div_(c, pick(c, lt(c, x, flt(c, 0)), e, flt(c, 1)), add(c, e, flt(c, 1)));
}

static nnc_value tanh_(calc *c, nnc_value x)
{
    static const double near[] = {-0.005717015825212002, 0.020650558173656464, -0.05374348908662796,
                                  0.13331490755081177, -0.3333328366279602};
    nnc_value z = mul(c, x, x), a = magnitude(c, x);
    nnc_value s = add(c, mul(c, mul(c, poly(c, z, 5, near), z), x), x);
    nnc_value e = exp_(c, add(c, a, a));
    nnc_value far = sub(c, flt(c, 1), div_(c, flt(c, 2), add(c, e, flt(c, 1))));

    return pick(c, lt(c, a, flt(c, 0.625)), s, with_sign(c, far, sign_bit(c, x)));
}

static nnc_value erf_(calc *c, nnc_value x)
{
    static const double near[] = {
        7.889109110692516e-05, -0.0008020838140510023, 0.005189535208046436, -0.026854444295167923,
        0.11283600330352783,   -0.3761262595653534,    1.1283791065216064};
    static const double q[] = {
        -0.00019150786101818085, 0.0029995753429830074, -0.022052129730582237, 0.10356715321540833,
        0.637599766254425,       1.127426266670227,     0.00025640815147198737};
    nnc_value a = magnitude(c, x), m = op2(c, NNC_OP_min, a, flt(c, 4));
    nnc_value s = mul(c, poly(c, mul(c, x, x), 7, near), x);
    nnc_value far = sub(c, flt(c, 1), exp_(c, nnc_k_unary(c->b, NNC_OP_neg, poly(c, m, 7, q))));

    return pick(c, lt(c, a, flt(c, 1)), s, with_sign(c, far, sign_bit(c, x)));
}

/* x = 2^k m with m in [sqrt(1/2), sqrt(2)); ln x = k ln2 + f - f^2/2 + f^3 P(f), f = m - 1. */
static nnc_value log_(calc *c, nnc_value x)
{
    static const double P[] = {7.0376836292e-2,  -1.1514610310e-1, 1.1676998740e-1,
                               -1.2420140846e-1, 1.4249322787e-1,  -1.6668057665e-1,
                               2.0000714765e-1,  -2.4999993993e-1, 3.3333331174e-1};
    nnc_value tiny = lt(c, x, flt(c, 1.17549435e-38));
    nnc_value u =
        as_int(c, pick(c, tiny, mul(c, x, flt(c, 8388608.0)), x)); /* subnormals scaled by 2^23 */
    nnc_value shifted = sub(c, u, num(c, 0x3F3504F3));             /* sqrt(1/2) */
    nnc_value k = op2(c, NNC_OP_shr, shifted, num(c, 23));
    nnc_value m = as_float(c, sub(c, u, op2(c, NNC_OP_shl, k, num(c, 23))));
    nnc_value f = sub(c, m, flt(c, 1)), z = mul(c, f, f);
    nnc_value e = nnc_k_cast(c->b, k, NNC_DT_f32);
    nnc_value y = mul(c, mul(c, poly(c, f, 9, P), f), z);

    e = sub(c, e, pick(c, tiny, flt(c, 23), flt(c, 0)));
    y = add(c, y, mul(c, e, flt(c, -2.12194440e-4)));
    y = sub(c, y, mul(c, z, flt(c, 0.5)));
    y = add(c, add(c, f, y), mul(c, e, flt(c, 0.693359375)));
    y = pick(c, lt(c, x, flt(c, INFINITY)), y, x); /* inf, nan */
    y = pick(c, lt(c, flt(c, 0), x), y,
             pick(c, op2(c, NNC_OP_eq, x, flt(c, 0)), flt(c, -INFINITY), mul(c, x, flt(c, NAN))));
    return y;
}

/* ln(1 + x) = ln(u) x / (u - 1) with u = 1 + x rounded. */
static nnc_value log1p_(calc *c, nnc_value x)
{
    nnc_value u = add(c, x, flt(c, 1)), d = sub(c, u, flt(c, 1));
    nnc_value y = mul(c, log_(c, u), div_(c, x, d));

    y = pick(c, op2(c, NNC_OP_eq, d, flt(c, 0)), x, y);
    return pick(c, op2(c, NNC_OP_eq, x, flt(c, INFINITY)), x, y);
}

/* The magnitude rounded to the nearest integer, half to even; numbers from 2^23 on are integers. */
static nnc_value nearest(calc *c, nnc_value a)
{
    return sub(c, add(c, a, flt(c, 8388608.0)), flt(c, 8388608.0));
}

static nnc_value large_or(calc *c, nnc_value x, nnc_value a, nnc_value rounded)
{
    return pick(c, lt(c, a, flt(c, 8388608.0)), with_sign(c, rounded, sign_bit(c, x)), x);
}

static nnc_value round_(calc *c, nnc_value x)
{
    nnc_value a = magnitude(c, x);

    return large_or(c, x, a, nearest(c, a));
}

static nnc_value trunc_(calc *c, nnc_value x)
{
    nnc_value a = magnitude(c, x), r = nearest(c, a);

    r = sub(c, r, pick(c, lt(c, a, r), flt(c, 1), flt(c, 0)));
    return large_or(c, x, a, r);
}

static nnc_value floor_or_ceil(calc *c, nnc_value x, bool up)
{
    nnc_value r = round_(c, x);
    nnc_value over = up ? lt(c, r, x) : lt(c, x, r);
    nnc_value y = op2(c, up ? NNC_OP_add : NNC_OP_sub, r, flt(c, 1));

    return pick(c, over, up ? with_sign(c, y, sign_bit(c, x)) : y, r);
}

bool nnc_math_has(nnc_opcode code, nnc_dtype dt)
{
    if (dt != NNC_DT_f32)
        return false;
    switch (code) {
    case NNC_OP_exp:
    case NNC_OP_expm1:
    case NNC_OP_log:
    case NNC_OP_log1p:
    case NNC_OP_sigmoid:
    case NNC_OP_tanh:
    case NNC_OP_erf:
    case NNC_OP_round:
    case NNC_OP_trunc:
    case NNC_OP_floor:
    case NNC_OP_ceil: return true;
    default: return false;
    }
}

nnc_value nnc_math_build(nnc_builder *b, nnc_opcode code, nnc_value x)
{
    calc c = {b, nnc_value_ty(b->m, x)->lanes};

    assert(nnc_math_has(code, (nnc_dtype)nnc_value_ty(b->m, x)->dtype));
    switch (code) {
    case NNC_OP_exp: return exp_(&c, x);
    case NNC_OP_expm1: return expm1_(&c, x);
    case NNC_OP_log: return log_(&c, x);
    case NNC_OP_log1p: return log1p_(&c, x);
    case NNC_OP_sigmoid: return sigmoid_(&c, x);
    case NNC_OP_tanh: return tanh_(&c, x);
    case NNC_OP_erf: return erf_(&c, x);
    case NNC_OP_round: return round_(&c, x);
    case NNC_OP_trunc: return trunc_(&c, x);
    default: return floor_or_ceil(&c, x, code == NNC_OP_ceil);
    }
}
