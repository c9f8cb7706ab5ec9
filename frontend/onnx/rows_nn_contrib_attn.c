/* frontend/onnx/rows_nn_contrib_attn.c - com.microsoft: Attention, QAttention, MultiHeadAttention,
 * RotaryEmbedding.
 *
 * Heads are split off, masks become one additive bias: mask_filter_value where padding is, minus
 * infinity on what a causal model must not see.  Padding is a finite number on purpose: a row that
 * is all padding averages its values. */
#include "frontend/onnx/rows_contrib.h"

struct heads {
    nnc_onnx_cx *cx;
    int64_t n;                 /* heads */
    nnc_dim batch, s, t, past; /* queries, keys with the past, keys of the past */
    nnc_value q, k, v;         /* [B, N, S, D], [B, N, T, D], [B, N, T, E] */
    nnc_value bias;            /* additive, none: no mask */
    nnc_dtype dt;
};

static void add_bias(struct heads *h, nnc_value more)
{
    h->bias = h->bias.id ? add_of(h->cx, h->bias, more) : more;
}

/* [B, S, N * D] -> [B, N, S, D] */
static nnc_status split_heads(struct heads *h, nnc_value x, const char *what, nnc_value *out)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    nnc_type_rec t = nnc_cx_ty(h->cx, x);
    if (t.rank != 3 || !nnc_dim_is_const(t.dim[2]) || t.dim[2] % h->n || t.dim[2] < h->n)
        return nnc_cx_error(h->cx,
                            "%s is %s, expected three dimensions, the last divided into %lld heads",
                            what, nnc_cx_type_text(h->cx, x), (long long)h->n);
    nnc_dim dim[4] = {t.dim[0], t.dim[1], h->n, t.dim[2] / h->n};
    *out = nnc_g_transpose(&h->cx->b, nnc_cx_reshape(h->cx, x, 4, dim), perm);
    return NNC_OK;
}

static nnc_status join_heads(struct heads *h, nnc_value y)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    nnc_type_rec t = nnc_cx_ty(h->cx, y);
    nnc_dim dim[3] = {t.dim[0], t.dim[2], nnc_dim_mul(h->cx->dims, t.dim[1], t.dim[3])};
    nnc_cx_set(
        h->cx, 0,
        cast_to(h->cx, nnc_cx_reshape(h->cx, nnc_g_transpose(&h->cx->b, y, perm), 3, dim), h->dt));
    return NNC_OK;
}

/* The past before the keys (or values) at hand. */
static nnc_status with_past(struct heads *h, nnc_value past, const char *what, nnc_value *v)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value both_of[2] = {nnc_cx_widen(cx, past), *v};
    NNC_TRY(nnc_cx_rank_is(cx, past, 4, what));
    h->past = nnc_cx_dim(cx, past, 2);
    return nnc_cx_concat(cx, 2, both_of, 2, v);
}

static nnc_status read_heads(struct heads *h)
{
    h->n = nnc_onnx_node_int(h->cx->node, "num_heads", 0);
    return h->n < 1 || h->n > 1 << 16 ? nnc_cx_bad_attr(h->cx, "num_heads", "a positive number")
                                      : NNC_OK;
}

/* ---- masks ---- */

/* Lengths [B], or ends and starts [2 B]: which keys are not padding. */
static nnc_status range_mask(struct heads *h, nnc_value m, nnc_value *allowed)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_dim n = nnc_cx_dim(cx, m, 0), col[2] = {h->batch, 1}, row[2] = {1, h->t};
    bool starts = n != h->batch;
    if (starts && n != nnc_dim_mul(cx->dims, h->batch, 2))
        return nnc_cx_error(cx,
                            "mask is %s; lengths [batch], ends and starts [2 batch], or masks of "
                            "two and three dimensions are supported",
                            nnc_cx_type_text(cx, m));
    nnc_value key = nnc_g_iota(&cx->b, NNC_DT_i64, 2, row, 1),
              end = nnc_g_slice_axis(&cx->b, m, 0, 0, 1, h->batch);
    *allowed = is_less(cx, key, nnc_cx_reshape(cx, end, 2, col));
    if (starts) {
        nnc_value start = nnc_g_slice_axis(&cx->b, m, 0, h->batch, 1, h->batch);
        *allowed = both(cx, *allowed, is_at_most(cx, nnc_cx_reshape(cx, start, 2, col), key));
    }
    return NNC_OK;
}

