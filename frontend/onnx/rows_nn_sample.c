/* frontend/onnx/rows_nn_sample.c - GridSample, AffineGrid, DeformConv.
 *
 * A sample is a weighted sum of pixels.  Each axis has its own taps: a position, resolved by the
 * padding mode to an index, and a weight, 0 for what lies outside of the image when that reads as
 * zeros.  The pixels of all combinations are gathered from the flattened image and summed by the
 * products of their weights. */
#include "frontend/onnx/rows_sample.h"

enum { MAX_TAPS = 4 };

struct taps {
    int n;
    nnc_value index[MAX_TAPS];  /* i64 [B, P] */
    nnc_value weight[MAX_TAPS]; /* none: 1 */
    nnc_value inside[MAX_TAPS]; /* bool; none: always */
};

static nnc_value extent_of(nnc_onnx_cx *cx, nnc_value like, nnc_dim d)
{
    return nnc_cx_extent(cx, d, nnc_cx_dtype(cx, like));
}

/* x mirrored at lo and lo + range until it lies between them. */
static nnc_value reflect(nnc_onnx_cx *cx, nnc_value x, double lo, nnc_value range)
{
    nnc_value from = nnc_cx_like(cx, x, lo), to = add_of(cx, range, from);
    nnc_value step =
        max_of_num(cx, range, 1); /* a single pixel seen from its centre has no range */
    nnc_value d = abs_of(cx, sub_of(cx, x, from)), turns = floor_of(cx, div_of(cx, d, step));
    nnc_value rest = sub_of(cx, d, mul_of(cx, turns, step)), half = mul_of_num(cx, turns, 0.5);
    nnc_value even = is_equal(cx, floor_of(cx, half), half);
    nnc_value mirrored = choose(cx, even, add_of(cx, from, rest), sub_of(cx, to, rest));
    nnc_value within = both(cx, is_at_most(cx, from, x), is_at_most(cx, x, to));
    return choose(cx, within, x, mirrored);
}

static nnc_value reflected(nnc_onnx_cx *cx, const nnc_sampler *s, int i, nnc_value x)
{
    nnc_value n = extent_of(cx, x, s->size[i]);
    return s->align_corners ? reflect(cx, x, 0, sub_of_num(cx, n, 1)) : reflect(cx, x, -0.5, n);
}

static nnc_value clamped(nnc_onnx_cx *cx, nnc_value x, nnc_dim size)
{
    return min_of(cx, max_of_num(cx, x, 0), extent_of(cx, x, nnc_dim_sub(cx->dims, size, 1)));
}

/* A coordinate outside of the image moves to the border, or is mirrored back. */
static nnc_value resolved(nnc_onnx_cx *cx, const nnc_sampler *s, int i, nnc_value x)
{
    if (s->pad == NNC_SAMPLE_zeros)
        return x;
    if (s->pad == NNC_SAMPLE_reflection)
        return reflected(cx, s, i, x);
    nnc_value n = extent_of(cx, x, s->size[i]),
              lo = nnc_cx_like(cx, x, s->align_corners ? 0 : -0.5);
    nnc_value hi = add_of(cx, lo, s->align_corners ? sub_of_num(cx, n, 1) : n);
    nnc_value within = both(cx, is_at_most(cx, lo, x), is_at_most(cx, x, hi));
    return choose(cx, within, x, clamped(cx, x, s->size[i]));
}

static void add_tap(nnc_onnx_cx *cx, const nnc_sampler *s, int i, struct taps *t, nnc_value place,
                    nnc_value weight)
{
    int k = t->n++;
    nnc_value in = {0};
    if (s->pad == NNC_SAMPLE_zeros) {
        nnc_value last = extent_of(cx, place, nnc_dim_sub(cx->dims, s->size[i], 1));
        in =
            both(cx, is_at_most(cx, nnc_cx_like(cx, place, 0), place), is_at_most(cx, place, last));
    }
    if (s->pad == NNC_SAMPLE_reflection)
        place = reflected(cx, s, i, place);
    if (weight.id && in.id)
        weight = choose(cx, in, weight, nnc_cx_like(cx, weight, 0));
    t->index[k] = cast_to(cx, clamped(cx, place, s->size[i]), NNC_DT_i64);
    t->weight[k] = weight;
    t->inside[k] = in;
}

