/* Loops.
 *
 * Reverse: the adjoint of a scan is a scan in the other direction.  It carries the cotangents of the carried values and, added
 * up over the trips, those of active values from outside; it reads the cotangents of the stacked results and the tape; it yields
 * the cotangents of the slices.
 *
 *     y, ys = scan init, xs                      y, ys, tape = scan init, xs
 *                                                dinit, dw, dxs = scan dy, dw so far, dys, tape, xs  [reverse]
 *
 * The body of the adjoint starts as a copy of the body (tape.c), whose carried values are the tape of what entered each
 * trip.  The forward scan is made anew from the same copy once the rules have worked on it, so that what the adjoint of an inner
 * loop adds to that loop is computed once, in the forward run. */
#include "passes/autodiff/loop.h"

typedef nnc_ad_loop loop;

static nnc_value arg(const loop *l, nnc_block b, unsigned i)
{
    return nnc_block_arg(l->x->m, b, i);
}

static unsigned at_tape(const loop *l)
{
    return nnc_ad_at_stack(l) + l->g.n;
}

/* ---- which carried values have a cotangent ---- */

static void need(nnc_ad *x, nnc_ad_map *t, nnc_value v)
{
    if (nnc_ad_active(x, v))
        nnc_ad_map_put(x->a, t, v.id, 1);
}

static void need_through(nnc_ad *x, nnc_ad_map *t, nnc_op op)
{
    nnc_ad_values cap = {0};
    bool any = false;

    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        any |= nnc_ad_map_get(t, nnc_op_out(x->m, op, i).id) != 0;
    if (!any)
        return;
    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++)
        need(x, t, nnc_op_in(x->m, op, i));
    nnc_ad_captures(x, op, &cap);
    for (uint32_t i = 0; i < cap.n; i++)
        need(x, t, cap.at[i]);
}

static void find_carried(loop *l)
{
    nnc_ad *x = l->x;
    nnc_module *m = x->m;
    nnc_op end = nnc_block_last(m, l->body);
    nnc_ad_map t = {0};
    bool *has = nnc_arena_alloc(x->a, l->nc + 1u), changed = true;

    for (unsigned i = 0; i < l->nout; i++)
        if (nnc_ad_get(x, nnc_op_out(m, l->op, i)).id) {
            if (i < l->nc)
                has[i] = true;
            else
                need(x, &t, nnc_op_in(m, end, i));
        }
    while (changed) {
        changed = false;
        for (unsigned i = 0; i < l->nc; i++)
            if (has[i])
                need(x, &t, nnc_op_in(m, end, i));
        for (nnc_op op = nnc_op_prev(m, end); op.id; op = nnc_op_prev(m, op))
            need_through(x, &t, op);
        for (unsigned i = 0; i < l->nc; i++)
            if (!has[i] && nnc_ad_map_get(&t, arg(l, l->body, 1 + i).id))
                has[i] = changed = true;
    }
    for (unsigned i = 0; i < l->nc; i++)
        if (has[i])
            NNC_PUSH(x->a, &l->k, i);
}

/* ---- the adjoint's body ---- */

static nnc_value add_arg(loop *l, nnc_type t, nnc_value operand, const char *name)
{
    NNC_PUSH(l->x->a, &l->in, operand);
    return nnc_block_add_arg(l->x->m, l->bw, t, name);
}

static nnc_type type_of(const loop *l, nnc_value v)
{
    return nnc_value_type(l->x->m, v);
}

/* Arguments in order; operands of tape and slices are filled in later, or dropped. */
static void make_args(loop *l)
{
    nnc_ad *x = l->x;
    nnc_module *m = x->m;

    nnc_block_add_arg(m, l->bw, type_of(l, arg(l, l->body, 0)), "i");
    for (uint32_t i = 0; i < l->k.n; i++) {
        nnc_value y = nnc_op_out(m, l->op, l->k.at[i]);
        add_arg(l, type_of(l, arg(l, l->body, 1 + l->k.at[i])), nnc_ad_base(x, y), "d");
    }
    for (uint32_t i = 0; i < l->cap.n; i++)
        add_arg(l, type_of(l, l->cap.at[i]), nnc_ad_base(x, l->cap.at[i]), "d");
    for (unsigned i = l->nc; i < l->nout; i++) {
        nnc_value g = nnc_ad_get(x, nnc_op_out(m, l->op, i));
        if (!g.id)
            continue;
        NNC_PUSH(x->a, &l->g, i);
        add_arg(l, type_of(l, nnc_op_in(m, nnc_block_last(m, l->body), i)), g, "d");
    }
    for (unsigned i = 0; i < l->nin; i++)
        add_arg(l, type_of(l, arg(l, l->body, 1 + i)),
                i < l->nc ? (nnc_value){0} : nnc_op_in(m, l->op, i),
                nnc_value_name(m, arg(l, l->body, 1 + i)));
}

