/* ir/text.h - the textual form of the IR, both levels; print(read(print(x))) = print(x). */
#ifndef NNC_IR_TEXT_H
#define NNC_IR_TEXT_H
#include <stdio.h>
#include "ir/module.h"

typedef struct nnc_print_options {
    bool locations;           /* append loc("...") */
    bool inline_weights;      /* print the bytes of every constant in the text (tests); else above 64 elements by blob */
    const char *weights_file; /* name of the side file that holds blobs, named in the text */
} nnc_print_options;
void        nnc_print_module(const nnc_module *m, FILE *o, const nnc_print_options *opt);
void        nnc_print_op(const nnc_module *m, FILE *o, nnc_op op);     /* one op with its regions */
const char *nnc_print_type(const nnc_module *m, nnc_type t);           /* arena text, for diagnostics */
/* Write the blobs of the module to the side file in the order of ids. */
nnc_status  nnc_write_weights(const nnc_module *m, FILE *o);
/* Read a module; diagnostics (all of them) go to m->diag with locations in the text.  `folder`: where side files are. */
nnc_status  nnc_read_module(nnc_module *m, const char *path, const char *text, size_t len, const char *folder);
#endif
