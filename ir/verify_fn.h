/* ir/verify_fn.h - inside ir/: the verifier's state, and the rules of K. */
#ifndef NNC_IR_VERIFY_FN_H
#define NNC_IR_VERIFY_FN_H
#include "ir/verify.h"

typedef struct nnc_verifier {
    nnc_module *m;
    nnc_op func;
    bool kernel;
    unsigned errors;
    nnc_arena *a; /* scratch */
} nnc_verifier;

/* "store: " and the text, at the op. */
void nnc_verify_fail(nnc_verifier *v, nnc_op op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The rules of one op of a kernel whose operands and results are sound. */
void nnc_verify_k(nnc_verifier *v, nnc_op op);
#endif
