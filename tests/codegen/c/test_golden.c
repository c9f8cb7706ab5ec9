/* The text of an emitted file, pinned: golden.c and golden.h.  After a change that is meant, run with UPDATE_GOLDEN=1
 * and read the difference. */
#include "tests/codegen/c/emitted.h"

static nnc_module *expanded(nnc_arena *a)
{
    size_t n;
    char *text = test_read_file(NNC_TESTS_DIR "/codegen/c/golden.ir", &n);
    nnc_module *m = nnc_module_new(a, nnc_diag_new(a));
    nnc_arena_defer(a, free, text);
    nnc_options opt = {.target = nnc_target_by_name("avx512")};
    nnc_pass_cx cx = {.m = m, .scratch = nnc_arena_new(), .opt = &opt};
    if (!text || nnc_read_module(m, "golden.ir", text, n, ".") != NNC_OK ||
        nnc_verify(m) != NNC_OK || nnc_pass_kexpand(&cx) != NNC_OK)
        return NULL;
    nnc_arena_free(cx.scratch);
    return m;
}

static char *emit(nnc_module *m, nnc_weights_mode mode, bool header)
{
    char *c = NULL, *h = NULL, *b = NULL;
    size_t nc, nh, nb;
    FILE *fc = open_memstream(&c, &nc), *fh = open_memstream(&h, &nh),
         *fb = open_memstream(&b, &nb);
    nnc_emit_options o = {.name = "golden",
                          .target = nnc_target_by_name("avx512"),
                          .weights = mode,
                          .describe = true};
    nnc_status s = nnc_emit_c(m, &o, fc, fh, fb);
    fclose(fc), fclose(fh), fclose(fb);
    free(b);
    free(header ? c : h);
    nnc_arena_defer(m->arena, free, header ? h : c);
    return s == NNC_OK ? (header ? h : c) : NULL;
}

static void pin(const char *file, const char *got)
{
    char path[600];
    snprintf(path, sizeof path, "%s/codegen/c/%s", NNC_TESTS_DIR, file);
    if (getenv("UPDATE_GOLDEN")) {
        FILE *f = fopen(path, "w");
        fputs(got, f);
        fclose(f);
    }
    char *want = test_read_file(path, NULL);
    CHECK_STR(got, want);
    free(want);
}

static void text_is_pinned(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = expanded(a);
    REQUIRE(m != NULL);
    pin("golden.c.txt", emit(m, NNC_WEIGHTS_strings, false));
    pin("golden.h.txt", emit(m, NNC_WEIGHTS_strings, true));
    nnc_arena_free(a);
}

