/* The generator against the vectors published with it (Random123, kat_vectors), draws and keys against the generator. */
#include <math.h>
#include "ir/build.h"
#include "ir/eval.h"
#include "ir/interp.h"
#include "ir/philox.h"
#include "tests/ir/ir_test.h"

static const struct vector {
    uint32_t counter[4], key[2], words[4];
} vectors[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};
enum { VECTORS = sizeof vectors / sizeof vectors[0] };

static void generator(void)
{
    for (int i = 0; i < VECTORS; i++) {
        uint32_t words[4];
        nnc_philox(vectors[i].counter, vectors[i].key, words);
        CHECK_INT(memcmp(words, vectors[i].words, sizeof words), 0);
    }
}

/* The only graph of a text on u32 inputs of shape dim[]; the yielded words from malloc. */
static uint32_t *run(const char *text, int rank, const int64_t *dim, const uint32_t *key,
                     int64_t *count)
{
    nnc_status st;
    ir_test *t = ir_read(text, &st);
    nnc_tensor in = {.dtype = NNC_DT_u32, .rank = rank, .data = (void *)(uintptr_t)key}, out;
    uint32_t *words = NULL;

    memcpy(in.dim, dim, (size_t)rank * sizeof *dim);
    if (st == NNC_OK && nnc_verify(t->m) == NNC_OK &&
        nnc_interp_graph(t->m, nnc_func_entry(t->m, NNC_OP_graph), t->a, 1, &in, 1, &out) ==
            NNC_OK) {
        words = malloc(nnc_tensor_bytes(&out) + 1);
        memcpy(words, out.data, nnc_tensor_bytes(&out));
        *count = nnc_tensor_count(&out);
    } else {
        printf("%s\n", t->said);
    }
    ir_free(t);
    return words;
}

/* A fold is the published block whose counter is (site, i1, i2, domain). */
static void fold_of_two(void)
{
    const int64_t dim[1] = {2};
    char text[512];

    for (int i = 0; i < VECTORS; i++) {
        const struct vector *v = &vectors[i];
        int64_t n = 0;
        snprintf(text, sizeof text,
                 "graph @f (%%k: u32[2]) {\n  %%y = fold_key %%k, %u:i64, %u:i64 [site=%u, "
                 "domain=%u] : u32[2]\n  yield %%y\n}\n",
                 v->counter[1], v->counter[2], v->counter[0], v->counter[3]);
        uint32_t *words = run(text, 1, dim, v->key, &n);
        REQUIRE(words && n == 2);
        CHECK_INT(words[0], v->words[0]);
        CHECK_INT(words[1], v->words[1]);
        free(words);
    }
}

/* Keys and indices broadcast, and three indices are a fold of a fold. */
static void fold_of_three(void)
{
    const uint32_t keys[4] = {1, 2, 3, 4};
    const int64_t dim[2] = {2, 2};
    int64_t n = 0;
    uint32_t *words = run("graph @f (%k: u32[2,2]) {\n"
                          "  %i = const [values=[-1, 0, 4294967299]] : i64[3]\n"
                          "  %j = reshape %i : i64[3,1]\n"
                          "  %y = fold_key %k, %j, 5:i64, %j [site=9, domain=196609] : u32[3,2,2]\n"
                          "  yield %y\n}\n",
                          2, dim, keys, &n);
    static const uint32_t low[3] = {0xffffffff, 0, 3};

    REQUIRE(words && n == 12);
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 2; k++) {
            const uint32_t first[4] = {9, low[i], 5, 196609}, second[4] = {9, low[i], 0, 196609};
            uint32_t r[4], q[4];
            nnc_philox(first, keys + 2 * k, r);
            nnc_philox(second, r, q);
            CHECK_INT(words[4 * i + 2 * k], q[0]);
            CHECK_INT(words[4 * i + 2 * k + 1], q[1]);
        }
    free(words);
}

static void draws_of_a_batch(void)
{
    const uint32_t keys[4] = {11, 12, 13, 14};
    const int64_t dim[2] = {2, 2};
    int64_t n = 0;
    uint32_t *words =
        run("graph @f (%k: u32[2,2]) {\n  %y = rng_bits %k : u32[2,3,3]\n  yield %y\n}\n", 2, dim,
            keys, &n);

    REQUIRE(words && n == 18);
    for (uint32_t row = 0; row < 2; row++)
        for (uint32_t i = 0; i < 9; i++) {
            const uint32_t counter[4] = {i / 4, 0, 0, 0};
            uint32_t r[4];
            nnc_philox(counter, keys + 2 * row, r);
            CHECK_INT(words[9 * row + i], r[i % 4]);
        }
    free(words);
}

