/* frontend/onnx/load.h - what the files of the loader share; nobody outside of frontend/onnx
 * includes this.
 *
 * The way of a model: map the file (file.c), walk the wire format and take the bulk data out
 * (skeleton.c), unpack with protobuf-c and build our own structures (build.c, declare.c,
 * tensor.c), check operators (check.c), names and order (names.c) and element types (types.c),
 * inline local functions (inline.c).  Each step reports all it finds; the ones after build.c run
 * only on what was built without errors. */
#ifndef NNC_FRONTEND_ONNX_LOAD_H
#define NNC_FRONTEND_ONNX_LOAD_H
#include "frontend/onnx/model.h"
#include "frontend/onnx/schema.h"
#include "onnx.pb-c.h"

/* A model-local function.  Its body is a graph whose inputs and outputs carry names only. */
typedef struct nnc_onnx_func {
    const char *name, *domain, *overload;
    uint64_t hash; /* of the three */
    nnc_loc loc;
    nnc_onnx_graph body;
    uint32_t nattr, ndefault, nopset;
    const char *const *attr;   /* attributes without a default */
    const nnc_onnx_attr *dflt; /* and those with one */
    const nnc_onnx_opset *opset;
    int active; /* inline.c: being expanded now */
} nnc_onnx_func;

typedef struct {
    const char *path;
    const uint8_t *base;
    size_t len;
    bool failed;
} nnc_onnx_file;

typedef struct nnc_onnx_loader {
    nnc_arena *a;
    nnc_diag *diag;
    const char *path;
    nnc_loc file;
    const uint8_t *base; /* the model file */
    size_t len;
    nnc_onnx_model *m;
    nnc_intern *names;
    const nnc_onnx_opset *opset; /* in force for what is being built: the model's or a function's */
    uint32_t nopset;
    NNC_BUF(nnc_onnx_func) func;
    NNC_BUF(nnc_onnx_file) external; /* every external file is mapped once */
    unsigned node_errors;            /* those that only make their node broken */
} nnc_onnx_loader;

/* file.c: maps a regular file, reads a pipe.  Reports "not found", "is a folder", "is empty", .. */
nnc_status nnc_onnx_map(nnc_arena *a, nnc_diag *diag, nnc_loc loc, const char *path,
                        const char *what, const uint8_t **base, size_t *len);
/* Reports when the bytes are clearly something else than an ONNX model. */
nnc_status nnc_onnx_sniff(nnc_diag *diag, nnc_loc loc, const uint8_t *base, size_t len);

/* skeleton.c: the model without bulk data, unpacked into the arena; NULL after a report. */
const Onnx__ModelProto *nnc_onnx_unpack(nnc_onnx_loader *ld);
/* The same for a file that is one TensorProto (ONNX's test vectors). */
const Onnx__TensorProto *nnc_onnx_unpack_tensor(nnc_onnx_loader *ld);

/* tensor.c.  `what` names it in messages ("initializer 'w'"). */
nnc_status nnc_onnx_tensor_read(nnc_onnx_loader *ld, nnc_loc loc, const char *what,
                                const Onnx__TensorProto *p, nnc_onnx_tensor *t);
nnc_status nnc_onnx_sparse_read(nnc_onnx_loader *ld, nnc_loc loc, const char *what,
                                const Onnx__SparseTensorProto *p, nnc_onnx_tensor *t);
/* Product of dims times `bytes`; false when one is negative or the result is beyond INT64_MAX. */
bool nnc_onnx_dims_fit(const int64_t *dim, uint32_t rank, uint64_t bytes, uint64_t *count);

/* declare.c: the text of an optional string field ("" when it is not there), a value's name, a type
 * (NULL when it is not given, or was reported), a list of declared values; `need`: each must have a
 * type. */
const char *nnc_onnx_text(const char *s);
nnc_sym nnc_onnx_intern(nnc_onnx_loader *ld, const char *s);
const nnc_onnx_type *nnc_onnx_type_build(nnc_onnx_loader *ld, nnc_loc loc, const char *what,
                                         const Onnx__TypeProto *p);
const nnc_onnx_value *nnc_onnx_values_build(nnc_onnx_loader *ld, nnc_loc loc, const char *kind,
                                            Onnx__ValueInfoProto **p, size_t n, bool need);

/* build.c */
nnc_status nnc_onnx_build(nnc_onnx_loader *ld, const Onnx__ModelProto *p);
void nnc_onnx_graph_index(nnc_arena *a, nnc_onnx_graph *g); /* makes the lookup tables */
const char *nnc_onnx_attr_kind_str(nnc_onnx_attr_kind k);   /* "a float", "ints", .. */

/* check.c, names.c, types.c, inline.c: one look over a graph and everything inside it. */
void nnc_onnx_check_ops(nnc_onnx_loader *ld, nnc_onnx_graph *g);
void nnc_onnx_check_names(nnc_onnx_loader *ld, const nnc_onnx_graph *g,
                          const nnc_onnx_func *in_func);
void nnc_onnx_check_types(nnc_onnx_loader *ld, const nnc_onnx_graph *g);
nnc_status nnc_onnx_inline(nnc_onnx_loader *ld);
nnc_onnx_func *nnc_onnx_func_find(nnc_onnx_loader *ld, const char *domain, const char *name,
                                  const char *overload);

/* The version of `domain` in force, 0 when it is not imported. */
int64_t nnc_onnx_opset_of(const nnc_onnx_loader *ld, const char *domain);
#endif
