/* frontend/onnx/rows_linear.c - matrix products, Einsum, determinants. */
#include <ctype.h>
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"
#include "frontend/onnx/short.h"

/* ---- products ---- */

nnc_status nnc_cx_check_matmul(nnc_onnx_cx *cx, nnc_value a, nnc_value b)
{
    nnc_type_rec ta = nnc_cx_ty(cx, a), tb = nnc_cx_ty(cx, b);
    nnc_dim d;

    if (ta.rank == 0 || tb.rank == 0)
        return nnc_cx_error(cx, "operands %s and %s: scalars cannot be multiplied as matrices",
                            nnc_cx_type_text(cx, a), nnc_cx_type_text(cx, b));
    const char *what = nnc_arena_printf(cx->a, "matrix product of %s and %s",
                                        nnc_cx_type_text(cx, a), nnc_cx_type_text(cx, b));
    NNC_TRY(
        nnc_cx_same_dim(cx, ta.dim[ta.rank - 1], tb.dim[tb.rank > 1 ? tb.rank - 2 : 0], what, &d));
    for (int i = 3; i <= ta.rank && i <= tb.rank; i++) {
        nnc_dim x = ta.dim[ta.rank - i], y = tb.dim[tb.rank - i];
        if (x != 1 && y != 1)
            NNC_TRY(nnc_cx_same_dim(cx, x, y, what, &d));
    }
    return NNC_OK;
}

nnc_status nnc_row_matmul(nnc_onnx_cx *cx)
{
    NNC_TRY(nnc_cx_check_matmul(cx, nnc_cx_in(cx, 0), nnc_cx_in(cx, 1)));
    return done(cx, nnc_g_matmul(&cx->b, nnc_cx_in(cx, 0), nnc_cx_in(cx, 1), NNC_DT_none));
}

/* x * k, where integers only take whole factors. */
static nnc_status scaled(nnc_onnx_cx *cx, nnc_value *x, const char *attr)
{
    double k = nnc_onnx_node_float(cx->node, attr, 1);
    if (k == 1)
        return NNC_OK;
    if (!nnc_dtype_is_float(nnc_cx_dtype(cx, *x)) && k != floor(k))
        return nnc_cx_bad_attr(cx, attr, "a whole number for integer operands");
    *x = op2(cx, NNC_OP_mul, *x, nnc_cx_like(cx, *x, k));
    return NNC_OK;
}

nnc_status nnc_row_gemm(nnc_onnx_cx *cx)
{
    nnc_value a = nnc_cx_in(cx, 0), b = nnc_cx_in(cx, 1), c = nnc_cx_in(cx, 2), y;
    int64_t ca = nnc_onnx_node_int(cx->node, "transA", 0) ? 0 : 1,
            cb = nnc_onnx_node_int(cx->node, "transB", 0) ? 1 : 0;
    nnc_dim d;

    NNC_TRY(nnc_cx_rank_is(cx, a, 2, "A"));
    NNC_TRY(nnc_cx_rank_is(cx, b, 2, "B"));
    NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, a, (int)ca), nnc_cx_dim(cx, b, (int)cb),
                            nnc_arena_printf(cx->a, "product of A %s and B %s",
                                             nnc_cx_type_text(cx, a), nnc_cx_type_text(cx, b)),
                            &d));
    y = nnc_g_dot(&cx->b, a, b, 0, NULL, NULL, 1, &ca, &cb, NNC_DT_none);
    NNC_TRY(scaled(cx, &y, "alpha"));
    if (!c.id || nnc_onnx_node_float(cx->node, "beta", 1) == 0)
        return done(cx, y);
    NNC_TRY(scaled(cx, &c, "beta"));
    nnc_type_rec ty = nnc_cx_ty(cx, y);
    if (nnc_cx_rank(cx, c) > 2)
        return nnc_cx_error(cx, "C %s does not broadcast to %s", nnc_cx_type_text(cx, c),
                            nnc_cx_type_text(cx, y));
    NNC_TRY(nnc_cx_binary(cx, NNC_OP_add, y, c, &y));
    for (int i = 0; i < 2; i++)
        if (nnc_cx_dim(cx, y, i) != ty.dim[i] && nnc_dim_is_const(ty.dim[i]))
            return nnc_cx_error(cx, "C %s does not broadcast to the product's [%s,%s]",
                                nnc_cx_type_text(cx, c), nnc_cx_dim_text(cx, ty.dim[0]),
                                nnc_cx_dim_text(cx, ty.dim[1]));
    return done(cx, y);
}

