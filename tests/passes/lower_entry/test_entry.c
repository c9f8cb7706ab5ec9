/* The entry kernel: arguments, views, copies between layouts, control flow, in the K interpreter against the G one. */
#include "tests/passes/judge.h"

/* A fused op of one operand and one elementwise op. */
#define MAP1(y, op, x, t)                                                                   \
    "  %" y " = fused %" x " : " t " (%" y "a: " t ") {\n    %" y "b = " op " %" y "a : " t \
    "\n    yield %" y "b\n  }\n"
#define MAP2(y, op, x, z, t)                                                              \
    "  %" y " = fused %" x ", %" z " : " t " (%" y "a: " t ", %" y "c: " t ") {\n    %" y \
    "b = " op " %" y "a, %" y "c : " t "\n    yield %" y "b\n  }\n"

static judge_result run(const char *text)
{
    return judge(text, (judge_options){0});
}

static judge_result run_n(const char *text, int64_t n)
{
    return judge(text, (judge_options){.sym = &n});
}

static void outputs_that_nothing_makes(void)
{
    run("graph @g [entry=1] (%x: f32[3]) {\n  yield %x\n}\n");
    run("graph @g [entry=1] (%x: f32[3]) {\n  yield %x, %x\n}\n");
    run("graph @g [entry=1] () {\n  %c = const [values=[1.5, -2.0]] : f32[2]\n  yield %c\n}\n");
    run("graph @g [entry=1] () {\n  yield 1.5:f32, true\n}\n");
    run("graph @g [entry=1] (%x: f32[0,3]) {\n  yield %x\n}\n");
}

static void results_go_straight_to_outputs(void)
{
    judge_result r = run("graph @g [entry=1] (%x: f32[3,4]) {\n" MAP1(
        "y", "neg", "x", "f32[3,4]") "  yield %y\n}\n");
    CHECK_INT(r.arena, 0);
    CHECK_INT(r.copies, 0);
    r = run("graph @g [entry=1] (%x: f32[3,4]) {\n" MAP1(
        "y", "neg", "x", "f32[3,4]") "  %z = reshape %y : f32[12]\n  yield %z\n}\n");
    CHECK_INT(r.arena, 0);
    CHECK_INT(r.copies, 0);
    r = run("graph @g [entry=1] (%x: f32[3,4]) {\n" MAP1("y", "neg", "x",
                                                         "f32[3,4]") "  yield %y, %y\n}\n");
    CHECK_INT(r.arena, 0);
    CHECK_INT(r.copies, 1);
    r = run("graph @g [entry=1] (%x: f32[3,4]) {\n" MAP1("y", "neg", "x", "f32[3,4]") MAP1(
        "z", "abs", "y", "f32[3,4]") "  %r = reshape %y : f32[4,3]\n  yield %z, %r\n}\n");
    CHECK_INT(r.arena, 0);
}

static void equal_kernels_are_merged(void)
{
    judge_result r = run("graph @g [entry=1] (%x: f32[3,4]) {\n" MAP1("y", "neg", "x", "f32[3,4]")
                             MAP1("z", "neg", "y", "f32[3,4]")
                                 MAP1("w", "abs", "z", "f32[3,4]") "  yield %w\n}\n");
    CHECK_INT(r.kernels, 2);
}

static void chains_run_in_one_buffer(void)
{
    judge_result r =
        run("graph @g [entry=1] (%x: f32[16]) {\n" MAP1("a", "neg", "x", "f32[16]")
                MAP1("b", "abs", "a", "f32[16]")
                    MAP1("c", "exp", "b",
                         "f32[16]") "  %y = transpose %c [perm=[0]] : f32[16]\n  yield %y\n}\n");
    CHECK_INT(r.arena, 0); /* the copy to the output goes away, and all of the chain lives there */
    r = run("graph @g [entry=1] (%x: f32[16]) {\n" MAP1("a", "neg", "x", "f32[16]") MAP1(
        "b", "abs", "a", "f32[16]") MAP1("c", "exp", "b", "f32[16]") "  yield %c\n}\n");
    CHECK_INT(r.arena, 0); /* even in the output itself */
    r = run("graph @g [entry=1] (%x: f32[16]) {\n" MAP1("a", "neg", "x", "f32[16]") MAP1(
        "b", "abs", "a", "f32[16]") MAP2("c", "add", "a", "b", "f32[16]") "  yield %c\n}\n");
    CHECK_INT(r.arena, 64); /* a is still needed while b is made */
}

