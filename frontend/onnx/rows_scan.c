/* frontend/onnx/rows_scan.c - Scan: a `scan` on operands with the scanned axis in front. */
#include "frontend/onnx/body.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

/* x with `axis` in front (back: from the front to `axis`). */
static nnc_value axis_first(nnc_onnx_cx *cx, nnc_value x, int axis, bool back)
{
    int64_t perm[NNC_MAX_RANK];
    int n = 0, rank = nnc_cx_rank(cx, x);
    if (axis == 0)
        return x;
    if (!back) {
        perm[n++] = axis;
        for (int i = 0; i < rank; i++)
            if (i != axis)
                perm[n++] = i;
    } else {
        for (int i = 0; i < rank; i++)
            perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
    }
    return nnc_g_transpose(&cx->b, x, perm);
}

static int64_t entry(const nnc_onnx_cx *cx, const char *attr, uint32_t i)
{
    uint32_t n;
    const int64_t *at = nnc_onnx_node_ints(cx->node, attr, &n);
    return at && i < n ? at[i] : 0;
}

struct scan {
    const nnc_onnx_graph *body;
    uint32_t nstate, nx, ny;
    nnc_dim trips;
};

/* in: states, then scanned operands with the scanned axis in front; out: states, stacked outputs. */
static nnc_status build_scan(nnc_onnx_cx *cx, const struct scan *s, const nnc_value *in,
                             nnc_value *out)
{
    uint32_t nin = s->nstate + s->nx, nout = s->nstate + s->ny, inner = nnc_dim_nsymbol(cx->dims);
    nnc_body b = {nnc_body_box(cx, 1), {0}, nnc_arena_array(cx->a, nout + 1, sizeof(nnc_val))};
    nnc_val *arg = nnc_arena_array(cx->a, nin + 1, sizeof *arg);
    nnc_value *to_arg = nnc_arena_array(cx->a, nin + 2, sizeof *to_arg);
    nnc_type *ys = nnc_arena_array(cx->a, s->ny + 1, sizeof *ys);

    b.block = nnc_op_region(cx->m, b.box, 0);
    nnc_block_add_arg(cx->m, b.block, nnc_type_tensor(cx->m, NNC_DT_i64, 0, NULL), "i");
    for (uint32_t k = 0; k < nin; k++) {
        nnc_type_rec ty = nnc_cx_ty(cx, in[k]);
        nnc_type t = k < s->nstate
                         ? nnc_value_type(cx->m, in[k])
                         : nnc_type_tensor(cx->m, (nnc_dtype)ty.dtype, ty.rank - 1, ty.dim + 1);
        arg[k] = tensor(
            nnc_block_add_arg(cx->m, b.block, t, nnc_onnx_name(cx->model, s->body->in[k].name)));
    }
    nnc_builder outer = nnc_body_enter(cx, b.block);
    nnc_status st = nnc_cx_subgraph(cx, s->body, arg, b.out);
    cx->b = outer;
    NNC_TRY(st);
    for (uint32_t k = 0; k < nout; k++) {
        if (b.out[k].kind != NNC_VAL_tensor)
            return nnc_cx_error(cx, "output %u of the body is not a tensor", k);
        if (k < s->nstate && !nnc_body_same_type(cx, b.out[k].v, in[k]))
            return nnc_cx_error(cx, "state %u changes from %s to %s in a round", k,
                                nnc_cx_type_text(cx, in[k]), nnc_cx_type_text(cx, b.out[k].v));
        if (nnc_body_type_is_inner(cx, b.out[k].v, inner) ||
            nnc_cx_rank(cx, b.out[k].v) == NNC_MAX_RANK)
            return nnc_cx_error(cx,
                                "output %u of the body is %s, whose size depends on data or whose "
                                "rank is too large to be stacked",
                                k, nnc_cx_type_text(cx, b.out[k].v));
        if (k >= s->nstate)
            ys[k - s->nstate] = nnc_value_type(cx->m, b.out[k].v);
    }
    nnc_op op = nnc_g_scan(&cx->b, s->trips, s->nstate, nin, in, s->ny, ys);
    nnc_block to = nnc_op_region(cx->m, op, 0);
    for (uint32_t k = 0; k <= nin; k++)
        to_arg[k] = nnc_block_arg(cx->m, to, k);
    nnc_body_adopt(cx, &b, to, to_arg);
    for (uint32_t k = 0; k < nout; k++)
        out[k] = nnc_body_result(cx, &b, to_arg, b.out[k].v);
    outer = nnc_body_enter(cx, to);
    nnc_build_yield(&cx->b, nout, out);
    cx->b = outer;
    nnc_op_erase(cx->m, b.box);
    nnc_g_finish(&cx->b, op);
    for (uint32_t k = 0; k < nout; k++)
        out[k] = nnc_op_out(cx->m, op, k);
    return NNC_OK;
}

