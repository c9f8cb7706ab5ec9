/* bench/measure.c - measure COMMAND...: run it and print "seconds peak-bytes" on stdout.
 *
 * A program of its own because the peak that the kernel reports for a child includes the process that
 * forked it, which must therefore be small. */
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv)
{
    struct rusage usage;
    double start = now();
    int status;
    pid_t child = argc > 1 ? fork() : -1;

    if (child == 0) {
        dup2(2, 1);
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0)
        return 126;
    printf("%.6f %lld\n", now() - start, (long long)usage.ru_maxrss * 1024);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 125;
}
