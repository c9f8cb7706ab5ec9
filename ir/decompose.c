/* Composites as primitives.  Half floats are computed in f32 and rounded once at the end where ONNX defines the
 * operator that way (layer norm) or by one formula (gelu, softplus); softmax rounds after each step, because ONNX's
 * own results do. */
#include "ir/decompose.h"
#include <assert.h>
#include <math.h>

static nnc_dtype dtype_of(const nnc_builder *b, nnc_value x)
{
    return (nnc_dtype)nnc_value_ty(b->m, x)->dtype;
}

/* The dtype to compute in. */
static nnc_dtype wide(nnc_dtype dt)
{
    return dt == NNC_DT_f64 || !nnc_dtype_is_float(dt) ? dt : NNC_DT_f32;
}

static nnc_value bin(nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value y)
{
    return nnc_g_binary(b, code, x, y);
}
static nnc_value un(nnc_builder *b, nnc_opcode code, nnc_value x)
{
    return nnc_g_unary(b, code, x);
}

/* x op c for a constant of x's dtype. */
static nnc_value with(nnc_builder *b, nnc_opcode code, nnc_value x, double c)
{
    return bin(b, code, x, nnc_g_float(b, dtype_of(b, x), c));
}

/* ---- rows ---- */

static nnc_value softmax(nnc_builder *b, nnc_value x, int64_t axis, bool log)
{
    nnc_value top = nnc_g_reduce(b, NNC_W_max, x, 1, &axis, true);
    nnc_value shifted = bin(b, NNC_OP_sub, x, top), e = un(b, NNC_OP_exp, shifted);
    nnc_value sum = nnc_g_reduce(b, NNC_W_sum, e, 1, &axis, true);
    return log ? bin(b, NNC_OP_sub, shifted, un(b, NNC_OP_log, sum)) : bin(b, NNC_OP_div, e, sum);
}

/* The number of elements in dims [axis, rank) as a float scalar. */
static nnc_value count_from(nnc_builder *b, nnc_value x, int axis)
{
    const nnc_type_rec r = *nnc_value_ty(b->m, x);
    nnc_dim n = 1;
    for (int i = axis; i < r.rank; i++)
        n = nnc_dim_mul(b->m->dims, n, r.dim[i]);
    return nnc_g_cast(b, nnc_g_extent(b, n), dtype_of(b, x));
}

static nnc_value layer_norm(nnc_builder *b, nnc_value x, int axis, double eps)
{
    int64_t axes[NNC_MAX_RANK];
    unsigned n = 0;
    for (int i = axis; i < nnc_value_ty(b->m, x)->rank; i++)
        axes[n++] = i;
    nnc_value count = count_from(b, x, axis);
    nnc_value mean = bin(b, NNC_OP_div, nnc_g_reduce(b, NNC_W_sum, x, n, axes, true), count);
    nnc_value d = bin(b, NNC_OP_sub, x, mean);
    nnc_value var = bin(b, NNC_OP_div,
                        nnc_g_reduce(b, NNC_W_sum, bin(b, NNC_OP_mul, d, d), n, axes, true), count);
    nnc_value scale = un(b, NNC_OP_rsqrt, with(b, NNC_OP_add, var, eps));
    return bin(b, NNC_OP_mul, d, scale);
}

/* ---- maps ---- */

static nnc_value gelu(nnc_builder *b, nnc_value x, bool approx)
{
    nnc_value t;
    if (approx) { /* tanh(sqrt(2 / pi) * (x + 0.044715 x^3)) */
        nnc_value cube = bin(b, NNC_OP_mul, bin(b, NNC_OP_mul, x, x), x);
        nnc_value inner = bin(b, NNC_OP_add, x, with(b, NNC_OP_mul, cube, 0.044715));
        t = un(b, NNC_OP_tanh, with(b, NNC_OP_mul, inner, 0.7978845608028654));
    } else {
        t = un(b, NNC_OP_erf, with(b, NNC_OP_mul, x, M_SQRT1_2));
    }
    return bin(b, NNC_OP_mul, with(b, NNC_OP_mul, x, 0.5), with(b, NNC_OP_add, t, 1.0));
}

