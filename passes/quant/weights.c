/* The constant operand of a contraction as 8-bit signed numbers.
 *
 * Weights arrive as dequantize(const) under some transposes, or, where the importer already wrote integers, as a 16-bit
 * constant less its zero point.  Both are brought to i8 with a zero point of 0: symmetric i8 is taken as it stands, the
 * rest is shifted when the result fits (u8 with zero 128 does).  Sums per output are what a zero point of the other
 * operand costs; they also bound the accumulator. */
#include "passes/quant/quant.h"
#include "ir/eval.h"
#include <stdlib.h>
#include <string.h>

typedef struct source {
    nnc_value q;                /* the constant */
    nnc_value scale, zero;      /* of dequantize; none: integers */
    unsigned axis;              /* of scale and zero, in q */
    int64_t block;              /* entries of scale count blocks along axis; 0: they do not */
    int64_t perm[NNC_MAX_RANK]; /* dim i of the operand is dim perm[i] of q */
    nnc_op chain[NNC_MAX_RANK]; /* the transposes, outermost first */
    unsigned nchain;
} source;

static bool find_source(const nnc_module *m, nnc_value v, source *s)
{
    unsigned n, rank = nnc_value_ty(m, v)->rank;
    nnc_op op;

    memset(s, 0, sizeof *s);
    for (unsigned i = 0; i < rank; i++)
        s->perm[i] = i;
    while ((op = nnc_value_op(m, v)).id && nnc_op_code(m, op) == NNC_OP_transpose) {
        const int64_t *p = nnc_attr_ints(m, op, NNC_W_perm, &n);
        if (n != rank || s->nchain == NNC_MAX_RANK)
            return false;
        for (unsigned i = 0; i < rank; i++)
            s->perm[i] = p[s->perm[i]];
        s->chain[s->nchain++] = op;
        v = nnc_op_in(m, op, 0);
    }
    s->q = v;
    if (op.id && nnc_op_code(m, op) == NNC_OP_dequantize) {
        if (nnc_value_ty(m, nnc_op_out(m, op, 0))->dtype != NNC_DT_f32)
            return false;
        s->block = nnc_attr_int(m, op, NNC_W_block, 0);
        s->q = nnc_op_in(m, op, 0);
        s->scale = nnc_op_in(m, op, 1);
        s->zero = nnc_op_in(m, op, 2);
        s->axis = (unsigned)nnc_attr_int(m, op, NNC_W_axis, 0);
    }
    return true;
}

/* The dim of the operand that counts outputs: the only one that is neither batch nor contracted.  -1: none or several. */
static int output_dim(const nnc_module *m, nnc_op op)
{
    const nnc_type_rec *t = nnc_value_ty(m, nnc_op_in(m, op, 1));
    unsigned nb, nc;
    int found = -1;

    if (nnc_op_code(m, op) == NNC_OP_conv)
        return nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nchw ? 0 : t->rank - 1;
    const int64_t *batch = nnc_attr_ints(m, op, NNC_W_batch_b, &nb);
    const int64_t *con = nnc_attr_ints(m, op, NNC_W_contract_b, &nc);
    if (nb)
        return -1;
    (void)batch;
    for (int d = 0; d < t->rank; d++) {
        bool used = false;
        for (unsigned i = 0; i < nc; i++)
            used |= con[i] == d;
        if (!used && found >= 0)
            return -1;
        if (!used)
            found = d;
    }
    return found;
}

static int64_t integer_at(const nnc_tensor *t, int64_t i)
{
    size_t size = nnc_dtype_bytes(t->dtype);
    uint64_t bits = 0;

    memcpy(&bits, (const char *)t->data + (size_t)i * size, size);
    return nnc_num_of_bits(t->dtype, bits).i;
}

static float float_at(const nnc_tensor *t, int64_t i)
{
    float f;

    memcpy(&f, (const char *)t->data + (size_t)i * sizeof f, sizeof f);
    return f;
}

