/* tests/codegen/c/emitted.h - run a module twice: in the K interpreter and as emitted C, and compare.
 *
 * The C is written to a folder of its own, compiled with the strict flags and a small driver, and run as a process that
 * reads all inputs from one file and writes all outputs to another. */
#ifndef NNC_TESTS_CODEGEN_C_EMITTED_H
#define NNC_TESTS_CODEGEN_C_EMITTED_H
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "codegen/emit.h"
#include "ir/eval.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "tests/test.h"

typedef struct emitted {
    nnc_arena *a;
    nnc_module *m;
    char dir[64];
    unsigned n, nin;
    /* of the entry: inputs, then outputs; sizes in elements of the types' upper bounds */
    nnc_kernel_arg *arg;
} emitted;

static inline emitted emitted_new(void)
{
    emitted e = {.a = nnc_arena_new()};
    e.m = nnc_module_new(e.a, nnc_diag_new(e.a));
    return e;
}

/* xorshift: the same inputs everywhere */
static uint64_t emitted_seed = 88172645463325252u;
static inline uint64_t emitted_random(void)
{
    emitted_seed ^= emitted_seed << 13;
    emitted_seed ^= emitted_seed >> 7;
    return emitted_seed ^= emitted_seed << 17;
}

/* Bits of a dtype: often a special or a small number. */
static inline uint64_t emitted_bits(nnc_dtype dt)
{
    static const double special[] = {0,   -0.0, 1,     -1,           INFINITY,      -INFINITY, NAN,
                                     0.5, -0.5, 1.5,   2.5,          127,           128,       -128,
                                     255, 256,  65504, 2147483648.0, -2147483904.0, 1e-40};
    uint64_t r = emitted_random();
    nnc_num v = {0, (int64_t)(r >> 8)};
    if (nnc_dtype_is_float(dt)) {
        v.f = r % 4 == 0   ? special[(r >> 8) % 20]
              : r % 4 == 1 ? (double)((int64_t)(r >> 8) % 1000)
                           : ((double)(r >> 11) / 9007199254740992.0 - 0.5) * 8;
        return nnc_num_bits(dt, v);
    }
    if (r % 3 == 0)
        v.i = (int64_t)(r >> 20) % 7 - 3;
    else if (r % 7 == 1)
        v.i = (int64_t)(UINT64_C(1) << (nnc_dtype_infos[dt].bits - 1));
    return nnc_num_bits(dt, v);
}

/* Memory for the entry's arguments, inputs filled. */
static inline void emitted_arguments(emitted *e, nnc_op entry)
{
    nnc_block b = nnc_op_region(e->m, entry, 0);
    unsigned nrole;
    const int64_t *role = nnc_attr_ints(e->m, entry, NNC_W_role, &nrole);
    e->n = nnc_block_narg(e->m, b);
    e->nin = 0;
    e->arg = nnc_arena_array(e->a, e->n, sizeof *e->arg);
    for (unsigned i = 0; i < e->n; i++) {
        nnc_value v = nnc_block_arg(e->m, b, i);
        nnc_dtype dt = (nnc_dtype)nnc_value_ty(e->m, v)->dtype;
        e->arg[i].bytes = (size_t)nnc_type_bytes(e->m, nnc_value_type(e->m, v));
        e->arg[i].buf = nnc_arena_alloc(e->a, e->arg[i].bytes);
        e->nin += role[i] == 0;
        for (size_t k = 0; role[i] == 0 && k < e->arg[i].bytes / nnc_dtype_bytes(dt); k++)
            nnc_num_store(dt, (char *)e->arg[i].buf + k * nnc_dtype_bytes(dt),
                          nnc_num_of_bits(dt, emitted_bits(dt)));
    }
}

static inline char *emitted_path(const emitted *e, const char *name)
{
    return nnc_arena_printf(e->a, "%s/%s", e->dir, name);
}

