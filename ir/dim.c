/* An expression is a sorted list of terms without equal products and without zeros; a term is a coefficient and a
 * sorted list of atom ids.  Atoms and expressions are interned by content (linear buckets through a hash set), so
 * equality of canonical expressions is equality of ids.  Arithmetic saturates: an absurd bound stays absurd. */
#include "ir/dim.h"
#include "ir/hashset.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct symbol {
    nnc_sym name;
    int64_t lo, hi;
    nnc_dim dim;
};
struct atom {
    nnc_dim_atom a;
    int64_t lo, hi;
};
struct expr {
    const nnc_dim_term *term;
    uint32_t n;
    int64_t lo, hi;
};
struct nnc_dims {
    nnc_arena *a;
    nnc_intern *names;
    NNC_BUF(struct symbol) symbol;
    NNC_BUF(struct atom) atom;
    NNC_BUF(struct expr) expr; /* id 0 unused: dimension -i is expr[i] */
    nnc_hashset *exprs;
};
/* A polynomial under construction. */
struct poly {
    NNC_BUF(nnc_dim_term) t;
};

nnc_dims *nnc_dims_new(nnc_arena *a, nnc_intern *names)
{
    nnc_dims *t = nnc_arena_alloc(a, sizeof *t);
    t->a = a;
    t->names = names;
    t->exprs = nnc_hashset_new(a);
    NNC_PUSH(a, &t->expr, (struct expr){0});
    return t;
}

/* ---- saturating integers ---- */

static int64_t sat_add(int64_t x, int64_t y)
{
    int64_t r;
    return __builtin_add_overflow(x, y, &r) ? (x > 0 ? INT64_MAX : INT64_MIN) : r;
}

static int64_t sat_mul(int64_t x, int64_t y)
{
    int64_t r;
    return __builtin_mul_overflow(x, y, &r) ? ((x > 0) == (y > 0) ? INT64_MAX : INT64_MIN) : r;
}

static int64_t floor_div(int64_t x, int64_t y)
{
    if (y == 0 || (x == INT64_MIN && y == -1))
        return 0;
    int64_t q = x / y;
    return x % y && (x < 0) != (y < 0) ? q - 1 : q;
}

static int64_t min64(int64_t x, int64_t y)
{
    return x < y ? x : y;
}
static int64_t max64(int64_t x, int64_t y)
{
    return x > y ? x : y;
}

struct range {
    int64_t lo, hi;
};
static struct range range_mul(struct range x, struct range y)
{
    int64_t a = sat_mul(x.lo, y.lo), b = sat_mul(x.lo, y.hi), c = sat_mul(x.hi, y.lo),
            d = sat_mul(x.hi, y.hi);
    return (struct range){min64(min64(a, b), min64(c, d)), max64(max64(a, b), max64(c, d))};
}

/* ---- canonical form ---- */

static int compare_terms(const nnc_dim_term *x, const nnc_dim_term *y)
{
    for (uint32_t i = 0; i < x->natom && i < y->natom; i++)
        if (x->atom[i] != y->atom[i])
            return x->atom[i] < y->atom[i] ? -1 : 1;
    return x->natom == y->natom ? 0 : x->natom > y->natom ? -1 : 1; /* the constant comes last */
}

static void poly_add_term(nnc_dims *t, struct poly *p, nnc_dim_term term)
{
    uint32_t i = 0;
    while (i < p->t.n && compare_terms(&p->t.at[i], &term) < 0)
        i++;
    if (i < p->t.n && !compare_terms(&p->t.at[i], &term)) {
        p->t.at[i].coef = sat_add(p->t.at[i].coef, term.coef);
        if (!p->t.at[i].coef) {
            memmove(&p->t.at[i], &p->t.at[i + 1], (p->t.n - i - 1) * sizeof term);
            p->t.n--;
        }
        return;
    }
    if (!term.coef)
        return;
    NNC_PUSH(t->a, &p->t, term);
    memmove(&p->t.at[i + 1], &p->t.at[i], (p->t.n - i - 1) * sizeof term);
    p->t.at[i] = term;
}

static void poly_add_dim(nnc_dims *t, struct poly *p, nnc_dim d, int64_t scale)
{
    if (d >= 0) {
        poly_add_term(t, p, (nnc_dim_term){sat_mul(d, scale), NULL, 0});
        return;
    }
    const struct expr e = t->expr.at[-d];
    for (uint32_t i = 0; i < e.n; i++)
        poly_add_term(
            t, p, (nnc_dim_term){sat_mul(e.term[i].coef, scale), e.term[i].atom, e.term[i].natom});
}

static struct range term_range(const nnc_dims *t, const nnc_dim_term *term)
{
    struct range r = {term->coef, term->coef};
    for (uint32_t i = 0; i < term->natom; i++)
        r = range_mul(r,
                      (struct range){t->atom.at[term->atom[i]].lo, t->atom.at[term->atom[i]].hi});
    return r;
}

