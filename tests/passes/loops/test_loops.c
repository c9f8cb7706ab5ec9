/* What loops become: one kernel without copies where that is possible, calls in order where it is not. */
#include "ir/interp.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tests/passes/loops/mix.h"
#include "tests/test.h"

typedef struct lowered {
    nnc_arena *a;
    nnc_module *m;
    char said[4096];
} lowered;

static void collect(void *user, const char *text)
{
    char *said = user;

    if (strlen(said) + strlen(text) < 4000)
        strcat(said, text);
}

static lowered *lower_as(const char *text, bool check)
{
    lowered *l = calloc(1, sizeof *l);
    nnc_options opt = {.target = nnc_target_by_name("avx2"), .check = check, .check_seed = 3};

    if (!l)
        abort();
    l->a = nnc_arena_new();
    l->m = nnc_module_new(l->a, nnc_diag_new(l->a));
    nnc_diag_set_sink(l->m->diag, collect, l->said);
    bool ok = nnc_read_module(l->m, "test.ir", text, strlen(text), ".") == NNC_OK &&
              nnc_passes_run(l->m, &opt) == NNC_OK;
    if (!test_true(ok, "IR that compiles", __FILE__, __LINE__))
        printf("%s\n", l->said);
    return l;
}

static lowered *lower_text(const char *text)
{
    return lower_as(text, true);
}

static lowered *lower_file(const char *path)
{
    size_t n;
    char *text = test_read_file(path, &n);
    lowered *l = lower_as(text ? text : "", false);

    nnc_arena_defer(l->a, free, text);
    return l;
}

static void drop(lowered *l)
{
    nnc_arena_free(l->a);
    free(l);
}

static unsigned count(const nnc_module *m, nnc_block b, nnc_opcode code, bool turns)
{
    unsigned n = 0;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_opcode c = nnc_op_code(m, op);
        n += c == code && turns;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            n += count(m, nnc_op_region(m, op, r), code,
                       turns || c == NNC_OP_for || c == NNC_OP_while || c == NNC_OP_kernel);
    }
    return n;
}

/* Ops of a kind inside of loops of any function. */
static unsigned in_loops(const lowered *l, nnc_opcode code)
{
    unsigned n = 0;

    for (nnc_op f = nnc_block_first(l->m, l->m->top); f.id; f = nnc_op_next(l->m, f))
        n += count(l->m, nnc_op_region(l->m, f, 0), code, false);
    return n;
}

static void one_kernel_without_copies(void)
{
    static const char *const names[] = {"spins/retrieve", "scalar/lu", "scalar/collatz",
                                        "scalar/jacobi", "scalar/edges"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "%s/../bench/%s.ir", NNC_TESTS_DIR, names[i]);
        lowered *l = lower_file(path);
        test_state.running = names[i];
        CHECK_INT(in_loops(l, NNC_OP_call), 0);
        CHECK_INT(in_loops(l, NNC_OP_copy), 0);
        drop(l);
    }
}

static void what_is_still_read_is_copied_once_and_told(void)
{
    lowered *l = lower_text("graph @main [entry=1] (%a: f32[2000], %b: f32[2000]) {\n"
                            "  %x, %y = scan %a, %b [carried=2, trips=10] : f32[2000], f32[2000] "
                            "(%i: i64[], %p: f32[2000], %q: f32[2000]) {\n"
                            "    %s = add %p, %q : f32[2000]\n    yield %q, %s\n  }\n"
                            "  yield %x, %y\n}\n");
    CHECK_HAS(l->said, "8000 bytes of x are copied in every turn of the loop");
    CHECK(strstr(l->said, "8000 bytes of y") == NULL);
    CHECK(in_loops(l, NNC_OP_copy) <= 4); /* two in each form of the kernel */
    drop(l);
}

