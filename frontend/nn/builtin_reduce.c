/* Reductions, of tensors over axes and of trees over all leaves; softmax, running sums. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <math.h>
#include <string.h>

typedef struct reducing {
    const nn_bcall *c;
    const char *name;
    bool keep, whole;
} reducing;

static bool is(const char *a, const char *b)
{
    return !strcmp(a, b);
}

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

/* Labels of the axes that stay. */
static nn_v reduced(nn_trace *t, nn_v x, nn_v like, nnc_value y, unsigned n, const int64_t *axes,
                    bool keep)
{
    bool gone[NNC_MAX_RANK] = {false};
    for (unsigned i = 0; i < n; i++)
        gone[axes[i]] = true;
    return nn_labels_without(t, nn_like(t, like, y), x, keep ? NULL : gone, keep ? gone : NULL);
}

static nnc_value reduce(nn_trace *t, nnc_word kind, nnc_value x, unsigned n, const int64_t *axes,
                        bool keep)
{
    return n ? nnc_g_reduce(&t->b, kind, x, n, axes, keep) : x;
}

/* How many elements are reduced, in the dtype of x. */
static nnc_value count_of(nn_trace *t, nn_v x, unsigned n, const int64_t *axes)
{
    nnc_dim size = 1;
    int64_t v;
    nnc_dtype dt = nn_dtype(t, x);
    for (unsigned i = 0; i < n; i++)
        size = nnc_dim_mul(t->m->dims, size, nn_axis_size(t, x, (int)axes[i]));
    if (nnc_dim_value(t->m->dims, size, &v))
        return nnc_g_float(&t->b, dt, (double)v);
    return nnc_g_cast(&t->b, nnc_g_extent(&t->b, size), dt);
}

static nn_v counted(nn_trace *t, nn_v x) /* bools count in i32 */
{
    return nn_dtype(t, x) == NNC_DT_bool ? nn_convert(t, x, NNC_DT_i32) : x;
}

static nn_v mean_of(nn_trace *t, nn_v x, unsigned n, const int64_t *axes, bool keep)
{
    x = nn_to_float(t, x);
    nnc_value s = reduce(t, NNC_W_sum, x->ssa, n, axes, keep);
    return reduced(t, x, x, op2(t, NNC_OP_div, s, count_of(t, x, n, axes)), n, axes, keep);
}

static nn_v sum_of_squares(nn_trace *t, nn_v x, unsigned n, const int64_t *axes, bool keep)
{
    x = nn_to_float(t, x);
    nnc_value s = reduce(t, NNC_W_sum, op2(t, NNC_OP_mul, x->ssa, x->ssa), n, axes, keep);
    return reduced(t, x, x, s, n, axes, keep);
}

static nn_v variance_of(nn_trace *t, nn_v x, unsigned n, const int64_t *axes, bool keep)
{
    x = nn_to_float(t, x);
    nn_v mu = mean_of(t, x, n, axes, true);
    nn_v d = nn_like(t, x, op2(t, NNC_OP_sub, x->ssa, mu->ssa));
    nn_v y = mean_of(t, nn_like(t, x, op2(t, NNC_OP_mul, d->ssa, d->ssa)), n, axes, keep);
    return reduced(t, x, y, y->ssa, n, axes, keep);
}

/* The reduced axes come last and are joined: [kept.., n]. */
static nn_v rows_to_reduce(nn_trace *t, nn_v x, unsigned n, const int64_t *axes)
{
    int rank = nn_rank(t, x), k = 0;
    int64_t perm[NNC_MAX_RANK];
    bool on[NNC_MAX_RANK] = {false};
    for (unsigned i = 0; i < n; i++)
        on[axes[i]] = true;
    for (int i = 0; i < rank; i++)
        if (!on[i])
            perm[k++] = i;
    nn_shape s = {.rank = k + 1};
    s.dim[k] = 1;
    for (int i = 0; i < k; i++)
        s.dim[i] = nn_axis_size(t, x, (int)perm[i]);
    for (unsigned i = 0; i < n; i++) {
        perm[k + (int)i] = axes[i];
        s.dim[k] = nnc_dim_mul(t->m->dims, s.dim[k], nn_axis_size(t, x, (int)axes[i]));
    }
    return nn_reshape_to(t, nn_permute(t, x, perm), &s);
}

