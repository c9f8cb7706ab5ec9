/* Declared types: matching a value against one binds the signature's symbols.
 *
 * Symbols are names in the outermost environment of the call (NN_ENV_function), below the arguments.  `..` binds the name
 * "..", `..b` the name "..b", to a list of dimensions.  Aliases stand for their text: they are matched in place. */
#include "frontend/nn/types.h"
#include "frontend/nn/number.h"
#include <string.h>

nnc_dtype nn_named_dtype(nn_trace *t, nnc_sym name)
{
    const char *s = nn_sym(t, name);
    if (strcmp(s, "float") == 0)
        return nn_float_here(t);
    if (strcmp(s, "int") == 0)
        return t->frame && t->frame->int_dt ? t->frame->int_dt : NNC_DT_i32;
    if (strcmp(s, "str") == 0 || strcmp(s, "key") == 0)
        return NNC_DT_none;
    nnc_dtype dt = nnc_dtype_by_name(
        s, strlen(s)); /* idx (a reader) and packed cells are the compiler's own */
    return dt == NNC_DT_idx || nnc_dtype_infos[dt].class == NNC_DC_OTHER ? NNC_DT_none : dt;
}

static bool is_word(nn_trace *t, const nn_ast *type, const char *word)
{
    return nn_is(type, NN_type_name) && type->nkid <= 1 && strcmp(nn_sym(t, type->name), word) == 0;
}

const nn_ast *nn_alias(nn_trace *t, const nn_ast *type)
{
    for (int depth = 0; nn_is(type, NN_type_name) && depth < 64; depth++) {
        if (nn_named_dtype(t, type->name) || is_word(t, type, "key") || is_word(t, type, "str"))
            return type;
        nn_decl *d = nn_type_decl(t, t->frame->unit, type->name, type);
        if (!d)
            nn_fail(t, type->loc, "'%s' is no type", nn_sym(t, type->name));
        type = nn_kid(d->node, 0);
    }
    if (nn_is(type, NN_type_name))
        nn_fail(t, type->loc, "'%s' stands for a type that is declared through itself",
                nn_sym(t, type->name));
    return type;
}

/* ---- dtypes ---- */

static bool is_open(nn_trace *t, nnc_sym name, bool *floats)
{
    const char *s = nn_sym(t, name);
    *floats = strcmp(s, "float") == 0;
    return *floats || strcmp(s, "int") == 0;
}

/* Let the first concrete value that a signature's `float` or `int` meets decide what the word stands for. */
void nn_decide_dtypes(nn_trace *t, nn_v v, const nn_ast *type)
{
    type = nn_alias(t, type);
    if (nn_is(type, NN_type_record) && v->kind == NN_V_record)
        for (uint32_t i = 0; i < type->nkid && i < v->n; i++)
            nn_decide_dtypes(t, v->item[i],
                             nn_is(type->kid[i], NN_field_type) ? nn_kid(type->kid[i], 0)
                                                                : type->kid[i]);
    const nn_ast *name = nn_is(type, NN_type_tensor) ? nn_kid(type, 0) : type;
    bool floats;
    if (!nn_is(name, NN_type_name) || v->kind != NN_V_tensor || v->weak || v->is_key ||
        !is_open(t, name->name, &floats))
        return;
    nnc_dtype dt = nn_dtype(t, v);
    if (floats && nnc_dtype_is_float(dt) && !t->frame->float_dt)
        t->frame->float_dt = dt;
    if (!floats && nnc_dtype_is_int(dt) && !t->frame->int_dt)
        t->frame->int_dt = dt;
}

/* ---- dimensions ---- */

static void bind_symbol(nn_trace *t, nnc_sym name, nn_v v, const nn_ast *at)
{
    nn_env *e = t->env, *inner = t->env;
    while (e->up)
        e = e->up;
    t->env = e;
    nn_bind(t, name, v, at)->is_symbol = true;
    t->env = inner;
}

/* The group that `..` or `..b` bound, or NULL. */
nn_v nn_group(nn_trace *t, nnc_sym name)
{
    nn_slot *s = nn_lookup(t, nn_name(t, nnc_arena_printf(t->arena, "..%s", nn_sym(t, name))));
    return s ? s->val : NULL;
}

