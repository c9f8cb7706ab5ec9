/* frontend/onnx/rows_nn_attention.c - scaled dot-product attention and rotary embeddings.
 *
 * Inputs of three dimensions are split into heads; key and value heads shared by several query heads (grouped and
 * multi-query attention) stay single: the query heads of one group are rows of one product.  Masks of every kind end
 * up in one additive bias; a row in which the bias forbids every key gives zeros. */
#include "frontend/onnx/rows.h"

struct attention {
    nnc_onnx_cx *cx;
    nnc_value q, k, v; /* [B, Hq, S, D], [B, Hk, T, D], [B, Hk, T, E] */
    nnc_value bias;    /* additive, broadcasts to [B, Hq, S, T]; none */
    nnc_value lens;    /* nonpad_kv_seqlen, i64[B, 1, 1, 1]; none */
    nnc_dim batch, s, t, past;
    int64_t hq, hk;
    nnc_dtype dt;
    bool flat; /* inputs had three dimensions */
};

static nnc_value op2(struct attention *a, nnc_opcode c, nnc_value x, nnc_value y)
{
    return nnc_cx_op2(a->cx, c, x, y);
}
static nnc_value minus_inf(struct attention *a)
{
    return nnc_cx_num(a->cx, a->dt, -INFINITY);
}

/* [B, S, H * D] -> [B, H, S, D] */
static nnc_status heads(nnc_onnx_cx *cx, nnc_value *x, int64_t h, const char *what)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    nnc_type_rec t = nnc_cx_ty(cx, *x);
    if (t.rank == 4)
        return NNC_OK;
    if (h < 1 || !nnc_dim_is_const(t.dim[2]) || t.dim[2] % h)
        return nnc_cx_error(cx,
                            "input %s is %s: its last dimension does not divide into %lld heads "
                            "(attributes q_num_heads, kv_num_heads)",
                            what, nnc_cx_type_text(cx, *x), (long long)h);
    nnc_dim dim[4] = {t.dim[0], t.dim[1], h, t.dim[2] / h};
    *x = nnc_g_transpose(&cx->b, nnc_cx_reshape(cx, *x, 4, dim), perm);
    return NNC_OK;
}

static nnc_status read_inputs(struct attention *a)
{
    nnc_onnx_cx *cx = a->cx;
    static const char *const name[3] = {"Q", "K", "V"};
    nnc_value *slot[3] = {&a->q, &a->k, &a->v};
    int rank = nnc_cx_rank(cx, nnc_cx_in(cx, 0));
    int64_t hq = nnc_onnx_node_int(cx->node, "q_num_heads", 0),
            hk = nnc_onnx_node_int(cx->node, "kv_num_heads", 0);
    nnc_dim best;
    a->flat = rank == 3;
    a->dt = nnc_cx_dtype(cx, nnc_cx_in(cx, 0));
    for (uint32_t i = 0; i < 3; i++) {
        *slot[i] = nnc_cx_in(cx, i);
        if (nnc_cx_rank(cx, *slot[i]) != rank || (rank != 3 && rank != 4))
            return nnc_cx_error(
                cx, "input %s is %s, expected 3 or 4 dimensions, the same for Q, K and V", name[i],
                nnc_cx_type_text(cx, *slot[i]));
        NNC_TRY(heads(cx, slot[i], i ? hk : hq, name[i]));
        *slot[i] = nnc_g_cast(&cx->b, *slot[i], a->dt);
    }
    for (uint32_t i = 0; i < 2 && nnc_cx_has(cx, 4); i++) { /* the cache comes first */
        nnc_value both[2] = {nnc_g_cast(&cx->b, nnc_cx_in(cx, 4 + i), a->dt), *slot[1 + i]};
        NNC_TRY(nnc_cx_rank_is(cx, both[0], 4, i ? "past_value" : "past_key"));
        NNC_TRY(nnc_cx_concat(cx, 2, both, 2, slot[1 + i]));
    }
    a->past = nnc_cx_has(cx, 4) ? nnc_cx_dim(cx, nnc_cx_in(cx, 4), 2) : 0;
    a->batch = nnc_cx_dim(cx, a->q, 0);
    a->s = nnc_cx_dim(cx, a->q, 2);
    a->t = nnc_cx_dim(cx, a->k, 2);
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, a->q, 3), nnc_cx_dim(cx, a->k, 3),
                            "head size of Q and K", &best));
    NNC_TRY(
        nnc_cx_same_dim(cx, nnc_cx_dim(cx, a->v, 2), a->t, "sequence length of K and V", &best));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, a->v, 1), nnc_cx_dim(cx, a->k, 1),
                            "heads of K and V", &best));
    a->hq = nnc_cx_dim(cx, a->q, 1);
    a->hk = nnc_cx_dim(cx, a->k, 1);
    if (a->hq < 1 || a->hk < 1 || a->hq % a->hk)
        return nnc_cx_error(cx, "%s query heads do not divide among %s key heads",
                            nnc_cx_dim_text(cx, a->hq), nnc_cx_dim_text(cx, a->hk));
    return NNC_OK;
}

