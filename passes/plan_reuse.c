/* Two memories become one when they never hold different things at the same time.
 *
 * Copies.  `copy to, from` where `from` is a whole alloc F of the same block: F becomes a view of `to` and the copy
 * goes away, provided that nobody touches the memory T of `to` between the first access of F and the copy, that F is
 * not written afterwards, and T not as long as F is still read.  That is how a loop's new state is made in place, how
 * an initial value is made where the loop wants it, and how a scatter updates its operand.
 *
 * Calls.  A result may overwrite an operand that dies with the call if the kernel says so ([inplace]): the operand's
 * memory F becomes a view of the result's memory T (which may be an output argument), provided that nobody touches T
 * between the first access of F and the call.
 *
 * In both cases the op that first writes F may read T at the same time if its kernel works in place: h = f(h).
 *
 * A merge only moves the alloc of T forward and replaces uses of F, so the order of ops stays and steps remain true. */
#include "ir/build.h"
#include "passes/plan_fn.h"

typedef struct reuse {
    nnc_module *m;
    nnc_live *l;
} reuse;

/* Is v all of its memory, without gaps? */
static bool is_whole(const reuse *r, nnc_value v)
{
    const nnc_module *m = r->m;
    const nnc_type_rec *t = nnc_value_ty(m, v);
    int64_t bytes = nnc_type_bytes(m, nnc_value_type(m, v)),
            count = nnc_type_count(m, nnc_value_type(m, v));
    nnc_op op;

    if (bytes <= 0 || count > bytes ||
        count * (int64_t)nnc_dtype_bytes((nnc_dtype)t->dtype) * t->lanes != bytes)
        return false;

    while ((op = nnc_value_op(m, v)).id && nnc_op_code(m, op) == NNC_OP_view) {
        if (nnc_op_nin(m, op) > 1)
            return false;
        v = nnc_op_in(m, op, 0);
    }
    return bytes == nnc_type_bytes(m, nnc_value_type(m, v));
}

static nnc_op op_of(const nnc_module *m, nnc_value v)
{
    return nnc_value_op(m, v);
}

/* First and last step of a memory's accesses as seen from block b; all lie inside it. */
static bool range_in(const reuse *r, const nnc_memory *mem, nnc_block b, uint32_t *first,
                     uint32_t *last, nnc_op *opener)
{
    *first = UINT32_MAX;
    *last = 0;
    for (uint32_t i = 0; i < mem->touch.n; i++) {
        nnc_op op = nnc_live_inside(r->m, mem->touch.at[i].op, b);
        if (!op.id)
            return false;
        if (r->l->start[op.id] < *first) {
            *first = r->l->start[op.id];
            *opener = op;
        }
        *last = r->l->end[op.id] > *last ? r->l->end[op.id] : *last;
    }
    return mem->touch.n > 0;
}

static nnc_op callee_of(const nnc_module *m, nnc_op call)
{
    if (nnc_op_code(m, call) != NNC_OP_call)
        return (nnc_op){0};
    return nnc_func_find(m, nnc_attr_str(m, call, NNC_W_callee, ""));
}

/* Does `op` write F (as a whole) where it reads T (as `region`), element by element? */
static bool opens_in_place(const reuse *r, nnc_op op, const nnc_memory *f, const nnc_memory *t,
                           nnc_value region)
{
    nnc_op kernel = callee_of(r->m, op);
    bool whole = is_whole(r, region);

    if (!kernel.id)
        return false;
    for (uint32_t i = 0; i < f->touch.n; i++) {
        const nnc_touch *x = &f->touch.at[i];
        if (x->op.id != op.id)
            continue;
        if (x->reads || !is_whole(r, nnc_op_in(r->m, op, x->at)))
            return false;
        for (uint32_t j = 0; j < t->touch.n; j++) {
            const nnc_touch *y = &t->touch.at[j];
            nnc_value seen = nnc_op_in(r->m, y->op, y->at);
            if (y->op.id != op.id)
                continue;
            if (y->writes || !nnc_param_in_place(r->m, kernel, x->at, y->at))
                return false;
            if (seen.id != region.id && !(whole && is_whole(r, seen)))
                return false;
        }
    }
    return true;
}

/* Where a view of `to` in place of alloc op `f` can stand: 0 when something of f would come before it. */
static nnc_op anchor_for(const reuse *r, nnc_value to, nnc_op f)
{
    nnc_module *m = r->m;
    nnc_block b = nnc_op_get(m, f)->block;
    nnc_op def = op_of(m, to), at;
    nnc_value fv = nnc_op_out(m, f, 0);

    if (!def.id)
        return nnc_block_parent(m, (nnc_block){nnc_value_get(m, to)->def}).id == r->l->kernel.id
                   ? f
                   : (nnc_op){0};
    if (nnc_op_get(m, def)->block.id != b.id) { /* an outer block: defined before what holds f? */
        at = nnc_live_inside(m, f, nnc_op_get(m, def)->block);
        return at.id && nnc_op_before(m, def, at) ? f : (nnc_op){0};
    }
    if (nnc_op_before(m, def, f))
        return f;
    if (nnc_op_code(m, def) == NNC_OP_alloc) {
        nnc_op_move(m, def, (nnc_pos){b, f});
        return f;
    }
    for (uint32_t u = nnc_value_get(m, fv)->first_use; u; u = m->use.at[u].next) {
        nnc_op user = nnc_live_inside(m, m->use.at[u].user, b);
        if (!user.id || !nnc_op_before(m, def, user))
            return (nnc_op){0};
    }
    return def;
}

