/* Convolutions and pooling: leading dimensions are folded into one batch axis around the op. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <math.h>
#include <string.h>

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

/* The number in the name: conv2d 2, max_pool3d 3; pools without one work on images. */
static int spatial_axes(const char *name)
{
    size_t n = strlen(name);
    return n > 2 && name[n - 1] == 'd' && name[n - 2] >= '1' && name[n - 2] <= '3'
               ? name[n - 2] - '0'
               : 2;
}

/* [.., c, s..] as [n, c, s..]; *lead: the axes that became n. */
static nn_v fold_leading(nn_trace *t, nn_v x, int kept, nn_shape *lead)
{
    nn_shape s = nn_shape_of(t, x), out = {.rank = kept + 1};
    *lead = s;
    lead->rank = s.rank - kept;
    out.dim[0] = nn_shape_size(t, lead);
    for (int i = 0; i < kept; i++)
        out.dim[i + 1] = s.dim[lead->rank + i];
    return nn_reshape_to(t, x, &out);
}

static nn_v unfold_leading(nn_trace *t, nn_v y, const nn_shape *lead)
{
    nn_shape s = nn_shape_of(t, y), out = *lead;
    for (int i = 1; i < s.rank; i++)
        out.dim[out.rank++] = s.dim[i];
    return nn_reshape_to(t, y, &out);
}

typedef struct conv {
    int n; /* spatial axes */
    nn_v x, k;
    int64_t groups, stride[3], dilation[3], lo[3], hi[3], extra[3];
} conv;

/* pad = p, [ph, pw], or low and high sides: [ph, pw, qh, qw]. */
static void read_padding(nn_trace *t, const nn_bcall *c, conv *v)
{
    nn_v pad = nn_argument(t, c, "pad");
    int64_t both[6];
    bool sides = pad && pad->kind == NN_V_list && pad->n == 2u * (unsigned)v->n && v->n > 1;
    nn_option_ints(t, c, "pad", (unsigned)(sides ? 2 * v->n : v->n), 0, both);
    for (int i = 0; i < v->n; i++) {
        v->lo[i] = both[i];
        v->hi[i] = both[sides ? v->n + i : i];
        if (v->lo[i] < 0 || v->hi[i] < 0)
            nn_fail(t, nn_arg_at(t, c, "pad")->loc, "the padding is negative");
    }
}

static void read_conv(nn_trace *t, const nn_bcall *c, conv *v)
{
    const char *name = c->self->name;
    unsigned n = (unsigned)(v->n = spatial_axes(name));
    v->x = nn_arg_tensor(t, c, "x");
    v->k = nn_arg_tensor(t, c, "k");
    if (v->x->is_key || v->k->is_key)
        nn_fail(t, c->at->loc, "%s of a key", name);
    nn_promote(t, &v->x, &v->k, c->at);
    if (nn_dtype(t, v->x) == NNC_DT_bool)
        nn_fail(t, c->at->loc, "%s of bools; convert them with f32(..)", name);
    if (nn_rank(t, v->x) < v->n + 1)
        nn_fail(t, nn_arg_at(t, c, "x")->loc, "%s of %s, expected [.., channels, %s]", name,
                nn_type_text(t, v->x),
                &"depth, height, width"[v->n == 3   ? 0
                                        : v->n == 2 ? 7
                                                    : 15]);
    if (nn_rank(t, v->k) != v->n + 2)
        nn_fail(t, nn_arg_at(t, c, "k")->loc, "the kernel of %s is %s, expected %d axes", name,
                nn_type_text(t, v->k), v->n + 2);
    nn_option_ints(t, c, "stride", n, 1, v->stride);
    nn_option_ints(t, c, "dilation", n, 1, v->dilation);
    read_padding(t, c, v);
    v->groups = nn_option_int(t, c, "groups", 1);
    for (unsigned i = 0; i < n; i++) {
        if (v->stride[i] < 1 || v->dilation[i] < 1)
            nn_fail(t, c->at->loc, "stride and dilation are at least 1");
        if (!nnc_dim_is_const(nn_axis_size(t, v->k, (int)i + 2)) ||
            nn_axis_size(t, v->k, (int)i + 2) < 1)
            nn_fail(t, nn_arg_at(t, c, "k")->loc, "the kernel is %s, expected static sizes",
                    nn_type_text(t, v->k));
    }
    if (v->groups < 1)
        nn_fail(t, nn_arg_at(t, c, "groups")->loc, "groups is %lld", (long long)v->groups);
}

