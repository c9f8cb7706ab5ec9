/* Constructors and shapes: zeros and friends, reshape, transpose, joining and cutting, padding. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <string.h>

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

static nnc_value i64_of(nn_trace *t, int64_t v)
{
    return nnc_g_int(&t->b, NNC_DT_i64, v);
}

/* ---- constructors ---- */

nn_v nn_b_zeros(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    return nn_weak(t, nn_full_tensor(t, nnc_g_float(&t->b, NNC_DT_f64, 0), &s));
}

nn_v nn_b_ones(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    return nn_weak(t, nn_full_tensor(t, nnc_g_float(&t->b, NNC_DT_f64, 1), &s));
}

nn_v nn_b_full(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_arg_tensor(t, c, "x");
    nn_shape s = nn_static_shape(t, c);
    if (nn_rank(t, x) != 0)
        nn_fail(t, nn_arg_at(t, c, "x")->loc,
                "full repeats one number, this is %s; broadcast[..](x) repeats tensors",
                nn_type_text(t, x));
    return nn_broadcast_to(t, x, &s);
}

static nnc_dim static_dim(nn_trace *t, const nn_bcall *c, const char *name)
{
    return nn_ask_dim(t, nn_static(t, c, name), nn_arg_at(t, c, name), "a size");
}

/* Where row and column are equal: [n, m]. */
static nnc_value diagonal_mask(nn_trace *t, nnc_dim n, nnc_dim m)
{
    nnc_dim row[2] = {n, 1}, col[2] = {1, m};
    return op2(t, NNC_OP_eq, nnc_g_iota(&t->b, NNC_DT_i64, 2, row, 0),
               nnc_g_iota(&t->b, NNC_DT_i64, 2, col, 1));
}

nn_v nn_b_eye(nn_trace *t, const nn_bcall *c)
{
    nnc_dim n = static_dim(t, c, "n"), m = nn_arg_given(t, c, "m") ? static_dim(t, c, "m") : n;
    return nn_weak(t, nnc_g_cast(&t->b, diagonal_mask(t, n, m), NNC_DT_f64));
}

nn_v nn_b_one_hot(nn_trace *t, const nn_bcall *c)
{
    nnc_dim n = static_dim(t, c, "n");
    nn_v i = nn_arg_tensor(t, c, "i");
    nn_need_int(t, i, nn_arg_at(t, c, "i"), "the places of one_hot");
    nn_shape s = nn_shape_of(t, i), ramp = {.rank = 1, .dim = {n}};
    if (s.rank == NNC_MAX_RANK)
        nn_fail(t, c->at->loc, "one_hot of %s would have more than %d axes", nn_type_text(t, i),
                NNC_MAX_RANK);
    s.dim[s.rank++] = 1;
    nnc_dtype dt = nn_dtype(t, i);
    nnc_value hit =
        op2(t, NNC_OP_eq, nn_reshape_to(t, i, &s)->ssa, nnc_g_iota(&t->b, dt, 1, ramp.dim, 0));
    return nn_tensor(t, nnc_g_cast(&t->b, hit, nn_float_here(t)));
}

nn_v nn_b_combinations(nn_trace *t, const nn_bcall *c)
{
    enum { MOST = 10 * 1000 * 1000 };
    int64_t n = nn_static_int(t, c, "n", 0), k = nn_static_int(t, c, "k", 0), rows = 1;
    if (n < 0 || k < 0 || k > n || n > 4096)
        nn_fail(t, c->at->loc, "combinations[%lld, %lld]: expected 0 <= k <= n <= 4096",
                (long long)n, (long long)k);
    for (int64_t i = 0; i < k; i++) {
        rows = rows * (n - i) / (i + 1);
        if (rows * (k ? k : 1) > MOST)
            nn_fail(t, c->at->loc, "combinations[%lld, %lld] are more than %d numbers",
                    (long long)n, (long long)k, MOST);
    }
    int64_t *x = nnc_arena_array(t->arena, (size_t)(rows * k) + 1, sizeof *x);
    int64_t *row = nnc_arena_array(t->arena, (size_t)k + 1, sizeof *row);
    for (int64_t i = 0; i < k; i++)
        row[i] = i;
    for (int64_t r = 0; r < rows; r++) {
        memcpy(x + r * k, row, (size_t)k * sizeof *row);
        int64_t i = k - 1;
        while (i >= 0 && row[i] == n - k + i)
            i--;
        if (i < 0)
            break;
        row[i]++;
        for (int64_t j = i + 1; j < k; j++)
            row[j] = row[j - 1] + 1;
    }
    nnc_dim dim[2] = {rows, k};
    return nn_weak(t, nnc_g_const_data(&t->b, NNC_DT_i64, 2, dim, x));
}

