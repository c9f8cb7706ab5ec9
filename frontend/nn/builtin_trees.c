/* Trees: each, size, unflatten; what can be called. */
#include "frontend/nn/builtin.h"
#include <string.h>

typedef struct walking {
    nn_v f;
    const nn_bcall *c;
} walking;

static nn_v call_leaf(nn_trace *t, nn_v leaf, void *user)
{
    walking *w = user;
    nn_v y = nn_call1(t, w->f, leaf, w->c->at);
    if (y->kind == NN_V_none)
        nn_fail(t, nn_arg_at(t, w->c, "f")->loc, "the function that each calls gives no value");
    return y;
}

nn_v nn_b_each(nn_trace *t, const nn_bcall *c)
{
    nn_v tree = nn_argument(t, c, "tree");
    walking w = {nn_argument(t, c, "f"), c};
    if (!nn_can_be_tensor(tree) && !nn_is_tree(tree))
        nn_fail(t, nn_arg_at(t, c, "tree")->loc, "each walks over records, this is %s",
                nn_type_text(t, tree));
    return nn_map(t, tree, call_leaf, &w);
}

/* The parameters of a model, of a blueprint those it would have; other trees as they are.  The draws of the blueprint's
 * parameters are read by nobody. */
static nn_v parameters_of(nn_trace *t, nn_v x, const nn_ast *at)
{
    static const uint32_t zero[2] = {0, 0};
    static const nn_args none = {0, NULL};
    nnc_dim two = 2;
    if (x->kind == NN_V_blueprint) {
        nn_val *k = nnc_arena_alloc(t->arena, sizeof *k);
        k->kind = NN_V_tensor;
        k->is_key = true;
        k->ssa = nnc_g_const_data(&t->b, NNC_DT_u32, 1, &two, zero);
        nn_arg arg[2] = {{{0}, x, at}, {{0}, k, at}};
        nn_args args = {2, arg};
        const nn_builtin *init = nn_builtin_find(t, nn_name(t, "init"));
        nn_bcall c = {&none, &args, at, init};
        x = nn_b_init(t, &c);
    }
    return x->kind == NN_V_model && x->n ? x->item[0] : x;
}

nn_v nn_b_size(nn_trace *t, const nn_bcall *c)
{
    nn_v x = parameters_of(t, nn_argument(t, c, "x"), c->at);
    nn_leaves leaf = {0};
    nnc_dim n = 0;
    if (!nn_can_be_tensor(x) && !nn_is_tree(x))
        nn_fail(t, nn_arg_at(t, c, "x")->loc, "size of %s", nn_type_text(t, x));
    nn_collect(t, x, &leaf);
    for (uint32_t i = 0; i < leaf.n; i++) {
        nn_shape s = nn_shape_of(t, leaf.at[i]);
        n = nnc_dim_add(t->m->dims, n, nn_shape_size(t, &s));
    }
    return nn_dim_value(t, n);
}

nn_v nn_b_unflatten(nn_trace *t, const nn_bcall *c)
{
    nn_v v = nn_arg_tensor(t, c, "v"), like = nn_argument(t, c, "like"), tree;
    nn_leaves leaf = {0};
    nnc_dims *d = t->m->dims;
    nnc_dim from = 0;
    if (nn_rank(t, v) != 1 || v->is_key)
        nn_fail(t, nn_arg_at(t, c, "v")->loc, "unflatten takes a vector, this is %s",
                nn_type_text(t, v));
    tree = parameters_of(t, like, c->at);
    if (!nn_can_be_tensor(tree) && !nn_is_tree(tree))
        nn_fail(t, nn_arg_at(t, c, "like")->loc, "unflatten like %s", nn_type_text(t, like));
    nn_collect(t, tree, &leaf);
    for (uint32_t i = 0; i < leaf.n; i++) {
        nn_v old = leaf.at[i];
        nn_shape s = nn_shape_of(t, old);
        nnc_dim n = nn_shape_size(t, &s), to = nnc_dim_add(d, from, n);
        if (nnc_dim_lo(d, nnc_dim_sub(d, nn_axis_size(t, v, 0), to)) < 0)
            nn_fail(t, c->at->loc, "the vector has %s elements, the leaves need more",
                    nnc_dim_text(d, nn_axis_size(t, v, 0)));
        nn_v part = nn_like(t, v, nnc_g_slice_axis(&t->b, v->ssa, 0, from, 1, n));
        part = nn_reshape_to(t, part, &s);
        leaf.at[i] = old->weak || old->is_key ? part : nn_convert(t, part, nn_dtype(t, old));
        from = to;
    }
    if (from != nn_axis_size(t, v, 0))
        nn_fail(t, c->at->loc, "the vector has %s elements, the leaves have %s",
                nnc_dim_text(d, nn_axis_size(t, v, 0)), nnc_dim_text(d, from));
    const nn_v *next = leaf.at;
    return nn_rebuild(t, tree, &next);
}

nn_v nn_b_callable(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x");
    return nn_bool(t, x && (x->kind == NN_V_function || x->kind == NN_V_builtin ||
                            x->kind == NN_V_closure || x->kind == NN_V_model ||
                            x->kind == NN_V_blueprint || x->kind == NN_V_law ||
                            x->kind == NN_V_dtype));
}
