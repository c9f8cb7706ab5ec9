/* G constructors: the core (type, then share), constants and elementwise ops.
 *
 * An op is made with a guess as its result type, gets its attributes, and is typed by the same inference that the
 * verifier uses.  Value numbering comes last: an equal op found in the block makes the new one superfluous.  Operands
 * that do not fit are reported by the inference like any other error, so that no input can crash the compiler. */
#include "ir/build_fn.h"
#include "ir/eval.h"
#include "ir/hashset.h"
#include "ir/infer.h"
#include <assert.h>
#include <string.h>

nnc_type nnc_build_guess(nnc_builder *b, nnc_dtype dt)
{
    return nnc_type_tensor(b->m, dt, 0, NULL);
}

nnc_op nnc_build_start(nnc_builder *b, nnc_opcode code, unsigned nin, const nnc_value *in,
                       unsigned nout, nnc_type guess)
{
    nnc_type few[4] = {guess, guess, guess, guess}, *out = few;
    if (nout > 4) {
        out = nnc_arena_array(b->m->arena, nout, sizeof *out);
        for (unsigned i = 0; i < nout; i++)
            out[i] = guess;
    }
    return nnc_build_op(b, code, nin, in, nout, out);
}

/* ---- value numbering ---- */

static uint64_t hash_op(const nnc_module *m, nnc_op op)
{
    const nnc_op_rec *r = nnc_op_get(m, op);
    uint64_t h = nnc_hash(&r->code, sizeof r->code, r->nin);
    for (unsigned i = 0; i < r->nin; i++) {
        uint32_t v = nnc_op_in(m, op, i).id;
        h = nnc_hash(&v, sizeof v, h);
    }
    for (unsigned i = 0; i < r->nout; i++) {
        uint32_t t = nnc_value_type(m, nnc_op_out(m, op, i)).id;
        h = nnc_hash(&t, sizeof t, h);
    }
    for (unsigned i = 0; i < r->nattr; i++) {
        const nnc_attr_rec *a = &m->attr.at[r->attr + i];
        h = nnc_hash(&a->key, sizeof a->key, h);
        if (a->kind == NNC_ATTR_ints)
            h = nnc_hash(m->ints.at + a->u.ints.at, a->u.ints.n * sizeof(int64_t), h);
        else if (a->kind == NNC_ATTR_int || a->kind == NNC_ATTR_float)
            h = nnc_hash(&a->u.i, sizeof a->u.i, h);
        else
            h = nnc_hash(&a->u.s.id, sizeof a->u.s.id, h);
    }
    return h;
}

static bool same_attr(const nnc_module *m, const nnc_attr_rec *x, const nnc_attr_rec *y)
{
    if (x->key.id != y->key.id || x->kind != y->kind)
        return false;
    if (x->kind == NNC_ATTR_ints)
        return x->u.ints.n == y->u.ints.n &&
               (!x->u.ints.n || !memcmp(m->ints.at + x->u.ints.at, m->ints.at + y->u.ints.at,
                                        x->u.ints.n * sizeof(int64_t)));
    if (x->kind == NNC_ATTR_int || x->kind == NNC_ATTR_float)
        return x->u.i == y->u.i;
    return x->u.s.id == y->u.s.id;
}

/* Is op `id` still alive, before the insertion point, and equal to *key?  Entries may be stale. */
static bool same_op(const void *user, uint32_t id, const void *key)
{
    const nnc_builder *b = user;
    const nnc_module *m = b->m;
    nnc_op x = {id}, y = *(const nnc_op *)key;
    const nnc_op_rec *p = nnc_op_get(m, x), *q = nnc_op_get(m, y);
    if (p->code != q->code || p->block.id != q->block.id || p->nin != q->nin ||
        p->nout != q->nout || p->nattr != q->nattr)
        return false;
    if (!nnc_op_before(m, x, y))
        return false;
    for (unsigned i = 0; i < p->nin; i++)
        if (nnc_op_in(m, x, i).id != nnc_op_in(m, y, i).id)
            return false;
    for (unsigned i = 0; i < p->nout; i++)
        if (nnc_value_type(m, nnc_op_out(m, x, i)).id != nnc_value_type(m, nnc_op_out(m, y, i)).id)
            return false;
    for (unsigned i = 0; i < p->nattr; i++)
        if (!same_attr(m, &m->attr.at[p->attr + i], &m->attr.at[q->attr + i]))
            return false;
    return true;
}

