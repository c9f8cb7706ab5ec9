/* frontend/onnx/body.h - what If, Loop and Scan share: regions that are imported before their op can be made.
 *
 * The op proper wants the types of its results when it is made, which are only known once the body is imported.  So
 * bodies go into a container op, and their ops move over afterwards. */
#ifndef NNC_FRONTEND_ONNX_BODY_H
#define NNC_FRONTEND_ONNX_BODY_H
#include "frontend/onnx/import_cx.h"

/* A body with block arguments (i, state..) in a container; out: what its graph yields. */
typedef struct nnc_body {
    nnc_op box;
    nnc_block block;
    nnc_val *out;
} nnc_body;

/* Continue in block b; returns the builder to go back to. */
nnc_builder nnc_body_enter(nnc_onnx_cx *cx, nnc_block b);
nnc_op nnc_body_box(nnc_onnx_cx *cx, unsigned nregion);
void nnc_body_move(nnc_onnx_cx *cx, nnc_block from, nnc_block to);
/* Move the body into region `to`; arg[k] stands for the body's argument k there. */
void nnc_body_adopt(nnc_onnx_cx *cx, nnc_body *b, nnc_block to, const nnc_value *arg);
/* A result of the body as it is called after the move: an argument that is passed through was
 * replaced. */
nnc_value nnc_body_result(nnc_onnx_cx *cx, const nnc_body *b, const nnc_value *arg, nnc_value v);

/* Does a dimension depend on a symbol numbered `from` or later (made inside of the body)? */
bool nnc_body_dim_is_inner(nnc_onnx_cx *cx, nnc_dim d, uint32_t from);
bool nnc_body_type_is_inner(nnc_onnx_cx *cx, nnc_value v, uint32_t from);
bool nnc_body_same_type(nnc_onnx_cx *cx, nnc_value x, nnc_value y);
/* Rank 0 from one element, or a diagnostic naming `what`. */
nnc_status nnc_body_scalar(nnc_onnx_cx *cx, nnc_value *v, const char *what);
#endif
