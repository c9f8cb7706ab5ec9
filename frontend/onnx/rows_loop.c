/* frontend/onnx/rows_loop.c - Loop.
 *
 * A known number of rounds that nothing ends early is a `scan`; else a `while`, whose scan outputs are buffers of the
 * largest possible number of rounds, written at the counter and cut to it afterwards.  Loops that edit sequences, or whose
 * shapes change from round to round, are unrolled. */
#include "frontend/onnx/body.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

enum { MAX_UNROLL = 1024, MAX_SPREAD = 64 /* rounds of a body whose shapes change */ };

struct loop {
    const nnc_onnx_graph *body;
    uint32_t nstate, nscan;
    const nnc_val *init; /* nstate of them */
    bool has_limit, has_cond;
    nnc_value limit, cond; /* scalars */
    bool limit_known;
    nnc_dim rounds; /* limit_known: how often at most */
};

/* The bodies of some exporters declare their counter and condition as vectors of one. */
static nnc_val as_declared(nnc_onnx_cx *cx, const nnc_onnx_graph *g, uint32_t i, nnc_value v)
{
    const nnc_onnx_type *t = g->in[i].type;
    nnc_dim one = 1;
    return tensor(t && t->kind == NNC_ONNX_TY_tensor && t->has_shape && t->rank == 1
                      ? nnc_cx_reshape(cx, v, 1, &one)
                      : v);
}

/* One round at cx->b: state in, state out; out: condition, state, scan outputs. */
static nnc_status import_round(nnc_onnx_cx *cx, const struct loop *l, nnc_value i,
                               const nnc_val *state, nnc_val *out)
{
    nnc_val *in = nnc_arena_array(cx->a, l->body->nin + 1, sizeof *in);
    in[0] = as_declared(cx, l->body, 0, i);
    in[1] = as_declared(cx, l->body, 1, truth(cx, true)); /* a round only runs when it holds */
    memcpy(in + 2, state, l->nstate * sizeof *in);
    return nnc_cx_subgraph(cx, l->body, in, out);
}

static nnc_value stacked(nnc_onnx_cx *cx, uint32_t n, const nnc_value *v)
{
    nnc_value *part = nnc_arena_array(cx->a, n, sizeof *part);
    for (uint32_t i = 0; i < n; i++)
        part[i] = nnc_cx_expand_dim(cx, v[i], 0);
    return n == 1 ? part[0] : nnc_g_concat(&cx->b, n, part, 0);
}

static nnc_status unroll(nnc_onnx_cx *cx, const struct loop *l, const char *why)
{
    nnc_val *state = nnc_arena_array(cx->a, l->nstate + 1, sizeof *state), *out;
    NNC_BUF(nnc_value) *scan = nnc_arena_array(cx->a, l->nscan + 1, sizeof *scan);
    int64_t go = 1, limit = MAX_UNROLL + 1;

    if (l->has_cond && !nnc_cx_int(cx, l->cond, &go))
        return nnc_cx_error(
            cx, "%s, so the loop must be unrolled, but its condition is only known at run time",
            why);
    if (l->limit_known && nnc_dim_is_const(l->rounds) && l->rounds < limit)
        limit = l->rounds;
    else if (l->has_limit && !l->limit_known)
        return nnc_cx_error(
            cx,
            "%s, so the loop must be unrolled, but the number of rounds is only known at run time",
            why);
    memcpy(state, l->init, l->nstate * sizeof *state);
    for (int64_t i = 0; go && i < limit; i++) {
        if (i >= MAX_UNROLL)
            return nnc_cx_error(cx,
                                "%s, so the loop must be unrolled, but it has more than %d rounds",
                                why, MAX_UNROLL);
        out = nnc_arena_array(cx->a, l->body->nout + 1, sizeof *out);
        NNC_TRY(import_round(cx, l, i64(cx, i), state, out));
        if (out[0].kind != NNC_VAL_tensor || !nnc_cx_int(cx, out[0].v, &go))
            return nnc_cx_error(cx,
                                "%s, so the loop must be unrolled, but the condition of round %lld "
                                "is only known at run time",
                                why, (long long)i + 1);
        memcpy(state, out + 1, l->nstate * sizeof *state);
        for (uint32_t k = 0; k < l->nscan; k++) {
            nnc_val v = out[1 + l->nstate + k];
            if (v.kind != NNC_VAL_tensor)
                return nnc_cx_error(cx, "scan output %u of the body is not a tensor", k);
            if (nnc_cx_rank(cx, v.v) == NNC_MAX_RANK)
                return nnc_cx_error(cx, "scan output %u would have a rank over %d", k,
                                    NNC_MAX_RANK);
            if (scan[k].n && !nnc_body_same_type(cx, scan[k].at[0], v.v))
                return nnc_cx_error(cx,
                                    "scan output %u changes from %s to %s between rounds; they "
                                    "must be equal to be stacked",
                                    k, nnc_cx_type_text(cx, scan[k].at[0]),
                                    nnc_cx_type_text(cx, v.v));
            NNC_PUSH(cx->a, &scan[k], v.v);
        }
    }
    for (uint32_t k = 0; k < l->nstate; k++)
        nnc_cx_set_val(cx, k, state[k]);
    for (uint32_t k = 0; k < l->nscan; k++) {
        if (!scan[k].n)
            return nnc_cx_error(
                cx, "the loop has no rounds, so the shape of scan output %u is unknown", k);
        nnc_cx_set(cx, l->nstate + k, stacked(cx, scan[k].n, scan[k].at));
    }
    return NNC_OK;
}

