/* Tables and plots of all shapes: which axes become rows, which columns. */
#include "runtime/session.h"
#include "tests/test.h"

static char *shown, *csv;

/* What the table or plot tells: the text for the terminal, and its CSV file. */
static void tell(nnp_kind kind, const void *detail, void *const *data, const size_t *const *dim)
{
    const nnp_host_op op = {kind, "a.nn:1:1", detail};
    const nnp_program program = {.name = "test", .host = &op, .nhost = 1};
    nnp_session session = {.program = &program};
    nnp_scope up = {.session = &session}, c = {.session = &session, .up = &up};
    CHECK_INT(
        kind == NNP_TABLE ? nnp_do_table(&c, &op, data, dim) : nnp_do_plot(&c, &op, data, dim), 0);
    free(shown);
    free(csv);
    shown = csv = NULL;
    for (size_t i = 0; i + 9 <= c.told.n;) {
        uint64_t len;
        const char *bytes = c.told.at + i + 9;
        memcpy(&len, c.told.at + i + 1, 8);
        if (c.told.at[i] == NNP_SHOW)
            shown = strdup(bytes);
        if (c.told.at[i] == NNP_FILE) {
            const char *name = bytes + strlen(bytes) + 1;
            if (strstr(name, ".csv"))
                csv = strdup(name + strlen(name) + 1);
        }
        i += 9 + (size_t)len + 1;
    }
    nnp_scope_free(&c);
}

static const char *const arms[] = {"plain", "with a long name"};
static const nnp_axis arm_axis = {"arm", 2, arms, NNP_NONE, NNP_F64};
static const nnp_axis both[] = {{"arm", 2, arms, NNP_NONE, NNP_F64}, {"rate", 3, NULL, 2, NNP_F32}};
static double m[6] = {1, 2, 3, 4, 5, 60}, row[2] = {0.123456, 0.000012};
static float rate[3] = {0.1f, 0.01f, 1e-3f};
static int32_t n[2] = {7, -8};
static double one = 2.5;
static const size_t grid[] = {2, 3}, two[] = {2}, three[] = {3}, scalar[] = {1};

static void one_matrix_keeps_its_last_axis_for_columns(void)
{
    nnp_item item = {NULL, {0, NNP_F64, 2, both, NULL, 0}};
    nnp_table t = {"m", 1, &item, NULL};
    void *const data[] = {m, NULL, rate};
    const size_t *const dim[] = {grid, NULL, three};
    tell(NNP_TABLE, &t, data, dim);
    CHECK_STR(shown, "\n  \033[1mm\033[0m\n"
                     "                      rate\n"
                     "    arm               0.1  0.01  0.001\n"
                     "    \033[2m----------------------------------\033[0m\n"
                     "    plain               1     2      3\n"
                     "    with a long name    4     5     60\n\n");
    CHECK_STR(csv, "arm,rate = 0.1,rate = 0.01,rate = 0.001\nplain,1,2,3\n"
                   "with a long name,4,5,60\n");
}

static void common_axes_are_rows(void)
{
    nnp_item items[] = {{"m", {0, NNP_F64, 2, both, NULL, 0}},
                        {"theory", {1, NNP_F64, 1, NULL, NULL, 0}},
                        {"n", {3, NNP_I32, 1, NULL, NULL, 0}},
                        {"all", {4, NNP_F64, 0, NULL, NULL, 0}}};
    nnp_table t = {"m", 4, items, NULL};
    void *const data[] = {m, row, rate, n, &one};
    const size_t *const dim[] = {grid, two, three, two, scalar};
    tell(NNP_TABLE, &t, data, dim);
    CHECK_STR(csv, "arm,\"m, rate = 0.1\",\"m, rate = 0.01\",\"m, rate = 0.001\",theory,n,all\n"
                   "plain,1,2,3,0.123456,7,2.5\nwith a long name,4,5,60,1.2e-05,-8,2.5\n");
    CHECK_HAS(shown, "0.1235   7  2.5\n"); /* its own digits where a column spans too much */
    CHECK_HAS(shown, "1.2e-05  -8  2.5\n");
    CHECK_HAS(shown, "                      m, rate\n    arm               0.1  0.01  0.001   "
                     "theory   n  all\n");
}

