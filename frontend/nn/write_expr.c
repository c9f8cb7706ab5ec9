/* One operation as an expression.  The table write.def says which spelling; each FORM looks whether the everyday builtin
 * means exactly this operation and otherwise leaves it to g.op, which takes every attribute as it is. */
#include "frontend/nn/write_cx.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *nn_write_format(nn_writer *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *s = nnc_arena_vprintf(w->a, fmt, ap);
    va_end(ap);
    return s;
}

nn_piece nn_write_refuse(nn_writer *w, nnc_op op, const char *why)
{
    if (!w->failed)
        nnc_error(w->m->diag, nnc_op_loc(w->m, op),
                  "cannot be written as .nn text: %s ('%s' operation); import \"net.onnx\" as net "
                  "uses the model as it is",
                  why, nnc_op_infos[nnc_op_code(w->m, op)].name);
    w->failed = true;
    return (nn_piece){"none", NN_LEVEL_PRIMARY};
}

/* ---- dimensions ---- */

static const char *atom_text(nn_writer *w, nnc_dim_atom a, nnc_op op)
{
    if (a.op == '$') {
        nnc_sym s = (uint32_t)a.a < w->symbol.n ? w->symbol.at[a.a] : (nnc_sym){0};
        if (!s.id)
            nn_write_refuse(w, op, "a size depends on data");
        return s.id ? nnc_intern_str(w->taken, s) : "0";
    }
    if (a.op == '<' || a.op == '>')
        return nn_write_format(w, "%s(%s, %s)", a.op == '<' ? "min" : "max",
                               nn_write_dim(w, a.a, 0, op), nn_write_dim(w, a.b, 0, op));
    return nn_write_format(w, "(%s %s %s)", nn_write_dim(w, a.a, NN_LEVEL_PRODUCT, op),
                           a.op == '/' ? "//" : "%", nn_write_dim(w, a.b, NN_LEVEL_UNARY, op));
}

const char *nn_write_dim(nn_writer *w, nnc_dim d, int level, nnc_op op)
{
    int64_t value;
    uint32_t n;
    if (nnc_dim_value(w->m->dims, d, &value))
        return nn_write_format(w, value < 0 && level > NN_LEVEL_UNARY ? "(%lld)" : "%lld",
                               (long long)value);
    const nnc_dim_term *term = nnc_dim_terms(w->m->dims, d, &n);
    const char *s = "";
    int bind = n > 1 ? NN_LEVEL_SUM : NN_LEVEL_PRIMARY;
    for (uint32_t i = 0; i < n; i++) {
        int64_t c = term[i].coef, size = c < 0 && i ? -c : c;
        const char *t = "";
        if (size != 1 || !term[i].natom)
            t = nn_write_format(w, "%lld", (long long)size);
        for (uint32_t k = 0; k < term[i].natom; k++)
            t = nn_write_format(w, "%s%s%s", t, *t ? " * " : "",
                                atom_text(w, nnc_dim_atom_get(w->m->dims, term[i].atom[k]), op));
        if (n == 1 && (size != 1 || term[i].natom > 1))
            bind = NN_LEVEL_PRODUCT;
        s = i ? nn_write_format(w, "%s %s %s", s, c < 0 ? "-" : "+", t) : t;
    }
    return bind < level ? nn_write_format(w, "(%s)", s) : s;
}

const char *nn_write_dims(nn_writer *w, unsigned n, const nnc_dim *d, nnc_op op)
{
    const char *s = "";
    for (unsigned i = 0; i < n; i++)
        s = nn_write_format(w, "%s%s%s", s, i ? ", " : "", nn_write_dim(w, d[i], 0, op));
    return s;
}

/* ---- values ---- */

