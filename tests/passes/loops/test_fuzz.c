/* Random programs of loops and branches, in four ways that must agree: the G interpreter, the K interpreter after all
 * passes (each of which is validated as well), and emitted C from several compilers, one of them with sanitizers.
 *
 * NNC_FUZZ_PROGRAMS=n and NNC_FUZZ_SEED=n ask for more, and for others. */
#include <math.h>
#include <unistd.h>
#include "codegen/emit.h"
#include "ir/eval.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "passes/pass.h"
#include "tests/passes/loops/mix.h"
#include "tests/passes/loops/program.h"
#include "tests/test.h"

enum { PROGRAMS = 24, BATCH = 24, MAX_OUT = 16, SIZE = 4 };

static char dir[64];

static void quiet(void *user, const char *text)
{
    char *said = user;

    if (strlen(said) + strlen(text) < 4000)
        strcat(said, text);
}

static int graph_host(void *context, int id, void *const *data, const int64_t *const *dim)
{
    (void)dim;
    return mix(context, id, data);
}

static nnc_num draw(uint64_t *s, nnc_dtype dt)
{
    nnc_num n = {0, 0};

    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    n.i = (int64_t)(*s >> 20) % 9 - 2;
    n.f = (double)n.i * 0.5;
    return nnc_num_of_bits(dt, nnc_num_bits(dt, n));
}

static bool agrees(const nnc_tensor *want, const char *got)
{
    size_t step = nnc_dtype_bytes(want->dtype);

    for (int64_t i = 0, n = nnc_tensor_count(want); i < n; i++) {
        nnc_num a = nnc_num_load(want->dtype, (const char *)want->data + (size_t)i * step),
                b = nnc_num_load(want->dtype, got + (size_t)i * step);
        if (nnc_dtype_is_float(want->dtype) ? fabs(a.f - b.f) > 1e-4 * (1 + fabs(a.f)) : a.i != b.i)
            return false;
    }
    return true;
}

typedef struct program {
    nnc_arena *a;
    uint64_t seed;
    nnc_module *m;
    unsigned nin, nout;
    nnc_tensor in[16], want[MAX_OUT];
    bool hosts, ok;
    char said[4096];
} program;

static FILE *file(const char *format, uint64_t seed, const char *mode)
{
    char path[160], name[64];

    (void)snprintf(name, sizeof name, format, (unsigned long long)seed);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return fopen(path, mode);
}

static void make_inputs(program *p, nnc_op graph)
{
    nnc_block b = nnc_op_region(p->m, graph, 0);
    uint64_t s = p->seed * 77 + 5;

    p->nin = nnc_block_narg(p->m, b);
    p->nout = nnc_op_nin(p->m, nnc_block_last(p->m, b));
    for (unsigned i = 0; i < p->nin; i++) {
        nnc_type_rec ty = *nnc_value_ty(p->m, nnc_block_arg(p->m, b, i));
        int64_t dim[NNC_MAX_RANK];
        for (int d = 0; d < ty.rank; d++)
            dim[d] = ty.dim[d] < 0 ? SIZE : ty.dim[d];
        p->in[i] = nnc_tensor_new(p->a, (nnc_dtype)ty.dtype, ty.rank, dim);
        for (int64_t k = 0; k < nnc_tensor_count(&p->in[i]); k++)
            nnc_num_store(p->in[i].dtype,
                          (char *)p->in[i].data + (size_t)k * nnc_dtype_bytes(p->in[i].dtype),
                          draw(&s, p->in[i].dtype));
    }
}

/* The entry kernel on the same inputs. */
static bool kernel_agrees(program *p)
{
    nnc_op k = nnc_func_entry(p->m, NNC_OP_kernel);
    nnc_block b = nnc_op_region(p->m, k, 0);
    unsigned nrole, n = nnc_block_narg(p->m, b), nin = 0, nout = 0;
    const int64_t *role = nnc_attr_ints(p->m, k, NNC_W_role, &nrole);
    nnc_kernel_arg *arg = nnc_arena_array(p->a, n + 1u, sizeof *arg);
    char *out[MAX_OUT];
    uint64_t seen = 0;
    nnc_interp_options o = {.call = graph_host, .context = &seen};

    for (unsigned i = 0; i < n; i++) {
        nnc_type t = nnc_value_type(p->m, nnc_block_arg(p->m, b, i));
        if (role[i] == 0) {
            size_t bytes = nnc_tensor_bytes(&p->in[nin]);
            arg[i] = (nnc_kernel_arg){nnc_arena_copy(p->a, p->in[nin++].data, bytes), bytes, 0};
        } else if (role[i] == 1) {
            size_t bytes = (size_t)nnc_type_bytes(p->m, t);
            arg[i] = (nnc_kernel_arg){out[nout++] = nnc_arena_alloc(p->a, bytes), bytes, 0};
        } else {
            arg[i].idx = SIZE;
        }
    }
    if (nnc_interp_kernel_with(p->m, k, p->a, n, arg, &o) != NNC_OK)
        return false;
    for (unsigned i = 0; i < p->nout; i++)
        if (!agrees(&p->want[i], out[i]))
            return false;
    return true;
}

