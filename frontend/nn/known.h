/* frontend/nn/known.h - the inside of static evaluation, for the files that look at dataflow. */
#ifndef NNC_FRONTEND_NN_KNOWN_H
#define NNC_FRONTEND_NN_KNOWN_H
#include "frontend/nn/trace.h"

/* Is v defined inside a region of `top`? */
bool nn_inside(const nn_trace *t, nnc_value v, nnc_op top);
/* The data behind an argument of the root graph, or NULL. */
const nn_host_tensor *nn_input_of(const nn_trace *t, nnc_value v);
/* A value that was evaluated before, or NULL. */
const nnc_tensor *nn_evaluated(const nn_trace *t, nnc_value v);
#endif