static void bind_group(nn_trace *t, const nn_ast *rest, nn_v x, int first, int n,
                       const nn_match_place *p)
{
    nn_v *item = nnc_arena_array(t->arena, (size_t)n, sizeof *item);
    for (int i = 0; i < n; i++)
        item[i] = nn_dim_value(t, nn_axis_size(t, x, first + i));
    nn_v old = nn_group(t, rest->name);
    if (!old) {
        nnc_sym name = nn_name(t, nnc_arena_printf(t->arena, "..%s", nn_sym(t, rest->name)));
        bind_symbol(t, name, nn_list(t, (uint32_t)n, item), rest);
        return;
    }
    if (!rest->name.id && !p->result)
        return; /* groups without a name are independent */
    bool same = old->n == (uint32_t)n;
    for (int i = 0; same && i < n; i++)
        same = old->item[i]->dim == item[i]->dim;
    if (!same)
        nn_mismatch(t, x, p, "'..%s' stands for other leading dimensions here",
                    nn_sym(t, rest->name));
}

static nn_v size_named(nn_trace *t, nnc_sym name);

static nn_v dim_expr(nn_trace *t, const nn_ast *d)
{
    nn_v named = nn_is(d, NN_name) ? size_named(t, d->name) : NULL;
    nn_v v = named ? named : nn_expr(t, d);
    if (!v->has_dim)
        v = nn_dim_value(t, nnc_dim_const(t->m->dims, nn_ask_int(t, v, d, "a size")));
    return v;
}

/* A name that stands for one integer: tensors of the same name do not hide a size in types. */
static bool is_number(nn_trace *t, const nn_slot *s)
{
    nn_v v = s->val;
    return v->has_dim || (v->kind == NN_V_tensor && !v->is_key && nn_rank(t, v) == 0);
}

static nn_v size_named(nn_trace *t, nnc_sym name)
{
    for (nn_env *e = t->env; e; e = e->up)
        for (uint32_t i = e->slot.n; i-- > 0;)
            if (e->slot.at[i]->name.id == name.id && is_number(t, e->slot.at[i]))
                return e->slot.at[i]->val;
    return NULL;
}

static bool is_new_symbol(nn_trace *t, const nn_ast *d)
{
    if (!nn_is(d, NN_name) || size_named(t, d->name))
        return false;
    nn_decl *decl = nn_find_decl(t, t->frame->unit, d->name, NULL);
    return !decl || decl->node->kind != NN_const_;
}

static void match_dim(nn_trace *t, const nn_ast *d, nn_v x, int axis, const nn_match_place *p)
{
    nnc_dim size = nn_axis_size(t, x, axis);
    const nn_ast *limit = nn_is(d, NN_bounded) ? nn_kid(d, 1) : NULL;
    const nn_ast *e = limit ? nn_kid(d, 0) : d;
    if (is_new_symbol(t, e)) {
        bind_symbol(t, e->name, nn_dim_value(t, size), e);
    } else {
        nn_v want = dim_expr(t, e);
        if (want->dim != size)
            nn_mismatch(t, x, p, "axis %d is %s, declared %s", axis, nnc_dim_text(t->m->dims, size),
                        nnc_dim_text(t->m->dims, want->dim));
    }
    if (limit) {
        int64_t most = nn_ask_int(t, nn_expr(t, limit), limit, "a bound");
        if (nnc_dim_hi(t->m->dims, size) > most)
            nn_mismatch(t, x, p, "axis %d %s %lld, declared at most %lld", axis,
                        nnc_dim_is_const(size) ? "is" : "may be",
                        (long long)nnc_dim_hi(t->m->dims, size), (long long)most);
    }
}

