/* Scalar constants: values without an op, interned by (type, bits). */
#include "ir/eval.h"
#include "ir/hashset.h"
#include "ir/module.h"
#include <assert.h>

struct key {
    uint32_t type;
    uint64_t bits;
};

static bool same_const(const void *user, uint32_t id, const void *key)
{
    const nnc_value_rec *v = &((const nnc_module *)user)->value.at[id];
    const struct key *k = key;
    return v->type.id == k->type && v->bits == k->bits;
}

nnc_value nnc_const_bits(nnc_module *m, nnc_type t, uint64_t bits)
{
    assert(nnc_type_get(m, t)->rank == 0 && nnc_type_get(m, t)->kind != NNC_TYPE_buffer);
    unsigned width = 8u * nnc_dtype_infos[nnc_type_get(m, t)->dtype].bytes;
    if (width < 64)
        bits &= (1ull << width) - 1;
    struct key k = {t.id, bits};
    uint64_t h = nnc_hash(&k.bits, sizeof k.bits, t.id);
    uint32_t id = nnc_hashset_find(m->consts, h, same_const, m, &k);
    if (!id) {
        NNC_PUSH(m->arena, &m->value,
                 (nnc_value_rec){.type = t, .kind = NNC_VALUE_const, .bits = bits});
        id = m->value.n - 1;
        nnc_hashset_add(m->consts, h, id);
    }
    return (nnc_value){id};
}

nnc_value nnc_const_int(nnc_module *m, nnc_type t, int64_t v)
{
    nnc_dtype dt = (nnc_dtype)nnc_type_get(m, t)->dtype;
    return nnc_const_bits(m, t, nnc_num_bits(dt, (nnc_num){(double)v, v}));
}

nnc_value nnc_const_float(nnc_module *m, nnc_type t, double v)
{
    nnc_dtype dt = (nnc_dtype)nnc_type_get(m, t)->dtype;
    nnc_num n = nnc_dtype_is_float(dt)
                    ? (nnc_num){v, 0}
                    : nnc_eval_cast((nnc_num){v, 0}, NNC_DT_f64, dt, true, NNC_W_none);
    return nnc_const_bits(m, t, nnc_num_bits(dt, n));
}

nnc_value nnc_const_idx(nnc_module *m, int64_t v)
{
    return nnc_const_bits(m, nnc_type_scalar(m, NNC_DT_idx, 1), (uint64_t)v);
}

bool nnc_value_idx(const nnc_module *m, nnc_value v, int64_t *out)
{
    const nnc_value_rec *r = nnc_value_get(m, v);
    nnc_dtype dt = (nnc_dtype)nnc_type_get(m, r->type)->dtype;
    if (r->kind != NNC_VALUE_const || nnc_dtype_is_float(dt) ||
        nnc_dtype_infos[dt].class == NNC_DC_OTHER)
        return false;
    *out = nnc_num_of_bits(dt, r->bits).i;
    return true;
}

bool nnc_value_number(const nnc_module *m, nnc_value v, double *out)
{
    const nnc_value_rec *r = nnc_value_get(m, v);
    nnc_dtype dt = (nnc_dtype)nnc_type_get(m, r->type)->dtype;
    if (r->kind != NNC_VALUE_const || nnc_dtype_infos[dt].class == NNC_DC_OTHER)
        return false;
    nnc_num n = nnc_num_of_bits(dt, r->bits);
    *out = nnc_dtype_is_float(dt) ? n.f : dt == NNC_DT_u64 ? (double)(uint64_t)n.i : (double)n.i;
    return true;
}
