/* Scalar expressions.  C's own arithmetic is used where it means the same; integer operations that may wrap go through
 * unsigned types, and narrow results are cast back at once, which -Wconversion asks for anyway. */
#include <math.h>
#include <string.h>
#include "codegen/c/c.h"
#include "passes/legalise.h"

const char *c_fmt(c_cgen *g, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *s = nnc_arena_vprintf(g->a, fmt, ap);
    va_end(ap);
    return s;
}

nnc_status c_refuse(c_cgen *g, nnc_op op, const char *what)
{
    return g->status = nnc_error(
               g->m->diag, nnc_op_loc(g->m, op), "the C target cannot spell %s '%s' in kernel '%s'",
               what, nnc_op_infos[nnc_op_code(g->m, op)].name, nnc_func_name(g->m, g->func));
}

c_expr c_prec(const char *s, int p)
{
    return (c_expr){s, p};
}

const char *c_wrap(c_cgen *g, c_expr e, int prec)
{
    return e.p < prec ? c_fmt(g, "(%s)", e.s) : e.s;
}

const char *c_operand(c_cgen *g, nnc_value v, int prec)
{
    return c_wrap(g, c_value(g, v), prec);
}

/* ---- values ---- */

c_expr c_value(c_cgen *g, nnc_value v)
{
    const nnc_type_rec *t = nnc_value_ty(g->m, v);

    if (nnc_value_is_const(g->m, v)) {
        const char *s = c_number(g, (nnc_dtype)t->dtype, nnc_value_get(g->m, v)->bits);
        return c_prec(s, *s == '-' || *s == '(' ? C_UNARY : C_PRIMARY);
    }
    if (t->kind == NNC_TYPE_buffer)
        return c_pointer(g, v);
    if (g->ident[v.id] || !g->flow.in_place[v.id])
        return c_prec(c_name(g, v), C_PRIMARY);
    if (nnc_linear_is_sum(g->m, v)) {
        nnc_linear l = {0};
        nnc_linear_add(g->m, &l, v, 1);
        const char *s = c_linear(g, &l);
        return c_prec(s, strstr(s, " + ") || strstr(s, " - ") ? C_ADD
                         : strchr(s, '*')                     ? C_MUL
                                                              : C_PRIMARY);
    }
    return c_compute(g, nnc_value_op(g->m, v));
}

/* An int expression cut down to a narrow dtype. */
static c_expr narrow(c_cgen *g, nnc_dtype dt, c_expr e)
{
    switch (dt) {
    case NNC_DT_i4:
        return c_prec(c_fmt(g, "(int8_t)((%s & 15) ^ 8) - 8", c_wrap(g, e, C_PRIMARY)), C_ADD);
    case NNC_DT_i2:
        return c_prec(c_fmt(g, "(int8_t)((%s & 3) ^ 2) - 2", c_wrap(g, e, C_PRIMARY)), C_ADD);
    case NNC_DT_u4: return c_prec(c_fmt(g, "(uint8_t)(%s & 15)", c_wrap(g, e, C_PRIMARY)), C_UNARY);
    case NNC_DT_u2: return c_prec(c_fmt(g, "(uint8_t)(%s & 3)", c_wrap(g, e, C_PRIMARY)), C_UNARY);
    default: return c_prec(c_fmt(g, "(%s)%s", c_storage(dt), c_wrap(g, e, C_UNARY)), C_UNARY);
    }
}

static c_expr sub_byte(c_cgen *g, nnc_dtype dt, c_expr e)
{
    e = narrow(g, dt, e);
    return dt == NNC_DT_i4 || dt == NNC_DT_i2 ? c_prec(c_fmt(g, "(int8_t)(%s)", e.s), C_UNARY) : e;
}

static c_expr infix(c_cgen *g, nnc_op op, const char *sign, int p)
{
    return c_prec(c_fmt(g, "%s %s %s", c_operand(g, nnc_op_in(g->m, op, 0), p), sign,
                        c_operand(g, nnc_op_in(g->m, op, 1), p + 1)),
                  p);
}

