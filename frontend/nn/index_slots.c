/* Slots of x[..]: evaluated, then turned into one place for every axis of a tensor.
 *
 * What is known while compiling becomes a place with dimensions (`int`, `block`), everything else one with run-time
 * scalars.  A range whose two ends differ by a known number is a `window` of that size even where the ends are only known
 * at run time (x[i..i + 3]): the difference is taken of the linear forms of both ends.  Other run-time ranges are `run`s, of
 * bounded size. */
#include "frontend/nn/expr.h"
#include "frontend/nn/index.h"
#include <string.h>

/* ---- scalars ---- */

nnc_value nn_i64(nn_trace *t, int64_t v)
{
    return nnc_g_int(&t->b, NNC_DT_i64, v);
}

nnc_value nn_scalar_i64(nn_trace *t, nnc_value v)
{
    return nnc_g_cast(&t->b, v, NNC_DT_i64);
}

nnc_value nn_int_op(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    int64_t x, y;
    bool cx = nnc_value_idx(t->m, a, &x), cy = nnc_value_idx(t->m, b, &y);
    if (cx && cy && code != NNC_OP_div && code != NNC_OP_rem)
        return nn_i64(t, code == NNC_OP_add   ? x + y
                         : code == NNC_OP_sub ? x - y
                         : code == NNC_OP_mul ? x * y
                         : code == NNC_OP_max ? (x > y ? x : y)
                                              : (x < y ? x : y));
    if (cy && y == 0 && (code == NNC_OP_add || code == NNC_OP_sub))
        return a;
    if (cx && x == 0 && code == NNC_OP_add)
        return b;
    if (cy && y == 1 && code == NNC_OP_mul)
        return a;
    return nnc_g_binary(&t->b, code, a, b);
}

/* ---- intervals ---- */

static int64_t clamp_add(int64_t a, int64_t b)
{
    int64_t r;
    if (a == INT64_MIN || b == INT64_MIN)
        return INT64_MIN;
    if (a == INT64_MAX || b == INT64_MAX)
        return INT64_MAX;
    return __builtin_add_overflow(a, b, &r) ? (b > 0 ? INT64_MAX : INT64_MIN) : r;
}

static int64_t negated(int64_t a)
{
    return a == INT64_MAX ? INT64_MIN : a == INT64_MIN ? INT64_MAX : -a;
}

static void interval(nn_trace *t, nnc_value v, unsigned depth, int64_t *lo, int64_t *hi);

static void interval_argument(nn_trace *t, nnc_value v, int64_t *lo, int64_t *hi)
{
    const nnc_value_rec *r = nnc_value_get(t->m, v);
    nnc_op parent = nnc_block_parent(t->m, (nnc_block){r->def});
    if (!parent.id || nnc_op_code(t->m, parent) != NNC_OP_scan || r->index != 0)
        return;
    const nnc_attr_rec *a = nnc_attr_find(t->m, parent, NNC_W_trips);
    *lo = 0;
    if (a && nnc_dim_hi(t->m->dims, a->u.i) != INT64_MAX)
        *hi = nnc_dim_hi(t->m->dims, a->u.i) - 1;
}

static void interval_product(int64_t a, int64_t b, int64_t *lo, int64_t *hi, int64_t c, int64_t d)
{
    int64_t r;
    if (a < 0 || c < 0)
        return;
    *lo = __builtin_mul_overflow(a, c, &r) ? 0 : r;
    *hi = b == INT64_MAX || d == INT64_MAX || __builtin_mul_overflow(b, d, &r) ? INT64_MAX : r;
}

