/* Integer contractions and their requantisation.
 *
 * With x = (qx - zx) sx and w = qw sw, both sides of
 *
 *     sum x w = sx sw (sum qx qw - zx sum qw)
 *
 * are equal but for rounding; the right one runs on bytes, and what the zero point costs is one number per output.
 * Signed activations become unsigned by flipping their top bit, which moves the zero point by 128.  Padding stands for
 * 0, so it is made with the zero point before the convolution.
 *
 * Behind the contraction the form is that of ONNX Runtime's QLinearConv and QLinearMatMul: a bias that is a whole number
 * of steps is added to the accumulator; the accumulator becomes f32 and is multiplied once, by sx * sw / sy in this order;
 * it is rounded half to even, the zero point is added as an integer, and the sum is clamped to what the result can hold (a
 * clip or relu in between only narrows that).  Without a `quantize` behind it the factor is sx * sw and the rest stays as it is. */
#include "passes/quant/quant.h"
#include "ir/eval.h"
#include <math.h>
#include <string.h>

static nnc_dtype dtype(const nnc_module *m, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(m, v)->dtype;
}

static bool is_byte(nnc_dtype dt)
{
    return dt == NNC_DT_u8 || dt == NNC_DT_i8;
}

static nnc_op maker(const nnc_module *m, nnc_value v, nnc_opcode code)
{
    nnc_op op = nnc_value_op(m, v);

    return op.id && nnc_op_code(m, op) == code ? op : (nnc_op){0};
}

/* v = cast of bytes to a wider integer. */
static bool widened(const nnc_module *m, nnc_value v, nnc_value *q)
{
    nnc_op op = maker(m, v, NNC_OP_cast);

    if (!op.id || !is_byte(dtype(m, nnc_op_in(m, op, 0))) || !nnc_dtype_is_int(dtype(m, v)))
        return false;
    *q = nnc_op_in(m, op, 0);
    return true;
}

static bool centred(nnc_module *m, nnc_value v, nnc_qvalue *out)
{
    nnc_op op = maker(m, v, NNC_OP_sub), add = maker(m, v, NNC_OP_add);
    double z;

    if (widened(m, v, &out->q))
        return true;
    if (op.id && widened(m, nnc_op_in(m, op, 0), &out->q) &&
        nnc_type_count(m, nnc_value_type(m, nnc_op_in(m, op, 1))) == 1) {
        out->zero = nnc_op_in(m, op, 1);
        return true;
    }
    if (add.id && widened(m, nnc_op_in(m, add, 0), &out->q) &&
        nnc_quant_number(m, nnc_op_in(m, add, 1), &z)) { /* x - c is kept as x + -c */
        out->zero = nnc_const_int(m, nnc_type_tensor(m, NNC_DT_i32, 0, NULL), (int64_t)-z);
        return true;
    }
    return false;
}

bool nnc_quant_value(const nnc_module *m, nnc_value v, nnc_qvalue *out)
{
    nnc_op op = maker(m, v, NNC_OP_dequantize);

    *out = (nnc_qvalue){0};
    if (!op.id)
        return centred((nnc_module *)(uintptr_t)m, v, out);
    *out = (nnc_qvalue){nnc_op_in(m, op, 0), nnc_op_in(m, op, 2), nnc_op_in(m, op, 1)};
    return is_byte(dtype(m, out->q)) && dtype(m, v) == NNC_DT_f32 &&
           !nnc_value_ty(m, out->zero)->rank && !nnc_value_ty(m, out->scale)->rank &&
           !nnc_attr_int(m, op, NNC_W_block, 0);
}

/* ---- the contraction ---- */

typedef struct island {
    nnc_pass_cx *cx;
    nnc_module *m;
    nnc_builder b;
    nnc_op op;
    nnc_qvalue x;
    nnc_qweights w;
    bool zero_known;
    int64_t zero;     /* of x as u8, when known */
    int64_t *bias;    /* i32 numbers added to the accumulator, one per output */
    unsigned channel; /* the result's dim of outputs */
    nnc_value acc;    /* the bare contraction */
} island;

