/* frontend/onnx/rows_control.c - If, Loop, Scan.
 *
 * What can be decided at import is: an `If` on a known condition is its branch, a loop that edits sequences is
 * unrolled.  Otherwise bodies are imported into a container op first, because the op proper wants the types of its
 * results when it is made; then their ops move over.
 *
 *   If     branches that differ in sizes are padded to the larger one and yield their real sizes beside
 *   Loop   a known number of rounds that nothing ends early: `scan`; else `while`, whose scan outputs are buffers of
 *          the largest possible number of rounds, written at the counter and cut to it afterwards
 *   Scan   `scan` on operands with the scanned axis in front */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"

enum { MAX_UNROLL = 1024, MAX_SPREAD = 64 /* rounds of a body whose shapes change */ };

static nnc_value op2(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x, nnc_value y)
{
    return nnc_cx_op2(cx, code, x, y);
}

static nnc_value i64(nnc_onnx_cx *cx, int64_t v)
{
    return nnc_g_int(&cx->b, NNC_DT_i64, v);
}

static nnc_value truth(nnc_onnx_cx *cx, bool v)
{
    return nnc_g_int(&cx->b, NNC_DT_bool, v);
}

static nnc_val tensor(nnc_value v)
{
    return (nnc_val){.kind = NNC_VAL_tensor, .v = v};
}

static bool same_type(nnc_onnx_cx *cx, nnc_value x, nnc_value y)
{
    return nnc_value_type(cx->m, x).id == nnc_value_type(cx->m, y).id;
}

static nnc_status one_element(nnc_onnx_cx *cx, nnc_value *v, const char *what)
{
    if (nnc_type_count(cx->m, nnc_value_type(cx->m, *v)) != 1)
        return nnc_cx_error(cx, "%s is %s, expected a scalar", what, nnc_cx_type_text(cx, *v));
    *v = nnc_cx_scalar(cx, *v);
    return NNC_OK;
}

/* ---- containers ---------------------------------------------------------------------------------------- */

/* Continue in block b; returns the builder to go back to. */
static nnc_builder enter(nnc_onnx_cx *cx, nnc_block b)
{
    nnc_builder outer = cx->b;
    cx->b = nnc_builder_at_end(cx->m, b);
    cx->b.loc = outer.loc;
    return outer;
}

static nnc_op container(nnc_onnx_cx *cx, unsigned nregion)
{
    nnc_op op = nnc_build_op(&cx->b, NNC_OP_fused, 0, NULL, 0, NULL);
    for (unsigned i = 0; i < nregion; i++)
        nnc_op_add_region(cx->m, op);
    return op;
}

static void move_all(nnc_onnx_cx *cx, nnc_block from, nnc_block to)
{
    for (nnc_op op = nnc_block_first(cx->m, from), next; op.id; op = next) {
        next = nnc_op_next(cx->m, op);
        nnc_op_move(cx->m, op, (nnc_pos){to, {0}});
    }
}

/* Does a dimension depend on a symbol numbered `from` or later (made inside of the body)? */
static bool dim_is_inner(nnc_onnx_cx *cx, nnc_dim d, uint32_t from)
{
    uint32_t n;
    if (nnc_dim_is_const(d))
        return false;
    const nnc_dim_term *t = nnc_dim_terms(cx->dims, d, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t[i].natom; k++) {
            nnc_dim_atom a = nnc_dim_atom_get(cx->dims, t[i].atom[k]);
            if (a.op == '$' ? (uint32_t)a.a >= from
                            : dim_is_inner(cx, a.a, from) || dim_is_inner(cx, a.b, from))
                return true;
        }
    return false;
}

static bool type_is_inner(nnc_onnx_cx *cx, nnc_value v, uint32_t from)
{
    nnc_type_rec ty = nnc_cx_ty(cx, v);
    for (int i = 0; i < ty.rank; i++)
        if (dim_is_inner(cx, ty.dim[i], from))
            return true;
    return false;
}

