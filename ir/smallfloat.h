/* ir/smallfloat.h - exact conversion between double and every format of 16 bits or less (f16, bf16, f8*, f4e2m1). */
#ifndef NNC_IR_SMALLFLOAT_H
#define NNC_IR_SMALLFLOAT_H
#include "ir/eval.h"

double nnc_small_decode(nnc_dtype dt, uint32_t bits);
/* Nearest even.  Too large: the largest finite number when `saturate`, else infinity, else NaN (what the format has).
 * `mode` (NNC_W_up, down, nearest with ties up) only matters for f8e8m0, which drops the sign. */
uint32_t nnc_small_encode(nnc_dtype dt, double x, bool saturate, nnc_word mode);
/* The largest finite number. */
double nnc_small_max(nnc_dtype dt);
#endif