static nnc_value scalar(nnc_builder *b, nnc_value v)
{
    return nnc_value_ty(b->m, v)->rank ? nnc_g_reshape(b, v, 0, NULL) : v;
}

/* One number per output, so that it broadcasts against the result; a scalar when all are equal. */
static nnc_value per_output(island *s, nnc_dtype dt, const void *data)
{
    size_t size = nnc_dtype_bytes(dt);
    unsigned rank = nnc_value_ty(s->m, nnc_op_out(s->m, s->op, 0))->rank;
    nnc_dim dim[NNC_MAX_RANK];
    bool same = true;

    for (int64_t i = 1; i < s->w.n; i++)
        same &= !memcmp((const char *)data + (size_t)i * size, data, size);
    if (same) {
        uint64_t bits = 0;
        memcpy(&bits, data, size);
        return nnc_const_bits(s->m, nnc_type_tensor(s->m, dt, 0, NULL), bits);
    }
    for (unsigned d = s->channel; d < rank; d++)
        dim[d - s->channel] = d == s->channel ? s->w.n : 1;
    return nnc_g_const_data(&s->b, dt, (int)(rank - s->channel), dim, data);
}

static nnc_value integers(island *s, const int64_t *v)
{
    int32_t *t = nnc_arena_array(s->cx->scratch, (size_t)s->w.n, sizeof *t);

    for (int64_t i = 0; i < s->w.n; i++)
        t[i] = (int32_t)v[i];
    return per_output(s, NNC_DT_i32, t);
}

/* The activations as u8, and their zero point. */
static nnc_value unsigned_input(island *s)
{
    nnc_module *m = s->m;
    nnc_type_rec t = *nnc_value_ty(m, s->x.q);
    double z = 0;

    s->zero_known = !s->x.zero.id || nnc_quant_number(m, s->x.zero, &z);
    s->zero = (int64_t)z + (t.dtype == NNC_DT_i8 ? 128 : 0);
    if (t.dtype == NNC_DT_u8)
        return s->x.q;
    nnc_value top = nnc_const_int(m, nnc_type_tensor(m, NNC_DT_i8, 0, NULL), -128);
    return nnc_g_bitcast(&s->b, nnc_g_binary(&s->b, NNC_OP_xor, s->x.q, top), NNC_DT_u8);
}

/* zx as i32, also when only the run knows it. */
static nnc_value zero_value(island *s)
{
    nnc_builder *b = &s->b;

    if (s->zero_known)
        return nnc_const_int(s->m, nnc_type_tensor(s->m, NNC_DT_i32, 0, NULL), s->zero);
    nnc_value z = nnc_g_cast(b, scalar(b, s->x.zero), NNC_DT_i32);
    if (dtype(s->m, s->x.q) == NNC_DT_i8)
        z = nnc_g_binary(b, NNC_OP_add, z, nnc_g_int(b, NNC_DT_i32, 128));
    return z;
}

/* Padding of a convolution by the zero point, unless that is 0. */
static nnc_value padded(island *s, nnc_value x, bool *by_hand)
{
    nnc_module *m = s->m;
    unsigned n, k, rank = nnc_value_ty(m, x)->rank;
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    bool any = false, nchw = nnc_attr_word(m, s->op, NNC_W_layout, NNC_W_nchw) == NNC_W_nchw;
    const int64_t *l = nnc_attr_ints(m, s->op, NNC_W_lo, &n),
                  *h = nnc_attr_ints(m, s->op, NNC_W_hi, &k);

    *by_hand = false;
    for (unsigned i = 0; i < n && i < k; i++) {
        lo[(nchw ? 2 : 1) + i] = l[i];
        hi[(nchw ? 2 : 1) + i] = h[i];
        any |= l[i] || h[i];
    }
    if (!any || (s->zero_known && s->zero == 0) || n + 2 != rank || k != n)
        return x;
    *by_hand = true;
    nnc_value fill = s->zero_known
                         ? nnc_const_int(m, nnc_type_tensor(m, NNC_DT_u8, 0, NULL), s->zero)
                         : nnc_g_cast(&s->b, zero_value(s), NNC_DT_u8);
    return nnc_g_pad(&s->b, x, fill, lo, hi, NNC_W_constant);
}

