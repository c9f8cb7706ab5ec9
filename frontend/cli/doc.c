/* nnc doc: reference pages of .nn files in Markdown, to standard output.  --check: is everything documented? */
#include "frontend/cli/cli.h"
#include "frontend/nn/doc.h"
#include <errno.h>
#include <string.h>

static char *read_all(cli *c, const char *path, size_t *size)
{
    FILE *in = fopen(path, "rb");
    NNC_BUF(char) text = {0};
    if (!in) {
        cli_fail(CLI_INPUT, "cannot read '%s': %s", path, strerror(errno));
        return NULL;
    }
    for (int ch; (ch = getc(in)) != EOF;)
        NNC_PUSH(c->arena, &text, (char)ch);
    fclose(in);
    *size = text.n;
    NNC_PUSH(c->arena, &text, (char)0);
    return text.at;
}

static int tell_missing(cli *c, const nn_file *f, nnc_intern *names)
{
    enum { MOST = 100 };
    const nn_ast *d[MOST];
    uint32_t n = nn_doc_missing(f, d, MOST);
    for (uint32_t i = 0; i < n && i < MOST; i++)
        nnc_error(c->diag, d[i]->name_loc, "'%s' has no comment above it",
                  nnc_intern_str(names, d[i]->name));
    return n ? CLI_INPUT : CLI_OK;
}

static int one(cli *c, const char *path)
{
    size_t size;
    const char *text = read_all(c, path, &size);
    if (!text)
        return CLI_INPUT;
    nn_syntax s = {.arena = c->arena, .diag = c->diag, .names = nnc_intern_new(c->arena)};
    nn_file *f;
    if (nn_parse(&s, path, text, size, &f) != NNC_OK)
        return CLI_INPUT;
    if (c->opt.check_only)
        return tell_missing(c, f, s.names);
    nn_doc(c->arena, f, path, stdout);
    return fflush(stdout) ? cli_fail(CLI_SYSTEM, "cannot write: %s", strerror(errno)) : CLI_OK;
}

int cli_doc(cli *c)
{
    int code = one(c, c->opt.file);
    for (unsigned i = 0; i < c->opt.names.n; i++) {
        int next = one(c, c->opt.names.at[i]);
        code = next > code ? next : code;
    }
    return code;
}
