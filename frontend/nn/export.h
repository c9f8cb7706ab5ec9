/* frontend/nn/export.h - exported functions of a file as modules of their own, ready for the passes. */
#ifndef NNC_FRONTEND_NN_EXPORT_H
#define NNC_FRONTEND_NN_EXPORT_H
#include "frontend/nn/trace.h"

/* The exported functions of a file; how many there are. */
uint32_t nn_exports(const nn_unit *u, nn_decl **out, uint32_t most);
/* One of them, traced; NULL after diagnostics. */
nnc_module *nn_export_module(nn_trace *t, nn_decl *d);
#endif
