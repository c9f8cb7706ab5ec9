/* A loop of the entry kernel whose body is small becomes one kernel.
 *
 * Lowering leaves loops and branches in the entry kernel, around a call per fused op, with every value in the arena.
 * That is right when the calls do much work.  When they do not, the calls are the work.  Such a loop is rebuilt:
 *
 *   calls       the callee's ops stand where the call was;
 *   copies      of a few elements are loads and stores;
 *   allocs      of one element are registers, small ones are local arrays, all others move out of the loop;
 *   weights     of one element are constants;
 *   outline     the loop moves into a kernel of its own.  What it uses from outside are parameters: roots of buffers
 *               (their views are made again inside, so that two parameters are always two memories) and scalars;
 *   promotion   a parameter of one element is a register inside: loaded before the loop, stored behind it.
 *
 * The outermost loop that qualifies is taken; a loop that calls the host, checks, or calls large kernels stays, and
 * the loops in it are tried one by one. */
#include "ir/build.h"
#include "ir/interp.h"
#include "passes/kmem.h"
#include "passes/krange.h"
#include "passes/pass.h"
#include <string.h>

enum {
    MAX_CALLEE = 400,   /* ops of a kernel that is worth moving in */
    MAX_OPS = 20000,    /* of the whole loop */
    MAX_WORK = 1 << 14, /* scalar steps of a callee: beyond, a call costs nothing */
    UNKNOWN_TRIPS = 64, /* of a loop whose length only the run knows */
    MAX_LOCAL = 64,     /* bytes of a local array: an index vector, a small row */
    MAX_UNROLL = 4,
    MAX_UNROLLED = 12 /* trips and ops of a loop over an index vector or the like */
};

typedef struct loops {
    nnc_pass_cx *cx;
    nnc_module *m;
    nnc_op entry;
    nnc_value *map; /* clones of callees */
    uint32_t nmap, serial;
    uint32_t *calls; /* per op id: calls of that kernel */
    uint32_t ncalls;
} loops;

/* ---- which loops ---- */

static unsigned count_ops(const nnc_module *m, nnc_block b)
{
    unsigned n = 0;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        n++;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            n += count_ops(m, nnc_op_region(m, op, r));
    }
    return n;
}

static double trips_of(const nnc_module *m, nnc_op op)
{
    nnc_range r;

    return nnc_for_range(m, op, &r) ? (double)r.trips : UNKNOWN_TRIPS;
}

static double work(const nnc_module *m, nnc_block b)
{
    double sum = 0;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_opcode code = nnc_op_code(m, op);
        double n = code == NNC_OP_for || code == NNC_OP_while ? trips_of(m, op) : 1, inner = 0;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            inner += work(m, nnc_op_region(m, op, r));
        sum += nnc_op_nregion(m, op) ? n * inner : 1;
    }
    return sum;
}

static nnc_op callee_of(const nnc_module *m, nnc_op call)
{
    return nnc_func_find(m, nnc_attr_str(m, call, NNC_W_callee, ""));
}

static bool is_small_kernel(const nnc_module *m, nnc_op kernel)
{
    nnc_block b = nnc_op_region(m, kernel, 0);

    if (count_ops(m, b) > MAX_CALLEE || work(m, b) > MAX_WORK)
        return false;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_call || nnc_op_code(m, op) == NNC_OP_const)
            return false;
    return true;
}

static bool fits(const loops *x, nnc_block b, unsigned *ops)
{
    const nnc_module *m = x->m;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        switch (nnc_op_code(m, op)) {
        case NNC_OP_host:
        case NNC_OP_check:
        case NNC_OP_state:
        case NNC_OP_const: return false;
        case NNC_OP_call: {
            nnc_op k = callee_of(m, op);
            if (!k.id || !is_small_kernel(m, k))
                return false;
            *ops += count_ops(m, nnc_op_region(m, k, 0));
            break;
        }
        default: break;
        }
        if (++*ops > MAX_OPS)
            return false;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (!fits(x, nnc_op_region(m, op, r), ops))
                return false;
    }
    return true;
}

static bool is_loop(const nnc_module *m, nnc_op op)
{
    return nnc_op_code(m, op) == NNC_OP_for || nnc_op_code(m, op) == NNC_OP_while;
}

/* ---- calls and copies ---- */

