/* frontend/onnx/rows_nn_resize.c - Resize and Upsample.
 *
 * Each resized axis is a sum of taps: for output position o, coordinate c(o) in the input,
 * weights of the neighbours floor(c) + t, indices clamped to the edge.  Coordinates are computed
 * in f32, as ONNX Runtime does, by ordinary ops: constant folding turns them into tables, and
 * scales that only the run knows work as well.  Whole nearest-neighbour enlargements become a
 * broadcast. */
#include "frontend/onnx/rows.h"

enum coord {
    HALF_PIXEL,
    HALF_PIXEL_SYMMETRIC,
    PYTORCH_HALF_PIXEL,
    ALIGN_CORNERS,
    ASYMMETRIC,
    TF_CROP,
    TF_HALF_PIXEL_NN
};
static const char *const coord_names[] = {
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel",  "align_corners",
    "asymmetric", "tf_crop_and_resize",   "tf_half_pixel_for_nn"};
enum nearest { PREFER_FLOOR, PREFER_CEIL, FLOOR, CEIL };
static const char *const nearest_names[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil"};
enum mode { NEAREST, LINEAR, CUBIC };

struct resize {
    nnc_onnx_cx *cx;
    enum mode mode;
    enum coord coord;
    enum nearest nearest;
    bool antialias, exclude_outside;
    double a; /* cubic_coeff_a */
    int rank, naxis;
    int axis[NNC_MAX_RANK];        /* resized axes: entry i of roi, scales and sizes */
    nnc_dim out[NNC_MAX_RANK];     /* per axis of the tensor */
    nnc_value scale[NNC_MAX_RANK]; /* f32[] per entry */
    double known[NNC_MAX_RANK];    /* the scale, 0 when only the run knows it */
    nnc_value roi;                 /* f32[2 * naxis] or none */
    nnc_value outside;             /* bool: positions that take extrapolation_value; none */
};

static nnc_value num(struct resize *r, double v)
{
    return nnc_cx_num(r->cx, NNC_DT_f32, v);
}
static nnc_value op1(struct resize *r, nnc_opcode c, nnc_value x)
{
    return nnc_cx_op1(r->cx, c, x);
}
static nnc_value op2(struct resize *r, nnc_opcode c, nnc_value x, nnc_value y)
{
    return nnc_cx_op2(r->cx, c, x, y);
}
static nnc_value size_of(struct resize *r, nnc_dim d)
{
    return nnc_cx_extent(r->cx, d, NNC_DT_f32);
}

static nnc_status pick(nnc_onnx_cx *cx, const char *attr, const char *dflt,
                       const char *const *names, int n, int *out)
{
    const char *s = nnc_onnx_node_str(cx->node, attr, dflt), *all = names[0];
    for (int i = 0; i < n; i++)
        if (!strcmp(s, names[i])) {
            *out = i;
            return NNC_OK;
        }
    for (int i = 1; i < n; i++)
        all = nnc_arena_printf(cx->a, "%s, %s", all, names[i]);
    return nnc_cx_bad_attr(cx, attr, nnc_arena_printf(cx->a, "one of %s", all));
}

/* Element i of a vector, rank 0 in f32. */
static nnc_value element(struct resize *r, nnc_value v, int i)
{
    return nnc_g_cast(&r->cx->b, nnc_cx_scalar(r->cx, nnc_g_slice_axis(&r->cx->b, v, 0, i, 1, 1)),
                      NNC_DT_f32);
}

/* ---- sizes ---- */

static nnc_status scaled_dim(struct resize *r, nnc_dim in, double scale, nnc_dim *out)
{
    nnc_onnx_cx *cx = r->cx;
    if (!(scale > 0))
        return nnc_cx_error(cx, "a scale is %g, expected a positive number", scale);
    if (nnc_dim_is_const(in)) {
        double f = floor((double)((float)in * (float)scale));
        if (f > 1e15)
            return nnc_cx_error(cx, "scale %g makes an output of %g elements along one axis", scale,
                                f);
        *out = (int64_t)f;
    } else if (scale == floor(scale)) {
        *out = nnc_dim_mul(cx->dims, in, (int64_t)scale);
    } else if (1 / scale == floor(1 / scale)) {
        *out = nnc_dim_floordiv(cx->dims, in, (int64_t)(1 / scale));
    } else {
        return nnc_cx_error(cx, "scale %g of the symbolic dimension '%s'; pin it with --dim", scale,
                            nnc_cx_dim_text(cx, in));
    }
    return NNC_OK;
}

/* When only the run knows scales or sizes the declared shape must say the result. */
static nnc_status declared_dims(struct resize *r, const char *what)
{
    nnc_type_rec t;
    if (!nnc_cx_declared(r->cx, 0, &t) || t.rank != r->rank)
        return nnc_cx_error(r->cx,
                            "%s are only known at run time and the output has no declared shape; "
                            "make them constants",
                            what);
    memcpy(r->out, t.dim, sizeof t.dim);
    return NNC_OK;
}

static nnc_status from_scales(struct resize *r, nnc_value x, nnc_value scales)
{
    uint32_t n;
    const double *s;
    bool known = nnc_cx_floats(r->cx, scales, &n, &s);
    if (nnc_cx_rank(r->cx, scales) != 1 || nnc_cx_dim(r->cx, scales, 0) != r->naxis)
        return nnc_cx_error(r->cx, "scales are %s, expected %d numbers",
                            nnc_cx_type_text(r->cx, scales), r->naxis);
    if (!known)
        NNC_TRY(declared_dims(r, "scales"));
    for (int i = 0; i < r->naxis; i++) {
        if (known)
            NNC_TRY(scaled_dim(r, nnc_cx_dim(r->cx, x, r->axis[i]), s[i], &r->out[r->axis[i]]));
        r->known[i] = known ? s[i] : 0;
        r->scale[i] = known ? num(r, s[i]) : element(r, scales, i);
    }
    return NNC_OK;
}

/* One scale for all axes, the smallest or the largest that the wanted sizes ask for. */
static void keep_aspect(struct resize *r, nnc_value x, nnc_value sizes, const nnc_dim *want,
                        bool larger)
{
    nnc_value best = {0};
    double scale = 0;
    bool known = want != NULL;
    for (int i = 0; i < r->naxis; i++) {
        nnc_dim in = nnc_cx_dim(r->cx, x, r->axis[i]);
        nnc_value s =
            op2(r, NNC_OP_div, want ? size_of(r, want[i]) : element(r, sizes, i), size_of(r, in));
        best = !i ? s : op2(r, larger ? NNC_OP_max : NNC_OP_min, best, s);
        known &= nnc_dim_is_const(in) && want && nnc_dim_is_const(want[i]) && in > 0;
        double v = known ? (double)want[i] / (double)in : 0;
        scale = !i ? v : larger ? fmax(scale, v) : fmin(scale, v);
    }
    for (int i = 0; i < r->naxis; i++) {
        r->scale[i] = known ? num(r, scale) : best;
        r->known[i] = known ? scale : 0;
        if (known)
            r->out[r->axis[i]] =
                (int64_t)floor(scale * (double)nnc_cx_dim(r->cx, x, r->axis[i]) + 0.5);
    }
}

static nnc_status from_sizes(struct resize *r, nnc_value x, nnc_value sizes)
{
    static const char *const policies[] = {"stretch", "not_larger", "not_smaller"};
    uint32_t n;
    const nnc_dim *want;
    int policy;
    NNC_TRY(pick(r->cx, "keep_aspect_ratio_policy", "stretch", policies, 3, &policy));
    if (nnc_cx_rank(r->cx, sizes) != 1 || nnc_cx_dim(r->cx, sizes, 0) != r->naxis)
        return nnc_cx_error(r->cx, "sizes are %s, expected %d numbers",
                            nnc_cx_type_text(r->cx, sizes), r->naxis);
    bool known = nnc_cx_dims(r->cx, sizes, &n, &want);
    if (!known)
        NNC_TRY(declared_dims(r, "sizes"));
    if (policy) {
        keep_aspect(r, x, sizes, known ? want : NULL, policy == 2);
        return NNC_OK;
    }
    for (int i = 0; i < r->naxis; i++) {
        nnc_dim in = nnc_cx_dim(r->cx, x, r->axis[i]), *out = &r->out[r->axis[i]];
        *out = known ? want[i] : *out;
        bool fixed = nnc_dim_is_const(in) && nnc_dim_is_const(*out) && in > 0;
        r->known[i] = fixed ? (double)((float)*out / (float)in) : 0;
        r->scale[i] =
            fixed ? num(r, r->known[i]) : op2(r, NNC_OP_div, size_of(r, *out), size_of(r, in));
    }
    return NNC_OK;
}

/* ---- coordinates ---- */

/* Position of each output in the input, f32[out]. */
static nnc_value coordinates(struct resize *r, int i, nnc_dim in)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_dim out = r->out[r->axis[i]];
    nnc_value o = nnc_g_iota(&cx->b, NNC_DT_f32, 1, &out, 0), half = num(r, 0.5), one = num(r, 1),
              zero = num(r, 0);
    nnc_value pixel = op2(r, NNC_OP_div, op2(r, NNC_OP_add, o, half), r->scale[i]),
              n = size_of(r, in), m = size_of(r, out);
    nnc_value single = op2(r, NNC_OP_le, m, one), last = op2(r, NNC_OP_sub, n, one);
    nnc_value steps = op2(r, NNC_OP_max, op2(r, NNC_OP_sub, m, one), one);
    switch (r->coord) {
    case HALF_PIXEL: return op2(r, NNC_OP_sub, pixel, half);
    case TF_HALF_PIXEL_NN: return pixel;
    case PYTORCH_HALF_PIXEL:
        return nnc_g_select(&cx->b, single, zero, op2(r, NNC_OP_sub, pixel, half));
    case ALIGN_CORNERS: /* the length is scale * n, which need not be whole */
        m = op2(r, NNC_OP_mul, r->scale[i], n);
        single = op2(r, NNC_OP_eq, m, one);
        steps = op2(r, NNC_OP_sub, m, one);
        return nnc_g_select(&cx->b, single, zero,
                            op2(r, NNC_OP_div, op2(r, NNC_OP_mul, o, last), steps));
    case ASYMMETRIC: return op2(r, NNC_OP_div, o, r->scale[i]);
    case HALF_PIXEL_SYMMETRIC: {
        nnc_value adjust = op2(r, NNC_OP_div, m, op2(r, NNC_OP_mul, r->scale[i], n));
        nnc_value shift =
            op2(r, NNC_OP_mul, op2(r, NNC_OP_mul, n, half), op2(r, NNC_OP_sub, one, adjust));
        return op2(r, NNC_OP_sub, op2(r, NNC_OP_add, shift, pixel), half);
    }
    default: {
        nnc_value from = element(r, r->roi, i), to = element(r, r->roi, i + r->naxis);
        nnc_value step =
            op2(r, NNC_OP_div, op2(r, NNC_OP_mul, op2(r, NNC_OP_sub, to, from), last), steps);
        nnc_value many =
            op2(r, NNC_OP_add, op2(r, NNC_OP_mul, from, last), op2(r, NNC_OP_mul, o, step));
        nnc_value middle =
            op2(r, NNC_OP_mul, op2(r, NNC_OP_mul, op2(r, NNC_OP_add, from, to), half), last);
        return nnc_g_select(&cx->b, single, middle, many);
    }
    }
}

