/* frontend/nn/parser.h - what scanner, line rules, grammar and node building share; nothing here is for others.
 *
 *     text --scan.l--> raw tokens --lines.c--> tokens (words, statement ends) --parse.y--> tree (ast.c, literal.c, quotes.c)
 *
 * A nn_parser is one run over one region of a file: the whole file, or the value inside the braces of a string. */
#ifndef NNC_FRONTEND_NN_PARSER_H
#define NNC_FRONTEND_NN_PARSER_H
#include "frontend/nn/ast.h"

enum {
    NN_MAX_ERRORS = 20, /* reported per file */
    NN_MAX_DEPTH = 500, /* levels of the tree: later stages walk it by recursion */
    NN_MAX_QUOTES = 8,  /* strings within values of strings */
};

typedef struct nn_span {
    uint32_t begin, end; /* bytes of the file */
} nn_span;

enum { NN_NEWLINE = 1, NN_SEMICOLON = 2 }; /* nn_token.before */
enum { NN_UNMATCHED = UINT32_MAX };

typedef struct nn_token {
    int kind; /* NN_T_x or a character; 0 is the end */
    nn_span at;
    uint32_t match;     /* brackets: where the partner begins, or NN_UNMATCHED */
    uint32_t pair;      /* raw brackets: the index of the partner, or 0 */
    uint32_t statement; /* parser's tokens: the first token of the innermost statement */
    uint8_t before;     /* line ends and semicolons between the token before and this one */
    bool made; /* put in by lines.c after a mistake it has reported: the parser stays silent */
} nn_token;
typedef NNC_BUF(nn_token) nn_tokens;
typedef NNC_BUF(nn_ast *) nn_list;

/* What was found wrong; told at the end, in the order of the text. */
typedef struct nn_message {
    nn_span at;
    const char *text;
    bool note; /* belongs to the mistake before it */
} nn_message;
typedef NNC_BUF(nn_message) nn_messages;

typedef struct nn_parser {
    nn_syntax *s;
    nn_file *file;
    nn_span region;
    uint32_t pos; /* scanner: the next byte */
    uint8_t before;
    nn_tokens raw, token;   /* before and after lines.c; [0] is a stand-in for "nothing before" */
    uint32_t next;          /* parser: the next of .token */
    unsigned quotes;        /* how many strings this region lies in */
    nn_messages *messages;  /* of the file, shared by its regions */
    bool muted;             /* the last mistake was dropped, its notes go with it */
    bool too_deep;          /* reported once */
    NNC_BUF(uint32_t) told; /* statements, by their first tokens, that have a reported mistake */
    nn_ast *root;
} nn_parser;

/* scan.l: fills .raw.  lines.c: fills .token.  parse.y: nn_yyparse(cx) returns 0 or not; the tree is in .root. */
void nn_scan(nn_parser *cx);
void nn_lines(nn_parser *cx);
/* Scan and parse one region; .root is never NULL after it. */
void nn_parse_region(nn_parser *cx);

/* The token a word is: NN_T_x, and its class; NN_T_IDENT for a name. */
typedef enum { NN_WORD_NAME, NN_WORD_RESERVED, NN_WORD_SOFT, NN_WORD_PLACED } nn_word_class;
int nn_word(const char *text, size_t size, nn_word_class *which);
bool nn_span_is(const nn_parser *cx, nn_span at, const char *word);

/* messages; the note belongs to the error before it and is dropped with it */
bool nn_mistake(nn_parser *cx, nn_span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void nn_remark(nn_parser *cx, nn_span at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* explain.c: the parser met token i (found: its kind's name) where one of `expected` could stand; reports that and a
 * hint when one cause is likely. */
void nn_unexpected(nn_parser *cx, uint32_t i, const char *found, const char *const *expected,
                   int n);

/* ast.c: nodes.  A NULL child becomes an `absent` node. */
nn_ast *nn_make(nn_parser *cx, nn_kind kind, nn_span at, unsigned n, nn_ast *const *kid);
nn_ast *nn_make_list(nn_parser *cx, nn_kind kind, nn_span at, nn_ast *first, const nn_list *rest);
nn_ast *nn_set_name(nn_parser *cx, nn_ast *n, nn_span name); /* sets .name and .name_loc */
nn_ast *nn_make_leaf(nn_parser *cx, nn_kind kind, nn_span name);
nn_list *nn_list_of(nn_parser *cx, nn_ast *item);
nn_list *nn_list_add(nn_parser *cx, nn_list *l, nn_ast *item);
nn_ast *nn_make_parens(nn_parser *cx, nn_span at, nn_list *items); /* (a) is a, else a tuple */
nn_operator nn_augment_op(const nn_parser *cx, nn_span at);        /* += is + */

/* literal.c, quotes.c: leaves with values */
int64_t nn_int_value(nn_parser *cx, nn_span at);
nn_ast *nn_make_number(nn_parser *cx, nn_span at, bool integer);
nn_ast *nn_make_string(nn_parser *cx, nn_span at);
const char *nn_plain_text(nn_parser *cx, nn_span at, const char *of); /* no values allowed in it */
uint32_t nn_string_end(const char *text, uint32_t begin, uint32_t end, bool *closed);

/* parse_check.c: what the grammar accepts too much of */
void nn_check_tree(nn_parser *cx);
#endif
