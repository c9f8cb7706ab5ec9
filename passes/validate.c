/* Translation validation.
 *
 * Symbols of the input shapes are drawn within their bounds (small, so that a run is short), inputs are drawn per dtype.
 * Two sets of inputs are used on graphs: ordinary numbers, and numbers mixed with nan, inf, -0, the largest and the
 * smallest; the second set only judges passes that promise bitwise equality.  After a pass the results are compared
 * with those after the pass before, so the pass that is named is the pass that did it.  Passes that may reassociate get a
 * tolerance relative to the largest magnitude of the tensor.
 *
 * At K the interpreter walks every scalar operation, so big nets are only validated at G; a warning says so once. */
#include "passes/validate.h"
#include "passes/clean.h"
#include "ir/eval.h"
#include "ir/interp.h"
#include <math.h>
#include <string.h>

static void free_arena(void *a)
{
    nnc_arena_free(a);
}

enum { PLAIN, SPECIAL, SETS };
enum { ATTEMPTS = 16, MAX_OPS = 500000 };
static const double MAX_K_WORK =
    2e7; /* multiply-adds and elements; a few seconds per pass in the K interpreter */
static const double MAX_K_TWICE = 2e5; /* up to here K code also runs with special values */
static const int64_t MAX_SYMBOL = 8;   /* symbols are drawn below lo + this */

typedef struct inputs {
    nnc_tensor *in, *want; /* per graph input, per graph output */
    bool usable;
} inputs;
struct nnc_validate {
    nnc_module *m;
    nnc_arena *a, *runs[2]; /* results of the last run and of the one before */
    int turn;
    uint64_t seed;
    int64_t *sym;
    unsigned nin, nout;
    inputs set[SETS];
    nnc_type *out_type;
    unsigned *kept; /* per input: the output that is its next value (`state`), + 1 */
    double work;
    bool fast, told, loops; /* loops: there is a `while` */
};

static uint64_t draw(uint64_t *s) /* splitmix64 */
{
    uint64_t z = (*s += 0x9E3779B97F4A7C15u);

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double uniform(uint64_t *s, double lo, double hi)
{
    return lo + (hi - lo) * (double)(draw(s) >> 11) * 0x1p-53;
}

/* `tame`: integers stay small, because a loop may count up to them. */
static nnc_num draw_element(nnc_dtype dt, uint64_t *s, int set, bool tame)
{
    static const double special[] = {NAN,  INFINITY, -INFINITY, -0.0, 0.0,
                                     1e30, -1e30,    1e-40,     1,    -1};
    nnc_num n = {0, 0};

    if (nnc_dtype_is_float(dt)) {
        n.f = uniform(s, -2, 2);
        if (set == SPECIAL && draw(s) % 4 == 0)
            n.f = special[draw(s) % (sizeof special / sizeof special[0])];
        return nnc_eval_cast(n, NNC_DT_f64, dt, true, NNC_W_up);
    }
    if (nnc_dtype_infos[dt].class == NNC_DC_BOOL)
        n.i = (int64_t)(draw(s) & 1);
    else if (nnc_dtype_infos[dt].bits <= 16 && set == PLAIN && !tame)
        n.i = (int64_t)draw(s);
    else if (set == SPECIAL && draw(s) % 8 == 0 && !tame)
        n.i = (int64_t)draw(s);
    else
        n.i = (int64_t)(draw(s) % 4); /* likely to be an index or a size */
    return nnc_num_of_bits(dt, nnc_num_bits(dt, n));
}

static bool has_while(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_while)
            return true;
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            if (has_while(m, nnc_op_region(m, op, i)))
                return true;
    }
    return false;
}

static void draw_symbols(nnc_validate *v)
{
    uint32_t n = nnc_dim_nsymbol(v->m->dims);

    v->sym = nnc_arena_array(v->a, n + 1, sizeof *v->sym);
    for (uint32_t i = 0; i < n; i++) {
        nnc_dim d = nnc_dim_symbol_at(v->m->dims, i);
        int64_t lo = nnc_dim_lo(v->m->dims, d), hi = nnc_dim_hi(v->m->dims, d);
        if (lo < 1 && hi >= 1)
            lo = 1; /* empty tensors show little */
        if (hi - lo >= MAX_SYMBOL)
            hi = lo + MAX_SYMBOL - 1;
        v->sym[i] = lo + (int64_t)(draw(&v->seed) % (uint64_t)(hi - lo + 1));
    }
}

