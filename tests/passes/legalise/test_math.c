/* Elementary functions in K arithmetic: interpreted over the whole range of f32 (every exponent, both signs) and at the
 * special values, against the scalar semantics. */
#include "ir/eval.h"
#include "ir/interp.h"
#include "passes/legalise.h"
#include "tests/codegen/c/emitted.h"

enum { N = 4096 };

/* y[i] = f(x[i]) in arithmetic, or by name. */
static nnc_op build(nnc_module *m, nnc_opcode code)
{
    nnc_op f = nnc_build_func(m, NNC_OP_kernel, nnc_op_infos[code].name, false, (nnc_loc){0});
    nnc_block top = nnc_op_region(m, f, 0);
    nnc_builder b = nnc_builder_at_end(m, top);
    nnc_dim n = N;
    nnc_type t = nnc_type_buffer(m, NNC_DT_f32, 1, 1, &n, NULL, NNC_SPACE_arg);
    nnc_value x = nnc_block_add_arg(m, top, t, "x"), y = nnc_block_add_arg(m, top, t, "y");
    nnc_value i =
        nnc_k_for(&b, nnc_k_idx(&b, 0), nnc_k_idx(&b, N), nnc_k_idx(&b, 1), NNC_W_serial, "i");
    nnc_k_store(&b, nnc_math_build(&b, code, nnc_k_load(&b, x, 1, &i)), y, 1, &i);
    return f;
}

static float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, 4);
    return f;
}

static void fill(float *x, int round)
{
    static const float special[] = {
        0,          -0.0f,      INFINITY,       -INFINITY, NAN,     1,       -1,        0.5f,
        -0.5f,      1.5f,       2.5f,           -2.5f,     1e-45f,  -1e-45f, 3.4e38f,   -3.4e38f,
        88.7f,      88.8f,      -87.4f,         -103.9f,   -104.5f, 0.625f,  0.999999f, 8388608.0f,
        8388609.0f, 4194304.5f, 1.17549435e-38f};
    for (int i = 0; i < N; i++)
        x[i] = round == 0 && i < 27 ? special[i]
               : i % 2
                   ? of_bits((uint32_t)emitted_random())
                   : (float)(((double)(emitted_random() >> 11) / 9007199254740992.0 - 0.5) * 40);
}

static void agrees(nnc_opcode code, double limit)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = nnc_module_new(a, nnc_diag_new(a));
    nnc_op f = build(m, code);
    float *x = nnc_arena_array(a, N, 4), *y = nnc_arena_array(a, N, 4), at = 0;
    double worst = 0;
    for (int round = 0; round < 4; round++) {
        nnc_arena *scratch = nnc_arena_new();
        nnc_kernel_arg arg[2] = {{.buf = x, .bytes = 4 * N}, {.buf = y, .bytes = 4 * N}};
        fill(x, round);
        CHECK(nnc_interp_kernel(m, f, scratch, 2, arg) == NNC_OK);
        for (int i = 0; i < N; i++) {
            nnc_num in = {(double)x[i], 0}, want = nnc_eval_scalar(code, NNC_DT_f32, &in, false);
            double e = emitted_ulp(NNC_DT_f32, (double)y[i], want.f);
            if (e > worst) {
                worst = e;
                at = x[i];
            }
        }
        nnc_arena_free(scratch);
    }
    test_state.checks++;
    if (worst > limit)
        test_failed(__FILE__, __LINE__, "%s: %.3g units in the last place at %.9g, the limit is %g",
                    nnc_op_infos[code].name, worst, (double)at, limit);
    nnc_arena_free(a);
}

static void functions_are_accurate(void)
{
    agrees(NNC_OP_exp, 2);
    agrees(NNC_OP_expm1, 3);
    agrees(NNC_OP_log, 2);
    agrees(NNC_OP_log1p, 4);
    agrees(NNC_OP_sigmoid, 4);
    agrees(NNC_OP_tanh, 3);
    agrees(NNC_OP_erf, 4);
    agrees(NNC_OP_round, 0);
    agrees(NNC_OP_trunc, 0);
    agrees(NNC_OP_floor, 0);
    agrees(NNC_OP_ceil, 0);
}

static void only_f32_is_known(void)
{
    CHECK(nnc_math_has(NNC_OP_exp, NNC_DT_f32));
    CHECK(!nnc_math_has(NNC_OP_exp, NNC_DT_f64));
    CHECK(!nnc_math_has(NNC_OP_sin, NNC_DT_f32));
}

int main(void)
{
    RUN(functions_are_accurate);
    RUN(only_f32_is_known);
    return test_end();
}
