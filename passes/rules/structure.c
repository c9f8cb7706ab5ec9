/* Rules about views and data movement; structure_fold.c has those of conv, dot and reductions.
 *
 * Each function looks at one op and answers with the value to use instead, or with none.  Answering with the op's own
 * result means "changed in place". */
#include "passes/rules/structure.h"
#include "ir/infer.h"
#include <string.h>

const nnc_structure_rule nnc_structure_rules[] = {
#define STRUCTURE(name, class, root, fn) {name, NNC_RULE_##class, NNC_OP_##root, nnc_rule_##fn},
#include "passes/rules/structure.def"
};
const unsigned nnc_structure_rule_count =
    sizeof nnc_structure_rules / sizeof nnc_structure_rules[0];

void nnc_attr_list(const nnc_module *m, nnc_op op, nnc_word key, int n, int64_t dflt, int64_t *out)
{
    unsigned have;
    const int64_t *v = nnc_attr_ints(m, op, key, &have);

    for (int i = 0; i < n; i++)
        out[i] = (unsigned)i < have ? v[i] : dflt;
}

bool nnc_value_is_number(const nnc_module *m, nnc_value v, double num)
{
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, v)->dtype;
    uint64_t bits;
    nnc_num n;

    if (!nnc_value_splat(m, v, &bits))
        return false;
    n = nnc_num_of_bits(dt, bits);
    return nnc_dtype_is_float(dt) ? n.f == num : (double)n.i == num;
}

static nnc_value scalar_of(nnc_module *m, nnc_value v, uint64_t bits)
{
    return nnc_const_bits(m, nnc_type_tensor(m, (nnc_dtype)nnc_value_ty(m, v)->dtype, 0, NULL),
                          bits);
}

/* ---- reshape, transpose, broadcast ---- */
/* A splat in another shape is a broadcast of its scalar, which readers absorb. */
nnc_value nnc_rule_reshape_splat(nnc_builder *b, nnc_op op)
{
    nnc_value x = nnc_op_in(b->m, op, 0);
    nnc_type_rec ty = *nnc_value_ty(b->m, nnc_op_out(b->m, op, 0));
    uint64_t bits;

    if (!nnc_maker(b->m, x, NNC_OP_broadcast).id || !nnc_value_splat(b->m, x, &bits))
        return nnc_no_value();
    return nnc_g_broadcast(b, scalar_of(b->m, x, bits), ty.rank, ty.dim);
}

nnc_value nnc_rule_transpose_identity(nnc_builder *b, nnc_op op)
{
    unsigned n;
    const int64_t *perm = nnc_attr_ints(b->m, op, NNC_W_perm, &n);

    for (unsigned i = 0; i < n; i++)
        if (perm[i] != (int64_t)i)
            return nnc_no_value();
    return nnc_op_in(b->m, op, 0);
}

nnc_value nnc_rule_transpose_transpose(nnc_builder *b, nnc_op op)
{
    nnc_op inner = nnc_maker(b->m, nnc_op_in(b->m, op, 0), NNC_OP_transpose);
    int rank = nnc_value_ty(b->m, nnc_op_out(b->m, op, 0))->rank;
    int64_t p[NNC_MAX_RANK], q[NNC_MAX_RANK], both[NNC_MAX_RANK];

    if (!inner.id)
        return nnc_no_value();
    nnc_attr_list(b->m, op, NNC_W_perm, rank, 0, p);
    nnc_attr_list(b->m, inner, NNC_W_perm, rank, 0, q);
    for (int i = 0; i < rank; i++)
        both[i] = q[p[i]];
    return nnc_g_transpose(b, nnc_op_in(b->m, inner, 0), both);
}

