/* frontend/onnx/rows_window.c - windows of convolutions and pools.
 *
 * auto_pad is resolved here: SAME makes ceil(size / stride) outputs, the odd cell goes to the end (SAME_UPPER) or to
 * the beginning (SAME_LOWER).  ceil_mode adds a last window when it would start inside the input or its left padding. */
#include "frontend/onnx/rows_window.h"

nnc_status nnc_row_window_list(nnc_onnx_cx *cx, const char *name, int n, int64_t dflt,
                               int64_t lowest, int64_t *out)
{
    uint32_t count;
    const int64_t *v = nnc_onnx_node_ints(cx->node, name, &count);
    for (int i = 0; i < n; i++)
        out[i] = dflt;
    if (!count)
        return NNC_OK;
    if (count != (uint32_t)n)
        return nnc_cx_error(cx,
                            "attribute %s has %u numbers, expected %d, one per spatial dimension",
                            name, count, n);
    for (int i = 0; i < n; i++) {
        if (v[i] < lowest || v[i] > INT32_MAX)
            return nnc_cx_error(cx, "attribute %s holds %lld, expected at least %lld", name,
                                (long long)v[i], (long long)lowest);
        out[i] = v[i];
    }
    return NNC_OK;
}

static int64_t span(const nnc_row_window *w, int i)
{
    return (w->size[i] - 1) * w->dilation[i] + 1;
}

/* Padding that makes ceil(size / stride) outputs.  With a window of at least the stride it is never below 0, and with
 * one of a single cell never above. */
static void same_pads(nnc_onnx_cx *cx, nnc_value x, bool upper, nnc_row_window *w)
{
    nnc_dims *d = cx->dims;
    for (int i = 0; i < w->n; i++) {
        nnc_dim size = nnc_cx_dim(cx, x, 2 + i), stride = nnc_dim_const(d, w->stride[i]),
                total = nnc_dim_const(d, span(w, i) - 1);
        if (w->stride[i] != 1 && span(w, i) == 1) {
            total = 0;
        } else if (w->stride[i] != 1) {
            nnc_dim covered = nnc_dim_mul(d, nnc_dim_ceildiv(d, size, stride), stride);
            total = nnc_dim_sub(
                d, nnc_dim_add(d, nnc_dim_sub(d, covered, size), nnc_dim_const(d, span(w, i))),
                stride);
            if (span(w, i) < w->stride[i])
                total = nnc_dim_max(d, total, nnc_dim_const(d, 0));
        }
        nnc_dim half = nnc_dim_floordiv(d, total, nnc_dim_const(d, 2)),
                rest = nnc_dim_sub(d, total, half);
        w->lo[i] = upper ? half : rest;
        w->hi[i] = upper ? rest : half;
    }
}

static nnc_status read_pads(nnc_onnx_cx *cx, nnc_value x, nnc_row_window *w)
{
    const char *mode = nnc_onnx_node_str(cx->node, "auto_pad", "NOTSET");
    uint32_t count;
    const int64_t *pads = nnc_onnx_node_ints(cx->node, "pads", &count);
    if (!strcmp(mode, "SAME_UPPER") || !strcmp(mode, "SAME_LOWER")) {
        same_pads(cx, x, !strcmp(mode, "SAME_UPPER"), w);
        return NNC_OK;
    }
    if (!strcmp(mode, "VALID"))
        return NNC_OK;
    if (strcmp(mode, "NOTSET") && *mode)
        return nnc_cx_bad_attr(cx, "auto_pad", "NOTSET, SAME_UPPER, SAME_LOWER or VALID");
    if (count && count != 2 * (uint32_t)w->n)
        return nnc_cx_error(
            cx,
            "attribute pads has %u numbers, expected %d: begin and end of each spatial dimension",
            count, 2 * w->n);
    for (int i = 0; count && i < w->n; i++) {
        if (pads[i] < 0 || pads[i + w->n] < 0 || pads[i] > INT32_MAX || pads[i + w->n] > INT32_MAX)
            return nnc_cx_error(cx, "attribute pads holds a number below 0 or above 2^31; crop "
                                    "with Slice, pad with Pad");
        w->lo[i] = pads[i];
        w->hi[i] = pads[i + w->n];
    }
    return NNC_OK;
}

/* Outputs are ceil(room / stride) + 1, but no more than windows that start before the end of the input: the second only
 * matters when padding at the end and stride are wide. */
