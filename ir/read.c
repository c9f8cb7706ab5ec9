/* The reader: one op per line, regions inside.
 *
 * A wrong op is reported and skipped together with its regions; its results count as known, so that one mistake makes
 * one message.  Names live until the block that defines them ends.  Nothing here trusts the text: depths, counts and
 * file names are bounded, and everything that has to do with meaning is left to the verifier. */
#include "ir/read_fn.h"
#include <ctype.h>
#include <string.h>

enum { MAX_LIST = 65535, MAX_ATTRS = 200, MAX_REGIONS = 8 };

/* What stands on an op's line. */
struct head {
    const char *from;
    nnc_opcode code;
    NNC_BUF(const char *) result; /* names as written: digits for the nameless */
    NNC_BUF(nnc_value) in;
    NNC_BUF(nnc_type) type;
    NNC_BUF(nnc_attr_rec) attr;
    NNC_BUF(const char *) value; /* tokens of values=[..] .. */
    NNC_BUF(uint32_t) value_len;
    bool values;
    const char *symbol, *loc;
};

/* ---- names ---- */

/* %name, %12 or %"odd name"; nameless values get a key that no hint can have. */
static nnc_status read_value_name(nnc_reader *r, const char **key)
{
    const char *from = r->p++;
    if (r->p < r->end && isdigit((unsigned char)*r->p)) {
        while (r->p < r->end && isdigit((unsigned char)*r->p))
            r->p++;
        *key = nnc_arena_printf(r->a, "%%%.*s", (int)(r->p - from - 1 < 40 ? r->p - from - 1 : 40),
                                from + 1);
        return NNC_OK;
    }
    const char *name;
    NNC_TRY(nnc_read_name(r, &name, "a name behind %"));
    *key = nnc_arena_printf(r->a, "=%s", name);
    return NNC_OK;
}

static void bind(nnc_reader *r, const char *from, const char *key, nnc_value v)
{
    nnc_binding *b = nnc_read_binding(r, key);
    if (b->known) {
        nnc_read_error(r, from, "%%%s is defined twice", key + 1);
        return;
    }
    b->known = true;
    b->value = v;
    NNC_PUSH(r->a, &r->scope, nnc_intern_put(r->names, key, strlen(key)).id);
    if (*key == '=' && v.id)
        nnc_value_set_name(r->m, v, key + 1);
}

static void leave_scope(nnc_reader *r, uint32_t mark)
{
    while (r->scope.n > mark) {
        nnc_binding *b = &r->binding.at[r->scope.at[--r->scope.n]];
        b->known = false;
        b->value = (nnc_value){0};
    }
}

/* ---- operands ---- */

static nnc_status read_constant(nnc_reader *r, nnc_value *v)
{
    const char *from = r->p, *s, *t;
    size_t n = nnc_read_number(r, &s);
    nnc_dtype dt = NNC_DT_idx;
    unsigned lanes = 1;
    uint64_t bits;
    if (r->p < r->end && *r->p == ':' && r->p + 1 < r->end && isalpha((unsigned char)r->p[1])) {
        r->p++;
        size_t len = nnc_read_word(r, &t);
        if (!nnc_read_dtype(t, len, &dt, &lanes))
            return nnc_read_error(r, t, "there is no dtype '%.*s'", (int)(len < 100 ? len : 100),
                                  t);
    } else if ((n == 4 && !memcmp(s, "true", 4)) || (n == 5 && !memcmp(s, "false", 5))) {
        dt = NNC_DT_bool;
    } else if (!r->kernel) {
        return nnc_read_error(r, from, "the constant needs a dtype: 1:i64, 1.5:f32");
    }
    if (!nnc_text_number_parse(dt, s, n, &bits))
        return nnc_read_error(r, from, "'%.*s' is no value of %s", (int)(n < 100 ? n : 100), s,
                              nnc_dtype_infos[dt].name);
    if (!r->kernel && lanes > 1)
        return nnc_read_error(r, from, "vectors exist in kernels only");
    nnc_type type =
        r->kernel ? nnc_type_scalar(r->m, dt, (int)lanes) : nnc_type_tensor(r->m, dt, 0, NULL);
    *v = nnc_const_bits(r->m, type, bits);
    return NNC_OK;
}

static nnc_status read_operand(nnc_reader *r, nnc_value *v)
{
    nnc_read_space(r);
    const char *from = r->p, *key;
    *v = (nnc_value){0};
    if (r->p >= r->end || *r->p != '%')
        return read_constant(r, v);
    NNC_TRY(read_value_name(r, &key));
    const nnc_binding *b = nnc_read_binding(r, key);
    *v = b->value;
    if (!b->known)
        nnc_read_error(r, from, "%%%s is not defined here", key + 1); /* and go on with the op */
    return NNC_OK;
}

