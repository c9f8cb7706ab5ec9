/* Values known at compile time, and asking for them.
 *
 * A value is known when everything it was computed from is: constants through pure ops.  Asking takes the backward
 * slice of the value, clones it into a graph of its own and hands that to the interpreter; there is no second evaluator.
 * Contents of `data` count only when asked for.  Each value is evaluated once. */
#include "frontend/nn/known.h"
#include "ir/eval.h"
#include <math.h>
#include <string.h>

enum { UNSEEN, UNKNOWN, KNOWN, KNOWN_DATA };

static uint8_t *mark(nn_trace *t, nnc_value v)
{
    if (t->known.n <= v.id) {
        NNC_RESERVE(t->arena, &t->known, t->m->value.n + 64);
        t->known.n = t->known.cap;
    }
    return &t->known.at[v.id];
}

static uint8_t worse(uint8_t a, uint8_t b)
{
    return a == UNKNOWN || b == UNKNOWN ? UNKNOWN : a > b ? a : b;
}

static uint8_t state_of(nn_trace *t, nnc_value v);

/* Values that the regions of an op take from outside. */
static uint8_t region_state(nn_trace *t, nnc_block body, nnc_op top)
{
    uint8_t s = KNOWN;
    for (nnc_op op = nnc_block_first(t->m, body); op.id && s != UNKNOWN;
         op = nnc_op_next(t->m, op)) {
        nnc_opcode code = nnc_op_code(t->m, op);
        if (code == NNC_OP_host || code == NNC_OP_check)
            return UNKNOWN;
        for (unsigned i = 0; i < nnc_op_nin(t->m, op); i++)
            if (!nn_inside(t, nnc_op_in(t->m, op, i), top))
                s = worse(s, state_of(t, nnc_op_in(t->m, op, i)));
        for (unsigned r = 0; r < nnc_op_nregion(t->m, op); r++)
            s = worse(s, region_state(t, nnc_op_region(t->m, op, r), top));
    }
    return s;
}

bool nn_inside(const nn_trace *t, nnc_value v, nnc_op top)
{
    const nnc_value_rec *r = nnc_value_get(t->m, v);
    nnc_block b = {0};
    if (r->kind == NNC_VALUE_result)
        b = nnc_op_get(t->m, (nnc_op){r->def})->block;
    else if (r->kind == NNC_VALUE_arg)
        b = (nnc_block){r->def};
    while (b.id) {
        nnc_op p = nnc_block_parent(t->m, b);
        if (p.id == top.id)
            return true;
        if (!p.id)
            return false;
        b = nnc_op_get(t->m, p)->block;
    }
    return false;
}

static bool may_be_known(const nn_trace *t, nnc_op op)
{
    nnc_opcode code = nnc_op_code(t->m, op);
    return nnc_op_has(t->m, op, NNC_PURE) || code == NNC_OP_if || code == NNC_OP_while;
}

static uint8_t op_state(nn_trace *t, nnc_op op)
{
    if (!may_be_known(t, op) || nnc_op_code(t->m, op) == NNC_OP_extent)
        return UNKNOWN;
    uint8_t s = KNOWN;
    for (unsigned i = 0; i < nnc_op_nin(t->m, op) && s != UNKNOWN; i++)
        s = worse(s, state_of(t, nnc_op_in(t->m, op, i)));
    for (unsigned r = 0; r < nnc_op_nregion(t->m, op) && s != UNKNOWN; r++)
        s = worse(s, region_state(t, nnc_op_region(t->m, op, r), op));
    return s;
}

static uint8_t state_of(nn_trace *t, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(t->m, v);
    if (r->kind == NNC_VALUE_const)
        return KNOWN;
    if (r->kind == NNC_VALUE_arg)
        return nn_input_of(t, v) ? KNOWN_DATA : UNKNOWN;
    if (*mark(t, v) == UNSEEN) {
        uint8_t s = op_state(t, (nnc_op){r->def});
        *mark(t, v) = s;
    }
    return *mark(t, v);
}

const nn_host_tensor *nn_input_of(const nn_trace *t, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(t->m, v);
    if (r->kind != NNC_VALUE_arg || !t->root.id)
        return NULL;
    nnc_block body = nnc_op_region(t->m, t->root, 0);
    if (r->def != body.id || r->index < t->first_input || r->index - t->first_input >= t->input.n)
        return NULL;
    return t->input.at[r->index - t->first_input];
}

bool nn_known(nn_trace *t, nn_v v)
{
    if (v->kind == NN_V_tensor)
        return v->host || state_of(t, v->ssa) == KNOWN;
    if (v->kind == NN_V_range)
        return nn_known(t, v->item[0]) && nn_known(t, v->item[1]) &&
               (!v->item[2] || nn_known(t, v->item[2]));
    for (uint32_t i = 0; nn_is_tree(v) && i < v->n; i++)
        if (!nn_known(t, v->item[i]))
            return false;
    return true;
}

