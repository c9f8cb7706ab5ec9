/* Exported functions: a graph with the signature's symbols as run-time sizes, closed over its data as constants. */
#include "frontend/nn/export.h"
#include "frontend/nn/export_fn.h"
#include "frontend/nn/expr.h"
#include "frontend/nn/root.h"
#include "frontend/nn/types.h"
#include "ir/extract.h"
#include <string.h>

const char *nn_add_line(nn_trace *t, const char *all, const char *name)
{
    return *all ? nnc_arena_printf(t->arena, "%s\n%s", all, name) : name;
}

const char *nn_line_at(nn_trace *t, const char *all, uint32_t i)
{
    for (; i; i--)
        all += strcspn(all, "\n") + 1;
    return nnc_arena_printf(t->arena, "%.*s", (int)strcspn(all, "\n"), all);
}

static nnc_dim size_of(nn_trace *t, nn_exporting *x, const nn_ast *d)
{
    const nn_ast *e = nn_is(d, NN_bounded) ? nn_kid(d, 0) : d;
    int64_t hi = INT64_MAX;
    if (nn_is(d, NN_bounded))
        hi = nn_ask_int(t, nn_expr(t, nn_kid(d, 1)), nn_kid(d, 1), "a bound");
    if (!nn_is(e, NN_name))
        return nn_ask_dim(t, nn_expr(t, e), e, "a size");
    nn_decl *decl = nn_find_decl(t, x->d->unit, e->name, NULL);
    if (decl && nn_is(decl->node, NN_const_))
        return nn_ask_dim(t, nn_const_value(t, decl, e), e, "a size");
    uint32_t have = nnc_dim_nsymbol(t->m->dims);
    for (uint32_t i = 0; i < have; i++)
        if (nnc_dim_symbol_name(t->m->dims, i).id == e->name.id)
            return nnc_dim_symbol_at(t->m->dims, i); /* bound by an earlier argument */
    if (hi == INT64_MAX) {
        nn_error(t, d->loc, "the size '%s' of an exported function has no bound",
                 nn_sym(t, e->name));
        nnc_note(t->diag, d->loc,
                 "write %s <= 32, or a number: emitted code reserves memory for the largest",
                 nn_sym(t, e->name));
        nn_fail_silently(t);
    }
    return nnc_dim_symbol(t->m->dims, e->name, 1, hi);
}

nnc_value nn_export_add(nn_trace *t, nn_exporting *x, const char *name, nnc_type type)
{
    x->names = nn_add_line(t, x->names, name);
    x->n++;
    return nnc_block_add_arg(t->m, nnc_op_region(t->m, t->root, 0), type, name);
}

nn_v nn_export_argument(nn_trace *t, nn_exporting *x, const char *name, const nn_ast *type)
{
    const nn_ast *at = type;
    type = nn_alias(t, type);
    if (nn_is(type, NN_type_record)) {
        nnc_sym *field = nnc_arena_array(t->arena, type->nkid, sizeof *field);
        nn_v *item = nnc_arena_array(t->arena, type->nkid, sizeof *item);
        for (uint32_t i = 0; i < type->nkid; i++) {
            const nn_ast *k = type->kid[i];
            bool named = nn_is(k, NN_field_type);
            field[i] = named ? k->name : (nnc_sym){0};
            const char *sub = named ? nnc_arena_printf(t->arena, "%s.%s", name, nn_sym(t, k->name))
                                    : nnc_arena_printf(t->arena, "%s.%u", name, i);
            item[i] = nn_export_argument(t, x, sub, named ? nn_kid(k, 0) : k);
        }
        return nn_record(t, type->nkid, field, item);
    }
    const nn_ast *word = nn_is(type, NN_type_tensor) ? nn_kid(type, 0) : type;
    const char *s = nn_is(word, NN_type_name) ? nn_sym(t, word->name) : "fn";
    bool key = strcmp(s, "key") == 0;
    nnc_dtype dt = key                         ? NNC_DT_u32
                   : nn_is(word, NN_type_name) ? nn_named_dtype(t, word->name)
                                               : NNC_DT_none;
    if (!dt)
        nn_fail(t, at->loc, "an exported function takes tensors, not '%s'", s);
    nnc_dim dim[NNC_MAX_RANK];
    int rank = 0;
    const nn_ast *dims = nn_is(type, NN_type_tensor) ? nn_kid(type, 1) : NULL;
    for (uint32_t i = 0; dims && i < dims->nkid; i++) {
        if (nn_is(dims->kid[i], NN_rest))
            nn_fail(t, dims->kid[i]->loc,
                    "an exported function has a fixed number of axes; write them out");
        dim[rank++] = size_of(t, x, dims->kid[i]);
    }
    if (key)
        dim[rank++] = 2;
    nnc_value v = nn_export_add(t, x, name, nnc_type_tensor(t->m, dt, rank, dim));
    return key ? nn_key_value(t, v) : nn_tensor(t, v);
}

