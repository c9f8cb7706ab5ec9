/* What the entry kernel looks like from outside: fields with C names, sizes, and a hash of all that decides the results
 * (the text of the kernels and the bytes of the weights). */
#include <stdlib.h>
#include <string.h>
#include "codegen/c/c.h"
#include "ir/text.h"

enum {
    ALIGN =
        8 /* the widest element; vector loads are unaligned, though a whole cache line (64) is faster */
};

const char *c_comment(nnc_arena *a, const char *s, size_t n)
{
    char *t = nnc_arena_str(a, s);

    if (strlen(t) > n)
        strcpy(t + n - 3, "...");
    for (char *p = t; *p; p++)
        if ((unsigned char)*p < 32 || (unsigned char)*p > 126 || (p[0] == '*' && p[1] == '/') ||
            (p[0] == '/' && p[1] == '*') || (p[0] == '?' && p[1] == '?'))
            *p = '_';
    return t;
}

const char *c_tensor_text(c_cgen *g, const c_field *x)
{
    const nnc_type_rec t = *nnc_value_ty(g->m, x->arg);
    const char *s = c_fmt(g, "%s[", nnc_dtype_infos[t.dtype].numpy);

    for (int i = 0; i < t.rank; i++)
        s = c_fmt(g, "%s%s%s", s, i ? ", " : "", nnc_dim_text(g->m->dims, t.dim[i]));
    return c_comment(g->a, c_fmt(g, "%s]", s), 100);
}

/* The k-th line of a list of names. */
static const char *line_of(c_cgen *g, const char *list, unsigned k)
{
    for (; k && *list; list++)
        k -= *list == '\n';
    return nnc_arena_printf(g->m->arena, "%.*s", (int)strcspn(list, "\n"), list);
}

static void symbol_bounds(c_cgen *g, c_field *x)
{
    for (uint32_t i = 0; i < nnc_dim_nsymbol(g->m->dims); i++)
        if (!strcmp(nnc_sym_str(g->m, nnc_dim_symbol_name(g->m->dims, i)), x->label)) {
            nnc_dim d = nnc_dim_symbol_at(g->m->dims, i);
            x->symbol = i;
            x->lo = nnc_dim_lo(g->m->dims, d);
            x->hi = nnc_dim_hi(g->m->dims, d);
        }
}

static const char *unique_upper(c_cgen *g, nnc_names *taken, const char *label)
{
    return nnc_names_put(taken, nnc_identifier(g->m->arena, label, true));
}

static void fields(c_cgen *g)
{
    nnc_block top = nnc_op_region(g->m, g->entry, 0);
    unsigned n, nth[2] = {0};
    const int64_t *role = nnc_attr_ints(g->m, g->entry, NNC_W_role, &n);
    nnc_names *scope[3], *macros[3]; /* of inputs, outputs, state */
    const char *names[2] = {nnc_attr_str(g->m, g->entry, NNC_W_input, ""),
                            nnc_attr_str(g->m, g->entry, NNC_W_output, "")};

    for (unsigned i = 0; i < 3; i++) {
        scope[i] = nnc_names_new(g->m->arena, NULL);
        macros[i] = nnc_names_new(g->m->arena, NULL);
    }
    nnc_names_reserve(scope[0], "weights");
    if (g->host)
        nnc_names_reserve(scope[0], "host");
    if (g->parallel)
        nnc_names_reserve(scope[0], "parallel");
    for (unsigned i = 0; i < nnc_block_narg(g->m, top); i++) {
        c_field x = {.arg = nnc_block_arg(g->m, top, i), .role = i < n ? (int)role[i] : C_INPUT};
        bool out = x.role == C_OUTPUT || x.role == C_SYMBOL_OUT, state = x.role == C_STATE,
             tensor = x.role == C_INPUT || x.role == C_OUTPUT || state;
        unsigned place = state ? 2 : out;
        x.label = tensor ? line_of(g, names[out], nth[out]++) : nnc_value_name(g->m, x.arg);
        if (!*x.label)
            x.label = tensor && !out ? "input" : tensor ? "output" : "size";
        x.field = nnc_names_put(scope[place], x.label);
        x.macro = unique_upper(g, macros[place], x.label);
        if (!tensor)
            symbol_bounds(g, &x);
        g->state = g->state || state;
        NNC_PUSH(g->a, &g->field, x);
    }
}

