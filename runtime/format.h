/* runtime/format.h - one look for the numbers of a column, and the specs of print. */
#ifndef NNC_RUNTIME_FORMAT_H
#define NNC_RUNTIME_FORMAT_H
#include "value.h"

typedef struct nnp_format {
    char
        kind; /* 'd' as they are, 'f' with `digits` decimals, 'g' with `digits` significant digits */
    int digits;
} nnp_format;

/* A form in which the elements first, first + step, .. (n of them) show four significant digits, aligned at the point when their
 * sizes allow it. */
nnp_format nnp_format_of(const nnp_view *v, size_t first, size_t step, size_t n);
void nnp_format_put(nnp_format f, const nnp_view *v, size_t i, nnp_text *out);

/* One element by a print spec. */
void nnp_spec_put(const char *spec, const nnp_view *v, size_t i, nnp_text *out);
/* A whole tensor, as NumPy shows it; lines after the first are indented by `column`.  spec: "" or NULL for the common look. */
void nnp_tensor_put(const char *spec, const nnp_view *v, int column, nnp_text *out);
#endif