/* a < b == c reads badly, and -Wparentheses says so. */
static c_expr compare(c_cgen *g, nnc_op op, const char *sign, int p)
{
    return c_prec(c_fmt(g, "%s %s %s", c_operand(g, nnc_op_in(g->m, op, 0), C_ADD), sign,
                        c_operand(g, nnc_op_in(g->m, op, 1), C_ADD)),
                  p);
}

/* Bit operations and shifts: operands always in parentheses unless simple, as -Wparentheses wants. */
static c_expr infix_bits(c_cgen *g, nnc_op op, const char *sign, int p)
{
    return c_prec(c_fmt(g, "%s %s %s", c_operand(g, nnc_op_in(g->m, op, 0), C_UNARY), sign,
                        c_operand(g, nnc_op_in(g->m, op, 1), C_UNARY)),
                  p);
}

static c_expr call(c_cgen *g, const char *f, nnc_op op)
{
    const char *s = "";

    for (unsigned i = 0; i < nnc_op_nin(g->m, op); i++)
        s = c_fmt(g, "%s%s%s", s, i ? ", " : "", c_operand(g, nnc_op_in(g->m, op, i), C_COND));
    return c_prec(c_fmt(g, "%s(%s)", f, s), C_PRIMARY);
}

static c_expr libm(c_cgen *g, const char *f, nnc_op op)
{
    g->math_h = true;
    return call(g, c_fmt(g, "%s%s", f, c_dtype(g, nnc_op_in(g->m, op, 0)) == NNC_DT_f32 ? "f" : ""),
                op);
}

static c_expr helper(c_cgen *g, const char *f, nnc_op op)
{
    nnc_dtype dt = c_dtype(g, nnc_op_in(g->m, op, 0));

    return call(g, c_need(g, f, dt, 1), op);
}

static bool never_nan(const c_cgen *g, nnc_value v)
{
    double x;
    nnc_op d = nnc_value_op(g->m, v);

    if (d.id && nnc_op_code(g->m, d) == NNC_OP_splat)
        v = nnc_op_in(g->m, d, 0);
    return nnc_value_number(g->m, v, &x) && !isnan(x);
}

static c_expr float_extreme(c_cgen *g, nnc_op op)
{
    bool max = nnc_op_code(g->m, op) == NNC_OP_max;

    if (never_nan(g, nnc_op_in(g->m, op, 1)))
        return helper(g, max ? "at_least" : "at_most", op);
    return helper(g, max ? "max" : "min", op);
}

bool c_is_step(const c_cgen *g, nnc_op op)
{
    const nnc_module *m = g->m;
    bool step = false;

    for (unsigned i = 0; i < 2; i++) {
        nnc_op d = nnc_value_op(m, nnc_op_in(m, op, i));
        step |= d.id && nnc_op_code(m, d) == NNC_OP_cast &&
                !nnc_dtype_is_float(c_dtype(g, nnc_op_in(m, d, 0)));
    }
    for (uint32_t u = nnc_value_get(m, nnc_op_out(m, op, 0))->first_use; step && u;
         u = m->use.at[u].next) {
        nnc_opcode code = nnc_op_code(m, m->use.at[u].user);
        if (code == NNC_OP_add || code == NNC_OP_sub)
            return true;
    }
    return false;
}

/* Functions that differ between C libraries, and that we have the definition of. */
static bool has_own_form(const c_cgen *g, nnc_op op)
{
    nnc_opcode code = nnc_op_code(g->m, op);
    bool exact =
        code == NNC_OP_round || code == NNC_OP_trunc || code == NNC_OP_floor || code == NNC_OP_ceil;

    return g->opt->reproducible && !exact && nnc_op_nin(g->m, op) == 1 &&
           nnc_math_has(code, c_dtype(g, nnc_op_in(g->m, op, 0)));
}

