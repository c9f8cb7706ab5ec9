/* A 3x3 convolution of stride 1 as Winograd's F(n x n, 3 x 3): the plan begins with `winograd:n`.
 *
 * The output is cut into tiles of n x n.  For each strip of `h` rows of tiles three stages run: the input's tiles are
 * transformed into `v`, (n + 2)^2 products of matrices [tiles, i] x [i, o] go to `p`, and tiles of `p` are transformed back into the
 * positions of the convolution's result, where the epilogue is computed.  The other loops of the plan are those of the
 * products, over f (the place in a tile), m (tiles), o and i.  Strips keep v and p in the cache.
 *
 * When n does not divide the output the last tiles lie over their neighbours, and only what is new is stored: nothing
 * is computed twice, so that epilogues may work in place. */
#include <string.h>
#include "passes/lower/kernel.h"
#include "passes/lower/winograd.h"

static bool all_ints(const nnc_kx *x, nnc_word key, int64_t want)
{
    unsigned n;
    const int64_t *a = nnc_attr_ints(x->m, x->root, key, &n);
    for (unsigned i = 0; i < n; i++)
        if (want <= 0 ? a[i] > want : a[i] != want)
            return false;
    return true;
}

static bool is_f32(const nnc_kx *x, nnc_value v)
{
    return nnc_value_ty(x->m, v)->dtype == NNC_DT_f32 &&
           nnc_type_is_static(x->m, nnc_value_type(x->m, v));
}

/* The weights are seen through views only, so their numbers are those of the constant. */
static bool plain_weights(const nnc_kx *x)
{
    nnc_value v = nnc_op_in(x->m, x->root, 1);
    for (nnc_op op = nnc_value_op(x->m, v); op.id; op = nnc_value_op(x->m, v)) {
        if (!nnc_op_has(x->m, op, NNC_VIEW))
            return false;
        v = nnc_op_in(x->m, op, 0);
    }
    return true;
}

bool nnc_kx_winograd_fits(nnc_kx *x, int n)
{
    if (!nnc_winograd_known(n) || x->shape != NNC_SHAPE_ROOT ||
        nnc_op_code(x->m, x->root) != NNC_OP_conv ||
        nnc_attr_word(x->m, x->root, NNC_W_layout, NNC_W_nchw) != NNC_W_nhwc)
        return false;
    nnc_value in = nnc_op_in(x->m, x->root, 0), w = nnc_op_in(x->m, x->root, 1),
              out = nnc_op_out(x->m, x->root, 0);
    const nnc_type_rec *y = nnc_value_ty(x->m, out), *k = nnc_value_ty(x->m, w);
    return y->rank == 4 && is_f32(x, in) && is_f32(x, w) && is_f32(x, out) && k->dim[0] == 3 &&
           k->dim[1] == 3 && y->dim[0] > 0 && y->dim[1] >= n && y->dim[2] >= n &&
           nnc_attr_int(x->m, x->root, NNC_W_groups, 1) == 1 && all_ints(x, NNC_W_stride, 1) &&
           all_ints(x, NNC_W_dilation, 1) && all_ints(x, NNC_W_lhs_dilation, 1) &&
           all_ints(x, NNC_W_lo, 0) && all_ints(x, NNC_W_hi, 0) && plain_weights(x) &&
           nnc_kx_packable(x).id;
}

static int64_t tiles_of(int64_t size, int n)
{
    return (size + n - 1) / n;
}

void nnc_kx_winograd_axes(nnc_kx *x)
{
    nnc_kwinograd *g = &x->winograd;
    const nnc_type_rec *y = nnc_value_ty(x->m, nnc_op_out(x->m, x->root, 0));
    int n = x->plan.winograd;
    *g = (nnc_kwinograd){.weights = nnc_kx_packable(x), .from = x->pack_address};
    for (int i = 0; i < 4; i++)
        g->w_axis[i] = nnc_kx_axis(x, "yxio"[i]);
    g->b = y->dim[0];
    g->h = y->dim[1];
    g->w = y->dim[2];
    g->o = y->dim[3];
    g->i = nnc_value_ty(x->m, nnc_op_in(x->m, x->root, 1))->dim[2];
    g->rows = tiles_of(g->h, n);
    for (unsigned i = 0; i < x->plan.n; i++)
        if (x->plan.loop[i].axis == 'h' && x->plan.loop[i].step < g->rows)
            g->rows = x->plan.loop[i].step;
    int64_t f = (n + 2) * (n + 2), m = g->rows * tiles_of(g->w, n);
    x->ax[0] = (nnc_kaxis){'f', false, f, f};
    x->ax[1] = (nnc_kaxis){'m', false, m, m};
    x->ax[2] = (nnc_kaxis){'o', false, g->o, g->o};
    x->ax[3] = (nnc_kaxis){'i', true, g->i, g->i};
    x->nax = 4;
    x->nout = 3;
    for (int d = 0; d < 3; d++)
        x->out[d] = nnc_kix_axis(x, d);
    x->pack_address = nnc_kix_const(0); /* of the transformed weights, [f, i, o] */
    x->pack_address.c[0] = g->i * g->o;
    x->pack_address.c[2] = 1;
    x->pack_address.c[3] = g->o;
}

