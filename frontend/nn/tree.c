/* Operators on trees: records leaf by leaf, texts by equality, and `where` over both. */
#include "frontend/nn/number.h"
#include <string.h>

bool nn_is_leafwise(nn_v v)
{
    return v->kind == NN_V_record || (v->kind == NN_V_list && !v->numeric);
}

typedef nn_v (*pair_fn)(nn_trace *t, nn_v a, nn_v b, void *user);

static void check_fields(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    bool same = a->n == b->n;
    for (uint32_t i = 0; same && i < a->n; i++)
        same = (a->name ? a->name[i].id : 0) == (b->name ? b->name[i].id : 0);
    if (!same)
        nn_fail(t, at->loc, "records with different fields: %s against %s", nn_type_text(t, a),
                nn_type_text(t, b));
}

/* fn on matching leaves; a tensor goes with every leaf of the other tree. */
static nn_v zip(nn_trace *t, nn_v a, nn_v b, pair_fn fn, void *user, const nn_ast *at)
{
    bool ta = nn_is_leafwise(a), tb = nn_is_leafwise(b);
    if (!ta && !tb)
        return fn(t, nn_as_tensor(t, a, at), nn_as_tensor(t, b, at), user);
    if (ta && tb)
        check_fields(t, a, b, at);
    nn_v shape = ta ? a : b;
    nn_val *r = nnc_arena_copy(t->arena, shape, sizeof *shape);
    nn_v *item = nnc_arena_array(t->arena, shape->n, sizeof *item);
    for (uint32_t i = 0; i < shape->n; i++)
        item[i] = zip(t, ta ? a->item[i] : a, tb ? b->item[i] : b, fn, user, at);
    r->item = item;
    return r;
}

typedef struct operation {
    nn_operator op;
    const nn_ast *at;
} operation;

static nn_v operate(nn_trace *t, nn_v a, nn_v b, void *user)
{
    operation *o = user;
    return nn_binary(t, o->op, a, b, o->at);
}

nn_v nn_binary_tree(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at)
{
    operation o = {op, at};
    if (op == NN_OP_matmul)
        nn_fail(t, at->loc, "'@' multiplies tensors, not records");
    return zip(t, a, b, operate, &o, at);
}

/* ---- texts ---- */

/* A text, texts, or a static list of texts. */
static nn_strings as_strings(nn_trace *t, nn_v v, const nn_ast *at)
{
    if (v->kind == NN_V_strings)
        return *v->strings;
    nnc_sym *s = nnc_arena_array(t->arena, v->n + 1u, sizeof *s);
    nn_strings list = {.rank = v->kind == NN_V_list, .dim = {v->n}, .at = s};
    bool fits = v->kind == NN_V_text || v->kind == NN_V_list;
    for (uint32_t i = 0; v->kind == NN_V_list && fits && i < v->n; i++) {
        fits = v->item[i]->kind == NN_V_text;
        s[i] = fits ? nn_name(t, v->item[i]->text) : (nnc_sym){0};
    }
    if (!fits)
        nn_fail(t, at->loc, "a text cannot be compared with %s", nn_type_text(t, v));
    if (v->kind == NN_V_text)
        *s = nn_name(t, v->text);
    return list;
}

nn_v nn_compare_text(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at)
{
    if (op != NN_OP_eq && op != NN_OP_ne)
        nn_fail(t, at->loc, "texts can only be compared with == and !=");
    nn_pool pool = {t->arena, t->syntax.names};
    nn_strings x = as_strings(t, a, at), y = as_strings(t, b, at);
    nnc_tensor same;
    if (!nn_strings_equal(&pool, &x, &y, &same))
        nn_fail(t, at->loc, "these texts have different shapes");
    uint8_t *out = same.data;
    int64_t n = nnc_tensor_count(&same);
    for (int64_t i = 0; op == NN_OP_ne && i < n; i++)
        out[i] = !out[i];
    if (same.rank == 0)
        return nn_bool(t, out[0]);
    nnc_dim dim[NNC_MAX_RANK];
    for (int i = 0; i < same.rank; i++)
        dim[i] = same.dim[i];
    return nn_tensor(t, nnc_g_const_data(&t->b, NNC_DT_bool, same.rank, dim, out));
}

/* ---- where ---- */

typedef struct choice {
    nn_v c;
    const nn_ast *at;
} choice;

static nn_v choose(nn_trace *t, nn_v a, nn_v b, void *user)
{
    choice *w = user;
    if (!(a->is_key && b->is_key))
        nn_promote(t, &a, &b, w->at);
    nn_check_broadcast(t, a, b, w->at);
    nn_check_broadcast(t, w->c, a, w->at);
    nn_check_broadcast(t, w->c, b, w->at);
    nn_val *r = nnc_arena_copy(t->arena, a, sizeof *a);
    r->has_dim = false;
    nnc_value c = w->c->ssa;
    if (a->is_key) { /* the hidden axis of keys */
        int rank = nn_rank(t, w->c);
        nnc_dim dim[NNC_MAX_RANK];
        for (int i = 0; i < rank; i++)
            dim[i] = nn_axis_size(t, w->c, i);
        dim[rank] = 1;
        c = nnc_g_reshape(&t->b, c, rank + 1, dim);
    }
    r->ssa = nnc_g_select(&t->b, c, a->ssa, b->ssa);
    nn_val both = *a;
    both.label = nn_merge_labels(t, a, b);
    r->label = nn_merge_labels(t, &both, w->c);
    if (r->label && nn_rank(t, r) < (int)nn_rank(t, w->c))
        r->label = NULL;
    return r;
}

nn_v nn_where(nn_trace *t, nn_v c, nn_v a, nn_v b, const nn_ast *at)
{
    c = nn_as_tensor(t, c, at);
    if (nn_dtype(t, c) != NNC_DT_bool)
        nn_fail(t, at->loc,
                "the condition must be bool, this is %s; compare it, for example x != 0",
                nn_type_text(t, c));
    choice w = {c, at};
    return zip(t, a, b, choose, &w, at);
}
