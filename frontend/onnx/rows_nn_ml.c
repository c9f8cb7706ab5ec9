/* frontend/onnx/rows_nn_ml.c - ai.onnx.ml: preparing features, linear models.
 *
 * Strings and maps have no place in a compiled program: labels that are strings are refused
 * where they are used, and ZipMap gives out its scores as they are. */
#include <stdlib.h>
#include "frontend/onnx/rows_ml.h"

/* ---- shared ---- */

nnc_status nnc_row_ml_features(nnc_onnx_cx *cx, nnc_value *x, int64_t *f)
{
    nnc_value v = nnc_cx_in(cx, 0);
    nnc_type_rec t = nnc_cx_ty(cx, v);
    nnc_dim row[2] = {1, t.dim[0]};
    if (t.rank == 1)
        v = nnc_cx_reshape(cx, v, 2, row);
    else if (t.rank != 2)
        return nnc_cx_error(cx, "input is %s, expected [rows, features]", nnc_cx_type_text(cx, v));
    if (!nnc_dim_is_const(nnc_cx_dim(cx, v, 1)))
        return nnc_cx_error(cx,
                            "the number of features is '%s', but must be known; pin it with --dim",
                            nnc_cx_dim_text(cx, nnc_cx_dim(cx, v, 1)));
    *f = nnc_cx_dim(cx, v, 1);
    *x = t.dtype == NNC_DT_f64 ? v : cast_to(cx, v, NNC_DT_f32);
    return NNC_OK;
}

nnc_value nnc_row_ml_const(nnc_onnx_cx *cx, nnc_dtype dt, int rank, const nnc_dim *dim,
                           const double *v)
{
    size_t n = 1;
    for (int i = 0; i < rank; i++)
        n *= (size_t)dim[i];
    if (dt == NNC_DT_f64)
        return nnc_g_const_data(&cx->b, dt, rank, dim, v);
    float *f = nnc_arena_array(cx->a, n + 1, sizeof *f);
    for (size_t i = 0; i < n; i++)
        f[i] = (float)v[i];
    return nnc_g_const_data(&cx->b, NNC_DT_f32, rank, dim, f);
}

nnc_value nnc_row_ml_floats(nnc_onnx_cx *cx, const char *name, nnc_dtype dt, uint32_t *n)
{
    const float *v = nnc_onnx_node_floats(cx->node, name, n);
    nnc_dim dim = *n;
    if (!*n)
        return (nnc_value){0};
    return cast_to(cx, nnc_g_const_data(&cx->b, NNC_DT_f32, 1, &dim, v), dt);
}

