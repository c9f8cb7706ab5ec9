/* Capture walks the body once; a map by value id says what a value from outside became.
 *
 * Extraction copies op by op.  Ids differ between modules, so symbols go by name, types and dimensions are interned
 * anew (an expression is rebuilt from its terms, symbols take their bounds along), and attributes that hold
 * dimensions are known by the same question that printer and reader ask. */
#include "ir/extract.h"
#include "ir/text_fn.h"
#include <string.h>

/* ---- capture ---- */

typedef struct closing {
    nnc_module *m;
    nnc_op graph;
    nnc_block body;
    nnc_value *map; /* by id of an outer value: what stands for it inside */
    uint32_t nmap;
    NNC_BUF(nnc_value) outer;
} closing;

static bool is_inside(const nnc_module *m, nnc_op graph, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(m, v);
    nnc_block b = {r->def};

    if (r->kind == NNC_VALUE_result)
        b = nnc_op_get(m, (nnc_op){r->def})->block;
    for (nnc_op p; b.id && b.id != m->top.id; b = nnc_op_get(m, p)->block)
        if ((p = nnc_block_parent(m, b)).id == graph.id)
            return true;
    return false;
}

static nnc_value stand_in(closing *c, nnc_value v)
{
    nnc_module *m = c->m;
    nnc_op def = nnc_value_op(m, v);

    if (c->map[v.id].id)
        return c->map[v.id];
    if (def.id && nnc_op_code(m, def) == NNC_OP_const) {
        nnc_op copy =
            nnc_op_clone(m, def, (nnc_pos){c->body, nnc_block_first(m, c->body)}, NULL, 0);
        return c->map[v.id] = nnc_op_out(m, copy, 0);
    }
    NNC_PUSH(m->arena, &c->outer, v);
    return c->map[v.id] = nnc_block_add_arg(m, c->body, nnc_value_type(m, v), nnc_value_name(m, v));
}

static void close_block(closing *c, nnc_block b)
{
    nnc_module *m = c->m;

    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
            nnc_value v = nnc_op_in(m, op, i);
            if (!nnc_value_is_const(m, v) && !is_inside(m, c->graph, v))
                nnc_op_set_in(m, op, i, stand_in(c, v));
        }
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            close_block(c, nnc_op_region(m, op, r));
    }
}

nnc_status nnc_graph_capture(nnc_module *m, nnc_op graph, nnc_captures *out)
{
    closing c = {.m = m, .graph = graph, .nmap = m->value.n};

    *out = (nnc_captures){0};
    if (nnc_op_code(m, graph) != NNC_OP_graph || nnc_op_nregion(m, graph) != 1)
        return nnc_error(m->diag, nnc_op_loc(m, graph), "only a graph can capture values");
    c.body = nnc_op_region(m, graph, 0);
    c.map = nnc_arena_array(m->arena, c.nmap, sizeof *c.map);
    close_block(&c, c.body);
    *out = (nnc_captures){c.outer.at, c.outer.n};
    return NNC_OK;
}

/* ---- extraction ---- */

typedef struct copying {
    nnc_module *from, *to;
    nnc_arena *a;     /* tables, freed at the end */
    nnc_value *value; /* by old id */
    nnc_dim *symbol;  /* by old index; 0: not copied yet */
    uint32_t *type, *blob;
    NNC_BUF(nnc_op) func; /* graphs to copy, and copied */
} copying;

static nnc_sym copy_sym(copying *c, nnc_sym s)
{
    return s.id < NNC_W_COUNT ? s : nnc_sym_put(c->to, nnc_sym_str(c->from, s));
}

static nnc_dim copy_dim(copying *c, nnc_dim d);

