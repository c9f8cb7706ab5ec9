/* Node building and printing.
 *
 * Nodes live in the compilation's arena.  Later stages walk the tree by recursion, so its depth is limited here: a node
 * beyond NN_MAX_DEPTH is reported once and becomes an `error` without children. */
#include "frontend/nn/parser.h"
#include <stdio.h>
#include <string.h>

const char *const nn_operator_text[NN_OP_COUNT] = {
    [NN_OP_none] = "",       [NN_OP_or] = "or",    [NN_OP_and] = "and",       [NN_OP_not] = "not",
    [NN_OP_eq] = "==",       [NN_OP_ne] = "!=",    [NN_OP_lt] = "<",          [NN_OP_le] = "<=",
    [NN_OP_gt] = ">",        [NN_OP_ge] = ">=",    [NN_OP_within] = "within", [NN_OP_bitor] = "|",
    [NN_OP_xor] = "xor",     [NN_OP_bitand] = "&", [NN_OP_shl] = "<<",        [NN_OP_shr] = ">>",
    [NN_OP_add] = "+",       [NN_OP_sub] = "-",    [NN_OP_mul] = "*",         [NN_OP_div] = "/",
    [NN_OP_floordiv] = "//", [NN_OP_mod] = "%",    [NN_OP_matmul] = "@",      [NN_OP_neg] = "-",
    [NN_OP_pow] = "^",
};

static const char *const kind_names[NN_KIND_COUNT] = {
#define KIND(name, children) #name,
#include "frontend/nn/kinds.def"
};

const char *nn_kind_name(nn_kind k)
{
    return kind_names[k];
}

static nn_ast *blank(nn_parser *cx, nn_kind kind, nn_span at)
{
    nn_ast *n = nnc_arena_alloc(cx->s->arena, sizeof *n);
    n->kind = (uint8_t)kind;
    n->begin = at.begin;
    n->end = at.end;
    n->loc = nnc_loc_text(cx->s->diag, cx->file->source, at.begin, at.end);
    n->name_loc = n->loc;
    n->id = ++cx->s->nnode;
    n->depth = 1;
    return n;
}

static void adopt(nn_parser *cx, nn_ast *n, uint32_t i, nn_ast *kid)
{
    if (!kid)
        kid = blank(cx, NN_absent, (nn_span){n->end, n->end});
    n->kid[i] = kid;
    if (kid->depth >= n->depth)
        n->depth = (uint16_t)(kid->depth + 1);
}

static nn_ast *check_depth(nn_parser *cx, nn_ast *n)
{
    if (n->depth <= NN_MAX_DEPTH)
        return n;
    if (!cx->too_deep)
        nn_mistake(cx, (nn_span){n->begin, n->end},
                   "nested more than %d deep; give parts of it names", NN_MAX_DEPTH);
    cx->too_deep = true;
    return blank(cx, NN_error, (nn_span){n->begin, n->end});
}

nn_ast *nn_make(nn_parser *cx, nn_kind kind, nn_span at, unsigned n, nn_ast *const *kid)
{
    nn_ast *node = blank(cx, kind, at);
    node->nkid = n;
    node->kid = nnc_arena_array(cx->s->arena, n, sizeof *node->kid);
    for (unsigned i = 0; i < n; i++)
        adopt(cx, node, i, kid[i]);
    return check_depth(cx, node);
}

nn_ast *nn_make_list(nn_parser *cx, nn_kind kind, nn_span at, nn_ast *first, const nn_list *rest)
{
    nn_ast *node = blank(cx, kind, at);
    uint32_t have = first != NULL, more = rest ? rest->n : 0;
    node->nkid = have + more;
    node->kid = nnc_arena_array(cx->s->arena, node->nkid, sizeof *node->kid);
    if (first)
        adopt(cx, node, 0, first);
    for (uint32_t i = 0; i < more; i++)
        adopt(cx, node, have + i, rest->at[i]);
    return check_depth(cx, node);
}

nn_ast *nn_set_name(nn_parser *cx, nn_ast *n, nn_span name)
{
    n->name = nnc_intern_put(cx->s->names, cx->file->text + name.begin, name.end - name.begin);
    n->name_loc = nnc_loc_text(cx->s->diag, cx->file->source, name.begin, name.end);
    return n;
}

nn_ast *nn_make_leaf(nn_parser *cx, nn_kind kind, nn_span name)
{
    return nn_set_name(cx, blank(cx, kind, name), name);
}

nn_list *nn_list_of(nn_parser *cx, nn_ast *item)
{
    return nn_list_add(cx, nnc_arena_alloc(cx->s->arena, sizeof(nn_list)), item);
}

nn_list *nn_list_add(nn_parser *cx, nn_list *l, nn_ast *item)
{
    NNC_PUSH(cx->s->arena, l, item);
    return l;
}

nn_ast *nn_make_parens(nn_parser *cx, nn_span at, nn_list *items)
{
    if (!items || items->n != 1 || items->at[0]->kind == NN_named ||
        items->at[0]->kind == NN_spread || items->at[0]->kind == NN_hole)
        return nn_make_list(cx, NN_tuple, at, NULL, items);
    nn_ast *n = items->at[0];
    n->parens = true;
    n->begin = at.begin;
    n->end = at.end;
    n->loc = nnc_loc_text(cx->s->diag, cx->file->source, at.begin, at.end);
    return n;
}

nn_operator nn_augment_op(const nn_parser *cx, nn_span at)
{
    switch (cx->file->text[at.begin]) {
    case '+': return NN_OP_add;
    case '-': return NN_OP_sub;
    case '*': return NN_OP_mul;
    default: return NN_OP_div;
    }
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static void print_text(FILE *out, const char *s)
{
    fputs(" \"", out);
    for (; *s; s++)
        if (*s == '\n')
            fputs("\\n", out);
        else if (*s == '\t')
            fputs("\\t", out);
        else if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else
            fputc(*s, out);
    fputc('"', out);
}

static void print_node(const nn_syntax *s, const nn_ast *n, int depth, FILE *out)
{
    fprintf(out, "%*s%s", 2 * depth, "", nn_kind_name((nn_kind)n->kind));
    if (n->op)
        fprintf(out, " %s", nn_operator_text[n->op]);
    if (n->name.id)
        fprintf(out, " %s", nnc_intern_str(s->names, n->name));
    if (n->kind == NN_int_)
        fprintf(out, " %lld", (long long)n->value);
    else if (n->kind == NN_float_)
        fprintf(out, " %.17g", n->number);
    else if (n->kind == NN_type_fixed)
        fprintf(out, " %lld %lld", (long long)n->value, (long long)n->value2);
    else if (n->text)
        print_text(out, n->text);
    if (n->exported)
        fputs(" exported", out);
    if (n->parens)
        fputs(" parens", out);
    fputc('\n', out);
    for (uint32_t i = 0; i < n->nkid; i++)
        print_node(s, n->kid[i], depth + 1, out);
}

void nn_ast_print(const nn_syntax *s, const nn_ast *n, void *file)
{
    print_node(s, n, 0, file);
}