/* ---- reshape and broadcast ---- */

/* The items of the brackets; *rest: the place of a bare `..` among them, -1 without one. */
static nn_shape dims_with_rest(nn_trace *t, const nn_bcall *c, int *rest)
{
    const nn_arg *at;
    unsigned n = nn_static_rest(t, c, &at);
    nn_shape s = {0};
    *rest = -1;
    for (unsigned i = 0; i < n; i++) {
        if (nn_is(at[i].node, NN_rest) && !at[i].node->name.id) {
            if (*rest >= 0)
                nn_fail(t, at[i].node->loc, "'..' stands twice in one shape");
            *rest = s.rank;
            continue;
        }
        nnc_dim dim[NNC_MAX_RANK];
        int k = nn_dims_of(t, 1, &at[i], dim);
        if (s.rank + k > NNC_MAX_RANK)
            nn_fail(t, at[i].node->loc, "a tensor has at most %d axes", NNC_MAX_RANK);
        memcpy(s.dim + s.rank, dim, (size_t)k * sizeof *dim);
        s.rank += k;
    }
    return s;
}

typedef struct shaping {
    const nn_bcall *c;
    nn_shape s;
    int rest;
} shaping;

static void insert(nn_trace *t, const shaping *g, nn_shape *out, int lead, const nn_shape *x)
{
    if (g->s.rank + lead > NNC_MAX_RANK)
        nn_fail(t, g->c->at->loc, "%s would make more than %d axes", g->c->self->name,
                NNC_MAX_RANK);
    *out = (nn_shape){0};
    for (int i = 0; i < g->rest; i++)
        out->dim[out->rank++] = g->s.dim[i];
    for (int i = 0; i < lead; i++)
        out->dim[out->rank++] = x->dim[i];
    for (int i = g->rest; i < g->s.rank; i++)
        out->dim[out->rank++] = g->s.dim[i];
}

static _Noreturn void wrong_size(nn_trace *t, const shaping *g, nn_v x, const nn_shape *want)
{
    nn_fail(t, g->c->at->loc, "%s has no shape %s%s: the numbers of elements differ",
            nn_type_text(t, x), g->rest >= 0 ? ".. " : "", nn_shape_text(t, want));
}

/* How many leading dimensions stay, so that the sizes that are given account for the rest; -1: no number does.  Axes of 1
 * leave a choice: an axis that the brackets say again is not a leading one. */
static int leading_dims(nn_trace *t, const shaping *g, const nn_shape *s)
{
    nnc_dim want = nn_shape_size(t, &g->s), tail = 1;
    int most = -1;
    for (int lead = s->rank; lead >= 0; lead--) {
        if (tail == want) {
            bool again = lead < s->rank && g->s.rank && s->dim[lead] == g->s.dim[g->rest];
            if (most < 0 || again)
                most = lead;
        }
        if (lead)
            tail = nnc_dim_mul(t->m->dims, tail, s->dim[lead - 1]);
    }
    return most;
}

static nn_v reshape_leaf(nn_trace *t, nn_v x, void *user)
{
    const shaping *g = user;
    nn_shape s = nn_shape_of(t, x), out = g->s;
    if (g->rest > 0)
        nn_fail(t, g->c->at->loc, "'..' stands first in the brackets of reshape");
    int lead = g->rest < 0 ? 0 : leading_dims(t, g, &s);
    if (lead < 0)
        wrong_size(t, g, x, &g->s);
    if (g->rest >= 0)
        insert(t, g, &out, lead, &s);
    if (nn_shape_size(t, &out) != nn_shape_size(t, &s))
        wrong_size(t, g, x, &g->s);
    return nn_reshape_to(t, x, &out);
}

