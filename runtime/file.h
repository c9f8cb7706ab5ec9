/* runtime/file.h - whole files, written so that a reader never sees half of one. */
#ifndef NNC_RUNTIME_FILE_H
#define NNC_RUNTIME_FILE_H
#include <stddef.h>

/* Makes the folders of `path`, writes beside it and renames.  0, or errno. */
int nnp_file_write(const char *path, const void *bytes, size_t n);
/* Maps a file; *bytes is NULL for an empty one.  0, or errno.  nnp_file_unmap releases it. */
int nnp_file_map(const char *path, const void **bytes, size_t *n);
void nnp_file_unmap(const void *bytes, size_t n);
#endif