/* ---- evaluation ---- */

typedef struct slice {
    nn_trace *t;
    nnc_builder b;
    nnc_value *map; /* old value -> its clone */
    uint32_t n;
} slice;

static void need(slice *s, nnc_value v);

static void need_region(slice *s, nnc_block body, nnc_op top)
{
    nnc_module *m = s->t->m;
    for (nnc_op op = nnc_block_first(m, body); op.id; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
            if (!nn_inside(s->t, nnc_op_in(m, op, i), top))
                need(s, nnc_op_in(m, op, i));
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            need_region(s, nnc_op_region(m, op, r), top);
    }
}

static nnc_value const_of(slice *s, const nnc_tensor *x)
{
    nnc_dim dim[NNC_MAX_RANK];
    for (int i = 0; i < x->rank; i++)
        dim[i] = x->dim[i];
    nnc_module *m = s->t->m;
    return nnc_g_const(&s->b, nnc_type_tensor(m, x->dtype, x->rank, dim),
                       nnc_blob_new(m, x->data, nnc_tensor_bytes(x), s->b.loc), 0);
}

static void need(slice *s, nnc_value v)
{
    nnc_module *m = s->t->m;
    if (nnc_value_is_const(m, v) || s->map[v.id].id)
        return;
    const nn_host_tensor *h = nn_input_of(s->t, v);
    const nnc_tensor *old = h ? &h->t : nn_evaluated(s->t, v);
    if (old) {
        s->map[v.id] = const_of(s, old);
        return;
    }
    nnc_op op = nnc_value_op(m, v);
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        need(s, nnc_op_in(m, op, i));
    for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
        need_region(s, nnc_op_region(m, op, r), op);
    nnc_op_clone(m, op, s->b.pos, s->map, s->n);
    nnc_op copy = nnc_block_last(m, s->b.pos.block);
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
        s->map[nnc_op_out(m, op, i).id] = nnc_op_out(m, copy, i);
}

const nnc_tensor *nn_evaluated(const nn_trace *t, nnc_value v)
{
    return v.id < t->value_of.n ? t->value_of.at[v.id] : NULL;
}

static void remember(nn_trace *t, nnc_value v, const nnc_tensor *x)
{
    if (t->value_of.n <= v.id) {
        NNC_RESERVE(t->arena, &t->value_of, t->m->value.n + 64);
        t->value_of.n = t->value_of.cap;
    }
    t->value_of.at[v.id] = x;
}

static const nnc_tensor *evaluate(nn_trace *t, nnc_value v, const nn_ast *at)
{
    const nnc_tensor *old = nn_evaluated(t, v);
    if (old)
        return old;
    nnc_tensor *out = nnc_arena_alloc(t->arena, sizeof *out);
    if (nnc_value_is_const(t->m, v) && nnc_tensor_of(t->m, v, out))
        return out;
    /* An evaluation walks over all values: many of them, late in a long program, would take for ever. */
    uint64_t cost = 1 + t->m->value.n / 100;
    if (t->steps < cost)
        nn_exhausted(t, at->loc, "too much is computed at compile time; use run-time values");
    t->steps -= cost;
    nnc_op graph = nnc_build_func(t->m, NNC_OP_graph, "known", false, t->b.loc);
    slice s = {t, nnc_builder_at_end(t->m, nnc_op_region(t->m, graph, 0)), NULL, t->m->value.n};
    s.b.numbering = NULL;
    nnc_arena *scratch = nnc_arena_new();
    s.map = nnc_arena_array(scratch, s.n, sizeof *s.map);
    need(&s, v);
    nnc_build_yield(&s.b, 1, &s.map[v.id]);
    nnc_status st = t->derive ? t->derive(t->m, graph) : NNC_OK;
    if (st == NNC_OK)
        st = nnc_interp_graph_bounded(t->m, graph, scratch, 0, NULL, 1, out, t->most_operations);
    nnc_op_erase(t->m, graph);
    if (st == NNC_OK)
        out->data = nnc_arena_copy(t->arena, out->data, nnc_tensor_bytes(out));
    nnc_arena_free(scratch);
    if (st != NNC_OK) {
        nnc_note(t->diag, at->loc, "while this was computed at compile time");
        nn_fail_silently(t);
    }
    remember(t, v, out);
    return out;
}

/* ---- asking ---- */

