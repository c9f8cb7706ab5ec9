/* runtime/value.h - elements of tensors as numbers and as text. */
#ifndef NNC_RUNTIME_VALUE_H
#define NNC_RUNTIME_VALUE_H
#include "host.h"
#include "text.h"

/* A tensor as a host call sees it: its description, its bytes, its sizes. */
typedef struct nnp_view {
    const nnp_value *value;
    const unsigned char *data;
    const size_t *dim;
    size_t count; /* elements */
} nnp_view;

/* bytes: of one element in memory.  kind as in .npy: f i u b, V raw; safetensors: its name there, NULL when it has none. */
typedef struct nnp_dtype_info {
    int bytes;
    char kind;
    int floating;
    const char *name, *safetensors;
} nnp_dtype_info;
const nnp_dtype_info *nnp_dtype_get(nnp_dtype d);

/* The operand `v` of a host call; v->at must be given. */
nnp_view nnp_view_of(const nnp_value *v, void *const *data, const size_t *const *dim);
double nnp_element(nnp_dtype d, const void *data, size_t i);
int64_t nnp_element_int(nnp_dtype d, const void *data,
                        size_t i); /* exact for integers; floats are cut */
double nnp_view_get(const nnp_view *v, size_t i);
/* Element i: integers in full, bools as true and false, strings as they are, floats with `digits` significant digits, or
 * with as few as give the number back when digits is 0. */
void nnp_view_text(const nnp_view *v, size_t i, int digits, nnp_text *out);
void nnp_number_text(nnp_dtype d, double v, int digits, nnp_text *out);
/* Element i as JSON: number, string, true or false. */
void nnp_view_json(const nnp_view *v, size_t i, nnp_text *out);
/* The whole tensor as JSON, nested by its axes. */
void nnp_view_json_all(const nnp_view *v, nnp_text *out);

/* What place i of an axis is called: its label, or its number. */
void nnp_axis_place(const nnp_axis *a, size_t i, void *const *data, nnp_text *out);
/* That place as a number; 0 when it is none. */
int nnp_axis_number(const nnp_axis *a, size_t i, void *const *data, double *out);
#endif