static nnc_status padding_mask(struct heads *h, uint32_t i)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value m = nnc_cx_in(cx, i), allowed;
    nnc_dim dim[4] = {h->batch, 1, 1, h->t}, best;
    if (!nnc_cx_has(cx, i))
        return NNC_OK;
    nnc_type_rec t = nnc_cx_ty(cx, m);
    if (!nnc_dtype_is_int((nnc_dtype)t.dtype) || t.rank < 1 || t.rank > 3)
        return nnc_cx_error(cx, "mask is %s, expected integers of one to three dimensions",
                            nnc_cx_type_text(cx, m));
    m = cast_to(cx, m, NNC_DT_i64);
    if (t.rank == 1) {
        NNC_TRY(range_mask(h, m, &allowed));
    } else {
        NNC_TRY(nnc_cx_same_dim(cx, t.dim[0], h->batch, "batch of the mask", &best));
        NNC_TRY(nnc_cx_same_dim(cx, t.dim[t.rank - 1], h->t, "mask and keys", &best));
        if (t.rank == 3) {
            NNC_TRY(nnc_cx_same_dim(cx, t.dim[1], h->s, "mask and queries", &best));
            dim[2] = h->s;
        }
        allowed = is_less(cx, nnc_cx_num(cx, NNC_DT_i64, 0), m);
    }
    nnc_dtype dt = nnc_cx_dtype(cx, h->q);
    nnc_value filter =
        nnc_cx_num(cx, dt, nnc_onnx_node_float(cx->node, "mask_filter_value", -10000));
    add_bias(h, choose(cx, nnc_cx_reshape(cx, allowed, 4, dim), nnc_cx_num(cx, dt, 0), filter));
    return NNC_OK;
}

static nnc_status all_masks(struct heads *h, uint32_t padding, uint32_t extra)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_dtype dt = nnc_cx_dtype(cx, h->q);
    NNC_TRY(padding_mask(h, padding));
    if (nnc_onnx_node_int(cx->node, "unidirectional", 0)) {
        nnc_dim row[2] = {h->s, h->t};
        nnc_value at = add_of(cx, nnc_g_iota(&cx->b, NNC_DT_i64, 2, row, 0),
                              nnc_cx_extent(cx, h->past, NNC_DT_i64));
        nnc_value seen = is_at_most(cx, nnc_g_iota(&cx->b, NNC_DT_i64, 2, row, 1), at);
        add_bias(h, choose(cx, seen, nnc_cx_num(cx, dt, 0), nnc_cx_num(cx, dt, -INFINITY)));
    }
    if (nnc_cx_has(cx, extra)) {
        nnc_value more = nnc_cx_in(cx, extra);
        nnc_dim full[4] = {h->batch, h->n, h->s, h->t};
        nnc_value shapes[2] = {cast_to(cx, more, dt),
                               nnc_cx_full(cx, nnc_cx_num(cx, dt, 0), 4, full)};
        nnc_type_rec all;
        NNC_TRY(nnc_row_real(cx, extra));
        NNC_TRY(nnc_cx_rank_is(cx, more, 4, "attention_bias"));
        NNC_TRY(nnc_cx_broadcast(cx, 2, shapes, &all));
        add_bias(h, shapes[0]);
    }
    return NNC_OK;
}

/* ---- the product ---- */

