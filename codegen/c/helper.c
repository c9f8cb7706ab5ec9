/* Helpers are instantiated from text per type on first use, with what they need before them, and printed in that order
 * in the part of the file whose functions use them: an unused static function is an error for clang. */
#include <ctype.h>
#include <string.h>
#include "codegen/c/c.h"
#include "ir/smallfloat.h"

enum { F = 1, I = 2, VF = 4, VI = 8, ANY = 15 };
static const struct row {
    const char *name;
    unsigned kinds;
    const char *text;
} rows[] = {
#define HELPER(name, kind, text) {#name, kind, text},
#include "codegen/c/helpers.def"
};

bool c_helper_known(c_cgen *g, const char *name, uint32_t *index)
{
    for (uint32_t i = 0; i < g->helper.n; i++)
        if (!strcmp(g->helper.at[i].name, name)) {
            *index = i;
            return true;
        }
    return false;
}

static void mark(c_cgen *g, uint32_t i, unsigned section)
{
    c_helper *h = &g->helper.at[i];

    if ((h->sections & section) == section)
        return;
    h->sections |= section;
    for (uint32_t d = 0; d < h->ndep; d++)
        mark(g, g->dep.at[h->first_dep + d], section);
}

void c_helper_mark(c_cgen *g, uint32_t i)
{
    mark(g, i, g->section);
}

void c_helper_add(c_cgen *g, const char *name, const char *text)
{
    name = nnc_arena_str(g->root, name);
    text = nnc_arena_str(g->root, text);
    NNC_PUSH(g->root, &g->helper, (c_helper){.name = name, .text = text, .sections = g->section});
    nnc_names_reserve(g->globals, name);
}

typedef struct maker {
    c_cgen *g;
    nnc_dtype dt;
    unsigned lanes;
    const char *name;
    NNC_BUF(uint32_t) dep;
    nnc_text out;
} maker;

static const char *limit(nnc_dtype dt, bool high)
{
    switch (dt) {
    case NNC_DT_i64: return high ? "INT64_MAX" : "INT64_MIN";
    case NNC_DT_i32: return high ? "INT32_MAX" : "INT32_MIN";
    case NNC_DT_i16: return high ? "INT16_MAX" : "INT16_MIN";
    case NNC_DT_i8: return high ? "INT8_MAX" : "INT8_MIN";
    case NNC_DT_idx: return high ? "PTRDIFF_MAX" : "PTRDIFF_MIN";
    case NNC_DT_u64: return high ? "UINT64_MAX" : "0";
    case NNC_DT_u32: return high ? "UINT32_MAX" : "0";
    case NNC_DT_u16: return high ? "UINT16_MAX" : "0";
    case NNC_DT_u8: return high ? "UINT8_MAX" : "0";
    case NNC_DT_f64: return "INT64_MAX"; /* all but the sign */
    default: return "INT32_MAX";
    }
}

static void call_of(maker *k, const char *name, size_t n, unsigned lanes)
{
    c_cgen *g = k->g;
    char key[32];
    uint32_t i;

    snprintf(key, sizeof key, "%.*s", (int)n, name);
    const char *s = c_need(g, key, k->dt, lanes);
    fputs(s, k->out.f);
    if (c_helper_known(g, s, &i))
        NNC_PUSH(g->a, &k->dep, i);
}

/* One instruction where compilers write several or a call: a square root that sets no errno, the larger and smaller
 * (which give their second operand when one is nan), the nearest integer. */
static void quick_float(maker *k, const char *what)
{
    bool d = k->dt == NNC_DT_f64, near = *what == 'N';
    unsigned bits = k->lanes * (d ? 64 : 32);

    if (bits != 512 && bits != 256 && bits != 128)
        return;
    k->g->immintrin_h = true;
    const char *m = c_fmt(k->g, "__m%u%s", bits, d ? "d" : "");
    const char *fn = c_fmt(k->g, "_mm%s_%s%s",
                           bits == 512   ? "512"
                           : bits == 256 ? "256"
                                         : "",
                           *what == 'S'   ? "sqrt"
                           : *what == 'L' ? "max"
                           : *what == 'M' ? "min"
                                          : "cvtps_epi32",
                           near ? ""
                           : d  ? "_pd"
                                : "_ps");
    const char *arg =
        *what == 'S' || near ? c_fmt(k->g, "(%s)x", m) : c_fmt(k->g, "(%s)limit, (%s)x", m, m);
    fprintf(k->out.f, "#if defined(%s)\n    return (%s)%s(%s);\n#else\n",
            bits == 512   ? "__AVX512F__"
            : bits == 256 ? "__AVX__"
                          : "__SSE2__",
            c_vector(k->g, near ? NNC_DT_i32 : k->dt, k->lanes), fn, arg);
}

