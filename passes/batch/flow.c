/* Regions: inner scans carry all lanes, an `if` on a lane's own condition runs both sides, custom gradients get a batch
 * of their own.
 *
 * Which carried values need lanes is found by trying: a value that comes back with lanes gets them from the start, and
 * the body is made again. */
#include <string.h>
#include "passes/batch/lanes.h"
#include "passes/clean.h"

static nnc_op region_end(const nnc_lanes *x, nnc_op op, unsigned r)
{
    return nnc_block_last(x->m, nnc_op_region(x->m, op, r));
}

/* ---- scan ---- */

typedef struct inner {
    nnc_op old, op;
    unsigned nc, nin, nout;
    bool *carried; /* has carried value i lanes? */
    bool *ys;      /* result i */
} inner;

/* The op with its region and block arguments, nothing inside. */
static void open_scan(nnc_lanes *x, inner *s)
{
    nnc_module *m = x->m;
    nnc_block from = nnc_op_region(m, s->old, 0);
    nnc_value *in = nnc_arena_array(x->a, s->nin + 1, sizeof *in);
    nnc_type *out = nnc_arena_array(x->a, s->nout + 1, sizeof *out);
    for (unsigned i = 0; i < s->nin; i++) {
        nnc_lane_value v = nnc_lane_in(x, s->old, i);
        if (i < s->nc)
            in[i] = s->carried[i] ? nnc_lane_full(x, v) : v.v;
        else
            in[i] = v.batched ? nnc_lane_move(x, v.v, 0, 1) : v.v; /* turns first */
    }
    for (unsigned i = 0; i < s->nout; i++)
        out[i] = nnc_value_type(m, nnc_op_out(m, s->old, i));
    s->op = nnc_build_op(&x->b, NNC_OP_scan, s->nin, in, s->nout, out);
    nnc_attr_copy(m, s->op, s->old);
    nnc_block to = nnc_op_add_region(m, s->op);
    for (unsigned i = 0; i < 1 + s->nin; i++) {
        nnc_value arg = nnc_block_arg(m, from, i);
        bool lanes =
            i > 0 && (i - 1 < s->nc ? s->carried[i - 1] : nnc_lane_in(x, s->old, i - 1).batched);
        nnc_type t = nnc_value_type(m, arg);
        nnc_value v =
            nnc_block_add_arg(m, to, lanes ? nnc_lane_type(x, t) : t, nnc_value_name(m, arg));
        nnc_lane_set(x, arg, v, lanes);
    }
}

/* Fill the region.  *again: a carried value turned out to have lanes. */
static bool fill_scan(nnc_lanes *x, inner *s, bool *again)
{
    nnc_builder after = x->b;
    nnc_op end = region_end(x, s->old, 0);
    nnc_value *yield = nnc_arena_array(x->a, s->nout + 1, sizeof *yield);
    *again = false;
    x->b = nnc_builder_at_end(x->m, nnc_op_region(x->m, s->op, 0));
    if (!nnc_lane_block(x, nnc_op_region(x->m, s->old, 0)))
        return false;
    for (unsigned i = 0; i < s->nout; i++) {
        nnc_lane_value v = nnc_lane_in(x, end, i);
        yield[i] = i < s->nc && s->carried[i] ? nnc_lane_full(x, v) : v.v;
        s->ys[i] = v.batched || (i < s->nc && s->carried[i]);
        if (i < s->nc && v.batched && !s->carried[i])
            *again = s->carried[i] = true;
    }
    x->b.loc = nnc_op_loc(x->m, end);
    nnc_build_yield(&x->b, s->nout, yield);
    x->b = after;
    return true;
}

