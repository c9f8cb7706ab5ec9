/* Which maps are batched, and in what pieces.
 *
 * Maps are taken from the inside out, so that an inner map is plain batched operations when the outer one adds its
 * axis.  A map is first batched whole.  When a value that has to be stored is then larger than half of the second-level
 * cache (the first-level one, if no contraction asks for many rows at once), the ops are made again inside a scan over tiles: the largest power of two of lanes that fits, and the
 * remaining lanes behind the scan.  A result that is only summed (or reduced otherwise) over all turns is reduced in
 * every tile, so that it is never stored as a whole.  Ops of a failed or superseded attempt are erased, the last first, so that it leaves no
 * trace. */
#include "passes/batch/batch.h"
#include <string.h>
#include "passes/batch/lanes.h"

enum { MIN_TILE = 16 /* fewer rows do not keep a matrix kernel busy */ };

typedef struct batching {
    nnc_module *m;
    nnc_arena *a;
    int64_t limit;  /* bytes of the largest stored value; 0: any */
    int64_t small;  /* the same where only maps and reductions read it */
    bool gradients; /* to be taken afterwards */
    unsigned changed;
    const char *why;
} batching;

static nnc_lanes lanes_at(batching *x, nnc_op before, nnc_dim n)
{
    nnc_builder b = nnc_builder_before(x->m, before);
    return (nnc_lanes){.m = x->m, .a = x->a, .b = b, .once = b, .n = n, .gradients = x->gradients};
}

/* Erase what stands between two ops of a block (before none: the block's begin). */
static void undo(nnc_module *m, nnc_op before, nnc_op after)
{
    nnc_op prev;
    for (nnc_op op = nnc_op_prev(m, after); op.id && op.id != before.id; op = prev) {
        prev = nnc_op_prev(m, op);
        nnc_op_erase(m, op);
    }
}

/* ---- how much memory ---- */

/* Ops that read their operands many times, or at places that they look up: these must be in memory. */
static bool wants_memory(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);
    return code == NNC_OP_dot || code == NNC_OP_conv || code == NNC_OP_scan ||
           nnc_op_has(m, op, NNC_NAMED);
}

/* The reduction over all turns that is the only reader of result i, if there is one. */
static nnc_op reduced_by(const nnc_module *m, nnc_op scan, unsigned i)
{
    nnc_value y = nnc_op_out(m, scan, i);
    nnc_op user = nnc_value_single_user(m, y);
    unsigned n;
    if (!user.id || nnc_op_code(m, user) != NNC_OP_reduce ||
        (nnc_value_ty(m, y)->dtype != NNC_DT_bool &&
         nnc_dtype_infos[nnc_value_ty(m, y)->dtype].bits <
             32)) /* partial results would be rounded */
        return (nnc_op){0};
    const int64_t *axes = nnc_attr_ints(m, user, NNC_W_axes, &n);
    for (unsigned k = 0; k < n; k++)
        if (axes[k] == 0)
            return user;
    return (nnc_op){0};
}

/* Results (which nobody in the body reads) are stored whatever we do, unless all turns are reduced.  What a reduction
 * makes in between is stored too; a number per lane is not worth the trouble. */
static bool is_stored(const nnc_module *m, nnc_op scan, nnc_op op, nnc_value v, const nnc_value *ys)
{
    bool used = nnc_value_nuse(m, v) != 0;
    for (unsigned i = 0; i < nnc_op_nout(m, scan) && !used; i++)
        used = ys[i].id == v.id && reduced_by(m, scan, i).id;
    if (!used)
        return false;
    if (wants_memory(m, op))
        return true;
    if (nnc_op_has(m, op, NNC_REDUCES))
        return nnc_value_ty(m, v)->rank > 1;
    if (nnc_op_has(m, op, NNC_VIEW))
        return false;
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next)
        if (wants_memory(m, m->use.at[u].user))
            return true;
    return false;
}

typedef struct demand {
    int64_t bytes; /* of the largest value with lanes that is stored on the way */
    bool maps;     /* nothing but maps and reductions: no matrix kernel wants many rows */
} demand;

