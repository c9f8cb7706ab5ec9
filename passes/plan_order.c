/* The order of calls in the entry kernel, chosen for a low peak of live bytes.
 *
 * In every block, the ops that touch memory (loops and branches as wholes) are nodes of a graph: an edge where one uses
 * another's result, reads what it writes, or overwrites what it reads; a `check` stays between what came before and
 * after it, and `host` ops keep their order.  A beam search builds orders node by node; a partial order is judged by its peak so far and by the bytes
 * that are live behind it.  Two partial orders of the same nodes have the same live bytes, so only the one with the
 * lower peak is kept: with a wide beam this is dynamic programming over the sets that can come first.  The order
 * changes only if the peak gets lower; views, allocs and index arithmetic follow their users. */
#include <stdlib.h>
#include <string.h>
#include "passes/plan_fn.h"

enum {
    WIDTH = 48,
    CHOICES = 24,
    WINDOW = 192 /* how far ahead of the first open node */,
    MIN_NODES = 4,
    MAX_NODES = 20000
};

typedef NNC_BUF(uint32_t) id_list;

typedef struct node {
    nnc_op op;
    id_list pred, succ;
    id_list mem; /* memories of this block that it touches */
    uint64_t hash;
} node;

typedef struct order {
    nnc_module *m;
    nnc_arena *a;
    nnc_live *l;
    nnc_block b;
    node *node;
    uint32_t n;
    uint32_t *node_of; /* per op id: its node + 1 when it is one of this block */
    uint32_t *seen;    /* per op id: stamp */
    uint32_t stamp;
    uint64_t *bytes; /* per memory; 0: not allocated in this block */
    id_list *users;  /* per memory: nodes that touch it */
} order;

typedef struct state {
    uint64_t *done; /* bit set of nodes */
    uint64_t hash, peak, live;
    uint32_t parent, node; /* place in the history */
} state;

static bool has_bit(const uint64_t *set, uint32_t i)
{
    return set[i / 64] >> (i % 64) & 1;
}

/* ---- the graph ---- */

static bool is_node(const nnc_module *m, nnc_op op)
{
    return nnc_op_nregion(m, op) > 0 || nnc_op_has(m, op, NNC_WRITES | NNC_READS);
}

static void add_edge(order *o, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    for (uint32_t i = 0; i < o->node[to].pred.n; i++)
        if (o->node[to].pred.at[i] == from)
            return;
    NNC_PUSH(o->a, &o->node[to].pred, from);
    NNC_PUSH(o->a, &o->node[from].succ, to);
}

/* Edges from the makers of all values that op and its regions use; pure ops of the block are looked through. */
static void value_edges(order *o, nnc_op op, uint32_t to)
{
    nnc_module *m = o->m;

    if (o->seen[op.id] == o->stamp)
        return;
    o->seen[op.id] = o->stamp;
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_op def = nnc_value_op(m, nnc_op_in(m, op, i));
        if (!def.id || nnc_op_get(m, def)->block.id != o->b.id)
            continue;
        if (o->node_of[def.id])
            add_edge(o, o->node_of[def.id] - 1, to);
        else
            value_edges(o, def, to);
    }
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op inner = nnc_block_first(m, nnc_op_region(m, op, r)); inner.id;
             inner = nnc_op_next(m, inner))
            value_edges(o, inner, to);
}

/* Reads after writes, writes after reads, writes after writes. */
static void memory_edges(order *o, uint32_t index)
{
    const nnc_memory *mem = &o->l->memory.at[index];
    uint32_t writer = UINT32_MAX;
    id_list readers = {0};

    for (uint32_t i = 0; i < mem->touch.n; i++) {
        nnc_op op = nnc_live_inside(o->m, mem->touch.at[i].op, o->b);
        uint32_t k;
        if (!op.id || !o->node_of[op.id])
            continue;
        k = o->node_of[op.id] - 1;
        if (o->users[index].n == 0 || o->users[index].at[o->users[index].n - 1] != k) {
            NNC_PUSH(o->a, &o->users[index], k);
            if (o->bytes[index])
                NNC_PUSH(o->a, &o->node[k].mem, index);
        }
        if (writer != UINT32_MAX)
            add_edge(o, writer, k);
        if (mem->touch.at[i].writes) {
            for (uint32_t r = 0; r < readers.n; r++)
                add_edge(o, readers.at[r], k);
            readers.n = 0;
            writer = k;
        } else {
            NNC_PUSH(o->a, &readers, k);
        }
    }
}

