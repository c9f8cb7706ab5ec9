/* Channels last inside: convolutions run nhwc, and the transposes that this needs are moved until they meet and cancel.
 *
 * One sweep in block order.  A nchw convolution becomes transpose, nhwc convolution (weights k.. I O: a transposed
 * constant, which packing reads through), transpose back.  Every other op whose operand is such a transpose is rewritten
 * to work on the untransposed value with its attributes permuted, and its result is transposed instead: transposes sink.
 * Two that meet compose; one that only moves dims of size 1 becomes a reshape in the end, which costs nothing.  What is
 * left stands at the borders: graph inputs and outputs, reshapes, ops with an order of their own.
 *
 * An elementwise op sinks only when each of its tensors is transposed in the same way, or constant, or small and stretched:
 * otherwise a transpose of one operand would merely be traded for one of another, and in an optimiser, where a gradient
 * meets weights and moments and all of them come back as loop state, for several.  The exception is a result that a
 * convolution reads: there the trade saves the transpose before the convolution. */
#include <assert.h>
#include <string.h>
#include "ir/build.h"
#include "passes/layout_phases.h"
#include "passes/pass.h"

enum { SMALL = 4096 }; /* elements: transposing as many costs nothing that matters */

typedef struct perm {
    int64_t p[NNC_MAX_RANK];
    unsigned n;
} perm;

static unsigned rank_of(const nnc_module *m, nnc_value v)
{
    return nnc_value_ty(m, v)->rank;
}

/* Is v = transpose(source)?  Its permutation. */
static bool transposed(const nnc_module *m, nnc_value v, perm *p, nnc_value *source)
{
    nnc_op op = nnc_value_op(m, v);
    if (!op.id || nnc_op_code(m, op) != NNC_OP_transpose)
        return false;
    const int64_t *a = nnc_attr_ints(m, op, NNC_W_perm, &p->n);
    if (p->n)
        memcpy(p->p, a, p->n * sizeof *a);
    *source = nnc_op_in(m, op, 0);
    return true;
}

static perm inverse(const perm *p)
{
    perm r = {.n = p->n};
    for (unsigned i = 0; i < p->n; i++)
        r.p[p->p[i]] = i;
    return r;
}

/* A transpose, composed with one below it. */
static nnc_value apply(nnc_builder *b, nnc_value v, const perm *p)
{
    nnc_module *m = b->m;
    perm q, r = *p;
    nnc_value source;
    bool same = true;
    if (transposed(m, v, &q, &source)) {
        for (unsigned i = 0; i < r.n; i++)
            r.p[i] = q.p[p->p[i]];
        v = source;
    }
    for (unsigned i = 0; i < r.n; i++)
        same &= r.p[i] == i;
    return same ? v : nnc_g_transpose(b, v, r.p);
}

/* A transpose that only moves dims of size 1 is a reshape.  Only after the sweep: until then it sinks like the others. */
static void reshape_instead(nnc_module *m, nnc_op op)
{
    perm p;
    nnc_value source;
    nnc_dim dim[NNC_MAX_RANK];
    int64_t last = -1;
    if (!transposed(m, nnc_op_out(m, op, 0), &p, &source))
        return;
    nnc_type_rec t = *nnc_value_ty(m, source);
    for (unsigned i = 0; i < p.n; i++) {
        dim[i] = t.dim[p.p[i]];
        if (dim[i] == 1)
            continue;
        if (p.p[i] < last)
            return;
        last = p.p[i];
    }
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value v = nnc_g_reshape(&b, source, (int)p.n, dim);
    if (!nnc_value_get(m, v)->name.id)
        m->value.at[v.id].name = nnc_value_get(m, nnc_op_out(m, op, 0))->name;
    nnc_value_replace(m, nnc_op_out(m, op, 0), v);
    nnc_op_erase(m, op);
}

static void replace(nnc_module *m, nnc_op op, nnc_value with)
{
    nnc_value v = nnc_op_out(m, op, 0);
    if (!nnc_value_get(m, with)->name.id)
        m->value.at[with.id].name = nnc_value_get(m, v)->name;
    nnc_value_replace(m, v, with);
    nnc_op_erase(m, op);
}

/* ---- convolutions ---- */

static perm to_last(unsigned rank)
{
    perm p = {.n = rank};
    for (unsigned i = 1; i + 1 < rank; i++)
        p.p[i] = i + 1;
    p.p[rank - 1] = 1;
    return p;
}