/* Keys' cubic with a = -0.75 at distance d: within one pixel, and beyond. */
static nnc_value cubic_near(nnc_onnx_cx *cx, nnc_value d)
{
    nnc_value v = sub_of_num(cx, mul_of_num(cx, d, 1.25), 2.25);
    return add_of_num(cx, mul_of(cx, mul_of(cx, v, d), d), 1);
}

static nnc_value cubic_far(nnc_onnx_cx *cx, nnc_value d)
{
    nnc_value v = mul_of(cx, add_of_num(cx, mul_of_num(cx, d, -0.75), 3.75), d);
    return add_of_num(cx, mul_of(cx, add_of_num(cx, v, -6), d), 3);
}

static void axis_taps(nnc_onnx_cx *cx, const nnc_sampler *s, int i, struct taps *t)
{
    nnc_value none = {0};
    t->n = 0;
    if (s->mode == NNC_SAMPLE_nearest) {
        add_tap(cx, s, i, t, resolved(cx, s, i, round_of(cx, s->at[i])), none);
        return;
    }
    nnc_value x = resolved(cx, s, i, s->at[i]), base = floor_of(cx, x), f = sub_of(cx, x, base);
    nnc_value rest = sub_of(cx, nnc_cx_like(cx, f, 1), f);
    if (s->mode == NNC_SAMPLE_linear) {
        add_tap(cx, s, i, t, base, rest);
        add_tap(cx, s, i, t, add_of_num(cx, base, 1), f);
        return;
    }
    add_tap(cx, s, i, t, sub_of_num(cx, base, 1), cubic_far(cx, add_of_num(cx, f, 1)));
    add_tap(cx, s, i, t, base, cubic_near(cx, f));
    add_tap(cx, s, i, t, add_of_num(cx, base, 1), cubic_near(cx, rest));
    add_tap(cx, s, i, t, add_of_num(cx, base, 2), cubic_far(cx, add_of_num(cx, rest, 1)));
}

/* v [B, P] against [B, C, P] */
static nnc_value over_channels(nnc_onnx_cx *cx, nnc_value v)
{
    return nnc_cx_expand_dim(cx, v, 1);
}

nnc_value nnc_row_sample(nnc_onnx_cx *cx, nnc_value x, const nnc_sampler *s)
{
    struct taps taps[NNC_MAX_SPATIAL];
    int64_t total = 1;
    nnc_value sum = {0};
    for (int i = 0; i < s->n; i++) {
        axis_taps(cx, s, i, &taps[i]);
        total *= taps[i].n;
    }
    for (int64_t k = 0; k < total; k++) {
        nnc_value at = {0}, w = {0}, in = {0};
        int64_t rest = k, below = total;
        for (int i = 0; i < s->n; i++) {
            const struct taps *t = &taps[i];
            below /= t->n;
            int j = (int)(rest / below);
            rest %= below;
            at = i ? add_of(cx, mul_of(cx, at, nnc_cx_extent(cx, s->size[i], NNC_DT_i64)),
                            t->index[j])
                   : t->index[j];
            w = !t->weight[j].id ? w : w.id ? mul_of(cx, w, t->weight[j]) : t->weight[j];
            in = !t->inside[j].id ? in : in.id ? both(cx, in, t->inside[j]) : t->inside[j];
        }
        nnc_value v = nnc_g_gather(&cx->b, x, at, 2, 1);
        if (w.id)
            v = mul_of(cx, v, over_channels(cx, cast_to(cx, w, nnc_cx_dtype(cx, x))));
        else if (in.id)
            v = choose(cx, over_channels(cx, in), v, nnc_cx_like(cx, v, 0));
        sum = k ? add_of(cx, sum, v) : v;
    }
    return sum;
}

/* x [B, C, spatial..] -> [B, C, S] */
static nnc_value flatten_image(nnc_onnx_cx *cx, nnc_value x)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    nnc_dim dim[3] = {t.dim[0], t.dim[1], 1};
    for (int i = 2; i < t.rank; i++)
        dim[2] = nnc_dim_mul(cx->dims, dim[2], t.dim[i]);
    return nnc_cx_reshape(cx, x, 3, dim);
}

