/* Every computation is inside a `fused` op, and a fused op is one kernel.
 *
 * Ops of a block start as clusters of one and are merged along their edges, in block order, when the lowering can
 * compute the producer at the consumer's index (docs/ir.md section 7, rule 3) and doing so costs nothing:
 *   elementwise ops join the producer of an operand of their shape, be it a map, a reduction (its epilogue) or rows;
 *   views join whatever reads them, and are cloned first so that each reader has its own;
 *   a map joins the reduction that reads it when nothing is computed more than once or twice per element;
 *   what is expensive (exp and the like) or read many times (operands of dot, conv, windows) stays a kernel.
 * A cluster may have several results: a value that others read as well is stored once more than it would be anyway.
 * Merging must not close a cycle between clusters, which is checked by a walk bounded by positions in the block.
 *
 * Composites that no schedule claims are written out first; the claimed ones inside their fused op. */
#include "passes/group.h"
#include <assert.h>
#include <string.h>
#include "ir/build.h"
#include "ir/decompose.h"
#include "passes/clean.h"
#include "passes/schedule/schedule.h"

enum { MAX_RESULTS = 8, MAX_STAGES = 20, MAX_CHAIN = 64 };

bool nnc_group_outside(const nnc_module *m, nnc_op op)
{
    switch (nnc_op_code(m, op)) {
    case NNC_OP_const:
    case NNC_OP_reshape:
    case NNC_OP_prefix:
    case NNC_OP_extent:
    case NNC_OP_if:
    case NNC_OP_while:
    case NNC_OP_scan:
    case NNC_OP_call:
    case NNC_OP_check:
    case NNC_OP_host:
    case NNC_OP_state:
    case NNC_OP_fused:
    case NNC_OP_yield: return true;
    default: return nnc_op_has(m, op, NNC_NAMED) || nnc_is_pick(m, op);
    }
}

bool nnc_group_heavy(nnc_opcode code)
{
    return (code >= NNC_OP_exp && code <= NNC_OP_log1p) ||
           (code >= NNC_OP_sin && code <= NNC_OP_sigmoid) || code == NNC_OP_pow ||
           code == NNC_OP_atan2;
}

static nnc_op ancestor(const nnc_module *m, nnc_op op, nnc_block b)
{
    while (op.id && nnc_op_get(m, op)->block.id != b.id)
        op = nnc_block_parent(m, nnc_op_get(m, op)->block);
    return op;
}

/* ---- clusters ---- */

typedef enum { MAP, CONCAT, ROOT, ROWS } shape;
typedef struct cluster {
    NNC_BUF(nnc_op) op;
    shape kind;
    bool fixed;                      /* an op that stands outside */
    bool views, heavy, done, padded; /* padded: ends in a pad that the kernel writes around */
    unsigned reductions;
    uint32_t first, last; /* positions */
    uint32_t mark;        /* of the walk that visited it */
    uint32_t owner;       /* of the grouping it belongs to */
} cluster;
/* Tables that all blocks of a pass share: a block of ten ops must not pay for the module. */
typedef struct tables {
    uint32_t nop, nvalue, serial;
    cluster **of;   /* per op id; of another grouping, or NULL: another block */
    uint32_t *pos;  /* per op id */
    nnc_op *effect; /* per op id: the op with an effect before this one that has one too */
    nnc_value *map; /* per value id; all none between uses */
} tables;
typedef struct grouping {
    nnc_module *m;
    nnc_arena *a;
    nnc_block block;
    uint32_t nop, npos, stamp, owner;
    tables *t;
    cluster **of; /* these three are the tables' */
    uint32_t *pos;
    nnc_op *effect;
    NNC_BUF(cluster *) all;
    NNC_BUF(cluster *) wide; /* those that were merged into */
} grouping;

static cluster *cluster_of(const grouping *g, nnc_op op)
{
    cluster *c = op.id && op.id < g->nop ? g->of[op.id] : NULL;

    return c && c->owner == g->owner ? c : NULL;
}