/* Elements per step of dim `axis`. */
static int64_t inner_of(const nnc_tensor *t, unsigned axis)
{
    int64_t n = 1;

    for (int d = (int)axis + 1; d < t->rank; d++)
        n *= t->dim[d];
    return n;
}

/* q - zero as bytes in `to`; sums per entry of `out_axis`. */
static bool shift(const nnc_tensor *q, const nnc_tensor *zero, unsigned zero_axis,
                  unsigned out_axis, int64_t n, int8_t *to, int64_t *sum, int64_t *size)
{
    int64_t count = nnc_tensor_count(q), zin = inner_of(q, zero_axis), oin = inner_of(q, out_axis),
            nz = zero ? nnc_tensor_count(zero) : 1;

    for (int64_t i = 0; i < count; i++) {
        int64_t z = !zero ? 0 : integer_at(zero, nz == 1 ? 0 : i / zin % nz);
        int64_t w = integer_at(q, i) - z, o = n == 1 ? 0 : i / oin % n;
        if (w < -128 || w > 127)
            return false;
        to[i] = (int8_t)w;
        sum[o] += w;
        size[o] += w < 0 ? -w : w;
    }
    return true;
}

static bool is_small_int(nnc_dtype dt)
{
    return dt == NNC_DT_i8 || dt == NNC_DT_u8 || dt == NNC_DT_i16 || dt == NNC_DT_i4 ||
           dt == NNC_DT_u4 || dt == NNC_DT_i2 || dt == NNC_DT_u2;
}

static const float *scales(nnc_pass_cx *cx, const source *s, unsigned axis, int64_t n)
{
    nnc_tensor t;

    if (!nnc_tensor_of(cx->m, s->scale, &t) || t.dtype != NNC_DT_f32)
        return NULL;
    int64_t k = nnc_tensor_count(&t);
    if (k != 1 && (s->axis != axis || k != n))
        return NULL;
    float *f = nnc_arena_array(cx->scratch, (size_t)n, sizeof *f);
    for (int64_t i = 0; i < n; i++)
        f[i] = float_at(&t, k == 1 ? 0 : i);
    return f;
}

/* The bytes as a constant in the shape of the operand. */
static nnc_value operand(nnc_pass_cx *cx, nnc_op op, const source *s, const nnc_tensor *q,
                         const int8_t *bytes, bool changed)
{
    nnc_module *m = cx->m;
    nnc_builder b = nnc_builder_before(m, op);
    nnc_value v = s->q;
    unsigned n;

    if (changed) {
        nnc_dim dim[NNC_MAX_RANK];
        for (int d = 0; d < q->rank; d++)
            dim[d] = q->dim[d];
        v = nnc_g_const_data(&b, NNC_DT_i8, q->rank, dim, bytes);
        nnc_value_set_name(m, v, nnc_value_name(m, s->q));
    }
    for (unsigned i = s->nchain; i-- > 0;) {
        int64_t perm[NNC_MAX_RANK];
        const int64_t *p = nnc_attr_ints(m, s->chain[i], NNC_W_perm, &n);
        memcpy(perm, p, n * sizeof *p);
        v = nnc_g_transpose(&b, v, perm);
    }
    return v;
}

bool nnc_quant_weights(nnc_pass_cx *cx, nnc_op op, nnc_qweights *out)
{
    source s;
    nnc_tensor q, zero;
    int d = output_dim(cx->m, op);

    if (d < 0 || !find_source(cx->m, nnc_op_in(cx->m, op, 1), &s) || s.block ||
        !nnc_tensor_of(cx->m, s.q, &q) || !is_small_int(q.dtype) || q.rank == 0 ||
        (s.zero.id && !nnc_tensor_of(cx->m, s.zero, &zero)) || nnc_tensor_count(&q) == 0)
        return false;
    out->axis = (unsigned)s.perm[d];
    out->n = q.dim[out->axis];
    out->scale = NULL;
    if (s.scale.id && !(out->scale = scales(cx, &s, out->axis, out->n)))
        return false;
    size_t count = (size_t)nnc_tensor_count(&q), n = (size_t)out->n;
    int8_t *bytes = nnc_arena_array(cx->scratch, count, 1);
    int64_t *sum = nnc_arena_array(cx->scratch, 2 * n, sizeof *sum), *size = sum + n;
    if (!shift(&q, s.zero.id ? &zero : NULL, s.axis, out->axis, out->n, bytes, sum, size))
        return false;
    out->sum = sum;
    out->size = size;
    bool changed = q.dtype != NNC_DT_i8 || memcmp(q.data, bytes, count) != 0;
    out->q = operand(cx, op, &s, &q, bytes, changed);
    return true;
}

