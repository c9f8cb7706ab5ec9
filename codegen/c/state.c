/* What a caller keeps between runs: NAME_state, and NAME_init, which fills it with the first values.
 *
 * The struct holds the arrays themselves, not pointers: it is one object to place, to copy and to write to flash, and what
 * is trained is read out of it by name. */
#include <string.h>
#include "codegen/c/c.h"

void c_state_struct(c_cgen *g, FILE *f)
{
    fprintf(f, "typedef struct %s_state {\n", g->name);
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        const nnc_type_rec *t = nnc_value_ty(g->m, x->arg);
        int64_t n = nnc_type_count(g->m, nnc_value_type(g->m, x->arg));
        if (x->role != C_STATE)
            continue;
        fprintf(f, "    %s %s", c_storage((nnc_dtype)t->dtype), x->field);
        if (t->rank)
            fprintf(f, "[%lld]", (long long)(n ? n : 1));
        fprintf(f, "; /* %s */\n", c_tensor_text(g, x));
    }
    fprintf(f, "} %s_state;\n\n", g->name);
}

/* A blob has to be the right one before anything is taken from it, hence the status then. */
void c_state_prototype(c_cgen *g, FILE *f)
{
    if (g->face.weights_in_file)
        fprintf(f, "int %s_init(%s_state *state, const void *blob)", g->name, g->name);
    else
        fprintf(f, "void %s_init(%s_state *state)", g->name, g->name);
}

static void check_blob(c_cgen *g, nnc_out *o)
{
    nnc_out_line(o, "const unsigned char *const weights = (const unsigned char *)blob;");
    nnc_out_line(o, "if (!state)");
    nnc_out_line(o, "    return %s_ERR_ARGUMENT;", g->upper);
    nnc_out_line(o, "if (!weights_fit(weights))");
    nnc_out_line(o, "    return %s_ERR_WEIGHTS;", g->upper);
}

static void fill_field(c_cgen *g, nnc_out *o, const c_field *x)
{
    const char *at = nnc_value_ty(g->m, x->arg)->rank ? "" : "&";
    const char *dim = c_fmt(g, "sizeof state->%s", x->field);

    if (x->first.id)
        nnc_out_line(o, "memcpy(%sstate->%s, %s, %s);", at, x->field, c_weight_ref(g, x->first),
                     dim);
    else
        nnc_out_line(o, "memset(%sstate->%s, 0, %s);", at, x->field, dim);
}

void c_state_init(c_cgen *g, FILE *f)
{
    nnc_out o = {.f = f, .indent = 1};

    g->string_h = true;
    fprintf(f, "\n");
    c_state_prototype(g, f);
    fprintf(f, "\n{\n");
    if (g->face.weights_in_file)
        check_blob(g, &o);
    for (uint32_t i = 0; i < g->field.n; i++)
        if (g->field.at[i].role == C_STATE)
            fill_field(g, &o, &g->field.at[i]);
    if (g->face.weights_in_file)
        nnc_out_line(&o, "return %s_OK;", g->upper);
    fprintf(f, "}\n");
}
