/* dot and conv: both are C[m, n] = sum over k of A[m, k] * B[k, n], A read by rows, B by pieces of rows.
 *
 * Blocks of 16 rows by 256 columns accumulate in double, so one piece of B serves 16 rows and the inner loop is a plain
 * multiply-add over columns.  Products of integers up to 16 bits are exact in double as well (sums below 2^53); wider
 * integers take a plain 64-bit loop.  A conv is one such product per image and group whose B is never built: columns are
 * output positions, rows are (channel, kernel position), looked up in tables of source coordinates. */
#include "ir/interp_priv.h"
#include <string.h>

enum { BM = 16, BN = 256, BK = 128 };

typedef struct product product;
struct product {
    int64_t m, n, k;
    void (*row_a)(const product *, int64_t m, int64_t k0, int64_t n, double *to);
    void (*row_b)(const product *, int64_t k, int64_t n0, int64_t n, double *to);
    void (*put)(const product *, int64_t m, int64_t n0, int64_t n, const double *from);
    const void *user;
};

static void block(const product *p, int64_t m0, int64_t nm, int64_t n0, int64_t nn,
                  double (*acc)[BN])
{
    static _Thread_local double a[BM][BK], b[BN];

    memset(acc, 0, sizeof(double) * BM * BN);
    for (int64_t k0 = 0; k0 < p->k; k0 += BK) {
        int64_t nk = p->k - k0 < BK ? p->k - k0 : BK;
        for (int64_t i = 0; i < nm; i++)
            p->row_a(p, m0 + i, k0, nk, a[i]);
        for (int64_t k = 0; k < nk; k++) {
            p->row_b(p, k0 + k, n0, nn, b);
            for (int64_t i = 0; i < nm; i++) {
                double f = a[i][k], *restrict to = acc[i];
                for (int64_t j = 0; j < nn; j++)
                    to[j] += f * b[j];
            }
        }
    }
}

static void multiply(const product *p)
{
    static _Thread_local double acc[BM][BN];

    for (int64_t n0 = 0; n0 < p->n; n0 += BN)
        for (int64_t m0 = 0; m0 < p->m; m0 += BM) {
            int64_t nm = p->m - m0 < BM ? p->m - m0 : BM, nn = p->n - n0 < BN ? p->n - n0 : BN;
            block(p, m0, nm, n0, nn, acc);
            for (int64_t i = 0; i < nm; i++)
                p->put(p, m0 + i, n0, nn, acc[i]);
        }
}

/* A sum as an element: floats round once, integers wrap. */
static void put_one(const nnc_tensor *out, int64_t i, double v)
{
    nnc_num n = {v, 0};

    if (out->dtype == NNC_DT_f32) {
        ((float *)out->data)[i] = (float)v;
        return;
    }
    if (!nnc_dtype_is_float(out->dtype))
        n.i = (int64_t)v;
    nnc_num_store(out->dtype, nnc_cell(out, i), n);
}

/* Integers whose sums of k products may leave the exact range of double need the 64-bit loop. */
static bool exact_in_double(nnc_dtype a, nnc_dtype b, int64_t k)
{
    int bits = nnc_dtype_infos[a].bits + nnc_dtype_infos[b].bits;

    if (nnc_dtype_is_float(a))
        return true;
    return bits <= 32 && k < (INT64_C(1) << (52 - bits));
}

/* ---- dot ---- */
typedef struct dims { /* offsets of all index tuples of some dimensions of a tensor */
    int64_t n;
    int64_t *off;
} dims;

typedef struct dot {
    const nnc_tensor *a, *b, *out;
    dims m, n, ka, kb;
    int64_t base_a, base_b, base_out;
} dot;

static dims offsets(nnc_interp *x, const nnc_tensor *t, const int64_t *axis, unsigned n)
{
    int64_t stride[NNC_MAX_RANK];
    nnc_walk w = {.rank = (int)n, .n = 1};
    dims o = {1, NULL};

    nnc_tensor_strides(t, stride);
    for (unsigned d = 0; d < n; d++) {
        w.dim[d] = t->dim[axis[d]];
        w.stride[0][d] = stride[axis[d]];
        o.n *= w.dim[d];
    }
    o.off = nnc_arena_array(x->a, (size_t)o.n, sizeof *o.off);
    for (int64_t i = 0; i < o.n; i++, nnc_walk_next(&w))
        o.off[i] = w.off[0];
    return o;
}