static const char *float_text(nn_writer *w, double v, nnc_dtype dt)
{
    if (isnan(v) || isinf(v))
        return isnan(v) ? "nan" : v < 0 ? "-inf" : "inf";
    const char *s = nn_write_format(w, "%g", v);
    for (int digits = 7; digits <= 17; digits++) {
        double back = strtod(s, NULL);
        if (dt == NNC_DT_f64 ? back == v : (float)back == (float)v)
            break;
        s = nn_write_format(w, "%.*g", digits, v);
    }
    if (!strpbrk(s, ".e"))
        return nn_write_format(w, "%s.0", s);
    const char *e =
        strchr(s, 'e'); /* a digit stands on both sides of the point; 1e+06 is written 1e6 */
    if (e && e[1] == '+')
        return nn_write_format(w, "%.*se%s", (int)(e - s), s, e + 2);
    return s;
}

static const char *literal(nn_writer *w, nnc_value v)
{
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(w->m, v)->dtype;
    int64_t i = 0;
    double f = 0;
    if (nnc_dtype_is_float(dt)) {
        nnc_value_number(w->m, v, &f);
        return float_text(w, f, dt);
    }
    nnc_value_idx(w->m, v, &i);
    if (dt == NNC_DT_bool)
        return i ? "true" : "false";
    return dt == NNC_DT_u64 ? nn_write_format(w, "%llu", (unsigned long long)i)
                            : nn_write_format(w, "%lld", (long long)i);
}

const char *nn_write_value(nn_writer *w, nnc_value v, int level)
{
    nn_piece p = {NULL, NN_LEVEL_PRIMARY};
    if (nnc_value_is_const(w->m, v)) {
        p.s = literal(w, v);
        p.level = *p.s == '-' ? NN_LEVEL_UNARY : NN_LEVEL_PRIMARY;
    } else {
        p = w->of.at[v.id];
    }
    return p.level < level ? nn_write_format(w, "(%s)", p.s) : p.s;
}

const char *nn_write_typed(nn_writer *w, nnc_value v)
{
    const char *s = nn_write_value(w, v, 0);
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(w->m, v)->dtype;
    if (!nnc_value_is_const(w->m, v) || dt == NNC_DT_bool)
        return s;
    return nn_write_format(w, "%s(%s)", nnc_dtype_infos[dt].name, s);
}

static nn_piece call(const char *s)
{
    return (nn_piece){s, NN_LEVEL_POSTFIX};
}

static nnc_value in(nn_writer *w, nnc_op op, unsigned i)
{
    return nnc_op_in(w->m, op, i);
}

static const nnc_type_rec *type_in(nn_writer *w, nnc_op op, unsigned i)
{
    return nnc_value_ty(w->m, in(w, op, i));
}

static const nnc_type_rec *type_out(nn_writer *w, nnc_op op)
{
    return nnc_value_ty(w->m, nnc_op_out(w->m, op, 0));
}

/* Literals adapt to the tensor they meet; when all operands are literals nothing says their dtype. */
static bool all_literal(nn_writer *w, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nin(w->m, op); i++)
        if (!nnc_value_is_const(w->m, in(w, op, i)))
            return false;
    return true;
}

static const char *operand(nn_writer *w, nnc_op op, unsigned i, int level)
{
    return all_literal(w, op) ? nn_write_typed(w, in(w, op, i))
                              : nn_write_value(w, in(w, op, i), level);
}

static nn_piece infix(nn_writer *w, nnc_op op, const char *sign, int level)
{
    int right = level + 1, left = level == NN_LEVEL_COMPARISON ? level + 1 : level;
    return (nn_piece){
        nn_write_format(w, "%s %s %s", operand(w, op, 0, left), sign, operand(w, op, 1, right)),
        level};
}

static nn_piece named_call(nn_writer *w, nnc_op op, const char *name)
{
    const char *s = "";
    bool select = nnc_op_code(w->m, op) == NNC_OP_select;
    bool open =
        select && nnc_value_is_const(w->m, in(w, op, 1)) && nnc_value_is_const(w->m, in(w, op, 2));
    for (unsigned i = 0; i < nnc_op_nin(w->m, op); i++)
        s = nn_write_format(w, "%s%s%s", s, i ? ", " : "",
                            open && i ? nn_write_typed(w, in(w, op, i)) : operand(w, op, i, 0));
    return call(nn_write_format(w, "%s(%s)", name, s));
}

