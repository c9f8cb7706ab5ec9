/* dequantize and the movement of data.
 *
 * A reshape, a slice or the largest of a window picks elements; with one scale for all (and that scale positive, for the
 * largest) it may pick them among the 8-bit numbers just as well.  quantize(dequantize(q)) by equal scale and zero is q:
 * (q - z) * s / s lies within a few ulp of the integer q - z and rounds to it. */
#include "passes/quant/quant.h"
#include "ir/eval.h"

bool nnc_quant_number(const nnc_module *m, nnc_value v, double *out)
{
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, v)->dtype;
    uint64_t bits;

    if (nnc_value_number(m, v, out))
        return true;
    if (nnc_type_count(m, nnc_value_type(m, v)) != 1 || !nnc_value_splat(m, v, &bits))
        return false;
    nnc_num n = nnc_num_of_bits(dt, bits);
    *out = nnc_dtype_is_float(dt) ? n.f : (double)n.i;
    return true;
}

/* Later readers of op's result read v; op itself is dead then and goes at the end of the sweep. */
static void stand_in(nnc_module *m, nnc_op op, nnc_value v)
{
    nnc_value old = nnc_op_out(m, op, 0);

    if (nnc_value_op(m, v).id && !*nnc_value_name(m, v))
        nnc_value_set_name(m, v, nnc_value_name(m, old));
    nnc_value_replace(m, old, v);
}

static bool is_byte(nnc_dtype dt)
{
    return dt == NNC_DT_u8 || dt == NNC_DT_i8;
}

static nnc_dtype dtype(const nnc_module *m, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(m, v)->dtype;
}

/* A dequantize of bytes with one scale. */
static nnc_op dequantised(const nnc_module *m, nnc_value v)
{
    nnc_op op = nnc_value_op(m, v);

    if (!op.id || nnc_op_code(m, op) != NNC_OP_dequantize ||
        !is_byte(dtype(m, nnc_op_in(m, op, 0))) || nnc_value_ty(m, nnc_op_in(m, op, 1))->rank ||
        nnc_value_ty(m, nnc_op_in(m, op, 2))->rank || dtype(m, v) != NNC_DT_f32 ||
        nnc_attr_int(m, op, NNC_W_block, 0))
        return (nnc_op){0};
    return op;
}

static bool same_number(const nnc_module *m, nnc_value a, nnc_value b)
{
    double x, y;

    return a.id == b.id || (nnc_quant_number(m, a, &x) && nnc_quant_number(m, b, &y) && x == y);
}

/* The largest of a window of bytes: the padding must never be the only thing in a window. */
static bool is_max_pool(const nnc_module *m, nnc_op op, nnc_op from)
{
    unsigned n, k, j;
    double s;
    const int64_t *lo = nnc_attr_ints(m, op, NNC_W_lo, &n),
                  *hi = nnc_attr_ints(m, op, NNC_W_hi, &k),
                  *size = nnc_attr_ints(m, op, NNC_W_size, &j);

    if (nnc_attr_word(m, op, NNC_W_kind, NNC_W_sum) != NNC_W_max ||
        !nnc_quant_number(m, nnc_op_in(m, from, 1), &s) || s <= 0)
        return false;
    for (unsigned i = 0; i < n && i < k && i < j; i++)
        if (lo[i] >= size[i] || hi[i] >= size[i])
            return false;
    return true;
}

bool nnc_quant_move(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    unsigned n = nnc_op_nin(m, op), nq = nnc_op_code(m, op) == NNC_OP_concat ? n : 1;
    nnc_op from = n ? dequantised(m, nnc_op_in(m, op, 0)) : (nnc_op){0};
    nnc_value in[64];

    if (!from.id || n > 64 ||
        (nnc_op_code(m, op) == NNC_OP_window_reduce && !is_max_pool(m, op, from)))
        return false;
    for (unsigned i = 0; i < n; i++) {
        nnc_value v = nnc_op_in(m, op, i);
        nnc_op d = i < nq ? dequantised(m, v) : (nnc_op){0};
        if (i < nq && (!d.id || dtype(m, nnc_op_in(m, d, 0)) != dtype(m, nnc_op_in(m, from, 0)) ||
                       !same_number(m, nnc_op_in(m, d, 1), nnc_op_in(m, from, 1)) ||
                       !same_number(m, nnc_op_in(m, d, 2), nnc_op_in(m, from, 2))))
            return false;
        in[i] = d.id ? nnc_op_in(m, d, 0) : v;
    }
    nnc_builder b = nnc_builder_before(m, op);
    nnc_type_rec t = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    nnc_type to = nnc_type_tensor(m, dtype(m, in[0]), t.rank, t.dim);
    nnc_op moved = nnc_build_op(&b, nnc_op_code(m, op), n, in, 1, &to);
    nnc_attr_copy(m, moved, op);
    stand_in(m, op,
             nnc_g_dequantize(&b, nnc_op_out(m, moved, 0), nnc_op_in(m, from, 1),
                              nnc_op_in(m, from, 2), 0, 0));
    return true;
}

bool nnc_quant_round_trip(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    nnc_op from = dequantised(m, nnc_op_in(m, op, 0));
    double s;

    if (!from.id || dtype(m, nnc_op_out(m, op, 0)) != dtype(m, nnc_op_in(m, from, 0)) ||
        nnc_value_ty(m, nnc_op_in(m, op, 1))->rank || nnc_attr_int(m, op, NNC_W_block, 0) ||
        !nnc_quant_number(m, nnc_op_in(m, op, 1), &s) || !(s > 1e-30 && s < 1e30) ||
        !same_number(m, nnc_op_in(m, op, 1), nnc_op_in(m, from, 1)) ||
        !same_number(m, nnc_op_in(m, op, 2), nnc_op_in(m, from, 2)))
        return false;
    stand_in(m, op, nnc_op_in(m, from, 0));
    return true;
}
