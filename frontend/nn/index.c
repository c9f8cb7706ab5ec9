/* Indexing: x[..] for tensors, trees of tensors, static lists, tuples and strings.
 *
 * A tensor is read in five steps, each of which is left out when nothing asks for it: the mask (compact, then prefix:
 * a symbol per mask), one `slice` for all blocks and known integers, a gather per run-time range, one gather (or
 * gather_nd) for all run-time integers and integer tensors, and a reshape that drops and adds axes. */
#include "frontend/nn/index.h"
#include <string.h>

/* ---- masks ---- */

/* The first `rank` axes as one. */
static nn_v join_leading(nn_trace *t, nn_v x, unsigned rank)
{
    nn_shape s = nn_shape_of(t, x), out = {.rank = s.rank - (int)rank + 1};
    nn_shape lead = {.rank = (int)rank};
    memcpy(lead.dim, s.dim, sizeof lead.dim);
    out.dim[0] = nn_shape_size(t, &lead);
    for (int i = (int)rank; i < s.rank; i++)
        out.dim[i - (int)rank + 1] = s.dim[i];
    return nn_reshape_to(t, x, &out);
}

/* Places of the true elements of a known mask. */
static nn_v known_places(nn_trace *t, nn_v mask, const nn_ast *at)
{
    nnc_tensor x = nn_ask_tensor(t, mask, at, "a mask");
    int64_t n = nnc_tensor_count(&x), k = 0;
    const uint8_t *bit = x.data;
    int64_t *place = nnc_arena_array(t->arena, (size_t)n + 1, sizeof *place);
    for (int64_t i = 0; i < n; i++)
        if (bit[i])
            place[k++] = i;
    nnc_dim dim = k;
    return nn_tensor(t, nnc_g_const_data(&t->b, NNC_DT_i64, 1, &dim, place));
}

nn_v nn_index_masked(nn_trace *t, nn_v x, const nn_places *p)
{
    nn_v mask = nn_as_tensor(t, p->mask, p->mask_at);
    x = join_leading(t, x, p->mask_rank);
    if (nn_known(t, mask)) {
        nnc_value i = known_places(t, mask, p->mask_at)->ssa;
        nn_v y = nn_like(t, x, nnc_g_gather(&t->b, x->ssa, i, 0, 0));
        NNC_PUSH(t->arena, &t->masked, y->ssa.id);
        return y;
    }
    mask = join_leading(t, mask, p->mask_rank);
    nnc_value out[2];
    nnc_g_compact(&t->b, x->ssa, mask->ssa, out);
    return nn_prefix_of(t, nn_like(t, x, out[0]), out[1], 0, nn_axis_size(t, x, 0));
}

/* ---- reading places ---- */

static nnc_value slice_blocks(nn_trace *t, nnc_value x, const nn_places *p)
{
    const nnc_type_rec r = *nnc_value_ty(t->m, x);
    nnc_dim start[NNC_MAX_RANK] = {0}, size[NNC_MAX_RANK];
    int64_t step[NNC_MAX_RANK];
    for (int i = 0; i < r.rank; i++) {
        size[i] = r.dim[i];
        step[i] = 1;
    }
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        if (q->kind != NN_P_block && q->kind != NN_P_int)
            continue;
        start[q->axis] = q->start;
        size[q->axis] = q->kind == NN_P_int ? 1 : q->size;
        step[q->axis] = q->kind == NN_P_int ? 1 : q->step;
    }
    return nnc_g_slice(&t->b, x, start, step, size);
}

/* index + step * iota, i64[size] */
static nnc_value ramp(nn_trace *t, nnc_value from, nnc_dim size, int64_t step)
{
    nnc_value i = nnc_g_iota(&t->b, NNC_DT_i64, 1, &size, 0);
    if (step != 1)
        i = nnc_g_binary(&t->b, NNC_OP_mul, i, nn_i64(t, step));
    return nnc_g_binary(&t->b, NNC_OP_add, i, nn_scalar_i64(t, from));
}

