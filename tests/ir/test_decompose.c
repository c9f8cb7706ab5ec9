/* Composites as primitives: each runs in the interpreter and is compared with its formula written in plain C. */
#include "ir/build.h"
#include "ir/decompose.h"
#include "ir/eval.h"
#include "ir/interp.h"
#include "tests/ir/ir_test.h"

/* A graph with parameters of the given types under construction. */
typedef struct setup {
    ir_test *t;
    nnc_op f;
    nnc_builder b;
    nnc_value in[3];
    nnc_tensor data[3];
    unsigned n;
} setup;

static setup begin(void)
{
    setup s = {.t = ir_new()};
    s.f = nnc_build_func(s.t->m, NNC_OP_graph, "f", true, (nnc_loc){0});
    s.b = nnc_builder_at_end(s.t->m, nnc_op_region(s.t->m, s.f, 0));
    return s;
}

static nnc_value par(setup *s, nnc_dtype dt, int rank, const int64_t *dim, const double *v)
{
    nnc_tensor t = nnc_tensor_new(s->t->a, dt, rank, dim);
    size_t bytes = nnc_dtype_bytes(dt);
    for (int64_t i = 0; i < nnc_tensor_count(&t); i++)
        nnc_num_store(dt, (char *)t.data + (size_t)i * bytes, (nnc_num){v[i], (int64_t)v[i]});
    s->data[s->n] = t;
    s->in[s->n] =
        nnc_block_add_arg(s->t->m, s->b.pos.block, nnc_type_tensor(s->t->m, dt, rank, dim), "p");
    return s->in[s->n++];
}

/* Replace composite y by its definition, run, and hand out the numbers. */
static int run(setup *s, nnc_value y, double *out)
{
    nnc_module *m = s->t->m;
    nnc_value in[3], res;
    nnc_op op = nnc_value_op(m, y);
    nnc_tensor result = {0};
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        in[i] = nnc_op_in(m, op, i);
    nnc_decompose(&s->b, op, in, &res);
    CHECK_STR(nnc_print_type(m, nnc_value_type(m, res)), nnc_print_type(m, nnc_value_type(m, y)));
    for (nnc_op x = nnc_block_first(m, s->b.pos.block); x.id; x = nnc_op_next(m, x))
        CHECK(x.id == op.id || !nnc_op_has(m, x, NNC_COMPOSITE)); /* only primitives */
    nnc_op_erase(m, op);
    nnc_build_yield(&s->b, 1, &res);
    CHECK_INT(nnc_verify(m), NNC_OK);
    CHECK_INT(nnc_interp_graph(m, s->f, s->t->a, s->n, s->data, 1, &result), NNC_OK);
    CHECK_STR(s->t->said, "");
    int n = result.data ? (int)nnc_tensor_count(&result) : 0;
    for (int i = 0; i < n; i++) {
        nnc_num v = nnc_num_load(result.dtype,
                                 (char *)result.data + (size_t)i * nnc_dtype_bytes(result.dtype));
        out[i] = nnc_dtype_is_float(result.dtype) ? v.f : (double)v.i;
    }
    return n;
}

static const double row[6] = {0.5, -2.0, 3.0, 100.0, 99.0, -100.0};
static const int64_t two_by_three[2] = {2, 3};

static void softmax_of_rows(void)
{
    for (int log = 0; log < 2; log++) {
        setup s = begin();
        double y[6];
        nnc_value x = par(&s, NNC_DT_f32, 2, two_by_three, row);
        CHECK_INT(run(&s, nnc_g_softmax(&s.b, x, 1, log), y), 6);
        for (int i = 0; i < 6; i++) {
            const double *r = row + i / 3 * 3;
            double top = fmax(r[0], fmax(r[1], r[2])),
                   sum = exp(r[0] - top) + exp(r[1] - top) + exp(r[2] - top);
            CHECK_NEAR(y[i], log ? row[i] - top - log1p(sum - 1) : exp(row[i] - top) / sum, 1e-6);
        }
        ir_free(s.t);
    }
}

static void layer_norm_over_the_last_dims(void)
{
    for (int axis = 0; axis < 2; axis++) {
        setup s = begin();
        double y[6];
        int n = axis ? 3 : 6;
        nnc_value x = par(&s, NNC_DT_f32, 2, two_by_three, row);
        CHECK_INT(run(&s, nnc_g_layer_norm(&s.b, x, axis, 0.01), y), 6);
        for (int i = 0; i < 6; i++) {
            const double *r = row + i / n * n;
            double mean = 0, var = 0;
            for (int k = 0; k < n; k++)
                mean += r[k] / n;
            for (int k = 0; k < n; k++)
                var += (r[k] - mean) * (r[k] - mean) / n;
            CHECK_NEAR(y[i], (row[i] - mean) / sqrt(var + 0.01), 1e-5);
        }
        ir_free(s.t);
    }
}

static double half(double v)
{
    return (double)nnc_f16_to_f32(nnc_f32_to_f16((float)v));
}