static nnc_value or_zeros(loop *l, nnc_value d, nnc_value like)
{
    return d.id ? d : nnc_ad_zeros(l->x, type_of(l, like));
}

/* Cotangents of arguments and of values from outside, yielded; those of slices only where there are any. */
static void make_yield(loop *l)
{
    nnc_ad *x = l->x;
    nnc_ad_values y = {0};

    for (uint32_t i = 0; i < l->k.n; i++) {
        nnc_value a = arg(l, l->bw, at_tape(l) + l->k.at[i]);
        NNC_PUSH(x->a, &y, or_zeros(l, nnc_ad_get(x, a), a));
    }
    for (uint32_t i = 0; i < l->cap.n; i++)
        NNC_PUSH(x->a, &y, nnc_ad_get(x, l->cap.at[i]));
    for (unsigned i = l->nc; i < l->nin; i++) {
        nnc_value d = nnc_ad_get(x, arg(l, l->bw, at_tape(l) + i));
        if (!d.id)
            continue;
        NNC_PUSH(x->a, &l->dx, i);
        NNC_PUSH(x->a, &y, d);
    }
    nnc_build_yield(&x->b, y.n, y.at);
}

/* Returns the boundary. */
static nnc_status make_body(loop *l, nnc_op *boundary)
{
    nnc_ad *x = l->x;
    nnc_module *m = x->m;
    nnc_builder outer = x->b;
    nnc_value *saved = nnc_arena_array(x->a, l->cap.n + 1u, sizeof *saved);
    nnc_ad_map_of map;
    nnc_status s;

    l->hold = nnc_build_op(&x->b, NNC_OP_scan, 0, NULL, 0, NULL);
    l->bw = nnc_op_add_region(m, l->hold);
    make_args(l);
    map = nnc_ad_new_map(x);
    map.to[arg(l, l->body, 0).id] = arg(l, l->bw, 0);
    for (unsigned i = 0; i < l->nin; i++)
        map.to[arg(l, l->body, 1 + i).id] = arg(l, l->bw, at_tape(l) + i);
    *boundary = nnc_ad_copy_region(x, l->body, l->bw, &map);
    x->b = nnc_builder_at_end(m, l->bw);
    x->b.loc = outer.loc;
    for (uint32_t i = 0; i < l->cap.n; i++) {
        saved[i] = nnc_ad_get(x, l->cap.at[i]);
        nnc_ad_set(x, l->cap.at[i], arg(l, l->bw, nnc_ad_at_cap(l) + i));
    }
    for (uint32_t i = 0; i < l->k.n; i++)
        nnc_ad_add(x, nnc_op_in(m, *boundary, l->k.at[i]), arg(l, l->bw, 1 + i));
    for (uint32_t i = 0; i < l->g.n; i++)
        nnc_ad_add(x, nnc_op_in(m, *boundary, l->g.at[i]), arg(l, l->bw, nnc_ad_at_stack(l) + i));
    s = nnc_ad_reverse(x, nnc_op_prev(m, *boundary));
    x->b.loc = outer.loc;
    if (s == NNC_OK)
        make_yield(l);
    for (uint32_t i = 0; i < l->cap.n; i++)
        nnc_ad_set(x, l->cap.at[i], saved[i]);
    x->b = outer;
    return s;
}

/* ---- the forward loop, with its tape ---- */

typedef struct taped {
    nnc_op hold;
    nnc_block fw;
    nnc_ad_values extra; /* further yields */
} taped;

/* Which result of the new forward scan is the stack of v (a value of its body)? */
static unsigned stack_of(loop *l, taped *t, nnc_value v)
{
    nnc_module *m = l->x->m;
    nnc_op end = nnc_block_last(m, t->fw);

    for (unsigned i = l->nc; i < l->nout; i++)
        if (nnc_op_in(m, end, i).id == v.id)
            return i;
    for (uint32_t i = 0; i < t->extra.n; i++)
        if (t->extra.at[i].id == v.id)
            return l->nout + i;
    NNC_PUSH(l->x->a, &t->extra, v);
    return l->nout + t->extra.n - 1;
}