static nnc_winograd_kernel kernel_of(const nnc_kx *x, nnc_op source, const nnc_kix *address,
                                     const int *axis)
{
    nnc_winograd_kernel k = {.at = (const float *)nnc_const_data(x->m, source) + address->k};
    for (int d = 0; d < 4; d++)
        k.stride[d] = address->c[axis[d]];
    k.i = nnc_value_ty(x->m, nnc_op_in(x->m, x->root, 1))->dim[2];
    return k;
}

nnc_blob nnc_kx_winograd_weights(nnc_kx *x, nnc_op source)
{
    const nnc_kwinograd *g = &x->winograd;
    nnc_winograd_kernel k = kernel_of(x, source, &g->from, g->w_axis);
    int64_t per = g->i * g->o;
    size_t bytes = (size_t)(x->ax[0].hi * per) * sizeof *k.at;
    float *to = nnc_arena_alloc(x->m->arena, bytes);
    for (int64_t i = 0; i < g->i; i++)
        for (int64_t o = 0; o < g->o; o++) {
            double w[3][3];
            nnc_winograd_read(&k, i, o, w);
            nnc_winograd_weights(x->plan.winograd, w, to + i * g->o + o, per);
        }
    return nnc_blob_new(x->m, to, bytes, nnc_op_loc(x->m, source));
}

double nnc_kx_winograd_error(nnc_kx *x, int n)
{
    enum { CHANNELS = 8 };
    nnc_value arg = nnc_kx_packable(x);
    nnc_op source = nnc_value_op(x->m, nnc_op_in(x->m, x->fused, nnc_value_get(x->m, arg)->index));
    int axis[4];
    double worst = 0;
    for (int d = 0; d < 4; d++)
        axis[d] = nnc_kx_axis(x, "yxio"[d]);
    nnc_winograd_kernel k = kernel_of(x, source, &x->pack_address, axis);
    int64_t outputs = x->ax[axis[3]].hi, step = (outputs + CHANNELS - 1) / CHANNELS;
    for (int64_t o = 0; o < outputs; o += step) {
        double e = nnc_winograd_error(n, &k, o);
        worst = e > worst ? e : worst;
    }
    return worst;
}

/* [f, m, c]; planes a multiple of 4 kB apart would fall into one set of the cache. */
nnc_type nnc_kx_winograd_buffer(nnc_kx *x, bool products)
{
    int64_t c = products ? x->winograd.o : x->winograd.i, m = x->ax[1].hi, plane = m * c;
    nnc_dim dim[3] = {x->ax[0].hi, m, c};
    plane += plane % 1024 == 0 ? 16 : 0;
    int64_t stride[3] = {plane, c, 1};
    return nnc_type_buffer(x->m, NNC_DT_f32, 1, 3, dim, stride, NNC_SPACE_arena);
}

void nnc_kx_winograd_update(nnc_kx *x)
{
    nnc_kix at[3] = {nnc_kix_axis(x, 0), nnc_kix_axis(x, 1), nnc_kix_axis(x, 3)}, unused[4];
    for (int d = 0; d < 4; d++)
        unused[d] = nnc_kix_const(0);
    nnc_value acc = nnc_kx_acc_load(x, 0), v = nnc_kx_load(x, x->winograd.v, 3, at),
              u = nnc_kx_value(x, x->winograd.weights, unused);
    nnc_kx_acc_store(x, 0, nnc_kx_bin(x, NNC_OP_add, acc, nnc_kx_bin(x, NNC_OP_mul, v, u)));
}

