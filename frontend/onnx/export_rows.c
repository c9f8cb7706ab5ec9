/* G ops as ONNX nodes.  Elementwise ops are a table of names; the rest is a function each.  Where ONNX lacks an op the
 * nearest composition is written; where there is none the export is refused by name. */
#include <math.h>
#include <string.h>
#include "frontend/onnx/export_cx.h"

#define IN(i) nnc_export_in(x, op, (i))

static nnc_dtype dtype_of(const nnc_export *x, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(x->m, v)->dtype;
}
static nnc_type_rec in_type(const nnc_export *x, nnc_op op, unsigned i)
{
    return *nnc_value_ty(x->m, nnc_op_in(x->m, op, i));
}
static nnc_type_rec out_type(const nnc_export *x, nnc_op op, unsigned i)
{
    return *nnc_value_ty(x->m, nnc_op_out(x->m, op, i));
}
static int64_t attr(const nnc_export *x, nnc_op op, nnc_word key, int64_t dflt)
{
    return nnc_attr_int(x->m, op, key, dflt);
}
static nnc_word word(const nnc_export *x, nnc_op op, nnc_word key, nnc_word dflt)
{
    return nnc_attr_word(x->m, op, key, dflt);
}

static void ints(const nnc_export *x, nnc_op op, nnc_word key, int n, int64_t dflt, int64_t *out)
{
    unsigned got;
    const int64_t *v = nnc_attr_ints(x->m, op, key, &got);
    for (int i = 0; i < n; i++)
        out[i] = (unsigned)i < got ? v[i] : dflt;
}

/* ---- elementwise ---- */

static const char *plain_name(nnc_opcode code, bool is_bool)
{
    switch (code) {
    case NNC_OP_neg: return "Neg";
    case NNC_OP_abs: return "Abs";
    case NNC_OP_sign: return "Sign";
    case NNC_OP_floor: return "Floor";
    case NNC_OP_ceil: return "Ceil";
    case NNC_OP_round: return "Round";
    case NNC_OP_exp: return "Exp";
    case NNC_OP_log: return "Log";
    case NNC_OP_sqrt: return "Sqrt";
    case NNC_OP_sin: return "Sin";
    case NNC_OP_cos: return "Cos";
    case NNC_OP_tan: return "Tan";
    case NNC_OP_asin: return "Asin";
    case NNC_OP_acos: return "Acos";
    case NNC_OP_atan: return "Atan";
    case NNC_OP_sinh: return "Sinh";
    case NNC_OP_cosh: return "Cosh";
    case NNC_OP_tanh: return "Tanh";
    case NNC_OP_asinh: return "Asinh";
    case NNC_OP_acosh: return "Acosh";
    case NNC_OP_atanh: return "Atanh";
    case NNC_OP_erf: return "Erf";
    case NNC_OP_sigmoid: return "Sigmoid";
    case NNC_OP_not: return is_bool ? "Not" : "BitwiseNot";
    case NNC_OP_isnan: return "IsNaN";
    case NNC_OP_isinf: return "IsInf";
    case NNC_OP_add: return "Add";
    case NNC_OP_sub: return "Sub";
    case NNC_OP_mul: return "Mul";
    case NNC_OP_div: return "Div";
    case NNC_OP_pow: return "Pow";
    case NNC_OP_max: return "Max";
    case NNC_OP_min: return "Min";
    case NNC_OP_and: return is_bool ? "And" : "BitwiseAnd";
    case NNC_OP_or: return is_bool ? "Or" : "BitwiseOr";
    case NNC_OP_xor: return is_bool ? "Xor" : "BitwiseXor";
    case NNC_OP_eq: return "Equal";
    case NNC_OP_lt: return "Less";
    case NNC_OP_le: return "LessOrEqual";
    case NNC_OP_select: return "Where";
    case NNC_OP_softplus: return "Softplus";
    default: return NULL;
    }
}

static const char *one(nnc_export *x, nnc_op op)
{
    return nnc_export_const_scalar(x, dtype_of(x, nnc_op_in(x->m, op, 0)), 1);
}

/* Elementwise ops that ONNX spells with two nodes. */
static const char *composed(nnc_export *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_expm1:
        return nnc_export_node(x, "Sub", 2, nnc_export_node(x, "Exp", 1, IN(0)), one(x, op));
    case NNC_OP_log1p:
        return nnc_export_node(x, "Log", 1, nnc_export_node(x, "Add", 2, IN(0), one(x, op)));
    case NNC_OP_rsqrt:
        return nnc_export_node(x, "Reciprocal", 1, nnc_export_node(x, "Sqrt", 1, IN(0)));
    case NNC_OP_trunc: {
        const char *mag = nnc_export_node(x, "Floor", 1, nnc_export_node(x, "Abs", 1, IN(0)));
        return nnc_export_node(x, "Mul", 2, nnc_export_node(x, "Sign", 1, IN(0)), mag);
    }
    case NNC_OP_rem: {
        const char *y = nnc_export_node(x, "Mod", 2, IN(0), IN(1));
        bool is_float = nnc_dtype_is_float(dtype_of(x, nnc_op_in(x->m, op, 0)));
        if (is_float &&
            !attr(x, op, NNC_W_fmod, 0)) { /* ONNX has the floored remainder of integers only */
            const char *q =
                nnc_export_node(x, "Floor", 1, nnc_export_node(x, "Div", 2, IN(0), IN(1)));
            return nnc_export_node(x, "Sub", 2, IN(0), nnc_export_node(x, "Mul", 2, q, IN(1)));
        }
        nnc_export_int(x, "fmod", attr(x, op, NNC_W_fmod, 0));
        return y;
    }
    case NNC_OP_gelu: {
        const char *y = nnc_export_node(x, "Gelu", 1, IN(0));
        nnc_export_str(x, "approximate", attr(x, op, NNC_W_approx, 0) ? "tanh" : "none");
        return y;
    }
    default: return NULL;
    }
}