/* What each state begins with. */
static void first_values(c_cgen *g)
{
    nnc_block top = nnc_op_region(g->m, g->entry, 0);

    for (nnc_op op = nnc_block_first(g->m, top); op.id; op = nnc_op_next(g->m, op))
        if (nnc_op_code(g->m, op) == NNC_OP_state && nnc_op_nin(g->m, op) > 1)
            for (uint32_t i = 0; i < g->field.n; i++)
                if (g->field.at[i].arg.id == nnc_op_in(g->m, op, 0).id)
                    g->field.at[i].first = nnc_value_op(g->m, nnc_op_in(g->m, op, 1));
}

/* Bytes and bound of the arena: what the planner noted, or what the offsets say. */
static void workspace(c_cgen *g, nnc_block b, uint64_t *bytes)
{
    for (nnc_op op = nnc_block_first(g->m, b); op.id; op = nnc_op_next(g->m, op)) {
        if (nnc_op_code(g->m, op) == NNC_OP_alloc &&
            nnc_value_ty(g->m, nnc_op_out(g->m, op, 0))->space == NNC_SPACE_arena) {
            uint64_t end =
                (uint64_t)nnc_attr_int(g->m, op, NNC_W_offset, 0) +
                (uint64_t)nnc_type_bytes(g->m, nnc_value_type(g->m, nnc_op_out(g->m, op, 0)));
            *bytes = end > *bytes ? end : *bytes;
        }
        for (unsigned r = 0; r < nnc_op_nregion(g->m, op); r++)
            workspace(g, nnc_op_region(g->m, op, r), bytes);
    }
}

static bool calls_host(const nnc_module *m, nnc_block b)
{
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) == NNC_OP_host)
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(m, op); r++)
            if (calls_host(m, nnc_op_region(m, op, r)))
                return true;
    }
    return false;
}

static bool has_parallel(const nnc_module *m)
{
    for (nnc_op op = nnc_block_first(m, m->top); op.id; op = nnc_op_next(m, op))
        if (nnc_op_code(m, op) == NNC_OP_kernel && c_is_parallel(m, op))
            return true;
    return false;
}

static uint64_t code_hash(c_cgen *g)
{
    nnc_text t;
    uint64_t h = 0;

    nnc_text_begin(&t);
    for (nnc_op op = nnc_block_first(g->m, g->m->top); op.id; op = nnc_op_next(g->m, op))
        nnc_print_op(g->m, t.f, op);
    fclose(t.f);
    h = nnc_hash(t.at, t.n, h);
    free(t.at);
    return h;
}

static void interface(c_cgen *g)
{
    nnc_arena *a = g->m->arena;
    nnc_interface_tensor *io[3]; /* inputs, outputs, state */
    nnc_interface_symbol *sym = nnc_arena_array(a, g->field.n + 1u, sizeof *sym);
    uint32_t n[3] = {0}, ns = 0;

    for (unsigned i = 0; i < 3; i++)
        io[i] = nnc_arena_array(a, g->field.n + 1u, sizeof *io[i]);
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        nnc_type t = nnc_value_type(g->m, x->arg);
        unsigned k = x->role == C_STATE ? 2 : (unsigned)x->role;
        if (x->role != C_SYMBOL && x->role != C_SYMBOL_OUT)
            io[k][n[k]++] = (nnc_interface_tensor){
                x->label, x->field, t,
                (uint64_t)nnc_type_count(g->m, t) *
                    nnc_dtype_bytes((nnc_dtype)nnc_type_get(g->m, t)->dtype)};
        else
            sym[ns++] = (nnc_interface_symbol){x->label, x->field, x->symbol,
                                               x->lo,    x->hi,    x->role == C_SYMBOL_OUT};
    }
    g->face.ninput = n[0];
    g->face.noutput = n[1];
    g->face.nstate = n[2];
    g->face.nsymbol = ns;
    g->face.input = io[0];
    g->face.output = io[1];
    g->face.state = io[2];
    g->face.symbol = sym;
}

nnc_status c_begin(c_cgen *g, nnc_module *m, const nnc_emit_options *opt)
{
    uint64_t bytes = 0;

    memset(g, 0, sizeof *g);
    g->m = m;
    g->a = g->root = m->arena;
    g->opt = opt;
    g->name = opt->name && *opt->name ? opt->name : "net";
    g->upper = nnc_identifier(g->a, g->name, true);
    g->entry = nnc_func_entry(m, NNC_OP_kernel);
    if (!g->entry.id)
        return nnc_error(
            m->diag, (nnc_loc){0},
            "there is no entry kernel to write: the passes `lower` and `plan` make it");
    g->host = calls_host(m, nnc_op_region(m, g->entry, 0));
    g->verb = nnc_attr_str(m, g->entry, NNC_W_name, "run");
    g->shared = has_parallel(m);
    g->parallel = g->shared || opt->threads;
    fields(g);
    first_values(g);
    c_weights_plan(g);
    workspace(g, nnc_op_region(m, g->entry, 0), &bytes);
    g->face.workspace = (uint64_t)nnc_attr_int(
        m, g->entry, NNC_W_arena, (int64_t)bytes); /* whole cache lines, as the bound is */
    g->face.lower_bound = (uint64_t)nnc_attr_int(m, g->entry, NNC_W_bound, (int64_t)bytes);
    g->face.align = ALIGN;
    g->face.hash ^= code_hash(g);
    interface(g);
    return NNC_OK;
}

