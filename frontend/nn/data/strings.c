/* Strings are interned, so what is computed from a string is computed once per string where that matters (lookup), and
 * results are written straight into tensors. */
#include "frontend/nn/data/strings.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t nn_strings_count(const nn_strings *s)
{
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    return n;
}

const char *nn_strings_get(const nn_pool *p, const nn_strings *s, int64_t i)
{
    return nnc_intern_str(p->names, s->at[i]);
}

nn_strings nn_strings_new(const nn_pool *p, int rank, const int64_t *dim, nnc_sym **at)
{
    nn_strings s = {.rank = rank};
    for (int i = 0; i < rank; i++)
        s.dim[i] = dim[i];
    *at = nnc_arena_array(p->arena, (size_t)nn_strings_count(&s), sizeof **at);
    s.at = *at;
    return s;
}

static nnc_tensor like(const nn_pool *p, const nn_strings *s, nnc_dtype dt)
{
    return nnc_tensor_new(p->arena, dt, s->rank, s->dim);
}

static bool add_axis(const nn_strings *s, int64_t size, int64_t dim[NNC_MAX_RANK])
{
    if (s->rank == NNC_MAX_RANK)
        return false;
    memcpy(dim, s->dim, sizeof s->dim);
    dim[s->rank] = size;
    return true;
}

bool nn_strings_split(const nn_pool *p, const nn_strings *s, const char *sep, int64_t most,
                      nn_strings *item, nnc_tensor *count)
{
    int64_t dim[NNC_MAX_RANK], total = nn_strings_count(s);
    size_t len = strlen(sep);
    nnc_sym *to;
    if (!add_axis(s, most, dim))
        return false;
    *item = nn_strings_new(p, s->rank + 1, dim, &to);
    *count = like(p, s, NNC_DT_i32);
    int32_t *n = count->data;
    for (int64_t i = 0; i < total; i++) {
        const char *at = nn_strings_get(p, s, i);
        bool more = *at != 0;
        for (; more && n[i] < most; n[i]++) {
            const char *end = strstr(at, sep);
            more = end != NULL;
            to[i * most + n[i]] =
                nnc_intern_put(p->names, at, end ? (size_t)(end - at) : strlen(at));
            at = end ? end + len : at;
        }
    }
    return true;
}

/* One code point at *s; bytes that are no UTF-8 give U+FFFD, one at a time. */
static int32_t code_point(const char **s)
{
    const unsigned char *p = (const unsigned char *)*s;
    int n = p[0] < 0x80                   ? 1
            : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
            : (p[0] & 0xf0) == 0xe0       ? 3
            : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                          : 0;
    int32_t c = n == 1 ? p[0] : n ? p[0] & (0xff >> (n + 1)) : 0xfffd;
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            n = 0;
            break;
        }
        c = c << 6 | (p[i] & 0x3f);
    }
    static const int32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (!n || c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        *s += 1;
        return 0xfffd;
    }
    *s += n;
    return c;
}

bool nn_strings_chars(const nn_pool *p, const nn_strings *s, int64_t most, nnc_tensor *code,
                      nnc_tensor *count)
{
    int64_t dim[NNC_MAX_RANK], total = nn_strings_count(s);
    if (!add_axis(s, most, dim))
        return false;
    *code = nnc_tensor_new(p->arena, NNC_DT_i32, s->rank + 1, dim);
    *count = like(p, s, NNC_DT_i32);
    int32_t *n = count->data, *to = code->data;
    for (int64_t i = 0; i < total; i++) {
        const char *at = nn_strings_get(p, s, i);
        while (*at && n[i] < most)
            to[i * most + n[i]++] = code_point(&at);
    }
    return true;
}

