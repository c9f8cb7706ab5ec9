/* Every rule against central differences in double precision, first and second order.
 *
 * A case is a graph @f of f64 inputs; l = sum c * sin(y) + 0.05 * sum x^2 makes one number of all its results, with fixed random
 * c.  The sine gives linear ops a second derivative, the squares give one to what has none.  Compared are
 *
 *     grad l                      reverse                 with differences of l
 *     jvp of y's sum              forward                 with differences along a direction
 *     grad (r . grad l)           reverse over reverse    with differences of grad l along r
 *     jvp (grad l), r             forward over reverse    the same
 *     grad (jvp l, r)             reverse over forward    the same
 *
 * Elementwise ops are drawn from the table; the others stand in cases.def; random graphs put them together.  An op that has a rule and no case fails. */
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/autodiff/ad.h"
#include "passes/autodiff/autodiff.h"
#include "tests/test.h"

static char said[4096];
static bool tried[NNC_OP_COUNT];

static void collect(void *user, const char *text)
{
    (void)user;
    if (strlen(said) + strlen(text) < sizeof said - 1)
        strcat(said, text);
}

static uint64_t seed;
static double uniform(double lo, double hi)
{
    seed += 0x9E3779B97F4A7C15u;
    uint64_t z = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return lo + (hi - lo) * (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

enum { MAX_IN = 8 };
typedef struct test_case {
    nnc_arena *a;
    nnc_module *m;
    nnc_op f;
    unsigned nin;
    nnc_tensor in[MAX_IN], dir[MAX_IN]; /* inputs and a direction */
    uint64_t weights;                   /* seed of c */
} test_case;

static void remember(void *user, nnc_op op)
{
    test_case *t = user;
    tried[nnc_op_code(t->m, op)] = true;
}

static nnc_value values(nnc_builder *b, nnc_type like, const double *data)
{
    const nnc_type_rec ty = *nnc_type_get(b->m, like);
    return nnc_g_const_data(b, NNC_DT_f64, ty.rank, ty.dim, data);
}

static nnc_value sum_all(nnc_builder *b, nnc_value v)
{
    static const int64_t axes[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    return nnc_g_reduce(b, NNC_W_sum, v, (unsigned)nnc_value_ty(b->m, v)->rank, axes, false);
}

static nnc_value plus(nnc_builder *b, nnc_value x, nnc_value y)
{
    return x.id ? nnc_g_binary(b, NNC_OP_add, x, y) : y;
}

/* A graph that begins like @f, its inputs as leaves, and computes l. */
static nnc_value begin(test_case *t, const char *name, nnc_builder *b, nnc_value *leaf)
{
    nnc_module *m = t->m;
    nnc_block from = nnc_op_region(m, t->f, 0);
    nnc_op end = nnc_block_last(m, from),
           g = nnc_build_func(m, NNC_OP_graph, name, false, (nnc_loc){0});
    nnc_block to = nnc_op_region(m, g, 0);
    nnc_value *map, l = {0};
    uint32_t nmap;

    *b = nnc_builder_at_end(m, to);
    for (unsigned i = 0; i < t->nin; i++)
        leaf[i] = nnc_g_leaf(
            b, nnc_block_add_arg(m, to, nnc_value_type(m, nnc_block_arg(m, from, i)), "x"));
    nmap = m->value.n;
    map = nnc_arena_array(t->a, nmap, sizeof *map);
    for (unsigned i = 0; i < t->nin; i++)
        map[nnc_block_arg(m, from, i).id] = leaf[i];
    nnc_block_clone(m, from, b->pos, map, nmap, false);
    seed = t->weights;
    for (unsigned i = 0; i < nnc_op_nin(m, end); i++) {
        nnc_value y = nnc_op_in(m, end, i);
        double c[512];
        y = y.id < nmap && map[y.id].id ? map[y.id] : y;
        if (nnc_value_ty(m, y)->dtype != NNC_DT_f64)
            continue;
        for (int64_t k = 0; k < nnc_type_count(m, nnc_value_type(m, y)); k++)
            c[k] = uniform(-1, 1);
        y = nnc_g_binary(b, NNC_OP_mul, nnc_g_unary(b, NNC_OP_sin, y),
                         values(b, nnc_value_type(m, y), c));
        l = plus(b, l, sum_all(b, y));
    }
    for (unsigned i = 0; i < t->nin; i++) {
        nnc_value s = sum_all(b, nnc_g_binary(b, NNC_OP_mul, leaf[i], leaf[i]));
        l = plus(b, l, nnc_g_binary(b, NNC_OP_mul, s, nnc_g_float(b, NNC_DT_f64, 0.05)));
    }
    return l;
}

static void directions(test_case *t, nnc_builder *b, nnc_value *leaf, nnc_value *r)
{
    for (unsigned i = 0; i < t->nin; i++)
        r[i] = values(b, nnc_value_type(t->m, leaf[i]), t->dir[i].data);
}

/* r . (results of op) */
static nnc_value along(test_case *t, nnc_builder *b, nnc_op op, const nnc_value *r)
{
    nnc_value s = {0};
    for (unsigned i = 0; i < t->nin; i++)
        s = plus(b, s, sum_all(b, nnc_g_binary(b, NNC_OP_mul, nnc_op_out(t->m, op, i), r[i])));
    return s;
}

static void yield_results(nnc_builder *b, nnc_op op)
{
    nnc_value v[MAX_IN];
    unsigned n = nnc_op_nout(b->m, op);
    for (unsigned i = 0; i < n; i++)
        v[i] = nnc_op_out(b->m, op, i);
    nnc_build_yield(b, n, v);
}

typedef enum {
    LOSS,
    REVERSE,
    FORWARD,
    REVERSE_REVERSE,
    FORWARD_REVERSE,
    REVERSE_FORWARD,
    KINDS
} kind;
static const char *const kind_name[KINDS] = {"the loss",     "grad",        "jvp",
                                             "grad of grad", "jvp of grad", "grad of jvp"};

static nnc_op build(test_case *t, kind k)
{
    nnc_builder b;
    nnc_value leaf[MAX_IN], r[MAX_IN], l = begin(t, kind_name[k], &b, leaf), s;
    nnc_op g = nnc_block_parent(t->m, b.pos.block);

    directions(t, &b, leaf, r);
    switch (k) {
    case LOSS: nnc_build_yield(&b, 1, &l); break;
    case REVERSE:
        yield_results(&b, nnc_g_vjp(&b, 1, &l, &(nnc_value){nnc_g_float(&b, NNC_DT_f64, 1).id},
                                    t->nin, leaf));
        break;
    case FORWARD: yield_results(&b, nnc_g_jvp(&b, 1, &l, t->nin, leaf, r)); break;
    case REVERSE_REVERSE:
        s = along(t, &b, nnc_g_grad(&b, l, t->nin, leaf), r);
        yield_results(&b, nnc_g_vjp(&b, 1, &s, &(nnc_value){nnc_g_float(&b, NNC_DT_f64, 1).id},
                                    t->nin, leaf));
        break;
    case FORWARD_REVERSE: yield_results(&b, nnc_g_hvp(&b, l, t->nin, leaf, r)); break;
    default:
        s = nnc_op_out(t->m, nnc_g_jvp(&b, 1, &l, t->nin, leaf, r), 0);
        yield_results(&b, nnc_g_vjp(&b, 1, &s, &(nnc_value){nnc_g_float(&b, NNC_DT_f64, 1).id},
                                    t->nin, leaf));
        break;
    }
    return g;
}

static bool run(test_case *t, nnc_op g, unsigned nout, nnc_tensor *out)
{
    return nnc_interp_graph(t->m, g, t->a, t->nin, t->in, nout, out) == NNC_OK;
}

static double *element(const nnc_tensor *t, int64_t i)
{
    return (double *)t->data + i;
}

static void move(test_case *t, double h)
{
    for (unsigned i = 0; i < t->nin; i++)
        for (int64_t k = 0; k < nnc_tensor_count(&t->in[i]); k++)
            *element(&t->in[i], k) += h * *element(&t->dir[i], k);
}

/* Largest difference, relative to the largest number. */
static void compare(const char *name, kind k, unsigned n, const nnc_tensor *got,
                    const nnc_tensor *want)
{
    double scale = 0.1, worst = 0, x = 0, y = 0;

    test_state.checks++;
    for (unsigned i = 0; i < n; i++)
        for (int64_t e = 0; e < nnc_tensor_count(&want[i]); e++)
            scale = fmax(scale, fabs(*element(&want[i], e)));
    for (unsigned i = 0; i < n; i++)
        for (int64_t e = 0; e < nnc_tensor_count(&want[i]); e++) {
            double d = fabs(*element(&got[i], e) - *element(&want[i], e));
            if (!(d <= worst)) {
                worst = d;
                x = *element(&got[i], e);
                y = *element(&want[i], e);
            }
        }
    if (!(worst <= 1e-6 * scale))
        test_failed(name, 0, "%s is %.12g, differences say %.12g", kind_name[k], x, y);
}

static const double step = 1e-5;

static void first_order(test_case *t, const char *name, const nnc_op *g, const bool *made)
{
    nnc_tensor got[MAX_IN], want[MAX_IN], l[2];

    for (unsigned i = 0; i < t->nin; i++) {
        want[i] = nnc_tensor_new(t->a, NNC_DT_f64, t->in[i].rank, t->in[i].dim);
        for (int64_t k = 0; k < nnc_tensor_count(&t->in[i]); k++) {
            double *x = element(&t->in[i], k), old = *x;
            for (int s = 0; s < 2; s++) {
                *x = old + (s ? step : -step);
                if (!run(t, g[LOSS], 1, &l[s]))
                    return test_failed(name, 0, "does not run: %s", said);
            }
            *x = old;
            *element(&want[i], k) = (*element(&l[1], 0) - *element(&l[0], 0)) / (2 * step);
        }
    }
    if (made[REVERSE] && test_true(run(t, g[REVERSE], t->nin, got), "grad that runs", name, 0))
        compare(name, REVERSE, t->nin, got, want);
    if (made[FORWARD] && test_true(run(t, g[FORWARD], 1, got), "jvp that runs", name, 0)) {
        nnc_tensor sum = nnc_tensor_new(t->a, NNC_DT_f64, 0, NULL);
        for (unsigned i = 0; i < t->nin; i++)
            for (int64_t k = 0; k < nnc_tensor_count(&want[i]); k++)
                *element(&sum, 0) += *element(&want[i], k) * *element(&t->dir[i], k);
        compare(name, FORWARD, 1, got, &sum);
    }
}

static void second_order(test_case *t, const char *name, const nnc_op *g, const bool *made)
{
    nnc_tensor got[MAX_IN], side[2][MAX_IN];

    if (!made[REVERSE])
        return;
    for (int s = 0; s < 2; s++) {
        move(t, s ? step : -step);
        if (!run(t, g[REVERSE], t->nin, side[s]))
            return;
        move(t, s ? -step : step);
    }
    for (unsigned i = 0; i < t->nin; i++)
        for (int64_t k = 0; k < nnc_tensor_count(&t->in[i]); k++)
            *element(&side[1][i], k) =
                (*element(&side[1][i], k) - *element(&side[0][i], k)) / (2 * step);
    for (kind k = REVERSE_REVERSE; k < KINDS; k++)
        if (made[k] &&
            test_true(run(t, g[k], t->nin, got), "a second derivative that runs", name, 0))
            compare(name, k, t->nin, got, side[1]);
}

static void prepare_inputs(test_case *t, double lo, double hi)
{
    nnc_block b = nnc_op_region(t->m, t->f, 0);

    t->nin = nnc_block_narg(t->m, b);
    for (unsigned i = 0; i < t->nin; i++) {
        const nnc_type_rec ty = *nnc_value_ty(t->m, nnc_block_arg(t->m, b, i));
        t->in[i] = nnc_tensor_new(t->a, NNC_DT_f64, ty.rank, ty.dim);
        t->dir[i] = nnc_tensor_new(t->a, NNC_DT_f64, ty.rank, ty.dim);
        for (int64_t k = 0; k < nnc_tensor_count(&t->in[i]); k++) {
            *element(&t->in[i], k) = uniform(lo, hi);
            *element(&t->dir[i], k) = uniform(-1, 1);
        }
    }
}

/* reverse: false for a case that has no adjoint (a `while` without a bound). */
static void try_case(const char *name, const char *text, double lo, double hi, bool reverse)
{
    test_case t = {.a = nnc_arena_new()};
    nnc_diag *d = nnc_diag_new(t.a);
    nnc_op g[KINDS];
    bool made[KINDS] = {false};

    said[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    t.m = nnc_module_new(t.a, d);
    test_state.running = name;
    if (!test_true(nnc_read_module(t.m, name, text, strlen(text), ".") == NNC_OK &&
                       nnc_verify(t.m) == NNC_OK,
                   "IR that is right", name, 0)) {
        printf("%s\n%s\n", text, said);
        return;
    }
    t.f = nnc_func_find(t.m, "f");
    nnc_ad_each_op(t.m, nnc_op_region(t.m, t.f, 0), remember, &t);
    seed = 1 + strlen(text);
    t.weights = seed + 77;
    prepare_inputs(&t, lo, hi);
    for (kind k = 0; k < KINDS; k++) {
        if (!reverse && k != FORWARD && k != LOSS)
            continue;
        g[k] = build(&t, k);
        made[k] = test_true(nnc_autodiff_run(t.m, g[k]) == NNC_OK, "a derivative", name, k);
        if (made[k])
            made[k] = test_true(nnc_verify_func(t.m, g[k]) == NNC_OK, "sound IR", name, k);
        if (!made[k])
            printf("  %s: %s\n", kind_name[k], said);
        said[0] = 0;
    }
    first_order(&t, name, g, made);
    second_order(&t, name, g, made);
    if (*said)
        printf("  %s\n", said);
    if (getenv("NNC_PRINT"))
        nnc_print_module(t.m, stdout, &(nnc_print_options){.inline_weights = true});
    nnc_arena_free(t.a);
}

/* ---- elementwise ops, from the table ---- */

static void elementwise(void)
{
    static const struct {
        const char *name;
        double lo, hi;
    } domains[] = {{"acosh", 1.2, 2.5}, {"abs", -1, 1},   {"exp", -1, 1},      {"tanh", -2, 2},
                   {"sin", -2, 2},      {"cos", -2, 2},   {"mul", -2, 2},      {"add", -2, 2},
                   {"sub", -2, 2},      {"neg", -2, 2},   {"max", -2, 2},      {"min", -2, 2},
                   {"sigmoid", -3, 3},  {"erf", -2, 2},   {"softplus", -3, 3}, {"gelu", -3, 3},
                   {"sign", -1, 1},     {"expm1", -1, 1}, {"sinh", -2, 2},     {"cosh", -2, 2},
                   {"atan", -2, 2},     {"asinh", -2, 2}, {"atan2", -2, 2},    {"div", 0.3, 2}};
    char text[400];

    for (int code = 1; code < NNC_OP_COUNT; code++) {
        const nnc_op_info *info = &nnc_op_infos[code];
        double lo = 0.3, hi = 0.8; /* a place where nearly everything is smooth */
        if (!(info->traits & NNC_ELEMENTWISE) || !(info->levels & NNC_LEVEL_G) || info->nin > 2 ||
            (info->class != 'E' && info->class != 'L' && code != NNC_OP_gelu))
            continue;
        for (size_t i = 0; i < sizeof domains / sizeof domains[0]; i++)
            if (!strcmp(domains[i].name, info->name)) {
                lo = domains[i].lo;
                hi = domains[i].hi;
            }
        if (info->nin == 1)
            snprintf(text, sizeof text,
                     "graph @f (%%x: f64[2,3]) {\n  %%y = %s %%x : f64[2,3]\n  yield %%y\n}\n",
                     info->name);
        else /* both broadcast */
            snprintf(text, sizeof text,
                     "graph @f (%%x: f64[2,1], %%z: f64[3]) {\n  %%y = %s %%x, %%z : f64[2,3]\n  "
                     "yield %%y\n}\n",
                     info->name);
        try_case(info->name, text, lo, hi, true);
    }
}

static void cases(void)
{
#define CASE(name, lo, hi, text)    try_case(name, text, lo, hi, true);
#define FORWARD(name, lo, hi, text) try_case(name, text, lo, hi, false);
#include "tests/passes/autodiff/cases.def"
}

/* ---- random graphs ---- */

typedef struct program {
    char text[8192];
    size_t n;
    unsigned count[3]; /* values of rank 0, 1, 2: f64[], f64[3], f64[2,3], named r<rank>_<i> */
    unsigned depth, fresh;
} program;

static unsigned below(unsigned n)
{
    return (unsigned)uniform(0, n) % n;
}

static void say(program *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(program *p, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    p->n += (size_t)vsnprintf(p->text + p->n, sizeof p->text - p->n, format, ap);
    va_end(ap);
}

static const char *const shape[] = {"f64[]", "f64[3]", "f64[2,3]"};

static unsigned pick(const program *p, unsigned rank)
{
    return below(p->count[rank]);
}

static void elementwise_step(program *p, unsigned rank)
{
    static const char *const one[] = {"sin", "tanh", "sigmoid", "neg", "gelu", "softplus", "atan"};
    static const char *const two[] = {"add", "mul", "sub", "max", "min"};
    unsigned a = pick(p, rank), small = below(rank + 1), b = pick(p, small);

    if (below(2)) {
        say(p, "%%r%u_%u = %s %%r%u_%u : %s\n", rank, p->count[rank], one[below(7)], rank, a,
            shape[rank]);
    } else { /* products stay bounded */
        say(p, "%%t%u = %s %%r%u_%u, %%r%u_%u : %s\n", p->fresh, two[below(5)], rank, a, small, b,
            shape[rank]);
        say(p, "%%r%u_%u = sin %%t%u : %s\n", rank, p->count[rank], p->fresh++, shape[rank]);
    }
    p->count[rank]++;
}

static void moving_step(program *p)
{
    unsigned a = pick(p, 2), b = pick(p, 2), v = p->fresh++, what = below(7);
    static const char *const reductions[] = {"sum", "max", "min"};

    switch (what) {
    case 0:
        say(p, "%%r1_%u = reduce %%r2_%u [kind=%s, axes=[0], keep=0] : f64[3]\n", p->count[1]++, a,
            reductions[below(3)]);
        return;
    case 1:
        say(p, "%%r0_%u = reduce %%r1_%u [kind=%s, axes=[0], keep=0] : f64[]\n", p->count[0]++,
            pick(p, 1), reductions[below(3)]);
        return;
    case 2:
        say(p, "%%t%u = dot %%r2_%u, %%r2_%u [contract_a=[1], contract_b=[1]] : f64[2,2]\n", v, a,
            b);
        say(p, "%%r2_%u = dot %%t%u, %%r2_%u [contract_a=[1], contract_b=[0]] : f64[2,3]\n",
            p->count[2]++, v, pick(p, 2));
        return;
    case 3:
        say(p, "%%r2_%u = softmax %%r2_%u [axis=%u] : f64[2,3]\n", p->count[2]++, a, below(2));
        return;
    case 4:
        say(p, "%%t%u = concat %%r2_%u, %%r2_%u [axis=1] : f64[2,6]\n", v, a, b);
        say(p, "%%r2_%u = slice %%t%u [start=[0, %u], step=[1, %u]] : f64[2,3]\n", p->count[2]++, v,
            below(2), 1 + below(2));
        return;
    case 5:
        say(p,
            "%%r2_%u = cumulate %%r2_%u [kind=%s, axis=%u, exclusive=%u, reverse=%u] : f64[2,3]\n",
            p->count[2]++, a, below(2) ? "add" : "mul", below(2), below(2), below(2));
        return;
    default:
        say(p, "%%i%u = const [values=[%u, %u]] : i64[2]\n", v, below(2), below(2));
        say(p, "%%r2_%u = gather %%r2_%u, %%i%u [axis=0, batch_dims=0] : f64[2,3]\n", p->count[2]++,
            a, v);
        return;
    }
}

static void steps(program *p, unsigned n);

/* A branch or a loop; values made inside are forgotten behind it. */
static void region_step(program *p)
{
    unsigned c = pick(p, 0), a = pick(p, 2), v = p->fresh++, in[3];
    bool loop = below(2);

    memcpy(in, p->count, sizeof in);
    p->depth++;
    if (loop) {
        say(p,
            "%%t%u = scan %%r2_%u [carried=1, trips=3, reverse=%u] : f64[2,3] (%%k%u: i64[], "
            "%%r2_%u: f64[2,3]) {\n",
            v, a, below(2), v, p->count[2]);
        p->count[2]++;
        steps(p, 3);
        say(p, "%%y%u = tanh %%r2_%u : f64[2,3]\nyield %%y%u\n}\n", v, p->count[2] - 1, v);
    } else {
        say(p, "%%c%u = lt %%r0_%u, %.2f:f64 : bool[]\n%%t%u = if %%c%u : f64[2,3] {\n", v, c,
            uniform(-0.5, 0.5), v, v);
        steps(p, 3);
        say(p, "yield %%r2_%u\n} {\n", p->count[2] - 1);
        memcpy(p->count, in, sizeof in);
        steps(p, 2);
        say(p, "yield %%r2_%u\n}\n", p->count[2] - 1);
    }
    p->depth--;
    memcpy(p->count, in, sizeof in);
    say(p, "%%r2_%u = sin %%t%u : f64[2,3]\n", p->count[2]++, v);
}

static void steps(program *p, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned what = below(p->depth < 2 ? 7 : 6);
        if (what == 6)
            region_step(p);
        else if (what < 3)
            elementwise_step(p, below(3));
        else
            moving_step(p);
    }
}

static void random_graphs(unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++) {
        program p = {.count = {1, 1, 1}};
        char name[40];

        seed = 1000 + i;
        say(&p, "graph @f (%%r0_0: f64[], %%r1_0: f64[3], %%r2_0: f64[2,3]) {\n");
        steps(&p, 9);
        say(&p, "yield %%r0_%u, %%r1_%u, %%r2_%u\n}\n", p.count[0] - 1, p.count[1] - 1,
            p.count[2] - 1);
        snprintf(name, sizeof name, "random graph %u", i);
        if (p.n < sizeof p.text)
            try_case(name, p.text, -0.9, 0.9, true);
    }
}

/* ---- the table ---- */

static void every_op_has_a_rule_and_a_case(void)
{
    for (int code = 1; code < NNC_OP_COUNT; code++) {
        const nnc_op_info *info = &nnc_op_infos[code];
        bool marks = code == NNC_OP_grad || code == NNC_OP_vjp || code == NNC_OP_jvp ||
                     code == NNC_OP_call || code == NNC_OP_fused;
        if (!(info->levels & NNC_LEVEL_G) || info->class == 'N' || marks)
            continue;
        test_state.checks += 2;
        if (!nnc_ad_has_rule((nnc_opcode)code))
            test_failed(__FILE__, __LINE__, "'%s' of class %c has no rule (d: \"%s\")", info->name,
                        info->class, info->d);
        if (!tried[code] && code != NNC_OP_leaf)
            test_failed(__FILE__, __LINE__, "'%s' has no case here", info->name);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) { /* one file of IR: for looking into a failure */
        char *text = test_read_file(argv[1], NULL);
        try_case(argv[1], text, argc > 2 ? atof(argv[2]) : -1, argc > 3 ? atof(argv[3]) : 1, true);
        free(text);
        return test_end();
    }
    if (getenv("NNC_RANDOM_GRAPHS")) /* more of them, from 1000 on */
        random_graphs(1000, (unsigned)atoi(getenv("NNC_RANDOM_GRAPHS")));
    elementwise();
    cases();
    random_graphs(0, 40);
    RUN(every_op_has_a_rule_and_a_case);
    return test_end();
}
