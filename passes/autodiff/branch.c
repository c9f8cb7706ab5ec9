/* Branches.
 *
 * The adjoint of an `if` is an `if` on the same condition: each side copies its primal (tape.c), adds to the cotangents of values
 * from outside and yields them, so the side that was not taken passes on what was there.  What an adjoint side does not
 * compute again, the forward `if` yields besides; its other side yields zeros in that place. */
#include "passes/autodiff/ad.h"

typedef struct branch {
    nnc_ad *x;
    nnc_op op, hold;
    nnc_ad_values cap;
    nnc_op boundary[2];
    nnc_ad_values save[2];
} branch;

static nnc_status make_side(branch *q, unsigned r)
{
    nnc_ad *x = q->x;
    nnc_module *m = x->m;
    nnc_block from = nnc_op_region(m, q->op, r), to = nnc_op_region(m, q->hold, r);
    nnc_ad_map_of map = nnc_ad_new_map(x);
    nnc_builder outer = x->b;
    nnc_value *before = nnc_arena_array(x->a, q->cap.n + 1u, sizeof *before);
    nnc_value *y = nnc_arena_array(x->a, q->cap.n + 1u, sizeof *y);
    nnc_status s;

    q->boundary[r] = nnc_ad_copy_region(x, from, to, &map);
    x->b = nnc_builder_at_end(m, to);
    x->b.loc = outer.loc;
    for (uint32_t i = 0; i < q->cap.n; i++)
        before[i] = nnc_ad_get(x, q->cap.at[i]);
    for (unsigned i = 0; i < nnc_op_nout(m, q->op); i++)
        nnc_ad_add(x, nnc_op_in(m, q->boundary[r], i), nnc_ad_get(x, nnc_op_out(m, q->op, i)));
    s = nnc_ad_reverse(x, nnc_op_prev(m, q->boundary[r]));
    x->b.loc = outer.loc;
    for (uint32_t i = 0; i < q->cap.n; i++)
        y[i] = nnc_ad_base(x, q->cap.at[i]);
    nnc_build_yield(&x->b, q->cap.n, y);
    for (uint32_t i = 0; i < q->cap.n; i++)
        nnc_ad_set(x, q->cap.at[i], before[i]);
    x->b = outer;
    return s;
}

/* The forward `if` again, from the primal parts, with what both adjoint sides want saved. */
static void make_forward(branch *q)
{
    nnc_ad *x = q->x;
    nnc_module *m = x->m;
    unsigned nout = nnc_op_nout(m, q->op), extra = 0, n;
    nnc_op hold = nnc_op_new(m, (nnc_pos){nnc_op_get(m, q->op)->block, q->op}, NNC_OP_if, 0, NULL,
                             0, NULL, nnc_op_loc(m, q->op)),
           made;
    nnc_builder outer = x->b;
    nnc_ad_map_of map[2];
    nnc_value *y, cond = nnc_op_in(m, q->op, 0);
    nnc_type *out;

    for (unsigned r = 0; r < 2; r++) {
        nnc_block to = nnc_op_add_region(m, hold), from = nnc_op_region(m, q->hold, r);
        nnc_op last = nnc_op_prev(m, q->boundary[r]);
        map[r] = nnc_ad_new_map(x);
        nnc_ad_copy_primal(x, from, q->boundary[r], to, &map[r]);
        nnc_op_erase(m, q->boundary[r]);
        nnc_ad_choose_saved(x, from, last, &q->save[r]);
        extra += q->save[r].n;
    }
    n = nout + extra;
    y = nnc_arena_array(x->a, n + 1u, sizeof *y);
    out = nnc_arena_array(x->a, n + 1u, sizeof *out);
    for (unsigned i = 0; i < nout; i++)
        out[i] = nnc_value_type(m, nnc_op_out(m, q->op, i));
    for (unsigned s = 0, at = nout; s < 2; s++)
        for (uint32_t i = 0; i < q->save[s].n; i++)
            out[at++] = nnc_value_type(m, q->save[s].at[i]);
    for (unsigned r = 0; r < 2; r++) {
        nnc_op end = nnc_block_last(m, nnc_op_region(m, hold, r));
        for (unsigned i = 0; i < nout; i++)
            y[i] = nnc_op_in(m, end, i);
        nnc_op_erase(m, end);
        x->b = nnc_builder_at_end(m, nnc_op_region(m, hold, r));
        x->b.loc = outer.loc;
        for (unsigned s = 0, at = nout; s < 2; s++)
            for (uint32_t i = 0; i < q->save[s].n; i++, at++)
                y[at] =
                    s == r ? nnc_ad_mapped(&map[s], q->save[s].at[i]) : nnc_ad_zeros(x, out[at]);
        nnc_build_yield(&x->b, n, y);
    }
    x->b = outer;
    made = nnc_op_new(m, (nnc_pos){nnc_op_get(m, q->op)->block, q->op}, NNC_OP_if, 1, &cond, n, out,
                      nnc_op_loc(m, q->op));
    nnc_attr_copy(m, made, q->op);
    nnc_op_take_regions(m, made, hold);
    nnc_op_erase(m, hold);
    for (unsigned i = 0; i < nout; i++)
        nnc_value_replace(m, nnc_op_out(m, q->op, i), nnc_op_out(m, made, i));
    for (unsigned s = 0, at = nout; s < 2; s++)
        for (uint32_t i = 0; i < q->save[s].n; i++)
            nnc_value_replace(m, q->save[s].at[i], nnc_op_out(m, made, at++));
    nnc_op_erase(m, q->op);
}