/* Loops of a callee that make a handful of elements in all, vectors or not: every element for itself, so that small
 * arrays become registers. */
static void unroll_nest(nnc_module *m, nnc_op loop, double around)
{
    double n = around * trips_of(m, loop);
    nnc_block body = nnc_op_region(m, loop, 0);

    if (n > MAX_UNROLL || count_ops(m, body) > 4 * MAX_UNROLLED)
        return;
    for (nnc_op op = nnc_block_first(m, body); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_for && n * trips_of(m, op) > MAX_UNROLL)
            return;
    nnc_attr_set_word(m, loop, NNC_W_kind, NNC_W_unroll);
    for (nnc_op op = nnc_block_first(m, body); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_for)
            unroll_nest(m, op, n);
}

static void inline_call(loops *x, nnc_op call)
{
    nnc_module *m = x->m;
    nnc_op k = callee_of(m, call);
    nnc_block body = nnc_op_region(m, k, 0);
    nnc_pos at = {nnc_op_get(m, call)->block, call};

    for (nnc_op op = nnc_block_first(m, body); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_for)
            unroll_nest(m, op, 1);
    for (unsigned i = 0; i < nnc_block_narg(m, body); i++)
        x->map[nnc_block_arg(m, body, i).id] = nnc_op_in(m, call, i);
    nnc_block_clone(m, body, at, x->map, x->nmap, false);
    x->calls[k.id]--;
    nnc_op_erase(m, call);
}

static int64_t elements(const nnc_module *m, nnc_value buffer)
{
    nnc_type t = nnc_value_type(m, buffer);

    return nnc_type_is_static(m, t) && nnc_value_ty(m, buffer)->lanes == 1 ? nnc_type_count(m, t)
                                                                           : INT64_MAX;
}

/* The indices of element k of a buffer, row-major. */
static void position(nnc_module *m, nnc_value buffer, int64_t k, nnc_value *at)
{
    const nnc_type_rec t = *nnc_value_ty(m, buffer);

    for (int d = t.rank - 1; d >= 0; d--) {
        at[d] = nnc_const_idx(m, k % t.dim[d]);
        k /= t.dim[d];
    }
}

static void copy_elements(loops *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value to = nnc_op_in(m, op, 0), from = nnc_op_in(m, op, 1), at[NNC_MAX_RANK], v[MAX_UNROLL];
    nnc_builder b = nnc_builder_before(m, op);
    int64_t n = elements(m, to);

    for (int64_t k = 0; k < n; k++) {
        position(m, from, k, at);
        v[k] = nnc_k_load(&b, from, nnc_value_ty(m, from)->rank, at);
    }
    for (int64_t k = 0; k < n; k++) {
        position(m, to, k, at);
        nnc_k_store(&b, v[k], to, nnc_value_ty(m, to)->rank, at);
    }
    nnc_op_erase(m, op);
}

static void unroll_short(const nnc_module *m, nnc_op op)
{
    if (nnc_op_code(m, op) == NNC_OP_for &&
        nnc_attr_word(m, op, NNC_W_kind, NNC_W_serial) == NNC_W_serial &&
        trips_of(m, op) <= MAX_UNROLL && count_ops(m, nnc_op_region(m, op, 0)) <= MAX_UNROLLED)
        nnc_attr_set_word((nnc_module *)m, op, NNC_W_kind, NNC_W_unroll);
}

static void flatten(loops *x, nnc_block b)
{
    nnc_module *m = x->m;
    nnc_op next, prev;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        if (nnc_op_code(m, op) == NNC_OP_call) {
            prev = nnc_op_prev(m, op);
            inline_call(x, op);
            next = prev.id ? nnc_op_next(m, prev) : nnc_block_first(m, b);
            continue;
        }
        next = nnc_op_next(m, op);
        if (nnc_op_code(m, op) == NNC_OP_copy && elements(m, nnc_op_in(m, op, 0)) <= MAX_UNROLL)
            copy_elements(x, op);
        else
            for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
                flatten(x, nnc_op_region(m, op, r));
    }
}

static void unroll_all(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            unroll_all(m, nnc_op_region(m, op, r));
        unroll_short(m, op);
    }
}

/* ---- memory ---- */

