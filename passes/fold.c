/* Ops on constants are evaluated by the interpreter.
 *
 * Views of a weight share its bytes.  Results above 1 MB stay expressions unless they are smaller than what they are
 * made from: a table that code can compute in place must not blow up the weights.  A `broadcast` whose readers are
 * elementwise stays too, because they broadcast by themselves.  A result without elements is a constant.  `if` on a constant becomes its branch; `scan` with no or
 * one trip becomes straight code; with constant operands it is run. */
#include "passes/clean.h"
#include "passes/quant/quant.h"
#include <string.h>

enum { LIMIT = 1 << 20 };
static const double MAX_WORK = 2e8;  /* about a second of the interpreter, for one op */
static const double MAX_LOOP = 2e7;  /* for one loop: programs compute at run time */
static const double MAX_TOTAL = 6e8; /* for all of them */

static nnc_status fold_block(nnc_pass_cx *cx, nnc_block b);

/* Everything a region reads from outside must be constant as well. */
static bool reads_only_constants(const nnc_module *m, nnc_op op, nnc_block b)
{
    nnc_tensor t;

    for (nnc_op k = nnc_block_first(m, b); k.id; k = nnc_op_next(m, k)) {
        for (unsigned i = 0; i < nnc_op_nin(m, k); i++) {
            nnc_value v = nnc_op_in(m, k, i);
            nnc_op def = nnc_value_op(m, v);
            if (!def.id && nnc_value_get(m, v)->kind != NNC_VALUE_arg)
                continue; /* an interned constant */
            nnc_block at =
                def.id ? nnc_op_get(m, def)->block : (nnc_block){nnc_value_get(m, v)->def};
            bool inside = false;
            for (; at.id && !inside; at = nnc_block_parent(m, at).id
                                              ? nnc_op_get(m, nnc_block_parent(m, at))->block
                                              : (nnc_block){0})
                inside = nnc_block_parent(m, at).id == op.id;
            if (!inside && !nnc_tensor_of(m, v, &t))
                return false;
        }
        for (unsigned i = 0; i < nnc_op_nregion(m, k); i++)
            if (!reads_only_constants(m, op, nnc_op_region(m, k, i)))
                return false;
    }
    return true;
}

static bool may_not_end(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_while)
            return true;
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            if (may_not_end(m, nnc_op_region(m, op, i)))
                return true;
    }
    return false;
}

static bool all_elementwise_users(const nnc_module *m, nnc_value v)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next)
        if (!nnc_op_has(m, m->use.at[u].user, NNC_ELEMENTWISE))
            return false;
    return true;
}

/* Bytes of results and operands; false when a size is not static. */
static bool sizes(const nnc_module *m, nnc_op op, int64_t *in, int64_t *out)
{
    *in = *out = 0;
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        *in += nnc_type_bytes(m, nnc_value_type(m, nnc_op_in(m, op, i)));
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        nnc_type t = nnc_value_type(m, nnc_op_out(m, op, i));
        if (!nnc_type_is_static(m, t) || nnc_type_bytes(m, t) > INT64_MAX / 64)
            return false;
        *out += nnc_type_bytes(m, t);
    }
    return true;
}

/* Does an attribute of a pure op without regions speak of a size that only the run knows? */
static bool asks_for_size(const nnc_module *m, nnc_op op)
{
    static const nnc_word keys[] = {NNC_W_start, NNC_W_lo, NNC_W_hi};
    unsigned n;

    if (nnc_attr_int(m, op, NNC_W_dim, 0) < 0 || nnc_op_code(m, op) == NNC_OP_prefix)
        return true;
    for (size_t k = 0; k < sizeof keys / sizeof *keys && nnc_op_code(m, op) != NNC_OP_conv; k++) {
        const int64_t *at = nnc_attr_ints(m, op, keys[k], &n);
        for (unsigned i = 0; i < n; i++)
            if (at[i] < 0)
                return true;
    }
    return false;
}

