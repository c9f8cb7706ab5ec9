/* Sums of outer products are contractions, and the outer products are never stored.
 *
 *     sum over n of a[n,i] b[n,j]                 dot: one matrix product
 *     sum over i, j of a[n,i] b[n,j] m[i,j]       dot a m, times b, sum
 *     sum over i, j of (a[n,i] b[n,j])^2 m[i,j]   the same with a^2 and b^2
 *
 * These come from gradients per example.  A reduction of a product is taken apart into factors, each of which knows the axes
 * that it depends on; the factors of equal axes are multiplied; then, as long as an axis is left to be summed, the pair
 * that shares some which no other factor has, and whose product is smallest, is contracted over them.  It is done when the
 * whole product is larger than all factors and nothing on the way is more than half as large as it. */
#include <string.h>
#include "ir/build.h"
#include "passes/batch/batch.h"

enum { MAX_FACTORS = 8 };

typedef struct factor {
    nnc_value v; /* of the rank that axes says, in ascending order */
    unsigned axes;
} factor;
typedef struct product {
    nnc_module *m;
    nnc_builder b;
    nnc_type_rec type; /* of the whole */
    unsigned all;      /* axes that are not 1 */
    unsigned n, sum;   /* factors; axes to be summed */
    factor f[MAX_FACTORS];
    bool dry;       /* only look how large things become */
    double largest; /* elements of the largest thing on the way */
} product;

static double size_of(const product *p, unsigned axes)
{
    double n = 1;
    for (int i = 0; i < p->type.rank; i++)
        if (axes >> i & 1)
            n *= (double)nnc_dim_hi(p->m->dims, p->type.dim[i]);
    return n;
}

/* Axes of the whole that v, aligned to the right, depends on. */
static unsigned axes_of(const product *p, nnc_value v)
{
    const nnc_type_rec *r = nnc_value_ty(p->m, v);
    unsigned axes = 0;
    for (int i = 0; i < r->rank; i++)
        if (r->dim[i] != 1)
            axes |= 1u << (p->type.rank - r->rank + i);
    return axes & p->all;
}

/* ---- taking apart ---- */

static bool is_two(const nnc_module *m, nnc_value v)
{
    double x;
    return nnc_value_number(m, v, &x) && x == 2;
}

/* May a product be computed again as its factors?  Others that read it make it stored, unless it is an outer product,
 * which is what we came to avoid. */
static bool opens(const product *p, nnc_op mul, nnc_op user)
{
    nnc_value v = nnc_op_out(p->m, mul, 0), x = nnc_op_in(p->m, mul, 0),
              y = nnc_op_in(p->m, mul, 1);
    unsigned axes = axes_of(p, v);
    if (axes_of(p, x) != axes && axes_of(p, y) != axes)
        return true;
    for (uint32_t u = nnc_value_get(p->m, v)->first_use; u; u = p->m->use.at[u].next)
        if (p->m->use.at[u].user.id != user.id)
            return false;
    return true;
}

static bool take_apart(product *p, nnc_value v, nnc_op user)
{
    nnc_op op = nnc_value_op(p->m, v);
    nnc_opcode code = op.id ? nnc_op_code(p->m, op) : NNC_OP_none;

    if (code == NNC_OP_mul && opens(p, op, user))
        return take_apart(p, nnc_op_in(p->m, op, 0), op) &&
               take_apart(p, nnc_op_in(p->m, op, 1), op);
    if (code == NNC_OP_pow && is_two(p->m, nnc_op_in(p->m, op, 1)))
        return take_apart(p, nnc_op_in(p->m, op, 0), op) &&
               take_apart(p, nnc_op_in(p->m, op, 0), op);
    if (code == NNC_OP_broadcast)
        return take_apart(p, nnc_op_in(p->m, op, 0), op);
    if (p->n == MAX_FACTORS)
        return false;
    p->f[p->n++] = (factor){v, axes_of(p, v)};
    return true;
}

/* ---- putting together ---- */

