/* sort: stable order of lines by key, applied to keys and values alike.
 *
 * Bottom-up merge sort on a permutation: runs of width w in one row of perm[2, n] are merged into the other row, and w
 * doubles.  Moving numbers instead of elements keeps the sort independent of how many values travel along, and
 * reading keys through the permutation makes stability a matter of "strictly before". */
#include "passes/lower/named/named.h"

nnc_value nnc_kb_line_load(nnc_kb *k, const nnc_line *line, nnc_value at)
{
    nnc_value i[NNC_MAX_RANK];

    for (int d = 0; d < line->rank; d++)
        i[d] = d == line->axis ? at : line->i[d];
    return nnc_kb_wide(k, nnc_k_load(&k->b, line->buf, (unsigned)line->rank, i));
}

nnc_value nnc_kb_before(nnc_kb *k, const nnc_line *line, nnc_value vb, nnc_value va)
{
    nnc_builder *b = &k->b;
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(k->x->m, va)->dtype;
    nnc_value first = line->descending ? va : vb, second = line->descending ? vb : va, r, nan;

    if (dt == NNC_DT_bool)
        return nnc_k_binary(b, NNC_OP_and, nnc_k_unary(b, NNC_OP_not, first), second);
    r = nnc_k_binary(b, NNC_OP_lt, first, second);
    if (!nnc_dtype_is_float(dt))
        return r;
    /* `second` is nan and `first` is not */
    nan = nnc_k_binary(b, NNC_OP_and, nnc_k_unary(b, NNC_OP_isnan, second),
                       nnc_k_unary(b, NNC_OP_not, nnc_k_unary(b, NNC_OP_isnan, first)));
    return nnc_k_binary(b, NNC_OP_or, r, nan);
}

nnc_value nnc_kb_order_scratch(nnc_kb *k, nnc_dim n)
{
    nnc_dim dim[2] = {2, n};
    bool small = nnc_dim_hi(k->x->m->dims, n) <= INT32_MAX;

    return nnc_kb_scratch(k, small ? NNC_DT_i32 : NNC_DT_i64, 2, dim, "order");
}

static void store_order(nnc_kb *k, nnc_value perm, nnc_value row, nnc_value at, nnc_value v)
{
    nnc_value i[2] = {row, at};
    nnc_k_store(&k->b, nnc_k_cast(&k->b, v, (nnc_dtype)nnc_value_ty(k->x->m, perm)->dtype), perm, 2,
                i);
}

static nnc_value load_order(nnc_kb *k, nnc_value perm, nnc_value row, nnc_value at)
{
    nnc_value i[2] = {row, at};
    return nnc_kb_load_idx(k, perm, 2, i);
}

/* Merge runs [lo, mid) and [mid, hi) of row `from` into row `to`. */
static void merge(nnc_kb *k, const nnc_line *line, nnc_value n, nnc_value perm, nnc_value from,
                  nnc_value to, nnc_value lo, nnc_value mid, nnc_value hi)
{
    nnc_builder *b = &k->b;
    nnc_value one = nnc_kb_int(k, 1), last = nnc_kb_idx(k, NNC_OP_sub, n, one);
    nnc_value left = nnc_kb_var(k, NNC_DT_idx, lo, "left"),
              right = nnc_kb_var(k, NNC_DT_idx, mid, "right");
    nnc_value t = nnc_k_for(b, lo, hi, one, NNC_W_serial, "t");
    nnc_value i = nnc_kb_get(k, left), j = nnc_kb_get(k, right);
    nnc_value pi = load_order(k, perm, from, nnc_kb_idx(k, NNC_OP_min, i, last));
    nnc_value pj = load_order(k, perm, from, nnc_kb_idx(k, NNC_OP_min, j, last));
    nnc_value before =
        nnc_kb_before(k, line, nnc_kb_line_load(k, line, pj), nnc_kb_line_load(k, line, pi));
    nnc_value take = nnc_k_binary(b, NNC_OP_or, before, nnc_kb_idx(k, NNC_OP_le, mid, i));

    take = nnc_k_binary(b, NNC_OP_and, take, nnc_kb_idx(k, NNC_OP_lt, j, hi));
    store_order(k, perm, to, t, nnc_k_select(b, take, pj, pi));
    nnc_kb_set(k, left, nnc_k_select(b, take, i, nnc_kb_idx(k, NNC_OP_add, i, one)));
    nnc_kb_set(k, right, nnc_k_select(b, take, nnc_kb_idx(k, NNC_OP_add, j, one), j));
    nnc_k_end(b);
}

