/* ir/interp.h - runs any graph or kernel slowly and plainly: the judge of rules, folding and every target. */
#ifndef NNC_IR_INTERP_H
#define NNC_IR_INTERP_H
#include "ir/module.h"

/* A tensor in memory: dense, row-major, real sizes. */
typedef struct nnc_tensor {
    nnc_dtype dtype;
    int rank;
    int64_t dim[NNC_MAX_RANK];
    void *data;
} nnc_tensor;
nnc_tensor nnc_tensor_new(nnc_arena *a, nnc_dtype dt, int rank, const int64_t *dim);
int64_t nnc_tensor_count(const nnc_tensor *t);
size_t nnc_tensor_bytes(const nnc_tensor *t);

/* Run a graph.  in: one per block argument (dtype and rank must match, symbols are solved from the sizes and checked
 * against their bounds); out: one per yielded value, memory from `a`.  Errors (bad shapes, a failed `check`, an index
 * out of range at K) give a diagnostic. */
nnc_status nnc_interp_graph(nnc_module *m, nnc_op graph, nnc_arena *a, unsigned nin,
                            const nnc_tensor *in, unsigned nout, nnc_tensor *out);
/* The same, but over `max_ops` operations, or several times as many elements, are an error. */
nnc_status nnc_interp_graph_bounded(nnc_module *m, nnc_op graph, nnc_arena *a, unsigned nin,
                                    const nnc_tensor *in, unsigned nout, nnc_tensor *out,
                                    uint64_t max_ops);
/* What a run may ask for.  `call` carries out `host` ops: data is the operands, then the results to be filled, dense and
 * row-major; dim[i] the real sizes of data[i] (its rank is that of the op's operand).  Anything but 0 stops the run with an
 * error.  Without `call` a `host` op is an error. */
typedef int nnc_host_fn(void *context, int id, void *const *data, const int64_t *const *dim);
typedef struct nnc_interp_options {
    uint64_t max_ops; /* 0: no limit; kernels have none */
    nnc_host_fn *call;
    void *context;
} nnc_interp_options;
nnc_status nnc_interp_graph_with(nnc_module *m, nnc_op graph, nnc_arena *a, unsigned nin,
                                 const nnc_tensor *in, unsigned nout, nnc_tensor *out,
                                 const nnc_interp_options *options);
/* Run a kernel on raw buffers: buf[i] for buffer parameters, idx[i] for idx parameters (same index i of the block
 * arguments).  Fresh arena memory is poisoned and every address checked. */
typedef struct nnc_kernel_arg {
    void *buf;
    size_t bytes;
    int64_t idx;
} nnc_kernel_arg;
nnc_status nnc_interp_kernel(nnc_module *m, nnc_op kernel, nnc_arena *a, unsigned n,
                             nnc_kernel_arg *arg);
nnc_status nnc_interp_kernel_with(nnc_module *m, nnc_op kernel, nnc_arena *a, unsigned n,
                                  nnc_kernel_arg *arg, const nnc_interp_options *options);
/* Evaluate one op whose operands are all constants; results as dense tensors. */
nnc_status nnc_interp_op(nnc_module *m, nnc_op op, nnc_arena *a, const nnc_tensor *in,
                         nnc_tensor *out);
/* The data of a value that is a constant (interned, or a `const` op); false if it is not.  Weights in a mapped file have no
 * alignment: memcmp and memcpy are fine, typed access needs a copy. */
bool nnc_tensor_of(const nnc_module *m, nnc_value v, nnc_tensor *out);
#endif