static bool convert_conv(nnc_module *m, nnc_op op)
{
    if (nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) != NNC_W_nchw)
        return false;
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value x = nnc_op_in(m, op, 0), w = nnc_op_in(m, op, 1);
    unsigned rank = rank_of(m, x);
    perm in = to_last(rank), back = inverse(&in), wp = {.n = rank};
    for (unsigned i = 0; i + 2 < rank; i++)
        wp.p[i] = i + 2;
    wp.p[rank - 2] = 1;
    wp.p[rank - 1] = 0;
    nnc_value v[2] = {apply(&b, x, &in), apply(&b, w, &wp)};
    nnc_type_rec t = *nnc_value_ty(m, nnc_op_out(m, op, 0));
    nnc_dim dim[NNC_MAX_RANK];
    for (unsigned i = 0; i < rank; i++)
        dim[i] = t.dim[in.p[i]];
    nnc_type out = nnc_type_tensor(m, (nnc_dtype)t.dtype, (int)rank, dim);
    nnc_op conv = nnc_build_op(&b, NNC_OP_conv, 2, v, 1, &out);
    nnc_attr_copy(m, conv, op);
    nnc_attr_set_word(m, conv, NNC_W_layout, NNC_W_nhwc);
    m->value.at[nnc_op_out(m, conv, 0).id].name = nnc_value_get(m, nnc_op_out(m, op, 0))->name;
    replace(m, op, apply(&b, nnc_op_out(m, conv, 0), &back));
    return true;
}

/* ---- sinking ---- */

static bool permute_ints(nnc_module *m, nnc_op op, nnc_word key, const perm *p)
{
    unsigned n;
    int64_t old[NNC_MAX_RANK], new[NNC_MAX_RANK];
    const int64_t *a = nnc_attr_ints(m, op, key, &n);
    if (n != p->n)
        return n == 0;
    memcpy(old, a, n * sizeof *a);
    for (unsigned i = 0; i < n; i++)
        new[p->p[i]] = old[i]; /* dim i of the transpose is dim p[i] of its source */
    nnc_attr_set_ints(m, op, key, n, new);
    return true;
}

/* The result's dims seen before the transpose. */
static nnc_type untransposed(nnc_module *m, nnc_value v, const perm *p)
{
    nnc_type_rec t = *nnc_value_ty(m, v);
    nnc_dim dim[NNC_MAX_RANK];
    for (unsigned i = 0; i < p->n; i++)
        dim[p->p[i]] = t.dim[i];
    return nnc_type_tensor(m, (nnc_dtype)t.dtype, t.rank, dim);
}

/* The same op on other operands, its result transposed by p. */
static nnc_op remade(nnc_builder *b, nnc_op op, const nnc_value *in, const perm *p)
{
    nnc_module *m = b->m;
    nnc_type t = untransposed(m, nnc_op_out(m, op, 0), p);
    nnc_op made = nnc_build_op(b, nnc_op_code(m, op), nnc_op_nin(m, op), in, 1, &t);
    nnc_attr_copy(m, made, op);
    m->value.at[nnc_op_out(m, made, 0).id].name = nnc_value_get(m, nnc_op_out(m, op, 0))->name;
    return made;
}

static bool is_constant(const nnc_module *m, nnc_value v)
{
    nnc_op op = nnc_value_op(m, v);
    while (op.id && nnc_op_has(m, op, NNC_VIEW))
        op = nnc_value_op(m, nnc_op_in(m, op, 0));
    return op.id && nnc_op_code(m, op) == NNC_OP_const;
}

/* Can operand v of an op with a result of `full` elements be had in the source's order without real work? */
static bool follows(const nnc_module *m, nnc_value v, int64_t full, const perm *p)
{
    perm q;
    nnc_value source;
    if (transposed(m, v, &q, &source))
        return q.n == p->n && !memcmp(q.p, p->p, p->n * sizeof p->p[0]);
    int64_t n = nnc_type_count(m, nnc_value_type(m, v));
    return (n <= SMALL && (n < full || n == 1)) || is_constant(m, v);
}

/* Will a convolution, directly or behind one transpose, want v channels-last? */
static bool feeds_conv(const nnc_module *m, nnc_value v, bool through)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        if (nnc_op_code(m, op) == NNC_OP_conv ||
            (through && nnc_op_code(m, op) == NNC_OP_transpose &&
             feeds_conv(m, nnc_op_out(m, op, 0), false)))
            return true;
    }
    return false;
}

