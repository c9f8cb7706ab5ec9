/* G constructors of random numbers.
 *
 * Keys.  A key is u32[2]; u32[b.., 2] is one per example.  A draw is a function of its key alone: element i of it uses
 * word i mod 4 of counter block i / 4, whatever computes it in whatever order.  Draws that need 64 bits an element (f64,
 * permutations) use words 2i (high) and 2i + 1 of the stream.
 *
 * Numbers.  Everything up to the first logarithm is exact, so uniform floats, bernoulli, randint and permutations have
 * the same bits on every target:
 *   uniform   f32 24, f64 53, f16 11, bf16 8 top bits of the word(s), over 2^that: multiples of 2^-that in [0, 1)
 *   normal    sqrt(2) erfinv(x), x the odd multiples of 2^-24 (f32) or 2^-53 (f64) in (-1, 1), all equally likely; f16
 *             and bf16 are rounded from f32.  One word an element and no sine; Box and Muller's method would tie
 *             elements in pairs.  f32: M. Giles, "Approximating the erfinv function", 2010; f64: M. Wichura, "Algorithm
 *             AS 241", 1988.  They need one logarithm and one root; where those, or contracted multiply-adds, differ
 *             between machines, the number differs by a few units in the last place, never more: nothing branches
 *             on rounding, since both approximations agree where they meet.
 *   randint   lo + floor(word * (hi - lo) / 2^32): every value's probability is within 2^-32 of 1 / (hi - lo)
 *   permutation  stable sort by 64 random bits: ties (probability below n^2 / 2^65) keep their order
 *   categorical  argmax of logits - log(-log(u)), u odd multiples of 2^-24; ties go to the lower class */
#include "ir/build_fn.h"
#include "ir/philox.h"
#include <string.h>

nnc_value nnc_g_rng_bits(nnc_builder *b, nnc_value key, int rank, const nnc_dim *dim)
{
    return nnc_build_plain(b, NNC_OP_rng_bits, 1, &key,
                           nnc_type_tensor(b->m, NNC_DT_u32, rank, dim));
}

