/* nnc fmt: set .nn files in the one style, in place.
 *
 * A file with mistakes is reported and left alone, the others are still formatted.  The new text is checked before it
 * is written: it must parse, or the old one stays.  `-` reads standard input and prints, for editors. */
#include "frontend/cli/cli.h"
#include "frontend/nn/fmt.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static char *read_stream(cli *c, FILE *in, size_t *size)
{
    size_t room = 1 << 16;
    char *text = nnc_arena_alloc(c->arena, room);
    *size = 0;
    for (size_t n; (n = fread(text + *size, 1, room - *size, in)) > 0;)
        if ((*size += n) == room) {
            char *more = nnc_arena_alloc(c->arena, room *= 2);
            memcpy(more, text, *size);
            text = more;
        }
    return text;
}

/* NULL after a message. */
static char *read_file(cli *c, const char *path, size_t *size)
{
    struct stat st;
    if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
        cli_fail(CLI_INPUT, "'%s' is a folder, not a .nn file", path);
        return NULL;
    }
    FILE *in = fopen(path, "rb");
    char *text = in ? read_stream(c, in, size) : NULL;
    if (!in || ferror(in)) {
        cli_fail(CLI_INPUT, "cannot read '%s': %s", path, strerror(errno));
        text = NULL;
    }
    if (in)
        fclose(in);
    return text;
}

/* The new text, or NULL after messages. */
static const char *formatted(cli *c, const char *path, const char *text, size_t size, size_t *out)
{
    nn_syntax s = {.arena = c->arena, .diag = c->diag, .names = nnc_intern_new(c->arena)};
    nn_file *f, *again;
    if (nn_parse(&s, path, text, size, &f) != NNC_OK)
        return NULL;
    const char *t = nn_format(&s, f, out);
    if (nn_parse(&s, "formatted text", t, *out, &again) != NNC_OK) {
        cli_fail(CLI_SYSTEM, "'%s' is left as it was: its formatted text has mistakes", path);
        return NULL;
    }
    return t;
}

static int replace(cli *c, const char *path, const char *text, size_t size)
{
    struct stat st;
    const char *temp;
    char *real = realpath(path, NULL); /* a link stays one */
    FILE *out = cli_create(c, real ? real : path, &temp);
    if (out && !stat(path, &st))
        chmod(temp, st.st_mode & 07777);
    free(real);
    if (!out)
        return CLI_SYSTEM;
    bool written = fwrite(text, 1, size, out) == size;
    if (fclose(out) || !written)
        return cli_fail(CLI_SYSTEM, "cannot write '%s': %s", path, strerror(errno));
    return cli_commit(c);
}

static int format_input(cli *c)
{
    size_t size, n;
    const char *text = read_stream(c, stdin, &size);
    const char *t = formatted(c, "<stdin>", text, size, &n);
    if (!t)
        return CLI_INPUT;
    if (c->opt.check_only)
        return n == size && !memcmp(t, text, n) ? CLI_OK : CLI_INPUT;
    return fwrite(t, 1, n, stdout) == n && !fflush(stdout) ? CLI_OK : CLI_SYSTEM;
}

static int format_file(cli *c, const char *path)
{
    size_t size, n;
    if (!strcmp(path, "-"))
        return format_input(c);
    const char *text = read_file(c, path, &size);
    const char *t = text ? formatted(c, path, text, size, &n) : NULL;
    if (!t)
        return CLI_INPUT;
    if (n == size && !memcmp(t, text, n))
        return CLI_OK;
    if (c->opt.check_only) {
        printf("%s: not formatted; see nnc fmt\n", path);
        return CLI_INPUT;
    }
    return replace(c, path, t, n);
}

int cli_fmt(cli *c)
{
    int code = format_file(c, c->opt.file);
    for (unsigned i = 0; i < c->opt.names.n; i++) {
        int next = format_file(c, c->opt.names.at[i]);
        code = next > code ? next : code;
    }
    return code;
}
