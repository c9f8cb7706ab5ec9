/* frontend/onnx/rows_nn_fused.c - com.microsoft: what ONNX Runtime's optimiser makes of plain
 * float operators.
 *
 * Each becomes the operators it was made from; normalisation runs in f32 at least, as there. */
#include "frontend/onnx/rows_contrib.h"
#include "frontend/onnx/rows_window.h"

/* ---- shared by all domains without schemas ---- */

nnc_status nnc_row_inputs(nnc_onnx_cx *cx, uint32_t lo, uint32_t hi)
{
    if (cx->nin < lo || cx->nin > hi)
        return nnc_cx_error(cx, "%u inputs, expected %u to %u", cx->nin, lo, hi);
    for (uint32_t i = 0; i < cx->nin; i++) {
        nnc_val_kind kind = nnc_cx_val(cx, i)->kind;
        if (kind != NNC_VAL_tensor && !(kind == NNC_VAL_absent && i >= lo))
            return nnc_cx_error(cx, "input %u %s, expected a tensor", i,
                                kind == NNC_VAL_absent ? "is left out" : "is no tensor");
    }
    return cx->nout ? NNC_OK : nnc_cx_error(cx, "the node has no output");
}

nnc_status nnc_row_real(nnc_onnx_cx *cx, uint32_t i)
{
    if (nnc_cx_has(cx, i) && !nnc_dtype_is_float(nnc_cx_dtype(cx, nnc_cx_in(cx, i))))
        return nnc_cx_error(cx, "input %u is %s, expected floating-point numbers", i,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    return NNC_OK;
}

nnc_status nnc_row_same_real(nnc_onnx_cx *cx, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        NNC_TRY(nnc_row_real(cx, i));
        if (nnc_cx_has(cx, i) &&
            nnc_cx_dtype(cx, nnc_cx_in(cx, i)) != nnc_cx_dtype(cx, nnc_cx_in(cx, 0)))
            return nnc_cx_error(cx, "input %u is %s, expected the type of input 0, %s", i,
                                nnc_cx_type_text(cx, nnc_cx_in(cx, i)),
                                nnc_cx_type_text(cx, nnc_cx_in(cx, 0)));
    }
    return NNC_OK;
}