static nn_v shape_all(nn_trace *t, const nn_bcall *c, nn_leaf_fn fn)
{
    shaping g = {.c = c};
    nn_v x = nn_argument(t, c, "x");
    g.s = dims_with_rest(t, c, &g.rest);
    if (!x || (!nn_can_be_tensor(x) && !nn_is_tree(x)))
        nn_arg_tensor(t, c, "x");
    return nn_map(t, x, fn, &g);
}

nn_v nn_b_reshape(nn_trace *t, const nn_bcall *c)
{
    return shape_all(t, c, reshape_leaf);
}

static bool repeats_to(const nn_shape *x, const nn_shape *s)
{
    for (int i = 1; i <= x->rank && i <= s->rank; i++)
        if (x->dim[x->rank - i] != 1 && x->dim[x->rank - i] != s->dim[s->rank - i])
            return false;
    return x->rank <= s->rank;
}

/* broadcast[.., n, d]: `..` are the operand's axes before the last two; when it has none left, those of the function
 * around; broadcast[n, ..]: all of them. */
static nn_v broadcast_leaf(nn_trace *t, nn_v x, void *user)
{
    const shaping *g = user;
    nn_shape s = nn_shape_of(t, x), out = g->s;
    if (g->rest >= 0) {
        int lead = s.rank - (g->s.rank - g->rest);
        const nn_arg *at;
        unsigned n = nn_static_rest(t, g->c, &at);
        if (lead > 0) {
            insert(t, g, &out, lead, &s);
        } else {
            nn_shape group = {0};
            for (unsigned i = 0; i < n; i++)
                if (nn_is(at[i].node, NN_rest) && !at[i].node->name.id &&
                    at[i].v->kind == NN_V_list)
                    group.rank = nn_dims_of(t, 1, &at[i], group.dim);
            insert(t, g, &out, group.rank, &group);
        }
    }
    if (!repeats_to(&s, &out))
        nn_fail(t, g->c->at->loc, "%s cannot be repeated to the shape %s", nn_type_text(t, x),
                nn_shape_text(t, &out));
    return nn_broadcast_to(t, x, &out);
}

nn_v nn_b_broadcast(nn_trace *t, const nn_bcall *c)
{
    return shape_all(t, c, broadcast_leaf);
}

/* ---- axes in another order ---- */

typedef struct reorder {
    const nn_bcall *c;
} reorder;

static nn_v leafwise(nn_trace *t, const nn_bcall *c, nn_leaf_fn fn)
{
    nn_v x = nn_argument(t, c, "x");
    reorder r = {c};
    if (!x || (!nn_can_be_tensor(x) && !nn_is_tree(x)))
        nn_arg_tensor(t, c, "x");
    return nn_map(t, x, fn, &r);
}

static nn_v transpose_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((reorder *)user)->c;
    int rank = nn_rank(t, x);
    int64_t perm[NNC_MAX_RANK], given[NNC_MAX_RANK];
    bool seen[NNC_MAX_RANK] = {false};
    for (int i = 0; i < rank; i++)
        perm[i] = i;
    if (!nn_arg_given(t, c, "axes")) {
        if (rank < 2)
            nn_fail(t, c->at->loc, "%s has no two axes to swap", nn_type_text(t, x));
        perm[rank - 1] = rank - 2;
        perm[rank - 2] = rank - 1;
        return nn_permute(t, x, perm);
    }
    nn_v axes = nn_argument(t, c, "axes");
    const nn_ast *at = nn_arg_at(t, c, "axes");
    if (rank < 1 || (axes->kind == NN_V_list && axes->n != (uint32_t)rank))
        nn_fail(t, at->loc, "%s has %d axes, and the new order names %u", nn_type_text(t, x), rank,
                axes->n);
    nn_option_ints(t, c, "axes", (unsigned)rank, 0, given);
    for (int i = 0; i < rank; i++) {
        perm[i] = nn_axis_in(t, given[i], rank, at);
        if (seen[perm[i]])
            nn_fail(t, at->loc, "axis %lld is named twice", (long long)given[i]);
        seen[perm[i]] = true;
    }
    return nn_permute(t, x, perm);
}

nn_v nn_b_transpose(nn_trace *t, const nn_bcall *c)
{
    return leafwise(t, c, transpose_leaf);
}

