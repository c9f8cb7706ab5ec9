/* The G interpreter: environment, dimensions, the walk over a block.
 *
 * Shapes of results come from the result types under the run's symbols, so each op's file only computes elements.
 * Symbols are solved when a tensor is bound to a value whose type mentions them: first plain symbols, then expressions
 * with one unknown symbol (2*n+1 = 7).  `prefix` and regions may bind a symbol again with a new value. */
#include "ir/interp_priv.h"
#include <math.h>
#include <string.h>

/* OWN: the row's function sets shape and memory of its results itself. */
enum { SHAPED = 0, OWN = 1 };
static const struct row {
    nnc_interp_fn fn;
    int own;
} rows[NNC_OP_COUNT] = {
/* clang-format off */
#define MAP(name) [NNC_OP_##name] = {nnc_interp_elementwise, SHAPED},
#define ROW(name, own) [NNC_OP_##name] = {nnc_interp_##name, own},
    MAP(neg) MAP(abs) MAP(sign) MAP(floor) MAP(ceil) MAP(round) MAP(trunc) MAP(exp) MAP(expm1) MAP(log)
    MAP(log1p) MAP(sqrt) MAP(rsqrt) MAP(sin) MAP(cos) MAP(tan) MAP(asin) MAP(acos) MAP(atan) MAP(sinh)
    MAP(cosh) MAP(tanh) MAP(asinh) MAP(acosh) MAP(atanh) MAP(erf) MAP(sigmoid) MAP(not) MAP(isnan) MAP(isinf)
    MAP(add) MAP(sub) MAP(mul) MAP(div) MAP(rem) MAP(pow) MAP(max) MAP(min) MAP(atan2) MAP(and) MAP(or)
    MAP(xor) MAP(shl) MAP(shr) MAP(eq) MAP(lt) MAP(le) MAP(gelu) MAP(softplus)
    ROW(select, SHAPED) ROW(cast, SHAPED) ROW(bitcast, OWN) ROW(quantize, SHAPED) ROW(dequantize, SHAPED)
    ROW(reshape, OWN) ROW(transpose, SHAPED) ROW(broadcast, SHAPED) ROW(slice, SHAPED) ROW(pad, SHAPED)
    ROW(concat, SHAPED) ROW(iota, SHAPED) ROW(gather, SHAPED) ROW(gather_elements, SHAPED) ROW(gather_nd, SHAPED)
    ROW(scatter_elements, SHAPED) ROW(scatter_nd, SHAPED) ROW(dynamic_slice, SHAPED)
    ROW(dynamic_update_slice, SHAPED) ROW(prefix, OWN) ROW(extent, SHAPED) ROW(reduce, SHAPED)
    ROW(argreduce, SHAPED) ROW(cumulate, SHAPED) ROW(window_reduce, SHAPED) ROW(window_argmax, SHAPED)
    ROW(dot, SHAPED) ROW(conv, SHAPED) ROW(sort, SHAPED) ROW(topk, SHAPED) ROW(compact, SHAPED)
    ROW(rng_bits, SHAPED) ROW(fold_key, SHAPED) ROW(check, SHAPED) ROW(nms, SHAPED) ROW(softmax, SHAPED)
    [NNC_OP_log_softmax] = {nnc_interp_softmax, SHAPED}, ROW(layer_norm, SHAPED)
    ROW(const, OWN) ROW(if, OWN) ROW(while, OWN) ROW(scan, OWN) ROW(fused, OWN) ROW(call, OWN)
    ROW(host, SHAPED) ROW(state, SHAPED)
    [NNC_OP_leaf] = {nnc_interp_same, OWN}, [NNC_OP_stop_grad] = {nnc_interp_same, OWN},
    [NNC_OP_custom_grad] = {nnc_interp_fused, OWN}, [NNC_OP_grad] = {nnc_interp_derivative, OWN},
    [NNC_OP_vjp] = {nnc_interp_derivative, OWN}, [NNC_OP_jvp] = {nnc_interp_derivative, OWN},
/* clang-format on */
#undef MAP
#undef ROW
};

/* ---- tensors ---- */
nnc_tensor nnc_tensor_new(nnc_arena *a, nnc_dtype dt, int rank, const int64_t *dim)
{
    nnc_tensor t = {.dtype = dt, .rank = rank};

    if (rank)
        memcpy(t.dim, dim, (size_t)rank * sizeof *dim);
    t.data = nnc_arena_array(a, (size_t)nnc_tensor_count(&t), nnc_dtype_bytes(dt));
    return t;
}