static nn_v median_of(nn_trace *t, nn_v x, unsigned n, const int64_t *axes, bool keep)
{
    nn_v rows = rows_to_reduce(t, nn_to_float(t, x), n, axes);
    int axis = nn_rank(t, rows) - 1;
    nnc_dims *d = t->m->dims;
    nnc_dim size = nn_axis_size(t, rows, axis);
    nnc_value sorted;
    if (nnc_dim_hi(d, size) == 0)
        nn_fail(t, t->b.loc, "the median of nothing");
    nnc_g_sort(&t->b, 1, &rows->ssa, axis, false, &sorted);
    nnc_value lo = nnc_g_extent(&t->b, nnc_dim_floordiv(d, nnc_dim_sub(d, size, 1), 2));
    nnc_value hi = nnc_g_extent(&t->b, nnc_dim_floordiv(d, size, 2));
    lo = nnc_g_gather(&t->b, sorted, lo, axis, 0);
    hi = nnc_g_gather(&t->b, sorted, hi, axis, 0);
    nnc_value half = nnc_g_float(&t->b, nn_dtype(t, rows), 0.5);
    nn_v y = nn_like(t, rows, op2(t, NNC_OP_mul, op2(t, NNC_OP_add, lo, hi), half));
    nn_shape s = nn_shape_of(t, x);
    for (unsigned i = 0; i < n; i++)
        s.dim[axes[i]] = 1;
    if (keep)
        y = nn_reshape_to(t, y, &s);
    return reduced(t, x, y, y->ssa, n, axes, keep);
}

static nn_v extreme_of_axes(nn_trace *t, nn_v x, bool max, unsigned n, const int64_t *axes,
                            bool keep)
{
    bool logic = nn_dtype(t, x) == NNC_DT_bool;
    nnc_word kind = logic ? (max ? NNC_W_or : NNC_W_and) : max ? NNC_W_max : NNC_W_min;
    return reduced(t, x, x, reduce(t, kind, x->ssa, n, axes, keep), n, axes, keep);
}

static nn_v reduce_tensor(nn_trace *t, nn_v x, const reducing *r, unsigned n, const int64_t *axes)
{
    const char *k = r->name;
    const nn_ast *at = nn_arg_at(t, r->c, "x");
    if (x->is_key)
        nn_fail(t, at->loc, "%s of a key; draw numbers from it first", k);
    if (is(k, "all") || is(k, "any") || is(k, "count"))
        nn_need_bool(t, x, at, nnc_arena_printf(t->arena, "the operand of %s", k));
    if (is(k, "mean"))
        return mean_of(t, x, n, axes, r->keep);
    if (is(k, "variance") || is(k, "std") || is(k, "norm")) {
        nn_v y = is(k, "norm") ? sum_of_squares(t, x, n, axes, r->keep)
                               : variance_of(t, x, n, axes, r->keep);
        if (is(k, "variance"))
            return y;
        return reduced(t, x, y, nnc_g_unary(&t->b, NNC_OP_sqrt, y->ssa), n, axes, r->keep);
    }
    if (is(k, "median"))
        return median_of(t, x, n, axes, r->keep);
    if (is(k, "max") || is(k, "min"))
        return extreme_of_axes(t, x, is(k, "max"), n, axes, r->keep);
    nnc_word kind = is(k, "all")    ? NNC_W_and
                    : is(k, "any")  ? NNC_W_or
                    : is(k, "prod") ? NNC_W_prod
                                    : NNC_W_sum;
    nn_v y = kind == NNC_W_sum || kind == NNC_W_prod ? counted(t, x) : x;
    return reduced(t, x, y, reduce(t, kind, y->ssa, n, axes, r->keep), n, axes, r->keep);
}

static nn_v reduce_leaf(nn_trace *t, nn_v x, void *user)
{
    const reducing *r = user;
    int64_t axes[NNC_MAX_RANK];
    if (!r->whole) {
        unsigned n = nn_arg_axes(t, r->c, x, axes);
        return reduce_tensor(t, x, r, n, axes);
    }
    for (int i = 0; i < nn_rank(t, x); i++)
        axes[i] = i;
    return reduce_tensor(t, x, r, (unsigned)nn_rank(t, x), axes);
}