static nnc_status attend(struct heads *h)
{
    nnc_onnx_cx *cx = h->cx;
    static const int64_t batch[2] = {0, 1}, three[1] = {3}, two[1] = {2};
    nnc_dim d = nnc_cx_dim(cx, h->q, 3), best;
    NNC_TRY(
        nnc_cx_same_dim(cx, d, nnc_cx_dim(cx, h->k, 3), "head size of queries and keys", &best));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, h->k, 2), nnc_cx_dim(cx, h->v, 2), "keys and values",
                            &best));
    double scale = nnc_onnx_node_float(cx->node, "scale", 0);
    if (scale == 0) /* as the operator reads it: not set */
        scale = 1 / sqrt((double)d);
    nnc_value s = mul_of_num(
        cx, nnc_g_dot(&cx->b, h->q, h->k, 2, batch, batch, 1, three, three, NNC_DT_none), scale);
    if (h->bias.id)
        s = add_of(cx, s, h->bias);
    s = nnc_g_softmax(&cx->b, s, 3, false);
    return join_heads(h, nnc_g_dot(&cx->b, s, h->v, 2, batch, batch, 1, three, two, NNC_DT_none));
}

/* ---- Attention: projections included ---- */

/* Columns of Q, K and V in the weights. */
static nnc_status hidden_sizes(struct heads *h, int64_t total, int64_t *size)
{
    uint32_t n;
    const int64_t *given = nnc_onnx_node_ints(h->cx->node, "qkv_hidden_sizes", &n);
    for (int i = 0; i < 3; i++)
        size[i] = n == 3 ? given[i] : total / 3;
    if ((n && n != 3) || size[0] < 1 || size[1] < 1 || size[2] < 1 ||
        size[0] + size[1] + size[2] != total || size[0] != size[1])
        return nnc_cx_error(
            h->cx, "weights have %lld columns, which do not divide into queries, keys and values",
            (long long)total);
    return NNC_OK;
}

/* y [B, S, columns] = x W, plus the bias in input 2, divided into queries, keys and values. */
static nnc_status divide(struct heads *h, nnc_value y)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value *to[3] = {&h->q, &h->k, &h->v};
    static const char *const name[3] = {"queries", "keys", "values"};
    int64_t size[3], at = 0;
    nnc_dim columns = nnc_cx_dim(cx, y, 2), best;
    if (!nnc_dim_is_const(columns))
        return nnc_cx_error(cx, "weights are %s, expected a fixed size",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 1)));
    if (nnc_cx_has(cx, 2)) {
        nnc_value b = nnc_cx_widen(cx, nnc_cx_in(cx, 2));
        NNC_TRY(nnc_cx_rank_is(cx, b, 1, "bias"));
        NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, b, 0), columns, "bias and weights", &best));
        y = add_of(cx, y, b);
    }
    NNC_TRY(hidden_sizes(h, columns, size));
    for (int i = 0; i < 3; at += size[i++])
        NNC_TRY(split_heads(h, nnc_g_slice_axis(&cx->b, y, 2, at, 1, size[i]), name[i], to[i]));
    return NNC_OK;
}

static nnc_status check_operands(nnc_onnx_cx *cx, nnc_value x, nnc_value w)
{
    NNC_TRY(nnc_cx_rank_is(cx, x, 3, "input"));
    NNC_TRY(nnc_cx_rank_is(cx, w, 2, "weights"));
    return nnc_cx_check_matmul(cx, x, w);
}

static nnc_status project(struct heads *h)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value x = nnc_cx_widen(cx, nnc_cx_in(cx, 0)), w = nnc_cx_widen(cx, nnc_cx_in(cx, 1));
    NNC_TRY(check_operands(cx, x, w));
    return divide(h, nnc_g_matmul(&cx->b, x, w, NNC_DT_none));
}

