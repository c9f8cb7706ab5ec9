/* frontend/nn/program.h - what a traced file needs at run time: graphs, and tables of runtime/host.h.
 *
 * Every effect of an experiment is a `host` op whose id is a row of `host`.  A sweep is one too: its points are graphs of
 * their own. */
#ifndef NNC_FRONTEND_NN_PROGRAM_H
#define NNC_FRONTEND_NN_PROGRAM_H
#include "frontend/nn/trace.h"
#include "runtime/host.h"

typedef struct nn_root {
    const nn_decl *decl;
    int graph; /* of nn_program.graph */
    uint32_t ndata;
    const nn_host_tensor *const *data; /* what its arguments are, in order */
} nn_root;
typedef struct nn_program {
    NNC_BUF(nnp_host_op) host;
    NNC_BUF(nnc_op) graph;
    NNC_BUF(nn_root) root; /* experiments and tests */
} nn_program;

/* Operands of one host op while its descriptor is made. */
typedef struct nn_operands {
    NNC_BUF(nnc_value) value;
} nn_operands;
nnp_dtype nn_host_dtype(nn_trace *t, nn_v x);
/* The position of x among the operands. */
int nn_operand(nn_trace *t, nn_operands *o, nn_v x);
/* x with its labels; text becomes a table of strings. */
nnp_value nn_host_operand(nn_trace *t, nn_operands *o, nn_v x, const nn_ast *at);
nnp_axis nn_label_axis(nn_trace *t, const nn_label *l, nnc_dim size); /* l may be NULL */
const nnp_axis *nn_host_axes(nn_trace *t, nn_v x);
/* All leaves of v, named by their paths below `name`. */
typedef NNC_BUF(nnp_item) nn_items;
void nn_host_items(nn_trace *t, nn_operands *o, const char *name, nn_v v, const nn_ast *at,
                   nn_items *out);
/* The op; results of the given types (may be NULL).  Returns it, or nothing when no program is being made. */
nnc_op nn_emit_host(nn_trace *t, nnp_kind kind, const void *detail, const nn_operands *o,
                    unsigned nout, const nnc_type *out, const nn_ast *at);
/* A graph traced on the side: begin, trace into t->b, end with its results; then it is closed and numbered. */
typedef struct nn_side_graph {
    nnc_op graph;
    nnc_pos pos;
    int number;
    unsigned narg; /* its own arguments, before the captured ones */
    nnc_value *captured;
    unsigned ncaptured;
} nn_side_graph;
nn_side_graph nn_side_begin(nn_trace *t, const char *name, nnc_loc loc);
/* What it captured: operands of the host op, and inputs of the graph. */
typedef NNC_BUF(nnp_input) nn_inputs;
void nn_side_captures(nn_trace *t, const nn_side_graph *g, nn_operands *o, nn_inputs *in);
void nn_side_end(nn_trace *t, nn_side_graph *g, unsigned n, const nnc_value *result);
#endif