static shape shape_of(const nnc_module *m, nnc_op op)
{
    switch (nnc_op_code(m, op)) {
    case NNC_OP_reduce:
    case NNC_OP_softmax:
    case NNC_OP_log_softmax:
    case NNC_OP_layer_norm: return ROWS;
    case NNC_OP_concat: return CONCAT;
    default: return nnc_op_has(m, op, NNC_REDUCES) ? ROOT : MAP;
    }
}

/* Room for all ops there are now. */
static void grow(grouping *g)
{
    tables *t = g->t;

    if (t->nop < g->m->op.n) {
        t->nop = 2 * g->m->op.n;
        t->of = nnc_arena_array(g->a, t->nop, sizeof *t->of);
        t->pos = nnc_arena_array(g->a, t->nop, sizeof *t->pos);
        t->effect = nnc_arena_array(g->a, t->nop, sizeof *t->effect);
    }
    g->nop = g->m->op.n;
    g->owner = ++t->serial;
    g->of = t->of;
    g->pos = t->pos;
    g->effect = t->effect;
}

/* All none, for all values there are now. */
static nnc_value *empty_map(grouping *g)
{
    tables *t = g->t;

    if (t->nvalue < g->m->value.n) {
        t->nvalue = 2 * g->m->value.n;
        t->map = nnc_arena_array(g->a, t->nvalue, sizeof *t->map);
    }
    return t->map;
}

static void start(grouping *g)
{
    nnc_module *m = g->m;
    grow(g);
    nnc_op effect = {0};
    for (nnc_op op = nnc_block_first(m, g->block); op.id; op = nnc_op_next(m, op)) {
        cluster *c = nnc_arena_alloc(g->a, sizeof *c);
        if (!nnc_op_has(m, op, NNC_TERMINATOR) && !nnc_op_is_pure(m, op)) {
            g->effect[op.id] = effect;
            effect = op;
        } else {
            g->effect[op.id] = (nnc_op){0};
        }
        NNC_PUSH(g->a, &c->op, op);
        c->owner = g->owner;
        c->kind = shape_of(m, op);
        c->fixed = nnc_group_outside(m, op);
        c->views = nnc_group_is_view(m, op);
        c->heavy = nnc_group_heavy(nnc_op_code(m, op));
        c->reductions = c->kind == ROWS ? (nnc_op_code(m, op) == NNC_OP_reduce ? 1 : 2) : 0;
        c->first = c->last = g->pos[op.id] = ++g->npos;
        g->of[op.id] = c;
        NNC_PUSH(g->a, &g->all, c);
    }
}

/* Clusters whose values an op reads, regions included; and what has to happen before it. */
typedef void (*visit_fn)(grouping *g, cluster *c, void *user);

static void visit_block(grouping *g, nnc_block b, visit_fn fn, void *user);

static void visit_op(grouping *g, nnc_op op, visit_fn fn, void *user)
{
    for (unsigned i = 0; i < nnc_op_nin(g->m, op); i++) {
        cluster *c = cluster_of(g, nnc_value_op(g->m, nnc_op_in(g->m, op, i)));
        if (c)
            fn(g, c, user);
    }
    if (cluster_of(g, op) && g->effect[op.id].id)
        fn(g, cluster_of(g, g->effect[op.id]), user);
    for (unsigned i = 0; i < nnc_op_nregion(g->m, op); i++)
        visit_block(g, nnc_op_region(g->m, op, i), fn, user);
}

static void visit_block(grouping *g, nnc_block b, visit_fn fn, void *user)
{
    for (nnc_op op = nnc_block_first(g->m, b); op.id; op = nnc_op_next(g->m, op))
        visit_op(g, op, fn, user);
}

/* Does a walk from the operands of c reach `goal` through clusters other than c? */
typedef struct reach {
    cluster *goal, *skip;
    uint32_t low;
    bool found, direct;
} reach;

static void step(grouping *g, cluster *c, void *user)
{
    reach *r = user;
    if (r->found || c == r->skip || c->mark == g->stamp)
        return;
    if (c == r->goal) {
        r->found |= !r->direct;
        return;
    }
    c->mark = g->stamp;
    if (c->last < r->low)
        return;
    bool direct = r->direct;
    r->direct = false;
    for (uint32_t i = 0; i < c->op.n && !r->found; i++)
        visit_op(g, c->op.at[i], step, r);
    r->direct = direct;
}

