/* The choice of a plan: every row of rows.def that matches is tried with every tile of the target, the cost functions
 * predict cycles, the cheapest line becomes the `plan` attribute.  A fused op that has a plan already keeps it.
 *
 * What the model knows: multiply-adds and loads per tile against issue width and latency, remainders, the bytes of a
 * weight panel that every block of rows reads again against cache bandwidth.  What it does not: cold weights, write
 * bandwidth, page and set conflicts, and the host compiler. */
#include "passes/schedule/schedule.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "passes/lower/kernel.h"

bool nnc_schedule_claims(nnc_opcode code)
{
    return code == NNC_OP_softmax || code == NNC_OP_log_softmax || code == NNC_OP_layer_norm;
}

typedef enum {
    KIND_any,
    KIND_dot,
    KIND_conv,
    KIND_depthwise,
    KIND_window,
    KIND_rows,
    KIND_map,
    KIND_concat
} kernel_kind;
typedef struct facts {
    nnc_kx *x;
    const nnc_target *t;
    kernel_kind kind;
    int64_t m, n, k, o, h, w, c, taps, lanes,
        outer; /* extents of the axes (1 when absent); taps: window positions; outer: batches */
    bool packed, joined, heavy, scalar, bytes; /* bytes: packed products of four may be taken */
    uint32_t vec;                              /* axes that may be vectors */
    int64_t mr, nr, ku;                        /* the tile being tried */
    int winograd;                              /* largest Winograd tile allowed here, 0: none */
} facts;
typedef double (*cost_fn)(const facts *f);

static int64_t extent(const nnc_kx *x, char name)
{
    int a = nnc_kx_axis(x, name);
    return a < 0 ? 1 : x->ax[a].hi;
}

static bool can_vector(const facts *f, char name)
{
    int a = nnc_kx_axis(f->x, name);
    return f->lanes > 1 && a >= 0 && (f->vec >> a & 1);
}

static bool reduced(const facts *f, char name)
{
    int a = nnc_kx_axis(f->x, name);
    return a >= 0 && f->x->ax[a].red;
}

static kernel_kind kind_of(const nnc_kx *x)
{
    if (x->shape == NNC_SHAPE_MAP)
        return KIND_map;
    if (x->shape == NNC_SHAPE_CONCAT)
        return KIND_concat;
    if (x->shape == NNC_SHAPE_ROWS)
        return KIND_rows;
    switch (nnc_op_code(x->m, x->root)) {
    case NNC_OP_dot: return KIND_dot;
    case NNC_OP_conv:
        return extent(x, 'g') > 1 && extent(x, 'o') == 1 && extent(x, 'i') == 1 ? KIND_depthwise
                                                                                : KIND_conv;
    case NNC_OP_window_reduce: return KIND_window;
    default: return KIND_any;
    }
}

/* May kernel x and channel run as one axis?  Asks the lowering by trying. */
static bool joins(const nnc_kx *x)
{
    nnc_kx try = *x;
    return x->shape == NNC_SHAPE_ROOT && nnc_kx_plan(&try, "t:1 pack") && try.t_axis >= 0;
}

/* Are the operands bytes that lie side by side?  *joined: also with kernel x and channel as one axis, in fours? */
static bool takes_bytes(nnc_kx *x, kernel_kind kind, bool *joined)
{
    nnc_kx try = *x;
    bool adjacent;
    int a = nnc_kx_axis(x, kind == KIND_dot ? 'k' : kind == KIND_conv ? 'i' : 'x');
    if ((kind != KIND_dot && kind != KIND_conv && kind != KIND_depthwise) || a < 0)
        return false;
    if (*joined && nnc_kx_plan(&try, "t:4 t:1d pack") && !nnc_kx_plan_fault(&try))
        return true;
    if (!nnc_kx_bytes(x, a, &adjacent))
        return false;
    *joined = false;
    return adjacent || kind == KIND_depthwise;
}

/* The largest Winograd tile that the kernel can have and the options allow. */
static int winograd_tile(nnc_kx *x, const nnc_options *opt)
{
    int n = opt->winograd == NNC_WINOGRAD_OFF ? 0 : opt->winograd == NNC_WINOGRAD_2 ? 2 : 4;
    bool guard = opt->winograd == NNC_WINOGRAD_AUTO;
    while (n && (!nnc_kx_winograd_fits(x, n) ||
                 (guard && nnc_kx_winograd_error(x, n) > NNC_WINOGRAD_ERROR)))
        n -= 2;
    return n;
}