static nnc_op share(nnc_builder *b, nnc_op op)
{
    if (!b->numbering || !nnc_op_has(b->m, op, NNC_PURE) || nnc_op_nregion(b->m, op))
        return op;
    if (b->numbered.id != b->pos.block.id) {
        nnc_hashset_clear(b->numbering);
        b->numbered = b->pos.block;
    }
    uint64_t h = hash_op(b->m, op);
    uint32_t old = nnc_hashset_find(b->numbering, h, same_op, b, &op);
    if (!old) {
        nnc_hashset_add(b->numbering, h, op.id);
        return op;
    }
    nnc_op_erase(b->m, op);
    return (nnc_op){old};
}

static void type_results(nnc_builder *b, nnc_op op)
{
    unsigned n = nnc_op_nout(b->m, op);
    nnc_type few[4], *out = n > 4 ? nnc_arena_array(b->m->arena, n, sizeof *out) : few;
    if (nnc_infer(b->m, op, out) != NNC_OK)
        return;
    for (unsigned i = 0; i < n; i++)
        nnc_value_set_type(b->m, nnc_op_out(b->m, op, i), out[i]);
}

nnc_value nnc_build_finish(nnc_builder *b, nnc_op op)
{
    type_results(b, op);
    op = share(b, op);
    return nnc_op_nout(b->m, op) ? nnc_op_out(b->m, op, 0) : (nnc_value){0};
}

nnc_value nnc_build_plain(nnc_builder *b, nnc_opcode code, unsigned nin, const nnc_value *in,
                          nnc_type guess)
{
    return nnc_build_finish(b, nnc_build_start(b, code, nin, in, 1, guess));
}

/* ---- constants ---- */

nnc_value nnc_g_const(nnc_builder *b, nnc_type t, nnc_blob blob, uint64_t at)
{
    nnc_op op = nnc_build_start(b, NNC_OP_const, 0, NULL, 1, t);
    nnc_attr_set_int(b->m, op, NNC_W_blob, blob.id);
    nnc_attr_set_int(b->m, op, NNC_W_at, (int64_t)at);
    return nnc_build_finish(b, op);
}

nnc_value nnc_g_const_data(nnc_builder *b, nnc_dtype dt, int rank, const nnc_dim *dim,
                           const void *data)
{
    nnc_type t = nnc_type_tensor(b->m, dt, rank, dim);
    size_t bytes = (size_t)nnc_type_bytes(b->m, t);
    const void *copy =
        bytes ? nnc_arena_copy(b->m->arena, data, bytes) : nnc_arena_alloc(b->m->arena, 0);
    return nnc_g_const(b, t, nnc_blob_new(b->m, copy, bytes, b->loc), 0);
}

nnc_value nnc_g_int(nnc_builder *b, nnc_dtype dt, int64_t v)
{
    return nnc_dtype_is_float(dt) ? nnc_g_float(b, dt, (double)v)
                                  : nnc_const_int(b->m, nnc_build_guess(b, dt), v);
}

nnc_value nnc_g_float(nnc_builder *b, nnc_dtype dt, double v)
{
    return nnc_const_float(b->m, nnc_build_guess(b, dt), v);
}

nnc_value nnc_g_ints(nnc_builder *b, unsigned n, const int64_t *v)
{
    nnc_dim dim = n;
    return nnc_g_const_data(b, NNC_DT_i64, 1, &dim, v);
}

