/* frontend/onnx/cx.c - the helpers of rows: operands, checks with diagnostics, small graph idioms. */
#include "frontend/onnx/import_cx.h"
#include <assert.h>
#include <string.h>

nnc_status nnc_cx_error(nnc_onnx_cx *cx, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(cx->a, fmt, ap);
    va_end(ap);
    return nnc_error(cx->diag, cx->b.loc, "%s", text);
}

const char *nnc_cx_dim_text(nnc_onnx_cx *cx, nnc_dim d)
{
    return nnc_dim_text(cx->dims, d);
}

const char *nnc_cx_type_text(nnc_onnx_cx *cx, nnc_value v)
{
    nnc_type_rec ty = nnc_cx_ty(cx, v);
    const char *s = nnc_arena_printf(cx->a, "%s[", nnc_dtype_infos[ty.dtype].name);
    for (int i = 0; i < ty.rank; i++)
        s = nnc_arena_printf(cx->a, "%s%s%s", s, i ? "," : "", nnc_dim_text(cx->dims, ty.dim[i]));
    return nnc_arena_printf(cx->a, "%s]", s);
}

/* ---- inputs and outputs ---- */

const nnc_val *nnc_cx_val(const nnc_onnx_cx *cx, uint32_t i)
{
    static const nnc_val absent;
    return i < cx->nin ? &cx->in[i] : &absent;
}

bool nnc_cx_has(const nnc_onnx_cx *cx, uint32_t i)
{
    return nnc_cx_val(cx, i)->kind != NNC_VAL_absent;
}

nnc_value nnc_cx_in(const nnc_onnx_cx *cx, uint32_t i)
{
    const nnc_val *v = nnc_cx_val(cx, i);
    return v->kind == NNC_VAL_tensor ? v->v : (nnc_value){0};
}

bool nnc_cx_wants(const nnc_onnx_cx *cx, uint32_t i)
{
    return nnc_onnx_node_out(cx->node, i).id != 0;
}

void nnc_cx_set(nnc_onnx_cx *cx, uint32_t i, nnc_value v)
{
    nnc_cx_set_val(cx, i, (nnc_val){.kind = NNC_VAL_tensor, .v = v});
}

void nnc_cx_set_val(nnc_onnx_cx *cx, uint32_t i, nnc_val v)
{
    if (i < cx->nout)
        cx->out[i] = v;
}

/* ---- types ---- */

nnc_type_rec nnc_cx_ty(const nnc_onnx_cx *cx, nnc_value v)
{
    return *nnc_value_ty(cx->m, v);
}

nnc_dtype nnc_cx_dtype(const nnc_onnx_cx *cx, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(cx->m, v)->dtype;
}

int nnc_cx_rank(const nnc_onnx_cx *cx, nnc_value v)
{
    return nnc_value_ty(cx->m, v)->rank;
}

nnc_dim nnc_cx_dim(const nnc_onnx_cx *cx, nnc_value v, int axis)
{
    assert(axis >= 0 && axis < nnc_cx_rank(cx, v));
    return nnc_value_ty(cx->m, v)->dim[axis];
}

nnc_dtype nnc_cx_elem(nnc_onnx_cx *cx, int64_t elem)
{
    nnc_dtype dt = elem > 0 && elem < 1000 ? nnc_dtype_by_onnx((int)elem) : NNC_DT_none;
    if (dt == NNC_DT_string)
        return nnc_cx_error(cx, "tensors of strings cannot be compiled; only constant ones that "
                                "are not used at run time may "
                                "occur: move the strings out of the model"),
               NNC_DT_none;
    if (!dt)
        nnc_cx_error(cx, "element type %lld is not supported", (long long)elem);
    return dt;
}

/* ---- constants that are needed ---- */

static nnc_status not_known(nnc_onnx_cx *cx, uint32_t i, const char *what)
{
    return nnc_cx_error(
        cx,
        "%s ('%s') is only known at run time; it must be a constant or follow from shapes: fold "
        "constants before exporting, or make it an initializer",
        what, nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, i)));
}

nnc_status nnc_cx_need_ints(nnc_onnx_cx *cx, uint32_t i, const char *what, uint32_t *n,
                            const int64_t **at)
{
    return nnc_cx_ints(cx, nnc_cx_in(cx, i), n, at) ? NNC_OK : not_known(cx, i, what);
}

nnc_status nnc_cx_need_int(nnc_onnx_cx *cx, uint32_t i, const char *what, int64_t *out)
{
    return nnc_cx_int(cx, nnc_cx_in(cx, i), out) ? NNC_OK : not_known(cx, i, what);
}