/* Only dimensions of size 1 move: the order of elements stays. */
nnc_value nnc_rule_transpose_units(nnc_builder *b, nnc_op op)
{
    nnc_value x = nnc_op_in(b->m, op, 0);
    nnc_type_rec tx = *nnc_value_ty(b->m, x), ty = *nnc_value_ty(b->m, nnc_op_out(b->m, op, 0));
    int64_t perm[NNC_MAX_RANK], last = -1;

    nnc_attr_list(b->m, op, NNC_W_perm, ty.rank, 0, perm);
    for (int i = 0; i < ty.rank; i++) {
        if (tx.dim[perm[i]] == 1)
            continue;
        if (perm[i] < last)
            return nnc_no_value();
        last = perm[i];
    }
    return nnc_g_reshape(b, x, ty.rank, ty.dim);
}

nnc_value nnc_rule_broadcast_identity(nnc_builder *b, nnc_op op)
{
    nnc_value x = nnc_op_in(b->m, op, 0);
    nnc_op inner = nnc_maker(b->m, x, NNC_OP_broadcast);
    nnc_type_rec ty = *nnc_value_ty(b->m, nnc_op_out(b->m, op, 0));

    if (nnc_value_type(b->m, x).id == nnc_value_type(b->m, nnc_op_out(b->m, op, 0)).id)
        return x;
    return inner.id ? nnc_g_broadcast(b, nnc_op_in(b->m, inner, 0), ty.rank, ty.dim)
                    : nnc_no_value();
}

/* ---- slice ---- */
nnc_value nnc_rule_slice_identity(nnc_builder *b, nnc_op op)
{
    nnc_value x = nnc_op_in(b->m, op, 0);
    int rank = nnc_value_ty(b->m, x)->rank;
    int64_t start[NNC_MAX_RANK], step[NNC_MAX_RANK];
    nnc_type_rec tx = *nnc_value_ty(b->m, x);

    if (nnc_value_type(b->m, x).id != nnc_value_type(b->m, nnc_op_out(b->m, op, 0)).id)
        return nnc_no_value();
    nnc_attr_list(b->m, op, NNC_W_start, rank, 0, start);
    nnc_attr_list(b->m, op, NNC_W_step, rank, 1, step);
    for (int d = 0; d < rank; d++)
        if (start[d] != 0 || (step[d] != 1 && tx.dim[d] != 1))
            return nnc_no_value();
    return x;
}

/* x[s + i * t][u + j * v] = x[s + u * t + j * v * t] */
nnc_value nnc_rule_slice_slice(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_op inner = nnc_maker(m, nnc_op_in(m, op, 0), NNC_OP_slice);
    nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    int64_t s[NNC_MAX_RANK], t[NNC_MAX_RANK], u[NNC_MAX_RANK], v[NNC_MAX_RANK];

    if (!inner.id)
        return nnc_no_value();
    nnc_attr_list(m, inner, NNC_W_start, ty.rank, 0, s);
    nnc_attr_list(m, inner, NNC_W_step, ty.rank, 1, t);
    nnc_attr_list(m, op, NNC_W_start, ty.rank, 0, u);
    nnc_attr_list(m, op, NNC_W_step, ty.rank, 1, v);
    for (int d = 0; d < ty.rank; d++) {
        if (t[d] < 0 && !nnc_dim_is_const(u[d]))
            return nnc_no_value(); /* a dimension cannot be multiplied by a negative number */
        if (nnc_dim_is_const(s[d]) && nnc_dim_is_const(u[d])) {
            s[d] += u[d] * t[d];
            if (s[d] < 0)
                return nnc_no_value();
        } else {
            s[d] = t[d] < 0 ? nnc_dim_sub(m->dims, s[d], u[d] * -t[d])
                            : nnc_dim_add(m->dims, s[d], nnc_dim_mul(m->dims, u[d], t[d]));
        }
        v[d] *= t[d];
    }
    return nnc_g_slice(b, nnc_op_in(m, inner, 0), s, v, ty.dim);
}

