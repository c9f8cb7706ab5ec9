/* runtime/scale.h - an axis of a chart: its range, its ticks, where a number lies on it. */
#ifndef NNC_RUNTIME_SCALE_H
#define NNC_RUNTIME_SCALE_H
#include "text.h"

enum { NNP_MOST_TICKS = 40 };
typedef struct nnp_scale {
    int logarithmic, powers; /* powers: all ticks are written as powers of ten */
    double lo, hi;           /* of the axis */
    double from, to;         /* pixels */
    int ntick;
    double tick[NNP_MOST_TICKS];
    double step; /* linear: between ticks */
} nnp_scale;

/* A scale for numbers in lo..hi (lo > hi: there are none) with about `about` ticks.  pad: leave some room at both ends, but
 * an end at 0 stays there.  whole: ticks at whole numbers only; zero: 0 is brought in. */
typedef struct nnp_scale_options {
    int logarithmic, about, pad, whole, zero;
} nnp_scale_options;
nnp_scale nnp_scale_of(double lo, double hi, nnp_scale_options o);
double nnp_scale_at(const nnp_scale *s, double v);
/* The text of tick i in SVG (powers of ten may carry a raised exponent). */
void nnp_scale_tick(const nnp_scale *s, int i, nnp_text *out);
#endif
