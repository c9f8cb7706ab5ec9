/* Expressions on short vectors, in the vector extensions of gcc and clang.  A splat is spelled only where C does not
 * widen a scalar by itself; integer arithmetic wraps through unsigned vectors; bools are masks. */
#include <math.h>
#include <float.h>
#include "codegen/c/c.h"

static nnc_op splat_of(const c_cgen *g, nnc_value v)
{
    nnc_op d = nnc_value_op(g->m, v);

    return d.id && nnc_op_code(g->m, d) == NNC_OP_splat ? d : (nnc_op){0};
}

static const char *splat_text(c_cgen *g, nnc_value scalar, nnc_dtype dt, unsigned lanes)
{
    if (nnc_value_is_const(g->m, scalar) && nnc_value_get(g->m, scalar)->bits == 0)
        return c_fmt(g, "(%s){0}", c_vector(g, dt, lanes));
    if (c_dtype(g, scalar) == NNC_DT_bool)
        return c_fmt(g, "SPLAT(%s, (%s)-%s)", c_vector(g, dt, lanes), c_storage(dt),
                     c_operand(g, scalar, C_PRIMARY));
    return c_fmt(g, "SPLAT(%s, %s)", c_vector(g, dt, lanes), c_operand(g, scalar, C_UNARY));
}

/* A vector operand in full. */
const char *c_vector_operand(c_cgen *g, nnc_value v, int prec)
{
    nnc_op s = splat_of(g, v);

    if (c_lanes(g, v) == 1)
        return c_operand(g, v, prec);
    if (s.id)
        return splat_text(g, nnc_op_in(g->m, s, 0),
                          c_dtype(g, v) == NNC_DT_bool ? c_mask(g, v) : c_dtype(g, v),
                          c_lanes(g, v));
    return c_operand(g, v, prec);
}

/* An operand that has to be a vector of n lanes, whatever it is in K. */
static const char *full(c_cgen *g, nnc_value v, unsigned n, int prec)
{
    if (c_lanes(g, v) == 1)
        return splat_text(g, v, c_dtype(g, v), n);
    return c_vector_operand(g, v, prec);
}

/* An operand of float arithmetic: a scalar will do when the other side is a vector. */
static const char *either(c_cgen *g, nnc_value v, nnc_value other, int prec)
{
    nnc_op s = splat_of(g, v);

    if (s.id && !splat_of(g, other).id)
        return c_operand(g, nnc_op_in(g->m, s, 0), prec);
    return c_vector_operand(g, v, prec);
}

static c_expr infix(c_cgen *g, nnc_op op, const char *sign, int p)
{
    nnc_value x = nnc_op_in(g->m, op, 0), y = nnc_op_in(g->m, op, 1);

    return c_prec(c_fmt(g, "%s %s %s", either(g, x, y, p), sign, either(g, y, x, p + 1)), p);
}

static c_expr whole(c_cgen *g, nnc_op op, const char *sign, int p)
{
    unsigned n = c_lanes(g, nnc_op_out(g->m, op, 0));

    return c_prec(c_fmt(g, "%s %s %s", full(g, nnc_op_in(g->m, op, 0), n, C_UNARY), sign,
                        full(g, nnc_op_in(g->m, op, 1), n, C_UNARY)),
                  p);
}

static c_expr call(c_cgen *g, const char *f, nnc_op op)
{
    const char *s = "";
    unsigned n = c_lanes(g, nnc_op_out(g->m, op, 0));

    for (unsigned i = 0; i < nnc_op_nin(g->m, op); i++)
        s = c_fmt(g, "%s%s%s", s, i ? ", " : "",
                  n > 1 ? full(g, nnc_op_in(g->m, op, i), n, C_COND)
                        : c_vector_operand(g, nnc_op_in(g->m, op, i), C_COND));
    return c_prec(c_fmt(g, "%s(%s)", f, s), C_PRIMARY);
}

