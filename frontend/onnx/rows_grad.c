/* frontend/onnx/rows_grad.c - Gradient (ai.onnx.preview.training): dy/dx of what the graph computed before.
 *
 * Reverse mode over the G ops of the block, from y back to the xs.  The partials of elementwise ops are the texts in
 * ir/ops.def; a small parser builds them.  Linear and contracting ops have their adjoint here. */
#include <ctype.h>
#include <stdlib.h>
#include "frontend/onnx/import_priv.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

struct tape {
    nnc_onnx_cx *cx;
    bool *varies;       /* by value id: does it depend on an x? */
    nnc_value *adjoint; /* by value id */
    uint32_t nvalue;    /* values that existed at the start */
};

/* ---- partials as text -------------------------------------------------------------------------- */

/* sum := product (('+' | '-') product)*;  product := unary (('*' | '/') unary)*;  unary := '-' unary | atom
 * atom := number | name | name '(' compare (',' compare)* ')' | '(' compare ')';  compare := sum ('<' sum)? */
struct partial {
    nnc_onnx_cx *cx;
    const char *s;
    nnc_value g, x, y; /* the adjoint of the result; operands, or operand and result */
};

static nnc_value compare(struct partial *p);

static void blanks(struct partial *p)
{
    while (*p->s == ' ')
        p->s++;
}

static bool take(struct partial *p, char c)
{
    blanks(p);
    if (*p->s != c)
        return false;
    p->s++;
    return true;
}

static nnc_value call(struct partial *p, const char *name, size_t len)
{
    nnc_value arg[3] = {{0}, {0}, {0}};
    unsigned n = 0;
    nnc_opcode code = nnc_opcode_by_name(name, len);

    do
        arg[n] = compare(p);
    while (++n < 3 && take(p, ','));
    take(p, ')');
    if (code == NNC_OP_select)
        return nnc_g_select(&p->cx->b, arg[0], arg[1], arg[2]);
    return n == 1 ? nnc_cx_op1(p->cx, code, arg[0]) : op2(p->cx, code, arg[0], arg[1]);
}

static nnc_value atom(struct partial *p)
{
    blanks(p);
    if (take(p, '(')) {
        nnc_value v = compare(p);
        take(p, ')');
        return v;
    }
    if (isdigit((unsigned char)*p->s)) {
        char *end;
        double v = strtod(p->s, &end);
        p->s = end;
        return nnc_cx_like(p->cx, p->g, v);
    }
    const char *name = p->s;
    while (isalnum((unsigned char)*p->s))
        p->s++;
    size_t len = (size_t)(p->s - name);
    if (take(p, '('))
        return call(p, name, len);
    return *name == 'g' ? p->g : *name == 'x' ? p->x : p->y;
}

static nnc_value unary(struct partial *p)
{
    return take(p, '-') ? nnc_cx_op1(p->cx, NNC_OP_neg, unary(p)) : atom(p);
}

static nnc_value product(struct partial *p)
{
    nnc_value v = unary(p);
    for (;;) {
        if (take(p, '*'))
            v = op2(p->cx, NNC_OP_mul, v, unary(p));
        else if (take(p, '/'))
            v = op2(p->cx, NNC_OP_div, v, unary(p));
        else
            return v;
    }
}

static nnc_value sum(struct partial *p)
{
    nnc_value v = product(p);
    for (;;) {
        if (take(p, '+'))
            v = op2(p->cx, NNC_OP_add, v, product(p));
        else if (take(p, '-'))
            v = op2(p->cx, NNC_OP_sub, v, product(p));
        else
            return v;
    }
}

static nnc_value compare(struct partial *p)
{
    nnc_value v = sum(p);
    return take(p, '<') ? op2(p->cx, NNC_OP_lt, v, sum(p)) : v;
}

/* ---- adjoints ---------------------------------------------------------------------------------- */

