/* frontend/nn/types.h - the inside of type matching. */
#ifndef NNC_FRONTEND_NN_TYPES_H
#define NNC_FRONTEND_NN_TYPES_H
#include "frontend/nn/trace.h"

typedef struct nn_match_place {
    const nn_ast *at, *type;
    const char *what;
    bool result; /* of the function: `..` is the first argument's */
} nn_match_place;
/* "argument 'x' is f32[3]: ..", with a note at the declaration; does not return. */
_Noreturn void nn_mismatch(nn_trace *t, nn_v v, const nn_match_place *p, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void nn_decide_dtypes(nn_trace *t, nn_v v, const nn_ast *type);
/* The type that an alias stands for, at last. */
const nn_ast *nn_alias(nn_trace *t, const nn_ast *type);
nn_decl *nn_type_decl(nn_trace *t, nn_unit *u, nnc_sym name, const nn_ast *at);
/* What `..` (no name) or `..b` stands for: a list of dimensions, or NULL. */
nn_v nn_group(nn_trace *t, nnc_sym name);
bool nn_is_callable(nn_v v);
#endif