/* The walk goes back in the block but may come forward again inside a cluster, so it can only stop where no cluster
 * reaches from before that place to behind it. */
static uint32_t turning_point(const grouping *g, const cluster *goal)
{
    uint32_t low = goal->first;
    for (bool moved = true; moved;) {
        moved = false;
        for (uint32_t i = 0; i < g->wide.n; i++) {
            const cluster *c = g->wide.at[i];
            if (c->op.n && c->first < low && c->last >= low) {
                low = c->first;
                moved = true;
            }
        }
    }
    return low;
}

/* Would joining p and c close a cycle: is there a path from p to c through a third cluster? */
static bool cyclic(grouping *g, cluster *p, cluster *c)
{
    reach r = {.goal = p, .skip = c, .low = turning_point(g, p), .direct = true};
    g->stamp++;
    for (uint32_t i = 0; i < c->op.n && !r.found; i++)
        visit_op(g, c->op.at[i], step, &r);
    return r.found;
}

static void merge(grouping *g, cluster *p, cluster *c)
{
    if (p->kind != MAP)
        c->kind = p->kind;
    c->views = p->views && c->views;
    c->heavy |= p->heavy;
    c->padded |= p->padded;
    c->reductions += p->reductions;
    if (c->first == c->last)
        NNC_PUSH(g->a, &g->wide, c);
    c->first = p->first < c->first ? p->first : c->first;
    c->last = p->last > c->last ? p->last : c->last;
    for (uint32_t i = 0; i < p->op.n; i++) {
        g->of[p->op.at[i].id] = c;
        NNC_PUSH(g->a, &c->op, p->op.at[i]);
    }
    p->op.n = 0;
    p->done = true;
}

/* ---- what may be joined ---- */

static bool same_dims(const nnc_module *m, nnc_value a, nnc_value b)
{
    const nnc_type_rec *x = nnc_value_ty(m, a), *y = nnc_value_ty(m, b);
    return x->rank == y->rank && !memcmp(x->dim, y->dim, x->rank * sizeof x->dim[0]);
}

static bool read_elsewhere(const grouping *g, nnc_value v, const cluster *c)
{
    for (uint32_t u = nnc_value_get(g->m, v)->first_use; u; u = g->m->use.at[u].next)
        if (cluster_of(g, ancestor(g->m, g->m->use.at[u].user, g->block)) != c)
            return true;
    return false;
}

/* The value whose dims the kernel's loops run over: what a pad pads. */
static nnc_value looped(const nnc_module *m, nnc_value v)
{
    nnc_op op = nnc_value_op(m, v);
    return op.id && nnc_op_code(m, op) == NNC_OP_pad ? nnc_op_in(m, op, 0) : v;
}

/* Values of p and c that somebody else reads, when both are one. */
static unsigned results_of(const grouping *g, const cluster *p, const cluster *c, nnc_value dims,
                           bool *same)
{
    unsigned n = 0;
    *same = true;
    for (int k = 0; k < 2; k++) {
        const cluster *x = k ? c : p;
        for (uint32_t i = 0; i < x->op.n; i++)
            for (unsigned r = 0; r < nnc_op_nout(g->m, x->op.at[i]); r++) {
                nnc_value v = nnc_op_out(g->m, x->op.at[i], r);
                bool out = false;
                for (uint32_t u = nnc_value_get(g->m, v)->first_use; u && !out;
                     u = g->m->use.at[u].next) {
                    cluster *reader = cluster_of(g, ancestor(g->m, g->m->use.at[u].user, g->block));
                    out = reader != p && reader != c;
                }
                n += out;
                *same &= !out || same_dims(g->m, v, dims) ||
                         (x->padded && same_dims(g->m, looped(g->m, v), dims));
            }
    }
    return n;
}

