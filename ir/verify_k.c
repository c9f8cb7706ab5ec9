/* The rules of K: memory accesses fit their buffers, loops are what their kind promises, calls match their kernel. */
#include "ir/infer.h"
#include "ir/text.h"
#include "ir/verify_fn.h"

#define fail nnc_verify_fail

static const nnc_type_rec *in_type(const nnc_verifier *v, nnc_op op, unsigned i)
{
    return nnc_value_ty(v->m, nnc_op_in(v->m, op, i));
}
static const nnc_type_rec *out_type(const nnc_verifier *v, nnc_op op)
{
    return nnc_value_ty(v->m, nnc_op_out(v->m, op, 0));
}

static const char *in_text(const nnc_verifier *v, nnc_op op, unsigned i)
{
    return nnc_print_type(v->m, nnc_value_type(v->m, nnc_op_in(v->m, op, i)));
}

static bool is_buffer(nnc_verifier *v, nnc_op op, unsigned i)
{
    if (in_type(v, op, i)->kind == NNC_TYPE_buffer)
        return true;
    fail(v, op, "operand %u has type %s, needs a buffer", i, in_text(v, op, i));
    return false;
}

static bool is_scalar(nnc_verifier *v, nnc_op op, unsigned i, nnc_dtype dt)
{
    const nnc_type_rec *t = in_type(v, op, i);
    if (t->kind == NNC_TYPE_scalar && t->dtype == dt && t->lanes == 1)
        return true;
    fail(v, op, "operand %u has type %s, needs %s", i, in_text(v, op, i), nnc_dtype_infos[dt].name);
    return false;
}

/* ---- memory ---- */

/* Operands from `first` on index buffer operand `buf`. */
static void check_index(nnc_verifier *v, nnc_op op, unsigned buf, unsigned first)
{
    const nnc_module *m = v->m;
    const nnc_type_rec t = *in_type(v, op, buf);
    unsigned n = nnc_op_nin(m, op) - first;
    if (n != t.rank) {
        fail(v, op, "%u indices for %s", n, in_text(v, op, buf));
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        int64_t c;
        const nnc_type_rec *x = in_type(v, op, first + i);
        if (x->kind != NNC_TYPE_scalar || x->dtype != NNC_DT_idx)
            fail(v, op, "index %u has type %s, needs idx", i, in_text(v, op, first + i));
        else if (nnc_value_idx(m, nnc_op_in(m, op, first + i), &c) &&
                 (c < 0 || c >= nnc_dim_hi(m->dims, t.dim[i])))
            fail(v, op, "index %u is %lld, outside of %s", i, (long long)c, in_text(v, op, buf));
    }
}

/* A load may gather four bytes along the last dimension into one packed cell. */
static bool packs_bytes(const nnc_type_rec *x, const nnc_type_rec *t)
{
    return x->kind == NNC_TYPE_scalar && x->lanes == 1 && t->lanes == 1 && t->rank &&
           t->stride[t->rank - 1] == 1 &&
           ((x->dtype == NNC_DT_u8q && t->dtype == NNC_DT_u8) ||
            (x->dtype == NNC_DT_i8q && t->dtype == NNC_DT_i8));
}

/* A value beside the cell of a buffer: the same dtype; more lanes reach over consecutive cells. */
static void check_cell(nnc_verifier *v, nnc_op op, const nnc_type_rec *x, unsigned buf)
{
    const nnc_type_rec *t = in_type(v, op, buf);
    if (nnc_op_code(v->m, op) == NNC_OP_load && packs_bytes(x, t))
        return;
    if (x->kind != NNC_TYPE_scalar || x->dtype != t->dtype || x->lanes < t->lanes ||
        x->lanes % t->lanes)
        fail(v, op, "a value of %s%s beside %s", nnc_dtype_infos[x->dtype].name,
             x->kind == NNC_TYPE_scalar ? nnc_arena_printf(v->a, "x%u", x->lanes) : "",
             in_text(v, op, buf));
}

