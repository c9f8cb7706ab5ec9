/* Every row of passes/schedule/rows.def is chosen for the situation it is meant for, with the plan written here.  That
 * the plans compute the right thing is tests/passes/lower. */
#include "tests/test.h"
#include "ir/build.h"
#include "ir/text.h"
#include "passes/schedule/plan.h"
#include "passes/schedule/schedule.h"

typedef struct row_case {
    const char *row, *target, *graph, *plan;
} row_case;

#define DOT(m, n, k)                                                                            \
    "graph @g (%x: f32[" #m "," #k "], %w: f32[" #k "," #n                                      \
    "]) {\n %y = dot %x, %w [batch_a=[], batch_b=[], contract_a=[1], contract_b=[0]] : f32[" #m \
    "," #n "]\n yield %y\n}\n"
#define CONV(x, w, y, more)                                                              \
    "graph @g (%x: f32[" x "], %w: f32[" w "]) {\n %y = conv %x, %w [" more "] : f32[" y \
    "]\n yield %y\n}\n"
#define PLAIN2 "stride=[1,1], lo=[0,0], hi=[0,0], dilation=[1,1], lhs_dilation=[1,1], "
#define PLAIN1 "stride=[1], lo=[0], hi=[0], dilation=[1], lhs_dilation=[1], "
#define BYTES(m, n, k)                                                                      \
    "graph @g (%x: u8[" #m "," #k "], %w: i8[" #k "," #n                                    \
    "]) {\n %y = dot %x, %w [contract_a=[1], contract_b=[0]] : i32[" #m "," #n "]\n yield " \
    "%y\n}\n"
#define CONV8(x, w, y, more)                                                     \
    "graph @g (%x: u8[" x "], %w: i8[" w "]) {\n %y = conv %x, %w [" PLAIN2 more \
    ", layout=nhwc] : i32[" y "]\n yield %y\n}\n"
#define POOL(k, y)                                                                              \
    "graph @g (%x: f32[1,32,32,32]) {\n %y = window_reduce %x [kind=max, size=[1," #k "," #k    \
    ",1], stride=[1,1,1,1], dilation=[1,1,1,1], lo=[0,0,0,0], hi=[0,0,0,0]] : f32[1," #y "," #y \
    ",32]\n yield %y\n}\n"

