/* Which parameters of a kernel may share memory.
 *
 * Result O may lie on operand I of the same layout if no element is loaded from I after something was stored to it
 * through O.  For every store S to O and load L from I of the kernel as it was lowered (loops not unrolled yet):
 *
 *   index(S) and index(L) are sums over loop variables.  Of the loops around both, each has a value at S and a value at
 *   L.  In a dimension where both sums have the same coefficients for these loops, equal indices mean
 *       sum of c_i * (difference of loop i) = what the other loops and constants contribute, an interval W.
 *   From the largest coefficient down, a loop whose step is larger than all the rest can make up for must have the same
 *   value at S and L.  If nothing is left and 0 is not in W, S and L never meet.  If all common loops have the same
 *   values, S and L meet only within one iteration, and it is enough that L comes first in the text.
 *
 * That covers maps, residual adds in the epilogue of a contraction, and row passes (softmax, layer norm) that read a row
 * for the last time where they write it.  What is not linear, or not provable, does not share. */
#include <stdlib.h>
#include "passes/inplace.h"
#include "passes/linear.h"

enum {
    MAX_ACCESS = 64,
    MAX_LOOPS = 24,
    MAX_PARAMS = 64 /* emitters keep a bit per parameter that shares memory */
};
static const int64_t FAR = (int64_t)1
                           << 60; /* as good as infinite, and sums of a few do not overflow */

typedef struct access {
    nnc_op op;
    uint32_t at; /* position in the text */
    unsigned nloop;
    nnc_op loop[MAX_LOOPS]; /* around it, outermost first */
} access;

typedef struct accesses {
    NNC_BUF(access) list;
    bool all;
} accesses; /* all: nothing is missing from the list */

typedef struct finder {
    nnc_module *m;
    nnc_arena *a;
    nnc_block top;
    unsigned nparam;
    accesses *load, *store; /* per parameter */
    uint32_t position;
    unsigned nloop;
    nnc_op loop[MAX_LOOPS];
} finder;

/* ---- who loads and stores what ---- */

static int param_of(const finder *f, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(f->m, v);
    return r->kind == NNC_VALUE_arg && r->def == f->top.id ? r->index : -1;
}

static void note(finder *f, accesses *list, nnc_op op)
{
    access a = {.op = op, .at = f->position, .nloop = f->nloop};

    if (list->list.n == MAX_ACCESS || f->nloop > MAX_LOOPS) {
        list->all = false;
        return;
    }
    for (unsigned i = 0; i < f->nloop; i++)
        a.loop[i] = f->loop[i];
    NNC_PUSH(f->a, &list->list, a);
}

static void find(finder *f, nnc_block b)
{
    nnc_module *m = f->m;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_opcode code = nnc_op_code(m, op);
        bool loop = code == NNC_OP_for || code == NNC_OP_while;
        f->position++;
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
            int p = param_of(f, nnc_op_in(m, op, i));
            if (p < 0 || nnc_value_ty(m, nnc_op_in(m, op, i))->kind != NNC_TYPE_buffer ||
                code == NNC_OP_prefetch)
                continue;
            if (code == NNC_OP_load && i == 0 &&
                nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype ==
                    nnc_value_ty(m, nnc_op_in(m, op, 0))->dtype)
                note(f, &f->load[p], op);
            else if (code == NNC_OP_store && i == 1)
                note(f, &f->store[p], op);
            else
                f->load[p].all = f->store[p].all = false;
        }
        if (loop && f->nloop < MAX_LOOPS)
            f->loop[f->nloop] = op;
        f->nloop += loop;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            find(f, nnc_op_region(m, op, r));
        f->nloop -= loop;
    }
}

/* ---- one store against one load ---- */

typedef struct share {
    int64_t coef, span, step;
    bool used;
} share; /* of a common loop in one dimension */

typedef struct pair {
    const nnc_module *m;
    nnc_block top;
    const access *s, *l;
    unsigned ncommon;
    bool forced[MAX_LOOPS];
} pair;

static int common_loop(const pair *p, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(p->m, v);

    for (unsigned i = 0; r->kind == NNC_VALUE_arg && i < p->ncommon; i++)
        if (nnc_op_code(p->m, p->s->loop[i]) == NNC_OP_for &&
            nnc_op_region(p->m, p->s->loop[i], 0).id == r->def)
            return (int)i;
    return -1;
}

