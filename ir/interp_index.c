/* Gathers, scatters, sorting, compaction, random bits and non-maximum suppression. */
#include "ir/interp_priv.h"
#include <math.h>
#include <string.h>

static int64_t product(const int64_t *dim, int from, int to)
{
    int64_t n = 1;

    for (int d = from; d < to; d++)
        n *= dim[d];
    return n;
}

/* y[b.., p.., j.., q..] = x[b.., p.., i[b.., j..], q..] */
INTERP(gather)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0),
        batch = (int)nnc_attr_int(x->m, op, NNC_W_batch_dims, 0);
    const nnc_tensor *t = &in[0], *ix = &in[1];
    int64_t b = product(t->dim, 0, batch), p = product(t->dim, batch, axis), n = t->dim[axis];
    int64_t j = product(ix->dim, batch, ix->rank), q = product(t->dim, axis + 1, t->rank);
    size_t row = (size_t)q * nnc_dtype_bytes(t->dtype);
    char *to = out->data;

    if (n == 0 && nnc_tensor_count(out) > 0)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "gather from an empty dimension");
    for (int64_t bi = 0; bi < b; bi++)
        for (int64_t pi = 0; pi < p; pi++)
            for (int64_t ji = 0; ji < j; ji++, to += row) {
                int64_t i = nnc_clamp64(nnc_tensor_int(ix, bi * j + ji), 0, n - 1);
                if (row)
                    memcpy(to, nnc_cell(t, ((bi * p + pi) * n + i) * q), row);
            }
    return NNC_OK;
}

INTERP(gather_elements)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    int64_t stride[NNC_MAX_RANK], n = nnc_tensor_count(out);
    size_t size = nnc_dtype_bytes(out->dtype);
    nnc_walk w = {.rank = out->rank, .n = 1};

    if (n > 0 && in[0].dim[axis] == 0)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "gather_elements from an empty dimension");
    nnc_tensor_strides(&in[0], stride);
    memcpy(w.dim, out->dim, sizeof w.dim);
    memcpy(w.stride[0], stride, sizeof stride);
    w.stride[0][axis] = 0;
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&w)) {
        int64_t k = nnc_clamp64(nnc_tensor_int(&in[1], i), 0, in[0].dim[axis] - 1);
        memcpy(nnc_cell(out, i), nnc_cell(&in[0], w.off[0] + k * stride[axis]), size);
    }
    return NNC_OK;
}

INTERP(gather_nd)
{
    int batch = (int)nnc_attr_int(x->m, op, NNC_W_batch_dims, 0);
    const nnc_tensor *t = &in[0], *ix = &in[1];
    int64_t n = ix->dim[ix->rank - 1], b = product(ix->dim, 0, batch),
            j = product(ix->dim, batch, ix->rank - 1);
    int64_t whole = product(t->dim, batch, t->rank), row = product(t->dim, batch + (int)n, t->rank);
    size_t bytes = (size_t)row * nnc_dtype_bytes(t->dtype);
    char *to = out->data;

    for (int64_t bi = 0; bi < b; bi++)
        for (int64_t ji = 0; ji < j; ji++, to += bytes) {
            int64_t at = 0;
            for (int64_t k = 0; k < n; k++) {
                int64_t size = t->dim[batch + k];
                if (size == 0 && bytes)
                    return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                                     "gather_nd from an empty dimension");
                at =
                    at * size + nnc_clamp64(nnc_tensor_int(ix, (bi * j + ji) * n + k), 0, size - 1);
            }
            if (bytes)
                memcpy(to, nnc_cell(t, bi * whole + at * row), bytes);
        }
    return NNC_OK;
}

/* *to (reduction)= *from */
static void combine(nnc_dtype dt, nnc_word reduction, char *to, const char *from)
{
    static const struct {
        nnc_word word;
        nnc_opcode code;
    } ops[] = {{NNC_W_add, NNC_OP_add},
               {NNC_W_mul, NNC_OP_mul},
               {NNC_W_max, NNC_OP_max},
               {NNC_W_min, NNC_OP_min}};
    nnc_num v[2] = {nnc_num_load(dt, to), nnc_num_load(dt, from)};

    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (ops[i].word == reduction) {
            nnc_num_store(dt, to, nnc_eval_scalar(ops[i].code, dt, v, false));
            return;
        }
    memcpy(to, from, nnc_dtype_bytes(dt));
}

INTERP(scatter_elements)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    nnc_word reduction = nnc_attr_word(x->m, op, NNC_W_reduction, NNC_W_none);
    int64_t stride[NNC_MAX_RANK], n = nnc_tensor_count(&in[1]);
    nnc_walk w = {.rank = out->rank, .n = 1};

    memcpy(out->data, in[0].data, nnc_tensor_bytes(out));
    nnc_tensor_strides(out, stride);
    memcpy(w.dim, in[1].dim, sizeof w.dim);
    memcpy(w.stride[0], stride, sizeof stride);
    w.stride[0][axis] = 0;
    for (int64_t i = 0; i < n; i++, nnc_walk_next(&w)) {
        int64_t k = nnc_tensor_int(&in[1], i);
        if (k >= 0 && k < out->dim[axis])
            combine(out->dtype, reduction, nnc_cell(out, w.off[0] + k * stride[axis]),
                    nnc_cell(&in[2], i));
    }
    return NNC_OK;
}

