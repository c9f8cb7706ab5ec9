/* frontend/onnx/rows_nn_svm.c - support vector machines.
 *
 * One product (or distance) of each row with each support vector, the kernel, then products with
 * coefficients laid out for each pair of classes.  Votes, Platt's probabilities of pairs and their
 * coupling (Wu, Lin and Weng, as in libsvm: at most 100 sweeps, a row stops on its own) follow. */
#include "frontend/onnx/rows_ml.h"

enum { MAX_COUPLED = 16, SWEEPS = 100 };

struct svm {
    nnc_onnx_cx *cx;
    nnc_dtype dt;
    nnc_value x; /* [N, F] */
    int64_t f, vectors;
    double gamma, coef0, degree;
};

static nnc_status read_common(struct svm *s)
{
    uint32_t n;
    const float *p = nnc_onnx_node_floats(s->cx->node, "kernel_params", &n);
    NNC_TRY(nnc_row_ml_features(s->cx, &s->x, &s->f));
    s->dt = nnc_cx_dtype(s->cx, s->x);
    if (n && n != 3)
        return nnc_cx_error(s->cx, "kernel_params has %u numbers, expected gamma, coef0 and degree",
                            n);
    s->gamma = n ? (double)p[0] : 0;
    s->coef0 = n ? (double)p[1] : 0;
    s->degree = n ? floor((double)p[2]) : 0;
    return NNC_OK;
}

/* x [N, F] against vectors [V, F] from an attribute: [N, V] through the kernel. */
static nnc_status kernel(struct svm *s, nnc_value *out)
{
    nnc_onnx_cx *cx = s->cx;
    static const int64_t one[1] = {1}, two[1] = {2};
    const char *type = nnc_onnx_node_str(cx->node, "kernel_type", "LINEAR");
    uint32_t n;
    nnc_value v = nnc_row_ml_floats(cx, "support_vectors", s->dt, &n), k;
    nnc_dim dim[2] = {s->vectors, s->f}, apart[3] = {nnc_cx_dim(cx, s->x, 0), 1, s->f};
    if ((int64_t)n != s->vectors * s->f)
        return nnc_cx_error(
            cx, "support_vectors has %u numbers, expected %lld vectors of %lld features", n,
            (long long)s->vectors, (long long)s->f);
    v = nnc_cx_reshape(cx, v, 2, dim);
    if (!strcmp(type, "RBF")) {
        nnc_value d = sub_of(cx, nnc_cx_reshape(cx, s->x, 3, apart), v);
        *out =
            exp_of(cx, mul_of_num(cx, nnc_cx_sum(cx, mul_of(cx, d, d), 1, two, false), -s->gamma));
        return NNC_OK;
    }
    k = nnc_g_dot(&cx->b, s->x, v, 0, NULL, NULL, 1, one, one, NNC_DT_none);
    if (!strcmp(type, "POLY"))
        k = pow_of_num(cx, add_of_num(cx, mul_of_num(cx, k, s->gamma), s->coef0), s->degree);
    else if (!strcmp(type, "SIGMOID"))
        k = tanh_of(cx, add_of_num(cx, mul_of_num(cx, k, s->gamma), s->coef0));
    else if (strcmp(type, "LINEAR"))
        return nnc_cx_bad_attr(cx, "kernel_type", "LINEAR, POLY, RBF or SIGMOID");
    *out = k;
    return NNC_OK;
}

nnc_status nnc_row_svm_regressor(nnc_onnx_cx *cx)
{
    struct svm s = {.cx = cx};
    static const int64_t one[1] = {1};
    uint32_t nc, nr;
    nnc_row_post post;
    nnc_value k, y;
    NNC_TRY(read_common(&s));
    NNC_TRY(nnc_row_ml_post(cx, &post));
    if (post != NNC_POST_none)
        return nnc_cx_error(cx,
                            "post_transform %s is not supported here; append the function as an "
                            "operator of its own",
                            nnc_onnx_node_str(cx->node, "post_transform", ""));
    s.vectors = nnc_onnx_node_int(cx->node, "n_supports", 0);
    nnc_value w = nnc_row_ml_floats(cx, "coefficients", s.dt, &nc),
              rho = nnc_row_ml_floats(cx, "rho", s.dt, &nr);
    int64_t want = s.vectors > 0 ? s.vectors : s.f;
    if ((int64_t)nc != want || nr < 1)
        return nnc_cx_error(cx, "%u coefficients and %u numbers in rho, expected %lld and one", nc,
                            nr, (long long)want);
    if (s.vectors > 0)
        NNC_TRY(kernel(&s, &k));
    else
        k = s.x; /* a linear model */
    nnc_dim row[2] = {1, want};
    y = nnc_g_dot(&cx->b, k, nnc_cx_reshape(cx, w, 2, row), 0, NULL, NULL, 1, one, one,
                  NNC_DT_none);
    y = add_of(cx, y, nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, rho, 0, 0, 1, 1)));
    if (nnc_onnx_node_int(cx->node, "one_class", 0)) {
        nnc_value plus = nnc_cx_like(cx, y, 1);
        y = choose(cx, is_less(cx, nnc_cx_like(cx, y, 0), y), plus, neg_of(cx, plus));
    }
    nnc_cx_set(cx, 0, cast_to(cx, y, NNC_DT_f32));
    return NNC_OK;
}

