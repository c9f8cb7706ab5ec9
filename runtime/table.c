/* Tables: a grid of texts is made first, then its columns are measured.
 *
 *   accuracy by bits                     overlap by load
 *     w  seed    full   small                 load
 *     -----------------------              p     8     64    500
 *     8     0  0.9510  0.9480              ---------------------
 *           1  0.9530  0.9490              2  0.95  0.395  0.230
 *
 * A label that repeats the one above it is left out on the terminal, and so is the name of an axis that runs along the
 * columns; the CSV file has everything, with all digits. */
#include "session.h"
#include "format.h"
#include <stdlib.h>
#include <string.h>

enum { ROWS_SHOWN = 60, COLUMNS_SHOWN = 14, NUMBERS_KEPT = 10000 };

typedef struct column {
    nnp_text head, group, place; /* "m, load = 8"; of a labelled axis: "m, load" and "8" */
    nnp_view v;
    size_t first, row_step; /* element of row r: first + r * row_step */
    nnp_format format;
} column;

typedef struct table {
    const nnp_table *t;
    nnp_view *item;
    void *const *data;
    int rows_rank;
    size_t dim[NNP_MAX_RANK], nrow;
    const nnp_axis *axis[NNP_MAX_RANK]; /* of the rows, or NULL */
    column *column;
    size_t ncolumn;
} table;

/* ---- rows and columns ---- */

/* How many leading axes all items that have axes share. */
static int common_axes(const table *b)
{
    int rank = NNP_MAX_RANK, first = -1;
    for (int i = 0; i < b->t->n; i++) {
        int r = b->t->item[i].value.rank;
        rank = r && r < rank ? r : rank;
        first = r && first < 0 ? i : first;
    }
    if (first < 0)
        return 0;
    if (b->t->n == 1)
        return rank > 1 ? rank - 1 : 1;
    for (int i = 0; i < b->t->n; i++)
        for (int d = 0; d < rank && b->t->item[i].value.rank; d++)
            if (b->item[i].dim[d] != b->item[first].dim[d])
                rank = d;
    return rank;
}

static void find_rows(table *b)
{
    b->rows_rank = common_axes(b);
    b->nrow = 1;
    for (int d = 0; d < b->rows_rank; d++) {
        for (int i = 0; i < b->t->n; i++) {
            const nnp_value *v = &b->t->item[i].value;
            if (!v->rank)
                continue;
            b->dim[d] = b->item[i].dim[d];
            if (!b->axis[d] && v->axis && v->axis[d].name)
                b->axis[d] = &v->axis[d];
        }
        if (!d && b->t->rows)
            b->axis[0] = b->t->rows;
        b->nrow *= b->dim[d];
    }
}

/* The only axis of item i that runs along the columns, when it has a label; else NULL. */
static const nnp_axis *column_axis(const table *b, int i)
{
    const nnp_value *v = &b->t->item[i].value;
    const nnp_axis *a = v->axis ? &v->axis[b->rows_rank] : NULL;
    return a && v->rank == b->rows_rank + 1 && a->name ? a : NULL;
}

static const char *item_name(const table *b, int i)
{
    const char *name = b->t->item[i].name;
    return name && !(b->t->n == 1 && column_axis(b, i)) ? name : "";
}

/* "acc", "r = 0.1", "acc[2]": what column `sub` of item i is called. */
static void head_of(const table *b, int i, size_t sub, nnp_text *o)
{
    const nnp_value *v = &b->t->item[i].value;
    nnp_text label = {0}, index = {0};
    size_t at[NNP_MAX_RANK];
    for (int d = v->rank; d-- > b->rows_rank;) {
        at[d] = sub % b->item[i].dim[d];
        sub /= b->item[i].dim[d];
    }
    for (int d = b->rows_rank; d < v->rank; d++)
        if (v->axis && v->axis[d].name) {
            nnp_text_printf(&label, "%s%s = ", label.n ? ", " : "", v->axis[d].name);
            nnp_axis_place(&v->axis[d], at[d], b->data, &label);
        } else {
            nnp_text_printf(&index, "%s%zu", index.n ? ", " : "", at[d]);
        }
    nnp_text_add(o, item_name(b, i));
    if (index.n)
        nnp_text_printf(o, "[%s]", index.at);
    if (label.n)
        nnp_text_printf(o, "%s%s", o->n ? ", " : "", label.at);
    if (!o->n)
        nnp_text_add(o, "value");
    nnp_text_free(&label);
    nnp_text_free(&index);
}

