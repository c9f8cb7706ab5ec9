/* Scalar semantics.
 *
 * Floats: f64 computes in double.  f32 and smaller compute the exact (or double) result of float operands and round once
 * to float; for + - * / sqrt this equals float arithmetic, for transcendental functions it is within half a unit in the
 * last place but for rare ties.  f16 and smaller then round to their own format, "once per op".
 * Integers: 64-bit unsigned arithmetic, wrapped to the dtype by sign or zero extension of its low bits. */
#include "ir/eval.h"
#include "ir/smallfloat.h"
#include <math.h>
#include <string.h>

typedef struct in_rec { /* what every eval function sees */
    nnc_dtype dt;       /* of the operands */
    const nnc_num *x;
    bool flag;
} in_rec;

static int width_of(nnc_dtype dt)
{
    return nnc_dtype_infos[dt].bits;
}

static bool is_signed(nnc_dtype dt)
{
    return nnc_dtype_infos[dt].class != NNC_DC_UINT && nnc_dtype_infos[dt].class != NNC_DC_BOOL;
}

static int64_t wrap(nnc_dtype dt, int64_t v)
{
    int w = width_of(dt);

    if (w >= 64)
        return v;
    if (nnc_dtype_infos[dt].class == NNC_DC_BOOL)
        return v != 0;
    if (!is_signed(dt))
        return (int64_t)((uint64_t)v & ((UINT64_C(1) << w) - 1));
    return (int64_t)((uint64_t)v << (64 - w)) >> (64 - w);
}

static double round_to(nnc_dtype dt, double f)
{
    switch (dt) {
    case NNC_DT_f64: return f;
    case NNC_DT_f32: return (double)(float)f;
    case NNC_DT_f16: return (double)nnc_f16_to_f32(nnc_f32_to_f16((float)f));
    case NNC_DT_bf16: return (double)nnc_bf16_to_f32(nnc_f32_to_bf16((float)f));
    default: return nnc_small_decode(dt, nnc_small_encode(dt, f, true, NNC_W_up));
    }
}

nnc_num nnc_num_of_bits(nnc_dtype dt, uint64_t bits)
{
    nnc_num n = {0, 0};
    float f;
    uint32_t u = (uint32_t)bits;

    if (!nnc_dtype_is_float(dt)) {
        n.i = wrap(dt, (int64_t)bits);
    } else if (dt == NNC_DT_f64) {
        memcpy(&n.f, &bits, 8);
    } else if (dt == NNC_DT_f32) {
        memcpy(&f, &u, 4);
        n.f = (double)f;
    } else if (dt == NNC_DT_f16) {
        n.f = (double)nnc_f16_to_f32((uint16_t)bits);
    } else if (dt == NNC_DT_bf16) {
        n.f = (double)nnc_bf16_to_f32((uint16_t)bits);
    } else {
        n.f = nnc_small_decode(dt, u & ((1u << width_of(dt)) - 1));
    }
    return n;
}

uint64_t nnc_num_bits(nnc_dtype dt, nnc_num n)
{
    uint64_t bits = 0;
    uint32_t u;
    float f;
    int w = width_of(dt);

    if (dt == NNC_DT_f64) {
        memcpy(&bits, &n.f, 8);
    } else if (dt == NNC_DT_f32) {
        f = (float)n.f;
        memcpy(&u, &f, 4);
        bits = u;
    } else if (nnc_dtype_is_float(dt)) {
        bits = nnc_small_encode(dt, n.f, width_of(dt) < 16 && !isinf(n.f),
                                NNC_W_up); /* an infinity is meant */
    } else if (nnc_dtype_infos[dt].class == NNC_DC_BOOL) {
        bits = n.i != 0;
    } else {
        bits = (uint64_t)n.i & (w >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << w) - 1);
    }
    return bits;
}

nnc_num nnc_num_load(nnc_dtype dt, const void *p)
{
    uint64_t bits = 0;
    nnc_num n = {0};

    if (dt == NNC_DT_f64) { /* what is computed ahead of time */
        memcpy(&n.f, p, 8);
        return n;
    }
    memcpy(&bits, p,
           nnc_dtype_bytes(dt)); /* little-endian hosts only, see runtime checks in the emitted C */
    return nnc_num_of_bits(dt, bits);
}

