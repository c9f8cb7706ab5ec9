/* The assembler includes the files; no generator, no copy in the build folder. */
#include "frontend/cli/runtime_source.h"

#define EMBED(symbol, file)                                                                      \
    __asm__(".section .rodata\n" #symbol ":\n.incbin \"" NNC_RUNTIME_DIR "/" file "\"\n" #symbol \
            "_end:\n.byte 0\n.previous\n");                                                      \
    extern const char symbol[], symbol##_end[]

EMBED(nnc_rt_npy_c, "npy.c");
EMBED(nnc_rt_npy_h, "npy.h");
EMBED(nnc_rt_program_c, "program.c");
EMBED(nnc_rt_program_h, "program.h");

runtime_file runtime_file_at(int i)
{
    switch (i) {
    case 0: return (runtime_file){"npy.c", nnc_rt_npy_c, (size_t)(nnc_rt_npy_c_end - nnc_rt_npy_c)};
    case 1: return (runtime_file){"npy.h", nnc_rt_npy_h, (size_t)(nnc_rt_npy_h_end - nnc_rt_npy_h)};
    case 2:
        return (runtime_file){"program.c", nnc_rt_program_c,
                              (size_t)(nnc_rt_program_c_end - nnc_rt_program_c)};
    default:
        return (runtime_file){"program.h", nnc_rt_program_h,
                              (size_t)(nnc_rt_program_h_end - nnc_rt_program_h)};
    }
}
