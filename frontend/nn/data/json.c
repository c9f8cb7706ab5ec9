/* json("f"): a recursive descent whose values are trees at once.  A list is joined when it ends: children of one shape
 * become a tensor with one more axis. */
#include "frontend/nn/data/data.h"
#include <string.h>

enum { MOST_DEPTH = 200 };

typedef struct json {
    const nn_reader *r;
    const nn_bytes *b;
    size_t at;
    int depth;
} json;

static nnc_status value(json *j, nn_data *out);

static nnc_status expected(json *j, const char *what)
{
    if (j->at >= j->b->n)
        return nn_bytes_fail_at(j->r, j->b, j->at, "the file ends where %s is expected", what);
    unsigned char c = j->b->at[j->at];
    if (c < ' ' || c > '~')
        return nn_bytes_fail_at(j->r, j->b, j->at, "byte 0x%02x where %s is expected", c, what);
    return nn_bytes_fail_at(j->r, j->b, j->at, "'%c' where %s is expected", c, what);
}

static void blanks(json *j)
{
    while (j->at < j->b->n && j->b->at[j->at] && strchr(" \t\r\n", j->b->at[j->at]))
        j->at++;
}

static bool accept(json *j, char c)
{
    blanks(j);
    if (j->at >= j->b->n || (char)j->b->at[j->at] != c)
        return false;
    j->at++;
    return true;
}

typedef NNC_BUF(char) text;

static void put_utf8(json *j, text *t, uint32_t u)
{
    nnc_arena *a = j->r->arena;
    if (u < 0x80) {
        NNC_PUSH(a, t, (char)u);
        return;
    }
    int more = u < 0x800 ? 1 : u < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xc0, 0xe0, 0xf0};
    NNC_PUSH(a, t, (char)(lead[more] | u >> 6 * more));
    while (more--)
        NNC_PUSH(a, t, (char)(0x80 | (u >> 6 * more & 0x3f)));
}

static bool four_digits(json *j, uint32_t *u)
{
    *u = 0;
    for (int i = 0; i < 4; i++, j->at++) {
        int c = j->at < j->b->n ? j->b->at[j->at] : 0, low = c | 0x20;
        int d = c >= '0' && c <= '9' ? c - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
        if (d < 0)
            return false;
        *u = *u << 4 | (uint32_t)d;
    }
    return true;
}

static nnc_status escape(json *j, text *t)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    size_t start = j->at - 1;
    char c = j->at < j->b->n ? (char)j->b->at[j->at++] : 0;
    const char *k = c ? strchr(from, c) : NULL;
    uint32_t u, low;
    if (k) {
        NNC_PUSH(j->r->arena, t, to[k - from]);
        return NNC_OK;
    }
    if (c != 'u' || !four_digits(j, &u))
        return nn_bytes_fail_at(j->r, j->b, start, "this escape is none of JSON's");
    if (u >= 0xd800 && u < 0xdc00 && j->b->n - j->at > 6 && j->b->at[j->at] == '\\' &&
        j->b->at[j->at + 1] == 'u') {
        j->at += 2;
        if (!four_digits(j, &low) || low < 0xdc00 || low > 0xdfff)
            return nn_bytes_fail_at(j->r, j->b, start, "half of a surrogate pair");
        u = 0x10000 + (u - 0xd800) * 1024 + (low - 0xdc00);
    }
    if (!u || (u >= 0xd800 && u < 0xe000))
        return nn_bytes_fail_at(j->r, j->b, start,
                                u ? "half of a surrogate pair" : "a zero character in a string");
    put_utf8(j, t, u);
    return NNC_OK;
}

static nnc_status string(json *j, nnc_sym *out)
{
    size_t start = j->at;
    text t = {0};
    if (!accept(j, '"'))
        return expected(j, "a string");
    for (;;) {
        unsigned char c = j->at < j->b->n ? j->b->at[j->at] : 0;
        if (j->at >= j->b->n || c == '\n')
            return nn_bytes_fail_at(j->r, j->b, start, "this string is not closed");
        if (!c)
            return nn_bytes_fail_at(j->r, j->b, j->at, "a zero byte in a string");
        j->at++;
        if (c == '"')
            break;
        if (c == '\\')
            NNC_TRY(escape(j, &t));
        else
            NNC_PUSH(j->r->arena, &t, (char)c);
    }
    *out = nnc_intern_put(j->r->names, t.n ? t.at : "", t.n);
    return NNC_OK;
}

