/* frontend/onnx/rows_nn_deform.c - DeformConv: columns sampled at displaced places, then a product
 * with the weights. */
#include "frontend/onnx/rows_sample.h"
#include "frontend/onnx/rows_window.h"

struct deform {
    nnc_onnx_cx *cx;
    nnc_row_window w;
    nnc_type_rec x, weight, offset;
    int64_t group, offset_group, taps; /* taps: positions of the kernel */
    nnc_dim places;                    /* positions of the output */
};

/* group, offset_group and the channels they divide */
static nnc_status check_channels(struct deform *d)
{
    nnc_onnx_cx *cx = d->cx;
    d->group = nnc_onnx_node_int(cx->node, "group", 1);
    d->offset_group = nnc_onnx_node_int(cx->node, "offset_group", 1);
    if (d->group < 1 || d->offset_group < 1)
        return nnc_cx_bad_attr(cx, d->group < 1 ? "group" : "offset_group", "a positive number");
    if (!nnc_dim_is_const(d->x.dim[1]) || d->x.dim[1] % d->offset_group ||
        d->x.dim[1] != d->weight.dim[1] * d->group || d->weight.dim[0] % d->group)
        return nnc_cx_error(
            cx, "input %s and weights %s do not divide into %lld groups and %lld offset groups",
            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)), nnc_cx_type_text(cx, nnc_cx_in(cx, 1)),
            (long long)d->group, (long long)d->offset_group);
    return NNC_OK;
}

static nnc_status check_shapes(struct deform *d)
{
    nnc_onnx_cx *cx = d->cx;
    nnc_dim best;
    d->places = d->taps = 1;
    for (int i = 0; i < d->w.n; i++) {
        nnc_dim room =
            nnc_dim_add(cx->dims, d->x.dim[2 + i], nnc_dim_add(cx->dims, d->w.lo[i], d->w.hi[i]));
        room = nnc_dim_sub(cx->dims, room,
                           nnc_dim_const(cx->dims, (d->w.size[i] - 1) * d->w.dilation[i] + 1));
        nnc_dim out = nnc_dim_add(cx->dims, nnc_dim_floordiv(cx->dims, room, d->w.stride[i]), 1);
        NNC_TRY(nnc_cx_same_dim(cx, d->offset.dim[2 + i], out,
                                "output of the convolution and offsets", &best));
        d->taps *= d->w.size[i];
        d->places = nnc_dim_mul(cx->dims, d->places, d->offset.dim[2 + i]);
    }
    NNC_TRY(
        nnc_cx_same_dim(cx, d->offset.dim[0], d->x.dim[0], "batch of input and offsets", &best));
    return nnc_cx_same_dim(cx, d->offset.dim[1], d->offset_group * d->taps * d->w.n,
                           "channels of the offsets (offset groups x kernel x dims)", &best);
}

/* Where axis i is read without displacement: [taps.., outputs..] flattened to [K, P]. */
static nnc_value regular_place(struct deform *d, int i, nnc_dtype dt)
{
    nnc_onnx_cx *cx = d->cx;
    nnc_dim dim[NNC_MAX_RANK], flat[2] = {d->taps, d->places};
    for (int j = 0; j < d->w.n; j++) {
        dim[j] = d->w.size[j];
        dim[d->w.n + j] = d->offset.dim[2 + j];
    }
    nnc_value tap =
        mul_of_num(cx, nnc_g_iota(&cx->b, dt, 2 * d->w.n, dim, i), (double)d->w.dilation[i]);
    nnc_value out =
        mul_of_num(cx, nnc_g_iota(&cx->b, dt, 2 * d->w.n, dim, d->w.n + i), (double)d->w.stride[i]);
    nnc_value at = sub_of(cx, add_of(cx, tap, out), nnc_cx_extent(cx, d->w.lo[i], dt));
    return nnc_cx_reshape(cx, at, 2, flat);
}