/* The state is written where it lies although a row of it is read, because that row is read first. */
static void a_row_is_an_address(void)
{
    lowered *l = lower_text(
        "graph @main [entry=1] (%a: f32[30,40]) {\n"
        "  %y = scan %a [carried=1, trips=29] : f32[30,40] (%i: i64[], %m: f32[30,40]) {\n"
        "    %r = gather %m, %i [axis=0] : f32[40]\n    %s = mul %r, 0.5:f32 : f32[40]\n"
        "    %u = reshape %s : f32[1,40]\n    %j = add %i, 1:i64 : i64[]\n"
        "    %j1 = reshape %j : i64[1]\n    %z = reshape 0:i64 : i64[1]\n"
        "    %at = concat %j1, %z [axis=0] : i64[2]\n"
        "    %m2 = dynamic_update_slice %m, %u, %at : f32[30,40]\n    yield %m2\n  }\n"
        "  yield %y\n}\n");
    CHECK_INT(in_loops(l, NNC_OP_copy), 0);
    drop(l);
}

static int host(void *context, int id, void *const *data, const int64_t *const *dim)
{
    (void)dim;
    return mix(context, id, data);
}

/* Hosts are called in the order of the program, branches and loops included, and a failure ends the run. */
static const char hosts[] =
    "graph @main [entry=1] (%k: i64[]) {\n"
    "  %a = host [id=0] : i64[]\n"
    "  %s = scan %a [carried=1, trips=5] : i64[] (%i: i64[], %c: i64[]) {\n"
    "    %b = host %c, %i [id=2] : i64[]\n"
    "    %odd = lt %b, 9:i64 : bool[]\n"
    "    %d = if %odd : i64[] {\n      %e = host %b [id=1] : i64[]\n      yield %e\n    } {\n"
    "      host %i [id=4]\n      yield %b\n    }\n"
    "    yield %d\n  }\n"
    "  host %s, %k [id=5]\n"
    "  %z = host %s [id=1] : i64[]\n"
    "  yield %z\n}\n";

static void hosts_keep_their_order(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = nnc_module_new(a, nnc_diag_new(a));
    uint64_t seen = 0, seen_k = 0;
    int64_t k = 3, got = 0;
    nnc_tensor in = {.dtype = NNC_DT_i64, .data = &k}, out;
    nnc_interp_options o = {.call = host, .context = &seen};

    REQUIRE(nnc_read_module(m, "h.ir", hosts, strlen(hosts), ".") == NNC_OK);
    REQUIRE(nnc_interp_graph_with(m, nnc_func_entry(m, NNC_OP_graph), a, 1, &in, 1, &out, &o) ==
            NNC_OK);
    lowered *l = lower_text(hosts);
    nnc_kernel_arg arg[2] = {{&k, sizeof k, 0}, {&got, sizeof got, 0}};
    o.context = &seen_k;
    CHECK(nnc_interp_kernel_with(l->m, nnc_func_entry(l->m, NNC_OP_kernel), l->a, 2, arg, &o) ==
          NNC_OK);
    CHECK(seen == seen_k);
    CHECK(got == *(int64_t *)out.data);
    nnc_arena_free(a);
    drop(l);
}

static int broken(void *context, int id, void *const *data, const int64_t *const *dim)
{
    (void)context;
    (void)data;
    (void)dim;
    return id == 5 ? 7 : 0;
}

static void a_host_that_fails_ends_the_run(void)
{
    lowered *l = calloc(1, sizeof *l);
    int64_t k = 3;
    nnc_tensor in = {.dtype = NNC_DT_i64, .data = &k}, out;
    nnc_interp_options o = {.call = broken};

    REQUIRE(l != NULL);
    l->a = nnc_arena_new();
    l->m = nnc_module_new(l->a, nnc_diag_new(l->a));
    nnc_diag_set_sink(l->m->diag, collect, l->said);
    REQUIRE(nnc_read_module(l->m, "h.ir", hosts, strlen(hosts), ".") == NNC_OK);
    nnc_op graph = nnc_func_entry(l->m, NNC_OP_graph);
    CHECK(nnc_interp_graph_with(l->m, graph, l->a, 1, &in, 1, &out, &o) == NNC_ERR);
    CHECK_HAS(l->said, "function 5 of the host program failed with status 7");
    CHECK(nnc_interp_graph(l->m, graph, l->a, 1, &in, 1, &out) == NNC_ERR);
    CHECK_HAS(l->said, "there is no host here");
    drop(l);
}

int main(void)
{
    RUN(one_kernel_without_copies);
    RUN(what_is_still_read_is_copied_once_and_told);
    RUN(a_row_is_an_address);
    RUN(hosts_keep_their_order);
    RUN(a_host_that_fails_ends_the_run);
    return test_end();
}
