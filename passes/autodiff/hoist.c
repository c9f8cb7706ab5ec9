/* Contractions that are summed over the trips of an adjoint loop become one contraction behind it.
 *
 *     carry dw:  dw + dot a, g          yield a, g  ..  dw + dot as, gs, contracted over the trips as well
 *     carry db:  db + reduce g                          db + reduce gs
 *
 * The weight gradient of a recurrent net is one large product then instead of a small one per step that reads and writes all of
 * dw.  What the loop reads from a stack is not yielded again.  A reduction goes along only when its operand is stacked
 * anyway.  Sums through branches, and stacks above MAX_BYTES, stay. */
#include <string.h>
#include "passes/autodiff/loop.h"

static const int64_t MAX_BYTES = 64 << 20;

/* The body's op that makes v for this one use, when it has that code. */
static nnc_op maker(const nnc_ad_loop *l, nnc_value v, nnc_opcode code)
{
    const nnc_module *m = l->x->m;
    nnc_op op = nnc_value_op(m, v);

    if (!op.id || nnc_op_code(m, op) != code || nnc_op_get(m, op)->block.id != l->bw.id ||
        nnc_value_nuse(m, v) != 1)
        return (nnc_op){0};
    return op;
}

/* Is there, or can there be, a stack of v over the trips? */
static bool stackable(nnc_ad_loop *l, nnc_value v)
{
    const nnc_module *m = l->x->m;
    const nnc_value_rec *r = nnc_value_get(m, v);
    nnc_block home = {r->def};

    if (r->kind == NNC_VALUE_result)
        home = nnc_op_get(m, (nnc_op){r->def})->block;
    else if (r->kind != NNC_VALUE_arg)
        return false;
    return home.id == l->bw.id && nnc_value_ty(m, v)->rank < NNC_MAX_RANK &&
           nnc_type_bytes(m, nnc_ad_stacked(l, v)) <= MAX_BYTES;
}

/* Operand i of the term: a stack the loop reads, one it will yield, or (add) a new one. */
static bool find_stack(nnc_ad_loop *l, nnc_ad_values *y, nnc_ad_term *t, unsigned i, bool add)
{
    nnc_value v = nnc_op_in(l->x->m, t->op, i);
    const nnc_value_rec *r = nnc_value_get(l->x->m, v);

    if (r->kind == NNC_VALUE_arg && r->index >= nnc_ad_at_stack(l)) {
        t->outer[i] = l->in.at[r->index - 1u];
        return true;
    }
    for (uint32_t k = l->k.n + l->cap.n; k < y->n; k++)
        if (y->at[k].id == v.id) {
            t->yield[i] = k;
            return true;
        }
    if (!add)
        return false;
    t->yield[i] = y->n;
    NNC_PUSH(l->x->a, y, v);
    return true;
}

typedef struct chain {
    nnc_ad_values term; /* summands of one cotangent */
    NNC_BUF(nnc_op) add;
} chain;

/* y = ((argument + t1) + t2) ..; false when it is anything else. */
static bool take_apart(const nnc_ad_loop *l, nnc_value y, nnc_value argument, chain *c)
{
    while (y.id != argument.id) {
        nnc_op add = maker(l, y, NNC_OP_add);
        if (!add.id)
            return false;
        NNC_PUSH(l->x->a, &c->add, add);
        NNC_PUSH(l->x->a, &c->term, nnc_op_in(l->x->m, add, 1));
        y = nnc_op_in(l->x->m, add, 0);
    }
    return c->add.n > 0 && nnc_value_nuse(l->x->m, argument) == 1;
}

static bool terms_of(nnc_ad_loop *l, nnc_ad_values *y, nnc_value cap, const chain *c, bool dots)
{
    nnc_module *m = l->x->m;
    uint32_t first = l->later.n, ny = y->n;

    for (uint32_t i = 0; i < c->term.n; i++) {
        nnc_ad_term t = {.cap = cap,
                         .op = maker(l, c->term.at[i], dots ? NNC_OP_dot : NNC_OP_reduce)};
        bool ok = t.op.id != 0;
        for (unsigned k = 0; ok && k < nnc_op_nin(m, t.op); k++)
            ok = stackable(l, nnc_op_in(m, t.op, k)) && find_stack(l, y, &t, k, dots);
        if (ok && !dots)
            ok = nnc_attr_word(m, t.op, NNC_W_kind, NNC_W_none) == NNC_W_sum;
        if (!ok) {
            l->later.n = first;
            y->n = ny;
            return false;
        }
        NNC_PUSH(l->x->a, &l->later, t);
    }
    return true;
}

