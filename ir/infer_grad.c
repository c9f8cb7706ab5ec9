/* Derivative ops: which operand is what, and that values and cotangents have the same types. */
#include "ir/infer_fn.h"
#include "ir/text.h"

static nnc_status is_float(nnc_module *m, nnc_op op, unsigned i, const char *what)
{
    nnc_type_rec t;
    NNC_TRY(nnc_infer_tensor(m, op, i, &t));
    if (nnc_dtype_is_float((nnc_dtype)t.dtype))
        return NNC_OK;
    return nnc_infer_error(m, op, "%s has type %s: derivatives need floating point", what,
                           nnc_infer_text(m, op, i));
}

/* Operands [first, first + n), of which n results take their types when `out` is given. */
static nnc_status floats(nnc_module *m, nnc_op op, unsigned first, unsigned n, const char *what,
                         nnc_type *out)
{
    for (unsigned i = first; i < first + n; i++) {
        NNC_TRY(is_float(m, op, i, what));
        if (out)
            out[i - first] = nnc_value_type(m, nnc_op_in(m, op, i));
    }
    if (!out || nnc_op_nout(m, op) == n)
        return NNC_OK;
    return nnc_infer_error(m, op, "has %u results, needs %u", nnc_op_nout(m, op), n);
}

/* Operands [a, a + n) and [b, b + n) agree in pairs. */
static nnc_status pairs(nnc_module *m, nnc_op op, unsigned a, unsigned b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (!nnc_type_compatible(m, nnc_value_type(m, nnc_op_in(m, op, a + i)),
                                 nnc_value_type(m, nnc_op_in(m, op, b + i))))
            return nnc_infer_error(m, op, "operands %u and %u have types %s and %s, must agree",
                                   a + i, b + i, nnc_infer_text(m, op, a + i),
                                   nnc_infer_text(m, op, b + i));
    return NNC_OK;
}

/* The attribute `outputs`, when that many values y leave `fixed` + 1 further operands at least. */
static nnc_status outputs(nnc_module *m, nnc_op op, unsigned per_y, unsigned *ny)
{
    int64_t n = nnc_attr_int(m, op, NNC_W_outputs, 1);
    if (n < 1 || n > nnc_op_nin(m, op) || per_y * (unsigned)n >= nnc_op_nin(m, op))
        return nnc_infer_error(m, op, "outputs is %lld of %u operands", (long long)n,
                               nnc_op_nin(m, op));
    *ny = (unsigned)n;
    return NNC_OK;
}

nnc_status nnc_infer_grad(nnc_module *m, nnc_op op, nnc_type *out)
{
    NNC_TRY(is_float(m, op, 0, "the value to differentiate"));
    if (nnc_value_ty(m, nnc_op_in(m, op, 0))->rank)
        return nnc_infer_error(m, op,
                               "the value to differentiate has type %s, needs a scalar (rank 0)",
                               nnc_infer_text(m, op, 0));
    return floats(m, op, 1, nnc_op_nin(m, op) - 1, "a leaf", out);
}

nnc_status nnc_infer_vjp(nnc_module *m, nnc_op op, nnc_type *out)
{
    unsigned ny;
    NNC_TRY(outputs(m, op, 2, &ny));
    NNC_TRY(floats(m, op, 0, ny, "the value to differentiate", NULL));
    NNC_TRY(pairs(m, op, 0, ny, ny));
    return floats(m, op, 2 * ny, nnc_op_nin(m, op) - 2 * ny, "a leaf", out);
}

nnc_status nnc_infer_jvp(nnc_module *m, nnc_op op, nnc_type *out)
{
    unsigned ny, n;
    NNC_TRY(outputs(m, op, 1, &ny));
    n = nnc_op_nin(m, op) - ny;
    if (n % 2)
        return nnc_infer_error(m, op, "%u leaves and tangents, must come in pairs", n);
    NNC_TRY(floats(m, op, ny, n / 2, "a leaf", NULL));
    NNC_TRY(pairs(m, op, ny, ny + n / 2, n / 2));
    return floats(m, op, 0, ny, "the value to differentiate", out);
}

/* ---- custom_grad ---- */

static nnc_status yields(nnc_module *m, nnc_op op, unsigned region, nnc_op *yield)
{
    *yield = region < nnc_op_nregion(m, op) ? nnc_block_last(m, nnc_op_region(m, op, region))
                                            : (nnc_op){0};
    if (yield->id && nnc_op_code(m, *yield) == NNC_OP_yield)
        return NNC_OK;
    return nnc_infer_error(m, op, "region %u does not end in yield", region);
}