/* v [out] standing at `axis` of a tensor. */
static nnc_value at_axis(struct resize *r, nnc_value v, int axis)
{
    nnc_dim dim[NNC_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    dim[axis] = r->out[axis];
    return nnc_cx_reshape(r->cx, v, r->rank, dim);
}

/* Coordinates that cropping puts outside of the input. */
static void note_outside(struct resize *r, int i, nnc_value c, nnc_dim in)
{
    if (r->coord != TF_CROP)
        return;
    nnc_value low = op2(r, NNC_OP_lt, c, num(r, 0)),
              high = op2(r, NNC_OP_lt, op2(r, NNC_OP_sub, size_of(r, in), num(r, 1)), c);
    nnc_value v = at_axis(r, op2(r, NNC_OP_or, low, high), r->axis[i]);
    r->outside = r->outside.id ? op2(r, NNC_OP_or, r->outside, v) : v;
}

static nnc_value clamp_index(struct resize *r, nnc_value f, nnc_dim in)
{
    nnc_value top = op2(r, NNC_OP_sub, size_of(r, in), num(r, 1));
    f = op2(r, NNC_OP_min, op2(r, NNC_OP_max, f, num(r, 0)), op2(r, NNC_OP_max, top, num(r, 0)));
    return nnc_g_cast(&r->cx->b, f, NNC_DT_i64);
}

/* ---- one axis ---- */

static nnc_value nearest_axis(struct resize *r, nnc_value x, int i, nnc_value c)
{
    nnc_value half = num(r, 0.5);
    switch (r->nearest) {
    case PREFER_FLOOR: c = op1(r, NNC_OP_ceil, op2(r, NNC_OP_sub, c, half)); break;
    case PREFER_CEIL: c = op1(r, NNC_OP_floor, op2(r, NNC_OP_add, c, half)); break;
    case FLOOR: c = op1(r, NNC_OP_floor, c); break;
    default: c = op1(r, NNC_OP_ceil, c); break;
    }
    return nnc_g_gather(&r->cx->b, x, clamp_index(r, c, nnc_cx_dim(r->cx, x, r->axis[i])),
                        r->axis[i], 0);
}

/* Keys' cubic at distance d >= 0: ((a + 2) d - (a + 3)) d^2 + 1 up to 1, a ((d - 5) d + 8) d - 4 a
 * up to 2, then 0. */
static nnc_value cubic(struct resize *r, nnc_value d)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_value d2 = op2(r, NNC_OP_mul, d, d);
    nnc_value in = op2(r, NNC_OP_sub, op2(r, NNC_OP_mul, num(r, r->a + 2), d), num(r, r->a + 3));
    in = op2(r, NNC_OP_add, op2(r, NNC_OP_mul, in, d2), num(r, 1));
    nnc_value out =
        op2(r, NNC_OP_add, op2(r, NNC_OP_mul, op2(r, NNC_OP_sub, d, num(r, 5)), d), num(r, 8));
    out = op2(r, NNC_OP_sub, op2(r, NNC_OP_mul, op2(r, NNC_OP_mul, out, d), num(r, r->a)),
              num(r, 4 * r->a));
    nnc_value far = nnc_g_select(&cx->b, op2(r, NNC_OP_lt, d, num(r, 2)), out, num(r, 0));
    return nnc_g_select(&cx->b, op2(r, NNC_OP_le, d, num(r, 1)), in, far);
}