static nnc_value followed(nnc_builder *b, nnc_value v, const perm *p)
{
    nnc_type_rec t = *nnc_value_ty(b->m, v);
    nnc_dim dim[NNC_MAX_RANK];
    if (t.rank == 0)
        return v;
    if (t.rank < p->n) {
        for (unsigned i = 0; i < p->n; i++)
            dim[i] = i + t.rank < p->n ? 1 : t.dim[i + t.rank - p->n];
        v = nnc_g_reshape(b, v, (int)p->n, dim);
    }
    perm q = inverse(p);
    return apply(b, v, &q);
}

static bool sink_elementwise(nnc_module *m, nnc_op op, const perm *p)
{
    nnc_value in[8];
    unsigned n = nnc_op_nin(m, op);
    if (n > 8 || rank_of(m, nnc_op_out(m, op, 0)) != p->n)
        return false;
    unsigned against = 0;
    int64_t full = nnc_type_count(m, nnc_value_type(m, nnc_op_out(m, op, 0)));
    for (unsigned i = 0; i < n; i++)
        against += !follows(m, nnc_op_in(m, op, i), full, p);
    if (against > 1 || (against && !feeds_conv(m, nnc_op_out(m, op, 0), true)))
        return false;
    nnc_builder b = nnc_builder_before(m, op);
    for (unsigned i = 0; i < n; i++)
        in[i] = followed(&b, nnc_op_in(m, op, i), p);
    nnc_op made = remade(&b, op, in, p);
    replace(m, op, apply(&b, nnc_op_out(m, made, 0), p));
    return true;
}

static bool sink_concat(nnc_module *m, nnc_op op, const perm *p)
{
    unsigned n = nnc_op_nin(m, op);
    nnc_value in[64];
    if (n > 64)
        return false;
    int64_t full = nnc_type_count(m, nnc_value_type(m, nnc_op_out(m, op, 0)));
    for (unsigned i = 0; i < n; i++)
        if (!follows(m, nnc_op_in(m, op, i), full, p))
            return false;
    nnc_builder b = nnc_builder_before(m, op);
    for (unsigned i = 0; i < n; i++)
        in[i] = followed(&b, nnc_op_in(m, op, i), p);
    nnc_op made = remade(&b, op, in, p);
    nnc_attr_set_int(m, made, NNC_W_axis, p->p[nnc_attr_int(m, op, NNC_W_axis, 0)]);
    replace(m, op, apply(&b, nnc_op_out(m, made, 0), p));
    return true;
}

/* Ops with one entry per dim in some attributes. */
static bool sink_permuted(nnc_module *m, nnc_op op, const perm *p, nnc_value source, unsigned nkeys,
                          const nnc_word *keys)
{
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value in[2] = {source, nnc_op_nin(m, op) > 1 ? nnc_op_in(m, op, 1) : source};
    nnc_op made = remade(&b, op, in, p);
    for (unsigned i = 0; i < nkeys; i++)
        if (!permute_ints(m, made, keys[i], p)) {
            nnc_op_erase(m, made);
            return false;
        }
    replace(m, op, apply(&b, nnc_op_out(m, made, 0), p));
    return true;
}

static bool sink_axis(nnc_module *m, nnc_op op, const perm *p, nnc_value source)
{
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value in[2] = {source, nnc_op_nin(m, op) > 1 ? nnc_op_in(m, op, 1) : source};
    nnc_op made = remade(&b, op, in, p);
    nnc_attr_set_int(m, made, NNC_W_axis, p->p[nnc_attr_int(m, op, NNC_W_axis, 0)]);
    replace(m, op, apply(&b, nnc_op_out(m, made, 0), p));
    return true;
}

