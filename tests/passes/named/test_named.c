/* Every hand-written kernel against the G interpreter: dtypes, axes, edges, empty and dynamic sizes. */
#include "tests/passes/judge.h"

static const char *const numbers[] = {"f32", "f64", "f16", "bf16", "i64", "i32",
                                      "i16", "i8",  "u64", "u32",  "u16", "u8"};
enum { NUMBERS = sizeof numbers / sizeof numbers[0] };

static char *textf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *textf(const char *fmt, ...)
{
    static char buf[8][4096];
    static int turn;
    char *s = buf[turn++ % 8];
    va_list args;

    va_start(args, fmt);
    vsnprintf(s, sizeof buf[0], fmt, args);
    va_end(args);
    return s;
}

static bool is_float(const char *dt)
{
    return dt[0] == 'f' || dt[0] == 'b';
}

static void scatter_elements(void)
{
    static const char *const kinds[] = {"none", "add", "mul", "max", "min"};

    for (int k = 0; k < 5; k++)
        for (int d = 0; d < NUMBERS; d++)
            judge(textf("graph @g [entry=1] (%%x: %s[4,5], %%i: i64[3,5], %%u: %s[3,5]) {\n"
                        "  %%y = scatter_elements %%x, %%i, %%u [axis=0, reduction=%s] : %s[4,5]\n "
                        " yield %%y\n}\n",
                        numbers[d], numbers[d], kinds[k], numbers[d]),
                  (judge_options){.lo = -1, .hi = 4, .special = k > 2});
    judge(
        "graph @g [entry=1] (%x: f32[2,6,3], %i: i32[2,4,3], %u: f32[2,4,3]) {\n"
        "  %y = scatter_elements %x, %i, %u [axis=1, reduction=none] : f32[2,6,3]\n  yield %y\n}\n",
        (judge_options){.lo = 0, .hi = 5});
    judge("graph @g [entry=1] (%x: f32[0,5], %i: i64[0,5], %u: f32[0,5]) {\n"
          "  %y = scatter_elements %x, %i, %u [axis=1, reduction=add] : f32[0,5]\n  yield %y\n}\n",
          (judge_options){0});
    judge("dim n = 1..9\ngraph @g [entry=1] (%x: f32[n,n], %i: i64[2,n], %u: f32[2,n]) {\n"
          "  %y = scatter_elements %x, %i, %u [axis=0, reduction=add] : f32[n,n]\n  yield %y\n}\n",
          (judge_options){.sym = (int64_t[]){5}, .hi = 4});
    judge("graph @g [entry=1] (%x: bool[6], %i: i64[9], %u: bool[9]) {\n"
          "  %y = scatter_elements %x, %i, %u [axis=0, reduction=none] : bool[6]\n  yield %y\n}\n",
          (judge_options){.hi = 5});
}

static void scatter_nd(void)
{
    static const char *const kinds[] = {"none", "add", "mul", "max", "min"};

    for (int k = 0; k < 5; k++)
        for (int d = 0; d < NUMBERS; d++)
            judge(
                textf(
                    "graph @g [entry=1] (%%x: %s[4,3,2], %%i: i64[5,2], %%u: %s[5,2]) {\n"
                    "  %%y = scatter_nd %%x, %%i, %%u [reduction=%s] : %s[4,3,2]\n  yield %%y\n}\n",
                    numbers[d], numbers[d], kinds[k], numbers[d]),
                (judge_options){.lo = -1, .hi = 3, .special = k > 2});
    judge("graph @g [entry=1] (%x: f32[4,3], %i: i64[2,2,2], %u: f32[2,2]) {\n"
          "  %y = scatter_nd %x, %i, %u [reduction=none] : f32[4,3]\n  yield %y\n}\n",
          (judge_options){.hi = 2});
    judge("graph @g [entry=1] (%x: f32[4,3], %i: i64[0,1], %u: f32[0,3]) {\n"
          "  %y = scatter_nd %x, %i, %u [reduction=none] : f32[4,3]\n  yield %y\n}\n",
          (judge_options){0});
    judge("dim n = 1..7\ndim k = 0..5\ngraph @g [entry=1] (%x: i32[n,n], %i: i64[k,1], %u: "
          "i32[k,n]) {\n"
          "  %y = scatter_nd %x, %i, %u [reduction=add] : i32[n,n]\n  yield %y\n}\n",
          (judge_options){.sym = (int64_t[]){4, 3}, .hi = 3});
}

