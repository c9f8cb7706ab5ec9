/* frontend/onnx/rows_trees.h - an ensemble of decision trees, and its walk. */
#ifndef NNC_FRONTEND_ONNX_ROWS_TREES_H
#define NNC_FRONTEND_ONNX_ROWS_TREES_H
#include "frontend/onnx/rows_ml.h"

/* Modes of nodes, numbered as in TreeEnsemble; ways to combine trees, too. */
enum {
    NNC_TREE_leq,
    NNC_TREE_lt,
    NNC_TREE_gte,
    NNC_TREE_gt,
    NNC_TREE_eq,
    NNC_TREE_neq,
    NNC_TREE_member,
    NNC_TREE_leaf
};
enum { NNC_TREE_average, NNC_TREE_sum, NNC_TREE_min, NNC_TREE_max };

/* Leaves are nodes as well and lead to themselves. */
typedef struct nnc_row_trees {
    nnc_onnx_cx *cx;
    uint32_t n, ntree, nleaf;           /* nodes, with leaves */
    int32_t *feature, *yes, *no, *leaf; /* leaf: its row of weights, -1 for inner nodes */
    double *value;
    uint8_t *mode, *missing; /* missing: NaN goes the way of a true condition */
    int32_t *root;
    int64_t targets;
    double *weight; /* [nleaf, targets] */
    bool *weighed;  /* has the leaf a weight for that target? */
    int depth;
    int32_t *level;   /* of each node, 1 for leaves; 0: no root leads there */
    uint32_t longest; /* members of the largest set */
    double *member;   /* [n, longest], filled with NaN */
} nnc_row_trees;

/* Sets depth and level; a node that leads back to itself is an error. */
nnc_status nnc_row_trees_measure(nnc_row_trees *t);
/* x [N, F] walked down all trees, the leaves' weights combined: [N, targets] in the type of x. */
nnc_value nnc_row_trees_aggregate(nnc_row_trees *t, nnc_value x, int how);
#endif
