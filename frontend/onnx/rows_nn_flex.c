/* frontend/onnx/rows_nn_flex.c - FlexAttention: attention whose scores and probabilities pass
 * through subgraphs. */
#include "frontend/onnx/rows_short.h"

/* Heads of keys or values repeated, so that each query head has its own: h reads h / groups. */
static nnc_value repeat_heads(nnc_onnx_cx *cx, nnc_value x, int64_t groups)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    nnc_dim thin[5] = {t.dim[0], t.dim[1], 1, t.dim[2], t.dim[3]},
            thick[5] = {t.dim[0], t.dim[1], groups, t.dim[2], t.dim[3]};
    if (groups == 1)
        return x;
    x = nnc_g_broadcast(&cx->b, nnc_cx_reshape(cx, x, 5, thin), 5, thick);
    t.dim[1] = nnc_dim_mul(cx->dims, t.dim[1], groups);
    return nnc_cx_reshape(cx, x, 4, t.dim);
}

/* v through the graph attribute `name`, if it is there. */
static nnc_status modified(nnc_onnx_cx *cx, const char *name, nnc_value *v)
{
    const nnc_onnx_graph *g = nnc_onnx_node_graph(cx->node, name);
    nnc_type_rec t = nnc_cx_ty(cx, *v), got;
    nnc_val in = {.kind = NNC_VAL_tensor, .v = *v}, out;
    nnc_dim best;
    if (!g)
        return NNC_OK;
    if (g->nin != 1 || g->nout != 1)
        return nnc_cx_error(cx, "%s has %u inputs and %u outputs, expected one of each", name,
                            g->nin, g->nout);
    NNC_TRY(nnc_cx_subgraph(cx, g, &in, &out));
    if (out.kind != NNC_VAL_tensor)
        return nnc_cx_error(cx, "%s does not give a tensor", name);
    got = nnc_cx_ty(cx, out.v);
    if (got.dtype != t.dtype || got.rank != 4)
        return nnc_cx_error(cx, "%s makes %s of %s, expected the same type and shape", name,
                            nnc_cx_type_text(cx, out.v), nnc_cx_type_text(cx, *v));
    for (int i = 0; i < 4; i++)
        NNC_TRY(nnc_cx_same_dim(cx, got.dim[i], t.dim[i], name, &best));
    *v = out.v;
    return NNC_OK;
}

static nnc_status check_operands(nnc_onnx_cx *cx, const nnc_type_rec *q, const nnc_type_rec *k,
                                 const nnc_type_rec *v)
{
    nnc_dim best;
    if (q->rank != 4 || k->rank != 4 || v->rank != 4)
        return nnc_cx_error(cx,
                            "Q, K and V have %d, %d and %d dimensions, expected 4 each: batch, "
                            "heads, sequence, size",
                            q->rank, k->rank, v->rank);
    NNC_TRY(nnc_cx_same_dim(cx, q->dim[3], k->dim[3], "head size of Q and K", &best));
    NNC_TRY(nnc_cx_same_dim(cx, k->dim[1], v->dim[1], "heads of K and V", &best));
    NNC_TRY(nnc_cx_same_dim(cx, k->dim[2], v->dim[2], "sequence length of K and V", &best));
    NNC_TRY(nnc_cx_same_dim(cx, q->dim[0], k->dim[0], "batch of Q and K", &best));
    NNC_TRY(nnc_cx_same_dim(cx, q->dim[0], v->dim[0], "batch of Q and V", &best));
    if (!nnc_dim_is_const(q->dim[1]) || !nnc_dim_is_const(k->dim[1]) || k->dim[1] < 1 ||
        q->dim[1] % k->dim[1])
        return nnc_cx_error(cx, "%s query heads do not divide among %s key heads",
                            nnc_cx_dim_text(cx, q->dim[1]), nnc_cx_dim_text(cx, k->dim[1]));
    return NNC_OK;
}

nnc_status nnc_row_flex_attention(nnc_onnx_cx *cx)
{
    static const int64_t batch[2] = {0, 1}, three[1] = {3}, two[1] = {2};
    nnc_value q = nnc_cx_in(cx, 0), k = nnc_cx_in(cx, 1), v = nnc_cx_in(cx, 2);
    nnc_type_rec tq = nnc_cx_ty(cx, q), tk = nnc_cx_ty(cx, k), tv = nnc_cx_ty(cx, v);
    nnc_dtype in = (nnc_dtype)tq.dtype, dt = in == NNC_DT_f64 ? NNC_DT_f64 : NNC_DT_f32;
    int64_t precision = nnc_onnx_node_int(cx->node, "softmax_precision", 0);
    NNC_TRY(check_operands(cx, &tq, &tk, &tv));
    if (precision)
        dt = nnc_cx_elem(cx, precision);
    if (!dt)
        return NNC_ERR;
    if (!nnc_dtype_is_float(dt))
        return nnc_cx_bad_attr(cx, "softmax_precision", "a floating-point type");
    if (!nnc_onnx_node_has(cx->node, "scale") && (!nnc_dim_is_const(tq.dim[3]) || tq.dim[3] < 1))
        return nnc_cx_error(
            cx, "the head size '%s' is not known, so scale has no default; set attribute scale",
            nnc_cx_dim_text(cx, tq.dim[3]));
    double scale =
        nnc_onnx_node_float(cx->node, "scale", tq.dim[3] > 0 ? 1 / sqrt((double)tq.dim[3]) : 1);
    if (scale < 0)
        return nnc_cx_bad_attr(cx, "scale", "a number of at least 0");
    int64_t groups = tq.dim[1] / tk.dim[1];
    double root = (double)sqrtf((float)scale);
    k = repeat_heads(cx, mul_of_num(cx, k, root), groups);
    v = repeat_heads(cx, v, groups);
    nnc_value s = cast_to(cx,
                          nnc_g_dot(&cx->b, mul_of_num(cx, q, root), k, 2, batch, batch, 1, three,
                                    three, NNC_DT_none),
                          dt);
    NNC_TRY(modified(cx, "score_mod", &s));
    s = nnc_g_softmax(&cx->b, s, 3, false);
    NNC_TRY(modified(cx, "prob_mod", &s));
    nnc_value y =
        nnc_g_dot(&cx->b, s, cast_to(cx, v, dt), 2, batch, batch, 1, three, two, NNC_DT_none);
    nnc_cx_set(cx, 0, cast_to(cx, y, in));
    return NNC_OK;
}
