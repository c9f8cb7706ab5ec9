/* A scope interns the names it has given out; per name it remembers the last number tried, so that a thousand values
 * called `t` take a thousand steps and not a million. */
#include "codegen/text/names.h"
#include "ir/base/intern.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct nnc_names {
    nnc_arena *a;
    const nnc_names *outer;
    nnc_intern *intern;
    NNC_BUF(uint32_t) taken; /* per interned name: 0 no, else the last number tried behind it */
};

/* Keywords of C and C++, and what the headers of emitted files declare.  Functions of math.h matter because a local
 * variable y1 shadows a built-in. */
static const char reserved[] = " auto break case char const continue default do double else enum "
                               "extern float for goto if inline int long register"
                               " restrict return short signed sizeof static struct switch typedef "
                               "union unsigned void volatile while alignas alignof"
                               " and and_eq asm bitand bitor bool catch class compl concept "
                               "consteval constexpr constinit const_cast co_await"
                               " co_return co_yield decltype delete dynamic_cast explicit export "
                               "false friend mutable namespace new noexcept not"
                               " not_eq nullptr operator or or_eq private protected public "
                               "reflexpr reinterpret_cast requires static_assert"
                               " static_cast template this thread_local throw true try typeid "
                               "typename typeof using virtual wchar_t xor xor_eq final"
                               " override import module main complex imaginary fixed unix linux"
                               " acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos "
                               "cosh erf erfc exp exp2 expm1 fabs fdim floor fma fmax"
                               " fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 "
                               "log1p log2 logb lrint lround modf nan nearbyint"
                               " nextafter nexttoward pow remainder remquo rint round scalbln "
                               "scalbn sin sinh sqrt tan tanh tgamma trunc"
                               " acosf acoshf asinf asinhf atanf atan2f atanhf ceilf cosf coshf "
                               "erff expf expm1f fabsf floorf fmodf logf log1pf powf"
                               " rintf sinf sinhf sqrtf tanf tanhf truncf gamma gammaf signgam "
                               "drem significand pow10 exp10 sincos finite"
                               " j0 j1 jn y0 y1 yn j0f j1f jnf y0f y1f ynf abs labs div ldiv index "
                               "rindex bcmp bcopy bzero signbit isnan isinf"
                               " isfinite isnormal fpclassify isgreater isless memcpy memmove "
                               "memset memcmp memchr strlen strcmp strcpy strcat strchr"
                               " NULL NAN INFINITY HUGE_VAL EOF BUFSIZ FILE TRUE FALSE CHAR_BIT "
                               "INT_MAX INT_MIN UINT_MAX LONG_MAX LONG_MIN CHAR_MAX"
                               " SEEK_SET SEEK_CUR SEEK_END RAND_MAX EXIT_SUCCESS EXIT_FAILURE "
                               "FLT_MAX FLT_MIN DBL_MAX DBL_MIN SIZE_MAX M_PI M_E"
                               " assert near far small interface I offsetof size_t ptrdiff_t "
                               "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t"
                               " uint64_t intptr_t uintptr_t intmax_t uintmax_t max_align_t printf "
                               "scanf malloc calloc realloc free alloca exit abort"
                               " time clock errno stdin stdout stderr read write open close link "
                               "stat rand random select signal setjmp ";

static bool is_reserved(const char *s, size_t n)
{
    char word[40];

    if (n + 3 > sizeof word)
        return false;
    snprintf(word, sizeof word, " %.*s ", (int)n, s);
    return strstr(reserved, word) != NULL;
}

nnc_names *nnc_names_new(nnc_arena *a, const nnc_names *outer)
{
    nnc_names *n = nnc_arena_alloc(a, sizeof *n);

    n->a = a;
    n->outer = outer;
    n->intern = nnc_intern_new(a);
    return n;
}

static uint32_t *slot(nnc_names *n, const char *s)
{
    nnc_sym id = nnc_intern_put(n->intern, s, strlen(s));

    while (n->taken.n <= id.id)
        NNC_PUSH(n->a, &n->taken, 0);
    return &n->taken.at[id.id];
}

static bool is_taken(const nnc_names *n, const char *s)
{
    for (; n; n = n->outer) {
        /* interning a name nobody has is harmless: its slot says 0 */
        nnc_sym id = nnc_intern_put(n->intern, s, strlen(s));
        if (id.id < n->taken.n && n->taken.at[id.id])
            return true;
    }
    return is_reserved(s, strlen(s));
}

void nnc_names_reserve(nnc_names *n, const char *name)
{
    *slot(n, name) = 1;
}

const char *nnc_identifier(nnc_arena *a, const char *hint, bool upper)
{
    size_t n = strlen(hint), k = 0;
    char *s = nnc_arena_alloc(a, n + 3);

    if (n > 48)
        n = 48;
    if (!n || isdigit((unsigned char)hint[0]))
        s[k++] = upper ? 'T' : 't';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)hint[i];
        bool word = c < 128 && isalnum(c);
        if (!word && (k == 0 ||
                      s[k - 1] == '_')) /* no leading and no double underscore: both are reserved */
            continue;
        s[k++] = word ? (char)(upper ? toupper(c) : c) : '_';
    }
    while (k > 1 && s[k - 1] == '_')
        k--;
    if (!k)
        s[k++] = upper ? 'T' : 't';
    s[k] = 0;
    return s;
}

const char *nnc_names_put(nnc_names *n, const char *hint)
{
    const char *base = nnc_identifier(n->a, hint, false), *name = base;
    uint32_t *last = slot(n, base);
    bool digit = isdigit((unsigned char)base[strlen(base) - 1]);

    while (is_taken(n, name)) {
        uint32_t k = *last ? *last : 1;
        name = nnc_arena_printf(n->a, digit ? "%s_%u" : "%s%u", base, k);
        *last = k + 1;
        last = slot(n, base); /* the table may have moved */
        if (!is_taken(n, name))
            break;
    }
    *slot(n, name) = 1;
    return name;
}
