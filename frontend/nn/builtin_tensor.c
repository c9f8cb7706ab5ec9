/* Shapes, views and labels for the builtins. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <string.h>

nn_shape nn_shape_of(const nn_trace *t, nn_v x)
{
    nn_shape s = {.rank = nn_rank(t, x)};
    for (int i = 0; i < s.rank; i++)
        s.dim[i] = nn_axis_size(t, x, i);
    return s;
}

const char *nn_shape_text(nn_trace *t, const nn_shape *s)
{
    const char *text = "";
    for (int i = 0; i < s->rank; i++)
        text = nnc_arena_printf(t->arena, "%s%s%s", text, i ? ", " : "",
                                nnc_dim_text(t->m->dims, s->dim[i]));
    return nnc_arena_printf(t->arena, "[%s]", text);
}

nnc_dim nn_shape_size(nn_trace *t, const nn_shape *s)
{
    nnc_dim n = 1;
    for (int i = 0; i < s->rank; i++)
        n = nnc_dim_mul(t->m->dims, n, s->dim[i]);
    return n;
}

bool nn_shape_equal(const nn_shape *a, const nn_shape *b)
{
    for (int i = 0; a->rank == b->rank && i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return a->rank == b->rank;
}

/* The shape with the hidden axis of keys. */
static nn_shape full_shape(nn_v x, const nn_shape *s)
{
    nn_shape f = *s;
    if (x->is_key)
        f.dim[f.rank++] = 2;
    return f;
}

nn_v nn_reshape_to(nn_trace *t, nn_v x, const nn_shape *s)
{
    nn_shape now = nn_shape_of(t, x), f = full_shape(x, s);
    if (nn_shape_equal(&now, s))
        return x;
    return nn_like(t, x, nnc_g_reshape(&t->b, x->ssa, f.rank, f.dim));
}

nn_v nn_broadcast_to(nn_trace *t, nn_v x, const nn_shape *s)
{
    nn_shape now = nn_shape_of(t, x), f = full_shape(x, s);
    if (nn_shape_equal(&now, s))
        return x;
    nnc_value v = x->ssa;
    if (x->is_key) { /* the hidden axis aligns at the right already */
        nn_shape ones = {.rank = s->rank - now.rank};
        for (int i = 0; i < ones.rank; i++)
            ones.dim[i] = 1;
        for (int i = 0; i < now.rank; i++)
            ones.dim[ones.rank++] = now.dim[i];
        ones = full_shape(x, &ones);
        v = nnc_g_reshape(&t->b, v, ones.rank, ones.dim);
    }
    return nn_like(t, x, nnc_g_broadcast(&t->b, v, f.rank, f.dim));
}

nn_v nn_permute(nn_trace *t, nn_v x, const int64_t *perm)
{
    int64_t all[NNC_MAX_RANK];
    int rank = nn_rank(t, x);
    memcpy(all, perm, (size_t)rank * sizeof *all);
    if (x->is_key)
        all[rank] = rank;
    return nn_like(t, x, nnc_g_transpose(&t->b, x->ssa, all));
}

nnc_value nn_full_tensor(nn_trace *t, nnc_value scalar, const nn_shape *s)
{
    return nnc_g_broadcast(&t->b, scalar, s->rank, s->dim);
}

void nn_promote_all(nn_trace *t, unsigned n, nn_v *x, const nn_ast *at)
{
    for (unsigned i = 0; i < n; i++)
        if (x[i]->is_key != x[0]->is_key)
            nn_fail(t, at->loc, "%s and %s do not mix", nn_type_text(t, x[0]),
                    nn_type_text(t, x[i]));
    if (x[0]->is_key)
        return;
    nn_v top = x[0];
    for (unsigned i = 1; i < n; i++) {
        nn_v other = x[i];
        nn_promote(t, &top, &other, at);
    }
    for (unsigned i = 0; i < n; i++) {
        nn_v kind = top;
        nn_promote(t, &kind, &x[i], at);
    }
}

nn_v nn_need_int(nn_trace *t, nn_v x, const nn_ast *at, const char *what)
{
    if (x->is_key || !nnc_dtype_is_int(nn_dtype(t, x)))
        nn_fail(t, at->loc, "%s must be integers, this is %s", what, nn_type_text(t, x));
    return x;
}

