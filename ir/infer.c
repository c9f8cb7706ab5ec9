/* The dispatch over the `infer` column, the helpers of all inference functions, and the elementwise ops.
 *
 * Shapes are checked for what is surely wrong.  Two unequal dimensions of which one is symbolic are accepted when
 * their bounds intersect: whether they agree is then a question for run time, and the pass `shapes` collects it. */
#include "ir/infer.h"
#include "ir/infer_fn.h"
#include "ir/text.h"
#include <assert.h>

static nnc_infer_fn *const infer_of[NNC_OP_COUNT] = {
    [NNC_OP_none] = nnc_infer_none,
#define OP(name, levels, nin, nout, nregions, traits, infer, eval, class, d, doc) \
    [NNC_OP_##name] = nnc_infer_##infer,
#include "ir/ops.def"
};

static bool arity_fits(int want, unsigned have)
{
    return want < 0 ? have >= (unsigned)(-want - 1) : have == (unsigned)want;
}

nnc_status nnc_infer(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_opcode code = nnc_op_code(m, op);
    const nnc_op_info *info = &nnc_op_infos[code];
    if (!arity_fits(info->nin, nnc_op_nin(m, op)))
        return nnc_infer_error(m, op, "has %u operands, needs %s%d", nnc_op_nin(m, op),
                               info->nin < 0 ? "at least " : "",
                               info->nin < 0 ? -info->nin - 1 : info->nin);
    if (!arity_fits(info->nout, nnc_op_nout(m, op)))
        return nnc_infer_error(m, op, "has %u results, needs %s%d", nnc_op_nout(m, op),
                               info->nout < 0 ? "at least " : "",
                               info->nout < 0 ? -info->nout - 1 : info->nout);
    return infer_of[code](m, op, out);
}

/* ---- helpers ---- */

nnc_status nnc_infer_error(nnc_module *m, nnc_op op, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *text = nnc_arena_vprintf(m->arena, fmt, ap);
    va_end(ap);
    return nnc_error(m->diag, nnc_op_loc(m, op), "%s: %s", nnc_op_infos[nnc_op_code(m, op)].name,
                     text);
}

const char *nnc_infer_text(nnc_module *m, nnc_op op, unsigned operand)
{
    return nnc_print_type(m, nnc_value_type(m, nnc_op_in(m, op, operand)));
}

nnc_status nnc_infer_tensor(nnc_module *m, nnc_op op, unsigned i, nnc_type_rec *out)
{
    *out = *nnc_value_ty(m, nnc_op_in(m, op, i));
    if (out->kind == NNC_TYPE_tensor)
        return NNC_OK;
    return nnc_infer_error(m, op, "operand %u has type %s, needs a tensor", i,
                           nnc_infer_text(m, op, i));
}

nnc_status nnc_infer_operand(nnc_module *m, nnc_op op, unsigned i, nnc_dtype dt, int rank,
                             const char *what)
{
    nnc_type_rec t;
    NNC_TRY(nnc_infer_tensor(m, op, i, &t));
    if ((dt && t.dtype != dt) || (rank >= 0 && t.rank != rank))
        return nnc_infer_error(m, op, "%s has type %s, needs %s of rank %d", what,
                               nnc_infer_text(m, op, i), dt ? nnc_dtype_infos[dt].name : "a tensor",
                               rank >= 0 ? rank : t.rank);
    return NNC_OK;
}

nnc_status nnc_infer_axis(nnc_module *m, nnc_op op, nnc_word key, int rank, int *axis)
{
    int64_t v = nnc_attr_int(m, op, key, -1);
    if (v < 0 || v >= rank)
        return nnc_infer_error(m, op, "%s is %lld, must be from 0 to %d for rank %d",
                               nnc_sym_str(m, nnc_w(key)), (long long)v, rank - 1, rank);
    *axis = (int)v;
    return NNC_OK;
}

nnc_status nnc_infer_ints(nnc_module *m, nnc_op op, nnc_word key, unsigned want, int64_t *out)
{
    unsigned n;
    const int64_t *at = nnc_attr_ints(m, op, key, &n);
    if (n != want)
        return nnc_infer_error(m, op, "%s has %u entries, needs %u", nnc_sym_str(m, nnc_w(key)), n,
                               want);
    for (unsigned i = 0; i < n; i++)
        out[i] = at[i];
    return NNC_OK;
}

nnc_status nnc_infer_axes(nnc_module *m, nnc_op op, nnc_word key, int rank, unsigned *n,
                          int64_t *out)
{
    const int64_t *at = nnc_attr_ints(m, op, key, n);
    unsigned seen = 0;
    if (*n > (unsigned)rank)
        return nnc_infer_error(m, op, "%s names %u axes of rank %d", nnc_sym_str(m, nnc_w(key)), *n,
                               rank);
    for (unsigned i = 0; i < *n; i++) {
        out[i] = at[i];
        if (at[i] < 0 || at[i] >= rank || (seen >> at[i] & 1))
            return nnc_infer_error(
                m, op, "%s names axis %lld %s", nnc_sym_str(m, nnc_w(key)), (long long)at[i],
                at[i] < 0 || at[i] >= rank ? nnc_arena_printf(m->arena, "of rank %d", rank)
                                           : "twice");
        seen |= 1u << at[i];
    }
    return NNC_OK;
}

bool nnc_dim_meet(nnc_dims *t, nnc_dim a, nnc_dim b, nnc_dim *out)
{
    *out = nnc_dim_is_const(b) && !nnc_dim_is_const(a) ? b : a;
    return a == b || (nnc_dim_lo(t, a) <= nnc_dim_hi(t, b) && nnc_dim_lo(t, b) <= nnc_dim_hi(t, a));
}

nnc_dim nnc_dim_shift(nnc_dims *t, nnc_dim d, int64_t v)
{
    return v >= 0 ? nnc_dim_add(t, d, v) : nnc_dim_sub(t, d, -v);
}

bool nnc_type_compatible(nnc_module *m, nnc_type a, nnc_type b)
{
    const nnc_type_rec x = *nnc_type_get(m, a), y = *nnc_type_get(m, b);
    nnc_dim d;
    if (a.id == b.id)
        return true;
    if (x.kind != y.kind || x.dtype != y.dtype || x.rank != y.rank || x.lanes != y.lanes ||
        x.space != y.space)
        return false;
    for (int i = 0; i < x.rank; i++)
        if (!nnc_dim_meet(m->dims, x.dim[i], y.dim[i], &d) ||
            (x.kind == NNC_TYPE_buffer && x.stride[i] != y.stride[i]))
            return false;
    return true;
}

bool nnc_broadcast_dims(nnc_dims *t, int ra, const nnc_dim *a, int rb, const nnc_dim *b, int *r,
                        nnc_dim *out)
{
    nnc_dim res[NNC_MAX_RANK]; /* out may be a or b */
    *r = ra > rb ? ra : rb;
    for (int i = 0; i < *r; i++) {
        nnc_dim x = i < *r - ra ? 1 : a[i - (*r - ra)], y = i < *r - rb ? 1 : b[i - (*r - rb)];
        if (x == 1 || y == 1)
            res[i] = x == 1 ? y : x;
        else if (!nnc_dim_meet(t, x, y, &res[i]))
            return false;
    }
    for (int i = 0; i < *r; i++)
        out[i] = res[i];
    return true;
}

/* ---- elementwise: tensors at G, scalars and vectors at K ---- */

static nnc_status is_data(nnc_module *m, nnc_op op, unsigned i)
{
    uint8_t kind = nnc_value_ty(m, nnc_op_in(m, op, i))->kind;
    if (kind == NNC_TYPE_tensor || kind == NNC_TYPE_scalar)
        return NNC_OK;
    return nnc_infer_error(m, op, "operand %u has type %s, needs a tensor or scalar", i,
                           nnc_infer_text(m, op, i));
}

/* The common shape (or lanes) of operands from `first` on, in *r with the dtype of operand `first`. */
static nnc_status common_shape(nnc_module *m, nnc_op op, unsigned first, nnc_type_rec *r)
{
    unsigned n = nnc_op_nin(m, op);
    for (unsigned i = first; i < n; i++) {
        NNC_TRY(is_data(m, op, i));
        const nnc_type_rec x = *nnc_value_ty(m, nnc_op_in(m, op, i));
        int rank;
        if (i == first) {
            *r = x;
            continue;
        }
        if (x.kind != r->kind || (x.lanes != r->lanes && x.lanes != 1 && r->lanes != 1))
            return nnc_infer_error(m, op, "operand %u has type %s beside %s", i,
                                   nnc_infer_text(m, op, i), nnc_infer_text(m, op, first));
        if (!nnc_broadcast_dims(m->dims, r->rank, r->dim, x.rank, x.dim, &rank, r->dim))
            return nnc_infer_error(m, op, "shapes %s and %s do not broadcast",
                                   nnc_infer_text(m, op, first), nnc_infer_text(m, op, i));
        r->rank = (uint8_t)rank;
        r->lanes = x.lanes > r->lanes ? x.lanes : r->lanes; /* K: a scalar stands for equal lanes */
    }
    return NNC_OK;
}

static nnc_type with_dtype(nnc_module *m, const nnc_type_rec *r, nnc_dtype dt)
{
    return r->kind == NNC_TYPE_scalar ? nnc_type_scalar(m, dt, r->lanes)
                                      : nnc_type_tensor(m, dt, r->rank, r->dim);
}

static nnc_status equal_dtypes(nnc_module *m, nnc_op op, unsigned first)
{
    nnc_dtype a = (nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, first))->dtype;
    for (unsigned i = first + 1; i < nnc_op_nin(m, op); i++)
        if (nnc_value_ty(m, nnc_op_in(m, op, i))->dtype != a)
            return nnc_infer_error(m, op,
                                   "operands have types %s and %s, their dtypes must be equal",
                                   nnc_infer_text(m, op, first), nnc_infer_text(m, op, i));
    return NNC_OK;
}

