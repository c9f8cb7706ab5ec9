/* Fused ops as graphs against the kernels made of them, in the interpreter: every kind of op, dtypes, dynamic sizes,
 * shapes that no step divides.  The pass manager compares (translation validation) after each pass.
 *
 * Arguments named w.. become constants with random data, so that packed layouts are covered. */
#include "tests/test.h"
#include "ir/build.h"
#include "ir/interp.h"
#include "ir/eval.h"
#include "ir/text.h"
#include "passes/pass.h"

static const char *target_name = "avx512";
static const char *pass_list = "layout,dce,halo,group,schedule,lower,merge,kexpand,plan";

static void to_constant(nnc_module *m, nnc_op graph, unsigned i)
{
    nnc_block b = nnc_op_region(m, graph, 0);
    nnc_value v = nnc_block_arg(m, b, i);
    nnc_type_rec t = *nnc_value_ty(m, v);
    int64_t n = nnc_type_count(m, nnc_value_type(m, v));
    size_t size = nnc_dtype_bytes((nnc_dtype)t.dtype);
    char *data = nnc_arena_alloc(m->arena, (size_t)n * size + 1);
    for (int64_t k = 0; k < n; k++) {
        int64_t r = (k * 7919 + 13 * (int64_t)i) % 41 - 20;
        nnc_num num = {.f = (double)r / 16,
                       .i = nnc_dtype_infos[t.dtype].class == NNC_DC_BOOL ? r & 1 : r};
        nnc_num_store((nnc_dtype)t.dtype, data + (size_t)k * size, num);
    }
    nnc_builder at = nnc_builder_at_end(m, b);
    at.pos.before = nnc_block_first(m, b);
    nnc_value c = nnc_g_const_data(&at, (nnc_dtype)t.dtype, t.rank, t.dim, data);
    nnc_value_set_name(m, c, nnc_value_name(m, v));
    nnc_value_replace(m, v, c);
    nnc_block_erase_arg(m, b, i);
}

static void complain(void *user, const char *text)
{
    (void)user;
    fputs(text, stdout);
}

static bool run(const char *name, const char *text, const char *plan)
{
    nnc_arena *a = nnc_arena_new();
    nnc_diag *d = nnc_diag_new(a);
    nnc_diag_set_sink(d, complain, NULL);
    nnc_module *m = nnc_module_new(a, d);
    bool ok = nnc_read_module(m, name, text, strlen(text), "") == NNC_OK;
    if (ok) {
        nnc_op g = nnc_func_entry(m, NNC_OP_graph);
        for (unsigned i = nnc_block_narg(m, nnc_op_region(m, g, 0)); i-- > 0;)
            if (nnc_value_name(m, nnc_block_arg(m, nnc_op_region(m, g, 0), i))[0] == 'w')
                to_constant(m, g, i);
        nnc_options opt = {.target = nnc_target_by_name(target_name),
                           .passes = plan ? "layout,dce,halo,group" : pass_list,
                           .check = true,
                           .check_seed = 7};
        opt.print_after = getenv("PRINT");
        ok = nnc_passes_run(m, &opt) == NNC_OK;
        if (ok && plan) {
            nnc_block b = nnc_op_region(m, nnc_func_entry(m, NNC_OP_graph), 0);
            for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
                if (nnc_op_code(m, op) == NNC_OP_fused)
                    nnc_attr_set_str(m, op, NNC_W_plan, plan);
            opt.passes = strstr(pass_list, "kexpand") ? "lower,merge,kexpand,plan" : "lower";
            ok = nnc_passes_run(m, &opt) == NNC_OK;
        }
    }
    if (!ok)
        printf("case %s%s%s\n", name, plan ? " with plan " : "", plan ? plan : "");
    nnc_arena_free(a);
    return ok;
}

typedef struct test_case {
    const char *name, *text, *plan[8];
} test_case;
static const test_case cases[] = {
#include "tests/passes/lower/cases.def"
};

static void lowers_like_the_graph(void)
{
    static const char *const targets[] = {"avx512", "avx2", "neon", "scalar"};
    const char *only = getenv("CASE");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (only && strcmp(only, cases[i].name))
            continue;
        for (size_t t = 0; t < sizeof targets / sizeof targets[0]; t++) {
            target_name = targets[t];
            CHECK(run(cases[i].name, cases[i].text, NULL));
        }
        target_name = targets[0];
        CHECK(run(cases[i].name, cases[i].text, ""));
        for (unsigned k = 0; k < 8 && cases[i].plan[k]; k++)
            CHECK(run(cases[i].name, cases[i].text, cases[i].plan[k]));
    }
}

