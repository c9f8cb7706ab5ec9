/* frontend/nn/write.h - G graphs as readable `.nn` text with the weights beside it. */
#ifndef NNC_FRONTEND_NN_WRITE_H
#define NNC_FRONTEND_NN_WRITE_H
#include "ir/module.h"
#include "runtime/text.h"
#include <stdio.h>

typedef struct nn_write_options {
    const char *origin;  /* the file that the graph came from, for the first line */
    const char *name;    /* of the exported function: an identifier */
    const char *weights; /* file name of the weights as the text names it */
} nn_write_options;
/* The entry graph as one exported function in `text`, the weights in the form of .safetensors in `weights` (empty when
 * there are none).  What the language cannot say gives a diagnostic that names the op and where it came from. */
nnc_status nn_write(nnc_module *m, const nn_write_options *o, FILE *text, nnp_text *weights);
#endif