/* max(x, 0) + log1p(exp(-|x|)): never overflows, keeps small results. */
static nnc_value softplus(nnc_builder *b, nnc_value x)
{
    nnc_value small =
        un(b, NNC_OP_log1p, un(b, NNC_OP_exp, un(b, NNC_OP_neg, un(b, NNC_OP_abs, x))));
    return bin(b, NNC_OP_add, with(b, NNC_OP_max, x, 0.0), small);
}

/* ---- quantisation ---- */

/* Repeat each entry of s along axis `block` times and cut to n. */
static nnc_value spread_blocks(nnc_builder *b, nnc_value s, int axis, int64_t block, nnc_dim n)
{
    const nnc_type_rec r = *nnc_value_ty(b->m, s);
    nnc_dim dim[NNC_MAX_RANK];
    int k = 0;
    if (r.rank == NNC_MAX_RANK) { /* no room for one more dim: by index */
        nnc_value i = nnc_g_iota(b, NNC_DT_i64, 1, &n, 0);
        return nnc_g_gather(b, s, bin(b, NNC_OP_div, i, nnc_g_int(b, NNC_DT_i64, block)), axis, 0);
    }
    for (int i = 0; i < r.rank; i++) {
        dim[k++] = r.dim[i];
        if (i == axis)
            dim[k++] = 1;
    }
    nnc_value v = nnc_g_reshape(b, s, k, dim);
    dim[axis + 1] = block;
    v = nnc_g_broadcast(b, v, k, dim);
    for (int i = 0; i < r.rank; i++)
        dim[i] = i == axis ? nnc_dim_mul(b->m->dims, r.dim[i], block) : r.dim[i];
    return nnc_g_slice_axis(b, nnc_g_reshape(b, v, r.rank, dim), axis, 0, 1, n);
}

/* scale or zero in a shape that broadcasts against x. */
static nnc_value aligned(nnc_builder *b, nnc_op op, nnc_value x, nnc_value s)
{
    const nnc_type_rec rx = *nnc_value_ty(b->m, x), rs = *nnc_value_ty(b->m, s);
    int axis = (int)nnc_attr_int(b->m, op, NNC_W_axis, 0);
    int64_t block = nnc_attr_int(b->m, op, NNC_W_block, 0);
    nnc_dim dim[NNC_MAX_RANK];
    if (!rs.rank)
        return s;
    if (block > 0)
        return spread_blocks(b, s, axis, block, rx.dim[axis]);
    for (int i = 0; i < rx.rank; i++)
        dim[i] = i == axis ? rs.dim[0] : 1;
    return nnc_g_reshape(b, s, rx.rank, dim);
}

static int64_t int_min(nnc_dtype dt)
{
    return nnc_dtype_infos[dt].class == NNC_DC_SINT ? -(1ll << (nnc_dtype_infos[dt].bits - 1)) : 0;
}

static int64_t int_max(nnc_dtype dt)
{
    unsigned bits = nnc_dtype_infos[dt].bits;
    return nnc_dtype_infos[dt].class == NNC_DC_SINT ? (1ll << (bits - 1)) - 1 : (1ll << bits) - 1;
}

/* round(q) + zero, saturated.  The quotient is clamped to [min - zero, max - zero] first, so that neither the conversion
 * nor the sum can leave i32; both bounds are exact in f32 because targets have at most 16 bits. */
static nnc_value to_integer(nnc_builder *b, nnc_value q, nnc_value zero, nnc_dtype to)
{
    nnc_value z = nnc_g_cast(b, zero, NNC_DT_i32);
    nnc_value lo = bin(b, NNC_OP_sub, nnc_g_int(b, NNC_DT_i32, int_min(to)), z);
    nnc_value hi = bin(b, NNC_OP_sub, nnc_g_int(b, NNC_DT_i32, int_max(to)), z);
    nnc_dtype dt = dtype_of(b, q);
    q = bin(b, NNC_OP_max, un(b, NNC_OP_round, q), nnc_g_cast(b, lo, dt));
    q = bin(b, NNC_OP_min, q, nnc_g_cast(b, hi, dt));
    return nnc_g_cast(b, bin(b, NNC_OP_add, nnc_g_cast(b, q, NNC_DT_i32), z), to);
}