static bool starts_operand(nnc_reader *r)
{
    static const char *const words[] = {"true", "false", "inf", "nan", "bits"};
    char c = nnc_read_peek(r);
    if (c == '%' || c == '-' || isdigit((unsigned char)c))
        return true;
    const char *at = r->p, *s;
    size_t n = c ? nnc_read_word(r, &s) : 0;
    r->p = at;
    for (size_t i = 0; n && i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == n && !memcmp(words[i], s, n))
            return true;
    return false;
}

/* ---- attributes ---- */

static nnc_status read_int_or_dim(nnc_reader *r, bool dim_key, int64_t *v)
{
    return dim_key ? nnc_read_dim(r, v) : nnc_read_int(r, v);
}

static nnc_status read_ints(nnc_reader *r, bool dim_key, nnc_attr_rec *a)
{
    NNC_BUF(int64_t) list = {0};
    int64_t v;
    while (!nnc_read_list(r, ']')) {
        if (list.n)
            NNC_TRY(nnc_read_expect(r, ',', "between integers"));
        NNC_TRY(read_int_or_dim(r, dim_key, &v));
        NNC_PUSH(r->a, &list, v);
    }
    a->kind = NNC_ATTR_ints;
    a->u.ints.at = r->m->ints.n;
    a->u.ints.n = list.n;
    for (uint32_t i = 0; i < list.n; i++)
        NNC_PUSH(r->m->arena, &r->m->ints, list.at[i]);
    return NNC_OK;
}

/* A word, a type, or inf and nan. */
static nnc_status read_word_value(nnc_reader *r, nnc_attr_rec *a)
{
    const char *from = r->p, *s;
    nnc_dtype dt;
    unsigned lanes;
    uint64_t bits;
    size_t n = nnc_read_word(r, &s);
    if ((n == 3 && (!memcmp(s, "inf", 3) || !memcmp(s, "nan", 3))) ||
        (n == 4 && !memcmp(s, "bits", 4))) {
        r->p = from;
        n = nnc_read_number(r, &s);
        if (!nnc_text_number_parse(NNC_DT_f64, s, n, &bits))
            return nnc_read_error(r, from, "expected a number");
        a->kind = NNC_ATTR_float;
        memcpy(&a->u.f, &bits, sizeof bits);
        return NNC_OK;
    }
    if (nnc_read_dtype(s, n, &dt, &lanes)) {
        r->p = from;
        a->kind = NNC_ATTR_type;
        return nnc_read_type(r, &a->u.t);
    }
    a->kind = NNC_ATTR_word;
    a->u.s = nnc_intern_put(r->m->intern, s, n);
    return n ? NNC_OK : nnc_read_error(r, from, "expected a value");
}

static nnc_status read_number_value(nnc_reader *r, nnc_attr_rec *a)
{
    const char *from = r->p, *s;
    uint64_t bits;
    size_t n = nnc_read_number(r, &s);
    bool is_float = false;
    for (size_t i = 0; i < n; i++)
        is_float |= !isdigit((unsigned char)s[i]) && s[i] != '-';
    if (!nnc_text_number_parse(is_float ? NNC_DT_f64 : NNC_DT_i64, s, n, &bits))
        return nnc_read_error(r, from, "expected a number");
    a->kind = is_float ? NNC_ATTR_float : NNC_ATTR_int;
    memcpy(&a->u, &bits, sizeof bits);
    return NNC_OK;
}

static nnc_status read_attr_value(nnc_reader *r, nnc_opcode code, nnc_attr_rec *a)
{
    bool dim_key = nnc_text_is_dim_key(code, a->key);
    const char *s;
    nnc_read_space(r);
    bool text = !dim_key || (r->p + 1 < r->end && *r->p == '@' && r->p[1] == '"' && r->p++);
    char c = r->p < r->end ? *r->p : 0;
    if ((c == '"' && text) || c == '\'') {
        NNC_TRY(nnc_read_quoted(r, &s));
        a->kind = c == '"' ? NNC_ATTR_string : NNC_ATTR_word;
        a->u.s = nnc_sym_put(r->m, s);
        return NNC_OK;
    }
    if (nnc_read_accept(r, '['))
        return read_ints(r, dim_key, a);
    if (dim_key) {
        a->kind = NNC_ATTR_int;
        return nnc_read_dim(r, &a->u.i);
    }
    if (c == '-' || isdigit((unsigned char)c))
        return read_number_value(r, a);
    return read_word_value(r, a);
}

