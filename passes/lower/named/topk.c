/* topk: the k first elements of every line in order, and their numbers.
 *
 * A small constant k keeps the best k in the result itself, sorted, and inserts what beats the last one: one
 * comparison per element for most of a line.  A larger or dynamic k sorts the line (sort.c). */
#include "passes/lower/named/named.h"

enum { SMALL_K = 32 /* beyond it, insertion is slower than merging */ };

typedef struct topk {
    nnc_kb k;
    nnc_line line;
    nnc_value values, numbers, n, count; /* count = min(k, n) */
} topk;

static void at_place(topk *t, nnc_value place, nnc_value *i)
{
    for (int d = 0; d < t->line.rank; d++)
        i[d] = d == t->line.axis ? place : t->line.i[d];
}

static void put(topk *t, nnc_value place, nnc_value value, nnc_value number)
{
    nnc_value i[NNC_MAX_RANK];

    at_place(t, place, i);
    nnc_k_store(&t->k.b, value, t->values, (unsigned)t->line.rank, i);
    nnc_k_store(&t->k.b, nnc_k_cast(&t->k.b, number, NNC_DT_i64), t->numbers,
                (unsigned)t->line.rank, i);
}

static nnc_value load_at(topk *t, nnc_value buf, nnc_value place)
{
    nnc_value i[NNC_MAX_RANK];

    at_place(t, place, i);
    return nnc_k_load(&t->k.b, buf, (unsigned)t->line.rank, i);
}

static void by_insertion(topk *t)
{
    nnc_kb *k = &t->k;
    nnc_value zero = nnc_kb_int(k, 0), one = nnc_kb_int(k, 1);
    nnc_value last = nnc_kb_idx(k, NNC_OP_sub, t->count, one), j, v, wide, place, beats, p, prev;

    j = nnc_kb_for(k, t->n, "j");
    v = load_at(t, t->line.buf, j);
    wide = nnc_kb_wide(k, v);
    /* while fewer than k are kept the last place is free; what it holds then does not matter */
    beats = nnc_kb_before(k, &t->line, wide, nnc_kb_wide(k, load_at(t, t->values, last)));
    nnc_k_if(&k->b, nnc_k_binary(&k->b, NNC_OP_or, nnc_kb_idx(k, NNC_OP_lt, j, t->count), beats));
    place = nnc_kb_var(k, NNC_DT_idx, nnc_kb_idx(k, NNC_OP_min, j, last), "place");
    nnc_kb_while(k);
    p = nnc_kb_get(k, place);
    prev = nnc_kb_idx(k, NNC_OP_max, nnc_kb_idx(k, NNC_OP_sub, p, one), zero);
    beats = nnc_kb_before(k, &t->line, wide, nnc_kb_wide(k, load_at(t, t->values, prev)));
    nnc_kb_do(k, nnc_k_binary(&k->b, NNC_OP_and, nnc_kb_idx(k, NNC_OP_lt, zero, p), beats));
    p = nnc_kb_get(k, place);
    prev = nnc_kb_idx(k, NNC_OP_sub, p, one);
    put(t, p, load_at(t, t->values, prev),
        nnc_k_cast(&k->b, load_at(t, t->numbers, prev), NNC_DT_idx));
    nnc_kb_set(k, place, prev);
    nnc_kb_close(k, 1);
    put(t, nnc_kb_get(k, place), v, j);
    nnc_kb_close(k, 2);
}

static void by_sorting(topk *t, nnc_value perm)
{
    nnc_kb *k = &t->k;
    nnc_value row = nnc_kb_order(k, &t->line, t->n, perm, false), i[2], j, from;

    j = nnc_kb_for(k, t->count, "j");
    i[0] = row;
    i[1] = j;
    from = nnc_kb_load_idx(k, perm, 2, i);
    put(t, j, load_at(t, t->line.buf, from), from);
    nnc_kb_close(k, 1);
}

nnc_status nnc_named_topk(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_value gx = nnc_op_in(m, op, 0), from = nnc_lower_buffer(x, gx), perm = {0};
    nnc_type_rec r = *nnc_value_ty(m, gx);
    topk t = {.line = {.rank = r.rank,
                       .axis = (int)nnc_attr_int(m, op, NNC_W_axis, 0),
                       .descending = nnc_attr_int(m, op, NNC_W_largest, 1) != 0}};
    nnc_dim dk = nnc_value_ty(m, nnc_op_out(m, op, 0))->dim[t.line.axis];
    bool small = nnc_dim_is_const(dk) && dk > 0 && dk <= SMALL_K;

    t.values = nnc_lower_result(x, nnc_op_out(m, op, 0));
    t.numbers = nnc_lower_result(x, nnc_op_out(m, op, 1));
    nnc_kb_begin(&t.k, x, "topk", nnc_op_loc(m, op));
    t.line.buf = nnc_kb_param(&t.k, from, "x");
    t.values = nnc_kb_param(&t.k, t.values, "values");
    t.numbers = nnc_kb_param(&t.k, t.numbers, "numbers");
    if (!small)
        perm = nnc_kb_order_scratch(&t.k, r.dim[t.line.axis]);
    t.n = nnc_kb_dim(&t.k, r.dim[t.line.axis]);
    t.count = nnc_kb_idx(&t.k, NNC_OP_min, nnc_kb_dim(&t.k, dk), t.n);
    nnc_kb_nest(&t.k, r.rank, r.dim, t.line.axis, t.line.i);
    if (small)
        by_insertion(&t);
    else
        by_sorting(&t, perm);
    nnc_kb_end(&t.k);
    return NNC_OK;
}
