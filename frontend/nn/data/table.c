/* csv and tsv: cells first (byte ranges of the file), then the columns that are asked for.
 *
 * A quoted cell is copied without its quotes, all others are read in place.  Columns are numbers if every cell is one. */
#include "frontend/nn/data/data.h"
#include <stdio.h>
#include <string.h>

typedef struct cell {
    const char *text;
    size_t n, at; /* at: place in the file */
} cell;
typedef struct grid {
    const nn_reader *r;
    const nn_bytes *b;
    const nn_table_options *o;
    NNC_BUF(cell) cell;  /* rows of `width` */
    NNC_BUF(size_t) row; /* where each row starts in the file */
    int64_t width;
    const cell *title; /* NULL without a header */
} grid;

/* `"a ""b"" c"` from the quote at *at on; *at ends behind the closing one. */
static nnc_status quoted(grid *g, size_t *at, cell *out)
{
    const char *s = (const char *)g->b->at;
    size_t i = *at + 1, n = 0, end = g->b->n;
    while (i < end && (s[i] != '"' || (i + 1 < end && s[i + 1] == '"'))) {
        i += s[i] == '"' ? 2 : 1;
        n++;
    }
    if (i >= end)
        return nn_bytes_fail_at(g->r, g->b, *at, "this quote is not closed");
    char *text = nnc_arena_alloc(g->r->arena, n + 1);
    for (size_t k = *at + 1, j = 0; k < i; j++) {
        text[j] = s[k];
        k += s[k] == '"' ? 2 : 1;
    }
    *out = (cell){text, n, *at};
    *at = i + 1;
    return NNC_OK;
}

static bool ends(const grid *g, size_t at)
{
    char c = at < g->b->n ? (char)g->b->at[at] : '\n';
    return c == '\n' || c == g->o->separator ||
           (c == '\r' && (at + 1 >= g->b->n || g->b->at[at + 1] == '\n'));
}

static nnc_status one_cell(grid *g, size_t *at, cell *out)
{
    const char *s = (const char *)g->b->at;
    if (g->o->separator == ',' && *at < g->b->n && s[*at] == '"') {
        NNC_TRY(quoted(g, at, out));
        if (!ends(g, *at))
            return nn_bytes_fail_at(g->r, g->b, *at, "text after the closing quote of a cell");
        return NNC_OK;
    }
    size_t start = *at;
    while (!ends(g, *at)) {
        if (!s[*at])
            return nn_bytes_fail_at(g->r, g->b, *at, "a zero byte: this is no text");
        ++*at;
    }
    *out = (cell){s + start, *at - start, start};
    return NNC_OK;
}

static nnc_status one_row(grid *g, size_t *at)
{
    size_t start = *at;
    int64_t n = 0;
    NNC_PUSH(g->r->arena, &g->row, start);
    for (;; ++*at) {
        cell c;
        NNC_TRY(one_cell(g, at, &c));
        if (g->width && n == g->width)
            return nn_bytes_fail_at(g->r, g->b, c.at, "a cell too many: the lines before have %lld",
                                    (long long)g->width);
        NNC_PUSH(g->r->arena, &g->cell, c);
        n++;
        if (*at >= g->b->n || (char)g->b->at[*at] != g->o->separator)
            break;
    }
    if (g->width && n != g->width)
        return nn_bytes_fail_at(g->r, g->b, *at,
                                "the line ends after %lld cells, the lines before have %lld",
                                (long long)n, (long long)g->width);
    g->width = n;
    return NNC_OK;
}

static nnc_status all_rows(grid *g)
{
    const unsigned char *s = g->b->at;
    size_t at = g->b->n >= 3 && !memcmp(s, "\xef\xbb\xbf", 3) ? 3 : 0; /* a byte order mark */
    while (at < g->b->n) {
        if (s[at] != '\n' && s[at] != '\r')
            NNC_TRY(one_row(g, &at));
        at += at < g->b->n && s[at] == '\r';
        at += at < g->b->n && s[at] == '\n';
    }
    if (g->o->header) {
        if (!g->row.n)
            return nn_bytes_fail(g->r, g->b,
                                 "the file is empty, where a line of titles is expected");
        g->title = g->cell.at;
    }
    return NNC_OK;
}

static int64_t rows(const grid *g)
{
    return (int64_t)g->row.n - (g->title != NULL);
}

static const cell *cell_at(const grid *g, int64_t row, int64_t column)
{
    return &g->cell.at[(row + (g->title != NULL)) * g->width + column];
}

static const char *range_text(const grid *g, const nn_column *c)
{
    return c->end - c->first == 1
               ? nnc_arena_printf(g->r->arena, "column %lld", (long long)c->first)
               : nnc_arena_printf(g->r->arena, "columns %lld..%lld", (long long)c->first,
                                  (long long)c->end);
}

static nnc_status find_title(const grid *g, nn_column *c)
{
    if (!g->title)
        return nnc_error(g->r->diag, g->r->call,
                         "column \"%s\" is named by its title; add header = true", c->title);
    for (int64_t k = 0; k < g->width; k++)
        if (g->title[k].n == strlen(c->title) &&
            !memcmp(g->title[k].text, c->title, g->title[k].n)) {
            c->first = k;
            c->end = k + 1;
            return NNC_OK;
        }
    return nn_bytes_fail_at(g->r, g->b, g->row.at[0], "no column has the title \"%s\"", c->title);
}

