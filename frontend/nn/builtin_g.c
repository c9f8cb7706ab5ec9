/* g.op[attributes](operands): the pure ops of the tensor level as they are, for programs written by tools.
 *
 * Attributes come by name: texts are words, numbers and sizes as they are; `dtype` and `shape` give the result's type to
 * ops whose operands do not (reshape, broadcast, slice, iota, cast, dot ..).  Types are checked by the inference of the
 * op table, whose messages point at the call.  Ops with several results give a tuple. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/number.h"
#include "ir/build_fn.h"
#include "ir/infer.h"
#include <string.h>

nn_v nn_c_g(nn_trace *t)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = NN_V_unit;
    return v;
}

static bool is_open(nnc_opcode code)
{
    const nnc_op_info *i = &nnc_op_infos[code];
    return code && (i->levels & NNC_LEVEL_G) && (i->traits & NNC_PURE) && i->nregions == 0 &&
           i->nout != 0 && code != NNC_OP_const;
}

static nn_v call_g(nn_trace *t, const nn_bcall *c);

nn_v nn_g_op(nn_trace *t, const nn_ast *field)
{
    const char *name = nn_sym(t, field->name);
    nnc_opcode code = nnc_opcode_by_name(name, strlen(name));
    if (!is_open(code))
        nn_fail(t, field->name_loc,
                "there is no pure op '%s' at the tensor level (nnc ops lists "
                "them)",
                name);
    nn_builtin *b = nnc_arena_alloc(t->arena, sizeof *b);
    b->name = name;
    b->statics = "..attributes";
    b->args = nnc_op_infos[code].nin == 0 ? "" : "..x";
    b->fn = call_g;
    b->doc = nnc_op_infos[code].doc;
    return nn_builtin_value(t, b);
}

/* ---- operands ---- */

/* Weak numbers take the dtype of the first operand that has one, in elementwise ops; elsewhere integers are i64. */
static nn_v settle_for(nn_trace *t, nn_v x, nn_v first, bool elementwise)
{
    if (!x->weak)
        return x;
    bool is_float = nnc_dtype_is_float(nn_dtype(t, x));
    if (first && (elementwise || (is_float && nnc_dtype_is_float(nn_dtype(t, first)))))
        return nn_convert(t, x, nn_dtype(t, first));
    return is_float ? nn_settle(t, x) : nn_convert(t, x, NNC_DT_i64);
}

static nnc_value *read_operands(nn_trace *t, const nn_bcall *c, nnc_opcode code)
{
    uint32_t n = c->args->n;
    int want = nnc_op_infos[code].nin;
    if (want >= 0 ? n != (uint32_t)want : n < (uint32_t)(-want - 1))
        nn_fail(t, c->at->loc, "g.%s takes %s%d operand%s, these are %u", c->self->name,
                want < 0 ? "at least " : "", want < 0 ? -want - 1 : want, want == 1 ? "" : "s", n);
    nnc_value *in = nnc_arena_array(t->arena, n + 1u, sizeof *in);
    nn_v *x = nnc_arena_array(t->arena, n + 1u, sizeof *x), first = NULL;
    for (uint32_t i = 0; i < n; i++) {
        const nn_arg *a = &c->args->at[i];
        if (a->name.id)
            nn_fail(t, a->node->loc, "attributes of g.%s stand in brackets", c->self->name);
        x[i] = nn_as_tensor(t, a->v, a->node);
        if (!x[i]->weak && nn_dtype(t, x[i]) != NNC_DT_bool && !first)
            first = x[i];
    }
    for (uint32_t i = 0; i < n; i++)
        in[i] = settle_for(t, x[i], first, (nnc_op_infos[code].traits & NNC_ELEMENTWISE) != 0)->ssa;
    return in;
}

/* ---- attributes ---- */

static bool holds_dims(const char *key, nnc_opcode code)
{
    static const char *const keys[] = {"start", "lo", "hi", "size", "k", "trips", "dim"};
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!strcmp(key, keys[i]))
            return code != NNC_OP_conv;
    return false;
}

static int64_t number(nn_trace *t, nn_v v, const nn_ast *at, bool dims)
{
    int64_t i;
    if (v->has_dim && !nnc_dim_value(t->m->dims, v->dim, &i))
        return v->dim;
    i = nn_ask_int(t, v, at, "an attribute");
    return dims ? nnc_dim_const(t->m->dims, i) : i;
}

