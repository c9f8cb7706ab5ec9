/* Equal pure ops are shared.
 *
 * One hash set per block, chained to the set of the enclosing block, because an op dominates everything in the regions
 * after it.  Operands of commutative ops are compared as sets of two.  Small constants are equal when their bytes are. */
#include "ir/hashset.h"
#include "passes/clean.h"
#include <string.h>

enum { MAX_CONST_BYTES = 1 << 16 };
typedef struct scope {
    const struct scope *outer;
    nnc_hashset *set;
} scope;

static bool is_small_const(const nnc_module *m, nnc_op op, nnc_tensor *t)
{
    return nnc_op_code(m, op) == NNC_OP_const && nnc_tensor_of(m, nnc_op_out(m, op, 0), t) &&
           nnc_tensor_bytes(t) <= MAX_CONST_BYTES;
}

static uint64_t hash_attrs(const nnc_module *m, nnc_op op, uint64_t h)
{
    const nnc_op_rec *r = nnc_op_get(m, op);
    uint64_t sum = 0; /* order of attributes does not matter */

    for (unsigned i = 0; i < r->nattr; i++) {
        const nnc_attr_rec *a = &m->attr.at[r->attr + i];
        uint64_t k = nnc_hash(&a->key, sizeof a->key, a->kind);
        switch (a->kind) {
        case NNC_ATTR_ints:
            k = nnc_hash(m->ints.at + a->u.ints.at, a->u.ints.n * sizeof(int64_t), k);
            break;
        case NNC_ATTR_int: k = nnc_hash(&a->u.i, sizeof a->u.i, k); break;
        case NNC_ATTR_float: k = nnc_hash(&a->u.f, sizeof a->u.f, k); break;
        default: k = nnc_hash(&a->u.s, sizeof a->u.s, k); break;
        }
        sum += k;
    }
    return nnc_hash(&sum, sizeof sum, h);
}

static bool same_attr(const nnc_module *m, const nnc_attr_rec *a, const nnc_attr_rec *b)
{
    if (!b || a->kind != b->kind)
        return false;
    switch (a->kind) {
    case NNC_ATTR_ints:
        return a->u.ints.n == b->u.ints.n &&
               !memcmp(m->ints.at + a->u.ints.at, m->ints.at + b->u.ints.at,
                       a->u.ints.n * sizeof(int64_t));
    case NNC_ATTR_int: return a->u.i == b->u.i;
    case NNC_ATTR_float: return !memcmp(&a->u.f, &b->u.f, sizeof a->u.f);
    default: return a->u.s.id == b->u.s.id;
    }
}

static uint64_t hash_op(const nnc_module *m, nnc_op op)
{
    uint64_t h = nnc_op_code(m, op);
    unsigned n = nnc_op_nin(m, op);
    nnc_tensor t;

    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        nnc_type ty = nnc_value_type(m, nnc_op_out(m, op, i));
        h = nnc_hash(&ty, sizeof ty, h);
    }
    if (is_small_const(m, op, &t))
        return nnc_hash(t.data, nnc_tensor_bytes(&t), h);
    if (n == 2 && nnc_op_has(m, op, NNC_COMMUTES)) {
        uint64_t sum = (uint64_t)nnc_op_in(m, op, 0).id + nnc_op_in(m, op, 1).id;
        h = nnc_hash(&sum, sizeof sum, h);
    } else {
        for (unsigned i = 0; i < n; i++) {
            nnc_value v = nnc_op_in(m, op, i);
            h = nnc_hash(&v, sizeof v, h);
        }
    }
    return hash_attrs(m, op, h);
}

static bool same_operands(const nnc_module *m, nnc_op a, nnc_op b)
{
    unsigned n = nnc_op_nin(m, a), equal = 0;

    for (unsigned i = 0; i < n; i++)
        equal += nnc_op_in(m, a, i).id == nnc_op_in(m, b, i).id;
    if (equal == n)
        return true;
    return n == 2 && nnc_op_has(m, a, NNC_COMMUTES) &&
           nnc_op_in(m, a, 0).id == nnc_op_in(m, b, 1).id &&
           nnc_op_in(m, a, 1).id == nnc_op_in(m, b, 0).id;
}

static bool same_op(const void *user, uint32_t id, const void *key)
{
    const nnc_module *m = user;
    nnc_op a = {id}, b = *(const nnc_op *)key;
    const nnc_op_rec *ra = nnc_op_get(m, a), *rb = nnc_op_get(m, b);
    nnc_tensor ta, tb;

    if (ra->code != rb->code || ra->nin != rb->nin || ra->nout != rb->nout)
        return false;
    for (unsigned i = 0; i < ra->nout; i++)
        if (nnc_value_type(m, nnc_op_out(m, a, i)).id != nnc_value_type(m, nnc_op_out(m, b, i)).id)
            return false;
    if (is_small_const(m, a, &ta))
        return is_small_const(m, b, &tb) && !memcmp(ta.data, tb.data, nnc_tensor_bytes(&ta));
    if (ra->nattr != rb->nattr || !same_operands(m, a, b))
        return false;
    for (unsigned i = 0; i < ra->nattr; i++)
        if (!same_attr(m, &m->attr.at[ra->attr + i],
                       nnc_attr_find_sym(m, b, m->attr.at[ra->attr + i].key)))
            return false;
    return true;
}

static bool can_share(const nnc_module *m, nnc_op op)
{
    return nnc_op_has(m, op, NNC_PURE) && nnc_op_nregion(m, op) == 0 && nnc_op_nout(m, op) > 0;
}

static void share_block(nnc_pass_cx *cx, nnc_block b, const scope *outer)
{
    nnc_module *m = cx->m;
    scope s = {outer, nnc_hashset_new(cx->scratch)};
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        uint32_t id = 0;
        uint64_t h;
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            share_block(cx, nnc_op_region(m, op, i), &s);
        if (!can_share(m, op))
            continue;
        h = hash_op(m, op);
        for (const scope *k = &s; k && !id; k = k->outer)
            id = nnc_hashset_find(k->set, h, same_op, m, &op);
        if (!id) {
            nnc_hashset_add(s.set, h, op.id);
            continue;
        }
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            nnc_value_replace(m, nnc_op_out(m, op, i), nnc_op_out(m, (nnc_op){id}, i));
        nnc_op_erase(m, op);
        cx->changed++;
    }
}

nnc_status nnc_pass_cse(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            share_block(cx, nnc_op_region(m, f, 0), NULL);
    return NNC_OK;
}
