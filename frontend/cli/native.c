/* Native programs: every graph is extracted, lowered and emitted as a C file of its own; the tables and a small function
 * per graph become the main file; runtime/ comes along as source.
 *
 * Several compilers run at once.  Finished programs, and the objects of the runtime, are kept in a cache under the hash of
 * everything that went into them: the text of the files, the compiler and its flags. */
#include "frontend/cli/native.h"
#include "frontend/cli/jobs.h"
#include "frontend/cli/runtime_source.h"
#include "ir/extract.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct building {
    cli *c;
    nn_trace *t;
    nn_tables *d;
    const char *dir;
    size_t *workspace;
    FILE *main;
    const char *cc, *cflags, *defines;
    bool mpi, assembly; /* assembly: .S files with large data */
    uint64_t hash;
} building;

static FILE *create(building *b, const char *name)
{
    const char *path = nnc_arena_printf(b->c->arena, "%s/%s", b->dir, name);
    FILE *f = fopen(path, "w+b");
    if (!f)
        cli_fail(CLI_SYSTEM, "cannot write '%s': %s", path, strerror(errno));
    return f;
}

/* Close a file; its bytes go into the hash. */
static int finish(building *b, FILE *f)
{
    char buffer[65536];
    rewind(f);
    for (size_t n; (n = fread(buffer, 1, sizeof buffer, f)) > 0;)
        b->hash = nnc_hash(buffer, n, b->hash);
    bool bad = ferror(f) != 0;
    return fclose(f) || bad
               ? cli_fail(CLI_SYSTEM, "cannot write to '%s': %s", b->dir, strerror(errno))
               : CLI_OK;
}

/* Bytes of a file as a symbol of the program. */
static int incbin(building *b, const char *symbol, const char *file)
{
    FILE *f = create(b, nnc_arena_printf(b->c->arena, "%s.S", symbol));
    if (!f)
        return CLI_SYSTEM;
    fprintf(f,
            ".section .rodata\n.balign 64\n.globl %s\n%s:\n.incbin \"%s\"\n.section "
            ".note.GNU-stack,\"\"\n",
            symbol, symbol, file);
    b->assembly = true;
    return finish(b, f);
}

/* ---- one graph ---- */

static bool calls_host(const nnc_module *m, nnc_block block)
{
    for (nnc_op op = nnc_block_first(m, block); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_host)
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (calls_host(m, nnc_op_region(m, op, r)))
                return true;
    }
    return false;
}

static void print_sizes_in(FILE *o, const nnc_module *m, const nnc_interface *f)
{
    for (uint32_t s = 0; s < f->nsymbol; s++) {
        bool found = f->symbol[s].out;
        for (uint32_t n = 0; n < f->ninput && !found; n++) {
            const nnc_type_rec *r = nnc_type_get(m, f->input[n].type);
            for (int d = 0; d < r->rank && !found; d++)
                if (r->dim[d] == nnc_dim_symbol_at(m->dims, f->symbol[s].index)) {
                    fprintf(o, "    s[%u] = a->dim[%u][%d];\n", s, n, d);
                    found = true;
                }
        }
        fprintf(o, f->symbol[s].out ? "    o.%s = &s[%u];\n" : "    i.%s = s[%u];\n",
                f->symbol[s].field, s);
    }
}

static void print_sizes_out(FILE *o, nnc_module *m, const nnc_interface *f)
{
    for (uint32_t n = 0; n < f->noutput; n++) {
        const nnc_type_rec r = *nnc_type_get(m, f->output[n].type);
        for (int d = 0; d < r.rank; d++)
            if (!nnc_dim_is_const(r.dim[d]))
                fprintf(o, "    a->dim[%u][%d] = (size_t)(%s);\n", f->ninput + n, d,
                        nnc_dim_c_text(m, f, r.dim[d], "s"));
    }
}

