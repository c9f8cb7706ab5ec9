/* codegen/emit.h - what the command line asks of the emitters. */
#ifndef NNC_CODEGEN_EMIT_H
#define NNC_CODEGEN_EMIT_H
#include <stdio.h>
#include "ir/module.h"
#include "ir/target.h"

typedef enum {
    NNC_WEIGHTS_auto,
    NNC_WEIGHTS_strings,
    NNC_WEIGHTS_numbers,
    NNC_WEIGHTS_bin
} nnc_weights_mode;
typedef struct nnc_emit_options {
    const char *name; /* C identifier: prefix of everything that is visible */
    const nnc_target *target;
    nnc_weights_mode weights; /* auto: strings up to 16 MB, bin beyond */
    bool portable;            /* no vector forms */
    bool reproducible; /* f32 has the same bits on every machine: no fused multiply-add, no libm */
    bool threads;      /* the interface has a pool even when no kernel is worth splitting */
    /* add `const char *NAME_describe(void)`: the JSON below, for tools that load a .so */
    bool describe;
} nnc_emit_options;

/* The outside of the entry kernel, as C sees it. */
typedef struct nnc_interface_tensor {
    const char *name, *field; /* the model's name; the field in NAME_inputs / NAME_outputs */
    nnc_type type;            /* a buffer type: dims may be expressions */
    uint64_t bytes;           /* at the upper bounds, dense */
} nnc_interface_tensor;
typedef struct nnc_interface_symbol {
    const char *name, *field; /* field: size_t in the inputs; size_t * in the outputs */
    uint32_t index;           /* in the table of symbols (ir/dim.h) */
    int64_t lo, hi;
    bool out; /* found out by the run */
} nnc_interface_symbol;
typedef struct nnc_interface {
    uint32_t ninput, noutput, nstate, nsymbol;
    const nnc_interface_tensor *input, *output, *state; /* state: fields of NAME_state */
    const nnc_interface_symbol *symbol;                 /* those of the inputs first */
    uint64_t workspace, lower_bound, align, weights;    /* bytes */
    uint64_t hash; /* of everything that decides the numbers: code and weights */
    /* Mode bin: the blob is a file of its own, used in place.  The inputs struct then has a first field `const void
     * *weights` for it, checked (size is the caller's word, a hash in its header) before anything is written; unless the
     * C file is compiled with -DNAME_WEIGHTS_SYMBOL=sym (NAME upper case): then `extern const unsigned char sym[]`, an
     * object made with .incbin or ld -b binary and linked in, is used and the field is absent. */
    bool weights_in_file;
} nnc_interface;
/* NULL after a diagnostic when the module has no planned entry kernel. */
const nnc_interface *nnc_interface_of(nnc_module *m, const nnc_emit_options *opt);

/* Write the C file, its header and, in bin mode, the weights (`bin` may be NULL otherwise). */
nnc_status nnc_emit_c(nnc_module *m, const nnc_emit_options *opt, FILE *c, FILE *h, FILE *bin);
/* {"name", "hash", "inputs": [{"name", "field", "dtype", "shape", "bounds"}], "outputs": [..], "symbols": [{"name",
 * "field", "lo", "hi", "role"}], "workspace_bytes", "workspace_lower_bound", "weights_bytes"}, and "state" like the inputs where there is some, without a newline; text
 * from the module's arena. */
const char *nnc_describe_json(nnc_module *m, const nnc_emit_options *opt);
/* C text of a dimension expression over symbol values `sym[i]` (size_t), i the index of the symbol in the interface. */
const char *nnc_dim_c_text(nnc_module *m, const nnc_interface *f, nnc_dim d, const char *sym);
#endif