/* ---- distributions: a graph of one draw, run for one key ---- */
enum { DRAWS = 100003 };
typedef enum { UNIFORM, NORMAL, BERNOULLI, RANDINT, PERMUTATION, CATEGORICAL } draw_kind;

static nnc_value draw(nnc_builder *b, nnc_value key, draw_kind kind, nnc_dtype dt, nnc_dim n)
{
    static const double logits[] = {0, 1, -2};
    nnc_dim three = 3;
    switch (kind) {
    case UNIFORM: return nnc_g_uniform(b, key, dt, 1, &n);
    case NORMAL: return nnc_g_normal(b, key, dt, 1, &n);
    case BERNOULLI: return nnc_g_bernoulli(b, key, nnc_g_float(b, dt, 0.25), 1, &n);
    case RANDINT:
        return nnc_g_randint(b, key, nnc_g_int(b, NNC_DT_i64, -2), nnc_g_int(b, NNC_DT_i64, 5), 1,
                             &n);
    case PERMUTATION: return nnc_g_permutation(b, key, n);
    default:
        return nnc_g_categorical(
            b, key, nnc_g_cast(b, nnc_g_const_data(b, NNC_DT_f64, 1, &three, logits), dt), 1, &n);
    }
}

static ir_test *drawn(draw_kind kind, nnc_dtype dt, nnc_dim n, nnc_tensor *out)
{
    static const uint32_t key[2] = {0xdeadbeef, 42};
    ir_test *t = ir_new();
    nnc_op g = nnc_build_func(t->m, NNC_OP_graph, "f", true, (nnc_loc){0});
    nnc_block block = nnc_op_region(t->m, g, 0);
    nnc_dim two = 2;
    nnc_value k = nnc_block_add_arg(t->m, block, nnc_type_tensor(t->m, NNC_DT_u32, 1, &two), "k");
    nnc_builder b = nnc_builder_at_end(t->m, block);
    nnc_value y = draw(&b, k, kind, dt, n);
    nnc_tensor in = {.dtype = NNC_DT_u32, .rank = 1, .dim = {2}, .data = (void *)(uintptr_t)key};
    nnc_build_yield(&b, 1, &y);
    if (!test_true(nnc_verify(t->m) == NNC_OK &&
                       nnc_interp_graph(t->m, g, t->a, 1, &in, 1, out) == NNC_OK,
                   "a graph that runs", __FILE__, __LINE__)) {
        printf("%s\n", t->said);
        exit(1);
    }
    return t;
}

static double number(const nnc_tensor *t, int64_t i)
{
    nnc_num v =
        nnc_num_load(t->dtype, (const char *)t->data + (size_t)i * nnc_dtype_bytes(t->dtype));
    return nnc_dtype_is_float(t->dtype) ? v.f : (double)v.i;
}

/* Mean of (x - centre)^power. */
static double moment(const nnc_tensor *t, double centre, int power)
{
    double sum = 0;
    for (int64_t i = 0; i < nnc_tensor_count(t); i++)
        sum += pow(number(t, i) - centre, power);
    return sum / (double)nnc_tensor_count(t);
}

/* Exactly the promised bits. */
static void uniform_floats(void)
{
    static const struct {
        nnc_dtype dt;
        int bits;
    } kinds[] = {{NNC_DT_f32, 24}, {NNC_DT_f64, 53}, {NNC_DT_f16, 11}, {NNC_DT_bf16, 8}};
    static const uint32_t key[2] = {0xdeadbeef, 42};

    for (int k = 0; k < 4; k++) {
        nnc_tensor y;
        ir_test *t = drawn(UNIFORM, kinds[k].dt, 1003, &y);
        for (uint32_t i = 0; i < 1003; i++) {
            bool wide = kinds[k].dt == NNC_DT_f64;
            uint32_t first = wide ? 2 * i : i, r[4];
            const uint32_t counter[4] = {first / 4, 0, 0, 0};
            nnc_philox(counter, key, r);
            uint64_t word = (uint64_t)r[first % 4] << 32 | (wide ? r[first % 4 + 1] : 0);
            double want = ldexp((double)(word >> (64 - kinds[k].bits)), -kinds[k].bits);
            CHECK_NEAR(number(&y, i), want, 0);
        }
        CHECK_NEAR(moment(&y, 0, 1), 0.5, 0.03);
        ir_free(t);
    }
}

