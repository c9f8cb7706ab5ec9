/* fold_key: a key per index, two words of a Philox block whose counter holds site, indices and domain.
 *
 * One loop nest over the broadcast shape of keys and indices; an operand's index is 0 in the dims it lacks.  Indices
 * known at compile time are words of the kernel. */
#include "passes/lower/named/named.h"

/* The element of an operand, of `rank` dims before the last `inner` ones, at index i[] of a box of `to` dims. */
static nnc_value element(nnc_kb *k, nnc_value buf, const nnc_type_rec *t, int rank, int to,
                         const nnc_value *i, int last)
{
    nnc_value at[NNC_MAX_RANK];

    for (int d = 0; d < rank; d++)
        at[d] = t->dim[d] == 1 ? nnc_kb_int(k, 0) : i[to - rank + d];
    if (last >= 0)
        at[rank] = nnc_kb_int(k, last);
    return nnc_k_load(&k->b, buf, (unsigned)t->rank, at);
}

/* Operand p as a counter word at index i[]. */
static nnc_value index_word(nnc_kb *k, nnc_op op, unsigned p, nnc_value buf, int to,
                            const nnc_value *i)
{
    nnc_module *m = k->x->m;
    nnc_type_rec t = *nnc_value_ty(m, nnc_op_in(m, op, p));
    int64_t v;

    if (nnc_value_idx(m, nnc_op_in(m, op, p), &v))
        return nnc_kb_word(k, (uint32_t)v);
    return nnc_k_cast(&k->b, element(k, buf, &t, t.rank, to, i, -1), NNC_DT_u32);
}

nnc_status nnc_named_fold_key(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned nin = nnc_op_nin(m, op), p = 1;
    nnc_type_rec key = *nnc_value_ty(m, nnc_op_in(m, op, 0)),
                 y = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    nnc_value *buf = nnc_arena_array(x->cx->scratch, nin, sizeof *buf);
    nnc_value to, i[NNC_MAX_RANK], k0, k1, c[4];
    nnc_kb k;
    int rank = y.rank - 1;
    int64_t v;

    for (unsigned j = 0; j < nin; j++)
        if (!j || !nnc_value_idx(m, nnc_op_in(m, op, j), &v))
            buf[j] = nnc_lower_buffer(x, nnc_op_in(m, op, j));
    to = nnc_lower_result(x, nnc_op_out(m, op, 0));
    nnc_kb_begin(&k, x, "fold_key", nnc_op_loc(m, op));
    for (unsigned j = 0; j < nin; j++)
        if (buf[j].id)
            buf[j] = nnc_kb_param(&k, buf[j], j ? "index" : "key");
    to = nnc_kb_param(&k, to, "y");
    nnc_kb_nest(&k, rank, y.dim, -1, i);
    k0 = element(&k, buf[0], &key, key.rank - 1, rank, i, 0);
    k1 = element(&k, buf[0], &key, key.rank - 1, rank, i, 1);
    do { /* two indices a turn; without indices one turn */
        c[0] = nnc_kb_word(&k, (uint32_t)nnc_attr_int(m, op, NNC_W_site, 0));
        c[1] = p < nin ? index_word(&k, op, p, buf[p], rank, i) : nnc_kb_word(&k, 0);
        c[2] = p + 1 < nin ? index_word(&k, op, p + 1, buf[p + 1], rank, i) : nnc_kb_word(&k, 0);
        c[3] = nnc_kb_word(&k, (uint32_t)nnc_attr_int(m, op, NNC_W_domain, 0));
        nnc_kb_philox(&k, c, k0, k1);
        k0 = c[0];
        k1 = c[1];
        p += 2;
    } while (p < nin);
    i[rank] = nnc_kb_int(&k, 0);
    nnc_k_store(&k.b, k0, to, (unsigned)y.rank, i);
    i[rank] = nnc_kb_int(&k, 1);
    nnc_k_store(&k.b, k1, to, (unsigned)y.rank, i);
    nnc_kb_end(&k);
    return NNC_OK;
}
