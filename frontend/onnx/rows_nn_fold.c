/* frontend/onnx/rows_nn_fold.c - Col2Im: blocks added into an image where they overlap.
 *
 * It is the adjoint of taking windows, so each tap of the block adds one strided grid of values:
 * the values are spread with zeros between and around them (pad), cropped to the image, and
 * summed.  No scatter is needed, unless only the run knows the size of a block: then the place of
 * every value is computed there. */
#include "frontend/onnx/rows_short.h"

enum { MAX_DIMS = 3 };

struct fold {
    nnc_onnx_cx *cx;
    int n; /* spatial dims */
    int64_t block[MAX_DIMS], stride[MAX_DIMS], dilation[MAX_DIMS], lo[MAX_DIMS], hi[MAX_DIMS], taps;
    nnc_dim image[MAX_DIMS], count[MAX_DIMS]; /* sizes of the image; blocks along each dim */
    nnc_value x;                              /* [N, C, taps, blocks..] */
};

static nnc_status read_list(nnc_onnx_cx *cx, const char *name, int n, int64_t dflt, int64_t lowest,
                            int64_t *out)
{
    uint32_t count;
    const int64_t *v = nnc_onnx_node_ints(cx->node, name, &count);
    if (count && count != (uint32_t)n)
        return nnc_cx_error(cx, "attribute %s has %u numbers, expected %d", name, count, n);
    for (int i = 0; i < n; i++) {
        out[i] = count ? v[i] : dflt;
        if (out[i] < lowest || out[i] > INT32_MAX)
            return nnc_cx_error(cx, "attribute %s holds %lld, expected at least %lld", name,
                                (long long)out[i], (long long)lowest);
    }
    return NNC_OK;
}

/* Input i as sizes: known, or (for the image) those of the declared result. */
static nnc_status read_image(struct fold *f)
{
    nnc_onnx_cx *cx = f->cx;
    uint32_t n;
    const nnc_dim *dim;
    nnc_type_rec t;
    nnc_value v = nnc_cx_in(cx, 1);
    if (nnc_cx_rank(cx, v) != 1 || !nnc_dim_is_const(nnc_cx_dim(cx, v, 0)) ||
        nnc_cx_dim(cx, v, 0) < 1 || nnc_cx_dim(cx, v, 0) > MAX_DIMS)
        return nnc_cx_error(cx, "image_shape is %s, expected 1 to %d numbers",
                            nnc_cx_type_text(cx, v), MAX_DIMS);
    f->n = (int)nnc_cx_dim(cx, v, 0);
    if (nnc_cx_dims(cx, v, &n, &dim)) {
        memcpy(f->image, dim, (size_t)f->n * sizeof *dim);
        return NNC_OK;
    }
    if (!nnc_cx_declared(cx, 0, &t) || t.rank != f->n + 2)
        return nnc_cx_error(cx, "image_shape is only known at run time and the output has no "
                                "declared shape; make it a constant");
    memcpy(f->image, t.dim + 2, (size_t)f->n * sizeof *f->image);
    return nnc_cx_check(cx, is_equal(cx, v, nnc_cx_shape(cx, f->n, f->image)),
                        "image_shape differs from the declared shape of the output");
}

/* Blocks along each dim for the block sizes at hand. */
static bool count_blocks(struct fold *f)
{
    nnc_dims *d = f->cx->dims;
    bool fits = true;
    f->taps = 1;
    for (int i = 0; i < f->n; i++) {
        nnc_dim room = nnc_dim_add(d, f->image[i], f->lo[i] + f->hi[i]);
        room = nnc_dim_sub(d, room, f->dilation[i] * (f->block[i] - 1) + 1);
        fits &= nnc_dim_lo(d, room) >= 0;
        f->count[i] = nnc_dim_add(d, nnc_dim_floordiv(d, room, f->stride[i]), 1);
        f->taps *= f->block[i];
    }
    return fits;
}

static nnc_status read_block(struct fold *f)
{
    nnc_onnx_cx *cx = f->cx;
    uint32_t n;
    const int64_t *v;
    NNC_TRY(nnc_cx_need_ints(cx, 2, "block_shape", &n, &v));
    if (n != (uint32_t)f->n)
        return nnc_cx_error(cx, "block_shape has %u numbers, expected %d", n, f->n);
    for (int i = 0; i < f->n; i++) {
        if (v[i] < 1 || v[i] > 1 << 16)
            return nnc_cx_error(cx, "block_shape holds %lld, expected a positive size",
                                (long long)v[i]);
        f->block[i] = v[i];
    }
    return NNC_OK;
}

