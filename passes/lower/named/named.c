/* The table of hand-written kernels, and small helpers for all of them. */
#include "passes/lower/named/named.h"

nnc_status nnc_lower_named(nnc_lower *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_scatter_elements: return nnc_named_scatter_elements(x, op);
    case NNC_OP_scatter_nd: return nnc_named_scatter_nd(x, op);
    case NNC_OP_dynamic_update_slice: return nnc_named_dynamic_update_slice(x, op);
    case NNC_OP_cumulate: return nnc_named_cumulate(x, op);
    case NNC_OP_sort: return nnc_named_sort(x, op);
    case NNC_OP_topk: return nnc_named_topk(x, op);
    case NNC_OP_compact: return nnc_named_compact(x, op);
    case NNC_OP_rng_bits: return nnc_named_rng_bits(x, op);
    case NNC_OP_fold_key: return nnc_named_fold_key(x, op);
    case NNC_OP_nms: return nnc_named_nms(x, op);
    default:
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "no kernel is written for '%s'",
                         nnc_op_infos[nnc_op_code(x->m, op)].name);
    }
}

int nnc_kb_nest(nnc_kb *k, int rank, const nnc_dim *dim, int skip, nnc_value *i)
{
    int n = 0;

    for (int d = 0; d < rank; d++)
        if (d != skip) {
            i[d] = nnc_kb_for(k, nnc_kb_dim(k, dim[d]), "i");
            n++;
        }
    return n;
}

void nnc_kb_close(nnc_kb *k, int loops)
{
    while (loops-- > 0)
        nnc_k_end(&k->b);
}

nnc_value nnc_kb_var(nnc_kb *k, nnc_dtype dt, nnc_value init, const char *name)
{
    nnc_module *m = k->x->m;
    nnc_value v = nnc_k_alloc(&k->b, nnc_type_buffer(m, dt, 1, 0, NULL, NULL, NNC_SPACE_reg), name);

    nnc_kb_set(k, v, init);
    return v;
}

nnc_value nnc_kb_get(nnc_kb *k, nnc_value var)
{
    return nnc_k_load(&k->b, var, 0, NULL);
}

void nnc_kb_set(nnc_kb *k, nnc_value var, nnc_value v)
{
    nnc_k_store(&k->b, v, var, 0, NULL);
}

nnc_value nnc_kb_int(nnc_kb *k, int64_t v)
{
    return nnc_const_idx(k->x->m, v);
}

void nnc_kb_while(nnc_kb *k)
{
    nnc_module *m = k->x->m;
    nnc_op op = nnc_build_op(&k->b, NNC_OP_while, 0, NULL, 0, NULL);

    nnc_op_add_region(m, op);
    nnc_op_add_region(m, op);
    k->b.pos = (nnc_pos){nnc_op_region(m, op, 0), {0}};
}

void nnc_kb_do(nnc_kb *k, nnc_value cond)
{
    nnc_op op = nnc_block_parent(k->x->m, k->b.pos.block);

    nnc_build_yield(&k->b, 1, &cond);
    k->b.pos = (nnc_pos){nnc_op_region(k->x->m, op, 1), {0}};
}

nnc_dtype nnc_kb_wide_type(nnc_dtype dt)
{
    const nnc_dtype_info *i = &nnc_dtype_infos[dt];

    if (dt == NNC_DT_bool || dt == NNC_DT_idx || i->bits >= 32)
        return dt;
    return i->class == NNC_DC_FLOAT ? NNC_DT_f32 : NNC_DT_i32;
}

nnc_value nnc_kb_wide(nnc_kb *k, nnc_value v)
{
    return nnc_k_cast(&k->b, v, nnc_kb_wide_type((nnc_dtype)nnc_value_ty(k->x->m, v)->dtype));
}

nnc_value nnc_kb_narrow(nnc_kb *k, nnc_value v, nnc_dtype dt)
{
    return nnc_k_cast(&k->b, v, dt);
}

nnc_value nnc_kb_combine(nnc_kb *k, nnc_word kind, nnc_value a, nnc_value b)
{
    bool logical = nnc_value_ty(k->x->m, a)->dtype == NNC_DT_bool;

    switch (kind) {
    case NNC_W_add: return nnc_k_binary(&k->b, logical ? NNC_OP_or : NNC_OP_add, a, b);
    case NNC_W_mul: return nnc_k_binary(&k->b, logical ? NNC_OP_and : NNC_OP_mul, a, b);
    case NNC_W_max: return nnc_k_binary(&k->b, logical ? NNC_OP_or : NNC_OP_max, a, b);
    case NNC_W_min: return nnc_k_binary(&k->b, logical ? NNC_OP_and : NNC_OP_min, a, b);
    default: return b;
    }
}

nnc_value nnc_kb_inside(nnc_kb *k, nnc_value i, nnc_value n)
{
    nnc_value low = nnc_kb_idx(k, NNC_OP_le, nnc_kb_int(k, 0), i);
    return nnc_k_binary(&k->b, NNC_OP_and, low, nnc_kb_idx(k, NNC_OP_lt, i, n));
}

nnc_value nnc_kb_load_idx(nnc_kb *k, nnc_value buf, unsigned n, const nnc_value *i)
{
    return nnc_k_cast(&k->b, nnc_k_load(&k->b, buf, n, i), NNC_DT_idx);
}

nnc_value nnc_kb_scratch(nnc_kb *k, nnc_dtype dt, int rank, const nnc_dim *dim, const char *name)
{
    nnc_type t = nnc_type_buffer(k->x->m, dt, 1, rank, dim, NULL, NNC_SPACE_arena);
    return nnc_kb_param(k, nnc_k_alloc(&k->x->b, t, name), name);
}
