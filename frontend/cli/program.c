/* Objects, shared libraries and programs: the emitted C goes to a temporary folder and the system's compiler does the
 * rest.  A program gets a main function made of runtime/ and a table printed here. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "frontend/cli/cli.h"
#include "frontend/cli/runtime_source.h"

nnc_emit_options cli_emit_options(cli *c, bool describe)
{
    const char *w = c->opt.weights;
    nnc_weights_mode mode = !w                      ? NNC_WEIGHTS_auto
                            : !strcmp(w, "strings") ? NNC_WEIGHTS_strings
                            : !strcmp(w, "numbers") ? NNC_WEIGHTS_numbers
                                                    : NNC_WEIGHTS_bin;
    return (nnc_emit_options){.name = cli_model_name(c),
                              .target = c->pass.target,
                              .weights = mode,
                              .portable = c->opt.portable,
                              .reproducible = c->opt.reproducible,
                              .threads = c->pass.threads > 1,
                              .describe = describe};
}

static FILE *open_in(cli *c, const char *dir, const char *name)
{
    const char *path = nnc_arena_printf(c->arena, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        cli_fail(CLI_SYSTEM, "cannot write '%s': %s", path, strerror(errno));
    return f;
}

static int close_all(FILE *a, FILE *b, FILE *d)
{
    FILE *all[3] = {a, b, d};
    bool bad = false;
    for (int i = 0; i < 3; i++)
        bad |= all[i] && fclose(all[i]);
    return bad ? cli_fail(CLI_SYSTEM, "cannot write to the temporary folder: %s", strerror(errno))
               : CLI_OK;
}

static int emit_sources(cli *c, nnc_module *m, const char *dir, const nnc_emit_options *o)
{
    FILE *src = open_in(c, dir, nnc_arena_printf(c->arena, "%s.c", o->name));
    FILE *head = src ? open_in(c, dir, nnc_arena_printf(c->arena, "%s.h", o->name)) : NULL;
    FILE *bin = head ? open_in(c, dir, nnc_arena_printf(c->arena, "%s.bin", o->name)) : NULL;
    if (!bin)
        return CLI_SYSTEM;
    cli_progress(c, "writing C");
    nnc_status s = nnc_emit_c(m, o, src, head, bin);
    int code = close_all(src, head, bin);
    return s != NNC_OK ? CLI_INPUT : code;
}

/* ---- the main function ---- */

static void c_string(FILE *o, const char *s)
{
    putc('"', o);
    for (; *s; s++)
        if (isprint((unsigned char)*s) && *s != '"' && *s != '\\' && *s != '?')
            putc(*s, o);
        else
            fprintf(o, "\\%03o", (unsigned char)*s);
    putc('"', o);
}

/* An input dim: a size, or minus (1 + position of its symbol); an output's upper bound. */
static long long table_dim(const nnc_module *m, const nnc_interface *f, nnc_dim d, bool input)
{
    nnc_sym name;
    if (!input || nnc_dim_is_const(d) || !nnc_dim_is_symbol(m->dims, d, &name))
        return nnc_dim_hi(m->dims, d);
    for (uint32_t i = 0; i < f->nsymbol; i++)
        if (nnc_dim_symbol_name(m->dims, f->symbol[i].index).id == name.id)
            return -1 - (long long)i;
    return nnc_dim_hi(m->dims, d);
}

static void print_tensors(FILE *o, const nnc_module *m, const nnc_interface *f, bool input)
{
    uint32_t n = input ? f->ninput : f->noutput;
    const nnc_interface_tensor *t = input ? f->input : f->output;
    fprintf(o, "static const program_tensor %s[] = {\n", input ? "inputs" : "outputs");
    for (uint32_t i = 0; i < n; i++) {
        const nnc_type_rec *r = nnc_type_get(m, t[i].type);
        fputs("    { ", o);
        c_string(o, t[i].name);
        fprintf(o, ", \"%s\", %d, { ", nnc_dtype_infos[r->dtype].numpy, r->rank);
        for (int d = 0; d < r->rank; d++)
            fprintf(o, "%lld, ", table_dim(m, f, r->dim[d], input));
        fprintf(o, "0 }, %lluu },\n", (unsigned long long)t[i].bytes);
    }
    fputs("    { 0, 0, 0, { 0 }, 0 }\n};\n", o);
}