static void interval_op(nn_trace *t, nnc_op op, unsigned depth, int64_t *lo, int64_t *hi)
{
    nnc_opcode code = nnc_op_code(t->m, op);
    int64_t al = INT64_MIN, ah = INT64_MAX, bl = INT64_MIN, bh = INT64_MAX;
    if (code == NNC_OP_extent) {
        const nnc_attr_rec *a = nnc_attr_find(t->m, op, NNC_W_dim);
        *lo = a ? nnc_dim_lo(t->m->dims, a->u.i) : 0;
        *hi = a ? nnc_dim_hi(t->m->dims, a->u.i) : INT64_MAX;
        return;
    }
    unsigned n = nnc_op_nin(t->m, op), first = code == NNC_OP_select;
    if (code == NNC_OP_argreduce) {
        const nnc_type_rec *x = nnc_value_ty(t->m, nnc_op_in(t->m, op, 0));
        int64_t most = nnc_dim_hi(t->m->dims, x->dim[nnc_attr_int(t->m, op, NNC_W_axis, 0)]);
        *lo = 0;
        *hi = most == INT64_MAX ? most : most - 1;
        return;
    }
    for (unsigned i = 0; i < n; i++)
        if (!nnc_dtype_is_int((nnc_dtype)nnc_value_ty(t->m, nnc_op_in(t->m, op, i))->dtype) &&
            !(first && i == 0))
            return;
    if (n > first)
        interval(t, nnc_op_in(t->m, op, first), depth, &al, &ah);
    if (n > first + 1)
        interval(t, nnc_op_in(t->m, op, first + 1), depth, &bl, &bh);
    switch (code) {
    case NNC_OP_cast: *lo = al, *hi = ah; break;
    case NNC_OP_add: *lo = clamp_add(al, bl), *hi = clamp_add(ah, bh); break;
    case NNC_OP_sub: *lo = clamp_add(al, negated(bh)), *hi = clamp_add(ah, negated(bl)); break;
    case NNC_OP_neg: *lo = negated(ah), *hi = negated(al); break;
    case NNC_OP_mul: interval_product(al, ah, lo, hi, bl, bh); break;
    case NNC_OP_min: *lo = al < bl ? al : bl, *hi = ah < bh ? ah : bh; break;
    case NNC_OP_max: *lo = al > bl ? al : bl, *hi = ah > bh ? ah : bh; break;
    case NNC_OP_select: *lo = al < bl ? al : bl, *hi = ah > bh ? ah : bh; break;
    case NNC_OP_rem:
        if (bl > 0 && !nnc_attr_int(t->m, op, NNC_W_fmod, 0))
            *lo = 0, *hi = bh == INT64_MAX ? bh : bh - 1;
        break;
    case NNC_OP_div:
        if (al >= 0 && bl > 0)
            *lo = bh == INT64_MAX ? 0 : al / bh, *hi = ah == INT64_MAX ? ah : ah / bl;
        break;
    default: break;
    }
}

static void interval(nn_trace *t, nnc_value v, unsigned depth, int64_t *lo, int64_t *hi)
{
    int64_t c;
    *lo = INT64_MIN;
    *hi = INT64_MAX;
    if (nnc_value_idx(t->m, v, &c)) {
        *lo = *hi = c;
        return;
    }
    if (depth == 0 || nnc_value_ty(t->m, v)->rank != 0)
        return;
    nnc_op op = nnc_value_op(t->m, v);
    if (op.id)
        interval_op(t, op, depth - 1, lo, hi);
    else if (nnc_value_get(t->m, v)->kind == NNC_VALUE_arg)
        interval_argument(t, v, lo, hi);
}

void nn_interval(nn_trace *t, nnc_value v, int64_t *lo, int64_t *hi)
{
    interval(t, v, 12, lo, hi);
}

/* ---- linear forms ---- */

enum { MAX_TERM = 8 };
struct linear { /* rest + sum of coef * value */
    unsigned n;
    nnc_value value[MAX_TERM];
    int64_t coef[MAX_TERM];
    nnc_dim rest;
    bool overflow;
};

