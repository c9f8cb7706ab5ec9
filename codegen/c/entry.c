/* net_run, or what the entry calls itself: checks of the arguments, local names for the caller's memory, then the entry kernel's own statements. */
#include "codegen/c/c.h"

static bool is_used(const c_cgen *g, const c_field *x)
{
    return nnc_value_get(g->m, x->arg)->first_use != 0;
}

static uint64_t field_bytes(const c_cgen *g, const c_field *x)
{
    return (uint64_t)nnc_type_bytes(g->m, nnc_value_type(g->m, x->arg));
}

static const char *structure(const c_field *x)
{
    if (x->role == C_STATE)
        return "state";
    return x->role == C_INPUT || x->role == C_SYMBOL ? "inputs" : "outputs";
}

static void check_pointers(c_cgen *g, nnc_out *o)
{
    nnc_out_line(o, "if (!inputs || !outputs%s)", g->state ? " || !state" : "");
    nnc_out_line(o, "    return %s_ERR_ARGUMENT;", g->upper);
    if (g->host) {
        nnc_out_line(o, "if (!inputs->host || !inputs->host->call)");
        nnc_out_line(o, "    return %s_ERR_ARGUMENT;", g->upper);
    }
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        if (x->role == C_SYMBOL || x->role == C_STATE ||
            (x->role != C_SYMBOL_OUT && !field_bytes(g, x)))
            continue; /* no memory is needed for no elements */
        nnc_out_line(o, "if (!%s->%s)", structure(x), x->field);
        nnc_out_line(o, "    return %s_ERR_ARGUMENT;", g->upper);
    }
    if (!g->face.workspace) {
        nnc_out_line(o, "(void)workspace;");
        return;
    }
    nnc_out_line(o, "if (!workspace || (uintptr_t)workspace %% %s_WORKSPACE_ALIGN != 0)", g->upper);
    nnc_out_line(o, "    return %s_ERR_ARGUMENT;", g->upper);
}

static void check_sizes(c_cgen *g, nnc_out *o)
{
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        if (x->role != C_SYMBOL)
            continue;
        if (x->lo > 0)
            nnc_out_line(o, "if (inputs->%s < %lld || inputs->%s > %lld)", x->field,
                         (long long)x->lo, x->field, (long long)x->hi);
        else
            nnc_out_line(o, "if (inputs->%s > %lld)", x->field, (long long)x->hi);
        nnc_out_line(o, "    return %s_ERR_SHAPE;", g->upper);
    }
}

static void check_weights(c_cgen *g, nnc_out *o)
{
    if (!g->face.weights_in_file)
        return;
    fprintf(o->f, "#ifdef %s_WEIGHTS_SYMBOL\n", g->upper);
    nnc_out_line(o, "const unsigned char *const weights = %s_WEIGHTS_SYMBOL;", g->upper);
    fprintf(o->f, "#else\n");
    nnc_out_line(o, "const unsigned char *const weights = (const unsigned char *)inputs->weights;");
    fprintf(o->f, "#endif\n");
    nnc_out_line(o, "if (!weights_fit(weights))");
    nnc_out_line(o, "    return %s_ERR_WEIGHTS;", g->upper);
}

static void name_arguments(c_cgen *g, nnc_out *o)
{
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        if (!is_used(g, x))
            continue;
        const char *type = c_storage(c_dtype(g, x->arg)), *name = c_name(g, x->arg);
        if (x->role == C_SYMBOL)
            nnc_out_line(o, "const ptrdiff_t %s = (ptrdiff_t)inputs->%s;", name, x->field);
        else if (x->role == C_SYMBOL_OUT)
            nnc_out_line(o, "int64_t %s[1] = {0};", name);
        else if (x->role == C_STATE)
            nnc_out_line(o, "%s *const %s = %sstate->%s;", type, name,
                         nnc_value_ty(g->m, x->arg)->rank ? "" : "&", x->field);
        else
            nnc_out_line(o, "%s%s *const %s = %s->%s;", x->role == C_INPUT ? "const " : "", type,
                         name, structure(x), x->field);
    }
}

static void return_sizes(c_cgen *g, nnc_out *o)
{
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        if (x->role != C_SYMBOL_OUT)
            continue;
        if (is_used(g, x))
            nnc_out_line(o, "*outputs->%s = (size_t)%s[0];", x->field, c_name(g, x->arg));
        else
            nnc_out_line(o, "*outputs->%s = 0;", x->field);
    }
}

void c_entry_prototype(c_cgen *g, FILE *f)
{
    const char *n = g->name;

    fprintf(f, "int %s_%s(const %s_inputs *inputs, const %s_outputs *outputs, ", n, g->verb, n, n);
    if (g->state)
        fprintf(f, "%s_state *state, ", n);
    fprintf(f, "void *workspace)");
}

void c_entry(c_cgen *g, FILE *f)
{
    nnc_out o = {.f = f};

    c_begin_function(g, g->entry, &o, C_COMMON);
    nnc_names_reserve(g->locals, "inputs");
    if (g->host) {
        nnc_names_reserve(g->locals, "size");
        nnc_names_reserve(g->locals, "data");
        nnc_names_reserve(g->locals, "dim");
    }
    nnc_names_reserve(g->locals, "outputs");
    nnc_names_reserve(g->locals, "state");
    nnc_names_reserve(g->locals, "workspace");
    nnc_names_reserve(g->locals, "arena");
    nnc_names_reserve(g->locals, "weights");
    fprintf(f, "\n");
    c_entry_prototype(g, f);
    fprintf(f, "\n{\n");
    o.indent = 1;
    check_pointers(g, &o);
    check_sizes(g, &o);
    check_weights(g, &o);
    name_arguments(g, &o);
    if (g->shared) {
        nnc_out_line(&o, "const ptrdiff_t parts =");
        nnc_out_line(&o, "    inputs->parallel && inputs->parallel->threads > 1 ? "
                         "inputs->parallel->threads : 1;");
    }
    if (g->face.workspace)
        nnc_out_line(&o, "unsigned char *const arena = (unsigned char *)workspace;");
    c_block(g, nnc_op_region(g->m, g->entry, 0));
    return_sizes(g, &o);
    nnc_out_line(&o, "return %s_OK;", g->upper);
    fprintf(f, "}\n");
}
