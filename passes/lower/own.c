/* Who may write where: loop state and results that take over memory.
 *
 * A loop's state lies in one buffer, and so does what a branch passes on.  An op that makes the new value of a state
 * *wishes* to make it there; a `dynamic_update_slice`, a scatter, an `if` or a loop wishes to lie on an operand that
 * dies with it.  Writing a buffer early is right when nobody reads the old value afterwards.  To know that, every root
 * buffer has the list of the G values that lie in it (views count: they have the same root), and all uses of those
 * values are compared with the op that wants to write:
 *
 *   a use before it in a common block, or in the other branch of a common `if`, has happened or never will;
 *   a value from outside of a loop that goes round between its definition and the op may be read in the next turn;
 *   the op itself may read the old value where the op's own rule says so (x of an update, the initial value of a loop,
 *   an operand of a kernel for which passes/inplace.c proves it).
 *
 * Lists are undone at the end of a region: what one branch overwrote is still whole in the other one. */
#include "passes/group.h"
#include "passes/inplace.h"
#include "passes/lower/entry.h"

/* ---- lists of values by root ---- */

static uint32_t *head_of(nnc_entry *e, nnc_value root)
{
    while (e->heads.n <= root.id)
        NNC_PUSH(e->x.cx->scratch, &e->heads, 0);
    return &e->heads.at[root.id];
}

static void set_head(nnc_entry *e, nnc_value root, uint32_t to)
{
    uint32_t *h = head_of(e, root);

    NNC_PUSH(e->x.cx->scratch, &e->undo, ((nnc_own_undo){root.id, *h}));
    *h = to;
}

void nnc_own_note(nnc_lower *x, nnc_value g)
{
    nnc_entry *e = nnc_entry_of(x);
    nnc_value root;

    if (!x->buffer[g.id].id)
        return;
    root = nnc_entry_base(x->m, x->buffer[g.id]);
    NNC_PUSH(x->cx->scratch, &e->lies, ((nnc_own_lies){g, *head_of(e, root)}));
    set_head(e, root, e->lies.n);
}

void nnc_own_lock(nnc_lower *x, nnc_value buffer)
{
    nnc_entry *e = nnc_entry_of(x);
    nnc_value root = nnc_entry_base(x->m, buffer);

    NNC_PUSH(x->cx->scratch, &e->lies, ((nnc_own_lies){{0}, *head_of(e, root)}));
    set_head(e, root, e->lies.n);
}

bool nnc_own_is_read(nnc_lower *x, nnc_value buffer)
{
    return *head_of(nnc_entry_of(x), nnc_entry_base(x->m, buffer)) != 0;
}

uint32_t nnc_own_save(const nnc_lower *x)
{
    return ((const nnc_entry *)x)->undo.n;
}

void nnc_own_restore(nnc_lower *x, uint32_t mark)
{
    nnc_entry *e = nnc_entry_of(x);

    while (e->undo.n > mark) {
        nnc_own_undo u = e->undo.at[--e->undo.n];
        e->heads.at[u.root] = u.head;
    }
}

/* ---- who reads afterwards ---- */

static nnc_op parent_of(const nnc_module *m, nnc_op op)
{
    return nnc_block_parent(m, nnc_op_get(m, op)->block);
}

static bool is_loop(const nnc_module *m, nnc_op op)
{
    return nnc_op_code(m, op) == NNC_OP_scan || nnc_op_code(m, op) == NNC_OP_while;
}

/* The op of `b` that is or holds op; 0: op is elsewhere. */
static nnc_op inside(const nnc_module *m, nnc_op op, nnc_block b)
{
    while (op.id && nnc_op_get(m, op)->block.id != b.id)
        op = parent_of(m, op);
    return op;
}

/* Is `use` done, or out of the question, when `op` runs? */
static bool is_past(const nnc_module *m, nnc_op use, nnc_op op)
{
    for (nnc_op p = op; p.id; p = parent_of(m, p)) {
        nnc_op u = inside(m, use, nnc_op_get(m, p)->block);
        if (!u.id)
            continue;
        if (u.id != p.id)
            return nnc_op_before(m, u, p);
        if (p.id ==
            op.id) /* inside of op: an `if` looks after its branches when they are lowered */
            return nnc_op_code(m, op) == NNC_OP_if;
        return nnc_op_code(m, p) == NNC_OP_if;
    }
    return false;
}