nn_v nn_need_bool(nn_trace *t, nn_v x, const nn_ast *at, const char *what)
{
    if (x->is_key || nn_dtype(t, x) != NNC_DT_bool)
        nn_fail(t, at->loc, "%s must be bool, this is %s; compare it first, for example x != 0",
                what, nn_type_text(t, x));
    return x;
}

nn_v nn_need_float(nn_trace *t, nn_v x, const nn_ast *at, const char *what)
{
    if (x->is_key)
        nn_fail(t, at->loc, "%s must be numbers, this is %s", what, nn_type_text(t, x));
    return nn_to_float(t, x);
}

nn_v nn_index_result(nn_trace *t, nnc_value i)
{
    return nn_tensor(t, nnc_g_cast(&t->b, i, NNC_DT_i32));
}

/* ---- labels ---- */

nn_v nn_labels_without(nn_trace *t, nn_v y, nn_v x, const bool *drop, const bool *cut)
{
    if (!x->label)
        return y;
    const nn_label **label = nnc_arena_array(t->arena, NNC_MAX_RANK, sizeof *label);
    int n = 0, rank = nn_rank(t, x);
    for (int i = 0; i < rank; i++)
        if (!drop || !drop[i])
            label[n++] = cut && cut[i] ? NULL : x->label[i];
    return nn_with_labels(t, y, label);
}

nn_v nn_labels_merged(nn_trace *t, nn_v y, unsigned n, const nn_v *x)
{
    nn_v all = y;
    bool any = false;
    int rank = nn_rank(t, y);
    for (unsigned i = 0; i < n; i++) {
        any |= x[i]->label != NULL;
        if (x[i]->label && nn_rank(t, x[i]) <= rank) {
            nn_v both = nn_with_labels(t, y, all->label);
            all = nn_with_labels(t, y, nn_merge_labels(t, both, x[i]));
        }
    }
    return any ? all : y;
}

/* ---- trees ---- */

static nn_v map_level(nn_trace *t, unsigned n, const nn_v *x, nn_leaves_fn fn, const nn_ast *at,
                      const void *user, nn_v tree)
{
    nn_val *r = nnc_arena_copy(t->arena, tree, sizeof *tree);
    nn_v *item = nnc_arena_array(t->arena, tree->n + 1u, sizeof *item);
    nn_v *part = nnc_arena_array(t->arena, n, sizeof *part);
    for (unsigned i = 0; i < n; i++)
        if (!nn_can_be_tensor(x[i]) && (x[i]->kind != tree->kind || x[i]->n != tree->n))
            nn_fail(t, at->loc, "%s and %s do not have the same fields", nn_type_text(t, tree),
                    nn_type_text(t, x[i]));
    for (uint32_t k = 0; k < tree->n; k++) {
        for (unsigned i = 0; i < n; i++) {
            bool leaf = nn_can_be_tensor(x[i]);
            if (!leaf && tree->name && x[i]->name && x[i]->name[k].id != tree->name[k].id)
                nn_fail(t, at->loc, "%s and %s do not have the same fields", nn_type_text(t, tree),
                        nn_type_text(t, x[i]));
            part[i] = leaf ? x[i] : x[i]->item[k];
        }
        item[k] = nn_map_n(t, n, part, fn, at, user);
    }
    r->item = item;
    if (r->kind == NN_V_list)
        r->numeric = false;
    return r;
}

nn_v nn_map_n(nn_trace *t, unsigned n, const nn_v *x, nn_leaves_fn fn, const nn_ast *at,
              const void *user)
{
    nn_v tree = NULL, other = NULL;
    for (unsigned i = 0; i < n; i++) {
        if (x[i]->kind == NN_V_poison)
            nn_fail_silently(t);
        if (!nn_can_be_tensor(x[i])) {
            tree = tree || !nn_is_tree(x[i]) ? tree : x[i];
            other = other || nn_is_tree(x[i]) ? other : x[i];
        }
    }
    if (!tree && !other)
        return fn(t, n, x, at, user);
    if (other && tree)
        nn_fail(t, at->loc, "%s and %s do not go together", nn_type_text(t, other),
                nn_type_text(t, tree));
    if (other) { /* code, texts: kept when there is one of them */
        if (n == 1 || (other->kind != NN_V_text && other->kind != NN_V_strings))
            return other;
        nn_fail(t, at->loc, "%s is no tensor", nn_type_text(t, other));
    }
    return map_level(t, n, x, fn, at, user, tree);
}