static void print_symbols(FILE *o, const nnc_interface *f)
{
    fputs("static const program_symbol symbols[] = {\n", o);
    for (uint32_t i = 0; i < f->nsymbol; i++) {
        fputs("    { ", o);
        c_string(o, f->symbol[i].name);
        fprintf(o, ", %lldu, %lldu },\n", (long long)f->symbol[i].lo, (long long)f->symbol[i].hi);
    }
    fputs("    { 0, 0, 0 }\n};\n", o);
}

/* threads > 1: the model has a pool, started by the first run. */
static void print_run(FILE *o, const nnc_interface *f, const char *name, int threads)
{
    if (threads > 1)
        fprintf(o, "static %s_pool pool;\n\n", name);
    fprintf(o,
            "static int run(void *const *in, void *const *out, size_t *sym, void *workspace)\n{\n"
            "    %s_inputs i;\n    %s_outputs o;\n    (void)in;\n    (void)out;\n    (void)sym;\n",
            name, name);
    if (threads > 1)
        fprintf(o,
                "    if (!pool.parallel.run && %s_pool_start(&pool, %d))\n        return 1;\n"
                "    i.parallel = &pool.parallel;\n",
                name, threads);
    for (uint32_t k = 0; k < f->ninput; k++)
        fprintf(o, "    i.%s = in[%u];\n", f->input[k].field, k);
    for (uint32_t k = 0; k < f->noutput; k++)
        fprintf(o, "    o.%s = out[%u];\n", f->output[k].field, k);
    for (uint32_t k = 0; k < f->nsymbol; k++)
        fprintf(o, f->symbol[k].out ? "    o.%s = &sym[%u];\n" : "    i.%s = sym[%u];\n",
                f->symbol[k].field, k);
    fprintf(o, "    return (int)%s_run(&i, &o, workspace);\n}\n\n", name);
}

static void print_dims(FILE *o, nnc_module *m, const nnc_interface *f)
{
    fputs("static void dims(int i, const size_t *sym, size_t *dim)\n{\n    (void)sym;\n    "
          "(void)dim;\n    switch (i) {\n",
          o);
    for (uint32_t i = 0; i < f->noutput; i++) {
        const nnc_type_rec r = *nnc_type_get(m, f->output[i].type);
        fprintf(o, "    case %u:\n", i);
        for (int d = 0; d < r.rank; d++)
            fprintf(o, "        dim[%d] = (size_t)(%s);\n", d,
                    nnc_dim_c_text(m, f, r.dim[d], "sym"));
        fputs("        break;\n", o);
    }
    fputs("    default:\n        break;\n    }\n}\n\n", o);
}