nnc_value nnc_g_fold_key_domain(nnc_builder *b, nnc_value key, uint32_t site, uint32_t domain,
                                unsigned n, const nnc_value *index)
{
    nnc_value *in = nnc_arena_array(b->m->arena, n + 1, sizeof *in);
    in[0] = key;
    for (unsigned i = 0; i < n; i++)
        in[i + 1] = index[i];
    nnc_op op = nnc_build_start(b, NNC_OP_fold_key, n + 1, in, 1, nnc_build_guess(b, NNC_DT_u32));
    nnc_attr_set_int(b->m, op, NNC_W_site, site);
    nnc_attr_set_int(b->m, op, NNC_W_domain, domain);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_fold_key(nnc_builder *b, nnc_value key, uint32_t site, unsigned n,
                         const nnc_value *index)
{
    return nnc_g_fold_key_domain(b, key, site, NNC_KEY_FOLD + NNC_KEY_PER_INDEX * n, n, index);
}

nnc_value nnc_g_split_key(nnc_builder *b, nnc_value key, nnc_dim n)
{
    nnc_value i = nnc_g_iota(b, NNC_DT_i64, 1, &n, 0);
    return nnc_g_fold_key_domain(b, key, 0, NNC_KEY_SPLIT, 1, &i);
}

/* ---- bits ---- */

static nnc_value num(nnc_builder *b, nnc_value like, double v)
{
    return nnc_g_float(b, nnc_build_dtype(b, like), v);
}

static nnc_value op2(nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value y)
{
    return nnc_g_binary(b, code, x, y);
}

/* The shape of a draw of `dim` under each key. */
static int draw_shape(nnc_builder *b, nnc_value key, int rank, const nnc_dim *dim, nnc_dim *out)
{
    const nnc_type_rec *k = nnc_value_ty(b->m, key);
    memcpy(out, k->dim, (size_t)(k->rank - 1) * sizeof *out);
    memcpy(out + k->rank - 1, dim, (size_t)rank * sizeof *out);
    return k->rank - 1 + rank;
}

/* A word per element, without its low `drop` bits. */
static nnc_value top_bits(nnc_builder *b, nnc_value key, int rank, const nnc_dim *dim, int drop)
{
    nnc_dim to[NNC_MAX_RANK];
    nnc_value bits = nnc_g_rng_bits(b, key, draw_shape(b, key, rank, dim, to), to);
    return drop ? op2(b, NNC_OP_shr, bits, nnc_g_int(b, NNC_DT_u32, drop)) : bits;
}

/* Two words per element as u64, the first one high. */
static nnc_value wide_bits(nnc_builder *b, nnc_value key, int rank, const nnc_dim *dim)
{
    nnc_dim to[NNC_MAX_RANK + 1];
    int n = draw_shape(b, key, rank, dim, to);
    to[n] = 2;
    nnc_value bits = nnc_g_rng_bits(b, key, n + 1, to), half[2];
    for (int i = 0; i < 2; i++) {
        half[i] = nnc_g_reshape(b, nnc_g_slice_axis(b, bits, n, i, 1, 1), n, to);
        half[i] = nnc_g_cast(b, half[i], NNC_DT_u64);
    }
    half[0] = op2(b, NNC_OP_shl, half[0], nnc_g_int(b, NNC_DT_u64, 32));
    return op2(b, NNC_OP_or, half[0], half[1]);
}

/* ---- floats ---- */

/* Of k = 0 .. 2^bits - 1 equally likely: k / 2^bits, or for `centred` (2 k + 1) / 2^bits - 1. */
static nnc_value fraction(nnc_builder *b, nnc_value key, nnc_dtype dt, int bits, bool centred,
                          int rank, const nnc_dim *dim)
{
    bool wide = dt == NNC_DT_f64;
    nnc_dtype whole = wide ? NNC_DT_i64 : NNC_DT_i32;
    nnc_value k =
        wide ? op2(b, NNC_OP_shr, wide_bits(b, key, rank, dim), nnc_g_int(b, NNC_DT_u64, 64 - bits))
             : top_bits(b, key, rank, dim, 32 - bits);
    k = nnc_g_cast(b, k, whole);
    if (centred) {
        k = op2(b, NNC_OP_mul, k, nnc_g_int(b, whole, 2));
        k = op2(b, NNC_OP_sub, k, nnc_g_int(b, whole, (INT64_C(1) << bits) - 1));
    }
    return op2(b, NNC_OP_mul, nnc_g_cast(b, k, dt),
               nnc_g_float(b, dt, 1.0 / (double)(INT64_C(1) << bits)));
}

nnc_value nnc_g_uniform(nnc_builder *b, nnc_value key, nnc_dtype dt, int rank, const nnc_dim *dim)
{
    if (dt == NNC_DT_f16 || dt == NNC_DT_bf16) /* exact in f32 and in dt */
        return nnc_g_cast(
            b, fraction(b, key, NNC_DT_f32, dt == NNC_DT_f16 ? 11 : 8, false, rank, dim), dt);
    return fraction(b, key, dt, dt == NNC_DT_f64 ? 53 : 24, false, rank, dim);
}

/* c[0] + x (c[1] + x (..)) */
static nnc_value polynomial(nnc_builder *b, nnc_value x, int n, const double *c)
{
    nnc_value y = num(b, x, c[n - 1]);
    for (int i = n - 2; i >= 0; i--)
        y = op2(b, NNC_OP_add, op2(b, NNC_OP_mul, y, x), num(b, x, c[i]));
    return y;
}

/* -log(1 - x^2), without losing the small numbers at the ends */
static nnc_value depth(nnc_builder *b, nnc_value x)
{
    nnc_value one = num(b, x, 1);
    nnc_value both = op2(b, NNC_OP_mul, op2(b, NNC_OP_sub, one, x), op2(b, NNC_OP_add, one, x));
    return nnc_g_unary(b, NNC_OP_neg, nnc_g_unary(b, NNC_OP_log, both));
}

/* sqrt(2) erfinv(x), f32 */
static nnc_value normal_f32(nnc_builder *b, nnc_value x)
{
    static const double near[] = {1.50140941,     0.246640727,    -0.00417768164,
                                  -0.00125372503, 0.00021858087,  -4.39150654e-06,
                                  -3.5233877e-06, 3.43273939e-07, 2.81022636e-08},
                        far[] = {2.83297682,    1.00167406,     0.00943887047,
                                 -0.0076224613, 0.00573950773,  -0.00367342844,
                                 0.00134934322, 0.000100950558, -0.000200214257};
    nnc_value w = depth(b, x), y, z;
    y = polynomial(b, op2(b, NNC_OP_sub, w, num(b, x, 2.5)), 9, near);
    z = op2(b, NNC_OP_max, w, num(b, x, 0)); /* log may give a tiny number of the wrong sign */
    z = op2(b, NNC_OP_sub, nnc_g_unary(b, NNC_OP_sqrt, z), num(b, x, 3));
    z = polynomial(b, z, 9, far);
    y = nnc_g_select(b, op2(b, NNC_OP_lt, w, num(b, x, 5)), y, z);
    return op2(b, NNC_OP_mul, op2(b, NNC_OP_mul, y, x), num(b, x, 1.4142135623730951));
}

static nnc_value ratio(nnc_builder *b, nnc_value x, const double *p, const double *q)
{
    return op2(b, NNC_OP_div, polynomial(b, x, 8, p), polynomial(b, x, 8, q));
}

/* The normal quantile of (1 + x) / 2, f64: AS 241 (PPND16). */
static nnc_value normal_f64(nnc_builder *b, nnc_value x)
{
    static const double pa[] = {3.3871328727963666080e0,  1.3314166789178437745e+2,
                                1.9715909503065514427e+3, 1.3731693765509461125e+4,
                                4.5921953931549871457e+4, 6.7265770927008700853e+4,
                                3.3430575583588128105e+4, 2.5090809287301226727e+3},
                        qa[] = {1.0,
                                4.2313330701600911252e+1,
                                6.8718700749205790830e+2,
                                5.3941960214247511077e+3,
                                2.1213794301586595867e+4,
                                3.9307895800092710610e+4,
                                2.8729085735721942674e+4,
                                5.2264952788528545610e+3},
                        pb[] = {1.42343711074968357734e0,  4.63033784615654529590e0,
                                5.76949722146069140550e0,  3.64784832476320460504e0,
                                1.27045825245236838258e0,  2.41780725177450611770e-1,
                                2.27238449892691845833e-2, 7.74545014278341407640e-4},
                        qb[] = {1.0,
                                2.05319162663775882187e0,
                                1.67638483018380384940e0,
                                6.89767334985100004550e-1,
                                1.48103976427480074590e-1,
                                1.51986665636164571966e-2,
                                5.47593808499534494600e-4,
                                1.05075007164441684324e-9},
                        pc[] = {6.65790464350110377720e0,  5.46378491116411436990e0,
                                1.78482653991729133580e0,  2.96560571828504891230e-1,
                                2.65321895265761230930e-2, 1.24266094738807843860e-3,
                                2.71155556874348757815e-5, 2.01033439929228813265e-7},
                        qc[] = {1.0,
                                5.99832206555887937690e-1,
                                1.36929880922735805310e-1,
                                1.48753612908506148525e-2,
                                7.86869131145613259100e-4,
                                1.84631831751005468180e-5,
                                1.42151175831644588870e-7,
                                2.04426310338993978564e-15};
    nnc_value half = op2(b, NNC_OP_mul, x, num(b, x, 0.5)), size = nnc_g_unary(b, NNC_OP_abs, x);
    nnc_value r = op2(b, NNC_OP_sub, num(b, x, 0.180625), op2(b, NNC_OP_mul, half, half));
    nnc_value middle = op2(b, NNC_OP_mul, half, ratio(b, r, pa, qa)), near, far, tail;
    r = op2(b, NNC_OP_mul, op2(b, NNC_OP_sub, num(b, x, 1), size), num(b, x, 0.5));
    r = nnc_g_unary(b, NNC_OP_sqrt, nnc_g_unary(b, NNC_OP_neg, nnc_g_unary(b, NNC_OP_log, r)));
    near = ratio(b, op2(b, NNC_OP_sub, r, num(b, x, 1.6)), pb, qb);
    far = ratio(b, op2(b, NNC_OP_sub, r, num(b, x, 5)), pc, qc);
    tail = nnc_g_select(b, op2(b, NNC_OP_le, r, num(b, x, 5)), near, far);
    tail = op2(b, NNC_OP_mul, tail, nnc_g_unary(b, NNC_OP_sign, x));
    return nnc_g_select(b, op2(b, NNC_OP_le, size, num(b, x, 0.85)), middle, tail);
}

nnc_value nnc_g_normal(nnc_builder *b, nnc_value key, nnc_dtype dt, int rank, const nnc_dim *dim)
{
    if (dt == NNC_DT_f64)
        return normal_f64(b, fraction(b, key, dt, 53, true, rank, dim));
    return nnc_g_cast(b, normal_f32(b, fraction(b, key, NNC_DT_f32, 24, true, rank, dim)), dt);
}

nnc_value nnc_g_bernoulli(nnc_builder *b, nnc_value key, nnc_value p, int rank, const nnc_dim *dim)
{
    return op2(b, NNC_OP_lt, nnc_g_uniform(b, key, nnc_build_dtype(b, p), rank, dim), p);
}

/* ---- integers ---- */

nnc_value nnc_g_randint(nnc_builder *b, nnc_value key, nnc_value lo, nnc_value hi, int rank,
                        const nnc_dim *dim)
{
    nnc_value bits = nnc_g_cast(b, top_bits(b, key, rank, dim, 0), NNC_DT_u64),
              n = nnc_g_cast(b, op2(b, NNC_OP_sub, hi, lo), NNC_DT_u64);
    bits = op2(b, NNC_OP_shr, op2(b, NNC_OP_mul, bits, n), nnc_g_int(b, NNC_DT_u64, 32));
    return op2(b, NNC_OP_add, nnc_g_cast(b, bits, NNC_DT_i64), lo);
}

nnc_value nnc_g_permutation(nnc_builder *b, nnc_value key, nnc_dim n)
{
    nnc_value in[2] = {wide_bits(b, key, 1, &n)}, out[2];
    const nnc_type_rec t = *nnc_value_ty(b->m, in[0]);
    in[1] = nnc_g_iota(b, NNC_DT_i64, t.rank, t.dim, t.rank - 1);
    nnc_g_sort(b, 2, in, t.rank - 1, false, out);
    return out[1];
}

nnc_value nnc_g_categorical(nnc_builder *b, nnc_value key, nnc_value logits, int rank,
                            const nnc_dim *dim)
{
    const nnc_type_rec t = *nnc_value_ty(b->m, logits);
    nnc_dtype dt = t.dtype == NNC_DT_f64 ? NNC_DT_f64 : NNC_DT_f32;
    nnc_dim all[NNC_MAX_RANK];
    memcpy(all, dim, (size_t)rank * sizeof *dim);
    all[rank] = t.dim[t.rank - 1];
    /* (1 + centred) / 2 is never 0 or 1: 2 k + 1 over 2^(bits + 1) */
    nnc_value u = fraction(b, key, dt, dt == NNC_DT_f64 ? 52 : 23, true, rank + 1, all);
    u = op2(b, NNC_OP_mul, op2(b, NNC_OP_add, u, num(b, u, 1)), num(b, u, 0.5));
    for (int i = 0; i < 2; i++)
        u = nnc_g_unary(b, NNC_OP_neg, nnc_g_unary(b, NNC_OP_log, u));
    u = op2(b, NNC_OP_add, nnc_g_cast(b, logits, dt), u);
    return nnc_g_argreduce(b, NNC_W_max, u, nnc_build_rank(b, u) - 1, false, false);
}