static nnc_dim copy_atom(copying *c, nnc_dim_atom a)
{
    const nnc_dims *t = c->from->dims;
    nnc_dims *to = c->to->dims;

    if (a.op == '$') {
        nnc_dim *known = &c->symbol[a.a], d = nnc_dim_symbol_at(t, (uint32_t)a.a);
        if (!*known)
            *known = nnc_dim_symbol(to, copy_sym(c, nnc_dim_symbol_name(t, (uint32_t)a.a)),
                                    nnc_dim_lo(t, d), nnc_dim_hi(t, d));
        return *known;
    }
    nnc_dim x = copy_dim(c, a.a), y = copy_dim(c, a.b);
    switch (a.op) {
    case '/': return nnc_dim_floordiv(to, x, y);
    case '%': return nnc_dim_mod(to, x, y);
    case '<': return nnc_dim_min(to, x, y);
    default: return nnc_dim_max(to, x, y);
    }
}

static nnc_dim copy_dim(copying *c, nnc_dim d)
{
    nnc_dims *to = c->to->dims;
    nnc_dim sum = 0;
    uint32_t n;

    if (nnc_dim_is_const(d))
        return d;
    (void)nnc_dim_terms(c->from->dims, d, &n);
    for (uint32_t i = 0; i < n; i++) {
        nnc_dim_term t = nnc_dim_terms(c->from->dims, d, &n)[i];
        nnc_dim product = nnc_dim_const(to, t.coef);
        for (uint32_t k = 0; k < t.natom; k++)
            product =
                nnc_dim_mul(to, product, copy_atom(c, nnc_dim_atom_get(c->from->dims, t.atom[k])));
        sum = nnc_dim_add(to, sum, product);
    }
    return sum;
}

static nnc_type copy_type(copying *c, nnc_type type)
{
    nnc_type_rec r = *nnc_type_get(c->from, type);

    if (!c->type[type.id]) {
        for (int d = 0; d < r.rank; d++)
            r.dim[d] = copy_dim(c, r.dim[d]);
        c->type[type.id] = nnc_type_put(c->to, &r).id;
    }
    return (nnc_type){c->type[type.id]};
}

static int64_t copy_blob(copying *c, int64_t id)
{
    if (id <= 0 || id >= (int64_t)c->from->blob.n)
        return id;
    if (!c->blob[id]) {
        nnc_blob_rec b = c->from->blob.at[id];
        c->blob[id] = nnc_blob_new(c->to, b.base, b.bytes, b.loc).id;
    }
    return c->blob[id];
}

static void copy_attr(copying *c, nnc_op op, nnc_opcode code, nnc_attr_rec a)
{
    bool dims = nnc_text_is_dim_key(code, a.key);

    a.key = copy_sym(c, a.key);
    switch (a.kind) {
    case NNC_ATTR_int:
        a.u.i = dims                                             ? copy_dim(c, a.u.i)
                : code == NNC_OP_const && a.key.id == NNC_W_blob ? copy_blob(c, a.u.i)
                                                                 : a.u.i;
        break;
    case NNC_ATTR_word:
    case NNC_ATTR_string: a.u.s = copy_sym(c, a.u.s); break;
    case NNC_ATTR_type: a.u.t = copy_type(c, a.u.t); break;
    case NNC_ATTR_ints: {
        uint32_t at = c->to->ints.n;
        for (uint32_t i = 0; i < a.u.ints.n; i++) {
            int64_t v = c->from->ints.at[a.u.ints.at + i];
            v = dims ? copy_dim(c, v) : v;
            NNC_PUSH(c->to->arena, &c->to->ints, v);
        }
        a.u.ints.at = at;
        break;
    }
    default: break;
    }
    nnc_attr_set(c->to, op, a);
}

static void need_func(copying *c, nnc_op func)
{
    for (uint32_t i = 0; i < c->func.n; i++)
        if (c->func.at[i].id == func.id)
            return;
    NNC_PUSH(c->a, &c->func, func);
}

static nnc_status copy_value(copying *c, nnc_op user, nnc_value v, nnc_value *out)
{
    nnc_module *m = c->from;

    if (nnc_value_is_const(m, v))
        c->value[v.id] =
            nnc_const_bits(c->to, copy_type(c, nnc_value_type(m, v)), nnc_value_get(m, v)->bits);
    if (!c->value[v.id].id)
        return nnc_error(m->diag, nnc_op_loc(m, user),
                         "'%s' is a value from outside of the graph: it has to be captured first",
                         nnc_value_name(m, v));
    *out = c->value[v.id];
    return NNC_OK;
}