const nnc_interface *nnc_interface_of(nnc_module *m, const nnc_emit_options *opt)
{
    c_cgen g;

    if (c_begin(&g, m, opt) != NNC_OK)
        return NULL;
    return nnc_arena_copy(m->arena, &g.face, sizeof g.face);
}

/* ---- dimensions as C ---- */

/* name[i]: the text of symbol i of the interface. */
static const char *dim_text(nnc_module *m, const nnc_interface *f, nnc_dim d,
                            const char *const *name);

static const char *atom_text(nnc_module *m, const nnc_interface *f, nnc_dim_atom a,
                             const char *const *name)
{
    const char *x, *y;

    if (a.op == '$') {
        for (uint32_t i = 0; i < f->nsymbol; i++)
            if (f->symbol[i].index == (uint32_t)a.a)
                return name[i];
        return nnc_arena_printf(
            m->arena, "%lldLL",
            (long long)nnc_dim_hi(m->dims, nnc_dim_symbol_at(m->dims, (uint32_t)a.a)));
    }
    x = dim_text(m, f, a.a, name);
    y = dim_text(m, f, a.b, name);
    switch (a.op) {
    case '/':
        return nnc_arena_printf(m->arena, "((%s) - ((%s) %% (%s) + (%s)) %% (%s)) / (%s)", x, x, y,
                                y, y, y);
    case '%': return nnc_arena_printf(m->arena, "((%s) %% (%s) + (%s)) %% (%s)", x, y, y, y);
    default: return nnc_arena_printf(m->arena, "((%s) %c (%s) ? (%s) : (%s))", x, a.op, y, x, y);
    }
}

static const char *dim_text(nnc_module *m, const nnc_interface *f, nnc_dim d,
                            const char *const *name)
{
    uint32_t n;
    const char *s = "";

    if (nnc_dim_is_const(d))
        return nnc_arena_printf(m->arena, "%lldLL", (long long)d);
    (void)nnc_dim_terms(m->dims, d, &n);
    for (uint32_t i = 0; i < n; i++) {
        nnc_dim_term t = nnc_dim_terms(m->dims, d, &n)[i];
        s = nnc_arena_printf(m->arena, "%s%s%lldLL", s, i ? " + " : "", (long long)t.coef);
        for (uint32_t j = 0; j < t.natom; j++)
            s = nnc_arena_printf(m->arena, "%s * (%s)", s,
                                 atom_text(m, f, nnc_dim_atom_get(m->dims, t.atom[j]), name));
    }
    return n ? s : "0LL";
}

const char *nnc_dim_c_text(nnc_module *m, const nnc_interface *f, nnc_dim d, const char *sym)
{
    const char **name = nnc_arena_array(m->arena, f->nsymbol + 1u, sizeof *name);

    for (uint32_t i = 0; i < f->nsymbol; i++)
        name[i] = nnc_arena_printf(m->arena, "(long long)%s[%u]", sym, i);
    return dim_text(m, f, d, name);
}

/* Elements a buffer really has in this run: sizes that the caller gave are known, all others count at their bounds. */
const char *c_real_count(c_cgen *g, nnc_type type)
{
    const char **name = nnc_arena_array(g->a, g->face.nsymbol + 1u, sizeof *name);
    uint32_t k = 0;

    if (nnc_type_is_static(g->m, type))
        return c_fmt(g, "%lld", (long long)nnc_type_count(g->m, type));
    for (uint32_t i = 0; i < g->field.n; i++) {
        const c_field *x = &g->field.at[i];
        if (x->role == C_SYMBOL)
            name[k++] = c_fmt(g, "(long long)%s", c_name(g, x->arg));
        else if (x->role == C_SYMBOL_OUT)
            name[k++] = c_fmt(g, "%lldLL", (long long)x->hi);
    }
    return c_fmt(g, "(%s)", dim_text(g->m, &g->face, nnc_type_size(g->m, type), name));
}