nnc_status nnc_cx_need_float(nnc_onnx_cx *cx, uint32_t i, const char *what, double *out)
{
    return nnc_cx_float(cx, nnc_cx_in(cx, i), out) ? NNC_OK : not_known(cx, i, what);
}

/* The two ways out are told by the same words everywhere. */
nnc_status nnc_cx_unknown_shape(nnc_onnx_cx *cx, uint32_t i, const char *what)
{
    return nnc_cx_error(cx,
                        "%s ('%s') is only known at run time and output '%s' has no declared "
                        "static shape; fold constants "
                        "before exporting, fix the input shapes, or declare the output's shape",
                        what, nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, i)),
                        nnc_onnx_name(cx->model, nnc_onnx_node_out(cx->node, 0)));
}

/* ---- checks ---- */

nnc_status nnc_cx_axis(nnc_onnx_cx *cx, int64_t axis, int rank, const char *what, int *out)
{
    if (axis < -rank || axis >= rank)
        return nnc_cx_error(cx, "%s %lld is out of range for rank %d, expected %d .. %d", what,
                            (long long)axis, rank, -rank, rank - 1);
    *out = (int)(axis < 0 ? axis + rank : axis);
    return NNC_OK;
}

nnc_status nnc_cx_axes(nnc_onnx_cx *cx, uint32_t n, const int64_t *axes, int rank, const char *what,
                       int64_t *out)
{
    unsigned seen = 0;
    for (uint32_t i = 0; i < n; i++) {
        int axis;
        NNC_TRY(nnc_cx_axis(cx, axes[i], rank, what, &axis));
        if (seen & 1u << axis)
            return nnc_cx_error(cx, "%s names axis %d twice", what, axis);
        seen |= 1u << axis;
        out[i] = axis;
    }
    return NNC_OK;
}

nnc_status nnc_cx_same_dim(nnc_onnx_cx *cx, nnc_dim x, nnc_dim y, const char *what, nnc_dim *out)
{
    nnc_dim d = nnc_dim_sub(cx->dims, x, y);
    *out = nnc_dim_is_const(y) ? y : x;
    if (x == y)
        return NNC_OK;
    if (nnc_dim_lo(cx->dims, d) > 0 || nnc_dim_hi(cx->dims, d) < 0)
        return nnc_cx_error(cx, "%s: dimensions %s and %s differ", what, nnc_cx_dim_text(cx, x),
                            nnc_cx_dim_text(cx, y));
    const char *text = nnc_arena_printf(cx->a, "%s: dimensions %s and %s must be equal", what,
                                        nnc_cx_dim_text(cx, x), nnc_cx_dim_text(cx, y));
    nnc_g_check(&cx->b, nnc_cx_op2(cx, NNC_OP_eq, nnc_g_extent(&cx->b, x), nnc_g_extent(&cx->b, y)),
                text);
    return NNC_OK;
}

nnc_status nnc_cx_rank_is(nnc_onnx_cx *cx, nnc_value v, int rank, const char *what)
{
    if (nnc_cx_rank(cx, v) != rank)
        return nnc_cx_error(cx, "%s is %s, expected rank %d", what, nnc_cx_type_text(cx, v), rank);
    return NNC_OK;
}

nnc_status nnc_cx_bad_attr(nnc_onnx_cx *cx, const char *name, const char *want)
{
    const nnc_onnx_attr *a = nnc_onnx_node_attr(cx->node, name);
    if (a && a->kind == NNC_ONNX_ATTR_int)
        return nnc_cx_error(cx, "attribute %s is %lld, expected %s", name, (long long)a->u.i, want);
    if (a && a->kind == NNC_ONNX_ATTR_float)
        return nnc_cx_error(cx, "attribute %s is %g, expected %s", name, (double)a->u.f, want);
    if (a && a->kind == NNC_ONNX_ATTR_string)
        return nnc_cx_error(cx, "attribute %s is '%.40s', expected %s", name, a->u.s.s, want);
    return nnc_cx_error(cx, "attribute %s %s, expected %s", name, a ? "is wrong" : "is missing",
                        want);
}

