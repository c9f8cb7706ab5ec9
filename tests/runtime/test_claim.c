/* What a claim says, for all kinds of comparisons. */
#include "runtime/session.h"
#include "tests/test.h"

static char line[500];
static int failed;

/* The line that a claim of `n` parts prints, from its measurements on. */
static const char *tell(const nnp_part *part, int n, void *const *data, const size_t *const *dim)
{
    const nnp_claim claim = {"text", n, part};
    const nnp_host_op op = {NNP_CLAIM, "a.nn:1:1", &claim};
    const nnp_program program = {.name = "test", .host = &op, .nhost = 1};
    nnp_session session = {.program = &program};
    nnp_scope up = {.session = &session}, c = {.session = &session, .up = &up};
    uint64_t len = 0;
    nnp_do_claim(&c, &op, data, dim);
    memcpy(&len, c.told.at + 1, 8);
    const char *text = c.told.at + 9;
    failed = c.told.at[0] == NNP_WARN;
    CHECK_INT(c.told.at[9 + len + 1], failed ? NNP_FAILS : NNP_HOLDS);
    const char *at = strstr(text, "text");
    while (at && (*at == ' ' || !strncmp(at, "text", 4)))
        at += *at == ' ' ? 1 : 4;
    snprintf(line, sizeof line, "%.*s", at ? (int)strcspn(at, "\n") : 0, at ? at : "");
    nnp_scope_free(&c);
    return line;
}

static const nnp_axis axes[] = {{"w", 2, (const char *const[]){"8", "4"}, NNP_NONE, NNP_F64},
                                {"seed", 3, NULL, NNP_NONE, NNP_I64}};
#define NO .at = NNP_NONE
#define VALUE(k, type, r)                 \
    {                                     \
        .at = k, .dtype = type, .rank = r \
    }

static const size_t grid[] = {2, 3}, three[] = {3}, scalar[] = {1};

/* left (op) right on a 2 x 3 grid of f64; right is a scalar, a row or a grid. */
static const char *compare(nnp_compare op, const double *l, const double *r, int r_rank,
                           const unsigned char *mask)
{
    unsigned char verdict[6];
    for (int i = 0; i < 6; i++) {
        double a = l[i], b = r[r_rank == 0 ? 0 : r_rank == 1 ? i % 3 : i];
        verdict[i] = op == NNP_GE   ? a >= b
                     : op == NNP_GT ? a > b
                     : op == NNP_LE ? a <= b
                     : op == NNP_LT ? a < b
                     : op == NNP_EQ ? a == b
                                    : a != b;
    }
    nnp_part p = {NULL,
                  {0, NNP_BOOL, 2, axes, NULL, 0},
                  op,
                  VALUE(1, NNP_F64, 2),
                  VALUE(2, NNP_F64, r_rank),
                  {NO},
                  {NO},
                  NULL};
    if (mask)
        p.where = (nnp_value)VALUE(3, NNP_BOOL, 1);
    void *const data[] = {verdict, (void *)(uintptr_t)l, (void *)(uintptr_t)r,
                          (void *)(uintptr_t)mask};
    const size_t *const dim[] = {grid, grid, r_rank == 2 ? grid : r_rank ? three : scalar, grid};
    return tell(&p, 1, data, dim);
}

static void against_one_number(void)
{
    double l[6] = {5, 6, 7, 4, 8, 9}, four = 4, five = 5, nine = 9, ten = 10;
    CHECK_STR(compare(NNP_GE, l, &four, 0, NULL), "min 4 >= 4");
    CHECK(!failed);
    CHECK_STR(compare(NNP_GE, l, &five, 0, NULL), "4 >= 5   (w = 4, seed = 0)");
    CHECK(failed);
    CHECK_STR(compare(NNP_LE, l, &nine, 0, NULL), "max 9 <= 9");
    CHECK_STR(compare(NNP_LT, l, &nine, 0, NULL), "9 < 9   (w = 4, seed = 2)");
    CHECK_STR(compare(NNP_LT, l, &ten, 0, NULL), "max 9 < 10");
    CHECK_STR(compare(NNP_NE, l, &ten, 0, NULL), "all 6 differ from 10");
    CHECK_STR(compare(NNP_EQ, l, &five, 0, NULL), "9 == 5   (w = 4, seed = 2; 5 of 6 fail)");
}

static void against_a_tensor(void)
{
    double l[6] = {5, 6, 7, 4, 8, 9}, row[3] = {4, 5.5, 6.5}, same[6] = {5, 6, 7, 4, 8, 9};
    CHECK_STR(compare(NNP_GE, l, row, 1, NULL), "4 >= 4   (w = 4, seed = 0)");
    CHECK(!failed);
    CHECK_STR(compare(NNP_GT, l, row, 1, NULL), "4 > 4   (w = 4, seed = 0)");
    CHECK(failed);
    CHECK_STR(compare(NNP_EQ, l, same, 2, NULL), "all 6 equal");
    same[4] = 8.0000001;
    CHECK_STR(compare(NNP_EQ, l, same, 2, NULL), "8 == 8.0000001   (w = 4, seed = 1)");
}

