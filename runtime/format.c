/* A column is shown with fixed decimals when that leaves two digits of its smallest number; otherwise every number gets
 * its own exponent.  Decimals that are zero in the whole column are dropped. */
#include "format.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIGITS = 4, SHOWN_WHOLE = 1000, EDGE = 3 };

/* ---- columns ---- */

static int needed_decimals(double v, int most)
{
    char s[64];
    snprintf(s, sizeof s, "%.*f", most, v);
    int n = most;
    for (char *p = s + strlen(s); n > 0 && p[-1] == '0'; p--)
        n--;
    return n;
}

nnp_format nnp_format_of(const nnp_view *v, size_t first, size_t step, size_t n)
{
    double most = 0, least = INFINITY;
    if (!nnp_dtype_get(v->value->dtype)->floating)
        return (nnp_format){'d', 0};
    for (size_t k = 0; k < n; k++) {
        double x = fabs(nnp_view_get(v, first + k * step));
        if (isfinite(x) && x > 0) {
            most = fmax(most, x);
            least = fmin(least, x);
        }
    }
    if (most == 0)
        return (nnp_format){'f', 0};
    int top = (int)floor(log10(most)), decimals = DIGITS - 1 - top;
    if (top >= 7 || decimals > 7 || (decimals < 0 && top >= 7))
        return (nnp_format){'g', DIGITS};
    decimals = decimals < 0 ? 0 : decimals;
    if (least < 10 * pow(10, -decimals) && least != floor(least))
        return (nnp_format){'g', DIGITS};
    int need = 0;
    for (size_t k = 0; k < n; k++) {
        double x = nnp_view_get(v, first + k * step);
        int d = isfinite(x) ? needed_decimals(x, decimals) : 0;
        need = d > need ? d : need;
    }
    return (nnp_format){'f', need};
}

void nnp_format_put(nnp_format f, const nnp_view *v, size_t i, nnp_text *out)
{
    double x = f.kind == 'f' ? nnp_view_get(v, i) : 0;
    if (f.kind == 'f' && isfinite(x))
        nnp_text_printf(out, "%.*f", f.digits, x == 0 ? 0 : x);
    else
        nnp_view_text(v, i, f.kind == 'g' ? f.digits : 0, out);
}

/* ---- specs ---- */

typedef struct spec {
    char align, sign, fill, kind;
    int width, digits;
} spec;

static int number(const char **p)
{
    int n = 0;
    while (**p >= '0' && **p <= '9' && n < 1000)
        n = 10 * n + *(*p)++ - '0';
    return n;
}

static int parse_spec(const char *p, spec *s)
{
    *s = (spec){.digits = -1, .fill = ' '};
    if (*p && strchr("<>^-", *p))
        s->align = *p == '-' ? '<' : *p, p++;
    if (*p == '+')
        s->sign = *p++;
    if (*p == '0')
        s->fill = *p++;
    s->width = number(&p);
    if (*p == '.') {
        p++;
        if (*p < '0' || *p > '9')
            return 0;
        s->digits = number(&p);
    }
    if (*p && strchr("defgxbs%", *p))
        s->kind = *p++;
    return !*p && s->width <= 200 && s->digits <= 60;
}

int nnp_spec_valid(const char *text)
{
    spec s;
    return parse_spec(text, &s);
}

static void binary(uint64_t n, nnp_text *out)
{
    char s[65];
    int at = 64;
    s[at] = 0;
    do
        s[--at] = (char)('0' + (n & 1));
    while (n >>= 1);
    nnp_text_add(out, s + at);
}

static void spec_number(const spec *s, const nnp_view *v, size_t i, nnp_text *out)
{
    int floating = nnp_dtype_get(v->value->dtype)->floating;
    double x = nnp_view_get(v, i);
    int64_t n =
        floating && isfinite(x) ? (int64_t)llrint(x) : nnp_element_int(v->value->dtype, v->data, i);
    int digits = s->digits < 0 ? 6 : s->digits;
    if (floating && !isfinite(x))
        nnp_view_text(v, i, 0, out);
    else if (s->kind == 'd')
        nnp_text_printf(out, "%" PRId64, n);
    else if (s->kind == 'x')
        nnp_text_printf(out, "%" PRIx64, (uint64_t)n);
    else if (s->kind == 'b')
        binary((uint64_t)n, out);
    else if (s->kind == 'e')
        nnp_text_printf(out, "%.*e", digits, x);
    else if (s->kind == 'g')
        nnp_text_printf(out, "%.*g", digits, x);
    else if (s->kind == '%')
        nnp_text_printf(out, "%.*f%%", s->digits < 0 ? 1 : digits, 100 * x);
    else
        nnp_text_printf(out, "%.*f", digits, x);
}

