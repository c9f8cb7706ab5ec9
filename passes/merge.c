/* Equal kernels are shared.
 *
 * A kernel is spelled as a string of numbers: op codes, types, attributes, and operands as the order in which values
 * were met (constants as themselves; they are interned).  Names and locations do not count.  Kernels with the same
 * spelling are one; calls go to the first of them.  Deep networks repeat few shapes, so this is what keeps the emitted
 * code of a net with hundreds of layers small. */
#include <string.h>
#include "passes/inplace.h"
#include "passes/pass.h"

typedef struct spelling {
    NNC_BUF(uint64_t) word;
    uint64_t hash;
    nnc_op kernel;
} spelling;

typedef struct speller {
    nnc_module *m;
    nnc_arena *a;
    uint32_t *number, *stamp; /* per value id: its number in the kernel with that stamp */
    uint32_t now, next;
    spelling *out;
} speller;

static void put(speller *s, uint64_t w)
{
    NNC_PUSH(s->a, &s->out->word, w);
}

static void define(speller *s, nnc_value v)
{
    s->stamp[v.id] = s->now;
    s->number[v.id] = s->next++;
    put(s, nnc_value_type(s->m, v).id);
}

static void spell_attr(speller *s, const nnc_attr_rec *a)
{
    const nnc_module *m = s->m;
    uint64_t w = 0;

    put(s, (uint64_t)a->kind << 32 | a->key.id);
    switch ((nnc_attr_kind)a->kind) {
    case NNC_ATTR_int: put(s, (uint64_t)a->u.i); break;
    case NNC_ATTR_float:
        memcpy(&w, &a->u.f, sizeof w);
        put(s, w);
        break;
    case NNC_ATTR_word:
    case NNC_ATTR_string: put(s, a->u.s.id); break;
    case NNC_ATTR_type: put(s, a->u.t.id); break;
    case NNC_ATTR_ints:
        put(s, a->u.ints.n);
        for (uint32_t i = 0; i < a->u.ints.n; i++)
            put(s, (uint64_t)m->ints.at[a->u.ints.at + i]);
        break;
    }
}

static void spell_block(speller *s, nnc_block b)
{
    nnc_module *m = s->m;

    put(s, nnc_block_narg(m, b));
    for (unsigned i = 0; i < nnc_block_narg(m, b); i++)
        define(s, nnc_block_arg(m, b, i));
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        const nnc_op_rec *r = nnc_op_get(m, op);
        put(s, (uint64_t)r->code << 48 | (uint64_t)r->nin << 32 | (uint64_t)r->nout << 16 |
                   (uint64_t)r->nattr << 8 | r->nregion);
        for (unsigned i = 0; i < r->nin; i++) {
            nnc_value v = nnc_op_in(m, op, i);
            put(s, s->stamp[v.id] == s->now ? s->number[v.id] : (uint64_t)1 << 40 | v.id);
        }
        for (unsigned i = 0; i < r->nattr; i++)
            spell_attr(s, &m->attr.at[r->attr + i]);
        for (unsigned i = 0; i < r->nout; i++)
            define(s, nnc_op_out(m, op, i));
        for (unsigned i = 0; i < r->nregion; i++)
            spell_block(s, nnc_op_region(m, op, i));
    }
    put(s, UINT64_MAX);
}

static void spell_kernel(speller *s, nnc_op kernel, spelling *out)
{
    const nnc_module *m = s->m;
    const nnc_op_rec *r = nnc_op_get(m, kernel);

    s->out = out;
    s->now++;
    s->next = 0;
    out->kernel = kernel;
    for (unsigned i = 0; i < r->nattr; i++) {
        const nnc_attr_rec *a = &m->attr.at[r->attr + i];
        if (a->key.id != NNC_W_sym && a->key.id != NNC_W_name)
            spell_attr(s, a);
    }
    spell_block(s, nnc_op_region(m, kernel, 0));
    out->hash = nnc_hash(out->word.at, out->word.n * sizeof *out->word.at, 0);
}

static bool equal(const spelling *a, const spelling *b)
{
    return a->hash == b->hash && a->word.n == b->word.n &&
           !memcmp(a->word.at, b->word.at, a->word.n * sizeof *a->word.at);
}

/* name[old symbol] = new symbol, 0: unchanged; symbols from nname on are not in the table. */
static void redirect(nnc_module *m, nnc_block b, const uint32_t *name, uint32_t nname)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_call) {
            const nnc_attr_rec *a = nnc_attr_find(m, op, NNC_W_callee);
            if (a && a->u.s.id < nname && name[a->u.s.id])
                nnc_attr_set_str(m, op, NNC_W_callee, nnc_sym_str(m, (nnc_sym){name[a->u.s.id]}));
        }
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            redirect(m, nnc_op_region(m, op, r), name, nname);
    }
}

static uint32_t symbol_of(nnc_module *m, nnc_op kernel)
{
    return nnc_sym_put(m, nnc_func_name(m, kernel)).id;
}

nnc_status nnc_pass_merge(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    nnc_op entry = nnc_func_entry(m, NNC_OP_kernel), next;
    speller s = {.m = m, .a = cx->scratch};
    uint32_t nkernel = 0, nslot = 16, nname = nnc_sym_put(m, "merged").id, *slot, *name;
    spelling *all;

    for (nnc_op op = nnc_block_first(m, m->top); op.id; op = nnc_op_next(m, op)) {
        nkernel++;
        nname = symbol_of(m, op) > nname ? symbol_of(m, op) : nname;
    }
    while (nslot < 2 * nkernel)
        nslot *= 2;
    s.number = nnc_arena_array(cx->scratch, m->value.n, sizeof *s.number);
    s.stamp = nnc_arena_array(cx->scratch, m->value.n, sizeof *s.stamp);
    all = nnc_arena_array(cx->scratch, nkernel + 1u, sizeof *all);
    slot = nnc_arena_array(cx->scratch, nslot, sizeof *slot);
    name = nnc_arena_array(cx->scratch, nname + 1u, sizeof *name);
    nkernel = 0;
    for (nnc_op op = nnc_block_first(m, m->top); op.id; op = next) {
        spelling *sp = &all[nkernel];
        uint32_t at;
        next = nnc_op_next(m, op);
        if (nnc_op_code(m, op) != NNC_OP_kernel || op.id == entry.id)
            continue;
        *sp = (spelling){0};
        spell_kernel(&s, op, sp);
        for (at = (uint32_t)(sp->hash & (nslot - 1)); slot[at] && !equal(&all[slot[at] - 1], sp);
             at = (at + 1) & (nslot - 1))
            ;
        if (!slot[at]) {
            slot[at] = ++nkernel;
            continue;
        }
        name[symbol_of(m, op)] = symbol_of(m, all[slot[at] - 1].kernel);
        nnc_op_erase(m, op);
        cx->changed++;
    }
    if (cx->changed)
        redirect(m, m->top, name, nname + 1);
    for (uint32_t i = 0; i < nkernel; i++) /* before loops are unrolled, and once per kernel */
        nnc_kernel_in_place(m, cx->scratch, all[i].kernel);
    return NNC_OK;
}