static bool turns_between(const nnc_module *m, nnc_value g, nnc_op op)
{
    const nnc_value_rec *r = nnc_value_get(m, g);
    nnc_block home = {r->def};

    if (r->kind == NNC_VALUE_result)
        home = nnc_op_get(m, (nnc_op){r->def})->block;
    for (nnc_block b = nnc_op_get(m, op)->block; b.id != home.id;) {
        nnc_op p = nnc_block_parent(m, b);
        if (!p.id || is_loop(m, p) || nnc_op_code(m, p) == NNC_OP_graph)
            return true;
        b = nnc_op_get(m, p)->block;
    }
    return false;
}

/* May op write `root` as far as all others are concerned? */
static bool is_free(nnc_lower *x, nnc_value root, nnc_op op)
{
    nnc_entry *e = nnc_entry_of(x);
    const nnc_module *m = x->m;

    for (uint32_t i = *head_of(e, root); i; i = e->lies.at[i - 1].next) {
        nnc_value g = e->lies.at[i - 1].g;
        if (!g.id || turns_between(m, g, op))
            return false;
        for (uint32_t u = nnc_value_get(m, g)->first_use; u; u = m->use.at[u].next)
            if (m->use.at[u].user.id != op.id && !is_past(m, m->use.at[u].user, op))
                return false;
    }
    return true;
}

static bool lies_in(nnc_lower *x, nnc_value g, nnc_value root)
{
    return x->buffer[g.id].id && nnc_entry_base(x->m, x->buffer[g.id]).id == root.id;
}

/* Does op read memory of `root` as an operand other than number `but`? */
static bool reads(nnc_lower *x, nnc_op op, nnc_value root, unsigned but)
{
    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++)
        if (i != but && lies_in(x, nnc_op_in(x->m, op, i), root))
            return true;
    return false;
}

static bool is_update(nnc_opcode code)
{
    return code == NNC_OP_dynamic_update_slice || code == NNC_OP_scatter_elements ||
           code == NNC_OP_scatter_nd;
}

/* The operand that result i may lie on; UINT_MAX: none. */
static unsigned twin_of(const nnc_module *m, nnc_op op, unsigned i)
{
    nnc_opcode code = nnc_op_code(m, op);

    if (is_update(code))
        return 0;
    if (code == NNC_OP_while ||
        (code == NNC_OP_scan && i < (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0)))
        return i;
    return UINT32_MAX;
}

/* May result i of op be made in `where`? */
static bool may_lie(nnc_lower *x, nnc_op op, unsigned i, nnc_value where)
{
    nnc_module *m = x->m;
    nnc_value root = nnc_entry_base(m, where);
    unsigned twin = twin_of(m, op, i);

    if (!is_free(x, root, op))
        return false;
    if (nnc_op_code(m, op) == NNC_OP_if) /* the condition is loaded before */
        return true;
    if (twin != UINT32_MAX && x->buffer[nnc_op_in(m, op, twin).id].id != where.id)
        twin = UINT32_MAX;
    return !reads(x, op, root, twin);
}

/* ---- taking over ---- */

/* Memory of our own: not what the caller passed in, not weights. */
static bool is_writable(nnc_lower *x, nnc_value buffer)
{
    nnc_entry *e = nnc_entry_of(x);
    nnc_value root = nnc_entry_base(x->m, buffer);
    nnc_op def = nnc_value_op(x->m, root);

    if (def.id)
        return nnc_op_code(x->m, def) == NNC_OP_alloc;
    for (uint32_t i = 0; i < e->outputs.n; i++)
        if (e->outputs.at[i].id == root.id)
            return true;
    return false;
}

/* Does the buffer look like one that was made for a tensor of this type? */
static bool is_regular(nnc_lower *x, nnc_value buffer, nnc_type tensor)
{
    nnc_type_rec a = *nnc_value_ty(x->m, buffer),
                 b = *nnc_type_get(x->m, nnc_entry_type(x->m, tensor, NNC_SPACE_arena));

    a.space = b.space;
    return nnc_type_put(x->m, &a).id == nnc_type_put(x->m, &b).id;
}