static nn_v swap_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((reorder *)user)->c;
    int rank = nn_rank(t, x);
    int64_t perm[NNC_MAX_RANK];
    int i = nn_axis_in(t, nn_option_int(t, c, "i", 0), rank, nn_arg_at(t, c, "i"));
    int j = nn_axis_in(t, nn_option_int(t, c, "j", 0), rank, nn_arg_at(t, c, "j"));
    for (int k = 0; k < rank; k++)
        perm[k] = k == i ? j : k == j ? i : k;
    return nn_permute(t, x, perm);
}

nn_v nn_b_swap(nn_trace *t, const nn_bcall *c)
{
    return leafwise(t, c, swap_leaf);
}

static nn_v reverse_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((reorder *)user)->c;
    return nn_like(t, x, nnc_g_flip(&t->b, x->ssa, nn_option_axis(t, c, x, 0)));
}

nn_v nn_b_reverse(nn_trace *t, const nn_bcall *c)
{
    return leafwise(t, c, reverse_leaf);
}

/* ---- joining axes ---- */

static nn_v join_axes(nn_trace *t, nn_v x, int from, int n)
{
    nn_shape s = nn_shape_of(t, x), out = {0};
    nnc_dim size = 1;
    for (int i = 0; i < s.rank; i++) {
        if (i < from || i >= from + n) {
            out.dim[out.rank++] = s.dim[i];
            continue;
        }
        size = nnc_dim_mul(t->m->dims, size, s.dim[i]);
        if (i == from + n - 1)
            out.dim[out.rank++] = size;
    }
    return nn_reshape_to(t, x, &out);
}

static int axes_to_join(nn_trace *t, const nn_bcall *c, nn_v x, const char *name, int64_t dflt)
{
    int64_t n = nn_option_int(t, c, name, dflt);
    if (n < 1 || n > nn_rank(t, x))
        nn_fail(t, nn_arg_at(t, c, name)->loc, "%s joins %lld axes of %s", c->self->name,
                (long long)n, nn_type_text(t, x));
    return (int)n;
}

nn_v nn_b_flatten(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x");
    nn_leaves leaf = {0};
    if (x->kind == NN_V_model && x->n)
        x = x->item[0]; /* its parameters */
    if (!nn_can_be_tensor(x) && !nn_is_tree(x))
        nn_arg_tensor(t, c, "x");
    if (nn_can_be_tensor(x)) {
        x = nn_as_tensor(t, x, c->at);
        int rank = nn_rank(t, x);
        if (!nn_arg_given(t, c, "axes")) {
            nn_shape s = nn_shape_of(t, x), flat = {.rank = 1, .dim = {nn_shape_size(t, &s)}};
            return nn_reshape_to(t, x, &flat);
        }
        int n = axes_to_join(t, c, x, "axes", rank);
        return join_axes(t, x, rank - n, n);
    }
    if (nn_arg_given(t, c, "axes"))
        nn_fail(t, c->at->loc, "flatten(x, axes = k) is for tensors, this is %s",
                nn_type_text(t, x));
    nn_collect(t, x, &leaf);
    if (!leaf.n)
        nn_fail(t, c->at->loc, "flatten of %s, which holds no tensors", nn_type_text(t, x));
    for (uint32_t i = 0; i < leaf.n; i++) {
        nn_shape s = nn_shape_of(t, leaf.at[i]), flat = {.rank = 1};
        flat.dim[0] = nn_shape_size(t, &s);
        leaf.at[i] = nn_reshape_to(t, leaf.at[i], &flat);
    }
    return nn_concat(t, leaf.n, leaf.at, 0, c->at);
}

static nn_v merge_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((reorder *)user)->c;
    return join_axes(t, x, 0, axes_to_join(t, c, x, "n", 2));
}

nn_v nn_b_merge_axes(nn_trace *t, const nn_bcall *c)
{
    return leafwise(t, c, merge_leaf);
}

/* ---- stack, concat, split ---- */

