/* frontend/onnx/rows_seq.c - sequences and optionals: lists that are edited here and do not exist in the IR. */
#include "frontend/onnx/import_cx.h"
#include "frontend/onnx/rows.h"

static nnc_status set_list(nnc_onnx_cx *cx, uint32_t n, const nnc_val *item, nnc_dtype dt)
{
    if (!dt && n && item[0].kind == NNC_VAL_tensor)
        dt = nnc_cx_dtype(cx, item[0].v);
    nnc_cx_set_val(cx, 0, (nnc_val){.kind = NNC_VAL_sequence, .item = item, .n = n, .dtype = dt});
    return NNC_OK;
}

static nnc_status list_of(nnc_onnx_cx *cx, uint32_t i, const nnc_val **s)
{
    *s = nnc_cx_val(cx, i);
    if ((*s)->kind != NNC_VAL_sequence)
        return nnc_cx_error(cx, "input '%s' is not a sequence",
                            nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, i)));
    return NNC_OK;
}

/* A position in a list of n: -n .. n-1; dflt when input i is absent. */
static nnc_status position(nnc_onnx_cx *cx, uint32_t i, uint32_t n, int64_t dflt, int64_t *out)
{
    *out = dflt;
    if (!nnc_cx_has(cx, i))
        return NNC_OK;
    if (!nnc_cx_int(cx, nnc_cx_in(cx, i), out))
        return nnc_cx_error(cx,
                            "position ('%s') is only known at run time; sequences are resolved "
                            "when the model is compiled, so "
                            "it must be a constant",
                            nnc_onnx_name(cx->model, nnc_onnx_node_in(cx->node, i)));
    *out += *out < 0 ? n : 0;
    return NNC_OK;
}

nnc_status nnc_row_sequence_construct(nnc_onnx_cx *cx)
{
    return set_list(cx, cx->nin, cx->in, NNC_DT_none);
}

nnc_status nnc_row_sequence_empty(nnc_onnx_cx *cx)
{
    nnc_dtype dt = nnc_cx_elem(cx, nnc_onnx_node_int(cx->node, "dtype", 1));
    return dt ? set_list(cx, 0, NULL, dt) : NNC_ERR;
}

nnc_status nnc_row_sequence_length(nnc_onnx_cx *cx)
{
    const nnc_val *s;
    NNC_TRY(list_of(cx, 0, &s));
    nnc_cx_set(cx, 0, nnc_g_int(&cx->b, NNC_DT_i64, s->n));
    return NNC_OK;
}

/* All elements on top of each other; they must have one shape. */
static nnc_status stack(nnc_onnx_cx *cx, const nnc_val *s, int axis, nnc_value *out)
{
    nnc_value *part = nnc_arena_array(cx->a, s->n + 1, sizeof *part);
    for (uint32_t i = 0; i < s->n; i++) {
        if (s->item[i].kind != NNC_VAL_tensor)
            return nnc_cx_error(cx, "element %u of the sequence is not a tensor", i);
        if (nnc_cx_rank(cx, s->item[i].v) == NNC_MAX_RANK)
            return nnc_cx_error(cx, "stacking would give a rank over %d", NNC_MAX_RANK);
        part[i] = nnc_cx_expand_dim(cx, s->item[i].v, axis);
    }
    return nnc_cx_concat(cx, s->n, part, axis, out);
}

nnc_status nnc_row_sequence_at(nnc_onnx_cx *cx)
{
    const nnc_val *s;
    int64_t at;
    nnc_value v;

    NNC_TRY(list_of(cx, 0, &s));
    if (nnc_cx_int(cx, nnc_cx_in(cx, 1), &at)) {
        at += at < 0 ? s->n : 0;
        if (at < 0 || at >= s->n)
            return nnc_cx_error(cx, "position %lld is out of range for a sequence of %u",
                                (long long)at, s->n);
        nnc_cx_set_val(cx, 0, s->item[at]);
        return NNC_OK;
    }
    if (!s->n)
        return nnc_cx_error(cx, "the sequence is empty");
    NNC_TRY(stack(cx, s, 0, &v)); /* only the run knows which: choose from a stack */
    nnc_value i = nnc_cx_wrap_index(cx, nnc_cx_scalar(cx, nnc_cx_in(cx, 1)), s->n);
    nnc_cx_set(cx, 0, nnc_g_gather(&cx->b, v, i, 0, 0));
    return NNC_OK;
}

nnc_status nnc_row_sequence_insert(nnc_onnx_cx *cx)
{
    const nnc_val *s;
    int64_t at;

    NNC_TRY(list_of(cx, 0, &s));
    NNC_TRY(position(cx, 2, s->n, s->n, &at));
    if (at < 0 || at > s->n)
        return nnc_cx_error(cx, "position %lld is out of range for a sequence of %u", (long long)at,
                            s->n);
    nnc_val *item = nnc_arena_array(cx->a, s->n + 1, sizeof *item);
    for (uint32_t i = 0, j = 0; i <= s->n; i++)
        item[i] = i == at ? *nnc_cx_val(cx, 1) : s->item[j++];
    return set_list(cx, s->n + 1, item, s->dtype);
}