/* The same on bytes: input scale 3, weight scale 4, zero points 6 and 7. */
static nnc_status project_bytes(struct heads *h)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value v[2], zero, scale[2];
    nnc_dim best;
    for (uint32_t i = 0; i < 2; i++) {
        NNC_TRY(nnc_row_byte(cx, i));
        NNC_TRY(nnc_row_real(cx, 3 + i));
        v[i] = cast_to(cx, nnc_cx_in(cx, i), NNC_DT_i16);
        scale[i] = cast_to(cx, nnc_cx_in(cx, 3 + i), NNC_DT_f32);
    }
    NNC_TRY(check_operands(cx, v[0], v[1]));
    for (uint32_t i = 0; i < 2; i++) {
        nnc_value *part[2] = {&scale[i], &zero};
        zero = nnc_cx_has(cx, 6 + i) ? nnc_cx_in(cx, 6 + i) : nnc_cx_num(cx, NNC_DT_i16, 0);
        if (nnc_cx_has(cx, 6 + i))
            NNC_TRY(nnc_row_byte(cx, 6 + i));
        for (int k = 0; k < 2; k++) { /* one number, or one per column of the weights */
            nnc_type_rec t = nnc_cx_ty(cx, *part[k]);
            if (t.rank > 1)
                return nnc_cx_error(
                    cx, "a scale or zero point is %s, expected one number or one per column",
                    nnc_cx_type_text(cx, *part[k]));
            if (t.rank == 0 || t.dim[0] == 1)
                *part[k] = nnc_cx_scalar(cx, *part[k]);
            else if (i == 0)
                return nnc_cx_error(cx,
                                    "a scale or zero point of the input is %s, expected one number",
                                    nnc_cx_type_text(cx, *part[k]));
            else
                NNC_TRY(nnc_cx_same_dim(cx, t.dim[0], nnc_cx_dim(cx, v[1], 1),
                                        "scale or zero point and weights", &best));
        }
        v[i] = sub_of(cx, v[i], cast_to(cx, zero, NNC_DT_i16));
    }
    nnc_value y = cast_to(cx, nnc_g_matmul(&cx->b, v[0], v[1], NNC_DT_i32), NNC_DT_f32);
    return divide(h, mul_of(cx, y, mul_of(cx, scale[0], scale[1])));
}

/* Input i, past [2, B, N, P, D]: keys and values. */
static nnc_status use_past(struct heads *h, uint32_t at)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value past = nnc_cx_in(cx, at), *to[2] = {&h->k, &h->v};
    if (!nnc_cx_has(cx, at))
        return NNC_OK;
    if (nnc_cx_rank(cx, past) != 5 || nnc_cx_dim(cx, past, 0) != 2)
        return nnc_cx_error(cx, "past is %s, expected [2, batch, heads, length, size]",
                            nnc_cx_type_text(cx, past));
    NNC_TRY(nnc_row_real(cx, at));
    for (int i = 0; i < 2; i++)
        NNC_TRY(with_past(h, nnc_cx_drop_dim(cx, nnc_g_slice_axis(&cx->b, past, 0, i, 1, 1), 0),
                          "past", to[i]));
    return NNC_OK;
}

static void sizes(struct heads *h)
{
    h->batch = nnc_cx_dim(h->cx, h->q, 0);
    h->s = nnc_cx_dim(h->cx, h->q, 2);
    h->t = nnc_cx_dim(h->cx, h->k, 2);
}

/* Output 1: keys and values, the past included. */
static nnc_status set_present(struct heads *h)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value kv[2], y;
    if (!nnc_cx_wants(cx, 1))
        return NNC_OK;
    kv[0] = nnc_cx_expand_dim(cx, h->k, 0);
    kv[1] = nnc_cx_expand_dim(cx, h->v, 0);
    NNC_TRY(nnc_cx_concat(cx, 2, kv, 0, &y));
    nnc_cx_set(cx, 1, cast_to(cx, y, h->dt));
    return NNC_OK;
}

/* Inputs: x, weights, bias, mask, past, attention bias, past length; outputs: y, present. */
nnc_status nnc_row_contrib_attention(nnc_onnx_cx *cx)
{
    struct heads h = {.cx = cx};
    NNC_TRY(nnc_row_inputs(cx, 2, 7));
    NNC_TRY(nnc_row_same_real(cx, cx->nin < 3 ? cx->nin : 3));
    NNC_TRY(read_heads(&h));
    h.dt = nnc_cx_dtype(cx, nnc_cx_in(cx, 0));
    if (nnc_onnx_node_int(cx->node, "past_present_share_buffer", 0) ||
        nnc_onnx_node_int(cx->node, "do_rotary", 0) || nnc_cx_has(cx, 6))
        return nnc_cx_error(
            cx,
            "a shared past buffer and do_rotary are not supported; export the model without them");
    NNC_TRY(project(&h));
    NNC_TRY(use_past(&h, 4));
    sizes(&h);
    NNC_TRY(all_masks(&h, 3, 5));
    NNC_TRY(attend(&h));
    return set_present(&h);
}