nnc_status nnc_ad_if_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    branch q = {.x = x, .op = op};
    nnc_value cond = nnc_op_in(m, op, 0);
    nnc_type *out;
    nnc_op made;

    nnc_ad_captures(x, op, &q.cap);
    q.hold = nnc_build_op(&x->b, NNC_OP_if, 0, NULL, 0, NULL);
    for (unsigned r = 0; r < 2; r++)
        nnc_op_add_region(m, q.hold);
    for (unsigned r = 0; r < 2; r++)
        NNC_TRY(make_side(&q, r));
    make_forward(&q);
    out = nnc_arena_array(x->a, q.cap.n + 1u, sizeof *out);
    for (uint32_t i = 0; i < q.cap.n; i++)
        out[i] = nnc_value_type(m, q.cap.at[i]);
    made = nnc_build_op(&x->b, NNC_OP_if, 1, &cond, q.cap.n, out);
    nnc_op_take_regions(m, made, q.hold);
    nnc_op_erase(m, q.hold);
    for (unsigned r = 0; r < 2; r++)
        nnc_ad_sweep(x, nnc_op_region(m, made, r));
    for (uint32_t i = 0; i < q.cap.n; i++)
        nnc_ad_set(x, q.cap.at[i], nnc_op_out(m, made, i));
    return NNC_OK;
}

/* Both sides again, yielding tangents; the values themselves are at hand already. */
nnc_status nnc_ad_if_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned nout = nnc_op_nout(m, op), n = 0;
    unsigned *which = nnc_arena_array(x->a, nout + 1u, sizeof *which);
    nnc_type *out = nnc_arena_array(x->a, nout + 1u, sizeof *out);
    nnc_value *y = nnc_arena_array(x->a, nout + 1u, sizeof *y);
    nnc_builder outer = x->b;
    nnc_op made;

    for (unsigned i = 0; i < nout; i++)
        if (nnc_ad_active(x, nnc_op_out(m, op, i))) {
            which[n] = i;
            out[n++] = nnc_value_type(m, nnc_op_out(m, op, i));
        }
    made = nnc_g_if(&x->b, nnc_op_in(m, op, 0), n, out);
    for (unsigned r = 0; r < 2; r++) {
        nnc_block to = nnc_op_region(m, made, r);
        nnc_ad_map_of map = nnc_ad_new_map(x);
        nnc_op end = nnc_ad_copy_region(x, nnc_op_region(m, op, r), to, &map);
        x->b = nnc_builder_at_end(m, to);
        NNC_TRY(nnc_ad_forward(x, to, end));
        x->b.loc = outer.loc;
        for (unsigned i = 0; i < n; i++)
            y[i] = nnc_ad_full(x, nnc_op_in(m, end, which[i]));
        nnc_op_erase(m, end);
        nnc_build_yield(&x->b, n, y);
        nnc_ad_sweep(x, to);
        x->b = outer;
    }
    for (unsigned i = 0; i < n; i++)
        nnc_ad_set(x, nnc_op_out(m, op, which[i]), nnc_op_out(m, made, i));
    return NNC_OK;
}