nnc_status nnc_row_ml_post(nnc_onnx_cx *cx, nnc_row_post *post)
{
    static const char *const names[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
    const char *s = nnc_onnx_node_str(cx->node, "post_transform", "NONE");
    for (int i = 0; i < 5; i++)
        if (!strcmp(s, names[i])) {
            *post = (nnc_row_post)i;
            return NNC_OK;
        }
    return nnc_cx_bad_attr(cx, "post_transform", "NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT");
}

/* Softmax in which scores of 0 stay next to 0; 0.5 when all are. */
static nnc_value softmax_zero(nnc_onnx_cx *cx, nnc_value y)
{
    static const int64_t last[1] = {1};
    nnc_value top = nnc_g_reduce(&cx->b, NNC_W_max, y, 1, last, true),
              tiny = is_at_most(cx, abs_of(cx, y), nnc_cx_like(cx, y, 1e-7));
    nnc_value e = choose(cx, tiny, mul_of(cx, y, exp_of(cx, neg_of(cx, top))),
                         exp_of(cx, sub_of(cx, y, top)));
    nnc_value sum = nnc_cx_sum(cx, e, 1, last, true);
    return choose(cx, is_equal_num(cx, sum, 0), nnc_cx_like(cx, y, 0.5), div_of(cx, e, sum));
}

/* sqrt 2 times the inverse error function of 2 y - 1, in Winitzki's approximation, as the
 * operator's definition has it. */
static nnc_value probit(nnc_onnx_cx *cx, nnc_value y)
{
    const double a = 0.147, pi = 3.14159265358979323846;
    nnc_value x = sub_of_num(cx, mul_of_num(cx, y, 2), 1), one = nnc_cx_like(cx, y, 1),
              zero = nnc_cx_like(cx, y, 0);
    nnc_value sign = choose(cx, is_less(cx, x, zero), neg_of(cx, one), one),
              rest = mul_of(cx, sub_of(cx, one, x), add_of(cx, one, x));
    nnc_value log = nnc_cx_op1(cx, NNC_OP_log, rest),
              v = add_of_num(cx, mul_of_num(cx, log, 0.5), 2 / (pi * a));
    nnc_value inner = sqrt_of(cx, sub_of(cx, mul_of(cx, v, v), mul_of_num(cx, log, 1 / a)));
    nnc_value r = mul_of(cx, sign, sqrt_of(cx, sub_of(cx, inner, v)));
    return mul_of_num(cx, choose(cx, is_equal(cx, rest, zero), zero, r), 1.41421356);
}

nnc_value nnc_row_ml_transform(nnc_onnx_cx *cx, nnc_row_post post, nnc_value y)
{
    switch (post) {
    case NNC_POST_softmax: return nnc_g_softmax(&cx->b, y, 1, false);
    case NNC_POST_logistic: return sigmoid_of(cx, y);
    case NNC_POST_softmax_zero: return softmax_zero(cx, y);
    case NNC_POST_probit: return probit(cx, y);
    default: return y;
    }
}

nnc_status nnc_row_ml_labels(nnc_onnx_cx *cx, const char *ints, const char *strings, uint32_t *n)
{
    nnc_onnx_node_ints(cx->node, ints, n);
    if (*n)
        return NNC_OK;
    nnc_onnx_node_strs(cx->node, strings, n);
    if (!*n)
        return nnc_cx_error(cx, "neither %s nor %s is given", ints, strings);
    if (nnc_cx_wants(cx, 0))
        return nnc_cx_error(cx,
                            "the labels are strings, which cannot be compiled; train with integer "
                            "labels, or remove output '%s' and take the largest of the scores",
                            nnc_onnx_name(cx->model, nnc_onnx_node_out(cx->node, 0)));
    return NNC_OK;
}

void nnc_row_ml_set_label(nnc_onnx_cx *cx, const char *ints, nnc_value at)
{
    uint32_t n;
    const int64_t *label = nnc_onnx_node_ints(cx->node, ints, &n);
    nnc_dim dim = n;
    if (n)
        nnc_cx_set(
            cx, 0,
            nnc_g_gather(&cx->b, nnc_g_const_data(&cx->b, NNC_DT_i64, 1, &dim, label), at, 0, 0));
}

/* ---- features ---- */

nnc_status nnc_row_array_feature_extractor(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), i = nnc_cx_flat(cx, nnc_cx_in(cx, 1));
    int rank = nnc_cx_rank(cx, x);
    if (rank < 1)
        return nnc_cx_error(cx, "input is a scalar, expected at least one dimension");
    x = nnc_g_gather(&cx->b, x, i, rank - 1, 0);
    nnc_cx_set(cx, 0, rank == 1 ? nnc_cx_expand_dim(cx, x, 0) : x);
    return NNC_OK;
}

nnc_status nnc_row_binarizer(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0),
              wide = nnc_dtype_is_float(nnc_cx_dtype(cx, x)) ? x : cast_to(cx, x, NNC_DT_f64);
    nnc_value over =
        is_less(cx, nnc_cx_like(cx, wide, nnc_onnx_node_float(cx->node, "threshold", 0)), wide);
    nnc_cx_set(cx, 0, cast_to(cx, over, nnc_cx_dtype(cx, x)));
    return NNC_OK;
}