/* gcc takes narrow integers apart lane by lane: where the machine widens them, an intrinsic does. */
static const char *widened(c_cgen *g, const char *x, nnc_dtype from, unsigned lanes)
{
    const char *vf = c_vector(g, from, lanes), *vi = c_vector(g, NNC_DT_i32, lanes);
    const char *name = c_fmt(g, "%s_of_%s", vi, vf);
    bool sg = nnc_dtype_infos[from].class == NNC_DC_SINT;
    unsigned bits = nnc_dtype_infos[from].bits, bytes = bits / 8 * lanes;
    uint32_t i;

    if (!c_helper_known(g, name, &i)) {
        const char *arg = bytes == 4    ? "_mm_cvtsi32_si128((int32_t)x)"
                          : bytes == 8  ? "_mm_cvtsi64_si128((int64_t)x)"
                          : bytes == 16 ? "(__m128i)x"
                                        : "(__m256i)x";
        const char *machine = lanes == 16  ? "defined(__AVX512F__)"
                              : lanes == 8 ? "defined(__AVX2__) && defined(__x86_64__)"
                                           : "defined(__SSE4_1__) && defined(__x86_64__)";
        g->immintrin_h = true;
        c_helper_add(
            g, name,
            c_fmt(g,
                  "static inline %s %s(%s x)\n{\n#if %s\n    return (%s)%s_cvtep%c%u_epi32(%s);\n"
                  "#else\n    return __builtin_convertvector(x, %s);\n#endif\n}\n",
                  vi, name, vf, machine, vi,
                  lanes == 16  ? "_mm512"
                  : lanes == 8 ? "_mm256"
                               : "_mm",
                  sg ? 'i' : 'u', bits, arg, vi));
        (void)c_helper_known(g, name, &i);
    }
    c_helper_mark(g, i);
    return c_fmt(g, "%s(%s)", name, x);
}

/* The same for the low bytes of 32-bit lanes. */
static const char *narrowed(c_cgen *g, const char *x, nnc_dtype to, unsigned lanes)
{
    const char *vi = c_vector(g, NNC_DT_i32, lanes), *vt = c_vector(g, to, lanes);
    const char *name = c_fmt(g, "%s_of_%s", vt, vi);
    uint32_t i;

    if (!c_helper_known(g, name, &i)) {
        const char *text =
            lanes == 16  ? "#if defined(__AVX512F__)\n    return "
                           "(%s)_mm512_cvtepi32_epi8((__m512i)x);\n#else\n"
            : lanes == 8 ? "#if defined(__AVX512VL__) && defined(__x86_64__)\n"
                           "    return (%s)_mm_cvtsi128_si64(_mm256_cvtepi32_epi8((__m256i)x));\n"
                           "#elif defined(__AVX2__) && defined(__x86_64__)\n    const __m256i b = "
                           "(__m256i)(x & 255);\n"
                           "    const __m128i h = _mm_packus_epi32(_mm256_castsi256_si128(b), "
                           "_mm256_extracti128_si256(b, 1));\n    return "
                           "(%s)_mm_cvtsi128_si64(_mm_packus_epi16(h, h));\n#else\n"
                         : "#if defined(__SSE4_1__) && defined(__x86_64__)\n    const __m128i b = "
                           "(__m128i)(x & 255), h = "
                           "_mm_packus_epi32(b, b);\n    return "
                           "(%s)_mm_cvtsi128_si32(_mm_packus_epi16(h, h));\n#else\n";
        nnc_text t;
        nnc_text_begin(&t);
        fprintf(t.f, "static inline %s %s(%s x)\n{\n", vt, name, vi);
        for (const char *p = text; *p; p++)
            if (p[0] == '%' && p[1] == 's')
                fputs(vt, t.f), p++;
            else
                fputc(*p, t.f);
        fprintf(t.f, "    return __builtin_convertvector(x, %s);\n#endif\n}\n", vt);
        g->immintrin_h = true;
        c_helper_add(g, name, nnc_text_end(&t, g->a));
        (void)c_helper_known(g, name, &i);
    }
    c_helper_mark(g, i);
    return c_fmt(g, "%s(%s)", name, x);
}

static c_expr convert(c_cgen *g, const char *x, nnc_dtype from, nnc_dtype to, unsigned lanes)
{
    bool narrow = nnc_dtype_is_int(from) && nnc_dtype_infos[from].bits < 32 &&
                  nnc_dtype_infos[from].bits >= 8 && (lanes == 4 || lanes == 8 || lanes == 16);

    if (narrow && (to == NNC_DT_i32 || to == NNC_DT_f32)) {
        x = widened(g, x, from, lanes);
        if (to == NNC_DT_i32)
            return c_prec(x, C_PRIMARY);
    }
    if (from == NNC_DT_i32 && (to == NNC_DT_u8 || to == NNC_DT_i8) &&
        (lanes == 4 || lanes == 8 || lanes == 16))
        return c_prec(narrowed(g, x, to, lanes), C_PRIMARY);
    return c_prec(c_fmt(g, "__builtin_convertvector(%s, %s)", x, c_vector(g, to, lanes)),
                  C_PRIMARY);
}

