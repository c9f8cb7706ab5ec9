/* Values while tracing: constructors, trees of leaves, and their text in messages.
 *
 * Composite values (records, static lists, closures, models, laws) keep their parts in item[], so walking the leaves,
 * rebuilding a tree from new leaves and comparing two trees are each one recursion.  A range and a list of known
 * numbers count as one leaf: the tensor that they stand for. */
#include "frontend/nn/trace.h"
#include <inttypes.h>
#include <string.h>

static nn_val *make(nn_trace *t, nn_vkind kind)
{
    nn_val *v = nnc_arena_alloc(t->arena, sizeof *v);
    v->kind = (uint8_t)kind;
    return v;
}

nn_v nn_none(void)
{
    static const nn_val none = {.kind = NN_V_none};
    return &none;
}

nn_v nn_poison(void)
{
    static const nn_val poison = {.kind = NN_V_poison};
    return &poison;
}

const char *nn_sym(const nn_trace *t, nnc_sym s)
{
    return nnc_intern_str(t->syntax.names, s);
}

nnc_sym nn_name(nn_trace *t, const char *s)
{
    return nnc_intern_put(t->syntax.names, s, strlen(s));
}

nn_v nn_tensor(nn_trace *t, nnc_value x)
{
    nn_val *v = make(t, NN_V_tensor);
    v->ssa = x;
    return v;
}

nn_v nn_weak(nn_trace *t, nnc_value x)
{
    nn_val *v = make(t, NN_V_tensor);
    v->ssa = x;
    v->weak = (nnc_dtype)nnc_value_ty(t->m, x)->dtype != NNC_DT_bool;
    return v;
}

nn_v nn_key_value(nn_trace *t, nnc_value x)
{
    nn_val *v = make(t, NN_V_tensor);
    v->ssa = x;
    v->is_key = true;
    return v;
}

nn_v nn_like(nn_trace *t, nn_v x, nnc_value ssa)
{
    nn_val *v = make(t, NN_V_tensor);
    v->ssa = ssa;
    v->weak = x->weak;
    v->is_key = x->is_key;
    return v;
}

nn_v nn_with_labels(nn_trace *t, nn_v x, const nn_label *const *label)
{
    if (!label && !x->label)
        return x;
    nn_val *v = nnc_arena_copy(t->arena, x, sizeof *x);
    v->label = label;
    return v;
}

nn_v nn_int(nn_trace *t, int64_t i)
{
    nn_val *v = make(t, NN_V_tensor);
    v->ssa = nnc_g_int(&t->b, NNC_DT_i64, i);
    v->weak = true;
    v->has_dim = true;
    v->dim = nnc_dim_const(t->m->dims, i);
    return v;
}

nn_v nn_float(nn_trace *t, double x)
{
    return nn_weak(t, nnc_g_float(&t->b, NNC_DT_f64, x));
}

nn_v nn_bool(nn_trace *t, bool x)
{
    return nn_tensor(t, nnc_g_int(&t->b, NNC_DT_bool, x));
}

nn_v nn_dim_value(nn_trace *t, nnc_dim d)
{
    int64_t i;
    if (nnc_dim_value(t->m->dims, d, &i))
        return nn_int(t, i);
    nn_val *v = make(t, NN_V_tensor);
    v->ssa = nnc_g_extent(&t->b, d);
    v->weak = true;
    v->has_dim = true;
    v->dim = d;
    return v;
}

nn_v nn_text(nn_trace *t, const char *s)
{
    nn_val *v = make(t, NN_V_text);
    v->text = s;
    return v;
}

nn_v nn_strings_value(nn_trace *t, const nn_strings *s)
{
    if (s->rank == 0)
        return nn_text(t, nn_sym(t, s->at[0]));
    nn_val *v = make(t, NN_V_strings);
    v->strings = s;
    return v;
}

nn_v nn_record(nn_trace *t, uint32_t n, const nnc_sym *name, const nn_v *item)
{
    nn_val *v = make(t, NN_V_record);
    v->n = n;
    v->item = nnc_arena_copy(t->arena, item, n * sizeof *item);
    nnc_sym *names = nnc_arena_array(t->arena, n, sizeof *names);
    if (name && n)
        memcpy(names, name, n * sizeof *names);
    v->name = names;
    return v;
}

/* Known numbers, equally nested? */
static bool is_number_list(nn_trace *t, uint32_t n, const nn_v *item)
{
    for (uint32_t i = 0; i < n; i++) {
        nn_v x = item[i];
        if (x->kind == NN_V_list) {
            if (!x->numeric || x->n != item[0]->n || item[0]->kind != NN_V_list)
                return false;
        } else if (x->kind != NN_V_tensor || !x->ssa.id || nn_rank(t, x) != 0 || x->is_key ||
                   !nnc_value_is_const(t->m, x->ssa) || item[0]->kind != NN_V_tensor) {
            return false;
        }
    }
    return n > 0;
}

