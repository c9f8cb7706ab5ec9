/* What layout, halo and group make of small graphs, as a line: the ops that stand at the top of the graph, and in
 * brackets those of each fused op.  Each "joins" has a twin that does not. */
#include "tests/test.h"
#include "ir/text.h"
#include "passes/pass.h"

typedef struct graph_case {
    const char *name, *graph, *want;
} graph_case;
#define G(args, body) "graph @g (" args ") {\n" body "}\n"
#define CONV_ATTRS(pad, layout)            \
    "stride=[1,1], lo=[" pad "], hi=[" pad \
    "], dilation=[1,1], lhs_dilation=[1,1], groups=1, layout=" layout
#define DOT " [batch_a=[], batch_b=[], contract_a=[1], contract_b=[0]] "

static const graph_case cases[] = {
    {"an elementwise chain is one kernel",
     G("%x: f32[4,8], %b: f32[8]",
       "%a = exp %x : f32[4,8]\n%c = add %a, %b : f32[4,8]\n%d = tanh %c : f32[4,8]\nyield %d\n"),
     "fused(exp add tanh)"},
    {"a reshape between them is only a view of memory",
     G("%x: f32[4,8]",
       "%a = exp %x : f32[4,8]\n%r = reshape %a : f32[32]\n%d = tanh %r : f32[32]\nyield %d\n"),
     "fused(exp) reshape fused(tanh)"},
    {"epilogue of a dot",
     G("%x: f32[4,8], %w: f32[8,6], %b: f32[6]",
       "%a = dot %x, %w" DOT ": f32[4,6]\n%c = add %a, %b : f32[4,6]\n%s = sigmoid %c : "
       "f32[4,6]\n%y = mul %c, %s : f32[4,6]\nyield %y\n"),
     "fused(dot add sigmoid mul)"},
    {"a broadcast of a dot is not its epilogue",
     G("%x: f32[1,8], %w: f32[8,6], %b: f32[4,6]",
       "%a = dot %x, %w" DOT ": f32[1,6]\n%c = add %a, %b : f32[4,6]\nyield %c\n"),
     "fused(dot) fused(add)"},
    {"only one reduction per kernel",
     G("%x: f32[4,8], %w: f32[8,6], %v: f32[8,6]",
       "%a = dot %x, %w" DOT ": f32[4,6]\n%c = dot %x, %v" DOT
       ": f32[4,6]\n%y = add %a, %c : f32[4,6]\nyield %y\n"),
     "fused(dot) fused(dot add)"},
    {"nothing is computed again for every step of a dot",
     G("%x: f32[4,8], %w: f32[8,6]",
       "%e = exp %x : f32[4,8]\n%a = dot %e, %w" DOT ": f32[4,6]\nyield %a\n"),
     "fused(exp) fused(dot)"},
    {"views of operands are read in place",
     G("%x: f32[8,4], %w: f32[8,6]",
       "%t = transpose %x [perm=[1,0]] : f32[4,8]\n%a = dot %t, %w" DOT ": f32[4,6]\nyield %a\n"),
     "fused(transpose dot)"},
    {"a turned view beside a straight operand is a kernel of its own, so that vectors stay",
     G("%x: f32[8,4], %z: f32[4,8]",
       "%t = transpose %x [perm=[1,0]] : f32[4,8]\n%a = add %t, %z : f32[4,8]\nyield %a\n"),
     "fused(transpose) fused(add)"},
    {"alone, or beside another of its kind, it is read in place",
     G("%x: f32[8,4], %z: f32[8,4]", "%t = transpose %x [perm=[1,0]] : f32[4,8]\n%u = transpose %z "
                                     "[perm=[1,0]] : f32[4,8]\n%a = add %t, %u : f32[4,8]\n%r = "
                                     "reshape %a : f32[32]\nyield %r\n"),
     "fused(add transpose) reshape"},
    {"an op whose other operand is not transposed keeps its order",
     G("%x: f32[2,3,5,5], %w: f32[4,3,3,3], %p: f32[2,4,3,3]",
       "%a = conv %x, %w [" CONV_ATTRS("0,0", "nchw") "] : f32[2,4,3,3]\n%y = add %p, %a : "
                                                      "f32[2,4,3,3]\nyield %y\n"),
     "fused(transpose) fused(transpose) fused(conv) fused(transpose) fused(add)"},
    {"what a convolution reads is computed in its order",
     G("%x: f32[2,3,5,5], %w: f32[3,3,3,3], %p: f32[2,3,3,3], %v: f32[4,3,3,3]",
       "%a = conv %x, %w [" CONV_ATTRS("0,0", "nchw") "] : f32[2,3,3,3]\n%y = add %p, %a : "
                                                      "f32[2,3,3,3]\n%b = conv %y, %v [" CONV_ATTRS(
                                                          "0,0",
                                                          "nchw") "] : f32[2,4,1,1]\nyield %b\n"),
     "fused(transpose) fused(transpose) fused(transpose) fused(conv add) fused(transpose) "
     "fused(conv) reshape"},
    {"a computed right operand is turned so that vectors run along its free dim",
     G("%x: f32[4,8], %w: f32[6,8]", "%a = dot %x, %w [batch_a=[], batch_b=[], contract_a=[1], "
                                     "contract_b=[1]] : f32[4,6]\nyield %a\n"),
     "fused(transpose) fused(dot)"},
    {"a map joins the reduction that reads it, and its value is a second result",
     G("%x: f32[4,8], %z: f32[4,8]", "%s = add %x, %z : f32[4,8]\n%r = reduce %s [kind=sum, "
                                     "axes=[1], keep=1] : f32[4,1]\nyield %r, %s\n"),
     "fused(add reduce)"},
    {"rows are read again in the same kernel",
     G("%x: f32[4,8]",
       "%q = mul %x, %x : f32[4,8]\n%s = reduce %q [kind=sum, axes=[1], keep=1] : f32[4,1]\n%r = "
       "rsqrt %s : f32[4,1]\n%y = mul %x, %r : f32[4,8]\nyield %y\n"),
     "fused(mul reduce rsqrt mul)"},
    {"columns are not",
     G("%x: f32[4,8]", "%s = reduce %x [kind=sum, axes=[0], keep=1] : f32[1,8]\n%y = mul %x, %s : "
                       "f32[4,8]\nyield %y\n"),
     "fused(reduce) fused(mul)"},
    {"a cycle through another kernel is not closed",
     G("%x: f32[4,8], %w: f32[8,8]", "%e = exp %x : f32[4,8]\n%d = dot %e, %w" DOT
                                     ": f32[4,8]\n%y = mul %e, %d : f32[4,8]\nyield %y\n"),
     "fused(exp) fused(dot mul)"},
    {"softmax is written out inside its kernel",
     G("%x: f32[4,8]",
       "%c = mul %x, 0.5:f32 : f32[4,8]\n%y = softmax %c [axis=1] : f32[4,8]\nyield %y\n"),
     "fused(mul reduce sub exp reduce div)"},
    {"unclaimed composites are written out before",
     G("%x: f32[4,8]", "%y = softplus %x : f32[4,8]\nyield %y\n"),
     "fused(abs neg exp log1p max add)"},
    {"each part of a concat has its map",
     G("%x: f32[4,8], %z: f32[4,3]",
       "%e = exp %x : f32[4,8]\n%y = concat %e, %z [axis=1] : f32[4,11]\nyield %y\n"),
     "fused(exp concat)"},
    {"a convolution runs channels-last; its padding is written by the producer",
     G("%x: f32[1,8,6,6], %w: f32[8,8,3,3], %v: f32[8,8,3,3]",
       "%a = conv %x, %w [" CONV_ATTRS(
           "1,1",
           "nchw") "] : f32[1,8,6,6]\n%r = max %a, 0.0:f32 : f32[1,8,6,6]\n"
                   "%c = conv %r, %v [" CONV_ATTRS(
                       "1,1",
                       "nchw") "] : f32[1,8,6,6]\n%y = add %c, %r : f32[1,8,6,6]\nyield %y\n"),
     "fused(transpose) fused(transpose pad) fused(conv max pad) fused(transpose) fused(slice conv "
     "add) fused(transpose)"},
    {"pools and concats stay channels-last between convolutions",
     G("%x: f32[1,8,6,6], %w: f32[8,8,1,1], %v: f32[8,16,1,1]",
       "%a = conv %x, %w [" CONV_ATTRS(
           "0,0",
           "nchw") "] : f32[1,8,6,6]\n"
                   "%p = window_reduce %a [kind=max, size=[1,1,3,3], stride=[1,1,1,1], "
                   "dilation=[1,1,1,1], lo=[0,0,1,1], hi=[0,0,1,1]] : f32[1,8,6,6]\n"
                   "%k = concat %a, %p [axis=1] : f32[1,16,6,6]\n%c = conv %k, %v [" CONV_ATTRS(
                       "0,0", "nchw") "] : f32[1,8,6,6]\nyield %c\n"),
     "fused(transpose) fused(transpose) fused(conv) fused(window_reduce) fused(concat) "
     "fused(transpose) fused(conv) fused(transpose)"},
    {"bodies of control flow are grouped by themselves",
     G("%x: f32[4,3], %h: f32[3]",
       "%y = scan %h, %x [carried=1, trips=4] : f32[3] (%i: i64[], %c: f32[3], %v: f32[3]) {\n%a = "
       "add %c, %v : f32[3]\n%b = tanh %a : f32[3]\nyield %b\n}\nyield %y\n"),
     "scan{fused(add tanh)}"},
};