static void writable(nnc_verifier *v, nnc_op op, unsigned buf)
{
    if (in_type(v, op, buf)->space == NNC_SPACE_weight)
        fail(v, op, "writes to weights: %s", in_text(v, op, buf));
}

static void check_load(nnc_verifier *v, nnc_op op)
{
    if (!is_buffer(v, op, 0))
        return;
    check_index(v, op, 0, 1);
    check_cell(v, op, out_type(v, op), 0);
}

static void check_store(nnc_verifier *v, nnc_op op)
{
    if (!is_buffer(v, op, 1))
        return;
    check_index(v, op, 1, 2);
    check_cell(v, op, in_type(v, op, 0), 1);
    writable(v, op, 1);
}

static void check_fill(nnc_verifier *v, nnc_op op)
{
    if (!is_buffer(v, op, 0))
        return;
    writable(v, op, 0);
    if (in_type(v, op, 1)->kind != NNC_TYPE_scalar ||
        in_type(v, op, 1)->dtype != in_type(v, op, 0)->dtype)
        fail(v, op, "%s with %s", in_text(v, op, 0), in_text(v, op, 1));
}

static void check_copy(nnc_verifier *v, nnc_op op)
{
    if (!is_buffer(v, op, 0) || !is_buffer(v, op, 1))
        return;
    writable(v, op, 0);
    const nnc_type_rec *to = in_type(v, op, 0), *from = in_type(v, op, 1);
    bool same = to->dtype == from->dtype && to->lanes == from->lanes && to->rank == from->rank;
    for (int i = 0; same && i < to->rank; i++)
        same = to->dim[i] == from->dim[i] && to->stride[i] == from->stride[i];
    if (!same)
        fail(v, op, "from %s to %s: the types differ in more than their space", in_text(v, op, 1),
             in_text(v, op, 0));
}

static void check_alloc(nnc_verifier *v, nnc_op op)
{
    const nnc_type_rec *t = out_type(v, op);
    if (t->kind != NNC_TYPE_buffer || t->space == NNC_SPACE_none || t->space == NNC_SPACE_arg ||
        t->space == NNC_SPACE_weight)
        fail(v, op, "makes %s, needs a buffer of its own memory",
             nnc_print_type(v->m, nnc_value_type(v->m, nnc_op_out(v->m, op, 0))));
    else if (nnc_attr_int(v->m, op, NNC_W_offset, 0) < 0)
        fail(v, op, "the offset is negative");
}

static void check_view(nnc_verifier *v, nnc_op op)
{
    if (!is_buffer(v, op, 0))
        return;
    const nnc_type_rec *t = out_type(v, op);
    if (nnc_op_nin(v->m, op) > 2)
        fail(v, op, "has %u operands, needs at most 2", nnc_op_nin(v->m, op));
    else if (nnc_op_nin(v->m, op) == 2)
        is_scalar(v, op, 1, NNC_DT_idx);
    if (t->kind != NNC_TYPE_buffer || t->space != in_type(v, op, 0)->space)
        fail(v, op, "%s as %s: the space must stay", in_text(v, op, 0),
             nnc_print_type(v->m, nnc_value_type(v->m, nnc_op_out(v->m, op, 0))));
}

static void check_const(nnc_verifier *v, nnc_op op)
{
    const nnc_type_rec *t = out_type(v, op);
    int64_t blob = nnc_attr_int(v->m, op, NNC_W_blob, 0), at = nnc_attr_int(v->m, op, NNC_W_at, 0);
    if (t->kind != NNC_TYPE_buffer || t->space != NNC_SPACE_weight)
        fail(v, op, "makes %s, needs a buffer @weight",
             nnc_print_type(v->m, nnc_value_type(v->m, nnc_op_out(v->m, op, 0))));
    if (blob <= 0 || blob >= v->m->blob.n || at < 0 || (uint64_t)at > v->m->blob.at[blob].bytes)
        fail(v, op, "byte %lld of blob %lld does not exist", (long long)at, (long long)blob);
    else if (!nnc_attr_find(v->m, op, NNC_W_src_axis) && t->kind == NNC_TYPE_buffer &&
             (uint64_t)nnc_type_bytes(v->m, nnc_value_type(v->m, nnc_op_out(v->m, op, 0))) >
                 v->m->blob.at[blob].bytes - (uint64_t)at)
        fail(v, op, "ends behind the %zu bytes of blob %lld", v->m->blob.at[blob].bytes,
             (long long)blob);
}

