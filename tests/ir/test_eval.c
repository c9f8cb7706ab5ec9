/* Scalar semantics: every pattern of the small floats, and the corners of integer and float operations. */
#include "ir/eval.h"
#include "ir/smallfloat.h"
#include "tests/test.h"

static nnc_num num_i(int64_t i)
{
    return (nnc_num){0, i};
}

static nnc_num num_f(double f)
{
    return (nnc_num){f, 0};
}

static int64_t int2(nnc_opcode code, nnc_dtype dt, int64_t a, int64_t b)
{
    nnc_num x[2] = {num_i(a), num_i(b)};
    return nnc_eval_scalar(code, dt, x, false).i;
}

static double flt2(nnc_opcode code, nnc_dtype dt, double a, double b)
{
    nnc_num x[2] = {num_f(a), num_f(b)};
    return nnc_eval_scalar(code, dt, x, false).f;
}

static void every_16_bit_pattern_survives(void)
{
    int bad = 0;
    for (uint32_t h = 0; h < 65536; h++) {
        float f = nnc_f16_to_f32((uint16_t)h), g = nnc_bf16_to_f32((uint16_t)h);
        if (isnan(f) ? !isnan(nnc_f16_to_f32(nnc_f32_to_f16(f))) : nnc_f32_to_f16(f) != h)
            bad++;
        if (isnan(g) ? !isnan(nnc_bf16_to_f32(nnc_f32_to_bf16(g))) : nnc_f32_to_bf16(g) != h)
            bad++;
        if (!isnan(f) && (nnc_small_decode(NNC_DT_f16, h) != (double)f ||
                          nnc_small_encode(NNC_DT_f16, (double)f, false, NNC_W_up) != h))
            bad++;
        if (!isnan(g) && (nnc_small_decode(NNC_DT_bf16, h) != (double)g ||
                          nnc_small_encode(NNC_DT_bf16, (double)g, false, NNC_W_up) != h))
            bad++;
    }
    CHECK_INT(bad, 0);
}

/* The bit-twiddled float versions against the general encoder, around every boundary between two f16 / bf16. */
static void fast_rounding_agrees_with_general(void)
{
    int bad = 0;
    for (uint32_t h = 0; h < 65536; h++)
        for (int d = -2; d <= 2; d++)
            for (int k = 0; k < 2; k++) {
                nnc_dtype dt = k ? NNC_DT_bf16 : NNC_DT_f16;
                uint32_t half = k ? 1u << 15 : 1u << 12, bits;
                float f = k ? nnc_bf16_to_f32((uint16_t)h) : nnc_f16_to_f32((uint16_t)h);
                memcpy(&bits, &f, 4);
                bits += half + (uint32_t)d;
                memcpy(&f, &bits, 4);
                if (isnan(f))
                    continue;
                if ((k ? nnc_f32_to_bf16(f) : nnc_f32_to_f16(f)) !=
                    nnc_small_encode(dt, (double)f, false, NNC_W_up))
                    bad++;
            }
    CHECK_INT(bad, 0);
}

static void every_8_bit_pattern_survives(void)
{
    static const nnc_dtype dts[] = {NNC_DT_f8e4m3fn,   NNC_DT_f8e4m3fnuz, NNC_DT_f8e5m2,
                                    NNC_DT_f8e5m2fnuz, NNC_DT_f8e8m0,     NNC_DT_f4e2m1};
    for (size_t k = 0; k < sizeof dts / sizeof dts[0]; k++)
        for (uint32_t b = 0; b < (dts[k] == NNC_DT_f4e2m1 ? 16u : 256u); b++) {
            float f = nnc_f8_to_f32(dts[k], (uint8_t)b);
            uint8_t back = nnc_f32_to_f8(dts[k], f, false, NNC_W_up);
            if (isnan(f))
                CHECK(isnan(nnc_f8_to_f32(dts[k], back)));
            else
                CHECK_INT(back, b);
        }
}

