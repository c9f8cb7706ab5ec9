/* Locations are records in an array; equal ones share an id, found through a small hash.  A message is printed at
 * once, so nothing is lost when a later step crashes; the sink lets tests collect the same text. */
#include "ir/base/diag.h"
#include <stdio.h>
#include <string.h>

enum loc_kind { LOC_TEXT, LOC_NODE, LOC_FILE, LOC_PASS, LOC_FUSED };
struct loc {
    enum loc_kind kind;
    uint32_t a, b, c; /* source, begin, end | index in graph | parent | first parent, count */
    const char *path, *name, *op, *output;
};
struct source {
    const char *path, *text;
    size_t len;
    size_t seen, seen_start; /* how far lines were counted last, and where that line begins */
    unsigned seen_line;
};
struct held {
    char level;
    nnc_loc loc;
    const char *text;
}; /* level: e, w or n */
struct nnc_diag {
    nnc_arena *a;
    NNC_BUF(struct source) source;
    NNC_BUF(struct loc) loc;
    NNC_BUF(uint32_t) parent;
    NNC_BUF(struct held) held; /* texts kept back, and where each hold began */
    NNC_BUF(uint32_t) hold;
    nnc_intern *names;
    unsigned errors, warnings;
    bool quiet, muted; /* muted: the message before was dropped, its notes go with it */
    nnc_diag_sink sink;
    void *user;
};

static void to_stderr(void *user, const char *text)
{
    (void)user;
    fputs(text, stderr);
}

nnc_diag *nnc_diag_new(nnc_arena *a)
{
    nnc_diag *d = nnc_arena_alloc(a, sizeof *d);
    d->a = a;
    d->names = nnc_intern_new(a);
    d->sink = to_stderr;
    NNC_PUSH(a, &d->source, (struct source){0});
    NNC_PUSH(a, &d->loc, (struct loc){0});
    return d;
}

nnc_source nnc_diag_source(nnc_diag *d, const char *path, const char *text, size_t len)
{
    NNC_PUSH(d->a, &d->source,
             (struct source){.path = nnc_arena_str(d->a, path), .text = text, .len = len});
    return (nnc_source){d->source.n - 1};
}

static const char *keep(nnc_diag *d, const char *s)
{
    return nnc_intern_str(d->names, nnc_intern_put(d->names, s, strlen(s)));
}

/* The newest record is often the one asked for again; older equal ones are harmless. */
static nnc_loc put(nnc_diag *d, struct loc l)
{
    if (d->loc.n > 1 && !memcmp(&d->loc.at[d->loc.n - 1], &l, sizeof l))
        return (nnc_loc){d->loc.n - 1};
    NNC_PUSH(d->a, &d->loc, l);
    return (nnc_loc){d->loc.n - 1};
}

nnc_loc nnc_loc_text(nnc_diag *d, nnc_source s, uint32_t begin, uint32_t end)
{
    struct loc l;
    memset(&l, 0, sizeof l);
    l.kind = LOC_TEXT;
    l.a = s.id;
    l.b = begin;
    l.c = end;
    return put(d, l);
}

nnc_loc nnc_loc_node(nnc_diag *d, const char *path, const char *name, const char *op,
                     const char *output, uint32_t index)
{
    struct loc l;
    memset(&l, 0, sizeof l);
    l.kind = LOC_NODE;
    l.a = index;
    l.path = keep(d, path);
    l.name = keep(d, name);
    l.op = keep(d, op);
    l.output = keep(d, output);
    return put(d, l);
}

nnc_loc nnc_loc_file(nnc_diag *d, const char *path)
{
    struct loc l;
    memset(&l, 0, sizeof l);
    l.kind = LOC_FILE;
    l.path = keep(d, path);
    return put(d, l);
}

nnc_loc nnc_loc_pass(nnc_diag *d, const char *pass, nnc_loc parent)
{
    struct loc l;
    memset(&l, 0, sizeof l);
    l.kind = LOC_PASS;
    l.a = parent.id;
    l.name = keep(d, pass);
    return put(d, l);
}

