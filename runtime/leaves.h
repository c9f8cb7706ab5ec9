/* runtime/leaves.h - a tree of tensors as a list of named leaves, in files: .npy, .npz, .safetensors. */
#ifndef NNC_RUNTIME_LEAVES_H
#define NNC_RUNTIME_LEAVES_H
#include "host.h"
#include "text.h"

typedef struct nnp_leaf {
    char *name; /* "enc.w" */
    nnp_dtype dtype;
    int rank;
    size_t dim[NNP_MAX_RANK];
    void *data; /* dense, row-major */
} nnp_leaf;
typedef struct nnp_leaves {
    size_t n;
    nnp_leaf *at;
} nnp_leaves;

/* Read a file; names and data are memory of their own, released by nnp_leaves_free.  0, or 1 and *error: a static text.
 * NumPy has no name for bfloat16; two raw bytes are read as it. */
int nnp_npz_read(const char *path, nnp_leaves *out, const char **error);
int nnp_safetensors_read(const char *path, nnp_leaves *out, const char **error);
/* The same from a file that lies in memory. */
int nnp_npz_read_memory(const void *file, size_t n, nnp_leaves *out, const char **error);
int nnp_safetensors_read_memory(const void *file, size_t n, nnp_leaves *out, const char **error);
void nnp_leaves_free(nnp_leaves *l);
size_t nnp_leaf_bytes(const nnp_leaf *l);

/* The bytes of a file.  Leaves without a name are called "value".  .npy holds one leaf, without its name. */
void nnp_npy_bytes(const nnp_leaf *leaf, nnp_text *out);
void nnp_npz_bytes(const nnp_leaves *l, nnp_text *out);
void nnp_safetensors_bytes(const nnp_leaves *l, nnp_text *out);
#endif
