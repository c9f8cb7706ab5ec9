/* frontend/onnx/rows_nn_conv.c - convolutions.
 *
 * A transposed convolution is a convolution whose input is dilated by the stride and whose weights are flipped and
 * swapped; the flip and the transpose of constant weights are folded later. */
#include "frontend/onnx/rows_window.h"

/* x [N, C, ..], w [M, C / groups, ..] */
static nnc_status check_channels(nnc_onnx_cx *cx, nnc_value x, nnc_value w, int64_t groups)
{
    nnc_dim c = nnc_cx_dim(cx, x, 1), m = nnc_cx_dim(cx, w, 0), per = nnc_cx_dim(cx, w, 1);
    if (nnc_cx_rank(cx, x) != nnc_cx_rank(cx, w))
        return nnc_cx_error(cx, "input %s and weights %s differ in rank", nnc_cx_type_text(cx, x),
                            nnc_cx_type_text(cx, w));
    if (groups < 1)
        return nnc_cx_bad_attr(cx, "group", "a positive number");
    if (!nnc_dim_is_const(c) || !nnc_dim_is_const(m) || !nnc_dim_is_const(per))
        return nnc_cx_error(cx, "the number of channels must be known: input %s, weights %s",
                            nnc_cx_type_text(cx, x), nnc_cx_type_text(cx, w));
    if (c != per * groups)
        return nnc_cx_error(
            cx, "input %s has %lld channels, the weights %s take %lld times %lld groups",
            nnc_cx_type_text(cx, x), (long long)c, nnc_cx_type_text(cx, w), (long long)per,
            (long long)groups);
    if (m % groups)
        return nnc_cx_error(cx, "%lld output channels do not divide into %lld groups", (long long)m,
                            (long long)groups);
    return NNC_OK;
}

/* + b along axis 1 */
nnc_status nnc_row_channel_bias(nnc_onnx_cx *cx, uint32_t i, nnc_value *y)
{
    if (!nnc_cx_has(cx, i))
        return NNC_OK;
    nnc_value bias = nnc_cx_in(cx, i);
    int rank = nnc_cx_rank(cx, *y);
    nnc_dim dim[NNC_MAX_RANK] = {1, nnc_cx_dim(cx, *y, 1), 1, 1, 1, 1, 1, 1};
    if (nnc_cx_rank(cx, bias) != 1 || nnc_cx_dim(cx, bias, 0) != dim[1])
        return nnc_cx_error(cx, "bias is %s, expected one number per output channel (%s)",
                            nnc_cx_type_text(cx, bias), nnc_cx_dim_text(cx, dim[1]));
    *y = nnc_cx_op2(cx, NNC_OP_add, *y, nnc_cx_reshape(cx, bias, rank, dim));
    return NNC_OK;
}

static nnc_window to_window(const nnc_row_window *w)
{
    nnc_window g = {0};
    for (int i = 0; i < w->n; i++) {
        g.size[i] = w->size[i];
        g.stride[i] = w->stride[i];
        g.dilation[i] = w->dilation[i];
        g.lhs_dilation[i] = 1;
        g.lo[i] = w->lo[i];
        g.hi[i] = w->hi[i];
    }
    return g;
}

/* A convolution's own padding is constant; one that depends on sizes known at run time comes before it. */
static nnc_value pad_symbolic(nnc_onnx_cx *cx, nnc_value x, nnc_row_window *w)
{
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    bool symbolic = false;
    for (int i = 0; i < w->n; i++) {
        if (nnc_dim_is_const(w->lo[i]) && nnc_dim_is_const(w->hi[i]))
            continue;
        symbolic = true;
        lo[2 + i] = w->lo[i];
        hi[2 + i] = w->hi[i];
        w->lo[i] = w->hi[i] = 0;
    }
    return symbolic ? nnc_g_pad(&cx->b, x, nnc_cx_num(cx, nnc_cx_dtype(cx, x), 0), lo, hi,
                                NNC_W_constant)
                    : x;
}

nnc_status nnc_row_convolve(nnc_onnx_cx *cx, nnc_value x, nnc_value w, nnc_dtype out, nnc_value *y)
{
    int64_t groups = nnc_onnx_node_int(cx->node, "group", 1);
    nnc_row_window win;
    nnc_type_rec tw = nnc_cx_ty(cx, w);
    if (tw.rank != nnc_cx_rank(cx, x) || tw.rank < 3)
        return nnc_cx_error(cx,
                            "input %s and weights %s: both need a batch or output dimension, "
                            "channels and 1 to 3 spatial ones",
                            nnc_cx_type_text(cx, x), nnc_cx_type_text(cx, w));
    NNC_TRY(nnc_row_window_read(cx, x, tw.dim + 2, &win));
    NNC_TRY(check_channels(cx, x, w, groups));
    x = pad_symbolic(cx, x, &win);
    nnc_window g = to_window(&win);
    *y = nnc_g_conv(&cx->b, x, w, &g, groups, NNC_W_nchw, out);
    return NNC_OK;
}