/* Inputs: x, weights, bias, x scale, weight scale, mask, x zero, weight zero, past; outputs: y,
 * present. */
nnc_status nnc_row_qattention(nnc_onnx_cx *cx)
{
    struct heads h = {.cx = cx, .dt = NNC_DT_f32};
    NNC_TRY(nnc_row_inputs(cx, 5, 9));
    NNC_TRY(nnc_row_real(cx, 2));
    NNC_TRY(read_heads(&h));
    if (nnc_onnx_node_int(cx->node, "past_present_share_buffer", 0) ||
        nnc_onnx_node_int(cx->node, "do_rotary", 0))
        return nnc_cx_error(
            cx,
            "a shared past buffer and do_rotary are not supported; export the model without them");
    NNC_TRY(project_bytes(&h));
    NNC_TRY(use_past(&h, 8));
    sizes(&h);
    NNC_TRY(all_masks(&h, 5, UINT32_MAX));
    NNC_TRY(attend(&h));
    return set_present(&h);
}

/* ---- MultiHeadAttention: projected already ---- */

/* Query, key or value i, with its part of the bias, starting at column *at. */
static nnc_status one_of_three(struct heads *h, uint32_t i, const char *what, nnc_dim *at,
                               nnc_value *out)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_value x = nnc_cx_widen(cx, nnc_cx_in(cx, i));
    int rank = nnc_cx_rank(cx, x);
    if (i && rank == 4) { /* split already, from a cache */
        *out = x;
        if (nnc_cx_dim(cx, x, 1) != h->n)
            return nnc_cx_error(cx, "%s is %s, expected %lld heads", what, nnc_cx_type_text(cx, x),
                                (long long)h->n);
        return nnc_cx_has(cx, 3) ? nnc_cx_error(cx, "a bias on cached keys is not supported")
                                 : NNC_OK;
    }
    if (rank != 3 || !nnc_dim_is_const(nnc_cx_dim(cx, x, 2)))
        return nnc_cx_error(cx,
                            "%s is %s; packed queries, keys and values are not supported: give "
                            "three tensors of three dimensions",
                            what, nnc_cx_type_text(cx, x));
    if (nnc_cx_has(cx, 3)) {
        nnc_value b = nnc_cx_widen(cx, nnc_cx_in(cx, 3));
        nnc_dim n = nnc_cx_dim(cx, x, 2);
        NNC_TRY(nnc_cx_rank_is(cx, b, 1, "bias"));
        if (!nnc_dim_is_const(nnc_cx_dim(cx, b, 0)) || nnc_cx_dim(cx, b, 0) < *at + n ||
            (i == 2 && nnc_cx_dim(cx, b, 0) != *at + n))
            return nnc_cx_error(cx, "bias is %s, which does not fit queries, keys and values",
                                nnc_cx_type_text(cx, b));
        x = add_of(cx, x, nnc_g_slice_axis(&cx->b, b, 0, *at, 1, n));
        *at += n;
    }
    return split_heads(h, x, what, out);
}

/* Inputs: query, key, value, bias, padding mask, attention bias, past key, past value; outputs: y,
 * present key, value. */
