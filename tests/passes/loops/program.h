/* tests/passes/loops/program.h - random programs of loops and branches, as G text.
 *
 * Blocks are lists of statements over the values in scope; results of a region are values of the right type, most often
 * the last ones made, sometimes ones from outside.  Indices are any integers: ops clamp or ignore them by definition.
 * Conditions come from integers only, floats stay small, so that rounding cannot change which way a program goes. */
#ifndef NNC_TESTS_PASSES_LOOPS_PROGRAM_H
#define NNC_TESTS_PASSES_LOOPS_PROGRAM_H
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PR_I64, PR_F32, PR_BOOL };
typedef struct pr_type {
    int dtype, rank, dim[2]; /* dim -1: the symbol n */
} pr_type;
typedef struct pr_value {
    int id;
    pr_type type;
} pr_value;

enum { PR_MAX = 400 };
typedef struct pr {
    uint64_t seed;
    FILE *o;
    pr_value scope[PR_MAX];
    int nscope, next, budget, depth;
    bool hosts, dynamic;
} pr;

static const pr_type pr_int = {PR_I64, 0, {0, 0}}, pr_bool = {PR_BOOL, 0, {0, 0}};

static inline unsigned pr_draw(pr *p, unsigned n)
{
    p->seed ^= p->seed << 13;
    p->seed ^= p->seed >> 7;
    p->seed ^= p->seed << 17;
    return (unsigned)((p->seed >> 11) % n);
}

static inline bool pr_same(pr_type a, pr_type b)
{
    return a.dtype == b.dtype && a.rank == b.rank && (a.rank < 1 || a.dim[0] == b.dim[0]) &&
           (a.rank < 2 || a.dim[1] == b.dim[1]);
}

/* Texts live in a ring: a statement uses a few. */
static inline const char *pr_text(pr_type t)
{
    static char ring[16][32];
    static int at;
    char *s = ring[at = (at + 1) % 16], dim[2][12];
    const char *dtype = t.dtype == PR_I64 ? "i64" : t.dtype == PR_F32 ? "f32" : "bool";

    for (int d = 0; d < 2; d++)
        (void)snprintf(dim[d], sizeof dim[d], t.dim[d] < 0 ? "n" : "%d", t.dim[d]);
    if (t.rank == 0)
        (void)snprintf(s, 32, "%s[]", dtype);
    else if (t.rank == 1)
        (void)snprintf(s, 32, "%s[%s]", dtype, dim[0]);
    else
        (void)snprintf(s, 32, "%s[%s,%s]", dtype, dim[0], dim[1]);
    return s;
}

static inline pr_type pr_random_type(pr *p)
{
    static const int sizes[] = {1, 2, 3, 5, 17, 40};
    pr_type t = {(int)pr_draw(p, 2), 0, {0, 0}};
    unsigned r = pr_draw(p, 10);

    t.rank = r < 3 ? 0 : r < 7 ? 1 : 2;
    for (int d = 0; d < 2; d++)
        t.dim[d] = p->dynamic && d == 0 && pr_draw(p, 5) == 0
                       ? -1
                       : sizes[pr_draw(p, d || t.rank == 2 ? 4 : 6)];
    return t;
}