/* Views of views get the space of their new base. */
static void set_space(nnc_module *m, nnc_value v, uint8_t space)
{
    nnc_type_rec t = *nnc_value_ty(m, v);

    if (t.space == space)
        return;
    t.space = space;
    nnc_value_set_type(m, v, nnc_type_put(m, &t));
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next)
        if (nnc_op_code(m, m->use.at[u].user) == NNC_OP_view)
            set_space(m, nnc_op_out(m, m->use.at[u].user, 0), space);
}

/* Both lists are in order of steps. */
static void join_touches(reuse *r, nnc_memory *into, nnc_memory *from, nnc_op gone)
{
    nnc_memory all = *into;
    uint32_t i = 0, j = 0;

    all.touch.at = NULL;
    all.touch.n = all.touch.cap = 0;
    while (i < into->touch.n || j < from->touch.n) {
        bool left = j >= from->touch.n ||
                    (i < into->touch.n &&
                     r->l->start[into->touch.at[i].op.id] <= r->l->start[from->touch.at[j].op.id]);
        nnc_touch t = left ? into->touch.at[i++] : from->touch.at[j++];
        if (t.op.id != gone.id)
            NNC_PUSH(r->l->a, &all.touch, t);
    }
    *into = all;
    from->touch.n = 0;
    from->arena = false;
}

static void replace_alloc(reuse *r, nnc_op f, nnc_value to, nnc_op anchor)
{
    nnc_module *m = r->m;
    nnc_value fv = nnc_op_out(m, f, 0), v;
    nnc_type_rec t = *nnc_value_ty(m, fv);
    nnc_pos p = {nnc_op_get(m, f)->block, nnc_op_next(m, anchor)};
    nnc_builder b = {.m = m, .pos = p, .loc = nnc_op_loc(m, f)};

    t.space = nnc_value_ty(m, to)->space;
    set_space(m, fv, t.space);
    v = nnc_k_view(&b, to, (nnc_value){0}, nnc_type_put(m, &t));
    if (v.id != to.id)
        m->value.at[v.id].name = nnc_value_get(m, fv)->name;
    nnc_value_replace(m, fv, v);
    nnc_op_erase(m, f);
}

/* Is there room in the memory of `to` for everything that is written to F?  An argument has its real size, so there
 * both have to have the same size by expression; alloc for alloc, upper bounds count, and those are equal. */
static bool has_room(const reuse *r, nnc_value to, const nnc_memory *t, const nnc_memory *f)
{
    nnc_module *m = r->m;
    nnc_type whole = nnc_value_type(m, t->base), part = nnc_value_type(m, to),
             from = nnc_value_type(m, f->base);

    if (t->arena || (nnc_type_is_static(m, whole) && nnc_type_is_static(m, from)))
        return true;
    return nnc_type_size(m, part) == nnc_type_size(m, from);
}

/* Let the alloc behind `from` be `to` from its first access until `op`, a copy or a call.  false: not possible. */
static bool merge(reuse *r, nnc_value to, nnc_value from, nnc_op op, bool is_copy)
{
    nnc_module *m = r->m;
    nnc_live *l = r->l;
    nnc_memory *t = nnc_live_of(l, to), *f = nnc_live_of(l, from);
    nnc_block b = nnc_op_get(m, op)->block;
    uint32_t first, last, at = l->start[op.id];
    nnc_op opener = {0}, falloc, anchor;

    if (!t || !f || t == f || !f->arena || !is_whole(r, from) || !has_room(r, to, t, f))
        return false;
    falloc = op_of(m, f->base);
    if (nnc_op_get(m, falloc)->block.id != b.id || !range_in(r, f, b, &first, &last, &opener) ||
        first >= at)
        return false;
    if (!is_copy && last != at)
        return false;
    for (uint32_t i = 0; i < f->touch.n; i++)
        if (f->touch.at[i].writes && l->start[f->touch.at[i].op.id] >= at)
            return false;
    for (uint32_t i = 0; i < t->touch.n; i++) {
        uint32_t s = l->start[t->touch.at[i].op.id];
        if (s > first && s < at)
            return false;
        if (s > at && s <= last && t->touch.at[i].writes)
            return false;
        if (s == first && !opens_in_place(r, opener, f, t, to))
            return false;
    }
    anchor = anchor_for(r, to, falloc);
    if (!anchor.id)
        return false;
    replace_alloc(r, falloc, to, anchor);
    join_touches(r, t, f, is_copy ? op : (nnc_op){0});
    return true;
}