/* v with the axes of `have` as dims, seen with those of `want`, ones in between. */
static nnc_value spread(product *p, nnc_value v, unsigned have, unsigned want)
{
    nnc_dim dim[NNC_MAX_RANK];
    int n = 0;
    for (int i = 0; i < p->type.rank; i++)
        if (want >> i & 1)
            dim[n++] = have >> i & 1 ? p->type.dim[i] : 1;
    return nnc_g_reshape(&p->b, v, n, dim);
}

static void drop(product *p, unsigned i)
{
    p->f[i] = p->f[--p->n];
}

static void note(product *p, unsigned axes)
{
    double n = size_of(p, axes);
    p->largest = n > p->largest ? n : p->largest;
}

static void merge_equals(product *p)
{
    for (unsigned i = 0; i < p->n; i++)
        for (unsigned k = p->n - 1; k > i; k--)
            if (p->f[k].axes == p->f[i].axes) {
                if (!p->dry)
                    p->f[i].v = nnc_g_binary(&p->b, NNC_OP_mul, p->f[i].v, p->f[k].v);
                drop(p, k);
            }
}

/* Positions of `axes` among the dims of a factor that has `have`. */
static unsigned positions(const product *p, unsigned have, unsigned axes, int64_t *out)
{
    unsigned n = 0;
    int64_t at = 0;
    for (int i = 0; i < p->type.rank; i++) {
        if (have & axes & 1u << i)
            out[n++] = at;
        at += have >> i & 1;
    }
    return n;
}

static void sum_one(product *p, unsigned i, unsigned axes)
{
    factor *f = &p->f[i];
    int64_t at[NNC_MAX_RANK];
    unsigned n = positions(p, f->axes, axes, at);
    if (!p->dry)
        f->v = nnc_g_reduce(&p->b, NNC_W_sum, f->v, n, at, false);
    f->axes &= ~axes;
    p->sum &= ~axes;
    note(p, f->axes);
}

/* dot f, g over `axes`; result dims back in ascending order. */
static void contract(product *p, unsigned i, unsigned k, unsigned axes)
{
    factor f = p->f[i], g = p->f[k];
    unsigned batch = f.axes & g.axes & ~axes,
             order[3] = {batch, f.axes & ~g.axes, g.axes & ~f.axes};
    unsigned result = order[0] | order[1] | order[2];
    int64_t bf[NNC_MAX_RANK], bg[NNC_MAX_RANK], cf[NNC_MAX_RANK], cg[NNC_MAX_RANK],
        perm[NNC_MAX_RANK];
    unsigned nb = positions(p, f.axes, batch, bf), nc = positions(p, f.axes, axes, cf), at = 0;

    if (!p->dry) {
        positions(p, g.axes, batch, bg);
        positions(p, g.axes, axes, cg);
        f.v = nnc_g_dot(&p->b, f.v, g.v, nb, bf, bg, nc, cf, cg, (nnc_dtype)p->type.dtype);
        for (int s = 0; s < 3; s++) /* dim d of the dot is axis .. */
            for (int a = 0; a < p->type.rank; a++)
                if (order[s] >> a & 1) {
                    int64_t to[NNC_MAX_RANK];
                    positions(p, result, 1u << a, to);
                    perm[to[0]] = at++;
                }
        f.v = nnc_g_transpose(&p->b, f.v, perm);
    }
    f.axes = result;
    p->f[i] = f;
    drop(p, k);
    p->sum &= ~axes;
    note(p, result);
}

/* Axes to be summed that factors i and k have and no other; i == k: that one factor has alone. */
static unsigned private_axes(const product *p, unsigned i, unsigned k)
{
    unsigned axes = p->f[i].axes & p->f[k].axes & p->sum;
    for (unsigned o = 0; o < p->n; o++)
        if (o != i && o != k)
            axes &= ~p->f[o].axes;
    return axes;
}