/* g summed over the dims along which `to` was broadcast. */
static nnc_value unbroadcast(nnc_onnx_cx *cx, nnc_value g, nnc_value to)
{
    nnc_type_rec tg = nnc_cx_ty(cx, g), tt = nnc_cx_ty(cx, to);
    int64_t axes[NNC_MAX_RANK];
    unsigned n = 0;
    int lead = tg.rank - tt.rank;

    if (lead < 0)
        return nnc_g_broadcast(&cx->b, g, tt.rank, tt.dim);
    for (int i = 0; i < tg.rank; i++)
        if (i < lead || (tt.dim[i - lead] == 1 && tg.dim[i] != 1))
            axes[n++] = i;
    if (n)
        g = nnc_cx_sum(cx, g, n, axes, true);
    g = nnc_cx_reshape(cx, g, tt.rank, nnc_cx_ty(cx, g).dim + lead);
    return nnc_g_broadcast(&cx->b, g, tt.rank, tt.dim); /* a partial that does not mention x */
}

static void accumulate(struct tape *t, nnc_value v, nnc_value g)
{
    if (v.id >= t->nvalue || !t->varies[v.id])
        return;
    g = unbroadcast(t->cx, g, v);
    t->adjoint[v.id] = t->adjoint[v.id].id ? op2(t->cx, NNC_OP_add, t->adjoint[v.id], g) : g;
}

static nnc_status elementwise(struct tape *t, nnc_op op, nnc_value g)
{
    nnc_onnx_cx *cx = t->cx;
    const nnc_op_info *info = &nnc_op_infos[nnc_op_code(cx->m, op)];
    unsigned nin = nnc_op_nin(cx->m, op);
    struct partial p = {cx, info->d, g, nnc_op_in(cx->m, op, 0), {0}};

    if (info->class == 'S' && nin == 3) { /* select */
        nnc_value c = nnc_op_in(cx->m, op, 0), zero = nnc_cx_like(cx, g, 0);
        nnc_value a = nnc_op_in(cx->m, op, 1), b = nnc_op_in(cx->m, op, 2);
        accumulate(t, a, nnc_g_select(&cx->b, c, g, zero));
        accumulate(t, b, nnc_g_select(&cx->b, c, zero, g));
        return NNC_OK;
    }
    if (strcmp(info->d, "neg") == 0)
        p.s = "neg(g)";
    if (nin > 2 || !*p.s || strcmp(info->d, "cast") == 0)
        return nnc_cx_error(cx, "the derivative of %s is not available", info->name);
    p.y = nin == 2 ? nnc_op_in(cx->m, op, 1) : nnc_op_out(cx->m, op, 0);
    for (unsigned i = 0; i < nin; i++) {
        nnc_value d = compare(&p);
        accumulate(t, nnc_op_in(cx->m, op, i), d);
        take(&p, ',');
    }
    return NNC_OK;
}