/* ---- the stages ---- */

static nnc_value k2(nnc_kx *x, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_k_binary(&x->b, code, a, b);
}
static nnc_value num(nnc_kx *x, int64_t v)
{
    return nnc_const_idx(x->m, v);
}
static nnc_value serial(nnc_kx *x, int64_t n, const char *name)
{
    return n == 1 ? num(x, 0)
                  : nnc_k_for(&x->b, num(x, 0), num(x, n), num(x, 1), NNC_W_serial, name);
}
static void end(nnc_kx *x, int64_t n)
{
    if (n > 1)
        nnc_k_end(&x->b);
}

typedef struct strip {
    nnc_value b, first; /* batch, first row of tiles */
    int64_t rows;
} strip;

/* First output of tile t of a dim: the last tile ends with the dim. */
static nnc_value origin(nnc_kx *x, nnc_value t, int64_t size)
{
    int n = x->plan.winograd;
    nnc_value at = k2(x, NNC_OP_mul, t, num(x, n));
    return size % n ? k2(x, NNC_OP_min, at, num(x, size - n)) : at;
}

/* The axes of the two transforms: a tile's first output, and a channel. */
static void tile_axes(nnc_kx *x, int64_t channels)
{
    const nnc_kwinograd *g = &x->winograd;
    int n = x->plan.winograd;
    int64_t extent[4] = {g->b, g->h - n + 1, g->w - n + 1, channels};
    for (int a = 0; a < 4; a++) {
        x->ax[a] = (nnc_kaxis){"bhwc"[a], false, extent[a], extent[a]};
        x->out[a] = nnc_kix_axis(x, a);
    }
    x->nax = x->nout = 4;
}

typedef void (*tile_fn)(nnc_kx *x, nnc_value tile, int64_t y0, int64_t x0);

/* fn for all channels of a tile: vectors, and powers of two for the rest. */
static void channels(nnc_kx *x, tile_fn fn, nnc_value tile, int64_t y0, int64_t x0)
{
    int64_t n = x->ax[3].hi, at = 0;
    for (int64_t lanes = x->winograd.lanes; n > at; lanes /= 2) {
        int64_t trips = (n - at) / lanes;
        if (!trips)
            continue;
        nnc_value c = k2(x, NNC_OP_mul, serial(x, trips, "c"), num(x, lanes));
        nnc_value lane = num(x, 0);
        if (lanes > 1)
            lane = nnc_k_for(&x->b, num(x, 0), num(x, lanes), num(x, 1), NNC_W_vector, "c");
        x->idx[3] = k2(x, NNC_OP_add, k2(x, NNC_OP_add, c, num(x, at)), lane);
        fn(x, tile, y0, x0);
        end(x, lanes);
        end(x, trips);
        at += trips * lanes;
    }
}

/* Index of place f of a tile in v or p. */
static void cell(nnc_kx *x, int f, nnc_value tile, nnc_value *ix)
{
    ix[0] = num(x, f);
    ix[1] = tile;
    ix[2] = x->idx[3];
}

static void transform_input(nnc_kx *x, nnc_value tile, int64_t y0, int64_t x0)
{
    int n = x->plan.winograd, size = n + 2;
    nnc_value v[36], ix[3];
    (void)y0;
    (void)x0;
    x->memo.n = 0;
    for (int f = 0; f < size * size; f++) {
        nnc_kix at[4] = {x->out[0], nnc_kix_addk(x->out[1], f / size + x->winograd.crop[0]),
                         nnc_kix_addk(x->out[2], f % size + x->winograd.crop[1]), x->out[3]};
        v[f] = nnc_kx_value(x, nnc_op_in(x->m, x->root, 0), at);
    }
    nnc_winograd_input(&x->b, n, v);
    for (int f = 0; f < size * size; f++) {
        cell(x, f, tile, ix);
        nnc_k_store(&x->b, v[f], x->winograd.v, 3, ix);
    }
}