/* The function that the tables name: inputs and outputs into the structs of the graph's header. */
static void print_wrapper(FILE *o, nnc_module *m, const nnc_interface *f, int k, bool host)
{
    fprintf(o,
            "#include \"g%d.h\"\nint g%d_call(const nnp_graph *self, const nnp_arguments *a)\n{\n",
            k, k);
    fprintf(o, "    g%d_inputs i;\n    g%d_outputs o;\n    int status;\n", k, k);
    if (f->nsymbol)
        fprintf(o, "    size_t s[%u] = {0};\n", f->nsymbol);
    fputs("    memset(&i, 0, sizeof i);\n    memset(&o, 0, sizeof o);\n    (void)self;\n", o);
    if (host)
        fprintf(o,
                "    g%d_host host;\n    host.context = a->host->context;\n    host.call = "
                "a->host->call;\n"
                "    i.host = &host;\n",
                k);
    for (uint32_t n = 0; n < f->ninput; n++)
        fprintf(o, "    i.%s = a->data[%u];\n", f->input[n].field, n);
    for (uint32_t n = 0; n < f->noutput; n++)
        fprintf(o, "    o.%s = a->data[%u];\n", f->output[n].field, f->ninput + n);
    print_sizes_in(o, m, f);
    fprintf(o, "    status = (int)g%d_run(&i, &o, a->workspace);\n", k);
    print_sizes_out(o, m, f);
    fputs("    return status;\n}\n\n", o);
}

static int emit_graph(building *b, int k)
{
    cli *c = b->c;
    nnc_module *m = nnc_module_extract(b->t->m, b->t->program->graph.at[k]);
    if (!m)
        return CLI_INPUT;
    bool host = calls_host(m, nnc_op_region(m, nnc_func_entry(m, NNC_OP_graph), 0));
    if (nnc_passes_run(m, &c->pass) != NNC_OK)
        return CLI_INPUT;
    const char *name = nnc_arena_printf(c->arena, "g%d", k);
    nnc_emit_options o = {.name = name, .target = c->pass.target, .portable = c->opt.portable};
    const nnc_interface *f = nnc_interface_of(m, &o);
    if (!f)
        return CLI_INPUT;
    FILE *file[3] = {create(b, nnc_arena_printf(c->arena, "%s.c", name)),
                     create(b, nnc_arena_printf(c->arena, "%s.h", name)),
                     create(b, nnc_arena_printf(c->arena, "%s.bin", name))};
    if (!file[0] || !file[1] || !file[2])
        return CLI_SYSTEM;
    nnc_status s = nnc_emit_c(m, &o, file[0], file[1], file[2]);
    int code = finish(b, file[0]) | finish(b, file[1]) | finish(b, file[2]);
    if (s != NNC_OK || code)
        return code ? code : CLI_INPUT;
    b->workspace[k] = f->workspace;
    if (c->opt.stats)
        fprintf(stderr, "graph %s: workspace %llu bytes, lower bound %llu\n",
                b->d->program.graph[k].name, (unsigned long long)f->workspace,
                (unsigned long long)f->lower_bound);
    print_wrapper(b->main, m, f, k, host);
    if (!f->weights_in_file)
        return CLI_OK;
    b->defines =
        nnc_arena_printf(c->arena, "%s -DG%d_WEIGHTS_SYMBOL=g%d_weights", b->defines, k, k);
    return incbin(b, nnc_arena_printf(c->arena, "g%d_weights", k),
                  nnc_arena_printf(c->arena, "g%d.bin", k));
}

static int emit_data(building *b)
{
    if (!b->d->program.ndata)
        return CLI_OK;
    FILE *f = create(b, "data.bin");
    void *bytes = nnc_arena_alloc(b->c->arena, b->d->bytes);
    if (!f)
        return CLI_SYSTEM;
    nn_tables_copy_data(b->d, bytes);
    fwrite(bytes, 1, b->d->bytes, f);
    int code = finish(b, f);
    return code ? code : incbin(b, "nnp_data_bytes", "data.bin");
}

static int emit_all(building *b)
{
    int n = b->d->program.ngraph, code = CLI_OK;
    b->workspace = nnc_arena_array(b->c->arena, (size_t)n, sizeof *b->workspace);
    b->main = create(b, "nnc_main.c");
    if (!b->main)
        return CLI_SYSTEM;
    fputs("#include \"host.h\"\n#include <string.h>\n\n", b->main);
    for (int k = 0; k < n && !code; k++) {
        cli_progress(b->c, nnc_arena_printf(b->c->arena, "compiling graph %d of %d", k + 1, n));
        code = emit_graph(b, k);
    }
    nn_tables_print(b->d, b->workspace, b->main);
    int last = finish(b, b->main);
    return code ? code : last ? last : emit_data(b);
}