static bool is_inside(const nnc_module *m, nnc_op op, nnc_op loop)
{
    for (; op.id; op = nnc_block_parent(m, nnc_op_get(m, op)->block))
        if (op.id == loop.id)
            return true;
    return false;
}

static bool all_inside(const nnc_module *m, nnc_value v, nnc_op loop)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_op user = m->use.at[u].user;
        if (!is_inside(m, user, loop) &&
            !(nnc_op_code(m, user) == NNC_OP_view && all_inside(m, nnc_op_out(m, user, 0), loop)))
            return false;
    }
    return true;
}

/* Is everything that the loop does to this one-element buffer a load or store of the element, perhaps through a view? */
static bool is_cell(const nnc_module *m, nnc_value b, nnc_op loop)
{
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, b)->dtype;

    if (elements(m, b) != 1)
        return false;
    for (uint32_t u = nnc_value_get(m, b)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        nnc_value seen;
        if (nnc_op_buffer(m, op).id == b.id ||
            (nnc_op_code(m, op) != NNC_OP_view && !is_inside(m, op, loop)))
            continue;
        if (nnc_op_code(m, op) != NNC_OP_view || nnc_op_nin(m, op) > 1)
            return false;
        seen = nnc_op_out(m, op, 0);
        if (nnc_value_ty(m, seen)->dtype != dt || !is_cell(m, seen, loop))
            return false;
    }
    return true;
}

/* Let every access of b in the loop, made through it or a view, be one of `cell`, which has rank 0. */
static void use_cell(nnc_module *m, nnc_value b, nnc_value cell, nnc_op loop, bool *stores)
{
    uint32_t next;

    for (uint32_t u = nnc_value_get(m, b)->first_use; u; u = next) {
        nnc_op op = m->use.at[u].user;
        next = m->use.at[u].next;
        if (nnc_op_code(m, op) == NNC_OP_view) {
            use_cell(m, nnc_op_out(m, op, 0), cell, loop, stores);
            if (!nnc_value_nuse(m, nnc_op_out(m, op, 0)) && is_inside(m, op, loop))
                nnc_op_erase(m, op); /* outside, somebody may be standing on it */
        } else if (!is_inside(m, op, loop)) {
            continue;
        } else if (nnc_op_code(m, op) == NNC_OP_load) {
            nnc_op_set_ins(m, op, 1, &cell);
        } else {
            nnc_value in[2] = {nnc_op_in(m, op, 0), cell};
            nnc_op_set_ins(m, op, 2, in);
            *stores = true;
        }
    }
}

static nnc_value make_cell(nnc_module *m, nnc_pos at, nnc_value like)
{
    nnc_builder b = {.m = m, .pos = at};
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, like)->dtype;

    return nnc_k_alloc(&b, nnc_type_buffer(m, dt, 1, 0, NULL, NULL, NNC_SPACE_reg),
                       nnc_value_name(m, like));
}

static void set_space(nnc_module *m, nnc_value v, nnc_space space)
{
    nnc_type_rec t = *nnc_value_ty(m, v);

    t.space = (uint8_t)space;
    nnc_value_set_type(m, v, nnc_type_put(m, &t));
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next)
        if (nnc_op_code(m, m->use.at[u].user) == NNC_OP_view)
            set_space(m, nnc_op_out(m, m->use.at[u].user, 0), space);
}

/* Whole copies of arrays on the stack are where gcc 12 puts aligned stores into a red zone that is not aligned. */
static bool is_copied(const nnc_module *m, nnc_value v)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        if (nnc_op_code(m, op) == NNC_OP_copy ||
            (nnc_op_code(m, op) == NNC_OP_view && is_copied(m, nnc_op_out(m, op, 0))))
            return true;
    }
    return false;
}

/* Arena memory made in the loop. */
static void place_allocs(loops *x, nnc_block b, nnc_op loop)
{
    nnc_module *m = x->m;
    nnc_op next;
    bool stores;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        nnc_value v;
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            place_allocs(x, nnc_op_region(m, op, r), loop);
        if (nnc_op_code(m, op) != NNC_OP_alloc ||
            nnc_value_ty(m, v = nnc_op_out(m, op, 0))->space != NNC_SPACE_arena)
            continue;
        if (is_cell(m, v, loop)) {
            nnc_value cell = make_cell(m, (nnc_pos){b, op}, v);
            use_cell(m, v, cell, loop, &stores);
            next = nnc_op_next(m, op); /* a view of it may have been next */
            nnc_op_erase(m, op);
        } else if (nnc_type_is_static(m, nnc_value_type(m, v)) &&
                   nnc_type_bytes(m, nnc_value_type(m, v)) <= MAX_LOCAL && !is_copied(m, v)) {
            set_space(m, v, NNC_SPACE_stack);
        } else {
            nnc_op_move(m, op, (nnc_pos){nnc_op_get(m, loop)->block, loop});
        }
    }
}