/* A slice that lies within one operand of a concat. */
nnc_value nnc_rule_slice_concat(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_op cat = nnc_maker(m, nnc_op_in(m, op, 0), NNC_OP_concat);
    nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    int64_t start[NNC_MAX_RANK], step[NNC_MAX_RANK], first, last, from = 0;
    int axis;

    if (!cat.id)
        return nnc_no_value();
    axis = (int)nnc_attr_int(m, cat, NNC_W_axis, 0);
    nnc_attr_list(m, op, NNC_W_start, ty.rank, 0, start);
    nnc_attr_list(m, op, NNC_W_step, ty.rank, 1, step);
    if (!nnc_dim_is_const(start[axis]) || !nnc_dim_is_const(ty.dim[axis]) || ty.dim[axis] == 0)
        return nnc_no_value();
    first = start[axis];
    last = first + (ty.dim[axis] - 1) * step[axis];
    for (unsigned i = 0; i < nnc_op_nin(m, cat); i++) {
        nnc_dim size = nnc_value_ty(m, nnc_op_in(m, cat, i))->dim[axis];
        if (!nnc_dim_is_const(size))
            return nnc_no_value();
        if (first >= from && first < from + size && last >= from && last < from + size) {
            start[axis] = first - from;
            return nnc_g_slice(b, nnc_op_in(m, cat, i), start, step, ty.dim);
        }
        from += size;
    }
    return nnc_no_value();
}

/* Constant starts, clamped as the op does, make an ordinary slice. */
nnc_value nnc_rule_dynamic_slice_constant(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_value x = nnc_op_in(m, op, 0);
    nnc_type_rec tx = *nnc_value_ty(m, x), ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    int64_t start[NNC_MAX_RANK], step[NNC_MAX_RANK];
    nnc_tensor t;

    if (!nnc_tensor_of(m, nnc_op_in(m, op, 1), &t))
        return nnc_no_value();
    for (int d = 0; d < ty.rank; d++) {
        int64_t most;
        if (!nnc_dim_is_const(tx.dim[d]) || !nnc_dim_is_const(ty.dim[d]))
            return nnc_no_value();
        most = tx.dim[d] - ty.dim[d];
        memcpy(&start[d], (const char *)t.data + d * 8, 8);
        start[d] = start[d] > most ? most : start[d];
        start[d] = start[d] < 0 ? 0 : start[d];
        step[d] = 1;
    }
    return nnc_g_slice(b, x, start, step, ty.dim);
}

/* ---- pad, concat ---- */
nnc_value nnc_rule_pad_nothing(nnc_builder *b, nnc_op op)
{
    int rank = nnc_value_ty(b->m, nnc_op_out(b->m, op, 0))->rank;
    int64_t lo[NNC_MAX_RANK], hi[NNC_MAX_RANK];

    nnc_attr_list(b->m, op, NNC_W_lo, rank, 0, lo);
    nnc_attr_list(b->m, op, NNC_W_hi, rank, 0, hi);
    for (int d = 0; d < rank; d++)
        if (lo[d] != 0 || hi[d] != 0)
            return nnc_no_value();
    return nnc_op_in(b->m, op, 0);
}

nnc_value nnc_rule_pad_pad(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_op inner = nnc_maker(m, nnc_op_in(m, op, 0), NNC_OP_pad);
    int rank = nnc_value_ty(m, nnc_op_out(m, op, 0))->rank;
    int64_t lo[NNC_MAX_RANK], hi[NNC_MAX_RANK], l[NNC_MAX_RANK], h[NNC_MAX_RANK];
    nnc_word mode = nnc_attr_word(m, op, NNC_W_mode, NNC_W_constant);

    if (!inner.id || nnc_attr_word(m, inner, NNC_W_mode, NNC_W_constant) != mode)
        return nnc_no_value();
    if (mode == NNC_W_constant ? nnc_op_in(m, inner, 1).id != nnc_op_in(m, op, 1).id
                               : mode != NNC_W_edge)
        return nnc_no_value();
    nnc_attr_list(m, op, NNC_W_lo, rank, 0, lo);
    nnc_attr_list(m, op, NNC_W_hi, rank, 0, hi);
    nnc_attr_list(m, inner, NNC_W_lo, rank, 0, l);
    nnc_attr_list(m, inner, NNC_W_hi, rank, 0, h);
    for (int d = 0; d < rank; d++) {
        lo[d] = nnc_dim_add(m->dims, lo[d], l[d]);
        hi[d] = nnc_dim_add(m->dims, hi[d], h[d]);
    }
    return nnc_g_pad(b, nnc_op_in(m, inner, 0), nnc_op_in(m, op, 1), lo, hi, mode);
}