static nnc_value contraction(island *s)
{
    nnc_module *m = s->m;
    static const int64_t none[NNC_MAX_RANK] = {0};
    nnc_value in[2] = {unsigned_input(s), s->w.q};
    nnc_type_rec t = *nnc_value_ty(m, nnc_op_out(m, s->op, 0));
    bool by_hand = false;

    if (nnc_op_code(m, s->op) == NNC_OP_conv)
        in[0] = padded(s, in[0], &by_hand);
    nnc_type type = nnc_type_tensor(m, NNC_DT_i32, t.rank, t.dim);
    nnc_op made = nnc_build_op(&s->b, nnc_op_code(m, s->op), 2, in, 1, &type);
    nnc_attr_copy(m, made, s->op);
    if (by_hand) {
        nnc_attr_set_ints(m, made, NNC_W_lo, t.rank - 2u, none);
        nnc_attr_set_ints(m, made, NNC_W_hi, t.rank - 2u, none);
    }
    return nnc_op_out(m, made, 0);
}

/* The accumulator with bias and zero point. */
static nnc_value accumulated(island *s)
{
    nnc_builder *b = &s->b;
    int64_t *k = nnc_arena_array(s->cx->scratch, (size_t)s->w.n, sizeof *k);
    nnc_value acc = s->acc;
    bool any = false;

    for (int64_t i = 0; i < s->w.n; i++) {
        k[i] = s->bias[i] - (s->zero_known ? s->zero * s->w.sum[i] : 0);
        any |= k[i] != 0;
    }
    if (!s->zero_known)
        acc = nnc_g_binary(b, NNC_OP_sub, acc,
                           nnc_g_binary(b, NNC_OP_mul, integers(s, s->w.sum), zero_value(s)));
    return any ? nnc_g_binary(b, NNC_OP_add, acc, integers(s, k)) : acc;
}

/* ---- what stands behind it ---- */

/* v as one f32 per output: a scalar, or a vector along the channel.  NULL: neither. */
static const float *vector_of(island *s, nnc_value v)
{
    nnc_tensor t;
    unsigned rank = nnc_value_ty(s->m, nnc_op_out(s->m, s->op, 0))->rank;
    float *out = nnc_arena_array(s->cx->scratch, (size_t)s->w.n, sizeof *out);

    if (!nnc_tensor_of(s->m, v, &t) || t.dtype != NNC_DT_f32 || t.rank > (int)rank)
        return NULL;
    int64_t n = nnc_tensor_count(&t);
    for (int d = 0; d < t.rank; d++)
        if (t.dim[d] != 1 && (unsigned)d + rank - (unsigned)t.rank != s->channel)
            return NULL;
    if (n != 1 && n != s->w.n)
        return NULL;
    for (int64_t i = 0; i < s->w.n; i++)
        memcpy(&out[i], (const char *)t.data + (n == 1 ? 0 : (size_t)i * sizeof *out), sizeof *out);
    return out;
}

/* A bias that is a whole number of steps of sx * sw, as dequantised i32 biases are. */
static bool whole_bias(island *s, nnc_value v, const float *step)
{
    const float *f = vector_of(s, v);

    if (!f)
        return false;
    for (int64_t i = 0; i < s->w.n; i++) {
        double k = nearbyint((double)f[i] / (double)step[i]);
        if (!(fabs(k + (double)s->bias[i]) < 1 << 30) ||
            fabs(k * (double)step[i] - (double)f[i]) > 3e-7 * fabs((double)f[i]))
            return false;
    }
    for (int64_t i = 0; i < s->w.n; i++)
        s->bias[i] += (int64_t)nearbyint((double)f[i] / (double)step[i]);
    return true;
}