bool nnc_lane_scan(nnc_lanes *x, nnc_op op)
{
    nnc_module *m = x->m;
    inner s = {.old = op,
               .nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0),
               .nin = nnc_op_nin(m, op),
               .nout = nnc_op_nout(m, op)};
    bool again;
    s.carried = nnc_arena_array(x->a, s.nc + 1, sizeof *s.carried);
    s.ys = nnc_arena_array(x->a, s.nout + 1, sizeof *s.ys);
    for (unsigned i = 0; i < s.nin; i++)
        if (nnc_value_ty(m, nnc_op_in(m, op, i))->rank >= NNC_MAX_RANK)
            return nnc_lane_fail(x, "a tensor with as many axes as there can be");
    for (unsigned i = 0; i < s.nc; i++)
        s.carried[i] = nnc_lane_in(x, op, i).batched;
    do {
        open_scan(x, &s);
        if (!fill_scan(x, &s, &again))
            return false;
        if (again)
            nnc_op_erase(m, s.op);
    } while (again);
    nnc_g_finish(&x->b, s.op);
    for (unsigned i = 0; i < s.nout; i++) {
        nnc_value v = nnc_op_out(m, s.op, i);
        if (i >= s.nc && s.ys[i])
            v = nnc_lane_move(x, v, 1, 0);
        nnc_lane_set(x, nnc_op_out(m, op, i), v, s.ys[i]);
    }
    return true;
}

/* ---- if ---- */

/* The same condition in all lanes: a branch stays a branch. */
static bool shared_if(nnc_lanes *x, nnc_op op, nnc_value cond)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nout(m, op);
    nnc_type *type = nnc_arena_array(x->a, n + 1, sizeof *type);
    nnc_lane_value *side = nnc_arena_array(x->a, 2 * n + 1, sizeof *side);
    nnc_builder at[2], after;
    for (unsigned i = 0; i < n; i++)
        type[i] = nnc_value_type(m, nnc_op_out(m, op, i));
    nnc_op to = nnc_g_if(&x->b, cond, n, type);
    nnc_attr_copy(m, to, op);
    after = x->b;
    for (unsigned r = 0; r < 2; r++) {
        x->b = nnc_builder_at_end(m, nnc_op_region(m, to, r));
        if (!nnc_lane_block(x, nnc_op_region(m, op, r)))
            return false;
        for (unsigned i = 0; i < n; i++)
            side[r * n + i] = nnc_lane_in(x, region_end(x, op, r), i);
        at[r] = x->b;
    }
    for (unsigned r = 0; r < 2; r++) {
        nnc_value *yield = nnc_arena_array(x->a, n + 1, sizeof *yield);
        x->b = at[r];
        for (unsigned i = 0; i < n; i++)
            yield[i] = side[i].batched || side[n + i].batched ? nnc_lane_full(x, side[r * n + i])
                                                              : side[r * n + i].v;
        nnc_build_yield(&x->b, n, yield);
    }
    x->b = after;
    nnc_g_finish(&x->b, to);
    for (unsigned i = 0; i < n; i++)
        nnc_lane_set(x, nnc_op_out(m, op, i), nnc_op_out(m, to, i),
                     side[i].batched || side[n + i].batched);
    return true;
}

/* Values with lanes that a region reads from outside of it, in order of use. */
typedef struct captures {
    NNC_BUF(uint32_t) id;
    NNC_BUF(nnc_value) v; /* what they map to */
} captures;

static void capture(const nnc_lanes *x, captures *c, nnc_block b, uint8_t *inside)
{
    nnc_module *m = x->m;
    for (unsigned i = 0; i < nnc_block_narg(m, b); i++)
        inside[nnc_block_arg(m, b, i).id] = 1;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
            nnc_value v = nnc_op_in(m, op, i);
            if (v.id >= x->nmap || inside[v.id] || !nnc_lane_get(x, v).batched)
                continue;
            inside[v.id] = 1;
            NNC_PUSH(x->a, &c->id, v.id);
            NNC_PUSH(x->a, &c->v, x->map[v.id]);
        }
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            capture(x, c, nnc_op_region(m, op, i), inside);
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            inside[nnc_op_out(m, op, i).id] = 1;
    }
}