static c_expr float_op(c_cgen *g, nnc_op op)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    const char *one = c_dtype(g, x) == NNC_DT_f32 ? "1.0f" : "1.0";

    if (has_own_form(g, op))
        return call(g, c_need_math(g, nnc_op_code(g->m, op), c_dtype(g, x), 1), op);

    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_neg: return c_prec(c_fmt(g, "-%s", c_operand(g, x, C_PRIMARY)), C_UNARY);
    case NNC_OP_add: return infix(g, op, "+", C_ADD);
    case NNC_OP_sub: return infix(g, op, "-", C_ADD);
    case NNC_OP_mul:
        if (c_dtype(g, nnc_op_out(g->m, op, 0)) == NNC_DT_f32 && c_is_step(g, op))
            return helper(g, "product", op);
        return infix(g, op, "*", C_MUL);
    case NNC_OP_div: return infix(g, op, "/", C_MUL);
    case NNC_OP_fma:
        return c_prec(c_fmt(g, "%s * %s + %s", c_operand(g, x, C_MUL),
                            c_operand(g, nnc_op_in(g->m, op, 1), C_UNARY),
                            c_operand(g, nnc_op_in(g->m, op, 2), C_MUL)),
                      C_ADD);
    case NNC_OP_max:
    case NNC_OP_min: return float_extreme(g, op);
    case NNC_OP_abs: return libm(g, "fabs", op);
    case NNC_OP_round: return libm(g, "rint", op);
    case NNC_OP_rsqrt:
        g->math_h = true;
        return c_prec(c_fmt(g, "%s / sqrt%s(%s)", one, c_dtype(g, x) == NNC_DT_f32 ? "f" : "",
                            c_operand(g, x, C_COND)),
                      C_MUL);
    case NNC_OP_sign:
    case NNC_OP_sigmoid:
    case NNC_OP_isnan:
    case NNC_OP_isinf: return helper(g, nnc_op_infos[nnc_op_code(g->m, op)].name, op);
    case NNC_OP_rem:
        if (nnc_attr_int(g->m, op, NNC_W_fmod, 0))
            return libm(g, "fmod", op);
        return helper(g, "rem", op);
    case NNC_OP_floor:
    case NNC_OP_ceil:
    case NNC_OP_trunc:
    case NNC_OP_exp:
    case NNC_OP_expm1:
    case NNC_OP_log:
    case NNC_OP_log1p:
    case NNC_OP_sqrt:
    case NNC_OP_sin:
    case NNC_OP_cos:
    case NNC_OP_tan:
    case NNC_OP_asin:
    case NNC_OP_acos:
    case NNC_OP_atan:
    case NNC_OP_sinh:
    case NNC_OP_cosh:
    case NNC_OP_tanh:
    case NNC_OP_asinh:
    case NNC_OP_acosh:
    case NNC_OP_atanh:
    case NNC_OP_erf:
    case NNC_OP_pow:
    case NNC_OP_atan2: return libm(g, nnc_op_infos[nnc_op_code(g->m, op)].name, op);
    default: (void)c_refuse(g, op, "float operation"); return c_prec("0", C_PRIMARY);
    }
}

/* Does the exact result of an integer operation fit its dtype, so that C's own operator is right? */
static bool fits(const c_cgen *g, nnc_op op)
{
    nnc_value v = nnc_op_out(g->m, op, 0);
    int64_t lo, hi, a, b, c, d;
    unsigned w = nnc_dtype_infos[c_dtype(g, v)].bits;

    if (!nnc_int_range(g->m, nnc_op_in(g->m, op, 0), &a, &b) ||
        !nnc_int_range(g->m, nnc_op_in(g->m, op, 1), &c, &d))
        return false;
    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_add: lo = a + c, hi = b + d; break;
    case NNC_OP_sub: lo = a - d, hi = b - c; break;
    case NNC_OP_mul:
        if (a < -(INT64_C(1) << 31) || b > INT64_C(1) << 31 || c < -(INT64_C(1) << 31) ||
            d > INT64_C(1) << 31)
            return false;
        lo = a * c < a * d ? a * c : a * d, hi = a * c > a * d ? a * c : a * d;
        lo = b * c < lo ? b * c : lo, hi = b * c > hi ? b * c : hi;
        lo = b * d < lo ? b * d : lo, hi = b * d > hi ? b * d : hi;
        break;
    default: return false;
    }
    return w == 32 && lo >= INT32_MIN && hi <= INT32_MAX;
}

