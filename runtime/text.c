/* Room doubles.  Widths count code points: the few that take two columns are not worth a table. */
#include "text.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void out_of_memory(void)
{
    fputs("error: out of memory\n", stderr);
    exit(4);
}

void *nnp_alloc(size_t n)
{
    void *p = calloc(n ? n : 1, 1);
    if (!p)
        out_of_memory();
    return p;
}

static void reserve(nnp_text *t, size_t n)
{
    if (t->n + n + 1 <= t->room)
        return;
    size_t room = t->room ? t->room : 128;
    while (room < t->n + n + 1)
        room *= 2;
    t->at = realloc(t->at, room);
    if (!t->at)
        out_of_memory();
    t->room = room;
}

void nnp_text_bytes(nnp_text *t, const void *bytes, size_t n)
{
    reserve(t, n);
    if (n)
        memcpy(t->at + t->n, bytes, n);
    t->n += n;
    t->at[t->n] = 0;
}

void nnp_text_add(nnp_text *t, const char *s)
{
    nnp_text_bytes(t, s, strlen(s));
}

void nnp_text_char(nnp_text *t, char c)
{
    nnp_text_bytes(t, &c, 1);
}

void nnp_text_fill(nnp_text *t, char c, size_t n)
{
    reserve(t, n);
    memset(t->at + t->n, c, n);
    t->n += n;
    t->at[t->n] = 0;
}

void nnp_text_vprintf(nnp_text *t, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    if (n > 0) {
        reserve(t, (size_t)n);
        vsnprintf(t->at + t->n, (size_t)n + 1, format, again);
        t->n += (size_t)n;
    }
    va_end(again);
}

void nnp_text_printf(nnp_text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    nnp_text_vprintf(t, format, args);
    va_end(args);
}

void nnp_text_json(nnp_text *t, const char *s)
{
    nnp_text_char(t, '"');
    for (; *s; s++)
        if (*s == '"' || *s == '\\')
            nnp_text_printf(t, "\\%c", *s);
        else if ((unsigned char)*s < 32)
            nnp_text_printf(t, "\\u%04x", (unsigned)*s);
        else
            nnp_text_char(t, *s);
    nnp_text_char(t, '"');
}

void nnp_text_json_number(nnp_text *t, double v)
{
    char s[40];
    if (isnan(v) || isinf(v)) {
        nnp_text_add(t, isnan(v) ? "\"NaN\"" : v > 0 ? "\"Infinity\"" : "\"-Infinity\"");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(s, sizeof s, "%.*g", digits, v);
        if (strtod(s, NULL) == v)
            break;
    }
    nnp_text_add(t, s);
}

void nnp_text_csv(nnp_text *t, const char *s)
{
    if (!strpbrk(s, ",\"\r\n")) {
        nnp_text_add(t, s);
        return;
    }
    nnp_text_char(t, '"');
    for (; *s; s++) {
        if (*s == '"')
            nnp_text_char(t, '"');
        nnp_text_char(t, *s);
    }
    nnp_text_char(t, '"');
}

void nnp_text_slug(nnp_text *t, const char *s)
{
    size_t start = t->n;
    for (; *s && t->n - start < 60; s++) {
        char c = *s >= 'A' && *s <= 'Z' ? (char)(*s - 'A' + 'a') : *s;
        int word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
        if (word)
            nnp_text_char(t, c);
        else if (t->n > start && t->at[t->n - 1] != '-')
            nnp_text_char(t, '-');
    }
    while (t->n > start && (t->at[t->n - 1] == '-' || t->at[t->n - 1] == '.'))
        t->at[--t->n] = 0;
    while (t->n > start && t->at[start] == '.') /* never hidden, never ".." */
        t->at[start] = '_';
    if (t->n == start)
        nnp_text_add(t, "untitled");
}

void nnp_text_pad(nnp_text *t, const char *s, int width)
{
    int left = width < 0, blanks = (left ? -width : width) - nnp_text_width(s);
    if (left && blanks > 0)
        nnp_text_fill(t, ' ', (size_t)blanks);
    nnp_text_add(t, s);
    if (!left && blanks > 0)
        nnp_text_fill(t, ' ', (size_t)blanks);
}

const char *nnp_text_str(const nnp_text *t)
{
    return t->at ? t->at : "";
}

void nnp_text_clear(nnp_text *t)
{
    t->n = 0;
    if (t->at)
        t->at[0] = 0;
}

void nnp_text_free(nnp_text *t)
{
    free(t->at);
    memset(t, 0, sizeof *t);
}

int nnp_text_width(const char *s)
{
    int n = 0;
    while (*s) {
        if (*s == '\033' && s[1] == '[') {
            for (s += 2; *s && (*s < '@' || *s > '~'); s++) {}
            s += *s != 0;
            continue;
        }
        n += ((unsigned char)*s & 0xc0) != 0x80;
        s++;
    }
    return n;
}
