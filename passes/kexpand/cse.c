/* Sharing and dropping.
 *
 * One hash set per block, chained outwards as in passes/cse.c.  Loads are keyed by buffer and linear address, so that
 * row + 1 after unrolling meets the row + 1 written by hand; an entry holds while the epoch of its memory is the one it
 * was made in.  A store, fill, copy or call starts a new epoch of what it writes; a region starts one of all it writes,
 * before (its later iterations come before its earlier loads) and after. */
#include <stdlib.h>
#include <string.h>
#include "ir/hashset.h"
#include "passes/kexpand/kexpand.h"
#include "passes/kmem.h"
#include "passes/linear.h"

typedef struct scope {
    const struct scope *outer;
    nnc_hashset *set;
} scope;

typedef struct sharer {
    nnc_expand *x;
    nnc_module *m;
    uint32_t *epoch; /* per buffer root */
    uint32_t *made;  /* per load op: epoch of its memory */
    uint32_t all;    /* epoch of everything: calls */
} sharer;

static uint32_t epoch_of(const sharer *s, nnc_op load)
{
    return s->epoch[nnc_buffer_root(s->m, nnc_op_in(s->m, load, 0)).id] + s->all;
}

static int by_value(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* The address of a load as a canonical list: constant, then (value, coefficient) by value. */
typedef struct address {
    unsigned n;
    int64_t k;
    struct {
        uint64_t v;
        int64_t c;
    } term[NNC_LINEAR_TERMS];
} address;

static void address_of(const nnc_module *m, nnc_op load, address *a)
{
    nnc_linear l = {0};

    memset(a, 0, sizeof *a);
    nnc_linear_address(m, &l, load, 1);
    a->k = l.k;
    for (unsigned i = 0; i < l.n; i++)
        if (l.term[i].c) {
            a->term[a->n].v = l.term[i].v.id;
            a->term[a->n++].c = l.term[i].c;
        }
    qsort(a->term, a->n, sizeof a->term[0], by_value);
}

static uint64_t hash_op(const nnc_module *m, nnc_op op)
{
    nnc_type t = nnc_value_type(m, nnc_op_out(m, op, 0));
    uint64_t h = nnc_hash(&t, sizeof t, nnc_op_code(m, op));
    unsigned n = nnc_op_nin(m, op);
    address a;

    if (nnc_op_code(m, op) == NNC_OP_load) {
        address_of(m, op, &a);
        h = nnc_hash(&a.k, sizeof a.k, h + nnc_op_in(m, op, 0).id);
        return nnc_hash(a.term, a.n * sizeof a.term[0], h);
    }
    for (unsigned i = 0; i < n; i++) {
        nnc_value v = nnc_op_in(m, op, i);
        h = nnc_hash(&v, sizeof v, h);
    }
    return h;
}

static bool same_op(const void *user, uint32_t id, const void *key)
{
    const sharer *s = user;
    const nnc_module *m = s->m;
    nnc_op a = {id}, b = *(const nnc_op *)key;
    const nnc_op_rec *ra = nnc_op_get(m, a), *rb = nnc_op_get(m, b);
    address x, y;

    if (ra->code != rb->code || ra->nattr || rb->nattr ||
        nnc_value_type(m, ra->out).id != nnc_value_type(m, rb->out).id)
        return false;
    if (ra->code == NNC_OP_load) {
        if (nnc_op_in(m, a, 0).id != nnc_op_in(m, b, 0).id || s->made[id] != epoch_of(s, b))
            return false;
        address_of(m, a, &x);
        address_of(m, b, &y);
        return x.n == y.n && x.k == y.k && !memcmp(x.term, y.term, x.n * sizeof x.term[0]);
    }
    if (ra->nin != rb->nin)
        return false;
    for (unsigned i = 0; i < ra->nin; i++)
        if (nnc_op_in(m, a, i).id != nnc_op_in(m, b, i).id)
            return false;
    return true;
}

static void bump_written(sharer *s, nnc_op op)
{
    nnc_module *m = s->m;

    switch (nnc_op_code(m, op)) {
    case NNC_OP_store: s->epoch[nnc_buffer_root(m, nnc_op_in(m, op, 1)).id]++; break;
    case NNC_OP_fill:
    case NNC_OP_copy: s->epoch[nnc_buffer_root(m, nnc_op_in(m, op, 0)).id]++; break;
    case NNC_OP_host:
    case NNC_OP_call: s->all++; break;
    default: break;
    }
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        for (nnc_op o = nnc_block_first(m, nnc_op_region(m, op, r)); o.id; o = nnc_op_next(m, o))
            bump_written(s, o);
}

static bool can_share(const nnc_module *m, nnc_op op)
{
    if (nnc_op_nout(m, op) != 1 || nnc_op_nregion(m, op) || nnc_op_get(m, op)->nattr)
        return false;
    return nnc_op_code(m, op) == NNC_OP_load ||
           (nnc_op_has(m, op, NNC_PURE) && nnc_op_code(m, op) != NNC_OP_const);
}

static void share_block(sharer *s, nnc_block b, const scope *outer)
{
    nnc_module *m = s->m;
    scope here = {outer, nnc_hashset_new(s->x->cx->scratch)};
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        uint32_t id = 0;
        next = nnc_op_next(m, op);
        if (nnc_op_has(m, op, NNC_WRITES))
            bump_written(s, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            share_block(s, nnc_op_region(m, op, r), &here);
        if (nnc_op_nregion(m, op))
            bump_written(s, op);
        if (!can_share(m, op))
            continue;
        uint64_t h = hash_op(m, op);
        for (const scope *k = &here; k && !id; k = k->outer)
            id = nnc_hashset_find(k->set, h, same_op, s, &op);
        if (id) {
            nnc_value_replace(m, nnc_op_out(m, op, 0), nnc_op_out(m, (nnc_op){id}, 0));
            nnc_op_erase(m, op);
            s->x->cx->changed++;
            continue;
        }
        if (nnc_op_code(m, op) == NNC_OP_load)
            s->made[op.id] = epoch_of(s, op);
        nnc_hashset_add(here.set, h, op.id);
    }
}

void nnc_expand_cse(nnc_expand *x)
{
    sharer s = {.x = x, .m = x->m};

    s.epoch = nnc_arena_array(x->cx->scratch, x->m->value.n, sizeof *s.epoch);
    s.made = nnc_arena_array(x->cx->scratch, x->m->op.n, sizeof *s.made);
    share_block(&s, nnc_op_region(x->m, x->func, 0), NULL);
}

/* ---- dropping ---- */

static bool is_used(const nnc_module *m, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        if (nnc_value_get(m, nnc_op_out(m, op, i))->first_use)
            return true;
    return false;
}

static bool only_stored_to(const nnc_module *m, nnc_value b)
{
    for (uint32_t u = nnc_value_get(m, b)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        if (nnc_op_code(m, op) == NNC_OP_view
                ? !only_stored_to(m, nnc_op_out(m, op, 0))
                : nnc_op_code(m, op) != NNC_OP_store || nnc_op_in(m, op, 1).id != b.id)
            return false;
    }
    return true;
}

/* A local buffer that is only written. */
static bool is_write_only(const nnc_module *m, nnc_op op)
{
    return nnc_op_code(m, op) == NNC_OP_alloc &&
           nnc_value_ty(m, nnc_op_out(m, op, 0))->space != NNC_SPACE_arena &&
           only_stored_to(m, nnc_op_out(m, op, 0));
}

static void erase_users(nnc_module *m, nnc_value b)
{
    for (uint32_t u; (u = nnc_value_get(m, b)->first_use) != 0;) {
        nnc_op op = m->use.at[u].user;
        if (nnc_op_code(m, op) == NNC_OP_view)
            erase_users(m, nnc_op_out(m, op, 0));
        nnc_op_erase(m, op);
    }
}

static bool is_empty(const nnc_module *m, nnc_op op)
{
    if (nnc_op_code(m, op) != NNC_OP_for && nnc_op_code(m, op) != NNC_OP_if)
        return false;
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++) {
        nnc_op first = nnc_block_first(m, nnc_op_region(m, op, r));
        if (first.id && !nnc_op_has(m, first, NNC_TERMINATOR))
            return false;
    }
    return true;
}

