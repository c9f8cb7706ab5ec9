/* The transforms of Winograd's convolution F(n, 3): n outputs of a row of three taps from n + 2 inputs with n + 2
 * multiplications instead of 3 n, in two dimensions A' [(G w G') * (B' x B)] A (Lavin and Gray, 2015).
 *
 * Rows of B' come in pairs whose even columns are equal and whose odd ones are opposite, and columns of A' in pairs that
 * are equal up to the sign; emitting sums in that order lets `cse` share the halves. */
#include "passes/lower/winograd.h"
#include <math.h>
#include <string.h>
#include "ir/philox.h"

typedef struct transform {
    int n;
    double bt[6][6], g[6][3], at[4][6];
} transform;

/* Points of F(4, 3): 0, +-LOW, +-HIGH and infinity.  These round a quarter as much as the usual 1 and 2. */
#define LOW  0.70710678118654752440
#define HIGH 1.41421356237309504880

static const transform transforms[] = {
    {2,
     {{-1, 0, 1}, {0, 1, 1}, {0, -1, 1}, {0, -1, 0, 1}},
     {{-1}, {.5, .5, .5}, {.5, -.5, .5}, {0, 0, 1}},
     {{1, 1, 1}, {0, 1, -1, 1}}},
    {4,
     {{1, 0, -2.5, 0, 1},
      {0, -2 * LOW, -2, LOW, 1},
      {0, 2 * LOW, -2, -LOW, 1},
      {0, -.5 * HIGH, -.5, HIGH, 1},
      {0, .5 * HIGH, -.5, -HIGH, 1},
      {0, 1, 0, -2.5, 0, 1}},
     {{1},
      {-2. / 3, -LOW * 2 / 3, -1. / 3},
      {-2. / 3, LOW * 2 / 3, -1. / 3},
      {1. / 6, HIGH / 6, 1. / 3},
      {1. / 6, -HIGH / 6, 1. / 3},
      {0, 0, 1}},
     {{1, 1, 1, 1, 1},
      {0, LOW, -LOW, HIGH, -HIGH},
      {0, .5, .5, 2, 2},
      {0, LOW / 2, -LOW / 2, HIGH * 2, -HIGH * 2, 1}}},
};

static const transform *transform_of(int n)
{
    for (size_t i = 0; i < sizeof transforms / sizeof transforms[0]; i++)
        if (transforms[i].n == n)
            return &transforms[i];
    return NULL;
}

bool nnc_winograd_known(int n)
{
    return transform_of(n) != NULL;
}

/* ---- weights ---- */

void nnc_winograd_read(const nnc_winograd_kernel *k, int64_t i, int64_t o, double w[3][3])
{
    for (int t = 0; t < 9; t++)
        w[t / 3][t % 3] = (double)k->at[t / 3 * k->stride[0] + t % 3 * k->stride[1] +
                                        i * k->stride[2] + o * k->stride[3]];
}

void nnc_winograd_weights(int n, const double w[3][3], float *u, int64_t stride)
{
    const transform *t = transform_of(n);
    double half[6][3];
    for (int a = 0; a < n + 2; a++)
        for (int x = 0; x < 3; x++) {
            half[a][x] = 0;
            for (int y = 0; y < 3; y++)
                half[a][x] += t->g[a][y] * w[y][x];
        }
    for (int a = 0; a < n + 2; a++)
        for (int b = 0; b < n + 2; b++) {
            double sum = 0;
            for (int x = 0; x < 3; x++)
                sum += half[a][x] * t->g[b][x];
            u[(a * (n + 2) + b) * stride] = (float)sum;
        }
}

/* ---- rounding ---- */

/* v, size x size, becomes M v M' with M of `rows` rows, in f32 as the emitted code does. */
static void numbers(const double (*m)[6], int rows, int size, float *v)
{
    float half[6 * 6];
    for (int r = 0; r < rows; r++)
        for (int x = 0; x < size; x++) {
            half[r * size + x] = 0;
            for (int y = 0; y < size; y++)
                half[r * size + x] += (float)m[r][y] * v[y * size + x];
        }
    for (int r = 0; r < rows; r++)
        for (int q = 0; q < rows; q++) {
            v[r * rows + q] = 0;
            for (int x = 0; x < size; x++)
                v[r * rows + q] += (float)m[q][x] * half[r * size + x];
        }
}

/* Numbers in 0 .. 1 that are the same everywhere: Philox, counted by channel and tile. */
static void random_tile(uint32_t channel, uint32_t tile, float *v)
{
    static const uint32_t key[2] = {0x77696e6f, 0x67726164};
    for (uint32_t i = 0; i < 36; i += 4) {
        uint32_t counter[4] = {channel, tile, i, 0}, out[4];
        nnc_philox(counter, key, out);
        for (int k = 0; k < 4; k++)
            v[i + (uint32_t)k] = (float)(out[k] >> 8) / (float)(1 << 24);
    }
}

