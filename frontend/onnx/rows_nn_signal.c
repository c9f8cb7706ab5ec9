/* frontend/onnx/rows_nn_signal.c - DFT, STFT, window functions, mel weights.
 *
 * A transform of up to DIRECT points is one product with a table of cosines and sines; complex
 * numbers lie side by side in the last dimension, so [.., n, 2] is read as a row of 2n numbers.
 * Longer ones are split, L = a * b: a-point transforms of every b-th sample, a turn of each
 * result, b-point transforms (Cooley and Tukey).  When only the run knows the length, the table is
 * computed there, from the phase (i * k mod L) / L. */
#include "frontend/onnx/rows_short.h"

static const double PI = 3.14159265358979323846;
enum { DIRECT = 128, LONGEST_PRIME = 4096 };

struct dft {
    nnc_onnx_cx *cx;
    nnc_dtype dt;
    bool inverse, onesided;
    int64_t length;   /* -1: see `at_run` */
    nnc_value at_run; /* i64[]: the length */
    nnc_dim n, out;   /* samples read, numbers made */
    int cin, cout;    /* 1 real, 2 complex */
    nnc_dim rows;
};

static bool to_real(const struct dft *d)
{
    return d->inverse && d->onesided;
}

/* ---- tables ---- */

/* Entry (i, p) -> (k, q) of the transform: p, q 0 real, 1 imaginary. */
static double coefficient(const struct dft *d, int64_t i, int p, int64_t k, int q)
{
    int64_t len = d->length;
    double phase = 2 * PI * (double)((i * k) % len) / (double)len, c = cos(phase),
           s = d->inverse ? -sin(phase) : sin(phase);
    double v = p == q ? c : p ? s : -s, twice = to_real(d) && i && 2 * i != len ? 2 : 1;
    return d->inverse ? v * twice / (double)len : v;
}

static nnc_value table_const(nnc_onnx_cx *cx, nnc_dtype dt, int rank, const nnc_dim *dim,
                             const double *v, size_t n)
{
    if (dt == NNC_DT_f64)
        return nnc_g_const_data(&cx->b, dt, rank, dim, v);
    float *f = nnc_arena_array(cx->a, n, sizeof *f);
    for (size_t i = 0; i < n; i++)
        f[i] = (float)v[i];
    return nnc_g_const_data(&cx->b, NNC_DT_f32, rank, dim, f);
}

/* x [rows, n, cin] -> [rows, out, cout] in one product. */
static nnc_value direct(const struct dft *d, nnc_value x)
{
    nnc_onnx_cx *cx = d->cx;
    static const int64_t one[1] = {1}, zero[1] = {0};
    nnc_dim dim[2] = {d->n * d->cin, d->out * d->cout}, flat[2] = {d->rows, dim[0]},
            full[3] = {d->rows, d->out, d->cout};
    size_t at = 0, count = (size_t)dim[0] * (size_t)dim[1];
    double *v = nnc_arena_array(cx->a, count, sizeof *v);
    for (int64_t i = 0; i < d->n; i++)
        for (int p = 0; p < d->cin; p++)
            for (int64_t k = 0; k < d->out; k++)
                for (int q = 0; q < d->cout; q++)
                    v[at++] = coefficient(d, i, p, k, q);
    nnc_value w = table_const(cx, d->dt, 2, dim, v, count);
    nnc_value y = nnc_g_dot(&cx->b, nnc_cx_reshape(cx, x, 2, flat), w, 0, NULL, NULL, 1, one, zero,
                            NNC_DT_none);
    return nnc_cx_reshape(cx, y, 3, full);
}

/* ---- splitting ---- */

struct pair {
    nnc_value re, im;
}; /* im none: all zero */

static int64_t best_factor(int64_t len)
{
    int64_t best = 1;
    for (int64_t a = 2; a <= DIRECT && a * a <= len; a++)
        if (len % a == 0)
            best = a;
    return best;
}

/* cos and sin of sign * 2 pi i k / len over [n, m] */
static struct pair phases(const struct dft *d, int64_t n, int64_t m, int64_t len)
{
    nnc_dim dim[2] = {n, m};
    size_t count = (size_t)n * (size_t)m;
    double *c = nnc_arena_array(d->cx->a, count, sizeof *c),
           *s = nnc_arena_array(d->cx->a, count, sizeof *s);
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < m; k++) {
            double phase = 2 * PI * (double)((i * k) % len) / (double)len;
            c[i * m + k] = cos(phase);
            s[i * m + k] = d->inverse ? sin(phase) : -sin(phase);
        }
    return (struct pair){table_const(d->cx, d->dt, 2, dim, c, count),
                         table_const(d->cx, d->dt, 2, dim, s, count)};
}