/* ---- loops ---- */

static bool is_kind(const nnc_verifier *v, nnc_op op, nnc_word kind)
{
    return nnc_op_code(v->m, op) == NNC_OP_for &&
           nnc_attr_word(v->m, op, NNC_W_kind, NNC_W_serial) == kind;
}

static void check_vector_loop(nnc_verifier *v, nnc_op op)
{
    int64_t c;
    for (unsigned i = 0; i < 3; i++)
        if (!nnc_value_idx(v->m, nnc_op_in(v->m, op, i), &c))
            fail(v, op, "a vector loop needs constant bounds");
    for (nnc_op x = nnc_block_first(v->m, nnc_op_region(v->m, op, 0)); x.id;
         x = nnc_op_next(v->m, x))
        if (nnc_op_nregion(v->m, x))
            fail(v, x, "stands in a vector loop, whose body must be a straight line");
}

/* Grid loops are outermost, and one that holds another holds nothing else. */
static void check_grid_loop(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    nnc_op up = nnc_block_parent(m, nnc_op_get(m, op)->block);
    if (up.id == v->func.id)
        return;
    if (!is_kind(v, up, NNC_W_grid))
        fail(v, op, "a grid loop stands inside '%s'", nnc_op_infos[nnc_op_code(m, up)].name);
    else if (nnc_op_prev(m, op).id ||
             (nnc_op_next(m, op).id && !nnc_op_has(m, nnc_op_next(m, op), NNC_TERMINATOR)))
        fail(v, op, "grid loops are not perfectly nested");
}

static void check_block_loop(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    for (nnc_op up = nnc_block_parent(m, nnc_op_get(m, op)->block); up.id;
         up = nnc_block_parent(m, nnc_op_get(m, up)->block)) {
        nnc_opcode code = nnc_op_code(m, up);
        if (code == NNC_OP_if || code == NNC_OP_while || is_kind(v, up, NNC_W_vector))
            fail(v, op, "a block loop stands inside '%s'", nnc_op_infos[code].name);
    }
}

static void check_for(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    nnc_block body = nnc_op_region(m, op, 0);
    nnc_word kind = nnc_attr_word(m, op, NNC_W_kind, NNC_W_serial);
    int64_t step;
    for (unsigned i = 0; i < 3; i++)
        is_scalar(v, op, i, NNC_DT_idx);
    if (nnc_block_narg(m, body) != 1 ||
        nnc_value_ty(m, nnc_block_arg(m, body, 0))->dtype != NNC_DT_idx)
        fail(v, op, "the body needs one argument of idx");
    if (nnc_value_idx(m, nnc_op_in(m, op, 2), &step) && step <= 0)
        fail(v, op, "the step is %lld, must be positive", (long long)step);
    if (kind == NNC_W_vector)
        check_vector_loop(v, op);
    else if (kind == NNC_W_grid)
        check_grid_loop(v, op);
    else if (kind == NNC_W_block)
        check_block_loop(v, op);
    else if (kind != NNC_W_serial && kind != NNC_W_unroll && kind != NNC_W_parallel &&
             kind != NNC_W_pipeline)
        fail(v, op, "there is no loop kind '%s'", nnc_sym_str(m, nnc_w(kind)));
}

static void check_while(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    nnc_op y = nnc_block_last(m, nnc_op_region(m, op, 0));
    if (nnc_op_nin(m, op) || nnc_op_nout(m, op))
        fail(v, op, "carries values; in a kernel the state lives in buffers");
    if (!y.id || nnc_op_code(m, y) != NNC_OP_yield || nnc_op_nin(m, y) != 1)
        fail(v, op, "the condition region must yield one bool");
    else
        is_scalar(v, y, 0, NNC_DT_bool);
}