static void nan_is_the_worst(void)
{
    double l[6] = {5, NAN, 7, 4, 8, 9}, five = 5;
    CHECK_STR(compare(NNP_GE, l, &five, 0, NULL), "nan >= 5   (w = 8, seed = 1; 2 of 6 fail)");
}

static void a_mask_covers_leading_axes(void)
{
    double l[6] = {5, 6, 7, 1, 1, 1}, five = 5;
    unsigned char first[2] = {1, 0}, none[2] = {0, 0};
    CHECK_STR(compare(NNP_GE, l, &five, 0, first), "min 5 >= 5");
    CHECK(!failed);
    CHECK_STR(compare(NNP_GE, l, &five, 0, none), "nothing to check");
    CHECK(!failed);
}

static void a_number_against_a_tensor(void)
{
    double one = 1, r[3] = {0.5, 0.25, 0.75};
    unsigned char yes[3] = {1, 1, 1};
    nnp_part p = {
        NULL, VALUE(0, NNP_BOOL, 1), NNP_GE, VALUE(1, NNP_F64, 0), VALUE(2, NNP_F64, 1), {NO}, {NO},
        NULL};
    void *const data[] = {yes, &one, r};
    const size_t *const dim[] = {three, scalar, three};
    CHECK_STR(tell(&p, 1, data, dim), "1 >= max 0.75");
}

static void within_a_tolerance(void)
{
    float l[3] = {1.01f, 0.97f, 1}, r = 1, tolerance = 0.05f, small = 0.02f;
    unsigned char ok[3] = {1, 1, 1}, bad[3] = {1, 0, 1};
    nnp_part p = {NULL,
                  VALUE(0, NNP_BOOL, 1),
                  NNP_EQ,
                  VALUE(1, NNP_F32, 1),
                  VALUE(2, NNP_F32, 0),
                  VALUE(3, NNP_F32, 0),
                  {NO},
                  "beta = 0"};
    void *const data[] = {ok, l, &r, &tolerance}, *const less[] = {bad, l, &r, &small};
    const size_t *const dim[] = {three, three, scalar, scalar};
    CHECK_STR(tell(&p, 1, data, dim), "0.97 == 1 within 0.05   (beta = 0, at [1])");
    CHECK_STR(tell(&p, 1, less, dim), "0.97 == 1 within 0.02   (beta = 0, at [1])");
    CHECK(failed);
}

static void truth_values(void)
{
    unsigned char yes[3] = {1, 1, 1}, no[3] = {1, 0, 0};
    nnp_part all = {NULL, VALUE(0, NNP_BOOL, 1), NNP_TRUE, {NO}, {NO}, {NO}, {NO}, NULL};
    nnp_part one = {NULL, VALUE(0, NNP_BOOL, 0), NNP_TRUE, {NO}, {NO}, {NO}, {NO}, NULL};
    void *const data[] = {yes}, *const bad[] = {no};
    const size_t *const dim[] = {three};
    CHECK_STR(tell(&all, 1, data, dim), "all 3 true");
    CHECK_STR(tell(&all, 1, bad, dim), "false   (at [1]; 2 of 3 fail)");
    CHECK_STR(tell(&one, 1, data, dim), "true");
}

static void several_parts(void)
{
    int32_t a = 3, b = 4;
    unsigned char yes = 1, no = 0;
    nnp_part p[] = {{"w",
                     VALUE(0, NNP_BOOL, 0),
                     NNP_LT,
                     VALUE(2, NNP_I32, 0),
                     VALUE(3, NNP_I32, 0),
                     {NO},
                     {NO},
                     NULL},
                    {"b",
                     VALUE(1, NNP_BOOL, 0),
                     NNP_GT,
                     VALUE(2, NNP_I32, 0),
                     VALUE(3, NNP_I32, 0),
                     {NO},
                     {NO},
                     NULL}};
    void *const data[] = {&yes, &no, &a, &b};
    const size_t *const dim[] = {scalar, scalar, scalar, scalar};
    CHECK_STR(tell(p, 2, data, dim), "b: 3 > 4");
    CHECK(failed);
    p[1] = p[0];
    CHECK_STR(tell(p, 2, data, dim), "w: 3 < 4, w: 3 < 4");
    CHECK(!failed);
}

int main(void)
{
    RUN(against_one_number);
    RUN(against_a_tensor);
    RUN(nan_is_the_worst);
    RUN(a_mask_covers_leading_axes);
    RUN(a_number_against_a_tensor);
    RUN(within_a_tolerance);
    RUN(truth_values);
    RUN(several_parts);
    return test_end();
}
