/* Readers and functions of text.
 *
 * What a reader finds enters graphs as an argument, read again when the program starts; its shape and dtype are known while
 * compiling.  Text never leaves the compiler: numbers made of it are constants. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/data/data.h"
#include <string.h>

static nn_pool pool_of(nn_trace *t)
{
    return (nn_pool){t->arena, t->syntax.names};
}

static nn_reader reader_of(nn_trace *t, const nn_bcall *c)
{
    return (nn_reader){t->arena, t->diag, t->syntax.names, t->frame->unit->dir, c->at->loc};
}

static nn_v tensor_value(nn_trace *t, const nnc_tensor *x, const char *name, bool input, bool weak)
{
    nn_v v = nn_thaw(t, nn_host_value(t, x, name, input));
    if (!weak)
        return v;
    nn_val *w = nnc_arena_copy(t->arena, v, sizeof *v);
    w->weak = true;
    return w;
}

/* A tree of data as a value of the tracer; text that the reader found stays in the compiler. */
static nn_v value_of(nn_trace *t, const nn_data *d, const char *name)
{
    if (d->kind == NN_DATA_tensor)
        return tensor_value(t, &d->tensor, name, true, d->weak);
    if (d->kind == NN_DATA_strings)
        return nn_strings_value(t, nnc_arena_copy(t->arena, &d->strings, sizeof d->strings));
    nn_v *item = nnc_arena_array(t->arena, d->n + 1u, sizeof *item);
    for (uint32_t i = 0; i < d->n; i++)
        item[i] =
            value_of(t, &d->child[i], d->kind == NN_DATA_record ? nn_sym(t, d->name[i]) : name);
    return d->kind == NN_DATA_record ? nn_record(t, d->n, d->name, item) : nn_list(t, d->n, item);
}

static const char *file_of(nn_trace *t, const nn_bcall *c)
{
    return nn_ask_text(t, nn_argument(t, c, "file"), nn_arg_at(t, c, "file"), "the name of a file");
}

nn_v nn_b_read(nn_trace *t, const nn_bcall *c)
{
    static const struct {
        const char *name;
        nnc_status (*read)(const nn_reader *r, const char *path, nn_data *out);
    } rows[] = {
        {"idx", nn_read_idx},   {"npy", nn_read_npy},     {"npz", nn_read_npz},
        {"json", nn_read_json}, {"bytes", nn_read_bytes}, {"safetensors", nn_read_safetensors},
    };
    nn_reader r = reader_of(t, c);
    nn_data d;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, c->self->name)) {
            if (rows[i].read(&r, file_of(t, c), &d) != NNC_OK)
                nn_fail_silently(t);
            return value_of(t, &d, c->self->name);
        }
    nn_fail(t, c->at->loc, "'%s' is no reader", c->self->name);
}

nn_v nn_b_read_lines(nn_trace *t, const nn_bcall *c)
{
    nn_reader r = reader_of(t, c);
    nn_data d;
    if (nn_read_lines(&r, file_of(t, c), nn_option_text(t, c, "skip", NULL), &d) != NNC_OK)
        nn_fail_silently(t);
    return value_of(t, &d, "lines");
}

/* ---- columns = .. ---- */

static nn_column one_column(nn_trace *t, nnc_sym name, nn_v v, const nn_ast *at)
{
    nn_column c = {.name = name};
    if (v->kind == NN_V_text) {
        c.title = v->text;
    } else if (v->kind == NN_V_range) {
        c.first = nn_ask_int(t, v->item[0], at, "a column");
        c.end = nn_ask_int(t, v->item[1], at, "a column");
        c.range = true;
        if (v->n > 2 && v->item[2] && nn_ask_int(t, v->item[2], at, "a column") != 1)
            nn_fail(t, at->loc, "a range of columns has no step");
    } else {
        c.first = nn_ask_int(t, v, at, "a column");
        if (c.first < 0 || c.first == INT64_MAX)
            nn_fail(t, at->loc, "column %lld; columns are numbered from 0", (long long)c.first);
        c.end = c.first + 1;
    }
    return c;
}