/* Lanes outside of the mask get the value of the first lane inside: a side that they do not take cannot make an inf
 * or a nan of them that a derivative would multiply by 0. */
static void feed_safely(nnc_lanes *x, const captures *c, nnc_value mask)
{
    nnc_builder *b = &x->b;
    nnc_value lane =
        nnc_g_argreduce(b, NNC_W_max, nnc_g_cast(b, mask, NNC_DT_i32), 0, false, false);
    for (uint32_t i = 0; i < c->id.n; i++) {
        nnc_value v = c->v.at[i], row = nnc_g_gather(b, v, lane, 0, 0);
        int rank = nnc_value_ty(x->m, v)->rank - 1;
        if (nnc_dtype_is_float((nnc_dtype)nnc_value_ty(x->m, row)->dtype))
            row = nnc_g_unary(b, NNC_OP_stop_grad, row);
        x->map[c->id.at[i]] =
            nnc_g_select(b, nnc_lane_align(x, (nnc_lane_value){mask, true}, rank, 0), v, row);
    }
}

/* Would running the side for nobody be a waste? */
static bool is_costly(const nnc_lanes *x, nnc_block b)
{
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op))
        if (nnc_op_nregion(x->m, op) || nnc_op_has(x->m, op, NNC_NAMED) ||
            nnc_op_code(x->m, op) == NNC_OP_dot || nnc_op_code(x->m, op) == NNC_OP_conv)
            return true;
    return false;
}

static bool side_block(nnc_lanes *x, nnc_op op, unsigned r, nnc_value *out)
{
    if (!nnc_lane_block(x, nnc_op_region(x->m, op, r)))
        return false;
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        out[i] = nnc_lane_in_full(x, region_end(x, op, r), i);
    return true;
}

static void zeros(nnc_lanes *x, nnc_op op, nnc_value *out)
{
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++) {
        nnc_type_rec r =
            *nnc_type_get(x->m, nnc_lane_type(x, nnc_value_type(x->m, nnc_op_out(x->m, op, i))));
        out[i] = nnc_g_broadcast(&x->b, nnc_g_int(&x->b, (nnc_dtype)r.dtype, 0), r.rank, r.dim);
    }
}

/* `if any(mask) { side } else { zeros }` */
static bool guarded_side(nnc_lanes *x, nnc_op op, unsigned r, nnc_value mask, nnc_value *out)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nout(m, op);
    int64_t axis = 0;
    nnc_type *type = nnc_arena_array(x->a, n + 1, sizeof *type);
    nnc_value any = nnc_g_reduce(&x->b, NNC_W_or, mask, 1, &axis, false);
    for (unsigned i = 0; i < n; i++)
        type[i] = nnc_lane_type(x, nnc_value_type(m, nnc_op_out(m, op, i)));
    nnc_op to = nnc_g_if(&x->b, any, n, type);
    nnc_builder after = x->b;
    x->b = nnc_builder_at_end(m, nnc_op_region(m, to, 0));
    if (!side_block(x, op, r, out))
        return false;
    nnc_build_yield(&x->b, n, out);
    x->b = nnc_builder_at_end(m, nnc_op_region(m, to, 1));
    zeros(x, op, out);
    nnc_build_yield(&x->b, n, out);
    x->b = after;
    nnc_g_finish(&x->b, to);
    for (unsigned i = 0; i < n; i++)
        out[i] = nnc_op_out(m, to, i);
    return true;
}

static bool one_side(nnc_lanes *x, nnc_op op, unsigned r, nnc_value mask, nnc_value *out)
{
    nnc_block b = nnc_op_region(x->m, op, r);
    captures c = {0};
    bool ok;
    if (x->gradients && nnc_block_first(x->m, b).id != nnc_block_last(x->m, b).id) {
        capture(x, &c, b, nnc_arena_alloc(x->a, x->nmap));
        feed_safely(x, &c, mask);
        ok = guarded_side(x, op, r, mask, out);
    } else if (is_costly(x, b)) {
        ok = guarded_side(x, op, r, mask, out);
    } else {
        ok = side_block(x, op, r, out);
    }
    for (uint32_t i = 0; i < c.id.n; i++)
        x->map[c.id.at[i]] = c.v.at[i];
    return ok;
}