static const char *shift(nnc_export *x, nnc_op op)
{
    if (nnc_dtype_infos[dtype_of(x, nnc_op_in(x->m, op, 0))].class != NNC_DC_UINT)
        return nnc_export_refuse(x, op, "ONNX shifts unsigned integers only"), "";
    const char *y = nnc_export_node(x, "BitShift", 2, IN(0), IN(1));
    nnc_export_str(x, "direction", nnc_op_code(x->m, op) == NNC_OP_shl ? "LEFT" : "RIGHT");
    return y;
}

static const char *cast(nnc_export *x, nnc_op op)
{
    nnc_dtype to = dtype_of(x, nnc_op_out(x->m, op, 0));
    const char *y = nnc_export_cast(x, IN(0), to);
    if (nnc_dtype_is_float(to) && nnc_dtype_bytes(to) == 1)
        nnc_export_int(x, "saturate", attr(x, op, NNC_W_saturate, 1));
    return y;
}

/* ---- movement ---- */

static const char *slice(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = out_type(x, op, 0);
    int64_t start[NNC_MAX_RANK], step[NNC_MAX_RANK], axes[NNC_MAX_RANK];
    nnc_dim end[NNC_MAX_RANK];
    ints(x, op, NNC_W_start, r.rank, 0, start);
    ints(x, op, NNC_W_step, r.rank, 1, step);
    for (int i = 0; i < r.rank; i++) {
        axes[i] = i;
        nnc_dim reach = nnc_dim_mul(x->m->dims, r.dim[i], nnc_dim_const(x->m->dims, step[i]));
        end[i] = nnc_dim_add(x->m->dims, start[i], reach);
        if (step[i] < 0)
            end[i] = nnc_dim_const(
                x->m->dims,
                INT64_MIN / 2); /* below the first element; sizes agree by construction */
        if (step[i] < 0 && nnc_dim_is_const(start[i]) && nnc_dim_is_const(r.dim[i]) &&
            start[i] + r.dim[i] * step[i] >= 0)
            end[i] = start[i] + r.dim[i] * step[i];
    }
    const char *s = nnc_export_dims(x, r.rank, start), *e = nnc_export_dims(x, r.rank, end);
    return nnc_export_node(x, "Slice", 5, IN(0), s, e, nnc_export_const_ints(x, r.rank, axes),
                           nnc_export_const_ints(x, r.rank, step));
}

static const char *pad(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = out_type(x, op, 0);
    nnc_dim pads[2 * NNC_MAX_RANK];
    ints(x, op, NNC_W_lo, r.rank, 0, pads);
    ints(x, op, NNC_W_hi, r.rank, 0, pads + r.rank);
    nnc_word mode = word(x, op, NNC_W_mode, NNC_W_constant);
    const char *at = nnc_export_node(x, "Concat", 2, nnc_export_dims(x, r.rank, pads),
                                     nnc_export_dims(x, r.rank, pads + r.rank));
    nnc_export_int(x, "axis", 0);
    const char *y = mode == NNC_W_constant ? nnc_export_node(x, "Pad", 3, IN(0), at, IN(1))
                                           : nnc_export_node(x, "Pad", 2, IN(0), at);
    nnc_export_str(x, "mode", nnc_sym_str(x->m, nnc_w(mode)));
    return y;
}

static const char *concat(nnc_export *x, nnc_op op)
{
    unsigned n = nnc_op_nin(x->m, op);
    const char **in = nnc_arena_array(x->a, n, sizeof *in), *out;
    for (unsigned i = 0; i < n; i++)
        in[i] = IN(i);
    nnc_export_node_v(x, "Concat", n, in, 1, &out);
    nnc_export_int(x, "axis", attr(x, op, NNC_W_axis, 0));
    return out;
}

