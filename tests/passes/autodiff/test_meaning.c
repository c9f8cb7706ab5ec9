/* What derivatives mean: variables, zeros, places, rules that come along; and what is refused.  Graphs yield pairs: a result and
 * the number it must be. */
#include "ir/build.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/autodiff/autodiff.h"
#include "tests/test.h"

static char said[4096];

static void collect(void *user, const char *text)
{
    (void)user;
    if (strlen(said) + strlen(text) < sizeof said - 1)
        strcat(said, text);
}

typedef struct run {
    nnc_arena *a;
    nnc_module *m;
    nnc_op g;
    nnc_tensor out[16];
    unsigned n;
} run;

static run read(const char *text)
{
    run r = {.a = nnc_arena_new()};
    nnc_diag *d = nnc_diag_new(r.a);

    said[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    r.m = nnc_module_new(r.a, d);
    if (!test_true(nnc_read_module(r.m, "test", text, strlen(text), ".") == NNC_OK &&
                       nnc_verify(r.m) == NNC_OK,
                   "IR that is right", __FILE__, __LINE__))
        printf("%s\n", said);
    r.g = nnc_func_entry(r.m, NNC_OP_graph);
    return r;
}

static bool interpret(run *r)
{
    r->n = nnc_op_nin(r->m, nnc_block_last(r->m, nnc_op_region(r->m, r->g, 0)));
    return nnc_interp_graph(r->m, r->g, r->a, 0, NULL, r->n, r->out) == NNC_OK;
}

static void pairs(const char *text)
{
    run r = read(text);
    bool ok = nnc_autodiff_run(r.m, r.g) == NNC_OK && nnc_verify(r.m) == NNC_OK &&
              !nnc_autodiff_needed(r.m, r.g) && interpret(&r);

    if (!test_true(ok, "a derivative", test_state.running, 0))
        printf("%s\n", said);
    for (unsigned i = 0; ok && i + 1 < r.n; i += 2) {
        const double *x = r.out[i].data, *y = r.out[i + 1].data;
        REQUIRE(nnc_tensor_count(&r.out[i]) == nnc_tensor_count(&r.out[i + 1]));
        for (int64_t k = 0; k < nnc_tensor_count(&r.out[i]); k++)
            CHECK_NEAR(x[k], y[k], 1e-12);
    }
    nnc_arena_free(r.a);
}

static void refused(const char *text, const char *why)
{
    run r = read(text);
    CHECK(nnc_autodiff_run(r.m, r.g) == NNC_ERR);
    CHECK_HAS(said, why);
    nnc_arena_free(r.a);
}

/* ---- variables ---- */

static void leaves_of_one_value_are_two_variables(void)
{
    pairs("graph @f () {\n"
          "  %a = leaf 3.0:f64 : f64[]\n"
          "  %b = leaf 3.0:f64 : f64[]\n"
          "  %ab = mul %a, %b : f64[]\n"
          "  %l = mul %ab, %a : f64[]\n"
          "  %ga, %gb = grad %l, %a, %b : f64[], f64[]\n"
          "  yield %ga, 18.0:f64, %gb, 9.0:f64\n}\n");
}

static void variables_of_one_derivative_are_independent(void)
{
    pairs("graph @f () {\n"
          "  %a = leaf 3.0:f64 : f64[]\n"
          "  %d = mul %a, 2.0:f64 : f64[]\n"
          "  %b = leaf %d : f64[]\n"
          "  %l = mul %b, %b : f64[]\n"
          "  %ga, %gb = grad %l, %a, %b : f64[], f64[]\n"
          "  %alone = grad %l, %a : f64[]\n"
          "  %j = jvp %l, %a, %b, 1.0:f64, 10.0:f64 : f64[]\n"
          "  yield %ga, 0.0:f64, %gb, 12.0:f64, %alone, 24.0:f64, %j, 120.0:f64\n}\n");
}

static void unreached_leaves_are_zero_beside_reached_ones(void)
{
    pairs("graph @f () {\n"
          "  %a = leaf 3.0:f64 : f64[]\n"
          "  %c = const [values=[1.0, 2.0]] : f64[2]\n"
          "  %b = leaf %c : f64[2]\n"
          "  %l = mul %a, %a : f64[]\n"
          "  %ga, %gb = grad %l, %a, %b : f64[], f64[2]\n"
          "  %z = const [values=[0.0, 0.0]] : f64[2]\n"
          "  %gz = grad %l, %b [mode=zero] : f64[2]\n"
          "  yield %ga, 6.0:f64, %gb, %z, %gz, %z\n}\n");
    refused("graph @f () {\n"
            "  %b = leaf 1.0:f64 : f64[]\n"
            "  %g = grad 2.0:f64, %b : f64[]\n"
            "  yield %g\n}\n",
            "does not depend on any of the variables");
}

static void kinks_are_flat(void)
{
    pairs("graph @f () {\n"
          "  %v = const [values=[0.0, -1.0, 2.0]] : f64[3]\n"
          "  %x = leaf %v : f64[3]\n"
          "  %r = max %x, 0.0:f64 : f64[3]\n"
          "  %a = abs %x : f64[3]\n"
          "  %y = add %r, %a : f64[3]\n"
          "  %l = reduce %y [kind=sum, axes=[0], keep=0] : f64[]\n"
          "  %g = grad %l, %x : f64[3]\n"
          "  %w = const [values=[0.0, -1.0, 2.0]] : f64[3]\n"
          "  %c = const [values=[5.0, 5.0, 1.0]] : f64[3]\n"
          "  %t = leaf %c : f64[3]\n"
          "  %m = reduce %t [kind=max, axes=[0], keep=0] : f64[]\n"
          "  %gm = grad %m, %t : f64[3]\n"
          "  %first = const [values=[1.0, 0.0, 0.0]] : f64[3]\n"
          "  %p = leaf 0.0:f64 : f64[]\n"
          "  %q = pow %p, 2.0:f64 : f64[]\n"
          "  %g1 = grad %q, %p : f64[]\n"
          "  %g2 = grad %g1, %p : f64[]\n"
          "  yield %g, %w, %gm, %first, %g1, 0.0:f64, %g2, 2.0:f64\n}\n");
}

/* ---- places ---- */

static void outer_values_are_followed_from_inside_a_loop(void)
{
    /* y = sum of squares outside; inside, d(y * slice)/dx where the slice is of x itself */
    pairs("graph @f () {\n"
          "  %c = const [values=[1.0, 2.0, 3.0]] : f64[3]\n"
          "  %x = leaf %c : f64[3]\n"
          "  %q = mul %x, %x : f64[3]\n"
          "  %y = reduce %q [kind=sum, axes=[0], keep=0] : f64[]\n"
          "  %g, %t = scan %x [carried=0, trips=3] : f64[3,3], f64[3] (%i: i64[], %s: f64[]) {\n"
          "    %l = mul %y, %s : f64[]\n"
          "    %d = grad %l, %x : f64[3]\n"
          "    %one = const [values=[1.0, 0.0, 0.0]] : f64[3]\n"
          "    %j = jvp %l, %x, %one : f64[]\n"
          "    yield %d, %j\n"
          "  }\n"
          "  %want = const [values=[16.0, 4.0, 6.0, 4.0, 22.0, 12.0, 6.0, 12.0, 32.0]] : f64[3,3]\n"
          "  %first = const [values=[16.0, 4.0, 6.0]] : f64[3]\n"
          "  yield %g, %want, %t, %first\n}\n");
}

static void several_values_are_pulled_back_at_once(void)
{
    pairs("graph @f () {\n"
          "  %a = leaf 2.0:f64 : f64[]\n"
          "  %b = leaf 5.0:f64 : f64[]\n"
          "  %y = mul %a, %b : f64[]\n"
          "  %z = mul %a, %a : f64[]\n"
          "  %ga, %gb = vjp %y, %z, 10.0:f64, 1.0:f64, %a, %b [outputs=2] : f64[], f64[]\n"
          "  %ty, %tz = jvp %y, %z, %a, %b, 1.0:f64, 2.0:f64 [outputs=2] : f64[], f64[]\n"
          "  yield %ga, 54.0:f64, %gb, 20.0:f64, %ty, 9.0:f64, %tz, 4.0:f64\n}\n");
}

/* ---- rules that come along ---- */

static void the_given_adjoint_is_used(void)
{
    pairs("graph @f () {\n"
          "  %x = leaf 3.0:f64 : f64[]\n"
          "  %y, %r = custom_grad %x, 4:i64 [results=1] : f64[], f64[] (%a: f64[], %n: i64[]) {\n"
          "    %p = floor %a : f64[]\n"
          "    %q = mul %p, %p : f64[]\n"
          "    yield %q, %p\n"
          "  } (%d: f64[], %a: f64[], %n: i64[], %p: f64[]) {\n"
          "    %e = mul %d, 7.0:f64 : f64[]\n"
          "    %h = mul %e, %p : f64[]\n"
          "    yield %h\n"
          "  }\n"
          "  %g = grad %y, %x : f64[]\n"
          "  %j = jvp %y, %x, 2.0:f64 : f64[]\n"
          "  yield %y, 9.0:f64, %g, 21.0:f64, %j, 42.0:f64\n}\n");
}

/* ---- the builder's compounds ---- */

static void jacobians_have_the_shape_of_both(void)
{
    for (int wide = 0; wide < 2; wide++) {
        run r = read("graph @f () {\n  yield\n}\n");
        nnc_op end = nnc_block_last(r.m, nnc_op_region(r.m, r.g, 0));
        nnc_builder b = nnc_builder_before(r.m, end);
        nnc_dim nx = wide ? 3 : 2, d2[2] = {2, wide ? 2 : 3};
        const double v[3] = {1, 2, 3}, w[6] = {1, 2, 3, 4, 5, 6};
        nnc_value x = nnc_g_leaf(&b, nnc_g_const_data(&b, NNC_DT_f64, 1, &nx, v)), y, j;
        if (wide) { /* y[2] = x[0:2] * x[1:3] */
            y = nnc_g_binary(&b, NNC_OP_mul, nnc_g_slice_axis(&b, x, 0, 0, 1, 2),
                             nnc_g_slice_axis(&b, x, 0, 1, 1, 2));
        } else { /* y[3] = W' x */
            nnc_value m = nnc_g_const_data(&b, NNC_DT_f64, 2, d2, w);
            y = nnc_g_dot(&b, x, m, 0, NULL, NULL, 1, (int64_t[]){0}, (int64_t[]){0}, NNC_DT_none);
        }
        j = nnc_g_jacobian(&b, y, x);
        nnc_op_set_ins(r.m, end, 1, &j);
        REQUIRE(nnc_autodiff_run(r.m, r.g) == NNC_OK && nnc_verify(r.m) == NNC_OK && interpret(&r));
        const double *got = r.out[0].data;
        static const double want[2][6] = {{1, 4, 2, 5, 3, 6}, {2, 1, 0, 0, 3, 2}};
        CHECK_INT(r.out[0].rank, 2);
        for (int i = 0; i < 6; i++)
            CHECK_NEAR(got[i], want[wide][i], 1e-12);
        nnc_arena_free(r.a);
    }
}

/* ---- tapes ---- */

static int64_t most_rows; /* the longest stack that is not an input */

static void look_at(nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nout(m, op) && nnc_op_code(m, op) == NNC_OP_scan; i++) {
            const nnc_type_rec *t = nnc_value_ty(m, nnc_op_out(m, op, i));
            if (t->rank == 2 && t->dim[0] > most_rows)
                most_rows = t->dim[0];
        }
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            look_at(m, nnc_op_region(m, op, r));
    }
}