static unsigned free_axes(const nnc_tensor *t, const int64_t *p, unsigned np, const int64_t *q,
                          unsigned nq, int64_t *axis)
{
    bool used[NNC_MAX_RANK] = {false};
    unsigned n = 0;

    for (unsigned i = 0; i < np; i++)
        used[p[i]] = true;
    for (unsigned i = 0; i < nq; i++)
        used[q[i]] = true;
    for (int d = 0; d < t->rank; d++)
        if (!used[d])
            axis[n++] = d;
    return n;
}

static void load_at(const nnc_tensor *t, int64_t base, const int64_t *off, int64_t n, double *to)
{
    if (t->dtype == NNC_DT_f32) {
        const float *f = (const float *)t->data + base;
        for (int64_t i = 0; i < n; i++)
            to[i] = (double)f[off[i]];
        return;
    }
    for (int64_t i = 0; i < n; i++)
        nnc_load_f64(t->dtype, t->data, base + off[i], 0, 1, &to[i]);
}

static void dot_row_a(const product *p, int64_t m, int64_t k0, int64_t n, double *to)
{
    const dot *d = p->user;
    load_at(d->a, d->base_a + d->m.off[m], d->ka.off + k0, n, to);
}

static void dot_row_b(const product *p, int64_t k, int64_t n0, int64_t n, double *to)
{
    const dot *d = p->user;
    load_at(d->b, d->base_b + d->kb.off[k], d->n.off + n0, n, to);
}

static void dot_put(const product *p, int64_t m, int64_t n0, int64_t n, const double *from)
{
    const dot *d = p->user;
    for (int64_t i = 0; i < n; i++)
        put_one(d->out, d->base_out + m * p->n + n0 + i, from[i]);
}

static void dot_integers(const dot *d)
{
    nnc_dtype ta = d->a->dtype, tb = d->b->dtype;

    for (int64_t m = 0; m < d->m.n; m++)
        for (int64_t n = 0; n < d->n.n; n++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < d->ka.n; k++) {
                nnc_num p =
                    nnc_num_load(ta, nnc_cell(d->a, d->base_a + d->m.off[m] + d->ka.off[k]));
                nnc_num q =
                    nnc_num_load(tb, nnc_cell(d->b, d->base_b + d->n.off[n] + d->kb.off[k]));
                sum += (uint64_t)p.i * (uint64_t)q.i;
            }
            nnc_num_store(d->out->dtype, nnc_cell(d->out, d->base_out + m * d->n.n + n),
                          (nnc_num){0, (int64_t)sum});
        }
}

INTERP(dot)
{
    static const nnc_word keys[] = {NNC_W_batch_a, NNC_W_batch_b, NNC_W_contract_a,
                                    NNC_W_contract_b};
    int64_t axis[4][NNC_MAX_RANK], left[NNC_MAX_RANK];
    unsigned n[4], nleft;
    dot d = {.a = &in[0], .b = &in[1], .out = out};
    product p = {.row_a = dot_row_a, .row_b = dot_row_b, .put = dot_put, .user = &d};
    dims ba, bb;

    for (int k = 0; k < 4; k++) {
        const int64_t *v = nnc_attr_ints(x->m, op, keys[k], &n[k]);
        if (n[k])
            memcpy(axis[k], v, n[k] * sizeof *v);
    }
    for (unsigned k = 0; k < n[2]; k++)
        if (in[0].dim[axis[2][k]] != in[1].dim[axis[3][k]])
            return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                             "contracted dimensions differ: %lld against %lld",
                             (long long)in[0].dim[axis[2][k]], (long long)in[1].dim[axis[3][k]]);
    for (unsigned k = 0; k < n[0]; k++)
        if (in[0].dim[axis[0][k]] != in[1].dim[axis[1][k]])
            return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                             "batch dimensions differ: %lld against %lld",
                             (long long)in[0].dim[axis[0][k]], (long long)in[1].dim[axis[1][k]]);
    ba = offsets(x, &in[0], axis[0], n[0]);
    bb = offsets(x, &in[1], axis[1], n[1]);
    d.ka = offsets(x, &in[0], axis[2], n[2]);
    d.kb = offsets(x, &in[1], axis[3], n[3]);
    nleft = free_axes(&in[0], axis[0], n[0], axis[2], n[2], left);
    d.m = offsets(x, &in[0], left, nleft);
    nleft = free_axes(&in[1], axis[1], n[1], axis[3], n[3], left);
    d.n = offsets(x, &in[1], left, nleft);
    p.m = d.m.n;
    p.n = d.n.n;
    p.k = d.ka.n;
    for (int64_t b = 0; b < ba.n; b++) {
        d.base_a = ba.off[b];
        d.base_b = bb.off[b];
        d.base_out = b * p.m * p.n;
        if (exact_in_double(in[0].dtype, in[1].dtype, p.k))
            multiply(&p);
        else
            dot_integers(&d);
    }
    return NNC_OK;
}