/* The operands: one tuple or list stands for its items. */
static const nn_v *operands(nn_trace *t, const nn_bcall *c, unsigned *n)
{
    const nn_arg *at;
    *n = nn_arg_rest(t, c, &at);
    if (*n == 1) {
        nn_v x = at[0].v;
        bool tuple = x->kind == NN_V_record && x->n && !x->name[0].id;
        if (tuple || (x->kind == NN_V_list && !x->numeric)) {
            *n = x->n;
            return x->item;
        }
    }
    if (!*n)
        nn_fail(t, c->at->loc, "%s needs at least one operand", c->self->name);
    nn_v *x = nnc_arena_array(t->arena, *n, sizeof *x);
    for (unsigned i = 0; i < *n; i++)
        x[i] = at[i].v;
    return x;
}

nn_v nn_b_stack(nn_trace *t, const nn_bcall *c)
{
    unsigned n;
    const nn_v *x = operands(t, c, &n);
    return nn_stack(t, n, x, (int)nn_option_int(t, c, "axis", -1), c->at);
}

nn_v nn_b_concat(nn_trace *t, const nn_bcall *c)
{
    unsigned n;
    const nn_v *x = operands(t, c, &n);
    return nn_concat(t, n, x, (int)nn_option_int(t, c, "axis", -1), c->at);
}

static nn_v slice_of(nn_trace *t, nn_v x, int axis, nnc_dim from, nnc_dim size)
{
    return nn_like(t, x, nnc_g_slice_axis(&t->b, x->ssa, axis, from, 1, size));
}

static nn_v equal_parts(nn_trace *t, const nn_bcall *c, nn_v x, int axis)
{
    nnc_dims *d = t->m->dims;
    int64_t n = nn_static_int(t, c, "parts", 0), rest;
    nnc_dim size = nn_axis_size(t, x, axis);
    const nn_ast *at = nn_arg_at(t, c, "parts");
    if (n < 1 || n > 4096)
        nn_fail(t, at->loc, "split into %lld parts, expected 1 to 4096", (long long)n);
    if (!nnc_dim_value(d, nnc_dim_mod(d, size, n), &rest) || rest)
        nn_fail(t, at->loc, "split into %lld equal parts: the axis has the size %s", (long long)n,
                nnc_dim_text(d, size));
    nnc_dim part = nnc_dim_floordiv(d, size, n);
    nn_v *item = nnc_arena_array(t->arena, (size_t)n, sizeof *item);
    for (int64_t i = 0; i < n; i++)
        item[i] = slice_of(t, x, axis, nnc_dim_mul(d, part, i), part);
    return nn_record(t, (uint32_t)n, NULL, item);
}

static nn_v listed_parts(nn_trace *t, const nn_bcall *c, nn_v x, int axis, nn_v list)
{
    nnc_dims *d = t->m->dims;
    nnc_dim from = 0, size = nn_axis_size(t, x, axis);
    const nn_ast *at = nn_arg_at(t, c, "parts");
    nn_v *item = nnc_arena_array(t->arena, list->n + 1u, sizeof *item);
    for (uint32_t i = 0; i < list->n; i++) {
        nnc_dim part = nn_ask_dim(t, list->item[i], at, "a size");
        nnc_dim to = nnc_dim_add(d, from, part);
        if (nnc_dim_lo(d, nnc_dim_sub(d, size, to)) < 0)
            nn_fail(t, at->loc, "the parts are larger than the axis of size %s",
                    nnc_dim_text(d, size));
        item[i] = slice_of(t, x, axis, from, part);
        from = to;
    }
    if (from != size)
        nn_fail(t, at->loc, "the parts have together %s elements, the axis has %s",
                nnc_dim_text(d, from), nnc_dim_text(d, size));
    return nn_record(t, list->n, NULL, item);
}

/* split of text is another builtin under the same name. */
static nn_v split_text(nn_trace *t, const nn_bcall *c)
{
    const nn_builtin *b = nn_builtin_find(t, nn_name(t, "split_text"));
    if (!b)
        nn_fail(t, c->at->loc, "text cannot be split here");
    nn_bcall text = *c;
    text.self = b;
    return b->fn(t, &text);
}

nn_v nn_b_split(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x"), parts = nn_static(t, c, "parts");
    if (x && (x->kind == NN_V_text || x->kind == NN_V_strings))
        return split_text(t, c);
    x = nn_arg_tensor(t, c, "x");
    if (!parts)
        nn_fail(t, c->at->loc, "split needs the number of parts: split[n](x)");
    int axis = nn_option_axis(t, c, x, -1);
    if (parts->kind == NN_V_list || parts->kind == NN_V_record)
        return listed_parts(t, c, x, axis, parts);
    return equal_parts(t, c, x, axis);
}