static void add_term(nn_trace *t, struct linear *f, nnc_value v, int64_t coef)
{
    for (unsigned i = 0; i < f->n; i++)
        if (nn_same_value(t, f->value[i], v)) {
            f->coef[i] += coef;
            return;
        }
    if (f->n == MAX_TERM) {
        f->overflow = true;
        return;
    }
    f->value[f->n] = v;
    f->coef[f->n++] = coef;
}

static void add_linear(nn_trace *t, struct linear *f, nnc_value v, int64_t coef, unsigned depth)
{
    int64_t c;
    nnc_dims *d = t->m->dims;
    nnc_op op = nnc_value_op(t->m, v);
    if (nnc_value_idx(t->m, v, &c)) {
        f->rest = nnc_dim_add(d, f->rest, nnc_dim_const(d, c * coef));
        return;
    }
    nnc_opcode code = op.id ? nnc_op_code(t->m, op) : NNC_OP_none;
    if (depth && code == NNC_OP_extent) {
        nnc_dim x = nnc_attr_find(t->m, op, NNC_W_dim)->u.i;
        f->rest = nnc_dim_add(d, f->rest, nnc_dim_mul(d, x, nnc_dim_const(d, coef)));
    } else if (depth && (code == NNC_OP_add || code == NNC_OP_sub)) {
        add_linear(t, f, nnc_op_in(t->m, op, 0), coef, depth - 1);
        add_linear(t, f, nnc_op_in(t->m, op, 1), code == NNC_OP_sub ? -coef : coef, depth - 1);
    } else if (depth && code == NNC_OP_neg) {
        add_linear(t, f, nnc_op_in(t->m, op, 0), -coef, depth - 1);
    } else if (depth && code == NNC_OP_mul && nnc_value_idx(t->m, nnc_op_in(t->m, op, 1), &c)) {
        add_linear(t, f, nnc_op_in(t->m, op, 0), coef * c, depth - 1);
    } else if (depth && code == NNC_OP_mul && nnc_value_idx(t->m, nnc_op_in(t->m, op, 0), &c)) {
        add_linear(t, f, nnc_op_in(t->m, op, 1), coef * c, depth - 1);
    } else if (depth && code == NNC_OP_cast &&
               nnc_dtype_is_int((nnc_dtype)nnc_value_ty(t->m, nnc_op_in(t->m, op, 0))->dtype)) {
        add_linear(t, f, nnc_op_in(t->m, op, 0), coef, depth - 1);
    } else {
        add_term(t, f, v, coef);
    }
}

bool nn_known_difference(nn_trace *t, nnc_value a, nnc_value b, nnc_dim *out)
{
    struct linear f = {.rest = 0};
    add_linear(t, &f, b, 1, 10);
    add_linear(t, &f, a, -1, 10);
    for (unsigned i = 0; i < f.n; i++)
        if (f.coef[i])
            return false;
    *out = f.rest;
    return !f.overflow;
}

/* ---- reading slots ---- */

static void read_slot(nn_trace *t, const nn_ast *s, nn_item *out)
{
    *out = (nn_item){.at = s};
    switch ((nn_kind)s->kind) {
    case NN_all: out->kind = NN_S_all; break;
    case NN_hole: out->kind = NN_S_new; break;
    case NN_rest: out->kind = NN_S_rest; break;
    case NN_from:
    case NN_to:
    case NN_spread:
        out->kind = s->kind == NN_from ? NN_S_from : NN_S_to;
        out->v = nn_expr(t, nn_kid(s, 0));
        if (s->nkid > 1 && !nn_is(nn_kid(s, 1), NN_absent))
            out->step = nn_expr(t, nn_kid(s, 1));
        break;
    case NN_named:
        out->kind = NN_S_label;
        out->name = s->name;
        out->v = nn_expr(t, nn_kid(s, 0));
        break;
    default: out->kind = NN_S_item; out->v = nn_expr(t, s);
    }
    if (out->v && out->v->kind == NN_V_poison)
        nn_fail_silently(t);
    if (out->v && out->v->kind == NN_V_list && out->v->numeric)
        out->v = nn_as_tensor(t, out->v, s);
}

