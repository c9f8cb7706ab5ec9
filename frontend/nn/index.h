/* frontend/nn/index.h - private to index*.c: slots of `x[..]` as values, and as places of one tensor.
 *
 * The slots are evaluated once (nn_slots_read); then every leaf of the base resolves them against its own shape
 * (nn_places_resolve).  A place says for one axis which elements are meant. */
#ifndef NNC_FRONTEND_NN_INDEX_H
#define NNC_FRONTEND_NN_INDEX_H
#include "frontend/nn/builtin.h"

typedef enum {
    NN_S_item,  /* v: an integer, a range, a tensor, a mask */
    NN_S_all,   /* : */
    NN_S_new,   /* _ */
    NN_S_rest,  /* .. */
    NN_S_from,  /* v.. by step */
    NN_S_to,    /* ..v by step */
    NN_S_label, /* name = v */
} nn_slot_kind;
typedef struct nn_item { /* one slot, evaluated */
    uint8_t kind;
    nn_v v, step;
    nnc_sym name;
    const nn_ast *at;
} nn_item;
enum { NN_MAX_SLOT = 2 * NNC_MAX_RANK };
typedef struct nn_items {
    unsigned n;
    nn_item at[NN_MAX_SLOT];
    const nn_ast *node;
} nn_items;
void nn_slots_read(nn_trace *t, const nn_ast *at_node, nn_items *out);

typedef enum {
    NN_P_all,    /* the whole axis */
    NN_P_new,    /* an axis of 1 that the base does not have */
    NN_P_int,    /* one element at `start`, known while compiling; the axis disappears */
    NN_P_block,  /* start, step, size */
    NN_P_pick,   /* one element at the run-time scalar `index` */
    NN_P_window, /* `size` elements from the run-time scalar `index` on, by step */
    NN_P_run,    /* elements index, index + step, ..: `count` of them (run time), at most `size` */
    NN_P_list    /* integer tensor `index` */
} nn_place_kind;
typedef struct nn_place {
    uint8_t kind;
    int axis; /* of the base; -1: new */
    nnc_dim start, size;
    int64_t step;
    nnc_value index, count; /* i64 or i32; i64 */
    const nn_ast *at;
} nn_place;
typedef struct nn_places {
    unsigned n; /* every axis of the base occurs once, in order */
    nn_place at[NN_MAX_SLOT];
    unsigned mask_rank; /* > 0: `mask` covers the first axes, whose places are `all` */
    nn_v mask;
    const nn_ast *mask_at;
} nn_places;
/* Labels must have been selected before. */
void nn_places_resolve(nn_trace *t, nn_v base, const nn_items *items, nn_places *out);
/* base[places], without the mask. */
nn_v nn_places_read(nn_trace *t, nn_v base, const nn_places *p);
/* The rows of base where the mask is true: its axes become one. */
nn_v nn_index_masked(nn_trace *t, nn_v base, const nn_places *p);
/* i64[common.., k]: the k indices of every gathered element; their common shape. */
nnc_value nn_index_tuples(nn_trace *t, const nn_places *p, nn_shape *common);
/* The shape that base[places] has, without the mask; runs have their bound. */
nn_shape nn_places_shape(nn_trace *t, nn_v base, const nn_places *p);
/* The first `count` along axis 0 of x; one symbol for one count. */
nn_v nn_prefix_of(nn_trace *t, nn_v x, nnc_value count, int axis, nnc_dim most);
/* Computed in the same way from the same values? */
bool nn_same_value(nn_trace *t, nnc_value a, nnc_value b);
/* Rank-0 i64. */
nnc_value nn_scalar_i64(nn_trace *t, nnc_value v);
nnc_value nn_int_op(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b); /* i64 */
nnc_value nn_i64(nn_trace *t, int64_t v);
/* to - from, when it does not depend on the run. */
bool nn_known_difference(nn_trace *t, nnc_value from, nnc_value to, nnc_dim *out);
#endif