/* Exactly n columns: cut, or filled with zeros. */
static nnc_value columns(nnc_onnx_cx *cx, nnc_value x, int64_t n)
{
    nnc_dim have = nnc_cx_dim(cx, x, 1), lo[2] = {0, 0}, hi[2] = {0, n - have};
    if (n <= have)
        return nnc_g_slice_axis(&cx->b, x, 1, 0, 1, n);
    return nnc_g_pad(&cx->b, x, nnc_cx_like(cx, x, 0), lo, hi, NNC_W_constant);
}

nnc_status nnc_row_feature_vectorizer(nnc_onnx_cx *cx)
{
    uint32_t n;
    const int64_t *size = nnc_onnx_node_ints(cx->node, "inputdimensions", &n);
    nnc_value *part = nnc_arena_array(cx->a, cx->nin + 1, sizeof *part), y;
    if (n != cx->nin)
        return nnc_cx_error(cx, "inputdimensions has %u numbers for %u inputs", n, cx->nin);
    for (uint32_t i = 0; i < cx->nin; i++) {
        nnc_value x = cast_to(cx, nnc_cx_in(cx, i), NNC_DT_f32);
        nnc_type_rec t = nnc_cx_ty(cx, x);
        if (t.rank != 2 || !nnc_dim_is_const(t.dim[1]))
            return nnc_cx_error(cx, "input %u is %s, expected [rows, a fixed number of columns]", i,
                                nnc_cx_type_text(cx, x));
        if (size[i] < 0 || size[i] > INT32_MAX)
            return nnc_cx_error(cx, "inputdimensions holds %lld, expected a size",
                                (long long)size[i]);
        part[i] = columns(cx, x, size[i]);
    }
    NNC_TRY(nnc_cx_concat(cx, cx->nin, part, 1, &y));
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

nnc_status nnc_row_imputer(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), gap, fill;
    nnc_type_rec t = nnc_cx_ty(cx, x);
    bool real = nnc_dtype_is_float((nnc_dtype)t.dtype);
    uint32_t n, ni;
    const int64_t *ints = nnc_onnx_node_ints(cx->node, "imputed_value_int64s", &ni);
    double marker = nnc_onnx_node_float(cx->node, "replaced_value_float", 0);
    nnc_onnx_node_floats(cx->node, "imputed_value_floats", &n);
    if (real ? !n : !ni)
        return nnc_cx_error(cx, "input is %s, but %s is not given", nnc_cx_type_text(cx, x),
                            real ? "imputed_value_floats" : "imputed_value_int64s");
    n = real ? n : ni;
    if (t.rank < 1 || t.rank > 2 || (n != 1 && t.dim[t.rank - 1] != (nnc_dim)n))
        return nnc_cx_error(
            cx, "input is %s with %u values to put in, expected one value or one per column",
            nnc_cx_type_text(cx, x), n);
    nnc_dim dim = n;
    fill =
        real ? nnc_row_ml_floats(cx, "imputed_value_floats", (nnc_dtype)t.dtype, &n)
             : cast_to(cx, nnc_g_const_data(&cx->b, NNC_DT_i64, 1, &dim, ints), (nnc_dtype)t.dtype);
    if (real)
        gap = isnan(marker) ? nnc_cx_op1(cx, NNC_OP_isnan, x) : is_equal_num(cx, x, marker);
    else
        gap = is_equal(cx, x,
                       nnc_g_int(&cx->b, (nnc_dtype)t.dtype,
                                 nnc_onnx_node_int(cx->node, "replaced_value_int64", 0)));
    nnc_cx_set(cx, 0, choose(cx, gap, fill, x));
    return NNC_OK;
}

