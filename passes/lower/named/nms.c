/* nms: greedy non-maximum suppression as ONNX defines it.
 *
 * Per batch and class: the boxes whose score beats the threshold are numbered, ordered by score (ties: lower number
 * first), and taken one after the other unless they overlap one that was taken, which stand in the result already.
 * Overlap follows ONNX Runtime: boxes without area never suppress. */
#include "passes/lower/named/named.h"

typedef struct nms {
    nnc_kb k;
    nnc_value boxes, scores, rows, count; /* parameters */
    nnc_value limit, iou, least;          /* loaded scalars */
    nnc_value b, c, taken;                /* batch, class, variable: rows so far */
    bool centre;
} nms;

/* lo and hi of a box along one direction (0 or 1). */
static void edges(nms *t, nnc_value box, int dir, nnc_value *lo, nnc_value *hi)
{
    nnc_kb *k = &t->k;
    nnc_builder *b = &k->b;
    nnc_value i[3] = {t->b, box, nnc_kb_int(k, dir)}, p, q;
    nnc_type f32 = nnc_type_scalar(k->x->m, NNC_DT_f32, 1);

    p = nnc_k_load(b, t->boxes, 3, i);
    i[2] = nnc_kb_int(k, dir + 2);
    q = nnc_k_load(b, t->boxes, 3, i);
    if (t->centre) {
        nnc_value half = nnc_k_binary(b, NNC_OP_mul, q, nnc_const_float(k->x->m, f32, 0.5));
        *lo = nnc_k_binary(b, NNC_OP_sub, p, half);
        *hi = nnc_k_binary(b, NNC_OP_add, p, half);
    } else {
        *lo = nnc_k_binary(b, NNC_OP_min, p, q);
        *hi = nnc_k_binary(b, NNC_OP_max, p, q);
    }
}

/* Is the overlap of two boxes more than the threshold? */
static nnc_value overlaps(nms *t, nnc_value box1, nnc_value box2)
{
    nnc_builder *b = &t->k.b;
    nnc_value zero = nnc_const_float(t->k.x->m, nnc_type_scalar(t->k.x->m, NNC_DT_f32, 1), 0);
    nnc_value inter = {0}, area1 = {0}, area2 = {0}, ok = {0}, all;

    for (int dir = 0; dir < 2; dir++) {
        nnc_value lo1, hi1, lo2, hi2, lo, hi, common, size1, size2, some;
        edges(t, box1, dir, &lo1, &hi1);
        edges(t, box2, dir, &lo2, &hi2);
        lo = nnc_k_binary(b, NNC_OP_max, lo1, lo2);
        hi = nnc_k_binary(b, NNC_OP_min, hi1, hi2);
        some = nnc_k_binary(b, NNC_OP_lt, lo, hi);
        common = nnc_k_binary(b, NNC_OP_sub, hi, lo);
        size1 = nnc_k_binary(b, NNC_OP_sub, hi1, lo1);
        size2 = nnc_k_binary(b, NNC_OP_sub, hi2, lo2);
        ok = dir ? nnc_k_binary(b, NNC_OP_and, ok, some) : some;
        inter = dir ? nnc_k_binary(b, NNC_OP_mul, inter, common) : common;
        area1 = dir ? nnc_k_binary(b, NNC_OP_mul, area1, size1) : size1;
        area2 = dir ? nnc_k_binary(b, NNC_OP_mul, area2, size2) : size2;
    }
    all = nnc_k_binary(b, NNC_OP_sub, nnc_k_binary(b, NNC_OP_add, area1, area2), inter);
    ok = nnc_k_binary(b, NNC_OP_and, ok, nnc_k_binary(b, NNC_OP_lt, zero, inter));
    ok = nnc_k_binary(b, NNC_OP_and, ok, nnc_k_binary(b, NNC_OP_lt, zero, area1));
    ok = nnc_k_binary(b, NNC_OP_and, ok, nnc_k_binary(b, NNC_OP_lt, zero, area2));
    ok = nnc_k_binary(b, NNC_OP_and, ok, nnc_k_binary(b, NNC_OP_lt, zero, all));
    return nnc_k_binary(
        b, NNC_OP_and, ok,
        nnc_k_binary(b, NNC_OP_lt, t->iou, nnc_k_binary(b, NNC_OP_div, inter, all)));
}

static nnc_value row_box(nms *t, nnc_value row)
{
    nnc_value i[2] = {row, nnc_kb_int(&t->k, 2)};
    return nnc_kb_load_idx(&t->k, t->rows, 2, i);
}

static void put_row(nms *t, nnc_value row, nnc_value box)
{
    nnc_kb *k = &t->k;
    nnc_value part[3] = {t->b, t->c, box};

    for (int j = 0; j < 3; j++) {
        nnc_value i[2] = {row, nnc_kb_int(k, j)};
        nnc_k_store(&k->b, nnc_k_cast(&k->b, part[j], NNC_DT_i64), t->rows, 2, i);
    }
}

