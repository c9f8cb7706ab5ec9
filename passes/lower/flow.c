/* Control flow in the entry kernel.
 *
 * if     the results' buffers are made first; each branch makes its values there or copies them.
 * while  carried values are buffers that live across the loop, and are its results.  cond and step read them; the new
 *        values are made beside them and copied over at the end of the step.
 * scan   the same with a counted loop; slices and stacked results are rows of their buffers, at a dynamic offset.
 * call   the callee's body in place, its arguments bound to the operands' buffers.
 *
 * Sizes that become known inside a region are forgotten at its end: their idx value dies with the block. */
#include <string.h>
#include "passes/lower/entry.h"

static nnc_value *array(nnc_lower *x, unsigned n)
{
    return nnc_arena_array(x->cx->scratch, n + 1u, sizeof(nnc_value));
}

/* Lower region block `b` at the end of K block `to`. */
static nnc_status region(nnc_lower *x, nnc_block b, nnc_block to, const nnc_value *target,
                         const nnc_value *wish, nnc_value *yields)
{
    uint32_t mark = nnc_own_save(x);
    size_t bytes = x->nsym * sizeof *x->sym;
    nnc_value *sym = nnc_arena_copy(x->cx->scratch, x->sym, bytes);
    nnc_status st;

    x->b = nnc_builder_at_end(x->m, to);
    for (unsigned i = 0; i < nnc_block_narg(x->m, b); i++)
        nnc_own_note(x, nnc_block_arg(x->m, b, i));
    st = nnc_entry_block(x, b, target, wish, yields);
    nnc_own_restore(x, mark);
    memcpy(x->sym, sym, bytes);
    return st;
}

static void copy_unless_there(nnc_lower *x, nnc_value to, nnc_value from)
{
    if (to.id != from.id)
        nnc_entry_copy(x, to, from);
}

static bool is_source(const nnc_lower *x, unsigned n, const nnc_value *from, const bool *done,
                      nnc_value to, unsigned but)
{
    for (unsigned j = 0; j < n; j++)
        if (j != but && !done[j] && nnc_entry_base(x->m, from[j]).id == nnc_entry_base(x->m, to).id)
            return true;
    return false;
}

static nnc_value save(nnc_lower *x, nnc_value from)
{
    nnc_type_rec r = *nnc_value_ty(x->m, from);
    nnc_type t = nnc_type_buffer(x->m, (nnc_dtype)r.dtype, 1, r.rank, r.dim, NULL, NNC_SPACE_arena);
    nnc_value saved = nnc_k_alloc(&x->b, t, "saved");

    nnc_entry_copy(x, saved, from);
    return saved;
}

/* A target is written when nobody reads it any more; a ring of targets and sources is cut by saving one of them. */
void nnc_entry_copy_all(nnc_lower *x, unsigned n, const nnc_value *to, nnc_value *from)
{
    bool *done = nnc_arena_array(x->cx->scratch, n + 1u, sizeof *done);
    unsigned left = 0;

    for (unsigned i = 0; i < n; i++) {
        done[i] = to[i].id == from[i].id;
        left += !done[i];
    }
    for (unsigned i = 0, waited = 0; left; i = (i + 1) % n) {
        if (done[i])
            continue;
        if (nnc_entry_base(x->m, from[i]).id == nnc_entry_base(x->m, to[i]).id)
            from[i] = save(x, from[i]); /* another part of the same memory */
        if (is_source(x, n, from, done, to[i], i)) {
            if (++waited < left)
                continue;
            from[i] = save(x, from[i]);
            waited = 0;
            continue;
        }
        nnc_entry_copy(x, to[i], from[i]);
        done[i] = true;
        left--;
        waited = 0;
    }
}

static nnc_status if_op(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nout(m, op);
    nnc_value cond = nnc_entry_cell(x, nnc_lower_buffer(x, nnc_op_in(m, op, 0)));
    nnc_value *out = array(x, n), *yield = array(x, n), *target = array(x, n), *wish = array(x, n);
    nnc_builder after;
    nnc_op k;

    for (unsigned i = 0; i < n; i++) {
        out[i] = nnc_lower_result(x, nnc_op_out(m, op, i));
        *(nnc_own_is_read(x, out[i]) ? &wish[i] : &target[i]) = out[i];
    }
    k = nnc_build_op(&x->b, NNC_OP_if, 1, &cond, 0, NULL);
    nnc_op_add_region(m, k);
    nnc_op_add_region(m, k);
    after = x->b;
    for (unsigned r = 0; r < 2; r++) {
        NNC_TRY(region(x, nnc_op_region(m, op, r), nnc_op_region(m, k, r), target, wish, yield));
        nnc_entry_copy_all(x, n, out, yield);
    }
    x->b = after;
    return NNC_OK;
}