/* ---- masks ---- */

static void add_bias(struct attention *a, nnc_value more)
{
    a->bias = a->bias.id ? op2(a, NNC_OP_add, a->bias, more) : more;
}

static void forbid_unless(struct attention *a, nnc_value allowed)
{
    add_bias(a, nnc_g_select(&a->cx->b, allowed, nnc_cx_num(a->cx, a->dt, 0), minus_inf(a)));
}

/* A shorter last dimension is filled with "not allowed". */
static nnc_status mask_input(struct attention *a)
{
    nnc_onnx_cx *cx = a->cx;
    if (!nnc_cx_has(cx, 3))
        return NNC_OK;
    nnc_value m = nnc_cx_in(cx, 3);
    nnc_type_rec t = nnc_cx_ty(cx, m);
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    if (t.rank < 1 || t.rank > 4)
        return nnc_cx_error(cx, "attn_mask is %s, expected 1 to 4 dimensions",
                            nnc_cx_type_text(cx, m));
    bool is_bool = t.dtype == NNC_DT_bool;
    if (!is_bool)
        m = nnc_g_cast(&cx->b, m, a->dt);
    if (t.dim[t.rank - 1] != 1 && t.dim[t.rank - 1] != a->t) {
        hi[t.rank - 1] = nnc_dim_sub(cx->dims, a->t, t.dim[t.rank - 1]);
        if (nnc_dim_lo(cx->dims, hi[t.rank - 1]) < 0)
            return nnc_cx_error(cx, "attn_mask is %s, longer than the %s keys",
                                nnc_cx_type_text(cx, m), nnc_cx_dim_text(cx, a->t));
        m = nnc_g_pad(&cx->b, m, is_bool ? nnc_cx_num(cx, NNC_DT_bool, 0) : minus_inf(a), lo, hi,
                      NNC_W_constant);
    }
    nnc_value shape[2] = {m, nnc_cx_full(cx, nnc_cx_num(cx, nnc_cx_dtype(cx, m), 0), 4,
                                         (nnc_dim[]){a->batch, a->hq, a->s, a->t})};
    nnc_type_rec all;
    NNC_TRY(nnc_cx_broadcast(cx, 2, shape, &all));
    if (is_bool)
        forbid_unless(a, m);
    else
        add_bias(a, m);
    return NNC_OK;
}

/* Position of each query among the keys, i64: row + offset, [S, 1] or [B, 1, S, 1]. */
static nnc_value query_positions(struct attention *a)
{
    nnc_onnx_cx *cx = a->cx;
    nnc_dim dim[2] = {a->s, 1};
    nnc_value row = nnc_g_iota(&cx->b, NNC_DT_i64, 2, dim, 0);
    if (a->lens.id)
        return op2(a, NNC_OP_add, row,
                   op2(a, NNC_OP_sub, a->lens, nnc_cx_extent(cx, a->s, NNC_DT_i64)));
    return op2(a, NNC_OP_add, row, nnc_cx_extent(cx, a->past, NNC_DT_i64));
}