/* values=[..]: tokens now, numbers when the type is known. */
static nnc_status read_values(nnc_reader *r, struct head *h)
{
    const char *s;
    h->values = true;
    NNC_TRY(nnc_read_expect(r, '[', "before the values"));
    while (!nnc_read_list(r, ']')) {
        if (h->value.n)
            NNC_TRY(nnc_read_expect(r, ',', "between values"));
        nnc_read_space(r);
        uint32_t n = (uint32_t)nnc_read_number(r, &s);
        if (!n)
            return nnc_read_error(r, s, "expected a number");
        NNC_PUSH(r->a, &h->value, s);
        NNC_PUSH(r->a, &h->value_len, n);
    }
    return NNC_OK;
}

static nnc_status read_attr(nnc_reader *r, struct head *h)
{
    nnc_attr_rec a = {.kind = NNC_ATTR_int};
    nnc_read_space(r);
    const char *from = r->p, *key;
    if (r->p < r->end && *r->p == '\'')
        NNC_TRY(nnc_read_quoted(r, &key));
    else
        NNC_TRY(nnc_read_name(r, &key, "the name of an attribute"));
    a.key = nnc_sym_put(r->m, key);
    NNC_TRY(nnc_read_expect(r, '=', "behind the name of the attribute"));
    if (h->code == NNC_OP_const && a.key.id == NNC_W_values)
        return h->values ? nnc_read_error(r, from, "'values' is given twice") : read_values(r, h);
    for (uint32_t i = 0; i < h->attr.n; i++)
        if (h->attr.at[i].key.id == a.key.id)
            return nnc_read_error(r, from, "'%s' is given twice", key);
    NNC_TRY(read_attr_value(r, h->code, &a));
    if (h->code == NNC_OP_const && a.key.id == NNC_W_blob && a.kind == NNC_ATTR_int) {
        if (a.u.i < 1 || a.u.i > r->blob.n)
            return nnc_read_error(
                r, from,
                "blob %lld is not declared: write a line 'blob 1 = \"file\" at 0, 64 bytes' before",
                (long long)a.u.i);
        a.u.i = r->blob.at[a.u.i - 1].id;
    }
    if (h->attr.n == MAX_ATTRS)
        return nnc_read_error(r, from, "more than %d attributes", MAX_ATTRS);
    NNC_PUSH(r->a, &h->attr, a);
    return NNC_OK;
}

static nnc_status read_attrs(nnc_reader *r, struct head *h)
{
    for (bool first = true; !nnc_read_list(r, ']'); first = false) {
        if (!first)
            NNC_TRY(nnc_read_expect(r, ',', "between attributes"));
        NNC_TRY(read_attr(r, h));
    }
    return NNC_OK;
}

/* ---- ops ---- */

static nnc_status read_results(nnc_reader *r, struct head *h)
{
    const char *key;
    do {
        nnc_read_space(r);
        if (r->p >= r->end || *r->p != '%')
            return nnc_read_error(r, r->p, "expected the name of a result");
        if (h->result.n == MAX_LIST)
            return nnc_read_error(r, r->p, "too many results");
        NNC_TRY(read_value_name(r, &key));
        NNC_PUSH(r->a, &h->result, key);
    } while (nnc_read_list(r, ','));
    NNC_TRY(nnc_read_expect(r, '=', "behind the results"));
    nnc_read_blank(r);
    return NNC_OK;
}

static nnc_status read_code(nnc_reader *r, struct head *h)
{
    const char *from = r->p, *s;
    size_t n = nnc_read_word(r, &s);
    h->code = nnc_opcode_by_name(s, n);
    if (!h->code)
        return nnc_read_error(r, from, n ? "there is no operation '%.*s'" : "expected an operation",
                              (int)(n < 100 ? n : 100), s);
    bool symbol = (nnc_op_infos[h->code].traits & NNC_SYMBOL) != 0;
    if (symbol != nnc_read_accept(r, '@'))
        return nnc_read_error(r, from, symbol ? "'%s' needs a name: @name" : "'%s' has no name",
                              nnc_op_infos[h->code].name);
    return symbol ? nnc_read_name(r, &h->symbol, "a name behind @") : NNC_OK;
}