nnc_type nnc_ad_stacked(loop *l, nnc_value v)
{
    nnc_type_rec r = nnc_ad_ty(l->x, v);
    for (int d = r.rank; d > 0; d--)
        r.dim[d] = r.dim[d - 1];
    r.dim[0] = nnc_attr_int(l->x->m, l->op, NNC_W_trips, 0);
    return nnc_type_tensor(l->x->m, (nnc_dtype)r.dtype, r.rank + 1, r.dim);
}

/* The scan with its further results takes the place of the old one. */
static nnc_op replace_forward(loop *l, taped *t)
{
    nnc_module *m = l->x->m;
    unsigned n = l->nout + t->extra.n;
    nnc_value *v = nnc_arena_array(l->x->a, n + l->nin + 1u, sizeof *v);
    nnc_type *out = nnc_arena_array(l->x->a, n + 1u, sizeof *out);
    nnc_op end = nnc_block_last(m, t->fw), made;
    nnc_builder in;

    for (unsigned i = 0; i < l->nout; i++) {
        v[i] = nnc_op_in(m, end, i);
        out[i] = type_of(l, nnc_op_out(m, l->op, i));
    }
    for (uint32_t i = 0; i < t->extra.n; i++) {
        v[l->nout + i] = t->extra.at[i];
        out[l->nout + i] = nnc_ad_stacked(l, t->extra.at[i]);
    }
    in = nnc_builder_at_end(m, t->fw);
    in.loc = nnc_op_loc(m, end);
    nnc_op_erase(m, end);
    nnc_build_yield(&in, n, v);
    for (unsigned i = 0; i < l->nin; i++)
        v[i] = nnc_op_in(m, l->op, i);
    made = nnc_op_new(m, (nnc_pos){nnc_op_get(m, l->op)->block, l->op}, NNC_OP_scan, l->nin, v, n,
                      out, nnc_op_loc(m, l->op));
    nnc_attr_copy(m, made, l->op);
    nnc_op_take_regions(m, made, t->hold);
    nnc_op_erase(m, t->hold);
    for (unsigned i = 0; i < l->nout; i++)
        nnc_value_replace(m, nnc_op_out(m, l->op, i), nnc_op_out(m, made, i));
    nnc_op_erase(m, l->op);
    l->op = made;
    return made;
}

/* A copy of the body, from the adjoint's primal or, when that is computed again anyway, from the loop itself. */
static taped copy_forward(loop *l, nnc_op boundary, bool again, nnc_ad_map_of *map)
{
    nnc_ad *x = l->x;
    nnc_module *m = x->m;
    taped t = {.fw = {0}};
    nnc_block from = again ? l->body : l->bw;
    unsigned first = again ? 1 : at_tape(l);

    t.hold = nnc_op_new(m, (nnc_pos){nnc_op_get(m, l->op)->block, l->op}, NNC_OP_scan, 0, NULL, 0,
                        NULL, nnc_op_loc(m, l->op));
    t.fw = nnc_op_add_region(m, t.hold);
    for (unsigned i = 0; i <= l->nin; i++) {
        nnc_value a = arg(l, l->body, i);
        nnc_block_add_arg(m, t.fw, type_of(l, a), nnc_value_name(m, a));
    }
    *map = nnc_ad_new_map(x);
    map->to[arg(l, from, 0).id] = arg(l, t.fw, 0);
    for (unsigned i = 0; i < l->nin; i++)
        map->to[arg(l, from, first + i).id] = arg(l, t.fw, 1 + i);
    nnc_ad_copy_primal(x, from, again ? nnc_block_last(m, l->body) : boundary, t.fw, map);
    return t;
}