/* f16: softmax rounds after each step, gelu once at the end. */
static void half_floats(void)
{
    setup s = begin();
    double y[6];
    nnc_value x = par(&s, NNC_DT_f16, 2, two_by_three, row);
    run(&s, nnc_g_softmax(&s.b, x, 1, false), y);
    double e[3] = {half(exp(-2.5)), half(exp(-5.0)), 1.0};
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(y[i], half(e[i] / half(e[0] + e[1] + e[2])), 0);
    ir_free(s.t);
    s = begin();
    x = par(&s, NNC_DT_f16, 2, two_by_three, row);
    run(&s, nnc_g_unary(&s.b, NNC_OP_gelu, x), y);
    for (int i = 0; i < 3; i++)
        CHECK_NEAR(y[i], half(0.5 * row[i] * (1 + erf(row[i] / sqrt(2)))), 0);
    ir_free(s.t);
}

static void gelu_and_softplus(void)
{
    for (int form = 0; form < 3; form++) {
        setup s = begin();
        double y[6];
        nnc_value x = par(&s, NNC_DT_f32, 2, two_by_three, row),
                  v = nnc_g_unary(&s.b, form == 2 ? NNC_OP_softplus : NNC_OP_gelu, x);
        if (form == 1)
            nnc_attr_set_int(s.t->m, nnc_value_op(s.t->m, v), NNC_W_approx, 1);
        CHECK_INT(run(&s, v, y), 6);
        for (int i = 0; i < 6; i++) {
            double r = row[i], t = tanh(sqrt(2 / 3.14159265358979) * (r + 0.044715 * r * r * r));
            double want = form == 0   ? 0.5 * r * (1 + erf(r / sqrt(2)))
                          : form == 1 ? 0.5 * r * (1 + t)
                          : r > 50    ? r
                                      : log1p(exp(r));
            CHECK_NEAR(y[i], want, 1e-6);
        }
        ir_free(s.t);
    }
}

/* ---- quantisation ---- */

static const struct {
    nnc_dtype dt;
    double lo, hi;
} targets[] = {
    {NNC_DT_i8, -128, 127}, {NNC_DT_u8, 0, 255}, {NNC_DT_i16, -32768, 32767},
    {NNC_DT_u16, 0, 65535}, {NNC_DT_i4, -8, 7},  {NNC_DT_u4, 0, 15},
    {NNC_DT_i2, -2, 1},     {NNC_DT_u2, 0, 3},
};

static void quantize_rounds_half_to_even_and_saturates(void)
{
    static const double v[12] = {0,   0.25, 0.75, 1.25,     -0.25,     -0.75,
                                 2.5, 1e9,  -1e9, INFINITY, -INFINITY, 12.0};
    const int64_t n = 12;
    for (size_t k = 0; k < sizeof targets / sizeof targets[0]; k++) {
        setup s = begin();
        double y[12], scale = 0.5, zero = targets[k].lo < 0 ? -1 : 1;
        nnc_value x = par(&s, NNC_DT_f32, 1, &n, v), sc = par(&s, NNC_DT_f32, 0, NULL, &scale),
                  z = par(&s, targets[k].dt, 0, NULL, &zero);
        CHECK_INT(run(&s, nnc_g_quantize(&s.b, x, sc, z, 0, 0, true), y), 12);
        for (int i = 0; i < 12; i++)
            CHECK_NEAR(y[i], fmin(targets[k].hi, fmax(targets[k].lo, rint(v[i] / 0.5) + zero)), 0);
        ir_free(s.t);
    }
}

/* The numbers of one scale per entry, given along an axis or in blocks. */
static void quantize_with(int rank, const int64_t *dim, int axis, int64_t block, const int *which)
{
    static const double v[12] = {1, -1, 2, 5, 3, 7, -6, 9, 10, 11, -12, 0.3},
                        scale[4] = {0.1, 1, 3, 0.25}, zero[4] = {3, -5, 0, 100};
    const int64_t shape[2] = {3, 4};
    setup s = begin();
    double y[12], back[12];
    nnc_value x = par(&s, NNC_DT_f32, 2, shape, v), sc = par(&s, NNC_DT_f32, rank, dim, scale),
              z = par(&s, NNC_DT_i8, rank, dim, zero);
    CHECK_INT(run(&s, nnc_g_quantize(&s.b, x, sc, z, axis, block, true), y), 12);
    ir_free(s.t);
    for (int i = 0; i < 12; i++)
        CHECK_NEAR(
            y[i],
            fmin(127, fmax(-128, rint((float)v[i] / (float)scale[which[i]]) + zero[which[i]])), 0);
    s = begin();
    nnc_value q = par(&s, NNC_DT_i8, 2, shape, y);
    sc = par(&s, NNC_DT_f32, rank, dim, scale);
    z = par(&s, NNC_DT_i8, rank, dim, zero);
    CHECK_INT(run(&s, nnc_g_dequantize(&s.b, q, sc, z, axis, block), back), 12);
    for (int i = 0; i < 12; i++)
        CHECK_NEAR(back[i], (float)(y[i] - zero[which[i]]) * (float)scale[which[i]], 0);
    ir_free(s.t);
}

