/* The printer.  A first walk gives every value a name in print order (hints made unique per function, digits for the
 * nameless) and collects the blobs that the text refers to; a second walk prints.  Since the reader keeps printed names
 * as hints and numbers things in the same order, printing what was read gives the same text again.
 *
 *     dim n = 1..128                                   symbols of shapes, in table order
 *     blob 1 = "net.weights" at 0, 3136 bytes          weights not printed in place, in order of first use
 *     graph @main [entry=1] (%x: f32[n,784]) {
 *       %w = const [blob=1, at=0] : f32[784,64]
 *       %b = const [values=[0.5, -1.0]] : f32[2]
 *       ...
 *
 * All scratch memory is an arena of the printer's own, dropped at the end. */
#include "ir/text_fn.h"
#include <stdlib.h>
#include <string.h>

enum { INLINE_ELEMENTS = 64, BLOB_ALIGN = 64 };

struct printer {
    const nnc_module *m;
    FILE *o;
    nnc_print_options opt;
    nnc_arena *a;
    const char **name; /* per value id: "%x", printable */
    uint32_t *blob;    /* per blob id: its number in the text, 0: not named */
    uint32_t nblob;
    nnc_intern *taken;        /* names used in the current function .. */
    NNC_BUF(uint32_t) stamp;  /* .. where stamp[sym] is the function's serial */
    NNC_BUF(uint32_t) suffix; /* next number to try behind that name */
    uint32_t serial, count;
    const char **type; /* per type id, as they are needed */
    uint32_t ntype;
};

/* ---- names ---- */

static bool take(struct printer *p, nnc_sym s)
{
    NNC_RESERVE(p->a, &p->stamp, s.id + 1);
    NNC_RESERVE(p->a, &p->suffix, s.id + 1);
    if (p->stamp.at[s.id] == p->serial)
        return false;
    p->stamp.at[s.id] = p->serial;
    p->suffix.at[s.id] = 1;
    return true;
}

static void name_value(struct printer *p, nnc_value v)
{
    const char *hint = nnc_value_name(p->m, v);
    if (!*hint) {
        p->name[v.id] = nnc_arena_printf(p->a, "%%%u", p->count++);
        return;
    }
    nnc_sym base = nnc_intern_put(p->taken, hint, strlen(hint)), s = base;
    while (!take(p, s)) {
        hint = nnc_arena_printf(p->a, "%s_%u", nnc_value_name(p->m, v), p->suffix.at[base.id]++);
        s = nnc_intern_put(p->taken, hint, strlen(hint));
    }
    p->name[v.id] = nnc_arena_printf(
        p->a, "%%%s", nnc_text_is_word(hint) ? hint : nnc_text_quoted(p->a, hint, '"'));
}

static bool prints_values(const struct printer *p, nnc_op op)
{
    nnc_type t = nnc_value_type(p->m, nnc_op_out(p->m, op, 0));
    uint8_t dt = nnc_type_get(p->m, t)->dtype;
    int64_t id = nnc_attr_int(p->m, op, NNC_W_blob, 0), at = nnc_attr_int(p->m, op, NNC_W_at, 0),
            n = nnc_type_count(p->m, t);
    if (nnc_type_get(p->m, t)->kind != NNC_TYPE_tensor || !dt || id <= 0 || id >= p->m->blob.n ||
        at < 0 || n < 0)
        return false; /* the printer also shows what the verifier refuses */
    size_t bytes = p->m->blob.at[id].bytes;
    if ((size_t)at > bytes || (uint64_t)n > (bytes - (size_t)at) / nnc_dtype_bytes((nnc_dtype)dt))
        return false;
    return p->opt.inline_weights || n <= INLINE_ELEMENTS;
}

static void visit_block(struct printer *p, nnc_block b);

static void visit_op(struct printer *p, nnc_op op)
{
    const nnc_module *m = p->m;
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        name_value(p, nnc_op_out(m, op, i));
    if (nnc_op_code(m, op) == NNC_OP_const && !prints_values(p, op)) {
        int64_t id = nnc_attr_int(m, op, NNC_W_blob, 0);
        if (id > 0 && id < m->blob.n && !p->blob[id])
            p->blob[id] = ++p->nblob;
    }
    for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
        visit_block(p, nnc_op_region(m, op, i));
}

