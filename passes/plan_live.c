/* Who touches which memory of the entry kernel, and when.
 *
 * One walk numbers the ops and notes every access.  Loads and stores of cells in the entry itself count like calls.
 * An access inside a loop that does not hold the alloc stretches the lifetime over the whole loop: the value may be
 * carried from one iteration to the next. */
#include <string.h>
#include "passes/plan_fn.h"

nnc_memory *nnc_live_of(const nnc_live *l, nnc_value v)
{
    for (nnc_op op = nnc_value_op(l->m, v); op.id && nnc_op_code(l->m, op) == NNC_OP_view;
         op = nnc_value_op(l->m, v))
        v = nnc_op_in(l->m, op, 0);
    return v.id < l->nvalue && l->of[v.id] ? &l->memory.at[l->of[v.id] - 1] : NULL;
}

static void add_touch(nnc_live *l, nnc_op op, unsigned at, bool reads, bool writes)
{
    nnc_value v = nnc_op_in(l->m, op, at);
    nnc_memory *mem = nnc_value_ty(l->m, v)->kind == NNC_TYPE_buffer ? nnc_live_of(l, v) : NULL;

    if (mem && (reads || writes))
        NNC_PUSH(l->a, &mem->touch, (nnc_touch){op, at, reads, writes});
}

static void call_touches(nnc_live *l, nnc_op op)
{
    nnc_module *m = l->m;
    nnc_op callee = nnc_func_find(m, nnc_attr_str(m, op, NNC_W_callee, ""));

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_use_facts f = callee.id ? nnc_param_facts(m, callee, i) : (nnc_use_facts){true, true};
        add_touch(l, op, i, f.reads, f.writes);
    }
}

static void op_touches(nnc_live *l, nnc_op op)
{
    switch (nnc_op_code(l->m, op)) {
    case NNC_OP_load: add_touch(l, op, 0, true, false); break;
    case NNC_OP_store: add_touch(l, op, 1, false, true); break;
    case NNC_OP_fill: add_touch(l, op, 0, false, true); break;
    case NNC_OP_copy:
        add_touch(l, op, 0, false, true);
        add_touch(l, op, 1, true, false);
        break;
    case NNC_OP_call: call_touches(l, op); break;
    case NNC_OP_host:
        for (unsigned i = 0; i < nnc_op_nin(l->m, op); i++) {
            bool reads = i < (unsigned)nnc_attr_int(l->m, op, NNC_W_reads, 0);
            add_touch(l, op, i, reads, !reads);
        }
        break;
    default: break;
    }
}

static void new_memory(nnc_live *l, nnc_value v, bool arena)
{
    NNC_PUSH(l->a, &l->memory, (nnc_memory){.base = v, .arena = arena});
    l->of[v.id] = l->memory.n;
}

static void walk(nnc_live *l, nnc_block b)
{
    nnc_module *m = l->m;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_opcode code = nnc_op_code(m, op);
        if (code == NNC_OP_alloc)
            new_memory(l, nnc_op_out(m, op, 0),
                       nnc_value_ty(m, nnc_op_out(m, op, 0))->space == NNC_SPACE_arena);
        else if (code == NNC_OP_const)
            new_memory(l, nnc_op_out(m, op, 0), false);
        l->start[op.id] = l->nstep;
        NNC_PUSH(l->a, &l->step, op);
        l->nstep++;
        op_touches(l, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            walk(l, nnc_op_region(m, op, r));
        l->end[op.id] = l->nstep - 1;
    }
}

nnc_op nnc_live_inside(const nnc_module *m, nnc_op op, nnc_block b)
{
    while (op.id && nnc_op_get(m, op)->block.id != b.id)
        op = nnc_block_parent(m, nnc_op_get(m, op)->block);
    return op;
}

/* The steps of an access as seen from block b: those of the outermost loop around it inside b. */
static void span(const nnc_live *l, nnc_op op, nnc_block b, uint32_t *first, uint32_t *last)
{
    const nnc_module *m = l->m;

    *first = l->start[op.id];
    *last = l->end[op.id];
    for (nnc_op p = op; p.id && nnc_op_get(m, p)->block.id != b.id;) {
        p = nnc_block_parent(m, nnc_op_get(m, p)->block);
        if (p.id && (nnc_op_code(m, p) == NNC_OP_for || nnc_op_code(m, p) == NNC_OP_while)) {
            *first = l->start[p.id];
            *last = l->end[p.id];
        }
    }
}

