/* The pass manager: names, levels, printing, and that translation validation finds a pass that lies. */
#include "ir/text.h"
#include "passes/pass.h"
#include "passes/validate.h"
#include "tests/test.h"

static char said[8192];

static void collect(void *user, const char *text)
{
    (void)user;
    if (strlen(said) + strlen(text) < sizeof said - 1)
        strcat(said, text);
}

static nnc_module *module_of(nnc_arena *a, const char *text)
{
    nnc_diag *d = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, d);

    said[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    test_true(nnc_read_module(m, "test.ir", text, strlen(text), ".") == NNC_OK,
              "IR that can be read", __FILE__, __LINE__);
    return m;
}

static const char small[] = "graph @f (%x: f32[4]) {\n"
                            "  %a = neg %x : f32[4]\n"
                            "  %y = exp %a : f32[4]\n"
                            "  yield %y\n"
                            "}\n";

static nnc_status run(const char *passes, const char *print_after)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = module_of(a, small);
    nnc_options opt = {
        .target = nnc_target_by_name("avx512"), .passes = passes, .print_after = print_after};
    nnc_status s = nnc_passes_run(m, &opt);

    nnc_arena_free(a);
    return s;
}

static void names(void)
{
    CHECK(run("fold,dce", NULL) == NNC_OK);
    CHECK(run("fold,,dce,", NULL) == NNC_OK);
    CHECK(run("fodl,dce", NULL) == NNC_ERR);
    CHECK_HAS(said, "there is no pass 'fodl'; did you mean 'fold'?");
    CHECK(run("quantum_entangle", NULL) == NNC_ERR);
    CHECK_HAS(said, "there is no pass 'quantum_entangle'");
    CHECK(!strstr(said, "did you mean"));
    CHECK(run("fold", "simplfy") == NNC_ERR);
    CHECK_HAS(said, "did you mean 'simplify'?");
}

static void levels(void)
{
    CHECK(run("kexpand", NULL) == NNC_ERR);
    CHECK_HAS(said, "pass 'kexpand' needs an entry kernel before it");
}

static void table(void)
{
    for (unsigned i = 0; i < nnc_pass_count; i++) {
        CHECK(nnc_pass_infos[i].run != NULL && *nnc_pass_infos[i].doc);
        if (i)
            CHECK_INT(nnc_pass_infos[i].before, nnc_pass_infos[i - 1].after);
    }
}

/* A "pass" that swaps one op for another under validation. */
static nnc_status lie(const char *text, nnc_opcode from, nnc_opcode to, const char *pass)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = module_of(a, text);
    nnc_validate *v = NULL;
    nnc_pass_info info = {.name = pass, .before = NNC_LEVEL_G, .after = NNC_LEVEL_G};
    nnc_block b = nnc_op_region(m, nnc_func_entry(m, NNC_OP_graph), 0);
    nnc_status s = nnc_validate_begin(m, 7, false, &v);

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == from)
            nnc_op_get(m, op)->code = (uint16_t)to;
    if (s == NNC_OK && v)
        s = nnc_validate_pass(v, &info);
    nnc_arena_free(a);
    return s;
}

static void lies_are_found(void)
{
    static const char zero[] = "graph @f (%x: f32[64]) {\n"
                               "  %y = add %x, 0.0:f32 : f32[64]\n"
                               "  yield %y\n"
                               "}\n";
    CHECK(lie(small, NNC_OP_none, NNC_OP_none, "fold") == NNC_OK);
    CHECK(lie(small, NNC_OP_exp, NNC_OP_expm1, "fold") == NNC_ERR);
    CHECK_HAS(said, "pass 'fold' changed the result: element");
    /* round to even against truncation: only some inputs differ */
    CHECK(lie("graph @f (%x: f32[64]) {\n  %y = round %x : f32[64]\n  yield %y\n}\n", NNC_OP_round,
              NNC_OP_trunc, "cse") == NNC_ERR);
    /* max and min of nan: only special inputs show that x + 0 is no longer computed */
    CHECK(lie(zero, NNC_OP_add, NNC_OP_max, "dce") == NNC_ERR);
}

static void symbols_are_drawn_within_bounds(void)
{
    CHECK(lie("dim n = 2..5\n"
              "graph @f (%x: f32[n,3], %z: f32[n]) {\n"
              "  %r = reshape %z : f32[n,1]\n"
              "  %y = add %x, %r : f32[n,3]\n"
              "  yield %y\n"
              "}\n",
              NNC_OP_none, NNC_OP_none, "fold") == NNC_OK);
    CHECK_STR(said, "");
}

int main(void)
{
    RUN(names);
    RUN(levels);
    RUN(table);
    RUN(lies_are_found);
    RUN(symbols_are_drawn_within_bounds);
    return test_end();
}
