/* `nnc check` on arbitrary text: parsed, traced, derivatives taken, with the library's files to import.
 *
 * Budgets keep one input within seconds.  Every error must have a place: a program whose mistake is told without one
 * aborts, like one that breaks an assertion. */
#include "frontend/nn/trace.h"
#include "passes/autodiff/autodiff.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Does a message start with path:line:column? */
static void judge(void *user, const char *text)
{
    const char *error = strstr(text, ": error: "), *end = strchr(text, '\n');
    unsigned line, column;
    (void)user;
    if (!error || (end && error > end)) /* the program's line is quoted below */
        return;
    const char *at = error;
    for (int colons = 0; at > text && colons < 2;)
        colons += *--at == ':';
    if (sscanf(at, ":%u:%u", &line, &column) != 2 && !strstr(text, ".onnx")) {
        fprintf(stderr, "a message without a place: %s\n", text);
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nnc_arena *a = nnc_arena_new();
    nnc_diag *diag = nnc_diag_new(a);
    jmp_buf out_of_memory;

    nnc_diag_set_sink(diag, judge, NULL);
    nnc_arena_recover(a, &out_of_memory);
    if (setjmp(out_of_memory) == 0) {
        nn_trace *t = nn_trace_new(a, diag, NNC_LIBRARY_DIR);
        char *text = nnc_arena_alloc(a, size + 1);
        if (size)
            memcpy(text, data, size);
        t->most_calls = 20 * 1000;
        t->most_operations = 1000 * 1000;
        t->derive = nnc_autodiff_run;
        nn_check(t, nn_load_text(t, "fuzz.nn", text, size));
    }
    nnc_arena_free(a);
    return 0;
}
