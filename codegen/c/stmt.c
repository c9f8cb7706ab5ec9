/* Statements: stores, loops, named values, calls.  Local variables of register buffers are declared where they are first
 * set, when that is in the block that makes them; else at their alloc, set to zero. */
#include <string.h>
#include "codegen/c/c.h"

enum { IS_CELLS = 1, NOT_CELLS = 2, DECLARED = 4 };

bool c_cells(c_cgen *g, nnc_value b)
{
    if (!g->cell[b.id]) {
        nnc_op d = nnc_value_op(g->m, b);
        bool local = d.id && nnc_op_code(g->m, d) == NNC_OP_alloc &&
                     (nnc_value_ty(g->m, b)->space == NNC_SPACE_reg ||
                      nnc_value_ty(g->m, b)->space == NNC_SPACE_stack);
        g->cell[b.id] = local && nnc_type_count(g->m, nnc_value_type(g->m, b)) <= 512 &&
                                nnc_buffer_is_cells(g->m, b)
                            ? IS_CELLS
                            : NOT_CELLS;
    }
    return (g->cell[b.id] & IS_CELLS) != 0;
}

static const char *memory_type(c_cgen *g, nnc_value b)
{
    const nnc_type_rec *t = nnc_value_ty(g->m, b);

    return t->lanes > 1 ? c_vector(g, (nnc_dtype)t->dtype, t->lanes)
                        : c_storage((nnc_dtype)t->dtype);
}

/* ---- cells ---- */

typedef struct cell_list {
    NNC_BUF(const char *) name;
    NNC_BUF(nnc_op) setter; /* the store that declares it; 0: at the alloc */
} cell_list;

static uint32_t cell_index(cell_list *l, const char *s)
{
    for (uint32_t i = 0; i < l->name.n; i++)
        if (!strcmp(l->name.at[i], s))
            return i;
    return UINT32_MAX;
}

static bool is_before(const c_cgen *g, nnc_op a, nnc_op b)
{
    return nnc_op_get(g->m, a)->order < nnc_op_get(g->m, b)->order;
}

/* The op of `block` that contains `op`. */
static nnc_op ancestor_in(const c_cgen *g, nnc_op op, nnc_block block)
{
    while (op.id && nnc_op_get(g->m, op)->block.id != block.id)
        op = nnc_block_parent(g->m, nnc_op_get(g->m, op)->block);
    return op;
}

static void note_access(c_cgen *g, cell_list *l, nnc_op user, nnc_block block)
{
    const char *s = c_place(g, user);
    uint32_t i = cell_index(l, s);
    nnc_op at = ancestor_in(g, user, block);

    if (i == UINT32_MAX) {
        i = l->name.n;
        NNC_PUSH(g->a, &l->name, s);
        NNC_PUSH(g->a, &l->setter, user);
        return;
    }
    nnc_op first = ancestor_in(g, l->setter.at[i], block);
    bool tie = at.id == first.id && nnc_op_code(g->m, user) == NNC_OP_load;
    if (at.id != first.id ? is_before(g, at, first) : tie)
        l->setter.at[i] = user;
}

/* Declares what has no direct first store; marks the stores that declare. */
static void declare_cells(c_cgen *g, nnc_op alloc)
{
    nnc_value b = nnc_op_out(g->m, alloc, 0);
    nnc_block block = nnc_op_get(g->m, alloc)->block;
    cell_list l = {0};
    const char *type = memory_type(g, b), *plain = "";

    for (uint32_t u = nnc_value_get(g->m, b)->first_use; u; u = g->m->use.at[u].next)
        note_access(g, &l, g->m->use.at[u].user, block);
    for (uint32_t i = l.name.n; i-- > 0;) {
        nnc_op s = l.setter.at[i];
        nnc_names_reserve(g->locals, l.name.at[i]);
        if (nnc_op_code(g->m, s) == NNC_OP_store && nnc_op_get(g->m, s)->block.id == block.id)
            nnc_attr_set_int(g->m, s, NNC_W_hint, 1); /* declares its cell; see store() */
        else
            plain = c_fmt(g, "%s%s%s = %s", plain, *plain ? ", " : "", l.name.at[i],
                          c_lanes(g, b) > 1 ? "{0}" : "0");
    }
    if (*plain)
        nnc_out_line(g->o, "%s %s;", type, plain);
}