static void check_if(nnc_verifier *v, nnc_op op)
{
    is_scalar(v, op, 0, NNC_DT_bool);
    if (nnc_op_nout(v->m, op))
        fail(v, op, "has results; in a kernel values leave through buffers");
}

/* Only the condition of `while` yields something. */
static void check_yield(nnc_verifier *v, nnc_op op)
{
    nnc_op up = nnc_block_parent(v->m, nnc_op_get(v->m, op)->block);
    bool cond = nnc_op_code(v->m, up) == NNC_OP_while &&
                nnc_op_region(v->m, up, 0).id == nnc_op_get(v->m, op)->block.id;
    if (nnc_op_nin(v->m, op) && !cond)
        fail(v, op, "%u values are yielded to '%s'", nnc_op_nin(v->m, op),
             nnc_op_infos[nnc_op_code(v->m, up)].name);
}

/* ---- calls and vectors ---- */

/* Equal up to the space: a kernel does not ask where its buffers live. */
static bool passes_as(const nnc_module *m, nnc_type from, nnc_type to)
{
    const nnc_type_rec *x = nnc_type_get(m, from), *y = nnc_type_get(m, to);
    bool same =
        x->kind == y->kind && x->dtype == y->dtype && x->lanes == y->lanes && x->rank == y->rank;
    for (int i = 0; same && i < x->rank; i++)
        same = x->stride[i] == y->stride[i] &&
               nnc_dim_lo(m->dims, x->dim[i]) <= nnc_dim_hi(m->dims, y->dim[i]) &&
               nnc_dim_lo(m->dims, y->dim[i]) <= nnc_dim_hi(m->dims, x->dim[i]);
    return same;
}

static void check_call(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    const char *name = nnc_attr_str(m, op, NNC_W_callee, "");
    nnc_op f = nnc_func_find(m, name);
    if (!f.id || nnc_op_code(m, f) != NNC_OP_kernel || nnc_op_nregion(m, f) != 1) {
        fail(v, op, "there is no kernel '%s'", name);
        return;
    }
    nnc_block body = nnc_op_region(m, f, 0);
    if (nnc_block_narg(m, body) != nnc_op_nin(m, op) || nnc_op_nout(m, op)) {
        fail(v, op, "%u operands and %u results, '%s' has %u parameters and no results",
             nnc_op_nin(m, op), nnc_op_nout(m, op), name, nnc_block_narg(m, body));
        return;
    }
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        if (!passes_as(m, nnc_value_type(m, nnc_op_in(m, op, i)),
                       nnc_value_type(m, nnc_block_arg(m, body, i))))
            fail(v, op, "operand %u is %s, the parameter of '%s' %s", i, in_text(v, op, i), name,
                 nnc_print_type(m, nnc_value_type(m, nnc_block_arg(m, body, i))));
}

static void check_lanes(nnc_verifier *v, nnc_op op)
{
    const nnc_type_rec *x = in_type(v, op, 0), *y = out_type(v, op);
    bool splat = nnc_op_code(v->m, op) == NNC_OP_splat;
    bool ok = x->kind == NNC_TYPE_scalar && y->kind == NNC_TYPE_scalar && x->dtype == y->dtype &&
              (splat ? x->lanes : y->lanes) == 1;
    int64_t index = nnc_attr_int(v->m, op, NNC_W_index, 0);
    if (!ok)
        fail(v, op, "from %s to %s", in_text(v, op, 0),
             nnc_print_type(v->m, nnc_value_type(v->m, nnc_op_out(v->m, op, 0))));
    else if (nnc_op_code(v->m, op) == NNC_OP_extract && (index < 0 || index >= x->lanes))
        fail(v, op, "lane %lld of %s", (long long)index, in_text(v, op, 0));
}

static void check_dot4(nnc_verifier *v, nnc_op op)
{
    const nnc_type_rec *acc = in_type(v, op, 0), *a = in_type(v, op, 1), *b = in_type(v, op, 2),
                       *y = out_type(v, op);
    bool dtypes = acc->dtype == NNC_DT_i32 && y->dtype == NNC_DT_i32 && a->dtype == NNC_DT_u8q &&
                  b->dtype == NNC_DT_i8q;
    if (!dtypes || y->lanes != acc->lanes)
        fail(v, op, "%s, %s, %s: needs i32, u8q, i8q", in_text(v, op, 0), in_text(v, op, 1),
             in_text(v, op, 2));
}

