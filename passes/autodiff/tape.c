/* Regions of adjoints: copying the primal, and choosing what to save.
 *
 * A value is saved when computing it again costs more than keeping it: contractions, reductions, loops, branches, sorting and
 * transcendental functions.  Views, cheap arithmetic and random bits are computed again from what is saved, from arguments
 * and from outside.  A region that defines sizes of its own (prefix) saves nothing: its values have no type outside. */
#include "passes/autodiff/ad.h"
#include "passes/clean.h"

nnc_ad_map_of nnc_ad_new_map(nnc_ad *x)
{
    nnc_ad_map_of t = {.n = x->m->value.n};
    t.to = nnc_arena_array(x->a, t.n, sizeof *t.to);
    return t;
}

nnc_op nnc_ad_copy_region(nnc_ad *x, nnc_block from, nnc_block to, nnc_ad_map_of *map)
{
    nnc_ad_map old = x->active;

    nnc_block_clone(x->m, from, (nnc_pos){to, {0}}, map->to, map->n, true);
    for (uint32_t i = 0; i < old.cap; i++) { /* x->active may move while it grows */
        uint32_t v = old.key[i];
        if (v && old.val[i] && v < map->n && map->to[v].id)
            nnc_ad_map_put(x->a, &x->active, map->to[v].id, 1);
    }
    return nnc_block_last(x->m, to);
}

void nnc_ad_copy_primal(nnc_ad *x, nnc_block from, nnc_op boundary, nnc_block to,
                        nnc_ad_map_of *map)
{
    nnc_op op = nnc_block_first(x->m, from);
    for (;; op = nnc_op_next(x->m, op)) {
        nnc_op_clone(x->m, op, (nnc_pos){to, {0}}, map->to, map->n);
        if (op.id == boundary.id)
            return;
    }
}

static bool is_used(const nnc_module *m, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        if (nnc_value_nuse(m, nnc_op_out(m, op, i)))
            return true;
    return false;
}

void nnc_ad_sweep(nnc_ad *x, nnc_block b)
{
    nnc_module *m = x->m;
    nnc_op prev;

    for (nnc_op op = nnc_block_last(m, b); op.id; op = prev) {
        prev = nnc_op_prev(m, op);
        if (nnc_op_has(m, op, NNC_TERMINATOR))
            continue;
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            nnc_ad_sweep(x, nnc_op_region(m, op, i));
        if (nnc_op_code(m, op) == NNC_OP_check || nnc_op_code(m, op) == NNC_OP_leaf ||
            nnc_op_is_pure(m, op))
            if (!is_used(m, op))
                nnc_op_erase(m, op);
    }
}

/* ---- what to save ---- */

typedef struct demand {
    nnc_ad *x;
    nnc_block block;
    nnc_op last; /* of the primal */
    nnc_ad_map wanted, primal;
    bool sizes; /* the region defines some */
} demand;

static bool is_cheap(const nnc_module *m, nnc_op op)
{
    switch (nnc_op_code(m, op)) {
    case NNC_OP_iota:
    case NNC_OP_extent:
    case NNC_OP_const:
    case NNC_OP_rng_bits:
    case NNC_OP_leaf:
    case NNC_OP_stop_grad:
    case NNC_OP_pad:
    case NNC_OP_concat: return true;
    case NNC_OP_exp:
    case NNC_OP_expm1:
    case NNC_OP_log:
    case NNC_OP_log1p:
    case NNC_OP_sin:
    case NNC_OP_cos:
    case NNC_OP_tan:
    case NNC_OP_asin:
    case NNC_OP_acos:
    case NNC_OP_atan:
    case NNC_OP_sinh:
    case NNC_OP_cosh:
    case NNC_OP_tanh:
    case NNC_OP_asinh:
    case NNC_OP_acosh:
    case NNC_OP_atanh:
    case NNC_OP_erf:
    case NNC_OP_sigmoid:
    case NNC_OP_pow:
    case NNC_OP_atan2: return false;
    default:
        return nnc_op_has(m, op, NNC_VIEW) ||
               (nnc_op_has(m, op, NNC_ELEMENTWISE) && !nnc_op_has(m, op, NNC_COMPOSITE));
    }
}

/* Does op read single elements of something larger that is not at hand?  Then its result is what to keep. */
static bool picks(demand *d, nnc_op op)
{
    const nnc_module *m = d->x->m;
    nnc_opcode code = nnc_op_code(m, op);
    const nnc_value_rec *r = nnc_value_get(m, nnc_op_in(m, op, 0));

    if (code != NNC_OP_gather && code != NNC_OP_dynamic_slice && code != NNC_OP_slice)
        return false;
    return r->kind == NNC_VALUE_arg ? r->def == d->block.id : false;
}

static bool reads_outside(demand *d, nnc_op op)
{
    const nnc_module *m = d->x->m;
    nnc_opcode code = nnc_op_code(m, op);
    nnc_value v;

    if (code != NNC_OP_gather && code != NNC_OP_dynamic_slice)
        return false;
    v = nnc_op_in(m, op, 0);
    return !nnc_ad_map_get(&d->primal, v.id) && !picks(d, op);
}

/* Is v used by an adjoint: an op behind the primal, or inside one? */
static bool used_behind(demand *d, nnc_value v)
{
    const nnc_module *m = d->x->m;

    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        while (nnc_op_get(m, op)->block.id != d->block.id)
            op = nnc_block_parent(m, nnc_op_get(m, op)->block);
        if (nnc_op_before(m, d->last, op))
            return true;
    }
    return false;
}

static void want_operands(void *user, nnc_op op)
{
    demand *d = user;
    for (unsigned i = 0; i < nnc_op_nin(d->x->m, op); i++)
        nnc_ad_map_put(d->x->a, &d->wanted, nnc_op_in(d->x->m, op, i).id, 1);
}

static void is_prefix(void *user, nnc_op op)
{
    demand *d = user;
    d->sizes |= nnc_op_code(d->x->m, op) == NNC_OP_prefix;
}

void nnc_ad_choose_saved(nnc_ad *x, nnc_block b, nnc_op last, nnc_ad_values *out)
{
    nnc_module *m = x->m;
    demand d = {.x = x, .block = b, .last = last};

    if (!last.id)
        return;
    nnc_ad_each_op(m, b, is_prefix, &d);
    if (d.sizes)
        return;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            nnc_ad_map_put(x->a, &d.primal, nnc_op_out(m, op, i).id, 1);
        if (op.id == last.id)
            break;
    }
    for (nnc_op op = last; op.id; op = nnc_op_prev(m, op)) {
        bool again = (is_cheap(m, op) && !picks(&d, op)) || reads_outside(&d, op), any = false;
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
            nnc_value v = nnc_op_out(m, op, i);
            if (!nnc_ad_map_get(&d.wanted, v.id) && !used_behind(&d, v))
                continue;
            any = true;
            if (!again && nnc_ad_ty(x, v).rank < NNC_MAX_RANK)
                NNC_PUSH(x->a, out, v);
        }
        if (!any || !again)
            continue;
        want_operands(&d, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            nnc_ad_each_op(m, nnc_op_region(m, op, i), want_operands, &d);
    }
}