/* One operand, or all others empty. */
nnc_value nnc_rule_concat_one(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);
    unsigned n = nnc_op_nin(m, op), k = 0;
    nnc_value *keep = nnc_arena_array(m->arena, n, sizeof *keep);

    for (unsigned i = 0; i < n; i++)
        if (nnc_value_ty(m, nnc_op_in(m, op, i))->dim[axis] != 0)
            keep[k++] = nnc_op_in(m, op, i);
    if (k == 0 || (k == n && n > 1))
        return nnc_no_value();
    return k == 1 ? keep[0] : nnc_g_concat(b, k, keep, axis);
}

/* A concat along the same axis that nobody else reads. */
static nnc_op inner_concat(const nnc_module *m, nnc_op op, unsigned i)
{
    nnc_op in = nnc_maker(m, nnc_op_in(m, op, i), NNC_OP_concat);

    if (in.id && nnc_attr_int(m, in, NNC_W_axis, 0) == nnc_attr_int(m, op, NNC_W_axis, 0) &&
        nnc_value_nuse(m, nnc_op_in(m, op, i)) == 1)
        return in;
    return (nnc_op){0};
}

nnc_value nnc_rule_concat_flatten(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    unsigned n = nnc_op_nin(m, op), total = 0, k = 0;
    nnc_value *in;

    for (unsigned i = 0; i < n; i++)
        total += inner_concat(m, op, i).id ? nnc_op_nin(m, inner_concat(m, op, i)) : 1;
    if (total == n)
        return nnc_no_value();
    in = nnc_arena_array(m->arena, total, sizeof *in);
    for (unsigned i = 0; i < n; i++) {
        nnc_op inner = inner_concat(m, op, i);
        for (unsigned j = 0; inner.id && j < nnc_op_nin(m, inner); j++)
            in[k++] = nnc_op_in(m, inner, j);
        if (!inner.id)
            in[k++] = nnc_op_in(m, op, i);
    }
    return nnc_g_concat(b, total, in, (int)nnc_attr_int(m, op, NNC_W_axis, 0));
}

/* Do slices p and q of one tensor lie end to end along axis, equal elsewhere, with step 1? */
static bool adjacent(const nnc_module *m, nnc_op p, nnc_op q, int axis)
{
    nnc_type_rec tp = *nnc_value_ty(m, nnc_op_out(m, p, 0)),
                 tq = *nnc_value_ty(m, nnc_op_out(m, q, 0));
    int64_t s[NNC_MAX_RANK], t[NNC_MAX_RANK], u[NNC_MAX_RANK], v[NNC_MAX_RANK];

    if (nnc_op_in(m, p, 0).id != nnc_op_in(m, q, 0).id)
        return false;
    nnc_attr_list(m, p, NNC_W_start, tp.rank, 0, s);
    nnc_attr_list(m, p, NNC_W_step, tp.rank, 1, t);
    nnc_attr_list(m, q, NNC_W_start, tp.rank, 0, u);
    nnc_attr_list(m, q, NNC_W_step, tp.rank, 1, v);
    for (int d = 0; d < tp.rank; d++) {
        if (d != axis && (s[d] != u[d] || t[d] != v[d] || tp.dim[d] != tq.dim[d]))
            return false;
        if (d == axis &&
            (t[d] != 1 || v[d] != 1 || !nnc_dim_is_const(s[d]) || !nnc_dim_is_const(u[d]) ||
             !nnc_dim_is_const(tp.dim[d]) || s[d] + tp.dim[d] != u[d]))
            return false;
    }
    return true;
}