/* ---- padding and rolling ---- */

/* The axes that pad means, and what to add to each. */
static unsigned pad_amounts(nn_trace *t, const nn_bcall *c, nn_v x, nnc_dim *lo, nnc_dim *hi)
{
    int64_t axes[NNC_MAX_RANK], before[NNC_MAX_RANK], after[NNC_MAX_RANK];
    unsigned n = 1;
    if (nn_arg_given(t, c, "axis"))
        n = nn_arg_axes(t, c, x, axes);
    else
        axes[0] = nn_option_axis(t, c, x, -1);
    nn_option_ints(t, c, "before", n, 0, before);
    nn_option_ints(t, c, nn_arg_given(t, c, "after") ? "after" : "before", n, 0, after);
    for (unsigned i = 0; i < n; i++) {
        lo[axes[i]] = before[i];
        hi[axes[i]] = after[i];
        if (before[i] < 0 || after[i] < 0)
            nn_fail(t, c->at->loc, "pad by %lld and %lld; a range cuts: x[1..-1]",
                    (long long)before[i], (long long)after[i]);
    }
    return n;
}

nn_v nn_b_pad(nn_trace *t, const nn_bcall *c)
{
    static const nnc_word modes[] = {NNC_W_constant, NNC_W_reflect, NNC_W_edge, NNC_W_wrap};
    nn_v x = nn_arg_tensor(t, c, "x"), value = nn_argument(t, c, "value");
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    int mode = nn_option_word(t, c, "mode", "constant reflect edge wrap");
    if (nn_rank(t, x) == 0 || x->is_key)
        nn_fail(t, nn_arg_at(t, c, "x")->loc, "pad of %s", nn_type_text(t, x));
    nn_v fill = value ? nn_as_tensor(t, value, nn_arg_at(t, c, "value")) : nn_int(t, 0);
    if (nn_rank(t, fill) != 0)
        nn_fail(t, nn_arg_at(t, c, "value")->loc, "the value of pad is one number, this is %s",
                nn_type_text(t, fill));
    if (nn_dtype(t, x) == NNC_DT_bool)
        fill = nn_dtype(t, fill) == NNC_DT_bool ? fill : nn_convert(t, fill, NNC_DT_bool);
    else
        nn_promote(t, &x, &fill, c->at);
    pad_amounts(t, c, x, lo, hi);
    for (int i = 0; i < nn_rank(t, x); i++) {
        nnc_dim n = nn_axis_size(t, x, i), most = lo[i] > hi[i] ? lo[i] : hi[i];
        int64_t least = nnc_dim_lo(t->m->dims, n);
        if (most && ((modes[mode] == NNC_W_reflect && least <= most) ||
                     (modes[mode] == NNC_W_wrap && least < most) ||
                     (modes[mode] == NNC_W_edge && least < 1)))
            nn_fail(t, c->at->loc, "%s padding by %lld needs a longer axis than %s",
                    nn_option_text(t, c, "mode", ""), (long long)most, nnc_dim_text(t->m->dims, n));
    }
    return nn_like(t, x, nnc_g_pad(&t->b, x->ssa, fill->ssa, lo, hi, modes[mode]));
}

/* y[i] = x[(i - shift) mod n] */
static nn_v roll_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = ((reorder *)user)->c;
    int axis = nn_option_axis(t, c, x, -1);
    nn_v by = nn_arg_tensor(t, c, "shift");
    const nn_ast *at = nn_arg_at(t, c, "shift");
    if (nn_rank(t, nn_need_int(t, by, at, "the shift of roll")) != 0)
        nn_fail(t, at->loc, "the shift of roll is one integer, this is %s", nn_type_text(t, by));
    nnc_dim n = nn_axis_size(t, x, axis);
    if (nn_known(t, by) && nnc_dim_is_const(n) && n > 0) {
        int64_t s = nn_ask_int(t, by, at, "the shift") % n;
        s += s < 0 ? n : 0;
        if (s == 0)
            return x;
        nnc_value part[2] = {slice_of(t, x, axis, n - s, s)->ssa,
                             slice_of(t, x, axis, 0, n - s)->ssa};
        return nn_like(t, x, nnc_g_concat(&t->b, 2, part, axis));
    }
    nnc_value i = op2(t, NNC_OP_sub, nnc_g_iota(&t->b, NNC_DT_i64, 1, &n, 0),
                      nnc_g_cast(&t->b, by->ssa, NNC_DT_i64));
    i = op2(t, NNC_OP_rem, i, nnc_g_extent(&t->b, n));
    return nn_like(t, x, nnc_g_gather(&t->b, x->ssa, i, axis, 0));
}

