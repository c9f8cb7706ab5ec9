/* frontend/onnx/known.c - what is known about the elements of a value at import time.
 *
 * Two questions, both answered from the G ops behind a value, on demand, and remembered per value:
 *   whole     everything it depends on is constant: the interpreter computes it once;
 *   elements  a small tensor some of whose elements are numbers or dimension expressions: each op that shape
 *             arithmetic is made of is evaluated on such elements here.
 * After every node its small outputs are asked, so that the recursion never goes deeper than one node's ops. */
#include <math.h>
#include <string.h>
#include "frontend/onnx/import_priv.h"
#include "ir/eval.h"

enum {
    MAX_ELEMS = 4096,
    MAX_DEPTH = 400,
    MAX_BYTES = 64 << 20 /* of a constant that is computed here */
};

nnc_fact *nnc_import_fact(nnc_onnx_cx *cx, nnc_value v)
{
    struct nnc_import *im = cx->im;
    if (v.id >= im->fact.n) {
        NNC_RESERVE(cx->a, &im->fact, v.id + 64 > 2 * im->fact.cap ? v.id + 64 : 2 * im->fact.cap);
        im->fact.n = im->fact.cap;
    }
    return &im->fact.at[v.id];
}

/* ---- whole constants ----------------------------------------------------------------------------------- */

static bool const_at(nnc_onnx_cx *cx, nnc_value v, nnc_tensor *out, unsigned depth);

/* Does an attribute speak of a size that only the run knows? */
static bool asks_for_size(nnc_onnx_cx *cx, nnc_op op)
{
    static const nnc_word keys[] = {NNC_W_start, NNC_W_lo, NNC_W_hi};
    unsigned n;

    if (nnc_op_code(cx->m, op) == NNC_OP_extent || nnc_op_code(cx->m, op) == NNC_OP_prefix)
        return true;
    for (size_t k = 0; k < sizeof keys / sizeof *keys && nnc_op_code(cx->m, op) != NNC_OP_conv;
         k++) {
        const int64_t *at = nnc_attr_ints(cx->m, op, keys[k], &n);
        for (unsigned i = 0; i < n; i++)
            if (at[i] < 0)
                return true;
    }
    return false;
}

static bool const_op(nnc_onnx_cx *cx, nnc_op op, nnc_value v, nnc_tensor *out, unsigned depth)
{
    unsigned nin = nnc_op_nin(cx->m, op), nout = nnc_op_nout(cx->m, op);
    nnc_opcode code = nnc_op_code(cx->m, op);

    if (!nnc_op_has(cx->m, op, NNC_PURE) || nnc_op_nregion(cx->m, op) || asks_for_size(cx, op) ||
        code == NNC_OP_rng_bits || !nnc_type_is_static(cx->m, nnc_value_type(cx->m, v)))
        return false;
    for (unsigned i = 0; i < nout; i++)
        if (nnc_type_bytes(cx->m, nnc_value_type(cx->m, nnc_op_out(cx->m, op, i))) > MAX_BYTES)
            return false;
    nnc_tensor *in = nnc_arena_array(cx->a, nin + 1, sizeof *in),
               *res = nnc_arena_array(cx->a, nout, sizeof *res);
    for (unsigned i = 0; i < nin; i++)
        if (!const_at(cx, nnc_op_in(cx->m, op, i), &in[i], depth + 1))
            return false;
    if (nnc_interp_op(cx->m, op, cx->a, in, res) != NNC_OK)
        return false;
    for (unsigned i = 0; i < nout; i++) {
        nnc_fact *f = nnc_import_fact(cx, nnc_op_out(cx->m, op, i));
        f->whole = nnc_arena_copy(cx->a, &res[i], sizeof res[i]);
        f->const_done = 1;
    }
    *out = *nnc_import_fact(cx, v)->whole;
    return true;
}