static bool should_fold(const nnc_module *m, nnc_op op, double spent)
{
    nnc_opcode code = nnc_op_code(m, op);
    int64_t in, out;
    nnc_tensor t;

    if (code == NNC_OP_const || code == NNC_OP_fused || nnc_op_nout(m, op) == 0 ||
        !nnc_op_has(m, op, NNC_PURE) || !nnc_op_is_pure(m, op) || asks_for_size(m, op))
        return false;
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        if (!nnc_tensor_of(m, nnc_op_in(m, op, i), &t))
            return false;
    if (!sizes(m, op, &in, &out))
        return false;
    if (out > LIMIT && out >= in &&
        (code != NNC_OP_dequantize || out > 4 * in)) /* weights are not dequantised at every run */
        return false;
    if (code == NNC_OP_broadcast && out > in && all_elementwise_users(m, nnc_op_out(m, op, 0)))
        return false;
    double work = nnc_op_work(m, op);
    if (work > (code == NNC_OP_scan ? MAX_LOOP : MAX_WORK) || spent + work > MAX_TOTAL)
        return false;
    if (code == NNC_OP_scan)
        return nnc_dim_is_const(nnc_attr_int(m, op, NNC_W_trips, 0)) &&
               !may_not_end(m, nnc_op_region(m, op, 0)) &&
               reads_only_constants(m, op, nnc_op_region(m, op, 0));
    return nnc_op_nregion(m, op) == 0;
}

static nnc_value constant(nnc_builder *b, nnc_type type, const nnc_tensor *t)
{
    nnc_module *m = b->m;
    nnc_type_rec ty = *nnc_type_get(m, type);
    uint64_t bits = 0;

    if (ty.rank == 0) {
        memcpy(&bits, t->data, nnc_dtype_bytes(t->dtype));
        return nnc_const_bits(m, type, bits);
    }
    return nnc_g_const_data(b, (nnc_dtype)ty.dtype, ty.rank, ty.dim, t->data);
}

/* reshape of a `const` op is the same bytes under another type. */
static bool reuse_bytes(nnc_module *m, nnc_op op, nnc_value *out)
{
    nnc_op from = nnc_value_op(m, nnc_op_in(m, op, 0));
    nnc_type t = nnc_value_type(m, nnc_op_out(m, op, 0));
    nnc_builder b = nnc_builder_before(m, op);
    nnc_blob blob;

    if (nnc_op_code(m, op) != NNC_OP_reshape || !from.id || nnc_type_get(m, t)->rank == 0)
        return false;
    blob.id = (uint32_t)nnc_attr_int(m, from, NNC_W_blob, 0);
    *out = nnc_g_const(&b, t, blob, (uint64_t)nnc_attr_int(m, from, NNC_W_at, 0));
    return true;
}

/* The results of op as constants before it. */
static nnc_status evaluate(nnc_module *m, nnc_op op, nnc_value *v)
{
    unsigned nin = nnc_op_nin(m, op), nout = nnc_op_nout(m, op);
    nnc_arena *a;
    nnc_tensor *in, *out;
    nnc_builder b = nnc_builder_before(m, op);
    nnc_status s;

    if (reuse_bytes(m, op, v))
        return NNC_OK;
    a = nnc_arena_new();
    in = nnc_arena_array(a, nin + nout, sizeof *in);
    out = in + nin;
    for (unsigned i = 0; i < nin; i++) {
        (void)nnc_tensor_of(m, nnc_op_in(m, op, i), &in[i]);
        if ((uintptr_t)in[i].data % nnc_dtype_bytes(in[i].dtype)) /* a weight in a mapped file */
            in[i].data = nnc_arena_copy(a, in[i].data, nnc_tensor_bytes(&in[i]));
    }
    s = nnc_interp_op(m, op, a, in, out);
    for (unsigned i = 0; i < nout && s == NNC_OK; i++)
        v[i] = constant(&b, nnc_value_type(m, nnc_op_out(m, op, i)), &out[i]);
    nnc_arena_free(a);
    return s;
}

