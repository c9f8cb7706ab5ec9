/* ir/eval.h - scalar semantics: one element of any dtype through any scalar op.  Interpreter and folder share it, and
 * emitted code must agree with it bit for bit on integers and within the stated ULP on floats. */
#ifndef NNC_IR_EVAL_H
#define NNC_IR_EVAL_H
#include "ir/module.h"

/* A number wide enough for every dtype: floats in f (exact for f64 and below), integers and bool in i (u64 as bits). */
typedef struct nnc_num {
    double f;
    int64_t i;
} nnc_num;
nnc_num nnc_num_load(nnc_dtype dt, const void *p);
void nnc_num_store(nnc_dtype dt, void *p,
                   nnc_num n); /* rounds to the dtype, nearest even; wraps integers */
nnc_num nnc_num_of_bits(nnc_dtype dt, uint64_t bits);
uint64_t nnc_num_bits(nnc_dtype dt, nnc_num n);
/* y = op(x[0..n-1]) in dtype dt (that of the operands; comparisons give i = 0 or 1).  f32, f16 and bf16 compute in
 * float, f64 in double.  `flag`: fmod of rem. */
nnc_num nnc_eval_scalar(nnc_opcode code, nnc_dtype dt, const nnc_num *x, bool flag);
/* Value conversion as `cast` documents it; `mode` only matters for f8e8m0. */
nnc_num nnc_eval_cast(nnc_num x, nnc_dtype from, nnc_dtype to, bool saturate, nnc_word mode);

/* Small floats, exact, round to nearest even. */
float nnc_f16_to_f32(uint16_t h);
uint16_t nnc_f32_to_f16(float f);
float nnc_bf16_to_f32(uint16_t h);
uint16_t nnc_f32_to_bf16(float f);
float nnc_f8_to_f32(nnc_dtype dt, uint8_t b); /* f8 variants, f8e8m0, f4e2m1 */
uint8_t nnc_f32_to_f8(nnc_dtype dt, float f, bool saturate, nnc_word mode);
#endif