/* Save what is worth it, drop what the adjoint does not need, and give the tape's arguments their operands. */
static void make_tape(loop *l, nnc_op boundary)
{
    nnc_ad *x = l->x;
    nnc_module *m = x->m;
    bool again = nnc_attr_int(m, l->op, NNC_W_checkpoint, 0) == 1;
    nnc_ad_map_of map;
    taped t = copy_forward(l, boundary, again, &map);
    nnc_op last = nnc_op_prev(m, boundary), made;
    nnc_ad_values save = {0};
    unsigned *stack; /* by argument of bw */

    nnc_op_erase(m, boundary);
    if (!again)
        nnc_ad_choose_saved(x, l->bw, last, &save);
    stack = nnc_arena_array(x->a, nnc_block_narg(m, l->bw) + save.n, sizeof *stack);
    for (uint32_t i = 0; i < save.n; i++) {
        nnc_value s = save.at[i];
        stack[nnc_block_narg(m, l->bw)] = stack_of(l, &t, nnc_ad_mapped(&map, s));
        nnc_value_replace(m, s, add_arg(l, type_of(l, s), s, nnc_value_name(m, s)));
    }
    nnc_ad_sweep(x, l->bw);
    for (unsigned i = 0; i < l->nc; i++)
        if (nnc_value_nuse(m, arg(l, l->bw, at_tape(l) + i)))
            stack[at_tape(l) + i] = stack_of(l, &t, arg(l, t.fw, 1 + i));
    made = replace_forward(l, &t);
    for (unsigned i = 0; i < nnc_block_narg(m, l->bw) - 1; i++) {
        bool tape = i + 1 >= at_tape(l) && i + 1 < at_tape(l) + l->nc,
             saved = i + 1 >= at_tape(l) + l->nin;
        if (saved || (tape && nnc_value_nuse(m, arg(l, l->bw, i + 1))))
            l->in.at[i] = nnc_op_out(m, made, stack[i + 1]);
    }
}

/* Slices that are not read need not be passed. */
static void drop_unused(loop *l)
{
    nnc_module *m = l->x->m;

    for (unsigned i = nnc_block_narg(m, l->bw) - 1; i >= nnc_ad_at_stack(l); i--) {
        if (nnc_value_nuse(m, arg(l, l->bw, i)))
            continue;
        nnc_block_erase_arg(m, l->bw, i);
        for (uint32_t k = i - 1; k + 1 < l->in.n; k++)
            l->in.at[k] = l->in.at[k + 1];
        l->in.n--;
    }
}

/* The adjoint with its operands; cotangents go where they belong. */
static void finish(loop *l, const nnc_value *init, const nnc_value *slices)
{
    nnc_ad *x = l->x;
    nnc_module *m = x->m;
    nnc_op end = nnc_block_last(m, l->bw), made;
    unsigned n = nnc_op_nin(m, end), nc = l->k.n + l->cap.n;
    nnc_type *out = nnc_arena_array(x->a, n + 1u, sizeof *out);

    for (unsigned i = 0; i < n; i++)
        out[i] = i < nc ? type_of(l, l->in.at[i]) : nnc_ad_stacked(l, nnc_op_in(m, end, i));
    made = nnc_build_op(&x->b, NNC_OP_scan, l->in.n, l->in.at, n, out);
    nnc_attr_set_int(m, made, NNC_W_carried, nc);
    nnc_attr_set_int(m, made, NNC_W_trips, nnc_attr_int(m, l->op, NNC_W_trips, 0));
    if (!nnc_attr_int(m, l->op, NNC_W_reverse, 0))
        nnc_attr_set_int(m, made, NNC_W_reverse, 1);
    nnc_op_take_regions(m, made, l->hold);
    nnc_op_erase(m, l->hold);
    for (uint32_t i = 0; i < l->cap.n; i++)
        nnc_ad_set(x, l->cap.at[i], nnc_op_out(m, made, l->k.n + i));
    for (uint32_t i = 0; i < l->k.n; i++)
        nnc_ad_add(x, init[l->k.at[i]], nnc_op_out(m, made, i));
    for (uint32_t i = 0; i < l->dx.n; i++)
        nnc_ad_add(x, slices[l->dx.at[i]], nnc_op_out(m, made, nc + i));
    nnc_ad_sum_later(l, made);
}

nnc_status nnc_ad_scan_vjp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    loop l = {.x = x, .op = op, .body = nnc_op_region(m, op, 0)};
    nnc_value *operand;
    nnc_op boundary;

    l.nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0);
    l.nin = nnc_op_nin(m, op);
    l.nout = nnc_op_nout(m, op);
    operand = nnc_arena_array(x->a, l.nin + 1u, sizeof *operand);
    for (unsigned i = 0; i < l.nin; i++)
        operand[i] = nnc_op_in(m, op, i);
    for (unsigned i = 0; i < l.nc; i++)
        if (nnc_ad_ty(x, operand[i]).rank == NNC_MAX_RANK)
            return nnc_ad_error(x, op, "carried values of rank %d cannot be kept for the adjoint",
                                NNC_MAX_RANK);
    nnc_ad_captures(x, op, &l.cap);
    find_carried(&l);
    NNC_TRY(make_body(&l, &boundary));
    make_tape(&l, boundary);
    drop_unused(&l);
    nnc_ad_hoist(&l);
    finish(&l, operand, operand);
    return NNC_OK;
}