static nnc_status read_head(nnc_reader *r, struct head *h)
{
    nnc_value v;
    nnc_type t;
    if (*r->p == '%')
        NNC_TRY(read_results(r, h));
    NNC_TRY(read_code(r, h));
    if (starts_operand(r))
        do {
            if (h->in.n == MAX_LIST)
                return nnc_read_error(r, r->p, "too many operands");
            NNC_TRY(read_operand(r, &v));
            NNC_PUSH(r->a, &h->in, v);
        } while (nnc_read_accept(r, ','));
    if (nnc_read_accept(r, '['))
        NNC_TRY(read_attrs(r, h));
    if (nnc_read_accept(r, ':'))
        do {
            NNC_TRY(nnc_read_type(r, &t));
            NNC_PUSH(r->a, &h->type, t);
        } while (nnc_read_accept(r, ','));
    if (h->type.n != h->result.n)
        return nnc_read_error(r, h->from, "%u results but %u types", h->result.n, h->type.n);
    if (nnc_read_peek(r) == 'l' && r->end - r->p > 4 && !memcmp(r->p, "loc(", 4)) {
        r->p += 4;
        if (nnc_read_peek(r) != '"')
            return nnc_read_error(r, r->p, "expected a string");
        NNC_TRY(nnc_read_quoted(r, &h->loc));
        NNC_TRY(nnc_read_expect(r, ')', "behind the location"));
    }
    return NNC_OK;
}

/* The blob behind values=[..]. */
static nnc_status make_values(nnc_reader *r, const struct head *h, nnc_op op, nnc_loc loc)
{
    nnc_type t = h->type.n == 1 ? h->type.at[0] : (nnc_type){0};
    const nnc_type_rec ty = *nnc_type_get(r->m, t);
    if ((ty.kind != NNC_TYPE_tensor && ty.space != NNC_SPACE_weight) ||
        !nnc_type_is_static(r->m, t) || nnc_type_count(r->m, t) != h->value.n)
        return nnc_read_error(r, h->from, "%u values for %s", h->value.n, nnc_print_type(r->m, t));
    size_t bytes = nnc_dtype_bytes((nnc_dtype)ty.dtype);
    unsigned char *data = nnc_arena_array(r->m->arena, h->value.n, bytes);
    for (uint32_t i = 0; i < h->value.n; i++) {
        uint64_t bits;
        if (!nnc_text_number_parse((nnc_dtype)ty.dtype, h->value.at[i], h->value_len.at[i], &bits))
            return nnc_read_error(r, h->value.at[i], "no value of %s",
                                  nnc_dtype_infos[ty.dtype].name);
        memcpy(data + i * bytes, &bits, bytes);
    }
    nnc_blob blob = nnc_blob_new(r->m, data, h->value.n * bytes, loc);
    nnc_attr_set_int(r->m, op, NNC_W_blob, blob.id);
    nnc_attr_set_int(r->m, op, NNC_W_at, 0);
    return NNC_OK;
}

/* Past the rest of a wrong op: to the end of its line, or of the regions that begin there. */
static void skip_op(nnc_reader *r)
{
    int depth = 0;
    for (; r->p < r->end; r->p++) {
        if (*r->p == '{')
            depth++;
        else if (*r->p == '}' && depth-- == 0)
            return;
        else if (*r->p == '\n' && !depth)
            return;
        else if (*r->p == '#')
            while (r->p + 1 < r->end && r->p[1] != '\n')
                r->p++;
        else if (*r->p == '"')
            while (r->p + 1 < r->end && *++r->p != '"' && *r->p != '\n')
                r->p += *r->p == '\\' && r->p + 1 < r->end;
    }
}

static nnc_status read_ops(nnc_reader *r, nnc_block b);

static nnc_status read_region(nnc_reader *r, nnc_op op)
{
    const char *from, *key;
    nnc_type t;
    if (nnc_op_nregion(r->m, op) == MAX_REGIONS)
        return nnc_read_error(r, r->p, "more than %d regions", MAX_REGIONS);
    nnc_block b = nnc_op_add_region(r->m, op);
    uint32_t mark = r->scope.n;
    if (nnc_read_accept(r, '('))
        for (bool first = true; !nnc_read_list(r, ')'); first = false) {
            if (!first)
                NNC_TRY(nnc_read_expect(r, ',', "between arguments"));
            nnc_read_space(r);
            from = r->p;
            if (r->p >= r->end || *r->p != '%' || nnc_block_narg(r->m, b) == MAX_LIST)
                return nnc_read_error(r, from, "expected the name of an argument");
            NNC_TRY(read_value_name(r, &key));
            NNC_TRY(nnc_read_expect(r, ':', "before the type of the argument"));
            NNC_TRY(nnc_read_type(r, &t));
            bind(r, from, key, nnc_block_add_arg(r->m, b, t, NULL));
        }
    NNC_TRY(nnc_read_expect(r, '{', "before the operations of the region"));
    if (++r->depth > NNC_READ_DEPTH)
        return nnc_read_error(r, r->p - 1, "regions are nested too deeply");
    nnc_status s = read_ops(r, b);
    r->depth--;
    leave_scope(r, mark);
    return s;
}