nnc_status nnc_row_sequence_erase(nnc_onnx_cx *cx)
{
    const nnc_val *s;
    int64_t at;

    NNC_TRY(list_of(cx, 0, &s));
    NNC_TRY(position(cx, 1, s->n, (int64_t)s->n - 1, &at));
    if (at < 0 || at >= s->n)
        return nnc_cx_error(cx, "position %lld is out of range for a sequence of %u", (long long)at,
                            s->n);
    nnc_val *item = nnc_arena_array(cx->a, s->n, sizeof *item);
    for (uint32_t i = 0, j = 0; i < s->n; i++)
        if (i != at)
            item[j++] = s->item[i];
    return set_list(cx, s->n - 1, item, s->dtype);
}

nnc_status nnc_row_concat_from_sequence(nnc_onnx_cx *cx)
{
    const nnc_val *s;
    bool fresh = nnc_onnx_node_int(cx->node, "new_axis", 0) != 0;
    nnc_value v, *part;
    int axis;

    NNC_TRY(list_of(cx, 0, &s));
    if (!s->n || s->item[0].kind != NNC_VAL_tensor)
        return nnc_cx_error(cx, "the sequence is empty, or not one of tensors");
    int rank = nnc_cx_rank(cx, s->item[0].v) + fresh;
    if (rank == 0)
        return nnc_cx_error(cx, "scalars cannot be concatenated without new_axis");
    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 0), rank, "attribute axis", &axis));
    if (fresh) {
        NNC_TRY(stack(cx, s, axis, &v));
    } else {
        part = nnc_arena_array(cx->a, s->n, sizeof *part);
        for (uint32_t i = 0; i < s->n; i++)
            part[i] = s->item[i].v;
        NNC_TRY(nnc_cx_concat(cx, s->n, part, axis, &v));
    }
    nnc_cx_set(cx, 0, v);
    return NNC_OK;
}

/* Sizes that only the run knows, but how many: each part is the largest possible one with a count. */
static nnc_status split_at_run_time(nnc_onnx_cx *cx, nnc_value x, int axis)
{
    nnc_value split = nnc_cx_in(cx, 1), from = nnc_g_int(&cx->b, NNC_DT_i64, 0);
    nnc_dim n = nnc_cx_dim(cx, split, 0), d = nnc_cx_dim(cx, x, axis),
            most = nnc_dim_hi(cx->dims, d);

    if (!nnc_dim_is_const(n) || n > 4096)
        return nnc_cx_error(cx, "split is %s; how many parts there are must be known",
                            nnc_cx_type_text(cx, split));
    nnc_val *item = nnc_arena_array(cx->a, (size_t)n + 1, sizeof *item);
    for (nnc_dim i = 0; i < n; i++) {
        nnc_value size = nnc_cx_scalar(cx, nnc_g_slice_axis(&cx->b, split, 0, i, 1, 1));
        size = nnc_g_cast(&cx->b, size, NNC_DT_i64);
        nnc_value at =
            nnc_cx_op2(cx, NNC_OP_add, nnc_g_iota(&cx->b, NNC_DT_i64, 1, &most, 0), from);
        item[i].kind = NNC_VAL_tensor;
        item[i].v = nnc_cx_prefix(cx, nnc_g_gather(&cx->b, x, at, axis, 0), size, axis);
        from = nnc_cx_op2(cx, NNC_OP_add, from, size);
    }
    return set_list(cx, (uint32_t)n, item, nnc_cx_dtype(cx, x));
}