static nnc_value kernel(struct resize *r, nnc_value distance)
{
    nnc_value d = op1(r, NNC_OP_abs, distance);
    if (r->mode == CUBIC)
        return cubic(r, d);
    return op2(r, NNC_OP_max, op2(r, NNC_OP_sub, num(r, 1), d), num(r, 0));
}

/* Neighbours on each side: 1 or 2, wider when a shrinking axis is smoothed. */
static int64_t reach(struct resize *r, int i, nnc_dim in)
{
    int64_t taps = r->mode == CUBIC ? 2 : 1;
    if (!r->antialias)
        return taps;
    double scale = r->known[i];
    if (scale == 0 && nnc_dim_is_const(in) && nnc_dim_is_const(r->out[r->axis[i]]) && in > 0)
        scale = (double)r->out[r->axis[i]] / (double)in; /* the real one is not smaller */
    return scale > 0 && scale < 1 ? (int64_t)ceil((double)taps / scale) : taps;
}

/* Weights of all taps, each f32[out], their indices in at[]. */
static void tap_weights(struct resize *r, int i, nnc_value c, nnc_dim in, int64_t side,
                        nnc_value *w, nnc_value *at)
{
    nnc_value base = op1(r, NNC_OP_floor, c), n = size_of(r, in), sum = {0};
    nnc_value shrink = r->antialias ? op2(r, NNC_OP_min, r->scale[i], num(r, 1)) : num(r, 1);
    for (int64_t t = 0; t < 2 * side; t++) {
        nnc_value p = op2(r, NNC_OP_add, base, num(r, (double)(t - side + 1)));
        w[t] = kernel(r, op2(r, NNC_OP_mul, op2(r, NNC_OP_sub, p, c), shrink));
        if (r->exclude_outside) {
            nnc_value inside =
                op2(r, NNC_OP_and, op2(r, NNC_OP_le, num(r, 0), p), op2(r, NNC_OP_lt, p, n));
            w[t] = nnc_g_select(&r->cx->b, inside, w[t], num(r, 0));
        }
        at[t] = clamp_index(r, p, in);
        sum = sum.id ? op2(r, NNC_OP_add, sum, w[t]) : w[t];
    }
    for (int64_t t = 0; t < 2 * side && (r->exclude_outside || r->antialias); t++)
        w[t] = op2(r, NNC_OP_div, w[t], sum);
}