void nn_slots_read(nn_trace *t, const nn_ast *at_node, nn_items *out)
{
    out->n = 0;
    out->node = at_node;
    if (at_node->nkid - 1 > NN_MAX_SLOT)
        nn_fail(t, at_node->loc, "%u items in an index, at most %d are possible", at_node->nkid - 1,
                NN_MAX_SLOT);
    for (uint32_t i = 1; i < at_node->nkid; i++)
        read_slot(t, nn_kid(at_node, i), &out->at[out->n++]);
}

/* ---- resolving ---- */

struct resolve {
    nn_trace *t;
    nn_v base;
    nn_shape shape;
    nn_places *out;
};

/* A scalar that is a dimension or known: as a dimension. */
static bool fixed_dim(nn_trace *t, nn_v v, const nn_ast *at, nnc_dim *d)
{
    if (v->has_dim) {
        *d = v->dim;
        return true;
    }
    if (!nn_known(t, v))
        return false;
    *d = nnc_dim_const(t->m->dims, nn_ask_int(t, v, at, "an index"));
    return true;
}

static nn_v index_scalar(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    v = nn_as_tensor(t, v, at);
    nnc_dtype dt = nn_dtype(t, v);
    if (nn_rank(t, v) != 0 || v->is_key || !nnc_dtype_is_int(dt))
        nn_fail(t, at->loc, "%s is %s, expected an integer", what, nn_type_text(t, v));
    return v;
}

/* Runs under `nnc run` and `nnc test` check an index where it is computed once: 0 <= i and i + span <= n, everywhere. */
static void check_bounds(nn_trace *t, nnc_value i, nnc_dim span, nnc_dim n, const nn_ast *at)
{
    nnc_op parent = nnc_block_parent(t->m, t->b.pos.block);
    nnc_dims *d = t->m->dims;
    int64_t lo, hi;
    int rank = nnc_value_ty(t->m, i)->rank;
    if (!t->program || !parent.id || nnc_op_code(t->m, parent) != NNC_OP_graph)
        return;
    nn_interval(t, i, &lo, &hi);
    if (lo >= 0 && hi != INT64_MAX && hi <= nnc_dim_lo(d, nnc_dim_sub(d, n, span)))
        return;
    nnc_value x = nn_scalar_i64(t, i), last = nnc_g_extent(&t->b, nnc_dim_sub(d, n, span));
    nnc_value ok = nnc_g_binary(&t->b, NNC_OP_and, nnc_g_binary(&t->b, NNC_OP_le, nn_i64(t, 0), x),
                                nnc_g_binary(&t->b, NNC_OP_le, x, last));
    int64_t axes[NNC_MAX_RANK];
    for (int k = 0; k < rank; k++)
        axes[k] = k;
    if (rank)
        ok = nnc_g_reduce(&t->b, NNC_W_and, ok, (unsigned)rank, axes, false);
    nn_assert_value(t, nn_tensor(t, ok),
                    nnc_arena_printf(t->arena, "an index is out of range for an axis of size %s",
                                     nnc_dim_text(d, n)),
                    at);
}

