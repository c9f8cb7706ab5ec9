/* passes/validate.h - translation validation: the interpreter runs the entry function on the same random inputs after
 * every pass and compares with the results before it. */
#ifndef NNC_PASSES_VALIDATE_H
#define NNC_PASSES_VALIDATE_H
#include "passes/pass.h"

typedef struct nnc_validate nnc_validate;

/* Draw inputs for the entry graph and run it.  `fast`: rules that ignore nan and inf are on, so no such inputs.
 * *out is NULL when the graph cannot be run (a note says why): nothing is validated then. */
nnc_status nnc_validate_begin(nnc_module *m, uint64_t seed, bool fast, nnc_validate **out);
/* Run the entry function as it is now and compare with the run before; a difference names the pass. */
nnc_status nnc_validate_pass(nnc_validate *v, const nnc_pass_info *p);
#endif
