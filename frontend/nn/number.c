/* Promotion, weak numbers and the operators on tensors.
 *
 * Kinds are ordered bool, int, float; mixing kinds converts to the higher operand's dtype, two dtypes of one kind are an
 * error, a weak operand takes the other's dtype.  Two weak ones stay weak, in i64 or f64.  An integer that is a
 * dimension stays one through + - * // %. */
#include "frontend/nn/number.h"
#include <string.h>

int nn_kind_of(nnc_dtype dt)
{
    return nnc_dtype_is_float(dt) ? 2 : dt == NNC_DT_bool ? 0 : 1;
}

nnc_dtype nn_float_here(nn_trace *t)
{
    if (t->frame && t->frame->float_dt)
        return t->frame->float_dt;
    return t->frame && t->frame->unit ? t->frame->unit->float_default : NNC_DT_f32;
}

/* ---- conversions ---- */

static nn_v same_but(nn_trace *t, nn_v x, nnc_value ssa, bool weak)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = NN_V_tensor;
    v->ssa = ssa;
    v->weak = weak;
    v->label = x->label;
    return v;
}

static int64_t least_of(nnc_dtype dt)
{
    const nnc_dtype_info *i = &nnc_dtype_infos[dt];
    return i->class != NNC_DC_SINT ? 0 : i->bits >= 64 ? INT64_MIN : -((int64_t)1 << (i->bits - 1));
}

static int64_t most_of(nnc_dtype dt)
{
    const nnc_dtype_info *i = &nnc_dtype_infos[dt];
    unsigned bits = i->class == NNC_DC_SINT ? i->bits - 1u : i->bits;
    return bits >= 63 ? INT64_MAX : ((int64_t)1 << bits) - 1;
}

/* Saturation before an integer is narrowed: G's cast wraps. */
static nnc_value saturated(nn_trace *t, nnc_value x, nnc_dtype from, nnc_dtype to)
{
    if (least_of(from) < least_of(to))
        x = nnc_g_binary(&t->b, NNC_OP_max, x, nnc_g_int(&t->b, from, least_of(to)));
    if (most_of(from) > most_of(to))
        x = nnc_g_binary(&t->b, NNC_OP_min, x, nnc_g_int(&t->b, from, most_of(to)));
    return x;
}

static void check_literal(nn_trace *t, nn_v x, nnc_dtype dt)
{
    int64_t i;
    if (x->weak && nn_kind_of(dt) == 1 && nn_peek_int(t, x, &i) &&
        (i < least_of(dt) || i > most_of(dt)) && nnc_dtype_infos[dt].bits < 64)
        nn_fail(t, t->b.loc, "%lld does not fit into %s (%lld to %lld)", (long long)i,
                nnc_dtype_infos[dt].name, (long long)least_of(dt), (long long)most_of(dt));
}

nn_v nn_convert(nn_trace *t, nn_v x, nnc_dtype dt)
{
    nnc_dtype from = nn_dtype(t, x);
    if (from == dt && !x->weak)
        return x;
    if (x->is_key)
        nn_fail(t, t->b.loc,
                "a key is not a number; draw one with uniform(k) or randint(k, lo, hi)");
    check_literal(t, x, dt);
    nnc_value v = x->ssa;
    if (nn_kind_of(from) == 1 && nn_kind_of(dt) == 1 && from != dt)
        v = saturated(t, v, from, dt);
    return same_but(t, x, nnc_g_cast(&t->b, v, dt), false);
}

static nn_v widen(nn_trace *t, nn_v x, nnc_dtype dt) /* stays weak */
{
    return same_but(t, x, nnc_g_cast(&t->b, x->ssa, dt), true);
}