static nnc_status structural_masks(struct attention *a)
{
    nnc_onnx_cx *cx = a->cx;
    int64_t left = nnc_onnx_node_int(cx->node, "left_window_size", -1),
            right = nnc_onnx_node_int(cx->node, "right_window_size", -1);
    bool causal = nnc_onnx_node_int(cx->node, "is_causal", 0) != 0;
    if (left < -1 || right < -1)
        return nnc_cx_bad_attr(cx, left < -1 ? "left_window_size" : "right_window_size",
                               "-1 or a non-negative number");
    nnc_dim dim[2] = {1, a->t};
    nnc_value key = nnc_g_iota(&cx->b, NNC_DT_i64, 2, dim, 1), at = query_positions(a);
    if (causal)
        forbid_unless(a, op2(a, NNC_OP_le, key, at));
    if (left >= 0)
        forbid_unless(a,
                      op2(a, NNC_OP_le,
                          op2(a, NNC_OP_sub, at, nnc_cx_num(cx, NNC_DT_i64, (double)left)), key));
    if (right >= 0)
        forbid_unless(a, op2(a, NNC_OP_le, key,
                             op2(a, NNC_OP_add, at, nnc_cx_num(cx, NNC_DT_i64, (double)right))));
    if (a->lens.id)
        forbid_unless(a, op2(a, NNC_OP_lt, key, a->lens));
    return NNC_OK;
}

static nnc_status masks(struct attention *a)
{
    nnc_onnx_cx *cx = a->cx;
    if (nnc_cx_has(cx, 6)) {
        nnc_dim dim[4] = {a->batch, 1, 1, 1};
        if (nnc_cx_has(cx, 4))
            return nnc_cx_error(cx, "nonpad_kv_seqlen cannot stand together with past_key");
        a->lens = nnc_cx_reshape(cx, nnc_g_cast(&cx->b, nnc_cx_in(cx, 6), NNC_DT_i64), 4, dim);
    }
    NNC_TRY(mask_input(a));
    return structural_masks(a);
}

/* ---- products ---- */

/* x [B, Hq, S, D] with y [B, Hk, ..], contracted over x's last and y's `axis`; groups of query heads share a key head. */
static nnc_value product(struct attention *a, nnc_value x, nnc_value y, int axis)
{
    nnc_onnx_cx *cx = a->cx;
    nnc_type_rec tx = nnc_cx_ty(cx, x), ty = nnc_cx_ty(cx, y);
    int64_t batch[2] = {0, 1}, cx_last[1] = {3}, cy[1] = {axis};
    nnc_dim rows = nnc_dim_mul(cx->dims, a->hq / a->hk, tx.dim[2]);
    nnc_dim grouped[4] = {tx.dim[0], a->hk, rows, tx.dim[3]},
            out[4] = {tx.dim[0], a->hq, tx.dim[2], ty.dim[axis == 3 ? 2 : 3]};
    if (a->hq != a->hk)
        x = nnc_cx_reshape(cx, x, 4, grouped);
    nnc_value p = nnc_g_dot(&cx->b, x, y, 2, batch, batch, 1, cx_last, cy, NNC_DT_none);
    return a->hq != a->hk ? nnc_cx_reshape(cx, p, 4, out) : p;
}

/* Softmax over the keys; rows without an allowed key give zeros. */
static nnc_value probabilities(struct attention *a, nnc_value score, nnc_dtype dt)
{
    nnc_onnx_cx *cx = a->cx;
    static const int64_t last[1] = {3};
    nnc_value wide = nnc_g_cast(&cx->b, score, dt);
    if (!a->bias.id)
        return nnc_g_softmax(&cx->b, wide, 3, false);
    nnc_value zero = nnc_cx_num(cx, dt, 0), low = nnc_cx_num(cx, dt, -INFINITY),
              one = nnc_cx_num(cx, dt, 1);
    nnc_value top = nnc_g_reduce(&cx->b, NNC_W_max, wide, 1, last, true);
    top = nnc_g_select(&cx->b, op2(a, NNC_OP_eq, top, low), zero, top);
    nnc_value e = nnc_cx_op1(cx, NNC_OP_exp, op2(a, NNC_OP_sub, wide, top));
    nnc_value sum = nnc_cx_sum(cx, e, 1, last, true);
    sum = nnc_g_select(&cx->b, op2(a, NNC_OP_eq, sum, zero), one, sum);
    nnc_value p = op2(a, NNC_OP_div, e, sum);
    int r = nnc_cx_rank(cx, a->bias);
    int64_t axis[1] = {r - 1};
    nnc_value best = nnc_g_reduce(&cx->b, NNC_W_max, a->bias, 1, axis, true);
    return nnc_g_select(&cx->b, op2(a, NNC_OP_eq, best, minus_inf(a)), zero, p);
}

