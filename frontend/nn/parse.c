/* nn_parse: checks the bytes, then scanner, line rules and grammar over the whole file, then the checks that need a
 * tree.  Mistakes are counted per file; after NN_MAX_ERRORS the rest stays unsaid. */
#include "frontend/nn/parser.h"
#include <stdio.h>
#include <string.h>

bool nn_mistake(nn_parser *cx, nn_span at, const char *fmt, ...)
{
    va_list ap;
    if (++*cx->errors > NN_MAX_ERRORS) /* more would hide what matters */
        return false;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(cx->s->arena, fmt, ap);
    va_end(ap);
    nnc_loc loc = nnc_loc_text(cx->s->diag, cx->file->source, at.begin, at.end);
    nnc_error(cx->s->diag, loc, "%s", text);
    if (*cx->errors == NN_MAX_ERRORS)
        nnc_note(cx->s->diag, loc, "the mistakes after this one are not shown");
    return false;
}

void nn_remark(nn_parser *cx, nn_span at, const char *fmt, ...)
{
    va_list ap;
    if (*cx->errors > NN_MAX_ERRORS)
        return;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(cx->s->arena, fmt, ap);
    va_end(ap);
    nnc_note(cx->s->diag, nnc_loc_text(cx->s->diag, cx->file->source, at.begin, at.end), "%s",
             text);
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
    unsigned errors = 0;
    nn_file *f = nnc_arena_alloc(s->arena, sizeof *f);
    bool fits = size < (1u << 30);
    *f = (nn_file){.path = nnc_arena_str(s->arena, path), .size = size};
    f->text = nnc_arena_copy(s->arena, text, fits ? size : 0); /* the parser wants its final 0 */
    f->source = nnc_diag_source(s->diag, path, f->text, fits ? size : 0);
    nn_parser cx = {
        .s = s, .file = f, .region = {0, (uint32_t)(fits ? size : 0)}, .errors = &errors};
    if (size >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3)) /* a byte order mark is no text */
        cx.region.begin = 3;
    if (!fits)
        nn_mistake(&cx, (nn_span){0, 0}, "the file is larger than 1 GB");
    else if (check_bytes(&cx))
        nn_parse_region(&cx);
    if (!cx.root)
        cx.root = nn_make(&cx, NN_file, cx.region, 0, NULL);
    f->root = cx.root;
    if (!errors)
        nn_check_tree(&cx);
    *out = f;
    return errors ? NNC_ERR : NNC_OK;
}