/* Numbers of the boxes that beat the threshold, into row 0 of perm; how many. */
static nnc_value candidates(nms *t, nnc_value n, nnc_value perm)
{
    nnc_kb *k = &t->k;
    nnc_value found = nnc_kb_var(k, NNC_DT_idx, nnc_kb_int(k, 0), "found");
    nnc_value box = nnc_kb_for(k, n, "box"), i[3] = {t->b, t->c, box}, at[2];

    nnc_k_if(&k->b, nnc_k_binary(&k->b, NNC_OP_lt, t->least, nnc_k_load(&k->b, t->scores, 3, i)));
    at[0] = nnc_kb_int(k, 0);
    at[1] = nnc_kb_get(k, found);
    nnc_k_store(&k->b, nnc_k_cast(&k->b, box, (nnc_dtype)nnc_value_ty(k->x->m, perm)->dtype), perm,
                2, at);
    nnc_kb_set(k, found, nnc_kb_idx(k, NNC_OP_add, at[1], nnc_kb_int(k, 1)));
    nnc_kb_close(k, 2);
    return nnc_kb_get(k, found);
}

/* Take boxes in order. */
static void select_boxes(nms *t, nnc_value found, nnc_value perm, nnc_value row)
{
    nnc_kb *k = &t->k;
    nnc_builder *b = &k->b;
    nnc_value one = nnc_kb_int(k, 1),
              yes = nnc_const_int(k->x->m, nnc_type_scalar(k->x->m, NNC_DT_bool, 1), 1);
    nnc_value first = nnc_kb_get(k, t->taken), j = nnc_kb_for(k, found, "j"), at[2] = {row, j},
              have, box, keep, r, end;

    have = nnc_kb_get(k, t->taken);
    nnc_k_if(b, nnc_kb_idx(k, NNC_OP_lt, nnc_kb_idx(k, NNC_OP_sub, have, first), t->limit));
    box = nnc_kb_load_idx(k, perm, 2, at);
    keep = nnc_kb_var(k, NNC_DT_bool, yes, "keep");
    r = nnc_kb_var(k, NNC_DT_idx, first, "r");
    nnc_kb_while(k);
    end = nnc_kb_idx(k, NNC_OP_lt, nnc_kb_get(k, r), have);
    nnc_kb_do(k, nnc_k_binary(b, NNC_OP_and, end, nnc_kb_get(k, keep)));
    nnc_kb_set(k, keep, nnc_k_unary(b, NNC_OP_not, overlaps(t, box, row_box(t, nnc_kb_get(k, r)))));
    nnc_kb_set(k, r, nnc_kb_idx(k, NNC_OP_add, nnc_kb_get(k, r), one));
    nnc_kb_close(k, 1);
    nnc_k_if(b, nnc_kb_get(k, keep));
    put_row(t, have, box);
    nnc_kb_set(k, t->taken, nnc_kb_idx(k, NNC_OP_add, have, one));
    nnc_kb_close(k, 3);
}

nnc_status nnc_named_nms(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_type_rec ts = *nnc_value_ty(m, nnc_op_in(m, op, 1));
    int64_t size = nnc_attr_int(m, op, NNC_W_size, INT64_MAX);
    nnc_value in[5], rows, count, n, most, perm, found, row;
    nms t = {.centre = nnc_attr_int(m, op, NNC_W_mode, 0) != 0};
    nnc_kb *k = &t.k;

    for (unsigned i = 0; i < 5; i++)
        in[i] = nnc_lower_buffer(x, nnc_op_in(m, op, i));
    rows = nnc_lower_result(x, nnc_op_out(m, op, 0));
    count = nnc_lower_result(x, nnc_op_out(m, op, 1));
    nnc_kb_begin(k, x, "nms", nnc_op_loc(m, op));
    t.boxes = nnc_kb_param(k, in[0], "boxes");
    t.scores = nnc_kb_param(k, in[1], "scores");
    t.limit = nnc_kb_load_idx(k, nnc_kb_param(k, in[2], "max_per_class"), 0, NULL);
    t.iou = nnc_k_load(&k->b, nnc_kb_param(k, in[3], "iou"), 0, NULL);
    t.least = nnc_k_load(&k->b, nnc_kb_param(k, in[4], "score"), 0, NULL);
    t.rows = nnc_kb_param(k, rows, "rows");
    t.count = nnc_kb_param(k, count, "count");
    perm = nnc_kb_order_scratch(k, ts.dim[2]);
    n = nnc_kb_dim(k, ts.dim[2]);
    most = nnc_kb_idx(k, NNC_OP_min, n, nnc_kb_int(k, size)); /* what there is room for */
    t.limit = nnc_kb_idx(k, NNC_OP_min, t.limit, most);
    t.taken = nnc_kb_var(k, NNC_DT_idx, nnc_kb_int(k, 0), "taken");
    t.b = nnc_kb_for(k, nnc_kb_dim(k, ts.dim[0]), "b");
    t.c = nnc_kb_for(k, nnc_kb_dim(k, ts.dim[1]), "c");
    found = candidates(&t, n, perm);
    row = nnc_kb_order(k, &(nnc_line){t.scores, 3, 2, {t.b, t.c}, true}, found, perm, true);
    select_boxes(&t, found, perm, row);
    nnc_kb_close(k, 2);
    nnc_k_store(&k->b, nnc_k_cast(&k->b, nnc_kb_get(k, t.taken), NNC_DT_i64), t.count, 0, NULL);
    nnc_kb_end(k);
    return NNC_OK;
}
