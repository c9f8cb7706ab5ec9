/* sweep: a grid of points, each a run of a graph of its own.
 *
 * Static heads choose the graph (one per combination), run-time heads are slices of arrays handed to it.  What a point
 * uses from outside becomes an operand of the host op.  The result's new axes carry the heads' values as labels. */
#include "frontend/nn/program.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/flow.h"
#include <string.h>

enum { MOST_VARIANTS = 4096 };

typedef struct head {
    const nn_ast *pattern, *at;
    bool fixed;
    nn_leaves turn; /* static: the values */
    nn_v xs;        /* run-time: a tensor or a tree of tensors with a common first axis */
    nn_leaves leaf;
    nnc_dim size;
    nn_label *label;
} head;

typedef struct sweeping {
    const nn_ast *e;
    uint32_t nhead;
    head *head;
    nn_operands o;
    NNC_BUF(nnp_variant) variant;
    nn_v value; /* of a point, its tree */
    NNC_BUF(nnc_type) leaf_type;
    nn_leaves leaf;
} sweeping;

static nnc_sym pattern_name(const nn_ast *p)
{
    return nn_is(p, NN_name) ? p->name : p->kid[0]->name;
}

static nn_label *label_of(nn_trace *t, head *h)
{
    nn_label *l = nnc_arena_alloc(t->arena, sizeof *l);
    l->name = pattern_name(h->pattern);
    nn_leaves v = {0};
    if (h->fixed) {
        v = h->turn;
    } else if (nn_is(h->pattern, NN_name) && nn_can_be_tensor(h->xs) && nn_known(t, h->xs) &&
               nn_rank(t, nn_as_tensor(t, h->xs, h->at)) == 1) {
        nn_static_turns(t, nn_freeze_value(t, h->xs, h->at, "labels"), h->at, &v);
    }
    l->n = v.n;
    l->value = v.n ? v.at : NULL;
    return l;
}

static void read_head(nn_trace *t, const nn_ast *in, head *h)
{
    h->pattern = nn_kid(in, 0);
    h->at = nn_kid(in, 1);
    h->fixed = nn_is(in, NN_static_in);
    nn_v xs = nn_expr(t, h->at);
    if (h->fixed) {
        nn_static_turns(t, xs, h->at, &h->turn);
        h->size = h->turn.n;
    } else {
        if (xs->kind == NN_V_list && !xs->numeric)
            nn_fail(t, h->at->loc,
                    "a sweep over %s chooses code, so its head is static: write '[%s in ..]'",
                    nn_type_text(t, xs), nn_sym(t, pattern_name(h->pattern)));
        h->xs = nn_can_be_tensor(xs) ? nn_as_tensor(t, xs, h->at) : xs;
        nn_collect(t, h->xs, &h->leaf);
        for (uint32_t i = 0; i < h->leaf.n; i++) {
            nnc_dim n = nn_rank(t, h->leaf.at[i]) ? nn_axis_size(t, h->leaf.at[i], 0) : 0;
            if (!nn_rank(t, h->leaf.at[i]) || (i && n != h->size))
                nn_fail(t, h->at->loc, "a sweep walks over the first axis, this is %s",
                        nn_type_text(t, xs));
            h->size = n;
        }
        if (!h->leaf.n)
            nn_fail(t, h->at->loc, "a sweep walks over numbers or tensors, this is %s",
                    nn_type_text(t, xs));
        if (!nnc_dim_is_const(h->size))
            nn_fail(t, h->at->loc,
                    "the number of points must be known at compile time, here it is '%s'",
                    nnc_dim_text(t->m->dims, h->size));
    }
    h->label = label_of(t, h);
}

/* ---- one variant ---- */

static nn_v slice_argument(nn_trace *t, nn_v x, nnc_block body, const char *name)
{
    const nnc_type_rec r = *nn_ty(t, x);
    nnc_value v = nnc_block_add_arg(
        t->m, body, nnc_type_tensor(t->m, (nnc_dtype)r.dtype, r.rank - 1, r.dim + 1), name);
    return nn_like(t, x, v);
}