/* The dimensions of a list are multiplied as dimensions: prod(dims[1..]). */
static nn_v product_of_dims(nn_trace *t, nn_v list)
{
    nnc_dim d = 1;
    for (uint32_t i = 0; i < list->n; i++) {
        if (list->item[i]->kind != NN_V_tensor || !list->item[i]->has_dim)
            return NULL;
        d = nnc_dim_mul(t->m->dims, d, list->item[i]->dim);
    }
    return nn_dim_value(t, d);
}

/* One number of all leaves: the leaves' numbers, reduced again. */
static nn_v reduce_tree(nn_trace *t, nn_v tree, reducing *r)
{
    static const char *const over_leaves[] = {"sum", "norm", "max",   "min", "all",
                                              "any", "prod", "count", NULL};
    nn_leaves leaf = {0};
    bool known = false;
    for (unsigned i = 0; over_leaves[i]; i++)
        known |= is(r->name, over_leaves[i]);
    if (!known)
        nn_fail_hint(t, nn_arg_at(t, r->c, "x")->loc,
                     "give an axis to reduce leaf by leaf, or flatten(x) first",
                     "%s of %s: leaves of different sizes have no common %s", r->name,
                     nn_type_text(t, tree), r->name);
    nn_collect(t, tree, &leaf);
    if (!leaf.n)
        nn_fail(t, nn_arg_at(t, r->c, "x")->loc, "%s of %s, which holds no tensors", r->name,
                nn_type_text(t, tree));
    bool norm = is(r->name, "norm");
    nn_v all = NULL;
    for (uint32_t i = 0; i < leaf.n; i++) {
        int64_t axes[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
        nn_v x = leaf.at[i], y;
        if (x->is_key || (norm && !nnc_dtype_is_float(nn_dtype(t, x)) && leaf.n > 1))
            nn_fail(t, nn_arg_at(t, r->c, "x")->loc, "%s of %s, which holds %s", r->name,
                    nn_type_text(t, tree), nn_type_text(t, x));
        unsigned rank = (unsigned)nn_rank(t, x);
        y = norm ? sum_of_squares(t, x, rank, axes, false) : reduce_tensor(t, x, r, rank, axes);
        if (!all)
            all = y;
        else if (is(r->name, "max") || is(r->name, "min"))
            all = nn_extreme_of(t, is(r->name, "max") ? NNC_OP_max : NNC_OP_min, all, y, r->c->at);
        else if (is(r->name, "all") || is(r->name, "any"))
            all = nn_binary(t, is(r->name, "all") ? NN_OP_and : NN_OP_or, all, y, r->c->at);
        else
            all = nn_binary(t, is(r->name, "prod") ? NN_OP_mul : NN_OP_add, all, y, r->c->at);
    }
    return norm ? nn_like(t, all, nnc_g_unary(&t->b, NNC_OP_sqrt, all->ssa)) : all;
}

nn_v nn_b_reduction(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x");
    reducing r = {c, c->self->name, nn_flag(t, c, "keep", false), !nn_arg_given(t, c, "axis")};
    if (!x)
        nn_arg_tensor(t, c, "x");
    if (x->kind == NN_V_list && r.whole && is(r.name, "prod")) {
        nn_v d = product_of_dims(t, x);
        if (d)
            return d;
    }
    if (nn_can_be_tensor(x))
        return reduce_leaf(t, nn_as_tensor(t, x, nn_arg_at(t, c, "x")), &r);
    if (!nn_is_tree(x))
        nn_arg_tensor(t, c, "x"); /* fails, and says what x is */
    return r.whole ? reduce_tree(t, x, &r) : nn_map(t, x, reduce_leaf, &r);
}

static nn_v extreme_leaves(nn_trace *t, unsigned n, const nn_v *x, const nn_ast *at,
                           const void *user)
{
    (void)n;
    return nn_extreme_of(t, *(const nnc_opcode *)user, x[0], x[1], at);
}

nn_v nn_b_extreme(nn_trace *t, const nn_bcall *c)
{
    nn_v y = nn_argument(t, c, "y");
    if (!y)
        return nn_b_reduction(t, c);
    if (nn_arg_given(t, c, "axis") || nn_arg_given(t, c, "keep"))
        nn_fail(t, c->at->loc, "%s of two operands is elementwise and has no axis; %s(x, axis = i)",
                c->self->name, c->self->name);
    nnc_opcode code = is(c->self->name, "max") ? NNC_OP_max : NNC_OP_min;
    nn_v x[2] = {nn_argument(t, c, "x"), y};
    return nn_map_n(t, 2, x, extreme_leaves, c->at, &code);
}

/* ---- one axis ---- */

static void need_numbers(nn_trace *t, nn_v x, const nn_bcall *c)
{
    if (x->is_key)
        nn_fail(t, c->at->loc, "%s of a key; draw numbers from it first", c->self->name);
}

typedef struct along {
    const nn_bcall *c;
} along;

static nn_v map_tensors(nn_trace *t, const nn_bcall *c, nn_leaf_fn fn)
{
    nn_v x = nn_argument(t, c, "x");
    along a = {c};
    if (!x || (!nn_can_be_tensor(x) && !nn_is_tree(x)))
        nn_arg_tensor(t, c, "x");
    return nn_map(t, x, fn, &a);
}

static nn_v argreduce_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((along *)user)->c;
    need_numbers(t, x, c);
    int axis = nn_option_axis(t, c, x, -1);
    bool keep = nn_flag(t, c, "keep", false);
    int64_t axes[1] = {axis};
    if (nnc_dim_hi(t->m->dims, nn_axis_size(t, x, axis)) == 0)
        nn_fail(t, c->at->loc, "%s along an axis of size 0", c->self->name);
    nn_v v = counted(t, x);
    nnc_word kind = is(c->self->name, "argmax") ? NNC_W_max : NNC_W_min;
    nnc_value i = nnc_g_argreduce(&t->b, kind, v->ssa, axis, false, keep);
    nn_v y = nn_index_result(t, i);
    return reduced(t, x, y, y->ssa, 1, axes, keep);
}