static nn_column *columns_of(nn_trace *t, nn_v v, const nn_ast *at, unsigned *n)
{
    bool named = v->kind == NN_V_record && v->n && v->name && v->name[0].id;
    bool text = v->kind == NN_V_list || v->kind == NN_V_strings;
    if (!named && !text)
        nn_fail(t, at->loc, "columns are (x = 0..4, y = 4) or [\"a\", \"b\"], this is %s",
                nn_type_text(t, v));
    *n = v->kind == NN_V_strings ? (unsigned)v->strings->dim[0] : v->n;
    nn_column *c = nnc_arena_array(t->arena, *n + 1u, sizeof *c);
    for (unsigned i = 0; i < *n; i++) {
        if (named) {
            c[i] = one_column(t, v->name[i], v->item[i], at);
            continue;
        }
        if (v->kind == NN_V_list && v->item[i]->kind != NN_V_text)
            nn_fail(t, at->loc, "a list of columns holds their names, this is %s",
                    nn_type_text(t, v->item[i]));
        c[i] = (nn_column){.first = i, .end = i + 1, .text = true};
        c[i].name = v->kind == NN_V_strings ? v->strings->at[i] : nn_name(t, v->item[i]->text);
    }
    return c;
}

nn_v nn_b_read_table(nn_trace *t, const nn_bcall *c)
{
    nn_reader r = reader_of(t, c);
    nn_v columns = nn_argument(t, c, "columns");
    nn_table_options o = {.separator = strcmp(c->self->name, "csv") ? '\t' : ',',
                          .header = nn_flag(t, c, "header", false)};
    nn_data d;
    if (columns)
        o.column = columns_of(t, columns, nn_arg_at(t, c, "columns"), &o.n);
    if (nn_read_table(&r, file_of(t, c), &o, &d) != NNC_OK)
        nn_fail_silently(t);
    return value_of(t, &d, c->self->name);
}

/* ---- text ---- */

static nn_strings text_argument(nn_trace *t, const nn_bcall *c, const char *name)
{
    nn_v v = nn_argument(t, c, name);
    const nn_ast *at = nn_arg_at(t, c, name);
    if (v && v->kind == NN_V_poison)
        nn_fail_silently(t);
    if (v && v->kind == NN_V_strings)
        return *v->strings;
    nn_strings s = {0};
    nnc_sym *to = nnc_arena_array(t->arena, (v ? v->n : 0) + 1u, sizeof *to);
    s.at = to;
    if (v && v->kind == NN_V_text) {
        *to = nn_name(t, v->text);
        return s;
    }
    bool all = v && v->kind == NN_V_list;
    for (uint32_t i = 0; all && i < v->n; i++) {
        all = v->item[i]->kind == NN_V_text;
        to[i] = all ? nn_name(t, v->item[i]->text) : (nnc_sym){0};
    }
    if (!all)
        nn_fail(t, at->loc, "%s takes text, this is %s", c->self->name,
                v ? nn_type_text(t, v) : "nothing");
    s.rank = 1;
    s.dim[0] = v->n;
    return s;
}

static nn_v strings_value(nn_trace *t, const nn_strings *s)
{
    return nn_strings_value(t, nnc_arena_copy(t->arena, s, sizeof *s));
}

/* Large results are kept outside of the graph. */
static nn_v numbers(nn_trace *t, const nnc_tensor *x)
{
    return tensor_value(t, x, NULL, false, false);
}

static nn_v item_and_count(nn_trace *t, nn_v item, const nnc_tensor *count)
{
    nn_v v[] = {item, numbers(t, count)};
    return nn_record(t, 2, (nnc_sym[]){nn_name(t, "item"), nn_name(t, "count")}, v);
}

static int64_t most_of(nn_trace *t, const nn_bcall *c, const nn_strings *s)
{
    int64_t most = nn_option_int(t, c, "most", 0), total = nn_strings_count(s);
    if (most < 1 || most > INT32_MAX / (total ? total : 1))
        nn_fail(
            t, nn_arg_at(t, c, "most")->loc,
            "'most' of %s is %lld; it is at least 1, and %lld texts of that many pieces must fit",
            c->self->name, (long long)most, (long long)total);
    if (s->rank == NNC_MAX_RANK)
        nn_fail(t, c->at->loc, "a tensor has at most %d axes", NNC_MAX_RANK);
    return most;
}