static void visit_block(struct printer *p, nnc_block b)
{
    for (unsigned i = 0; i < nnc_block_narg(p->m, b); i++)
        name_value(p, nnc_block_arg(p->m, b, i));
    for (nnc_op op = nnc_block_first(p->m, b); op.id; op = nnc_op_next(p->m, op))
        visit_op(p, op);
}

static void visit_func(struct printer *p, nnc_op f)
{
    p->serial++;
    p->count = 0;
    visit_op(p, f);
}

static struct printer printer_new(const nnc_module *m, FILE *o, const nnc_print_options *opt)
{
    struct printer p = {.m = m, .o = o, .a = nnc_arena_new()};
    if (opt)
        p.opt = *opt;
    p.name = nnc_arena_array(p.a, m->value.n, sizeof *p.name);
    p.blob = nnc_arena_array(p.a, m->blob.n, sizeof *p.blob);
    p.taken = nnc_intern_new(p.a);
    p.ntype = m->type.n;
    p.type = nnc_arena_array(p.a, p.ntype, sizeof *p.type);
    return p;
}

/* ---- pieces of an op ---- */

static const char *type_text(struct printer *p, nnc_type t)
{
    if (!p->type[t.id])
        p->type[t.id] = nnc_text_type(p->a, p->m, t);
    return p->type[t.id];
}

/* "name" as a word, or quoted. */
static void print_symbol(struct printer *p, const char *s)
{
    fputs(nnc_text_is_word(s) ? s : nnc_text_quoted(p->a, s, '"'), p->o);
}

static void print_operand(struct printer *p, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(p->m, v);
    if (r->kind != NNC_VALUE_const) {
        fputs(v.id && p->name[v.id] ? p->name[v.id] : "%<none>", p->o);
        return;
    }
    nnc_dtype dt = (nnc_dtype)nnc_type_get(p->m, r->type)->dtype;
    unsigned lanes = nnc_type_get(p->m, r->type)->lanes;
    const char *number = nnc_text_number(p->a, dt, r->bits);
    bool bare = lanes == 1 && (dt == NNC_DT_idx || (dt == NNC_DT_bool && *number != 'b'));
    fputs(number, p->o);
    if (!bare)
        fprintf(p->o, ":%s", nnc_dtype_infos[dt].name);
    if (!bare && lanes > 1)
        fprintf(p->o, "x%u", lanes);
}

static bool is_type_name(const char *s)
{
    size_t n = strlen(s), i = n;
    if (nnc_dtype_by_name(s, n))
        return true;
    while (i > 0 && s[i - 1] >= '0' && s[i - 1] <= '9')
        i--;
    return i > 1 && i < n && s[i - 1] == 'x' && nnc_dtype_by_name(s, i - 1);
}

/* Words that would read as something else are put in single quotes. */
static void print_word(struct printer *p, const char *s, bool dim_key)
{
    bool plain =
        nnc_text_is_word(s) && !is_type_name(s) && !dim_key && strcmp(s, "inf") && strcmp(s, "nan");
    fputs(plain ? s : nnc_text_quoted(p->a, s, '\''), p->o);
}

static void print_int(struct printer *p, int64_t v, bool dim_key)
{
    if (dim_key)
        fputs(nnc_text_dim(p->a, p->m, v), p->o);
    else
        fprintf(p->o, "%lld", (long long)v);
}

static void print_attr_value(struct printer *p, nnc_opcode code, const nnc_attr_rec *a)
{
    bool dim_key = nnc_text_is_dim_key(code, a->key);
    uint64_t bits;
    switch ((nnc_attr_kind)a->kind) {
    case NNC_ATTR_int: print_int(p, a->u.i, dim_key); return;
    case NNC_ATTR_float:
        memcpy(&bits, &a->u.f, sizeof bits);
        fputs(nnc_text_number(p->a, NNC_DT_f64, bits), p->o);
        return;
    case NNC_ATTR_word: print_word(p, nnc_sym_str(p->m, a->u.s), dim_key); return;
    case NNC_ATTR_string:
        if (dim_key) /* a bare "n" is a dimension there */
            fputc('@', p->o);
        fputs(nnc_text_quoted(p->a, nnc_sym_str(p->m, a->u.s), '"'), p->o);
        return;
    case NNC_ATTR_ints:
        fputc('[', p->o);
        for (uint32_t i = 0; i < a->u.ints.n; i++) {
            fputs(i ? ", " : "", p->o);
            print_int(p, p->m->ints.at[a->u.ints.at + i], dim_key);
        }
        fputc(']', p->o);
        return;
    case NNC_ATTR_type: fputs(type_text(p, a->u.t), p->o); return;
    }
}