static void name_column(const table *b, int i, size_t sub, column *c)
{
    const nnp_axis *a = column_axis(b, i);
    head_of(b, i, sub, &c->head);
    if (!a) {
        nnp_text_add(&c->place, c->head.at);
        return;
    }
    const char *name = item_name(b, i);
    nnp_text_printf(&c->group, "%s%s%s", name, *name ? ", " : "", a->name);
    nnp_axis_place(a, sub, b->data, &c->place);
}

static void find_columns(table *b)
{
    size_t n = 0;
    for (int i = 0; i < b->t->n; i++) {
        int flat = !b->t->item[i].value.rank;
        size_t each = flat ? 1 : b->nrow ? b->item[i].count / b->nrow : 0;
        n += each;
    }
    b->column = nnp_alloc(sizeof *b->column * n);
    for (int i = 0; i < b->t->n; i++) {
        const nnp_view *v = &b->item[i];
        int flat = !v->value->rank; /* a scalar stands in every row */
        size_t each = flat ? 1 : b->nrow ? v->count / b->nrow : 0;
        for (size_t k = 0; k < each; k++) {
            column *c = &b->column[b->ncolumn++];
            c->v = *v;
            c->first = flat ? 0 : k;
            c->row_step = flat ? 0 : each;
            c->format = column_axis(b, i) ? nnp_format_of(v, 0, 1, v->count)
                                          : nnp_format_of(v, c->first, c->row_step, b->nrow);
            name_column(b, i, k, c);
        }
    }
}

static void row_label(const table *b, size_t row, int axis, nnp_text *o)
{
    for (int d = b->rows_rank - 1; d > axis; d--)
        row /= b->dim[d];
    nnp_axis_place(b->axis[axis], row % b->dim[axis], b->data, o);
}

static const char *axis_head(const table *b, int axis)
{
    return b->axis[axis] && b->axis[axis]->name ? b->axis[axis]->name : "";
}

/* ---- on the terminal ---- */

typedef struct sheet {
    size_t rows, columns; /* with the head */
    char **cell;
    int *width, *left;
} sheet;

static char *keep(nnp_text *t)
{
    char *s = t->at ? t->at : nnp_alloc(1);
    *t = (nnp_text){0};
    return s;
}

static int is_number(const char *s)
{
    char *end;
    strtod(s, &end);
    return *s && !*end;
}

static sheet make_sheet(const table *b, size_t nrow, size_t ncolumn)
{
    size_t labels = (size_t)b->rows_rank;
    sheet s = {nrow + 1, labels + ncolumn, NULL, NULL, NULL};
    s.cell = nnp_alloc(sizeof *s.cell * s.rows * s.columns);
    s.width = nnp_alloc(sizeof *s.width * s.columns);
    s.left = nnp_alloc(sizeof *s.left * s.columns);
    for (size_t k = 0; k < s.columns; k++)
        for (size_t r = 0; r < s.rows; r++) {
            nnp_text t = {0};
            const column *c = k >= labels ? &b->column[k - labels] : NULL;
            if (!c && !r)
                nnp_text_add(&t, axis_head(b, (int)k));
            else if (!c)
                row_label(b, r - 1, (int)k, &t);
            else if (!r)
                nnp_text_add(&t, nnp_text_str(&c->place));
            else
                nnp_format_put(c->format, &c->v, c->first + (r - 1) * c->row_step, &t);
            int w = nnp_text_width(nnp_text_str(&t));
            s.width[k] = w > s.width[k] ? w : s.width[k];
            if (r && (c ? c->v.value->dtype == NNP_STR : !is_number(nnp_text_str(&t))))
                s.left[k] = 1;
            s.cell[r * s.columns + k] = keep(&t);
        }
    return s;
}

static void sheet_free(sheet *s)
{
    for (size_t i = 0; i < s->rows * s->columns; i++)
        free(s->cell[i]);
    free(s->cell);
    free(s->width);
    free(s->left);
}

