/* x[..] = v, x[..] += v: a new value of x.
 *
 * Three ways, by what the index is.  Blocks, windows and single elements: dynamic_update_slice.  Integer tensors:
 * scatter_nd on the axes that they index, brought to the front; sums of repeated places are kept, of repeated
 * assignments the last.  Everything else (masks, stepped ranges, ranges whose size the run knows): v is spread over the
 * whole tensor by a gather and a select takes it where the index is. */
#include "frontend/nn/index.h"
#include <string.h>

/* x and v of one dtype, which must be that of x unless x is weak. */
static void agree(nn_trace *t, nn_v *x, nn_v *v, const nn_ast *at)
{
    nn_v before = *x, value = *v;
    if ((*x)->is_key || (*v)->is_key) {
        if ((*x)->is_key != (*v)->is_key)
            nn_fail(t, at->loc, "%s cannot be stored in %s", nn_type_text(t, *v),
                    nn_type_text(t, *x));
        return;
    }
    nn_promote(t, x, v, at);
    if (!before->weak && nn_dtype(t, *x) != nn_dtype(t, before))
        nn_fail(t, at->loc, "%s cannot be stored in %s; convert it: %s(..)", nn_type_text(t, value),
                nn_type_text(t, before), nnc_dtype_infos[nn_dtype(t, before)].name);
}

/* v, broadcastable to s, with rank s.rank: ones in front. */
static nn_v pad_rank(nn_trace *t, nn_v v, const nn_shape *s, const nn_ast *at)
{
    nn_shape a = nn_shape_of(t, v), out = {.rank = s->rank};
    bool fits = a.rank <= s->rank;
    for (int i = 0; fits && i < s->rank; i++) {
        int k = i - (s->rank - a.rank);
        out.dim[i] = k < 0 ? 1 : a.dim[k];
        fits = out.dim[i] == 1 || out.dim[i] == s->dim[i];
    }
    if (!fits)
        nn_fail(t, at->loc, "a value of shape %s does not fit the indexed part, which is %s",
                nn_shape_text(t, &a), nn_shape_text(t, s));
    return nn_reshape_to(t, v, &out);
}

/* v has the axes of the indexed part; the result has those of the base: ones for single elements, none for `_`. */
static nn_v to_base_axes(nn_trace *t, nn_v v, const nn_places *p)
{
    nn_shape a = nn_shape_of(t, v), out = {0};
    int axis = 0;
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        if (q->kind == NN_P_new)
            axis++;
        else
            out.dim[out.rank++] = q->kind == NN_P_int || q->kind == NN_P_pick ? 1 : a.dim[axis++];
    }
    return nn_reshape_to(t, v, &out);
}

/* ---- dynamic_update_slice ---- */

static nn_v store_block(nn_trace *t, nn_v x, const nn_places *p, nn_v v)
{
    nn_shape window = {0};
    nnc_value start[NNC_MAX_RANK];
    nnc_dim one = 1;
    bool whole = true;
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        if (q->kind == NN_P_new)
            continue;
        bool single = q->kind == NN_P_int || q->kind == NN_P_pick;
        nnc_value from = q->kind == NN_P_all ? nn_i64(t, 0)
                         : q->kind == NN_P_int || q->kind == NN_P_block
                             ? nn_dim_value(t, q->start)->ssa
                             : nn_scalar_i64(t, q->index);
        start[window.rank] = nnc_g_reshape(&t->b, from, 1, &one);
        window.dim[window.rank++] = single ? 1 : q->size;
        whole &= q->kind == NN_P_all;
    }
    v = nn_broadcast_to(t, to_base_axes(t, v, p), &window);
    if (whole)
        return v;
    unsigned rank = (unsigned)window.rank;
    if (x->is_key)
        start[rank++] = nnc_g_reshape(&t->b, nn_i64(t, 0), 1, &one);
    nnc_value at = nnc_g_concat(&t->b, rank, start, 0);
    return nn_like(t, x, nnc_g_dynamic_update_slice(&t->b, x->ssa, v->ssa, at));
}

