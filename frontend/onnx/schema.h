/* frontend/onnx/schema.h - what ONNX says about each operator: versions, inputs, outputs,
 * attributes, types.
 *
 * The table is schema.def, generated from the `onnx` package (ai.onnx, ai.onnx.ml,
 * ai.onnx.preview.*) and ONNX Runtime (com.microsoft) by scripts/gen_onnx_schema.py. */
#ifndef NNC_FRONTEND_ONNX_SCHEMA_H
#define NNC_FRONTEND_ONNX_SCHEMA_H
#include "frontend/onnx/model.h"

enum { NNC_ONNX_ANY_NUMBER = 2147483647 };

typedef enum {
    NNC_ONNX_PARAM_ONE,
    NNC_ONNX_PARAM_OPT,
    NNC_ONNX_PARAM_VAR,
    NNC_ONNX_PARAM_ANY
} nnc_onnx_param_kind;

/* One formal input or output.  Types are bits: n for a tensor of element type n, 32 + n for a
 * sequence of such, 61 any optional, 62 maps and opaque things, 63 sparse tensors. */
typedef struct {
    const char *name;
    uint8_t kind; /* nnc_onnx_param_kind; VAR and ANY are the last and stand for the rest */
    uint8_t var;  /* equal non-zero numbers in one schema: equal types (not for ANY) */
    uint64_t types;
} nnc_onnx_param;

typedef struct {
    const char *name;
    nnc_onnx_attr_kind kind;
    bool required;
} nnc_onnx_attr_schema;

struct nnc_onnx_schema {
    const char *domain, *op;
    int since; /* first opset of the domain this definition holds in */
    int min_in, max_in, min_out, max_out;
    bool deprecated;           /* still defined, but ONNX advises against it */
    uint16_t param, nin, nout; /* position in the params; nin inputs, then nout outputs */
    uint16_t attr, nattr;
};

/* The newest definition whose since-version is at most `opset`; NULL when there is none.  domain
 * "" is ai.onnx. */
const nnc_onnx_schema *nnc_onnx_schema_find(const char *domain, const char *op, int64_t opset);
/* The operator's first definition, whatever the opset; NULL when the name is unknown. */
const nnc_onnx_schema *nnc_onnx_schema_first(const char *domain, const char *op);
/* The operator of the domain spelled most like `op`, NULL when none is near. */
const char *nnc_onnx_schema_nearest(const char *domain, const char *op);
/* Another domain that has an operator of this name, NULL when none has. */
const char *nnc_onnx_schema_elsewhere(const char *domain, const char *op);
/* Is there any schema of the domain?  And the newest opset of it nnc knows, 0 for domains not on
 * file. */
bool nnc_onnx_domain_is_known(const char *domain);
int64_t nnc_onnx_domain_newest(const char *domain);

/* Input or output number i (any number for variadic ones); NULL past the end. */
const nnc_onnx_param *nnc_onnx_schema_in(const nnc_onnx_schema *s, uint32_t i);
const nnc_onnx_param *nnc_onnx_schema_out(const nnc_onnx_schema *s, uint32_t i);
const nnc_onnx_attr_schema *nnc_onnx_schema_attr(const nnc_onnx_schema *s, const char *name);
const nnc_onnx_attr_schema *nnc_onnx_schema_attrs(const nnc_onnx_schema *s); /* s->nattr of them */

/* How far apart two spellings are (insert, delete, replace, swap neighbours; another case counts
 * half), in halves; anything above `limit` comes back as limit + 1. */
unsigned nnc_onnx_distance(const char *a, const char *b, unsigned limit);
/* The limit that makes sense for a suggestion for `s`. */
unsigned nnc_onnx_near(const char *s);
#endif