static nnc_value scores(struct attention *a, nnc_value *raw, nnc_value *capped)
{
    nnc_onnx_cx *cx = a->cx;
    double cap = nnc_onnx_node_float(cx->node, "softcap", 0);
    nnc_dim d = nnc_cx_dim(cx, a->q, 3);
    double scale = nnc_onnx_node_float(cx->node, "scale",
                                       nnc_dim_is_const(d) && d > 0 ? 1 / sqrt((double)d) : 1);
    nnc_value root = nnc_cx_num(cx, a->dt, sqrt(scale));
    if (!nnc_dim_is_const(d) &&
        !nnc_onnx_node_has(cx->node, "scale")) { /* the run knows the head size */
        root = nnc_cx_op1(cx, NNC_OP_rsqrt, nnc_cx_extent(cx, d, NNC_DT_f32));
        root = nnc_g_cast(&cx->b, nnc_cx_op1(cx, NNC_OP_sqrt, root), a->dt);
    }
    nnc_value s = product(a, op2(a, NNC_OP_mul, a->q, root), op2(a, NNC_OP_mul, a->k, root), 3);
    *raw = *capped = s;
    if (cap > 0) {
        nnc_value c = nnc_cx_num(cx, a->dt, cap);
        *capped = s = op2(a, NNC_OP_mul, nnc_cx_op1(cx, NNC_OP_tanh, op2(a, NNC_OP_div, s, c)), c);
    }
    return a->bias.id ? op2(a, NNC_OP_add, s, a->bias) : s;
}

nnc_status nnc_row_attention(nnc_onnx_cx *cx)
{
    static const int64_t perm[4] = {0, 2, 1, 3};
    struct attention a = {.cx = cx};
    int64_t mode = nnc_onnx_node_int(cx->node, "qk_matmul_output_mode", 0),
            precision = nnc_onnx_node_int(cx->node, "softmax_precision", 0);
    if (nnc_cx_has(cx, 4) != nnc_cx_has(cx, 5))
        return nnc_cx_error(cx, "past_key and past_value come together or not at all");
    if (mode < 0 || mode > 3)
        return nnc_cx_bad_attr(cx, "qk_matmul_output_mode", "0, 1, 2 or 3");
    NNC_TRY(read_inputs(&a));
    NNC_TRY(masks(&a));
    nnc_dtype dt = precision ? nnc_cx_elem(cx, precision) : a.dt;
    if (!dt)
        return NNC_ERR;
    nnc_value raw, capped, biased = scores(&a, &raw, &capped), p = probabilities(&a, biased, dt);
    p = nnc_g_cast(&cx->b, p, a.dt);
    nnc_value y = product(&a, p, a.v, 2);
    if (a.flat) {
        nnc_dim e = nnc_cx_dim(cx, a.v, 3), dim[3] = {a.batch, a.s, nnc_dim_mul(cx->dims, a.hq, e)};
        y = nnc_cx_reshape(cx, nnc_g_transpose(&cx->b, y, perm), 3, dim);
    }
    nnc_cx_set(cx, 0, y);
    nnc_cx_set(cx, 1, a.k);
    nnc_cx_set(cx, 2, a.v);
    nnc_cx_set(cx, 3, mode == 0 ? raw : mode == 1 ? capped : mode == 2 ? biased : p);
    return NNC_OK;
}
