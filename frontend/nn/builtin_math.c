/* Elementwise builtins and constants. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include <math.h>
#include <string.h>

nn_v nn_c_pi(nn_trace *t)
{
    return nn_float(t, 3.14159265358979323846);
}

nn_v nn_c_inf(nn_trace *t)
{
    return nn_float(t, (double)INFINITY);
}

nn_v nn_c_nan(nn_trace *t)
{
    return nn_float(t, (double)NAN);
}

nn_v nn_c_none(nn_trace *t)
{
    (void)t;
    return nn_none();
}

/* ---- one operand ---- */

typedef struct each_leaf {
    const nn_bcall *c;
    nnc_opcode code;
} each_leaf;

static nn_v labelled(nn_v y, nn_v x, nn_trace *t)
{
    return x->label ? nn_with_labels(t, y, x->label) : y;
}

static void refuse_key(nn_trace *t, nn_v x, const nn_bcall *c)
{
    if (x->is_key)
        nn_fail(t, c->at->loc, "%s of a key; draw numbers from it first, for example normal(k)",
                c->self->name);
}

nn_v nn_b_unary(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x");
    const char *name = c->self->name;
    return nn_elementwise(t, nnc_opcode_by_name(name, strlen(name)), x, nn_arg_at(t, c, "x"));
}

static nn_v gelu_leaf(nn_trace *t, nn_v x, void *user)
{
    const nn_bcall *c = user;
    refuse_key(t, x, c);
    x = nn_to_float(t, x);
    nnc_value y = nnc_g_unary(&t->b, NNC_OP_gelu, x->ssa);
    if (nn_flag(t, c, "approx", false)) {
        nnc_builder b = t->b;
        b.numbering = NULL;
        y = nnc_g_unary(&b, NNC_OP_gelu, x->ssa);
        nnc_attr_set_int(t->m, nnc_value_op(t->m, y), NNC_W_approx, 1);
    }
    return labelled(nn_like(t, x, y), x, t);
}

nn_v nn_b_gelu(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x");
    nn_bcall copy = *c;
    if (!nn_can_be_tensor(x) && !nn_is_tree(x))
        nn_arg_tensor(t, c, "x");
    return nn_map(t, x, gelu_leaf, &copy);
}

/* abs, sign, floor ..: whole numbers are their own floor. */
static nn_v numeric_leaf(nn_trace *t, nn_v x, void *user)
{
    each_leaf *e = user;
    refuse_key(t, x, e->c);
    bool is_float = nnc_dtype_is_float(nn_dtype(t, x));
    if (nn_dtype(t, x) == NNC_DT_bool)
        nn_fail(t, e->c->at->loc, "%s of a bool; convert it with i32(..) or f32(..)",
                e->c->self->name);
    if (!is_float && e->code != NNC_OP_abs && e->code != NNC_OP_sign)
        return x;
    return labelled(nn_like(t, x, nnc_g_unary(&t->b, e->code, x->ssa)), x, t);
}

static nn_v map_named(nn_trace *t, const nn_bcall *c, nn_leaf_fn fn)
{
    nn_v x = nn_argument(t, c, "x");
    if (!nn_can_be_tensor(x) && !nn_is_tree(x))
        nn_arg_tensor(t, c, "x"); /* fails, and says what x is */
    each_leaf e = {c, nnc_opcode_by_name(c->self->name, strlen(c->self->name))};
    return nn_map(t, x, fn, &e);
}

nn_v nn_b_numeric(nn_trace *t, const nn_bcall *c)
{
    return map_named(t, c, numeric_leaf);
}

static nn_v predicate_leaf(nn_trace *t, nn_v x, void *user)
{
    each_leaf *e = user;
    refuse_key(t, x, e->c);
    if (!nnc_dtype_is_float(nn_dtype(t, x))) {
        nn_shape s = nn_shape_of(t, x);
        bool finite = e->code != NNC_OP_isnan && e->code != NNC_OP_isinf;
        return nn_tensor(t, nn_full_tensor(t, nnc_g_int(&t->b, NNC_DT_bool, finite), &s));
    }
    if (e->code == NNC_OP_isnan || e->code == NNC_OP_isinf)
        return labelled(nn_tensor(t, nnc_g_unary(&t->b, e->code, x->ssa)), x, t);
    nnc_value bad = nnc_g_binary(&t->b, NNC_OP_or, nnc_g_unary(&t->b, NNC_OP_isnan, x->ssa),
                                 nnc_g_unary(&t->b, NNC_OP_isinf, x->ssa));
    return labelled(nn_tensor(t, nnc_g_unary(&t->b, NNC_OP_not, bad)), x, t);
}

nn_v nn_b_predicate(nn_trace *t, const nn_bcall *c)
{
    return map_named(t, c, predicate_leaf);
}

