/* frontend/onnx/rows_nn_train.c - steps of optimisers: Adam, Adagrad, Momentum.
 *
 * Inputs: rate r, step t, then n tensors X, n gradients and the n states of each kind; outputs:
 * new X, new states in the same order. */
#include "frontend/onnx/rows_short.h"

struct step {
    nnc_onnx_cx *cx;
    nnc_value rate, t; /* in the type of X */
    nnc_value x, g;    /* g: with the gradient of the regularisation */
};

static double attr(const struct step *s, const char *name, double dflt)
{
    return nnc_onnx_node_float(s->cx->node, name, dflt);
}

/* a * x + b * y */
static nnc_value mix(const struct step *s, double a, nnc_value x, double b, nnc_value y)
{
    return add_of(s->cx, mul_of_num(s->cx, x, a), mul_of_num(s->cx, y, b));
}

static nnc_value moved(const struct step *s, nnc_value rate, nnc_value by)
{
    return sub_of(s->cx, s->x, mul_of(s->cx, rate, by));
}

static void adagrad(struct step *s, const nnc_value *state, nnc_value *out)
{
    nnc_onnx_cx *cx = s->cx;
    nnc_value rate =
        div_of(cx, s->rate, add_of_num(cx, mul_of_num(cx, s->t, attr(s, "decay_factor", 0)), 1));
    nnc_value h = add_of(cx, state[0], mul_of(cx, s->g, s->g));
    nnc_value by =
        div_of(cx, s->g, add_of_num(cx, sqrt_of(cx, h), attr(s, "epsilon", (double)1e-6f)));
    out[0] = moved(s, rate, by);
    out[1] = h;
}

/* The rate with both momenta's bias corrected, from the second step on. */
static nnc_value adam_rate(struct step *s, double alpha, double beta)
{
    nnc_onnx_cx *cx = s->cx;
    nnc_value one = nnc_cx_like(cx, s->rate, 1);
    nnc_value a = sub_of(cx, one, pow_of(cx, nnc_cx_like(cx, s->rate, alpha), s->t));
    nnc_value b = sub_of(cx, one, pow_of(cx, nnc_cx_like(cx, s->rate, beta), s->t));
    nnc_value later = div_of(cx, mul_of(cx, s->rate, sqrt_of(cx, b)), a);
    return choose(cx, is_less(cx, nnc_cx_like(cx, s->t, 0), s->t), later, s->rate);
}

static void adam(struct step *s, const nnc_value *state, nnc_value *out)
{
    nnc_onnx_cx *cx = s->cx;
    double alpha = attr(s, "alpha", (double)0.9f), beta = attr(s, "beta", (double)0.999f);
    nnc_value v = mix(s, alpha, state[0], 1 - alpha, s->g),
              h = mix(s, beta, state[1], 1 - beta, mul_of(cx, s->g, s->g));
    nnc_value by = div_of(cx, v, add_of_num(cx, sqrt_of(cx, h), attr(s, "epsilon", (double)1e-6f)));
    out[0] = mul_of_num(cx, moved(s, adam_rate(s, alpha, beta), by),
                        1 - attr(s, "norm_coefficient_post", 0));
    out[1] = v;
    out[2] = h;
}

static void momentum(struct step *s, const nnc_value *state, nnc_value *out)
{
    nnc_onnx_cx *cx = s->cx;
    bool nesterov = !strcmp(nnc_onnx_node_str(cx->node, "mode", "standard"), "nesterov");
    double alpha = attr(s, "alpha", 0);
    nnc_value one = nnc_cx_like(cx, s->x, 1), later = is_less(cx, nnc_cx_like(cx, s->t, 0), s->t);
    nnc_value beta = choose(cx, later, nnc_cx_like(cx, s->x, attr(s, "beta", 0)), one);
    nnc_value v = add_of(cx, mul_of_num(cx, state[0], alpha), mul_of(cx, beta, s->g));
    out[0] = moved(s, s->rate, nesterov ? add_of(cx, s->g, mul_of_num(cx, v, alpha)) : v);
    out[1] = v;
}

static nnc_status check_mode(nnc_onnx_cx *cx)
{
    const char *mode = nnc_onnx_node_str(cx->node, "mode", "standard");
    return strcmp(mode, "standard") && strcmp(mode, "nesterov")
               ? nnc_cx_bad_attr(cx, "mode", "standard or nesterov")
               : NNC_OK;
}

/* Tensor k of its group, of the shape of X. */
static nnc_status like_x(nnc_onnx_cx *cx, uint32_t i, nnc_type_rec t, nnc_value *v)
{
    nnc_type_rec got = nnc_cx_ty(cx, nnc_cx_in(cx, i));
    nnc_dim best;
    if (got.rank != t.rank)
        return nnc_cx_error(cx, "input %u is %s, expected the shape of its X", i,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    for (int d = 0; d < t.rank; d++)
        NNC_TRY(nnc_cx_same_dim(cx, got.dim[d], t.dim[d], "X and its gradient or state", &best));
    *v = cast_to(cx, nnc_cx_in(cx, i), (nnc_dtype)t.dtype);
    return NNC_OK;
}

/* arg: 0 Adagrad, 1 Adam, 2 Momentum */
nnc_status nnc_row_optimiser(nnc_onnx_cx *cx)
{
    static void (*const run[])(struct step *, const nnc_value *, nnc_value *) = {adagrad, adam,
                                                                                 momentum};
    uint32_t states = cx->arg == 1 ? 2 : 1, groups = states + 2,
             n = cx->nin < 2 ? 0 : (cx->nin - 2) / groups;
    struct step s = {.cx = cx};
    if (cx->nin < 2 + groups || (cx->nin - 2) % groups || cx->nout != n * (states + 1))
        return nnc_cx_error(cx,
                            "%u inputs and %u outputs: expected rate and step, then %u inputs and "
                            "%u outputs per tensor",
                            cx->nin, cx->nout, groups, states + 1);
    for (uint32_t i = 0; i < cx->nin; i++)
        if (!nnc_cx_has(cx, i))
            return nnc_cx_error(cx, "input %u is left out, but all are needed", i);
    if (nnc_cx_rank(cx, nnc_cx_in(cx, 0)) || nnc_cx_rank(cx, nnc_cx_in(cx, 1)))
        return nnc_cx_error(cx, "rate %s and step %s: expected scalars",
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)),
                            nnc_cx_type_text(cx, nnc_cx_in(cx, 1)));
    if (cx->arg == 2)
        NNC_TRY(check_mode(cx));
    for (uint32_t k = 0; k < n; k++) {
        nnc_value state[2] = {{0}, {0}}, out[3] = {{0}, {0}, {0}}, g;
        s.x = nnc_cx_in(cx, 2 + k);
        nnc_type_rec t = nnc_cx_ty(cx, s.x);
        s.rate = cast_to(cx, nnc_cx_in(cx, 0), (nnc_dtype)t.dtype);
        s.t = cast_to(cx, nnc_cx_in(cx, 1), (nnc_dtype)t.dtype);
        NNC_TRY(like_x(cx, 2 + n + k, t, &g));
        for (uint32_t j = 0; j < states; j++)
            NNC_TRY(like_x(cx, 2 + (2 + j) * n + k, t, &state[j]));
        s.g = add_of(cx, mul_of_num(cx, s.x, attr(&s, "norm_coefficient", 0)), g);
        run[cx->arg](&s, state, out);
        for (uint32_t j = 0; j <= states; j++)
            nnc_cx_set(cx, j * n + k, out[j]);
    }
    return NNC_OK;
}