/* ---- Einsum ---- */

/* A tensor with a label per axis.  Letters are 0 .. 51; the dims of an ellipsis are ELLIPSIS + distance from its
 * right end, so that they align as in broadcasting. */
enum { ELLIPSIS = 52, LABELS = 60 };
struct term {
    nnc_value v;
    int n;
    uint8_t label[2 * NNC_MAX_RANK];
};

static uint64_t labels_of(const struct term *t)
{
    uint64_t set = 0;
    for (int i = 0; i < t->n; i++)
        set |= 1ull << t->label[i];
    return set;
}

static int axis_of(const struct term *t, int label)
{
    for (int i = 0; i < t->n; i++)
        if (t->label[i] == label)
            return i;
    return -1;
}

/* One side of the equation up to ',' or '-' or the end.  `dots`: how many dims an ellipsis stands for. */
static nnc_status parse_term(nnc_onnx_cx *cx, const char **s, struct term *t, int dots)
{
    bool seen = false;
    t->n = 0;
    for (; **s && **s != ',' && **s != '-'; (*s)++) {
        if (**s == ' ')
            continue;
        if (**s == '.') {
            if (strncmp(*s, "...", 3) != 0 || seen)
                return nnc_cx_bad_attr(cx, "equation",
                                       "at most one ellipsis of three dots per term");
            *s += 2;
            seen = true;
            for (int i = 0; i < dots; i++)
                t->label[t->n++] = (uint8_t)(ELLIPSIS + dots - 1 - i);
        } else if (isalpha((unsigned char)**s)) {
            t->label[t->n++] = (uint8_t)(islower((unsigned char)**s) ? **s - 'a' : 26 + **s - 'A');
        } else {
            return nnc_cx_bad_attr(cx, "equation", "letters, commas, ellipses and ->");
        }
        if (t->n > NNC_MAX_RANK)
            return nnc_cx_error(cx, "a term of the equation has more than %d dimensions",
                                NNC_MAX_RANK);
    }
    return NNC_OK;
}

static int letters(const char *s)
{
    int n = 0;
    for (; *s && *s != ',' && *s != '-'; s++)
        n += isalpha((unsigned char)*s) != 0;
    return n;
}

static void sum_axis(nnc_onnx_cx *cx, struct term *t, int axis)
{
    int64_t at = axis;
    t->v = nnc_cx_sum(cx, t->v, 1, &at, false);
    memmove(&t->label[axis], &t->label[axis + 1], (size_t)(t->n - axis - 1));
    t->n--;
}

/* A label that occurs twice in a term selects the diagonal. */
static nnc_status take_diagonals(nnc_onnx_cx *cx, struct term *t)
{
    for (int i = 0; i < t->n; i++)
        for (int j = i + 1; j < t->n; j++) {
            if (t->label[i] != t->label[j])
                continue;
            nnc_dim a[NNC_MAX_RANK], b[NNC_MAX_RANK], d;
            NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, t->v, i), nnc_cx_dim(cx, t->v, j),
                                    "a repeated label", &d));
            for (int k = 0; k < t->n; k++) {
                a[k] = k == i ? d : 1;
                b[k] = k == j ? d : 1;
            }
            nnc_value on = op2(cx, NNC_OP_eq, nnc_g_iota(&cx->b, NNC_DT_i64, t->n, a, i),
                               nnc_g_iota(&cx->b, NNC_DT_i64, t->n, b, j));
            t->v = nnc_g_select(&cx->b, on, t->v, nnc_cx_like(cx, t->v, 0));
            sum_axis(cx, t, j--);
        }
    return NNC_OK;
}

static void sum_unneeded(nnc_onnx_cx *cx, struct term *t, uint64_t needed)
{
    for (int i = 0; i < t->n; i++)
        if (!(needed >> t->label[i] & 1))
            sum_axis(cx, t, i--);
}