/* A mask with lanes of the given integer type. */
static const char *mask_as(c_cgen *g, nnc_value v, nnc_dtype want, int prec)
{
    nnc_op s = splat_of(g, v);

    if (s.id)
        return splat_text(g, nnc_op_in(g->m, s, 0), want, c_lanes(g, v));
    if (c_mask(g, v) == want)
        return c_operand(g, v, prec);
    return convert(g, c_operand(g, v, C_COND), c_mask(g, v), want, c_lanes(g, v)).s;
}

static c_expr mask_op(c_cgen *g, nnc_op op, const char *sign, int p)
{
    nnc_dtype want = c_mask(g, nnc_op_out(g->m, op, 0));

    return c_prec(c_fmt(g, "%s %s %s", mask_as(g, nnc_op_in(g->m, op, 0), want, C_UNARY), sign,
                        mask_as(g, nnc_op_in(g->m, op, 1), want, C_UNARY)),
                  p);
}

/* Comparisons give signed vectors whose type the compiler picks; 64-bit lanes may come as another type of equal width. */
static c_expr compare(c_cgen *g, nnc_op op, const char *sign, int p)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    unsigned n = c_lanes(g, nnc_op_out(g->m, op, 0));
    const char *s =
        c_fmt(g, "%s %s %s", full(g, x, n, C_ADD), sign, full(g, nnc_op_in(g->m, op, 1), n, C_ADD));

    if (nnc_dtype_bytes(c_dtype(g, x)) == 8)
        return c_prec(c_fmt(g, "(%s)(%s)", c_vector(g, NNC_DT_i64, c_lanes(g, x)), s), C_UNARY);
    return c_prec(s, p);
}

static c_expr int_arith(c_cgen *g, nnc_op op, const char *sign)
{
    nnc_value v = nnc_op_out(g->m, op, 0);
    nnc_dtype dt = c_dtype(g, v);
    unsigned n = c_lanes(g, v);

    if (nnc_dtype_infos[dt].class == NNC_DC_UINT)
        return whole(g, op, sign, *sign == '*' ? C_MUL : C_ADD);
    const char *u = c_vector(g, c_int_of_width((unsigned)nnc_dtype_bytes(dt), false), n);
    return c_prec(c_fmt(g, "(%s)((%s)%s %s (%s)%s)", c_vector(g, dt, n), u,
                        full(g, nnc_op_in(g->m, op, 0), n, C_UNARY), sign, u,
                        full(g, nnc_op_in(g->m, op, 1), n, C_UNARY)),
                  C_UNARY);
}

static c_expr extreme(c_cgen *g, nnc_op op, bool flt)
{
    nnc_value v = nnc_op_out(g->m, op, 0), y = nnc_op_in(g->m, op, 1);
    bool max = nnc_op_code(g->m, op) == NNC_OP_max;
    nnc_op s = splat_of(g, y);
    double k;
    bool plain = flt && nnc_value_number(g->m, s.id ? nnc_op_in(g->m, s, 0) : y, &k) && !isnan(k);

    return call(g,
                c_need(g, plain ? (max ? "at_least" : "at_most") : (max ? "max" : "min"),
                       c_dtype(g, v), c_lanes(g, v)),
                op);
}

