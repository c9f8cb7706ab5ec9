/* Everything is shown through double, except integers, which double cannot hold beyond 53 bits. */
#include "value.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const nnp_dtype_info infos[] = {
    [NNP_F64] = {8, 'f', 1, "float64", "F64"},
    [NNP_F32] = {4, 'f', 1, "float32", "F32"},
    [NNP_F16] = {2, 'f', 1, "float16", "F16"},
    [NNP_BF16] = {2, 'V', 1, "bfloat16", "BF16"},
    [NNP_F8E4M3] = {1, 'V', 1, "float8_e4m3fn", "F8_E4M3"},
    [NNP_F8E5M2] = {1, 'V', 1, "float8_e5m2", "F8_E5M2"},
    [NNP_I64] = {8, 'i', 0, "int64", "I64"},
    [NNP_I32] = {4, 'i', 0, "int32", "I32"},
    [NNP_I16] = {2, 'i', 0, "int16", "I16"},
    [NNP_I8] = {1, 'i', 0, "int8", "I8"},
    [NNP_U64] = {8, 'u', 0, "uint64", "U64"},
    [NNP_U32] = {4, 'u', 0, "uint32", "U32"},
    [NNP_U16] = {2, 'u', 0, "uint16", "U16"},
    [NNP_U8] = {1, 'u', 0, "uint8", "U8"},
    [NNP_BOOL] = {1, 'b', 0, "bool", "BOOL"},
    [NNP_STR] = {4, 'i', 0, "str", NULL},
};

const nnp_dtype_info *nnp_dtype_get(nnp_dtype d)
{
    return &infos[d];
}

nnp_view nnp_view_of(const nnp_value *v, void *const *data, const size_t *const *dim)
{
    nnp_view w = {v, data[v->at], dim[v->at], 1};
    for (int i = 0; i < v->rank; i++)
        w.count *= w.dim[i];
    return w;
}

/* A float of `exponent` and `mantissa` bits below its sign. */
static double small_float(unsigned bits, int exponent, int mantissa)
{
    unsigned sign = bits >> (exponent + mantissa) & 1;
    int e = (int)(bits >> mantissa & ((1u << exponent) - 1)), bias = (1 << (exponent - 1)) - 1;
    double m = (double)(bits & ((1u << mantissa) - 1)) / (double)(1u << mantissa), v;
    int top = (1 << exponent) - 1;
    if (exponent == 4 ? e == top && m == 1 - 1.0 / 8 : e == top && m != 0)
        v = NAN; /* e4m3fn has a NaN but no infinities */
    else if (exponent != 4 && e == top)
        v = INFINITY;
    else
        v = e ? ldexp(1 + m, e - bias) : ldexp(m, 1 - bias);
    return sign ? -v : v;
}

static uint64_t load_bits(const void *data, size_t i, size_t bytes)
{
    const unsigned char *p = (const unsigned char *)data + i * bytes;
    switch (bytes) {
    case 1: return *p;
    case 2: {
        uint16_t v;
        memcpy(&v, p, 2);
        return v;
    }
    case 4: {
        uint32_t v;
        memcpy(&v, p, 4);
        return v;
    }
    default: {
        uint64_t v;
        memcpy(&v, p, 8);
        return v;
    }
    }
}

static double load_float(nnp_dtype d, uint64_t bits)
{
    double f64;
    float f32;
    uint32_t low = (uint32_t)bits;
    switch (d) {
    case NNP_F64: memcpy(&f64, &bits, 8); return f64;
    case NNP_F32: memcpy(&f32, &low, 4); return (double)f32;
    case NNP_BF16:
        low <<= 16;
        memcpy(&f32, &low, 4);
        return (double)f32;
    case NNP_F16: return small_float(low, 5, 10);
    case NNP_F8E5M2: return small_float(low, 5, 2);
    default: return small_float(low, 4, 3);
    }
}

int64_t nnp_element_int(nnp_dtype d, const void *data, size_t i)
{
    uint64_t bits = load_bits(data, i, (size_t)infos[d].bytes);
    if (infos[d].floating) {
        double v = load_float(d, bits);
        return v >= -9e18 && v <= 9e18 ? (int64_t)v : 0;
    }
    int shift = 64 - 8 * infos[d].bytes;
    return infos[d].kind == 'i' ? (int64_t)(bits << shift) >> shift : (int64_t)bits;
}