static bool const_at(nnc_onnx_cx *cx, nnc_value v, nnc_tensor *out, unsigned depth)
{
    nnc_fact *f = nnc_import_fact(cx, v);
    nnc_op op;

    if (f->const_done) {
        if (f->whole)
            *out = *f->whole;
        return f->whole != NULL;
    }
    if (depth > MAX_DEPTH)
        return false;
    f->const_done = 2;
    if (nnc_tensor_of(cx->m, v, out)) {
        f = nnc_import_fact(cx, v);
        if ((uintptr_t)out->data %
            nnc_dtype_bytes(out->dtype)) /* weights in a mapped file lie anywhere */
            out->data = nnc_arena_copy(cx->a, out->data, nnc_tensor_bytes(out));
        f->whole = nnc_arena_copy(cx->a, out, sizeof *out);
        f->const_done = 1;
        return true;
    }
    op = nnc_value_op(cx->m, v);
    bool ok = op.id && const_op(cx, op, v, out, depth);
    nnc_import_fact(cx, v)->const_done = 1;
    return ok;
}

bool nnc_cx_const(nnc_onnx_cx *cx, nnc_value v, nnc_tensor *out)
{
    return v.id && const_at(cx, v, out, 0);
}

/* ---- elements ------------------------------------------------------------------------------------------ */

static const nnc_known *known_at(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, unsigned depth);

static nnc_known fixed_int(int64_t i)
{
    return (nnc_known){NNC_KNOWN_fixed, i, (double)i};
}
static nnc_known fixed_float(double f)
{
    return (nnc_known){NNC_KNOWN_fixed, 0, f};
}

/* A dimension as an element: a plain number when it is one. */
static nnc_known of_dim(nnc_onnx_cx *cx, nnc_dim d)
{
    int64_t v;
    if (nnc_dim_value(cx->dims, d, &v))
        return fixed_int(v);
    return (nnc_known){NNC_KNOWN_dim, d, 1};
}

static nnc_dim to_dim(nnc_onnx_cx *cx, nnc_known k)
{
    return k.kind == NNC_KNOWN_dim ? k.i : nnc_dim_const(cx->dims, k.i);
}

static const nnc_known *of_tensor(nnc_onnx_cx *cx, const nnc_tensor *t, uint32_t n)
{
    nnc_known *at = nnc_arena_array(cx->a, n + 1, sizeof *at);
    size_t step = nnc_dtype_bytes(t->dtype);
    for (uint32_t i = 0; i < n; i++) {
        nnc_num x = nnc_num_load(t->dtype, (const char *)t->data + i * step);
        at[i] = nnc_dtype_is_float(t->dtype) ? fixed_float(x.f) : fixed_int(x.i);
    }
    return at;
}

/* Where element i of a result sits in an operand: walks row-major coordinates. */
static void coords(const nnc_type_rec *ty, uint32_t i, int64_t *at)
{
    for (int d = ty->rank - 1; d >= 0; d--) {
        at[d] = i % (uint32_t)(ty->dim[d] ? ty->dim[d] : 1);
        i /= (uint32_t)(ty->dim[d] ? ty->dim[d] : 1);
    }
}

static uint32_t flat(const nnc_type_rec *ty, const int64_t *at)
{
    int64_t i = 0;
    for (int d = 0; d < ty->rank; d++)
        i = i * ty->dim[d] + at[d];
    return (uint32_t)i;
}

static uint32_t broadcast_at(const nnc_type_rec *from, const nnc_type_rec *to, uint32_t i)
{
    int64_t at[NNC_MAX_RANK], src[NNC_MAX_RANK];
    coords(to, i, at);
    for (int d = 0; d < from->rank; d++)
        src[d] = from->dim[d] == 1 ? 0 : at[d + to->rank - from->rank];
    return flat(from, src);
}

/* -1, 0, 1 when the sign of x - y is certain (0: equal); false: only the run can tell. */
static bool compare(nnc_onnx_cx *cx, nnc_known x, nnc_known y, int *sign, bool *le)
{
    nnc_dim d = nnc_dim_sub(cx->dims, to_dim(cx, x), to_dim(cx, y));
    int64_t lo = nnc_dim_lo(cx->dims, d), hi = nnc_dim_hi(cx->dims, d);
    *le = hi <= 0;
    *sign = lo > 0 ? 1 : hi < 0 ? -1 : 0;
    return lo > 0 || hi < 0 || (lo == 0 && hi == 0);
}