static nnc_value smooth_axis(struct resize *r, nnc_value x, int i, nnc_value c)
{
    nnc_onnx_cx *cx = r->cx;
    int axis = r->axis[i];
    nnc_dim in = nnc_cx_dim(cx, x, axis);
    int64_t side = reach(r, i, in);
    nnc_value *w = nnc_arena_array(cx->a, 2 * (size_t)side, sizeof *w),
              *at = nnc_arena_array(cx->a, 2 * (size_t)side, sizeof *at), y = {0};
    tap_weights(r, i, c, in, side, w, at);
    for (int64_t t = 0; t < 2 * side; t++) {
        nnc_value wt = nnc_g_cast(&cx->b, at_axis(r, w[t], axis), nnc_cx_dtype(cx, x));
        nnc_value part = op2(r, NNC_OP_mul, nnc_g_gather(&cx->b, x, at[t], axis, 0), wt);
        y = t ? op2(r, NNC_OP_add, y, part) : part;
    }
    return y;
}

/* Nearest neighbours of a whole enlargement: element o of the output is element o / k of the
 * input. */
static bool is_repeat(const struct resize *r, int i)
{
    double k = r->known[i];
    bool floors = r->coord == ASYMMETRIC && r->nearest == FLOOR,
         pixel = r->coord == HALF_PIXEL && r->nearest == PREFER_FLOOR;
    return r->mode == NEAREST && k >= 1 && k == floor(k) && (floors || pixel);
}

