/* Keys and draws.  The arithmetic is in ir/build_random.c; here are arguments, dtypes and the shift to lo, hi, mean. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/number.h"
#include "ir/philox.h"
#include <string.h>

static nnc_value op2(nn_trace *t, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_g_binary(&t->b, code, a, b);
}

static nn_v key_argument(nn_trace *t, const nn_bcall *c)
{
    nn_v k = nn_argument(t, c, "k");
    if (!k || k->kind != NN_V_tensor || !k->is_key)
        nn_fail_hint(t, nn_arg_at(t, c, "k")->loc, "key(3) makes a key of a number",
                     "%s needs a key, this is %s", c->self->name,
                     k ? nn_type_text(t, k) : "nothing");
    k = nn_thaw(t, k);
    return k;
}

static nn_v one_key(nn_trace *t, const nn_bcall *c)
{
    nn_v k = key_argument(t, c);
    if (nn_rank(t, k) != 0)
        nn_fail(t, nn_arg_at(t, c, "k")->loc,
                "%s draws with one key, this is %s; walk over them: for k in keys { .. }",
                c->self->name, nn_type_text(t, k));
    return k;
}

/* ---- making keys ---- */

/* The low and high word of a seed, or one folded index. */
static nnc_value seed_word(nn_trace *t, nnc_value v, bool high)
{
    if (high)
        v = op2(t, NNC_OP_shr, v, nnc_g_int(&t->b, NNC_DT_i64, 32));
    v = op2(t, NNC_OP_and, v, nnc_g_int(&t->b, NNC_DT_i64, 0xffffffffll));
    nnc_dim one = 1;
    return nnc_g_reshape(&t->b, nnc_g_cast(&t->b, v, NNC_DT_u32), 1, &one);
}

static nnc_value seed_number(nn_trace *t, const nn_arg *a)
{
    nn_v x = nn_as_tensor(t, a->v, a->node);
    if (nn_rank(t, x) != 0 || x->is_key ||
        (!nnc_dtype_is_int(nn_dtype(t, x)) && nn_dtype(t, x) != NNC_DT_bool))
        nn_fail(t, a->node->loc, "a seed is one integer, this is %s", nn_type_text(t, x));
    return nnc_g_cast(&t->b, x->ssa, NNC_DT_i64);
}

static nn_v key_of(nn_trace *t, nnc_value ssa)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = NN_V_tensor;
    v->ssa = ssa;
    v->is_key = true;
    return v;
}

/* key(s) are the two words of s; every further number is folded in. */
nn_v nn_b_key(nn_trace *t, const nn_bcall *c)
{
    const nn_arg *at;
    unsigned n = nn_arg_rest(t, c, &at);
    if (!n)
        nn_fail(t, c->at->loc, "key needs a seed: key(3), key(seed, i)");
    nnc_value seed = seed_number(t, &at[0]), word[2];
    word[0] = seed_word(t, seed, false);
    word[1] = seed_word(t, seed, true);
    nnc_value k = nnc_g_concat(&t->b, 2, word, 0);
    for (unsigned i = 1; i < n; i++) {
        nnc_value index = seed_number(t, &at[i]);
        k = nnc_g_fold_key(&t->b, k, 0, 1, &index);
    }
    return key_of(t, k);
}

/* The argument as it is written, before the mention folded anything into it. */
nn_v nn_b_same(nn_trace *t, const nn_bcall *c)
{
    key_argument(t, c);
    nn_v k = nn_thaw(t, nn_raw(t, nn_arg_at(t, c, "k")));
    if (k->kind != NN_V_tensor || !k->is_key)
        return key_argument(t, c);
    return k;
}

nn_v nn_b_next(nn_trace *t, const nn_bcall *c)
{
    return nn_like(t, key_argument(t, c),
                   nnc_g_fold_key(&t->b, key_argument(t, c)->ssa, 0, 0, NULL));
}

nn_v nn_b_fresh(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    nn_v k = one_key(t, c);
    if (s.rank == 0)
        return k;
    nn_shape flat = {.rank = 1, .dim = {nn_shape_size(t, &s)}};
    nn_v keys = key_of(t, nnc_g_split_key(&t->b, k->ssa, flat.dim[0]));
    return nn_reshape_to(t, keys, &s);
}

nn_v nn_b_split_key(nn_trace *t, const nn_bcall *c)
{
    if (!nn_static_shape(t, c).rank)
        nn_fail(t, c->at->loc, "split_key needs the number of keys: split_key[n](k)");
    return nn_b_fresh(t, c);
}

/* ---- draws ---- */

/* Broadcastable to the shape drawn? */
static nn_v parameter(nn_trace *t, const nn_bcall *c, const char *name, double dflt,
                      const nn_shape *s)
{
    nn_v x = nn_argument(t, c, name);
    if (!x)
        return nn_float(t, dflt);
    x = nn_as_tensor(t, x, nn_arg_at(t, c, name));
    nn_shape a = nn_shape_of(t, x);
    bool fits = a.rank <= s->rank && !x->is_key;
    for (int i = 1; fits && i <= a.rank; i++)
        fits = a.dim[a.rank - i] == 1 || a.dim[a.rank - i] == s->dim[s->rank - i];
    if (!fits)
        nn_fail(t, nn_arg_at(t, c, name)->loc,
                "'%s' is %s, which does not fit the shape %s that %s draws", name,
                nn_type_text(t, x), nn_shape_text(t, s), c->self->name);
    return x;
}