/* ---- conv ---- */
typedef struct conv {
    const nnc_tensor *out;
    int rank;                       /* spatial dimensions */
    int64_t in[3], size[3], pos[3]; /* input, kernel, output extents */
    int64_t *from[3];         /* [kernel index * pos + output index]: input coordinate or -1 */
    int64_t channels, kernel; /* per group; product of size[] */
    double *w,
        *x; /* [out channel][channel][kernel], [channel][input position] of one image and group */
    int64_t out_base, out_channel,
        out_pos;   /* result element of (channel 0, position 0), and strides */
    int64_t image; /* product of in[] */
} conv;

static void conv_row_a(const product *p, int64_t m, int64_t k0, int64_t n, double *to)
{
    const conv *c = p->user;
    memcpy(to, c->w + m * p->k + k0, (size_t)n * sizeof *to);
}

/* Columns are output positions n0 .. n0 + n - 1, row k is (channel, kernel position). */
static void conv_row_b(const product *p, int64_t k, int64_t n0, int64_t n, double *to)
{
    const conv *c = p->user;
    const double *x = c->x + k / c->kernel * c->image;
    const int64_t *from[3];
    int64_t at[3], rest = k % c->kernel, left = n0;

    for (int d = c->rank - 1; d >= 0; d--) {
        from[d] = c->from[d] + rest % c->size[d] * c->pos[d];
        rest /= c->size[d];
        at[d] = left % c->pos[d];
        left /= c->pos[d];
    }
    for (int64_t i = 0; i < n;) {
        int last = c->rank - 1;
        int64_t base = 0, run = c->pos[last] - at[last];
        bool none = false;
        for (int d = 0; d < last; d++) {
            none |= from[d][at[d]] < 0;
            base = (base + from[d][at[d]]) * c->in[d + 1];
        }
        run = run < n - i ? run : n - i;
        for (int64_t j = 0; j < run; j++) {
            int64_t s = from[last][at[last] + j];
            to[i + j] = none || s < 0 ? 0 : x[base + s];
        }
        i += run;
        at[last] = 0;
        for (int d = last - 1; d >= 0 && ++at[d] == c->pos[d]; d--)
            at[d] = 0;
    }
}

static void conv_put(const product *p, int64_t m, int64_t n0, int64_t n, const double *from)
{
    const conv *c = p->user;
    for (int64_t i = 0; i < n; i++)
        put_one(c->out, c->out_base + m * c->out_channel + (n0 + i) * c->out_pos, from[i]);
}

static int64_t ints_at(const int64_t *v, unsigned n, int d, int64_t dflt)
{
    return (unsigned)d < n ? v[d] : dflt;
}

/* Source coordinates of every (kernel index, output index) along each spatial dimension. */
static void coordinate_tables(nnc_interp *x, nnc_op op, conv *c)
{
    unsigned ns, nl, nd, nh;
    const int64_t *stride = nnc_attr_ints(x->m, op, NNC_W_stride, &ns),
                  *lo = nnc_attr_ints(x->m, op, NNC_W_lo, &nl);
    const int64_t *dil = nnc_attr_ints(x->m, op, NNC_W_dilation, &nd),
                  *lhs = nnc_attr_ints(x->m, op, NNC_W_lhs_dilation, &nh);

    for (int d = 0; d < c->rank; d++) {
        int64_t gap = ints_at(lhs, nh, d, 1);
        c->from[d] = nnc_arena_array(x->a, (size_t)(c->size[d] * c->pos[d]), sizeof(int64_t));
        for (int64_t k = 0; k < c->size[d]; k++)
            for (int64_t o = 0; o < c->pos[d]; o++) {
                int64_t i = o * ints_at(stride, ns, d, 1) + k * ints_at(dil, nd, d, 1) -
                            ints_at(lo, nl, d, 0);
                bool inside = i >= 0 && i % gap == 0 && i / gap < c->in[d];
                c->from[d][k * c->pos[d] + o] = inside ? i / gap : -1;
            }
    }
}

/* Wide integers: every product in 64 bits, wrapping.  Element of x: base_x + channel * step_c + position * step_p. */
typedef struct wide {
    const nnc_tensor *x, *w;
    int64_t base_x, step_c, step_p, base_w, step_o, step_i, step_k;
} wide;