/* ---- elementwise ---- */

static bool gives_bool(nnc_opcode code)
{
    return code == NNC_OP_eq || code == NNC_OP_lt || code == NNC_OP_le || code == NNC_OP_isnan ||
           code == NNC_OP_isinf;
}

/* Fold when all operands are interned constants of one dtype.  rem is left: its [fmod] is set later. */
static nnc_value fold(nnc_builder *b, nnc_opcode code, unsigned n, const nnc_value *x)
{
    nnc_num v[2];
    nnc_dtype dt = nnc_build_dtype(b, x[0]), to = gives_bool(code) ? NNC_DT_bool : dt;
    if (code == NNC_OP_rem || nnc_dtype_infos[dt].class == NNC_DC_OTHER)
        return (nnc_value){0};
    for (unsigned i = 0; i < n; i++) {
        if (!nnc_value_is_const(b->m, x[i]) || nnc_build_dtype(b, x[i]) != dt)
            return (nnc_value){0};
        v[i] = nnc_num_of_bits(dt, nnc_value_get(b->m, x[i])->bits);
    }
    return nnc_const_bits(b->m, nnc_build_guess(b, to),
                          nnc_num_bits(to, nnc_eval_scalar(code, dt, v, false)));
}

nnc_value nnc_g_unary(nnc_builder *b, nnc_opcode code, nnc_value x)
{
    bool composite = (nnc_op_infos[code].traits & NNC_COMPOSITE) != 0;
    nnc_value r = composite ? (nnc_value){0} : fold(b, code, 1, &x);
    return r.id ? r : nnc_build_plain(b, code, 1, &x, nnc_value_type(b->m, x));
}

nnc_value nnc_g_binary(nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value y)
{
    nnc_value in[2] = {x, y}, r = fold(b, code, 2, in);
    if (r.id)
        return r;
    if (nnc_value_is_const(b->m, x) && !nnc_value_is_const(b->m, y) &&
        nnc_op_infos[code].traits & NNC_COMMUTES) {
        in[0] = y; /* constants to the right: fewer forms for the rules */
        in[1] = x;
    }
    return nnc_build_plain(b, code, 2, in,
                           gives_bool(code) ? nnc_build_guess(b, NNC_DT_bool)
                                            : nnc_value_type(b->m, in[0]));
}

nnc_value nnc_g_select(nnc_builder *b, nnc_value c, nnc_value x, nnc_value y)
{
    nnc_value in[3] = {c, x, y};
    return nnc_build_plain(b, NNC_OP_select, 3, in, nnc_value_type(b->m, x));
}

nnc_value nnc_g_cast(nnc_builder *b, nnc_value x, nnc_dtype dt)
{
    nnc_dtype from = nnc_build_dtype(b, x);
    if (from == dt)
        return x;
    /* 8-bit floats are left: [saturate] and [mode] are set later */
    bool small = nnc_dtype_is_float(dt) && nnc_dtype_infos[dt].bits <= 8;
    if (nnc_value_is_const(b->m, x) && !small && nnc_dtype_infos[from].class != NNC_DC_OTHER &&
        nnc_dtype_infos[dt].class != NNC_DC_OTHER) {
        nnc_num n = nnc_eval_cast(nnc_num_of_bits(from, nnc_value_get(b->m, x)->bits), from, dt,
                                  true, NNC_W_none);
        return nnc_const_bits(b->m, nnc_build_guess(b, dt), nnc_num_bits(dt, n));
    }
    return nnc_build_plain(b, NNC_OP_cast, 1, &x, nnc_build_guess(b, dt));
}