/* A dim of 1 against a larger one broadcasts: the label is dropped from this side. */
static void drop_ones(nnc_onnx_cx *cx, struct term *t, const struct term *other)
{
    for (int i = 0; i < t->n; i++) {
        int j = axis_of(other, t->label[i]);
        if (j < 0 || nnc_cx_dim(cx, t->v, i) != 1 || nnc_cx_dim(cx, other->v, j) == 1)
            continue;
        t->v = nnc_cx_drop_dim(cx, t->v, i);
        memmove(&t->label[i], &t->label[i + 1], (size_t)(t->n - i - 1));
        t->n--;
        i--;
    }
}

/* Axes of t in the order of `want`, with 1 where t lacks a label. */
static nnc_value aligned(nnc_onnx_cx *cx, const struct term *t, int n, const uint8_t *want)
{
    int64_t perm[NNC_MAX_RANK];
    nnc_dim dim[NNC_MAX_RANK];
    int k = 0;
    for (int i = 0; i < n; i++) {
        int axis = axis_of(t, want[i]);
        dim[i] = axis < 0 ? 1 : nnc_cx_dim(cx, t->v, axis);
        if (axis >= 0)
            perm[k++] = axis;
    }
    return nnc_cx_reshape(cx, t->n ? nnc_g_transpose(&cx->b, t->v, perm) : t->v, n, dim);
}

static nnc_status multiply_pair(nnc_onnx_cx *cx, struct term *x, struct term *y, uint64_t later)
{
    int64_t bx[NNC_MAX_RANK], by[NNC_MAX_RANK], kx[NNC_MAX_RANK], ky[NNC_MAX_RANK];
    unsigned nb = 0, nk = 0;
    struct term r = {{0}, 0, {0}};

    drop_ones(cx, x, y);
    drop_ones(cx, y, x);
    sum_unneeded(cx, x, later | labels_of(y));
    sum_unneeded(cx, y, later | labels_of(x));
    for (int i = 0; i < x->n; i++) {
        int j = axis_of(y, x->label[i]);
        nnc_dim d;
        if (j < 0)
            continue;
        NNC_TRY(nnc_cx_same_dim(cx, nnc_cx_dim(cx, x->v, i), nnc_cx_dim(cx, y->v, j),
                                "dimensions of one label", &d));
        if (later >> x->label[i] & 1) {
            bx[nb] = i;
            by[nb++] = j;
            r.label[r.n++] = x->label[i];
        } else {
            kx[nk] = i;
            ky[nk++] = j;
        }
    }
    for (int i = 0; i < x->n; i++)
        if (axis_of(y, x->label[i]) < 0)
            r.label[r.n++] = x->label[i];
    for (int j = 0; j < y->n; j++)
        if (axis_of(x, y->label[j]) < 0)
            r.label[r.n++] = y->label[j];
    if (r.n > NNC_MAX_RANK)
        return nnc_cx_error(
            cx, "an intermediate product of the equation has rank %d; at most %d is supported", r.n,
            NNC_MAX_RANK);
    if (nk)
        r.v = nnc_g_dot(&cx->b, x->v, y->v, nb, bx, by, nk, kx, ky, NNC_DT_none);
    else
        r.v = op2(cx, NNC_OP_mul, aligned(cx, x, r.n, r.label), aligned(cx, y, r.n, r.label));
    *x = r;
    return NNC_OK;
}

/* The right side: given, or every label that occurs once, in alphabetical order behind the ellipsis. */
static nnc_status output_term(nnc_onnx_cx *cx, const char *eq, int dots, const struct term *in,
                              struct term *out)
{
    const char *arrow = strstr(eq, "->"), *s = arrow ? arrow + 2 : NULL;
    int count[LABELS] = {0};

