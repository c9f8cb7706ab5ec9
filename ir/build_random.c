/* G constructors of random numbers.
 *
 * Keys.  A key is u32[2]; u32[b.., 2] is one per example.  A draw is a function of its key alone: element i of it uses
 * word i mod 4 of counter block i / 4, whatever computes it in whatever order. */
#include "ir/build_fn.h"
#include "ir/philox.h"

nnc_value nnc_g_rng_bits(nnc_builder *b, nnc_value key, int rank, const nnc_dim *dim)
{
    return nnc_build_plain(b, NNC_OP_rng_bits, 1, &key,
                           nnc_type_tensor(b->m, NNC_DT_u32, rank, dim));
}

nnc_value nnc_g_fold_key_domain(nnc_builder *b, nnc_value key, uint32_t site, uint32_t domain,
                                unsigned n, const nnc_value *index)
{
    nnc_value *in = nnc_arena_array(b->m->arena, n + 1, sizeof *in);
    in[0] = key;
    for (unsigned i = 0; i < n; i++)
        in[i + 1] = index[i];
    nnc_op op = nnc_build_start(b, NNC_OP_fold_key, n + 1, in, 1, nnc_build_guess(b, NNC_DT_u32));
    nnc_attr_set_int(b->m, op, NNC_W_site, site);
    nnc_attr_set_int(b->m, op, NNC_W_domain, domain);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_fold_key(nnc_builder *b, nnc_value key, uint32_t site, unsigned n,
                         const nnc_value *index)
{
    return nnc_g_fold_key_domain(b, key, site, NNC_KEY_FOLD + NNC_KEY_PER_INDEX * n, n, index);
}

nnc_value nnc_g_split_key(nnc_builder *b, nnc_value key, nnc_dim n)
{
    nnc_value i = nnc_g_iota(b, NNC_DT_i64, 1, &n, 0);
    return nnc_g_fold_key_domain(b, key, 0, NNC_KEY_SPLIT, 1, &i);
}
