/* Loops in the form that reverse mode takes.
 *
 * while, at most N trips     scan over N trips that carries a flag besides: once the condition was false, the state stays.
 * scan [checkpoint=n]        scan [checkpoint=1] over T / n segments around a scan over n trips, and one over the rest.
 *
 * [checkpoint=1] is the kept form: the adjoint of such a loop has the state before each trip and computes the rest again. */
#include "passes/autodiff/ad.h"

typedef struct search {
    nnc_ad *x;
    NNC_BUF(nnc_op) found;
} search;

static void look(void *user, nnc_op op)
{
    search *s = user;
    nnc_module *m = s->x->m;
    bool loop = nnc_op_code(m, op) == NNC_OP_while ||
                (nnc_op_code(m, op) == NNC_OP_scan && nnc_attr_int(m, op, NNC_W_checkpoint, 0) > 1);

    if (loop && nnc_ad_op_active(s->x, op))
        NNC_PUSH(s->x->a, &s->found, op);
}

/* ---- while ---- */

static void copy_ops(nnc_ad *x, nnc_block from, nnc_block to, unsigned first, nnc_value *yield)
{
    nnc_module *m = x->m;
    nnc_ad_map_of map = nnc_ad_new_map(x);
    nnc_block args = to;
    nnc_op end = nnc_block_last(m, from), holder = nnc_block_parent(m, to);

    if (nnc_op_code(m, holder) == NNC_OP_if) /* the state is outside of the branch */
        args = nnc_op_get(m, holder)->block;
    for (unsigned i = 0; i < nnc_block_narg(m, from); i++)
        map.to[nnc_block_arg(m, from, i).id] = nnc_block_arg(m, args, first + i);
    nnc_block_clone(m, from, (nnc_pos){to, {0}}, map.to, map.n, false);
    for (unsigned i = 0; i < nnc_op_nin(m, end); i++)
        yield[i] = nnc_ad_mapped(&map, nnc_op_in(m, end, i));
}

static nnc_status while_to_scan(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_builder b = nnc_builder_before(m, op), in, side;
    unsigned n = nnc_op_nin(m, op);
    nnc_value *v = nnc_arena_array(x->a, n + 1u, sizeof *v), go;
    nnc_type *t = nnc_arena_array(x->a, n + 1u, sizeof *t);
    nnc_op scan, branch;
    nnc_block body;

    if (!nnc_attr_find(m, op, NNC_W_max_trips))
        return nnc_ad_error(x, op,
                            "the adjoint of a `while` needs a bound on its trips (max_trips); give "
                            "one, or use a counted loop or a function with its own backward");
    v[0] = nnc_g_int(&b, NNC_DT_bool, 1);
    for (unsigned i = 0; i < n; i++) {
        v[1 + i] = nnc_op_in(m, op, i);
        t[i] = nnc_value_type(m, v[1 + i]);
    }
    scan = nnc_g_scan(&b, nnc_attr_int(m, op, NNC_W_max_trips, 0), n + 1, n + 1, v, 0, NULL);
    body = nnc_op_region(m, scan, 0);
    in = nnc_builder_at_end(m, body);
    in.loc = b.loc;
    copy_ops(x, nnc_op_region(m, op, 0), body, 2, &go);
    go = nnc_g_binary(&in, NNC_OP_and, nnc_block_arg(m, body, 1), go);
    branch = nnc_g_if(&in, go, n, t);
    copy_ops(x, nnc_op_region(m, op, 1), nnc_op_region(m, branch, 0), 2, v);
    side = nnc_builder_at_end(m, nnc_op_region(m, branch, 0));
    nnc_build_yield(&side, n, v);
    for (unsigned i = 0; i < n; i++)
        v[i] = nnc_block_arg(m, body, 2 + i);
    side = nnc_builder_at_end(m, nnc_op_region(m, branch, 1));
    nnc_build_yield(&side, n, v);
    v[0] = go;
    for (unsigned i = 0; i < n; i++)
        v[1 + i] = nnc_op_out(m, branch, i);
    nnc_build_yield(&in, n + 1, v);
    for (unsigned i = 0; i < n; i++)
        nnc_value_replace(m, nnc_op_out(m, op, i), nnc_op_out(m, scan, 1 + i));
    nnc_op_erase(m, op);
    return NNC_OK;
}

