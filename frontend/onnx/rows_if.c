/* frontend/onnx/rows_if.c - If.
 *
 * A known condition is its branch.  Otherwise both branches become regions; where they differ in sizes they are padded to
 * the larger one and yield their real sizes beside.  A branch that cannot be compiled may be one that is never taken. */
#include "frontend/onnx/body.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

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
        j->sized[d] = x.dim[d] != y.dim[d] || nnc_body_dim_is_inner(cx, x.dim[d], inner);
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
        nnc_body_enter(cx, nnc_op_region(cx->m, box, r));
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
    nnc_op box = nnc_body_box(cx, 2), op;
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
        nnc_body_enter(cx, nnc_op_region(cx->m, box, r));
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
        nnc_body_move(cx, nnc_op_region(cx->m, box, r), nnc_op_region(cx->m, op, r));
        nnc_body_enter(cx, nnc_op_region(cx->m, op, r));
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
    NNC_TRY(nnc_body_scalar(cx, &cond, "the condition"));
    return run_time_if(cx, cond, branch);
}
