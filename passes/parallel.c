/* Loops that several threads may share.  Only with nnc_options.threads > 1.
 *
 * A kernel with parallel loops is run by every thread, each with its part of their iterations; there are no barriers
 * inside.  That is right when no element that one part stores is touched by another:
 *
 *   nests       each loop nest of a kernel chooses the depth (of the outermost three) at which all its loops that store
 *               are split; a store and any other access of the same memory must be in the same iteration of the same
 *               loop when they meet, which access.c proves;
 *   the rest    statements between nests are wrapped into loops of one trip: one part does them;
 *   everywhere  accesses of different nests must never meet, and local buffers must not carry anything out of or
 *               between iterations.
 *
 * Reductions are never split, so results do not depend on the number of parts.  A kernel stays serial when what is won
 * does not pay for waking the others and waiting for them. */
#include "ir/build.h"
#include "passes/access.h"
#include "passes/kmem.h"
#include "passes/pass.h"

enum {
    MAX_DEPTH = 3,
    HANDOVER = 100000, /* steps in the time of one hand-over and join, some microseconds */
    UNKNOWN_TRIPS = 64 /* of a loop whose length only the run knows */
};

typedef struct splitter {
    nnc_module *m;
    nnc_arena *a;
    nnc_access_list list;
    int threads, lanes;
    NNC_BUF(nnc_op) chosen; /* loops to be split */
} splitter;

/* ---- work ---- */

static bool is_chosen(const splitter *x, nnc_op loop)
{
    for (uint32_t i = 0; i < x->chosen.n; i++)
        if (x->chosen.at[i].id == loop.id)
            return true;
    return false;
}

static double trips_of(const splitter *x, nnc_op op)
{
    const nnc_module *m = x->m;
    nnc_range r;
    double n = nnc_for_range(m, op, &r) ? (double)r.trips : UNKNOWN_TRIPS;

    if (nnc_attr_word(m, op, NNC_W_kind, NNC_W_serial) == NNC_W_vector)
        n = n > x->lanes ? n / x->lanes : 1;
    return n;
}

/* Steps of a block; with `parts`, those of the busiest part: chosen loops run their share. */
static double work(const splitter *x, nnc_block b, int parts)
{
    double sum = 0;

    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op)) {
        nnc_opcode code = nnc_op_code(x->m, op);
        double n = code == NNC_OP_for || code == NNC_OP_while ? trips_of(x, op) : 1, inner = 1;
        if (parts > 1 && is_chosen(x, op))
            n = (double)(((int64_t)n + parts - 1) / parts);
        for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++)
            inner += work(x, nnc_op_region(x->m, op, r), parts);
        sum += n * inner;
    }
    return sum;
}

/* ---- what may meet ---- */

/* The chosen loop around an access; 0: none. */
static nnc_op chosen_around(const splitter *x, const nnc_access *a)
{
    for (unsigned i = 0; i < a->nloop; i++)
        if (is_chosen(x, a->loop[i]))
            return a->loop[i];
    return (nnc_op){0};
}

static nnc_op top_of(const splitter *x, nnc_op op)
{
    while (nnc_op_get(x->m, op)->block.id != x->list.top.id)
        op = nnc_block_parent(x->m, nnc_op_get(x->m, op)->block);
    return op;
}

/* Never the same element from two parts? */
static bool stay_apart(const splitter *x, const nnc_access *s, const nnc_access *a)
{
    bool forced[NNC_ACCESS_LOOPS], apart;
    unsigned n = nnc_access_meet(&x->list, s, a, forced, &apart);
    nnc_op loop = chosen_around(x, s);

    if (apart)
        return true;
    for (unsigned i = 0; i < n; i++)
        if (s->loop[i].id == loop.id)
            return forced[i];
    return !loop.id && !chosen_around(x, a).id && top_of(x, s->op).id == top_of(x, a->op).id;
}

static bool all_apart(const splitter *x, const nnc_accesses *stores, const nnc_accesses *others)
{
    if (!stores->all || !others->all)
        return false;
    for (uint32_t i = 0; i < stores->list.n; i++)
        for (uint32_t j = 0; j < others->list.n; j++)
            if (!stay_apart(x, &stores->list.at[i], &others->list.at[j]))
                return false;
    return true;
}