nn_v nn_list(nn_trace *t, uint32_t n, const nn_v *item)
{
    nn_val *v = make(t, NN_V_list);
    v->n = n;
    v->item = nnc_arena_copy(t->arena, item, n * sizeof *item);
    v->numeric = is_number_list(t, n, item);
    return v;
}

nn_v nn_host_value(nn_trace *t, const nnc_tensor *x, const char *name, bool input)
{
    nn_host_tensor *h = nnc_arena_alloc(t->arena, sizeof *h);
    h->t = *x;
    h->id = ++t->nhost;
    h->input = input;
    h->name = name;
    nn_val *v = make(t, NN_V_tensor);
    v->host = h;
    return v;
}

nn_v nn_field(nn_v r, nnc_sym name)
{
    for (uint32_t i = 0; name.id && r->name && i < r->n; i++)
        if (r->name[i].id == name.id)
            return r->item[i];
    return NULL;
}

/* ---- trees ---- */

bool nn_is_tree(nn_v v)
{
    return v->kind == NN_V_record || (v->kind == NN_V_list && !v->numeric) ||
           v->kind == NN_V_closure || v->kind == NN_V_model || v->kind == NN_V_law;
}

bool nn_can_be_tensor(nn_v v)
{
    return v->kind == NN_V_tensor || v->kind == NN_V_range || (v->kind == NN_V_list && v->numeric);
}

void nn_collect(nn_trace *t, nn_v v, nn_leaves *out)
{
    if (nn_can_be_tensor(v)) {
        nn_v x = nn_as_tensor(t, v, NULL);
        NNC_PUSH(t->arena, out, x);
    } else if (nn_is_tree(v)) {
        for (uint32_t i = 0; i < v->n; i++)
            nn_collect(t, v->item[i], out);
    }
}

nn_v nn_map(nn_trace *t, nn_v v, nn_leaf_fn fn, void *user)
{
    if (nn_can_be_tensor(v))
        return fn(t, nn_as_tensor(t, v, NULL), user);
    if (!nn_is_tree(v))
        return v;
    nn_val *r = nnc_arena_copy(t->arena, v, sizeof *v);
    nn_v *item = nnc_arena_array(t->arena, v->n, sizeof *item);
    for (uint32_t i = 0; i < v->n; i++)
        item[i] = nn_map(t, v->item[i], fn, user);
    r->item = item;
    if (r->kind == NN_V_list)
        r->numeric = false;
    return r;
}

static nn_v next_leaf(nn_trace *t, nn_v leaf, void *user)
{
    const nn_v **next = user;
    (void)t;
    (void)leaf;
    return *(*next)++;
}

nn_v nn_rebuild(nn_trace *t, nn_v v, const nn_v **next)
{
    return nn_map(t, v, next_leaf, next);
}

static bool differ(nn_trace *t, const char **why, const char *fmt, const char *a, const char *b)
{
    if (why && !*why) {
        char *text = nnc_arena_printf(t->arena, "%s", fmt);
        *why = nnc_arena_printf(t->arena, "%s%s%s%s", text, a, *b ? " against " : "", b);
    }
    return false;
}

static bool same_args(nn_trace *t, const nn_args *a, const nn_args *b)
{
    uint32_t na = a ? a->n : 0, nb = b ? b->n : 0;
    if (na != nb)
        return false;
    for (uint32_t i = 0; i < na; i++) {
        nn_v x = a->at[i].v, y = b->at[i].v;
        if (a->at[i].name.id != b->at[i].name.id || !nn_same_tree(t, x, y, NULL))
            return false;
        if (x->kind == NN_V_tensor && x->ssa.id != y->ssa.id)
            return false;
    }
    return true;
}

static bool same_code(nn_trace *t, nn_v a, nn_v b)
{
    return a->decl == b->decl && a->lambda == b->lambda && a->builtin == b->builtin &&
           a->unit == b->unit && a->dtype == b->dtype && a->training == b->training &&
           a->batch == b->batch && a->instance == b->instance && a->onnx == b->onnx &&
           same_args(t, a->bound, b->bound);
}

