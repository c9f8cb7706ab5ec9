/* Lines are formatted into a buffer first, then broken at the last good place before the margin. */
#include "codegen/text/writer.h"
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 110, CONTINUE = 8 };

static void spaces(FILE *f, int n)
{
    fprintf(f, "%*s", n, "");
}

/* Where to end the first piece of s: at a space outside of strings and inside as few brackets as possible, within `room`
 * columns; 0: nowhere. */
static size_t break_at(const char *s, size_t room)
{
    size_t best = 0;
    int depth = 0, best_depth = 0;
    bool quoted = false;

    for (size_t i = 0; s[i] && i < room; i++) {
        if (s[i] == '"' && (i == 0 || s[i - 1] != '\\'))
            quoted = !quoted;
        if (quoted)
            continue;
        depth += (s[i] == '(' || s[i] == '[') - (s[i] == ')' || s[i] == ']');
        if (s[i] == ' ' && i > room / 3 && s[i + 1] && (!best || depth <= best_depth)) {
            best = i;
            best_depth = depth;
        }
    }
    return best;
}

static void write_line(nnc_out *o, const char *s)
{
    int margin = 4 * o->indent;

    spaces(o->f, margin);
    while (strlen(s) + (size_t)margin > MARGIN) {
        size_t cut = margin + 20 < MARGIN ? break_at(s, (size_t)(MARGIN - margin)) : 0;
        if (cut < 16)
            break;
        fprintf(o->f, "%.*s\n", (int)cut, s);
        s += cut + 1;
        margin = 4 * o->indent + CONTINUE;
        spaces(o->f, margin);
    }
    fprintf(o->f, "%s\n", s);
}

static char *format(const char *fmt, va_list ap)
{
    char *s = NULL;

    if (vasprintf(&s, fmt, ap) < 0)
        abort();
    return s;
}

void nnc_out_line(nnc_out *o, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    char *s = format(fmt, ap);
    va_end(ap);
    if (*s)
        write_line(o, s);
    else
        fputc('\n', o->f);
    free(s);
}

void nnc_out_open(nnc_out *o, const char *fmt, ...)
{
    va_list ap;
    char *both;

    va_start(ap, fmt);
    char *s = format(fmt, ap);
    va_end(ap);
    if (asprintf(&both, "%s {", s) < 0)
        abort();
    write_line(o, both);
    free(both);
    free(s);
    o->indent++;
}

void nnc_out_close(nnc_out *o)
{
    o->indent--;
    nnc_out_line(o, "}");
}

void nnc_text_begin(nnc_text *t)
{
    t->at = NULL;
    t->n = 0;
    t->f = open_memstream(&t->at, &t->n);
    if (!t->f)
        abort();
}

const char *nnc_text_end(nnc_text *t, nnc_arena *a)
{
    fclose(t->f);
    char *s = nnc_arena_copy(a, t->at, t->n + 1);
    free(t->at);
    return s;
}
