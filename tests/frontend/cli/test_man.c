/* The manual page names every option, and help of every command fits a screen. */
#include "tests/test.h"

static char *read_all(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *s = f ? calloc(1, 1 << 20) : NULL;
    if (f && s)
        s[fread(s, 1, (1 << 20) - 1, f)] = 0;
    if (f)
        fclose(f);
    return s;
}

/* "--dim" as roff spells it: "\-\-dim". */
static void roff(const char *s, char *out)
{
    for (; *s; s++) {
        if (*s == '-')
            *out++ = '\\';
        *out++ = *s;
    }
    *out = 0;
}

static const char *const options[] = {
#define OPTION(name, kind, field, commands, arg, doc) name,
#include "frontend/cli/options.def"
};

static void test_man(void)
{
    char *page = read_all(NNC_TESTS_DIR "/../docs/nnc.1"), text[80];
    CHECK(page != NULL);
    for (size_t i = 0; page && i < sizeof options / sizeof options[0]; i++) {
        roff(options[i], text);
        CHECK(strstr(page, text) != NULL);
    }
    free(page);
}

static void test_help_fits(void)
{
    static const char *const commands[] = {"", "build", "info", "run", "check", "ops"};
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        char line[200];
        int rows = 0;
        snprintf(line, sizeof line, "%s help %s", NNC_BINARY, commands[i]);
        FILE *p = popen(line, "r");
        CHECK(p != NULL);
        while (p && fgets(line, sizeof line, p)) {
            rows++;
            CHECK(strlen(line) <= 121);
        }
        CHECK(p && pclose(p) == 0);
        CHECK(rows > 0 && rows <= 40);
    }
}

int main(void)
{
    RUN(test_man);
    RUN(test_help_fits);
    return test_end();
}
