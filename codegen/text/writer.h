/* codegen/text/writer.h - indented lines for text targets.
 *
 * A line that would pass 110 columns is broken at a space after a comma or before an operator; what follows is
 * indented by 8 more columns.  String literals are never broken. */
#ifndef NNC_CODEGEN_TEXT_WRITER_H
#define NNC_CODEGEN_TEXT_WRITER_H
#include <stdarg.h>
#include <stdio.h>
#include "ir/base/arena.h"

typedef struct nnc_out {
    FILE *f;
    int indent; /* levels of four columns */
} nnc_out;

/* One line: indentation, text, newline. */
void nnc_out_line(nnc_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* `nnc_out_open(o, "if (%s)", c)` writes "if (c) {" and indents; nnc_out_close writes "}". */
void nnc_out_open(nnc_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void nnc_out_close(nnc_out *o);

/* A text in memory: write to `f`, then take the bytes (arena copy, NUL-terminated) with nnc_text_end. */
typedef struct nnc_text {
    FILE *f;
    char *at;
    size_t n;
} nnc_text;
void nnc_text_begin(nnc_text *t);
const char *nnc_text_end(nnc_text *t, nnc_arena *a);
#endif
