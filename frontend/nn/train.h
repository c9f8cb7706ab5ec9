/* frontend/nn/train.h - what a `train` declaration says, for the loop that it means (train.c) and for one exported step
 * (export_train.c). */
#ifndef NNC_FRONTEND_NN_TRAIN_H
#define NNC_FRONTEND_NN_TRAIN_H
#include "frontend/nn/call.h"

typedef struct nn_training {
    const nn_ast *d, *block;
    const nn_ast *loss, *optimizer, *batch, *epochs, *steps;
    nnc_sym net, key;
    nn_v set;
    nnc_dim rows;       /* of the set */
    int64_t batch_size; /* 0: all */
    bool stateful;      /* the model has state */
} nn_training;

/* In the environment of the arguments: settings and set are read; the model, in training, is a variable; `steps`, %opt
 * and %s, the optimiser's fresh state, are bound.  Returns the number of steps. */
int64_t nn_training_begin(nn_trace *t, nn_training *r);
/* The text of one step behind the names `rows` and `step`: fields of the rows, %loss, the update. */
typedef NNC_BUF(nn_ast *) nn_nodes;
void nn_training_step(nn_trace *t, const nn_training *r, nn_nodes *out);
/* Calls a `train` declaration: run(t, r) in the environment of its arguments; *r gets d and block. */
nn_v nn_training_call(nn_trace *t, nn_v train, const nn_args *args, const nn_ast *at,
                      nn_v (*run)(nn_trace *t, void *r), nn_training *r);
/* Made syntax: a block of statements; a field of a name. */
nn_ast *nn_made_block(nn_trace *t, const nn_nodes *statements, const nn_ast *at);
nn_ast *nn_made_field(nn_trace *t, const char *name, const char *field, const nn_ast *at);
#endif
