/* Tokens, dimensions and types of the textual IR.  There is no token buffer: the grammar decides from the next
 * character what to cut, and an error points at what has been consumed since `from`. */
#include "ir/read_fn.h"
#include <ctype.h>
#include <string.h>

nnc_status nnc_read_error(nnc_reader *r, const char *from, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(r->a, fmt, ap);
    va_end(ap);
    const char *to = r->p > from ? r->p : from < r->end ? from + 1 : from;
    nnc_loc loc =
        nnc_loc_text(r->m->diag, r->source, (uint32_t)(from - r->base), (uint32_t)(to - r->base));
    return nnc_error(r->m->diag, loc, "%s", text);
}

void nnc_read_blank(nnc_reader *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r'))
        r->p++;
    if (r->p < r->end && *r->p == '#')
        while (r->p < r->end && *r->p != '\n')
            r->p++;
}

void nnc_read_space(nnc_reader *r)
{
    for (nnc_read_blank(r); r->p < r->end && *r->p == '\n'; nnc_read_blank(r))
        r->p++;
}

char nnc_read_peek(nnc_reader *r)
{
    nnc_read_blank(r);
    return r->p < r->end && *r->p != '\n' ? *r->p : 0;
}

bool nnc_read_accept(nnc_reader *r, char c)
{
    if (nnc_read_peek(r) != c)
        return false;
    r->p++;
    return true;
}

