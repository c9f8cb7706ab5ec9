/* Programs in the .nn language: check, and run on the interpreter or as native code. */
#include "frontend/cli/cli.h"
#include "frontend/cli/native.h"
#include "frontend/nn/export.h"
#include "frontend/nn/root.h"
#include "frontend/nn/table.h"
#include "passes/autodiff/autodiff.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool cli_is_nn(const char *path)
{
    size_t n = strlen(path);
    return n > 3 && !strcmp(path + n - 3, ".nn");
}

/* The folder that holds nn/: $NNC_LIBRARY, beside an installed nnc, or the source tree. */
static const char *library_folder(cli *c)
{
    const char *env = getenv("NNC_LIBRARY");
    if (env)
        return env;
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    char *slash = n > 0 ? memrchr(exe, '/', (size_t)n) : NULL;
    if (slash) {
        const char *share =
            nnc_arena_printf(c->arena, "%.*s/../share/nnc", (int)(slash - exe), exe);
        if (!access(nnc_arena_printf(c->arena, "%s/nn", share), R_OK))
            return share;
    }
    return NNC_LIBRARY_DIR;
}

static nn_unit *load(cli *c, nn_trace **out)
{
    nn_trace *t = nn_trace_new(c->arena, c->diag, library_folder(c));
    const char **set = nnc_arena_array(c->arena, c->opt.set.n + 1u, sizeof *set);
    for (unsigned i = 0; i < c->opt.set.n; i++)
        set[i] = c->opt.set.at[i];
    t->set = set;
    t->derive = nnc_autodiff_run;
    *out = t;
    return nn_load(t, c->opt.file, NULL);
}

int cli_nn_check(cli *c)
{
    nn_trace *t;
    nn_unit *u = load(c, &t);
    if (!u)
        return CLI_INPUT;
    nn_check(t, u);
    return nnc_diag_errors(c->diag) ? CLI_INPUT : CLI_OK;
}

static int unknown_name(cli *c, nn_trace *t, const nn_unit *u)
{
    for (unsigned k = 0; k < c->opt.names.n; k++) {
        bool found = false;
        for (uint32_t i = 0; i < u->decl.n && !found; i++)
            found = (nn_is(u->decl.at[i]->node, NN_experiment) ||
                     nn_is(u->decl.at[i]->node, NN_test)) &&
                    !strcmp(nn_sym(t, u->decl.at[i]->name), c->opt.names.at[k]);
        if (!found)
            return cli_fail(CLI_USAGE, "%s has no experiment or test '%s'", c->opt.file,
                            c->opt.names.at[k]);
    }
    return CLI_OK;
}

int cli_nn_run(cli *c, bool tests)
{
    nn_trace *t;
    if (!cli_is_nn(c->opt.file))
        return cli_fail(CLI_USAGE, "nnc test runs programs in the .nn language, not '%s'",
                        c->opt.file);
    nn_unit *u = load(c, &t);
    if (!u)
        return CLI_INPUT;
    int code = unknown_name(c, t, u);
    if (code)
        return code;
    nn_resolve(t, u);
    nn_program_trace(t, u, c->opt.names.at, c->opt.names.n, tests);
    if (nnc_diag_errors(c->diag))
        return CLI_INPUT;
    nn_tables *d = nn_tables_of(t, cli_model_name(c));
    if (!d->program.nexperiment)
        return cli_fail(CLI_INPUT, "%s holds no %s", c->opt.file, tests ? "test" : "experiment");
    if (!c->opt.interpret)
        return cli_native(c, t, d, tests);
    nn_tables_interpret(t, d);
    cli_progress_end();
    nnp_options o = {.threads = 1,
                     .out = c->opt.results,
                     .quiet = c->opt.quiet,
                     .color = -1,
                     .tests = tests,
                     .nname = (int)c->opt.names.n,
                     .name = c->opt.names.at};
    return nnp_run(&d->program, &o);
}

/* ---- exported functions ---- */

nnc_module *cli_nn_load(cli *c, const char *path)
{
    enum { MOST = 64 };
    nn_decl *d[MOST];
    nn_trace *t;
    nn_unit *u = load(c, &t);
    if (!u || nnc_diag_errors(c->diag))
        return NULL;
    uint32_t n = nn_exports(u, d, MOST), pick = 0;
    nn_resolve(t, u);
    if (!n) {
        nnc_error(c->diag, nnc_loc_file(c->diag, path),
                  "this file exports no function; write 'export fn f(x: f32[4]) = ..'");
        return NULL;
    }
    for (uint32_t i = 0; i < n && i < MOST; i++)
        if (c->opt.name && !strcmp(nn_sym(t, d[i]->name), c->opt.name))
            pick = i + 1;
    if (n > 1 && !pick) {
        nnc_error(c->diag, d[1]->node->name_loc,
                  "this file exports %u functions; choose one with --name=", n);
        for (uint32_t i = 0; i < n && i < MOST; i++)
            nnc_note(c->diag, d[i]->node->name_loc, "%s", nn_sym(t, d[i]->name));
        return NULL;
    }
    t->main = u;
    c->exported = nn_sym(t, d[pick ? pick - 1 : 0]->name);
    return nn_export_module(t, d[pick ? pick - 1 : 0]);
}

bool cli_nn_is_program(cli *c)
{
    nn_trace *t;
    nn_decl *d;
    nnc_diag_hold(c->diag);
    nn_unit *u = load(c, &t);
    nnc_diag_drop(c->diag);
    if (!u || nn_exports(u, &d, 1))
        return false;
    for (uint32_t i = 0; i < u->decl.n; i++)
        if (nn_is(u->decl.at[i]->node, NN_experiment))
            return true;
    return false;
}

int cli_nn_program(cli *c, const char *out)
{
    nn_trace *t;
    nn_unit *u = load(c, &t);
    if (!u || nnc_diag_errors(c->diag))
        return CLI_INPUT;
    nn_resolve(t, u);
    nn_program_trace(t, u, NULL, 0, false);
    if (nnc_diag_errors(c->diag))
        return CLI_INPUT;
    return cli_native_build(c, t, nn_tables_of(t, cli_model_name(c)), out);
}
