/* nnc check: the same inputs through the interpreter and through compiled C; and, with vectors, both against them.
 * Inputs are random (small normal numbers; small non-negative integers) unless a folder of vectors gives them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "frontend/cli/cli.h"
#include "frontend/cli/compare.h"
#include "frontend/onnx/vector.h"
#include "ir/eval.h"
#include "passes/autodiff/autodiff.h"

struct check {
    cli *c;
    nnc_module *m; /* with the graph, for the interpreter */
    nnc_op graph;
    unsigned nin, nout, failed;
    nnc_tensor *in, *interp, *compiled, *want;
    const char *program;
    double rtol;
};

static uint64_t next(uint64_t *s)
{
    *s += 0x9e3779b97f4a7c15u;
    uint64_t z = (*s ^ *s >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void fill(nnc_tensor *t, uint64_t *seed)
{
    int64_t n = nnc_tensor_count(t);
    size_t step = nnc_dtype_bytes(t->dtype);
    for (int64_t i = 0; i < n; i++) {
        double u = (double)(next(seed) >> 11) / 9007199254740992.0,
               v = (double)(next(seed) >> 11) / 9007199254740992.0;
        nnc_num x = {sqrt(-2 * log(u + 1e-300)) * cos(6.283185307179586 * v), (int64_t)(v * 3)};
        if (t->dtype == NNC_DT_bool)
            x.i = v < 0.5;
        nnc_num_store(t->dtype, (char *)t->data + (size_t)i * step, x);
    }
}

/* Sizes: the upper bound of every symbol. */
static void random_inputs(struct check *k)
{
    uint64_t seed = k->c->opt.seed ? strtoull(k->c->opt.seed, NULL, 0) : 1;
    nnc_block b = nnc_op_region(k->m, k->graph, 0);
    for (unsigned i = 0; i < k->nin; i++) {
        const nnc_type_rec r = *nnc_value_ty(k->m, nnc_block_arg(k->m, b, i));
        int64_t dim[NNC_MAX_RANK];
        for (int d = 0; d < r.rank; d++)
            dim[d] = nnc_dim_hi(k->m->dims, r.dim[d]);
        k->in[i] = nnc_tensor_new(k->c->arena, (nnc_dtype)r.dtype, r.rank, dim);
        fill(&k->in[i], &seed);
    }
}

static int read_vector(struct check *k, const char *dir, const char *stem, unsigned i,
                       nnc_tensor *out)
{
    nnc_onnx_tensor t;
    int64_t dim[NNC_MAX_RANK];
    const char *path = nnc_arena_printf(k->c->arena, "%s/%s_%u.pb", dir, stem, i);
    if (nnc_onnx_vector_read(k->c->arena, k->c->diag, path, &t) != NNC_OK)
        return CLI_INPUT;
    nnc_dtype dt = nnc_dtype_by_onnx((int)t.elem);
    if (t.rank > NNC_MAX_RANK || !dt || dt == NNC_DT_string)
        return cli_fail(CLI_INPUT, "%s: a tensor of %s with %u dimensions cannot be compared", path,
                        nnc_onnx_elem_str(t.elem), t.rank);
    for (uint32_t d = 0; d < t.rank; d++)
        dim[d] = t.dim[d];
    *out = nnc_tensor_new(k->c->arena, dt, (int)t.rank, dim);
    if (t.bytes)
        memcpy(out->data, t.data, t.bytes);
    return CLI_OK;
}

static int read_vectors(struct check *k, const char *dir)
{
    int code = CLI_OK;
    for (unsigned i = 0; i < k->nin && !code; i++)
        code = read_vector(k, dir, "input", i, &k->in[i]);
    for (unsigned i = 0; i < k->nout && !code; i++)
        code = read_vector(k, dir, "output", i, &k->want[i]);
    return code;
}

static int run_compiled(struct check *k)
{
    const char *dir = cli_temp_dir(k->c),
               **argv =
                   nnc_arena_array(k->c->arena, 2 * (size_t)(k->nin + k->nout) + 2, sizeof *argv);
    unsigned n = 0;
    argv[n++] = k->program;
    for (unsigned i = 0; i < k->nin; i++) {
        const char *path = nnc_arena_printf(k->c->arena, "%s/in%u.npy", dir, i);
        if (cli_write_npy(k->c, path, &k->in[i]) != NNC_OK)
            return CLI_SYSTEM;
        argv[n++] = "--input";
        argv[n++] = nnc_arena_printf(k->c->arena, "%s=%s",
                                     cli_name_at(k->c, k->m, k->graph, NNC_W_input, i), path);
    }
    for (unsigned i = 0; i < k->nout; i++) {
        argv[n++] = "--output";
        argv[n++] = nnc_arena_printf(k->c->arena, "%s=%s/out%u.npy",
                                     cli_name_at(k->c, k->m, k->graph, NNC_W_output, i), dir, i);
    }
    int code = cli_spawn(NULL, argv, NULL);
    if (code)
        return cli_fail(code < 0 || code > 4 ? CLI_SYSTEM : code,
                        "the compiled model ended with code %d", code);
    for (unsigned i = 0; i < k->nout; i++) {
        if (cli_read_npy(k->c, nnc_arena_printf(k->c->arena, "%s/out%u.npy", dir, i),
                         &k->compiled[i]) != NNC_OK)
            return CLI_SYSTEM;
        if (nnc_dtype_bytes(k->compiled[i].dtype) == nnc_dtype_bytes(k->interp[i].dtype))
            k->compiled[i].dtype =
                k->interp[i].dtype; /* .npy has no name for small floats and sub-byte integers */
    }
    return CLI_OK;
}

static void show(struct check *k, const char *what, unsigned i, const nnc_tensor *got,
                 const nnc_tensor *want)
{
    cli_distance d = cli_compare(got, want);
    bool ok = d.shape && d.relative <= k->rtol;
    const char *name = cli_name_at(k->c, k->m, k->graph, NNC_W_output, i);
    k->failed += !ok;
    if (!d.shape) {
        printf("%-28s %-24s shapes or types differ  FAILED\n", what, name);
        return;
    }
    printf("%-28s %-24s %llu of %llu differ, max %llu ulp, relative %.3g  %s\n", what, name,
           (unsigned long long)d.differ, (unsigned long long)d.count, (unsigned long long)d.max_ulp,
           d.relative, ok ? "ok" : "FAILED");
}

static int one_round(struct check *k, bool vectors)
{
    cli_progress(k->c, "interpreting");
    if (nnc_autodiff_run(k->m, k->graph) != NNC_OK ||
        nnc_interp_graph(k->m, k->graph, k->c->arena, k->nin, k->in, k->nout, k->interp) != NNC_OK)
        return CLI_INPUT;
    int code = run_compiled(k);
    cli_progress_end();
    for (unsigned i = 0; i < k->nout && !code; i++) {
        show(k, "C against interpreter", i, &k->compiled[i], &k->interp[i]);
        if (vectors) {
            show(k, "interpreter against vector", i, &k->interp[i], &k->want[i]);
            show(k, "C against vector", i, &k->compiled[i], &k->want[i]);
        }
    }
    return code;
}

static int prepare(struct check *k)
{
    cli *c = k->c;
    nnc_module *compiled =
        cli_load(c, c->opt.file); /* the pipeline changes a module: one for each side */
    k->m = compiled ? cli_load(c, c->opt.file) : NULL;
    if (!k->m)
        return CLI_INPUT;
    k->graph = nnc_func_entry(k->m, NNC_OP_graph);
    if (!k->graph.id)
        return cli_fail(CLI_INPUT, "'%s' holds no graph to compare with", c->opt.file);
    nnc_block b = nnc_op_region(k->m, k->graph, 0);
    k->nin = nnc_block_narg(k->m, b);
    k->nout = nnc_op_nin(k->m, nnc_block_last(k->m, b));
    nnc_tensor **slot[] = {&k->in, &k->interp, &k->compiled, &k->want};
    for (int i = 0; i < 4; i++)
        *slot[i] = nnc_arena_array(c->arena, k->nin + k->nout + 1u, sizeof **slot[i]);
    k->rtol = c->opt.rtol ? strtod(c->opt.rtol, NULL) : 1e-4;
    if (cli_lower(c, compiled) != NNC_OK)
        return CLI_INPUT;
    if (!cli_temp_dir(c))
        return CLI_SYSTEM;
    k->program = nnc_arena_printf(c->arena, "%s/nnc_check", cli_temp_dir(c));
    return cli_build_binary(c, compiled, CLI_PROGRAM, k->program, NULL, true);
}

int cli_check(cli *c)
{
    struct check k = {.c = c};
    int code = prepare(&k);
    if (!code && !c->opt.against.n) {
        random_inputs(&k);
        code = one_round(&k, false);
    }
    for (unsigned i = 0; i < c->opt.against.n && !code; i++) {
        code = read_vectors(&k, c->opt.against.at[i]);
        if (!code)
            code = one_round(&k, true);
    }
    if (code)
        return code;
    return k.failed
               ? cli_fail(CLI_DIFFERS, "%u comparisons failed (tolerance %g)", k.failed, k.rtol)
               : CLI_OK;
}