/* ---- the compiler ---- */

static const char *cache_folder(building *b)
{
    cli *c = b->c;
    const char *own = getenv("NNC_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    const char *dir = own && *own ? own
                      : xdg && *xdg
                          ? nnc_arena_printf(c->arena, "%s/nnc", xdg)
                          : nnc_arena_printf(c->arena, "%s/.cache/nnc", home ? home : "/tmp");
    for (const char *p = dir + 1; *p; p++)
        if (*p == '/')
            mkdir(nnc_arena_printf(c->arena, "%.*s", (int)(p - dir), dir), 0777);
    return mkdir(dir, 0777) == 0 || errno == EEXIST ? dir : b->dir;
}

static void choose_compiler(building *b)
{
    cli *c = b->c;
    const char *env = getenv("CC");
    b->mpi = getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMI_SIZE");
    b->cc = c->opt.cc ? c->opt.cc : b->mpi ? "mpicc" : env && *env ? env : "cc";
    b->cflags = c->opt.cflags ? c->opt.cflags : "-O3 -march=native";
    b->defines = b->mpi ? "-DNNP_MPI" : "";
    b->hash = nnc_hash(b->cc, strlen(b->cc), b->hash);
    b->hash = nnc_hash(b->cflags, strlen(b->cflags), b->hash);
}

/* Objects of the runtime, compiled once per compiler and version. */
static int runtime_objects(building *b, const char *cache, const char **folder)
{
    cli *c = b->c;
    uint64_t h = nnc_hash(b->cc, strlen(b->cc), 1);
    runtime_file r;
    for (int i = 0; (r = runtime_file_at(i)).name; i++)
        h = nnc_hash(r.text, r.len, h);
    *folder = nnc_arena_printf(c->arena, "%s/runtime-%016llx", cache, (unsigned long long)h);
    if (!access(nnc_arena_printf(c->arena, "%s/done", *folder), R_OK))
        return CLI_OK;
    cli_jobs jobs = {.cli = c, .dir = b->dir};
    const char *objects = "";
    for (int i = 0; (r = runtime_file_at(i)).name; i++) {
        if (!(r.use & RUNTIME_EXPERIMENT))
            continue;
        size_t n = strlen(r.name);
        if (r.name[n - 1] != 'c')
            continue;
        cli_job_start(&jobs, nnc_arena_printf(
                                 c->arena,
                                 "%s -std=gnu11 -D_GNU_SOURCE -pthread -O2 %s -c %s -o rt_%.*s.o",
                                 b->cc, b->mpi ? "-DNNP_MPI" : "", r.name, (int)n - 2, r.name));
        objects = nnc_arena_printf(c->arena, "%s rt_%.*s.o", objects, (int)n - 2, r.name);
    }
    int code = cli_jobs_wait(&jobs);
    if (code)
        return code;
    mkdir(*folder, 0777);
    cli_job_start(&jobs, nnc_arena_printf(c->arena, "ar rcs %s/librt_nnp.a.%d %s", *folder,
                                          (int)getpid(), objects));
    code = cli_jobs_wait(&jobs);
    if (code)
        return code;
    rename(nnc_arena_printf(c->arena, "%s/librt_nnp.a.%d", *folder, (int)getpid()),
           nnc_arena_printf(c->arena, "%s/librt_nnp.a", *folder));
    FILE *f = fopen(nnc_arena_printf(c->arena, "%s/done", *folder), "w");
    return f && !fclose(f) ? CLI_OK : cli_fail(CLI_SYSTEM, "cannot write to '%s'", *folder);
}

static int write_runtime(building *b)
{
    runtime_file r;
    for (int i = 0; (r = runtime_file_at(i)).name; i++) {
        if (!(r.use & RUNTIME_EXPERIMENT))
            continue;
        FILE *f = create(b, r.name);
        if (!f)
            return CLI_SYSTEM;
        fwrite(r.text, 1, r.len, f);
        int code = finish(b, f);
        if (code)
            return code;
    }
    return CLI_OK;
}

static int compile(building *b, const char *cache, const char *out)
{
    cli *c = b->c;
    const char *runtime, *objects = "";
    int code = runtime_objects(b, cache, &runtime);
    cli_jobs jobs = {.cli = c, .dir = b->dir};
    cli_progress(c, "running the C compiler");
    for (int k = 0; k < b->d->program.ngraph && !code; k++) {
        cli_job_start(&jobs, nnc_arena_printf(c->arena, "%s -std=c99 %s %s -c g%d.c -o g%d.o",
                                              b->cc, b->cflags, b->defines, k, k));
        objects = nnc_arena_printf(c->arena, "%s g%d.o", objects, k);
    }
    if (!code) {
        cli_job_start(&jobs,
                      nnc_arena_printf(c->arena, "%s -std=gnu11 -O1 %s -c nnc_main.c -o nnc_main.o",
                                       b->cc, b->defines));
        code = cli_jobs_wait(&jobs);
    }
    if (code)
        return code;
    cli_job_start(&jobs,
                  nnc_arena_printf(c->arena, "%s -pthread nnc_main.o%s %s %s/librt_nnp.a -lm -o %s",
                                   b->cc, objects, b->assembly ? "*.S" : "", runtime, out));
    return cli_jobs_wait(&jobs);
}

/* Everything up to an executable; `out` NULL: in the cache, its path goes to *program. */
static int build(building *b, const char *out, const char **program)
{
    cli *c = b->c;
    b->dir = cli_temp_dir(c);
    if (!b->dir)
        return CLI_SYSTEM;
    choose_compiler(b);
    int code = write_runtime(b);
    if (!code)
        code = emit_all(b);
    if (code)
        return code;
    const char *cache = cache_folder(b);
    *program = nnc_arena_printf(c->arena, "%s/%s-%016llx", cache, b->d->program.name,
                                (unsigned long long)b->hash);
    if (access(*program, X_OK) != 0) {
        const char *fresh = nnc_arena_printf(c->arena, "%s.%d", *program, (int)getpid());
        code = compile(b, cache, fresh);
        if (!code && rename(fresh, *program))
            code = cli_fail(CLI_SYSTEM, "cannot write '%s': %s", *program, strerror(errno));
    }
    (void)out;
    return code;
}

int cli_native_build(cli *c, nn_trace *t, nn_tables *d, const char *out)
{
    building b = {.c = c, .t = t, .d = d};
    const char *program, *temp;
    int code = build(&b, NULL, &program);
    if (code)
        return code;
    FILE *from = fopen(program, "rb"), *to = cli_create(c, out, &temp);
    char buffer[65536];
    for (size_t n; from && to && (n = fread(buffer, 1, sizeof buffer, from)) > 0;)
        fwrite(buffer, 1, n, to);
    bool bad = !from || !to || ferror(from) || ferror(to);
    if (from)
        fclose(from);
    if (to && fclose(to))
        bad = true;
    if (!bad && temp)
        chmod(temp, 0755);
    return bad ? cli_fail(CLI_SYSTEM, "cannot write '%s': %s", out, strerror(errno)) : CLI_OK;
}

int cli_native(cli *c, nn_trace *t, nn_tables *d, bool tests)
{
    building b = {.c = c, .t = t, .d = d};
    const char *program;
    int code = build(&b, NULL, &program);
    if (code)
        return code;
    NNC_BUF(const char *) arg = {0};
    NNC_PUSH(c->arena, &arg, program);
    if (tests)
        NNC_PUSH(c->arena, &arg, "--test");
    if (c->opt.quiet)
        NNC_PUSH(c->arena, &arg, "--quiet");
    if (c->opt.threads)
        NNC_PUSH(c->arena, &arg, nnc_arena_printf(c->arena, "--threads=%s", c->opt.threads));
    if (c->opt.results)
        NNC_PUSH(c->arena, &arg, nnc_arena_printf(c->arena, "--out=%s", c->opt.results));
    for (unsigned i = 0; i < c->opt.names.n; i++)
        NNC_PUSH(c->arena, &arg, c->opt.names.at[i]);
    NNC_PUSH(c->arena, &arg, (const char *)NULL);
    cli_progress_end();
    fflush(stdout);
    cli_cleanup();
    execv(program, (char *const *)(uintptr_t)arg.at);
    return cli_fail(CLI_SYSTEM, "cannot start '%s': %s", program, strerror(errno));
}
