/* Strings: where they end, their escapes, and the values between braces.
 *
 * "loss {l:.3f}" has the children text `loss ` and format(l).  A value is a region of the file parsed by a parser of
 * its own, so its nodes and mistakes have exact places.  Quotes inside braces belong to strings of the value; if that
 * reading does not close on the line, the string ends at its first bare quote and the brace is the mistake. */
#include "frontend/nn/parser.h"
#include <stdlib.h>
#include <string.h>

static bool at_line_end(const char *text, uint32_t i, uint32_t end)
{
    return i >= end || text[i] == '\n' || (text[i] == '\r' && i + 1 < end && text[i + 1] == '\n');
}

/* The first bare quote after the opening one. */
static uint32_t simple_end(const char *text, uint32_t i, uint32_t end, bool *closed)
{
    for (i++; !at_line_end(text, i, end); i++) {
        if (text[i] == '"') {
            *closed = true;
            return i + 1;
        }
        if (text[i] == '\\' && !at_line_end(text, i + 1, end))
            i++;
    }
    *closed = false;
    return i;
}

/* From an opening quote to behind its partner, values included; 0 when the line ends first.  A stack of what is open:
 * a quote, or a brace within it. */
static uint32_t nested_end(const char *text, uint32_t i, uint32_t end)
{
    char open[2 * NN_MAX_QUOTES + 64];
    unsigned n = 0;
    for (; !at_line_end(text, i, end); i++) {
        bool quoted = n > 0 && open[n - 1] == '"';
        if (text[i] == '\\' && quoted) {
            i += !at_line_end(text, i + 1, end);
        } else if (text[i] == '"' && quoted) {
            if (--n == 0)
                return i + 1;
        } else if (text[i] == '"' || text[i] == '{') {
            if (n == sizeof open)
                return 0;
            open[n++] = text[i];
        } else if (text[i] == '}' && !quoted) {
            n--;
        }
    }
    return 0;
}

uint32_t nn_string_end(const char *text, uint32_t begin, uint32_t end, bool *closed)
{
    uint32_t e = nested_end(text, begin, end);
    *closed = e > 0;
    return e ? e : simple_end(text, begin, end, closed);
}

/* The piece of plain text from *i on, escapes resolved, up to a brace or the end. */
static const char *take_text(nn_parser *cx, uint32_t *i, uint32_t end)
{
    const char *p = cx->file->text;
    uint32_t stop = *i;
    size_t n = 0;
    while (stop < end && p[stop] != '{')
        stop += p[stop] == '\\' ? 2 : 1;
    char *out = nnc_arena_alloc(cx->s->arena, stop - *i + 1);
    for (; *i < end && p[*i] != '{'; ++*i) {
        if (p[*i] != '\\') {
            out[n++] = p[*i];
            continue;
        }
        if (++*i == end)
            break; /* only in a string that is not closed */
        switch (p[*i]) {
        case 'n': out[n++] = '\n'; break;
        case 't': out[n++] = '\t'; break;
        case '\\':
        case '"':
        case '{':
        case '}': out[n++] = p[*i]; break;
        default:
            nn_mistake(cx, (nn_span){*i - 1, *i + 1},
                       "unknown escape; there are \\n, \\t, \\\\, \\\" and \\{");
        }
    }
    out[n] = 0;
    return out;
}

/* `at` without its quotes; nothing when the string is not closed, which has been reported. */
static nn_span inside(const nn_parser *cx, nn_span at)
{
    bool closed;
    nn_string_end(cx->file->text, at.begin, at.end, &closed);
    return closed ? (nn_span){at.begin + 1, at.end - 1} : (nn_span){at.begin, at.begin};
}

const char *nn_plain_text(nn_parser *cx, nn_span at, const char *of)
{
    nn_span in = inside(cx, at);
    uint32_t i = in.begin;
    const char *text = take_text(cx, &i, in.end);
    if (i < in.end)
        nn_mistake(cx, (nn_span){i, i + 1},
                   "the text of this %s cannot hold values; write \\{ for a brace", of);
    return text;
}