nnc_status nnc_infer_broadcast(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec r;
    NNC_TRY(common_shape(m, op, 0, &r));
    NNC_TRY(equal_dtypes(m, op, 0));
    out[0] = with_dtype(m, &r, (nnc_dtype)r.dtype);
    return NNC_OK;
}

nnc_status nnc_infer_compare(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec r;
    NNC_TRY(common_shape(m, op, 0, &r));
    NNC_TRY(equal_dtypes(m, op, 0));
    out[0] = with_dtype(m, &r, NNC_DT_bool);
    return NNC_OK;
}

nnc_status nnc_infer_pred(nnc_module *m, nnc_op op, nnc_type *out)
{
    NNC_TRY(is_data(m, op, 0));
    const nnc_type_rec r = *nnc_value_ty(m, nnc_op_in(m, op, 0));
    out[0] = with_dtype(m, &r, NNC_DT_bool);
    return NNC_OK;
}

nnc_status nnc_infer_select(nnc_module *m, nnc_op op, nnc_type *out)
{
    nnc_type_rec r;
    NNC_TRY(common_shape(m, op, 0, &r));
    NNC_TRY(equal_dtypes(m, op, 1));
    if (nnc_value_ty(m, nnc_op_in(m, op, 0))->dtype != NNC_DT_bool)
        return nnc_infer_error(m, op, "the condition has type %s, needs bool",
                               nnc_infer_text(m, op, 0));
    out[0] = with_dtype(m, &r, (nnc_dtype)nnc_value_ty(m, nnc_op_in(m, op, 1))->dtype);
    return NNC_OK;
}

/* cast and bitcast: the dtype is given by the result. */
nnc_status nnc_infer_cast(nnc_module *m, nnc_op op, nnc_type *out)
{
    NNC_TRY(is_data(m, op, 0));
    const nnc_type_rec x = *nnc_value_ty(m, nnc_op_in(m, op, 0));
    nnc_dtype to = (nnc_dtype)nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype;
    if (!to)
        return nnc_infer_error(m, op, "the result has no dtype");
    if (nnc_op_code(m, op) == NNC_OP_bitcast &&
        nnc_dtype_infos[x.dtype].bits != nnc_dtype_infos[to].bits)
        return nnc_infer_error(m, op, "from %s to %s: the widths differ",
                               nnc_dtype_infos[x.dtype].name, nnc_dtype_infos[to].name);
    if ((x.dtype == NNC_DT_string) != (to == NNC_DT_string))
        return nnc_infer_error(m, op, "from %s to %s is not a conversion of numbers",
                               nnc_dtype_infos[x.dtype].name, nnc_dtype_infos[to].name);
    out[0] = with_dtype(m, &x, to);
    return NNC_OK;
}
