/* G constructors of derivatives.
 *
 * hvp and jacobian are no ops of their own: the first is a jvp of a grad, the second a map (a scan that carries nothing) whose
 * body pulls back, or pushes forward, one unit vector. */
#include "ir/build_fn.h"
#include <assert.h>
#include <string.h>

static bool is_float(const nnc_builder *b, nnc_value x)
{
    return nnc_dtype_is_float(nnc_build_dtype(b, x));
}

nnc_value nnc_g_leaf(nnc_builder *b, nnc_value x)
{
    if (!is_float(b, x))
        return x;
    return nnc_build_plain(b, NNC_OP_leaf, 1, &x, nnc_value_type(b->m, x));
}

nnc_value nnc_g_stop_grad(nnc_builder *b, nnc_value x)
{
    if (!is_float(b, x))
        return x;
    return nnc_build_plain(b, NNC_OP_stop_grad, 1, &x, nnc_value_type(b->m, x));
}

/* An op whose operands are up to four lists, one after the other, with results shaped like `like`. */
static nnc_op lists(nnc_builder *b, nnc_opcode code, const unsigned n[4],
                    const nnc_value *const list[4], unsigned nlike, const nnc_value *like,
                    unsigned outputs)
{
    unsigned total = n[0] + n[1] + n[2] + n[3], at = 0;
    nnc_value *in = nnc_arena_array(b->m->arena, total, sizeof *in);
    nnc_type *out = nnc_arena_array(b->m->arena, nlike, sizeof *out);

    for (int k = 0; k < 4; at += n[k++])
        for (unsigned i = 0; i < n[k]; i++)
            in[at + i] = list[k][i];
    for (unsigned i = 0; i < nlike; i++)
        out[i] = nnc_value_type(b->m, like[i]);
    nnc_op op = nnc_build_op(b, code, total, in, nlike, out);
    if (outputs > 1)
        nnc_attr_set_int(b->m, op, NNC_W_outputs, outputs);
    nnc_g_finish(b, op);
    return op;
}

nnc_op nnc_g_grad(nnc_builder *b, nnc_value l, unsigned n, const nnc_value *leaf)
{
    return lists(b, NNC_OP_grad, (unsigned[]){1, n, 0, 0},
                 (const nnc_value *[]){&l, leaf, NULL, NULL}, n, leaf, 1);
}

nnc_op nnc_g_vjp(nnc_builder *b, unsigned ny, const nnc_value *y, const nnc_value *dy, unsigned n,
                 const nnc_value *leaf)
{
    return lists(b, NNC_OP_vjp, (unsigned[]){ny, ny, n, 0},
                 (const nnc_value *[]){y, dy, leaf, NULL}, n, leaf, ny);
}

nnc_op nnc_g_jvp(nnc_builder *b, unsigned ny, const nnc_value *y, unsigned n, const nnc_value *leaf,
                 const nnc_value *tangent)
{
    return lists(b, NNC_OP_jvp, (unsigned[]){ny, n, n, 0},
                 (const nnc_value *[]){y, leaf, tangent, NULL}, ny, y, ny);
}

nnc_op nnc_g_hvp(nnc_builder *b, nnc_value l, unsigned n, const nnc_value *leaf, const nnc_value *v)
{
    nnc_op g = nnc_g_grad(b, l, n, leaf);
    nnc_value *first = nnc_arena_array(b->m->arena, n, sizeof *first);
    for (unsigned i = 0; i < n; i++)
        first[i] = nnc_op_out(b->m, g, i);
    return nnc_g_jvp(b, n, first, n, leaf, v);
}

/* The i-th unit vector in the shape of `like`. */
static nnc_value unit(nnc_builder *b, nnc_value like, nnc_value i)
{
    const nnc_type_rec t = *nnc_value_ty(b->m, like);
    nnc_dim n = nnc_type_size(b->m, nnc_value_type(b->m, like));
    nnc_value hit = nnc_g_binary(b, NNC_OP_eq, nnc_g_iota(b, NNC_DT_i64, 1, &n, 0), i);
    return nnc_g_reshape(b, nnc_g_cast(b, hit, (nnc_dtype)t.dtype), t.rank, t.dim);
}

