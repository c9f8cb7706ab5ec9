/* The container.  Arrays only grow; erased ops are unlinked and keep their slot with code none.  Uses of an op are
 * consecutive records; changing the number of operands takes a fresh run of them.  `order` numbers ops with gaps, and
 * a block is renumbered when a gap closes, so dominance inside a block is one comparison. */
#include "ir/module.h"
#include "ir/hashset.h"
#include <assert.h>
#include <string.h>

enum { ORDER_GAP = 64, ORDER_HOLE = 1 << 20 };

/* The last function found under a name, by symbol.  Functions come, go and are renamed, so an entry is only believed
 * after a look at the function. */
struct nnc_func_cache {
    NNC_BUF(nnc_op) of;
};

nnc_module *nnc_module_new(nnc_arena *a, nnc_diag *d)
{
    static const char *const words[] = {
#define W(x) #x,
#include "ir/words.def"
    };
    nnc_module *m = nnc_arena_alloc(a, sizeof *m);
    m->arena = a;
    m->diag = d;
    m->intern = nnc_intern_new(a);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        nnc_intern_put(m->intern, words[i], strlen(words[i]));
    m->dims = nnc_dims_new(a, m->intern);
    m->types = nnc_hashset_new(a);
    m->consts = nnc_hashset_new(a);
    NNC_PUSH(a, &m->op, (nnc_op_rec){0}); /* id 0 of everything is "none" */
    NNC_PUSH(a, &m->value, (nnc_value_rec){0});
    NNC_PUSH(a, &m->use, (nnc_use_rec){0});
    NNC_PUSH(a, &m->block, (nnc_block_rec){0});
    NNC_PUSH(a, &m->type, (nnc_type_rec){0});
    NNC_PUSH(a, &m->blob, (nnc_blob_rec){0});
    NNC_PUSH(a, &m->block, (nnc_block_rec){0});
    m->top = (nnc_block){1};
    m->funcs = nnc_arena_alloc(a, sizeof *m->funcs);
    return m;
}

nnc_sym nnc_sym_put(nnc_module *m, const char *s)
{
    return nnc_intern_put(m->intern, s, strlen(s));
}
const char *nnc_sym_str(const nnc_module *m, nnc_sym s)
{
    return nnc_intern_str(m->intern, s);
}

/* ---- uses and values ---- */

static void link_use(nnc_module *m, uint32_t u, nnc_value v)
{
    nnc_use_rec *r = &m->use.at[u];
    r->value = v;
    r->prev = 0;
    r->next = v.id ? m->value.at[v.id].first_use : 0;
    if (r->next)
        m->use.at[r->next].prev = u;
    if (v.id)
        m->value.at[v.id].first_use = u;
}

static void unlink_use(nnc_module *m, uint32_t u)
{
    nnc_use_rec *r = &m->use.at[u];
    if (r->prev)
        m->use.at[r->prev].next = r->next;
    else if (r->value.id)
        m->value.at[r->value.id].first_use = r->next;
    if (r->next)
        m->use.at[r->next].prev = r->prev;
    r->value.id = r->next = r->prev = 0;
}

nnc_op nnc_value_op(const nnc_module *m, nnc_value v)
{
    const nnc_value_rec *r = &m->value.at[v.id];
    return (nnc_op){r->kind == NNC_VALUE_result ? r->def : 0};
}

bool nnc_value_is_const(const nnc_module *m, nnc_value v)
{
    return m->value.at[v.id].kind == NNC_VALUE_const;
}

unsigned nnc_value_nuse(const nnc_module *m, nnc_value v)
{
    unsigned n = 0;
    for (uint32_t u = m->value.at[v.id].first_use; u; u = m->use.at[u].next)
        n++;
    return n;
}

nnc_op nnc_value_single_user(const nnc_module *m, nnc_value v)
{
    uint32_t u = m->value.at[v.id].first_use;
    return u && !m->use.at[u].next ? m->use.at[u].user : (nnc_op){0};
}

void nnc_value_replace(nnc_module *m, nnc_value from, nnc_value to)
{
    assert(from.id && to.id);
    if (from.id == to.id)
        return;
    while (m->value.at[from.id].first_use) {
        uint32_t u = m->value.at[from.id].first_use;
        unlink_use(m, u);
        link_use(m, u, to);
    }
    if (!m->value.at[to.id].name.id && m->value.at[to.id].kind != NNC_VALUE_const)
        m->value.at[to.id].name = m->value.at[from.id].name;
}

