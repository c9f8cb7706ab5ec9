/* The walk over a body, and what all rows share.
 *
 * Ops that read nothing of the lane are copied as they are, once for all lanes. */
#include "passes/batch/lanes.h"
#include <assert.h>
#include <string.h>
#include "ir/infer.h"

nnc_lane_value nnc_lane_get(const nnc_lanes *x, nnc_value old)
{
    if (old.id < x->nmap && x->map[old.id].id)
        return (nnc_lane_value){x->map[old.id], x->batched[old.id]};
    return (nnc_lane_value){old, false};
}

void nnc_lane_set(nnc_lanes *x, nnc_value old, nnc_value v, bool batched)
{
    assert(old.id < x->nmap);
    x->map[old.id] = v;
    x->batched[old.id] = batched;
    if (nnc_value_op(x->m, v).id && !*nnc_value_name(x->m, v))
        nnc_value_set_name(x->m, v, nnc_value_name(x->m, old));
}

bool nnc_lane_fail(nnc_lanes *x, const char *why)
{
    if (!x->why)
        x->why = why;
    return false;
}

nnc_type nnc_lane_type(nnc_lanes *x, nnc_type t)
{
    nnc_type_rec r = *nnc_type_get(x->m, t);
    memmove(r.dim + 1, r.dim, r.rank * sizeof r.dim[0]);
    r.dim[0] = x->n;
    return nnc_type_tensor(x->m, (nnc_dtype)r.dtype, r.rank + 1, r.dim);
}

nnc_value nnc_lane_full(nnc_lanes *x, nnc_lane_value v)
{
    if (v.batched)
        return v.v;
    nnc_type_rec r = *nnc_type_get(x->m, nnc_lane_type(x, nnc_value_type(x->m, v.v)));
    return nnc_g_broadcast(&x->b, v.v, r.rank, r.dim);
}

nnc_value nnc_lane_in_full(nnc_lanes *x, nnc_op op, unsigned i)
{
    return nnc_lane_full(x, nnc_lane_in(x, op, i));
}

nnc_value nnc_lane_align(nnc_lanes *x, nnc_lane_value v, int rank, int tail)
{
    nnc_type_rec r = *nnc_value_ty(x->m, v.v);
    int own = r.rank - 1 - tail, more = rank - own;
    if (!v.batched || more <= 0)
        return v.v;
    memmove(r.dim + 1 + more, r.dim + 1, (size_t)(own + tail) * sizeof r.dim[0]);
    for (int i = 0; i < more; i++)
        r.dim[1 + i] = 1;
    return nnc_g_reshape(&x->b, v.v, r.rank + more, r.dim);
}

nnc_value nnc_lane_move(nnc_lanes *x, nnc_value v, int from, int to)
{
    int64_t perm[NNC_MAX_RANK];
    int rank = nnc_value_ty(x->m, v)->rank, k = 0;
    for (int i = 0; i < rank; i++) {
        k += k == from;
        perm[i] = i == to ? from : k++;
    }
    return nnc_g_transpose(&x->b, v, perm);
}

nnc_value nnc_lane_iota(nnc_lanes *x)
{
    return nnc_g_iota(&x->b, NNC_DT_i64, 1, &x->n, 0);
}

nnc_op nnc_lane_op(nnc_lanes *x, nnc_op like, unsigned nin, const nnc_value *in, nnc_type guess)
{
    nnc_type out[8];
    unsigned n = nnc_op_nout(x->m, like);
    assert(n <= 8);
    for (unsigned i = 0; i < n; i++)
        out[i] = guess;
    nnc_op op = nnc_build_op(&x->b, nnc_op_code(x->m, like), nin, in, n, out);
    nnc_attr_copy(x->m, op, like);
    return op;
}

nnc_value nnc_lane_finish(nnc_lanes *x, nnc_op op)
{
    nnc_type out[8];
    if (nnc_infer(x->m, op, out) == NNC_OK)
        for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
            nnc_value_set_type(x->m, nnc_op_out(x->m, op, i), out[i]);
    return nnc_op_out(x->m, op, 0);
}

bool nnc_lane_elementwise(nnc_lanes *x, nnc_op op)
{
    unsigned n = nnc_op_nin(x->m, op);
    nnc_value in[8];
    int rank = 0;
    for (unsigned i = 0; i < n; i++) {
        nnc_lane_value v = nnc_lane_in(x, op, i);
        int r = nnc_value_ty(x->m, v.v)->rank - v.batched;
        rank = r > rank ? r : rank;
    }
    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_lane_align(x, nnc_lane_in(x, op, i), rank, 0);
    nnc_op to = nnc_lane_op(x, op, n, in, nnc_value_type(x->m, nnc_op_out(x->m, op, 0)));
    return nnc_lane_done(x, op, nnc_lane_finish(x, to));
}

/* ---- the walk ---- */

static bool op_reads(const nnc_lanes *x, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++)
        if (nnc_lane_in(x, op, i).batched)
            return true;
    for (unsigned i = 0; i < nnc_op_nregion(x->m, op); i++)
        if (nnc_lane_reads(x, nnc_op_region(x->m, op, i)))
            return true;
    return false;
}

bool nnc_lane_reads(const nnc_lanes *x, nnc_block b)
{
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op))
        if (op_reads(x, op))
            return true;
    return false;
}

