/* The verifier: first what keeps the container sound (links, uses, dominance, arity, terminators), then what ops mean:
 * at G the inferred types, at K the rules of verify_k.c.  An op whose links are wrong is not looked into further.
 *
 * Not proven here: that planned arena buffers do not overlap (the planner checks its own result against lifetimes that
 * only it knows: in-place results share memory by intent), and run-time bounds (the interpreter checks every address). */
#include "ir/infer.h"
#include "ir/infer_fn.h"
#include "ir/text.h"
#include "ir/verify_fn.h"
#include <string.h>

enum { MAX_ERRORS = 50 };

void nnc_verify_fail(nnc_verifier *v, nnc_op op, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(v->a, fmt, ap);
    va_end(ap);
    if (v->errors++ < MAX_ERRORS)
        nnc_error(v->m->diag, nnc_op_loc(v->m, op), "%s: %s",
                  op.id ? nnc_op_infos[nnc_op_code(v->m, op)].name : "module", text);
}

#define fail nnc_verify_fail

/* ---- values and uses ---- */

static bool valid_value(const nnc_module *m, nnc_value x)
{
    return x.id && x.id < m->value.n && m->value.at[x.id].kind != NNC_VALUE_none;
}

/* A use record of a living op at the place where its operands are? */
static bool valid_use(const nnc_module *m, uint32_t u)
{
    if (!u || u >= m->use.n)
        return false;
    const nnc_use_rec *r = &m->use.at[u];
    if (!r->user.id || r->user.id >= m->op.n)
        return false;
    const nnc_op_rec *op = &m->op.at[r->user.id];
    return op->code != NNC_OP_none && u >= op->in && u < op->in + op->nin;
}

/* The use's neighbours in the value's list point back at it. */
static bool linked(const nnc_module *m, uint32_t u)
{
    const nnc_use_rec *r = &m->use.at[u];
    if (r->prev ? !valid_use(m, r->prev) || m->use.at[r->prev].next != u
                : m->value.at[r->value.id].first_use != u)
        return false;
    return !r->next || (valid_use(m, r->next) && m->use.at[r->next].prev == u &&
                        m->use.at[r->next].value.id == r->value.id);
}

/* Is x defined before op, in its block or an enclosing one? */
static bool dominates(const nnc_module *m, nnc_value x, nnc_op op)
{
    const nnc_value_rec *r = nnc_value_get(m, x);
    bool result = r->kind == NNC_VALUE_result;
    nnc_op def = {result ? r->def : 0};
    if (result && (def.id >= m->op.n || nnc_op_code(m, def) == NNC_OP_none))
        return false;
    uint32_t home = result ? nnc_op_get(m, def)->block.id : r->def;
    for (nnc_op at = op; at.id; at = nnc_block_parent(m, nnc_op_get(m, at)->block))
        if (nnc_op_get(m, at)->block.id == home)
            return !result || (def.id != at.id && nnc_op_before(m, def, at));
    return false;
}

static const char *value_text(const nnc_module *m, nnc_value x)
{
    const char *name = nnc_value_name(m, x);
    return *name ? name : "an operand without a name";
}

static void check_level(nnc_verifier *v, nnc_op op, nnc_value x)
{
    const nnc_type_rec *t = nnc_value_ty(v->m, x);
    bool tensor = t->kind == NNC_TYPE_tensor;
    if (t->kind == NNC_TYPE_none || t->kind > NNC_TYPE_scalar)
        fail(v, op, "'%s' has no type", value_text(v->m, x));
    else if (tensor == v->kernel)
        fail(v, op, "'%s' has type %s, which does not belong in a %s", value_text(v->m, x),
             nnc_print_type(v->m, nnc_value_type(v->m, x)), v->kernel ? "kernel" : "graph");
}

static void check_operands(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    const nnc_op_rec r = *nnc_op_get(m, op);
    for (unsigned i = 0; i < r.nin; i++) {
        nnc_value x = nnc_op_in(m, op, i);
        if (m->use.at[r.in + i].user.id != op.id) {
            fail(v, op, "operand %u is a use of another operation", i);
            continue;
        }
        if (!valid_value(m, x)) {
            fail(v, op, "operand %u is no value", i);
            continue;
        }
        if (!linked(m, r.in + i))
            fail(v, op, "operand %u is not in the use list of '%s'", i, value_text(m, x));
        if (!nnc_value_is_const(m, x) && !dominates(m, x, op))
            fail(v, op, "operand %u, '%s', is not defined before its use", i, value_text(m, x));
        check_level(v, op, x);
    }
}

static void check_results(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    for (unsigned i = 0; i < nnc_op_nout(m, op); i++) {
        nnc_value x = nnc_op_out(m, op, i);
        const nnc_value_rec *r = x.id < m->value.n ? nnc_value_get(m, x) : NULL;
        if (!r || r->kind != NNC_VALUE_result || r->def != op.id || r->index != i)
            fail(v, op, "result %u does not belong to the operation", i);
        else
            check_level(v, op, x);
    }
}

/* ---- one op ---- */