/* ---- g.op ---- */

static bool holds_dims(nnc_word key, nnc_opcode code)
{
    return code != NNC_OP_conv &&
           (key == NNC_W_start || key == NNC_W_lo || key == NNC_W_hi || key == NNC_W_size ||
            key == NNC_W_k || key == NNC_W_trips || key == NNC_W_dim);
}

static const char *attribute(nn_writer *w, nnc_op op, const nnc_attr_rec *r)
{
    const char *s = "";
    bool dims = holds_dims((nnc_word)r->key.id, nnc_op_code(w->m, op));
    switch (r->kind) {
    case NNC_ATTR_int:
        return dims ? nn_write_dim(w, r->u.i, 0, op)
                    : nn_write_format(w, "%lld", (long long)r->u.i);
    case NNC_ATTR_float: return float_text(w, r->u.f, NNC_DT_f64);
    case NNC_ATTR_word:
    case NNC_ATTR_string: return nn_write_format(w, "\"%s\"", nnc_sym_str(w->m, r->u.s));
    case NNC_ATTR_ints:
        for (uint32_t i = 0; i < r->u.ints.n; i++) {
            int64_t v = w->m->ints.at[r->u.ints.at + i];
            s = nn_write_format(w, "%s%s%s", s, i ? ", " : "",
                                dims ? nn_write_dim(w, v, 0, op)
                                     : nn_write_format(w, "%lld", (long long)v));
        }
        return nn_write_format(w, "[%s]", s);
    default: return "none";
    }
}

/* Ops whose operands do not say the type of the result. */
static const char *given_type(nn_writer *w, nnc_op op)
{
    const nnc_type_rec *y = nnc_op_nout(w->m, op) ? type_out(w, op) : NULL;
    switch (nnc_op_code(w->m, op)) {
    case NNC_OP_reshape:
    case NNC_OP_broadcast:
    case NNC_OP_slice:
    case NNC_OP_iota:
    case NNC_OP_dynamic_slice:
    case NNC_OP_extent:
    case NNC_OP_rng_bits:
        return nn_write_format(w, "dtype = %s, shape = [%s]", nnc_dtype_infos[y->dtype].name,
                               nn_write_dims(w, y->rank, y->dim, op));
    case NNC_OP_dot:
    case NNC_OP_conv:
    case NNC_OP_cast:
    case NNC_OP_bitcast:
    case NNC_OP_quantize: return nn_write_format(w, "dtype = %s", nnc_dtype_infos[y->dtype].name);
    default: return "";
    }
}

static nn_piece generic(nn_writer *w, nnc_op op)
{
    const nnc_op_info *info = &nnc_op_infos[nnc_op_code(w->m, op)];
    const nnc_op_rec *r = nnc_op_get(w->m, op);
    if (!(info->traits & NNC_PURE) || info->nregions || !info->nout)
        return nn_write_refuse(w, op, "this operation has no spelling");
    if (nnc_op_code(w->m, op) == NNC_OP_prefix)
        return nn_write_refuse(w, op, "a size depends on data");
    const char *s = given_type(w, op), *args = "";
    for (uint32_t i = 0; i < r->nattr; i++) {
        const nnc_attr_rec *a = &w->m->attr.at[r->attr + i];
        s = nn_write_format(w, "%s%s%s = %s", s, *s ? ", " : "", nnc_sym_str(w->m, a->key),
                            attribute(w, op, a));
    }
    for (unsigned i = 0; i < nnc_op_nin(w->m, op); i++)
        args = nn_write_format(w, "%s%s%s", args, i ? ", " : "", nn_write_typed(w, in(w, op, i)));
    return call(*s ? nn_write_format(w, "g.%s[%s](%s)", info->name, s, args)
                   : nn_write_format(w, "g.%s(%s)", info->name, args));
}

/* ---- forms ---- */

static const nn_piece no_form = {NULL, 0};

static nn_piece write_neg(nn_writer *w, nnc_op op)
{
    return (nn_piece){nn_write_format(w, "-%s", operand(w, op, 0, NN_LEVEL_UNARY)), NN_LEVEL_UNARY};
}

