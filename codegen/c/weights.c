/* Weights in the C file or beside it.  Every K `const` gets a place; equal ones share it.
 *
 * strings  one union initialised by string literals of ROW bytes (C99 promises 4095 characters), read through a member
 *          of the right type: compiles ten times faster than numbers
 * numbers  an array per tensor, for machines of any byte order and for people
 * bin      a file: HEADER bytes (magic, hash, size), then the same bytes as the strings
 *
 * Tensors are fetched one at a time, so a packed copy of the whole model never exists. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "codegen/c/c.h"
#include "ir/pack.h"

enum { ROW = 2048, ALIGN = 64, HEADER = 64, LIMIT = 16 << 20 };
static const char magic[8] = "NNCWGT1";

static uint64_t rounded(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- planning ---- */

static bool same_ints(const nnc_module *m, nnc_op a, nnc_op b, nnc_word key)
{
    unsigned n, k;
    const int64_t *x = nnc_attr_ints(m, a, key, &n), *y = nnc_attr_ints(m, b, key, &k);

    return n == k && (!n || !memcmp(x, y, n * sizeof *x));
}

static bool same_weight(const nnc_module *m, nnc_op a, nnc_op b)
{
    if (nnc_attr_int(m, a, NNC_W_blob, 0) != nnc_attr_int(m, b, NNC_W_blob, 0) ||
        nnc_attr_int(m, a, NNC_W_at, 0) != nnc_attr_int(m, b, NNC_W_at, 0))
        return false;
    return nnc_value_type(m, nnc_op_out(m, a, 0)).id == nnc_value_type(m, nnc_op_out(m, b, 0)).id &&
           same_ints(m, a, b, NNC_W_src_axis) &&
           nnc_attr_int(m, a, NNC_W_offset, 0) == nnc_attr_int(m, b, NNC_W_offset, 0) &&
           same_ints(m, a, b, NNC_W_src_mult) && same_ints(m, a, b, NNC_W_src_extent) &&
           same_ints(m, a, b, NNC_W_src_stride);
}

/* The source bytes of a const, hashed in place: its extents from `at` on, whatever the layout. */
static uint64_t source_hash(const nnc_module *m, nnc_op op, uint64_t bytes, uint64_t seed)
{
    const nnc_blob_rec *b = &m->blob.at[nnc_attr_int(m, op, NNC_W_blob, 0)];
    uint64_t have = b->bytes - (uint64_t)nnc_attr_int(m, op, NNC_W_at, 0);
    unsigned n;
    const int64_t *extent = nnc_attr_ints(m, op, NNC_W_src_extent, &n);

    if (n)
        bytes = nnc_dtype_bytes((nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype);
    for (unsigned i = 0; i < n; i++)
        bytes *= (uint64_t)extent[i];
    return nnc_hash(nnc_const_data(m, op), bytes < have ? bytes : have, seed);
}

static void plan_one(c_cgen *g, nnc_op op, uint64_t *at)
{
    uint32_t i = 0;

    while (i < g->weight.n && !same_weight(g->m, g->weight.at[i].op, op))
        i++;
    if (i == g->weight.n) {
        uint64_t bytes = nnc_const_bytes(g->m, op);
        *at = rounded(*at, bytes >= ALIGN ? ALIGN : 8);
        NNC_PUSH(g->a, &g->weight, (c_weight){.op = op, .at = *at, .bytes = bytes});
        *at += bytes;
        g->face.hash = source_hash(g->m, op, bytes, g->face.hash);
    }
    g->weight_of[op.id] = i + 1;
}

static void plan_block(c_cgen *g, nnc_block b, uint64_t *at)
{
    for (nnc_op op = nnc_block_first(g->m, b); op.id; op = nnc_op_next(g->m, op)) {
        if (nnc_op_code(g->m, op) == NNC_OP_const &&
            nnc_value_get(g->m, nnc_op_out(g->m, op, 0))->first_use)
            plan_one(g, op, at);
        for (unsigned r = 0; r < nnc_op_nregion(g->m, op); r++)
            plan_block(g, nnc_op_region(g->m, op, r), at);
    }
}

void c_weights_plan(c_cgen *g)
{
    uint64_t at = 0;

    g->weight_of = nnc_arena_array(g->a, g->m->op.n, sizeof *g->weight_of);
    plan_block(g, g->m->top, &at);
    g->face.weights = at;
    g->mode = g->opt->weights != NNC_WEIGHTS_auto ? g->opt->weights
              : at > LIMIT                        ? NNC_WEIGHTS_bin
                                                  : NNC_WEIGHTS_strings;
    if (!at && g->mode == NNC_WEIGHTS_bin)
        g->mode = NNC_WEIGHTS_strings; /* no weights, no file */
    g->face.weights_in_file = g->mode == NNC_WEIGHTS_bin;
}

/* ---- references ---- */

/* The union's member for a storage type: "float" -> f32, "uint16_t" -> u16. */
static const char *member(c_cgen *g, nnc_dtype dt)
{
    const char *t = c_storage(dt);

    if (dt == NNC_DT_f32 || dt == NNC_DT_f64)
        return nnc_dtype_infos[dt].name;
    if (dt == NNC_DT_idx)
        return "idx";
    return c_fmt(g, "%c%.*s", *t, (int)strspn(strpbrk(t, "0123456789"), "0123456789"),
                 strpbrk(t, "0123456789"));
}

const char *c_weight_ref(c_cgen *g, nnc_op op)
{
    const c_weight *w = &g->weight.at[g->weight_of[op.id] - 1];
    nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, op, 0));
    uint64_t size = nnc_dtype_bytes(dt);

    switch (g->mode) {
    case NNC_WEIGHTS_numbers: return w->name;
    case NNC_WEIGHTS_bin:
        return c_fmt(g, "(const %s *)(const void *)(weights + %llu)", c_storage(dt),
                     (unsigned long long)(w->at + HEADER));
    default:
        if (!g->face.weights) /* only constants without elements */
            return c_fmt(g, "(const %s *)0", c_storage(dt));
        return w->at ? c_fmt(g, "weights.%s + %llu", member(g, dt),
                             (unsigned long long)(w->at / size))
                     : c_fmt(g, "weights.%s", member(g, dt));
    }
}

