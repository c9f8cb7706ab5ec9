/* Whole runs of a program: what they print, write and return. */
#include "capture.h"
#include <time.h>

static char *out, *err;

static int run(const char *words)
{
    free(out);
    free(err);
    int code = capture_run(words, &out);
    err = capture_file("stderr");
    return code;
}

/* One line of `text` that holds `needle`. */
static const char *line_with(const char *text, const char *needle)
{
    static char line[300];
    const char *at = strstr(text, needle), *start = at;
    while (start && start > text && start[-1] != '\n')
        start--;
    snprintf(line, sizeof line, "%.*s", start ? (int)strcspn(start, "\n") : 0, start ? start : "");
    return line;
}

static void claims_are_told_as_the_language_says(void)
{
    CHECK_INT(run("bits --threads=1"), 1);
    REQUIRE(out);
    CHECK_STR(line_with(out, "FAIL"),
              "  FAIL  4-bit weights lose at most one point      0.9511 >= 0.9531   "
              "(w = 4, seed = 4; 3 of 5 fail)");
    CHECK_STR(line_with(out, "2 bits"),
              "  ok    2 bits reach 99 %                         min 0.9601 >= 0.5");
    CHECK_STR(line_with(out, "seed = 3)"), "  ok    a point works                             "
                                           "0.9546 > 0.9   (w = 8, seed = 3)");
    CHECK_STR(line_with(out, "17 claims"), "  17 claims, 16 ok, 1 failed, T s");
    CHECK_HAS(out, "\n1 experiment: 17 claims, 16 ok, 1 failed, T s; results in ");
    CHECK_STR(err, "");
}

static void digits_grow_until_sides_differ(void)
{
    CHECK_INT(run("small"), 1);
    CHECK_STR(line_with(out, "FAIL"),
              "  FAIL  half of it                                0.49996 >= 0.5   "
              "(w = 4, seed = 9)");
    CHECK_STR(line_with(out, "nearly"), "  ok    nearly one                                "
                                        "a: 1.00001 == 1 within 0.001, b: 1.00001 != 1");
}

static void tables_are_aligned(void)
{
    run("bits");
    CHECK_HAS(out, "\n\n  accuracy by bits\n"
                   "    w  seed    full  small[0]  small[1]\n"
                   "    -----------------------------------\n"
                   "    8     0  0.9601    0.9576         0\n"
                   "          1  0.9601    0.9566         1\n");
    char *csv = capture_file("out/bits/accuracy-by-bits.csv");
    CHECK_HAS(csv, "w,seed,full,small[0],small[1]\n8,0,0.960097,0.957597,0\n");
    CHECK_HAS(csv, "\n2,4,0.960097,0.946097,24\n");
    free(csv);
}

static void tensors_print_as_numpy_does(void)
{
    CHECK_HAS(out, "full:\n[[0.9601 0.9601 0.9601 0.9601 0.9601]\n [0.9601");
    CHECK_HAS(out, "]]\nseeds [0 1 2 3 4]\n");
}

static void results_are_kept(void)
{
    char *json = capture_file("out/results.json"), *log = capture_file("out/bits/log.jsonl");
    char *svg = capture_file("out/bits/full-accuracy-by-bits-seed.svg");
    CHECK_HAS(json, "\"claims\": 17,\n\"failed\": 1,");
    CHECK_HAS(json, "\"point\": {\"w\": 8, \"seed\": 0}");
    CHECK_HAS(json, "\"worst\": \"w = 4, seed = 4\"");
    CHECK_HAS(json, "\"places\": [8, 4, 2]");
    CHECK_HAS(log, "\"full\": 0.960097, \"point\": {\"w\": 8, \"seed\": 0}}\n");
    CHECK_HAS(svg, "</svg>\n");
    CHECK_HAS(svg, "Full accuracy, by bits &amp; seed");
    free(json);
    free(log);
    free(svg);
}

static void threads_change_nothing(void)
{
    run("bits --threads=1");
    char *one = strdup(out), *npz1 = capture_file("out/bits/bits.npz");
    run("bits --threads=4");
    CHECK_STR(out, one);
    char path[400];
    size_t n = 0, m = 0;
    snprintf(path, sizeof path, "%s/out/bits/bits.npz", capture_dir);
    free(npz1);
    npz1 = test_read_file(path, &n);
    run("bits --threads=3");
    char *npz2 = test_read_file(path, &m);
    CHECK(n > 300 && n == m && !memcmp(npz1, npz2, n));
    free(one);
    free(npz1);
    free(npz2);
}

static void nested_sweeps_keep_their_order(void)
{
    CHECK_INT(run("nested --threads=2"), 0);
    CHECK_STR(out + strcspn(out, "\n") + 1,
              strstr(out, "value   0\nvalue   1\nvalue   2\nvalue  10\nvalue  11\nvalue  12\n"));
}

static void a_failing_point_stops_the_sweep_at_the_same_place(void)
{
    for (int threads = 1; threads <= 3; threads++) {
        char words[40];
        snprintf(words, sizeof words, "failing --threads=%d", threads);
        CHECK_INT(run(words), 1);
        CHECK_STR(err, "fake.nn:24:5: error: n stays below 4\n"
                       "        assert n < 4\n"
                       "               ^~~~~\n"
                       "fake.nn:24:5: note: in experiment failing at n = 4\n");
        CHECK_HAS(out, "point 0\npoint 1\npoint 2\npoint 3\npoint 4\n  T s\n");
    }
}