/* The tail beyond a draw is the tail that its bits ask for, and the moments are those of the distribution. */
static void normal_floats(void)
{
    static const nnc_dtype dts[] = {NNC_DT_f32, NNC_DT_f64};
    static const uint32_t key[2] = {0xdeadbeef, 42};

    for (int k = 0; k < 2; k++) {
        nnc_tensor y;
        ir_test *t = drawn(NORMAL, dts[k], DRAWS, &y);
        bool wide = k == 1;
        double worst = 0;
        for (uint32_t i = 0; i < DRAWS; i++) {
            uint32_t first = wide ? 2 * i : i, r[4];
            const uint32_t counter[4] = {first / 4, 0, 0, 0};
            nnc_philox(counter, key, r);
            uint64_t word = (uint64_t)r[first % 4] << 32 | (wide ? r[first % 4 + 1] : 0);
            int bits = wide ? 53 : 24;
            double x = ldexp(
                (double)(2 * (int64_t)(word >> (64 - bits)) + 1 - (INT64_C(1) << bits)), -bits);
            double z = number(&y, i), error = fabs(erfc(fabs(z) / sqrt(2)) / (1 - fabs(x)) - 1);
            worst = error > worst ? error : worst;
            if (z != 0 && (z < 0) != (x < 0))
                worst = INFINITY;
        }
        CHECK_NEAR(worst, 0, wide ? 1e-12 : 1e-5);
        CHECK_NEAR(moment(&y, 0, 1), 0, 0.012);
        CHECK_NEAR(moment(&y, 0, 2), 1, 0.018);
        CHECK_NEAR(moment(&y, 0, 3), 0, 0.05);
        CHECK_NEAR(moment(&y, 0, 4), 3, 0.15);
        ir_free(t);
    }
}

static void frequencies(draw_kind kind, nnc_dtype dt, int lo, int n, const double *want)
{
    nnc_tensor y;
    ir_test *t = drawn(kind, dt, DRAWS, &y);
    int64_t count[8] = {0};
    bool inside = true;

    for (int64_t i = 0; i < DRAWS; i++) {
        int v = (int)number(&y, i) - lo;
        inside &= v >= 0 && v < n;
        count[v & 7]++;
    }
    CHECK(inside);
    for (int v = 0; v < n; v++) /* four deviations */
        CHECK_NEAR((double)count[v] / DRAWS, want[v], 4 * sqrt(want[v] * (1 - want[v]) / DRAWS));
    ir_free(t);
}

static void classes(void)
{
    static const double quarter[] = {0.75, 0.25},
                        seventh[] = {1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0};
    double total = 1 + exp(1) + exp(-2), soft[] = {1 / total, exp(1) / total, exp(-2) / total};

    frequencies(BERNOULLI, NNC_DT_f32, 0, 2, quarter);
    frequencies(BERNOULLI, NNC_DT_f64, 0, 2, quarter);
    frequencies(RANDINT, NNC_DT_f32, -2, 7, seventh);
    frequencies(CATEGORICAL, NNC_DT_f32, 0, 3, soft);
    frequencies(CATEGORICAL, NNC_DT_f64, 0, 3, soft);
}

static void permutations(void)
{
    nnc_tensor y;
    ir_test *t = drawn(PERMUTATION, NNC_DT_f32, 1000, &y);
    char seen[1000] = {0};
    int fixed = 0, distinct = 0;

    for (int64_t i = 0; i < 1000; i++) {
        int v = (int)number(&y, i);
        fixed += v == i;
        distinct += v >= 0 && v < 1000 && !seen[v]++;
    }
    CHECK_INT(distinct, 1000);
    CHECK(fixed < 8);
    ir_free(t);
}

int main(void)
{
    RUN(generator);
    RUN(fold_of_two);
    RUN(fold_of_three);
    RUN(draws_of_a_batch);
    RUN(uniform_floats);
    RUN(normal_floats);
    RUN(classes);
    RUN(permutations);
    return test_end();
}