nnc_status nnc_row_byte(nnc_onnx_cx *cx, uint32_t i)
{
    nnc_dtype dt = nnc_cx_has(cx, i) ? nnc_cx_dtype(cx, nnc_cx_in(cx, i)) : NNC_DT_u8;
    if (dt != NNC_DT_u8 && dt != NNC_DT_i8)
        return nnc_cx_error(cx, "input %u is %s, expected u8 or i8", i,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    return NNC_OK;
}

nnc_status nnc_row_single(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_value *v)
{
    *v = nnc_cx_in(cx, i);
    nnc_type_rec t = nnc_cx_ty(cx, *v);
    for (int d = 0; d < t.rank; d++)
        if (t.dim[d] != 1)
            return nnc_cx_error(cx, "%s is %s, expected a scalar", what, nnc_cx_type_text(cx, *v));
    *v = nnc_cx_scalar(cx, *v);
    return NNC_OK;
}

nnc_status nnc_row_through(nnc_onnx_cx *cx, nnc_onnx_row_fn row, nnc_value x, nnc_value *y)
{
    const nnc_val *saved = cx->in;
    nnc_val *in = nnc_arena_copy(cx->a, cx->in, cx->nin * sizeof *in);
    in[0] = (nnc_val){.kind = NNC_VAL_tensor, .v = x};
    cx->in = in;
    nnc_status s = row(cx);
    cx->in = saved;
    if (s == NNC_OK)
        *y = cx->out[0].v;
    return s;
}

static nnc_value move_channels(nnc_onnx_cx *cx, nnc_value x, bool last)
{
    int rank = nnc_cx_rank(cx, x);
    int64_t perm[NNC_MAX_RANK] = {0};
    for (int i = 1; i < rank; i++)
        perm[i] = last ? (i == rank - 1 ? 1 : i + 1) : (i == 1 ? rank - 1 : i - 1);
    return rank < 3 ? x : nnc_g_transpose(&cx->b, x, perm);
}

nnc_value nnc_row_to_nchw(nnc_onnx_cx *cx, nnc_value x)
{
    return move_channels(cx, x, false);
}
nnc_value nnc_row_to_nhwc(nnc_onnx_cx *cx, nnc_value x)
{
    return move_channels(cx, x, true);
}

static nnc_value back(nnc_onnx_cx *cx, nnc_value wide, nnc_value like)
{
    return cast_to(cx, wide, nnc_cx_dtype(cx, like));
}

/* ---- activations ---- */

struct act_args {
    double alpha, beta;
};

/* The activation `name` with parameters, or their defaults where NaN. */
static nnc_status activate(nnc_onnx_cx *cx, const char *name, struct act_args a, nnc_value *y)
{
    nnc_value x = *y, zero = nnc_cx_like(cx, x, 0);
    if (!*name)
        return NNC_OK;
    if (!strcmp(name, "Relu"))
        *y = max_of(cx, x, zero);
    else if (!strcmp(name, "Tanh"))
        *y = tanh_of(cx, x);
    else if (!strcmp(name, "Sigmoid"))
        *y = sigmoid_of(cx, x);
    else if (!strcmp(name, "LeakyRelu"))
        *y =
            choose(cx, is_less(cx, x, zero), mul_of_num(cx, x, isnan(a.alpha) ? 0.01 : a.alpha), x);
    else if (!strcmp(name, "HardSigmoid"))
        *y = clamp_of(cx,
                      add_of_num(cx, mul_of_num(cx, x, isnan(a.alpha) ? 0.2 : a.alpha),
                                 isnan(a.beta) ? 0.5 : a.beta),
                      0, 1);
    else if (!strcmp(name, "Clip") && !isnan(a.alpha) && !isnan(a.beta))
        *y = clamp_of(cx, x, a.alpha, a.beta);
    else
        return nnc_cx_error(cx,
                            "activation '%.40s' is not supported here; there are Relu, Tanh, "
                            "Sigmoid, LeakyRelu, HardSigmoid and Clip (with both bounds)",
                            name);
    return NNC_OK;
}

nnc_status nnc_row_fused_conv(nnc_onnx_cx *cx)
{
    uint32_t n;
    nnc_value y;
    NNC_TRY(nnc_row_inputs(cx, 2, 4));
    NNC_TRY(nnc_row_same_real(cx, cx->nin));
    const float *p = nnc_onnx_node_floats(cx->node, "activation_params", &n);
    struct act_args a = {n > 0 ? (double)p[0] : (double)NAN, n > 1 ? (double)p[1] : (double)NAN};
    NNC_TRY(nnc_row_conv(cx));
    y = cx->out[0].v;
    if (nnc_cx_has(cx, 3)) {
        nnc_type_rec t = nnc_cx_ty(cx, y);
        NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 3), t.rank, "Z"));
        NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, y, nnc_cx_in(cx, 3), &y));
    }
    NNC_TRY(activate(cx, nnc_onnx_node_str(cx->node, "activation", ""), a, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* Channels last at the border; weights as for Conv. */
nnc_status nnc_row_nhwc_conv(nnc_onnx_cx *cx)
{
    nnc_value y;
    NNC_TRY(nnc_row_inputs(cx, 2, 3));
    NNC_TRY(nnc_row_same_real(cx, cx->nin));
    NNC_TRY(nnc_row_through(cx, nnc_row_conv, nnc_row_to_nchw(cx, nnc_cx_in(cx, 0)), &y));
    nnc_cx_set(cx, 0, nnc_row_to_nhwc(cx, y));
    return NNC_OK;
}

nnc_status nnc_row_fused_gemm(nnc_onnx_cx *cx)
{
    nnc_value y;
    struct act_args a = {nnc_onnx_node_float(cx->node, "activation_alpha", (double)NAN),
                         nnc_onnx_node_float(cx->node, "activation_beta", (double)NAN)};
    NNC_TRY(nnc_row_inputs(cx, 2, 3));
    NNC_TRY(nnc_row_same_real(cx, cx->nin));
    NNC_TRY(nnc_row_gemm(cx));
    y = cx->out[0].v;
    NNC_TRY(activate(cx, nnc_onnx_node_str(cx->node, "activation", ""), a, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

static nnc_value swap_last(nnc_onnx_cx *cx, nnc_value x)
{
    int rank = nnc_cx_rank(cx, x);
    int64_t perm[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    if (rank < 2)
        return x;
    perm[rank - 1] = rank - 2;
    perm[rank - 2] = rank - 1;
    return nnc_g_transpose(&cx->b, x, perm);
}

nnc_status nnc_row_fused_matmul(nnc_onnx_cx *cx)
{
    NNC_TRY(nnc_row_inputs(cx, 2, 2));
    nnc_value a = nnc_cx_in(cx, 0), b = nnc_cx_in(cx, 1);
    NNC_TRY(nnc_row_same_real(cx, 2));
    if (nnc_onnx_node_int(cx->node, "transBatchA", 0) ||
        nnc_onnx_node_int(cx->node, "transBatchB", 0))
        return nnc_cx_error(cx, "transBatchA and transBatchB are not supported; save the model "
                                "with a lower optimisation level");
    a = nnc_onnx_node_int(cx->node, "transA", 0) ? swap_last(cx, a) : a;
    b = nnc_onnx_node_int(cx->node, "transB", 0) ? swap_last(cx, b) : b;
    NNC_TRY(nnc_cx_check_matmul(cx, a, b));
    nnc_value y = nnc_g_matmul(&cx->b, a, b, NNC_DT_none);
    double alpha = nnc_onnx_node_float(cx->node, "alpha", 1);
    nnc_cx_set(cx, 0, alpha == 1 ? y : mul_of_num(cx, y, alpha));
    return NNC_OK;
}

/* arg: 0 Gelu, 1 FastGelu (tanh form, bias optional), 2 BiasGelu, 3 QuickGelu */
nnc_status nnc_row_contrib_gelu(nnc_onnx_cx *cx)
{
    NNC_TRY(nnc_row_inputs(cx, cx->arg == 2 ? 2 : 1, cx->arg == 1 || cx->arg == 2 ? 2 : 1));
    NNC_TRY(nnc_row_real(cx, 0));
    nnc_value x = nnc_cx_widen(cx, nnc_cx_in(cx, 0));
    if (nnc_cx_has(cx, 1))
        NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, x, cast_to(cx, nnc_cx_in(cx, 1), nnc_cx_dtype(cx, x)),
                              &x));
    if (cx->arg == 3) {
        x = mul_of(
            cx, x,
            sigmoid_of(cx,
                       mul_of_num(cx, x, nnc_onnx_node_float(cx->node, "alpha", (double)1.702f))));
    } else if (cx->arg == 1) {
        nnc_value cube = mul_of(cx, mul_of(cx, x, x), x),
                  inner = mul_of_num(cx, add_of(cx, x, mul_of_num(cx, cube, 0.044715)),
                                     0.7978845608028654);
        x = mul_of(cx, mul_of_num(cx, x, 0.5), add_of_num(cx, tanh_of(cx, inner), 1));
    } else {
        x = nnc_cx_op1(cx, NNC_OP_gelu, x);
    }
    nnc_cx_set(cx, 0, back(cx, x, nnc_cx_in(cx, 0)));
    return NNC_OK;
}

/* ---- operators of ai.onnx under their older home ---- */

nnc_status nnc_row_contrib_grid_sample(nnc_onnx_cx *cx)
{
    NNC_TRY(nnc_row_inputs(cx, 2, 2));
    NNC_TRY(nnc_row_same_real(cx, 2));
    return nnc_row_grid_sample(cx);
}

/* ---- normalisation ---- */

/* Parameter i, one number per entry of the last axis of x, in the type of x. */
static nnc_status per_channel(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_value x,
                              nnc_value *v)
{
    nnc_dim best;
    *v = nnc_cx_in(cx, i);
    NNC_TRY(nnc_row_real(cx, i));
    NNC_TRY(nnc_cx_rank_is(cx, *v, 1, what));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, *v, 0), nnc_cx_dim(cx, x, nnc_cx_rank(cx, x) - 1),
                            what, &best));
    *v = cast_to(cx, *v, nnc_cx_dtype(cx, x));
    return NNC_OK;
}

/* x / sqrt(mean x^2 + eps) over the dims from `axis` on; *inverse: the reciprocal of the root. */
static nnc_value rms(nnc_onnx_cx *cx, nnc_value x, int axis, double eps, nnc_value *inverse)
{
    int64_t axes[NNC_MAX_RANK];
    unsigned n = 0;
    for (int i = axis; i < nnc_cx_rank(cx, x); i++)
        axes[n++] = i;
    nnc_value root =
        sqrt_of(cx, add_of_num(cx, nnc_cx_mean(cx, mul_of(cx, x, x), n, axes, true), eps));
    *inverse = div_of(cx, nnc_cx_like(cx, x, 1), root);
    return mul_of(cx, x, *inverse);
}

/* The sum of input, skip and bias.  skip may lack the batch. */
static nnc_status skip_sum(nnc_onnx_cx *cx, uint32_t bias, nnc_value *sum)
{
    nnc_value x = nnc_cx_widen(cx, nnc_cx_in(cx, 0)), v;
    int rank = nnc_cx_rank(cx, x);
    NNC_TRY(nnc_row_real(cx, 0));
    NNC_TRY(nnc_row_real(cx, 1));
    if (rank < 2)
        return nnc_cx_error(
            cx, "input is %s, expected [batch, sequence, channels] or [tokens, channels]",
            nnc_cx_type_text(cx, x));
    NNC_TRY(
        nnc_cx_binary(cx, NNC_OP_add, x, cast_to(cx, nnc_cx_in(cx, 1), nnc_cx_dtype(cx, x)), sum));
    nnc_type_rec t = nnc_cx_ty(cx, x), got = nnc_cx_ty(cx, *sum);
    for (int i = 0; i < rank; i++)
        if (got.rank != rank || (got.dim[i] != t.dim[i] && nnc_dim_is_const(t.dim[i])))
            return nnc_cx_error(cx, "skip is %s, which does not broadcast to the input %s",
                                nnc_cx_type_text(cx, nnc_cx_in(cx, 1)), nnc_cx_type_text(cx, x));
    if (nnc_cx_has(cx, bias)) {
        NNC_TRY(per_channel(cx, bias, "bias", x, &v));
        *sum = add_of(cx, *sum, v);
    }
    return NNC_OK;
}

static nnc_value root_of_variance(nnc_onnx_cx *cx, nnc_value x, nnc_value mean, double eps)
{
    int64_t last[1] = {nnc_cx_rank(cx, x) - 1};
    nnc_value c = sub_of(cx, x, mean), var = nnc_cx_mean(cx, mul_of(cx, c, c), 1, last, true);
    return div_of(cx, nnc_cx_like(cx, x, 1), sqrt_of(cx, add_of_num(cx, var, eps)));
}

/* Inputs: input, skip, gamma, beta, bias; outputs: y, mean, 1 / deviation, sum.  arg: 1 for the
 * form without mean: input, skip, gamma, bias. */
nnc_status nnc_row_skip_layer_norm(nnc_onnx_cx *cx)
{
    nnc_value x, y, v, inverse = {0}, in;
    double eps = nnc_onnx_node_float(cx->node, "epsilon", (double)(cx->arg ? 1e-6f : 1e-12f));
    NNC_TRY(nnc_row_inputs(cx, 3, cx->arg ? 4 : 5));
    in = nnc_cx_in(cx, 0);
    NNC_TRY(skip_sum(cx, cx->arg ? 3 : 4, &x));
    int rank = nnc_cx_rank(cx, x);
    int64_t last[1] = {rank - 1};
    y = cx->arg ? rms(cx, x, rank - 1, eps, &inverse) : nnc_g_layer_norm(&cx->b, x, rank - 1, eps);
    NNC_TRY(per_channel(cx, 2, "gamma", x, &v));
    y = mul_of(cx, y, v);
    if (!cx->arg && nnc_cx_has(cx, 3)) {
        NNC_TRY(per_channel(cx, 3, "beta", x, &v));
        y = add_of(cx, y, v);
    }
    nnc_cx_set(cx, 0, back(cx, y, in));
    if (!cx->arg && (nnc_cx_wants(cx, 1) || nnc_cx_wants(cx, 2))) {
        nnc_value mean = nnc_cx_mean(cx, x, 1, last, true);
        nnc_cx_set(cx, 1, cast_to(cx, mean, NNC_DT_f32));
        nnc_cx_set(cx, 2, cast_to(cx, root_of_variance(cx, x, mean, eps), NNC_DT_f32));
    } else if (inverse.id) {
        nnc_cx_set(cx, 2, cast_to(cx, inverse, NNC_DT_f32));
    }
    nnc_cx_set(cx, 3, back(cx, x, in));
    return NNC_OK;
}

/* LayerNormalization before ONNX had it. */
nnc_status nnc_row_contrib_layer_norm(nnc_onnx_cx *cx)
{
    NNC_TRY(nnc_row_inputs(cx, 2, 3));
    for (uint32_t i = 0; i < cx->nin; i++)
        NNC_TRY(nnc_row_real(cx, i));
    return nnc_row_layer_norm(cx);
}

/* Inputs: X, scale; outputs: y, 1 / root. */
nnc_status nnc_row_simplified_layer_norm(nnc_onnx_cx *cx)
{
    nnc_value x, y, inverse, scale;
    int axis;
    NNC_TRY(nnc_row_inputs(cx, 2, 2));
    NNC_TRY(nnc_row_real(cx, 0));
    NNC_TRY(nnc_row_real(cx, 1));
    x = nnc_cx_widen(cx, nnc_cx_in(cx, 0));
    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", -1), nnc_cx_rank(cx, x),
                        "attribute axis", &axis));
    y = rms(cx, x, axis, nnc_onnx_node_float(cx->node, "epsilon", (double)1e-5f), &inverse);
    scale = cast_to(cx, nnc_cx_in(cx, 1), nnc_cx_dtype(cx, y));
    if (nnc_cx_rank(cx, scale) > nnc_cx_rank(cx, y))
        return nnc_cx_error(cx, "scale is %s, which has more dimensions than the input",
                            nnc_cx_type_text(cx, scale));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_mul, y, scale, &y));
    nnc_cx_set(cx, 0, back(cx, y, nnc_cx_in(cx, 0)));
    nnc_cx_set(cx, 1, cast_to(cx, inverse, NNC_DT_f32));
    return NNC_OK;
}

