/* frontend/onnx/rows_nn_seq.c - rotary embeddings, causal convolution with state, linear attention. */
#include "frontend/onnx/rows.h"

static nnc_value op2(nnc_onnx_cx *cx, nnc_opcode c, nnc_value x, nnc_value y)
{
    return nnc_cx_op2(cx, c, x, y);
}

/* ---- rotary embedding ---- */

/* Rows of a cache for each position: [B, S, 1, half]. */
static nnc_status cache_rows(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_dim batch,
                             nnc_dim s, int64_t half, nnc_value *out)
{
    nnc_value c = nnc_cx_in(cx, i);
    if (nnc_cx_has(cx, 3))
        c = nnc_g_gather(&cx->b, c, nnc_cx_in(cx, 3), 0, 0);
    nnc_type_rec t = nnc_cx_ty(cx, c);
    if (t.rank != 3 || (nnc_dim_is_const(t.dim[2]) && t.dim[2] != half))
        return nnc_cx_error(cx, "%s is %s, expected half the rotated dimension (%lld) last", what,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)), (long long)half);
    nnc_dim dim[4] = {t.dim[0], t.dim[1], 1, t.dim[2]}, best;
    NNC_TRY(nnc_cx_same_dim(cx, t.dim[1], s, what, &best));
    if (t.dim[0] != 1)
        NNC_TRY(nnc_cx_same_dim(cx, t.dim[0], batch, what, &best));
    *out = nnc_cx_reshape(cx, c, 4, dim);
    return NNC_OK;
}

/* x [B, S, H, 2 half] rotated by cos and sin [B, S, 1, half] */
static nnc_value rotate(nnc_onnx_cx *cx, nnc_value x, nnc_value c, nnc_value s, int64_t half)
{
    bool pairs = nnc_onnx_node_int(cx->node, "interleaved", 0) != 0;
    nnc_value x1 = nnc_g_slice_axis(&cx->b, x, 3, 0, pairs ? 2 : 1, half),
              x2 = nnc_g_slice_axis(&cx->b, x, 3, pairs ? 1 : half, pairs ? 2 : 1, half);
    nnc_value part[2] = {
        op2(cx, NNC_OP_sub, op2(cx, NNC_OP_mul, c, x1), op2(cx, NNC_OP_mul, s, x2)),
        op2(cx, NNC_OP_add, op2(cx, NNC_OP_mul, s, x1), op2(cx, NNC_OP_mul, c, x2))};
    nnc_type_rec t = nnc_cx_ty(cx, x);
    if (!pairs)
        return nnc_g_concat(&cx->b, 2, part, 3);
    part[0] = nnc_cx_expand_dim(cx, part[0], 4);
    part[1] = nnc_cx_expand_dim(cx, part[1], 4);
    return nnc_cx_reshape(cx, nnc_g_concat(&cx->b, 2, part, 4), 4, t.dim);
}

nnc_status nnc_row_rotary(nnc_onnx_cx *cx)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    nnc_value x = nnc_cx_in(cx, 0), c, s;
    nnc_type_rec t = nnc_cx_ty(cx, x);
    int64_t heads = nnc_onnx_node_int(cx->node, "num_heads", 0),
            turn = nnc_onnx_node_int(cx->node, "rotary_embedding_dim", 0);
    nnc_dim size = t.rank == 4                                              ? t.dim[3]
                   : t.rank == 3 && heads > 0 && nnc_dim_is_const(t.dim[2]) ? t.dim[2] / heads
                                                                            : -1;
    if (size < 1 || (t.rank == 3 && t.dim[2] % heads))
        return nnc_cx_error(cx,
                            "input is %s: 4 dimensions, or 3 with attribute num_heads dividing the "
                            "last, are supported",
                            nnc_cx_type_text(cx, x));
    if (turn == 0)
        turn = size;
    if (turn < 2 || turn > size || turn % 2)
        return nnc_cx_bad_attr(cx, "rotary_embedding_dim", "an even number up to the head size");
    nnc_dim split[4] = {t.dim[0], t.dim[1], heads, size};
    nnc_value y = t.rank == 4 ? nnc_g_transpose(&cx->b, x, perm) : nnc_cx_reshape(cx, x, 4, split);
    nnc_dim batch = nnc_cx_dim(cx, y, 0), steps = nnc_cx_dim(cx, y, 1);
    NNC_TRY(cache_rows(cx, 1, "cos_cache", batch, steps, turn / 2, &c));
    NNC_TRY(cache_rows(cx, 2, "sin_cache", batch, steps, turn / 2, &s));
    nnc_value part[2] = {rotate(cx, nnc_g_slice_axis(&cx->b, y, 3, 0, 1, turn), c, s, turn / 2),
                         {0}};
    if (turn < size)
        part[1] = nnc_g_slice_axis(&cx->b, y, 3, turn, 1, size - turn);
    y = turn < size ? nnc_g_concat(&cx->b, 2, part, 3) : part[0];
    nnc_cx_set(cx, 0,
               t.rank == 4 ? nnc_g_transpose(&cx->b, y, perm) : nnc_cx_reshape(cx, y, 3, t.dim));
    return NNC_OK;
}