nn_v nn_b_isfinite(nn_trace *t, const nn_bcall *c)
{
    return map_named(t, c, predicate_leaf);
}

/* A number of the dtype of x. */
static nn_v number_like(nn_trace *t, nn_v x, double v)
{
    nnc_dtype dt = nn_dtype(t, x);
    nnc_value n =
        nnc_dtype_is_float(dt) ? nnc_g_float(&t->b, dt, v) : nnc_g_int(&t->b, dt, (int64_t)v);
    return nn_like(t, x, n);
}

static nn_v relu_leaf(nn_trace *t, nn_v x, void *user)
{
    each_leaf *e = user;
    refuse_key(t, x, e->c);
    if (nn_dtype(t, x) == NNC_DT_bool)
        nn_fail(t, e->c->at->loc, "relu of a bool; convert it with f32(..)");
    return nn_apply(t, NNC_OP_max, x, number_like(t, x, 0), e->c->at);
}

nn_v nn_b_relu(nn_trace *t, const nn_bcall *c)
{
    return map_named(t, c, relu_leaf);
}

static nn_v silu_leaf(nn_trace *t, nn_v x, void *user)
{
    each_leaf *e = user;
    refuse_key(t, x, e->c);
    x = nn_to_float(t, x);
    nn_v s = labelled(nn_like(t, x, nnc_g_unary(&t->b, NNC_OP_sigmoid, x->ssa)), x, t);
    return nn_apply(t, NNC_OP_mul, x, s, e->c->at);
}

nn_v nn_b_silu(nn_trace *t, const nn_bcall *c)
{
    return map_named(t, c, silu_leaf);
}

/* ---- several operands, leaf by leaf ---- */

static nn_v leaky_leaves(nn_trace *t, unsigned n, const nn_v *x, const nn_ast *at, const void *user)
{
    nn_v a = nn_to_float(t, nn_as_tensor(t, x[0], at)), s = nn_as_tensor(t, x[1], at);
    (void)n;
    (void)user;
    nn_promote(t, &a, &s, at);
    nn_v zero = number_like(t, a, 0);
    nn_v positive = nn_apply(t, NNC_OP_lt, zero, a, at);
    return nn_where(t, positive, a, nn_apply(t, NNC_OP_mul, a, s, at), at);
}

nn_v nn_b_leaky_relu(nn_trace *t, const nn_bcall *c)
{
    nn_v slope = nn_argument(t, c, "slope");
    nn_v x[2] = {nn_argument(t, c, "x"), slope ? slope : nn_float(t, 0.01)};
    return nn_map_n(t, 2, x, leaky_leaves, c->at, NULL);
}

static nn_v atan2_leaves(nn_trace *t, unsigned n, const nn_v *x, const nn_ast *at, const void *user)
{
    nn_v a = nn_to_float(t, nn_as_tensor(t, x[0], at));
    nn_v b = nn_to_float(t, nn_as_tensor(t, x[1], at));
    (void)n;
    (void)user;
    nn_promote(t, &a, &b, at);
    return nn_apply(t, NNC_OP_atan2, a, b, at);
}

nn_v nn_b_atan2(nn_trace *t, const nn_bcall *c)
{
    nn_v x[2] = {nn_argument(t, c, "y"), nn_argument(t, c, "x")};
    return nn_map_n(t, 2, x, atan2_leaves, c->at, NULL);
}

/* max and min of dimensions are dimensions: x[..min(n, 200)]. */
static nn_v extreme_dim(nn_trace *t, nnc_opcode code, nn_v a, nn_v b)
{
    nnc_dims *d = t->m->dims;
    return nn_dim_value(t, code == NNC_OP_max ? nnc_dim_max(d, a->dim, b->dim)
                                              : nnc_dim_min(d, a->dim, b->dim));
}

nn_v nn_extreme_of(nn_trace *t, nnc_opcode code, nn_v a, nn_v b, const nn_ast *at)
{
    a = nn_as_tensor(t, a, at);
    b = nn_as_tensor(t, b, at);
    if (a->has_dim && b->has_dim)
        return extreme_dim(t, code, a, b);
    nn_promote(t, &a, &b, at);
    if (nn_dtype(t, a) == NNC_DT_bool)
        code = code == NNC_OP_max ? NNC_OP_or : NNC_OP_and;
    return nn_apply(t, code, a, b, at);
}

static nn_v clip_leaves(nn_trace *t, unsigned n, const nn_v *x, const nn_ast *at, const void *user)
{
    (void)n;
    (void)user;
    nn_v a = nn_as_tensor(t, x[0], at);
    if (a->is_key || nn_dtype(t, a) == NNC_DT_bool)
        nn_fail(t, at->loc, "clip needs numbers, this is %s", nn_type_text(t, a));
    nn_v low = nn_extreme_of(t, NNC_OP_max, a, x[1], at);
    return nn_extreme_of(t, NNC_OP_min, low, x[2], at);
}

