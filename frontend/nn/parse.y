/* parse.y - the grammar of the .nn language: no conflicts, no feedback to the scanner.
 *
 * A mistake ends its statement: `broken` takes the place of a statement or declaration that did not parse, and a block
 * after it is still read, so that mistakes in the body of a wrong header are found as well.  Messages name what was
 * found and what could stand there; nn_explain adds a hint where one cause is likely. */
%require "3.8"
%define api.pure full
%define api.prefix {nn_yy}
%define api.token.prefix {NN_T_}
%define api.value.type union
%define api.location.type {nn_span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param { nn_parser *cx }

%code requires {
#include "frontend/nn/parser.h"
}
%code {
#include <stdio.h>
#include <string.h>
/* bison's stack of states and spans; the depth of the tree is limited in ast.c */
#define YYMAXDEPTH 10000
#define YYLLOC_DEFAULT(current, rhs, n)                                \
    do                                                                 \
        if (n) {                                                       \
            (current).begin = YYRHSLOC(rhs, 1).begin;                  \
            (current).end = YYRHSLOC(rhs, n).end;                      \
        } else {                                                       \
            (current).begin = (current).end = YYRHSLOC(rhs, 0).end;    \
        }                                                              \
    while (0)
#define KIDS(...) (nn_ast *[]){__VA_ARGS__}
#define COUNT(...) (sizeof(KIDS(__VA_ARGS__)) / sizeof(nn_ast *))
#define N(kind, at, ...) nn_make(cx, NN_##kind, at, COUNT(__VA_ARGS__), KIDS(__VA_ARGS__))
#define N0(kind, at) nn_make(cx, NN_##kind, at, 0, NULL)
#define LIST(kind, at, list) nn_make_list(cx, NN_##kind, at, NULL, list)
#define LIST1(kind, at, first, list) nn_make_list(cx, NN_##kind, at, first, list)
#define NAMED(node, at) nn_set_name(cx, node, at)
#define LEAF(kind, at) nn_make_leaf(cx, NN_##kind, at)
#define START(item) nn_list_of(cx, item)
#define ADD(list, item) nn_list_add(cx, list, item)
static int nn_yylex(NN_YYSTYPE *value, NN_YYLTYPE *at, nn_parser *cx);
static void nn_yyerror(NN_YYLTYPE *at, nn_parser *cx, const char *text);
static nn_ast *op(nn_parser *cx, nn_operator o, nn_span at, nn_ast *a, nn_ast *b);
static nn_ast *with_text(nn_ast *n, const char *text);
static nn_ast *exported(nn_ast *n, nn_span at);
static nn_ast *fixed(nn_parser *cx, nn_span at, nn_ast *base, nn_span bits, nn_span fraction, nn_ast *dims);
static nn_ast *type_path(nn_parser *cx, nn_span at, nn_list *parts);
static nn_ast *name_path(nn_parser *cx, nn_list *parts);
}

%token NL "end of line" IDENT "name" INT "integer" FLOAT "number" STRING "string"
%token FN "'fn'" FOR "'for'" IN "'in'" WHILE "'while'" IF "'if'" STATIC_IF "'if ['" ELSE "'else'"
%token AND "'and'" OR "'or'" NOT "'not'" XOR "'xor'" TRUE "'true'" FALSE "'false'"
%token SWEEP "'sweep'" MAXIMIZE "'maximize'" MINIMIZE "'minimize'" OVER "'over'"
%token SUBJECT_TO "'subject to'" WITHIN "'within'" BY "'by'" AS "'as'" ON "'on'"
%token BACKWARD "'backward'" WHERE "'where'"
%token IMPORT "'import'" CONST "'const'" TYPE "'type'" DATA "'data'" MODULE "'module'"
%token TRAIN "'train'" EXPERIMENT "'experiment'" TEST "'test'" EXPORT "'export'"
%token TARGET "'target'" PARAM "'param'" STATE "'state'" VAR "'var'" CLAIM "'claim'"
%token ASSERT "'assert'" EVERY "'every'"
%token DOTS "'..'" ARROW "'->'" EQ "'=='" NE "'!='" LE "'<='" GE "'>='" SHL "'<<'" SHR "'>>'"
%token FLOORDIV "'//'" AUGMENT "'+='" HOLE "'_'"
%token VALUE "value"       /* made: starts the region of a value inside a string */
%token BROKEN "broken"     /* made: stands in no rule, ends what is incomplete */
%token END 0 "end of file"

%type <nn_ast *> decl const function training statics static params param result body setting path
%type <nn_ast *> type type_path type_field dim dims block stmt broken init expr unknown either both
%type <nn_ast *> negation comparison range bits bitand shift sum product sign power postfix primary
%type <nn_ast *> control conditional otherwise head pattern hint item slot names
%type <nn_list *> decls static_list param_list settings parts type_fields dim_list stmts unknowns
%type <nn_list *> heads items item_list slots name_list

%%
start: file
    | VALUE expr                          { cx->root = $2; }
    | VALUE error                         { cx->root = N0(error, @$); }
    ;

/* ---- a file ------------------------------------------------------------------------------ */
file: %empty                              { cx->root = N0(file, @$); }
    | decls                               { cx->root = LIST(file, @$, $1); }
    ;
decls: decl                               { $$ = START($1); }
    | decls nl decl                       { $$ = ADD($1, $3); }
    ;
nl: NL                                    { yyerrok; }
    ;
decl: IMPORT STRING
          { $$ = with_text(N0(import, @$), nn_plain_text(cx, @2, "path")); }
    | IMPORT STRING AS IDENT
          { $$ = NAMED(with_text(N0(import, @$), nn_plain_text(cx, @2, "path")), @4); }
    | const                               { $$ = $1; }
    | TYPE IDENT '=' type                 { $$ = NAMED(N(type_decl, @$, $4), @2); }
    | DATA IDENT '=' expr                 { $$ = NAMED(N(data, @$, NULL, $4), @2); }
    | DATA IDENT ':' type '=' expr        { $$ = NAMED(N(data, @$, $4, $6), @2); }
    | function                            { $$ = $1; }
    | EXPORT function                     { $$ = exported($2, @$); }
    | MODULE IDENT statics params result body
          { $$ = NAMED(N(module, @$, $3, $4, $5, $6), @2); }
    | training                            { $$ = $1; }
    | EXPORT training                     { $$ = exported($2, @$); }
    | EXPERIMENT IDENT block              { $$ = NAMED(N(experiment, @$, $3), @2); }
    | TEST IDENT block                    { $$ = NAMED(N(test, @$, $3), @2); }
    | TARGET IDENT '{' settings '}'
          { $$ = NAMED(N(target, @$, NULL, LIST(settings, @4, $4)), @2); }
    | TARGET IDENT FOR names '{' settings '}'
          { $$ = NAMED(N(target, @$, $4, LIST(settings, @6, $6)), @2); }
    | hint decl                           { $$ = N(hinted, @$, $1, $2); }
    | broken                              { $$ = $1; }
    ;
const: CONST IDENT '=' expr               { $$ = NAMED(N(const_, @$, NULL, $4), @2); }
    | CONST IDENT ':' type '=' expr       { $$ = NAMED(N(const_, @$, $4, $6), @2); }
    ;
function: FN IDENT statics params result body
          { $$ = NAMED(N(fn, @$, $3, $4, $5, $6, NULL), @2); }
    | FN IDENT statics params result body BACKWARD '(' names ')' block
          {
              nn_span rule = {@7.begin, @11.end};
              $$ = NAMED(N(fn, @$, $3, $4, $5, $6, N(backward, rule, $9, $11)), @2);
          }
    ;
training: TRAIN IDENT statics params ON expr block
          { $$ = NAMED(N(train, @$, $3, $4, $6, $7), @2); }
    ;
names: name_list                          { $$ = LIST(names, @$, $1); }
    ;
name_list: IDENT                          { $$ = START(LEAF(name, @1)); }
    | name_list ',' IDENT                 { $$ = ADD($1, LEAF(name, @3)); }
    ;
statics: %empty                           { $$ = N0(statics, @$); }
    | '[' static_list ']'                 { $$ = LIST(statics, @$, $2); }
    ;
static_list: static                       { $$ = START($1); }
    | static_list ',' static              { $$ = ADD($1, $3); }
    ;
static: param                             { $$ = $1; }
    | DOTS IDENT                          { $$ = NAMED(N0(rest, @$), @2); }
    ;
params: '(' ')'                           { $$ = N0(params, @$); }
    | '(' param_list ')'                  { $$ = LIST(params, @$, $2); }
    | '(' param_list ',' ')'              { $$ = LIST(params, @$, $2); }
    ;
param_list: param                         { $$ = START($1); }
    | param_list ',' param                { $$ = ADD($1, $3); }
    ;
param: IDENT                              { $$ = NAMED(N(arg, @$, NULL, NULL), @1); }
    | IDENT ':' type                      { $$ = NAMED(N(arg, @$, $3, NULL), @1); }
    | IDENT '=' expr                      { $$ = NAMED(N(arg, @$, NULL, $3), @1); }
    | IDENT ':' type '=' expr             { $$ = NAMED(N(arg, @$, $3, $5), @1); }
    ;
result: %empty                            { $$ = NULL; }
    | ARROW type                          { $$ = $2; }
    ;
body: '=' expr                            { $$ = $2; }
    | block                               { $$ = $1; }
    ;
settings: setting                         { $$ = START($1); }
    | settings nl setting                 { $$ = ADD($1, $3); }
    ;
setting: IDENT '=' expr                   { $$ = NAMED(N(setting, @$, $3), @1); }
    | IDENT path '{' settings '}'
          { $$ = NAMED(N(group, @$, $2, LIST(settings, @4, $4)), @1); }
    | error                               { $$ = N0(error, @$); }
    ;
path: parts                               { $$ = name_path(cx, $1); }
    ;
parts: IDENT                              { $$ = START(LEAF(name, @1)); }
    | parts '.' IDENT                     { $$ = ADD($1, LEAF(name, @3)); }
    ;

/* ---- types ------------------------------------------------------------------------------- */
type: type_path                           { $$ = $1; }
    | type_path '[' dims ']'              { $$ = N(type_tensor, @$, $1, $3); }
    | type_path '<' INT ',' INT '>'       { $$ = fixed(cx, @$, $1, @3, @5, NULL); }
    | type_path '<' INT ',' INT '>' '[' dims ']'
                                          { $$ = fixed(cx, @$, $1, @3, @5, $8); }
    | '(' type_fields ')'                 { $$ = LIST(type_record, @$, $2); }
    | '(' type_fields ',' ')'             { $$ = LIST(type_record, @$, $2); }
    | FN                                  { $$ = N0(type_fn, @$); }
    ;
type_path: parts                          { $$ = type_path(cx, @$, $1); }
    ;
type_fields: type_field                   { $$ = START($1); }
    | type_fields ',' type_field          { $$ = ADD($1, $3); }
    ;
type_field: type                          { $$ = $1; }
    | IDENT ':' type                      { $$ = NAMED(N(field_type, @$, $3), @1); }
    ;
dims: dim_list                            { $$ = LIST(dims, @$, $1); }
    ;
dim_list: dim                             { $$ = START($1); }
    | dim_list ',' dim                    { $$ = ADD($1, $3); }
    ;
dim: bits                                 { $$ = $1; }
    | bits LE bits                        { $$ = N(bounded, @$, $1, $3); }
    | DOTS                                { $$ = N0(rest, @$); }
    | DOTS IDENT                          { $$ = NAMED(N0(rest, @$), @2); }
    ;

/* ---- statements -------------------------------------------------------------------------- */
block: '{' '}'                            { $$ = N0(block, @$); yyerrok; }
    | '{' stmts '}'                       { $$ = LIST(block, @$, $2); yyerrok; }
    ;
stmts: stmt                               { $$ = START($1); }
    | stmts nl stmt                       { $$ = ADD($1, $3); }
    ;
stmt: expr                                { $$ = $1; }
    | expr '=' expr                       { $$ = N(bind, @$, $1, NULL, $3); }
    | IDENT ':' type '=' expr             { $$ = N(bind, @$, LEAF(name, @1), $3, $5); }
    | expr AUGMENT expr
          { $$ = N(update, @$, $1, $3); $$->op = (uint8_t)nn_augment_op(cx, @2); }
    | VAR IDENT '=' expr                  { $$ = NAMED(N(var, @$, NULL, $4), @2); }
    | VAR IDENT ':' type '=' expr         { $$ = NAMED(N(var, @$, $4, $6), @2); }
    | VAR '(' names ')' '=' expr          { $$ = N(vars, @$, $3, $6); }
    | const                               { $$ = $1; }
    | PARAM IDENT ':' type init           { $$ = NAMED(N(param, @$, $4, $5), @2); }
    | STATE IDENT ':' type init           { $$ = NAMED(N(state, @$, $4, $5), @2); }
    | CLAIM STRING ':' expr
          { $$ = with_text(N(claim, @$, $4, NULL), nn_plain_text(cx, @2, "claim")); }
    | CLAIM STRING ':' expr WHERE expr
          { $$ = with_text(N(claim, @$, $4, $6), nn_plain_text(cx, @2, "claim")); }
    | ASSERT expr                         { $$ = N(assert, @$, $2); }
    | ASSERT expr ',' STRING
          { $$ = with_text(N(assert, @$, $2), nn_plain_text(cx, @4, "assertion")); }
    | EVERY expr block                    { $$ = N(every, @$, $2, $3); }
    | broken                              { $$ = $1; }
    ;
broken: error                             { $$ = N0(error, @$); }
    | broken block                        { $$ = $1; }
    ;
init: '~' expr                            { $$ = N(draw, @$, $2); }
    | '=' expr                            { $$ = $2; }
    ;

/* ---- expressions, loosest first ---------------------------------------------------------- */
expr: either                              { $$ = $1; }
    | FN params result body               { $$ = N(lambda, @$, $2, $3, $4); }
    | MAXIMIZE expr OVER unknowns SUBJECT_TO block
          { $$ = N(maximize, @$, $2, LIST(over, @4, $4), $6); }
    | MINIMIZE expr OVER unknowns SUBJECT_TO block
          { $$ = N(minimize, @$, $2, LIST(over, @4, $4), $6); }
    ;
unknowns: unknown                         { $$ = START($1); }
    | unknowns ',' unknown                { $$ = ADD($1, $3); }
    ;
unknown: IDENT ':' type                   { $$ = NAMED(N(unknown, @$, $3), @1); }
    ;
either: both                              { $$ = $1; }
    | either OR both                      { $$ = op(cx, NN_OP_or, @$, $1, $3); }
    ;
both: negation                            { $$ = $1; }
    | both AND negation                   { $$ = op(cx, NN_OP_and, @$, $1, $3); }
    ;
negation: comparison                      { $$ = $1; }
    | NOT negation                        { $$ = op(cx, NN_OP_not, @$, $2, NULL); }
    ;
comparison: range                         { $$ = $1; }
    | comparison EQ range                 { $$ = op(cx, NN_OP_eq, @$, $1, $3); }
    | comparison NE range                 { $$ = op(cx, NN_OP_ne, @$, $1, $3); }
    | comparison '<' range                { $$ = op(cx, NN_OP_lt, @$, $1, $3); }
    | comparison '>' range                { $$ = op(cx, NN_OP_gt, @$, $1, $3); }
    | comparison LE range                 { $$ = op(cx, NN_OP_le, @$, $1, $3); }
    | comparison GE range                 { $$ = op(cx, NN_OP_ge, @$, $1, $3); }
    | comparison WITHIN range             { $$ = op(cx, NN_OP_within, @$, $1, $3); }
    ;
range: bits                               { $$ = $1; }
    | bits DOTS bits                      { $$ = N(range, @$, $1, $3, NULL); }
    | bits DOTS bits BY bits              { $$ = N(range, @$, $1, $3, $5); }
    ;
bits: bitand                              { $$ = $1; }
    | bits '|' bitand                     { $$ = op(cx, NN_OP_bitor, @$, $1, $3); }
    | bits XOR bitand                     { $$ = op(cx, NN_OP_xor, @$, $1, $3); }
    ;
bitand: shift                             { $$ = $1; }
    | bitand '&' shift                    { $$ = op(cx, NN_OP_bitand, @$, $1, $3); }
    ;
shift: sum                                { $$ = $1; }
    | shift SHL sum                       { $$ = op(cx, NN_OP_shl, @$, $1, $3); }
    | shift SHR sum                       { $$ = op(cx, NN_OP_shr, @$, $1, $3); }
    ;
sum: product                              { $$ = $1; }
    | sum '+' product                     { $$ = op(cx, NN_OP_add, @$, $1, $3); }
    | sum '-' product                     { $$ = op(cx, NN_OP_sub, @$, $1, $3); }
    ;
product: sign                             { $$ = $1; }
    | product '*' sign                    { $$ = op(cx, NN_OP_mul, @$, $1, $3); }
    | product '/' sign                    { $$ = op(cx, NN_OP_div, @$, $1, $3); }
    | product FLOORDIV sign               { $$ = op(cx, NN_OP_floordiv, @$, $1, $3); }
    | product '%' sign                    { $$ = op(cx, NN_OP_mod, @$, $1, $3); }
    | product '@' sign                    { $$ = op(cx, NN_OP_matmul, @$, $1, $3); }
    ;
sign: power                               { $$ = $1; }
    | '-' sign                            { $$ = op(cx, NN_OP_neg, @$, $2, NULL); }
    ;
power: postfix                            { $$ = $1; }
    | postfix '^' sign                    { $$ = op(cx, NN_OP_pow, @$, $1, $3); }
    ;
postfix: primary                          { $$ = $1; }
    | postfix '(' items ')'               { $$ = LIST1(call, @$, $1, $3); }
    | postfix '!' '(' items ')'           { $$ = LIST1(call_bang, @$, $1, $4); }
    | postfix '[' slots ']'               { $$ = LIST1(at, @$, $1, $3); }
    | postfix '.' IDENT                   { $$ = NAMED(N(field, @$, $1), @3); }
    | postfix '\''                        { $$ = N(transpose, @$, $1); }
    ;
primary: IDENT                            { $$ = LEAF(name, @1); }
    | INT                                 { $$ = nn_make_number(cx, @1, true); }
    | FLOAT                               { $$ = nn_make_number(cx, @1, false); }
    | STRING                              { $$ = nn_make_string(cx, @1); }
    | TRUE                                { $$ = N0(true_, @1); }
    | FALSE                               { $$ = N0(false_, @1); }
    | '(' items ')'                       { $$ = nn_make_parens(cx, @$, $2); }
    | '(' item_list ',' ')'               { $$ = LIST(tuple, @$, $2); }
    | '[' items ']'                       { $$ = LIST(list, @$, $2); }
    | '[' item_list ',' ']'               { $$ = LIST(list, @$, $2); }
    | control                             { $$ = $1; }
    | hint control                        { $$ = N(hinted, @$, $1, $2); }
    ;
control: conditional                      { $$ = $1; }
    | FOR heads block                     { $$ = N(for_, @$, LIST(heads, @2, $2), NULL, $3); }
    | FOR heads WHILE expr block          { $$ = N(for_, @$, LIST(heads, @2, $2), $4, $5); }
    | SWEEP heads block                   { $$ = N(sweep, @$, LIST(heads, @2, $2), $3); }
    | WHILE expr block                    { $$ = N(while_, @$, $2, $3); }
    ;
conditional: IF expr block                { $$ = N(if_, @$, $2, $3, NULL); }
    | IF expr block ELSE otherwise        { $$ = N(if_, @$, $2, $3, $5); }
    | STATIC_IF '[' expr ']' block        { $$ = N(static_if, @$, $3, $5, NULL); }
    | STATIC_IF '[' expr ']' block ELSE otherwise
                                          { $$ = N(static_if, @$, $3, $5, $7); }
    ;
otherwise: block                          { $$ = $1; }
    | conditional                         { $$ = $1; }
    ;
heads: head                               { $$ = START($1); }
    | heads ',' head                      { $$ = ADD($1, $3); }
    ;
head: pattern IN expr                     { $$ = N(in, @$, $1, $3); }
    | '[' pattern IN expr ']'             { $$ = N(static_in, @$, $2, $4); }
    ;
pattern: IDENT                            { $$ = LEAF(name, @1); }
    | '(' names ')'                       { $$ = $2; }
    ;
hint: '@' IDENT                           { $$ = NAMED(N0(hint, @$), @2); }
    | '@' IDENT '(' items ')'             { $$ = NAMED(LIST(hint, @$, $4), @2); }
    ;
items: %empty                             { $$ = NULL; }
    | item_list                           { $$ = $1; }
    ;
item_list: item                           { $$ = START($1); }
    | item_list ',' item                  { $$ = ADD($1, $3); }
    ;
item: expr                                { $$ = $1; }
    | IDENT '=' expr                      { $$ = NAMED(N(named, @$, $3), @1); }
    | DOTS bits                           { $$ = N(spread, @$, $2); }
    | HOLE                                { $$ = N0(hole, @$); }
    ;
slots: slot                               { $$ = START($1); }
    | slots ',' slot                      { $$ = ADD($1, $3); }
    ;
slot: item                                { $$ = $1; }
    | ':'                                 { $$ = N0(all, @$); }
    | DOTS                                { $$ = N0(rest, @$); }
    | bits DOTS                           { $$ = N(from, @$, $1, NULL); }
    | bits DOTS BY bits                   { $$ = N(from, @$, $1, $4); }
    | DOTS bits BY bits                   { $$ = N(to, @$, $2, $4); }
    ;
%%

static nn_ast *op(nn_parser *cx, nn_operator o, nn_span at, nn_ast *a, nn_ast *b)
{
    nn_ast *kid[] = {a, b};
    nn_ast *n = nn_make(cx, b ? NN_binary : NN_unary, at, b ? 2 : 1, kid);
    n->op = (uint8_t)o;
    return n;
}

static nn_ast *with_text(nn_ast *n, const char *text)
{
    n->text = text;
    return n;
}

static nn_ast *exported(nn_ast *n, nn_span at)
{
    n->exported = true;
    n->begin = at.begin;
    return n;
}

static nn_ast *fixed(nn_parser *cx, nn_span at, nn_ast *base, nn_span bits, nn_span fraction,
                     nn_ast *dims)
{
    nn_ast *n = N(type_fixed, at, base, dims);
    n->value = nn_int_value(cx, bits);
    n->value2 = nn_int_value(cx, fraction);
    return n;
}

/* One word is the name itself; of a.b the words are the children and .name is none. */
static nn_ast *type_path(nn_parser *cx, nn_span at, nn_list *parts)
{
    if (parts->n == 1)
        return LEAF(type_name, at);
    return LIST(type_name, at, parts);
}

static nn_ast *name_path(nn_parser *cx, nn_list *parts)
{
    nn_ast *n = parts->at[0];
    for (uint32_t i = 1; i < parts->n; i++) {
        nn_span at = {n->begin, parts->at[i]->end};
        nn_span last = {parts->at[i]->begin, parts->at[i]->end};
        n = NAMED(N(field, at, n), last);
    }
    return n;
}

static int nn_yylex(NN_YYSTYPE *value, NN_YYLTYPE *at, nn_parser *cx)
{
    const nn_token *t = &cx->token.at[cx->next];
    (void)value;
    if (t->kind)
        cx->next++;
    *at = t->at;
    return t->kind;
}

static void nn_yyerror(NN_YYLTYPE *at, nn_parser *cx, const char *text)
{
    (void)text; /* the only message that does not come from below: the parser's stack is full */
    if (!cx->too_deep)
        nn_mistake(cx, *at, "nested too deeply");
    cx->too_deep = true;
}

/* ---- messages ----------------------------------------------------------------------------- */

/* "unexpected X, expected A, B or C": explain.c words it. */
static int yyreport_syntax_error(const yypcontext_t *pc, nn_parser *cx)
{
    yysymbol_kind_t kind[YYNTOKENS];
    const char *name[YYNTOKENS];
    if (cx->told.n > NN_MAX_ERRORS)
        return 0; /* enough; the parser only has to come to its end */
    int n = yypcontext_expected_tokens(pc, kind, YYNTOKENS), kept = 0;
    for (int i = 0; i < n; i++)
        if (kind[i] != YYSYMBOL_VALUE)
            name[kept++] = yysymbol_name(kind[i]);
    uint32_t at = cx->next; /* the last token handed out: the end is handed out without a step */
    if (cx->token.at[cx->next].kind || yypcontext_token(pc) != YYSYMBOL_YYEOF)
        at--;
    nn_unexpected(cx, at, yysymbol_name(yypcontext_token(pc)), name, kept);
    return 0;
}

void nn_parse_region(nn_parser *cx)
{
    nn_scan(cx);
    nn_lines(cx);
    cx->next = 1;
    if (nn_yyparse(cx) != 0 && !cx->root)
        cx->root = nn_make(cx, cx->quotes ? NN_error : NN_file, cx->region, 0, NULL);
}
