/* Composites found in the primitive form that exporters write.
 *
 *   softmax      exp(x - max(x)) / sum(exp(x - max(x)))
 *   log_softmax  (x - max(x)) - log(sum(exp(x - max(x))))
 *   layer_norm   (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps), or times rsqrt of that
 *   gelu         x * (1 + erf(x / sqrt 2)) / 2, its factors in any order; and the form with tanh
 * A walk from the op at the root; simplify has put constants into one form (x - c is x + -c, 2^k divides as a product).
 * Only the last op is replaced: what nobody else reads is dead then. */
#include "passes/clean.h"
#include "ir/eval.h"
#include <math.h>

static nnc_op maker(const nnc_module *m, nnc_value v, nnc_opcode code)
{
    nnc_op op = nnc_value_op(m, v);

    return op.id && nnc_op_code(m, op) == code ? op : (nnc_op){0};
}

/* The number of a float splat. */
static bool number(const nnc_module *m, nnc_value v, double *out)
{
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, v)->dtype;
    uint64_t bits;

    if (!nnc_dtype_is_float(dt) || !nnc_value_splat(m, v, &bits))
        return false;
    *out = nnc_num_of_bits(dt, bits).f;
    return true;
}

/* Within what rounding to f16 and decimal constants in exporters leave. */
static bool is_near(const nnc_module *m, nnc_value v, double want)
{
    double got;

    return number(m, v, &got) && fabs(got - want) <= 1e-3 * fabs(want);
}

/* If v = p * q (or p + q ..): the other operand when one of them satisfies `is`. */
static bool splits(const nnc_module *m, nnc_value v, nnc_opcode code, double num, nnc_value *rest)
{
    nnc_op op = maker(m, v, code);

    for (unsigned i = 0; op.id && i < 2; i++)
        if (is_near(m, nnc_op_in(m, op, i), num)) {
            *rest = nnc_op_in(m, op, 1 - i);
            return true;
        }
    return false;
}

/* ---- softmax ---- */
/* v = reduce kind of x along one axis, kept; *axis is set or must agree. */
static bool is_reduce(const nnc_module *m, nnc_value v, nnc_word kind, nnc_value *x, int64_t *axis)
{
    nnc_op op = maker(m, v, NNC_OP_reduce);
    unsigned n;
    const int64_t *axes;

    if (!op.id || nnc_attr_word(m, op, NNC_W_kind, NNC_W_sum) != kind ||
        !nnc_attr_int(m, op, NNC_W_keep, 0))
        return false;
    axes = nnc_attr_ints(m, op, NNC_W_axes, &n);
    if (n != 1 || (*axis >= 0 && axes[0] != *axis) || (x->id && nnc_op_in(m, op, 0).id != x->id))
        return false;
    *x = nnc_op_in(m, op, 0);
    *axis = axes[0];
    return true;
}

/* v = x - max(x, axis) */
static bool is_shifted(const nnc_module *m, nnc_value v, nnc_value *x, int64_t *axis)
{
    nnc_op op = maker(m, v, NNC_OP_sub);

    if (!op.id)
        return false;
    *x = nnc_op_in(m, op, 0);
    return is_reduce(m, nnc_op_in(m, op, 1), NNC_W_max, x, axis);
}

static nnc_value find_softmax(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_value e = nnc_op_in(m, op, 0), x = {0};
    nnc_op exp = maker(m, e, NNC_OP_exp);
    int64_t axis = -1;

    if (!exp.id || !is_reduce(m, nnc_op_in(m, op, 1), NNC_W_sum, &e, &axis) ||
        !is_shifted(m, nnc_op_in(m, exp, 0), &x, &axis))
        return (nnc_value){0};
    return nnc_g_softmax(b, x, (int)axis, false);
}

static nnc_value find_log_softmax(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_op log = maker(m, nnc_op_in(m, op, 1), NNC_OP_log), exp;
    nnc_value e = {0}, x = {0};
    int64_t axis = -1;

    if (!log.id || !is_reduce(m, nnc_op_in(m, log, 0), NNC_W_sum, &e, &axis))
        return (nnc_value){0};
    exp = maker(m, e, NNC_OP_exp);
    if (!exp.id || nnc_op_in(m, exp, 0).id != nnc_op_in(m, op, 0).id ||
        !is_shifted(m, nnc_op_in(m, op, 0), &x, &axis))
        return (nnc_value){0};
    return nnc_g_softmax(b, x, (int)axis, true);
}

