/* Regions: if, while, scan, fused, custom_grad and calls; the marks of the pass autodiff; what the host program does.
 *
 * A loop lets two arenas take turns.  Values carried to the next trip are copied into the arena of the trip that made
 * them, so emptying the other arena never takes away something still in use. */
#include "ir/interp_priv.h"
#include <string.h>

static nnc_tensor keep(nnc_arena *a, const nnc_tensor *t)
{
    nnc_tensor c = *t;

    c.data = nnc_arena_copy(a, t->data, nnc_tensor_bytes(t));
    return c;
}

static nnc_status bind_args(nnc_interp *x, nnc_op op, nnc_block b, unsigned first, unsigned n,
                            const nnc_tensor *t)
{
    if (first + n > nnc_block_narg(x->m, b))
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "a region of '%s' has too few arguments",
                         nnc_op_infos[nnc_op_code(x->m, op)].name);
    for (unsigned i = 0; i < n; i++)
        NNC_TRY(nnc_interp_bind(x, nnc_block_arg(x->m, b, first + i), t[i], nnc_op_loc(x->m, op)));
    return NNC_OK;
}

INTERP(if)
{
    nnc_block b = nnc_op_region(x->m, op, *(const uint8_t *)in[0].data ? 0 : 1);

    return nnc_interp_block(x, b, nnc_op_nout(x->m, op), out);
}

INTERP(fused)
{
    nnc_block b = nnc_op_region(x->m, op, 0);

    NNC_TRY(bind_args(x, op, b, 0, nnc_op_nin(x->m, op), in));
    return nnc_interp_block(x, b, nnc_op_nout(x->m, op), out);
}

INTERP(call)
{
    const char *name = nnc_attr_str(x->m, op, NNC_W_callee, "");
    nnc_op callee = nnc_func_find(x->m, name);

    if (!callee.id || nnc_op_code(x->m, callee) != NNC_OP_graph)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "call of '%s', which is not a graph of this module", name);
    NNC_TRY(bind_args(x, op, nnc_op_region(x->m, callee, 0), 0, nnc_op_nin(x->m, op), in));
    return nnc_interp_block(x, nnc_op_region(x->m, callee, 0), nnc_op_nout(x->m, op), out);
}

INTERP(same)
{
    (void)x;
    (void)op;
    out[0] = in[0];
    return NNC_OK;
}

INTERP(derivative)
{
    (void)in;
    (void)out;
    return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                     "'%s' is computed by operations that the pass 'autodiff' makes: run it before "
                     "interpreting",
                     nnc_op_infos[nnc_op_code(x->m, op)].name);
}

/* The memory of the trip that begins. */
typedef struct trips {
    nnc_arena *pair[2], *outer;
    nnc_arena_mark mark[2];
    int turn;
} trips;

static nnc_status begin_loop(nnc_interp *x, nnc_op op, trips *t)
{
    NNC_TRY(nnc_interp_arenas(x, nnc_op_loc(x->m, op), t->pair));
    for (int k = 0; k < 2; k++)
        t->mark[k] = nnc_arena_save(t->pair[k]);
    t->outer = x->a;
    t->turn = 0;
    return NNC_OK;
}

static void begin_trip(nnc_interp *x, trips *t)
{
    t->turn ^= 1;
    nnc_arena_restore(t->pair[t->turn], t->mark[t->turn]);
    x->a = t->pair[t->turn];
}

/* Results leave the loop's memory. */
static void end_loop(nnc_interp *x, trips *t, unsigned n, const nnc_tensor *carried,
                     nnc_tensor *out)
{
    x->a = t->outer;
    for (unsigned i = 0; i < n; i++)
        out[i] = keep(x->a, &carried[i]);
    for (int k = 0; k < 2; k++)
        nnc_arena_restore(t->pair[k], t->mark[k]);
    x->nspare -= 2;
}

INTERP(while)
{
    unsigned n = nnc_op_nin(x->m, op);
    nnc_block cond = nnc_op_region(x->m, op, 0), step = nnc_op_region(x->m, op, 1);
    int64_t limit = nnc_attr_int(x->m, op, NNC_W_max_trips, INT64_MAX);
    nnc_tensor *carried = nnc_arena_array(x->a, n, sizeof *carried), go;
    trips t;

    if (n)
        memcpy(carried, in, n * sizeof *carried);
    NNC_TRY(begin_loop(x, op, &t));
    for (int64_t trip = 0; trip < limit; trip++) {
        begin_trip(x, &t);
        NNC_TRY(bind_args(x, op, cond, 0, n, carried));
        NNC_TRY(nnc_interp_block(x, cond, 1, &go));
        if (!*(const uint8_t *)go.data)
            break;
        NNC_TRY(bind_args(x, op, step, 0, n, carried));
        NNC_TRY(nnc_interp_block(x, step, n, carried));
        for (unsigned i = 0; i < n; i++)
            carried[i] = keep(x->a, &carried[i]);
    }
    end_loop(x, &t, n, carried, out);
    return NNC_OK;
}

