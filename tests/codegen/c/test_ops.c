/* Every scalar op of K on every dtype: interpreter against emitted C, as scalars and as vectors, from several compilers,
 * plain and under sanitizers.  Integers must agree in every bit, exact float operations too; elementary functions within
 * the documented units in the last place. */
#include "ir/build.h"
#include "passes/kexpand/kexpand.h"
#include "tests/codegen/c/emitted.h"

enum { N = 128, LANES = 16 };

typedef struct test_case {
    nnc_opcode code;
    nnc_dtype dt, to;
    bool flag;
    double ulp;
} test_case;
typedef NNC_BUF(test_case) case_list;

static double tolerance(nnc_opcode code)
{
    switch (code) {
    case NNC_OP_exp:
    case NNC_OP_expm1:
    case NNC_OP_log:
    case NNC_OP_log1p:
    case NNC_OP_sin:
    case NNC_OP_cos:
    case NNC_OP_tan:
    case NNC_OP_asin:
    case NNC_OP_acos:
    case NNC_OP_atan:
    case NNC_OP_sinh:
    case NNC_OP_cosh:
    case NNC_OP_tanh:
    case NNC_OP_asinh:
    case NNC_OP_acosh:
    case NNC_OP_atanh:
    case NNC_OP_erf:
    case NNC_OP_sigmoid:
    case NNC_OP_rsqrt:
    case NNC_OP_pow:
    case NNC_OP_atan2: return 4;
    case NNC_OP_fma: return 1e30; /* contracted or not */
    default: return 0;
    }
}

static bool is_arith(nnc_dtype dt)
{
    return dt != NNC_DT_string && dt != NNC_DT_u8q && dt != NNC_DT_i8q && dt != NNC_DT_idx;
}

/* Is the op defined for the dtype? */
static bool applies(nnc_opcode code, nnc_dtype dt)
{
    bool flt = nnc_dtype_is_float(dt), boolean = dt == NNC_DT_bool;
    switch (code) {
    case NNC_OP_and:
    case NNC_OP_or:
    case NNC_OP_xor:
    case NNC_OP_not: return !flt;
    case NNC_OP_shl:
    case NNC_OP_shr: return !flt && !boolean;
    case NNC_OP_mulhi:
    case NNC_OP_rshift_round:
    case NNC_OP_add_sat:
        return dt == NNC_DT_i32 || dt == NNC_DT_i16 || dt == NNC_DT_i8 ||
               (dt == NNC_DT_i64 && code == NNC_OP_mulhi);
    case NNC_OP_eq: return true;
    case NNC_OP_neg:
    case NNC_OP_abs:
    case NNC_OP_sign:
    case NNC_OP_floor:
    case NNC_OP_ceil:
    case NNC_OP_round:
    case NNC_OP_trunc:
    case NNC_OP_add:
    case NNC_OP_sub:
    case NNC_OP_mul:
    case NNC_OP_div:
    case NNC_OP_rem:
    case NNC_OP_pow:
    case NNC_OP_max:
    case NNC_OP_min:
    case NNC_OP_lt:
    case NNC_OP_le: return !boolean;
    case NNC_OP_isnan:
    case NNC_OP_isinf: return flt;
    default: return flt;
    }
}

/* `lanes`: only what has a vector form. */
static void find_cases(nnc_arena *a, case_list *all, bool lanes)
{
    case_list every = {0}, *l = &every;

    for (int code = 1; code < NNC_OP_COUNT; code++) {
        const nnc_op_info *i = &nnc_op_infos[code];
        if (!(i->levels & NNC_LEVEL_K) || !(i->traits & NNC_ELEMENTWISE) || code == NNC_OP_cast ||
            code == NNC_OP_bitcast || code == NNC_OP_select)
            continue;
        for (int dt = 1; dt < NNC_DT_COUNT; dt++)
            if (is_arith((nnc_dtype)dt) && dt != NNC_DT_f8e8m0 /* scales: nobody adds them */ &&
                applies((nnc_opcode)code, (nnc_dtype)dt)) {
                NNC_PUSH(a, l,
                         (test_case){(nnc_opcode)code, (nnc_dtype)dt, (nnc_dtype)dt, false,
                                     tolerance((nnc_opcode)code)});
                if (code == NNC_OP_rem)
                    NNC_PUSH(a, l,
                             (test_case){(nnc_opcode)code, (nnc_dtype)dt, (nnc_dtype)dt, true, 0});
            }
    }
    for (int from = 1; from < NNC_DT_COUNT; from++)
        for (int to = 1; to < NNC_DT_COUNT; to++) {
            if (!is_arith((nnc_dtype)from) || !is_arith((nnc_dtype)to))
                continue;
            NNC_PUSH(a, l, (test_case){NNC_OP_cast, (nnc_dtype)from, (nnc_dtype)to, true, 0});
            if (nnc_dtype_is_float((nnc_dtype)to) && nnc_dtype_infos[to].bits == 8)
                NNC_PUSH(a, l, (test_case){NNC_OP_cast, (nnc_dtype)from, (nnc_dtype)to, false, 0});
            if (nnc_dtype_infos[from].bits == nnc_dtype_infos[to].bits &&
                nnc_dtype_infos[from].bits >= 8 && from != to && from != NNC_DT_bool &&
                to != NNC_DT_bool)
                NNC_PUSH(a, l,
                         (test_case){NNC_OP_bitcast, (nnc_dtype)from, (nnc_dtype)to, true, 0});
        }
    for (int dt = 1; dt < NNC_DT_COUNT; dt++)
        if (is_arith((nnc_dtype)dt))
            NNC_PUSH(a, l, (test_case){NNC_OP_select, (nnc_dtype)dt, (nnc_dtype)dt, false, 0});
    for (uint32_t i = 0; i < l->n; i++)
        if (!lanes || nnc_vector_has(l->at[i].code, l->at[i].dt, l->at[i].to))
            NNC_PUSH(a, all, l->at[i]);
}