/* ---- bytes ---- */

typedef void sink(void *user, const unsigned char *p, uint64_t n);

static const unsigned char *packed(c_cgen *g, const c_weight *w, nnc_arena *scratch)
{
    unsigned char *p = nnc_arena_alloc(scratch, w->bytes);

    if (nnc_const_pack(g->m, w->op, p) != NNC_OK)
        g->status = NNC_ERR;
    return p;
}

/* All weights in order, with the gaps between them. */
static void each_byte(c_cgen *g, sink *put, void *user)
{
    static const unsigned char zero[ALIGN];
    uint64_t at = 0;

    for (uint32_t i = 0; i < g->weight.n; i++) {
        const c_weight *w = &g->weight.at[i];
        nnc_arena *scratch = nnc_arena_new();
        put(user, zero, w->at - at);
        put(user, packed(g, w, scratch), w->bytes);
        nnc_arena_free(scratch);
        at = w->at + w->bytes;
    }
}

/* ---- strings ---- */

typedef struct row {
    FILE *f;
    unsigned n;
    unsigned char b[ROW];
} row;

static void flush_row(row *r)
{
    if (!r->n)
        return;
    fputs("    \"", r->f);
    for (unsigned i = 0; i < r->n; i++) {
        unsigned c = r->b[i];
        bool digit_next = i + 1 < r->n && r->b[i + 1] >= '0' && r->b[i + 1] <= '7';
        if (c >= 32 && c < 127 && c != '"' && c != '\\' && c != '?')
            fputc((int)c, r->f);
        else
            fprintf(r->f, digit_next ? "\\%03o" : "\\%o", c);
    }
    fputs("\",\n", r->f);
    r->n = 0;
}

static void put_row(void *user, const unsigned char *p, uint64_t n)
{
    row *r = user;

    while (n) {
        uint64_t k = ROW - r->n < n ? ROW - r->n : n;
        memcpy(r->b + r->n, p, k);
        r->n += (unsigned)k;
        p += k;
        n -= k;
        if (r->n == ROW)
            flush_row(r);
    }
}