void nnc_value_set_name(nnc_module *m, nnc_value v, const char *hint)
{
    m->value.at[v.id].name = nnc_sym_put(m, hint);
}

void nnc_value_set_type(nnc_module *m, nnc_value v, nnc_type t)
{
    m->value.at[v.id].type = t;
}

/* ---- ops ---- */

/* Positions anew, with much room behind `at`: a builder that stands before some op inserts there again and again. */
static void renumber(nnc_module *m, nnc_block b, nnc_op at)
{
    uint32_t n = 0;
    for (nnc_op op = m->block.at[b.id].first; op.id; op = m->op.at[op.id].next) {
        m->op.at[op.id].order = n += ORDER_GAP;
        n += op.id == at.id ? ORDER_HOLE : 0;
    }
}

static void link_op(nnc_module *m, nnc_op op, nnc_pos p)
{
    nnc_op_rec *r = &m->op.at[op.id];
    nnc_block_rec *b = &m->block.at[p.block.id];
    r->block = p.block;
    r->next = p.before;
    r->prev = p.before.id ? m->op.at[p.before.id].prev : b->last;
    if (r->prev.id)
        m->op.at[r->prev.id].next = op;
    else
        b->first = op;
    if (r->next.id)
        m->op.at[r->next.id].prev = op;
    else
        b->last = op;
    uint32_t lo = r->prev.id ? m->op.at[r->prev.id].order : 0;
    uint32_t hi = r->next.id ? m->op.at[r->next.id].order : lo + 2 * ORDER_GAP;
    r->order = lo + (hi - lo > 2 * ORDER_GAP ? ORDER_GAP : (hi - lo) / 2);
    if (hi - lo < 2 || hi < lo)
        renumber(m, p.block, op);
}

static void unlink_op(nnc_module *m, nnc_op op)
{
    nnc_op_rec *r = &m->op.at[op.id];
    nnc_block_rec *b = &m->block.at[r->block.id];
    if (r->prev.id)
        m->op.at[r->prev.id].next = r->next;
    else
        b->first = r->next;
    if (r->next.id)
        m->op.at[r->next.id].prev = r->prev;
    else
        b->last = r->prev;
    r->next = r->prev = (nnc_op){0};
}

/* A run of n use records for `op`, values still unlinked. */
static uint32_t new_uses(nnc_module *m, nnc_op op, unsigned n)
{
    uint32_t at = m->use.n;
    for (unsigned i = 0; i < n; i++)
        NNC_PUSH(m->arena, &m->use, (nnc_use_rec){.user = op});
    return at;
}

nnc_op nnc_op_new(nnc_module *m, nnc_pos p, nnc_opcode code, unsigned nin, const nnc_value *in,
                  unsigned nout, const nnc_type *out, nnc_loc loc)
{
    assert(nin <= UINT16_MAX && nout <= UINT16_MAX);
    nnc_op op = {m->op.n};
    nnc_op_rec r = {
        .code = (uint16_t)code, .nin = (uint16_t)nin, .nout = (uint16_t)nout, .loc = loc};
    r.in = new_uses(m, op, nin);
    for (unsigned i = 0; i < nin; i++)
        link_use(m, r.in + i, in[i]);
    r.out = (nnc_value){nout ? m->value.n : 0};
    for (unsigned i = 0; i < nout; i++)
        NNC_PUSH(m->arena, &m->value,
                 (nnc_value_rec){
                     .type = out[i], .kind = NNC_VALUE_result, .index = (uint16_t)i, .def = op.id});
    NNC_PUSH(m->arena, &m->op, r);
    link_op(m, op, p);
    return op;
}

static void erase_block(nnc_module *m, nnc_block b);

void nnc_op_erase(nnc_module *m, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
        erase_block(m, nnc_op_region(m, op, i));
    nnc_op_rec *r = &m->op.at[op.id];
    for (unsigned i = 0; i < r->nout; i++)
        assert(!m->value.at[r->out.id + i].first_use && "erased value is still used");
    for (unsigned i = 0; i < r->nin; i++)
        unlink_use(m, r->in + i);
    unlink_op(m, op);
    for (unsigned i = 0; i < r->nout; i++)
        m->value.at[r->out.id + i].kind = NNC_VALUE_none;
    r->code = NNC_OP_none;
    r->nin = r->nout = 0;
    r->nregion = 0;
}