/* Four products of bytes per lane where the machine has them; else two 16-bit multiply-adds of even and odd bytes. */
static void quick_dot4(maker *k)
{
    c_cgen *g = k->g;
    FILE *o = k->out.f;
    const char *v = c_vector(g, k->dt, k->lanes), *b = k->lanes == 16 ? "512" : "256";
    const char *m = k->lanes == 4   ? "__m128i"
                    : k->lanes == 8 ? "__m256i"
                                    : "__m512i",
               *p = k->lanes == 4 ? "_mm" : c_fmt(g, "_mm%s", b),
               *si = k->lanes == 4 ? "si128" : c_fmt(g, "si%s", b),
               *bytes = k->lanes == 4   ? "defined(__SSE2__)"
                        : k->lanes == 8 ? "defined(__AVX2__)"
                                        : "defined(__AVX512BW__)";

    g->immintrin_h = true;
    if (k->lanes == 16)
        fprintf(o, "#if defined(__AVX512VNNI__)\n");
    else
        fprintf(o, "#if defined(__AVX512VNNI__) && defined(__AVX512VL__)\n");
    fprintf(o, "    return (%s)%s_dpbusd_epi32((%s)acc, (%s)a, (%s)b);\n", v, p, m, m, m);
    if (k->lanes < 16)
        fprintf(o,
                "#elif defined(__AVXVNNI__)\n    return (%s)%s_dpbusd_avx_epi32((%s)acc, (%s)a, "
                "(%s)b);\n",
                v, p, m, m, m);
    fprintf(o,
            "#elif %s\n    const %s low = %s_set1_epi16(255), x = (%s)a, y = (%s)b;\n"
            "    const %s even = %s_madd_epi16(%s_and_%s(x, low), %s_srai_epi16(%s_slli_epi16(y, "
            "8), 8));\n"
            "    const %s odd = %s_madd_epi16(%s_srli_epi16(x, 8), %s_srai_epi16(y, 8));\n"
            "    return acc + (%s)even + (%s)odd;\n",
            bytes, m, p, m, m, m, p, p, si, p, p, m, p, p, p, v, v);
    if (k->lanes == 4) {
        g->arm_neon_h = true;
        fprintf(
            o,
            "#elif defined(__ARM_FEATURE_MATMUL_INT8)\n"
            "    return (%s)vusdotq_s32((int32x4_t)acc, (uint8x16_t)a, (int8x16_t)b);\n"
            "#elif defined(__ARM_FEATURE_DOTPROD) /* a - 128 is signed; what that takes off is 128 "
            "b */\n"
            "    const int8x16_t s = (int8x16_t)(a ^ (int32_t)0x80808080u), y = (int8x16_t)b;\n"
            "    const int32x4_t rest = vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(1), y);\n"
            "    return (%s)vdotq_s32(vaddq_s32((int32x4_t)acc, vshlq_n_s32(rest, 7)), s, y);\n",
            v, v);
    }
    fprintf(o, "#else\n");
}

