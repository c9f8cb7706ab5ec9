/* Control flow: result types come from the regions' yields, which must agree with each other and with the operands.
 * Ops without results (yield, store, check, ...) only have their own conditions checked here. */
#include "ir/infer_fn.h"
#include "ir/text.h"

/* The terminator of region r; an op without one is the verifier's to report, here it is an error as well. */
static nnc_status region_yield(nnc_module *m, nnc_op op, unsigned r, nnc_op *yield)
{
    *yield = (nnc_op){0};
    if (r < nnc_op_nregion(m, op)) {
        *yield = nnc_block_last(m, nnc_op_region(m, op, r));
        if (yield->id && nnc_op_code(m, *yield) == NNC_OP_yield)
            return NNC_OK;
    }
    return nnc_infer_error(m, op, "region %u does not end in yield", r);
}

static const char *type_text(nnc_module *m, nnc_value v)
{
    return nnc_print_type(m, nnc_value_type(m, v));
}

static nnc_status agree(nnc_module *m, nnc_op op, const char *what, unsigned i, nnc_value a,
                        nnc_value b)
{
    if (nnc_type_compatible(m, nnc_value_type(m, a), nnc_value_type(m, b)))
        return NNC_OK;
    return nnc_infer_error(m, op, "%s %u is %s beside %s", what, i, type_text(m, a),
                           type_text(m, b));
}

static nnc_status infer_if(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec c = *nnc_value_ty(m, nnc_op_in(m, op, 0));
    if (c.dtype != NNC_DT_bool || c.rank || c.lanes > 1)
        return nnc_infer_error(m, op, "the condition has type %s, needs a bool scalar",
                               nnc_infer_text(m, op, 0));
    for (unsigned r = 0; r < 2; r++) {
        nnc_op y;
        NNC_TRY(region_yield(m, op, r, &y));
        if (nnc_op_nin(m, y) != nnc_op_nout(m, op))
            return nnc_infer_error(m, op, "region %u yields %u values for %u results", r,
                                   nnc_op_nin(m, y), nnc_op_nout(m, op));
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            NNC_TRY(agree(m, op, "result", i, nnc_op_out(m, op, i), nnc_op_in(m, y, i)));
    }
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        out[i] = nnc_value_type(m, nnc_op_out(m, op, i));
    return NNC_OK;
}

/* Block arguments [first, first + n) of region r beside operands [from, ..). */
static nnc_status args_agree(nnc_module *m, nnc_op op, unsigned r, unsigned first, unsigned n,
                             unsigned from)
{
    nnc_block b = nnc_op_region(m, op, r);
    for (unsigned i = 0; i < n; i++)
        NNC_TRY(agree(m, op, "block argument", first + i, nnc_block_arg(m, b, first + i),
                      nnc_op_in(m, op, from + i)));
    return NNC_OK;
}

static nnc_status narg(nnc_module *m, nnc_op op, unsigned r, unsigned want)
{
    unsigned have = nnc_block_narg(m, nnc_op_region(m, op, r));
    if (have == want)
        return NNC_OK;
    return nnc_infer_error(m, op, "region %u has %u arguments, needs %u", r, have, want);
}

static nnc_status infer_while(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_op cond, step;
    unsigned n = nnc_op_nin(m, op);
    NNC_TRY(region_yield(m, op, 0, &cond));
    NNC_TRY(region_yield(m, op, 1, &step));
    NNC_TRY(narg(m, op, 0, n));
    NNC_TRY(narg(m, op, 1, n));
    NNC_TRY(args_agree(m, op, 0, 0, n, 0));
    NNC_TRY(args_agree(m, op, 1, 0, n, 0));
    if (nnc_op_nin(m, cond) != 1 || nnc_value_ty(m, nnc_op_in(m, cond, 0))->dtype != NNC_DT_bool ||
        nnc_value_ty(m, nnc_op_in(m, cond, 0))->rank)
        return nnc_infer_error(m, op, "the condition region must yield one bool scalar");
    if (nnc_op_nin(m, step) != n || nnc_op_nout(m, op) != n)
        return nnc_infer_error(m, op, "%u carried values, %u yielded, %u results", n,
                               nnc_op_nin(m, step), nnc_op_nout(m, op));
    for (unsigned i = 0; i < n; i++) {
        NNC_TRY(agree(m, op, "carried value", i, nnc_op_in(m, op, i), nnc_op_in(m, step, i)));
        out[i] = nnc_value_type(m, nnc_op_in(m, op, i));
    }
    return NNC_OK;
}