static bool gives_bool(nnc_opcode code)
{
    return code == NNC_OP_eq || code == NNC_OP_lt || code == NNC_OP_le || code == NNC_OP_isnan ||
           code == NNC_OP_isinf;
}

/* y[i] = op(a[i], b[i], c[i]) as a kernel over vectors of LANES. */
static void build_kernel(emitted *e, const char *name, const test_case *t)
{
    nnc_module *m = e->m;
    nnc_op f = nnc_build_func(m, NNC_OP_kernel, name, false, (nnc_loc){0});
    nnc_block top = nnc_op_region(m, f, 0);
    nnc_builder b = nnc_builder_at_end(m, top);
    nnc_dim n = N;
    bool select = t->code == NNC_OP_select;
    unsigned nin = (unsigned)nnc_op_infos[t->code].nin;
    nnc_value in[3], v[3];
    for (unsigned i = 0; i < nin; i++)
        in[i] = nnc_block_add_arg(m, top,
                                  nnc_type_buffer(m, select && i == 0 ? NNC_DT_bool : t->dt, 1, 1,
                                                  &n, NULL, NNC_SPACE_arg),
                                  "x");
    nnc_dtype out = gives_bool(t->code) ? NNC_DT_bool : t->to;
    nnc_value y =
        nnc_block_add_arg(m, top, nnc_type_buffer(m, out, 1, 1, &n, NULL, NNC_SPACE_arg), "y");
    nnc_value i =
        nnc_k_for(&b, nnc_k_idx(&b, 0), nnc_k_idx(&b, N), nnc_k_idx(&b, LANES), NNC_W_serial, "i");
    nnc_value l =
        nnc_k_for(&b, nnc_k_idx(&b, 0), nnc_k_idx(&b, LANES), nnc_k_idx(&b, 1), NNC_W_vector, "l");
    nnc_value at = nnc_k_binary(&b, NNC_OP_add, i, l);
    for (unsigned k = 0; k < nin; k++)
        v[k] = nnc_k_load(&b, in[k], 1, &at);
    nnc_type type = nnc_type_scalar(m, out, 1);
    nnc_op op = nnc_build_op(&b, t->code, nin, v, 1, &type);
    if (t->code == NNC_OP_rem && t->flag)
        nnc_attr_set_int(m, op, NNC_W_fmod, 1);
    if (t->code == NNC_OP_cast && !t->flag)
        nnc_attr_set_int(m, op, NNC_W_saturate, 0);
    nnc_k_store(&b, nnc_op_out(m, op, 0), y, 1, &at);
}