static void gather(facts *f, nnc_kx *x, const nnc_options *opt)
{
    const nnc_target *t = opt->target;
    memset(f, 0, sizeof *f);
    f->x = x;
    f->t = t;
    f->lanes = t->lanes;
    f->kind = kind_of(x);
    f->m = extent(x, 'm');
    f->n = extent(x, 'n');
    f->k = extent(x, 'k') * extent(x, 'l');
    f->o = extent(x, 'o');
    f->h = extent(x, 'h');
    f->w = extent(x, 'w');
    f->c = extent(x, 'c');
    f->taps = 1;
    f->outer = extent(x, 'b') * extent(x, 'd') * extent(x, 'e') * extent(x, 'p');
    for (int a = 0; a < x->nax; a++)
        if (x->ax[a].red && x->ax[a].name != 'i' && x->shape == NNC_SHAPE_ROOT)
            f->taps *= x->ax[a].hi;
    x->pack_arg = nnc_kx_packable(x);
    f->packed = x->pack_arg.id != 0;
    f->joined = f->packed && joins(x);
    f->bytes = f->packed && takes_bytes(x, f->kind, &f->joined);
    f->winograd = f->packed ? winograd_tile(x, opt) : 0;
    nnc_kx_probe(x);
    f->heavy = x->heavy > 0;
    f->vec = x->scalar_only ? 0 : ~x->novec;
    f->scalar = x->scalar_only || f->lanes < 2;
}

/* ---- costs, in cycles ---- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}
static double ceil_div(int64_t a, int64_t b)
{
    return (double)((a + b - 1) / b);
}

/* Vector instructions that n elements take: whole vectors and the powers of two of the rest. */
static double vectors(int64_t n, int64_t lanes)
{
    double v = (double)(n / lanes);
    for (int64_t r = n % lanes; r; r &= r - 1)
        v++;
    return v;
}

/* rows x cols outputs with a reduction of length k in tiles of mr x nr. */
static double tiles(const facts *f, int64_t rows, int64_t cols, int64_t k)
{
    double panel = (double)(k * f->nr * 4), bytes_per_cycle = panel <= f->t->l1_bytes / 2 ? 128
                                                              : panel <= f->t->l2_bytes * 3 / 4
                                                                  ? 48
                                                                  : 24;
    double total = 0, blocks = ceil_div(rows, f->mr), mr = (double)rows / blocks;
    for (int64_t n = 0; n < cols; n += f->nr) {
        double nv = vectors(cols - n < f->nr ? cols - n : f->nr, f->lanes);
        double step =
            larger(mr * nv * 0.55, larger((mr + nv) * 0.5, 4)); /* multiply-adds; loads; latency */
        double spill = mr * nv + nv + 1 > f->t->vector_regs ? 3 : 1;
        step = larger(step * spill, nv * (double)f->lanes * 4 / bytes_per_cycle);
        total += blocks * ((double)k * step + 15 + 2 * mr * nv);
    }
    return total;
}

static double cost_gemm(const facts *f)
{
    return (double)f->outer * tiles(f, f->m, f->n, f->k);
}

/* A step takes four products. */
static double cost_gemm_bytes(const facts *f)
{
    return (double)f->outer * tiles(f, f->m, f->n, (f->k + 3) / 4);
}

static double cost_gemv_bytes(const facts *f)
{
    double nv = vectors(f->nr < f->n ? f->nr : f->n, f->lanes);
    double step = larger(nv, 4.0 / (double)f->ku),
           spill = nv * (double)f->ku > f->t->vector_regs - 4 ? 4 : 1;
    return (double)f->outer * ceil_div(f->n, f->nr) * ((double)f->k / 4 * step * spill + 30);
}

static double cost_conv_bytes(const facts *f)
{
    int64_t x = extent(f->x, 'x'), i = extent(f->x, 'i'),
            k = f->joined ? (x * i + 3) / 4 : x * ((i + 3) / 4);
    double rows = (double)(f->h * extent(f->x, 'y'));
    return (double)(extent(f->x, 'b') * extent(f->x, 'd') * extent(f->x, 'g')) * rows *
           tiles(f, f->w, f->o, k);
}

static double cost_gemv(const facts *f)
{
    double nv = vectors(f->nr < f->n ? f->nr : f->n, f->lanes);
    double step = larger(nv, 4.0 / (double)f->ku),
           spill = nv * (double)f->ku > f->t->vector_regs - 4 ? 4 : 1;
    return (double)f->outer * ceil_div(f->n, f->nr) * ((double)f->k * step * spill + 30);
}