/* ---- arguments ---- */

nnc_type nn_leaf_type(nn_trace *t, nn_v x)
{
    nnc_dim dim[NNC_MAX_RANK];
    if (!x->host)
        return nnc_value_type(t->m, x->ssa);
    for (int i = 0; i < x->host->t.rank; i++)
        dim[i] = x->host->t.dim[i];
    return nnc_type_tensor(t->m, x->host->t.dtype, x->host->t.rank, dim);
}

nn_v nn_export_tree(nn_trace *t, nn_exporting *x, const char *name, nn_v like)
{
    nn_leaves leaf = {0};
    const char *names = "";
    nn_collect(t, like, &leaf);
    nn_export_names(t, like, name, "", &names);
    nn_v *item = nnc_arena_array(t->arena, leaf.n, sizeof *item);
    for (uint32_t i = 0; i < leaf.n; i++) {
        nnc_value v = nn_export_add(t, x, nn_line_at(t, names, i), nn_leaf_type(t, leaf.at[i]));
        item[i] = nn_like(t, leaf.at[i], v);
        item[i] = nn_with_labels(t, item[i], leaf.at[i]->label);
    }
    const nn_v *next = item;
    return nn_rebuild(t, like, &next);
}

nn_v nn_export_model(nn_trace *t, nn_exporting *x, const char *name, nn_v v, const nn_ast *at)
{
    if (v->kind == NN_V_record) {
        nn_v *item = nnc_arena_array(t->arena, v->n, sizeof *item);
        for (uint32_t i = 0; i < v->n; i++) {
            const char *f = v->name && v->name[i].id ? nn_sym(t, v->name[i])
                                                     : nnc_arena_printf(t->arena, "%u", i);
            item[i] =
                nn_export_model(t, x, nnc_arena_printf(t->arena, "%s.%s", name, f), v->item[i], at);
        }
        return nn_record(t, v->n, v->name, item);
    }
    if (v->kind != NN_V_model)
        return nn_thaw(t, v);
    static const char *const part[] = {"params", "state"};
    for (unsigned i = 0; i < 2; i++) {
        nnc_sym field = nn_name(t, part[i]);
        nn_v tree = nn_model_field(t, v, field, at->loc);
        v = nn_model_with_field(t, v, field, nn_export_tree(t, x, name, tree), at);
    }
    return v;
}

/* Defaults are evaluated in a graph of their own, since all arguments of the root come before its data. */
const nn_v *nn_export_defaults(nn_trace *t, nn_decl *d)
{
    const nn_ast *params = nn_kid(d->node, 1);
    nn_v *given = nnc_arena_array(t->arena, params->nkid + 1u, sizeof *given);
    for (uint32_t i = 0; i < params->nkid; i++) {
        const nn_ast *p = params->kid[i], *value = nn_kid_or_null(p, 1);
        if (!nn_kid_or_null(p, 0) && value)
            given[i] =
                nn_freeze_value(t, nn_expr(t, value), value, "the default of an exported argument");
    }
    return given;
}

nn_args nn_export_arguments(nn_trace *t, nn_exporting *x)
{
    const nn_ast *params = nn_kid(x->d->node, 1);
    nn_arg *a = nnc_arena_array(t->arena, params->nkid, sizeof *a);
    for (uint32_t i = 0; i < params->nkid; i++) {
        const nn_ast *p = params->kid[i], *type = nn_kid_or_null(p, 0);
        const char *name = nn_sym(t, p->name);
        if (!type && !x->given[i])
            nn_fail(t, p->loc,
                    "the arguments of an exported function have types; write '%s: f32[..]'", name);
        a[i].node = p;
        a[i].v = type ? nn_export_argument(t, x, name, type)
                      : nn_export_model(t, x, name, x->given[i], p);
    }
    return (nn_args){params->nkid, a};
}

/* ---- results ---- */

static bool has_line(const char *all, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = all; *p;
         p += p[strcspn(p, "\n")] ? strcspn(p, "\n") + 1 : strcspn(p, "\n"))
        if (strcspn(p, "\n") == n && !memcmp(p, name, n))
            return true;
    return false;
}

