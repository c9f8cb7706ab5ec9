/* Printer and reader: every op, every dtype, odd names, side files, and what the reader says about wrong text. */
#include "ir/build.h"
#include "tests/ir/ir_test.h"
#include "ir/text_fn.h"
#include <unistd.h>

/* print(read(print(x))) = print(x) */
static void round_trip(const nnc_module *m, const nnc_print_options *opt)
{
    nnc_status s;
    char *first = ir_print(m, opt);
    ir_test *t = ir_read(first, &s);
    CHECK_STR(t->said, "");
    CHECK_INT(s, NNC_OK);
    char *second = ir_print(t->m, opt);
    CHECK_STR(second, first);
    free(first);
    free(second);
    ir_free(t);
}

/* ---- every row of ops.def, in a form that is right as text ---- */

static int some(int8_t want)
{
    return want < 0 ? -want - 1 + 2 : want;
}

static void set_every_kind(nnc_module *m, nnc_op op, nnc_dim n)
{
    int64_t ints[3] = {0, n, 7}, plain[3] = {-3, 0, INT64_MAX};
    nnc_dim dim[2] = {n, 3};
    nnc_attr_set_int(m, op, NNC_W_axis, -5);
    nnc_attr_set_float(m, op, NNC_W_eps, 1.0);
    nnc_attr_set_word(m, op, NNC_W_kind, NNC_W_max);
    nnc_attr_set_str(m, op, NNC_W_message, "two\nlines, a \"quote\" and \\");
    nnc_attr_set_ints(m, op, NNC_W_start, 3, ints);
    nnc_attr_set_ints(m, op, NNC_W_perm, 3, plain);
    nnc_attr_set_ints(m, op, NNC_W_lo, 0, plain);
    nnc_attr_set_int(m, op, NNC_W_dim, n);
    nnc_attr_set_str(m, op, NNC_W_size, "a string where a dimension may stand");
    nnc_attr_set_word(m, op, NNC_W_trips, NNC_W_max);
    nnc_attr_set_type(m, op, NNC_W_layout, nnc_type_tensor(m, NNC_DT_i8, 2, dim));
    nnc_attr_set(m, op,
                 (nnc_attr_rec){.key = nnc_sym_put(m, "odd key"),
                                .kind = NNC_ATTR_word,
                                .u.s = nnc_sym_put(m, "f32")});
}

/* One op of every code with operands, attributes of every kind, results and regions. */
static void fill(nnc_module *m, nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value c,
                 nnc_type t, nnc_dim n)
{
    const nnc_op_info *info = &nnc_op_infos[code];
    nnc_value in[8];
    nnc_type out[8];
    int nin = some(info->nin), nout = some(info->nout);
    for (int i = 0; i < nin; i++)
        in[i] = i % 2 ? c : x;
    for (int i = 0; i < nout; i++)
        out[i] = t;
    nnc_op op = nnc_build_op(b, code, (unsigned)nin, in, (unsigned)nout, out);
    set_every_kind(m, op, n);
    for (int i = 0; i < nout; i++)
        nnc_value_set_name(m, nnc_op_out(m, op, (unsigned)i), info->name); /* many equal names */
    for (int i = 0; i < some(info->nregions); i++) {
        nnc_block body = nnc_op_add_region(m, op);
        nnc_block_add_arg(m, body, t, i ? "" : "x");
        nnc_builder inner = nnc_builder_at_end(m, body);
        nnc_build_yield(&inner, (unsigned)(nin > 0), in);
    }
}

