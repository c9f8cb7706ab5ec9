/* Tangents through loops: the loop again, with tangents beside the values it carries. */
#include "passes/autodiff/ad.h"

typedef struct pushed {
    nnc_ad *x;
    nnc_op op, hold, end; /* end: the copied yield */
    nnc_block body, b;
    unsigned nc, nin, nout;
    NNC_BUF(unsigned) k, ys; /* carried values and stacked results with tangents */
    nnc_ad_values in;        /* operands */
    nnc_ad_map_of map;
} pushed;

static bool has_slice_tangent(const pushed *p, unsigned i)
{
    return nnc_ad_active(p->x, nnc_block_arg(p->x->m, p->body, 1 + i)) &&
           nnc_ad_get(p->x, nnc_op_in(p->x->m, p->op, i)).id;
}

static nnc_value add_arg(pushed *p, nnc_value like, nnc_value operand)
{
    nnc_module *m = p->x->m;
    NNC_PUSH(p->x->a, &p->in, operand);
    return nnc_block_add_arg(m, p->b, nnc_value_type(m, like), nnc_value_name(m, like));
}

/* A carried value that only comes out at the end is no argument anybody needs, but its result is. */
static bool has_carried_tangent(const pushed *p, unsigned i)
{
    return nnc_ad_active(p->x, nnc_block_arg(p->x->m, p->body, 1 + i)) ||
           nnc_ad_active(p->x, nnc_op_out(p->x->m, p->op, i));
}

/* A value of the loop and what stands for it in the new one. */
static void stand_for(pushed *p, nnc_value from, nnc_value to)
{
    p->map.to[from.id] = to;
}

/* Arguments in order: i, carried, their tangents, slices, theirs. */
static void make_args(pushed *p)
{
    nnc_ad *x = p->x;
    nnc_module *m = x->m;
    nnc_value *tangent = nnc_arena_array(x->a, p->nin + 1u, sizeof *tangent), i0;

    p->map = nnc_ad_new_map(x);
    i0 = nnc_block_arg(m, p->body, 0);
    stand_for(p, i0, nnc_block_add_arg(m, p->b, nnc_value_type(m, i0), "i"));
    for (unsigned half = 0; half < 2; half++) {
        unsigned first = half ? p->nc : 0, end = half ? p->nin : p->nc;
        for (unsigned i = first; i < end; i++) {
            nnc_value a = nnc_block_arg(m, p->body, 1 + i);
            stand_for(p, a, add_arg(p, a, nnc_op_in(m, p->op, i)));
        }
        for (unsigned i = first; i < end; i++) {
            nnc_value a = nnc_block_arg(m, p->body, 1 + i), v = nnc_op_in(m, p->op, i);
            if (half ? !has_slice_tangent(p, i) : !has_carried_tangent(p, i))
                continue;
            if (!half)
                NNC_PUSH(x->a, &p->k, i);
            tangent[i] = add_arg(p, a, nnc_ad_full(x, v));
        }
    }
    for (unsigned i = 0; i < p->nin; i++)
        if (tangent[i].id)
            nnc_ad_set(x, p->map.to[nnc_block_arg(m, p->body, 1 + i).id], tangent[i]);
}

/* The copied body with its tangents; new yields in *y. */
static nnc_status make_body(pushed *p, nnc_ad_values *y)
{
    nnc_ad *x = p->x;
    nnc_module *m = x->m;
    nnc_builder outer = x->b;
    nnc_status s;

    p->end = nnc_ad_copy_region(x, p->body, p->b, &p->map);
    x->b = nnc_builder_at_end(m, p->b);
    s = nnc_ad_forward(x, p->b, p->end);
    x->b.loc = outer.loc;
    for (unsigned i = 0; i < p->nc; i++)
        NNC_PUSH(x->a, y, nnc_op_in(m, p->end, i));
    for (uint32_t i = 0; s == NNC_OK && i < p->k.n; i++)
        NNC_PUSH(x->a, y, nnc_ad_full(x, nnc_op_in(m, p->end, p->k.at[i])));
    for (unsigned i = p->nc; i < p->nout; i++) {
        nnc_value t = nnc_ad_get(x, nnc_op_in(m, p->end, i));
        if (!t.id)
            continue;
        NNC_PUSH(x->a, &p->ys, i);
        NNC_PUSH(x->a, y, t);
    }
    nnc_op_erase(m, p->end);
    nnc_build_yield(&x->b, y->n, y->at);
    x->b = outer;
    return s;
}

