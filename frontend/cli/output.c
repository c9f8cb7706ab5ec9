/* Every output is written under a temporary name beside its place and renamed when all of them are complete.  What is
 * there and no file (/dev/null, /dev/stdout, a pipe) is written to directly: a rename would put a file in its place.  The
 * signal handler may only use async-safe calls, so the list is a fixed array of plain strings; signals wait while it
 * changes. */
#include "frontend/cli/cli.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_FILES = 32 };
static struct {
    char *temp, *final;
} pending[MAX_FILES];
static volatile sig_atomic_t npending;
static char *temp_dir;

/* Signals that end the process wait (true) or come again (false). */
static void hold_signals(bool hold)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

bool cli_is_device(const char *path)
{
    struct stat st;
    return !stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

static int make_temp(char *name)
{
    int fd = mkstemp(name);
    if (fd < 0)
        return -1;
    mode_t mask = umask(0);
    umask(mask);
    fchmod(fd, 0666 & ~mask); /* mkstemp is stricter than an ordinary file */
    return close(fd);
}

const char *cli_temp(cli *c, const char *final)
{
    struct stat st;
    if (cli_is_device(final))
        return final;
    if (npending == MAX_FILES) {
        cli_fail(CLI_USAGE, "more than %d files to write at once", MAX_FILES);
        return NULL;
    }
    if (!stat(final, &st) && S_ISDIR(st.st_mode)) {
        cli_fail(CLI_SYSTEM, "cannot write '%s': it is a folder; name a file in it", final);
        return NULL;
    }
    char *t = nnc_arena_printf(c->arena, "%s.nnc-XXXXXX", final);
    pending[npending].final = nnc_arena_str(c->arena, final);
    pending[npending].temp = t;
    hold_signals(true);
    bool made = !make_temp(t);
    int error = errno;
    npending += made;
    hold_signals(false);
    if (!made)
        cli_fail(CLI_SYSTEM, "cannot write '%s': %s", final, strerror(error));
    return made ? t : NULL;
}

FILE *cli_create(cli *c, const char *final, const char **temp)
{
    const char *t = cli_temp(c, final);
    if (temp)
        *temp = t;
    FILE *f = t ? fopen(t, "wb") : NULL;
    if (t && !f)
        cli_fail(CLI_SYSTEM, "cannot write '%s': %s", final, strerror(errno));
    return f;
}

int cli_commit(cli *c)
{
    (void)c;
    int code = CLI_OK;
    hold_signals(true);
    for (int i = 0; i < npending; i++)
        if (rename(pending[i].temp, pending[i].final) && !code)
            code = cli_fail(CLI_SYSTEM, "cannot write '%s': %s", pending[i].final, strerror(errno));
    if (!code)
        npending = 0;
    hold_signals(false);
    return code;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

const char *cli_temp_dir(cli *c)
{
    if (!temp_dir) {
        const char *base = getenv("TMPDIR");
        temp_dir = nnc_arena_printf(c->arena, "%s/nnc-XXXXXX", base && *base ? base : "/tmp");
        if (!mkdtemp(temp_dir)) {
            cli_fail(CLI_SYSTEM, "cannot make a temporary folder in '%s': %s",
                     base && *base ? base : "/tmp", strerror(errno));
            temp_dir = NULL;
        }
    }
    return temp_dir;
}

void cli_cleanup(void)
{
    for (int i = 0; i < npending; i++)
        unlink(pending[i].temp);
    npending = 0;
    if (temp_dir)
        nftw(temp_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    temp_dir = NULL;
}

/* nftw is not async-safe, but the process ends here and nothing else runs. */
static void on_signal(int sig)
{
    cli_end_child(); /* it would go on writing where nobody cleans up */
    cli_cleanup();
    signal(sig, SIG_DFL);
    raise(sig);
}

void cli_catch_signals(void)
{
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGHUP, on_signal);
}
