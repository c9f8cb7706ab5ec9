/* A convolution with lhs_dilation s multiplies mostly zeros: output s * i + p of a dim only meets the kernel positions
 * k = r (mod s), r = (lo - p) mod s, and those read inputs i + (p + r - lo) / s + t, t = 0, 1, ..  So all outputs of
 * one phase p are an ordinary convolution with every s-th kernel position, and the phases of all dims together are one
 * convolution with (product of s) times the channels, whose result is interleaved:
 *
 *     x[N h w I] * w'[t u I, (p q O)] -> [N h w p q O] -> [N h p w q O] = [N H W O]
 *
 * Phases whose first input differs are aligned by shifting their taps; the gaps are zero.  For a kernel as large as the
 * stride there are none. */
#include "passes/layout_phases.h"
#include <string.h>
#include "ir/build.h"

enum { DIMS = 3 };
typedef struct phases {
    unsigned s;                    /* spatial dims */
    int64_t out, in, kernel[DIMS]; /* O, I, K of w: O I K.. */
    int64_t by[DIMS], lo[DIMS], hi[DIMS], stride[DIMS];
    int64_t first[DIMS], taps[DIMS]; /* of the new kernel: least input offset, length */
    nnc_dim n[DIMS], full[DIMS];     /* positions per phase, output size */
} phases;

static int64_t mod(int64_t a, int64_t b)
{
    return (a % b + b) % b;
}

static int64_t remainder_of(const phases *f, unsigned d, int64_t p)
{
    return mod(f->lo[d] - p, f->by[d]);
}
static int64_t offset_of(const phases *f, unsigned d, int64_t p)
{
    return (p + remainder_of(f, d, p) - f->lo[d]) / f->by[d];
}

static unsigned spatial(const nnc_module *m, nnc_op op, nnc_word key, int64_t *to, int64_t dflt)
{
    unsigned n;
    const int64_t *a = nnc_attr_ints(m, op, key, &n);
    for (unsigned i = 0; i < DIMS; i++)
        to[i] = i < n ? a[i] : dflt;
    return n;
}

static bool describe(nnc_module *m, nnc_op op, phases *f)
{
    nnc_type_rec w = *nnc_value_ty(m, nnc_op_in(m, op, 1)),
                 y = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    nnc_op source = nnc_value_op(m, nnc_op_in(m, op, 1));
    int64_t dilation[DIMS], product = 1;
    f->s = w.rank - 2u;
    if (f->s > DIMS || !source.id || nnc_op_code(m, source) != NNC_OP_const ||
        nnc_attr_int(m, op, NNC_W_groups, 1) != 1 ||
        nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) != NNC_W_nchw ||
        !nnc_type_is_static(m, nnc_value_type(m, nnc_op_in(m, op, 1))))
        return false;
    spatial(m, op, NNC_W_lhs_dilation, f->by, 1);
    spatial(m, op, NNC_W_lo, f->lo, 0);
    spatial(m, op, NNC_W_hi, f->hi, 0);
    spatial(m, op, NNC_W_stride, f->stride, 1);
    spatial(m, op, NNC_W_dilation, dilation, 1);
    f->out = w.dim[0];
    f->in = w.dim[1];
    for (unsigned d = 0; d < f->s; d++) {
        f->kernel[d] = f->taps[d] = w.dim[2 + d];
        f->full[d] = f->n[d] = y.dim[2 + d];
        f->first[d] = -f->lo[d];
        product *= f->by[d];
        if (f->by[d] == 1)
            continue;
        if (dilation[d] != 1 || f->stride[d] != 1 || f->kernel[d] < 1)
            return false;
        int64_t low = INT64_MAX, high = INT64_MIN;
        for (int64_t p = 0; p < f->by[d]; p++) {
            int64_t q = offset_of(f, d, p),
                    count = (f->kernel[d] - remainder_of(f, d, p) + f->by[d] - 1) / f->by[d];
            low = q < low ? q : low;
            high = q + count > high ? q + count : high;
        }
        f->first[d] = low;
        f->taps[d] = high > low ? high - low : 1;
        f->n[d] = nnc_dim_ceildiv(m->dims, f->full[d], f->by[d]);
    }
    return product > 1 && product <= 64;
}