static void erase_block(nnc_module *m, nnc_block b)
{
    while (m->block.at[b.id].last.id) /* users before makers */
        nnc_op_erase(m, m->block.at[b.id].last);
}

void nnc_op_move(nnc_module *m, nnc_op op, nnc_pos p)
{
    if (p.before.id == op.id)
        return;
    unlink_op(m, op);
    link_op(m, op, p);
}

void nnc_op_set_in(nnc_module *m, nnc_op op, unsigned i, nnc_value v)
{
    uint32_t u = m->op.at[op.id].in + i;
    unlink_use(m, u);
    link_use(m, u, v);
}

void nnc_op_set_ins(nnc_module *m, nnc_op op, unsigned n, const nnc_value *in)
{
    nnc_op_rec *r = &m->op.at[op.id];
    nnc_value *copy =
        nnc_arena_copy(m->arena, in, n * sizeof *in); /* `in` may point into our arrays */
    for (unsigned i = 0; i < r->nin; i++)
        unlink_use(m, r->in + i);
    if (n > r->nin)
        r->in = new_uses(m, op, n);
    r->nin = (uint16_t)n;
    for (unsigned i = 0; i < n; i++)
        link_use(m, r->in + i, copy[i]);
}

bool nnc_op_before(const nnc_module *m, nnc_op a, nnc_op b)
{
    return m->op.at[a.id].order < m->op.at[b.id].order;
}

/* ---- regions, blocks ---- */

nnc_block nnc_op_add_region(nnc_module *m, nnc_op op)
{
    nnc_block b = {m->block.n};
    NNC_PUSH(m->arena, &m->block, (nnc_block_rec){.parent = op});
    nnc_op_rec *r = &m->op.at[op.id];
    if (!r->nregion ||
        r->region + r->nregion != m->region.n) { /* keep an op's regions consecutive */
        uint32_t at = m->region.n;
        for (unsigned i = 0; i < r->nregion; i++)
            NNC_PUSH(m->arena, &m->region, m->region.at[r->region + i]);
        r->region = at;
    }
    NNC_PUSH(m->arena, &m->region, b);
    r->nregion++;
    return b;
}

void nnc_op_take_regions(nnc_module *m, nnc_op to, nnc_op from)
{
    nnc_op_rec *r = &m->op.at[to.id], *s = &m->op.at[from.id];
    assert(!r->nregion);
    r->region = s->region;
    r->nregion = s->nregion;
    s->nregion = 0;
    for (unsigned i = 0; i < r->nregion; i++)
        m->block.at[m->region.at[r->region + i].id].parent = to;
}

nnc_value nnc_block_add_arg(nnc_module *m, nnc_block b, nnc_type t, const char *name)
{
    nnc_block_rec *r = &m->block.at[b.id];
    nnc_value v = {m->value.n};
    nnc_value_rec rec = {.type = t, .kind = NNC_VALUE_arg, .index = (uint16_t)r->narg, .def = b.id};
    if (name && *name)
        rec.name = nnc_sym_put(m, name);
    NNC_PUSH(m->arena, &m->value, rec);
    if (r->narg == r->argcap) {
        uint32_t cap = r->argcap ? 2 * r->argcap : 4, at = m->args.n;
        for (uint32_t i = 0; i < cap; i++)
            NNC_PUSH(m->arena, &m->args, i < r->narg ? m->args.at[r->arg + i] : (nnc_value){0});
        r->arg = at;
        r->argcap = cap;
    }
    m->args.at[r->arg + r->narg++] = v;
    return v;
}

void nnc_block_erase_arg(nnc_module *m, nnc_block b, unsigned i)
{
    nnc_block_rec *r = &m->block.at[b.id];
    nnc_value v = m->args.at[r->arg + i];
    assert(!m->value.at[v.id].first_use);
    m->value.at[v.id].kind = NNC_VALUE_none;
    for (r->narg--; i < r->narg; i++) {
        m->args.at[r->arg + i] = m->args.at[r->arg + i + 1];
        m->value.at[m->args.at[r->arg + i].id].index = (uint16_t)i;
    }
}

static nnc_value mapped(const nnc_value *map, uint32_t nmap, nnc_value v)
{
    return v.id < nmap && map[v.id].id ? map[v.id] : v;
}

