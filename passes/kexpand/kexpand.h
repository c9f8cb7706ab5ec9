/* passes/kexpand/kexpand.h - the K transforms behind the pass `kexpand`.
 *
 * A schedule only names loop kinds; these carry them out, one kernel at a time.  None needs dependence analysis: the
 * lowering promised that `unroll` and `vector` loops are independent or keep partial results in separate cells.  Results
 * stay equal bit for bit. */
#ifndef NNC_PASSES_KEXPAND_KEXPAND_H
#define NNC_PASSES_KEXPAND_KEXPAND_H
#include "ir/build.h"
#include "passes/pass.h"

typedef struct nnc_expand {
    nnc_pass_cx *cx;
    nnc_module *m;
    nnc_op func;
    unsigned vector_bytes; /* the widest vector of the target */
    nnc_value *map;        /* scratch for cloning, grown as needed */
    bool *vector;          /* per value: has lanes (vector.c) */
    uint32_t nmap, nvector;
} nnc_expand;

/* Loops of kind unroll with constant bounds are replaced by their iterations, index arithmetic folded.  `all`: every
 * one; else only those without loops inside (after inner ones are gone), for the portable form.  Loops that would
 * become too long stay, as serial ones. */
void nnc_expand_unroll(nnc_expand *x, bool all);
/* Could one vector loop be carried out? */
bool nnc_expand_has_vector(nnc_expand *x);
/* Loops of kind vector become straight-line vector code; those that cannot become serial loops. */
void nnc_expand_vector(nnc_expand *x);
/* f32[6,4,16]@reg touched by whole vectors only becomes f32x16[6,4]@reg. */
void nnc_expand_registers(nnc_expand *x);
/* Vector loops become serial loops, and vector arithmetic outside of them loops over stack buffers. */
void nnc_expand_scalar(nnc_expand *x);
/* Equal pure ops and loads are shared, loads as long as nothing is stored in between; then what nobody reads goes. */
void nnc_expand_cse(nnc_expand *x);
void nnc_expand_dce(nnc_expand *x);
/* Trips through narrow integers that change nothing are left out. */
void nnc_expand_narrow(nnc_expand *x);
/* Room for a map of all values there are now.  Entries of earlier clones stay: what they map was erased, or is mapped
 * anew before it is used. */
nnc_value *nnc_expand_map(nnc_expand *x);

/* Can a target with vectors do this operation on lanes of these dtypes (operand, result)? */
bool nnc_vector_has(nnc_opcode code, nnc_dtype from, nnc_dtype to);
#endif
