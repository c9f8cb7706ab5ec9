/* Elementwise G ops: dimensions that all operands walk alike are merged, then the innermost one is a plain loop.
 *
 * f32 and f64 arithmetic have loops of their own: networks and what programs compute ahead of time live there; all else goes
 * through the scalar functions of eval.c one element at a time. */
#include "ir/interp_priv.h"
#include <math.h>
#include <string.h>

/* Strides of operand t under result shape `out`: 0 where t is broadcast. */
static nnc_status broadcast_strides(nnc_interp *x, nnc_op op, const nnc_tensor *t,
                                    const nnc_tensor *out, int64_t *stride)
{
    int64_t own[NNC_MAX_RANK];
    int shift = out->rank - t->rank;

    nnc_tensor_strides(t, own);
    for (int d = 0; d < out->rank; d++) {
        int64_t size = d < shift ? 1 : t->dim[d - shift];
        if (size != 1 && size != out->dim[d])
            return nnc_error(
                x->m->diag, nnc_op_loc(x->m, op),
                "operand of '%s' has size %lld where the result has %lld (dimension %d)",
                nnc_op_infos[nnc_op_code(x->m, op)].name, (long long)size, (long long)out->dim[d],
                d);
        stride[d] = size == 1 ? 0 : own[d - shift];
    }
    return NNC_OK;
}

/* Merge neighbouring dimensions that every operand walks as one; the result is dense. */
static void merge_dims(nnc_walk *w)
{
    int r = 0;

    for (int d = 0; d < w->rank; d++) {
        int64_t size = w->dim[d]; /* the slot may be that of r */
        bool merge = r > 0;
        if (size == 1)
            continue;
        for (int k = 0; k < w->n && merge; k++)
            merge = w->stride[k][r - 1] == w->stride[k][d] * size;
        if (!merge) {
            w->dim[r] = 1;
            r++;
        }
        w->dim[r - 1] *= size;
        for (int k = 0; k < w->n; k++)
            w->stride[k][r - 1] = w->stride[k][d];
    }
    w->rank = r;
}

/* Walk over all but the innermost dimension; *n and inner[] describe that one. */
static nnc_status begin_walk(nnc_interp *x, nnc_op op, unsigned nin, const nnc_tensor *in,
                             const nnc_tensor *out, nnc_walk *w, int64_t *n, int64_t *inner)
{
    *w = (nnc_walk){.rank = out->rank, .n = (int)nin};
    memcpy(w->dim, out->dim, sizeof w->dim);
    for (unsigned k = 0; k < nin; k++)
        NNC_TRY(broadcast_strides(x, op, &in[k], out, w->stride[k]));
    merge_dims(w);
    *n = w->rank ? w->dim[w->rank - 1] : 1;
    for (unsigned k = 0; k < nin; k++)
        inner[k] = w->rank ? w->stride[k][w->rank - 1] : 0;
    if (w->rank)
        w->rank--;
    return NNC_OK;
}

/* A nan wins, the first one if both are; which of two zeros is all the same. */
#define MAX_OF(p, q) (isnan(p) ? (p) : isnan(q) || !((q) < (p)) ? (q) : (p))
#define MIN_OF(p, q) (isnan(p) ? (p) : isnan(q) || !((p) < (q)) ? (q) : (p))

typedef void (*row_fn)(int64_t n, void *o, const void *a, int64_t sa, const void *b, int64_t sb);
#define ROW2(name, real, expr)                                                                    \
    static void row_##name##_##real(int64_t n, void *o, const void *a, int64_t sa, const void *b, \
                                    int64_t sb)                                                   \
    {                                                                                             \
        for (int64_t i = 0; i < n; i++) {                                                         \
            real p = ((const real *)a)[i * sa], q = ((const real *)b)[i * sb];                    \
            ((real *)o)[i] = (expr);                                                              \
        }                                                                                         \
    }
#define ROWS(real)                \
    ROW2(add, real, p + q)        \
    ROW2(sub, real, p - q)        \
    ROW2(mul, real, p *q)         \
    ROW2(div, real, p / q)        \
    ROW2(max, real, MAX_OF(p, q)) \
    ROW2(min, real, MIN_OF(p, q))
ROWS(float)
ROWS(double)

