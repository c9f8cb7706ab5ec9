/* frontend/nn/flow.h - the inside of loops and branches. */
#ifndef NNC_FRONTEND_NN_FLOW_H
#define NNC_FRONTEND_NN_FLOW_H
#include "frontend/nn/expr.h"

/* Names that a region carries: slots, what they held outside, and the leaves of that in order. */
typedef struct nn_carry {
    nn_slots slot;
    NNC_BUF(nn_v) initial;
    nn_leaves leaf;
    NNC_BUF(nnc_dtype) dtype; /* per leaf: what a weak one turned out to be */
} nn_carry;
void nn_carry_begin(nn_trace *t, nn_carry *c, const nn_ast *const *text, unsigned n);
void nn_carry_add(nn_trace *t, nn_carry *c, nn_slot *s, nn_v initial);
void nn_carry_init(nn_trace *t, nn_carry *c);
void nn_carry_set(nn_trace *t, nn_carry *c, const nnc_value *v);
void nn_carry_restore(nn_carry *c);
bool nn_carry_end(nn_trace *t, nn_carry *c, nn_region *r, nnc_value *out);
enum { NN_MOST_TRACES = 6 }; /* of one loop, until the types of what it carries are found */
_Noreturn void nn_unstable(nn_trace *t, nn_carry *c, const nn_ast *at);

/* *out: x as the next value of a carried leaf `old`; false: the leaf has to be of *dtype from the start. */
bool nn_carry_leaf(nn_trace *t, nn_v old, nn_v x, nnc_dtype *dtype, nnc_value *out);
/* v with the labels of `like`, and a key if that is one. */
nn_v nn_like_leaf(nn_trace *t, nnc_value v, nn_v like, bool weak);

/* ---- loops: heads (head.c), `for` (flow.c), `while` (while.c) ---- */

/* What a head of a loop walks over. */
typedef struct nn_head {
    unsigned place; /* among the heads of its loop */
    const nn_ast *pattern;
    nn_v xs;
    nnc_dim trips;  /* turns, or their bound when count is given */
    nn_v count;     /* a run-time number of turns */
    bool bounded;   /* of which trips is the bound */
    bool of_leaves; /* slices of tensors; else a range */
    nn_leaves leaf;
    nn_v first; /* range */
    int64_t step;
} nn_head;
void nn_head_of(nn_trace *t, const nn_ast *in, nn_head *h);
nn_v nn_head_turns(nn_trace *t, const nn_head *h); /* their number, in i64 */
void nn_head_bind(nn_trace *t, const nn_ast *pattern, nn_v v);
void nn_push_turn(nn_trace *t, nn_v index);
/* The value of one turn: a slice of every leaf, or the number at place i of the range. */
nn_v nn_turn_of_leaves(nn_trace *t, nn_head *h, const nnc_value *slice);
nn_v nn_turn_of_range(nn_trace *t, nn_head *h, nnc_value i, const nn_ast *at);

typedef struct nn_loop {
    const nn_ast *heads, *until, *block, *hint, *at;
    nn_slot *go; /* several heads and `until`: it has held before every turn so far */
} nn_loop;
/* The heads from h on around the block; one turn of a head; a head as while (NULL: none, just `while`). */
nn_v nn_run_heads(nn_trace *t, const nn_loop *l, unsigned h);
nn_v nn_run_body(nn_trace *t, const nn_loop *l, const nn_head *h, nn_v turn, nn_v index);
nn_v nn_while_head(nn_trace *t, const nn_loop *l, nn_head *h);
/* Can the values of turns be stacked?  They can: `ys` are the results of the finished op for the leaves. */
void nn_check_turn(nn_trace *t, nn_v v, const nn_ast *block);
nn_v nn_stacked_value(nn_trace *t, nn_v turn, const nn_leaves *leaf, const nnc_value *ys);
/* Code (a model, a closure) whose leaves have n new leading axes. */
nn_v nn_batched(nn_trace *t, nn_v v, uint32_t n);
/* What `for [x in xs]` walks over, evaluated. */
void nn_static_turns(nn_trace *t, nn_v xs, const nn_ast *at, nn_leaves *out);
/* Region i of `from` becomes region i of `to` (in place of the one it has). */
void nn_take_region(nn_trace *t, nnc_op to, nnc_op from, unsigned i);
void nn_hint_attributes(nn_trace *t, nnc_op op, const nn_ast *hint);
/* Around each unrolled turn: instances of modules are told apart by it (model.c). */
void nn_unrolled(nn_trace *t, uint32_t i);
void nn_unrolled_end(nn_trace *t);
#endif
