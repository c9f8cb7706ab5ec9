/* What lies between the leaves and the values to differentiate.
 *
 * Forward from the leaves along use lists, then back from the results along operands; what both meet is active.  Regions are
 * entered in both directions: a yield leads to the results of its op and, in a loop, to the next trip's arguments.  Ops
 * behind the derivative, and yields of loops around it, do not count: they have not happened yet where it stands.
 * Variables are independent: a leaf made from another one is not followed into that one. */
#include "passes/autodiff/ad.h"

typedef struct marker {
    nnc_ad *x;
    nnc_ad_map seen;
    nnc_ad_values work;
    NNC_BUF(nnc_op) path;     /* x->at and the ops around it, innermost first */
    const nnc_ad_map *within; /* only these (second sweep), or NULL */
    nnc_ad_map leaf;          /* variables: what they were made of is another matter */
} marker;

void nnc_ad_each_op(nnc_module *m, nnc_block b, void (*fn)(void *user, nnc_op op), void *user)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        fn(user, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            nnc_ad_each_op(m, nnc_op_region(m, op, i), fn, user);
    }
}

static void reach(marker *k, nnc_value v)
{
    if (nnc_ad_map_get(&k->seen, v.id) || !nnc_ad_is_float(k->x, v) ||
        (k->within && !nnc_ad_map_get(k->within, v.id)))
        return;
    nnc_ad_map_put(k->x->a, &k->seen, v.id, 1);
    NNC_PUSH(k->x->a, &k->work, v);
}

/* Does op come before the derivative?  Ops inside regions count as the op that holds them. */
static bool precedes(const marker *k, nnc_op op)
{
    const nnc_module *m = k->x->m;
    for (; op.id; op = nnc_block_parent(m, nnc_op_get(m, op)->block))
        for (uint32_t i = 0; i < k->path.n; i++)
            if (nnc_op_get(m, op)->block.id == nnc_op_get(m, k->path.at[i])->block.id)
                return nnc_op_before(m, op, k->path.at[i]) || (i && op.id == k->path.at[i].id);
    return false;
}

static void reach_results(marker *k, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(k->x->m, op); i++)
        reach(k, nnc_op_out(k->x->m, op, i));
}

static void reach_arg(marker *k, nnc_op op, unsigned region, unsigned i)
{
    reach(k, nnc_block_arg(k->x->m, nnc_op_region(k->x->m, op, region), i));
}

/* Operand i of a yield is reached. */
static void through_yield(marker *k, nnc_op yield, unsigned i)
{
    nnc_module *m = k->x->m;
    nnc_block b = nnc_op_get(m, yield)->block;
    nnc_op op = nnc_block_parent(m, b);

    switch (nnc_op_code(m, op)) {
    case NNC_OP_if: reach(k, nnc_op_out(m, op, i)); break;
    case NNC_OP_scan:
        reach(k, nnc_op_out(m, op, i));
        if (i < (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0))
            reach_arg(k, op, 0, 1 + i);
        break;
    case NNC_OP_while:
        if (b.id != nnc_op_region(m, op, 1).id)
            break;
        reach(k, nnc_op_out(m, op, i));
        reach_arg(k, op, 0, i);
        reach_arg(k, op, 1, i);
        break;
    default: break; /* a graph's results; inside custom_grad nobody looks */
    }
}

static void through_use(marker *k, nnc_op op, unsigned i)
{
    nnc_module *m = k->x->m;

    if (!precedes(k, op) ||
        (nnc_op_code(m, op) == NNC_OP_leaf && nnc_ad_map_get(&k->leaf, nnc_op_out(m, op, 0).id)))
        return;
    switch (nnc_op_code(m, op)) {
    case NNC_OP_yield: through_yield(k, op, i); break;
    case NNC_OP_if: break; /* the condition */
    case NNC_OP_scan:
        reach_arg(k, op, 0, 1 + i);
        if (i < (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0))
            reach(k, nnc_op_out(m, op, i)); /* no trip at all */
        break;
    case NNC_OP_while:
        reach_arg(k, op, 0, i);
        reach_arg(k, op, 1, i);
        reach(k, nnc_op_out(m, op, i));
        break;
    default:
        if (nnc_op_infos[nnc_op_code(m, op)].class != 'N')
            reach_results(k, op);
        break;
    }
}

