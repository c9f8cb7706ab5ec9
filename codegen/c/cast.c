/* Conversions that C has no right form for: floats to integers saturate, floats of 16 bits and less travel as their
 * bits.  f16 and bf16 have quick forms for float; everything else of them shares one encoder and one decoder whose
 * parameters describe the format, as in ir/smallfloat.c. */
#include <math.h>
#include <string.h>
#include "codegen/c/c.h"

static const char decode_text[] =
    "static inline float small_decode(uint32_t bits, int ebits, int mbits, int bias, int kind) /* "
    "kind: 0 IEEE, 1 FN, 2 FNUZ, 3 finite */\n"
    "{\n"
    "    const uint32_t top = 1u << (ebits + mbits), mag = bits & (top - 1u);\n"
    "    const int e = (int)(mag >> mbits), m = (int)(mag & ((1u << mbits) - 1u)), negative = "
    "(bits & top) != 0;\n"
    "    float v;\n"
    "    if ((kind == 2 && negative && mag == 0) || (kind == 1 && mag == top - 1u))\n"
    "        return NAN;\n"
    "    if (kind == 0 && e == (1 << ebits) - 1)\n"
    "        v = m ? NAN : INFINITY;\n"
    "    else\n"
    "        v = e ? ldexpf((float)(m + (1 << mbits)), e - bias - mbits) : ldexpf((float)m, 1 - "
    "bias - mbits);\n"
    "    return negative ? -v : v;\n"
    "}\n";

static const char encode_text[] =
    "static inline uint32_t small_encode(double x, int ebits, int mbits, int bias, int kind, int "
    "saturate) /* nearest, half to even */\n"
    "{\n"
    "    const uint32_t top = 1u << (ebits + mbits), ieee = top - (1u << mbits);\n"
    "    const uint32_t sign = copysign(1.0, x) < 0 ? top : 0;\n"
    "    const uint32_t most = kind == 0 ? ieee - 1u : kind == 1 ? top - 2u : top - 1u;\n"
    "    const uint32_t none = kind == 0 ? sign | ieee | 1u << (mbits - 1) : kind == 1 ? sign | "
    "(top - 1u) : kind == 2 ? top : sign ? 0 : top;\n"
    "    const uint32_t over = saturate || kind == 3 ? sign | most : kind == 0 ? sign | ieee : "
    "none;\n"
    "    uint32_t mag;\n"
    "    int e;\n"
    "    if (x != x)\n"
    "        return none;\n"
    "    x = fabs(x);\n"
    "    if (x > 1e300)\n"
    "        return over;\n"
    "    (void)frexp(x, &e);\n"
    "    e = x == 0 || e - 1 < 1 - bias ? 1 - bias : e - 1;\n"
    "    if (e > bias + (1 << ebits))\n"
    "        return over;\n"
    "    mag = (uint32_t)rint(ldexp(x, mbits - e)) + ((uint32_t)(e + bias - 1) << mbits);\n"
    "    if (mag > most)\n"
    "        return over;\n"
    "    return kind == 2 && mag == 0 ? 0 : sign | mag;\n"
    "}\n";

static const char decode_e8m0_text[] =
    "static inline float f8e8m0_to_f32(uint8_t bits) /* a power of two */\n"
    "{\n"
    "    return bits == 255 ? NAN : ldexpf(1.0f, bits - 127);\n"
    "}\n";

static const char encode_e8m0_text[] =
    "static inline uint8_t f64_to_f8e8m0(double x, int saturate, int mode) /* mode: 0 down, 1 "
    "nearest, 2 up */\n"
    "{\n"
    "    int e;\n"
    "    double m;\n"
    "    if (x != x || (!saturate && (fabs(x) > 1.7976931348623157e308 || x == 0)))\n"
    "        return 255;\n"
    "    if (fabs(x) > 1.7976931348623157e308)\n"
    "        return 254;\n"
    "    m = frexp(fabs(x), &e);\n"
    "    e = x == 0 ? -127 : e - 1;\n"
    "    if (x != 0 && ((mode == 2 && m > 0.5) || (mode == 1 && m >= 0.75)))\n"
    "        e++;\n"
    "    if (e > 127)\n"
    "        return saturate ? 254 : 255;\n"
    "    if (e < -127)\n"
    "        return saturate ? 0 : 255;\n"
    "    return (uint8_t)(e + 127);\n"
    "}\n";