static bool same_expr(const void *user, uint32_t id, const void *key)
{
    const struct expr *x = &((const nnc_dims *)user)->expr.at[id];
    const struct poly *p = key;
    if (x->n != p->t.n)
        return false;
    for (uint32_t i = 0; i < x->n; i++)
        if (x->term[i].coef != p->t.at[i].coef || compare_terms(&x->term[i], &p->t.at[i]))
            return false;
    return true;
}

static nnc_dim intern_poly(nnc_dims *t, struct poly *p)
{
    if (!p->t.n)
        return 0;
    if (p->t.n == 1 && !p->t.at[0].natom && p->t.at[0].coef >= 0)
        return p->t.at[0].coef;
    uint64_t h = 0;
    for (uint32_t i = 0; i < p->t.n; i++) {
        h = nnc_hash(&p->t.at[i].coef, sizeof(int64_t), h);
        h = nnc_hash(p->t.at[i].atom, p->t.at[i].natom * sizeof(uint32_t), h);
    }
    uint32_t id = nnc_hashset_find(t->exprs, h, same_expr, t, p);
    if (!id) {
        struct expr e = {nnc_arena_copy(t->a, p->t.at, p->t.n * sizeof(nnc_dim_term)), p->t.n, 0,
                         0};
        for (uint32_t i = 0; i < e.n; i++) {
            struct range r = term_range(t, &e.term[i]);
            e.lo = sat_add(e.lo, r.lo);
            e.hi = sat_add(e.hi, r.hi);
        }
        NNC_PUSH(t->a, &t->expr, e);
        id = t->expr.n - 1;
        nnc_hashset_add(t->exprs, h, id);
    }
    return -(nnc_dim)id;
}

static nnc_dim of_atom(nnc_dims *t, nnc_dim_atom a, int64_t lo, int64_t hi)
{
    uint32_t id = 0;
    while (id < t->atom.n && memcmp(&t->atom.at[id].a, &a, sizeof a))
        id++;
    if (id == t->atom.n)
        NNC_PUSH(t->a, &t->atom, (struct atom){a, lo, hi});
    struct poly p = {0};
    uint32_t *one = nnc_arena_copy(t->a, &id, sizeof id);
    poly_add_term(t, &p, (nnc_dim_term){1, one, 1});
    return intern_poly(t, &p);
}

static nnc_dim_atom make_atom(char op, nnc_dim a, nnc_dim b)
{
    nnc_dim_atom at;
    memset(&at, 0, sizeof at); /* compared as bytes */
    at.op = op;
    at.a = a;
    at.b = b;
    return at;
}

/* ---- symbols ---- */

nnc_dim nnc_dim_symbol(nnc_dims *t, nnc_sym name, int64_t lo, int64_t hi)
{
    for (uint32_t i = 0; i < t->symbol.n; i++)
        if (t->symbol.at[i].name.id == name.id)
            return t->symbol.at[i].dim;
    uint32_t index = t->symbol.n;
    NNC_PUSH(t->a, &t->symbol, (struct symbol){name, lo, hi, 0});
    nnc_dim d = of_atom(t, make_atom('$', index, 0), lo, hi);
    t->symbol.at[index].dim = d;
    return d;
}

nnc_dim nnc_dim_fresh(nnc_dims *t, const char *stem, int64_t lo, int64_t hi)
{
    for (unsigned k = 0;; k++) {
        const char *s = k ? nnc_arena_printf(t->a, "%s%u", stem, k) : stem;
        nnc_sym name = nnc_intern_put(t->names, s, strlen(s));
        uint32_t i = 0;
        while (i < t->symbol.n && t->symbol.at[i].name.id != name.id)
            i++;
        if (i == t->symbol.n)
            return nnc_dim_symbol(t, name, lo, hi);
    }
}

bool nnc_dim_is_symbol(const nnc_dims *t, nnc_dim d, nnc_sym *name)
{
    if (d >= 0)
        return false;
    const struct expr *e = &t->expr.at[-d];
    if (e->n != 1 || e->term[0].coef != 1 || e->term[0].natom != 1)
        return false;
    const nnc_dim_atom *a = &t->atom.at[e->term[0].atom[0]].a;
    if (a->op != '$')
        return false;
    if (name)
        *name = t->symbol.at[a->a].name;
    return true;
}

uint32_t nnc_dim_nsymbol(const nnc_dims *t)
{
    return t->symbol.n;
}
nnc_sym nnc_dim_symbol_name(const nnc_dims *t, uint32_t i)
{
    return t->symbol.at[i].name;
}
nnc_dim nnc_dim_symbol_at(const nnc_dims *t, uint32_t i)
{
    return t->symbol.at[i].dim;
}

