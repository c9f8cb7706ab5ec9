/* Random numbers: the generator, draws and keys. */
#include "ir/interp_priv.h"
#include "ir/philox.h"
#include <string.h>

void nnc_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k0 = key[0], k1 = key[1];

    for (int round = 0; round < NNC_PHILOX_ROUNDS; round++) {
        uint64_t p = (uint64_t)NNC_PHILOX_M0 * c[0], q = (uint64_t)NNC_PHILOX_M1 * c[2];
        uint32_t n0 = (uint32_t)(q >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p >> 32) ^ c[3] ^ k1;
        c[1] = (uint32_t)q;
        c[3] = (uint32_t)p;
        c[0] = n0;
        c[2] = n2;
        k0 += NNC_PHILOX_W0;
        k1 += NNC_PHILOX_W1;
    }
    memcpy(out, c, sizeof c);
}

void nnc_key_fold(const uint32_t key[2], uint32_t site, uint32_t domain, unsigned n,
                  const int64_t *index, uint32_t out[2])
{
    uint32_t k[2] = {key[0], key[1]}, r[4];
    unsigned i = 0;

    do { /* two indices a turn; without indices one turn */
        uint32_t c[4] = {site, i < n ? (uint32_t)index[i] : 0,
                         i + 1 < n ? (uint32_t)index[i + 1] : 0, domain};
        nnc_philox(c, k, r);
        k[0] = r[0];
        k[1] = r[1];
        i += 2;
    } while (i < n);
    memcpy(out, k, sizeof k);
}

INTERP(rng_bits)
{
    int64_t keys = nnc_tensor_count(&in[0]) / 2, n = keys ? nnc_tensor_count(out) / keys : 0;

    (void)x;
    (void)op;
    for (int64_t row = 0; row < keys; row++) {
        uint32_t key[2], r[4] = {0};
        memcpy(key, nnc_cell(&in[0], row * 2), sizeof key);
        for (int64_t i = 0; i < n; i++) {
            uint64_t block = (uint64_t)i / 4;
            uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), 0, 0};
            if (i % 4 == 0)
                nnc_philox(c, key, r);
            memcpy(nnc_cell(out, row * n + i), &r[i % 4], 4);
        }
    }
    return NNC_OK;
}

/* Strides of t, whose dims from `rank` on are left out, as it broadcasts to a box of `to` dims. */
static void strides_to(const nnc_tensor *t, int rank, int to, int64_t *stride)
{
    int64_t own[NNC_MAX_RANK];

    nnc_tensor_strides(t, own);
    for (int d = 0; d < to; d++) {
        int k = d - (to - rank);
        stride[d] = k < 0 || t->dim[k] == 1 ? 0 : own[k];
    }
}

INTERP(fold_key)
{
    unsigned n = nnc_op_nin(x->m, op) - 1;
    uint32_t site = (uint32_t)nnc_attr_int(x->m, op, NNC_W_site, 0),
             domain = (uint32_t)nnc_attr_int(x->m, op, NNC_W_domain, 0);
    int rank = out->rank - 1;
    int64_t count = nnc_tensor_count(out) / 2, pos[NNC_MAX_RANK] = {0};
    int64_t(*stride)[NNC_MAX_RANK] = nnc_arena_array(x->a, n + 1, sizeof *stride);
    int64_t *index = nnc_arena_array(x->a, n + 1, sizeof *index);

    for (unsigned k = 0; k <= n; k++)
        strides_to(&in[k], in[k].rank - (k == 0), rank, stride[k]);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = 0;
        uint32_t key[2];
        for (int d = 0; d < rank; d++)
            at += pos[d] * stride[0][d];
        memcpy(key, nnc_cell(&in[0], at), sizeof key);
        for (unsigned k = 1; k <= n; k++) {
            at = 0;
            for (int d = 0; d < rank; d++)
                at += pos[d] * stride[k][d];
            index[k - 1] = nnc_tensor_int(&in[k], at);
        }
        nnc_key_fold(key, site, domain, n, index, key);
        memcpy(nnc_cell(out, i * 2), key, sizeof key);
        for (int d = rank - 1; d >= 0 && ++pos[d] == out->dim[d]; d--)
            pos[d] = 0;
    }
    return NNC_OK;
}