    for (uint32_t k = 0; k < cx->nin; k++)
        for (int i = 0; i < in[k].n; i++)
            count[in[k].label[i]]++;
    out->n = 0;
    if (s) {
        NNC_TRY(parse_term(cx, &s, out, dots));
        for (int i = 0; i < out->n; i++) {
            if (out->label[i] < ELLIPSIS && !count[out->label[i]])
                return nnc_cx_bad_attr(cx, "equation", "output labels that occur in an input");
            for (int j = 0; j < i; j++)
                if (out->label[i] == out->label[j])
                    return nnc_cx_bad_attr(cx, "equation", "output labels that occur once");
        }
        return NNC_OK;
    }
    for (int i = 0; i < dots; i++)
        out->label[out->n++] = (uint8_t)(ELLIPSIS + dots - 1 - i);
    for (int c = 0; c < 26; c++) /* numpy: A .. Z before a .. z */
        if (count[26 + c] == 1 && out->n < NNC_MAX_RANK)
            out->label[out->n++] = (uint8_t)(26 + c);
    for (int c = 0; c < 26; c++)
        if (count[c] == 1 && out->n < NNC_MAX_RANK)
            out->label[out->n++] = (uint8_t)c;
    return NNC_OK;
}

nnc_status nnc_row_einsum(nnc_onnx_cx *cx)
{
    const char *eq = nnc_onnx_node_str(cx->node, "equation", ""), *s = eq;
    struct term *t = nnc_arena_array(cx->a, cx->nin, sizeof *t), out;
    int dots = 0;

    for (uint32_t k = 0; k < cx->nin; k++) { /* how many dims does the ellipsis stand for? */
        int rest = nnc_cx_rank(cx, nnc_cx_in(cx, k)) - letters(s);
        size_t len = strcspn(s, ",-");
        const char *dot = memchr(s, '.', len);
        if (dot && rest > dots)
            dots = rest;
        s += len;
        if (k + 1 < cx->nin && *s++ != ',')
            return nnc_cx_error(
                cx, "the equation '%.100s' has fewer terms than the node has inputs (%u)", eq,
                cx->nin);
    }
    if (*s == ',')
        return nnc_cx_error(
            cx, "the equation '%.100s' has more terms than the node has inputs (%u)", eq, cx->nin);
    s = eq;
    for (uint32_t k = 0; k < cx->nin; k++, s++) {
        t[k].v = nnc_cx_in(cx, k);
        int rank = nnc_cx_rank(cx, t[k].v), mine = rank - letters(s);
        NNC_TRY(parse_term(cx, &s, &t[k], mine < 0 ? 0 : mine));
        if (t[k].n != rank)
            return nnc_cx_error(cx, "term %u of the equation '%.100s' does not fit %s", k, eq,
                                nnc_cx_type_text(cx, t[k].v));
    }
    NNC_TRY(output_term(cx, eq, dots, t, &out));
    for (uint32_t k = 0; k < cx->nin; k++)
        NNC_TRY(take_diagonals(cx, &t[k]));
    for (uint32_t k = 1; k < cx->nin; k++) {
        uint64_t later = labels_of(&out);
        for (uint32_t j = k + 1; j < cx->nin; j++)
            later |= labels_of(&t[j]);
        NNC_TRY(multiply_pair(cx, &t[0], &t[k], later));
    }
    sum_unneeded(cx, &t[0], labels_of(&out));
    return done(cx, aligned(cx, &t[0], out.n, out.label));
}

/* ---- Det ---- */