/* A short i64 vector may be a shape that the declared outputs must agree with: take it from them. */
static bool draw_shape(nnc_validate *v, nnc_tensor *t)
{
    int64_t n = nnc_tensor_count(t), *to = t->data;
    unsigned first;

    if (t->dtype != NNC_DT_i64 || t->rank > 1 || n > NNC_MAX_RANK || v->nout == 0)
        return false;
    first = (unsigned)(draw(&v->seed) % v->nout);
    for (unsigned k = 0; k < v->nout; k++) {
        nnc_type_rec ty = *nnc_type_get(v->m, v->out_type[(first + k) % v->nout]);
        if (ty.rank == 0 || (t->rank == 1 && n > 1 && ty.rank != n))
            continue;
        for (int64_t i = 0; i < n; i++) {
            nnc_dim d = ty.dim[n == 1 ? (int64_t)(draw(&v->seed) % ty.rank) : i];
            to[i] = nnc_dim_is_const(d) ? d : nnc_dim_hi(v->m->dims, d);
        }
        return true;
    }
    return false;
}

/* From the second attempt on, half of the short integer vectors are shapes. */
static void draw_inputs(nnc_validate *v, nnc_block b, int set, int attempt)
{
    v->set[set].in = nnc_arena_array(v->a, v->nin, sizeof(nnc_tensor));
    for (unsigned i = 0; i < v->nin; i++) {
        nnc_type_rec ty = *nnc_value_ty(v->m, nnc_block_arg(v->m, b, i));
        int64_t dim[NNC_MAX_RANK];
        nnc_tensor *t = &v->set[set].in[i];
        for (int d = 0; d < ty.rank; d++)
            dim[d] = nnc_dim_is_const(ty.dim[d]) ? ty.dim[d]
                                                 : nnc_dim_eval(v->m->dims, ty.dim[d], v->sym);
        *t = nnc_tensor_new(v->a, (nnc_dtype)ty.dtype, ty.rank, dim);
        if (attempt > 0 && draw(&v->seed) % 2 && draw_shape(v, t))
            continue;
        for (int64_t k = 0, n = nnc_tensor_count(t); k < n; k++)
            nnc_num_store(t->dtype, (char *)t->data + (size_t)k * nnc_dtype_bytes(t->dtype),
                          draw_element(t->dtype, &v->seed, set, v->loops));
    }
}

/* ---- the host ---- */
/* What a host returns depends on everything it has seen so far, so a call that is lost, doubled or out of order shows. */
typedef struct host {
    nnc_validate *v;
    uint64_t seen;
    nnc_op *op; /* by id: an op that calls it, for the types */
} host;

static void find_hosts(nnc_module *m, nnc_block b, host *h, uint32_t n)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        int64_t id = nnc_attr_int(m, op, NNC_W_id, 0);
        if (nnc_op_code(m, op) == NNC_OP_host && id < (int64_t)n)
            h->op[id] = op;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            find_hosts(m, nnc_op_region(m, op, r), h, n);
    }
}

enum { MAX_HOSTS = 1 << 16 };

static size_t tensor_count(int rank, const int64_t *dim)
{
    size_t n = 1;

    for (int d = 0; d < rank; d++)
        n *= (size_t)dim[d];
    return n;
}

static int host_call(void *context, int id, void *const *data, const int64_t *const *dim)
{
    host *h = context;
    nnc_module *m = h->v->m;
    nnc_op op = id < MAX_HOSTS ? h->op[id] : (nnc_op){0};
    unsigned nin, n;

    if (!op.id)
        return -1;
    n = nnc_op_nin(m, op) + nnc_op_nout(m, op);
    nin = (unsigned)nnc_attr_int(m, op, NNC_W_reads, (int64_t)nnc_op_nin(m, op));
    h->seen = nnc_hash(&id, sizeof id, h->seen);
    for (unsigned i = 0; i < n; i++) {
        nnc_value v =
            i < nnc_op_nin(m, op) ? nnc_op_in(m, op, i) : nnc_op_out(m, op, i - nnc_op_nin(m, op));
        nnc_type_rec ty = *nnc_value_ty(m, v);
        if (ty.kind == NNC_TYPE_scalar) /* K: sizes */
            break;
        size_t count = tensor_count(ty.rank, dim[i]), size = nnc_dtype_bytes((nnc_dtype)ty.dtype);
        uint64_t s = h->seen;
        if (i < nin && !nnc_dtype_is_float((nnc_dtype)ty.dtype)) /* floats may differ a little */
            h->seen = nnc_hash(data[i], count * size, h->seen);
        for (size_t k = 0; i >= nin && k < count; k++)
            nnc_num_store((nnc_dtype)ty.dtype, (char *)data[i] + k * size,
                          draw_element((nnc_dtype)ty.dtype, &s, PLAIN, true));
    }
    return 0;
}