nn_v nn_settle(nn_trace *t, nn_v x)
{
    if (!x->weak)
        return x;
    if (nnc_dtype_is_float(nn_dtype(t, x)))
        return nn_convert(t, x, nn_float_here(t));
    int64_t i;
    bool fits = !nn_peek_int(t, x, &i) || (i >= INT32_MIN && i <= INT32_MAX);
    nnc_dtype dt =
        fits ? (t->frame && t->frame->int_dt ? t->frame->int_dt : NNC_DT_i32) : NNC_DT_i64;
    return nn_convert(t, x, dt);
}

static nn_v settle_leaf(nn_trace *t, nn_v x, void *user)
{
    (void)user;
    return nn_settle(t, x);
}

nn_v nn_settle_tree(nn_trace *t, nn_v v)
{
    return nn_map(t, v, settle_leaf, NULL);
}

nn_v nn_to_float(nn_trace *t, nn_v x)
{
    if (nnc_dtype_is_float(nn_dtype(t, x)))
        return x;
    return x->weak ? widen(t, x, NNC_DT_f64) : nn_convert(t, x, nn_float_here(t));
}

static void mixed(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    const char *x = nnc_dtype_infos[nn_dtype(t, a)].name, *y = nnc_dtype_infos[nn_dtype(t, b)].name;
    const nn_ast *right = nn_is(at, NN_binary) ? nn_kid(at, 1) : at;
    nn_error(t, at->loc, "%s and %s do not mix", x, y);
    if (nn_is(right, NN_name))
        nnc_note(t->diag, right->loc, "convert one of them, for example %s(%s)", x,
                 nn_sym(t, right->name));
    else
        nnc_note(t->diag, right->loc, "convert one of them, for example %s(..) around this", x);
    nn_fail_silently(t);
}

void nn_promote(nn_trace *t, nn_v *a, nn_v *b, const nn_ast *at)
{
    nnc_dtype x = nn_dtype(t, *a), y = nn_dtype(t, *b);
    int kx = nn_kind_of(x), ky = nn_kind_of(y);
    if ((*a)->is_key || (*b)->is_key)
        nn_fail(t, at->loc,
                "a key cannot be computed with; draw from it, or use same(k) for the key itself");
    if (kx == ky) {
        if (x == y && (*a)->weak == (*b)->weak)
            return;
        if (!(*a)->weak && !(*b)->weak)
            mixed(t, *a, *b, at);
        if ((*a)->weak)
            *a = nn_convert(t, *a, y);
        else
            *b = nn_convert(t, *b, x);
        return;
    }
    nn_v *low = kx < ky ? a : b, *high = kx < ky ? b : a;
    if (!(*high)->weak)
        *low = nn_convert(t, *low, nn_dtype(t, *high));
    else if ((*low)->weak || nn_kind_of(nn_dtype(t, *low)) == 0)
        *low = widen(t, *low, nn_dtype(t, *high));
    else { /* an integer tensor meets a weak float: `float` */
        *high = nn_convert(t, *high, nn_float_here(t));
        *low = nn_convert(t, *low, nn_float_here(t));
    }
}

/* ---- broadcasting ---- */

void nn_check_broadcast(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    int ra = nn_rank(t, a), rb = nn_rank(t, b);
    for (int i = 1; i <= ra && i <= rb; i++) {
        nnc_dim x = nn_axis_size(t, a, ra - i), y = nn_axis_size(t, b, rb - i);
        if (x == y || x == 1 || y == 1)
            continue;
        const char *tx = nnc_dim_text(t->m->dims, x), *ty = nnc_dim_text(t->m->dims, y);
        bool symbols = !nnc_dim_is_const(x) && !nnc_dim_is_const(y);
        nn_error(t, at->loc,
                 symbols ? "dimensions '%s' and '%s' are different symbols"
                         : "sizes differ: %s against %s",
                 tx, ty);
        nnc_note(t->diag, at->loc, "%s and %s meet here", nn_type_text(t, a), nn_type_text(t, b));
        if (ra == 1 && rb == 1)
            nnc_note(t->diag, at->loc, "an outer combination is written a[:, _] with b[_, :]");
        nn_fail_silently(t);
    }
    if (ra > NNC_MAX_RANK || rb > NNC_MAX_RANK)
        nn_fail(t, at->loc, "a tensor has at most %d axes", NNC_MAX_RANK);
}