static inline void pr_line(pr *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void pr_line(pr *p, const char *format, ...)
{
    va_list ap;

    fprintf(p->o, "%*s", 2 * p->depth, "");
    va_start(ap, format);
    vfprintf(p->o, format, ap);
    va_end(ap);
    fputc('\n', p->o);
}

static inline pr_value pr_new(pr *p, pr_type t)
{
    pr_value v = {++p->next, t};

    if (p->nscope < PR_MAX)
        p->scope[p->nscope++] = v;
    return v;
}

/* A value of a type, late ones more often; made from a number when there is none.  Returns its text. */
static inline const char *pr_get(pr *p, pr_type t)
{
    static char ring[32][24];
    static int at;
    char *s = ring[at = (at + 1) % 32];
    int found = -1;

    for (int i = p->nscope - 1; i >= 0; i--)
        if (pr_same(p->scope[i].type, t)) {
            found = i;
            if (pr_draw(p, 2))
                break;
        }
    if (found >= 0) {
        (void)snprintf(s, 24, "%%v%d", p->scope[found].id);
        return s;
    }
    if (t.rank == 0 && t.dtype == PR_I64) {
        (void)snprintf(s, 24, "%d:i64", (int)pr_draw(p, 7) - 2);
    } else if (t.rank == 0 && t.dtype == PR_F32) {
        (void)snprintf(s, 24, "%d.5:f32", (int)pr_draw(p, 3));
    } else {
        const char *c = pr_get(p, (pr_type){t.dtype, 0, {0, 0}});
        pr_value v = pr_new(p, t);
        pr_line(p, "%%v%d = broadcast %s : %s", v.id, c, pr_text(t));
        (void)snprintf(s, 24, "%%v%d", v.id);
    }
    return s;
}

static inline const char *pr_index(pr *p)
{
    return pr_get(p, pr_int);
}

/* Any array of the scope; false: none. */
static inline bool pr_array(pr *p, int rank, pr_value *v)
{
    int found = -1;

    for (int i = p->nscope - 1; i >= 0; i--)
        if (p->scope[i].type.rank == rank && p->scope[i].type.dtype != PR_BOOL) {
            found = i;
            if (pr_draw(p, 3) == 0)
                break;
        }
    if (found >= 0)
        *v = p->scope[found];
    return found >= 0;
}

static inline const char *pr_condition(pr *p)
{
    static char s[24];
    const char *a = pr_get(p, pr_int), *b = pr_get(p, pr_int);
    int id = ++p->next;

    pr_line(p, "%%v%d = %s %s, %s : bool[]", id, pr_draw(p, 2) ? "lt" : "eq", a, b);
    (void)snprintf(s, sizeof s, "%%v%d", id);
    return s;
}

static inline void pr_arithmetic(pr *p, pr_type t)
{
    static const char *const ints[] = {"add", "sub", "max", "min", "xor", "mul"},
                             *const floats[] = {"add", "sub", "max", "min"};
    const char *a = pr_get(p, t),
               *b = pr_draw(p, 3) ? pr_get(p, t) : pr_get(p, (pr_type){t.dtype, 0, {0, 0}});
    int mid = ++p->next;

    if (t.dtype == PR_I64) {
        pr_line(p, "%%v%d = %s %s, %s : %s", mid, ints[pr_draw(p, 6)], a, b, pr_text(t));
        pr_line(p, "%%v%d = rem %%v%d, 23:i64 : %s", p->next + 1, mid, pr_text(t));
    } else {
        pr_line(p, "%%v%d = %s %s, %s : %s", mid, floats[pr_draw(p, 4)], a, b, pr_text(t));
        pr_line(p, "%%v%d = mul %%v%d, 0.5:f32 : %s", p->next + 1, mid, pr_text(t));
    }
    (void)pr_new(p, t);
}

static inline void pr_read(pr *p)
{
    pr_value v;
    const char *i = pr_index(p);
    pr_type t;

    if (!pr_array(p, 1 + (int)pr_draw(p, 2), &v))
        return;
    t = (pr_type){v.type.dtype, v.type.rank - 1, {v.type.dim[1], 0}};
    pr_line(p, "%%v%d = gather %%v%d, %s [axis=0] : %s", p->next + 1, v.id, i, pr_text(t));
    (void)pr_new(p, t);
}

/* x with one element, one row, or a few rows replaced; the start of a matrix is a concat or a constant. */
static inline void pr_update(pr *p)
{
    pr_value x;
    pr_type part;
    const char *u, *i;
    int at;

    if (!pr_array(p, 1 + (int)pr_draw(p, 2), &x) || x.type.dim[0] == 0)
        return;
    part = x.type;
    part.dim[0] = 1;
    if (x.type.rank == 1 && x.type.dim[0] > 2 && pr_draw(p, 4) == 0)
        part.dim[0] = 2;
    if (x.type.rank == 2 && pr_draw(p, 3) == 0)
        part.dim[1] = 1;
    if (part.dim[0] == 1 &&
        (part.rank == 1 || part.dim[1] == x.type.dim[1])) { /* as `x[i] = row` is made */
        pr_type row = {part.dtype, part.rank - 1, {part.dim[1], 0}};
        const char *r = pr_get(p, row);
        pr_line(p, "%%v%d = reshape %s : %s", p->next + 1, r, pr_text(part));
        u = NULL;
        at = ++p->next;
    } else {
        u = pr_get(p, part);
        at = 0;
    }
    i = pr_index(p);
    int s = ++p->next;
    pr_line(p, "%%v%d = reshape %s : i64[1]", s, i);
    if (x.type.rank == 2) {
        const char *j = pr_draw(p, 2) ? pr_index(p) : "0:i64";
        pr_line(p, "%%v%d = reshape %s : i64[1]", ++p->next, j);
        pr_line(p, "%%v%d = concat %%v%d, %%v%d [axis=0] : i64[2]", p->next + 1, s, p->next);
        s = ++p->next;
    }
    if (u)
        pr_line(p, "%%v%d = dynamic_update_slice %%v%d, %s, %%v%d : %s", p->next + 1, x.id, u, s,
                pr_text(x.type));
    else
        pr_line(p, "%%v%d = dynamic_update_slice %%v%d, %%v%d, %%v%d : %s", p->next + 1, x.id, at,
                s, pr_text(x.type));
    (void)pr_new(p, x.type);
}

static inline void pr_scatter(pr *p)
{
    pr_value x;
    static const int counts[] = {1, 2, 3, 5};
    int n = counts[pr_draw(p, 4)];
    const char *i, *u;

    if (!pr_array(p, 1 + (int)pr_draw(p, 2), &x))
        return;
    i = pr_get(p, (pr_type){PR_I64, 2, {n, 1}});
    u = pr_get(p, (pr_type){x.type.dtype, x.type.rank, {n, x.type.dim[1]}});
    pr_line(p, "%%v%d = scatter_nd %%v%d, %s, %s [reduction=%s] : %s", p->next + 1, x.id, i, u,
            x.type.dtype == PR_I64 && pr_draw(p, 2) ? "max" : "none", pr_text(x.type));
    (void)pr_new(p, x.type);
}

static inline void pr_window(pr *p)
{
    pr_value x;
    pr_type t;
    int s = 0;

    if (!pr_array(p, 1 + (int)pr_draw(p, 2), &x))
        return;
    t = x.type;
    if (t.dim[0] > 1)
        t.dim[0] = 1 + (int)pr_draw(p, (unsigned)t.dim[0]);
    if (t.dim[0] < 0)
        t.dim[0] = 1;
    const char *i = pr_index(p);
    s = ++p->next;
    pr_line(p, "%%v%d = reshape %s : i64[1]", s, i);
    if (t.rank == 2) {
        if (pr_draw(p, 3) == 0 && t.dim[1] > 1)
            t.dim[1] = 1 + (int)pr_draw(p, (unsigned)t.dim[1]);
        const char *j = pr_index(p);
        pr_line(p, "%%v%d = reshape %s : i64[1]", ++p->next, j);
        pr_line(p, "%%v%d = concat %%v%d, %%v%d [axis=0] : i64[2]", p->next + 1, s, p->next);
        s = ++p->next;
    }
    pr_line(p, "%%v%d = dynamic_slice %%v%d, %%v%d : %s", p->next + 1, x.id, s, pr_text(t));
    (void)pr_new(p, t);
}

static inline void pr_reduce(pr *p)
{
    pr_value x;
    pr_type t;
    int mid;

    if (!pr_array(p, 1 + (int)pr_draw(p, 2), &x))
        return;
    t = (pr_type){x.type.dtype, x.type.rank - 1, {x.type.dim[0], 0}};
    if (x.type.dtype == PR_F32) {
        pr_line(p, "%%v%d = reduce %%v%d [kind=max, axes=[%d]] : %s", ++p->next, x.id,
                x.type.rank - 1, pr_text(t));
        pr_line(p, "%%v%d = max %%v%d, -9.0:f32 : %s", p->next + 1, p->next, pr_text(t));
        (void)pr_new(p, t);
        return;
    }
    mid = ++p->next;
    pr_line(p, "%%v%d = reduce %%v%d [kind=sum, axes=[%d]] : %s", mid, x.id, x.type.rank - 1,
            pr_text(t));
    pr_line(p, "%%v%d = rem %%v%d, 11:i64 : %s", p->next + 1, mid, pr_text(t));
    (void)pr_new(p, t);
}

static inline void pr_view(pr *p)
{
    pr_value x;
    pr_type t;

    if (!pr_array(p, 2, &x))
        return;
    if (pr_draw(p, 2)) {
        t = (pr_type){x.type.dtype, 2, {x.type.dim[1], x.type.dim[0]}};
        pr_line(p, "%%v%d = transpose %%v%d [perm=[1,0]] : %s", p->next + 1, x.id, pr_text(t));
    } else {
        if (x.type.dim[0] < 0 || x.type.dim[1] < 0 || x.type.dim[0] * x.type.dim[1] > 60)
            return;
        t = (pr_type){x.type.dtype, 1, {x.type.dim[0] * x.type.dim[1], 0}};
        pr_line(p, "%%v%d = reshape %%v%d : %s", p->next + 1, x.id, pr_text(t));
    }
    (void)pr_new(p, t);
}

static inline void pr_host(pr *p)
{
    int id = (int)pr_draw(p, 6);
    const char *a = pr_get(p, pr_int), *b = pr_get(p, pr_int);

    if (id < 3) {
        pr_line(p,
                id == 0   ? "%%v%d = host [id=0] : i64[]"
                : id == 1 ? "%%v%d = host %s [id=1] : i64[]"
                          : "%%v%d = host %s, %s [id=2] : i64[]",
                p->next + 1, a, b);
        (void)pr_new(p, pr_int);
    } else {
        pr_line(p,
                id == 3   ? "host [id=3]%.0s%.0s"
                : id == 4 ? "host %s [id=4]%.0s"
                          : "host %s, %s [id=5]",
                a, b);
    }
}

static inline void pr_block(pr *p, int n);

/* yield: a value per type. */
static inline void pr_yield(pr *p, int n, const pr_type *t, const char *prefix)
{
    const char *v[12];

    for (int i = 0; i < n; i++)
        v[i] = strdup(pr_get(p, t[i]));
    fprintf(p->o, "%*syield%s", 2 * p->depth, "", prefix);
    for (int i = 0; i < n; i++) {
        fprintf(p->o, "%s%s", i || *prefix ? ", " : " ", v[i]);
        free((char *)v[i]);
    }
    fputc('\n', p->o);
}

/* Types of values in scope, so that something can be passed on; sometimes others. */
static inline int pr_types(pr *p, pr_type *t)
{
    int n = 1 + (int)pr_draw(p, 4);

    for (int i = 0; i < n; i++)
        t[i] = !p->nscope || pr_draw(p, 8) == 0
                   ? pr_random_type(p)
                   : p->scope[p->nscope - 1 -
                              (int)pr_draw(p, (unsigned)(p->nscope < 10 || pr_draw(p, 3) == 0
                                                             ? p->nscope
                                                             : 10))]
                         .type;
    return n;
}

static inline void pr_results(pr *p, int first, int n, const pr_type *t)
{
    for (int i = 0; i < n && p->nscope < PR_MAX; i++)
        p->scope[p->nscope++] = (pr_value){first + i, t[i]};
}

static inline void pr_list(pr *p, int first, int n, const pr_type *t, bool types)
{
    for (int i = 0; i < n; i++)
        if (types)
            fprintf(p->o, "%s%s", i ? ", " : "", pr_text(t[i]));
        else
            fprintf(p->o, "%s%%v%d", i ? ", " : "", first + i);
}

static inline void pr_params(pr *p, int first, int n, const pr_type *t)
{
    for (int i = 0; i < n; i++)
        fprintf(p->o, "%s%%v%d: %s", i ? ", " : "", first + i, pr_text(t[i]));
}

static inline void pr_if(pr *p)
{
    pr_type t[8];
    int n = pr_types(p, t), first = p->next + 1, scope;
    p->next += n;
    const char *c = pr_condition(p);

    fprintf(p->o, "%*s", 2 * p->depth, "");
    pr_list(p, first, n, t, false);
    fprintf(p->o, " = if %s : ", c);
    pr_list(p, first, n, t, true);
    for (int r = 0; r < 2; r++) {
        fprintf(p->o, r ? "%*s} {\n" : " {\n", r ? 2 * p->depth : 0, "");
        scope = p->nscope;
        p->depth++;
        if (r == 0 || pr_draw(p, 2))
            pr_block(p, 1 + (int)pr_draw(p, 4));
        pr_yield(p, n, t, "");
        p->depth--;
        p->nscope = scope;
    }
    pr_line(p, "}");
    pr_results(p, first, n, t);
}

/* carried values, slices, stacked results */
static inline void pr_scan(pr *p)
{
    pr_type t[12], all[12];
    int n = pr_types(p, t), nx = 0, ny = (int)pr_draw(p, 3), first, scope = 0;
    pr_value xs[2];
    const char *init[12];
    int trips = p->dynamic && pr_draw(p, 4) == 0 ? -1 : (int)pr_draw(p, 6) + (ny > 0);

    while (nx < 2 && pr_draw(p, 3) == 0 && pr_array(p, 1 + (int)pr_draw(p, 2), &xs[nx]) &&
           (nx == 0 || xs[nx].type.dim[0] == xs[0].type.dim[0]))
        nx++;
    if (nx)
        trips = xs[0].type.dim[0];
    for (int i = 0; i < ny; i++) {
        t[n + i] = (pr_type){(int)pr_draw(p, 2), (int)pr_draw(p, 2), {1 + (int)pr_draw(p, 3), 0}};
        all[n + i] = (pr_type){t[n + i].dtype, t[n + i].rank + 1, {trips, t[n + i].dim[0]}};
    }
    memcpy(all, t, (size_t)n * sizeof *t);
    for (int i = 0; i < n; i++)
        init[i] = strdup(pr_get(p, t[i]));
    first = p->next + 1;
    p->next += n + ny;
    fprintf(p->o, "%*s", 2 * p->depth, "");
    pr_list(p, first, n + ny, all, false);
    fprintf(p->o, " = scan ");
    for (int i = 0; i < n; i++) {
        fprintf(p->o, "%s%s", i ? ", " : "", init[i]);
        free((char *)init[i]);
    }
    for (int i = 0; i < nx; i++)
        fprintf(p->o, ", %%v%d", xs[i].id);
    if (trips < 0)
        fprintf(p->o, " [carried=%d, trips=n] : ", n);
    else
        fprintf(p->o, " [carried=%d, trips=%d] : ", n, trips);
    pr_list(p, first, n + ny, all, true);
    scope = p->nscope;
    int arg = p->next + 1;
    fprintf(p->o, " (%%v%d: i64[], ", arg);
    pr_params(p, arg + 1, n, t);
    p->next += 1 + n;
    (void)pr_results(p, arg, 1, &pr_int);
    pr_results(p, arg + 1, n, t);
    for (int i = 0; i < nx; i++) {
        pr_type x = {xs[i].type.dtype, xs[i].type.rank - 1, {xs[i].type.dim[1], 0}};
        fprintf(p->o, ", %%v%d: %s", p->next + 1, pr_text(x));
        (void)pr_new(p, x);
    }
    fprintf(p->o, ") {\n");
    p->depth++;
    pr_block(p, 1 + (int)pr_draw(p, 6));
    pr_yield(p, n + ny, t, "");
    p->depth--;
    p->nscope = scope;
    pr_line(p, "}");
    pr_results(p, first, n + ny, all);
}

static inline void pr_while(pr *p)
{
    pr_type t[12];
    int n = pr_types(p, t), first, scope;
    const char *init[12];

    for (int i = 0; i < n; i++)
        init[i] = strdup(pr_get(p, t[i]));
    first = p->next + 1;
    p->next += n;
    fprintf(p->o, "%*s", 2 * p->depth, "");
    pr_list(p, first, n, t, false);
    fprintf(p->o, " = while ");
    for (int i = 0; i < n; i++) {
        fprintf(p->o, "%s%s", i ? ", " : "", init[i]);
        free((char *)init[i]);
    }
    fprintf(p->o, " [max_trips=%u] : ", pr_draw(p, 7));
    pr_list(p, first, n, t, true);
    scope = p->nscope;
    for (int r = 0; r < 2; r++) {
        int arg = p->next + 1;
        fprintf(p->o, r ? "%*s} (" : "%*s (", r ? 2 * p->depth : 0, "");
        pr_params(p, arg, n, t);
        fprintf(p->o, ") {\n");
        p->next += n;
        pr_results(p, arg, n, t);
        p->depth++;
        pr_block(p, r ? 1 + (int)pr_draw(p, 6) : (int)pr_draw(p, 2));
        if (r == 0) {
            const char *c = pr_condition(p);
            if (pr_draw(p, 3)) {
                pr_line(p, "%%v%d = not %s : bool[]", p->next + 1, c);
                p->next++;
                pr_line(p, "yield %%v%d", p->next);
            } else {
                pr_line(p, "yield %s", c);
            }
        } else {
            pr_yield(p, n, t, "");
        }
        p->depth--;
        p->nscope = scope;
    }
    pr_line(p, "}");
    pr_results(p, first, n, t);
}

static inline void pr_statement(pr *p)
{
    unsigned k = pr_draw(p, 20);

    if (p->budget-- <= 0)
        return;
    if (k < 5)
        pr_arithmetic(p, p->nscope && pr_draw(p, 3) ? p->scope[pr_draw(p, (unsigned)p->nscope)].type
                                                    : pr_random_type(p));
    else if (k < 7)
        pr_read(p);
    else if (k < 10)
        pr_update(p);
    else if (k < 11)
        pr_scatter(p);
    else if (k < 12)
        pr_window(p);
    else if (k < 14)
        pr_reduce(p);
    else if (k < 15)
        pr_view(p);
    else if (k < 16 && p->hosts)
        pr_host(p);
    else if (p->depth < 5)
        k % 3 == 0 ? pr_if(p) : k % 3 == 1 ? pr_scan(p) : pr_while(p);
}

static inline void pr_block(pr *p, int n)
{
    for (int i = 0; i < n; i++)
        pr_statement(p);
}

/* A whole program; from malloc.  hosts: it calls functions 0 to 5 of mix.h. */
static inline char *pr_program(uint64_t seed, bool hosts, bool dynamic)
{
    static const pr_type in[] = {{PR_I64, 0, {0, 0}}, {PR_I64, 0, {0, 0}},  {PR_F32, 0, {0, 0}},
                                 {PR_I64, 1, {5, 0}}, {PR_F32, 1, {17, 0}}, {PR_F32, 2, {3, 5}},
                                 {PR_I64, 2, {5, 3}}, {PR_F32, 2, {-1, 3}}};
    pr p = {.seed = (seed + 1) * 0x9E3779B97F4A7C15u,
            .budget = 90,
            .hosts = hosts,
            .dynamic = dynamic,
            .depth = 1};
    pr_type out[6];
    char *text = NULL;
    size_t size;
    int n = dynamic ? 8 : 7;

    p.o = open_memstream(&text, &size);
    if (dynamic)
        fprintf(p.o, "dim n = 1..6\n");
    fprintf(p.o, "graph @main [entry=1] (");
    pr_params(&p, 1, n, in);
    p.next = n;
    pr_results(&p, 1, n, in);
    fprintf(p.o, ") {\n");
    pr_block(&p, 8);
    for (int i = 0; i < 6; i++)
        out[i] = p.scope[p.nscope - 1 - (int)pr_draw(&p, (unsigned)(p.nscope < 12 ? p.nscope : 12))]
                     .type;
    pr_yield(&p, 6, out, "");
    fprintf(p.o, "}\n");
    fclose(p.o);
    return text;
}
#endif
