/* The ONNX reader on arbitrary bytes: load and check, import when that worked, verify what came out.
 *
 * Diagnostics are collected, not printed.  An accepted model whose graph does not verify is a bug of
 * the importer, so it aborts. */
#include "frontend/onnx/import.h"
#include "ir/verify.h"
#include <stdlib.h>

static void ignore(void *user, const char *text)
{
    (void)user;
    (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nnc_arena *a = nnc_arena_new();
    nnc_diag *diag = nnc_diag_new(a);
    nnc_onnx_model *model;
    nnc_onnx_options options = {0};
    jmp_buf out_of_memory;

    nnc_diag_set_sink(diag, ignore, NULL);
    nnc_arena_recover(a, &out_of_memory);
    if (setjmp(out_of_memory) == 0 &&
        nnc_onnx_load_bytes(a, diag, "fuzz.onnx", data, size, &model) == NNC_OK) {
        nnc_module *m = nnc_module_new(a, diag);
        if (nnc_onnx_import_model(m, model, &options) == NNC_OK && nnc_verify(m) != NNC_OK)
            abort();
    }
    nnc_arena_free(a);
    return 0;
}