/* A reduction: its axes move; without `keep` the rest keep their order, which may need a transpose of fewer dims. */
static bool sink_reduce(nnc_module *m, nnc_op op, const perm *p, nnc_value source)
{
    int64_t axes[NNC_MAX_RANK], kept[NNC_MAX_RANK];
    unsigned n, nkept = 0;
    bool red[NNC_MAX_RANK] = {false}, keep = nnc_attr_int(m, op, NNC_W_keep, 0) != 0;
    const int64_t *a = nnc_attr_ints(m, op, NNC_W_axes, &n);
    for (unsigned i = 0; i < n; i++) {
        axes[i] = p->p[a[i]];
        red[axes[i]] = true;
    }
    for (unsigned i = 1; i < n; i++) /* ascending */
        for (unsigned j = i; j > 0 && axes[j - 1] > axes[j]; j--) {
            int64_t s = axes[j];
            axes[j] = axes[j - 1];
            axes[j - 1] = s;
        }
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value v =
        nnc_g_reduce(&b, nnc_attr_word(m, op, NNC_W_kind, NNC_W_sum), source, n, axes, keep);
    if (keep) {
        replace(m, op, apply(&b, v, p));
        return true;
    }
    perm q = {.n = p->n - n};
    for (unsigned i = 0; i < p->n; i++) /* dims of the source that stay, in its order */
        if (!red[i])
            kept[nkept++] = i;
    for (unsigned i = 0, k = 0; i < p->n; i++)
        if (!red[p->p[i]]) {
            for (unsigned j = 0; j < nkept; j++)
                if (kept[j] == p->p[i])
                    q.p[k] = j;
            k++;
        }
    replace(m, op, apply(&b, v, &q));
    return true;
}

static bool sink(nnc_module *m, nnc_op op)
{
    static const nnc_word pads[] = {NNC_W_lo, NNC_W_hi}, slices[] = {NNC_W_start, NNC_W_step};
    static const nnc_word windows[] = {NNC_W_size, NNC_W_stride, NNC_W_dilation, NNC_W_lo,
                                       NNC_W_hi};
    perm p = {.n = 0};
    nnc_value source = {0};
    bool first = nnc_op_nin(m, op) > 0 && transposed(m, nnc_op_in(m, op, 0), &p, &source);
    if (nnc_op_has(m, op, NNC_ELEMENTWISE)) {
        for (unsigned i = 1; i < nnc_op_nin(m, op) && !first; i++)
            first = transposed(m, nnc_op_in(m, op, i), &p, &source);
        return first && sink_elementwise(m, op, &p);
    }
    if (nnc_op_code(m, op) == NNC_OP_concat)
        for (unsigned i = 1; i < nnc_op_nin(m, op) && !first; i++)
            first = transposed(m, nnc_op_in(m, op, i), &p, &source);
    if (!first)
        return false;
    switch (nnc_op_code(m, op)) {
    case NNC_OP_concat: return sink_concat(m, op, &p);
    case NNC_OP_pad: return sink_permuted(m, op, &p, source, 2, pads);
    case NNC_OP_slice: return sink_permuted(m, op, &p, source, 2, slices);
    case NNC_OP_window_reduce: return sink_permuted(m, op, &p, source, 5, windows);
    case NNC_OP_softmax:
    case NNC_OP_log_softmax: /* not away from contiguous rows */
        return p.p[nnc_attr_int(m, op, NNC_W_axis, 0)] == (int64_t)p.n - 1 &&
               sink_axis(m, op, &p, source);
    case NNC_OP_reduce: return sink_reduce(m, op, &p, source);
    case NNC_OP_gather: {
        bool simple =
            nnc_attr_int(m, op, NNC_W_batch_dims, 0) == 0 && rank_of(m, nnc_op_in(m, op, 1)) == 1;
        return simple && sink_axis(m, op, &p, source);
    }
    case NNC_OP_transpose: {
        perm q;
        nnc_value unused;
        nnc_builder b = nnc_builder_before(m, op);
        transposed(m, nnc_op_out(m, op, 0), &q, &unused);
        replace(m, op, apply(&b, nnc_op_in(m, op, 0), &q));
        return true;
    }
    default: return false;
    }
}

static void layout_block(nnc_pass_cx *cx, nnc_block b)
{
    nnc_module *m = cx->m;
    for (nnc_op op = nnc_block_first(m, b), next; op.id; op = next) {
        next = nnc_op_next(m, op);
        if (nnc_op_code(m, op) == NNC_OP_conv)
            cx->changed += nnc_layout_phases(m, op);
    }
    for (nnc_op op = nnc_block_first(m, b), next; op.id; op = next) {
        next = nnc_op_next(m, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
            layout_block(cx, nnc_op_region(m, op, i));
        if (nnc_op_code(m, op) == NNC_OP_conv ? convert_conv(m, op) : sink(m, op))
            cx->changed++;
    }
    for (nnc_op op = nnc_block_first(m, b), next; op.id; op = next) {
        next = nnc_op_next(m, op);
        reshape_instead(m, op);
    }
}

nnc_status nnc_pass_layout(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
        if (nnc_op_code(m, f) == NNC_OP_graph)
            layout_block(cx, nnc_op_region(m, f, 0));
    return NNC_OK;
}
