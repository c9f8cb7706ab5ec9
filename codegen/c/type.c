/* C types and constants.  A value's type differs from its type in memory only for bools: int, so that comparisons need
 * no casts.  Bool vectors are masks, lanes of 0 and -1 as wide as what was compared. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "codegen/c/c.h"
#include "ir/eval.h"

const char *c_storage(nnc_dtype dt)
{
    return nnc_dtype_infos[dt].ctype;
}

const char *c_scalar(nnc_dtype dt)
{
    return dt == NNC_DT_bool ? "int" : nnc_dtype_infos[dt].ctype;
}

const char *c_unsigned(nnc_dtype dt)
{
    return dt == NNC_DT_idx ? "size_t" : nnc_dtype_infos[dt].bits > 32 ? "uint64_t" : "uint32_t";
}

bool c_is_small_float(nnc_dtype dt)
{
    return nnc_dtype_is_float(dt) && dt != NNC_DT_f32 && dt != NNC_DT_f64;
}

bool c_is_wide_int(nnc_dtype dt)
{
    return nnc_dtype_is_int(dt) && nnc_dtype_infos[dt].bits >= 32;
}

nnc_dtype c_int_of_width(unsigned bytes, bool is_signed)
{
    switch (bytes) {
    case 1: return is_signed ? NNC_DT_i8 : NNC_DT_u8;
    case 2: return is_signed ? NNC_DT_i16 : NNC_DT_u16;
    case 4: return is_signed ? NNC_DT_i32 : NNC_DT_u32;
    default: return is_signed ? NNC_DT_i64 : NNC_DT_u64;
    }
}

const char *c_vector(c_cgen *g, nnc_dtype dt, unsigned lanes)
{
    uint32_t key = (uint32_t)dt << 16 | lanes;
    uint32_t i = 0;

    while (i < g->vectors.n && g->vectors.at[i] != key)
        i++;
    if (i == g->vectors.n)
        NNC_PUSH(g->root, &g->vectors, key);
    return c_fmt(g, "%sx%u", nnc_dtype_infos[dt].name, lanes);
}

/* The lanes of a mask are as wide as the operands of the comparison it comes from. */
nnc_dtype c_mask(const c_cgen *g, nnc_value v)
{
    nnc_op d = nnc_value_op(g->m, v);

    if (!d.id)
        return NNC_DT_i32;
    switch (nnc_op_code(g->m, d)) {
    case NNC_OP_load: return NNC_DT_i8;
    case NNC_OP_select: return c_mask(g, nnc_op_in(g->m, d, 1));
    case NNC_OP_and:
    case NNC_OP_or:
    case NNC_OP_xor:
    case NNC_OP_not:
    case NNC_OP_splat:
        for (unsigned i = 0; i < nnc_op_nin(g->m, d); i++)
            if (c_lanes(g, nnc_op_in(g->m, d, i)) > 1 &&
                nnc_op_code(g->m, nnc_value_op(g->m, nnc_op_in(g->m, d, i))) != NNC_OP_splat)
                return c_mask(g, nnc_op_in(g->m, d, i));
        return NNC_DT_i32;
    default:
        return c_int_of_width((unsigned)nnc_dtype_bytes(c_dtype(g, nnc_op_in(g->m, d, 0))), true);
    }
}

const char *c_value_type(c_cgen *g, nnc_value v)
{
    const nnc_type_rec *t = nnc_value_ty(g->m, v);

    if (t->lanes == 1)
        return c_scalar((nnc_dtype)t->dtype);
    return c_vector(g, t->dtype == NNC_DT_bool ? c_mask(g, v) : (nnc_dtype)t->dtype, t->lanes);
}

/* The shortest decimal that reads back as the same number. */
static const char *float_text(c_cgen *g, double x, bool single)
{
    char s[40];

    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, x);
        if (single ? strtof(s, NULL) == (float)x : strtod(s, NULL) == x)
            break;
    }
    return c_fmt(g, "%s%s%s", s, strpbrk(s, ".e") ? "" : ".0", single ? "f" : "");
}

static const char *float_number(c_cgen *g, nnc_dtype dt, double x)
{
    if (isnan(x) || isinf(x)) {
        g->math_h = true;
        return c_fmt(g, "%s%s%s", dt == NNC_DT_f64 ? "(double)" : "", x < 0 ? "-" : "",
                     isnan(x) ? "NAN" : "INFINITY");
    }
    return float_text(g, x, dt == NNC_DT_f32);
}

const char *c_number(c_cgen *g, nnc_dtype dt, uint64_t bits)
{
    nnc_num n = nnc_num_of_bits(dt, bits);

    if (dt == NNC_DT_f32 || dt == NNC_DT_f64)
        return float_number(g, dt, n.f);
    if (nnc_dtype_is_float(dt))
        return c_fmt(g, "0x%0*llx", 2 * (int)nnc_dtype_bytes(dt), (unsigned long long)bits);
    switch (dt) {
    case NNC_DT_i64:
        if (n.i > INT32_MIN && n.i <= INT32_MAX)
            return c_fmt(g, "%lld", (long long)n.i);
        return n.i == INT64_MIN ? "INT64_MIN" : c_fmt(g, "INT64_C(%lld)", (long long)n.i);
    case NNC_DT_u64: return c_fmt(g, "UINT64_C(%llu)", (unsigned long long)n.i);
    case NNC_DT_i32: return n.i == INT32_MIN ? "INT32_MIN" : c_fmt(g, "%lld", (long long)n.i);
    case NNC_DT_u32: return c_fmt(g, "%lluu", (unsigned long long)n.i);
    default: return c_fmt(g, "%lld", (long long)n.i);
    }
}

/* Vector types, with an unaligned twin for memory; typedefs cost nothing, so signed and unsigned come together. */
void c_vector_types(c_cgen *g, FILE *f)
{
    for (uint32_t i = 0; i < g->vectors.n; i++) {
        nnc_dtype dt = (nnc_dtype)(g->vectors.at[i] >> 16);
        unsigned lanes = g->vectors.at[i] & 0xffff, bytes = (unsigned)nnc_dtype_bytes(dt);
        const char *name = nnc_dtype_infos[dt].name;
        fprintf(f, "typedef %s %sx%u __attribute__((vector_size(%u)));\n", c_storage(dt), name,
                lanes, bytes * lanes);
        fprintf(f, "typedef %s %sx%u_u __attribute__((vector_size(%u), aligned(%u), may_alias));\n",
                c_storage(dt), name, lanes, bytes * lanes, bytes);
    }
}