static int64_t clamp_far(__int128 v)
{
    return v > FAR ? FAR : v < -FAR ? -FAR : (int64_t)v;
}

/* Values of a loop variable: [lo, hi], and their distance. */
static void loop_range(const nnc_module *m, nnc_op loop, int64_t *lo, int64_t *hi, int64_t *step)
{
    int64_t end;

    *lo = -FAR;
    *hi = FAR;
    if (!nnc_value_idx(m, nnc_op_in(m, loop, 0), lo) ||
        !nnc_value_idx(m, nnc_op_in(m, loop, 2), step) || *step < 1)
        *step = 1; /* a moving start: values need not be multiples apart */
    if (*lo != -FAR && nnc_value_idx(m, nnc_op_in(m, loop, 1), &end) && end > *lo)
        *hi = *lo + (end - 1 - *lo) / *step * *step;
}

/* Does v have the same value at S and L: a parameter, or computed outside of all loops? */
static bool is_invariant(const pair *p, nnc_value v)
{
    nnc_op def = nnc_value_op(p->m, v);

    if (def.id)
        return nnc_op_get(p->m, def)->block.id == p->top.id;
    return nnc_value_get(p->m, v)->def == p->top.id;
}

/* A loop around only one of the two: its share of W; false: v is something else. */
static bool add_range(const pair *p, nnc_value v, int64_t c, int64_t *wlo, int64_t *whi)
{
    const nnc_value_rec *r = nnc_value_get(p->m, v);
    nnc_op loop =
        r->kind == NNC_VALUE_arg ? nnc_block_parent(p->m, (nnc_block){r->def}) : (nnc_op){0};
    int64_t lo, hi, step;

    if (!loop.id || nnc_op_code(p->m, loop) != NNC_OP_for)
        return false;
    loop_range(p->m, loop, &lo, &hi, &step);
    *wlo = clamp_far(*wlo + (c > 0 ? (__int128)c * lo : (__int128)c * hi));
    *whi = clamp_far(*whi + (c > 0 ? (__int128)c * hi : (__int128)c * lo));
    return true;
}

static int64_t magnitude(int64_t v)
{
    return v < 0 ? -v : v;
}

/* What equal indices in dimension d say.  *apart: they cannot be equal; otherwise loops may become forced. */
static void use_dimension(pair *p, unsigned d, bool *apart)
{
    nnc_linear s = {0}, l = {0};
    share part[MAX_LOOPS] = {{0}};
    int64_t wlo, whi, rest;
    unsigned left = 0;

    nnc_linear_add(p->m, &s, nnc_op_in(p->m, p->s->op, 2 + d), 1);
    nnc_linear_add(p->m, &l, nnc_op_in(p->m, p->l->op, 1 + d), 1);
    if (s.n + l.n >= NNC_LINEAR_TERMS)
        return;
    wlo = whi = clamp_far((__int128)l.k - s.k);
    for (unsigned i = 0; i < l.n; i++) /* l - s, term by term */
        nnc_linear_add(p->m, &s, l.term[i].v, 0);
    for (unsigned i = 0; i < s.n; i++) {
        int64_t cs = s.term[i].c, cl = 0;
        nnc_value v = s.term[i].v;
        int k = common_loop(p, v);
        for (unsigned j = 0; j < l.n; j++)
            cl += l.term[j].v.id == v.id ? l.term[j].c : 0;
        if (k >= 0 ? cs != cl : is_invariant(p, v) ? cs != cl : false)
            return;
        if (k >= 0) {
            int64_t lo, hi;
            loop_range(p->m, p->s->loop[k], &lo, &hi, &part[k].step);
            part[k].coef = magnitude(cs);
            part[k].span = clamp_far((__int128)hi - lo);
            part[k].used = cs != 0 && !p->forced[k];
            left += part[k].used;
        } else if (!is_invariant(p, v) && ((cl && !add_range(p, v, cl, &wlo, &whi)) ||
                                           (cs && !add_range(p, v, -cs, &wlo, &whi)))) {
            return;
        }
    }
    rest = magnitude(wlo) > magnitude(whi) ? magnitude(wlo) : magnitude(whi);
    while (left > 0) {
        unsigned top = MAX_LOOPS;
        __int128 below = rest;
        for (unsigned k = 0; k < p->ncommon; k++)
            if (part[k].used &&
                (top == MAX_LOOPS || part[k].coef * part[k].step > part[top].coef * part[top].step))
                top = k;
        for (unsigned k = 0; k < p->ncommon; k++)
            if (part[k].used && k != top)
                below += (__int128)part[k].coef * part[k].span;
        if ((__int128)part[top].coef * part[top].step <= below)
            return;
        p->forced[top] = true;
        part[top].used = false;
        left--;
    }
    *apart = wlo > 0 || whi < 0;
}