nn_strings nn_strings_join(const nn_pool *p, const nn_strings *s, const char *sep)
{
    nnc_sym *to;
    int64_t n = s->dim[s->rank - 1];
    nn_strings out = nn_strings_new(p, s->rank - 1, s->dim, &to);
    int64_t total = nn_strings_count(&out);
    size_t gap = strlen(sep);
    for (int64_t i = 0; i < total; i++) {
        NNC_BUF(char) text = {0};
        int64_t used = n;
        while (used && !*nn_strings_get(p, s, i * n + used - 1))
            used--;
        for (int64_t k = 0; k < used; k++) {
            const char *piece = nn_strings_get(p, s, i * n + k);
            size_t len = strlen(piece);
            NNC_RESERVE(p->arena, &text, (uint32_t)(text.n + gap + len + 1));
            if (k) {
                memcpy(text.at + text.n, sep, gap);
                text.n += (uint32_t)gap;
            }
            memcpy(text.at + text.n, piece, len);
            text.n += (uint32_t)len;
        }
        to[i] = nnc_intern_put(p->names, text.n ? text.at : "", text.n);
    }
    return out;
}

nn_strings nn_strings_lower(const nn_pool *p, const nn_strings *s)
{
    nnc_sym *to;
    nn_strings out = nn_strings_new(p, s->rank, s->dim, &to);
    int64_t total = nn_strings_count(s);
    for (int64_t i = 0; i < total; i++) {
        char *text = nnc_arena_str(p->arena, nn_strings_get(p, s, i));
        for (char *c = text; *c; c++)
            if (*c >= 'A' && *c <= 'Z')
                *c = (char)(*c - 'A' + 'a');
        to[i] = nnc_intern_put(p->names, text, strlen(text));
    }
    return out;
}

nnc_tensor nn_strings_hash(const nn_pool *p, const nn_strings *s)
{
    nnc_tensor out = like(p, s, NNC_DT_u32);
    int64_t total = nn_strings_count(s);
    uint32_t *to = out.data;
    for (int64_t i = 0; i < total; i++) {
        uint32_t h = 2166136261u;
        for (const char *c = nn_strings_get(p, s, i); *c; c++)
            h = (h ^ (unsigned char)*c) * 16777619u;
        to[i] = h;
    }
    return out;
}

static bool spelled(const char *s, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (!word[i] || (s[i] | 0x20) != word[i])
            return false;
    return !word[n];
}

int nn_number_parse(const char *s, size_t n, int64_t *i, double *f)
{
    char text[64];
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    for (; n && (*s == ' ' || *s == '\t'); n--)
        s++;
    size_t sign = n && (*s == '-' || *s == '+');
    if (spelled(s + sign, n - sign, "nan") || spelled(s + sign, n - sign, "inf") ||
        spelled(s + sign, n - sign, "infinity")) {
        *f = (s[sign] | 0x20) == 'n' ? NAN : *s == '-' ? -INFINITY : INFINITY;
        return 2;
    }
    bool digit = false, whole = true;
    for (size_t k = sign; k < n; k++) {
        if (s[k] >= '0' && s[k] <= '9')
            digit = true;
        else if (digit && (s[k] | 0x20) == 'e' && k + 1 < n)
            whole = false;
        else if (s[k] == '.')
            whole = false;
        else if ((s[k] == '-' || s[k] == '+') && k && (s[k - 1] | 0x20) == 'e')
            whole = false;
        else
            return 0;
    }
    if (!digit || n >= sizeof text)
        return 0;
    memcpy(text, s, n);
    text[n] = 0;
    char *end;
    errno = 0;
    if (whole) {
        long long v = strtoll(text, &end, 10);
        if (!errno && !*end) {
            *i = v;
            return 1;
        }
    }
    *f = strtod(text, &end);
    return *end ? 0 : 2;
}

nnc_tensor nn_strings_parse_int(const nn_pool *p, const nn_strings *s, int64_t missing)
{
    nnc_tensor out = like(p, s, NNC_DT_i64);
    int64_t total = nn_strings_count(s), *to = out.data;
    for (int64_t k = 0; k < total; k++) {
        const char *text = nn_strings_get(p, s, k);
        int64_t i = 0;
        double f;
        to[k] = nn_number_parse(text, strlen(text), &i, &f) == 1 ? i : missing;
    }
    return out;
}

nnc_tensor nn_strings_parse_float(const nn_pool *p, const nn_strings *s, double missing)
{
    nnc_tensor out = like(p, s, NNC_DT_f64);
    int64_t total = nn_strings_count(s);
    double *to = out.data;
    for (int64_t k = 0; k < total; k++) {
        const char *text = nn_strings_get(p, s, k);
        int64_t i = 0;
        double f = 0;
        int kind = nn_number_parse(text, strlen(text), &i, &f);
        to[k] = kind == 1 ? (double)i : kind ? f : missing;
    }
    return out;
}