/* Between two neighbours the nearer one is taken, half way the even one. */
static void eight_bit_rounding_is_nearest_even(void)
{
    static const nnc_dtype dts[] = {NNC_DT_f8e4m3fn, NNC_DT_f8e4m3fnuz, NNC_DT_f8e5m2,
                                    NNC_DT_f8e5m2fnuz};
    for (size_t k = 0; k < 4; k++)
        for (uint8_t b = 0; b < 127; b++) {
            float lo = nnc_f8_to_f32(dts[k], b), hi = nnc_f8_to_f32(dts[k], (uint8_t)(b + 1));
            float mid = lo + (hi - lo) / 2;
            if (!isfinite(hi) || !isfinite(lo))
                continue;
            CHECK_INT(nnc_f32_to_f8(dts[k], mid, true, NNC_W_up), b & 1 ? b + 1 : b);
            CHECK_INT(nnc_f32_to_f8(dts[k], nextafterf(mid, 0), true, NNC_W_up), b);
            CHECK_INT(nnc_f32_to_f8(dts[k], nextafterf(mid, 1e9f), true, NNC_W_up), b + 1);
        }
}

static void f8_out_of_range(void)
{
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e4m3fn, INFINITY, true, NNC_W_up), 0x7e);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e4m3fn, 1e9f, false, NNC_W_up), 0x7f);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e4m3fn, -1e9f, true, NNC_W_up), 0xfe);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e4m3fnuz, -INFINITY, true, NNC_W_up), 0xff);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e4m3fnuz, INFINITY, false, NNC_W_up), 0x80);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e4m3fnuz, -0.0f, true, NNC_W_up), 0);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e5m2, INFINITY, true, NNC_W_up), 0x7b);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e5m2, INFINITY, false, NNC_W_up), 0x7c);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e5m2fnuz, 1e9f, false, NNC_W_up), 0x80);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f4e2m1, 100, true, NNC_W_up), 7);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f4e2m1, 2.5f, true, NNC_W_up), 4); /* between 2 and 3 */
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e8m0, 3, true, NNC_W_up), 129);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e8m0, 3, true, NNC_W_down), 128);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e8m0, 3, true, NNC_W_nearest), 129);
    CHECK_INT(nnc_f32_to_f8(NNC_DT_f8e8m0, 2.9f, true, NNC_W_nearest), 128);
}

static void integers(void)
{
    CHECK_INT(int2(NNC_OP_add, NNC_DT_i8, 127, 1), -128);
    CHECK_INT(int2(NNC_OP_mul, NNC_DT_u8, 16, 17), 16);
    CHECK_INT(int2(NNC_OP_sub, NNC_DT_u4, 3, 5), 14);
    CHECK_INT(int2(NNC_OP_add, NNC_DT_i2, 1, 1), -2);
    CHECK_INT(int2(NNC_OP_div, NNC_DT_i32, 7, 0), 0);
    CHECK_INT(int2(NNC_OP_div, NNC_DT_i32, -7, 2), -3);
    CHECK_INT(int2(NNC_OP_div, NNC_DT_i32, INT32_MIN, -1), INT32_MIN);
    CHECK_INT(int2(NNC_OP_div, NNC_DT_i64, INT64_MIN, -1), INT64_MIN);
    CHECK_INT(int2(NNC_OP_div, NNC_DT_u64, -1, 2), INT64_MAX);
    CHECK_INT(int2(NNC_OP_rem, NNC_DT_i32, -7, 3), 2);
    CHECK_INT(int2(NNC_OP_rem, NNC_DT_i32, 7, -3), -2);
    CHECK_INT(int2(NNC_OP_rem, NNC_DT_i64, INT64_MIN, -1), 0);
    CHECK_INT(int2(NNC_OP_rem, NNC_DT_i64, 5, 0), 0);
    CHECK_INT(int2(NNC_OP_pow, NNC_DT_i32, -2, 3), -8);
    CHECK_INT(int2(NNC_OP_pow, NNC_DT_i32, 2, -1), 0);
    CHECK_INT(int2(NNC_OP_pow, NNC_DT_i32, -1, -3), -1);
    CHECK_INT(int2(NNC_OP_pow, NNC_DT_u8, 3, 200), int2(NNC_OP_pow, NNC_DT_u64, 3, 200) & 255);
    CHECK_INT(int2(NNC_OP_shl, NNC_DT_u8, 1, 8), 0);
    CHECK_INT(int2(NNC_OP_shl, NNC_DT_u8, 3, 7), 128);
    CHECK_INT(int2(NNC_OP_shr, NNC_DT_i16, -5, 40), -1);
    CHECK_INT(int2(NNC_OP_shr, NNC_DT_i16, -5, 1), -3);
    CHECK_INT(int2(NNC_OP_shr, NNC_DT_u32, 0x80000000, 31), 1);
    CHECK_INT(int2(NNC_OP_max, NNC_DT_u64, -1, 3), -1);
    CHECK_INT(int2(NNC_OP_lt, NNC_DT_u64, -1, 3), 0);
    CHECK_INT(int2(NNC_OP_lt, NNC_DT_i64, -1, 3), 1);
    CHECK_INT(int2(NNC_OP_not, NNC_DT_bool, 1, 0), 0);
    CHECK_INT(int2(NNC_OP_not, NNC_DT_u8, 1, 0), 254);
    CHECK_INT(int2(NNC_OP_mulhi, NNC_DT_u32, 0xffffffff, 0xffffffff), 0xfffffffe);
    CHECK_INT(int2(NNC_OP_mulhi, NNC_DT_i64, INT64_MIN, 2), -1);
    CHECK_INT(int2(NNC_OP_rshift_round, NNC_DT_i32, -3, 1), -2);
    CHECK_INT(int2(NNC_OP_rshift_round, NNC_DT_i32, 3, 1), 2);
    CHECK_INT(int2(NNC_OP_add_sat, NNC_DT_i8, 100, 100), 127);
    CHECK_INT(int2(NNC_OP_add_sat, NNC_DT_u8, 200, 100), 255);
}