static const row_case cases[] = {
    {"gemm", "avx512", DOT(128, 384, 384), "n:32 m:14 k:1 m:1u n:16u n:1v pack"},
    {"gemm", "avx2", DOT(128, 384, 384), "n:24 m:4 k:1 m:1u n:8u n:1v pack"},
    {"gemv", "avx512", DOT(1, 256, 784), "n:64 k:2 k:1s n:16u n:1v pack"},
    {"winograd_4", "avx512",
     CONV("1,58,58,64", "3,3,64,64", "1,56,56,64", PLAIN2 "groups=1, layout=nhwc"),
     "winograd:4 h:2 o:32 m:14 i:1 m:1u o:16u o:1v pack"},
    {"winograd_2", "avx512",
     CONV("1,12,12,128", "3,3,128,128", "1,10,10,128", PLAIN2 "groups=1, layout=nhwc"),
     "winograd:2 h:5 o:32 m:14 i:1 m:1u o:16u o:1v pack"},
    {"conv_joined", "avx512",
     CONV("1,60,58,64", "5,3,64,64", "1,56,56,64", PLAIN2 "groups=1, layout=nhwc"),
     "o:32 h:1 w:14 y:1 t:1 w:1u o:16u o:1v pack"},
    {"conv", "avx512",
     CONV("1,58,58,64", "3,3,16,64", "1,56,56,64", PLAIN2 "groups=4, layout=nhwc"),
     "g:1 o:32 h:1 w:14 y:1 x:1 i:1 w:1u o:16u o:1v pack"},
    {"conv_rows", "avx512",
     CONV("1,3,66,66", "1,3,3,3", "1,1,64,64", PLAIN2 "groups=1, layout=nchw"),
     "g:1 o:4 h:1 w:16 i:1 y:1 x:1 o:1u w:1v pack"},
    {"dw_tile", "avx512",
     CONV("1,58,58,64", "3,3,1,64", "1,56,56,64", PLAIN2 "groups=64, layout=nhwc"),
     "h:4 w:4 g:16 y:1u x:1u h:1u w:1u g:1v pack"},
    {"dw_row", "avx512", CONV("1,58,64", "3,1,64", "1,56,64", PLAIN1 "groups=64, layout=nhwc"),
     "h:1 w:8 g:16 y:1u x:1u w:1u g:1v pack"},
    {"dw_large", "avx512",
     CONV("1,62,62,64", "7,7,1,64", "1,56,56,64", PLAIN2 "groups=64, layout=nhwc"),
     "h:1 w:8 g:16 y:1 x:1 w:1u g:1v pack"},
    {"dw_pixels", "avx512",
     CONV("1,4,58,58", "4,1,3,3", "1,4,56,56", PLAIN2 "groups=4, layout=nchw"),
     "g:1 h:1 w:16 y:1 x:1 w:1v"},
    {"pool", "avx512", POOL(3, 30), "r:2 c:16 Q:1u R:1u r:1u c:1v"},
    {"pool_large", "avx512", POOL(7, 26), "c:64 c:16u c:1v"},
    {"rows", "avx512",
     "graph @g (%x: f32[9,300]) {\n %y = reduce %x [kind=max, axes=[1], keep=0] : f32[9]\n yield "
     "%y\n}\n",
     "c:64 c:16s c:1v"},
    {"rows_short", "avx512",
     "graph @g (%x: f32[9,128]) {\n %y = softmax %x [axis=1] : f32[9,128]\n yield %y\n}\n",
     "c:16 c:1v"},
    {"columns", "avx512",
     "graph @g (%x: f32[1,7,7,512]) {\n %y = reduce %x [kind=sum, axes=[1,2], keep=0] : "
     "f32[1,512]\n yield %y\n}\n",
     "outer c:64 stage c:16u c:1v"},
    {"columns_one", "avx512",
     "graph @g (%x: f32[9,128]) {\n %y = softmax %x [axis=0] : f32[9,128]\n yield %y\n}\n",
     "outer c:16 stage c:1v"},
    {"map", "avx512", "graph @g (%x: f32[9,128]) {\n %y = exp %x : f32[9,128]\n yield %y\n}\n",
     "c:16 c:1v"},
    {"concat", "avx512",
     "graph @g (%x: f32[9,128], %z: f32[9,64]) {\n %y = concat %x, %z [axis=1] : f32[9,192]\n "
     "yield %y\n}\n",
     "c:16 c:1v"},
    {"gemm_bytes", "avx512", BYTES(128, 384, 384), "n:32 m:14 k:4 m:1u n:16u n:1v k:1d pack"},
    {"gemv_bytes", "avx512", BYTES(1, 256, 784), "n:64 k:8 k:4s n:16u n:1v k:1d pack"},
    {"conv_bytes_joined", "avx512", CONV8("1,58,58,3", "3,3,3,64", "1,56,56,64", "groups=1"),
     "o:32 h:1 w:14 y:1 t:4 w:1u o:16u o:1v t:1d pack"},
    {"conv_bytes", "avx512", CONV8("1,58,58,64", "3,3,16,64", "1,56,56,64", "groups=4"),
     "g:1 o:32 h:1 w:14 y:1 x:1 i:4 w:1u o:16u o:1v i:1d pack"},
    {"dw_bytes", "avx512", CONV8("1,58,58,64", "3,3,1,64", "1,56,56,64", "groups=64"),
     "h:4 w:4 g:16 y:1u x:4u h:1u w:1u g:1v x:1d pack"},
    {"dw_bytes_row", "avx512",
     "graph @g (%x: u8[1,58,64], %w: i8[3,1,64]) {\n %y = conv %x, %w [" PLAIN1
     "groups=64, layout=nhwc] : i32[1,56,64]\n yield %y\n}\n",
     "h:1 w:8 g:16 y:1u x:4u w:1u g:1v x:1d pack"},
    {"gemm_cells", "scalar", DOT(128, 384, 384), "n:4 m:4 k:1 m:1u n:1u pack"},
    {"gemv_cells", "scalar", DOT(1, 256, 784), "n:8 k:1 n:1u pack"},
    {"conv_cells", "scalar",
     CONV("1,58,58,64", "3,3,64,64", "1,56,56,64", PLAIN2 "groups=1, layout=nhwc"),
     "o:4 h:1 w:4 y:1 t:1 w:1u o:1u pack"},
    {"conv_cells_2", "scalar",
     CONV("1,58,58,64", "3,3,16,64", "1,56,56,64", PLAIN2 "groups=4, layout=nhwc"),
     "g:1 o:4 h:1 w:4 y:1 x:1 i:1 w:1u o:1u pack"},
    {"dw_cells", "scalar",
     CONV("1,58,58,64", "3,3,1,64", "1,56,56,64", PLAIN2 "groups=64, layout=nhwc"),
     "h:1 w:4 g:1 y:1u x:1u w:1u"},
    {"generic", "avx512",
     "graph @g (%x: f32[6,128]) {\n %t = transpose %x [perm=[1,0]] : f32[128,6]\n yield %t\n}\n",
     ""},
};