enum { UNEQUAL = 10000 }; /* operations by which sides may differ and both still be run */

static bool lane_if(nnc_lanes *x, nnc_op op, nnc_value cond)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nout(m, op);
    double work[2];
    nnc_value *side[2], mask;
    for (unsigned r = 0; r < 2; r++)
        work[r] = nnc_block_work(m, nnc_op_region(m, op, r));
    if (work[0] > work[1] + UNEQUAL || work[1] > work[0] + UNEQUAL)
        return nnc_lane_fail(x, "an `if` with one side that is much more work than the other");
    for (unsigned r = 0; r < 2; r++) {
        side[r] = nnc_arena_array(x->a, n + 1, sizeof **side);
        mask = r ? nnc_g_unary(&x->b, NNC_OP_not, cond) : cond;
        if (!one_side(x, op, r, mask, side[r]))
            return false;
    }
    for (unsigned i = 0; i < n; i++) {
        int rank = nnc_value_ty(m, side[0][i])->rank - 1;
        nnc_value c = nnc_lane_align(x, (nnc_lane_value){cond, true}, rank, 0);
        nnc_lane_set(x, nnc_op_out(m, op, i), nnc_g_select(&x->b, c, side[0][i], side[1][i]), true);
    }
    return true;
}

bool nnc_lane_if(nnc_lanes *x, nnc_op op)
{
    nnc_lane_value cond = nnc_lane_in(x, op, 0);
    return cond.batched ? lane_if(x, op, cond.v) : shared_if(x, op, cond.v);
}

/* ---- custom_grad: every value gets lanes, so that each lane has the cotangents its definition speaks of ---- */

bool nnc_lane_custom_grad(nnc_lanes *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned nin = nnc_op_nin(m, op), nout = nnc_op_nout(m, op);
    nnc_value *in = nnc_arena_array(x->a, nin + 1, sizeof *in);
    nnc_type *out = nnc_arena_array(x->a, nout + 1, sizeof *out);
    nnc_builder after;
    for (unsigned i = 0; i < nin; i++)
        in[i] = nnc_lane_in_full(x, op, i);
    for (unsigned i = 0; i < nout; i++)
        out[i] = nnc_lane_type(x, nnc_value_type(m, nnc_op_out(m, op, i)));
    nnc_op to = nnc_build_op(&x->b, NNC_OP_custom_grad, nin, in, nout, out);
    nnc_attr_copy(m, to, op);
    after = x->b;
    for (unsigned r = 0; r < 2; r++) {
        nnc_block from = nnc_op_region(m, op, r), b = nnc_op_add_region(m, to);
        nnc_op end = region_end(x, op, r);
        unsigned n = nnc_op_nin(m, end);
        nnc_value *yield = nnc_arena_array(x->a, n + 1, sizeof *yield);
        for (unsigned i = 0; i < nnc_block_narg(m, from); i++) {
            nnc_value arg = nnc_block_arg(m, from, i);
            nnc_lane_set(x, arg,
                         nnc_block_add_arg(m, b, nnc_lane_type(x, nnc_value_type(m, arg)),
                                           nnc_value_name(m, arg)),
                         true);
        }
        x->b = nnc_builder_at_end(m, b);
        if (!nnc_lane_block(x, from))
            return false;
        for (unsigned i = 0; i < n; i++)
            yield[i] = nnc_lane_in_full(x, end, i);
        nnc_build_yield(&x->b, n, yield);
    }
    x->b = after;
    nnc_g_finish(&x->b, to);
    for (unsigned i = 0; i < nout; i++)
        nnc_lane_set(x, nnc_op_out(m, op, i), nnc_op_out(m, to, i), true);
    return true;
}