/* The elements of a constant, row-major. */
static void print_values(struct printer *p, nnc_op op)
{
    nnc_type t = nnc_value_type(p->m, nnc_op_out(p->m, op, 0));
    nnc_dtype dt = (nnc_dtype)nnc_type_get(p->m, t)->dtype;
    const unsigned char *data = nnc_const_data(p->m, op);
    size_t bytes = nnc_dtype_bytes(dt);
    int64_t n = nnc_type_count(p->m, t);
    nnc_arena_mark mark = nnc_arena_save(p->a);
    fputs("values=[", p->o);
    for (int64_t i = 0; i < n; i++) {
        uint64_t bits = 0;
        memcpy(&bits, data + (size_t)i * bytes,
               bytes); /* little-endian hosts only, as everywhere in nnc */
        fputs(i ? ", " : "", p->o);
        fputs(nnc_text_number(p->a, dt, bits), p->o);
        nnc_arena_restore(p->a, mark);
    }
    fputc(']', p->o);
}

static void print_attrs(struct printer *p, nnc_op op)
{
    nnc_op_rec r = *nnc_op_get(p->m, op);
    bool values = r.code == NNC_OP_const && prints_values(p, op), any = false;
    for (unsigned i = 0; i < r.nattr; i++) {
        const nnc_attr_rec *a = &p->m->attr.at[r.attr + i];
        if (nnc_op_infos[r.code].traits & NNC_SYMBOL && a->key.id == NNC_W_sym)
            continue;
        if (values && (a->key.id == NNC_W_blob || a->key.id == NNC_W_at))
            continue;
        fputs(any ? ", " : " [", p->o);
        any = true;
        print_word(p, nnc_sym_str(p->m, a->key), false);
        fputc('=', p->o);
        if (r.code == NNC_OP_const && a->key.id == NNC_W_blob && a->kind == NNC_ATTR_int &&
            a->u.i > 0 && a->u.i < p->m->blob.n)
            fprintf(p->o, "%u", p->blob[a->u.i]);
        else
            print_attr_value(p, (nnc_opcode)r.code, a);
    }
    if (values) {
        fputs(any ? ", " : " [", p->o);
        print_values(p, op);
        any = true;
    }
    if (any)
        fputc(']', p->o);
}

static void print_op(struct printer *p, nnc_op op, int depth);

static void print_region(struct printer *p, nnc_block b, int depth)
{
    for (unsigned i = 0; i < nnc_block_narg(p->m, b); i++) {
        nnc_value v = nnc_block_arg(p->m, b, i);
        fprintf(p->o, "%s%s: %s", i ? ", " : " (", p->name[v.id],
                type_text(p, nnc_value_type(p->m, v)));
    }
    fputs(nnc_block_narg(p->m, b) ? ") {\n" : " {\n", p->o);
    for (nnc_op op = nnc_block_first(p->m, b); op.id; op = nnc_op_next(p->m, op))
        print_op(p, op, depth + 1);
    fprintf(p->o, "%*s}", 2 * depth, "");
}

static void print_op(struct printer *p, nnc_op op, int depth)
{
    const nnc_module *m = p->m;
    const nnc_op_rec r = *nnc_op_get(m, op);
    fprintf(p->o, "%*s", 2 * depth, "");
    for (unsigned i = 0; i < r.nout; i++)
        fprintf(p->o, "%s%s", i ? ", " : "", p->name[r.out.id + i]);
    fprintf(p->o, "%s%s", r.nout ? " = " : "", nnc_op_infos[r.code].name);
    if (nnc_op_infos[r.code].traits & NNC_SYMBOL) {
        fputs(" @", p->o);
        print_symbol(p, nnc_func_name(m, op));
    }
    for (unsigned i = 0; i < r.nin; i++) {
        fputs(i ? ", " : " ", p->o);
        print_operand(p, nnc_op_in(m, op, i));
    }
    print_attrs(p, op);
    for (unsigned i = 0; i < r.nout; i++)
        fprintf(p->o, "%s%s", i ? ", " : " : ",
                type_text(p, nnc_value_type(m, nnc_op_out(m, op, i))));
    if (p->opt.locations && r.loc.id)
        fprintf(p->o, " loc(%s)", nnc_text_quoted(p->a, nnc_loc_text_of(m->diag, r.loc), '"'));
    for (unsigned i = 0; i < r.nregion; i++)
        print_region(p, nnc_op_region(m, op, i), depth);
    fputc('\n', p->o);
}