typedef struct tail {
    nnc_value v;   /* what the island's result replaces */
    double lo, hi; /* clip between the scaled sum and v */
    nnc_op quantize;
} tail;

static tail follow(island *s, const float *step)
{
    nnc_module *m = s->m;
    tail t = {.v = nnc_op_out(m, s->op, 0), .lo = -INFINITY, .hi = INFINITY};
    nnc_value v = t.v;
    bool clipped = false;

    for (;;) {
        nnc_op user = nnc_value_single_user(m, v);
        nnc_opcode code = user.id ? nnc_op_code(m, user) : NNC_OP_yield;
        double k, z;
        if (!user.id || nnc_op_get(m, user)->block.id != nnc_op_get(m, s->op)->block.id)
            return t;
        if (code == NNC_OP_quantize) {
            bool byte = is_byte(dtype(m, nnc_op_out(m, user, 0)));
            if (byte && nnc_op_in(m, user, 0).id == v.id &&
                !nnc_attr_int(m, user, NNC_W_block, 0) &&
                nnc_quant_number(m, nnc_op_in(m, user, 1), &k) && k > 0 &&
                nnc_quant_number(m, nnc_op_in(m, user, 2), &z)) {
                t.quantize = user;
                t.v = nnc_op_out(m, user, 0);
            }
            return t;
        }
        nnc_value other = nnc_op_in(m, user, nnc_op_in(m, user, 0).id == v.id ? 1 : 0);
        if (nnc_value_type(m, nnc_op_out(m, user, 0)).id != nnc_value_type(m, v).id)
            return t;
        if (code == NNC_OP_add && !clipped && whole_bias(s, other, step)) {
            t.v = v = nnc_op_out(m, user, 0);
            continue;
        }
        if ((code != NNC_OP_max && code != NNC_OP_min) || !nnc_quant_number(m, other, &k) ||
            isnan(k))
            return t;
        clipped = true; /* t.v stays: without a quantize at the end clips are left alone */
        t.lo = code == NNC_OP_max ? fmax(t.lo, k) : fmin(t.lo, k);
        t.hi = code == NNC_OP_max ? fmax(t.hi, k) : fmin(t.hi, k);
        v = nnc_op_out(m, user, 0);
    }
}

/* round(bound / scale) as quantize rounds, inside lo .. hi. */
static double step_bound(double bound, float scale, double lo, double hi)
{
    double q = isinf(bound) ? bound : nearbyint((double)((float)bound / scale));

    return q < lo ? lo : q > hi ? hi : q;
}

/* Does the scaled accumulator stay where conversion to an integer is one instruction on every machine?  Then it is clamped
 * as an integer, which narrowing instructions do by themselves. */
static bool stays_small(const island *s, const float *factor)
{
    for (int64_t i = 0; i < s->w.n; i++) {
        double most = 510.0 * (double)s->w.size[i] + fabs((double)s->bias[i]);
        if (!(most * fabs((double)factor[i]) < 2000000.0))
            return false;
    }
    return true;
}