/* The value of an `if`'s result i that one branch passes on from outside. */
static nnc_value passed_on(nnc_lower *x, nnc_op op, unsigned i)
{
    nnc_module *m = x->m;

    for (unsigned r = 0; r < 2; r++) {
        nnc_value v = nnc_op_in(m, nnc_block_last(m, nnc_op_region(m, op, r)), i);
        if (x->buffer[v.id].id && !nnc_value_is_const(m, v))
            return v;
    }
    return (nnc_value){0};
}

static void take_over(nnc_lower *x, nnc_op op, unsigned i)
{
    nnc_module *m = x->m;
    nnc_entry *e = nnc_entry_of(x);
    nnc_value g = nnc_op_out(m, op, i), from = {0}, buffer;
    unsigned twin = twin_of(m, op, i);

    if (twin != UINT32_MAX)
        from = nnc_op_in(m, op, twin);
    else if (nnc_op_code(m, op) == NNC_OP_if)
        from = passed_on(x, op, i);
    buffer = from.id ? x->buffer[from.id] : from;
    if (buffer.id && is_writable(x, buffer) && is_regular(x, buffer, nnc_value_type(m, g)) &&
        may_lie(x, op, i, buffer))
        e->target[g.id] = buffer;
}

/* Two results never get the same memory. */
static bool taken(nnc_lower *x, nnc_op op, unsigned i, nnc_value where)
{
    nnc_value root = nnc_entry_base(x->m, where), t;

    for (unsigned k = 0; k < nnc_op_nout(x->m, op); k++)
        if (k != i && (t = nnc_entry_of(x)->target[nnc_op_out(x->m, op, k).id]).id &&
            nnc_entry_base(x->m, t).id == root.id)
            return true;
    return false;
}

void nnc_own_before(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_entry *e = nnc_entry_of(x);
    nnc_opcode code = nnc_op_code(m, op);

    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        nnc_value g = nnc_op_out(m, op, i), wish = e->wish[g.id];
        if (e->target[g.id].id || nnc_op_has(m, op, NNC_VIEW))
            continue;
        if (wish.id && !taken(x, op, i, wish) && may_lie(x, op, i, wish))
            e->target[g.id] = wish;
        else if (!wish.id || code == NNC_OP_if)
            take_over(x, op, i);
        if (e->target[g.id].id && taken(x, op, i, e->target[g.id]))
            e->target[g.id] = (nnc_value){0};
        if (e->target[g.id].id) {
            NNC_PUSH(x->cx->scratch, &e->granted, g.id);
            if (code != NNC_OP_if) /* readers inside of branches are still to come */
                set_head(e, nnc_entry_base(m, e->target[g.id]), 0);
        }
    }
}

/* Does op, or something in it, use a value that lies in `root`? */
static bool touches(nnc_lower *x, nnc_op op, nnc_value root)
{
    nnc_entry *e = nnc_entry_of(x);
    const nnc_module *m = x->m;
    nnc_block b = nnc_op_get(m, op)->block;

    for (uint32_t i = *head_of(e, root); i; i = e->lies.at[i - 1].next)
        for (uint32_t u = nnc_value_get(m, e->lies.at[i - 1].g)->first_use; u;
             u = m->use.at[u].next)
            if (inside(m, m->use.at[u].user, b).id == op.id)
                return true;
    return false;
}

/* Might op, not an `if`, write over `root`? */
static bool may_write(nnc_lower *x, nnc_op op, nnc_value root)
{
    const nnc_module *m = x->m;

    if (is_loop(m, op))
        return touches(x, op, root);
    if (is_update(nnc_op_code(m, op)))
        return lies_in(x, nnc_op_in(m, op, 0), root);
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        nnc_value wish = nnc_entry_of(x)->wish[nnc_op_out(m, op, i).id];
        if (wish.id && nnc_entry_base(m, wish).id == root.id)
            return true;
    }
    return false;
}