nnc_value nnc_g_jacobian(nnc_builder *b, nnc_value y, nnc_value leaf)
{
    nnc_module *m = b->m;
    const nnc_type_rec ty = *nnc_value_ty(m, y), tx = *nnc_value_ty(m, leaf);
    int64_t ny = nnc_type_count(m, nnc_value_type(m, y)),
            nx = nnc_type_count(m, nnc_value_type(m, leaf));
    bool columns = nx < ny; /* then one jvp per element of the leaf */
    nnc_type row = nnc_value_type(m, columns ? y : leaf);
    nnc_op scan = nnc_g_scan(b, columns ? nx : ny, 0, 0, NULL, 1, &row);
    nnc_block body = nnc_op_region(m, scan, 0);
    nnc_builder in = nnc_builder_at_end(m, body);
    nnc_value e = unit(&in, columns ? leaf : y, nnc_block_arg(m, body, 0));
    nnc_op d = columns ? nnc_g_jvp(&in, 1, &y, 1, &leaf, &e) : nnc_g_vjp(&in, 1, &y, &e, 1, &leaf);
    nnc_value r = nnc_op_out(m, d, 0);
    nnc_dim dim[2 * NNC_MAX_RANK];

    assert(ty.rank + tx.rank <= NNC_MAX_RANK);
    nnc_build_yield(&in, 1, &r);
    nnc_g_finish(b, scan);
    r = nnc_op_out(m, scan, 0);
    if (columns) { /* [nx, shape(y)] */
        int64_t perm[NNC_MAX_RANK];
        nnc_dim flat[2] = {nx, ny};
        r = nnc_g_reshape(b, r, 2, flat);
        perm[0] = 1;
        perm[1] = 0;
        r = nnc_g_transpose(b, r, perm);
    }
    memcpy(dim, ty.dim, sizeof ty.dim);
    memcpy(dim + ty.rank, tx.dim, sizeof tx.dim);
    return nnc_g_reshape(b, r, ty.rank + tx.rank, dim);
}

/* ---- custom_grad ---- */

static void copy_args(nnc_module *m, nnc_block to, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value x = nnc_op_in(m, op, i);
        nnc_block_add_arg(m, to, nnc_value_type(m, x), nnc_value_name(m, x));
    }
}

nnc_op nnc_g_custom_grad(nnc_builder *b, unsigned n, const nnc_value *in)
{
    nnc_op op = nnc_build_op(b, NNC_OP_custom_grad, n, in, 0, NULL);
    copy_args(b->m, nnc_op_add_region(b->m, op), op);
    return op;
}

nnc_block nnc_g_custom_backward(nnc_builder *b, nnc_op op, unsigned nresult)
{
    nnc_module *m = b->m;
    nnc_op y = nnc_block_last(m, nnc_op_region(m, op, 0));
    nnc_block bwd = nnc_op_add_region(m, op);

    assert(nresult <= nnc_op_nin(m, y));
    nnc_attr_set_int(m, op, NNC_W_results, nresult);
    for (unsigned i = 0; i < nresult; i++) {
        nnc_value v = nnc_op_in(m, y, i);
        if (is_float(b, v))
            nnc_block_add_arg(m, bwd, nnc_value_type(m, v), "d");
    }
    copy_args(m, bwd, op);
    for (unsigned i = nresult; i < nnc_op_nin(m, y); i++) {
        nnc_value v = nnc_op_in(m, y, i);
        nnc_block_add_arg(m, bwd, nnc_value_type(m, v), nnc_value_name(m, v));
    }
    return bwd;
}

nnc_op nnc_g_custom_finish(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_op y = nnc_block_last(m, nnc_op_region(m, op, 0)), to;
    unsigned nout = nnc_op_nin(m, y), nin = nnc_op_nin(m, op);
    nnc_type *out = nnc_arena_array(m->arena, nout, sizeof *out);
    nnc_value *in = nnc_arena_array(m->arena, nin, sizeof *in);

    for (unsigned i = 0; i < nout; i++)
        out[i] = nnc_value_type(m, nnc_op_in(m, y, i));
    for (unsigned i = 0; i < nin; i++)
        in[i] = nnc_op_in(m, op, i);
    to = nnc_op_new(m, (nnc_pos){nnc_op_get(m, op)->block, op}, NNC_OP_custom_grad, nin, in, nout,
                    out, nnc_op_loc(m, op));
    nnc_attr_copy(m, to, op);
    nnc_op_take_regions(m, to, op);
    nnc_op_erase(m, op);
    nnc_g_finish(b, to);
    return to;
}
