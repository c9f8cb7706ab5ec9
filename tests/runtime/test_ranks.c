/* The same numbers on any number of MPI ranks.  The program of hand-made graphs is built with mpicc; without OpenMPI the
 * test says so and passes. */
#include <glob.h>
#include "capture.h"

static const char *const launch = "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
                                  "mpirun --oversubscribe";

static int shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int shell(const char *format, ...)
{
    char command[6000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    fflush(NULL);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int build(void)
{
    char sources[5000] = "";
    glob_t g;
    if (glob(NNC_TESTS_DIR "/../runtime/*.c", 0, NULL, &g))
        return 1;
    for (size_t i = 0; i < g.gl_pathc; i++)
        if (!strstr(g.gl_pathv[i], "/program.c"))
            snprintf(sources + strlen(sources), sizeof sources - strlen(sources), " '%s'",
                     g.gl_pathv[i]);
    globfree(&g);
    return shell("mpicc -O1 -DNNP_MPI -DFAKE_MAIN -std=gnu11 -D_GNU_SOURCE -I'%s/..' "
                 "'%s/runtime/fake.c'%s -pthread -lm -o '%s/ranks'",
                 NNC_TESTS_DIR, NNC_TESTS_DIR, sources, capture_dir);
}

/* Runs `words` on `ranks` ranks (0: without mpirun); results in the folder `out`, so that all texts name the same one. */
static int run(int ranks, const char *words, char **text)
{
    char start[300] = "";
    if (ranks)
        snprintf(start, sizeof start, "%s -n %d", launch, ranks);
    int code =
        shell("cd '%s' && rm -rf out && %s ./ranks %s --threads=2 --out=out >stdout 2>stderr",
              capture_dir, start, words);
    *text = capture_file("stdout");
    if (*text)
        capture_hide_times(*text);
    return code;
}

static void ranks_change_nothing(void)
{
    char *one, *many, *json1, *json2, path[300];
    size_t n = 0, m = 0;
    CHECK_INT(run(0, "bits nested", &one), 1);
    snprintf(path, sizeof path, "%s/out/bits/bits.npz", capture_dir);
    char *npz = test_read_file(path, &n);
    json1 = capture_file("out/bits/accuracy-by-bits.csv");
    for (int ranks = 1; ranks <= 3; ranks++) {
        CHECK_INT(run(ranks, "bits nested", &many), 1);
        CHECK_STR(many, one);
        char *other = test_read_file(path, &m);
        CHECK(n > 300 && n == m && other && !memcmp(npz, other, n));
        json2 = capture_file("out/bits/accuracy-by-bits.csv");
        CHECK_STR(json2, json1);
        free(json2);
        free(other);
        free(many);
    }
    free(one);
    free(npz);
    free(json1);
}

static void a_failing_point_stops_all_ranks(void)
{
    char *text;
    CHECK_INT(run(2, "failing", &text), 1);
    CHECK_HAS(text, "experiment failing\npoint 0\npoint 1\npoint 2\npoint 3\npoint 4\n  T s\n");
    free(text);
    text = capture_file("stderr");
    CHECK_HAS(text, "fake.nn:24:5: note: in experiment failing at n = 4\n");
    free(text);
}

static void rank_0_measures_time(void)
{
    char *text;
    CHECK_INT(run(2, "timed", &text), 0);
    CHECK_HAS(text, "  ok    a nap of 2 ms takes 2 to 20 ms            true\n");
    free(text);
}

int main(void)
{
    if (shell("command -v mpicc >/dev/null && command -v mpirun >/dev/null")) {
        puts("skipped: mpicc and mpirun are not installed (apt-get install openmpi-bin "
             "libopenmpi-dev)");
        return 0;
    }
    capture_begin();
    CHECK_INT(build(), 0);
    RUN(ranks_change_nothing);
    RUN(a_failing_point_stops_all_ranks);
    RUN(rank_0_measures_time);
    capture_end();
    return test_end();
}