/* ---- If ------------------------------------------------------------------------------------------------ */

/* What both branches make of one result: rank and dims, of which some have a size of their own at run time. */
struct join {
    nnc_dtype dtype;
    int rank;
    nnc_dim dim[NNC_MAX_RANK];
    bool sized[NNC_MAX_RANK];
};

static nnc_status join_values(nnc_onnx_cx *cx, uint32_t i, nnc_val a, nnc_val b, uint32_t inner,
                              struct join *j)
{
    const char *name = nnc_onnx_name(cx->model, cx->node->out[i]);
    if (a.kind != NNC_VAL_tensor || b.kind != NNC_VAL_tensor)
        return nnc_cx_error(cx,
                            "output '%s' is a sequence or an optional, and which branch is taken "
                            "is only known at run time; "
                            "only tensors can be chosen then",
                            name);
    nnc_type_rec x = nnc_cx_ty(cx, a.v), y = nnc_cx_ty(cx, b.v);
    if (x.dtype != y.dtype || x.rank != y.rank)
        return nnc_cx_error(cx,
                            "output '%s' is %s in one branch and %s in the other; element type and "
                            "rank must agree, because "
                            "the branch is only chosen at run time",
                            name, nnc_cx_type_text(cx, a.v), nnc_cx_type_text(cx, b.v));
    j->dtype = (nnc_dtype)x.dtype;
    j->rank = x.rank;
    for (int d = 0; d < x.rank; d++) {
        int64_t ha = nnc_dim_hi(cx->dims, x.dim[d]), hb = nnc_dim_hi(cx->dims, y.dim[d]);
        j->sized[d] = x.dim[d] != y.dim[d] || dim_is_inner(cx, x.dim[d], inner);
        j->dim[d] = j->sized[d] ? (ha > hb ? ha : hb) : x.dim[d];
    }
    return NNC_OK;
}

/* v padded to the joint sizes, then its own sizes; appended to out. */
static void yield_joined(nnc_onnx_cx *cx, nnc_value v, const struct join *j, nnc_value *out,
                         uint32_t *n)
{
    nnc_type_rec ty = nnc_cx_ty(cx, v);
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    for (int d = 0; d < j->rank; d++)
        if (j->sized[d])
            hi[d] = nnc_dim_sub(cx->dims, j->dim[d], ty.dim[d]);
    out[(*n)++] = nnc_g_pad(&cx->b, v, nnc_cx_like(cx, v, 0), lo, hi, NNC_W_constant);
    for (int d = 0; d < j->rank; d++)
        if (j->sized[d])
            out[(*n)++] = nnc_cx_extent(cx, ty.dim[d], NNC_DT_i64);
}

/* Both branches, in the regions of `box`.  A branch that cannot be (its shapes do not fit, say) may be one that is
 * never taken for these inputs: then it becomes a failing check, and its errors are warnings. */
static nnc_status import_branches(nnc_onnx_cx *cx, nnc_onnx_graph *const branch[2], nnc_op box,
                                  nnc_val *val[2], bool ok[2])
{
    nnc_builder outer = cx->b;
    nnc_status st = NNC_OK;
    unsigned held = 0;

    for (unsigned r = 0; r < 2 && st == NNC_OK; r++) {
        val[r] = nnc_arena_array(cx->a, cx->nout + 1, sizeof **val);
        enter(cx, nnc_op_region(cx->m, box, r));
        st = nnc_cx_try_subgraph(cx, branch[r], val[r], &ok[r]);
        cx->b = outer;
        held += st == NNC_OK;
    }
    while (held--)
        nnc_diag_release(cx->diag, st != NNC_OK || (!ok[0] && !ok[1]));
    if (st != NNC_OK || (!ok[0] && !ok[1]))
        return NNC_ERR;
    for (unsigned r = 0; r < 2; r++) {
        if (ok[r])
            continue;
        nnc_warning(cx->diag, cx->b.loc,
                    "the %s branch cannot be compiled; a run that takes it fails",
                    r ? "else" : "then");
        for (nnc_op op = nnc_block_last(cx->m, nnc_op_region(cx->m, box, r)), prev; op.id;
             op = prev) {
            prev = nnc_op_prev(cx->m, op);
            nnc_op_erase(cx->m, op);
        }
    }
    return NNC_OK;
}

