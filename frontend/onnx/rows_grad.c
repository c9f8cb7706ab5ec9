/* frontend/onnx/rows_grad.c - Gradient (ai.onnx.preview.training): dy/dx of what the graph computed before.
 *
 * It is a vjp whose cotangent is ones; the pass autodiff replaces it.  A y that does not depend on an x gives zeros. */
#include "frontend/onnx/import_priv.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

static nnc_val named(nnc_onnx_cx *cx, const char *name)
{
    return nnc_import_lookup(cx, nnc_intern_put(cx->model->names, name, strlen(name)));
}

/* The values that attribute xs names, which must be the inputs of the node as well. */
static nnc_status variables(nnc_onnx_cx *cx, uint32_t n, const nnc_onnx_str *xs, nnc_value *v)
{
    for (uint32_t i = 0; i < n; i++) {
        nnc_val x = named(cx, xs[i].s);
        if (x.kind != NNC_VAL_tensor || i >= cx->nin || nnc_cx_in(cx, i).id != x.v.id)
            return nnc_cx_error(cx,
                                "input %u is not the tensor '%.80s' that attribute xs names; "
                                "evaluating the graph at other values is not supported",
                                i, xs[i].s);
        if (!nnc_dtype_is_float(nnc_cx_dtype(cx, x.v)))
            return nnc_cx_error(cx, "'%.80s' is %s, expected floating point", xs[i].s,
                                nnc_cx_type_text(cx, x.v));
        v[i] = x.v;
    }
    return NNC_OK;
}

nnc_status nnc_row_gradient(nnc_onnx_cx *cx)
{
    uint32_t n;
    const nnc_onnx_str *xs = nnc_onnx_node_strs(cx->node, "xs", &n);
    nnc_val y = named(cx, nnc_onnx_node_str(cx->node, "y", ""));
    nnc_value *leaf = nnc_arena_array(cx->a, n + 1u, sizeof *leaf), ones;
    nnc_op grad;

    if (y.kind != NNC_VAL_tensor)
        return nnc_cx_bad_attr(cx, "y", "the name of a tensor that was computed before");
    if (!nnc_dtype_is_float(nnc_cx_dtype(cx, y.v)))
        return nnc_cx_error(cx, "y is %s, expected floating point", nnc_cx_type_text(cx, y.v));
    if (!n)
        return nnc_cx_bad_attr(cx, "xs", "the names of the tensors to differentiate by");
    NNC_TRY(variables(cx, n, xs, leaf));
    nnc_type_rec ty = nnc_cx_ty(cx, y.v);
    ones = nnc_cx_full(cx, nnc_cx_like(cx, y.v, 1), ty.rank, ty.dim);
    grad = nnc_g_vjp(&cx->b, 1, &y.v, &ones, n, leaf);
    nnc_attr_set_word(cx->m, grad, NNC_W_mode, NNC_W_zero);
    for (uint32_t i = 0; i < n && i < cx->nout; i++)
        nnc_cx_set(cx, i, nnc_op_out(cx->m, grad, i));
    return NNC_OK;
}