static nnc_known int_binary(nnc_onnx_cx *cx, nnc_opcode code, nnc_known x, nnc_known y)
{
    nnc_dim a = to_dim(cx, x), b = to_dim(cx, y);
    bool natural = nnc_dim_lo(cx->dims, a) >= 0 && nnc_dim_lo(cx->dims, b) > 0, le;
    int sign;

    switch (code) {
    case NNC_OP_add: return of_dim(cx, nnc_dim_add(cx->dims, a, b));
    case NNC_OP_sub: return of_dim(cx, nnc_dim_sub(cx->dims, a, b));
    case NNC_OP_mul: return of_dim(cx, nnc_dim_mul(cx->dims, a, b));
    case NNC_OP_max: return of_dim(cx, nnc_dim_max(cx->dims, a, b));
    case NNC_OP_min: return of_dim(cx, nnc_dim_min(cx->dims, a, b));
    case NNC_OP_div:
        if (natural)
            return of_dim(cx, nnc_dim_floordiv(cx->dims, a, b));
        break;
    case NNC_OP_rem:
        if (natural)
            return of_dim(cx, nnc_dim_mod(cx->dims, a, b));
        break;
    case NNC_OP_eq:
        if (compare(cx, x, y, &sign, &le))
            return fixed_int(sign == 0);
        break;
    case NNC_OP_lt:
        if (compare(cx, x, y, &sign, &le))
            return fixed_int(sign < 0);
        if (nnc_dim_lo(cx->dims, nnc_dim_sub(cx->dims, a, b)) >= 0)
            return fixed_int(0);
        break;
    case NNC_OP_le:
        if (compare(cx, x, y, &sign, &le))
            return fixed_int(sign <= 0);
        if (le)
            return fixed_int(1);
        break;
    case NNC_OP_and:
        if (x.kind == NNC_KNOWN_fixed && y.kind == NNC_KNOWN_fixed)
            return fixed_int(x.i & y.i);
        break;
    case NNC_OP_or:
        if (x.kind == NNC_KNOWN_fixed && y.kind == NNC_KNOWN_fixed)
            return fixed_int(x.i | y.i);
        break;
    default: break;
    }
    return (nnc_known){0};
}

/* Floats that are multiples of a dimension: n * s, n / s. */
static nnc_known float_binary(nnc_opcode code, nnc_known x, nnc_known y)
{
    if (x.kind == NNC_KNOWN_dim && y.kind == NNC_KNOWN_fixed &&
        (code == NNC_OP_mul || code == NNC_OP_div) && y.f != 0) {
        x.f = code == NNC_OP_mul ? x.f * y.f : x.f / y.f;
        return x;
    }
    if (code == NNC_OP_mul && x.kind == NNC_KNOWN_fixed && x.f != 0) {
        y.f *= x.f;
        return y;
    }
    if (code == NNC_OP_div && x.kind == NNC_KNOWN_dim && y.kind == NNC_KNOWN_dim && x.i == y.i)
        return fixed_float(x.f / y.f); /* m * n / n: a scale computed from sizes */
    return (nnc_known){0};
}

static nnc_known binary(nnc_onnx_cx *cx, nnc_op op, nnc_dtype dt, nnc_known x, nnc_known y)
{
    nnc_opcode code = nnc_op_code(cx->m, op);
    bool flt = nnc_dtype_is_float(dt);

    if (!x.kind || !y.kind)
        return (nnc_known){0};
    if (x.kind == NNC_KNOWN_fixed && y.kind == NNC_KNOWN_fixed) {
        nnc_num in[2] = {{x.f, x.i}, {y.f, y.i}};
        nnc_num r = nnc_eval_scalar(code, dt, in, nnc_attr_int(cx->m, op, NNC_W_fmod, 0) != 0);
        bool pred = code == NNC_OP_eq || code == NNC_OP_lt || code == NNC_OP_le;
        return flt && !pred ? fixed_float(r.f) : fixed_int(r.i);
    }
    return flt ? float_binary(code, x, y) : int_binary(cx, code, x, y);
}

