/* frontend/onnx/rows_nn_pool.c - pooling.  Sums of small floats run in f32 and are rounded once. */
#include "frontend/onnx/rows_window.h"

/* The window as ir/build.h wants it: one entry per dim of x. */
static nnc_window full_window(nnc_onnx_cx *cx, const nnc_row_window *w)
{
    nnc_window g = {.size = {1, 1}, .stride = {1, 1}, .dilation = {1, 1}};
    for (int i = 0; i < w->n; i++) {
        g.size[2 + i] = w->size[i];
        g.stride[2 + i] = w->stride[i];
        g.dilation[2 + i] = w->dilation[i];
        g.lo[2 + i] = w->lo[i];
        g.hi[2 + i] = nnc_dim_add(cx->dims, w->hi[i], w->extra[i]);
    }
    return g;
}

static void out_dims(nnc_onnx_cx *cx, nnc_value x, nnc_dim *dim)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    memcpy(dim, t.dim, sizeof t.dim);
}

/* Row-major position in the whole tensor to column-major within each channel. */
static nnc_value column_major(nnc_onnx_cx *cx, nnc_value index, nnc_value x)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    nnc_dim plane = 1, below = 1;
    for (int i = 2; i < t.rank; i++)
        plane = nnc_dim_mul(cx->dims, plane, t.dim[i]);
    nnc_value p = nnc_cx_extent(cx, plane, NNC_DT_i64), rest = nnc_cx_op2(cx, NNC_OP_rem, index, p);
    nnc_value sum = nnc_cx_op2(cx, NNC_OP_sub, index, rest);
    for (int i = 2; i < t.rank; i++) {
        plane = nnc_dim_floordiv(cx->dims, plane, t.dim[i]);
        p = nnc_cx_extent(cx, plane, NNC_DT_i64);
        nnc_value at = nnc_cx_op2(cx, NNC_OP_div, rest, p);
        rest = nnc_cx_op2(cx, NNC_OP_rem, rest, p);
        sum = nnc_cx_op2(cx, NNC_OP_add, sum,
                         nnc_cx_op2(cx, NNC_OP_mul, at, nnc_cx_extent(cx, below, NNC_DT_i64)));
        below = nnc_dim_mul(cx->dims, below, t.dim[i]);
    }
    return sum;
}

nnc_status nnc_row_max_pool(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_row_window w;
    NNC_TRY(nnc_row_window_read(cx, x, NULL, &w));
    nnc_window g = full_window(cx, &w);
    nnc_cx_set(cx, 0, nnc_g_window_reduce(&cx->b, NNC_W_max, x, &g));
    if (nnc_cx_wants(cx, 1)) {
        nnc_value i = nnc_g_window_argmax(&cx->b, x, &g);
        nnc_cx_set(cx, 1,
                   nnc_onnx_node_int(cx->node, "storage_order", 0) ? column_major(cx, i, x) : i);
    }
    return NNC_OK;
}

/* How many cells of the input (with padding, when that counts) lie under each window: [1, 1, spatial..] in f32. */
static nnc_value count_cells(nnc_onnx_cx *cx, nnc_value x, nnc_dtype dt, const nnc_row_window *w,
                             bool with_pads)
{
    nnc_window g = full_window(cx, w);
    nnc_dim dim[NNC_MAX_RANK];
    bool even = true;
    double cells = 1;
    out_dims(cx, x, dim);
    for (int i = 0; i < w->n; i++) {
        even &= w->extra[i] == 0 && (with_pads || (w->lo[i] == 0 && w->hi[i] == 0));
        cells *= (double)w->size[i];
        if (with_pads) {
            dim[2 + i] =
                nnc_dim_add(cx->dims, dim[2 + i], nnc_dim_add(cx->dims, w->lo[i], w->hi[i]));
            g.lo[2 + i] = 0;
            g.hi[2 + i] = w->extra[i];
        }
    }
    if (even)
        return nnc_cx_num(cx, dt, cells);
    dim[0] = dim[1] = 1;
    return nnc_g_window_reduce(&cx->b, NNC_W_sum,
                               nnc_cx_full(cx, nnc_cx_num(cx, dt, 1), w->n + 2, dim), &g);
}

nnc_status nnc_row_average_pool(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), wide = nnc_cx_widen(cx, x);
    nnc_row_window w;
    NNC_TRY(nnc_row_window_read(cx, x, NULL, &w));
    nnc_window g = full_window(cx, &w);
    nnc_value sum = nnc_g_window_reduce(&cx->b, NNC_W_sum, wide, &g);
    nnc_value n = count_cells(cx, x, nnc_cx_dtype(cx, wide), &w,
                              nnc_onnx_node_int(cx->node, "count_include_pad", 0) != 0);
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, nnc_cx_op2(cx, NNC_OP_div, sum, n), nnc_cx_dtype(cx, x)));
    return NNC_OK;
}

/* |x|^p and back */
static nnc_value power(nnc_onnx_cx *cx, nnc_value x, double p)
{
    if (p == 1)
        return x;
    if (p == 2)
        return nnc_cx_op2(cx, NNC_OP_mul, x, x);
    if (p == 0.5)
        return nnc_cx_op1(cx, NNC_OP_sqrt, x);
    return nnc_cx_op2(cx, NNC_OP_pow, x, nnc_cx_like(cx, x, p));
}

