/* The pass `plan`: every arena buffer of the entry kernel gets its offset.
 *
 * Order first (plan_order.c), since it decides who dies where; then sharing (plan_reuse.c); then lifetimes
 * (plan_live.c) and offsets (plan_pack.c).  The result is checked: no two buffers that live together share a byte. */
#include <stdlib.h>
#include "passes/plan_fn.h"

static nnc_op alloc_of(const nnc_live *l, const nnc_memory *mem)
{
    return nnc_value_op(l->m, mem->base);
}

static void drop_unused_allocs(nnc_module *m, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            drop_unused_allocs(m, nnc_op_region(m, op, r));
        /* a view may be the last user of an alloc, so look back once it is gone */
        while (op.id && (nnc_op_code(m, op) == NNC_OP_alloc || nnc_op_code(m, op) == NNC_OP_view) &&
               nnc_value_nuse(m, nnc_op_out(m, op, 0)) == 0) {
            nnc_op maker = nnc_op_code(m, op) == NNC_OP_view ? nnc_value_op(m, nnc_op_in(m, op, 0))
                                                             : (nnc_op){0};
            nnc_op_erase(m, op);
            op = maker;
        }
    }
}

static void note_callees(const nnc_module *m, nnc_block b, bool *called)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        const char *twin = nnc_attr_str(m, op, NNC_W_portable, NULL);
        if (nnc_op_code(m, op) == NNC_OP_call)
            called[nnc_func_find(m, nnc_attr_str(m, op, NNC_W_callee, "")).id] = true;
        if (twin)
            called[nnc_func_find(m, twin).id] = true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            note_callees(m, nnc_op_region(m, op, r), called);
    }
}

/* Copies that sharing made needless may have been the only calls of their kernels. */
static void drop_uncalled(nnc_module *m, nnc_arena *scratch, nnc_op entry)
{
    bool *called = nnc_arena_array(scratch, m->op.n, sizeof *called);
    nnc_op next;

    note_callees(m, m->top, called);
    for (nnc_op op = nnc_block_first(m, m->top); op.id; op = next) {
        next = nnc_op_next(m, op);
        if (nnc_op_code(m, op) == NNC_OP_kernel && op.id != entry.id && !called[op.id] &&
            nnc_attr_int(m, op, NNC_W_copy, 0))
            nnc_op_erase(m, op);
    }
}

/* What to call a buffer: its name, else the node that it is of. */
static const char *label_of(const nnc_live *l, const nnc_memory *mem, const char *quote)
{
    const char *name = nnc_value_name(l->m, mem->base);
    nnc_op op = mem->touch.n ? mem->touch.at[0].op : alloc_of(l, mem);

    if (!*name)
        return nnc_loc_text_of(l->m->diag, nnc_op_loc(l->m, op));
    return nnc_arena_printf(l->m->arena, "%s%s%s", quote, name, quote);
}

/* Items of the arena memories; *owner: index of each one's memory. */
static uint32_t make_items(const nnc_live *l, nnc_plan_item *item, uint32_t *owner)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < l->memory.n; i++) {
        const nnc_memory *mem = &l->memory.at[i];
        if (!mem->arena)
            continue;
        owner[n] = i;
        item[n] = (nnc_plan_item){
            .id = n + 1,
            .first = mem->first,
            .last = mem->last,
            .bytes = (uint64_t)nnc_type_bytes(l->m, nnc_value_type(l->m, mem->base))};
        n++;
    }
    return n;
}

static const char *step_name(nnc_module *m, nnc_op op)
{
    return nnc_op_code(m, op) == NNC_OP_call ? nnc_attr_str(m, op, NNC_W_callee, "call")
                                             : nnc_op_infos[nnc_op_code(m, op)].name;
}

static uint64_t live_at(const nnc_plan_item *item, uint32_t n, uint32_t step)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < n; i++)
        if (item[i].first <= step && step <= item[i].last)
            sum += (item[i].bytes + NNC_PLAN_ALIGN - 1) / NNC_PLAN_ALIGN * NNC_PLAN_ALIGN;
    return sum;
}