/* Does running the op do more than make its results?  (A `leaf` is no effect: it only must not be shared.) */
static bool has_effect(const nnc_lanes *x, nnc_op op)
{
    nnc_opcode code = nnc_op_code(x->m, op);
    if (!nnc_op_nregion(x->m, op))
        return code != NNC_OP_leaf && !nnc_op_has(x->m, op, NNC_PURE);
    for (unsigned i = 0; i < nnc_op_nregion(x->m, op); i++)
        for (nnc_op in = nnc_block_first(x->m, nnc_op_region(x->m, op, i)); in.id;
             in = nnc_op_next(x->m, in))
            if (!nnc_op_has(x->m, in, NNC_TERMINATOR) && has_effect(x, in))
                return true;
    return false;
}

static bool dispatch(nnc_lanes *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_reshape:
    case NNC_OP_transpose:
    case NNC_OP_broadcast:
    case NNC_OP_slice:
    case NNC_OP_pad:
    case NNC_OP_concat:
    case NNC_OP_prefix: return nnc_lane_views(x, op);
    case NNC_OP_gather:
    case NNC_OP_gather_elements:
    case NNC_OP_gather_nd:
    case NNC_OP_scatter_elements:
    case NNC_OP_scatter_nd: return nnc_lane_gathers(x, op);
    case NNC_OP_dynamic_slice:
    case NNC_OP_dynamic_update_slice: return nnc_lane_windows(x, op);
    case NNC_OP_reduce:
    case NNC_OP_argreduce:
    case NNC_OP_cumulate:
    case NNC_OP_window_reduce:
    case NNC_OP_window_argmax:
    case NNC_OP_sort:
    case NNC_OP_topk:
    case NNC_OP_softmax:
    case NNC_OP_log_softmax:
    case NNC_OP_layer_norm: return nnc_lane_axis(x, op);
    case NNC_OP_compact: return nnc_lane_compact(x, op);
    case NNC_OP_quantize:
    case NNC_OP_dequantize: return nnc_lane_quantize(x, op);
    case NNC_OP_rng_bits:
    case NNC_OP_fold_key: return nnc_lane_keys(x, op);
    case NNC_OP_dot: return nnc_lane_dot(x, op);
    case NNC_OP_conv: return nnc_lane_conv(x, op);
    case NNC_OP_if: return nnc_lane_if(x, op);
    case NNC_OP_scan: return nnc_lane_scan(x, op);
    case NNC_OP_custom_grad: return nnc_lane_custom_grad(x, op);
    case NNC_OP_leaf:
    case NNC_OP_stop_grad: return nnc_lane_elementwise(x, op);
    case NNC_OP_while: return nnc_lane_fail(x, "a `while` that ends at another time in every turn");
    default:
        if (nnc_op_has(x->m, op, NNC_ELEMENTWISE))
            return nnc_lane_elementwise(x, op);
        return nnc_lane_fail(x, nnc_arena_printf(x->m->arena, "'%s' has no batched form",
                                                 nnc_op_infos[nnc_op_code(x->m, op)].name));
    }
}

/* One more axis must fit. */
static bool fits(nnc_lanes *x, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        if (nnc_value_ty(x->m, nnc_op_out(x->m, op, i))->rank >= NNC_MAX_RANK)
            return false;
    return true;
}

bool nnc_lane_block(nnc_lanes *x, nnc_block b)
{
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op)) {
        if (nnc_op_has(x->m, op, NNC_TERMINATOR))
            continue;
        if (has_effect(x, op))
            return nnc_lane_fail(x,
                                 nnc_arena_printf(x->m->arena, "'%s' has an effect in every turn",
                                                  nnc_op_infos[nnc_op_code(x->m, op)].name));
        if (!op_reads(x, op)) {
            for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
                x->batched[nnc_op_out(x->m, op, i).id] = false;
            nnc_op_clone(x->m, op, x->b.pos.block.id == x->top.id ? x->once.pos : x->b.pos, x->map,
                         x->nmap);
            continue;
        }
        x->b.loc = nnc_op_loc(x->m, op);
        if (!fits(x, op))
            return nnc_lane_fail(x, "a tensor with as many axes as there can be");
        if (!dispatch(x, op))
            return false;
    }
    return true;
}

bool nnc_lanes_run(nnc_lanes *x, nnc_op scan, nnc_value first, const nnc_value *xs, nnc_value *ys)
{
    nnc_module *m = x->m;
    nnc_block body = nnc_op_region(m, scan, 0);
    nnc_op end = nnc_block_last(m, body);
    nnc_value i = nnc_block_arg(m, body, 0);

    x->top = x->b.pos.block;
    x->nmap = m->value.n;
    x->map = nnc_arena_array(x->a, x->nmap, sizeof *x->map);
    x->batched = nnc_arena_array(x->a, x->nmap, sizeof *x->batched);
    if (nnc_value_nuse(m, i)) {
        nnc_value lane = nnc_lane_iota(x);
        nnc_lane_set(x, i, first.id ? nnc_g_binary(&x->b, NNC_OP_add, lane, first) : lane, true);
    }
    for (unsigned k = 0; k < nnc_op_nin(m, scan); k++)
        nnc_lane_set(x, nnc_block_arg(m, body, 1 + k), xs[k], true);
    if (!nnc_lane_block(x, body))
        return false;
    for (unsigned k = 0; k < nnc_op_nout(m, scan); k++)
        ys[k] = nnc_lane_in_full(x, end, k);
    return true;
}