/* The product of x with a table along `axis` of x and axis 0 of the table. */
static struct pair product(nnc_onnx_cx *cx, struct pair x, int axis, struct pair w)
{
    int64_t ax[1] = {axis}, zero[1] = {0};
    struct pair y = {nnc_g_dot(&cx->b, x.re, w.re, 0, NULL, NULL, 1, ax, zero, NNC_DT_none),
                     nnc_g_dot(&cx->b, x.re, w.im, 0, NULL, NULL, 1, ax, zero, NNC_DT_none)};
    if (x.im.id) {
        y.re = sub_of(cx, y.re,
                      nnc_g_dot(&cx->b, x.im, w.im, 0, NULL, NULL, 1, ax, zero, NNC_DT_none));
        y.im = add_of(cx, y.im,
                      nnc_g_dot(&cx->b, x.im, w.re, 0, NULL, NULL, 1, ax, zero, NNC_DT_none));
    }
    return y;
}

static nnc_value regroup(nnc_onnx_cx *cx, nnc_value x, const nnc_dim *from, int rank,
                         const nnc_dim *to)
{
    static const int64_t perm[3] = {0, 2, 1};
    return nnc_cx_reshape(cx, nnc_g_transpose(&cx->b, nnc_cx_reshape(cx, x, 3, from), perm), rank,
                          to);
}

/* x [m, len] -> its transform, not scaled.  Sample b * i + j, result k + a * l. */
static struct pair split(const struct dft *d, struct pair x, nnc_dim m, int64_t len)
{
    nnc_onnx_cx *cx = d->cx;
    int64_t a = best_factor(len), b = len / a;
    if (len <= DIRECT || a == 1)
        return product(cx, x, 1, phases(d, len, len, len));
    nnc_dim ab[3] = {m, a, b}, ba[3] = {m, b, a}, inner[2] = {nnc_dim_mul(cx->dims, m, a), b},
            flat[2] = {m, len};
    x.re = nnc_cx_reshape(cx, x.re, 3, ab);
    if (x.im.id)
        x.im = nnc_cx_reshape(cx, x.im, 3, ab);
    struct pair y = product(cx, x, 1, phases(d, a, a, a)),
                turn = phases(d, b, a, len); /* [m, b, a] */
    struct pair z = {sub_of(cx, mul_of(cx, y.re, turn.re), mul_of(cx, y.im, turn.im)),
                     add_of(cx, mul_of(cx, y.re, turn.im), mul_of(cx, y.im, turn.re))};
    z.re = regroup(cx, z.re, ba, 2, inner);
    z.im = regroup(cx, z.im, ba, 2, inner);
    z = split(d, z, inner[0], b);
    return (struct pair){regroup(cx, z.re, ab, 2, flat), regroup(cx, z.im, ab, 2, flat)};
}

static nnc_value part(nnc_onnx_cx *cx, nnc_value x, int p)
{
    nnc_type_rec t = nnc_cx_ty(cx, x);
    return nnc_cx_reshape(cx, nnc_g_slice_axis(&cx->b, x, 2, p, 1, 1), 2, t.dim);
}

static nnc_value join(nnc_onnx_cx *cx, struct pair y, int cout)
{
    nnc_value v[2] = {nnc_cx_expand_dim(cx, y.re, 2), {0}};
    if (cout == 1)
        return v[0];
    v[1] = nnc_cx_expand_dim(cx, y.im, 2);
    return nnc_g_concat(&cx->b, 2, v, 2);
}

/* The other half of a onesided spectrum: bin len - k is the conjugate of bin k. */
static struct pair whole_spectrum(const struct dft *d, struct pair x)
{
    nnc_onnx_cx *cx = d->cx;
    int64_t n = d->length - d->n;
    if (n < 1)
        return x;
    nnc_value re[2] = {x.re, nnc_g_flip(&cx->b, nnc_g_slice_axis(&cx->b, x.re, 1, 1, 1, n), 1)};
    x.re = nnc_g_concat(&cx->b, 2, re, 1);
    if (x.im.id) {
        nnc_value im[2] = {
            x.im, neg_of(cx, nnc_g_flip(&cx->b, nnc_g_slice_axis(&cx->b, x.im, 1, 1, 1, n), 1))};
        x.im = nnc_g_concat(&cx->b, 2, im, 1);
    }
    return x;
}

