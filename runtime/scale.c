/* Ticks lie at 1, 2 or 5 times a power of ten.  A logarithmic axis marks decades, and 2 and 5 when there are few. */
#include "scale.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static double nice_step(double span, int about)
{
    double raw = span / about, unit = pow(10, floor(log10(raw)));
    double ratio = raw / unit;
    return unit * (ratio <= 1.0 ? 1 : ratio <= 2.0 ? 2 : ratio <= 5.0 ? 5 : 10);
}

static void linear(nnp_scale *s, int about, int whole)
{
    s->step = nice_step(s->hi - s->lo, about);
    if (whole && s->step < 1)
        s->step = 1;
    double first = ceil(s->lo / s->step - 1e-9);
    for (double k = first; k * s->step <= s->hi + 1e-9 * s->step; k++)
        if (s->ntick < NNP_MOST_TICKS)
            s->tick[s->ntick++] = fabs(k) < 0.5 ? 0 : k * s->step;
}

static void decades(nnp_scale *s, int about)
{
    static const double many[] = {1, 2, 5};
    int lo = (int)floor(log10(s->lo) + 1e-9), hi = (int)ceil(log10(s->hi) - 1e-9);
    s->powers = hi > 5 || lo < -4;
    int every = (hi - lo) / about + 1, marks = log10(s->hi / s->lo) < 2.5 ? 3 : 1;
    for (int e = lo; e <= hi; e++)
        for (int m = 0; m < marks; m++) {
            double v = many[m] * pow(10, e);
            int seen = v >= s->lo * (1 - 1e-9) && v <= s->hi * (1 + 1e-9);
            if (seen && e % every == 0 && s->ntick < NNP_MOST_TICKS)
                s->tick[s->ntick++] = v;
        }
}

nnp_scale nnp_scale_of(double lo, double hi, nnp_scale_options o)
{
    nnp_scale s = {.logarithmic = o.logarithmic};
    if (!(lo <= hi)) {
        lo = o.logarithmic ? 1 : 0;
        hi = o.logarithmic ? 10 : 1;
    }
    if (o.zero && !o.logarithmic) {
        lo = fmin(lo, 0);
        hi = fmax(hi, 0);
    }
    if (o.logarithmic) {
        double room = lo == hi ? 2 : o.pad ? pow(hi / lo, 0.04) : 1;
        s.lo = lo / room;
        s.hi = hi * room;
        decades(&s, o.about);
        if (s.ntick < 2) { /* a narrow range: ordinary ticks on the logarithmic axis */
            s.ntick = s.powers = 0;
            linear(&s, o.about, 0);
        }
        return s;
    }
    double room = lo == hi ? (lo == 0 ? 1 : 0.5 * fabs(lo)) : o.pad ? 0.04 * (hi - lo) : 0;
    s.lo = lo == 0 && lo != hi ? 0 : lo - room;
    s.hi = hi == 0 && lo != hi ? 0 : hi + room;
    linear(&s, o.about, o.whole);
    return s;
}

double nnp_scale_at(const nnp_scale *s, double v)
{
    double t = s->logarithmic ? log(v / s->lo) / log(s->hi / s->lo) : (v - s->lo) / (s->hi - s->lo);
    return s->from + t * (s->to - s->from);
}

void nnp_scale_tick(const nnp_scale *s, int i, nnp_text *out)
{
    double v = s->tick[i], a = fabs(v), biggest = fmax(fabs(s->lo), fabs(s->hi));
    int exponent = v != 0 ? (int)floor(log10(a) + 1e-9) : 0;
    if (s->step > 0 && biggest < 1e6 && biggest >= 1e-4) { /* the same decimals on all ticks */
        int decimals = (int)-floor(log10(s->step) + 1e-9);
        nnp_text_printf(out, "%s%.*f", v < 0 ? "\xe2\x88\x92" : "", decimals > 0 ? decimals : 0, a);
    } else if (v != 0 && (s->powers || exponent > 4 || exponent < -3)) {
        double m = v / pow(10, exponent);
        if (fabs(m - 1) > 1e-9)
            nnp_text_printf(out, "%.3g\xc2\xb7", m);
        nnp_text_printf(out, "10<tspan dy=\"-5\" font-size=\"9\">%s%d</tspan>",
                        exponent < 0 ? "\xe2\x88\x92" : "", exponent < 0 ? -exponent : exponent);
    } else {
        nnp_text_printf(out, "%s%.5g", v < 0 ? "\xe2\x88\x92" : "", a);
    }
}