static void strings(c_cgen *g, FILE *f)
{
    uint64_t rows = rounded(g->face.weights, ROW) / ROW;
    row r = {.f = f};
    const char *seen = " ";

    fprintf(f,
            "\n#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__\n"
            "#error \"these weights are little-endian; use --weights=numbers\"\n#endif\n"
            "#ifndef %s_WEIGHTS_SECTION /* e.g. __attribute__((section(\".flash\"))) */\n#define "
            "%s_WEIGHTS_SECTION\n#endif\n"
            "#if defined(__GNUC__) && __GNUC__ >= 15 && !defined(__clang__)\n#pragma GCC "
            "diagnostic ignored \"-Wunterminated-string-initialization\"\n#endif\n",
            g->upper, g->upper);
    fprintf(f, "static const union {\n    unsigned char bytes[%llu][%d];\n",
            (unsigned long long)rows, ROW);
    for (uint32_t i = 0; i < g->weight.n; i++) {
        nnc_dtype dt = c_dtype(g, nnc_op_out(g->m, g->weight.at[i].op, 0));
        const char *key = c_fmt(g, " %s ", member(g, dt));
        if (strstr(seen, key))
            continue;
        seen = c_fmt(g, "%s%s ", seen, member(g, dt));
        fprintf(f, "    %s %s[%llu];\n", c_storage(dt), member(g, dt),
                (unsigned long long)(rows * ROW / nnc_dtype_bytes(dt)));
    }
    fprintf(f, "} weights %s_WEIGHTS_SECTION ALIGNED = {{\n", g->upper);
    each_byte(g, put_row, &r);
    flush_row(&r);
    fprintf(f, "}};\n");
}

/* ---- numbers ---- */

static void numbers(c_cgen *g, FILE *f)
{
    for (uint32_t i = 0; i < g->weight.n; i++) {
        c_weight *w = &g->weight.at[i];
        nnc_value v = nnc_op_out(g->m, w->op, 0);
        nnc_dtype dt = c_dtype(g, v);
        size_t size = nnc_dtype_bytes(dt);
        nnc_arena *scratch = nnc_arena_new();
        const unsigned char *p = packed(g, w, scratch);
        const char *hint = nnc_value_name(g->m, v);
        nnc_arena_mark mark = {0};

        w->name = nnc_names_put(g->globals, *hint ? hint : "weights");
        fprintf(f, "\nstatic const %s %s[%llu] = {", c_storage(dt), w->name,
                (unsigned long long)(w->bytes ? w->bytes / size : 1));
        for (uint64_t k = 0; k * size < w->bytes; k++) {
            uint64_t bits = 0;
            memcpy(&bits, p + k * size, size);
            mark = nnc_arena_save(g->a);
            fprintf(f, "%s%s", k ? k % 8 ? ", " : ",\n    " : "\n    ", c_number(g, dt, bits));
            nnc_arena_restore(g->a, mark);
        }
        fprintf(f, "%s};\n", w->bytes ? "\n" : "0");
        nnc_arena_free(scratch);
    }
}

/* ---- bin ---- */

static void put_bytes(void *user, const unsigned char *p, uint64_t n)
{
    (void)fwrite(p, 1, (size_t)n, user);
}

static void header_bytes(const c_cgen *g, unsigned char *h)
{
    memset(h, 0, HEADER);
    memcpy(h, magic, 8);
    for (int i = 0; i < 8; i++) {
        h[8 + i] = (unsigned char)(g->face.hash >> 8 * i);
        h[16 + i] = (unsigned char)((g->face.weights + HEADER) >> 8 * i);
    }
}

void c_weights_bin(c_cgen *g, FILE *f)
{
    unsigned char h[HEADER];

    header_bytes(g, h);
    put_bytes(f, h, HEADER);
    each_byte(g, put_bytes, f);
}

static void bin(c_cgen *g, FILE *f)
{
    unsigned char h[HEADER];

    header_bytes(g, h);
    fprintf(f,
            "\n#ifdef %s_WEIGHTS_SYMBOL\nextern const unsigned char %s_WEIGHTS_SYMBOL[];\n#endif\n",
            g->upper, g->upper);
    fprintf(f,
            "\n/* %s.bin: magic, hash of code and weights, size; all little-endian. */\nstatic int "
            "weights_fit(const unsigned char *w)\n{\n"
            "    static const unsigned char want[24] = {\n       ",
            g->name);
    for (int i = 0; i < 24; i++)
        fprintf(f, " %u%s", h[i], i == 23 ? "" : i == 11 ? ",\n       " : ",");
    fprintf(f, "\n    };\n    return w && memcmp(w, want, sizeof want) == 0;\n}\n");
    g->string_h = true;
}

void c_weights_text(c_cgen *g, FILE *f)
{
    if (!g->weight.n)
        return;
    if (g->mode == NNC_WEIGHTS_numbers)
        numbers(g, f);
    else if (g->mode == NNC_WEIGHTS_bin)
        bin(g, f);
    else if (g->face.weights)
        strings(g, f);
}