bool nnc_loc_is_pass(const nnc_diag *d, nnc_loc loc)
{
    return loc.id && d->loc.at[loc.id].kind == LOC_PASS;
}

nnc_loc nnc_loc_fused(nnc_diag *d, const nnc_loc *parents, size_t n)
{
    struct loc l;
    if (n == 1)
        return parents[0];
    memset(&l, 0, sizeof l);
    l.kind = LOC_FUSED;
    l.a = d->parent.n;
    l.b = (uint32_t)n;
    for (size_t i = 0; i < n; i++)
        NNC_PUSH(d->a, &d->parent, parents[i].id);
    return put(d, l);
}

/* Questions come in about the order of the text, so counting goes on where it stopped. */
static void line_col(struct source *s, uint32_t at, unsigned *line, unsigned *col, size_t *start)
{
    if (!s->seen_line || at < s->seen) {
        s->seen = s->seen_start = 0;
        s->seen_line = 1;
    }
    for (; s->seen < at && s->seen < s->len; s->seen++)
        if (s->text[s->seen] == '\n') {
            s->seen_line++;
            s->seen_start = s->seen + 1;
        }
    *line = s->seen_line;
    *start = s->seen_start;
    *col = (unsigned)(at - *start) + 1;
}

static const char *node_text(nnc_diag *d, const struct loc *l)
{
    if (*l->name)
        return nnc_arena_printf(d->a, "node '%s' (%s)", l->name, l->op);
    if (*l->output)
        return nnc_arena_printf(d->a, "node #%u (%s, makes '%s')", l->a, l->op, l->output);
    return nnc_arena_printf(d->a, "node #%u (%s)", l->a, l->op);
}

const char *nnc_loc_text_of(nnc_diag *d, nnc_loc loc)
{
    const struct loc *l = &d->loc.at[loc.id];
    unsigned line, col;
    size_t start;
    if (!loc.id)
        return "";
    switch (l->kind) {
    case LOC_TEXT:
        line_col(&d->source.at[l->a], l->b, &line, &col, &start);
        return nnc_arena_printf(d->a, "%s:%u:%u", d->source.at[l->a].path, line, col);
    case LOC_NODE: return node_text(d, l);
    case LOC_FILE: return l->path;
    case LOC_PASS: return nnc_loc_text_of(d, (nnc_loc){l->a});
    case LOC_FUSED: return nnc_loc_text_of(d, (nnc_loc){d->parent.at[l->a]});
    }
    return "";
}

/* The line under the caret, once for text locations. */
static char *excerpt(nnc_diag *d, const struct loc *l)
{
    struct source *s = &d->source.at[l->a];
    unsigned line, col;
    size_t start;
    line_col(s, l->b, &line, &col, &start);
    size_t end = start;
    while (end < s->len && s->text[end] != '\n')
        end++;
    size_t width = l->c > l->b ? l->c - l->b : 1;
    if (l->b + width > end)
        width = end > l->b ? end - l->b : 1;
    char *mark = nnc_arena_alloc(d->a, col + width + 1);
    for (size_t i = 0; i + 1 < col; i++)
        mark[i] = start + i < s->len && s->text[start + i] == '\t' ? '\t' : ' ';
    memset(mark + col - 1, '~', width);
    mark[col - 1] = '^';
    return nnc_arena_printf(d->a, "    %.*s\n    %s\n", (int)(end - start), s->text + start, mark);
}

/* Names come from files: a control character must not reach the terminal. */
static void make_printable(char *s)
{
    for (; *s; s++)
        if (((unsigned char)*s < 32 && *s != '\n' && *s != '\t') || *s == 127)
            *s = '?';
}

const char *nnc_loc_excerpt(nnc_diag *d, nnc_loc loc)
{
    if (!loc.id || d->loc.at[loc.id].kind != LOC_TEXT)
        return "";
    char *lines = excerpt(d, &d->loc.at[loc.id]);
    make_printable(lines);
    return lines;
}