static nnc_value by_parts(const struct dft *d, nnc_value x)
{
    nnc_onnx_cx *cx = d->cx;
    struct pair v = {part(cx, x, 0), {0}};
    if (d->cin == 2)
        v.im = part(cx, x, 1);
    if (to_real(d))
        v = whole_spectrum(d, v);
    v = split(d, v, d->rows, d->length);
    v.re = nnc_g_slice_axis(&cx->b, v.re, 1, 0, 1, d->out);
    v.im = nnc_g_slice_axis(&cx->b, v.im, 1, 0, 1, d->out);
    nnc_value y = join(cx, v, d->cout);
    return d->inverse ? mul_of_num(cx, y, 1 / (double)d->length) : y;
}

/* ---- lengths that only the run knows: the table in f64, as constant ones are ---- */

static nnc_value at_run(const struct dft *d, nnc_value x)
{
    nnc_onnx_cx *cx = d->cx;
    nnc_dim dim[2] = {d->n, d->out}, col[2] = {d->n, 1};
    nnc_value i = nnc_g_iota(&cx->b, NNC_DT_i64, 2, dim, 0),
              k = nnc_g_iota(&cx->b, NNC_DT_i64, 2, dim, 1), len = d->at_run;
    nnc_value turns = cast_to(cx, nnc_cx_op2(cx, NNC_OP_rem, mul_of(cx, i, k), len), NNC_DT_f64),
              size = cast_to(cx, len, NNC_DT_f64);
    nnc_value phase = mul_of_num(cx, div_of(cx, turns, size), 2 * PI),
              row = nnc_g_iota(&cx->b, NNC_DT_i64, 2, col, 0);
    nnc_value used = is_less(cx, row, len), weight = nnc_cx_num(cx, NNC_DT_f64, 1);
    struct pair w = {nnc_cx_op1(cx, NNC_OP_cos, phase), nnc_cx_op1(cx, NNC_OP_sin, phase)},
                v = {part(cx, x, 0), {0}};
    if (!d->inverse)
        w.im = neg_of(cx, w.im);
    if (to_real(d)) { /* bins 1 .. stand for their mirror images as well */
        nnc_value twice = mul_of_num(cx, row, 2),
                  ends = either(cx, is_equal_num(cx, row, 0), is_equal(cx, twice, len));
        used = is_at_most(cx, twice, len);
        weight = choose(cx, ends, nnc_cx_num(cx, NNC_DT_f64, 1), nnc_cx_num(cx, NNC_DT_f64, 2));
    }
    weight = choose(cx, used, weight, nnc_cx_num(cx, NNC_DT_f64, 0));
    if (d->inverse)
        weight = div_of(cx, weight, size);
    w.re = cast_to(cx, mul_of(cx, w.re, weight), d->dt);
    w.im = cast_to(cx, mul_of(cx, w.im, weight), d->dt);
    if (d->cin == 2)
        v.im = part(cx, x, 1);
    return join(cx, product(cx, v, 1, w), d->cout);
}

/* ---- one axis of a tensor ---- */

/* Exactly n entries along axis 1: cut, or filled with zeros. */
static nnc_value fit(nnc_onnx_cx *cx, nnc_value x, int64_t have, int64_t n)
{
    nnc_dim lo[3] = {0}, hi[3] = {0, n - have, 0};
    if (n <= have)
        return nnc_g_slice_axis(&cx->b, x, 1, 0, 1, n);
    return nnc_g_pad(&cx->b, x, nnc_cx_like(cx, x, 0), lo, hi, NNC_W_constant);
}

static nnc_status transform_rows(struct dft *d, nnc_value x, nnc_value *y)
{
    if (d->length < 0 || !nnc_dim_is_const(d->n)) {
        if (d->length >= 0)
            d->at_run = nnc_cx_num(d->cx, NNC_DT_i64, (double)d->length);
        *y = at_run(d, x);
        return NNC_OK;
    }
    int64_t need = to_real(d) ? d->length / 2 + 1 : d->length, rest = d->length;
    for (int64_t a = best_factor(rest); rest > DIRECT && a > 1; a = best_factor(rest))
        rest /= a;
    if (rest > LONGEST_PRIME)
        return nnc_cx_error(d->cx,
                            "a transform of %lld points: its factor %lld is too large; pad the "
                            "signal to a length with small factors",
                            (long long)d->length, (long long)rest);
    x = fit(d->cx, x, d->n, need);
    d->n = need;
    *y = d->length <= DIRECT ? direct(d, x) : by_parts(d, x);
    return NNC_OK;
}

