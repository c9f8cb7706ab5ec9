/* `@`: [.., m, k] @ [.., k, n]; a vector on the left is a row, on the right a column. */
#include "frontend/nn/number.h"

static void check_inner(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    int ra = nn_rank(t, a), rb = nn_rank(t, b);
    if (ra == 0 || rb == 0)
        nn_fail(t, at->loc, "'@' needs vectors or matrices, this is %s @ %s; use * for numbers",
                nn_type_text(t, a), nn_type_text(t, b));
    nnc_dim x = nn_axis_size(t, a, ra - 1), y = nn_axis_size(t, b, rb == 1 ? 0 : rb - 2);
    if (x == y)
        return;
    nn_error(t, at->loc, "inner dimensions differ: %s against %s", nnc_dim_text(t->m->dims, x),
             nnc_dim_text(t->m->dims, y));
    nnc_note(t->diag, at->loc, "%s @ %s", nn_type_text(t, a), nn_type_text(t, b));
    for (unsigned i = 0; nn_is(at, NN_binary) && i < 2; i++) {
        const nn_ast *side = nn_kid(at, i);
        nn_slot *s = nn_is(side, NN_name) ? nn_lookup(t, side->name) : NULL;
        if (s && s->where.id)
            nnc_note(t->diag, s->where, "'%s' is %s, bound here", nn_sym(t, side->name),
                     nn_type_text(t, i ? b : a));
    }
    nn_fail_silently(t);
}

static void check_batch(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    int ra = nn_rank(t, a) - 2, rb = nn_rank(t, b) - 2;
    for (int i = 1; i <= ra && i <= rb; i++) {
        nnc_dim x = nn_axis_size(t, a, ra - i), y = nn_axis_size(t, b, rb - i);
        if (x != y && x != 1 && y != 1)
            nn_fail(t, at->loc, "leading dimensions differ: %s against %s in %s @ %s",
                    nnc_dim_text(t->m->dims, x), nnc_dim_text(t->m->dims, y), nn_type_text(t, a),
                    nn_type_text(t, b));
    }
}

/* Labels of the rows of a and the columns of b. */
static const nn_label *const *labels(nn_trace *t, nn_v a, nn_v b, int rank)
{
    if (!a->label && !b->label)
        return NULL;
    const nn_label **out = nnc_arena_array(t->arena, (size_t)rank + 1, sizeof *out);
    int ra = nn_rank(t, a), rb = nn_rank(t, b);
    if (rb == 1 && a->label)
        for (int i = 0; i < ra - 1; i++)
            out[i] = a->label[i];
    return out;
}

nn_v nn_matmul(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    nn_promote(t, &a, &b, at);
    if (nn_kind_of(nn_dtype(t, a)) == 0)
        nn_fail(t, at->loc,
                "'@' has no meaning for two bools; convert one with f32(..) or i32(..)");
    check_inner(t, a, b, at);
    check_batch(t, a, b, at);
    nn_val *r = nnc_arena_alloc(t->arena, sizeof *r);
    r->kind = NN_V_tensor;
    r->weak = a->weak;
    r->ssa = nnc_g_matmul(&t->b, a->ssa, b->ssa, NNC_DT_none);
    r->label = labels(t, a, b, nn_rank(t, r));
    return r;
}