static nnc_status read_scan(nnc_onnx_cx *cx, uint32_t nin, struct scan *s)
{
    int64_t nx = nnc_onnx_node_int(cx->node, "num_scan_inputs", 0);
    s->body = nnc_onnx_node_graph(cx->node, "body");
    if (!s->body)
        return nnc_cx_error(cx, "attribute body is missing");
    if (nx < 1 || nx > nin || s->body->nin != nin)
        return nnc_cx_error(
            cx,
            "num_scan_inputs is %lld and the body has %u inputs, which does not fit the node's %u",
            (long long)nx, s->body->nin, nin);
    s->nx = (uint32_t)nx;
    s->nstate = nin - s->nx;
    if (s->body->nout < s->nstate || cx->nout > s->body->nout)
        return nnc_cx_error(cx, "the body has %u outputs for %u states and the node %u",
                            s->body->nout, s->nstate, cx->nout);
    s->ny = s->body->nout - s->nstate;
    return NNC_OK;
}

nnc_status nnc_row_scan(nnc_onnx_cx *cx)
{
    struct scan s;
    nnc_value *in, *out;
    int axis;

    NNC_TRY(read_scan(cx, cx->nin, &s));
    in = nnc_arena_array(cx->a, cx->nin + 1, sizeof *in);
    out = nnc_arena_array(cx->a, s.body->nout + 1, sizeof *out);
    for (uint32_t k = 0; k < cx->nin; k++) {
        if (nnc_cx_val(cx, k)->kind != NNC_VAL_tensor)
            return nnc_cx_error(cx, "operand %u is not a tensor", k);
        in[k] = nnc_cx_in(cx, k);
        if (k < s.nstate)
            continue;
        uint32_t x = k - s.nstate;
        NNC_TRY(nnc_cx_axis(cx, entry(cx, "scan_input_axes", x), nnc_cx_rank(cx, in[k]),
                            "scan_input_axes entry", &axis));
        in[k] = axis_first(cx, in[k], axis, false);
        if (entry(cx, "scan_input_directions", x))
            in[k] = nnc_g_flip(&cx->b, in[k], 0);
        nnc_dim n = nnc_cx_dim(cx, in[k], 0);
        if (x == 0)
            s.trips = n;
        NNC_TRY(nnc_cx_same_dim(cx, s.trips, n, "lengths of the scanned operands", &s.trips));
    }
    NNC_TRY(build_scan(cx, &s, in, out));
    for (uint32_t k = 0; k < cx->nout; k++) {
        uint32_t y = k - s.nstate;
        if (k >= s.nstate && entry(cx, "scan_output_directions", y))
            out[k] = nnc_g_flip(&cx->b, out[k], 0);
        if (k >= s.nstate) {
            NNC_TRY(nnc_cx_axis(cx, entry(cx, "scan_output_axes", y), nnc_cx_rank(cx, out[k]),
                                "scan_output_axes entry", &axis));
            out[k] = axis_first(cx, out[k], axis, true);
        }
        nnc_cx_set(cx, k, out[k]);
    }
    return NNC_OK;
}