/* Transform along `axis`: moved to stand before the last one, and back. */
static nnc_status transform(struct dft *d, nnc_value x, int axis, nnc_value *out)
{
    nnc_onnx_cx *cx = d->cx;
    nnc_type_rec t = nnc_cx_ty(cx, x);
    int64_t perm[NNC_MAX_RANK], back[NNC_MAX_RANK];
    int n = 0;
    for (int i = 0; i < t.rank - 1; i++)
        if (i != axis)
            perm[n++] = i;
    perm[n++] = axis;
    perm[n] = t.rank - 1;
    d->rows = 1;
    for (int i = 0; i < t.rank; i++) {
        back[perm[i]] = i;
        if (i < t.rank - 2)
            d->rows = nnc_dim_mul(cx->dims, d->rows, t.dim[perm[i]]);
    }
    d->n = t.dim[axis];
    nnc_dim flat[3] = {d->rows, d->n, d->cin}, moved[NNC_MAX_RANK];
    for (int i = 0; i < t.rank; i++)
        moved[i] = i == t.rank - 2 ? d->out : i == t.rank - 1 ? d->cout : t.dim[perm[i]];
    NNC_TRY(transform_rows(d, nnc_cx_reshape(cx, nnc_g_transpose(&cx->b, x, perm), 3, flat), out));
    *out = nnc_g_transpose(&cx->b, nnc_cx_reshape(cx, *out, t.rank, moved), back);
    return NNC_OK;
}

/* ---- DFT ---- */

/* Input i as a scalar of i64; *known: its value, else -1. */
static nnc_status scalar_operand(nnc_onnx_cx *cx, uint32_t i, const char *what, int64_t *known,
                                 nnc_value *v)
{
    *known = -1;
    *v = nnc_cx_in(cx, i);
    nnc_type_rec t = nnc_cx_ty(cx, *v);
    if (t.rank > 1 || (t.rank == 1 && t.dim[0] != 1))
        return nnc_cx_error(cx, "%s is %s, expected a scalar", what, nnc_cx_type_text(cx, *v));
    *v = cast_to(cx, nnc_cx_scalar(cx, *v), NNC_DT_i64);
    if (nnc_cx_int(cx, *v, known) && (*known < 1 || *known > INT32_MAX))
        return nnc_cx_error(cx, "%s is %lld, expected a positive number", what, (long long)*known);
    return NNC_OK;
}

/* Length and size of the result along `axis`. */
static nnc_status read_length(struct dft *d, nnc_value x, int axis, const nnc_type_rec *declared)
{
    nnc_onnx_cx *cx = d->cx;
    nnc_dim n = nnc_cx_dim(cx, x, axis);
    d->length = -1;
    if (nnc_cx_has(cx, 1)) {
        NNC_TRY(scalar_operand(cx, 1, "dft_length", &d->length, &d->at_run));
    } else {
        nnc_dim len = to_real(d) ? nnc_dim_sub(cx->dims, nnc_dim_mul(cx->dims, n, 2), 2) : n;
        d->length = nnc_dim_is_const(len) ? len : -1;
        d->at_run = nnc_cx_extent(cx, len, NNC_DT_i64);
        d->out = d->onesided && !d->inverse
                     ? nnc_dim_add(cx->dims, nnc_dim_floordiv(cx->dims, len, 2), 1)
                     : len;
        if (d->length == 0)
            return nnc_cx_error(cx, "the signal has no samples along axis %d", axis);
        return NNC_OK;
    }
    if (d->length >= 0) {
        d->out = d->onesided && !d->inverse ? d->length / 2 + 1 : d->length;
        return NNC_OK;
    }
    if (!declared)
        return nnc_cx_error(cx, "dft_length is only known at run time and the output has no "
                                "declared shape; make it a constant");
    d->out = declared->dim[axis];
    nnc_value made = d->at_run;
    if (d->onesided && !d->inverse)
        made = add_of_num(cx, div_of_num(cx, made, 2), 1);
    return nnc_cx_check(cx, is_equal(cx, made, nnc_cx_extent(cx, d->out, NNC_DT_i64)),
                        "dft_length does not fit the declared shape of the output");
}