/* ---- classes ---- */

struct classes {
    struct svm s;
    uint32_t n, pairs;
    const int64_t *count; /* support vectors of each class */
};

static uint32_t pair_at(const struct classes *c, uint32_t i, uint32_t j)
{
    uint32_t at = 0;
    for (uint32_t k = 0; k < i; k++)
        at += c->n - 1 - k;
    return at + j - i - 1;
}

/* Coefficients of each pair (i, j): of class i's vectors in row j - 1, of class j's in row i. */
static nnc_status pair_scores(struct classes *c, nnc_value k, nnc_value *scores)
{
    nnc_onnx_cx *cx = c->s.cx;
    static const int64_t one[1] = {1};
    uint32_t n, nr;
    const float *coef = nnc_onnx_node_floats(cx->node, "coefficients", &n);
    int64_t v = c->s.vectors, from = 0;
    nnc_value rho = nnc_row_ml_floats(cx, "rho", c->s.dt, &nr);
    if ((int64_t)n != (int64_t)(c->n - 1) * v || nr != c->pairs)
        return nnc_cx_error(cx,
                            "%u coefficients and %u numbers in rho for %u classes and %lld "
                            "vectors, expected %lld and %u",
                            n, nr, c->n, (long long)v, (long long)((int64_t)(c->n - 1) * v),
                            c->pairs);
    double *w = nnc_arena_array(cx->a, (size_t)c->pairs * (size_t)v + 1, sizeof *w);
    for (uint32_t a = 0; a < c->n; from += c->count[a++])
        for (uint32_t b = 0; b < c->n; b++)
            for (int64_t at = from; a != b && at < from + c->count[a]; at++)
                w[(int64_t)pair_at(c, a < b ? a : b, a < b ? b : a) * v + at] =
                    (double)coef[(int64_t)(a < b ? b - 1 : b) * v + at];
    nnc_dim dim[2] = {c->pairs, v};
    nnc_value y = nnc_g_dot(&cx->b, k, nnc_row_ml_const(cx, c->s.dt, 2, dim, w), 0, NULL, NULL, 1,
                            one, one, NNC_DT_none);
    *scores = add_of(cx, y, rho);
    return NNC_OK;
}

/* p [N, pairs] spread over [n, n]: entry (i, j) = p, (j, i) = b * p + add, for i < j. */
static nnc_value over_pairs(struct classes *c, nnc_value p, double b, double add)
{
    nnc_onnx_cx *cx = c->s.cx;
    static const int64_t one[1] = {1}, zero[1] = {0};
    uint32_t nn = c->n * c->n;
    double *w = nnc_arena_array(cx->a, (size_t)c->pairs * nn, sizeof *w),
           *shift = nnc_arena_array(cx->a, nn, sizeof *shift);
    for (uint32_t i = 0; i < c->n; i++)
        for (uint32_t j = i + 1; j < c->n; j++) {
            uint32_t e = pair_at(c, i, j);
            w[e * nn + i * c->n + j] = 1;
            w[e * nn + j * c->n + i] = b;
            shift[j * c->n + i] = add;
        }
    nnc_dim dim[2] = {c->pairs, nn}, full[3] = {nnc_cx_dim(cx, p, 0), c->n, c->n};
    nnc_value y = nnc_g_dot(&cx->b, p, nnc_row_ml_const(cx, c->s.dt, 2, dim, w), 0, NULL, NULL, 1,
                            one, zero, NNC_DT_none);
    return nnc_cx_reshape(cx, add_of(cx, y, nnc_row_ml_const(cx, c->s.dt, 1, dim + 1, shift)), 3,
                          full);
}

