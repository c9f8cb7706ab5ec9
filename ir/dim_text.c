/* Text of dimension expressions and back: sums of products, floordiv(a,b), mod(a,b), min(a,b), max(a,b). */
#include "ir/dim.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct nnc_dims_head {
    nnc_arena *a;
    nnc_intern *names;
}; /* the first members of nnc_dims */

static const char *atom_text(nnc_dims *t, nnc_dim_atom a)
{
    nnc_arena *ar = ((struct nnc_dims_head *)t)->a;
    if (a.op == '$')
        return nnc_intern_str(((struct nnc_dims_head *)t)->names,
                              nnc_dim_symbol_name(t, (uint32_t)a.a));
    const char *f = a.op == '/' ? "floordiv" : a.op == '%' ? "mod" : a.op == '<' ? "min" : "max";
    return nnc_arena_printf(ar, "%s(%s,%s)", f, nnc_dim_text(t, a.a), nnc_dim_text(t, a.b));
}

static const char *term_text(nnc_dims *t, const nnc_dim_term *term, bool first)
{
    nnc_arena *ar = ((struct nnc_dims_head *)t)->a;
    int64_t c = term->coef;
    const char *s = c < 0 ? "-" : first ? "" : "+";
    if (!term->natom)
        return nnc_arena_printf(ar, "%s%llu", s,
                                c < 0 ? 0ull - (unsigned long long)c : (unsigned long long)c);
    if (c != 1 && c != -1)
        s = nnc_arena_printf(ar, "%s%llu*", s,
                             c < 0 ? 0ull - (unsigned long long)c : (unsigned long long)c);
    for (uint32_t i = 0; i < term->natom; i++)
        s = nnc_arena_printf(ar, "%s%s%s", s, i ? "*" : "",
                             atom_text(t, nnc_dim_atom_get(t, term->atom[i])));
    return s;
}

const char *nnc_dim_text(nnc_dims *t, nnc_dim d)
{
    nnc_arena *ar = ((struct nnc_dims_head *)t)->a;
    if (d >= 0)
        return nnc_arena_printf(ar, "%lld", (long long)d);
    uint32_t n;
    const nnc_dim_term *term = nnc_dim_terms(t, d, &n);
    const char *s = "";
    for (uint32_t i = 0; i < n; i++)
        s = nnc_arena_printf(ar, "%s%s", s, term_text(t, &term[i], i == 0));
    return s;
}

struct reader {
    nnc_dims *t;
    const char *p, *end;
    int depth;
    bool bad;
};

static nnc_dim sum(struct reader *r);

static bool eat(struct reader *r, char c)
{
    while (r->p < r->end && *r->p == ' ')
        r->p++;
    if (r->p < r->end && *r->p == c) {
        r->p++;
        return true;
    }
    return false;
}

static nnc_dim call(struct reader *r, const char *name, size_t len)
{
    nnc_dim a = sum(r), b = 0;
    r->bad |= !eat(r, ',');
    if (!r->bad)
        b = sum(r);
    r->bad |= !eat(r, ')');
    if (r->bad)
        return 0;
    if (len == 8 && !memcmp(name, "floordiv", 8))
        return nnc_dim_floordiv(r->t, a, b);
    if (len == 7 && !memcmp(name, "ceildiv", 7))
        return nnc_dim_ceildiv(r->t, a, b);
    if (len == 3 && !memcmp(name, "mod", 3))
        return nnc_dim_mod(r->t, a, b);
    if (len == 3 && !memcmp(name, "min", 3))
        return nnc_dim_min(r->t, a, b);
    if (len == 3 && !memcmp(name, "max", 3))
        return nnc_dim_max(r->t, a, b);
    r->bad = true;
    return 0;
}

static nnc_dim number(struct reader *r)
{
    int64_t v = 0;
    while (r->p < r->end && isdigit((unsigned char)*r->p)) {
        r->bad |= __builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *r->p - '0', &v);
        r->p++;
    }
    return r->bad ? 0 : nnc_dim_const(r->t, v);
}

static nnc_dim primary(struct reader *r)
{
    if (eat(r, '(')) {
        nnc_dim d = sum(r);
        r->bad |= !eat(r, ')');
        return d;
    }
    if (r->p < r->end && isdigit((unsigned char)*r->p))
        return number(r);
    const char *s = r->p;
    while (r->p < r->end &&
           (isalnum((unsigned char)*r->p) || *r->p == '_' || *r->p == '.' || *r->p == '$'))
        r->p++;
    size_t len = (size_t)(r->p - s);
    if (!len) {
        r->bad = true;
        return 0;
    }
    if (eat(r, '('))
        return call(r, s, len);
    nnc_intern *names = ((struct nnc_dims_head *)r->t)->names;
    return nnc_dim_symbol(r->t, nnc_intern_put(names, s, len), 0, INT64_MAX);
}

static nnc_dim product(struct reader *r)
{
    nnc_dim d = primary(r);
    while (!r->bad && eat(r, '*'))
        d = nnc_dim_mul(r->t, d, primary(r));
    return d;
}

static nnc_dim sum(struct reader *r)
{
    if (++r->depth > 50) {
        r->bad = true;
        return 0;
    }
    nnc_dim d = eat(r, '-') ? nnc_dim_sub(r->t, 0, product(r)) : product(r);
    for (;;) {
        if (!r->bad && eat(r, '+'))
            d = nnc_dim_add(r->t, d, product(r));
        else if (!r->bad && eat(r, '-'))
            d = nnc_dim_sub(r->t, d, product(r));
        else
            break;
    }
    r->depth--;
    return d;
}

bool nnc_dim_parse(nnc_dims *t, const char *s, size_t len, nnc_dim *out)
{
    struct reader r = {t, s, s + len, 0, false};
    *out = sum(&r);
    return !r.bad && r.p == r.end;
}