nn_v nn_b_argreduce(nn_trace *t, const nn_bcall *c)
{
    return map_tensors(t, c, argreduce_leaf);
}

static nn_v cumulate_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((along *)user)->c;
    need_numbers(t, x, c);
    int axis = nn_option_axis(t, c, x, -1);
    nn_v v = counted(t, x);
    nnc_word kind = is(c->self->name, "cumsum") ? NNC_W_add : NNC_W_mul;
    nnc_value y = nnc_g_cumulate(&t->b, kind, v->ssa, axis, false, false);
    return nn_labels_without(t, nn_like(t, v, y), x, NULL, NULL);
}

nn_v nn_b_cumulate(nn_trace *t, const nn_bcall *c)
{
    return map_tensors(t, c, cumulate_leaf);
}

nnc_value nn_limit_of(nn_trace *t, nnc_dtype dt, bool least)
{
    if (nnc_dtype_is_float(dt))
        return nnc_g_float(&t->b, dt, least ? -(double)INFINITY : (double)INFINITY);
    unsigned bits = nnc_dtype_infos[dt].bits;
    bool sign = nnc_dtype_infos[dt].class == NNC_DC_SINT;
    int64_t top = (int64_t)((bits >= 64 ? ~0ull : (1ull << bits) - 1) >> (sign ? 1 : 0));
    return nnc_g_int(&t->b, dt, least ? (sign ? -top - 1 : 0) : top);
}

/* Running maxima by doubling: after step d each element knows the 2 d before it. */
static nn_v cumextreme_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((along *)user)->c;
    need_numbers(t, x, c);
    int axis = nn_option_axis(t, c, x, -1), rank = nn_rank(t, x);
    nnc_opcode code = is(c->self->name, "cummax") ? NNC_OP_max : NNC_OP_min;
    nn_v v = counted(t, x);
    nnc_dim n = nn_axis_size(t, v, axis), lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    int64_t most = nnc_dim_hi(t->m->dims, n);
    (void)rank;
    if (most == INT64_MAX)
        nn_fail(t, c->at->loc, "%s along an axis without a bound", c->self->name);
    nnc_value y = v->ssa, fill = nn_limit_of(t, nn_dtype(t, v), code == NNC_OP_max);
    for (int64_t d = 1; d < most; d *= 2) {
        lo[axis] = d;
        nnc_value moved = nnc_g_pad(&t->b, y, fill, lo, hi, NNC_W_constant);
        y = op2(t, code, nnc_g_slice_axis(&t->b, moved, axis, 0, 1, n), y);
    }
    nn_v r = nn_like(t, v, y);
    return nn_labels_without(t, r, x, NULL, NULL);
}

nn_v nn_b_cumextreme(nn_trace *t, const nn_bcall *c)
{
    return map_tensors(t, c, cumextreme_leaf);
}

