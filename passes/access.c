/* Meeting accesses.  Let S and X be a store and another access of one buffer, index(S) and index(X) sums over loop
 * variables.  Of the loops around both, each has a value at S and a value at X.  In a dimension where both sums have the
 * same coefficients for these loops, equal indices mean
 *     sum of c_i * (difference of loop i) = what the other loops and constants contribute, an interval W.
 * From the largest coefficient down, a loop whose step is larger than all the rest can make up for must have the same
 * value at S and X: it is forced.  If nothing is left and 0 is not in W, S and X never meet. */
#include "passes/access.h"
#include <string.h>
#include "passes/linear.h"

static const int64_t FAR = (int64_t)1
                           << 60; /* as good as infinite, and sums of a few do not overflow */

/* ---- who loads and stores what ---- */

static int param_of(const nnc_access_list *f, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(f->m, v);
    return r->kind == NNC_VALUE_arg && r->def == f->top.id ? r->index : -1;
}

static void note(nnc_access_list *f, nnc_accesses *list, nnc_op op)
{
    nnc_access a = {.op = op, .at = f->position, .nloop = f->nloop};

    if (list->list.n == NNC_ACCESS_MAX || f->nloop > NNC_ACCESS_LOOPS) {
        list->all = false;
        return;
    }
    for (unsigned i = 0; i < f->nloop; i++)
        a.loop[i] = f->loop[i];
    NNC_PUSH(f->a, &list->list, a);
}

static void find(nnc_access_list *f, nnc_block b)
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
        if (loop && f->nloop < NNC_ACCESS_LOOPS)
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
    const nnc_access *s, *l;
    unsigned ncommon, first, rank; /* where the indices of `l` stand, and how many */
    bool forced[NNC_ACCESS_LOOPS];
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
    share part[NNC_ACCESS_LOOPS] = {{0}};
    int64_t wlo, whi, rest;
    unsigned left = 0;

    nnc_linear_add(p->m, &s, nnc_op_in(p->m, p->s->op, 2 + d), 1);
    nnc_linear_add(p->m, &l, nnc_op_in(p->m, p->l->op, p->first + d), 1);
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
        unsigned top = NNC_ACCESS_LOOPS;
        __int128 below = rest;
        for (unsigned k = 0; k < p->ncommon; k++)
            if (part[k].used && (top == NNC_ACCESS_LOOPS ||
                                 part[k].coef * part[k].step > part[top].coef * part[top].step))
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

unsigned nnc_access_meet(const nnc_access_list *f, const nnc_access *s, const nnc_access *x,
                         bool forced[NNC_ACCESS_LOOPS], bool *apart)
{
    pair p = {.m = f->m, .top = f->top, .s = s, .l = x};

    p.first = nnc_op_code(f->m, x->op) == NNC_OP_store ? 2 : 1;
    p.rank = nnc_op_nin(f->m, x->op) - p.first;
    *apart = false;
    while (p.ncommon < s->nloop && p.ncommon < x->nloop &&
           s->loop[p.ncommon].id == x->loop[p.ncommon].id)
        p.ncommon++;
    for (unsigned round = 0; round <= p.rank && !*apart;
         round++) /* a loop forced by one dimension helps another */
        for (unsigned d = 0; d < p.rank && !*apart; d++)
            use_dimension(&p, d, apart);
    memcpy(forced, p.forced, sizeof p.forced);
    return p.ncommon;
}

void nnc_access_find(nnc_access_list *f, nnc_module *m, nnc_arena *a, nnc_op kernel)
{
    *f = (nnc_access_list){.m = m, .a = a, .top = nnc_op_region(m, kernel, 0)};
    f->nparam = nnc_block_narg(m, f->top);
    f->load = nnc_arena_array(a, f->nparam + 1u, sizeof *f->load);
    f->store = nnc_arena_array(a, f->nparam + 1u, sizeof *f->store);
    for (unsigned i = 0; i < f->nparam; i++)
        f->load[i].all = f->store[i].all = true;
    find(f, f->top);
}
