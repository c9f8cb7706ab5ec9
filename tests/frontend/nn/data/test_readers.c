/* Readers on small files in memory: values, places of mistakes, and damaged files of every format. */
#include "frontend/nn/data/data.h"
#include "runtime/leaves.h"
#include "tests/test.h"
#include <zlib.h>

typedef struct bench {
    nn_reader r;
    char messages[4096];
} bench;

static void keep(void *user, const char *text)
{
    bench *b = user;
    strncat(b->messages, text, sizeof b->messages - strlen(b->messages) - 1);
}

static void begin(bench *b)
{
    memset(b, 0, sizeof *b);
    nnc_arena *a = nnc_arena_new();
    b->r = (nn_reader){.arena = a, .diag = nnc_diag_new(a), .names = nnc_intern_new(a), .dir = ""};
    b->r.call = nnc_loc_file(b->r.diag, "net.nn");
    nnc_diag_set_sink(b->r.diag, keep, b);
}

static nn_bytes bytes_of(const char *name, const void *p, size_t n)
{
    return (nn_bytes){name, p, n};
}

static nn_bytes text_of(const char *name, const char *s)
{
    return bytes_of(name, s, strlen(s));
}

static const nn_data *field(const bench *b, const nn_data *d, const char *name)
{
    for (uint32_t i = 0; i < d->n; i++)
        if (!strcmp(nnc_intern_str(b->r.names, d->name[i]), name))
            return &d->child[i];
    return NULL;
}

static nnc_sym sym(const bench *b, const char *s)
{
    return nnc_intern_put(b->r.names, s, strlen(s));
}

static void csv_columns(void)
{
    bench b;
    nn_data d;
    begin(&b);
    nn_column c[] = {{.name = sym(&b, "x"), .first = 0, .end = 2, .range = true},
                     {.name = sym(&b, "y"), .first = 2, .end = 3},
                     {.name = sym(&b, "s"), .title = "the \"name\""}};
    nn_table_options o = {.separator = ',', .header = true, .n = 3, .column = c};
    nn_bytes t = text_of(
        "t.csv", "a,b,c,\"the \"\"name\"\"\"\n1,2.5,7,\"p,q\"\r\n3, -4e1 ,8,\"two\nlines\"\n\n");
    REQUIRE(nn_table_parse(&b.r, &t, &o, &d) == NNC_OK);
    const nn_data *x = field(&b, &d, "x"), *y = field(&b, &d, "y"), *s = field(&b, &d, "s");
    REQUIRE(x && y && s);
    CHECK_INT(x->tensor.dtype, NNC_DT_f64);
    CHECK(x->weak && y->weak);
    CHECK_INT(x->tensor.rank, 2);
    CHECK_NEAR(((double *)x->tensor.data)[3], -40, 0);
    CHECK_INT(y->tensor.dtype, NNC_DT_i64);
    CHECK_INT(((int64_t *)y->tensor.data)[1], 8);
    CHECK_STR(nnc_intern_str(b.r.names, s->strings.at[0]), "p,q");
    CHECK_STR(nnc_intern_str(b.r.names, s->strings.at[1]), "two\nlines");
    nnc_arena_free(b.r.arena);
}