static bool step(product *p)
{
    unsigned best_i = 0, best_k = 0;
    double best = -1;

    merge_equals(p);
    for (unsigned i = 0; i < p->n; i++)
        if (private_axes(p, i, i)) {
            sum_one(p, i, private_axes(p, i, i));
            return true;
        }
    for (unsigned i = 0; i < p->n; i++)
        for (unsigned k = i + 1; k < p->n; k++) {
            unsigned axes = private_axes(p, i, k);
            double n = size_of(p, (p->f[i].axes | p->f[k].axes) & ~axes);
            if (axes && (best < 0 || n < best)) {
                best = n;
                best_i = i;
                best_k = k;
            }
        }
    if (best < 0)
        return false;
    contract(p, best_i, best_k, private_axes(p, best_i, best_k));
    return true;
}

static bool contract_all(product *p)
{
    while (p->sum)
        if (!step(p))
            return false;
    merge_equals(p);
    return true;
}

/* ---- one reduction ---- */

static bool start(product *p, nnc_op reduce)
{
    nnc_module *m = p->m;
    nnc_value v = nnc_op_in(m, reduce, 0);
    unsigned n;
    const int64_t *axes = nnc_attr_ints(m, reduce, NNC_W_axes, &n);

    p->type = *nnc_value_ty(m, v);
    if (nnc_attr_word(m, reduce, NNC_W_kind, NNC_W_none) != NNC_W_sum ||
        nnc_dtype_infos[p->type.dtype].bits < 32)
        return false;
    for (int i = 0; i < p->type.rank; i++)
        p->all |= p->type.dim[i] != 1 ? 1u << i : 0;
    for (unsigned i = 0; i < n; i++)
        p->sum |= 1u << axes[i] & p->all;
    return take_apart(p, v, reduce) && p->n > 1;
}

/* No factor as large as the whole, every axis in some factor, and something to win. */
static bool is_worth_it(const product *p)
{
    product dry = *p;
    unsigned seen = 0;
    for (unsigned i = 0; i < p->n; i++) {
        if (p->f[i].axes == p->all)
            return false;
        seen |= p->f[i].axes;
    }
    dry.dry = true;
    return seen == p->all && contract_all(&dry) && dry.largest <= size_of(p, p->all) / 2;
}

static bool rewrite(nnc_module *m, nnc_op reduce)
{
    product p = {.m = m, .b = nnc_builder_before(m, reduce)};
    const nnc_type_rec to = *nnc_value_ty(m, nnc_op_out(m, reduce, 0));
    nnc_value v = {0};

    if (!start(&p, reduce) || !is_worth_it(&p))
        return false;
    unsigned rest = p.all & ~p.sum;
    for (unsigned i = 0; i < p.n; i++)
        p.f[i].v = spread(&p, p.f[i].v, p.f[i].axes, p.f[i].axes);
    contract_all(&p);
    for (unsigned i = 0; i < p.n; i++) {
        nnc_value f = spread(&p, p.f[i].v, p.f[i].axes, rest);
        v = v.id ? nnc_g_binary(&p.b, NNC_OP_mul, v, f) : f;
    }
    v = nnc_g_reshape(&p.b, v, to.rank, to.dim);
    nnc_value_replace(m, nnc_op_out(m, reduce, 0), v);
    nnc_op_erase(m, reduce);
    return true;
}

/* ---- outer products ---- */

/* A dot without an axis to sum over is no work for a matrix kernel: as a map it joins what reads it (the update of the
 * weights, mostly). */