static void match_dims(nn_trace *t, const nn_ast *dims, nn_v x, const nn_match_place *p)
{
    int rank = nn_rank(t, x), rest = -1, n = (int)dims->nkid;
    for (int i = 0; i < n; i++)
        if (nn_is(dims->kid[i], NN_rest)) {
            if (rest >= 0)
                nn_fail(t, dims->kid[i]->loc, "'..' may stand only once in a shape");
            rest = i;
        }
    if (rest < 0 ? rank != n : rank < n - 1)
        nn_mismatch(t, x, p, "it has %d %s, declared %s%d", rank, rank == 1 ? "axis" : "axes",
                    rest < 0 ? "" : "at least ", rest < 0 ? n : n - 1);
    int group = rest < 0 ? 0 : rank - (n - 1);
    /* plain symbols bind first, wherever they stand: expressions are checked then */
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0, axis = 0; i < n; i++) {
            const nn_ast *d = dims->kid[i];
            if (i == rest) {
                if (pass == 0)
                    bind_group(t, d, x, axis, group, p);
                axis += group;
                continue;
            }
            const nn_ast *e = nn_is(d, NN_bounded) ? nn_kid(d, 0) : d;
            if ((pass == 0) == nn_is(e, NN_name))
                match_dim(t, d, x, axis, p);
            axis++;
        }
}

/* ---- matching ---- */

void nn_mismatch(nn_trace *t, nn_v v, const nn_match_place *p, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *why = nnc_arena_vprintf(t->arena, fmt, ap);
    va_end(ap);
    nn_error(t, p->at->loc, "%s is %s: %s", p->what, nn_type_text(t, v), why);
    nnc_note(t->diag, p->type->loc, "declared here");
    nn_fail_silently(t);
}

static nn_v match_dtype(nn_trace *t, nn_v x, const nn_ast *name, const nn_match_place *p)
{
    nnc_dtype want = nn_named_dtype(t, name->name), have = nn_dtype(t, x);
    bool floats, open = is_open(t, name->name, &floats);
    if (x->is_key)
        nn_mismatch(t, x, p, "a %s is wanted", nn_sym(t, name->name));
    if (x->weak) {
        if (nn_kind_of(have) > nn_kind_of(want))
            nn_mismatch(t, x, p, "a fraction is no %s; round it, or convert with %s(..)",
                        nn_sym(t, name->name), nnc_dtype_infos[want].name);
        nn_v c = nn_convert(t, x, want);
        if (x->has_dim && nn_kind_of(want) == 1) { /* a size stays one */
            nn_val *keep = nnc_arena_copy(t->arena, c, sizeof *c);
            keep->has_dim = true;
            keep->dim = x->dim;
            return keep;
        }
        return c;
    }
    if (have == want)
        return x;
    if (open && nn_kind_of(have) == nn_kind_of(want))
        nn_mismatch(t, x, p, "%s is %s in this call, and %s and %s do not mix",
                    nn_sym(t, name->name), nnc_dtype_infos[want].name, nnc_dtype_infos[want].name,
                    nnc_dtype_infos[have].name);
    nn_mismatch(t, x, p, "declared %s; convert with %s(..)", nn_sym(t, name->name),
                nnc_dtype_infos[want].name);
    return x;
}

static nn_v match_record(nn_trace *t, nn_v v, const nn_ast *type, const nn_match_place *p)
{
    if (v->kind != NN_V_record && v->kind != NN_V_list)
        nn_mismatch(t, v, p, "a record of %u fields is wanted", type->nkid);
    if (v->n != type->nkid)
        nn_mismatch(t, v, p, "%u fields, declared %u", v->n, type->nkid);
    nn_v *item = nnc_arena_array(t->arena, v->n, sizeof *item);
    for (uint32_t i = 0; i < v->n; i++) {
        const nn_ast *f = type->kid[i];
        nnc_sym name = nn_is(f, NN_field_type) ? f->name : (nnc_sym){0};
        if (name.id && (!v->name || v->name[i].id != name.id))
            nn_mismatch(t, v, p, "its field %u should be '%s'", i + 1, nn_sym(t, name));
        item[i] = nn_match(
            t, v->item[i], nn_is(f, NN_field_type) ? nn_kid(f, 0) : f, p->at,
            name.id ? nnc_arena_printf(t->arena, "the field '%s' of %s", nn_sym(t, name), p->what)
                    : p->what);
    }
    return nn_record(t, v->n, v->name, item);
}

static nn_v match_key(nn_trace *t, nn_v v, const nn_match_place *p)
{
    if (v->kind != NN_V_tensor || !v->is_key)
        nn_mismatch(t, v, p, "a key is wanted; make one with key(seed)");
    return v;
}

