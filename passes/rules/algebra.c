/* The rules of algebra.def, the matcher and the builder of right-hand sides.
 *
 * A pattern is matched top down; operands of a commutative op are tried in both orders, with what was captured put back
 * in between.  A right-hand side is built with the ordinary constructors, so constants fold on the way.  Broadcasting
 * needs care: `add(x, 0)` may be wider than x, so the new value is broadcast to the root's type, and a rule is dropped
 * when that cannot be done (sizes that are only perhaps equal). */
#include "passes/rules/rules.h"
#include "ir/eval.h"
#include <math.h>
#include <string.h>

enum { MAX_VARS = 8, FIRST_CONST = 4 }; /* X Y Z are 0 1 2, C D are 4 5 */

/* ---- conditions: c[0] is C, c[1] is D ---- */
static bool is_power_of_two(nnc_dtype dt, const nnc_num *c)
{
    int e;
    double m = frexp(fabs(c[0].f), &e);
    int limit = dt == NNC_DT_f16   ? 14
                : dt == NNC_DT_f64 ? 1000
                                   : 120; /* the reciprocal must be a normal number */

    return nnc_dtype_is_float(dt) && isfinite(c[0].f) && m == 0.5 && e > -limit && e < limit;
}

static bool less_equal(nnc_dtype dt, nnc_num a, nnc_num b)
{
    nnc_num v[2] = {a, b};

    return nnc_eval_scalar(NNC_OP_le, dt, v, false).i != 0;
}

static bool d_le_c(nnc_dtype dt, const nnc_num *c)
{
    return less_equal(dt, c[1], c[0]);
}

static bool c_le_d(nnc_dtype dt, const nnc_num *c)
{
    return less_equal(dt, c[0], c[1]);
}

/* ---- the words of algebra.def ---- */
#define OP1(code, a)       (&(const nnc_pat){NNC_PAT_OP, NNC_OP_##code, 0, 0, {a}})
#define OP2(code, a, b)    (&(const nnc_pat){NNC_PAT_OP, NNC_OP_##code, 0, 0, {a, b}})
#define OP3(code, a, b, c) (&(const nnc_pat){NNC_PAT_OP, NNC_OP_##code, 0, 0, {a, b, c}})
#define N(v)               (&(const nnc_pat){NNC_PAT_NUM, NNC_OP_none, 0, v, {0}})
static const nnc_pat var_x = {NNC_PAT_VAR, NNC_OP_none, 0, 0, {0}},
                     var_y = {NNC_PAT_VAR, NNC_OP_none, 1, 0, {0}},
                     var_z = {NNC_PAT_VAR, NNC_OP_none, 2, 0, {0}};
static const nnc_pat const_c = {NNC_PAT_CONST, NNC_OP_none, FIRST_CONST, 0, {0}},
                     const_d = {NNC_PAT_CONST, NNC_OP_none, FIRST_CONST + 1, 0, {0}};
#define X               (&var_x)
#define Y               (&var_y)
#define Z               (&var_z)
#define C               (&const_c)
#define D               (&const_d)
#define TRUE_           N(1)
#define FALSE_          N(0)
#define NEG(a)          OP1(neg, a)
#define ABS(a)          OP1(abs, a)
#define EXP(a)          OP1(exp, a)
#define LOG(a)          OP1(log, a)
#define SQRT(a)         OP1(sqrt, a)
#define RSQRT(a)        OP1(rsqrt, a)
#define FLOOR(a)        OP1(floor, a)
#define CEIL(a)         OP1(ceil, a)
#define ROUND_(a)       OP1(round, a)
#define TRUNC(a)        OP1(trunc, a)
#define NOT(a)          OP1(not, a)
#define SIGMOID(a)      OP1(sigmoid, a)
#define ADD(a, b)       OP2(add, a, b)
#define SUB(a, b)       OP2(sub, a, b)
#define MUL(a, b)       OP2(mul, a, b)
#define DIV(a, b)       OP2(div, a, b)
#define POW(a, b)       OP2(pow, a, b)
#define MAX(a, b)       OP2(max, a, b)
#define MIN(a, b)       OP2(min, a, b)
#define AND(a, b)       OP2(and, a, b)
#define OR(a, b)        OP2(or, a, b)
#define XOR(a, b)       OP2(xor, a, b)
#define SHL(a, b)       OP2(shl, a, b)
#define SHR(a, b)       OP2(shr, a, b)
#define LT(a, b)        OP2(lt, a, b)
#define LE(a, b)        OP2(le, a, b)
#define EQ(a, b)        OP2(eq, a, b)
#define SELECT(a, b, c) OP3(select, a, b, c)

