/* Graphviz: one box per op that computes, an edge per tensor with its type; regions are clusters. */
#include <string.h>
#include "codegen/report/report.h"
#include "ir/text.h"

static void quoted(FILE *o, const char *s)
{
    putc('"', o);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            putc('\\', o);
        putc(*s, o);
    }
    putc('"', o);
}

static void op_box(const nnc_module *m, FILE *o, nnc_op op)
{
    const char *from = nnc_loc_text_of(m->diag, nnc_op_loc(m, op));
    fprintf(o, "    op%u [label=", op.id);
    const char *plan = nnc_attr_str(m, op, NNC_W_plan, "");
    quoted(o, nnc_arena_printf(m->arena, "%s%s%s%s%s", nnc_op_infos[nnc_op_code(m, op)].name,
                               *from ? "\\n" : "", from, *plan ? "\\n" : "", plan));
    fprintf(o, "%s];\n", nnc_op_code(m, op) == NNC_OP_const ? ", shape=note, color=gray" : "");
}

/* Where a value comes from: an op's box, an argument's box; nothing for inline constants. */
static const char *source(const nnc_module *m, nnc_value v)
{
    nnc_op op = nnc_value_op(m, v);
    if (op.id)
        return nnc_arena_printf(m->arena, "op%u", op.id);
    return nnc_value_is_const(m, v) ? NULL : nnc_arena_printf(m->arena, "arg%u", v.id);
}

static void edges(const nnc_module *m, FILE *o, nnc_op op)
{
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++) {
        nnc_value v = nnc_op_in(m, op, i);
        const char *from = source(m, v);
        if (!from)
            continue;
        fprintf(o, "    %s -> op%u [label=", from, op.id);
        quoted(o, nnc_print_type(m, nnc_value_type(m, v)));
        fputs("];\n", o);
    }
}

static void block(const nnc_module *m, FILE *o, nnc_block b)
{
    for (unsigned i = 0; i < nnc_block_narg(m, b); i++) {
        nnc_value v = nnc_block_arg(m, b, i);
        fprintf(o, "    arg%u [shape=ellipse, label=", v.id);
        quoted(o, nnc_arena_printf(m->arena, "%s\\n%s", nnc_value_name(m, v),
                                   nnc_print_type(m, nnc_value_type(m, v))));
        fputs("];\n", o);
    }
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        op_box(m, o, op);
        edges(m, o, op);
        for (unsigned i = 0; i < nnc_op_nregion(m, op); i++) {
            fprintf(o, "    subgraph cluster%u_%u {\n", op.id, i);
            block(m, o, nnc_op_region(m, op, i));
            fputs("    }\n", o);
        }
    }
}

nnc_status nnc_report_dot(nnc_module *m, FILE *o)
{
    nnc_op f = nnc_func_entry(m, NNC_OP_graph);
    if (!f.id)
        f = nnc_func_entry(m, NNC_OP_kernel);
    if (!f.id)
        return nnc_error(m->diag, (nnc_loc){0}, "the module has no entry function to draw");
    fputs("digraph ", o);
    quoted(o, nnc_func_name(m, f));
    fputs(" {\n    node [shape=box, fontname=\"Helvetica\"];\n    edge [fontname=\"Helvetica\", "
          "fontsize=9];\n",
          o);
    block(m, o, nnc_op_region(m, f, 0));
    fputs("}\n", o);
    return NNC_OK;
}
