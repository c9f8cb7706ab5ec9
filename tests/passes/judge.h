/* tests/passes/judge.h - run a graph in the G interpreter and its lowering in the K interpreter, and compare.
 *
 *     judge("dim n = 0..9\ngraph @g [entry=1] (%x: f32[n,4]) { .. }", (int64_t[]){ 5 }, 1);
 *
 * The text is read twice: once to run, once to lower.  Inputs are random; `limit` bounds integers (indices), `special`
 * mixes nan, infinities and -0 into floats.  The kernel runs twice, before and after merge and plan. */
#ifndef NNC_TESTS_JUDGE_H
#define NNC_TESTS_JUDGE_H
#include <ctype.h>
#include "ir/eval.h"
#include "ir/interp.h"
#include "ir/text.h"
#include "ir/verify.h"
#include "passes/pass.h"
#include "tests/test.h"

typedef struct judge_options {
    const int64_t *sym; /* values of the symbols in the order of the text's `dim` lines */
    int64_t lo, hi;     /* integer inputs are drawn from lo .. hi; both 0: -3 .. 6 */
    bool special;
    double tolerance; /* 0: bitwise, but nan equals nan */
    bool show;        /* print the lowered text */
    /* > 0: only that many leading rows of results[0] are specified; -1: result 1 says so */
    int64_t valid_rows;
} judge_options;

typedef struct judge_result {
    uint64_t arena, bound;
    int copies, kernels;
    bool ok;
} judge_result;

static uint64_t judge_seed = 12345;

static inline uint64_t judge_draw(void)
{
    judge_seed ^= judge_seed << 13;
    judge_seed ^= judge_seed >> 7;
    return judge_seed ^= judge_seed << 17;
}

static inline void judge_fill(nnc_tensor *t, const judge_options *o)
{
    static const double odd[] = {NAN, INFINITY, -INFINITY, -0.0, 0.0, 1, 1};
    int64_t lo = o->lo || o->hi ? o->lo : -3, hi = o->lo || o->hi ? o->hi : 6;

    for (int64_t i = 0; i < nnc_tensor_count(t); i++) {
        nnc_num v = {0, 0};
        if (nnc_dtype_is_float(t->dtype)) {
            v.f = (double)((int64_t)(judge_draw() % 2001) - 1000) / 250;
            if (o->special && judge_draw() % 3 == 0)
                v.f = odd[judge_draw() % 7];
            v = nnc_eval_cast(v, NNC_DT_f64, t->dtype, true, NNC_W_up);
        } else if (t->dtype == NNC_DT_bool) {
            v.i = (int64_t)(judge_draw() & 1);
        } else {
            v.i = lo + (int64_t)(judge_draw() % (uint64_t)(hi - lo + 1));
            v = nnc_num_of_bits(t->dtype, nnc_num_bits(t->dtype, v));
        }
        nnc_num_store(t->dtype, (char *)t->data + (size_t)i * nnc_dtype_bytes(t->dtype), v);
    }
}

static inline nnc_module *judge_read(nnc_arena *a, const char *text)
{
    nnc_diag *d = nnc_diag_new(a);
    nnc_module *m = nnc_module_new(a, d);

    if (nnc_read_module(m, "test.ir", text, strlen(text), ".") != NNC_OK)
        test_failed(__FILE__, __LINE__, "the test's own text cannot be read:\n%s", text);
    return m;
}

static inline int judge_count(const nnc_module *m, nnc_block b, nnc_opcode code)
{
    int n = 0;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        n += nnc_op_code(m, op) == code;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            n += judge_count(m, nnc_op_region(m, op, r), code);
    }
    return n;
}

static inline void judge_compare(const nnc_tensor *want, const nnc_tensor *got, int64_t rows,
                                 double tol, const char *when, const char *text, unsigned result)
{
    int64_t n = nnc_tensor_count(want), row = want->rank && want->dim[0] ? n / want->dim[0] : n;
    size_t size = nnc_dtype_bytes(want->dtype);

    if (rows >= 0 && rows * row < n)
        n = rows * row;
    for (int64_t i = 0; i < n; i++) {
        nnc_num w = nnc_num_load(want->dtype, (const char *)want->data + (size_t)i * size);
        nnc_num g = nnc_num_load(want->dtype, (const char *)got->data + (size_t)i * size);
        bool fl = nnc_dtype_is_float(want->dtype);
        double scale = fmax(1, fmax(fabs(w.f), fabs(g.f)));
        bool ok = fl ? (isnan(w.f) && isnan(g.f)) || w.f == g.f ||
                           (tol > 0 && fabs(w.f - g.f) <= tol * scale)
                     : w.i == g.i;
        if (fl && ok && tol == 0 && w.f == 0 && signbit(w.f) != signbit(g.f))
            ok = false;
        test_state.checks++;
        if (!ok) {
            test_failed(__FILE__, __LINE__,
                        "%s, result %u, element %lld: %.9g (%lld), expected %.9g (%lld), in\n%s",
                        when, result, (long long)i, g.f, (long long)g.i, w.f, (long long)w.i, text);
            return;
        }
    }
}