static nnc_status dft_along(struct dft d, nnc_value x, int axis, const nnc_type_rec *declared,
                            nnc_value *y)
{
    NNC_TRY(read_length(&d, x, axis, declared));
    return transform(&d, x, axis, y);
}

/* Only the run knows the axis: all those that fit the declared result, and a choice. */
static nnc_status dft_any_axis(struct dft d, nnc_value x, nnc_value axis, nnc_value *y)
{
    nnc_onnx_cx *cx = d.cx;
    nnc_type_rec declared, t = nnc_cx_ty(cx, x);
    nnc_value known = {0};
    *y = known;
    axis = cast_to(cx, nnc_cx_scalar(cx, axis), NNC_DT_i64);
    if (!nnc_cx_declared(cx, 0, &declared) || declared.rank != t.rank)
        return nnc_cx_error(cx, "axis is only known at run time and the output has no declared "
                                "shape; make it a constant");
    for (int a = 0; a < t.rank - 1; a++) {
        nnc_value one;
        bool fits = true;
        for (int i = 0; i < t.rank - 1; i++)
            fits &= i == a || declared.dim[i] == t.dim[i];
        if (!fits || (nnc_cx_has(cx, 1) ? false : !d.onesided && declared.dim[a] != t.dim[a]))
            continue;
        NNC_TRY(dft_along(d, x, a, &declared, &one));
        if (nnc_cx_dim(cx, one, a) != declared.dim[a])
            continue;
        nnc_value here = either(cx, is_equal_num(cx, axis, a), is_equal_num(cx, axis, a - t.rank));
        *y = y->id ? choose(cx, here, one, *y) : one;
        known = known.id ? either(cx, known, here) : here;
    }
    if (!y->id)
        return nnc_cx_error(cx, "no axis of %s gives the declared shape of the output",
                            nnc_cx_type_text(cx, x));
    return nnc_cx_check(cx, known, "axis does not fit the declared shape of the output");
}

