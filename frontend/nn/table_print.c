/* The tables of a program as C text: every struct of runtime/host.h as a static initialiser.
 *
 * Arrays that a struct points to are printed before it and named by a counter, so one walk down each descriptor does. */
#include "frontend/nn/table.h"
#include <ctype.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

typedef struct printer {
    FILE *o;
    int count;
} printer;

static void text(printer *p, const char *s)
{
    if (!s) {
        fputs("0", p->o);
        return;
    }
    putc('"', p->o);
    for (; *s; s++)
        if (isprint((unsigned char)*s) && *s != '"' && *s != '\\' && *s != '?')
            putc(*s, p->o);
        else
            fprintf(p->o, "\\%03o", (unsigned char)*s);
    putc('"', p->o);
}

static int texts(printer *p, const char *const *s, int n)
{
    int id = ++p->count;
    fprintf(p->o, "static const char *const t%d[] = {", id);
    for (int i = 0; i < n; i++) {
        text(p, s[i]);
        fputs(", ", p->o);
    }
    fputs("0};\n", p->o);
    return id;
}

static void axis_body(printer *p, const nnp_axis *a, int names)
{
    fputs("{", p->o);
    text(p, a->name);
    fprintf(p->o, ", %d, ", a->count);
    fprintf(p->o, names ? "t%d" : "0", names);
    fprintf(p->o, ", %d, (nnp_dtype)%d}", a->at, (int)a->dtype);
}

static int axes(printer *p, const nnp_axis *a, int n)
{
    int names[NNP_MAX_RANK] = {0};
    for (int i = 0; i < n; i++)
        names[i] = a[i].text ? texts(p, a[i].text, a[i].count) : 0;
    int id = ++p->count;
    fprintf(p->o, "static const nnp_axis a%d[] = {", id);
    for (int i = 0; i < n; i++) {
        axis_body(p, &a[i], names[i]);
        fputs(", ", p->o);
    }
    fputs("{0, 0, 0, -1, (nnp_dtype)0}};\n", p->o);
    return id;
}

/* What a value points to; then its initialiser. */
typedef struct value_ids {
    int axis, strings;
} value_ids;

static value_ids before_value(printer *p, const nnp_value *v)
{
    value_ids id = {0, 0};
    if (v->at != NNP_NONE && v->axis)
        id.axis = axes(p, v->axis, v->rank);
    if (v->at != NNP_NONE && v->strings)
        id.strings = texts(p, v->strings, v->nstring);
    return id;
}

static void value_body(printer *p, const nnp_value *v, value_ids id)
{
    fprintf(p->o, "{%d, (nnp_dtype)%d, %d, ", v->at, (int)v->dtype, v->rank);
    fprintf(p->o, id.axis ? "a%d, " : "0, ", id.axis);
    fprintf(p->o, id.strings ? "t%d, %d}" : "0, %d}", id.strings ? id.strings : v->nstring,
            v->nstring);
}

static int values(printer *p, const nnp_value *v, int n)
{
    value_ids *id = malloc(sizeof *id * (size_t)(n + 1));
    for (int i = 0; i < n; i++)
        id[i] = before_value(p, &v[i]);
    int name = ++p->count;
    fprintf(p->o, "static const nnp_value v%d[] = {", name);
    for (int i = 0; i < n; i++) {
        value_body(p, &v[i], id[i]);
        fputs(", ", p->o);
    }
    fputs("{-1, (nnp_dtype)0, 0, 0, 0, 0}};\n", p->o);
    free(id);
    return name;
}

static int items(printer *p, const nnp_item *x, int n)
{
    value_ids *id = malloc(sizeof *id * (size_t)(n + 1));
    for (int i = 0; i < n; i++)
        id[i] = before_value(p, &x[i].value);
    int name = ++p->count;
    fprintf(p->o, "static const nnp_item i%d[] = {", name);
    for (int i = 0; i < n; i++) {
        fputs("{", p->o);
        text(p, x[i].name);
        fputs(", ", p->o);
        value_body(p, &x[i].value, id[i]);
        fputs("}, ", p->o);
    }
    fputs("{0, {-1, (nnp_dtype)0, 0, 0, 0, 0}}};\n", p->o);
    free(id);
    return name;
}

