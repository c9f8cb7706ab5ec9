/* resize and grid_sample, as gathers with weights. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <math.h>
#include <string.h>

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

static nnc_value num(nn_trace *t, nnc_dtype dt, double v)
{
    return nnc_g_float(&t->b, dt, v);
}

static nnc_value extent(nn_trace *t, nnc_dtype dt, nnc_dim n)
{
    return nnc_g_cast(&t->b, nnc_g_extent(&t->b, n), dt);
}

/* ---- resize ---- */

/* Every element n times along `axis`. */
static nn_v repeat(nn_trace *t, nn_v x, int axis, int64_t n)
{
    nn_shape s = nn_shape_of(t, x), wide = {.rank = s.rank + 1};
    if (wide.rank > NNC_MAX_RANK)
        nn_fail(t, t->b.loc, "resize of %s: a tensor has at most %d axes", nn_type_text(t, x),
                NNC_MAX_RANK - 1);
    for (int i = 0; i <= s.rank; i++)
        wide.dim[i] = i <= axis ? s.dim[i] : i == axis + 1 ? 1 : s.dim[i - 1];
    nn_v y = nn_reshape_to(t, x, &wide);
    wide.dim[axis + 1] = n;
    y = nn_broadcast_to(t, y, &wide);
    s.dim[axis] = nnc_dim_mul(t->m->dims, s.dim[axis], n);
    return nn_reshape_to(t, y, &s);
}

/* Half-pixel centres: output o looks at (o + 1/2) n / m - 1/2. */
static nnc_value centres(nn_trace *t, nnc_dtype dt, nnc_dim n, nnc_dim m)
{
    nnc_value o = op2(t, NNC_OP_add, nnc_g_iota(&t->b, dt, 1, &m, 0), num(t, dt, 0.5));
    nnc_value scale = op2(t, NNC_OP_div, extent(t, dt, n), extent(t, dt, m));
    return op2(t, NNC_OP_mul, o, scale);
}

static nn_v resize_nearest(nn_trace *t, nn_v x, int axis, nnc_dim m)
{
    nnc_dim n = nn_axis_size(t, x, axis);
    int64_t times;
    nnc_dims *d = t->m->dims;
    if (nnc_dim_is_const(n) && n > 0 && nnc_dim_is_const(m) && m % n == 0)
        return repeat(t, x, axis, m / n);
    if (nnc_dim_value(d, nnc_dim_floordiv(d, m, n), &times) && nnc_dim_mul(d, n, times) == m)
        return repeat(t, x, axis, times);
    nnc_value at = nnc_g_unary(&t->b, NNC_OP_floor, centres(t, NNC_DT_f64, n, m));
    at = nnc_g_cast(&t->b, at, NNC_DT_i64);
    return nn_like(t, x, nnc_g_gather(&t->b, x->ssa, at, axis, 0));
}

static nn_v resize_linear(nn_trace *t, nn_v x, int axis, nnc_dim m)
{
    nnc_dim n = nn_axis_size(t, x, axis), one[NNC_MAX_RANK];
    nnc_dtype dt = nn_dtype(t, x);
    int rank = nn_rank(t, x);
    nnc_value at = op2(t, NNC_OP_sub, centres(t, NNC_DT_f64, n, m), num(t, NNC_DT_f64, 0.5));
    nnc_value last = op2(t, NNC_OP_sub, extent(t, NNC_DT_f64, n), num(t, NNC_DT_f64, 1));
    at = op2(t, NNC_OP_min, op2(t, NNC_OP_max, at, num(t, NNC_DT_f64, 0)), last);
    nnc_value low = nnc_g_unary(&t->b, NNC_OP_floor, at);
    nnc_value weight = nnc_g_cast(&t->b, op2(t, NNC_OP_sub, at, low), dt);
    nnc_value i = nnc_g_cast(&t->b, low, NNC_DT_i64);
    nnc_value j = op2(t, NNC_OP_add, i, nnc_g_int(&t->b, NNC_DT_i64, 1));
    for (int k = 0; k < rank; k++)
        one[k] = k == axis ? m : 1;
    weight = nnc_g_reshape(&t->b, weight, rank, one);
    nnc_value a = nnc_g_gather(&t->b, x->ssa, i, axis, 0);
    nnc_value b = nnc_g_gather(&t->b, x->ssa, j, axis, 0);
    b = op2(t, NNC_OP_mul, op2(t, NNC_OP_sub, b, a), weight);
    return nn_like(t, x, op2(t, NNC_OP_add, a, b));
}

