/* frontend/onnx/rows_nn_text.c - TfIdfVectorizer over integer tokens.
 *
 * The pool of n-grams is known, so all of one length are compared with all places of a row at
 * once; the counts of the n-grams are added where ngram_indexes puts them.  Later entries of the
 * pool replace equal earlier ones. */
#include "frontend/onnx/rows_short.h"

struct grams {
    nnc_onnx_cx *cx;
    nnc_value x; /* i64 [B, C] */
    nnc_dim batch;
    int64_t length, columns, skips;
    int64_t min, max;
    const int64_t *pool, *index;
    uint32_t npool, nindex;
    const int64_t *starts; /* where the n-grams of 1, 2, .. begin in the pool */
    uint32_t nsize;
};

static nnc_status read_pool(struct grams *g)
{
    nnc_onnx_cx *cx = g->cx;
    uint64_t count = 0;
    g->pool = nnc_onnx_node_ints(cx->node, "pool_int64s", &g->npool);
    g->index = nnc_onnx_node_ints(cx->node, "ngram_indexes", &g->nindex);
    g->starts = nnc_onnx_node_ints(cx->node, "ngram_counts", &g->nsize);
    if (nnc_onnx_node_has(cx->node, "pool_strings"))
        return nnc_cx_error(cx, "n-grams of strings cannot be compiled; map tokens to integers "
                                "before the model and use pool_int64s");
    if (!g->npool || !g->nindex || !g->nsize)
        return nnc_cx_error(cx, "pool_int64s, ngram_indexes and ngram_counts must not be empty");
    for (uint32_t i = 0; i < g->nsize; i++) {
        int64_t end = i + 1 < g->nsize ? g->starts[i + 1] : (int64_t)g->npool;
        if (g->starts[i] < 0 || end < g->starts[i] || end > (int64_t)g->npool ||
            (end - g->starts[i]) % (i + 1))
            return nnc_cx_error(cx, "ngram_counts do not divide the pool of %u into n-grams",
                                g->npool);
        count += (uint64_t)(end - g->starts[i]) / (i + 1);
    }
    if (count != g->nindex)
        return nnc_cx_error(cx, "ngram_indexes has %u numbers, but the pool holds %llu n-grams",
                            g->nindex, (unsigned long long)count);
    for (uint32_t i = 0; i < g->nindex; i++) {
        if (g->index[i] < 0 || g->index[i] > INT32_MAX)
            return nnc_cx_error(cx, "ngram_indexes holds %lld, expected a place in the output",
                                (long long)g->index[i]);
        g->columns = g->index[i] >= g->columns ? g->index[i] + 1 : g->columns;
    }
    return NNC_OK;
}

/* Which of `count` n-grams have no equal one behind them: a hash set, filled from the end. */
static bool *lasting(struct grams *g, const int64_t *gram, int64_t n, int64_t count)
{
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)count)
        slots *= 2;
    bool *keep = nnc_arena_array(g->cx->a, (size_t)count + 1, sizeof *keep);
    uint32_t *slot = nnc_arena_array(g->cx->a, slots, sizeof *slot); /* number + 1, 0 empty */
    for (int64_t i = count - 1; i >= 0; i--) {
        size_t size = (size_t)n * sizeof *gram;
        uint64_t at = nnc_hash(gram + i * n, size, 0) & (slots - 1);
        while (slot[at] && memcmp(gram + (int64_t)(slot[at] - 1) * n, gram + i * n, size))
            at = (at + 1) & (slots - 1);
        keep[i] = !slot[at];
        if (keep[i])
            slot[at] = (uint32_t)i + 1;
    }
    return keep;
}

/* The n-grams of n tokens that count: tokens [n][m] in column order, their output columns; returns
 * m. */
static int64_t select_grams(struct grams *g, int64_t n, int64_t first, int64_t **token,
                            int64_t **column)
{
    int64_t start = g->starts[n - 1],
            end = (uint32_t)n < g->nsize ? g->starts[n] : (int64_t)g->npool,
            count = (end - start) / n, m = 0;
    int64_t *kept = nnc_arena_array(g->cx->a, (size_t)count + 1, sizeof *kept);
    const bool *keep = lasting(g, g->pool + start, n, count);
    for (int64_t i = 0; i < count; i++)
        if (keep[i])
            kept[m++] = i;
    *token = nnc_arena_array(g->cx->a, (size_t)(n * m) + 1, sizeof **token);
    *column = nnc_arena_array(g->cx->a, (size_t)m + 1, sizeof **column);
    for (int64_t i = 0; i < m; i++) {
        (*column)[i] = g->index[first + kept[i]];
        for (int64_t k = 0; k < n; k++)
            (*token)[k * m + i] = g->pool[start + kept[i] * n + k];
    }
    return m;
}

/* How often each of m n-grams stands in the rows with its tokens `step` apart: f32 [B, m]; none
 * when rows are too short. */
