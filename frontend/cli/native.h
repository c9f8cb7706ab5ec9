/* frontend/cli/native.h - a traced program as native code: compile it, or start it. */
#ifndef NNC_FRONTEND_CLI_NATIVE_H
#define NNC_FRONTEND_CLI_NATIVE_H
#include "frontend/cli/cli.h"
#include "frontend/nn/table.h"

/* Compile into the cache and run with the command's options; the program's exit code. */
int cli_native(cli *c, nn_trace *t, nn_tables *d, bool tests);
/* Compile to the file `out`. */
int cli_native_build(cli *c, nn_trace *t, nn_tables *d, const char *out);
#endif