/* ---- select ---- */

/* i64[n] along `axis` of a tensor of that rank. */
static nnc_value along(nn_trace *t, nnc_value v, int axis, int rank)
{
    nnc_dim dim[NNC_MAX_RANK];
    for (int i = 0; i < rank; i++)
        dim[i] = 1;
    dim[axis] = nnc_value_ty(t->m, v)->dim[0];
    return nnc_g_reshape(&t->b, v, rank, dim);
}

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

/* bool[n]: which elements of the axis the place means; *local: their number within the place. */
static nnc_value member(nn_trace *t, const nn_place *q, nnc_dim n, nnc_value *local)
{
    nnc_value i = nnc_g_iota(&t->b, NNC_DT_i64, 1, &n, 0), zero = nn_i64(t, 0);
    bool down = q->kind == NN_P_block && q->step < 0;
    int64_t step = down ? -q->step : q->step;
    nnc_value from = q->kind == NN_P_int || q->kind == NN_P_block ? nn_dim_value(t, q->start)->ssa
                                                                  : nn_scalar_i64(t, q->index);
    if (q->kind == NN_P_int || q->kind == NN_P_pick)
        return op2(t, NNC_OP_eq, i, from);
    nnc_value count = q->kind == NN_P_run ? q->count : nnc_g_extent(&t->b, q->size);
    nnc_value gap = down ? op2(t, NNC_OP_sub, from, i) : op2(t, NNC_OP_sub, i, from), in;
    in = op2(t, NNC_OP_le, zero, gap);
    if (step != 1) {
        in = op2(t, NNC_OP_and, in,
                 op2(t, NNC_OP_eq, op2(t, NNC_OP_rem, gap, nn_i64(t, step)), zero));
        gap = op2(t, NNC_OP_div, gap, nn_i64(t, step));
    }
    *local = gap;
    return op2(t, NNC_OP_and, in, op2(t, NNC_OP_lt, gap, count));
}

static nn_v choose(nn_trace *t, nnc_value mask, nn_v v, nn_v x)
{
    if (x->is_key) { /* the hidden axis */
        nnc_type_rec r = *nnc_value_ty(t->m, mask);
        r.dim[r.rank++] = 1;
        mask = nnc_g_reshape(&t->b, mask, r.rank, r.dim);
    }
    nn_shape s = nn_shape_of(t, x);
    return nn_broadcast_to(t, nn_like(t, x, nnc_g_select(&t->b, mask, v->ssa, x->ssa)), &s);
}

static nn_v store_spread(nn_trace *t, nn_v x, const nn_places *p, nn_v v)
{
    nn_shape s = nn_shape_of(t, x);
    nnc_value mask = {0};
    v = to_base_axes(t, v, p);
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        if (q->kind == NN_P_new || q->kind == NN_P_all)
            continue;
        nnc_value local = {0}, in = member(t, q, s.dim[q->axis], &local);
        if (local.id && nn_axis_size(t, v, q->axis) != 1)
            v = nn_like(t, v, nnc_g_gather(&t->b, v->ssa, local, q->axis, 0));
        in = along(t, in, q->axis, s.rank);
        mask = mask.id ? op2(t, NNC_OP_and, mask, in) : in;
    }
    return mask.id ? choose(t, mask, v, x) : nn_broadcast_to(t, v, &s);
}

/* ---- scatter ---- */

/* Known single elements are indices like the others here. */
static nn_places as_picks(nn_trace *t, const nn_places *p)
{
    nn_places q = *p;
    for (unsigned i = 0; i < q.n; i++)
        if (q.at[i].kind == NN_P_int) {
            q.at[i].kind = NN_P_pick;
            q.at[i].index = nn_dim_value(t, q.at[i].start)->ssa;
        }
    return q;
}