/* Channels of x against those of the kernel. */
static void check_channels(nn_trace *t, const nn_bcall *c, const conv *v, nnc_dim in, nnc_dim out,
                           const char *axis)
{
    nnc_dim x = nn_axis_size(t, v->x, nn_rank(t, v->x) - v->n - 1);
    if (x != in)
        nn_fail(t, c->at->loc, "%s: %s has %s channels, the kernel %s takes %s%s", c->self->name,
                nn_type_text(t, v->x), nnc_dim_text(t->m->dims, x), nn_type_text(t, v->k),
                nnc_dim_text(t->m->dims, in), v->groups > 1 ? " in all groups" : "");
    if (!nnc_dim_is_const(out) || out % v->groups || !nnc_dim_is_const(in) || in % v->groups)
        nn_fail(t, c->at->loc, "%lld groups do not divide the %s", (long long)v->groups, axis);
}

static void check_fits(nn_trace *t, const nn_bcall *c, const conv *v)
{
    for (int i = 0; i < v->n; i++) {
        nnc_dim n = nn_axis_size(t, v->x, nn_rank(t, v->x) - v->n + i);
        int64_t k = (nn_axis_size(t, v->k, i + 2) - 1) * v->dilation[i] + 1;
        if (nnc_dim_hi(t->m->dims, n) != INT64_MAX &&
            nnc_dim_hi(t->m->dims, n) + v->lo[i] + v->hi[i] < k)
            nn_fail(t, c->at->loc, "%s: a window of %lld does not fit %s with padding %lld",
                    c->self->name, (long long)k, nn_type_text(t, v->x), (long long)v->lo[i]);
    }
}

nn_v nn_b_conv(nn_trace *t, const nn_bcall *c)
{
    conv v = {0};
    nnc_window w = {{0}, {0}, {0}, {0}, {0}, {0}};
    nn_shape lead;
    read_conv(t, c, &v);
    nnc_dim in = nnc_dim_mul(t->m->dims, nn_axis_size(t, v.k, 1), v.groups);
    check_channels(t, c, &v, in, nn_axis_size(t, v.k, 0), "channels");
    check_fits(t, c, &v);
    for (int i = 0; i < v.n; i++) {
        w.size[i] = nn_axis_size(t, v.k, i + 2);
        w.stride[i] = v.stride[i];
        w.dilation[i] = v.dilation[i];
        w.lhs_dilation[i] = 1;
        w.lo[i] = v.lo[i];
        w.hi[i] = v.hi[i];
    }
    nn_v x = fold_leading(t, v.x, v.n + 1, &lead);
    nnc_value y = nnc_g_conv(&t->b, x->ssa, v.k->ssa, &w, v.groups, NNC_W_nchw, NNC_DT_none);
    return unfold_leading(t, nn_like(t, x, y), &lead);
}

/* k [c, o / g, s..] as the kernel of the convolution that does the same: [o, c / g, s reversed]. */
static nnc_value turned_kernel(nn_trace *t, const conv *v)
{
    nn_shape s = nn_shape_of(t, v->k), g = {.rank = s.rank + 1}, out = s;
    int64_t perm[NNC_MAX_RANK];
    nnc_value k = v->k->ssa;
    for (int i = 0; i < v->n; i++)
        k = nnc_g_flip(&t->b, k, i + 2);
    g.dim[0] = v->groups;
    g.dim[1] = s.dim[0] / v->groups;
    for (int i = 1; i < s.rank; i++)
        g.dim[i + 1] = s.dim[i];
    k = nnc_g_reshape(&t->b, k, g.rank, g.dim);
    for (int i = 0; i < g.rank; i++)
        perm[i] = i;
    perm[1] = 2;
    perm[2] = 1;
    k = nnc_g_transpose(&t->b, k, perm);
    out.dim[0] = s.dim[1] * v->groups;
    out.dim[1] = s.dim[0] / v->groups;
    return nnc_g_reshape(&t->b, k, out.rank, out.dim);
}