/* Arguments of the point: an index for every run-time head, then slices; bind the patterns. */
static void bind_heads(nn_trace *t, sweeping *s, nnc_block body, const uint32_t *choice,
                       nn_inputs *in)
{
    for (uint32_t k = 0; k < s->nhead; k++) {
        head *h = &s->head[k];
        if (h->fixed) {
            nn_push_turn(t, nn_int(t, choice[k]));
            nn_head_bind(t, h->pattern, h->turn.at[choice[k]]);
            continue;
        }
        nnc_value index =
            nnc_block_add_arg(t->m, body, nnc_type_tensor(t->m, NNC_DT_i64, 0, NULL), "point");
        NNC_PUSH(t->arena, in, (nnp_input){NNP_INDEX, NNP_NONE, (int)k});
        nn_push_turn(t, nn_weak(t, index));
        nn_v *item = nnc_arena_array(t->arena, h->leaf.n, sizeof *item);
        for (uint32_t i = 0; i < h->leaf.n; i++) {
            item[i] = slice_argument(t, h->leaf.at[i], body, nn_sym(t, pattern_name(h->pattern)));
            NNC_PUSH(t->arena, in,
                     (nnp_input){NNP_SLICE, nn_operand(t, &s->o, h->leaf.at[i]), (int)k});
        }
        const nn_v *next = item;
        nn_v one = nn_rebuild(t, h->xs, &next);
        if (one->batch) {
            nn_val *m = nnc_arena_copy(t->arena, one, sizeof *one);
            m->batch--;
            one = m;
        }
        nn_head_bind(t, h->pattern, one);
    }
}

/* The leaves of this variant must be those of the first. */
static void check_leaves(nn_trace *t, sweeping *s, nn_v v, const nn_leaves *leaf)
{
    const char *why = NULL;
    bool same = nn_same_tree(t, s->value, v, &why) && leaf->n == s->leaf.n;
    for (uint32_t i = 0; same && i < leaf->n; i++)
        same = nnc_value_type(t->m, leaf->at[i]->ssa).id == s->leaf_type.at[i].id;
    if (!same)
        nn_fail(t, s->e->loc, "points of a sweep give one type, but here they give %s and %s",
                nn_type_text(t, s->value), nn_type_text(t, v));
}

static void check_assigned(nn_trace *t, const nn_region *r, const nn_ast *e)
{
    if (!r->written.n)
        return;
    nn_error(t, e->loc, "points of a sweep are independent, so '%s' cannot be assigned in one",
             nn_sym(t, r->written.at[0]->name));
    nnc_note(t->diag, r->written.at[0]->where,
             "bound here; give it as the point's value, or use 'for'");
    nn_fail_silently(t);
}

static void trace_variant(nn_trace *t, sweeping *s, const uint32_t *choice)
{
    nn_inputs in = {0};
    nn_side_graph g = nn_side_begin(t, "point", s->e->loc);
    nnc_block body = nnc_op_region(t->m, g.graph, 0);
    nn_region r = {.up = NULL, .first = t->nslot};
    nn_region *outer = t->region;
    t->region = &r;
    nn_env_push(t, NN_ENV_block);
    bind_heads(t, s, body, choice, &in);
    nn_v v = nn_block_value(t, nn_kid(s->e, 1));
    v = nn_settle_tree(t, v);
    nn_env_pop(t);
    t->region = outer;
    check_assigned(t, &r, s->e);
    nn_leaves leaf = {0};
    nn_collect(t, v, &leaf);
    if (!s->value) {
        s->value = v;
        s->leaf = leaf;
        for (uint32_t i = 0; i < leaf.n; i++)
            NNC_PUSH(t->arena, &s->leaf_type, nnc_value_type(t->m, leaf.at[i]->ssa));
    } else {
        check_leaves(t, s, v, &leaf);
    }
    nnc_value *out = nnc_arena_array(t->arena, leaf.n, sizeof *out);
    for (uint32_t i = 0; i < leaf.n; i++)
        out[i] = leaf.at[i]->ssa;
    nn_side_end(t, &g, leaf.n, out);
    nn_side_captures(t, &g, &s->o, &in);
    NNC_PUSH(t->arena, &s->variant, (nnp_variant){g.number, in.at});
}

static void trace_variants(nn_trace *t, sweeping *s)
{
    uint32_t *choice = nnc_arena_array(t->arena, s->nhead, sizeof *choice);
    uint64_t n = 1;
    for (uint32_t k = 0; k < s->nhead; k++)
        n *= s->head[k].fixed ? s->head[k].turn.n : 1;
    if (n > MOST_VARIANTS)
        nn_fail(
            t, s->e->loc,
            "the static heads make %llu compiled versions; at most %d are sensible, sweep some of "
            "them at run time",
            (unsigned long long)n, MOST_VARIANTS);
    for (uint64_t i = 0; i < n; i++) {
        trace_variant(t, s, choice);
        for (uint32_t k = s->nhead; k-- > 0;) {
            if (!s->head[k].fixed)
                continue;
            if (++choice[k] < s->head[k].turn.n)
                break;
            choice[k] = 0;
        }
    }
}

/* ---- the op ---- */