/* ---- weights that are quantised alone ---- */

enum {
    TABLE = 1 << 20, /* bytes: smaller ones are folded to floats */
    FEW_ROWS = 64 /* beyond, expanding for each block of rows costs more than the memory it saves */
};

typedef struct grid { /* the weights as [k, n] */
    const source *s;
    nnc_tensor q, zero, scale;
    int64_t k, n, kstride, nstride; /* steps in q */
    int kaxis, naxis;               /* dims of q */
} grid;

/* Where element (k, n) finds its scale or zero point. */
static int64_t entry(const grid *g, const nnc_tensor *t, int64_t k, int64_t n)
{
    if (nnc_tensor_count(t) == 1)
        return 0;
    if (!g->s->block)
        return (int)g->s->axis == g->naxis ? n : k;
    int64_t b = k / g->s->block;
    return g->kaxis == 0 ? b * t->dim[1] + n : n * t->dim[1] + b;
}

static bool find_grid(const nnc_module *m, nnc_op op, const source *s, grid *g)
{
    unsigned n, rank = nnc_value_ty(m, nnc_op_in(m, op, 1))->rank;
    int out = output_dim(m, op);
    const int64_t *con = nnc_attr_ints(m, op, NNC_W_contract_b, &n);

    *g = (grid){.s = s};
    if (out < 0 || rank != 2 || n != 1 || !nnc_tensor_of(m, s->q, &g->q) ||
        !is_small_int(g->q.dtype) || !nnc_tensor_of(m, s->scale, &g->scale) ||
        g->scale.dtype != NNC_DT_f32 || !nnc_tensor_of(m, s->zero, &g->zero))
        return false;
    g->kaxis = (int)s->perm[con[0]];
    g->naxis = (int)s->perm[out];
    g->k = g->q.dim[g->kaxis];
    g->n = g->q.dim[g->naxis];
    g->kstride = g->kaxis == 0 ? g->n : 1;
    g->nstride = g->naxis == 0 ? g->k : 1;
    if (s->block) /* blocks along the contracted dim only */
        return (int)s->axis == g->kaxis && g->k % s->block == 0 && g->scale.rank == 2;
    return nnc_tensor_count(&g->scale) == 1 || (int)s->axis == g->naxis;
}

static nnc_value bytes_of(nnc_builder *b, const grid *g, int64_t block)
{
    nnc_arena *a = nnc_arena_new();
    int8_t *to = nnc_arena_array(a, (size_t)(g->k * g->n), 1);
    nnc_dim dim[3] = {g->k / block, block, g->n}, flat[2] = {g->k, g->n};
    nnc_value v = {0};
    bool fits = true;

    for (int64_t k = 0; k < g->k && fits; k++)
        for (int64_t n = 0; n < g->n && fits; n++) {
            int64_t w = integer_at(&g->q, k * g->kstride + n * g->nstride) -
                        integer_at(&g->zero, entry(g, &g->zero, k, n));
            fits = w >= -128 && w <= 127;
            to[k * g->n + n] = (int8_t)w;
        }
    if (fits)
        v = nnc_g_const_data(b, NNC_DT_i8, g->s->block ? 3 : 2, g->s->block ? dim : flat, to);
    nnc_arena_free(a);
    return v;
}