/* Of the ops that were made for the scan, behind `before`; ys are its results. */
static demand demand_of(const nnc_lanes *x, nnc_op before, nnc_op scan, const nnc_value *ys)
{
    nnc_module *m = x->m;
    demand d = {0, true};
    for (nnc_op op = nnc_op_prev(m, scan); op.id && op.id != before.id; op = nnc_op_prev(m, op)) {
        d.maps &= !wants_memory(m, op) && !nnc_op_nregion(m, op);
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
            nnc_value v = nnc_op_out(m, op, i);
            const nnc_type_rec *r = nnc_value_ty(m, v);
            int64_t bytes = nnc_type_bytes(m, nnc_value_type(m, v));
            bool lanes = r->rank && (r->dim[0] == x->n || (r->rank > 1 && r->dim[1] == x->n));
            if (lanes && bytes > d.bytes && is_stored(m, scan, op, v, ys))
                d.bytes = bytes;
        }
    }
    return d;
}

/* ---- one scan ---- */

/* The results in place of the scan's; types may differ in how they spell a size.  partial: what is reduced has been
 * reduced per tile, its reader does the rest. */
static void replace(batching *x, nnc_builder *b, nnc_op scan, const nnc_value *ys, bool partial)
{
    nnc_module *m = x->m;
    for (unsigned i = 0; i < nnc_op_nout(m, scan); i++) {
        nnc_value old = nnc_op_out(m, scan, i), y = ys[i];
        const nnc_type_rec r = *nnc_value_ty(m, old);
        if (!partial || !reduced_by(m, scan, i).id)
            y = nnc_g_reshape(b, y, r.rank, r.dim);
        nnc_value_replace(m, old, y);
    }
    nnc_op_erase(m, scan);
    x->changed++;
}

static nnc_value rows(nnc_builder *b, nnc_value v, nnc_dim start, nnc_dim n)
{
    return nnc_g_slice_axis(b, v, 0, start, 1, n);
}

/* [tiles * size, ..] <-> [tiles, size, ..] */
static nnc_value fold(nnc_builder *b, nnc_value v, nnc_dim tiles, nnc_dim size)
{
    nnc_type_rec r = *nnc_value_ty(b->m, v);
    memmove(r.dim + 2, r.dim + 1, (size_t)(r.rank - 1) * sizeof r.dim[0]);
    r.dim[0] = tiles;
    r.dim[1] = size;
    return nnc_g_reshape(b, v, r.rank + 1, r.dim);
}

static nnc_value unfold(nnc_builder *b, nnc_value v)
{
    nnc_type_rec r = *nnc_value_ty(b->m, v);
    r.dim[0] = nnc_dim_mul(b->m->dims, r.dim[0], r.dim[1]);
    memmove(r.dim + 1, r.dim + 2, (size_t)(r.rank - 2) * sizeof r.dim[0]);
    return nnc_g_reshape(b, v, r.rank - 1, r.dim);
}

/* Do all operands and results have room for the axis of tiles? */
static bool can_tile(const nnc_module *m, nnc_op scan)
{
    for (unsigned i = 0; i < nnc_op_nin(m, scan); i++)
        if (nnc_value_ty(m, nnc_op_in(m, scan, i))->rank == NNC_MAX_RANK)
            return false;
    for (unsigned i = 0; i < nnc_op_nout(m, scan); i++)
        if (nnc_value_ty(m, nnc_op_out(m, scan, i))->rank == NNC_MAX_RANK)
            return false;
    return true;
}

/* Reduce results over the lanes of a tile, as their readers do over all. */
static void reduce_tile(nnc_module *m, nnc_builder *b, nnc_op scan, nnc_value *ys)
{
    for (unsigned i = 0; i < nnc_op_nout(m, scan); i++) {
        nnc_op r = reduced_by(m, scan, i);
        int64_t list[NNC_MAX_RANK];
        unsigned n;
        if (!r.id)
            continue;
        const int64_t *axes = nnc_attr_ints(m, r, NNC_W_axes, &n);
        memcpy(list, axes, n * sizeof *list);
        ys[i] = nnc_g_reduce(b, nnc_attr_word(m, r, NNC_W_kind, NNC_W_sum), ys[i], n, list, true);
    }
}