static nnc_status read_op_inside(nnc_reader *r, struct head *h, nnc_block b, nnc_op *op)
{
    NNC_TRY(read_head(r, h));
    nnc_loc loc = nnc_loc_text(r->m->diag, r->source, (uint32_t)(h->from - r->base),
                               (uint32_t)(r->p - r->base));
    if (h->loc)
        loc = nnc_loc_file(r->m->diag, h->loc);
    *op =
        nnc_op_new(r->m, (nnc_pos){b, {0}}, h->code, h->in.n, h->in.at, h->type.n, h->type.at, loc);
    if (h->symbol)
        nnc_attr_set_str(r->m, *op, NNC_W_sym, h->symbol);
    for (uint32_t i = 0; i < h->attr.n; i++)
        nnc_attr_set(r->m, *op, h->attr.at[i]);
    if (h->values)
        NNC_TRY(make_values(r, h, *op, loc));
    for (char c = nnc_read_peek(r); c == '(' || c == '{'; c = nnc_read_peek(r))
        NNC_TRY(read_region(r, *op));
    char c = nnc_read_peek(r);
    if (c && c != '}')
        return nnc_read_error(r, r->p, "unexpected '%c': an operation ends with its line", c);
    return NNC_OK;
}

static void read_op(nnc_reader *r, nnc_block b)
{
    struct head h = {.from = r->p};
    nnc_op op = {0};
    uint32_t mark = r->scope.n;
    int depth = r->depth;
    bool kernel = r->kernel;
    const char *s, *at = r->p;
    if (nnc_read_word(r, &s) == 6 && !memcmp(s, "kernel", 6))
        r->kernel = true;
    r->p = at;
    if (read_op_inside(r, &h, b, &op) != NNC_OK) {
        leave_scope(r, mark);
        r->depth = depth;
        skip_op(r);
    }
    r->kernel = kernel;
    for (uint32_t i = 0; i < h.result.n; i++)
        bind(r, h.from, h.result.at[i],
             op.id && i < h.type.n ? nnc_op_out(r->m, op, i) : (nnc_value){0});
}

/* Ops up to and with the closing brace. */
static nnc_status read_ops(nnc_reader *r, nnc_block b)
{
    for (;;) {
        nnc_read_space(r);
        if (r->p >= r->end)
            return nnc_read_error(r, r->p, "the text ends inside a region: '}' is missing");
        if (*r->p == '}') {
            r->p++;
            return NNC_OK;
        }
        read_op(r, b);
    }
}

/* ---- the module ---- */

static void read_statement(nnc_reader *r)
{
    const char *at = r->p, *s;
    size_t n = nnc_read_word(r, &s);
    nnc_status status = NNC_OK;
    if (n == 3 && !memcmp(s, "dim", 3))
        status = nnc_read_symbol(r);
    else if (n == 4 && !memcmp(s, "blob", 4))
        status = nnc_read_blob(r);
    else {
        r->p = at;
        if (*r->p == '}') {
            r->p++;
            nnc_read_error(r, at, "'}' closes nothing");
            return;
        }
        read_op(r, r->m->top);
    }
    if (status != NNC_OK)
        skip_op(r);
    if (r->p < r->end && *r->p == '}') /* left by a wrong op */
        r->p++;
}

nnc_status nnc_read_module(nnc_module *m, const char *path, const char *text, size_t len,
                           const char *folder)
{
    unsigned before = nnc_diag_errors(m->diag);
    nnc_source source = nnc_diag_source(m->diag, path, text, len);
    if (len > UINT32_MAX)
        return nnc_error(m->diag, nnc_loc_file(m->diag, path), "the text is longer than 4 GB");
    nnc_reader r = {.m = m,
                    .source = source,
                    .base = text,
                    .p = text,
                    .end = text + len,
                    .folder = folder,
                    .a = nnc_arena_new()};
    r.names = nnc_intern_new(r.a);
    for (nnc_read_space(&r); r.p < r.end; nnc_read_space(&r))
        read_statement(&r);
    nnc_arena_free(r.a);
    return nnc_diag_errors(m->diag) == before ? NNC_OK : NNC_ERR;
}
