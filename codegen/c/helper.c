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

/* A hardware square root where the compiler offers a function for it: sqrtf must set errno and is not vectorised. */
static void quick_sqrt(maker *k)
{
    bool d = k->dt == NNC_DT_f64;
    unsigned bits = k->lanes * (d ? 64 : 32);

    if (bits != 512 && bits != 256 && bits != 128)
        return;
    k->g->immintrin_h = true;
    fprintf(k->out.f, "#if defined(%s)\n    return (%s)_mm%s_sqrt_p%c((__m%u%s)x);\n#else\n",
            bits == 512   ? "__AVX512F__"
            : bits == 256 ? "__AVX__"
                          : "__SSE2__",
            c_vector(k->g, k->dt, k->lanes),
            bits == 512   ? "512"
            : bits == 256 ? "256"
                          : "",
            d ? 'd' : 's', bits, d ? "d" : "");
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
        if (!strncmp(t + 2, "SQRT", 4))
            quick_sqrt(k);
        else if (k->lanes * width == 512 || k->lanes * width == 256 || k->lanes * width == 128)
            fputs("#endif\n", o);
        return t + (t[2] == 'S' ? 6 : 5);
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
