/* Charts: whole XML, nothing outside of the picture, every look. */
#include "runtime/chart.h"
#include "runtime/scale.h"
#include "tests/test.h"

enum { MANY = 10000 };

static nnp_series series(const char *name, size_t n, double (*f)(double))
{
    nnp_series s = {.n = n, .x = calloc(n, sizeof(double)), .y = calloc(n, sizeof(double))};
    nnp_text_add(&s.name, name);
    for (size_t i = 0; i < n; i++) {
        s.x[i] = (double)i;
        s.y[i] = f((double)i);
    }
    return s;
}

static void release(nnp_series *s)
{
    nnp_text_free(&s->name);
    free(s->x);
    free(s->y);
}

/* Tags close in order and attributes are quoted. */
static int well_formed(const char *p)
{
    char open[20][20];
    int depth = 0;
    while ((p = strchr(p, '<')) != NULL) {
        const char *end = strchr(p, '>'), *slash = end;
        if (!end)
            return 0;
        int quotes = 0;
        for (const char *q = p; q < end; q++)
            quotes += *q == '"';
        if (quotes % 2 || (strpbrk(p + 1, "<&") && strpbrk(p + 1, "<") < end))
            return 0;
        if (p[1] == '/') {
            size_t n = (size_t)(end - p - 2);
            if (!depth-- || strlen(open[depth]) != n || strncmp(open[depth], p + 2, n))
                return 0;
        } else if (p[1] != '?' && slash[-1] != '/') {
            if (depth == 20)
                return 0;
            snprintf(open[depth++], 20, "%.*s", (int)strcspn(p + 1, " >"), p + 1);
        }
        p = end;
    }
    return depth == 0;
}

static int count(const char *text, const char *needle)
{
    int n = 0;
    for (; (text = strstr(text, needle)) != NULL; text++)
        n++;
    return n;
}

/* The chart as a text that was looked over. */
static nnp_text draw(const nnp_chart *c)
{
    nnp_text o = {0};
    nnp_chart_svg(c, &o);
    CHECK(well_formed(o.at));
    CHECK(!strstr(o.at, "nan"));
    CHECK(!strstr(o.at, "inf"));
    CHECK(!strstr(o.at, "\"-")); /* no coordinate left of or above the picture */
    return o;
}

static double square(double x)
{
    return x * x;
}

static double wave(double x)
{
    return sin(x / 100);
}

static double gap(double x)
{
    return x == 2 ? NAN : x;
}

static void curves(void)
{
    nnp_series s[2] = {series("a < b & c", 5, square), series("gap", 5, gap)};
    nnp_text o = draw(&(nnp_chart){.title = "\"quoted\" <title>",
                                   .x_label = "step",
                                   .y_label = "loss",
                                   .nseries = 2,
                                   .series = s});
    CHECK_HAS(o.at, "&quot;quoted&quot; &lt;title&gt;");
    CHECK_HAS(o.at, "a &lt; b &amp; c");
    CHECK_INT(count(o.at, "<circle"), 5 + 1);   /* and one in the legend */
    CHECK_INT(count(o.at, "<rect"), 1 + 4 + 1); /* the paper; a marker is missing at the gap */
    CHECK_INT(count(o.at, "stroke-dasharray"), 2);
    nnp_text_free(&o);
    release(&s[0]);
    release(&s[1]);
}

static void logarithmic_axes_leave_out_what_they_cannot_show(void)
{
    nnp_series s = series("a", 6, square);
    nnp_text o =
        draw(&(nnp_chart){.title = "t", .log_x = 1, .log_y = 1, .nseries = 1, .series = &s});
    CHECK_INT(count(o.at, "<circle"), 5);
    nnp_text_free(&o);
    release(&s);
}

static void bars_by_words(void)
{
    nnp_series s[2] = {series("a", 3, square), series("b", 3, gap)};
    nnp_text words[3] = {{0}};
    for (int i = 0; i < 3; i++)
        nnp_text_add(&words[i], i ? "a rather long name of an arm in the sweep" : "x");
    nnp_text o = draw(&(nnp_chart){.title = "t",
                                   .style = NNP_BARS,
                                   .nseries = 2,
                                   .series = s,
                                   .category = words,
                                   .ncategory = 3});
    CHECK_INT(count(o.at, "<rect"), 1 + 3 + 2 + 2);
    CHECK_INT(count(o.at, "rotate(-35"), 3);
    nnp_text_free(&o);
    for (int i = 0; i < 3; i++)
        nnp_text_free(&words[i]);
    release(&s[0]);
    release(&s[1]);
}

static void long_curves_stay_small(void)
{
    nnp_series s = series("a", MANY, wave);
    nnp_text o = draw(&(nnp_chart){.title = "t", .nseries = 1, .series = &s});
    CHECK(o.n < 40000);
    CHECK(count(o.at, "L") > 800);
    nnp_text_free(&o);
    release(&s);
}

static void nothing_to_show(void)
{
    nnp_series s = series("a", 3, gap), none = {0};
    s.y[0] = s.y[1] = NAN;
    nnp_text o = draw(&(nnp_chart){.title = "t", .nseries = 1, .series = &s});
    nnp_text_free(&o);
    o = draw(&(nnp_chart){.title = "t", .nseries = 1, .series = &none, .log_y = 1});
    nnp_text_free(&o);
    o = draw(&(nnp_chart){.title = "t", .style = NNP_BARS, .series = &none});
    nnp_text_free(&o);
    release(&s);
}

/* "0 2 4": the ticks of an axis. */
static const char *ticks(double lo, double hi, nnp_scale_options options)
{
    static char text[400];
    nnp_text t = {0};
    nnp_scale s = nnp_scale_of(lo, hi, options);
    for (int i = 0; i < s.ntick; i++) {
        nnp_text_add(&t, i ? " " : "");
        nnp_scale_tick(&s, i, &t);
    }
    snprintf(text, sizeof text, "%s", nnp_text_str(&t));
    nnp_text_free(&t);
    return text;
}

static void ticks_are_round(void)
{
    CHECK_STR(ticks(0, 10, (nnp_scale_options){.about = 6}), "0 2 4 6 8 10");
    CHECK_STR(ticks(0, 1, (nnp_scale_options){.about = 6}), "0.0 0.2 0.4 0.6 0.8 1.0");
    CHECK_STR(ticks(0, 3, (nnp_scale_options){.about = 7, .whole = 1}), "0 1 2 3");
    CHECK_STR(ticks(0.91, 0.96, (nnp_scale_options){.about = 6}), "0.91 0.92 0.93 0.94 0.95 0.96");
    CHECK_STR(ticks(1, 1000, (nnp_scale_options){.about = 6, .logarithmic = 1}), "1 10 100 1000");
    CHECK_STR(ticks(1, 20, (nnp_scale_options){.about = 6, .logarithmic = 1}), "1 2 5 10 20");
    CHECK_STR(ticks(-5, 5, (nnp_scale_options){.about = 4}), "\xe2\x88\x92"
                                                             "5 0 5");
}

int main(void)
{
    RUN(curves);
    RUN(logarithmic_axes_leave_out_what_they_cannot_show);
    RUN(bars_by_words);
    RUN(long_curves_stay_small);
    RUN(nothing_to_show);
    RUN(ticks_are_round);
    return test_end();
}