static bool rewrite_outer(nnc_module *m, nnc_op dot)
{
    nnc_builder b = nnc_builder_before(m, dot);
    const nnc_type_rec y = *nnc_value_ty(m, nnc_op_out(m, dot, 0));
    nnc_value side[2];
    unsigned nc, nbatch;

    nnc_attr_ints(m, dot, NNC_W_contract_a, &nc);
    if (nc || y.dtype != nnc_value_ty(m, nnc_op_in(m, dot, 0))->dtype)
        return false;
    for (unsigned k = 0; k < 2; k++) { /* batch, free of a, free of b; ones for the other's */
        const nnc_type_rec r = *nnc_value_ty(m, nnc_op_in(m, dot, k));
        const int64_t *batch = nnc_attr_ints(m, dot, k ? NNC_W_batch_b : NNC_W_batch_a, &nbatch);
        int64_t perm[NNC_MAX_RANK];
        nnc_dim dim[NNC_MAX_RANK];
        unsigned n = 0, used = 0, free = r.rank - nbatch;
        for (; n < nbatch; n++)
            used |= 1u << (perm[n] = batch[n]);
        for (int i = 0; i < r.rank; i++)
            if (!(used >> i & 1))
                perm[n++] = i;
        for (unsigned i = 0; i < y.rank; i++)
            dim[i] = 1;
        for (unsigned i = 0; i < n; i++)
            dim[i < nbatch || !k ? i : y.rank - free + i - nbatch] = r.dim[perm[i]];
        side[k] = nnc_g_transpose(&b, nnc_op_in(m, dot, k), perm);
        side[k] = nnc_g_reshape(&b, side[k], y.rank, dim);
    }
    nnc_value v = nnc_g_binary(&b, NNC_OP_mul, side[0], side[1]);
    nnc_value_replace(m, nnc_op_out(m, dot, 0), v);
    nnc_op_erase(m, dot);
    return true;
}

/* ---- rows times a vector ---- */

/* Is v made in the block, or an argument of it?  What comes from outside of a loop can be turned once. */
static bool belongs_to(const nnc_module *m, nnc_value v, nnc_block b)
{
    const nnc_value_rec *r = nnc_value_get(m, v);
    if (r->kind == NNC_VALUE_arg)
        return r->def == b.id;
    return r->kind == NNC_VALUE_result && nnc_op_get(m, (nnc_op){r->def})->block.id == b.id &&
           nnc_op_code(m, (nnc_op){r->def}) != NNC_OP_const;
}

/* A vector against the last axis of a matrix that is new every time (the way back through x @ w): a matrix kernel would
 * first turn the matrix; a product and a sum read every row as it lies. */
static bool rewrite_rows(nnc_module *m, nnc_op dot)
{
    const nnc_type_rec y = *nnc_value_ty(m, nnc_op_out(m, dot, 0));
    for (unsigned k = 0; k < 2; k++) {
        nnc_value v = nnc_op_in(m, dot, 1 - k), w = nnc_op_in(m, dot, k);
        unsigned nc, nb;
        const int64_t *at = nnc_attr_ints(m, dot, k ? NNC_W_contract_b : NNC_W_contract_a, &nc);
        int64_t last = nnc_value_ty(m, w)->rank - 1;
        nnc_attr_ints(m, dot, NNC_W_batch_a, &nb);
        if (nb || nc != 1 || at[0] != last || last < 1 || nnc_value_ty(m, v)->rank != 1 ||
            y.dtype != nnc_value_ty(m, w)->dtype || nnc_dtype_infos[y.dtype].bits < 32 ||
            !belongs_to(m, w, nnc_op_get(m, dot)->block))
            continue;
        nnc_builder b = nnc_builder_before(m, dot);
        w = nnc_g_reduce(&b, NNC_W_sum, nnc_g_binary(&b, NNC_OP_mul, w, v), 1, &last, false);
        nnc_value_replace(m, nnc_op_out(m, dot, 0), w);
        nnc_op_erase(m, dot);
        return true;
    }
    return false;
}

unsigned nnc_batch_products(nnc_module *m, nnc_block b)
{
    unsigned n = 0;
    nnc_op next;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            n += nnc_batch_products(m, nnc_op_region(m, op, i));
        if (nnc_op_code(m, op) == NNC_OP_reduce)
            n += rewrite(m, op);
        else if (nnc_op_code(m, op) == NNC_OP_dot)
            n += rewrite_outer(m, op) || rewrite_rows(m, op);
    }
    return n;
}