/* floor or ceil of n * f: exact when f or 1 / f is an integer. */
static nnc_known round_dim(nnc_onnx_cx *cx, nnc_known x, bool up, bool to_int)
{
    double inverse = 1 / x.f;
    if (x.f > 0 && x.f == floor(x.f) && x.f < 1e9) {
        nnc_dim d = nnc_dim_mul(cx->dims, x.i, nnc_dim_const(cx->dims, (int64_t)x.f));
        return (nnc_known){NNC_KNOWN_dim, d, 1};
    }
    if (x.f > 0 && fabs(inverse - nearbyint(inverse)) < 1e-9 && inverse < 1e9 &&
        nnc_dim_lo(cx->dims, x.i) >= 0) {
        nnc_dim k = (int64_t)nearbyint(inverse);
        nnc_dim d = up ? nnc_dim_ceildiv(cx->dims, x.i, k) : nnc_dim_floordiv(cx->dims, x.i, k);
        nnc_known r = of_dim(cx, d);
        if (!to_int && r.kind == NNC_KNOWN_fixed)
            r = fixed_float((double)r.i);
        return r;
    }
    return (nnc_known){0};
}

static nnc_known cast(nnc_onnx_cx *cx, nnc_dtype from, nnc_dtype to, nnc_known x)
{
    if (x.kind == NNC_KNOWN_fixed) {
        nnc_num n = nnc_eval_cast((nnc_num){x.f, x.i}, from, to, true, NNC_W_none);
        return nnc_dtype_is_float(to) ? fixed_float(n.f) : fixed_int(n.i);
    }
    if (x.kind != NNC_KNOWN_dim || to == NNC_DT_bool || nnc_dtype_bytes(to) < 4)
        return (nnc_known){0};
    return nnc_dtype_is_float(from) && !nnc_dtype_is_float(to) ? round_dim(cx, x, false, true) : x;
}

static nnc_known unary(nnc_onnx_cx *cx, nnc_opcode code, nnc_dtype dt, nnc_known x)
{
    if (x.kind == NNC_KNOWN_fixed) {
        nnc_num in = {x.f, x.i}, r = nnc_eval_scalar(code, dt, &in, false);
        bool pred = code == NNC_OP_isnan || code == NNC_OP_isinf;
        return nnc_dtype_is_float(dt) && !pred ? fixed_float(r.f) : fixed_int(r.i);
    }
    if (x.kind != NNC_KNOWN_dim)
        return x;
    if (nnc_dtype_is_float(dt))
        return code == NNC_OP_floor || code == NNC_OP_ceil
                   ? round_dim(cx, x, code == NNC_OP_ceil, false)
                   : (nnc_known){0};
    if (code == NNC_OP_neg)
        return of_dim(cx, nnc_dim_sub(cx->dims, 0, x.i));
    if (code == NNC_OP_abs && nnc_dim_lo(cx->dims, x.i) >= 0)
        return x;
    return (nnc_known){0};
}

/* The operands of the op being evaluated. */
struct operands {
    nnc_op op;
    unsigned n;
    nnc_type_rec ty[3], out;
    const nnc_known *at[3]; /* NULL: nothing known */
    uint32_t count;         /* elements of the result */
};