/* The axes: those named, else those of an image (two) or a volume (three, when there are five axes or more). */
static unsigned resized_axes(nn_trace *t, const nn_bcall *c, nn_v x, int64_t *axes)
{
    int rank = nn_rank(t, x), n = rank >= 5 ? 3 : 2;
    if (nn_arg_given(t, c, "axis"))
        return nn_arg_axes(t, c, x, axes);
    if (rank < n)
        nn_fail(t, nn_arg_at(t, c, "x")->loc, "resize of %s, expected [.., h, w]",
                nn_type_text(t, x));
    for (int i = 0; i < n; i++)
        axes[i] = rank - n + i;
    return (unsigned)n;
}

nn_v nn_b_resize(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_arg_tensor(t, c, "x");
    int64_t axes[NNC_MAX_RANK], factor[NNC_MAX_RANK];
    bool linear = nn_option_word(t, c, "mode", "nearest linear") == 1;
    bool sized = nn_arg_given(t, c, "size");
    if (x->is_key || sized == nn_arg_given(t, c, "factor"))
        nn_fail(t, c->at->loc,
                "resize takes a factor or a size: resize[2](x), "
                "resize[size = [32, 32]](x)");
    unsigned n = resized_axes(t, c, x, axes);
    const char *what = sized ? "size" : "factor";
    nn_option_ints(t, c, what, n, 1, factor);
    if (linear)
        x = nn_to_float(t, x);
    for (unsigned i = 0; i < n; i++) {
        int axis = (int)axes[i];
        if (factor[i] < 1)
            nn_fail(t, nn_arg_at(t, c, what)->loc, "the %s of resize is %lld", what,
                    (long long)factor[i]);
        nnc_dim m =
            sized ? factor[i] : nnc_dim_mul(t->m->dims, nn_axis_size(t, x, axis), factor[i]);
        if (m != nn_axis_size(t, x, axis))
            x = linear ? resize_linear(t, x, axis, m) : resize_nearest(t, x, axis, m);
    }
    return x;
}

/* ---- grid_sample ---- */

typedef struct sampler {
    nn_trace *t;
    int n;     /* spatial axes */
    int batch; /* 1: x [n, c, s..] and points [n, .., d] */
    bool border, nearest, align;
    nnc_dtype dt;
    nnc_dim size[3];
    nnc_value low[3], fraction[3]; /* i64 and dt, [points..] */
    nnc_value inside[3][2];        /* bool: neighbour 0 or 1 exists */
    nnc_value image;               /* [b.., s.., c] */
} sampler;

static nnc_value clamp_index(nn_trace *t, nnc_value i, nnc_dim n)
{
    nnc_value last = nnc_g_extent(&t->b, nnc_dim_sub(t->m->dims, n, 1));
    return op2(t, NNC_OP_min, op2(t, NNC_OP_max, i, nnc_g_int(&t->b, NNC_DT_i64, 0)), last);
}

static nnc_value in_range(nn_trace *t, nnc_value i, nnc_dim n)
{
    nnc_value zero = nnc_g_int(&t->b, NNC_DT_i64, 0);
    return op2(t, NNC_OP_and, op2(t, NNC_OP_le, zero, i),
               op2(t, NNC_OP_lt, i, nnc_g_extent(&t->b, n)));
}

/* From -1 .. 1 to elements: the outer edges (align: the centres of the first and last element) are at -1 and 1. */
static void place(sampler *s, int i, nnc_value v)
{
    nn_trace *t = s->t;
    nnc_value n = extent(t, s->dt, s->size[i]), one = num(t, s->dt, 1), half = num(t, s->dt, 0.5);
    v = op2(t, NNC_OP_mul, op2(t, NNC_OP_add, v, one), half);
    v = s->align ? op2(t, NNC_OP_mul, v, op2(t, NNC_OP_sub, n, one))
                 : op2(t, NNC_OP_sub, op2(t, NNC_OP_mul, v, n), half);
    if (s->border)
        v = op2(t, NNC_OP_min, op2(t, NNC_OP_max, v, num(t, s->dt, 0)), op2(t, NNC_OP_sub, n, one));
    nnc_value low = nnc_g_unary(&t->b, s->nearest ? NNC_OP_round : NNC_OP_floor, v);
    s->fraction[i] = op2(t, NNC_OP_sub, v, low);
    s->low[i] = nnc_g_cast(&t->b, low, NNC_DT_i64);
}

