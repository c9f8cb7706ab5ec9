/* Partials as text: column `d` of ir/ops.def.
 *
 *     list    := compare (',' compare)*                      one per operand
 *     compare := sum (('<' | '==') sum)?
 *     sum     := product (('+' | '-') product)*
 *     product := unary (('*' | '/') unary)*
 *     unary   := '-' unary | atom
 *     atom    := number | name | name '(' compare (',' compare)* ')' | '(' compare ')'
 *
 * g is the cotangent of the result (or, forward, the tangent of the operand), x and y are the operands, r the result;
 * with one operand y is the result.  Called names are opcodes.  "0" alone is no contribution at all.  The text is read anew
 * wherever it is used: it is short, and a table of trees would be the same thing twice. */
#include "passes/autodiff/ad.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct formula {
    nnc_ad *ad; /* NULL: only check the text */
    const char *s;
    nnc_value g, x, y, r;
    bool bad;
} formula;

static nnc_value compare(formula *p);

static bool take(formula *p, const char *token)
{
    size_t n = strlen(token);
    while (*p->s == ' ')
        p->s++;
    if (strncmp(p->s, token, n) != 0)
        return false;
    p->s += n;
    return true;
}

static nnc_value op2(formula *p, nnc_opcode code, nnc_value a, nnc_value b)
{
    return p->ad ? nnc_ad_op2(p->ad, code, a, b) : (nnc_value){0};
}

/* A condition that is known picks its side. */
static nnc_value choose(formula *p, nnc_value c, nnc_value a, nnc_value b)
{
    int64_t known;
    if (nnc_value_idx(p->ad->m, c, &known))
        return known ? a : b;
    return nnc_g_select(&p->ad->b, c, a, b);
}

static nnc_value call(formula *p, const char *name, size_t len)
{
    nnc_value arg[3] = {{0}, {0}, {0}};
    unsigned n = 0;
    nnc_opcode code = nnc_opcode_by_name(name, len);

    do
        arg[n] = compare(p);
    while (++n < 3 && take(p, ","));
    if (!take(p, ")") || !code || nnc_op_infos[code].nin != (int)n)
        p->bad = true;
    if (p->bad || !p->ad)
        return (nnc_value){0};
    if (code == NNC_OP_select)
        return choose(p, arg[0], arg[1], arg[2]);
    return n == 1 ? nnc_ad_op1(p->ad, code, arg[0]) : op2(p, code, arg[0], arg[1]);
}

static nnc_value named(formula *p, const char *name, size_t len)
{
    if (len == 1)
        switch (*name) {
        case 'g': return p->g;
        case 'x': return p->x;
        case 'y': return p->y;
        case 'r': return p->r;
        default: break;
        }
    p->bad = true;
    return (nnc_value){0};
}

static nnc_value atom(formula *p)
{
    if (take(p, "(")) {
        nnc_value v = compare(p);
        p->bad |= !take(p, ")");
        return v;
    }
    if (isdigit((unsigned char)*p->s)) {
        char *end;
        double v = strtod(p->s, &end);
        p->s = end;
        return p->ad ? nnc_ad_like(p->ad, p->g, v) : (nnc_value){0};
    }
    const char *name = p->s;
    while (isalnum((unsigned char)*p->s))
        p->s++;
    size_t len = (size_t)(p->s - name);
    return take(p, "(") ? call(p, name, len) : named(p, name, len);
}

static nnc_value unary(formula *p)
{
    if (!take(p, "-"))
        return atom(p);
    nnc_value v = unary(p);
    return p->ad ? nnc_ad_op1(p->ad, NNC_OP_neg, v) : v;
}

static nnc_value product(formula *p)
{
    nnc_value v = unary(p);
    for (;;) {
        if (take(p, "*"))
            v = op2(p, NNC_OP_mul, v, unary(p));
        else if (take(p, "/"))
            v = op2(p, NNC_OP_div, v, unary(p));
        else
            return v;
    }
}

static nnc_value sum(formula *p)
{
    nnc_value v = product(p);
    for (;;) {
        if (take(p, "+"))
            v = op2(p, NNC_OP_add, v, product(p));
        else if (take(p, "-"))
            v = op2(p, NNC_OP_sub, v, product(p));
        else
            return v;
    }
}

static nnc_value compare(formula *p)
{
    nnc_value v = sum(p);
    if (take(p, "<"))
        return op2(p, NNC_OP_lt, v, sum(p));
    return take(p, "==") ? op2(p, NNC_OP_eq, v, sum(p)) : v;
}

bool nnc_ad_formula_check(const char *text, unsigned *n)
{
    formula p = {.s = text};

    *n = 0;
    do {
        compare(&p);
        ++*n;
    } while (!p.bad && take(&p, ","));
    return !p.bad && !*p.s;
}

/* ---- the two modes ---- */

/* Where the text of partial i begins. */
static const char *partial(const char *text, unsigned i)
{
    int depth = 0;
    for (; i; text++) {
        depth += (*text == '(') - (*text == ')');
        i -= *text == ',' && !depth;
    }
    return text + strspn(text, " ");
}

static bool is_zero(const char *text)
{
    return text[0] == '0' && (!text[1] || text[1] == ',');
}

static nnc_value eval(nnc_ad *x, nnc_op op, unsigned i, nnc_value g)
{
    const char *text = partial(nnc_op_infos[nnc_op_code(x->m, op)].d, i);
    formula p = {.ad = x, .s = text, .g = g, .x = nnc_op_in(x->m, op, 0)};

    if (is_zero(text))
        return (nnc_value){0};
    p.r = nnc_op_out(x->m, op, 0);
    p.y = nnc_op_nin(x->m, op) == 2 ? nnc_op_in(x->m, op, 1) : p.r;
    return compare(&p);
}

nnc_status nnc_ad_formula_vjp(nnc_ad *x, nnc_op op)
{
    nnc_value g = nnc_ad_get(x, nnc_op_out(x->m, op, 0));

    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++)
        if (nnc_ad_active(x, nnc_op_in(x->m, op, i)))
            nnc_ad_add(x, nnc_op_in(x->m, op, i), eval(x, op, i, g));
    return NNC_OK;
}

nnc_status nnc_ad_formula_jvp(nnc_ad *x, nnc_op op)
{
    nnc_value y = nnc_op_out(x->m, op, 0), t = {0};
    const nnc_type_rec ty = nnc_ad_ty(x, y);

    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++) {
        nnc_value dx = nnc_ad_get(x, nnc_op_in(x->m, op, i));
        nnc_value part = dx.id ? eval(x, op, i, dx) : dx;
        if (part.id)
            t = t.id ? nnc_ad_op2(x, NNC_OP_add, t, part) : part;
    }
    if (t.id)
        nnc_ad_set(x, y, nnc_ad_broadcast(x, t, &ty));
    return NNC_OK;
}