static int64_t source_of(const conv *c, int64_t k, int64_t pos)
{
    int64_t from[3], at = 0;

    for (int d = c->rank - 1; d >= 0; d--) {
        from[d] = c->from[d][k % c->size[d] * c->pos[d] + pos % c->pos[d]];
        k /= c->size[d];
        pos /= c->pos[d];
        if (from[d] < 0)
            return -1;
    }
    for (int d = 0; d < c->rank; d++)
        at = at * c->in[d] + from[d];
    return at;
}

static void conv_integers(const conv *c, const product *p, const wide *v)
{
    for (int64_t o = 0; o < p->m; o++)
        for (int64_t pos = 0; pos < p->n; pos++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < c->kernel; k++) {
                int64_t at = source_of(c, k, pos);
                for (int64_t i = 0; i < c->channels && at >= 0; i++) {
                    nnc_num x = nnc_num_load(
                        v->x->dtype, nnc_cell(v->x, v->base_x + i * v->step_c + at * v->step_p));
                    nnc_num w = nnc_num_load(
                        v->w->dtype,
                        nnc_cell(v->w, v->base_w + o * v->step_o + i * v->step_i + k * v->step_k));
                    sum += (uint64_t)x.i * (uint64_t)w.i;
                }
            }
            nnc_num_store(c->out->dtype,
                          nnc_cell(c->out, c->out_base + o * c->out_channel + pos * c->out_pos),
                          (nnc_num){0, (int64_t)sum});
        }
}

/* The constants of one group as doubles. */
static void load_weights(const conv *c, const product *p, const wide *v)
{
    for (int64_t o = 0; o < p->m; o++)
        for (int64_t i = 0; i < c->channels; i++)
            nnc_load_f64(v->w->dtype, v->w->data, v->base_w + o * v->step_o + i * v->step_i,
                         v->step_k, c->kernel, c->w + o * p->k + i * c->kernel);
}

static void load_image(const conv *c, const wide *v)
{
    for (int64_t i = 0; i < c->channels; i++)
        nnc_load_f64(v->x->dtype, v->x->data, v->base_x + i * v->step_c, v->step_p, c->image,
                     c->x + i * c->image);
}

INTERP(conv)
{
    bool nhwc = nnc_attr_word(x->m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nhwc;
    int64_t groups = nnc_attr_int(x->m, op, NNC_W_groups, 1), images = in[0].dim[0], positions = 1;
    int rank = in[0].rank - 2, sx = nhwc ? 1 : 2, sw = nhwc ? 0 : 2;
    int64_t channels = in[0].dim[nhwc ? rank + 1 : 1], outs = in[1].dim[nhwc ? rank + 1 : 0];
    conv c = {
        .out = out, .rank = rank, .channels = in[1].dim[nhwc ? rank : 1], .kernel = 1, .image = 1};
    product p = {.row_a = conv_row_a, .row_b = conv_row_b, .put = conv_put, .user = &c};
    bool exact;
    wide v;

    for (int d = 0; d < rank; d++) {
        c.in[d] = in[0].dim[sx + d];
        c.size[d] = in[1].dim[sw + d];
        c.pos[d] = out->dim[sx + d];
        c.kernel *= c.size[d];
        c.image *= c.in[d];
        positions *= c.pos[d];
    }
    if (channels != c.channels * groups || outs % groups)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "conv of %lld channels in %lld groups with weights for %lld channels",
                         (long long)channels, (long long)groups, (long long)c.channels);
    coordinate_tables(x, op, &c);
    p.m = outs / groups;
    p.n = positions;
    p.k = c.channels * c.kernel;
    c.w = nnc_arena_array(x->a, (size_t)(p.m * p.k), sizeof *c.w);
    c.x = nnc_arena_array(x->a, (size_t)(c.channels * c.image), sizeof *c.x);
    c.out_channel = nhwc ? 1 : positions;
    c.out_pos = nhwc ? outs : 1;
    exact = exact_in_double(in[0].dtype, in[1].dtype, p.k);
    v = (wide){.x = &in[0],
               .w = &in[1],
               .step_c = nhwc ? 1 : c.image,
               .step_p = nhwc ? channels : 1,
               .step_o = nhwc ? 1 : p.k,
               .step_i = nhwc ? outs : c.kernel,
               .step_k = nhwc ? c.channels * outs : 1};
    for (int64_t g = 0; g < groups; g++) {
        v.base_w = g * p.m * v.step_o;
        load_weights(&c, &p, &v);
        for (int64_t b = 0; b < images; b++) {
            v.base_x = b * c.image * channels + g * c.channels * v.step_c;
            c.out_base = b * positions * outs + g * p.m * c.out_channel;
            if (!exact) {
                conv_integers(&c, &p, &v);
                continue;
            }
            load_image(&c, &v);
            multiply(&p);
        }
    }
    return NNC_OK;
}