static void place_int(struct resolve *r, nn_place *p, nn_v v)
{
    nn_trace *t = r->t;
    nnc_dims *d = t->m->dims;
    nnc_dim n = r->shape.dim[p->axis], i;
    int64_t c;
    if (!fixed_dim(t, v, p->at, &i)) {
        p->kind = NN_P_pick;
        p->index = v->ssa;
        check_bounds(t, v->ssa, 1, n, p->at);
        return;
    }
    if (nnc_dim_value(d, i, &c) && c < 0)
        i = nnc_dim_add(d, n, i);
    if (nnc_dim_lo(d, nnc_dim_sub(d, n, i)) < 1 && nnc_dim_hi(d, nnc_dim_sub(d, n, i)) < 1)
        nn_fail(t, p->at->loc, "index %s is out of range for an axis of size %s",
                nnc_dim_text(d, nnc_dim_value(d, i, &c) ? nnc_dim_const(d, c) : i),
                nnc_dim_text(d, n));
    if (nnc_dim_hi(d, i) < 0)
        nn_fail(t, p->at->loc, "index %s is out of range for an axis of size %s",
                nnc_dim_text(d, nnc_dim_sub(d, i, n)), nnc_dim_text(d, n));
    if (nnc_dim_lo(d, i) >= 0 && nnc_dim_lo(d, nnc_dim_sub(d, n, i)) >= 1) {
        p->kind = NN_P_int;
        p->start = i;
        return;
    }
    p->kind = NN_P_pick; /* may lie outside of a bounded axis: clamped */
    p->index = nn_dim_value(t, i)->ssa;
    check_bounds(t, p->index, 1, n, p->at);
}

/* min(x, n), without an expression where it is plain. */
static nnc_dim cut_to(nnc_dims *d, nnc_dim x, nnc_dim n)
{
    nnc_dim gap = nnc_dim_sub(d, n, x);
    return nnc_dim_lo(d, gap) >= 0 ? x : nnc_dim_hi(d, gap) <= 0 ? n : nnc_dim_min(d, x, n);
}

static nnc_dim at_least_zero(nnc_dims *d, nnc_dim x)
{
    return nnc_dim_lo(d, x) >= 0 ? x : nnc_dim_hi(d, x) <= 0 ? 0 : nnc_dim_max(d, x, 0);
}

static void block_down(struct resolve *r, nn_place *p, nnc_dim a, nnc_dim b)
{
    nnc_dims *d = r->t->m->dims;
    nnc_dim n = r->shape.dim[p->axis];
    if (nnc_dim_hi(d, nnc_dim_sub(d, n, a)) < 1 || nnc_dim_hi(d, a) < 0 || nnc_dim_hi(d, b) < -1)
        nn_fail(r->t, p->at->loc, "the range from %s down to %s leaves the axis of size %s",
                nnc_dim_text(d, a), nnc_dim_text(d, b), nnc_dim_text(d, n));
    p->kind = NN_P_block;
    p->start = a;
    p->size = at_least_zero(d, nnc_dim_ceildiv(d, nnc_dim_sub(d, a, b), -p->step));
}

/* Rows that a mask left: as many as there are, known now or not, so a longer range is cut. */
static bool was_masked(const nn_trace *t, nn_v x)
{
    for (uint32_t i = 0; i < t->masked.n; i++)
        if (t->masked.at[i] == x->ssa.id)
            return true;
    return false;
}

static void place_block(struct resolve *r, nn_place *p, nnc_dim a, nnc_dim b)
{
    nn_trace *t = r->t;
    nnc_dims *d = t->m->dims;
    nnc_dim n = r->shape.dim[p->axis];
    int64_t x, y;
    bool number = nnc_dim_value(d, a, &x), fixed = number && nnc_dim_value(d, b, &y);
    if (p->step < 0) {
        block_down(r, p, a, b);
        return;
    }
    bool exact = nnc_dim_is_const(n) && !(p->axis == 0 && was_masked(t, r->base));
    if (exact && ((number && (x < 0 || x > n)) || (fixed && y > n)))
        nn_fail(t, p->at->loc, "the range %s..%s leaves the axis of size %s", nnc_dim_text(d, a),
                nnc_dim_text(d, b), nnc_dim_text(d, n));
    if (fixed && y < 0)
        nn_fail(t, p->at->loc, "the range ends at %lld, before the axis of size %s begins",
                (long long)y, nnc_dim_text(d, n));
    b = cut_to(d, b, n);
    a = at_least_zero(d, cut_to(d, a, n));
    p->kind = NN_P_block;
    p->start = a;
    p->size = nnc_dim_ceildiv(d, at_least_zero(d, nnc_dim_sub(d, b, a)), p->step);
}