static void transform_output(nnc_kx *x, nnc_value tile, int64_t y0, int64_t x0)
{
    int n = x->plan.winograd, size = n + 2;
    nnc_value v[36], ix[3];
    nnc_kix first[4];
    memcpy(first, x->out, sizeof first);
    for (int f = 0; f < size * size; f++) {
        cell(x, f, tile, ix);
        v[f] = nnc_k_load(&x->b, x->winograd.p, 3, ix);
    }
    nnc_winograd_output(&x->b, n, v);
    for (int64_t y = y0; y < n; y++)
        for (int64_t z = x0; z < n; z++) {
            x->out[1] = nnc_kix_addk(first[1], y);
            x->out[2] = nnc_kix_addk(first[2], z);
            x->winograd.result = v[y * n + z];
            nnc_kx_body(x);
        }
    memcpy(x->out, first, sizeof first);
}

/* A row of tiles; the last one may be a part. */
static void tile_row(nnc_kx *x, tile_fn fn, nnc_value row, int64_t y0, bool parts)
{
    const nnc_kwinograd *g = &x->winograd;
    int n = x->plan.winograd;
    int64_t all = tiles_of(g->w, n), whole = parts ? g->w / n : all;
    nnc_value base = k2(x, NNC_OP_mul, row, num(x, all)), t = serial(x, whole, "w");
    x->idx[2] = origin(x, t, parts ? whole * n : g->w);
    channels(x, fn, k2(x, NNC_OP_add, base, t), y0, 0);
    end(x, whole);
    if (whole == all)
        return;
    x->idx[2] = num(x, g->w - n);
    channels(x, fn, k2(x, NNC_OP_add, base, num(x, whole)), y0, n - g->w % n);
}

static void input_stage(nnc_kx *x, const strip *s)
{
    nnc_kx save = *x;
    unsigned n;
    const int64_t *lo = nnc_attr_ints(x->m, x->root, NNC_W_lo, &n);
    for (unsigned d = 0; d < 2; d++)
        x->winograd.crop[d] = d < n ? -lo[d] : 0;
    tile_axes(x, x->winograd.i);
    nnc_value r = serial(x, s->rows, "h");
    x->idx[0] = s->b;
    x->idx[1] = origin(x, k2(x, NNC_OP_add, s->first, r), x->winograd.h);
    tile_row(x, transform_input, r, 0, false);
    end(x, s->rows);
    save.b = x->b;
    *x = save;
}

static void product_stage(nnc_kx *x, const strip *s)
{
    nnc_kx save = *x;
    x->ax[1].extent = x->ax[1].hi = s->rows * tiles_of(x->winograd.w, x->plan.winograd);
    x->keep = nnc_op_out(x->m, x->root, 0);
    x->to = x->winograd.p;
    nnc_kx_nest(x);
    save.b = x->b;
    *x = save;
}

static void output_stage(nnc_kx *x, const strip *s)
{
    nnc_kx save = *x;
    int n = x->plan.winograd;
    int64_t part = x->winograd.h % n;
    tile_axes(x, x->winograd.o);
    x->mode = NNC_MODE_EPILOGUE;
    nnc_value r = serial(x, s->rows, "h"), row = k2(x, NNC_OP_add, s->first, r);
    x->idx[0] = s->b;
    x->idx[1] = origin(x, row, x->winograd.h);
    if (part)
        nnc_k_if(&x->b, k2(x, NNC_OP_lt, row, num(x, x->winograd.h / n)));
    tile_row(x, transform_output, r, 0, true);
    if (part) {
        nnc_k_else(&x->b);
        tile_row(x, transform_output, r, n - part, true);
        nnc_k_end(&x->b);
    }
    end(x, s->rows);
    save.b = x->b;
    *x = save;
}

/* `count` strips of `rows` rows of tiles, from row `first` on. */
static void strips(nnc_kx *x, nnc_value b, int64_t first, int64_t count, int64_t rows)
{
    if (!count)
        return;
    nnc_value i = serial(x, count, "s");
    strip s = {b, k2(x, NNC_OP_add, num(x, first), k2(x, NNC_OP_mul, i, num(x, rows))), rows};
    input_stage(x, &s);
    product_stage(x, &s);
    output_stage(x, &s);
    end(x, count);
}

void nnc_kx_winograd_nest(nnc_kx *x)
{
    const nnc_kwinograd *g = &x->winograd;
    int64_t tall = tiles_of(g->h, x->plan.winograd), n = tiles_of(tall, (int)g->rows),
            least = tall / n, more = tall % n;
    nnc_value b = serial(x, g->b, "b");
    strips(x, b, 0, more, least + 1);
    strips(x, b, more * (least + 1), n - more, least);
    end(x, g->b);
}