/* The element of a one-element weight. */
static bool weight_bits(const nnc_module *m, nnc_value buffer, uint64_t *bits)
{
    nnc_value root = nnc_buffer_root(m, buffer);
    nnc_op op = nnc_value_op(m, root);
    const nnc_type_rec *t = nnc_value_ty(m, root);

    if (!op.id || nnc_op_code(m, op) != NNC_OP_const || elements(m, root) != 1 ||
        elements(m, buffer) != 1 || nnc_attr_find(m, op, NNC_W_src_axis) ||
        t->dtype != nnc_value_ty(m, buffer)->dtype)
        return false;
    *bits = 0;
    memcpy(bits, nnc_const_data(m, op), nnc_dtype_bytes((nnc_dtype)t->dtype));
    return true;
}

static void fold_weights(loops *x, nnc_block b)
{
    nnc_module *m = x->m;
    nnc_op next;
    uint64_t bits;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            fold_weights(x, nnc_op_region(m, op, r));
        if (nnc_op_code(m, op) != NNC_OP_load || !weight_bits(m, nnc_op_in(m, op, 0), &bits))
            continue;
        nnc_value v = nnc_op_out(m, op, 0);
        nnc_value_replace(m, v, nnc_const_bits(m, nnc_value_type(m, v), bits));
        nnc_op_erase(m, op);
    }
}

/* ---- outlining ---- */

typedef struct outline {
    loops *x;
    nnc_op loop, kernel;
    nnc_block body;           /* of the kernel */
    NNC_BUF(nnc_value) outer; /* seen outside .. */
    NNC_BUF(nnc_value) inner; /* .. and what stands for it */
    NNC_BUF(nnc_value) actual;
    NNC_BUF(nnc_value) root; /* memories from outside */
} outline;

static bool from_outside(const outline *o, nnc_value v)
{
    const nnc_module *m = o->x->m;
    const nnc_value_rec *r = nnc_value_get(m, v);
    nnc_op op = {0};

    if (r->kind == NNC_VALUE_result)
        op.id = r->def;
    else if (r->kind == NNC_VALUE_arg)
        op = nnc_block_parent(m, (nnc_block){r->def});
    else
        return false;
    return !is_inside(m, op, o->loop) && !is_inside(m, op, o->kernel) ? true
           : op.id == o->kernel.id                                    ? false
                                   : op.id == o->loop.id && r->kind == NNC_VALUE_result;
}

static nnc_value add_param(outline *o, nnc_value v)
{
    nnc_module *m = o->x->m;
    nnc_type_rec t = *nnc_value_ty(m, v);

    if (t.kind == NNC_TYPE_buffer && t.space != NNC_SPACE_weight)
        t.space = NNC_SPACE_arg;
    NNC_PUSH(o->x->cx->scratch, &o->actual, v);
    return nnc_block_add_arg(m, o->body, nnc_type_put(m, &t), nnc_value_name(m, v));
}

static nnc_value stand_in(outline *o, nnc_value v)
{
    nnc_module *m = o->x->m;
    nnc_op def = nnc_value_op(m, v);
    nnc_value made, in[2];

    if (nnc_value_is_const(m, v) || !from_outside(o, v))
        return v;
    for (uint32_t i = 0; i < o->outer.n; i++)
        if (o->outer.at[i].id == v.id)
            return o->inner.at[i];
    if (def.id && nnc_op_code(m, def) == NNC_OP_view) {
        for (unsigned i = 0; i < nnc_op_nin(m, def); i++)
            in[i] = stand_in(o, nnc_op_in(m, def, i));
        nnc_type_rec t = *nnc_value_ty(m, v);
        t.space = nnc_value_ty(m, in[0])->space;
        nnc_type type = nnc_type_put(m, &t);
        nnc_op view = nnc_op_new(m, (nnc_pos){o->body, {0}}, NNC_OP_view, nnc_op_nin(m, def), in, 1,
                                 &type, nnc_op_loc(m, def));
        made = nnc_op_out(m, view, 0);
        m->value.at[made.id].name = nnc_value_get(m, v)->name;
    } else {
        made = add_param(o, v);
    }
    NNC_PUSH(o->x->cx->scratch, &o->outer, v);
    NNC_PUSH(o->x->cx->scratch, &o->inner, made);
    return made;
}