/* 0 .. n-1 along the axis, reshaped and expanded. */
static const char *iota(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = out_type(x, op, 0);
    int axis = (int)attr(x, op, NNC_W_axis, 0);
    int64_t none = 0, shape[NNC_MAX_RANK];
    const char *n = nnc_export_dims(x, 1, &r.dim[axis]);
    n = nnc_export_node(x, "Squeeze", 2, n, nnc_export_const_ints(x, 1, &none));
    const char *y = nnc_export_node(x, "Range", 3, nnc_export_const_scalar(x, NNC_DT_i64, 0), n,
                                    nnc_export_const_scalar(x, NNC_DT_i64, 1));
    for (int i = 0; i < r.rank; i++)
        shape[i] = i == axis ? -1 : 1;
    y = nnc_export_node(x, "Reshape", 2, y, nnc_export_const_ints(x, r.rank, shape));
    if (r.dtype != NNC_DT_i64)
        y = nnc_export_cast(x, y, (nnc_dtype)r.dtype);
    return nnc_export_node(x, "Expand", 2, y, nnc_export_dims(x, r.rank, r.dim));
}

static const char *with_shape(nnc_export *x, nnc_op op, const char *name)
{
    nnc_type_rec r = out_type(x, op, 0);
    const char *y = nnc_export_node(x, name, 2, IN(0), nnc_export_dims(x, r.rank, r.dim));
    if (!strcmp(name, "Reshape"))
        nnc_export_int(x, "allowzero", 1);
    return y;
}

static const char *transpose(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = out_type(x, op, 0);
    int64_t perm[NNC_MAX_RANK];
    ints(x, op, NNC_W_perm, r.rank, 0, perm);
    const char *y = nnc_export_node(x, "Transpose", 1, IN(0));
    nnc_export_ints(x, "perm", r.rank, perm);
    return y;
}

static const char *gather(nnc_export *x, nnc_op op, const char *name)
{
    if (!strcmp(name, "Gather") && attr(x, op, NNC_W_batch_dims, 0))
        return nnc_export_refuse(x, op, "Gather has no batch dimensions"), "";
    const char *y = nnc_export_node(x, name, 2, IN(0), IN(1));
    if (strcmp(name, "GatherND"))
        nnc_export_int(x, "axis", attr(x, op, NNC_W_axis, 0));
    else
        nnc_export_int(x, "batch_dims", attr(x, op, NNC_W_batch_dims, 0));
    return y;
}

static const char *scatter(nnc_export *x, nnc_op op, const char *name)
{
    const char *y = nnc_export_node(x, name, 3, IN(0), IN(1), IN(2));
    nnc_word r = word(x, op, NNC_W_reduction, NNC_W_none);
    nnc_export_str(x, "reduction", nnc_sym_str(x->m, nnc_w(r)));
    if (strcmp(name, "ScatterND"))
        nnc_export_int(x, "axis", attr(x, op, NNC_W_axis, 0));
    return y;
}

/* The window starts where it fits. */
static const char *dynamic_slice(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = out_type(x, op, 0), from = in_type(x, op, 0);
    nnc_dim room[NNC_MAX_RANK];
    int64_t zero[NNC_MAX_RANK] = {0}, axes[NNC_MAX_RANK];
    for (int i = 0; i < r.rank; i++) {
        room[i] = nnc_dim_sub(x->m->dims, from.dim[i], r.dim[i]);
        axes[i] = i;
    }
    const char *s = nnc_export_node(x, "Max", 2, IN(1), nnc_export_const_ints(x, r.rank, zero));
    s = nnc_export_node(x, "Min", 2, s, nnc_export_dims(x, r.rank, room));
    const char *e = nnc_export_node(x, "Add", 2, s, nnc_export_dims(x, r.rank, r.dim));
    return nnc_export_node(x, "Slice", 4, IN(0), s, e, nnc_export_const_ints(x, r.rank, axes));
}

static const char *prefix(nnc_export *x, nnc_op op)
{
    int64_t zero = 0, axis = attr(x, op, NNC_W_axis, 0), shape = 1;
    const char *count =
        nnc_export_node(x, "Reshape", 2, IN(1), nnc_export_const_ints(x, 1, &shape));
    return nnc_export_node(x, "Slice", 4, IN(0), nnc_export_const_ints(x, 1, &zero), count,
                           nnc_export_const_ints(x, 1, &axis));
}

static const char *extent(nnc_export *x, nnc_op op)
{
    int64_t zero = 0;
    nnc_dim d = attr(x, op, NNC_W_dim, 0);
    return nnc_export_node(x, "Squeeze", 2, nnc_export_dims(x, 1, &d),
                           nnc_export_const_ints(x, 1, &zero));
}

/* ---- reductions ---- */

static const char *reduce(nnc_export *x, nnc_op op)
{
    nnc_word kind = word(x, op, NNC_W_kind, NNC_W_sum);
    bool logical = kind == NNC_W_and || kind == NNC_W_or;
    const char *name = kind == NNC_W_sum                       ? "ReduceSum"
                       : kind == NNC_W_prod                    ? "ReduceProd"
                       : kind == NNC_W_max || kind == NNC_W_or ? "ReduceMax"
                                                               : "ReduceMin";
    unsigned n;
    const int64_t *axes = nnc_attr_ints(x->m, op, NNC_W_axes, &n);
    const char *in = logical ? nnc_export_cast(x, IN(0), NNC_DT_u8) : IN(0);
    const char *y = nnc_export_node(x, name, 2, in, nnc_export_const_ints(x, n, axes));
    nnc_export_int(x, "keepdims", attr(x, op, NNC_W_keep, 0));
    nnc_export_int(x, "noop_with_empty_axes", 1);
    return logical ? nnc_export_cast(x, y, NNC_DT_bool) : y;
}