static nnc_interp_options options(nnc_validate *v, nnc_op function, host *h)
{
    nnc_module *m = v->m;

    *h = (host){.v = v, .op = nnc_arena_array(v->runs[v->turn], MAX_HOSTS, sizeof *h->op)};
    find_hosts(m, nnc_op_region(m, function, 0), h, MAX_HOSTS);
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            find_hosts(m, nnc_op_region(m, f, 0), h, MAX_HOSTS);
    return (nnc_interp_options){.max_ops = MAX_OPS, .call = host_call, .context = h};
}

/* ---- runs ---- */
static nnc_status run_graph(nnc_validate *v, nnc_op graph, const inputs *set, nnc_arena *a,
                            nnc_tensor *out)
{
    nnc_arena *scratch = nnc_arena_new();
    host h;
    nnc_interp_options o = options(v, graph, &h);
    nnc_status s = nnc_interp_graph_with(v->m, graph, scratch, v->nin, set->in, v->nout, out, &o);

    for (unsigned i = 0; i < v->nout && s == NNC_OK; i++)
        out[i].data = nnc_arena_copy(a, out[i].data, nnc_tensor_bytes(&out[i]));
    nnc_arena_free(scratch);
    return s;
}

static bool is_kept(const nnc_validate *v, unsigned output)
{
    for (unsigned i = 0; i < v->nin; i++)
        if (v->kept[i] == output + 1)
            return true;
    return false;
}

/* Arguments of an entry kernel by [role]: input, output, symbol, symbol out, state (passes/lower/lower.h). */
static nnc_status run_kernel(nnc_validate *v, nnc_op kernel, const inputs *set, nnc_arena *a,
                             nnc_tensor *out)
{
    nnc_module *m = v->m;
    nnc_block b = nnc_op_region(m, kernel, 0);
    unsigned n = nnc_block_narg(m, b), nrole, nin = 0, nout = 0;
    nnc_kernel_arg *arg = nnc_arena_array(a, n, sizeof *arg);
    const int64_t *role = nnc_attr_ints(m, kernel, NNC_W_role, &nrole);
    nnc_arena *scratch;
    nnc_status s;
    host h;
    nnc_interp_options o;

    if (nrole != n)
        return nnc_error(m->diag, nnc_op_loc(m, kernel),
                         "entry kernel has %u arguments but %u roles", n, nrole);
    for (unsigned i = 0; i < n; i++) {
        nnc_value p = nnc_block_arg(m, b, i);
        while (role[i] == 1 && nout < v->nout && is_kept(v, nout))
            nout++;
        if ((role[i] == 0 || role[i] == 4) && nin < v->nin) {
            const nnc_tensor *t = &set->in[nin++];
            arg[i] = (nnc_kernel_arg){nnc_arena_copy(a, t->data, nnc_tensor_bytes(t)),
                                      nnc_tensor_bytes(t), 0};
            if (v->kept[nin - 1]) {
                out[v->kept[nin - 1] - 1] = *t;
                out[v->kept[nin - 1] - 1].data = arg[i].buf;
            }
        } else if (role[i] == 1 && nout < v->nout) {
            size_t bytes = (size_t)nnc_type_bytes(m, v->out_type[nout]);
            out[nout] = set->want[nout];
            if (nnc_tensor_bytes(&out[nout]) > bytes)
                bytes = nnc_tensor_bytes(&out[nout]);
            arg[i] = (nnc_kernel_arg){nnc_arena_alloc(a, bytes), bytes, 0};
            memset(arg[i].buf, 0xFF, bytes);
            out[nout++].data = arg[i].buf;
        } else if (role[i] == 2) {
            nnc_dim d = nnc_dim_symbol(m->dims, nnc_value_get(m, p)->name, 0, INT64_MAX);
            arg[i].idx = nnc_dim_eval(m->dims, d, v->sym);
        } else {
            arg[i] = (nnc_kernel_arg){nnc_arena_alloc(a, 8), 8, 0};
        }
    }
    scratch = nnc_arena_new();
    o = options(v, kernel, &h);
    s = nnc_interp_kernel_with(m, kernel, scratch, n, arg, &o);
    nnc_arena_free(scratch);
    return s;
}