nnc_status nnc_row_multi_head_attention(nnc_onnx_cx *cx)
{
    struct heads h = {.cx = cx};
    nnc_dim at = 0, best;
    NNC_TRY(nnc_row_inputs(cx, 1, 10));
    if (!nnc_cx_has(cx, 1) || !nnc_cx_has(cx, 2))
        return nnc_cx_error(cx, "packed queries, keys and values are not supported: give three "
                                "tensors of three dimensions");
    NNC_TRY(nnc_row_same_real(cx, 4));
    NNC_TRY(read_heads(&h));
    h.dt = nnc_cx_dtype(cx, nnc_cx_in(cx, 0));
    if (nnc_cx_has(cx, 8) || nnc_cx_has(cx, 9))
        return nnc_cx_error(
            cx,
            "a past buffer shared with the present is not supported; export the model without it");
    if (nnc_cx_has(cx, 6) != nnc_cx_has(cx, 7))
        return nnc_cx_error(cx, "past_key and past_value come together or not at all");
    NNC_TRY(one_of_three(&h, 0, "query", &at, &h.q));
    NNC_TRY(one_of_three(&h, 1, "key", &at, &h.k));
    NNC_TRY(one_of_three(&h, 2, "value", &at, &h.v));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, h.q, 0), nnc_cx_dim(cx, h.k, 0),
                            "batch of queries and keys", &best));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, h.q, 0), nnc_cx_dim(cx, h.v, 0),
                            "batch of queries and values", &best));
    if (nnc_cx_has(cx, 6)) {
        NNC_TRY(nnc_row_real(cx, 6));
        NNC_TRY(nnc_row_real(cx, 7));
        NNC_TRY(with_past(&h, nnc_cx_in(cx, 6), "past_key", &h.k));
        NNC_TRY(with_past(&h, nnc_cx_in(cx, 7), "past_value", &h.v));
    }
    sizes(&h);
    NNC_TRY(all_masks(&h, 4, 5));
    NNC_TRY(attend(&h));
    nnc_cx_set(cx, 1, cast_to(cx, h.k, h.dt));
    nnc_cx_set(cx, 2, cast_to(cx, h.v, h.dt));
    return NNC_OK;
}

/* ---- RotaryEmbedding ---- */

/* Rows of the cache at each position: [B or 1, 1, S, R / 2]. */
static nnc_status cached(nnc_onnx_cx *cx, uint32_t i, nnc_value at, nnc_dtype dt, nnc_value *out)
{
    NNC_TRY(nnc_row_real(cx, i));
    NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, i), 2, i == 2 ? "cos_cache" : "sin_cache"));
    *out =
        nnc_cx_expand_dim(cx, cast_to(cx, nnc_g_gather(&cx->b, nnc_cx_in(cx, i), at, 0, 0), dt), 1);
    return NNC_OK;
}

/* Positions i64 [B or 1, S] from a start or a table. */
static nnc_status positions(nnc_onnx_cx *cx, nnc_dim batch, nnc_dim s, nnc_value *at)
{
    nnc_value ids = nnc_cx_in(cx, 1);
    nnc_type_rec t = nnc_cx_ty(cx, ids);
    nnc_dim row[2] = {1, s}, best;
    if (!nnc_dtype_is_int((nnc_dtype)t.dtype) ||
        (t.rank == 2 ? false : t.rank != 1 || t.dim[0] != 1))
        return nnc_cx_error(cx, "position_ids is %s, expected integers [1] or [batch, sequence]",
                            nnc_cx_type_text(cx, ids));
    ids = cast_to(cx, ids, NNC_DT_i64);
    if (t.rank == 2) {
        NNC_TRY(nnc_cx_same_dim(cx, t.dim[0], batch, "batch of position_ids", &best));
        *at = ids;
        return nnc_cx_same_dim(cx, t.dim[1], s, "length of position_ids", &best);
    }
    *at = add_of(cx, nnc_g_iota(&cx->b, NNC_DT_i64, 2, row, 1), nnc_cx_scalar(cx, ids));
    return NNC_OK;
}

/* x [B, N, S, R] turned by the angles behind c and s. */
static nnc_value turned(nnc_onnx_cx *cx, nnc_value x, nnc_value c, nnc_value s, bool interleaved)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    nnc_dim half = t.dim[3] / 2;
    int64_t step = interleaved ? 2 : 1;
    nnc_value a = nnc_g_slice_axis(&cx->b, x, 3, 0, step, half),
              b = nnc_g_slice_axis(&cx->b, x, 3, interleaved ? 1 : half, step, half);
    nnc_value out[2] = {sub_of(cx, mul_of(cx, a, c), mul_of(cx, b, s)),
                        add_of(cx, mul_of(cx, b, c), mul_of(cx, a, s))};
    if (!interleaved)
        return nnc_g_concat(&cx->b, 2, out, 3);
    out[0] = nnc_cx_expand_dim(cx, out[0], 4);
    out[1] = nnc_cx_expand_dim(cx, out[1], 4);
    return nnc_cx_reshape(cx, nnc_g_concat(&cx->b, 2, out, 4), 4, t.dim);
}

