/* lines("f"): an array of interned strings.  `\n` and `\r\n` end lines; the last one need not. */
#include "frontend/nn/data/data.h"
#include <regex.h>
#include <string.h>

enum { MOST_PATTERN = 200 };

static void release(void *p)
{
    regfree(p);
}

static nnc_status compile(const nn_reader *r, const char *skip, regex_t *re)
{
    char why[120];
    if (strlen(skip) > MOST_PATTERN)
        return nnc_error(r->diag, r->call, "skip has %zu characters, at most %d are supported",
                         strlen(skip), MOST_PATTERN);
    int code = regcomp(re, nnc_arena_printf(r->arena, "^(%s)", skip), REG_EXTENDED | REG_NOSUB);
    if (code) {
        regerror(code, re, why, sizeof why);
        return nnc_error(r->diag, r->call, "skip = \"%s\" is no regular expression: %s", skip, why);
    }
    nnc_arena_defer(r->arena, release, re);
    return NNC_OK;
}

nnc_status nn_lines_parse(const nn_reader *r, const nn_bytes *b, const char *skip, nn_data *out)
{
    regex_t *re = NULL;
    if (skip) {
        re = nnc_arena_alloc(r->arena, sizeof *re);
        NNC_TRY(compile(r, skip, re));
    }
    const unsigned char *zero = b->n ? memchr(b->at, 0, b->n) : NULL;
    if (zero)
        return nn_bytes_fail_at(r, b, (size_t)(zero - b->at),
                                "a zero byte: this is no text; bytes(..) reads any file");
    NNC_BUF(nnc_sym) line = {0};
    for (size_t at = 0, end; at < b->n; at = end + 1) {
        const unsigned char *nl = memchr(b->at + at, '\n', b->n - at);
        end = nl ? (size_t)(nl - b->at) : b->n;
        size_t len = end - at;
        if (len && b->at[end - 1] == '\r')
            len--;
        nnc_sym s = nnc_intern_put(r->names, (const char *)b->at + at, len);
        if (!re || regexec(re, nnc_intern_str(r->names, s), 0, NULL, 0))
            NNC_PUSH(r->arena, &line, s);
    }
    *out =
        (nn_data){.kind = NN_DATA_strings, .strings = {.rank = 1, .dim = {line.n}, .at = line.at}};
    return NNC_OK;
}
