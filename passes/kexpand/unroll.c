/* Unrolling clones the body with the variable replaced by a constant.  Pure ops are rebuilt through the builder, so
 * index arithmetic folds on the way and cells of register buffers end up at constant indices. */
#include "passes/kmem.h"
#include "passes/kexpand/kexpand.h"

enum { MAX_OPS = 6000 /* after unrolling one loop */ };

nnc_value *nnc_expand_map(nnc_expand *x)
{
    if (x->nmap < x->m->value.n) {
        x->nmap = x->m->value.n + x->m->value.n / 2;
        x->map = nnc_arena_array(x->cx->scratch, x->nmap, sizeof *x->map);
    }
    return x->map;
}

static nnc_value mapped(const nnc_expand *x, nnc_value v)
{
    return v.id < x->nmap && x->map[v.id].id ? x->map[v.id] : v;
}

static bool foldable(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);
    unsigned n = nnc_op_nin(m, op);

    if (!nnc_op_has(m, op, NNC_PURE) || !nnc_op_has(m, op, NNC_ELEMENTWISE) ||
        nnc_op_nout(m, op) != 1 || nnc_op_get(m, op)->nattr)
        return false;
    return code == NNC_OP_select || code == NNC_OP_cast || n == 2 ||
           (n == 1 && code != NNC_OP_bitcast);
}

static nnc_value rebuild(nnc_expand *x, nnc_op op, nnc_builder *b)
{
    nnc_module *m = x->m;
    nnc_opcode code = nnc_op_code(m, op);
    nnc_value v, in[3];

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        in[i] = mapped(x, nnc_op_in(m, op, i));
    uint32_t before = m->value.n;
    if (code == NNC_OP_select)
        v = nnc_k_select(b, in[0], in[1], in[2]);
    else if (code == NNC_OP_cast)
        v = nnc_k_cast(b, in[0], (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype);
    else
        v = nnc_op_nin(m, op) == 2 ? nnc_k_binary(b, code, in[0], in[1])
                                   : nnc_k_unary(b, code, in[0]);
    if (v.id >= before && !nnc_value_is_const(m, v))
        m->value.at[v.id].name = nnc_value_get(m, nnc_op_out(m, op, 0))->name;
    return v;
}

static void clone_block(nnc_expand *x, nnc_block from, nnc_pos to);

static void clone_op(nnc_expand *x, nnc_op op, nnc_pos to)
{
    nnc_module *m = x->m;
    nnc_builder b = {.m = m, .pos = to, .loc = nnc_op_loc(m, op)};

    if (foldable(m, op)) {
        x->map[nnc_op_out(m, op, 0).id] = rebuild(x, op, &b);
        return;
    }
    if (!nnc_op_nregion(m, op)) {
        (void)nnc_op_clone(m, op, to, x->map, x->nmap);
        return;
    }
    nnc_op_rec r = *nnc_op_get(m, op);
    nnc_value in[3] = {{0}};
    for (unsigned i = 0; i < r.nin && i < 3; i++)
        in[i] = mapped(x, nnc_op_in(m, op, i));
    nnc_op copy = nnc_op_new(m, to, (nnc_opcode)r.code, r.nin, in, 0, NULL, r.loc);
    nnc_attr_copy(m, copy, op);
    for (unsigned i = 0; i < r.nregion; i++) {
        nnc_block from = nnc_op_region(m, op, i), into = nnc_op_add_region(m, copy);
        for (unsigned j = 0; j < nnc_block_narg(m, from); j++) {
            nnc_value arg = nnc_block_arg(m, from, j);
            x->map[arg.id] =
                nnc_block_add_arg(m, into, nnc_value_type(m, arg), nnc_value_name(m, arg));
        }
        clone_block(x, from, (nnc_pos){into, {0}});
    }
}

static void clone_block(nnc_expand *x, nnc_block from, nnc_pos to)
{
    for (nnc_op op = nnc_block_first(x->m, from); op.id; op = nnc_op_next(x->m, op))
        clone_op(x, op, to);
}

static unsigned count_ops(const nnc_module *m, nnc_block b, bool *loops)
{
    unsigned n = 0;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        n++;
        *loops = *loops || nnc_op_nregion(m, op);
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            n += count_ops(m, nnc_op_region(m, op, r), loops);
    }
    return n;
}

static void unroll_one(nnc_expand *x, nnc_op op, bool all)
{
    nnc_module *m = x->m;
    nnc_range range;
    bool loops = false;
    nnc_block body = nnc_op_region(m, op, 0);
    unsigned ops = count_ops(m, body, &loops);

    if (!nnc_for_range(m, op, &range) || range.trips > MAX_OPS / (ops ? ops : 1) ||
        (!all && loops)) {
        nnc_attr_remove(m, op, NNC_W_kind);
        return;
    }
    for (int64_t i = range.lo; i < range.hi; i += range.step) {
        (void)nnc_const_idx(m, i);
        (void)nnc_expand_map(x);
        x->map[nnc_block_arg(m, body, 0).id] = nnc_const_idx(m, i);
        clone_block(x, body, (nnc_pos){nnc_op_get(m, op)->block, op});
    }
    nnc_op_erase(m, op);
    x->cx->changed++;
}

/* A loop that runs once, or never, is no loop; a parallel one says that one thread does it. */
static bool runs_once(const nnc_module *m, nnc_op op)
{
    int64_t lo, hi, step;

    return nnc_attr_word(m, op, NNC_W_kind, NNC_W_serial) != NNC_W_parallel &&
           nnc_value_idx(m, nnc_op_in(m, op, 0), &lo) &&
           nnc_value_idx(m, nnc_op_in(m, op, 1), &hi) &&
           nnc_value_idx(m, nnc_op_in(m, op, 2), &step) && step > 0 && hi - lo <= step;
}

static void unroll_block(nnc_expand *x, nnc_block b, bool all)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = next) {
        next = nnc_op_next(x->m, op);
        for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++) /* inner loops first */
            unroll_block(x, nnc_op_region(x->m, op, r), all);
        if (nnc_op_code(x->m, op) != NNC_OP_for)
            continue;
        if (runs_once(x->m, op))
            unroll_one(x, op, true);
        else if (nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_serial) == NNC_W_unroll)
            unroll_one(x, op, all);
    }
}

void nnc_expand_unroll(nnc_expand *x, bool all)
{
    unroll_block(x, nnc_op_region(x->m, x->func, 0), all);
}