static nnc_value clamp_to(nn_trace *t, nnc_value v, nnc_value lo, nnc_value hi)
{
    return nn_int_op(t, NNC_OP_min, nn_int_op(t, NNC_OP_max, v, lo), hi);
}

static void place_run(struct resolve *r, nn_place *p, nnc_value a, nnc_value b)
{
    nn_trace *t = r->t;
    nnc_dims *d = t->m->dims;
    nnc_dim n = r->shape.dim[p->axis], gap;
    nnc_value zero = nn_i64(t, 0), size = nnc_g_extent(&t->b, n);
    int64_t lo, hi;
    if (p->step < 0)
        nn_fail(
            t, p->at->loc,
            "a range that goes down needs ends known at compile time; reverse the block instead");
    if (nn_known_difference(t, a, b, &gap) && nnc_dim_lo(d, gap) >= 0) {
        if (nnc_dim_lo(d, nnc_dim_sub(d, n, gap)) < 0 && nnc_dim_hi(d, nnc_dim_sub(d, n, gap)) < 0)
            nn_fail(t, p->at->loc, "a range of %s elements does not fit the axis of size %s",
                    nnc_dim_text(d, gap), nnc_dim_text(d, n));
        p->kind = NN_P_window;
        p->index = a;
        p->size = nnc_dim_ceildiv(d, cut_to(d, gap, n), p->step);
        check_bounds(t, a, gap, n, p->at);
        return;
    }
    p->kind = NN_P_run;
    p->index = clamp_to(t, nn_scalar_i64(t, a), zero, size);
    b = clamp_to(t, nn_scalar_i64(t, b), p->index, size);
    p->count = nn_int_op(t, NNC_OP_sub, b, p->index);
    if (p->step > 1)
        p->count = nnc_g_binary(&t->b, NNC_OP_div,
                                nn_int_op(t, NNC_OP_add, p->count, nn_i64(t, p->step - 1)),
                                nn_i64(t, p->step));
    nn_interval(t, p->count, &lo, &hi);
    p->size = nnc_dim_ceildiv(d, n, p->step);
    if (hi >= 0 && hi != INT64_MAX)
        p->size = cut_to(d, hi, p->size);
}

/* One end of a range; `none` is the axis' own end.  Negative constants count from the end. */
struct end {
    bool fixed;
    nnc_dim dim;
    nnc_value v;
};
static struct end range_end(struct resolve *r, nn_place *p, nn_v v, bool from_end)
{
    nn_trace *t = r->t;
    nnc_dims *d = t->m->dims;
    struct end e = {0};
    int64_t c;
    v = index_scalar(t, v, p->at, "the end of a range");
    e.v = v->ssa;
    e.fixed = fixed_dim(t, v, p->at, &e.dim);
    if (e.fixed && from_end && nnc_dim_value(d, e.dim, &c) && c < 0) {
        e.dim = nnc_dim_add(d, r->shape.dim[p->axis], e.dim);
        e.v = nn_dim_value(t, e.dim)->ssa;
    }
    return e;
}

/* lo, hi: NULL: from the beginning, to the end. */
static void place_range(struct resolve *r, nn_place *p, nn_v lo, nn_v hi, nn_v step)
{
    nn_trace *t = r->t;
    nnc_dims *d = t->m->dims;
    nnc_dim n = r->shape.dim[p->axis];
    p->step = step ? nn_ask_int(t, step, p->at, "the step of a range") : 1;
    if (p->step == 0)
        nn_fail(t, p->at->loc, "the step of a range is 0");
    bool down = p->step < 0;
    struct end a = {true, down ? nnc_dim_sub(d, n, 1) : 0, {0}};
    struct end b = {true, down ? nnc_dim_const(d, -1) : n, {0}};
    if (lo)
        a = range_end(r, p, lo, true);
    if (hi)
        b = range_end(r, p, hi, !down);
    if (a.fixed && b.fixed) {
        place_block(r, p, a.dim, b.dim);
        return;
    }
    if (!a.v.id)
        a.v = nn_dim_value(t, a.dim)->ssa;
    if (!b.v.id)
        b.v = nn_dim_value(t, b.dim)->ssa;
    place_run(r, p, a.v, b.v);
}