static void forward(marker *k)
{
    const nnc_module *m = k->x->m;
    while (k->work.n) {
        nnc_value v = k->work.at[--k->work.n];
        for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next)
            through_use(k, m->use.at[u].user, u - nnc_op_get(m, m->use.at[u].user)->in);
    }
}

static void need_operands(void *user, nnc_op op)
{
    marker *k = user;
    for (unsigned i = 0; i < nnc_op_nin(k->x->m, op); i++)
        reach(k, nnc_op_in(k->x->m, op, i));
}

static void backward(marker *k)
{
    nnc_module *m = k->x->m;
    while (k->work.n) {
        nnc_value v = k->work.at[--k->work.n];
        const nnc_value_rec r = *nnc_value_get(m, v);
        nnc_op op = {r.def};
        if (nnc_ad_map_get(&k->leaf, v.id))
            continue;
        if (r.kind == NNC_VALUE_arg)
            op = nnc_block_parent(m, (nnc_block){r.def});
        else if (r.kind != NNC_VALUE_result)
            continue;
        if (nnc_op_code(m, op) == NNC_OP_graph)
            continue;
        need_operands(k, op);
        for (unsigned i = 0; r.kind == NNC_VALUE_result && i < nnc_op_nregion(m, op); i++)
            nnc_ad_each_op(m, nnc_op_region(m, op, i), need_operands, k);
    }
}

bool nnc_ad_mark(nnc_ad *x, unsigned nleaf, const nnc_value *leaf, unsigned ny, const nnc_value *y)
{
    marker to = {.x = x}, from = {.x = x};
    bool found = false;

    for (nnc_op op = x->at; op.id && nnc_op_code(x->m, op) != NNC_OP_graph;
         op = nnc_block_parent(x->m, nnc_op_get(x->m, op)->block))
        NNC_PUSH(x->a, &to.path, op);
    for (unsigned i = 0; i < nleaf; i++)
        nnc_ad_map_put(x->a, &to.leaf, leaf[i].id, 1);
    for (unsigned i = 0; i < nleaf; i++)
        reach(&to, leaf[i]);
    forward(&to);
    from.within = &to.seen;
    from.leaf = to.leaf;
    for (unsigned i = 0; i < ny; i++)
        reach(&from, y[i]);
    found = from.work.n > 0;
    backward(&from);
    x->active = from.seen;
    return found;
}

bool nnc_ad_op_active(const nnc_ad *x, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        if (nnc_ad_active(x, nnc_op_out(x->m, op, i)))
            return true;
    return false;
}

/* ---- captures ---- */

typedef struct capture {
    nnc_ad *x;
    nnc_ad_map inside;
    nnc_ad_values *out;
} capture;

static void capture_op(void *user, nnc_op op)
{
    capture *c = user;
    nnc_module *m = c->x->m;

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i);
        if (nnc_ad_map_get(&c->inside, v.id) || !nnc_ad_active(c->x, v))
            continue;
        nnc_ad_map_put(c->x->a, &c->inside, v.id, 1); /* once is enough */
        NNC_PUSH(c->x->a, c->out, v);
    }
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        nnc_ad_map_put(c->x->a, &c->inside, nnc_op_out(m, op, i).id, 1);
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (unsigned i = 0; i < nnc_block_narg(m, nnc_op_region(m, op, r)); i++)
            nnc_ad_map_put(c->x->a, &c->inside, nnc_block_arg(m, nnc_op_region(m, op, r), i).id, 1);
}

void nnc_ad_captures(nnc_ad *x, nnc_op op, nnc_ad_values *out)
{
    capture c = {.x = x, .out = out};

    for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++) {
        nnc_block b = nnc_op_region(x->m, op, r);
        for (unsigned i = 0; i < nnc_block_narg(x->m, b); i++)
            nnc_ad_map_put(x->a, &c.inside, nnc_block_arg(x->m, b, i).id, 1);
        nnc_ad_each_op(x->m, b, capture_op, &c);
    }
}