/* Values of the joint types for a branch that only fails. */
static void yield_failure(nnc_onnx_cx *cx, const struct join *join, unsigned r, nnc_value *out,
                          uint32_t *n)
{
    nnc_g_check(&cx->b, truth(cx, false),
                nnc_arena_printf(cx->a, "%s: the %s branch, which could not be compiled, was taken",
                                 nnc_loc_text_of(cx->diag, cx->b.loc), r ? "else" : "then"));
    for (uint32_t i = 0; i < cx->nout; i++) {
        out[(*n)++] = nnc_cx_full(cx, nnc_cx_num(cx, join[i].dtype, 0), join[i].rank, join[i].dim);
        for (int d = 0; d < join[i].rank; d++)
            if (join[i].sized[d])
                out[(*n)++] = i64(cx, 0);
    }
}

static nnc_status run_time_if(nnc_onnx_cx *cx, nnc_value cond, nnc_onnx_graph *const branch[2])
{
    uint32_t nout = cx->nout, inner = nnc_dim_nsymbol(cx->dims), n = 0;
    nnc_val *val[2] = {NULL, NULL};
    struct join *join = nnc_arena_array(cx->a, nout + 1, sizeof *join);
    nnc_op box = container(cx, 2), op;
    nnc_builder outer = cx->b;
    bool ok[2] = {false, false};

    NNC_TRY(import_branches(cx, branch, box, val, ok));
    for (uint32_t i = 0; i < nout; i++)
        NNC_TRY(join_values(cx, i, val[!ok[0]][i], val[ok[1]][i], inner, &join[i]));
    n = nout * (1 + NNC_MAX_RANK);
    nnc_value *out[2] = {nnc_arena_array(cx->a, n + 1, sizeof **out),
                         nnc_arena_array(cx->a, n + 1, sizeof **out)};
    for (unsigned r = 0; r < 2; r++) {
        n = 0;
        enter(cx, nnc_op_region(cx->m, box, r));
        for (uint32_t i = 0; ok[r] && i < nout; i++)
            yield_joined(cx, val[r][i].v, &join[i], out[r], &n);
        if (!ok[r])
            yield_failure(cx, join, r, out[r], &n);
        cx->b = outer;
    }
    nnc_type *ty = nnc_arena_array(cx->a, n + 1, sizeof *ty);
    for (uint32_t i = 0; i < n; i++)
        ty[i] = nnc_value_type(cx->m, out[0][i]);
    op = nnc_g_if(&cx->b, cond, n, ty);
    for (unsigned r = 0; r < 2; r++) {
        move_all(cx, nnc_op_region(cx->m, box, r), nnc_op_region(cx->m, op, r));
        enter(cx, nnc_op_region(cx->m, op, r));
        nnc_build_yield(&cx->b, n, out[r]);
        cx->b = outer;
    }
    nnc_op_erase(cx->m, box);
    nnc_g_finish(&cx->b, op);
    for (uint32_t i = 0, k = 0; i < nout; i++) {
        nnc_value v = nnc_op_out(cx->m, op, k++);
        for (int d = 0; d < join[i].rank; d++)
            if (join[i].sized[d])
                v = nnc_cx_prefix(cx, v, nnc_op_out(cx->m, op, k++), d);
        nnc_cx_set(cx, i, v);
    }
    return NNC_OK;
}

