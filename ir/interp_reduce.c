/* Reductions, cumulation, windows, softmax and layer norm.
 *
 * Floats accumulate in double and are rounded once at the end: the interpreter is a reference, so its own error must not
 * count.  Integers wrap in 64 bits and are cut to the dtype. */
#include "ir/eval.h"
#include "ir/interp_priv.h"
#include <math.h>
#include <string.h>

void nnc_load_f64(nnc_dtype dt, const void *p, int64_t i, int64_t stride, int64_t n, double *out)
{
    if (dt == NNC_DT_f32) {
        const float *f = (const float *)p + i;
        for (int64_t k = 0; k < n; k++)
            out[k] = (double)f[k * stride];
        return;
    }
    for (int64_t k = 0; k < n; k++) {
        nnc_num v =
            nnc_num_load(dt, (const char *)p + (size_t)(i + k * stride) * nnc_dtype_bytes(dt));
        out[k] = nnc_dtype_is_float(dt) ? v.f : (double)v.i;
    }
}

void nnc_load_i64(nnc_dtype dt, const void *p, int64_t i, int64_t stride, int64_t n, int64_t *out)
{
    for (int64_t k = 0; k < n; k++)
        out[k] =
            nnc_num_load(dt, (const char *)p + (size_t)(i + k * stride) * nnc_dtype_bytes(dt)).i;
}

/* ---- accumulators ---- */
typedef struct acc {
    nnc_word kind;
    nnc_dtype dt;
    nnc_num v;
} acc;

static acc acc_new(nnc_word kind, nnc_dtype dt)
{
    acc s = {kind, dt, {0, 0}};
    bool flt = nnc_dtype_is_float(dt), sign = nnc_dtype_infos[dt].class == NNC_DC_SINT;
    int bits = nnc_dtype_infos[dt].bits;

    switch (kind) {
    case NNC_W_prod:
    case NNC_W_mul: s.v = (nnc_num){1, 1}; break;
    case NNC_W_and: s.v.i = -1; break;
    case NNC_W_max:
        s.v.f = -INFINITY;
        s.v.i = !flt && sign ? (int64_t)(~UINT64_C(0) << (bits - 1)) : 0;
        break;
    case NNC_W_min:
        s.v.f = INFINITY;
        s.v.i = (int64_t)((sign         ? UINT64_C(1) << (bits - 1)
                           : bits == 64 ? 0
                                        : UINT64_C(1) << bits) -
                          1);
        break;
    default: break;
    }
    return s;
}

static void acc_float(acc *s, double v)
{
    switch (s->kind) {
    case NNC_W_prod:
    case NNC_W_mul: s->v.f *= v; break;
    case NNC_W_max: s->v.f = isnan(s->v.f) || v <= s->v.f ? s->v.f : v; break;
    case NNC_W_min: s->v.f = isnan(s->v.f) || v >= s->v.f ? s->v.f : v; break;
    default: s->v.f += v; break;
    }
}

static void acc_int(acc *s, int64_t v)
{
    bool uns = nnc_dtype_infos[s->dt].class == NNC_DC_UINT;
    bool less = uns ? (uint64_t)v < (uint64_t)s->v.i : v < s->v.i, more = v != s->v.i && !less;

    switch (s->kind) {
    case NNC_W_prod:
    case NNC_W_mul: s->v.i = (int64_t)((uint64_t)s->v.i * (uint64_t)v); break;
    case NNC_W_max: s->v.i = more ? v : s->v.i; break;
    case NNC_W_min: s->v.i = less ? v : s->v.i; break;
    case NNC_W_and: s->v.i &= v; break;
    case NNC_W_or: s->v.i |= v; break;
    default: s->v.i = (int64_t)((uint64_t)s->v.i + (uint64_t)v); break;
    }
}