nnc_value nnc_rule_concat_slices(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);
    unsigned n = nnc_op_nin(m, op), k = 0;
    nnc_value *in = nnc_arena_array(m->arena, n, sizeof *in);

    for (unsigned i = 0; i < n; i++) {
        nnc_value v = nnc_op_in(m, op, i);
        nnc_op q = nnc_maker(m, v, NNC_OP_slice),
               p = k ? nnc_maker(m, in[k - 1], NNC_OP_slice) : (nnc_op){0};
        if (p.id && q.id && adjacent(m, p, q, axis)) {
            nnc_type_rec ty = *nnc_value_ty(m, in[k - 1]), tv = *nnc_value_ty(m, v);
            int64_t start[NNC_MAX_RANK], step[NNC_MAX_RANK];
            nnc_attr_list(m, p, NNC_W_start, ty.rank, 0, start);
            nnc_attr_list(m, p, NNC_W_step, ty.rank, 1, step);
            ty.dim[axis] = nnc_dim_add(m->dims, ty.dim[axis], tv.dim[axis]);
            in[k - 1] = nnc_g_slice(b, nnc_op_in(m, p, 0), start, step, ty.dim);
        } else {
            in[k++] = v;
        }
    }
    return k == n ? nnc_no_value() : k == 1 ? in[0] : nnc_g_concat(b, k, in, axis);
}

/* ---- casts and elementwise ops ---- */
/* Does every value of a survive in b? */
static bool holds_all(nnc_dtype b, nnc_dtype a)
{
    const nnc_dtype_info *ia = &nnc_dtype_infos[a], *ib = &nnc_dtype_infos[b];
    int exact = b == NNC_DT_f64   ? 53
                : b == NNC_DT_f32 ? 24
                : b == NNC_DT_f16 ? 11
                                  : 0; /* integers up to 2^exact */

    if (ia->class == NNC_DC_OTHER || ib->class == NNC_DC_OTHER || ib->class == NNC_DC_BOOL)
        return a == b;
    if (ia->class == NNC_DC_FLOAT)
        return a == b || b == NNC_DT_f64 || (b == NNC_DT_f32 && a != NNC_DT_f64);
    if (ib->class == NNC_DC_FLOAT)
        return ia->class == NNC_DC_BOOL || ia->bits <= exact;
    if (ia->class == NNC_DC_BOOL)
        return true;
    return ia->class == ib->class ? ib->bits >= ia->bits
                                  : ia->class == NNC_DC_UINT && ib->bits > ia->bits;
}

/* cast(cast(x)) where the first loses nothing and the second means the same on x's own dtype. */
nnc_value nnc_rule_cast_cast(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_value x = nnc_op_in(m, op, 0), v;
    nnc_op inner = nnc_maker(m, x, NNC_OP_cast), made;
    nnc_dtype to = (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype,
              mid = (nnc_dtype)nnc_value_ty(m, x)->dtype, from;

    if (mid == to)
        return x;
    if (!inner.id)
        return nnc_no_value();
    x = nnc_op_in(m, inner, 0);
    from = (nnc_dtype)nnc_value_ty(m, x)->dtype;
    if (!holds_all(mid, from))
        return nnc_no_value();
    /* int -> float -> other int saturates, int -> int wraps */
    if (!nnc_dtype_is_float(from) && nnc_dtype_is_float(mid) && nnc_dtype_is_int(to) &&
        to != from && !holds_all(to, from))
        return nnc_no_value();
    v = nnc_g_cast(b, x, to);
    made = nnc_value_op(m, v);
    if (v.id != x.id && nnc_attr_find(m, op, NNC_W_saturate))
        nnc_attr_set_int(m, made, NNC_W_saturate, nnc_attr_int(m, op, NNC_W_saturate, 1));
    if (v.id != x.id && nnc_attr_find(m, op, NNC_W_mode))
        nnc_attr_set_word(m, made, NNC_W_mode, nnc_attr_word(m, op, NNC_W_mode, NNC_W_up));
    return v;
}

/* The shape of op's result if operand i had the shape of v; false when it would not be the same. */
static bool same_shape_with(const nnc_module *m, nnc_op op, unsigned i, nnc_value v)
{
    nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    nnc_dim dim[NNC_MAX_RANK];
    int rank = 0;

    for (unsigned k = 0; k < nnc_op_nin(m, op); k++) {
        const nnc_type_rec *t = nnc_value_ty(m, k == i ? v : nnc_op_in(m, op, k));
        if (!nnc_broadcast_dims(m->dims, rank, dim, t->rank, t->dim, &rank, dim))
            return false;
    }
    return rank == ty.rank && memcmp(dim, ty.dim, (size_t)rank * sizeof *dim) == 0;
}

/* Operands that are broadcast, or splat constants with a shape, although the other operands give the shape already. */
nnc_value nnc_rule_absorb_broadcast(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    bool changed = false;

    if (nnc_op_nin(m, op) < 2)
        return nnc_no_value();
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i), to = nnc_no_value();
        nnc_op br = nnc_maker(m, v, NNC_OP_broadcast);
        uint64_t bits;
        if (nnc_value_ty(m, v)->rank == 0)
            continue;
        if (nnc_value_splat(m, v, &bits))
            to = scalar_of(m, v, bits);
        else if (br.id)
            to = nnc_op_in(m, br, 0);
        if (to.id && same_shape_with(m, op, i, to)) {
            nnc_op_set_in(m, op, i, to);
            changed = true;
        }
    }
    return changed ? nnc_op_out(m, op, 0) : nnc_no_value();
}

