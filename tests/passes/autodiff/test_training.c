/* Whole training loops, steps of Adam inside: emitted C of several compilers against the G interpreter.
 *
 * The loops are train/<name>.ir: parameters are carried by a scan, whose body takes the gradient.  The loss must also fall. */
#include "passes/autodiff/autodiff.h"
#include "tests/codegen/c/emitted.h"

enum { MAX_TENSORS = 32 };

static void ordinary_inputs(emitted *e, nnc_op entry)
{
    nnc_block b = nnc_op_region(e->m, entry, 0);

    emitted_arguments(e, entry);
    for (unsigned i = 0; i < e->nin; i++) {
        nnc_dtype dt = (nnc_dtype)nnc_value_ty(e->m, nnc_block_arg(e->m, b, i))->dtype;
        size_t size = nnc_dtype_bytes(dt);
        for (size_t k = 0; k < e->arg[i].bytes / size; k++) {
            uint64_t r = emitted_random() >> 11;
            nnc_num v = {(double)r * 0x1p-53 - 0.5, (int64_t)(r % 10)};
            nnc_num_store(dt, (char *)e->arg[i].buf + k * size, v);
        }
    }
}

static bool interpret(const char *path, const char *text, emitted *e, nnc_tensor *out, unsigned *n)
{
    nnc_module *m = nnc_module_new(e->a, nnc_diag_new(e->a));
    nnc_tensor in[MAX_TENSORS];
    nnc_op g;
    nnc_block b;

    if (nnc_read_module(m, path, text, strlen(text), ".") != NNC_OK)
        return false;
    g = nnc_func_entry(m, NNC_OP_graph);
    b = nnc_op_region(m, g, 0);
    if (nnc_autodiff_run(m, g) != NNC_OK || nnc_verify(m) != NNC_OK)
        return false;
    for (unsigned i = 0; i < e->nin; i++) {
        const nnc_type_rec ty = *nnc_value_ty(m, nnc_block_arg(m, b, i));
        in[i] = (nnc_tensor){.dtype = (nnc_dtype)ty.dtype, .rank = ty.rank, .data = e->arg[i].buf};
        memcpy(in[i].dim, ty.dim, sizeof ty.dim);
    }
    *n = nnc_op_nin(m, nnc_block_last(m, b));
    return nnc_interp_graph(m, g, e->a, e->nin, in, *n, out) == NNC_OK;
}

static void compare(unsigned n, const nnc_tensor *want, const char *got, const char *compiler)
{
    for (unsigned k = 0; k < n; k++) {
        int64_t count = nnc_tensor_count(&want[k]);
        const float *x = want[k].data, *y = (const float *)got;
        double scale = 1e-3, worst = 0;
        for (int64_t i = 0; i < count; i++)
            scale = fmax(scale, fabs((double)x[i]));
        for (int64_t i = 0; i < count; i++)
            worst = isnan(y[i]) ? INFINITY : fmax(worst, fabs((double)x[i] - (double)y[i]));
        if (!test_true(worst <= 1e-4 * scale, "the interpreter's numbers", compiler, (int)k))
            printf("  output %u is off by %g\n", k, worst / scale);
        got += nnc_tensor_bytes(&want[k]);
    }
}

static void train(const char *name, const char *target, const char *const *compilers)
{
    emitted e = emitted_new();
    nnc_options o = {.target = nnc_target_by_name(target)};
    char path[512], *text;
    nnc_tensor want[MAX_TENSORS];
    unsigned n = 0;
    const float *loss;

    snprintf(path, sizeof path, "%s/passes/autodiff/train/%s.ir", NNC_TESTS_DIR, name);
    text = test_read_file(path, NULL);
    test_state.running = name;
    REQUIRE(text != NULL);
    REQUIRE(nnc_read_module(e.m, path, text, strlen(text), ".") == NNC_OK);
    REQUIRE(nnc_passes_run(e.m, &o) == NNC_OK);
    ordinary_inputs(&e, nnc_func_entry(e.m, NNC_OP_kernel));
    REQUIRE(e.nin <= MAX_TENSORS);
    REQUIRE(interpret(path, text, &e, want, &n));
    loss = want[0].data;
    CHECK(loss[want[0].dim[0] - 1] < loss[0]);
    REQUIRE(emitted_write(&e, target, false));
    for (; *compilers; compilers++) {
        const char *got;
        CHECK(emitted_run(&e, *compilers, &got));
        if (got)
            compare(n, want, got, *compilers);
    }
    free(text);
    emitted_drop(&e);
}

int main(void)
{
    static const char *const scalar[] = {
        "gcc -O1 -fsanitize=address,undefined -fno-sanitize-recover=all", "clang -O2", NULL};
    static const char *const vectors[] = {"gcc -O2 -march=x86-64-v3", "clang -O2 -march=x86-64-v3",
                                          NULL};
    static const char *const nets[] = {"mlp", "conv", "lstm"};

    for (size_t i = 0; i < sizeof nets / sizeof nets[0]; i++) {
        train(nets[i], "scalar", scalar);
        train(nets[i], "avx2", vectors);
    }
    return test_end();
}
