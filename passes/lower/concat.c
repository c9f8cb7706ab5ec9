/* Parts of a concat are made where they belong.
 *
 * A kernel that does nothing but put its operands side by side is a memory copy.  If an operand is made in the same
 * block and used nowhere else, its maker writes into a strided view of the result instead, and the concat has nothing
 * left to do (or copies only the other parts).  The result then lives from its first part on; where that would lift the
 * block's peak of live bytes (a skip connection kept over the deep half of a U-net), the early parts stay on their own. */
#include <assert.h>
#include "passes/lower/entry.h"

/* An operand: where it begins along the axis, its size, the step that makes it. */
typedef struct piece {
    nnc_value g;
    int64_t begin;
    uint64_t bytes;
    uint32_t at;
    bool placed;
} piece;

typedef struct block_live {
    uint32_t n;
    uint64_t *live, peak; /* per op of the block: bytes of its values that are needed there */
    uint32_t *at;         /* per op id: its place in the block, from 1 */
} block_live;

static uint64_t bytes_of(const nnc_module *m, nnc_value v)
{
    int64_t n = nnc_type_bytes(m, nnc_value_type(m, v));
    return n > 0 && n < INT64_MAX / 4096 ? (uint64_t)n : 0;
}

/* The op of block b that is op or holds it. */
static nnc_op inside(const nnc_module *m, nnc_op op, nnc_block b)
{
    while (op.id && nnc_op_get(m, op)->block.id != b.id)
        op = nnc_block_parent(m, nnc_op_get(m, op)->block);
    return op;
}

static uint32_t last_use(const nnc_module *m, const block_live *l, nnc_block b, nnc_value v,
                         uint32_t from)
{
    uint32_t last = from;

    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_op user = inside(m, m->use.at[u].user, b);
        if (user.id && l->at[user.id] > last)
            last = l->at[user.id];
    }
    return last;
}

static void measure(nnc_lower *x, nnc_block b, block_live *l)
{
    const nnc_module *m = x->m;

    l->at = nnc_arena_array(x->cx->scratch, m->op.n, sizeof *l->at);
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        l->at[op.id] = ++l->n;
    l->live = nnc_arena_array(x->cx->scratch, l->n + 2u, sizeof *l->live);
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_const || nnc_op_has(m, op, NNC_VIEW))
            continue;
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
            nnc_value v = nnc_op_out(m, op, i);
            uint32_t last = last_use(m, l, b, v, l->at[op.id]);
            for (uint32_t t = l->at[op.id]; t <= last && !nnc_entry_of(x)->target[v.id].id; t++)
                l->live[t] += bytes_of(m, v);
        }
    }
    for (uint32_t t = 1; t <= l->n; t++)
        l->peak = l->live[t] > l->peak ? l->live[t] : l->peak;
}

/* The concat that is all a fused op does; 0: it does something else. */
static nnc_op only_concat(const nnc_module *m, nnc_op fused)
{
    nnc_block body = nnc_op_region(m, fused, 0);
    nnc_op op = nnc_block_first(m, body), end = op.id ? nnc_op_next(m, op) : op;

    if (!end.id || nnc_op_code(m, op) != NNC_OP_concat || !nnc_op_has(m, end, NNC_TERMINATOR) ||
        nnc_op_in(m, end, 0).id != nnc_op_out(m, op, 0).id || nnc_op_nin(m, end) != 1)
        return (nnc_op){0};
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        if (nnc_value_get(m, nnc_op_in(m, op, i))->kind != NNC_VALUE_arg ||
            nnc_value_get(m, nnc_op_in(m, op, i))->def != body.id)
            return (nnc_op){0};
    return op;
}

static nnc_value part_view(nnc_lower *x, nnc_value whole, const piece *p, int axis)
{
    nnc_module *m = x->m;
    nnc_type_rec r = *nnc_value_ty(m, whole), part = *nnc_value_ty(m, p->g);

    for (int d = 0; d < part.rank; d++)
        part.stride[d] = r.stride[d];
    return nnc_k_view(&x->b, whole, nnc_const_idx(m, p->begin * r.stride[axis]),
                      nnc_type_buffer(m, (nnc_dtype)r.dtype, 1, part.rank, part.dim, part.stride,
                                      (nnc_space)r.space));
}