void nnp_spec_put(const char *text, const nnp_view *v, size_t i, nnp_text *out)
{
    spec s;
    nnp_text t = {0};
    if (!parse_spec(text, &s))
        s = (spec){.digits = -1, .fill = ' '};
    nnp_dtype d = v->value->dtype;
    int word = d == NNP_STR || (d == NNP_BOOL && (!s.kind || s.kind == 's'));
    if (word || ((!s.kind || s.kind == 's') && s.digits < 0))
        nnp_view_text(v, i, 0, &t);
    else if (!s.kind || s.kind == 's')
        nnp_view_text(v, i, s.digits ? s.digits : 1, &t);
    else
        spec_number(&s, v, i, &t);
    const char *body = nnp_text_str(&t);
    if (s.sign && !word && *body != '-')
        nnp_text_char(out, '+');
    int pad = s.width - nnp_text_width(body) - (s.sign && !word && *body != '-');
    pad = pad < 0 ? 0 : pad;
    char align = s.align ? s.align : word ? '<' : '>';
    if (s.fill == '0' && !word && !s.align && *body == '-') {
        nnp_text_char(out, '-');
        body++;
    }
    int before = align == '>' ? pad : align == '^' ? pad / 2 : 0;
    nnp_text_fill(out, align == '>' && !word && !s.align ? s.fill : ' ', (size_t)before);
    nnp_text_add(out, body);
    nnp_text_fill(out, ' ', (size_t)(pad - before));
    nnp_text_free(&t);
}

/* ---- tensors ---- */

typedef struct printer {
    const nnp_view *v;
    const char *spec;
    nnp_format format;
    int width, column, cut; /* cut: long axes show their ends only */
    nnp_text *out;
} printer;

static void put_one(const printer *p, size_t i, nnp_text *out)
{
    if (p->spec && *p->spec)
        nnp_spec_put(p->spec, p->v, i, out);
    else
        nnp_format_put(p->format, p->v, i, out);
}

static int skipped(const printer *p, size_t n, size_t k)
{
    return p->cut && n > 2 * EDGE && k >= EDGE && k < n - EDGE;
}

static void put_axis(const printer *p, int axis, size_t base, size_t step, int measure, int *width)
{
    int rank = p->v->value->rank;
    size_t n = p->v->dim[axis];
    nnp_text one = {0};
    step = n ? step / n : 0;
    if (!measure)
        nnp_text_char(p->out, '[');
    for (size_t k = 0; k < n; k++) {
        int skip = skipped(p, n, k);
        if (!measure && k && axis + 1 < rank) {
            nnp_text_fill(p->out, '\n', (size_t)(rank - 1 - axis));
            nnp_text_fill(p->out, ' ', (size_t)(p->column + axis + 1));
        } else if (!measure && k) {
            nnp_text_add(p->out, " ");
        }
        if (skip) {
            if (!measure)
                nnp_text_add(p->out, "...");
            k = n - EDGE - 1;
        } else if (axis + 1 < rank) {
            put_axis(p, axis + 1, base + k * step, step, measure, width);
        } else {
            nnp_text_clear(&one);
            put_one(p, base + k, &one);
            int w = nnp_text_width(nnp_text_str(&one));
            *width = measure && w > *width ? w : *width;
            if (!measure)
                nnp_text_pad(p->out, nnp_text_str(&one), -p->width);
        }
    }
    if (!measure)
        nnp_text_char(p->out, ']');
    nnp_text_free(&one);
}

void nnp_tensor_put(const char *text, const nnp_view *v, int column, nnp_text *out)
{
    if (!v->value->rank) {
        nnp_spec_put(text ? text : "", v, 0, out);
        return;
    }
    printer p = {v, text, {'g', DIGITS}, 0, column, v->count > SHOWN_WHOLE, out};
    if (!p.cut)
        p.format = nnp_format_of(v, 0, 1, v->count);
    int width = 0;
    put_axis(&p, 0, 0, v->count, 1, &width);
    p.width = width;
    put_axis(&p, 0, 0, v->count, 0, &width);
}