_Noreturn static void refuse(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    const nn_ast *n = nn_is(at, NN_named) ? nn_kid(at, 0) : at;
    if (nn_is(n, NN_name))
        nn_error(t, n->loc, "'%s' is a run-time value, but %s must be known at compile time",
                 nn_sym(t, n->name), what);
    else
        nn_error(t, n->loc, "this is a run-time value, but %s must be known at compile time", what);
    nn_slot *s = nn_is(n, NN_name) ? nn_lookup(t, n->name) : NULL;
    if (s && s->made)
        nnc_note(t->diag, s->where, "'%s' is bound here", nn_sym(t, n->name));
    (void)v;
    nn_fail_silently(t);
}

nnc_tensor nn_ask_tensor(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    if (v->kind == NN_V_tensor && v->host)
        return v->host->t;
    v = nn_as_tensor(t, v, at);
    if (state_of(t, v->ssa) == UNKNOWN)
        refuse(t, v, at, what);
    return *evaluate(t, v->ssa, at);
}

static nnc_num ask_scalar(nn_trace *t, nn_v v, const nn_ast *at, const char *what, nnc_dtype *dt)
{
    if (!nn_can_be_tensor(v))
        nn_fail(t, at->loc, "%s must be a number, this is %s", what, nn_type_text(t, v));
    nnc_tensor x = nn_ask_tensor(t, v, at, what);
    if (nnc_tensor_count(&x) != 1 || x.rank != 0)
        nn_fail(t, at->loc, "%s must be one number, this is %s", what, nn_type_text(t, v));
    *dt = x.dtype;
    return nnc_num_load(x.dtype, x.data);
}

int64_t nn_ask_int(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    nnc_dtype dt;
    nnc_num n = ask_scalar(t, v, at, what, &dt);
    if (!nnc_dtype_is_float(dt))
        return n.i;
    if (!(fabs(n.f) < 9e18) || n.f != (double)(int64_t)n.f)
        nn_fail(t, at->loc, "%s must be an integer, this is %g", what, n.f);
    return (int64_t)n.f;
}

double nn_ask_float(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    nnc_dtype dt;
    nnc_num n = ask_scalar(t, v, at, what, &dt);
    return nnc_dtype_is_float(dt) ? n.f : (double)n.i;
}

bool nn_ask_bool(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    nnc_dtype dt;
    nnc_num n = ask_scalar(t, v, at, what, &dt);
    if (dt != NNC_DT_bool)
        nn_fail(t, at->loc, "%s must be true or false, this is %s", what, nn_type_text(t, v));
    return n.i != 0;
}

const char *nn_ask_text(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    if (v->kind != NN_V_text)
        nn_fail(t, at->loc, "%s must be a text, this is %s", what, nn_type_text(t, v));
    return v->text;
}

nnc_dim nn_ask_dim(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    int64_t lo;
    nnc_dim d = v->has_dim ? v->dim : nnc_dim_const(t->m->dims, nn_ask_int(t, v, at, what));
    if (nnc_dim_value(t->m->dims, d, &lo) && lo < 0)
        nn_fail(t, at->loc, "%s is %lld, which is negative", what, (long long)lo);
    return d;
}

bool nn_peek_int(nn_trace *t, nn_v v, int64_t *out)
{
    if (v->kind == NN_V_tensor && v->has_dim)
        return nnc_dim_value(t->m->dims, v->dim, out);
    return v->kind == NN_V_tensor && v->ssa.id && nnc_value_is_const(t->m, v->ssa) &&
           !nnc_dtype_is_float(nn_dtype(t, v)) && nnc_value_idx(t->m, v->ssa, out);
}

typedef struct freezing {
    const nn_ast *at;
    const char *what;
} freezing;

static nn_v freeze_leaf(nn_trace *t, nn_v x, void *user)
{
    freezing *f = user;
    if (x->host || nnc_value_is_const(t->m, x->ssa))
        return x;
    nnc_tensor v = nn_ask_tensor(t, x, f->at, f->what);
    nn_val *r = nnc_arena_copy(t->arena, x, sizeof *x);
    if (v.rank == 0) {
        uint64_t bits = 0;
        memcpy(&bits, v.data, nnc_dtype_bytes(v.dtype));
        r->ssa = nnc_const_bits(t->m, nnc_type_tensor(t->m, v.dtype, 0, NULL), bits);
        int64_t i;
        r->has_dim = !nnc_dtype_is_float(v.dtype) && nnc_value_idx(t->m, r->ssa, &i);
        if (r->has_dim)
            r->dim = nnc_dim_const(t->m->dims, i);
        return r;
    }
    r->host = nn_host_value(t, &v, NULL, false)->host;
    r->ssa = (nnc_value){0};
    return r;
}

nn_v nn_freeze_value(nn_trace *t, nn_v v, const nn_ast *at, const char *what)
{
    freezing f = {at, what};
    if (v->kind == NN_V_list && v->numeric)
        return v;
    if (v->kind == NN_V_range && nn_known(t, v))
        return v;
    return nn_map(t, v, freeze_leaf, &f);
}