/* The class with most votes, a positive score being one for the first of its pair: i64 [N]. */
static nnc_value elect(struct classes *c, nnc_value scores)
{
    nnc_onnx_cx *cx = c->s.cx;
    static const int64_t last[1] = {2};
    nnc_value win = cast_to(cx, is_less(cx, nnc_cx_like(cx, scores, 0), scores), c->s.dt);
    nnc_value votes = nnc_cx_sum(cx, over_pairs(c, win, -1, 1), 1, last, false);
    return nnc_g_argreduce(&cx->b, NNC_W_max, votes, 1, false, false);
}

/* ---- probabilities ---- */

/* Entry t of the last axis of v [N, n], as [N, 1]. */
static nnc_value column(nnc_onnx_cx *cx, nnc_value v, uint32_t t)
{
    return nnc_g_slice_axis(&cx->b, v, 1, t, 1, 1);
}

/* One sweep over the classes: p, and q = Q p and s = p Q p kept up to date. */
static nnc_value sweep(struct classes *c, nnc_value q, nnc_value p, nnc_value qp, nnc_value pqp)
{
    nnc_onnx_cx *cx = c->s.cx;
    nnc_dim rows = nnc_cx_dim(cx, p, 0), flat[2] = {rows, c->n}, n = c->n;
    for (uint32_t t = 0; t < c->n; t++) {
        double *unit = nnc_arena_array(cx->a, c->n, sizeof *unit);
        unit[t] = 1;
        nnc_value row = nnc_cx_reshape(cx, nnc_g_slice_axis(&cx->b, q, 1, t, 1, 1), 2, flat),
                  qtt = column(cx, row, t), at = column(cx, qp, t);
        nnc_value diff = div_of(cx, sub_of(cx, pqp, at), qtt), grown = add_of_num(cx, diff, 1);
        nnc_value more = mul_of(cx, diff, add_of(cx, mul_of(cx, diff, qtt), mul_of_num(cx, at, 2)));
        p = div_of(cx, add_of(cx, p, mul_of(cx, diff, nnc_row_ml_const(cx, c->s.dt, 1, &n, unit))),
                   grown);
        pqp = div_of(cx, div_of(cx, add_of(cx, pqp, more), grown), grown);
        qp = div_of(cx, add_of(cx, qp, mul_of(cx, diff, row)), grown);
    }
    return p;
}

/* Q of the quadratic problem: (t, t) the sum of squares of r(j, t), (t, j) = -r(j, t) r(t, j). */
static nnc_value problem(struct classes *c, nnc_value r)
{
    nnc_onnx_cx *cx = c->s.cx;
    static const int64_t perm[3] = {0, 2, 1}, one[1] = {1};
    nnc_dim square[2] = {c->n, c->n};
    nnc_value eye = is_equal(cx, nnc_g_iota(&cx->b, NNC_DT_i64, 2, square, 0),
                             nnc_g_iota(&cx->b, NNC_DT_i64, 2, square, 1));
    nnc_value diagonal = nnc_cx_sum(cx, mul_of(cx, r, r), 1, one, true);
    return choose(cx, eye, diagonal, neg_of(cx, mul_of(cx, r, nnc_g_transpose(&cx->b, r, perm))));
}

static nnc_value couple(struct classes *c, nnc_value r)
{
    nnc_onnx_cx *cx = c->s.cx;
    static const int64_t zero[1] = {0}, one[1] = {1}, two[1] = {2};
    nnc_value q = problem(c, r);
    nnc_dim rows = nnc_cx_dim(cx, q, 0), dim[2] = {rows, c->n}, col[2] = {rows, 1};
    nnc_value init[2] = {nnc_cx_full(cx, nnc_cx_num(cx, c->s.dt, 1.0 / c->n), 2, dim),
                         nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_bool, 0), 2, col)};
    nnc_builder outer = cx->b;
    nnc_op op = nnc_g_scan(&cx->b, SWEEPS, 2, 2, init, 0, NULL);
    nnc_block body = nnc_op_region(cx->m, op, 0);
    cx->b = nnc_builder_at_end(cx->m, body);
    cx->b.loc = outer.loc;
    nnc_value p = nnc_block_arg(cx->m, body, 1), done = nnc_block_arg(cx->m, body, 2);
    nnc_value qp = nnc_g_dot(&cx->b, q, p, 1, zero, zero, 1, two, one, NNC_DT_none);
    nnc_value pqp = nnc_cx_sum(cx, mul_of(cx, p, qp), 1, one, true),
              error = abs_of(cx, sub_of(cx, qp, pqp));
    error = nnc_g_reduce(&cx->b, NNC_W_max, error, 1, one, true);
    done = either(cx, done, is_less(cx, error, nnc_cx_like(cx, error, 0.005 / c->n)));
    nnc_value out[2] = {choose(cx, done, p, sweep(c, q, p, qp, pqp)), done};
    nnc_build_yield(&cx->b, 2, out);
    cx->b = outer;
    return nnc_op_out(cx->m, op, 0);
}