nnc_value nnc_kb_order(nnc_kb *k, const nnc_line *line, nnc_value n, nnc_value perm, bool filled)
{
    nnc_value zero = nnc_kb_int(k, 0), one = nnc_kb_int(k, 1), two = nnc_kb_int(k, 2);
    nnc_value width, row, w, w2, from, to, q, lo, mid, hi, runs;

    if (!filled) {
        nnc_value i = nnc_kb_for(k, n, "i");
        store_order(k, perm, zero, i, i);
        nnc_kb_close(k, 1);
    }
    width = nnc_kb_var(k, NNC_DT_idx, one, "width");
    row = nnc_kb_var(k, NNC_DT_idx, zero, "row");
    nnc_kb_while(k);
    nnc_kb_do(k, nnc_kb_idx(k, NNC_OP_lt, nnc_kb_get(k, width), n));
    w = nnc_kb_get(k, width);
    w2 = nnc_kb_idx(k, NNC_OP_mul, w, two);
    from = nnc_kb_get(k, row);
    to = nnc_kb_idx(k, NNC_OP_sub, one, from);
    runs = nnc_kb_idx(k, NNC_OP_div,
                      nnc_kb_idx(k, NNC_OP_add, n, nnc_kb_idx(k, NNC_OP_sub, w2, one)), w2);
    q = nnc_kb_for(k, runs, "run");
    lo = nnc_kb_idx(k, NNC_OP_mul, q, w2);
    mid = nnc_kb_idx(k, NNC_OP_min, nnc_kb_idx(k, NNC_OP_add, lo, w), n);
    hi = nnc_kb_idx(k, NNC_OP_min, nnc_kb_idx(k, NNC_OP_add, lo, w2), n);
    merge(k, line, n, perm, from, to, lo, mid, hi);
    nnc_kb_close(k, 1);
    nnc_kb_set(k, width, w2);
    nnc_kb_set(k, row, to);
    nnc_kb_close(k, 1);
    return nnc_kb_get(k, row);
}

nnc_status nnc_named_sort(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    unsigned n = nnc_op_nin(m, op);
    nnc_type_rec t = *nnc_value_ty(m, nnc_op_in(m, op, 0));
    nnc_value *in = nnc_arena_array(x->cx->scratch, n, sizeof *in),
              *out = nnc_arena_array(x->cx->scratch, n, sizeof *out);
    nnc_line line = {.rank = t.rank,
                     .axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0),
                     .descending = nnc_attr_int(m, op, NNC_W_descending, 0) != 0};
    nnc_value size, perm, row, j, from, to[NNC_MAX_RANK], at[NNC_MAX_RANK];
    nnc_kb k;

    for (unsigned i = 0; i < n; i++) {
        in[i] = nnc_lower_buffer(x, nnc_op_in(m, op, i));
        out[i] = nnc_lower_result(x, nnc_op_out(m, op, i));
    }
    nnc_kb_begin(&k, x, "sort", nnc_op_loc(m, op));
    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_kb_param(&k, in[i], i ? "value" : "key");
    for (unsigned i = 0; i < n; i++)
        out[i] = nnc_kb_param(&k, out[i], i ? "value_out" : "key_out");
    perm = nnc_kb_order_scratch(&k, t.dim[line.axis]);
    line.buf = in[0];
    size = nnc_kb_dim(&k, t.dim[line.axis]);
    nnc_kb_nest(&k, t.rank, t.dim, line.axis, line.i);
    row = nnc_kb_order(&k, &line, size, perm, false);
    j = nnc_kb_for(&k, size, "j");
    from = load_order(&k, perm, row, j);
    for (int d = 0; d < t.rank; d++) {
        to[d] = d == line.axis ? j : line.i[d];
        at[d] = d == line.axis ? from : line.i[d];
    }
    for (unsigned i = 0; i < n; i++)
        nnc_k_store(&k.b, nnc_k_load(&k.b, in[i], t.rank, at), out[i], t.rank, to);
    nnc_kb_end(&k);
    return NNC_OK;
}
