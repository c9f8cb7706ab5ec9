/* runtime/npy.h - read and write NumPy's .npy files (format 1.0 to 3.0), little-endian, C order.
 *
 * Types NumPy has no name for (bfloat16, 8-bit floats) travel as raw bytes of their width: "V2", "V1"; the reader
 * accepts unsigned integers of that width for them too.  Memory is malloc'ed; npy_free releases it. */
#ifndef NNC_RUNTIME_NPY_H
#define NNC_RUNTIME_NPY_H
#include <stddef.h>

enum { NPY_MAX_RANK = 8 };
typedef struct npy {
    char kind; /* 'f' float, 'i' signed, 'u' unsigned, 'b' bool, 'V' raw */
    int bytes; /* of one element */
    int rank;
    size_t dim[NPY_MAX_RANK];
    void *data;
} npy;

/* 0 on success; else *error is a static or malloc'ed text without a newline that says what is wrong. */
int npy_read(const char *path, npy *out, const char **error);
int npy_write(const char *path, const npy *in, const char **error);
/* The same from a file that lies in memory. */
int npy_read_memory(const void *bytes, size_t n, npy *out, const char **error);
/* What stands before the data in a file; the number of bytes. */
enum { NPY_PREAMBLE = 512 };
size_t npy_preamble(const npy *in, char out[NPY_PREAMBLE]);
size_t npy_count(const npy *a);
void npy_free(npy *a);
/* "float32" -> kind and bytes; 0 on success. */
int npy_dtype(const char *numpy_name, char *kind, int *bytes);
#endif