/* Results have names of their own: an argument's gets a suffix. */
void nn_export_names(nn_trace *t, nn_v v, const char *path, const char *arguments,
                     const char **names)
{
    if (nn_can_be_tensor(v)) {
        const char *name = *path ? path : "y";
        while (has_line(arguments, name))
            name = nnc_arena_printf(t->arena, "%s_out", name);
        *names = nn_add_line(t, *names, name);
        return;
    }
    for (uint32_t i = 0; nn_is_tree(v) && i < v->n; i++) {
        const char *f =
            v->name && v->name[i].id ? nn_sym(t, v->name[i]) : nnc_arena_printf(t->arena, "y%u", i);
        nn_export_names(t, v->item[i], *path ? nnc_arena_printf(t->arena, "%s.%s", path, f) : f,
                        arguments, names);
    }
}

static void yield_results(nn_trace *t, nn_exporting *x, nn_v v, const char **names)
{
    nn_leaves leaf = {0};
    v = nn_settle_tree(t, v);
    nn_collect(t, v, &leaf);
    if (!leaf.n)
        nn_fail(t, x->d->node->loc, "an exported function gives tensors, this gives %s",
                nn_type_text(t, v));
    *names = "";
    nn_export_names(t, v, "", x->names, names);
    nn_export_yield_state(t, x, &leaf, names);
    nn_root_end(t, leaf.n, leaf.at);
}

/* Contents of `data` become constants of the code. */
void nn_export_close_data(nn_trace *t, uint32_t own)
{
    nnc_module *m = t->m;
    nnc_block body = nnc_op_region(m, t->root, 0);
    nnc_builder b = nnc_builder_before(m, t->first_op);
    for (uint32_t i = t->input.n; i-- > 0;) {
        const nnc_tensor *x = &t->input.at[i]->t;
        nnc_dim dim[NNC_MAX_RANK];
        for (int k = 0; k < x->rank; k++)
            dim[k] = x->dim[k];
        nnc_value v = nnc_g_const(&b, nnc_type_tensor(m, x->dtype, x->rank, dim),
                                  nnc_blob_new(m, x->data, nnc_tensor_bytes(x), b.loc), 0);
        nnc_value_replace(m, nnc_block_arg(m, body, own + i), v);
        nnc_block_erase_arg(m, body, own + i);
    }
}

static void trace_function(nn_trace *t, nn_exporting *x)
{
    const char *results;
    nn_args args = nn_export_arguments(t, x);
    nn_export_add_state(t, x);
    t->first_input = x->n;
    nn_v v = nn_export_run(t, x, &args);
    t->b.pos = (nnc_pos){nnc_op_region(t->m, t->root, 0), {0}};
    yield_results(t, x, v, &results);
    nn_export_close_data(t, x->n);
    nnc_attr_set_int(t->m, t->root, NNC_W_entry, 1);
    nnc_attr_set_str(t->m, t->root, NNC_W_input, x->names);
    nnc_attr_set_str(t->m, t->root, NNC_W_output, results);
}

static void trace(nn_trace *t, nn_decl *d)
{
    nn_root_begin(t, nn_sym(t, d->name), d->node->loc);
    if (nn_is(d->node, NN_train)) {
        nn_export_step(t, d);
        return;
    }
    nn_exporting x = {.d = d, .names = "", .given = nn_export_defaults(t, d)};
    nn_export_find_state(t, &x);
    nnc_op_erase(t->m, t->root);
    nn_root_begin(t, nn_sym(t, d->name), d->node->loc);
    trace_function(t, &x);
}

nnc_status nn_root_export(nn_trace *t, nn_decl *d)
{
    nn_frame frame = {.unit = d->unit, .decl = d};
    nn_catch c;
    unsigned before = nnc_diag_errors(t->diag);
    t->frame = &frame;
    t->env = NULL;
    nn_env_push(t, NN_ENV_function);
    nn_try_enter(t, &c);
    if (setjmp(c.at) == 0) {
        trace(t, d);
        nn_try_leave(t, &c);
    } else {
        nn_try_failed(t, &c);
    }
    t->no_variables = false;
    t->first_input = 0;
    t->frame = NULL;
    t->env = NULL;
    return nnc_diag_errors(t->diag) > before ? NNC_ERR : NNC_OK;
}

static bool is_exported(const nn_ast *d)
{
    return d->exported && (nn_is(d, NN_fn) || nn_is(d, NN_train));
}

uint32_t nn_exports(const nn_unit *u, nn_decl **out, uint32_t most)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < u->decl.n; i++)
        if (is_exported(u->decl.at[i]->node)) {
            if (n < most)
                out[n] = u->decl.at[i];
            n++;
        }
    return n;
}

nnc_module *nn_export_module(nn_trace *t, nn_decl *d)
{
    return nn_root_export(t, d) == NNC_OK ? nnc_module_extract(t->m, t->root) : NULL;
}
