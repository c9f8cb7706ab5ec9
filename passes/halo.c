/* Padding of convolutions becomes `pad` ops, so that their loops have no conditions.
 *
 * The pad stands right behind the op that makes the padded value, where `group` takes it into the same kernel: the
 * kernel then writes into the interior of the padded buffer and fills the border.  Other readers of the value in the
 * block read the interior through a slice, which is only an offset; values that leave the block (results, bodies of
 * control flow) or that no kernel makes keep their own buffer. */
#include <string.h>
#include "ir/build.h"
#include "passes/group.h"

static bool made_by_kernel(const nnc_module *m, nnc_value v)
{
    nnc_op op = nnc_value_op(m, v);
    return op.id && (nnc_op_has(m, op, NNC_ELEMENTWISE) || nnc_op_has(m, op, NNC_REDUCES)) &&
           !nnc_group_outside(m, op);
}

/* Readers in the same block that are computed by kernels now read a slice of p. */
static void redirect(nnc_module *m, nnc_block b, nnc_value v, nnc_op pad, const nnc_dim *lo)
{
    nnc_type_rec t = *nnc_value_ty(m, v);
    int64_t step[NNC_MAX_RANK];
    nnc_value slice = {0};
    for (unsigned d = 0; d < t.rank; d++)
        step[d] = 1;
    for (uint32_t u = nnc_value_get(m, v)->first_use, next; u; u = next) {
        next = m->use.at[u].next;
        nnc_op user = m->use.at[u].user;
        bool kernel = nnc_op_get(m, user)->block.id == b.id && !nnc_group_outside(m, user) &&
                      nnc_op_code(m, user) != NNC_OP_pad;
        if (!kernel)
            continue;
        if (!slice.id) {
            nnc_builder at = nnc_builder_before(m, nnc_op_next(m, pad));
            at.loc = nnc_op_loc(m, pad);
            slice = nnc_g_slice(&at, nnc_op_out(m, pad, 0), lo, step, t.dim);
        }
        nnc_op_set_in(m, user, u - nnc_op_get(m, user)->in, slice);
    }
}

/* A pad of v by lo, hi that is there already. */
static nnc_op find_pad(nnc_module *m, nnc_value v, nnc_block b, unsigned rank, const nnc_dim *lo,
                       const nnc_dim *hi)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        unsigned n, k;
        double fill;
        if (nnc_op_code(m, op) != NNC_OP_pad || nnc_op_get(m, op)->block.id != b.id ||
            nnc_op_in(m, op, 0).id != v.id)
            continue;
        const int64_t *l = nnc_attr_ints(m, op, NNC_W_lo, &n),
                      *h = nnc_attr_ints(m, op, NNC_W_hi, &k);
        if (n == rank && k == rank && !memcmp(l, lo, rank * sizeof *lo) &&
            !memcmp(h, hi, rank * sizeof *hi) &&
            nnc_attr_word(m, op, NNC_W_mode, NNC_W_constant) == NNC_W_constant &&
            nnc_value_number(m, nnc_op_in(m, op, 1), &fill) && fill == 0)
            return op;
    }
    return (nnc_op){0};
}

static bool pad_input(nnc_module *m, nnc_block b, nnc_op conv)
{
    nnc_value v = nnc_op_in(m, conv, 0);
    nnc_type_rec t = *nnc_value_ty(m, v);
    unsigned s = t.rank - 2u, n, k, j;
    int64_t rest_lo[3] = {0}, rest_hi[3] = {0};
    nnc_dim lo[NNC_MAX_RANK] = {0}, hi[NNC_MAX_RANK] = {0};
    bool any = false;
    if (nnc_attr_word(m, conv, NNC_W_layout, NNC_W_nchw) != NNC_W_nhwc)
        return false;
    const int64_t *l = nnc_attr_ints(m, conv, NNC_W_lo, &n),
                  *h = nnc_attr_ints(m, conv, NNC_W_hi, &k);
    const int64_t *dil = nnc_attr_ints(m, conv, NNC_W_lhs_dilation, &j);
    if (n != s || k != s)
        return false;
    for (unsigned i = 0; i < s; i++) {
        bool plain = j != s || dil[i] == 1;
        rest_lo[i] = l[i];
        rest_hi[i] = h[i];
        if (!plain)
            continue;
        lo[1 + i] = l[i] > 0 ? l[i] : 0;
        hi[1 + i] = h[i] > 0 ? h[i] : 0;
        any |= lo[1 + i] > 0 || hi[1 + i] > 0;
        rest_lo[i] -= lo[1 + i];
        rest_hi[i] -= hi[1 + i];
    }
    if (!any)
        return false;
    nnc_op pad = find_pad(m, v, b, t.rank, lo, hi), def = nnc_value_op(m, v);
    bool here = def.id && nnc_op_get(m, def)->block.id == b.id,
         inside = here && made_by_kernel(m, v);
    if (!pad.id) {
        nnc_builder at = nnc_builder_before(m, inside ? nnc_op_next(m, def) : conv);
        at.loc = nnc_op_loc(m, conv);
        nnc_value fill = nnc_const_int(m, nnc_type_tensor(m, (nnc_dtype)t.dtype, 0, NULL), 0);
        pad = nnc_value_op(m, nnc_g_pad(&at, v, fill, lo, hi, NNC_W_constant));
        nnc_value_set_name(m, nnc_op_out(m, pad, 0), nnc_value_name(m, v));
    }
    nnc_op_set_in(m, conv, 0, nnc_op_out(m, pad, 0));
    nnc_attr_set_ints(m, conv, NNC_W_lo, s, rest_lo);
    nnc_attr_set_ints(m, conv, NNC_W_hi, s, rest_hi);
    if (inside)
        redirect(m, b, v, pad, lo);
    return true;
}

static void halo_block(nnc_pass_cx *cx, nnc_block b)
{
    nnc_module *m = cx->m;
    for (nnc_op op = nnc_block_first(m, b), next; op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            halo_block(cx, nnc_op_region(m, op, i));
        if (nnc_op_code(m, op) == NNC_OP_conv)
            cx->changed += pad_input(m, b, op);
    }
}

nnc_status nnc_pass_halo(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            halo_block(cx, nnc_op_region(m, f, 0));
    return NNC_OK;
}
