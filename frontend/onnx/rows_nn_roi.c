/* frontend/onnx/rows_nn_roi.c - RoiAlign, MaxRoiPool.
 *
 * One region at a time, in a scan: what a region needs is one image, and never all samples of
 * all regions at once. Bilinear weights, and the bounds of bins, are products of a row's and a
 * column's share, so an average (or a plain maximum) is taken along rows first and along columns
 * of the result.  RoiAlign's `max` takes the maximum of the four weighted corners of each sample,
 * as the operator's definition does, and needs them all. */
#include "frontend/onnx/rows_short.h"

enum { ROWS, COLS };

struct roi {
    nnc_onnx_cx *cx;
    nnc_value x; /* [N, C, H, W] */
    nnc_dtype dt;
    nnc_type_rec t;
    nnc_dim count;                        /* of regions */
    int64_t bins[2];                      /* of the result, rows and columns */
    int64_t samples[2];                   /* per bin: at most */
    bool adaptive;                        /* each region has its own number of samples */
    nnc_value start[2], step[2], used[2]; /* of all regions [R]; in the scan those of one, rank 0 */
    nnc_value batch;
};

static nnc_dim size_of(const struct roi *r, int axis)
{
    return r->t.dim[2 + axis];
}
static nnc_value real(const struct roi *r, double v)
{
    return nnc_cx_num(r->cx, r->dt, v);
}

/* Column i of the regions [R, n], as [R]. */
static nnc_value column(struct roi *r, nnc_value v, int i)
{
    return nnc_cx_reshape(r->cx, nnc_g_slice_axis(&r->cx->b, v, 1, i, 1, 1), 1, &r->count);
}

/* The regions' operands as slices of a scan, `body` for each, results [R, C, bins, bins]. */
static nnc_value each_region(struct roi *r, nnc_value (*body)(struct roi *r))
{
    nnc_onnx_cx *cx = r->cx;
    nnc_builder outer = cx->b;
    nnc_value in[7] = {r->batch,   r->start[0], r->step[0], r->start[1],
                       r->step[1], r->used[0],  r->used[1]},
              y;
    unsigned n = r->adaptive ? 7 : 5;
    nnc_dim dim[3] = {r->t.dim[1], r->bins[0], r->bins[1]};
    nnc_type yt = nnc_type_tensor(cx->m, r->dt, 3, dim);
    nnc_op op = nnc_g_scan(&cx->b, r->count, 0, n, in, 1, &yt);
    nnc_block block = nnc_op_region(cx->m, op, 0);
    struct roi one = *r;
    cx->b = nnc_builder_at_end(cx->m, block);
    cx->b.loc = outer.loc;
    one.batch = nnc_block_arg(cx->m, block, 1);
    for (int a = 0; a < 2; a++) {
        one.start[a] = nnc_block_arg(cx->m, block, (unsigned)(2 + 2 * a));
        one.step[a] = nnc_block_arg(cx->m, block, (unsigned)(3 + 2 * a));
        if (r->adaptive)
            one.used[a] = nnc_block_arg(cx->m, block, (unsigned)(6 + a));
    }
    y = body(&one);
    nnc_build_yield(&cx->b, 1, &y);
    cx->b = outer;
    return nnc_op_out(cx->m, op, 0);
}

/* [C, H, W] of the region */
static nnc_value image(struct roi *r)
{
    return nnc_g_gather(&r->cx->b, r->x, r->batch, 0, 0);
}

/* ---- RoiAlign ---- */

struct samples {
    nnc_value index[2];  /* i64 [bins, samples]: the pixel before and after */
    nnc_value weight[2]; /* 0 for samples too far outside */
    nnc_value live;      /* bool: counts at all; none: always */
};

