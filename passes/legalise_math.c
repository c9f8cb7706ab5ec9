#include "passes/legalise.h"
bool nnc_math_has(nnc_opcode code, nnc_dtype dt) { (void)code; (void)dt; return false; }
nnc_value nnc_math_build(nnc_builder *b, nnc_opcode code, nnc_value x) { (void)b; (void)code; return x; }