static nnc_value requantise(island *s, const tail *t, const float *step)
{
    nnc_module *m = s->m;
    nnc_builder *b = &s->b;
    nnc_dtype to = dtype(m, t->v);
    double sy, zy, min = to == NNC_DT_i8 ? -128 : 0;
    float *factor = nnc_arena_array(s->cx->scratch, (size_t)s->w.n, sizeof *factor);

    (void)nnc_quant_number(m, nnc_op_in(m, t->quantize, 1), &sy);
    (void)nnc_quant_number(m, nnc_op_in(m, t->quantize, 2), &zy);
    for (int64_t i = 0; i < s->w.n; i++)
        factor[i] = step[i] / (float)sy;
    double lo = step_bound(t->lo, (float)sy, min - zy, min + 255 - zy),
           hi = step_bound(t->hi, (float)sy, min - zy, min + 255 - zy);
    bool whole = stays_small(s, factor);
    nnc_value f = nnc_g_cast(b, accumulated(s), NNC_DT_f32);
    f = nnc_g_binary(b, NNC_OP_mul, f, per_output(s, NNC_DT_f32, factor));
    if (!whole) {
        f = nnc_g_binary(b, NNC_OP_max, f, nnc_g_float(b, NNC_DT_f32, lo));
        f = nnc_g_binary(b, NNC_OP_min, f, nnc_g_float(b, NNC_DT_f32, hi));
    }
    nnc_value q = nnc_g_cast(b, nnc_g_unary(b, NNC_OP_round, f), NNC_DT_i32);
    nnc_attr_set_int(m, nnc_value_op(m, q), NNC_W_exact, 1); /* finite factors, and small */
    if (zy != 0)
        q = nnc_g_binary(b, NNC_OP_add, q, nnc_g_int(b, NNC_DT_i32, (int64_t)zy));
    if (whole) {
        q = nnc_g_binary(b, NNC_OP_max, q, nnc_g_int(b, NNC_DT_i32, (int64_t)(lo + zy)));
        q = nnc_g_binary(b, NNC_OP_min, q, nnc_g_int(b, NNC_DT_i32, (int64_t)(hi + zy)));
    }
    return nnc_g_cast(b, q, to);
}

/* The largest magnitude of a constant; infinity when it is none or not finite. */
static double largest(const nnc_module *m, nnc_value v)
{
    nnc_tensor t;
    double most = 0;

    if (!nnc_tensor_of(m, v, &t))
        return INFINITY;
    for (int64_t i = 0; i < nnc_tensor_count(&t); i++) {
        uint64_t bits = 0;
        size_t size = nnc_dtype_bytes(t.dtype);
        memcpy(&bits, (const char *)t.data + (size_t)i * size, size);
        nnc_num n = nnc_num_of_bits(t.dtype, bits);
        double x = fabs(nnc_dtype_is_float(t.dtype) ? n.f : (double)n.i);
        most = x <= most ? most : isfinite(x) ? x : INFINITY;
    }
    return most;
}

/* Integer forms requantise by ops of their own: f32, a factor, round, clamps, i32.  When the weights bound the result, the
 * conversion is exact, which saves a test for nan, and clamps that are wider go. */
static void promise(island *s, nnc_value v)
{
    nnc_module *m = s->m;
    double most = 0, k;
    bool flt = false;

    for (int64_t i = 0; i < s->w.n; i++)
        most = fmax(most, 510.0 * (double)s->w.size[i]);
    for (int steps = 0; steps < 12; steps++) {
        nnc_op op = nnc_value_single_user(m, v);
        nnc_opcode code = op.id ? nnc_op_code(m, op) : NNC_OP_yield;
        if (!op.id || nnc_op_nout(m, op) != 1)
            return;
        nnc_value out = nnc_op_out(m, op, 0);
        nnc_value other = nnc_op_nin(m, op) == 2 ? nnc_op_in(m, op, nnc_op_in(m, op, 0).id == v.id)
                                                 : (nnc_value){0};
        if (code == NNC_OP_cast && flt && dtype(m, out) == NNC_DT_i32) {
            if (most < 2000000.0)
                nnc_attr_set_int(m, op, NNC_W_exact, 1);
            return;
        }
        if (code == NNC_OP_cast && !flt && dtype(m, out) == NNC_DT_f32)
            flt = true;
        else if (code == NNC_OP_add && !flt)
            most += largest(m, other);
        else if (code == NNC_OP_mul && flt)
            most *= largest(m, other);
        else if ((code == NNC_OP_max || code == NNC_OP_min) && flt &&
                 nnc_quant_number(m, other, &k) &&
                 nnc_value_type(m, out).id == nnc_value_type(m, v).id &&
                 (code == NNC_OP_max ? k < -most - 1 : k > most + 1)) {
            nnc_value_replace(m, out, v); /* the clamp is dead now */
            nnc_op_set_in(m, op, nnc_op_in(m, op, 0).id != v.id, other);
            continue;
        } else if (code != NNC_OP_round || !flt)
            return;
        v = out;
    }
}