nnc_status nnc_row_split_to_sequence(nnc_onnx_cx *cx)
{
    enum { MAX_PARTS = 4096 };
    nnc_value x = nnc_cx_in(cx, 0);
    bool keep = nnc_cx_has(cx, 1) || nnc_onnx_node_int(cx->node, "keepdims", 1) != 0;
    uint32_t n = 0, parts = 0;
    const int64_t *at = NULL;
    int64_t size = 1, from = 0;
    int axis;

    NNC_TRY(nnc_cx_axis(cx, nnc_onnx_node_int(cx->node, "axis", 0), nnc_cx_rank(cx, x),
                        "attribute axis", &axis));
    nnc_dim d = nnc_cx_dim(cx, x, axis);
    if (nnc_cx_has(cx, 1) && nnc_cx_rank(cx, nnc_cx_in(cx, 1)) == 1 &&
        !nnc_cx_ints(cx, nnc_cx_in(cx, 1), &n, &at))
        return split_at_run_time(cx, x, axis);
    if (!nnc_dim_is_const(d))
        return nnc_cx_error(
            cx,
            "axis %d of %s has no fixed size, so the number of parts is unknown; pin it with --dim",
            axis, nnc_cx_type_text(cx, x));
    if (nnc_cx_has(cx, 1)) {
        NNC_TRY(nnc_cx_need_ints(cx, 1, "split", &n, &at));
        if (nnc_cx_rank(cx, nnc_cx_in(cx, 1)) == 0) {
            size = at[0];
            at = NULL;
        }
    }
    if (!at && size < 1)
        return nnc_cx_error(cx, "split is %lld, expected a positive number", (long long)size);
    nnc_val *item = nnc_arena_array(cx->a, MAX_PARTS, sizeof *item);
    for (; from < d || (at && parts < n); parts++) {
        int64_t part = at ? (parts < n ? at[parts] : -1) : d - from < size ? d - from : size;
        if (part < 0 || part > d - from || parts == MAX_PARTS)
            return nnc_cx_error(cx,
                                "split does not divide axis %d of %s, or gives more than %d parts",
                                axis, nnc_cx_type_text(cx, x), MAX_PARTS);
        nnc_value v = nnc_g_slice_axis(&cx->b, x, axis, from, 1, part);
        item[parts] =
            (nnc_val){.kind = NNC_VAL_tensor, .v = keep ? v : nnc_cx_drop_dim(cx, v, axis)};
        from += part;
    }
    return set_list(cx, parts, item, nnc_cx_dtype(cx, x));
}

/* The body once per element, on the elements of all sequences and the other inputs as they are. */
nnc_status nnc_row_sequence_map(nnc_onnx_cx *cx)
{
    const nnc_onnx_graph *body = nnc_onnx_node_graph(cx->node, "body");
    const nnc_val *s, *in;
    nnc_val *arg = nnc_arena_array(cx->a, cx->nin + 1, sizeof *arg), *out;

    NNC_TRY(list_of(cx, 0, &s));
    if (!body || body->nin != cx->nin || body->nout < cx->nout)
        return nnc_cx_error(cx, "the body does not have the %u inputs and %u outputs of the node",
                            cx->nin, cx->nout);
    nnc_val **list = nnc_arena_array(cx->a, cx->nout + 1, sizeof *list);
    for (uint32_t k = 0; k < cx->nout; k++)
        list[k] = nnc_arena_array(cx->a, s->n + 1, sizeof **list);
    out = nnc_arena_array(cx->a, body->nout + 1, sizeof *out);
    for (uint32_t i = 0; i < s->n; i++) {
        for (uint32_t k = 0; k < cx->nin; k++) {
            in = nnc_cx_val(cx, k);
            if (in->kind == NNC_VAL_sequence && in->n != s->n)
                return nnc_cx_error(cx, "sequence %u has %u elements, the first one %u", k, in->n,
                                    s->n);
            arg[k] = in->kind == NNC_VAL_sequence ? in->item[i] : *in;
        }
        NNC_TRY(nnc_cx_subgraph(cx, body, arg, out));
        for (uint32_t k = 0; k < cx->nout; k++)
            list[k][i] = out[k];
    }
    for (uint32_t k = 0; k < cx->nout; k++) {
        nnc_dtype dt = s->n && list[k][0].kind == NNC_VAL_tensor ? nnc_cx_dtype(cx, list[k][0].v)
                                                                 : NNC_DT_none;
        nnc_cx_set_val(
            cx, k, (nnc_val){.kind = NNC_VAL_sequence, .item = list[k], .n = s->n, .dtype = dt});
    }
    return NNC_OK;
}

/* ---- optionals ---- */

nnc_status nnc_row_optional(nnc_onnx_cx *cx)
{
    if (nnc_cx_has(cx, 0))
        nnc_cx_set_val(cx, 0, *nnc_cx_val(cx, 0));
    else
        nnc_cx_set_val(cx, 0, (nnc_val){.kind = NNC_VAL_empty});
    return NNC_OK;
}

nnc_status nnc_row_optional_has_element(nnc_onnx_cx *cx)
{
    nnc_val_kind kind = nnc_cx_val(cx, 0)->kind;
    nnc_cx_set(cx, 0,
               nnc_cx_num(cx, NNC_DT_bool, kind == NNC_VAL_tensor || kind == NNC_VAL_sequence));
    return NNC_OK;
}

nnc_status nnc_row_optional_get_element(nnc_onnx_cx *cx)
{
    if (nnc_cx_val(cx, 0)->kind == NNC_VAL_empty)
        return nnc_cx_error(cx, "the optional has no value");
    nnc_cx_set_val(cx, 0, *nnc_cx_val(cx, 0));
    return NNC_OK;
}