static bool emit(program *p)
{
    nnc_emit_options o = {.name = nnc_arena_printf(p->a, "p%llu", (unsigned long long)p->seed),
                          .target = nnc_target_by_name("avx2")};
    FILE *c = file("p%llu.c", p->seed, "w"), *h = file("p%llu.h", p->seed, "w"),
         *d = file("d%llu.inc", p->seed, "w"), *in = file("in%llu", p->seed, "wb");
    const nnc_interface *f = nnc_interface_of(p->m, &o);
    bool ok = f && nnc_emit_c(p->m, &o, c, h, NULL) == NNC_OK;
    const char *upper = nnc_arena_printf(p->a, "P%llu", (unsigned long long)p->seed);

    fprintf(d, "static void run_%s(void)\n{\n    %s_inputs i;\n    %s_outputs o;\n", o.name, o.name,
            o.name);
    fprintf(d, "    FILE *in = fopen(\"in%llu\", \"rb\"), *out = fopen(\"out%llu\", \"wb\");\n",
            (unsigned long long)p->seed, (unsigned long long)p->seed);
    fprintf(d, "    void *w = malloc(%s_WORKSPACE_BYTES);\n    int status;\n", upper);
    if (p->hosts)
        fprintf(d,
                "    uint64_t seen = 0;\n    %s_host host = {&seen, "
                "call};\n    i.host = &host;\n",
                o.name);
    for (uint32_t k = 0; ok && k < f->nsymbol; k++)
        fprintf(d, "    i.%s = %d;\n", f->symbol[k].field, SIZE);
    for (uint32_t k = 0; ok && k < f->ninput; k++) {
        size_t bytes = nnc_tensor_bytes(&p->in[k]);
        fprintf(d, "    i.%s = get(in, %zu);\n", f->input[k].field, bytes);
        fwrite(p->in[k].data, 1, bytes, in);
    }
    for (uint32_t k = 0; ok && k < f->noutput; k++)
        fprintf(d, "    o.%s = malloc(%llu);\n", f->output[k].field,
                (unsigned long long)f->output[k].bytes + 1);
    fprintf(d,
            "    status = %s_run(&i, &o, w);\n    if (status) printf(\"%s: status %%d\\n\", "
            "status);\n",
            o.name, o.name);
    for (uint32_t k = 0; ok && k < f->noutput; k++)
        fprintf(d, "    fwrite(o.%s, 1, %zu, out);\n    free(o.%s);\n", f->output[k].field,
                nnc_tensor_bytes(&p->want[k]), f->output[k].field);
    for (uint32_t k = 0; ok && k < f->ninput; k++)
        fprintf(d, "    free((void *)i.%s);\n", f->input[k].field);
    fprintf(d, "    free(w);\n    fclose(in);\n    fclose(out);\n}\n");
    return ok & !fclose(c) & !fclose(h) & !fclose(d) & !fclose(in);
}

static bool has_host(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_host)
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (has_host(m, nnc_op_region(m, op, r)))
                return true;
    }
    return false;
}

static bool prepare(program *p)
{
    char *text = pr_program(p->seed, p->seed % 2, p->seed / 2 % 2); /* diagnostics quote it */
    uint64_t seen = 0;
    nnc_interp_options o = {.call = graph_host, .context = &seen};
    nnc_options opt = {.target = nnc_target_by_name("avx2"), .check = true, .check_seed = 7};
    nnc_op graph;
    bool ok;

    p->a = nnc_arena_new();
    nnc_arena_defer(p->a, free, text);
    p->m = nnc_module_new(p->a, nnc_diag_new(p->a));
    nnc_diag_set_sink(p->m->diag, quiet, p->said);
    ok = nnc_read_module(p->m, "program.ir", text, strlen(text), ".") == NNC_OK;
    if (!ok || !(graph = nnc_func_entry(p->m, NNC_OP_graph)).id)
        return false;
    make_inputs(p, graph);
    if (nnc_interp_graph_with(p->m, graph, p->a, p->nin, p->in, p->nout, p->want, &o) != NNC_OK)
        return false;
    if (nnc_passes_run(p->m, &opt) != NNC_OK)
        return false;
    p->hosts = has_host(p->m, nnc_op_region(p->m, nnc_func_entry(p->m, NNC_OP_kernel), 0));
    if (!kernel_agrees(p)) {
        strcat(p->said, "the K interpreter disagrees\n");
        return false;
    }
    return emit(p);
}