/* arg: 1 when the axis is an input */
nnc_status nnc_row_dft(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_widen(cx, nnc_cx_in(cx, 0)), y;
    nnc_type_rec t = nnc_cx_ty(cx, x);
    struct dft d = {.cx = cx,
                    .dt = (nnc_dtype)t.dtype,
                    .inverse = nnc_onnx_node_int(cx->node, "inverse", 0) != 0};
    int64_t at = cx->arg ? -2 : nnc_onnx_node_int(cx->node, "axis", 1);
    int axis;
    d.onesided = nnc_onnx_node_int(cx->node, "onesided", 0) != 0;
    if (t.rank < 2 || (t.dim[t.rank - 1] != 1 && t.dim[t.rank - 1] != 2))
        return nnc_cx_error(cx, "input is %s, expected a last dimension of 1 (real) or 2 (complex)",
                            nnc_cx_type_text(cx, x));
    d.cin = (int)t.dim[t.rank - 1];
    d.cout = to_real(&d) ? 1 : 2;
    if (cx->arg && nnc_cx_has(cx, 2) && !nnc_cx_int(cx, nnc_cx_in(cx, 2), &at)) {
        NNC_TRY(dft_any_axis(d, x, nnc_cx_in(cx, 2), &y));
    } else {
        nnc_type_rec declared;
        bool is_declared = nnc_cx_declared(cx, 0, &declared) && declared.rank == t.rank;
        NNC_TRY(nnc_cx_axis(cx, at, t.rank, "axis", &axis));
        if (axis == t.rank - 1)
            return nnc_cx_error(cx, "axis %d is the last one, which holds real and imaginary parts",
                                axis);
        NNC_TRY(dft_along(d, x, axis, is_declared ? &declared : NULL, &y));
    }
    nnc_cx_set(cx, 0, cast_to(cx, y, nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    return NNC_OK;
}

/* ---- STFT ---- */

struct frames {
    struct dft d;
    nnc_dim samples, n, count; /* of the signal, of a frame, frames */
    int64_t step;              /* -1: at run time */
    nnc_value step_at_run;
};

/* Frame length: of the window, of the operand, or what the declared result has room for. */
static nnc_status read_frame(struct frames *f, const nnc_type_rec *declared)
{
    nnc_onnx_cx *cx = f->d.cx;
    int64_t given = -1;
    nnc_value v = {0};
    if (nnc_cx_has(cx, 3))
        NNC_TRY(scalar_operand(cx, 3, "frame_length", &given, &v));
    if (nnc_cx_has(cx, 2)) {
        NNC_TRY(nnc_cx_rank_is(cx, nnc_cx_in(cx, 2), 1, "window"));
        f->n = nnc_cx_dim(cx, nnc_cx_in(cx, 2), 0);
        if (v.id)
            NNC_TRY(nnc_cx_check(cx, is_equal(cx, v, nnc_cx_extent(cx, f->n, NNC_DT_i64)),
                                 "frame_length differs from the length of the window"));
    } else {
        f->n = !v.id ? f->samples : given;
    }
    f->d.length = nnc_dim_is_const(f->n) ? f->n : -1;
    if (f->n < 0 && v.id && given < 0) {
        if (!declared)
            return nnc_cx_error(cx, "frame_length is only known at run time and the output has no "
                                    "declared shape; make it a constant");
        f->d.out = declared->dim[2];
        f->n =
            f->d.onesided ? nnc_dim_sub(cx->dims, nnc_dim_mul(cx->dims, f->d.out, 2), 1) : f->d.out;
        f->d.at_run = v;
        nnc_value bins = f->d.onesided ? add_of_num(cx, div_of_num(cx, v, 2), 1) : v;
        return nnc_cx_check(cx, is_equal(cx, bins, nnc_cx_extent(cx, f->d.out, NNC_DT_i64)),
                            "frame_length does not fit the declared shape of the output");
    }
    f->d.at_run = nnc_cx_extent(cx, f->n, NNC_DT_i64);
    f->d.out = f->d.onesided ? nnc_dim_add(cx->dims, nnc_dim_floordiv(cx->dims, f->n, 2), 1) : f->n;
    return NNC_OK;
}

static nnc_status count_frames(struct frames *f, const nnc_type_rec *declared)
{
    nnc_onnx_cx *cx = f->d.cx;
    NNC_TRY(scalar_operand(cx, 1, "frame_step", &f->step, &f->step_at_run));
    bool known = f->step > 0 && (nnc_dim_is_const(f->n) ? f->d.length >= 0 : true);
    if (known) {
        nnc_dim room = nnc_dim_sub(cx->dims, f->samples, f->n);
        if (nnc_dim_hi(cx->dims, room) < 0)
            return nnc_cx_error(cx, "a frame of %s samples is longer than the signal, which has %s",
                                nnc_cx_dim_text(cx, f->n), nnc_cx_dim_text(cx, f->samples));
        f->count = nnc_dim_add(cx->dims, nnc_dim_floordiv(cx->dims, room, f->step), 1);
        return NNC_OK;
    }
    if (!declared)
        return nnc_cx_error(cx, "frame_step or frame_length is only known at run time and the "
                                "output has no declared shape; make them constants");
    f->count = declared->dim[1];
    nnc_value room = sub_of(cx, nnc_cx_extent(cx, f->samples, NNC_DT_i64), f->d.at_run);
    nnc_value made = add_of_num(cx, div_of(cx, room, f->step_at_run), 1);
    return nnc_cx_check(cx, is_equal(cx, made, nnc_cx_extent(cx, f->count, NNC_DT_i64)),
                        "the number of frames differs from the declared shape of the output");
}

nnc_status nnc_row_stft(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_widen(cx, nnc_cx_in(cx, 0)), y;
    struct frames f = {.d = {.cx = cx,
                             .dt = nnc_cx_dtype(cx, x),
                             .onesided = nnc_onnx_node_int(cx->node, "onesided", 1) != 0,
                             .cout = 2}};
    nnc_type_rec declared, t;
    bool is_declared = nnc_cx_declared(cx, 0, &declared) && declared.rank == 4;
    if (nnc_cx_rank(cx, x) == 2)
        x = nnc_cx_expand_dim(cx, x, 2);
    t = nnc_cx_ty(cx, x);
    if (t.rank != 3 || (t.dim[2] != 1 && t.dim[2] != 2))
        return nnc_cx_error(
            cx,
            "signal is %s, expected [batch, samples, 1] (real) or [batch, samples, 2] (complex)",
            nnc_cx_type_text(cx, x));
    f.d.cin = (int)t.dim[2];
    f.samples = t.dim[1];
    NNC_TRY(read_frame(&f, is_declared ? &declared : NULL));
    NNC_TRY(count_frames(&f, is_declared ? &declared : NULL));
    nnc_dim at[2] = {f.count, f.n};
    nnc_value first = mul_of(cx, nnc_g_iota(&cx->b, NNC_DT_i64, 2, at, 0), f.step_at_run);
    nnc_value index = add_of(cx, first, nnc_g_iota(&cx->b, NNC_DT_i64, 2, at, 1));
    x = nnc_g_gather(&cx->b, x, index, 1, 0); /* [batch, frames, n, parts] */
    if (nnc_cx_has(cx, 2)) {
        nnc_dim col[2] = {f.n, 1};
        x = mul_of(cx, x, nnc_cx_reshape(cx, cast_to(cx, nnc_cx_in(cx, 2), f.d.dt), 2, col));
    }
    NNC_TRY(transform(&f.d, x, 2, &y));
    nnc_cx_set(cx, 0, cast_to(cx, y, nnc_cx_dtype(cx, nnc_cx_in(cx, 0))));
    return NNC_OK;
}

/* ---- windows ---- */

/* A number of entries given by the scalar input i; when only the run knows it, dimension `axis` of
 * the declared result. */
static nnc_status entries(nnc_onnx_cx *cx, uint32_t i, const char *what, int axis, nnc_dim *n)
{
    int64_t known;
    uint32_t count;
    const nnc_dim *dim;
    nnc_value v;
    nnc_type_rec t;
    NNC_TRY(scalar_operand(cx, i, what, &known, &v));
    if (nnc_cx_dims(cx, v, &count, &dim)) {
        *n = dim[0];
        return NNC_OK;
    }
    if (!nnc_cx_declared(cx, 0, &t) || t.rank <= axis)
        return nnc_cx_error(
            cx,
            "%s is only known at run time and the output has no declared shape; make it a constant",
            what);
    *n = t.dim[axis];
    return nnc_cx_check(
        cx, is_equal(cx, v, nnc_cx_extent(cx, *n, NNC_DT_i64)),
        nnc_arena_printf(cx->a, "%s differs from the declared shape of the output", what));
}

/* arg: 0 Hann, 1 Hamming, 2 Blackman */
nnc_status nnc_row_signal_window(nnc_onnx_cx *cx)
{
    nnc_dim n;
    nnc_dtype to = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "output_datatype", 1));
    if (!to)
        return NNC_ERR;
    NNC_TRY(entries(cx, 0, "size", 0, &n));
    nnc_dtype dt = nnc_dim_is_const(n) ? NNC_DT_f64 : NNC_DT_f32; /* a table, or work for the run */
    nnc_dim period = nnc_onnx_node_int(cx->node, "periodic", 1) ? n : nnc_dim_sub(cx->dims, n, 1);
    nnc_value i = nnc_g_iota(&cx->b, dt, 1, &n, 0),
              turn = div_of(cx, mul_of_num(cx, i, 2 * PI), nnc_cx_extent(cx, period, dt));
    nnc_value c = nnc_cx_op1(cx, NNC_OP_cos, turn), y;
    if (cx->arg == 2) {
        nnc_value twice = nnc_cx_op1(cx, NNC_OP_cos, mul_of_num(cx, turn, 2));
        y = add_of_num(cx, add_of(cx, mul_of_num(cx, c, -0.5), mul_of_num(cx, twice, 0.08)), 0.42);
    } else {
        double a = cx->arg ? 25.0 / 46 : 0.5;
        y = add_of_num(cx, mul_of_num(cx, c, a - 1), a);
    }
    nnc_cx_set(cx, 0, cast_to(cx, y, to));
    return NNC_OK;
}

