/* The generator against the vectors published with it (Random123, kat_vectors), draws and keys against the generator. */
#include "ir/build.h"
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

int main(void)
{
    RUN(generator);
    RUN(fold_of_two);
    RUN(fold_of_three);
    RUN(draws_of_a_batch);
    return test_end();
}