static void alloc(c_cgen *g, nnc_op op)
{
    nnc_value b = nnc_op_out(g->m, op, 0);
    int64_t n = nnc_type_count(g->m, nnc_value_type(g->m, b));
    const char *type = memory_type(g, b);

    if (!nnc_value_get(g->m, b)->first_use)
        return;
    if (nnc_value_ty(g->m, b)->space == NNC_SPACE_arena) {
        if (!g->face.workspace) /* only buffers of no bytes */
            nnc_out_line(g->o, "%s *const %s = (%s *)workspace;", type, c_name(g, b), type);
        else
            nnc_out_line(g->o, "%s *const %s = (%s *)(void *)(arena + %lld);", type, c_name(g, b),
                         type, (long long)nnc_attr_int(g->m, op, NNC_W_offset, 0));
    } else if (c_cells(g, b)) {
        (void)c_name(g, b);
        declare_cells(g, op);
    } else {
        nnc_out_line(g->o, "%s %s[%lld];", type, c_name(g, b), (long long)(n > 0 ? n : 1));
    }
}

/* ---- stores ---- */

static bool same_cell(const c_cgen *g, nnc_op ld, nnc_op st)
{
    if (!ld.id || nnc_op_code(g->m, ld) != NNC_OP_load ||
        nnc_op_in(g->m, ld, 0).id != nnc_op_in(g->m, st, 1).id)
        return false;
    for (unsigned i = 1; i < nnc_op_nin(g->m, ld); i++)
        if (nnc_op_in(g->m, ld, i).id != nnc_op_in(g->m, st, i + 1).id)
            return false;
    return nnc_value_type(g->m, nnc_op_out(g->m, ld, 0)).id ==
           nnc_value_type(g->m, nnc_op_in(g->m, st, 0)).id;
}

/* x = x + e for floats and indices: x += e.  Integers that may wrap keep their casts. */
static const char *compound(c_cgen *g, nnc_op st)
{
    nnc_value v = nnc_op_in(g->m, st, 0);
    nnc_op d = nnc_value_op(g->m, v);
    nnc_dtype dt = c_dtype(g, v);

    if (!d.id || g->ident[v.id] || !g->flow.in_place[v.id] ||
        !(dt == NNC_DT_f32 || dt == NNC_DT_f64 || dt == NNC_DT_idx))
        return NULL;
    nnc_opcode code = nnc_op_code(g->m, d);
    if (code != NNC_OP_add && code != NNC_OP_sub && code != NNC_OP_mul)
        return NULL;
    nnc_value x = nnc_op_in(g->m, d, 0), y = nnc_op_in(g->m, d, 1);
    if (code != NNC_OP_sub && !same_cell(g, nnc_value_op(g->m, x), st)) {
        nnc_value t = x;
        x = y;
        y = t;
    }
    if (!same_cell(g, nnc_value_op(g->m, x), st) || !g->flow.in_place[x.id] || g->ident[x.id])
        return NULL;
    nnc_op splat = nnc_value_op(g->m, y);
    bool is_splat = splat.id && nnc_op_code(g->m, splat) == NNC_OP_splat;
    return c_fmt(g, "%s %s= %s", c_place(g, st),
                 code == NNC_OP_add   ? "+"
                 : code == NNC_OP_sub ? "-"
                                      : "*",
                 is_splat ? c_operand(g, nnc_op_in(g->m, splat, 0), C_COND)
                          : c_operand(g, y, C_COND));
}

/* A value on its way to memory: masks become bytes, ints of bools too. */
static const char *stored(c_cgen *g, nnc_value v)
{
    unsigned n = c_lanes(g, v);

    if (c_dtype(g, v) != NNC_DT_bool)
        return n > 1 ? c_vector_operand(g, v, C_COND) : c_operand(g, v, C_COND);
    if (n == 1)
        return nnc_value_is_const(g->m, v) ? c_value(g, v).s
                                           : c_fmt(g, "(uint8_t)%s", c_operand(g, v, C_UNARY));
    const char *m = c_mask(g, v) == NNC_DT_i8
                        ? c_operand(g, v, C_PRIMARY)
                        : c_fmt(g, "__builtin_convertvector(%s, %s)",
                                c_vector_operand(g, v, C_COND), c_vector(g, NNC_DT_i8, n));
    return c_fmt(g, "(%s)-%s", c_vector(g, NNC_DT_u8, n), m);
}

