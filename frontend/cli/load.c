/* From a file to a module: ONNX or IR text, by suffix and by content. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "frontend/cli/cli.h"
#include "frontend/onnx/import.h"
#include "ir/text.h"

static bool has_suffix(const char *s, const char *suffix)
{
    size_t n = strlen(s), k = strlen(suffix);
    return n > k && !strcmp(s + n - k, suffix);
}

/* "name=1" or "name=1..128". */
static bool parse_bound(cli *c, const char *text, nnc_onnx_bound *b)
{
    const char *eq = strrchr(text, '=');
    char *end;
    if (!eq || eq == text)
        return false;
    b->name = nnc_arena_copy(c->arena, text, (size_t)(eq - text));
    errno = 0;
    b->lo = b->hi = strtoll(eq + 1, &end, 10);
    if (end == eq + 1 || b->lo < 0)
        return false;
    if (!strncmp(end, "..", 2)) {
        const char *at = end + 2;
        b->hi = strtoll(at, &end, 10);
        if (end == at)
            return false;
    }
    return !*end && !errno && b->lo <= b->hi;
}

int cli_parse_dims(cli *c)
{
    nnc_onnx_bound *b = nnc_arena_array(c->arena, c->opt.dim.n + 1u, sizeof *b);
    for (unsigned i = 0; i < c->opt.dim.n; i++)
        if (!parse_bound(c, c->opt.dim.at[i], &b[i]))
            return cli_fail(
                CLI_USAGE,
                "--dim '%s': expected NAME=SIZE or NAME=LOW..HIGH, as in batch=1 or batch=1..8",
                c->opt.dim.at[i]);
    c->bound = b;
    return CLI_OK;
}

static nnc_status read_text(cli *c, nnc_module *m, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return nnc_error(c->diag, nnc_loc_file(c->diag, path), "cannot open the file: %s",
                         strerror(errno));
    NNC_BUF(char) text = {0};
    for (int ch; (ch = getc(f)) != EOF;)
        NNC_PUSH(c->arena, &text, (char)ch);
    fclose(f);
    const char *slash = strrchr(path, '/');
    const char *folder = slash ? nnc_arena_copy(c->arena, path, (size_t)(slash - path)) : ".";
    return nnc_read_module(m, path, text.n ? text.at : "", text.n, folder);
}

/* The names of values, one a line; a repeated or missing one gets its position. */
static const char *names_of(nnc_module *m, unsigned n, const nnc_value *v, const char *stem)
{
    const char *all = "";
    for (unsigned i = 0; i < n; i++) {
        const char *name = nnc_value_name(m, v[i]);
        bool again = !*name;
        for (unsigned k = 0; k < n && !again; k++)
            again = k != i && v[k].id == v[i].id;
        if (again)
            name = nnc_arena_printf(m->arena, "%s%u", stem, i);
        all = nnc_arena_printf(m->arena, "%s%s%s", all, i ? "\n" : "", name);
    }
    return all;
}

/* IR text says nothing of tensor names: the values' own, so that `run` and `check` have something to call them. */
static void name_ends(cli *c, nnc_module *m)
{
    nnc_op g = nnc_func_entry(m, NNC_OP_graph);
    if (!g.id || nnc_attr_find(m, g, NNC_W_input) || nnc_attr_find(m, g, NNC_W_output))
        return;
    nnc_block b = nnc_op_region(m, g, 0);
    nnc_op yield = nnc_block_last(m, b);
    unsigned nin = nnc_block_narg(m, b), nout = yield.id ? nnc_op_nin(m, yield) : 0;
    nnc_value *v = nnc_arena_array(c->arena, nin + nout + 1, sizeof *v);
    for (unsigned i = 0; i < nin; i++)
        v[i] = nnc_block_arg(m, b, i);
    for (unsigned i = 0; i < nout; i++)
        v[nin + i] = nnc_op_in(m, yield, i);
    nnc_attr_set_str(m, g, NNC_W_input, names_of(m, nin, v, "input"));
    nnc_attr_set_str(m, g, NNC_W_output, names_of(m, nout, v + nin, "output"));
}

nnc_module *cli_load(cli *c, const char *path)
{
    nnc_module *m = nnc_module_new(c->arena, c->diag);
    nnc_onnx_options o = {.bound = c->bound, .nbound = c->opt.dim.n};
    cli_progress(c, "reading the model");
    if (cli_is_nn(path))
        return cli_nn_load(c, path);
    if (has_suffix(path, ".ir") || has_suffix(path, ".kir")) {
        if (read_text(c, m, path) != NNC_OK || nnc_diag_errors(c->diag))
            return NULL;
        name_ends(c, m);
        return m;
    }
    if (nnc_onnx_import(m, path, &o) != NNC_OK || nnc_diag_errors(c->diag))
        return NULL;
    return m;
}

nnc_status cli_lower(cli *c, nnc_module *m)
{
    cli_progress(c, "compiling");
    if (!nnc_func_entry(m, NNC_OP_graph).id && !c->pass.passes)
        return NNC_OK; /* IR text that holds kernels */
    return nnc_passes_run(m, &c->pass);
}

const char *cli_model_name(cli *c)
{
    const char *s = c->opt.name ? c->opt.name : c->exported;
    if (!s) {
        const char *path = c->writing ? c->writing : c->opt.file, *slash = strrchr(path, '/');
        s = slash ? slash + 1 : path;
    }
    char *id = nnc_arena_alloc(c->arena, strlen(s) + 5);
    size_t n = 0;
    if (!isalpha((unsigned char)*s) && *s != '_') {
        memcpy(id, "net_", 4);
        n = 4;
    }
    for (; *s && (c->opt.name || *s != '.'); s++)
        id[n++] = isalnum((unsigned char)*s) ? (char)*s : '_';
    return n ? id : "net";
}