/* The axes of the indexed part, those of the index tensors first, `_` dropped. */
static nn_v lists_first(nn_trace *t, nn_v v, const nn_places *p, int ncommon)
{
    nn_shape s = nn_shape_of(t, v), out = {0};
    int axis = 0, front = -1, kept = 0;
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        if (q->kind == NN_P_new) {
            axis++;
        } else if (q->kind == NN_P_list && front < 0) {
            front = out.rank;
            for (int k = 0; k < ncommon; k++)
                out.dim[out.rank++] = s.dim[axis++];
        } else if (q->kind == NN_P_all) {
            kept += front < 0;
            out.dim[out.rank++] = s.dim[axis++];
        }
    }
    int64_t perm[NNC_MAX_RANK];
    for (int i = 0; i < out.rank; i++)
        perm[i] = i < ncommon ? front + i : i < ncommon + kept ? i - ncommon : i;
    return nn_permute(t, nn_reshape_to(t, v, &out), perm);
}

static nn_v store_lists(nn_trace *t, nn_v x, const nn_places *places, nnc_word reduction, nn_v v)
{
    nn_places p = as_picks(t, places);
    nn_shape part = nn_places_shape(t, x, &p), common;
    int rank = nn_rank(t, x), n = 0;
    int64_t perm[NNC_MAX_RANK], back[NNC_MAX_RANK];
    nnc_value index = nn_index_tuples(t, &p, &common);
    v = lists_first(t, nn_broadcast_to(t, v, &part), &p, common.rank);
    for (unsigned i = 0; i < p.n; i++)
        if (p.at[i].kind == NN_P_pick || p.at[i].kind == NN_P_list)
            perm[n++] = p.at[i].axis;
    for (unsigned i = 0; i < p.n; i++)
        if (p.at[i].kind == NN_P_all)
            perm[n++] = p.at[i].axis;
    for (int i = 0; i < rank; i++)
        back[perm[i]] = i;
    nn_v y = nn_permute(t, x, perm);
    y = nn_like(t, x, nnc_g_scatter_nd(&t->b, y->ssa, index, v->ssa, reduction));
    return nn_permute(t, y, back);
}

/* ---- one tensor ---- */

static bool has_list(const nn_places *p)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->at[i].kind == NN_P_list)
            return true;
    return false;
}

static nn_v store(nn_trace *t, nn_v x, const nn_places *p, nn_v v, const nn_ast *at)
{
    bool run = false, block = true;
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        run |= q->kind == NN_P_run;
        block &= q->kind != NN_P_run &&
                 ((q->kind != NN_P_block && q->kind != NN_P_window) || q->step == 1);
    }
    nn_shape part = run ? nn_shape_of(t, nn_places_read(t, x, p)) : nn_places_shape(t, x, p);
    v = pad_rank(t, v, &part, at);
    if (has_list(p))
        return store_lists(t, x, p, NNC_W_none, v);
    return block ? store_block(t, x, p, v) : store_spread(t, x, p, v);
}

/* x[list] += v adds all of a repeated place. */
static nn_v accumulate(nn_trace *t, nn_v x, const nn_places *p, nn_operator op, nn_v v,
                       const nn_ast *at)
{
    nn_shape part = nn_places_shape(t, x, p);
    if (nn_dtype(t, x) == NNC_DT_bool)
        nn_fail(t, at->loc, "'%s=' does not work on bools", nn_operator_text[op]);
    v = pad_rank(t, v, &part, at);
    if (op == NN_OP_sub)
        v = nn_like(t, v, nnc_g_unary(&t->b, NNC_OP_neg, v->ssa));
    if (op == NN_OP_div)
        v = nn_like(t, v, op2(t, NNC_OP_div, nnc_g_float(&t->b, nn_dtype(t, v), 1), v->ssa));
    bool sum = op == NN_OP_add || op == NN_OP_sub;
    return store_lists(t, x, p, sum ? NNC_W_add : NNC_W_mul, v);
}