/* cap i is no longer carried. */
static void drop_cap(nnc_ad_loop *l, uint32_t i, nnc_ad_values *y, const chain *c)
{
    nnc_module *m = l->x->m;
    unsigned at = nnc_ad_at_cap(l) + i;

    for (uint32_t k = l->k.n + i; k + 1 < y->n; k++)
        y->at[k] = y->at[k + 1];
    y->n--;
    for (uint32_t k = 0; k < l->later.n; k++)
        for (unsigned s = 0; s < 2; s++)
            l->later.at[k].yield[s] -= l->later.at[k].yield[s] > 0;
    for (uint32_t k = 0; k < c->add.n; k++)
        nnc_op_erase(m, c->add.at[k]);
    nnc_block_erase_arg(m, l->bw, at);
    for (uint32_t k = at - 1; k + 1 < l->in.n; k++)
        l->in.at[k] = l->in.at[k + 1];
    l->in.n--;
    for (uint32_t k = i; k + 1 < l->cap.n; k++)
        l->cap.at[k] = l->cap.at[k + 1];
    l->cap.n--;
}

void nnc_ad_hoist(nnc_ad_loop *l)
{
    nnc_ad *x = l->x;
    nnc_module *m = x->m;
    nnc_op end = nnc_block_last(m, l->bw);
    nnc_ad_values y = {0};

    for (unsigned i = 0; i < nnc_op_nin(m, end); i++)
        NNC_PUSH(x->a, &y, nnc_op_in(m, end, i));
    for (int dots = 1; dots >= 0; dots--) /* reductions see what the dots stack */
        for (uint32_t i = l->cap.n; i-- > 0;) {
            chain c = {.term = {0}};
            nnc_value cap = l->cap.at[i], arg = nnc_block_arg(m, l->bw, nnc_ad_at_cap(l) + i);
            if (!take_apart(l, y.at[l->k.n + i], arg, &c) || !terms_of(l, &y, cap, &c, dots))
                continue;
            nnc_op_set_ins(m, end, 0, NULL); /* its uses are in y */
            drop_cap(l, i, &y, &c);
            nnc_op_set_ins(m, end, y.n, y.at);
        }
}

/* ---- behind the loop ---- */

/* The attribute's axes one further on. */
static unsigned shifted(const nnc_ad *x, nnc_op op, nnc_word key, unsigned from, int64_t *to)
{
    unsigned n;
    const int64_t *at = nnc_attr_ints(x->m, op, key, &n);
    for (unsigned i = 0; i < n; i++)
        to[from + i] = at[i] + 1;
    return from + n;
}

static nnc_value sum_over_trips(nnc_ad *x, const nnc_ad_term *t, nnc_value a, nnc_value b)
{
    int64_t ba[NNC_MAX_RANK], bb[NNC_MAX_RANK], ca[NNC_MAX_RANK] = {0}, cb[NNC_MAX_RANK] = {0};
    unsigned nb, nc;

    if (nnc_op_code(x->m, t->op) == NNC_OP_reduce) {
        const nnc_type_rec ty = nnc_ad_ty(x, nnc_op_out(x->m, t->op, 0));
        nc = shifted(x, t->op, NNC_W_axes, 1, ca);
        return nnc_ad_reshape(x, nnc_ad_sum(x, a, nc, ca, false), &ty);
    }
    nb = shifted(x, t->op, NNC_W_batch_a, 0, ba);
    shifted(x, t->op, NNC_W_batch_b, 0, bb);
    nc = shifted(x, t->op, NNC_W_contract_a, 1, ca);
    shifted(x, t->op, NNC_W_contract_b, 1, cb);
    return nnc_g_dot(&x->b, a, b, nb, ba, bb, nc, ca, cb, NNC_DT_none);
}

void nnc_ad_sum_later(nnc_ad_loop *l, nnc_op made)
{
    nnc_ad *x = l->x;

    for (uint32_t i = 0; i < l->later.n; i++) {
        const nnc_ad_term *t = &l->later.at[i];
        nnc_value v[2] = {{0}, {0}};
        for (unsigned k = 0; k < nnc_op_nin(x->m, t->op); k++)
            v[k] = t->outer[k].id ? t->outer[k] : nnc_op_out(x->m, made, t->yield[k]);
        nnc_ad_add(x, t->cap, sum_over_trips(x, t, v[0], v[1]));
    }
    if (l->later.n)
        nnc_ad_sweep(x, nnc_op_region(x->m, made, 0));
}
