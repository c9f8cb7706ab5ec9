/* frontend/nn/fmt.h - the one style of .nn text.
 *
 * Blanks, indentation (2 per level), blank lines (at most one) and comments are set anew; tokens and their order stay,
 * so the text means what it meant.  Line breaks of the author stay where they are sensible; lines wider than 100 columns
 * are broken at commas, operators and braces, outermost first.  Formatting twice changes nothing more. */
#ifndef NNC_FRONTEND_NN_FMT_H
#define NNC_FRONTEND_NN_FMT_H
#include "frontend/nn/ast.h"

enum { NN_FORMAT_WIDTH = 100 };

/* The text of a file that parsed without mistakes, in the arena of `s`, ended by a NUL that *size does not count. */
const char *nn_format(nn_syntax *s, const nn_file *f, size_t *size);
#endif