static nnc_value repeat_axis(struct resize *r, nnc_value x, int axis, int64_t k)
{
    nnc_type_rec t = nnc_cx_ty(r->cx, x);
    nnc_dim thin[NNC_MAX_RANK + 1], thick[NNC_MAX_RANK + 1];
    if (k == 1)
        return x;
    for (int i = 0, j = 0; i < t.rank; i++, j++) {
        thin[j] = thick[j] = t.dim[i];
        if (i == axis) {
            thin[++j] = 1;
            thick[j] = k;
        }
    }
    x = nnc_g_broadcast(&r->cx->b, nnc_cx_reshape(r->cx, x, t.rank + 1, thin), t.rank + 1, thick);
    t.dim[axis] = nnc_dim_mul(r->cx->dims, t.dim[axis], k);
    return nnc_cx_reshape(r->cx, x, t.rank, t.dim);
}

static nnc_value resize(struct resize *r, nnc_value x)
{
    for (int i = 0; i < r->naxis; i++) {
        nnc_dim in = nnc_cx_dim(r->cx, x, r->axis[i]);
        if (is_repeat(r, i) && r->rank < NNC_MAX_RANK) {
            x = repeat_axis(r, x, r->axis[i], (int64_t)r->known[i]);
            continue;
        }
        if (in == r->out[r->axis[i]] && r->known[i] == 1 && r->coord != TF_CROP)
            continue;
        nnc_value c = coordinates(r, i, in);
        note_outside(r, i, c, in);
        x = r->mode == NEAREST ? nearest_axis(r, x, i, c) : smooth_axis(r, x, i, c);
    }
    return x;
}

/* ---- the operators ---- */

static nnc_status read_axes(struct resize *r, nnc_value x)
{
    uint32_t n;
    const int64_t *given = nnc_onnx_node_ints(r->cx->node, "axes", &n);
    int64_t axes[NNC_MAX_RANK];
    nnc_type_rec t = nnc_cx_ty(r->cx, x);
    r->rank = r->naxis = t.rank;
    memcpy(r->out, t.dim, sizeof t.dim);
    for (int i = 0; i < t.rank; i++)
        r->axis[i] = i;
    if (!n)
        return NNC_OK;
    NNC_TRY(nnc_cx_axes(r->cx, n, given, t.rank, "attribute axes", axes));
    r->naxis = (int)n;
    for (uint32_t i = 0; i < n; i++)
        r->axis[i] = (int)axes[i];
    return NNC_OK;
}

