/* frontend/nn/ast.h - the syntax tree of a `.nn` file, and its parser.
 *
 * One node type for everything; kinds.def lists the kinds and what their children are.  A node knows the bytes it was
 * made of (loc: its whole text; name_loc: the declared or mentioned name alone), so every message can point at text.
 * Comments are kept beside the tree, in order: the formatter and the documentation want them. */
#ifndef NNC_FRONTEND_NN_AST_H
#define NNC_FRONTEND_NN_AST_H
#include "ir/base/diag.h"

typedef enum {
#define KIND(name, children) NN_##name,
#include "frontend/nn/kinds.def"
    NN_KIND_COUNT
} nn_kind;

typedef enum { /* operators, in .op */
               NN_OP_none,
               NN_OP_or,
               NN_OP_and,
               NN_OP_not,
               NN_OP_eq,
               NN_OP_ne,
               NN_OP_lt,
               NN_OP_le,
               NN_OP_gt,
               NN_OP_ge,
               NN_OP_within,
               NN_OP_bitor,
               NN_OP_xor,
               NN_OP_bitand,
               NN_OP_shl,
               NN_OP_shr,
               NN_OP_add,
               NN_OP_sub,
               NN_OP_mul,
               NN_OP_div,
               NN_OP_floordiv,
               NN_OP_mod,
               NN_OP_matmul,
               NN_OP_neg,
               NN_OP_pow,
               NN_OP_COUNT
} nn_operator;
extern const char *const nn_operator_text[NN_OP_COUNT]; /* "or", "<=", "//" */

typedef struct nn_ast {
    uint8_t kind, op;
    bool exported;  /* fn, train */
    bool parens;    /* written in parentheses: `(a < b) < c` is no chain */
    uint16_t depth; /* of the tree below, itself included: at most some hundreds */
    uint32_t nkid;
    uint32_t begin, end; /* bytes of the file */
    nnc_loc loc, name_loc;
    nnc_sym name;
    int64_t value; /* int_; type_fixed */
    int64_t value2;
    double number;    /* float_ (units applied), int_ as well */
    const char *text; /* strings: escapes resolved, NUL-ended; numbers: as written */
    struct nn_ast **kid;
    uint32_t
        id; /* unique within the process's set of files, dense from 1: tables are indexed by it */
} nn_ast;

typedef struct nn_comment {
    uint32_t begin, end, line; /* `#` included, line end not */
    bool alone;                /* nothing but blanks before it on its line */
} nn_comment;

typedef struct nn_file {
    const char *path, *text; /* text[size] is 0 */
    size_t size;
    nnc_source source;
    nn_ast *root; /* kind file; never NULL, holds whatever parsed */
    NNC_BUF(nn_comment) comment;
} nn_file;

/* What the files of one compilation share. */
typedef struct nn_syntax {
    nnc_arena *arena;
    nnc_diag *diag;
    nnc_intern *names; /* the module's, so that names of both are the same ids */
    uint32_t nnode;    /* ids given out so far */
} nn_syntax;

/* Parse text that stays alive as long as the arena.  Mistakes are reported, all of them, and the tree holds the rest;
 * NNC_ERR when there was one.  Text that is no UTF-8 is refused at its first bad byte. */
nnc_status nn_parse(nn_syntax *s, const char *path, const char *text, size_t size, nn_file **out);

static inline nn_ast *nn_kid(const nn_ast *n, unsigned i)
{
    return n->kid[i];
}
static inline bool nn_is(const nn_ast *n, nn_kind k)
{
    return n->kind == k;
}
/* Child i, or NULL when an `absent` stands there. */
static inline nn_ast *nn_kid_or_null(const nn_ast *n, unsigned i)
{
    return n->kid[i]->kind == NN_absent ? NULL : n->kid[i];
}
const char *nn_kind_name(nn_kind k);
/* The tree as text, one node per line, for tests. */
void nn_ast_print(const nn_syntax *s, const nn_ast *n, void *file);
#endif
