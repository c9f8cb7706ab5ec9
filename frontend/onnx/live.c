/* frontend/onnx/live.c - what is needed: does a dimension matter, and away with ops that nobody reads.
 *
 * A dimension of unknown size is only a problem when something that is needed depends on it: an op that leads to an
 * output or to a check, and that reads or makes a tensor of such a shape or asks for the size.  Inner regions count
 * with the op that holds them. */
#include "frontend/onnx/import_priv.h"

struct live {
    nnc_onnx_cx *cx;
    nnc_dim dim;
    uint8_t *needed; /* by value id */
    bool found;
};

static bool mentions(nnc_onnx_cx *cx, nnc_dim d, nnc_dim symbol)
{
    uint32_t n;
    if (d == symbol)
        return true;
    if (nnc_dim_is_const(d))
        return false;
    const nnc_dim_term *t = nnc_dim_terms(cx->dims, d, &n);
    nnc_sym name;
    nnc_dim_is_symbol(cx->dims, symbol, &name);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t[i].natom; k++) {
            nnc_dim_atom a = nnc_dim_atom_get(cx->dims, t[i].atom[k]);
            if (a.op == '$' ? nnc_dim_symbol_name(cx->dims, (uint32_t)a.a).id == name.id
                            : mentions(cx, a.a, symbol) || mentions(cx, a.b, symbol))
                return true;
        }
    return false;
}

static void look_at(struct live *l, nnc_value v)
{
    nnc_type_rec ty = nnc_cx_ty(l->cx, v);
    for (int i = 0; i < ty.rank; i++)
        l->found |= mentions(l->cx, ty.dim[i], l->dim);
}

/* All of a region is taken as needed when its op is. */
static void need_op(struct live *l, nnc_op op);

static void need_region(struct live *l, nnc_block b)
{
    for (nnc_op op = nnc_block_first(l->cx->m, b); op.id && !l->found;
         op = nnc_op_next(l->cx->m, op))
        need_op(l, op);
}

static void need_op(struct live *l, nnc_op op)
{
    nnc_module *m = l->cx->m;
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i);
        l->needed[v.id] = 1;
        look_at(l, v);
    }
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        look_at(l, nnc_op_out(m, op, i));
    if (nnc_op_code(m, op) == NNC_OP_extent)
        l->found |= mentions(l->cx, nnc_attr_int(m, op, NNC_W_dim, 0), l->dim);
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        need_region(l, nnc_op_region(m, op, r));
}

bool nnc_import_dim_matters(nnc_onnx_cx *cx, nnc_block body, nnc_dim d)
{
    struct live l = {cx, d, nnc_arena_alloc(cx->a, cx->m->value.n), false};
    for (nnc_op op = nnc_block_last(cx->m, body); op.id && !l.found; op = nnc_op_prev(cx->m, op)) {
        bool used = !nnc_op_has(cx->m, op, NNC_PURE);
        for (unsigned i = 0; i < nnc_op_nout(cx->m, op); i++)
            used |= l.needed[nnc_op_out(cx->m, op, i).id] != 0;
        if (used)
            need_op(&l, op);
    }
    return l.found;
}

/* ---- the sweep ---- */

/* Symbols that remaining ops speak of, by index in the table of dimensions. */
struct symbols {
    nnc_onnx_cx *cx;
    uint8_t *spoken;
};

static void speak(struct symbols *s, nnc_dim d)
{
    uint32_t n;
    if (nnc_dim_is_const(d))
        return;
    const nnc_dim_term *t = nnc_dim_terms(s->cx->dims, d, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < t[i].natom; k++) {
            nnc_dim_atom a = nnc_dim_atom_get(s->cx->dims, t[i].atom[k]);
            if (a.op == '$') {
                s->spoken[a.a] = 1;
            } else {
                speak(s, a.a);
                speak(s, a.b);
            }
        }
}

static void speak_types(struct symbols *s, nnc_value v)
{
    nnc_type_rec ty = nnc_cx_ty(s->cx, v);
    for (int i = 0; i < ty.rank; i++)
        speak(s, ty.dim[i]);
}

/* The sizes an op that stays speaks of, except that a `prefix` makes one. */
static void speak_op(struct symbols *s, nnc_op op)
{
    static const nnc_word sizes[] = {NNC_W_dim, NNC_W_k, NNC_W_size, NNC_W_trips};
    static const nnc_word lists[] = {NNC_W_start, NNC_W_lo, NNC_W_hi};
    nnc_module *m = s->cx->m;
    unsigned n;

    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        speak_types(s, nnc_op_in(m, op, i));
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        speak_types(s, nnc_op_out(m, op, i));
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        const nnc_attr_rec *a = nnc_attr_find(m, op, sizes[k]);
        if (a && a->kind == NNC_ATTR_int)
            speak(s, a->u.i);
    }
    for (size_t k = 0; k < sizeof lists / sizeof *lists && nnc_op_code(m, op) != NNC_OP_conv; k++) {
        const int64_t *at = nnc_attr_ints(m, op, lists[k], &n);
        for (unsigned i = 0; i < n; i++)
            speak(s, at[i]);
    }
}

/* An unread prefix still says what its symbol is. */
static bool is_named(struct symbols *s, nnc_op op)
{
    nnc_module *m = s->cx->m;
    nnc_type_rec ty = nnc_cx_ty(s->cx, nnc_op_out(m, op, 0));
    nnc_dim d = ty.dim[nnc_attr_int(m, op, NNC_W_axis, 0)];
    nnc_sym name;

    if (!nnc_dim_is_symbol(s->cx->dims, d, &name))
        return true;
    for (uint32_t i = 0; i < nnc_dim_nsymbol(s->cx->dims); i++)
        if (nnc_dim_symbol_name(s->cx->dims, i).id == name.id)
            return s->spoken[i] != 0;
    return true;
}

/* Backwards, so that a whole dead chain goes in one sweep, and what speaks of a size comes before
 * the op that makes it. */
static void sweep(struct symbols *s, nnc_block body)
{
    nnc_module *m = s->cx->m;
    nnc_op prev;
    for (nnc_op op = nnc_block_last(m, body); op.id; op = prev) {
        bool used = !nnc_op_has(m, op, NNC_PURE);
        prev = nnc_op_prev(m, op);
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            used |= nnc_value_nuse(m, nnc_op_out(m, op, i)) != 0;
        if (!used && nnc_op_code(m, op) == NNC_OP_prefix)
            used = is_named(s, op);
        if (!used) {
            nnc_op_erase(m, op);
            continue;
        }
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            sweep(s, nnc_op_region(m, op, r));
        speak_op(s, op);
    }
}

void nnc_import_sweep(nnc_onnx_cx *cx, nnc_block body)
{
    struct symbols s = {cx, nnc_arena_alloc(cx->a, nnc_dim_nsymbol(cx->dims) + 1)};
    sweep(&s, body);
}