/* ---- causal convolution ---- */

/* Depthwise over [past, x]; the state is the last k - 1 positions. */
nnc_status nnc_row_causal_conv(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), w = nnc_cx_in(cx, 1), joined;
    const char *act = nnc_onnx_node_str(cx->node, "activation", "none");
    bool silu = !strcmp(act, "silu") || !strcmp(act, "swish");
    if (!silu && strcmp(act, "none") && *act)
        return nnc_cx_bad_attr(cx, "activation", "silu, swish or none");
    NNC_TRY(nnc_cx_rank_is(cx, x, 3, "input"));
    NNC_TRY(nnc_cx_rank_is(cx, w, 3, "weight"));
    nnc_dim c = nnc_cx_dim(cx, x, 1), k = nnc_cx_dim(cx, w, 2), best;
    if (!nnc_dim_is_const(c) || !nnc_dim_is_const(k) || k < 1 || nnc_cx_dim(cx, w, 0) != c ||
        nnc_cx_dim(cx, w, 1) != 1)
        return nnc_cx_error(cx, "weight is %s, expected [channels, 1, k] for the input %s",
                            nnc_cx_type_text(cx, w), nnc_cx_type_text(cx, x));
    nnc_dim past[3] = {nnc_cx_dim(cx, x, 0), c, k - 1};
    nnc_value both[2] = {
        nnc_cx_has(cx, 3) ? nnc_cx_in(cx, 3) : nnc_cx_full(cx, nnc_cx_like(cx, x, 0), 3, past), x};
    NNC_TRY(nnc_cx_rank_is(cx, both[0], 3, "past_state"));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, both[0], 2), k - 1, "past_state", &best));
    NNC_TRY(nnc_cx_concat(cx, 2, both, 2, &joined));
    nnc_window win = {.size = {k}, .stride = {1}, .dilation = {1}, .lhs_dilation = {1}};
    nnc_value y = nnc_g_conv(&cx->b, joined, w, &win, c, NNC_W_nchw, NNC_DT_none);
    if (nnc_cx_has(cx, 2)) {
        nnc_dim dim[3] = {1, c, 1};
        y = op2(cx, NNC_OP_add, y, nnc_cx_reshape(cx, nnc_cx_in(cx, 2), 3, dim));
    }
    nnc_cx_set(cx, 0, silu ? op2(cx, NNC_OP_mul, y, nnc_cx_op1(cx, NNC_OP_sigmoid, y)) : y);
    nnc_cx_set(cx, 1, nnc_g_slice_axis(&cx->b, joined, 2, nnc_cx_dim(cx, x, 2), 1, k - 1));
    return NNC_OK;
}

/* ---- linear attention ---- */

struct linear {
    nnc_onnx_cx *cx;
    nnc_builder *b;
    nnc_dim batch, steps;
    int64_t hq, hk, dk, dv;
    bool gated, delta;
    nnc_dtype dt;
    double scale;
};

/* [B, T, H * D] -> [T, B, H, D] */
static nnc_value by_step(struct linear *l, nnc_value x, int64_t h, int64_t d)
{
    static const int64_t perm[4] = {1, 0, 2, 3};
    nnc_dim dim[4] = {l->batch, l->steps, h, d};
    return nnc_g_transpose(l->b, nnc_cx_reshape(l->cx, x, 4, dim), perm);
}

