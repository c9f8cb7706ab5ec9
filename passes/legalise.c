/* Narrow arithmetic made wide.  Selects, casts, bitcasts, loads and stores move bits and stay. */
#include "passes/legalise.h"

static nnc_dtype wide(nnc_dtype dt)
{
    if (nnc_dtype_is_float(dt))
        return nnc_dtype_infos[dt].bits < 32 ? NNC_DT_f32 : dt;
    if (nnc_dtype_is_int(dt) && nnc_dtype_infos[dt].bits < 8)
        return nnc_dtype_infos[dt].class == NNC_DC_UINT ? NNC_DT_u32 : NNC_DT_i32;
    return dt;
}

static bool is_narrow(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);

    if (!nnc_op_has(m, op, NNC_ELEMENTWISE) || !nnc_op_nin(m, op) || code == NNC_OP_select ||
        code == NNC_OP_cast || code == NNC_OP_bitcast)
        return false;
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 0))->dtype;
    return wide(dt) != dt;
}

static void widen(nnc_module *m, nnc_op op)
{
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value in[3] = {{0}}, v = nnc_op_out(m, op, 0);
    unsigned n = nnc_op_nin(m, op);
    nnc_dtype narrow = (nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 0))->dtype,
              dt = (nnc_dtype)nnc_value_ty(m, v)->dtype;
    nnc_type t = nnc_type_scalar(m, dt == narrow ? wide(dt) : dt, nnc_value_ty(m, v)->lanes);

    for (unsigned i = 0; i < n && i < 3; i++)
        in[i] = nnc_k_cast(&b, nnc_op_in(m, op, i), wide(narrow));
    nnc_op made = nnc_build_op(&b, nnc_op_code(m, op), n, in, 1, &t);
    nnc_attr_copy(m, made, op);
    nnc_value_replace(m, v, nnc_k_cast(&b, nnc_op_out(m, made, 0), dt));
    nnc_op_erase(m, op);
}

/* A value that was widened and is narrowed again: what it was before.  (An infinity of f8e5m2 would not survive a cast
 * that saturates.) */
static bool there_and_back(nnc_module *m, nnc_op op)
{
    if (nnc_op_code(m, op) != NNC_OP_cast)
        return false;
    nnc_value v = nnc_op_out(m, op, 0);
    nnc_op first = nnc_value_op(m, nnc_op_in(m, op, 0));
    if (!first.id || nnc_op_code(m, first) != NNC_OP_cast ||
        nnc_value_type(m, nnc_op_in(m, first, 0)).id != nnc_value_type(m, v).id)
        return false;
    nnc_dtype narrow = (nnc_dtype)nnc_value_ty(m, v)->dtype;
    if (wide(narrow) == narrow ||
        wide(narrow) != (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, first, 0))->dtype)
        return false;
    nnc_value_replace(m, v, nnc_op_in(m, first, 0));
    nnc_op_erase(m, op);
    return true;
}

static void legalise_block(nnc_pass_cx *cx, nnc_block b)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(cx->m, b); op.id; op = next) {
        next = nnc_op_next(cx->m, op);
        for (unsigned r = 0; r < nnc_op_nregion(cx->m, op); r++)
            legalise_block(cx, nnc_op_region(cx->m, op, r));
        if (is_narrow(cx->m, op)) {
            widen(cx->m, op);
            cx->changed++;
        } else if (there_and_back(cx->m, op)) {
            cx->changed++;
        }
    }
}

void nnc_legalise_func(nnc_pass_cx *cx, nnc_op func)
{
    legalise_block(cx, nnc_op_region(cx->m, func, 0));
}
