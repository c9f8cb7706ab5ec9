/* Line rules: raw tokens in, the parser's tokens out.
 *
 * All that depends on more than one character is decided here, on an array that can be looked at in both directions:
 * which partner a bracket has, which names are words in their place, and where a statement ends (NN_T_NL).  The grammar
 * is then free of conflicts and of feedback from parser to scanner.
 *
 * Brackets that have no partner are known before parsing starts.  An open ( or [ without one does not keep the lines
 * after it together, so the mistake is met at the end of its own line.  A declaration at the left margin closes
 * whatever is open: then the missing } is reported here and put in. */
#include "frontend/nn/parser.h"
#include "frontend/nn/parse.tab.h"
#include <string.h>

static const struct {
    const char *text;
    int token;
    nn_word_class which;
} words[] = {
#define KEYWORD(text, token, which) {text, NN_T_##token, NN_WORD_##which},
#include "frontend/nn/keywords.def"
};
enum { NWORD = sizeof words / sizeof *words };

int nn_word(const char *text, size_t size, nn_word_class *which)
{
    size_t low = 0, high = NWORD;
    while (low < high) { /* the table is sorted */
        size_t mid = (low + high) / 2;
        int d = strncmp(text, words[mid].text, size);
        if (d == 0 && words[mid].text[size])
            d = -1;
        if (d == 0) {
            *which = words[mid].which;
            return words[mid].token;
        }
        if (d < 0)
            high = mid;
        else
            low = mid + 1;
    }
    *which = NN_WORD_NAME;
    return NN_T_IDENT;
}

bool nn_span_is(const nn_parser *cx, nn_span at, const char *word)
{
    size_t n = strlen(word);
    return at.end - at.begin == n && !memcmp(cx->file->text + at.begin, word, n);
}

static int word_of(const nn_parser *cx, const nn_token *t, nn_word_class *which)
{
    return nn_word(cx->file->text + t->at.begin, t->at.end - t->at.begin, which);
}

/* ---- what kinds of token can do ---------------------------------------------------------------------------------- */

static bool ends_operand(int k)
{
    return k == NN_T_IDENT || k == NN_T_INT || k == NN_T_FLOAT || k == NN_T_STRING ||
           k == NN_T_TRUE || k == NN_T_FALSE || k == NN_T_HOLE || k == ')' || k == ']' ||
           k == '}' || k == '\'';
}

/* A type may be `fn` and a static list may end in `..`, but those are never the last word of a line that matters;
 * `>` closes `fixed<8, 4>`, which the caller asks about. */
static bool ends_statement(int k)
{
    return ends_operand(k) && k != NN_T_HOLE;
}

static bool is_close(int k)
{
    return k == ')' || k == ']' || k == '}';
}

/* Tokens that go on with the statement of the line before. */
static bool continues(int k)
{
    switch (k) {
    case ',':
    case NN_T_ELSE:
    case NN_T_OVER:
    case NN_T_SUBJECT_TO:
    case NN_T_WHERE:
    case NN_T_WITHIN:
    case NN_T_BACKWARD:
    case NN_T_ON:
    case NN_T_ARROW: return true;
    default: return false;
    }
}

/* Operators that can only stand between operands: no statement starts with one. */
static bool is_infix(int k)
{
    switch (k) {
    case '+':
    case '*':
    case '/':
    case '%':
    case '^':
    case '|':
    case '&':
    case '<':
    case '>':
    case '=':
    case '.':
    case NN_T_EQ:
    case NN_T_NE:
    case NN_T_LE:
    case NN_T_GE:
    case NN_T_SHL:
    case NN_T_SHR:
    case NN_T_AND:
    case NN_T_OR:
    case NN_T_XOR:
    case NN_T_AUGMENT: return true;
    default: return false;
    }
}

/* ---- names that are words ---------------------------------------------------------------------------------------- */

/* A name, a number or a string stands after token i on its line. */
static bool operand_follows(const nn_parser *cx, uint32_t i)
{
    const nn_token *t = &cx->raw.at[i + 1];
    nn_word_class which;
    if (t->before)
        return false;
    switch (t->kind) {
    case NN_T_INT:
    case NN_T_FLOAT:
    case NN_T_STRING: return true;
    case NN_T_HOLE: return true;
    case NN_T_IDENT: word_of(cx, t, &which); return which != NN_WORD_RESERVED || t[1].kind == '=';
    default: return false;
    }
}

