/* Texts that no file of tests should hold: odd bytes, odd line ends, depths and sizes; and locations. */
#include "tests/frontend/nn/nn_test.h"

static nn_case one;

static nnc_status parse(const char *text)
{
    nn_case_parse(&one, "t.nn", text, strlen(text));
    return one.status;
}

static void done(void)
{
    nn_case_free(&one);
}

/* The first line of the messages. */
static const char *first(void)
{
    static char line[300];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(one.messages, "\n"), one.messages);
    return line;
}

static void odd_bytes(void)
{
    nn_case_parse(&one, "t.nn", "const x = \0 1", 13);
    CHECK_STR(first(), "t.nn:1:11: error: a NUL byte; this is not a text file");
    done();
    static const char *const bad[] = {"const x = \xFF",     "# \xC3(",
                                      "# \xC0\x80",         "# \xED\xA0\x80",
                                      "# \xF4\x90\x80\x80", "# \xE2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(parse(bad[i]), NNC_ERR);
        CHECK_HAS(one.messages, "is not UTF-8 text");
        done();
    }
    CHECK_INT(parse("# \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\nconst x = \"\xC3\xA9\""), NNC_OK);
    done();
    CHECK_INT(parse("\xEF\xBB\xBF"
                    "const x = 1"),
              NNC_OK);
    CHECK_INT(one.file->root->kid[0]->begin, 3);
    done();
    parse("const x = \v1");
    CHECK_STR(first(), "t.nn:1:11: error: control character 11 has no meaning here");
    done();
}

static void line_ends(void)
{
    CHECK_INT(parse("const x = 1\r\nconst y = \"a\"\r\n# comment\r\nfn f() {\r\n  1\r\n}\r\n"),
              NNC_OK);
    CHECK_INT(one.file->root->nkid, 3);
    CHECK_INT(one.file->comment.n, 1);
    CHECK_INT(one.file->comment.at[0].end - one.file->comment.at[0].begin, 9);
    CHECK_INT(one.file->comment.at[0].line, 3);
    done();
    CHECK_INT(parse("const x = 1\rconst y = 2"), NNC_ERR);
    CHECK_STR(first(), "t.nn:1:12: error: control character 13 has no meaning here");
    done();
    CHECK_INT(parse("const x = 1"), NNC_OK);
    done();
    CHECK_INT(parse("const x = 1 # end"), NNC_OK);
    CHECK(!one.file->comment.at[0].alone);
    done();
}

static void empty_files(void)
{
    static const char *const empty[] = {"", "\n", " \t\r\n\r\n", "# only a comment", ";;\n;"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        CHECK_INT(parse(empty[i]), NNC_OK);
        CHECK_INT(one.file->root->kind, NN_file);
        CHECK_INT(one.file->root->nkid, 0);
        done();
    }
}

/* `const x = ` open*n middle close*n */
static nnc_status nested(const char *open, const char *middle, const char *close, size_t n)
{
    size_t a = strlen(open), b = strlen(close), m = strlen(middle);
    char *text = malloc(n * (a + b) + m + 16), *p = text;
    p += sprintf(p, "const x = ");
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "%s", open);
    p += sprintf(p, "%s", middle);
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "%s", close);
    nnc_status st = parse(text);
    free(text);
    return st;
}

static void depths(void)
{
    static const struct {
        const char *open, *middle, *close;
    } deep[] = {{"(", "x", ")"},
                {"[", "x", "]"},
                {"f(", "x", ")"},
                {"-", "x", ""},
                {"not ", "x", ""},
                {"x + ", "x", ""},
                {"x^", "x", ""},
                {"", "x", ".a"},
                {"", "f", "()"},
                {"if a { ", "x", "}"},
                {"fn (x) = ", "x", ""},
                {"if a { 1 } else ", "{ 2 }", ""},
                {"@f(", "x", ") for i in x { 1 }"}};
    for (size_t i = 0; i < sizeof deep / sizeof *deep; i++) {
        CHECK_INT(nested(deep[i].open, deep[i].middle, deep[i].close, 100), NNC_OK);
        CHECK_STR(one.messages, "");
        CHECK(one.file->root->depth < 500);
        done();
        CHECK_INT(nested(deep[i].open, deep[i].middle, deep[i].close, 12000), NNC_ERR);
        CHECK_HAS(one.messages, "nested");
        const char *more = strstr(one.messages, "error:");
        CHECK(more && !strstr(more + 1, "error:"));
        CHECK(one.file->root->depth <= 501);
        done();
    }
}