static nn_piece write_max(nn_writer *w, nnc_op op)
{
    double zero;
    nnc_value y = in(w, op, 1);
    if (!all_literal(w, op) && nnc_value_is_const(w->m, y) &&
        nnc_dtype_is_float((nnc_dtype)type_out(w, op)->dtype) && nnc_value_number(w->m, y, &zero) &&
        zero == 0 && !signbit(zero))
        return call(nn_write_format(w, "relu(%s)", nn_write_value(w, in(w, op, 0), 0)));
    return named_call(w, op, "max");
}

static nn_piece write_div(nn_writer *w, nnc_op op)
{
    return nnc_dtype_is_float((nnc_dtype)type_out(w, op)->dtype)
               ? infix(w, op, "/", NN_LEVEL_PRODUCT)
               : no_form;
}

static nn_piece write_logic(nn_writer *w, nnc_op op)
{
    bool is_and = nnc_op_code(w->m, op) == NNC_OP_and;
    if (type_out(w, op)->dtype == NNC_DT_bool)
        return infix(w, op, is_and ? "and" : "or", is_and ? NN_LEVEL_AND : NN_LEVEL_OR);
    return infix(w, op, is_and ? "&" : "|", is_and ? NN_LEVEL_BITAND : NN_LEVEL_BITOR);
}

static nn_piece write_not(nn_writer *w, nnc_op op)
{
    if (type_out(w, op)->dtype != NNC_DT_bool)
        return no_form;
    return (nn_piece){nn_write_format(w, "not %s", operand(w, op, 0, NN_LEVEL_NOT)), NN_LEVEL_NOT};
}

/* The language's conversions saturate where the op wraps. */
static nn_piece write_cast(nn_writer *w, nnc_op op)
{
    nnc_dtype from = (nnc_dtype)type_in(w, op, 0)->dtype, to = (nnc_dtype)type_out(w, op)->dtype;
    bool plain = nnc_dtype_is_float(from) || from == NNC_DT_bool || nnc_dtype_is_float(to) ||
                 (from == to) ||
                 (nnc_dtype_infos[from].class == nnc_dtype_infos[to].class &&
                  nnc_dtype_infos[from].bits < nnc_dtype_infos[to].bits);
    if (!plain || to == NNC_DT_bool || nnc_op_get(w->m, op)->nattr || nnc_dtype_infos[to].bits < 16)
        return no_form;
    return call(
        nn_write_format(w, "%s(%s)", nnc_dtype_infos[to].name, nn_write_value(w, in(w, op, 0), 0)));
}

static nn_piece shaped(nn_writer *w, nnc_op op, const char *name)
{
    const nnc_type_rec *y = type_out(w, op);
    if (y->rank == 0)
        return no_form;
    return call(nn_write_format(w, "%s[%s](%s)", name, nn_write_dims(w, y->rank, y->dim, op),
                                nn_write_typed(w, in(w, op, 0))));
}

static nn_piece write_reshape(nn_writer *w, nnc_op op)
{
    return shaped(w, op, "reshape");
}

static nn_piece write_broadcast(nn_writer *w, nnc_op op)
{
    return shaped(w, op, "broadcast");
}

static const char *ints_text(nn_writer *w, unsigned n, const int64_t *v)
{
    const char *s = "";
    for (unsigned i = 0; i < n; i++)
        s = nn_write_format(w, "%s%s%lld", s, i ? ", " : "", (long long)v[i]);
    return s;
}

static nn_piece write_transpose(nn_writer *w, nnc_op op)
{
    unsigned n;
    const int64_t *perm = nnc_attr_ints(w->m, op, NNC_W_perm, &n);
    bool swap = n >= 2 && perm[n - 1] == n - 2 && perm[n - 2] == n - 1;
    for (unsigned i = 0; i + 2 < n; i++)
        swap = swap && perm[i] == i;
    if (swap)
        return call(nn_write_format(w, "%s'", nn_write_value(w, in(w, op, 0), NN_LEVEL_POSTFIX)));
    return call(nn_write_format(w, "transpose(%s, axes = [%s])", nn_write_value(w, in(w, op, 0), 0),
                                ints_text(w, n, perm)));
}