static bool fits(int want, unsigned have)
{
    return want < 0 ? have >= (unsigned)(-want - 1) : have == (unsigned)want;
}

static void check_count(nnc_verifier *v, nnc_op op, const char *what, int want, unsigned have)
{
    if (!fits(want, have))
        fail(v, op, "has %u %s, needs %s%d", have, what, want < 0 ? "at least " : "",
             want < 0 ? -want - 1 : want);
}

/* Keys that mean the same in every op, and what they hold. */
static const struct {
    nnc_word key;
    nnc_attr_kind kind;
} attr_kinds[] = {
    {NNC_W_axis, NNC_ATTR_int},
    {NNC_W_axes, NNC_ATTR_ints},
    {NNC_W_keep, NNC_ATTR_int},
    {NNC_W_kind, NNC_ATTR_word},
    {NNC_W_perm, NNC_ATTR_ints},
    {NNC_W_start, NNC_ATTR_ints},
    {NNC_W_step, NNC_ATTR_ints},
    {NNC_W_lo, NNC_ATTR_ints},
    {NNC_W_hi, NNC_ATTR_ints},
    {NNC_W_batch_dims, NNC_ATTR_int},
    {NNC_W_reduction, NNC_ATTR_word},
    {NNC_W_stride, NNC_ATTR_ints},
    {NNC_W_dilation, NNC_ATTR_ints},
    {NNC_W_groups, NNC_ATTR_int},
    {NNC_W_lhs_dilation, NNC_ATTR_ints},
    {NNC_W_layout, NNC_ATTR_word},
    {NNC_W_batch_a, NNC_ATTR_ints},
    {NNC_W_batch_b, NNC_ATTR_ints},
    {NNC_W_k, NNC_ATTR_int},
    {NNC_W_contract_a, NNC_ATTR_ints},
    {NNC_W_contract_b, NNC_ATTR_ints},
    {NNC_W_blob, NNC_ATTR_int},
    {NNC_W_at, NNC_ATTR_int},
    {NNC_W_carried, NNC_ATTR_int},
    {NNC_W_trips, NNC_ATTR_int},
    {NNC_W_dim, NNC_ATTR_int},
    {NNC_W_entry, NNC_ATTR_int},
};

static void check_attrs(nnc_verifier *v, nnc_op op)
{
    const nnc_module *m = v->m;
    const nnc_op_rec r = *nnc_op_get(m, op);
    for (unsigned i = 0; i < r.nattr; i++) {
        const nnc_attr_rec *a = &m->attr.at[r.attr + i];
        if (a->kind == NNC_ATTR_ints && (uint64_t)a->u.ints.at + a->u.ints.n > m->ints.n)
            fail(v, op, "the integers of attribute '%s' are gone", nnc_sym_str(m, a->key));
        for (size_t k = 0; k < sizeof attr_kinds / sizeof attr_kinds[0]; k++)
            if (a->key.id == (uint32_t)attr_kinds[k].key && a->kind != attr_kinds[k].kind)
                fail(v, op, "attribute '%s' is of the wrong kind", nnc_sym_str(m, a->key));
    }
}

static void check_types(nnc_verifier *v, nnc_op op)
{
    nnc_module *m = v->m;
    unsigned n = nnc_op_nout(m, op);
    nnc_type few[8], *out = n > 8 ? nnc_arena_array(v->a, n, sizeof *out) : few;
    if (nnc_infer(m, op, out) != NNC_OK) {
        v->errors++;
        return;
    }
    for (unsigned i = 0; i < n; i++)
        if (!nnc_type_compatible(m, out[i], nnc_value_type(m, nnc_op_out(m, op, i))))
            fail(v, op, "result %u has type %s, should have %s", i,
                 nnc_print_type(m, nnc_value_type(m, nnc_op_out(m, op, i))),
                 nnc_print_type(m, out[i]));
}

static void check_block(nnc_verifier *v, nnc_block b, nnc_op parent);

static void check_op(nnc_verifier *v, nnc_op op)
{
    nnc_module *m = v->m;
    const nnc_op_info *info = &nnc_op_infos[nnc_op_code(m, op)];
    unsigned before = v->errors;
    if (!(info->levels & (v->kernel ? NNC_LEVEL_K : NNC_LEVEL_G))) {
        fail(v, op, "does not belong in a %s", v->kernel ? "kernel" : "graph");
        return;
    }
    check_count(v, op, "operands", info->nin, nnc_op_nin(m, op));
    check_count(v, op, "results", info->nout, nnc_op_nout(m, op));
    check_count(v, op, "regions", info->nregions, nnc_op_nregion(m, op));
    check_attrs(v, op);
    check_operands(v, op);
    check_results(v, op);
    bool sound = v->errors == before;
    for (unsigned i = 0; i < nnc_op_nregion(m, op); i++)
        check_block(v, nnc_op_region(m, op, i), op);
    if (!sound || v->errors != before)
        return; /* meaning is only asked of what is sound inside as well */
    if (v->kernel)
        nnc_verify_k(v, op);
    else
        check_types(v, op);
}

/* ---- blocks ---- */