static void rows_may_be_named(void)
{
    nnp_item items[] = {{"a", {0, NNP_F64, 1, NULL, NULL, 0}},
                        {"b", {1, NNP_I32, 1, NULL, NULL, 0}}};
    nnp_table t = {"m", 2, items, &arm_axis};
    void *const data[] = {row, n};
    const size_t *const dim[] = {two, two};
    tell(NNP_TABLE, &t, data, dim);
    CHECK_STR(csv, "arm,a,b\nplain,0.123456,7\nwith a long name,1.2e-05,-8\n");
    t.rows = NULL;
    tell(NNP_TABLE, &t, data, dim);
    CHECK_STR(csv, "index,a,b\n0,0.123456,7\n1,1.2e-05,-8\n");
}

static void scalars_make_one_row(void)
{
    nnp_item items[] = {{"a", {0, NNP_F64, 0, NULL, NULL, 0}},
                        {"b", {0, NNP_F64, 0, NULL, NULL, 0}}};
    nnp_table t = {"m", 2, items, NULL};
    void *const data[] = {&one};
    const size_t *const dim[] = {scalar};
    tell(NNP_TABLE, &t, data, dim);
    CHECK_STR(csv, "a,b\n2.5,2.5\n");
    CHECK_HAS(shown, "      a    b\n");
}

static void long_tables_are_cut_on_the_terminal_only(void)
{
    static double x[100];
    size_t hundred[] = {100}, none[] = {0};
    nnp_item item = {"x", {0, NNP_F64, 1, NULL, NULL, 0}};
    nnp_table t = {"m", 1, &item, NULL};
    void *const data[] = {x};
    const size_t *dim[] = {hundred};
    tell(NNP_TABLE, &t, data, dim);
    CHECK_HAS(shown, "    .. 40 more rows\n");
    CHECK_HAS(csv, "\n99,0\n");
    dim[0] = none;
    tell(NNP_TABLE, &t, data, dim);
    CHECK_HAS(csv, "index");
}

static void plots_name_their_curves(void)
{
    nnp_item items[] = {{"loss", {0, NNP_F64, 2, both, NULL, 0}},
                        {"n", {3, NNP_I32, 1, NULL, NULL, 0}}};
    nnp_plot p = {"p", 1, items, NULL, NULL, NULL, 0, 0, NNP_LINES};
    nnp_value x = {2, NNP_F32, 1, NULL, NULL, 0};
    void *const data[] = {m, row, rate, n};
    const size_t *const dim[] = {grid, two, three, two};
    tell(NNP_PLOT, &p, data, dim);
    CHECK_STR(csv, "rate,arm = plain,arm = with a long name\n0.1,1,4\n0.01,2,5\n0.001,3,60\n");
    p.x = &x;
    p.x_label = "learning rate";
    tell(NNP_PLOT, &p, data, dim);
    CHECK_HAS(csv, "learning rate,arm = plain,arm = with a long name\n0.1");
    p.n = 2; /* lengths differ: a long list */
    p.x = NULL;
    tell(NNP_PLOT, &p, data, dim);
    CHECK_HAS(csv, "series,learning rate,y\n\"loss, arm = plain\",0.1,1\n");
    CHECK_HAS(csv, "\nn,0.01,-8\n");
}

static void words_along_x(void)
{
    nnp_item item = {"acc", {1, NNP_F64, 1, &arm_axis, NULL, 0}};
    nnp_plot p = {"p", 1, &item, NULL, NULL, NULL, 0, 0, NNP_BARS};
    void *const data[] = {m, row};
    const size_t *const dim[] = {grid, two};
    tell(NNP_PLOT, &p, data, dim);
    CHECK_STR(csv, "arm,acc\nplain,0.123456\nwith a long name,1.2e-05\n");
}

int main(void)
{
    RUN(one_matrix_keeps_its_last_axis_for_columns);
    RUN(common_axes_are_rows);
    RUN(rows_may_be_named);
    RUN(scalars_make_one_row);
    RUN(long_tables_are_cut_on_the_terminal_only);
    RUN(plots_name_their_curves);
    RUN(words_along_x);
    free(shown);
    free(csv);
    return test_end();
}
