/* frontend/nn/data/dtype.h - element types of the compiler and of the runtime (runtime/host.h). */
#ifndef NNC_FRONTEND_NN_DATA_DTYPE_H
#define NNC_FRONTEND_NN_DATA_DTYPE_H
#include "ir/type.h"
#include "runtime/host.h"

/* Integers of fewer than 8 bits are bytes in the runtime. */
nnp_dtype nn_host_dtype_of(nnc_dtype dt);
/* none for text. */
nnc_dtype nn_dtype_of_host(nnp_dtype dt);
#endif