/* Constants of a list of places: negative ones count from the end, and all must be in range. */
static nnc_value fixed_list(struct resolve *r, nn_place *p, nn_v v)
{
    nn_trace *t = r->t;
    nnc_tensor x;
    nnc_dim n = r->shape.dim[p->axis];
    if (!nnc_tensor_of(t->m, v->ssa, &x) || x.dtype != NNC_DT_i64 || !nnc_dim_is_const(n))
        return v->ssa;
    int64_t count = nnc_tensor_count(&x);
    int64_t *copy = nnc_arena_array(t->arena, (size_t)count + 1, sizeof *copy);
    bool changed = false;
    memcpy(copy, x.data, (size_t)count * sizeof *copy);
    for (int64_t i = 0; i < count; i++) {
        if (copy[i] < -n || copy[i] >= n)
            nn_fail(t, p->at->loc, "index %lld is out of range for an axis of size %lld",
                    (long long)copy[i], (long long)n);
        changed |= copy[i] < 0;
        copy[i] += copy[i] < 0 ? n : 0;
    }
    if (!changed)
        return v->ssa;
    return nnc_g_const_data(&t->b, NNC_DT_i64, x.rank, nn_ty(t, v)->dim, copy);
}

static void place_item(struct resolve *r, nn_place *p, nn_v v)
{
    nn_trace *t = r->t;
    if (v->kind == NN_V_range) {
        place_range(r, p, v->item[0], v->item[1], v->n > 2 ? v->item[2] : NULL);
        return;
    }
    if (v->kind == NN_V_text)
        nn_fail(t, p->at->loc, "a string is no index of %s", nn_type_text(t, r->base));
    v = nn_as_tensor(t, v, p->at);
    if (v->is_key || !nnc_dtype_is_int(nn_dtype(t, v))) {
        if (nn_dtype(t, v) == NNC_DT_bool && nn_rank(t, v) > 0)
            nn_fail(t, p->at->loc, "a bool mask must be the first item of an index");
        nn_fail(t, p->at->loc, "an index is %s, expected integers, a range or a bool mask",
                nn_type_text(t, v));
    }
    if (nn_rank(t, v) == 0) {
        place_int(r, p, v);
        return;
    }
    nnc_tensor fixed;
    p->kind = NN_P_list;
    p->index = fixed_list(r, p, v);
    if (!nnc_tensor_of(t->m, p->index, &fixed))
        check_bounds(t, p->index, 1, r->shape.dim[p->axis], p->at);
}

/* A range is a block and a tensor is a list of places. */
static void refuse_block_of_lists(nn_trace *t, const nn_places *out)
{
    const nn_place *block = NULL, *list = NULL;
    for (unsigned i = 0; i < out->n; i++) {
        const nn_place *p = &out->at[i];
        if (p->kind == NN_P_block || p->kind == NN_P_window || p->kind == NN_P_run)
            block = p;
        if (p->kind == NN_P_list)
            list = p;
    }
    if (!block || !list)
        return;
    nn_error(t, list->at->loc,
             "a range and a tensor of integers in one index: the block, or pairs of places?");
    nnc_note(t->diag, block->at->loc,
             "the range stands here; write x[a..b][:, j] for the block, for (row, i) in (x, j) { "
             "row[i] } for the pairs");
    nn_fail_silently(t);
}

