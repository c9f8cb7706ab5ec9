/* runtime/scale.h - an axis of a chart: its range, its ticks, where a number lies on it. */
#ifndef NNC_RUNTIME_SCALE_H
#define NNC_RUNTIME_SCALE_H
#include "text.h"

enum { NNP_MOST_TICKS = 40 };
typedef struct nnp_scale {
    int logarithmic;
    double lo, hi;   /* of the axis */
    double from, to; /* pixels */
    int ntick;
    double tick[NNP_MOST_TICKS];
    double step; /* linear: between ticks */
} nnp_scale;

/* A scale for numbers in lo..hi (lo > hi: there are none) with about `about` ticks.  pad: leave some room at both ends;
 * zero: an end at 0 stays there, and `force_zero` brings 0 in. */
nnp_scale nnp_scale_of(double lo, double hi, int logarithmic, int about, int pad, int force_zero);
double nnp_scale_at(const nnp_scale *s, double v);
/* The text of tick i in SVG (powers of ten may carry a raised exponent). */
void nnp_scale_tick(const nnp_scale *s, int i, nnp_text *out);
#endif
