/* Colours are Okabe and Ito's, which the colour-blind can tell apart, in an order of alternating lightness; dashes and
 * markers tell the curves apart on a black and white print. */
#include "chart.h"
#include "scale.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 720, HEIGHT = 440, FONT = 12, TITLE = 15, MARKED = 40, DENSE = 3000, BINS = 800 };
enum { NCOLOR = 7, NDASH = 5, NMARK = 6, LEGEND_MOST = 18 };
static const char *const color[NCOLOR] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7",
                                          "#56b4e9", "#e69f00", "#000000"};
static const char *const dash[NDASH] = {"", "7 3", "2 2.5", "9 3 2 3", "14 4"};

typedef struct drawing {
    const nnp_chart *c;
    nnp_text *o;
    nnp_scale x, y;
    double left, right, top, bottom; /* of the plotting area */
    int turned;                      /* category words stand slanted */
} drawing;

static void xml(nnp_text *o, const char *s)
{
    for (; *s; s++)
        if (*s == '<')
            nnp_text_add(o, "&lt;");
        else if (*s == '>')
            nnp_text_add(o, "&gt;");
        else if (*s == '&')
            nnp_text_add(o, "&amp;");
        else if (*s == '"')
            nnp_text_add(o, "&quot;");
        else if ((unsigned char)*s >= 32)
            nnp_text_char(o, *s);
}

/* Pixels of a text, about. */
static double text_width(const char *s, int size)
{
    return 0.56 * size * nnp_text_width(s);
}

/* ---- ranges and room ---- */

static int shown(const nnp_chart *c, double x, double y)
{
    return isfinite(x) && isfinite(y) && (!c->log_x || x > 0) && (!c->log_y || y > 0);
}

static void ranges(drawing *d)
{
    const nnp_chart *c = d->c;
    double lo[2] = {INFINITY, INFINITY}, hi[2] = {-INFINITY, -INFINITY};
    int whole = 1;
    for (size_t k = 0; k < c->nseries; k++)
        for (size_t i = 0; i < c->series[k].n; i++) {
            double x = c->series[k].x[i], y = c->series[k].y[i];
            if (!shown(c, x, y))
                continue;
            whole &= x == floor(x);
            lo[0] = fmin(lo[0], x);
            hi[0] = fmax(hi[0], x);
            lo[1] = fmin(lo[1], y);
            hi[1] = fmax(hi[1], y);
        }
    if (c->category) {
        lo[0] = -0.5;
        hi[0] = (double)c->ncategory - 0.5;
    }
    int bars = c->style == NNP_BARS;
    d->x = nnp_scale_of(lo[0], hi[0],
                        (nnp_scale_options){.logarithmic = c->log_x && !c->category,
                                            .about = 7,
                                            .pad = !c->category,
                                            .whole = whole});
    d->y = nnp_scale_of(
        lo[1], hi[1],
        (nnp_scale_options){.logarithmic = c->log_y, .about = 6, .pad = 1, .zero = bars});
    if (bars && !c->category && lo[0] <= hi[0]) { /* room for half a bar at both ends */
        d->x.lo = lo[0] - 0.6 * (hi[0] - lo[0]) / fmax((double)c->series[0].n - 1, 1);
        d->x.hi = hi[0] + 0.6 * (hi[0] - lo[0]) / fmax((double)c->series[0].n - 1, 1);
    }
}

static double widest_tick(const nnp_scale *s)
{
    double most = 0;
    nnp_text t = {0};
    for (int i = 0; i < s->ntick; i++) {
        nnp_text_clear(&t);
        nnp_scale_tick(s, i, &t);
        double w = strchr(t.at, '<') ? 46 : text_width(t.at, FONT);
        most = fmax(most, w);
    }
    nnp_text_free(&t);
    return most;
}

static double legend_width(const nnp_chart *c)
{
    double most = 0;
    for (size_t k = 0; k < c->nseries && k < LEGEND_MOST; k++)
        most = fmax(most, text_width(nnp_text_str(&c->series[k].name), FONT));
    return c->nseries > 1 ? fmin(most, 220) + 50 : 0;
}