/* Emitting twice gives the same bytes, and so does emitting from a module read anew. */
static void bytes_are_the_same_again(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = expanded(a), *again = expanded(a);
    REQUIRE(m && again);
    char *first = emit(m, NNC_WEIGHTS_strings, false);
    CHECK_STR(emit(m, NNC_WEIGHTS_strings, false), first);
    CHECK_STR(emit(again, NNC_WEIGHTS_strings, false), first);
    nnc_arena_free(a);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

/* Runs the net for 3 rows in every weights mode; the caller sees the status codes that the header promises. */
static void weights_modes_agree(void)
{
    static const char main_text[] =
        "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n#include \"golden.h\"\n"
        "static unsigned char blob[4096];\n"
        "int main(void)\n{\n    float x[12], y[3] = {9, 9, 9};\n    size_t k = 7;\n    void *w = "
        "NULL;\n    golden_inputs i;\n    golden_outputs o;\n    int n;\n"
        "    FILE *f = fopen(\"golden.bin\", \"rb\");\n    if (f) n = (int)fread(blob, 1, sizeof "
        "blob, f);\n    memset(&i, 0, sizeof i);\n"
        "#ifdef BIN\n    i.weights = blob;\n#endif\n"
        "    for (n = 0; n < 12; n++) x[n] = (float)(n - 5) * 0.01f;\n    i.x_0 = x; i.n = 9; "
        "o.y_out = y; o.k = &k;\n"
        "    if (posix_memalign(&w, GOLDEN_WORKSPACE_ALIGN, GOLDEN_WORKSPACE_BYTES)) return 8;\n"
        "    if (golden_run(&i, &o, w) != GOLDEN_ERR_SHAPE || y[0] != 9 || k != 7) return 1;\n"
        "    i.n = 3;\n    if (golden_run(&i, &o, NULL) != GOLDEN_ERR_ARGUMENT || golden_run(&i, "
        "&o, (char *)w + 4) != GOLDEN_ERR_ARGUMENT) return 2;\n"
        "    if (golden_run(NULL, &o, w) != GOLDEN_ERR_ARGUMENT) return 3;\n    o.y_out = NULL;\n  "
        "  if (golden_run(&i, &o, w) != GOLDEN_ERR_ARGUMENT) return 3;\n    o.y_out = y;\n"
        "    x[0] = 1e6f;\n    if (golden_run(&i, &o, w) != GOLDEN_ERR_CHECK) return 4;\n    x[0] "
        "= -0.05f;\n"
        "#ifdef BIN\n    blob[9] ^= 1;\n    if (golden_run(&i, &o, w) != GOLDEN_ERR_WEIGHTS) "
        "return 5;\n    blob[9] ^= 1;\n    i.weights = NULL;\n    if (golden_run(&i, &o, w) != "
        "GOLDEN_ERR_WEIGHTS) return 6;\n    i.weights = blob;\n#endif\n"
        "    if (golden_run(&i, &o, w) != GOLDEN_OK || k != 3 || !strstr(golden_describe(), "
        "\"\\\"n\\\"\")) return 7;\n"
        "    free(w);\n    f = fopen(\"out\", \"w\");\n    fprintf(f, \"%.6f %.6f %.6f\\n\", "
        "(double)y[0], (double)y[1], (double)y[2]);\n    return fclose(f);\n}\n";
    static const nnc_weights_mode modes[] = {NNC_WEIGHTS_strings, NNC_WEIGHTS_numbers,
                                             NNC_WEIGHTS_bin};
    static const char *const flags[] = {"-O0 -fsanitize=address,undefined", "-O2 -march=native",
                                        "-O2 -DGOLDEN_PORTABLE"};
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = expanded(a);
    char dir[] = "/tmp/nnc-golden-XXXXXX", *first = NULL;
    REQUIRE(m && mkdtemp(dir));
    write_file(dir, "main.c", main_text);
    for (int k = 0; k < 3; k++) {
        char *c = emit(m, modes[k], false);
        write_file(dir, "golden.c", c);
        write_file(dir, "golden.h", emit(m, modes[k], true));
        char *path = nnc_arena_printf(a, "%s/golden.bin", dir);
        FILE *b = fopen(path, "wb"), *nul = fopen("/dev/null", "w");
        nnc_emit_options o = {
            .name = "golden", .target = nnc_target_by_name("avx512"), .weights = modes[k]};
        CHECK(nnc_emit_c(m, &o, nul, nul, b) == NNC_OK);
        fclose(b), fclose(nul);
        CHECK_INT(
            system(nnc_arena_printf(
                a,
                "cd %s && gcc -std=c99 -pedantic -Wall -Wextra -Wconversion -Wshadow -Werror %s -c "
                "golden.c -o golden.o && gcc -w %s%s main.c golden.o -o run -lm && ./run",
                dir, flags[k], flags[k], k == 2 ? " -DBIN" : "")),
            0);
        char *out = test_read_file(nnc_arena_printf(a, "%s/out", dir), NULL);
        nnc_arena_defer(a, free, out);
        first = first ? first : out;
        CHECK_STR(out, first);
    }
    (void)!system(nnc_arena_printf(a, "rm -rf %s", dir));
    nnc_arena_free(a);
}

int main(void)
{
    RUN(text_is_pinned);
    RUN(bytes_are_the_same_again);
    RUN(weights_modes_agree);
    return test_end();
}