/* The scales: [n], or [blocks, 1, n]. */
static nnc_value scales_of(nnc_builder *b, const grid *g, int64_t block)
{
    int64_t rows = g->s->block ? g->k / block : 1;
    nnc_arena *a = nnc_arena_new();
    float *to = nnc_arena_array(a, (size_t)(rows * g->n), sizeof *to);
    nnc_dim dim[3] = {rows, 1, g->n};

    for (int64_t r = 0; r < rows; r++)
        for (int64_t n = 0; n < g->n; n++)
            to[r * g->n + n] = float_at(&g->scale, entry(g, &g->scale, r * block, n));
    nnc_value v = g->s->block ? nnc_g_const_data(b, NNC_DT_f32, 3, dim, to)
                              : nnc_g_const_data(b, NNC_DT_f32, 1, dim + 2, to);
    nnc_arena_free(a);
    return v;
}

/* x w = (x q) s, or with a scale per block x (q s), where the kernel reads q as bytes and converts it on the way. */
bool nnc_quant_expand(nnc_pass_cx *cx, nnc_op op)
{
    nnc_module *m = cx->m;
    nnc_value x = nnc_op_in(m, op, 0), y = nnc_op_out(m, op, 0);
    nnc_type_rec t = *nnc_value_ty(m, x);
    source s;
    grid g;
    unsigned n;
    const int64_t *con = nnc_attr_ints(m, op, NNC_W_contract_a, &n);

    if (n != 1 || con[0] != t.rank - 1 || t.dtype != NNC_DT_f32 || t.rank >= NNC_MAX_RANK ||
        !find_source(m, nnc_op_in(m, op, 1), &s) || !s.scale.id || !find_grid(m, op, &s, &g) ||
        g.k * g.n * 4 <= TABLE || nnc_type_count(m, nnc_value_type(m, x)) > FEW_ROWS * g.k)
        return false;
    nnc_builder b = nnc_builder_before(m, op);
    b.loc = nnc_loc_pass(m->diag, "quant", nnc_op_loc(m, op));
    int64_t block = s.block ? s.block : 1, cx_dims[2] = {t.rank - 1, t.rank}, cy[2] = {0, 1};
    nnc_value q = bytes_of(&b, &g, block);
    if (!q.id)
        return false;
    nnc_value_set_name(m, q, nnc_value_name(m, s.q));
    nnc_value w = nnc_g_cast(&b, q, NNC_DT_f32), scale = scales_of(&b, &g, block), v;
    if (s.block) {
        t.dim[t.rank - 1] = g.k / block;
        t.dim[t.rank] = block;
        v = nnc_g_dot(&b, nnc_g_reshape(&b, x, t.rank + 1, t.dim),
                      nnc_g_binary(&b, NNC_OP_mul, w, scale), 0, NULL, NULL, 2, cx_dims, cy,
                      NNC_DT_none);
    } else {
        v = nnc_g_dot(&b, x, w, 0, NULL, NULL, 1, cx_dims, cy, NNC_DT_none);
        v = nnc_g_binary(&b, NNC_OP_mul, v, scale);
    }
    nnc_value_set_name(m, v, nnc_value_name(m, y));
    nnc_value_replace(m, y, v);
    return true;
}

/* Is every reader of v, looking through transposes, a contraction (as the right operand) or a gather (as the table)? */
static bool only_wanted(const nnc_module *m, nnc_value v)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next) {
        nnc_op user = m->use.at[u].user;
        unsigned i = u - nnc_op_get(m, user)->in;
        switch (nnc_op_code(m, user)) {
        case NNC_OP_transpose:
            if (!only_wanted(m, nnc_op_out(m, user, 0)))
                return false;
            break;
        case NNC_OP_dot:
        case NNC_OP_conv:
            if (i != 1)
                return false;
            break;
        case NNC_OP_gather:
            if (i != 0)
                return false;
            break;
        default: return false;
        }
    }
    return nnc_value_get(m, v)->first_use != 0;
}

bool nnc_quant_wants(const nnc_module *m, nnc_op dequantize)
{
    return only_wanted(m, nnc_op_out(m, dequantize, 0));
}