static void layout(drawing *d)
{
    const nnp_chart *c = d->c;
    double words = 0;
    for (size_t k = 0; c->category && k < c->ncategory; k++)
        words = fmax(words, text_width(nnp_text_str(&c->category[k]), FONT));
    d->left = 16 + widest_tick(&d->y) + 8 + (c->y_label ? 20 : 0);
    d->right = WIDTH - 20 - legend_width(c);
    d->top = 46;
    d->turned = c->category && words > (d->right - d->left) / (double)c->ncategory - 6;
    d->bottom = HEIGHT - 32 - (c->x_label ? 20 : 0) - (d->turned ? fmin(0.6 * words, 110) : 0);
    d->x.from = d->left;
    d->x.to = d->right;
    d->y.from = d->bottom;
    d->y.to = d->top;
}

/* ---- axes ---- */

static void line(drawing *d, double x1, double y1, double x2, double y2, const char *stroke)
{
    nnp_text_printf(d->o, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n",
                    x1, y1, x2, y2, stroke);
}

static void label(drawing *d, double x, double y, const char *how, const char *svg)
{
    nnp_text_printf(d->o, "<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>\n", x, y, how, svg);
}

static void x_ticks(drawing *d)
{
    const nnp_chart *c = d->c;
    nnp_text t = {0};
    if (!c->category) {
        double last = -INFINITY;
        for (int i = 0; i < d->x.ntick; i++) {
            double x = nnp_scale_at(&d->x, d->x.tick[i]);
            nnp_text_clear(&t);
            nnp_scale_tick(&d->x, i, &t);
            double half = (strchr(t.at, '<') ? 46 : text_width(t.at, FONT)) / 2;
            line(d, x, d->top, x, d->bottom, "#e4e4e4");
            if (x - half < last + 4)
                continue; /* would touch the one before */
            label(d, x, d->bottom + 18, "text-anchor=\"middle\"", t.at);
            last = x + half;
        }
    }
    size_t every = c->category && c->ncategory > 40 ? (c->ncategory + 39) / 40 : 1;
    for (size_t k = 0; c->category && k < c->ncategory; k += every) {
        double x = nnp_scale_at(&d->x, (double)k);
        char how[120];
        nnp_text_clear(&t);
        xml(&t, nnp_text_str(&c->category[k]));
        if (d->turned)
            snprintf(how, sizeof how, "text-anchor=\"end\" transform=\"rotate(-35 %.1f %.1f)\"", x,
                     d->bottom + 14);
        label(d, x, d->bottom + (d->turned ? 14 : 18), d->turned ? how : "text-anchor=\"middle\"",
              nnp_text_str(&t));
    }
    nnp_text_free(&t);
}

static void y_ticks(drawing *d)
{
    nnp_text t = {0};
    for (int i = 0; i < d->y.ntick; i++) {
        double y = nnp_scale_at(&d->y, d->y.tick[i]);
        nnp_text_clear(&t);
        nnp_scale_tick(&d->y, i, &t);
        line(d, d->left, y, d->right, y, "#e4e4e4");
        label(d, d->left - 8, y + 4, "text-anchor=\"end\"", t.at);
    }
    nnp_text_free(&t);
}

static void axes(drawing *d)
{
    const nnp_chart *c = d->c;
    nnp_text t = {0};
    char how[160];
    x_ticks(d);
    y_ticks(d);
    line(d, d->left, d->bottom, d->right, d->bottom, "#444444");
    line(d, d->left, d->top, d->left, d->bottom, "#444444");
    if (!c->log_y && d->y.lo < 0 && d->y.hi > 0)
        line(d, d->left, nnp_scale_at(&d->y, 0), d->right, nnp_scale_at(&d->y, 0), "#999999");
    xml(&t, c->title);
    snprintf(how, sizeof how, "font-size=\"%d\" font-weight=\"bold\"", TITLE);
    label(d, 16, 26, how, t.at);
    if (c->x_label) {
        nnp_text_clear(&t);
        xml(&t, c->x_label);
        label(d, (d->left + d->right) / 2, HEIGHT - 12, "text-anchor=\"middle\"", nnp_text_str(&t));
    }
    if (c->y_label) {
        double y = (d->top + d->bottom) / 2;
        nnp_text_clear(&t);
        xml(&t, c->y_label);
        snprintf(how, sizeof how, "text-anchor=\"middle\" transform=\"rotate(-90 20 %.1f)\"", y);
        label(d, 20, y, how, nnp_text_str(&t));
    }
    nnp_text_free(&t);
}