static void views(void)
{
    run("graph @g [entry=1] (%x: f32[2,3,4]) {\n  %y = transpose %x [perm=[2,0,1]] : f32[4,2,3]\n  "
        "yield %y\n}\n");
    run("graph @g [entry=1] (%x: f32[2,3,4]) {\n  %y = transpose %x [perm=[2,0,1]] : f32[4,2,3]\n"
        "  %z = reshape %y : f32[8,3]\n  yield %z\n}\n");
    run("graph @g [entry=1] (%x: f32[2,3,4]) {\n  %y = transpose %x [perm=[2,0,1]] : f32[4,2,3]\n"
        "  %z = reshape %y : f32[4,6]\n  yield %z\n}\n");
    run("graph @g [entry=1] (%x: f32[1,3,1]) {\n  %y = broadcast %x : f32[2,3,4]\n  yield %y\n}\n");
    run("graph @g [entry=1] (%x: f32[]) {\n  %y = broadcast %x : f32[2,2]\n  yield %y\n}\n");
    run("graph @g [entry=1] (%x: f32[6,5]) {\n  %y = slice %x [start=[1,0], step=[2,3]] : "
        "f32[2,2]\n  yield %y\n}\n");
    run("graph @g [entry=1] (%x: f32[6,5]) {\n  %y = slice %x [start=[5,0], step=[-2,1]] : "
        "f32[3,5]\n  yield %y\n}\n");
    run("graph @g [entry=1] (%x: f32[6,5]) {\n  %y = slice %x [start=[6,0], step=[1,1]] : "
        "f32[0,5]\n  yield %y\n}\n");
    run("graph @g [entry=1] (%x: f32[6,5]) {\n  %y = slice %x [start=[1,1], step=[1,1]] : "
        "f32[4,3]\n" MAP1("z", "neg", "y",
                          "f32[4,3]") "  %w = reshape %y : f32[12]\n  yield %z, %w\n}\n");
    run("graph @g [entry=1] (%x: f32[0,5]) {\n  %y = reshape %x : f32[5,0]\n  yield %y\n}\n");
    run("graph @g [entry=1] (%x: i8[4]) {\n  %y = reshape %x : i8[1,2,1,2]\n  %z = reshape %y : "
        "i8[4,1]\n  yield %y, %z\n}\n");
}

static void dynamic_sizes(void)
{
    static const int64_t sizes[] = {0, 1, 5, 9};

    for (int i = 0; i < 4; i++) {
        int64_t n = sizes[i], nm[2] = {n, 3};
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[n,4]) {\n" MAP1(
                  "y", "neg", "x", "f32[n,4]") "  yield %y\n}\n",
              n);
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[4,n]) {\n" MAP1(
                  "y", "neg", "x", "f32[4,n]") "  yield %y, %x\n}\n",
              n);
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[4,n]) {\n  %y = reshape %x : f32[4*n]\n  "
              "yield %y\n}\n",
              n);
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[n,6]) {\n  %y = reshape %x : f32[2,n,3]\n "
              " yield %y\n}\n",
              n);
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[n,6]) {\n  %y = reshape %x : f32[n,2,3]\n "
              " yield %y\n}\n",
              n);
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[2,n,6]) {\n  %y = reshape %x : "
              "f32[2,n,2,3]\n"
              "  %z = transpose %y [perm=[1,0,3,2]] : f32[n,2,3,2]\n  %w = reshape %z : "
              "f32[n,12]\n  yield %w, %y\n}\n",
              n);
        judge("dim n = 0..9\ndim m = 1..4\ngraph @g [entry=1] (%x: f32[n,m], %y: f32[m,n]) {\n"
              "  %z = transpose %y [perm=[1,0]] : f32[n,m]\n" MAP2("w", "add", "x", "z",
                                                                   "f32[n,m]") "  yield %w\n}\n",
              (judge_options){.sym = nm});
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[n]) {\n  %e = extent [dim=3*n+1] : "
              "i64[]\n  yield %e\n}\n",
              n);
        run_n("dim n = 0..9\ngraph @g [entry=1] (%x: f32[n,3]) {\n  %y = broadcast %x : "
              "f32[2,n,3]\n  yield %y\n}\n",
              n);
    }
}