/* All windows of step 1 in one dynamic_slice; the others by gather. */
static nnc_value read_windows(nn_trace *t, nnc_value x, const nn_places *p)
{
    const nnc_type_rec r = *nnc_value_ty(t->m, x);
    nnc_dim size[NNC_MAX_RANK], one = 1;
    nnc_value start[NNC_MAX_RANK];
    bool any = false;
    for (int i = 0; i < r.rank; i++) {
        size[i] = r.dim[i];
        start[i] = (nnc_value){0};
    }
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        if (q->kind != NN_P_window || q->step != 1)
            continue;
        size[q->axis] = q->size;
        start[q->axis] = nn_scalar_i64(t, q->index);
        any = true;
    }
    if (!any)
        return x;
    for (int i = 0; i < r.rank; i++)
        start[i] = nnc_g_reshape(&t->b, start[i].id ? start[i] : nn_i64(t, 0), 1, &one);
    return nnc_g_dynamic_slice(&t->b, x, nnc_g_concat(&t->b, r.rank, start, 0), size);
}

static nn_v read_runs(nn_trace *t, nn_v x, const nn_places *p)
{
    x = nn_like(t, x, read_windows(t, x->ssa, p));
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        int64_t zero;
        if (q->kind != NN_P_run && !(q->kind == NN_P_window && q->step != 1))
            continue;
        bool whole = q->step == 1 && nnc_value_idx(t->m, q->index, &zero) && zero == 0 &&
                     q->kind == NN_P_run;
        if (!whole)
            x = nn_like(
                t, x, nnc_g_gather(&t->b, x->ssa, ramp(t, q->index, q->size, q->step), q->axis, 0));
        if (q->kind == NN_P_run)
            x = nn_prefix_of(t, x, q->count, q->axis, q->size);
    }
    return x;
}

static bool is_gathered(const nn_place *p)
{
    return p->kind == NN_P_pick || p->kind == NN_P_list;
}

static _Noreturn void fail_rank(nn_trace *t, const nn_ast *at)
{
    nn_fail(t, at->loc, "an index makes more than %d axes", NNC_MAX_RANK);
}

/* The common shape of all index tensors. */
static nn_shape lists_shape(nn_trace *t, const nn_places *p)
{
    nn_shape s = {0};
    nn_v before = NULL;
    for (unsigned i = 0; i < p->n; i++) {
        if (p->at[i].kind != NN_P_list)
            continue;
        nn_v v = nn_tensor(t, p->at[i].index);
        if (before)
            nn_check_broadcast(t, before, v, p->at[i].at);
        nn_shape a = nn_shape_of(t, v), b = s;
        s.rank = a.rank > b.rank ? a.rank : b.rank;
        for (int k = 1; k <= s.rank; k++) {
            nnc_dim x = k <= a.rank ? a.dim[a.rank - k] : 1,
                    y = k <= b.rank ? b.dim[b.rank - k] : 1;
            s.dim[s.rank - k] = x == 1 ? y : x;
        }
        before = v;
    }
    return s;
}

nnc_value nn_index_tuples(nn_trace *t, const nn_places *p, nn_shape *common)
{
    nnc_value part[NN_MAX_SLOT];
    unsigned n = 0;
    *common = lists_shape(t, p);
    nn_shape with_one = *common;
    if (with_one.rank == NNC_MAX_RANK)
        fail_rank(t, p->at[0].at);
    with_one.dim[with_one.rank++] = 1;
    for (unsigned i = 0; i < p->n; i++) {
        if (!is_gathered(&p->at[i]))
            continue;
        nnc_value v = nnc_g_cast(&t->b, p->at[i].index, NNC_DT_i64);
        v = nnc_g_broadcast(&t->b, v, common->rank, common->dim);
        part[n++] = nnc_g_reshape(&t->b, v, with_one.rank, with_one.dim);
    }
    return nnc_g_concat(&t->b, n, part, common->rank);
}