static nnc_status read_linear(struct linear *l)
{
    nnc_onnx_cx *cx = l->cx;
    const char *rule = nnc_onnx_node_str(cx->node, "update_rule", "gated_delta");
    l->gated = !strncmp(rule, "gated", 5);
    l->delta = !strcmp(rule, "delta") || !strcmp(rule, "gated_delta");
    if (!l->gated && !l->delta && strcmp(rule, "linear"))
        return nnc_cx_bad_attr(cx, "update_rule", "linear, gated, delta or gated_delta");
    if ((l->gated && !nnc_cx_has(cx, 4)) || (l->delta && !nnc_cx_has(cx, 5)))
        return nnc_cx_error(cx, "update_rule %s needs input %s", rule,
                            l->gated && !nnc_cx_has(cx, 4) ? "decay" : "beta");
    l->hq = nnc_onnx_node_int(cx->node, "q_num_heads", 0);
    l->hk = nnc_onnx_node_int(cx->node, "kv_num_heads", 0);
    for (uint32_t i = 0; i < 3; i++)
        NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, i), 3,
                               i == 0   ? "query"
                               : i == 1 ? "key"
                                        : "value"));
    nnc_dim q = nnc_cx_dim(cx, nnc_cx_in(cx, 0), 2), k = nnc_cx_dim(cx, nnc_cx_in(cx, 1), 2),
            v = nnc_cx_dim(cx, nnc_cx_in(cx, 2), 2);
    if (l->hq < 1 || l->hk < 1 || l->hq % l->hk || q < 0 || k < 0 || v < 0 || q % l->hq ||
        k % l->hk || v % l->hk || q / l->hq != k / l->hk)
        return nnc_cx_error(
            cx, "query %s, key %s and value %s do not split into %lld and %lld heads",
            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)), nnc_cx_type_text(cx, nnc_cx_in(cx, 1)),
            nnc_cx_type_text(cx, nnc_cx_in(cx, 2)), (long long)l->hq, (long long)l->hk);
    l->dk = k / l->hk;
    l->dv = v / l->hk;
    l->batch = nnc_cx_dim(cx, nnc_cx_in(cx, 0), 0);
    l->steps = nnc_cx_dim(cx, nnc_cx_in(cx, 0), 1);
    l->dt = nnc_cx_dtype(cx, nnc_cx_widen(cx, nnc_cx_in(cx, 0)));
    l->scale = nnc_onnx_node_float(cx->node, "scale", 0);
    if (l->scale == 0)
        l->scale = 1 / sqrt((double)l->dk);
    return NNC_OK;
}

/* One number, or d numbers, per head and step: [B, T, H] or [B, T, H * d] -> [T, B, H, 1 or d]. */
static nnc_status per_head(struct linear *l, uint32_t i, const char *what, int64_t d,
                           nnc_value *out)
{
    nnc_onnx_cx *cx = l->cx;
    nnc_value v = nnc_cx_in(cx, i);
    NNC_TRY(nnc_cx_rank_is(cx, v, 3, what));
    nnc_dim n = nnc_cx_dim(cx, v, 2);
    if (n != l->hk && n != l->hk * d && n != 1)
        return nnc_cx_error(cx, "%s is %s, expected one number%s per head", what,
                            nnc_cx_type_text(cx, v), d > 1 ? ", or one per key element," : "");
    *out = nnc_g_cast(l->b, by_step(l, v, n == 1 ? 1 : l->hk, n == 1 || n == l->hk ? 1 : d), l->dt);
    return NNC_OK;
}

