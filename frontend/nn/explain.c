/* Messages of the parser: what was found, what could stand there, and a hint where one cause is likely.
 *
 * Tokens that together mean one thing are listed as that thing ("an expression", "an operator").  Hints are looked up
 * in the order of explain(): the first that applies is told. */
#include "frontend/nn/parser.h"
#include "frontend/nn/parse.tab.h"
#include <stdio.h>
#include <string.h>

/* ---- what could stand here --------------------------------------------------------------------------------------- */

/* If `sign` is expected, the words of the group are named by `as`. */
struct group {
    const char *sign, *as;
    const char *words; /* each with a blank before and behind */
};
static const struct group groups[] = {
    {"'import'", "a declaration",
     " end of file | 'import' | 'const' | 'type' | 'data' | 'fn' | 'module' | 'train' | "
     "'experiment' | 'test' | 'export' | 'target' | '@' "},
    {"'every'", "a statement",
     " 'every' | 'const' | 'var' | 'param' | 'state' | 'claim' | 'assert' | integer | number | "
     "string | name | 'fn' | 'for' | 'while' | 'if' | 'if [' | 'not' | 'true' | 'false' | 'sweep' "
     "| 'maximize' | 'minimize' | '(' | '[' | '-' | '@' | '{' "},
    {"integer", "an expression",
     " integer | number | string | name | 'fn' | 'for' | 'while' | 'if' | 'if [' | 'not' | 'true' "
     "| 'false' | 'sweep' | 'maximize' | 'minimize' | '(' | '[' | '-' | '@' | '..' | '_' "},
    {"'*'", "an operator",
     " 'or' | 'and' | '==' | '!=' | '<' | '>' | '<=' | '>=' | 'within' | '..' | '|' | 'xor' | '&' "
     "| '<<' | '>>' | '+' | '-' | '*' | '/' | '//' | '%' | '@' | '^' | '(' | '!' | '[' | '.' | "
     "'\\'' | '+=' | 'by' "},
    {"'~'", "an initial value", " '~' | '=' | '[' | '<' | '.' "},
};
enum { NGROUP = sizeof groups / sizeof *groups, MOST = 96, LISTED = 6 };

struct expected {
    const char *word[MOST + NGROUP];
    int n;
};

static bool expects(const struct expected *e, const char *word)
{
    for (int i = 0; i < e->n; i++)
        if (!strcmp(e->word[i], word))
            return true;
    return false;
}

static bool in_group(const struct group *g, const char *word)
{
    char key[40];
    snprintf(key, sizeof key, " %s ", word);
    return strstr(g->words, key) != NULL;
}

static void drop(struct expected *e, const char *word)
{
    int kept = 0;
    for (int i = 0; i < e->n; i++)
        if (strcmp(e->word[i], word))
            e->word[kept++] = e->word[i];
    e->n = kept;
}

static void fold(struct expected *e, const struct group *g)
{
    int kept = 0;
    if (!expects(e, g->sign))
        return;
    for (int i = 0; i < e->n; i++)
        if (!in_group(g, e->word[i]))
            e->word[kept++] = e->word[i];
    e->word[kept++] = g->as;
    e->n = kept;
}

static struct expected summary(const struct expected *all, bool quotes)
{
    struct expected e = *all;
    if (expects(&e, "'fn'") && expects(&e, "name") && !expects(&e, "integer")) {
        drop(&e, "'fn'");
        drop(&e, "name");
        drop(&e, "'('");
        e.word[e.n++] = "a type";
    }
    for (int g = 0; g < NGROUP; g++)
        fold(&e, &groups[g]);
    if (expects(&e, "')'") || expects(&e, "']'")) {
        drop(&e, "'='");
        drop(&e, "':'");
    }
    if (!expects(&e, "an operator")) { /* behind a type: it could be longer */
        drop(&e, "'<'");
        drop(&e, "'.'");
    }
    if (quotes) {
        drop(&e, "end of line");
        drop(&e, "end of file");
        e.word[e.n++] = "'}'";
    }
    if (expects(&e, "end of line"))
        drop(&e, "end of file");
    drop(&e, "'+='");
    return e;
}

static const char *join(nn_parser *cx, const struct expected *e)
{
    char *text = nnc_arena_alloc(cx->s->arena, 64 * (size_t)LISTED);
    size_t n = 0;
    for (int i = 0; i < e->n; i++)
        n += (size_t)snprintf(text + n, 64 * (size_t)LISTED - n, "%s%s",
                              i == 0         ? ", expected "
                              : i + 1 < e->n ? ", "
                                             : " or ",
                              e->word[i]);
    return text;
}