/* After `assert` and `every` an expression may also start with a word. */
static bool word_operand_follows(const nn_parser *cx, uint32_t i)
{
    const nn_token *t = &cx->raw.at[i + 1];
    nn_word_class which;
    if (t->before || t->kind != NN_T_IDENT)
        return false;
    int k = word_of(cx, t, &which);
    return k == NN_T_NOT || k == NN_T_TRUE || k == NN_T_FALSE || k == NN_T_IF || k == NN_T_FOR;
}

static bool at_margin(const nn_parser *cx, const nn_token *t)
{
    return t->at.begin == 0 || cx->file->text[t->at.begin - 1] == '\n';
}

/* `fn name`, `module name`, ... at the left margin: a declaration, whatever is open before it. */
static bool declares_at_margin(const nn_parser *cx, uint32_t i)
{
    const nn_token *t = &cx->raw.at[i];
    nn_word_class which;
    if (t->kind != NN_T_IDENT || !at_margin(cx, t) || !operand_follows(cx, i))
        return false;
    switch (word_of(cx, t, &which)) {
    case NN_T_FN:
    case NN_T_MODULE:
    case NN_T_TRAIN:
    case NN_T_EXPERIMENT:
    case NN_T_TEST:
    case NN_T_EXPORT:
    case NN_T_TARGET:
    case NN_T_IMPORT:
    case NN_T_TYPE:
    case NN_T_DATA: return true;
    default:
        /* `export fn` : the word after it is reserved */
        return false;
    }
}

static bool exports_at_margin(const nn_parser *cx, uint32_t i)
{
    const nn_token *t = &cx->raw.at[i];
    nn_word_class which;
    return t->kind == NN_T_IDENT && at_margin(cx, t) && nn_span_is(cx, t->at, "export") &&
           !t[1].before && t[1].kind == NN_T_IDENT && word_of(cx, &t[1], &which) == NN_T_FN;
}

static bool is_declaration(const nn_parser *cx, uint32_t i)
{
    return declares_at_margin(cx, i) || exports_at_margin(cx, i);
}

/* ---- brackets ---------------------------------------------------------------------------------------------------- */

static int opener_of(int close)
{
    return close == ')' ? '(' : close == ']' ? '[' : '{';
}

/* Nothing is read beyond a depth that no tree may have. */
static void cut(nn_parser *cx, uint32_t i)
{
    nn_mistake(cx, cx->raw.at[i].at, "brackets are nested more than %d deep", NN_MAX_DEPTH);
    cx->too_deep = true;
    cx->raw.at[i].kind = 0;
    cx->raw.n = i + 1;
}

/* Blanks before the first token of the line that token i stands on. */
static uint32_t indent(const nn_parser *cx, uint32_t i)
{
    while (i > 1 && !(cx->raw.at[i].before & NN_NEWLINE))
        i--;
    const char *p = cx->file->text;
    uint32_t b = cx->raw.at[i].at.begin;
    while (b > cx->region.begin && p[b - 1] != '\n')
        b--;
    return cx->raw.at[i].at.begin - b;
}

typedef NNC_BUF(uint32_t) nn_stack; /* raw tokens that are open brackets */

/* Where in the stack the partner of token i is, counted from 1; 0: nowhere.  The nearest of its kind counts, ( and [
 * are not looked for beyond a {.  Laid out: a } that starts its line belongs to a { of a line indented like it. */
static uint32_t find_partner(const nn_parser *cx, const nn_stack *open, uint32_t i, bool laid_out)
{
    int k = cx->raw.at[i].kind;
    uint32_t j = open->n, own = 0;
    if (laid_out && k == '}' && cx->raw.at[i].before & NN_NEWLINE) {
        own = indent(cx, i);
        for (; j > 0; j--)
            if (cx->raw.at[open->at[j - 1]].kind == '{' && indent(cx, open->at[j - 1]) == own)
                return j;
        j = open->n;
    }
    while (j > 0 && cx->raw.at[open->at[j - 1]].kind != opener_of(k) &&
           (k == '}' || cx->raw.at[open->at[j - 1]].kind != '{'))
        j--;
    return j > 0 && cx->raw.at[open->at[j - 1]].kind == opener_of(k) ? j : 0;
}

static void pair(nn_parser *cx, uint32_t open, uint32_t close)
{
    nn_token *o = &cx->raw.at[open], *c = &cx->raw.at[close];
    o->pair = close;
    o->match = c->at.begin;
    c->match = o->at.begin;
}