/* Float lanes to integers: saturating, nan to 0; clamps are left out when the range is known. */
static c_expr float_to_int(c_cgen *g, nnc_op op, nnc_dtype to)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    nnc_dtype from = c_dtype(g, x), wide = from == NNC_DT_f64 ? NNC_DT_i64 : NNC_DT_i32;
    unsigned n = c_lanes(g, x), w = nnc_dtype_infos[to].bits;
    bool sg = nnc_dtype_infos[to].class == NNC_DC_SINT;
    double lo = sg ? -ldexp(1, (int)w - 1) : 0, hi = ldexp(1, (int)(sg ? w - 1 : w)) - 1, have_lo,
           have_hi;
    uint32_t i;
    nnc_op whole = nnc_value_op(g->m, x);

    if (w > 32 || (w == 32 && !sg)) {
        (void)c_refuse(g, op, "for vectors the conversion");
        return c_prec("0", C_PRIMARY);
    }
    if (w == 32)
        hi = 2147483520.0; /* the largest float below 2^31 */
    bool clamped = nnc_float_range(g->m, x, &have_lo, &have_hi) && have_lo >= lo && have_hi <= hi;
    bool exact = nnc_attr_int(g->m, op, NNC_W_exact, 0) != 0;
    bool small = exact || (clamped && have_lo > -2097152.0 && have_hi < 2097152.0 &&
                           nnc_float_is_finite(g->m, x));
    if (small && from == NNC_DT_f32 && (to == wide || clamped) && whole.id &&
        nnc_op_code(g->m, whole) == NNC_OP_round) {
        nnc_value of = g->flow.in_place[x.id] ? nnc_op_in(g->m, whole, 0) : x;
        c_expr near = c_prec(
            c_fmt(g, "%s(%s)", c_need(g, "nearest", from, n), full(g, of, n, C_COND)), C_PRIMARY);
        return to == wide ? near : convert(g, near.s, wide, to, n);
    }
    const char *vf = c_vector(g, from, n), *vi = c_vector(g, wide, n);
    const char *name = c_fmt(g, "%s_to_%s%s", vf, nnc_dtype_infos[clamped ? wide : to].name,
                             clamped ? "_small" : "");
    if (!c_helper_known(g, name, &i)) {
        const char *body =
            clamped ? ""
                    : c_fmt(g, "    x = %s(%s(x, SPLAT(%s, %.1f%s)), SPLAT(%s, %.1f%s));\n",
                            c_need(g, "at_least", from, n), c_need(g, "at_most", from, n), vf, hi,
                            from == NNC_DT_f32 ? "f" : "", vf, lo, from == NNC_DT_f32 ? "f" : "");
        const char *top =
            w == 32 && !clamped ? c_fmt(g, "    const %s over = x >= 2147483648.0f;\n", vi) : "";
        const char *fix = w == 32 && !clamped
                              ? c_fmt(g, "    return %s(over, SPLAT(%s, INT32_MAX), ",
                                      c_need(g, "pick", NNC_DT_i32, n), vi)
                              : "    return ";
        c_helper_add(
            g, name,
            c_fmt(g,
                  "static inline %s %s(%s x) /* nan gives 0%s "
                  "*/\n{\n%s%s%s__builtin_convertvector((%s)((%s)x & (x == x)), %s)%s;\n}\n",
                  vi, name, vf, clamped ? "; in range otherwise" : ", saturates", top, body, fix,
                  vf, vi, vi, *fix && w == 32 && !clamped ? ")" : ""));
    }
    g->helper.at[i = (c_helper_known(g, name, &i), i)].sections |= g->section;
    c_expr e = c_prec(c_fmt(g, "%s(%s)", name, c_vector_operand(g, x, C_COND)), C_PRIMARY);
    return to == wide ? e : convert(g, e.s, wide, to, n);
}

/* v = max or min of something and the number k, written within the expression that reads it. */
static bool limited(const c_cgen *g, nnc_value v, nnc_opcode code, int64_t k, nnc_value *of)
{
    nnc_op d = nnc_value_op(g->m, v);
    int64_t have;

    if (!d.id || nnc_op_code(g->m, d) != code || !g->flow.in_place[v.id])
        return false;
    nnc_op s = splat_of(g, nnc_op_in(g->m, d, 1));
    *of = nnc_op_in(g->m, d, 0);
    return s.id && nnc_value_idx(g->m, nnc_op_in(g->m, s, 0), &have) && have == k;
}