static nn_piece write_slice(nn_writer *w, nnc_op op)
{
    unsigned n, k;
    const int64_t *start = nnc_attr_ints(w->m, op, NNC_W_start, &n);
    const int64_t *step = nnc_attr_ints(w->m, op, NNC_W_step, &k);
    const nnc_type_rec *x = type_in(w, op, 0), *y = type_out(w, op);
    unsigned rank = x->rank, last = 0;
    const char *slot[NNC_MAX_RANK], *s = "";
    for (unsigned i = 0; i < rank; i++) {
        int64_t by = i < k ? step[i] : 1, from = i < n ? start[i] : 0;
        slot[i] = ":";
        if (by == 1 && from == 0 && x->dim[i] == y->dim[i])
            continue;
        if (by < 1 || from < 0 || !nnc_dim_is_const(x->dim[i]) || !nnc_dim_is_const(y->dim[i]) ||
            y->dim[i] == 0)
            return no_form;
        int64_t end = from + (y->dim[i] - 1) * by + 1;
        slot[i] = by == 1 ? nn_write_format(w, "%lld..%lld", (long long)from, (long long)end)
                          : nn_write_format(w, "%lld..%lld by %lld", (long long)from,
                                            (long long)end, (long long)by);
        last = i + 1;
    }
    if (!last)
        return no_form;
    for (unsigned i = 0; i < last; i++)
        s = nn_write_format(w, "%s%s%s", s, i ? ", " : "", slot[i]);
    return call(nn_write_format(w, "%s[%s]", nn_write_value(w, in(w, op, 0), NN_LEVEL_POSTFIX), s));
}

static nn_piece write_concat(nn_writer *w, nnc_op op)
{
    const char *s = "";
    for (unsigned i = 0; i < nnc_op_nin(w->m, op); i++)
        s = nn_write_format(w, "%s%s, ", s, nn_write_value(w, in(w, op, i), 0));
    return call(nn_write_format(w, "concat(%saxis = %lld)", s,
                                (long long)nnc_attr_int(w->m, op, NNC_W_axis, 0)));
}

static nn_piece write_extent(nn_writer *w, nnc_op op)
{
    return call(nn_write_format(w, "i64(%s)",
                                nn_write_dim(w, nnc_attr_int(w->m, op, NNC_W_dim, 0), 0, op)));
}

static nn_piece write_reduce(nn_writer *w, nnc_op op)
{
    static const struct {
        nnc_word kind;
        const char *name;
    } rows[] = {{NNC_W_sum, "sum"}, {NNC_W_prod, "prod"}, {NNC_W_max, "max"},
                {NNC_W_min, "min"}, {NNC_W_and, "all"},   {NNC_W_or, "any"}};
    unsigned n;
    const int64_t *axes = nnc_attr_ints(w->m, op, NNC_W_axes, &n);
    nnc_word kind = nnc_attr_word(w->m, op, NNC_W_kind, NNC_W_none0);
    bool keep = nnc_attr_int(w->m, op, NNC_W_keep, 0) != 0,
         is_bool = type_in(w, op, 0)->dtype == NNC_DT_bool;
    const char *name = NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].kind == kind)
            name = rows[i].name;
    if (!name || !n || is_bool != (kind == NNC_W_and || kind == NNC_W_or))
        return no_form;
    const char *which = n == 1 ? nn_write_format(w, "%lld", (long long)axes[0])
                               : nn_write_format(w, "[%s]", ints_text(w, n, axes));
    return call(nn_write_format(w, "%s(%s, axis = %s%s)", name, nn_write_value(w, in(w, op, 0), 0),
                                which, keep ? ", keep = true" : ""));
}

