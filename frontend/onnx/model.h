/* frontend/onnx/model.h - a checked ONNX model in memory: what the rows that map operators read.
 *
 * nnc_onnx_load() reads a file, checks it and returns this.  What the caller may rely on
 * afterwards:
 *   - every node's operator exists in the opset in force, has its required attributes, and every
 *     attribute has the type its schema asks for; numbers of inputs and outputs fit;
 *   - names are single-assignment, every input is defined by an earlier node, an input, an
 *     initializer or an enclosing graph, and every graph output is made by somebody;
 *   - nodes are in topological order;
 *   - calls of model-local functions are inlined: their nodes stand in the graph (named
 *     "call/inner"), with attribute references filled in, so no mapping row ever sees a
 *     function;
 *   - a weight that is also listed as a graph input (old models) is a constant and no longer an
 *     input;
 *   - sparse initializers are dense; shapes do not overflow; data has exactly the size its shape
 *     asks for.
 *
 * Everything lives in the arena given to the loader; large weights stay in the mapped file,
 * which is unmapped with the arena.  Nothing here changes after loading.  Protobuf types never
 * leave the loader. */
#ifndef NNC_FRONTEND_ONNX_MODEL_H
#define NNC_FRONTEND_ONNX_MODEL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ir/base/arena.h"
#include "ir/base/diag.h"
#include "ir/base/intern.h"

typedef struct nnc_onnx_graph nnc_onnx_graph;
typedef struct nnc_onnx_node nnc_onnx_node;
typedef struct nnc_onnx_tensor nnc_onnx_tensor;
typedef struct nnc_onnx_type nnc_onnx_type;
typedef struct nnc_onnx_schema nnc_onnx_schema; /* frontend/onnx/schema.h */

/* ---- element types: the numbers are ONNX's own TensorProto.DataType -------------------------- */

typedef enum {
    NNC_ONNX_undefined = 0,
#define ELEM(name, number, onnx_name, bits, bytes) NNC_ONNX_##name = number,
#include "frontend/onnx/elem.def"
    NNC_ONNX_ELEM_COUNT
} nnc_onnx_elem;

bool nnc_onnx_elem_is_known(int64_t number);         /* is it one of the enumerators? */
const char *nnc_onnx_elem_str(nnc_onnx_elem e);      /* "f32", "i4", "f8e4m3fn", ..; "undefined" */
const char *nnc_onnx_elem_onnx_str(nnc_onnx_elem e); /* "float", "int4", "float8e4m3fn", .. */
uint32_t nnc_onnx_elem_bytes(nnc_onnx_elem e); /* in memory: 1 for sub-byte types, 0 for strings */

/* ---- tensors --------------------------------------------------------------------------------- */

typedef struct {
    const char *s;
    size_t len;
} nnc_onnx_str; /* NUL-terminated as well; may hold NULs */

/* Dense, row-major, little-endian.  i4 u4 i2 u2 f4e2m1 are unpacked to one element per byte
 * (signed ones sign extended; f4 keeps its four bits in the low nibble).  bool is one byte, 0 or
 * 1. `data` points into the mapped file when `mapped` and then has NO alignment: read it with
 * memcpy or with the getters below.  Tensors that are not mapped are aligned to 16 bytes. */
struct nnc_onnx_tensor {
    const char *name; /* "" for attribute tensors without one */
    nnc_onnx_elem elem;
    uint32_t rank;
    const int64_t *dim;      /* all >= 0 */
    uint64_t count;          /* elements: product of dim, 1 for a scalar */
    uint64_t bytes;          /* count * nnc_onnx_elem_bytes() */
    const void *data;        /* NULL when bytes is 0 */
    const nnc_onnx_str *str; /* count of them, elem string only */
    bool mapped;
};

/* Element i as a number; any numeric type and bool.  _i64 of a float truncates and saturates;
 * _f64 is exact but for i64/u64 beyond 2^53. */
int64_t nnc_onnx_tensor_i64(const nnc_onnx_tensor *t, uint64_t i);
double nnc_onnx_tensor_f64(const nnc_onnx_tensor *t, uint64_t i);