static nnc_status copy_block(copying *c, nnc_block from, nnc_block to);

static nnc_status copy_op(copying *c, nnc_op op, nnc_block to)
{
    nnc_module *m = c->from;
    nnc_op_rec r = *nnc_op_get(m, op);
    nnc_value *in = nnc_arena_array(c->a, r.nin + 1u, sizeof *in);
    nnc_type *out = nnc_arena_array(c->a, r.nout + 1u, sizeof *out);
    nnc_op copy, callee;

    for (unsigned i = 0; i < r.nin; i++)
        NNC_TRY(copy_value(c, op, nnc_op_in(m, op, i), &in[i]));
    for (unsigned i = 0; i < r.nout; i++)
        out[i] = copy_type(c, nnc_value_type(m, nnc_op_out(m, op, i)));
    copy = nnc_op_new(c->to, (nnc_pos){to, {0}}, (nnc_opcode)r.code, r.nin, in, r.nout, out, r.loc);
    for (unsigned i = 0; i < r.nattr; i++)
        copy_attr(c, copy, (nnc_opcode)r.code, m->attr.at[r.attr + i]);
    for (unsigned i = 0; i < r.nout; i++) {
        nnc_value v = nnc_op_out(m, op, i);
        c->value[v.id] = nnc_op_out(c->to, copy, i);
        nnc_value_set_name(c->to, c->value[v.id], nnc_value_name(m, v));
    }
    if (r.code == NNC_OP_call &&
        (callee = nnc_func_find(m, nnc_attr_str(m, op, NNC_W_callee, ""))).id)
        need_func(c, callee);
    for (unsigned i = 0; i < r.nregion; i++)
        NNC_TRY(copy_block(c, nnc_op_region(m, op, i), nnc_op_add_region(c->to, copy)));
    return NNC_OK;
}

static nnc_status copy_block(copying *c, nnc_block from, nnc_block to)
{
    nnc_module *m = c->from;

    for (unsigned i = 0; i < nnc_block_narg(m, from); i++) {
        nnc_value v = nnc_block_arg(m, from, i);
        c->value[v.id] =
            nnc_block_add_arg(c->to, to, copy_type(c, nnc_value_type(m, v)), nnc_value_name(m, v));
    }
    for (nnc_op op = nnc_block_first(m, from); op.id; op = nnc_op_next(m, op))
        NNC_TRY(copy_op(c, op, to));
    return NNC_OK;
}

static nnc_status copy_all(copying *c)
{
    for (uint32_t i = 0; i < c->func.n; i++) { /* grows by what is called */
        NNC_TRY(copy_op(c, c->func.at[i], c->to->top));
        nnc_op made = nnc_block_last(c->to, c->to->top);
        nnc_attr_remove(c->to, made, NNC_W_entry);
        if (i == 0)
            nnc_attr_set_int(c->to, made, NNC_W_entry, 1);
    }
    return NNC_OK;
}

nnc_module *nnc_module_extract(nnc_module *m, nnc_op graph)
{
    copying c = {.from = m, .to = nnc_module_new(m->arena, m->diag), .a = nnc_arena_new()};
    nnc_status status;

    c.value = nnc_arena_array(c.a, m->value.n, sizeof *c.value);
    c.symbol = nnc_arena_array(c.a, nnc_dim_nsymbol(m->dims) + 1u, sizeof *c.symbol);
    c.type = nnc_arena_array(c.a, m->type.n, sizeof *c.type);
    c.blob = nnc_arena_array(c.a, m->blob.n, sizeof *c.blob);
    need_func(&c, graph);
    status = copy_all(&c);
    nnc_arena_free(c.a);
    return status == NNC_OK ? c.to : NULL;
}