static bool parameters_apart(const splitter *x, nnc_op kernel)
{
    unsigned n;
    const int64_t *pair = nnc_attr_ints(x->m, kernel, NNC_W_inplace, &n);

    for (unsigned p = 0; p < x->list.nparam; p++) {
        const nnc_accesses *s = &x->list.store[p];
        if (!nnc_op_writes_buffer(x->m, kernel, nnc_block_arg(x->m, x->list.top, p)))
            continue;
        if (!all_apart(x, s, s) || !all_apart(x, s, &x->list.load[p]))
            return false;
    }
    for (unsigned i = 0; i + 1 < n; i += 2) /* the same memory under two names */
        if (!all_apart(x, &x->list.store[pair[i]], &x->list.load[pair[i + 1]]))
            return false;
    return true;
}

/* Is every buffer that is written inside a chosen loop a parameter or made inside? */
static bool locals_stay_inside(const splitter *x, nnc_block b, nnc_op loop)
{
    const nnc_module *m = x->m;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_opcode code = nnc_op_code(m, op);
        if (code == NNC_OP_call || code == NNC_OP_host || code == NNC_OP_check ||
            code == NNC_OP_view || code == NNC_OP_fill || code == NNC_OP_copy)
            return false;
        if (code == NNC_OP_store) {
            nnc_op made = nnc_value_op(m, nnc_op_in(m, op, 1));
            while (made.id && made.id != loop.id)
                made = nnc_block_parent(m, nnc_op_get(m, made)->block);
            if (nnc_value_op(m, nnc_op_in(m, op, 1)).id && made.id != loop.id)
                return false;
        }
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (!locals_stay_inside(x, nnc_op_region(m, op, r), loop))
                return false;
    }
    return true;
}

/* ---- the choice ---- */

static bool can_split(const splitter *x, nnc_op loop)
{
    int64_t step;

    return nnc_op_code(x->m, loop) == NNC_OP_for &&
           nnc_attr_word(x->m, loop, NNC_W_kind, NNC_W_serial) == NNC_W_serial &&
           nnc_value_idx(x->m, nnc_op_in(x->m, loop, 2), &step) && step == 1 &&
           locals_stay_inside(x, nnc_op_region(x->m, loop, 0), loop);
}

/* Choose the loops at `depth` of a nest that store to parameters; false: some store is not inside such a loop. */
static bool choose_depth(splitter *x, nnc_op nest, unsigned depth)
{
    bool any = false;

    for (unsigned p = 0; p < x->list.nparam; p++)
        for (uint32_t i = 0; i < x->list.store[p].list.n; i++) {
            const nnc_access *s = &x->list.store[p].list.at[i];
            if (!s->nloop || s->loop[0].id != nest.id)
                continue;
            if (s->nloop <= depth ||
                !(is_chosen(x, s->loop[depth]) || can_split(x, s->loop[depth])))
                return false;
            any = true;
            if (!is_chosen(x, s->loop[depth]))
                NNC_PUSH(x->a, &x->chosen, s->loop[depth]);
        }
    return any;
}

/* The depth whose busiest part has least to do, if that is less than the whole. */
static void choose_nest(splitter *x, nnc_op kernel, nnc_op nest)
{
    uint32_t from = x->chosen.n;
    double least = work(x, x->list.top, x->threads);
    int best = -1;

    for (unsigned d = 0; d < MAX_DEPTH; d++) {
        if (choose_depth(x, nest, d) && parameters_apart(x, kernel)) {
            double w = work(x, x->list.top, x->threads);
            if (w < least) {
                least = w;
                best = (int)d;
            }
        }
        x->chosen.n = from;
    }
    if (best >= 0)
        (void)choose_depth(x, nest, (unsigned)best);
}

/* ---- what no nest holds: one part does it ---- */

static bool holds_chosen(const splitter *x, nnc_op op)
{
    for (uint32_t i = 0; i < x->chosen.n; i++)
        if (top_of(x, x->chosen.at[i]).id == op.id)
            return true;
    return false;
}

static bool has_effect(const splitter *x, nnc_op op)
{
    return nnc_op_nregion(x->m, op) || nnc_op_has(x->m, op, NNC_WRITES) ||
           nnc_op_code(x->m, op) == NNC_OP_alloc;
}