static void set_attribute(nn_trace *t, nnc_op op, const nn_arg *a)
{
    const char *key = nn_sym(t, a->name);
    nnc_attr_rec r = {.key = nnc_sym_put(t->m, key)};
    nn_v v = a->v;
    bool dims = holds_dims(key, nnc_op_code(t->m, op));
    if (v->kind == NN_V_text) {
        r.kind = !strcmp(key, "message") ? NNC_ATTR_string : NNC_ATTR_word;
        r.u.s = nnc_sym_put(t->m, v->text);
    } else if (v->kind == NN_V_list || v->kind == NN_V_record) {
        int64_t *x = nnc_arena_array(t->arena, v->n + 1u, sizeof *x);
        for (uint32_t i = 0; i < v->n; i++)
            x[i] = number(t, v->item[i], a->node, dims);
        nnc_word word = NNC_W_none0;
        for (unsigned w = 1; w < NNC_W_COUNT; w++)
            if (r.key.id == w)
                word = (nnc_word)w;
        if (!word)
            nn_fail(t, a->node->loc, "'%s' is no attribute of any op", key);
        nnc_attr_set_ints(t->m, op, word, v->n, x);
        return;
    } else {
        nn_v x = nn_as_tensor(t, v, a->node);
        bool is_float = nn_rank(t, x) == 0 && nnc_dtype_is_float(nn_dtype(t, x));
        r.kind = is_float ? NNC_ATTR_float : NNC_ATTR_int;
        if (is_float)
            r.u.f = nn_ask_float(t, x, a->node, "an attribute");
        else
            r.u.i = number(t, x, a->node, dims);
    }
    nnc_attr_set(t->m, op, r);
}

/* The result type that dtype = and shape = ask for. */
static nnc_type guess_of(nn_trace *t, const nn_bcall *c, unsigned n, const nnc_value *in)
{
    nnc_type_rec r = {.dtype = NNC_DT_f32};
    if (n)
        r = *nnc_value_ty(t->m, in[0]);
    for (uint32_t i = 0; i < c->statics->n; i++) {
        const nn_arg *a = &c->statics->at[i];
        const char *key = nn_sym(t, a->name);
        if (!strcmp(key, "dtype")) {
            if (a->v->kind != NN_V_dtype)
                nn_fail(t, a->node->loc, "dtype = must be a dtype, this is %s",
                        nn_type_text(t, a->v));
            r.dtype = (uint8_t)a->v->dtype;
        } else if (!strcmp(key, "shape")) {
            r.rank = (uint8_t)nn_dims_of(t, 1, a, r.dim);
        }
    }
    return nnc_type_tensor(t->m, (nnc_dtype)r.dtype, r.rank, r.dim);
}

static nn_v call_g(nn_trace *t, const nn_bcall *c)
{
    nnc_opcode code = nnc_opcode_by_name(c->self->name, strlen(c->self->name));
    unsigned n = c->args->n, nout = (unsigned)nnc_op_infos[code].nout;
    nnc_value *in = read_operands(t, c, code);
    if (nnc_op_infos[code].nout < 0)
        nout = n;
    nnc_op op = nnc_build_start(&t->b, code, n, in, nout, guess_of(t, c, n, in));
    for (uint32_t i = 0; i < c->statics->n; i++) {
        const nn_arg *a = &c->statics->at[i];
        if (!a->name.id)
            nn_fail(t, a->node->loc, "attributes of g.%s are named: axis = 0", c->self->name);
        if (strcmp(nn_sym(t, a->name), "dtype") && strcmp(nn_sym(t, a->name), "shape"))
            set_attribute(t, op, a);
    }
    nnc_type *type = nnc_arena_array(t->arena, nout + 1u, sizeof *type);
    if (nnc_infer(t->m, op, type) != NNC_OK)
        nn_fail_silently(t);
    nn_v *out = nnc_arena_array(t->arena, nout + 1u, sizeof *out);
    for (unsigned i = 0; i < nout; i++) {
        nnc_value_set_type(t->m, nnc_op_out(t->m, op, i), type[i]);
        out[i] = nn_tensor(t, nnc_op_out(t->m, op, i));
    }
    return nout == 1 ? out[0] : nn_record(t, nout, NULL, out);
}