static const char *argreduce(nnc_export *x, nnc_op op)
{
    const char *y = nnc_export_node(
        x, word(x, op, NNC_W_kind, NNC_W_max) == NNC_W_max ? "ArgMax" : "ArgMin", 1, IN(0));
    nnc_export_int(x, "axis", attr(x, op, NNC_W_axis, 0));
    nnc_export_int(x, "keepdims", attr(x, op, NNC_W_keep, 0));
    nnc_export_int(x, "select_last_index", attr(x, op, NNC_W_last, 0));
    return y;
}

static const char *cumulate(nnc_export *x, nnc_op op)
{
    if (word(x, op, NNC_W_kind, NNC_W_add) != NNC_W_add)
        return nnc_export_refuse(x, op, "cumulative products came after this opset"), "";
    const char *y =
        nnc_export_node(x, "CumSum", 2, IN(0),
                        nnc_export_const_scalar(x, NNC_DT_i64, (double)attr(x, op, NNC_W_axis, 0)));
    nnc_export_int(x, "exclusive", attr(x, op, NNC_W_exclusive, 0));
    nnc_export_int(x, "reverse", attr(x, op, NNC_W_reverse, 0));
    return y;
}

/* Attributes of pools and convolutions over spatial dims [first, first + n). */
static void window_attrs(nnc_export *x, const int64_t *lo, const int64_t *hi, const int64_t *stride,
                         const int64_t *dilation, const int64_t *size, unsigned n)
{
    int64_t pads[2 * NNC_MAX_RANK];
    memcpy(pads, lo, n * sizeof *lo);
    memcpy(pads + n, hi, n * sizeof *hi);
    if (size)
        nnc_export_ints(x, "kernel_shape", n, size);
    nnc_export_ints(x, "strides", n, stride);
    nnc_export_ints(x, "dilations", n, dilation);
    nnc_export_ints(x, "pads", 2 * n, pads);
}

/* Pads of pools are constants; those that depend on sizes known at run time become a Pad of [1, 1, spatial..] before. */
static const char *pad_before(nnc_export *x, const char *in, nnc_word kind, nnc_dtype dt,
                              unsigned n, nnc_dim *lo, nnc_dim *hi)
{
    nnc_dim pads[2 * NNC_MAX_RANK] = {0};
    bool is_signed = nnc_dtype_is_float(dt) || nnc_dtype_infos[dt].numpy[0] != 'u';
    double least = nnc_dtype_is_float(dt) ? -INFINITY
                   : is_signed            ? -ldexp(1, (int)nnc_dtype_infos[dt].bits - 1)
                                          : 0;
    memcpy(pads + 2, lo, n * sizeof *lo);
    memcpy(pads + n + 4, hi, n * sizeof *hi);
    memset(lo, 0, n * sizeof *lo);
    memset(hi, 0, n * sizeof *hi);
    const char *at = nnc_export_dims(x, 2 * (n + 2), pads);
    return nnc_export_node(x, "Pad", 3, in, at,
                           nnc_export_const_scalar(x, dt, kind == NNC_W_max ? least : 0));
}

/* Windows over the trailing dims; a batch and a channel of 1 are added in front, so that any rank fits. */
static const char *window(nnc_export *x, nnc_op op, bool arg)
{
    nnc_type_rec r = in_type(x, op, 0), to = out_type(x, op, 0);
    nnc_word kind = arg ? NNC_W_max : word(x, op, NNC_W_kind, NNC_W_max);
    int64_t size[NNC_MAX_RANK], stride[NNC_MAX_RANK], dil[NNC_MAX_RANK], lo[NNC_MAX_RANK],
        hi[NNC_MAX_RANK];
    ints(x, op, NNC_W_size, r.rank, 1, size);
    ints(x, op, NNC_W_stride, r.rank, 1, stride);
    ints(x, op, NNC_W_dilation, r.rank, 1, dil);
    ints(x, op, NNC_W_lo, r.rank, 0, lo);
    ints(x, op, NNC_W_hi, r.rank, 0, hi);
    int lead = 0;
    while (lead < r.rank && size[lead] == 1 && stride[lead] == 1 && lo[lead] == 0 && hi[lead] == 0)
        lead++;
    bool plain = lead >= 2 && r.rank - lead <= 3 && lead == 2;
    if (!plain && r.rank - lead > 3)
        return nnc_export_refuse(x, op, "a pool over more than three dimensions"), "";
    if (kind == NNC_W_min || (arg && !plain))
        return nnc_export_refuse(x, op,
                                 "ONNX has maximum and average pools over trailing dimensions"),
               "";
    nnc_dim flat[NNC_MAX_RANK] = {1, 1};
    unsigned n = (unsigned)(r.rank - lead);
    for (int i = 0; i < lead; i++)
        flat[0] = nnc_dim_mul(x->m->dims, flat[0], r.dim[i]);
    memcpy(flat + 2, r.dim + lead, n * sizeof *flat);
    const char *in = plain
                         ? IN(0)
                         : nnc_export_node(x, "Reshape", 2, IN(0), nnc_export_dims(x, n + 2, flat)),
               *out[2];
    bool symbolic = false;
    for (unsigned i = 0; i < n; i++)
        symbolic |= !nnc_dim_is_const(lo[lead + (int)i]) || !nnc_dim_is_const(hi[lead + (int)i]);
    if (symbolic && arg)
        return nnc_export_refuse(
                   x, op,
                   "positions of maxima under padding that depends on sizes known at run time"),
               "";
    if (symbolic)
        in = pad_before(x, in, kind, (nnc_dtype)r.dtype, n, lo + lead, hi + lead);
    nnc_export_node_v(x, kind == NNC_W_max ? "MaxPool" : "AveragePool", 1, &in, arg ? 2 : 1, out);
    window_attrs(x, lo + lead, hi + lead, stride + lead, dil + lead, size + lead, n);
    if (kind == NNC_W_sum) {
        double cells = 1;
        for (unsigned i = 0; i < n; i++)
            cells *= (double)size[lead + (int)i];
        nnc_export_int(x, "count_include_pad", 1);
        out[0] = nnc_export_node(x, "Mul", 2, out[0],
                                 nnc_export_const_scalar(x, (nnc_dtype)r.dtype, cells));
    }
    return plain ? out[arg]
                 : nnc_export_node(x, "Reshape", 2, out[0], nnc_export_dims(x, to.rank, to.dim));
}