static uint32_t peak_step(const nnc_live *l, const nnc_plan_item *item, uint32_t n)
{
    uint64_t most = 0;
    uint32_t at = 0;

    for (uint32_t i = 0; i < n; i++) { /* a peak begins where some item begins */
        uint64_t sum = live_at(item, n, item[i].first);
        if (sum > most || (sum == most && item[i].first < at)) {
            most = sum;
            at = item[i].first;
        }
    }
    return at < l->nstep ? at : 0;
}

static int larger_first(const void *x, const void *y)
{
    const nnc_plan_item *const *a = x, *const *b = y;
    if ((*a)->bytes != (*b)->bytes)
        return (*a)->bytes > (*b)->bytes ? -1 : 1;
    return (*a)->id < (*b)->id ? -1 : 1;
}

static nnc_status over_budget(nnc_pass_cx *cx, const nnc_live *l, const nnc_plan_item *item,
                              const uint32_t *owner, uint32_t n, uint64_t arena, uint64_t bound)
{
    nnc_module *m = cx->m;
    uint32_t peak = peak_step(l, item, n), nlive = 0;
    nnc_op op = l->step.at[peak];
    const nnc_plan_item **live = nnc_arena_array(cx->scratch, n + 1u, sizeof *live);

    nnc_error(m->diag, nnc_op_loc(m, op),
              "the arena needs %llu bytes and %llu are allowed (lower bound %llu); the most "
              "live at '%s', %llu bytes",
              (unsigned long long)arena, (unsigned long long)cx->opt->max_ram,
              (unsigned long long)bound, step_name(m, op),
              (unsigned long long)live_at(item, n, peak));
    for (uint32_t i = 0; i < n; i++)
        if (item[i].first <= peak && peak <= item[i].last)
            live[nlive++] = &item[i];
    qsort(live, nlive, sizeof *live, larger_first);
    for (uint32_t i = 0; i < nlive && i < 8; i++) {
        const nnc_memory *mem = &l->memory.at[owner[live[i]->id - 1]];
        nnc_note(m->diag, nnc_op_loc(m, alloc_of(l, mem)), "%s is live there, %llu bytes",
                 label_of(l, mem, "'"), (unsigned long long)live[i]->bytes);
    }
    if (nlive > 8)
        nnc_note(m->diag, nnc_op_loc(m, op), "and %u smaller ones", nlive - 8);
    return NNC_ERR;
}

/* Kernels take their scratch memory from their caller. */
static nnc_status no_arena_in_kernels(nnc_module *m, nnc_block b, nnc_op entry)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (op.id == entry.id)
            continue;
        if (nnc_op_code(m, op) == NNC_OP_alloc &&
            nnc_value_ty(m, nnc_op_out(m, op, 0))->space == NNC_SPACE_arena)
            return nnc_error(m->diag, nnc_op_loc(m, op),
                             "arena memory '%s' is allocated outside of the entry kernel; "
                             "make it a parameter",
                             nnc_value_name(m, nnc_op_out(m, op, 0)));
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            NNC_TRY(no_arena_in_kernels(m, nnc_op_region(m, op, r), entry));
    }
    return NNC_OK;
}

