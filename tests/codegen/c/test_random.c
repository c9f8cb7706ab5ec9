/* Keys and draws: emitted C against the G interpreter, from several compilers.  Whatever is promised bit for bit (keys,
 * uniform floats, bernoulli, randint, permutations) must agree so; normal floats within a few units in the last place. */
#include "ir/build.h"
#include "tests/codegen/c/emitted.h"

enum { OUTPUTS = 9, ROWS = 3, N = 203 };

/* graph @f (%k: u32[2]): draws under three keys made from one. */
static void build(nnc_module *m)
{
    nnc_op g = nnc_build_func(m, NNC_OP_graph, "f", true, (nnc_loc){0});
    nnc_block block = nnc_op_region(m, g, 0);
    nnc_dim two = 2, n = N;
    nnc_value root = nnc_block_add_arg(m, block, nnc_type_tensor(m, NNC_DT_u32, 1, &two), "k");
    nnc_builder b = nnc_builder_at_end(m, block);
    nnc_value keys = nnc_g_split_key(&b, root, ROWS), seven = nnc_g_int(&b, NNC_DT_i64, 7);
    nnc_value y[OUTPUTS] = {
        keys,
        nnc_g_fold_key(&b, keys, 5, 1, &seven),
        nnc_g_uniform(&b, keys, NNC_DT_f32, 1, &n),
        nnc_g_uniform(&b, root, NNC_DT_f64, 1, &n),
        nnc_g_bernoulli(&b, keys, nnc_g_float(&b, NNC_DT_f32, 0.3), 1, &n),
        nnc_g_randint(&b, keys, seven, nnc_g_int(&b, NNC_DT_i64, 1000007), 1, &n),
        nnc_g_permutation(&b, keys, N),
        nnc_g_normal(&b, keys, NNC_DT_f32, 1, &n),
        nnc_g_normal(&b, root, NNC_DT_f64, 1, &n),
    };
    nnc_build_yield(&b, OUTPUTS, y);
}

static void compare(const nnc_tensor *want, const char *got, const char *compiler)
{
    for (int k = 0; k < OUTPUTS; k++) {
        nnc_dtype dt = want[k].dtype;
        size_t bytes = nnc_tensor_bytes(&want[k]), step = nnc_dtype_bytes(dt);
        double worst = 0;
        if (k < OUTPUTS - 2) {
            worst = memcmp(got, want[k].data, bytes) ? 1e30 : 0;
        } else {
            for (size_t i = 0; i < bytes; i += step)
                worst = fmax(worst, emitted_ulp(dt, nnc_num_load(dt, got + i).f,
                                                nnc_num_load(dt, (char *)want[k].data + i).f));
        }
        if (!test_true(worst <= 32, "draws that agree", __FILE__, __LINE__))
            printf("%s: output %d: %g ulp\n", compiler, k, worst);
        got += bytes;
    }
}

static void agree(const char *target, const char *const *compilers)
{
    emitted e = emitted_new();
    nnc_module *judge = nnc_module_new(e.a, nnc_diag_new(e.a));
    nnc_options o = {.target = nnc_target_by_name(target)};
    nnc_tensor in = {.dtype = NNC_DT_u32, .rank = 1, .dim = {2}}, want[OUTPUTS];

    build(e.m);
    build(judge);
    REQUIRE(nnc_verify(e.m) == NNC_OK);
    REQUIRE(nnc_passes_run(e.m, &o) == NNC_OK);
    emitted_arguments(&e, nnc_func_entry(e.m, NNC_OP_kernel));
    in.data = e.arg[0].buf;
    REQUIRE(nnc_interp_graph(judge, nnc_func_entry(judge, NNC_OP_graph), e.a, 1, &in, OUTPUTS,
                             want) == NNC_OK);
    REQUIRE(emitted_write(&e, target, false));
    for (; *compilers; compilers++) {
        const char *got;
        CHECK(emitted_run(&e, *compilers, &got));
        if (got)
            compare(want, got, *compilers);
    }
    emitted_drop(&e);
}

static void scalars(void)
{
    static const char *const compilers[] = {
        "gcc -O1 -fsanitize=address,undefined -fno-sanitize-recover=all", "clang-19 -O2", NULL};
    agree("scalar", compilers);
}

static void vectors(void)
{
    static const char *const compilers[] = {"gcc -O3 -march=x86-64-v4",
                                            "clang-19 -O3 -march=x86-64-v4", NULL};
    agree("avx512", compilers);
}

int main(void)
{
    RUN(scalars);
    RUN(vectors);
    return test_end();
}