/* min(max(x, lowest), largest) as bytes is one saturating conversion. */
static const char *saturated(c_cgen *g, nnc_value v, nnc_dtype to)
{
    unsigned n = c_lanes(g, v);
    bool sg = to == NNC_DT_i8;
    nnc_value x;
    uint32_t i;

    if ((to != NNC_DT_u8 && !sg) || c_dtype(g, v) != NNC_DT_i32 || (n != 4 && n != 8 && n != 16) ||
        !limited(g, v, NNC_OP_min, sg ? 127 : 255, &x) ||
        !limited(g, x, NNC_OP_max, sg ? -128 : 0, &x))
        return NULL;
    const char *vi = c_vector(g, NNC_DT_i32, n), *vt = c_vector(g, to, n),
               *name = c_fmt(g, "%s_sat_of_%s", vt, vi);
    if (!c_helper_known(g, name, &i)) {
        nnc_text t;
        nnc_text_begin(&t);
        g->immintrin_h = true;
        fprintf(t.f, "static inline %s %s(%s x) /* saturates */\n{\n", vt, name, vi);
        if (n == 16)
            fprintf(t.f, "#if defined(__AVX512F__)\n    return (%s)%s;\n#else\n", vt,
                    sg ? "_mm512_cvtsepi32_epi8((__m512i)x)"
                       : "_mm512_cvtusepi32_epi8(_mm512_max_epi32((__m512i)x, "
                         "_mm512_setzero_si512()))");
        else
            fprintf(
                t.f,
                "#if defined(%s) && defined(__x86_64__)\n    const __m128i h = "
                "_mm_packs_epi32(%s);\n"
                "    return (%s)_mm_cvtsi128_si%u(_mm_pack%s_epi16(h, h));\n#else\n",
                n == 8 ? "__AVX2__" : "__SSE2__",
                n == 8
                    ? "_mm256_castsi256_si128((__m256i)x), _mm256_extracti128_si256((__m256i)x, 1)"
                    : "(__m128i)x, (__m128i)x",
                vt, n * 8, sg ? "s" : "us");
        fprintf(t.f, "    const %s low = x < %d, high = x > %d;\n", vi, sg ? -128 : 0,
                sg ? 127 : 255);
        fprintf(t.f,
                "    return __builtin_convertvector((x & ~low & ~high) | (low & %d) | (high & %d), "
                "%s);\n#endif\n}\n",
                sg ? -128 : 0, sg ? 127 : 255, vt);
        c_helper_add(g, name, nnc_text_end(&t, g->a));
        (void)c_helper_known(g, name, &i);
    }
    c_helper_mark(g, i);
    return c_fmt(g, "%s(%s)", name, full(g, x, n, C_COND));
}

static c_expr cast(c_cgen *g, nnc_op op)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    nnc_dtype from = c_dtype(g, x), to = c_dtype(g, nnc_op_out(g->m, op, 0));
    unsigned n = c_lanes(g, x);

    if (from == NNC_DT_bool)
        return convert(g, c_fmt(g, "-%s", c_operand(g, x, C_PRIMARY)), NNC_DT_bool, to, n);
    if (to == NNC_DT_bool)
        return c_prec(c_fmt(g, "%s != 0", c_vector_operand(g, x, C_ADD)), C_EQ);
    if (nnc_dtype_is_float(from) && !nnc_dtype_is_float(to))
        return float_to_int(g, op, to);
    const char *sat = saturated(g, x, to);
    if (sat)
        return c_prec(sat, C_PRIMARY);
    return convert(g, c_vector_operand(g, x, C_COND), from, to, n);
}

static c_expr load(c_cgen *g, nnc_op op)
{
    const char *s = c_place(g, op);

    if (c_dtype(g, nnc_op_out(g->m, op, 0)) ==
        NNC_DT_bool) /* 0 or 1 in memory, 0 or -1 as a mask */
        return c_prec(
            c_fmt(g, "-(%s)%s", c_vector(g, NNC_DT_i8, c_lanes(g, nnc_op_out(g->m, op, 0))), s),
            C_UNARY);
    return c_prec(s, C_PRIMARY);
}