static void sizes(void)
{
    size_t n = 100000;
    char *text = malloc(n * 4 + 100), *p = text;
    p += sprintf(p, "const x = [");
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "1, ");
    sprintf(p, "1]");
    CHECK_INT(parse(text), NNC_OK);
    CHECK_INT(one.file->root->kid[0]->kid[1]->nkid, n + 1);
    done();
    memset(text, 'a', n);
    strcpy(text + n, " = 1");
    CHECK_INT(parse(text), NNC_ERR);
    CHECK(strlen(first()) < 200);
    done();
    free(text);
}

static nn_ast *kid(nn_ast *n, unsigned a)
{
    return n->kid[a];
}

/* Names are ids of the shared table, locations are the bytes of the name alone. */
static void places(void)
{
    CHECK_INT(parse("fn f(x) = \"a {g.h + 1:.2f}\"\n"), NNC_OK);
    nn_ast *fn = kid(one.file->root, 0), *string = kid(fn, 3);
    CHECK_STR(nnc_intern_str(one.syntax.names, fn->name), "f");
    CHECK_STR(nnc_loc_text_of(one.syntax.diag, fn->name_loc), "t.nn:1:4");
    CHECK_INT(fn->begin, 0);
    CHECK_INT(fn->end, 27);
    CHECK_INT(string->kind, NN_string);
    CHECK(string->text == NULL);
    nn_ast *format = kid(string, 1), *sum = kid(format, 0), *field = kid(sum, 0);
    CHECK_STR(format->text, ".2f");
    CHECK_STR(nnc_loc_text_of(one.syntax.diag, format->name_loc), "t.nn:1:23");
    CHECK_STR(nnc_loc_text_of(one.syntax.diag, sum->loc), "t.nn:1:15");
    CHECK_INT(sum->begin, 14);
    CHECK_INT(sum->end, 21);
    CHECK_STR(nnc_intern_str(one.syntax.names, field->name), "h");
    CHECK_STR(nnc_loc_text_of(one.syntax.diag, field->name_loc), "t.nn:1:17");
    done();
}

static void marks(nn_ast *n, bool *seen, uint32_t most)
{
    CHECK(n->id >= 1 && n->id <= most && !seen[n->id]);
    seen[n->id <= most ? n->id : 0] = true;
    for (uint32_t i = 0; i < n->nkid; i++) {
        CHECK(n->kid[i]->begin >= n->begin && n->kid[i]->end <= n->end);
        marks(n->kid[i], seen, most);
    }
}

/* Ids are dense and unique over the files of one compilation; children lie within their parents. */
static void ids(void)
{
    static const char *const text[] = {
        "fn f(x, y: f32[n]) -> f32 {\n  var a = (x + 1) * 2\n  if a { b } else { c }\n}\n",
        "train t(n, k) on d { loss = \"{n} and {k:3}\" }\n@inline\nfn g() = f(..x)[0, 1..]\n"};
    parse(text[0]);
    nn_file *second;
    CHECK_INT(nn_parse(&one.syntax, "u.nn", text[1], strlen(text[1]), &second), NNC_OK);
    bool *seen = calloc(one.syntax.nnode + 1, sizeof *seen);
    marks(one.file->root, seen, one.syntax.nnode);
    marks(second->root, seen, one.syntax.nnode);
    free(seen);
    done();
}

static void comments(void)
{
    parse("# one\nconst x = 1 # two\n  # three\n");
    CHECK_INT(one.file->comment.n, 3);
    static const uint32_t line[] = {1, 2, 3};
    static const bool alone[] = {true, false, true};
    for (int i = 0; i < 3 && one.file->comment.n == 3; i++) {
        CHECK_INT(one.file->comment.at[i].line, line[i]);
        CHECK_INT(one.file->comment.at[i].alone, alone[i]);
        CHECK_INT(one.file->text[one.file->comment.at[i].begin], '#');
    }
    done();
}

int main(void)
{
    RUN(odd_bytes);
    RUN(line_ends);
    RUN(empty_files);
    RUN(depths);
    RUN(sizes);
    RUN(places);
    RUN(ids);
    RUN(comments);
    return test_end();
}