/* Heads of a three-dimensional input: from the attributes, or by the width of the cache. */
static nnc_status rotary_heads(struct heads *h, nnc_value x, int64_t width)
{
    nnc_onnx_cx *cx = h->cx;
    nnc_dim hidden = nnc_cx_dim(cx, x, 2);
    h->n = nnc_onnx_node_int(cx->node, "num_heads", 0);
    if (nnc_onnx_node_int(cx->node, "rotary_embedding_dim", 0) && h->n < 1)
        return nnc_cx_error(cx, "rotary_embedding_dim needs num_heads");
    if (h->n < 1 && nnc_dim_is_const(hidden) && hidden % width == 0)
        h->n = hidden / width;
    return h->n < 1 ? nnc_cx_error(cx, "input is %s, which does not divide into heads of %lld",
                                   nnc_cx_type_text(cx, x), (long long)width)
                    : NNC_OK;
}

/* Inputs: x, position ids, cos, sin. */
nnc_status nnc_row_contrib_rotary(nnc_onnx_cx *cx)
{
    struct heads h = {.cx = cx};
    nnc_value x, at, c, s, y;
    NNC_TRY(nnc_row_inputs(cx, 4, 4));
    NNC_TRY(nnc_row_real(cx, 0));
    x = nnc_cx_in(cx, 0);
    h.dt = nnc_cx_dtype(cx, x);
    if (nnc_onnx_node_int(cx->node, "is_packed_batching", 0) ||
        nnc_onnx_node_float(cx->node, "scale", 1) != 1)
        return nnc_cx_error(cx, "is_packed_batching and a scale other than 1 are not supported");
    NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 2), 2, "cos_cache"));
    nnc_dim width = nnc_cx_dim(cx, nnc_cx_in(cx, 2), 1);
    if (!nnc_dim_is_const(width) || width < 1)
        return nnc_cx_error(cx, "cos_cache is %s, expected a fixed width",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 2)));
    width *= 2;
    int rank = nnc_cx_rank(cx, x);
    if (rank != 3 && rank != 4)
        return nnc_cx_error(cx, "input is %s, expected three or four dimensions",
                            nnc_cx_type_text(cx, x));
    y = nnc_cx_widen(cx, x);
    if (rank == 3) {
        NNC_TRY(rotary_heads(&h, x, width));
        NNC_TRY(split_heads(&h, y, "input", &y));
    }
    nnc_type_rec t = nnc_cx_ty(cx, y);
    if (!nnc_dim_is_const(t.dim[3]) || t.dim[3] < width)
        return nnc_cx_error(cx,
                            "heads of %s numbers are smaller than the %lld that the cache turns",
                            nnc_cx_dim_text(cx, t.dim[3]), (long long)width);
    nnc_type_rec tc = nnc_cx_ty(cx, nnc_cx_in(cx, 2)), ts = nnc_cx_ty(cx, nnc_cx_in(cx, 3));
    if (ts.rank != 2 || ts.dim[1] != tc.dim[1])
        return nnc_cx_error(cx, "sin_cache is %s, expected the shape of cos_cache",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 3)));
    NNC_TRY(positions(cx, t.dim[0], t.dim[2], &at));
    NNC_TRY(cached(cx, 2, at, nnc_cx_dtype(cx, y), &c));
    NNC_TRY(cached(cx, 3, at, nnc_cx_dtype(cx, y), &s));
    nnc_value part[2] = {nnc_g_slice_axis(&cx->b, y, 3, 0, 1, width), {0}};
    part[0] = turned(cx, part[0], c, s, nnc_onnx_node_int(cx->node, "interleaved", 0) != 0);
    if (t.dim[3] > width) {
        part[1] = nnc_g_slice_axis(&cx->b, y, 3, width, 1, t.dim[3] - width);
        part[0] = nnc_g_concat(&cx->b, 2, part, 3);
    }
    if (rank == 3)
        return join_heads(&h, part[0]);
    nnc_cx_set(cx, 0, cast_to(cx, part[0], h.dt));
    return NNC_OK;
}