static c_expr select(c_cgen *g, nnc_op op)
{
    nnc_value v = nnc_op_out(g->m, op, 0);
    nnc_dtype dt = c_dtype(g, v), lane = dt == NNC_DT_bool
                                             ? c_mask(g, v)
                                             : c_int_of_width((unsigned)nnc_dtype_bytes(dt), true);
    unsigned n = c_lanes(g, v);
    nnc_value c = nnc_op_in(g->m, op, 0), a = nnc_op_in(g->m, op, 1), b = nnc_op_in(g->m, op, 2);

    if (c_lanes(g, c) == 1)
        return c_prec(c_fmt(g, "%s ? %s : %s", c_operand(g, c, C_LOR), full(g, a, n, C_LOR),
                            full(g, b, n, C_LOR)),
                      C_COND);
    const char *x = dt == NNC_DT_bool ? mask_as(g, a, lane, C_COND) : full(g, a, n, C_COND);
    const char *y = dt == NNC_DT_bool ? mask_as(g, b, lane, C_COND) : full(g, b, n, C_COND);
    return c_prec(c_fmt(g, "%s(%s, %s, %s)", c_need(g, "pick", dt == NNC_DT_bool ? lane : dt, n),
                        mask_as(g, c, lane, C_COND), x, y),
                  C_PRIMARY);
}

static c_expr reduction(c_cgen *g, nnc_op op)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    nnc_opcode code = nnc_op_code(g->m, op);

    if (code == NNC_OP_extract)
        return c_prec(c_fmt(g, "%s[%lld]", c_vector_operand(g, x, C_PRIMARY),
                            (long long)nnc_attr_int(g->m, op, NNC_W_index, 0)),
                      C_PRIMARY);
    return call(g,
                c_need(g,
                       code == NNC_OP_hsum   ? "sum"
                       : code == NNC_OP_hmax ? "largest"
                                             : "smallest",
                       c_dtype(g, x), c_lanes(g, x)),
                op);
}

static c_expr float_op(c_cgen *g, nnc_op op)
{
    nnc_value x = nnc_op_in(g->m, op, 0);
    nnc_dtype dt = c_dtype(g, x);
    unsigned n = c_lanes(g, nnc_op_out(g->m, op, 0));
    nnc_opcode code = nnc_op_code(g->m, op);
    double lo, hi;

    switch (code) {
    case NNC_OP_neg: return c_prec(c_fmt(g, "-%s", c_vector_operand(g, x, C_PRIMARY)), C_UNARY);
    case NNC_OP_add: return infix(g, op, "+", C_ADD);
    case NNC_OP_sub: return infix(g, op, "-", C_ADD);
    case NNC_OP_mul:
        if (dt == NNC_DT_f32 && c_is_step(g, op))
            return call(g, c_need(g, "product", dt, n), op);
        return infix(g, op, "*", C_MUL);
    case NNC_OP_div: return infix(g, op, "/", C_MUL);
    case NNC_OP_fma:
        return c_prec(c_fmt(g, "%s * %s + %s", c_vector_operand(g, x, C_MUL),
                            c_vector_operand(g, nnc_op_in(g->m, op, 1), C_UNARY),
                            c_vector_operand(g, nnc_op_in(g->m, op, 2), C_MUL)),
                      C_ADD);
    case NNC_OP_max:
    case NNC_OP_min: return extreme(g, op, true);
    case NNC_OP_abs:
    case NNC_OP_sqrt: return call(g, c_need(g, nnc_op_infos[code].name, dt, n), op);
    case NNC_OP_rsqrt:
        return c_prec(c_fmt(g, "1.0%s / %s", dt == NNC_DT_f32 ? "f" : "",
                            call(g, c_need(g, "sqrt", dt, n), op).s),
                      C_MUL);
    case NNC_OP_isnan:
        return c_prec(
            c_fmt(g, "%s != %s", c_vector_operand(g, x, C_ADD), c_vector_operand(g, x, C_ADD)),
            C_EQ);
    case NNC_OP_round:
        if (dt == NNC_DT_f32 && nnc_float_range(g->m, x, &lo, &hi) && lo > -2097152.0 &&
            hi < 2097152.0)
            return call(g, c_need(g, "round_small", dt, n), op);
        return call(g, c_need_math(g, code, dt, n), op);
    default: {
        const char *f = c_need_math(g, code, dt, n);
        if (f)
            return call(g, f, op);
        (void)c_refuse(g, op, "on vectors the operation");
        return c_prec("0", C_PRIMARY);
    }
    }
}