/* Buffers for carried values, which are the results, holding the initial values. */
static void start_state(nnc_lower *x, nnc_op op, unsigned n, nnc_value *state)
{
    nnc_module *m = x->m;

    for (unsigned i = 0; i < n; i++) {
        nnc_value init = nnc_lower_buffer(x, nnc_op_in(m, op, i));
        state[i] = nnc_lower_result(x, nnc_op_out(m, op, i));
        copy_unless_there(x, state[i], init);
    }
}

static void bind_args(nnc_lower *x, nnc_block b, unsigned first, unsigned n,
                      const nnc_value *buffer)
{
    for (unsigned i = 0; i < n; i++)
        x->buffer[nnc_block_arg(x->m, b, first + i).id] = buffer[i];
}

/* [max_trips]: a counter beside the state. */
static nnc_value start_count(nnc_lower *x, nnc_op op)
{
    nnc_value trip = {0};

    if (!nnc_attr_find(x->m, op, NNC_W_max_trips))
        return trip;
    trip = nnc_k_alloc(&x->b, nnc_type_buffer(x->m, NNC_DT_idx, 1, 0, NULL, NULL, NNC_SPACE_arena),
                       "trip");
    nnc_k_store(&x->b, nnc_const_idx(x->m, 0), trip, 0, NULL);
    return trip;
}

static void count_trip(nnc_lower *x, nnc_value trip)
{
    if (!trip.id)
        return;
    nnc_value n = nnc_k_load(&x->b, trip, 0, NULL);
    nnc_k_store(&x->b, nnc_k_binary(&x->b, NNC_OP_add, n, nnc_const_idx(x->m, 1)), trip, 0, NULL);
}

/* The condition in block `to`; behind the last trip it is not asked, since asking may have an effect. */
static nnc_status condition(nnc_lower *x, nnc_op op, nnc_block to, nnc_value trip, nnc_value *cond)
{
    nnc_module *m = x->m;
    nnc_block c = nnc_op_region(m, op, 0);
    nnc_value go, more;

    if (!trip.id) {
        NNC_TRY(region(x, c, to, NULL, NULL, cond));
        *cond = nnc_entry_cell(x, *cond);
        return NNC_OK;
    }
    x->b = nnc_builder_at_end(m, to);
    x->b.loc = nnc_op_loc(m, op);
    go = nnc_k_alloc(&x->b, nnc_type_buffer(m, NNC_DT_bool, 1, 0, NULL, NULL, NNC_SPACE_arena),
                     "go");
    nnc_k_store(&x->b, nnc_const_int(m, nnc_type_scalar(m, NNC_DT_bool, 1), 0), go, 0, NULL);
    more = nnc_k_binary(&x->b, NNC_OP_lt, nnc_k_load(&x->b, trip, 0, NULL),
                        nnc_const_idx(m, nnc_attr_int(m, op, NNC_W_max_trips, 0)));
    nnc_op k = nnc_k_if(&x->b, more);
    NNC_TRY(region(x, c, nnc_op_region(m, k, 0), NULL, NULL, cond));
    nnc_k_store(&x->b, nnc_entry_cell(x, *cond), go, 0, NULL);
    x->b = nnc_builder_at_end(m, to);
    *cond = nnc_k_load(&x->b, go, 0, NULL);
    return NNC_OK;
}

static nnc_status while_op(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nout(m, op);
    nnc_value *state = array(x, n), *yield = array(x, n), cond, trip;
    nnc_block c = nnc_op_region(m, op, 0), s = nnc_op_region(m, op, 1);
    nnc_builder after;
    uint32_t mark;
    nnc_op k;

    start_state(x, op, n, state);
    trip = start_count(x, op);
    k = nnc_build_op(&x->b, NNC_OP_while, 0, NULL, 0, NULL);
    nnc_op_add_region(m, k);
    nnc_op_add_region(m, k);
    after = x->b;
    bind_args(x, c, 0, n, state);
    mark = nnc_own_save(x);
    for (unsigned i = 0; i < n; i++)
        nnc_own_lock(x, state[i]);
    NNC_TRY(condition(x, op, nnc_op_region(m, k, 0), trip, &cond));
    nnc_own_restore(x, mark);
    nnc_build_yield(&x->b, 1, &cond);
    bind_args(x, s, 0, n, state);
    NNC_TRY(region(x, s, nnc_op_region(m, k, 1), NULL, state, yield));
    x->b.loc = nnc_op_loc(m, nnc_block_last(m, s));
    nnc_entry_copy_all(x, n, state, yield);
    count_trip(x, trip);
    x->b = after;
    return NNC_OK;
}