/* The reduction axes and operand dims of a ROWS cluster must be the same for all its reductions. */
static nnc_op first_rows(const nnc_module *m, const cluster *c)
{
    for (uint32_t i = 0; i < c->op.n; i++)
        if (shape_of(m, c->op.at[i]) == ROWS)
            return c->op.at[i];
    return (nnc_op){0};
}

/* Are the reduced dims the last ones? */
static bool rows_are_contiguous(const nnc_module *m, nnc_op op)
{
    unsigned n, rank = nnc_value_ty(m, nnc_op_in(m, op, 0))->rank;
    if (nnc_op_code(m, op) != NNC_OP_reduce)
        return true;
    const int64_t *a = nnc_attr_ints(m, op, NNC_W_axes, &n);
    for (unsigned i = 0; i < n; i++)
        if (a[i] < (int64_t)(rank - n))
            return false;
    return n > 0;
}

static bool widens_bytes(const nnc_module *m, nnc_op op)
{
    nnc_dtype from = (nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 0))->dtype,
              to = (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype;
    return nnc_op_code(m, op) == NNC_OP_cast && nnc_dtype_is_int(from) &&
           nnc_dtype_bytes(from) == 1 && nnc_dtype_bytes(to) > 1;
}

static bool is_const_source(const nnc_module *m, const cluster *p)
{
    for (uint32_t i = 0; i < p->op.n; i++)
        if (nnc_op_nin(m, p->op.at[i])) {
            nnc_op def = nnc_value_op(m, nnc_op_in(m, p->op.at[i], 0));
            if (def.id && nnc_op_code(m, def) == NNC_OP_const)
                return true;
        }
    return false;
}

/* Does a transpose among these views of computed values put another dim last? */
static bool turns_last(const nnc_module *m, const cluster *p)
{
    bool turns = false;
    for (uint32_t i = 0; i < p->op.n; i++) {
        unsigned n;
        nnc_op op = p->op.at[i];
        if (nnc_op_code(m, op) != NNC_OP_transpose)
            continue;
        const int64_t *perm = nnc_attr_ints(m, op, NNC_W_perm, &n);
        turns |= n && perm[n - 1] != (int64_t)n - 1;
    }
    return turns && !is_const_source(m, p);
}

/* Has op an operand besides v, as large as its result, that lies in the order of the loops?  A turned view beside it would
 * cost the vectors of the whole kernel: turned by a kernel of its own it does not. */
static bool meets_straight(const grouping *g, nnc_op op, nnc_value v)
{
    for (unsigned i = 0; i < nnc_op_nin(g->m, op); i++) {
        nnc_value w = nnc_op_in(g->m, op, i);
        cluster *c = cluster_of(g, nnc_value_op(g->m, w));
        if (w.id != v.id && same_dims(g->m, w, nnc_op_out(g->m, op, 0)) &&
            !(c && turns_last(g->m, c)))
            return true;
    }
    return false;
}

static bool elementwise_joins(const grouping *g, const cluster *p, const cluster *c, nnc_op op,
                              nnc_value v)
{
    nnc_module *m = g->m;
    nnc_value out = nnc_op_out(m, op, 0);
    bool equal = same_dims(m, v, out), alone = !read_elsewhere(g, v, c), same;
    if (p->kind == CONCAT)
        return false;
    if (p->views)
        return alone && !(turns_last(m, p) && meets_straight(g, op, v));
    if (!alone &&
        widens_bytes(m, op)) /* the bytes are in memory anyway: whoever wants floats makes them */
        return false;
    if (p->kind == MAP && !equal) /* broadcast: computed again for every reader */
        return alone && !p->heavy && p->op.n <= 3 && results_of(g, p, c, v, &same) <= 1;
    if (p->kind == MAP || p->kind == ROOT) {
        if (!equal || (p->kind == ROOT && c->kind != MAP) ||
            (c->kind == ROWS && p->kind == MAP && p->heavy))
            return false;
        return results_of(g, p, c, out, &same) <= MAX_RESULTS &&
               (same || (c->kind == ROWS && p->kind == MAP));
    }
    if (c->kind != MAP)
        return false;
    nnc_op rows = first_rows(m, p);
    nnc_value full = nnc_op_in(m, rows, 0);
    bool fits = equal || (same_dims(m, full, out) &&
                          nnc_value_ty(m, v)->rank == nnc_value_ty(m, out)->rank &&
                          rows_are_contiguous(m, rows));
    return fits && p->reductions < MAX_STAGES / 2 && results_of(g, p, c, out, &same) <= MAX_RESULTS;
}

