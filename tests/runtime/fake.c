/* Graphs by hand: what compiled code does around its host calls. */
#include "fake.h"
#include <string.h>
#include <time.h>

static int call(const nnp_arguments *a, int id, void *const *data, const size_t *const *dim)
{
    return a->host->call(a->host->context, id, data, dim);
}

enum {
    BITS_SWEEP,
    BITS_CLAIM,
    BITS_LOSE,
    BITS_TABLE,
    BITS_PLOT,
    BITS_PRINT,
    BITS_SAVE,
    POINT_CLAIM,
    POINT_REPORT,
    OUTER_SWEEP,
    INNER_SWEEP,
    NESTED_PRINT,
    FAILING_SWEEP,
    FAILING_ASSERT,
    FAILING_PRINT,
    SLOW_SWEEP,
    SECONDS,
    SECONDS_CLAIM,
    REPORT,
    SMALL_CLAIM,
    SMALL_EQUAL,
    NHOST
};

static const size_t none[1] = {1};

/* ---- bits: sweep [w in [8, 4, 2]], seed in 0..5 ---- */

static const char *const w_text[] = {"8", "4", "2"};
static const nnp_head bits_heads[] = {
    {{"w", 3, w_text, NNP_NONE, NNP_F64}, 1, 3, NNP_NONE},
    {{"seed", 5, NULL, 1, NNP_I32}, 0, NNP_NONE, 1},
};
static const nnp_input bits_input[] = {
    {NNP_CAPTURE, 0, 0}, {NNP_SLICE, 1, 1}, {NNP_INDEX, 0, 0}, {NNP_INDEX, 0, 1}};
static const nnp_variant bits_variants[] = {{1, bits_input}, {2, bits_input}, {3, bits_input}};
static const nnp_sweep bits_sweep = {2, 3, bits_heads, bits_variants, 2, 2, 0};

/* full and small[2] from data[64], the seed and the indices; the graph's `self` says how many bits */
static int point(const nnp_graph *self, const nnp_arguments *a)
{
    const float *x = a->data[0];
    int32_t seed = *(const int32_t *)a->data[1];
    int64_t iw = *(const int64_t *)a->data[2], is = *(const int64_t *)a->data[3];
    double bits = *(const double *)self->self, *full = a->data[4];
    float *small = a->data[5];
    double sum = 0;
    for (int i = 0; i < 64; i++)
        sum += (double)x[(i * (seed + 3)) % 64];
    *full = 0.96 + 1e-6 * sum;
    small[0] = (float)(*full - 0.02 / bits - 0.001 * (double)is);
    small[1] = (float)(iw * 10 + is);
    unsigned char ok = small[0] > 0.9f;
    float limit = 0.9f;
    void *const claim[] = {&ok, &small[0], &limit};
    const size_t *const dim[] = {none, none, none};
    int code = call(a, POINT_CLAIM, claim, dim);
    void *const report[] = {full};
    return code ? code : call(a, POINT_REPORT, report, dim);
}

static const nnp_part point_part = {NULL,
                                    {0, NNP_BOOL, 0, NULL, NULL, 0},
                                    NNP_GT,
                                    {1, NNP_F32, 0, NULL, NULL, 0},
                                    {2, NNP_F32, 0, NULL, NULL, 0},
                                    {.at = NNP_NONE},
                                    {.at = NNP_NONE},
                                    NULL};
static const nnp_claim point_claim = {"a point works", 1, &point_part};
static const nnp_item point_item = {"full", {0, NNP_F64, 0, NULL, NULL, 0}};
static const nnp_report point_report = {1,        &point_item, NNP_NONE, NNP_NONE,
                                        NNP_NONE, NNP_I64,     NNP_I64,  NNP_I64};

static const nnp_axis bits_seed = {"seed", 5, NULL, 0, NNP_I32};
static const nnp_part lose_part = {NULL,
                                   {1, NNP_BOOL, 1, &bits_seed, NULL, 0},
                                   NNP_GE,
                                   {2, NNP_F64, 1, NULL, NULL, 0},
                                   {3, NNP_F64, 1, NULL, NULL, 0},
                                   {.at = NNP_NONE},
                                   {.at = NNP_NONE},
                                   "w = 4"};