const nnc_rule nnc_rules[] = {
#define RULE(name, class, dtypes, lhs, rhs) \
    {name, NNC_RULE_##class, NNC_RULE_##dtypes, lhs, rhs, NULL},
#define RULE_WHEN(name, class, dtypes, condition, lhs, rhs) \
    {name, NNC_RULE_##class, NNC_RULE_##dtypes, lhs, rhs, condition},
#include "passes/rules/algebra.def"
};
const unsigned nnc_rule_count = sizeof nnc_rules / sizeof nnc_rules[0];

bool nnc_rule_enabled(const nnc_options *opt, nnc_rule_class class)
{
    switch (class) {
    case NNC_RULE_FAST: return opt->fast;
    case NNC_RULE_FAST_ASSOC: return opt->fast_assoc;
    default: return true;
    }
}

/* ---- matching ---- */
typedef struct match {
    nnc_module *m;
    nnc_value var[MAX_VARS];
    bool splat_only; /* constants must be splats: a condition looks at their number */
} match;

static nnc_dtype dtype_of(const nnc_module *m, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(m, v)->dtype;
}

static bool number_matches(const nnc_module *m, nnc_value v, double num)
{
    nnc_dtype dt = dtype_of(m, v);
    nnc_num n = {num, (int64_t)(isfinite(num) ? num : 0)};
    uint64_t bits;

    if (nnc_dtype_infos[dt].class == NNC_DC_OTHER || !nnc_value_splat(m, v, &bits))
        return false;
    if (!nnc_dtype_is_float(dt))
        return isfinite(num) && (num >= 0 || nnc_dtype_infos[dt].class == NNC_DC_SINT) &&
               nnc_num_of_bits(dt, bits).i == n.i;
    return nnc_num_of_bits(dt, nnc_num_bits(dt, n)).f == num &&
           nnc_num_bits(dt, nnc_num_of_bits(dt, bits)) == nnc_num_bits(dt, n);
}

/* The value a constant is captured as: a splat as its rank-0 form, any other constant as it is. */
static nnc_value capture_const(const match *k, nnc_value v)
{
    nnc_module *m = k->m;
    nnc_tensor t;
    uint64_t bits;

    if (nnc_value_splat(m, v, &bits))
        return nnc_const_bits(m, nnc_type_tensor(m, dtype_of(m, v), 0, NULL), bits);
    return !k->splat_only && nnc_tensor_of(m, v, &t) ? v : (nnc_value){0};
}

static bool match_pat(match *k, const nnc_pat *p, nnc_value v);

static bool match_operands(match *k, const nnc_pat *p, nnc_op op)
{
    unsigned n = nnc_op_nin(k->m, op);
    nnc_value saved[MAX_VARS];
    bool ok = true;

    memcpy(saved, k->var, sizeof saved);
    for (unsigned i = 0; i < n && ok; i++)
        ok = i < 3 && p->in[i] && match_pat(k, p->in[i], nnc_op_in(k->m, op, i));
    if (ok || n != 2 || !nnc_op_has(k->m, op, NNC_COMMUTES))
        return ok;
    memcpy(k->var, saved, sizeof saved);
    return match_pat(k, p->in[0], nnc_op_in(k->m, op, 1)) &&
           match_pat(k, p->in[1], nnc_op_in(k->m, op, 0));
}

static bool match_pat(match *k, const nnc_pat *p, nnc_value v)
{
    nnc_op op;

    switch (p->kind) {
    case NNC_PAT_NUM: return number_matches(k->m, v, p->num);
    case NNC_PAT_CONST: v = capture_const(k, v); break;
    case NNC_PAT_OP:
        op = nnc_value_op(k->m, v);
        return op.id && nnc_op_code(k->m, op) == p->code && match_operands(k, p, op);
    default: break;
    }
    if (!v.id || (k->var[p->var].id && k->var[p->var].id != v.id))
        return false;
    k->var[p->var] = v;
    return true;
}

/* ---- building ---- */
static nnc_value number(nnc_module *m, nnc_dtype dt, double num)
{
    nnc_type t = nnc_type_tensor(m, dt, 0, NULL);

    return nnc_dtype_is_float(dt) ? nnc_const_float(m, t, num) : nnc_const_int(m, t, (int64_t)num);
}

/* Constants may only be combined when the result is no larger than the larger of them. */
static bool grows(const nnc_module *m, const nnc_pat *p, const nnc_value *in, nnc_value out)
{
    int64_t most = 1;

    for (int i = 0; i < 3 && p->in[i]; i++) {
        int64_t n = nnc_type_count(m, nnc_value_type(m, in[i]));
        if (p->in[i]->kind != NNC_PAT_CONST)
            return false;
        most = n > most ? n : most;
    }
    return nnc_type_count(m, nnc_value_type(m, out)) > most;
}

static nnc_value build_pat(nnc_builder *b, const match *k, const nnc_pat *p, nnc_dtype dt)
{
    nnc_value in[3] = {{0}, {0}, {0}}, out;
    nnc_dtype inner = dtype_of(b->m, k->var[0]);
    int n = 0;

    if (p->kind == NNC_PAT_NUM)
        return number(b->m, dt, p->num);
    if (p->kind != NNC_PAT_OP)
        return k->var[p->var];
    for (; n < 3 && p->in[n]; n++) {
        in[n] = build_pat(b, k, p->in[n], inner);
        if (!in[n].id)
            return in[n];
    }
    out = n == 1   ? nnc_g_unary(b, p->code, in[0])
          : n == 2 ? nnc_g_binary(b, p->code, in[0], in[1])
                   : nnc_g_select(b, in[0], in[1], in[2]);
    return grows(b->m, p, in, out) ? (nnc_value){0} : nnc_value_fold(b->m, out);
}

/* v in the type of the root; none when it cannot be broadcast there. */
static nnc_value fit(nnc_builder *b, nnc_value v, nnc_type want)
{
    nnc_type_rec ty = *nnc_type_get(b->m, want), have = *nnc_value_ty(b->m, v);
    int shift = ty.rank - have.rank;

    if (nnc_value_type(b->m, v).id == want.id)
        return v;
    if (have.dtype != ty.dtype || shift < 0)
        return (nnc_value){0};
    for (int d = 0; d < have.rank; d++)
        if (have.dim[d] != 1 && have.dim[d] != ty.dim[d + shift])
            return (nnc_value){0};
    return nnc_g_broadcast(b, v, ty.rank, ty.dim);
}

static bool dtype_allowed(const nnc_rule *r, nnc_dtype dt)
{
    switch (nnc_dtype_infos[dt].class) {
    case NNC_DC_FLOAT: return (r->dtypes & NNC_RULE_FLT) != 0;
    case NNC_DC_SINT:
    case NNC_DC_UINT: return (r->dtypes & NNC_RULE_INT) != 0;
    case NNC_DC_BOOL: return (r->dtypes & NNC_RULE_BOOL) != 0;
    default: return r->dtypes == NNC_RULE_ALL;
    }
}

static bool holds(const nnc_rule *r, const match *k)
{
    nnc_num c[2] = {{0, 0}, {0, 0}};
    nnc_dtype dt = dtype_of(k->m, k->var[0]);

    if (!dtype_allowed(r, dt))
        return false;
    if (!r->when)
        return true;
    for (int i = 0; i < 2; i++)
        if (k->var[FIRST_CONST + i].id)
            c[i] = nnc_num_of_bits(dt, nnc_value_get(k->m, k->var[FIRST_CONST + i])->bits);
    return r->when(dt, c);
}

nnc_value nnc_rule_apply(nnc_builder *b, const nnc_rule *r, nnc_op op)
{
    nnc_module *m = b->m;
    match k = {.m = m, .splat_only = r->when != NULL};
    nnc_value v, root = nnc_op_out(m, op, 0);

    if (!match_pat(&k, r->lhs, root) || !holds(r, &k))
        return (nnc_value){0};
    v = build_pat(b, &k, r->rhs, dtype_of(m, root));
    return v.id ? fit(b, v, nnc_value_type(m, root)) : v;
}
