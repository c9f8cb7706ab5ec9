/* plot: operands become series, then a CSV file and an SVG file. */
#include "session.h"
#include "chart.h"
#include "format.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SERIES = 1000 };

typedef struct plot {
    const nnp_plot *p;
    void *const *data;
    const size_t *const *dim;
    nnp_chart chart;
    nnp_view x;             /* when p->x is given */
    const nnp_axis *x_axis; /* the labels that run along x, or NULL */
    nnp_text *category;
    int shared_x;
} plot;

static size_t last_dim(const nnp_view *v)
{
    return v->value->rank ? v->dim[v->value->rank - 1] : 1;
}

/* Words along x when the labels are not all numbers. */
static void find_x_axis(plot *p)
{
    size_t n = 0;
    int words = 0;
    for (int i = 0; i < p->p->n && !p->p->x && !p->x_axis; i++) {
        const nnp_value *v = &p->p->item[i].value;
        nnp_view w = nnp_view_of(v, p->data, p->dim);
        if (v->rank && v->axis && v->axis[v->rank - 1].name) {
            p->x_axis = &v->axis[v->rank - 1];
            n = last_dim(&w);
        }
    }
    for (size_t k = 0; k < n; k++) {
        double number;
        words |= !nnp_axis_number(p->x_axis, k, p->data, &number);
    }
    if (p->p->x && p->x.value->dtype == NNP_STR) {
        words = 1;
        n = p->x.count;
    }
    if (!words)
        return;
    p->category = nnp_alloc(sizeof *p->category * n);
    for (size_t k = 0; k < n; k++)
        if (p->p->x)
            nnp_view_text(&p->x, k, 0, &p->category[k]);
        else
            nnp_axis_place(p->x_axis, k, p->data, &p->category[k]);
    p->chart.category = p->category;
    p->chart.ncategory = n;
}

/* "adam, seed = 3" */
static void name_series(const plot *p, int item, const nnp_view *v, size_t k, nnp_text *o)
{
    const char *name = p->p->item[item].name;
    size_t at[NNP_MAX_RANK];
    int rank = v->value->rank;
    if (name && *name && (p->p->n > 1 || rank < 2))
        nnp_text_add(o, name);
    for (int d = rank - 1; d-- > 0;) {
        at[d] = k % v->dim[d];
        k /= v->dim[d];
    }
    for (int d = 0; d + 1 < rank; d++) {
        const nnp_axis *a = v->value->axis && v->value->axis[d].name ? &v->value->axis[d] : NULL;
        nnp_text_add(o, o->n ? ", " : "");
        if (a)
            nnp_text_printf(o, "%s = ", a->name);
        nnp_axis_place(a, at[d], p->data, o);
    }
    if (!o->n)
        nnp_text_printf(o, "%d", item);
}

static double x_of(const plot *p, const nnp_view *v, size_t k, size_t i)
{
    double x = (double)i;
    if (p->chart.category)
        return x;
    if (p->p->x && p->x.count == v->count && p->x.value->rank == v->value->rank)
        return nnp_view_get(&p->x, k * last_dim(v) + i);
    if (p->p->x)
        return i < p->x.count ? nnp_view_get(&p->x, i) : NAN;
    if (p->x_axis)
        nnp_axis_number(p->x_axis, i, p->data, &x);
    return x;
}

static void add_item(plot *p, int item)
{
    nnp_view v = nnp_view_of(&p->p->item[item].value, p->data, p->dim);
    size_t n = last_dim(&v), many = n ? v.count / n : 0;
    for (size_t k = 0; k < many && p->chart.nseries < MOST_SERIES; k++) {
        nnp_series *s = &p->chart.series[p->chart.nseries++];
        *s = (nnp_series){
            .n = n, .x = nnp_alloc(sizeof(double) * n), .y = nnp_alloc(sizeof(double) * n)};
        name_series(p, item, &v, k, &s->name);
        for (size_t i = 0; i < n; i++) {
            s->x[i] = x_of(p, &v, k, i);
            s->y[i] = nnp_view_get(&v, k * n + i);
        }
    }
    p->shared_x &= !(p->p->x && p->x.value->rank > 1);
}