nnc_status nnc_pass_plan(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    nnc_op entry = nnc_func_entry(m, NNC_OP_kernel);
    nnc_live *l;
    nnc_plan_item *item;
    uint32_t *owner, n;
    uint64_t arena, bound;
    size_t a, b;

    if (!entry.id)
        return nnc_error(m->diag, (nnc_loc){0}, "there is no entry kernel to plan memory for");
    NNC_TRY(no_arena_in_kernels(m, m->top, entry));
    cx->changed += nnc_plan_order(m, cx->scratch, entry);
    cx->changed += nnc_plan_reuse(m, cx->scratch, entry);
    drop_unused_allocs(m, nnc_op_region(m, entry, 0));
    drop_uncalled(m, cx->scratch, entry);
    l = nnc_live_new(m, cx->scratch, entry);
    item = nnc_arena_array(cx->scratch, l->memory.n + 1u, sizeof *item);
    owner = nnc_arena_array(cx->scratch, l->memory.n + 1u, sizeof *owner);
    n = make_items(l, item, owner);
    if (nnc_plan(cx->scratch, item, n, cx->opt ? cx->opt->max_ram : 0, &arena, &bound) != NNC_OK)
        return over_budget(cx, l, item, owner, n, arena, bound);
    if (nnc_plan_overlap(item, n, &a, &b))
        return nnc_error(m->diag, nnc_op_loc(m, alloc_of(l, &l->memory.at[owner[a]])),
                         "internal: '%s' and '%s' share memory "
                         "while both are live",
                         nnc_value_name(m, l->memory.at[owner[a]].base),
                         nnc_value_name(m, l->memory.at[owner[b]].base));
    for (uint32_t i = 0; i < n; i++)
        nnc_attr_set_int(m, alloc_of(l, &l->memory.at[owner[i]]), NNC_W_offset,
                         (int64_t)item[i].offset);
    nnc_attr_set_int(m, entry, NNC_W_arena, (int64_t)arena);
    nnc_attr_set_int(m, entry, NNC_W_bound, (int64_t)bound);
    cx->changed += n;
    nnc_plan_copies(m);
    return NNC_OK;
}

/* ---- report ---- */

static bool is_step(nnc_opcode code)
{
    return code == NNC_OP_call || code == NNC_OP_copy || code == NNC_OP_fill ||
           code == NNC_OP_store || code == NNC_OP_load;
}

/* Steps that do something, numbered without gaps: index[old step] = new number of the first such step at or after it. */
static void report_steps(nnc_live *l, nnc_arena *a, nnc_plan_info *out, uint32_t *index)
{
    nnc_module *m = l->m;

    out->step = nnc_arena_array(a, l->nstep + 1u, sizeof *out->step);
    for (uint32_t s = 0; s < l->nstep; s++) {
        nnc_op op = l->step.at[s];
        index[s] = out->nstep;
        if (is_step(nnc_op_code(m, op)))
            out->step[out->nstep++] =
                (nnc_plan_step){.name = step_name(m, op), .loc = nnc_op_loc(m, op)};
    }
}

nnc_status nnc_plan_report(nnc_module *m, nnc_arena *a, nnc_plan_info *out)
{
    nnc_op entry = nnc_func_entry(m, NNC_OP_kernel);
    nnc_live *l;
    uint32_t *index;

    *out = (nnc_plan_info){0};
    if (!entry.id || !nnc_attr_find(m, entry, NNC_W_arena))
        return NNC_ERR;
    l = nnc_live_new(m, a, entry);
    index = nnc_arena_array(a, l->nstep + 1u, sizeof *index);
    report_steps(l, a, out, index);
    out->arena = (uint64_t)nnc_attr_int(m, entry, NNC_W_arena, 0);
    out->lower_bound = (uint64_t)nnc_attr_int(m, entry, NNC_W_bound, 0);
    out->row = nnc_arena_array(a, l->memory.n + 1u, sizeof *out->row);
    for (uint32_t i = 0; i < l->memory.n && out->nstep; i++) {
        const nnc_memory *mem = &l->memory.at[i];
        nnc_plan_row *r = &out->row[out->nrow];
        if (!mem->arena || !mem->touch.n)
            continue;
        *r = (nnc_plan_row){.name = label_of(l, mem, ""),
                            .loc = nnc_op_loc(m, mem->touch.at[0].op),
                            .bytes = (uint64_t)nnc_type_bytes(m, nnc_value_type(m, mem->base)),
                            .offset = (uint64_t)nnc_attr_int(m, alloc_of(l, mem), NNC_W_offset, 0)};
        r->first = index[mem->first];
        r->last = index[mem->last];
        if (mem->last < l->nstep && !is_step(nnc_op_code(m, l->step.at[mem->last])) &&
            r->last > r->first)
            r->last--; /* ends with a loop: the step before what follows */
        for (uint32_t s = r->first; s <= r->last && s < out->nstep; s++)
            out->step[s].live += r->bytes;
        out->nrow++;
    }
    for (uint32_t s = 0; s < out->nstep; s++)
        if (out->step[s].live > out->step[out->peak].live)
            out->peak = s;
    return NNC_OK;
}