static bool never_too_late(const nnc_module *m, nnc_block top, const access *s, const access *l)
{
    pair p = {.m = m, .top = top, .s = s, .l = l};
    unsigned rank = nnc_op_nin(m, l->op) - 1;
    bool apart = false;

    while (p.ncommon < s->nloop && p.ncommon < l->nloop &&
           s->loop[p.ncommon].id == l->loop[p.ncommon].id)
        p.ncommon++;
    for (unsigned round = 0; round <= rank && !apart;
         round++) /* a loop forced by one dimension helps another */
        for (unsigned d = 0; d < rank && !apart; d++)
            use_dimension(&p, d, &apart);
    if (apart)
        return true;
    for (unsigned i = 0; i < p.ncommon; i++)
        if (!p.forced[i])
            return false;
    return l->at < s->at;
}

/* ---- parameters ---- */

static bool same_layout(const nnc_type_rec *a, const nnc_type_rec *b)
{
    if (a->rank != b->rank || a->lanes != b->lanes ||
        nnc_dtype_bytes((nnc_dtype)a->dtype) != nnc_dtype_bytes((nnc_dtype)b->dtype))
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i] || (a->stride[i] != b->stride[i] && a->dim[i] != 1))
            return false;
    return true;
}

static bool may_share(const finder *f, unsigned out, unsigned in)
{
    const accesses *store = &f->store[out], *load = &f->load[in];
    const nnc_type_rec *to = nnc_value_ty(f->m, nnc_block_arg(f->m, f->top, out));
    const nnc_type_rec *ti = nnc_value_ty(f->m, nnc_block_arg(f->m, f->top, in));

    if (out == in || ti->kind != NNC_TYPE_buffer || ti->space == NNC_SPACE_weight ||
        !same_layout(to, ti))
        return false;
    if (!store->all || !load->all || !f->store[in].all || !store->list.n || f->store[in].list.n ||
        !load->list.n)
        return false;
    for (unsigned i = 0; i < store->list.n; i++)
        for (unsigned j = 0; j < load->list.n; j++)
            if (!never_too_late(f->m, f->top, &store->list.at[i], &load->list.at[j]))
                return false;
    return true;
}

unsigned nnc_kernel_in_place(nnc_module *m, nnc_arena *a, nnc_op kernel)
{
    finder f = {.m = m, .a = a, .top = nnc_op_region(m, kernel, 0)};
    NNC_BUF(int64_t) pairs = {0};
    unsigned nold;
    const int64_t *old = nnc_attr_ints(m, kernel, NNC_W_inplace, &nold);

    f.nparam = nnc_block_narg(m, f.top);
    if (f.nparam > MAX_PARAMS)
        return 0;
    f.load = nnc_arena_array(a, f.nparam + 1u, sizeof *f.load);
    f.store = nnc_arena_array(a, f.nparam + 1u, sizeof *f.store);
    for (unsigned i = 0; i < f.nparam; i++)
        f.load[i].all = f.store[i].all = true;
    find(&f, f.top);
    for (unsigned i = 0; i < nold; i++)
        NNC_PUSH(a, &pairs, old[i]);
    for (unsigned out = 0; out < f.nparam; out++)
        for (unsigned in = 0; in < f.nparam && f.store[out].list.n; in++) {
            bool known = false;
            for (uint32_t k = 0; k + 1 < pairs.n; k += 2)
                known |= pairs.at[k] == out && pairs.at[k + 1] == in;
            if (known || !may_share(&f, out, in))
                continue;
            NNC_PUSH(a, &pairs, out);
            NNC_PUSH(a, &pairs, in);
        }
    if (pairs.n > nold)
        nnc_attr_set_ints(m, kernel, NNC_W_inplace, pairs.n, pairs.at);
    return (pairs.n - nold) / 2;
}
