/* The IR text reader on arbitrary text: what it accepts must print, read again and print the same. */
#include "ir/text.h"
#include "ir/verify.h"
#include <stdlib.h>
#include <string.h>

static void ignore(void *user, const char *text)
{
    (void)user;
    (void)text;
}

static char *print(const nnc_module *m, size_t *size)
{
    nnc_print_options options = {.inline_weights = true};
    char *text = NULL;
    FILE *out = open_memstream(&text, size);

    nnc_print_module(m, out, &options);
    fclose(out);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nnc_arena *a = nnc_arena_new();
    nnc_diag *diag = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, diag), *again = nnc_module_new(a, diag);
    char *first = NULL, *second = NULL;
    size_t first_size, second_size;
    jmp_buf out_of_memory;

    nnc_diag_set_sink(diag, ignore, NULL);
    nnc_arena_recover(a, &out_of_memory);
    if (setjmp(out_of_memory) == 0 &&
        nnc_read_module(m, "fuzz.ir", (const char *)data, size, NULL) == NNC_OK &&
        nnc_verify(m) == NNC_OK) {
        first = print(m, &first_size);
        if (nnc_read_module(again, "again.ir", first, first_size, NULL) != NNC_OK)
            abort();
        second = print(again, &second_size);
        if (strcmp(first, second) != 0)
            abort();
    }
    free(first);
    free(second);
    nnc_arena_free(a);
    return 0;
}