static nn_v update_places(nn_trace *t, nn_v x, const nn_places *p, nn_operator op, nn_v v,
                          const nn_ast *at)
{
    if (op != NN_OP_none && !(has_list(p) && op >= NN_OP_add && op <= NN_OP_div))
        v = nn_binary(t, op, nn_places_read(t, x, p), v, at);
    agree(t, &x, &v, at);
    bool gathered = op != NN_OP_none && has_list(p);
    if (gathered && (op != NN_OP_div || nnc_dtype_is_float(nn_dtype(t, x))) && op >= NN_OP_add &&
        op <= NN_OP_div)
        return accumulate(t, x, p, op, v, at);
    if (gathered && op == NN_OP_div)
        nn_fail(t, at->loc, "'/=' gives floats, and %s holds integers", nn_type_text(t, x));
    return store(t, x, p, v, at);
}

/* ---- masks ---- */

/* v has one row per true element: row k of v goes to the k-th of them. */
static nn_v spread_rows(nn_trace *t, nn_v v, nn_v mask, const nn_shape *s, unsigned rank)
{
    nn_shape lead = {.rank = (int)rank};
    memcpy(lead.dim, s->dim, sizeof lead.dim);
    nnc_dim n = nn_shape_size(t, &lead);
    nnc_value one = nn_i64(t, 1), bits = nnc_g_reshape(&t->b, mask->ssa, 1, &n);
    nnc_value place =
        nnc_g_cumulate(&t->b, NNC_W_add, nnc_g_cast(&t->b, bits, NNC_DT_i64), 0, false, false);
    place = op2(t, NNC_OP_sub, place, one);
    v = nn_like(t, v, nnc_g_gather(&t->b, v->ssa, place, 0, 0));
    nn_shape a = nn_shape_of(t, v), out = lead;
    for (int i = 1; i < a.rank; i++)
        out.dim[out.rank++] = a.dim[i];
    return nn_reshape_to(t, v, &out);
}

static nn_v update_masked(nn_trace *t, nn_v x, const nn_places *p, nn_operator op, nn_v v,
                          const nn_ast *at)
{
    nn_v mask = nn_as_tensor(t, p->mask, p->mask_at);
    nn_shape s = nn_shape_of(t, x), a, rows = {.rank = s.rank - (int)p->mask_rank + 1};
    nn_shape bits = {.rank = s.rank};
    nn_v probe = nn_index_masked(t, x, p);
    rows.dim[0] = nn_axis_size(t, probe, 0);
    for (int i = 0; i < s.rank; i++) {
        bits.dim[i] = i < (int)p->mask_rank ? s.dim[i] : 1;
        if (i >= (int)p->mask_rank)
            rows.dim[i - (int)p->mask_rank + 1] = s.dim[i];
    }
    v = pad_rank(t, v, &rows, at);
    a = nn_shape_of(t, v);
    if (a.dim[0] != 1 || rows.dim[0] == 1) {
        v = spread_rows(t, v, mask, &s, p->mask_rank);
    } else {
        nn_shape out = {.rank = s.rank};
        for (int i = 0; i < s.rank; i++)
            out.dim[i] = i < (int)p->mask_rank ? 1 : a.dim[i - (int)p->mask_rank + 1];
        v = nn_reshape_to(t, v, &out);
    }
    if (op != NN_OP_none)
        v = nn_binary(t, op, x, v, at);
    agree(t, &x, &v, at);
    nnc_value m = nnc_g_reshape(&t->b, mask->ssa, bits.rank, bits.dim);
    return choose(t, m, v, x);
}

static bool all_whole(const nn_places *p)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->at[i].kind != NN_P_all)
            return false;
    return true;
}

static nn_v update_tensor(nn_trace *t, nn_v x, const nn_items *items, nn_operator op, nn_v v)
{
    const nn_ast *at = items->node;
    nn_places p;
    for (unsigned i = 0; i < items->n; i++)
        if (items->at[i].kind == NN_S_label)
            nn_fail(t, items->at[i].at->loc, "what a label selects cannot be assigned");
    v = nn_as_tensor(t, v, at);
    nn_places_resolve(t, x, items, &p);
    if (!p.mask_rank)
        return update_places(t, x, &p, op, v, at);
    if (all_whole(&p))
        return update_masked(t, x, &p, op, v, at);
    nn_places q = p; /* the part that the other items mean, masked, is put back whole */
    q.mask_rank = 0;
    nn_v part = update_masked(t, nn_places_read(t, x, &q), &p, op, v, at);
    return update_places(t, x, &q, NN_OP_none, part, at);
}