/* A scan over `tiles` tiles of `size` lanes, before the old one. */
static bool tiled(batching *x, nnc_op scan, nnc_dim tiles, nnc_dim size, nnc_value *ys)
{
    nnc_module *m = x->m;
    unsigned nin = nnc_op_nin(m, scan), nout = nnc_op_nout(m, scan);
    nnc_builder b = nnc_builder_before(m, scan);
    nnc_value *in = nnc_arena_array(x->a, nin + 1, sizeof *in), first = {0};
    nnc_type *type = nnc_arena_array(x->a, nout + 1, sizeof *type);
    for (unsigned i = 0; i < nin; i++)
        in[i] = fold(&b, rows(&b, nnc_op_in(m, scan, i), 0, nnc_dim_mul(m->dims, tiles, size)),
                     tiles, size);
    for (unsigned i = 0; i < nout; i++) {
        nnc_type_rec r = *nnc_value_ty(m, nnc_op_out(m, scan, i));
        r.dim[0] = size;
        type[i] = nnc_type_put(m, &r);
    }
    nnc_op loop = nnc_g_scan(&b, tiles, 0, nin, in, nout, type);
    nnc_block body = nnc_op_region(m, loop, 0);
    nnc_lanes l = lanes_at(x, loop, size);
    l.b = nnc_builder_at_end(m, body);
    l.b.loc = l.once.loc;
    if (nnc_value_nuse(m, nnc_block_arg(m, nnc_op_region(m, scan, 0), 0)))
        first = nnc_g_binary(&l.b, NNC_OP_mul, nnc_block_arg(m, body, 0), nnc_g_extent(&l.b, size));
    for (unsigned i = 0; i < nin; i++)
        in[i] = nnc_block_arg(m, body, 1 + i);
    if (!nnc_lanes_run(&l, scan, first, in, ys))
        return false;
    reduce_tile(m, &l.b, scan, ys);
    nnc_build_yield(&l.b, nout, ys);
    nnc_attr_set_int(m, loop, NNC_W_serial, 1); /* its body is batched already */
    nnc_g_finish(&b, loop);
    for (unsigned i = 0; i < nout; i++)
        ys[i] = unfold(&b, nnc_op_out(m, loop, i));
    return true;
}

/* Lanes from `first` to the end, n of them. */
static bool straight(batching *x, nnc_op scan, nnc_dim first, nnc_dim n, nnc_value *ys,
                     nnc_lanes *l)
{
    nnc_module *m = x->m;
    unsigned nin = nnc_op_nin(m, scan);
    nnc_value *in = nnc_arena_array(x->a, nin + 1, sizeof *in);
    *l = lanes_at(x, scan, n);
    for (unsigned i = 0; i < nin; i++)
        in[i] = rows(&l->b, nnc_op_in(m, scan, i), first, n);
    nnc_value at = {0};
    if (first != 0)
        at = nnc_g_extent(&l->b, first);
    return nnc_lanes_run(l, scan, at, in, ys);
}

/* Full tiles, then the rest. */
static bool in_tiles(batching *x, nnc_op scan, int64_t size, nnc_value *ys)
{
    nnc_module *m = x->m;
    nnc_dims *t = m->dims;
    nnc_dim trips = nnc_attr_int(m, scan, NNC_W_trips, 0);
    nnc_dim tiles = nnc_dim_floordiv(t, trips, size), rest = nnc_dim_mod(t, trips, size);
    unsigned nout = nnc_op_nout(m, scan);
    nnc_value *last = nnc_arena_array(x->a, nout + 1, sizeof *last);
    nnc_lanes l;
    if (!tiled(x, scan, tiles, size, ys))
        return false;
    if (rest == 0)
        return true;
    if (!straight(x, scan, nnc_dim_mul(t, tiles, size), rest, last, &l))
        return false;
    nnc_builder b = nnc_builder_before(m, scan);
    reduce_tile(m, &b, scan, last);
    for (unsigned i = 0; i < nout; i++) {
        nnc_value both[2] = {ys[i], last[i]};
        ys[i] = nnc_g_concat(&b, 2, both, 0);
    }
    return true;
}