static nnc_status read_columns(struct fold *f)
{
    nnc_onnx_cx *cx = f->cx;
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_dim blocks = 1, dim[NNC_MAX_RANK], best;
    NNC_TRY(nnc_cx_rank_is(cx, x, 3, "input"));
    if (!count_blocks(f))
        return nnc_cx_error(cx, "a block does not fit into the padded image");
    for (int i = 0; i < f->n; i++)
        blocks = nnc_dim_mul(cx->dims, blocks, f->count[i]);
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, x, 2), blocks,
                            "number of blocks (last dimension of the input)", &best));
    nnc_dim c = nnc_cx_dim(cx, x, 1);
    if (!nnc_dim_is_const(c) || c % f->taps)
        return nnc_cx_error(cx, "input is %s: its %s rows do not divide into blocks of %lld",
                            nnc_cx_type_text(cx, x), nnc_cx_dim_text(cx, c), (long long)f->taps);
    dim[0] = nnc_cx_dim(cx, x, 0);
    dim[1] = c / f->taps;
    dim[2] = f->taps;
    memcpy(dim + 3, f->count, (size_t)f->n * sizeof *dim);
    f->x = nnc_cx_reshape(cx, x, f->n + 3, dim);
    return NNC_OK;
}

/* stride - 1 zeros after each entry along `axis`. */
static nnc_value spread(struct fold *f, nnc_value v, int axis, int64_t stride)
{
    nnc_onnx_cx *cx = f->cx;
    nnc_type_rec t = nnc_cx_ty(cx, v);
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    if (stride == 1)
        return v;
    hi[axis + 1] = stride - 1;
    v = nnc_g_pad(&cx->b, nnc_cx_expand_dim(cx, v, axis + 1), nnc_cx_like(cx, v, 0), lo, hi,
                  NNC_W_constant);
    t.dim[axis] = nnc_dim_mul(cx->dims, t.dim[axis], stride);
    return nnc_cx_reshape(cx, v, t.rank, t.dim);
}

/* The values of one tap at their places in the padded image, less the padding. */
static nnc_value placed(struct fold *f, int64_t tap)
{
    nnc_onnx_cx *cx = f->cx;
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    nnc_value v = nnc_g_slice_axis(&cx->b, f->x, 2, tap, 1, 1);
    v = nnc_cx_drop_dim(cx, v, 2);
    for (int i = f->n - 1; i >= 0; i--) {
        int64_t at = tap % f->block[i];
        tap /= f->block[i];
        v = spread(f, v, 2 + i, f->stride[i]);
        int64_t start = at * f->dilation[i] - f->lo[i];
        nnc_dim end =
            nnc_dim_add(cx->dims, nnc_dim_const(cx->dims, start), nnc_cx_dim(cx, v, 2 + i));
        lo[2 + i] = nnc_dim_const(cx->dims, start);
        hi[2 + i] = nnc_dim_sub(cx->dims, f->image[i], end);
    }
    return nnc_g_pad(&cx->b, v, nnc_cx_like(cx, v, 0), lo, hi, NNC_W_constant);
}

/* ---- block sizes that only the run knows ---- */

static nnc_value i64(struct fold *f, int64_t v)
{
    return nnc_cx_num(f->cx, NNC_DT_i64, (double)v);
}

/* Digit i of `number` in the mixed base size[0 .. n-1], most significant first. */
static nnc_value digit(struct fold *f, nnc_value number, const nnc_value *size, int i)
{
    for (int j = f->n - 1; j > i; j--)
        number = div_of(f->cx, number, size[j]);
    return nnc_cx_op2(f->cx, NNC_OP_rem, number, size[i]);
}

/* Place of each (cell of the block, block) in the flattened image, i64[cells, blocks]; -1 in the
 * padding. */
static nnc_status places_at_run(struct fold *f, nnc_dim cells, nnc_dim blocks, nnc_value *out)
{
    nnc_onnx_cx *cx = f->cx;
    nnc_value block[MAX_DIMS], count[MAX_DIMS], all = i64(f, 1), every = i64(f, 1), place = {0},
                                                inside = {0};
    nnc_dim dim[2] = {cells, blocks};
    nnc_value cell = nnc_g_iota(&cx->b, NNC_DT_i64, 2, dim, 0),
              number = nnc_g_iota(&cx->b, NNC_DT_i64, 2, dim, 1);
    for (int i = 0; i < f->n; i++) {
        block[i] = nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, nnc_cx_in(cx, 2), 0, i, 1, 1));
        nnc_value room =
            sub_of(cx, nnc_cx_extent(cx, f->image[i], NNC_DT_i64),
                   mul_of_num(cx, sub_of_num(cx, block[i], 1), (double)f->dilation[i]));
        room = add_of_num(cx, room, (double)(f->lo[i] + f->hi[i] - 1));
        count[i] = add_of_num(cx, div_of_num(cx, room, (double)f->stride[i]), 1);
        all = mul_of(cx, all, block[i]);
        every = mul_of(cx, every, count[i]);
    }
    nnc_value fits = both(cx, is_equal(cx, all, nnc_cx_extent(cx, cells, NNC_DT_i64)),
                          is_equal(cx, every, nnc_cx_extent(cx, blocks, NNC_DT_i64)));
    NNC_TRY(nnc_cx_check(
        cx, fits,
        "block_shape and image_shape do not fit the input and the declared shape of the output"));
    for (int i = 0; i < f->n; i++) {
        nnc_value at = mul_of_num(cx, digit(f, number, count, i), (double)f->stride[i]),
                  n = nnc_cx_extent(cx, f->image[i], NNC_DT_i64);
        at = sub_of_num(
            cx, add_of(cx, at, mul_of_num(cx, digit(f, cell, block, i), (double)f->dilation[i])),
            (double)f->lo[i]);
        nnc_value in = both(cx, is_at_most(cx, i64(f, 0), at), is_less(cx, at, n));
        place = i ? add_of(cx, mul_of(cx, place, n), at) : at;
        inside = i ? both(cx, inside, in) : in;
    }
    *out = choose(cx, inside, place, i64(f, -1));
    return NNC_OK;
}

