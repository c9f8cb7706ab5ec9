/* frontend/nn/builtin.h - what the files of builtins share: shapes, results that look like an operand, checks.
 *
 * Values are tensors of the tracer.  Keys hide their last axis: ranks, axes and shapes here are the visible ones. */
#ifndef NNC_FRONTEND_NN_BUILTIN_H
#define NNC_FRONTEND_NN_BUILTIN_H
#include "frontend/nn/trace.h"

typedef struct nn_shape {
    int rank;
    nnc_dim dim[NNC_MAX_RANK];
} nn_shape;
nn_shape nn_shape_of(const nn_trace *t, nn_v x);
const char *nn_shape_text(nn_trace *t, const nn_shape *s); /* "[n, 3]" */

/* The labels of x without the axes marked in drop[] (removed) or cut[] (label removed, axis stays). */
nn_v nn_labels_without(nn_trace *t, nn_v y, nn_v x, const bool *drop, const bool *cut);
/* Labels of an elementwise result: of each axis the first operand's that has one. */
nn_v nn_labels_merged(nn_trace *t, nn_v y, unsigned n, const nn_v *operand);

/* Views, also of keys (the hidden axis stays last). */
nn_v nn_reshape_to(nn_trace *t, nn_v x, const nn_shape *s);
nn_v nn_broadcast_to(nn_trace *t, nn_v x, const nn_shape *s); /* must fit */
nn_v nn_permute(nn_trace *t, nn_v x, const int64_t *perm);
nnc_value nn_full_tensor(nn_trace *t, nnc_value scalar, const nn_shape *s);
/* One dtype for n tensors by the rules of promotion. */
void nn_promote_all(nn_trace *t, unsigned n, nn_v *x, const nn_ast *at);
/* Elements that a shape has, as a dimension. */
nnc_dim nn_shape_size(nn_trace *t, const nn_shape *s);
bool nn_shape_equal(const nn_shape *a, const nn_shape *b);
/* -rank .. rank-1 to 0 .. rank-1; fails at `at` naming the range. */
int nn_axis_in(nn_trace *t, int64_t axis, int rank, const nn_ast *at);
/* A rank-0 or any-rank tensor of integers (not bool) at `at`; `what` names it. */
nn_v nn_need_int(nn_trace *t, nn_v x, const nn_ast *at, const char *what);
nn_v nn_need_float(nn_trace *t, nn_v x, const nn_ast *at, const char *what);
nn_v nn_need_bool(nn_trace *t, nn_v x, const nn_ast *at, const char *what);
/* Indices as programs see them: i32. */
nn_v nn_index_result(nn_trace *t, nnc_value i64_index);
/* Elementwise over trees: fn of matching leaves; operands that are no trees go with every leaf. */
typedef nn_v (*nn_leaves_fn)(nn_trace *t, unsigned n, const nn_v *leaf, const nn_ast *at,
                             const void *user);
nn_v nn_map_n(nn_trace *t, unsigned n, const nn_v *x, nn_leaves_fn fn, const nn_ast *at,
              const void *user);

/* Interval of a rank-0 integer by looking at the ops that make it; INT64_MIN / INT64_MAX when nothing is known. */
void nn_interval(nn_trace *t, nnc_value v, int64_t *lo, int64_t *hi);

/* ---- arguments (builtin.c) ---- */
const nn_ast *nn_arg_at(nn_trace *t, const nn_bcall *c, const char *name);  /* the call if absent */
unsigned nn_arg_rest(nn_trace *t, const nn_bcall *c, const nn_arg **first); /* of `..x` */
unsigned nn_static_rest(nn_trace *t, const nn_bcall *c, const nn_arg **first); /* of `..dims` */
bool nn_flag(nn_trace *t, const nn_bcall *c, const char *name, bool dflt);
int64_t nn_option_int(nn_trace *t, const nn_bcall *c, const char *name, int64_t dflt);
double nn_option_float(nn_trace *t, const nn_bcall *c, const char *name, double dflt);
const char *nn_option_text(nn_trace *t, const nn_bcall *c, const char *name, const char *dflt);
/* An option that is one number or a list of n: out[0 .. n-1]; one number is repeated. */
void nn_option_ints(nn_trace *t, const nn_bcall *c, const char *name, unsigned n, int64_t dflt,
                    int64_t *out);
/* One of `words` ("a b c"): its index. */
int nn_option_word(nn_trace *t, const nn_bcall *c, const char *name, const char *words);
/* axis = i, or dflt; counted from the front. */
int nn_option_axis(nn_trace *t, const nn_bcall *c, nn_v x, int64_t dflt);
/* The least or the largest value of a dtype. */
nnc_value nn_limit_of(nn_trace *t, nnc_dtype dt, bool least);
/* The dimensions of a list of static arguments, `..` included. */
int nn_dims_of(nn_trace *t, unsigned n, const nn_arg *at, nnc_dim *out);
/* Static arguments that are dimensions: all of `..dims`. */
nn_shape nn_static_shape(nn_trace *t, const nn_bcall *c);
/* Fail with a hint after the message. */
_Noreturn void nn_fail_hint(nn_trace *t, nnc_loc loc, const char *hint, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* The op that `g.name` means, as a function. */
nn_v nn_g_op(nn_trace *t, const nn_ast *field);
/* ---- the functions of the table ---- */
nn_v nn_extreme_of(nn_trace *t, nnc_opcode code, nn_v a, nn_v b, const nn_ast *at); /* max, min */
#define B(name, statics, args, fn, doc)      nn_v nn_b_##fn(nn_trace *t, const nn_bcall *c);
#define EFFECT(name, statics, args, fn, doc) nn_v nn_b_##fn(nn_trace *t, const nn_bcall *c);
#define RAW(name, statics, args, fn, doc)    nn_v nn_b_##fn(nn_trace *t, const nn_bcall *c);
#define TREE(name, statics, args, fn, doc)   nn_v nn_b_##fn(nn_trace *t, const nn_bcall *c);
#define CONSTANT(name, fn, doc)              nn_v nn_c_##fn(nn_trace *t);
#include "frontend/nn/builtins.def"
nn_v nn_b_train_rows(nn_trace *t, const nn_bcall *c);
nn_v nn_b_train_order(nn_trace *t, const nn_bcall *c);
#endif