/* Does the view chain keep its last dim last, with step 1? */
static bool keeps_last(const nnc_module *m, const cluster *p)
{
    for (uint32_t i = 0; i < p->op.n; i++) {
        unsigned n;
        nnc_op op = p->op.at[i];
        if (nnc_op_code(m, op) == NNC_OP_transpose) {
            const int64_t *perm = nnc_attr_ints(m, op, NNC_W_perm, &n);
            if (n && perm[n - 1] != (int64_t)n - 1)
                return false;
        } else if (nnc_op_code(m, op) == NNC_OP_slice) {
            const int64_t *s = nnc_attr_ints(m, op, NNC_W_step, &n);
            if (n && s[n - 1] != 1)
                return false;
        } else {
            return false;
        }
    }
    return true;
}

/* Bytes that are weights, converted to floats and perhaps scaled: the kernel does that as it reads them, for each block of
 * rows anew, which is cheaper than the memory of the floats. */
static bool expands_weights(const nnc_module *m, const cluster *p)
{
    bool bytes = false;
    if (p->kind != MAP || p->heavy || p->padded || p->op.n > 4)
        return false;
    for (uint32_t i = 0; i < p->op.n; i++) {
        nnc_op op = p->op.at[i];
        nnc_opcode code = nnc_op_code(m, op);
        if (code != NNC_OP_cast && code != NNC_OP_mul && code != NNC_OP_transpose)
            return false;
        for (unsigned k = 0; k < nnc_op_nin(m, op); k++) {
            nnc_value v = nnc_op_in(m, op, k);
            nnc_op def = nnc_value_op(m, v);
            bool inside = false;
            for (uint32_t j = 0; j < p->op.n; j++)
                inside |= def.id == p->op.at[j].id;
            if (!inside && !nnc_value_is_const(m, v) &&
                (!def.id || nnc_op_code(m, def) != NNC_OP_const))
                return false;
            bytes |= code == NNC_OP_cast && nnc_value_ty(m, v)->dtype == NNC_DT_i8;
        }
    }
    return bytes;
}

/* Operand i of a contraction or window: read many times, so only views join. */
static bool operand_joins(const grouping *g, const cluster *p, const cluster *c, nnc_op op,
                          unsigned i, nnc_value v)
{
    nnc_opcode code = nnc_op_code(g->m, op);
    if (code == NNC_OP_dot && i == 1 && !read_elsewhere(g, v, c) && expands_weights(g->m, p))
        return true;
    if (!p->views || read_elsewhere(g, v, c))
        return false;
    if (code == NNC_OP_dot)
        return i == 0 || is_const_source(g->m, p) || keeps_last(g->m, p);
    if (code == NNC_OP_conv)
        return (i == 1 && is_const_source(g->m, p)) || keeps_last(g->m, p);
    return keeps_last(g->m, p);
}

static bool reduction_joins(const grouping *g, const cluster *p, const cluster *c, nnc_op op,
                            nnc_value v)
{
    bool same, passes = nnc_op_has(g->m, op, NNC_COMPOSITE); /* reads its operand several times */
    if (p->views)
        return !read_elsewhere(g, v, c);
    if (p->padded) /* kernels of rows do not store around */
        return false;
    if (p->kind != MAP || !same_dims(g->m, v, nnc_op_in(g->m, op, 0)) ||
        (passes && (p->heavy || p->op.n > 6)))
        return false;
    unsigned others = results_of(g, p, c, v, &same) - 1; /* besides the reduction itself */
    if (others == 0)
        return true;
    return others == 1 && read_elsewhere(g, v, c) && !p->heavy && p->op.n <= 6 &&
           nnc_op_code(g->m, op) != NNC_OP_argreduce;
}