/* 1: all whole, 2: floats among them, 0: text; fails at an empty cell among numbers. */
static nnc_status kind_of(const grid *g, const nn_column *c, int *kind)
{
    int64_t i, n = rows(g);
    const cell *empty = NULL;
    double f;
    *kind = c->text ? 0 : 1;
    for (int64_t k = 0; k < n && *kind; k++)
        for (int64_t j = c->first; j < c->end && *kind; j++) {
            const cell *x = cell_at(g, k, j);
            int one = x->n ? nn_number_parse(x->text, x->n, &i, &f) : 3;
            if (one == 3 && !empty)
                empty = x;
            *kind = !one ? 0 : one == 2 ? 2 : *kind;
        }
    if (*kind && empty)
        return nn_bytes_fail_at(g->r, g->b, empty->at, "an empty cell in %s, which holds numbers",
                                range_text(g, c));
    return NNC_OK;
}

static void fill_strings(const grid *g, const nn_column *c, int rank, const int64_t *dim,
                         nn_data *out)
{
    nn_pool pool = {g->r->arena, g->r->names};
    nnc_sym *to;
    *out = (nn_data){.kind = NN_DATA_strings, .strings = nn_strings_new(&pool, rank, dim, &to)};
    for (int64_t k = 0, n = rows(g); k < n; k++)
        for (int64_t j = c->first; j < c->end; j++) {
            const cell *x = cell_at(g, k, j);
            *to++ = nnc_intern_put(g->r->names, x->text, x->n);
        }
}

static nnc_status column(const grid *g, const nn_column *c, nn_data *out)
{
    int kind;
    int64_t dim[2] = {rows(g), c->end - c->first};
    if (c->first < 0 || c->end > g->width || c->first > c->end)
        return nn_bytes_fail(g->r, g->b, "%s asked for, the file has %lld columns",
                             range_text(g, c), (long long)g->width);
    NNC_TRY(kind_of(g, c, &kind));
    int rank = c->range ? 2 : 1;
    if (!kind) {
        fill_strings(g, c, rank, dim, out);
        return NNC_OK;
    }
    nnc_dtype dt = kind == 1 ? NNC_DT_i64 : NNC_DT_f64;
    *out = (nn_data){
        .kind = NN_DATA_tensor, .weak = true, .tensor = nnc_tensor_new(g->r->arena, dt, rank, dim)};
    int64_t *whole = out->tensor.data;
    double *real = out->tensor.data;
    for (int64_t k = 0; k < dim[0]; k++)
        for (int64_t j = c->first; j < c->end; j++) {
            const cell *x = cell_at(g, k, j);
            int64_t i = 0;
            double f = 0;
            int one = nn_number_parse(x->text, x->n, &i, &f);
            if (kind == 1)
                *whole++ = i;
            else
                *real++ = one == 1 ? (double)i : f;
        }
    return NNC_OK;
}

/* A title as a name: letters, digits and _; the rest becomes _. */
static nnc_sym title_name(const grid *g, int64_t k)
{
    const cell *t = &g->title[k];
    char *s = nnc_arena_alloc(g->r->arena, t->n + 24);
    size_t n = 0;
    if (!t->n || (*t->text >= '0' && *t->text <= '9'))
        s[n++] = '_';
    for (size_t i = 0; i < t->n; i++) {
        char c = t->text[i], low = (char)(c | 0x20);
        s[n++] = (low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') ? c : '_';
    }
    if (!t->n)
        n += (size_t)snprintf(s + n, 22, "%lld", (long long)k);
    return nnc_intern_put(g->r->names, s, n);
}

static nnc_status by_title(const grid *g, nn_data *out)
{
    nn_data *child = nnc_arena_array(g->r->arena, (size_t)g->width, sizeof *child);
    nnc_sym *name = nnc_arena_array(g->r->arena, (size_t)g->width, sizeof *name);
    for (int64_t k = 0; k < g->width; k++) {
        name[k] = title_name(g, k);
        for (int64_t j = 0; j < k; j++)
            if (name[j].id == name[k].id)
                return nn_bytes_fail_at(g->r, g->b, g->title[k].at,
                                        "two columns are called '%s'; choose with columns = (..)",
                                        nnc_intern_str(g->r->names, name[k]));
        NNC_TRY(column(g, &(nn_column){.first = k, .end = k + 1}, &child[k]));
    }
    *out = (nn_data){.kind = NN_DATA_record, .n = (uint32_t)g->width, .child = child, .name = name};
    return NNC_OK;
}

nnc_status nn_table_parse(const nn_reader *r, const nn_bytes *b, const nn_table_options *o,
                          nn_data *out)
{
    grid g = {.r = r, .b = b, .o = o};
    NNC_TRY(all_rows(&g));
    if (!o->n && o->header)
        return by_title(&g, out);
    if (!o->n)
        return column(&g, &(nn_column){.end = g.width, .range = true}, out);
    nn_data *child = nnc_arena_array(r->arena, o->n, sizeof *child);
    nnc_sym *name = nnc_arena_array(r->arena, o->n, sizeof *name);
    for (unsigned i = 0; i < o->n; i++) {
        nn_column c = o->column[i];
        name[i] = c.name;
        if (c.title)
            NNC_TRY(find_title(&g, &c));
        NNC_TRY(column(&g, &c, &child[i]));
    }
    *out = (nn_data){.kind = NN_DATA_record, .n = o->n, .child = child, .name = name};
    return NNC_OK;
}