nn_v nn_b_clip(nn_trace *t, const nn_bcall *c)
{
    nn_v x[3] = {nn_argument(t, c, "x"), nn_argument(t, c, "lo"), nn_argument(t, c, "hi")};
    for (unsigned i = 0; i < 3; i++)
        if (!x[i])
            nn_fail(t, c->at->loc, "clip needs x, lo and hi");
    return nn_map_n(t, 3, x, clip_leaves, c->at, NULL);
}

nn_v nn_b_where(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_argument(t, c, "x"), y = nn_argument(t, c, "y");
    if (!x || !y)
        nn_fail(t, c->at->loc, "where(c, x, y) needs a value for both cases");
    return nn_where(t, nn_arg_tensor(t, c, "c"), x, y, c->at);
}

/* ---- bits ---- */

static nnc_dtype dtype_option(nn_trace *t, const nn_bcall *c)
{
    nn_v v = nn_static(t, c, "dtype");
    if (!v || v->kind != NN_V_dtype)
        nn_fail(t, nn_arg_at(t, c, "dtype")->loc, "%s[..] needs a dtype, for example %s[u8](x)",
                c->self->name, c->self->name);
    return v->dtype;
}

nn_v nn_b_wrap(nn_trace *t, const nn_bcall *c)
{
    nnc_dtype dt = dtype_option(t, c);
    nn_v x = nn_arg_tensor(t, c, "x");
    refuse_key(t, x, c);
    if (!nnc_dtype_is_int(dt))
        nn_fail(t, nn_arg_at(t, c, "dtype")->loc, "wrap[..] is for integer dtypes, this is %s",
                nnc_dtype_infos[dt].name);
    nnc_value v = x->ssa;
    if (nnc_dtype_is_float(nn_dtype(t, x)))
        v = nnc_g_cast(&t->b, v, NNC_DT_i64);
    return labelled(nn_tensor(t, nnc_g_cast(&t->b, v, dt)), x, t);
}

nn_v nn_b_bitcast(nn_trace *t, const nn_bcall *c)
{
    nnc_dtype dt = dtype_option(t, c);
    nn_v x = nn_arg_tensor(t, c, "x");
    refuse_key(t, x, c);
    x = nn_settle(t, x);
    if (nnc_dtype_infos[nn_dtype(t, x)].bits != nnc_dtype_infos[dt].bits)
        nn_fail(t, c->at->loc, "bitcast needs equal widths: %s has %d bits, %s has %d",
                nnc_dtype_infos[nn_dtype(t, x)].name, nnc_dtype_infos[nn_dtype(t, x)].bits,
                nnc_dtype_infos[dt].name, nnc_dtype_infos[dt].bits);
    return labelled(nn_tensor(t, nnc_g_bitcast(&t->b, x->ssa, dt)), x, t);
}

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

/* Pairs, nibbles, bytes, then the sum of the bytes, in u64. */
nn_v nn_b_popcount(nn_trace *t, const nn_bcall *c)
{
    nn_v x = nn_need_int(t, nn_arg_tensor(t, c, "x"), nn_arg_at(t, c, "x"), "the operand");
    nnc_dtype dt = nn_dtype(t, x);
    unsigned bits = nnc_dtype_infos[dt].bits;
    nnc_value v = nnc_g_cast(&t->b, x->ssa, NNC_DT_u64);
    nnc_dtype u = NNC_DT_u64;
#define U(n) nnc_g_int(&t->b, u, (int64_t)(n))
    if (bits < 64)
        v = op2(t, NNC_OP_and, v, U((1ull << bits) - 1));
    v = op2(t, NNC_OP_sub, v,
            op2(t, NNC_OP_and, op2(t, NNC_OP_shr, v, U(1)), U(0x5555555555555555ull)));
    v = op2(t, NNC_OP_add, op2(t, NNC_OP_and, v, U(0x3333333333333333ull)),
            op2(t, NNC_OP_and, op2(t, NNC_OP_shr, v, U(2)), U(0x3333333333333333ull)));
    v = op2(t, NNC_OP_and, op2(t, NNC_OP_add, v, op2(t, NNC_OP_shr, v, U(4))),
            U(0x0f0f0f0f0f0f0f0full));
    v = op2(t, NNC_OP_shr, op2(t, NNC_OP_mul, v, U(0x0101010101010101ull)), U(56));
#undef U
    return labelled(nn_tensor(t, nnc_g_cast(&t->b, v, NNC_DT_i32)), x, t);
}