static void every_op_survives(void)
{
    for (int level = 0; level < 2; level++) {
        ir_test *t = ir_new();
        nnc_module *m = t->m;
        nnc_dim n = nnc_dim_symbol(m->dims, nnc_sym_put(m, "n"), 1, 128), dim[2] = {n, 3};
        nnc_loc loc = nnc_loc_file(t->diag, "a \"file\"");
        nnc_op f = nnc_build_func(m, level ? NNC_OP_kernel : NNC_OP_graph, "main", true, loc);
        nnc_block body = nnc_op_region(m, f, 0);
        nnc_type ty = level ? nnc_type_buffer(m, NNC_DT_f32, 4, 2, dim, NULL, NNC_SPACE_arena)
                            : nnc_type_tensor(m, NNC_DT_f32, 2, dim);
        nnc_value x = nnc_block_add_arg(m, body, ty, "x");
        nnc_type one =
            level ? nnc_type_scalar(m, NNC_DT_f32, 1) : nnc_type_tensor(m, NNC_DT_f32, 0, NULL);
        nnc_builder b = nnc_builder_at_end(m, body);
        for (int code = 1; code < NNC_OP_COUNT; code++)
            if (nnc_op_infos[code].levels & (level ? NNC_LEVEL_K : NNC_LEVEL_G) &&
                code != NNC_OP_const)
                fill(m, &b, (nnc_opcode)code, x, nnc_const_float(m, one, 0.1), ty, n);
        round_trip(m, NULL);
        round_trip(m, &(nnc_print_options){.inline_weights = true, .locations = true});
        ir_free(t);
    }
}

/* ---- numbers ---- */

static int number_survives(nnc_arena *a, nnc_dtype dt, uint64_t bits)
{
    uint64_t back = 0;
    const char *s = nnc_text_number(a, dt, bits);
    return nnc_text_number_parse(dt, s, strlen(s), &back) && back == bits;
}

static void numbers_are_exact(void)
{
    nnc_arena *a = nnc_arena_new();
    for (int dt = 1; dt < NNC_DT_COUNT; dt++) {
        unsigned width = 8u * nnc_dtype_infos[dt].bytes;
        uint64_t mask = width < 64 ? (1ull << width) - 1 : ~0ull, x = 88172645463325252ull;
        int bad = 0, count = width <= 16 ? 1 << width : 20000;
        for (int i = 0; i < count; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            bad += !number_survives(a, (nnc_dtype)dt, (width <= 16 ? (uint64_t)i : x) & mask);
        }
        if (bad)
            test_failed(__FILE__, __LINE__, "%d of %d patterns of %s do not survive", bad, count,
                        nnc_dtype_infos[dt].name);
        test_state.checks++;
    }
    CHECK_STR(nnc_text_number(a, NNC_DT_f32, 0x3dcccccd), "0.1");
    CHECK_STR(nnc_text_number(a, NNC_DT_f32, 0x80000000), "-0.0");
    CHECK_STR(nnc_text_number(a, NNC_DT_f32, 0x7fc00000), "nan");
    CHECK_STR(nnc_text_number(a, NNC_DT_f32, 0x7fc00001), "nan(0x7fc00001)");
    CHECK_STR(nnc_text_number(a, NNC_DT_f64, 0xfff0000000000000), "-inf");
    CHECK_STR(nnc_text_number(a, NNC_DT_u64, UINT64_MAX), "18446744073709551615");
    CHECK_STR(nnc_text_number(a, NNC_DT_i8, 0x80), "-128");
    nnc_arena_free(a);
}

static void numbers_out_of_range_are_refused(void)
{
    static const struct {
        nnc_dtype dt;
        const char *s;
    } bad[] = {
        {NNC_DT_i8, "128"},       {NNC_DT_i8, "-129"},
        {NNC_DT_u8, "256"},       {NNC_DT_u8, "-1"},
        {NNC_DT_i4, "8"},         {NNC_DT_u2, "4"},
        {NNC_DT_bool, "2"},       {NNC_DT_i64, "9223372036854775808"},
        {NNC_DT_u64, "-1"},       {NNC_DT_f32, "0x1p3"},
        {NNC_DT_f32, "1.0x"},     {NNC_DT_f32, "bits(0x100000000)"},
        {NNC_DT_f32, ""},         {NNC_DT_i32, "1.5"},
        {NNC_DT_i32, "nan"},      {NNC_DT_f32, "true"},
        {NNC_DT_f32, "infinity"}, {NNC_DT_f32, "-"},
        {NNC_DT_idx, "1e3"},      {NNC_DT_i32, "bits(7)"},
    };
    uint64_t bits;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (test_state.checks++,
            nnc_text_number_parse(bad[i].dt, bad[i].s, strlen(bad[i].s), &bits))
            test_failed(__FILE__, __LINE__, "'%s' was read as %s", bad[i].s,
                        nnc_dtype_infos[bad[i].dt].name);
}

