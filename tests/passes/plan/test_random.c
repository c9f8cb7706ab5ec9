/* Random graphs through lower, merge and plan: chains, branches, loops with state, views, updates in place.
 *
 * Sharing memory where one must not gives wrong numbers without any other sign, so this looks for wrong numbers: the
 * planned kernel has to compute what the graph says, whatever was merged, reordered and overwritten. */
#include "tests/passes/judge.h"

enum { VALUES = 40 };

typedef struct gen {
    char text[32768];
    char name[VALUES][8];
    int n, serial; /* values in sight, all f32[4,4] */
    bool dynamic;  /* in the end they become f32[2,n], so only ops that allow it */
} gen;

static uint32_t dice(uint32_t n)
{
    return (uint32_t)(judge_draw() >> 20) % n;
}

static void out(gen *g, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void out(gen *g, const char *fmt, ...)
{
    size_t n = strlen(g->text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(g->text + n, sizeof g->text - n, fmt, args);
    va_end(args);
}

static const char *some(gen *g)
{
    int back = dice(3) ? (int)dice(3)
                       : (int)dice((uint32_t)g->n); /* recent values mostly: things die early */
    return g->name[g->n - 1 - (back < g->n ? back : 0)];
}

static const char *fresh(gen *g)
{
    static char name[8][8];
    char *s = name[g->serial % 8];
    snprintf(s, 8, "v%d", g->serial++);
    return s;
}

static void see(gen *g, const char *name)
{
    if (g->n < VALUES)
        strcpy(g->name[g->n++], name);
}

static void map1(gen *g)
{
    static const char *const op[] = {"neg", "abs", "sigmoid", "floor"};
    const char *y = fresh(g);
    out(g,
        "%%%s = fused %%%s : f32[4,4] (%%a: f32[4,4]) {\n  %%b = %s %%a : f32[4,4]\n  yield "
        "%%b\n}\n",
        y, some(g), op[dice(4)]);
    see(g, y);
}

static void map2(gen *g)
{
    static const char *const op[] = {"add", "sub", "max", "min"};
    const char *y = fresh(g), *a = some(g), *b = some(g);
    if (!strcmp(a, b)) {
        map1(g);
        return;
    }
    out(g,
        "%%%s = fused %%%s, %%%s : f32[4,4] (%%a: f32[4,4], %%b: f32[4,4]) {\n  %%c = %s %%a, %%b "
        ": f32[4,4]\n  yield %%c\n}\n",
        y, a, b, op[dice(4)]);
    see(g, y);
}

/* Two results from one kernel. */
static void map_two(gen *g)
{
    const char *y = fresh(g), *z = fresh(g), *a = some(g), *b = some(g);
    if (!strcmp(a, b))
        return;
    out(g,
        "%%%s, %%%s = fused %%%s, %%%s : f32[4,4], f32[4,4] (%%a: f32[4,4], %%b: f32[4,4]) {\n"
        "  %%c = add %%a, %%b : f32[4,4]\n  %%d = sub %%a, %%c : f32[4,4]\n  yield %%c, %%d\n}\n",
        y, z, a, b);
    see(g, y);
    see(g, z);
}

/* x - max of its row, or of its column */
static void rows(gen *g)
{
    const char *y = fresh(g);
    bool column = dice(2);
    out(g,
        "%%%s = fused %%%s : f32[4,4] (%%a: f32[4,4]) {\n  %%m = reduce %%a [kind=max, axes=[%d], "
        "keep=1] : f32[%s]\n"
        "  %%b = sub %%a, %%m : f32[4,4]\n  yield %%b\n}\n",
        y, some(g), column ? 0 : 1, column ? "1,4" : "4,1");
    see(g, y);
}

static void product(gen *g)
{
    const char *y = fresh(g), *a = some(g), *b = some(g), *c = some(g);
    if (!strcmp(a, b) || !strcmp(a, c) || !strcmp(b, c))
        return;
    out(g,
        "%%%s = fused %%%s, %%%s, %%%s : f32[4,4] (%%a: f32[4,4], %%b: f32[4,4], %%r: f32[4,4]) {\n"
        "  %%c = dot %%a, %%b [contract_a=[1], contract_b=[0]] : f32[4,4]\n  %%q = sigmoid %%c : "
        "f32[4,4]\n"
        "  %%d = add %%q, %%r : f32[4,4]\n  yield %%d\n}\n",
        y, a, b, c);
    see(g, y);
}

static void view(gen *g)
{
    const char *y = fresh(g), *t = fresh(g);
    switch (dice(4)) {
    case 0: out(g, "%%%s = transpose %%%s [perm=[1,0]] : f32[4,4]\n", y, some(g)); break;
    case 1: out(g, "%%%s = slice %%%s [start=[3,0], step=[-1,1]] : f32[4,4]\n", y, some(g)); break;
    case 2:
        out(g, "%%%s = reshape %%%s : f32[2,8]\n", t, some(g));
        out(g, "%%%s = reshape %%%s : f32[4,4]\n", y, t);
        break;
    default:
        out(g, "%%%s = slice %%%s [start=[1,0], step=[1,1]] : f32[1,4]\n", t, some(g));
        out(g, "%%%s = broadcast %%%s : f32[4,4]\n", y, t);
        break;
    }
    see(g, y);
}

static void update(gen *g)
{
    const char *y = fresh(g), *a = some(g), *b = some(g);
    switch (dice(3)) {
    case 0:
        out(g, "%%%s = scatter_elements %%%s, %%ix, %%%s [axis=0, reduction=add] : f32[4,4]\n", y,
            a, b);
        break;
    case 1:
        out(g, "%%%s = cumulate %%%s [kind=add, axis=%u, exclusive=%u, reverse=%u] : f32[4,4]\n", y,
            a, dice(2), dice(2), dice(2));
        break;
    default: out(g, "%%%s = sort %%%s [axis=%u, descending=0] : f32[4,4]\n", y, a, dice(2)); break;
    }
    see(g, y);
}

/* Two halves side by side. */
static void join(gen *g)
{
    char p[8], q[8], y[8];
    const char *a = some(g), *b = some(g);

    strcpy(p, fresh(g));
    strcpy(q, fresh(g));
    strcpy(y, fresh(g));
    for (int i = 0; i < 2; i++)
        out(g,
            "%%%s = fused %%%s : f32[4,2] (%%a: f32[4,4]) {\n  %%s = slice %%a [start=[0,%u], "
            "step=[1,1]] : f32[4,2]\n"
            "  %%b = abs %%s : f32[4,2]\n  yield %%b\n}\n",
            i ? q : p, i ? b : a, dice(3));
    out(g,
        "%%%s = fused %%%s, %%%s : f32[4,4] (%%a: f32[4,2], %%b: f32[4,2]) {\n  %%c = concat %%a, "
        "%%b [axis=1] : f32[4,4]\n  yield %%c\n}\n",
        y, p, q);
    see(g, y);
}

static void block(gen *g, int ops, int depth);

static void branch(gen *g, int depth)
{
    const char *y = fresh(g), *z = fresh(g);
    int n = g->n;
    char ys[8], zs[8];

    strcpy(ys, y);
    strcpy(zs, z);
    out(g, "%%%s, %%%s = if %%cond : f32[4,4], f32[4,4] {\n", ys, zs);
    for (int r = 0; r < 2; r++) {
        const char *p, *q;
        block(g, 1 + (int)dice(4), depth + 1);
        p = some(g);
        q = some(g);
        out(g, "yield %%%s, %%%s\n}%s", p, q, r ? "\n" : " {\n");
        g->n = n;
    }
    see(g, ys);
    see(g, zs);
}

static void loop(gen *g, int depth)
{
    char ys[8], zs[8], s[8], t[8], x[8], st[8];
    const char *a = some(g), *b = some(g);
    int n = g->n;

    strcpy(ys, fresh(g));
    strcpy(zs, fresh(g));
    strcpy(st, fresh(g));
    strcpy(s, fresh(g));
    strcpy(t, fresh(g));
    strcpy(x, fresh(g));
    out(g,
        "%%%s, %%%s, %%%s = scan %%%s, %%%s, %%xs [carried=2, trips=3] : f32[4,4], f32[4,4], "
        "f32[3,4,4]"
        " (%%i%d: i64[], %%%s: f32[4,4], %%%s: f32[4,4], %%%s: f32[4,4]) {\n",
        ys, zs, st, a, b, g->serial, s, t, x);
    see(g, s);
    see(g, t);
    see(g, x);
    block(g, 1 + (int)dice(5), depth + 1);
    out(g, "yield %%%s, %%%s, %%%s\n}\n", some(g), some(g), some(g));
    g->n = n;
    see(g, ys);
    see(g, zs);
    char row[8];
    strcpy(row, fresh(g));
    char flat[8];
    strcpy(flat, fresh(g));
    out(g,
        "%%%s = slice %%%s [start=[1,0,0], step=[1,1,1]] : f32[1,4,4]\n%%%s = reshape %%%s : "
        "f32[4,4]\n",
        flat, st, row, flat);
    see(g, row);
}

static void block(gen *g, int ops, int depth)
{
    for (int i = 0; i < ops; i++) {
        uint32_t kind = dice(depth < 2 ? 17 : 14);
        if (g->dynamic && kind >= 9 && kind <= 13)
            kind = dice(9);
        switch (kind) {
        case 0:
        case 1:
        case 2: map1(g); break;
        case 3:
        case 4:
        case 5: map2(g); break;
        case 6: map_two(g); break;
        case 7:
        case 8: rows(g); break;
        case 9: product(g); break;
        case 10:
        case 11: view(g); break;
        case 12: update(g); break;
        case 13: join(g); break;
        case 14: branch(g, depth); break;
        default: loop(g, depth); break;
        }
    }
}

/* In place; the new text is not longer than the old. */
static void replace_all(char *text, const char *from, const char *to)
{
    size_t nfrom = strlen(from), nto = strlen(to);
    char *w = text;

    for (const char *p = text; *p;)
        if (!strncmp(p, from, nfrom)) {
            memcpy(w, to, nto);
            w += nto;
            p += nfrom;
        } else {
            *w++ = *p++;
        }
    *w = 0;
}

/* Square matrices become two rows of a length that is only known at run time. */
static void make_dynamic(gen *g)
{
    static const char head[] = "dim n = 0..6\n";
    size_t n = strlen(g->text), room = sizeof g->text - sizeof head;

    memmove(g->text + sizeof head - 1, g->text, n < room ? n + 1 : room);
    memcpy(g->text, head, sizeof head - 1);
    replace_all(g->text, "f32[4,4]", "f32[2,n]");
    replace_all(g->text, ",4,4]", ",2,n]");
    replace_all(g->text, "f32[1,4]", "f32[1,n]");
    replace_all(g->text, "f32[4,1]", "f32[2,1]");
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 400, met = 0;

    test_state.running = "random graphs";
    for (int i = 0; i < rounds && test_state.failures < 5; i++) {
        static gen g;
        int64_t size = i % 7;
        judge_result r;
        memset(&g, 0, sizeof g);
        g.dynamic = i % 3 == 2;
        judge_seed = (uint64_t)(argc > 2 ? atoi(argv[2]) : 1) * 1000003u + (uint64_t)i * 7919u + 1;
        out(&g, "graph @g [entry=1] (%%cond: bool[], %%ix: i64[4,4], %%xs: f32[3,4,4], %%x: "
                "f32[4,4], %%w: f32[4,4]) {\n");
        see(&g, "x");
        see(&g, "w");
        block(&g, 3 + (int)dice(12), 0);
        out(&g, "yield %%%s, %%%s", some(&g), g.name[g.n - 1]);
        for (uint32_t k = dice(3); k > 0; k--)
            out(&g, ", %%%s", g.name[dice((uint32_t)g.n)]);
        out(&g, "\n}\n");
        if (g.dynamic)
            make_dynamic(&g);
        r = judge(g.text, (judge_options){.tolerance = 1e-4, .hi = 3, .sym = &size});
        met += r.arena == r.bound;
    }
    printf("arena equals its bound in %d of %d\n", met, rounds);
    CHECK(met * 100 >= rounds * 99 || test_state.failures);
    return test_end();
}
