/* Every mention of a key is a stream of its own.
 *
 * A mention folds into the key: its ordinal among the mentions of that name in the text of the declaration, and the turn
 * of every loop between the key's binding and the mention.  A top-level key also folds the name of the declaration that
 * mentions it.  Sites are textual, so inlining, batching and the order of evaluation change nothing. */
#include "frontend/nn/trace.h"
#include <string.h>

/* Ordinals of the names in a declaration, by node. */
typedef struct site {
    uint32_t node, ordinal;
    nnc_sym name;
} site;
struct nn_sites {
    NNC_BUF(site) at;
};

static void number_names(nn_trace *t, struct nn_sites *s, const nn_ast *e)
{
    if (nn_is(e, NN_name)) {
        uint32_t n = 1;
        for (uint32_t i = s->at.n; i-- > 0;)
            if (s->at.at[i].name.id == e->name.id) {
                n = s->at.at[i].ordinal + 1;
                break;
            }
        NNC_PUSH(t->arena, &s->at, (site){e->id, n, e->name});
    }
    for (uint32_t i = 0; i < e->nkid; i++)
        number_names(t, s, e->kid[i]);
}

static uint32_t ordinal(nn_trace *t, nn_decl *d, const nn_ast *name)
{
    if (!d)
        return 1;
    if (!d->sites) {
        d->sites = nnc_arena_alloc(t->arena, sizeof *d->sites);
        number_names(t, d->sites, d->node);
    }
    for (uint32_t i = 0; i < d->sites->at.n; i++)
        if (d->sites->at.at[i].node == name->id)
            return d->sites->at.at[i].ordinal;
    return 1;
}

uint32_t nn_hash32(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (uint8_t)*s) * 16777619u;
    return h;
}

nn_v nn_key_mention(nn_trace *t, const nn_ast *name, nn_v key, uint32_t bound_turns, nn_decl *top)
{
    nn_decl *here = t->frame->decl;
    uint32_t place = ordinal(t, here, name),
             n = t->env->nturn > bound_turns ? t->env->nturn - bound_turns : 0;
    nnc_value k = key->ssa;
    if (top)
        k = nnc_g_fold_key(&t->b, k, nn_hash32(nn_sym(t, top->name)), 0, NULL);
    nnc_value *turn = nnc_arena_array(t->arena, n, sizeof *turn);
    for (uint32_t i = 0; i < n; i++)
        turn[i] = nnc_g_cast(&t->b, t->env->turn[bound_turns + i]->ssa, NNC_DT_i64);
    return nn_key_value(t, nnc_g_fold_key(&t->b, k, place, n, turn));
}