static double cost_conv(const facts *f)
{
    int64_t k = extent(f->x, 'x') * extent(f->x, 'i');
    double rows = (double)(f->h * extent(f->x, 'y')),
           inner = extent(f->x, 'i') < 4 && !f->joined ? 1.5 : 1.0;
    return (double)(extent(f->x, 'b') * extent(f->x, 'd') * extent(f->x, 'g')) * rows * inner *
           tiles(f, f->w, f->o, k);
}

/* Cycles to move bytes to or from where `held` of them lie. */
static double moved(const facts *f, double bytes, double held)
{
    return bytes / (held <= f->t->l2_bytes * .6 ? 32 : 10);
}

/* A Winograd convolution in tiles of n with `strip` rows of tiles at a time: the products, their weights read once per
 * strip, what goes through scratch, the transforms, and the weights' growth, which comes from memory. */
static double winograd_strips(const facts *f, int n, int64_t strip)
{
    int64_t i = extent(f->x, 'i'), o = f->o, place = (n + 2) * (n + 2), down = (f->h + n - 1) / n,
            across = (f->w + n - 1) / n, m = strip * across;
    double strips = ceil_div(down, strip), weights = (double)(place * i * o * 4),
           scratch = (double)(place * m * (i + o) * 4), in = n == 2 ? 50 : 190,
           out = n == 2 ? 35 : 130;
    double products = (double)place * tiles(f, m, o, i) + moved(f, weights, weights + scratch) +
                      moved(f, 2 * scratch, scratch);
    double transforms =
        (double)(down * across) * (in * vectors(i, f->lanes) + out * vectors(o, f->lanes));
    double growth = weights > 4e6 ? weights - (double)(9 * i * o * 4) : 0;
    return (double)extent(f->x, 'b') * (strips * products + transforms) + growth / 6;
}

/* The rows of tiles per strip that cost least. */
static int64_t winograd_strip(const facts *f, int n)
{
    double least = 0;
    int64_t down = (f->h + n - 1) / n, best = 0;
    for (int64_t count = 1; count <= down; count++) {
        int64_t strip = (down + count - 1) / count;
        double cost = winograd_strips(f, n, strip);
        if (!best || cost < least) {
            least = cost;
            best = strip;
        }
    }
    return best;
}

static double cost_winograd_2(const facts *f)
{
    return winograd_strips(f, 2, winograd_strip(f, 2));
}
static double cost_winograd_4(const facts *f)
{
    return winograd_strips(f, 4, winograd_strip(f, 4));
}

static double outputs(const facts *f)
{
    double n = 1;
    for (int a = 0; a < f->x->nax; a++)
        n *= (double)(f->x->ax[a].hi > 0 ? f->x->ax[a].hi : 1);
    return n;
}

static double cost_conv_rows(const facts *f)
{
    return outputs(f) / (double)f->lanes * 1.5;
}
static double cost_depthwise(const facts *f)
{
    return outputs(f) / (double)f->lanes;
}
static double cost_depthwise_bytes(const facts *f)
{
    return outputs(f) / (double)f->lanes * 0.6;
}
static double cost_vector(const facts *f)
{
    return outputs(f) / (double)f->lanes * 2;
}
static double cost_cells(const facts *f)
{
    return outputs(f) * 2;
}
static double cost_scalar(const facts *f)
{
    return outputs(f) * 4;
}

/* ---- rows ---- */

typedef struct row {
    const char *name;
    kernel_kind kind;
    bool (*holds)(const facts *f);
    const char *loops;
    cost_fn cost;
} row;

#define VEC(a)     can_vector(f, a)
#define RED(a)     reduced(f, a)
#define VECTORS(a) (extent(f->x, a) >= f->lanes)
#define SCHED(name, match, condition, loops, cost) \
    static bool holds_##name(const facts *f)       \
    {                                              \
        (void)f;                                   \
        return condition;                          \
    }
#include "passes/schedule/rows.def"

static const row rows[] = {
#define SCHED(name, match, condition, loops, cost) {#name, KIND_##match, holds_##name, loops, cost},
#include "passes/schedule/rows.def"
};

static void put_number(char **to, const char *end, int64_t v)
{
    int n = snprintf(*to, (size_t)(end - *to), "%lld", (long long)v);
    *to += n;
}