static void store(c_cgen *g, nnc_op op)
{
    const char *s = compound(g, op);
    bool declares = nnc_attr_int(g->m, op, NNC_W_hint, 0) != 0;

    if (declares)
        nnc_attr_remove(g->m, op, NNC_W_hint);
    if (s) {
        nnc_out_line(g->o, "%s;", s);
        return;
    }
    const char *place = c_place(g, op), *v = stored(g, nnc_op_in(g->m, op, 0));
    if (declares || strcmp(place, v)) /* compilers warn about x = x */
        nnc_out_line(g->o, "%s%s%s = %s;", declares ? memory_type(g, nnc_op_in(g->m, op, 1)) : "",
                     declares ? " " : "", place, v);
}

/* ---- memory blocks ---- */

/* Bytes of a buffer: all it may have, or, in the entry kernel, all it has in this run. */
static const char *byte_count(c_cgen *g, nnc_value b)
{
    nnc_type t = nnc_value_type(g->m, b);

    if (g->func.id != g->entry.id || nnc_type_is_static(g->m, t))
        return c_fmt(g, "%lld", (long long)nnc_type_bytes(g->m, t));
    return c_fmt(g, "(size_t)%s * %u", c_real_count(g, t),
                 (unsigned)nnc_dtype_bytes(c_dtype(g, b)) * c_lanes(g, b));
}

static void fill(c_cgen *g, nnc_op op)
{
    nnc_value b = nnc_op_in(g->m, op, 0), v = nnc_op_in(g->m, op, 1);
    const char *p = c_operand(g, b, C_ADD), *i = nnc_names_put(g->locals, "i");
    bool zero = nnc_value_is_const(g->m, v) && nnc_value_get(g->m, v)->bits == 0;

    if (!nnc_type_bytes(g->m, nnc_value_type(g->m, b)))
        return;
    if (zero) {
        g->string_h = true;
        nnc_out_line(g->o, "memset(%s, 0, %s);", p, byte_count(g, b));
        return;
    }
    int64_t n =
        nnc_type_bytes(g->m, nnc_value_type(g->m, b)) / (int64_t)nnc_dtype_bytes(c_dtype(g, b));
    const char *count =
        g->func.id == g->entry.id && !nnc_type_is_static(g->m, nnc_value_type(g->m, b))
            ? c_real_count(g, nnc_value_type(g->m, b))
            : c_fmt(g, "%lld", (long long)n);
    nnc_out_line(g->o, "for (ptrdiff_t %s = 0; %s < (ptrdiff_t)%s; %s++)", i, i, count, i);
    nnc_out_line(g->o, "    %s[%s] = %s;", c_operand(g, b, C_PRIMARY), i, stored(g, v));
}

static void copy(c_cgen *g, nnc_op op)
{
    nnc_value to = nnc_op_in(g->m, op, 0), from = nnc_op_in(g->m, op, 1);

    if (!nnc_type_bytes(g->m, nnc_value_type(g->m, to)))
        return;
    g->string_h = true;
    nnc_out_line(g->o, "memmove(%s, %s, %s);", c_operand(g, to, C_COND), c_operand(g, from, C_COND),
                 byte_count(g, to));
}

/* ---- structure ---- */

static void loop(c_cgen *g, nnc_op op)
{
    nnc_block body = nnc_op_region(g->m, op, 0);
    nnc_value var = nnc_block_arg(g->m, body, 0);
    int64_t step = 1;
    const char *next;

    if (nnc_attr_word(g->m, op, NNC_W_kind, NNC_W_serial) == NNC_W_parallel) {
        c_parallel_loop(g, op);
        return;
    }
    if (!*nnc_value_name(g->m, var))
        nnc_value_set_name(g->m, var, "i");
    const char *i = c_name(g, var), *lo = c_operand(g, nnc_op_in(g->m, op, 0), C_COND),
               *hi = c_operand(g, nnc_op_in(g->m, op, 1), C_ADD);
    if (nnc_value_idx(g->m, nnc_op_in(g->m, op, 2), &step))
        next = step == 1 ? c_fmt(g, "%s++", i) : c_fmt(g, "%s += %lld", i, (long long)step);
    else
        next = c_fmt(g, "%s += %s", i, c_operand(g, nnc_op_in(g->m, op, 2), C_COND));
    nnc_out_open(g->o, "for (ptrdiff_t %s = %s; %s < %s; %s)", i, lo, i, hi, next);
    c_block(g, body);
    nnc_out_close(g->o);
}