static void finish(island *s)
{
    nnc_module *m = s->m;
    nnc_value v;
    tail t = {.v = nnc_op_out(m, s->op, 0)};

    if (s->w.scale) {
        double sx = 0;
        float *step = nnc_arena_array(s->cx->scratch, (size_t)s->w.n, sizeof *step);
        (void)nnc_quant_number(m, s->x.scale, &sx);
        for (int64_t i = 0; i < s->w.n; i++)
            step[i] = (float)sx * s->w.scale[i];
        t = follow(s, step);
        v = t.quantize.id
                ? requantise(s, &t, step)
                : nnc_g_binary(&s->b, NNC_OP_mul, nnc_g_cast(&s->b, accumulated(s), NNC_DT_f32),
                               per_output(s, NNC_DT_f32, step));
    } else {
        v = accumulated(s);
    }
    nnc_value_set_name(m, v, nnc_value_name(m, t.v));
    nnc_value_replace(m, t.v, v);
    if (!s->w.scale)
        promise(s, v);
}

static bool plain_conv(const nnc_module *m, nnc_op op)
{
    unsigned n;
    const int64_t *a = nnc_attr_ints(m, op, NNC_W_lhs_dilation, &n);

    for (unsigned i = 0; i < n; i++)
        if (a[i] != 1)
            return false;
    for (int side = 0; side < 2; side++) {
        a = nnc_attr_ints(m, op, side ? NNC_W_hi : NNC_W_lo, &n);
        for (unsigned i = 0; i < n; i++)
            if (a[i] < 0)
                return false;
    }
    return true;
}

/* Do the sum, what the zero point takes off it, and a bias stay within i32? */
static bool fits(const nnc_qweights *w)
{
    for (int64_t i = 0; i < w->n; i++)
        if (w->size[i] > INT32_MAX / 1024)
            return false;
    return true;
}

bool nnc_quant_contract(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    island s = {.cx = cx, .m = m, .b = nnc_builder_before(m, op), .op = op};
    bool conv = nnc_op_code(m, op) == NNC_OP_conv,
         ints = dtype(m, nnc_op_out(m, op, 0)) == NNC_DT_i32;
    double sx;

    s.b.loc = nnc_loc_pass(m->diag, "quant", nnc_op_loc(m, op));
    if ((!ints && dtype(m, nnc_op_out(m, op, 0)) != NNC_DT_f32) || (conv && !plain_conv(m, op)) ||
        !nnc_quant_value(m, nnc_op_in(m, op, 0), &s.x) || !nnc_quant_weights(cx, op, &s.w) ||
        ints == (s.w.scale != NULL) || (s.x.scale.id != 0) != (s.w.scale != NULL) ||
        (s.x.scale.id && !nnc_quant_number(m, s.x.scale, &sx)) || !fits(&s.w))
        return false;
    s.channel = conv && nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nchw
                    ? 1
                    : nnc_value_ty(m, nnc_op_out(m, op, 0))->rank - 1u;
    s.bias = nnc_arena_array(cx->scratch, (size_t)s.w.n, sizeof *s.bias);
    memset(s.bias, 0, (size_t)s.w.n * sizeof *s.bias);
    s.acc = contraction(&s);
    finish(&s);
    return true;
}