/* n elements from element i on, `stride` apart. */
static void acc_run(acc *s, const nnc_tensor *t, int64_t i, int64_t stride, int64_t n)
{
    union {
        double f[256];
        int64_t i[256];
    } run;

    for (int64_t k = 0; k < n; k += 256) {
        int64_t part = n - k < 256 ? n - k : 256;
        if (nnc_dtype_is_float(t->dtype)) {
            nnc_load_f64(t->dtype, t->data, i + k * stride, stride, part, run.f);
            for (int64_t j = 0; j < part; j++)
                acc_float(s, run.f[j]);
        } else {
            nnc_load_i64(t->dtype, t->data, i + k * stride, stride, part, run.i);
            for (int64_t j = 0; j < part; j++)
                acc_int(s, run.i[j]);
        }
    }
}

static void acc_store(const acc *s, const nnc_tensor *out, int64_t i)
{
    nnc_num_store(out->dtype, nnc_cell(out, i), s->v);
}

/* Split the dimensions of t into kept ones (outer walk) and reduced ones (inner walk). */
static void split_walks(const nnc_tensor *t, const bool *reduced, nnc_walk *outer, nnc_walk *inner)
{
    int64_t stride[NNC_MAX_RANK];

    *outer = *inner = (nnc_walk){.n = 1};
    nnc_tensor_strides(t, stride);
    for (int d = 0; d < t->rank; d++) {
        nnc_walk *w = reduced[d] ? inner : outer;
        w->dim[w->rank] = t->dim[d];
        w->stride[0][w->rank++] = stride[d];
    }
}

INTERP(reduce)
{
    nnc_word kind = nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_sum);
    bool reduced[NNC_MAX_RANK] = {false};
    unsigned naxes;
    const int64_t *axes = nnc_attr_ints(x->m, op, NNC_W_axes, &naxes);
    nnc_walk outer, inner;
    int64_t n = nnc_tensor_count(out), run, rows = 1, stride;

    for (unsigned k = 0; k < naxes; k++)
        reduced[axes[k]] = true;
    split_walks(in, reduced, &outer, &inner);
    run = inner.rank ? inner.dim[inner.rank - 1] : 1;
    stride = inner.rank ? inner.stride[0][inner.rank - 1] : 0;
    if (inner.rank)
        inner.rank--;
    for (int d = 0; d < inner.rank; d++)
        rows *= inner.dim[d];
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&outer)) {
        acc s = acc_new(kind, in->dtype);
        nnc_walk w = inner;
        for (int64_t r = 0; r < rows; r++, nnc_walk_next(&w))
            acc_run(&s, in, outer.off[0] + w.off[0], stride, run);
        acc_store(&s, out, i);
    }
    return NNC_OK;
}

/* Is candidate b better than the best so far a?  NaN beats every number. */
static bool beats(nnc_dtype dt, nnc_num b, nnc_num a, bool max, bool last)
{
    nnc_num v[2] = {max ? a : b, max ? b : a};

    if (nnc_dtype_is_float(dt) && (isnan(a.f) || isnan(b.f)))
        return isnan(b.f) && (!isnan(a.f) || last);
    if (nnc_eval_scalar(NNC_OP_lt, dt, v, false).i)
        return true;
    return last && nnc_eval_scalar(NNC_OP_eq, dt, v, false).i;
}

INTERP(argreduce)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    bool reduced[NNC_MAX_RANK] = {false},
         max = nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_max) == NNC_W_max;
    bool last = nnc_attr_int(x->m, op, NNC_W_last, 0) != 0;
    nnc_walk outer, inner;
    int64_t n = nnc_tensor_count(out);

    if (n > 0 && in->dim[axis] == 0)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "argreduce over an empty dimension");
    reduced[axis] = true;
    split_walks(in, reduced, &outer, &inner);
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&outer)) {
        int64_t best = 0;
        nnc_num top = nnc_num_load(in->dtype, nnc_cell(in, outer.off[0]));
        for (int64_t k = 1; k < in->dim[axis]; k++) {
            nnc_num v =
                nnc_num_load(in->dtype, nnc_cell(in, outer.off[0] + k * inner.stride[0][0]));
            if (beats(in->dtype, v, top, max, last)) {
                best = k;
                top = v;
            }
        }
        nnc_num_store(out->dtype, nnc_cell(out, i), (nnc_num){(double)best, best});
    }
    return NNC_OK;
}