static void check_edges(order *o)
{
    uint32_t since = 0, last = UINT32_MAX;

    for (uint32_t k = 0; k < o->n; k++) {
        if (last != UINT32_MAX)
            add_edge(o, last, k);
        if (nnc_op_code(o->m, o->node[k].op) != NNC_OP_check)
            continue;
        for (uint32_t j = since; j < k; j++)
            add_edge(o, j, k);
        since = k;
        last = k;
    }
}

static bool has_effect(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);

    if (code == NNC_OP_check || code == NNC_OP_host)
        return true;
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op in = nnc_block_first(m, nnc_op_region(m, op, r)); in.id;
             in = nnc_op_next(m, in))
            if (has_effect(m, in))
                return true;
    return false;
}

/* What the world outside can tell apart happens in the order of the program. */
static void effect_edges(order *o)
{
    uint32_t last = UINT32_MAX;

    for (uint32_t k = 0; k < o->n; k++) {
        if (!has_effect(o->m, o->node[k].op))
            continue;
        if (last != UINT32_MAX)
            add_edge(o, last, k);
        last = k;
    }
}

static void make_graph(order *o)
{
    nnc_module *m = o->m;
    uint64_t h = 0x9E3779B97F4A7C15u;

    o->n = 0;
    for (nnc_op op = nnc_block_first(m, o->b); op.id; op = nnc_op_next(m, op)) {
        if (!is_node(m, op))
            continue;
        h ^= h << 13;
        h ^= h >> 7;
        h ^= h << 17;
        o->node[o->n] = (node){.op = op, .hash = h};
        o->node_of[op.id] = ++o->n;
    }
    for (uint32_t k = 0; k < o->n; k++) {
        o->stamp++;
        value_edges(o, o->node[k].op, k);
    }
    for (uint32_t i = 0; i < o->l->memory.n; i++) {
        const nnc_memory *mem = &o->l->memory.at[i];
        nnc_op def = nnc_value_op(m, mem->base);
        bool here = mem->arena && def.id && nnc_op_get(m, def)->block.id == o->b.id;
        uint64_t bytes = here ? (uint64_t)nnc_type_bytes(m, nnc_value_type(m, mem->base)) : 0;
        o->bytes[i] = (bytes + NNC_PLAN_ALIGN - 1) / NNC_PLAN_ALIGN * NNC_PLAN_ALIGN;
        o->users[i].n = 0;
        memory_edges(o, i);
    }
    check_edges(o);
    effect_edges(o);
}

/* ---- search ---- */

/* May the memory born at k lie where memory `dead`, which dies there, lay? */
static bool takes_over(const order *o, uint32_t k, uint32_t born, uint32_t dead)
{
    nnc_module *m = o->m;
    nnc_op call = o->node[k].op, kernel;
    unsigned n;
    const int64_t *pair;

    if (nnc_op_code(m, call) != NNC_OP_call)
        return nnc_op_code(m, call) == NNC_OP_copy && o->bytes[born] == o->bytes[dead];
    kernel = nnc_func_find(m, nnc_attr_str(m, call, NNC_W_callee, ""));
    pair = kernel.id ? nnc_attr_ints(m, kernel, NNC_W_inplace, &n) : NULL;
    for (unsigned i = 0; pair && i + 1 < n; i += 2)
        if (nnc_live_of(o->l, nnc_op_in(m, call, (unsigned)pair[i])) == &o->l->memory.at[born] &&
            nnc_live_of(o->l, nnc_op_in(m, call, (unsigned)pair[i + 1])) == &o->l->memory.at[dead])
            return true;
    return false;
}

