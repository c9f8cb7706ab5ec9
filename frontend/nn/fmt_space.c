/* Blanks and good places for line breaks, from neighbouring tokens alone. */
#include "frontend/nn/fmt_piece.h"
#include "frontend/nn/parse.tab.h"
#include <string.h>

static int kind(const nn_text *x, uint32_t i)
{
    return i < x->n ? x->at[i].kind : 0;
}

static bool ends_operand(int k)
{
    switch (k) {
    case NN_T_IDENT:
    case NN_T_INT:
    case NN_T_FLOAT:
    case NN_T_STRING:
    case NN_T_TRUE:
    case NN_T_FALSE:
    case NN_T_HOLE:
    case ')':
    case ']':
    case '}':
    case '\'': return true;
    default: return false;
    }
}

bool nn_token_heads_block(int k)
{
    switch (k) {
    case NN_T_FN:
    case NN_T_FOR:
    case NN_T_IF:
    case NN_T_STATIC_IF:
    case NN_T_SWEEP:
    case NN_T_WHILE:
    case NN_T_EVERY:
    case NN_T_ELSE:
    case NN_T_BACKWARD:
    case NN_T_SUBJECT_TO: return true;
    default: return false;
    }
}

bool nn_piece_after_hint(const nn_text *x, uint32_t i)
{
    uint32_t last = i - 1;
    if (kind(x, last) == ')')
        last = x->at[last].pair - 1;
    return last > 1 && kind(x, last) == NN_T_IDENT && kind(x, last - 1) == '@' &&
           nn_piece_is_prefix(x, last - 1);
}

bool nn_piece_is_prefix(const nn_text *x, uint32_t i)
{
    const nn_piece *p = &x->at[i];
    if (p->kind != '-' && p->kind != '@')
        return false;
    return p->starts || !ends_operand(kind(x, i - 1)) ||
           (p->kind == '@' && nn_piece_after_hint(x, i));
}

/* `fixed<8, 4>`: these are brackets. */
static bool is_angle(const nn_text *x, uint32_t i)
{
    if (kind(x, i) == '<') {
        const nn_piece *p = &x->at[i - 1];
        return kind(x, i + 1) == NN_T_INT && kind(x, i + 2) == ',' && kind(x, i + 4) == '>' &&
               p->kind == NN_T_IDENT && p->at.end - p->at.begin == 5 &&
               !memcmp(x->text + p->at.begin, "fixed", 5);
    }
    return kind(x, i) == '>' && i > 4 && kind(x, i - 4) == '<' && is_angle(x, i - 4);
}

static bool binds_tighter(int k)
{
    switch (k) {
    case '*':
    case '/':
    case '%':
    case '@':
    case '^':
    case '.':
    case '\'':
    case NN_T_FLOORDIV: return true;
    default: return false;
    }
}

/* `3/10`, a number of its own: the / between two integers that nothing else binds. */
static bool is_fraction(const nn_text *x, uint32_t i)
{
    return kind(x, i) == '/' && kind(x, i - 1) == NN_T_INT && kind(x, i + 1) == NN_T_INT &&
           !binds_tighter(kind(x, i - 2)) && !binds_tighter(kind(x, i + 2));
}

bool nn_piece_is_postfix(const nn_text *x, uint32_t i)
{
    int k = kind(x, i), last = kind(x, i - 1);
    if ((k != '(' && k != '[') || x->at[i].starts)
        return false;
    return ends_operand(last) || last == '!' || (last == '>' && is_angle(x, i - 1));
}

bool nn_piece_has_space(const nn_text *x, uint32_t i)
{
    int k = kind(x, i), last = kind(x, i - 1);
    if (last == '(' || last == '[' || last == '.' || last == '!' || last == '^' ||
        nn_piece_is_prefix(x, i - 1) || is_angle(x, i) || is_fraction(x, i) ||
        is_fraction(x, i - 1))
        return false;
    if (is_angle(x, i - 1))
        return last == '>' && k != ',' && k != ')' && k != ']' && k != '[';
    switch (k) {
    case ',':
    case ')':
    case ']':
    case '.':
    case '\'':
    case '!':
    case '^': return false;
    case ':': return last == ',';
    case '(':
    case '[': return !nn_piece_is_postfix(x, i);
    case '}': return last != '{';
    case NN_T_DOTS: return !ends_operand(last);
    default: return last != NN_T_DOTS || k == NN_T_BY || k == '{';
    }
}