static nnc_known elementwise(nnc_onnx_cx *cx, const struct operands *o, uint32_t i)
{
    nnc_known x[3] = {{0}};
    nnc_opcode code = nnc_op_code(cx->m, o->op);

    for (unsigned k = 0; k < o->n; k++)
        if (o->at[k])
            x[k] = o->at[k][broadcast_at(&o->ty[k], &o->out, i)];
    if (code == NNC_OP_cast)
        return cast(cx, o->ty[0].dtype, o->out.dtype, x[0]);
    if (code == NNC_OP_select) {
        if (x[0].kind == NNC_KNOWN_fixed)
            return x[0].i ? x[1] : x[2];
        return x[1].kind && !memcmp(&x[1], &x[2], sizeof x[1]) ? x[1] : (nnc_known){0};
    }
    if (code == NNC_OP_bitcast)
        return (nnc_known){0};
    return o->n == 1 ? unary(cx, code, o->ty[0].dtype, x[0])
                     : binary(cx, o->op, o->ty[0].dtype, x[0], x[1]);
}

/* Operand element behind element i of a pure movement; false: not there (padding) or not known where. */
static bool moved(nnc_onnx_cx *cx, const struct operands *o, uint32_t i, uint32_t *src)
{
    int64_t at[NNC_MAX_RANK], to[NNC_MAX_RANK] = {0};
    unsigned n;

    coords(&o->out, i, at);
    switch (nnc_op_code(cx->m, o->op)) {
    case NNC_OP_reshape: *src = i; return true;
    case NNC_OP_broadcast: *src = broadcast_at(&o->ty[0], &o->out, i); return true;
    case NNC_OP_transpose: {
        const int64_t *perm = nnc_attr_ints(cx->m, o->op, NNC_W_perm, &n);
        for (int d = 0; d < o->out.rank; d++)
            to[perm[d]] = at[d];
        break;
    }
    case NNC_OP_slice: {
        const int64_t *start = nnc_attr_ints(cx->m, o->op, NNC_W_start, &n);
        const int64_t *step = nnc_attr_ints(cx->m, o->op, NNC_W_step, &n);
        for (int d = 0; d < o->out.rank; d++) {
            to[d] = start[d] + at[d] * step[d];
            if (start[d] < 0 || to[d] < 0 || to[d] >= o->ty[0].dim[d])
                return false;
        }
        break;
    }
    default: return false;
    }
    *src = flat(&o->ty[0], to);
    return true;
}

static nnc_known gathered(nnc_onnx_cx *cx, const struct operands *o, uint32_t i)
{
    int axis = (int)nnc_attr_int(cx->m, o->op, NNC_W_axis, 0);
    int64_t at[NNC_MAX_RANK], to[NNC_MAX_RANK] = {0};

    if (nnc_attr_int(cx->m, o->op, NNC_W_batch_dims, 0) || !o->at[1])
        return (nnc_known){0};
    coords(&o->out, i, at);
    nnc_known index = o->at[1][flat(&o->ty[1], at + axis)];
    if (index.kind != NNC_KNOWN_fixed || index.i < 0 || index.i >= o->ty[0].dim[axis])
        return (nnc_known){0};
    for (int d = 0; d < axis; d++)
        to[d] = at[d];
    to[axis] = index.i;
    for (int d = axis + 1; d < o->ty[0].rank; d++)
        to[d] = at[d + o->ty[1].rank - 1];
    return o->at[0][flat(&o->ty[0], to)];
}

static void reduced(nnc_onnx_cx *cx, const struct operands *o, nnc_known *out)
{
    static const struct {
        nnc_word kind;
        nnc_opcode code;
    } of[] = {
        {NNC_W_sum, NNC_OP_add}, {NNC_W_prod, NNC_OP_mul}, {NNC_W_max, NNC_OP_max},
        {NNC_W_min, NNC_OP_min}, {NNC_W_and, NNC_OP_and},  {NNC_W_or, NNC_OP_or},
    };
    nnc_word kind = nnc_attr_word(cx->m, o->op, NNC_W_kind, NNC_W_sum);
    nnc_opcode code = NNC_OP_add;
    uint32_t n = 1;

    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i].kind == kind)
            code = of[i].code;
    for (int d = 0; d < o->ty[0].rank; d++)
        n *= (uint32_t)o->ty[0].dim[d];
    if (o->count != 1 || n == 0 || nnc_dtype_is_float(o->out.dtype))
        return; /* one result: what shapes need */
    nnc_known sum = o->at[0][0];
    for (uint32_t i = 1; i < n; i++)
        sum = sum.kind && o->at[0][i].kind
                  ? sum.kind == NNC_KNOWN_fixed && o->at[0][i].kind == NNC_KNOWN_fixed
                        ? fixed_int(nnc_eval_scalar(code, o->out.dtype,
                                                    (nnc_num[]){{0, sum.i}, {0, o->at[0][i].i}},
                                                    false)
                                        .i)
                        : int_binary(cx, code, sum, o->at[0][i])
                  : (nnc_known){0};
    out[0] = sum;
}