/* ---- looking around the mistake ---------------------------------------------------------------------------------- */

static const nn_token *token(const nn_parser *cx, uint32_t i)
{
    return &cx->token.at[i < cx->token.n ? i : cx->token.n - 1];
}

static bool is_close(int k)
{
    return k == ')' || k == ']' || k == '}';
}

/* The open ( or [ around token i that has no partner; 0 if there is none in its statement. */
static uint32_t unclosed(const nn_parser *cx, uint32_t i)
{
    while (--i > 0) {
        const nn_token *t = token(cx, i);
        if (is_close(t->kind) && t->match != NN_UNMATCHED)
            while (i > 1 && token(cx, i)->at.begin != t->match)
                i--; /* over the group that ends here */
        else if (t->kind == NN_T_NL || t->kind == '{')
            return 0;
        else if ((t->kind == '(' || t->kind == '[') && t->match == NN_UNMATCHED)
            return i;
    }
    return 0;
}

/* One mistake per statement: what comes after the first is often its echo. */
static bool is_echo(nn_parser *cx, uint32_t i)
{
    uint32_t start = token(cx, i)->statement;
    for (uint32_t k = 0; k < cx->told.n; k++)
        if (cx->told.at[k] == start)
            return true;
    NNC_PUSH(cx->s->arena, &cx->told, start);
    return false;
}

/* Whether the statement up to i has a token of this kind. */
static bool has_before(const nn_parser *cx, uint32_t i, int kind)
{
    for (; i > 1 && token(cx, i)->kind != NN_T_NL && token(cx, i)->kind != '{' &&
           token(cx, i)->kind != '}';
         i--)
        if (token(cx, i)->kind == kind)
            return true;
    return false;
}

static bool touching(const nn_parser *cx, uint32_t i)
{
    return token(cx, i - 1)->at.end == token(cx, i)->at.begin;
}

static bool is_reserved(const nn_parser *cx, const nn_token *t)
{
    nn_word_class which;
    nn_word(cx->file->text + t->at.begin, t->at.end - t->at.begin, &which);
    return which == NN_WORD_RESERVED;
}

/* ---- hints ------------------------------------------------------------------------------------------------------- */

/* Words of other languages, met before the token that did not fit. */
static const struct {
    const char *word, *hint;
} foreign[] = {
    {"return", "there is no 'return': the last expression of a block is its value"},
    {"let", "a name is given a value by 'name = ..'; 'var name = ..' if a loop changes it"},
    {"val", "a name is given a value by 'name = ..'; 'var name = ..' if a loop changes it"},
    {"def", "a function is declared by 'fn name(..) = ..'"},
    {"func", "a function is declared by 'fn name(..) = ..'"},
    {"function", "a function is declared by 'fn name(..) = ..'"},
    {"lambda", "a function without a name is 'fn (x) = ..'"},
    {"class", "parameters and code are declared by 'module name(..)', a record type by 'type'"},
    {"struct", "a record type is declared by 'type name = (a: f32, b: i32)'"},
    {"elif", "write 'else if'"},
    {"elseif", "write 'else if'"},
    {"elsif", "write 'else if'"},
    {"from", "a file is imported by 'import \"path\"'"},
    {"include", "a file is imported by 'import \"path\"'"},
    {"using", "a file is imported by 'import \"path\"'"},
    {"print", "effects are calls: print(..)"},
    {"then", "the branches of 'if' stand in braces: if c { a } else { b }"},
    {"do", "the body of a loop stands in braces: for x in xs { .. }"},
    {"is", "'==' compares"},
};

static const char *foreign_word(const nn_parser *cx, uint32_t i)
{
    for (uint32_t k = i; k + 1 >= i && k > 0; k--)
        for (size_t f = 0; f < sizeof foreign / sizeof *foreign; f++)
            if (token(cx, k)->kind == NN_T_IDENT &&
                nn_span_is(cx, token(cx, k)->at, foreign[f].word))
                return foreign[f].hint;
    return NULL;
}

/* Operators of other languages: two tokens written as one. */
static const struct {
    int first, second;
    const char *hint;
} doubled[] = {
    {'&', '&', "both must hold: 'and'"},
    {'|', '|', "one must hold: 'or'"},
    {'*', '*', "powers are written x^y"},
    {'+', '+', "there is no '++'; write 'x += 1'"},
    {NN_T_EQ, '=', "'==' compares"},
    {':', '=', "a name is given a value by 'name = ..'"},
    {'=', '>', "a function without a name is 'fn (x) = ..'"},
    {NN_T_FLOORDIV, '/', "a comment starts with '#'"},
    {'/', '*', "a comment starts with '#'"},
};