/* From `from` on: the last op of the run that has an effect, before the next nest. */
static nnc_op run_end(const splitter *x, nnc_op from)
{
    nnc_op last = from;

    for (nnc_op op = from; op.id && !holds_chosen(x, op) && !nnc_op_has(x->m, op, NNC_TERMINATOR);
         op = nnc_op_next(x->m, op))
        if (has_effect(x, op))
            last = op;
    return last;
}

/* Do the values of the run stay in it? */
static bool is_closed(const splitter *x, nnc_op first, nnc_op last)
{
    const nnc_module *m = x->m;
    uint32_t lo = nnc_op_get(m, first)->order, hi = nnc_op_get(m, last)->order;

    for (nnc_op op = first;; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            for (uint32_t u = nnc_value_get(m, nnc_op_out(m, op, i))->first_use; u;
                 u = m->use.at[u].next) {
                uint32_t at = nnc_op_get(m, top_of(x, m->use.at[u].user))->order;
                if (at < lo || at > hi)
                    return false;
            }
        if (op.id == last.id)
            return true;
    }
}

static void wrap(splitter *x, nnc_op first, nnc_op last)
{
    nnc_module *m = x->m;
    nnc_builder b = nnc_builder_at_end(m, x->list.top);
    nnc_op op = first, next;

    b.pos = (nnc_pos){x->list.top, first};
    b.loc = nnc_op_loc(m, first);
    nnc_value once = nnc_k_for(&b, nnc_const_idx(m, 0), nnc_const_idx(m, 1), nnc_const_idx(m, 1),
                               NNC_W_parallel, "once");
    nnc_block body = {nnc_value_get(m, once)->def};
    for (bool end = false; !end; op = next) {
        next = nnc_op_next(m, op);
        end = op.id == last.id;
        nnc_op_move(m, op, (nnc_pos){body, {0}});
    }
}

/* Every run of other statements; with `apply` they are wrapped, else: can they be? */
static bool other_runs(splitter *x, bool apply)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(x->m, x->list.top); op.id; op = next) {
        next = nnc_op_next(x->m, op);
        if (holds_chosen(x, op) || !has_effect(x, op) || nnc_op_has(x->m, op, NNC_TERMINATOR))
            continue;
        nnc_op last = run_end(x, op);
        next = nnc_op_next(x->m, last);
        if (apply)
            wrap(x, op, last);
        else if (!is_closed(x, op, last))
            return false;
    }
    return true;
}

/* ---- kernels ---- */

static bool split_kernel(splitter *x, nnc_op kernel)
{
    nnc_block top = nnc_op_region(x->m, kernel, 0);

    if (nnc_block_narg(x->m, top) > NNC_ACCESS_PARAMS)
        return false;
    nnc_access_find(&x->list, x->m, x->a, kernel);
    x->chosen.n = 0;
    double all = work(x, top, 1);
    if (all < 2 * HANDOVER)
        return false;
    for (nnc_op op = nnc_block_first(x->m, top); op.id; op = nnc_op_next(x->m, op))
        if (nnc_op_code(x->m, op) == NNC_OP_for)
            choose_nest(x, kernel, op);
    if (!x->chosen.n || all - work(x, top, x->threads) < HANDOVER || !parameters_apart(x, kernel) ||
        !other_runs(x, false))
        return false;
    (void)other_runs(x, true);
    for (uint32_t i = 0; i < x->chosen.n; i++)
        nnc_attr_set_word(x->m, x->chosen.at[i], NNC_W_kind, NNC_W_parallel);
    return true;
}

nnc_status nnc_pass_parallel(nnc_pass_cx *cx)
{
    splitter x = {.m = cx->m,
                  .a = cx->scratch,
                  .threads = cx->opt ? cx->opt->threads : 0,
                  .lanes = cx->opt && cx->opt->target ? cx->opt->target->lanes : 1};

    for (nnc_op f = nnc_block_first(cx->m, cx->m->top); f.id && x.threads > 1;
         f = nnc_op_next(cx->m, f))
        if (nnc_op_code(cx->m, f) == NNC_OP_kernel && !nnc_attr_int(cx->m, f, NNC_W_entry, 0))
            cx->changed += split_kernel(&x, f);
    return NNC_OK;
}