nnc_status nnc_ad_while_vjp(nnc_ad *x, nnc_op op) /* prepare has replaced those that are active */
{
    return nnc_ad_error(x, op, "a `while` was not prepared for its adjoint");
}

/* ---- checkpoints ---- */

/* Rows [from, from + n) of v along its first axis, as [n / inner, inner, ..] when inner is given. */
static nnc_value rows(nnc_builder *b, nnc_value v, int64_t from, int64_t n, int64_t inner)
{
    nnc_type_rec ty;
    v = nnc_g_slice_axis(b, v, 0, from, 1, n);
    if (!inner)
        return v;
    ty = *nnc_value_ty(b->m, v);
    for (int d = ty.rank; d > 1; d--)
        ty.dim[d] = ty.dim[d - 1];
    ty.dim[0] = n / inner;
    ty.dim[1] = inner;
    return nnc_g_reshape(b, v, ty.rank + 1, ty.dim);
}

typedef struct part { /* trips of the loop `op` inside `b`, the counter beginning at `base` */
    nnc_builder *b;
    nnc_op op;
    nnc_value base;
    int64_t trips;
} part;

static nnc_op part_scan(nnc_ad *x, const part *p, const nnc_value *in)
{
    nnc_module *m = x->m;
    nnc_block body = nnc_op_region(m, p->op, 0), to;
    nnc_op end = nnc_block_last(m, body), scan;
    unsigned nc = (unsigned)nnc_attr_int(m, p->op, NNC_W_carried, 0), nin = nnc_op_nin(m, p->op),
             nys = nnc_op_nout(m, p->op) - nc;
    nnc_type *ys = nnc_arena_array(x->a, nys + 1u, sizeof *ys);
    nnc_ad_map_of map;
    nnc_builder inside;

    for (unsigned i = 0; i < nys; i++)
        ys[i] = nnc_value_type(m, nnc_op_in(m, end, nc + i));
    scan = nnc_g_scan(p->b, p->trips, nc, nin, in, nys, ys);
    to = nnc_op_region(m, scan, 0);
    inside = nnc_builder_at_end(m, to);
    map = nnc_ad_new_map(x);
    map.to[nnc_block_arg(m, body, 0).id] =
        nnc_g_binary(&inside, NNC_OP_add, nnc_block_arg(m, to, 0), p->base);
    for (unsigned i = 0; i < nin; i++)
        map.to[nnc_block_arg(m, body, 1 + i).id] = nnc_block_arg(m, to, 1 + i);
    nnc_block_clone(m, body, (nnc_pos){to, {0}}, map.to, map.n, true);
    nnc_g_finish(p->b, scan);
    return scan;
}

/* [segments, n, ..] back to [segments * n, ..]. */
static nnc_value joined(nnc_builder *b, nnc_value v)
{
    nnc_type_rec ty = *nnc_value_ty(b->m, v);
    ty.dim[1] = ty.dim[0] * ty.dim[1];
    return nnc_g_reshape(b, v, ty.rank - 1, ty.dim + 1);
}

static nnc_op segments(nnc_ad *x, nnc_builder *b, nnc_op op, int64_t nseg, int64_t n)
{
    nnc_module *m = x->m;
    unsigned nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0), nin = nnc_op_nin(m, op),
             nout = nnc_op_nout(m, op);
    nnc_value *v = nnc_arena_array(x->a, nin + nout + 1u, sizeof *v);
    nnc_type *ys = nnc_arena_array(x->a, nout + 1u, sizeof *ys);
    nnc_op outer, inner;
    nnc_block body;
    nnc_builder in;

    for (unsigned i = 0; i < nin; i++)
        v[i] = i < nc ? nnc_op_in(m, op, i) : rows(b, nnc_op_in(m, op, i), 0, nseg * n, n);
    for (unsigned i = nc; i < nout; i++) {
        nnc_type_rec ty = nnc_ad_ty(x, nnc_op_out(m, op, i));
        ty.dim[0] = n;
        ys[i - nc] = nnc_type_tensor(m, (nnc_dtype)ty.dtype, ty.rank, ty.dim);
    }
    outer = nnc_g_scan(b, nseg, nc, nin, v, nout - nc, ys);
    nnc_attr_set_int(m, outer, NNC_W_checkpoint, 1);
    body = nnc_op_region(m, outer, 0);
    in = nnc_builder_at_end(m, body);
    in.loc = b->loc;
    for (unsigned i = 0; i < nin; i++)
        v[i] = nnc_block_arg(m, body, 1 + i);
    part p = {
        &in, op,
        nnc_g_binary(&in, NNC_OP_mul, nnc_block_arg(m, body, 0), nnc_g_int(&in, NNC_DT_i64, n)), n};
    inner = part_scan(x, &p, v);
    for (unsigned i = 0; i < nout; i++)
        v[i] = nnc_op_out(m, inner, i);
    nnc_build_yield(&in, nout, v);
    nnc_g_finish(b, outer);
    return outer;
}