nnc_status nnc_cx_check(nnc_onnx_cx *cx, nnc_value cond, const char *message)
{
    uint32_t n;
    const int64_t *at;
    int64_t axes[NNC_MAX_RANK] = {0, 1, 2, 3, 4, 5, 6, 7};
    int rank = nnc_cx_rank(cx, cond);

    if (nnc_cx_ints(cx, cond, &n, &at)) {
        for (uint32_t i = 0; i < n; i++)
            if (!at[i])
                return nnc_cx_error(cx, "%s", message);
        return NNC_OK;
    }
    if (rank)
        cond = nnc_g_reduce(&cx->b, NNC_W_and, cond, (unsigned)rank, axes, false);
    nnc_g_check(&cx->b, cond, message);
    return NNC_OK;
}

/* ---- building ---- */

nnc_value nnc_cx_num(nnc_onnx_cx *cx, nnc_dtype dt, double v)
{
    return nnc_dtype_is_float(dt) ? nnc_g_float(&cx->b, dt, v) : nnc_g_int(&cx->b, dt, (int64_t)v);
}

nnc_value nnc_cx_like(nnc_onnx_cx *cx, nnc_value x, double v)
{
    return nnc_cx_num(cx, nnc_cx_dtype(cx, x), v);
}

nnc_value nnc_cx_op1(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x)
{
    return nnc_g_unary(&cx->b, code, x);
}

nnc_value nnc_cx_op2(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x, nnc_value y)
{
    return nnc_g_binary(&cx->b, code, x, y);
}

nnc_status nnc_cx_broadcast(nnc_onnx_cx *cx, uint32_t n, const nnc_value *x, nnc_type_rec *ty)
{
    *ty = nnc_cx_ty(cx, x[0]);
    ty->rank = 0;
    for (uint32_t k = 0; k < n; k++)
        if (nnc_cx_rank(cx, x[k]) > ty->rank)
            ty->rank = (uint8_t)nnc_cx_rank(cx, x[k]);
    for (int i = 0; i < ty->rank; i++)
        ty->dim[i] = 1;
    for (uint32_t k = 0; k < n; k++) {
        nnc_type_rec t = nnc_cx_ty(cx, x[k]);
        for (int i = 0; i < t.rank; i++) {
            nnc_dim *d = &ty->dim[ty->rank - t.rank + i];
            if (*d == 1)
                *d = t.dim[i];
            else if (t.dim[i] != 1 && t.dim[i] != *d) {
                const char *what =
                    k ? nnc_arena_printf(cx->a, "operands %s and %s do not broadcast",
                                         nnc_cx_type_text(cx, x[k - 1]), nnc_cx_type_text(cx, x[k]))
                      : "operands";
                NNC_TRY(nnc_cx_same_dim(cx, *d, t.dim[i], what, d));
            }
        }
    }
    return NNC_OK;
}

nnc_status nnc_cx_binary(nnc_onnx_cx *cx, nnc_opcode code, nnc_value x, nnc_value y, nnc_value *out)
{
    nnc_type_rec ty;
    nnc_value in[2] = {x, y};
    NNC_TRY(nnc_cx_broadcast(cx, 2, in, &ty));
    *out = nnc_g_binary(&cx->b, code, x, y);
    return NNC_OK;
}

nnc_value nnc_cx_reshape(nnc_onnx_cx *cx, nnc_value x, int rank, const nnc_dim *dim)
{
    return nnc_g_reshape(&cx->b, x, rank, dim);
}

nnc_value nnc_cx_flat(nnc_onnx_cx *cx, nnc_value x)
{
    nnc_dim n = nnc_type_size(cx->m, nnc_value_type(cx->m, x));
    return nnc_g_reshape(&cx->b, x, 1, &n);
}

nnc_value nnc_cx_scalar(nnc_onnx_cx *cx, nnc_value x)
{
    return nnc_cx_rank(cx, x) ? nnc_g_reshape(&cx->b, x, 0, NULL) : x;
}

nnc_value nnc_cx_expand_dim(nnc_onnx_cx *cx, nnc_value x, int axis)
{
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    memmove(&ty.dim[axis + 1], &ty.dim[axis], (size_t)(ty.rank - axis) * sizeof(nnc_dim));
    ty.dim[axis] = 1;
    return nnc_g_reshape(&cx->b, x, ty.rank + 1, ty.dim);
}

nnc_value nnc_cx_drop_dim(nnc_onnx_cx *cx, nnc_value x, int axis)
{
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    assert(ty.dim[axis] == 1);
    memmove(&ty.dim[axis], &ty.dim[axis + 1], (size_t)(ty.rank - axis - 1) * sizeof(nnc_dim));
    return nnc_g_reshape(&cx->b, x, ty.rank - 1, ty.dim);
}

