/* Which rule an op has, and the two walks.
 *
 * Class E and the elementwise part of L follow the formula in column `d`; the rest of L names its adjoint there, and pushes
 * tangents through the op itself.  The other classes have a row per op.  An op without a row (class N) has derivative zero:
 * what comes out of it is never active. */
#include "passes/autodiff/ad.h"
#include <string.h>

typedef struct rules {
    nnc_ad_rule *vjp, *jvp;
} rules;

static nnc_status pad_or_prefix(nnc_ad *x, nnc_op op)
{
    return nnc_op_code(x->m, op) == NNC_OP_prefix ? nnc_ad_prefix_vjp(x, op)
                                                  : nnc_ad_slice_vjp(x, op);
}

static nnc_status slice_or_parts(nnc_ad *x, nnc_op op)
{
    return nnc_op_code(x->m, op) == NNC_OP_concat ? nnc_ad_concat_vjp(x, op)
                                                  : nnc_ad_pad_vjp(x, op);
}

/* Adjoints that column `d` names. */
static const struct {
    const char *name;
    rules r;
} linear[] = {
    {"cast", {nnc_ad_cast_vjp, nnc_ad_linear_jvp}},
    {"reshape", {nnc_ad_reshape_vjp, nnc_ad_linear_jvp}},
    {"transpose", {nnc_ad_transpose_vjp, nnc_ad_linear_jvp}},
    {"reduce", {nnc_ad_broadcast_vjp, nnc_ad_linear_jvp}},
    {"pad", {pad_or_prefix, nnc_ad_linear_jvp}},
    {"slice", {slice_or_parts, nnc_ad_linear_jvp}},
    {"cumulate", {nnc_ad_cumulate_vjp, nnc_ad_cumulate_jvp}},
};

static const rules by_code[NNC_OP_COUNT] = {
/* clang-format off */
#define RULE(name, v, j) [NNC_OP_##name] = {nnc_ad_##v##_vjp, nnc_ad_##j##_jvp},
    RULE(select, select, select)
    RULE(gather, gather, linear) RULE(gather_elements, gather_elements, linear) RULE(gather_nd, gather_nd, linear)
    RULE(scatter_elements, scatter, scatter) RULE(scatter_nd, scatter, scatter)
    RULE(dynamic_slice, dynamic_slice, linear) RULE(dynamic_update_slice, dynamic_update_slice, linear)
    RULE(sort, sort, sort) RULE(topk, topk, topk) RULE(compact, compact, compact)
    RULE(reduce, reduce, reduce) RULE(window_reduce, window, window)
    RULE(dot, dot, product) RULE(conv, conv, product)
    RULE(softmax, composite, composite) RULE(log_softmax, composite, composite)
    RULE(layer_norm, composite, composite) RULE(gelu, composite, composite)
    RULE(if, if, if) RULE(while, while, while) RULE(scan, scan, scan) RULE(custom_grad, custom, custom)
#undef RULE
    /* clang-format on */
};

static rules rules_of(nnc_opcode code)
{
    const nnc_op_info *info = &nnc_op_infos[code];

    if (info->class == 'L')
        for (size_t i = 0; i < sizeof linear / sizeof linear[0]; i++)
            if (!strcmp(linear[i].name, info->d))
                return linear[i].r;
    if (info->class == 'E' || info->class == 'L')
        return (rules){nnc_ad_formula_vjp, nnc_ad_formula_jvp};
    return by_code[code];
}

bool nnc_ad_has_rule(nnc_opcode code)
{
    const nnc_op_info *info = &nnc_op_infos[code];
    rules r = rules_of(code);
    unsigned n;

    if (r.vjp == nnc_ad_formula_vjp)
        return nnc_ad_formula_check(info->d, &n) && (int)n == info->nin;
    return r.vjp && r.jvp;
}

static nnc_status missing(nnc_ad *x, nnc_op op)
{
    const char *name = nnc_op_infos[nnc_op_code(x->m, op)].name;
    if (nnc_op_code(x->m, op) == NNC_OP_call)
        return nnc_ad_error(x, op, "a call must be inlined before it can be differentiated");
    return nnc_ad_error(x, op, "'%s' has no derivative; stop_grad makes its operands constants",
                        name);
}

static bool has_derivative(const nnc_ad *x, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        if (nnc_ad_get(x, nnc_op_out(x->m, op, i)).id)
            return true;
    return false;
}

/* Derivative ops say where they come from. */
static void stand_at(nnc_ad *x, nnc_op op)
{
    x->b.loc = nnc_loc_pass(x->m->diag, "autodiff", nnc_op_loc(x->m, op));
}

nnc_status nnc_ad_reverse(nnc_ad *x, nnc_op last)
{
    nnc_op prev;

    for (nnc_op op = last; op.id; op = prev) {
        prev = nnc_op_prev(x->m, op); /* a rule may replace the op */
        if (!nnc_ad_op_active(x, op) || !has_derivative(x, op))
            continue;
        rules r = rules_of(nnc_op_code(x->m, op));
        if (!r.vjp)
            return missing(x, op);
        stand_at(x, op);
        NNC_TRY(r.vjp(x, op));
    }
    return NNC_OK;
}

/* A leaf that is computed from another leaf has a tangent of its own besides. */
static void forget_seeds(nnc_ad *x, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        if (nnc_ad_map_get(&x->seed, nnc_op_out(x->m, op, i).id))
            nnc_ad_set(x, nnc_op_out(x->m, op, i), (nnc_value){0});
}

static void add_seeds(nnc_ad *x, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++) { /* none when the rule replaced the op */
        nnc_value y = nnc_op_out(x->m, op, i), seed = {nnc_ad_map_get(&x->seed, y.id)};
        nnc_value t = nnc_ad_get(x, y);
        if (seed.id)
            nnc_ad_set(x, y, t.id ? nnc_ad_op2(x, NNC_OP_add, t, seed) : seed);
    }
}

nnc_status nnc_ad_forward(nnc_ad *x, nnc_block b, nnc_op end)
{
    nnc_op next;

    for (nnc_op op = nnc_block_first(x->m, b); op.id && op.id != end.id; op = next) {
        next = nnc_op_next(x->m, op);
        if (!nnc_ad_op_active(x, op))
            continue;
        rules r = rules_of(nnc_op_code(x->m, op));
        if (!r.jvp)
            return missing(x, op);
        stand_at(x, op);
        forget_seeds(x, op);
        NNC_TRY(r.jvp(x, op));
        add_seeds(x, op);
    }
    return NNC_OK;
}
