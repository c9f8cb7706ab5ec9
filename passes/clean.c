/* Helpers of the G clean-up passes. */
#include "passes/clean.h"
#include <string.h>

bool nnc_value_splat(const nnc_module *m, nnc_value v, uint64_t *bits)
{
    nnc_tensor t;
    int64_t n;
    size_t size;

    for (nnc_op op = nnc_value_op(m, v); op.id && (nnc_op_code(m, op) == NNC_OP_broadcast || nnc_op_code(m, op) == NNC_OP_reshape); op = nnc_value_op(m, v))
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

void nnc_region_inline(nnc_pass_cx *cx, nnc_op op, nnc_block region, const nnc_value *args, unsigned nyield, nnc_value *yielded)
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