/* One side of a dot: contract g's free dims of the other side with those, and put the axes back. */
static void dot_side(struct tape *t, nnc_op op, nnc_value g, bool second)
{
    nnc_onnx_cx *cx = t->cx;
    unsigned nb, nk, n;
    const int64_t *batch[2] = {nnc_attr_ints(cx->m, op, NNC_W_batch_a, &nb),
                               nnc_attr_ints(cx->m, op, NNC_W_batch_b, &nb)};
    const int64_t *contract[2] = {nnc_attr_ints(cx->m, op, NNC_W_contract_a, &nk),
                                  nnc_attr_ints(cx->m, op, NNC_W_contract_b, &nk)};
    nnc_value me = nnc_op_in(cx->m, op, second), other = nnc_op_in(cx->m, op, !second);
    int rank_me = nnc_cx_rank(cx, me), rank_other = nnc_cx_rank(cx, other),
        free_me = rank_me - (int)(nb + nk);
    int free_other = rank_other - (int)(nb + nk);
    int64_t gb[NNC_MAX_RANK], ob[NNC_MAX_RANK], gk[NNC_MAX_RANK], ok[NNC_MAX_RANK];
    int64_t place[NNC_MAX_RANK], perm[NNC_MAX_RANK];
    unsigned role_me[NNC_MAX_RANK] = {0},
             role_other[NNC_MAX_RANK] = {0}; /* 0 free, 1 batch, 2 contracted */

    for (unsigned i = 0; i < nb; i++) {
        gb[i] = i;
        ob[i] = batch[!second][i];
        role_me[batch[second][i]] = role_other[ob[i]] = 1;
    }
    for (unsigned i = 0; i < nk; i++)
        role_me[contract[second][i]] = role_other[contract[!second][i]] = 2;
    n = 0;
    for (int d = 0; d < rank_other; d++)
        if (role_other[d] == 0) {
            gk[n] = (int64_t)nb + n + (second ? 0 : free_me);
            ok[n++] = d;
        }
    (void)free_other;
    /* result: batch, my free dims, my contracted dims in the order in which `other` holds them */
    n = 0;
    for (unsigned i = 0; i < nb; i++)
        place[n++] = batch[second][i];
    for (int d = 0; d < rank_me; d++)
        if (role_me[d] == 0)
            place[n++] = d;
    for (int d = 0; d < rank_other; d++)
        for (unsigned i = 0; role_other[d] == 2 && i < nk; i++)
            if (contract[!second][i] == d)
                place[n++] = contract[second][i];
    for (unsigned i = 0; i < n; i++)
        perm[place[i]] = i;
    nnc_value r =
        nnc_g_dot(&cx->b, g, other, nb, gb, ob, (unsigned)free_other, gk, ok, NNC_DT_none);
    accumulate(t, me, nnc_g_transpose(&cx->b, r, perm));
}

static nnc_status adjoint(struct tape *t, nnc_op op, nnc_value g)
{
    nnc_onnx_cx *cx = t->cx;
    nnc_value x = nnc_op_nin(cx->m, op) ? nnc_op_in(cx->m, op, 0) : (nnc_value){0};
    nnc_type_rec ty = x.id ? nnc_cx_ty(cx, x) : (nnc_type_rec){0};
    unsigned n;

    switch (nnc_op_code(cx->m, op)) {
    case NNC_OP_reshape: accumulate(t, x, nnc_cx_reshape(cx, g, ty.rank, ty.dim)); return NNC_OK;
    case NNC_OP_broadcast: accumulate(t, x, g); return NNC_OK;
    case NNC_OP_cast:
        if (!nnc_dtype_is_float((nnc_dtype)ty.dtype))
            return NNC_OK;
        accumulate(t, x, nnc_g_cast(&cx->b, g, (nnc_dtype)ty.dtype));
        return NNC_OK;
    case NNC_OP_transpose: {
        const int64_t *perm = nnc_attr_ints(cx->m, op, NNC_W_perm, &n);
        int64_t back[NNC_MAX_RANK];
        for (unsigned i = 0; i < n; i++)
            back[perm[i]] = i;
        accumulate(t, x, nnc_g_transpose(&cx->b, g, back));
        return NNC_OK;
    }
    case NNC_OP_reduce: {
        const int64_t *axes = nnc_attr_ints(cx->m, op, NNC_W_axes, &n);
        nnc_type_rec kept = ty;
        if (nnc_attr_word(cx->m, op, NNC_W_kind, NNC_W_none) != NNC_W_sum)
            break;
        for (unsigned i = 0; i < n; i++)
            kept.dim[axes[i]] = 1;
        g = nnc_cx_reshape(cx, g, kept.rank, kept.dim);
        accumulate(t, x, nnc_g_broadcast(&cx->b, g, ty.rank, ty.dim));
        return NNC_OK;
    }
    case NNC_OP_dot:
        dot_side(t, op, g, false);
        dot_side(t, op, g, true);
        return NNC_OK;
    default:
        if (nnc_op_has(cx->m, op, NNC_ELEMENTWISE) && !nnc_op_has(cx->m, op, NNC_COMPOSITE))
            return elementwise(t, op, g);
        break;
    }
    return nnc_cx_error(cx, "the derivative of %s is not available",
                        nnc_op_infos[nnc_op_code(cx->m, op)].name);
}

