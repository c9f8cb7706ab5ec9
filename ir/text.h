/* ir/text.h - the textual form of the IR, both levels; print(read(print(x))) = print(x).
 *
 *     text    := ("dim" name "=" lo ".." (hi | "inf") | "blob" number "=" ["file" "at" offset ","] size "bytes" ["hex digits"])* op*
 *     op      := [results "="] name ["@" symbol] [operands] ["[" key "=" value, .. "]"] [":" types] ["loc(" "text" ")"] region*
 *     region  := ["(" %arg: type, .. ")"] "{" op* "}"
 *     operand := %name | %"odd name" | 42 (idx) | true | 1.5:f32 | nan(0x7fc00001):f32 | -inf:f32x8
 *     value   := integer or dimension | 1.0 | word | 'odd word' | "string" | [1, 2] | type
 *     type    := f32[n,64] | f32[6,64:64,1]@arena | f32x8[6]@reg | f32 | f32x16 | idx
 *
 * An op stands on one line up to its regions; inside brackets lines may break.  # starts a comment.  Attributes named
 * start, lo, hi, size, k, trips and dim hold dimensions (n, 2*n+1, floordiv(n,2)), a string there is written @"text";
 * lo and hi of conv are plain integers.
 * A constant's elements may stand in the text: const [values=[1.0, 2.0]] : f32[2]. */
#ifndef NNC_IR_TEXT_H
#define NNC_IR_TEXT_H
#include <stdio.h>
#include "ir/module.h"

typedef struct nnc_print_options {
    bool locations; /* append loc("...") */
    /* print the bytes of every constant in the text (tests); else above 64 elements by blob */
    bool inline_weights;
    const char *weights_file; /* name of the side file that holds blobs, named in the text */
} nnc_print_options;
void nnc_print_module(const nnc_module *m, FILE *o, const nnc_print_options *opt);
void nnc_print_op(const nnc_module *m, FILE *o, nnc_op op);  /* one op with its regions */
const char *nnc_print_type(const nnc_module *m, nnc_type t); /* arena text, for diagnostics */
/* Write the side file: the blobs that the text refers to, each at the place the text says. */
nnc_status nnc_write_weights(const nnc_module *m, FILE *o);
/* Read a module; diagnostics (all of them) go to m->diag with locations in the text.  `folder`: where side files are. */
nnc_status nnc_read_module(nnc_module *m, const char *path, const char *text, size_t len,
                           const char *folder);
#endif