nnc_status nnc_row_normalizer(nnc_onnx_cx *cx)
{
    const char *norm = nnc_onnx_node_str(cx->node, "norm", "MAX");
    nnc_value x = nnc_cx_in(cx, 0), d;
    int rank = nnc_cx_rank(cx, x);
    int64_t axis[1] = {rank - 1};
    if (rank < 1 || rank > 2)
        return nnc_cx_error(cx, "input is %s, expected one or two dimensions",
                            nnc_cx_type_text(cx, x));
    x = nnc_cx_dtype(cx, x) == NNC_DT_f64 ? x : cast_to(cx, x, NNC_DT_f32);
    if (!strcmp(norm, "MAX"))
        d = nnc_g_reduce(&cx->b, NNC_W_max, abs_of(cx, x), 1, axis, true);
    else if (!strcmp(norm, "L1"))
        d = nnc_cx_sum(cx, abs_of(cx, x), 1, axis, true);
    else if (!strcmp(norm, "L2"))
        d = sqrt_of(cx, nnc_cx_sum(cx, mul_of(cx, x, x), 1, axis, true));
    else
        return nnc_cx_bad_attr(cx, "norm", "MAX, L1 or L2");
    nnc_cx_set(cx, 0, cast_to(cx, div_of(cx, x, max_of_num(cx, d, 1e-30)), NNC_DT_f32));
    return NNC_OK;
}

nnc_status nnc_row_one_hot_encoder(nnc_onnx_cx *cx)
{
    uint32_t n;
    const int64_t *cats = nnc_onnx_node_ints(cx->node, "cats_int64s", &n);
    nnc_value x = nnc_cx_in(cx, 0);
    int rank = nnc_cx_rank(cx, x);
    nnc_dim dim = n;
    if (!n)
        return nnc_cx_error(cx, "categories of strings cannot be compiled; encode them as integers "
                                "before the model and use cats_int64s");
    if (rank + 1 > NNC_MAX_RANK)
        return nnc_cx_error(cx, "input is %s, which has too many dimensions",
                            nnc_cx_type_text(cx, x));
    nnc_value table =
        cast_to(cx, nnc_g_const_data(&cx->b, NNC_DT_i64, 1, &dim, cats), nnc_cx_dtype(cx, x));
    nnc_value hit = is_equal(cx, nnc_cx_expand_dim(cx, x, rank), table);
    if (!nnc_onnx_node_int(cx->node, "zeros", 1)) {
        int64_t axis[1] = {rank};
        NNC_TRY(nnc_cx_check(cx, nnc_g_reduce(&cx->b, NNC_W_or, hit, 1, axis, false),
                             "OneHotEncoder met a category it does not know (zeros = 0)"));
    }
    nnc_cx_set(cx, 0, cast_to(cx, hit, NNC_DT_f32));
    return NNC_OK;
}

nnc_status nnc_row_scaler(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), v;
    int rank = nnc_cx_rank(cx, x);
    uint32_t n;
    x = nnc_cx_dtype(cx, x) == NNC_DT_f64 ? x : cast_to(cx, x, NNC_DT_f32);
    for (int i = 0; i < 2; i++) {
        v = nnc_row_ml_floats(cx, i ? "scale" : "offset", nnc_cx_dtype(cx, x), &n);
        if (!n)
            continue;
        if (rank < 1 || (n != 1 && nnc_cx_dim(cx, x, rank - 1) != (nnc_dim)n))
            return nnc_cx_error(
                cx, "attribute %s has %u numbers for input %s, expected one, or one per column",
                i ? "scale" : "offset", n, nnc_cx_type_text(cx, x));
        x = i ? mul_of(cx, x, v) : sub_of(cx, x, v);
    }
    nnc_cx_set(cx, 0, cast_to(cx, x, NNC_DT_f32));
    return NNC_OK;
}

/* Maps of class to score become the plain scores. */
nnc_status nnc_row_zip_map(nnc_onnx_cx *cx)
{
    nnc_note(cx->diag, cx->b.loc,
             "maps of labels to scores are dropped: the output is the tensor of scores, one column "
             "per label");
    nnc_cx_set(cx, 0, nnc_cx_in(cx, 0));
    return NNC_OK;
}