/* + - * on integers. */
static c_expr int_arith(c_cgen *g, nnc_op op, const char *sign, int p)
{
    nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, op, 0));
    const char *u = c_unsigned(dt);
    nnc_value x = nnc_op_in(g->m, op, 0), y = nnc_op_in(g->m, op, 1);

    if (dt == NNC_DT_idx || dt == NNC_DT_u32 || dt == NNC_DT_u64)
        return infix(g, op, sign, p);
    if (dt == NNC_DT_i32 && fits(g, op))
        return infix(g, op, sign, p);
    if (nnc_dtype_infos[dt].bits < 16) /* int has room */
        return sub_byte(g, dt, infix(g, op, sign, p));
    return c_prec(c_fmt(g, "(%s)((%s)%s %s (%s)%s)", c_storage(dt), u, c_operand(g, x, C_UNARY),
                        sign, u, c_operand(g, y, C_UNARY)),
                  C_UNARY);
}

/* / and rem on integers: the operator when the divisor cannot do harm. */
static c_expr int_divide(c_cgen *g, nnc_op op)
{
    nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, op, 0));
    bool rem = nnc_op_code(g->m, op) == NNC_OP_rem, uns = nnc_dtype_infos[dt].class == NNC_DC_UINT;
    bool fmod_form = rem && nnc_attr_int(g->m, op, NNC_W_fmod, 0);
    int64_t lo, hi, xlo, xhi;
    nnc_value y = nnc_op_in(g->m, op, 1);

    bool safe = nnc_int_range(g->m, y, &lo, &hi) && lo > 0;
    bool plain = safe && (!rem || uns || fmod_form ||
                          (nnc_int_range(g->m, nnc_op_in(g->m, op, 0), &xlo, &xhi) && xlo >= 0));
    if (plain) {
        c_expr e = infix(g, op, rem ? "%" : "/", C_MUL);
        return nnc_dtype_infos[dt].bits < 32 ? narrow(g, dt, e) : e;
    }
    return helper(g,
                  uns   ? (rem ? "urem" : "udiv")
                  : rem ? (fmod_form ? "fmod" : "rem")
                        : "div",
                  op);
}

static c_expr int_shift(c_cgen *g, nnc_op op)
{
    nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, op, 0));
    bool left = nnc_op_code(g->m, op) == NNC_OP_shl, uns = nnc_dtype_infos[dt].class == NNC_DC_UINT;
    int64_t n;

    if (nnc_value_idx(g->m, nnc_op_in(g->m, op, 1), &n) && n >= 0 && n < nnc_dtype_infos[dt].bits) {
        const char *x = c_operand(g, nnc_op_in(g->m, op, 0), C_UNARY);
        if (left)
            return sub_byte(
                g, dt,
                c_prec(c_fmt(g, "((%s)%s << %lld)", c_unsigned(dt), x, (long long)n), C_PRIMARY));
        c_expr e = c_prec(c_fmt(g, "%s >> %lld", x, (long long)n), C_SHIFT);
        return nnc_dtype_infos[dt].bits < 32
                   ? narrow(g, dt, c_prec(c_fmt(g, "(%s)", e.s), C_PRIMARY))
                   : e;
    }
    return helper(g, left ? "shl" : uns ? "ushr" : "shr", op);
}

static c_expr mulhi(c_cgen *g, nnc_op op)
{
    nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, op, 0));
    bool uns = nnc_dtype_infos[dt].class == NNC_DC_UINT;

    if (nnc_dtype_infos[dt].bits < 64)
        return helper(g, uns ? "umulhi" : "mulhi", op);
    const char *f = c_need(g, "mulhi64", NNC_DT_u64, 1),
               *a = c_operand(g, nnc_op_in(g->m, op, 0), C_UNARY),
               *b = c_operand(g, nnc_op_in(g->m, op, 1), C_UNARY);
    if (uns)
        return c_prec(c_fmt(g, "%s(%s, %s)", f, a, b), C_PRIMARY);
    /* signed from unsigned: take off the other factor for each negative one */
    return c_prec(c_fmt(g,
                        "(%s)(%s((uint64_t)%s, (uint64_t)%s) - (%s < 0 ? (uint64_t)%s : 0) - (%s < "
                        "0 ? (uint64_t)%s : 0))",
                        c_storage(dt), f, a, b, a, b, b, a),
                  C_UNARY);
}

