/* kexpand changes no bit: every kernel of forms.ir is interpreted before, as vector form and as portable form. */
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "tests/codegen/c/emitted.h"

typedef struct outcome {
    unsigned n;
    nnc_kernel_arg arg[8];
} outcome;

static nnc_module *read_forms(nnc_arena *a)
{
    size_t n;
    char *text = test_read_file(NNC_TESTS_DIR "/passes/kexpand/forms.ir", &n);
    nnc_module *m = nnc_module_new(a, nnc_diag_new(a));
    nnc_arena_defer(a, free, text);
    if (!text || nnc_read_module(m, "forms.ir", text, n, ".") != NNC_OK || nnc_verify(m) != NNC_OK)
        return NULL;
    return m;
}

/* The same random bytes in all buffers of a kernel, run, and what they hold then. */
static outcome interpret(nnc_module *m, nnc_arena *a, nnc_op kernel)
{
    outcome o = {0};
    nnc_block b = nnc_op_region(m, kernel, 0);
    emitted_seed = 88172645463325252u;
    o.n = nnc_block_narg(m, b);
    for (unsigned i = 0; i < o.n; i++) {
        nnc_value v = nnc_block_arg(m, b, i);
        nnc_dtype dt = (nnc_dtype)nnc_value_ty(m, v)->dtype;
        o.arg[i].bytes = (size_t)nnc_type_bytes(m, nnc_value_type(m, v));
        o.arg[i].buf = nnc_arena_alloc(a, o.arg[i].bytes);
        for (size_t k = 0; k < o.arg[i].bytes / nnc_dtype_bytes(dt); k++)
            nnc_num_store(dt, (char *)o.arg[i].buf + k * nnc_dtype_bytes(dt),
                          (nnc_num){(double)(emitted_random() % 4096) / 1024 - 2,
                                    (int64_t)(emitted_random() % 4096)});
    }
    CHECK(nnc_interp_kernel(m, kernel, a, o.n, o.arg) == NNC_OK);
    return o;
}

static void same(const outcome *x, const outcome *y, const char *name, const char *form)
{
    for (unsigned i = 0; i < x->n; i++) {
        test_state.checks++;
        if (memcmp(x->arg[i].buf, y->arg[i].buf, x->arg[i].bytes) != 0)
            test_failed(__FILE__, __LINE__, "%s: the %s form changes argument %u", name, form, i);
    }
}

static unsigned count(nnc_module *m, nnc_block b, nnc_opcode code)
{
    unsigned n = 0;
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        n += nnc_op_code(m, op) == code;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            n += count(m, nnc_op_region(m, op, r), code);
    }
    return n;
}

static bool has_lanes(nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_nout(m, op) && nnc_value_ty(m, nnc_op_out(m, op, 0))->lanes > 1 &&
            nnc_op_code(m, op) == NNC_OP_add)
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (has_lanes(m, nnc_op_region(m, op, r)))
                return true;
    }
    return false;
}

static nnc_block body(nnc_module *m, const char *name)
{
    return nnc_op_region(m, nnc_func_find(m, name), 0);
}

static void forms_keep_every_bit(void)
{
    static const char *const names[] = {"tile", "rows", "requant", "serial", "order", "newton"};
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = read_forms(a);
    nnc_options opt = {.target = nnc_target_by_name("avx512")};
    nnc_pass_cx cx = {.m = m, .scratch = nnc_arena_new(), .opt = &opt};
    outcome before[6];
    REQUIRE(m != NULL);
    for (int i = 0; i < 6; i++)
        before[i] = interpret(m, a, nnc_func_find(m, names[i]));
    REQUIRE(nnc_pass_kexpand(&cx) == NNC_OK);
    REQUIRE(nnc_verify(m) == NNC_OK);
    for (int i = 0; i < 6; i++) {
        nnc_op f = nnc_func_find(m, names[i]);
        outcome after = interpret(m, a, f);
        same(&before[i], &after, names[i], "vector");
        const char *twin = nnc_attr_str(m, f, NNC_W_portable, NULL);
        CHECK((twin != NULL) == (i < 3));
        if (!twin)
            continue;
        after = interpret(m, a, nnc_func_find(m, twin));
        same(&before[i], &after, names[i], "portable");
        CHECK(!has_lanes(m, body(m, twin)));
    }
    nnc_arena_free(cx.scratch);
    nnc_arena_free(a);
}

/* Shapes of the results: what is shared, what became a register, what is gone. */
static void forms_look_right(void)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = read_forms(a);
    nnc_options opt = {.target = nnc_target_by_name("avx512")};
    nnc_pass_cx cx = {.m = m, .scratch = nnc_arena_new(), .opt = &opt};
    REQUIRE(m && nnc_pass_kexpand(&cx) == NNC_OK);
    CHECK_INT(count(m, body(m, "tile"), NNC_OP_for), 2); /* m and k */
    CHECK_INT(count(m, body(m, "tile"), NNC_OP_mul),
              1 + 12); /* the address, and 6 rows of 16 and 8 lanes */
    CHECK_INT(count(m, body(m, "serial"), NNC_OP_for), 4); /* nothing there is a vector loop */
    CHECK(has_lanes(m, body(m, "tile")));
    CHECK(!has_lanes(m, body(m, "serial")));
    CHECK_INT(count(m, body(m, "order"), NNC_OP_for), 1);
    CHECK_INT(count(m, body(m, "order"), NNC_OP_load), 3); /* stores part the loads of y */
    for (nnc_op op = nnc_block_first(m, body(m, "rows")); op.id; op = nnc_op_next(m, op))
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            for (nnc_op in = nnc_block_first(m, nnc_op_region(m, op, r)); in.id;
                 in = nnc_op_next(m, in))
                if (nnc_op_code(m, in) == NNC_OP_alloc)
                    CHECK_INT(nnc_value_ty(m, nnc_op_out(m, in, 0))->lanes, 16);
    nnc_arena_free(cx.scratch);
    nnc_arena_free(a);
}

int main(void)
{
    RUN(forms_keep_every_bit);
    RUN(forms_look_right);
    return test_end();
}
