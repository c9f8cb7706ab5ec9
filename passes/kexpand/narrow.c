/* Quantise and dequantise side by side leave trips through narrow integers that change nothing:
 *
 *   max(round(x), c)           round(max(x, c))             c whole; the range of x is known before rounding then
 *   max(round(x) + z, c)       round(max(x, c - z)) + z     z whole; min alike
 *   i32(u8(x)), u8(i32(x))     i32(x), u8(x)                x in the range of u8, so no cast saturates or wraps
 *   i32(u8(i)), i + z - z      i                            i an i32 in the range of u8
 *   f32(u8(x))                 nan(x) ? 0 : x, + 0          and x whole; the sum makes a zero positive
 *
 * All are exact.  On vectors the trip costs two conversions that some compilers write as dozens of moves. */
#include <math.h>
#include "passes/kexpand/kexpand.h"
#include "passes/krange.h"

static const double LIMIT = 4194304.0; /* 2^22: far from where f32 loses whole numbers */

static nnc_dtype dtype_of(const nnc_module *m, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(m, v)->dtype;
}

static bool whole_number(const nnc_module *m, nnc_value v, double *c)
{
    return nnc_value_number(m, v, c) && *c == floor(*c) && fabs(*c) < LIMIT;
}

static nnc_op single(const nnc_module *m, nnc_value v, nnc_opcode code)
{
    nnc_op d = nnc_value_op(m, v);

    return d.id && nnc_op_code(m, d) == code && nnc_value_single_user(m, v).id ? d : (nnc_op){0};
}

static nnc_value rounded(nnc_expand *x, nnc_builder *b, nnc_opcode clamp, nnc_value v, double limit)
{
    nnc_type t = nnc_type_scalar(x->m, dtype_of(x->m, v), 1);

    return nnc_k_unary(b, NNC_OP_round, nnc_k_binary(b, clamp, v, nnc_const_float(x->m, t, limit)));
}

/* Clamp first, round then. */
static bool clamp_inside(nnc_expand *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_opcode code = nnc_op_code(m, op);
    nnc_value v = nnc_op_in(m, op, 0), out = nnc_op_out(m, op, 0);
    nnc_builder b = nnc_builder_before(m, op);
    double c, z = 0;

    if (nnc_value_ty(m, out)->lanes > 1 || dtype_of(m, out) != NNC_DT_f32 ||
        !whole_number(m, nnc_op_in(m, op, 1), &c))
        return false;
    nnc_op sum = single(m, v, NNC_OP_add);
    if (sum.id && !whole_number(m, nnc_op_in(m, sum, 1), &z))
        return false;
    nnc_op round = single(m, sum.id ? nnc_op_in(m, sum, 0) : v, NNC_OP_round);
    if (!round.id)
        return false;
    nnc_value r = rounded(x, &b, code, nnc_op_in(m, round, 0), c - z);
    if (sum.id)
        r = nnc_k_binary(&b, NNC_OP_add, r, nnc_op_in(m, sum, 1));
    nnc_value_replace(m, out, r);
    nnc_op_erase(m, op);
    if (sum.id)
        nnc_op_erase(m, sum);
    nnc_op_erase(m, round);
    return true;
}

static bool in_range_of(const nnc_module *m, nnc_value v, nnc_dtype dt)
{
    unsigned w = nnc_dtype_infos[dt].bits;
    bool sg = nnc_dtype_infos[dt].class == NNC_DC_SINT;
    double lo = sg ? -ldexp(1, (int)w - 1) : 0, hi = ldexp(1, (int)(sg ? w - 1 : w)) - 1, a, b;

    return nnc_float_range(m, v, &a, &b) && a >= lo && b <= hi;
}