static const nnp_claim lose_claim = {"4-bit weights lose at most one point", 1, &lose_part};
static const nnp_part reach_part = {NULL,
                                    {0, NNP_BOOL, 1, NULL, NULL, 0},
                                    NNP_GE,
                                    {1, NNP_F64, 1, NULL, NULL, 0},
                                    {2, NNP_F64, 0, NULL, NULL, 0},
                                    {.at = NNP_NONE},
                                    {.at = NNP_NONE},
                                    NULL};
static const nnp_claim reach_claim = {"2 bits reach 99 %", 1, &reach_part};

static const nnp_axis result_axes[] = {{"w", 3, w_text, NNP_NONE, NNP_F64},
                                       {"seed", 5, NULL, 2, NNP_I32}};
static const nnp_axis small_axes[] = {{"w", 3, w_text, NNP_NONE, NNP_F64},
                                      {"seed", 5, NULL, 2, NNP_I32},
                                      {NULL, 0, NULL, NNP_NONE, NNP_F64}};
static const nnp_item bits_items[] = {{"full", {0, NNP_F64, 2, result_axes, NULL, 0}},
                                      {"small", {1, NNP_F32, 3, small_axes, NULL, 0}}};
static const nnp_table bits_table = {"accuracy by bits", 2, bits_items, NULL};
static const nnp_plot bits_plot = {
    "Full accuracy, by bits & seed", 1, bits_items, NULL, NULL, NULL, 0, 0, NNP_LINES};
static const nnp_value bits_values[] = {{0, NNP_F64, 2, NULL, NULL, 0},
                                        {2, NNP_I32, 1, NULL, NULL, 0}};
static const nnp_piece bits_pieces[] = {
    {"full:\n", NNP_NONE, ""}, {"", 0, ".4f"}, {"\nseeds ", NNP_NONE, ""}, {"", 1, ""}};
static const nnp_print bits_print = {4, 2, bits_pieces, bits_values};
static const nnp_save bits_save = {"bits.npz", 2, bits_items};

static int bits(const nnp_graph *self, const nnp_arguments *a)
{
    static const size_t x_dim[] = {64}, five[] = {5}, grid[] = {3, 5}, small_dim[] = {3, 5, 2};
    (void)self;
    int32_t seeds[5] = {0, 1, 2, 3, 4};
    double full[15], least[5], limit = 0.5;
    float small[30];
    unsigned char ok[5];
    void *const sweep[] = {a->data[0], seeds, full, small};
    const size_t *const sweep_dim[] = {x_dim, five, grid, small_dim};
    int code = call(a, BITS_SWEEP, sweep, sweep_dim);
    if (code)
        return code;
    double left[5];
    for (int i = 0; i < 5; i++) {
        left[i] = (double)small[(5 + i) * 2];
        least[i] = full[5 + i] - 0.007;
        ok[i] = left[i] >= least[i];
    }
    void *const lose[] = {seeds, ok, left, least};
    const size_t *const lose_dim[] = {five, five, five, five};
    code = call(a, BITS_LOSE, lose, lose_dim);
    memset(ok, 1, sizeof ok);
    void *const reach[] = {ok, full, &limit};
    code = code ? code : call(a, BITS_CLAIM, reach, lose_dim);
    void *const shown[] = {full, small, seeds};
    const size_t *const shown_dim[] = {grid, small_dim, five};
    code = code ? code : call(a, BITS_TABLE, shown, shown_dim);
    code = code ? code : call(a, BITS_PLOT, shown, shown_dim);
    code = code ? code : call(a, BITS_PRINT, shown, shown_dim);
    return code ? code : call(a, BITS_SAVE, shown, shown_dim);
}

/* ---- nested ---- */

static const nnp_head outer_head = {{"i", 2, NULL, NNP_NONE, NNP_I64}, 0, 2, NNP_NONE};
static const nnp_head inner_head = {{"j", 3, NULL, NNP_NONE, NNP_I64}, 0, 3, NNP_NONE};
static const nnp_input outer_input[] = {{NNP_INDEX, 0, 0}};
static const nnp_input inner_input[] = {{NNP_CAPTURE, 0, 0}, {NNP_INDEX, 0, 0}};
static const nnp_variant outer_variant = {5, outer_input}, inner_variant = {6, inner_input};
static const nnp_sweep outer_sweep = {1, 1, &outer_head, &outer_variant, 0, 1, 0};
static const nnp_sweep inner_sweep = {1, 1, &inner_head, &inner_variant, 1, 1, 0};
static const nnp_value nested_value = {0, NNP_I64, 0, NULL, NULL, 0};
static const nnp_piece nested_pieces[] = {{"value ", NNP_NONE, ""}, {"", 0, "3d"}};
static const nnp_print nested_print = {2, 1, nested_pieces, &nested_value};