/* Labels of a broadcast: of the operand that has the axis. */
const nn_label *const *nn_merge_labels(nn_trace *t, nn_v a, nn_v b)
{
    if (!a->label && !b->label)
        return NULL;
    int ra = nn_rank(t, a), rb = nn_rank(t, b), r = ra > rb ? ra : rb;
    const nn_label **out = nnc_arena_array(t->arena, (size_t)r, sizeof *out);
    for (int i = 1; i <= r; i++) {
        const nn_label *x = i <= ra && a->label ? a->label[ra - i] : NULL;
        const nn_label *y = i <= rb && b->label ? b->label[rb - i] : NULL;
        out[r - i] = x ? x : y;
    }
    return out;
}

static nn_v result(nn_trace *t, nn_v a, nn_v b, nnc_value v, bool weak)
{
    nn_val *r = nnc_arena_alloc(t->arena, sizeof *r);
    r->kind = NN_V_tensor;
    r->ssa = v;
    r->weak = weak;
    r->label = nn_merge_labels(t, a, b);
    return r;
}

nn_v nn_apply(nn_trace *t, nnc_opcode code, nn_v a, nn_v b, const nn_ast *at)
{
    nn_check_broadcast(t, a, b, at);
    bool predicate = code == NNC_OP_eq || code == NNC_OP_lt || code == NNC_OP_le;
    return result(t, a, b, nnc_g_binary(&t->b, code, a->ssa, b->ssa), a->weak && !predicate);
}

/* ---- dimensions as numbers ---- */

static nn_v dim_arithmetic(nn_trace *t, nn_operator op, nn_v a, nn_v b)
{
    nnc_dims *d = t->m->dims;
    int64_t y;
    switch (op) {
    case NN_OP_add: return nn_dim_value(t, nnc_dim_add(d, a->dim, b->dim));
    case NN_OP_sub: return nn_dim_value(t, nnc_dim_sub(d, a->dim, b->dim));
    case NN_OP_mul: return nn_dim_value(t, nnc_dim_mul(d, a->dim, b->dim));
    case NN_OP_floordiv:
    case NN_OP_mod:
        if (!nnc_dim_value(d, b->dim, &y) || y <= 0)
            return NULL;
        return nn_dim_value(t, op == NN_OP_mod ? nnc_dim_mod(d, a->dim, b->dim)
                                               : nnc_dim_floordiv(d, a->dim, b->dim));
    default: return NULL;
    }
}

/* ---- operators ---- */

static nn_v power_by_squaring(nn_trace *t, nn_v x, int64_t n, const nn_ast *at)
{
    nn_v y = NULL;
    for (nn_v square = x; n;
         square = n > 1 ? nn_apply(t, NNC_OP_mul, square, square, at) : square, n >>= 1)
        if (n & 1)
            y = y ? nn_apply(t, NNC_OP_mul, y, square, at) : square;
    return y;
}

/* A known integer as exponent: 2 as much as 2.0. */
static bool small_exponent(nn_trace *t, nn_v e, int64_t *n)
{
    double f;
    if (e->host || !nnc_value_is_const(t->m, e->ssa) || !nnc_value_number(t->m, e->ssa, &f))
        return false;
    *n = (int64_t)f;
    return (double)*n == f && *n >= -16 && *n <= 16;
}

