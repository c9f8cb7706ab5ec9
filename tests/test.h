/* tests/test.h - checks for unit tests: plain C programs, one per file, run by CTest.
 *
 *     #include "tests/test.h"
 *
 *     static void adds_small_numbers(void)
 *     {
 *         CHECK_INT(1 + 1, 2);
 *     }
 *
 *     int main(void)
 *     {
 *         RUN(adds_small_numbers);
 *         return test_end();
 *     }
 *
 * A failed check prints file:line with both values and the test goes on, so that one run shows
 * every failure; test_end() prints the count and returns 1 when anything failed or when nothing was
 * checked at all.  REQUIRE leaves the running test function when going on would crash.
 * Every test program is built with NNC_TESTS_DIR (the source folder tests/) and NNC_BINARY (the nnc
 * program)  */
#ifndef NNC_TESTS_TEST_H
#define NNC_TESTS_TEST_H
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *running; /* the test function, for messages */
    int checks, failures;
} test_state;

static inline void test_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline void test_failed(const char *file, int line, const char *format, ...)
{
    va_list args;
    test_state.failures++;
    printf("%s:%d: in %s: ", file, line, test_state.running ? test_state.running : "main");
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    fflush(stdout);
}

static inline bool test_true(bool ok, const char *text, const char *file, int line)
{
    test_state.checks++;
    if (!ok)
        test_failed(file, line, "expected %s", text);
    return ok;
}

static inline bool test_int(long long got, long long want, const char *text, const char *file,
                            int line)
{
    test_state.checks++;
    if (got != want)
        test_failed(file, line, "%s is %lld, expected %lld", text, got, want);
    return got == want;
}

/* Long texts: points at the first line that differs. */
static inline bool test_str(const char *got, const char *want, const char *text, const char *file,
                            int line)
{
    size_t i = 0, start = 0;
    int at = 1;

    test_state.checks++;
    if (got && want && strcmp(got, want) == 0)
        return true;
    if (!got || !want) {
        test_failed(file, line, "%s is %s, expected %s", text, got ? got : "(null)",
                    want ? want : "(null)");
        return false;
    }
    for (; got[i] && got[i] == want[i]; i++)
        if (got[i] == '\n') {
            at++;
            start = i + 1;
        }
    test_failed(file, line, "%s differs in line %d\n  got:      %.*s\n  expected: %.*s", text, at,
                (int)strcspn(got + start, "\n"), got + start, (int)strcspn(want + start, "\n"),
                want + start);
    if (at > 1)
        printf("---- got ----\n%s\n---- expected ----\n%s\n-------------\n", got, want);
    return false;
}

/* Equal within tol, absolutely or relative to the larger one; NaN equals NaN, infinities match
 * exactly. */
static inline bool test_near(double got, double want, double tol, const char *text,
                             const char *file, int line)
{
    double scale = fmax(1.0, fmax(fabs(got), fabs(want)));
    bool ok = (isnan(got) && isnan(want)) || got == want || fabs(got - want) <= tol * scale;

    test_state.checks++;
    if (!ok)
        test_failed(file, line, "%s is %.9g, expected %.9g within %g", text, got, want, tol);
    return ok;
}

static inline int test_end(void)
{
    printf("%d checks, %d failed\n", test_state.checks, test_state.failures);
    if (test_state.checks == 0)
        printf("nothing was checked\n");
    return test_state.failures || !test_state.checks;
}

#define CHECK(cond) ((void)test_true((cond), #cond, __FILE__, __LINE__))
#define CHECK_INT(got, want) \
    ((void)test_int((long long)(got), (long long)(want), #got, __FILE__, __LINE__))
#define CHECK_STR(got, want)       ((void)test_str((got), (want), #got, __FILE__, __LINE__))
#define CHECK_NEAR(got, want, tol) ((void)test_near((got), (want), (tol), #got, __FILE__, __LINE__))
/* `needle` occurs in `text` */
#define CHECK_HAS(text, needle)                                                \
    do {                                                                       \
        const char *test_text = (text);                                        \
        test_state.checks++;                                                   \
        if (!test_text || !strstr(test_text, (needle)))                        \
            test_failed(__FILE__, __LINE__, "'%s' not found in: %s", (needle), \
                        test_text ? test_text : "(null)");                     \
    } while (0)
#define REQUIRE(cond)                                      \
    do {                                                   \
        if (!test_true((cond), #cond, __FILE__, __LINE__)) \
            return;                                        \
    } while (0)
#define RUN(function) (test_state.running = #function, function(), test_state.running = NULL)

/* The whole file as a string with a final 0, in memory from malloc; NULL when it cannot be read. */
static inline char *test_read_file(const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    char *text = NULL;
    size_t have = 0, room = 0;

    if (!in)
        return NULL;
    do {
        if (room - have < 2) {
            char *more = realloc(text, room = room ? room * 2 : 4096);
            if (!more)
                break;
            text = more;
        }
        have += fread(text + have, 1, room - have - 1, in);
    } while (have == room - 1);
    fclose(in);
    text[have] = 0;
    if (size)
        *size = have;
    return text;
}
#endif
