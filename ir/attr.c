/* Attributes of an op are a consecutive run; adding one to an older op moves the run to the end of the array. */
#include "ir/module.h"
#include <string.h>

const nnc_attr_rec *nnc_attr_find_sym(const nnc_module *m, nnc_op op, nnc_sym key)
{
    const nnc_op_rec *r = &m->op.at[op.id];
    for (unsigned i = 0; i < r->nattr; i++)
        if (m->attr.at[r->attr + i].key.id == key.id)
            return &m->attr.at[r->attr + i];
    return NULL;
}

const nnc_attr_rec *nnc_attr_find(const nnc_module *m, nnc_op op, nnc_word key)
{
    return nnc_attr_find_sym(m, op, nnc_w(key));
}

int64_t nnc_attr_int(const nnc_module *m, nnc_op op, nnc_word key, int64_t dflt)
{
    const nnc_attr_rec *a = nnc_attr_find(m, op, key);
    return a && a->kind == NNC_ATTR_int ? a->u.i : dflt;
}

double nnc_attr_float(const nnc_module *m, nnc_op op, nnc_word key, double dflt)
{
    const nnc_attr_rec *a = nnc_attr_find(m, op, key);
    return !a                          ? dflt
           : a->kind == NNC_ATTR_float ? a->u.f
           : a->kind == NNC_ATTR_int   ? (double)a->u.i
                                       : dflt;
}

nnc_word nnc_attr_word(const nnc_module *m, nnc_op op, nnc_word key, nnc_word dflt)
{
    const nnc_attr_rec *a = nnc_attr_find(m, op, key);
    return a && a->kind == NNC_ATTR_word && a->u.s.id < NNC_W_COUNT ? (nnc_word)a->u.s.id : dflt;
}

const char *nnc_attr_str(const nnc_module *m, nnc_op op, nnc_word key, const char *dflt)
{
    const nnc_attr_rec *a = nnc_attr_find(m, op, key);
    return a && (a->kind == NNC_ATTR_string || a->kind == NNC_ATTR_word) ? nnc_sym_str(m, a->u.s)
                                                                         : dflt;
}

const int64_t *nnc_attr_ints(const nnc_module *m, nnc_op op, nnc_word key, unsigned *n)
{
    const nnc_attr_rec *a = nnc_attr_find(m, op, key);
    *n = a && a->kind == NNC_ATTR_ints ? a->u.ints.n : 0;
    return *n ? m->ints.at + a->u.ints.at : NULL;
}

void nnc_attr_set(nnc_module *m, nnc_op op, nnc_attr_rec a)
{
    nnc_op_rec *r = &m->op.at[op.id];
    nnc_attr_rec *old = (nnc_attr_rec *)nnc_attr_find_sym(m, op, a.key);
    if (old) {
        *old = a;
        return;
    }
    if (!r->nattr || r->attr + r->nattr != m->attr.n) {
        uint32_t at = m->attr.n;
        for (unsigned i = 0; i < r->nattr; i++)
            NNC_PUSH(m->arena, &m->attr, m->attr.at[r->attr + i]);
        r->attr = at;
    }
    NNC_PUSH(m->arena, &m->attr, a);
    r->nattr++;
}

void nnc_attr_set_int(nnc_module *m, nnc_op op, nnc_word key, int64_t v)
{
    nnc_attr_set(m, op, (nnc_attr_rec){.key = nnc_w(key), .kind = NNC_ATTR_int, .u.i = v});
}

void nnc_attr_set_float(nnc_module *m, nnc_op op, nnc_word key, double v)
{
    nnc_attr_set(m, op, (nnc_attr_rec){.key = nnc_w(key), .kind = NNC_ATTR_float, .u.f = v});
}

void nnc_attr_set_word(nnc_module *m, nnc_op op, nnc_word key, nnc_word v)
{
    nnc_attr_set(m, op, (nnc_attr_rec){.key = nnc_w(key), .kind = NNC_ATTR_word, .u.s = nnc_w(v)});
}

void nnc_attr_set_str(nnc_module *m, nnc_op op, nnc_word key, const char *v)
{
    nnc_attr_set(
        m, op,
        (nnc_attr_rec){.key = nnc_w(key), .kind = NNC_ATTR_string, .u.s = nnc_sym_put(m, v)});
}

void nnc_attr_set_ints(nnc_module *m, nnc_op op, nnc_word key, unsigned n, const int64_t *v)
{
    nnc_attr_rec a = {.key = nnc_w(key), .kind = NNC_ATTR_ints};
    int64_t *copy = nnc_arena_copy(m->arena, v, n * sizeof *v); /* v may point into m->ints */
    a.u.ints.at = m->ints.n;
    a.u.ints.n = n;
    for (unsigned i = 0; i < n; i++)
        NNC_PUSH(m->arena, &m->ints, copy[i]);
    nnc_attr_set(m, op, a);
}

void nnc_attr_set_type(nnc_module *m, nnc_op op, nnc_word key, nnc_type t)
{
    nnc_attr_set(m, op, (nnc_attr_rec){.key = nnc_w(key), .kind = NNC_ATTR_type, .u.t = t});
}

void nnc_attr_remove(nnc_module *m, nnc_op op, nnc_word key)
{
    nnc_op_rec *r = &m->op.at[op.id];
    nnc_attr_rec *a = (nnc_attr_rec *)nnc_attr_find(m, op, key);
    if (!a)
        return;
    nnc_attr_rec *end = &m->attr.at[r->attr + r->nattr];
    memmove(a, a + 1, (size_t)(end - a - 1) * sizeof *a);
    r->nattr--;
}

void nnc_attr_copy(nnc_module *m, nnc_op to, nnc_op from)
{
    for (unsigned i = 0; i < m->op.at[from.id].nattr; i++)
        nnc_attr_set(
            m, to,
            m->attr.at[m->op.at[from.id].attr + i]); /* ints are shared: never changed in place */
}