/* Emit net.c and net.h and a driver. */
static inline bool emitted_write(emitted *e, const char *target, bool portable)
{
    nnc_emit_options o = {
        .name = "net", .target = nnc_target_by_name(target), .portable = portable};
    const nnc_interface *f = nnc_interface_of(e->m, &o);
    strcpy(e->dir, "/tmp/nnc-emitted-XXXXXX");
    if (!f || !mkdtemp(e->dir))
        return false;
    FILE *c = fopen(emitted_path(e, "net.c"), "w"), *h = fopen(emitted_path(e, "net.h"), "w"),
         *d = fopen(emitted_path(e, "driver.c"), "w");
    bool ok = nnc_emit_c(e->m, &o, c, h, NULL) == NNC_OK;
    fprintf(d, "#include <stdio.h>\n#include <stdlib.h>\n#include \"net.h\"\nint main(void)\n{\n   "
               " FILE *in = fopen(\"in\", \"rb\"), *out = fopen(\"out\", \"wb\");\n"
               "    net_inputs i;\n    net_outputs o;\n    void *w = NULL;\n    int r;\n    if "
               "(posix_memalign(&w, NET_WORKSPACE_ALIGN, NET_WORKSPACE_BYTES)) return 9;\n");
    for (uint32_t k = 0; k < f->ninput; k++)
        fprintf(d,
                "    { void *p = malloc(%llu); if (fread(p, 1, %llu, in) != %llu) return 8; i.%s = "
                "p; }\n",
                (unsigned long long)f->input[k].bytes, (unsigned long long)f->input[k].bytes,
                (unsigned long long)f->input[k].bytes, f->input[k].field);
    for (uint32_t k = 0; k < f->noutput; k++)
        fprintf(d, "    o.%s = malloc(%llu);\n", f->output[k].field,
                (unsigned long long)f->output[k].bytes);
    fprintf(d, "    r = net_run(&i, &o, w);\n");
    for (uint32_t k = 0; k < f->noutput; k++)
        fprintf(d, "    fwrite(o.%s, 1, %llu, out); free(o.%s);\n", f->output[k].field,
                (unsigned long long)f->output[k].bytes, f->output[k].field);
    for (uint32_t k = 0; k < f->ninput; k++)
        fprintf(d, "    free((void *)i.%s);\n", f->input[k].field);
    fprintf(d, "    free(w);\n    return fclose(out) ? 7 : r;\n}\n");
    FILE *in = fopen(emitted_path(e, "in"), "wb");
    for (unsigned k = 0; k < e->nin; k++)
        fwrite(e->arg[k].buf, 1, e->arg[k].bytes, in);
    return ok & !fclose(c) & !fclose(h) & !fclose(d) & !fclose(in);
}

/* Compile with "gcc -O2" and the like, run, and give all output bytes; they are NULL when the compiler is missing. */
static inline bool emitted_run(emitted *e, const char *compiler, const char **out)
{
    char *command = nnc_arena_printf(
        e->a,
        "cd %s && command -v $(echo %s | cut -d' ' -f1) >/dev/null || exit 77; cd %s && %s "
        "-std=c99 -pedantic -Wall -Wextra -Wconversion -Wshadow -Werror -c net.c -o net.o && "
        "%s -w driver.c net.o -o run -lm && ./run",
        e->dir, compiler, e->dir, compiler, compiler);
    size_t n;
    int status = system(command);
    *out = NULL;
    if (status != -1 && status >> 8 == 77)
        return true;
    if (status)
        printf("%s: status %d in %s\n", compiler, status >> 8, e->dir);
    char *bytes = status == 0 ? test_read_file(emitted_path(e, "out"), &n) : NULL;
    nnc_arena_defer(e->a, free, bytes);
    *out = bytes;
    return bytes != NULL;
}

static inline void emitted_drop(emitted *e)
{
    if (*e->dir && !getenv("KEEP_EMITTED"))
        (void)!system(nnc_arena_printf(e->a, "rm -rf %s", e->dir));
    nnc_arena_free(e->a);
}

/* Distance in units in the last place of f32 (or f64); 0 for equal values and two NaNs. */
static inline double emitted_ulp(nnc_dtype dt, double x, double y)
{
    int e;
    if ((isnan(x) && isnan(y)) || x == y)
        return 0;
    if (isnan(x) || isnan(y) || isinf(x) || isinf(y))
        return 1e30;
    (void)frexp(fmax(fabs(x), fabs(y)), &e);
    int bits = dt == NNC_DT_f64 ? 53 : 24, least = dt == NNC_DT_f64 ? -1074 : -149;
    double unit = ldexp(1, e - bits > least ? e - bits : least);
    return fabs(x - y) / unit;
}
#endif