static bool continues(int k)
{
    return k == NN_T_WHERE || k == NN_T_OVER || k == NN_T_SUBJECT_TO || k == NN_T_ON ||
           k == NN_T_ARROW || k == NN_T_WITHIN || k == NN_T_BACKWARD || k == NN_T_ELSE;
}

bool nn_piece_may_break(const nn_text *x, uint32_t i)
{
    int k = kind(x, i), last = kind(x, i - 1);
    if (last == NN_T_IF && k == '[') /* `if [` on one line is another word */
        return true;
    if (continues(k) || k == 0)
        return true;
    if (nn_piece_is_postfix(x, i) || nn_piece_is_prefix(x, i - 1) || is_angle(x, i) ||
        is_angle(x, i - 1) || is_fraction(x, i) || is_fraction(x, i - 1))
        return false;
    switch (k) {
    case ',':
    case '.':
    case '!':
    case '\'':
    case '^':
    case ':':
    case '{':
    case NN_T_DOTS:
    case NN_T_BY: return last == ',' || last == '(' || last == '[';
    default: break;
    }
    return last != '.' && last != '!' && last != '^' && last != NN_T_DOTS && last != NN_T_FN;
}

/* Binary operators, loosest first; 0 for others. */
static unsigned looseness(int k)
{
    switch (k) {
    case NN_T_OR: return 1;
    case NN_T_AND: return 2;
    case NN_T_EQ:
    case NN_T_NE:
    case NN_T_LE:
    case NN_T_GE:
    case '<':
    case '>':
    case NN_T_WITHIN: return 3;
    case '|':
    case NN_T_XOR: return 4;
    case '&': return 5;
    case NN_T_SHL:
    case NN_T_SHR: return 6;
    case '+':
    case '-': return 7;
    case '*':
    case '/':
    case '%':
    case NN_T_FLOORDIV:
    case '@': return 8;
    default: return 0;
    }
}

enum { NEAR = 200 };

/* The `=` before the body of a function without a name, or with one: what follows likes a line of its own. */
static bool before_body(const nn_text *x, uint32_t i)
{
    int last = kind(x, i - 1);
    if (kind(x, i) != '=')
        return false;
    if (last == ')') {
        uint32_t open = x->at[i - 1].pair;
        if (kind(x, open - 1) == NN_T_FN || nn_piece_is_postfix(x, open))
            return true;
    }
    uint32_t first = i > NEAR ? i - NEAR : 1; /* no declaration is that far from its type */
    for (uint32_t j = i; j > first && j > x->at[i].outer && !x->at[j].starts; j--)
        if (x->at[j].depth == x->at[i].depth && kind(x, j) == NN_T_ARROW)
            return true;
    return false;
}

enum { LAST_RESORT = 1u << 24 };

unsigned nn_piece_break_rank(const nn_text *x, uint32_t i)
{
    int k = kind(x, i), last = kind(x, i - 1);
    unsigned level = x->at[i].depth * NN_RANKS, loose = looseness(last);
    if (is_angle(x, i) || is_angle(x, i - 1) || nn_piece_is_prefix(x, i - 1) ||
        is_fraction(x, i - 1))
        return 0;
    if (k == NN_T_OVER || k == NN_T_SUBJECT_TO || k == NN_T_WHERE)
        return level + 1;
    if (last == ',')
        return level + 2;
    if (last == ':' && x->at[i].depth == x->at[i - 1].depth && kind(x, i - 2) == NN_T_STRING)
        return level + 3; /* a claim behind its text */
    if (last == '=' && before_body(x, i - 1))
        return level + 3;
    if (loose)
        return level + 3 + loose;
    if ((last == '(' || last == '[') && k != ')' && k != ']')
        return level + 14;
    if (last == '=' || last == NN_T_AUGMENT || last == '~')
        return LAST_RESORT + level;
    return 0;
}