INTERP(cumulate)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_word kind = nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_add);
    bool exclusive = nnc_attr_int(x->m, op, NNC_W_exclusive, 0) != 0,
         reverse = nnc_attr_int(x->m, op, NNC_W_reverse, 0) != 0;
    bool reduced[NNC_MAX_RANK] = {false};
    nnc_walk outer, inner;
    int64_t n = in->dim[axis], lines = n ? nnc_tensor_count(in) / n : 0;

    reduced[axis] = true;
    split_walks(in, reduced, &outer, &inner);
    for (int64_t i = 0; i < lines; i++, nnc_walk_next(&outer)) {
        acc s = acc_new(kind, in->dtype);
        for (int64_t k = 0; k < n; k++) {
            int64_t at = outer.off[0] + (reverse ? n - 1 - k : k) * inner.stride[0][0];
            if (exclusive)
                acc_store(&s, out, at);
            acc_run(&s, in, at, 0, 1);
            if (!exclusive)
                acc_store(&s, out, at);
        }
    }
    return NNC_OK;
}

/* ---- windows ---- */
typedef struct window {
    int rank;
    int64_t size[NNC_MAX_RANK], stride[NNC_MAX_RANK], dilation[NNC_MAX_RANK], lo[NNC_MAX_RANK];
} window;

static nnc_status read_window(nnc_interp *x, nnc_op op, int rank, window *w)
{
    static const nnc_word keys[] = {NNC_W_size, NNC_W_stride, NNC_W_dilation, NNC_W_lo};
    int64_t *const to[] = {w->size, w->stride, w->dilation, w->lo};

    w->rank = rank;
    for (int k = 0; k < 4; k++) {
        unsigned n;
        const int64_t *v = nnc_attr_ints(x->m, op, keys[k], &n);
        for (int d = 0; d < rank; d++)
            to[k][d] = (unsigned)d < n ? v[d] : keys[k] == NNC_W_lo ? 0 : 1;
    }
    for (int d = 0; d < rank; d++) {
        NNC_TRY(nnc_interp_dim(x, w->size[d], nnc_op_loc(x->m, op), &w->size[d]));
        NNC_TRY(nnc_interp_dim(x, w->lo[d], nnc_op_loc(x->m, op), &w->lo[d]));
    }
    return NNC_OK;
}

/* The part of window position pos[] that lies inside t: first element, count and step per dimension. */
static bool clip_window(const window *w, const nnc_tensor *t, const int64_t *pos, nnc_walk *part)
{
    int64_t stride[NNC_MAX_RANK];

    nnc_tensor_strides(t, stride);
    *part = (nnc_walk){.rank = w->rank, .n = 1};
    for (int d = 0; d < w->rank; d++) {
        int64_t first = pos[d] * w->stride[d] - w->lo[d], k0 = 0, k1 = w->size[d],
                dil = w->dilation[d];
        if (first < 0)
            k0 = (-first + dil - 1) / dil;
        while (k1 > k0 && first + (k1 - 1) * dil >= t->dim[d])
            k1--;
        if (k1 <= k0)
            return false;
        part->dim[d] = k1 - k0;
        part->stride[0][d] = dil * stride[d];
        part->off[0] += (first + k0 * dil) * stride[d];
    }
    return true;
}

INTERP(window_reduce)
{
    nnc_word kind = nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_sum);
    int64_t n = nnc_tensor_count(out);
    nnc_walk o = {.rank = out->rank}, part;
    window w;

    NNC_TRY(read_window(x, op, in->rank, &w));
    memcpy(o.dim, out->dim, sizeof o.dim);
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&o)) {
        acc s = acc_new(kind, in->dtype);
        if (clip_window(&w, in, o.pos, &part))
            do
                acc_run(&s, in, part.off[0], 0, 1);
            while (nnc_walk_next(&part));
        acc_store(&s, out, i);
    }
    return NNC_OK;
}