nnc_status nnc_row_conv(nnc_onnx_cx *cx)
{
    nnc_value y;
    NNC_TRY(nnc_row_convolve(cx, nnc_cx_in(cx, 0), nnc_cx_in(cx, 1), NNC_DT_none, &y));
    NNC_TRY(nnc_row_channel_bias(cx, 2, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_conv_integer(nnc_onnx_cx *cx)
{
    nnc_value x, w, y;
    NNC_TRY(nnc_row_centred(cx, 0, 2, -1, "x_zero_point", &x));
    NNC_TRY(nnc_row_centred(cx, 1, 3, 0, "w_zero_point", &w));
    NNC_TRY(nnc_row_convolve(cx, x, w, NNC_DT_i32, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* ---- transposed ---- */

/* [C, M / g, k..] -> [M, C / g, flipped k..] */
static nnc_value transposed_weights(nnc_onnx_cx *cx, nnc_value w, int64_t groups)
{
    nnc_type_rec t = nnc_cx_ty(cx, w);
    nnc_dim split[NNC_MAX_RANK] = {groups, t.dim[0] / groups, t.dim[1]},
            join[NNC_MAX_RANK] = {groups * t.dim[1], t.dim[0] / groups};
    int64_t perm[NNC_MAX_RANK] = {0, 2, 1};
    for (int i = 2; i < t.rank; i++) {
        w = nnc_g_flip(&cx->b, w, i);
        split[i + 1] = join[i] = t.dim[i];
        perm[i + 1] = i + 1;
    }
    w = nnc_cx_reshape(cx, w, t.rank + 1, split);
    w = nnc_g_transpose(&cx->b, w, perm);
    return nnc_cx_reshape(cx, w, t.rank, join);
}

/* Padding of the output, from pads, auto_pad or output_shape; *more: what output_padding or a wanted size adds. */
static nnc_status transposed_pads(nnc_onnx_cx *cx, nnc_value x, const nnc_row_window *w,
                                  const int64_t *adj, int64_t *lo, int64_t *hi)
{
    const char *mode = nnc_onnx_node_str(cx->node, "auto_pad", "NOTSET");
    bool same = !strncmp(mode, "SAME", 4), upper = !strcmp(mode, "SAME_UPPER");
    uint32_t nshape, npads;
    const int64_t *shape = nnc_onnx_node_ints(cx->node, "output_shape", &nshape),
                  *pads = nnc_onnx_node_ints(cx->node, "pads", &npads);
    if (nshape && nshape != (uint32_t)w->n && nshape != (uint32_t)w->n + 2)
        return nnc_cx_error(cx, "attribute output_shape has %u numbers, expected %d", nshape, w->n);
    if (nshape == (uint32_t)w->n + 2)
        shape += 2;
    for (int i = 0; i < w->n; i++) {
        nnc_dim size = nnc_cx_dim(cx, x, 2 + i);
        lo[i] = npads == 2 * (uint32_t)w->n ? pads[i] : 0;
        hi[i] = npads == 2 * (uint32_t)w->n ? pads[i + w->n] : 0;
        if (!nshape && !same)
            continue;
        if (!nnc_dim_is_const(size))
            return nnc_cx_error(
                cx, "the output's size depends on dimension %d, which is '%s'; pin it with --dim",
                2 + i, nnc_cx_dim_text(cx, size));
        int64_t want = nshape ? shape[i] : size * w->stride[i];
        int64_t total =
            w->stride[i] * (size - 1) + adj[i] + (w->size[i] - 1) * w->dilation[i] + 1 - want;
        int64_t half = total > 0 ? total / 2 : 0; /* a larger output gets its room at the end */
        lo[i] = upper ? half : (total > 0 ? total - half : 0);
        hi[i] = total - lo[i];
    }
    return NNC_OK;
}

nnc_status nnc_row_conv_transpose(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), w = nnc_cx_in(cx, 1);
    nnc_type_rec tw = nnc_cx_ty(cx, w);
    int64_t groups = nnc_onnx_node_int(cx->node, "group", 1), adj[3], lo[3], hi[3];
    nnc_row_window win = {.n = nnc_cx_rank(cx, x) - 2};
    if (win.n < 1 || win.n > 3 || tw.rank != win.n + 2)
        return nnc_cx_error(
            cx, "input %s and weights %s: both need two dimensions and 1 to 3 spatial ones",
            nnc_cx_type_text(cx, x), nnc_cx_type_text(cx, w));
    for (int i = 0; i < tw.rank; i++)
        if (!nnc_dim_is_const(tw.dim[i]))
            return nnc_cx_error(cx, "weights %s must have constant dimensions",
                                nnc_cx_type_text(cx, w));
    if (groups < 1 || tw.dim[0] % groups || nnc_cx_dim(cx, x, 1) != tw.dim[0])
        return nnc_cx_error(cx, "input %s and weights %s do not fit with %lld groups",
                            nnc_cx_type_text(cx, x), nnc_cx_type_text(cx, w), (long long)groups);
    NNC_TRY(nnc_row_window_list(cx, "strides", win.n, 1, 1, win.stride));
    NNC_TRY(nnc_row_window_list(cx, "dilations", win.n, 1, 1, win.dilation));
    NNC_TRY(nnc_row_window_list(cx, "output_padding", win.n, 0, 0, adj));
    memcpy(win.size, tw.dim + 2, (size_t)win.n * sizeof *win.size);
    NNC_TRY(transposed_pads(cx, x, &win, adj, lo, hi));
    nnc_window g = {0};
    for (int i = 0; i < win.n; i++) {
        int64_t reach = (win.size[i] - 1) * win.dilation[i];
        g.size[i] = win.size[i];
        g.stride[i] = 1;
        g.dilation[i] = win.dilation[i];
        g.lhs_dilation[i] = win.stride[i];
        g.lo[i] = reach - lo[i];
        g.hi[i] = reach - hi[i] + adj[i];
    }
    nnc_value y = nnc_g_conv(&cx->b, x, transposed_weights(cx, w, groups), &g, groups, NNC_W_nchw,
                             NNC_DT_none);
    NNC_TRY(nnc_row_channel_bias(cx, 2, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}