static nnc_tensor slice_of(const nnc_tensor *xs, int64_t i)
{
    nnc_tensor t = {.dtype = xs->dtype, .rank = xs->rank - 1};

    memcpy(t.dim, xs->dim + 1, sizeof t.dim - sizeof t.dim[0]);
    t.data = (char *)xs->data + (size_t)i * nnc_tensor_bytes(&t);
    return t;
}

/* Memory of the stacked results. */
static nnc_status new_stacks(nnc_interp *x, nnc_op op, unsigned first, int64_t n, nnc_tensor *out)
{
    for (unsigned i = first; i < nnc_op_nout(x->m, op); i++) {
        nnc_type_rec ty = *nnc_value_ty(x->m, nnc_op_out(x->m, op, i));
        int64_t dim[NNC_MAX_RANK] = {n};
        for (int d = 1; d < ty.rank; d++)
            NNC_TRY(nnc_interp_dim(x, ty.dim[d], nnc_op_loc(x->m, op), &dim[d]));
        nnc_tensor whole = {.rank = ty.rank};
        memcpy(whole.dim, dim, sizeof whole.dim);
        NNC_TRY(nnc_interp_charge(x, op, nnc_tensor_count(&whole)));
        out[i] = nnc_tensor_new(x->a, (nnc_dtype)ty.dtype, ty.rank, dim);
    }
    return NNC_OK;
}

static nnc_status one_trip(nnc_interp *x, nnc_op op, int64_t i, unsigned nc, nnc_tensor *carried,
                           const nnc_tensor *xs, nnc_tensor *out)
{
    nnc_block b = nnc_op_region(x->m, op, 0);
    unsigned nin = nnc_op_nin(x->m, op), nout = nnc_op_nout(x->m, op);
    nnc_tensor counter = nnc_tensor_new(x->a, NNC_DT_i64, 0, NULL),
               *y = nnc_arena_array(x->a, nout, sizeof *y);

    memcpy(counter.data, &i, sizeof i);
    NNC_TRY(bind_args(x, op, b, 0, 1, &counter));
    NNC_TRY(bind_args(x, op, b, 1, nc, carried));
    for (unsigned k = nc; k < nin; k++) {
        nnc_tensor s = slice_of(&xs[k], i);
        NNC_TRY(bind_args(x, op, b, 1 + k, 1, &s));
    }
    NNC_TRY(nnc_interp_block(x, b, nout, y));
    for (unsigned k = 0; k < nc; k++)
        carried[k] = keep(x->a, &y[k]);
    for (unsigned k = nc; k < nout; k++) {
        nnc_tensor to = slice_of(&out[k], i);
        if (nnc_tensor_bytes(&to) != nnc_tensor_bytes(&y[k]))
            return nnc_error(
                x->m->diag, nnc_op_loc(x->m, op),
                "result %u of a scan's body has another size in trip %lld than its type says", k,
                (long long)i);
        if (nnc_tensor_bytes(&to))
            memcpy(to.data, y[k].data, nnc_tensor_bytes(&to));
    }
    return NNC_OK;
}

INTERP(scan)
{
    unsigned nc = (unsigned)nnc_attr_int(x->m, op, NNC_W_carried, 0), nin = nnc_op_nin(x->m, op);
    nnc_tensor *carried = nnc_arena_array(x->a, nc, sizeof *carried);
    bool reverse = nnc_attr_int(x->m, op, NNC_W_reverse, 0);
    int64_t n;
    trips t;

    NNC_TRY(nnc_interp_dim(x, nnc_attr_int(x->m, op, NNC_W_trips, 0), nnc_op_loc(x->m, op), &n));
    for (unsigned k = nc; k < nin; k++)
        if (in[k].dim[0] != n)
            return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                             "scan over %lld slices, but operand %u has %lld", (long long)n, k,
                             (long long)in[k].dim[0]);
    if (nc)
        memcpy(carried, in, nc * sizeof *carried);
    NNC_TRY(new_stacks(x, op, nc, n, out));
    NNC_TRY(begin_loop(x, op, &t));
    for (int64_t i = 0; i < n; i++) {
        begin_trip(x, &t);
        NNC_TRY(one_trip(x, op, reverse ? n - 1 - i : i, nc, carried, in, out));
    }
    end_loop(x, &t, nc, carried, out);
    return NNC_OK;
}

/* The first value belongs to the caller, not to a run. */
INTERP(state)
{
    (void)x;
    (void)op;
    (void)in;
    (void)out;
    return NNC_OK;
}

INTERP(host)
{
    unsigned nin = nnc_op_nin(x->m, op), n = nin + nnc_op_nout(x->m, op);
    int id = (int)nnc_attr_int(x->m, op, NNC_W_id, 0), status;
    void **data = nnc_arena_array(x->a, n + 1, sizeof *data);
    const int64_t **dim = nnc_arena_array(x->a, n + 1, sizeof *dim);

    if (!x->call)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "function %d of the host program is called, but there is no host here",
                         id);
    for (unsigned i = 0; i < n; i++) {
        const nnc_tensor *t = i < nin ? &in[i] : &out[i - nin];
        data[i] = t->data;
        dim[i] = t->dim;
    }
    status = x->call(x->context, id, data, dim);
    if (status)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "function %d of the host program failed with status %d", id, status);
    return NNC_OK;
}
