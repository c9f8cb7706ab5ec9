/* frontend/cli/runtime_source.h - the text of runtime/, carried inside nnc so that an installed binary needs no files.
 *
 * A model's program (program.h) is made of the files marked RUNTIME_MODEL, an experiment's (host.h) of those marked
 * RUNTIME_EXPERIMENT.  All lie in one folder and include each other by their plain names.  The .c files of an experiment
 * compile with -std=gnu11 -D_GNU_SOURCE -pthread and link with -lm; mpicc and -DNNP_MPI add ranks, -DNNP_ZLIB and -lz
 * compressed .npz files. */
#ifndef NNC_FRONTEND_CLI_RUNTIME_SOURCE_H
#define NNC_FRONTEND_CLI_RUNTIME_SOURCE_H
#include <stddef.h>

enum { RUNTIME_MODEL = 1, RUNTIME_EXPERIMENT = 2 };
typedef struct runtime_file {
    const char *name, *text;
    size_t len;
    int use; /* RUNTIME_MODEL | RUNTIME_EXPERIMENT */
} runtime_file;
/* File i of the runtime; its name is NULL behind the last. */
runtime_file runtime_file_at(int i);
#endif