static c_expr bool_op(c_cgen *g, nnc_op op)
{
    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_not:
        return c_prec(c_fmt(g, "!%s", c_operand(g, nnc_op_in(g->m, op, 0), C_UNARY)), C_UNARY);
    case NNC_OP_mul:
    case NNC_OP_min:
    case NNC_OP_and: return infix_bits(g, op, "&&", C_LAND);
    case NNC_OP_add:
    case NNC_OP_max:
    case NNC_OP_or: return infix_bits(g, op, "||", C_LOR);
    case NNC_OP_xor: return infix_bits(g, op, "!=", C_EQ);
    default: (void)c_refuse(g, op, "bool operation"); return c_prec("0", C_PRIMARY);
    }
}

static c_expr int_op(c_cgen *g, nnc_op op)
{
    nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, op, 0));
    nnc_value x = nnc_op_in(g->m, op, 0);
    bool small = nnc_dtype_infos[dt].bits < 32, uns = nnc_dtype_infos[dt].class == NNC_DC_UINT;
    c_expr e;

    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_add: return int_arith(g, op, "+", C_ADD);
    case NNC_OP_sub: return int_arith(g, op, "-", C_ADD);
    case NNC_OP_mul: return int_arith(g, op, "*", C_MUL);
    case NNC_OP_div:
    case NNC_OP_rem: return int_divide(g, op);
    case NNC_OP_shl:
    case NNC_OP_shr: return int_shift(g, op);
    case NNC_OP_and:
        e = infix_bits(g, op, "&", C_BAND);
        return small ? narrow(g, dt, c_prec(c_fmt(g, "(%s)", e.s), C_PRIMARY)) : e;
    case NNC_OP_or:
        e = infix_bits(g, op, "|", C_BOR);
        return small ? narrow(g, dt, c_prec(c_fmt(g, "(%s)", e.s), C_PRIMARY)) : e;
    case NNC_OP_xor:
        e = infix_bits(g, op, "^", C_XOR);
        return small ? sub_byte(g, dt, c_prec(c_fmt(g, "(%s)", e.s), C_PRIMARY)) : e;
    case NNC_OP_not:
        e = c_prec(c_fmt(g, "~%s", c_operand(g, x, C_UNARY)), C_UNARY);
        return small ? sub_byte(g, dt, e) : e;
    case NNC_OP_neg:
        return sub_byte(
            g, dt,
            c_prec(c_fmt(g, "(0u - (%s)%s)", c_unsigned(dt), c_operand(g, x, C_UNARY)), C_PRIMARY));
    case NNC_OP_abs: return uns ? c_value(g, x) : helper(g, "abs", op);
    case NNC_OP_sign:
        if (uns)
            e = c_prec(c_fmt(g, "(%s != 0)", c_operand(g, x, C_REL)), C_PRIMARY);
        else
            e = c_prec(
                c_fmt(g, "((%s > 0) - (%s < 0))", c_operand(g, x, C_ADD), c_operand(g, x, C_ADD)),
                C_PRIMARY);
        return small || uns ? narrow(g, dt, e) : e;
    case NNC_OP_floor:
    case NNC_OP_ceil:
    case NNC_OP_round:
    case NNC_OP_trunc: return c_value(g, x);
    case NNC_OP_max: return helper(g, "max", op);
    case NNC_OP_min: return helper(g, "min", op);
    case NNC_OP_pow: return helper(g, uns ? "upow" : "pow", op);
    case NNC_OP_add_sat: return helper(g, uns ? "uadd_sat" : "add_sat", op);
    case NNC_OP_rshift_round: return helper(g, "rshift_round", op);
    case NNC_OP_mulhi: return mulhi(g, op);
    case NNC_OP_fma:
        return c_prec(c_fmt(g, "(%s)((%s)%s * (%s)%s + (%s)%s)", c_storage(dt), c_unsigned(dt),
                            c_operand(g, x, C_UNARY), c_unsigned(dt),
                            c_operand(g, nnc_op_in(g->m, op, 1), C_UNARY), c_unsigned(dt),
                            c_operand(g, nnc_op_in(g->m, op, 2), C_UNARY)),
                      C_UNARY);
    case NNC_OP_isnan:
    case NNC_OP_isinf: return c_prec("0", C_PRIMARY);
    default: (void)c_refuse(g, op, "integer operation"); return c_prec("0", C_PRIMARY);
    }
}