double nnp_element(nnp_dtype d, const void *data, size_t i)
{
    if (infos[d].floating)
        return load_float(d, load_bits(data, i, (size_t)infos[d].bytes));
    int64_t v = nnp_element_int(d, data, i);
    return d == NNP_U64 ? (double)(uint64_t)v : (double)v;
}

double nnp_view_get(const nnp_view *v, size_t i)
{
    return nnp_element(v->value->dtype, v->data, i);
}

/* Is `v` the number of its type that is nearest to the text? */
static int gives_back(nnp_dtype d, const char *s, double v)
{
    int mantissa = d == NNP_F16 ? 10 : d == NNP_BF16 ? 7 : d == NNP_F8E4M3 ? 3 : 2;
    if (d == NNP_F64)
        return strtod(s, NULL) == v;
    if (d == NNP_F32)
        return strtof(s, NULL) == (float)v;
    return fabs(strtod(s, NULL) - v) <= ldexp(fabs(v), -mantissa - 2);
}

void nnp_number_text(nnp_dtype d, double v, int digits, nnp_text *out)
{
    char s[48];
    if (isnan(v) || isinf(v)) {
        nnp_text_add(out, isnan(v) ? "nan" : v > 0 ? "inf" : "-inf");
        return;
    }
    int first = digits ? digits : d == NNP_F64 ? 15 : d == NNP_F32 ? 6 : 1;
    for (int n = first; n <= 17; n++) {
        snprintf(s, sizeof s, "%.*g", n, v);
        if (digits || gives_back(d, s, v))
            break;
    }
    nnp_text_add(out, v == 0 ? "0" : s);
}

void nnp_view_text(const nnp_view *v, size_t i, int digits, nnp_text *out)
{
    nnp_dtype d = v->value->dtype;
    if (infos[d].floating) {
        nnp_number_text(d, nnp_view_get(v, i), digits, out);
        return;
    }
    int64_t n = nnp_element_int(d, v->data, i);
    if (d == NNP_BOOL)
        nnp_text_add(out, n ? "true" : "false");
    else if (d == NNP_STR)
        nnp_text_add(out, n >= 0 && n < v->value->nstring ? v->value->strings[n] : "?");
    else if (d == NNP_U64)
        nnp_text_printf(out, "%" PRIu64, (uint64_t)n);
    else
        nnp_text_printf(out, "%" PRId64, n);
}

void nnp_view_json(const nnp_view *v, size_t i, nnp_text *out)
{
    nnp_dtype d = v->value->dtype;
    nnp_text s = {0};
    if (infos[d].floating && !isfinite(nnp_view_get(v, i))) {
        nnp_text_json_number(out, nnp_view_get(v, i));
        return;
    }
    nnp_view_text(v, i, 0, &s);
    if (d == NNP_STR)
        nnp_text_json(out, nnp_text_str(&s));
    else
        nnp_text_add(out, nnp_text_str(&s));
    nnp_text_free(&s);
}

static size_t json_axis(const nnp_view *v, int axis, size_t i, nnp_text *out)
{
    if (axis == v->value->rank) {
        nnp_view_json(v, i, out);
        return i + 1;
    }
    nnp_text_char(out, '[');
    for (size_t k = 0; k < v->dim[axis]; k++) {
        if (k)
            nnp_text_add(out, ", ");
        i = json_axis(v, axis + 1, i, out);
    }
    nnp_text_char(out, ']');
    return i;
}

void nnp_view_json_all(const nnp_view *v, nnp_text *out)
{
    json_axis(v, 0, 0, out);
}

void nnp_axis_place(const nnp_axis *a, size_t i, void *const *data, nnp_text *out)
{
    if (a && a->text && i < (size_t)a->count) {
        nnp_text_add(out, a->text[i]);
    } else if (a && !a->text && (a->name || a->count > 0) && a->at >= 0 && data &&
               (a->count < 0 || i < (size_t)a->count)) {
        nnp_value v = {.at = a->at, .dtype = a->dtype, .rank = 1};
        nnp_view w = {&v, data[a->at], NULL, i + 1};
        nnp_view_text(&w, i, 0, out);
    } else {
        nnp_text_printf(out, "%zu", i);
    }
}

int nnp_axis_number(const nnp_axis *a, size_t i, void *const *data, double *out)
{
    nnp_text s = {0};
    nnp_axis_place(a, i, data, &s);
    char *end = NULL;
    *out = s.n ? strtod(s.at, &end) : 0;
    int ok = s.n && *end == 0;
    nnp_text_free(&s);
    return ok;
}
