/* frontend/onnx/body.c - bodies of control flow: imported into a container op first, moved when types are known. */
#include "frontend/onnx/body.h"

bool nnc_body_same_type(nnc_onnx_cx *cx, nnc_value x, nnc_value y)
{
    return nnc_value_type(cx->m, x).id == nnc_value_type(cx->m, y).id;
}

nnc_status nnc_body_scalar(nnc_onnx_cx *cx, nnc_value *v, const char *what)
{
    if (nnc_type_count(cx->m, nnc_value_type(cx->m, *v)) != 1)
        return nnc_cx_error(cx, "%s is %s, expected a scalar", what, nnc_cx_type_text(cx, *v));
    *v = nnc_cx_scalar(cx, *v);
    return NNC_OK;
}

/* Continue in block b; returns the builder to go back to. */
nnc_builder nnc_body_enter(nnc_onnx_cx *cx, nnc_block b)
{
    nnc_builder outer = cx->b;
    cx->b = nnc_builder_at_end(cx->m, b);
    cx->b.loc = outer.loc;
    return outer;
}

nnc_op nnc_body_box(nnc_onnx_cx *cx, unsigned nregion)
{
    nnc_op op = nnc_build_op(&cx->b, NNC_OP_fused, 0, NULL, 0, NULL);
    for (unsigned i = 0; i < nregion; i++)
        nnc_op_add_region(cx->m, op);
    return op;
}

void nnc_body_move(nnc_onnx_cx *cx, nnc_block from, nnc_block to)
{
    for (nnc_op op = nnc_block_first(cx->m, from), next; op.id; op = next) {
        next = nnc_op_next(cx->m, op);
        nnc_op_move(cx->m, op, (nnc_pos){to, {0}});
    }
}

/* Does a dimension depend on a symbol numbered `from` or later (made inside of the body)? */
bool nnc_body_dim_is_inner(nnc_onnx_cx *cx, nnc_dim d, uint32_t from)
{
    uint32_t n;
    if (nnc_dim_is_const(d))
        return false;
    const nnc_dim_term *t = nnc_dim_terms(cx->dims, d, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t[i].natom; k++) {
            nnc_dim_atom a = nnc_dim_atom_get(cx->dims, t[i].atom[k]);
            if (a.op == '$'
                    ? (uint32_t)a.a >= from
                    : nnc_body_dim_is_inner(cx, a.a, from) || nnc_body_dim_is_inner(cx, a.b, from))
                return true;
        }
    return false;
}

bool nnc_body_type_is_inner(nnc_onnx_cx *cx, nnc_value v, uint32_t from)
{
    nnc_type_rec ty = nnc_cx_ty(cx, v);
    for (int i = 0; i < ty.rank; i++)
        if (nnc_body_dim_is_inner(cx, ty.dim[i], from))
            return true;
    return false;
}

/* Move the body into region `to`, whose arguments from `first` on stand for i and the state. */
void nnc_body_adopt(nnc_onnx_cx *cx, nnc_body *b, nnc_block to, const nnc_value *arg)
{
    for (unsigned k = 0; k < nnc_block_narg(cx->m, b->block); k++)
        nnc_value_replace(cx->m, nnc_block_arg(cx->m, b->block, k), arg[k]);
    nnc_body_move(cx, b->block, to);
}

/* A result of the body as it is called after the move: an argument that is passed through was replaced. */
nnc_value nnc_body_result(nnc_onnx_cx *cx, const nnc_body *b, const nnc_value *arg, nnc_value v)
{
    for (unsigned k = 0; k < nnc_block_narg(cx->m, b->block); k++)
        if (nnc_block_arg(cx->m, b->block, k).id == v.id)
            return arg[k];
    return v;
}
