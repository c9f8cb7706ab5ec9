/* rng_bits: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * Element i is word i mod 4 of the block with counter (i / 4, 0): the result does not depend on how it is computed.
 * A result whose memory has gaps is made densely first. */
#include "passes/lower/named/named.h"

static nnc_value word(nnc_kb *k, int64_t v)
{
    nnc_module *m = k->x->m;
    return nnc_const_int(m, nnc_type_scalar(m, NNC_DT_u32, 1), v);
}

static void philox(nnc_kb *k, nnc_value c[4], nnc_value key0, nnc_value key1)
{
    nnc_builder *b = &k->b;
    nnc_value m0 = word(k, 0xD2511F53), m1 = word(k, 0xCD9E8D57);

    for (int round = 0; round < 10; round++) {
        nnc_value h0 = nnc_k_binary(b, NNC_OP_mulhi, c[0], m0),
                  l0 = nnc_k_binary(b, NNC_OP_mul, c[0], m0);
        nnc_value h1 = nnc_k_binary(b, NNC_OP_mulhi, c[2], m1),
                  l1 = nnc_k_binary(b, NNC_OP_mul, c[2], m1);
        c[0] = nnc_k_binary(b, NNC_OP_xor, nnc_k_binary(b, NNC_OP_xor, h1, c[1]), key0);
        c[2] = nnc_k_binary(b, NNC_OP_xor, nnc_k_binary(b, NNC_OP_xor, h0, c[3]), key1);
        c[1] = l1;
        c[3] = l0;
        key0 = nnc_k_binary(b, NNC_OP_add, key0, word(k, 0x9E3779B9));
        key1 = nnc_k_binary(b, NNC_OP_add, key1, word(k, 0xBB67AE85));
    }
}

static void rng_kernel(nnc_lower *x, nnc_value key, nnc_value flat, nnc_loc loc)
{
    nnc_module *m = x->m;
    nnc_dim size = nnc_value_ty(m, flat)->dim[0];
    nnc_value n, block, c[4], key0, key1, wide, zero, one, four, at;
    nnc_kb k;

    nnc_kb_begin(&k, x, "rng_bits", loc);
    key = nnc_kb_param(&k, key, "key");
    flat = nnc_kb_param(&k, flat, "y");
    zero = nnc_kb_int(&k, 0);
    one = nnc_kb_int(&k, 1);
    four = nnc_kb_int(&k, 4);
    key0 = nnc_k_load(&k.b, key, 1, &zero);
    key1 = nnc_k_load(&k.b, key, 1, &one);
    n = nnc_kb_dim(&k, size);
    block = nnc_kb_for(
        &k, nnc_kb_idx(&k, NNC_OP_div, nnc_kb_idx(&k, NNC_OP_add, n, nnc_kb_int(&k, 3)), four),
        "block");
    wide = nnc_k_cast(&k.b, block, NNC_DT_u64);
    c[0] = nnc_k_cast(&k.b, wide, NNC_DT_u32);
    wide = nnc_k_binary(&k.b, NNC_OP_shr, wide,
                        nnc_const_int(m, nnc_type_scalar(m, NNC_DT_u64, 1), 32));
    c[1] = nnc_k_cast(&k.b, wide, NNC_DT_u32);
    c[2] = c[3] = word(&k, 0);
    philox(&k, c, key0, key1);
    for (int w = 0; w < 4; w++) {
        at = nnc_kb_idx(&k, NNC_OP_add, nnc_kb_idx(&k, NNC_OP_mul, block, four), nnc_kb_int(&k, w));
        nnc_k_if(&k.b, nnc_kb_idx(&k, NNC_OP_lt, at, n));
        nnc_k_store(&k.b, c[w], flat, 1, &at);
        nnc_kb_close(&k, 1);
    }
    nnc_kb_end(&k);
}

nnc_status nnc_named_rng_bits(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value key = nnc_lower_buffer(x, nnc_op_in(m, op, 0)),
              to = nnc_lower_result(x, nnc_op_out(m, op, 0));

    if (nnc_entry_real_dense(m, to)) {
        rng_kernel(x, key, nnc_entry_flat(x, to), nnc_op_loc(m, op));
    } else {
        nnc_value dense = nnc_entry_alloc(x, nnc_value_type(m, nnc_op_out(m, op, 0)), "bits");
        rng_kernel(x, key, nnc_entry_flat(x, dense), nnc_op_loc(m, op));
        nnc_entry_import(x, to, dense);
    }
    return NNC_OK;
}