static void a_graph_that_fails_is_named(void)
{
    CHECK_INT(run("broken"), 4);
    CHECK_STR(err, "fake: error: broken: a check of the model failed (status 3)\n");
    CHECK_INT(run("broken nested"), 4);
    CHECK_HAS(out, "value  12"); /* the others run all the same */
}

static void time_is_measured(void)
{
    CHECK_INT(run("timed"), 0);
    CHECK_STR(line_with(out, "nap"), "  ok    a nap of 2 ms takes 2 to 20 ms            true");
}

static void reports_go_to_the_log(void)
{
    CHECK_INT(run("training"), 0);
    char *log = capture_file("out/training/log.jsonl");
    CHECK_HAS(log, "\"step\": 0, \"loss\": 1, \"rate\": 0.001}\n");
    CHECK_HAS(log, "\"step\": 200, \"loss\": 0.0049751243, \"rate\": 0.001}\n");
    CHECK_STR(err, ""); /* no terminal, no progress line */
    free(log);
}

static void interrupting_is_clean(void)
{
    struct timespec nap = {0, 100000000};
    pid_t child = capture_start("slow nested --threads=2");
    for (int i = 0, running = 0; i < 40 && !running; i++) {
        nanosleep(&nap, NULL);
        free(out);
        out = capture_file("stdout");
        running = out && strstr(out, "experiment slow");
    }
    kill(child, SIGINT);
    free(out);
    free(err);
    CHECK_INT(capture_wait(child, &out), 130);
    err = capture_file("stderr");
    CHECK_HAS(err, "fake: interrupted after ");
    CHECK_HAS(err, " of 200 points of a sweep\n");
    CHECK_HAS(out, "\ninterrupted: 1 of 2 experiments: no claims");
    CHECK(!strstr(out, "experiment nested"));
    char *json = capture_file("out/results.json");
    CHECK_HAS(json, "\"status\": \"interrupted\"");
    free(json);
}

static void arguments_are_checked(void)
{
    CHECK_INT(run("nothing"), 2);
    CHECK_HAS(err, "there is no experiment or test 'nothing'");
    CHECK_INT(run("--threads=0"), 2);
    CHECK_HAS(err, "--threads: expected a number from 1 to 1024, found '0'");
    CHECK_INT(run("--what"), 2);
    CHECK_HAS(err, "unknown option, or its value is missing: '--what'");
    CHECK_INT(run("--list"), 0);
    CHECK_HAS(out, "experiment  bits\n");
    CHECK_HAS(out, "test        small\n");
    CHECK_INT(run("--help"), 0);
    CHECK_HAS(out, "usage: fake [NAME..]");
}

static void quiet_shows_failures_only(void)
{
    CHECK_INT(run("bits --quiet"), 1);
    CHECK(!strncmp(out, "  FAIL  4-bit", 13));
    CHECK(!strstr(out, "  ok    "));
    CHECK_HAS(out, "\n1 experiment: 17 claims, 16 ok, 1 failed");
}

static void colours_are_asked_for(void)
{
    run("small --color");
    CHECK_HAS(out, "\033[1;31mFAIL\033[0m");
    run("small --no-color");
    CHECK(!strchr(out, '\033'));
}

static void a_folder_that_cannot_be_written_is_said(void)
{
    char *argv[] = {"fake", "nested", "--out=/proc/nowhere"};
    fflush(NULL);
    pid_t child = fork();
    if (!child)
        capture_child(argv, 3);
    free(out);
    CHECK_INT(capture_wait(child, &out), 4);
    free(err);
    err = capture_file("stderr");
    CHECK_HAS(err, "fake: error: cannot write '/proc/nowhere/");
}

static void data_may_lie_in_a_file(void)
{
    char path[300];
    nnp_program p = fake_program;
    run("bits --quiet");
    char *want = capture_file("out/bits/accuracy-by-bits.csv");
    snprintf(path, sizeof path, "%s/numbers.bin", capture_dir);
    FILE *f = fopen(path, "wb");
    REQUIRE(f && fwrite(p.data, 1, p.data_bytes, f) == p.data_bytes);
    fclose(f);
    p.data = NULL;
    p.data_file = path;
    capture_program = &p;
    CHECK_INT(run("bits --quiet"), 1);
    char *got = capture_file("out/bits/accuracy-by-bits.csv");
    CHECK_STR(got, want);
    p.data_bytes++;
    CHECK_INT(run("bits"), 4);
    CHECK_HAS(err, "numbers.bin': the file does not belong to this program\n");
    unlink(path);
    CHECK_INT(run("bits"), 4);
    CHECK_HAS(err, "numbers.bin': No such file or directory\n");
    capture_program = &fake_program;
    free(want);
    free(got);
}

int main(void)
{
    unsetenv("NO_COLOR");
    capture_begin();
    RUN(claims_are_told_as_the_language_says);
    RUN(digits_grow_until_sides_differ);
    RUN(tables_are_aligned);
    RUN(tensors_print_as_numpy_does);
    RUN(results_are_kept);
    RUN(threads_change_nothing);
    RUN(nested_sweeps_keep_their_order);
    RUN(a_failing_point_stops_the_sweep_at_the_same_place);
    RUN(a_graph_that_fails_is_named);
    RUN(time_is_measured);
    RUN(reports_go_to_the_log);
    RUN(interrupting_is_clean);
    RUN(arguments_are_checked);
    RUN(quiet_shows_failures_only);
    RUN(colours_are_asked_for);
    RUN(data_may_lie_in_a_file);
    RUN(a_folder_that_cannot_be_written_is_said);
    free(out);
    free(err);
    capture_end();
    return test_end();
}