/* xs[T, ..] against the slice argument [..]. */
static nnc_status check_slice(nnc_module *m, nnc_op op, unsigned i, nnc_value arg, nnc_dim trips)
{
    nnc_type_rec x;
    nnc_dim d;
    NNC_TRY(nnc_infer_tensor(m, op, i, &x));
    const nnc_type_rec s = *nnc_value_ty(m, arg);
    bool ok =
        x.rank == s.rank + 1 && x.dtype == s.dtype && nnc_dim_meet(m->dims, x.dim[0], trips, &d);
    for (int k = 0; ok && k < s.rank; k++)
        ok = nnc_dim_meet(m->dims, s.dim[k], x.dim[k + 1], &d);
    if (!ok)
        return nnc_infer_error(m, op, "operand %u is %s, its slice %s, trips %s", i,
                               nnc_infer_text(m, op, i), type_text(m, arg),
                               nnc_dim_text(m->dims, trips));
    return NNC_OK;
}

static nnc_status infer_scan(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_op y;
    unsigned n = nnc_op_nin(m, op);
    int64_t nc = nnc_attr_int(m, op, NNC_W_carried, 0);
    nnc_dim trips = nnc_attr_int(m, op, NNC_W_trips, 0);
    if (nc < 0 || nc > n || !nnc_attr_find(m, op, NNC_W_trips))
        return nnc_infer_error(m, op, "carried is %lld of %u operands, and trips must be given",
                               (long long)nc, n);
    unsigned carried = (unsigned)nc;
    NNC_TRY(region_yield(m, op, 0, &y));
    NNC_TRY(narg(m, op, 0, 1 + n));
    NNC_TRY(args_agree(m, op, 0, 1, carried, 0));
    nnc_block b = nnc_op_region(m, op, 0);
    if (nnc_value_ty(m, nnc_block_arg(m, b, 0))->dtype != NNC_DT_i64 ||
        nnc_value_ty(m, nnc_block_arg(m, b, 0))->rank)
        return nnc_infer_error(m, op, "block argument 0 has type %s, needs i64[]",
                               type_text(m, nnc_block_arg(m, b, 0)));
    for (unsigned i = carried; i < n; i++)
        NNC_TRY(check_slice(m, op, i, nnc_block_arg(m, b, 1 + i), trips));
    if (nnc_op_nin(m, y) != nnc_op_nout(m, op) || nnc_op_nin(m, y) < carried)
        return nnc_infer_error(m, op, "the body yields %u values for %u results", nnc_op_nin(m, y),
                               nnc_op_nout(m, op));
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        nnc_type_rec v = *nnc_value_ty(m, nnc_op_in(m, y, i));
        if (i < carried) {
            NNC_TRY(agree(m, op, "carried value", i, nnc_op_in(m, op, i), nnc_op_in(m, y, i)));
            out[i] = nnc_value_type(m, nnc_op_in(m, op, i));
            continue;
        }
        if (v.kind != NNC_TYPE_tensor || v.rank == NNC_MAX_RANK)
            return nnc_infer_error(m, op, "yielded value %u is %s, cannot be stacked", i,
                                   type_text(m, nnc_op_in(m, y, i)));
        for (int k = v.rank; k > 0; k--)
            v.dim[k] = v.dim[k - 1];
        v.dim[0] = trips;
        out[i] = nnc_type_tensor(m, (nnc_dtype)v.dtype, v.rank + 1, v.dim);
    }
    return NNC_OK;
}

static nnc_status infer_fused(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_op y;
    NNC_TRY(region_yield(m, op, 0, &y));
    NNC_TRY(narg(m, op, 0, nnc_op_nin(m, op)));
    NNC_TRY(args_agree(m, op, 0, 0, nnc_op_nin(m, op), 0));
    if (nnc_op_nin(m, y) != nnc_op_nout(m, op))
        return nnc_infer_error(m, op, "the body yields %u values for %u results", nnc_op_nin(m, y),
                               nnc_op_nout(m, op));
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        out[i] = nnc_value_type(m, nnc_op_in(m, y, i));
    return NNC_OK;
}