static void trim(nnp_text *o, size_t start)
{
    while (o->n > start && o->at[o->n - 1] == ' ')
        o->at[--o->n] = 0;
}

/* Is label k of row r what stands above it, and so are the labels before it? */
static int repeats(const sheet *s, size_t r, size_t k)
{
    if (r < 2)
        return 0;
    for (size_t j = 0; j <= k; j++)
        if (strcmp(s->cell[r * s->columns + j], s->cell[(r - 1) * s->columns + j]))
            return 0;
    return 1;
}

/* Columns k.. with one group: how many. */
static size_t group_length(const table *b, size_t k, size_t n)
{
    size_t len = 1;
    while (k + len < n && b->column[k].group.n &&
           b->column[k + len].v.data == b->column[k].v.data &&
           !strcmp(nnp_text_str(&b->column[k + len].group), b->column[k].group.at))
        len++;
    return len;
}

/* A column of a group may have to be wider, so that the group's name has room above. */
static int widen_groups(const table *b, sheet *s, size_t ncolumn)
{
    int any = 0;
    for (size_t k = 0, len; k < ncolumn; k += len) {
        int *width = s->width + b->rows_rank + k, total = -2;
        len = group_length(b, k, ncolumn);
        for (size_t j = 0; j < len; j++)
            total += width[j] + 2;
        int name = nnp_text_width(nnp_text_str(&b->column[k].group));
        width[len - 1] += name > total ? name - total : 0;
        any |= b->column[k].group.n != 0;
    }
    return any;
}

static void draw_groups(const table *b, const sheet *s, size_t ncolumn, nnp_text *o)
{
    size_t start = o->n;
    nnp_text_add(o, "    ");
    for (size_t k = 0; k < (size_t)b->rows_rank; k++)
        nnp_text_fill(o, ' ', (size_t)s->width[k] + 2);
    for (size_t k = 0, len; k < ncolumn; k += len) {
        int total = -2;
        len = group_length(b, k, ncolumn);
        for (size_t j = 0; j < len; j++)
            total += s->width[(size_t)b->rows_rank + k + j] + 2;
        nnp_text_add(o, k ? "  " : "");
        nnp_text_pad(o, nnp_text_str(&b->column[k].group), total);
    }
    trim(o, start);
    nnp_text_char(o, '\n');
}

static void draw_row(const table *b, const sheet *s, size_t r, nnp_text *o)
{
    size_t start = o->n;
    nnp_text_add(o, "    ");
    for (size_t k = 0; k < s->columns; k++) {
        int blank = k + 1 < (size_t)b->rows_rank && repeats(s, r, k);
        nnp_text_add(o, k ? "  " : "");
        nnp_text_pad(o, blank ? "" : s->cell[r * s->columns + k],
                     s->left[k] ? s->width[k] : -s->width[k]);
    }
    trim(o, start);
}

static void draw(const table *b, nnp_text *o)
{
    size_t nrow = b->nrow > ROWS_SHOWN ? ROWS_SHOWN : b->nrow, total = 0;
    size_t ncolumn = b->ncolumn > COLUMNS_SHOWN ? COLUMNS_SHOWN : b->ncolumn;
    sheet s = make_sheet(b, nrow, ncolumn);
    nnp_text_printf(o, "\n  \033[1m%s\033[0m\n", b->t->title);
    if (widen_groups(b, &s, ncolumn))
        draw_groups(b, &s, ncolumn, o);
    for (size_t k = 0; k < s.columns; k++)
        total += (size_t)s.width[k] + (k ? 2 : 0);
    for (size_t r = 0; r < s.rows; r++) {
        draw_row(b, &s, r, o);
        nnp_text_add(o, !r && b->ncolumn > ncolumn ? "  ..\n" : "\n");
        if (!r) {
            nnp_text_add(o, "    \033[2m");
            nnp_text_fill(o, '-', total);
            nnp_text_add(o, "\033[0m\n");
        }
    }
    if (b->nrow > nrow)
        nnp_text_printf(o, "    .. %zu more rows\n", b->nrow - nrow);
    nnp_text_char(o, '\n');
    sheet_free(&s);
}

/* ---- files ---- */

