/* runtime/chart.h - line, point and bar charts as SVG. */
#ifndef NNC_RUNTIME_CHART_H
#define NNC_RUNTIME_CHART_H
#include "host.h"
#include "text.h"

typedef struct nnp_series {
    nnp_text name;
    size_t n;
    double *x, *y; /* NaN: a gap */
} nnp_series;

typedef struct nnp_chart {
    const char *title, *x_label, *y_label; /* labels may be NULL */
    int log_x, log_y;
    nnp_plot_style style;
    size_t nseries;
    nnp_series *series;
    /* Words at x = 0, 1, ..; NULL for a scale of numbers. */
    const nnp_text *category;
    size_t ncategory;
} nnp_chart;

/* A whole SVG file.  The look is the same for the same numbers. */
void nnp_chart_svg(const nnp_chart *c, nnp_text *out);
#endif