static nn_v power(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    int64_t n;
    bool known = small_exponent(t, b, &n);
    bool integer = nn_kind_of(nn_dtype(t, b)) == 1;
    if (nn_kind_of(nn_dtype(t, a)) == 0)
        nn_fail(t, at->loc, "a bool has no powers");
    if (known && (integer || nnc_dtype_is_float(nn_dtype(t, a))) && !(n < 0 && n < -16)) {
        if (n < 0) {
            nn_v x = power_by_squaring(t, nn_to_float(t, a), -n, at), one = nn_int(t, 1);
            nn_promote(t, &one, &x, at);
            return nn_apply(t, NNC_OP_div, one, x, at);
        }
        if (n > 0)
            return power_by_squaring(t, a, n, at);
    }
    if (integer && nn_kind_of(nn_dtype(t, a)) == 1 && known && n < 0)
        a = nn_to_float(t, a);
    nn_promote(t, &a, &b, at);
    return nn_apply(t, NNC_OP_pow, a, b, at);
}

static nn_v floordiv(nn_trace *t, nn_v a, nn_v b, const nn_ast *at)
{
    if (nnc_dtype_is_float(nn_dtype(t, a))) {
        nn_v q = nn_apply(t, NNC_OP_div, a, b, at);
        return result(t, q, q, nnc_g_unary(&t->b, NNC_OP_floor, q->ssa), q->weak);
    }
    nn_v r = nn_apply(t, NNC_OP_rem, a, b, at);
    return nn_apply(t, NNC_OP_div, nn_apply(t, NNC_OP_sub, a, r, at), b, at);
}

static nn_v negated(nn_trace *t, nn_v x)
{
    return result(t, x, x, nnc_g_unary(&t->b, NNC_OP_not, x->ssa), false);
}

static nn_v compare(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at)
{
    nn_promote(t, &a, &b, at);
    if (nn_kind_of(nn_dtype(t, a)) == 0 && op != NN_OP_eq && op != NN_OP_ne)
        nn_fail(t, at->loc, "bools have no order; compare with == or !=");
    switch (op) {
    case NN_OP_eq: return nn_apply(t, NNC_OP_eq, a, b, at);
    case NN_OP_ne: return negated(t, nn_apply(t, NNC_OP_eq, a, b, at));
    case NN_OP_lt: return nn_apply(t, NNC_OP_lt, a, b, at);
    case NN_OP_le: return nn_apply(t, NNC_OP_le, a, b, at);
    case NN_OP_gt: return nn_apply(t, NNC_OP_lt, b, a, at);
    default: return nn_apply(t, NNC_OP_le, b, a, at);
    }
}

static void want_kind(nn_trace *t, nn_operator op, nn_v x, int kind, const nn_ast *at)
{
    int k = nn_kind_of(nn_dtype(t, x));
    if (kind == 0 ? k != 0 : k == 2)
        nn_fail(t, at->loc, "'%s' is for %s, this is %s%s", nn_operator_text[op],
                kind == 0 ? "bools" : "integers", nn_type_text(t, x),
                kind == 0 ? "; compare it first" : "");
}

static nn_v logic(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at)
{
    bool bits = op >= NN_OP_bitor && op <= NN_OP_shr;
    want_kind(t, op, a, bits, at);
    want_kind(t, op, b, bits, at);
    if (bits)
        nn_promote(t, &a, &b, at);
    nnc_opcode code = op == NN_OP_or || op == NN_OP_bitor     ? NNC_OP_or
                      : op == NN_OP_and || op == NN_OP_bitand ? NNC_OP_and
                      : op == NN_OP_xor                       ? NNC_OP_xor
                      : op == NN_OP_shl                       ? NNC_OP_shl
                                                              : NNC_OP_shr;
    return nn_apply(t, code, a, b, at);
}