/* A plan is text that a user may write: what cannot be carried out is an error, not a crash. */
static void refuses_bad_plans(void)
{
    static const char map[] =
        "graph @g (%x: f32[3,128]) {\n %y = exp %x : f32[3,128]\n yield %y\n}\n";
    static const char dot[] = "dim n = 1..9\ngraph @g (%x: f32[n,12], %z: f32[12,20]) {\n"
                              " %y = dot %x, %z [batch_a=[], batch_b=[], contract_a=[1], "
                              "contract_b=[0]] : f32[n,20]\n yield %y\n}\n";
    static const char rows[] =
        "graph @g (%x: f32[3,128]) {\n %y = softmax %x [axis=1] : f32[3,128]\n yield %y\n}\n";
    static const char best[] = "graph @g (%x: f32[3,128]) {\n %y = argreduce %x [kind=max, axis=1] "
                               ": i64[3]\n yield %y\n}\n";
    static const char bytes[] = "graph @g (%x: u8[3,12], %w: i8[12,20]) {\n %y = dot %x, %w "
                                "[contract_a=[1], contract_b=[0]] : i32[3,20]\n yield %y\n}\n";
    static const char conv[] =
        "graph @g (%x: f32[1,9,9,16], %w: f32[3,3,16,16]) {\n %y = conv %x, %w [stride=[2,2], "
        "lo=[0,0], hi=[0,0], dilation=[1,1], lhs_dilation=[1,1], groups=1, layout=nhwc] : "
        "f32[1,4,4,16]\n yield %y\n}\n";
    printf("(errors follow, as they should)\n");
    CHECK(!run("strided", conv, "winograd:2 o:16 m:2 i:1 o:1v pack"));
    CHECK(!run("tile of three", conv, "winograd:3 o:16 m:2 i:1 o:1v pack"));
    CHECK(!run("no convolution", map, "winograd:2 pack"));
    CHECK(!run("map", map, "c:1v"));
    CHECK(!run("map", map, "c:16 c:1v r:1"));
    CHECK(!run("map", map, "c:16 q"));
    CHECK(!run("dot", dot, "k:1 m:1u n:1u"));
    CHECK(!run("dot", dot, "k:8 k:1v"));
    CHECK(!run("rows", rows, "outer c:16 stage c:1v"));
    CHECK(!run("argreduce", best, "c:16 c:1v"));
    CHECK(!run("floats", dot, "m:1 n:1 k:4 k:1d pack"));
    CHECK(!run("unpacked", bytes, "n:16 k:4 n:1v k:1d"));
    CHECK(!run("threes", bytes, "n:16 k:3 n:1v k:1d pack"));
    CHECK(!run("twelve", bytes, "n:16 n:1v k:1d pack"));
    CHECK(!run("first", bytes, "n:16 k:4 k:1d n:1v pack"));
}

/* Fused ops written by hand that are not one kernel. */
static void refuses_bad_regions(void)
{
    static const char *const texts[] = {
        "graph @g (%x: f32[4,4]) {\n %y = fused %x : f32[4,4] (%a: f32[4,4]) {\n"
        "  %b = dot %a, %a [batch_a=[], batch_b=[], contract_a=[1], contract_b=[0]] : f32[4,4]\n"
        "  %c = dot %b, %a [batch_a=[], batch_b=[], contract_a=[1], contract_b=[0]] : f32[4,4]\n  "
        "yield %c\n }\n yield %y\n}\n",
        "graph @g (%x: f32[4,4]) {\n %y = fused %x : f32[4,4] (%a: f32[4,4]) {\n  %b = softmax %a "
        "[axis=1] : f32[4,4]\n  yield %b\n }\n yield %y\n}\n",
        "graph @g (%x: f32[4,4]) {\n %y, %z = fused %x : f32[4,4], f32[4,1] (%a: f32[4,4]) {\n  %b "
        "= exp %a : f32[4,4]\n"
        "  %s = slice %a [start=[0,0], step=[1,1]] : f32[4,1]\n  yield %b, %s\n }\n yield %y, "
        "%z\n}\n",
        "graph @g (%x: f32[4,4]) {\n %y, %z = fused %x : f32[4], f32[4] (%a: f32[4,4]) {\n  %b = "
        "reduce %a [kind=sum, axes=[0], keep=0] : f32[4]\n"
        "  %s = reduce %a [kind=sum, axes=[1], keep=0] : f32[4]\n  yield %b, %s\n }\n yield %y, "
        "%z\n}\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CHECK(!run("region", texts[i], NULL));
}

int main(void)
{
    RUN(refuses_bad_regions);
    RUN(refuses_bad_plans);
    RUN(lowers_like_the_graph);
    return test_end();
}