static bool is_empty(const c_cgen *g, nnc_block b)
{
    nnc_op first = nnc_block_first(g->m, b);

    return !first.id || nnc_op_has(g->m, first, NNC_TERMINATOR);
}

static void branch(c_cgen *g, nnc_op op)
{
    nnc_block yes = nnc_op_region(g->m, op, 0), no = nnc_op_region(g->m, op, 1);

    if (is_empty(g, yes) && is_empty(g, no))
        return;
    if (is_empty(g, yes)) {
        nnc_out_open(g->o, "if (!%s)", c_operand(g, nnc_op_in(g->m, op, 0), C_UNARY));
        c_block(g, no);
        nnc_out_close(g->o);
        return;
    }
    nnc_out_open(g->o, "if (%s)", c_operand(g, nnc_op_in(g->m, op, 0), C_COND));
    c_block(g, yes);
    if (!is_empty(g, no)) {
        g->o->indent--;
        nnc_out_line(g->o, "} else {");
        g->o->indent++;
        c_block(g, no);
    }
    nnc_out_close(g->o);
}

static void while_loop(c_cgen *g, nnc_op op)
{
    nnc_block cond = nnc_op_region(g->m, op, 0);
    nnc_op yield = nnc_block_last(g->m, cond);

    nnc_out_open(g->o, "for (;;)");
    c_block(g, cond);
    nnc_out_line(g->o, "if (!%s)", c_operand(g, nnc_op_in(g->m, yield, 0), C_UNARY));
    nnc_out_line(g->o, "    break;");
    c_block(g, nnc_op_region(g->m, op, 1));
    nnc_out_close(g->o);
}

static void call(c_cgen *g, nnc_op op)
{
    nnc_op callee = nnc_func_find(g->m, nnc_attr_str(g->m, op, NNC_W_callee, ""));
    const char *s = "";

    if (!callee.id || !g->function[callee.id]) {
        (void)c_refuse(g, op, "an unknown callee in");
        return;
    }
    for (unsigned i = 0; i < nnc_op_nin(g->m, op); i++)
        s = c_fmt(g, "%s%s%s", s, i ? ", " : "", c_operand(g, nnc_op_in(g->m, op, i), C_COND));
    if (c_is_parallel(g->m, callee))
        c_parallel_call(g, callee, s);
    else
        nnc_out_line(g->o, "%s(%s);", g->function[callee.id], s);
}

static void check(c_cgen *g, nnc_op op)
{
    nnc_out_line(g->o, "if (!%s)", c_operand(g, nnc_op_in(g->m, op, 0), C_UNARY));
    nnc_out_line(
        g->o, "    return %s_ERR_CHECK; /* %s */", g->upper,
        c_comment(g->a, nnc_attr_str(g->m, op, NNC_W_message, "a check of the model"), 60));
}