/* ---- trees ---- */

static nn_v update_tree(nn_trace *t, nn_v x, const nn_items *items, nn_operator op, nn_v v)
{
    const char *why = NULL;
    if (nn_can_be_tensor(x))
        return update_tensor(t, nn_as_tensor(t, x, items->node), items, op, v);
    if (!nn_is_tree(x))
        return x;
    bool single = nn_can_be_tensor(v);
    if (!single && (v->kind != x->kind || v->n != x->n))
        nn_fail(t, items->node->loc, "%s cannot be stored in %s", nn_type_text(t, v),
                nn_type_text(t, x));
    nn_val *r = nnc_arena_copy(t->arena, x, sizeof *x);
    nn_v *item = nnc_arena_array(t->arena, x->n + 1u, sizeof *item);
    for (uint32_t i = 0; i < x->n; i++) {
        if (!single && x->name && v->name && x->name[i].id != v->name[i].id)
            nn_fail(t, items->node->loc, "%s cannot be stored in %s%s", nn_type_text(t, v),
                    nn_type_text(t, x), why ? why : "");
        item[i] = update_tree(t, x->item[i], items, op, single ? v : v->item[i]);
    }
    r->item = item;
    return r;
}

static nn_v with_item(nn_trace *t, nn_v x, uint32_t i, nn_v v)
{
    nn_val *r = nnc_arena_copy(t->arena, x, sizeof *x);
    nn_v *item = nnc_arena_copy(t->arena, x->item, x->n * sizeof *item);
    item[i] = v;
    if (x->kind == NN_V_list)
        return nn_list(t, x->n, item);
    r->item = item;
    return r;
}

/* r["x"] = v and t[0] = v: which item?  -1: this is no such index. */
static int64_t item_number(nn_trace *t, nn_v base, const nn_items *items)
{
    const nn_item *s = &items->at[0];
    bool tuple = base->kind == NN_V_record && base->n && !base->name[0].id;
    if (items->n != 1 || s->kind != NN_S_item)
        return -1;
    if (base->kind == NN_V_record && s->v->kind == NN_V_text) {
        nnc_sym name = nn_name(t, s->v->text);
        for (uint32_t i = 0; i < base->n; i++)
            if (base->name[i].id == name.id)
                return i;
        nn_fail(t, s->at->loc, "%s has no field \"%s\"", nn_type_text(t, base), s->v->text);
    }
    if ((!tuple && (base->kind != NN_V_list || base->numeric)) || s->v->kind != NN_V_tensor ||
        nn_rank(t, s->v) != 0 || !nn_known(t, s->v))
        return -1;
    int64_t i = nn_ask_int(t, s->v, s->at, "an index");
    i += i < 0 ? base->n : 0;
    if (i < 0 || i >= (int64_t)base->n)
        nn_fail(t, s->at->loc, "index %lld is out of range for %u items", (long long)i, base->n);
    return i;
}

nn_v nn_index_update(nn_trace *t, nn_v base, const nn_ast *at_node, nn_operator op, nn_v v)
{
    nn_items items;
    if (base->kind == NN_V_poison || v->kind == NN_V_poison)
        nn_fail_silently(t);
    nn_slots_read(t, at_node, &items);
    int64_t i = item_number(t, base, &items);
    if (i >= 0) {
        nn_v old = base->item[i];
        return with_item(t, base, (uint32_t)i,
                         op == NN_OP_none ? v : nn_binary(t, op, old, v, at_node));
    }
    if (!nn_can_be_tensor(base) && !nn_is_tree(base))
        nn_fail(t, at_node->loc, "%s cannot be updated by an index", nn_type_text(t, base));
    return update_tree(t, base, &items, op, v);
}