/* ---- linear models ---- */

/* x [N, F] times coefficients [rows, F], plus intercepts. */
static nnc_status linear(nnc_onnx_cx *cx, nnc_value x, int64_t f, int64_t rows, nnc_value *y)
{
    static const int64_t one[1] = {1};
    uint32_t n, ni;
    nnc_value w = nnc_row_ml_floats(cx, "coefficients", nnc_cx_dtype(cx, x), &n),
              b = nnc_row_ml_floats(cx, "intercepts", nnc_cx_dtype(cx, x), &ni);
    nnc_dim dim[2] = {rows, f};
    if (rows < 1 || (int64_t)n != rows * f)
        return nnc_cx_error(cx, "coefficients has %u numbers, expected %lld rows of %lld features",
                            n, (long long)rows, (long long)f);
    *y = nnc_g_dot(&cx->b, x, nnc_cx_reshape(cx, w, 2, dim), 0, NULL, NULL, 1, one, one,
                   NNC_DT_none);
    if (ni && (int64_t)ni != rows)
        return nnc_cx_error(cx, "intercepts has %u numbers, expected %lld", ni, (long long)rows);
    if (ni)
        *y = add_of(cx, *y, b);
    return NNC_OK;
}

nnc_status nnc_row_linear_regressor(nnc_onnx_cx *cx)
{
    nnc_value x, y;
    int64_t f, targets = nnc_onnx_node_int(cx->node, "targets", 1);
    nnc_row_post post;
    NNC_TRY(nnc_row_ml_features(cx, &x, &f));
    NNC_TRY(nnc_row_ml_post(cx, &post));
    if (targets < 1 || targets > INT32_MAX)
        return nnc_cx_bad_attr(cx, "targets", "a positive number");
    NNC_TRY(linear(cx, x, f, targets, &y));
    if (targets == 1 && post != NNC_POST_none)
        return nnc_cx_error(cx,
                            "post_transform %s of a single target is not defined; append the "
                            "function as an operator of its own",
                            nnc_onnx_node_str(cx->node, "post_transform", ""));
    nnc_cx_set(cx, 0, cast_to(cx, nnc_row_ml_transform(cx, post, y), NNC_DT_f32));
    return NNC_OK;
}

nnc_status nnc_row_linear_classifier(nnc_onnx_cx *cx)
{
    nnc_value x, y;
    int64_t f;
    uint32_t labels, n;
    nnc_row_post post;
    NNC_TRY(nnc_row_ml_features(cx, &x, &f));
    NNC_TRY(nnc_row_ml_post(cx, &post));
    NNC_TRY(nnc_row_ml_labels(cx, "classlabels_ints", "classlabels_strings", &labels));
    nnc_onnx_node_floats(cx->node, "coefficients", &n);
    int64_t rows = f ? n / f : 0;
    NNC_TRY(linear(cx, x, f, rows, &y));
    if (rows == 1 && labels == 2) {
        if (post != NNC_POST_logistic)
            return nnc_cx_error(cx,
                                "one row of coefficients for two labels with post_transform %s: "
                                "runtimes differ in the first score; give a row for each label, or "
                                "use LOGISTIC",
                                nnc_onnx_node_str(cx->node, "post_transform", "NONE"));
        nnc_value two[2] = {neg_of(cx, y), y};
        y = nnc_g_concat(&cx->b, 2, two, 1);
    } else if (rows != labels || labels < 2) {
        return nnc_cx_error(
            cx,
            "%lld rows of coefficients for %u labels: expected as many, or one row for two labels",
            (long long)rows, labels);
    }
    nnc_row_ml_set_label(cx, "classlabels_ints",
                         nnc_g_argreduce(&cx->b, NNC_W_max, y, 1, false, false));
    nnc_cx_set(cx, 1, cast_to(cx, nnc_row_ml_transform(cx, post, y), NNC_DT_f32));
    return NNC_OK;
}