nnc_status nnc_row_if(nnc_onnx_cx *cx)
{
    nnc_value cond = nnc_cx_in(cx, 0);
    nnc_onnx_graph *branch[2] = {nnc_onnx_node_graph(cx->node, "then_branch"),
                                 nnc_onnx_node_graph(cx->node, "else_branch")};
    int64_t known;

    for (int r = 0; r < 2; r++) {
        if (!branch[r])
            return nnc_cx_error(cx, "attribute %s_branch is missing", r ? "else" : "then");
        if (branch[r]->nout != cx->nout)
            return nnc_cx_error(cx, "%s_branch has %u outputs, the node %u", r ? "else" : "then",
                                branch[r]->nout, cx->nout);
    }
    if (nnc_cx_int(cx, cond, &known))
        return nnc_cx_subgraph(cx, branch[!known], NULL, cx->out);
    NNC_TRY(one_element(cx, &cond, "the condition"));
    return run_time_if(cx, cond, branch);
}

/* ---- Loop ---------------------------------------------------------------------------------------------- */

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
            if (scan[k].n && !same_type(cx, scan[k].at[0], v.v))
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

/* The body in a container: block arguments (i, state..), out as import_round. */
struct body {
    nnc_op box;
    nnc_block block;
    nnc_val *out;
};

static nnc_status import_body(nnc_onnx_cx *cx, const struct loop *l, struct body *b)
{
    nnc_val *state = nnc_arena_array(cx->a, l->nstate + 1, sizeof *state);
    b->box = container(cx, 1);
    b->block = nnc_op_region(cx->m, b->box, 0);
    b->out = nnc_arena_array(cx->a, l->body->nout + 1, sizeof *b->out);
    nnc_value i =
        nnc_block_add_arg(cx->m, b->block, nnc_type_tensor(cx->m, NNC_DT_i64, 0, NULL), "i");
    for (uint32_t k = 0; k < l->nstate; k++)
        state[k] = tensor(nnc_block_add_arg(cx->m, b->block, nnc_value_type(cx->m, l->init[k].v),
                                            nnc_onnx_name(cx->model, l->body->in[2 + k].name)));
    nnc_builder outer = enter(cx, b->block);
    nnc_status st = import_round(cx, l, i, state, b->out);
    cx->b = outer;
    return st;
}

/* Why the body cannot be a loop body of G, or NULL. */
static const char *misfit(nnc_onnx_cx *cx, const struct loop *l, const struct body *b,
                          uint32_t inner)
{
    for (uint32_t k = 0; k < l->nstate; k++) {
        nnc_val v = b->out[1 + k];
        if (v.kind != NNC_VAL_tensor)
            return nnc_arena_printf(cx->a, "state %u becomes a sequence or an optional", k);
        if (!same_type(cx, v.v, l->init[k].v))
            return nnc_arena_printf(cx->a, "state '%s' changes from %s to %s in a round",
                                    nnc_onnx_name(cx->model, l->body->in[2 + k].name),
                                    nnc_cx_type_text(cx, l->init[k].v), nnc_cx_type_text(cx, v.v));
    }
    for (uint32_t k = 0; k < l->nscan; k++) {
        nnc_val v = b->out[1 + l->nstate + k];
        if (v.kind != NNC_VAL_tensor)
            return nnc_arena_printf(cx->a, "scan output %u is a sequence or an optional", k);
        if (type_is_inner(cx, v.v, inner))
            return nnc_arena_printf(cx->a, "the size of scan output %u depends on data", k);
    }
    return NULL;
}

/* Move the body into region `to`, whose arguments from `first` on stand for i and the state. */
static void adopt(nnc_onnx_cx *cx, struct body *b, nnc_block to, const nnc_value *arg)
{
    for (unsigned k = 0; k < nnc_block_narg(cx->m, b->block); k++)
        nnc_value_replace(cx->m, nnc_block_arg(cx->m, b->block, k), arg[k]);
    move_all(cx, b->block, to);
}