/* Several gathered axes: they come to the front, gather_nd, and the new axes go where the first of them was. */
static nnc_value gather_many(nn_trace *t, nnc_value x, const nn_places *p, nn_shape *common,
                             unsigned first)
{
    int rank = nnc_value_ty(t->m, x)->rank, n = 0, k = 0, lead = 0;
    int64_t perm[NNC_MAX_RANK], back[NNC_MAX_RANK];
    bool gathered[NNC_MAX_RANK] = {false};
    for (unsigned i = 0; i < p->n; i++)
        if (is_gathered(&p->at[i])) {
            gathered[p->at[i].axis] = true;
            perm[n++] = p->at[i].axis;
        }
    k = n;
    for (int i = 0; i < rank; i++)
        if (!gathered[i]) {
            lead += i < (int)first;
            perm[n++] = i;
        }
    if (common->rank + rank - k > NNC_MAX_RANK)
        fail_rank(t, p->at[0].at);
    x = nnc_g_transpose(&t->b, x, perm);
    x = nnc_g_gather_nd(&t->b, x, nn_index_tuples(t, p, common), 0);
    rank = nnc_value_ty(t->m, x)->rank;
    for (int i = 0; i < rank; i++) /* lead kept axes, then the common ones, then the rest */
        back[i] = i < lead ? common->rank + i : i < lead + common->rank ? i - lead : i;
    return nnc_g_transpose(&t->b, x, back);
}

/* The axes of y after the gather are those of the places in order, the gathered ones replaced at the first of them. */
static nnc_value gather_lists(nn_trace *t, nnc_value x, const nn_places *p, nn_shape *common)
{
    const nn_place *first = NULL, *list = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < p->n; i++)
        if (is_gathered(&p->at[i])) {
            first = first ? first : &p->at[i];
            list = list || p->at[i].kind != NN_P_list ? list : &p->at[i];
            n++;
        }
    *common = lists_shape(t, p);
    if (!n)
        return x;
    if (nnc_value_ty(t->m, x)->rank - (int)n + common->rank > NNC_MAX_RANK)
        fail_rank(t, first->at);
    if (n == 1)
        return nnc_g_gather(&t->b, x, first->index, first->axis, 0);
    return gather_many(t, x, p, common, (unsigned)(list ? list : first)->axis);
}

/* Sizes of the axes in order; axis sizes as `now` has them. */
static nn_shape walk_shape(nn_trace *t, const nn_places *p, const nn_shape *now)
{
    nn_shape s = {0}, common = lists_shape(t, p);
    bool placed = false;
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        int add = q->kind == NN_P_list ? (placed ? 0 : common.rank)
                                       : q->kind != NN_P_int && q->kind != NN_P_pick;
        if (s.rank + add > NNC_MAX_RANK)
            fail_rank(t, q->at);
        for (int k = 0; k < add; k++)
            s.dim[s.rank++] = q->kind == NN_P_list  ? common.dim[k]
                              : q->kind == NN_P_new ? 1
                                                    : now->dim[q->axis];
        placed |= q->kind == NN_P_list;
    }
    return s;
}

nn_shape nn_places_shape(nn_trace *t, nn_v base, const nn_places *p)
{
    nn_shape now = nn_shape_of(t, base);
    for (unsigned i = 0; i < p->n; i++)
        if (p->at[i].axis >= 0)
            now.dim[p->at[i].axis] = p->at[i].size;
    return walk_shape(t, p, &now);
}

/* Labels stay on whole axes and blocks. */
static nn_v keep_labels(nn_trace *t, nn_v y, nn_v base, const nn_places *p)
{
    if (!base->label)
        return y;
    const nn_label **label = nnc_arena_array(t->arena, NNC_MAX_RANK, sizeof *label);
    int axis = 0;
    bool any = false;
    for (unsigned i = 0; i < p->n; i++) {
        const nn_place *q = &p->at[i];
        if (q->kind == NN_P_list)
            return y;
        if (q->kind == NN_P_int || q->kind == NN_P_pick)
            continue;
        const nn_label *l = q->axis >= 0 ? base->label[q->axis] : NULL;
        if (l && q->kind == NN_P_block) {
            nn_label *part = nnc_arena_copy(t->arena, l, sizeof *l);
            bool fixed = l->value && nnc_dim_is_const(q->start) && nnc_dim_is_const(q->size);
            part->n = fixed ? (uint32_t)q->size : 0;
            nn_v *value = fixed ? nnc_arena_array(t->arena, part->n + 1u, sizeof *value) : NULL;
            for (uint32_t k = 0; k < part->n; k++)
                value[k] = l->value[q->start + (int64_t)k * q->step];
            part->value = value;
            l = fixed || !l->value ? part : NULL;
        } else if (l && q->kind != NN_P_all) {
            l = NULL;
        }
        label[axis++] = l;
        any |= l != NULL;
    }
    return any ? nn_with_labels(t, y, label) : y;
}