static bool movement_joins(const grouping *g, const cluster *p, const cluster *c, nnc_op op,
                           nnc_value v)
{
    bool same;
    if (p->kind != MAP || read_elsewhere(g, v, c))
        return false;
    if (p->views)
        return true;
    if (results_of(g, p, c, v, &same) > 1) /* a result inside p would have other dims than c's */
        return false;
    int64_t from = nnc_type_count(g->m, nnc_value_type(g->m, v)),
            to = nnc_type_count(g->m, nnc_value_type(g->m, nnc_op_out(g->m, op, 0)));
    return !p->heavy && p->op.n <= 4 && to <= 2 * from;
}

/* A pad with a constant becomes the way in which its producer stores. */
static bool pad_joins(const grouping *g, const cluster *p, cluster *c, nnc_op op, nnc_value v)
{
    bool same;
    if (nnc_attr_word(g->m, op, NNC_W_mode, NNC_W_constant) != NNC_W_constant ||
        !nnc_value_is_const(g->m, nnc_op_in(g->m, op, 1)))
        return false;
    c->padded = true;
    unsigned n = results_of(g, p, c, v, &same);
    c->padded = p->kind == CONCAT
                    ? n == 1 && nnc_op_code(g->m, nnc_value_op(g->m, v)) == NNC_OP_concat
                    : p->kind != ROWS && same && n <= MAX_RESULTS && c->op.n == 1;
    return c->padded;
}

static bool joins(const grouping *g, const cluster *p, cluster *c, nnc_op op, unsigned i)
{
    nnc_value v = nnc_op_in(g->m, op, i);
    if (p->fixed || p == c || p->op.n + c->op.n > MAX_CHAIN ||
        (p->padded && looped(g->m, v).id != v.id))
        return false;
    if (nnc_op_code(g->m, op) == NNC_OP_pad && i == 0 && pad_joins(g, p, c, op, v))
        return true;
    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_dot:
    case NNC_OP_conv:
    case NNC_OP_window_reduce:
    case NNC_OP_window_argmax: return operand_joins(g, p, c, op, i, v);
    case NNC_OP_reduce:
    case NNC_OP_argreduce:
    case NNC_OP_softmax:
    case NNC_OP_log_softmax:
    case NNC_OP_layer_norm: return reduction_joins(g, p, c, op, v);
    case NNC_OP_concat: {
        bool same;
        return p->kind == MAP && results_of(g, p, c, nnc_op_out(g->m, op, 0), &same) == 1;
    }
    default: break;
    }
    if (nnc_op_has(g->m, op, NNC_ELEMENTWISE))
        return elementwise_joins(g, p, c, op, v);
    return movement_joins(g, p, c, op, v);
}

/* Is a value of p, besides by `op`, read by a reduction in c?  Joined, it would be computed again at every step.  And what
 * is made of a reduction cannot be read by a view of the same kernel, at an index of the view's own. */
static bool read_by_reduction(const grouping *g, const cluster *p, const cluster *c, nnc_op op)
{
    for (uint32_t i = 0; i < p->op.n; i++)
        for (unsigned r = 0; r < nnc_op_nout(g->m, p->op.at[i]); r++)
            for (uint32_t u = nnc_value_get(g->m, nnc_op_out(g->m, p->op.at[i], r))->first_use; u;
                 u = g->m->use.at[u].next) {
                nnc_op user = g->m->use.at[u].user;
                bool reduces = nnc_op_has(g->m, user, NNC_REDUCES) || shape_of(g->m, user) == ROWS;
                if (user.id != op.id && cluster_of(g, user) == c &&
                    (reduces || ((p->heavy || p->kind == ROWS || p->kind == ROOT) &&
                                 !nnc_op_has(g->m, user, NNC_ELEMENTWISE))))
                    return true;
            }
    return false;
}