static unsigned consumed_by(nn_trace *t, const nn_item *s, bool first)
{
    if (s->kind == NN_S_new || s->kind == NN_S_rest)
        return 0;
    if (first && s->kind == NN_S_item && s->v->kind == NN_V_tensor && !s->v->is_key &&
        nn_dtype(t, s->v) == NNC_DT_bool && nn_rank(t, s->v) > 0)
        return (unsigned)nn_rank(t, s->v);
    return 1;
}

static bool is_mask(nn_trace *t, const nn_item *s)
{
    return s->kind == NN_S_item && s->v->kind == NN_V_tensor && !s->v->is_key &&
           nn_dtype(t, s->v) == NNC_DT_bool && nn_rank(t, s->v) > 0;
}

static void add_whole(struct resolve *r, int *axis, int count, const nn_ast *at)
{
    for (; count > 0; count--, ++*axis)
        r->out->at[r->out->n++] =
            (nn_place){.kind = NN_P_all, .axis = *axis, .at = at, .size = r->shape.dim[*axis]};
}

static void check_mask(struct resolve *r, nn_v mask, const nn_ast *at)
{
    nn_trace *t = r->t;
    nn_shape s = nn_shape_of(t, mask);
    for (int i = 0; i < s.rank; i++)
        if (s.dim[i] != r->shape.dim[i])
            nn_fail(t, at->loc, "a mask of shape %s does not cover the leading axes of %s",
                    nn_shape_text(t, &s), nn_type_text(t, r->base));
}

void nn_places_resolve(nn_trace *t, nn_v base, const nn_items *items, nn_places *out)
{
    struct resolve r = {t, base, nn_shape_of(t, base), out};
    unsigned used = 0, rests = 0;
    int axis = 0;
    out->n = out->mask_rank = 0;
    for (unsigned i = 0; i < items->n; i++) {
        used += consumed_by(t, &items->at[i], i == 0);
        rests += items->at[i].kind == NN_S_rest;
    }
    if (rests > 1)
        nn_fail(t, items->node->loc, "'..' twice in one index");
    if (used > (unsigned)r.shape.rank)
        nn_fail(t, items->node->loc, "%u item%s %s, which has %s%d ax%s", used,
                used == 1 ? " indexes" : "s index", nn_type_text(t, base),
                r.shape.rank ? "only " : "", r.shape.rank, r.shape.rank == 1 ? "is" : "es");
    for (unsigned i = 0; i < items->n; i++) {
        const nn_item *s = &items->at[i];
        if (out->n + (unsigned)(r.shape.rank - axis) >= NN_MAX_SLOT)
            nn_fail(t, s->at->loc, "an index makes more than %d axes", NNC_MAX_RANK);
        if (i == 0 && is_mask(t, s)) {
            out->mask = s->v;
            out->mask_at = s->at;
            out->mask_rank = consumed_by(t, s, true);
            check_mask(&r, s->v, s->at);
            add_whole(&r, &axis, (int)out->mask_rank, s->at);
            continue;
        }
        if (s->kind == NN_S_rest) {
            add_whole(&r, &axis, r.shape.rank - (int)used, s->at);
            continue;
        }
        nn_place p = {.kind = NN_P_all, .axis = axis, .at = s->at, .step = 1};
        if (s->kind == NN_S_new) {
            p.kind = NN_P_new;
            p.axis = -1;
            p.size = 1;
            out->at[out->n++] = p;
            continue;
        }
        p.size = r.shape.dim[axis];
        if (s->kind == NN_S_from)
            place_range(&r, &p, s->v, NULL, s->step);
        else if (s->kind == NN_S_to)
            place_range(&r, &p, NULL, s->v, s->step);
        else if (s->kind == NN_S_item)
            place_item(&r, &p, s->v);
        out->at[out->n++] = p;
        axis++;
    }
    add_whole(&r, &axis, r.shape.rank - axis, items->node);
    refuse_block_of_lists(t, out);
}