/* ---- types of named values ------------------------------------------------------------------- */

typedef enum {
    NNC_ONNX_TY_tensor = 1,
    NNC_ONNX_TY_sequence,
    NNC_ONNX_TY_map,
    NNC_ONNX_TY_optional,
    NNC_ONNX_TY_sparse
} nnc_onnx_type_kind;
typedef enum { NNC_ONNX_DIM_unknown, NNC_ONNX_DIM_value, NNC_ONNX_DIM_param } nnc_onnx_dim_kind;

typedef struct {
    nnc_onnx_dim_kind kind;
    int64_t value;
    const char *param;
} nnc_onnx_dim;

struct nnc_onnx_type {
    nnc_onnx_type_kind kind;
    nnc_onnx_elem elem; /* tensor, sparse: elements; map: keys */
    bool has_shape;     /* false: even the rank is unknown */
    uint32_t rank;
    const nnc_onnx_dim *dim;
    const nnc_onnx_type *of; /* sequence, optional: element; map: value */
};

typedef struct {
    nnc_sym name;
    const nnc_onnx_type *type;
} nnc_onnx_value; /* type NULL: not declared */

/* ---- attributes ------------------------------------------------------------------------------ */

typedef enum { /* the numbers are ONNX's AttributeType */
               NNC_ONNX_ATTR_none,
               NNC_ONNX_ATTR_float,
               NNC_ONNX_ATTR_int,
               NNC_ONNX_ATTR_string,
               NNC_ONNX_ATTR_tensor,
               NNC_ONNX_ATTR_graph,
               NNC_ONNX_ATTR_floats,
               NNC_ONNX_ATTR_ints,
               NNC_ONNX_ATTR_strings,
               NNC_ONNX_ATTR_tensors,
               NNC_ONNX_ATTR_graphs,
               NNC_ONNX_ATTR_sparse,
               NNC_ONNX_ATTR_sparses,
               NNC_ONNX_ATTR_type,
               NNC_ONNX_ATTR_types
} nnc_onnx_attr_kind;

typedef struct {
    const char *name;
    nnc_onnx_attr_kind kind; /* sparse tensors arrive dense, as tensor(s) */
    uint32_t n;              /* items in a list; 1 for a single value */
    const char *ref;         /* NULL outside of the loader (function attributes) */
    union {
        float f;
        int64_t i;
        nnc_onnx_str s;
        const nnc_onnx_tensor *tensor;
        nnc_onnx_graph *graph;
        const nnc_onnx_type *type;
        const float *floats;
        const int64_t *ints;
        const nnc_onnx_str *strings;
        const nnc_onnx_tensor *const *tensors;
        nnc_onnx_graph *const *graphs;
        const nnc_onnx_type *const *types;
    } u;
} nnc_onnx_attr;

/* ---- nodes and graphs ------------------------------------------------------------------------ */

struct nnc_onnx_node {
    const char *name; /* "" when unnamed; in messages use `loc` */
    nnc_loc loc;      /* for diagnostics and for the ops made from it */
    const char *op;
    const char *domain; /* "" for ai.onnx, never the spelling "ai.onnx" */
    const char *overload;
    int opset;                     /* version of the domain in force here */
    int since;                     /* since-version of the operator's schema, 0 without */
    const nnc_onnx_schema *schema; /* NULL: a domain whose schemas are not on file */
    uint32_t index;                /* position in its graph's node list */
    uint32_t nin, nout, nattr;
    const nnc_sym *in, *out; /* id 0: an optional one that was left out */
    const nnc_onnx_attr *attr;
    nnc_onnx_graph *graph; /* the graph it stands in */
    bool broken;           /* reported: do not look at its attributes or schema */
};

/* Entry of a graph's lookup tables; use the functions below. */
typedef struct {
    nnc_sym name;
    uint32_t at;
    const nnc_onnx_type *type;
} nnc_onnx_named;