static nnc_status import_body(nnc_onnx_cx *cx, const struct loop *l, nnc_body *b)
{
    nnc_val *state = nnc_arena_array(cx->a, l->nstate + 1, sizeof *state);
    b->box = nnc_body_box(cx, 1);
    b->block = nnc_op_region(cx->m, b->box, 0);
    b->out = nnc_arena_array(cx->a, l->body->nout + 1, sizeof *b->out);
    nnc_value i =
        nnc_block_add_arg(cx->m, b->block, nnc_type_tensor(cx->m, NNC_DT_i64, 0, NULL), "i");
    for (uint32_t k = 0; k < l->nstate; k++)
        state[k] = tensor(nnc_block_add_arg(cx->m, b->block, nnc_value_type(cx->m, l->init[k].v),
                                            nnc_onnx_name(cx->model, l->body->in[2 + k].name)));
    nnc_builder outer = nnc_body_enter(cx, b->block);
    nnc_status st = import_round(cx, l, i, state, b->out);
    cx->b = outer;
    return st;
}

/* Why the body cannot be a loop body of G, or NULL. */
static const char *misfit(nnc_onnx_cx *cx, const struct loop *l, const nnc_body *b, uint32_t inner)
{
    for (uint32_t k = 0; k < l->nstate; k++) {
        nnc_val v = b->out[1 + k];
        if (v.kind != NNC_VAL_tensor)
            return nnc_arena_printf(cx->a, "state %u becomes a sequence or an optional", k);
        if (!nnc_body_same_type(cx, v.v, l->init[k].v))
            return nnc_arena_printf(cx->a, "state '%s' changes from %s to %s in a round",
                                    nnc_onnx_name(cx->model, l->body->in[2 + k].name),
                                    nnc_cx_type_text(cx, l->init[k].v), nnc_cx_type_text(cx, v.v));
    }
    for (uint32_t k = 0; k < l->nscan; k++) {
        nnc_val v = b->out[1 + l->nstate + k];
        if (v.kind != NNC_VAL_tensor)
            return nnc_arena_printf(cx->a, "scan output %u is a sequence or an optional", k);
        if (nnc_body_type_is_inner(cx, v.v, inner))
            return nnc_arena_printf(cx->a, "the size of scan output %u depends on data", k);
    }
    return NULL;
}

static nnc_status loop_as_scan(nnc_onnx_cx *cx, const struct loop *l, nnc_body *b)
{
    uint32_t n = l->nstate + l->nscan;
    nnc_value *in = nnc_arena_array(cx->a, n + 1, sizeof *in),
              *arg = nnc_arena_array(cx->a, n + 2, sizeof *arg);
    nnc_type *ys = nnc_arena_array(cx->a, l->nscan + 1, sizeof *ys);

    for (uint32_t k = 0; k < l->nstate; k++)
        in[k] = l->init[k].v;
    for (uint32_t k = 0; k < l->nscan; k++)
        ys[k] = nnc_value_type(cx->m, b->out[1 + l->nstate + k].v);
    nnc_op op = nnc_g_scan(&cx->b, l->rounds, l->nstate, l->nstate, in, l->nscan, ys);
    nnc_block to = nnc_op_region(cx->m, op, 0);
    for (uint32_t k = 0; k <= l->nstate; k++)
        arg[k] = nnc_block_arg(cx->m, to, k);
    nnc_body_adopt(cx, b, to, arg);
    for (uint32_t k = 0; k < n; k++)
        in[k] = nnc_body_result(cx, b, arg, b->out[1 + k].v);
    nnc_builder outer = nnc_body_enter(cx, to);
    nnc_build_yield(&cx->b, n, in);
    cx->b = outer;
    nnc_op_erase(cx->m, b->box);
    nnc_g_finish(&cx->b, op);
    for (uint32_t k = 0; k < n; k++)
        nnc_cx_set(cx, k, nnc_op_out(cx->m, op, k));
    return NNC_OK;
}