/* ---- mel weights ---- */

static nnc_status mel_number(nnc_onnx_cx *cx, uint32_t i, const char *what, nnc_value *v)
{
    nnc_type_rec t = nnc_cx_ty(cx, nnc_cx_in(cx, i));
    if (t.rank > 1 || (t.rank == 1 && t.dim[0] != 1))
        return nnc_cx_error(cx, "%s is %s, expected a scalar", what,
                            nnc_cx_type_text(cx, nnc_cx_in(cx, i)));
    *v = cast_to(cx, nnc_cx_scalar(cx, nnc_cx_in(cx, i)), NNC_DT_f64);
    return NNC_OK;
}

static nnc_value hertz_to_mel(nnc_onnx_cx *cx, nnc_value hz)
{
    return mul_of_num(cx, nnc_cx_op1(cx, NNC_OP_log1p, div_of_num(cx, hz, 700)), 2595 / log(10));
}

/* Triangles over spectrogram bins: rising from corner i to i + 1, falling to i + 2. */
static nnc_value triangles(nnc_onnx_cx *cx, nnc_value corner, nnc_dim rows, nnc_dim cols)
{
    nnc_dim col[2] = {rows, 1};
    nnc_value j = nnc_g_iota(&cx->b, NNC_DT_f64, 2, col, 0), one = nnc_cx_num(cx, NNC_DT_f64, 1),
              zero = nnc_cx_num(cx, NNC_DT_f64, 0);
    nnc_value lo = nnc_g_slice_axis(&cx->b, corner, 0, 0, 1, cols),
              mid = nnc_g_slice_axis(&cx->b, corner, 0, 1, 1, cols);
    nnc_value hi = nnc_g_slice_axis(&cx->b, corner, 0, 2, 1, cols), rise = sub_of(cx, mid, lo),
              fall = sub_of(cx, hi, mid);
    nnc_value up = div_of(cx, sub_of(cx, j, lo), max_of(cx, rise, one)),
              down = div_of(cx, sub_of(cx, hi, j), max_of(cx, fall, one));
    nnc_value rising = both(cx, is_at_most(cx, lo, j), is_at_most(cx, j, mid)),
              falling = both(cx, is_at_most(cx, mid, j), is_less(cx, j, hi));
    nnc_value at_mid = choose(cx, is_equal(cx, j, mid), one, zero);
    nnc_value y = choose(cx, is_equal_num(cx, rise, 0), at_mid, choose(cx, rising, up, zero));
    return choose(cx, falling, down, y);
}

