/* Helpers of the G clean-up passes. */
#include "passes/clean.h"
#include <string.h>

bool nnc_value_splat(const nnc_module *m, nnc_value v, uint64_t *bits)
{
    nnc_tensor t;
    int64_t n;
    size_t size;

    for (nnc_op op = nnc_value_op(m, v);
         op.id && (nnc_op_code(m, op) == NNC_OP_broadcast || nnc_op_code(m, op) == NNC_OP_reshape);
         op = nnc_value_op(m, v))
        v = nnc_op_in(m, op, 0);
    if (nnc_value_is_const(m, v)) {
        *bits = nnc_value_get(m, v)->bits;
        return nnc_value_ty(m, v)->kind == NNC_TYPE_tensor;
    }
    if (!nnc_tensor_of(m, v, &t) || (n = nnc_tensor_count(&t)) == 0)
        return false;
    size = nnc_dtype_bytes(t.dtype);
    for (int64_t i = 1; i < n; i++) /* differs early unless it is a splat */
        if (memcmp((const char *)t.data + (size_t)i * size, t.data, size) != 0)
            return false;
    *bits = 0;
    memcpy(bits, t.data, size);
    return true;
}

void nnc_op_replace(nnc_module *m, nnc_op op, nnc_value v)
{
    nnc_value old = nnc_op_out(m, op, 0);

    if (nnc_value_op(m, v).id && !*nnc_value_name(m, v) && *nnc_value_name(m, old))
        nnc_value_set_name(m, v, nnc_value_name(m, old));
    nnc_value_replace(m, old, v);
    nnc_op_erase(m, op);
}

void nnc_region_inline(nnc_pass_cx *cx, nnc_op op, nnc_block region, const nnc_value *args,
                       unsigned nyield, nnc_value *yielded)
{
    nnc_module *m = cx->m;
    uint32_t nmap = m->value.n;
    nnc_value *map = nnc_arena_array(cx->scratch, nmap, sizeof *map);
    nnc_op end = nnc_block_last(m, region);

    for (unsigned i = 0; i < nnc_block_narg(m, region); i++)
        map[nnc_block_arg(m, region, i).id] = args[i];
    nnc_block_clone(m, region, (nnc_pos){nnc_op_get(m, op)->block, op}, map, nmap, false);
    for (unsigned i = 0; i < nyield; i++) {
        nnc_value v = nnc_op_in(m, end, i);
        yielded[i] = map[v.id].id ? map[v.id] : v;
    }
}

/* ---- work ---- */
static double size_of(const nnc_module *m, nnc_value v)
{
    return (double)nnc_type_count(m, nnc_value_type(m, v));
}

/* Products per result of a dot or conv: weights per output. */
static double depth_of(const nnc_module *m, nnc_op op)
{
    const nnc_type_rec *w = nnc_value_ty(m, nnc_op_in(m, op, 1));
    unsigned n;
    const int64_t *c = nnc_attr_ints(m, op, NNC_W_contract_b, &n);
    double depth = 1;

    if (nnc_op_code(m, op) == NNC_OP_dot) {
        for (unsigned i = 0; i < n; i++)
            depth *= (double)nnc_dim_hi(m->dims, w->dim[c[i]]);
        return depth;
    }
    int64_t outs = nnc_dim_hi(
        m->dims,
        w->dim[nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nchw ? 0 : w->rank - 1]);
    return outs > 0 ? size_of(m, nnc_op_in(m, op, 1)) / (double)outs : 1;
}

static double window_size(const nnc_module *m, nnc_op op)
{
    unsigned n;
    const int64_t *size = nnc_attr_ints(m, op, NNC_W_size, &n);
    double k = 1;

    for (unsigned i = 0; i < n; i++)
        k *= (double)nnc_dim_hi(m->dims, size[i]);
    return k;
}

double nnc_op_work(const nnc_module *m, nnc_op op)
{
    nnc_opcode code = nnc_op_code(m, op);
    double out = 1, inner = 0, trips = 1;

    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        out += size_of(m, nnc_op_out(m, op, i));
    if (code == NNC_OP_const)
        return 1;
    if (code == NNC_OP_dot || code == NNC_OP_conv)
        return out * depth_of(m, op);
    if (code == NNC_OP_window_reduce || code == NNC_OP_window_argmax)
        return out * window_size(m, op);
    if (nnc_op_nregion(m, op) == 0)
        return nnc_op_has(m, op, NNC_REDUCES) ? out + size_of(m, nnc_op_in(m, op, 0)) : out;
    if (code == NNC_OP_scan)
        trips = nnc_attr_int(m, op, NNC_W_trips, 0) >= 0
                    ? (double)nnc_attr_int(m, op, NNC_W_trips, 0)
                    : 16;
    else if (code == NNC_OP_while)
        trips = 16;
    for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
        inner += nnc_block_work(m, nnc_op_region(m, op, i));
    return out + trips * inner;
}

double nnc_block_work(const nnc_module *m, nnc_block b)
{
    double sum = 0;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        sum += nnc_op_work(m, op);
    return sum;
}