static void find_roots(outline *o, nnc_op op)
{
    nnc_module *m = o->x->m;

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i);
        bool known = nnc_value_ty(m, v)->kind != NNC_TYPE_buffer;
        if (!known)
            v = nnc_buffer_root(m, v);
        known = known || !from_outside(o, v);
        for (uint32_t k = 0; k < o->root.n && !known; k++)
            known = o->root.at[k].id == v.id;
        if (!known)
            NNC_PUSH(o->x->cx->scratch, &o->root, v);
    }
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op k = nnc_block_first(m, nnc_op_region(m, op, r)); k.id; k = nnc_op_next(m, k))
            find_roots(o, k);
}

static void replace_outer(outline *o, nnc_op op)
{
    nnc_module *m = o->x->m;

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i), w = stand_in(o, v);
        if (w.id != v.id)
            nnc_op_set_in(m, op, i, w);
    }
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op k = nnc_block_first(m, nnc_op_region(m, op, r)); k.id; k = nnc_op_next(m, k))
            replace_outer(o, k);
}

/* A one-element memory from outside: a register.  Memory that only the loop uses needs no other place; the rest is
 * loaded here, and stored behind the loop when the loop writes it. */
typedef struct promoted {
    nnc_value root, cell;
    bool stores;
} promoted;

static bool promote(outline *o, nnc_value root, promoted *p)
{
    nnc_module *m = o->x->m;
    nnc_op def = nnc_value_op(m, root);
    nnc_builder b = nnc_builder_at_end(m, o->body);
    nnc_value at[NNC_MAX_RANK];

    if (nnc_value_ty(m, root)->space == NNC_SPACE_weight || !is_cell(m, root, o->loop))
        return false;
    *p = (promoted){root, make_cell(m, b.pos, root), false};
    bool own = def.id && nnc_op_code(m, def) == NNC_OP_alloc && all_inside(m, root, o->loop);
    use_cell(m, root, p->cell, o->loop, &p->stores);
    if (own) {
        if (!nnc_value_nuse(m, root))
            nnc_op_erase(m, def);
        return false;
    }
    position(m, root, 0, at);
    nnc_k_store(&b, nnc_k_load(&b, stand_in(o, root), nnc_value_ty(m, root)->rank, at), p->cell, 0,
                NULL);
    return true;
}

static void write_back(outline *o, const promoted *p)
{
    nnc_module *m = o->x->m;
    nnc_builder b = nnc_builder_at_end(m, o->body);
    nnc_value at[NNC_MAX_RANK];

    if (!p->stores)
        return;
    position(m, p->root, 0, at);
    nnc_k_store(&b, nnc_k_load(&b, p->cell, 0, NULL), stand_in(o, p->root),
                nnc_value_ty(m, p->root)->rank, at);
}

/* A cell stored to itself: a copy between two names of one state, or a state that the loop only passes on. */
static bool is_idle(const nnc_module *m, nnc_op store)
{
    nnc_op load = nnc_value_op(m, nnc_op_in(m, store, 0));
    nnc_value root = nnc_buffer_root(m, nnc_op_in(m, store, 1));

    if (!load.id || nnc_op_code(m, load) != NNC_OP_load ||
        nnc_op_nin(m, load) + 1 != nnc_op_nin(m, store) ||
        nnc_op_get(m, load)->block.id != nnc_op_get(m, store)->block.id)
        return false;
    for (unsigned i = 0; i < nnc_op_nin(m, load); i++)
        if (nnc_op_in(m, load, i).id != nnc_op_in(m, store, i + 1).id)
            return false;
    for (nnc_op op = nnc_op_next(m, load); op.id != store.id; op = nnc_op_next(m, op))
        if (nnc_op_writes_buffer(m, op, root))
            return false;
    return true;
}