static nnc_status finish(struct resize *r, nnc_value x)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_dtype dt = nnc_cx_dtype(cx, x);
    nnc_value wide = r->mode == NEAREST       ? x
                     : nnc_dtype_is_float(dt) ? nnc_cx_widen(cx, x)
                                              : nnc_g_cast(&cx->b, x, NNC_DT_f32);
    nnc_value y = resize(r, wide);
    if (r->outside.id) {
        nnc_value other =
            nnc_cx_like(cx, y, nnc_onnx_node_float(cx->node, "extrapolation_value", 0));
        y = nnc_g_select(&cx->b, r->outside, other, y);
    }
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, dt));
    return NNC_OK;
}

static nnc_status read_mode(struct resize *r)
{
    const char *s = nnc_onnx_node_str(r->cx->node, "mode", "nearest");
    r->mode = !strcmp(s, "cubic")                              ? CUBIC
              : !strcmp(s, "linear") || !strcmp(s, "bilinear") ? LINEAR
                                                               : NEAREST;
    if (r->mode == NEAREST && strcmp(s, "nearest"))
        return nnc_cx_bad_attr(r->cx, "mode", "nearest, linear or cubic");
    return NNC_OK;
}

nnc_status nnc_row_resize(nnc_onnx_cx *cx)
{
    struct resize r = {.cx = cx, .a = nnc_onnx_node_float(cx->node, "cubic_coeff_a", -0.75)};
    nnc_value x = nnc_cx_in(cx, 0);
    int coord, near;
    NNC_TRY(read_mode(&r));
    NNC_TRY(pick(cx, "coordinate_transformation_mode", "half_pixel", coord_names, 7, &coord));
    NNC_TRY(pick(cx, "nearest_mode", "round_prefer_floor", nearest_names, 4, &near));
    r.coord = (enum coord)coord;
    r.nearest = (enum nearest)near;
    r.antialias = r.mode != NEAREST && nnc_onnx_node_int(cx->node, "antialias", 0);
    r.exclude_outside = nnc_onnx_node_int(cx->node, "exclude_outside", 0) != 0;
    NNC_TRY(read_axes(&r, x));
    bool scales =
        nnc_cx_has(cx, 2) && (!nnc_cx_has(cx, 3) || nnc_cx_dim(cx, nnc_cx_in(cx, 2), 0) != 0);
    if (!scales && !nnc_cx_has(cx, 3))
        return nnc_cx_error(cx, "neither scales nor sizes are given");
    NNC_TRY(scales ? from_scales(&r, x, nnc_cx_in(cx, 2)) : from_sizes(&r, x, nnc_cx_in(cx, 3)));
    if (r.coord == TF_CROP) {
        if (!nnc_cx_has(cx, 1) || nnc_cx_dim(cx, nnc_cx_in(cx, 1), 0) != 2 * r.naxis)
            return nnc_cx_error(cx, "tf_crop_and_resize needs input roi with %d numbers",
                                2 * r.naxis);
        r.roi = nnc_cx_in(cx, 1);
    }
    return finish(&r, x);
}

/* Upsample, and Resize of opset 10.  arg: 1 when the scales are an attribute, 2 when they are one
 * for each of height and width */
nnc_status nnc_row_upsample(nnc_onnx_cx *cx)
{
    struct resize r = {.cx = cx, .coord = ASYMMETRIC, .nearest = FLOOR};
    nnc_value x = nnc_cx_in(cx, 0), scales;
    NNC_TRY(read_mode(&r));
    NNC_TRY(read_axes(&r, x));
    if (cx->arg) {
        uint32_t n;
        const float *s = nnc_onnx_node_floats(cx->node, "scales", &n);
        float hw[4] = {1, 1, (float)nnc_onnx_node_float(cx->node, "height_scale", 1),
                       (float)nnc_onnx_node_float(cx->node, "width_scale", 1)};
        nnc_dim count = cx->arg == 2 ? 4 : n;
        if (cx->arg == 2)
            s = hw;
        scales = nnc_g_const_data(&cx->b, NNC_DT_f32, 1, &count, s);
    } else {
        scales = nnc_cx_in(cx, 1);
    }
    NNC_TRY(from_scales(&r, x, scales));
    return finish(&r, x);
}