/* Marks what depends on the xs; ops in order. */
static void mark(struct tape *t, nnc_block block)
{
    nnc_module *m = t->cx->m;
    for (nnc_op op = nnc_block_first(m, block); op.id; op = nnc_op_next(m, op)) {
        bool any = false;
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
            any |= t->varies[nnc_op_in(m, op, i).id];
        for (unsigned i = 0; any && i < nnc_op_nout(m, op); i++)
            t->varies[nnc_op_out(m, op, i).id] = true;
    }
}

static nnc_status walk_back(struct tape *t, nnc_block block)
{
    nnc_module *m = t->cx->m;
    nnc_op last = nnc_block_last(m, block);

    for (nnc_op op = last; op.id; op = nnc_op_prev(m, op)) {
        nnc_value y = nnc_op_nout(m, op) ? nnc_op_out(m, op, 0) : (nnc_value){0};
        if (y.id && y.id < t->nvalue && t->varies[y.id] && t->adjoint[y.id].id)
            NNC_TRY(adjoint(t, op, t->adjoint[y.id]));
    }
    return NNC_OK;
}

static nnc_val named(nnc_onnx_cx *cx, const char *name)
{
    return nnc_import_lookup(cx, nnc_intern_put(cx->model->names, name, strlen(name)));
}

nnc_status nnc_row_gradient(nnc_onnx_cx *cx)
{
    uint32_t n;
    const nnc_onnx_str *xs = nnc_onnx_node_strs(cx->node, "xs", &n);
    nnc_val y = named(cx, nnc_onnx_node_str(cx->node, "y", ""));
    nnc_block block = cx->b.pos.block;
    struct tape t = {.cx = cx, .nvalue = cx->m->value.n};

    if (y.kind != NNC_VAL_tensor)
        return nnc_cx_bad_attr(cx, "y", "the name of a tensor that was computed before");
    if (!nnc_dtype_is_float(nnc_cx_dtype(cx, y.v)))
        return nnc_cx_error(cx, "y is %s, expected floating point", nnc_cx_type_text(cx, y.v));
    t.varies = nnc_arena_alloc(cx->a, t.nvalue);
    t.adjoint = nnc_arena_array(cx->a, t.nvalue, sizeof *t.adjoint);
    for (uint32_t i = 0; i < n; i++) {
        nnc_val x = named(cx, xs[i].s);
        if (x.kind != NNC_VAL_tensor || i >= cx->nin || nnc_cx_in(cx, i).id != x.v.id)
            return nnc_cx_error(cx,
                                "input %u is not the tensor '%.80s' that attribute xs names; "
                                "evaluating the graph at other "
                                "values is not supported",
                                i, xs[i].s);
        t.varies[x.v.id] = true;
    }
    mark(&t, block);
    nnc_type_rec ty = nnc_cx_ty(cx, y.v);
    t.adjoint[y.v.id] = nnc_cx_full(cx, nnc_cx_like(cx, y.v, 1), ty.rank, ty.dim);
    NNC_TRY(walk_back(&t, block));
    for (uint32_t i = 0; i < n && i < cx->nout; i++) {
        nnc_value x = nnc_cx_in(cx, i), g = t.adjoint[x.id];
        nnc_type_rec tx = nnc_cx_ty(cx, x);
        nnc_cx_set(cx, i, g.id ? g : nnc_cx_full(cx, nnc_cx_like(cx, x, 0), tx.rank, tx.dim));
    }
    return NNC_OK;
}