/* Pair the brackets of one declaration; false when a { stays open. */
static bool match_part(nn_parser *cx, nn_stack *open, uint32_t from, uint32_t to, bool laid_out)
{
    open->n = 0;
    for (uint32_t i = from; i < to; i++) {
        int k = cx->raw.at[i].kind;
        cx->raw.at[i].match = NN_UNMATCHED;
        if (k == '(' || k == '[' || k == '{') {
            NNC_PUSH(cx->s->arena, open, i);
            if (open->n > NN_MAX_DEPTH) {
                cut(cx, i);
                return true;
            }
        } else if (is_close(k)) {
            uint32_t j = find_partner(cx, open, i, laid_out);
            if (j)
                pair(cx, open->at[j - 1], i);
            if (j)
                open->n = j - 1;
        }
    }
    for (uint32_t j = 0; j < open->n; j++)
        if (cx->raw.at[open->at[j]].kind == '{')
            return false;
    return true;
}

/* When a brace is missing, the indentation tells better which one than the order does. */
static void match_brackets(nn_parser *cx)
{
    nn_stack open = {0};
    for (uint32_t from = 1, to; from < cx->raw.n; from = to) {
        for (to = from + 1; to < cx->raw.n && !is_declaration(cx, to);)
            to++;
        if (!match_part(cx, &open, from, to, false))
            match_part(cx, &open, from, to, true);
    }
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

struct level { /* one per open bracket, and the file itself */
    int bracket;
    nn_span at;
    uint32_t column;  /* where the present statement starts */
    uint32_t pending; /* objectives whose `over` is still to come */
    uint32_t first;   /* the first token of that statement, in nn_parser.token */
};
struct walk {
    nn_parser *cx;
    NNC_BUF(struct level) level;
    uint32_t hint_end; /* the raw token after a complete hint, or 0 */
    uint32_t on;       /* the raw token that is the `on` of a training, or 0 */
    uint32_t line;     /* where the line of the present token begins */
};

static struct level *top(const struct walk *w)
{
    return &w->level.at[w->level.n - 1];
}

static uint32_t column(const struct walk *w, const nn_token *t)
{
    return t->at.begin - w->line;
}

static int last_kind(const struct walk *w)
{
    return w->cx->token.at[w->cx->token.n - 1].kind;
}

/* `by` after a range: the place of an operand is taken, or after a bare `..` the step itself follows. */
static bool is_step(const struct walk *w, uint32_t i)
{
    int last = last_kind(w), next = w->cx->raw.at[i + 1].kind;
    if (last == NN_T_DOTS)
        return next == NN_T_IDENT || next == NN_T_INT || next == '(';
    return ends_operand(last);
}

/* What the word at raw token i is here. `starts`: a statement begins with it.  `fresh`: on a new line. */
static int place_word(struct walk *w, uint32_t i, bool starts, bool fresh)
{
    nn_parser *cx = w->cx;
    nn_word_class which;
    int last = last_kind(w), k = word_of(cx, &cx->raw.at[i], &which);
    if (last == '.')
        return NN_T_IDENT;
    if (k == NN_T_IF)
        return cx->raw.at[i + 1].kind == '[' && !cx->raw.at[i + 1].before ? NN_T_STATIC_IF : k;
    if (k == NN_T_WHERE) {
        bool call = cx->raw.at[i + 1].kind == '(' && !cx->raw.at[i + 1].before;
        return call && (fresh || !ends_operand(last)) ? NN_T_IDENT : k;
    }
    if (which == NN_WORD_SOFT) {
        bool follows = operand_follows(cx, i) ||
                       ((k == NN_T_ASSERT || k == NN_T_EVERY) && word_operand_follows(cx, i)) ||
                       (k == NN_T_EXPORT && exports_at_margin(cx, i)) ||
                       (k == NN_T_EXPORT && nn_span_is(cx, cx->raw.at[i + 1].at, "fn"));
        return starts && follows ? k : NN_T_IDENT;
    }
    if (which != NN_WORD_PLACED)
        return k;
    if (k == NN_T_BY)
        return is_step(w, i) && !fresh ? k : NN_T_IDENT;
    if (k == NN_T_AS)
        return last == NN_T_STRING && !fresh && cx->token.n > 1 &&
                       cx->token.at[cx->token.n - 2].kind == NN_T_IMPORT
                   ? k
                   : NN_T_IDENT;
    if (k == NN_T_ON)
        return i == w->on ? k : NN_T_IDENT;
    if (top(w)->pending && ends_operand(last)) { /* over */
        top(w)->pending--;
        return k;
    }
    return NN_T_IDENT;
}

/* Raw token i is `train`: its `on` stands after name, statics and arguments. */
static uint32_t find_on(const nn_parser *cx, uint32_t i)
{
    i += 2;
    for (int part = 0; part < 2 && i < cx->raw.n; part++)
        if (cx->raw.at[i].kind == (part ? '(' : '[')) {
            i = cx->raw.at[i].pair;
            if (!i)
                return 0;
            i++;
        }
    return i < cx->raw.n && nn_span_is(cx, cx->raw.at[i].at, "on") ? i : 0;
}

static void emit(struct walk *w, int kind, nn_span at, uint32_t match, bool made)
{
    NNC_PUSH(w->cx->s->arena, &w->cx->token,
             (nn_token){
                 .kind = kind, .at = at, .match = match, .statement = top(w)->first, .made = made});
}

/* A bracket opens; within braces a new statement starts. */
static void open_level(struct walk *w, int kind, nn_span at)
{
    uint32_t first = kind == '{' ? w->cx->token.n : top(w)->first;
    NNC_PUSH(w->cx->s->arena, &w->level, (struct level){.bracket = kind, .at = at, .first = first});
}

/* Follow brackets, objectives and hints after token i was emitted as `kind`. */
static void track(struct walk *w, uint32_t i, int kind)
{
    nn_parser *cx = w->cx;
    const nn_token *t = &cx->raw.at[i];
    switch (kind) {
    case '(':
    case '[':
        if (t->match == NN_UNMATCHED)
            break; /* fall through to { */
    /* fallthrough */
    case '{': open_level(w, kind, t->at); break;
    case ')':
    case ']':
    case '}':
        if (t->match != NN_UNMATCHED)
            w->level.n--;
        break;
    case NN_T_TRAIN: w->on = find_on(cx, i); break;
    case NN_T_MAXIMIZE:
    case NN_T_MINIMIZE: top(w)->pending++; break;
    default: break;
    }
}

/* `@name` or `@name(..)` where an operand could stand: returns the raw token after it. */
static uint32_t hint_end(const nn_parser *cx, uint32_t i)
{
    if (cx->raw.at[i + 1].kind != NN_T_IDENT || cx->raw.at[i + 1].before)
        return 0;
    if (cx->raw.at[i + 2].kind != '(' || cx->raw.at[i + 2].before)
        return i + 2;
    uint32_t c = cx->raw.at[i + 2].pair;
    return c ? c + 1 : 0;
}

/* Close what is open above level n before token i: braces that are not closed in the file. */
static void close_above(struct walk *w, uint32_t i, uint32_t n)
{
    nn_parser *cx = w->cx;
    const nn_token *t = &cx->raw.at[i];
    nn_span at = {t->at.begin, t->at.begin};
    for (; w->level.n > n; w->level.n--) {
        if (top(w)->bracket != '{')
            continue;
        nn_mistake(cx, top(w)->at, "'{' is not closed");
        if (t->kind == '}')
            nn_remark(cx, t->at, "by its place this '}' belongs to an outer block");
        else if (t->kind)
            nn_remark(cx, t->at, "so the declaration that starts here would be inside it");
        if (!ends_statement(last_kind(w)) && last_kind(w) != '{')
            emit(w, NN_T_BROKEN, at, NN_UNMATCHED, true);
        emit(w, '}', at, NN_UNMATCHED, true);
    }
}

/* The level that the closing bracket i ends. */
static uint32_t level_of(const struct walk *w, const nn_token *t)
{
    uint32_t n = w->level.n;
    while (n > 1 && w->level.at[n - 1].at.begin != t->match)
        n--;
    return n;
}

/* The statement above is complete, a new line starts with token t: end it, unless t goes on with it. */
static void end_statement(struct walk *w, const nn_token *t, int kind)
{
    nn_parser *cx = w->cx;
    nn_span end = cx->token.at[cx->token.n - 1].at;
    bool deeper = column(w, t) > top(w)->column;
    if (t->before == NN_NEWLINE && is_infix(kind)) {
        nn_mistake(cx, t->at,
                   "a line cannot start with '%.*s'; end the line above with it to go on there",
                   (int)(t->at.end - t->at.begin), cx->file->text + t->at.begin);
        return; /* read on as if it had been written there */
    }
    if (kind == '{') { /* no statement starts with it */
        nn_mistake(cx, t->at, "'{' must stand at the end of the line it belongs to");
        return;
    }
    if (t->before == NN_NEWLINE && deeper && (kind == '-' || kind == '(' || kind == '[')) {
        nn_mistake(cx, t->at,
                   "this starts a new statement; to go on with the formula above, end that line "
                   "with its operator, comma or opening bracket");
        return;
    }
    emit(w, NN_T_NL, (nn_span){end.end, end.end}, NN_UNMATCHED, false);
    top(w)->column = column(w, t);
    top(w)->pending = 0;
    top(w)->first = cx->token.n;
}

/* `type t = fixed<8, 4>` and `type t = fn` end where an expression could not. */
static bool ends_type(const nn_parser *cx)
{
    uint32_t n = cx->token.n;
    const nn_token *t = cx->token.at + n;
    if (n > 5 && t[-1].kind == '>')
        return t[-2].kind == NN_T_INT && t[-3].kind == ',' && t[-4].kind == NN_T_INT &&
               t[-5].kind == '<';
    return n > 4 && t[-1].kind == NN_T_FN && t[-2].kind == '=' && t[-4].kind == NN_T_TYPE;
}

/* The line above ends with an operator, but what stands here can only be a new statement: the parser will meet the end
 * of that line. */
static bool must_start(const struct walk *w, uint32_t i)
{
    const nn_token *t = &w->cx->raw.at[i];
    int last = last_kind(w), next = t->kind ? t[1].kind : 0;
    return t->kind == NN_T_IDENT && (next == '=' || next == NN_T_AUGMENT) && last != '{' &&
           last != NN_T_NL && last != ',' && w->level.n > 1 && column(w, t) <= top(w)->column;
}

static void find_line(struct walk *w, uint32_t i)
{
    const nn_token *t = &w->cx->raw.at[i];
    if (t->before & NN_NEWLINE)
        for (uint32_t b = t->at.begin; b > t[-1].at.end; b--)
            if (w->cx->file->text[b - 1] == '\n') {
                w->line = b;
                return;
            }
}

static bool starts_statement(const struct walk *w, uint32_t i)
{
    int last = last_kind(w);
    return last == NN_T_NL || last == '{' || last == NN_T_EXPORT || i == w->hint_end;
}

static void step(struct walk *w, uint32_t i)
{
    nn_parser *cx = w->cx;
    const nn_token *t = &cx->raw.at[i];
    if (t->kind == 0 || is_declaration(cx, i))
        close_above(w, i, 1);
    else if (t->kind == '}' && t->match != NN_UNMATCHED)
        close_above(w, i, level_of(w, t));
    find_line(w, i);
    bool block = top(w)->bracket == '{';
    bool complete = ends_statement(last_kind(w)) || ends_type(cx) || must_start(w, i);
    bool fresh = t->before && block && complete && i != w->hint_end;
    if (!block && t->before & NN_SEMICOLON)
        nn_mistake(cx, (nn_span){t[-1].at.end, t[-1].at.end + 1},
                   "';' ends a statement, but this '%c' is still open", top(w)->bracket);
    bool starts = starts_statement(w, i);
    int kind = t->kind;
    if (kind == NN_T_IDENT)
        kind = place_word(w, i, starts || fresh, fresh);
    bool inner = kind == 0 || is_close(kind); /* ends the block as well */
    if (fresh && !inner && (t->before & NN_SEMICOLON || !continues(kind)))
        end_statement(w, t, kind);
    else if (starts)
        top(w)->column = column(w, t);
    if (kind == '@' && (!ends_operand(last_kind(w)) || i == w->hint_end))
        w->hint_end = hint_end(cx, i);
    emit(w, kind, t->at, t->match, false);
    track(w, i, kind);
}

void nn_lines(nn_parser *cx)
{
    struct walk w = {.cx = cx};
    match_brackets(cx);
    NNC_PUSH(cx->s->arena, &w.level, (struct level){.bracket = '{'}); /* the file */
    NNC_PUSH(cx->s->arena, &cx->token, cx->raw.at[0]);
    if (cx->quotes)
        emit(&w, NN_T_VALUE, cx->raw.at[0].at, NN_UNMATCHED, false);
    for (uint32_t i = 1; i < cx->raw.n; i++)
        step(&w, i);
}