static int nested(const nnp_graph *self, const nnp_arguments *a)
{
    static const size_t dim[] = {2, 3};
    (void)self;
    int64_t out[6];
    void *const data[] = {out};
    const size_t *const dims[] = {dim};
    int code = call(a, OUTER_SWEEP, data, dims);
    for (int i = 0; i < 6 && !code; i++)
        if (out[i] != 10 * (i / 3) + i % 3)
            return 7;
    return code;
}

static int outer_point(const nnp_graph *self, const nnp_arguments *a)
{
    static const size_t dim[] = {3};
    (void)self;
    void *const data[] = {a->data[0], a->data[1]};
    const size_t *const dims[] = {none, dim};
    return call(a, INNER_SWEEP, data, dims);
}

static int inner_point(const nnp_graph *self, const nnp_arguments *a)
{
    (void)self;
    int64_t *out = a->data[2];
    *out = 10 * *(const int64_t *)a->data[0] + *(const int64_t *)a->data[1];
    void *const data[] = {out};
    const size_t *const dims[] = {none};
    return call(a, NESTED_PRINT, data, dims);
}

/* ---- failing, broken, slow ---- */

static const nnp_head six_head = {{"n", 6, NULL, NNP_NONE, NNP_I64}, 0, 6, NNP_NONE};
static const nnp_head many_head = {{"n", 200, NULL, NNP_NONE, NNP_I64}, 0, 200, NNP_NONE};
static const nnp_variant failing_variant = {8, outer_input}, slow_variant = {11, outer_input};
static const nnp_sweep failing_sweep = {1, 1, &six_head, &failing_variant, 0, 1, 0};
static const nnp_sweep slow_sweep = {1, 1, &many_head, &slow_variant, 0, 1, 0};
static const nnp_value failing_value = {0, NNP_BOOL, 0, NULL, NULL, 0};
static const nnp_assert failing_assert = {
    "n stays below 4", "        assert n < 4\n               ^~~~~\n", 1, &failing_value};
static const nnp_piece failing_pieces[] = {{"point ", NNP_NONE, ""}, {"", 0, ""}};
static const nnp_print failing_print = {2, 1, failing_pieces, &nested_value};

static int run_failing(const nnp_graph *self, const nnp_arguments *a)
{
    static const size_t dim[] = {6};
    (void)self;
    int64_t out[6];
    void *const data[] = {out};
    const size_t *const dims[] = {dim};
    return call(a, FAILING_SWEEP, data, dims);
}

static int failing_point(const nnp_graph *self, const nnp_arguments *a)
{
    (void)self;
    unsigned char ok = *(const int64_t *)a->data[0] < 4;
    void *const printed[] = {a->data[0]}, *const data[] = {&ok};
    const size_t *const dims[] = {none};
    int code = call(a, FAILING_PRINT, printed, dims);
    memcpy(a->data[1], a->data[0], 8);
    return code ? code : call(a, FAILING_ASSERT, data, dims);
}

static int broken(const nnp_graph *self, const nnp_arguments *a)
{
    (void)self;
    (void)a;
    return 3;
}

static int run_slow(const nnp_graph *self, const nnp_arguments *a)
{
    static const size_t dim[] = {200};
    (void)self;
    int64_t out[200];
    void *const data[] = {out};
    const size_t *const dims[] = {dim};
    return call(a, SLOW_SWEEP, data, dims);
}

static int slow_point(const nnp_graph *self, const nnp_arguments *a)
{
    struct timespec nap = {0, 50000000};
    (void)self;
    nanosleep(&nap, NULL);
    memcpy(a->data[1], a->data[0], 8);
    return 0;
}

/* ---- timed, training, small ---- */

static const nnp_seconds seconds = {{13, inner_input}, 1};
static const nnp_part seconds_part = {NULL,
                                      {0, NNP_BOOL, 0, NULL, NULL, 0},
                                      NNP_TRUE,
                                      {.at = NNP_NONE},
                                      {.at = NNP_NONE},
                                      {.at = NNP_NONE},
                                      {.at = NNP_NONE},
                                      NULL};
