/* Which parameters may share memory: each case that may has a twin that may not.  Every claim is also tried out: the
 * kernel runs with the two parameters in one memory. */
#include "passes/inplace.h"
#include "tests/passes/judge.h"

enum { CELLS = 512 };

static void run(nnc_module *m, nnc_op k, nnc_arena *a, bool share, float *out)
{
    static float x[CELLS], y[CELLS];
    nnc_kernel_arg arg[2] = {{x, sizeof x, 0}, {share ? x : y, sizeof y, 0}};

    for (int i = 0; i < CELLS; i++)
        x[i] = (float)(i * 37 % 101);
    memset(y, 0, sizeof y);
    CHECK_INT(nnc_interp_kernel(m, k, a, 2, arg), NNC_OK);
    memcpy(out, share ? x : y, sizeof x);
}

static void expect(bool may, const char *text)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = judge_read(a, text);
    nnc_op k = nnc_func_entry(m, NNC_OP_kernel);
    float apart[CELLS], together[CELLS];
    unsigned n;

    nnc_kernel_in_place(m, a, k);
    nnc_attr_ints(m, k, NNC_W_inplace, &n);
    if ((n > 0) != may)
        test_failed(__FILE__, __LINE__, "expected %s to share:\n%s", may ? "them" : "them not",
                    text);
    CHECK_INT(n > 0, may);
    if (n) {
        int64_t count =
            nnc_type_count(m, nnc_value_type(m, nnc_block_arg(m, nnc_op_region(m, k, 0), 1)));
        run(m, k, a, false, apart);
        run(m, k, a, true, together);
        for (int64_t i = 0; i < count; i++)
            CHECK_NEAR(together[i], apart[i], 0);
    }
    nnc_arena_free(a);
}

static void maps(void)
{
    expect(true, "kernel @k (%x: f32[100]@arg, %y: f32[100]@arg) {\n  for 0, 6, 1 (%c: idx) {\n    "
                 "%b = mul %c, 16 : idx\n"
                 "    for 0, 16, 1 (%l: idx) {\n      %i = add %b, %l : idx\n      %v = load %x, "
                 "%i : f32\n      %w = add %v, %v : f32\n"
                 "      store %w, %y, %i\n    }\n  }\n  for 0, 4, 1 (%t: idx) {\n    %i = add %t, "
                 "96 : idx\n    %v = load %x, %i : f32\n"
                 "    %w = add %v, %v : f32\n    store %w, %y, %i\n  }\n}\n");
    /* the tail begins inside the main part */
    expect(false, "kernel @k (%x: f32[100]@arg, %y: f32[100]@arg) {\n  for 0, 6, 1 (%c: idx) {\n   "
                  " %b = mul %c, 16 : idx\n"
                  "    for 0, 16, 1 (%l: idx) {\n      %i = add %b, %l : idx\n      %v = load %x, "
                  "%i : f32\n      %w = add %v, %v : f32\n"
                  "      store %w, %y, %i\n    }\n  }\n  for 0, 5, 1 (%t: idx) {\n    %i = add %t, "
                  "95 : idx\n    %v = load %x, %i : f32\n"
                  "    %w = add %v, %v : f32\n    store %w, %y, %i\n  }\n}\n");
    /* pieces of the loop overlap */
    expect(false, "kernel @k (%x: f32[100]@arg, %y: f32[100]@arg) {\n  for 0, 6, 1 (%c: idx) {\n   "
                  " %b = mul %c, 15 : idx\n"
                  "    for 0, 16, 1 (%l: idx) {\n      %i = add %b, %l : idx\n      %v = load %x, "
                  "%i : f32\n      %w = add %v, %v : f32\n"
                  "      store %w, %y, %i\n    }\n  }\n}\n");
    /* reads its neighbour */
    expect(false, "kernel @k (%x: f32[100]@arg, %y: f32[100]@arg) {\n  for 1, 100, 1 (%i: idx) {\n "
                  "   %j = sub %i, 1 : idx\n"
                  "    %v = load %x, %j : f32\n    store %v, %y, %i\n  }\n}\n");
    /* stores first, then loads the same element again */
    expect(false, "kernel @k (%x: f32[100]@arg, %y: f32[100]@arg) {\n  for 0, 100, 1 (%i: idx) {\n "
                  "   store 1:f32, %y, %i\n"
                  "    %v = load %x, %i : f32\n    store %v, %y, %i\n  }\n}\n");
    /* everything is done twice */
    expect(false, "kernel @k (%x: f32[100]@arg, %y: f32[100]@arg) {\n  for 0, 2, 1 (%r: idx) {\n   "
                  " for 0, 100, 1 (%i: idx) {\n"
                  "      %v = load %x, %i : f32\n      %w = add %v, %v : f32\n      store %w, %y, "
                  "%i\n    }\n  }\n}\n");
    /* a step that skips */
    expect(true, "kernel @k (%x: f32[100]@arg, %y: f32[100]@arg) {\n  for 0, 100, 10 (%c: idx) {\n "
                 "   for 0, 10, 1 (%l: idx) {\n"
                 "      %i = add %c, %l : idx\n      %v = load %x, %i : f32\n      %w = add %v, "
                 "1:f32 : f32\n      store %w, %y, %i\n    }\n  }\n}\n");
}

