/* Blocks are walked backwards, so the statement a value ends up in is known before the value is visited.  A forward
 * walk then cuts expressions that have grown too long to read. */
#include "codegen/text/flow.h"
#include "passes/linear.h"

enum { LONGEST = 12 /* operations in one expression */ };

nnc_flow nnc_flow_new(const nnc_module *m, nnc_arena *a)
{
    nnc_flow f = {.m = m, .a = a};

    f.in_place = nnc_arena_array(a, m->value.n, sizeof *f.in_place);
    f.root = nnc_arena_array(a, m->value.n, sizeof *f.root);
    f.size = nnc_arena_array(a, m->value.n, sizeof *f.size);
    return f;
}

/* A load and a store of the same buffer at constant, different cells. */
static bool apart(const nnc_module *m, nnc_op load, nnc_op store)
{
    int64_t x, y;

    if (nnc_op_code(m, store) != NNC_OP_store ||
        nnc_op_in(m, load, 0).id != nnc_op_in(m, store, 1).id)
        return false;
    if (nnc_value_ty(m, nnc_op_out(m, load, 0))->lanes !=
        nnc_value_ty(m, nnc_op_in(m, store, 0))->lanes)
        return false;
    for (unsigned i = 1; i < nnc_op_nin(m, load); i++)
        if (nnc_value_idx(m, nnc_op_in(m, load, i), &x) &&
            nnc_value_idx(m, nnc_op_in(m, store, i + 1), &y) && x != y &&
            nnc_value_ty(m, nnc_op_out(m, load, 0))->lanes ==
                nnc_value_ty(m, nnc_op_in(m, load, 0))->lanes)
            return true;
    return false;
}

static bool written_between(const nnc_flow *f, nnc_op load, nnc_op end)
{
    nnc_value root = nnc_buffer_root(f->m, nnc_op_in(f->m, load, 0));

    for (nnc_op op = nnc_op_next(f->m, load); op.id && op.id != end.id;
         op = nnc_op_next(f->m, op)) {
        if (!nnc_op_has(f->m, op, NNC_WRITES))
            continue;
        if (nnc_op_writes_buffer(f->m, op, root) && !apart(f->m, load, op))
            return true;
        if (f->may_alias && nnc_op_code(f->m, op) !=
                                NNC_OP_store) /* regions that write something else: stay safe */
            return true;
        if (f->may_alias &&
            f->may_alias(f->user, root, nnc_buffer_root(f->m, nnc_op_in(f->m, op, 1))))
            return true;
    }
    return false;
}

/* The statement that v ends up in when it is written once; 0: several places. */
static nnc_op statement_of(const nnc_flow *f, nnc_value v)
{
    nnc_op user = nnc_value_single_user(f->m, v);

    if (user.id && nnc_op_nout(f->m, user) == 1 && f->in_place[nnc_op_out(f->m, user, 0).id])
        return f->root[nnc_op_out(f->m, user, 0).id];
    return user;
}

/* Sums of indices are printed inside addresses, splats inside vector expressions: as often as they are used. */
static bool always_in_place(const nnc_module *m, nnc_value v)
{
    return nnc_linear_is_sum(m, v) || nnc_op_code(m, nnc_value_op(m, v)) == NNC_OP_splat;
}

static void decide(nnc_flow *f, nnc_op op)
{
    const nnc_module *m = f->m;
    nnc_value v = nnc_op_out(m, op, 0);
    nnc_op root = statement_of(f, v);
    bool load = nnc_op_code(m, op) == NNC_OP_load;

    f->root[v.id] = root;
    if (always_in_place(m, v)) {
        f->in_place[v.id] = true;
        return;
    }
    if (!root.id || nnc_op_get(m, root)->block.id != nnc_op_get(m, op)->block.id)
        return;
    f->in_place[v.id] = load ? !written_between(f, op, root) : nnc_op_has(m, op, NNC_PURE);
}

static bool is_value(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);

    return nnc_op_nout(m, op) == 1 && code != NNC_OP_alloc && code != NNC_OP_view &&
           code != NNC_OP_const;
}

static void decide_block(nnc_flow *f, nnc_block b)
{
    for (nnc_op op = nnc_block_last(f->m, b); op.id; op = nnc_op_prev(f->m, op)) {
        for (unsigned r = 0; r < nnc_op_nregion(f->m, op); r++)
            decide_block(f, nnc_op_region(f->m, op, r));
        if (is_value(f->m, op))
            decide(f, op);
    }
}

/* A clamp right before the conversion to bytes is one instruction with it, when it stands within. */
static bool clamps_bytes(const nnc_module *m, nnc_op op)
{
    for (unsigned i = 0; i < 2; i++) {
        nnc_opcode code = nnc_op_code(m, op);
        nnc_value v = nnc_op_out(m, op, 0);
        nnc_op user = nnc_value_single_user(m, v);
        if ((code != NNC_OP_max && code != NNC_OP_min) || !user.id ||
            nnc_value_ty(m, v)->dtype != NNC_DT_i32)
            return false;
        if (nnc_op_code(m, user) == NNC_OP_cast &&
            nnc_dtype_bytes((nnc_dtype)nnc_value_ty(m, nnc_op_out(m, user, 0))->dtype) == 1)
            return true;
        op = user;
    }
    return false;
}

static void cut_block(nnc_flow *f, nnc_block b)
{
    for (nnc_op op = nnc_block_first(f->m, b); op.id; op = nnc_op_next(f->m, op)) {
        for (unsigned r = 0; r < nnc_op_nregion(f->m, op); r++)
            cut_block(f, nnc_op_region(f->m, op, r));
        if (!is_value(f->m, op))
            continue;
        unsigned size = 1;
        nnc_value v = nnc_op_out(f->m, op, 0);
        if (nnc_op_code(f->m, op) != NNC_OP_load)
            for (unsigned i = 0; i < nnc_op_nin(f->m, op); i++)
                size +=
                    f->in_place[nnc_op_in(f->m, op, i).id] ? f->size[nnc_op_in(f->m, op, i).id] : 0;
        f->size[v.id] = (uint8_t)(size > 200 ? 200 : size);
        if (size >= LONGEST && !always_in_place(f->m, v) && !clamps_bytes(f->m, op))
            f->in_place[v.id] = false;
    }
}

void nnc_flow_func(nnc_flow *f, nnc_op func)
{
    decide_block(f, nnc_op_region(f->m, func, 0));
    cut_block(f, nnc_op_region(f->m, func, 0));
}
