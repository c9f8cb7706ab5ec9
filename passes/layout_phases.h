/* passes/layout_phases.h - transposed convolutions without the zeros between their inputs. */
#ifndef NNC_PASSES_LAYOUT_PHASES_H
#define NNC_PASSES_LAYOUT_PHASES_H
#include "ir/module.h"

/* Rewrite a nchw convolution with lhs_dilation and constant weights; false: it is not one, or not a supported one. */
bool nnc_layout_phases(nnc_module *m, nnc_op conv);
#endif
