/* The readers of data on arbitrary bytes: the first byte chooses the format, the rest is the file. */
#include "frontend/nn/data/data.h"

static void ignore(void *user, const char *text)
{
    (void)user;
    (void)text;
}

static void read_one(const nn_reader *r, unsigned format, nn_bytes *b)
{
    static const nn_column columns[] = {{.name = {1}, .end = 2, .range = true},
                                        {.name = {1}, .first = 1, .end = 2}};
    nn_table_options o = {.separator = format & 1 ? ',' : '\t', .header = (format & 2) != 0};
    nn_data d;
    if (format & 4) {
        o.n = 2;
        o.column = columns;
    }
    switch (format >> 3 & 7) {
    case 0: (void)!nn_idx_parse(r, b, &d); break;
    case 1: (void)!nn_npy_parse(r, b, &d); break;
    case 2: (void)!nn_npz_parse(r, b, &d); break;
    case 3: (void)!nn_safetensors_parse(r, b, &d); break;
    case 4: (void)!nn_json_parse(r, b, &d); break;
    case 5: (void)!nn_lines_parse(r, b, "[#@]", &d); break;
    case 6: (void)!nn_bytes_unpack(r, b); break;
    default: (void)!nn_table_parse(r, b, &o, &d);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    nnc_arena *a = nnc_arena_new();
    nn_reader r = {.arena = a, .diag = nnc_diag_new(a), .names = nnc_intern_new(a), .dir = ""};
    jmp_buf out_of_memory;

    nnc_diag_set_sink(r.diag, ignore, NULL);
    nnc_arena_recover(a, &out_of_memory);
    if (size && setjmp(out_of_memory) == 0) {
        nn_bytes b = {"fuzz", data + 1, size - 1};
        nnc_intern_put(r.names, "x", 1);
        read_one(&r, data[0], &b);
    }
    nnc_arena_free(a);
    return 0;
}
