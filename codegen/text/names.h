/* codegen/text/names.h - identifiers for text targets: made of letters, digits and underscores, unique in their scope
 * and the scopes around it, never a word that C, C++ or their standard headers use. */
#ifndef NNC_CODEGEN_TEXT_NAMES_H
#define NNC_CODEGEN_TEXT_NAMES_H
#include "ir/base/arena.h"

typedef struct nnc_names nnc_names;

/* `outer` may be NULL; its names are taken here too. */
nnc_names *nnc_names_new(nnc_arena *a, const nnc_names *outer);
/* A fresh identifier that looks like `hint`. */
const char *nnc_names_put(nnc_names *n, const char *hint);
/* Takes a name as it is (a helper, a macro). */
void nnc_names_reserve(nnc_names *n, const char *name);
/* The hint as an identifier, not made unique; upper: in capitals. */
const char *nnc_identifier(nnc_arena *a, const char *hint, bool upper);
#endif