nn_v nn_b_roll(nn_trace *t, const nn_bcall *c)
{
    return leafwise(t, c, roll_leaf);
}

/* ---- diagonals ---- */

static nn_v diagonal_of(nn_trace *t, nn_v x, int rank)
{
    nnc_dim n = nn_axis_size(t, x, rank - 2), m = nn_axis_size(t, x, rank - 1);
    if (n != m)
        nn_fail(t, t->b.loc, "diag of %s, which is not square", nn_type_text(t, x));
    nn_shape s = nn_shape_of(t, x); /* one axis of n n, every (n + 1)th element */
    nnc_dims *d = t->m->dims;
    s.rank--;
    s.dim[rank - 2] = nnc_dim_mul(d, n, n);
    if (nnc_dim_is_const(n)) {
        nn_v flat = nn_reshape_to(t, x, &s);
        return nn_like(t, x, nnc_g_slice_axis(&t->b, flat->ssa, rank - 2, 0, n + 1, n));
    }
    nnc_value i = nnc_g_iota(&t->b, NNC_DT_i64, 1, &n, 0);
    i = op2(t, NNC_OP_mul, i, op2(t, NNC_OP_add, nnc_g_extent(&t->b, n), i64_of(t, 1)));
    return nn_like(t, x, nnc_g_gather(&t->b, nn_reshape_to(t, x, &s)->ssa, i, rank - 2, 0));
}

nn_v nn_b_diag(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_arg_tensor(t, c, "x");
    int rank = nn_rank(t, x);
    if (rank == 0 || x->is_key)
        nn_fail(t, nn_arg_at(t, c, "x")->loc, "diag of %s", nn_type_text(t, x));
    if (rank > 1)
        return diagonal_of(t, x, rank);
    nnc_dim n = nn_axis_size(t, x, 0), dim[2] = {n, n};
    nnc_value zero = nnc_g_int(&t->b, nn_dtype(t, x), 0);
    nnc_value row = nnc_g_broadcast(&t->b, x->ssa, 2, dim);
    return nn_like(t, x, nnc_g_select(&t->b, diagonal_mask(t, n, n), row, zero));
}

/* ---- sizes as numbers ---- */

nn_v nn_b_len(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x");
    nn_leaves leaf = {0};
    if (x->kind == NN_V_list || (x->kind == NN_V_record && x->n && !x->name[0].id))
        return nn_int(t, x->n);
    if (x->kind == NN_V_strings)
        return nn_int(t, x->strings->dim[0]);
    if (nn_is_tree(x)) {
        nn_collect(t, x, &leaf);
        if (leaf.n && nn_rank(t, leaf.at[0]) > 0)
            return nn_dim_value(t, nn_axis_size(t, leaf.at[0], 0));
    }
    x = nn_arg_tensor(t, c, "x");
    if (nn_rank(t, x) == 0)
        nn_fail(t, nn_arg_at(t, c, "x")->loc, "len of %s, which has no axes", nn_type_text(t, x));
    return nn_dim_value(t, nn_axis_size(t, x, 0));
}

nn_v nn_b_shape(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_arg_tensor(t, c, "x"), item[NNC_MAX_RANK];
    int rank = nn_rank(t, x);
    for (int i = 0; i < rank; i++)
        item[i] = nn_dim_value(t, nn_axis_size(t, x, i));
    return nn_list(t, (uint32_t)rank, item);
}

nn_v nn_b_dim(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_arg_tensor(t, c, "x");
    int i = nn_axis_in(t, nn_option_int(t, c, "i", 0), nn_rank(t, x), nn_arg_at(t, c, "i"));
    return nn_dim_value(t, nn_axis_size(t, x, i));
}
