/* frontend/nn/call.h - the inside of calls, for modules, training and custom gradients. */
#ifndef NNC_FRONTEND_NN_CALL_H
#define NNC_FRONTEND_NN_CALL_H
#include "frontend/nn/trace.h"

typedef NNC_BUF(nn_arg) nn_arglist;

/* What runs when something is called. */
typedef struct nn_code {
    const char *name;               /* for messages */
    const nn_ast *statics, *params; /* lists; statics may be NULL */
    const nn_ast *result, *body;    /* result: NULL when not declared */
    const nn_args *bound;           /* static arguments given */
    uint32_t ncaptured;             /* names that a closure brings along */
    const nnc_sym *captured_name;
    const nn_v *captured;
    nn_v (*run)(nn_trace *t, void *user); /* instead of tracing the body, in its environment */
    void *user;
} nn_code;

/* A new frame in place of the present one; nn_bind_and_run does it for you. */
void nn_enter(nn_trace *t, nn_frame *f, const nn_ast *call);
/* Bind statics and arguments in a fresh environment, trace the body, match the result, return to the caller. */
nn_v nn_bind_and_run(nn_trace *t, nn_frame *f, const nn_code *code, const nn_args *args,
                     const nn_ast *at);
void nn_assign_args(nn_trace *t, const nn_ast *list, const nn_args *args, const char *who,
                    const nn_ast *at, const nn_arg **slot, nn_arglist *rest);
nn_v nn_static_value(nn_trace *t, nn_v v, const nn_ast *at);
bool nn_has_param(const nn_ast *fn, nnc_sym name); /* among its arguments, statics apart */
const nn_ast *nn_result_place(const nn_ast *body); /* the expression that gives a body's value */
nn_v nn_call_builtin(nn_trace *t, nn_v f, const nn_args *args, const nn_ast *at);
/* A function with a `backward` block (gradient.c). */
nn_v nn_call_with_rule(nn_trace *t, nn_v f, nn_frame *frame, const nn_code *code,
                       const nn_args *args, const nn_ast *at);
#endif