static void join_all(grouping *g)
{
    for (nnc_op op = nnc_block_first(g->m, g->block); op.id; op = nnc_op_next(g->m, op)) {
        cluster *c = g->of[op.id];
        if (c->fixed)
            continue;
        for (unsigned i = nnc_op_nin(g->m, op); i-- > 0;) {
            cluster *p = cluster_of(g, nnc_value_op(g->m, nnc_op_in(g->m, op, i)));
            if (p && joins(g, p, c, op, i) && !read_by_reduction(g, p, c, op) && !cyclic(g, p, c))
                merge(g, p, c);
            else
                c->padded &= c->op.n > 1;
        }
    }
}

/* ---- making fused ops ---- */

static void sort_ops(grouping *g, cluster *c)
{
    for (uint32_t i = 1; i < c->op.n; i++) {
        nnc_op op = c->op.at[i];
        uint32_t j = i;
        for (; j > 0 && g->pos[c->op.at[j - 1].id] > g->pos[op.id]; j--)
            c->op.at[j] = c->op.at[j - 1];
        c->op.at[j] = op;
    }
}

static nnc_value map_in(nnc_value *map, uint32_t nmap, nnc_value v)
{
    return v.id < nmap && map[v.id].id ? map[v.id] : v;
}

static void fill_region(grouping *g, cluster *c, nnc_block body, nnc_value *map, uint32_t nmap)
{
    nnc_module *m = g->m;
    for (uint32_t i = 0; i < c->op.n; i++) {
        nnc_op op = c->op.at[i];
        if (!nnc_op_has(m, op, NNC_COMPOSITE)) {
            nnc_op_clone(m, op, (nnc_pos){body, {0}}, map, nmap);
            continue;
        }
        nnc_builder b = nnc_builder_at_end(m, body);
        nnc_value in[8], out[2];
        b.loc = nnc_op_loc(m, op);
        for (unsigned k = 0; k < nnc_op_nin(m, op); k++)
            in[k] = map_in(map, nmap, nnc_op_in(m, op, k));
        nnc_decompose(&b, op, in, out);
        for (unsigned k = 0; k < nnc_op_nout(m, op); k++)
            map[nnc_op_out(m, op, k).id] = out[k];
    }
}

static const char *kernel_kind(const nnc_module *m, const cluster *c)
{
    for (uint32_t i = 0; i < c->op.n; i++)
        if (nnc_op_has(m, c->op.at[i], NNC_COMPOSITE))
            return nnc_op_infos[nnc_op_code(m, c->op.at[i])].name;
    return NULL;
}

static nnc_loc location(const grouping *g, const cluster *c)
{
    nnc_loc parents[8];
    size_t n = 0;
    for (uint32_t i = 0; i < c->op.n && n < 8; i++) {
        nnc_loc l = nnc_op_loc(g->m, c->op.at[i]);
        bool known = !l.id;
        for (size_t k = 0; k < n; k++)
            known |= parents[k].id == l.id;
        if (!known)
            parents[n++] = l;
    }
    return n == 1 ? parents[0] : n ? nnc_loc_fused(g->m->diag, parents, n) : (nnc_loc){0};
}

