/* Strings: pieces joined at compile time when everything in them is known.
 *
 * A string that shows run-time values stays a text template: only effects and assertions take those, and read the pieces
 * from the tree themselves. */
#include "frontend/nn/expr.h"
#include "ir/eval.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *number_text(nn_trace *t, nnc_dtype dt, const void *p, const char *spec)
{
    nnc_num n = nnc_num_load(dt, p);
    if (dt == NNC_DT_bool)
        return n.i ? "true" : "false";
    if (!nnc_dtype_is_float(dt))
        return nnc_arena_printf(t->arena, "%lld", (long long)n.i);
    int digits = -1;
    char kind = 'g';
    const char *dot = strchr(spec, '.');
    if (dot)
        sscanf(dot + 1, "%d%c", &digits, &kind);
    if (digits < 0 || digits > 40)
        return nnc_arena_printf(t->arena, "%g", n.f);
    return kind == 'f'   ? nnc_arena_printf(t->arena, "%.*f", digits, n.f)
           : kind == 'e' ? nnc_arena_printf(t->arena, "%.*e", digits, n.f)
                         : nnc_arena_printf(t->arena, "%.*g", digits, n.f);
}

static const char *tensor_text(nn_trace *t, const nnc_tensor *x, int axis, const char **data,
                               const char *spec)
{
    if (axis == x->rank) {
        const char *s = number_text(t, x->dtype, *data, spec);
        *data += nnc_dtype_bytes(x->dtype);
        return s;
    }
    const char *s = "[";
    for (int64_t i = 0; i < x->dim[axis]; i++)
        s = nnc_arena_printf(t->arena, "%s%s%s", s, i ? ", " : "",
                             tensor_text(t, x, axis + 1, data, spec));
    return nnc_arena_printf(t->arena, "%s]", s);
}

const char *nn_value_text(nn_trace *t, nn_v v, const char *spec, const nn_ast *at)
{
    if (v->kind == NN_V_text)
        return v->text;
    if (!nn_can_be_tensor(v))
        nn_fail(t, at->loc, "%s cannot be shown in a text", nn_type_text(t, v));
    nnc_tensor x = nn_ask_tensor(t, v, at, "what a text shows");
    const char *data = x.data;
    if (nnc_tensor_count(&x) > 10000)
        nn_fail(t, at->loc, "%s is too large for a text", nn_type_text(t, v));
    return tensor_text(t, &x, 0, &data, spec);
}

nn_v nn_string(nn_trace *t, const nn_ast *e)
{
    if (!e->nkid)
        return nn_text(t, e->text ? e->text : "");
    const char *s = "";
    for (uint32_t i = 0; i < e->nkid; i++) {
        const nn_ast *k = e->kid[i];
        const char *piece;
        if (nn_is(k, NN_text))
            piece = k->text;
        else if (nn_is(k, NN_format))
            piece = nn_value_text(t, nn_expr(t, nn_kid(k, 0)), k->text, nn_kid(k, 0));
        else
            piece = nn_value_text(t, nn_expr(t, k), "", k);
        s = nnc_arena_printf(t->arena, "%s%s", s, piece);
    }
    return nn_text(t, s);
}

bool nn_is_none_name(nn_trace *t, const nn_ast *e)
{
    if (nn_is(e, NN_named))
        e = nn_kid(e, 0);
    return nn_is(e, NN_name) && strcmp(nn_sym(t, e->name), "none") == 0 && !nn_lookup(t, e->name);
}