static c_expr cast(c_cgen *g, nnc_op op)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    nnc_dtype from = c_dtype(g, x), to = c_dtype(g, nnc_op_out(g->m, op, 0));
    bool saturate = nnc_attr_int(g->m, op, NNC_W_saturate, 1) != 0;
    nnc_word mode = nnc_attr_word(g->m, op, NNC_W_mode, NNC_W_up);
    c_expr e = c_value(g, x);

    if (c_is_small_float(from)) {
        e = c_prec(c_fmt(g, "%s(%s)", c_need_cast(g, from, NNC_DT_f32, true, NNC_W_none), e.s),
                   C_PRIMARY);
        from = NNC_DT_f32;
    }
    if (from == to)
        return e;
    if (to == NNC_DT_bool)
        return c_prec(c_fmt(g, "%s != 0", c_wrap(g, e, C_REL)), C_EQ);
    if (c_is_small_float(to)) {
        bool wide = from != NNC_DT_f32 || (to != NNC_DT_f16 && to != NNC_DT_bf16);
        const char *f = c_need_cast(g, wide ? NNC_DT_f64 : NNC_DT_f32, to, saturate, mode);
        return c_prec(c_fmt(g, wide && from != NNC_DT_f64 ? "%s((double)%s)" : "%s(%s)", f,
                            wide && from != NNC_DT_f64 ? c_wrap(g, e, C_UNARY) : e.s),
                      C_PRIMARY);
    }
    if (nnc_dtype_is_float(from) && !nnc_dtype_is_float(to))
        return c_prec(c_fmt(g, "%s(%s)", c_need_cast(g, from, to, true, NNC_W_none), e.s),
                      C_PRIMARY);
    if (nnc_dtype_infos[to].bits < 8) {
        e = nnc_dtype_infos[from].bits > 32
                ? c_prec(c_fmt(g, "(int32_t)%s", c_wrap(g, e, C_UNARY)), C_UNARY)
                : e;
        if (nnc_dtype_infos[from].class == NNC_DC_UINT && nnc_dtype_infos[from].bits == 32)
            e = c_prec(c_fmt(g, "(int32_t)%s", c_wrap(g, e, C_UNARY)), C_UNARY);
        return sub_byte(g, to, e);
    }
    return c_prec(c_fmt(g, "(%s)%s", c_scalar(to), c_wrap(g, e, C_UNARY)), C_UNARY);
}

static c_expr bitcast(c_cgen *g, nnc_op op)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    nnc_dtype from = c_dtype(g, x), to = c_dtype(g, nnc_op_out(g->m, op, 0));
    const char *a = c_storage(from), *b = c_storage(to);
    uint32_t i;

    if (!strcmp(a, b))
        return c_value(g, x);
    if (!nnc_dtype_is_float(from) || c_is_small_float(from))
        if (!nnc_dtype_is_float(to) || c_is_small_float(to))
            return c_prec(c_fmt(g, "(%s)%s", b, c_operand(g, x, C_UNARY)), C_UNARY);
    const char *name =
        c_fmt(g, "%s_bits_as_%s", nnc_dtype_infos[from].name, nnc_dtype_infos[to].name);
    if (!c_helper_known(g, name, &i)) {
        c_helper_add(g, name,
                     c_fmt(g,
                           "static inline %s %s(%s x)\n{\n    union { %s a; %s b; } v;\n    v.a = "
                           "x;\n    return v.b;\n}\n",
                           b, name, a, a, b));
        i = g->helper.n - 1;
    }
    g->helper.at[i].sections |= g->section;
    return c_prec(c_fmt(g, "%s(%s)", name, c_value(g, x).s), C_PRIMARY);
}

