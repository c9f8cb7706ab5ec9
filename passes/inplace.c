/* Which parameters of a kernel may share memory.
 *
 * Result O may lie on operand I of the same layout if no element is loaded from I after something was stored to it
 * through O.  For every store S to O and load L from I of the kernel as it was lowered (loops not unrolled yet) access.c
 * says whether they never meet.  If all loops around both have the same values where they meet, it is enough that L comes
 * first in the text.
 *
 * That covers maps, residual adds in the epilogue of a contraction, and row passes (softmax, layer norm) that read a row
 * for the last time where they write it.  What is not linear, or not provable, does not share. */
#include "passes/inplace.h"
#include "passes/access.h"

static bool never_too_late(const nnc_access_list *f, const nnc_access *s, const nnc_access *l)
{
    bool forced[NNC_ACCESS_LOOPS], apart;
    unsigned ncommon = nnc_access_meet(f, s, l, forced, &apart);

    if (apart)
        return true;
    for (unsigned i = 0; i < ncommon; i++)
        if (!forced[i])
            return false;
    return l->at < s->at;
}

/* ---- parameters ---- */

static bool same_layout(const nnc_type_rec *a, const nnc_type_rec *b)
{
    if (a->rank != b->rank || a->lanes != b->lanes ||
        nnc_dtype_bytes((nnc_dtype)a->dtype) != nnc_dtype_bytes((nnc_dtype)b->dtype))
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i] || (a->stride[i] != b->stride[i] && a->dim[i] != 1))
            return false;
    return true;
}

static bool may_share(const nnc_access_list *f, unsigned out, unsigned in)
{
    const nnc_accesses *store = &f->store[out], *load = &f->load[in];
    const nnc_type_rec *to = nnc_value_ty(f->m, nnc_block_arg(f->m, f->top, out));
    const nnc_type_rec *ti = nnc_value_ty(f->m, nnc_block_arg(f->m, f->top, in));

    if (out == in || ti->kind != NNC_TYPE_buffer || ti->space == NNC_SPACE_weight ||
        !same_layout(to, ti))
        return false;
    if (!store->all || !load->all || !f->store[in].all || !store->list.n || f->store[in].list.n ||
        !load->list.n)
        return false;
    for (unsigned i = 0; i < store->list.n; i++)
        for (unsigned j = 0; j < load->list.n; j++)
            if (!never_too_late(f, &store->list.at[i], &load->list.at[j]))
                return false;
    return true;
}

unsigned nnc_kernel_in_place(nnc_module *m, nnc_arena *a, nnc_op kernel)
{
    nnc_access_list f;
    NNC_BUF(int64_t) pairs = {0};
    unsigned nold;
    const int64_t *old = nnc_attr_ints(m, kernel, NNC_W_inplace, &nold);

    if (nnc_block_narg(m, nnc_op_region(m, kernel, 0)) > NNC_ACCESS_PARAMS)
        return 0;
    nnc_access_find(&f, m, a, kernel);
    for (unsigned i = 0; i < nold; i++)
        NNC_PUSH(a, &pairs, old[i]);
    for (unsigned out = 0; out < f.nparam; out++)
        for (unsigned in = 0; in < f.nparam && f.store[out].list.n; in++) {
            bool known = false;
            for (uint32_t k = 0; k + 1 < pairs.n; k += 2)
                known |= pairs.at[k] == out && pairs.at[k + 1] == in;
            if (known || !may_share(&f, out, in))
                continue;
            NNC_PUSH(a, &pairs, out);
            NNC_PUSH(a, &pairs, in);
        }
    if (pairs.n > nold)
        nnc_attr_set_ints(m, kernel, NNC_W_inplace, pairs.n, pairs.at);
    return (pairs.n - nold) / 2;
}