/* The neighbour that `corner` names by bits, times its weight: [.., c]. */
static nnc_value corner_value(sampler *s, unsigned corner)
{
    nn_trace *t = s->t;
    nnc_value part[3], weight = {0}, inside = {0};
    const nnc_type_rec points = *nnc_value_ty(t->m, s->low[0]);
    nnc_type_rec r = points;
    r.dim[r.rank++] = 1;
    for (int i = 0; i < s->n; i++) {
        unsigned bit = corner >> i & 1;
        nnc_value at = op2(t, NNC_OP_add, s->low[i], nnc_g_int(&t->b, NNC_DT_i64, bit));
        nnc_value w = bit ? s->fraction[i] : op2(t, NNC_OP_sub, num(t, s->dt, 1), s->fraction[i]);
        nnc_value in = in_range(t, at, s->size[i]);
        part[i] = nnc_g_reshape(&t->b, clamp_index(t, at, s->size[i]), r.rank, r.dim);
        weight = weight.id ? op2(t, NNC_OP_mul, weight, w) : w;
        inside = inside.id ? op2(t, NNC_OP_and, inside, in) : in;
    }
    nnc_value index = nnc_g_concat(&t->b, (unsigned)s->n, part, points.rank);
    nnc_value v = nnc_g_gather_nd(&t->b, s->image, index, s->batch);
    if (s->nearest)
        weight = nnc_g_broadcast(&t->b, num(t, s->dt, 1), points.rank, points.dim);
    if (!s->border)
        weight = nnc_g_select(&t->b, inside, weight, num(t, s->dt, 0));
    return op2(t, NNC_OP_mul, v, nnc_g_reshape(&t->b, weight, r.rank, r.dim));
}

static void read_sampler(nn_trace *t, const nn_bcall *c, sampler *s, nn_v *x, nn_v *at)
{
    *x = nn_to_float(t, nn_arg_tensor(t, c, "x"));
    *at = nn_to_float(t, nn_arg_tensor(t, c, "at"));
    nn_promote(t, x, at, c->at);
    s->t = t;
    s->border = nn_option_word(t, c, "pad", "zeros border") == 1;
    s->nearest = nn_option_word(t, c, "mode", "linear nearest") == 1;
    s->align = nn_flag(t, c, "align", false);
    s->dt = nn_dtype(t, *x);
    int rank = nn_rank(t, *x), points = nn_rank(t, *at);
    nnc_dim n = points ? nn_axis_size(t, *at, points - 1) : 0;
    if (n < 1 || n > 3)
        nn_fail(t, nn_arg_at(t, c, "at")->loc,
                "the points of grid_sample are %s, expected [.., d] with d = 1, 2 or 3",
                nn_type_text(t, *at));
    s->n = (int)n;
    s->batch = rank - s->n - 1;
    if (s->batch < 0 || s->batch > 1 || points < s->batch + 1)
        nn_fail(t, nn_arg_at(t, c, "x")->loc,
                "grid_sample of %s at points of %d coordinates: expected [c, s..] or [n, c, s..]",
                nn_type_text(t, *x), s->n);
    if (s->batch && nn_axis_size(t, *x, 0) != nn_axis_size(t, *at, 0))
        nn_fail(t, c->at->loc, "grid_sample of %s at %s: the first axes differ",
                nn_type_text(t, *x), nn_type_text(t, *at));
    for (int i = 0; i < s->n; i++)
        s->size[i] = nn_axis_size(t, *x, s->batch + 1 + i);
}

nn_v nn_b_grid_sample(nn_trace *t, const nn_bcall *c)
{
    sampler s = {0};
    nn_v x, at;
    int64_t perm[NNC_MAX_RANK];
    read_sampler(t, c, &s, &x, &at);
    int rank = nn_rank(t, x), axis = nn_rank(t, at) - 1;
    for (int i = 0; i < rank; i++)
        perm[i] = i < s.batch ? i : i < rank - 1 ? i + 1 : s.batch;
    s.image = nnc_g_transpose(&t->b, x->ssa, perm);
    nn_shape points = nn_shape_of(t, at);
    points.rank--;
    for (int i = 0; i < s.n; i++) { /* coordinate 0 is that of the last axis */
        nnc_value v = nnc_g_slice_axis(&t->b, at->ssa, axis, s.n - 1 - i, 1, 1);
        place(&s, i, nnc_g_reshape(&t->b, v, points.rank, points.dim));
    }
    nnc_value y = corner_value(&s, 0);
    for (unsigned k = 1; !s.nearest && k < 1u << s.n; k++)
        y = op2(t, NNC_OP_add, y, corner_value(&s, k));
    rank = points.rank + 1; /* [b.., points.., c] to [b.., c, points..] */
    for (int i = 0; i < rank; i++)
        perm[i] = i < s.batch ? i : i == s.batch ? rank - 1 : i - 1;
    return nn_like(t, x, nnc_g_transpose(&t->b, y, perm));
}