/* ---- layer norm ---- */
/* v = mean of x over its last dimensions, kept; *first is the first of them (or must agree). */
static bool is_mean(const nnc_module *m, nnc_value v, nnc_value x, int *first)
{
    nnc_op op = nnc_value_op(m, v), sum;
    nnc_type_rec tx = *nnc_value_ty(m, x);
    unsigned n;
    const int64_t *axes;
    double f, count = 1;
    int at;

    if (!op.id || (nnc_op_code(m, op) != NNC_OP_mul && nnc_op_code(m, op) != NNC_OP_div))
        return false;
    sum = maker(m, nnc_op_in(m, op, 0), NNC_OP_reduce);
    if (!sum.id || nnc_op_in(m, sum, 0).id != x.id ||
        nnc_attr_word(m, sum, NNC_W_kind, NNC_W_sum) != NNC_W_sum ||
        !nnc_attr_int(m, sum, NNC_W_keep, 0))
        return false;
    axes = nnc_attr_ints(m, sum, NNC_W_axes, &n);
    at = tx.rank - (int)n;
    for (unsigned i = 0; i < n; i++) {
        if (axes[i] != at + (int64_t)i || !nnc_dim_is_const(tx.dim[axes[i]]))
            return false;
        count *= (double)tx.dim[axes[i]];
    }
    if (n == 0 || (*first >= 0 && *first != at) || !number(m, nnc_op_in(m, op, 1), &f))
        return false;
    *first = at;
    return fabs((nnc_op_code(m, op) == NNC_OP_mul ? f * count : f / count) - 1) < 1e-3;
}

/* v = mean(d * d) + eps */
static bool is_variance(const nnc_module *m, nnc_value v, nnc_value d, int *first, double *eps)
{
    nnc_op op = maker(m, v, NNC_OP_add);

    for (unsigned i = 0; op.id && i < 2; i++) {
        nnc_op mean = nnc_value_op(m, nnc_op_in(m, op, 1 - i)), sum, square;
        if (!number(m, nnc_op_in(m, op, i), eps) || *eps <= 0 || !mean.id ||
            nnc_op_nin(m, mean) != 2)
            continue;
        sum = maker(m, nnc_op_in(m, mean, 0), NNC_OP_reduce);
        square = sum.id ? maker(m, nnc_op_in(m, sum, 0), NNC_OP_mul) : (nnc_op){0};
        if (square.id && nnc_op_in(m, square, 0).id == d.id && nnc_op_in(m, square, 1).id == d.id)
            return is_mean(m, nnc_op_in(m, op, 1 - i), nnc_op_out(m, square, 0), first);
    }
    return false;
}

static nnc_value norm_of(nnc_builder *b, nnc_value d, nnc_value variance)
{
    nnc_module *m = b->m;
    nnc_op sub = maker(m, d, NNC_OP_sub);
    int first = -1;
    double eps;

    if (!sub.id || !is_mean(m, nnc_op_in(m, sub, 1), nnc_op_in(m, sub, 0), &first) ||
        !is_variance(m, variance, d, &first, &eps))
        return (nnc_value){0};
    return nnc_g_layer_norm(b, nnc_op_in(m, sub, 0), first, eps);
}

static nnc_value find_layer_norm(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    bool div = nnc_op_code(m, op) == NNC_OP_div;

    for (unsigned i = 0; i < (div ? 1u : 2u); i++) {
        nnc_op root = maker(m, nnc_op_in(m, op, 1 - i), div ? NNC_OP_sqrt : NNC_OP_rsqrt);
        nnc_value v =
            root.id ? norm_of(b, nnc_op_in(m, op, i), nnc_op_in(m, root, 0)) : (nnc_value){0};
        if (v.id)
            return v;
    }
    return (nnc_value){0};
}

/* ---- gelu ---- */
/* a = 1 + erf(x / sqrt 2) */
static bool is_erf_part(const nnc_module *m, nnc_value a, nnc_value *x)
{
    nnc_value e, in;
    nnc_op erf, div;

    if (!splits(m, a, NNC_OP_add, 1, &e) || !(erf = maker(m, e, NNC_OP_erf)).id)
        return false;
    in = nnc_op_in(m, erf, 0);
    if (splits(m, in, NNC_OP_mul, 0.70710678118654752, x))
        return true;
    div = maker(m, in, NNC_OP_div);
    if (!div.id || !is_near(m, nnc_op_in(m, div, 1), 1.41421356237309505))
        return false;
    *x = nnc_op_in(m, div, 0);
    return true;
}