static int emit_main(cli *c, nnc_module *m, const char *dir, const nnc_emit_options *opt)
{
    const nnc_interface *f = nnc_interface_of(m, opt);
    FILE *o = f ? open_in(c, dir, "nnc_main.c") : NULL;
    if (!o)
        return f ? CLI_SYSTEM : CLI_INPUT;
    if (f->nstate) {
        fclose(o);
        return cli_fail(CLI_INPUT,
                        "'%s' has state, which a program around it must keep; write its C with -o "
                        "%s.c, or -o %s.o",
                        opt->name, opt->name, opt->name);
    }
    fprintf(o, "#include \"%s.h\"\n#include \"program.h\"\n\n", opt->name);
    print_tensors(o, m, f, true);
    print_tensors(o, m, f, false);
    print_symbols(o, f);
    print_run(o, f, opt->name, c->pass.threads);
    print_dims(o, m, f);
    fputs("static const char *status(int code)\n{\n    static const char *const text[] = { "
          "\"done\", \"a wrong argument\", \"a size is out of its bounds\", "
          "\"a check of the model failed\", \"the weights do not belong to this code\" };\n"
          "    return code >= 0 && code < 5 ? text[code] : \"unknown status\";\n}\n\n",
          o);
    fputs("int main(int argc, char **argv)\n{\n    static const program p = { ", o);
    c_string(o, opt->name);
    fprintf(o,
            ", %u, %u, %u, inputs, outputs, symbols, %lluu, run, dims, status };\n    return "
            "program_main(&p, argc, argv);\n}\n",
            f->ninput, f->noutput, f->nsymbol, (unsigned long long)f->workspace);
    int code = close_all(o, NULL, NULL);
    runtime_file r;
    for (int i = 0; (r = runtime_file_at(i)).name && !code; i++) {
        if (!(r.use & RUNTIME_MODEL))
            continue;
        o = open_in(c, dir, r.name);
        if (!o)
            return CLI_SYSTEM;
        fwrite(r.text, 1, r.len, o);
        code = close_all(o, NULL, NULL);
    }
    return code;
}

/* ---- the compiler ---- */

typedef NNC_BUF(const char *) words;

/* Words of a string, separated by blanks. */
static void add_words(cli *c, words *w, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, " \t");
        if (n)
            NNC_PUSH(c->arena, w, nnc_arena_copy(c->arena, s, n));
        s += n + (s[n] != 0);
    }
}

static void compiler(cli *c, words *w, bool native)
{
    const char *env = getenv("CC");
    add_words(c, w, c->opt.cc ? c->opt.cc : env && *env ? env : "cc");
    char here[4096]; /* it runs in a temporary folder, so ../bin/gcc has to be made absolute */
    if (w->n && w->at[0][0] != '/' && strchr(w->at[0], '/') && getcwd(here, sizeof here))
        w->at[0] = nnc_arena_printf(c->arena, "%s/%s", here, w->at[0]);
    add_words(c, w, c->pass.threads > 1 ? "-std=c11 -pthread" : "-std=c99");
    add_words(c, w, c->opt.cflags ? c->opt.cflags : "-O3");
    if (native && !c->opt.cflags)
        add_words(c, w, "-march=native");
}

static int compile(cli *c, const char *dir, words *w)
{
    NNC_PUSH(c->arena, w, (const char *)NULL);
    cli_progress(c, "running the C compiler");
    int code = cli_spawn(dir, w->at, NULL);
    if (code < 0)
        return cli_fail(
            CLI_SYSTEM,
            "cannot run the C compiler '%s'; install one, or name it with --cc=", w->at[0]);
    return code ? cli_fail(CLI_SYSTEM,
                           "the C compiler '%s' failed with code %d; its messages are above",
                           w->at[0], code)
                : CLI_OK;
}

/* The weights as an object, for models whose weights are a file of their own. */
static int weights_object(cli *c, const char *dir, const char *name)
{
    FILE *o = open_in(c, dir, "nnc_weights.S");
    words w = {0};
    if (!o)
        return CLI_SYSTEM;
    fprintf(o,
            ".section .rodata\n.balign 64\n.globl %s_weights\n%s_weights:\n.incbin "
            "\"%s.bin\"\n.section .note.GNU-stack,\"\"\n",
            name, name, name);
    if (close_all(o, NULL, NULL))
        return CLI_SYSTEM;
    compiler(c, &w, false);
    add_words(c, &w, "-fPIC -c nnc_weights.S -o nnc_weights.o");
    return compile(c, dir, &w);
}