static const nnp_claim seconds_claim = {"a nap of 2 ms takes 2 to 20 ms", 1, &seconds_part};

static int timed(const nnp_graph *self, const nnp_arguments *a)
{
    (void)self;
    double s = -1;
    int64_t x = 1;
    void *const data[] = {&x, &s};
    const size_t *const dims[] = {none, none};
    int code = call(a, SECONDS, data, dims);
    unsigned char ok = s >= 0.002 && s < 0.02;
    void *const claim[] = {&ok};
    return code ? code : call(a, SECONDS_CLAIM, claim, dims);
}

static int nap(const nnp_graph *self, const nnp_arguments *a)
{
    struct timespec t = {0, 2000000};
    (void)self;
    nanosleep(&t, NULL);
    *(int64_t *)a->data[1] = 1;
    return 0;
}

static const nnp_item report_items[] = {{"loss", {2, NNP_F32, 0, NULL, NULL, 0}},
                                        {"rate", {3, NNP_F64, 0, NULL, NULL, 0}}};
static const nnp_report report = {2, report_items, 0, 1, 4, NNP_I64, NNP_I64, NNP_I32};

static int training(const nnp_graph *self, const nnp_arguments *a)
{
    (void)self;
    int64_t steps = 300;
    int32_t batch = 128;
    int code = 0;
    for (int64_t step = 0; step < steps && !code; step += 100) {
        struct timespec t = {0, 120000000};
        float loss = 1.0f / (float)(step + 1);
        double rate = 1e-3;
        void *const data[] = {&step, &steps, &loss, &rate, &batch};
        const size_t *const dims[] = {none, none, none, none, none};
        code = call(a, REPORT, data, dims);
        nanosleep(&t, NULL);
    }
    return code;
}

static const nnp_claim small_claim = {"half of it", 1, &lose_part};
static const nnp_part equal_parts[] = {
    {"a",
     {0, NNP_BOOL, 0, NULL, NULL, 0},
     NNP_EQ,
     {1, NNP_F64, 0, NULL, NULL, 0},
     {2, NNP_F64, 0, NULL, NULL, 0},
     {3, NNP_F64, 0, NULL, NULL, 0},
     {.at = NNP_NONE},
     NULL},
    {"b",
     {0, NNP_BOOL, 0, NULL, NULL, 0},
     NNP_NE,
     {1, NNP_F64, 0, NULL, NULL, 0},
     {2, NNP_F64, 0, NULL, NULL, 0},
     {.at = NNP_NONE},
     {.at = NNP_NONE},
     NULL},
};
static const nnp_claim equal_claim = {"nearly one", 2, equal_parts};

static int small(const nnp_graph *self, const nnp_arguments *a)
{
    static const size_t two[] = {2};
    (void)self;
    int32_t seeds[2] = {7, 9};
    unsigned char ok[2] = {1, 0}, yes = 1;
    double l[2] = {0.5, 0.49996}, r[2] = {0.5, 0.5}, x = 1.00001, one = 1, tolerance = 1e-3;
    void *const data[] = {seeds, ok, l, r}, *const equal[] = {&yes, &x, &one, &tolerance};
    const size_t *const dims[] = {two, two, two, two};
    const size_t *const scalars[] = {none, none, none, none};
    int code = call(a, SMALL_CLAIM, data, dims);
    return code ? code : call(a, SMALL_EQUAL, equal, scalars);
}

/* ---- the tables ---- */

