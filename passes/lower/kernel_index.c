/* Indices as linear forms over the axes, made into K values only where a load or store needs them.
 *
 * Keeping the form instead of a value makes division of 64 a + b by 64 exact when b < 64 (reshapes that split or join
 * dims cost nothing), makes clamps vanish when the range is known, and lets a probe read the coefficient of every axis
 * off an address.  What is not linear (a gathered row, a clamp that is needed) becomes the opaque part with the set of
 * axes it depends on. */
#include "passes/lower/kernel.h"
#include <assert.h>
#include <string.h>

static const int64_t far = INT64_C(1) << 40;

nnc_kix nnc_kix_const(int64_t k)
{
    nnc_kix r;
    memset(&r, 0, sizeof r);
    r.k = k;
    return r;
}

nnc_kix nnc_kix_axis(const nnc_kx *x, int a)
{
    nnc_kix r = nnc_kix_const(0);
    assert(a >= 0 && a < x->nax);
    if (x->ax[a].extent != 1) /* an axis of one element is always 0 */
        r.c[a] = 1;
    return r;
}

nnc_kix nnc_kix_opaque(nnc_kx *x, nnc_value v, uint32_t dep, int64_t lo, int64_t hi)
{
    nnc_kix r = nnc_kix_const(0);
    int64_t k;
    if (!x->probe && v.id && nnc_value_idx(x->m, v, &k))
        return nnc_kix_const(k);
    r.opaque = true;
    r.op = v;
    r.dep = dep;
    r.lo = lo;
    r.hi = hi;
    return r;
}

static nnc_value bin(nnc_kx *x, nnc_opcode code, nnc_value a, nnc_value b)
{
    return x->probe ? (nnc_value){0} : nnc_k_binary(&x->b, code, a, b);
}

static nnc_value con(nnc_kx *x, int64_t k)
{
    return x->probe ? (nnc_value){0} : nnc_const_idx(x->m, k);
}

static int64_t bounded(int64_t v)
{
    return v > far ? far : v < -far ? -far : v;
}

nnc_kix nnc_kix_add(nnc_kx *x, const nnc_kix *a, const nnc_kix *b)
{
    nnc_kix r = *a;
    for (int i = 0; i < NNC_AXES; i++)
        r.c[i] += b->c[i];
    r.k += b->k;
    if (a->opaque && b->opaque)
        r.op = bin(x, NNC_OP_add, a->op, b->op);
    else if (b->opaque)
        r.op = b->op;
    r.opaque = a->opaque || b->opaque;
    r.dep = a->dep | b->dep;
    r.lo = bounded(a->lo + b->lo);
    r.hi = bounded(a->hi + b->hi);
    return r;
}

nnc_kix nnc_kix_addk(nnc_kix a, int64_t k)
{
    a.k += k;
    return a;
}

nnc_kix nnc_kix_mul(nnc_kx *x, const nnc_kix *a, int64_t k)
{
    if (k == 0)
        return nnc_kix_const(0);
    nnc_kix r = *a;
    for (int i = 0; i < NNC_AXES; i++)
        r.c[i] *= k;
    r.k *= k;
    if (a->opaque) {
        if (k != 1)
            r.op = bin(x, NNC_OP_mul, a->op, con(x, k));
        r.lo = bounded(k > 0 ? a->lo * k : a->hi * k);
        r.hi = bounded(k > 0 ? a->hi * k : a->lo * k);
    }
    return r;
}

uint32_t nnc_kix_dep(const nnc_kix *a)
{
    uint32_t d = a->dep;
    for (int i = 0; i < NNC_AXES; i++)
        if (a->c[i])
            d |= 1u << i;
    return d;
}

void nnc_kix_range(const nnc_kx *x, const nnc_kix *a, int64_t *lo, int64_t *hi)
{
    *lo = *hi = a->k;
    for (int i = 0; i < x->nax; i++) {
        int64_t top = x->ax[i].hi > 0 ? x->ax[i].hi - 1 : 0;
        *(a->c[i] > 0 ? hi : lo) += a->c[i] * top;
    }
    if (a->opaque) {
        *lo += a->lo;
        *hi += a->hi;
    }
}

bool nnc_kix_equal(const nnc_kix *a, const nnc_kix *b)
{
    return !memcmp(a->c, b->c, sizeof a->c) && a->k == b->k && a->opaque == b->opaque &&
           a->op.id == b->op.id && a->dep == b->dep;
}

nnc_value nnc_kix_value(nnc_kx *x, const nnc_kix *a)
{
    if (x->probe)
        return (nnc_value){0};
    nnc_value sum = nnc_const_idx(x->m, 0);
    for (int i = 0; i < x->nax; i++)
        if (a->c[i])
            sum = bin(x, NNC_OP_add, sum, bin(x, NNC_OP_mul, x->idx[i], con(x, a->c[i])));
    if (a->opaque)
        sum = bin(x, NNC_OP_add, sum, a->op);
    return bin(x, NNC_OP_add, sum, con(x, a->k));
}

/* The whole index as an opaque value. */
static nnc_kix opaque_of(nnc_kx *x, nnc_value v, const nnc_kix *deps, int64_t lo, int64_t hi)
{
    return nnc_kix_opaque(x, v, nnc_kix_dep(deps), bounded(lo), bounded(hi));
}

nnc_value nnc_kx_dim(nnc_kx *x, nnc_dim d)
{
    if (x->probe)
        return (nnc_value){0};
    if (nnc_dim_is_const(d))
        return nnc_const_idx(x->m, d);
    nnc_builder top =
        nnc_builder_at_end(x->m, x->kernel); /* at the head of the kernel, outside all loops */
    top.pos.before = nnc_block_first(x->m, x->kernel);
    top.loc = x->b.loc;
    return nnc_k_dim(&top, d, x->sym);
}