int64_t nnc_tensor_count(const nnc_tensor *t)
{
    int64_t n = 1;

    for (int d = 0; d < t->rank; d++)
        if (t->dim[d] == 0)
            return 0;
    for (int d = 0; d < t->rank; d++)
        if (__builtin_mul_overflow(n, t->dim[d], &n))
            return INT64_MAX;
    return n;
}

size_t nnc_tensor_bytes(const nnc_tensor *t)
{
    return (size_t)nnc_tensor_count(t) * nnc_dtype_bytes(t->dtype);
}

void nnc_tensor_strides(const nnc_tensor *t, int64_t *stride)
{
    int64_t s = 1;

    for (int d = t->rank - 1; d >= 0; d--) {
        stride[d] = s;
        s *= t->dim[d];
    }
}

/* Where tensors without elements lie whose owner has no memory for them: memcpy wants a pointer even then. */
static const char no_elements[8];

bool nnc_tensor_of(const nnc_module *m, nnc_value v, nnc_tensor *out)
{
    const nnc_type_rec *ty = nnc_value_ty(m, v);
    nnc_op op = nnc_value_op(m, v);

    if (ty->kind == NNC_TYPE_buffer || !nnc_type_is_static(m, nnc_value_type(m, v)))
        return false;
    *out = (nnc_tensor){.dtype = (nnc_dtype)ty->dtype, .rank = ty->rank};
    memcpy(out->dim, ty->dim, sizeof out->dim);
    if (nnc_value_is_const(m, v)) {
        out->data =
            (void *)&m->value.at[v.id].bits; /* little-endian: the low bytes are the element */
        return true;
    }
    if (!op.id || nnc_op_code(m, op) != NNC_OP_const)
        return false;
    out->data = (void *)nnc_const_data(m, op);
    if (!out->data)
        out->data = (void *)no_elements;
    return true;
}

/* ---- dimensions ---- */
static bool knows_dim(const nnc_interp *x, nnc_dim d)
{
    uint32_t n;
    const nnc_dim_term *t;

    if (nnc_dim_is_const(d))
        return true;
    t = nnc_dim_terms(x->m->dims, d, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t[i].natom; k++) {
            nnc_dim_atom a = nnc_dim_atom_get(x->m->dims, t[i].atom[k]);
            if (a.op == '$' ? a.a >= x->nsym || x->sym[a.a] < 0
                            : !knows_dim(x, a.a) || !knows_dim(x, a.b))
                return false;
        }
    return true;
}

nnc_status nnc_interp_dim(nnc_interp *x, nnc_dim d, nnc_loc loc, int64_t *out)
{
    if (!knows_dim(x, d))
        return nnc_error(
            x->m->diag, loc,
            "the size '%s' is not known here: no input and no operation before gives it",
            nnc_dim_text(x->m->dims, d));
    *out = nnc_dim_is_const(d) ? d : nnc_dim_eval(x->m->dims, d, x->sym);
    return NNC_OK;
}

static nnc_status set_symbol(nnc_interp *x, uint32_t s, int64_t v, nnc_loc loc)
{
    nnc_dim d = nnc_dim_symbol_at(x->m->dims, s);

    if (v < nnc_dim_lo(x->m->dims, d) || v > nnc_dim_hi(x->m->dims, d))
        return nnc_error(x->m->diag, loc, "size '%s' is %lld here, outside its bounds %lld..%lld",
                         nnc_dim_text(x->m->dims, d), (long long)v,
                         (long long)nnc_dim_lo(x->m->dims, d),
                         (long long)nnc_dim_hi(x->m->dims, d));
    x->sym[s] = v;
    return NNC_OK;
}

/* coef * symbol + known terms = size? */
static bool solve(const nnc_interp *x, nnc_dim d, int64_t size, uint32_t *sym, int64_t *value)
{
    uint32_t n, found = 0;
    const nnc_dim_term *t = nnc_dim_terms(x->m->dims, d, &n);
    int64_t coef = 0, rest = size;

    for (uint32_t i = 0; i < n; i++) {
        nnc_dim_atom a = {0};
        bool plain = t[i].natom == 1 && (a = nnc_dim_atom_get(x->m->dims, t[i].atom[0])).op == '$';
        if (plain && x->sym[a.a] < 0) {
            found++;
            *sym = (uint32_t)a.a;
            coef = t[i].coef;
            continue;
        }
        int64_t p = t[i].coef;
        for (uint32_t k = 0; k < t[i].natom; k++) {
            a = nnc_dim_atom_get(x->m->dims, t[i].atom[k]);
            if (a.op != '$' || x->sym[a.a] < 0)
                return false;
            p *= x->sym[a.a];
        }
        rest -= p;
    }
    if (found != 1 || coef == 0 || rest % coef)
        return false;
    *value = rest / coef;
    return *value >= 0;
}