/* Draws have the dtype `float` of the signature around; f8 is no such dtype. */
static nnc_dtype drawn_dtype(nn_trace *t)
{
    nnc_dtype dt = nn_float_here(t);
    return dt == NNC_DT_f64 || dt == NNC_DT_f16 || dt == NNC_DT_bf16 ? dt : NNC_DT_f32;
}

static nn_v as_drawn(nn_trace *t, nn_v x, nnc_dtype dt)
{
    return nn_convert(t, nn_to_float(t, x), dt);
}

static bool is_number(nn_trace *t, nn_v x, double want)
{
    double v;
    return nnc_value_is_const(t->m, x->ssa) && nnc_value_number(t->m, x->ssa, &v) && v == want;
}

nn_v nn_b_uniform(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    nn_v k = one_key(t, c), lo = parameter(t, c, "lo", 0, &s), hi = parameter(t, c, "hi", 1, &s);
    nnc_dtype dt = drawn_dtype(t);
    nnc_value u = nnc_g_uniform(&t->b, k->ssa, dt, s.rank, s.dim);
    if (is_number(t, lo, 0) && is_number(t, hi, 1))
        return nn_tensor(t, u);
    lo = as_drawn(t, lo, dt);
    hi = as_drawn(t, hi, dt);
    u = op2(t, NNC_OP_mul, u, op2(t, NNC_OP_sub, hi->ssa, lo->ssa));
    return nn_tensor(t, op2(t, NNC_OP_add, u, lo->ssa));
}

nn_v nn_b_normal(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    nn_v k = one_key(t, c), mean = parameter(t, c, "mean", 0, &s);
    nn_v std = parameter(t, c, "std", 1, &s);
    nnc_dtype dt = drawn_dtype(t);
    nnc_value x = nnc_g_normal(&t->b, k->ssa, dt, s.rank, s.dim);
    if (!is_number(t, std, 1))
        x = op2(t, NNC_OP_mul, x, as_drawn(t, std, dt)->ssa);
    if (!is_number(t, mean, 0))
        x = op2(t, NNC_OP_add, x, as_drawn(t, mean, dt)->ssa);
    return nn_tensor(t, x);
}

nn_v nn_b_bernoulli(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    nn_v k = one_key(t, c), p = as_drawn(t, parameter(t, c, "p", 0.5, &s), drawn_dtype(t));
    return nn_tensor(t, nnc_g_bernoulli(&t->b, k->ssa, p->ssa, s.rank, s.dim));
}

nn_v nn_b_randint(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    nn_v k = one_key(t, c), lo = parameter(t, c, "lo", 0, &s), hi = parameter(t, c, "hi", 0, &s);
    int64_t a, b;
    nn_need_int(t, lo, nn_arg_at(t, c, "lo"), "the bounds of randint");
    nn_need_int(t, hi, nn_arg_at(t, c, "hi"), "the bounds of randint");
    if (nn_peek_int(t, lo, &a) && nn_peek_int(t, hi, &b) && (b <= a || b - a > (1ll << 32)))
        nn_fail(t, c->at->loc, "randint from %lld to %lld: expected 1 to 2^32 numbers",
                (long long)a, (long long)b);
    nnc_value l = nnc_g_cast(&t->b, lo->ssa, NNC_DT_i64),
              h = nnc_g_cast(&t->b, hi->ssa, NNC_DT_i64);
    return nn_index_result(t, nnc_g_randint(&t->b, k->ssa, l, h, s.rank, s.dim));
}

nn_v nn_b_permutation(nn_trace *t, const nn_bcall *c)
{
    nnc_dim n = nn_ask_dim(t, nn_static(t, c, "n"), nn_arg_at(t, c, "n"), "a size");
    return nn_index_result(t, nnc_g_permutation(&t->b, one_key(t, c)->ssa, n));
}

nn_v nn_b_categorical(nn_trace *t, const nn_bcall *c)
{
    nn_shape s = nn_static_shape(t, c);
    nn_v k = one_key(t, c), logits = nn_arg_tensor(t, c, "logits");
    const nn_ast *at = nn_arg_at(t, c, "logits");
    int rank = nn_rank(t, nn_need_float(t, logits, at, "the logits"));
    if (rank == 0)
        nn_fail(t, at->loc, "categorical needs the logits of the classes, this is %s",
                nn_type_text(t, logits));
    if (!nn_static_rest(t, c, &(const nn_arg *){NULL})) { /* one draw for each row */
        s = nn_shape_of(t, logits);
        s.rank--;
    }
    nn_shape lead = nn_shape_of(t, logits);
    lead.rank--;
    bool fits = lead.rank <= s.rank;
    for (int i = 1; fits && i <= lead.rank; i++)
        fits = lead.dim[lead.rank - i] == 1 || lead.dim[lead.rank - i] == s.dim[s.rank - i];
    if (!fits)
        nn_fail(t, at->loc, "logits of %s do not fit the shape %s that categorical draws",
                nn_type_text(t, logits), nn_shape_text(t, &s));
    logits =
        as_drawn(t, logits, logits->weak ? drawn_dtype(t) : nn_dtype(t, nn_to_float(t, logits)));
    return nn_index_result(t, nnc_g_categorical(&t->b, k->ssa, logits->ssa, s.rank, s.dim));
}