static bool same_fields(nn_trace *t, nn_v a, nn_v b, const char **why)
{
    if (a->n != b->n)
        return differ(t, why, "", nn_type_text(t, a), nn_type_text(t, b));
    for (uint32_t i = 0; i < a->n; i++) {
        nnc_sym x = a->name ? a->name[i] : (nnc_sym){0}, y = b->name ? b->name[i] : (nnc_sym){0};
        if (x.id != y.id)
            return differ(t, why, "field ", nn_sym(t, x), nn_sym(t, y));
        if (!nn_same_tree(t, a->item[i], b->item[i], why))
            return false;
    }
    return true;
}

bool nn_same_tree(nn_trace *t, nn_v a, nn_v b, const char **why)
{
    if (nn_can_be_tensor(a) && nn_can_be_tensor(b))
        return true;
    if (a->kind != b->kind)
        return differ(t, why, "", nn_type_text(t, a), nn_type_text(t, b));
    if (!same_code(t, a, b))
        return differ(t, why, "other code: ", nn_type_text(t, a), nn_type_text(t, b));
    if (a->kind == NN_V_text && strcmp(a->text, b->text) != 0)
        return differ(t, why, "text ", a->text, b->text);
    return !nn_is_tree(a) || same_fields(t, a, b, why);
}

/* ---- tensors ---- */

const nnc_type_rec *nn_ty(const nn_trace *t, nn_v x)
{
    return nnc_value_ty(t->m, x->ssa);
}

nnc_dtype nn_dtype(const nn_trace *t, nn_v x)
{
    return x->host ? x->host->t.dtype : (nnc_dtype)nn_ty(t, x)->dtype;
}

int nn_rank(const nn_trace *t, nn_v x)
{
    return (x->host ? x->host->t.rank : nn_ty(t, x)->rank) - x->is_key;
}

nnc_dim nn_axis_size(const nn_trace *t, nn_v x, int axis)
{
    return x->host ? x->host->t.dim[axis] : nn_ty(t, x)->dim[axis];
}

static nn_v list_tensor(nn_trace *t, nn_v v, const nn_ast *at)
{
    bool flat = v->item[0]->kind == NN_V_tensor, floats = false, same = true;
    for (uint32_t i = 0; flat && i < v->n; i++) {
        floats |= nnc_dtype_is_float(nn_dtype(t, v->item[i]));
        same &= v->item[i]->weak;
    }
    if (!flat || !same)
        return nn_stack(t, v->n, v->item, 0, at);
    nnc_dtype dt = floats ? NNC_DT_f64 : NNC_DT_i64;
    double *f = nnc_arena_array(t->arena, v->n, sizeof *f);
    int64_t *x = (int64_t *)f;
    for (uint32_t i = 0; i < v->n; i++) {
        nnc_value s = v->item[i]->ssa;
        if (floats)
            nnc_value_number(t->m, s, &f[i]);
        else
            nnc_value_idx(t->m, s, &x[i]);
    }
    nnc_dim n = v->n;
    return nn_weak(t, nnc_g_const_data(&t->b, dt, 1, &n, f));
}

nn_v nn_as_tensor(nn_trace *t, nn_v v, const nn_ast *at)
{
    if (v->kind == NN_V_poison)
        nn_fail_silently(t);
    if (v->kind == NN_V_tensor)
        return v->host ? nn_thaw(t, v) : v;
    if (v->kind == NN_V_range)
        return nn_range_tensor(t, v, at);
    if (v->kind == NN_V_list && v->numeric)
        return list_tensor(t, v, at);
    nn_fail(t, at ? at->loc : t->b.loc, "a tensor is needed here, this is %s", nn_type_text(t, v));
}

/* The value of a host tensor in the graph being made: an argument of the root for `data`, else a constant here. */
static nnc_value input_value(nn_trace *t, const nn_host_tensor *h)
{
    nnc_block body = nnc_op_region(t->m, t->root, 0);
    for (uint32_t i = 0; i < t->input.n; i++)
        if (t->input.at[i] == h)
            return nnc_block_arg(t->m, body, t->first_input + i);
    NNC_PUSH(t->arena, &t->input, h);
    nnc_dim dim[NNC_MAX_RANK];
    for (int i = 0; i < h->t.rank; i++)
        dim[i] = h->t.dim[i];
    return nnc_block_add_arg(t->m, body, nnc_type_tensor(t->m, h->t.dtype, h->t.rank, dim),
                             h->name ? h->name : "data");
}

