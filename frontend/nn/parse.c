/* nn_parse: checks the bytes, then scanner, line rules and grammar over the whole file, then the checks that need a
 * tree.  Each stage finds its own mistakes, so they are kept and told at the end in the order of the text; after
 * NN_MAX_ERRORS the rest stays unsaid. */
#include "frontend/nn/parser.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_KEPT = 1000 }; /* messages; more cannot be wanted */

static void keep(nn_parser *cx, nn_span at, bool note, const char *fmt, va_list ap)
{
    if (cx->messages->n < MOST_KEPT)
        NNC_PUSH(cx->s->arena, cx->messages,
                 (nn_message){at, nnc_arena_vprintf(cx->s->arena, fmt, ap), note});
}

bool nn_mistake(nn_parser *cx, nn_span at, const char *fmt, ...)
{
    va_list ap;
    cx->muted = cx->too_deep; /* what follows that is an echo */
    if (cx->muted)
        return false;
    va_start(ap, fmt);
    keep(cx, at, false, fmt, ap);
    va_end(ap);
    return false;
}

void nn_remark(nn_parser *cx, nn_span at, const char *fmt, ...)
{
    va_list ap;
    if (cx->muted)
        return;
    va_start(ap, fmt);
    keep(cx, at, true, fmt, ap);
    va_end(ap);
}

static int by_place(const void *a, const void *b)
{
    const nn_message *const *x = a, *const *y = b;
    if ((*x)->at.begin != (*y)->at.begin)
        return (*x)->at.begin < (*y)->at.begin ? -1 : 1;
    return *x < *y ? -1 : *x > *y;
}

/* Tell what was kept, each mistake with its notes. */
static void tell(nn_parser *cx)
{
    const nn_messages *m = cx->messages;
    const nn_message **order = nnc_arena_array(cx->s->arena, m->n, sizeof *order);
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++)
        if (!m->at[i].note)
            order[n++] = &m->at[i];
    qsort(order, n, sizeof *order, by_place);
    for (uint32_t i = 0; i < n && i < NN_MAX_ERRORS; i++)
        for (const nn_message *x = order[i]; x < m->at + m->n && (x == order[i] || x->note); x++) {
            nnc_loc loc = nnc_loc_text(cx->s->diag, cx->file->source, x->at.begin, x->at.end);
            if (x->note)
                nnc_note(cx->s->diag, loc, "%s", x->text);
            else
                nnc_error(cx->s->diag, loc, "%s", x->text);
        }
    if (n > NN_MAX_ERRORS)
        nnc_note(cx->s->diag,
                 nnc_loc_text(cx->s->diag, cx->file->source, order[NN_MAX_ERRORS]->at.begin,
                              order[NN_MAX_ERRORS]->at.end),
                 "from here on mistakes are not shown");
}

/* The length of the character at p, or 0 when it is no UTF-8 (too long, a surrogate, beyond 10FFFF). */
static unsigned utf8_length(const unsigned char *p, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned n = p[0] < 0x80 ? 1 : p[0] < 0xC0 ? 0 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    if (n <= 1 || n > left || p[0] > 0xF4)
        return n == 1 ? 1 : 0;
    uint32_t c = p[0] & (0xFFu >> (n + 1));
    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (p[i] & 0x3F);
    }
    return c < least[n] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000) ? 0 : n;
}

/* Text as language.md wants it: UTF-8 without NUL bytes. */
static bool check_bytes(nn_parser *cx)
{
    const unsigned char *p = (const unsigned char *)cx->file->text;
    for (uint32_t i = cx->region.begin; i < cx->region.end;) {
        unsigned n = utf8_length(p + i, cx->region.end - i);
        if (n == 0)
            return nn_mistake(cx, (nn_span){i, i + 1}, "byte 0x%02X is not UTF-8 text", p[i]);
        if (p[i] == 0)
            return nn_mistake(cx, (nn_span){i, i + 1}, "a NUL byte; this is not a text file");
        i += n;
    }
    return true;
}

nnc_status nn_parse(nn_syntax *s, const char *path, const char *text, size_t size, nn_file **out)
{
    nn_messages messages = {0};
    nn_file *f = nnc_arena_alloc(s->arena, sizeof *f);
    bool fits = size < (1u << 30);
    *f = (nn_file){.path = nnc_arena_str(s->arena, path), .size = size};
    f->text = nnc_arena_copy(s->arena, text, fits ? size : 0); /* the parser wants its final 0 */
    f->source = nnc_diag_source(s->diag, path, f->text, fits ? size : 0);
    nn_parser cx = {
        .s = s, .file = f, .region = {0, (uint32_t)(fits ? size : 0)}, .messages = &messages};
    if (size >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) /* a byte order mark is no text */
        cx.region.begin = 3;
    if (!fits)
        nn_mistake(&cx, (nn_span){0, 0}, "the file is larger than 1 GB");
    else if (check_bytes(&cx))
        nn_parse_region(&cx);
    if (!cx.root)
        cx.root = nn_make(&cx, NN_file, cx.region, 0, NULL);
    f->root = cx.root;
    if (!messages.n)
        nn_check_tree(&cx);
    tell(&cx);
    *out = f;
    return messages.n ? NNC_ERR : NNC_OK;
}
