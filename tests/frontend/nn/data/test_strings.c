/* Functions of the language on tensors of strings. */
#include "frontend/nn/data/strings.h"
#include "tests/test.h"

static nn_pool pool_new(void)
{
    nnc_arena *a = nnc_arena_new();
    return (nn_pool){a, nnc_intern_new(a)};
}

static nn_strings of(const nn_pool *p, int64_t n, const char *const *text)
{
    nnc_sym *to;
    nn_strings s = nn_strings_new(p, 1, &n, &to);
    for (int64_t i = 0; i < n; i++)
        to[i] = nnc_intern_put(p->names, text[i], strlen(text[i]));
    return s;
}

static void splitting_and_joining(void)
{
    nn_pool p = pool_new();
    nn_strings s = of(&p, 4, (const char *const[]){"a b c", "", "x", " y"}), item;
    nnc_tensor count;
    REQUIRE(nn_strings_split(&p, &s, " ", 2, &item, &count));
    const int32_t want[] = {2, 0, 1, 2};
    const char *const pieces[] = {"a", "b", "", "", "x", "", "", "y"};
    for (int i = 0; i < 4; i++)
        CHECK_INT(((int32_t *)count.data)[i], want[i]);
    for (int i = 0; i < 8; i++)
        CHECK_STR(nn_strings_get(&p, &item, i), pieces[i]);
    nn_strings back = nn_strings_join(&p, &item, "-");
    CHECK_INT(back.rank, 1);
    CHECK_STR(nn_strings_get(&p, &back, 0), "a-b");
    CHECK_STR(nn_strings_get(&p, &back, 2), "x");
    CHECK_STR(nn_strings_get(&p, &back, 3), "-y");
    nnc_arena_free(p.arena);
}

static void vocabularies(void)
{
    nn_pool p = pool_new();
    nn_strings s = of(&p, 8, (const char *const[]){"b", "a", "b", "c", "", "c", "b", "d"});
    nn_strings v = nn_strings_vocabulary(&p, &s, 2);
    CHECK_INT(v.dim[0], 2);
    CHECK_STR(nn_strings_get(&p, &v, 0), "b");
    CHECK_STR(nn_strings_get(&p, &v, 1), "c");
    nnc_tensor id = nn_strings_lookup(&p, &v, &s, -1);
    const int64_t want[] = {0, -1, 0, 1, -1, 1, 0, -1};
    for (int i = 0; i < 8; i++)
        CHECK_INT(((int64_t *)id.data)[i], want[i]);
    nnc_arena_free(p.arena);
}

static void numbers(void)
{
    nn_pool p = pool_new();
    nn_strings s = of(&p, 9,
                      (const char *const[]){"12", " -3 ", "4.5", "1e3", "x", "", "0x10", "inf",
                                            "99999999999999999999"});
    const bool is[] = {1, 1, 1, 1, 0, 0, 0, 1, 1};
    const int64_t whole[] = {12, -3, 7, 7, 7, 7, 7, 7, 7};
    const double real[] = {12, -3, 4.5, 1000, -1, -1, -1, INFINITY, 1e20};
    nnc_tensor a = nn_strings_is_number(&p, &s), b = nn_strings_parse_int(&p, &s, 7),
               c = nn_strings_parse_float(&p, &s, -1);
    for (int i = 0; i < 9; i++) {
        CHECK_INT(((uint8_t *)a.data)[i], is[i]);
        CHECK_INT(((int64_t *)b.data)[i], whole[i]);
        CHECK_NEAR(((double *)c.data)[i], real[i], 1e-15);
    }
    nnc_arena_free(p.arena);
}

static void the_rest(void)
{
    nn_pool p = pool_new();
    nn_strings s = of(&p, 3,
                      (const char *const[]){"foobar", "",
                                            "\xc3\x84"
                                            "B\xff"}),
               low = nn_strings_lower(&p, &s);
    nnc_tensor h = nn_strings_hash(&p, &s), code, count, same;
    CHECK_INT(((uint32_t *)h.data)[0], 0xbf9cf968); /* the value that the authors of FNV publish */
    CHECK_INT(((uint32_t *)h.data)[1], 0x811c9dc5);
    CHECK_STR(nn_strings_get(&p, &low, 2), "\xc3\x84"
                                           "b\xff");
    REQUIRE(nn_strings_chars(&p, &s, 4, &code, &count));
    CHECK_INT(((int32_t *)code.data)[8], 0xc4);
    CHECK_INT(((int32_t *)code.data)[10], 0xfffd);
    CHECK_INT(((int32_t *)count.data)[0], 4);
    CHECK_INT(((int32_t *)count.data)[2], 3);
    nn_strings one = {.rank = 0, .at = s.at};
    REQUIRE(nn_strings_equal(&p, &s, &one, &same));
    CHECK_INT(same.rank, 1);
    CHECK_INT(((uint8_t *)same.data)[0], 1);
    CHECK_INT(((uint8_t *)same.data)[1], 0);
    nn_strings two = of(&p, 2, (const char *const[]){"a", "b"});
    CHECK(!nn_strings_equal(&p, &s, &two, &same));
    nnc_arena_free(p.arena);
}

int main(void)
{
    RUN(splitting_and_joining);
    RUN(vocabularies);
    RUN(numbers);
    RUN(the_rest);
    return test_end();
}
