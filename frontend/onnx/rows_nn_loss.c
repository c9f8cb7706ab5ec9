/* frontend/onnx/rows_nn_loss.c - losses and dropout. */
#include "frontend/onnx/rows.h"

struct loss {
    nnc_onnx_cx *cx;
    nnc_value target, keep; /* i64 classes; bool: not the ignored one, or none */
    nnc_dtype dt;
};

/* Class targets in [0, C) as i64; the ignored value reads class 0 and is masked later. */
static nnc_status read_target(struct loss *l, nnc_value x)
{
    nnc_onnx_cx *cx = l->cx;
    nnc_type_rec tx = nnc_cx_ty(cx, x), tt = nnc_cx_ty(cx, nnc_cx_in(cx, 1));
    nnc_dim best;
    l->dt = (nnc_dtype)tx.dtype;
    if (tx.rank < 2 || tt.rank != tx.rank - 1)
        return nnc_cx_error(cx,
                            "scores %s and labels %s: the labels lack the class dimension (the "
                            "second) and nothing else",
                            nnc_cx_type_text(cx, x), nnc_cx_type_text(cx, nnc_cx_in(cx, 1)));
    for (int i = 0; i < tt.rank; i++)
        NNC_TRY(nnc_cx_same_dim(cx, tt.dim[i], tx.dim[i ? i + 1 : 0], "scores and labels", &best));
    l->target = nnc_g_cast(&cx->b, nnc_cx_in(cx, 1), NNC_DT_i64);
    if (nnc_onnx_node_has(cx->node, "ignore_index")) {
        nnc_value ignore =
            nnc_cx_num(cx, NNC_DT_i64, (double)nnc_onnx_node_int(cx->node, "ignore_index", 0));
        l->keep = nnc_cx_op1(cx, NNC_OP_not, nnc_cx_op2(cx, NNC_OP_eq, l->target, ignore));
        l->target = nnc_g_select(&cx->b, l->keep, l->target, nnc_cx_num(cx, NNC_DT_i64, 0));
    }
    return NNC_OK;
}

/* x at the target class: the class dimension disappears. */
static nnc_value pick(struct loss *l, nnc_value x)
{
    nnc_onnx_cx *cx = l->cx;
    return nnc_cx_drop_dim(
        cx, nnc_g_gather_elements(&cx->b, x, nnc_cx_expand_dim(cx, l->target, 1), 1), 1);
}

static nnc_value masked(struct loss *l, nnc_value v)
{
    return l->keep.id ? nnc_g_select(&l->cx->b, l->keep, v, nnc_cx_num(l->cx, l->dt, 0)) : v;
}

static nnc_value total(nnc_onnx_cx *cx, nnc_value v)
{
    int64_t axes[NNC_MAX_RANK];
    int rank = nnc_cx_rank(cx, v);
    for (int i = 0; i < rank; i++)
        axes[i] = i;
    return nnc_cx_sum(cx, v, (unsigned)rank, axes, false);
}

/* Mean over the samples that count, each by its weight. */
static nnc_status finish(struct loss *l, nnc_value log_prob)
{
    nnc_onnx_cx *cx = l->cx;
    const char *how = nnc_onnx_node_str(cx->node, "reduction", "mean");
    nnc_value loss = nnc_cx_op1(cx, NNC_OP_neg, pick(l, log_prob)), weight = {0};
    if (nnc_cx_has(cx, 2)) {
        NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 2), 1, "weights"));
        weight = masked(
            l, nnc_g_cast(&cx->b, nnc_g_gather(&cx->b, nnc_cx_in(cx, 2), l->target, 0, 0), l->dt));
        loss = nnc_cx_op2(cx, NNC_OP_mul, loss, weight);
    }
    loss = masked(l, loss);
    if (!strcmp(how, "sum")) {
        loss = total(cx, loss);
    } else if (!strcmp(how, "mean")) {
        nnc_value one = nnc_cx_num(cx, l->dt, 1);
        nnc_type_rec t = nnc_cx_ty(cx, loss);
        if (!weight.id)
            weight = masked(l, nnc_cx_full(cx, one, t.rank, t.dim));
        loss = nnc_cx_op2(cx, NNC_OP_div, total(cx, loss), total(cx, weight));
    } else if (strcmp(how, "none")) {
        return nnc_cx_bad_attr(cx, "reduction", "none, sum or mean");
    }
    nnc_cx_set(cx, 0, loss);
    return NNC_OK;
}

nnc_status nnc_row_nll_loss(nnc_onnx_cx *cx)
{
    struct loss l = {.cx = cx};
    NNC_TRY(read_target(&l, nnc_cx_in(cx, 0)));
    return finish(&l, nnc_cx_in(cx, 0));
}