static const char *doubled_at(const nn_parser *cx, uint32_t i)
{
    for (size_t d = 0; d < sizeof doubled / sizeof *doubled; d++)
        if (token(cx, i)->kind == doubled[d].second && token(cx, i - 1)->kind == doubled[d].first &&
            touching(cx, i))
            return doubled[d].hint;
    return NULL;
}

static const char *doubled_operator(const nn_parser *cx, uint32_t i)
{
    const char *text = doubled_at(cx, i);
    return text || i + 1 == cx->token.n ? text : doubled_at(cx, i + 1);
}

static const char *wrong_place(int kind, bool in_file)
{
    switch (kind) {
    case NN_T_IMPORT:
    case NN_T_TYPE:
    case NN_T_DATA:
    case NN_T_MODULE:
    case NN_T_TRAIN:
    case NN_T_EXPERIMENT:
    case NN_T_TEST:
    case NN_T_EXPORT:
    case NN_T_TARGET:
        return in_file ? NULL : "declarations stand at the top of a file, not inside braces";
    case NN_T_PARAM:
    case NN_T_STATE: return "parameters and state belong into the braces of a module";
    case NN_T_CLAIM: return "claims stand in experiments and tests";
    case NN_T_EVERY: return "'every' stands in the braces of 'train'";
    case NN_T_VAR:
    case NN_T_IDENT:
        return in_file ? "at the top of a file a value is 'const name = ..' or 'data name = ..'; "
                         "other statements stand in braces"
                       : NULL;
    default: return NULL;
    }
}

/* `experiment {`: the word is one only with a name behind it. */
static const char *nameless(nn_parser *cx, const nn_token *t)
{
    nn_word_class which;
    size_t n = t->at.end - t->at.begin;
    nn_word(cx->file->text + t->at.begin, n, &which);
    if (t->kind != NN_T_IDENT || which != NN_WORD_SOFT)
        return NULL;
    return nnc_arena_printf(cx->s->arena, "'%.*s' needs a name behind it", (int)n,
                            cx->file->text + t->at.begin);
}

static const char *number_hint(const nn_parser *cx, uint32_t i)
{
    int k = token(cx, i)->kind, last = token(cx, i - 1)->kind;
    bool number = k == NN_T_INT || k == NN_T_FLOAT;
    if (last == '.' && number && i > 2)
        return token(cx, i - 2)->at.end == token(cx, i - 1)->at.begin
                   ? "part i of a tuple is t[i]"
                   : "a number has digits on both sides of its point: 0.5";
    if ((k == '.' && token(cx, i + 1)->kind == NN_T_INT) ||
        (last == '.' && i > 2 && token(cx, i - 2)->kind == NN_T_INT))
        return "a number has digits on both sides of its point: 0.5 and 1.0";
    return NULL;
}

static const char *operand_hint(int k)
{
    switch (k) {
    case '\'': return "strings stand between double quotes";
    case '{': return "braces hold statements; a record is (a = 1, b = 2), a list [1, 2]";
    case '!': return "a bool is turned over by 'not'";
    case NN_T_NOT: return "'not' is looser than the operator before it; put it in parentheses";
    case NN_T_FN:
    case NN_T_MAXIMIZE:
    case NN_T_MINIMIZE: return "this extends as far as it can; put it in parentheses";
    case NN_T_FLOORDIV: return "a comment starts with '#'";
    default: return NULL;
    }
}

static const char *header_hint(const nn_parser *cx, uint32_t i, const struct expected *e)
{
    int k = token(cx, i)->kind, last = token(cx, i - 1)->kind;
    if (expects(e, "'on'"))
        return "a training names the rows it draws from: train fit(net, k: key) on rows { .. }";
    if (k == ':' && expects(e, "'->'"))
        return "the type of a result follows '->'";
    if (k == NN_T_IDENT && last == NN_T_IMPORT)
        return "the path stands in quotes";
    if (last == NN_T_CLAIM)
        return "a claim begins with its text: claim \"text\": condition";
    if (k == NN_T_IDENT && last == NN_T_FN && expects(e, "'('"))
        return "named functions are declared at the top of a file; here write 'name = fn (..) ..'";
    if (k == NN_T_ELSE)
        return "'else' follows the '}' of its 'if'";
    return NULL;
}