static row_fn fast_row(nnc_opcode code, nnc_dtype dt)
{
    bool wide = dt == NNC_DT_f64;

    if (!wide && dt != NNC_DT_f32)
        return NULL;
    switch (code) {
    case NNC_OP_add: return wide ? row_add_double : row_add_float;
    case NNC_OP_sub: return wide ? row_sub_double : row_sub_float;
    case NNC_OP_mul: return wide ? row_mul_double : row_mul_float;
    case NNC_OP_div: return wide ? row_div_double : row_div_float;
    case NNC_OP_max: return wide ? row_max_double : row_max_float;
    case NNC_OP_min: return wide ? row_min_double : row_min_float;
    default: return NULL;
    }
}

INTERP(elementwise)
{
    nnc_opcode code = nnc_op_code(x->m, op);
    unsigned nin = nnc_op_nin(x->m, op);
    nnc_dtype dt = in[0].dtype, to = out->dtype;
    bool flag = nnc_attr_int(x->m, op, code == NNC_OP_gelu ? NNC_W_approx : NNC_W_fmod, 0) != 0;
    row_fn fast = fast_row(code, dt);
    int64_t n, s[4], done = 0, total = nnc_tensor_count(out);
    nnc_walk w;

    NNC_TRY(begin_walk(x, op, nin, in, out, &w, &n, s));
    for (; done < total; done += n, nnc_walk_next(&w)) {
        if (fast) {
            fast(n, nnc_cell(out, done), nnc_cell(&in[0], w.off[0]), s[0],
                 nnc_cell(&in[1], w.off[1]), s[1]);
            continue;
        }
        for (int64_t i = 0; i < n; i++) {
            nnc_num arg[2];
            for (unsigned k = 0; k < nin; k++)
                arg[k] = nnc_num_load(dt, nnc_cell(&in[k], w.off[k] + i * s[k]));
            nnc_num_store(to, nnc_cell(out, done + i), nnc_eval_scalar(code, dt, arg, flag));
        }
    }
    return NNC_OK;
}

INTERP(select)
{
    int64_t n, s[4], done = 0, total = nnc_tensor_count(out);
    size_t size = nnc_dtype_bytes(out->dtype);
    nnc_walk w;

    NNC_TRY(begin_walk(x, op, 3, in, out, &w, &n, s));
    for (; done < total; done += n, nnc_walk_next(&w))
        for (int64_t i = 0; i < n; i++) {
            int k = *(const uint8_t *)nnc_cell(&in[0], w.off[0] + i * s[0]) ? 1 : 2;
            memcpy(nnc_cell(out, done + i), nnc_cell(&in[k], w.off[k] + i * s[k]), size);
        }
    return NNC_OK;
}

INTERP(cast)
{
    bool saturate = nnc_attr_int(x->m, op, NNC_W_saturate, 1) != 0;
    nnc_word mode = nnc_attr_word(x->m, op, NNC_W_mode, NNC_W_up);
    nnc_dtype from = in->dtype, to = out->dtype;
    int64_t n = nnc_tensor_count(out);

    for (int64_t i = 0; i < n; i++) {
        nnc_num v = nnc_eval_cast(nnc_num_load(from, nnc_cell(in, i)), from, to, saturate, mode);
        nnc_num_store(to, nnc_cell(out, i), v);
    }
    return NNC_OK;
}

INTERP(bitcast)
{
    nnc_dtype to = (nnc_dtype)nnc_value_ty(x->m, nnc_op_out(x->m, op, 0))->dtype;

    if (nnc_dtype_bytes(to) != nnc_dtype_bytes(in->dtype))
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "bitcast between different widths: %s and %s",
                         nnc_dtype_infos[in->dtype].name, nnc_dtype_infos[to].name);
    *out = *in;
    out->dtype = to;
    if (nnc_dtype_infos[to].bits < 8 &&
        nnc_dtype_infos[in->dtype].bits < 8) { /* i4 <-> u4: one is stored sign-extended */
        *out = nnc_tensor_new(x->a, to, in->rank, in->dim);
        for (int64_t i = 0, n = nnc_tensor_count(in); i < n; i++)
            nnc_num_store(to, nnc_cell(out, i),
                          nnc_num_of_bits(to, *(const uint8_t *)nnc_cell(in, i)));
    }
    return NNC_OK;
}

/* Where the scale of element (pos) of a shape lies: scalar, one per index of [axis], or blocks along [axis]. */
static int64_t scale_index(const nnc_tensor *scale, const int64_t *pos, int axis, int64_t block)
{
    int64_t i = 0;

    if (scale->rank == 0 || (scale->rank == 1 && scale->dim[0] == 1))
        return 0;
    if (scale->rank == 1 && block == 0)
        return nnc_clamp64(pos[axis], 0, scale->dim[0] - 1);
    for (int d = 0; d < scale->rank; d++) {
        int64_t p = d == axis && block > 0 ? pos[d] / block : pos[d];
        i = i * scale->dim[d] + nnc_clamp64(p, 0, scale->dim[d] - 1);
    }
    return i;
}