bool nnc_read_list(nnc_reader *r, char c)
{
    nnc_read_space(r);
    if (r->p >= r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

nnc_status nnc_read_expect(nnc_reader *r, char c, const char *where)
{
    nnc_read_space(r);
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return NNC_OK;
    }
    return nnc_read_error(r, r->p, "expected '%c' %s", c, where);
}

size_t nnc_read_word(nnc_reader *r, const char **s)
{
    *s = r->p;
    if (r->p < r->end && (isalpha((unsigned char)*r->p) || *r->p == '_'))
        while (r->p < r->end && (isalnum((unsigned char)*r->p) || *r->p == '_'))
            r->p++;
    return (size_t)(r->p - *s);
}

size_t nnc_read_number(nnc_reader *r, const char **s)
{
    const char *word;
    *s = r->p;
    if (r->p < r->end && *r->p == '-')
        r->p++;
    if (nnc_read_word(r, &word)) { /* inf, nan, true, nan(0x..), bits(0x..) */
        if (r->p < r->end && *r->p == '(') {
            while (r->p < r->end && *r->p != ')' && *r->p != '\n')
                r->p++;
            r->p += r->p < r->end && *r->p == ')';
        }
        return (size_t)(r->p - *s);
    }
    while (r->p < r->end) {
        bool sign = (*r->p == '-' || *r->p == '+') && (r->p[-1] == 'e' || r->p[-1] == 'E');
        if (!isdigit((unsigned char)*r->p) && *r->p != '.' && *r->p != 'e' && *r->p != 'E' && !sign)
            break;
        r->p++;
    }
    return (size_t)(r->p - *s);
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

nnc_status nnc_read_quoted(nnc_reader *r, const char **s)
{
    const char *from = r->p;
    char quote = *r->p++;
    size_t room = 0;
    while (r->p + room < r->end && r->p[room] != quote && r->p[room] != '\n')
        room += r->p[room] == '\\' && r->p + room + 1 < r->end ? 2 : 1;
    char *out = nnc_arena_alloc(r->a, room + 1), *o = out;
    while (r->p < r->end && *r->p != quote && *r->p != '\n') {
        char c = *r->p++;
        if (c == '\\' && r->p < r->end) {
            c = *r->p++;
            if (c == 'x') {
                int hi = r->p + 1 < r->end ? hex_digit(r->p[0]) : -1,
                    lo = hi >= 0 ? hex_digit(r->p[1]) : -1;
                if (lo < 0)
                    return nnc_read_error(r, r->p - 2, "\\x needs two hexadecimal digits");
                c = (char)(hi * 16 + lo);
                r->p += 2;
            }
        }
        if (!c)
            return nnc_read_error(r, from, "a string cannot hold a zero byte");
        *o++ = c;
    }
    *o = 0;
    *s = out;
    if (r->p < r->end && *r->p == quote) {
        r->p++;
        return NNC_OK;
    }
    return nnc_read_error(r, from, "the string does not end on its line");
}

nnc_status nnc_read_name(nnc_reader *r, const char **s, const char *what)
{
    const char *from = r->p, *word;
    if (r->p < r->end && *r->p == '"') {
        NNC_TRY(nnc_read_quoted(r, s));
        return **s ? NNC_OK : nnc_read_error(r, from, "%s is empty", what);
    }
    size_t n = nnc_read_word(r, &word);
    *s = nnc_arena_printf(r->a, "%.*s", (int)(n < 100000 ? n : 100000), word);
    return n ? NNC_OK : nnc_read_error(r, from, "expected %s", what);
}

nnc_status nnc_read_int(nnc_reader *r, int64_t *v)
{
    uint64_t bits = 0;
    const char *s, *from;
    nnc_read_space(r);
    from = r->p;
    if (r->p < r->end && *r->p == '-')
        r->p++;
    while (r->p < r->end && isdigit((unsigned char)*r->p)) /* not nnc_read_number: "1..128" */
        r->p++;
    s = from;
    if (!nnc_text_number_parse(NNC_DT_i64, s, (size_t)(r->p - s), &bits))
        return nnc_read_error(r, from, "expected a 64-bit integer");
    *v = (int64_t)bits;
    return NNC_OK;
}

nnc_binding *nnc_read_binding(nnc_reader *r, const char *name)
{
    nnc_sym s = nnc_intern_put(r->names, name, strlen(name));
    if (r->binding.cap < s.id + 1)
        NNC_RESERVE(r->a, &r->binding, 2 * s.id + 16);
    return &r->binding.at[s.id];
}

/* ---- dimensions ---- */

static nnc_status read_sum(nnc_reader *r, nnc_dim *d);

static nnc_status read_call(nnc_reader *r, const char *from, const char *name, nnc_dim *d)
{
    nnc_dims *t = r->m->dims;
    nnc_dim x, y;
    NNC_TRY(read_sum(r, &x));
    NNC_TRY(nnc_read_expect(r, ',', "between two arguments"));
    NNC_TRY(read_sum(r, &y));
    NNC_TRY(nnc_read_expect(r, ')', "behind the arguments"));
    bool divides = !strcmp(name, "floordiv") || !strcmp(name, "ceildiv") || !strcmp(name, "mod");
    if (divides && nnc_dim_lo(t, y) <= 0)
        return nnc_read_error(r, from, "the divisor may be 0 or negative");
    if (!strcmp(name, "floordiv"))
        *d = nnc_dim_floordiv(t, x, y);
    else if (!strcmp(name, "ceildiv"))
        *d = nnc_dim_ceildiv(t, x, y);
    else if (!strcmp(name, "mod"))
        *d = nnc_dim_mod(t, x, y);
    else if (!strcmp(name, "min"))
        *d = nnc_dim_min(t, x, y);
    else if (!strcmp(name, "max"))
        *d = nnc_dim_max(t, x, y);
    else
        return nnc_read_error(
            r, from, "there is no function '%s', only floordiv, ceildiv, mod, min and max", name);
    return NNC_OK;
}

static nnc_status read_atom(nnc_reader *r, nnc_dim *d)
{
    nnc_read_space(r);
    const char *from = r->p, *name;
    int64_t v;
    if (r->p < r->end && isdigit((unsigned char)*r->p)) {
        NNC_TRY(nnc_read_int(r, &v));
        *d = nnc_dim_const(r->m->dims, v);
        return NNC_OK;
    }
    if (nnc_read_accept(r, '(')) {
        NNC_TRY(read_sum(r, d));
        return nnc_read_expect(r, ')', "behind the expression");
    }
    NNC_TRY(nnc_read_name(r, &name, "a dimension"));
    if (*from != '"' && nnc_read_accept(r, '('))
        return read_call(r, from, name, d);
    const nnc_binding *b = nnc_read_binding(r, nnc_arena_printf(r->a, "$%s", name));
    if (!b->has_dim)
        return nnc_read_error(
            r, from, "dimension '%s' is not declared: write a line 'dim %s = 1..128' before", name,
            name);
    *d = b->dim;
    return NNC_OK;
}

static nnc_status read_product(nnc_reader *r, nnc_dim *d)
{
    nnc_dim x;
    NNC_TRY(read_atom(r, d));
    while (nnc_read_list(r, '*')) {
        NNC_TRY(read_atom(r, &x));
        *d = nnc_dim_mul(r->m->dims, *d, x);
    }
    return NNC_OK;
}

static nnc_status read_sum(nnc_reader *r, nnc_dim *d)
{
    nnc_dim x;
    if (++r->depth > NNC_READ_DEPTH)
        return nnc_read_error(r, r->p, "the expression is nested too deeply");
    bool minus = nnc_read_list(r, '-');
    NNC_TRY(read_product(r, d));
    if (minus)
        *d = nnc_dim_sub(r->m->dims, 0, *d);
    for (;;) {
        bool plus = nnc_read_list(r, '+');
        if (!plus && !nnc_read_list(r, '-'))
            break;
        NNC_TRY(read_product(r, &x));
        *d = plus ? nnc_dim_add(r->m->dims, *d, x) : nnc_dim_sub(r->m->dims, *d, x);
    }
    r->depth--;
    return NNC_OK;
}

nnc_status nnc_read_dim(nnc_reader *r, nnc_dim *d)
{
    int depth = r->depth;
    nnc_status s = read_sum(r, d);
    r->depth = depth;
    return s;
}

/* ---- types ---- */

bool nnc_read_dtype(const char *s, size_t len, nnc_dtype *dt, unsigned *lanes)
{
    size_t i = len;
    *lanes = 1;
    *dt = nnc_dtype_by_name(s, len);
    if (*dt)
        return true;
    while (i > 0 && isdigit((unsigned char)s[i - 1]))
        i--;
    if (i < 2 || i == len || len - i > 4 || s[i - 1] != 'x' || s[i] == '0')
        return false;
    *lanes = 0;
    for (size_t k = i; k < len; k++)
        *lanes = *lanes * 10 + (unsigned)(s[k] - '0');
    *dt = nnc_dtype_by_name(s, i - 1);
    return *dt != NNC_DT_none && *lanes > 1;
}

static nnc_status read_dims(nnc_reader *r, const char *from, nnc_type_rec *t)
{
    while (!nnc_read_list(r, ']')) {
        if (t->rank && nnc_read_list(r, ':'))
            return NNC_OK; /* strides follow */
        if (t->rank)
            NNC_TRY(nnc_read_expect(r, ',', "between dimensions"));
        if (t->rank == NNC_MAX_RANK)
            return nnc_read_error(r, from, "more than %d dimensions", NNC_MAX_RANK);
        const char *at = r->p;
        NNC_TRY(nnc_read_dim(r, &t->dim[t->rank]));
        if (nnc_dim_hi(r->m->dims, t->dim[t->rank]) < 0)
            return nnc_read_error(r, at, "a negative dimension");
        t->rank++;
    }
    return NNC_OK;
}

static nnc_status read_strides(nnc_reader *r, nnc_type_rec *t)
{
    for (int i = 0; i < t->rank; i++) {
        if (i)
            NNC_TRY(nnc_read_expect(r, ',', "between strides"));
        const char *at = r->p;
        NNC_TRY(nnc_read_int(r, &t->stride[i]));
        if (t->stride[i] < 0)
            return nnc_read_error(r, at, "a negative stride");
    }
    return nnc_read_expect(r, ']', "behind the strides");
}

static nnc_status read_space(nnc_reader *r, nnc_type_rec *t)
{
    const char *from = r->p, *s;
    size_t n = nnc_read_word(r, &s);
    for (int i = 1; i < NNC_SPACE_COUNT; i++)
        if (strlen(nnc_space_names[i]) == n && !memcmp(nnc_space_names[i], s, n))
            t->space = (uint8_t)i;
    if (!t->space)
        return nnc_read_error(r, from, "there is no memory space '%.*s'", (int)(n < 100 ? n : 100),
                              s);
    return NNC_OK;
}

nnc_status nnc_read_type(nnc_reader *r, nnc_type *out)
{
    nnc_read_space(r);
    const char *from = r->p, *s;
    nnc_type_rec t = {0};
    nnc_dtype dt;
    unsigned lanes;
    size_t n = nnc_read_word(r, &s);
    if (!nnc_read_dtype(s, n, &dt, &lanes))
        return nnc_read_error(r, from, n ? "there is no type '%.*s'" : "expected a type",
                              (int)(n < 100 ? n : 100), s);
    t.dtype = (uint8_t)dt;
    t.lanes = (uint16_t)lanes;
    t.kind = NNC_TYPE_scalar;
    if (r->p < r->end && *r->p == '[') {
        r->p++;
        t.kind = NNC_TYPE_tensor;
        NNC_TRY(read_dims(r, from, &t));
        bool strides = r->p[-1] == ':';
        if (strides)
            NNC_TRY(read_strides(r, &t));
        if (r->p < r->end && *r->p == '@') {
            r->p++;
            t.kind = NNC_TYPE_buffer;
            NNC_TRY(read_space(r, &t));
            if (!strides)
                nnc_type_dense_strides(r->m->dims, t.rank, t.dim, t.stride);
        }
        if (t.kind == NNC_TYPE_tensor && (strides || lanes > 1))
            return nnc_read_error(
                r, from, "a tensor has no strides and no lanes; a buffer ends in @ and its space");
    }
    *out = nnc_type_put(r->m, &t);
    return NNC_OK;
}
