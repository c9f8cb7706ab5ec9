/* Writing goes once through the graph.  Every value gets a mention: a weight `w.name`, a name of its own, or, when it is
 * used once and the text stays short, the whole expression.  Loops become `for` with carried `var`s.  The formatter lays
 * out the result, so it is text that parses. */
#include "frontend/nn/write.h"
#include "frontend/nn/fmt.h"
#include "frontend/nn/trace.h"
#include "frontend/nn/write_cx.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NESTED = 64 }; /* characters of an expression inside another */

static void write_block(nn_writer *w, nnc_block b);

/* ---- names ---- */

static bool is_taken(nn_writer *w, const char *s)
{
    uint32_t before = nnc_intern_count(w->taken);
    nnc_intern_put(w->taken, s, strlen(s));
    return nnc_intern_count(w->taken) == before;
}

/* Words, types and builtins are never names of values. */
static void take_words(nn_writer *w)
{
#define KEYWORD(text, token, class) is_taken(w, text);
#include "frontend/nn/keywords.def"
    for (uint32_t i = 0; i < nn_builtin_count(); i++)
        is_taken(w, nn_builtin_at(i)->name);
    for (int d = 1; d < NNC_DT_COUNT; d++)
        is_taken(w, nnc_dtype_infos[d].name);
    static const char *const more[] = {"w", "_", "float", "int", "key", "str"};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++)
        is_taken(w, more[i]);
}