static nnc_status bind_dims(nnc_interp *x, nnc_type type, const nnc_tensor *t, bool plain,
                            nnc_loc loc)
{
    nnc_type_rec ty = *nnc_type_get(x->m, type);
    nnc_sym name;
    uint32_t s = 0;
    int64_t v = 0;

    for (int d = 0; d < ty.rank; d++)
        if (!knows_dim(x, ty.dim[d]) &&
            (!plain || nnc_dim_is_symbol(x->m->dims, ty.dim[d], &name)) &&
            solve(x, ty.dim[d], t->dim[d], &s, &v))
            NNC_TRY(set_symbol(x, s, v, loc));
    return NNC_OK;
}

static nnc_status check_dims(nnc_interp *x, nnc_value v, const nnc_tensor *t, nnc_loc loc)
{
    nnc_type_rec ty = *nnc_value_ty(x->m, v);
    const char *name = nnc_value_name(x->m, v);

    if ((nnc_dtype)ty.dtype != t->dtype)
        return nnc_error(x->m->diag, loc, "'%s' has dtype %s, expected %s", name,
                         nnc_dtype_infos[t->dtype].name, nnc_dtype_infos[ty.dtype].name);
    if (ty.rank != t->rank)
        return nnc_error(x->m->diag, loc, "'%s' has %d dimensions, expected %d", name, t->rank,
                         ty.rank);
    for (int d = 0; d < ty.rank; d++) {
        int64_t want;
        if (!knows_dim(x, ty.dim[d]))
            continue; /* an expression of a symbol that is defined later */
        NNC_TRY(nnc_interp_dim(x, ty.dim[d], loc, &want));
        if (want != t->dim[d])
            return nnc_error(x->m->diag, loc, "dimension %d of '%s' is %lld, expected %s%s%lld", d,
                             name, (long long)t->dim[d],
                             nnc_dim_is_const(ty.dim[d]) ? "" : nnc_dim_text(x->m->dims, ty.dim[d]),
                             nnc_dim_is_const(ty.dim[d]) ? "" : " = ", (long long)want);
    }
    return NNC_OK;
}

nnc_status nnc_interp_bind(nnc_interp *x, nnc_value v, nnc_tensor t, nnc_loc loc)
{
    if (nnc_value_ty(x->m, v)->rank == t.rank) {
        NNC_TRY(bind_dims(x, nnc_value_type(x->m, v), &t, true, loc));
        NNC_TRY(bind_dims(x, nnc_value_type(x->m, v), &t, false, loc));
    }
    NNC_TRY(check_dims(x, v, &t, loc));
    if (!t.data)
        t.data = (void *)no_elements;
    x->env[v.id] = t;
    return NNC_OK;
}

nnc_status nnc_interp_value(nnc_interp *x, nnc_value v, nnc_loc loc, nnc_tensor *out)
{
    if (v.id < x->nenv && x->env[v.id].dtype) {
        *out = x->env[v.id];
        return NNC_OK;
    }
    if (!nnc_tensor_of(x->m, v, out))
        return nnc_error(x->m->diag, loc, "value '%s' has not been computed here",
                         nnc_value_name(x->m, v));
    if ((uintptr_t)out->data %
        nnc_dtype_bytes(out->dtype)) /* weights in a mapped file lie anywhere */
        out->data = nnc_arena_copy(x->root, out->data, nnc_tensor_bytes(out));
    if (v.id < x->nenv)
        x->env[v.id] = *out;
    return NNC_OK;
}

INTERP(const)
{
    (void)in;
    return nnc_interp_value(x, nnc_op_out(x->m, op, 0), nnc_op_loc(x->m, op), out);
}

/* ---- ops and blocks ---- */
nnc_status nnc_interp_charge(nnc_interp *x, nnc_op op, int64_t n)
{
    if (x->elements == UINT64_MAX)
        return NNC_OK;
    if ((uint64_t)n > x->elements)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "the run is stopped: '%s' has too many elements for a bounded run",
                         nnc_op_infos[nnc_op_code(x->m, op)].name);
    x->elements -= (uint64_t)n;
    return NNC_OK;
}

