#include "frontend/cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile pid_t child;

/* The compiler driver starts programs of its own, so the child leads a group and the group is ended. */
void cli_end_child(void)
{
    if (child > 0 && !kill(-child, SIGTERM))
        waitpid(child, NULL, 0);
}

int cli_spawn(const char *dir, const char *const *argv, const char *stdout_path)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return -1;
    if (pid == 0) {
        setpgid(0, 0);
        int fd = stdout_path ? open(stdout_path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
        if (fd >= 0)
            dup2(fd, STDOUT_FILENO);
        if (dir && chdir(dir))
            _exit(127);
        execvp(argv[0], (char *const *)argv);
        _exit(127);
    }
    setpgid(pid, pid); /* whichever of the two comes first */
    child = pid;
    int status, done;
    while ((done = waitpid(pid, &status, 0)) < 0 && errno == EINTR)
        ;
    child = 0;
    if (done < 0)
        return -1;
    if (WIFSIGNALED(status))
        return 128 + WTERMSIG(status);
    return WEXITSTATUS(status) == 127 ? -1 : WEXITSTATUS(status);
}
