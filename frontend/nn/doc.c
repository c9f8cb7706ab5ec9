/* Reference pages from doc comments: the comment lines right above a declaration are its text.
 *
 * A page starts with the comment at the top of the file; headings `# ---- title ---` inside a file become sections.
 * What is shown of a declaration is its text up to the body. */
#include "frontend/nn/doc.h"
#include <ctype.h>
#include <string.h>

typedef struct page {
    nnc_arena *a;
    const nn_file *f;
    FILE *out;
    uint32_t next; /* comment not yet shown */
} page;

static void write_line(const page *p, const char *s, size_t n)
{
    while (n && (*s == '#' || *s == ' '))
        s++, n--;
    fprintf(p->out, "%.*s\n", (int)n, s);
}

/* `# ---- words ------` -> words */
static bool is_heading(const char *s, size_t n)
{
    return n > 6 && strncmp(s, "# ---", 5) == 0;
}

static void write_heading(const page *p, const char *s, size_t n)
{
    while (n && (*s == '#' || *s == ' ' || *s == '-'))
        s++, n--;
    while (n && (s[n - 1] == '-' || s[n - 1] == ' '))
        n--;
    if (n)
        fprintf(p->out, "\n## %.*s\n", (int)n, s);
}

/* The last comment that ends above `begin` with nothing between; *first: where its block starts. */
static bool block_above(const page *p, uint32_t begin, uint32_t *first, uint32_t *last)
{
    uint32_t n = p->f->comment.n, i = n;
    while (i > 0 && p->f->comment.at[i - 1].begin >= begin)
        i--;
    if (!i)
        return false;
    uint32_t end = begin;
    *last = i;
    while (i > 0 && p->f->comment.at[i - 1].alone) {
        const nn_comment *c = &p->f->comment.at[i - 1];
        uint32_t breaks = 0;
        for (uint32_t k = c->end; k < end; k++) {
            if (!isspace((unsigned char)p->f->text[k]))
                return i < *last ? (*first = i, true) : false;
            breaks += p->f->text[k] == '\n';
        }
        if (breaks > 1 || is_heading(p->f->text + c->begin, c->end - c->begin))
            break;
        end = c->begin;
        i--;
    }
    *first = i;
    return i < *last;
}

static void write_comments(page *p, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i < last; i++) {
        const nn_comment *c = &p->f->comment.at[i];
        write_line(p, p->f->text + c->begin, c->end - c->begin);
    }
    if (last > p->next)
        p->next = last;
}

static void headings_before(page *p, uint32_t begin)
{
    for (; p->next < p->f->comment.n && p->f->comment.at[p->next].begin < begin; p->next++) {
        const nn_comment *c = &p->f->comment.at[p->next];
        if (c->alone && is_heading(p->f->text + c->begin, c->end - c->begin))
            write_heading(p, p->f->text + c->begin, c->end - c->begin);
    }
}

/* Up to the body: `fn f[k](x: float[n]) -> float[n]`. */
static void write_signature(const page *p, const nn_ast *d)
{
    unsigned body = nn_is(d, NN_train)                       ? 3
                    : nn_is(d, NN_fn) || nn_is(d, NN_module) ? 3
                                                             : UINT32_MAX;
    uint32_t end = body == UINT32_MAX ? d->end : nn_kid(d, body)->begin;
    while (end > d->begin && (isspace((unsigned char)p->f->text[end - 1]) ||
                              p->f->text[end - 1] == '=' || p->f->text[end - 1] == '{'))
        end--;
    fprintf(p->out, "\n```\n%.*s\n```\n", (int)(end - d->begin), p->f->text + d->begin);
}

static const nn_ast *shown(const nn_ast *d)
{
    if (nn_is(d, NN_hinted))
        d = nn_kid(d, 1);
    bool show = nn_is(d, NN_fn) || nn_is(d, NN_module) || nn_is(d, NN_train) ||
                nn_is(d, NN_const_) || nn_is(d, NN_type_decl);
    return show ? d : NULL;
}

static void intro(page *p)
{
    uint32_t n = 0, first = p->f->root->nkid ? p->f->root->kid[0]->begin : (uint32_t)p->f->size;
    while (n < p->f->comment.n && p->f->comment.at[n].begin < first && p->f->comment.at[n].alone &&
           (n == 0 || p->f->comment.at[n].line == p->f->comment.at[n - 1].line + 1))
        n++;
    uint32_t from, to;
    if (p->f->root->nkid && block_above(p, first, &from, &to) && from == 0)
        return; /* it belongs to the first declaration */
    write_comments(p, 0, n);
}

void nn_doc(nnc_arena *a, const nn_file *f, const char *title, FILE *out)
{
    page p = {.a = a, .f = f, .out = out};
    fprintf(out, "# %s\n\n", title);
    intro(&p);
    for (uint32_t i = 0; i < f->root->nkid; i++) {
        const nn_ast *whole = f->root->kid[i], *d = shown(whole);
        uint32_t first, last;
        if (!d)
            continue;
        bool text = block_above(&p, whole->begin, &first, &last);
        headings_before(&p, text ? f->comment.at[first].begin : whole->begin);
        write_signature(&p, d);
        if (text)
            write_comments(&p, first, last);
    }
}

uint32_t nn_doc_missing(const nn_file *f, const nn_ast **out, uint32_t most)
{
    page p = {.f = f};
    uint32_t n = 0, first, last;
    for (uint32_t i = 0; i < f->root->nkid; i++) {
        const nn_ast *d = shown(f->root->kid[i]);
        if (!d || block_above(&p, f->root->kid[i]->begin, &first, &last))
            continue;
        if (n < most)
            out[n] = d;
        n++;
    }
    return n;
}