/* Elements that an op reads; for contractions its products, for windows what all of them see. */
static nnc_status charge_operands(nnc_interp *x, nnc_op op, const nnc_tensor *in,
                                  const nnc_tensor *out)
{
    nnc_opcode code = nnc_op_code(x->m, op);
    double work = 0;

    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++)
        work += (double)nnc_tensor_count(&in[i]);
    if (code == NNC_OP_dot) /* [m, k] by [k, n] to [m, n]: the root of the product of the sizes */
        work += sqrt((double)nnc_tensor_count(&in[0]) * (double)nnc_tensor_count(&in[1]) *
                     (double)nnc_tensor_count(&out[0]));
    if (code == NNC_OP_conv && in[1].dim[0])
        work += (double)nnc_tensor_count(&out[0]) * (double)nnc_tensor_count(&in[1]) /
                (double)in[1].dim[0];
    return nnc_interp_charge(x, op, work < 1e18 ? (int64_t)work : INT64_MAX);
}

static nnc_status shape_result(nnc_interp *x, nnc_op op, unsigned i, nnc_tensor *out)
{
    nnc_type_rec ty = *nnc_value_ty(x->m, nnc_op_out(x->m, op, i));
    nnc_tensor t = {.dtype = (nnc_dtype)ty.dtype, .rank = ty.rank};

    for (int d = 0; d < ty.rank; d++)
        NNC_TRY(nnc_interp_dim(x, ty.dim[d], nnc_op_loc(x->m, op), &t.dim[d]));
    if (nnc_tensor_count(&t) > INT64_MAX / 16)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "a result of '%s' is too large to interpret",
                         nnc_op_infos[nnc_op_code(x->m, op)].name);
    NNC_TRY(nnc_interp_charge(x, op, nnc_tensor_count(&t)));
    *out = nnc_tensor_new(x->a, t.dtype, t.rank, t.dim);
    return NNC_OK;
}

static nnc_status run_op(nnc_interp *x, nnc_op op, const nnc_tensor *in, nnc_tensor *out)
{
    nnc_opcode code = nnc_op_code(x->m, op);
    unsigned nout = nnc_op_nout(x->m, op);

    if (!rows[code].fn)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "operation '%s' does not belong into a graph", nnc_op_infos[code].name);
    for (unsigned i = 0; i < nout && rows[code].own == SHAPED; i++)
        NNC_TRY(shape_result(x, op, i, &out[i]));
    if (rows[code].own == SHAPED && x->elements != UINT64_MAX)
        NNC_TRY(charge_operands(x, op, in, out));
    return rows[code].fn(x, op, in, out);
}

nnc_status nnc_interp_block(nnc_interp *x, nnc_block b, unsigned nout, nnc_tensor *yielded)
{
    nnc_module *m = x->m;

    if (++x->depth > NNC_INTERP_MAX_NEST)
        return nnc_error(m->diag, nnc_op_loc(m, nnc_block_parent(m, b)),
                         "calls and regions are nested more than %d deep", NNC_INTERP_MAX_NEST);
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        unsigned nin = nnc_op_nin(m, op), n = nnc_op_nout(m, op);
        nnc_loc loc = nnc_op_loc(m, op);
        nnc_tensor *in = nnc_arena_array(x->a, nin + n, sizeof *in), *out = in + nin;
        if (x->budget-- == 0)
            return nnc_error(
                m->diag, loc,
                "the run is stopped: too many operations, perhaps a loop without an end");
        for (unsigned i = 0; i < nin; i++)
            NNC_TRY(nnc_interp_value(x, nnc_op_in(m, op, i), loc, &in[i]));
        if (nnc_op_code(m, op) == NNC_OP_yield) {
            if (nin != nout)
                return nnc_error(m->diag, loc, "a region yields %u values, %u are expected", nin,
                                 nout);
            memcpy(yielded, in, nin * sizeof *in);
            x->depth--;
            return NNC_OK;
        }
        NNC_TRY(run_op(x, op, in, out));
        for (unsigned i = 0; i < n; i++)
            NNC_TRY(nnc_interp_bind(x, nnc_op_out(m, op, i), out[i], loc));
    }
    return nnc_error(m->diag, nnc_op_loc(m, nnc_block_parent(m, b)), "a region has no yield");
}