static void drop_block(nnc_expand *x, nnc_block b)
{
    nnc_module *m = x->m;
    nnc_op prev;

    for (nnc_op op = nnc_block_last(m, b); op.id; op = prev) {
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            drop_block(x, nnc_op_region(m, op, r));
        prev = nnc_op_prev(m, op);
        if (is_write_only(m, op)) { /* its stores lie behind it, or in regions behind it */
            erase_users(m, nnc_op_out(m, op, 0));
            nnc_op_erase(m, op);
            x->cx->changed++;
            continue;
        }
        bool gone = nnc_op_nout(m, op) && !is_used(m, op) &&
                    nnc_op_has(m, op, NNC_PURE | NNC_READS | NNC_ALLOCATES);
        if (gone || is_empty(m, op)) {
            nnc_op_erase(m, op);
            x->cx->changed++;
        }
    }
}

/* Numbers compared with themselves, as sharing makes them; compilers warn about those.  With floats it is how one asks for
 * a nan. */
static void fold_comparisons(nnc_expand *x, nnc_block b)
{
    nnc_module *m = x->m;
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        nnc_opcode code = nnc_op_code(m, op);
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            fold_comparisons(x, nnc_op_region(m, op, r));
        if ((code != NNC_OP_eq && code != NNC_OP_lt && code != NNC_OP_le) ||
            nnc_op_in(m, op, 0).id != nnc_op_in(m, op, 1).id ||
            nnc_value_ty(m, nnc_op_out(m, op, 0))->lanes > 1 ||
            nnc_dtype_is_float((nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 0))->dtype))
            continue;
        nnc_value_replace(
            m, nnc_op_out(m, op, 0),
            nnc_const_int(m, nnc_value_type(m, nnc_op_out(m, op, 0)), code != NNC_OP_lt));
        nnc_op_erase(m, op);
        x->cx->changed++;
    }
}

void nnc_expand_dce(nnc_expand *x)
{
    unsigned before;

    fold_comparisons(x, nnc_op_region(x->m, x->func, 0));

    do { /* a dropped store may leave values and loops without a purpose */
        before = x->cx->changed;
        drop_block(x, nnc_op_region(x->m, x->func, 0));
    } while (x->cx->changed != before);
}
