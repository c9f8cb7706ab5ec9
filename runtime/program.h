/* runtime/program.h - the table that a generated program hands to program_main. */
#ifndef NNC_RUNTIME_PROGRAM_H
#define NNC_RUNTIME_PROGRAM_H
#include <stddef.h>

typedef struct program_tensor {
    const char *name, *dtype; /* the model's own name; NumPy's name of the type */
    int rank;
    long long dim[8]; /* inputs: >= 0 a size, < 0 minus (1 + symbol).  Outputs: upper bounds */
    size_t bytes;     /* of the whole tensor at its upper bound */
} program_tensor;
typedef struct program_symbol {
    const char *name;
    size_t lo, hi;
} program_symbol;
typedef struct program {
    const char *name;
    int ninput, noutput, nsymbol;
    const program_tensor *input, *output;
    const program_symbol *symbol; /* the model's own first, then sizes that the run finds out */
    size_t workspace;
    /* Run; symbol values in and out.  0 on success, else a status with a text from `status`. */
    int (*run)(void *const *in, void *const *out, size_t *symbol, void *workspace);
    /* Real sizes of output i after the run. */
    void (*dims)(int i, const size_t *symbol, size_t *dim);
    const char *(*status)(int code);
} program;

/* --input NAME=FILE.npy .. --output NAME=FILE.npy ..; without --output a summary of each output is printed. */
int program_main(const program *p, int argc, char **argv);
#endif
