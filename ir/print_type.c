/* Text of types, dimensions and numbers.
 *
 * ir/dim.h orders terms by the age of their atoms, which differs between a module and the one read back; here terms
 * and factors are sorted by their text. */
#include "ir/eval.h"
#include "ir/text_fn.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool nnc_text_is_word(const char *s)
{
    if (!isalpha((unsigned char)*s) && *s != '_')
        return false;
    while (isalnum((unsigned char)*s) || *s == '_')
        s++;
    return !*s;
}

const char *nnc_text_quoted(nnc_arena *a, const char *s, char quote)
{
    char *out = nnc_arena_alloc(a, 4 * strlen(s) + 3), *p = out;
    *p++ = quote;
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c == 0x7f) {
            static const char hex[] = "0123456789abcdef";
            *p++ = '\\';
            *p++ = 'x';
            *p++ = hex[c >> 4];
            *p++ = hex[c & 15];
            continue;
        }
        if (c == '\\' || c == (unsigned char)quote)
            *p++ = '\\';
        *p++ = (char)c;
    }
    *p++ = quote;
    *p = 0;
    return out;
}

bool nnc_text_is_dim_key(nnc_opcode code, nnc_sym key)
{
    switch ((nnc_word)key.id) {
    case NNC_W_lo:
    case NNC_W_hi: return code != NNC_OP_conv; /* plain integers there, may be negative */
    case NNC_W_start:
    case NNC_W_size:
    case NNC_W_k:
    case NNC_W_trips:
    case NNC_W_dim: return true;
    default: return false;
    }
}

/* ---- dimensions ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char *join(nnc_arena *a, const char **part, uint32_t n, const char *between)
{
    size_t len = 1;
    for (uint32_t i = 0; i < n; i++)
        len += strlen(part[i]) + strlen(between);
    char *s = nnc_arena_alloc(a, len), *p = s;
    for (uint32_t i = 0; i < n; i++) {
        if (i)
            p = stpcpy(p, between);
        p = stpcpy(p, part[i]);
    }
    return s;
}

static const char *atom_text(nnc_arena *a, const nnc_module *m, nnc_dim_atom at)
{
    if (at.op == '$') {
        const char *name = nnc_sym_str(m, nnc_dim_symbol_name(m->dims, (uint32_t)at.a));
        return nnc_text_is_word(name) ? name : nnc_text_quoted(a, name, '"');
    }
    const char *x[2] = {nnc_text_dim(a, m, at.a), nnc_text_dim(a, m, at.b)};
    if (at.op == '<' || at.op == '>')
        qsort(x, 2, sizeof *x, by_text);
    const char *f = at.op == '/' ? "floordiv" : at.op == '%' ? "mod" : at.op == '<' ? "min" : "max";
    return nnc_arena_printf(a, "%s(%s,%s)", f, x[0], x[1]);
}

/* One term in sorted order; the sort key: products of more atoms first, then by text, the constant last. */
struct term {
    const char *atoms;
    uint32_t natom;
    int64_t coef;
};

static int by_term(const void *a, const void *b)
{
    const struct term *x = a, *y = b;
    if (x->natom != y->natom)
        return x->natom > y->natom ? -1 : 1;
    return strcmp(x->atoms, y->atoms);
}

const char *nnc_text_dim(nnc_arena *a, const nnc_module *m, nnc_dim d)
{
    if (d >= 0)
        return nnc_arena_printf(a, "%lld", (long long)d);
    uint32_t n;
    const nnc_dim_term *in = nnc_dim_terms(m->dims, d, &n);
    struct term *term = nnc_arena_array(a, n + 1, sizeof *term);
    const char **text = nnc_arena_array(a, n + 1, sizeof *text);
    for (uint32_t i = 0; i < n; i++) {
        const char **atom = nnc_arena_array(a, in[i].natom + 1, sizeof *atom);
        for (uint32_t k = 0; k < in[i].natom; k++)
            atom[k] = atom_text(a, m, nnc_dim_atom_get(m->dims, in[i].atom[k]));
        qsort(atom, in[i].natom, sizeof *atom, by_text);
        term[i] = (struct term){join(a, atom, in[i].natom, "*"), in[i].natom, in[i].coef};
    }
    qsort(term, n, sizeof *term, by_term);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t size = term[i].coef < 0 ? 0 - (uint64_t)term[i].coef : (uint64_t)term[i].coef;
        const char *sign = term[i].coef < 0 ? "-" : i ? "+" : "";
        if (!term[i].natom)
            text[i] = nnc_arena_printf(a, "%s%llu", sign, (unsigned long long)size);
        else if (size == 1)
            text[i] = nnc_arena_printf(a, "%s%s", sign, term[i].atoms);
        else
            text[i] =
                nnc_arena_printf(a, "%s%llu*%s", sign, (unsigned long long)size, term[i].atoms);
    }
    return join(a, text, n, "");
}

/* ---- types ---- */

static bool is_dense(const nnc_module *m, const nnc_type_rec *r)
{
    int64_t stride[NNC_MAX_RANK];
    nnc_type_dense_strides(m->dims, r->rank, r->dim, stride);
    return !memcmp(stride, r->stride, (size_t)r->rank * sizeof *stride);
}