/* ---- embeddings ---- */

/* Rows of table `t` at the indices `i` [B, S]. */
static nnc_status lookup(nnc_onnx_cx *cx, uint32_t t, const char *what, nnc_value i, nnc_value *out)
{
    NNC_TRY(nnc_row_real(cx, t));
    NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, t), 2, what));
    *out = nnc_g_gather(&cx->b, nnc_cx_widen(cx, nnc_cx_in(cx, t)), i, 0, 0);
    return NNC_OK;
}

static nnc_status index_input(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_value *v)
{
    *v = nnc_cx_in(cx, i);
    if (!nnc_dtype_is_int(nnc_cx_dtype(cx, *v)))
        return nnc_cx_error(cx, "%s is %s, expected integers", what, nnc_cx_type_text(cx, *v));
    NNC_TRY(nnc_cx_rank_is(cx, *v, 2, what));
    *v = cast_to(cx, *v, NNC_DT_i64);
    return NNC_OK;
}

/* Inputs: ids, segments, words, positions, segment table, gamma, beta, mask, position ids;
 * outputs: y, lengths, sum. */
nnc_status nnc_row_embed_layer_norm(nnc_onnx_cx *cx)
{
    nnc_value ids, at, sum, more, y, v;
    static const int64_t one[1] = {1};
    NNC_TRY(nnc_row_inputs(cx, 1, 9));
    if (!nnc_cx_has(cx, 2) || !nnc_cx_has(cx, 3) || !nnc_cx_has(cx, 5) || !nnc_cx_has(cx, 6))
        return nnc_cx_error(cx, "word_embedding, position_embedding, gamma and beta are needed");
    NNC_TRY(index_input(cx, 0, "input_ids", &ids));
    NNC_TRY(lookup(cx, 2, "word_embedding", ids, &sum));
    nnc_dim dim[2] = {nnc_cx_dim(cx, ids, 0), nnc_cx_dim(cx, ids, 1)}, best;
    if (nnc_cx_has(cx, 8))
        NNC_TRY(index_input(cx, 8, "position_ids", &at));
    else
        at = nnc_g_iota(&cx->b, NNC_DT_i64, 1, dim + 1, 0);
    NNC_TRY(lookup(cx, 3, "position_embedding", at, &more));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, sum, more, &sum));
    if (nnc_cx_has(cx, 4) && nnc_cx_has(cx, 1)) {
        NNC_TRY(index_input(cx, 1, "segment_ids", &at));
        NNC_TRY(lookup(cx, 4, "segment_embedding", at, &more));
        NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, sum, more, &sum));
    }
    y = nnc_g_layer_norm(&cx->b, sum, 2, nnc_onnx_node_float(cx->node, "epsilon", (double)1e-12f));
    NNC_TRY(per_channel(cx, 5, "gamma", y, &v));
    y = mul_of(cx, y, v);
    NNC_TRY(per_channel(cx, 6, "beta", y, &v));
    nnc_cx_set(cx, 0, back(cx, add_of(cx, y, v), nnc_cx_in(cx, 2)));
    v = nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_i32, 0), 1, dim);
    if (nnc_cx_has(cx, 7)) {
        NNC_TRY(index_input(cx, 7, "mask", &v));
        NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, v, 0), dim[0], "batch of mask and ids", &best));
        v = nnc_cx_sum(cx, cast_to(cx, is_equal_num(cx, v, 1), NNC_DT_i32), 1, one, false);
    }
    nnc_cx_set(cx, 1, v);
    nnc_cx_set(cx, 2, back(cx, sum, nnc_cx_in(cx, 2)));
    return NNC_OK;
}
