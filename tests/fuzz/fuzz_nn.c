/* Parser and formatter of .nn on arbitrary text: what is accepted must format, mean the same, and format no further. */
#include "frontend/nn/fmt.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ignore(void *user, const char *text)
{
    (void)user;
    (void)text;
}

static char *tree(const nn_syntax *s, const nn_file *f)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    nn_ast_print(s, f->root, out);
    fclose(out);
    return text;
}

static void check(nn_syntax *s, const char *data, size_t size)
{
    nn_file *f, *again;
    size_t once, twice;

    if (nn_parse(s, "fuzz.nn", data, size, &f) != NNC_OK)
        return;
    const char *text = nn_format(s, f, &once);
    if (nn_parse(s, "formatted.nn", text, once, &again) != NNC_OK)
        abort();
    char *before = tree(s, f), *after = tree(s, again);
    if (strcmp(before, after) != 0)
        abort();
    free(before);
    free(after);
    const char *more = nn_format(s, again, &twice);
    if (once != twice || memcmp(text, more, once) != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nnc_arena *a = nnc_arena_new();
    nn_syntax s = {.arena = a, .diag = nnc_diag_new(a), .names = nnc_intern_new(a)};
    jmp_buf out_of_memory;

    nnc_diag_set_sink(s.diag, ignore, NULL);
    nnc_arena_recover(a, &out_of_memory);
    if (setjmp(out_of_memory) == 0)
        check(&s, (const char *)data, size);
    nnc_arena_free(a);
    return 0;
}
