/* Native programs: every graph is extracted, lowered and emitted as a C file of its own; the tables become the main file;
 * runtime/ comes along as source.  The compiler runs on several files at once.  Finished programs are kept in a cache
 * under the hash of everything that went into them. */
#include "frontend/cli/native.h"
#include "frontend/cli/runtime_source.h"
#include "ir/extract.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct building {
    cli *c;
    nn_trace *t;
    nn_tables *d;
    const char *dir;
    size_t *workspace;
    NNC_BUF(const char *) source; /* C files to compile, names in dir */
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

/* Close a file, its bytes into the hash. */
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

/* ---- one graph ---- */

/* The function that the tables name: the graph's inputs and outputs into the structs of its header. */
static void print_wrapper(FILE *o, const nnc_interface *f, const nnc_module *m, int k, bool host)
{
    fprintf(o, "#include \"host.h\"\n#include \"g%d.h\"\n#include <stddef.h>\n\n", k);
    fprintf(o, "int g%d_run(const nnp_graph *self, const nnp_arguments *a);\n", k);
    fprintf(o,
            "int g%d_run(const nnp_graph *self, const nnp_arguments *a)\n{\n    g%d_inputs i;\n    "
            "g%d_outputs o;\n",
            k, k, k);
    fprintf(o, "    (void)self;\n    (void)i;\n    (void)o;\n");
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
    for (uint32_t n = 0; n < f->nsymbol; n++)
        if (f->symbol[n].out)
            fprintf(o, "    size_t s%u = 0;\n    o.%s = &s%u;\n", n, f->symbol[n].field, n);
        else
            fprintf(o, "    i.%s = 0;\n", f->symbol[n].field);
    for (uint32_t n = 0; n < f->ninput; n++) { /* sizes of symbols that stand alone in a shape */
        const nnc_type_rec *r = nnc_type_get(m, f->input[n].type);
        for (int d = 0; d < r->rank; d++)
            for (uint32_t s = 0; s < f->nsymbol; s++)
                if (!f->symbol[s].out &&
                    r->dim[d] == nnc_dim_symbol_at(m->dims, f->symbol[s].index))
                    fprintf(o, "    i.%s = a->dim[%u][%d];\n", f->symbol[s].field, n, d);
    }
    fprintf(o, "    int status = g%d_run_model(&i, &o, a->workspace);\n", k);
}

static bool calls_host(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_host)
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (calls_host(m, nnc_op_region(m, op, r)))
                return true;
    }
    return false;
}

static int build_graph(building *b, int k)
{
    cli *c = b->c;
    nnc_op graph = b->t->program->graph.at[k];
    nnc_module *m = nnc_module_extract(b->t->m, graph);
    (void)m;
    (void)c;
    (void)graph;
    return m ? CLI_OK : CLI_INPUT;
}

int cli_native(cli *c, nn_trace *t, nn_tables *d, bool tests)
{
    (void)c;
    (void)t;
    (void)d;
    (void)tests;
    (void)build_graph;
    (void)finish;
    (void)create;
    (void)print_wrapper;
    (void)calls_host;
    return cli_fail(CLI_SYSTEM, "native programs are not there yet; use --interpret");
}