static void ceil_symbolic(nnc_onnx_cx *cx, nnc_dim size, nnc_row_window *w, int i)
{
    nnc_dims *d = cx->dims;
    nnc_dim stride = nnc_dim_const(d, w->stride[i]), start = nnc_dim_add(d, size, w->lo[i]);
    nnc_dim room = nnc_dim_sub(d, nnc_dim_add(d, start, w->hi[i]), nnc_dim_const(d, span(w, i)));
    nnc_dim last = nnc_dim_ceildiv(d, room, stride), more;
    if (!nnc_dim_is_const(w->hi[i]) || w->hi[i] + w->stride[i] > span(w, i))
        last = nnc_dim_min(d, last,
                           nnc_dim_sub(d, nnc_dim_ceildiv(d, start, stride), nnc_dim_const(d, 1)));
    more = nnc_dim_sub(d, nnc_dim_mul(d, last, stride), room);
    w->extra[i] = nnc_dim_lo(d, more) >= 0 ? more : nnc_dim_max(d, more, nnc_dim_const(d, 0));
}

static nnc_status read_ceil(nnc_onnx_cx *cx, nnc_value x, nnc_row_window *w)
{
    for (int i = 0; i < w->n; i++) {
        nnc_dim size = nnc_cx_dim(cx, x, 2 + i);
        if (w->stride[i] == 1)
            continue;
        if (!nnc_dim_is_const(size) || !nnc_dim_is_const(w->lo[i]) || !nnc_dim_is_const(w->hi[i])) {
            ceil_symbolic(cx, size, w, i);
            continue;
        }
        int64_t room = size + w->lo[i] + w->hi[i] - span(w, i);
        if (room < 0)
            continue;
        int64_t out = (room + w->stride[i] - 1) / w->stride[i] + 1;
        if ((out - 1) * w->stride[i] >= size + w->lo[i])
            out--;
        int64_t more = (out - 1) * w->stride[i] + span(w, i) - size - w->lo[i] - w->hi[i];
        w->extra[i] = more > 0 ? more : 0;
    }
    return NNC_OK;
}

static nnc_status check_room(nnc_onnx_cx *cx, nnc_value x, const nnc_row_window *w)
{
    for (int i = 0; i < w->n; i++) {
        nnc_dim padded = nnc_dim_add(cx->dims, nnc_cx_dim(cx, x, 2 + i),
                                     nnc_dim_add(cx->dims, w->lo[i], w->hi[i]));
        if (nnc_dim_hi(cx->dims, padded) < span(w, i))
            return nnc_cx_error(
                cx, "the window covers %lld cells of dimension %d, which has %s with padding",
                (long long)span(w, i), 2 + i, nnc_cx_dim_text(cx, padded));
    }
    return NNC_OK;
}

nnc_status nnc_row_window_read(nnc_onnx_cx *cx, nnc_value x, const nnc_dim *kernel,
                               nnc_row_window *w)
{
    *w = (nnc_row_window){.n = nnc_cx_rank(cx, x) - 2};
    if (w->n < 1 || w->n > 3)
        return nnc_cx_error(
            cx, "input %s: 1 to 3 spatial dimensions after batch and channel are supported",
            nnc_cx_type_text(cx, x));
    bool given = nnc_onnx_node_has(cx->node, "kernel_shape");
    NNC_TRY(nnc_row_window_list(cx, "kernel_shape", w->n, 1, 1, w->size));
    NNC_TRY(nnc_row_window_list(cx, "strides", w->n, 1, 1, w->stride));
    NNC_TRY(nnc_row_window_list(cx, "dilations", w->n, 1, 1, w->dilation));
    for (int i = 0; kernel && i < w->n; i++) {
        if (!nnc_dim_is_const(kernel[i]) || kernel[i] < 1)
            return nnc_cx_error(
                cx, "the weights' spatial size is %s, expected a constant of at least 1",
                nnc_cx_dim_text(cx, kernel[i]));
        if (given && kernel[i] != w->size[i])
            return nnc_cx_error(
                cx,
                "attribute kernel_shape says %lld in spatial dimension %d, the weights have %lld",
                (long long)w->size[i], i, (long long)kernel[i]);
        w->size[i] = kernel[i];
    }
    NNC_TRY(read_pads(cx, x, w));
    NNC_TRY(check_room(cx, x, w));
    return nnc_onnx_node_int(cx->node, "ceil_mode", 0) ? read_ceil(cx, x, w) : NNC_OK;
}