static void sizes_that_depend_on_data(void)
{
    for (int i = 0; i < 5; i++)
        judge("dim k = 0..9\ngraph @g [entry=1] (%x: f32[9,2], %m: bool[9]) {\n"
              "  %c, %n = compact %x, %m : f32[9,2], i64[]\n  %y = prefix %c, %n [axis=0] : "
              "f32[k,2]\n" MAP1("z", "neg", "y",
                                "f32[k,2]") "  %e = extent [dim=k] : i64[]\n  yield %z, %e\n}\n",
              (judge_options){0});
    for (int i = 0; i < 5; i++)
        judge("dim k = 0..9\ngraph @g [entry=1] (%x: f32[9], %m: bool[9]) {\n"
              "  %c, %n = compact %x, %m : f32[9], i64[]\n  %y = prefix %c, %n [axis=0] : f32[k]\n"
              "  %z = broadcast %y : f32[3,k]\n  yield %z, %y\n}\n",
              (judge_options){0});
}

static void branches(void)
{
    for (int i = 0; i < 4; i++) {
        run("graph @g [entry=1] (%c: bool[], %x: f32[4], %w: f32[4]) {\n  %y, %z = if %c : f32[4], "
            "f32[4] {\n" MAP1("a", "neg", "x",
                              "f32[4]") "    yield %a, %x\n  } {\n" MAP1("d", "abs", "w", "f32[4]")
                MAP1("e", "neg", "d", "f32[4]") "    yield %e, %e\n  }\n" MAP2(
                    "s", "add", "y", "z", "f32[4]") "  yield %s, %y\n}\n");
        run("graph @g [entry=1] (%c: bool[], %d: bool[], %x: f32[4]) {\n  %y = if %c : f32[4] {\n  "
            "  %q = if %d : f32[4] {\n" MAP1(
                "a", "neg", "x",
                "f32[4]") "      yield %a\n    } {\n      yield %x\n    }\n    yield %q\n  } {\n"
                          "    %k = const [values=[1.0, 2.0, 3.0, 4.0]] : f32[4]\n    yield %k\n  "
                          "}\n  yield %y\n}\n");
    }
}

/* A state of dynamic size is made where the loop wants it, too. */
static void dynamic_state(void)
{
    for (int64_t n = 0; n < 4; n++) {
        judge_result r =
            run_n("dim n = 0..9\ngraph @g [entry=1] (%s0: f32[3,n], %xs: f32[5,3,n]) {\n  %s = "
                  "scan %s0, %xs [carried=1, trips=5]"
                  " : f32[3,n] (%i: i64[], %s1: f32[3,n], %x: f32[3,n]) {\n" MAP2(
                      "t", "add", "s1", "x", "f32[3,n]") "    yield %t\n  }\n  yield %s\n}\n",
                  n);
        CHECK_INT(r.arena, 128 + 576); /* the state (3 x 9 floats) and xs; no second state */
    }
}

/* while i < n: x = x + x; i = i + 1 */
static void loops(void)
{
    for (int n = 0; n < 5; n++) {
        char text[2048];
        snprintf(text, sizeof text,
                 "graph @g [entry=1] (%%x: f32[4]) {\n  %%i, %%y = while 0:i64, %%x : i64[], "
                 "f32[4] (%%a: i64[], %%b: f32[4]) {\n"
                 "    %%t = fused %%a : bool[] (%%ta: i64[]) {\n      %%tb = lt %%ta, %d:i64 : "
                 "bool[]\n      yield %%tb\n    }\n"
                 "    yield %%t\n  } (%%a2: i64[], %%b2: f32[4]) {\n"
                 "    %%u = fused %%b2 : f32[4] (%%ua: f32[4]) {\n      %%ub = add %%ua, %%ua : "
                 "f32[4]\n      yield %%ub\n    }\n"
                 "    %%j = fused %%a2 : i64[] (%%ja: i64[]) {\n      %%jb = add %%ja, 1:i64 : "
                 "i64[]\n      yield %%jb\n    }\n"
                 "    yield %%j, %%u\n  }\n  yield %%y, %%i\n}\n",
                 n);
        judge_result r = judge(text, (judge_options){0});
        CHECK_INT(r.copies, 2); /* the initial values; the steps run in place */
    }
    /* the state swaps: (a, b) = (b, a) */
    run("graph @g [entry=1] (%x: f32[4], %w: f32[4]) {\n  %i, %y, %z = while 0:i64, %x, %w : "
        "i64[], f32[4], f32[4]"
        " (%a: i64[], %b: f32[4], %c: f32[4]) {\n"
        "    %t = fused %a : bool[] (%ta: i64[]) {\n      %tb = lt %ta, 3:i64 : bool[]\n      "
        "yield %tb\n    }\n    yield %t\n"
        "  } (%a2: i64[], %b2: f32[4], %c2: f32[4]) {\n"
        "    %j = fused %a2 : i64[] (%ja: i64[]) {\n      %jb = add %ja, 1:i64 : i64[]\n      "
        "yield %jb\n    }\n"
        "    yield %j, %c2, %b2\n  }\n  yield %y, %z\n}\n");
}