static nnc_status infer_call(nnc_module *m, nnc_op op, nnc_type *out)
{
    const char *name = nnc_attr_str(m, op, NNC_W_callee, "");
    nnc_op f = nnc_func_find(m, name), y;
    if (!f.id || nnc_op_code(m, f) != NNC_OP_graph || nnc_op_nregion(m, f) != 1)
        return nnc_infer_error(m, op, "there is no graph '%s'", name);
    nnc_block body = nnc_op_region(m, f, 0);
    if (nnc_block_narg(m, body) != nnc_op_nin(m, op))
        return nnc_infer_error(m, op, "%u operands, '%s' has %u parameters", nnc_op_nin(m, op),
                               name, nnc_block_narg(m, body));
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        NNC_TRY(agree(m, op, "operand", i, nnc_op_in(m, op, i), nnc_block_arg(m, body, i)));
    NNC_TRY(region_yield(m, f, 0, &y));
    if (nnc_op_nin(m, y) != nnc_op_nout(m, op))
        return nnc_infer_error(m, op, "%u results, '%s' yields %u", nnc_op_nout(m, op), name,
                               nnc_op_nin(m, y));
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        out[i] = nnc_value_type(m, nnc_op_in(m, y, i));
    return NNC_OK;
}

/* The host knows the shapes: its results are what they say they are. */
static nnc_status infer_host(nnc_module *m, nnc_op op, nnc_type *out)
{
    const nnc_attr_rec *id = nnc_attr_find(m, op, NNC_W_id);
    if (!id || id->kind != NNC_ATTR_int || id->u.i < 0 || id->u.i > INT32_MAX)
        return nnc_infer_error(m, op, "needs the number of a function, [id=0] or more");
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        out[i] = nnc_value_type(m, nnc_op_out(m, op, i));
        if (nnc_type_get(m, out[i])->kind != NNC_TYPE_tensor)
            return nnc_infer_error(m, op, "result %u has no type of its own", i);
    }
    return NNC_OK;
}

static nnc_status infer_state(nnc_module *m, nnc_op op)
{
    const nnc_attr_rec *index = nnc_attr_find(m, op, NNC_W_index);
    nnc_value arg = nnc_op_in(m, op, 0);

    if (nnc_value_get(m, arg)->kind != NNC_VALUE_arg)
        return nnc_infer_error(m, op, "only an argument of the entry can be state");
    if (!index || index->kind != NNC_ATTR_int || index->u.i < 0)
        return nnc_infer_error(m, op, "needs the result that is its next value, [index=0] or more");
    if (nnc_op_nin(m, op) > 2)
        return nnc_infer_error(m, op, "has one first value");
    if (nnc_op_nin(m, op) == 2 && nnc_value_ty(m, arg)->kind == NNC_TYPE_tensor &&
        nnc_value_type(m, nnc_op_in(m, op, 1)).id != nnc_value_type(m, arg).id)
        return nnc_infer_error(m, op, "begins as %s, but is %s", nnc_infer_text(m, op, 1),
                               nnc_infer_text(m, op, 0));
    return NNC_OK;
}

nnc_status nnc_infer_none(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec c;
    switch (nnc_op_code(m, op)) {
    case NNC_OP_if: return infer_if(m, op, out);
    case NNC_OP_scan: return infer_scan(m, op, out);
    case NNC_OP_fused: return infer_fused(m, op, out);
    case NNC_OP_call: return infer_call(m, op, out);
    case NNC_OP_custom_grad: return nnc_infer_custom_grad(m, op, out);
    case NNC_OP_while: /* K keeps its state in buffers: nothing is carried */
        return infer_while(m, op, out);
    case NNC_OP_host: return infer_host(m, op, out);
    case NNC_OP_state: return infer_state(m, op);
    case NNC_OP_check:
        c = *nnc_value_ty(m, nnc_op_in(m, op, 0));
        if (c.dtype != NNC_DT_bool || c.rank || c.lanes > 1)
            return nnc_infer_error(m, op, "the condition has type %s, needs a bool scalar",
                                   nnc_infer_text(m, op, 0));
        return NNC_OK;
    default: return NNC_OK;
    }
}