static struct samples sample_axis(struct roi *r, int a)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_dim dim[2] = {r->bins[a], r->samples[a]};
    nnc_value bin = nnc_g_iota(&cx->b, r->dt, 2, dim, 0), s = nnc_g_iota(&cx->b, r->dt, 2, dim, 1),
              n = nnc_cx_extent(cx, size_of(r, a), r->dt);
    nnc_value used = r->adaptive ? max_of_num(cx, r->used[a], 1) : real(r, (double)r->samples[a]),
              zero = real(r, 0);
    nnc_value within = div_of(cx, mul_of(cx, add_of_num(cx, s, 0.5), r->step[a]), used);
    nnc_value at = add_of(cx, add_of(cx, r->start[a], mul_of(cx, bin, r->step[a])), within);
    nnc_value near = both(cx, is_at_most(cx, real(r, -1), at), is_at_most(cx, at, n)),
              last = sub_of_num(cx, n, 1);
    at = min_of(cx, max_of(cx, at, zero), last);
    nnc_value low = floor_of(cx, at), part = sub_of(cx, at, low),
              high = min_of(cx, add_of_num(cx, low, 1), last);
    struct samples out = {.index = {cast_to(cx, low, NNC_DT_i64), cast_to(cx, high, NNC_DT_i64)}};
    out.weight[0] = choose(cx, near, sub_of(cx, real(r, 1), part), zero);
    out.weight[1] = choose(cx, near, part, zero);
    if (r->adaptive)
        out.live = is_less(cx, s, r->used[a]);
    return out;
}

/* The samples of one axis of x read, weighted and summed over each bin. */
static nnc_value average_axis(struct roi *r, nnc_value x, int axis, const struct samples *s)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_type_rec t = nnc_cx_ty(cx, s->index[0]), tx = nnc_cx_ty(cx, x);
    nnc_dim dim[4] = {t.dim[0], t.dim[1], 1, 1};
    nnc_value y = {0};
    int64_t axes[1] = {axis + 1};
    for (int k = 0; k < 2; k++) {
        nnc_value w = s->live.id ? choose(cx, s->live, s->weight[k], real(r, 0)) : s->weight[k];
        nnc_value v = mul_of(cx, nnc_g_gather(&cx->b, x, s->index[k], axis, 0),
                             nnc_cx_reshape(cx, w, 2 + tx.rank - 1 - axis, dim));
        y = k ? add_of(cx, y, v) : v;
    }
    return nnc_cx_sum(cx, y, 1, axes, false);
}

static nnc_value align_average(struct roi *r)
{
    nnc_onnx_cx *cx = r->cx;
    struct samples rows = sample_axis(r, ROWS), cols = sample_axis(r, COLS);
    nnc_value y = average_axis(r, average_axis(r, image(r), 1, &rows), 2, &cols);
    if (!r->adaptive)
        return mul_of_num(cx, y, 1 / (double)(r->samples[0] * r->samples[1]));
    return div_of(cx, y, max_of_num(cx, mul_of(cx, r->used[0], r->used[1]), 1));
}

static nnc_value align_max(struct roi *r)
{
    nnc_onnx_cx *cx = r->cx;
    struct samples rows = sample_axis(r, ROWS), cols = sample_axis(r, COLS);
    nnc_dim over_cols[4] = {r->bins[0], r->samples[0], 1, 1};
    static const int64_t axes[2] = {2, 4};
    nnc_value x = image(r), y = {0};
    for (int i = 0; i < 2; i++) {
        nnc_value line = nnc_g_gather(&cx->b, x, rows.index[i], 1, 0); /* [C, P, G, W] */
        for (int j = 0; j < 2; j++) {
            nnc_value w =
                mul_of(cx, nnc_cx_reshape(cx, rows.weight[i], 4, over_cols), cols.weight[j]);
            nnc_value v = mul_of(cx, nnc_g_gather(&cx->b, line, cols.index[j], 3, 0), w);
            y = y.id ? max_of(cx, y, v) : v;
        }
    }
    if (r->adaptive)
        y = choose(cx, both(cx, nnc_cx_reshape(cx, rows.live, 4, over_cols), cols.live), y,
                   real(r, -INFINITY));
    y = nnc_g_reduce(&cx->b, NNC_W_max, y, 2, axes, false);
    if (!r->adaptive)
        return y;
    nnc_value some = is_at_most(cx, real(r, 1), min_of(cx, r->used[0], r->used[1]));
    return choose(cx, some, y, real(r, 0));
}