static void floats(void)
{
    nnc_num x[2];
    CHECK(isnan(flt2(NNC_OP_max, NNC_DT_f32, NAN, 1)) &&
          isnan(flt2(NNC_OP_max, NNC_DT_f32, 1, NAN)));
    CHECK(isnan(flt2(NNC_OP_min, NNC_DT_f32, NAN, 1)) &&
          isnan(flt2(NNC_OP_min, NNC_DT_f32, 1, NAN)));
    CHECK(signbit(flt2(NNC_OP_max, NNC_DT_f32, 0.0, -0.0)));
    CHECK_NEAR(flt2(NNC_OP_rem, NNC_DT_f32, -7.5, 2), 0.5, 0);
    CHECK_NEAR(flt2(NNC_OP_rem, NNC_DT_f64, 7.5, -2), -0.5, 0);
    CHECK_NEAR(flt2(NNC_OP_round, NNC_DT_f32, 2.5, 0), 2, 0);
    CHECK_NEAR(flt2(NNC_OP_round, NNC_DT_f32, -3.5, 0), -4, 0);
    CHECK(isnan(flt2(NNC_OP_sign, NNC_DT_f32, NAN, 0)) &&
          !signbit(flt2(NNC_OP_sign, NNC_DT_f32, -0.0, 0)));
    CHECK_NEAR(flt2(NNC_OP_add, NNC_DT_f32, 16777216, 1), 16777216, 0);
    CHECK_NEAR(flt2(NNC_OP_add, NNC_DT_f16, 2048, 1), 2048, 0);
    CHECK_NEAR(flt2(NNC_OP_mul, NNC_DT_f16, 300, 300), INFINITY, 0);
    CHECK_NEAR(flt2(NNC_OP_add, NNC_DT_f64, 16777216, 1), 16777217, 0);
    CHECK_NEAR(flt2(NNC_OP_sigmoid, NNC_DT_f32, -200, 0), (double)(float)exp(-200.0), 0);
    x[0] = num_f(-7.5);
    x[1] = num_f(2);
    CHECK_NEAR(nnc_eval_scalar(NNC_OP_rem, NNC_DT_f32, x, true).f, -1.5, 0);
    x[0] = num_f(NAN);
    x[1] = num_f(NAN);
    CHECK_INT(nnc_eval_scalar(NNC_OP_eq, NNC_DT_f32, x, false).i, 0);
    CHECK_INT(nnc_eval_scalar(NNC_OP_le, NNC_DT_f32, x, false).i, 0);
    CHECK_INT(nnc_eval_scalar(NNC_OP_isnan, NNC_DT_f32, x, false).i, 1);
}