/* Is op a copy of a whole buffer: the op, or a call of a kernel that does it for dynamic sizes? */
static bool is_copy(const nnc_module *m, nnc_op op, nnc_value *to, nnc_value *from)
{
    nnc_op kernel = callee_of(m, op);
    bool call = kernel.id && nnc_attr_int(m, kernel, NNC_W_copy, 0) && nnc_op_nin(m, op) >= 2;

    if (!call && nnc_op_code(m, op) != NNC_OP_copy)
        return false;
    *to = nnc_op_in(m, op, call ? 1 : 0);
    *from = nnc_op_in(m, op, call ? 0 : 1);
    return true;
}

static bool try_copy(reuse *r, nnc_op op)
{
    nnc_value to, from;

    if (!is_copy(r->m, op, &to, &from) || !merge(r, to, from, op, true))
        return false;
    nnc_op_erase(r->m, op);
    return true;
}

/* How often does the call name this memory? */
static unsigned mentions(const reuse *r, nnc_op call, const nnc_memory *mem)
{
    unsigned n = 0;

    for (unsigned i = 0; i < nnc_op_nin(r->m, call); i++)
        if (nnc_value_ty(r->m, nnc_op_in(r->m, call, i))->kind == NNC_TYPE_buffer)
            n += nnc_live_of(r->l, nnc_op_in(r->m, call, i)) == mem;
    return n;
}

/* Does the call write this memory first, so that it can only read what it wrote itself? */
static bool is_fresh(const reuse *r, const nnc_memory *t, nnc_op call)
{
    nnc_op def = op_of(r->m, t->base);
    nnc_block home = def.id ? nnc_op_get(r->m, def)->block : r->l->top;

    return t->touch.n && t->touch.at[0].op.id == call.id &&
           nnc_op_get(r->m, call)->block.id == home.id;
}

static bool try_call(reuse *r, nnc_op call)
{
    nnc_module *m = r->m;
    nnc_op kernel = callee_of(m, call);
    unsigned n;
    const int64_t *pair = kernel.id ? nnc_attr_ints(m, kernel, NNC_W_inplace, &n) : NULL;

    for (unsigned i = 0; pair && i + 1 < n; i += 2) {
        nnc_value out = nnc_op_in(m, call, (unsigned)pair[i]),
                  in = nnc_op_in(m, call, (unsigned)pair[i + 1]);
        nnc_memory *t = nnc_live_of(r->l, out), *f = nnc_live_of(r->l, in);
        nnc_use_facts w = nnc_param_facts(m, kernel, (unsigned)pair[i]);
        if (!t || !f || mentions(r, call, t) != 1 || mentions(r, call, f) != 1 ||
            (w.reads && !is_fresh(r, t, call)))
            continue;
        if (merge(r, out, in, call, false))
            return true;
        pair = nnc_attr_ints(m, kernel, NNC_W_inplace, &n);
    }
    return false;
}

/* Where a buffer starts: its base and the offsets of the views on the way, constant ones summed. */
typedef struct place {
    nnc_value base, moving[4];
    unsigned n;
    int64_t at;
} place;

static place place_of(const nnc_module *m, nnc_value v)
{
    place p = {.base = v};
    nnc_op op;

    while ((op = nnc_value_op(m, p.base)).id && nnc_op_code(m, op) == NNC_OP_view) {
        int64_t k = 0;
        if (nnc_op_nin(m, op) > 1 && !nnc_value_idx(m, nnc_op_in(m, op, 1), &k)) {
            if (p.n == sizeof p.moving / sizeof p.moving[0])
                break;
            p.moving[p.n++] = nnc_op_in(m, op, 1);
        }
        p.at += k;
        p.base = nnc_op_in(m, op, 0);
    }
    return p;
}

static bool same_place(const nnc_module *m, nnc_value a, nnc_value b)
{
    place x = place_of(m, a), y = place_of(m, b);
    bool same = x.base.id == y.base.id && x.at == y.at && x.n == y.n;

    for (unsigned i = 0; same && i < x.n; i++)
        same = x.moving[i].id == y.moving[i].id;
    return same;
}

/* Sharing can leave copies of a place onto itself: they go. */
static void drop_self_copies(nnc_module *m, nnc_block b)
{
    nnc_op next;
    nnc_value to, from;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            drop_self_copies(m, nnc_op_region(m, op, r));
        if (is_copy(m, op, &to, &from) && same_place(m, to, from))
            nnc_op_erase(m, op);
    }
}

unsigned nnc_plan_reuse(nnc_module *m, nnc_arena *scratch, nnc_op entry)
{
    reuse r = {m, nnc_live_new(m, scratch, entry)};
    unsigned n = 0;

    for (uint32_t s = 0; s < r.l->nstep; s++)
        if (try_copy(&r, r.l->step.at[s])) {
            r.l->step.at[s] = (nnc_op){0};
            n++;
        }
    for (uint32_t s = 0; s < r.l->nstep; s++)
        if (r.l->step.at[s].id && nnc_op_code(m, r.l->step.at[s]) == NNC_OP_call)
            n += try_call(&r, r.l->step.at[s]);
    drop_self_copies(m, nnc_op_region(m, entry, 0));
    return n;
}