/* Samples per bin: the attribute, or as many as a bin has pixels; then no region may be larger
 * than the image. */
static nnc_status count_samples(struct roi *r, int a)
{
    nnc_onnx_cx *cx = r->cx;
    int64_t ratio = nnc_onnx_node_int(cx->node, "sampling_ratio", 0),
            hi = nnc_dim_hi(cx->dims, size_of(r, a));
    if (ratio < 0 || ratio > 4096)
        return nnc_cx_bad_attr(cx, "sampling_ratio", "0 (as many as needed) to 4096");
    r->adaptive = ratio == 0;
    r->samples[a] = ratio;
    if (ratio)
        return NNC_OK;
    r->samples[a] = hi / r->bins[a] + 2;
    r->used[a] = max_of_num(cx, nnc_cx_op1(cx, NNC_OP_ceil, r->step[a]), 0);
    return nnc_cx_check(cx, is_at_most(cx, r->used[a], real(r, (double)r->samples[a])),
                        "a region of RoiAlign is larger than the image; clip regions to the image, "
                        "or set sampling_ratio");
}

static nnc_status read_align(struct roi *r, bool half_pixel)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_value rois = cast_to(cx, nnc_cx_in(cx, 1), r->dt);
    double scale = nnc_onnx_node_float(cx->node, "spatial_scale", 1);
    static const char *const size[2] = {"output_height", "output_width"};
    for (int a = 0; a < 2; a++) {
        r->bins[a] = nnc_onnx_node_int(cx->node, size[a], 1);
        if (r->bins[a] < 1 || r->bins[a] > 4096)
            return nnc_cx_bad_attr(cx, size[a], "1 to 4096");
        nnc_value from = mul_of_num(cx, column(r, rois, 1 - a), scale),
                  to = mul_of_num(cx, column(r, rois, 3 - a), scale);
        r->start[a] = half_pixel ? sub_of_num(cx, from, 0.5) : from;
        nnc_value span = sub_of(cx, half_pixel ? sub_of_num(cx, to, 0.5) : to, r->start[a]);
        if (!half_pixel)
            span = max_of_num(cx, span, 1);
        r->step[a] = div_of_num(cx, span, (double)r->bins[a]);
        NNC_TRY(count_samples(r, a));
    }
    return NNC_OK;
}

static nnc_status read_image(struct roi *r, int columns)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_type_rec rois = nnc_cx_ty(cx, nnc_cx_in(cx, 1));
    r->x = nnc_cx_widen(cx, nnc_cx_in(cx, 0));
    r->t = nnc_cx_ty(cx, r->x);
    r->dt = (nnc_dtype)r->t.dtype;
    NNC_TRY(nnc_cx_rank_is(cx, r->x, 4, "X"));
    if (rois.rank != 2 || rois.dim[1] != columns)
        return nnc_cx_error(cx, "rois is %s, expected rows of %d numbers",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 1)), columns);
    r->count = rois.dim[0];
    return NNC_OK;
}

