/* Kernels as static functions.  Parameters are `restrict` unless some call hands two of them the same memory; buffers a
 * kernel only reads are const.  A kernel that exists in a vector and a portable form is printed as both under #if. */
#include <string.h>
#include "codegen/c/c.h"

/* Is the buffer, or a view of it, written? */
static bool buffer_written(const c_cgen *g, nnc_value b, int depth)
{
    for (uint32_t u = nnc_value_get(g->m, b)->first_use; u; u = g->m->use.at[u].next) {
        nnc_op op = g->m->use.at[u].user;
        unsigned at = u - nnc_op_get(g->m, op)->in;
        switch (nnc_op_code(g->m, op)) {
        case NNC_OP_store:
            if (at == 1)
                return true;
            break;
        case NNC_OP_fill:
        case NNC_OP_copy:
            if (at == 0)
                return true;
            break;
        case NNC_OP_host:
            if (at >= (unsigned)nnc_attr_int(g->m, op, NNC_W_reads, 0))
                return true;
            break;
        case NNC_OP_view:
            if (buffer_written(g, nnc_op_out(g->m, op, 0), depth))
                return true;
            break;
        case NNC_OP_call: {
            nnc_op callee = nnc_func_find(g->m, nnc_attr_str(g->m, op, NNC_W_callee, ""));
            if (!callee.id || depth > 4 ||
                buffer_written(g, nnc_block_arg(g->m, nnc_op_region(g->m, callee, 0), at),
                               depth + 1))
                return true;
            break;
        }
        default: break;
        }
    }
    return false;
}

bool c_param_written(const c_cgen *g, nnc_op func, unsigned i)
{
    return buffer_written(g, nnc_block_arg(g->m, nnc_op_region(g->m, func, 0), i), 0);
}

/* ---- which memory can be the same ---- */

/* The bytes of the arena an alloc occupies. */
static bool arena_range(const c_cgen *g, nnc_value root, int64_t *at, int64_t *end)
{
    nnc_op d = nnc_value_op(g->m, root);

    if (!d.id || nnc_op_code(g->m, d) != NNC_OP_alloc ||
        nnc_value_ty(g->m, root)->space != NNC_SPACE_arena)
        return false;
    *at = nnc_attr_int(g->m, d, NNC_W_offset, 0);
    *end = *at + nnc_type_bytes(g->m, nnc_value_type(g->m, root));
    return true;
}

/* In the entry kernel: the same alloc or argument, or allocs whose bytes overlap. */
static bool roots_overlap(const void *user, nnc_value a, nnc_value b)
{
    const c_cgen *g = user;
    int64_t a0, a1, b0, b1;

    if (a.id == b.id)
        return true;
    return arena_range(g, a, &a0, &a1) && arena_range(g, b, &b0, &b1) && a0 < b1 && b0 < a1;
}

/* In a kernel: two parameters that some call gives the same memory. */
static bool params_overlap(const void *user, nnc_value a, nnc_value b)
{
    const c_cgen *g = user;
    const nnc_value_rec *x = nnc_value_get(g->m, a), *y = nnc_value_get(g->m, b);
    uint64_t bits = g->alias[g->func.id];

    return x->kind == NNC_VALUE_arg && y->kind == NNC_VALUE_arg && x->index < 64 && y->index < 64 &&
           bits >> x->index & 1 && bits >> y->index & 1;
}

static void note_call(c_cgen *g, nnc_op call)
{
    nnc_op callee = nnc_func_find(g->m, nnc_attr_str(g->m, call, NNC_W_callee, ""));
    unsigned n = nnc_op_nin(g->m, call);

    if (!callee.id)
        return;
    for (unsigned i = 0; i < n; i++)
        for (unsigned j = i + 1; j < n; j++) {
            nnc_value a = nnc_op_in(g->m, call, i), b = nnc_op_in(g->m, call, j);
            if (nnc_value_ty(g->m, a)->kind != NNC_TYPE_buffer ||
                nnc_value_ty(g->m, b)->kind != NNC_TYPE_buffer)
                continue;
            if (!roots_overlap(g, nnc_buffer_root(g->m, a), nnc_buffer_root(g->m, b)))
                continue;
            if (!c_param_written(g, callee, i) && !c_param_written(g, callee, j))
                continue;
            g->alias[callee.id] |= i < 64 ? UINT64_C(1) << i : 0;
            g->alias[callee.id] |= j < 64 ? UINT64_C(1) << j : 0;
        }
}

static void note_calls(c_cgen *g, nnc_block b)
{
    for (nnc_op op = nnc_block_first(g->m, b); op.id; op = nnc_op_next(g->m, op)) {
        if (nnc_op_code(g->m, op) == NNC_OP_call)
            note_call(g, op);
        for (unsigned r = 0; r < nnc_op_nregion(g->m, op); r++)
            note_calls(g, nnc_op_region(g->m, op, r));
    }
}

/* ---- printing ---- */