static bool links_sound(nnc_verifier *v, nnc_block b, nnc_op parent)
{
    const nnc_module *m = v->m;
    nnc_op prev = {0};
    uint32_t order = 0;
    for (nnc_op op = nnc_block_first(m, b); op.id; prev = op, op = nnc_op_next(m, op)) {
        if (op.id >= m->op.n || nnc_op_code(m, op) == NNC_OP_none) {
            fail(v, parent, "a block lists an erased operation");
            return false;
        }
        const nnc_op_rec *r = nnc_op_get(m, op);
        if (r->block.id != b.id || r->prev.id != prev.id || (prev.id && r->order <= order)) {
            fail(v, op, "the links of its block are broken");
            return false;
        }
        order = r->order;
    }
    if (nnc_block_last(m, b).id == prev.id)
        return true;
    fail(v, parent, "the last operation of a block is not its last");
    return false;
}

static void check_block_args(nnc_verifier *v, nnc_block b, nnc_op parent)
{
    const nnc_module *m = v->m;
    for (unsigned i = 0; i < nnc_block_narg(m, b); i++) {
        nnc_value x = nnc_block_arg(m, b, i);
        const nnc_value_rec *r = x.id < m->value.n ? nnc_value_get(m, x) : NULL;
        if (!r || r->kind != NNC_VALUE_arg || r->def != b.id || r->index != i)
            fail(v, parent, "block argument %u does not belong to its block", i);
        else
            check_level(v, parent, x);
    }
}

static void check_block(nnc_verifier *v, nnc_block b, nnc_op parent)
{
    const nnc_module *m = v->m;
    if (nnc_block_parent(m, b).id != parent.id)
        fail(v, parent, "a region has another parent");
    if (!links_sound(v, b, parent))
        return;
    check_block_args(v, b, parent);
    nnc_op last = nnc_block_last(m, b);
    if (!v->kernel && !(last.id && nnc_op_has(m, last, NNC_TERMINATOR)))
        fail(v, parent, "a region does not end in yield");
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_has(m, op, NNC_TERMINATOR) && op.id != last.id)
            fail(v, op, "stands in the middle of a block");
        check_op(v, op);
    }
}

/* ---- functions and the module ---- */

static void check_func(nnc_verifier *v, nnc_op f)
{
    const nnc_module *m = v->m;
    nnc_opcode code = nnc_op_code(m, f);
    v->func = f;
    v->kernel = code == NNC_OP_kernel;
    if (code != NNC_OP_graph && code != NNC_OP_kernel) {
        fail(v, f, "stands outside of every function");
        return;
    }
    check_count(v, f, "regions", nnc_op_infos[code].nregions, nnc_op_nregion(m, f));
    check_attrs(v, f);
    if (!*nnc_func_name(m, f))
        fail(v, f, "has no name");
    for (unsigned i = 0; i < nnc_op_nregion(m, f); i++)
        check_block(v, nnc_op_region(m, f, i), f);
    nnc_op last = nnc_op_nregion(m, f) ? nnc_block_last(m, nnc_op_region(m, f, 0)) : (nnc_op){0};
    if (v->kernel && last.id && nnc_op_has(m, last, NNC_TERMINATOR) && nnc_op_nin(m, last))
        fail(v, last, "a kernel yields nothing");
}

static nnc_status finish(nnc_verifier *v)
{
    nnc_arena_free(v->a);
    return v->errors ? NNC_ERR : NNC_OK;
}

nnc_status nnc_verify_func(nnc_module *m, nnc_op func)
{
    nnc_verifier v = {.m = m, .a = nnc_arena_new()};
    check_func(&v, func);
    return finish(&v);
}

/* Interned once, rank within bounds. */
static void check_type_table(nnc_verifier *v)
{
    nnc_module *m = v->m;
    for (uint32_t i = 1, n = m->type.n; i < n; i++) {
        nnc_type_rec t = m->type.at[i];
        if (t.rank > NNC_MAX_RANK || t.dtype >= NNC_DT_COUNT || t.space >= NNC_SPACE_COUNT ||
            nnc_type_put(m, &t).id != i) {
            v->errors++;
            nnc_error(m->diag, (nnc_loc){0}, "type %u of the module is not canonical", i);
        }
    }
}

static void check_names(nnc_verifier *v)
{
    const nnc_module *m = v->m;
    nnc_intern *seen = nnc_intern_new(v->a);
    uint32_t count = 0;
    for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f)) {
        const char *name = nnc_func_name(m, f);
        if (*name && nnc_intern_put(seen, name, strlen(name)).id <= count)
            fail(v, f, "there is another function '%s'", name);
        else if (*name)
            count++;
    }
}

nnc_status nnc_verify(nnc_module *m)
{
    nnc_verifier v = {.m = m, .a = nnc_arena_new()};
    check_type_table(&v);
    if (links_sound(&v, m->top, (nnc_op){0})) {
        check_names(&v);
        for (nnc_op f = nnc_block_first(m, m->top); f.id; f = nnc_op_next(m, f))
            check_func(&v, f);
    }
    return finish(&v);
}