static const char *expand(maker *k, const char *t)
{
    c_cgen *g = k->g;
    FILE *o = k->out.f;
    const char *end;
    unsigned width = nnc_dtype_infos[k->dt].bits;
    nnc_dtype twin = c_int_of_width((unsigned)nnc_dtype_bytes(k->dt), true);

    if (*t != '$') {
        fputc(*t, o);
        return t + 1;
    }
    switch (t[1]) {
    case 'N': fputs(k->name, o); break;
    case 'T': fputs(c_scalar(k->dt), o); break;
    case 'n': fputs(nnc_dtype_infos[k->dt].name, o); break;
    case 'V': fputs(c_vector(g, k->dt, k->lanes), o); break;
    case 'M': fputs(c_vector(g, twin, k->lanes), o); break;
    case 'U': fputs(c_vector(g, NNC_DT_u32, k->lanes), o); break;
    case 'L': fprintf(o, "%u", k->lanes); break;
    case 'H': fprintf(o, "%u", k->lanes / 2); break;
    case 's': fputs(k->dt == NNC_DT_f32 ? "f" : "", o); break;
    case 'u':
        fputs(k->dt == NNC_DT_f64   ? "uint64_t"
              : k->dt == NNC_DT_f32 ? "uint32_t"
                                    : c_unsigned(k->dt),
              o);
        break;
    case 'W': fprintf(o, "%u", width); break;
    case 'I': fputs(limit(k->dt, false), o); break;
    case 'J': fputs(limit(k->dt, true), o); break;
    case 'E': fputs(k->dt == NNC_DT_f64 ? "UINT64_C(0x7ff0000000000000)" : "0x7f800000u", o); break;
    case 'Q':
        if (!strncmp(t + 2, "SQRT", 4) || !strncmp(t + 2, "LEAST", 5) ||
            !strncmp(t + 2, "MOST", 4) || !strncmp(t + 2, "NEAR", 4))
            quick_float(k, t + 2);
        else if (!strncmp(t + 2, "DOT4", 4) && k->lanes >= 4 && k->lanes <= 16)
            quick_dot4(k);
        else if (!strncmp(t + 2, "DOT4", 4))
            ;
        else if (k->lanes * width == 512 || k->lanes * width == 256 || k->lanes * width == 128)
            fputs("#endif\n", o);
        return t + (t[2] == 'E' ? 5 : t[2] == 'L' ? 7 : 6);
    case 'G': fputs(c_vector(g, k->dt, k->lanes / 2), o); break;
    case '(':
    case '[':
    case '{':
        end = strpbrk(t, ")]}");
        call_of(k, t + 2, (size_t)(end - t - 2),
                t[1] == '('   ? k->lanes
                : t[1] == '{' ? k->lanes / 2
                              : 1);
        return end + 1;
    default: break;
    }
    return t + 2;
}

static const struct row *find_row(const char *name, unsigned kind)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].kinds & kind && !strcmp(rows[i].name, name))
            return &rows[i];
    return NULL;
}

/* Array reductions take a pointer: their lanes are part of the name, not a vector. */
static bool is_array(const char *name)
{
    size_t n = strlen(name);

    return n > 3 && !strcmp(name + n - 3, "_of");
}

const char *c_need(c_cgen *g, const char *name, nnc_dtype dt, unsigned lanes)
{
    bool flt = nnc_dtype_is_float(dt), array = is_array(name);
    unsigned kind = lanes > 1 && !array ? (flt ? VF : VI) : (flt ? F : I);
    const struct row *halves =
        lanes > 4 && !array ? find_row(c_fmt(g, "%s_halves", name), kind) : NULL;
    const struct row *r = halves ? halves : find_row(name, kind);
    uint32_t i;

    if (!r) {
        g->status = nnc_error(g->m->diag, (nnc_loc){0}, "internal: no C helper '%s' for %s", name,
                              nnc_dtype_infos[dt].name);
        return name;
    }
    const char *base =
        c_fmt(g, lanes > 1 && !array ? "%s_%sx%u" : "%s_%s", name, nnc_dtype_infos[dt].name, lanes);
    const char *full = array ? c_fmt(g, "%s_%u", base, lanes) : base;
    if (c_helper_known(g, full, &i)) {
        mark(g, i, g->section);
        return full;
    }
    maker k = {.g = g, .dt = dt, .lanes = lanes, .name = base};
    nnc_text_begin(&k.out);
    for (const char *t = r->text; *t;) {
        if (array && t[0] == '$' && t[1] == '(') { /* inside, elements are scalars */
            const char *end = strchr(t, ')');
            call_of(&k, t + 2, (size_t)(end - t - 2), 1);
            t = end + 1;
            continue;
        }
        t = expand(&k, t);
    }
    const char *text = nnc_text_end(&k.out, g->a);
    g->math_h |= strstr(text, "exp") || strstr(text, "fmod") || strstr(text, "sqrt") ||
                 strstr(text, "fabs") || strstr(text, "isinf(");
    g->string_h |= strstr(text, "memcpy") != NULL;
    c_helper_add(g, full, text);
    g->helper.at[g->helper.n - 1].first_dep = g->dep.n;
    g->helper.at[g->helper.n - 1].ndep = k.dep.n;
    for (i = 0; i < k.dep.n; i++)
        NNC_PUSH(g->root, &g->dep, k.dep.at[i]);
    return full;
}

void c_helpers(c_cgen *g, FILE *f, unsigned section)
{
    for (uint32_t i = 0; i < g->helper.n; i++) {
        const c_helper *h = &g->helper.at[i];
        unsigned where = h->sections & C_COMMON ||
                                 (h->sections & (C_VECTOR | C_PORTABLE)) == (C_VECTOR | C_PORTABLE)
                             ? C_COMMON
                             : h->sections;
        if (where == section)
            fprintf(f, "\n%s", h->text);
    }
}