static void concatenated(nnc_onnx_cx *cx, nnc_op op, const nnc_type_rec *out, nnc_known *to,
                         unsigned depth)
{
    int axis = (int)nnc_attr_int(cx->m, op, NNC_W_axis, 0);
    int64_t base = 0, at[NNC_MAX_RANK];

    for (unsigned k = 0; k < nnc_op_nin(cx->m, op); k++) {
        nnc_value v = nnc_op_in(cx->m, op, k);
        nnc_type_rec ty = nnc_cx_ty(cx, v);
        uint32_t n = 0;
        const nnc_known *from = known_at(cx, v, &n, depth + 1);
        for (uint32_t i = 0; from && i < n; i++) {
            coords(&ty, i, at);
            at[axis] += base;
            to[flat(out, at)] = from[i];
        }
        base += ty.dim[axis];
    }
}

static bool load_operands(nnc_onnx_cx *cx, nnc_op op, struct operands *o, unsigned depth)
{
    bool any = false;
    o->op = op;
    o->n = nnc_op_nin(cx->m, op);
    if (o->n > 3)
        return false;
    for (unsigned i = 0; i < o->n; i++) {
        nnc_value v = nnc_op_in(cx->m, op, i);
        uint32_t n;
        o->ty[i] = nnc_cx_ty(cx, v);
        o->at[i] = nnc_type_is_static(cx->m, nnc_value_type(cx->m, v))
                       ? known_at(cx, v, &n, depth + 1)
                       : NULL;
        any |= o->at[i] != NULL;
    }
    return any;
}

static void symbolic(nnc_onnx_cx *cx, nnc_op op, const nnc_type_rec *out, uint32_t n, nnc_known *at,
                     unsigned depth)
{
    nnc_opcode code = nnc_op_code(cx->m, op);
    struct operands o = {.out = *out, .count = n};
    uint32_t src;

    if (code == NNC_OP_extent) {
        at[0] = of_dim(cx, nnc_attr_int(cx->m, op, NNC_W_dim, 0));
        return;
    }
    if (code == NNC_OP_concat) {
        concatenated(cx, op, out, at, depth);
        return;
    }
    if (!load_operands(cx, op, &o, depth))
        return;
    if (code == NNC_OP_reduce && o.at[0]) {
        reduced(cx, &o, at);
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (nnc_op_has(cx->m, op, NNC_ELEMENTWISE) && !nnc_op_has(cx->m, op, NNC_COMPOSITE))
            at[i] = elementwise(cx, &o, i);
        else if (code == NNC_OP_gather && o.at[0])
            at[i] = gathered(cx, &o, i);
        else if (o.n >= 1 && o.at[0] && moved(cx, &o, i, &src))
            at[i] = o.at[0][src];
    }
}