/* ---- contractions ---- */

/* Einsum says any contraction: letters for batch, contracted and free dims. */
static const char *dot(nnc_export *x, nnc_op op)
{
    nnc_type_rec a = in_type(x, op, 0), b = in_type(x, op, 1), y = out_type(x, op, 0);
    unsigned nb, nc, k;
    char la[NNC_MAX_RANK + 1] = "", lb[NNC_MAX_RANK + 1] = "", ly[2 * NNC_MAX_RANK + 1] = "",
                           next = 'a';
    const int64_t *ba = nnc_attr_ints(x->m, op, NNC_W_batch_a, &nb),
                  *bb = nnc_attr_ints(x->m, op, NNC_W_batch_b, &k);
    size_t n = 0;
    for (unsigned i = 0; i < nb; i++)
        ly[n++] = la[ba[i]] = lb[bb[i]] = next++;
    const int64_t *ca = nnc_attr_ints(x->m, op, NNC_W_contract_a, &nc),
                  *cb = nnc_attr_ints(x->m, op, NNC_W_contract_b, &k);
    for (unsigned i = 0; i < nc; i++)
        la[ca[i]] = lb[cb[i]] = next++;
    for (int i = 0; i < a.rank; i++)
        if (!la[i])
            ly[n++] = la[i] = next++;
    for (int i = 0; i < b.rank; i++)
        if (!lb[i])
            ly[n++] = lb[i] = next++;
    const char *l = IN(0), *r = IN(1);
    if (a.dtype != y.dtype)
        l = nnc_export_cast(x, l, (nnc_dtype)y.dtype);
    if (b.dtype != y.dtype)
        r = nnc_export_cast(x, r, (nnc_dtype)y.dtype);
    bool matmul = a.rank == 2 && b.rank == 2 && nc == 1 && ca[0] == 1 && cb[0] == 0;
    const char *out = nnc_export_node(x, matmul ? "MatMul" : "Einsum", 2, l, r);
    if (!matmul)
        nnc_export_str(x, "equation",
                       nnc_arena_printf(x->a, "%.*s,%.*s->%s", a.rank, la, b.rank, lb, ly));
    return out;
}

static const char *permute(nnc_export *x, const char *v, unsigned n, const int64_t *perm)
{
    const char *y = nnc_export_node(x, "Transpose", 1, v);
    nnc_export_ints(x, "perm", n, perm);
    return y;
}

/* Weights [M, C/groups, k..] of a convolution as [C, M/groups, k..] with every window turned round. */
static const char *turned_weights(nnc_export *x, const char *w, const nnc_dim *k, int64_t m,
                                  int64_t c, int64_t groups, unsigned n)
{
    int64_t split[NNC_MAX_RANK + 1] = {groups, m / groups, c},
                                 join[NNC_MAX_RANK] = {groups * c, m / groups};
    int64_t perm[NNC_MAX_RANK + 1] = {0, 2, 1}, from[NNC_MAX_RANK], to[NNC_MAX_RANK],
                                axis[NNC_MAX_RANK], step[NNC_MAX_RANK];
    for (unsigned i = 0; i < n; i++) {
        split[3 + i] = join[2 + i] = k[i];
        perm[3 + i] = 3 + i;
        axis[i] = 2 + i;
        from[i] = step[i] = -1;
        to[i] = INT64_MIN;
    }
    if (groups > 1) {
        w = nnc_export_node(x, "Reshape", 2, w, nnc_export_const_ints(x, n + 3, split));
        w = nnc_export_node(x, "Reshape", 2, permute(x, w, n + 3, perm),
                            nnc_export_const_ints(x, n + 2, join));
    } else {
        int64_t swap[NNC_MAX_RANK] = {1, 0};
        for (unsigned i = 0; i < n; i++)
            swap[2 + i] = 2 + i;
        w = permute(x, w, n + 2, swap);
    }
    return nnc_export_node(x, "Slice", 5, w, nnc_export_const_ints(x, n, from),
                           nnc_export_const_ints(x, n, to), nnc_export_const_ints(x, n, axis),
                           nnc_export_const_ints(x, n, step));
}

