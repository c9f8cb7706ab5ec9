/* One page without outside references: style and drawings are inline.  The graph is a column of layers with arcs for
 * the tensors that skip ahead; the arena is a chart of address over step. */
#include <string.h>
#include "codegen/report/report.h"
#include "ir/text.h"
#include "passes/plan.h"

struct layer {
    nnc_op op;
    const char *name, *kind, *type, *plan;
    nnc_cost cost;
    double seconds;
};
struct page {
    nnc_module *g;
    const nnc_target *t;
    FILE *o;
    struct layer *layer;
    uint32_t n;
    uint32_t *layer_of; /* per op id, 1-based */
    nnc_cost total;
    double seconds;
};

static void text(FILE *o, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '<': fputs("&lt;", o); break;
        case '>': fputs("&gt;", o); break;
        case '&': fputs("&amp;", o); break;
        case '"': fputs("&quot;", o); break;
        default: putc(*s, o);
        }
}

/* 12345678 -> "12.3 M" */
static const char *amount(nnc_module *m, double v, const char *unit)
{
    static const char *const prefix[] = {"", "k", "M", "G", "T"};
    int i = 0;
    while (v >= 1000 && i < 4) {
        v /= 1000;
        i++;
    }
    return nnc_arena_printf(m->arena, "%.3g %s%s", v, prefix[i], unit);
}

static const char *duration(nnc_module *m, double s)
{
    return s < 1e-3 ? nnc_arena_printf(m->arena, "%.3g &micro;s", s * 1e6)
                    : nnc_arena_printf(m->arena, "%.3g ms", s * 1e3);
}

/* The most telling op of a kernel: the contraction or reduction, else the last one. */
static const char *kind_of(nnc_module *m, nnc_op op)
{
    const char *kind = nnc_op_infos[nnc_op_code(m, op)].name;
    if (nnc_op_code(m, op) != NNC_OP_fused)
        return kind;
    nnc_block b = nnc_op_region(m, op, 0);
    bool contraction = false;
    for (nnc_op i = nnc_block_first(m, b); i.id && !contraction; i = nnc_op_next(m, i)) {
        if (nnc_op_code(m, i) == NNC_OP_yield)
            continue;
        contraction = nnc_op_infos[nnc_op_code(m, i)].class == 'C';
        kind = nnc_op_infos[nnc_op_code(m, i)].name;
    }
    return kind;
}

static bool is_layer(nnc_module *m, nnc_op op)
{
    nnc_opcode c = nnc_op_code(m, op);
    return c != NNC_OP_const && c != NNC_OP_yield && c != NNC_OP_reshape && c != NNC_OP_prefix &&
           c != NNC_OP_extent;
}

static void collect(struct page *p, nnc_block b)
{
    nnc_module *m = p->g;
    NNC_BUF(struct layer) found = {0};
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (!is_layer(m, op))
            continue;
        struct layer l = {.op = op,
                          .kind = kind_of(m, op),
                          .name = nnc_loc_text_of(m->diag, nnc_op_loc(m, op)),
                          .plan = nnc_attr_str(m, op, NNC_W_plan, ""),
                          .type = nnc_op_nout(m, op)
                                      ? nnc_print_type(m, nnc_value_type(m, nnc_op_out(m, op, 0)))
                                      : "",
                          .cost = nnc_report_cost(m, op)};
        double compute = 2e-9 * l.cost.macs / (double)p->t->gflops,
               bytes = l.cost.weights + l.cost.traffic;
        double memory =
            1e-9 * bytes / (double)(bytes > p->t->l2_bytes ? p->t->l3_gbs : p->t->l2_gbs);
        l.seconds = compute > memory ? compute : memory;
        p->total.macs += l.cost.macs;
        p->total.weights += l.cost.weights;
        p->seconds += l.seconds;
        NNC_PUSH(m->arena, &found, l);
        p->layer_of[op.id] = found.n;
    }
    p->layer = found.at;
    p->n = found.n;
}

static void table(struct page *p)
{
    FILE *o = p->o;
    fputs("<h2>Layers</"
          "h2><table><tr><th>#<th>layer<th>kind<th>result<th>MACs<th>weights<th>traffic<th>time "
          "bound<th>share<th>plan</tr>\n",
          o);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct layer *l = &p->layer[i];
        double share = p->seconds > 0 ? 100 * l->seconds / p->seconds : 0;
        fprintf(o, "<tr id=\"l%u\"><td>%u<td>", i + 1, i + 1);
        text(o, l->name);
        fprintf(o, "<td>%s<td>", l->kind);
        text(o, l->type);
        fprintf(o,
                "<td class=n>%s<td class=n>%s<td class=n>%s<td class=n>%s<td><div class=bar "
                "style=\"width:%.1fpx\"></div>%.1f %%<td><code>",
                amount(p->g, l->cost.macs, ""), amount(p->g, l->cost.weights, "B"),
                amount(p->g, l->cost.traffic, "B"), duration(p->g, l->seconds), share * 1.5, share);
        text(o, l->plan);
        fputs("</code></tr>\n", o);
    }
    fputs("</table>\n", o);
}

