/* Elements of a tensor as numbers: what shape inputs, pads, axes and scales are read with.  The
 * small float formats are taken apart by field widths, so one function serves them all. */
#include "frontend/onnx/model.h"
#include <math.h>
#include <string.h>

/* sign 1, exponent e, mantissa m bits; `special`: the top exponent holds infinities and NaNs as
 * in IEEE 754. */
static double small_float(uint32_t v, int e, int m, int bias, bool special)
{
    uint32_t exponent = v >> m & ((1u << e) - 1), mantissa = v & ((1u << m) - 1);
    double sign = v >> (e + m) & 1 ? -1 : 1;
    if (special && exponent == (1u << e) - 1)
        return mantissa ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - m);
    return sign * ldexp((double)(mantissa | 1u << m), (int)exponent - bias - m);
}

static double float8(nnc_onnx_elem e, uint32_t v)
{
    switch (e) {
    case NNC_ONNX_f8e4m3fn: return (v & 127) == 127 ? (double)NAN : small_float(v, 4, 3, 7, false);
    case NNC_ONNX_f8e4m3fnuz: return v == 128 ? (double)NAN : small_float(v, 4, 3, 8, false);
    case NNC_ONNX_f8e5m2: return small_float(v, 5, 2, 15, true);
    case NNC_ONNX_f8e5m2fnuz: return v == 128 ? (double)NAN : small_float(v, 5, 2, 16, false);
    case NNC_ONNX_f8e8m0: return v == 255 ? (double)NAN : ldexp(1.0, (int)v - 127);
    case NNC_ONNX_f4e2m1: return small_float(v, 2, 1, 1, false);
    case NNC_ONNX_f6e2m3: return small_float(v, 2, 3, 1, false);
    default: return small_float(v, 3, 2, 3, false); /* f6e3m2 */
    }
}

static bool is_integer(nnc_onnx_elem e)
{
    return (e >= NNC_ONNX_u8 && e <= NNC_ONNX_i64) || e == NNC_ONNX_bool || e == NNC_ONNX_u32 ||
           e == NNC_ONNX_u64 || e == NNC_ONNX_u4 || e == NNC_ONNX_i4 || e == NNC_ONNX_u2 ||
           e == NNC_ONNX_i2;
}

static bool is_signed(nnc_onnx_elem e)
{
    return e == NNC_ONNX_i8 || e == NNC_ONNX_i16 || e == NNC_ONNX_i32 || e == NNC_ONNX_i64 ||
           e == NNC_ONNX_i4 || e == NNC_ONNX_i2;
}

/* The element's bytes as an unsigned number. */
static uint64_t bits_at(const nnc_onnx_tensor *t, uint64_t i)
{
    uint32_t size = nnc_onnx_elem_bytes(t->elem);
    const uint8_t *p = (const uint8_t *)t->data + i * size;
    uint64_t v = 0;
    for (uint32_t b = 0; b < size && b < 8; b++)
        v |= (uint64_t)p[b] << (8 * b);
    return v;
}

static double float_at(const nnc_onnx_tensor *t, uint64_t i)
{
    uint64_t v = bits_at(t, i);
    uint32_t low = (uint32_t)v;
    float f;
    double d;
    switch (t->elem) {
    case NNC_ONNX_bf16: low <<= 16; /* fall through */
    case NNC_ONNX_f32: memcpy(&f, &low, sizeof f); return (double)f;
    case NNC_ONNX_f64: memcpy(&d, &v, sizeof d); return d;
    case NNC_ONNX_f16: return small_float(low, 5, 10, 15, true);
    default: return float8(t->elem, low);
    }
}

int64_t nnc_onnx_tensor_i64(const nnc_onnx_tensor *t, uint64_t i)
{
    if (!t->data || i >= t->count)
        return 0;
    if (is_integer(t->elem)) {
        uint64_t v = bits_at(t, i);
        uint32_t unused = 64 - 8 * nnc_onnx_elem_bytes(t->elem);
        return is_signed(t->elem) ? (int64_t)(v << unused) >> unused
               : v > INT64_MAX    ? INT64_MAX
                                  : (int64_t)v;
    }
    double d = float_at(t, i);
    return isnan(d) ? 0 : d >= 0x1p63 ? INT64_MAX : d <= -0x1p63 ? INT64_MIN : (int64_t)d;
}

double nnc_onnx_tensor_f64(const nnc_onnx_tensor *t, uint64_t i)
{
    if (!t->data || i >= t->count)
        return 0;
    if (t->elem == NNC_ONNX_u64)
        return (double)bits_at(t, i);
    return is_integer(t->elem) ? (double)nnc_onnx_tensor_i64(t, i) : float_at(t, i);
}
