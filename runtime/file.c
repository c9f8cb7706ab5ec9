/* The temporary name carries the process id: two runs in one folder do not meet. */
#include "file.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_folders(char *path)
{
    for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = 0;
        int bad = mkdir(path, 0777) && errno != EEXIST ? errno : 0;
        *p = '/';
        if (bad)
            return bad;
    }
    return 0;
}

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n) {
        ssize_t done = write(fd, bytes, n > (1u << 30) ? 1u << 30 : n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return errno;
        bytes += done;
        n -= (size_t)done;
    }
    return 0;
}

int nnp_file_write(const char *path, const void *bytes, size_t n)
{
    char *temporary = malloc(strlen(path) + 32);
    if (!temporary)
        return ENOMEM;
    sprintf(temporary, "%s.%ld.tmp", path, (long)getpid());
    int bad = make_folders(temporary);
    int fd = bad ? -1 : open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (!bad && fd < 0)
        bad = errno;
    if (fd >= 0) {
        bad = write_all(fd, bytes, n);
        if (close(fd) && !bad)
            bad = errno;
        if (!bad && rename(temporary, path))
            bad = errno;
        if (bad)
            unlink(temporary);
    }
    free(temporary);
    return bad;
}

int nnp_file_map(const char *path, const void **bytes, size_t *n)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC), bad = 0;
    *bytes = NULL;
    *n = 0;
    if (fd < 0)
        return errno;
    if (fstat(fd, &st))
        bad = errno;
    else if (!S_ISREG(st.st_mode))
        bad = EINVAL;
    else if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            bad = errno;
        } else {
            *bytes = p;
            *n = (size_t)st.st_size;
        }
    }
    close(fd);
    return bad;
}

void nnp_file_unmap(const void *bytes, size_t n)
{
    if (bytes)
        munmap((void *)(size_t)bytes, n);
}