static nn_v arithmetic(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at)
{
    if (op == NN_OP_div) {
        bool both = a->weak && b->weak;
        if (nn_kind_of(nn_dtype(t, a)) < 2 && nn_kind_of(nn_dtype(t, b)) < 2) {
            a = both || !a->weak ? nn_to_float(t, a) : nn_convert(t, a, nn_float_here(t));
            b = both || !b->weak ? nn_to_float(t, b) : nn_convert(t, b, nn_float_here(t));
        }
    }
    nn_promote(t, &a, &b, at);
    if (nn_kind_of(nn_dtype(t, a)) == 0)
        nn_fail(t, at->loc,
                "'%s' has no meaning for two bools; use and, or, xor, or convert with i32(..)",
                nn_operator_text[op]);
    switch (op) {
    case NN_OP_add: return nn_apply(t, NNC_OP_add, a, b, at);
    case NN_OP_sub: return nn_apply(t, NNC_OP_sub, a, b, at);
    case NN_OP_mul: return nn_apply(t, NNC_OP_mul, a, b, at);
    case NN_OP_div: return nn_apply(t, NNC_OP_div, a, b, at);
    case NN_OP_floordiv: return floordiv(t, a, b, at);
    default: return nn_apply(t, NNC_OP_rem, a, b, at);
    }
}

nn_v nn_binary(nn_trace *t, nn_operator op, nn_v a, nn_v b, const nn_ast *at)
{
    if (a->kind == NN_V_text || b->kind == NN_V_text || a->kind == NN_V_strings ||
        b->kind == NN_V_strings)
        return nn_compare_text(t, op, a, b, at);
    if (nn_is_leafwise(a) || nn_is_leafwise(b))
        return nn_binary_tree(t, op, a, b, at);
    a = nn_as_tensor(t, a, at);
    b = nn_as_tensor(t, b, at);
    nnc_loc old = t->b.loc;
    t->b.loc = at->loc;
    nn_v r = a->has_dim && b->has_dim ? dim_arithmetic(t, op, a, b) : NULL;
    if (!r)
        r = op == NN_OP_matmul                 ? nn_matmul(t, a, b, at)
            : op == NN_OP_pow                  ? power(t, a, b, at)
            : op >= NN_OP_eq && op <= NN_OP_ge ? compare(t, op, a, b, at)
            : op == NN_OP_or || op == NN_OP_and || (op >= NN_OP_bitor && op <= NN_OP_shr)
                ? logic(t, op, a, b, at)
                : arithmetic(t, op, a, b, at);
    t->b.loc = old;
    return r;
}

static nn_v unary_leaf(nn_trace *t, nn_operator op, nn_v a, const nn_ast *at)
{
    if (op == NN_OP_not) {
        want_kind(t, op, a, 0, at);
        return negated(t, a);
    }
    if (a->has_dim)
        return nn_dim_value(t, nnc_dim_sub(t->m->dims, 0, a->dim));
    if (a->is_key || nn_kind_of(nn_dtype(t, a)) == 0)
        nn_fail(t, at->loc, "%s cannot be negated", nn_type_text(t, a));
    return result(t, a, a, nnc_g_unary(&t->b, NNC_OP_neg, a->ssa), a->weak);
}

typedef struct unary_call {
    nn_operator op;
    const nn_ast *at;
} unary_call;

static nn_v unary_one(nn_trace *t, nn_v x, void *user)
{
    unary_call *c = user;
    return unary_leaf(t, c->op, x, c->at);
}

nn_v nn_unary(nn_trace *t, nn_operator op, nn_v a, const nn_ast *at)
{
    unary_call c = {op, at};
    if (nn_is_leafwise(a))
        return nn_map(t, a, unary_one, &c);
    return unary_leaf(t, op, nn_as_tensor(t, a, at), at);
}

typedef struct element_call {
    nnc_opcode op;
    const nn_ast *at;
} element_call;

static nn_v element_one(nn_trace *t, nn_v x, void *user)
{
    element_call *c = user;
    if (x->is_key)
        nn_fail(t, c->at->loc, "a key is not a number");
    x = nn_to_float(t, x);
    return result(t, x, x, nnc_g_unary(&t->b, c->op, x->ssa), x->weak);
}

nn_v nn_elementwise(nn_trace *t, nnc_opcode op, nn_v x, const nn_ast *at)
{
    element_call c = {op, at};
    return nn_is_leafwise(x) ? nn_map(t, x, element_one, &c)
                             : element_one(t, nn_as_tensor(t, x, at), &c);
}
