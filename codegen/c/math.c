/* Functions on vectors, written from their definition in K arithmetic (passes/legalise.h).
 *
 * The definition is built in a module of its own and printed by the same code as kernels, with the emitter's helpers and
 * vector types shared; kernels then call the function, so that a net with ten GELUs holds one erf. */
#include "codegen/c/c.h"
#include "passes/legalise.h"

static nnc_value define(nnc_module *m, nnc_op *func, nnc_opcode code, nnc_dtype dt, unsigned lanes)
{
    *func = nnc_build_func(m, NNC_OP_kernel, "math", false, (nnc_loc){0});
    nnc_block body = nnc_op_region(m, *func, 0);
    nnc_builder b = nnc_builder_at_end(m, body);
    nnc_value x = nnc_block_add_arg(m, body, nnc_type_scalar(m, dt, (int)lanes), "x");
    nnc_value y = nnc_math_build(&b, code, x);

    nnc_build_yield(&b, 1, &y);
    return y;
}

/* A copy of the emitter that looks at the module of the definition. */
static c_cgen for_module(const c_cgen *g, nnc_module *m)
{
    c_cgen s = *g;

    s.m = m;
    s.ident = nnc_arena_array(g->a, m->value.n, sizeof *s.ident);
    s.cell = nnc_arena_array(g->a, m->value.n, sizeof *s.cell);
    s.alias = nnc_arena_array(g->a, m->op.n, sizeof *s.alias);
    s.flow = nnc_flow_new(m, g->a);
    return s;
}

static void take_back(c_cgen *g, const c_cgen *s)
{
    g->helper.at = s->helper.at, g->helper.n = s->helper.n, g->helper.cap = s->helper.cap;
    g->dep.at = s->dep.at, g->dep.n = s->dep.n, g->dep.cap = s->dep.cap;
    g->vectors.at = s->vectors.at, g->vectors.n = s->vectors.n, g->vectors.cap = s->vectors.cap;
    g->math_h = s->math_h, g->string_h = s->string_h, g->immintrin_h = s->immintrin_h;
    g->arm_neon_h = s->arm_neon_h;
    g->status = s->status;
}

static const char *write_function(c_cgen *g, const char *name, nnc_opcode code, nnc_dtype dt,
                                  unsigned lanes)
{
    nnc_module *m = nnc_module_new(g->a, g->m->diag);
    nnc_op func;
    nnc_value y = define(m, &func, code, dt, lanes);
    c_cgen s = for_module(g, m);
    nnc_text text;
    nnc_out o = {.indent = 1};

    nnc_text_begin(&text);
    o.f = text.f;
    c_begin_function(&s, func, &o, g->section);
    nnc_value x = nnc_block_arg(m, nnc_op_region(m, func, 0), 0);
    const char *type = c_value_type(&s, x);
    fprintf(text.f, "static inline %s %s(%s %s)\n{\n", type, name, type, c_name(&s, x));
    c_block(&s, nnc_op_region(m, func, 0));
    nnc_out_line(&o, "return %s;", c_operand(&s, y, C_COND));
    fprintf(text.f, "}\n");
    take_back(g, &s);
    return nnc_text_end(&text, g->a);
}

const char *c_need_math(c_cgen *g, nnc_opcode code, nnc_dtype dt, unsigned lanes)
{
    uint32_t i;

    if (!nnc_math_has(code, dt))
        return NULL;
    const char *name =
        c_fmt(g, "%s_%sx%u", nnc_op_infos[code].name, nnc_dtype_infos[dt].name, lanes);
    if (c_helper_known(g, name, &i)) {
        c_helper_mark(g, i);
        return name;
    }
    const char *text = write_function(g, name, code, dt, lanes);
    c_helper_add(g, name, text);
    /* vector forms are the only section that calls it, so the helpers it needs are printed in the same place */
    return name;
}
