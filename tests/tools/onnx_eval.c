/* onnx_eval - import ONNX test cases and run them in the interpreter.
 *
 *     onnx_eval [--rtol R] [--atol A] [--print] [--dim NAME=LO..HI] DIR...
 *
 * Each DIR holds model.onnx and test_data_set_0/{input,output}_<i>.pb, and perhaps `tol` with two numbers.  Prints one
 * line per case: ok, REFUSED (with the first diagnostic), or WRONG (with the first difference).  For developers; the
 * real test suites go through the command line. */
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "frontend/onnx/import.h"
#include "frontend/onnx/vector.h"
#include "ir/eval.h"
#include "ir/interp.h"
#include "passes/autodiff/autodiff.h"
#include "ir/text.h"
#include "ir/verify.h"

struct options {
    double rtol, atol;
    bool print;
    nnc_onnx_bound bound[8];
    uint32_t nbound;
};
static char first_text[600];

static void sink(void *user, const char *text)
{
    (void)user;
    if (!*first_text)
        snprintf(first_text, sizeof first_text, "%.*s",
                 (int)(strcspn(text, "\n") < 500 ? strcspn(text, "\n") : 500), text);
}

static nnc_tensor tensor_of(nnc_arena *a, const nnc_onnx_tensor *t)
{
    int64_t dim[NNC_MAX_RANK] = {0};
    for (uint32_t i = 0; i < t->rank && i < NNC_MAX_RANK; i++)
        dim[i] = t->dim[i];
    nnc_tensor r = nnc_tensor_new(a, nnc_dtype_by_onnx(t->elem), (int)t->rank, dim);
    if (t->bytes)
        memcpy(r.data, t->data, t->bytes);
    return r;
}

static bool equal(nnc_dtype dt, nnc_num got, nnc_num want, const struct options *o)
{
    if (!nnc_dtype_is_float(dt))
        return got.i == want.i;
    if (isnan(want.f) || isnan(got.f))
        return isnan(want.f) && isnan(got.f);
    double rtol = dt == NNC_DT_bf16 && o->rtol < 0x1p-6
                      ? 0x1p-6
                      : o->rtol; /* two of its ULPs, as ONNX's runner */
    return got.f == want.f || fabs(got.f - want.f) <= o->atol + rtol * fabs(want.f);
}

static bool compare(const nnc_tensor *got, const nnc_tensor *want, const struct options *o,
                    char *why, size_t n)
{
    size_t step = nnc_dtype_bytes(want->dtype);
    if (got->dtype != want->dtype || got->rank != want->rank)
        return snprintf(why, n, "is %s of rank %d, expected %s of rank %d",
                        nnc_dtype_infos[got->dtype].name, got->rank,
                        nnc_dtype_infos[want->dtype].name, want->rank),
               false;
    for (int i = 0; i < want->rank; i++)
        if (got->dim[i] != want->dim[i])
            return snprintf(why, n, "dimension %d is %" PRId64 ", expected %" PRId64, i,
                            got->dim[i], want->dim[i]),
                   false;
    for (int64_t i = 0; i < nnc_tensor_count(want); i++) {
        nnc_num x = nnc_num_load(got->dtype, (const char *)got->data + (size_t)i * step);
        nnc_num y = nnc_num_load(want->dtype, (const char *)want->data + (size_t)i * step);
        if (!equal(want->dtype, x, y, o))
            return snprintf(why, n,
                            "element %" PRId64 " is %.9g (%" PRId64 "), expected %.9g (%" PRId64
                            ")",
                            i, x.f, x.i, y.f, y.i),
                   false;
    }
    return true;
}

static void run_case(nnc_arena *a, const char *dir, struct options o)
{
    char path[1200], why[300];
    nnc_diag *diag = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, diag);
    nnc_tensor in[64], out[64];
    unsigned nin = 0;
    FILE *f;

    nnc_onnx_options names = {.bound = o.bound, .nbound = o.nbound};
    *first_text = 0;
    nnc_diag_set_sink(diag, sink, NULL);
    snprintf(path, sizeof path, "%s/tol", dir);
    if ((f = fopen(path, "r"))) {
        if (fscanf(f, "%lf %lf", &o.rtol, &o.atol) != 2)
            o.rtol = o.atol = 0;
        fclose(f);
    }
    snprintf(path, sizeof path, "%s/model.onnx", dir);
    if (nnc_onnx_import(m, path, &names) != NNC_OK) {
        printf("REFUSED %s: %s\n", dir, first_text);
        return;
    }
    nnc_op graph = nnc_func_entry(m, NNC_OP_graph);
    if (o.print)
        nnc_print_module(m, stdout, &(nnc_print_options){.inline_weights = true});
    if (nnc_verify(m) != NNC_OK) {
        printf("INVALID %s: %s\n", dir, first_text);
        return;
    }
    nnc_block body = nnc_op_region(m, graph, 0);
    unsigned want_in = nnc_block_narg(m, body);
    for (; nin < want_in && nin < 64; nin++) {
        nnc_onnx_tensor t;
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%u.pb", dir, nin);
        if (nnc_onnx_vector_read(a, diag, path, &t) != NNC_OK) {
            printf("NODATA %s: %s\n", dir, first_text);
            return;
        }
        in[nin] = tensor_of(a, &t);
    }
    unsigned nout = nnc_op_nin(m, nnc_block_last(m, body));
    if (nnc_autodiff_run(m, graph) != NNC_OK ||
        nnc_interp_graph(m, graph, a, nin, in, nout, out) != NNC_OK) {
        printf("RUNERR %s: %s\n", dir, first_text);
        return;
    }
    for (unsigned i = 0; i < nout; i++) {
        nnc_onnx_tensor t;
        snprintf(path, sizeof path, "%s/test_data_set_0/output_%u.pb", dir, i);
        if (nnc_onnx_vector_read(a, diag, path, &t) != NNC_OK) {
            printf("NODATA %s: %s\n", dir, first_text);
            return;
        }
        nnc_tensor want = tensor_of(a, &t);
        if (!compare(&out[i], &want, &o, why, sizeof why)) {
            printf("WRONG %s: output %u: %s\n", dir, i, why);
            return;
        }
    }
    printf("ok %s\n", dir);
}

int main(int argc, char **argv)
{
    struct options o = {.rtol = 1e-3, .atol = 1e-5};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--print") == 0) {
            o.print = true;
        } else if (strcmp(argv[i], "--dim") == 0 && i + 1 < argc && o.nbound < 8) {
            char *value = strchr(argv[++i], '='), *dots = value ? strstr(value, "..") : NULL;
            if (!value)
                return 2;
            *value++ = 0;
            o.bound[o.nbound] =
                (nnc_onnx_bound){argv[i], atoll(value), dots ? atoll(dots + 2) : atoll(value)};
            o.nbound++;
        } else if (strcmp(argv[i], "--rtol") == 0 && i + 1 < argc) {
            o.rtol = atof(argv[++i]);
        } else if (strcmp(argv[i], "--atol") == 0 && i + 1 < argc) {
            o.atol = atof(argv[++i]);
        } else {
            nnc_arena *a = nnc_arena_new();
            run_case(a, argv[i], o);
            nnc_arena_free(a);
            fflush(stdout);
        }
    }
    return 0;
}