/* ---- LabelEncoder ---- */

struct pairs {
    uint32_t n;
    nnc_dtype key, value;
    double *from, *to;
    double other; /* the default */
    bool has_nan;
    double at_nan;
};

struct entry {
    double from, to;
    uint32_t place;
};

static int by_key(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return x->from != y->from ? (x->from > y->from) - (x->from < y->from)
                              : (x->place > y->place) - (x->place < y->place);
}

/* One of the lists or the tensor `stem`_floats, _int64s, _tensor; strings are refused. */
static nnc_status read_side(nnc_onnx_cx *cx, const char *stem, nnc_dtype *dt, uint32_t *n,
                            double **v)
{
    uint32_t nf, ni;
    const float *f =
        nnc_onnx_node_floats(cx->node, nnc_arena_printf(cx->a, "%s_floats", stem), &nf);
    const int64_t *i =
        nnc_onnx_node_ints(cx->node, nnc_arena_printf(cx->a, "%s_int64s", stem), &ni);
    const nnc_onnx_tensor *t =
        nnc_onnx_node_tensor(cx->node, nnc_arena_printf(cx->a, "%s_tensor", stem));
    if (!nf && !ni && (!t || t->elem == NNC_ONNX_string))
        return nnc_cx_error(cx,
                            "%s are strings or missing; strings cannot be compiled: encode them as "
                            "numbers outside of the model",
                            stem);
    *n = nf ? nf : ni ? ni : (uint32_t)t->count;
    *dt = nf ? NNC_DT_f32 : ni ? NNC_DT_i64 : nnc_cx_elem(cx, t->elem);
    if (!*dt)
        return NNC_ERR;
    *v = nnc_arena_array(cx->a, *n + 1, sizeof **v);
    for (uint32_t k = 0; k < *n; k++) {
        (*v)[k] = nf ? (double)f[k] : ni ? (double)i[k] : nnc_onnx_tensor_f64(t, k);
        if (*dt == NNC_DT_i64 && fabs((*v)[k]) > 0x1p53)
            return nnc_cx_error(cx, "%s holds an integer beyond 2^53, which is not supported",
                                stem);
    }
    return NNC_OK;
}

/* Sorted; of equal keys the last.  Before version 4 no input equals NaN. */
static void sort_pairs(nnc_onnx_cx *cx, struct pairs *p)
{
    struct entry *e = nnc_arena_array(cx->a, p->n + 1, sizeof *e);
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        if (isnan(p->from[i])) {
            p->has_nan = cx->arg != 0;
            p->at_nan = p->to[i];
        } else {
            e[n++] = (struct entry){p->from[i], p->to[i], i};
        }
    }
    qsort(e, n, sizeof *e, by_key);
    for (uint32_t i = 0; i < n; i++) {
        if (i + 1 < n && e[i].from == e[i + 1].from)
            continue;
        p->from[kept] = e[i].from;
        p->to[kept++] = e[i].to;
    }
    p->n = kept;
}

static nnc_value number_table(nnc_onnx_cx *cx, nnc_dtype dt, uint32_t n, const double *v)
{
    nnc_dim dim = n;
    int64_t *i = nnc_arena_array(cx->a, n + 1, sizeof *i);
    if (nnc_dtype_is_float(dt))
        return cast_to(cx, nnc_row_ml_const(cx, NNC_DT_f64, 1, &dim, v), dt);
    for (uint32_t k = 0; k < n; k++)
        i[k] = (int64_t)v[k];
    return cast_to(cx, nnc_g_const_data(&cx->b, NNC_DT_i64, 1, &dim, i), dt);
}

