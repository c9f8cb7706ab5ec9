/* Numbers: digits with `_` between them, base 2 and 16, decimal points, exponents and units.
 *
 * `64K 1M 2G` count in powers of 1024 and stay integers; times are seconds and frequencies hertz, always floats. */
#include "frontend/nn/parser.h"
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *text;
    double factor; /* what the number is multiplied with */
    double divide; /* or divided by: 10ns is 10 / 1e9, rounded once */
    int shift;     /* powers of two, for integers too; 0: the value is a float */
} units[] = {
    {"ns", 1, 1e9, 0},  {"us", 1, 1e6, 0},     {"ms", 1, 1e3, 0},        {"s", 1, 1, 0},
    {"K", 1024, 1, 10}, {"M", 1048576, 1, 20}, {"G", 1073741824, 1, 30}, {"Hz", 1, 1, 0},
    {"kHz", 1e3, 1, 0}, {"MHz", 1e6, 1, 0},    {"GHz", 1e9, 1, 0},
};
enum { NUNIT = sizeof units / sizeof *units };

/* The digits without `_`, as a string; longer ones than any number needs are cut and refused by the caller. */
static size_t plain_digits(const char *p, size_t n, char *out, size_t room)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k + 1 < room; i++)
        if (p[i] != '_')
            out[k++] = p[i];
    out[k] = 0;
    return k;
}

static bool has_stray_underscore(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] == '_' && (i == 0 || i + 1 == n || !isxdigit((unsigned char)p[i - 1]) ||
                            !isxdigit((unsigned char)p[i + 1])))
            return true;
    return false;
}

/* Digits of a base from 2 to 16; false when they do not fit into 63 bits. */
static bool read_digits(const char *p, size_t n, unsigned base, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '_')
            continue;
        unsigned d = isdigit((unsigned char)p[i]) ? (unsigned)(p[i] - '0')
                                                  : (unsigned)(tolower(p[i]) - 'a') + 10;
        if (*out > ((uint64_t)INT64_MAX - d) / base)
            return false;
        *out = *out * base + d;
    }
    return true;
}

static int64_t based(nn_parser *cx, nn_span at, unsigned base, const char *name)
{
    const char *p = cx->file->text + at.begin + 2;
    size_t n = at.end - at.begin - 2;
    uint64_t v = 0;
    bool good = n > 0 && !has_stray_underscore(p, n);
    for (size_t i = 0; i < n; i++)
        good = good && (p[i] == '_' ||
                        (base == 16 ? isxdigit((unsigned char)p[i]) : p[i] == '0' || p[i] == '1'));
    if (!good)
        nn_mistake(cx, at, "'%.*s' is not a %s number", (int)(n + 2), p - 2, name);
    else if (!read_digits(p, n, base, &v))
        nn_mistake(cx, at, "the integer is too large; the largest is 9223372036854775807");
    return (int64_t)v;
}

static int64_t integer(nn_parser *cx, nn_span at, size_t n, int shift)
{
    uint64_t v;
    if (!read_digits(cx->file->text + at.begin, n, 10, &v) || v > (uint64_t)INT64_MAX >> shift) {
        nn_mistake(cx, at, "the integer is too large; the largest is 9223372036854775807");
        return 0;
    }
    return (int64_t)(v << shift);
}

int64_t nn_int_value(nn_parser *cx, nn_span at)
{
    const char *p = cx->file->text + at.begin;
    if (at.end - at.begin > 1 && p[0] == '0' && (p[1] == 'x' || p[1] == 'X'))
        return based(cx, at, 16, "hexadecimal");
    if (at.end - at.begin > 1 && p[0] == '0' && (p[1] == 'b' || p[1] == 'B'))
        return based(cx, at, 2, "binary");
    return integer(cx, at, at.end - at.begin, 0);
}

/* How much of the token is the number, the unit being the rest. */
static size_t number_length(const char *p, size_t n, bool *whole)
{
    size_t i = 0;
    *whole = true;
    while (i < n && (isdigit((unsigned char)p[i]) ||
                     (p[i] == '_' && i + 1 < n && isdigit((unsigned char)p[i + 1]))))
        i++;
    if (i < n && p[i] == '.') {
        *whole = false;
        for (i++; i < n && (isdigit((unsigned char)p[i]) ||
                            (p[i] == '_' && i + 1 < n && isdigit((unsigned char)p[i + 1])));)
            i++;
    }
    if (i < n && (p[i] == 'e' || p[i] == 'E')) {
        size_t j = i + 1;
        j += j < n && (p[j] == '+' || p[j] == '-');
        if (j < n && isdigit((unsigned char)p[j])) {
            *whole = false;
            for (i = j; i < n && isdigit((unsigned char)p[i]);)
                i++;
        }
    }
    return i;
}

static double real(nn_parser *cx, nn_span at, size_t n)
{
    char *digits = nnc_arena_alloc(cx->s->arena, n + 1);
    const char *p = cx->file->text + at.begin;
    plain_digits(p, n, digits, n + 1);
    double v = strtod(digits, NULL);
    if (!isfinite(v))
        nn_mistake(cx, at, "the number is too large; the largest is 1.79e308");
    size_t mantissa = strcspn(digits, "eE");
    if (v == 0 && strcspn(digits, "123456789") < mantissa)
        nn_mistake(cx, at, "the number is too small: it would be 0");
    return isfinite(v) ? v : 0;
}

static int find_unit(const char *p, size_t n)
{
    for (int u = 0; u < NUNIT; u++)
        if (strlen(units[u].text) == n && !memcmp(units[u].text, p, n))
            return u;
    return -1;
}

nn_ast *nn_make_number(nn_parser *cx, nn_span at, bool is_int)
{
    const char *p = cx->file->text + at.begin;
    size_t n = at.end - at.begin, len = n;
    bool whole = true;
    int unit = -1;
    const char *point = is_int ? NULL : memchr(p, '.', n);
    if (point && (point + 1 == p + n || !isdigit((unsigned char)point[1]))) {
        nn_mistake(cx, at, "a number has digits on both sides of its point: %.*s.0",
                   (int)(point - p), p);
        len = n = 0;
    } else if (!is_int) {
        len = number_length(p, n, &whole);
        unit = len < n ? find_unit(p + len, n - len) : -1;
        if (len < n && unit < 0) {
            nn_mistake(cx, at,
                       "'%.*s' is neither a number nor a name; units are ns us ms s, K M G, "
                       "Hz kHz MHz GHz",
                       (int)n, p);
            len = n = 0;
        }
    }
    bool stays = is_int || (whole && unit >= 0 && units[unit].shift) || (n == 0 && whole);
    nn_ast *node = nn_make(cx, stays ? NN_int_ : NN_float_, at, 0, NULL);
    node->text = nnc_arena_copy(cx->s->arena, p, at.end - at.begin);
    if (n == 0)
        return node;
    if (is_int)
        node->value = nn_int_value(cx, at);
    else if (stays)
        node->value = integer(cx, at, len, units[unit].shift);
    if (stays)
        node->number = (double)node->value;
    else
        node->number = real(cx, at, len);
    if (!stays && unit >= 0)
        node->number = node->number * units[unit].factor / units[unit].divide;
    return node;
}
