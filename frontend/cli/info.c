/* nnc info: what a model is, for people and as JSON. */
#include <stdlib.h>
#include <string.h>
#include "frontend/cli/cli.h"
#include "frontend/onnx/import.h"
#include "ir/text.h"

struct count {
    const char *op;
    unsigned n;
};
typedef NNC_BUF(struct count) counts;

static void count_graph(nnc_arena *a, counts *c, const nnc_onnx_graph *g)
{
    for (uint32_t i = 0; i < g->nnode; i++) {
        const nnc_onnx_node *n = &g->node[i];
        uint32_t k = 0;
        while (k < c->n && strcmp(c->at[k].op, n->op))
            k++;
        if (k == c->n)
            NNC_PUSH(a, c, (struct count){n->op, 0});
        c->at[k].n++;
        for (uint32_t j = 0; j < n->nattr; j++) {
            if (n->attr[j].kind == NNC_ONNX_ATTR_graph)
                count_graph(a, c, n->attr[j].u.graph);
            for (uint32_t s = 0; n->attr[j].kind == NNC_ONNX_ATTR_graphs && s < n->attr[j].n; s++)
                count_graph(a, c, n->attr[j].u.graphs[s]);
        }
    }
}

static int by_count(const void *x, const void *y)
{
    const struct count *a = x, *b = y;
    return a->n != b->n ? (a->n < b->n) - (a->n > b->n) : strcmp(a->op, b->op);
}

static void operators(cli *c, counts *out)
{
    nnc_onnx_model *model;
    nnc_diag *quiet = nnc_diag_new(c->arena);
    nnc_diag_set_quiet(quiet, true);
    size_t n = strlen(c->opt.file);
    if (cli_is_nn(c->opt.file) || (n > 3 && !strcmp(c->opt.file + n - 3, ".ir")) ||
        nnc_onnx_load(c->arena, quiet, c->opt.file, &model) != NNC_OK)
        return;
    count_graph(c->arena, out, model->graph);
    qsort(out->at, out->n, sizeof *out->at, by_count);
}

static void print_json(const char *describe, const counts *ops)
{
    size_t n = strlen(describe);
    printf("%.*s, \"operators\": {", (int)(n - 1), describe); /* without the closing brace */
    for (uint32_t i = 0; i < ops->n; i++)
        printf("%s\"%s\": %u", i ? ", " : "", ops->at[i].op, ops->at[i].n);
    puts("}}");
}

static void print_tensor(nnc_module *m, const char *kind, const nnc_interface_tensor *t)
{
    const nnc_type_rec r = *nnc_type_get(m, t->type);
    printf("%-7s %s: %s [", kind, t->name, nnc_dtype_infos[r.dtype].numpy);
    for (int i = 0; i < r.rank; i++)
        printf("%s%s", i ? ", " : "", nnc_dim_text(m->dims, r.dim[i]));
    printf("]\n");
}

static void print_text(nnc_module *m, const nnc_interface *f, const counts *ops)
{
    unsigned long long state = 0;
    for (uint32_t i = 0; i < f->ninput; i++)
        print_tensor(m, "input", &f->input[i]);
    for (uint32_t i = 0; i < f->noutput; i++)
        print_tensor(m, "output", &f->output[i]);
    for (uint32_t i = 0; i < f->nstate; i++) {
        print_tensor(m, "state", &f->state[i]);
        state += f->state[i].bytes;
    }
    for (uint32_t i = 0; i < f->nsymbol; i++)
        printf("size    %s: %lld..%lld%s\n", f->symbol[i].name, (long long)f->symbol[i].lo,
               (long long)f->symbol[i].hi, f->symbol[i].out ? ", found out by the run" : "");
    printf("workspace %llu bytes (lower bound %llu, ratio %.3f)\nweights   %llu bytes\n",
           (unsigned long long)f->workspace, (unsigned long long)f->lower_bound,
           f->lower_bound ? (double)f->workspace / (double)f->lower_bound : 1.0,
           (unsigned long long)f->weights);
    if (f->nstate)
        printf("state     %llu bytes, in place\n", state);
    if (ops->n)
        printf("operators");
    for (uint32_t i = 0; i < ops->n; i++)
        printf(" %s %u%s", ops->at[i].op, ops->at[i].n, i + 1 < ops->n ? "," : "\n");
}

static void print_winograd(const nnc_winograd_report *r)
{
    if (r->f2 + r->f4)
        printf("winograd  F(4x4) %u, F(2x2) %u convolutions, %llu bytes of weights for %llu, error "
               "%.1e\n",
               r->f4, r->f2, (unsigned long long)r->bytes, (unsigned long long)r->direct, r->error);
}

int cli_info(cli *c)
{
    counts ops = {0};
    nnc_module *m = cli_load(c, c->opt.file);
    if (!m || cli_lower(c, m) != NNC_OK)
        return CLI_INPUT;
    nnc_emit_options o = cli_emit_options(c, false);
    const nnc_interface *f = nnc_interface_of(m, &o);
    if (!f)
        return CLI_INPUT;
    operators(c, &ops);
    cli_progress_end();
    if (c->opt.json)
        print_json(nnc_describe_json(m, &o), &ops);
    else
        print_text(m, f, &ops);
    if (!c->opt.json)
        print_winograd(&c->winograd);
    return CLI_OK;
}