static const nnp_sweep *descriptor(nn_trace *t, sweeping *s)
{
    nnp_sweep *d = nnc_arena_alloc(t->arena, sizeof *d);
    nnp_head *h = nnc_arena_array(t->arena, s->nhead, sizeof *h);
    for (uint32_t k = 0; k < s->nhead; k++) {
        head *x = &s->head[k];
        h[k] = (nnp_head){.label = nn_label_axis(t, x->label, x->size),
                          .choose = x->fixed,
                          .count = (int)x->size,
                          .at = NNP_NONE};
        if (!x->fixed)
            h[k].at = nn_operand(t, &s->o, x->leaf.at[0]);
    }
    *d = (nnp_sweep){(int)s->nhead,     (int)s->variant.n, h,          s->variant.at,
                     (int)s->o.value.n, (int)s->leaf.n,    t->measures};
    return d;
}

static nnc_type stacked_type(nn_trace *t, sweeping *s, nnc_type leaf)
{
    const nnc_type_rec r = *nnc_type_get(t->m, leaf);
    nnc_dim dim[NNC_MAX_RANK];
    if (s->nhead + r.rank > NNC_MAX_RANK)
        nn_fail(t, s->e->loc, "the sweep's axes and those of its points are more than %d",
                NNC_MAX_RANK);
    for (uint32_t k = 0; k < s->nhead; k++)
        dim[k] = s->head[k].size;
    for (int i = 0; i < r.rank; i++) {
        if (!nnc_dim_is_const(r.dim[i]))
            nn_fail(t, s->e->loc,
                    "a point's value must have a size known at compile time, here it is '%s'",
                    nnc_dim_text(t->m->dims, r.dim[i]));
        dim[s->nhead + (uint32_t)i] = r.dim[i];
    }
    return nnc_type_tensor(t->m, (nnc_dtype)r.dtype, (int)s->nhead + r.rank, dim);
}

static nn_v grid_leaf(nn_trace *t, sweeping *s, nn_v leaf, nnc_value v)
{
    int rank = nn_rank(t, leaf);
    const nn_label **label = nnc_arena_array(t->arena, s->nhead + (size_t)rank, sizeof *label);
    for (uint32_t k = 0; k < s->nhead; k++)
        label[k] = s->head[k].label;
    for (int i = 0; leaf->label && i < rank; i++)
        label[s->nhead + (uint32_t)i] = leaf->label[i];
    return nn_with_labels(t, leaf->is_key ? nn_key_value(t, v) : nn_tensor(t, v), label);
}

static nn_v grid_value(nn_trace *t, sweeping *s, nnc_op op)
{
    if (s->value->kind == NN_V_none)
        return s->value;
    nn_v *item = nnc_arena_array(t->arena, s->leaf.n, sizeof *item);
    for (uint32_t i = 0; i < s->leaf.n; i++) {
        nnc_value v =
            op.id
                ? nnc_op_out(t->m, op, i)
                : nnc_g_broadcast(&t->b, nnc_g_int(&t->b, nn_dtype(t, s->leaf.at[i]), 0),
                                  nnc_type_get(t->m, stacked_type(t, s, s->leaf_type.at[i]))->rank,
                                  nnc_type_get(t->m, stacked_type(t, s, s->leaf_type.at[i]))->dim);
        item[i] = grid_leaf(t, s, s->leaf.at[i], v);
    }
    const nn_v *next = item;
    nn_v v = nn_rebuild(t, s->value, &next);
    return nn_batched(t, v, s->nhead);
}

nn_v nn_sweep(nn_trace *t, const nn_ast *e)
{
    if (!t->frame->effects)
        nn_fail(t, e->loc, "a sweep belongs into an experiment; a function loops with 'for'");
    sweeping s = {.e = e, .nhead = nn_kid(e, 0)->nkid};
    bool measures = t->measures;
    t->measures = false;
    s.head = nnc_arena_array(t->arena, s.nhead, sizeof *s.head);
    for (uint32_t k = 0; k < s.nhead; k++)
        read_head(t, nn_kid(e, 0)->kid[k], &s.head[k]);
    trace_variants(t, &s);
    const nnp_sweep *d = descriptor(t, &s);
    t->measures |= measures;
    nnc_type *out = nnc_arena_array(t->arena, s.leaf.n, sizeof *out);
    for (uint32_t i = 0; i < s.leaf.n; i++)
        out[i] = stacked_type(t, &s, s.leaf_type.at[i]);
    nnc_op op = nn_emit_host(t, NNP_SWEEP, d, &s.o, s.leaf.n, out, e);
    return grid_value(t, &s, op);
}