static void make_fused(grouping *g, cluster *c, nnc_pos at)
{
    nnc_module *m = g->m;
    uint32_t nmap = m->value.n;
    NNC_BUF(nnc_value) in = {0}, out = {0};
    NNC_BUF(nnc_type) types = {0};
    nnc_value *map = empty_map(g);
    sort_ops(g, c);
    for (uint32_t i = 0; i < c->op.n; i++) {
        nnc_op op = c->op.at[i];
        for (unsigned k = 0; k < nnc_op_nin(m, op); k++) {
            nnc_value v = nnc_op_in(m, op, k);
            bool seen = nnc_value_is_const(m, v) || (cluster_of(g, nnc_value_op(m, v)) == c);
            for (uint32_t j = 0; j < in.n; j++)
                seen |= in.at[j].id == v.id;
            if (!seen)
                NNC_PUSH(g->a, &in, v);
        }
        for (unsigned k = 0; k < nnc_op_nout(m, op); k++)
            if (read_elsewhere(g, nnc_op_out(m, op, k), c)) {
                NNC_PUSH(g->a, &out, nnc_op_out(m, op, k));
                NNC_PUSH(g->a, &types, nnc_value_type(m, nnc_op_out(m, op, k)));
            }
    }
    if (!out.n) { /* nobody reads it */
        for (uint32_t i = c->op.n; i-- > 0;)
            nnc_op_erase(m, c->op.at[i]);
        return;
    }
    nnc_op fused = nnc_op_new(m, at, NNC_OP_fused, in.n, in.at, out.n, types.at, location(g, c));
    nnc_block body = nnc_op_add_region(m, fused);
    for (uint32_t i = 0; i < in.n; i++)
        map[in.at[i].id] =
            nnc_block_add_arg(m, body, nnc_value_type(m, in.at[i]), nnc_value_name(m, in.at[i]));
    fill_region(g, c, body, map, nmap);
    nnc_value yields[MAX_RESULTS + MAX_CHAIN];
    for (uint32_t i = 0; i < out.n; i++)
        yields[i] = map[out.at[i].id];
    nnc_builder b = nnc_builder_at_end(m, body);
    nnc_build_yield(&b, out.n, yields);
    const char *kind = kernel_kind(m, c);
    if (kind)
        nnc_attr_set_str(m, fused, NNC_W_name, kind);
    for (uint32_t i = 0; i < out.n; i++) {
        nnc_value v = nnc_op_out(m, fused, i);
        m->value.at[v.id].name = nnc_value_get(m, out.at[i])->name;
        nnc_value_replace(m, out.at[i], v);
    }
    for (uint32_t i = 0; i < in.n; i++)
        map[in.at[i].id] = (nnc_value){0};
    for (uint32_t i = c->op.n; i-- > 0;) {
        for (unsigned k = 0; k < nnc_op_nout(m, c->op.at[i]); k++)
            map[nnc_op_out(m, c->op.at[i], k).id] = (nnc_value){0};
        nnc_op_erase(m, c->op.at[i]);
    }
}

/* ---- order ---- */

typedef struct emit_cx {
    nnc_op end;
    cluster *effect;
} emit_cx;
static void emit(grouping *g, cluster *c, void *user);

static void place(grouping *g, cluster *c, emit_cx *e)
{
    nnc_pos at = {g->block, e->end};
    if (c->fixed)
        nnc_op_move(g->m, c->op.at[0], at);
    else
        make_fused(g, c, at);
}

/* Depth first: what a cluster reads stands before it.  Clusters are started in the order of their last op, so the order
 * of the block is kept where it can be. */
static void emit(grouping *g, cluster *c, void *user)
{
    if (c->done)
        return;
    c->done = true;
    for (uint32_t i = 0; i < c->op.n; i++)
        visit_op(g, c->op.at[i], emit, user);
    place(g, c, user);
}

static void emit_all(grouping *g)
{
    nnc_module *m = g->m;
    emit_cx e = {.end = nnc_block_last(m, g->block)};
    cluster **at = nnc_arena_array(g->a, g->npos + 1, sizeof *at);
    for (uint32_t i = 0; i < g->all.n; i++)
        if (g->all.at[i]->op.n)
            at[g->all.at[i]->last] = g->all.at[i];
    for (uint32_t i = 1; i <= g->npos; i++)
        if (at[i] && !nnc_op_has(m, at[i]->op.at[0], NNC_TERMINATOR))
            emit(g, at[i], &e);
}

static unsigned group_block(nnc_pass_cx *cx, nnc_block b, tables *t)
{
    nnc_module *m = cx->m;
    unsigned n = 0;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) != NNC_OP_fused)
            for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
                n += group_block(cx, nnc_op_region(m, op, i), t);
    nnc_group_prepare(m, b);
    grouping g = {.m = m, .a = cx->scratch, .block = b, .t = t};
    start(&g);
    join_all(&g);
    for (uint32_t i = 0; i < g.all.n; i++)
        n += g.all.at[i]->op.n && !g.all.at[i]->fixed;
    emit_all(&g);
    return n;
}

nnc_status nnc_pass_group(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    tables t = {0};
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            cx->changed += group_block(cx, nnc_op_region(m, f, 0), &t);
    return NNC_OK;
}