static const char f16_to_f32_text[] =
    "static inline float f16_to_f32(uint16_t h)\n"
    "{\n"
    "    union { uint32_t u; float f; } v;\n"
    "    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16, e = h >> 10 & 31u, m = h & 0x3ffu;\n"
    "    if (e == 0) {\n"
    "        v.f = (float)m * 5.9604644775390625e-8f;\n"
    "        v.u |= sign;\n"
    "    } else {\n"
    "        v.u = sign | (e == 31u ? 0x7f800000u : (e + 112u) << 23) | m << 13;\n"
    "    }\n"
    "    return v.f;\n"
    "}\n";

static const char f32_to_f16_text[] =
    "static inline uint16_t f32_to_f16(float x) /* nearest, half to even */\n"
    "{\n"
    "    union { uint32_t u; float f; } v;\n"
    "    uint32_t sign, a;\n"
    "    v.f = x;\n"
    "    sign = v.u >> 16 & 0x8000u;\n"
    "    a = v.u & 0x7fffffffu;\n"
    "    if (a > 0x7f800000u)\n"
    "        return (uint16_t)(sign | 0x7e00u);\n"
    "    if (a >= 0x477ff000u)\n"
    "        return (uint16_t)(sign | 0x7c00u);\n"
    "    if (a < 0x38800000u) { /* subnormal: 0.5 has the right last place */\n"
    "        v.u = a;\n"
    "        v.f += 0.5f;\n"
    "        return (uint16_t)(sign | (v.u - 0x3f000000u));\n"
    "    }\n"
    "    return (uint16_t)(sign | (a + 0xfffu + (a >> 13 & 1u) - 0x38000000u) >> 13);\n"
    "}\n";

static const char bf16_to_f32_text[] = "static inline float bf16_to_f32(uint16_t h)\n"
                                       "{\n"
                                       "    union { uint32_t u; float f; } v;\n"
                                       "    v.u = (uint32_t)h << 16;\n"
                                       "    return v.f;\n"
                                       "}\n";

static const char f32_to_bf16_text[] =
    "static inline uint16_t f32_to_bf16(float x) /* nearest, half to even */\n"
    "{\n"
    "    union { uint32_t u; float f; } v;\n"
    "    v.f = x;\n"
    "    if ((v.u & 0x7fffffffu) > 0x7f800000u)\n"
    "        return (uint16_t)((v.u >> 16 & 0x8000u) | 0x7fc0u);\n"
    "    return (uint16_t)((v.u + 0x7fffu + (v.u >> 16 & 1u)) >> 16);\n"
    "}\n";

static const struct format {
    nnc_dtype dt;
    const char *parameters; /* ebits, mbits, bias, kind */
} formats[] = {
    {NNC_DT_f16, "5, 10, 15, 0"},    {NNC_DT_bf16, "8, 7, 127, 0"},
    {NNC_DT_f8e4m3fn, "4, 3, 7, 1"}, {NNC_DT_f8e4m3fnuz, "4, 3, 8, 2"},
    {NNC_DT_f8e5m2, "5, 2, 15, 0"},  {NNC_DT_f8e5m2fnuz, "5, 2, 16, 2"},
    {NNC_DT_f4e2m1, "2, 1, 1, 3"},
};

static const char *parameters(nnc_dtype dt)
{
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++)
        if (formats[i].dt == dt)
            return formats[i].parameters;
    return "";
}

/* A helper of fixed text; `dep` is made first. */
static const char *need_text(c_cgen *g, const char *name, const char *text, const char *dep,
                             const char *dep_text)
{
    uint32_t i;

    if (dep)
        (void)need_text(g, dep, dep_text, NULL, NULL);
    if (!c_helper_known(g, name, &i)) {
        c_helper_add(g, name, text);
        i = g->helper.n - 1;
        if (dep) {
            uint32_t d = 0;
            (void)c_helper_known(g, dep, &d);
            g->helper.at[i].first_dep = g->dep.n;
            g->helper.at[i].ndep = 1;
            NNC_PUSH(g->root, &g->dep, d);
        }
    }
    g->helper.at[i].sections |= g->section;
    return name;
}