static void report(nnc_diag *d, nnc_loc loc, const char *level, const char *fmt, va_list ap)
{
    const char *passes = "", *text = nnc_arena_vprintf(d->a, fmt, ap);
    while (loc.id && d->loc.at[loc.id].kind == LOC_PASS) {
        const struct loc *l = &d->loc.at[loc.id];
        passes = nnc_arena_printf(d->a, "%s (made by %s)", passes, l->name);
        loc.id = l->a;
    }
    if (loc.id && d->loc.at[loc.id].kind == LOC_FUSED)
        loc.id = d->parent.at[d->loc.at[loc.id].a];
    const struct loc *l = &d->loc.at[loc.id];
    const char *where = nnc_loc_text_of(d, loc), *path = "";
    if (loc.id && l->kind == LOC_NODE)
        path = nnc_arena_printf(d->a, "%s: ", l->path);
    char *line = nnc_arena_printf(d->a, "%s%s%s%s: %s%s\n%s", path, *where ? where : "nnc", passes,
                                  "", level, text, nnc_loc_excerpt(d, loc));
    make_printable(line);
    d->sink(d->user, line);
}

static bool held_back(nnc_diag *d, char level, nnc_loc loc, const char *fmt, va_list ap)
{
    if (!d->hold.n)
        return false;
    const char *text = nnc_arena_vprintf(d->a, fmt, ap);
    NNC_PUSH(d->a, &d->held, (struct held){level, loc, text});
    return true;
}

nnc_status nnc_error(nnc_diag *d, nnc_loc loc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (held_back(d, 'e', loc, fmt, ap)) {
        va_end(ap);
        return NNC_ERR;
    }
    d->muted = ++d->errors > 50;
    if (!d->muted)
        report(d, loc, "error: ", fmt, ap);
    else if (d->errors == 51)
        d->sink(d->user, "nnc: more than 50 errors, the rest is not shown\n");
    va_end(ap);
    return NNC_ERR;
}

void nnc_warning(nnc_diag *d, nnc_loc loc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!held_back(d, 'w', loc, fmt, ap)) {
        d->warnings++;
        d->muted = d->quiet;
        if (!d->muted)
            report(d, loc, "warning: ", fmt, ap);
    }
    va_end(ap);
}

void nnc_note(nnc_diag *d, nnc_loc loc, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (!held_back(d, 'n', loc, fmt, ap) && !d->muted)
        report(d, loc, "note: ", fmt, ap);
    va_end(ap);
}

void nnc_diag_hold(nnc_diag *d)
{
    NNC_PUSH(d->a, &d->hold, d->held.n);
}

unsigned nnc_diag_held(const nnc_diag *d)
{
    unsigned n = 0;
    for (uint32_t i = d->hold.n ? d->hold.at[d->hold.n - 1] : d->held.n; i < d->held.n; i++)
        n += d->held.at[i].level == 'e';
    return n;
}

void nnc_diag_release(nnc_diag *d, bool as_errors)
{
    uint32_t from = d->hold.at[--d->hold.n], n = d->held.n - from;
    struct held *h =
        nnc_arena_copy(d->a, d->held.at + from, n * sizeof *h); /* an outer hold takes them again */
    d->held.n = from;
    for (uint32_t i = 0; i < n; i++) {
        if (h[i].level == 'n')
            nnc_note(d, h[i].loc, "%s", h[i].text);
        else if (h[i].level == 'e' && as_errors)
            nnc_error(d, h[i].loc, "%s", h[i].text);
        else
            nnc_warning(d, h[i].loc, "%s", h[i].text);
    }
}

void nnc_diag_drop(nnc_diag *d)
{
    d->held.n = d->hold.at[--d->hold.n];
}

unsigned nnc_diag_errors(const nnc_diag *d)
{
    return d->errors;
}
unsigned nnc_diag_warnings(const nnc_diag *d)
{
    return d->warnings;
}

void nnc_diag_set_sink(nnc_diag *d, nnc_diag_sink sink, void *user)
{
    d->sink = sink;
    d->user = user;
}

void nnc_diag_set_quiet(nnc_diag *d, bool quiet)
{
    d->quiet = quiet;
}