static void drop_idle(nnc_module *m, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            drop_idle(m, nnc_op_region(m, op, r));
        if (nnc_op_code(m, op) == NNC_OP_store && is_idle(m, op))
            nnc_op_erase(m, op);
    }
}

/* Does `store` come before `load` whenever that is reached? */
static bool leads_to(const nnc_module *m, nnc_op store, nnc_op load)
{
    nnc_block b = nnc_op_get(m, store)->block;

    while (load.id && nnc_op_get(m, load)->block.id != b.id)
        load = nnc_block_parent(m, nnc_op_get(m, load)->block);
    return load.id && load.id != store.id && nnc_op_before(m, store, load);
}

/* A register with one store, which leads to all loads, is that value. */
static void forward(nnc_module *m, nnc_op alloc)
{
    nnc_value cell = nnc_op_out(m, alloc, 0), v;
    nnc_op store = {0};

    for (uint32_t u = nnc_value_get(m, cell)->first_use; u; u = m->use.at[u].next)
        if (nnc_op_code(m, m->use.at[u].user) == NNC_OP_store) {
            if (store.id)
                return;
            store = m->use.at[u].user;
        }
    if (!store.id || nnc_op_in(m, store, 0).id == cell.id)
        return;
    for (uint32_t u = nnc_value_get(m, cell)->first_use; u; u = m->use.at[u].next)
        if (m->use.at[u].user.id != store.id && (nnc_op_code(m, m->use.at[u].user) != NNC_OP_load ||
                                                 !leads_to(m, store, m->use.at[u].user)))
            return;
    v = nnc_op_in(m, store, 0);
    if (!nnc_value_is_const(m, v) && !*nnc_value_name(m, v))
        m->value.at[v.id].name = nnc_value_get(m, cell)->name;
    nnc_op_erase(m, store);
    for (uint32_t u; (u = nnc_value_get(m, cell)->first_use) != 0;) {
        nnc_op load = m->use.at[u].user;
        nnc_value_replace(m, nnc_op_out(m, load, 0), v);
        nnc_op_erase(m, load);
    }
    nnc_op_erase(m, alloc);
}

static void forward_all(nnc_module *m, nnc_block b)
{
    NNC_BUF(nnc_op) cell = {0};

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_value v = nnc_op_nout(m, op) ? nnc_op_out(m, op, 0) : (nnc_value){0};
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            forward_all(m, nnc_op_region(m, op, r));
        if (nnc_op_code(m, op) == NNC_OP_alloc && nnc_value_ty(m, v)->space == NNC_SPACE_reg &&
            nnc_value_ty(m, v)->rank == 0 && nnc_value_ty(m, v)->lanes == 1)
            NNC_PUSH(m->arena, &cell, op);
    }
    for (uint32_t i = cell.n; i-- > 0;)
        forward(m, cell.at[i]);
}

/* A value that op, an idx cast or clamp, need not change; none: it must. */
static nnc_value same_as(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);
    nnc_value v = nnc_op_in(m, op, 0);
    nnc_op inner = nnc_value_op(m, v);
    int64_t lo, hi, clo, chi;

    if (code == NNC_OP_cast && inner.id && nnc_op_code(m, inner) == NNC_OP_cast &&
        nnc_value_ty(m, v)->dtype == NNC_DT_i64 &&
        nnc_value_ty(m, nnc_op_in(m, inner, 0))->dtype == NNC_DT_idx)
        return nnc_op_in(m, inner, 0);
    if (code != NNC_OP_max && code != NNC_OP_min)
        return (nnc_value){0};
    if (!nnc_int_range(m, v, &lo, &hi) || !nnc_int_range(m, nnc_op_in(m, op, 1), &clo, &chi))
        return (nnc_value){0};
    return (code == NNC_OP_max ? lo >= chi : hi <= clo) ? v : (nnc_value){0};
}

/* Loop counters come as i64 and go into addresses as clamped idx. */
static void simplify_indices(nnc_module *m, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        nnc_value v;
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            simplify_indices(m, nnc_op_region(m, op, r));
        if (nnc_op_nout(m, op) != 1 || nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype != NNC_DT_idx ||
            nnc_value_ty(m, nnc_op_out(m, op, 0))->kind != NNC_TYPE_scalar || !nnc_op_nin(m, op))
            continue;
        v = same_as(m, op);
        if (v.id) {
            nnc_value_replace(m, nnc_op_out(m, op, 0), v);
            nnc_op_erase(m, op);
        }
    }
}