static void dynamic_update_slice(void)
{
    for (int d = 0; d < NUMBERS; d++)
        judge(textf("graph @g [entry=1] (%%x: %s[5,4], %%u: %s[2,3], %%s: i64[2]) {\n"
                    "  %%y = dynamic_update_slice %%x, %%u, %%s : %s[5,4]\n  yield %%y\n}\n",
                    numbers[d], numbers[d], numbers[d]),
              (judge_options){.lo = -2, .hi = 6});
    judge("dim n = 1..9\ngraph @g [entry=1] (%x: f32[3,n], %u: f32[1,n], %s: i64[2]) {\n"
          "  %y = dynamic_update_slice %x, %u, %s : f32[3,n]\n  yield %y\n}\n",
          (judge_options){.sym = (int64_t[]){7}, .lo = 0, .hi = 2});
}

static void cumulate(void)
{
    for (int d = 0; d < NUMBERS; d++)
        for (int k = 0; k < 8; k++)
            judge(textf("graph @g [entry=1] (%%x: %s[3,5,2]) {\n"
                        "  %%y = cumulate %%x [kind=%s, axis=%d, exclusive=%d, reverse=%d] : "
                        "%s[3,5,2]\n  yield %%y\n}\n",
                        numbers[d], k & 1 ? "mul" : "add", k % 3, k >> 1 & 1, k >> 2 & 1,
                        numbers[d]),
                  (judge_options){.tolerance = is_float(numbers[d]) ? 1e-5 : 0});
    judge(
        "graph @g [entry=1] (%x: f32[3,0]) {\n"
        "  %y = cumulate %x [kind=add, axis=1, exclusive=0, reverse=0] : f32[3,0]\n  yield %y\n}\n",
        (judge_options){0});
    judge(
        "dim n = 0..9\ngraph @g [entry=1] (%x: i64[n,n]) {\n"
        "  %y = cumulate %x [kind=add, axis=0, exclusive=1, reverse=1] : i64[n,n]\n  yield %y\n}\n",
        (judge_options){.sym = (int64_t[]){6}});
}

static void sort(void)
{
    for (int d = 0; d < NUMBERS; d++)
        for (int down = 0; down < 2; down++) {
            judge(textf("graph @g [entry=1] (%%k: %s[3,13], %%v: i64[3,13]) {\n"
                        "  %%a, %%b = sort %%k, %%v [axis=1, descending=%d] : %s[3,13], "
                        "i64[3,13]\n  yield %%a, %%b\n}\n",
                        numbers[d], down, numbers[d]),
                  (judge_options){.special = true});
            judge(textf("graph @g [entry=1] (%%k: %s[7,2]) {\n"
                        "  %%a = sort %%k [axis=0, descending=%d] : %s[7,2]\n  yield %%a\n}\n",
                        numbers[d], down, numbers[d]),
                  (judge_options){.special = true, .lo = 0, .hi = 100});
        }
    judge("graph @g [entry=1] (%k: bool[9], %v: i64[9]) {\n"
          "  %a, %b = sort %k, %v [axis=0, descending=1] : bool[9], i64[9]\n  yield %a, %b\n}\n",
          (judge_options){.hi = 90});
    for (int64_t n = 0; n < 10; n++)
        judge("dim n = 0..9\ngraph @g [entry=1] (%k: f32[2,n], %v: i32[2,n]) {\n"
              "  %a, %b = sort %k, %v [axis=1, descending=0] : f32[2,n], i32[2,n]\n  yield %a, "
              "%b\n}\n",
              (judge_options){.sym = &n, .special = true, .hi = 1000});
}

static void topk(void)
{
    for (int d = 0; d < NUMBERS; d++)
        for (int large = 0; large < 2; large++) {
            judge(textf("graph @g [entry=1] (%%x: %s[3,11]) {\n"
                        "  %%v, %%i = topk %%x [k=4, axis=1, largest=%d] : %s[3,4], i64[3,4]\n  "
                        "yield %%v, %%i\n}\n",
                        numbers[d], large, numbers[d]),
                  (judge_options){.special = true});
            judge(textf("graph @g [entry=1] (%%x: %s[50,2]) {\n"
                        "  %%v, %%i = topk %%x [k=40, axis=0, largest=%d] : %s[40,2], i64[40,2]\n  "
                        "yield %%v, %%i\n}\n",
                        numbers[d], large, numbers[d]),
                  (judge_options){.special = true});
        }
    for (int k = 0; k < 6; k++)
        judge(textf("graph @g [entry=1] (%%x: f32[5]) {\n  %%v, %%i = topk %%x [k=%d, axis=0, "
                    "largest=1] : f32[%d], i64[%d]\n"
                    "  yield %%v, %%i\n}\n",
                    k, k, k),
              (judge_options){.special = true});
}

