/* tests/runtime/capture.h - run the hand-made program in a child and look at what it wrote. */
#ifndef NNC_TESTS_RUNTIME_CAPTURE_H
#define NNC_TESTS_RUNTIME_CAPTURE_H
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "fake.h"
#include "tests/test.h"

static char capture_dir[200]; /* results go to capture_dir/out */
static const nnp_program *capture_program = &fake_program;

static inline void capture_begin(void)
{
    snprintf(capture_dir, sizeof capture_dir, "%s", "/tmp/nnp_test_XXXXXX");
    if (!mkdtemp(capture_dir))
        capture_dir[0] = 0;
}

static inline void capture_end(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", capture_dir);
    if (capture_dir[0] && system(command))
        puts("the temporary folder stays");
}

static inline char *capture_file(const char *name)
{
    char path[400];
    snprintf(path, sizeof path, "%s/%s", capture_dir, name);
    return test_read_file(path, NULL);
}

/* Times such as "0.12 s" read "T s" afterwards, so that texts can be compared. */
static inline void capture_hide_times(char *text)
{
    char *to = text;
    for (const char *p = text; *p;) {
        const char *q = p;
        while ((*q >= '0' && *q <= '9') || *q == '.')
            q++;
        int time =
            q > p && q[0] == ' ' && q[1] == 's' && (q[2] == '\n' || q[2] == ';' || q[2] == ',');
        if (time)
            *to++ = 'T';
        else
            while (p < q)
                *to++ = *p++;
        p = q;
        if (*p)
            *to++ = *p++;
    }
    *to = 0;
}

static inline void capture_child(char **argv, int argc)
{
    char path[400];
    int out, err;
    snprintf(path, sizeof path, "%s/stdout", capture_dir);
    out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    snprintf(path, sizeof path, "%s/stderr", capture_dir);
    err = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (out < 0 || err < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(99);
    exit(nnp_main(capture_program, argc, argv));
}

/* Starts `fake WORDS..` (split at blanks) with its results in capture_dir/out. */
static inline pid_t capture_start(const char *words)
{
    char text[300], folder[300], *argv[20] = {"fake"};
    int argc = 1;
    snprintf(text, sizeof text, "%s", words);
    for (char *w = strtok(text, " "); w && argc < 18; w = strtok(NULL, " "))
        argv[argc++] = w;
    snprintf(folder, sizeof folder, "--out=%s/out", capture_dir);
    argv[argc++] = folder;
    fflush(NULL);
    pid_t child = fork();
    if (!child)
        capture_child(argv, argc);
    return child;
}

/* Its exit code; stdout and stderr are in files of that name, times hidden in *out (free it). */
static inline int capture_wait(pid_t child, char **out)
{
    int status = 0;
    waitpid(child, &status, 0);
    *out = capture_file("stdout");
    if (*out)
        capture_hide_times(*out);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline int capture_run(const char *words, char **out)
{
    return capture_wait(capture_start(words), out);
}
#endif