/* w'[t.., I, (p.., O)] from w[O, I, k..]. */
static nnc_value make_weights(nnc_builder *b, nnc_op op, const phases *f)
{
    nnc_module *m = b->m;
    nnc_op source = nnc_value_op(m, nnc_op_in(m, op, 1));
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 1))->dtype;
    const char *from = nnc_const_data(m, source);
    size_t size = nnc_dtype_bytes(dt);
    int64_t P = 1, taps = 1, kernel = 1;
    nnc_dim dim[NNC_MAX_RANK];
    for (unsigned d = 0; d < f->s; d++) {
        P *= f->by[d];
        taps *= f->taps[d];
        kernel *= f->kernel[d];
        dim[d] = f->taps[d];
    }
    dim[f->s] = f->in;
    dim[f->s + 1] = P * f->out;
    char *to = nnc_arena_array(m->arena, (size_t)(taps * f->in * P * f->out), size);
    for (int64_t t = 0; t < taps; t++)
        for (int64_t p = 0; p < P; p++) {
            int64_t tr = t, pr = p, k = 0, scale = 1;
            bool inside = true;
            for (unsigned d = f->s; d-- > 0; tr /= f->taps[d], pr /= f->by[d]) {
                int64_t ph = pr % f->by[d], tap = tr % f->taps[d];
                int64_t kd = f->by[d] == 1
                                 ? tap
                                 : f->by[d] * (tap - (offset_of(f, d, ph) - f->first[d])) +
                                       remainder_of(f, d, ph);
                inside &= kd >= 0 && kd < f->kernel[d];
                k += kd * scale;
                scale *= f->kernel[d];
            }
            for (int64_t i = 0; i < f->in && inside; i++)
                for (int64_t o = 0; o < f->out; o++)
                    memcpy(to + (size_t)(((t * f->in + i) * P + p) * f->out + o) * size,
                           from + (size_t)((o * f->in + i) * kernel + k) * size, size);
        }
    return nnc_g_const_data(b, dt, (int)f->s + 2, dim, to);
}

/* [N n.. (p.. O)] -> [N (n p).. O], cut to the output size. */
static nnc_value interleave(nnc_builder *b, nnc_value v, const phases *f)
{
    nnc_module *m = b->m;
    nnc_dim dim[NNC_MAX_RANK], size[NNC_MAX_RANK], start[NNC_MAX_RANK] = {0};
    int64_t perm[NNC_MAX_RANK] = {0}, step[NNC_MAX_RANK];
    unsigned r = 0, rank = 2 * f->s + 2;
    dim[0] = nnc_value_ty(m, v)->dim[0];
    for (unsigned d = 0; d < f->s; d++) {
        dim[1 + d] = f->n[d];
        dim[1 + f->s + d] = f->by[d];
    }
    dim[rank - 1] = f->out;
    v = nnc_g_reshape(b, v, (int)rank, dim);
    perm[r++] = 0;
    for (unsigned d = 0; d < f->s; d++) {
        perm[r++] = 1 + d;
        perm[r++] = 1 + f->s + d;
    }
    perm[r] = rank - 1;
    v = nnc_g_transpose(b, v, perm);
    bool cut = false;
    size[0] = dim[0];
    for (unsigned d = 0; d < f->s; d++) {
        size[1 + d] = f->full[d];
        dim[1 + d] = nnc_dim_mul(m->dims, f->n[d], f->by[d]);
        cut |= dim[1 + d] != f->full[d];
    }
    dim[f->s + 1] = size[f->s + 1] = f->out;
    v = nnc_g_reshape(b, v, (int)f->s + 2, dim);
    for (unsigned d = 0; d < f->s + 2; d++)
        step[d] = 1;
    return cut ? nnc_g_slice(b, v, start, step, size) : v;
}

bool nnc_layout_phases(nnc_module *m, nnc_op op)
{
    phases f;
    if (!describe(m, op, &f))
        return false;
    nnc_builder b = nnc_builder_before(m, op);
    nnc_type_rec x = *nnc_value_ty(m, nnc_op_in(m, op, 0));
    nnc_window win = {.size = {0}};
    int64_t perm[NNC_MAX_RANK] = {0}, back[NNC_MAX_RANK] = {0};
    for (unsigned d = 0; d < f.s; d++) {
        win.stride[d] = f.stride[d];
        win.dilation[d] = win.lhs_dilation[d] = 1;
        win.lo[d] = f.lo[d];
        win.hi[d] = f.hi[d];
        if (f.by[d] > 1) {
            if (!nnc_dim_is_const(x.dim[2 + d]) || !nnc_dim_is_const(f.n[d]))
                return false;
            win.lo[d] = -f.first[d];
            win.hi[d] = f.n[d] - 1 + f.taps[d] - x.dim[2 + d] - win.lo[d];
        }
        perm[1 + d] = 2 + d;
        back[2 + d] = 1 + d;
    }
    perm[f.s + 1] = 1;
    back[1] = f.s + 1;
    unsigned n;
    const int64_t *dil = nnc_attr_ints(m, op, NNC_W_dilation, &n);
    for (unsigned d = 0; d < n && d < f.s; d++)
        if (f.by[d] == 1)
            win.dilation[d] = dil[d];
    nnc_value w = make_weights(&b, op, &f), in = nnc_g_transpose(&b, nnc_op_in(m, op, 0), perm);
    nnc_value v = nnc_g_conv(&b, in, w, &win, 1, NNC_W_nhwc,
                             (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype);
    v = interleave(&b, v, &f);
    v = nnc_g_transpose(&b, v, back);
    if (!nnc_value_get(m, v)->name.id)
        m->value.at[v.id].name = nnc_value_get(m, nnc_op_out(m, op, 0))->name;
    nnc_value_replace(m, nnc_op_out(m, op, 0), v);
    nnc_op_erase(m, op);
    return true;
}