/* Boxes in a column; an arc on the right for each tensor that skips layers, wider the further it goes. */
static void graph(struct page *p)
{
    enum { ROW = 26, LEFT = 10, WIDTH = 420 };
    FILE *o = p->o;
    nnc_module *m = p->g;
    fprintf(o,
            "<h2>Graph</h2><svg width=\"900\" height=\"%u\" font-size=\"12\" "
            "font-family=\"sans-serif\">\n",
            p->n * ROW + 10);
    for (uint32_t i = 0; i < p->n; i++) {
        const struct layer *l = &p->layer[i];
        fprintf(o,
                "<a href=\"#l%u\"><rect x=\"%d\" y=\"%u\" width=\"%d\" height=\"18\" rx=\"3\" "
                "class=\"%s\"/><text x=\"%d\" y=\"%u\">",
                i + 1, LEFT, i * ROW + 4, WIDTH,
                nnc_op_infos[nnc_op_code(m, l->op)].class == 'C' || !strcmp(l->kind, "conv") ||
                        !strcmp(l->kind, "dot")
                    ? "hot"
                    : "cold",
                LEFT + 6, i * ROW + 17);
        text(o, nnc_arena_printf(m->arena, "%u %s  %s", i + 1, l->kind, l->type));
        fputs("</text></a>\n", o);
        for (unsigned k = 0; k < nnc_op_nin(m, l->op); k++) {
            nnc_op from = nnc_value_op(m, nnc_op_in(m, l->op, k));
            while (from.id && nnc_op_has(m, from, NNC_VIEW) && nnc_op_nin(m, from))
                from = nnc_value_op(m, nnc_op_in(m, from, 0));
            uint32_t at = from.id ? p->layer_of[from.id] : 0;
            if (!at)
                continue;
            uint32_t y0 = (at - 1) * ROW + 22, y1 = i * ROW + 4, gap = i + 1 - at;
            if (gap == 1)
                fprintf(o, "<path d=\"M%d %u V%u\" class=edge />\n", LEFT + 40, y0, y1);
            else
                fprintf(o, "<path d=\"M%d %u C%u %u %u %u %d %u\" class=edge />\n", LEFT + WIDTH,
                        y0 - 8, LEFT + WIDTH + 20 + 12 * (gap < 30 ? gap : 30), y0,
                        LEFT + WIDTH + 20 + 12 * (gap < 30 ? gap : 30), y1, LEFT + WIDTH, y1 + 8);
        }
    }
    fputs("</svg>\n", o);
}

static void arena(struct page *p, nnc_module *k)
{
    enum { W = 860, H = 320 };
    nnc_plan_info plan;
    FILE *o = p->o;
    if (nnc_plan_report(k, k->arena, &plan) != NNC_OK || !plan.arena)
        return;
    double dx = plan.nstep ? (double)W / plan.nstep : (double)W,
           dy = (double)H / (double)plan.arena;
    fprintf(o,
            "<h2>Arena: %llu bytes, lower bound %llu, ratio %.3f</h2><p>Address (up) over step "
            "(right); the peak is at step %u",
            (unsigned long long)plan.arena, (unsigned long long)plan.lower_bound,
            plan.lower_bound ? (double)plan.arena / (double)plan.lower_bound : 1.0, plan.peak);
    fprintf(o,
            ".</p><svg width=\"%d\" height=\"%d\" font-size=\"10\" "
            "font-family=\"sans-serif\"><rect width=\"%d\" height=\"%d\" class=frame />\n",
            W + 4, H + 4, W, H);
    for (uint32_t i = 0; i < plan.nrow; i++) {
        const nnc_plan_row *r = &plan.row[i];
        fprintf(o,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                "fill=\"hsl(%u,55%%,70%%)\" stroke=\"#555\" stroke-width=\".4\"><title>",
                r->first * dx, (double)H - (double)(r->offset + r->bytes) * dy,
                (r->last - r->first + 1) * dx, (double)r->bytes * dy, (i * 47) % 360);
        text(o, nnc_arena_printf(k->arena, "%s: %llu bytes at %llu, steps %u to %u",
                                 r->name ? r->name : "", (unsigned long long)r->bytes,
                                 (unsigned long long)r->offset, r->first, r->last));
        fputs("</title></rect>\n", o);
    }
    fprintf(o, "<path d=\"M%.1f 0 V%d\" class=peak /></svg>\n", (plan.peak + 0.5) * dx, H);
}

nnc_status nnc_report_html(nnc_module *g, nnc_module *k, const nnc_target *t, const char *title,
                           FILE *o)
{
    nnc_op f = nnc_func_entry(g, NNC_OP_graph);
    struct page p = {.g = g, .t = t, .o = o};
    if (!f.id)
        return nnc_error(g->diag, (nnc_loc){0},
                         "the report needs a graph, and the module holds kernels only");
    p.layer_of = nnc_arena_array(g->arena, g->op.n, sizeof *p.layer_of);
    collect(&p, nnc_op_region(g, f, 0));
    fputs("<!DOCTYPE html><html lang=en><meta charset=utf-8><title>", o);
    text(o, title);
    fputs("</title><style>body{font:14px "
          "sans-serif;margin:2em;color:#222}table{border-collapse:collapse}td,th{padding:2px "
          "8px;border-bottom:1px solid #ddd;"
          "text-align:left;vertical-align:top}.n{text-align:right}.bar{height:8px;background:#"
          "4a7ab5;display:inline-block;margin-right:4px}code{font-size:11px}"
          ".hot{fill:#f3d9b1;stroke:#a67c37}.cold{fill:#e3e9ef;stroke:#8a99a8}.edge{fill:none;"
          "stroke:#777}.frame{fill:#fafafa;stroke:#999}.peak{stroke:#c00;"
          "stroke-dasharray:3 3}a{text-decoration:none;color:inherit}</style><h1>",
          o);
    text(o, title);
    fprintf(o,
            "</h1><p>%u layers, %s, %s of weights; time bound on one core of class %s: %s.</p>\n",
            p.n, amount(g, p.total.macs, "MAC"), amount(g, p.total.weights, "B"), t->name,
            duration(g, p.seconds));
    arena(&p, k);
    table(&p);
    graph(&p);
    fputs("</html>\n", o);
    return NNC_OK;
}
