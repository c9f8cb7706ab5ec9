/* How numbers, columns and tensors look. */
#include "runtime/format.h"
#include "runtime/host.h"
#include "tests/test.h"

static nnp_text text;

static const char *show(const char *spec, const nnp_value *v, const void *data, const size_t *dim)
{
    void *const all[] = {(void *)(uintptr_t)data};
    const size_t *const dims[] = {dim};
    nnp_view w = nnp_view_of(v, all, dims);
    nnp_text_clear(&text);
    nnp_tensor_put(spec, &w, 0, &text);
    return nnp_text_str(&text);
}

static const char *one(const char *spec, nnp_dtype d, const void *data)
{
    nnp_value v = {.dtype = d};
    return show(spec, &v, data, NULL);
}

static void scalars(void)
{
    double pi = 3.14159265358979, third = 1.0 / 3, big = 1e22, nan = NAN, inf = -INFINITY;
    float tenth = 0.1f;
    int32_t n = -42;
    int64_t wide = INT64_MIN;
    uint64_t most = UINT64_MAX;
    uint8_t yes = 1;
    uint16_t half = 0x3555, brain = 0x3f80, tiny = 1;
    CHECK_STR(one("", NNP_F64, &third), "0.3333333333333333");
    CHECK_STR(one("", NNP_F32, &tenth), "0.1");
    CHECK_STR(one(".3f", NNP_F64, &pi), "3.142");
    CHECK_STR(one("8.2f", NNP_F64, &pi), "    3.14");
    CHECK_STR(one("<8.2f", NNP_F64, &pi), "3.14    ");
    CHECK_STR(one("^8.2f", NNP_F64, &pi), "  3.14  ");
    CHECK_STR(one("+.1f", NNP_F64, &pi), "+3.1");
    CHECK_STR(one(".2e", NNP_F64, &big), "1.00e+22");
    CHECK_STR(one(".1%", NNP_F64, &third), "33.3%");
    CHECK_STR(one(".3", NNP_F64, &pi), "3.14");
    CHECK_STR(one("5d", NNP_I32, &n), "  -42");
    CHECK_STR(one("05d", NNP_I32, &n), "-0042");
    CHECK_STR(one("", NNP_I64, &wide), "-9223372036854775808");
    CHECK_STR(one("", NNP_U64, &most), "18446744073709551615");
    CHECK_STR(one("x", NNP_U64, &most), "ffffffffffffffff");
    CHECK_STR(one("b", NNP_U8, &yes), "1");
    CHECK_STR(one("", NNP_BOOL, &yes), "true");
    CHECK_STR(one("6", NNP_BOOL, &yes), "true  ");
    CHECK_STR(one("", NNP_F64, &nan), "nan");
    CHECK_STR(one(".2f", NNP_F64, &inf), "-inf");
    CHECK_STR(one("", NNP_F16, &half), "0.3333");
    CHECK_STR(one("", NNP_BF16, &brain), "1");
    CHECK_STR(one(".4g", NNP_F16, &tiny), "5.96e-08");
}

static void specs_are_checked(void)
{
    static const char *const good[] = {"", ".3f", "5d", "-8", "+.2e", ">10.1%", "08b", "^5s"};
    static const char *const bad[] = {"f3", ".f", "3.", "q", "5dd", "9999d", "{}"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(nnp_spec_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!nnp_spec_valid(bad[i]));
}

static void tensors(void)
{
    double m[4] = {1, 2.5, -30, 4.25}, wild[2] = {1e-9, 1000};
    int32_t n[3] = {1, 20, 300};
    size_t two[] = {2, 2}, three[] = {3}, one_two[] = {2}, cube[] = {2, 1, 2}, empty[] = {0};
    CHECK_STR(show("", &(nnp_value){.dtype = NNP_F64, .rank = 2}, m, two),
              "[[  1.00   2.50]\n [-30.00   4.25]]");
    CHECK_STR(show("", &(nnp_value){.dtype = NNP_F64, .rank = 3}, m, cube),
              "[[[  1.00   2.50]]\n\n [[-30.00   4.25]]]");
    CHECK_STR(show("", &(nnp_value){.dtype = NNP_I32, .rank = 1}, n, three), "[  1  20 300]");
    CHECK_STR(show("", &(nnp_value){.dtype = NNP_F64, .rank = 1}, wild, one_two), "[1e-09  1000]");
    CHECK_STR(show(".1f", &(nnp_value){.dtype = NNP_F64, .rank = 1}, m, one_two), "[1.0 2.5]");
    CHECK_STR(show("", &(nnp_value){.dtype = NNP_F64, .rank = 1}, m, empty), "[]");
}

static void long_tensors_show_their_ends(void)
{
    static float x[5000];
    size_t dim[] = {5000};
    for (int i = 0; i < 5000; i++)
        x[i] = (float)i;
    CHECK_STR(show("", &(nnp_value){.dtype = NNP_F32, .rank = 1}, x, dim),
              "[   0    1    2 ... 4997 4998 4999]");
}

static void words_of_a_table(void)
{
    static const char *const words[] = {"plain", "adam"};
    int32_t id[3] = {1, 0, 7};
    size_t dim[] = {3};
    nnp_value v = {.dtype = NNP_STR, .rank = 1, .strings = words, .nstring = 2};
    CHECK_STR(show("", &v, id, dim), "[ adam plain     ?]");
}

static void small_helpers(void)
{
    nnp_text t = {0};
    nnp_text_slug(&t, "Test loss, lr 3e-4 (β)");
    CHECK_STR(t.at, "test-loss-lr-3e-4");
    nnp_text_clear(&t);
    nnp_text_slug(&t, "../..");
    CHECK_STR(t.at, "untitled"); /* never a path */
    nnp_text_clear(&t);
    nnp_text_slug(&t, "???");
    CHECK_STR(t.at, "untitled");
    nnp_text_clear(&t);
    nnp_text_csv(&t, "a,\"b\"");
    CHECK_STR(t.at, "\"a,\"\"b\"\"\"");
    nnp_text_clear(&t);
    nnp_text_json(&t, "a\"\\\n\x01é");
    CHECK_STR(t.at, "\"a\\\"\\\\\\u000a\\u0001é\"");
    CHECK_INT(nnp_text_width("\033[1mé√\033[0m!"), 3);
    nnp_text_free(&t);
}

int main(void)
{
    RUN(scalars);
    RUN(specs_are_checked);
    RUN(tensors);
    RUN(long_tensors_show_their_ends);
    RUN(words_of_a_table);
    RUN(small_helpers);
    nnp_text_free(&text);
    return test_end();
}
