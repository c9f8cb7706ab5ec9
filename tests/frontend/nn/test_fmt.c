/* The formatter.  Golden texts: fmt/NAME.nn becomes fmt/NAME.out.  And for every .nn file of these tests and of the
 * library: the formatted text has the same tree and the same comments, formatting it again changes nothing, and no line
 * is wider than 100 columns unless it cannot be broken.  NNC_UPDATE_GOLDEN=1 writes the golden texts anew. */
#include "frontend/nn/fmt.h"
#include "tests/frontend/nn/nn_test.h"
#include <dirent.h>

static unsigned nfiles;

/* Comments as one text, without the blanks at their ends. */
static char *comments_of(const nn_file *f)
{
    char *text = calloc(1, f->size + f->comment.n + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < f->comment.n; i++) {
        const nn_comment *c = &f->comment.at[i];
        uint32_t end = c->end;
        while (end > c->begin && (f->text[end - 1] == ' ' || f->text[end - 1] == '\t'))
            end--;
        memcpy(text + n, f->text + c->begin, end - c->begin);
        n += end - c->begin;
        text[n++] = '\n';
    }
    return text;
}

static void keeps_meaning(const char *path)
{
    size_t size, n, m;
    char *text = test_read_file(path, &size);
    nn_case c, d;
    nn_case_parse(&c, path, text, size);
    if (c.status != NNC_OK) {
        nn_case_free(&c);
        free(text);
        return; /* nothing to format */
    }
    nfiles++;
    test_state.running = path;
    const char *once = nn_format(&c.syntax, c.file, &n);
    CHECK_INT(strlen(once), n);
    nn_case_parse(&d, path, once, n);
    CHECK_STR(d.messages, "");
    char *tree = nn_case_tree(&c), *again = nn_case_tree(&d);
    CHECK_STR(again, tree);
    char *notes = comments_of(c.file), *kept = comments_of(d.file);
    CHECK_STR(kept, notes);
    CHECK_STR(nn_format(&d.syntax, d.file, &m), once);
    CHECK_INT(m, n);
    free(tree);
    free(again);
    free(notes);
    free(kept);
    nn_case_free(&d);
    nn_case_free(&c);
    free(text);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n > m && !strcmp(s + n - m, end);
}

static void each_file(const char *dir, void (*test)(const char *path))
{
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[600];
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (ends_with(e->d_name, ".nn"))
            test(path);
    }
    if (d)
        closedir(d);
}

static void meaning(void)
{
    each_file(NNC_TESTS_DIR "/frontend/nn/ok", keeps_meaning);
    each_file(NNC_TESTS_DIR "/frontend/nn/fmt", keeps_meaning);
    each_file(NNC_TESTS_DIR "/../nn", keeps_meaning);
    CHECK(nfiles >= 15);
}

/* Width in characters of the widest line. */
static size_t widest(const char *text)
{
    size_t most = 0, now = 0;
    for (; *text; text++) {
        now = *text == '\n' ? 0 : now + (((unsigned char)*text & 0xC0) != 0x80);
        most = now > most ? now : most;
    }
    return most;
}

static void golden_file(const char *path)
{
    char out[620];
    size_t size, n;
    snprintf(out, sizeof out, "%.*s.out", (int)strlen(path) - 3, path);
    char *text = test_read_file(path, &size), *want = test_read_file(out, NULL);
    nn_case c;
    nn_case_parse(&c, path, text, size);
    test_state.running = path;
    CHECK_STR(c.messages, "");
    const char *got = nn_format(&c.syntax, c.file, &n);
    if (getenv("NNC_UPDATE_GOLDEN")) {
        FILE *f = fopen(out, "wb");
        CHECK(f && fwrite(got, 1, n, f) == n);
        if (f)
            fclose(f);
    } else {
        CHECK_STR(got, want);
    }
    if (!ends_with(path, "unbreakable.nn"))
        CHECK(widest(got) <= NN_FORMAT_WIDTH);
    nn_case_free(&c);
    free(text);
    free(want);
}

static void golden(void)
{
    each_file(NNC_TESTS_DIR "/frontend/nn/fmt", golden_file);
}

static const char *format(nn_case *c, const char *text, size_t size)
{
    size_t n;
    nn_case_parse(c, "t.nn", text, size);
    CHECK_STR(c->messages, "");
    return nn_format(&c->syntax, c->file, &n);
}

static void small_texts(void)
{
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"\n\n", ""},
        {";;", ""},
        {"# c", "# c\n"},
        {"# \x01 odd\nconst x=1 # \x01", "# \x01 odd\nconst x = 1  # \x01\n"},
        {"\xEF\xBB\xBF"
         "const x=1",
         "const x = 1\n"},
        {"const x=1\r\n\r\n\r\nconst y=2\r\n", "const x = 1\n\nconst y = 2\n"},
        {"fn f(x)=-x^-2", "fn f(x) = -x^-2\n"},
        {"fn f ( x ) = x [ 1 .. 2 , : , _ , .. ] ' . a ! ( 3 )",
         "fn f(x) = x[1..2, :, _, ..]'.a!(3)\n"},
        {"type t=fixed < 8 , 4 > [ n ]", "type t = fixed<8, 4>[n]\n"},
        {"fn f(x)=(fixed<8,4>x)", "fn f(x) = (fixed<8, 4> x)\n"},
        {"fn f(x)=@newton(3)for t in x{t}", "fn f(x) = @newton(3) for t in x { t }\n"},
        {"const a=[1 / 5,-3/10,2/3*x,a[1]/2,1/ 2^3]",
         "const a = [1/5, -3/10, 2 / 3 * x, a[1] / 2, 1 / 2^3]\n"},
        {"@inline fn f(x)=x@x", "@inline\nfn f(x) = x @ x\n"},
        {"fn f(x) { }", "fn f(x) {}\n"},
        {"fn f(x) {\n}", "fn f(x) {}\n"},
        {"fn f(x) {a();b=1;;c}", "fn f(x) { a(); b = 1; c }\n"},
        {"fn f(x) = if\n[a][0] { 1 }", "fn f(x) = if\n  [a][0] { 1 }\n"},
        {"fn f(x) = x[..2 by 3, 1.. by 2, a..b by c]",
         "fn f(x) = x[..2 by 3, 1.. by 2, a..b by c]\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nn_case c;
        CHECK_STR(format(&c, cases[i].text, strlen(cases[i].text)), cases[i].want);
        nn_case_free(&c);
    }
}

/* A long list is not filled in quadratic time. */
static void long_list(void)
{
    size_t n = 60000;
    char *text = malloc(n * 4 + 40), *p = text + sprintf(text, "const x = [");
    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "12, ");
    sprintf(p, "1]\n");
    nn_case c;
    CHECK(widest(format(&c, text, strlen(text))) <= NN_FORMAT_WIDTH);
    nn_case_free(&c);
    free(text);
}

int main(void)
{
    RUN(small_texts);
    RUN(golden);
    RUN(meaning);
    RUN(long_list);
    return test_end();
}
