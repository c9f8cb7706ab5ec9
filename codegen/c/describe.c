/* The interface as JSON. */
#include <string.h>
#include "codegen/c/c.h"

static const char *quoted(c_cgen *g, const char *s)
{
    char *t = nnc_arena_alloc(g->a, 6 * strlen(s) + 3), *p = t;

    *p++ = '"';
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            *p++ = '\\';
        if ((unsigned char)*s < 32)
            p += sprintf(p, "\\u%04x", (unsigned char)*s);
        else
            *p++ = *s;
    }
    *p++ = '"';
    return t;
}

static const char *tensors(c_cgen *g, int role)
{
    const char *s = "";

    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        const nnc_type_rec t = *nnc_value_ty(g->m, x->arg);
        const char *shape = "", *bounds = "";
        if (x->role != role)
            continue;
        for (int d = 0; d < t.rank; d++) {
            const char *comma = d ? ", " : "";
            shape = nnc_dim_is_const(t.dim[d])
                        ? c_fmt(g, "%s%s%lld", shape, comma, (long long)t.dim[d])
                        : c_fmt(g, "%s%s%s", shape, comma,
                                quoted(g, nnc_dim_text(g->m->dims, t.dim[d])));
            bounds = c_fmt(g, "%s%s[%lld, %lld]", bounds, comma,
                           (long long)nnc_dim_lo(g->m->dims, t.dim[d]),
                           (long long)nnc_dim_hi(g->m->dims, t.dim[d]));
        }
        s = c_fmt(g,
                  "%s%s{\"name\": %s, \"field\": \"%s\", \"dtype\": \"%s\", \"shape\": [%s], "
                  "\"bounds\": [%s]}",
                  s, *s ? ", " : "", quoted(g, x->label), x->field, nnc_dtype_infos[t.dtype].numpy,
                  shape, bounds);
    }
    return s;
}

static const char *symbols(c_cgen *g)
{
    const char *s = "";

    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        if (x->role != C_SYMBOL && x->role != C_SYMBOL_OUT)
            continue;
        s = c_fmt(
            g,
            "%s%s{\"name\": %s, \"field\": \"%s\", \"lo\": %lld, \"hi\": %lld, \"role\": \"%s\"}",
            s, *s ? ", " : "", quoted(g, x->label), x->field, (long long)x->lo, (long long)x->hi,
            x->role == C_SYMBOL ? "in" : "out");
    }
    return s;
}

const char *c_describe(c_cgen *g)
{
    return c_fmt(g,
                 "{\"name\": %s, \"hash\": \"%016llx\", \"inputs\": [%s], \"outputs\": [%s], "
                 "%s\"symbols\": [%s], \"workspace_bytes\": %llu, "
                 "\"workspace_lower_bound\": %llu, \"weights_bytes\": %llu}",
                 quoted(g, g->name), (unsigned long long)g->face.hash, tensors(g, C_INPUT),
                 tensors(g, C_OUTPUT),
                 g->state ? c_fmt(g, "\"state\": [%s], ", tensors(g, C_STATE)) : "", symbols(g),
                 (unsigned long long)g->face.workspace, (unsigned long long)g->face.lower_bound,
                 (unsigned long long)g->face.weights);
}

const char *nnc_describe_json(nnc_module *m, const nnc_emit_options *opt)
{
    c_cgen g;

    return c_begin(&g, m, opt) == NNC_OK ? c_describe(&g) : NULL;
}
