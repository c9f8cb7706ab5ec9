/* Padding of convolutions: see nnc_pass_halo. */
#include "passes/pass.h"
nnc_status nnc_pass_halo(nnc_pass_cx *cx)
{
    (void)cx;
    return NNC_OK;
}