nn_v nn_b_split_text(nn_trace *t, const nn_bcall *c)
{
    nn_pool p = pool_of(t);
    nn_strings s = text_argument(t, c, "x"), item;
    const char *sep = nn_option_text(t, c, "sep", "");
    if (!*sep)
        nn_fail(t, nn_arg_at(t, c, "sep")->loc,
                "an empty separator; chars(s, most = m) takes text apart");
    nnc_tensor count;
    nn_strings_split(&p, &s, sep, most_of(t, c, &s), &item, &count);
    return item_and_count(t, strings_value(t, &item), &count);
}

nn_v nn_b_chars(nn_trace *t, const nn_bcall *c)
{
    nn_pool p = pool_of(t);
    nn_strings s = text_argument(t, c, "x");
    nnc_tensor code, count;
    nn_strings_chars(&p, &s, most_of(t, c, &s), &code, &count);
    return item_and_count(t, numbers(t, &code), &count);
}

nn_v nn_b_join(nn_trace *t, const nn_bcall *c)
{
    nn_pool p = pool_of(t);
    nn_strings s = text_argument(t, c, "x");
    if (!s.rank)
        nn_fail(t, c->at->loc, "join takes the texts of an axis, this is one text");
    nn_strings out = nn_strings_join(&p, &s, nn_option_text(t, c, "sep", ""));
    return strings_value(t, &out);
}

nn_v nn_b_lower(nn_trace *t, const nn_bcall *c)
{
    nn_pool p = pool_of(t);
    nn_strings s = text_argument(t, c, "x"), out = nn_strings_lower(&p, &s);
    return strings_value(t, &out);
}

nn_v nn_b_vocabulary(nn_trace *t, const nn_bcall *c)
{
    nn_pool p = pool_of(t);
    nn_strings s = text_argument(t, c, "x");
    nn_strings out = nn_strings_vocabulary(&p, &s, nn_option_int(t, c, "least", 1));
    return strings_value(t, &out);
}

/* i64 in the compiler; programs see i32, as everywhere. */
static nn_v whole_numbers(nn_trace *t, const nnc_tensor *x)
{
    int64_t n = nnc_tensor_count(x), *from = x->data;
    for (int64_t i = 0; i < n; i++)
        if (from[i] != (int32_t)from[i])
            return numbers(t, x);
    nnc_tensor y = nnc_tensor_new(t->arena, NNC_DT_i32, x->rank, x->dim);
    int32_t *to = y.data;
    for (int64_t i = 0; i < n; i++)
        to[i] = (int32_t)from[i];
    return numbers(t, &y);
}

nn_v nn_b_lookup(nn_trace *t, const nn_bcall *c)
{
    nn_pool p = pool_of(t);
    nn_strings words = text_argument(t, c, "v"), s = text_argument(t, c, "x");
    nnc_tensor id = nn_strings_lookup(&p, &words, &s, nn_option_int(t, c, "missing", 0));
    return whole_numbers(t, &id);
}

nn_v nn_b_size_of(nn_trace *t, const nn_bcall *c)
{
    nn_strings words = text_argument(t, c, "v");
    return nn_int(t, nn_strings_count(&words));
}

nn_v nn_b_text_numbers(nn_trace *t, const nn_bcall *c)
{
    nn_pool p = pool_of(t);
    nn_strings s = text_argument(t, c, "x");
    nnc_tensor out;
    if (!strcmp(c->self->name, "parse_int")) {
        out = nn_strings_parse_int(&p, &s, nn_option_int(t, c, "missing", 0));
        return whole_numbers(t, &out);
    }
    if (!strcmp(c->self->name, "parse_float")) {
        out = nn_strings_parse_float(&p, &s, nn_option_float(t, c, "missing", 0));
        return nn_settle(t, tensor_value(t, &out, NULL, false, true));
    }
    out = strcmp(c->self->name, "hash") ? nn_strings_is_number(&p, &s) : nn_strings_hash(&p, &s);
    return numbers(t, &out);
}
