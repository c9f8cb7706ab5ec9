/* Small floating-point formats.
 *
 * One description per format (exponent and mantissa width, bias, how infinity and NaN are spelt) drives one decoder
 * and one encoder.  The encoder scales the number so that one unit in the last place becomes 1 (a power of two, hence
 * exact), rounds to the nearest even integer and puts exponent and mantissa together: a carry out of the mantissa
 * increments the exponent by itself.  It takes a double, so f64 -> f16 rounds once.  f16 and bf16 have bit-twiddled
 * float versions because whole tensors pass through them. */
#include "ir/smallfloat.h"
#include <math.h>
#include <string.h>

typedef enum {
    IEEE,  /* largest exponent: infinity and NaN */
    FN,    /* no infinity; NaN is all ones */
    FNUZ,  /* no infinity, no -0; NaN is the pattern of -0 */
    FINITE /* neither infinity nor NaN */
} flavour;
typedef struct format {
    uint8_t ebits, mbits;
    int16_t bias;
    flavour flavour;
} format;

static const format formats[NNC_DT_COUNT] = {
    [NNC_DT_f16] = {5, 10, 15, IEEE},    [NNC_DT_bf16] = {8, 7, 127, IEEE},
    [NNC_DT_f8e4m3fn] = {4, 3, 7, FN},   [NNC_DT_f8e4m3fnuz] = {4, 3, 8, FNUZ},
    [NNC_DT_f8e5m2] = {5, 2, 15, IEEE},  [NNC_DT_f8e5m2fnuz] = {5, 2, 16, FNUZ},
    [NNC_DT_f4e2m1] = {2, 1, 1, FINITE},
};

static uint32_t nan_bits(const format *f, bool sign)
{
    uint32_t top = 1u << (f->ebits + f->mbits), s = sign ? top : 0;

    switch (f->flavour) {
    case IEEE: return s | (top - (1u << f->mbits)) | 1u << (f->mbits - 1);
    case FN: return s | (top - 1);
    case FNUZ: return top;
    default:
        return sign ? 0 : top; /* f4: ml_dtypes and with it the ONNX vectors turn nan into a zero */
    }
}

/* The pattern (without sign) of the largest finite number. */
static uint32_t max_bits(const format *f)
{
    uint32_t top = 1u << (f->ebits + f->mbits);

    if (f->flavour == IEEE)
        return top - (1u << f->mbits) - 1;
    return f->flavour == FN ? top - 2 : top - 1;
}

static uint32_t overflow_bits(const format *f, bool sign, bool saturate)
{
    uint32_t top = 1u << (f->ebits + f->mbits), s = sign ? top : 0;

    if (saturate || f->flavour == FINITE)
        return s | max_bits(f);
    if (f->flavour == IEEE)
        return s | (top - (1u << f->mbits));
    return nan_bits(f, sign);
}

static double decode(const format *f, uint32_t bits)
{
    uint32_t top = 1u << (f->ebits + f->mbits), mag = bits & (top - 1);
    bool sign = (bits & top) != 0;
    int e = (int)(mag >> f->mbits), m = (int)(mag & ((1u << f->mbits) - 1));
    double v;

    if (f->flavour == FNUZ && sign && !mag)
        return NAN;
    if (f->flavour == FN && mag == top - 1)
        return sign ? -NAN : NAN;
    if (f->flavour == IEEE && e == (1 << f->ebits) - 1) {
        v = m ? NAN : INFINITY;
        return sign ? -v : v;
    }
    v = e ? ldexp(m + (1 << f->mbits), e - f->bias - f->mbits) : ldexp(m, 1 - f->bias - f->mbits);
    return sign ? -v : v;
}