static nn_data scalar(json *j, nnc_dtype dt, bool weak)
{
    return (nn_data){
        .kind = NN_DATA_tensor, .weak = weak, .tensor = nnc_tensor_new(j->r->arena, dt, 0, NULL)};
}

static nnc_status number(json *j, nn_data *out)
{
    size_t start = j->at;
    int64_t i = 0;
    double f = 0;
    while (j->at < j->b->n && j->b->at[j->at] && strchr("+-0123456789.eE", j->b->at[j->at]))
        j->at++;
    int kind = nn_number_parse((const char *)j->b->at + start, j->at - start, &i, &f);
    if (!kind)
        return nn_bytes_fail_at(j->r, j->b, start, "not a number");
    *out = scalar(j, kind == 1 ? NNC_DT_i64 : NNC_DT_f64, true);
    if (kind == 1)
        memcpy(out->tensor.data, &i, sizeof i);
    else
        memcpy(out->tensor.data, &f, sizeof f);
    return NNC_OK;
}

static nnc_status word(json *j, nn_data *out)
{
    size_t left = j->b->n - j->at;
    const char *s = (const char *)j->b->at + j->at;
    bool yes = left >= 4 && !memcmp(s, "true", 4), no = left >= 5 && !memcmp(s, "false", 5);
    if (left >= 4 && !memcmp(s, "null", 4))
        return nn_bytes_fail_at(j->r, j->b, j->at, "null is no value that a program can hold");
    if (!yes && !no)
        return expected(j, "a value");
    j->at += yes ? 4 : 5;
    *out = scalar(j, NNC_DT_bool, false);
    *(uint8_t *)out->tensor.data = yes;
    return NNC_OK;
}

static nnc_status object(json *j, nn_data *out)
{
    NNC_BUF(nn_data) child = {0};
    NNC_BUF(nnc_sym) name = {0};
    bool more = !accept(j, '}');
    while (more) {
        nnc_sym key;
        nn_data v;
        blanks(j);
        size_t start = j->at;
        NNC_TRY(string(j, &key));
        for (uint32_t i = 0; i < name.n && name.n < 1000; i++)
            if (name.at[i].id == key.id)
                return nn_bytes_fail_at(j->r, j->b, start, "the key \"%s\" occurs twice",
                                        nnc_intern_str(j->r->names, key));
        if (!accept(j, ':'))
            return expected(j, "':'");
        NNC_TRY(value(j, &v));
        NNC_PUSH(j->r->arena, &name, key);
        NNC_PUSH(j->r->arena, &child, v);
        more = accept(j, ',');
        if (!more && !accept(j, '}'))
            return expected(j, "',' or '}'");
    }
    *out = (nn_data){.kind = NN_DATA_record, .n = child.n, .child = child.at, .name = name.at};
    return NNC_OK;
}

static bool same_dims(int ra, const int64_t *a, int rb, const int64_t *b)
{
    return ra == rb && !memcmp(a, b, sizeof *a * (size_t)ra);
}