nnc_value nnc_value_fold(nnc_module *m, nnc_value v)
{
    nnc_op op = nnc_value_op(m, v);
    nnc_value folded;

    if (!op.id || nnc_op_nout(m, op) != 1 || nnc_op_nregion(m, op) || !should_fold(m, op, 0))
        return v;
    return evaluate(m, op, &folded) == NNC_OK ? folded : v;
}

/* ---- control flow ---- */
static void replace_all(nnc_pass_cx *cx, nnc_op op, const nnc_value *v)
{
    for (unsigned i = 0; i < nnc_op_nout(cx->m, op); i++)
        nnc_value_replace(cx->m, nnc_op_out(cx->m, op, i), v[i]);
    nnc_op_erase(cx->m, op);
    cx->changed++;
}

static bool same_types(const nnc_module *m, nnc_op op, nnc_block region)
{
    nnc_op end = nnc_block_last(m, region);

    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        if (nnc_value_type(m, nnc_op_in(m, end, i)).id !=
            nnc_value_type(m, nnc_op_out(m, op, i)).id)
            return false;
    return true;
}

static bool fold_if(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    nnc_value *v = nnc_arena_array(cx->scratch, nnc_op_nout(m, op), sizeof *v);
    nnc_block taken;
    nnc_tensor cond;

    if (!nnc_tensor_of(m, nnc_op_in(m, op, 0), &cond))
        return false;
    taken = nnc_op_region(m, op, *(const uint8_t *)cond.data ? 0 : 1);
    if (!same_types(m, op, taken))
        return false; /* branches of different sizes under one symbolic type */
    nnc_region_inline(cx, op, taken, NULL, nnc_op_nout(m, op), v);
    replace_all(cx, op, v);
    return true;
}

static nnc_value first_slice(nnc_builder *b, nnc_value xs)
{
    nnc_type_rec ty = *nnc_value_ty(b->m, xs);

    return nnc_g_reshape(b, xs, ty.rank - 1, ty.dim + 1);
}

static nnc_value stack_of_one(nnc_builder *b, nnc_value y)
{
    nnc_type_rec ty = *nnc_value_ty(b->m, y);
    nnc_dim dim[NNC_MAX_RANK + 1] = {1};

    memcpy(dim + 1, ty.dim, ty.rank * sizeof ty.dim[0]);
    return nnc_g_reshape(b, y, ty.rank + 1, dim);
}

/* No trips: the initial values and empty stacks.  One trip: the body. */
static bool fold_scan(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    int64_t trips = nnc_attr_int(m, op, NNC_W_trips, 0);
    unsigned nc = (unsigned)nnc_attr_int(m, op, NNC_W_carried, 0), nin = nnc_op_nin(m, op),
             nout = nnc_op_nout(m, op);
    nnc_value *args = nnc_arena_array(cx->scratch, nin + nout + 1, sizeof *args),
              *out = args + nin + 1;
    nnc_builder b = nnc_builder_before(m, op);

    if (trips != 0 && trips != 1)
        return false;
    if (trips == 0) {
        for (unsigned i = nc; i < nout; i++)
            if (!nnc_type_is_static(m, nnc_value_type(m, nnc_op_out(m, op, i))))
                return false;
        for (unsigned i = 0; i < nout; i++) {
            nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, i));
            out[i] = i < nc ? nnc_op_in(m, op, i)
                            : nnc_g_const_data(&b, (nnc_dtype)ty.dtype, ty.rank, ty.dim, "");
        }
        replace_all(cx, op, out);
        return true;
    }
    args[0] = nnc_g_int(&b, NNC_DT_i64, 0);
    for (unsigned i = 0; i < nin; i++)
        args[1 + i] = i < nc ? nnc_op_in(m, op, i) : first_slice(&b, nnc_op_in(m, op, i));
    nnc_region_inline(cx, op, nnc_op_region(m, op, 0), args, nout, out);
    b = nnc_builder_before(m, op);
    for (unsigned i = nc; i < nout; i++)
        out[i] = stack_of_one(&b, out[i]);
    for (unsigned i = 0; i < nout; i++)
        if (nnc_value_type(m, out[i]).id != nnc_value_type(m, nnc_op_out(m, op, i)).id)
            return false; /* the copies are dead and dce takes them */
    replace_all(cx, op, out);
    return true;
}