static const char *equals_hint(const nn_parser *cx, uint32_t i)
{
    static const int tests[] = {NN_T_IF,  NN_T_STATIC_IF, NN_T_WHILE, NN_T_ASSERT, NN_T_CLAIM,
                                NN_T_AND, NN_T_OR,        NN_T_NOT,   NN_T_WHERE};
    if (token(cx, i)->kind != '=')
        return NULL;
    for (size_t k = 0; k < sizeof tests / sizeof *tests; k++)
        if (has_before(cx, i, tests[k]))
            return "'=' gives a name its value; '==' compares";
    return NULL;
}

/* A soft word that is a name here because no name follows it. */
static const char *soft_hint(nn_parser *cx, uint32_t i)
{
    const nn_token *t = token(cx, i - 1);
    nn_word_class which;
    int last = token(cx, i - 2)->kind;
    if (i < 2 || t->kind != NN_T_IDENT || (last != NN_T_NL && last != '{'))
        return NULL;
    size_t n = t->at.end - t->at.begin;
    nn_word(cx->file->text + t->at.begin, n, &which);
    if (which != NN_WORD_SOFT)
        return NULL;
    return nnc_arena_printf(cx->s->arena,
                            "'%.*s' is a word of the language only before a name, a number or a "
                            "string; here it is a name",
                            (int)n, cx->file->text + t->at.begin);
}

static const char *hint(nn_parser *cx, uint32_t i, const struct expected *e)
{
    const nn_token *t = token(cx, i);
    const char *text;
    bool in_file = expects(e, "'import'");
    if ((text = equals_hint(cx, i)) || (text = doubled_operator(cx, i)) ||
        (text = header_hint(cx, i, e)) || (text = foreign_word(cx, i)) ||
        (text = number_hint(cx, i)))
        return text;
    if (is_reserved(cx, t) &&
        ((expects(e, "name") && !expects(e, "integer")) || token(cx, i + 1)->kind == '='))
        return nnc_arena_printf(cx->s->arena, "'%.*s' is a reserved word; choose another name",
                                (int)(t->at.end - t->at.begin), cx->file->text + t->at.begin);
    if (expects(e, "integer") && (text = operand_hint(t->kind)))
        return text;
    if (in_file && (text = nameless(cx, t)))
        return text;
    if ((expects(e, "'every'") || in_file) && (text = wrong_place(t->kind, in_file)))
        return text;
    if (t->kind == ':' && expects(e, "']'"))
        return "a range is written a..b";
    if (is_close(t->kind) && t->match == NN_UNMATCHED)
        return "nothing is open that this could close";
    return soft_hint(cx, i);
}

/* ---- the message ------------------------------------------------------------------------------------------------- */

static const char *found_text(nn_parser *cx, const nn_token *t, const char *name)
{
    int n = (int)(t->at.end - t->at.begin);
    const char *p = cx->file->text + t->at.begin;
    switch (t->kind) {
    case NN_T_IDENT: return nnc_arena_printf(cx->s->arena, "name '%.*s'", n > 40 ? 40 : n, p);
    case NN_T_INT:
    case NN_T_FLOAT: return nnc_arena_printf(cx->s->arena, "number '%.*s'", n > 40 ? 40 : n, p);
    case NN_T_AUGMENT: return nnc_arena_printf(cx->s->arena, "'%.*s'", n, p);
    case NN_T_STATIC_IF: return "'if'";
    case '\'': return "\"'\"";
    case 0: return cx->quotes ? "end of the value" : name;
    default: return name;
    }
}

void nn_unexpected(nn_parser *cx, uint32_t i, const char *found, const char *const *expected, int n)
{
    const nn_token *t = token(cx, i);
    struct expected all = {.n = 0};
    if (t->made || cx->too_deep || is_echo(cx, i))
        return; /* follows from a mistake that has been reported */
    for (int k = 0; k < n && k < MOST; k++)
        all.word[all.n++] = expected[k];
    struct expected e = summary(&all, cx->quotes && expects(&all, "end of file"));
    nn_mistake(cx, t->at, "unexpected %s%s", found_text(cx, t, found),
               e.n <= LISTED ? join(cx, &e) : "");
    if (t->kind == '{') /* what is taken for a block now was meant as something else */
        NNC_PUSH(cx->s->arena, &cx->told, i + 1);
    const char *text = hint(cx, i, &all);
    if (text)
        nn_remark(cx, t->at, "%s", text);
    uint32_t open = unclosed(cx, i);
    if (open)
        nn_remark(cx, token(cx, open)->at, "'%c' opened here is not closed", token(cx, open)->kind);
}