/* state [B, Hk, dk, dv]; q [B, Hq, dk], k [B, Hk, dk], v [B, Hk, dv], decay [B, Hk, 1 or dk], beta [B, Hk, 1] */
static nnc_value step(struct linear *l, nnc_value *state, const nnc_value *x)
{
    nnc_onnx_cx *cx = l->cx;
    static const int64_t bh[2] = {0, 1}, two[1] = {2};
    nnc_dim kdim[4] = {l->batch, l->hk, l->dk, 1}, vdim[4] = {l->batch, l->hk, 1, l->dv};
    nnc_value k = x[1], v = x[2], s = *state;
    unsigned at = 3;
    if (l->gated) {
        nnc_type_rec t = nnc_cx_ty(cx, x[at]);
        nnc_dim gdim[4] = {t.dim[0], t.dim[1], t.dim[2], 1};
        s = nnc_g_binary(l->b, NNC_OP_mul, s,
                         nnc_g_reshape(l->b, nnc_g_unary(l->b, NNC_OP_exp, x[at++]), 4, gdim));
    }
    if (l->delta) {
        nnc_value seen = nnc_g_dot(l->b, k, s, 2, bh, bh, 1, two, two, NNC_DT_none); /* S^T k */
        v = nnc_g_binary(l->b, NNC_OP_mul, nnc_g_binary(l->b, NNC_OP_sub, v, seen), x[at]);
    }
    nnc_value outer = nnc_g_binary(l->b, NNC_OP_mul, nnc_g_reshape(l->b, k, 4, kdim),
                                   nnc_g_reshape(l->b, v, 4, vdim));
    s = *state = nnc_g_binary(l->b, NNC_OP_add, s, outer);
    nnc_dim qdim[4] = {l->batch, l->hk, l->hq / l->hk, l->dk}, odim[3] = {l->batch, l->hq, l->dv};
    static const int64_t three[1] = {3};
    nnc_value o = nnc_g_dot(l->b, nnc_g_reshape(l->b, x[0], 4, qdim), s, 2, bh, bh, 1, three, two,
                            NNC_DT_none);
    o = nnc_g_binary(l->b, NNC_OP_mul, o, nnc_g_float(l->b, l->dt, l->scale));
    return nnc_g_reshape(l->b, o, 3, odim);
}

nnc_status nnc_row_linear_attention(nnc_onnx_cx *cx)
{
    static const int64_t perm[3] = {1, 0, 2};
    struct linear l = {.cx = cx, .b = &cx->b};
    nnc_value in[6];
    unsigned n = 4;
    NNC_TRY(read_linear(&l));
    nnc_dim sdim[4] = {l.batch, l.hk, l.dk, l.dv};
    in[0] = nnc_cx_has(cx, 3) ? nnc_g_cast(l.b, nnc_cx_in(cx, 3), l.dt)
                              : nnc_cx_full(cx, nnc_cx_num(cx, l.dt, 0), 4, sdim);
    NNC_TRY(nnc_cx_rank_is(cx, in[0], 4, "past_state"));
    for (uint32_t i = 0; i < 3; i++)
        in[1 + i] = nnc_g_cast(
            l.b, by_step(&l, nnc_cx_in(cx, i), i ? l.hk : l.hq, i == 2 ? l.dv : l.dk), l.dt);
    if (l.gated)
        NNC_TRY(per_head(&l, 4, "decay", l.dk, &in[n++]));
    if (l.delta)
        NNC_TRY(per_head(&l, 5, "beta", 1, &in[n++]));
    nnc_dim ydim[3] = {l.batch, l.hq, l.dv};
    nnc_type yt = nnc_type_tensor(cx->m, l.dt, 3, ydim);
    nnc_op op = nnc_g_scan(l.b, l.steps, 1, n, in, 1, &yt);
    nnc_block body = nnc_op_region(cx->m, op, 0);
    nnc_builder inner = nnc_builder_at_end(cx->m, body);
    inner.loc = cx->b.loc;
    l.b = &inner;
    nnc_value x[5], out[2] = {nnc_block_arg(cx->m, body, 1), {0}};
    for (unsigned i = 1; i < n; i++)
        x[i - 1] = nnc_block_arg(cx->m, body, i + 1);
    out[1] = step(&l, &out[0], x);
    nnc_build_yield(&inner, 2, out);
    nnc_dim flat[3] = {l.steps, l.batch, l.hq * l.dv};
    nnc_value y =
        nnc_g_transpose(&cx->b, nnc_cx_reshape(cx, nnc_op_out(cx->m, op, 1), 3, flat), perm);
    nnc_cx_set(cx, 0, nnc_g_cast(&cx->b, y, nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    nnc_cx_set(
        cx, 1,
        nnc_g_cast(&cx->b, nnc_op_out(cx->m, op, 0),
                   nnc_cx_dtype(cx, nnc_cx_has(cx, 3) ? nnc_cx_in(cx, 3) : nnc_cx_in(cx, 0))));
    return NNC_OK;
}