nnc_value nnc_cx_extent(nnc_onnx_cx *cx, nnc_dim d, nnc_dtype dt)
{
    int64_t v;
    if (nnc_dim_value(cx->dims, d, &v))
        return nnc_cx_num(cx, dt, (double)v);
    return nnc_g_cast(&cx->b, nnc_g_extent(&cx->b, d), dt);
}

nnc_value nnc_cx_shape(nnc_onnx_cx *cx, int rank, const nnc_dim *dim)
{
    bool fixed = true;
    int64_t v[NNC_MAX_RANK];
    nnc_value part[NNC_MAX_RANK];
    nnc_dim one = 1;

    for (int i = 0; i < rank; i++)
        fixed &= nnc_dim_value(cx->dims, dim[i], &v[i]);
    if (fixed)
        return nnc_g_ints(&cx->b, (unsigned)rank, v);
    for (int i = 0; i < rank; i++)
        part[i] = nnc_g_reshape(&cx->b, nnc_cx_extent(cx, dim[i], NNC_DT_i64), 1, &one);
    return nnc_g_concat(&cx->b, (unsigned)rank, part, 0);
}

nnc_value nnc_cx_full(nnc_onnx_cx *cx, nnc_value scalar, int rank, const nnc_dim *dim)
{
    return nnc_g_broadcast(&cx->b, scalar, rank, dim);
}

nnc_value nnc_cx_sum(nnc_onnx_cx *cx, nnc_value x, unsigned n, const int64_t *axes, bool keep)
{
    return nnc_g_reduce(&cx->b, NNC_W_sum, x, n, axes, keep);
}

nnc_value nnc_cx_mean(nnc_onnx_cx *cx, nnc_value x, unsigned n, const int64_t *axes, bool keep)
{
    nnc_dim count = 1;
    nnc_dtype dt = nnc_cx_dtype(cx, x);
    for (unsigned i = 0; i < n; i++)
        count = nnc_dim_mul(cx->dims, count, nnc_cx_dim(cx, x, (int)axes[i]));
    return nnc_cx_op2(cx, NNC_OP_div, nnc_cx_sum(cx, x, n, axes, keep),
                      nnc_cx_extent(cx, count, dt));
}

nnc_value nnc_cx_wrap_index(nnc_onnx_cx *cx, nnc_value i, nnc_dim n)
{
    uint32_t count;
    const int64_t *at;
    nnc_dtype dt = nnc_cx_dtype(cx, i);
    bool negative = false;
    int64_t size;

    if (nnc_cx_ints(cx, i, &count, &at)) {
        for (uint32_t k = 0; k < count; k++)
            negative |= at[k] < 0;
        if (!negative)
            return i;
        if (nnc_dim_value(cx->dims, n, &size)) {
            int64_t *to = nnc_arena_array(cx->a, count, sizeof *to);
            nnc_type_rec ty = nnc_cx_ty(cx, i);
            for (uint32_t k = 0; k < count; k++)
                to[k] = at[k] < 0 ? at[k] + size : at[k];
            return nnc_g_const_data(&cx->b, NNC_DT_i64, ty.rank, ty.dim, to);
        }
    }
    nnc_value wrapped = nnc_cx_op2(cx, NNC_OP_add, i, nnc_cx_extent(cx, n, dt));
    return nnc_g_select(&cx->b, nnc_cx_op2(cx, NNC_OP_lt, i, nnc_cx_num(cx, dt, 0)), wrapped, i);
}

nnc_value nnc_cx_prefix(nnc_onnx_cx *cx, nnc_value x, nnc_value count, int axis)
{
    nnc_sym out = nnc_onnx_node_out(cx->node, 0);
    const char *stem = out.id ? nnc_onnx_name(cx->model, out) : cx->node->op;
    char *s = nnc_arena_printf(cx->a, "%.40s_dim%d", stem, axis);
    for (char *p = s; *p; p++)
        if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
              (*p >= '0' && *p <= '9' && p != s) || *p == '_'))
            *p = '_';
    nnc_dim d = nnc_dim_fresh(cx->dims, s, 0, nnc_dim_hi(cx->dims, nnc_cx_dim(cx, x, axis)));
    return nnc_g_prefix(&cx->b, x, count, axis, d);
}

nnc_value nnc_cx_widen(nnc_onnx_cx *cx, nnc_value x)
{
    nnc_dtype dt = nnc_cx_dtype(cx, x);
    return dt == NNC_DT_f64 || dt == NNC_DT_f32 ? x : nnc_g_cast(&cx->b, x, NNC_DT_f32);
}