void c_begin_function(c_cgen *g, nnc_op func, nnc_out *o, unsigned section)
{
    g->func = func;
    g->o = o;
    g->section = section;
    g->splits = 0;
    g->locals = nnc_names_new(g->a, g->globals);
    if (g->parallel) {
        nnc_names_reserve(g->locals, "part");
        nnc_names_reserve(g->locals, "parts");
    }
    g->flow.may_alias = func.id == g->entry.id ? roots_overlap
                        : g->alias[func.id]    ? params_overlap
                                               : NULL;
    g->flow.user = g;
    nnc_flow_func(&g->flow, func);
}

const char *c_parameter(c_cgen *g, nnc_op func, unsigned i)
{
    nnc_value v = nnc_block_arg(g->m, nnc_op_region(g->m, func, 0), i);
    bool restricted = i >= 64 || !(g->alias[func.id] >> i & 1);

    if (nnc_value_ty(g->m, v)->kind != NNC_TYPE_buffer)
        return c_fmt(g, "%s %s", c_scalar(c_dtype(g, v)), c_name(g, v));
    return c_fmt(g, "%s%s *%s%s", c_param_written(g, func, i) ? "" : "const ",
                 c_storage(c_dtype(g, v)), restricted ? "restrict " : "", c_name(g, v));
}

static void function(c_cgen *g, nnc_op func, const char *name, FILE *f, unsigned section)
{
    nnc_block b = nnc_op_region(g->m, func, 0);
    nnc_out o = {.f = f};
    const char *params = "", *unused = "";

    g->a = nnc_arena_new();
    c_begin_function(g, func, &o, section);
    for (unsigned i = 0; i < nnc_block_narg(g->m, b); i++) {
        params = c_fmt(g, "%s%s%s", params, i ? ", " : "", c_parameter(g, func, i));
        if (!nnc_value_get(g->m, nnc_block_arg(g->m, b, i))->first_use)
            unused = c_fmt(g, "%s    (void)%s;\n", unused, c_name(g, nnc_block_arg(g->m, b, i)));
    }
    if (c_is_parallel(g->m, func))
        params = c_fmt(g, "%s, ptrdiff_t part, ptrdiff_t parts", params);
    nnc_out_line(&o, "static KERNEL %svoid %s(%s)", section == C_VECTOR ? "WIDE " : "", name,
                 *params ? params : "void");
    fprintf(f, "{\n%s", unused);
    o.indent = 1;
    c_block(g, b);
    fprintf(f, "}\n");
    nnc_arena_free(g->a);
    g->a = g->root;
}

static nnc_op portable_twin(const c_cgen *g, nnc_op func)
{
    const char *twin = nnc_attr_str(g->m, func, NNC_W_portable, NULL);

    return twin ? nnc_func_find(g->m, twin) : (nnc_op){0};
}

static bool is_form(const c_cgen *g, nnc_op func, nnc_word form)
{
    return nnc_attr_word(g->m, func, NNC_W_form, NNC_W_none) == form;
}

static void describe(c_cgen *g, nnc_op func, FILE *f)
{
    const char *s = nnc_loc_text_of(g->m->diag, nnc_op_loc(g->m, func));

    fputc('\n', f);
    if (!strncmp(s, "node ", 5))
        fprintf(f, "/* %s */\n", c_comment(g->a, s, 100));
}

static void kernel(c_cgen *g, nnc_op func, FILE *f)
{
    nnc_op twin = portable_twin(g, func);
    const char *name = g->function[func.id];

    describe(g, func, f);
    if (!twin.id) {
        function(g, func, name, f, C_COMMON);
        return;
    }
    if (g->opt->portable) {
        function(g, twin, name, f, C_COMMON);
        return;
    }
    fprintf(f, "#ifdef VECTORS\n");
    function(g, func, name, f, C_VECTOR);
    fprintf(f, "#else\n");
    function(g, twin, name, f, C_PORTABLE);
    fprintf(f, "#endif\n");
}

void c_kernels(c_cgen *g, FILE *f)
{
    note_calls(g, nnc_op_region(g->m, g->entry, 0));
    for (nnc_op op = nnc_block_first(g->m, g->m->top); op.id; op = nnc_op_next(g->m, op)) {
        nnc_op twin = portable_twin(g, op);
        if (nnc_op_code(g->m, op) != NNC_OP_kernel || op.id == g->entry.id ||
            is_form(g, op, NNC_W_portable))
            continue;
        g->function[op.id] = nnc_names_put(g->globals, nnc_func_name(g->m, op));
        g->kernels++;
        if (twin.id)
            g->alias[twin.id] = g->alias[op.id];
    }
    for (nnc_op op = nnc_block_first(g->m, g->m->top); op.id && g->status == NNC_OK;
         op = nnc_op_next(g->m, op))
        if (g->function[op.id]) {
            kernel(g, op, f);
            if (c_is_parallel(g->m, op))
                c_parallel_job(g, op, f);
        }
}