const char *nnc_text_type(nnc_arena *a, const nnc_module *m, nnc_type t)
{
    const nnc_type_rec *r = nnc_type_get(m, t);
    const char *dim[NNC_MAX_RANK], *stride[NNC_MAX_RANK], *name;
    if (r->kind == NNC_TYPE_none)
        return "none";
    name = nnc_dtype_infos[r->dtype].name;
    if (r->lanes > 1)
        name = nnc_arena_printf(a, "%sx%u", name, r->lanes);
    if (r->kind == NNC_TYPE_scalar)
        return name;
    for (int i = 0; i < r->rank; i++) {
        dim[i] = nnc_text_dim(a, m, r->dim[i]);
        stride[i] = nnc_arena_printf(a, "%lld", (long long)r->stride[i]);
    }
    const char *dims = join(a, dim, r->rank, ",");
    if (r->kind == NNC_TYPE_tensor)
        return nnc_arena_printf(a, "%s[%s]", name, dims);
    const char *space = nnc_space_names[r->space];
    if (is_dense(m, r))
        return nnc_arena_printf(a, "%s[%s]@%s", name, dims, space);
    return nnc_arena_printf(a, "%s[%s:%s]@%s", name, dims, join(a, stride, r->rank, ","), space);
}

const char *nnc_print_type(const nnc_module *m, nnc_type t)
{
    return nnc_text_type(m->arena, m, t);
}

/* ---- numbers ---- */

static uint64_t width_mask(nnc_dtype dt)
{
    unsigned width = 8u * nnc_dtype_infos[dt].bytes;
    return width < 64 ? (1ull << width) - 1 : ~0ull;
}

static uint64_t bits_of(nnc_dtype dt, double f)
{
    return nnc_num_bits(dt, (nnc_num){f, 0}) & width_mask(dt);
}

static const char *float_text(nnc_arena *a, nnc_dtype dt, uint64_t bits)
{
    double f = nnc_num_of_bits(dt, bits).f;
    if (isnan(f))
        return bits == bits_of(dt, (double)NAN)
                   ? "nan"
                   : nnc_arena_printf(a, "nan(0x%llx)", (unsigned long long)bits);
    if (bits_of(dt, f) != bits)
        return nnc_arena_printf(a, "bits(0x%llx)", (unsigned long long)bits);
    if (isinf(f))
        return f < 0 ? "-inf" : "inf";
    char s[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, f);
        if (bits_of(dt, strtod(s, NULL)) == bits)
            break;
    }
    return nnc_arena_printf(a, "%s%s", s, strpbrk(s, ".e") ? "" : ".0");
}

const char *nnc_text_number(nnc_arena *a, nnc_dtype dt, uint64_t bits)
{
    bits &= width_mask(dt);
    if (nnc_dtype_infos[dt].class == NNC_DC_OTHER)
        return nnc_arena_printf(a, "bits(0x%llx)", (unsigned long long)bits);
    if (nnc_dtype_is_float(dt))
        return float_text(a, dt, bits);
    nnc_num n = nnc_num_of_bits(dt, bits);
    if ((nnc_num_bits(dt, n) & width_mask(dt)) != bits) /* a sub-byte value with stray high bits */
        return nnc_arena_printf(a, "bits(0x%llx)", (unsigned long long)bits);
    if (dt == NNC_DT_bool)
        return n.i ? "true" : "false";
    return dt == NNC_DT_u64 ? nnc_arena_printf(a, "%llu", (unsigned long long)n.i)
                            : nnc_arena_printf(a, "%lld", (long long)n.i);
}

static bool parse_hex(const char *s, uint64_t *bits)
{
    char *end;
    if (strncmp(s, "0x", 2))
        return false;
    *bits = strtoull(s, &end, 16);
    return end > s + 2 && end <= s + 18 && !strcmp(end, ")");
}

static bool parse_int(nnc_dtype dt, const char *s, uint64_t *bits)
{
    char *end;
    bool minus = *s == '-';
    uint64_t v = 0;
    const char *p = s + minus;
    if (!isdigit((unsigned char)*p))
        return false;
    for (; isdigit((unsigned char)*p); p++)
        if (__builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
            return false;
    end = (char *)p;
    if (*end)
        return false;
    nnc_num n = {0, (int64_t)(minus ? 0 - v : v)};
    *bits = nnc_num_bits(dt, n) & width_mask(dt);
    nnc_num back = nnc_num_of_bits(dt, *bits); /* in range when it comes back */
    if (dt == NNC_DT_u64)
        return !minus || !v;
    return back.i == n.i && (minus ? v <= 1ull << 63 : v <= INT64_MAX);
}

bool nnc_text_number_parse(nnc_dtype dt, const char *text, size_t len, uint64_t *bits)
{
    char s[64], *end;
    if (!len || len >= sizeof s)
        return false;
    memcpy(s, text, len);
    s[len] = 0;
    bool ok = false, is_float = nnc_dtype_is_float(dt), is_nan = !strncmp(s, "nan(", 4);
    if (is_nan || !strncmp(s, "bits(", 5)) {
        ok = parse_hex(s + (is_nan ? 4 : 5), bits) && *bits <= width_mask(dt) &&
             (!is_nan || is_float);
    } else if (!strcmp(s, "true") || !strcmp(s, "false")) {
        *bits = s[0] == 't';
        ok = dt == NNC_DT_bool;
    } else if (!is_float) {
        ok = nnc_dtype_infos[dt].class != NNC_DC_OTHER && parse_int(dt, s, bits);
    } else {
        const char *digits = s + (*s == '-');
        if (!isdigit((unsigned char)*digits) && strcmp(s, "nan") && strcmp(digits, "inf"))
            return false;
        double f = strtod(s, &end);
        if (*s != '-' && !strcmp(s, "nan"))
            f = (double)NAN;
        *bits = bits_of(dt, f);
        ok = !*end && !(digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X'));
    }
    return ok;
}