static void scans(void)
{
    /* running sum, with the sums stacked, and the iteration number */
    judge_result r =
        run("graph @g [entry=1] (%s0: f32[4], %xs: f32[5,4]) {\n  %s, %ys, %is = scan %s0, %xs "
            "[carried=1, trips=5]"
            " : f32[4], f32[5,4], i64[5] (%i: i64[], %s1: f32[4], %x: f32[4]) {\n" MAP2(
                "t", "add", "s1", "x",
                "f32[4]") "    yield %t, %t, %i\n  }\n  yield %s, %ys, %is\n}\n");
    CHECK(r.ok);
    for (int64_t n = 0; n < 4; n++)
        run_n("dim n = 0..9\ngraph @g [entry=1] (%s0: f32[4], %xs: f32[n,4]) {\n  %s, %ys = scan "
              "%s0, %xs [carried=1, trips=n]"
              " : f32[4], f32[n,4] (%i: i64[], %s1: f32[4], %x: f32[4]) {\n" MAP2("t", "add", "s1",
                                                                                  "x", "f32[4]")
                  MAP1("u", "neg", "t", "f32[4]") "    yield %u, %s1\n  }\n  yield %s, %ys\n}\n",
              n);
    /* a scan in a scan, in a branch */
    run("graph @g [entry=1] (%c: bool[], %s0: f32[3], %xs: f32[4,2,3]) {\n  %r = if %c : f32[3] {\n"
        "    %s, %o = scan %s0, %xs [carried=1, trips=4] : f32[3], f32[4,3] (%i: i64[], %s1: "
        "f32[3], %x: f32[2,3]) {\n"
        "      %q = scan %s1, %x [carried=1, trips=2] : f32[3] (%k: i64[], %s2: f32[3], %xx: "
        "f32[3]) {\n" MAP2("t", "sub", "s2", "xx", "f32[3]") "        yield %t\n      }\n" MAP1(
            "v", "neg", "q", "f32[3]") "      yield %v, %q\n    }\n    yield %s\n  } {\n    yield "
                                       "%s0\n  }\n  yield %r\n}\n");
    /* two states, one made of the other's old value: h' = c + h, c' = h */
    run("graph @g [entry=1] (%h0: f32[4], %c0: f32[4]) {\n  %h, %c = scan %h0, %c0 [carried=2, "
        "trips=6]"
        " : f32[4], f32[4] (%i: i64[], %h1: f32[4], %c1: f32[4]) {\n" MAP2(
            "t", "add", "c1", "h1", "f32[4]") "    yield %t, %h1\n  }\n  yield %h, %c\n}\n");
    /* the new state is made from a reshaped old one after which the old one is read again */
    run("graph @g [entry=1] (%h0: f32[4]) {\n  %h, %o = scan %h0 [carried=1, trips=3]"
        " : f32[4], f32[3,2,2] (%i: i64[], %h1: f32[4]) {\n  %r = reshape %h1 : f32[2,2]\n" MAP1(
            "t", "neg", "r", "f32[2,2]")
            MAP1("u", "exp", "r", "f32[2,2]") "  %n = reshape %t : f32[4]\n    yield %n, %u\n  }\n "
                                              " yield %h, %o\n}\n");
    /* scatter into the state: updated in place, no copy inside the loop */
    r = judge("graph @g [entry=1] (%h0: f32[8], %is: i64[3,2], %us: f32[3,2]) {\n  %h = scan %h0, "
              "%is, %us [carried=1, trips=3]"
              " : f32[8] (%i: i64[], %h1: f32[8], %k: i64[2], %u: f32[2]) {\n"
              "    %n = scatter_elements %h1, %k, %u [axis=0, reduction=add] : f32[8]\n    yield "
              "%n\n  }\n  yield %h\n}\n",
              (judge_options){.hi = 7});
    CHECK(r.ok);
}