/* ---- data ---- */

/* Circle, square, triangle, diamond, cross, plus. */
static void marker(drawing *d, int kind, double x, double y, const char *ink)
{
    nnp_text *o = d->o;
    switch (kind % NMARK) {
    case 0:
        nnp_text_printf(o, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.4\" fill=\"%s\"/>\n", x, y, ink);
        break;
    case 1:
        nnp_text_printf(o,
                        "<rect x=\"%.1f\" y=\"%.1f\" width=\"6.4\" height=\"6.4\" fill=\"%s\"/>\n",
                        x - 3.2, y - 3.2, ink);
        break;
    case 2:
        nnp_text_printf(o, "<path d=\"M%.1f %.1fl4 7h-8z\" fill=\"%s\"/>\n", x, y - 4.4, ink);
        break;
    case 3:
        nnp_text_printf(o, "<path d=\"M%.1f %.1fl4.4 4.4l-4.4 4.4l-4.4 -4.4z\" fill=\"%s\"/>\n", x,
                        y - 4.4, ink);
        break;
    case 4:
        nnp_text_printf(o,
                        "<path d=\"M%.1f %.1fl7 7m0 -7l-7 7\" stroke=\"%s\" stroke-width=\"1.8\" "
                        "fill=\"none\"/>\n",
                        x - 3.5, y - 3.5, ink);
        break;
    default:
        nnp_text_printf(o,
                        "<path d=\"M%.1f %.1fv9m-4.5 -4.5h9\" stroke=\"%s\" stroke-width=\"1.8\" "
                        "fill=\"none\"/>\n",
                        x, y - 4.5, ink);
    }
}

static int rises(const nnp_series *s)
{
    for (size_t i = 1; i < s->n; i++)
        if (!(s->x[i] >= s->x[i - 1]))
            return 0;
    return 1;
}

/* A very long curve keeps the smallest and the largest value of each of BINS stretches: it looks the same. */
static int keeps(const nnp_series *s, size_t i)
{
    size_t bin = s->n / BINS, first = i / bin * bin, lo = first, hi = first;
    for (size_t k = first; k < first + bin && k < s->n; k++) {
        lo = s->y[k] < s->y[lo] ? k : lo;
        hi = s->y[k] > s->y[hi] ? k : hi;
    }
    return i == lo || i == hi || i + 1 == s->n;
}

static void curve(drawing *d, size_t k)
{
    const nnp_series *s = &d->c->series[k];
    const char *ink = color[k % NCOLOR], *dashes = dash[k % NDASH];
    int thin = s->n > DENSE && rises(s), pen = 0;
    nnp_text_printf(d->o, "<path fill=\"none\" stroke=\"%s\" stroke-width=\"%s\" ", ink,
                    s->n > BINS ? "1" : "1.8");
    nnp_text_add(d->o, "stroke-linejoin=\"round\" ");
    if (*dashes)
        nnp_text_printf(d->o, "stroke-dasharray=\"%s\" ", dashes);
    nnp_text_add(d->o, "d=\"");
    for (size_t i = 0; i < s->n; i++) {
        if (!shown(d->c, s->x[i], s->y[i])) {
            pen = 0;
            continue;
        }
        if (thin && !keeps(s, i))
            continue;
        nnp_text_printf(d->o, "%c%.2f %.2f", pen ? 'L' : 'M', nnp_scale_at(&d->x, s->x[i]),
                        nnp_scale_at(&d->y, s->y[i]));
        pen = 1;
    }
    nnp_text_add(d->o, "\"/>\n");
}

