/* nnc run: compile to a program in a temporary folder and start it with the same --input and --output arguments, or
 * hand the tensors to the interpreter. */
#include <stdlib.h>
#include <string.h>
#include "frontend/cli/cli.h"
#include "passes/autodiff/autodiff.h"

/* Line i of an attribute that lists names. */
const char *cli_name_at(cli *c, const nnc_module *m, nnc_op graph, nnc_word key, unsigned i)
{
    const char *s = nnc_attr_str(m, graph, key, "");
    for (; i && *s; i--) {
        const char *nl = strchr(s, '\n');
        s = nl ? nl + 1 : "";
    }
    return nnc_arena_copy(c->arena, s, strcspn(s, "\n"));
}

static int index_of(cli *c, const nnc_module *m, nnc_op graph, nnc_word key, unsigned n,
                    const char *arg, const char **path)
{
    const char *eq = strrchr(arg, '=');
    for (unsigned i = 0; eq && i < n; i++) {
        const char *name = cli_name_at(c, m, graph, key, i);
        if (strlen(name) == (size_t)(eq - arg) && !memcmp(name, arg, (size_t)(eq - arg))) {
            *path = eq + 1;
            return (int)i;
        }
    }
    const char *all = nnc_attr_str(m, graph, key, "");
    char *list = nnc_arena_str(c->arena, all);
    for (char *p = list; *p; p++)
        *p = *p == '\n' ? ' ' : *p;
    cli_fail(CLI_USAGE, "'%s': expected NAME=FILE.npy with one of these names: %s", arg, list);
    return -1;
}

static int interpret(cli *c, nnc_module *m)
{
    nnc_op g = nnc_func_entry(m, NNC_OP_graph);
    if (!g.id)
        return cli_fail(CLI_INPUT, "--interpret needs a graph, and '%s' holds kernels only",
                        c->opt.file);
    nnc_block b = nnc_op_region(m, g, 0);
    unsigned nin = nnc_block_narg(m, b), nout = nnc_op_nin(m, nnc_block_last(m, b));
    nnc_tensor *in = nnc_arena_array(c->arena, nin + 1u, sizeof *in),
               *out = nnc_arena_array(c->arena, nout + 1u, sizeof *out);
    const char *path;
    for (unsigned i = 0; i < c->opt.input.n; i++) {
        int k = index_of(c, m, g, NNC_W_input, nin, c->opt.input.at[i], &path);
        if (k < 0)
            return CLI_USAGE;
        if (cli_read_npy(c, path, &in[k]) != NNC_OK)
            return CLI_INPUT;
        in[k].dtype =
            nnc_dtype_bytes(in[k].dtype) == 2 &&
                    nnc_value_ty(m, nnc_block_arg(m, b, (unsigned)k))->dtype == NNC_DT_bf16
                ? NNC_DT_bf16
                : in[k].dtype;
    }
    for (unsigned i = 0; i < nin; i++)
        if (!in[i].data)
            return cli_fail(CLI_USAGE, "input '%s' is missing: --input %s=FILE.npy",
                            cli_name_at(c, m, g, NNC_W_input, i),
                            cli_name_at(c, m, g, NNC_W_input, i));
    if (nnc_autodiff_run(m, g) != NNC_OK ||
        nnc_interp_graph(m, g, c->arena, nin, in, nout, out) != NNC_OK)
        return CLI_INPUT;
    for (unsigned i = 0; i < nout && !c->opt.outputs.n; i++) {
        printf("%s: %s [", cli_name_at(c, m, g, NNC_W_output, i),
               nnc_dtype_infos[out[i].dtype].numpy);
        for (int d = 0; d < out[i].rank; d++)
            printf("%s%lld", d ? ", " : "", (long long)out[i].dim[d]);
        puts("]");
    }
    for (unsigned i = 0; i < c->opt.outputs.n; i++) {
        int k = index_of(c, m, g, NNC_W_output, nout, c->opt.outputs.at[i], &path);
        if (k < 0)
            return CLI_USAGE;
        if (cli_write_npy(c, path, &out[k]) != NNC_OK)
            return CLI_SYSTEM;
    }
    return CLI_OK;
}

static int execute(cli *c, const char *program)
{
    unsigned n = 0;
    const char **argv = nnc_arena_array(
        c->arena, 2 * (size_t)(c->opt.input.n + c->opt.outputs.n) + 4, sizeof *argv);
    argv[n++] = program;
    for (unsigned i = 0; i < c->opt.input.n; i++) {
        argv[n++] = "--input";
        argv[n++] = c->opt.input.at[i];
    }
    for (unsigned i = 0; i < c->opt.outputs.n; i++) {
        argv[n++] = "--output";
        argv[n++] = c->opt.outputs.at[i];
    }
    if (c->opt.repeat) {
        argv[n++] = "--repeat";
        argv[n++] = c->opt.repeat;
    }
    int code = cli_spawn(NULL, argv, NULL);
    return code < 0   ? cli_fail(CLI_SYSTEM, "cannot start the compiled model")
           : code > 4 ? cli_fail(CLI_SYSTEM, "the compiled model ended with code %d", code)
                      : code;
}

int cli_run(cli *c)
{
    nnc_module *m = cli_load(c, c->opt.file);
    if (!m)
        return CLI_INPUT;
    if (c->opt.interpret)
        return interpret(c, m);
    if (cli_lower(c, m) != NNC_OK)
        return CLI_INPUT;
    const char *dir = cli_temp_dir(c);
    if (!dir)
        return CLI_SYSTEM;
    const char *program = nnc_arena_printf(c->arena, "%s/%s", dir, cli_model_name(c));
    int code = cli_build_binary(c, m, CLI_PROGRAM, program, NULL, true);
    cli_progress_end();
    return code ? code : execute(c, program);
}