void nnc_num_store(nnc_dtype dt, void *p, nnc_num n)
{
    uint64_t bits;

    if (dt == NNC_DT_f64) {
        memcpy(p, &n.f, 8);
        return;
    }
    bits = nnc_num_bits(dt, n);
    if (width_of(dt) < 8 && is_signed(dt) && !nnc_dtype_is_float(dt))
        bits = (uint64_t)wrap(dt, (int64_t)bits); /* i4 and i2 live sign-extended in a byte */
    memcpy(p, &bits, nnc_dtype_bytes(dt));
}

/* ---- integers ---- */
static uint64_t int_pow(uint64_t b, uint64_t e)
{
    uint64_t r = 1;

    for (; e; e >>= 1, b *= b)
        if (e & 1)
            r *= b;
    return r;
}

static int64_t pow_int(const in_rec *in)
{
    int64_t b = in->x[0].i, e = in->x[1].i;

    if (is_signed(in->dt) && e < 0)
        return b == 1 ? 1 : b == -1 ? (e & 1 ? -1 : 1) : 0;
    return (int64_t)int_pow((uint64_t)b, (uint64_t)e);
}

static int64_t div_int(const in_rec *in)
{
    int64_t a = in->x[0].i, b = in->x[1].i;

    if (b == 0)
        return 0;
    if (!is_signed(in->dt))
        return (int64_t)((uint64_t)a / (uint64_t)b);
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t rem_int(const in_rec *in)
{
    int64_t a = in->x[0].i, b = in->x[1].i, r;

    if (b == 0)
        return 0;
    if (!is_signed(in->dt))
        return (int64_t)((uint64_t)a % (uint64_t)b);
    r = b == -1 ? 0 : a % b;
    return !in->flag && r && (r < 0) != (b < 0) ? r + b : r;
}

static int64_t shl_int(const in_rec *in)
{
    uint64_t n = (uint64_t)in->x[1].i;

    return n >= (uint64_t)width_of(in->dt) ? 0 : (int64_t)((uint64_t)in->x[0].i << n);
}

static int64_t shr_int(const in_rec *in)
{
    uint64_t n = (uint64_t)in->x[1].i;

    if (is_signed(in->dt))
        return n >= (uint64_t)width_of(in->dt) ? (in->x[0].i < 0 ? -1 : 0) : in->x[0].i >> n;
    return n >= (uint64_t)width_of(in->dt) ? 0 : (int64_t)((uint64_t)in->x[0].i >> n);
}

static bool less(const in_rec *in, int a, int b)
{
    if (nnc_dtype_is_float(in->dt))
        return in->x[a].f < in->x[b].f;
    return is_signed(in->dt) ? in->x[a].i < in->x[b].i
                             : (uint64_t)in->x[a].i < (uint64_t)in->x[b].i;
}

static bool same(const in_rec *in)
{
    return nnc_dtype_is_float(in->dt) ? in->x[0].f == in->x[1].f : in->x[0].i == in->x[1].i;
}

/* High half of the double-width product. */
static int64_t mulhi_int(const in_rec *in)
{
    int w = width_of(in->dt);

    if (is_signed(in->dt))
        return (int64_t)(((__int128)in->x[0].i * in->x[1].i) >> w);
    return (int64_t)(((unsigned __int128)(uint64_t)in->x[0].i * (uint64_t)in->x[1].i) >> w);
}

/* x / 2^y, half away from zero. */
static int64_t rshift_round_int(const in_rec *in)
{
    int64_t x = in->x[0].i, y = in->x[1].i;
    __int128 a = x, h;

    if (y <= 0)
        return x;
    if (y > 64)
        return 0;
    h = (__int128)1 << (y - 1);
    return (int64_t)(a < 0 ? -((-a + h) >> y) : (a + h) >> y);
}

static int64_t clamp_to(nnc_dtype dt, __int128 v)
{
    int w = width_of(dt);
    __int128 lo = is_signed(dt) ? -((__int128)1 << (w - 1)) : 0;
    __int128 hi = is_signed(dt) ? ((__int128)1 << (w - 1)) - 1 : ((__int128)1 << w) - 1;

    return (int64_t)(v < lo ? lo : v > hi ? hi : v);
}

static int64_t add_sat_int(const in_rec *in)
{
    if (is_signed(in->dt))
        return clamp_to(in->dt, (__int128)in->x[0].i + in->x[1].i);
    return clamp_to(in->dt, (__int128)(uint64_t)in->x[0].i + (__int128)(uint64_t)in->x[1].i);
}

static int64_t eval_int(nnc_opcode code, const in_rec *in)
{
    uint64_t a = (uint64_t)in->x[0].i;

    switch (code) {
    case NNC_OP_neg: return (int64_t)(0 - a);
    case NNC_OP_abs: return is_signed(in->dt) && in->x[0].i < 0 ? (int64_t)(0 - a) : (int64_t)a;
    case NNC_OP_sign: return !is_signed(in->dt) ? a != 0 : (in->x[0].i > 0) - (in->x[0].i < 0);
    case NNC_OP_floor:
    case NNC_OP_ceil:
    case NNC_OP_round:
    case NNC_OP_trunc: return (int64_t)a;
    case NNC_OP_not: return nnc_dtype_infos[in->dt].class == NNC_DC_BOOL ? !a : (int64_t)~a;
    case NNC_OP_isnan:
    case NNC_OP_isinf: return 0;
    case NNC_OP_add: return (int64_t)(a + (uint64_t)in->x[1].i);
    case NNC_OP_sub: return (int64_t)(a - (uint64_t)in->x[1].i);
    case NNC_OP_mul: return (int64_t)(a * (uint64_t)in->x[1].i);
    case NNC_OP_div: return div_int(in);
    case NNC_OP_rem: return rem_int(in);
    case NNC_OP_pow: return pow_int(in);
    case NNC_OP_max: return less(in, 0, 1) ? in->x[1].i : in->x[0].i;
    case NNC_OP_min: return less(in, 0, 1) ? in->x[0].i : in->x[1].i;
    case NNC_OP_and: return (int64_t)(a & (uint64_t)in->x[1].i);
    case NNC_OP_or: return (int64_t)(a | (uint64_t)in->x[1].i);
    case NNC_OP_xor: return (int64_t)(a ^ (uint64_t)in->x[1].i);
    case NNC_OP_shl: return shl_int(in);
    case NNC_OP_shr: return shr_int(in);
    case NNC_OP_fma: return (int64_t)(a * (uint64_t)in->x[1].i + (uint64_t)in->x[2].i);
    case NNC_OP_mulhi: return mulhi_int(in);
    case NNC_OP_rshift_round: return rshift_round_int(in);
    case NNC_OP_add_sat: return add_sat_int(in);
    default: return 0;
    }
}

/* ---- floats ---- */
static double rem_float(double a, double b, bool fmod_form)
{
    double r = fmod(a, b);

    if (fmod_form || isnan(r))
        return r;
    if (r == 0)
        return copysign(0, b);
    return isfinite(b) && (r < 0) != (b < 0) ? r + b : (isinf(b) && (r < 0) != (b < 0) ? b : r);
}

static double larger(double a, double b)
{
    return isnan(a) ? a : isnan(b) ? b : b < a ? a : b;
}

static double smaller(double a, double b)
{
    return isnan(a) ? a : isnan(b) ? b : a < b ? a : b;
}

static double sigmoid(double x)
{
    double e = exp(-fabs(x));

    return x >= 0 ? 1 / (1 + e) : isnan(x) ? x : e / (1 + e);
}

static double unary_float(nnc_opcode code, double x)
{
    switch (code) {
    case NNC_OP_neg: return -x;
    case NNC_OP_abs: return fabs(x);
    case NNC_OP_sign: return isnan(x) ? x : (x > 0) - (x < 0);
    case NNC_OP_floor: return floor(x);
    case NNC_OP_ceil: return ceil(x);
    case NNC_OP_round: return nearbyint(x);
    case NNC_OP_trunc: return trunc(x);
    case NNC_OP_exp: return exp(x);
    case NNC_OP_expm1: return expm1(x);
    case NNC_OP_log: return log(x);
    case NNC_OP_log1p: return log1p(x);
    case NNC_OP_sqrt: return sqrt(x);
    case NNC_OP_rsqrt: return 1 / sqrt(x);
    case NNC_OP_sin: return sin(x);
    case NNC_OP_cos: return cos(x);
    case NNC_OP_tan: return tan(x);
    case NNC_OP_asin: return asin(x);
    case NNC_OP_acos: return acos(x);
    case NNC_OP_atan: return atan(x);
    case NNC_OP_sinh: return sinh(x);
    case NNC_OP_cosh: return cosh(x);
    case NNC_OP_tanh: return tanh(x);
    case NNC_OP_asinh: return asinh(x);
    case NNC_OP_acosh: return acosh(x);
    case NNC_OP_atanh: return atanh(x);
    case NNC_OP_erf: return erf(x);
    case NNC_OP_sigmoid: return sigmoid(x);
    case NNC_OP_gelu: return 0.5 * x * (1 + erf(x * 0.70710678118654752440));
    case NNC_OP_softplus: return larger(x, 0) + log1p(exp(-fabs(x)));
    default: return NAN;
    }
}

static double eval_float(nnc_opcode code, const in_rec *in)
{
    double a = in->x[0].f;

    switch (code) {
    case NNC_OP_add: return a + in->x[1].f;
    case NNC_OP_sub: return a - in->x[1].f;
    case NNC_OP_mul: return a * in->x[1].f;
    case NNC_OP_div: return a / in->x[1].f;
    case NNC_OP_rem: return rem_float(a, in->x[1].f, in->flag);
    case NNC_OP_pow: return pow(a, in->x[1].f);
    case NNC_OP_max: return larger(a, in->x[1].f);
    case NNC_OP_min: return smaller(a, in->x[1].f);
    case NNC_OP_atan2: return atan2(a, in->x[1].f);
    case NNC_OP_fma:
        return in->dt == NNC_DT_f64 ? fma(a, in->x[1].f, in->x[2].f) : a * in->x[1].f + in->x[2].f;
    case NNC_OP_gelu:
        if (in->flag) /* tanh form */
            return 0.5 * a * (1 + tanh(0.79788456080286535588 * (a + 0.044715 * a * a * a)));
        return unary_float(code, a);
    default: return unary_float(code, a);
    }
}

nnc_num nnc_eval_scalar(nnc_opcode code, nnc_dtype dt, const nnc_num *x, bool flag)
{
    in_rec in = {dt, x, flag};
    nnc_num y = {0, 0};

    switch (code) {
    case NNC_OP_eq: y.i = same(&in); return y;
    case NNC_OP_lt: y.i = less(&in, 0, 1); return y;
    case NNC_OP_le: y.i = less(&in, 0, 1) || same(&in); return y;
    default: break;
    }
    if (!nnc_dtype_is_float(dt)) {
        y.i = wrap(dt, eval_int(code, &in));
    } else if (code == NNC_OP_isnan) {
        y.i = isnan(x[0].f) != 0;
    } else if (code == NNC_OP_isinf) {
        y.i = isinf(x[0].f) != 0;
    } else {
        y.f = round_to(dt, eval_float(code, &in));
    }
    return y;
}

/* Truncation; out of range saturates, NaN is 0. */
static int64_t float_to_int(nnc_dtype to, double f)
{
    int w = width_of(to);
    double hi = ldexp(1, is_signed(to) ? w - 1 : w), lo = is_signed(to) ? -hi : 0;

    if (isnan(f))
        return 0;
    f = trunc(f);
    if (f < lo)
        return is_signed(to) ? (int64_t)(~UINT64_C(0) << (w - 1)) : 0;
    if (f >= hi)
        return (
            int64_t)((w == 64 && !is_signed(to) ? 0 : UINT64_C(1) << (is_signed(to) ? w - 1 : w)) -
                     1);
    return is_signed(to) ? (int64_t)f : (int64_t)(uint64_t)f;
}

nnc_num nnc_eval_cast(nnc_num x, nnc_dtype from, nnc_dtype to, bool saturate, nnc_word mode)
{
    nnc_num y = {0, 0};
    bool ff = nnc_dtype_is_float(from);

    if (nnc_dtype_infos[to].class == NNC_DC_BOOL) {
        y.i = ff ? x.f != 0 : x.i != 0; /* NaN is true */
    } else if (!nnc_dtype_is_float(to)) {
        y.i = ff ? float_to_int(to, x.f) : wrap(to, x.i);
    } else if (!ff && to == NNC_DT_f32) { /* 64-bit integers round once */
        y.f = from == NNC_DT_u64 ? (double)(float)(uint64_t)x.i : (double)(float)x.i;
    } else {
        double f = ff ? x.f : from == NNC_DT_u64 ? (double)(uint64_t)x.i : (double)x.i;
        if (to == NNC_DT_f64 || to == NNC_DT_f32)
            y.f = to == NNC_DT_f32 ? (double)(float)f : f;
        else
            y.f =
                nnc_small_decode(to, nnc_small_encode(to, f, width_of(to) < 16 && saturate, mode));
    }
    return y;
}