/* { void *data[2]; size_t size0[2]; const size_t *dim[2]; .. } in a block of its own. */
static void host(c_cgen *g, nnc_op op)
{
    const char *data = "", *dim = "", *sizes;
    unsigned n = 0, at;

    while (n < nnc_op_nin(g->m, op) &&
           nnc_value_ty(g->m, nnc_op_in(g->m, op, n))->kind == NNC_TYPE_buffer)
        n++;
    at = n;
    if (n) {
        nnc_out_line(g->o, "{");
        g->o->indent++;
    }
    for (unsigned i = 0; i < n; i++) {
        nnc_value b = nnc_op_in(g->m, op, i);
        unsigned rank = nnc_value_ty(g->m, b)->rank;
        bool none = !nnc_type_bytes(g->m, nnc_value_type(g->m, b));
        bool reads = i < (unsigned)nnc_attr_int(g->m, op, NNC_W_reads, 0);
        data = c_fmt(g, "%s%s%s", data, i ? ", " : "",
                     none    ? "NULL"
                     : reads ? c_fmt(g, "(void *)(uintptr_t)%s", c_operand(g, b, C_UNARY))
                             : c_operand(g, b, C_COND));
        dim = c_fmt(g, "%s%s%s", dim, i ? ", " : "", rank ? c_fmt(g, "size + %u", at - n) : "NULL");
        at += rank;
    }
    sizes = "";
    for (unsigned i = n; i < at; i++)
        sizes = c_fmt(g, "%s%s(size_t)%s", sizes, i > n ? ", " : "",
                      c_operand(g, nnc_op_in(g->m, op, i), C_UNARY));
    if (at > n)
        nnc_out_line(g->o, "const size_t size[] = {%s};", sizes);
    if (n)
        nnc_out_line(g->o, "void *const data[] = {%s};", data);
    if (n)
        nnc_out_line(g->o, "const size_t *const dim[] = {%s};", dim);
    nnc_out_line(g->o, "if (inputs->host->call(inputs->host->context, %lld, %s, %s))",
                 (long long)nnc_attr_int(g->m, op, NNC_W_id, 0), n ? "data" : "NULL",
                 n ? "dim" : "NULL");
    nnc_out_line(g->o, "    return %s_ERR_HOST;", g->upper);
    if (n)
        nnc_out_close(g->o);
}

/* A vector load that two to four products share: gcc would rather load it again for each of them, which makes small
 * tiles load-bound. */
static bool feeds_few_products(const c_cgen *g, nnc_op op)
{
    nnc_value v = nnc_op_out(g->m, op, 0);
    unsigned n = 0;

    if (g->section != C_VECTOR || nnc_op_code(g->m, op) != NNC_OP_load || c_lanes(g, v) == 1 ||
        c_lanes(g, nnc_op_in(g->m, op, 0)) > 1)
        return false;
    for (uint32_t u = nnc_value_get(g->m, v)->first_use; u; u = g->m->use.at[u].next, n++) {
        nnc_opcode code = nnc_op_code(g->m, g->m->use.at[u].user);
        if ((code != NNC_OP_mul && code != NNC_OP_dot4) || n > 4)
            return false;
    }
    return n >= 2 && n <= 4;
}

static void value(c_cgen *g, nnc_op op)
{
    nnc_value v = nnc_op_out(g->m, op, 0);

    if (g->flow.in_place[v.id] || !nnc_value_get(g->m, v)->first_use)
        return;
    const char *e = c_compute(g, op).s;
    bool keep = feeds_few_products(g, op);
    nnc_out_line(g->o, "%s%s %s = %s;", keep ? "" : "const ", c_value_type(g, v), c_name(g, v), e);
    if (keep)
        nnc_out_line(g->o, "KEEP(%s);", c_name(g, v));
    g->keep = g->keep || keep;
}

static void statement(c_cgen *g, nnc_op op)
{
    switch (nnc_op_code(g->m, op)) {
    case NNC_OP_for: loop(g, op); return;
    case NNC_OP_if: branch(g, op); return;
    case NNC_OP_while: while_loop(g, op); return;
    case NNC_OP_alloc: alloc(g, op); return;
    case NNC_OP_store: store(g, op); return;
    case NNC_OP_fill: fill(g, op); return;
    case NNC_OP_copy: copy(g, op); return;
    case NNC_OP_call: call(g, op); return;
    case NNC_OP_check: check(g, op); return;
    case NNC_OP_host: host(g, op); return;
    case NNC_OP_yield:
    case NNC_OP_view:
    case NNC_OP_const:
    case NNC_OP_state:   /* the caller begins with it: state.c */
    case NNC_OP_barrier: /* block loops run one after the other */
    case NNC_OP_prefetch: return;
    default: value(g, op); return;
    }
}

void c_block(c_cgen *g, nnc_block b)
{
    for (nnc_op op = nnc_block_first(g->m, b); op.id && g->status == NNC_OK;
         op = nnc_op_next(g->m, op))
        statement(g, op);
}
