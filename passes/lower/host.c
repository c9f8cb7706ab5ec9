/* A call into the program around the model.
 *
 * The host sees dense memory in real sizes.  A buffer that lies so already is passed as it is; any other operand is
 * copied to such a buffer first, and a result is made in one and copied to its place. */
#include "passes/lower/entry.h"

static nnc_value dense_alloc(nnc_lower *x, nnc_value like)
{
    nnc_type_rec r = *nnc_value_ty(x->m, like);
    nnc_type t = nnc_type_buffer(x->m, (nnc_dtype)r.dtype, 1, r.rank, r.dim, NULL, NNC_SPACE_arena);

    return nnc_k_alloc(&x->b, t, "dense");
}

void nnc_entry_host(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned nin = nnc_op_nin(m, op), nout = nnc_op_nout(m, op), n = nin + nout;
    nnc_value *ours = nnc_arena_array(x->cx->scratch, n + 1u, sizeof *ours);
    NNC_BUF(nnc_value) in = {0};
    nnc_op k;

    for (unsigned i = 0; i < n; i++) {
        ours[i] = i < nin ? nnc_lower_buffer(x, nnc_op_in(m, op, i))
                          : nnc_lower_result(x, nnc_op_out(m, op, i - nin));
        nnc_value dense = nnc_entry_real_dense(m, ours[i]) ? ours[i] : dense_alloc(x, ours[i]);
        if (i < nin && dense.id != ours[i].id)
            nnc_entry_export(x, dense, ours[i]);
        NNC_PUSH(x->cx->scratch, &in, dense);
    }
    for (unsigned i = 0; i < n; i++) {
        nnc_type_rec r = *nnc_value_ty(m, ours[i]);
        for (int d = 0; d < r.rank; d++)
            NNC_PUSH(x->cx->scratch, &in, nnc_lower_dim(x, r.dim[d]));
    }
    k = nnc_build_op(&x->b, NNC_OP_host, in.n, in.at, 0, NULL);
    nnc_attr_set_int(m, k, NNC_W_id, nnc_attr_int(m, op, NNC_W_id, 0));
    nnc_attr_set_int(m, k, NNC_W_reads, nin);
    for (unsigned i = nin; i < n; i++)
        if (in.at[i].id != ours[i].id)
            nnc_entry_import(x, ours[i], in.at[i]);
}