/* ---- the module ---- */

static void print_symbols(struct printer *p)
{
    const nnc_dims *t = p->m->dims;
    for (uint32_t i = 0; i < nnc_dim_nsymbol(t); i++) {
        nnc_dim d = nnc_dim_symbol_at(t, i);
        fputs("dim ", p->o);
        print_symbol(p, nnc_sym_str(p->m, nnc_dim_symbol_name(t, i)));
        fprintf(p->o, " = %lld..", (long long)nnc_dim_lo(t, d));
        if (nnc_dim_hi(t, d) == INT64_MAX)
            fputs("inf\n", p->o);
        else
            fprintf(p->o, "%lld\n", (long long)nnc_dim_hi(t, d));
    }
}

/* The blob ids in the order of their numbers in the text. */
static const uint32_t *blobs_in_order(struct printer *p)
{
    uint32_t *id = nnc_arena_array(p->a, p->nblob + 1, sizeof *id);
    for (uint32_t i = 1; i < p->m->blob.n; i++)
        if (p->blob[i])
            id[p->blob[i] - 1] = i;
    return id;
}

static size_t padded(size_t n)
{
    return (n + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
}

/* What a packed constant is made from has no type to print it by. */
static void print_hex(FILE *o, const unsigned char *p, size_t n)
{
    fputs(" \"", o);
    for (size_t i = 0; i < n; i++)
        fprintf(o, "%02x", p[i]);
    fputc('"', o);
}

static void print_blobs(struct printer *p)
{
    const uint32_t *id = blobs_in_order(p);
    size_t at = 0;
    for (uint32_t i = 0; i < p->nblob; i++) {
        size_t bytes = p->m->blob.at[id[i]].bytes;
        fprintf(p->o, "blob %u = ", i + 1);
        if (p->opt.weights_file && !p->opt.inline_weights)
            fprintf(p->o, "%s at %zu, ", nnc_text_quoted(p->a, p->opt.weights_file, '"'), at);
        fprintf(p->o, "%zu bytes", bytes);
        if (p->opt.inline_weights)
            print_hex(p->o, p->m->blob.at[id[i]].base, bytes);
        fputc('\n', p->o);
        at = padded(at + bytes);
    }
}

static void visit_module(struct printer *p)
{
    for (nnc_op f = nnc_block_first(p->m, p->m->top); f.id; f = nnc_op_next(p->m, f))
        visit_func(p, f);
}

void nnc_print_module(const nnc_module *m, FILE *o, const nnc_print_options *opt)
{
    struct printer p = printer_new(m, o, opt);
    visit_module(&p);
    print_symbols(&p);
    print_blobs(&p);
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        print_op(&p, f, 0);
    nnc_arena_free(p.a);
}

void nnc_print_op(const nnc_module *m, FILE *o, nnc_op op)
{
    struct printer p = printer_new(m, o, NULL);
    nnc_op f = op; /* names as in the whole function */
    for (nnc_op up; (up = nnc_block_parent(m, nnc_op_get(m, f)->block)).id;)
        f = up;
    visit_func(&p, f);
    print_op(&p, op, 0);
    nnc_arena_free(p.a);
}

nnc_status nnc_write_weights(const nnc_module *m, FILE *o)
{
    static const char zero[BLOB_ALIGN];
    struct printer p = printer_new(m, NULL, NULL);
    visit_module(&p);
    const uint32_t *id = blobs_in_order(&p);
    nnc_status s = NNC_OK;
    for (uint32_t i = 0; i < p.nblob && s == NNC_OK; i++) {
        const nnc_blob_rec *b = &m->blob.at[id[i]];
        size_t pad = padded(b->bytes) - b->bytes;
        if (fwrite(b->base, 1, b->bytes, o) != b->bytes || fwrite(zero, 1, pad, o) != pad)
            s = nnc_error(m->diag, (nnc_loc){0}, "weights cannot be written");
    }
    nnc_arena_free(p.a);
    return s;
}