static bool is_cube(const nnc_module *m, nnc_value v, nnc_value x)
{
    nnc_op op = maker(m, v, NNC_OP_mul);

    for (unsigned i = 0; op.id && i < 2; i++) {
        nnc_op square = maker(m, nnc_op_in(m, op, i), NNC_OP_mul);
        if (nnc_op_in(m, op, 1 - i).id == x.id && square.id && nnc_op_in(m, square, 0).id == x.id &&
            nnc_op_in(m, square, 1).id == x.id)
            return true;
    }
    return false;
}

/* a = 1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) */
static bool is_tanh_part(const nnc_module *m, nnc_value a, nnc_value *x)
{
    nnc_value t, in, sum, cube;
    nnc_op tanh, add;

    if (!splits(m, a, NNC_OP_add, 1, &t) || !(tanh = maker(m, t, NNC_OP_tanh)).id)
        return false;
    in = nnc_op_in(m, tanh, 0);
    if (!splits(m, in, NNC_OP_mul, 0.79788456080286536, &sum) ||
        !(add = maker(m, sum, NNC_OP_add)).id)
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (splits(m, nnc_op_in(m, add, i), NNC_OP_mul, 0.044715, &cube) &&
            is_cube(m, cube, nnc_op_in(m, add, 1 - i))) {
            *x = nnc_op_in(m, add, 1 - i);
            return true;
        }
    return false;
}

/* v = x * a in which one of three factors is 0.5: (x a) 0.5, (0.5 x) a, x (0.5 a). */
static bool half_product(const nnc_module *m, nnc_op op,
                         bool (*part)(const nnc_module *, nnc_value, nnc_value *), nnc_value *x)
{
    nnc_value root = nnc_op_out(m, op, 0), rest, in, p[2];
    nnc_op mul;

    if (splits(m, root, NNC_OP_mul, 0.5, &rest) && (mul = maker(m, rest, NNC_OP_mul)).id)
        for (unsigned i = 0; i < 2; i++)
            if (part(m, nnc_op_in(m, mul, i), x) && nnc_op_in(m, mul, 1 - i).id == x->id)
                return true;
    p[0] = nnc_op_in(m, op, 0);
    p[1] = nnc_op_in(m, op, 1);
    for (unsigned i = 0; i < 2; i++) {
        if (part(m, p[i], x) && splits(m, p[1 - i], NNC_OP_mul, 0.5, &in) && in.id == x->id)
            return true;
        if (splits(m, p[i], NNC_OP_mul, 0.5, &rest) && part(m, rest, x) && p[1 - i].id == x->id)
            return true;
    }
    return false;
}

static nnc_value find_gelu(nnc_builder *b, nnc_op op)
{
    nnc_module *m = b->m;
    nnc_value x = {0}, y;

    if (half_product(m, op, is_erf_part, &x))
        return nnc_g_unary(b, NNC_OP_gelu, x);
    if (!half_product(m, op, is_tanh_part, &x))
        return (nnc_value){0};
    y = nnc_g_unary(b, NNC_OP_gelu, x);
    nnc_attr_set_int(m, nnc_value_op(m, y), NNC_W_approx, 1);
    return y;
}

static nnc_value find(nnc_builder *b, nnc_op op)
{
    nnc_value v = {0};

    switch (nnc_op_code(b->m, op)) {
    case NNC_OP_div: v = find_softmax(b, op); return v.id ? v : find_layer_norm(b, op);
    case NNC_OP_sub: return find_log_softmax(b, op);
    case NNC_OP_mul: v = find_layer_norm(b, op); return v.id ? v : find_gelu(b, op);
    default: return v;
    }
}

static void recognise_block(nnc_pass_cx *cx, nnc_block block)
{
    nnc_module *m = cx->m;
    nnc_op next;

    for (nnc_op op = nnc_block_first(m, block); op.id; op = next) {
        nnc_builder b;
        nnc_value v;
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            recognise_block(cx, nnc_op_region(m, op, i));
        if (nnc_op_nout(m, op) != 1 ||
            !nnc_dtype_is_float((nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype))
            continue;
        b = nnc_builder_before(m, op);
        v = find(&b, op);
        if (!v.id || nnc_value_type(m, v).id != nnc_value_type(m, nnc_op_out(m, op, 0)).id)
            continue;
        nnc_op_replace(m, op, v);
        cx->changed++;
    }
}

nnc_status nnc_pass_recognise(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;

    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            recognise_block(cx, nnc_op_region(m, f, 0));
    return nnc_pass_dce(cx);
}