static const nnc_known *known_at(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, unsigned depth)
{
    nnc_fact *f = nnc_import_fact(cx, v);
    nnc_type ty = nnc_value_type(cx->m, v);
    nnc_type_rec rec = *nnc_type_get(cx->m, ty);
    nnc_op op = nnc_value_op(cx->m, v);
    nnc_tensor whole;

    if (f->elems_done) {
        *n = f->n;
        return f->at;
    }
    *n = 0;
    if (depth > MAX_DEPTH || rec.kind != NNC_TYPE_tensor || !nnc_type_is_static(cx->m, ty) ||
        nnc_type_count(cx->m, ty) > MAX_ELEMS)
        return NULL;
    f->elems_done = 2;
    f->n = *n = (uint32_t)nnc_type_count(cx->m, ty);
    const nnc_known *at = NULL;
    if (const_at(cx, v, &whole, depth)) {
        at = of_tensor(cx, &whole, *n);
    } else if (op.id && !nnc_op_nregion(cx->m, op) && nnc_op_nout(cx->m, op) == 1) {
        nnc_known *e = nnc_arena_array(cx->a, *n + 1, sizeof *e);
        bool any = false;
        symbolic(cx, op, &rec, *n, e, depth);
        for (uint32_t i = 0; i < *n; i++)
            any |= e[i].kind != NNC_KNOWN_not;
        at = any ? e : NULL;
    }
    f = nnc_import_fact(cx, v);
    f->at = at;
    f->elems_done = 1;
    return at;
}

const nnc_known *nnc_cx_known(nnc_onnx_cx *cx, nnc_value v, uint32_t *n)
{
    *n = 0;
    return v.id ? known_at(cx, v, n, 0) : NULL;
}

/* ---- what callers want --------------------------------------------------------------------------------- */

bool nnc_cx_ints(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, const int64_t **at)
{
    const nnc_known *k = nnc_cx_known(cx, v, n);
    if (!v.id || nnc_dtype_is_float(nnc_cx_dtype(cx, v)))
        return false;
    if (!k)
        return nnc_type_is_static(cx->m, nnc_value_type(cx->m, v)) &&
               nnc_type_count(cx->m, nnc_value_type(cx->m, v)) == 0 &&
               (*n = 0, *at = nnc_arena_alloc(cx->a, 1), true);
    int64_t *out = nnc_arena_array(cx->a, *n + 1, sizeof *out);
    for (uint32_t i = 0; i < *n; i++) {
        if (k[i].kind != NNC_KNOWN_fixed)
            return false;
        out[i] = k[i].i;
    }
    *at = out;
    return true;
}

bool nnc_cx_dims(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, const nnc_dim **at)
{
    const nnc_known *k = nnc_cx_known(cx, v, n);
    const int64_t *none;
    if (!v.id || nnc_dtype_is_float(nnc_cx_dtype(cx, v)))
        return false;
    if (!k)
        return nnc_cx_ints(cx, v, n, &none) && (*at = none, true);
    nnc_dim *out = nnc_arena_array(cx->a, *n + 1, sizeof *out);
    for (uint32_t i = 0; i < *n; i++) {
        if (k[i].kind == NNC_KNOWN_not || (k[i].kind == NNC_KNOWN_fixed && k[i].i < 0))
            return false;
        out[i] = k[i].i;
    }
    *at = out;
    return true;
}

bool nnc_cx_floats(nnc_onnx_cx *cx, nnc_value v, uint32_t *n, const double **at)
{
    const nnc_known *k = nnc_cx_known(cx, v, n);
    if (!v.id || (!k && *n))
        return false;
    if (!k && (!nnc_type_is_static(cx->m, nnc_value_type(cx->m, v)) ||
               nnc_type_count(cx->m, nnc_value_type(cx->m, v))))
        return false;
    double *out = nnc_arena_array(cx->a, *n + 1, sizeof *out);
    for (uint32_t i = 0; i < *n; i++) {
        if (k[i].kind != NNC_KNOWN_fixed)
            return false;
        out[i] = k[i].f;
    }
    *at = out;
    return true;
}

bool nnc_cx_int(nnc_onnx_cx *cx, nnc_value v, int64_t *out)
{
    uint32_t n;
    const int64_t *at;
    if (!nnc_cx_ints(cx, v, &n, &at) || n != 1)
        return false;
    *out = at[0];
    return true;
}

bool nnc_cx_float(nnc_onnx_cx *cx, nnc_value v, double *out)
{
    uint32_t n;
    const double *at;
    if (!nnc_cx_floats(cx, v, &n, &at) || n != 1)
        return false;
    *out = at[0];
    return true;
}