/* The row's line with its parameters filled in. */
static void fill(const facts *f, const char *loops, char *to, size_t size)
{
    const char *end = to + size;
    for (const char *p = loops; *p; p++) {
        if (*p != '{') {
            *to++ = *p;
        } else {
            if (!strncmp(p, "{MR}", 4))
                put_number(&to, end, f->mr);
            else if (!strncmp(p, "{NR}", 4))
                put_number(&to, end, f->nr);
            else if (!strncmp(p, "{STRIP", 6))
                put_number(&to, end, winograd_strip(f, p[6] - '0'));
            else if (!strncmp(p, "{VL}", 4))
                put_number(&to, end, f->lanes);
            else if (!strncmp(p, "{4VL}", 5))
                put_number(&to, end, 4 * f->lanes);
            else if (!strncmp(p, "{KU}", 4))
                put_number(&to, end, f->ku);
            else if (!strncmp(p, "{4KU}", 5))
                put_number(&to, end, 4 * f->ku);
            else if (f->packed)
                to += snprintf(to, (size_t)(end - to), "pack");
            p = strchr(p, '}');
        }
    }
    *to = 0;
}

/* Partial sums of a matrix-vector product: eight accumulators hide the latency. */
static int64_t partial_sums(const facts *f)
{
    int64_t nv = (f->nr < f->n ? f->nr : f->n) / f->lanes, ku = 8 / (nv > 0 ? nv : 1);
    return ku > f->k ? f->k : ku < 1 ? 1 : ku;
}

static void report_winograd(nnc_winograd_report *r, nnc_kx *x, const char *text)
{
    nnc_plan p;
    const char *at;
    if (!r || !nnc_plan_parse(&p, text, &at) || !p.winograd)
        return;
    uint64_t kernels = (uint64_t)(extent(x, 'i') * extent(x, 'o')) * 4;
    r->f2 += p.winograd == 2;
    r->f4 += p.winograd == 4;
    r->direct += 9 * kernels;
    r->bytes += (uint64_t)((p.winograd + 2) * (p.winograd + 2)) * kernels;
    r->error = larger(r->error, nnc_kx_winograd_error(x, p.winograd));
}

const char *nnc_schedule_choose(nnc_pass_cx *cx, nnc_op fused)
{
    nnc_kx *x = nnc_arena_alloc(cx->scratch, sizeof *x);
    facts f;
    char best[256] = "", text[256];
    const char *name = "";
    double least = 0;
    bool any = false;
    nnc_kx_init(x, cx->m, cx->scratch, fused);
    gather(&f, x, cx->opt);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if ((rows[i].kind != KIND_any && rows[i].kind != f.kind) || !rows[i].holds(&f))
            continue;
        bool tiled = strstr(rows[i].loops, "{NR}") != NULL;
        for (const nnc_tile *t = f.t->tile; t->mr || t == f.t->tile; t++) {
            f.mr = t->mr ? t->mr : 1;
            f.nr = t->nr ? t->nr : 1;
            f.ku = partial_sums(&f);
            double cost = rows[i].cost(&f);
            if (!any || cost < least) {
                any = true;
                name = rows[i].name;
                least = cost;
                fill(&f, rows[i].loops, text, sizeof text);
                memcpy(best, text, sizeof best);
            }
            if (!tiled)
                break;
        }
    }
    nnc_attr_set_str(cx->m, fused, NNC_W_plan, best);
    report_winograd(cx->opt->winograd_report, x, best);
    cx->changed++;
    return name;
}

const char *nnc_schedule_row_name(unsigned i)
{
    return i < sizeof rows / sizeof rows[0] ? rows[i].name : NULL;
}

static nnc_status schedule_block(nnc_pass_cx *cx, nnc_block b)
{
    for (nnc_op op = nnc_block_first(cx->m, b); op.id; op = nnc_op_next(cx->m, op)) {
        if (nnc_op_code(cx->m, op) == NNC_OP_fused) {
            NNC_TRY(nnc_kx_check(cx->m, op));
            if (!nnc_attr_find(cx->m, op, NNC_W_plan))
                nnc_schedule_choose(cx, op);
            continue;
        }
        for (unsigned i = 0; i < nnc_op_nregion(cx->m, op); i++)
            NNC_TRY(schedule_block(cx, nnc_op_region(cx->m, op, i)));
    }
    return NNC_OK;
}

nnc_status nnc_pass_schedule(nnc_pass_cx *cx)
{
    for (nnc_op f = nnc_block_first(cx->m, cx->m->top); f.id; f = nnc_op_next(cx->m, f))
        if (nnc_op_code(cx->m, f) == NNC_OP_graph)
            NNC_TRY(schedule_block(cx, nnc_op_region(cx->m, f, 0)));
    return NNC_OK;
}