/* How many rounds the buffers of scan outputs must hold: the limit, or what the node declares. */
static nnc_status buffer_rounds(nnc_onnx_cx *cx, const struct loop *l, nnc_dim *rounds,
                                bool *declared)
{
    nnc_type_rec want;
    *declared = false;
    if (l->limit_known) {
        *rounds = nnc_dim_hi(cx->dims, l->rounds);
        if (*rounds < 1 << 24)
            return NNC_OK;
    }
    for (uint32_t k = 0; k < l->nscan; k++)
        if (nnc_cx_declared(cx, l->nstate + k, &want) && want.rank) {
            *rounds = want.dim[0];
            *declared = true;
            return NNC_OK;
        }
    return nnc_cx_error(cx,
                        "the number of rounds is only known at run time, so the size of scan "
                        "output '%s' has no bound; give "
                        "the loop a constant maximum trip count, or declare the output's shape",
                        nnc_onnx_name(cx->model, nnc_onnx_node_out(cx->node, l->nstate)));
}

static nnc_status loop_as_while(nnc_onnx_cx *cx, const struct loop *l, nnc_body *b)
{
    uint32_t n = 2 + l->nstate + l->nscan;
    nnc_value *v = nnc_arena_array(cx->a, n + 1, sizeof *v),
              *arg = nnc_arena_array(cx->a, n + 1, sizeof *arg);
    nnc_dim rounds = 0, shared = 0;
    bool declared = false;

    if (l->nscan)
        NNC_TRY(buffer_rounds(cx, l, &rounds, &declared));
    v[0] = i64(cx, 0);
    v[1] = l->has_cond ? l->cond : truth(cx, true);
    for (uint32_t k = 0; k < l->nstate; k++)
        v[2 + k] = l->init[k].v;
    for (uint32_t k = 0; k < l->nscan; k++) {
        nnc_type_rec ty = nnc_cx_ty(cx, b->out[1 + l->nstate + k].v);
        memmove(ty.dim + 1, ty.dim, ty.rank * sizeof *ty.dim);
        ty.dim[0] = rounds;
        v[2 + l->nstate + k] =
            nnc_cx_full(cx, nnc_cx_num(cx, (nnc_dtype)ty.dtype, 0), ty.rank + 1, ty.dim);
    }
    nnc_op op = nnc_g_while(&cx->b, n, v);
    nnc_block cond = nnc_op_region(cx->m, op, 0), step = nnc_op_region(cx->m, op, 1);

    nnc_builder outer = nnc_body_enter(cx, cond);
    nnc_value go = nnc_block_arg(cx->m, cond, 1);
    if (l->has_limit)
        go = op2(cx, NNC_OP_and, go, op2(cx, NNC_OP_lt, nnc_block_arg(cx->m, cond, 0), l->limit));
    nnc_build_yield(&cx->b, 1, &go);

    for (uint32_t k = 0; k < n; k++)
        arg[k ? k - 1 : 0] = nnc_block_arg(cx->m, step, k);
    arg[0] =
        nnc_block_arg(cx->m, step, 0); /* i, state..: the condition is no argument of the body */
    nnc_body_adopt(cx, b, step, arg);
    nnc_body_enter(cx, step);
    nnc_value i = arg[0];
    v[0] = op2(cx, NNC_OP_add, i, i64(cx, 1));
    v[1] = nnc_cx_scalar(cx, nnc_body_result(cx, b, arg, b->out[0].v));
    for (uint32_t k = 0; k < l->nstate; k++)
        v[2 + k] = nnc_body_result(cx, b, arg, b->out[1 + k].v);
    for (uint32_t k = 0; k < l->nscan; k++) {
        nnc_value y = nnc_body_result(cx, b, arg, b->out[1 + l->nstate + k].v),
                  buf = nnc_block_arg(cx->m, step, 2 + l->nstate + k);
        nnc_dim one = 1, rest = nnc_cx_rank(cx, y);
        nnc_value at[2] = {nnc_cx_reshape(cx, i, 1, &one), nnc_cx_full(cx, i64(cx, 0), 1, &rest)};
        nnc_value start = rest ? nnc_g_concat(&cx->b, 2, at, 0) : at[0];
        v[2 + l->nstate + k] =
            nnc_g_dynamic_update_slice(&cx->b, buf, nnc_cx_expand_dim(cx, y, 0), start);
    }
    nnc_build_yield(&cx->b, n, v);
    cx->b = outer;
    nnc_op_erase(cx->m, b->box);
    if (l->limit_known)
        nnc_attr_set_int(cx->m, op, NNC_W_max_trips, nnc_dim_hi(cx->dims, l->rounds));
    nnc_g_finish(&cx->b, op);

    nnc_value count = nnc_op_out(cx->m, op, 0);
    if (declared)
        NNC_TRY(nnc_cx_check(
            cx, op2(cx, NNC_OP_eq, count, nnc_cx_extent(cx, rounds, NNC_DT_i64)),
            "the number of rounds differs from the declared shape of the loop's outputs"));
    for (uint32_t k = 0; k < l->nstate; k++)
        nnc_cx_set(cx, k, nnc_op_out(cx->m, op, 2 + k));
    for (uint32_t k = 0; k < l->nscan; k++) {
        nnc_value y = nnc_op_out(cx->m, op, 2 + l->nstate + k);
        if (!declared && shared)
            y = nnc_g_prefix(&cx->b, y, count, 0, shared);
        else if (!declared)
            shared = nnc_cx_dim(cx, y = nnc_cx_prefix(cx, y, count, 0), 0);
        nnc_cx_set(cx, l->nstate + k, y);
    }
    return NNC_OK;
}