static void split_scan(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_dim trips = nnc_attr_int(m, op, NNC_W_trips, 0);
    int64_t n = nnc_attr_int(m, op, NNC_W_checkpoint, 0),
            nseg = nnc_dim_is_const(trips) ? trips / n : 0, rest = nseg ? trips % n : 0;
    nnc_builder b = nnc_builder_before(m, op);
    unsigned nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0), nin = nnc_op_nin(m, op),
             nout = nnc_op_nout(m, op);
    nnc_value *v = nnc_arena_array(x->a, nin + nout + 1u, sizeof *v);
    nnc_op outer, tail;
    bool deep = false; /* a slice would get one dim too many */

    for (unsigned i = nc; i < nin; i++)
        deep |= nnc_ad_ty(x, nnc_op_in(m, op, i)).rank == NNC_MAX_RANK;
    for (unsigned i = nc; i < nout; i++)
        deep |= nnc_ad_ty(x, nnc_op_out(m, op, i)).rank == NNC_MAX_RANK;
    nnc_attr_remove(m, op, NNC_W_checkpoint);
    if (nseg < 2 || deep || nnc_attr_int(m, op, NNC_W_reverse, 0)) {
        nnc_warning(m->diag, nnc_op_loc(m, op),
                    "checkpoint=%lld has no effect on this loop: it needs a constant number of at "
                    "least %lld trips, counted upwards, and rank below %d",
                    (long long)n, (long long)(2 * n), NNC_MAX_RANK);
        return;
    }
    outer = segments(x, &b, op, nseg, n);
    for (unsigned i = 0; i < nout; i++)
        v[i] = i < nc ? nnc_op_out(m, outer, i) : joined(&b, nnc_op_out(m, outer, i));
    if (rest) {
        nnc_value *in = nnc_arena_array(x->a, nin + 1u, sizeof *in);
        part p = {&b, op, nnc_g_int(&b, NNC_DT_i64, nseg * n), rest};
        for (unsigned i = 0; i < nin; i++)
            in[i] = i < nc ? v[i] : rows(&b, nnc_op_in(m, op, i), nseg * n, rest, 0);
        tail = part_scan(x, &p, in);
        for (unsigned i = 0; i < nout; i++) {
            nnc_value both[2] = {v[i], nnc_op_out(m, tail, i)};
            v[i] = i < nc ? both[1] : nnc_g_concat(&b, 2, both, 0);
        }
    }
    for (unsigned i = 0; i < nout; i++)
        nnc_value_replace(m, nnc_op_out(m, op, i), v[i]);
    nnc_op_erase(m, op);
}

nnc_status nnc_ad_prepare(nnc_ad *x, bool *changed)
{
    nnc_module *m = x->m;
    search s = {.x = x};

    for (nnc_op at = x->at; at.id && nnc_op_code(m, at) != NNC_OP_graph;
         at = nnc_block_parent(m, nnc_op_get(m, at)->block))
        for (nnc_op op = nnc_op_prev(m, at); op.id; op = nnc_op_prev(m, op)) {
            look(&s, op);
            for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
                nnc_ad_each_op(m, nnc_op_region(m, op, i), look, &s);
        }
    *changed = s.found.n > 0;
    for (uint32_t i = s.found.n; i-- > 0;) { /* inner ones come behind the loops that hold them */
        if (nnc_op_code(m, s.found.at[i]) == NNC_OP_while)
            NNC_TRY(while_to_scan(x, s.found.at[i]));
        else
            split_scan(x, s.found.at[i]);
    }
    return NNC_OK;
}