/* "stride = 2", "stride = [2, 1]", nothing when all are `dflt`; with a comma before. */
static const char *option(nn_writer *w, const char *name, unsigned n, const int64_t *v,
                          int64_t dflt)
{
    bool same = true, plain = true;
    for (unsigned i = 0; i < n; i++) {
        same = same && v[i] == v[0];
        plain = plain && v[i] == dflt;
    }
    if (plain)
        return "";
    return same ? nn_write_format(w, ", %s = %lld", name, (long long)v[0])
                : nn_write_format(w, ", %s = [%s]", name, ints_text(w, n, v));
}

/* Padding of n axes, NULL when the builtins cannot say it. */
static const char *padding(nn_writer *w, unsigned n, const int64_t *lo, const int64_t *hi)
{
    int64_t both[6];
    bool same = true;
    for (unsigned i = 0; i < n; i++) {
        both[i] = lo[i];
        both[n + i] = hi[i];
        same = same && lo[i] == hi[i];
        if (lo[i] < 0 || hi[i] < 0)
            return NULL;
    }
    if (!same && n < 2)
        return NULL;
    return same ? option(w, "pad", n, lo, 0)
                : nn_write_format(w, ", pad = [%s]", ints_text(w, 2 * n, both));
}

static nn_piece write_conv(nn_writer *w, nnc_op op)
{
    unsigned n, k;
    const int64_t *stride = nnc_attr_ints(w->m, op, NNC_W_stride, &n);
    const int64_t *lo = nnc_attr_ints(w->m, op, NNC_W_lo, &k);
    const int64_t *hi = nnc_attr_ints(w->m, op, NNC_W_hi, &k);
    const int64_t *dilation = nnc_attr_ints(w->m, op, NNC_W_dilation, &k);
    const int64_t *lhs = nnc_attr_ints(w->m, op, NNC_W_lhs_dilation, &k);
    int64_t groups = nnc_attr_int(w->m, op, NNC_W_groups, 1);
    nnc_dtype dt = (nnc_dtype)type_out(w, op)->dtype;
    if (!nnc_dtype_is_float(dt) || !stride || !lo || !hi || n < 1 || n > 3 ||
        nnc_attr_word(w->m, op, NNC_W_layout, NNC_W_nchw) != NNC_W_nchw)
        return no_form;
    for (unsigned i = 0; lhs && i < n; i++)
        if (lhs[i] != 1)
            return no_form;
    const char *pad = padding(w, n, lo, hi);
    if (!pad)
        return no_form;
    const char *s = nn_write_format(w, "%s%s%s%s", option(w, "stride", n, stride, 1), pad,
                                    option(w, "groups", 1, &groups, 1),
                                    dilation ? option(w, "dilation", n, dilation, 1) : "");
    const char *x = nn_write_value(w, in(w, op, 0), 0),
               *kernel = nn_write_value(w, in(w, op, 1), 0);
    return call(*s ? nn_write_format(w, "conv%ud[%s](%s, %s)", n, s + 2, x, kernel)
                   : nn_write_format(w, "conv%ud(%s, %s)", n, x, kernel));
}

static nn_piece write_pool(nn_writer *w, nnc_op op)
{
    unsigned n, k;
    const int64_t *size = nnc_attr_ints(w->m, op, NNC_W_size, &n);
    const int64_t *stride = nnc_attr_ints(w->m, op, NNC_W_stride, &k);
    const int64_t *dilation = nnc_attr_ints(w->m, op, NNC_W_dilation, &k);
    const int64_t *lo = nnc_attr_ints(w->m, op, NNC_W_lo, &k);
    const int64_t *hi = nnc_attr_ints(w->m, op, NNC_W_hi, &k);
    if (nnc_attr_word(w->m, op, NNC_W_kind, NNC_W_none0) != NNC_W_max || !size || !stride || !lo ||
        !hi || n < 3 || n > 5 || !nnc_dtype_is_float((nnc_dtype)type_out(w, op)->dtype))
        return no_form;
    for (unsigned i = 0; i < n; i++)
        if (size[i] < 1 || lo[i] < 0 || hi[i] < 0 || /* a size may be an expression, or cut */
            (i < 2 && (size[i] != 1 || stride[i] != 1 || lo[i] || hi[i])) || lo[i] != hi[i] ||
            lo[i] >= size[i])
            return no_form;
    unsigned s = n - 2;
    const char *pad = padding(w, s, lo + 2, hi + 2);
    if (!pad)
        return no_form;
    static const char *const names[] = {"max_pool1d", "max_pool", "max_pool3d"};
    return call(nn_write_format(
        w, "%s[%s, stride = [%s]%s%s](%s)", names[s - 1],
        s == 1 || size[2] == size[s + 1] ? nn_write_format(w, "%lld", (long long)size[2])
                                         : nn_write_format(w, "[%s]", ints_text(w, s, size + 2)),
        ints_text(w, s, stride + 2), pad, dilation ? option(w, "dilation", s, dilation + 2, 1) : "",
        nn_write_value(w, in(w, op, 0), 0)));
}