static void set_lifetimes(nnc_live *l)
{
    for (uint32_t i = 0; i < l->memory.n; i++) {
        nnc_memory *mem = &l->memory.at[i];
        nnc_op def = nnc_value_op(l->m, mem->base);
        nnc_block b = def.id ? nnc_op_get(l->m, def)->block : l->top;
        mem->first = UINT32_MAX;
        for (uint32_t k = 0; k < mem->touch.n; k++) {
            uint32_t first, last;
            span(l, mem->touch.at[k].op, b, &first, &last);
            mem->first = first < mem->first ? first : mem->first;
            mem->last = last > mem->last ? last : mem->last;
        }
        if (mem->touch.n == 0)
            mem->first = mem->last = def.id ? l->start[def.id] : 0;
    }
}

nnc_live *nnc_live_new(nnc_module *m, nnc_arena *a, nnc_op entry)
{
    nnc_live *l = nnc_arena_alloc(a, sizeof *l);

    *l = (nnc_live){.m = m, .a = a, .kernel = entry, .top = nnc_op_region(m, entry, 0)};
    l->start = nnc_arena_array(a, m->op.n, sizeof *l->start);
    l->end = nnc_arena_array(a, m->op.n, sizeof *l->end);
    l->nvalue = m->value.n;
    l->of = nnc_arena_array(a, l->nvalue, sizeof *l->of);
    for (unsigned i = 0; i < nnc_block_narg(m, l->top); i++) {
        nnc_value v = nnc_block_arg(m, l->top, i);
        if (nnc_value_ty(m, v)->kind == NNC_TYPE_buffer)
            new_memory(l, v, false);
    }
    walk(l, l->top);
    set_lifetimes(l);
    return l;
}

/* ---- kernels ---- */

static nnc_use_facts param_facts(const nnc_module *m, nnc_op kernel, unsigned i, unsigned depth);

static nnc_use_facts value_facts(const nnc_module *m, nnc_value v, unsigned depth)
{
    nnc_use_facts f = {0};

    for (uint32_t u = nnc_value_get(m, v)->first_use; u && !(f.reads && f.writes);
         u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        unsigned at = u - nnc_op_get(m, op)->in;
        nnc_use_facts g = {false, false};
        switch (nnc_op_code(m, op)) {
        case NNC_OP_load: g.reads = true; break;
        case NNC_OP_prefetch: break;
        case NNC_OP_store:
        case NNC_OP_fill: g.writes = true; break;
        case NNC_OP_copy: g = (nnc_use_facts){at == 1, at == 0}; break;
        case NNC_OP_view: g = value_facts(m, nnc_op_out(m, op, 0), depth); break;
        case NNC_OP_call: {
            nnc_op callee = nnc_func_find(m, nnc_attr_str(m, op, NNC_W_callee, ""));
            g = callee.id && depth < 16 ? param_facts(m, callee, at, depth + 1)
                                        : (nnc_use_facts){true, true};
            break;
        }
        default: g = (nnc_use_facts){true, true}; break;
        }
        f.reads |= g.reads;
        f.writes |= g.writes;
    }
    return f;
}

static nnc_use_facts param_facts(const nnc_module *m, nnc_op kernel, unsigned i, unsigned depth)
{
    return value_facts(m, nnc_block_arg(m, nnc_op_region(m, kernel, 0), i), depth);
}

nnc_use_facts nnc_param_facts(const nnc_module *m, nnc_op kernel, unsigned i)
{
    return param_facts(m, kernel, i, 0);
}

bool nnc_param_in_place(const nnc_module *m, nnc_op kernel, unsigned out, unsigned in)
{
    unsigned n;
    const int64_t *pair = nnc_attr_ints(m, kernel, NNC_W_inplace, &n);

    for (unsigned i = 0; i + 1 < n; i += 2)
        if (pair[i] == out && pair[i + 1] == in)
            return true;
    return false;
}