static const char *small_to_f32(c_cgen *g, nnc_dtype from)
{
    const char *n = nnc_dtype_infos[from].name;

    if (from == NNC_DT_bf16)
        return need_text(g, "bf16_to_f32", bf16_to_f32_text, NULL, NULL);
    if (from == NNC_DT_f16)
        return need_text(g, "f16_to_f32", f16_to_f32_text, NULL, NULL);
    g->math_h = true;
    if (from == NNC_DT_f8e8m0)
        return need_text(g, "f8e8m0_to_f32", decode_e8m0_text, NULL, NULL);
    return need_text(
        g, c_fmt(g, "%s_to_f32", n),
        c_fmt(g,
              "static inline float %s_to_f32(%s bits)\n{\n    return small_decode(bits, %s);\n}\n",
              n, c_storage(from), parameters(from)),
        "small_decode", decode_text);
}

static const char *to_small(c_cgen *g, nnc_dtype from, nnc_dtype to, bool saturate)
{
    const char *n = nnc_dtype_infos[to].name;

    if (from == NNC_DT_f32 && to == NNC_DT_bf16)
        return need_text(g, "f32_to_bf16", f32_to_bf16_text, NULL, NULL);
    if (from == NNC_DT_f32 && to == NNC_DT_f16)
        return need_text(g, "f32_to_f16", f32_to_f16_text, NULL, NULL);
    g->math_h = true;
    saturate = saturate && nnc_dtype_infos[to].bits < 16;
    const char *name = c_fmt(g, "f64_to_%s%s", n, saturate ? "_sat" : "");
    return need_text(
        g, name,
        c_fmt(g, "static inline %s %s(double x)\n{\n    return (%s)small_encode(x, %s, %d);\n}\n",
              c_storage(to), name, c_storage(to), parameters(to), saturate),
        "small_encode", encode_text);
}

/* Truncates, saturates, nan gives 0. */
static const char *float_to_int(c_cgen *g, nnc_dtype from, nnc_dtype to)
{
    int w = nnc_dtype_infos[to].bits;
    bool sg = nnc_dtype_infos[to].class == NNC_DC_SINT, f = from == NNC_DT_f32;
    double hi = ldexp(1, sg ? w - 1 : w), lo = sg ? -hi : 0, below = lo - 1;
    bool exact = f ? (double)(float)below == below : below != lo;
    const char *name = c_fmt(g, "%s_to_%s", nnc_dtype_infos[from].name, nnc_dtype_infos[to].name);
    const char *t = c_storage(to);
    nnc_type type = nnc_type_scalar(g->m, to, 1);
    const char *least = c_number(
        g, to,
        nnc_value_get(g->m, nnc_const_int(g->m, type, sg ? (int64_t)(~UINT64_C(0) << (w - 1)) : 0))
            ->bits);
    const char *most =
        c_number(g, to,
                 nnc_value_get(g->m, nnc_const_int(g->m, type,
                                                   sg ? (int64_t)(~UINT64_C(0) >> (65 - w))
                                                      : (int64_t)(~UINT64_C(0) >> (64 - w))))
                     ->bits);
    const char *s = f ? "f" : "";

    return need_text(g, name,
                     c_fmt(g,
                           "static inline %s %s(%s x) /* truncates and saturates, nan gives 0 "
                           "*/\n{\n    if (x >= %.1f%s)\n        return %s;\n"
                           "    if (x %s %.1f%s)\n        return (%s)x;\n    return %s;\n}\n",
                           t, name, c_scalar(from), hi, s, most, exact ? ">" : ">=",
                           exact ? below : lo, s, t, sg ? c_fmt(g, "x < 0 ? %s : 0", least) : "0"),
                     NULL, NULL);
}

const char *c_need_cast(c_cgen *g, nnc_dtype from, nnc_dtype to, bool saturate, nnc_word mode)
{
    if (to == NNC_DT_f8e8m0) {
        g->math_h = true;
        const char *name = c_fmt(g, "f64_to_f8e8m0_%d%d", saturate,
                                 mode == NNC_W_down      ? 0
                                 : mode == NNC_W_nearest ? 1
                                                         : 2);
        return need_text(
            g, name,
            c_fmt(
                g,
                "static inline uint8_t %s(double x)\n{\n    return f64_to_f8e8m0(x, %d, %d);\n}\n",
                name, saturate,
                mode == NNC_W_down      ? 0
                : mode == NNC_W_nearest ? 1
                                        : 2),
            "f64_to_f8e8m0", encode_e8m0_text);
    }
    if (c_is_small_float(from))
        return small_to_f32(g, from);
    if (c_is_small_float(to))
        return to_small(g, from, to, saturate);
    return float_to_int(g, from, to);
}
