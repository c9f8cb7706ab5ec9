/* Golden tests of passes: every .ir file below tests/passes, tests/lower and so on that starts with "# RUN:".
 *
 *     # RUN: fold,dce                 the passes, in order
 *     # WITH: fast,fast_assoc         options, may be missing; `valid`: only the validation counts, not the text
 *     graph @f ..                     the input
 *     # EXPECT                        and what must come out, word for word
 *     graph @f ..
 *
 * Inputs also run under translation validation, so an expectation that is wrong is found as well.  With NNC_UPDATE_GOLDEN=1
 * in the environment the expectations are written anew: look at the difference before you believe it. */
#include "ir/text.h"
#include "passes/pass.h"
#include "tests/test.h"
#include <dirent.h>
#include <sys/stat.h>

typedef struct golden {
    char *text, *expect; /* expect points behind the EXPECT line */
    char passes[256];
    nnc_options opt;
    bool error; /* WITH: error - the pass must fail; EXPECT holds the diagnostics */
    bool valid; /* WITH: valid - the results must stay, whatever the text becomes */
} golden;

static bool update;
static char diagnostics[8192];

static void collect(void *user, const char *text)
{
    (void)user;
    if (strlen(diagnostics) + strlen(text) + 2 < sizeof diagnostics)
        strcat(diagnostics, text);
}

static bool word_in(const char *line, const char *word)
{
    const char *end = strchr(line, '\n'), *at = strstr(line, word);

    return at && (!end || at < end);
}

static bool parse(char *text, golden *g)
{
    char *line = strstr(text, "# RUN:"), *mark = strstr(text, "\n# EXPECT"),
         *with = strstr(text, "# WITH:");
    size_t n;

    if (!line || !mark || (with && with > mark))
        return false;
    line += strlen("# RUN:");
    line += strspn(line, " ");
    n = strcspn(line, " \n");
    if (n >= sizeof g->passes)
        return false;
    memcpy(g->passes, line, n);
    g->passes[n] = 0;
    g->text = text;
    g->expect = mark + 1 + strcspn(mark + 1, "\n");
    g->expect += *g->expect == '\n';
    g->opt = (nnc_options){.target = nnc_target_by_name("avx512"),
                           .passes = g->passes,
                           .check = true,
                           .check_seed = 1};
    g->opt.fast = with && word_in(with, "fast");
    g->opt.fast_assoc = with && word_in(with, "fast_assoc");
    g->error = with && word_in(with, "error");
    g->valid = with && word_in(with, "valid");
    if (with && word_in(with, "no_check"))
        g->opt.check = false;
    mark[1] = 0; /* input ends here */
    return true;
}

static char *run(const golden *g, const char *path)
{
    nnc_arena *a = nnc_arena_new();
    nnc_diag *d = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, d);
    char *got = NULL;
    size_t size;
    FILE *o = open_memstream(&got, &size);
    nnc_status s;

    diagnostics[0] = 0;
    nnc_diag_set_sink(d, collect, NULL);
    s = nnc_read_module(m, path, g->text, strlen(g->text), NNC_TESTS_DIR);
    if (s == NNC_OK)
        s = nnc_passes_run(m, &g->opt);
    if (s == NNC_OK)
        nnc_print_module(m, o, &(nnc_print_options){.inline_weights = true});
    fclose(o);
    if (g->error) {
        free(got);
        got = strdup(s == NNC_OK ? "no error\n" : diagnostics);
    } else if (!test_true(s == NNC_OK, "no diagnostics", path, 1)) {
        printf("%s\n", diagnostics);
    }
    nnc_arena_free(a);
    return got;
}

/* In an error test every line of EXPECT must occur in the diagnostics. */
static void check_error(const golden *g, const char *got, const char *path)
{
    for (const char *p = g->expect; *p; p += strcspn(p, "\n"), p += *p == '\n') {
        char line[512];
        size_t n = strcspn(p, "\n");
        const char *from = p;
        if (n > 2 && p[0] == '#' && p[1] == ' ')
            from += 2, n -= 2;
        snprintf(line, sizeof line, "%.*s", (int)n, from);
        test_state.checks++;
        if (n && !strstr(got, line))
            test_failed(path, 1, "'%s' not found in: %s", line, got);
    }
}

static void rewrite(const golden *g, const char *got, const char *path)
{
    FILE *o = fopen(path, "w");

    if (!o)
        return;
    fprintf(o, "%s# EXPECT\n%s", g->text, got);
    fclose(o);
}

static void one_file(const char *path)
{
    char *text = test_read_file(path, NULL), *got;
    golden g = {0};

    if (!text || strncmp(text, "# RUN:", 6) != 0) {
        free(text);
        return;
    }
    test_state.running = path;
    if (test_true(parse(text, &g), "a line # RUN: and a line # EXPECT", path, 1)) {
        got = run(&g, path);
        if (g.error)
            check_error(&g, got, path);
        else if (g.valid)
            test_true(got != NULL, "a text", path, 1);
        else if (update && strcmp(got, g.expect) != 0)
            rewrite(&g, got, path);
        else
            test_str(got, g.expect, "the result", path, 1);
        free(got);
    }
    free(text);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void walk(const char *folder)
{
    struct dirent **list;
    int n = scandir(folder, &list, NULL, by_name);

    for (int i = 0; i < n; i++) {
        char path[4096];
        struct stat st;
        size_t len = strlen(list[i]->d_name);
        snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name);
        if (list[i]->d_name[0] != '.' && stat(path, &st) == 0) {
            if (S_ISDIR(st.st_mode))
                walk(path);
            else if (len > 3 && !strcmp(list[i]->d_name + len - 3, ".ir"))
                one_file(path);
        }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
}

int main(int argc, char **argv)
{
    update = getenv("NNC_UPDATE_GOLDEN") != NULL;
    if (argc > 1)
        for (int i = 1; i < argc; i++)
            one_file(argv[i]);
    else
        walk(NNC_TESTS_DIR "/passes");
    return test_end();
}