/* A result of the body as it is called after the move: an argument that is passed through was replaced. */
static nnc_value moved(nnc_onnx_cx *cx, const struct body *b, const nnc_value *arg, nnc_value v)
{
    for (unsigned k = 0; k < nnc_block_narg(cx->m, b->block); k++)
        if (nnc_block_arg(cx->m, b->block, k).id == v.id)
            return arg[k];
    return v;
}

static nnc_status loop_as_scan(nnc_onnx_cx *cx, const struct loop *l, struct body *b)
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
    adopt(cx, b, to, arg);
    for (uint32_t k = 0; k < n; k++)
        in[k] = moved(cx, b, arg, b->out[1 + k].v);
    nnc_builder outer = enter(cx, to);
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

static nnc_status loop_as_while(nnc_onnx_cx *cx, const struct loop *l, struct body *b)
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

    nnc_builder outer = enter(cx, cond);
    nnc_value go = nnc_block_arg(cx->m, cond, 1);
    if (l->has_limit)
        go = op2(cx, NNC_OP_and, go, op2(cx, NNC_OP_lt, nnc_block_arg(cx->m, cond, 0), l->limit));
    nnc_build_yield(&cx->b, 1, &go);

    for (uint32_t k = 0; k < n; k++)
        arg[k ? k - 1 : 0] = nnc_block_arg(cx->m, step, k);
    arg[0] =
        nnc_block_arg(cx->m, step, 0); /* i, state..: the condition is no argument of the body */
    adopt(cx, b, step, arg);
    enter(cx, step);
    nnc_value i = arg[0];
    v[0] = op2(cx, NNC_OP_add, i, i64(cx, 1));
    v[1] = nnc_cx_scalar(cx, moved(cx, b, arg, b->out[0].v));
    for (uint32_t k = 0; k < l->nstate; k++)
        v[2 + k] = moved(cx, b, arg, b->out[1 + k].v);
    for (uint32_t k = 0; k < l->nscan; k++) {
        nnc_value y = moved(cx, b, arg, b->out[1 + l->nstate + k].v),
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
        NNC_TRY(one_element(cx, &l->limit, "the trip count"));
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
        NNC_TRY(one_element(cx, &l->cond, "the condition"));
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
    struct body b;
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

/* ---- Scan ---------------------------------------------------------------------------------------------- */

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
    struct body b = {container(cx, 1), {0}, nnc_arena_array(cx->a, nout + 1, sizeof(nnc_val))};
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
    nnc_builder outer = enter(cx, b.block);
    nnc_status st = nnc_cx_subgraph(cx, s->body, arg, b.out);
    cx->b = outer;
    NNC_TRY(st);
    for (uint32_t k = 0; k < nout; k++) {
        if (b.out[k].kind != NNC_VAL_tensor)
            return nnc_cx_error(cx, "output %u of the body is not a tensor", k);
        if (k < s->nstate && !same_type(cx, b.out[k].v, in[k]))
            return nnc_cx_error(cx, "state %u changes from %s to %s in a round", k,
                                nnc_cx_type_text(cx, in[k]), nnc_cx_type_text(cx, b.out[k].v));
        if (type_is_inner(cx, b.out[k].v, inner) || nnc_cx_rank(cx, b.out[k].v) == NNC_MAX_RANK)
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
    adopt(cx, &b, to, to_arg);
    for (uint32_t k = 0; k < nout; k++)
        out[k] = moved(cx, &b, to_arg, b.out[k].v);
    outer = enter(cx, to);
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
    struct body b = {container(cx, 1), {0}, NULL};
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
    nnc_builder outer = enter(cx, b.block);
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
    adopt(cx, &b, to, arg);
    enter(cx, to);
    nnc_build_yield(&cx->b, s.body->nout, out);
    cx->b = outer;
    nnc_op_erase(cx->m, b.box);
    nnc_g_finish(&cx->b, op);
    for (uint32_t k = 0; k < cx->nout; k++)
        nnc_cx_set(cx, k, nnc_op_out(cx->m, op, k));
    return NNC_OK;
}