/* To 4- and 8-bit floats.  The zero of 8-bit floats is 0 by definition; f4e2m1 adds it. */
static nnc_value to_float(nnc_builder *b, nnc_value q, nnc_value zero, nnc_dtype to,
                          int64_t saturate)
{
    if (nnc_dtype_infos[to].bits < 8)
        q = bin(b, NNC_OP_add, q, nnc_g_cast(b, zero, dtype_of(b, q)));
    nnc_type t = nnc_type_tensor(b->m, to, nnc_value_ty(b->m, q)->rank, nnc_value_ty(b->m, q)->dim);
    nnc_op op = nnc_build_op(b, NNC_OP_cast, 1, &q, 1, &t);
    nnc_attr_set_int(b->m, op, NNC_W_saturate, saturate);
    return nnc_op_out(b->m, op, 0);
}

/* The division is done in the dtype of the scale (ONNX: `precision` defaults to it), or in that of x when wider. */
static nnc_value quantize(nnc_builder *b, nnc_op op, nnc_value x, nnc_value scale, nnc_value zero)
{
    nnc_dtype dx = dtype_of(b, x), ds = dtype_of(b, scale), to = dtype_of(b, zero);
    nnc_dtype dt = nnc_dtype_infos[ds].bits < 16 ? NNC_DT_f32 : ds;
    if (nnc_dtype_is_float(dx) && nnc_dtype_infos[dx].bits > nnc_dtype_infos[dt].bits)
        dt = dx;
    nnc_value s = aligned(b, op, x, nnc_g_cast(b, scale, dt)), z = aligned(b, op, x, zero);
    nnc_value q = bin(b, NNC_OP_div, nnc_g_cast(b, x, dt), s);
    if (nnc_dtype_is_float(to))
        return to_float(b, q, z, to, nnc_attr_int(b->m, op, NNC_W_saturate, 1));
    return to_integer(b, nnc_g_cast(b, q, wide(dt)), z, to);
}

static bool is_zero(nnc_builder *b, nnc_value v)
{
    double d;
    return nnc_value_number(b->m, v, &d) && d == 0.0;
}

static nnc_value dequantize(nnc_builder *b, nnc_op op, nnc_value q, nnc_value scale, nnc_value zero)
{
    nnc_dtype dq = dtype_of(b, q), ds = dtype_of(b, scale), dt = wide(ds);
    nnc_value v = q;
    if (nnc_dtype_is_int(dq) && !is_zero(b, zero)) {
        nnc_dtype mid = nnc_dtype_infos[dq].bits < 32 ? NNC_DT_i32 : NNC_DT_i64;
        v = bin(b, NNC_OP_sub, nnc_g_cast(b, q, mid), aligned(b, op, q, nnc_g_cast(b, zero, mid)));
    }
    nnc_value y =
        bin(b, NNC_OP_mul, nnc_g_cast(b, v, dt), aligned(b, op, q, nnc_g_cast(b, scale, dt)));
    return nnc_g_cast(b, y, ds);
}

void nnc_decompose(nnc_builder *b, nnc_op op, const nnc_value *in, nnc_value *out)
{
    nnc_opcode code = nnc_op_code(b->m, op);
    int axis = (int)nnc_attr_int(b->m, op, NNC_W_axis, 0);
    if (code == NNC_OP_quantize) {
        out[0] = quantize(b, op, in[0], in[1], in[2]);
        return;
    }
    if (code == NNC_OP_dequantize) {
        out[0] = dequantize(b, op, in[0], in[1], in[2]);
        return;
    }
    nnc_dtype dt = dtype_of(b, in[0]);
    bool stepwise = code == NNC_OP_softmax || code == NNC_OP_log_softmax;
    nnc_value x = nnc_g_cast(b, in[0], stepwise ? dt : wide(dt)), y = x;
    switch (code) {
    case NNC_OP_softmax: y = softmax(b, x, axis, false); break;
    case NNC_OP_log_softmax: y = softmax(b, x, axis, true); break;
    case NNC_OP_layer_norm:
        y = layer_norm(b, x, axis, nnc_attr_float(b->m, op, NNC_W_eps, 0.0));
        break;
    case NNC_OP_gelu: y = gelu(b, x, nnc_attr_int(b->m, op, NNC_W_approx, 0) != 0); break;
    case NNC_OP_softplus: y = softplus(b, x); break;
    default: assert(!"a composite without a definition");
    }
    out[0] = nnc_g_cast(b, y, dt);
}
