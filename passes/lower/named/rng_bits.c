/* rng_bits: Philox4x32-10 under each of a tensor of keys.
 *
 * Element i under a key is word i mod 4 of the block with counter (i / 4, 0): the result does not depend on how it is
 * computed.  Whole blocks are made in a loop without conditions, which C compilers vectorise; what is left of the last
 * block follows.  Keys whose memory has gaps are copied first, a result with gaps is made densely first. */
#include "ir/philox.h"
#include "passes/lower/named/named.h"

nnc_value nnc_kb_word(nnc_kb *k, uint32_t v)
{
    nnc_module *m = k->x->m;
    return nnc_const_int(m, nnc_type_scalar(m, NNC_DT_u32, 1), v);
}

void nnc_kb_philox(nnc_kb *k, nnc_value c[4], nnc_value key0, nnc_value key1)
{
    nnc_builder *b = &k->b;
    nnc_value m0 = nnc_kb_word(k, NNC_PHILOX_M0), m1 = nnc_kb_word(k, NNC_PHILOX_M1);

    for (int round = 0; round < NNC_PHILOX_ROUNDS; round++) {
        nnc_value h0 = nnc_k_binary(b, NNC_OP_mulhi, c[0], m0),
                  l0 = nnc_k_binary(b, NNC_OP_mul, c[0], m0);
        nnc_value h1 = nnc_k_binary(b, NNC_OP_mulhi, c[2], m1),
                  l1 = nnc_k_binary(b, NNC_OP_mul, c[2], m1);
        c[0] = nnc_k_binary(b, NNC_OP_xor, nnc_k_binary(b, NNC_OP_xor, h1, c[1]), key0);
        c[2] = nnc_k_binary(b, NNC_OP_xor, nnc_k_binary(b, NNC_OP_xor, h0, c[3]), key1);
        c[1] = l1;
        c[3] = l0;
        key0 = nnc_k_binary(b, NNC_OP_add, key0, nnc_kb_word(k, NNC_PHILOX_W0));
        key1 = nnc_k_binary(b, NNC_OP_add, key1, nnc_kb_word(k, NNC_PHILOX_W1));
    }
}

/* The random words of block `block` (idx) under a key. */
static void block_words(nnc_kb *k, nnc_value block, const nnc_value key[2], nnc_value c[4])
{
    nnc_module *m = k->x->m;
    nnc_value wide = nnc_k_cast(&k->b, block, NNC_DT_u64);

    c[0] = nnc_k_cast(&k->b, wide, NNC_DT_u32);
    wide = nnc_k_binary(&k->b, NNC_OP_shr, wide,
                        nnc_const_int(m, nnc_type_scalar(m, NNC_DT_u64, 1), 32));
    c[1] = nnc_k_cast(&k->b, wide, NNC_DT_u32);
    c[2] = c[3] = nnc_kb_word(k, 0);
    nnc_kb_philox(k, c, key[0], key[1]);
}

/* The words of block `block` that lie in a row of n; the row begins at `base`. */
static void store_tail(nnc_kb *k, nnc_value flat, nnc_value base, nnc_value block, nnc_value n,
                       const nnc_value key[2])
{
    nnc_value c[4];

    block_words(k, block, key, c);
    for (int w = 0; w < 4; w++) {
        nnc_value i = nnc_kb_idx(k, NNC_OP_add, nnc_kb_idx(k, NNC_OP_mul, block, nnc_kb_int(k, 4)),
                                 nnc_kb_int(k, w)),
                  at = nnc_kb_idx(k, NNC_OP_add, base, i);
        int64_t known;
        bool inside = nnc_value_idx(k->x->m, i, &known); /* a row of known size below four */
        int64_t size;
        if (inside && nnc_value_idx(k->x->m, n, &size)) {
            if (known < size)
                nnc_k_store(&k->b, c[w], flat, 1, &at);
            continue;
        }
        nnc_k_if(&k->b, nnc_kb_idx(k, NNC_OP_lt, i, n));
        nnc_k_store(&k->b, c[w], flat, 1, &at);
        nnc_kb_close(k, 1);
    }
}

/* keys: [rows * 2] words; flat: [rows * size]. */
static void rng_kernel(nnc_lower *x, nnc_value keys, nnc_value flat, nnc_dim rows, nnc_dim size,
                       nnc_loc loc)
{
    nnc_value row, n, whole, block, key[2], base, four, c[4];
    nnc_kb k;

    nnc_kb_begin(&k, x, "rng_bits", loc);
    keys = nnc_kb_param(&k, keys, "key");
    flat = nnc_kb_param(&k, flat, "y");
    four = nnc_kb_int(&k, 4);
    n = nnc_kb_dim(&k, size);
    whole = nnc_kb_idx(&k, NNC_OP_div, n, four);
    row = rows == 1 ? nnc_kb_int(&k, 0) : nnc_kb_for(&k, nnc_kb_dim(&k, rows), "row");
    base = nnc_kb_idx(&k, NNC_OP_mul, row, n);
    for (int w = 0; w < 2; w++) {
        nnc_value at = nnc_kb_idx(
            &k, NNC_OP_add, nnc_kb_idx(&k, NNC_OP_mul, row, nnc_kb_int(&k, 2)), nnc_kb_int(&k, w));
        key[w] = nnc_k_load(&k.b, keys, 1, &at);
    }
    if (!nnc_dim_is_const(size) || size >= 4) {
        block = nnc_kb_for(&k, whole, "block");
        block_words(&k, block, key, c);
        for (int w = 0; w < 4; w++) {
            nnc_value at = nnc_kb_idx(
                &k, NNC_OP_add,
                nnc_kb_idx(&k, NNC_OP_add, base, nnc_kb_idx(&k, NNC_OP_mul, block, four)),
                nnc_kb_int(&k, w));
            nnc_k_store(&k.b, c[w], flat, 1, &at);
        }
        nnc_kb_close(&k, 1);
    }
    if (!nnc_dim_is_const(size) || size % 4)
        store_tail(&k, flat, base, whole, n, key);
    nnc_kb_end(&k);
}

/* The buffer as one row, through a copy when it has gaps. */
static nnc_value flat_words(nnc_lower *x, nnc_value g)
{
    nnc_value buf = nnc_lower_buffer(x, g), dense = buf;

    if (!nnc_entry_real_dense(x->m, buf)) {
        dense = nnc_entry_alloc(x, nnc_value_type(x->m, g), "keys");
        nnc_entry_export(x, dense, buf);
    }
    return nnc_entry_flat(x, dense);
}

nnc_status nnc_named_rng_bits(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value g = nnc_op_out(m, op, 0), keys = flat_words(x, nnc_op_in(m, op, 0)),
              to = nnc_lower_result(x, g), dense = to;
    nnc_type_rec key = *nnc_value_ty(m, nnc_op_in(m, op, 0)), y = *nnc_value_ty(m, g);
    nnc_dim rows = 1, size = 1;

    for (int d = 0; d < y.rank; d++) {
        nnc_dim *part = d < key.rank - 1 ? &rows : &size;
        *part = nnc_dim_mul(m->dims, *part, y.dim[d]);
    }
    if (!nnc_entry_real_dense(m, to))
        dense = nnc_entry_alloc(x, nnc_value_type(m, g), "bits");
    rng_kernel(x, keys, nnc_entry_flat(x, dense), rows, size, nnc_op_loc(m, op));
    if (dense.id != to.id)
        nnc_entry_import(x, to, dense);
    return NNC_OK;
}