/* ---- arithmetic ---- */

nnc_dim nnc_dim_const(nnc_dims *t, int64_t v)
{
    struct poly p = {0};
    poly_add_term(t, &p, (nnc_dim_term){v, NULL, 0});
    return intern_poly(t, &p);
}

bool nnc_dim_value(const nnc_dims *t, nnc_dim d, int64_t *v)
{
    if (d < 0 && (t->expr.at[-d].n != 1 || t->expr.at[-d].term[0].natom))
        return false;
    *v = d >= 0 ? d : t->expr.at[-d].term[0].coef;
    return true;
}

nnc_dim nnc_dim_add(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    nnc_dim c;
    if (a >= 0 && b >= 0 && !__builtin_add_overflow(a, b, &c))
        return c; /* most dims are constants: no memory for them */
    struct poly p = {0};
    poly_add_dim(t, &p, a, 1);
    poly_add_dim(t, &p, b, 1);
    return intern_poly(t, &p);
}

nnc_dim nnc_dim_sub(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    if (a >= 0 && b >= 0 && a >= b)
        return a - b;
    struct poly p = {0};
    poly_add_dim(t, &p, a, 1);
    poly_add_dim(t, &p, b, -1);
    return intern_poly(t, &p);
}

const nnc_dim_term *nnc_dim_terms(const nnc_dims *t, nnc_dim d, uint32_t *n)
{
    assert(d < 0);
    *n = t->expr.at[-d].n;
    return t->expr.at[-d].term;
}

nnc_dim_atom nnc_dim_atom_get(const nnc_dims *t, uint32_t atom)
{
    return t->atom.at[atom].a;
}

/* Terms of any dimension; a constant needs storage for its one term. */
static const nnc_dim_term *terms_of(const nnc_dims *t, nnc_dim d, uint32_t *n, nnc_dim_term *one)
{
    if (d < 0)
        return nnc_dim_terms(t, d, n);
    *one = (nnc_dim_term){d, NULL, 0};
    *n = d != 0;
    return one;
}

static nnc_dim_term term_mul(nnc_dims *t, const nnc_dim_term *x, const nnc_dim_term *y)
{
    uint32_t *at = nnc_arena_array(t->a, x->natom + y->natom + 1, sizeof *at), i = 0, j = 0, n = 0;
    while (i < x->natom || j < y->natom)
        at[n++] = j == y->natom || (i < x->natom && x->atom[i] <= y->atom[j]) ? x->atom[i++]
                                                                              : y->atom[j++];
    return (nnc_dim_term){sat_mul(x->coef, y->coef), at, n};
}

nnc_dim nnc_dim_mul(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    nnc_dim c;
    if (a >= 0 && b >= 0 && !__builtin_mul_overflow(a, b, &c))
        return c; /* most dims are constants: no memory for them */
    nnc_dim_term ka, kb;
    uint32_t na, nb;
    struct poly p = {0};
    const nnc_dim_term *x = terms_of(t, a, &na, &ka), *y = terms_of(t, b, &nb, &kb);
    for (uint32_t i = 0; i < na; i++)
        for (uint32_t j = 0; j < nb; j++)
            poly_add_term(t, &p, term_mul(t, &x[i], &y[j]));
    return intern_poly(t, &p);
}

/* x / y when y's atoms are among x's and the coefficient divides. */
static bool term_div(nnc_dims *t, const nnc_dim_term *x, const nnc_dim_term *y, nnc_dim_term *q)
{
    if (!y->coef || x->coef % y->coef || x->natom < y->natom)
        return false;
    uint32_t *at = nnc_arena_array(t->a, x->natom + 1, sizeof *at), n = 0, j = 0;
    for (uint32_t i = 0; i < x->natom; i++)
        if (j < y->natom && x->atom[i] == y->atom[j])
            j++;
        else
            at[n++] = x->atom[i];
    *q = (nnc_dim_term){x->coef / y->coef, at, n};
    return j == y->natom;
}

/* Split a = b * q + r by terms; q collects what divides.  A constant b > 0 also splits coefficients. */
static void split(nnc_dims *t, nnc_dim a, nnc_dim b, nnc_dim *q, nnc_dim *r)
{
    nnc_dim_term ka, kb, one;
    uint32_t na, nb;
    struct poly pq = {0}, pr = {0};
    const nnc_dim_term *x = terms_of(t, a, &na, &ka), *y = terms_of(t, b, &nb, &kb);
    for (uint32_t i = 0; i < na; i++) {
        if (nb == 1 && term_div(t, &x[i], &y[0], &one)) {
            poly_add_term(t, &pq, one);
        } else if (b > 0) {
            int64_t k = floor_div(x[i].coef, b);
            poly_add_term(t, &pq, (nnc_dim_term){k, x[i].atom, x[i].natom});
            poly_add_term(t, &pr, (nnc_dim_term){x[i].coef - k * b, x[i].atom, x[i].natom});
        } else {
            poly_add_term(t, &pr, x[i]);
        }
    }
    *q = intern_poly(t, &pq);
    *r = intern_poly(t, &pr);
}