/* arg: 1 when the attribute coordinate_transformation_mode exists */
nnc_status nnc_row_roi_align(nnc_onnx_cx *cx)
{
    struct roi r = {.cx = cx};
    const char *mode = nnc_onnx_node_str(cx->node, "mode", "avg"), *how = "output_half_pixel";
    nnc_dim best;
    if (cx->arg)
        how = nnc_onnx_node_str(cx->node, "coordinate_transformation_mode", "half_pixel");
    if (strcmp(how, "half_pixel") && strcmp(how, "output_half_pixel"))
        return nnc_cx_bad_attr(cx, "coordinate_transformation_mode",
                               "half_pixel or output_half_pixel");
    if (strcmp(mode, "avg") && strcmp(mode, "max"))
        return nnc_cx_bad_attr(cx, "mode", "avg or max");
    NNC_TRY(read_image(&r, 4));
    NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 2), 1, "batch_indices"));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, nnc_cx_in(cx, 2), 0), r.count,
                            "batch_indices and rois", &best));
    NNC_TRY(read_align(&r, !strcmp(how, "half_pixel")));
    r.batch = cast_to(cx, nnc_cx_in(cx, 2), NNC_DT_i64);
    nnc_cx_set(cx, 0,
               cast_to(cx, each_region(&r, !strcmp(mode, "avg") ? align_average : align_max),
                       nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    return NNC_OK;
}

/* ---- MaxRoiPool ---- */

/* Half away from zero. */
static nnc_value round_away(nnc_onnx_cx *cx, nnc_value x)
{
    return mul_of(cx, nnc_cx_op1(cx, NNC_OP_sign, x),
                  floor_of(cx, add_of_num(cx, abs_of(cx, x), 0.5)));
}

/* Which pixels of an axis belong to each bin: bool [bins, size]. */
static nnc_value members(struct roi *r, int a)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_dim dim[2] = {r->bins[a], size_of(r, a)};
    nnc_value bin = nnc_g_iota(&cx->b, r->dt, 2, dim, 0), at = nnc_g_iota(&cx->b, r->dt, 2, dim, 1);
    nnc_value from = add_of(cx, floor_of(cx, mul_of(cx, bin, r->step[a])), r->start[a]);
    nnc_value to =
        add_of(cx, nnc_cx_op1(cx, NNC_OP_ceil, mul_of(cx, add_of_num(cx, bin, 1), r->step[a])),
               r->start[a]);
    return both(cx, is_at_most(cx, from, at), is_less(cx, at, to));
}

static nnc_value max_axis(struct roi *r, nnc_value x, int axis, nnc_value in)
{
    nnc_onnx_cx *cx = r->cx;
    nnc_type_rec t = nnc_cx_ty(cx, in);
    nnc_dim dim[3] = {t.dim[0], t.dim[1], 1};
    int64_t axes[1] = {axis + 1};
    x = choose(cx, nnc_cx_reshape(cx, in, axis == 1 ? 3 : 2, dim), nnc_cx_expand_dim(cx, x, axis),
               real(r, -INFINITY));
    return nnc_g_reduce(&cx->b, NNC_W_max, x, 1, axes, false);
}

static nnc_value pool_max(struct roi *r)
{
    nnc_onnx_cx *cx = r->cx;
    static const int64_t last[1] = {1};
    nnc_dim col[2] = {r->bins[0], 1};
    nnc_value rows = members(r, ROWS), cols = members(r, COLS),
              y = max_axis(r, max_axis(r, image(r), 1, rows), 2, cols);
    nnc_value some =
        both(cx, nnc_cx_reshape(cx, nnc_g_reduce(&cx->b, NNC_W_or, rows, 1, last, false), 2, col),
             nnc_g_reduce(&cx->b, NNC_W_or, cols, 1, last, false));
    return choose(cx, some, y, real(r, 0));
}

nnc_status nnc_row_max_roi_pool(nnc_onnx_cx *cx)
{
    struct roi r = {.cx = cx};
    uint32_t n;
    const int64_t *shape = nnc_onnx_node_ints(cx->node, "pooled_shape", &n);
    double scale = nnc_onnx_node_float(cx->node, "spatial_scale", 1);
    NNC_TRY(read_image(&r, 5));
    if (n != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] > 4096 || shape[1] > 4096)
        return nnc_cx_bad_attr(cx, "pooled_shape", "two sizes, 1 to 4096");
    nnc_value rois = cast_to(cx, nnc_cx_in(cx, 1), r.dt);
    r.batch = cast_to(cx, column(&r, rois, 0), NNC_DT_i64);
    for (int a = 0; a < 2; a++) {
        nnc_value from = round_away(cx, mul_of_num(cx, column(&r, rois, 2 - a), scale)),
                  to = round_away(cx, mul_of_num(cx, column(&r, rois, 4 - a), scale));
        r.bins[a] = shape[a];
        r.start[a] = from;
        r.step[a] = div_of_num(cx, max_of_num(cx, add_of_num(cx, sub_of(cx, to, from), 1), 1),
                               (double)shape[a]);
    }
    nnc_cx_set(cx, 0, cast_to(cx, each_region(&r, pool_max), nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    return NNC_OK;
}
