/* frontend/cli/jobs.h - several commands at a time, as many as there are cores. */
#ifndef NNC_FRONTEND_CLI_JOBS_H
#define NNC_FRONTEND_CLI_JOBS_H
#include "frontend/cli/cli.h"

typedef struct cli_jobs {
    cli *cli;
    const char *dir; /* where they run */
    int running, failed;
    const char *failure; /* the first command that failed */
} cli_jobs;
/* Start a shell command; waits for one to end when all cores are busy. */
void cli_job_start(cli_jobs *j, const char *command);
/* Wait for all; an exit code after a message. */
int cli_jobs_wait(cli_jobs *j);
#endif