/* ---- GridSample ---- */

static nnc_status read_modes(nnc_onnx_cx *cx, nnc_sampler *s)
{
    const char *mode = nnc_onnx_node_str(cx->node, "mode", "linear"),
               *pad = nnc_onnx_node_str(cx->node, "padding_mode", "zeros");
    s->align_corners = nnc_onnx_node_int(cx->node, "align_corners", 0) != 0;
    s->mode = !strcmp(mode, "nearest")                             ? NNC_SAMPLE_nearest
              : !strcmp(mode, "cubic") || !strcmp(mode, "bicubic") ? NNC_SAMPLE_cubic
                                                                   : NNC_SAMPLE_linear;
    if (s->mode == NNC_SAMPLE_linear && strcmp(mode, "linear") && strcmp(mode, "bilinear"))
        return nnc_cx_bad_attr(cx, "mode", "linear, nearest or cubic");
    s->pad = !strcmp(pad, "border")       ? NNC_SAMPLE_border
             : !strcmp(pad, "reflection") ? NNC_SAMPLE_reflection
                                          : NNC_SAMPLE_zeros;
    if (s->pad == NNC_SAMPLE_zeros && strcmp(pad, "zeros"))
        return nnc_cx_bad_attr(cx, "padding_mode", "zeros, border or reflection");
    return NNC_OK;
}

/* -1 .. 1 along an axis to pixels: the ends are centres of pixels, or their outer edges. */
static nnc_value to_pixels(nnc_onnx_cx *cx, nnc_value v, nnc_dim size, bool align_corners)
{
    nnc_value n = extent_of(cx, v, size);
    v = add_of_num(cx, v, 1);
    if (align_corners)
        return mul_of(cx, mul_of_num(cx, v, 0.5), sub_of_num(cx, n, 1));
    return mul_of_num(cx, sub_of_num(cx, mul_of(cx, v, n), 1), 0.5);
}

nnc_status nnc_row_grid_sample(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), grid = nnc_cx_widen(cx, nnc_cx_in(cx, 1));
    nnc_type_rec tx = nnc_cx_ty(cx, x), tg = nnc_cx_ty(cx, grid), ty = tx;
    nnc_sampler s = {.n = tx.rank - 2};
    nnc_dim batch, flat[3] = {tg.dim[0], 1, s.n};
    NNC_TRY(read_modes(cx, &s));
    if (tx.rank < 3 || tg.rank != tx.rank || tg.dim[tg.rank - 1] != s.n)
        return nnc_cx_error(cx,
                            "image %s and grid %s: the grid must have the image's rank and one "
                            "coordinate per spatial dimension in its last",
                            nnc_cx_type_text(cx, x), nnc_cx_type_text(cx, grid));
    if (s.mode != NNC_SAMPLE_nearest && !nnc_dtype_is_float((nnc_dtype)tx.dtype))
        return nnc_cx_error(cx,
                            "an image of %s can only be sampled with mode 'nearest'; cast it to a "
                            "floating-point type",
                            nnc_dtype_infos[tx.dtype].name);
    NNC_TRY(nnc_cx_same_dim(cx, tx.dim[0], tg.dim[0], "batch of image and grid", &batch));
    for (int i = 1; i < tg.rank - 1; i++) {
        flat[1] = nnc_dim_mul(cx->dims, flat[1], tg.dim[i]);
        ty.dim[i + 1] = tg.dim[i];
    }
    grid = nnc_cx_reshape(cx, grid, 3, flat);
    for (int i = 0; i < s.n; i++) { /* the grid names the last axis first */
        nnc_value v =
            nnc_cx_reshape(cx, nnc_g_slice_axis(&cx->b, grid, 2, s.n - 1 - i, 1, 1), 2, flat);
        s.size[i] = tx.dim[i + 2];
        s.at[i] = to_pixels(cx, v, s.size[i], s.align_corners);
    }
    nnc_value wide = s.mode == NNC_SAMPLE_nearest ? x : nnc_cx_widen(cx, x);
    nnc_value y = nnc_row_sample(cx, flatten_image(cx, wide), &s);
    nnc_cx_set(cx, 0, cast_to(cx, nnc_cx_reshape(cx, y, ty.rank, ty.dim), (nnc_dtype)tx.dtype));
    return NNC_OK;
}