/* ---- details ---- */

static void report(printer *p, const nnp_report *d, int id)
{
    int x = items(p, d->item, d->n);
    fprintf(p->o,
            "static const nnp_report d%d = {%d, i%d, %d, %d, %d, (nnp_dtype)%d, "
            "(nnp_dtype)%d, (nnp_dtype)%d};\n",
            id, d->n, x, d->step, d->steps, d->samples, (int)d->step_dtype, (int)d->steps_dtype,
            (int)d->samples_dtype);
}

static void print(printer *p, const nnp_print *d, int id)
{
    int v = values(p, d->value, d->nvalue);
    fprintf(p->o, "static const nnp_piece p%d[] = {", id);
    for (int i = 0; i < d->npiece; i++) {
        fputs("{", p->o);
        text(p, d->piece[i].text);
        fprintf(p->o, ", %d, ", d->piece[i].value);
        text(p, d->piece[i].spec);
        fputs("}, ", p->o);
    }
    fputs("{0, -1, 0}};\n", p->o);
    fprintf(p->o, "static const nnp_print d%d = {%d, %d, p%d, v%d};\n", id, d->npiece, d->nvalue,
            id, v);
}

static void table(printer *p, const nnp_table *d, int id)
{
    int x = items(p, d->item, d->n), rows = d->rows ? axes(p, d->rows, 1) : 0;
    fprintf(p->o, "static const nnp_table d%d = {", id);
    text(p, d->title);
    fprintf(p->o, ", %d, i%d, ", d->n, x);
    fprintf(p->o, rows ? "a%d};\n" : "0};\n", rows);
}

static void plot(printer *p, const nnp_plot *d, int id)
{
    int x = items(p, d->item, d->n), at = d->x ? values(p, d->x, 1) : 0;
    fprintf(p->o, "static const nnp_plot d%d = {", id);
    text(p, d->title);
    fprintf(p->o, ", %d, i%d, ", d->n, x);
    fprintf(p->o, at ? "v%d, " : "0, ", at);
    text(p, d->x_label);
    fputs(", ", p->o);
    text(p, d->y_label);
    fprintf(p->o, ", %d, %d, (nnp_plot_style)%d};\n", d->log_x, d->log_y, (int)d->style);
}

static void save(printer *p, const nnp_save *d, int id)
{
    int x = items(p, d->item, d->n);
    fprintf(p->o, "static const nnp_save d%d = {", id);
    text(p, d->file);
    fprintf(p->o, ", %d, i%d};\n", d->n, x);
}

static void claim(printer *p, const nnp_claim *d, int id)
{
    value_ids(*v)[5] = malloc(sizeof *v * (size_t)(d->n + 1));
    for (int i = 0; i < d->n; i++) {
        const nnp_part *q = &d->part[i];
        const nnp_value *all[5] = {&q->verdict, &q->left, &q->right, &q->tolerance, &q->where};
        for (int k = 0; k < 5; k++)
            v[i][k] = before_value(p, all[k]);
    }
    fprintf(p->o, "static const nnp_part q%d[] = {", id);
    for (int i = 0; i < d->n; i++) {
        const nnp_part *q = &d->part[i];
        fputs("{", p->o);
        text(p, q->name);
        fputs(", ", p->o);
        value_body(p, &q->verdict, v[i][0]);
        fprintf(p->o, ", (nnp_compare)%d, ", (int)q->op);
        const nnp_value *rest[4] = {&q->left, &q->right, &q->tolerance, &q->where};
        for (int k = 0; k < 4; k++) {
            value_body(p, rest[k], v[i][k + 1]);
            fputs(", ", p->o);
        }
        text(p, q->fixed);
        fputs("},\n    ", p->o);
    }
    fputs("};\n", p->o);
    free(v);
    fprintf(p->o, "static const nnp_claim d%d = {", id);
    text(p, d->text);
    fprintf(p->o, ", %d, q%d};\n", d->n, id);
}

