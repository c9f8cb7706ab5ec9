/* Sums are walked down to their terms.  A product of two variables, a quotient, a remainder, a load is a term. */
#include "passes/linear.h"

static nnc_op idx_op(const nnc_module *m, nnc_value v)
{
    return nnc_value_ty(m, v)->dtype == NNC_DT_idx ? nnc_value_op(m, v) : (nnc_op){0};
}

/* v = a * k with a constant k? */
static bool is_multiple(const nnc_module *m, nnc_op d, nnc_value *a, int64_t *k)
{
    if (nnc_op_code(m, d) != NNC_OP_mul)
        return false;
    for (unsigned i = 0; i < 2; i++)
        if (nnc_value_idx(m, nnc_op_in(m, d, i), k)) {
            *a = nnc_op_in(m, d, 1 - i);
            return true;
        }
    return false;
}

bool nnc_linear_is_sum(const nnc_module *m, nnc_value v)
{
    nnc_op d = idx_op(m, v);
    nnc_value a;
    int64_t k;

    if (!d.id)
        return false;
    return nnc_op_code(m, d) == NNC_OP_add || nnc_op_code(m, d) == NNC_OP_sub ||
           is_multiple(m, d, &a, &k);
}

static void add_term(nnc_linear *l, nnc_value v, int64_t c)
{
    for (unsigned i = 0; i < l->n; i++)
        if (l->term[i].v.id == v.id) {
            l->term[i].c += c;
            return;
        }
    l->term[l->n].v = v;
    l->term[l->n++].c = c;
}

void nnc_linear_add(const nnc_module *m, nnc_linear *l, nnc_value v, int64_t c)
{
    int64_t k;
    nnc_value a;
    nnc_op d = idx_op(m, v);

    if (nnc_value_idx(m, v, &k)) {
        l->k += c * k;
    } else if (d.id && l->n + 2 < NNC_LINEAR_TERMS &&
               (nnc_op_code(m, d) == NNC_OP_add || nnc_op_code(m, d) == NNC_OP_sub)) {
        nnc_linear_add(m, l, nnc_op_in(m, d, 0), c);
        nnc_linear_add(m, l, nnc_op_in(m, d, 1), nnc_op_code(m, d) == NNC_OP_add ? c : -c);
    } else if (d.id && is_multiple(m, d, &a, &k)) {
        nnc_linear_add(m, l, a, c * k);
    } else {
        add_term(l, v, c);
    }
}

void nnc_linear_address(const nnc_module *m, nnc_linear *l, nnc_op op, unsigned first)
{
    const nnc_type_rec *t = nnc_value_ty(m, nnc_op_in(m, op, first - 1));

    for (unsigned i = 0; i < t->rank; i++)
        nnc_linear_add(m, l, nnc_op_in(m, op, first + i), t->stride[i]);
}

int64_t nnc_linear_coef(const nnc_module *m, nnc_value v, nnc_value var, bool *ok)
{
    nnc_value a;
    int64_t k;
    nnc_op d = nnc_value_op(m, v);

    if (v.id == var.id)
        return 1;
    if (!d.id)
        return 0;
    if (nnc_value_ty(m, v)->dtype == NNC_DT_idx) {
        nnc_opcode code = nnc_op_code(m, d);
        if (code == NNC_OP_add || code == NNC_OP_sub) {
            int64_t x = nnc_linear_coef(m, nnc_op_in(m, d, 0), var, ok),
                    y = nnc_linear_coef(m, nnc_op_in(m, d, 1), var, ok);
            return code == NNC_OP_add ? x + y : x - y;
        }
        if (is_multiple(m, d, &a, &k))
            return k * nnc_linear_coef(m, a, var, ok);
    }
    for (unsigned i = 0; i < nnc_op_nin(m, d);
         i++) /* any other way of depending on var is not linear */
        if (nnc_linear_coef(m, nnc_op_in(m, d, i), var, ok) != 0)
            *ok = false;
    return 0;
}