static c_expr int_op(c_cgen *g, nnc_op op)
{
    nnc_value v = nnc_op_out(g->m, op, 0), x = nnc_op_in(g->m, op, 0);
    nnc_dtype dt = c_dtype(g, v);
    const char *type = c_vector(g, dt, c_lanes(g, v));
    int64_t k;

    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_add: return int_arith(g, op, "+");
    case NNC_OP_sub: return int_arith(g, op, "-");
    case NNC_OP_mul: return int_arith(g, op, "*");
    case NNC_OP_neg:
        return c_prec(
            c_fmt(g, "(%s)-(%s)%s", type,
                  c_vector(g, c_int_of_width((unsigned)nnc_dtype_bytes(dt), false), c_lanes(g, v)),
                  c_vector_operand(g, x, C_UNARY)),
            C_UNARY);
    case NNC_OP_and: return whole(g, op, "&", C_BAND);
    case NNC_OP_or: return whole(g, op, "|", C_BOR);
    case NNC_OP_xor: return whole(g, op, "^", C_XOR);
    case NNC_OP_not: return c_prec(c_fmt(g, "~%s", c_vector_operand(g, x, C_UNARY)), C_UNARY);
    case NNC_OP_shl:
    case NNC_OP_shr: {
        nnc_op s = splat_of(g, nnc_op_in(g->m, op, 1));
        nnc_value count = s.id ? nnc_op_in(g->m, s, 0) : nnc_op_in(g->m, op, 1);
        if (!nnc_value_idx(g->m, count, &k) || k < 0 || k >= nnc_dtype_infos[dt].bits)
            break;
        const char *v0 = c_vector_operand(g, x, C_UNARY);
        if (nnc_op_code(g->m, op) == NNC_OP_shr || nnc_dtype_infos[dt].class == NNC_DC_UINT)
            return c_prec(c_fmt(g, "%s %s %lld", v0,
                                nnc_op_code(g->m, op) == NNC_OP_shl ? "<<" : ">>", (long long)k),
                          C_SHIFT);
        return c_prec(
            c_fmt(g, "(%s)((%s)%s << %lld)", type,
                  c_vector(g, c_int_of_width((unsigned)nnc_dtype_bytes(dt), false), c_lanes(g, v)),
                  v0, (long long)k),
            C_UNARY);
    }
    case NNC_OP_max:
    case NNC_OP_min: return extreme(g, op, false);
    default: break;
    }
    (void)c_refuse(g, op, "on vectors the operation");
    return c_prec("0", C_PRIMARY);
}

static c_expr bool_op(c_cgen *g, nnc_op op)
{
    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_and: return mask_op(g, op, "&", C_BAND);
    case NNC_OP_or: return mask_op(g, op, "|", C_BOR);
    case NNC_OP_xor: return mask_op(g, op, "^", C_XOR);
    case NNC_OP_not:
        return c_prec(c_fmt(g, "~%s", c_operand(g, nnc_op_in(g->m, op, 0), C_UNARY)), C_UNARY);
    default: (void)c_refuse(g, op, "on bool vectors the operation"); return c_prec("0", C_PRIMARY);
    }
}

c_expr c_compute_vector(c_cgen *g, nnc_op op)
{
    nnc_value v = nnc_op_out(g->m, op, 0);

    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_load: return load(g, op);
    case NNC_OP_splat: return c_prec(c_vector_operand(g, v, C_PRIMARY), C_PRIMARY);
    case NNC_OP_cast: return cast(g, op);
    case NNC_OP_bitcast:
        return c_prec(c_fmt(g, "(%s)%s", c_value_type(g, v),
                            c_vector_operand(g, nnc_op_in(g->m, op, 0), C_UNARY)),
                      C_UNARY);
    case NNC_OP_select: return select(g, op);
    case NNC_OP_eq: return compare(g, op, "==", C_EQ);
    case NNC_OP_lt: return compare(g, op, "<", C_REL);
    case NNC_OP_le: return compare(g, op, "<=", C_REL);
    case NNC_OP_dot4: return call(g, c_need(g, "dot4", NNC_DT_i32, c_lanes(g, v)), op);
    case NNC_OP_hsum:
    case NNC_OP_hmax:
    case NNC_OP_hmin:
    case NNC_OP_extract: return reduction(g, op);
    default: break;
    }
    nnc_dtype dt = c_dtype(g, nnc_op_in(g->m, op, 0));
    if (nnc_dtype_is_float(dt))
        return float_op(g, op);
    return dt == NNC_DT_bool ? bool_op(g, op) : int_op(g, op);
}
