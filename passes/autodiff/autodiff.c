/* Derivatives become operations.
 *
 * One op at a time, in order, regions before the op that holds them: everything a derivative looks at is plain already.  The
 * new ops stand right before the one they replace; values of outer regions are visible there, so a loss computed outside of a
 * loop may be differentiated inside. */
#include "passes/autodiff/autodiff.h"
#include "passes/autodiff/ad.h"
#include "passes/batch/batch.h"
#include "passes/pass.h"

typedef struct request {
    unsigned ny, nleaf;
    nnc_value *y, *dy, *leaf, *tangent;
    bool forward, zero; /* zero: nothing reached is no error */
} request;

static bool has_custom(const nnc_ad *x)
{
    const nnc_module *m = x->m;
    for (uint32_t i = 0; i < x->active.cap; i++) {
        nnc_op op = x->active.key[i] ? nnc_value_op(m, (nnc_value){x->active.key[i]}) : (nnc_op){0};
        if (op.id && nnc_op_code(m, op) == NNC_OP_custom_grad)
            return true;
    }
    return false;
}

static nnc_value *operands(nnc_ad *x, nnc_op op, unsigned first, unsigned n)
{
    nnc_value *v = nnc_arena_array(x->a, n + 1u, sizeof *v);
    for (unsigned i = 0; i < n; i++)
        v[i] = nnc_op_in(x->m, op, first + i);
    return v;
}

/* What the op asks for; operands may have been replaced since the last look. */
static request request_of(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    request q = {.ny = (unsigned)nnc_attr_int(m, op, NNC_W_outputs, 1)};
    unsigned nin = nnc_op_nin(m, op);

    q.zero = nnc_attr_word(m, op, NNC_W_mode, NNC_W_none) == NNC_W_zero;
    q.y = operands(x, op, 0, q.ny);
    switch (nnc_op_code(m, op)) {
    case NNC_OP_grad:
        q.nleaf = nin - 1;
        q.leaf = operands(x, op, 1, q.nleaf);
        q.dy = nnc_arena_array(x->a, 1, sizeof *q.dy);
        q.dy[0] = nnc_ad_like(x, q.y[0], 1);
        q.tangent = q.dy; /* one leaf of rank 0 */
        q.forward = q.nleaf == 1 && nnc_ad_ty(x, q.leaf[0]).rank == 0 &&
                    nnc_ad_ty(x, q.leaf[0]).dtype == nnc_ad_ty(x, q.y[0]).dtype;
        break;
    case NNC_OP_vjp:
        q.dy = operands(x, op, q.ny, q.ny);
        q.nleaf = nin - 2 * q.ny;
        q.leaf = operands(x, op, 2 * q.ny, q.nleaf);
        break;
    default:
        q.nleaf = (nin - q.ny) / 2;
        q.leaf = operands(x, op, q.ny, q.nleaf);
        q.tangent = operands(x, op, q.ny + q.nleaf, q.nleaf);
        q.forward = true;
        break;
    }
    return q;
}

static nnc_status past_of_loop(nnc_ad *x, nnc_op loop)
{
    return nnc_ad_error(
        x, x->at,
        "the derivative would have to follow a value that the loop at %s carries "
        "from earlier trips; take it outside of the loop, or by a value of this trip",
        nnc_loc_text_of(x->m->diag, nnc_op_loc(x->m, loop)));
}

/* [i, 0, ..]: where slice i of a stack lies. */
static nnc_value row_start(nnc_ad *x, nnc_value i, int rank)
{
    nnc_value part[2];
    int64_t zeros[NNC_MAX_RANK] = {0};
    nnc_dim one = 1;

    part[0] = nnc_g_reshape(&x->b, i, 1, &one);
    if (rank == 1)
        return part[0];
    part[1] = nnc_g_ints(&x->b, (unsigned)rank - 1, zeros);
    return nnc_g_concat(&x->b, 2, part, 0);
}

static nnc_type_rec one_row(nnc_ad *x, nnc_value stack)
{
    nnc_type_rec r = nnc_ad_ty(x, stack);
    r.dim[0] = 1;
    return r;
}

/* The arguments of an adjoint of its own are leaves, as those of a graph: what is around it is not seen. */
static bool is_boundary(const nnc_module *m, nnc_op op)
{
    return nnc_op_code(m, op) == NNC_OP_graph || nnc_op_code(m, op) == NNC_OP_custom_grad;
}

/* ---- reverse ---- */