/* A convolution of a dilated input is a transposed one; what its pads cannot take off the end is output_padding. */
static const char *conv_transposed(nnc_export *x, nnc_op op, const char *in, const char *w,
                                   bool nhwc)
{
    nnc_type_rec t = in_type(x, op, 1);
    unsigned n = t.rank - 2u, at = nhwc ? 0 : 2;
    int64_t groups = attr(x, op, NNC_W_groups, 1), adj[NNC_MAX_RANK];
    int64_t stride[NNC_MAX_RANK], dil[NNC_MAX_RANK], lhs[NNC_MAX_RANK], lo[NNC_MAX_RANK],
        hi[NNC_MAX_RANK];
    ints(x, op, NNC_W_stride, (int)n, 1, stride);
    ints(x, op, NNC_W_dilation, (int)n, 1, dil);
    ints(x, op, NNC_W_lhs_dilation, (int)n, 1, lhs);
    ints(x, op, NNC_W_lo, (int)n, 0, lo);
    ints(x, op, NNC_W_hi, (int)n, 0, hi);
    for (unsigned i = 0; i < n; i++) {
        int64_t reach = (t.dim[at + i] - 1) * dil[i];
        if (stride[i] != 1 || lo[i] > reach)
            return nnc_export_refuse(x, op,
                                     "a convolution with a dilated or cropped input and a stride "
                                     "or wide padding"),
                   "";
        lo[i] = reach - lo[i];
        hi[i] = reach - hi[i];
        adj[i] = hi[i] < 0 ? -hi[i] : 0;
        hi[i] += adj[i];
    }
    int64_t m = t.dim[nhwc ? n + 1 : 0], c = t.dim[nhwc ? n : 1];
    const char *y = nnc_export_node(x, "ConvTranspose", 2, in,
                                    turned_weights(x, w, t.dim + at, m, c, groups, n));
    window_attrs(x, lo, hi, lhs, dil, NULL, n);
    nnc_export_ints(x, "output_padding", n, adj);
    nnc_export_int(x, "group", groups);
    return y;
}