static void casts(void)
{
#define CAST(x, from, to) nnc_eval_cast(x, NNC_DT_##from, NNC_DT_##to, true, NNC_W_up)
    CHECK_INT(CAST(num_f(-1.9), f32, i32).i, -1);
    CHECK_INT(CAST(num_f(1e20), f32, i32).i, INT32_MAX);
    CHECK_INT(CAST(num_f(-1e20), f32, i64).i, INT64_MIN);
    CHECK_INT(CAST(num_f(1e20), f64, i64).i, INT64_MAX);
    CHECK_INT(CAST(num_f(1.8e19), f64, u64).i, (int64_t)UINT64_C(18000000000000000000));
    CHECK_INT(CAST(num_f(1e30), f64, u64).i, -1);
    CHECK_INT(CAST(num_f(NAN), f32, i16).i, 0);
    CHECK_INT(CAST(num_f(-3), f32, u8).i, 0);
    CHECK_INT(CAST(num_f(300), f32, u8).i, 255);
    CHECK_INT(CAST(num_f(9), f32, i4).i, 7);
    CHECK_INT(CAST(num_i(200), i16, i8).i, -56);
    CHECK_INT(CAST(num_i(-1), i8, u64).i, -1);
    CHECK_INT(CAST(num_i(17), i32, u4).i, 1);
    CHECK_INT(CAST(num_f(NAN), f32, bool).i, 1);
    CHECK_INT(CAST(num_f(0.25), f32, bool).i, 1);
    CHECK_INT(CAST(num_i(256), i32, bool).i, 1);
    CHECK_NEAR(CAST(num_i(-1), u64, f64).f, 18446744073709551615.0, 0);
    CHECK_NEAR(CAST(num_i(16777217), i64, f32).f, 16777216, 0);
    CHECK_NEAR(CAST(num_f(1e6), f32, f16).f, INFINITY, 0);
    CHECK_NEAR(CAST(num_f(1.0 + 0x1p-11 + 0x1p-30), f64, f16).f, 1.0 + 0x1p-10,
               0); /* one rounding, not two */
#undef CAST
}

static void storage(void)
{
    unsigned char cell[8];
    nnc_num_store(NNC_DT_f8e5m2, cell, num_f(INFINITY));
    CHECK_INT(cell[0], 0x7c);
    nnc_num_store(NNC_DT_f8e5m2, cell, num_f(1e9));
    CHECK_INT(cell[0], 0x7b);
    for (int b = -8; b < 8; b++) {
        nnc_num_store(NNC_DT_i4, cell, num_i(b));
        CHECK_INT((signed char)cell[0], b);
        CHECK_INT(nnc_num_load(NNC_DT_i4, cell).i, b);
    }
    for (int dt = 1; dt < NNC_DT_COUNT; dt++) {
        if (nnc_dtype_infos[dt].class == NNC_DC_OTHER)
            continue;
        nnc_num one = nnc_dtype_is_float((nnc_dtype)dt) ? num_f(1) : num_i(1);
        nnc_num_store((nnc_dtype)dt, cell, one);
        nnc_num back = nnc_num_load((nnc_dtype)dt, cell);
        CHECK(nnc_dtype_is_float((nnc_dtype)dt) ? back.f == 1 : back.i == 1);
        CHECK_INT(nnc_num_bits((nnc_dtype)dt, nnc_num_of_bits((nnc_dtype)dt, 1)), 1);
    }
}

int main(void)
{
    RUN(every_16_bit_pattern_survives);
    RUN(fast_rounding_agrees_with_general);
    RUN(every_8_bit_pattern_survives);
    RUN(eight_bit_rounding_is_nearest_even);
    RUN(f8_out_of_range);
    RUN(integers);
    RUN(floats);
    RUN(casts);
    RUN(storage);
    return test_end();
}