/* The sampled columns [N * offset groups, C / offset groups, K * P]. */
static nnc_value columns(struct deform *d, nnc_value x, nnc_value offset)
{
    nnc_onnx_cx *cx = d->cx;
    nnc_dim rows = nnc_dim_mul(cx->dims, d->x.dim[0], d->offset_group), pixels = 1;
    nnc_dim split[4] = {rows, d->taps, d->w.n, d->places}, kp[3] = {rows, d->taps, d->places};
    nnc_dim flat[2] = {rows, nnc_dim_mul(cx->dims, d->taps, d->places)};
    nnc_sampler s = {.n = d->w.n, .mode = NNC_SAMPLE_linear};
    offset = nnc_cx_reshape(cx, offset, 4, split);
    for (int i = 0; i < s.n; i++) {
        nnc_value moved = nnc_cx_reshape(cx, nnc_g_slice_axis(&cx->b, offset, 2, i, 1, 1), 3, kp);
        s.size[i] = d->x.dim[2 + i];
        s.at[i] = nnc_cx_reshape(
            cx, add_of(cx, moved, regular_place(d, i, nnc_cx_dtype(cx, offset))), 2, flat);
        pixels = nnc_dim_mul(cx->dims, pixels, s.size[i]);
    }
    nnc_dim image[3] = {rows, d->x.dim[1] / d->offset_group, pixels};
    nnc_value col = nnc_row_sample(cx, nnc_cx_reshape(cx, x, 3, image), &s);
    if (nnc_cx_has(cx, 4)) {
        nnc_dim m[3] = {rows, 1, flat[1]};
        col = mul_of(cx, col, nnc_cx_reshape(cx, nnc_cx_widen(cx, nnc_cx_in(cx, 4)), 3, m));
    }
    return col;
}

static nnc_status check_mask(struct deform *d)
{
    nnc_onnx_cx *cx = d->cx;
    nnc_dim best;
    if (!nnc_cx_has(cx, 4))
        return NNC_OK;
    nnc_type_rec t = nnc_cx_ty(cx, nnc_cx_in(cx, 4));
    NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 4), d->x.rank, "mask"));
    NNC_TRY(nnc_cx_same_dim(cx, t.dim[1], d->offset_group * d->taps,
                            "channels of the mask (offset groups x kernel)", &best));
    for (int i = 0; i < t.rank; i++)
        if (i != 1)
            NNC_TRY(nnc_cx_same_dim(cx, t.dim[i], d->offset.dim[i], "mask and offsets", &best));
    return NNC_OK;
}

nnc_status nnc_row_deform_conv(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_widen(cx, nnc_cx_in(cx, 0)), w = nnc_cx_widen(cx, nnc_cx_in(cx, 1)),
              offset = nnc_cx_widen(cx, nnc_cx_in(cx, 2));
    static const int64_t batch_x[1] = {1}, batch_w[1] = {0}, last[1] = {2}, order[4] = {2, 0, 1, 3};
    struct deform d = {.cx = cx,
                       .x = nnc_cx_ty(cx, x),
                       .weight = nnc_cx_ty(cx, w),
                       .offset = nnc_cx_ty(cx, offset)};
    NNC_TRY(nnc_cx_rank_is(cx, w, d.x.rank, "W"));
    NNC_TRY(nnc_cx_rank_is(cx, offset, d.x.rank, "offset"));
    NNC_TRY(nnc_row_window_read(cx, x, d.weight.dim + 2, &d.w));
    NNC_TRY(check_channels(&d));
    NNC_TRY(check_shapes(&d));
    NNC_TRY(check_mask(&d));
    nnc_dim g = d.group, cg = d.weight.dim[1], og = d.weight.dim[0] / g,
            depth = nnc_dim_mul(cx->dims, cg, d.taps);
    nnc_dim cdim[4] = {d.x.dim[0], g, depth, d.places}, wdim[3] = {g, og, depth};
    nnc_value col = nnc_cx_reshape(cx, columns(&d, x, offset), 4, cdim);
    w = nnc_cx_reshape(cx, w, 3, wdim);
    nnc_value y = nnc_g_dot(&cx->b, w, col, 1, batch_w, batch_x, 1, last, last,
                            NNC_DT_none); /* [g, O/g, N, P] */
    y = nnc_g_transpose(&cx->b, y, order);
    nnc_type_rec ty = d.offset;
    ty.dim[1] = d.weight.dim[0];
    y = cast_to(cx, nnc_cx_reshape(cx, y, ty.rank, ty.dim), nnc_cx_dtype(cx, nnc_cx_in(cx, 0)));
    NNC_TRY(nnc_row_channel_bias(cx, 3, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}