/* The last key not above x, by halving; the first when all are. */
static nnc_value search(nnc_onnx_cx *cx, nnc_value x, nnc_value keys, uint32_t n)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    nnc_value at = nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_i64, 0), t.rank, t.dim);
    uint32_t step = 1;
    while (step < n)
        step *= 2;
    for (step /= 2; step; step /= 2) {
        nnc_value next = add_of_num(cx, at, step),
                  valid = is_less(cx, next, nnc_cx_num(cx, NNC_DT_i64, n));
        nnc_value below = is_at_most(cx, nnc_g_gather(&cx->b, keys, next, 0, 0), x);
        at = choose(cx, both(cx, valid, below), next, at);
    }
    return at;
}

static nnc_status read_default(nnc_onnx_cx *cx, struct pairs *p)
{
    const nnc_onnx_tensor *t = nnc_onnx_node_tensor(cx->node, "default_tensor");
    if (t && t->count != 1)
        return nnc_cx_error(cx, "default_tensor has %llu elements, expected one",
                            (unsigned long long)t->count);
    if (t && t->elem == NNC_ONNX_string)
        return nnc_cx_error(cx, "default_tensor is a string, but the values are numbers");
    p->other = t ? nnc_onnx_tensor_f64(t, 0)
               : nnc_dtype_is_float(p->value)
                   ? nnc_onnx_node_float(cx->node, "default_float", -0.0)
                   : (double)nnc_onnx_node_int(cx->node, "default_int64", -1);
    if (!nnc_dtype_is_float(p->value) && !(fabs(p->other) <= 0x1p53))
        return nnc_cx_error(cx, "the default is an integer beyond 2^53, which is not supported");
    return NNC_OK;
}

/* arg: 1 when NaN is a key like others */
nnc_status nnc_row_label_encoder(nnc_onnx_cx *cx)
{
    struct pairs p = {0};
    uint32_t n;
    nnc_value x = nnc_cx_in(cx, 0), y;
    if (nnc_onnx_node_has(cx->node, "classes_strings"))
        return nnc_cx_error(
            cx,
            "labels of strings cannot be compiled; encode them as numbers outside of the model");
    NNC_TRY(read_side(cx, "keys", &p.key, &p.n, &p.from));
    NNC_TRY(read_side(cx, "values", &p.value, &n, &p.to));
    if (p.n != n || !n)
        return nnc_cx_error(cx, "%u keys and %u values, expected as many, and some", p.n, n);
    if (nnc_cx_dtype(cx, x) != p.key)
        return nnc_cx_error(cx, "input is %s, but the keys are %s", nnc_cx_type_text(cx, x),
                            nnc_dtype_infos[p.key].name);
    NNC_TRY(read_default(cx, &p));
    sort_pairs(cx, &p);
    y = nnc_cx_num(cx, p.value, p.other);
    if (p.n) {
        nnc_value keys = number_table(cx, p.key, p.n, p.from), at = search(cx, x, keys, p.n);
        nnc_value found = is_equal(cx, nnc_g_gather(&cx->b, keys, at, 0, 0), x);
        y = choose(cx, found, nnc_g_gather(&cx->b, number_table(cx, p.value, p.n, p.to), at, 0, 0),
                   y);
    }
    if (p.has_nan)
        y = choose(cx, nnc_cx_op1(cx, NNC_OP_isnan, x), nnc_cx_num(cx, p.value, p.at_nan), y);
    nnc_cx_set(cx, 0, y);
    return NNC_OK;
}

/* ---- refused ---- */

/* Operators on strings, maps and files; arg: which reason. */
nnc_status nnc_row_refused(nnc_onnx_cx *cx)
{
    static const char *const why[] = {
        "makes or reads strings, which cannot be compiled; do that part of the work outside of the "
        "model",
        "reads or makes a map, which cannot be compiled; give the model a tensor with one column "
        "per key",
        "decodes image files, which is not compiled; decode outside of the model and pass the "
        "pixels as a u8 tensor",
    };
    return nnc_cx_error(cx, "%s %s", cx->node->op, why[cx->arg]);
}
