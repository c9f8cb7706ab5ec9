/* A pool of child processes: fork and exec of /bin/sh, wait for any. */
#include "frontend/cli/jobs.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void wait_one(cli_jobs *j)
{
    int status;
    pid_t p;
    do
        p = wait(&status);
    while (p < 0 && errno == EINTR);
    if (p < 0) {
        j->running = 0;
        return;
    }
    j->running--;
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        j->failed++;
}

void cli_job_start(cli_jobs *j, const char *command)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    while (j->running >= (cores > 0 ? cores : 1))
        wait_one(j);
    pid_t p = fork();
    if (p == 0) {
        if (chdir(j->dir) == 0)
            execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    if (p < 0)
        j->failed++;
    else
        j->running++;
    if (!j->failure)
        j->failure = command;
}

int cli_jobs_wait(cli_jobs *j)
{
    while (j->running > 0)
        wait_one(j);
    int failed = j->failed;
    const char *command = j->failure;
    j->failed = 0;
    j->failure = NULL;
    return failed ? cli_fail(
                        CLI_SYSTEM,
                        "the C compiler failed (messages are above): %s; choose another with --cc=",
                        command)
                  : CLI_OK;
}