static nnc_status read_p(nnc_onnx_cx *cx, double *p)
{
    const nnc_onnx_attr *a = nnc_onnx_node_attr(cx->node, "p"); /* a float in the first opset */
    *p = !a ? 2 : a->kind == NNC_ONNX_ATTR_float ? (double)a->u.f : (double)a->u.i;
    return *p > 0 ? NNC_OK : nnc_cx_bad_attr(cx, "p", "a positive number");
}

nnc_status nnc_row_lp_pool(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), wide = nnc_cx_widen(cx, x);
    nnc_row_window w;
    double p;
    NNC_TRY(read_p(cx, &p));
    NNC_TRY(nnc_row_window_read(cx, x, NULL, &w));
    nnc_window g = full_window(cx, &w);
    nnc_value sum =
        nnc_g_window_reduce(&cx->b, NNC_W_sum, power(cx, nnc_cx_op1(cx, NNC_OP_abs, wide), p), &g);
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, power(cx, sum, 1 / p), nnc_cx_dtype(cx, x)));
    return NNC_OK;
}

/* Everything after batch and channel. */
static nnc_status spatial_axes(nnc_onnx_cx *cx, nnc_value x, unsigned *n, int64_t *axes)
{
    int rank = nnc_cx_rank(cx, x);
    if (rank < 2)
        return nnc_cx_error(cx, "input is %s, expected batch and channel dimensions",
                            nnc_cx_type_text(cx, x));
    *n = 0;
    for (int i = 2; i < rank; i++)
        axes[(*n)++] = i;
    return NNC_OK;
}

nnc_status nnc_row_global_average_pool(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    int64_t axes[NNC_MAX_RANK];
    unsigned n;
    NNC_TRY(spatial_axes(cx, x, &n, axes));
    nnc_cx_set(cx, 0,
               nnc_g_cast(&cx->b, nnc_cx_mean(cx, nnc_cx_widen(cx, x), n, axes, true),
                          nnc_cx_dtype(cx, x)));
    return NNC_OK;
}

nnc_status nnc_row_global_max_pool(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0);
    int64_t axes[NNC_MAX_RANK];
    unsigned n;
    NNC_TRY(spatial_axes(cx, x, &n, axes));
    nnc_cx_set(cx, 0, nnc_g_reduce(&cx->b, NNC_W_max, x, n, axes, true));
    return NNC_OK;
}

nnc_status nnc_row_global_lp_pool(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), wide = nnc_cx_widen(cx, x);
    int64_t axes[NNC_MAX_RANK];
    unsigned n;
    double p;
    NNC_TRY(read_p(cx, &p));
    NNC_TRY(spatial_axes(cx, x, &n, axes));
    nnc_value sum = nnc_cx_sum(cx, power(cx, nnc_cx_op1(cx, NNC_OP_abs, wide), p), n, axes, true);
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, power(cx, sum, 1 / p), nnc_cx_dtype(cx, x)));
    return NNC_OK;
}

/* Values go back to the positions that MaxPool returned, in a tensor of the size it saw; a larger output_shape pads it
 * at the end. */
nnc_status nnc_row_max_unpool(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), at = nnc_cx_in(cx, 1);
    int rank = nnc_cx_rank(cx, x);
    int64_t size[3], stride[3], pads[6];
    nnc_dim dim[NNC_MAX_RANK], flat = 1, lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0},
                               want[NNC_MAX_RANK];
    if (rank < 3 || rank > 5)
        return nnc_cx_error(cx, "input %s: 1 to 3 spatial dimensions are supported",
                            nnc_cx_type_text(cx, x));
    NNC_TRY(nnc_row_window_list(cx, "kernel_shape", rank - 2, 1, 1, size));
    NNC_TRY(nnc_row_window_list(cx, "strides", rank - 2, 1, 1, stride));
    NNC_TRY(nnc_row_window_list(cx, "pads", 2 * (rank - 2), 0, 0, pads));
    out_dims(cx, x, dim);
    for (int i = 2; i < rank; i++) {
        nnc_dim steps = nnc_dim_mul(cx->dims, nnc_dim_sub(cx->dims, dim[i], 1), stride[i - 2]);
        dim[i] = nnc_dim_add(
            cx->dims, steps,
            nnc_dim_const(cx->dims, size[i - 2] - pads[i - 2] - pads[i - 2 + rank - 2]));
    }
    for (int i = 0; i < rank; i++)
        flat = nnc_dim_mul(cx->dims, flat, dim[i]);
    nnc_value y = nnc_cx_full(cx, nnc_cx_like(cx, x, 0), 1, &flat);
    y = nnc_g_scatter_elements(&cx->b, y, nnc_cx_flat(cx, at), nnc_cx_flat(cx, x), 0, NNC_W_none);
    y = nnc_cx_reshape(cx, y, rank, dim);
    if (nnc_cx_has(cx, 2)) {
        int r = rank;
        NNC_TRY(nnc_cx_shape_operand(cx, 2, "output_shape", &r, want));
        if (r != rank)
            return nnc_cx_error(cx, "output_shape has %d numbers, expected %d", r, rank);
        for (int i = 0; i < rank; i++)
            hi[i] = nnc_dim_sub(cx->dims, want[i], dim[i]);
        y = nnc_g_pad(&cx->b, y, nnc_cx_like(cx, x, 0), lo, hi, NNC_W_constant);
    }
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}