/* Reductions of vectors and lanes outside the vector form read the array the vector lies in. */
static c_expr array_reduction(c_cgen *g, nnc_op op)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    nnc_op load = nnc_value_op(g->m, x);

    if (!load.id || nnc_op_code(g->m, load) != NNC_OP_load ||
        c_lanes(g, x) <= c_lanes(g, nnc_op_in(g->m, load, 0))) {
        (void)c_refuse(g, op, "without vectors the operation");
        return c_prec("0", C_PRIMARY);
    }
    const char *p = c_element_pointer(g, load);
    if (nnc_op_code(g->m, op) == NNC_OP_extract)
        return c_prec(c_fmt(g, "(%s)[%lld]", p, (long long)nnc_attr_int(g->m, op, NNC_W_index, 0)),
                      C_PRIMARY);
    const char *f = nnc_op_code(g->m, op) == NNC_OP_hsum   ? "sum_of"
                    : nnc_op_code(g->m, op) == NNC_OP_hmax ? "max_of"
                                                           : "min_of";
    return c_prec(c_fmt(g, "%s(%s)", c_need(g, f, c_dtype(g, x), c_lanes(g, x)), p), C_PRIMARY);
}

static c_expr select(c_cgen *g, nnc_op op)
{
    nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, op, 0));
    const char *s = c_fmt(g, "%s ? %s : %s", c_operand(g, nnc_op_in(g->m, op, 0), C_LOR),
                          c_operand(g, nnc_op_in(g->m, op, 1), C_LOR),
                          c_operand(g, nnc_op_in(g->m, op, 2), C_LOR));

    if (nnc_dtype_bytes(dt) < 4 && dt != NNC_DT_bool)
        return c_prec(c_fmt(g, "(%s)(%s)", c_storage(dt), s), C_UNARY);
    return c_prec(s, C_COND);
}

static c_expr load(c_cgen *g, nnc_op op)
{
    if (c_dtype(g, nnc_op_out(g->m, op, 0)) != c_dtype(g, nnc_op_in(g->m, op, 0))) /* of bytes */
        return c_prec(
            c_fmt(g, "%s(%s)", c_need(g, "cell", NNC_DT_i32, 1), c_element_pointer(g, op)),
            C_PRIMARY);
    return c_prec(c_place(g, op), C_PRIMARY);
}

static bool is_vector_op(const c_cgen *g, nnc_op op)
{
    if (c_lanes(g, nnc_op_out(g->m, op, 0)) > 1)
        return true;
    for (unsigned i = 0; i < nnc_op_nin(g->m, op); i++)
        if (nnc_value_ty(g->m, nnc_op_in(g->m, op, i))->kind == NNC_TYPE_scalar &&
            c_lanes(g, nnc_op_in(g->m, op, i)) > 1)
            return true;
    return false;
}

c_expr c_compute(c_cgen *g, nnc_op op)
{
    nnc_opcode code = nnc_op_code(g->m, op);

    if (is_vector_op(g, op)) {
        if (g->section == C_VECTOR)
            return c_compute_vector(g, op);
        if (code == NNC_OP_hsum || code == NNC_OP_hmax || code == NNC_OP_hmin ||
            code == NNC_OP_extract)
            return array_reduction(g, op);
        (void)c_refuse(g, op, "outside a vector form the vector operation");
        return c_prec("0", C_PRIMARY);
    }
    switch (code) {
    case NNC_OP_load: return load(g, op);
    case NNC_OP_cast: return cast(g, op);
    case NNC_OP_bitcast: return bitcast(g, op);
    case NNC_OP_select: return select(g, op);
    case NNC_OP_eq: return compare(g, op, "==", C_EQ);
    case NNC_OP_lt: return compare(g, op, "<", C_REL);
    case NNC_OP_le: return compare(g, op, "<=", C_REL);
    case NNC_OP_dot4: g->immintrin_h = true; return call(g, c_need(g, "dot4", NNC_DT_i32, 1), op);
    default: break;
    }
    nnc_dtype dt = c_dtype(g, nnc_op_in(g->m, op, 0));
    if (c_is_small_float(dt)) {
        (void)c_refuse(g, op, "arithmetic on a 16-bit or smaller float,");
        return c_prec("0", C_PRIMARY);
    }
    if (nnc_dtype_is_float(dt))
        return float_op(g, op);
    return dt == NNC_DT_bool ? bool_op(g, op) : int_op(g, op);
}