/* A value starts at the brace i: its end brace and its colon (0: none).  Brackets and strings in it are skipped. */
static bool find_value(const char *p, uint32_t i, uint32_t end, uint32_t *close, uint32_t *colon)
{
    unsigned depth = 0;
    bool closed;
    *colon = 0;
    for (i++; i < end; i++)
        switch (p[i]) {
        case '"': i = nn_string_end(p, i, end, &closed) - 1; break;
        case '(':
        case '[':
        case '{': depth++; break;
        case ':':
            if (!depth && !*colon)
                *colon = i;
            break;
        case ')':
        case ']':
        case '}':
            if (p[i] == '}' && !depth) {
                *close = i;
                return true;
            }
            depth -= depth > 0;
            break;
        default: break;
        }
    return false;
}

static nn_ast *value(nn_parser *cx, nn_span region)
{
    nn_parser in = {.s = cx->s,
                    .file = cx->file,
                    .region = region,
                    .quotes = cx->quotes + 1,
                    .messages = cx->messages,
                    .too_deep = cx->too_deep};
    nn_parse_region(&in);
    cx->too_deep = in.too_deep;
    return in.root;
}

static const char *skip_digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

/* [<>^-][+][0][width][.digits][kind], as runtime/format.c reads it. */
static bool is_format(const char *p)
{
    const char *width, *digits;
    p += *p && strchr("<>^-", *p);
    p += *p == '+';
    width = p;
    digits = p = skip_digits(p);
    if (*p == '.') {
        digits = p + 1;
        p = skip_digits(digits);
        if (p == digits)
            return false;
    }
    p += *p && strchr("defgxbs%", *p);
    return !*p && strtol(width, NULL, 10) <= 200 && strtol(digits, NULL, 10) <= 60;
}

/* {expr} or {expr:format}, from the brace *i on; behind it afterwards. */
static nn_ast *braces(nn_parser *cx, uint32_t *i, uint32_t end)
{
    uint32_t open = *i, close = end, colon;
    if (!find_value(cx->file->text, open, end, &close, &colon)) {
        nn_mistake(cx, (nn_span){open, open + 1},
                   "'{' starts a value, but its '}' is missing; write \\{ for a brace");
        *i = end;
        return NULL;
    }
    *i = close + 1;
    uint32_t stop = colon ? colon : close;
    if (strspn(cx->file->text + open + 1, " \t") >= stop - open - 1) {
        nn_mistake(cx, (nn_span){open, close + 1},
                   "no value between the braces; write \\{ for a brace");
        return NULL;
    }
    if (cx->quotes + 1 > NN_MAX_QUOTES) {
        nn_mistake(cx, (nn_span){open, close + 1}, "strings are nested more than %d deep",
                   NN_MAX_QUOTES);
        return NULL;
    }
    nn_ast *e = value(cx, (nn_span){open + 1, stop});
    if (!colon)
        return e;
    nn_ast *f = nn_make(cx, NN_format, (nn_span){open, close + 1}, 1, &e);
    char *spec = nnc_arena_copy(cx->s->arena, cx->file->text + colon + 1, close - colon - 1);
    f->text = spec;
    f->name_loc = nnc_loc_text(cx->s->diag, cx->file->source, colon + 1, close);
    if (!is_format(spec))
        nn_mistake(cx, (nn_span){colon, close},
                   "this is no format; one is [<>^-][+][0][width][.digits][d e f g x b s %%], "
                   "such as :.3f or :>8");
    return f;
}

nn_ast *nn_make_string(nn_parser *cx, nn_span at)
{
    nn_span in = inside(cx, at);
    uint32_t i = in.begin;
    const char *text = take_text(cx, &i, in.end);
    if (i >= in.end) {
        nn_ast *plain = nn_make(cx, NN_string, at, 0, NULL);
        plain->text = text;
        return plain;
    }
    nn_list parts = {0};
    uint32_t from = in.begin;
    for (;;) {
        if (*text) {
            nn_ast *piece = nn_make(cx, NN_text, (nn_span){from, i}, 0, NULL);
            piece->text = text;
            nn_list_add(cx, &parts, piece);
        }
        if (i >= in.end)
            break;
        nn_ast *part = braces(cx, &i, in.end);
        if (part)
            nn_list_add(cx, &parts, part);
        from = i;
        text = take_text(cx, &i, in.end);
    }
    return nn_make_list(cx, NN_string, at, NULL, &parts);
}