/* Operands in order, with their places in the result; false: sizes are not all constant. */
static bool find_pieces(nnc_lower *x, nnc_op fused, nnc_op concat, const block_live *l, piece *p)
{
    const nnc_module *m = x->m;
    int axis = (int)nnc_attr_int(m, concat, NNC_W_axis, 0);
    int64_t at = 0;

    if (!nnc_type_is_static(m, nnc_value_type(m, nnc_op_out(m, fused, 0))))
        return false;
    for (unsigned i = 0; i < nnc_op_nin(m, concat); i++) {
        nnc_value arg = nnc_op_in(m, concat, i),
                  g = nnc_op_in(m, fused, nnc_value_get(m, arg)->index);
        nnc_op def = nnc_value_op(m, g);
        p[i] = (piece){.g = g, .begin = at, .bytes = bytes_of(m, g)};
        p[i].placed = nnc_entry_can_place(x, nnc_op_get(m, fused)->block, g) &&
                      nnc_value_nuse(m, g) == 1 && nnc_value_nuse(m, arg) == 1;
        p[i].at = def.id && p[i].placed ? l->at[def.id] : 0;
        at += nnc_value_ty(m, g)->dim[axis];
    }
    return true;
}

/* Bytes that holding the result from its first part on adds at step t. */
static uint64_t held(const piece *p, unsigned n, uint64_t whole, uint32_t t, uint64_t *saved)
{
    *saved = 0;
    for (unsigned i = 0; i < n; i++)
        *saved += p[i].placed && p[i].at <= t ? p[i].bytes : 0;
    return whole;
}

static uint32_t first_placed(const piece *p, unsigned n, unsigned *which)
{
    uint32_t first = UINT32_MAX;

    for (unsigned i = 0; i < n; i++)
        if (p[i].placed && p[i].at < first) {
            first = p[i].at;
            *which = i;
        }
    return first;
}

/* Drop early parts until the peak does not rise; then count the change in. */
static bool settle(block_live *l, piece *p, unsigned n, uint64_t whole, uint32_t end)
{
    unsigned early = 0;
    uint32_t first;
    uint64_t saved;

    while ((first = first_placed(p, n, &early)) != UINT32_MAX) {
        bool fits = true;
        for (uint32_t t = first; t < end && fits; t++) {
            uint64_t more = held(p, n, whole, t, &saved);
            fits = l->live[t] + more <= l->peak + saved;
        }
        if (fits)
            break;
        p[early].placed = false;
    }
    if (first == UINT32_MAX)
        return false;
    for (uint32_t t = first; t < end; t++) {
        uint64_t more = held(p, n, whole, t, &saved);
        l->live[t] = l->live[t] + more - saved;
    }
    held(p, n, whole, end, &saved);
    l->live[end] -= saved;
    return true;
}

void nnc_entry_concats(nnc_lower *x, nnc_block b, nnc_placed *placed)
{
    nnc_module *m = x->m;
    nnc_entry *e = nnc_entry_of(x);
    block_live l = {0};

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        nnc_op concat = nnc_op_code(m, op) == NNC_OP_fused ? only_concat(m, op) : (nnc_op){0};
        nnc_value result, whole;
        unsigned n;
        piece *p;
        if (!concat.id)
            continue;
        if (!l.n)
            measure(x, b, &l);
        n = nnc_op_nin(m, concat);
        p = nnc_arena_array(x->cx->scratch, n + 1u, sizeof *p);
        result = nnc_op_out(m, op, 0);
        if (!find_pieces(x, op, concat, &l, p) ||
            !settle(&l, p, n, e->target[result.id].id ? 0 : bytes_of(m, result), l.at[op.id]))
            continue;
        whole = e->target[result.id];
        if (!whole.id) {
            whole = nnc_entry_alloc(x, nnc_value_type(m, result), nnc_value_name(m, result));
            e->target[result.id] = whole;
            NNC_PUSH(x->cx->scratch, placed, result.id);
        }
        e->pieces[result.id] = true;
        for (unsigned i = 0; i < n; i++)
            if (p[i].placed) {
                e->target[p[i].g.id] =
                    part_view(x, whole, &p[i], (int)nnc_attr_int(m, concat, NNC_W_axis, 0));
                NNC_PUSH(x->cx->scratch, placed, p[i].g.id);
            }
    }
}

bool nnc_entry_assemble(nnc_lower *x, nnc_op fused)
{
    nnc_module *m = x->m;
    nnc_entry *e = nnc_entry_of(x);
    nnc_value result = nnc_op_out(m, fused, 0), whole;
    nnc_op concat;
    int64_t at = 0;
    int axis;

    if (!e->pieces[result.id])
        return false;
    concat = only_concat(m, fused);
    axis = (int)nnc_attr_int(m, concat, NNC_W_axis, 0);
    whole = nnc_lower_result(x, result);
    for (unsigned i = 0; i < nnc_op_nin(m, concat); i++) {
        nnc_value g = nnc_op_in(m, fused, nnc_value_get(m, nnc_op_in(m, concat, i))->index);
        piece p = {.g = g, .begin = at};
        nnc_value buffer = nnc_lower_buffer(x, g);
        at += nnc_value_ty(m, g)->dim[axis];
        if (nnc_entry_base(m, buffer).id != nnc_entry_base(m, whole).id ||
            buffer.id != e->target[g.id].id)
            nnc_entry_copy(x, part_view(x, whole, &p, axis), buffer);
    }
    return true;
}