nn_v nn_places_read(nn_trace *t, nn_v base, const nn_places *p)
{
    nn_shape common;
    nn_v y = read_runs(t, nn_like(t, base, slice_blocks(t, base->ssa, p)), p);
    nn_shape now = nn_shape_of(t, y), s = walk_shape(t, p, &now);
    y = nn_like(t, base, gather_lists(t, y->ssa, p, &common));
    return keep_labels(t, nn_reshape_to(t, y, &s), base, p);
}

/* ---- labels ---- */

static bool label_matches(nn_trace *t, nn_v label, nn_v want)
{
    int64_t x, y;
    double f, g;
    if (label->kind == NN_V_text || want->kind == NN_V_text)
        return label->kind == want->kind && !strcmp(label->text, want->text);
    if (nn_peek_int(t, label, &x) && nn_peek_int(t, want, &y))
        return x == y;
    return nnc_value_number(t->m, label->ssa, &f) && nnc_value_number(t->m, want->ssa, &g) &&
           f == g;
}

static const char *label_text(nn_trace *t, nn_v v)
{
    double f;
    if (v->kind == NN_V_text)
        return nnc_arena_printf(t->arena, "\"%s\"", v->text);
    return nnc_value_number(t->m, v->ssa, &f) ? nnc_arena_printf(t->arena, "%g", f) : "?";
}

static _Noreturn void fail_label(nn_trace *t, const nn_label *l, const nn_item *s)
{
    const char *all = "";
    for (uint32_t i = 0; i < l->n && i < 12; i++)
        all = nnc_arena_printf(t->arena, "%s%s%s", all, i ? ", " : "", label_text(t, l->value[i]));
    nn_fail(t, s->at->loc, "%s = %s was not swept; the values are %s", nn_sym(t, s->name),
            label_text(t, s->v), all);
}

/* x[name = value]: the position of the value along the axis that carries the label. */
static nn_v select_label(nn_trace *t, nn_v x, const nn_item *s)
{
    const nn_label *l = NULL;
    int axis = 0, rank = nn_rank(t, x);
    for (; x->label && axis < rank; axis++) {
        l = x->label[axis];
        if (l && l->name.id == s->name.id)
            break;
    }
    if (!x->label || axis == rank)
        nn_fail(t, s->at->loc, "no axis is labelled '%s'; only sweeps label axes",
                nn_sym(t, s->name));
    nn_places p = {0};
    for (int i = 0; i < rank; i++)
        p.at[p.n++] =
            (nn_place){.kind = NN_P_all, .axis = i, .at = s->at, .size = nn_axis_size(t, x, i)};
    nn_place *q = &p.at[axis];
    if (!l->value) {
        nn_v i = nn_need_int(t, nn_as_tensor(t, s->v, s->at), s->at, "the position on this axis");
        q->kind = NN_P_pick;
        q->index = i->ssa;
        return nn_places_read(t, x, &p);
    }
    nn_v want = s->v->kind == NN_V_text
                    ? s->v
                    : nn_freeze_value(t, nn_as_tensor(t, s->v, s->at), s->at, "a label");
    want = want->kind == NN_V_text ? want : nn_as_tensor(t, want, s->at);
    q->kind = NN_P_int;
    for (q->start = 0; q->start < (int64_t)l->n; q->start++)
        if (label_matches(t, l->value[q->start], want))
            return nn_places_read(t, x, &p);
    fail_label(t, l, s);
}

/* ---- one tensor ---- */

static nn_v index_tensor(nn_trace *t, nn_v x, const nn_items *items)
{
    nn_items rest = {.node = items->node};
    nn_places p;
    for (unsigned i = 0; i < items->n; i++)
        if (items->at[i].kind == NN_S_label)
            x = select_label(t, x, &items->at[i]);
        else
            rest.at[rest.n++] = items->at[i];
    if (!rest.n)
        return x;
    nn_places_resolve(t, x, &rest, &p);
    if (!p.mask_rank)
        return nn_places_read(t, x, &p);
    nn_v y = nn_index_masked(t, x, &p);
    nn_places q = {0}; /* the other places on what the mask left */
    nn_shape s = nn_shape_of(t, y);
    q.at[q.n++] = (nn_place){.kind = NN_P_all, .axis = 0, .size = s.dim[0], .at = p.mask_at};
    for (unsigned i = p.mask_rank; i < p.n; i++) {
        q.at[q.n] = p.at[i];
        q.at[q.n++].axis -= p.at[i].axis < 0 ? 0 : (int)p.mask_rank - 1;
    }
    return nn_places_read(t, y, &q);
}