nnc_dim nnc_dim_floordiv(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    if (a >= 0 && b > 0)
        return a / b;
    int64_t ca, cb;
    nnc_dim q, r;
    if (nnc_dim_value(t, a, &ca) && nnc_dim_value(t, b, &cb))
        return nnc_dim_const(t, floor_div(ca, cb));
    if (a == b && nnc_dim_lo(t, a) > 0)
        return 1;
    if (b == 1)
        return a;
    split(t, a, b, &q, &r);
    if (nnc_dim_lo(t, r) >= 0 && nnc_dim_hi(t, r) < nnc_dim_lo(t, b))
        return q; /* the rest never reaches b */
    int64_t blo = max64(nnc_dim_lo(t, b), 1), bhi = max64(nnc_dim_hi(t, b), 1);
    int64_t rlo = nnc_dim_lo(t, r), rhi = nnc_dim_hi(t, r);
    int64_t lo = min64(floor_div(rlo, blo), floor_div(rlo, bhi)),
            hi = max64(floor_div(rhi, blo), floor_div(rhi, bhi));
    return nnc_dim_add(t, q, of_atom(t, make_atom('/', r, b), lo, hi));
}

nnc_dim nnc_dim_ceildiv(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    return nnc_dim_floordiv(t, nnc_dim_add(t, a, nnc_dim_sub(t, b, 1)), b);
}

nnc_dim nnc_dim_mod(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    int64_t ca, cb;
    nnc_dim q, r;
    if (nnc_dim_value(t, a, &ca) && nnc_dim_value(t, b, &cb))
        return nnc_dim_const(t, ca - cb * floor_div(ca, cb));
    if (b == 1)
        return 0;
    split(t, a, b, &q, &r);
    if (nnc_dim_lo(t, r) >= 0 && nnc_dim_hi(t, r) < nnc_dim_lo(t, b))
        return r;
    return of_atom(t, make_atom('%', r, b), 0, max64(nnc_dim_hi(t, b) - 1, 0));
}

nnc_dim nnc_dim_min(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    nnc_dim d = nnc_dim_sub(t, a, b);
    if (nnc_dim_hi(t, d) <= 0)
        return a;
    if (nnc_dim_lo(t, d) >= 0)
        return b;
    int64_t lo = min64(nnc_dim_lo(t, a), nnc_dim_lo(t, b)),
            hi = min64(nnc_dim_hi(t, a), nnc_dim_hi(t, b));
    return of_atom(t, make_atom('<', min64(a, b), max64(a, b)), lo, hi);
}

nnc_dim nnc_dim_max(nnc_dims *t, nnc_dim a, nnc_dim b)
{
    nnc_dim d = nnc_dim_sub(t, a, b);
    if (nnc_dim_lo(t, d) >= 0)
        return a;
    if (nnc_dim_hi(t, d) <= 0)
        return b;
    int64_t lo = max64(nnc_dim_lo(t, a), nnc_dim_lo(t, b)),
            hi = max64(nnc_dim_hi(t, a), nnc_dim_hi(t, b));
    return of_atom(t, make_atom('>', min64(a, b), max64(a, b)), lo, hi);
}

int64_t nnc_dim_lo(const nnc_dims *t, nnc_dim d)
{
    return d >= 0 ? d : t->expr.at[-d].lo;
}
int64_t nnc_dim_hi(const nnc_dims *t, nnc_dim d)
{
    return d >= 0 ? d : t->expr.at[-d].hi;
}

static int64_t eval_atom(const nnc_dims *t, const nnc_dim_atom *a, const int64_t *value)
{
    if (a->op == '$')
        return value[a->a];
    int64_t x = nnc_dim_eval(t, a->a, value), y = nnc_dim_eval(t, a->b, value);
    switch (a->op) {
    case '/': return floor_div(x, y);
    case '%': return y ? x - y * floor_div(x, y) : 0;
    case '<': return min64(x, y);
    default: return max64(x, y);
    }
}

int64_t nnc_dim_eval(const nnc_dims *t, nnc_dim d, const int64_t *value)
{
    if (d >= 0)
        return d;
    const struct expr *e = &t->expr.at[-d];
    int64_t sum = 0;
    for (uint32_t i = 0; i < e->n; i++) {
        int64_t p = e->term[i].coef;
        for (uint32_t j = 0; j < e->term[i].natom; j++)
            p = sat_mul(p, eval_atom(t, &t->atom.at[e->term[i].atom[j]].a, value));
        sum = sat_add(sum, p);
    }
    return sum;
}