static nnc_value occurrences(struct grams *g, int64_t n, int64_t m, const int64_t *token,
                             int64_t step)
{
    nnc_onnx_cx *cx = g->cx;
    int64_t places = g->length - step * (n - 1);
    static const int64_t axis[1] = {1};
    nnc_value hit = {0};
    nnc_dim dim[1] = {m};
    if (places < 1)
        return hit;
    for (int64_t k = 0; k < n; k++) {
        nnc_value at =
            nnc_cx_expand_dim(cx, nnc_g_slice_axis(&cx->b, g->x, 1, k * step, 1, places), 2);
        nnc_value same =
            is_equal(cx, at, nnc_g_const_data(&cx->b, NNC_DT_i64, 1, dim, token + k * m));
        hit = k ? both(cx, hit, same) : same;
    }
    return nnc_cx_sum(cx, cast_to(cx, hit, NNC_DT_f32), 1, axis, false);
}

/* counts [columns, B] plus the counts of m n-grams [B, m] at their columns */
static nnc_value add_counts(struct grams *g, nnc_value counts, nnc_value more, int64_t m,
                            const int64_t *column)
{
    nnc_onnx_cx *cx = g->cx;
    static const int64_t perm[2] = {1, 0};
    nnc_dim dim[2] = {m, 1};
    nnc_value at = nnc_g_const_data(&cx->b, NNC_DT_i64, 2, dim, column);
    return nnc_g_scatter_nd(&cx->b, counts, at, nnc_g_transpose(&cx->b, more, perm), NNC_W_add);
}

static nnc_value count_all(struct grams *g)
{
    nnc_onnx_cx *cx = g->cx;
    nnc_dim dim[2] = {g->columns, g->batch};
    static const int64_t perm[2] = {1, 0};
    nnc_value counts = nnc_cx_full(cx, nnc_cx_num(cx, NNC_DT_f32, 0), 2, dim);
    int64_t first = 0;
    for (int64_t n = 1; n <= (int64_t)g->nsize; n++) {
        int64_t *token, *column, end = (uint32_t)n < g->nsize ? g->starts[n] : (int64_t)g->npool;
        int64_t m = select_grams(g, n, first, &token, &column), steps = n == 1 ? 1 : g->skips + 1;
        first += (end - g->starts[n - 1]) / n;
        for (int64_t step = 1; m && n >= g->min && n <= g->max && step <= steps; step++) {
            nnc_value more = occurrences(g, n, m, token, step);
            counts = more.id ? add_counts(g, counts, more, m, column) : counts;
        }
    }
    return nnc_g_transpose(&cx->b, counts, perm);
}

static nnc_status weighted(struct grams *g, nnc_value counts, nnc_value *y)
{
    nnc_onnx_cx *cx = g->cx;
    const char *mode = nnc_onnx_node_str(cx->node, "mode", "TF");
    uint32_t n;
    const float *w = nnc_onnx_node_floats(cx->node, "weights", &n);
    nnc_dim dim = n;
    *y = counts;
    if (n && n != (uint32_t)g->columns && strcmp(mode, "TF"))
        return nnc_cx_error(cx, "attribute weights has %u numbers, expected %lld", n,
                            (long long)g->columns);
    if (!strcmp(mode, "IDF"))
        *y = min_of_num(cx, counts, 1);
    else if (strcmp(mode, "TF") && strcmp(mode, "TFIDF"))
        return nnc_cx_bad_attr(cx, "mode", "TF, IDF or TFIDF");
    if (n && strcmp(mode, "TF"))
        *y = mul_of(cx, *y, nnc_g_const_data(&cx->b, NNC_DT_f32, 1, &dim, w));
    return NNC_OK;
}

nnc_status nnc_row_tfidf(nnc_onnx_cx *cx)
{
    struct grams g = {.cx = cx,
                      .skips = nnc_onnx_node_int(cx->node, "max_skip_count", 0),
                      .min = nnc_onnx_node_int(cx->node, "min_gram_length", 1),
                      .max = nnc_onnx_node_int(cx->node, "max_gram_length", 1)};
    nnc_type_rec t = nnc_cx_ty(cx, nnc_cx_in(cx, 0));
    nnc_value y;
    NNC_TRY(read_pool(&g));
    if (g.skips < 0 || g.skips > 4096 || g.min < 1 || g.max < g.min)
        return nnc_cx_error(
            cx,
            "max_skip_count %lld, min_gram_length %lld and max_gram_length %lld do not make sense",
            (long long)g.skips, (long long)g.min, (long long)g.max);
    if (t.rank > 2 || t.rank < 1 || !nnc_dim_is_const(t.dim[t.rank - 1]))
        return nnc_cx_error(
            cx, "input is %s, expected one or two dimensions, the last with a fixed size",
            nnc_cx_type_text(cx, nnc_cx_in(cx, 0)));
    g.batch = t.rank == 2 ? t.dim[0] : 1;
    g.length = t.dim[t.rank - 1];
    nnc_dim dim[2] = {g.batch, g.length}, row[1] = {g.columns};
    g.x = nnc_cx_reshape(cx, cast_to(cx, nnc_cx_in(cx, 0), NNC_DT_i64), 2, dim);
    NNC_TRY(weighted(&g, count_all(&g), &y));
    nnc_cx_set(cx, 0, t.rank == 2 ? y : nnc_cx_reshape(cx, y, 1, row));
    return NNC_OK;
}
