/* frontend/nn/gradient.h - the variables that derivatives are taken by. */
#ifndef NNC_FRONTEND_NN_GRADIENT_H
#define NNC_FRONTEND_NN_GRADIENT_H
#include "frontend/nn/trace.h"

/* v as the value of `name`: marked as a variable when the declaration being traced differentiates by that name. */
nn_v nn_as_leaf(nn_trace *t, nnc_sym name, nn_v v);
/* The same for a name that had another value: parts that are still the same stay the variables they were. */
nn_v nn_as_changed_leaf(nn_trace *t, nnc_sym name, nn_v old, nn_v v);
#endif