nnc_op nnc_op_clone(nnc_module *m, nnc_op op, nnc_pos p, nnc_value *map, uint32_t nmap)
{
    nnc_op_rec r = m->op.at[op.id];
    nnc_value *in = nnc_arena_array(m->arena, r.nin + 1u, sizeof *in);
    nnc_type *out = nnc_arena_array(m->arena, r.nout + 1u, sizeof *out);
    for (unsigned i = 0; i < r.nin; i++)
        in[i] = mapped(map, nmap, nnc_op_in(m, op, i));
    for (unsigned i = 0; i < r.nout; i++)
        out[i] = nnc_value_type(m, nnc_op_out(m, op, i));
    nnc_op to = nnc_op_new(m, p, (nnc_opcode)r.code, r.nin, in, r.nout, out, r.loc);
    nnc_attr_copy(m, to, op);
    for (unsigned i = 0; i < r.nout; i++) {
        nnc_value from = nnc_op_out(m, op, i), v = nnc_op_out(m, to, i);
        m->value.at[v.id].name = m->value.at[from.id].name;
        if (from.id < nmap)
            map[from.id] = v;
    }
    for (unsigned i = 0; i < r.nregion; i++) {
        nnc_block from = nnc_op_region(m, op, i), b = nnc_op_add_region(m, to);
        for (unsigned j = 0; j < nnc_block_narg(m, from); j++) {
            nnc_value arg = nnc_block_arg(m, from, j);
            nnc_value v = nnc_block_add_arg(m, b, nnc_value_type(m, arg), nnc_value_name(m, arg));
            if (arg.id < nmap)
                map[arg.id] = v;
        }
        nnc_block_clone(m, from, (nnc_pos){b, {0}}, map, nmap, true);
    }
    return to;
}

void nnc_block_clone(nnc_module *m, nnc_block from, nnc_pos p, nnc_value *map, uint32_t nmap,
                     bool with_terminator)
{
    for (nnc_op op = nnc_block_first(m, from); op.id; op = nnc_op_next(m, op))
        if (with_terminator || !nnc_op_has(m, op, NNC_TERMINATOR))
            nnc_op_clone(m, op, p, map, nmap);
}

/* ---- functions and blobs ---- */

nnc_blob nnc_blob_new(nnc_module *m, const void *base, size_t bytes, nnc_loc loc)
{
    NNC_PUSH(m->arena, &m->blob, (nnc_blob_rec){base, bytes, loc});
    return (nnc_blob){m->blob.n - 1};
}

const void *nnc_const_data(const nnc_module *m, nnc_op op)
{
    const nnc_blob_rec *b = &m->blob.at[nnc_attr_int(m, op, NNC_W_blob, 0)];
    return (const char *)b->base + nnc_attr_int(m, op, NNC_W_at, 0);
}

const char *nnc_func_name(const nnc_module *m, nnc_op func)
{
    return nnc_attr_str(m, func, NNC_W_sym, "");
}

static bool is_named(const nnc_module *m, nnc_op f, nnc_sym name)
{
    const nnc_attr_rec *a;
    nnc_opcode code = f.id ? nnc_op_code(m, f) : NNC_OP_none;

    if (code != NNC_OP_graph && code != NNC_OP_kernel)
        return false;
    a = nnc_attr_find(m, f, NNC_W_sym);
    return a && a->kind == NNC_ATTR_string && a->u.s.id == name.id &&
           nnc_op_get(m, f)->block.id == m->top.id;
}

nnc_op nnc_func_find(const nnc_module *m, const char *name)
{
    nnc_sym s = nnc_intern_put(m->intern, name, strlen(name));
    nnc_op found = {0};

    while (m->funcs->of.n <= s.id)
        NNC_PUSH(m->arena, &m->funcs->of, (nnc_op){0});
    if (is_named(m, m->funcs->of.at[s.id], s))
        return m->funcs->of.at[s.id];
    for (nnc_op f = nnc_block_first(m, m->top); f.id && !found.id; f = nnc_op_next(m, f))
        if (!strcmp(nnc_func_name(m, f), name))
            found = f;
    return m->funcs->of.at[s.id] = found;
}

nnc_op nnc_func_entry(const nnc_module *m, nnc_opcode code)
{
    nnc_op only = {0};
    unsigned n = 0;
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f)) {
        if (nnc_op_code(m, f) != code)
            continue;
        if (nnc_attr_int(m, f, NNC_W_entry, 0))
            return f;
        only = f;
        n++;
    }
    return n == 1 ? only : (nnc_op){0};
}