static const char *conv(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = in_type(x, op, 0), to = out_type(x, op, 0);
    unsigned n = r.rank - 2u;
    int64_t stride[NNC_MAX_RANK], dil[NNC_MAX_RANK], lhs[NNC_MAX_RANK], lo[NNC_MAX_RANK],
        hi[NNC_MAX_RANK], back[NNC_MAX_RANK] = {0};
    bool nhwc = word(x, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nhwc;
    ints(x, op, NNC_W_stride, (int)n, 1, stride);
    ints(x, op, NNC_W_dilation, (int)n, 1, dil);
    ints(x, op, NNC_W_lhs_dilation, (int)n, 1, lhs);
    ints(x, op, NNC_W_lo, (int)n, 0, lo);
    ints(x, op, NNC_W_hi, (int)n, 0, hi);
    nnc_type_rec tw = in_type(x, op, 1);
    bool whole = !nnc_dtype_is_float((nnc_dtype)to.dtype),
         bytes = nnc_dtype_infos[r.dtype].bits == 8 && nnc_dtype_infos[tw.dtype].bits == 8;
    if (whole && (!bytes || to.dtype != NNC_DT_i32))
        return nnc_export_refuse(x, op, "a convolution of integers that are not 8 bits wide"), "";
    const char *in = IN(0), *w = IN(1);
    if (!whole && r.dtype != to.dtype) {
        in = nnc_export_cast(x, in, (nnc_dtype)to.dtype);
        w = nnc_export_cast(x, w, (nnc_dtype)to.dtype);
    }
    bool transposed = false;
    for (unsigned i = 0; i < n; i++)
        transposed |= lhs[i] != 1 || lo[i] < 0 || hi[i] < 0;
    if (whole && transposed)
        return nnc_export_refuse(x, op, "a transposed convolution of integers"), "";
    if (nhwc) {
        int64_t p[NNC_MAX_RANK] = {0, r.rank - 1}, q[NNC_MAX_RANK] = {r.rank - 1, r.rank - 2};
        for (unsigned i = 0; i < n; i++) {
            p[2 + i] = 1 + i;
            q[2 + i] = i;
            back[1 + i] = 2 + i;
        }
        back[n + 1] = 1;
        in = permute(x, in, r.rank, p);
        w = permute(x, w, r.rank, q);
    }
    const char *y = transposed ? conv_transposed(x, op, in, w, nhwc)
                               : nnc_export_node(x, whole ? "ConvInteger" : "Conv", 2, in, w);
    if (!transposed) {
        window_attrs(x, lo, hi, stride, dil, NULL, n);
        nnc_export_int(x, "group", attr(x, op, NNC_W_groups, 1));
    }
    return nhwc ? permute(x, y, r.rank, back) : y;
}

/* ---- several results, composites, control flow ---- */

static void topk(nnc_export *x, nnc_op op)
{
    nnc_dim k = attr(x, op, NNC_W_k, 1);
    const char *in[2] = {IN(0), nnc_export_dims(x, 1, &k)}, *out[2];
    nnc_export_node_v(x, "TopK", 2, in, 2, out);
    nnc_export_int(x, "axis", attr(x, op, NNC_W_axis, 0));
    nnc_export_int(x, "largest", attr(x, op, NNC_W_largest, 1));
    nnc_export_bind(x, op, 0, out[0]);
    nnc_export_bind(x, op, 1, out[1]);
}

/* Keys through TopK of the whole axis; the values follow by GatherElements. */
static void sort(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = in_type(x, op, 0);
    int64_t axis = attr(x, op, NNC_W_axis, 0);
    const char *in[2] = {IN(0), nnc_export_dims(x, 1, &r.dim[axis])}, *out[2];
    nnc_export_node_v(x, "TopK", 2, in, 2, out);
    nnc_export_int(x, "axis", axis);
    nnc_export_int(x, "largest", attr(x, op, NNC_W_descending, 0));
    nnc_export_bind(x, op, 0, out[0]);
    for (unsigned i = 1; i < nnc_op_nin(x->m, op); i++) {
        const char *y = nnc_export_node(x, "GatherElements", 2, IN(i), out[1]);
        nnc_export_int(x, "axis", axis);
        nnc_export_bind(x, op, i, y);
    }
}

/* Compress drops the rest at once: a `prefix` of it is then the identity. */
static void compact(nnc_export *x, nnc_op op)
{
    const char *y = nnc_export_node(x, "Compress", 2, IN(0), IN(1));
    nnc_export_int(x, "axis", 0);
    nnc_export_bind(x, op, 0, y);
    y = nnc_export_node(x, "ReduceSum", 1, nnc_export_cast(x, IN(1), NNC_DT_i64));
    nnc_export_int(x, "keepdims", 0);
    nnc_export_bind(x, op, 1, y);
}

static const char *along(nnc_export *x, nnc_op op, const char *name)
{
    const char *y = nnc_export_node(x, name, 1, IN(0));
    nnc_export_int(x, "axis", attr(x, op, NNC_W_axis, -1));
    return y;
}

static const char *layer_norm(nnc_export *x, nnc_op op)
{
    nnc_type_rec r = in_type(x, op, 0);
    int axis = (int)attr(x, op, NNC_W_axis, 0);
    const char *ones = nnc_export_node(x, "Expand", 2, one(x, op),
                                       nnc_export_dims(x, (unsigned)(r.rank - axis), r.dim + axis));
    const char *y = nnc_export_node(x, "LayerNormalization", 2, IN(0), ones);
    nnc_export_int(x, "axis", axis);
    nnc_export_float(x, "epsilon", nnc_attr_float(x->m, op, NNC_W_eps, 1e-5));
    return y;
}

static const char *quantize(nnc_export *x, nnc_op op, const char *name)
{
    const char *y = nnc_export_node(x, name, 3, IN(0), IN(1), IN(2));
    nnc_export_int(x, "axis", attr(x, op, NNC_W_axis, 0));
    if (attr(x, op, NNC_W_block, 0))
        nnc_export_int(x, "block_size", attr(x, op, NNC_W_block, 0));
    return y;
}

static void bind_all(nnc_export *x, nnc_op op, const char *const *out)
{
    for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
        nnc_export_bind(x, op, i, out[i]);
}

static void branch(nnc_export *x, nnc_op op)
{
    unsigned n = nnc_op_nout(x->m, op);
    const char **out = nnc_arena_array(x->a, n + 1u, sizeof *out), *cond = IN(0);
    Onnx__GraphProto *yes = nnc_export_block(x, nnc_op_region(x->m, op, 0), "then"),
                     *no = nnc_export_block(x, nnc_op_region(x->m, op, 1), "else");
    nnc_export_node_v(x, "If", 1, &cond, n, out);
    nnc_export_graph_attr(x, "then_branch", yes);
    nnc_export_graph_attr(x, "else_branch", no);
    bind_all(x, op, out);
}

/* scan as Scan: the counter becomes one more scanned input, an i64 range. */
static void scan(nnc_export *x, nnc_op op)
{
    unsigned carried = (unsigned)attr(x, op, NNC_W_carried, 0), n = nnc_op_nin(x->m, op),
             nout = nnc_op_nout(x->m, op);
    nnc_dim trips = attr(x, op, NNC_W_trips, 0);
    int64_t none = 0;
    const char **in = nnc_arena_array(x->a, n + 1u, sizeof *in),
               **out = nnc_arena_array(x->a, nout + 1u, sizeof *out);
    for (unsigned i = 0; i < carried; i++)
        in[i] = IN(i);
    const char *t = nnc_export_node(x, "Squeeze", 2, nnc_export_dims(x, 1, &trips),
                                    nnc_export_const_ints(x, 1, &none));
    for (unsigned i = carried; i < n; i++)
        in[i] = IN(i);
    in[n] = nnc_export_node(x, "Range", 3, nnc_export_const_scalar(x, NNC_DT_i64, 0), t,
                            nnc_export_const_scalar(x, NNC_DT_i64, 1));
    Onnx__GraphProto *body = nnc_export_block(x, nnc_op_region(x->m, op, 0), "body");
    Onnx__ValueInfoProto *counter = body->input[0]; /* our first argument is their last */
    memmove(body->input, body->input + 1, (body->n_input - 1) * sizeof *body->input);
    body->input[body->n_input - 1] = counter;
    nnc_export_node_v(x, "Scan", n + 1, in, nout, out);
    nnc_export_graph_attr(x, "body", body);
    nnc_export_int(x, "num_scan_inputs", n - carried + 1);
    if (attr(x, op, NNC_W_reverse, 0)) {
        unsigned most = n - carried + 1 > nout - carried ? n - carried + 1 : nout - carried;
        int64_t *backwards = nnc_arena_array(x->a, most, sizeof *backwards);
        for (unsigned i = 0; i < most; i++)
            backwards[i] = 1;
        nnc_export_ints(x, "scan_input_directions", n - carried + 1, backwards);
        nnc_export_ints(x, "scan_output_directions", nout - carried, backwards);
    }
    bind_all(x, op, out);
}

static void several(nnc_export *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_topk: topk(x, op); break;
    case NNC_OP_sort: sort(x, op); break;
    case NNC_OP_compact: compact(x, op); break;
    case NNC_OP_if: branch(x, op); break;
    case NNC_OP_scan: scan(x, op); break;
    case NNC_OP_state: /* an input and an output; what it begins with is the caller's */ break;
    case NNC_OP_check: break; /* a guard; the numbers do not need it */
    default: nnc_export_refuse(x, op, "it has no counterpart"); break;
    }
}