nnc_kix nnc_kix_add_dim(nnc_kx *x, const nnc_kix *a, nnc_dim d)
{
    if (nnc_dim_is_const(d))
        return nnc_kix_addk(*a, d);
    nnc_kix b = nnc_kix_opaque(x, nnc_kx_dim(x, d), 0, bounded(nnc_dim_lo(x->m->dims, d)),
                               bounded(nnc_dim_hi(x->m->dims, d)));
    return nnc_kix_add(x, a, &b);
}

nnc_kix nnc_kix_sub_dim(nnc_kx *x, const nnc_kix *a, nnc_dim d)
{
    if (nnc_dim_is_const(d))
        return nnc_kix_addk(*a, -d);
    nnc_kix b = nnc_kix_opaque(x, nnc_kx_dim(x, d), 0, bounded(nnc_dim_lo(x->m->dims, d)),
                               bounded(nnc_dim_hi(x->m->dims, d)));
    b = nnc_kix_mul(x, &b, -1);
    return nnc_kix_add(x, a, &b);
}

nnc_kix nnc_kix_mul_dim(nnc_kx *x, const nnc_kix *a, nnc_dim d)
{
    if (nnc_dim_is_const(d))
        return nnc_kix_mul(x, a, d);
    int64_t lo, hi, top = bounded(nnc_dim_hi(x->m->dims, d));
    nnc_kix_range(x, a, &lo, &hi);
    if (lo == 0 && hi == 0)
        return nnc_kix_const(0);
    nnc_value v = bin(x, NNC_OP_mul, nnc_kix_value(x, a), nnc_kx_dim(x, d));
    return opaque_of(x, v, a, lo < 0 ? -far : 0, hi > far / (top + 1) ? far : hi * top);
}

/* a = d * q + r with 0 <= r < d, both linear?  Then the division is exact by construction. */
static bool split_by(const nnc_kx *x, const nnc_kix *a, int64_t d, nnc_kix *q, nnc_kix *r)
{
    if (a->opaque)
        return false;
    int64_t lo, hi;
    *q = *r = nnc_kix_const(0);
    for (int i = 0; i < x->nax; i++) {
        if (a->c[i] % d)
            r->c[i] = a->c[i];
        else
            q->c[i] = a->c[i] / d;
    }
    int64_t k = a->k % d < 0 ? a->k % d + d : a->k % d;
    r->k = k;
    q->k = (a->k - k) / d;
    nnc_kix_range(x, r, &lo, &hi);
    return lo >= 0 && hi < d;
}

nnc_kix nnc_kix_div(nnc_kx *x, const nnc_kix *a, nnc_dim d)
{
    nnc_kix q, r;
    if (d == 1)
        return *a;
    if (nnc_dim_is_const(d) && d > 0 && split_by(x, a, d, &q, &r))
        return q;
    int64_t lo, hi, low = nnc_dim_lo(x->m->dims, d);
    nnc_kix_range(x, a, &lo, &hi);
    nnc_value v = bin(x, NNC_OP_div, nnc_kix_value(x, a), nnc_kx_dim(x, d));
    return opaque_of(x, v, a, 0, hi / (low > 0 ? low : 1));
}

nnc_kix nnc_kix_mod(nnc_kx *x, const nnc_kix *a, nnc_dim d)
{
    nnc_kix q, r;
    if (d == 1)
        return nnc_kix_const(0);
    if (nnc_dim_is_const(d) && d > 0 && split_by(x, a, d, &q, &r))
        return r;
    nnc_value v = bin(x, NNC_OP_rem, nnc_kix_value(x, a), nnc_kx_dim(x, d));
    int64_t hi = nnc_dim_hi(x->m->dims, d);
    return opaque_of(x, v, a, 0, hi > 0 ? hi - 1 : 0);
}

nnc_kix nnc_kix_clamp(nnc_kx *x, const nnc_kix *a, nnc_dim n)
{
    int64_t lo, hi, low = nnc_dim_lo(x->m->dims, n), top = nnc_dim_hi(x->m->dims, n);
    nnc_kix_range(x, a, &lo, &hi);
    if (lo >= 0 && hi < low)
        return *a;
    nnc_value v = nnc_kix_value(x, a);
    if (hi >= low)
        v = bin(x, NNC_OP_min, v, bin(x, NNC_OP_sub, nnc_kx_dim(x, n), con(x, 1)));
    if (lo < 0 || low < 1)
        v = bin(x, NNC_OP_max, v, con(x, 0));
    return opaque_of(x, v, a, 0, top > 0 ? top - 1 : 0);
}

nnc_value nnc_kix_inside(nnc_kx *x, const nnc_kix *a, nnc_dim n, bool *always)
{
    int64_t lo, hi;
    nnc_kix_range(x, a, &lo, &hi);
    bool low = lo >= 0, high = hi < nnc_dim_lo(x->m->dims, n);
    *always = low && high;
    if (*always)
        return (nnc_value){0};
    x->novec |= nnc_kix_dep(a); /* a condition differs from lane to lane */
    if (x->probe)
        return (nnc_value){0};
    nnc_value v = nnc_kix_value(x, a), ge = {0}, lt = {0};
    if (!low)
        ge = nnc_k_binary(&x->b, NNC_OP_le, con(x, 0), v);
    if (!high)
        lt = nnc_k_binary(&x->b, NNC_OP_lt, v, nnc_kx_dim(x, n));
    return low ? lt : high ? ge : nnc_k_binary(&x->b, NNC_OP_and, ge, lt);
}