/* f(broadcast(x)) = broadcast(f(x)) when f reads nothing else of that size. */
nnc_value nnc_rule_map_broadcast(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, 0)), small = {0};
    nnc_op br = {0}, copy;
    unsigned which = 0, n = nnc_op_nin(m, op);
    nnc_pos at = {nnc_op_get(m, op)->block, op};

    if (ty.rank == 0 || nnc_op_nout(m, op) != 1)
        return nnc_no_value();
    for (unsigned i = 0; i < n; i++) {
        nnc_value v = nnc_op_in(m, op, i);
        if (nnc_value_ty(m, v)->rank == 0)
            continue;
        if (br.id || !(br = nnc_maker(m, v, NNC_OP_broadcast)).id)
            return nnc_no_value();
        which = i;
    }
    if (!br.id)
        return nnc_no_value();
    small = *nnc_value_ty(m, nnc_op_in(m, br, 0));
    copy = nnc_op_clone(m, op, at, NULL, 0);
    nnc_op_set_in(m, copy, which, nnc_op_in(m, br, 0));
    nnc_value_set_type(m, nnc_op_out(m, copy, 0),
                       nnc_type_tensor(m, (nnc_dtype)ty.dtype, small.rank, small.dim));
    return nnc_g_broadcast(b, nnc_op_out(m, copy, 0), ty.rank, ty.dim);
}

/* Where dimension d of y lies in x when both have the same dimensions but for those of size 1: at[d], or -1 for units. */
static bool only_units_differ(const nnc_type_rec *x, const nnc_type_rec *y, int *at)
{
    int p = 0;

    for (int d = 0; d < y->rank; d++) {
        at[d] = -1;
        if (y->dim[d] == 1)
            continue;
        while (p < x->rank && x->dim[p] == 1)
            p++;
        if (p == x->rank || x->dim[p] != y->dim[d])
            return false;
        at[d] = p++;
    }
    for (; p < x->rank; p++)
        if (x->dim[p] != 1)
            return false;
    return true;
}

/* Constant c, which broadcasts against y, in the shape that broadcasts against x. */
static nnc_value move_units(nnc_builder *b, nnc_value c, const nnc_type_rec *x,
                            const nnc_type_rec *y)
{
    nnc_type_rec tc = *nnc_value_ty(b->m, c);
    nnc_dim dim[NNC_MAX_RANK];
    int at[NNC_MAX_RANK];

    if (!only_units_differ(x, y, at))
        return nnc_no_value();
    for (int p = 0; p < x->rank; p++)
        dim[p] = 1;
    for (int d = y->rank - tc.rank; d < y->rank; d++)
        if (at[d] >= 0)
            dim[at[d]] = tc.dim[d - (y->rank - tc.rank)];
    return nnc_value_fold(b->m, nnc_g_reshape(b, c, x->rank, dim));
}