static void describe(const nnc_module *m, nnc_block b, char *to, size_t size)
{
    bool first = true;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_has(m, op, NNC_TERMINATOR))
            continue;
        size_t n = strlen(to);
        snprintf(to + n, size - n, "%s%s", first ? "" : " ", nnc_op_infos[nnc_op_code(m, op)].name);
        first = false;
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++) {
            bool fused = nnc_op_code(m, op) == NNC_OP_fused;
            n = strlen(to);
            snprintf(to + n, size - n, "%s", fused ? "(" : "{");
            describe(m, nnc_op_region(m, op, i), to, size);
            n = strlen(to);
            snprintf(to + n, size - n, "%s", fused ? ")" : "}");
        }
    }
}

static void graphs_are_grouped(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        nnc_arena *a = nnc_arena_new();
        nnc_module *m = nnc_module_new(a, nnc_diag_new(a));
        nnc_options opt = {.target = nnc_target_by_name("avx512"),
                           .passes = "layout,dce,halo,group",
                           .check = true,
                           .check_seed = 3};
        char got[1000] = "";
        CHECK(nnc_read_module(m, cases[i].name, cases[i].graph, strlen(cases[i].graph), "") ==
              NNC_OK);
        CHECK(nnc_passes_run(m, &opt) == NNC_OK);
        nnc_op g = nnc_func_entry(m, NNC_OP_graph);
        if (g.id)
            describe(m, nnc_op_region(m, g, 0), got, sizeof got);
        CHECK_STR(got, cases[i].want);
        nnc_arena_free(a);
    }
}

int main(void)
{
    RUN(graphs_are_grouped);
    return test_end();
}
