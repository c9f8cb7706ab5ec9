/* nnc ops: what can be imported, from the importer's own table. */
#include <stdlib.h>
#include <string.h>
#include "frontend/cli/cli.h"
#include "frontend/onnx/import.h"

static int compare(const void *x, const void *y)
{
    const nnc_onnx_row_info *a = x, *b = y;
    int d = strcmp(a->domain, b->domain);
    if (!d)
        d = strcmp(a->op, b->op);
    return d ? d : a->since - b->since;
}

int cli_ops(cli *c)
{
    uint32_t count = nnc_onnx_row_count(), n = 0, names = 0;
    nnc_onnx_row_info *row = nnc_arena_array(c->arena, count + 1u, sizeof *row);
    for (uint32_t i = 0; i < count; i++)
        if (!nnc_onnx_row_at(i).refused)
            row[n++] = nnc_onnx_row_at(i);
    qsort(row, n, sizeof *row, compare);
    for (uint32_t i = 0; i < n; i++) {
        bool first =
            !i || strcmp(row[i - 1].op, row[i].op) || strcmp(row[i - 1].domain, row[i].domain);
        if (!i || strcmp(row[i - 1].domain, row[i].domain))
            printf("%s%s (operator, and the opsets where its meaning changed)\n", i ? "\n\n" : "",
                   *row[i].domain ? row[i].domain : "ai.onnx");
        if (first) {
            printf("%s  %-28s", i ? "\n" : "", row[i].op);
            names++;
        }
        printf(" %d", row[i].since);
    }
    printf("\n\n%u operators\n", names);
    return CLI_OK;
}