/* ---- comparison ---- */
static bool is_exact(const char *pass)
{
    static const char *const exact[] = {"inline", "cse",   "dce",     "schedule",
                                        "loops",  "merge", "kexpand", "plan"};

    for (size_t i = 0; i < sizeof exact / sizeof exact[0]; i++)
        if (!strcmp(exact[i], pass))
            return true;
    return false;
}

/* How far two results may lie apart, relative to the largest magnitude in the tensor. */
static double tolerance(nnc_dtype dt)
{
    switch (dt) {
    case NNC_DT_f64: return 1e-9;
    case NNC_DT_f32: return 1e-4;
    case NNC_DT_f16: return 1e-2;
    case NNC_DT_bf16: return 5e-2;
    default: return 0.25;
    }
}

typedef struct worst {
    double error, got, want;
    int64_t at;
    unsigned output;
} worst;

/* The error of one element as a multiple of what is allowed. */
static double error_of(nnc_dtype dt, nnc_num a, nnc_num b, bool exact, double scale)
{
    double d;

    if (!nnc_dtype_is_float(dt)) {
        if (a.i == b.i)
            return 0;
        return !exact && nnc_dtype_infos[dt].bits <= 8 && nnc_dtype_is_int(dt) &&
                       (a.i - b.i == 1 || b.i - a.i == 1)
                   ? 1
                   : INFINITY;
    }
    if ((isnan(a.f) && isnan(b.f)) || a.f == b.f)
        return 0;
    if (exact || isnan(a.f) || isnan(b.f) || isinf(a.f) || isinf(b.f))
        return INFINITY;
    d = fabs(a.f - b.f);
    return d / (tolerance(dt) * scale);
}

static void compare(const nnc_tensor *got, const nnc_tensor *want, unsigned output, bool exact,
                    worst *w)
{
    int64_t n = nnc_tensor_count(want);
    size_t size = nnc_dtype_bytes(want->dtype);
    double scale = 1e-6;

    if (got->rank != want->rank ||
        memcmp(got->dim, want->dim, (size_t)want->rank * sizeof want->dim[0]) != 0) {
        *w = (worst){INFINITY, 0, 0, -1, output};
        return;
    }
    for (int64_t i = 0; i < n && nnc_dtype_is_float(want->dtype); i++) {
        double f = fabs(nnc_num_load(want->dtype, (const char *)want->data + (size_t)i * size).f);
        scale = isfinite(f) && f > scale ? f : scale;
    }
    for (int64_t i = 0; i < n; i++) {
        nnc_num a = nnc_num_load(want->dtype, (const char *)got->data + (size_t)i * size),
                b = nnc_num_load(want->dtype, (const char *)want->data + (size_t)i * size);
        double e = error_of(want->dtype, a, b, exact, scale);
        if (e > w->error) {
            bool f = nnc_dtype_is_float(want->dtype);
            *w = (worst){e, f ? a.f : (double)a.i, f ? b.f : (double)b.i, i, output};
        }
    }
}

static nnc_status judge(nnc_validate *v, const nnc_pass_info *p, const worst *w, int set)
{
    if (w->error <= 1)
        return NNC_OK;
    if (w->at < 0)
        return nnc_error(v->m->diag, (nnc_loc){0}, "pass '%s' changed the shape of output %u",
                         p->name, w->output);
    return nnc_error(v->m->diag, (nnc_loc){0},
                     "pass '%s' changed the result%s: element %lld of output %u is %.9g, before it "
                     "was %.9g (%.3g times what is allowed)",
                     p->name, set == SPECIAL ? " for inputs with nan, inf and -0" : "",
                     (long long)w->at, w->output, w->got, w->want, w->error);
}