static nn_piece write_dot(nn_writer *w, nnc_op op)
{
    unsigned nb, nb2, na, nc;
    const int64_t *ba = nnc_attr_ints(w->m, op, NNC_W_batch_a, &nb);
    const int64_t *bb = nnc_attr_ints(w->m, op, NNC_W_batch_b, &nb2);
    const int64_t *ca = nnc_attr_ints(w->m, op, NNC_W_contract_a, &na);
    const int64_t *cb = nnc_attr_ints(w->m, op, NNC_W_contract_b, &nc);
    int a = type_in(w, op, 0)->rank, b = type_in(w, op, 1)->rank;
    if (na != 1 || nc != 1 || nb != nb2 || a < 2 || b != (int)nb + 2 || (nb && a != b) ||
        !nnc_dtype_is_float((nnc_dtype)type_out(w, op)->dtype))
        return no_form;
    for (unsigned i = 0; i < nb; i++)
        if (ba[i] != i || bb[i] != i)
            return no_form;
    bool left = ca[0] == a - 2 && a == (int)nb + 2, right = cb[0] == b - 1;
    if ((ca[0] != a - 1 && !left) || cb[0] < (int)nb)
        return no_form;
    return (nn_piece){
        nn_write_format(w, "%s%s @ %s%s",
                        nn_write_value(w, in(w, op, 0), left ? NN_LEVEL_POSTFIX : NN_LEVEL_PRODUCT),
                        left ? "'" : "",
                        nn_write_value(w, in(w, op, 1), right ? NN_LEVEL_POSTFIX : NN_LEVEL_UNARY),
                        right ? "'" : ""),
        NN_LEVEL_PRODUCT};
}

static nn_piece write_softmax(nn_writer *w, nnc_op op)
{
    int64_t axis = nnc_attr_int(w->m, op, NNC_W_axis, 0);
    const char *name = nnc_op_infos[nnc_op_code(w->m, op)].name,
               *x = nn_write_value(w, in(w, op, 0), 0);
    if (axis == type_in(w, op, 0)->rank - 1)
        return call(nn_write_format(w, "%s(%s)", name, x));
    return call(nn_write_format(w, "%s(%s, axis = %lld)", name, x, (long long)axis));
}

static nn_piece write_gelu(nn_writer *w, nnc_op op)
{
    return call(nn_write_format(w, "gelu(%s%s)", nn_write_value(w, in(w, op, 0), 0),
                                nnc_attr_int(w->m, op, NNC_W_approx, 0) ? ", approx = true" : ""));
}

nn_piece nn_write_op(nn_writer *w, nnc_op op)
{
    nn_piece p = no_form;
    switch (nnc_op_code(w->m, op)) {
#define CALL(op_, name)              \
    case NNC_OP_##op_:               \
        p = named_call(w, op, name); \
        break;
#define INFIX(op_, sign, level)                   \
    case NNC_OP_##op_:                            \
        p = infix(w, op, sign, NN_LEVEL_##level); \
        break;
#define FORM(op_, function)          \
    case NNC_OP_##op_:               \
        p = write_##function(w, op); \
        break;
#include "frontend/nn/write.def"
    default: break;
    }
    return p.s ? p : generic(w, op);
}