nnc_status nnc_ad_scan_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    pushed p = {.x = x, .op = op, .body = nnc_op_region(m, op, 0)};
    nnc_ad_values y = {0};
    nnc_type *out;
    nnc_op made;

    p.nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0);
    p.nin = nnc_op_nin(m, op);
    p.nout = nnc_op_nout(m, op);
    p.hold = nnc_build_op(&x->b, NNC_OP_scan, 0, NULL, 0, NULL);
    p.b = nnc_op_add_region(m, p.hold);
    make_args(&p);
    NNC_TRY(make_body(&p, &y));
    out = nnc_arena_array(x->a, y.n + 1u, sizeof *out);
    for (unsigned i = 0; i < y.n; i++) {
        unsigned of = i < p.nc           ? i
                      : i < p.nc + p.k.n ? p.k.at[i - p.nc]
                                         : p.ys.at[i - p.nc - p.k.n];
        out[i] = nnc_value_type(m, nnc_op_out(m, op, of));
    }
    made = nnc_build_op(&x->b, NNC_OP_scan, p.in.n, p.in.at, y.n, out);
    nnc_attr_copy(m, made, op);
    nnc_attr_remove(m, made, NNC_W_checkpoint); /* about adjoints of the old loop */
    nnc_attr_set_int(m, made, NNC_W_carried, p.nc + p.k.n);
    nnc_op_take_regions(m, made, p.hold);
    nnc_op_erase(m, p.hold);
    for (uint32_t i = 0; i < p.k.n; i++)
        nnc_ad_set(x, nnc_op_out(m, op, p.k.at[i]), nnc_op_out(m, made, p.nc + i));
    for (uint32_t i = 0; i < p.ys.n; i++)
        nnc_ad_set(x, nnc_op_out(m, op, p.ys.at[i]), nnc_op_out(m, made, p.nc + p.k.n + i));
    return NNC_OK;
}

nnc_status nnc_ad_while_jvp(nnc_ad *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_block step = nnc_op_region(m, op, 1);
    unsigned n = nnc_op_nin(m, op), nk = 0;
    unsigned *k = nnc_arena_array(x->a, n + 1u, sizeof *k);
    nnc_value *in = nnc_arena_array(x->a, 2u * n + 1u, sizeof *in), *y;
    nnc_builder outer = x->b;
    nnc_status s = NNC_OK;
    nnc_op made;

    for (unsigned i = 0; i < n; i++) {
        in[i] = nnc_op_in(m, op, i);
        if (nnc_ad_active(x, nnc_block_arg(m, step, i)) || nnc_ad_active(x, nnc_op_out(m, op, i)))
            k[nk++] = i;
    }
    for (unsigned i = 0; i < nk; i++)
        in[n + i] = nnc_ad_full(x, in[k[i]]);
    made = nnc_g_while(&x->b, n + nk, in);
    nnc_attr_copy(m, made, op);
    y = nnc_arena_array(x->a, n + nk + 1u, sizeof *y);
    for (unsigned r = 0; r < 2; r++) {
        nnc_block from = nnc_op_region(m, op, r), to = nnc_op_region(m, made, r);
        nnc_ad_map_of map = nnc_ad_new_map(x);
        nnc_op end;
        for (unsigned i = 0; i < n; i++)
            map.to[nnc_block_arg(m, from, i).id] = nnc_block_arg(m, to, i);
        end = nnc_ad_copy_region(x, from, to, &map);
        if (r == 0)
            continue; /* what decides has no tangent */
        for (unsigned i = 0; i < nk; i++)
            nnc_ad_set(x, nnc_block_arg(m, to, k[i]), nnc_block_arg(m, to, n + i));
        x->b = nnc_builder_at_end(m, to);
        s = nnc_ad_forward(x, to, end);
        x->b.loc = outer.loc;
        for (unsigned i = 0; i < n; i++)
            y[i] = nnc_op_in(m, end, i);
        for (unsigned i = 0; i < nk; i++)
            y[n + i] = nnc_ad_full(x, y[k[i]]);
        nnc_op_erase(m, end);
        nnc_build_yield(&x->b, n + nk, y);
    }
    x->b = outer;
    for (unsigned i = 0; i < nk; i++)
        nnc_ad_set(x, nnc_op_out(m, op, k[i]), nnc_op_out(m, made, n + i));
    return s;
}
