/* nnc MODEL -o OUTPUT: the suffix of each output says what is wanted.  Outputs are renamed into place together when
 * all are complete. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include "codegen/report/report.h"
#include "frontend/cli/cli.h"
#include "frontend/nn/write.h"
#include "frontend/onnx/export.h"
#include "ir/text.h"

enum kind { K_NONE, K_C, K_OBJECT, K_SHARED, K_PROGRAM, K_ONNX, K_NN, K_IR, K_KIR, K_DOT, K_HTML };
static const struct {
    const char *emit, *suffix;
    enum kind kind;
} kinds[] = {
    {"c", ".c", K_C},          {"o", ".o", K_OBJECT},     {"so", ".so", K_SHARED},
    {"exe", "", K_PROGRAM},    {"onnx", ".onnx", K_ONNX}, {"ir", ".ir", K_IR},
    {"nn", ".nn", K_NN},       {"kir", ".kir", K_KIR},    {"dot", ".dot", K_DOT},
    {"html", ".html", K_HTML},
};

static enum kind kind_of(const cli *c, const char *path)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (c->opt.emit ? !strcmp(kinds[i].emit, c->opt.emit)
            : dot       ? !strcmp(kinds[i].suffix, dot)
                        : !*kinds[i].suffix)
            return kinds[i].kind;
    return K_NONE;
}

static int bad_kind(const cli *c, const char *path)
{
    if (c->opt.emit)
        return cli_fail(CLI_USAGE,
                        "--emit=%s: expected c, o, so, exe, onnx, nn, ir, kir, dot or html",
                        c->opt.emit);
    return cli_fail(
        CLI_USAGE,
        "'%s': this suffix says nothing; use .c .o .so .onnx .nn .ir .kir .dot .html, none "
        "for a program, or --emit=",
        path);
}

static const char *beside(cli *c, const char *path, const char *suffix)
{
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    return nnc_arena_printf(c->arena, "%.*s%s", (int)(dot ? dot - path : (int)strlen(path)), path,
                            suffix);
}

static int finish(FILE *f, const char *path, nnc_status s)
{
    bool bad = ferror(f) != 0;
    bad |= fclose(f) != 0;
    if (bad && s == NNC_OK)
        return cli_fail(CLI_SYSTEM, "cannot write '%s': %s", path, strerror(errno));
    return bad           ? CLI_SYSTEM
           : s == NNC_OK ? CLI_OK
                         : CLI_INPUT; /* an emitter that could not write has said so */
}

/* net.c names its header, so the header sits beside it under the model's name. */
static const char *header_beside(cli *c, const char *path)
{
    if (cli_is_device(path))
        return "/dev/null";
    const char *slash = strrchr(path, '/');
    return nnc_arena_printf(c->arena, "%.*s%s.h", (int)(slash ? slash - path + 1 : 0), path,
                            cli_model_name(c));
}

static int write_c(cli *c, nnc_module *m, const char *path)
{
    nnc_emit_options o = cli_emit_options(c, false);
    const nnc_interface *f = nnc_interface_of(m, &o);
    if (!f)
        return CLI_INPUT;
    const char *head = header_beside(c, path), *blob = beside(c, path, ".bin");
    FILE *src = cli_create(c, path, NULL), *h = src ? cli_create(c, head, NULL) : NULL;
    bool file = f->weights_in_file && !cli_is_device(path); /* without one, the emitter says so */
    FILE *bin = h && file ? cli_create(c, blob, NULL) : NULL;
    if (!src || !h || (file && !bin))
        return CLI_SYSTEM;
    cli_progress(c, "writing C");
    nnc_status s = nnc_emit_c(m, &o, src, h, bin);
    int code = finish(src, path, s), code2 = finish(h, head, s),
        code3 = bin ? finish(bin, blob, s) : 0;
    return code ? code : code2 ? code2 : code3;
}

/* The kernels' weights are packed, so they are not the ones of the graph: net.ir and net.kir have files of their own. */
static int write_ir(cli *c, nnc_module *m, enum kind kind, const char *path)
{
    const char *blob = beside(c, path, kind == K_IR ? ".weights" : ".kir.weights");
    const char *leaf = strrchr(blob, '/');
    nnc_print_options o = {.weights_file = leaf ? leaf + 1 : blob};
    if (m->blob.n > 1 && cli_is_device(path))
        blob = "/dev/null";
    FILE *f = cli_create(c, path, NULL), *w = f && m->blob.n > 1 ? cli_create(c, blob, NULL) : NULL;
    if (!f || (m->blob.n > 1 && !w))
        return CLI_SYSTEM;
    nnc_print_module(m, f, &o);
    nnc_status s = w ? nnc_write_weights(m, w) : NNC_OK;
    int code = finish(f, path, s), code2 = w ? finish(w, blob, s) : 0;
    return code ? code : code2;
}

