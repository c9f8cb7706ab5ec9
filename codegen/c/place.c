/* Names and places: identifiers of values, addresses as sums, cells of register buffers, pointers to whole buffers.
 * Views have no text of their own; their offsets join the address, and one that changes the element type is a cast. */
#include <string.h>
#include "codegen/c/c.h"

/* Names of the model's tensors can be long: what stands before the last underscore of the first 16 letters will do. */
static const char *short_hint(c_cgen *g, const char *s)
{
    size_t n = strlen(s);

    if (n <= 16)
        return s;
    for (n = 16; n > 2 && s[n] != '_' && s[n] != '/' && s[n] != '.'; n--)
        ;
    return c_fmt(g, "%.*s", n > 2 ? (int)n : 16, s);
}

const char *c_name(c_cgen *g, nnc_value v)
{
    if (!g->ident[v.id]) {
        const char *hint = short_hint(g, nnc_value_name(g->m, v));
        g->ident[v.id] = nnc_names_put(g->locals, *hint ? hint : "t");
    }
    return g->ident[v.id];
}

/* ---- addresses ---- */

static const char *term_text(c_cgen *g, nnc_value v, int64_t c)
{
    if (c == 1)
        return c_operand(g, v, C_ADD);
    return c_fmt(g, "%s * %lld", c_operand(g, v, C_MUL), (long long)c);
}

const char *c_linear(c_cgen *g, const nnc_linear *l)
{
    const char *s = NULL;

    for (unsigned i = 0; i < l->n; i++)
        if (l->term[i].c > 0)
            s = s ? c_fmt(g, "%s + %s", s, term_text(g, l->term[i].v, l->term[i].c))
                  : term_text(g, l->term[i].v, l->term[i].c);
    if (l->k > 0 || (!s && l->k))
        s = s ? c_fmt(g, "%s + %lld", s, (long long)l->k) : c_fmt(g, "%lld", (long long)l->k);
    for (unsigned i = 0; i < l->n; i++)
        if (l->term[i].c < 0)
            s = c_fmt(g, "%s - %s", s ? s : "0", term_text(g, l->term[i].v, -l->term[i].c));
    if (l->k < 0 && s && l->n)
        for (unsigned i = 0; i < l->n; i++)
            if (l->term[i].c > 0) {
                s = c_fmt(g, "%s - %lld", s, -(long long)l->k);
                break;
            }
    return s ? s : "0";
}

static bool same_storage(const c_cgen *g, nnc_value a, nnc_value b)
{
    return !strcmp(c_storage(c_dtype(g, a)), c_storage(c_dtype(g, b)));
}

/* Walks views down to memory, or to the view that changes the type, collecting their offsets. */
static nnc_value through_views(c_cgen *g, nnc_value b, nnc_linear *l)
{
    nnc_op d;

    while ((d = nnc_value_op(g->m, b)).id && nnc_op_code(g->m, d) == NNC_OP_view &&
           same_storage(g, b, nnc_op_in(g->m, d, 0))) {
        if (nnc_op_nin(g->m, d) > 1)
            nnc_linear_add(g->m, l, nnc_op_in(g->m, d, 1), 1);
        b = nnc_op_in(g->m, d, 0);
    }
    return b;
}

/* Elements of another type in the memory of a view's source. */
static const char *retyped(c_cgen *g, nnc_op view)
{
    nnc_linear l = {0};
    c_expr p = c_pointer(g, nnc_op_in(g->m, view, 0));
    bool only_read = nnc_value_ty(g->m, nnc_op_in(g->m, view, 0))->space == NNC_SPACE_weight;

    if (nnc_op_nin(g->m, view) > 1)
        nnc_linear_add(g->m, &l, nnc_op_in(g->m, view, 1), 1);
    const char *offset = c_linear(g, &l);
    if (strcmp(offset, "0") != 0)
        p = c_prec(c_fmt(g, "%s + %s", p.s, offset), C_ADD);
    return c_fmt(g, "(%s%s *)(%svoid *)%s", only_read ? "const " : "",
                 c_storage(c_dtype(g, nnc_op_out(g->m, view, 0))), only_read ? "const " : "",
                 c_wrap(g, p, C_UNARY));
}

static const char *memory(c_cgen *g, nnc_value root)
{
    nnc_op d = nnc_value_op(g->m, root);

    if (d.id && nnc_op_code(g->m, d) == NNC_OP_view)
        return retyped(g, d);
    return d.id && nnc_op_code(g->m, d) == NNC_OP_const ? c_weight_ref(g, d) : c_name(g, root);
}

/* A pointer expression for a buffer used whole. */
c_expr c_pointer(c_cgen *g, nnc_value b)
{
    nnc_linear l = {0};
    nnc_value root = through_views(g, b, &l);
    const char *offset = c_linear(g, &l), *base = memory(g, root);
    int p = *base == '(' ? C_UNARY : strchr(base, ' ') ? C_ADD : C_PRIMARY;

    if (strcmp(offset, "0") != 0)
        return c_prec(c_fmt(g, "%s + %s", base, offset), C_ADD);
    return c_prec(base, p);
}

static unsigned first_index(const c_cgen *g, nnc_op op)
{
    return nnc_op_code(g->m, op) == NNC_OP_store ? 2 : 1;
}

static const char *base_and_offset(c_cgen *g, nnc_op op, const char **offset)
{
    nnc_linear l = {0};
    nnc_value root = through_views(g, nnc_op_buffer(g->m, op), &l);

    nnc_linear_address(g->m, &l, op, first_index(g, op));
    *offset = c_linear(g, &l);
    const char *base = memory(g, root);
    return strchr(base, ' ') ? c_fmt(g, "(%s)", base) : base;
}

const char *c_element_pointer(c_cgen *g, nnc_op op)
{
    const char *offset, *base = base_and_offset(g, op, &offset);

    return strcmp(offset, "0") ? c_fmt(g, "%s + %s", base, offset) : base;
}

static const char *cell_name(c_cgen *g, nnc_op op, nnc_value b)
{
    const char *s = c_name(g, b);
    int64_t k = 0;

    for (unsigned i = first_index(g, op); i < nnc_op_nin(g->m, op); i++) {
        (void)nnc_value_idx(g->m, nnc_op_in(g->m, op, i), &k);
        s = c_fmt(g, "%s_%lld", s, (long long)k);
    }
    return s;
}

const char *c_place(c_cgen *g, nnc_op op)
{
    nnc_value b = nnc_op_buffer(g->m, op);
    nnc_value v =
        nnc_op_code(g->m, op) == NNC_OP_store ? nnc_op_in(g->m, op, 0) : nnc_op_out(g->m, op, 0);
    const char *offset, *base;

    if (c_cells(g, b))
        return cell_name(g, op, b);
    if (c_lanes(g, v) > c_lanes(g, b)) {
        nnc_dtype dt = c_dtype(g, v) == NNC_DT_bool ? NNC_DT_u8 : c_dtype(g, v);
        return c_fmt(g, "%s(%s, %s)", nnc_op_code(g->m, op) == NNC_OP_store ? "STORE" : "LOAD",
                     c_vector(g, dt, c_lanes(g, v)), c_element_pointer(g, op));
    }
    base = base_and_offset(g, op, &offset);
    return c_fmt(g, "%s[%s]", base, offset);
}