/* One elimination step on a: [B, n, n] with partial pivoting in column i; *det *= the pivot, with its sign. */
static nnc_value eliminate(nnc_onnx_cx *cx, nnc_value a, nnc_value i, nnc_value *det)
{
    nnc_type_rec ty = nnc_cx_ty(cx, a);
    nnc_dim rows_dim[3] = {1, ty.dim[1], 1}, cols_dim[3] = {1, 1, ty.dim[2]},
            flat_dim[2] = {1, ty.dim[1]};
    int64_t last = 2, mid = 1;
    nnc_value rows = nnc_g_iota(&cx->b, NNC_DT_i64, 3, rows_dim, 1),
              cols = nnc_g_iota(&cx->b, NNC_DT_i64, 3, cols_dim, 2);
    nnc_value row = nnc_cx_reshape(cx, rows, 2, flat_dim), zero = nnc_cx_like(cx, a, 0),
              one = nnc_cx_like(cx, a, 1);
    nnc_value in_col = op2(cx, NNC_OP_eq, cols, i), in_row = op2(cx, NNC_OP_eq, rows, i);

    nnc_value col = nnc_cx_sum(cx, nnc_g_select(&cx->b, in_col, a, zero), 1, &last, false);
    nnc_value size = nnc_g_select(&cx->b, op2(cx, NNC_OP_lt, row, i), nnc_cx_like(cx, a, -1),
                                  nnc_cx_op1(cx, NNC_OP_abs, col));
    nnc_value p = nnc_g_argreduce(&cx->b, NNC_W_max, size, 1, false, true); /* [B, 1] */
    nnc_value swap = nnc_g_select(&cx->b, op2(cx, NNC_OP_eq, row, p), i, row);
    swap = nnc_g_select(&cx->b, op2(cx, NNC_OP_eq, row, i), p, swap); /* [B, n] */
    a = nnc_g_gather(&cx->b, a, swap, 1, 1);
    col = nnc_cx_sum(cx, nnc_g_select(&cx->b, in_col, a, zero), 1, &last, false);
    nnc_value top =
        nnc_cx_sum(cx, nnc_g_select(&cx->b, in_row, a, zero), 1, &mid, false); /* [B, n] */
    nnc_value pivot =
        nnc_cx_sum(cx, nnc_g_select(&cx->b, op2(cx, NNC_OP_eq, row, i), top, zero), 1, &mid, true);
    nnc_value live = op2(cx, NNC_OP_and, op2(cx, NNC_OP_lt, i, row),
                         nnc_cx_op1(cx, NNC_OP_not, op2(cx, NNC_OP_eq, pivot, zero)));
    nnc_value f = nnc_g_select(&cx->b, live, op2(cx, NNC_OP_div, col, pivot), zero);
    a = op2(cx, NNC_OP_sub, a,
            op2(cx, NNC_OP_mul, nnc_cx_expand_dim(cx, f, 2), nnc_cx_expand_dim(cx, top, 1)));
    nnc_value sign = nnc_g_select(&cx->b, op2(cx, NNC_OP_eq, p, i), one, nnc_cx_like(cx, a, -1));
    *det = op2(cx, NNC_OP_mul, *det, op2(cx, NNC_OP_mul, pivot, sign));
    return a;
}

nnc_status nnc_row_det(nnc_onnx_cx *cx)
{
    nnc_value x = nnc_cx_in(cx, 0), init[2];
    nnc_type_rec ty = nnc_cx_ty(cx, x);
    nnc_dim dim[3] = {1, 0, 0}, d;

    if (ty.rank < 2)
        return nnc_cx_error(cx, "the input is %s, expected matrices", nnc_cx_type_text(cx, x));
    NNC_TRY(nnc_cx_same_dim(cx, ty.dim[ty.rank - 1], ty.dim[ty.rank - 2], "rows and columns", &d));
    for (int i = 0; i < ty.rank - 2; i++)
        dim[0] = nnc_dim_mul(cx->dims, dim[0], ty.dim[i]);
    dim[1] = dim[2] = d;
    init[0] = nnc_cx_reshape(cx, x, 3, dim);
    dim[1] = 1;
    init[1] = nnc_cx_full(cx, nnc_cx_like(cx, x, 1), 2, dim);
    nnc_op scan = nnc_g_scan(&cx->b, d, 2, 2, init, 0, NULL);
    nnc_builder outer = cx->b;
    nnc_block body = nnc_op_region(cx->m, scan, 0);
    cx->b = nnc_builder_at_end(cx->m, body);
    cx->b.loc = outer.loc;
    init[1] = nnc_block_arg(cx->m, body, 2);
    init[0] = eliminate(cx, nnc_block_arg(cx->m, body, 1), nnc_block_arg(cx->m, body, 0), &init[1]);
    nnc_build_yield(&cx->b, 2, init);
    cx->b = outer;
    nnc_g_finish(&cx->b, scan);
    return done(cx, nnc_cx_reshape(cx, nnc_op_out(cx->m, scan, 1), ty.rank - 2, ty.dim));
}