/* Random inputs may not be what the model wants (a `check` says so): a few attempts, then there is nothing to compare. */
static nnc_status first_runs(nnc_validate *v, nnc_op graph, nnc_validate **out)
{
    nnc_module *m = v->m;
    nnc_block b = nnc_op_region(m, graph, 0);

    for (int set = 0; set < SETS; set++) {
        bool wanted = set == PLAIN || (!v->fast && v->set[PLAIN].usable);
        v->set[set].want = nnc_arena_array(v->a, v->nout, sizeof(nnc_tensor));
        for (int attempt = 0; attempt < ATTEMPTS && wanted && !v->set[set].usable; attempt++) {
            if (set == PLAIN)
                draw_symbols(v);
            draw_inputs(v, b, set, attempt);
            nnc_diag_hold(m->diag);
            v->set[set].usable =
                run_graph(v, graph, &v->set[set], v->runs[0], v->set[set].want) == NNC_OK;
            if (attempt + 1 < ATTEMPTS || set == SPECIAL || v->set[set].usable)
                nnc_diag_drop(m->diag);
            else
                nnc_diag_release(m->diag, false);
        }
    }
    if (!v->set[PLAIN].usable) {
        nnc_warning(
            m->diag, (nnc_loc){0},
            "passes are not validated: the interpreter refuses the random inputs (see above)");
        *out = NULL;
    }
    return NNC_OK;
}

nnc_status nnc_validate_begin(nnc_module *m, uint64_t seed, bool fast, nnc_validate **out)
{
    nnc_op graph = nnc_func_entry(m, NNC_OP_graph);
    nnc_validate *v;
    nnc_block b;
    nnc_op end;

    *out = NULL;
    if (!graph.id)
        return NNC_OK;
    v = nnc_arena_alloc(m->arena, sizeof *v);
    *v = (nnc_validate){.m = m, .a = m->arena, .seed = seed, .fast = fast};
    b = nnc_op_region(m, graph, 0);
    end = nnc_block_last(m, b);
    v->nin = nnc_block_narg(m, b);
    v->nout = nnc_op_nin(m, end);
    v->kept = nnc_arena_array(v->a, v->nin + 1u, sizeof *v->kept);
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_state)
            v->kept[nnc_value_get(m, nnc_op_in(m, op, 0))->index] =
                (unsigned)nnc_attr_int(m, op, NNC_W_index, 0) + 1;
    v->work = nnc_block_work(m, b);
    v->loops = has_while(m, b);
    v->out_type = nnc_arena_array(v->a, v->nout, sizeof *v->out_type);
    for (unsigned i = 0; i < v->nout; i++)
        v->out_type[i] = nnc_value_type(m, nnc_op_in(m, end, i));
    for (int k = 0; k < 2; k++) {
        v->runs[k] = nnc_arena_new();
        nnc_arena_defer(m->arena, free_arena, v->runs[k]);
    }
    *out = v;
    return first_runs(v, graph, out);
}

nnc_status nnc_validate_pass(nnc_validate *v, const nnc_pass_info *p)
{
    bool at_k = p->after == NNC_LEVEL_K, exact = is_exact(p->name);
    nnc_op f = nnc_func_entry(v->m, at_k ? NNC_OP_kernel : NNC_OP_graph);
    nnc_arena *a = v->runs[v->turn ^= 1];

    if (at_k && v->work > MAX_K_WORK) {
        if (!v->told)
            nnc_warning(v->m->diag, (nnc_loc){0},
                        "the model is too large for the K interpreter: passes from '%s' on are not "
                        "validated",
                        p->name);
        v->told = true;
        return NNC_OK;
    }
    nnc_arena_restore(a, (nnc_arena_mark){0});
    for (int set = 0; set < SETS; set++) {
        inputs *s = &v->set[set];
        nnc_tensor *got = nnc_arena_array(v->a, v->nout, sizeof *got);
        worst w = {0};
        if (!s->usable || (at_k && set == SPECIAL && v->work > MAX_K_TWICE))
            continue;
        if ((at_k ? run_kernel(v, f, s, a, got) : run_graph(v, f, s, a, got)) != NNC_OK)
            return nnc_error(
                v->m->diag, (nnc_loc){0},
                "after pass '%s' the interpreter cannot run the entry function (see above)",
                p->name);
        for (unsigned i = 0; i < v->nout; i++)
            compare(&got[i], &s->want[i], i, exact, &w);
        if (set == PLAIN || exact)
            NNC_TRY(judge(v, p, &w, set));
        s->want = got;
    }
    return NNC_OK;
}