static void assertion(printer *p, const nnp_assert *d, int id)
{
    int v = values(p, d->verdict, d->n);
    fprintf(p->o, "static const nnp_assert d%d = {", id);
    text(p, d->text);
    fputs(", ", p->o);
    text(p, d->source);
    fprintf(p->o, ", %d, v%d};\n", d->n, v);
}

static int inputs(printer *p, const nnp_input *x, int n)
{
    int id = ++p->count;
    fprintf(p->o, "static const nnp_input n%d[] = {", id);
    for (int i = 0; i < n; i++)
        fprintf(p->o, "{(nnp_source)%d, %d, %d}, ", (int)x[i].source, x[i].at, x[i].axis);
    fputs("{(nnp_source)0, 0, 0}};\n", p->o);
    return id;
}

static void sweep(printer *p, const nn_tables *t, const nnp_sweep *d, int id)
{
    int names[64] = {0}, *in = malloc(sizeof *in * (size_t)(d->nvariant + 1));
    for (int i = 0; i < d->nhead && i < 64; i++)
        names[i] =
            d->head[i].label.text ? texts(p, d->head[i].label.text, d->head[i].label.count) : 0;
    for (int i = 0; i < d->nvariant; i++)
        in[i] = inputs(p, d->variant[i].input, t->graph[d->variant[i].graph].ninput);
    fprintf(p->o, "static const nnp_head h%d[] = {", id);
    for (int i = 0; i < d->nhead; i++) {
        fputs("{", p->o);
        axis_body(p, &d->head[i].label, names[i]);
        fprintf(p->o, ", %d, %d, %d}, ", d->head[i].choose, d->head[i].count, d->head[i].at);
    }
    fprintf(p->o, "};\nstatic const nnp_variant w%d[] = {", id);
    for (int i = 0; i < d->nvariant; i++)
        fprintf(p->o, "{%d, n%d}, ", d->variant[i].graph, in[i]);
    fprintf(p->o, "};\nstatic const nnp_sweep d%d = {%d, %d, h%d, w%d, %d, %d, %d};\n", id,
            d->nhead, d->nvariant, id, id, d->noperand, d->nresult, d->alone);
    free(in);
}

static void seconds(printer *p, const nn_tables *t, const nnp_seconds *d, int id)
{
    int in = inputs(p, d->call.input, t->graph[d->call.graph].ninput);
    fprintf(p->o, "static const nnp_seconds d%d = {{%d, n%d}, %d};\n", id, d->call.graph, in,
            d->result);
}

static void detail(printer *p, const nn_tables *t, const nnp_host_op *h, int id)
{
    switch (h->kind) {
    case NNP_REPORT: report(p, h->detail, id); break;
    case NNP_PRINT: print(p, h->detail, id); break;
    case NNP_TABLE: table(p, h->detail, id); break;
    case NNP_PLOT: plot(p, h->detail, id); break;
    case NNP_SAVE: save(p, h->detail, id); break;
    case NNP_CLAIM: claim(p, h->detail, id); break;
    case NNP_ASSERT: assertion(p, h->detail, id); break;
    case NNP_SWEEP: sweep(p, t, h->detail, id); break;
    case NNP_SECONDS: seconds(p, t, h->detail, id); break;
    }
}

/* ---- the program ---- */

static void tensor_body(printer *p, const nnp_tensor *t)
{
    fprintf(p->o, "{(nnp_dtype)%d, %d, {", (int)t->dtype, t->rank);
    for (int i = 0; i < t->rank; i++)
        fprintf(p->o, "%zuu, ", t->dim[i]);
    fputs("0}}, ", p->o);
}