/* ---- names, dimensions, weights ---- */

static void odd_names_survive(void)
{
    static const char *const names[] = {"x",        "x", "x_1",        "conv1/relu:0",
                                        "12",       "",  "with space", "a\"b\\c",
                                        "\xc3\xa4", "",  "_",          "loc"};
    ir_test *t = ir_new();
    nnc_module *m = t->m;
    nnc_dim d[2] = {nnc_dim_symbol(m->dims, nnc_sym_put(m, "batch size"), 0, INT64_MAX), 0};
    d[1] = nnc_dim_max(m->dims, nnc_dim_sub(m->dims, d[0], 3), 0);
    nnc_op f = nnc_build_func(m, NNC_OP_graph, "a/b:c", false, (nnc_loc){0});
    nnc_block body = nnc_op_region(m, f, 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        nnc_block_add_arg(m, body, nnc_type_tensor(m, NNC_DT_f32, 2, d), names[i]);
    nnc_builder b = nnc_builder_at_end(m, body);
    nnc_build_yield(&b, 0, NULL);
    char *text = ir_print(m, NULL);
    CHECK_HAS(text, "graph @\"a/b:c\" (%x: f32[\"batch size\",max(\"batch size\"-3,0)], %x_1: ");
    CHECK_HAS(text, "%x_1_1: ");
    CHECK_HAS(text, "%\"conv1/relu:0\": ");
    CHECK_HAS(text, "%\"12\": ");
    CHECK_HAS(text, "%0: ");
    free(text);
    round_trip(m, NULL);
    ir_free(t);
}

/* The order of terms must not depend on the order in which expressions were made. */
static void dimension_text_depends_on_names_only(void)
{
    ir_test *t = ir_new();
    nnc_dims *d = t->m->dims;
    nnc_dim a = nnc_dim_symbol(d, nnc_sym_put(t->m, "a"), 1, 9), half = nnc_dim_floordiv(d, a, 2);
    nnc_dim b = nnc_dim_symbol(d, nnc_sym_put(t->m, "b"), 1, 9), prod = nnc_dim_mul(d, b, half);
    nnc_dim all =
        nnc_dim_add(d, nnc_dim_add(d, prod, half), nnc_dim_sub(d, nnc_dim_mul(d, b, 3), 7));
    CHECK_STR(nnc_text_dim(t->a, t->m, all), "b*floordiv(a,2)+3*b+floordiv(a,2)-7");
    nnc_dim dim[1] = {nnc_dim_max(d, all, 0)};
    nnc_op f = nnc_build_func(t->m, NNC_OP_graph, "f", false, (nnc_loc){0});
    nnc_block_add_arg(t->m, nnc_op_region(t->m, f, 0), nnc_type_tensor(t->m, NNC_DT_f32, 1, dim),
                      "x");
    round_trip(t->m, NULL);
    ir_free(t);
}

static nnc_op graph_with_weights(nnc_module *m)
{
    static float data[200];
    nnc_dim big[2] = {10, 20}, small[1] = {3}, none[1] = {0};
    nnc_op f = nnc_build_func(m, NNC_OP_graph, "f", true, (nnc_loc){0});
    nnc_builder b = nnc_builder_at_end(m, nnc_op_region(m, f, 0));
    for (int i = 0; i < 200; i++)
        data[i] = (float)i / 7;
    nnc_value out[5];
    out[0] = nnc_g_const_data(&b, NNC_DT_f32, 1, small, data);
    nnc_blob blob =
        nnc_blob_new(m, nnc_arena_copy(m->arena, data, sizeof data), sizeof data, (nnc_loc){0});
    out[1] = nnc_g_const(&b, nnc_type_tensor(m, NNC_DT_u8, 2, big), blob, 17);
    out[2] = nnc_g_const(&b, nnc_type_tensor(m, NNC_DT_f32, 2, big), blob, 0);
    out[3] = nnc_g_const_data(&b, NNC_DT_f32, 1, none, NULL);
    out[4] = nnc_g_const_data(&b, NNC_DT_f32, 2, big, data);
    nnc_build_yield(&b, 5, out);
    return f;
}

static void weights_survive_in_the_text(void)
{
    ir_test *t = ir_new();
    graph_with_weights(t->m);
    char *text = ir_print(t->m, NULL);
    CHECK_HAS(text, "const [values=[0.0, 0.14285715, 0.2857143]] : f32[3]");
    CHECK_HAS(text, "const [values=[]] : f32[0]");
    free(text);
    round_trip(t->m, NULL);
    ir_free(t);
}

/* The side file lies in a folder of its own; the text is read from there. */
static void weights_survive_in_a_side_file(void)
{
    char folder[] = "/tmp/nnc-test-XXXXXX", path[64];
    nnc_print_options opt = {.weights_file = "w.bin"};
    REQUIRE(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/w.bin", folder);
    ir_test *t = ir_new(), *back = ir_new();
    graph_with_weights(t->m);
    FILE *o = fopen(path, "wb");
    REQUIRE(o);
    CHECK_INT(nnc_write_weights(t->m, o), NNC_OK);
    fclose(o);
    char *first = ir_print(t->m, &opt);
    CHECK_HAS(first, "blob 1 = \"w.bin\" at 0, 800 bytes\nblob 2 = \"w.bin\" at 832, 800 bytes\n");
    CHECK_INT(nnc_read_module(back->m, "x.ir", first, strlen(first), folder), NNC_OK);
    CHECK_STR(back->said, "");
    char *second = ir_print(back->m, &opt), *all = ir_print(t->m, NULL),
         *all_back = ir_print(back->m, NULL);
    CHECK_STR(second, first);
    CHECK_STR(all_back, all); /* and the bytes are the same */
    CHECK_INT(nnc_verify(back->m), NNC_OK);
    unlink(path);
    rmdir(folder);
    free(first);
    free(second);
    free(all);
    free(all_back);
    ir_free(t);
    ir_free(back);
}

/* ---- golden files: the text is what the printer makes of it, and the module is sound ---- */

static void golden_files(void)
{
    static const char *const files[] = {"mlp.ir",    "control.ir", "gemm.ir",
                                        "packed.ir", "nonzero.ir", "dynamic.ir"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[512];
        nnc_status s;
        snprintf(path, sizeof path, "%s/ir/%s", NNC_TESTS_DIR, files[i]);
        char *text = test_read_file(path, NULL);
        REQUIRE(text);
        ir_test *t = ir_read(text, &s);
        CHECK_STR(t->said, "");
        CHECK_INT(nnc_verify(t->m), NNC_OK);
        CHECK_STR(t->said, "");
        char *again = ir_print(t->m, NULL);
        CHECK_STR(again, text);
        free(again);
        free(text);
        ir_free(t);
    }
}

/* ---- mistakes ---- */

static const struct {
    const char *text, *said;
} mistakes[] = {
    {"frob", "test.ir:1:1: error: there is no operation 'frob'\n"},
    {"graph {\n}", "'graph' needs a name: @name"},
    {"add @x", "'add' has no name"},
    {"graph @f (%x: f32[2) {\n}", "expected ','"},
    {"graph @f (%x: f33[2]) {\n}", "there is no type 'f33'"},
    {"graph @f (%x: f32[2]@heap) {\n}", "there is no memory space 'heap'"},
    {"graph @f (%x: f32x4[2]) {\n}", "a tensor has no strides and no lanes"},
    {"graph @f (%x: f32[1,1,1,1,1,1,1,1,1]) {\n}", "more than 8 dimensions"},
    {"graph @f (%x: f32[n]) {\n}",
     "dimension 'n' is not declared: write a line 'dim n = 1..128' before"},
    {"dim n = 1..4\ngraph @f (%x: f32[n-9]) {\n}", "a negative dimension"},
    {"dim n = 0..4\ngraph @f (%x: f32[floordiv(8,n)]) {\n}", "the divisor may be 0 or negative"},
    {"dim n = 4..1", "the lower bound is above the upper one"},
    {"dim n = 1..4\ndim n = 1..4", "dimension 'n' is declared twice"},
    {"dim n = 1..4\ngraph @f (%x: f32[foo(n,1)]) {\n}",
     "there is no function 'foo', only floordiv"},
    {"dim n = 1..99999999999999999999", "expected a 64-bit integer"},
    {"graph @f {\n  yield %x\n}", "test.ir:2:9: error: %x is not defined here"},
    {"graph @f (%x: f32[]) {\n  %y = neg %x\n}", "1 results but 0 types"},
    {"graph @f (%x: f32[]) {\n  neg %x : f32[]\n}", "0 results but 1 types"},
    {"graph @f (%x: f32[]) {\n  %x = neg %x : f32[]\n}", "%x is defined twice"},
    {"graph @f {\n  yield 1\n}", "the constant needs a dtype: 1:i64, 1.5:f32"},
    {"graph @f {\n  yield 300:u8\n}", "'300' is no value of u8"},
    {"graph @f {\n  yield 1:f32x4\n}", "vectors exist in kernels only"},
    {"kernel @f {\n  yield 1:floaty\n}", "there is no dtype 'floaty'"},
    {"graph @f [entry=1, entry=2] {\n}", "'entry' is given twice"},
    {"graph @f [entry] {\n}", "expected '='"},
    {"graph @f [entry=] {\n}", "expected a value"},
    {"graph @f [entry=\"a] {\n}", "the string does not end on its line"},
    {"graph @f [entry=\"\\xzz\"] {\n}", "\\x needs two hexadecimal digits"},
    {"graph @f [entry=\"a\\x00\"] {\n}", "a string cannot hold a zero byte"},
    {"graph @f {\n  yield", "the text ends inside a region: '}' is missing"},
    {"graph @f {\n  yield\n}\n}", "'}' closes nothing"},
    {"graph @f {\n  yield yield\n}", "unexpected 'y': an operation ends with its line"},
    {"graph @f {\n  %c = const [blob=1, at=0] : f32[2]\n}", "blob 1 is not declared"},
    {"graph @f {\n  %c = const [values=[1, 2]] : f32[3]\n}", "2 values for f32[3]"},
    {"graph @f {\n  %c = const [values=[1, 2.5]] : i32[2]\n}", "no value of i32"},
    {"blob 2 = 4 bytes", "blobs are numbered 1, 2, ..: expected 1"},
    {"blob 1 = 4 bytes", "the weights of blob 1 are in no file"},
    {"blob 1 = 4 bytes \"00ff\"", "expected 4 pairs of hexadecimal digits"},
    {"blob 1 = 2 bytes \"00fg\"", "expected 2 pairs of hexadecimal digits"},
    {"blob 1 = \"../mlp.ir\" at 0, 4 bytes", "'../mlp.ir' is not a file beside the text"},
    {"blob 1 = \"absent.bin\" at 0, 4 bytes", "the file 'absent.bin' cannot be read"},
    {"blob 1 = \"mlp.ir\" at 0, 4000000 bytes", "bytes, needs 4000000 from 0"},
    {"blob 1 = \"mlp.ir\" at 0, -4 bytes", "expected a number of bytes"},
};

static void mistakes_are_explained(void)
{
    for (size_t i = 0; i < sizeof mistakes / sizeof mistakes[0]; i++) {
        nnc_status s;
        ir_test *t = ir_read(mistakes[i].text, &s);
        if (s == NNC_OK)
            test_failed(__FILE__, __LINE__, "accepted: %s", mistakes[i].text);
        CHECK_HAS(t->said, mistakes[i].said);
        ir_free(t);
    }
}

/* Each mistake once, none because of another. */
static void one_run_reports_every_mistake(void)
{
    nnc_status s;
    ir_test *t = ir_read("graph @f (%x: f32[2]) {\n"
                         "  %a = frob %x : f32[2]\n"
                         "  %b = add %a, %q : f32[2]\n"
                         "  %c = while %b : f32[2] (%i: f32[2]) {\n"
                         "    %d = nope %i : f32[2]\n"
                         "    yield %d\n"
                         "  } {\n"
                         "    yield %b, %c\n"
                         "  }\n"
                         "  yield %c\n"
                         "}\n",
                         &s);
    CHECK_INT(s, NNC_ERR);
    CHECK_INT(nnc_diag_errors(t->diag), 4);
    CHECK_HAS(t->said, "test.ir:2:8: error: there is no operation 'frob'");
    CHECK_HAS(t->said, "test.ir:3:16: error: %q is not defined here");
    CHECK_HAS(t->said, "test.ir:8:15: error: %c is not defined here");
    CHECK_HAS(t->said, "test.ir:5:10: error: there is no operation 'nope'");

    ir_free(t);
}

static void depth_is_bounded(void)
{
    char *text = calloc(1, 200000), *p = text;
    nnc_status s;
    REQUIRE(text);
    p += sprintf(p, "dim n = 1..2\ngraph @f (%%x: f32[");
    for (int i = 0; i < 5000; i++)
        *p++ = '(';
    ir_test *t = ir_read(text, &s);
    CHECK_HAS(t->said, "the expression is nested too deeply");
    ir_free(t);
    p = text + sprintf(text, "kernel @f {\n");
    for (int i = 0; i < 10000; i++)
        p += sprintf(p, "if true {\n");
    t = ir_read(text, &s);
    CHECK_HAS(t->said, "regions are nested too deeply");
    ir_free(t);
    free(text);
}

/* Every prefix of a golden file, and every file with one byte changed, is read without harm. */
static void damaged_text_is_survived(void)
{
    size_t n;
    char *text = test_read_file(NNC_TESTS_DIR "/ir/control.ir", &n);
    REQUIRE(text);
    for (size_t i = 0; i < n; i++) {
        nnc_status s;
        char keep = text[i];
        text[i] = 0;
        ir_free(ir_read(text, &s));
        text[i] = "{}[]()%,:=\"@1a.\n-#"[i % 19];
        if (text[i]) {
            ir_test *t = ir_read(text, &s);
            if (s == NNC_OK)
                nnc_verify(t->m);
            ir_free(t);
        }
        text[i] = keep;
    }
    test_state.checks++;
    free(text);
}

int main(void)
{
    RUN(every_op_survives);
    RUN(numbers_are_exact);
    RUN(numbers_out_of_range_are_refused);
    RUN(odd_names_survive);
    RUN(dimension_text_depends_on_names_only);
    RUN(weights_survive_in_the_text);
    RUN(weights_survive_in_a_side_file);
    RUN(golden_files);
    RUN(mistakes_are_explained);
    RUN(one_run_reports_every_mistake);
    RUN(depth_is_bounded);
    RUN(damaged_text_is_survived);
    return test_end();
}
