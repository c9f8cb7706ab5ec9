#include "frontend/cli/cli.h"
#include <time.h>
#include <unistd.h>

static struct timespec started;
static bool shown;

void cli_progress(const cli *c, const char *stage)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!started.tv_sec)
        started = now;
    double s =
        (double)(now.tv_sec - started.tv_sec) + 1e-9 * (double)(now.tv_nsec - started.tv_nsec);
    if (c->opt.quiet || s < 1 || !isatty(STDERR_FILENO))
        return;
    fprintf(stderr, "\r\033[K%s ... %.1f s", stage, s);
    fflush(stderr);
    shown = true;
}

void cli_progress_end(void)
{
    if (shown)
        fputs("\r\033[K", stderr);
    shown = false;
}