static nnc_status fold_at_run(struct fold *f)
{
    nnc_onnx_cx *cx = f->cx;
    nnc_value x = nnc_cx_in(cx, 0), at;
    nnc_type_rec t = nnc_cx_ty(cx, x), y;
    static const int64_t perm[3] = {1, 2, 0}, back[2] = {1, 0};
    NNC_TRY(nnc_cx_rank_is(cx, x, 3, "input"));
    if (nnc_cx_rank(cx, nnc_cx_in(cx, 2)) != 1 || nnc_cx_dim(cx, nnc_cx_in(cx, 2), 0) != f->n)
        return nnc_cx_error(cx, "block_shape is %s, expected %d numbers",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 2)), f->n);
    if (!nnc_cx_declared(cx, 0, &y) || y.rank != f->n + 2)
        return nnc_cx_error(cx, "block_shape is only known at run time and the output has no "
                                "declared shape; make it a constant");
    nnc_dim c = y.dim[1], pixels = 1;
    if (!nnc_dim_is_const(c) || !nnc_dim_is_const(t.dim[1]) || c < 1 || t.dim[1] % c)
        return nnc_cx_error(cx, "the %s rows of the input do not divide among %s channels",
                            nnc_cx_dim_text(cx, t.dim[1]), nnc_cx_dim_text(cx, c));
    for (int i = 0; i < f->n; i++)
        pixels = nnc_dim_mul(cx->dims, pixels, f->image[i]);
    nnc_dim cells = t.dim[1] / c, rows = nnc_dim_mul(cx->dims, t.dim[0], c),
            split[3] = {rows, cells, t.dim[2]};
    nnc_dim n = nnc_dim_mul(cx->dims, cells, t.dim[2]), flat[2] = {n, rows}, index[2] = {n, 1},
            image[2] = {pixels, rows};
    NNC_TRY(places_at_run(f, cells, t.dim[2], &at));
    x = nnc_cx_reshape(cx, nnc_g_transpose(&cx->b, nnc_cx_reshape(cx, x, 3, split), perm), 2, flat);
    nnc_value zeros = nnc_cx_full(cx, nnc_cx_like(cx, x, 0), 2, image);
    x = nnc_g_scatter_nd(&cx->b, zeros, nnc_cx_reshape(cx, at, 2, index), x, NNC_W_add);
    y.dim[0] = t.dim[0];
    memcpy(y.dim + 2, f->image, (size_t)f->n * sizeof *f->image);
    nnc_cx_set(cx, 0, nnc_cx_reshape(cx, nnc_g_transpose(&cx->b, x, back), y.rank, y.dim));
    return NNC_OK;
}

nnc_status nnc_row_col2im(nnc_onnx_cx *cx)
{
    struct fold f = {.cx = cx};
    int64_t pads[2 * MAX_DIMS];
    nnc_value sum = {0};
    NNC_TRY(read_image(&f));
    NNC_TRY(read_list(cx, "strides", f.n, 1, 1, f.stride));
    NNC_TRY(read_list(cx, "dilations", f.n, 1, 1, f.dilation));
    NNC_TRY(read_list(cx, "pads", 2 * f.n, 0, 0, pads));
    memcpy(f.lo, pads, (size_t)f.n * sizeof *pads);
    memcpy(f.hi, pads + f.n, (size_t)f.n * sizeof *pads);
    uint32_t n;
    const int64_t *known;
    if (!nnc_cx_ints(cx, nnc_cx_in(cx, 2), &n, &known))
        return fold_at_run(&f);
    NNC_TRY(read_block(&f));
    NNC_TRY(read_columns(&f));
    if (f.taps > 1024)
        return nnc_cx_error(cx, "blocks of %lld cells; at most 1024 are supported",
                            (long long)f.taps);
    for (int64_t t = 0; t < f.taps; t++) {
        nnc_value v = placed(&f, t);
        sum = t ? add_of(cx, sum, v) : v;
    }
    nnc_cx_set(cx, 0, sum);
    return NNC_OK;
}