static void compact(void)
{
    for (int d = 0; d < NUMBERS; d++)
        judge(textf("graph @g [entry=1] (%%x: %s[9,2], %%m: bool[9]) {\n"
                    "  %%y, %%n = compact %%x, %%m : %s[9,2], i64[]\n  yield %%y, %%n\n}\n",
                    numbers[d], numbers[d]),
              (judge_options){.valid_rows = -1});
    judge("graph @g [entry=1] (%x: f32[0], %m: bool[0]) {\n"
          "  %y, %n = compact %x, %m : f32[0], i64[]\n  yield %y, %n\n}\n",
          (judge_options){.valid_rows = -1});
    judge("dim n = 0..9\ndim m = 1..4\ngraph @g [entry=1] (%x: f32[n,m], %m: bool[n]) {\n"
          "  %y, %n = compact %x, %m : f32[n,m], i64[]\n  yield %n\n}\n",
          (judge_options){.sym = (int64_t[]){8, 3}});
}

static void rng_bits(void)
{
    static const char *const shapes[] = {"[]", "[1]", "[4]", "[5]", "[3,7]", "[0]"};

    for (int s = 0; s < 6; s++)
        judge(textf("graph @g [entry=1] (%%k: u32[2]) {\n  %%y = rng_bits %%k : u32%s\n  yield "
                    "%%y\n}\n",
                    shapes[s]),
              (judge_options){.hi = 1LL << 32});
    judge("dim n = 0..9\ngraph @g [entry=1] (%k: u32[2], %x: f32[n]) {\n  %y = rng_bits %k : "
          "u32[3,n]\n  yield %y\n}\n",
          (judge_options){.sym = (int64_t[]){5}, .hi = 1LL << 32});
}

/* A key per example, and keys whose memory has gaps. */
static void rng_bits_batched(void)
{
    static const char *const shapes[] = {"[3]", "[3,1]", "[3,4]", "[3,5]", "[3,2,7]", "[3,0]"};

    for (int s = 0; s < 6; s++)
        judge(textf("graph @g [entry=1] (%%k: u32[3,2]) {\n  %%y = rng_bits %%k : u32%s\n  yield "
                    "%%y\n}\n",
                    shapes[s]),
              (judge_options){.hi = 1LL << 32});
    judge("dim b = 1..5\ndim n = 0..9\ngraph @g [entry=1] (%k: u32[2,b,2], %x: f32[n]) {\n"
          "  %y = rng_bits %k : u32[2,b,n]\n  yield %y\n}\n",
          (judge_options){.sym = (int64_t[]){3, 6}, .hi = 1LL << 32});
}

static void fold_key(void)
{
    static const char *const operands[] = {"%k", "%k, %i", "%k, %i, 7:i64", "%k, -1:i64, %i, %i",
                                           "%k, %i, %i, 2:i64, %i"};

    for (int s = 0; s < 5; s++) {
        judge(textf("graph @g [entry=1] (%%k: u32[2], %%i: i64[]) {\n  %%y = fold_key %s [site=%d, "
                    "domain=65537] : u32[2]\n  yield %%y\n}\n",
                    operands[s], s),
              (judge_options){.hi = 1LL << 40});
        judge(textf("graph @g [entry=1] (%%k: u32[4,2], %%i: i64[4]) {\n  %%y = fold_key %s "
                    "[site=4294967295, domain=%d] : u32[4,2]\n  yield %%y\n}\n",
                    operands[s], s),
              (judge_options){.hi = 1LL << 40});
    }
    judge("graph @g [entry=1] (%k: u32[4,1,2], %i: i64[3], %j: i64[2,1,1]) {\n  %y = fold_key %k, "
          "%i, %j [site=1, domain=2] : u32[2,4,3,2]\n  yield %y\n}\n",
          (judge_options){.hi = 1LL << 40});
    judge("dim m = 1..3\ndim n = 0..9\ngraph @g [entry=1] (%k: u32[m,n,2], %i: i64[n]) {\n  %y = "
          "fold_key %k, %i [site=1, domain=2] : u32[m,n,2]\n  yield %y\n}\n",
          (judge_options){.sym = (int64_t[]){2, 4}, .hi = 1LL << 40});
}

static void nms(void)
{
    for (int mode = 0; mode < 2; mode++)
        for (int limit = 0; limit < 5; limit++)
            for (int t = 0; t < 3; t++)
                judge(textf("graph @g [entry=1] (%%boxes: f32[2,12,4], %%scores: f32[2,3,12]) {\n"
                            "  %%rows, %%n = nms %%boxes, %%scores, %d:i64, %s:f32, %s:f32 "
                            "[mode=%d, size=4] : i64[24,3], i64[]\n"
                            "  yield %%rows, %%n\n}\n",
                            limit,
                            t == 0   ? "0.0"
                            : t == 1 ? "0.3"
                                     : "0.9",
                            t == 2 ? "0.5" : "-100.0", mode),
                      (judge_options){.valid_rows = -1});
}

int main(void)
{
    RUN(scatter_elements);
    RUN(scatter_nd);
    RUN(dynamic_update_slice);
    RUN(cumulate);
    RUN(sort);
    RUN(topk);
    RUN(compact);
    RUN(rng_bits);
    RUN(rng_bits_batched);
    RUN(fold_key);
    RUN(nms);
    return test_end();
}