/* ---- AffineGrid ---- */

/* The spatial sizes of operand `size` [N, C, spatial..]; when only the run knows them, those of
 * the declared grid. */
static nnc_status grid_sizes(nnc_onnx_cx *cx, int n, nnc_dim *size)
{
    nnc_value v = nnc_cx_in(cx, 1);
    uint32_t count;
    const nnc_dim *known;
    nnc_type_rec t;
    if (nnc_cx_rank(cx, v) != 1 || nnc_cx_dim(cx, v, 0) != n + 2)
        return nnc_cx_error(cx, "size is %s, expected %d numbers", nnc_cx_type_text(cx, v), n + 2);
    if (nnc_cx_dims(cx, v, &count, &known)) {
        memcpy(size, known + 2, (size_t)n * sizeof *size);
        return NNC_OK;
    }
    if (!nnc_cx_declared(cx, 0, &t) || t.rank != n + 2)
        return nnc_cx_error(cx, "size is only known at run time and the output has no declared "
                                "shape; make it a constant");
    memcpy(size, t.dim + 1, (size_t)n * sizeof *size);
    nnc_value rest = nnc_g_slice_axis(&cx->b, v, 0, 2, 1, n);
    return nnc_cx_check(cx, is_equal(cx, rest, nnc_cx_shape(cx, n, size)),
                        "size differs from the declared shape of the grid");
}

/* Positions -1 .. 1 along an axis of `size`, standing at `axis` of the grid. */
static nnc_value ramp(nnc_onnx_cx *cx, nnc_dtype dt, nnc_dim size, int axis, int rank,
                      bool align_corners)
{
    nnc_dim dim[NNC_MAX_RANK] = {1, 1, 1, 1, 1, 1, 1, 1};
    dim[axis] = size;
    nnc_value j = nnc_g_iota(&cx->b, dt, rank, dim, axis), n = nnc_cx_extent(cx, size, dt);
    if (align_corners) {
        nnc_value steps = max_of_num(cx, sub_of_num(cx, n, 1), 1);
        return sub_of_num(cx, div_of(cx, mul_of_num(cx, j, 2), steps), 1);
    }
    return sub_of_num(cx, div_of(cx, add_of_num(cx, mul_of_num(cx, j, 2), 1), n), 1);
}

nnc_status nnc_row_affine_grid(nnc_onnx_cx *cx)
{
    nnc_value theta = nnc_cx_widen(cx, nnc_cx_in(cx, 0)), y = {0};
    nnc_type_rec t = nnc_cx_ty(cx, theta);
    nnc_dim size[3], dim[NNC_MAX_RANK];
    int n = t.rank == 3 && t.dim[1] == 3 ? 3 : 2;
    bool align = nnc_onnx_node_int(cx->node, "align_corners", 0) != 0;
    if (t.rank != 3 || t.dim[1] != n || t.dim[2] != n + 1)
        return nnc_cx_error(cx, "theta is %s, expected [N, 2, 3] or [N, 3, 4]",
                            nnc_cx_type_text(cx, theta));
    NNC_TRY(grid_sizes(cx, n, size));
    for (int j = 0; j <= n; j++) { /* columns: x (the last axis), y, z, then the shift */
        nnc_dim row[5] = {t.dim[0], 1, 1, 1, 1};
        row[n + 1] = n;
        nnc_value part =
            nnc_cx_reshape(cx, nnc_g_slice_axis(&cx->b, theta, 2, j, 1, 1), n + 2, row);
        if (j < n)
            part = mul_of(cx, part,
                          ramp(cx, (nnc_dtype)t.dtype, size[n - 1 - j], n - j, n + 2, align));
        y = j ? add_of(cx, y, part) : part;
    }
    dim[0] = t.dim[0];
    memcpy(dim + 1, size, sizeof size);
    dim[n + 1] = n;
    nnc_cx_set(
        cx, 0,
        cast_to(cx, nnc_g_broadcast(&cx->b, y, n + 2, dim), nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    return NNC_OK;
}
