/* frontend/nn/table.h - a traced program as the tables that runtime/ runs. */
#ifndef NNC_FRONTEND_NN_TABLE_H
#define NNC_FRONTEND_NN_TABLE_H
#include "frontend/nn/program.h"

typedef struct nn_tables {
    nnp_program program; /* graphs have no `run`, workspace or `self` yet; data is NULL */
    nnp_graph *graph;    /* the same rows, to be completed */
    size_t bytes;        /* of all data, in file form */
    NNC_BUF(nnp_data) data;
    NNC_BUF(const nn_host_tensor *) source; /* of each row of data */
} nn_tables;

/* Trace experiments (or tests) of a file, all or those named, into t->program. */
nnc_status nn_program_trace(nn_trace *t, nn_unit *u, const char *const *name, unsigned n,
                            bool tests);
nn_tables *nn_tables_of(nn_trace *t, const char *name);
/* Lay out the data: `to` holds d->bytes. */
void nn_tables_copy_data(const nn_tables *d, void *to);

/* Let the interpreter run the graphs. */
void nn_tables_interpret(nn_trace *t, nn_tables *d);
/* C text of the tables: `#include "host.h"`, then `static const nnp_program program = ..`.  Graph i runs by the
 * function g<i>_run(const nnp_graph *, const nnp_arguments *), with a workspace of workspace[i] bytes. */
void nn_tables_print(const nn_tables *d, const size_t *workspace, void *file);
#endif