static void scales_per_axis_and_in_blocks(void)
{
    static const int rows[12] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2},
                     cols[12] = {0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3};
    static const int blocks[12] = {0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1};
    const int64_t three = 3, four = 4;
    quantize_with(1, &three, 0, 0, rows);
    quantize_with(1, &four, 1, 0, cols);
    /* blocks of 3 along 4 columns: the last is short; one row of scales per row would be 3x2, here rows share by value */
    static const double v[12] = {1, -1, 2, 5, 3, 7, -6, 9, 10, 11, -12, 0.3},
                        scale[6] = {0.1, 3, 0.1, 3, 0.1, 3}, zero[6] = {3, 0, 3, 0, 3, 0};
    const int64_t shape[2] = {3, 4}, sdim[2] = {3, 2};
    setup s = begin();
    double y[12];
    nnc_value x = par(&s, NNC_DT_f32, 2, shape, v), sc = par(&s, NNC_DT_f32, 2, sdim, scale),
              z = par(&s, NNC_DT_u8, 2, sdim, zero);
    CHECK_INT(run(&s, nnc_g_quantize(&s.b, x, sc, z, 1, 3, true), y), 12);
    for (int i = 0; i < 12; i++)
        CHECK_NEAR(
            y[i], fmin(255, fmax(0, rint((float)v[i] / (float)scale[blocks[i]]) + zero[blocks[i]])),
            0);
    ir_free(s.t);
}

/* Half scales: divided in half, multiplied in f32 and rounded once. */
static void half_scales(void)
{
    static const double v[4] = {0.7, 10.3, -3.14, 100};
    const int64_t n = 4;
    double scale = 0.0373, zero = -3, y[4], back[4];
    float fs = nnc_f16_to_f32(nnc_f32_to_f16((float)scale));
    setup s = begin();
    nnc_value x = par(&s, NNC_DT_f16, 1, &n, v), sc = par(&s, NNC_DT_f16, 0, NULL, &scale),
              z = par(&s, NNC_DT_i8, 0, NULL, &zero);
    run(&s, nnc_g_quantize(&s.b, x, sc, z, 0, 0, true), y);
    ir_free(s.t);
    for (int i = 0; i < 4; i++) {
        float q = nnc_f16_to_f32(nnc_f32_to_f16(nnc_f16_to_f32(nnc_f32_to_f16((float)v[i])) / fs));
        CHECK_NEAR(y[i], fmin(127, fmax(-128, (double)rintf(q) + zero)), 0);
    }
    s = begin();
    nnc_value qv = par(&s, NNC_DT_i8, 1, &n, y);
    sc = par(&s, NNC_DT_f16, 0, NULL, &scale);
    z = par(&s, NNC_DT_i8, 0, NULL, &zero);
    run(&s, nnc_g_dequantize(&s.b, qv, sc, z, 0, 0), back);
    for (int i = 0; i < 4; i++)
        CHECK_NEAR(back[i], (double)nnc_f16_to_f32(nnc_f32_to_f16((float)(y[i] - zero) * fs)), 0);
    ir_free(s.t);
}

static void small_float_targets(void)
{
    static const double v[5] = {0.3, -7.7, 1000, -1e6, 0};
    const int64_t n = 5;
    for (int saturate = 0; saturate < 2; saturate++) {
        setup s = begin();
        double y[5], scale = 2, zero = 0;
        nnc_value x = par(&s, NNC_DT_f32, 1, &n, v), sc = par(&s, NNC_DT_f32, 0, NULL, &scale),
                  z = par(&s, NNC_DT_f8e4m3fn, 0, NULL, &zero);
        run(&s, nnc_g_quantize(&s.b, x, sc, z, 0, 0, saturate), y);
        for (int i = 0; i < 5; i++) {
            uint8_t want = nnc_f32_to_f8(NNC_DT_f8e4m3fn, (float)v[i] / 2, saturate, NNC_W_none);
            CHECK_NEAR(y[i], (double)nnc_f8_to_f32(NNC_DT_f8e4m3fn, want), 0);
        }
        ir_free(s.t);
    }
}

/* i32 minus zero may leave 32 bits. */
static void dequantize_of_wide_integers(void)
{
    static const double v[2] = {2147483647.0, -2147483648.0};
    const int64_t n = 2;
    double scale = 0.5, zero = -2147483648.0, y[2];
    setup s = begin();
    nnc_value q = par(&s, NNC_DT_i32, 1, &n, v), sc = par(&s, NNC_DT_f32, 0, NULL, &scale),
              z = par(&s, NNC_DT_i32, 0, NULL, &zero);
    run(&s, nnc_g_dequantize(&s.b, q, sc, z, 0, 0), y);
    CHECK_NEAR(y[0], 2147483648.0, 0);
    CHECK_NEAR(y[1], 0.0, 0);
    ir_free(s.t);
}

int main(void)
{
    RUN(softmax_of_rows);
    RUN(layer_norm_over_the_last_dims);
    RUN(half_floats);
    RUN(gelu_and_softplus);
    RUN(quantize_rounds_half_to_even_and_saturates);
    RUN(scales_per_axis_and_in_blocks);
    RUN(half_scales);
    RUN(small_float_targets);
    RUN(dequantize_of_wide_integers);
    return test_end();
}