/* Live bytes while node k runs after the nodes of `done`, and behind it. */
static void step(const order *o, const uint64_t *done, uint32_t k, uint64_t live, uint64_t *during,
                 uint64_t *after)
{
    const node *d = &o->node[k];
    uint64_t born = 0, dead = 0, shared = 0;
    uint32_t newest = UINT32_MAX, oldest = UINT32_MAX;

    for (uint32_t i = 0; i < d->mem.n; i++) {
        const id_list *u = &o->users[d->mem.at[i]];
        bool first = true, last = true;
        for (uint32_t j = 0; j < u->n && (first || last); j++)
            if (u->at[j] != k) {
                first = first && !has_bit(done, u->at[j]);
                last = last && has_bit(done, u->at[j]);
            }
        born += first ? o->bytes[d->mem.at[i]] : 0;
        dead += last ? o->bytes[d->mem.at[i]] : 0;
        if (first && !last)
            newest = d->mem.at[i];
        if (last && !first)
            oldest = oldest == UINT32_MAX ||
                             (newest != UINT32_MAX && takes_over(o, k, newest, d->mem.at[i]))
                         ? d->mem.at[i]
                         : oldest;
    }
    if (newest != UINT32_MAX && oldest != UINT32_MAX && takes_over(o, k, newest, oldest))
        shared = o->bytes[oldest];
    *during = live + born - shared;
    *after = live + born - dead;
}

static int by_cost(const void *x, const void *y)
{
    const state *a = x, *b = y;
    if (a->peak != b->peak)
        return a->peak < b->peak ? -1 : 1;
    if (a->live != b->live)
        return a->live < b->live ? -1 : 1;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return a->node < b->node ? -1 : a->node > b->node;
}

static bool is_ready(const order *o, const uint64_t *done, uint32_t k)
{
    for (uint32_t i = 0; i < o->node[k].pred.n; i++)
        if (!has_bit(done, o->node[k].pred.at[i]))
            return false;
    return true;
}

/* No order is better than what the hungriest node needs alone. */
static uint64_t least_peak(const order *o)
{
    uint64_t most = 0;

    for (uint32_t k = 0; k < o->n; k++) {
        uint64_t sum = 0, largest = 0;
        for (uint32_t i = 0; i < o->node[k].mem.n; i++) {
            sum += o->bytes[o->node[k].mem.at[i]];
            largest =
                o->bytes[o->node[k].mem.at[i]] > largest ? o->bytes[o->node[k].mem.at[i]] : largest;
        }
        sum -= o->node[k].mem.n > 1 ? largest : 0; /* at most one may lie on another */
        most = sum > most ? sum : most;
    }
    return most;
}

static uint64_t peak_of(const order *o, uint64_t *done, const uint32_t *sequence)
{
    uint64_t live = 0, peak = 0, during;

    for (uint32_t i = 0; i < o->n; i++) {
        uint32_t k = sequence ? sequence[i] : i;
        step(o, done, k, live, &during, &live);
        peak = during > peak ? during : peak;
        done[k / 64] |= (uint64_t)1 << (k % 64);
    }
    return peak;
}

/* Successors of one state.  The first undone node is where the block's own order would go on; ready nodes are looked
 * for from there, near ones first. */
static uint32_t expand(const order *o, const state *s, uint32_t parent, uint32_t from, state *out)
{
    uint32_t n = 0;

    for (uint32_t k = from; k < o->n && n < CHOICES && k < from + WINDOW; k++) {
        uint64_t during;
        if (has_bit(s->done, k) || !is_ready(o, s->done, k))
            continue;
        out[n] = (state){
            .done = s->done, .hash = s->hash ^ o->node[k].hash, .parent = parent, .node = k};
        step(o, s->done, k, s->live, &during, &out[n].live);
        out[n].peak = during > s->peak ? during : s->peak;
        n++;
    }
    return n;
}

static uint32_t first_undone(const order *o, const uint64_t *done)
{
    uint32_t k = 0;

    while (k < o->n && has_bit(done, k))
        k += done[k / 64] == UINT64_MAX && k % 64 == 0 ? 64 : 1;
    return k;
}