nnc_value nnc_g_bitcast(nnc_builder *b, nnc_value x, nnc_dtype dt)
{
    if (nnc_build_dtype(b, x) == dt)
        return x;
    if (nnc_value_is_const(b->m, x) &&
        nnc_dtype_infos[nnc_build_dtype(b, x)].bits == nnc_dtype_infos[dt].bits)
        return nnc_const_bits(b->m, nnc_build_guess(b, dt), nnc_value_get(b->m, x)->bits);
    return nnc_build_plain(b, NNC_OP_bitcast, 1, &x, nnc_build_guess(b, dt));
}

/* ---- control flow ---- */

nnc_op nnc_g_if(nnc_builder *b, nnc_value cond, unsigned nout, const nnc_type *out)
{
    nnc_op op = nnc_build_op(b, NNC_OP_if, 1, &cond, nout, out);
    nnc_op_add_region(b->m, op);
    nnc_op_add_region(b->m, op);
    return op;
}

nnc_op nnc_g_while(nnc_builder *b, unsigned n, const nnc_value *init)
{
    nnc_type *t = nnc_arena_array(b->m->arena, n, sizeof *t);
    for (unsigned i = 0; i < n; i++)
        t[i] = nnc_value_type(b->m, init[i]);
    nnc_op op = nnc_build_op(b, NNC_OP_while, n, init, n, t);
    for (int r = 0; r < 2; r++) {
        nnc_block body = nnc_op_add_region(b->m, op);
        for (unsigned i = 0; i < n; i++)
            nnc_block_add_arg(b->m, body, t[i], nnc_value_name(b->m, init[i]));
    }
    return op;
}

static nnc_type stacked(nnc_module *m, nnc_type t, nnc_dim trips)
{
    nnc_type_rec r = *nnc_type_get(m, t);
    assert(r.rank < NNC_MAX_RANK);
    memmove(r.dim + 1, r.dim, r.rank * sizeof r.dim[0]);
    r.dim[0] = trips;
    return nnc_type_tensor(m, (nnc_dtype)r.dtype, r.rank + 1, r.dim);
}

nnc_op nnc_g_scan(nnc_builder *b, nnc_dim trips, unsigned ncarried, unsigned nin,
                  const nnc_value *in, unsigned nys, const nnc_type *ys)
{
    nnc_module *m = b->m;
    nnc_type *out = nnc_arena_array(m->arena, ncarried + nys, sizeof *out);
    for (unsigned i = 0; i < ncarried; i++)
        out[i] = nnc_value_type(m, in[i]);
    for (unsigned i = 0; i < nys; i++)
        out[ncarried + i] = stacked(m, ys[i], trips);
    nnc_op op = nnc_build_op(b, NNC_OP_scan, nin, in, ncarried + nys, out);
    nnc_attr_set_int(m, op, NNC_W_carried, ncarried);
    nnc_attr_set_int(m, op, NNC_W_trips, trips);
    nnc_block body = nnc_op_add_region(m, op);
    nnc_block_add_arg(m, body, nnc_build_guess(b, NNC_DT_i64), "i");
    for (unsigned i = 0; i < nin; i++) {
        nnc_type t = nnc_value_type(m, in[i]);
        if (i >= ncarried) {
            const nnc_type_rec r = *nnc_type_get(m, t);
            assert(r.rank > 0);
            t = nnc_type_tensor(m, (nnc_dtype)r.dtype, r.rank - 1, r.dim + 1);
        }
        nnc_block_add_arg(m, body, t, nnc_value_name(m, in[i]));
    }
    return op;
}

void nnc_g_finish(nnc_builder *b, nnc_op op)
{
    if (nnc_op_code(b->m, op) == NNC_OP_if) {
        nnc_op y = nnc_block_last(b->m, nnc_op_region(b->m, op, 0));
        for (unsigned i = 0; i < nnc_op_nout(b->m, op) && y.id && i < nnc_op_nin(b->m, y); i++)
            nnc_value_set_type(b->m, nnc_op_out(b->m, op, i),
                               nnc_value_type(b->m, nnc_op_in(b->m, y, i)));
    }
    type_results(b, op);
}