static void rows(void)
{
    static const char softmax[] =
        "kernel @k (%%x: f32[5,20]@arg, %%y: f32[5,20]@arg) {\n  for 0, 5, 1 (%%r: idx) {\n"
        "    %%s = alloc : f32[]@reg\n    store 0:f32, %%s\n    for 0, 20, 1 (%%c: idx) {\n      "
        "%%v = load %%x, %s, %%c : f32\n"
        "      %%t = load %%s : f32\n      %%u = max %%t, %%v : f32\n      store %%u, %%s\n    }\n "
        "   for 0, 20, 1 (%%c2: idx) {\n"
        "      %%v2 = load %%x, %%r, %%c2 : f32\n      %%t2 = load %%s : f32\n      %%w = sub "
        "%%v2, %%t2 : f32\n"
        "      store %%w, %%y, %%r, %%c2\n    }\n  }\n}\n";
    static const char again[] =
        "kernel @k (%x: f32[5,20]@arg, %y: f32[5,20]@arg) {\n  for 0, 5, 1 (%r: idx) {\n"
        "    for 0, 20, 1 (%c: idx) {\n      %v = load %x, %r, %c : f32\n      store %v, %y, %r, "
        "%c\n    }\n"
        "    for 0, 20, 1 (%c2: idx) {\n      %w = load %y, %r, %c2 : f32\n      %o = load %x, %r, "
        "%c2 : f32\n"
        "      %z = add %w, %o : f32\n      store %z, %y, %r, %c2\n    }\n  }\n}\n";
    char text[2048];

    snprintf(text, sizeof text, softmax, "%r");
    expect(true, text);
    snprintf(text, sizeof text, softmax, "0"); /* every row looks at the first one */
    expect(false, text);
    expect(false, again); /* x is read behind the first store to its row */
}

static void dynamic_loops(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m =
        judge_read(a, "dim n = 0..9\nkernel @k (%x: f32[n,20]@arg, %y: f32[n,20]@arg, %n: idx) {\n "
                      " for 0, %n, 1 (%r: idx) {\n"
                      "    for 0, 20, 1 (%c: idx) {\n      %v = load %x, %r, %c : f32\n      %w = "
                      "add %v, %v : f32\n      store %w, %y, %r, %c\n    }\n  }\n}\n");
    CHECK_INT(nnc_kernel_in_place(m, a, nnc_func_entry(m, NNC_OP_kernel)), 1);
    nnc_arena_free(a);
}

int main(void)
{
    RUN(maps);
    RUN(rows);
    RUN(dynamic_loops);
    return test_end();
}