static const nnp_host_op host[NHOST] = {
    [BITS_SWEEP] = {NNP_SWEEP, "fake.nn:3:7", &bits_sweep},
    [BITS_CLAIM] = {NNP_CLAIM, "fake.nn:9:3", &reach_claim},
    [BITS_LOSE] = {NNP_CLAIM, "fake.nn:8:3", &lose_claim},
    [BITS_TABLE] = {NNP_TABLE, "fake.nn:10:3", &bits_table},
    [BITS_PLOT] = {NNP_PLOT, "fake.nn:11:3", &bits_plot},
    [BITS_PRINT] = {NNP_PRINT, "fake.nn:12:3", &bits_print},
    [BITS_SAVE] = {NNP_SAVE, "fake.nn:13:3", &bits_save},
    [POINT_CLAIM] = {NNP_CLAIM, "fake.nn:5:5", &point_claim},
    [POINT_REPORT] = {NNP_REPORT, "fake.nn:6:5", &point_report},
    [OUTER_SWEEP] = {NNP_SWEEP, "fake.nn:17:3", &outer_sweep},
    [INNER_SWEEP] = {NNP_SWEEP, "fake.nn:18:3", &inner_sweep},
    [NESTED_PRINT] = {NNP_PRINT, "fake.nn:19:3", &nested_print},
    [FAILING_SWEEP] = {NNP_SWEEP, "fake.nn:22:3", &failing_sweep},
    [FAILING_ASSERT] = {NNP_ASSERT, "fake.nn:24:5", &failing_assert},
    [FAILING_PRINT] = {NNP_PRINT, "fake.nn:23:5", &failing_print},
    [SLOW_SWEEP] = {NNP_SWEEP, "fake.nn:30:3", &slow_sweep},
    [SECONDS] = {NNP_SECONDS, "fake.nn:33:3", &seconds},
    [SECONDS_CLAIM] = {NNP_CLAIM, "fake.nn:34:3", &seconds_claim},
    [REPORT] = {NNP_REPORT, "fake.nn:37:3", &report},
    [SMALL_CLAIM] = {NNP_CLAIM, "fake.nn:40:3", &small_claim},
    [SMALL_EQUAL] = {NNP_CLAIM, "fake.nn:41:3", &equal_claim},
};

static const nnp_tensor x_type = {NNP_F32, 1, {64}}, index_type = {NNP_I64, 0, {0}};
static const nnp_tensor point_in[] = {
    {NNP_F32, 1, {64}}, {NNP_I32, 0, {0}}, {NNP_I64, 0, {0}}, {NNP_I64, 0, {0}}};
static const nnp_tensor point_out[] = {{NNP_F64, 0, {0}}, {NNP_F32, 1, {2}}};
static const nnp_tensor two_in[] = {{NNP_I64, 0, {0}}, {NNP_I64, 0, {0}}};
static const nnp_tensor outer_out = {NNP_I64, 1, {3}};
static double eight = 8, four = 4, two = 2;

static const nnp_graph graph[] = {
    {"bits", 1, 0, &x_type, NULL, 0, bits, NULL},
    {"point.8", 4, 2, point_in, point_out, 1000, point, &eight},
    {"point.4", 4, 2, point_in, point_out, 0, point, &four},
    {"point.2", 4, 2, point_in, point_out, 64, point, &two},
    {"nested", 0, 0, NULL, NULL, 0, nested, NULL},
    {"outer", 1, 1, &index_type, &outer_out, 0, outer_point, NULL},
    {"inner", 2, 1, two_in, &index_type, 0, inner_point, NULL},
    {"failing", 0, 0, NULL, NULL, 0, run_failing, NULL},
    {"failing point", 1, 1, &index_type, &index_type, 0, failing_point, NULL},
    {"broken", 0, 0, NULL, NULL, 0, broken, NULL},
    {"slow", 0, 0, NULL, NULL, 0, run_slow, NULL},
    {"slow point", 1, 1, &index_type, &index_type, 0, slow_point, NULL},
    {"timed", 0, 0, NULL, NULL, 0, timed, NULL},
    {"nap", 1, 1, &index_type, &index_type, 0, nap, NULL},
    {"training", 0, 0, NULL, NULL, 0, training, NULL},
    {"small", 0, 0, NULL, NULL, 0, small, NULL},
};

static const int x_only[] = {0};
static const nnp_experiment experiments[] = {
    {"bits", 0, 0, x_only},    {"nested", 0, 4, NULL}, {"failing", 0, 7, NULL},
    {"broken", 0, 9, NULL},    {"slow", 0, 10, NULL},  {"timed", 0, 12, NULL},
    {"training", 0, 14, NULL}, {"small", 1, 15, NULL},
};

static float numbers[64] = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4};
static const nnp_data dataset[] = {{"x", {NNP_F32, 1, {64}}, 0}};

static const char *status(int code)
{
    return code == 3 ? "a check of the model failed" : "an unexpected status";
}

const nnp_program fake_program = {
    "fake",  sizeof experiments / sizeof experiments[0],
    NHOST,   sizeof graph / sizeof graph[0],
    1,       experiments,
    host,    graph,
    dataset, numbers,
    NULL,    sizeof numbers,
    status,
};

#ifdef FAKE_MAIN
int main(int argc, char **argv)
{
    return nnp_main(&fake_program, argc, argv);
}
#endif