static void csv_row(const plot *p, const char *series, double x, size_t i, nnp_text *o)
{
    if (series) {
        nnp_text_csv(o, series);
        nnp_text_char(o, ',');
    }
    if (p->chart.category)
        nnp_text_csv(o, nnp_text_str(&p->category[i]));
    else
        nnp_number_text(NNP_F64, x, 0, o);
}

/* x and one column per series; when every series has its own x: series, x, y. */
static void put_csv(const plot *p, nnp_text *o)
{
    const nnp_chart *c = &p->chart;
    size_t rows = 0;
    int shared = p->shared_x;
    for (size_t k = 0; k < c->nseries; k++) {
        rows = c->series[k].n > rows ? c->series[k].n : rows;
        shared &= c->series[k].n == c->series[0].n;
    }
    if (!shared)
        nnp_text_add(o, "series,");
    nnp_text_csv(o, c->x_label ? c->x_label : "x");
    for (size_t k = 0; k < c->nseries && shared; k++) {
        nnp_text_char(o, ',');
        nnp_text_csv(o, nnp_text_str(&c->series[k].name));
    }
    nnp_text_add(o, shared ? "\n" : ",y\n");
    for (size_t i = 0; i < rows && shared; i++) {
        csv_row(p, NULL, c->series[0].x[i], i, o);
        for (size_t k = 0; k < c->nseries; k++) {
            nnp_text_char(o, ',');
            nnp_number_text(NNP_F64, c->series[k].y[i], 0, o);
        }
        nnp_text_char(o, '\n');
    }
    for (size_t k = 0; k < c->nseries && !shared; k++)
        for (size_t i = 0; i < c->series[k].n; i++) {
            csv_row(p, nnp_text_str(&c->series[k].name), c->series[k].x[i], i, o);
            nnp_text_char(o, ',');
            nnp_number_text(NNP_F64, c->series[k].y[i], 0, o);
            nnp_text_char(o, '\n');
        }
}

static void tell_file(nnp_scope *c, const plot *p, const char *ending)
{
    nnp_text o = {0};
    int svg = !strcmp(ending, ".svg");
    nnp_text_add(&o, svg ? "plot" : "");
    nnp_text_char(&o, 0);
    nnp_text_slug(&o, p->chart.title);
    nnp_text_add(&o, ending);
    nnp_text_char(&o, 0);
    if (svg)
        nnp_chart_svg(&p->chart, &o);
    else
        put_csv(p, &o);
    nnp_tell(c, NNP_FILE, o.at, o.n);
    nnp_text_free(&o);
}

static const char *given(const char *s, const char *otherwise)
{
    return s && *s ? s : otherwise;
}

int nnp_do_plot(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    plot p = {.p = op->detail, .data = data, .dim = dim, .shared_x = 1};
    size_t most = 0;
    if (p.p->x)
        p.x = nnp_view_of(p.p->x, data, dim);
    for (int i = 0; i < p.p->n; i++) {
        nnp_view v = nnp_view_of(&p.p->item[i].value, data, dim);
        most += last_dim(&v) ? v.count / last_dim(&v) : 0;
    }
    p.chart.title = p.p->title;
    p.chart.log_x = p.p->log_x;
    p.chart.log_y = p.p->log_y;
    p.chart.style = p.p->style;
    p.chart.series = nnp_alloc(sizeof *p.chart.series * (most < MOST_SERIES ? most : MOST_SERIES));
    find_x_axis(&p);
    for (int i = 0; i < p.p->n; i++)
        add_item(&p, i);
    p.chart.x_label = given(p.p->x_label, p.x_axis ? p.x_axis->name : NULL);
    p.chart.y_label = given(p.p->y_label, p.p->n == 1 ? given(p.p->item[0].name, NULL) : NULL);
    tell_file(c, &p, ".csv");
    tell_file(c, &p, ".svg");
    for (size_t k = 0; k < p.chart.nseries; k++) {
        nnp_text_free(&p.chart.series[k].name);
        free(p.chart.series[k].x);
        free(p.chart.series[k].y);
    }
    for (size_t k = 0; k < p.chart.ncategory; k++)
        nnp_text_free(&p.category[k]);
    free(p.category);
    free(p.chart.series);
    return 0;
}