static void build_module(emitted *e, const case_list *l)
{
    nnc_module *m = e->m;
    NNC_BUF(int64_t) role = {0};
    nnc_value in[NNC_DT_COUNT][3] = {{{0}}};
    const char *names = "", *outs = "";
    nnc_dim n = N;
    for (uint32_t k = 0; k < l->n; k++)
        build_kernel(e, nnc_arena_printf(e->a, "case%u", k), &l->at[k]);
    nnc_op f = nnc_build_func(m, NNC_OP_kernel, "net", true, (nnc_loc){0});
    nnc_block top = nnc_op_region(m, f, 0);
    nnc_builder b = nnc_builder_at_end(m, top);
    for (int dt = 1; dt < NNC_DT_COUNT; dt++)
        for (int k = 0; is_arith((nnc_dtype)dt) && k < 3; k++) {
            const char *name = nnc_arena_printf(e->a, "%s_%d", nnc_dtype_infos[dt].name, k);
            in[dt][k] = nnc_block_add_arg(
                m, top, nnc_type_buffer(m, (nnc_dtype)dt, 1, 1, &n, NULL, NNC_SPACE_arg), name);
            names = nnc_arena_printf(e->a, "%s%s%s", names, *names ? "\n" : "", name);
            NNC_PUSH(e->a, &role, 0);
        }
    for (uint32_t k = 0; k < l->n; k++) {
        const test_case *t = &l->at[k];
        nnc_value y =
            nnc_block_add_arg(m, top,
                              nnc_type_buffer(m, gives_bool(t->code) ? NNC_DT_bool : t->to, 1, 1,
                                              &n, NULL, NNC_SPACE_arg),
                              "y");
        nnc_value arg[4] = {in[t->dt][0], in[t->dt][1], in[t->dt][2]};
        unsigned nin = (unsigned)nnc_op_infos[t->code].nin;
        if (t->code == NNC_OP_select)
            arg[0] = in[NNC_DT_bool][0];
        arg[nin] = y;
        nnc_op call = nnc_build_op(&b, NNC_OP_call, nin + 1, arg, 0, NULL);
        nnc_attr_set_str(m, call, NNC_W_callee, nnc_arena_printf(e->a, "case%u", k));
        outs = nnc_arena_printf(e->a, "%s%sy%u", outs, *outs ? "\n" : "", k);
        NNC_PUSH(e->a, &role, 1);
    }
    nnc_attr_set_ints(m, f, NNC_W_role, role.n, role.at);
    nnc_attr_set_str(m, f, NNC_W_input, names);
    nnc_attr_set_str(m, f, NNC_W_output, outs);
}

static void compare(const emitted *e, const case_list *l, const char *got, const char *compiler)
{
    for (uint32_t k = 0; k < l->n; k++) {
        const test_case *t = &l->at[k];
        nnc_dtype dt = gives_bool(t->code) ? NNC_DT_bool : t->to;
        size_t size = nnc_dtype_bytes(dt);
        const char *want = e->arg[e->nin + k].buf;
        for (int i = 0; i < N; i++) {
            nnc_num x = nnc_num_load(dt, got + (size_t)i * size),
                    y = nnc_num_load(dt, want + (size_t)i * size);
            bool ok = nnc_dtype_is_float(dt) ? emitted_ulp(dt, x.f, y.f) <= t->ulp : x.i == y.i;
            if (t->ulp && dt != NNC_DT_f32 && dt != NNC_DT_f64) /* rounded again: one step apart */
                ok = ok || fabs(x.f - y.f) <= fabs(y.f) * 0.26 + 1e-6 || isnan(x.f) || isinf(x.f);
            test_state.checks++;
            if (ok)
                continue;
            test_failed(
                __FILE__, __LINE__,
                "%s: %s %s -> %s [%d] element %d: C gives %.9g / %lld, the interpreter %.9g / %lld",
                compiler, nnc_op_infos[t->code].name, nnc_dtype_infos[t->dt].name,
                nnc_dtype_infos[dt].name, t->flag, i, x.f, (long long)x.i, y.f, (long long)y.i);
            break;
        }
        got += size * N;
    }
}

static void agree(const char *target, bool lanes, const char *const *compilers)
{
    emitted e = emitted_new();
    case_list l = {0};
    nnc_options o = {.target = nnc_target_by_name(target)};
    nnc_pass_cx cx = {.m = e.m, .scratch = nnc_arena_new(), .opt = &o};
    find_cases(e.a, &l, lanes);
    build_module(&e, &l);
    REQUIRE(nnc_verify(e.m) == NNC_OK);
    nnc_op entry = nnc_func_entry(e.m, NNC_OP_kernel);
    emitted_arguments(&e, entry);
    REQUIRE(nnc_interp_kernel(e.m, entry, e.a, e.n, e.arg) == NNC_OK);
    REQUIRE(nnc_pass_kexpand(&cx) == NNC_OK);
    REQUIRE(nnc_verify(e.m) == NNC_OK);
    REQUIRE(emitted_write(&e, target, false));
    for (; *compilers; compilers++) {
        const char *got;
        CHECK(emitted_run(&e, *compilers, &got));
        if (got)
            compare(&e, &l, got, *compilers);
    }
    emitted_drop(&e);
    nnc_arena_free(cx.scratch);
}

static void scalars(void)
{
    static const char *const compilers[] = {
        "gcc -O0 -fsanitize=address,undefined -fno-sanitize-recover=all", "clang-19 -O0", NULL};
    agree("scalar", false, compilers);
}

static void vectors(void)
{
    static const char *const wide[] = {"gcc -O2 -march=x86-64-v4", "clang-19 -O1 -march=x86-64-v4",
                                       NULL},
                             *const narrow[] = {"gcc -O1 -march=x86-64-v3", NULL};
    agree("avx512", true, wide);
    agree("avx2", true, narrow);
}

int main(void)
{
    RUN(scalars);
    RUN(vectors);
    return test_end();
}