static void write_csv(nnp_scope *c, const table *b)
{
    nnp_text o = {0}, cell = {0};
    nnp_text_char(&o, 0); /* no title: not announced */
    nnp_text_slug(&o, b->t->title);
    nnp_text_add(&o, ".csv");
    nnp_text_char(&o, 0);
    for (int d = 0; d < b->rows_rank; d++) {
        nnp_text_csv(&o, *axis_head(b, d) ? axis_head(b, d) : "index");
        nnp_text_char(&o, ',');
    }
    for (size_t k = 0; k < b->ncolumn; k++) {
        nnp_text_csv(&o, nnp_text_str(&b->column[k].head));
        nnp_text_char(&o, k + 1 < b->ncolumn ? ',' : '\n');
    }
    for (size_t r = 0; r < b->nrow; r++) {
        for (int d = 0; d < b->rows_rank; d++) {
            nnp_text_clear(&cell);
            row_label(b, r, d, &cell);
            nnp_text_csv(&o, nnp_text_str(&cell));
            nnp_text_char(&o, ',');
        }
        for (size_t k = 0; k < b->ncolumn; k++) {
            const column *col = &b->column[k];
            nnp_text_clear(&cell);
            nnp_view_text(&col->v, col->first + r * col->row_step, 0, &cell);
            nnp_text_csv(&o, nnp_text_str(&cell));
            nnp_text_char(&o, k + 1 < b->ncolumn ? ',' : '\n');
        }
    }
    nnp_tell(c, NNP_FILE, o.at, o.n);
    nnp_text_free(&o);
    nnp_text_free(&cell);
}

static void json_axes(const table *b, nnp_text *o)
{
    nnp_text place = {0};
    for (int d = 0; d < b->rows_rank; d++) {
        nnp_text_add(o, d ? ", {\"name\": " : "{\"name\": ");
        nnp_text_json(o, axis_head(b, d));
        nnp_text_add(o, ", \"places\": [");
        for (size_t i = 0; i < b->dim[d]; i++) {
            double number;
            nnp_text_add(o, i ? ", " : "");
            nnp_text_clear(&place);
            nnp_axis_place(b->axis[d], i, b->data, &place);
            if (nnp_axis_number(b->axis[d], i, b->data, &number))
                nnp_text_json_number(o, number);
            else
                nnp_text_json(o, nnp_text_str(&place));
        }
        nnp_text_add(o, "]}");
    }
    nnp_text_free(&place);
}

static void tell_result(nnp_scope *c, const table *b)
{
    nnp_text o = {0};
    nnp_text_add(&o, "{\"title\": ");
    nnp_text_json(&o, b->t->title);
    if (c->place_json.n)
        nnp_text_printf(&o, ", \"point\": {%s}", c->place_json.at);
    nnp_text_add(&o, ", \"axes\": [");
    json_axes(b, &o);
    nnp_text_add(&o, "], \"columns\": {");
    for (int i = 0; i < b->t->n; i++) {
        const char *name = b->t->item[i].name;
        nnp_text_add(&o, i ? ", " : "");
        nnp_text_json(&o, name && *name ? name : "value");
        nnp_text_add(&o, ": ");
        nnp_view_json_all(&b->item[i], &o);
    }
    nnp_text_add(&o, "}}");
    nnp_tell(c, NNP_RESULT, o.at, o.n);
    nnp_text_free(&o);
}

int nnp_do_table(nnp_scope *c, const nnp_host_op *op, void *const *data, const size_t *const *dim)
{
    table b = {.t = op->detail, .data = data};
    nnp_text o = {0};
    b.item = nnp_alloc(sizeof *b.item * (size_t)b.t->n);
    for (int i = 0; i < b.t->n; i++)
        b.item[i] = nnp_view_of(&b.t->item[i].value, data, dim);
    find_rows(&b);
    find_columns(&b);
    draw(&b, &o);
    nnp_tell(c, NNP_SHOW, o.at, o.n);
    write_csv(c, &b);
    if (b.nrow * b.ncolumn <= NUMBERS_KEPT)
        tell_result(c, &b);
    for (size_t k = 0; k < b.ncolumn; k++) {
        nnp_text_free(&b.column[k].head);
        nnp_text_free(&b.column[k].group);
        nnp_text_free(&b.column[k].place);
    }
    free(b.column);
    free(b.item);
    nnp_text_free(&o);
    return 0;
}