static uint32_t encode(const format *f, double x, bool saturate)
{
    bool sign = signbit(x) != 0;
    uint32_t s = sign ? 1u << (f->ebits + f->mbits) : 0, mag;
    int e;

    if (isnan(x))
        return nan_bits(f, sign);
    if (isinf(x))
        return overflow_bits(f, sign, saturate);
    x = fabs(x);
    (void)frexp(x, &e);
    e = x == 0 || e - 1 < 1 - f->bias ? 1 - f->bias : e - 1; /* 2^e <= x, or the subnormal range */
    if (e > f->bias + (1 << f->ebits))
        return overflow_bits(f, sign, saturate);
    mag = (uint32_t)nearbyint(ldexp(x, f->mbits - e));
    mag += (uint32_t)(e + f->bias - 1)
           << f->mbits; /* the hidden bit of a normal number adds the missing 1 */
    if (mag > max_bits(f))
        return overflow_bits(f, sign, saturate);
    if (f->flavour == FNUZ && !mag)
        return 0;
    return s | mag;
}

/* f8e8m0 is 2^(bits - 127), 255 is NaN; no sign and no zero. */
static uint32_t encode_e8m0(double x, bool saturate, nnc_word mode)
{
    double m;
    int e;

    if (isnan(x) || (!saturate && (isinf(x) || x == 0)))
        return 255;
    if (isinf(x))
        return 254;
    m = frexp(fabs(x), &e); /* in [0.5, 1) */
    e = x == 0 ? -127 : e - 1;
    if (x != 0 && ((mode == NNC_W_up && m > 0.5) || (mode == NNC_W_nearest && m >= 0.75)))
        e++;
    if (e > 127)
        return saturate ? 254 : 255;
    if (e < -127)
        return saturate ? 0 : 255;
    return (uint32_t)(e + 127);
}

double nnc_small_decode(nnc_dtype dt, uint32_t bits)
{
    if (dt == NNC_DT_f8e8m0)
        return bits == 255 ? NAN : ldexp(1, (int)bits - 127);
    return decode(&formats[dt], bits);
}

uint32_t nnc_small_encode(nnc_dtype dt, double x, bool saturate, nnc_word mode)
{
    if (dt == NNC_DT_f8e8m0)
        return encode_e8m0(x, saturate, mode);
    return encode(&formats[dt], x, saturate);
}

double nnc_small_max(nnc_dtype dt)
{
    return dt == NNC_DT_f8e8m0 ? ldexp(1, 127) : decode(&formats[dt], max_bits(&formats[dt]));
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, 4);
    return f;
}

static uint32_t bits_of(float f)
{
    uint32_t u;
    memcpy(&u, &f, 4);
    return u;
}

float nnc_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, e = h >> 10 & 31, m = h & 1023;

    if (e == 31)
        return float_of(sign | 0x7f800000 | m << 13);
    if (e)
        return float_of(sign | (e + 112) << 23 | m << 13);
    return float_of(sign | bits_of((float)m * 0x1p-24f));
}

uint16_t nnc_f32_to_f16(float f)
{
    uint32_t u = bits_of(f), sign = u >> 16 & 0x8000, a = u & 0x7fffffff;

    if (a > 0x7f800000)
        return (uint16_t)(sign | 0x7e00 | (a >> 13 & 0x3ff));
    if (a >= 0x477ff000) /* 65520: half way from the largest number to 2^16 */
        return (uint16_t)(sign | 0x7c00);
    if (a <
        0x38800000) /* subnormal: adding 0.5 leaves the rounded units of 2^-24 in the low bits */
        return (uint16_t)(sign | (bits_of(float_of(a) + 0.5f) - bits_of(0.5f)));
    return (uint16_t)(sign | (a - 0x38000000 + 0xfff + (a >> 13 & 1)) >> 13);
}

float nnc_bf16_to_f32(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

uint16_t nnc_f32_to_bf16(float f)
{
    uint32_t u = bits_of(f);

    if ((u & 0x7fffffff) > 0x7f800000)
        return (uint16_t)(u >> 16 | 0x40);
    return (uint16_t)((u + 0x7fff + (u >> 16 & 1)) >> 16);
}

float nnc_f8_to_f32(nnc_dtype dt, uint8_t b)
{
    return (float)nnc_small_decode(dt, b);
}

uint8_t nnc_f32_to_f8(nnc_dtype dt, float f, bool saturate, nnc_word mode)
{
    return (uint8_t)nnc_small_encode(dt, (double)f, saturate, mode);
}
