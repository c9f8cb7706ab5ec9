/* frontend/nn/write_cx.h - inside the writer of `.nn` text: expressions with their levels. */
#ifndef NNC_FRONTEND_NN_WRITE_CX_H
#define NNC_FRONTEND_NN_WRITE_CX_H
#include "frontend/nn/write.h"
#include "runtime/leaves.h"

/* How tightly an expression binds (section 5 of the language). */
enum {
    NN_LEVEL_OR = 2,
    NN_LEVEL_AND,
    NN_LEVEL_NOT,
    NN_LEVEL_COMPARISON,
    NN_LEVEL_RANGE,
    NN_LEVEL_BITOR,
    NN_LEVEL_BITAND,
    NN_LEVEL_SHIFT,
    NN_LEVEL_SUM,
    NN_LEVEL_PRODUCT,
    NN_LEVEL_UNARY,
    NN_LEVEL_POWER,
    NN_LEVEL_POSTFIX,
    NN_LEVEL_PRIMARY
};
typedef struct nn_piece {
    const char *s;
    int level;
} nn_piece; /* s NULL: not spelled */

typedef struct nn_writer {
    nnc_module *m;
    nnc_arena *a;
    const nn_write_options *o;
    FILE *out;
    nnc_intern *taken;    /* every name of the text */
    NNC_BUF(nn_piece) of; /* by value id: how it is mentioned */
    NNC_BUF(nnc_sym)
    symbol; /* by symbol of the dimensions: its name in the text; 0: not declared */
    NNC_BUF(nnp_leaf) weight;
    bool failed;
} nn_writer;

/* A mention of v that binds at least as tightly as `level` (parentheses otherwise).  _typed: literals keep their dtype. */
const char *nn_write_value(nn_writer *w, nnc_value v, int level);
const char *nn_write_typed(nn_writer *w, nnc_value v);
/* A dimension as an expression of the signature's symbols; NULL after a diagnostic at `op`. */
const char *nn_write_dim(nn_writer *w, nnc_dim d, int level, nnc_op op);
const char *nn_write_dims(nn_writer *w, unsigned n, const nnc_dim *d, nnc_op op); /* "2, n + 1" */
/* Any op without regions. */
nn_piece nn_write_op(nn_writer *w, nnc_op op);
nn_piece nn_write_refuse(nn_writer *w, nnc_op op, const char *why);
const char *nn_write_format(nn_writer *w, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
#endif