/* A cast of a cast of a float to a narrow integer that it fits. */
static bool skip_narrow(nnc_expand *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value out = nnc_op_out(m, op, 0), made;
    nnc_op first = nnc_value_op(m, nnc_op_in(m, op, 0));
    nnc_builder b = nnc_builder_before(m, op);

    if (!first.id || nnc_op_code(m, first) != NNC_OP_cast || nnc_value_ty(m, out)->lanes > 1)
        return false;
    nnc_value v = nnc_op_in(m, first, 0);
    nnc_dtype narrow = dtype_of(m, nnc_op_out(m, first, 0)), to = dtype_of(m, out);
    if (dtype_of(m, v) != NNC_DT_f32 || !nnc_dtype_is_int(narrow) ||
        nnc_dtype_infos[narrow].bits > 32 || !in_range_of(m, v, narrow))
        return false;
    if (to == NNC_DT_i32 || (nnc_dtype_is_int(to) && to != NNC_DT_idx &&
                             nnc_dtype_infos[to].bits >= 8 && in_range_of(m, v, to))) {
        made = nnc_k_cast(&b, v, to);
        if (nnc_attr_find(m, first, NNC_W_exact) && nnc_value_op(m, made).id)
            nnc_attr_set_int(m, nnc_value_op(m, made), NNC_W_exact, 1);
    } else if (to == NNC_DT_f32 && nnc_float_is_whole(m, v)) {
        nnc_value zero = nnc_const_float(m, nnc_type_scalar(m, NNC_DT_f32, 1), 0);
        made = nnc_k_binary(&b, NNC_OP_add,
                            nnc_k_select(&b, nnc_k_unary(&b, NNC_OP_isnan, v), zero, v), zero);
    } else {
        return false;
    }
    nnc_value_replace(m, out, made);
    nnc_op_erase(m, op);
    return true;
}

/* A cast to a narrow integer and back, of an integer that fits it. */
static bool skip_round_trip(nnc_expand *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value out = nnc_op_out(m, op, 0);
    nnc_op first = nnc_value_op(m, nnc_op_in(m, op, 0));
    int64_t lo, hi;

    if (!first.id || nnc_op_code(m, first) != NNC_OP_cast || nnc_value_ty(m, out)->lanes > 1 ||
        dtype_of(m, out) != NNC_DT_i32)
        return false;
    nnc_value v = nnc_op_in(m, first, 0);
    nnc_dtype narrow = dtype_of(m, nnc_op_out(m, first, 0));
    unsigned w = nnc_dtype_infos[narrow].bits;
    bool sg = nnc_dtype_infos[narrow].class == NNC_DC_SINT;
    if (dtype_of(m, v) != NNC_DT_i32 || !nnc_dtype_is_int(narrow) || w > 16 ||
        !nnc_int_range(m, v, &lo, &hi) || lo < (sg ? -(1 << (w - 1)) : 0) ||
        hi >= 1 << (sg ? w - 1 : w))
        return false;
    nnc_value_replace(m, out, v);
    nnc_op_erase(m, op);
    return true;
}

/* (x + c) - c and (x - c) + c, which wrap back. */
static bool cancel(nnc_expand *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_opcode code = nnc_op_code(m, op);
    nnc_value out = nnc_op_out(m, op, 0);
    nnc_op first = nnc_value_op(m, nnc_op_in(m, op, 0));
    int64_t a, b;

    if (!first.id || !nnc_dtype_is_int(dtype_of(m, out)) || dtype_of(m, out) == NNC_DT_idx ||
        nnc_value_ty(m, out)->lanes > 1 ||
        (nnc_op_code(m, first) != NNC_OP_add && nnc_op_code(m, first) != NNC_OP_sub) ||
        !nnc_value_idx(m, nnc_op_in(m, op, 1), &a) || !nnc_value_idx(m, nnc_op_in(m, first, 1), &b))
        return false;
    a = code == NNC_OP_sub ? -a : a;
    b = nnc_op_code(m, first) == NNC_OP_sub ? -b : b;
    if (a + b != 0)
        return false;
    nnc_value_replace(m, out, nnc_op_in(m, first, 0));
    nnc_op_erase(m, op);
    return true;
}

static void narrow_block(nnc_expand *x, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = next) {
        nnc_opcode code = nnc_op_code(x->m, op);
        next = nnc_op_next(x->m, op);
        for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++)
            narrow_block(x, nnc_op_region(x->m, op, r));
        if (((code == NNC_OP_max || code == NNC_OP_min) && clamp_inside(x, op)) ||
            (code == NNC_OP_cast && (skip_narrow(x, op) || skip_round_trip(x, op))) ||
            ((code == NNC_OP_add || code == NNC_OP_sub) && cancel(x, op)))
            x->cx->changed++;
    }
}

void nnc_expand_narrow(nnc_expand *x)
{
    narrow_block(x, nnc_op_region(x->m, x->func, 0));
}
