/* fold, simplify, cse and dce until none of them finds anything, at most a few rounds. */
#include "passes/clean.h"

enum { ROUNDS = 8 };

nnc_status nnc_pass_tidy(nnc_pass_cx *cx)
{
    static const nnc_pass_fn steps[] = {nnc_pass_fold, nnc_pass_simplify, nnc_pass_cse,
                                        nnc_pass_dce};

    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned before = cx->changed;
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++)
            NNC_TRY(steps[i](cx));
        if (cx->changed == before)
            break;
    }
    return NNC_OK;
}