static void to_constant(nnc_module *m, nnc_block b, unsigned i)
{
    nnc_value v = nnc_block_arg(m, b, i);
    nnc_type_rec t = *nnc_value_ty(m, v);
    nnc_builder at = nnc_builder_at_end(m, b);
    at.pos.before = nnc_block_first(m, b);
    void *data = nnc_arena_alloc(m->arena, (size_t)nnc_type_bytes(m, nnc_value_type(m, v)));
    nnc_value_replace(m, v, nnc_g_const_data(&at, (nnc_dtype)t.dtype, t.rank, t.dim, data));
    nnc_block_erase_arg(m, b, i);
}

/* The row chosen for the only fused op of the graph; its plan goes to plan[]. */
static const char *chosen(const row_case *c, nnc_arena *a, const char **plan)
{
    nnc_module *m = nnc_module_new(a, nnc_diag_new(a));
    nnc_options opt = {.target = nnc_target_by_name(c->target)};
    nnc_pass_cx cx = {.m = m, .scratch = a, .opt = &opt};
    *plan = "";
    if (nnc_read_module(m, c->row, c->graph, strlen(c->graph), "") != NNC_OK)
        return "(the text cannot be read)";
    nnc_block b = nnc_op_region(m, nnc_func_entry(m, NNC_OP_graph), 0);
    for (unsigned i = nnc_block_narg(m, b); i-- > 0;)
        if (nnc_value_name(m, nnc_block_arg(m, b, i))[0] == 'w')
            to_constant(m, b, i);
    if (nnc_pass_group(&cx) != NNC_OK)
        return "(group failed)";
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_fused) {
            const char *row = nnc_schedule_choose(&cx, op);
            *plan = nnc_attr_str(m, op, NNC_W_plan, "");
            return row;
        }
    return "(nothing fused)";
}

static void rows_are_chosen(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nnc_arena *a = nnc_arena_new();
        const char *plan;
        CHECK_STR(chosen(&cases[i], a, &plan), cases[i].row);
        CHECK_STR(plan, cases[i].plan);
        nnc_arena_free(a);
    }
}

static void every_row_has_a_case(void)
{
    const char *name;
    for (unsigned r = 0; (name = nnc_schedule_row_name(r)); r++) {
        bool found = false;
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
            found |= !strcmp(cases[i].row, name);
        if (!found)
            test_failed(__FILE__, __LINE__, "row '%s' has no case", name);
        CHECK(found);
    }
}

static void plans_are_read_and_printed(void)
{
    static const char *const good[] = {
        "",     "n:64 m:6 k:1 m:1u n:16u n:1v pack", "outer r:1 stage c:16 c:1v", "pack",
        "c:1p", "winograd:4 h:2 o:16 o:1v pack"};
    static const char *const bad[] = {"n",         "n:",  "n:0",       "n:x",  "n:4w",
                                      "outer r:1", "4:n", "n:4 stage", "n:4u5"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        nnc_plan p;
        const char *at;
        char text[200];
        CHECK(nnc_plan_parse(&p, good[i], &at));
        nnc_plan_print(&p, text, sizeof text);
        CHECK_STR(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        nnc_plan p;
        const char *at;
        CHECK(!nnc_plan_parse(&p, bad[i], &at));
    }
}

int main(void)
{
    RUN(plans_are_read_and_printed);
    RUN(rows_are_chosen);
    RUN(every_row_has_a_case);
    return test_end();
}