static nnc_status read_loop(nnc_onnx_cx *cx, struct loop *l)
{
    const nnc_dim *at;
    uint32_t n;
    int64_t go, most;

    l->body = nnc_onnx_node_graph(cx->node, "body");
    l->nstate = cx->nin > 2 ? cx->nin - 2 : 0;
    if (!l->body)
        return nnc_cx_error(cx, "attribute body is missing");
    if (l->body->nin != l->nstate + 2 || l->body->nout < l->nstate + 1 ||
        cx->nout > l->body->nout - 1)
        return nnc_cx_error(
            cx,
            "the body has %u inputs and %u outputs, which does not fit %u states and %u outputs",
            l->body->nin, l->body->nout, l->nstate, cx->nout);
    l->nscan = l->body->nout - 1 - l->nstate;
    l->init = cx->in + 2;
    for (uint32_t k = 0; k < l->nstate; k++)
        if (l->init[k].kind == NNC_VAL_absent)
            return nnc_cx_error(cx, "the initial value of state %u is missing", k);
    l->has_limit = nnc_cx_has(cx, 0);
    l->has_cond = nnc_cx_has(cx, 1);
    if (l->has_limit) {
        l->limit = nnc_cx_in(cx, 0);
        NNC_TRY(nnc_body_scalar(cx, &l->limit, "the trip count"));
        if (nnc_cx_int(cx, l->limit, &most)) {
            l->limit_known = true;
            l->rounds = most < 0 ? 0 : most;
        } else if (nnc_cx_dims(cx, l->limit, &n, &at) && n == 1) {
            l->limit_known = true;
            l->rounds = nnc_dim_max(cx->dims, at[0], 0);
        }
    }
    if (l->has_cond) {
        l->cond = nnc_cx_in(cx, 1);
        NNC_TRY(nnc_body_scalar(cx, &l->cond, "the condition"));
        if (nnc_cx_int(cx, l->cond, &go)) {
            l->has_cond = go == 0; /* true: as good as absent; false: no rounds */
            l->limit_known = l->limit_known || !go;
            l->rounds = go ? l->rounds : 0;
        }
    }
    return NNC_OK;
}

nnc_status nnc_row_loop(nnc_onnx_cx *cx)
{
    struct loop l = {0};
    nnc_body b;
    int64_t go = 0;
    uint32_t inner = nnc_dim_nsymbol(cx->dims);

    NNC_TRY(read_loop(cx, &l));
    for (uint32_t k = 0; k < l.nstate; k++)
        if (l.init[k].kind != NNC_VAL_tensor)
            return unroll(cx, &l, "the loop carries a sequence or an optional");
    NNC_TRY(import_body(cx, &l, &b));
    const char *why = misfit(cx, &l, &b, inner);
    if (why) {
        nnc_op_erase(cx->m, b.box);
        if (l.limit_known && nnc_dim_is_const(l.rounds) && l.rounds > MAX_SPREAD)
            return nnc_cx_error(cx,
                                "%s; such loops are unrolled up to %d rounds, this one has %lld",
                                why, MAX_SPREAD, (long long)l.rounds);
        return unroll(cx, &l, why);
    }
    if (b.out[0].kind != NNC_VAL_tensor ||
        nnc_type_count(cx->m, nnc_value_type(cx->m, b.out[0].v)) != 1)
        return nnc_cx_error(cx, "the body's condition is not a scalar");
    bool endless = nnc_cx_int(cx, b.out[0].v, &go) && go;
    bool never = l.limit_known && l.rounds == 0;
    if (l.limit_known && (never || (endless && !l.has_cond)))
        return loop_as_scan(cx, &l, &b);
    return loop_as_while(cx, &l, &b);
}