INTERP(scatter_nd)
{
    nnc_word reduction = nnc_attr_word(x->m, op, NNC_W_reduction, NNC_W_none);
    const nnc_tensor *ix = &in[1];
    int64_t n = ix->dim[ix->rank - 1], j = product(ix->dim, 0, ix->rank - 1),
            row = product(out->dim, (int)n, out->rank);

    memcpy(out->data, in[0].data, nnc_tensor_bytes(out));
    for (int64_t ji = 0; ji < j; ji++) {
        int64_t at = 0;
        bool inside = true;
        for (int64_t k = 0; k < n; k++) {
            int64_t i = nnc_tensor_int(ix, ji * n + k);
            inside = inside && i >= 0 && i < out->dim[k];
            at = at * out->dim[k] + i;
        }
        for (int64_t q = 0; q < row && inside; q++)
            combine(out->dtype, reduction, nnc_cell(out, at * row + q),
                    nnc_cell(&in[2], ji * row + q));
    }
    return NNC_OK;
}

/* ---- sorting ---- */
typedef struct line { /* one line of a tensor along the sorted axis */
    nnc_dtype dt;
    const char *base;
    int64_t stride; /* bytes */
    bool descending;
} line;

/* Does element a belong strictly before b?  NaN counts as the largest. */
static bool goes_before(const line *l, int64_t a, int64_t b)
{
    nnc_num v[2] = {nnc_num_load(l->dt, l->base + a * l->stride),
                    nnc_num_load(l->dt, l->base + b * l->stride)};

    if (nnc_dtype_is_float(l->dt) && (isnan(v[0].f) || isnan(v[1].f)))
        return l->descending ? isnan(v[0].f) && !isnan(v[1].f) : !isnan(v[0].f) && isnan(v[1].f);
    if (l->descending) {
        nnc_num t = v[0];
        v[0] = v[1];
        v[1] = t;
    }
    return nnc_eval_scalar(NNC_OP_lt, l->dt, v, false).i != 0;
}

/* Bottom-up merge sort of the indices 0 .. n-1: stable. */
static void sort_indices(const line *l, int64_t n, int64_t *ix, int64_t *tmp)
{
    for (int64_t i = 0; i < n; i++)
        ix[i] = i;
    for (int64_t width = 1; width < n; width *= 2) {
        for (int64_t lo = 0; lo < n; lo += 2 * width) {
            int64_t mid = lo + width < n ? lo + width : n, hi = mid + width < n ? mid + width : n;
            for (int64_t i = lo, j = mid, k = lo; k < hi; k++)
                tmp[k] = i < mid && (j >= hi || !goes_before(l, ix[j], ix[i])) ? ix[i++] : ix[j++];
        }
        memcpy(ix, tmp, (size_t)n * sizeof *ix);
    }
}

/* Positions of all lines along `axis`: outer x inner. */
typedef struct lines {
    int64_t outer, n, inner;
} lines;

static lines lines_of(const nnc_tensor *t, int axis)
{
    return (lines){product(t->dim, 0, axis), t->dim[axis], product(t->dim, axis + 1, t->rank)};
}

INTERP(sort)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    lines l = lines_of(&in[0], axis);
    int64_t *ix = nnc_arena_array(x->a, (size_t)l.n * 2, sizeof *ix);

    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t q = 0; q < l.inner; q++) {
            int64_t at = o * l.n * l.inner + q;
            line one = {in[0].dtype, nnc_cell(&in[0], at),
                        l.inner * (int64_t)nnc_dtype_bytes(in[0].dtype),
                        nnc_attr_int(x->m, op, NNC_W_descending, 0) != 0};
            sort_indices(&one, l.n, ix, ix + l.n);
            for (unsigned k = 0; k < nnc_op_nin(x->m, op); k++)
                for (int64_t i = 0; i < l.n; i++)
                    memcpy(nnc_cell(&out[k], at + i * l.inner),
                           nnc_cell(&in[k], at + ix[i] * l.inner), nnc_dtype_bytes(in[k].dtype));
        }
    return NNC_OK;
}