/* Run the kernel on the inputs and compare with the graph's results. */
static inline void judge_kernel(nnc_module *m, nnc_arena *a, const nnc_tensor *in, unsigned nout,
                                const nnc_tensor *want, const judge_options *o, const char *when,
                                const char *text)
{
    nnc_op entry = nnc_func_entry(m, NNC_OP_kernel);
    nnc_block b = nnc_op_region(m, entry, 0);
    unsigned n = nnc_block_narg(m, b), nrole, isym = 0, iin = 0, iout = 0;
    nnc_kernel_arg *arg = nnc_arena_array(a, n + 1, sizeof *arg);
    nnc_tensor *got = nnc_arena_array(a, nout + 1, sizeof *got);
    const int64_t *role = nnc_attr_ints(m, entry, NNC_W_role, &nrole);

    if (nrole != n) {
        test_failed(__FILE__, __LINE__, "%u roles for %u arguments", nrole, n);
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        static int64_t late[16];
        if (role[i] == 0) {
            arg[i].bytes = nnc_tensor_bytes(&in[iin]);
            arg[i].buf = nnc_arena_copy(a, in[iin++].data, arg[i].bytes);
        } else if (role[i] == 1) {
            got[iout] = nnc_tensor_new(a, want[iout].dtype, want[iout].rank, want[iout].dim);
            arg[i].bytes = nnc_tensor_bytes(&got[iout]);
            /* data-dependent sizes: the caller must have room for the most */
            if ((size_t)nnc_type_bytes(m, nnc_value_type(m, nnc_block_arg(m, b, i))) >
                arg[i].bytes) {
                bool late_size = false;
                for (unsigned k = i; k < n; k++)
                    late_size |= role[k] == 3;
                if (late_size)
                    arg[i].bytes =
                        (size_t)nnc_type_bytes(m, nnc_value_type(m, nnc_block_arg(m, b, i)));
            }
            arg[i].buf = nnc_arena_alloc(a, arg[i].bytes);
            memset(arg[i].buf, 0xFF, arg[i].bytes);
            got[iout++].data = arg[i].buf;
        } else if (role[i] == 2) {
            arg[i].idx = o->sym[isym++];
        } else {
            arg[i] = (nnc_kernel_arg){&late[i % 16], 8, 0};
        }
    }
    if (nnc_interp_kernel(m, entry, a, n, arg) != NNC_OK) {
        test_failed(__FILE__, __LINE__, "%s: the kernel cannot be run, from\n%s", when, text);
        return;
    }
    for (unsigned i = 0; i < nout; i++) {
        int64_t rows = -1;
        if (i == 0 && o->valid_rows > 0)
            rows = o->valid_rows;
        if (i == 0 && o->valid_rows < 0)
            rows = *(const int64_t *)want[1].data;
        judge_compare(&want[i], &got[i], rows, o->tolerance, when, text, i);
    }
}

static inline judge_result judge(const char *text, judge_options o)
{
    nnc_arena *a = nnc_arena_new();
    nnc_module *m = judge_read(a, text);
    nnc_op graph = nnc_func_entry(m, NNC_OP_graph);
    nnc_block body = nnc_op_region(m, graph, 0);
    unsigned nin = nnc_block_narg(m, body), nout = nnc_op_nin(m, nnc_block_last(m, body));
    nnc_tensor *in = nnc_arena_array(a, nin + 1, sizeof *in),
               *out = nnc_arena_array(a, nout + 1, sizeof *out);
    nnc_options opt = {.target = nnc_target_by_name("scalar")};
    nnc_pass_cx cx = {.scratch = nnc_arena_new(), .opt = &opt};
    judge_result r = {0};
    int before = test_state.failures;

    for (unsigned i = 0; i < nin; i++) {
        nnc_type_rec t = *nnc_value_ty(m, nnc_block_arg(m, body, i));
        int64_t dim[NNC_MAX_RANK];
        for (int d = 0; d < t.rank; d++)
            dim[d] = nnc_dim_is_const(t.dim[d]) ? t.dim[d] : nnc_dim_eval(m->dims, t.dim[d], o.sym);
        in[i] = nnc_tensor_new(a, (nnc_dtype)t.dtype, t.rank, dim);
        judge_fill(&in[i], &o);
    }
    if (nnc_interp_graph(m, graph, a, nin, in, nout, out) != NNC_OK) {
        test_failed(__FILE__, __LINE__, "the graph cannot be run:\n%s", text);
        return r;
    }
    cx.m = m = judge_read(a, text);
    if (nnc_verify(m) != NNC_OK || nnc_pass_lower(&cx) != NNC_OK || nnc_verify(m) != NNC_OK) {
        test_failed(__FILE__, __LINE__, "not lowered:\n%s", text);
        return r;
    }
    if (o.show)
        nnc_print_module(m, stdout, &(nnc_print_options){0});
    judge_kernel(m, a, in, nout, out, &o, "lowered", text);
    if (nnc_pass_merge(&cx) != NNC_OK || nnc_verify(m) != NNC_OK || nnc_pass_plan(&cx) != NNC_OK ||
        nnc_verify(m) != NNC_OK) {
        test_failed(__FILE__, __LINE__, "not planned:\n%s", text);
        return r;
    }
    if (o.show)
        nnc_print_module(m, stdout, &(nnc_print_options){0});
    judge_kernel(m, a, in, nout, out, &o, "planned", text);
    nnc_op entry = nnc_func_entry(m, NNC_OP_kernel);
    r.arena = (uint64_t)nnc_attr_int(m, entry, NNC_W_arena, 0);
    r.bound = (uint64_t)nnc_attr_int(m, entry, NNC_W_bound, 0);
    r.copies = judge_count(m, nnc_op_region(m, entry, 0), NNC_OP_copy);
    r.kernels = judge_count(m, m->top, NNC_OP_kernel) - 1;
    r.ok = test_state.failures == before;
    nnc_arena_free(cx.scratch);
    nnc_arena_free(a);
    return r;
}
#endif