/* Lanes per tile; 0: no tiles. */
static int64_t tile_size(const batching *x, nnc_op scan, demand d)
{
    nnc_dim trips = nnc_attr_int(x->m, scan, NNC_W_trips, 0);
    int64_t n = nnc_dim_hi(x->m->dims, trips), hint = nnc_attr_int(x->m, scan, NNC_W_batch, 0);
    int64_t limit = d.maps ? x->small : x->limit, size = 1;
    if (hint > 0)
        return hint < n ? hint : 0;
    if (!limit || d.bytes <= limit || n <= MIN_TILE)
        return 0;
    while (size * 2 <= limit / (d.bytes / n + 1))
        size *= 2;
    size = size < MIN_TILE ? MIN_TILE : size;
    return size < n ? size : 0;
}

static bool batch_one(batching *x, nnc_op scan)
{
    nnc_module *m = x->m;
    nnc_op before = nnc_op_prev(m, scan);
    nnc_value *ys = nnc_arena_array(x->a, nnc_op_nout(m, scan) + 1, sizeof *ys);
    nnc_dim trips = nnc_attr_int(m, scan, NNC_W_trips, 0);
    nnc_lanes l;
    bool ok = straight(x, scan, 0, trips, ys, &l);
    int64_t size =
        ok && can_tile(m, scan) ? tile_size(x, scan, demand_of(&l, before, scan, ys)) : 0;
    x->why = l.why;
    if (ok && size) {
        undo(m, before, scan);
        ok = in_tiles(x, scan, size, ys);
    }
    if (!ok) {
        undo(m, before, scan);
        return false;
    }
    nnc_builder b = nnc_builder_before(m, scan);
    replace(x, &b, scan, ys, size != 0);
    return true;
}

static bool is_map(const nnc_module *m, nnc_op op)
{
    return nnc_op_code(m, op) == NNC_OP_scan && nnc_attr_int(m, op, NNC_W_carried, 0) == 0 &&
           !nnc_attr_int(m, op, NNC_W_serial, 0) && !nnc_attr_find(m, op, NNC_W_checkpoint) &&
           nnc_op_nout(m, op);
}

static void batch_block(batching *x, nnc_block b);

/* Inner maps, then the op itself. */
static bool batch_op(batching *x, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nregion(x->m, op); i++)
        batch_block(x, nnc_op_region(x->m, op, i));
    if (!is_map(x->m, op))
        return false;
    nnc_arena_mark mark = nnc_arena_save(x->a);
    bool done = batch_one(x, op);
    nnc_arena_restore(x->a, mark);
    if (!done && nnc_attr_int(x->m, op, NNC_W_batch, 0))
        nnc_warning(x->m->diag, nnc_op_loc(x->m, op), "the loop is not batched: its body has %s",
                    x->why ? x->why : "no batched form");
    return done;
}

static void batch_block(batching *x, nnc_block b)
{
    nnc_op next;
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = next) {
        next = nnc_op_next(x->m, op);
        batch_op(x, op);
    }
}

bool nnc_batch_scan(nnc_module *m, nnc_op scan, const char **why)
{
    batching x = {.m = m, .a = nnc_arena_new(), .gradients = true};
    bool done = batch_op(&x, scan);
    if (why)
        *why = x.why;
    nnc_arena_free(x.a);
    return done;
}

static unsigned batch_graph(batching *x, nnc_op graph)
{
    nnc_block b = nnc_op_region(x->m, graph, 0);
    unsigned before = x->changed;
    batch_block(x, b);
    return x->changed > before ? nnc_batch_products(x->m, b) : 0;
}

nnc_status nnc_pass_batch(nnc_pass_cx *cx)
{
    const nnc_target *t = cx->opt->target;
    batching x = {.m = cx->m, .a = cx->scratch};
    if (t) {
        x.limit = t->l2_bytes / 2;
        x.small = t->l1_bytes;
    }
    for (nnc_op f = nnc_block_first(cx->m, cx->m->top); f.id; f = nnc_op_next(cx->m, f))
        if (nnc_op_code(cx->m, f) == NNC_OP_graph)
            x.changed += batch_graph(&x, f);
    cx->changed += x.changed;
    return NNC_OK;
}