/* Platt's probabilities of the pairs, then of the classes [N, n]. */
static nnc_status probabilities(struct classes *c, nnc_value scores, nnc_value *p)
{
    nnc_onnx_cx *cx = c->s.cx;
    uint32_t na, nb;
    nnc_value a = nnc_row_ml_floats(cx, "prob_a", c->s.dt, &na),
              b = nnc_row_ml_floats(cx, "prob_b", c->s.dt, &nb);
    if (na != c->pairs || nb != c->pairs)
        return nnc_cx_error(cx, "prob_a and prob_b have %u and %u numbers, expected %u", na, nb,
                            c->pairs);
    if (c->n > MAX_COUPLED)
        return nnc_cx_error(cx,
                            "probabilities of %u classes; at most %d are supported: remove prob_a "
                            "and prob_b, or train one classifier per class",
                            c->n, MAX_COUPLED);
    nnc_value s = sigmoid_of(cx, neg_of(cx, add_of(cx, mul_of(cx, scores, a), b)));
    *p = couple(c, over_pairs(c, clamp_of(cx, s, 1e-7, 1 - 1e-7), -1, 1));
    return NNC_OK;
}

static nnc_status count_vectors(struct classes *c)
{
    nnc_onnx_cx *cx = c->s.cx;
    uint32_t n;
    c->count = nnc_onnx_node_ints(cx->node, "vectors_per_class", &n);
    if (!n)
        return nnc_cx_error(cx, "a classifier without support vectors is a linear model; export it "
                                "as LinearClassifier");
    if (n != c->n || n < 2 || n > 4096)
        return nnc_cx_error(
            cx,
            "vectors_per_class has %u numbers for %u labels, expected two or more, one per label",
            n, c->n);
    for (uint32_t i = 0; i < n; i++) {
        if (c->count[i] < 0 || c->count[i] > INT32_MAX / 4096)
            return nnc_cx_error(cx, "vectors_per_class holds %lld", (long long)c->count[i]);
        c->s.vectors += c->count[i];
    }
    c->pairs = n * (n - 1) / 2;
    return NNC_OK;
}

/* Two classes and no probabilities: one score s becomes (-s, s). */
static nnc_status two_scores(struct classes *c, nnc_row_post post, nnc_value *y)
{
    nnc_onnx_cx *cx = c->s.cx;
    uint32_t n;
    const float *w = nnc_onnx_node_floats(cx->node, "coefficients", &n);
    bool negative = false;
    for (uint32_t i = 0; i < n; i++)
        negative |= w[i] < 0;
    if (!negative || (post != NNC_POST_none && post != NNC_POST_logistic))
        return nnc_cx_error(cx,
                            "two classes with post_transform %s%s: runtimes differ in the result; "
                            "use NONE or LOGISTIC, or give prob_a and prob_b",
                            nnc_onnx_node_str(cx->node, "post_transform", "NONE"),
                            negative ? "" : " and no negative coefficient");
    nnc_value two[2] = {neg_of(cx, *y), *y};
    *y = nnc_g_concat(&cx->b, 2, two, 1);
    return NNC_OK;
}

nnc_status nnc_row_svm_classifier(nnc_onnx_cx *cx)
{
    struct classes c = {.s = {.cx = cx}};
    nnc_row_post post;
    nnc_value k, y;
    NNC_TRY(nnc_row_ml_post(cx, &post));
    NNC_TRY(nnc_row_ml_labels(cx, "classlabels_ints", "classlabels_strings", &c.n));
    NNC_TRY(read_common(&c.s));
    NNC_TRY(count_vectors(&c));
    NNC_TRY(kernel(&c.s, &k));
    NNC_TRY(pair_scores(&c, k, &y));
    nnc_row_ml_set_label(cx, "classlabels_ints", elect(&c, y));
    if (nnc_onnx_node_has(cx->node, "prob_a"))
        NNC_TRY(probabilities(&c, y, &y));
    else if (c.n == 2)
        NNC_TRY(two_scores(&c, post, &y));
    nnc_cx_set(cx, 1, cast_to(cx, nnc_row_ml_transform(cx, post, y), NNC_DT_f32));
    return NNC_OK;
}