/* Opset 8: everything has a batch in front and sequences of their own lengths.  A scan over the batch around the
 * scan over time. */
nnc_status nnc_row_scan_batch(nnc_onnx_cx *cx)
{
    struct scan s;
    uint32_t nin = cx->nin ? cx->nin - 1 : 0;
    nnc_dim batch = 0;

    if (nnc_cx_has(cx, 0))
        return nnc_cx_error(
            cx, "sequence_lens is not supported; use opset 9 or newer and mask in the body");
    NNC_TRY(read_scan(cx, nin, &s));
    nnc_value *in = nnc_arena_array(cx->a, nin + 1, sizeof *in),
              *out = nnc_arena_array(cx->a, s.body->nout + 1, sizeof *out);
    for (uint32_t k = 0; k < nin; k++) {
        in[k] = nnc_cx_in(cx, k + 1);
        if (!in[k].id || nnc_cx_rank(cx, in[k]) < (k < s.nstate ? 1 : 2))
            return nnc_cx_error(cx, "operand %u has no batch and sequence axes", k + 1);
        batch = k ? batch : nnc_cx_dim(cx, in[0], 0);
        NNC_TRY(nnc_cx_same_dim(cx, batch, nnc_cx_dim(cx, in[k], 0), "batch sizes", &batch));
        if (k == s.nstate)
            s.trips = nnc_cx_dim(cx, in[k], 1);
        if (k >= s.nstate)
            NNC_TRY(nnc_cx_same_dim(cx, s.trips, nnc_cx_dim(cx, in[k], 1),
                                    "lengths of the scanned operands", &s.trips));
    }
    /* the results of one sequence are only typed once built: build in a container, then move */
    nnc_body b = {nnc_body_box(cx, 1), {0}, NULL};
    nnc_value *arg = nnc_arena_array(cx->a, nin + 2, sizeof *arg),
              *one = nnc_arena_array(cx->a, nin + 1, sizeof *one);
    b.block = nnc_op_region(cx->m, b.box, 0);
    nnc_block_add_arg(cx->m, b.block, nnc_type_tensor(cx->m, NNC_DT_i64, 0, NULL), "i");
    for (uint32_t k = 0; k < nin; k++) {
        nnc_type_rec ty = nnc_cx_ty(cx, in[k]);
        one[k] = nnc_block_add_arg(
            cx->m, b.block, nnc_type_tensor(cx->m, (nnc_dtype)ty.dtype, ty.rank - 1, ty.dim + 1),
            "");
    }
    nnc_builder outer = nnc_body_enter(cx, b.block);
    for (uint32_t k = s.nstate; k < nin; k++)
        if (entry(cx, "directions", k - s.nstate))
            one[k] = nnc_g_flip(&cx->b, one[k], 0);
    nnc_status st = build_scan(cx, &s, one, out);
    cx->b = outer;
    NNC_TRY(st);
    nnc_type *ys = nnc_arena_array(cx->a, s.body->nout + 1, sizeof *ys);
    for (uint32_t k = 0; k < s.body->nout; k++)
        ys[k] = nnc_value_type(cx->m, out[k]);
    nnc_op op = nnc_g_scan(&cx->b, batch, 0, nin, in, s.body->nout, ys);
    nnc_block to = nnc_op_region(cx->m, op, 0);
    for (uint32_t k = 0; k <= nin; k++)
        arg[k] = nnc_block_arg(cx->m, to, k);
    nnc_body_adopt(cx, &b, to, arg);
    nnc_body_enter(cx, to);
    nnc_build_yield(&cx->b, s.body->nout, out);
    cx->b = outer;
    nnc_op_erase(cx->m, b.box);
    nnc_g_finish(&cx->b, op);
    for (uint32_t k = 0; k < cx->nout; k++)
        nnc_cx_set(cx, k, nnc_op_out(cx->m, op, k));
    return NNC_OK;
}