nnc_status nnc_row_mel_weights(nnc_onnx_cx *cx)
{
    nnc_dim bins, corners, rows;
    nnc_value length, rate, low, high;
    int64_t known;
    nnc_dtype to = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "output_datatype", 1));
    nnc_type_rec t;
    if (!to)
        return NNC_ERR;
    NNC_TRY(entries(cx, 0, "num_mel_bins", 1, &bins));
    NNC_TRY(mel_number(cx, 1, "dft_length", &length));
    NNC_TRY(mel_number(cx, 2, "sample_rate", &rate));
    NNC_TRY(mel_number(cx, 3, "lower_edge_hertz", &low));
    NNC_TRY(mel_number(cx, 4, "upper_edge_hertz", &high));
    if (nnc_cx_int(cx, nnc_cx_in(cx, 1), &known)) {
        if (known < 1 || known > INT32_MAX)
            return nnc_cx_error(cx, "dft_length is %lld, expected a positive number",
                                (long long)known);
        rows = known / 2 + 1;
    } else if (nnc_cx_declared(cx, 0, &t) && t.rank == 2) {
        rows = t.dim[0];
        nnc_value made = add_of_num(cx, floor_of(cx, mul_of_num(cx, length, 0.5)), 1);
        NNC_TRY(nnc_cx_check(cx, is_equal(cx, made, nnc_cx_extent(cx, rows, NNC_DT_f64)),
                             "dft_length does not fit the declared shape of the output"));
    } else {
        return nnc_cx_error(cx, "dft_length is only known at run time and the output has no "
                                "declared shape; make it a constant");
    }
    corners = nnc_dim_add(cx->dims, bins, 2);
    low = hertz_to_mel(cx, low);
    nnc_value step =
        div_of(cx, sub_of(cx, hertz_to_mel(cx, high), low), nnc_cx_extent(cx, corners, NNC_DT_f64));
    nnc_value mel =
        add_of(cx, mul_of(cx, nnc_g_iota(&cx->b, NNC_DT_f64, 1, &corners, 0), step), low);
    nnc_value hz =
        mul_of_num(cx, nnc_cx_op1(cx, NNC_OP_expm1, mul_of_num(cx, mel, log(10) / 2595)), 700);
    hz = floor_of(cx, div_of(cx, mul_of(cx, hz, add_of_num(cx, length, 1)), rate));
    nnc_cx_set(cx, 0, cast_to(cx, triangles(cx, hz, rows, bins), to));
    return NNC_OK;
}