/* The best order found; its peak. */
static uint64_t search(order *o, uint32_t *best)
{
    uint32_t words = o->n / 64 + 1, nbeam = 1;
    struct {
        uint32_t parent, node;
    } *history = nnc_arena_array(o->a, (size_t)o->n * WIDTH + 1, sizeof *history);
    state *beam = nnc_arena_array(o->a, WIDTH, sizeof *beam),
          *next = nnc_arena_array(o->a, WIDTH * CHOICES, sizeof *next);
    uint64_t *set[2] = {nnc_arena_array(o->a, (size_t)words * WIDTH, 8),
                        nnc_arena_array(o->a, (size_t)words * WIDTH, 8)};

    beam[0].done = set[0];
    for (uint32_t depth = 0; depth < o->n; depth++) {
        uint32_t nnext = 0, kept = 0;
        for (uint32_t i = 0; i < nbeam; i++)
            nnext += expand(o, &beam[i], i, first_undone(o, beam[i].done), next + nnext);
        qsort(next, nnext, sizeof *next, by_cost);
        for (uint32_t i = 0; i < nnext && kept < WIDTH; i++) {
            bool again = false;
            uint64_t *done = set[(depth + 1) & 1] + (size_t)kept * words;
            for (uint32_t j = 0; j < kept && !again; j++)
                again = beam[j].hash == next[i].hash;
            if (again)
                continue;
            memcpy(done, next[i].done, words * sizeof *done);
            done[next[i].node / 64] |= (uint64_t)1 << (next[i].node % 64);
            history[(size_t)depth * WIDTH + kept].parent = next[i].parent;
            history[(size_t)depth * WIDTH + kept].node = next[i].node;
            beam[kept] = next[i];
            beam[kept++].done = done;
        }
        nbeam = kept;
        if (!nbeam)
            return UINT64_MAX;
    }
    for (uint32_t depth = o->n, at = 0; depth-- > 0;
         at = history[(size_t)depth * WIDTH + at].parent)
        best[depth] = history[(size_t)depth * WIDTH + at].node;
    return beam[0].peak;
}

/* ---- the new order ---- */

/* Move op behind everything that was moved before, its pure operands first. */
static void emit(order *o, nnc_op op, nnc_op before)
{
    nnc_module *m = o->m;

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_op def = nnc_value_op(m, nnc_op_in(m, op, i));
        if (def.id && nnc_op_get(m, def)->block.id == o->b.id && !o->node_of[def.id] &&
            o->seen[def.id] != o->stamp)
            emit(o, def, before);
    }
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op inner = nnc_block_first(m, nnc_op_region(m, op, r)); inner.id;
             inner = nnc_op_next(m, inner))
            emit(o, inner, before);
    if (nnc_op_get(m, op)->block.id != o->b.id)
        return;
    o->seen[op.id] = o->stamp;
    nnc_op_move(m, op, (nnc_pos){o->b, before});
}

static unsigned order_block(order *o)
{
    nnc_module *m = o->m;
    nnc_op last = nnc_block_last(m, o->b);
    uint32_t n = 0, *best;
    uint64_t *done, now, peak;

    for (nnc_op op = nnc_block_first(m, o->b); op.id; op = nnc_op_next(m, op))
        n += is_node(m, op);
    if (n < MIN_NODES || n > MAX_NODES)
        return 0;
    o->node = nnc_arena_array(o->a, n + 1u, sizeof *o->node);
    make_graph(o);
    done = nnc_arena_array(o->a, n / 64 + 1u, sizeof *done);
    best = nnc_arena_array(o->a, n + 1u, sizeof *best);
    now = peak_of(o, done, NULL);
    peak = now > least_peak(o) ? search(o, best) : now;
    if (peak < now) {
        nnc_op before = last.id && nnc_op_has(m, last, NNC_TERMINATOR) ? last : (nnc_op){0};
        o->stamp++;
        for (uint32_t k = 0; k < n; k++)
            emit(o, o->node[best[k]].op, before);
    }
    for (uint32_t k = 0; k < n; k++)
        o->node_of[o->node[k].op.id] = 0;
    return peak < now;
}

static unsigned order_blocks(order *o, nnc_block b)
{
    unsigned n;

    o->b = b;
    n = order_block(o);
    for (nnc_op op = nnc_block_first(o->m, b); op.id; op = nnc_op_next(o->m, op))
        for (unsigned r = 0; r < nnc_op_nregion(o->m, op); r++)
            n += order_blocks(o, nnc_op_region(o->m, op, r));
    return n;
}

unsigned nnc_plan_order(nnc_module *m, nnc_arena *scratch, nnc_op entry)
{
    order o = {.m = m, .a = scratch, .l = nnc_live_new(m, scratch, entry)};

    o.node_of = nnc_arena_array(scratch, m->op.n, sizeof *o.node_of);
    o.seen = nnc_arena_array(scratch, m->op.n, sizeof *o.seen);
    o.bytes = nnc_arena_array(scratch, o.l->memory.n + 1u, sizeof *o.bytes);
    o.users = nnc_arena_array(scratch, o.l->memory.n + 1u, sizeof *o.users);
    return order_blocks(&o, nnc_op_region(m, entry, 0));
}