static const char *moved(nnc_export *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_reshape: return with_shape(x, op, "Reshape");
    case NNC_OP_broadcast: return with_shape(x, op, "Expand");
    case NNC_OP_transpose: return transpose(x, op);
    case NNC_OP_slice: return slice(x, op);
    case NNC_OP_pad: return pad(x, op);
    case NNC_OP_concat: return concat(x, op);
    case NNC_OP_iota: return iota(x, op);
    case NNC_OP_gather: return gather(x, op, "Gather");
    case NNC_OP_gather_elements: return gather(x, op, "GatherElements");
    case NNC_OP_gather_nd: return gather(x, op, "GatherND");
    case NNC_OP_scatter_elements: return scatter(x, op, "ScatterElements");
    case NNC_OP_scatter_nd: return scatter(x, op, "ScatterND");
    case NNC_OP_dynamic_slice: return dynamic_slice(x, op);
    case NNC_OP_prefix: return prefix(x, op);
    case NNC_OP_extent: return extent(x, op);
    default: return NULL;
    }
}

static const char *computed(nnc_export *x, nnc_op op)
{
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_shl:
    case NNC_OP_shr: return shift(x, op);
    case NNC_OP_cast: return cast(x, op);
    case NNC_OP_reduce: return reduce(x, op);
    case NNC_OP_argreduce: return argreduce(x, op);
    case NNC_OP_cumulate: return cumulate(x, op);
    case NNC_OP_window_reduce: return window(x, op, false);
    case NNC_OP_window_argmax: return window(x, op, true);
    case NNC_OP_dot: return dot(x, op);
    case NNC_OP_conv: return conv(x, op);
    case NNC_OP_softmax: return along(x, op, "Softmax");
    case NNC_OP_log_softmax: return along(x, op, "LogSoftmax");
    case NNC_OP_layer_norm: return layer_norm(x, op);
    case NNC_OP_quantize: return quantize(x, op, "QuantizeLinear");
    case NNC_OP_dequantize: return quantize(x, op, "DequantizeLinear");
    default: return composed(x, op);
    }
}

void nnc_export_op(nnc_export *x, nnc_op op)
{
    unsigned n = nnc_op_nin(x->m, op);
    bool is_bool = n && dtype_of(x, nnc_op_in(x->m, op, 0)) == NNC_DT_bool;
    const char *plain = plain_name(nnc_op_code(x->m, op), is_bool), *y = NULL;
    if (plain)
        y = n == 1   ? nnc_export_node(x, plain, 1, IN(0))
            : n == 2 ? nnc_export_node(x, plain, 2, IN(0), IN(1))
                     : nnc_export_node(x, plain, 3, IN(0), IN(1), IN(2));
    if (!y)
        y = moved(x, op);
    if (!y)
        y = computed(x, op);
    if (y)
        nnc_export_bind(x, op, 0, y);
    else
        several(x, op);
}
