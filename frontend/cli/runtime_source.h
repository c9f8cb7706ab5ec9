/* frontend/cli/runtime_source.h - the text of runtime/, carried inside nnc so that an installed binary needs no files. */
#ifndef NNC_FRONTEND_CLI_RUNTIME_SOURCE_H
#define NNC_FRONTEND_CLI_RUNTIME_SOURCE_H
#include <stddef.h>

typedef struct runtime_file {
    const char *name, *text;
    size_t len;
} runtime_file;
enum { RUNTIME_FILES = 4 };
/* File i of the runtime. */
runtime_file runtime_file_at(int i);
#endif
