/* What the regions of loops carry: the names that their body assigns.
 *
 * The leaves of these names become operands and block arguments; while the body is traced the slots hold the block
 * arguments, afterwards the results.  What is assigned is found twice: by scanning the text (so that most loops are
 * traced once), and by nn_set_slot while tracing (state of models); when the second finds more, or when a weak value
 * becomes concrete, the region is dropped and traced again. */
#include "frontend/nn/flow.h"
#include "frontend/nn/gradient.h"

/* ---- what a text assigns ---- */

static void note_root(nn_trace *t, const nn_ast *target, nn_slots *out)
{
    if (nn_is(target, NN_tuple)) {
        for (uint32_t i = 0; i < target->nkid; i++)
            note_root(t, target->kid[i], out);
        return;
    }
    while (nn_is(target, NN_field) || nn_is(target, NN_at))
        target = nn_kid(target, 0);
    nn_slot *s = nn_is(target, NN_name) ? nn_lookup(t, target->name) : NULL;
    for (uint32_t i = 0; s && i < out->n; i++)
        if (out->at[i] == s)
            s = NULL;
    if (s && s->is_var && s->val->kind != NN_V_poison)
        NNC_PUSH(t->arena, out, s);
}

void nn_assigned(nn_trace *t, const nn_ast *text, nn_slots *out)
{
    if (nn_is(text, NN_bind) || nn_is(text, NN_update) || nn_is(text, NN_call_bang))
        note_root(t, nn_kid(text, 0), out);
    if (nn_is(text, NN_lambda))
        return; /* cannot assign what is around it */
    for (uint32_t i = 0; i < text->nkid; i++)
        nn_assigned(t, text->kid[i], out);
}

/* ---- carried values ---- */

nn_v nn_like_leaf(nn_trace *t, nnc_value v, nn_v like, bool weak)
{
    nn_v x = like->is_key ? nn_key_value(t, v) : weak ? nn_weak(t, v) : nn_tensor(t, v);
    return nn_with_labels(t, x, like->label);
}

void nn_carry_init(nn_trace *t, nn_carry *c)
{
    c->leaf.n = 0;
    for (uint32_t i = 0; i < c->slot.n; i++) {
        uint32_t from = c->leaf.n;
        nn_collect(t, c->initial.at[i], &c->leaf);
        for (uint32_t k = from; k < c->leaf.n; k++)
            if (k < c->dtype.n && c->dtype.at[k] && c->leaf.at[k]->weak)
                c->leaf.at[k] = nn_convert(t, c->leaf.at[k], c->dtype.at[k]);
    }
    while (c->dtype.n < c->leaf.n)
        NNC_PUSH(t->arena, &c->dtype, NNC_DT_none);
}

/* Slots hold these values from here on: one per leaf, in order. */
void nn_carry_set(nn_trace *t, nn_carry *c, const nnc_value *v)
{
    uint32_t k = 0;
    for (uint32_t i = 0; i < c->slot.n; i++) {
        nn_leaves old = {0};
        nn_collect(t, c->initial.at[i], &old);
        nn_v *item = nnc_arena_array(t->arena, old.n, sizeof *item);
        for (uint32_t j = 0; j < old.n; j++, k++)
            item[j] = nn_like_leaf(t, v[k], old.at[j], c->leaf.at[k]->weak);
        const nn_v *next = item;
        nn_v now = nn_rebuild(t, c->initial.at[i], &next);
        c->slot.at[i]->val = nn_as_leaf(t, c->slot.at[i]->name, now);
    }
}

void nn_carry_restore(nn_carry *c)
{
    for (uint32_t i = 0; i < c->slot.n; i++)
        c->slot.at[i]->val = c->initial.at[i];
}

void nn_carry_add(nn_trace *t, nn_carry *c, nn_slot *s, nn_v initial)
{
    for (uint32_t i = 0; i < c->slot.n; i++)
        if (c->slot.at[i] == s)
            return;
    nn_touch(t, s, initial);
    NNC_PUSH(t->arena, &c->slot, s);
    NNC_PUSH(t->arena, &c->initial, initial);
    c->dtype.n = 0; /* leaves are counted anew */
}

void nn_carry_begin(nn_trace *t, nn_carry *c, const nn_ast *const *text, unsigned n)
{
    nn_slots found = {0};
    for (unsigned i = 0; i < n; i++)
        if (text[i])
            nn_assigned(t, text[i], &found);
    for (uint32_t i = 0; i < found.n; i++)
        nn_carry_add(t, c, found.at[i], found.at[i]->val);
}

bool nn_carry_leaf(nn_trace *t, nn_v old, nn_v x, nnc_dtype *dtype, nnc_value *out)
{
    nnc_dtype want = nn_dtype(t, old);
    if (old->weak && !x->weak) {
        *dtype = nn_dtype(t, x);
        return false;
    }
    if (x->weak && old->weak && nn_dtype(t, x) != want) {
        if (!nnc_dtype_is_float(want)) { /* 0 that becomes 0.5 */
            *dtype = nn_float_here(t);
            return false;
        }
        x = nn_weak(t, nnc_g_cast(&t->b, x->ssa, want));
    } else if (x->weak && !old->weak) {
        x = nn_convert(t, x, want);
    }
    *out = x->ssa;
    return true;
}

/* The leaves at the end of a turn in the types of the carried ones; false: trace again. */
bool nn_carry_end(nn_trace *t, nn_carry *c, nn_region *r, nnc_value *out)
{
    bool again = false;
    for (uint32_t i = 0; i < r->written.n; i++) {
        nn_slot *s = r->written.at[i];
        bool have = false;
        for (uint32_t k = 0; k < c->slot.n; k++)
            have |= c->slot.at[k] == s;
        if (!have) {
            nn_carry_add(t, c, s, r->old.at[i]);
            again = true;
        }
    }
    if (again)
        return false;
    nn_leaves now = {0};
    for (uint32_t i = 0; i < c->slot.n; i++)
        nn_collect(t, c->slot.at[i]->val, &now);
    for (uint32_t k = 0; k < now.n; k++)
        again |= !nn_carry_leaf(t, c->leaf.at[k], now.at[k], &c->dtype.at[k], &out[k]);
    return !again;
}

_Noreturn void nn_unstable(nn_trace *t, nn_carry *c, const nn_ast *at)
{
    nn_fail(t, at->loc, "the types of '%s' and others change from turn to turn",
            nn_sym(t, c->slot.at[0]->name));
}
