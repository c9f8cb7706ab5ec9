/* Vector functions. */
#include "codegen/c/c.h"

const char *c_need_math(c_cgen *g, nnc_opcode code, nnc_dtype dt, unsigned lanes)
{
    (void)g, (void)code, (void)dt, (void)lanes;
    return NULL;
}