static void check_scalar_op(nnc_verifier *v, nnc_op op)
{
    nnc_type out;
    if (nnc_infer(v->m, op, &out) != NNC_OK)
        v->errors++;
    else if (out.id != nnc_value_type(v->m, nnc_op_out(v->m, op, 0)).id)
        fail(v, op, "makes %s, should make %s",
             nnc_print_type(v->m, nnc_value_type(v->m, nnc_op_out(v->m, op, 0))),
             nnc_print_type(v->m, out));
}

/* Dense buffers, the first [reads] of them operands; then one idx per dimension of each. */
static void check_host(nnc_verifier *v, nnc_op op)
{
    unsigned n = 0, rank = 0;
    int64_t reads = nnc_attr_int(v->m, op, NNC_W_reads, -1);
    const nnc_attr_rec *id = nnc_attr_find(v->m, op, NNC_W_id);

    for (; n < nnc_op_nin(v->m, op) && in_type(v, op, n)->kind == NNC_TYPE_buffer; n++) {
        nnc_type_rec t = *in_type(v, op, n);
        int64_t dense[NNC_MAX_RANK];
        nnc_type_dense_strides(v->m->dims, t.rank, t.dim, dense);
        for (int i = 0; i < t.rank; i++)
            if (t.dim[i] != 1 && t.stride[i] != dense[i])
                fail(v, op, "operand %u has gaps: %s", n, in_text(v, op, n));
        rank += t.rank;
        if ((int64_t)n >= reads)
            writable(v, op, n);
    }
    if (!id || id->kind != NNC_ATTR_int || id->u.i < 0 || id->u.i > INT32_MAX)
        fail(v, op, "has no number of a function");
    if (reads < 0 || reads > n)
        fail(v, op, "reads %lld of %u buffers", (long long)reads, n);
    if (nnc_op_nin(v->m, op) - n != rank)
        fail(v, op, "%u sizes for %u dimensions", nnc_op_nin(v->m, op) - n, rank);
    if (nnc_op_nout(v->m, op))
        fail(v, op, "has results");
    for (unsigned i = n; i < nnc_op_nin(v->m, op); i++)
        is_scalar(v, op, i, NNC_DT_idx);
}

void nnc_verify_k(nnc_verifier *v, nnc_op op)
{
    switch (nnc_op_code(v->m, op)) {
    case NNC_OP_load: check_load(v, op); return;
    case NNC_OP_store: check_store(v, op); return;
    case NNC_OP_prefetch:
        if (is_buffer(v, op, 0))
            check_index(v, op, 0, 1);
        return;
    case NNC_OP_fill: check_fill(v, op); return;
    case NNC_OP_copy: check_copy(v, op); return;
    case NNC_OP_alloc: check_alloc(v, op); return;
    case NNC_OP_view: check_view(v, op); return;
    case NNC_OP_const: check_const(v, op); return;
    case NNC_OP_for: check_for(v, op); return;
    case NNC_OP_while: check_while(v, op); return;
    case NNC_OP_if: check_if(v, op); return;
    case NNC_OP_yield: check_yield(v, op); return;
    case NNC_OP_call: check_call(v, op); return;
    case NNC_OP_host: check_host(v, op); return;
    case NNC_OP_state: is_buffer(v, op, 0); return;
    case NNC_OP_check: is_scalar(v, op, 0, NNC_DT_bool); return;
    case NNC_OP_splat:
    case NNC_OP_extract:
    case NNC_OP_hsum:
    case NNC_OP_hmax:
    case NNC_OP_hmin: check_lanes(v, op); return;
    case NNC_OP_dot4: check_dot4(v, op); return;
    default:
        if (nnc_op_has(v->m, op, NNC_ELEMENTWISE))
            check_scalar_op(v, op);
    }
}
