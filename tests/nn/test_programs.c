/* The .nn programs below tests/nn: those of builtins/ and library/ must hold all their claims, in the interpreter; the functions of
 * export/ must give the same in C; those of bad/ must
 * be refused, each line that carries `# error: text` with that text and no other line. */
#include "tests/test.h"
#include <dirent.h>

enum { MOST = 65536 };

static int run(const char *command, char *out)
{
    FILE *p = popen(command, "r");
    size_t n = p ? fread(out, 1, MOST - 1, p) : 0;
    out[n] = 0;
    return p ? pclose(p) : -1;
}

/* f(path) for every .nn file of a folder below tests/nn. */
static void for_each_file(const char *folder, void (*f)(const char *path))
{
    char path[1024];
    snprintf(path, sizeof path, "%s/nn/%s", NNC_TESTS_DIR, folder);
    DIR *d = opendir(path);
    REQUIRE(d != NULL);
    for (struct dirent *e; (e = readdir(d));) {
        size_t n = strlen(e->d_name);
        if (n < 4 || strcmp(e->d_name + n - 3, ".nn") != 0)
            continue;
        snprintf(path, sizeof path, "%s/nn/%s/%s", NNC_TESTS_DIR, folder, e->d_name);
        f(path);
    }
    closedir(d);
}

static void check_claims(const char *path)
{
    static char out[MOST];
    char command[2048];
    snprintf(command, sizeof command, "%s test --interpret '%s' 2>&1", NNC_BINARY, path);
    int status = run(command, out);
    CHECK_INT(status, 0);
    if (status)
        printf("%s\n", out);
}

static void check_compiled(const char *path)
{
    static char out[MOST];
    char command[2048];
    snprintf(command, sizeof command, "%s test '%s' 2>&1", NNC_BINARY, path);
    int status = run(command, out);
    CHECK_INT(status, 0);
    if (status)
        printf("%s\n", out);
}

/* Loops that are batched: in the interpreter, and compiled with everything that becomes of them. */
static void maps_hold(void)
{
    for_each_file("maps", check_claims);
    for_each_file("maps", check_compiled);
}

/* The exported function as IR, and its C code against the interpreter at two sizes of n. */
static void check_export(const char *path)
{
    static char out[MOST];
    char command[4096], dir[] = "/tmp/nnc-programs-XXXXXX";
    REQUIRE(mkdtemp(dir) != NULL);
    snprintf(command, sizeof command,
             "cd %s && %s '%s' --emit=ir -o f.ir 2>&1 && %s check f.ir 2>&1 && "
             "%s check --dim=n=3 f.ir 2>&1",
             dir, NNC_BINARY, path, NNC_BINARY, NNC_BINARY);
    int status = run(command, out);
    CHECK_INT(status, 0);
    if (status)
        printf("%s\n", out);
    snprintf(command, sizeof command, "rm -r %s", dir);
    CHECK_INT(run(command, out), 0);
}

static void exports_agree(void)
{
    for_each_file("export", check_export);
}

static void claims_hold(void)
{
    for_each_file("builtins", check_claims);
    for_each_file("library", check_claims);
}

/* "file.nn:12:" followed by "error: text"? */
static bool reported(const char *out, const char *name, int line, const char *text)
{
    char place[300];
    snprintf(place, sizeof place, "%s:%d:", name, line);
    for (const char *p = strstr(out, place); p; p = strstr(p + 1, place)) {
        const char *end = strchr(p, '\n'), *error = strstr(p, "error: "), *found = strstr(p, text);
        if (error && found && end && error < end && found < end)
            return true;
    }
    return false;
}

static void check_errors(const char *path)
{
    static char out[MOST];
    char command[2048], text[1024];
    const char *name = strrchr(path, '/') + 1;
    int line = 0, expected = 0, told = 0;
    snprintf(command, sizeof command, "%s check '%s' 2>&1", NNC_BINARY, path);
    CHECK(run(command, out) != 0);
    for (const char *p = out; (p = strstr(p, ": error: ")); p++)
        told++;
    FILE *f = fopen(path, "r");
    REQUIRE(f != NULL);
    while (fgets(text, sizeof text, f)) {
        char *want = strstr(text, "# error: ");
        line++;
        if (!want)
            continue;
        want += strlen("# error: ");
        want[strcspn(want, "\n")] = 0;
        expected++;
        bool ok = reported(out, name, line, want);
        CHECK(ok);
        if (!ok)
            printf("%s:%d: expected '%s'\n", path, line, want);
    }
    fclose(f);
    CHECK_INT(told, expected);
    if (told != expected)
        printf("%s\n", out);
}

static void mistakes_are_told(void)
{
    for_each_file("bad", check_errors);
}

static void targets_are_told(void)
{
    static char out[MOST];
    char command[2048];
    snprintf(command, sizeof command, "%s check '%s/nn/targets/budget.nn' 2>&1", NNC_BINARY,
             NNC_TESTS_DIR);
    CHECK_INT(run(command, out), 0);
    CHECK_HAS(out, "budget.nn:3:8: warning: 'target' blocks: not yet supported");
}

int main(void)
{
    RUN(claims_hold);
    RUN(exports_agree);
    RUN(maps_hold);
    RUN(mistakes_are_told);
    RUN(targets_are_told);
    return test_end();
}