struct nnc_onnx_graph {
    const char *name;
    nnc_loc loc;                /* for what belongs to no node */
    nnc_onnx_graph *parent;     /* the graph whose names it may capture; NULL: main */
    const nnc_onnx_node *owner; /* the If, Loop, Scan .. it belongs to; NULL: main */
    uint32_t nin, nout, ninfo, ninit, nnode;
    const nnc_onnx_value *in, *out, *info; /* info: declared types of inner values */
    const nnc_onnx_tensor *init;           /* constants by name */
    const nnc_sym *init_name;              /* init_name[i] names init[i] */
    const nnc_onnx_node *node;
    uint32_t ntype;
    const nnc_onnx_named *init_index, *type_index; /* sorted by name */
};

typedef struct {
    const char *domain;
    int64_t version;
} nnc_onnx_opset;
typedef struct {
    const char *key, *value;
} nnc_onnx_prop;

typedef struct {
    const char *path;
    int64_t ir_version;
    const char *producer, *producer_version, *domain, *doc;
    int64_t model_version;
    uint32_t nopset, nprop;
    const nnc_onnx_opset *opset;
    const nnc_onnx_prop *prop; /* metadata_props */
    nnc_onnx_graph *graph;
    nnc_intern *names;     /* of value names: nnc_intern_str(m->names, sym) */
    uint64_t weight_bytes; /* all initializers and attribute tensors */
} nnc_onnx_model;

/* Reads and checks the file at `path`; external data is looked for in its folder only.  On any
 * error the result is NNC_ERR and every problem found has been reported to `diag`.  *m is NULL
 * then, unless all problems are of single nodes: those are marked `broken`, and the caller may
 * go on with the others to find more mistakes in the same run. */
nnc_status nnc_onnx_load(nnc_arena *a, nnc_diag *diag, const char *path, nnc_onnx_model **m);

/* The same from memory, which must stay valid as long as `a`; `path` is for messages and for
 * finding external data. */
nnc_status nnc_onnx_load_bytes(nnc_arena *a, nnc_diag *diag, const char *path, const void *bytes,
                               size_t len, nnc_onnx_model **m);

/* The text of a value name: "conv1.weight"; "" for id 0. */
const char *nnc_onnx_name(const nnc_onnx_model *m, nnc_sym name);

/* Looked up in `g` only; callers walk `parent` for captured names.  NULL when absent. */
const nnc_onnx_tensor *nnc_onnx_graph_init(const nnc_onnx_graph *g, nnc_sym name);
const nnc_onnx_type *nnc_onnx_graph_type(const nnc_onnx_graph *g,
                                         nnc_sym name); /* in, out and info */

/* Attribute getters.  Absent means the default; types were checked by the loader for operators
 * with a schema and a wrong one reads as absent for the others. */
const nnc_onnx_attr *nnc_onnx_node_attr(const nnc_onnx_node *n,
                                        const char *name); /* NULL: absent */
bool nnc_onnx_node_has(const nnc_onnx_node *n, const char *name);
int64_t nnc_onnx_node_int(const nnc_onnx_node *n, const char *name, int64_t dflt);
double nnc_onnx_node_float(const nnc_onnx_node *n, const char *name, double dflt);
const char *nnc_onnx_node_str(const nnc_onnx_node *n, const char *name, const char *dflt);
const int64_t *nnc_onnx_node_ints(const nnc_onnx_node *n, const char *name,
                                  uint32_t *count); /* NULL, 0 */
const float *nnc_onnx_node_floats(const nnc_onnx_node *n, const char *name, uint32_t *count);
const nnc_onnx_str *nnc_onnx_node_strs(const nnc_onnx_node *n, const char *name, uint32_t *count);
const nnc_onnx_tensor *nnc_onnx_node_tensor(const nnc_onnx_node *n, const char *name);
nnc_onnx_graph *nnc_onnx_node_graph(const nnc_onnx_node *n, const char *name);
const nnc_onnx_type *nnc_onnx_node_type(const nnc_onnx_node *n, const char *name);

/* Inputs and outputs by position; id 0 when left out or past the end. */
nnc_sym nnc_onnx_node_in(const nnc_onnx_node *n, uint32_t i);
nnc_sym nnc_onnx_node_out(const nnc_onnx_node *n, uint32_t i);
#endif