INTERP(topk)
{
    int axis = (int)nnc_attr_int(x->m, op, NNC_W_axis, 0);
    lines l = lines_of(&in[0], axis);
    int64_t *ix = nnc_arena_array(x->a, (size_t)l.n * 2, sizeof *ix), k = out[0].dim[axis];

    if (k > l.n)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "topk asks for %lld of %lld elements",
                         (long long)k, (long long)l.n);
    for (int64_t o = 0; o < l.outer; o++)
        for (int64_t q = 0; q < l.inner; q++) {
            int64_t at = o * l.n * l.inner + q, to = o * k * l.inner + q;
            line one = {in[0].dtype, nnc_cell(&in[0], at),
                        l.inner * (int64_t)nnc_dtype_bytes(in[0].dtype),
                        nnc_attr_int(x->m, op, NNC_W_largest, 1) != 0};
            sort_indices(&one, l.n, ix, ix + l.n);
            for (int64_t i = 0; i < k; i++) {
                memcpy(nnc_cell(&out[0], to + i * l.inner), nnc_cell(&in[0], at + ix[i] * l.inner),
                       nnc_dtype_bytes(in[0].dtype));
                nnc_num_store(out[1].dtype, nnc_cell(&out[1], to + i * l.inner),
                              (nnc_num){0, ix[i]});
            }
        }
    return NNC_OK;
}

INTERP(compact)
{
    int64_t n = in[1].dim[0], count = 0;
    size_t row = (size_t)product(in[0].dim, 1, in[0].rank) * nnc_dtype_bytes(in[0].dtype);

    (void)op;
    (void)x;
    for (int64_t i = 0; i < n; i++)
        if (*(const uint8_t *)nnc_cell(&in[1], i)) {
            if (row)
                memcpy((char *)out[0].data + (size_t)count * row,
                       (const char *)in[0].data + (size_t)i * row, row);
            count++;
        }
    nnc_num_store(out[1].dtype, out[1].data, (nnc_num){0, count});
    return NNC_OK;
}

INTERP(check)
{
    (void)out;
    if (*(const uint8_t *)in[0].data)
        return NNC_OK;
    return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "check failed: %s",
                     nnc_attr_str(x->m, op, NNC_W_message, "a run-time condition does not hold"));
}

/* ---- non-maximum suppression, as ONNX Runtime computes it (all in float) ---- */
typedef struct box {
    float x0, x1, y0, y1;
} box;

static box box_of(const float *p, bool centre)
{
    if (centre)
        return (box){p[0] - p[2] / 2, p[0] + p[2] / 2, p[1] - p[3] / 2, p[1] + p[3] / 2};
    return (box){fminf(p[1], p[3]), fmaxf(p[1], p[3]), fminf(p[0], p[2]), fmaxf(p[0], p[2])};
}

static bool suppresses(const float *p, const float *q, bool centre, float limit)
{
    box a = box_of(p, centre), b = box_of(q, centre);
    float x0 = fmaxf(a.x0, b.x0), x1 = fminf(a.x1, b.x1), y0 = fmaxf(a.y0, b.y0),
          y1 = fminf(a.y1, b.y1);
    float both, area_a = (a.x1 - a.x0) * (a.y1 - a.y0), area_b = (b.x1 - b.x0) * (b.y1 - b.y0);

    if (x1 <= x0 || y1 <= y0)
        return false;
    both = (x1 - x0) * (y1 - y0);
    if (both <= 0 || area_a <= 0 || area_b <= 0 || area_a + area_b - both <= 0)
        return false;
    return both / (area_a + area_b - both) > limit;
}

INTERP(nms)
{
    const nnc_tensor *boxes = &in[0], *scores = &in[1];
    int64_t nb = scores->dim[0], nc = scores->dim[1], n = scores->dim[2], rows = 0,
            limit = nnc_tensor_int(&in[2], 0);
    float iou = (float)nnc_num_load(in[3].dtype, in[3].data).f,
          least = (float)nnc_num_load(in[4].dtype, in[4].data).f;
    bool centre = nnc_attr_int(x->m, op, NNC_W_mode, 0) != 0;
    int64_t *ix = nnc_arena_array(x->a, (size_t)n * 3, sizeof *ix), *kept = ix + 2 * n;

    for (int64_t b = 0; b < nb; b++)
        for (int64_t c = 0; c < nc; c++) {
            const float *score = (const float *)scores->data + (b * nc + c) * n,
                        *box0 = (const float *)boxes->data + b * n * 4;
            line one = {NNC_DT_f32, (const char *)score, 4, true};
            int64_t nkept = 0;
            sort_indices(&one, n, ix, ix + n);
            for (int64_t i = 0; i < n && nkept < limit; i++) {
                bool drop = !(score[ix[i]] > least);
                for (int64_t k = 0; k < nkept && !drop; k++)
                    drop = suppresses(box0 + 4 * ix[i], box0 + 4 * kept[k], centre, iou);
                if (drop)
                    continue;
                kept[nkept++] = ix[i];
                if (rows >= out[0].dim[0])
                    return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                                     "nms selects more boxes than its bound of %lld",
                                     (long long)out[0].dim[0]);
                int64_t row[3] = {b, c, ix[i]};
                memcpy(nnc_cell(&out[0], rows++ * 3), row, sizeof row);
            }
        }
    nnc_num_store(out[1].dtype, out[1].data, (nnc_num){0, rows});
    return NNC_OK;
}