/* Adds what one input channel contributes: to the products in f32, to the direct sums in f64. */
static void add_channel(int n, const double w[3][3], const float *x, float *product, double *want)
{
    float u[36], v[36];
    int size = n + 2;
    memcpy(v, x, sizeof v);
    nnc_winograd_weights(n, w, u, 1);
    numbers(transform_of(n)->bt, size, size, v);
    for (int f = 0; f < size * size; f++)
        product[f] += u[f] * v[f];
    for (int p = 0; p < n * n; p++)
        for (int k = 0; k < 9; k++)
            want[p] += w[k / 3][k % 3] * (double)x[(p / n + k / 3) * size + p % n + k % 3];
}

double nnc_winograd_error(int n, const nnc_winograd_kernel *k, int64_t o)
{
    double off = 0, scale = 0;
    for (uint32_t tile = 0; tile < 4; tile++) {
        float product[36] = {0}, x[36];
        double want[16] = {0}, w[3][3];
        for (int64_t i = 0; i < k->i; i++) {
            nnc_winograd_read(k, i, o, w);
            random_tile((uint32_t)i, tile, x);
            add_channel(n, w, x, product, want);
        }
        numbers(transform_of(n)->at, n, n + 2, product);
        for (int p = 0; p < n * n; p++) {
            off = fmax(off, fabs((double)product[p] - want[p]));
            scale = fmax(scale, fabs(want[p]));
        }
    }
    return scale > 0 ? off / scale : 0;
}

/* ---- code ---- */

static nnc_value scaled(nnc_builder *b, double c, nnc_value v)
{
    nnc_type f32 = nnc_type_scalar(b->m, NNC_DT_f32, 1);
    return c == 1 ? v : nnc_k_binary(b, NNC_OP_mul, v, nnc_const_float(b->m, f32, c));
}

/* sum + c * v */
static nnc_value plus(nnc_builder *b, nnc_value sum, double c, nnc_value v)
{
    if (c == 0)
        return sum;
    if (!sum.id)
        return scaled(b, c, v);
    nnc_opcode code = c < 0 ? NNC_OP_sub : NNC_OP_add;
    return nnc_k_binary(b, code, sum, scaled(b, c < 0 ? -c : c, v));
}

static nnc_value input_row(nnc_builder *b, const double *row, int size, const nnc_value *x)
{
    nnc_value part[2] = {{0}, {0}};
    double sign[2] = {0, 0};
    for (int k = size - 1; k >= 0; k--) /* the last coefficient is the simplest */
        if (row[k] != 0) {
            int odd = k & 1;
            sign[odd] = sign[odd] != 0 ? sign[odd] : row[k] < 0 ? -1 : 1;
            part[odd] = plus(b, part[odd], row[k] * sign[odd], x[k]);
        }
    if (!part[0].id || !part[1].id)
        return scaled(b, part[0].id ? sign[0] : sign[1], part[0].id ? part[0] : part[1]);
    if (sign[0] < 0)
        return plus(b, part[1], sign[0], part[0]);
    return plus(b, part[0], sign[1], part[1]);
}

static nnc_value output_row(nnc_builder *b, const double *row, int size, const nnc_value *x)
{
    nnc_value sum = plus(b, (nnc_value){0}, row[0], x[0]);
    for (int k = 1; k + 1 < size; k += 2) {
        nnc_opcode code = row[k + 1] < 0 ? NNC_OP_sub : NNC_OP_add;
        sum = plus(b, sum, row[k], nnc_k_binary(b, code, x[k], x[k + 1]));
    }
    return plus(b, sum, row[size - 1], x[size - 1]);
}

typedef nnc_value (*row_fn)(nnc_builder *b, const double *row, int size, const nnc_value *x);

/* v, size x size, becomes M v M' with M of `rows` rows. */
static void both_sides(nnc_builder *b, row_fn fn, const double (*m)[6], int rows, int size,
                       nnc_value *v)
{
    nnc_value half[6 * 6], line[6];
    for (int x = 0; x < size; x++) {
        for (int y = 0; y < size; y++)
            line[y] = v[y * size + x];
        for (int r = 0; r < rows; r++)
            half[r * size + x] = fn(b, m[r], size, line);
    }
    for (int r = 0; r < rows; r++)
        for (int q = 0; q < rows; q++)
            v[r * rows + q] = fn(b, m[q], size, half + r * size);
}

void nnc_winograd_input(nnc_builder *b, int n, nnc_value *v)
{
    both_sides(b, input_row, transform_of(n)->bt, n + 2, n + 2, v);
}

void nnc_winograd_output(nnc_builder *b, int n, nnc_value *v)
{
    both_sides(b, output_row, transform_of(n)->at, n, n + 2, v);
}