nnc_status nnc_interp_arenas(nnc_interp *x, nnc_loc loc, nnc_arena *pair[2])
{
    if (x->nspare + 2 > NNC_INTERP_ARENAS)
        return nnc_error(x->m->diag, loc, "loops are nested more than %d deep",
                         NNC_INTERP_ARENAS / 2);
    for (int k = 0; k < 2; k++, x->nspare++) {
        if (!x->spare[x->nspare])
            x->spare[x->nspare] = nnc_arena_new();
        pair[k] = x->spare[x->nspare];
    }
    return NNC_OK;
}

/* A single op without regions needs no environment: folding a large module must not pay for one per op. */
static void begin(nnc_interp *x, nnc_module *m, nnc_arena *a, bool env)
{
    *x = (nnc_interp){.m = m,
                      .root = a,
                      .a = a,
                      .nenv = env ? m->value.n : 0,
                      .nsym = nnc_dim_nsymbol(m->dims),
                      .budget = UINT64_MAX,
                      .elements = UINT64_MAX};
    x->env = nnc_arena_array(a, x->nenv, sizeof *x->env);
    x->sym = nnc_arena_array(a, x->nsym + 1, sizeof *x->sym);
    for (uint32_t s = 0; s < x->nsym; s++)
        x->sym[s] = -1;
}

static nnc_status end(nnc_interp *x, nnc_status status)
{
    for (unsigned i = 0; i < NNC_INTERP_ARENAS; i++)
        nnc_arena_free(x->spare[i]);
    return status;
}

static nnc_status run_graph(nnc_interp *x, nnc_op graph, unsigned nin, const nnc_tensor *in,
                            unsigned nout, nnc_tensor *out)
{
    nnc_module *m = x->m;
    nnc_block b = nnc_op_region(m, graph, 0);

    if (nin != nnc_block_narg(m, b))
        return nnc_error(m->diag, nnc_op_loc(m, graph), "graph '%s' has %u inputs, %u were given",
                         nnc_func_name(m, graph), nnc_block_narg(m, b), nin);
    for (unsigned i = 0; i < nin;
         i++) { /* plain symbols of all inputs first: [2*n] may come before [n] */
        nnc_value v = nnc_block_arg(m, b, i);
        if (nnc_value_ty(m, v)->rank == in[i].rank)
            NNC_TRY(bind_dims(x, nnc_value_type(m, v), &in[i], true, nnc_op_loc(m, graph)));
    }
    for (unsigned i = 0; i < nin; i++)
        NNC_TRY(nnc_interp_bind(x, nnc_block_arg(m, b, i), in[i], nnc_op_loc(m, graph)));
    return nnc_interp_block(x, b, nout, out);
}

nnc_status nnc_interp_graph(nnc_module *m, nnc_op graph, nnc_arena *a, unsigned nin,
                            const nnc_tensor *in, unsigned nout, nnc_tensor *out)
{
    nnc_interp x;

    begin(&x, m, a, true);
    return end(&x, run_graph(&x, graph, nin, in, nout, out));
}

nnc_status nnc_interp_graph_bounded(nnc_module *m, nnc_op graph, nnc_arena *a, unsigned nin,
                                    const nnc_tensor *in, unsigned nout, nnc_tensor *out,
                                    uint64_t max_ops)
{
    nnc_interp x;

    begin(&x, m, a, true);
    x.budget = max_ops;
    x.elements = max_ops > UINT64_MAX / 32 ? UINT64_MAX : max_ops * NNC_INTERP_ELEMENTS;
    return end(&x, run_graph(&x, graph, nin, in, nout, out));
}

nnc_status nnc_interp_graph_with(nnc_module *m, nnc_op graph, nnc_arena *a, unsigned nin,
                                 const nnc_tensor *in, unsigned nout, nnc_tensor *out,
                                 const nnc_interp_options *options)
{
    nnc_interp x;

    begin(&x, m, a, true);
    if (options->max_ops)
        x.budget = options->max_ops;
    x.call = options->call;
    x.context = options->context;
    return end(&x, run_graph(&x, graph, nin, in, nout, out));
}

nnc_status nnc_interp_op(nnc_module *m, nnc_op op, nnc_arena *a, const nnc_tensor *in,
                         nnc_tensor *out)
{
    nnc_interp x;

    begin(&x, m, a, nnc_op_nregion(m, op) > 0);
    return end(&x, run_op(&x, op, in, out));
}