static const char *fresh_name(nn_writer *w, const char *hint)
{
    char *s = nnc_arena_printf(w->a, "%s%s", isalpha((unsigned char)*hint) ? "" : "v", hint);
    for (char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    if (strlen(s) > 40)
        s[40] = 0;
    if (!is_taken(w, s))
        return s;
    for (int k = 2;; k++) {
        const char *t = nn_write_format(w, "%s_%d", s, k);
        if (!is_taken(w, t))
            return t;
    }
}

static void mention(nn_writer *w, nnc_value v, const char *s, int level)
{
    NNC_RESERVE(w->a, &w->of, v.id + 1);
    w->of.at[v.id] = (nn_piece){s, level};
}

static const char *name_value(nn_writer *w, nnc_value v, const char *otherwise)
{
    const char *hint = nnc_value_name(w->m, v), *s = fresh_name(w, *hint ? hint : otherwise);
    mention(w, v, s, NN_LEVEL_PRIMARY);
    return s;
}

/* ---- weights ---- */

static nnp_dtype stored_as(nnc_dtype dt)
{
    switch (dt) {
    case NNC_DT_f64: return NNP_F64;
    case NNC_DT_f32: return NNP_F32;
    case NNC_DT_f16: return NNP_F16;
    case NNC_DT_bf16: return NNP_BF16;
    case NNC_DT_f8e4m3fn: return NNP_F8E4M3;
    case NNC_DT_f8e5m2: return NNP_F8E5M2;
    case NNC_DT_i64: return NNP_I64;
    case NNC_DT_i32: return NNP_I32;
    case NNC_DT_i16: return NNP_I16;
    case NNC_DT_i8:
    case NNC_DT_i4:
    case NNC_DT_i2: return NNP_I8;
    case NNC_DT_u64: return NNP_U64;
    case NNC_DT_u32: return NNP_U32;
    case NNC_DT_u16: return NNP_U16;
    case NNC_DT_u8:
    case NNC_DT_u4:
    case NNC_DT_u2: return NNP_U8;
    case NNC_DT_bool: return NNP_BOOL;
    default: return NNP_STR;
    }
}

/* A constant that a pass made has no name: after what it is used for, "conv_3_bias". */
static const char *weight_hint(nn_writer *w, nnc_value v)
{
    nnc_op user = nnc_value_single_user(w->m, v);
    const char *hint = nnc_value_name(w->m, v);
    if (*hint || !user.id || nnc_op_nout(w->m, user) != 1)
        return *hint ? hint : "weight";
    nnc_opcode code = nnc_op_code(w->m, user);
    const char *owner = nnc_value_name(w->m, nnc_op_out(w->m, user, 0));
    const char *role = code == NNC_OP_add ? "bias" : code == NNC_OP_mul ? "scale" : "weight";
    return *owner ? nn_write_format(w, "%s_%s", owner, role) : role;
}

static void write_weight(nn_writer *w, nnc_op op)
{
    nnc_value v = nnc_op_out(w->m, op, 0);
    const nnc_type_rec *ty = nnc_value_ty(w->m, v);
    nnc_dtype dt = (nnc_dtype)ty->dtype;
    nnp_leaf leaf = {.dtype = stored_as(dt), .rank = ty->rank};
    if (leaf.dtype == NNP_STR) {
        nn_write_refuse(
            w, op, nn_write_format(w, ".safetensors has no dtype %s", nnc_dtype_infos[dt].name));
        return;
    }
    const char *name = fresh_name(w, weight_hint(w, v));
    for (int i = 0; i < ty->rank; i++)
        leaf.dim[i] = (size_t)ty->dim[i];
    leaf.name = nnc_arena_str(w->a, name);
    leaf.data = (void *)(uintptr_t)nnc_const_data(w->m, op);
    NNC_PUSH(w->a, &w->weight, leaf);
    bool small = nnc_dtype_infos[dt].bits < 8 && dt != NNC_DT_bool;
    mention(w, v,
            small ? nn_write_format(w, "%s(w.%s)", nnc_dtype_infos[dt].name, name)
                  : nn_write_format(w, "w.%s", name),
            NN_LEVEL_POSTFIX);
}

/* ---- control flow ---- */

/* (a, b) or a. */
static const char *tuple(nn_writer *w, unsigned n, const char *const *s)
{
    if (n == 1)
        return s[0];
    const char *all = "";
    for (unsigned i = 0; i < n; i++)
        all = nn_write_format(w, "%s%s%s", all, i ? ", " : "", s[i]);
    return nn_write_format(w, "(%s)", all);
}

static const char **texts(nn_writer *w, unsigned n)
{
    return nnc_arena_array(w->a, n + 1u, sizeof(const char *));
}

/* Carried values become variables, which keep their names after the loop. */
static const char **declare_carried(nn_writer *w, nnc_op op, nnc_block body, unsigned from,
                                    unsigned n)
{
    const char **name = texts(w, n);
    for (unsigned i = 0; i < n; i++) {
        nnc_value first = nnc_op_in(w->m, op, i), arg = nnc_block_arg(w->m, body, from + i);
        const char *value = nn_write_typed(w, first),
                   *hint = nnc_value_name(w->m, nnc_op_out(w->m, op, i));
        name[i] = fresh_name(w, *hint ? hint : "state");
        fprintf(w->out, "var %s = %s\n", name[i], value);
        mention(w, arg, name[i], NN_LEVEL_PRIMARY);
        mention(w, nnc_op_out(w->m, op, i), name[i], NN_LEVEL_PRIMARY);
    }
    return name;
}

/* All at once; values that stay are left out. */
static void assign_carried(nn_writer *w, nnc_op yield, unsigned n, const char *const *name)
{
    const char **to = texts(w, n), **from = texts(w, n);
    unsigned k = 0;
    for (unsigned i = 0; i < n; i++) {
        const char *value = nn_write_typed(w, nnc_op_in(w->m, yield, i));
        if (strcmp(value, name[i])) {
            to[k] = name[i];
            from[k++] = value;
        }
    }
    if (k)
        fprintf(w->out, "%s = %s\n", tuple(w, k, to), tuple(w, k, from));
}

/* What the turns yield, kept before the variables change. */
static const char *yielded(nn_writer *w, nnc_op yield, unsigned carried, unsigned n)
{
    const char **s = texts(w, n);
    for (unsigned i = 0; i < n; i++) {
        s[i] = fresh_name(w, "y");
        fprintf(w->out, "%s = %s\n", s[i], nn_write_typed(w, nnc_op_in(w->m, yield, carried + i)));
    }
    return n ? tuple(w, n, s) : "";
}

static void write_scan(nn_writer *w, nnc_op op)
{
    nnc_block body = nnc_op_region(w->m, op, 0);
    nnc_op yield = nnc_block_last(w->m, body);
    unsigned carried = (unsigned)nnc_attr_int(w->m, op, NNC_W_carried, 0);
    unsigned nx = nnc_op_nin(w->m, op) - carried, ny = nnc_op_nout(w->m, op) - carried;
    bool reverse = nnc_attr_int(w->m, op, NNC_W_reverse, 0) != 0;
    nnc_dim trips = nnc_attr_int(w->m, op, NNC_W_trips, 0);
    const char **state = declare_carried(w, op, body, 1, carried);
    const char **slice = texts(w, nx + 1), **from = texts(w, nx + 1), **out = texts(w, ny);
    unsigned n = 0;
    nnc_value turn = nnc_block_arg(w->m, body, 0);
    const char *end = nn_write_dim(w, trips, NN_LEVEL_PRIMARY, op);
    if (nnc_value_nuse(w->m, turn) || !nx) {
        const char *i = fresh_name(w, "i");
        slice[n] = i;
        from[n++] = nn_write_format(w, "0..%s", end);
        mention(w, turn,
                reverse ? nn_write_format(w, "i64(%s - 1 - %s)", end, i)
                        : nn_write_format(w, "i64(%s)", i),
                NN_LEVEL_POSTFIX);
    }
    for (unsigned k = 0; k < nx; k++) {
        slice[n] = name_value(w, nnc_block_arg(w->m, body, 1 + carried + k), "x");
        const char *x = nn_write_value(w, nnc_op_in(w->m, op, carried + k), 0);
        from[n++] = reverse ? nn_write_format(w, "reverse(%s)", x) : x;
    }
    for (unsigned k = 0; k < ny; k++)
        out[k] = name_value(w, nnc_op_out(w->m, op, carried + k), "ys");
    if (ny)
        fprintf(w->out, "%s = ", tuple(w, ny, out));
    fprintf(w->out, "for %s in %s {\n", tuple(w, n, slice), tuple(w, n, from));
    write_block(w, body);
    const char *value = yielded(w, yield, carried, ny);
    assign_carried(w, yield, carried, state);
    fprintf(w->out, "%s\n}\n", value);
    for (unsigned k = 0; reverse && k < ny; k++)
        fprintf(w->out, "%s = reverse(%s)\n", out[k], out[k]);
}

/* The condition is worked out before the loop and again at the end of every turn. */
static void write_while(nn_writer *w, nnc_op op)
{
    nnc_block cond = nnc_op_region(w->m, op, 0), step = nnc_op_region(w->m, op, 1);
    unsigned n = nnc_op_nin(w->m, op);
    const char **state = declare_carried(w, op, step, 0, n), *go = fresh_name(w, "go");
    for (unsigned i = 0; i < n; i++)
        mention(w, nnc_block_arg(w->m, cond, i), state[i], NN_LEVEL_PRIMARY);
    write_block(w, cond);
    fprintf(w->out, "var %s = %s\n", go,
            nn_write_typed(w, nnc_op_in(w->m, nnc_block_last(w->m, cond), 0)));
    fprintf(w->out, "while %s {\n", go);
    write_block(w, step);
    assign_carried(w, nnc_block_last(w->m, step), n, state);
    write_block(w, cond);
    fprintf(w->out, "%s = %s\n}\n", go,
            nn_write_typed(w, nnc_op_in(w->m, nnc_block_last(w->m, cond), 0)));
}

static void write_branch(nn_writer *w, nnc_op op, unsigned k)
{
    nnc_block b = nnc_op_region(w->m, op, k);
    unsigned n = nnc_op_nout(w->m, op);
    const char **s = texts(w, n);
    write_block(w, b);
    for (unsigned i = 0; i < n; i++)
        s[i] = nn_write_typed(w, nnc_op_in(w->m, nnc_block_last(w->m, b), i));
    fprintf(w->out, "%s\n", n ? tuple(w, n, s) : "");
}

static void write_if(nn_writer *w, nnc_op op)
{
    unsigned n = nnc_op_nout(w->m, op);
    const char **out = texts(w, n), *cond = nn_write_value(w, nnc_op_in(w->m, op, 0), 0);
    for (unsigned i = 0; i < n; i++)
        out[i] = name_value(w, nnc_op_out(w->m, op, i), "chosen");
    if (n)
        fprintf(w->out, "%s = ", tuple(w, n, out));
    fprintf(w->out, "if %s {\n", cond);
    write_branch(w, op, 0);
    fprintf(w->out, "} else {\n");
    write_branch(w, op, 1);
    fprintf(w->out, "}\n");
}

/* ---- statements ---- */

/* An assertion starts with a name, so that it reads as one. */
static void write_check(nn_writer *w, nnc_op op)
{
    const char *message = nnc_attr_str(w->m, op, NNC_W_message, "a check of the model"), *s = "";
    for (const char *c = message; *c; c++)
        if ((unsigned char)*c >= ' ')
            s = nn_write_format(w, "%s%s%c", s, strchr("\"\\{", *c) ? "\\" : "", *c);
    const char *ok = fresh_name(w, "ok");
    fprintf(w->out, "%s = %s\nassert %s, \"%s\"\n", ok, nn_write_typed(w, nnc_op_in(w->m, op, 0)),
            ok, s);
}

/* Expressions go into their only user if that is in the same block: a region may run often, or later than a variable. */
static bool is_nested(nn_writer *w, nnc_op op, const nn_piece *p)
{
    nnc_value v = nnc_op_out(w->m, op, 0);
    nnc_op user = nnc_value_single_user(w->m, v);
    return user.id && strlen(p->s) <= MOST_NESTED && !nnc_op_nregion(w->m, user) &&
           nnc_op_get(w->m, user)->block.id == nnc_op_get(w->m, op)->block.id &&
           (nnc_op_code(w->m, user) != NNC_OP_yield ||
            nnc_op_code(w->m, nnc_block_parent(w->m, nnc_op_get(w->m, user)->block)) ==
                NNC_OP_graph);
}

static void write_statement(nn_writer *w, nnc_op op)
{
    nn_piece p = nn_write_op(w, op);
    unsigned n = nnc_op_nout(w->m, op);
    if (n == 1 && is_nested(w, op, &p)) {
        mention(w, nnc_op_out(w->m, op, 0), p.s, p.level);
        return;
    }
    const char **out = texts(w, n);
    for (unsigned i = 0; i < n; i++)
        out[i] = name_value(w, nnc_op_out(w->m, op, i),
                            n > 1 ? "part" : nnc_op_infos[nnc_op_code(w->m, op)].name);
    fprintf(w->out, "%s = %s\n", tuple(w, n, out), p.s);
}

static void write_block(nn_writer *w, nnc_block b)
{
    for (nnc_op op = nnc_block_first(w->m, b); op.id && !w->failed; op = nnc_op_next(w->m, op))
        switch (nnc_op_code(w->m, op)) {
        case NNC_OP_const:
            if (nnc_op_out(w->m, op, 0).id >= w->of.cap || !w->of.at[nnc_op_out(w->m, op, 0).id].s)
                write_weight(w, op); /* a condition is written twice */
            break;
        case NNC_OP_state:
        case NNC_OP_yield: break;
        case NNC_OP_check: write_check(w, op); break;
        case NNC_OP_scan: write_scan(w, op); break;
        case NNC_OP_while: write_while(w, op); break;
        case NNC_OP_if: write_if(w, op); break;
        default: write_statement(w, op);
        }
}

/* ---- the function ---- */

/* Line i of a text. */
static const char *line_of(nn_writer *w, const char *s, unsigned i)
{
    for (; i && *s; s++)
        i -= *s == '\n';
    return nnc_arena_copy(w->a, s, strcspn(s, "\n"));
}

static uint32_t symbol_index(nn_writer *w, nnc_dim d)
{
    for (uint32_t i = 0; i < nnc_dim_nsymbol(w->m->dims); i++)
        if (nnc_dim_symbol_at(w->m->dims, i) == d)
            return i;
    return UINT32_MAX;
}

/* f32[n <= 32, 64]: the first mention of a symbol declares it. */
static const char *type_text(nn_writer *w, nnc_type type, nnc_op op)
{
    const nnc_type_rec ty = *nnc_type_get(w->m, type);
    const char *s = "";
    for (int i = 0; i < ty.rank; i++) {
        nnc_sym name;
        const char *d, *limit = "";
        if (nnc_dim_is_symbol(w->m->dims, ty.dim[i], &name)) {
            uint32_t k = symbol_index(w, ty.dim[i]);
            int64_t hi = nnc_dim_hi(w->m->dims, ty.dim[i]);
            NNC_RESERVE(w->a, &w->symbol, nnc_dim_nsymbol(w->m->dims) + 1);
            w->symbol.n = nnc_dim_nsymbol(w->m->dims);
            if (k != UINT32_MAX && !w->symbol.at[k].id) {
                const char *id = fresh_name(w, nnc_sym_str(w->m, name));
                w->symbol.at[k] = nnc_intern_put(w->taken, id, strlen(id));
                if (hi != INT64_MAX)
                    limit = nn_write_format(w, " <= %lld", (long long)hi);
            }
        }
        d = nn_write_dim(w, ty.dim[i], 0, op);
        s = nn_write_format(w, "%s%s%s%s", s, i ? ", " : "", d, limit);
    }
    const char *dt = nnc_dtype_infos[ty.dtype].name;
    return ty.rank ? nn_write_format(w, "%s[%s]", dt, s) : dt;
}

static void write_function(nn_writer *w, nnc_op graph)
{
    nnc_block b = nnc_op_region(w->m, graph, 0);
    nnc_op yield = nnc_block_last(w->m, b);
    unsigned n = nnc_op_nin(w->m, yield);
    const char *inputs = nnc_attr_str(w->m, graph, NNC_W_input, ""),
               *outputs = nnc_attr_str(w->m, graph, NNC_W_output, "");
    is_taken(w, w->o->name);
    fprintf(w->out, "export fn %s(", w->o->name);
    for (unsigned i = 0; i < nnc_block_narg(w->m, b); i++) {
        nnc_value v = nnc_block_arg(w->m, b, i);
        const char *given = line_of(w, inputs, i), *s = fresh_name(w, *given ? given : "input");
        mention(w, v, s, NN_LEVEL_PRIMARY);
        fprintf(w->out, "%s%s: %s", i ? ", " : "", s, type_text(w, nnc_value_type(w->m, v), graph));
    }
    const char **field = texts(w, n), *type = "", *last = "";
    for (unsigned i = 0; i < n; i++) {
        const char *given = line_of(w, outputs, i);
        field[i] = n > 1 ? fresh_name(w, *given ? given : "output") : "";
        const char *ty = type_text(w, nnc_value_type(w->m, nnc_op_in(w->m, yield, i)), graph);
        type = n > 1 ? nn_write_format(w, "%s%s%s: %s", type, i ? ", " : "(", field[i], ty) : ty;
    }
    fprintf(w->out, ") -> %s%s {\n", type, n > 1 ? ")" : "");
    write_block(w, b);
    for (unsigned i = 0; i < n && !w->failed; i++) {
        const char *v = nn_write_typed(w, nnc_op_in(w->m, yield, i));
        last = n > 1 ? nn_write_format(w, "%s%s%s = %s", last, i ? ", " : "(", field[i], v) : v;
    }
    fprintf(w->out, "%s%s\n}\n", last, n > 1 ? ")" : "");
}

/* Through the parser and the formatter: what does not parse is a mistake of this file. */
static nnc_status lay_out(nn_writer *w, const char *text, size_t n, FILE *to)
{
    nn_syntax s = {.arena = w->a, .diag = w->m->diag, .names = nnc_intern_new(w->a)};
    nn_file *file;
    size_t size;
    NNC_TRY(nn_parse(&s, "written text", text, n, &file));
    const char *done = nn_format(&s, file, &size);
    fwrite(done, 1, size, to);
    return NNC_OK;
}

nnc_status nn_write(nnc_module *m, const nn_write_options *o, FILE *text, nnp_text *weights)
{
    nn_writer w = {.m = m, .a = m->arena, .o = o, .taken = nnc_intern_new(m->arena)};
    nnc_op graph = nnc_func_entry(m, NNC_OP_graph);
    char *body = NULL, *all = NULL;
    size_t n, size;
    if (!graph.id)
        return nnc_error(m->diag, (nnc_loc){0}, "there is no graph to write");
    w.out = open_memstream(&body, &n);
    take_words(&w);
    NNC_RESERVE(w.a, &w.of, m->value.n + 1);
    write_function(&w, graph);
    fclose(w.out);
    FILE *f = open_memstream(&all, &size);
    fprintf(f, "# written by nnc from %s\n", o->origin);
    if (w.weight.n)
        fprintf(f, "data w = safetensors(\"%s\")\n\n", o->weights);
    fwrite(body, 1, n, f);
    fclose(f);
    nnc_status s = w.failed ? NNC_ERR : lay_out(&w, all, size, text);
    free(body);
    free(all);
    nnp_leaves l = {w.weight.n, w.weight.at};
    if (s == NNC_OK && l.n)
        nnp_safetensors_bytes(&l, weights);
    return s;
}
