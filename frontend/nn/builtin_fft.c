/* fft of pairs on the last axis.
 *
 * A length n = a b is transformed in two steps (Cooley and Tukey): index i b + j as a matrix, a transform over i, the
 * twiddle factors, a transform over j.  Lengths up to 64, and primes, are products with a table. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <math.h>
#include <string.h>

enum { DIRECT = 64, LONGEST_TABLE = 4096 };
typedef struct pair {
    nnc_value re, im; /* [m, n] */
} pair;
typedef struct fft {
    nn_trace *t;
    nnc_dtype dt;
    double sign; /* of the exponent */
} fft;

static nnc_value op2(const fft *f, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&f->t->b, code, a, b);
}

/* cos or sin of sign 2 pi i k / n, [rows, cols], in f64 and rounded once. */
static nnc_value table(const fft *f, int64_t rows, int64_t cols, int64_t n, bool sine)
{
    nnc_dim dim[2] = {rows, cols};
    double *x = nnc_arena_array(f->t->arena, (size_t)(rows * cols), sizeof *x);
    for (int64_t i = 0; i < rows; i++)
        for (int64_t k = 0; k < cols; k++) {
            double angle = 2 * 3.14159265358979323846 * (double)(i * k % n) / (double)n;
            x[i * cols + k] = sine ? f->sign * sin(angle) : cos(angle);
        }
    nnc_value v = nnc_g_const_data(&f->t->b, NNC_DT_f64, 2, dim, x);
    return nnc_g_cast(&f->t->b, v, f->dt);
}

static nnc_value matmul(const fft *f, nnc_value x, nnc_value w)
{
    return nnc_g_matmul(&f->t->b, x, w, NNC_DT_none);
}

static pair times(const fft *f, pair x, pair w)
{
    return (pair){
        op2(f, NNC_OP_sub, op2(f, NNC_OP_mul, x.re, w.re), op2(f, NNC_OP_mul, x.im, w.im)),
        op2(f, NNC_OP_add, op2(f, NNC_OP_mul, x.re, w.im), op2(f, NNC_OP_mul, x.im, w.re))};
}

static pair direct(const fft *f, pair x, int64_t n)
{
    nnc_value c = table(f, n, n, n, false), s = table(f, n, n, n, true);
    return (pair){op2(f, NNC_OP_sub, matmul(f, x.re, c), matmul(f, x.im, s)),
                  op2(f, NNC_OP_add, matmul(f, x.re, s), matmul(f, x.im, c))};
}

static nnc_value reshape(const fft *f, nnc_value x, int rank, nnc_dim a, nnc_dim b, nnc_dim c)
{
    nnc_dim dim[3] = {a, b, c};
    return nnc_g_reshape(&f->t->b, x, rank, dim);
}

static nnc_value turned(const fft *f, nnc_value x) /* [m, a, b] -> [m, b, a] */
{
    static const int64_t perm[3] = {0, 2, 1};
    return nnc_g_transpose(&f->t->b, x, perm);
}

static int64_t best_factor(int64_t n)
{
    for (int64_t a = DIRECT; a > 1; a--)
        if (n % a == 0)
            return a;
    return n;
}

static pair transform(const fft *f, pair x, nnc_dim m, int64_t n)
{
    int64_t a = n <= DIRECT ? n : best_factor(n), b = n / a;
    nnc_dims *d = f->t->m->dims;
    if (b == 1)
        return direct(f, x, n);
    nnc_dim mb = nnc_dim_mul(d, m, b), ma = nnc_dim_mul(d, m, a);
    pair y = {turned(f, reshape(f, x.re, 3, m, a, b)), turned(f, reshape(f, x.im, 3, m, a, b))};
    y = (pair){reshape(f, y.re, 2, mb, a, 0), reshape(f, y.im, 2, mb, a, 0)};
    y = direct(f, y, a); /* [m b, k1] */
    y = (pair){reshape(f, y.re, 3, m, b, a), reshape(f, y.im, 3, m, b, a)};
    y = times(f, y, (pair){table(f, b, a, n, false), table(f, b, a, n, true)});
    y = (pair){turned(f, y.re), turned(f, y.im)}; /* [m, k1, j] */
    y = (pair){reshape(f, y.re, 2, ma, b, 0), reshape(f, y.im, 2, ma, b, 0)};
    y = transform(f, y, ma, b); /* [m k1, k2]; the result's index is k2 a + k1 */
    y = (pair){turned(f, reshape(f, y.re, 3, m, a, b)), turned(f, reshape(f, y.im, 3, m, a, b))};
    return (pair){reshape(f, y.re, 2, m, n, 0), reshape(f, y.im, 2, m, n, 0)};
}

/* A prime factor whose table is too large? */
static bool too_prime(int64_t n)
{
    while (n > DIRECT && best_factor(n) != n)
        n /= best_factor(n);
    return n > LONGEST_TABLE;
}

nn_v nn_b_fft(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_to_float(t, nn_arg_tensor(t, c, "x"));
    bool inverse = nn_flag(t, c, "inverse", false);
    nn_shape s = nn_shape_of(t, x), lead = s;
    if (s.rank < 2 || s.dim[s.rank - 1] != 2 || !nnc_dim_is_const(s.dim[s.rank - 2]) ||
        s.dim[s.rank - 2] < 1)
        nn_fail_hint(t, nn_arg_at(t, c, "x")->loc, "a real series: fft(stack(x, 0 * x))",
                     "fft of %s, expected [.., n, 2] with pairs (re, im) and a static n",
                     nn_type_text(t, x));
    int64_t n = s.dim[s.rank - 2];
    if (too_prime(n))
        nn_fail(t, c->at->loc, "fft of length %lld, which has a prime factor above %d",
                (long long)n, LONGEST_TABLE);
    if (x->weak)
        x = nn_settle(t, x);
    fft f = {t, nn_dtype(t, x), inverse ? 1.0 : -1.0};
    lead.rank -= 2;
    nnc_dim m = nn_shape_size(t, &lead);
    nnc_value re = nnc_g_slice_axis(&t->b, x->ssa, s.rank - 1, 0, 1, 1);
    nnc_value im = nnc_g_slice_axis(&t->b, x->ssa, s.rank - 1, 1, 1, 1);
    pair y = {reshape(&f, re, 2, m, n, 0), reshape(&f, im, 2, m, n, 0)};
    y = transform(&f, y, m, n);
    nnc_value part[2] = {reshape(&f, y.re, 3, m, n, 1), reshape(&f, y.im, 3, m, n, 1)};
    nnc_value z = nnc_g_concat(&t->b, 2, part, 2);
    if (inverse)
        z = op2(&f, NNC_OP_mul, z, nnc_g_float(&t->b, f.dt, 1.0 / (double)n));
    return nn_reshape_to(t, nn_like(t, x, z), &s);
}
