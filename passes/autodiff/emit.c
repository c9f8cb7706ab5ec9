/* What the rules emit with.
 *
 * Cotangents are summed as they arrive: a chain of adds, which later fuses into one kernel or into the epilogue of the
 * contraction that made a summand. */
#include "passes/autodiff/ad.h"
#include <stdarg.h>

/* ---- maps ---- */

static uint32_t slot_of(const nnc_ad_map *t, uint32_t key)
{
    uint32_t i = key * 2654435761u & (t->cap - 1);
    while (t->key[i] && t->key[i] != key)
        i = (i + 1) & (t->cap - 1);
    return i;
}

uint32_t nnc_ad_map_get(const nnc_ad_map *t, uint32_t key)
{
    return t->cap ? t->val[slot_of(t, key)] : 0;
}

static void grow(nnc_arena *a, nnc_ad_map *t)
{
    nnc_ad_map old = *t;

    t->cap = old.cap ? 2 * old.cap : 64;
    t->key = nnc_arena_array(a, t->cap, sizeof *t->key);
    t->val = nnc_arena_array(a, t->cap, sizeof *t->val);
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.key[i]) {
            uint32_t k = slot_of(t, old.key[i]);
            t->key[k] = old.key[i];
            t->val[k] = old.val[i];
        }
}

void nnc_ad_map_put(nnc_arena *a, nnc_ad_map *t, uint32_t key, uint32_t val)
{
    if (2 * (t->n + 1) > t->cap)
        grow(a, t);
    uint32_t i = slot_of(t, key);
    t->n += !t->key[i];
    t->key[i] = key;
    t->val[i] = val;
}

/* ---- small ops ---- */

nnc_value nnc_ad_like(nnc_ad *x, nnc_value v, double c)
{
    return nnc_g_float(&x->b, (nnc_dtype)nnc_value_ty(x->m, v)->dtype, c);
}

nnc_value nnc_ad_zeros(nnc_ad *x, nnc_type t)
{
    const nnc_type_rec r = *nnc_type_get(x->m, t);
    nnc_value zero = nnc_dtype_is_float((nnc_dtype)r.dtype)
                         ? nnc_g_float(&x->b, (nnc_dtype)r.dtype, 0)
                         : nnc_g_int(&x->b, (nnc_dtype)r.dtype, 0);
    return nnc_g_broadcast(&x->b, zero, r.rank, r.dim);
}

nnc_value nnc_ad_op1(nnc_ad *x, nnc_opcode code, nnc_value a)
{
    return nnc_g_unary(&x->b, code, a);
}

/* Multiplying by one and adding nothing is left out, so that seeds and unit tangents leave no trace. */
nnc_value nnc_ad_op2(nnc_ad *x, nnc_opcode code, nnc_value a, nnc_value b)
{
    double c;
    if (code == NNC_OP_mul && nnc_value_number(x->m, a, &c) && c == 1 &&
        nnc_value_ty(x->m, b)->dtype == nnc_value_ty(x->m, a)->dtype)
        return b;
    if ((code == NNC_OP_mul || code == NNC_OP_div) && nnc_value_number(x->m, b, &c) && c == 1)
        return a;
    return nnc_g_binary(&x->b, code, a, b);
}

nnc_value nnc_ad_reshape(nnc_ad *x, nnc_value v, const nnc_type_rec *like)
{
    return nnc_g_reshape(&x->b, v, like->rank, like->dim);
}

nnc_value nnc_ad_broadcast(nnc_ad *x, nnc_value v, const nnc_type_rec *like)
{
    return nnc_g_broadcast(&x->b, v, like->rank, like->dim);
}

nnc_value nnc_ad_sum(nnc_ad *x, nnc_value v, unsigned n, const int64_t *axes, bool keep)
{
    return nnc_g_reduce(&x->b, NNC_W_sum, v, n, axes, keep);
}

nnc_value nnc_ad_unbroadcast(nnc_ad *x, nnc_value g, nnc_type to)
{
    const nnc_type_rec tg = nnc_ad_ty(x, g), tt = *nnc_type_get(x->m, to);
    int64_t axes[NNC_MAX_RANK];
    unsigned n = 0;
    int lead = tg.rank - tt.rank;

    for (int i = 0; i < tg.rank && lead >= 0; i++)
        if (i < lead || (tt.dim[i - lead] == 1 && tg.dim[i] != 1))
            axes[n++] = i;
    if (n) {
        nnc_type_rec kept = tt;
        for (int i = 0; i < tt.rank; i++)
            if (tt.dim[i] != 1 && tg.dim[i + lead] == 1)
                kept.dim[i] = 1; /* still to be broadcast */
        g = nnc_ad_reshape(x, nnc_ad_sum(x, g, n, axes, false), &kept);
    }
    return nnc_ad_broadcast(x, g, &tt); /* a partial that does not mention the larger operand */
}

/* ---- derivatives by value ---- */

void nnc_ad_set(nnc_ad *x, nnc_value v, nnc_value d)
{
    nnc_ad_map_put(x->a, &x->d, v.id, d.id);
}

void nnc_ad_add(nnc_ad *x, nnc_value v, nnc_value g)
{
    nnc_value old = nnc_ad_get(x, v);

    if (!g.id || !nnc_ad_active(x, v))
        return;
    g = nnc_ad_unbroadcast(x, g, nnc_value_type(x->m, v));
    nnc_ad_set(x, v, old.id ? nnc_ad_op2(x, NNC_OP_add, old, g) : g);
}

nnc_value nnc_ad_base(nnc_ad *x, nnc_value v)
{
    nnc_value d = nnc_ad_get(x, v);
    return d.id ? d : nnc_ad_zeros(x, nnc_value_type(x->m, v));
}

nnc_value nnc_ad_full(nnc_ad *x, nnc_value v)
{
    return nnc_ad_base(x, v);
}

nnc_status nnc_ad_error(nnc_ad *x, nnc_op op, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(x->m->arena, fmt, ap);
    va_end(ap);
    nnc_error(x->m->diag, nnc_op_loc(x->m, op), "%s", text);
    if (op.id != x->at.id)
        nnc_note(x->m->diag, nnc_op_loc(x->m, x->at), "for the derivative taken here");
    return NNC_ERR;
}