nn_v nn_b_conv_transpose(nn_trace *t, const nn_bcall *c)
{
    conv v = {0};
    nnc_window w = {{0}, {0}, {0}, {0}, {0}, {0}};
    nn_shape lead;
    read_conv(t, c, &v);
    nn_option_ints(t, c, "output_pad", (unsigned)v.n, 0, v.extra);
    nnc_dim out = nnc_dim_mul(t->m->dims, nn_axis_size(t, v.k, 1), v.groups);
    check_channels(t, c, &v, nn_axis_size(t, v.k, 0), out, "channels");
    for (int i = 0; i < v.n; i++) {
        int64_t reach = (nn_axis_size(t, v.k, i + 2) - 1) * v.dilation[i];
        w.size[i] = nn_axis_size(t, v.k, i + 2);
        w.stride[i] = 1;
        w.dilation[i] = v.dilation[i];
        w.lhs_dilation[i] = v.stride[i];
        w.lo[i] = nnc_dim_const(t->m->dims, reach - v.lo[i]);
        w.hi[i] = nnc_dim_const(t->m->dims, reach - v.hi[i] + v.extra[i]);
        if (v.extra[i] < 0 || v.extra[i] >= v.stride[i] + (v.stride[i] == 1))
            nn_fail(t, nn_arg_at(t, c, "output_pad")->loc,
                    "output_pad is %lld, expected less than the stride", (long long)v.extra[i]);
    }
    nn_v x = fold_leading(t, v.x, v.n + 1, &lead);
    nnc_value y =
        nnc_g_conv(&t->b, x->ssa, turned_kernel(t, &v), &w, v.groups, NNC_W_nchw, NNC_DT_none);
    return unfold_leading(t, nn_like(t, x, y), &lead);
}

/* ---- pooling ---- */

static void read_window(nn_trace *t, const nn_bcall *c, nn_v x, int n, nnc_window *w)
{
    int rank = nn_rank(t, x), first = rank - n;
    int64_t size[3], stride[3], pad[3], dilation[3];
    nn_option_ints(t, c, "size", (unsigned)n, 1, size);
    nn_option_ints(t, c, nn_arg_given(t, c, "stride") ? "stride" : "size", (unsigned)n, 1, stride);
    nn_option_ints(t, c, "pad", (unsigned)n, 0, pad);
    nn_option_ints(t, c, "dilation", (unsigned)n, 1, dilation);
    for (int i = 0; i < rank; i++) {
        w->size[i] = w->stride[i] = w->dilation[i] = w->lhs_dilation[i] = 1;
        w->lo[i] = w->hi[i] = 0;
    }
    for (int i = 0; i < n; i++) {
        nnc_dim d = nn_axis_size(t, x, first + i);
        if (size[i] < 1 || stride[i] < 1 || pad[i] < 0 || dilation[i] < 1 || pad[i] >= size[i])
            nn_fail(t, c->at->loc,
                    "%s: size, stride and dilation are at least 1, the padding less than the size",
                    c->self->name);
        if (nnc_dim_hi(t->m->dims, d) != INT64_MAX &&
            nnc_dim_hi(t->m->dims, d) + 2 * pad[i] < (size[i] - 1) * dilation[i] + 1)
            nn_fail(t, c->at->loc, "%s: a window of %lld does not fit %s", c->self->name,
                    (long long)size[i], nn_type_text(t, x));
        w->size[first + i] = size[i];
        w->stride[first + i] = stride[i];
        w->dilation[first + i] = dilation[i];
        w->lo[first + i] = w->hi[first + i] = pad[i];
    }
}

nn_v nn_b_pool(nn_trace *t, const nn_bcall *c)
{
    int n = spatial_axes(c->self->name);
    bool mean = !strncmp(c->self->name, "avg", 3);
    nn_v x = nn_arg_tensor(t, c, "x");
    nnc_window w;
    if (nn_rank(t, x) < n || x->is_key || nn_dtype(t, x) == NNC_DT_bool)
        nn_fail(t, nn_arg_at(t, c, "x")->loc, "%s of %s, expected numbers with %d axes or more",
                c->self->name, nn_type_text(t, x), n);
    if (mean)
        x = nn_to_float(t, x);
    read_window(t, c, x, n, &w);
    if (!mean)
        return nn_like(t, x, nnc_g_window_reduce(&t->b, NNC_W_max, x->ssa, &w));
    nnc_value y = nnc_g_window_reduce(&t->b, NNC_W_sum, x->ssa, &w);
    int rank = nn_rank(t, x);
    int64_t area = 1;
    bool padded = false;
    for (int i = 0; i < rank; i++) {
        area *= w.size[i];
        padded |= w.lo[i] != 0 || w.hi[i] != 0;
    }
    nnc_dtype dt = nn_dtype(t, x);
    if (!padded)
        return nn_like(t, x, op2(t, NNC_OP_mul, y, nnc_g_float(&t->b, dt, 1.0 / (double)area)));
    nn_shape s = nn_shape_of(t, x);
    for (int i = 0; i < rank - n; i++)
        s.dim[i] = 1;
    nnc_value one = nn_full_tensor(t, nnc_g_float(&t->b, dt, 1), &s);
    nnc_value count = nnc_g_window_reduce(&t->b, NNC_W_sum, one, &w);
    return nn_like(t, x, op2(t, NNC_OP_div, y, count));
}