static void csv_mistakes(void)
{
    static const struct {
        const char *text, *place, *what;
    } rows[] = {
        {"1,2\n3,4,5\n", "t.csv:2:5", "a cell too many"},
        {"1,2\n3\n", "t.csv:2:2", "ends after 1 cells"},
        {"1,2\n3,\n", "t.csv:2:3", "an empty cell"},
        {"1,2\n3,\"4\n", "t.csv:2:3", "not closed"},
        {"1,2\n3,\"4\"5\n", "t.csv:2:6", "after the closing quote"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench b;
        nn_data d;
        begin(&b);
        nn_table_options o = {.separator = ','};
        nn_bytes t = text_of("t.csv", rows[i].text);
        CHECK(nn_table_parse(&b.r, &t, &o, &d) == NNC_ERR);
        CHECK_HAS(b.messages, rows[i].place);
        CHECK_HAS(b.messages, rows[i].what);
        CHECK_HAS(b.messages, "net.nn");
        nnc_arena_free(b.r.arena);
    }
}

static void idx_and_gzip(void)
{
    static const unsigned char file[] = {0, 0, 0x0b, 2, 0,    0,    0,    1,
                                         0, 0, 0,    2, 0x01, 0x02, 0xff, 0xfe};
    unsigned char packed[200];
    bench b;
    nn_data d;
    begin(&b);
    z_stream z = {.next_in = (unsigned char *)(uintptr_t)file,
                  .avail_in = sizeof file,
                  .next_out = packed,
                  .avail_out = sizeof packed};
    deflateInit2(&z, 9, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY);
    REQUIRE(deflate(&z, Z_FINISH) == Z_STREAM_END);
    nn_bytes t = bytes_of("d.gz", packed, z.total_out);
    deflateEnd(&z);
    REQUIRE(nn_bytes_unpack(&b.r, &t) == NNC_OK);
    REQUIRE(nn_idx_parse(&b.r, &t, &d) == NNC_OK);
    CHECK_INT(d.tensor.dtype, NNC_DT_i16);
    CHECK_INT(d.tensor.dim[1], 2);
    CHECK_INT(((int16_t *)d.tensor.data)[0], 258);
    CHECK_INT(((int16_t *)d.tensor.data)[1], -2);
    for (size_t n = 2; n < z.total_out; n++) {
        nn_bytes cut = bytes_of("d.gz", packed, n);
        CHECK(nn_bytes_unpack(&b.r, &cut) == NNC_ERR);
    }
    nnc_arena_free(b.r.arena);
}

static void json_values(void)
{
    bench b;
    nn_data d;
    begin(&b);
    nn_bytes t = text_of(
        "a.json", "{\"m\": [[1, 2], [3, 4.5]], \"s\": [\"\\u00e9\", \"\\ud83d\\ude00\"], \"l\": "
                  "[1, [2]], \"b\": [true, false], \"e\": []}");
    REQUIRE(nn_json_parse(&b.r, &t, &d) == NNC_OK);
    const nn_data *m = field(&b, &d, "m"), *s = field(&b, &d, "s"), *l = field(&b, &d, "l");
    CHECK_INT(m->tensor.dtype, NNC_DT_f64);
    CHECK_INT(m->tensor.rank, 2);
    CHECK_NEAR(((double *)m->tensor.data)[2], 3, 0);
    CHECK_STR(nnc_intern_str(b.r.names, s->strings.at[0]), "\xc3\xa9");
    CHECK_STR(nnc_intern_str(b.r.names, s->strings.at[1]), "\xf0\x9f\x98\x80");
    CHECK_INT(l->kind, NN_DATA_list);
    CHECK_INT(field(&b, &d, "b")->tensor.dtype, NNC_DT_bool);
    static const char *const bad[][2] = {
        {"{\"a\": 1,\n \"a\": 2}", "a.json:2:2"},
        {"[1, 2", "a.json:1:6"},
        {"[1 2]", "a.json:1:4"},
        {"{\"a\": nul}", "a.json:1:7"},
        {"[null]", "null is no value"},
        {"\"abc", "not closed"},
        {"1 2", "the end of the file"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        b.messages[0] = 0;
        t = text_of("a.json", bad[i][0]);
        CHECK(nn_json_parse(&b.r, &t, &d) == NNC_ERR);
        CHECK_HAS(b.messages, bad[i][1]);
    }
    char deep[1001];
    memset(deep, '[', 1000);
    deep[1000] = 0;
    t = text_of("a.json", deep);
    CHECK(nn_json_parse(&b.r, &t, &d) == NNC_ERR);
    nnc_arena_free(b.r.arena);
}

static void line_skipping(void)
{
    bench b;
    nn_data d;
    begin(&b);
    nn_bytes t = text_of("l.txt", "# a\r\nb c\n\n@d\nlast");
    REQUIRE(nn_lines_parse(&b.r, &t, "[#@]", &d) == NNC_OK);
    CHECK_INT(d.strings.dim[0], 3);
    CHECK_STR(nnc_intern_str(b.r.names, d.strings.at[0]), "b c");
    CHECK_STR(nnc_intern_str(b.r.names, d.strings.at[2]), "last");
    CHECK(nn_lines_parse(&b.r, &t, "[#", &d) == NNC_ERR);
    CHECK_HAS(b.messages, "no regular expression");
    nnc_arena_free(b.r.arena);
}

static nnp_leaves two_leaves(void)
{
    static float w[6] = {1, 2, 3, 4, 5, 6};
    static uint8_t f[2] = {0x38, 0x40};
    static nnp_leaf leaf[2] = {{"enc.w", NNP_F32, 2, {2, 3}, w}, {"enc.s", NNP_F8E4M3, 1, {2}, f}};
    return (nnp_leaves){2, leaf};
}

static void trees_of_files(void)
{
    bench b;
    nn_data d;
    nnp_text file = {0};
    nnp_leaves l = two_leaves();
    begin(&b);
    nnp_safetensors_bytes(&l, &file);
    nn_bytes t = bytes_of("w.safetensors", file.at, file.n);
    REQUIRE(nn_safetensors_parse(&b.r, &t, &d) == NNC_OK);
    const nn_data *enc = field(&b, &d, "enc");
    REQUIRE(enc && enc->kind == NN_DATA_record);
    CHECK_INT(field(&b, enc, "s")->tensor.dtype, NNC_DT_f8e4m3fn);
    CHECK_NEAR(((float *)field(&b, enc, "w")->tensor.data)[5], 6, 0);
    nnp_text_free(&file);
    const char *overlapping = "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
                              "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}";
    char bad[300] = {0};
    size_t n = strlen(overlapping);
    bad[0] = (char)n;
    memcpy(bad + 8, overlapping, n);
    t = bytes_of("w.safetensors", bad, 8 + n + 8);
    CHECK(nn_safetensors_parse(&b.r, &t, &d) == NNC_ERR);
    CHECK_HAS(b.messages, "overlap");
    nnc_arena_free(b.r.arena);
}

/* Every format on a file that is cut or changed: it may be accepted, it must not crash or hang. */
static void any_format(const nn_bytes *t)
{
    static const nn_table_options csv = {.separator = ','},
                                  tsv = {.separator = '\t', .header = true};
    bench b;
    nn_data d;
    begin(&b);
    (void)!nn_idx_parse(&b.r, t, &d);
    (void)!nn_table_parse(&b.r, t, &csv, &d);
    (void)!nn_table_parse(&b.r, t, &tsv, &d);
    (void)!nn_npy_parse(&b.r, t, &d);
    (void)!nn_npz_parse(&b.r, t, &d);
    (void)!nn_safetensors_parse(&b.r, t, &d);
    (void)!nn_lines_parse(&b.r, t, "#", &d);
    (void)!nn_json_parse(&b.r, t, &d);
    nnc_arena_free(b.r.arena);
}

static void damaged(const char *bytes, size_t n)
{
    unsigned seed = 12345;
    char *copy = malloc(n + 1);
    for (size_t k = 0; k < n;
         k += 1 + n / 60) { /* a block of its own size, so that sanitizers see its end */
        char *cut = malloc(k ? k : 1);
        memcpy(cut, bytes, k);
        nn_bytes t = bytes_of("cut", cut, k);
        any_format(&t);
        free(cut);
    }
    for (int i = 0; i < 300; i++) {
        memcpy(copy, bytes, n);
        for (int k = 0; k < 1 + i % 4; k++) {
            seed = seed * 1103515245u + 12345u;
            size_t at = (seed >> 8) % n;
            seed = seed * 1103515245u + 12345u;
            copy[at] = (char)(i & 1 ? (int)(seed >> 16 & 255) : copy[at] ^ 1 << (seed >> 16) % 8);
        }
        nn_bytes t = bytes_of("changed", copy, n);
        any_format(&t);
    }
    free(copy);
    CHECK(true);
}

static void damaged_files(void)
{
    static const char idx[] = {0, 0, 13, 2, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
    static const char csv[] = "a,b,\"c \"\"d\"\"\"\n1,2,x\n3,4.5e3,\"y\nz\"\n";
    static const char json[] =
        "{\"a\": [[1, 2], [3, 4]], \"b\": [\"x\\u00e9\", \"y\"], \"c\": {\"d\": true}}";
    nnp_leaves l = two_leaves();
    nnp_text file = {0};
    damaged(idx, sizeof idx);
    damaged(csv, sizeof csv - 1);
    damaged(json, sizeof json - 1);
    nnp_safetensors_bytes(&l, &file);
    damaged(file.at, file.n);
    nnp_text_clear(&file);
    l.n = 1;
    nnp_npz_bytes(&l, &file);
    damaged(file.at, file.n);
    nnp_text_clear(&file);
    nnp_npy_bytes(l.at, &file);
    damaged(file.at, file.n);
    nnp_text_free(&file);
}

int main(void)
{
    RUN(csv_columns);
    RUN(csv_mistakes);
    RUN(idx_and_gzip);
    RUN(json_values);
    RUN(line_skipping);
    RUN(trees_of_files);
    RUN(damaged_files);
    return test_end();
}