static nn_v match_tensor(nn_trace *t, nn_v v, const nn_ast *type, const nn_match_place *p)
{
    const nn_ast *name = nn_is(type, NN_type_tensor) ? nn_kid(type, 0) : type;
    if (!nn_can_be_tensor(v))
        nn_mismatch(t, v, p, "a tensor is wanted");
    nn_v x = nn_as_tensor(t, v, p->at);
    x = is_word(t, name, "key") ? match_key(t, x, p) : match_dtype(t, x, name, p);
    if (nn_is(type, NN_type_tensor))
        match_dims(t, nn_kid(type, 1), x, p);
    else if (nn_rank(t, x) != 0)
        nn_mismatch(t, x, p, "a single %s is wanted", nn_sym(t, name->name));
    return x;
}

nn_v nn_match(nn_trace *t, nn_v v, const nn_ast *type, const nn_ast *at, const char *what)
{
    const nn_ast *written = type;
    type = nn_alias(t, type);
    nn_match_place p = {at, written, what, strcmp(what, "the result") == 0};
    if (v->kind == NN_V_poison)
        nn_fail_silently(t);
    switch ((nn_kind)type->kind) {
    case NN_type_record: return match_record(t, v, type, &p);
    case NN_type_fn:
        if (!nn_is_callable(v))
            nn_mismatch(t, v, &p, "something that can be called is wanted");
        return v;
    case NN_type_fixed: nn_fail(t, type->loc, "fixed point types: not yet supported");
    default: break;
    }
    const nn_ast *name = nn_is(type, NN_type_tensor) ? nn_kid(type, 0) : type;
    if (is_word(t, name, "str")) {
        if (v->kind != NN_V_text && v->kind != NN_V_strings)
            nn_mismatch(t, v, &p, "text is wanted");
        return v;
    }
    if (nn_is(type, NN_type_tensor) && !is_word(t, name, "key") && !nn_named_dtype(t, name->name))
        nn_fail(t, name->loc, "'%s' is no element type", nn_sym(t, name->name));
    return match_tensor(t, v, type, &p);
}

bool nn_is_callable(nn_v v)
{
    return v->kind == NN_V_function || v->kind == NN_V_builtin || v->kind == NN_V_closure ||
           v->kind == NN_V_model || v->kind == NN_V_blueprint || v->kind == NN_V_law ||
           v->kind == NN_V_dtype;
}

/* ---- types of new tensors ---- */

static void declared_dims(nn_trace *t, const nn_ast *dims, nnc_dim *out, int *rank)
{
    *rank = 0;
    for (uint32_t i = 0; i < dims->nkid; i++) {
        const nn_ast *d = dims->kid[i];
        if (nn_is(d, NN_rest)) {
            nn_v g = nn_group(t, d->name);
            if (!g)
                nn_fail(t, d->loc, "'..%s' is bound by no argument", nn_sym(t, d->name));
            for (uint32_t k = 0; k < g->n && *rank < NNC_MAX_RANK; k++)
                out[(*rank)++] = g->item[k]->dim;
            continue;
        }
        const nn_ast *e = nn_is(d, NN_bounded) ? nn_kid(d, 0) : d;
        if (is_new_symbol(t, e))
            nn_fail(t, e->loc, "the size '%s' is bound by no argument", nn_sym(t, e->name));
        if (*rank == NNC_MAX_RANK)
            nn_fail(t, d->loc, "a tensor has at most %d axes", NNC_MAX_RANK);
        out[(*rank)++] = dim_expr(t, e)->dim;
    }
}

nnc_type nn_declared_type(nn_trace *t, const nn_ast *type)
{
    type = nn_alias(t, type);
    const nn_ast *name = nn_is(type, NN_type_tensor) ? nn_kid(type, 0) : type;
    nnc_dim dim[NNC_MAX_RANK];
    int rank = 0;
    bool key = is_word(t, name, "key");
    nnc_dtype dt = key                         ? NNC_DT_u32
                   : nn_is(name, NN_type_name) ? nn_named_dtype(t, name->name)
                                               : NNC_DT_none;
    if (!dt)
        nn_fail(t, type->loc, "a tensor type is needed here, for example f32[3, 4]");
    if (nn_is(type, NN_type_tensor))
        declared_dims(t, nn_kid(type, 1), dim, &rank);
    if (key && rank < NNC_MAX_RANK)
        dim[rank++] = 2;
    return nnc_type_tensor(t->m, dt, rank, dim);
}
