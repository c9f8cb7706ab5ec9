/* frontend/nn/fmt_piece.h - the formatter's view of a file: tokens with what lies between them.  For fmt*.c alone. */
#ifndef NNC_FRONTEND_NN_FMT_PIECE_H
#define NNC_FRONTEND_NN_FMT_PIECE_H
#include "frontend/nn/parser.h"

typedef struct nn_piece {
    int kind; /* of the token; NL is no piece */
    nn_span at;
    uint32_t pair;        /* brackets: the index of the partner */
    uint32_t depth;       /* brackets open before it; of a closing one, behind it */
    uint32_t outer;       /* the bracket it stands in, or 0 */
    uint32_t lines;       /* line ends in the source before it */
    uint32_t note, notes; /* the first comment before it, and how many */
    uint32_t width;       /* columns */
    bool starts;          /* a statement begins with it */
    bool breaks;          /* it begins a line of the output */
    bool wide;     /* {: its statements stand on lines of their own; (, [: broken behind it */
    bool refilled; /* [: the author's line breaks in it are gone */
} nn_piece;
typedef NNC_BUF(nn_piece) nn_pieces; /* [0] is a stand-in, the last one the end of the file */

typedef struct nn_text { /* what pieces are pieces of */
    const char *text;
    nn_piece *at;
    uint32_t n;
} nn_text;

/* fmt_space.c */
bool nn_token_heads_block(int kind);                    /* for, if, fn, .. */
bool nn_piece_after_hint(const nn_text *x, uint32_t i); /* `@name` or `@name(..)` stands before i */
bool nn_piece_is_prefix(const nn_text *x, uint32_t i);  /* - or @ before its operand */
bool nn_piece_is_postfix(const nn_text *x, uint32_t i); /* ( or [ behind what it belongs to */
bool nn_piece_has_space(const nn_text *x, uint32_t i);  /* a blank between i - 1 and i */
bool nn_piece_may_break(const nn_text *x,
                        uint32_t i); /* a line break of the author before i is kept */
enum { NN_RANKS = 16 };              /* ranks of one depth */
/* How well a line can be broken before i, where it stands: lower is better, 0 is not at all. */
unsigned nn_piece_break_rank(const nn_text *x, uint32_t i);
#endif