static nnc_walk plain_walk(const nnc_tensor *t)
{
    nnc_walk w = {.rank = t->rank};

    memcpy(w.dim, t->dim, sizeof w.dim);
    return w;
}

/* Where the division of quantize is done: in the dtype of the scale, or in that of x when wider; never below f16. */
static nnc_dtype division_dtype(nnc_dtype x, nnc_dtype scale)
{
    nnc_dtype dt = nnc_dtype_infos[scale].bits < 16 ? NNC_DT_f32 : scale;

    return nnc_dtype_is_float(x) && nnc_dtype_infos[x].bits > nnc_dtype_infos[dt].bits ? x : dt;
}

/* Integer zero points are added after rounding, as integers; nan becomes the zero point.  The zero of 8-bit floats is 0 by
 * definition, f4e2m1 adds it. */
static nnc_num quantize_one(nnc_num q, nnc_num z, nnc_dtype div, nnc_dtype to, bool saturate)
{
    nnc_num sum = {0, 0};

    if (nnc_dtype_is_float(to)) {
        q.f = nnc_dtype_infos[to].bits < 8 ? q.f + z.f : q.f;
        return nnc_eval_cast(q, div, to, saturate, NNC_W_up);
    }
    sum.f = (isnan(q.f) ? 0 : nearbyint(q.f)) + (double)z.i;
    return nnc_eval_cast(sum, NNC_DT_f64, to, true, NNC_W_up);
}

static nnc_num scale_at(const nnc_tensor *t, const int64_t *pos, int axis, int64_t block)
{
    return nnc_num_load(t->dtype, nnc_cell(t, scale_index(t, pos, axis, block)));
}

INTERP(quantize)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    int64_t block = nnc_attr_int(x->m, op, NNC_W_block, 0), n = nnc_tensor_count(out);
    bool saturate = nnc_attr_int(x->m, op, NNC_W_saturate, 1) != 0;
    nnc_dtype div = division_dtype(in[0].dtype, in[1].dtype);
    nnc_walk w = plain_walk(out);

    for (int64_t i = 0; i < n; i++, nnc_walk_next(&w)) {
        nnc_num arg[2] = {nnc_num_load(in[0].dtype, nnc_cell(&in[0], i)),
                          scale_at(&in[1], w.pos, axis, block)},
                q;
        arg[0] = nnc_eval_cast(arg[0], in[0].dtype, div, true, NNC_W_up);
        arg[1] = nnc_eval_cast(arg[1], in[1].dtype, div, true, NNC_W_up);
        q = nnc_eval_scalar(NNC_OP_div, div, arg, false);
        nnc_num_store(
            out->dtype, nnc_cell(out, i),
            quantize_one(q, scale_at(&in[2], w.pos, axis, block), div, out->dtype, saturate));
    }
    return NNC_OK;
}

/* The product is made in f32 at least and rounded to the dtype of the scale. */
INTERP(dequantize)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    int64_t block = nnc_attr_int(x->m, op, NNC_W_block, 0), n = nnc_tensor_count(out);
    nnc_dtype st = in[1].dtype, wide = st == NNC_DT_f64 ? st : NNC_DT_f32;
    bool flt = nnc_dtype_is_float(in[0].dtype);
    nnc_walk w = plain_walk(out);

    for (int64_t i = 0; i < n; i++, nnc_walk_next(&w)) {
        nnc_num q = nnc_num_load(in[0].dtype, nnc_cell(&in[0], i)),
                z = scale_at(&in[2], w.pos, axis, block), arg[2];
        arg[0] = flt ? nnc_eval_cast(q, in[0].dtype, wide, true, NNC_W_up)
                     : nnc_eval_cast((nnc_num){0, q.i - z.i}, NNC_DT_i64, wide, true, NNC_W_up);
        arg[1] = nnc_eval_cast(scale_at(&in[1], w.pos, axis, block), st, wide, true, NNC_W_up);
        nnc_num_store(out->dtype, nnc_cell(out, i),
                      nnc_eval_cast(nnc_eval_scalar(NNC_OP_mul, wide, arg, false), wide, out->dtype,
                                    true, NNC_W_up));
    }
    return NNC_OK;
}