static nnc_status arg_is(nnc_module *m, nnc_op op, unsigned region, unsigned *next, nnc_value v)
{
    nnc_block b = nnc_op_region(m, op, region);
    unsigned i = (*next)++;
    if (i >= nnc_block_narg(m, b))
        return nnc_infer_error(m, op, "region %u has %u arguments, needs more", region,
                               nnc_block_narg(m, b));
    nnc_type have = nnc_value_type(m, nnc_block_arg(m, b, i)), want = nnc_value_type(m, v);
    if (nnc_type_compatible(m, have, want))
        return NNC_OK;
    return nnc_infer_error(m, op, "argument %u of region %u has type %s, needs %s", i, region,
                           nnc_print_type(m, have), nnc_print_type(m, want));
}

static nnc_status all_args(nnc_module *m, nnc_op op, unsigned region, unsigned n)
{
    unsigned have = nnc_block_narg(m, nnc_op_region(m, op, region));
    if (have == n)
        return NNC_OK;
    return nnc_infer_error(m, op, "region %u has %u arguments, needs %u", region, have, n);
}

static bool is_float_value(const nnc_module *m, nnc_value v)
{
    return nnc_dtype_is_float((nnc_dtype)nnc_value_ty(m, v)->dtype);
}

/* The yielded cotangents against the operands of [wrt]. */
static nnc_status cotangents(nnc_module *m, nnc_op op, nnc_op yield)
{
    unsigned n = 0, listed, nin = nnc_op_nin(m, op);
    bool given = nnc_attr_find(m, op, NNC_W_wrt) != NULL;
    nnc_attr_ints(m, op, NNC_W_wrt, &listed);
    for (unsigned k = 0; k < (given ? listed : nin); k++) {
        int64_t i = given ? nnc_attr_ints(m, op, NNC_W_wrt, &listed)[k] : (int64_t)k;
        if (i < 0 || i >= nin)
            return nnc_infer_error(m, op, "wrt names operand %lld of %u", (long long)i, nin);
        nnc_value x = nnc_op_in(m, op, (unsigned)i);
        if (!is_float_value(m, x)) {
            if (given)
                return nnc_infer_error(m, op, "wrt names operand %lld, which is %s", (long long)i,
                                       nnc_infer_text(m, op, (unsigned)i));
            continue;
        }
        if (n >= nnc_op_nin(m, yield) ||
            !nnc_type_compatible(m, nnc_value_type(m, nnc_op_in(m, yield, n)),
                                 nnc_value_type(m, x)))
            return nnc_infer_error(m, op, "region 1 must yield, as value %u, %s for operand %lld",
                                   n, nnc_infer_text(m, op, (unsigned)i), (long long)i);
        n++;
    }
    if (n == nnc_op_nin(m, yield))
        return NNC_OK;
    return nnc_infer_error(m, op, "region 1 yields %u values, needs %u", nnc_op_nin(m, yield), n);
}

nnc_status nnc_infer_custom_grad(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_op fwd, bwd;
    unsigned next = 0, nin = nnc_op_nin(m, op), nout = nnc_op_nout(m, op);
    int64_t nresult = nnc_attr_int(m, op, NNC_W_results, -1);

    NNC_TRY(yields(m, op, 0, &fwd));
    NNC_TRY(yields(m, op, 1, &bwd));
    if (nresult < 1 || nresult > nout || nnc_op_nin(m, fwd) != nout)
        return nnc_infer_error(m, op, "region 0 yields %u values for %u results, of which %lld",
                               nnc_op_nin(m, fwd), nout, (long long)nresult);
    for (unsigned i = 0; i < nin; i++)
        NNC_TRY(arg_is(m, op, 0, &next, nnc_op_in(m, op, i)));
    NNC_TRY(all_args(m, op, 0, next));
    next = 0;
    for (unsigned i = 0; i < (unsigned)nresult; i++)
        if (is_float_value(m, nnc_op_in(m, fwd, i)))
            NNC_TRY(arg_is(m, op, 1, &next, nnc_op_in(m, fwd, i)));
    for (unsigned i = 0; i < nin; i++)
        NNC_TRY(arg_is(m, op, 1, &next, nnc_op_in(m, op, i)));
    for (unsigned i = (unsigned)nresult; i < nout; i++)
        NNC_TRY(arg_is(m, op, 1, &next, nnc_op_in(m, fwd, i)));
    NNC_TRY(all_args(m, op, 1, next));
    for (unsigned i = 0; i < nout; i++)
        out[i] = nnc_value_type(m, nnc_op_in(m, fwd, i));
    return cotangents(m, op, bwd);
}