INTERP(window_argmax)
{
    int64_t n = nnc_tensor_count(out);
    nnc_walk o = {.rank = out->rank}, part;
    window w;

    NNC_TRY(read_window(x, op, in->rank, &w));
    memcpy(o.dim, out->dim, sizeof o.dim);
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&o)) {
        int64_t best = 0;
        if (clip_window(&w, in, o.pos, &part)) {
            nnc_num top = nnc_num_load(in->dtype, nnc_cell(in, best = part.off[0]));
            while (nnc_walk_next(&part)) {
                nnc_num v = nnc_num_load(in->dtype, nnc_cell(in, part.off[0]));
                if (beats(in->dtype, v, top, true, false)) {
                    best = part.off[0];
                    top = v;
                }
            }
        }
        nnc_num_store(out->dtype, nnc_cell(out, i), (nnc_num){(double)best, best});
    }
    return NNC_OK;
}

/* ---- composites over lines ---- */
static void store_line(const nnc_tensor *out, int64_t at, int64_t stride, int64_t n,
                       const double *v)
{
    for (int64_t k = 0; k < n; k++)
        nnc_num_store(out->dtype, nnc_cell(out, at + k * stride), (nnc_num){v[k], 0});
}

/* To the dtype and back.  Half floats are rounded after every step, as the primitives of the definition do. */
static double rounded(nnc_dtype dt, double d)
{
    if (dt == NNC_DT_f16)
        return (double)nnc_f16_to_f32(nnc_f32_to_f16((float)d));
    return dt == NNC_DT_bf16 ? (double)nnc_bf16_to_f32(nnc_f32_to_bf16((float)d)) : d;
}

static void softmax_line(nnc_dtype dt, double *v, int64_t n, bool take_log)
{
    double top = -INFINITY, sum = 0;

    for (int64_t k = 0; k < n; k++)
        top = isnan(top) || v[k] <= top ? top : v[k];
    for (int64_t k = 0; k < n; k++) {
        v[k] = rounded(dt, v[k] - top);
        sum += rounded(dt, exp(v[k]));
    }
    sum = rounded(dt, sum);
    for (int64_t k = 0; k < n; k++)
        v[k] = take_log ? v[k] - rounded(dt, log(sum)) : rounded(dt, exp(v[k])) / sum;
}

INTERP(softmax)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    bool reduced[NNC_MAX_RANK] = {false}, take_log = nnc_op_code(x->m, op) == NNC_OP_log_softmax;
    int64_t n = in->dim[axis], lines = n ? nnc_tensor_count(in) / n : 0;
    double *v = nnc_arena_array(x->a, (size_t)n, sizeof *v);
    nnc_walk outer, inner;

    reduced[axis] = true;
    split_walks(in, reduced, &outer, &inner);
    for (int64_t i = 0; i < lines; i++, nnc_walk_next(&outer)) {
        nnc_load_f64(in->dtype, in->data, outer.off[0], inner.stride[0][0], n, v);
        softmax_line(in->dtype, v, n, take_log);
        store_line(out, outer.off[0], inner.stride[0][0], n, v);
    }
    return NNC_OK;
}

INTERP(layer_norm)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    double eps = nnc_attr_float(x->m, op, NNC_W_eps, 1e-5);
    int64_t n = 1, total = nnc_tensor_count(in);
    double *v;

    for (int d = axis; d < in->rank; d++)
        n *= in->dim[d];
    v = nnc_arena_array(x->a, (size_t)n, sizeof *v);
    for (int64_t at = 0; at < total; at += n) {
        double mean = 0, var = 0;
        nnc_load_f64(in->dtype, in->data, at, 1, n, v);
        for (int64_t k = 0; k < n; k++)
            mean += v[k];
        mean /= (double)n;
        for (int64_t k = 0; k < n; k++)
            var += (v[k] - mean) * (v[k] - mean);
        var = sqrt(var / (double)n + eps);
        for (int64_t k = 0; k < n; k++)
            v[k] = (v[k] - mean) / var;
        store_line(out, at, 1, n, v);
    }
    return NNC_OK;
}
