/* ir/text_fn.h - inside ir/: pieces of text that printer, reader and diagnostics share. */
#ifndef NNC_IR_TEXT_FN_H
#define NNC_IR_TEXT_FN_H
#include "ir/text.h"

/* Texts live in `a`. */
const char *nnc_text_type(nnc_arena *a, const nnc_module *m, nnc_type t);
/* A dimension in an order that depends on names only, so that it survives reading. */
const char *nnc_text_dim(nnc_arena *a, const nnc_module *m, nnc_dim d);
/* The number behind the bits: shortest decimal that reads back exactly, inf, nan, nan(0x7fc00001), true, bits(0x0f). */
const char *nnc_text_number(nnc_arena *a, nnc_dtype dt, uint64_t bits);
/* The inverse, for a token [s, s + len) as the reader cuts it. */
bool nnc_text_number_parse(nnc_dtype dt, const char *s, size_t len, uint64_t *bits);
/* "s" in quotes with escapes for quotes, backslashes and control characters; `quote` is " or '. */
const char *nnc_text_quoted(nnc_arena *a, const char *s, char quote);
/* Letters, digits and _, not starting with a digit. */
bool nnc_text_is_word(const char *s);
/* Does the integer attribute `key` of this op hold dimension expressions? */
bool nnc_text_is_dim_key(nnc_opcode code, nnc_sym key);
#endif