#define CONCAT(y, a, ta, b, tb, axis, t)                                                    \
    "  %" y " = fused %" a ", %" b " : " t " (%" y "a: " ta ", %" y "b: " tb ") {\n    %" y \
    "c = concat %" y "a, %" y "b [axis=" axis "] : " t "\n    yield %" y "c\n  }\n"

static void parts_of_a_concat_are_made_in_place(void)
{
    judge_result r =
        run("graph @g [entry=1] (%x: f32[4,4], %w: f32[4,2]) {\n" MAP1("p", "neg", "x", "f32[4,4]")
                MAP1("q", "abs", "w", "f32[4,2]")
                    CONCAT("c", "p", "f32[4,4]", "q", "f32[4,2]", "1", "f32[4,6]")
                        MAP1("y", "exp", "c", "f32[4,6]") "  yield %y\n}\n");
    CHECK_INT(r.kernels, 3); /* neg, abs, exp; no concat */
    CHECK_INT(r.arena, 0);   /* and all of it in the output */
    /* one part is an input, one is used again, one is a result */
    run("graph @g [entry=1] (%x: f32[4,4], %w: f32[4,2]) {\n" MAP1("p", "neg", "x", "f32[4,4]")
            CONCAT("c", "w", "f32[4,2]", "p", "f32[4,4]", "1", "f32[4,6]") "  yield %c\n}\n");
    run("graph @g [entry=1] (%x: f32[4,4], %w: f32[2,4]) {\n" MAP1("p", "neg", "x", "f32[4,4]")
            MAP1("q", "abs", "w", "f32[2,4]")
                CONCAT("c", "p", "f32[4,4]", "q", "f32[2,4]", "0", "f32[6,4]")
                    MAP1("z", "exp", "p", "f32[4,4]") "  yield %z, %c, %q\n}\n");
    run("graph @g [entry=1] (%x: f32[4,4]) {\n" MAP1("p", "neg", "x", "f32[4,4]")
            CONCAT("c", "p", "f32[4,4]", "p", "f32[4,4]", "0", "f32[8,4]") "  yield %c\n}\n");
    /* a part of one row: its view has strides that a copy of its own would not have */
    run("graph @g [entry=1] (%x: f32[1,4], %w: f32[3,4]) {\n" MAP1("p", "neg", "w", "f32[3,4]")
            CONCAT("c", "x", "f32[1,4]", "p", "f32[3,4]", "0", "f32[4,4]") "  yield %c\n}\n");
    run("graph @g [entry=1] (%x: f32[1,2], %w: f32[1,4]) {\n" MAP1("p", "neg", "w", "f32[1,4]")
            CONCAT("c", "x", "f32[1,2]", "p", "f32[1,4]", "1", "f32[1,6]") "  yield %c\n}\n");
    /* a concat of a concat, and one in a loop whose result is a row of a stack */
    run("graph @g [entry=1] (%x: f32[4,4], %w: f32[4,2]) {\n" MAP1("p", "neg", "x", "f32[4,4]")
            MAP1("q", "abs", "w", "f32[4,2]") CONCAT("c", "p", "f32[4,4]", "q", "f32[4,2]", "1",
                                                     "f32[4,6]") MAP1("s", "exp", "w", "f32[4,2]")
                CONCAT("d", "s", "f32[4,2]", "c", "f32[4,6]", "1",
                       "f32[4,8]") "  %e = reshape %d : f32[32]\n  yield %e\n}\n");
    run("graph @g [entry=1] (%h0: f32[4], %xs: f32[5,4]) {\n  %h, %ys = scan %h0, %xs [carried=1, "
        "trips=5]"
        " : f32[4], f32[5,8] (%i: i64[], %h1: f32[4], %x: f32[4]) {\n" MAP2("t", "add", "h1", "x",
                                                                            "f32[4]")
            MAP1("u", "neg", "x", "f32[4]") CONCAT("c", "t", "f32[4]", "u", "f32[4]", "0", "f32[8]")
                MAP1("v", "abs", "x", "f32[4]") "    yield %v, %c\n  }\n  yield %h, %ys\n}\n");
    /* the first part would keep the whole alive while large things come and go: it is copied */
    r = judge(
        "graph @g [entry=1] (%x: f32[2,64]) {\n" MAP1(
            "p", "neg", "x",
            "f32[2,64]") "  %m = fused %x : f32[2] (%ma: f32[2,64]) {\n    %mb = reduce %ma "
                         "[kind=max, axes=[1], keep=0] : f32[2]\n    yield %mb\n  }\n"
                         "  %b = fused %m : f32[64,2] (%ba: f32[2]) {\n    %bb = broadcast %ba : "
                         "f32[64,2]\n    %bc = exp %bb : f32[64,2]\n    yield %bc\n  }\n"
                         "  %d = fused %b : f32[2] (%da: f32[64,2]) {\n    %db = reduce %da "
                         "[kind=sum, axes=[0], keep=0] : f32[2]\n    yield %db\n  }\n"
                         "  %e = fused %d : f32[2,64] (%ea: f32[2]) {\n    %ec = reshape %ea : "
                         "f32[2,1]\n    %eb = broadcast %ec : f32[2,64]\n    %ed = neg %eb : "
                         "f32[2,64]\n    yield %ed\n  }\n" CONCAT(
                             "c", "p", "f32[2,64]", "e", "f32[2,64]", "1",
                             "f32[2,128]") "  %y = fused %c : f32[] (%ya: f32[2,128]) {\n    %yb = "
                                           "reduce %ya [kind=sum, axes=[0,1], keep=0] : f32[]\n    "
                                           "yield %yb\n  }\n  yield %y\n}\n",
        (judge_options){.tolerance = 1e-5});
    CHECK(r.arena <= 1536 + 128);
}

