/* frontend/nn/number.h - the inside of operators: what number.c, tree.c and matmul.c share. */
#ifndef NNC_FRONTEND_NN_NUMBER_H
#define NNC_FRONTEND_NN_NUMBER_H
#include "frontend/nn/trace.h"

int nn_kind_of(nnc_dtype dt); /* 0 bool, 1 integer, 2 float */
/* One G op on promoted operands, with labels; comparisons are never weak. */
nn_v nn_apply(nn_trace *t, nnc_opcode code, nn_v a, nn_v b, const nn_ast *at);
const nn_label *const *nn_merge_labels(nn_trace *t, nn_v a, nn_v b);
/* Records and lists of other things than numbers: operators go leaf by leaf. */
bool nn_is_leafwise(nn_v v);
nn_v nn_binary_tree(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at);
nn_v nn_compare_text(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at);
#endif