static void driver(const program *p, int n)
{
    FILE *d = file("driver.c", 0, "w");

    fprintf(d, "#include <stdio.h>\n#include <stdlib.h>\n#include \"mix.h\"\n"
               "static int call(void *c, int id, void *const *data, const size_t *const *dim)\n"
               "{\n    (void)dim;\n    return mix(c, id, data);\n}\n"
               "static void *get(FILE *f, size_t n)\n{\n    void *p = malloc(n + 1);\n"
               "    if (fread(p, 1, n, f) != n) exit(9);\n    return p;\n}\n");
    for (int i = 0; i < n; i++)
        if (p[i].ok)
            fprintf(d, "#include \"p%llu.h\"\n#include \"d%llu.inc\"\n",
                    (unsigned long long)p[i].seed, (unsigned long long)p[i].seed);
    fprintf(d, "int main(void)\n{\n    (void)call;\n    (void)get;\n");
    for (int i = 0; i < n; i++)
        if (p[i].ok)
            fprintf(d, "    run_p%llu();\n", (unsigned long long)p[i].seed);
    fprintf(d, "    return 0;\n}\n");
    fclose(d);
}

static void compare(program *p, const char *compiler)
{
    char path[128];
    size_t size = 0, at = 0;

    (void)snprintf(path, sizeof path, "%s/out%llu", dir, (unsigned long long)p->seed);
    char *got = test_read_file(path, &size);
    for (unsigned i = 0; i < p->nout; i++) {
        size_t bytes = nnc_tensor_bytes(&p->want[i]);
        bool ok = got && at + bytes <= size && agrees(&p->want[i], got + at);
        if (!test_true(ok, "C that agrees with the interpreter", __FILE__, __LINE__))
            printf("program %llu, output %u, %s\n", (unsigned long long)p->seed, i, compiler);
        at += bytes;
    }
    free(got);
}

static void compile_and_compare(program *p, int n)
{
    static const char *const compilers[] = {
        "gcc -O0", "gcc -O2 -march=native", "clang -O2",
        "gcc -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"};
    char command[1024];

    driver(p, n);
    for (size_t c = 0; c < sizeof compilers / sizeof *compilers; c++) {
        (void)snprintf(command, sizeof command,
                       "cd %s && command -v $(echo %s | cut -d' ' -f1) >/dev/null || exit 77; cd "
                       "%s && rm -f *.o out* && for f in p*.c; do %s -std=c99 -pedantic -Wall "
                       "-Wextra -Wconversion -Wshadow -Werror -c $f || exit 1; done && %s -w "
                       "-I%s/passes/loops driver.c *.o -o run -lm && ./run",
                       dir, compilers[c], dir, compilers[c], compilers[c], NNC_TESTS_DIR);
        int status = system(command);
        if (status != -1 && status >> 8 == 77)
            continue;
        if (!test_true(status == 0, "C that compiles and runs", __FILE__, __LINE__)) {
            printf("%s: status %d in %s\n", compilers[c], status, dir);
            continue;
        }
        for (int i = 0; i < n; i++)
            if (p[i].ok)
                compare(&p[i], compilers[c]);
    }
}

static uint64_t number(const char *name, uint64_t dflt)
{
    const char *s = getenv(name);

    return s && *s ? strtoull(s, NULL, 10) : dflt;
}

static void random_programs(void)
{
    uint64_t n = number("NNC_FUZZ_PROGRAMS", PROGRAMS), seed = number("NNC_FUZZ_SEED", 1);
    static program p[BATCH];

    for (uint64_t at = 0; at < n; at += BATCH) {
        int count = n - at < BATCH ? (int)(n - at) : BATCH;
        char command[96];
        strcpy(dir, "/tmp/nnc-loops-XXXXXX");
        REQUIRE(mkdtemp(dir) != NULL);
        for (int i = 0; i < count; i++) {
            memset(&p[i], 0, sizeof p[i]);
            p[i].seed = seed + at + (uint64_t)i;
            p[i].ok = prepare(&p[i]);
            if (!test_true(p[i].ok, "a program that compiles", __FILE__, __LINE__))
                printf("program %llu: %s\n", (unsigned long long)p[i].seed, p[i].said);
        }
        int before = test_state.failures;
        compile_and_compare(p, count);
        for (int i = 0; i < count; i++)
            nnc_arena_free(p[i].a);
        (void)snprintf(command, sizeof command, "rm -rf %s", dir);
        if (test_state.failures == before && !getenv("KEEP_EMITTED"))
            (void)!system(command);
    }
}

int main(void)
{
    RUN(random_programs);
    return test_end();
}