static bool join_tensors(json *j, uint32_t n, const nn_data *child, nn_data *out)
{
    const nnc_tensor *one = &child->tensor;
    nnc_dtype dt = one->dtype;
    int64_t dim[NNC_MAX_RANK];
    for (uint32_t i = 0; i < n; i++) {
        const nnc_tensor *t = &child[i].tensor;
        if (child[i].kind != NN_DATA_tensor || !same_dims(t->rank, t->dim, one->rank, one->dim) ||
            (t->dtype == NNC_DT_bool) != (dt == NNC_DT_bool))
            return false;
        if (t->dtype == NNC_DT_f64)
            dt = NNC_DT_f64;
    }
    if (one->rank == NNC_MAX_RANK)
        return false;
    dim[0] = n;
    memcpy(dim + 1, one->dim, sizeof *dim * (size_t)one->rank);
    *out = (nn_data){.kind = NN_DATA_tensor,
                     .weak = dt != NNC_DT_bool,
                     .tensor = nnc_tensor_new(j->r->arena, dt, one->rank + 1, dim)};
    size_t count = (size_t)nnc_tensor_count(one);
    char *to = out->tensor.data;
    for (uint32_t i = 0; i < n; i++, to += count * nnc_dtype_bytes(dt)) {
        const nnc_tensor *t = &child[i].tensor;
        const int64_t *whole = t->data;
        double *real = (double *)(void *)to;
        if (t->dtype == dt)
            memcpy(to, t->data, count * nnc_dtype_bytes(dt));
        else
            for (size_t k = 0; k < count; k++)
                real[k] = (double)whole[k];
    }
    return true;
}

static bool join_strings(json *j, uint32_t n, const nn_data *child, nn_data *out)
{
    const nn_strings *one = &child->strings;
    int64_t dim[NNC_MAX_RANK];
    for (uint32_t i = 0; i < n; i++)
        if (child[i].kind != NN_DATA_strings ||
            !same_dims(child[i].strings.rank, child[i].strings.dim, one->rank, one->dim))
            return false;
    if (one->rank == NNC_MAX_RANK)
        return false;
    dim[0] = n;
    memcpy(dim + 1, one->dim, sizeof *dim * (size_t)one->rank);
    nn_pool pool = {j->r->arena, j->r->names};
    size_t count = (size_t)nn_strings_count(one);
    nnc_sym *to;
    *out = (nn_data){.kind = NN_DATA_strings,
                     .strings = nn_strings_new(&pool, one->rank + 1, dim, &to)};
    for (uint32_t i = 0; i < n; i++)
        memcpy(to + i * count, child[i].strings.at, count * sizeof *to);
    return true;
}

static nnc_status list(json *j, nn_data *out)
{
    NNC_BUF(nn_data) child = {0};
    bool more = !accept(j, ']');
    while (more) {
        nn_data v;
        NNC_TRY(value(j, &v));
        NNC_PUSH(j->r->arena, &child, v);
        more = accept(j, ',');
        if (!more && !accept(j, ']'))
            return expected(j, "',' or ']'");
    }
    if (child.n && child.at->kind == NN_DATA_tensor && join_tensors(j, child.n, child.at, out))
        return NNC_OK;
    if (child.n && child.at->kind == NN_DATA_strings && join_strings(j, child.n, child.at, out))
        return NNC_OK;
    *out = (nn_data){.kind = NN_DATA_list, .n = child.n, .child = child.at};
    return NNC_OK;
}

static nnc_status value(json *j, nn_data *out)
{
    blanks(j);
    unsigned char c = j->at < j->b->n ? j->b->at[j->at] : 0;
    if (c == '{' || c == '[') {
        if (j->depth == MOST_DEPTH)
            return nn_bytes_fail_at(j->r, j->b, j->at, "values nested more than %d deep",
                                    MOST_DEPTH);
        j->at++;
        j->depth++;
        NNC_TRY(c == '{' ? object(j, out) : list(j, out));
        j->depth--;
        return NNC_OK;
    }
    if (c == '"') {
        nnc_sym *s = nnc_arena_alloc(j->r->arena, sizeof *s);
        *out = (nn_data){.kind = NN_DATA_strings, .strings = {.rank = 0, .at = s}};
        return string(j, s);
    }
    if (c == '-' || (c >= '0' && c <= '9'))
        return number(j, out);
    return word(j, out);
}

nnc_status nn_json_parse(const nn_reader *r, const nn_bytes *b, nn_data *out)
{
    json j = {.r = r, .b = b};
    NNC_TRY(value(&j, out));
    blanks(&j);
    return j.at == b->n ? NNC_OK : expected(&j, "the end of the file");
}