nnc_status nnc_row_softmax_cross_entropy(nnc_onnx_cx *cx)
{
    struct loss l = {.cx = cx};
    NNC_TRY(read_target(&l, nnc_cx_in(cx, 0)));
    nnc_value y = nnc_g_softmax(&cx->b, nnc_cx_in(cx, 0), 1, true);
    nnc_cx_set(cx, 1, y);
    return finish(&l, y);
}

/* ---- dropout ---- */

/* Whether and how much is dropped.  `at_run`: bool[], when only the run knows whether; none
 * otherwise. */
struct dropout {
    bool training;
    nnc_value at_run, ratio; /* ratio: f32[] */
};

static nnc_status one_number(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_value *v)
{
    nnc_type_rec t = nnc_cx_ty(cx, nnc_cx_in(cx, i));
    if (t.rank > 1 || (t.rank == 1 && t.dim[0] != 1))
        return nnc_cx_error(cx, "%s is %s, expected a scalar", what,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    *v = nnc_cx_scalar(cx, nnc_cx_in(cx, i));
    return NNC_OK;
}

static nnc_status read_dropout(nnc_onnx_cx *cx, struct dropout *d)
{
    int64_t training;
    double ratio = nnc_onnx_node_float(cx->node, "ratio", 0.5);
    d->training = cx->arg != 1 && nnc_onnx_node_int(cx->node, "is_test", 1) == 0;
    d->ratio = nnc_cx_num(cx, NNC_DT_f32, ratio);
    if (cx->arg == 1 && nnc_cx_has(cx, 2)) {
        nnc_value mode;
        NNC_TRY(one_number(cx, 2, "training_mode", &mode));
        bool known = nnc_cx_int(cx, mode, &training);
        d->training = !known || training;
        d->at_run = known ? (nnc_value){0} : mode;
    }
    if (cx->arg == 1 && nnc_cx_has(cx, 1)) {
        nnc_value given, zero = nnc_cx_num(cx, NNC_DT_f32, 0);
        NNC_TRY(one_number(cx, 1, "ratio", &given));
        d->ratio = nnc_g_cast(&cx->b, given, NNC_DT_f32);
        if (!nnc_cx_float(cx, given, &ratio) && d->training) {
            nnc_value fits = nnc_cx_op2(cx, NNC_OP_lt, d->ratio, nnc_cx_num(cx, NNC_DT_f32, 1));
            fits = nnc_cx_op2(cx, NNC_OP_and, fits, nnc_cx_op2(cx, NNC_OP_le, zero, d->ratio));
            return nnc_cx_check(cx, fits, "ratio of Dropout is not in [0, 1)");
        }
    }
    if (d->training && (ratio < 0 || ratio >= 1))
        return nnc_cx_error(cx, "ratio is %g, expected a number from 0 up to but not including 1",
                            ratio);
    d->training &= ratio != 0;
    return NNC_OK;
}

/* Inference is the identity.  Training draws from the counter-based generator, keyed by the seed
 * and the node. */
nnc_status nnc_row_dropout(nnc_onnx_cx *cx)
{
    struct dropout d = {0};
    nnc_value x = nnc_cx_in(cx, 0);
    nnc_type_rec t = nnc_cx_ty(cx, x);
    NNC_TRY(read_dropout(cx, &d));
    nnc_value mask = nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_bool, 1), t.rank, t.dim), y = x;
    if (d.training) {
        nnc_value one = nnc_cx_num(cx, NNC_DT_f32, 1),
                  keep = nnc_cx_op2(cx, NNC_OP_le, d.ratio, nnc_cx_uniform(cx, t.rank, t.dim));
        nnc_value scale = nnc_cx_op2(cx, NNC_OP_div, one, nnc_cx_op2(cx, NNC_OP_sub, one, d.ratio));
        nnc_value scaled =
            nnc_cx_op2(cx, NNC_OP_mul, x, nnc_g_cast(&cx->b, scale, (nnc_dtype)t.dtype));
        nnc_value dropped = nnc_g_select(&cx->b, keep, scaled, nnc_cx_like(cx, x, 0));
        y = d.at_run.id ? nnc_g_select(&cx->b, d.at_run, dropped, x) : dropped;
        mask = d.at_run.id ? nnc_cx_op2(cx, NNC_OP_or, keep, nnc_cx_op1(cx, NNC_OP_not, d.at_run))
                           : keep;
    }
    nnc_cx_set(cx, 0, y);
    if (nnc_cx_wants(cx, 1)) /* before opset 10 the mask had the type of the data */
        nnc_cx_set(cx, 1, cx->arg ? mask : nnc_g_cast(&cx->b, mask, (nnc_dtype)t.dtype));
    return NNC_OK;
}