/* f(reshape(x), c) = reshape(f(x, c')): maps stay with what they are computed from, so that one kernel does both, and
 * reshapes meet and cancel. */
nnc_value nnc_rule_map_reshape(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, 0)), tx = {0};
    unsigned n = nnc_op_nin(m, op);
    nnc_value in[3], x = nnc_no_value();
    nnc_tensor t;
    nnc_op copy;

    if (n > 3 || nnc_op_nout(m, op) != 1)
        return nnc_no_value();
    for (unsigned i = 0; i < n; i++) {
        nnc_value v = in[i] = nnc_op_in(m, op, i);
        nnc_op from = nnc_maker(m, v, NNC_OP_reshape);
        nnc_type_rec tv = *nnc_value_ty(m, v);
        if (tv.rank == 0 || nnc_tensor_of(m, v, &t))
            continue;
        if (!from.id || tv.rank != ty.rank ||
            memcmp(tv.dim, ty.dim, ty.rank * sizeof ty.dim[0]) != 0)
            return nnc_no_value();
        in[i] = nnc_op_in(m, from, 0);
        tv = *nnc_value_ty(m, in[i]);
        if (x.id && (tv.rank != tx.rank || memcmp(tv.dim, tx.dim, tx.rank * sizeof tx.dim[0]) != 0))
            return nnc_no_value();
        x = in[i];
        tx = tv;
    }
    if (!x.id || tx.rank == 0)
        return nnc_no_value();
    for (unsigned i = 0; i < n; i++)
        if (nnc_value_ty(m, in[i])->rank != 0 && nnc_tensor_of(m, in[i], &t) &&
            !(in[i] = move_units(b, in[i], &tx, &ty)).id)
            return nnc_no_value();
    copy = nnc_op_clone(m, op, (nnc_pos){nnc_op_get(m, op)->block, op}, NULL, 0);
    for (unsigned i = 0; i < n; i++)
        nnc_op_set_in(m, copy, i, in[i]);
    nnc_value_set_type(m, nnc_op_out(m, copy, 0),
                       nnc_type_tensor(m, (nnc_dtype)ty.dtype, tx.rank, tx.dim));
    return nnc_g_reshape(b, nnc_op_out(m, copy, 0), ty.rank, ty.dim);
}

/* ---- gather ---- */
/* Constant indices that count up (or down) evenly read a slice. */
nnc_value nnc_rule_gather_constant(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_value x = nnc_op_in(m, op, 0);
    nnc_type_rec tx = *nnc_value_ty(m, x), ty = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    int axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0);
    int64_t n, first = 0, delta = 1, i;
    nnc_tensor ix;
    nnc_value v;

    if (nnc_attr_int(m, op, NNC_W_batch_dims, 0) != 0 ||
        !nnc_tensor_of(m, nnc_op_in(m, op, 1), &ix) || !nnc_dim_is_const(tx.dim[axis]) ||
        tx.dim[axis] == 0)
        return nnc_no_value();
    n = nnc_tensor_count(&ix);
    if (n == 0)
        return nnc_no_value();
    for (int64_t k = 0; k < n; k++) {
        i = nnc_num_load(ix.dtype, (const char *)ix.data + (size_t)k * nnc_dtype_bytes(ix.dtype)).i;
        i = i < 0 ? 0 : i >= tx.dim[axis] ? tx.dim[axis] - 1 : i;
        if (k == 0)
            first = i;
        else if (k == 1)
            delta = i - first;
        if (i != first + k * delta || (k == 1 && delta == 0))
            return nnc_no_value();
    }
    v = nnc_g_slice_axis(b, x, axis, first, delta, n);
    return nnc_g_reshape(b, v, ty.rank, ty.dim);
}