static void checkpoints_shorten_the_tape(void)
{
    for (int k = 0; k < 2; k++) {
        char text[800];
        snprintf(text, sizeof text,
                 "graph @f (%%h0: f64[3]) {\n"
                 "  %%x = leaf %%h0 : f64[3]\n"
                 "  %%h = scan %%x [carried=1, trips=64%s] : f64[3] (%%i: i64[], %%s: f64[3]) {\n"
                 "    %%t = sin %%s : f64[3]\n"
                 "    yield %%t\n"
                 "  }\n"
                 "  %%l = reduce %%h [kind=sum, axes=[0], keep=0] : f64[]\n"
                 "  %%g = grad %%l, %%x : f64[3]\n"
                 "  yield %%g\n}\n",
                 k ? ", checkpoint=8" : "");
        run r = read(text);
        CHECK(nnc_autodiff_run(r.m, r.g) == NNC_OK);
        most_rows = 0;
        look_at(r.m, nnc_op_region(r.m, r.g, 0));
        CHECK_INT(most_rows, k ? 8 : 64);
        nnc_arena_free(r.a);
    }
}

static void the_interpreter_says_what_to_run_first(void)
{
    run r = read("graph @f () {\n"
                 "  %a = leaf 3.0:f64 : f64[]\n"
                 "  %l = mul %a, %a : f64[]\n"
                 "  %g = grad %l, %a : f64[]\n"
                 "  yield %g\n}\n");
    CHECK(!interpret(&r));
    CHECK_HAS(said, "'grad' is computed by operations that the pass 'autodiff' makes");
    nnc_arena_free(r.a);
}

int main(void)
{
    RUN(leaves_of_one_value_are_two_variables);
    RUN(variables_of_one_derivative_are_independent);
    RUN(unreached_leaves_are_zero_beside_reached_ones);
    RUN(kinks_are_flat);
    RUN(outer_values_are_followed_from_inside_a_loop);
    RUN(several_values_are_pulled_back_at_once);
    RUN(the_given_adjoint_is_used);
    RUN(jacobians_have_the_shape_of_both);
    RUN(checkpoints_shorten_the_tape);
    RUN(the_interpreter_says_what_to_run_first);
    return test_end();
}