static void markers(drawing *d, size_t k)
{
    const nnp_series *s = &d->c->series[k];
    for (size_t i = 0; i < s->n; i++)
        if (shown(d->c, s->x[i], s->y[i]))
            marker(d, (int)(k % NMARK), nnp_scale_at(&d->x, s->x[i]), nnp_scale_at(&d->y, s->y[i]),
                   color[k % NCOLOR]);
}

static void bars(drawing *d, size_t k)
{
    const nnp_series *s = &d->c->series[k];
    double n = (double)(d->c->category ? d->c->ncategory : s->n > 1 ? s->n : 1);
    double group = 0.8 * (d->right - d->left) / (n + (d->c->category ? 0 : 0.2));
    double width = group / (double)d->c->nseries;
    double base = nnp_scale_at(&d->y, d->c->log_y ? d->y.lo : 0);
    for (size_t i = 0; i < s->n; i++) {
        if (!shown(d->c, s->x[i], s->y[i]))
            continue;
        double x = nnp_scale_at(&d->x, s->x[i]) - group / 2 + (double)k * width;
        double y = nnp_scale_at(&d->y, s->y[i]);
        nnp_text_printf(d->o,
                        "<rect x=\"%.2f\" y=\"%.2f\" width=\"%.2f\" height=\"%.2f\" fill=\"%s\" "
                        "stroke=\"#ffffff\" stroke-width=\"0.7\"/>\n",
                        x, fmin(y, base), width, fabs(y - base), color[k % NCOLOR]);
    }
}

static void legend(drawing *d, int marked)
{
    const nnp_chart *c = d->c;
    nnp_text t = {0};
    double x = d->right + 16, y = d->top + 8;
    for (size_t k = 0; k < c->nseries && c->nseries > 1; k++, y += 20) {
        if (k == LEGEND_MOST) {
            label(d, x, y + 4, "", "..");
            break;
        }
        const char *ink = color[k % NCOLOR], *dashes = dash[k % NDASH];
        if (c->style == NNP_BARS)
            nnp_text_printf(d->o,
                            "<rect x=\"%.1f\" y=\"%.1f\" width=\"12\" height=\"12\" "
                            "fill=\"%s\"/>\n",
                            x + 8, y - 6, ink);
        if (c->style == NNP_LINES)
            nnp_text_printf(d->o,
                            "<path d=\"M%.1f %.1fh26\" stroke=\"%s\" stroke-width=\"1.8\" "
                            "fill=\"none\"%s%s%s/>\n",
                            x, y, ink, *dashes ? " stroke-dasharray=\"" : "", dashes,
                            *dashes ? "\"" : "");
        if (marked)
            marker(d, (int)(k % NMARK), x + 13, y, ink);
        nnp_text_clear(&t);
        xml(&t, nnp_text_str(&c->series[k].name));
        label(d, x + 32, y + 4, "", nnp_text_str(&t));
    }
    nnp_text_free(&t);
}

void nnp_chart_svg(const nnp_chart *c, nnp_text *out)
{
    drawing d = {.c = c, .o = out};
    int marked = c->style == NNP_POINTS;
    if (c->style == NNP_LINES) {
        marked = 1;
        for (size_t k = 0; k < c->nseries; k++)
            marked &= c->series[k].n <= MARKED;
    }
    ranges(&d);
    layout(&d);
    nnp_text_printf(out,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                    "viewBox=\"0 0 %d %d\" font-family=\"Helvetica, Arial, sans-serif\" "
                    "font-size=\"%d\" fill=\"#222222\">\n"
                    "<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n",
                    WIDTH, HEIGHT, WIDTH, HEIGHT, FONT, WIDTH, HEIGHT);
    axes(&d);
    for (size_t k = 0; k < c->nseries; k++) {
        if (c->style == NNP_BARS)
            bars(&d, k);
        else if (c->style == NNP_LINES)
            curve(&d, k);
        if (marked)
            markers(&d, k);
    }
    legend(&d, marked);
    nnp_text_add(out, "</svg>\n");
}