static void outline_loop(loops *x, nnc_op loop)
{
    nnc_module *m = x->m;
    outline o = {.x = x, .loop = loop};
    nnc_pos behind = {nnc_op_get(m, loop)->block, nnc_op_next(m, loop)};
    promoted *p;
    uint32_t n = 0;

    o.kernel = nnc_build_func(m, NNC_OP_kernel, nnc_arena_printf(m->arena, "loop_%u", ++x->serial),
                              false, nnc_op_loc(m, loop));
    o.body = nnc_op_region(m, o.kernel, 0);
    find_roots(&o, loop);
    p = nnc_arena_array(x->cx->scratch, o.root.n + 1u, sizeof *p);
    for (uint32_t i = 0; i < o.root.n; i++)
        n += promote(&o, o.root.at[i], &p[n]);
    replace_outer(&o, loop);
    nnc_op_move(m, loop, (nnc_pos){o.body, {0}});
    for (uint32_t i = 0; i < n; i++)
        write_back(&o, &p[i]);
    for (unsigned i = 0; i < nnc_block_narg(m, o.body); i++) {
        nnc_value v = nnc_block_arg(m, o.body, i);
        if (nnc_value_ty(m, v)->kind == NNC_TYPE_buffer)
            set_space(m, v, (nnc_space)nnc_value_ty(m, v)->space);
    }
    drop_idle(m, o.body);
    forward_all(m, o.body);
    drop_idle(m, o.body);
    simplify_indices(m, o.body);
    nnc_op call = nnc_op_new(m, behind, NNC_OP_call, o.actual.n, o.actual.at, 0, NULL,
                             nnc_op_loc(m, o.kernel));
    nnc_attr_set_str(m, call, NNC_W_callee, nnc_func_name(m, o.kernel));
    x->cx->changed++;
}

/* ---- the pass ---- */

static void try_loop(loops *x, nnc_op loop)
{
    nnc_module *m = x->m;

    for (unsigned r = 0; r < nnc_op_nregion(m, loop); r++)
        flatten(x, nnc_op_region(m, loop, r));
    for (unsigned r = 0; r < nnc_op_nregion(m, loop); r++) {
        fold_weights(x, nnc_op_region(m, loop, r));
        unroll_all(m, nnc_op_region(m, loop, r));
        place_allocs(x, nnc_op_region(m, loop, r), loop);
    }
    outline_loop(x, loop);
}

static void walk(loops *x, nnc_block b)
{
    nnc_module *m = x->m;
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        unsigned ops = 0;
        bool small = is_loop(m, op);
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op) && small; r++)
            small = fits(x, nnc_op_region(m, op, r), &ops);
        if (small) {
            try_loop(x, op);
            continue;
        }
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            walk(x, nnc_op_region(m, op, r));
    }
}

static void count_calls(loops *x, nnc_block b)
{
    nnc_module *m = x->m;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_call)
            x->calls[callee_of(m, op).id]++;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            count_calls(x, nnc_op_region(m, op, r));
    }
}

nnc_status nnc_pass_loops(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    loops x = {.cx = cx, .m = m, .entry = nnc_func_entry(m, NNC_OP_kernel)};
    nnc_op next;
    bool *called;

    if (!x.entry.id)
        return NNC_OK;
    x.nmap = m->value.n;
    x.ncalls = m->op.n;
    x.map = nnc_arena_array(cx->scratch, x.nmap, sizeof *x.map);
    x.calls = nnc_arena_array(cx->scratch, x.ncalls, sizeof *x.calls);
    called = nnc_arena_array(cx->scratch, x.ncalls, sizeof *called);
    count_calls(&x, m->top);
    for (uint32_t i = 0; i < x.ncalls; i++)
        called[i] = x.calls[i] != 0;
    walk(&x, nnc_op_region(m, x.entry, 0));
    for (nnc_op op = nnc_block_first(m, m->top); op.id; op = next) {
        next = nnc_op_next(m, op);
        if (op.id < x.ncalls && called[op.id] && !x.calls[op.id])
            nnc_op_erase(m, op);
    }
    return NNC_OK;
}