/* Cotangents of arguments of a region around the derivative belong to the operands of its op. */
static nnc_status leave_region(nnc_ad *x, nnc_op op, nnc_block b)
{
    nnc_module *m = x->m;
    unsigned nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0);
    bool scan = nnc_op_code(m, op) == NNC_OP_scan;

    for (unsigned i = scan; i < nnc_block_narg(m, b); i++) {
        nnc_value g = nnc_ad_get(x, nnc_block_arg(m, b, i)), from, start;
        if (!g.id)
            continue;
        if (!scan || i - 1 < nc)
            return past_of_loop(x, op);
        from = nnc_op_in(m, op, i - 1);
        if (!nnc_ad_active(x, from))
            continue;
        nnc_type_rec row = one_row(x, from);
        start = row_start(x, nnc_block_arg(m, b, 0), row.rank);
        g = nnc_ad_reshape(x, g, &row);
        if (nnc_ad_get(x, from).id)
            g = nnc_ad_op2(x, NNC_OP_add,
                           nnc_g_dynamic_slice(&x->b, nnc_ad_get(x, from), start, row.dim), g);
        nnc_ad_set(x, from, nnc_g_dynamic_update_slice(&x->b, nnc_ad_base(x, from), g, start));
    }
    return NNC_OK;
}

static nnc_status run_reverse(nnc_ad *x, const request *q)
{
    nnc_module *m = x->m;

    for (unsigned i = 0; i < q->ny; i++)
        nnc_ad_add(x, q->y[i], q->dy[i]);
    for (nnc_op op = x->at;;) {
        nnc_block b = nnc_op_get(m, op)->block;
        NNC_TRY(nnc_ad_reverse(x, nnc_op_prev(m, op)));
        op = nnc_block_parent(m, b);
        if (is_boundary(m, op))
            return NNC_OK;
        x->b.loc = nnc_op_loc(m, x->at);
        NNC_TRY(leave_region(x, op, b));
    }
}

/* ---- forward ---- */

static nnc_status enter_region(nnc_ad *x, nnc_op op, nnc_block b)
{
    nnc_module *m = x->m;
    unsigned nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0);
    bool scan = nnc_op_code(m, op) == NNC_OP_scan;

    for (unsigned i = scan; i < nnc_block_narg(m, b); i++) {
        nnc_value a = nnc_block_arg(m, b, i), t, start;
        if (!nnc_ad_active(x, a) || nnc_ad_get(x, a).id)
            continue; /* not reached, or a leaf itself */
        if (!scan || i - 1 < nc)
            return past_of_loop(x, op);
        t = nnc_ad_get(x, nnc_op_in(m, op, i - 1));
        if (!t.id)
            continue;
        nnc_type_rec row = one_row(x, t), ty = nnc_ad_ty(x, a);
        start = row_start(x, nnc_block_arg(m, b, 0), row.rank);
        nnc_ad_set(x, a, nnc_ad_reshape(x, nnc_g_dynamic_slice(&x->b, t, start, row.dim), &ty));
    }
    return NNC_OK;
}

/* Blocks from the outermost in, each up to the op that holds the next. */
static nnc_status forward_from_outside(nnc_ad *x, nnc_op until)
{
    nnc_block b = nnc_op_get(x->m, until)->block;
    nnc_op holder = nnc_block_parent(x->m, b);

    if (!is_boundary(x->m, holder)) {
        NNC_TRY(forward_from_outside(x, holder));
        NNC_TRY(enter_region(x, holder, b));
    }
    return nnc_ad_forward(x, b, until);
}

static nnc_status run_forward(nnc_ad *x, const request *q)
{
    for (unsigned i = 0; i < q->nleaf; i++) {
        nnc_value old = nnc_ad_get(x, q->leaf[i]), t = q->tangent[i];
        if (old.id) /* named twice */
            t = nnc_ad_op2(x, NNC_OP_add, old, t);
        nnc_ad_set(x, q->leaf[i], t);
        nnc_ad_map_put(x->a, &x->seed, q->leaf[i].id, t.id);
    }
    return forward_from_outside(x, x->at);
}

/* ---- one op ---- */

static nnc_status unreached(nnc_ad *x)
{
    return nnc_ad_error(
        x, x->at,
        "%s: what is differentiated does not depend on %s, so every derivative would be "
        "zero; integers, comparisons and stop_grad cut the dependence",
        nnc_op_infos[nnc_op_code(x->m, x->at)].name,
        "any of the variables it is differentiated by");
}