static char *upper(cli *c, const char *s)
{
    char *u = nnc_arena_str(c->arena, s);
    for (char *p = u; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    return u;
}

static const char *absolute(cli *c, const char *path)
{
    if (*path == '/')
        return path;
    char *cwd = getcwd(NULL, 0);
    const char *p = nnc_arena_printf(c->arena, "%s/%s", cwd ? cwd : ".", path);
    free(cwd);
    return p;
}

/* The header's structs depend on this macro, so every file that includes it gets it. */
static void blob_macro(cli *c, words *w, const char *name, bool blob)
{
    if (blob)
        NNC_PUSH(c->arena, w,
                 (const char *)nnc_arena_printf(c->arena, "-D%s_WEIGHTS_SYMBOL=%s_weights",
                                                upper(c, name), name));
}

/* One object of the model (and its weights, when they are a file), then what the kind needs around it. */
static int compile_model(cli *c, const nnc_emit_options *o, bool blob, const char *dir,
                         const char *object, bool native)
{
    words w = {0};
    compiler(c, &w, native);
    blob_macro(c, &w, o->name, blob);
    add_words(c, &w, "-fPIC -ffunction-sections -c");
    NNC_PUSH(c->arena, &w, (const char *)nnc_arena_printf(c->arena, "%s.c", o->name));
    NNC_PUSH(c->arena, &w, "-o");
    NNC_PUSH(c->arena, &w, object);
    int code = compile(c, dir, &w);
    return code || !blob ? code : weights_object(c, dir, o->name);
}

static int link_model(cli *c, const nnc_emit_options *o, cli_binary kind, bool blob,
                      const char *dir, const char *out, bool native)
{
    words w = {0};
    compiler(c, &w, native);
    blob_macro(c, &w, o->name, blob);
    add_words(c, &w,
              kind == CLI_OBJECT   ? "-r -nostdlib"
              : kind == CLI_SHARED ? "-shared -fPIC -Wl,-z,noexecstack"
                                   : "-Wl,--gc-sections nnc_main.c program.c npy.c");
    add_words(c, &w, blob ? "nnc_model.o nnc_weights.o" : "nnc_model.o");
    NNC_PUSH(c->arena, &w, "-o");
    NNC_PUSH(c->arena, &w, absolute(c, out));
    if (kind != CLI_OBJECT)
        NNC_PUSH(c->arena, &w, "-lm");
    return compile(c, dir, &w);
}

/* Who links the binary needs its header.  Weights that are linked in are no field of the inputs: the header says so. */
static int copy_header(cli *c, const nnc_emit_options *o, bool blob, const char *dir,
                       const char *to)
{
    const char *from = nnc_arena_printf(c->arena, "%s/%s.h", dir, o->name);
    FILE *in = fopen(from, "rb"), *out = in ? cli_create(c, to, NULL) : NULL;
    char text[4096];
    if (!out) {
        if (in)
            fclose(in);
        return CLI_SYSTEM;
    }
    if (blob)
        fprintf(out, "#define %s_WEIGHTS_SYMBOL %s_weights /* linked into the binary */\n",
                upper(c, o->name), o->name);
    for (size_t n; (n = fread(text, 1, sizeof text, in)) > 0;)
        fwrite(text, 1, n, out);
    fclose(in);
    return fclose(out) ? cli_fail(CLI_SYSTEM, "cannot write '%s': %s", to, strerror(errno))
                       : CLI_OK;
}

int cli_build_binary(cli *c, nnc_module *m, cli_binary kind, const char *out, const char *header,
                     bool native)
{
    nnc_emit_options o = cli_emit_options(c, kind == CLI_SHARED);
    const char *dir = cli_temp_dir(c);
    const nnc_interface *f = nnc_interface_of(m, &o);
    if (!dir || !f)
        return dir ? CLI_INPUT : CLI_SYSTEM;
    bool blob = f->weights_in_file;
    int code = emit_sources(c, m, dir, &o);
    if (!code && kind == CLI_PROGRAM)
        code = emit_main(c, m, dir, &o);
    if (!code)
        code = compile_model(c, &o, blob, dir, "nnc_model.o", native);
    if (!code)
        code = link_model(c, &o, kind, blob, dir, out, native);
    return code || !header ? code : copy_header(c, &o, blob, dir, header);
}