/* Are all readers of y done when an op from `op` on, to the end of its block, may write over `root`? */
static bool read_before(nnc_lower *x, nnc_op op, nnc_value y, nnc_value root)
{
    const nnc_module *m = x->m;

    for (; op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_if) {
            for (unsigned r = 0; r < 2; r++)
                if (!read_before(x, nnc_block_first(m, nnc_op_region(m, op, r)), y, root))
                    return false;
        } else if (may_write(x, op, root)) {
            for (uint32_t u = nnc_value_get(m, y)->first_use; u; u = m->use.at[u].next)
                if (!is_past(m, m->use.at[u].user, op))
                    return false;
        }
    }
    return true;
}

bool nnc_own_stays(nnc_lower *x, nnc_op pick)
{
    nnc_entry *e = nnc_entry_of(x);
    const nnc_module *m = x->m;
    nnc_value root = nnc_entry_base(m, x->buffer[nnc_op_in(m, pick, 0).id]),
              y = nnc_op_out(m, pick, 0);

    if (!is_writable(x, root))
        return true;
    for (uint32_t i = *head_of(e, root); i; i = e->lies.at[i - 1].next)
        if (!e->lies.at[i - 1].g.id || turns_between(m, e->lies.at[i - 1].g, pick))
            return true; /* a lock, or a loop between, keeps everybody from writing */
    for (uint32_t u = nnc_value_get(m, y)->first_use; u; u = m->use.at[u].next)
        if (nnc_op_has(m, m->use.at[u].user, NNC_VIEW | NNC_TERMINATOR))
            return false; /* it lives on under another name */
    return read_before(x, nnc_op_next(m, pick), y, root);
}

/* A kernel that reads the state it wants to replace, made with a result of its own: may the two be one? */
static void join_state(nnc_lower *x, nnc_op fused, nnc_op call)
{
    nnc_module *m = x->m;
    nnc_entry *e = nnc_entry_of(x);
    nnc_op kernel;
    bool proven = false;

    if (!call.id || nnc_op_code(m, call) != NNC_OP_call)
        return;
    kernel = nnc_func_find(m, nnc_attr_str(m, call, NNC_W_callee, ""));
    for (unsigned i = 0; i < nnc_op_nout(m, fused) && kernel.id; i++) {
        nnc_value g = nnc_op_out(m, fused, i), wish = e->wish[g.id], made = x->buffer[g.id];
        nnc_op alloc = nnc_value_op(m, made);
        nnc_value root;
        unsigned n, out = UINT32_MAX;
        bool safe = true;
        if (!wish.id || e->target[g.id].id || !alloc.id || nnc_op_code(m, alloc) != NNC_OP_alloc ||
            !is_regular(x, wish, nnc_value_type(m, g)))
            continue;
        root = nnc_entry_base(m, wish);
        if (!is_free(x, root, fused))
            continue;
        if (!proven)
            nnc_kernel_in_place(m, x->cx->scratch, kernel);
        proven = true;
        for (unsigned k = 0; k < nnc_op_nin(m, call); k++)
            if (nnc_op_in(m, call, k).id == made.id)
                out = k;
        for (unsigned k = 0; k < nnc_op_nin(m, call) && safe; k++) {
            nnc_value b = nnc_op_in(m, call, k);
            const int64_t *pair = nnc_attr_ints(m, kernel, NNC_W_inplace, &n);
            bool found = false;
            if (nnc_value_ty(m, b)->kind != NNC_TYPE_buffer || nnc_entry_base(m, b).id != root.id)
                continue;
            for (unsigned j = 0; j + 1 < n; j += 2)
                found = found || (pair[j] == out && pair[j + 1] == k);
            safe = found && b.id == wish.id;
        }
        if (!safe || out == UINT32_MAX)
            continue;
        nnc_value_replace(m, made, wish);
        x->buffer[g.id] = wish;
        set_head(e, root, 0);
        nnc_op_erase(m, alloc);
    }
}

void nnc_own_after(nnc_lower *x, nnc_op op, nnc_op made)
{
    if (nnc_op_code(x->m, op) == NNC_OP_fused)
        join_state(x, op, made);
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        nnc_own_note(x, nnc_op_out(x->m, op, i));
}
