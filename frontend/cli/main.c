/* nnc - the command line.  One arena, one set of diagnostics, one command per run. */
#include "frontend/cli/cli.h"
#include <stdlib.h>
#include <string.h>

static int dispatch(cli *c)
{
    bool nn = c->opt.file && cli_is_nn(c->opt.file);
    switch (c->opt.letter) {
    case 'i': return cli_info(c);
    case 'r': return nn && !c->opt.input.n && !c->opt.outputs.n ? cli_nn_run(c, false) : cli_run(c);
    case 't': return cli_nn_run(c, true);
    case 'c': return nn ? cli_nn_check(c) : cli_check(c);
    case 'f': return cli_fmt(c);
    case 'd': return cli_doc(c);
    case 'o': return cli_ops(c);
    default: return cli_build(c);
    }
}

static int run(cli *c, int argc, char **argv)
{
    jmp_buf no_memory;
    if (setjmp(no_memory))
        return cli_fail(CLI_SYSTEM, "out of memory");
    nnc_arena_recover(c->arena, &no_memory);
    int code = cli_parse(c, argc, argv);
    if (!code)
        code = cli_parse_dims(c);
    if (code)
        return code;
    nnc_diag_set_quiet(c->diag, c->opt.quiet);
    cli_progress(c, "start");
    return dispatch(c);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "--version"))
        return puts("nnc " NNC_VERSION), CLI_OK;
    if (argc < 2 || !strcmp(argv[1], "help") || !strcmp(argv[1], "--help") ||
        !strcmp(argv[1], "-h")) {
        cli_help(argc > 2 ? argv[2] : NULL);
        return argc < 2 ? CLI_USAGE : CLI_OK;
    }
    for (int i = 2; i < argc; i++)
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
            return cli_help(argv[1][0] == '-' ? "build" : argv[1]), CLI_OK;
    cli_catch_signals();
    cli c = {.arena = nnc_arena_new()};
    c.diag = nnc_diag_new(c.arena);
    int code = run(&c, argc, argv);
    cli_progress_end();
    cli_cleanup();
    nnc_arena_free(c.arena);
    return code;
}
