/* ir/read_fn.h - inside ir/: the reader's cursor and what read_lex.c offers to read.c. */
#ifndef NNC_IR_READ_FN_H
#define NNC_IR_READ_FN_H
#include "ir/text_fn.h"

/* What a name means just now.  `known` without a value: its definition was wrong and has been reported. */
typedef struct nnc_binding {
    nnc_value value;
    nnc_dim dim;
    bool known, has_dim;
} nnc_binding;

typedef struct nnc_reader {
    nnc_module *m;
    nnc_source source;
    const char *base, *p, *end;
    const char *folder;
    nnc_arena *a; /* scratch */
    nnc_intern *names;
    NNC_BUF(nnc_binding) binding; /* per id of `names` */
    NNC_BUF(uint32_t) scope;      /* names bound in open blocks, innermost last */
    NNC_BUF(nnc_blob) blob;       /* blob number - 1 in the text -> blob */
    bool kernel;                  /* constants are scalars, not rank-0 tensors */
    int depth;                    /* of regions and of expressions */
} nnc_reader;

enum { NNC_READ_DEPTH = 100 };

/* Report at [from, cursor); NNC_ERR. */
nnc_status nnc_read_error(nnc_reader *r, const char *from, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void nnc_read_blank(nnc_reader *r);          /* skip blanks of this line and a comment */
void nnc_read_space(nnc_reader *r);          /* skip blanks, line ends and comments */
char nnc_read_peek(nnc_reader *r);           /* the next character on this line; 0 at its end */
bool nnc_read_accept(nnc_reader *r, char c); /* on this line */
bool nnc_read_list(nnc_reader *r, char c);   /* inside brackets, where lines may break */
nnc_status nnc_read_expect(nnc_reader *r, char c, const char *where);
/* A word (empty when there is none), and the token of a number, inf, nan(..), true. */
size_t nnc_read_word(nnc_reader *r, const char **s);
size_t nnc_read_number(nnc_reader *r, const char **s);
nnc_status nnc_read_quoted(nnc_reader *r, const char **s); /* at the quote; text in scratch */
/* A word or "quoted". */
nnc_status nnc_read_name(nnc_reader *r, const char **s, const char *what);
nnc_status nnc_read_int(nnc_reader *r, int64_t *v);
nnc_status nnc_read_dim(nnc_reader *r, nnc_dim *d);
nnc_status nnc_read_type(nnc_reader *r, nnc_type *t);
/* "f32x16": dtype and lanes of a word; false when it is none. */
bool nnc_read_dtype(const char *s, size_t len, nnc_dtype *dt, unsigned *lanes);
nnc_binding *nnc_read_binding(nnc_reader *r, const char *name); /* dies with the next call */
/* Behind the word: dim n = 1..128, and blob 1 = .. bytes. */
nnc_status nnc_read_symbol(nnc_reader *r);
nnc_status nnc_read_blob(nnc_reader *r);
#endif