nnc_status nnc_ad_expand(nnc_module *m, nnc_arena *a, nnc_op op, nnc_value *result)
{
    nnc_ad x = {.m = m, .a = a, .b = nnc_builder_before(m, op), .at = op};
    request q = request_of(&x, op);
    bool changed = false;

    if (!nnc_ad_mark(&x, q.nleaf, q.leaf, q.ny, q.y) && !q.zero)
        return unreached(&x);
    q.forward = q.forward && (nnc_op_code(m, op) == NNC_OP_jvp || !has_custom(&x));
    if (!q.forward) {
        NNC_TRY(nnc_ad_prepare(&x, &changed));
        if (changed) { /* what was active has been made anew */
            bool forward = q.forward;
            q = request_of(&x, op);
            q.forward = forward;
            nnc_ad_mark(&x, q.nleaf, q.leaf, q.ny, q.y);
        }
    }
    NNC_TRY(q.forward ? run_forward(&x, &q) : run_reverse(&x, &q));
    x.b.loc = nnc_op_loc(m, op);
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        /* forward: of the ys, else of the leaves; both may have been made anew, so the op is asked again */
        unsigned at = q.forward ? i : nnc_op_nin(m, op) - nnc_op_nout(m, op) + i;
        result[i] = nnc_ad_base(&x, nnc_op_in(m, op, at));
        nnc_value_replace(m, nnc_op_out(m, op, i), result[i]);
    }
    nnc_op_erase(m, op);
    return NNC_OK;
}

static bool is_derivative(nnc_opcode code)
{
    return code == NNC_OP_grad || code == NNC_OP_vjp || code == NNC_OP_jvp;
}

static bool has_derivative(const nnc_module *m, nnc_op op)
{
    if (is_derivative(nnc_op_code(m, op)))
        return true;
    for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
        for (nnc_op in = nnc_block_first(m, nnc_op_region(m, op, i)); in.id;
             in = nnc_op_next(m, in))
            if (has_derivative(m, in))
                return true;
    return false;
}

/* Does a derivative stand behind the op, in its block or in one around it? */
static bool derivative_follows(const nnc_module *m, nnc_op op)
{
    for (; op.id && nnc_op_code(m, op) != NNC_OP_graph;
         op = nnc_block_parent(m, nnc_op_get(m, op)->block))
        for (nnc_op next = nnc_op_next(m, op); next.id; next = nnc_op_next(m, next))
            if (has_derivative(m, next))
                return true;
    return false;
}

static nnc_status run_op(nnc_module *m, nnc_arena *a, nnc_op op)
{
    nnc_arena_mark mark = nnc_arena_save(a);
    nnc_value *result = nnc_arena_array(a, nnc_op_nout(m, op), sizeof *result);
    nnc_status s = nnc_ad_expand(m, a, op, result);
    nnc_arena_restore(a, mark);
    return s;
}

static nnc_status run_block(nnc_module *m, nnc_arena *a, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            NNC_TRY(run_block(m, a, nnc_op_region(m, op, i)));
        next = nnc_op_next(m, op);
        if (nnc_op_code(m, op) == NNC_OP_scan && derivative_follows(m, op))
            nnc_batch_scan(m, op, NULL); /* one product for all turns, before its adjoint is made */
        else if (is_derivative(nnc_op_code(m, op)))
            NNC_TRY(run_op(m, a, op));
    }
    return NNC_OK;
}

typedef struct finding {
    const nnc_module *m;
    bool any;
} finding;

static void is_ours(void *user, nnc_op op)
{
    finding *f = user;
    switch (nnc_op_code(f->m, op)) {
    case NNC_OP_grad:
    case NNC_OP_vjp:
    case NNC_OP_jvp:
    case NNC_OP_leaf:
    case NNC_OP_stop_grad:
    case NNC_OP_custom_grad: f->any = true; break;
    default: break;
    }
}

bool nnc_autodiff_needed(const nnc_module *m, nnc_op graph)
{
    finding f = {.m = m};
    nnc_ad_each_op((nnc_module *)m, nnc_op_region(m, graph, 0), is_ours, &f);
    return f.any;
}

nnc_status nnc_autodiff_run(nnc_module *m, nnc_op graph)
{
    nnc_arena *a;
    nnc_status s;

    if (!nnc_autodiff_needed(m, graph))
        return NNC_OK;
    a = nnc_arena_new();
    s = run_block(m, a, nnc_op_region(m, graph, 0));
    if (s == NNC_OK) {
        nnc_ad_dissolve(m, a, nnc_op_region(m, graph, 0));
        nnc_batch_products(m, nnc_op_region(m, graph, 0));
    }
    nnc_arena_free(a);
    return s;
}

nnc_status nnc_pass_autodiff(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph && nnc_autodiff_needed(m, f)) {
            NNC_TRY(nnc_autodiff_run(m, f));
            cx->changed++;
        }
    return NNC_OK;
}