static void tensors(printer *p, const char *name, int id, const nnp_tensor *t, int n)
{
    fprintf(p->o, "static const nnp_tensor %s%d[] = {", name, id);
    for (int i = 0; i < n; i++)
        tensor_body(p, &t[i]);
    fputs("{(nnp_dtype)0, 0, {0}}};\n", p->o);
}

static void graphs(printer *p, const nn_tables *t, const size_t *workspace)
{
    for (int i = 0; i < t->program.ngraph; i++) {
        tensors(p, "in", i, t->graph[i].input, t->graph[i].ninput);
        tensors(p, "out", i, t->graph[i].output, t->graph[i].noutput);
        fprintf(p->o, "int g%d_call(const nnp_graph *self, const nnp_arguments *a);\n", i);
    }
    fputs("static const nnp_graph graphs[] = {\n", p->o);
    for (int i = 0; i < t->program.ngraph; i++) {
        fputs("    {", p->o);
        text(p, t->graph[i].name);
        fprintf(p->o, ", %d, %d, in%d, out%d, %zuu, g%d_call, 0},\n", t->graph[i].ninput,
                t->graph[i].noutput, i, i, workspace[i], i);
    }
    fputs("};\n", p->o);
}

static void experiments(printer *p, const nn_tables *t)
{
    const nnp_program *q = &t->program;
    for (int i = 0; i < q->nexperiment; i++) {
        fprintf(p->o, "static const int use%d[] = {", i);
        for (int k = 0; k < t->graph[q->experiment[i].graph].ninput; k++)
            fprintf(p->o, "%d, ", q->experiment[i].input[k]);
        fputs("-1};\n", p->o);
    }
    fputs("static const nnp_experiment experiments[] = {\n", p->o);
    for (int i = 0; i < q->nexperiment; i++) {
        fputs("    {", p->o);
        text(p, q->experiment[i].name);
        fprintf(p->o, ", %d, %d, use%d},\n", q->experiment[i].test, q->experiment[i].graph, i);
    }
    fputs("};\nstatic const nnp_data dataset[] = {\n", p->o);
    for (int i = 0; i < q->ndata; i++) {
        fputs("    {", p->o);
        text(p, q->dataset[i].name);
        fputs(", ", p->o);
        tensor_body(p, &q->dataset[i].type);
        fprintf(p->o, "%zuu},\n", q->dataset[i].offset);
    }
    fputs("    {0, {(nnp_dtype)0, 0, {0}}, 0}\n};\n", p->o);
}

void nn_tables_print(const nn_tables *t, const size_t *workspace, void *file)
{
    printer p = {.o = file};
    const nnp_program *q = &t->program;
    fputs("/* The tables of a program, written by nnc. */\n\n", p.o);
    for (int i = 0; i < q->nhost; i++) {
        detail(&p, t, &q->host[i], 1000000 + i);
    }
    fputs("static const nnp_host_op hosts[] = {\n", p.o);
    for (int i = 0; i < q->nhost; i++) {
        fprintf(p.o, "    {(nnp_kind)%d, ", (int)q->host[i].kind);
        text(&p, q->host[i].where);
        fprintf(p.o, ", &d%d},\n", 1000000 + i);
    }
    fputs("    {(nnp_kind)0, 0, 0}\n};\n", p.o);
    graphs(&p, t, workspace);
    experiments(&p, t);
    fprintf(p.o, "%sstatic const nnp_program program = {\n    ",
            q->ndata ? "extern const unsigned char nnp_data_bytes[];\n" : "");
    text(&p, q->name);
    fprintf(p.o, ", %d, %d, %d, %d, experiments, hosts, graphs, dataset,\n    %s, 0, %zuu, 0};\n",
            q->nexperiment, q->nhost, q->ngraph, q->ndata, q->ndata ? "nnp_data_bytes" : "0",
            q->data_bytes);
    fputs("\nint main(int argc, char **argv)\n{\n    return nnp_main(&program, argc, argv);\n}\n",
          p.o);
}
