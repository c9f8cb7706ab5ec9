/* ir/infer_fn.h - inside ir/: the functions behind the `infer` column of ops.def, and what they share.
 *
 * Each gets a complete op (operands, attributes, regions, a result type of which only the part that the column calls
 * `given` matters) and writes the result types.  Records are copied, never pointed to: making a type may move them. */
#ifndef NNC_IR_INFER_FN_H
#define NNC_IR_INFER_FN_H
#include "ir/infer.h"

typedef nnc_status nnc_infer_fn(nnc_module *m, nnc_op op, nnc_type *out);
nnc_infer_fn nnc_infer_none, nnc_infer_given, nnc_infer_same, nnc_infer_pred, nnc_infer_broadcast,
    nnc_infer_compare, nnc_infer_select, nnc_infer_cast, nnc_infer_transpose, nnc_infer_pad,
    nnc_infer_concat, nnc_infer_gather, nnc_infer_gather_elements, nnc_infer_gather_nd,
    nnc_infer_reduce, nnc_infer_argreduce, nnc_infer_window, nnc_infer_window_arg, nnc_infer_dot,
    nnc_infer_conv, nnc_infer_all_same, nnc_infer_topk, nnc_infer_compact, nnc_infer_nms,
    nnc_infer_fold_key, nnc_infer_quantize, nnc_infer_dequantize, nnc_infer_grad, nnc_infer_vjp,
    nnc_infer_jvp;

/* custom_grad: part of nnc_infer_none. */
nnc_infer_fn nnc_infer_custom_grad;

/* "conv: " and the text, at the op; returns NNC_ERR. */
nnc_status nnc_infer_error(nnc_module *m, nnc_op op, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* The text of a type, or of an operand's. */
const char *nnc_infer_text(nnc_module *m, nnc_op op, unsigned operand);

/* The record of operand i, checked to be a tensor. */
nnc_status nnc_infer_tensor(nnc_module *m, nnc_op op, unsigned i, nnc_type_rec *out);
/* Operand i is a tensor of this dtype (none: any) and rank (< 0: any). */
nnc_status nnc_infer_operand(nnc_module *m, nnc_op op, unsigned i, nnc_dtype dt, int rank,
                             const char *what);
/* The attribute `key` as an axis: 0 <= axis < rank. */
nnc_status nnc_infer_axis(nnc_module *m, nnc_op op, nnc_word key, int rank, int *axis);
/* An integer list with exactly `want` entries. */
nnc_status nnc_infer_ints(nnc_module *m, nnc_op op, nnc_word key, unsigned want, int64_t *out);
/* A list of distinct axes below rank; *n of them. */
nnc_status nnc_infer_axes(nnc_module *m, nnc_op op, nnc_word key, int rank, unsigned *n,
                          int64_t *out);

/* Operand 0 is a key, or a tensor of keys: u32[b.., 2]. */
nnc_status nnc_infer_key(nnc_module *m, nnc_op op, nnc_type_rec *key);

/* Dimensions that are equal, or may be: the constant, else the first, goes to *out. */
bool nnc_dim_meet(nnc_dims *t, nnc_dim a, nnc_dim b, nnc_dim *out);
/* d + v for any integer v. */
nnc_dim nnc_dim_shift(nnc_dims *t, nnc_dim d, int64_t v);
/* Same kind, dtype, rank, lanes, and dimensions that may be equal. */
bool nnc_type_compatible(nnc_module *m, nnc_type a, nnc_type b);
#endif
