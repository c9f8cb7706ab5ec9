/* Bounded sizes: one symbol for one count.
 *
 * x[m] and y[m], x[..k] and y[..k] must agree, so a count is compared with those that have a symbol already.  Two counts
 * are the same when they are computed in the same way from the same values: the tracer does not number values. */
#include "frontend/nn/index.h"
#include <string.h>

enum { DEPTH = 8, RECENT = 64, MOST_BYTES = 4096 };

static bool same_attrs(const nnc_module *m, nnc_op x, nnc_op y)
{
    const nnc_op_rec *p = nnc_op_get(m, x), *q = nnc_op_get(m, y);
    if (p->nattr != q->nattr)
        return false;
    for (unsigned i = 0; i < p->nattr; i++) {
        const nnc_attr_rec *a = &m->attr.at[p->attr + i], *b = &m->attr.at[q->attr + i];
        if (a->key.id != b->key.id || a->kind != b->kind)
            return false;
        bool ints = a->kind == NNC_ATTR_ints,
             wide = a->kind == NNC_ATTR_int || a->kind == NNC_ATTR_float;
        if (ints ? a->u.ints.n != b->u.ints.n ||
                       memcmp(m->ints.at + a->u.ints.at, m->ints.at + b->u.ints.at,
                              a->u.ints.n * sizeof(int64_t)) != 0
            : wide ? a->u.i != b->u.i
                   : a->u.s.id != b->u.s.id)
            return false;
    }
    return true;
}

static bool same_data(const nnc_module *m, nnc_value a, nnc_value b)
{
    nnc_tensor x, y;
    return nnc_tensor_of(m, a, &x) && nnc_tensor_of(m, b, &y) &&
           nnc_tensor_bytes(&x) <= MOST_BYTES && nnc_tensor_bytes(&x) == nnc_tensor_bytes(&y) &&
           !memcmp(x.data, y.data, nnc_tensor_bytes(&x));
}

static bool same_value(const nnc_module *m, nnc_value a, nnc_value b, unsigned depth)
{
    if (a.id == b.id)
        return true;
    const nnc_value_rec *p = nnc_value_get(m, a), *q = nnc_value_get(m, b);
    nnc_op x = nnc_value_op(m, a), y = nnc_value_op(m, b);
    if (!depth || !x.id || !y.id || p->index != q->index || p->type.id != q->type.id)
        return false;
    nnc_opcode code = nnc_op_code(m, x);
    if (!code || code != nnc_op_code(m, y) || !nnc_op_has(m, x, NNC_PURE) || nnc_op_nregion(m, x) ||
        nnc_op_nin(m, x) != nnc_op_nin(m, y))
        return false;
    if (code == NNC_OP_const)
        return same_data(m, a, b);
    if (!same_attrs(m, x, y))
        return false;
    /* the count of a compact depends on its mask alone */
    for (unsigned i = code == NNC_OP_compact && p->index == 1; i < nnc_op_nin(m, x); i++)
        if (!same_value(m, nnc_op_in(m, x, i), nnc_op_in(m, y, i), depth - 1))
            return false;
    return true;
}

bool nn_same_value(nn_trace *t, nnc_value a, nnc_value b)
{
    return same_value(t->m, a, b, DEPTH);
}

static nnc_dim symbol_of(nn_trace *t, nnc_value count, nnc_dim most)
{
    nnc_dims *d = t->m->dims;
    for (uint32_t i = t->counted.n, n = 0; i-- > 0 && n < RECENT; n++) {
        const struct nn_counted *c = &t->counted.at[i];
        if (c->root == t->nroot && nnc_dim_hi(d, c->dim) <= nnc_dim_hi(d, most) &&
            same_value(t->m, c->count, count, DEPTH))
            return c->dim;
    }
    nnc_dim dim = nnc_dim_fresh(d, "m", 0, nnc_dim_hi(d, most));
    NNC_PUSH(t->arena, &t->counted, (struct nn_counted){count, dim, t->nroot});
    return dim;
}

nn_v nn_prefix_of(nn_trace *t, nn_v x, nnc_value count, int axis, nnc_dim most)
{
    return nn_like(t, x, nnc_g_prefix(&t->b, x->ssa, count, axis, symbol_of(t, count, most)));
}