static void calls(void)
{
    run("graph @f (%a: f32[4], %b: f32[4]) {\n" MAP2(
        "s", "sub", "a", "b", "f32[4]") "  yield %s, %a\n}\n"
                                        "graph @g [entry=1] (%x: f32[4], %w: f32[4]) {\n  %p, %q = "
                                        "call %x, %w [callee=\"f\"] : f32[4], f32[4]\n"
                                        "  %r, %t = call %p, %x [callee=\"f\"] : f32[4], f32[4]\n  "
                                        "yield %r, %t, %q\n}\n");
}

static void collect(void *user, const char *text)
{
    strncat(user, text, 1000 - strlen(user));
}

static void refuse(const char *ir, const char *words)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = judge_read(a, ir);
    nnc_options opt = {0};
    nnc_pass_cx cx = {.m = m, .scratch = nnc_arena_new(), .opt = &opt};
    char text[1024] = "";

    nnc_diag_set_sink(m->diag, collect, text);
    CHECK_INT(nnc_pass_lower(&cx), NNC_ERR);
    CHECK_HAS(text, words);
    nnc_arena_free(cx.scratch);
    nnc_arena_free(a);
}

static void what_cannot_be_lowered_is_an_error(void)
{
    refuse("dim n = 0..9\ngraph @g [entry=1] (%x: f32[4]) {\n  %e = extent [dim=n] : i64[]\n  "
           "yield %e\n}\n",
           "size 'n' is not known here");
    refuse("graph @g [entry=1] (%x: f32[4]) {\n  %y = neg %x : f32[4]\n  yield %y\n}\n",
           "stands outside of a kernel");
    refuse("graph @g [entry=1] (%x: f32[4]) {\n  %y = call %x [callee=\"g\"] : f32[4]\n  yield "
           "%y\n}\n",
           "cannot call itself");
}

int main(void)
{
    RUN(outputs_that_nothing_makes);
    RUN(results_go_straight_to_outputs);
    RUN(equal_kernels_are_merged);
    RUN(chains_run_in_one_buffer);
    RUN(views);
    RUN(dynamic_sizes);
    RUN(sizes_that_depend_on_data);
    RUN(branches);
    RUN(dynamic_state);
    RUN(loops);
    RUN(scans);
    RUN(parts_of_a_concat_are_made_in_place);
    RUN(calls);
    RUN(what_cannot_be_lowered_is_an_error);
    return test_end();
}