/* ---- trees, lists, text ---- */

/* How many axes a batch gains. */
static int batch_change(nn_trace *t, const nn_items *items)
{
    int change = 0;
    for (unsigned i = 0; i < items->n; i++) {
        const nn_item *s = &items->at[i];
        if (s->kind == NN_S_new)
            change++;
        else if (s->kind == NN_S_label)
            change--;
        else if (s->kind == NN_S_item && s->v->kind == NN_V_tensor)
            change +=
                nn_dtype(t, s->v) == NNC_DT_bool ? 1 - nn_rank(t, s->v) : nn_rank(t, s->v) - 1;
    }
    return change;
}

static nn_v index_tree(nn_trace *t, nn_v v, const nn_items *items)
{
    if (nn_can_be_tensor(v))
        return index_tensor(t, nn_as_tensor(t, v, items->node), items);
    if (v->kind == NN_V_poison)
        nn_fail_silently(t);
    if (!nn_is_tree(v))
        return v;
    nn_val *r = nnc_arena_copy(t->arena, v, sizeof *v);
    nn_v *item = nnc_arena_array(t->arena, v->n + 1u, sizeof *item);
    for (uint32_t i = 0; i < v->n; i++)
        item[i] = index_tree(t, v->item[i], items);
    r->item = item;
    r->batch = v->batch ? (uint8_t)(v->batch + batch_change(t, items)) : 0;
    if (r->kind == NN_V_list)
        r->numeric = false;
    return r;
}

static bool known_int(nn_trace *t, const nn_item *s, int64_t *out)
{
    if (s->kind != NN_S_item || s->v->kind != NN_V_tensor || nn_rank(t, s->v) != 0 ||
        s->v->is_key || !nnc_dtype_is_int(nn_dtype(t, s->v)) || !nn_known(t, s->v))
        return false;
    *out = nn_ask_int(t, s->v, s->at, "an index");
    return true;
}

/* One end of a range of list items; negative ones count from the end. */
static int64_t list_end(nn_trace *t, nn_v v, const nn_ast *at, int64_t n, int64_t dflt)
{
    int64_t i = v ? nn_ask_int(t, nn_as_tensor(t, v, at), at, "the end of a range") : dflt;
    i += i < 0 ? n : 0;
    if (i < 0 || i > n)
        nn_fail(t, at->loc, "a range leaves the list of %lld items", (long long)n);
    return i;
}

static nn_v list_range(nn_trace *t, nn_v list, const nn_item *s)
{
    nn_v r = s->v, lo = NULL, hi = NULL, step = s->step;
    if (s->kind == NN_S_item) {
        lo = r->item[0];
        hi = r->item[1];
        step = r->n > 2 ? r->item[2] : NULL;
    } else if (s->kind == NN_S_from) {
        lo = r;
    } else {
        hi = r;
    }
    int64_t a = list_end(t, lo, s->at, list->n, 0), b = list_end(t, hi, s->at, list->n, list->n);
    int64_t by = step ? nn_ask_int(t, step, s->at, "the step of a range") : 1;
    if (by < 1)
        nn_fail(t, s->at->loc, "the step of a range of list items is %lld, expected 1 or more",
                (long long)by);
    nn_v *item = nnc_arena_array(t->arena, list->n + 1u, sizeof *item);
    uint32_t n = 0;
    for (; a < b; a += by)
        item[n++] = list->item[a];
    if (list->kind == NN_V_list)
        return nn_list(t, n, item);
    return nn_record(t, n, NULL, item);
}

static nn_v item_at(nn_trace *t, nn_v list, int64_t i, const nn_ast *at)
{
    int64_t k = i < 0 ? i + list->n : i;
    if (k < 0 || k >= (int64_t)list->n)
        nn_fail(t, at->loc, "index %lld is out of range for a %s of %u", (long long)i,
                list->kind == NN_V_list ? "list" : "tuple", list->n);
    return list->item[k];
}

