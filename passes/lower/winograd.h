/* passes/lower/winograd.h - the transforms of Winograd's convolution F(n x n, 3 x 3), n = 2 or 4. */
#ifndef NNC_PASSES_LOWER_WINOGRAD_H
#define NNC_PASSES_LOWER_WINOGRAD_H
#include "ir/build.h"

bool nnc_winograd_known(int n);
/* Weights where they lie: element (y, x, i, o) is at[y * stride[0] + ..]. */
typedef struct nnc_winograd_kernel {
    const float *at;
    int64_t stride[4], i;
} nnc_winograd_kernel;
void nnc_winograd_read(const nnc_winograd_kernel *k, int64_t i, int64_t o, double w[3][3]);
/* The (n + 2)^2 transformed weights of one kernel, `stride` apart. */
void nnc_winograd_weights(int n, const double w[3][3], float *u, int64_t stride);
/* Largest rounding error of output channel o over its largest output, for random inputs. */
double nnc_winograd_error(int n, const nnc_winograd_kernel *k, int64_t o);
/* Code for the transforms of one tile of f32 values, in place: (n + 2)^2 inputs; (n + 2)^2 products to n^2 outputs. */
void nnc_winograd_input(nnc_builder *b, int n, nnc_value *v);
void nnc_winograd_output(nnc_builder *b, int n, nnc_value *v);
#endif