nnc_tensor nn_strings_is_number(const nn_pool *p, const nn_strings *s)
{
    nnc_tensor out = like(p, s, NNC_DT_bool);
    int64_t total = nn_strings_count(s);
    uint8_t *to = out.data;
    for (int64_t k = 0; k < total; k++) {
        const char *text = nn_strings_get(p, s, k);
        int64_t i;
        double f;
        to[k] = nn_number_parse(text, strlen(text), &i, &f) != 0;
    }
    return out;
}

bool nn_strings_equal(const nn_pool *p, const nn_strings *a, const nn_strings *b, nnc_tensor *out)
{
    int rank = a->rank > b->rank ? a->rank : b->rank;
    int64_t dim[NNC_MAX_RANK], sa[NNC_MAX_RANK] = {0}, sb[NNC_MAX_RANK] = {0}, na = 1, nb = 1;
    for (int i = rank - 1; i >= 0; i--) {
        int ia = i - rank + a->rank, ib = i - rank + b->rank;
        int64_t da = ia < 0 ? 1 : a->dim[ia], db = ib < 0 ? 1 : b->dim[ib];
        if (da != db && da != 1 && db != 1)
            return false;
        dim[i] = da == 1 ? db : da;
        sa[i] = da == 1 ? 0 : na;
        sb[i] = db == 1 ? 0 : nb;
        na *= da;
        nb *= db;
    }
    *out = nnc_tensor_new(p->arena, NNC_DT_bool, rank, dim);
    int64_t total = nnc_tensor_count(out);
    uint8_t *to = out->data;
    for (int64_t k = 0; k < total; k++) {
        int64_t rest = k, ka = 0, kb = 0;
        for (int i = rank - 1; i >= 0; i--) {
            ka += rest % dim[i] * sa[i];
            kb += rest % dim[i] * sb[i];
            rest /= dim[i];
        }
        nnc_sym x = a->at[ka], y = b->at[kb];
        to[k] = x.id == y.id || (!*nnc_intern_str(p->names, x) && !*nnc_intern_str(p->names, y));
    }
    return true;
}

typedef struct word {
    const char *text;
    nnc_sym sym;
    int64_t times;
} word;

static int by_times(const void *a, const void *b)
{
    const word *x = a, *y = b;
    return x->times != y->times ? (x->times < y->times ? 1 : -1) : strcmp(x->text, y->text);
}

nn_strings nn_strings_vocabulary(const nn_pool *p, const nn_strings *s, int64_t least)
{
    int64_t total = nn_strings_count(s), n = 0;
    size_t known = (size_t)nnc_intern_count(p->names) + 1;
    word *w = nnc_arena_array(p->arena, known, sizeof *w);
    for (int64_t i = 0; i < total; i++)
        w[s->at[i].id].times++;
    for (uint32_t id = 1; id < known; id++) {
        const char *text = nnc_intern_str(p->names, (nnc_sym){id});
        if (w[id].times && w[id].times >= least && *text)
            w[n++] = (word){text, {id}, w[id].times};
    }
    qsort(w, (size_t)n, sizeof *w, by_times);
    nnc_sym *to;
    nn_strings out = nn_strings_new(p, 1, &n, &to);
    for (int64_t i = 0; i < n; i++)
        to[i] = w[i].sym;
    return out;
}

nnc_tensor nn_strings_lookup(const nn_pool *p, const nn_strings *words, const nn_strings *s,
                             int64_t missing)
{
    nnc_tensor out = like(p, s, NNC_DT_i64);
    int64_t total = nn_strings_count(s), n = nn_strings_count(words), *to = out.data;
    size_t known = (size_t)nnc_intern_count(p->names) + 1;
    int64_t *place = nnc_arena_array(p->arena, known, sizeof *place); /* plus one; 0: no word */
    for (int64_t i = n; i-- > 0;)
        place[words->at[i].id] = i + 1;
    for (int64_t i = 0; i < total; i++)
        to[i] = place[s->at[i].id] ? place[s->at[i].id] - 1 : missing;
    return out;
}