/* A check of a constant that holds says nothing; one that does not stays and fails when run. */
static bool fold_check(nnc_pass_cx *cx, nnc_op op)
{
    nnc_tensor cond;

    if (!nnc_tensor_of(cx->m, nnc_op_in(cx->m, op, 0), &cond) || !*(const uint8_t *)cond.data)
        return false;
    nnc_op_erase(cx->m, op);
    cx->changed++;
    return true;
}

/* Results without elements are known, whatever the operands are. */
static bool fold_empty(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    unsigned nout = nnc_op_nout(m, op);
    nnc_value *v = nnc_arena_array(cx->scratch, nout, sizeof *v);
    nnc_builder b = nnc_builder_before(m, op);

    if (nout == 0 || nnc_op_code(m, op) == NNC_OP_const || nnc_op_nregion(m, op) ||
        !nnc_op_has(m, op, NNC_PURE))
        return false;
    for (unsigned i = 0; i < nout; i++) {
        nnc_type t = nnc_value_type(m, nnc_op_out(m, op, i));
        if (!nnc_type_is_static(m, t) || nnc_type_count(m, t) != 0)
            return false;
    }
    for (unsigned i = 0; i < nout; i++) {
        nnc_type_rec ty = *nnc_value_ty(m, nnc_op_out(m, op, i));
        v[i] = nnc_g_const_data(&b, (nnc_dtype)ty.dtype, ty.rank, ty.dim, "");
    }
    replace_all(cx, op, v);
    return true;
}

static nnc_status fold_op(nnc_pass_cx *cx, nnc_op op, bool *gone)
{
    nnc_module *m = cx->m;

    *gone = true;
    if (fold_empty(cx, op))
        return NNC_OK;
    switch (nnc_op_code(m, op)) {
    case NNC_OP_if:
        if (fold_if(cx, op))
            return NNC_OK;
        break;
    case NNC_OP_scan:
        if (fold_scan(cx, op))
            return NNC_OK;
        break;
    case NNC_OP_check:
        if (fold_check(cx, op))
            return NNC_OK;
        break;
    default: break;
    }
    if (nnc_op_code(m, op) == NNC_OP_dequantize && nnc_quant_wants(m, op)) {
        *gone = false; /* pass `quant` takes the integers, or folds what is left */
        return NNC_OK;
    }
    if (should_fold(m, op, cx->work)) {
        cx->work += nnc_op_work(m, op);
        nnc_value *v = nnc_arena_array(cx->scratch, nnc_op_nout(m, op), sizeof *v);
        NNC_TRY(evaluate(m, op, v));
        replace_all(cx, op, v);
        return NNC_OK;
    }
    *gone = false;
    for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
        NNC_TRY(fold_block(cx, nnc_op_region(m, op, i)));
    return NNC_OK;
}

static nnc_status fold_block(nnc_pass_cx *cx, nnc_block b)
{
    nnc_module *m = cx->m;
    nnc_op before, op = nnc_block_first(m, b);

    while (op.id) {
        bool gone;
        before = nnc_op_prev(m, op);
        nnc_op next = nnc_op_next(m, op);
        NNC_TRY(fold_op(cx, op, &gone));
        if (gone) /* what was put in its place comes first */
            op = before.id ? nnc_op_next(m, before) : nnc_block_first(m, b);
        else
            op = next;
    }
    return NNC_OK;
}

nnc_status nnc_pass_fold(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            NNC_TRY(fold_block(cx, nnc_op_region(m, f, 0)));
    return NNC_OK;
}