static nnc_status scan_op(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned nin = nnc_op_nin(m, op), nout = nnc_op_nout(m, op);
    unsigned n = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0), nx = nin - n;
    nnc_value *state = array(x, n), *stack = array(x, nout), *target = array(x, nout),
              *yield = array(x, nout);
    nnc_block body = nnc_op_region(m, op, 0);
    nnc_value count = nnc_block_arg(m, body, 0), i;
    nnc_value trips = nnc_lower_dim(x, nnc_attr_int(m, op, NNC_W_trips, 0));
    nnc_builder after;

    start_state(x, op, n, state);
    for (unsigned k = n; k < nout; k++)
        stack[k] = nnc_lower_result(x, nnc_op_out(m, op, k));
    if (nnc_value_nuse(m, count))
        x->buffer[count.id] = nnc_entry_alloc(x, nnc_value_type(m, count), "i");
    i = nnc_k_for(&x->b, nnc_const_idx(m, 0), trips, nnc_const_idx(m, 1), NNC_W_serial, "t");
    after = x->b;
    if (nnc_attr_int(m, op, NNC_W_reverse, 0))
        i = nnc_k_binary(&x->b, NNC_OP_sub,
                         nnc_k_binary(&x->b, NNC_OP_sub, trips, nnc_const_idx(m, 1)), i);
    if (nnc_value_nuse(m, count))
        nnc_entry_set_cell(x, x->buffer[count.id], i);
    bind_args(x, body, 1, n, state);
    for (unsigned k = 0; k < nx; k++) {
        nnc_value row = nnc_entry_row(x, nnc_lower_buffer(x, nnc_op_in(m, op, n + k)), i);
        x->buffer[nnc_block_arg(m, body, 1 + n + k).id] = row;
    }
    for (unsigned k = n; k < nout; k++)
        target[k] = nnc_entry_row(x, stack[k], i);
    NNC_TRY(region(x, body, x->b.pos.block, target, state, yield));
    x->b.loc = nnc_op_loc(m, nnc_block_last(m, body));
    for (unsigned k = n; k < nout; k++)
        copy_unless_there(x, target[k], yield[k]);
    nnc_entry_copy_all(x, n, state, yield);
    x->b = after;
    nnc_k_end(&x->b);
    return NNC_OK;
}

enum { MAX_CALLS = 32 };

static nnc_status call_op(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    const char *name = nnc_attr_str(m, op, NNC_W_callee, "");
    nnc_op callee = nnc_func_find(m, name);
    unsigned n = nnc_op_nout(m, op);
    nnc_value *yield = array(x, n);
    nnc_block b;

    if (!callee.id || nnc_op_code(m, callee) != NNC_OP_graph)
        return nnc_error(m->diag, x->b.loc, "call of '%s', which is not a graph of this module",
                         name);
    if (nnc_entry_of(x)->calls >= MAX_CALLS)
        return nnc_error(m->diag, x->b.loc,
                         "calls of '%s' nest deeper than %d: a graph cannot call itself", name,
                         MAX_CALLS);
    nnc_entry_of(x)->calls++;
    b = nnc_op_region(m, callee, 0);
    if (nnc_block_narg(m, b) != nnc_op_nin(m, op) || nnc_entry_nyield(m, b) != n)
        return nnc_error(m->diag, x->b.loc,
                         "'%s' has %u inputs and %u outputs, called with %u and %u", name,
                         nnc_block_narg(m, b), nnc_entry_nyield(m, b), nnc_op_nin(m, op), n);
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        x->buffer[nnc_block_arg(m, b, i).id] = nnc_lower_buffer(x, nnc_op_in(m, op, i));
        nnc_own_note(x, nnc_block_arg(m, b, i));
    }
    NNC_TRY(nnc_entry_block(x, b, NULL, NULL, yield));
    for (unsigned i = 0; i < n; i++)
        x->buffer[nnc_op_out(m, op, i).id] = yield[i];
    nnc_entry_of(x)->calls--;
    return NNC_OK;
}

nnc_status nnc_entry_flow(nnc_lower *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_if: return if_op(x, op);
    case NNC_OP_while: return while_op(x, op);
    case NNC_OP_scan: return scan_op(x, op);
    default: return call_op(x, op);
    }
}