static nn_v softmax_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((along *)user)->c;
    need_numbers(t, x, c);
    int axis = nn_option_axis(t, c, x, -1);
    x = nn_to_float(t, x);
    nnc_value y = nnc_g_softmax(&t->b, x->ssa, axis, is(c->self->name, "log_softmax"));
    return nn_labels_without(t, nn_like(t, x, y), x, NULL, NULL);
}

nn_v nn_b_softmax(nn_trace *t, const nn_bcall *c)
{
    return map_tensors(t, c, softmax_leaf);
}

/* max + log(sum(exp(x - max))); a maximum of -inf counts as 0, so that nothing becomes nan. */
static nn_v logsumexp_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((along *)user)->c;
    int64_t axes[NNC_MAX_RANK];
    bool keep = nn_flag(t, c, "keep", false);
    need_numbers(t, x, c);
    unsigned n = 1;
    if (nn_arg_given(t, c, "axis"))
        n = nn_arg_axes(t, c, x, axes);
    else
        axes[0] = nn_option_axis(t, c, x, -1);
    x = nn_to_float(t, x);
    nnc_value top = reduce(t, NNC_W_max, x->ssa, n, axes, true);
    nnc_value zero = nnc_g_float(&t->b, nn_dtype(t, x), 0);
    top = nnc_g_select(&t->b, nnc_g_unary(&t->b, NNC_OP_isinf, top), zero, top);
    nnc_value e = nnc_g_unary(&t->b, NNC_OP_exp, op2(t, NNC_OP_sub, x->ssa, top));
    nnc_value s = nnc_g_unary(&t->b, NNC_OP_log, reduce(t, NNC_W_sum, e, n, axes, keep));
    if (!keep) {
        const nnc_type_rec r = *nnc_value_ty(t->m, s);
        top = nnc_g_reshape(&t->b, top, r.rank, r.dim);
    }
    return reduced(t, x, x, op2(t, NNC_OP_add, top, s), n, axes, keep);
}

nn_v nn_b_logsumexp(nn_trace *t, const nn_bcall *c)
{
    return map_tensors(t, c, logsumexp_leaf);
}

/* ---- dot ---- */

static nn_v dot_leaves(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    nn_shape x = nn_shape_of(t, a), y = nn_shape_of(t, b);
    if (!nn_shape_equal(&x, &y))
        nn_fail(t, at->loc, "dot of %s and %s: the shapes differ", nn_type_text(t, a),
                nn_type_text(t, b));
    nn_promote(t, &a, &b, at);
    a = counted(t, a);
    b = counted(t, b);
    nnc_value p;
    if (x.rank == 0) {
        p = op2(t, NNC_OP_mul, a->ssa, b->ssa);
    } else {
        nnc_dim n = nn_shape_size(t, &x);
        p = nnc_g_matmul(&t->b, nnc_g_reshape(&t->b, a->ssa, 1, &n),
                         nnc_g_reshape(&t->b, b->ssa, 1, &n), NNC_DT_none);
    }
    return nn_like(t, a, p);
}

nn_v nn_b_dot(nn_trace *t, const nn_bcall *c)
{
    nn_v a = nn_argument(t, c, "a"), b = nn_argument(t, c, "b");
    const char *why = NULL;
    if (nn_can_be_tensor(a) && nn_can_be_tensor(b))
        return dot_leaves(t, nn_as_tensor(t, a, c->at), nn_as_tensor(t, b, c->at), c->at);
    if (!nn_is_tree(a) || !nn_is_tree(b))
        nn_fail(t, c->at->loc, "dot of %s and %s", nn_type_text(t, a), nn_type_text(t, b));
    if (!nn_same_tree(t, a, b, &why))
        nn_fail(t, c->at->loc, "dot of two trees that differ: %s", why ? why : "their fields");
    nn_leaves x = {0}, y = {0};
    nn_collect(t, a, &x);
    nn_collect(t, b, &y);
    nn_v all = NULL;
    for (uint32_t i = 0; i < x.n && i < y.n; i++) {
        nn_v p = dot_leaves(t, x.at[i], y.at[i], c->at);
        all = all ? nn_binary(t, NN_OP_add, all, p, c->at) : p;
    }
    if (!all)
        nn_fail(t, c->at->loc, "dot of trees without tensors");
    return all;
}
