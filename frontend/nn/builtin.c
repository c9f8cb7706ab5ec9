/* Builtins: the table, and how a call of one finds its arguments.
 *
 * A signature is two lists of names, "stride=1 pad ..dims" in brackets and "x axis? keep?" in parentheses; `?` and `=`
 * mark what may be left out, `..` what takes any number.  Arguments go to names by position or by name; what brackets
 * ask for may also come in parentheses, by name or after the last argument.  Lists are short, so every question binds
 * the call anew; the first one meets the mistakes. */
#include "frontend/nn/builtin.h"
#include "frontend/nn/near.h"
#include <string.h>

static const nn_builtin table[] = {
#define B(name, statics, args, fn, doc) {#name, statics, args, nn_b_##fn, doc, false, false, NULL},
#define EFFECT(name, statics, args, fn, doc) \
    {#name, statics, args, nn_b_##fn, doc, true, false, NULL},
#define RAW(name, statics, args, fn, doc) {#name, statics, args, nn_b_##fn, doc, true, true, NULL},
#define TREE(name, statics, args, fn, doc) \
    {#name, statics, args, nn_b_##fn, doc, false, true, NULL},
#define CONSTANT(name, fn, doc) {#name, "", "", NULL, doc, false, false, nn_c_##fn},
#include "frontend/nn/builtins.def"
    /* of the loop that `train` becomes; no program can write these names */
    {"%train_rows", "", "step", nn_b_train_rows, "the rows of a step", false, false, NULL},
    {"%train_order", "", "epoch", nn_b_train_order, "the order of the rows in an epoch", false,
     false, NULL},
};

uint32_t nn_builtin_count(void)
{
    return sizeof table / sizeof *table;
}

const nn_builtin *nn_builtin_at(uint32_t i)
{
    return &table[i];
}

const nn_builtin *nn_builtin_find(const nn_trace *t, nnc_sym name)
{
    const char *s = nn_sym(t, name);
    for (unsigned i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].name[0] == s[0] && !strcmp(table[i].name, s))
            return &table[i];
    return NULL;
}

/* ---- signatures ---- */

enum { MAX_PARAM = 24, MAX_REST = 256 };
struct param {
    const char *name;
    size_t len;
    bool optional, rest, is_static;
    const nn_arg *given;
};
struct binding {
    unsigned nstatic, n; /* statics first */
    struct param at[MAX_PARAM];
    unsigned nrest[2];
    nn_arg *rest[2]; /* [1]: of the statics */
};

static void read_list(struct binding *b, const char *s, bool is_static)
{
    while (*s) {
        struct param *p = &b->at[b->n];
        size_t len = strcspn(s, " "), name;
        *p = (struct param){.is_static = is_static};
        if (s[0] == '.') {
            p->rest = true;
            s += 2;
            len -= 2;
        }
        name = strcspn(s, " ?=!");
        p->name = s;
        p->len = name;
        p->optional = p->rest || (name < len) || is_static;
        if (s[name] == '!') /* a static argument that must be given */
            p->optional = false;
        s += len;
        s += *s == ' ';
        b->n++;
    }
}

static bool is_named(const struct param *p, const char *name)
{
    return strlen(name) == p->len && !strncmp(p->name, name, p->len);
}

static const char *list_text(nn_trace *t, const struct binding *b, bool is_static)
{
    const char *s = "";
    for (unsigned i = 0; i < b->n; i++) {
        const struct param *p = &b->at[i];
        if (p->is_static != is_static)
            continue;
        s = nnc_arena_printf(t->arena, "%s%s%s%.*s", s, *s ? ", " : "", p->rest ? ".." : "",
                             (int)p->len, p->name);
        if (p->name[p->len] == '=')
            s = nnc_arena_printf(t->arena, "%s = %.*s", s, (int)strcspn(p->name + p->len + 1, " "),
                                 p->name + p->len + 1);
        else if (p->name[p->len] == '?')
            s = nnc_arena_printf(t->arena, "%s?", s);
    }
    return s;
}

static const char *signature(nn_trace *t, const nn_bcall *c, const struct binding *b)
{
    const char *statics = list_text(t, b, true);
    return nnc_arena_printf(t->arena, *statics ? "%s[%s](%s)" : "%s%s(%s)", c->self->name, statics,
                            list_text(t, b, false));
}

static _Noreturn void wrong(nn_trace *t, const nn_bcall *c, const struct binding *b,
                            const nn_ast *at, const char *text)
{
    nn_error(t, at->loc, "%s", text);
    nnc_note(t->diag, t->b.loc, "the builtin is %s: %s", signature(t, c, b), c->self->doc);
    for (nn_frame *f = t->frame; f && f->call; f = f->caller)
        nnc_note(t->diag, f->call->loc, "called from here");
    nn_fail_silently(t);
}

static struct param *param_named(struct binding *b, const char *name)
{
    for (unsigned i = b->n; i-- > 0;) /* arguments before statics of the same name */
        if (is_named(&b->at[i], name))
            return &b->at[i];
    return NULL;
}

static void push_rest(nn_trace *t, struct binding *b, bool is_static, const nn_arg *a,
                      const nn_bcall *c)
{
    if (!b->rest[is_static])
        b->rest[is_static] =
            nnc_arena_array(t->arena, c->statics->n + c->args->n + 1u, sizeof(nn_arg));
    b->rest[is_static][b->nrest[is_static]++] = *a;
}

static void give(nn_trace *t, const nn_bcall *c, struct binding *b, struct param *p,
                 const nn_arg *a)
{
    if (p->given)
        wrong(t, c, b, a->node,
              nnc_arena_printf(t->arena, "'%.*s' is given twice", (int)p->len, p->name));
    p->given = a;
}

static void give_named(nn_trace *t, const nn_bcall *c, struct binding *b, const nn_arg *a)
{
    const char *name = nn_sym(t, a->name);
    struct param *p = param_named(b, name);
    if (p && p->rest)
        p = NULL;
    if (p) {
        give(t, c, b, p, a);
        return;
    }
    nn_near near = {.want = name};
    for (unsigned i = 0; i < b->n; i++)
        nn_near_try(&near, nnc_arena_printf(t->arena, "%.*s", (int)b->at[i].len, b->at[i].name));
    wrong(t, c, b, a->node,
          near.best ? nnc_arena_printf(t->arena, "%s has no argument '%s'; did you mean '%s'?",
                                       c->self->name, name, near.best)
                    : nnc_arena_printf(t->arena, "%s has no argument '%s'", c->self->name, name));
}

/* By position, from parameter `from` on, within one list. */
static void give_next(nn_trace *t, const nn_bcall *c, struct binding *b, bool is_static,
                      const nn_arg *a)
{
    unsigned from = is_static ? 0 : b->nstatic, to = is_static ? b->nstatic : b->n;
    for (unsigned i = from; i < to; i++) {
        struct param *p = &b->at[i];
        if (p->rest) {
            push_rest(t, b, p->is_static, a, c);
            return;
        }
        if (!p->given) {
            p->given = a;
            return;
        }
    }
    for (unsigned i = 0; i < from; i++) /* what brackets take may also come in parentheses */
        if (!b->at[i].given && !b->at[i].rest) {
            b->at[i].given = a;
            return;
        }
    unsigned n = to - from;
    wrong(t, c, b, a->node,
          nnc_arena_printf(t->arena, "%s takes %u %s%s, this is one more", c->self->name, n,
                           is_static ? "static argument" : "argument", n == 1 ? "" : "s"));
}

static void bind(nn_trace *t, const nn_bcall *c, struct binding *b)
{
    memset(b, 0, sizeof *b);
    read_list(b, c->self->statics, true);
    b->nstatic = b->n;
    read_list(b, c->self->args, false);
    for (uint32_t i = 0; i < c->statics->n; i++)
        if (c->statics->at[i].name.id)
            give_named(t, c, b, &c->statics->at[i]);
    for (uint32_t i = 0; i < c->statics->n; i++)
        if (!c->statics->at[i].name.id)
            give_next(t, c, b, true, &c->statics->at[i]);
    for (uint32_t i = 0; i < c->args->n; i++)
        if (c->args->at[i].name.id)
            give_named(t, c, b, &c->args->at[i]);
    for (uint32_t i = 0; i < c->args->n; i++)
        if (!c->args->at[i].name.id)
            give_next(t, c, b, false, &c->args->at[i]);
    for (unsigned i = 0; i < b->n; i++)
        if (!b->at[i].given && !b->at[i].optional)
            wrong(t, c, b, c->at,
                  nnc_arena_printf(t->arena, "%s needs '%.*s'", c->self->name, (int)b->at[i].len,
                                   b->at[i].name));
}

static const nn_arg *find(nn_trace *t, const nn_bcall *c, const char *name)
{
    struct binding b;
    bind(t, c, &b);
    struct param *p = param_named(&b, name);
    if (p && p->given && !p->optional && p->given->v->kind == NN_V_none)
        wrong(t, c, &b, p->given->node,
              nnc_arena_printf(t->arena, "%s: '%s' has no value", c->self->name, name));
    return p ? p->given : NULL;
}

nn_v nn_argument(nn_trace *t, const nn_bcall *c, const char *name)
{
    const nn_arg *a = find(t, c, name);
    return a && a->v->kind != NN_V_none ? a->v : NULL;
}

nn_v nn_static(nn_trace *t, const nn_bcall *c, const char *name)
{
    return nn_argument(t, c, name);
}

static const nn_ast *value_node(const nn_ast *n)
{
    return nn_is(n, NN_named) ? nn_kid(n, 0) : n;
}

const nn_ast *nn_arg_at(nn_trace *t, const nn_bcall *c, const char *name)
{
    const nn_arg *a = find(t, c, name);
    return a ? value_node(a->node) : c->at;
}

bool nn_arg_given(nn_trace *t, const nn_bcall *c, const char *name)
{
    return nn_argument(t, c, name) != NULL;
}

nn_v nn_arg_tensor(nn_trace *t, const nn_bcall *c, const char *name)
{
    nn_v v = nn_argument(t, c, name);
    if (!v)
        nn_fail(t, nn_arg_at(t, c, name)->loc, "%s needs '%s'", c->self->name, name);
    const nn_ast *at = nn_arg_at(t, c, name);
    if (v->kind != NN_V_poison && !nn_can_be_tensor(v))
        nn_fail(t, at->loc, "%s: '%s' must be a tensor, this is %s", c->self->name, name,
                nn_type_text(t, v));
    return nn_as_tensor(t, v, at);
}

unsigned nn_arg_rest(nn_trace *t, const nn_bcall *c, const nn_arg **first)
{
    struct binding b;
    bind(t, c, &b);
    *first = b.rest[0];
    return b.nrest[0];
}

unsigned nn_static_rest(nn_trace *t, const nn_bcall *c, const nn_arg **first)
{
    struct binding b;
    bind(t, c, &b);
    *first = b.rest[1];
    return b.nrest[1];
}

/* ---- options ---- */

static const char *option_name(nn_trace *t, const nn_bcall *c, const char *name)
{
    return nnc_arena_printf(t->arena, "'%s' of %s", name, c->self->name);
}

int64_t nn_option_int(nn_trace *t, const nn_bcall *c, const char *name, int64_t dflt)
{
    nn_v v = nn_argument(t, c, name);
    return v ? nn_ask_int(t, v, nn_arg_at(t, c, name), option_name(t, c, name)) : dflt;
}

int64_t nn_static_int(nn_trace *t, const nn_bcall *c, const char *name, int64_t dflt)
{
    return nn_option_int(t, c, name, dflt);
}

double nn_option_float(nn_trace *t, const nn_bcall *c, const char *name, double dflt)
{
    nn_v v = nn_argument(t, c, name);
    return v ? nn_ask_float(t, v, nn_arg_at(t, c, name), option_name(t, c, name)) : dflt;
}

bool nn_flag(nn_trace *t, const nn_bcall *c, const char *name, bool dflt)
{
    nn_v v = nn_argument(t, c, name);
    return v ? nn_ask_bool(t, v, nn_arg_at(t, c, name), option_name(t, c, name)) : dflt;
}

const char *nn_option_text(nn_trace *t, const nn_bcall *c, const char *name, const char *dflt)
{
    nn_v v = nn_argument(t, c, name);
    return v ? nn_ask_text(t, v, nn_arg_at(t, c, name), option_name(t, c, name)) : dflt;
}

int nn_option_word(nn_trace *t, const nn_bcall *c, const char *name, const char *words)
{
    const char *s = nn_option_text(t, c, name, NULL), *w = words;
    if (!s)
        return 0;
    for (int i = 0; *w; i++) {
        size_t n = strcspn(w, " ");
        if (strlen(s) == n && !strncmp(s, w, n))
            return i;
        w += n;
        w += *w == ' ';
    }
    nn_fail(t, nn_arg_at(t, c, name)->loc, "%s is \"%s\", expected one of: %s",
            option_name(t, c, name), s, words);
}

/* The known integers of a list, a range, a tensor or one number. */
static int64_t *known_ints(nn_trace *t, nn_v v, const nn_ast *at, const char *what, unsigned *n)
{
    if (!nn_can_be_tensor(v) && v->kind != NN_V_list && v->kind != NN_V_record)
        nn_fail(t, at->loc, "%s must be integers, this is %s", what, nn_type_text(t, v));
    if (!nn_can_be_tensor(v)) {
        int64_t *x = nnc_arena_array(t->arena, v->n + 1u, sizeof *x);
        for (uint32_t i = 0; i < v->n; i++)
            x[i] = nn_ask_int(t, v->item[i], at, what);
        *n = v->n;
        return x;
    }
    nnc_tensor x = nn_ask_tensor(t, v, at, what);
    if (x.rank > 1)
        nn_fail(t, at->loc, "%s must be one integer or a list of them, this is %s", what,
                nn_type_text(t, v));
    int64_t count = nnc_tensor_count(&x), *out = nnc_arena_array(t->arena, (size_t)count + 1, 8);
    nn_v tensor = nn_as_tensor(t, v, at);
    for (int64_t i = 0; i < count; i++)
        out[i] = x.rank ? nn_ask_int(t, nn_take(t, tensor, nn_int(t, i), at), at, what)
                        : nn_ask_int(t, tensor, at, what);
    *n = (unsigned)count;
    return out;
}

void nn_option_ints(nn_trace *t, const nn_bcall *c, const char *name, unsigned n, int64_t dflt,
                    int64_t *out)
{
    nn_v v = nn_argument(t, c, name);
    unsigned k = 1;
    const int64_t *x = &dflt;
    if (v)
        x = known_ints(t, v, nn_arg_at(t, c, name), option_name(t, c, name), &k);
    if (k != 1 && k != n)
        nn_fail(t, nn_arg_at(t, c, name)->loc, "%s has %u numbers, expected one or %u",
                option_name(t, c, name), k, n);
    for (unsigned i = 0; i < n; i++)
        out[i] = x[k == 1 ? 0 : i];
}

int nn_axis_in(nn_trace *t, int64_t axis, int rank, const nn_ast *at)
{
    if (axis < -rank || axis >= rank) {
        if (rank == 0)
            nn_fail(t, at->loc, "axis %lld of a scalar, which has none", (long long)axis);
        nn_fail(t, at->loc, "axis %lld is out of range for %d ax%s (%d to %d)", (long long)axis,
                rank, rank == 1 ? "is" : "es", -rank, rank - 1);
    }
    return (int)(axis < 0 ? axis + rank : axis);
}

int nn_option_axis(nn_trace *t, const nn_bcall *c, nn_v x, int64_t dflt)
{
    if (nn_rank(t, x) == 0)
        nn_fail(t, c->at->loc, "%s works along an axis, and a scalar has none", c->self->name);
    int64_t axis = nn_option_int(t, c, "axis", dflt);
    return nn_axis_in(t, axis, nn_rank(t, x), nn_arg_at(t, c, "axis"));
}

unsigned nn_arg_axes(nn_trace *t, const nn_bcall *c, nn_v x, int64_t *axes)
{
    nn_v v = nn_argument(t, c, "axis");
    unsigned rank = (unsigned)nn_rank(t, x), n = 0, k = 0;
    bool on[NNC_MAX_RANK] = {false};
    const nn_ast *at = nn_arg_at(t, c, "axis");
    for (unsigned i = 0; !v && i < rank; i++)
        axes[i] = i;
    if (!v)
        return rank;
    int64_t *want = known_ints(t, v, at, option_name(t, c, "axis"), &n);
    for (unsigned i = 0; i < n; i++) {
        int axis = nn_axis_in(t, want[i], (int)rank, at);
        if (on[axis])
            nn_fail(t, at->loc, "axis %lld is named twice", (long long)want[i]);
        on[axis] = true;
    }
    for (unsigned i = 0; i < rank; i++)
        if (on[i])
            axes[k++] = i;
    return k;
}

/* ---- dimensions ---- */

int nn_dims_of(nn_trace *t, unsigned n, const nn_arg *at, nnc_dim *out)
{
    int rank = 0;
    for (unsigned i = 0; i < n; i++) {
        nn_v v = at[i].v;
        bool list = v->kind == NN_V_list || v->kind == NN_V_record;
        const nn_ast *node = value_node(at[i].node);
        if (v->kind == NN_V_none)
            nn_fail(t, node->loc, "'..' has no meaning here: no argument has open dimensions");
        for (uint32_t k = 0; k < (list ? v->n : 1); k++) {
            if (rank == NNC_MAX_RANK)
                nn_fail(t, node->loc, "a tensor has at most %d axes", NNC_MAX_RANK);
            out[rank++] = nn_ask_dim(t, list ? v->item[k] : v, node, "a size");
        }
    }
    return rank;
}

nn_shape nn_static_shape(nn_trace *t, const nn_bcall *c)
{
    const nn_arg *first;
    nn_shape s = {0};
    unsigned n = nn_static_rest(t, c, &first);
    s.rank = nn_dims_of(t, n, first, s.dim);
    return s;
}

int nn_static_dims(nn_trace *t, const nn_bcall *c, const char *name, nnc_dim *out)
{
    nn_shape s = nn_static_shape(t, c);
    (void)name;
    memcpy(out, s.dim, sizeof s.dim);
    return s.rank;
}

void nn_fail_hint(nn_trace *t, nnc_loc loc, const char *hint, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    nn_error(t, loc, "%s", nnc_arena_vprintf(t->arena, fmt, ap));
    va_end(ap);
    nnc_note(t->diag, loc, "%s", hint);
    for (nn_frame *f = t->frame; f && f->call; f = f->caller)
        nnc_note(t->diag, f->call->loc, "called from here");
    nn_fail_silently(t);
}
