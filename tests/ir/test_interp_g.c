/* The G interpreter against numbers from numpy, and its errors. */
#include "ir/eval.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "tests/test.h"

static char said[4096];

static void collect(void *user, const char *text)
{
    (void)user;
    if (strlen(said) + strlen(text) < sizeof said - 1)
        strcat(said, text);
}

static nnc_module *module_of(nnc_arena *a, const char *name, const char *text)
{
    nnc_diag *d = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, d);

    said[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    if (!test_true(nnc_read_module(m, name, text, strlen(text), ".") == NNC_OK &&
                       nnc_verify(m) == NNC_OK,
                   "IR that is right", name, 0))
        printf("%s\n", said);
    return m;
}

static bool same(const nnc_tensor *p, const nnc_tensor *q, int64_t *at, double *x, double *y)
{
    *at = -1;
    if (p->dtype != q->dtype || p->rank != q->rank ||
        memcmp(p->dim, q->dim, (size_t)p->rank * sizeof p->dim[0]) != 0)
        return false;
    for (int64_t i = 0, n = nnc_tensor_count(p); i < n; i++) {
        nnc_num a =
            nnc_num_load(p->dtype, (const char *)p->data + (size_t)i * nnc_dtype_bytes(p->dtype));
        nnc_num b =
            nnc_num_load(q->dtype, (const char *)q->data + (size_t)i * nnc_dtype_bytes(q->dtype));
        bool flt = nnc_dtype_is_float(p->dtype);
        *at = i;
        *x = flt ? a.f : (double)a.i;
        *y = flt ? b.f : (double)b.i;
        if (flt ? !(a.f == b.f || (isnan(a.f) && isnan(b.f)) || fabs(a.f - b.f) <= 2e-7 * fabs(b.f))
                : a.i != b.i)
            return false;
    }
    return true;
}

static void one_case(const char *name, const char *text)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = module_of(a, name, text);
    nnc_op graph = nnc_func_entry(m, NNC_OP_graph);
    nnc_tensor out[64];
    unsigned n;

    test_state.running = name;
    REQUIRE(graph.id != 0);
    n = nnc_op_nin(m, nnc_block_last(m, nnc_op_region(m, graph, 0)));
    REQUIRE(n <= 64);
    if (!test_true(nnc_interp_graph(m, graph, a, 0, NULL, n, out) == NNC_OK, "a graph that runs",
                   name, 0)) {
        printf("%s\n", said);
        return;
    }
    for (unsigned i = 0; i + 1 < n; i += 2) {
        int64_t at;
        double x = 0, y = 0;
        if (!test_true(same(&out[i], &out[i + 1], &at, &x, &y), "the numbers of numpy", name,
                       (int)i / 2))
            printf("  element %lld is %.9g, expected %.9g\n", (long long)at, x, y);
    }
    nnc_arena_free(a);
}

static void numbers(void)
{
#define CASE(name, text) one_case(name, text);
#include "tests/ir/interp_cases.def"
}

/* ---- symbols and errors ---- */
static const char dynamic[] = "dim n = 2..6\n"
                              "graph @f (%x: f32[2*n+1,3], %z: f32[n]) {\n"
                              "  %e = extent [dim=n] : i64[]\n"
                              "  yield %e\n"
                              "}\n";

static nnc_status run_dynamic(nnc_arena *a, int64_t rows, int64_t n, nnc_tensor *out)
{
    nnc_module *m = module_of(a, "dynamic", dynamic);
    int64_t dx[] = {rows, 3};
    nnc_tensor in[2] = {nnc_tensor_new(a, NNC_DT_f32, 2, dx), nnc_tensor_new(a, NNC_DT_f32, 1, &n)};

    return nnc_interp_graph(m, nnc_func_entry(m, NNC_OP_graph), a, 2, in, 1, out);
}

static void symbols(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_tensor out;

    REQUIRE(run_dynamic(a, 9, 4, &out) == NNC_OK);
    CHECK_INT(*(int64_t *)out.data, 4);
    CHECK(run_dynamic(a, 8, 4, &out) == NNC_ERR);
    CHECK_HAS(said, "dimension 0 of 'x' is 8, expected 2*n+1 = 9");
    CHECK(run_dynamic(a, 15, 7, &out) == NNC_ERR);
    CHECK_HAS(said, "size 'n' is 7 here, outside its bounds 2..6");
    nnc_arena_free(a);
}

static void failed_check(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = module_of(a, "check",
                              "graph @f (%x: i64[]) {\n  %c = lt %x, 3:i64 : bool[]\n  check %c "
                              "[message=\"x must be small\"]\n  yield %x\n}\n");
    nnc_tensor in = nnc_tensor_new(a, NNC_DT_i64, 0, NULL), out;

    CHECK(nnc_interp_graph(m, nnc_func_entry(m, NNC_OP_graph), a, 1, &in, 1, &out) == NNC_OK);
    *(int64_t *)in.data = 3;
    CHECK(nnc_interp_graph(m, nnc_func_entry(m, NNC_OP_graph), a, 1, &in, 1, &out) == NNC_ERR);
    CHECK_HAS(said, "x must be small");
    CHECK(nnc_interp_graph(m, nnc_func_entry(m, NNC_OP_graph), a, 0, NULL, 1, &out) == NNC_ERR);
    CHECK_HAS(said, "has 1 inputs, 0 were given");
    nnc_arena_free(a);
}

static void endless_loop(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = module_of(a, "endless",
                              "graph @f () {\n"
                              "  %a = while 1:i64 : i64[] (%p: i64[]) {\n"
                              "    yield true\n"
                              "  } (%p: i64[]) {\n"
                              "    yield %p\n"
                              "  }\n"
                              "  yield %a\n"
                              "}\n");
    nnc_tensor out;

    CHECK(nnc_interp_graph_bounded(m, nnc_func_entry(m, NNC_OP_graph), a, 0, NULL, 1, &out, 1000) ==
          NNC_ERR);
    CHECK_HAS(said, "too many operations");
    nnc_arena_free(a);
}

int main(void)
{
    numbers();
    RUN(symbols);
    RUN(failed_check);
    RUN(endless_loop);
    return test_end();
}