static bool is_range_slot(const nn_item *s)
{
    return s->kind == NN_S_from || s->kind == NN_S_to ||
           (s->kind == NN_S_item && s->v->kind == NN_V_range);
}

/* Numbers are a tensor as well, so a range of them may have ends that the run knows. */
static bool takes_items(nn_trace *t, nn_v list, const nn_item *s)
{
    return is_range_slot(s) &&
           (!list->numeric || (nn_known(t, s->v) && (!s->step || nn_known(t, s->step))));
}

static nn_v index_strings(nn_trace *t, nn_v base, const nn_items *items);

static nn_v index_value(nn_trace *t, nn_v base, nn_items *items)
{
    int64_t i;
    nn_item *s = &items->at[0];
    bool tuple = base->kind == NN_V_record && base->n && !base->name[0].id;
    if (base->kind == NN_V_poison)
        nn_fail_silently(t);
    if (base->kind == NN_V_strings)
        return index_strings(t, base, items);
    if (base->kind == NN_V_record && items->n == 1 && s->kind == NN_S_item &&
        s->v->kind == NN_V_text) {
        nn_v f = nn_field(base, nn_name(t, s->v->text));
        if (!f)
            nn_fail(t, s->at->loc, "%s has no field \"%s\"", nn_type_text(t, base), s->v->text);
        return f;
    }
    if ((base->kind == NN_V_list || tuple) && items->n && known_int(t, s, &i)) {
        nn_v x = item_at(t, base, i, s->at);
        nn_items rest = {.node = items->node, .n = items->n - 1};
        memcpy(rest.at, items->at + 1, rest.n * sizeof *rest.at);
        return rest.n ? index_value(t, x, &rest) : x;
    }
    if (base->kind == NN_V_list && items->n == 1 && takes_items(t, base, s))
        return list_range(t, base, s);
    if (base->kind == NN_V_list && !base->numeric)
        nn_fail(t, s->at ? s->at->loc : items->node->loc,
                "a list is indexed with integers known at compile time");
    if (base->kind == NN_V_model && !base->batch)
        nn_fail(t, items->node->loc, "%s is no batch of models and has no axes to index",
                nn_type_text(t, base));
    if (!nn_can_be_tensor(base) && !nn_is_tree(base))
        nn_fail(t, items->node->loc, "%s cannot be indexed", nn_type_text(t, base));
    return index_tree(t, base, items);
}

nn_v nn_index(nn_trace *t, nn_v base, const nn_ast *at_node)
{
    nn_items items;
    nn_slots_read(t, at_node, &items);
    return index_value(t, base, &items);
}

/* Strings are indexed through the numbers of their places. */
static nn_v index_strings(nn_trace *t, nn_v base, const nn_items *items)
{
    const nn_strings *s = base->strings;
    int64_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->dim[i];
    int64_t *place = nnc_arena_array(t->arena, (size_t)n + 1, sizeof *place);
    for (int64_t i = 0; i < n; i++)
        place[i] = i;
    nn_v all = nn_tensor(t, nnc_g_const_data(&t->b, NNC_DT_i64, s->rank, s->dim, place));
    nn_v picked = index_tensor(t, all, items);
    if (!nn_known(t, picked))
        nn_fail(t, items->node->loc,
                "strings exist while compiling only; an index of them must be known then");
    nnc_tensor x = nn_ask_tensor(t, picked, items->node, "an index of strings");
    nn_strings *r = nnc_arena_alloc(t->arena, sizeof *r);
    int64_t count = nnc_tensor_count(&x);
    nnc_sym *at = nnc_arena_array(t->arena, (size_t)count + 1, sizeof *at);
    for (int64_t i = 0; i < count; i++)
        at[i] = s->at[((const int64_t *)x.data)[i]];
    r->rank = x.rank;
    memcpy(r->dim, x.dim, sizeof r->dim);
    r->at = at;
    return nn_strings_value(t, r);
}

nn_v nn_take(nn_trace *t, nn_v base, nn_v i, const nn_ast *at)
{
    nn_items items = {.n = 1, .node = at};
    items.at[0] = (nn_item){.kind = NN_S_item, .v = i, .at = at};
    return index_value(t, base, &items);
}