static nn_v thaw_leaf(nn_trace *t, nn_v x, void *user)
{
    (void)user;
    if (!x->host)
        return x;
    nn_val *v = nnc_arena_copy(t->arena, x, sizeof *x);
    const nnc_tensor *h = &x->host->t;
    nnc_dim dim[NNC_MAX_RANK];
    for (int i = 0; i < h->rank; i++)
        dim[i] = h->dim[i];
    if (x->host->input)
        v->ssa = input_value(t, x->host);
    else if (h->rank == 0)
        v->ssa = nnc_const_bits(t->m, nnc_type_tensor(t->m, h->dtype, 0, NULL), 0);
    else
        v->ssa = nnc_g_const(&t->b, nnc_type_tensor(t->m, h->dtype, h->rank, dim),
                             nnc_blob_new(t->m, h->data, nnc_tensor_bytes(h), t->b.loc), 0);
    if (h->rank == 0 && !x->host->input) {
        uint64_t bits = 0;
        memcpy(&bits, h->data, nnc_dtype_bytes(h->dtype));
        v->ssa = nnc_const_bits(t->m, nnc_type_tensor(t->m, h->dtype, 0, NULL), bits);
    }
    v->host = NULL;
    return v;
}

nn_v nn_thaw(nn_trace *t, nn_v v)
{
    if (v->kind == NN_V_tensor)
        return thaw_leaf(t, v, NULL);
    if (!nn_is_tree(v))
        return v;
    nn_val *r = nnc_arena_copy(t->arena, v, sizeof *v);
    nn_v *item = nnc_arena_array(t->arena, v->n, sizeof *item);
    for (uint32_t i = 0; i < v->n; i++)
        item[i] = nn_thaw(t, v->item[i]);
    r->item = item;
    return r;
}

/* ---- text ---- */

static const char *dims_text(nn_trace *t, nn_v x)
{
    int rank = nn_rank(t, x);
    const char *s = "";
    for (int i = 0; i < rank; i++)
        s = nnc_arena_printf(t->arena, "%s%s%s", s, i ? ", " : "",
                             nnc_dim_text(t->m->dims, nn_axis_size(t, x, i)));
    return rank ? nnc_arena_printf(t->arena, "[%s]", s) : "";
}

static const char *tensor_text(nn_trace *t, nn_v x)
{
    nnc_dtype dt = nn_dtype(t, x);
    const char *name = x->is_key                ? "key"
                       : !x->weak               ? nnc_dtype_infos[dt].name
                       : nnc_dtype_is_float(dt) ? "float"
                                                : "int";
    return nnc_arena_printf(t->arena, "%s%s", name, dims_text(t, x));
}

static const char *parts_text(nn_trace *t, nn_v v, const char *open, const char *close)
{
    enum { MOST = 6 };
    const char *s = open;
    for (uint32_t i = 0; i < v->n && i < MOST; i++) {
        const char *name = v->name ? nn_sym(t, v->name[i]) : "";
        s = nnc_arena_printf(t->arena, "%s%s%s%s%s", s, i ? ", " : "", name, *name ? ": " : "",
                             nn_type_text(t, v->item[i]));
    }
    if (v->n > MOST)
        s = nnc_arena_printf(t->arena, "%s, ..", s);
    return nnc_arena_printf(t->arena, "%s%s", s, close);
}

const char *nn_type_text(nn_trace *t, nn_v v)
{
    switch ((nn_vkind)v->kind) {
    case NN_V_none: return "nothing (a block or call without a value)";
    case NN_V_poison: return "a value with an error";
    case NN_V_tensor: return tensor_text(t, v);
    case NN_V_record: return parts_text(t, v, "(", v->n == 1 && !v->name[0].id ? ",)" : ")");
    case NN_V_list: return parts_text(t, v, "[", "]");
    case NN_V_text: return nnc_arena_printf(t->arena, "the text \"%.40s\"", v->text);
    case NN_V_strings: return "strings";
    case NN_V_dtype:
        return nnc_arena_printf(t->arena, "the type %s", nnc_dtype_infos[v->dtype].name);
    case NN_V_function:
        return nnc_arena_printf(t->arena, "the function %s", nn_sym(t, v->decl->name));
    case NN_V_builtin: return nnc_arena_printf(t->arena, "the function %s", v->builtin->name);
    case NN_V_closure: return "a function";
    case NN_V_blueprint:
        return nnc_arena_printf(t->arena, "a blueprint of module %s", nn_sym(t, v->decl->name));
    case NN_V_model:
        return nnc_arena_printf(t->arena, "%s of module %s",
                                v->batch ? "a batch of models" : "a model",
                                v->decl ? nn_sym(t, v->decl->name) : "?");
    case NN_V_law: return "a law (a function that waits for its key)";
    case NN_V_unit: return "an imported file";
    case NN_V_problem: return "an optimisation problem";
    case NN_V_range: return "a range";
    }
    return "a value";
}
