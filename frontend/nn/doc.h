/* frontend/nn/doc.h - a reference page of a file, in Markdown. */
#ifndef NNC_FRONTEND_NN_DOC_H
#define NNC_FRONTEND_NN_DOC_H
#include "frontend/nn/ast.h"
#include <stdio.h>

void nn_doc(nnc_arena *a, const nn_file *f, const char *title, FILE *out);
/* Functions, modules, constants and types without a comment above them; how many. */
uint32_t nn_doc_missing(const nn_file *f, const nn_ast **out, uint32_t most);
#endif