static int write_text(cli *c, nnc_module *m, enum kind kind, const char *path)
{
    FILE *f = cli_create(c, path, NULL);
    if (!f)
        return CLI_SYSTEM;
    nnc_status s = kind == K_ONNX ? nnc_onnx_export(m, NNC_VERSION, f) : nnc_report_dot(m, f);
    return finish(f, path, s);
}

static const char *leaf_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* net.nn and its weights in net.safetensors. */
static int write_nn(cli *c, nnc_module *m, const char *path)
{
    const char *file = beside(c, path, ".safetensors");
    nn_write_options o = {leaf_of(c->opt.file), cli_model_name(c), leaf_of(file)};
    nnp_text weights = {0};
    FILE *f = cli_create(c, path, NULL);
    if (!f)
        return CLI_SYSTEM;
    nnc_status s = nn_write(m, &o, f, &weights);
    int code = finish(f, path, s);
    if (!code && weights.n && !cli_is_device(path)) {
        f = cli_create(c, file, NULL);
        if (f)
            fwrite(weights.at, 1, weights.n, f);
        code = f ? finish(f, file, NNC_OK) : CLI_SYSTEM;
    }
    nnp_text_free(&weights);
    return code;
}

/* The report shows the scheduled graph beside the planned kernels: the model is compiled twice. */
static int write_html(cli *c, nnc_module *k, const char *path)
{
    nnc_options half = c->pass;
    const char *list = "";
    for (unsigned i = 0; i < nnc_pass_count && !(nnc_pass_infos[i].after & NNC_LEVEL_K); i++)
        list = nnc_arena_printf(c->arena, "%s%s%s", list, i ? "," : "", nnc_pass_infos[i].name);
    half.passes = list;
    nnc_module *g = cli_load(c, c->opt.file);
    if (!g || nnc_passes_run(g, &half) != NNC_OK)
        return CLI_INPUT;
    FILE *f = cli_create(c, path, NULL);
    if (!f)
        return CLI_SYSTEM;
    return finish(f, path, nnc_report_html(g, k, c->pass.target, cli_model_name(c), f));
}

static int write_binary(cli *c, nnc_module *m, enum kind kind, const char *path)
{
    const char *temp = cli_temp(c, path);
    if (!temp)
        return CLI_SYSTEM;
    if (kind == K_PROGRAM)
        return cli_build_binary(c, m, CLI_PROGRAM, temp, NULL, c->opt.native);
    return cli_build_binary(c, m, kind == K_OBJECT ? CLI_OBJECT : CLI_SHARED, temp,
                            header_beside(c, path), c->opt.native);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

/* Each output starts from the file again: the pipeline changes the module. */
static int write_one(cli *c, const char *path)
{
    enum kind kind = kind_of(c, path);
    if (kind == K_NONE)
        return bad_kind(c, path);
    if (same_file(path, c->opt.file))
        return cli_fail(CLI_USAGE, "'%s' is the model itself; give the output another name", path);
    if (kind == K_PROGRAM && cli_is_nn(c->opt.file) && cli_nn_is_program(c))
        return cli_nn_program(c, path);
    nnc_module *m = cli_load(c, c->opt.file);
    c->writing = path;
    if (!m)
        return CLI_INPUT;
    bool graph = kind == K_ONNX || kind == K_NN || kind == K_DOT || kind == K_IR;
    nnc_status s = graph && !c->pass.passes ? nnc_passes_clean(m, &c->pass) : cli_lower(c, m);
    if (s != NNC_OK)
        return CLI_INPUT;
    switch (kind) {
    case K_C: return write_c(c, m, path);
    case K_OBJECT:
    case K_SHARED:
    case K_PROGRAM: return write_binary(c, m, kind, path);
    case K_IR:
    case K_KIR: return write_ir(c, m, kind, path);
    case K_HTML: return write_html(c, m, path);
    case K_NN: return write_nn(c, m, path);
    default: return write_text(c, m, kind, path);
    }
}

int cli_build(cli *c)
{
    const char *w = c->opt.weights;
    if (w && strcmp(w, "strings") && strcmp(w, "numbers") && strcmp(w, "bin"))
        return cli_fail(CLI_USAGE, "--weights=%s: expected strings, numbers or bin", w);
    if (!c->opt.output.n)
        return cli_fail(CLI_USAGE,
                        "no output: give -o FILE, or use nnc info, nnc run or nnc check");
    for (unsigned i = 0; i < c->opt.output.n; i++) {
        int code = write_one(c, c->opt.output.at[i]);
        if (code)
            return code;
    }
    return cli_commit(c);
}
