/* The assembler includes the files; no generator, no copy in the build folder. */
#include "frontend/cli/runtime_source.h"

/* FILE(symbol, name, use) */
#define RUNTIME_FILES                                   \
    FILE_OF(npy_c, "npy.c", BOTH)                       \
    FILE_OF(npy_h, "npy.h", BOTH)                       \
    FILE_OF(program_c, "program.c", MODEL)              \
    FILE_OF(program_h, "program.h", MODEL)              \
    FILE_OF(host_h, "host.h", EXPERIMENT)               \
    FILE_OF(chart_c, "chart.c", EXPERIMENT)             \
    FILE_OF(chart_h, "chart.h", EXPERIMENT)             \
    FILE_OF(claim_c, "claim.c", EXPERIMENT)             \
    FILE_OF(file_c, "file.c", EXPERIMENT)               \
    FILE_OF(file_h, "file.h", EXPERIMENT)               \
    FILE_OF(format_c, "format.c", EXPERIMENT)           \
    FILE_OF(format_h, "format.h", EXPERIMENT)           \
    FILE_OF(leaves_h, "leaves.h", EXPERIMENT)           \
    FILE_OF(main_c, "main.c", EXPERIMENT)               \
    FILE_OF(mpi_rank_c, "mpi_rank.c", EXPERIMENT)       \
    FILE_OF(mpi_rank_h, "mpi_rank.h", EXPERIMENT)       \
    FILE_OF(npz_c, "npz.c", EXPERIMENT)                 \
    FILE_OF(plot_c, "plot.c", EXPERIMENT)               \
    FILE_OF(print_c, "print.c", EXPERIMENT)             \
    FILE_OF(results_c, "results.c", EXPERIMENT)         \
    FILE_OF(safetensors_c, "safetensors.c", EXPERIMENT) \
    FILE_OF(save_c, "save.c", EXPERIMENT)               \
    FILE_OF(scale_c, "scale.c", EXPERIMENT)             \
    FILE_OF(scale_h, "scale.h", EXPERIMENT)             \
    FILE_OF(seconds_c, "seconds.c", EXPERIMENT)         \
    FILE_OF(session_c, "session.c", EXPERIMENT)         \
    FILE_OF(session_h, "session.h", EXPERIMENT)         \
    FILE_OF(sweep_c, "sweep.c", EXPERIMENT)             \
    FILE_OF(table_c, "table.c", EXPERIMENT)             \
    FILE_OF(text_c, "text.c", EXPERIMENT)               \
    FILE_OF(text_h, "text.h", EXPERIMENT)               \
    FILE_OF(value_c, "value.c", EXPERIMENT)             \
    FILE_OF(value_h, "value.h", EXPERIMENT)             \
    FILE_OF(zip_c, "zip.c", EXPERIMENT)                 \
    FILE_OF(zip_h, "zip.h", EXPERIMENT)

enum { MODEL = RUNTIME_MODEL, EXPERIMENT = RUNTIME_EXPERIMENT, BOTH = MODEL | EXPERIMENT };

#define FILE_OF(symbol, file, use)                                                       \
    __asm__(".section .rodata\nnnc_rt_" #symbol ":\n.incbin \"" NNC_RUNTIME_DIR "/" file \
            "\"\nnnc_rt_" #symbol "_end:\n.byte 0\n.previous\n");                        \
    extern const char nnc_rt_##symbol[], nnc_rt_##symbol##_end[];
RUNTIME_FILES
#undef FILE_OF

runtime_file runtime_file_at(int i)
{
    static const struct {
        const char *name, *text, *end;
        int use;
    } row[] = {
#define FILE_OF(symbol, file, use) {file, nnc_rt_##symbol, nnc_rt_##symbol##_end, use},
        RUNTIME_FILES
#undef FILE_OF
    };
    if (i < 0 || i >= (int)(sizeof row / sizeof row[0]))
        return (runtime_file){NULL, NULL, 0, 0};
    return (runtime_file){row[i].name, row[i].text, (size_t)(row[i].end - row[i].text), row[i].use};
}
