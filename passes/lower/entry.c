/* From G to K: the entry kernel.
 *
 * The ops of the entry graph are walked in order.  A `fused` op and a NAMED op become a kernel of their own and a call
 * here; control flow stays in the entry kernel as K loops and branches around such calls; views become K views.  Every
 * G value has a buffer.  Values that a block yields get a *target* before the block is lowered: the buffer in which the
 * consumer wants them (an output argument, the result of an `if`, a row of a scan's stack).  An op that makes such a
 * value writes there at once; a value that cannot be made there (an input, a constant, the second of two equal
 * results) is copied at the end.  Loop state is copied naively at the end of the body; the planner proves which copies
 * are not needed.
 *
 * Decided against: kernels per graph with results by reference.  One entry kernel sees all lifetimes at once. */
#include <assert.h>
#include <string.h>
#include "passes/group.h"
#include "passes/lower/entry.h"

nnc_type nnc_entry_type(nnc_module *m, nnc_type tensor, nnc_space space)
{
    nnc_type_rec r = *nnc_type_get(m, tensor);
    return nnc_type_buffer(m, (nnc_dtype)r.dtype, 1, r.rank, r.dim, NULL, space);
}

nnc_value nnc_entry_alloc(nnc_lower *x, nnc_type tensor, const char *name)
{
    nnc_value v = nnc_k_alloc(&x->b, nnc_entry_type(x->m, tensor, NNC_SPACE_arena), name);
    return v;
}

nnc_value nnc_entry_cell(nnc_lower *x, nnc_value buffer)
{
    nnc_value v = nnc_k_load(&x->b, buffer, 0, NULL);
    return nnc_value_ty(x->m, v)->dtype == NNC_DT_i64 ? nnc_k_cast(&x->b, v, NNC_DT_idx) : v;
}

void nnc_entry_set_cell(nnc_lower *x, nnc_value buffer, nnc_value idx)
{
    nnc_k_store(&x->b, nnc_k_cast(&x->b, idx, NNC_DT_i64), buffer, 0, NULL);
}

int64_t nnc_entry_symbol(const nnc_dims *t, nnc_dim d)
{
    nnc_sym name;
    uint32_t n;

    if (nnc_dim_is_const(d) || !nnc_dim_is_symbol(t, d, &name))
        return -1;
    return nnc_dim_atom_get(t, nnc_dim_terms(t, d, &n)[0].atom[0]).a;
}

/* ---- weights ---- */

static nnc_value make_const(nnc_lower *x, nnc_type t, nnc_blob blob, uint64_t at, nnc_loc loc)
{
    nnc_entry *e = nnc_entry_of(x);
    nnc_module *m = x->m;
    nnc_pos p = {e->top,
                 e->last_const.id ? nnc_op_next(m, e->last_const) : nnc_block_first(m, e->top)};
    nnc_op op = nnc_op_new(m, p, NNC_OP_const, 0, NULL, 1, &t, loc);

    nnc_attr_set_int(m, op, NNC_W_blob, blob.id);
    nnc_attr_set_int(m, op, NNC_W_at, (int64_t)at);
    e->last_const = op;
    return nnc_op_out(m, op, 0);
}

static nnc_value scalar_const(nnc_lower *x, nnc_value g)
{
    nnc_module *m = x->m;
    uint64_t bits = nnc_value_get(m, g)->bits;
    nnc_type t = nnc_entry_type(m, nnc_value_type(m, g), NNC_SPACE_weight);
    size_t bytes = nnc_dtype_bytes((nnc_dtype)nnc_value_ty(m, g)->dtype);
    const void *data = nnc_arena_copy(m->arena, &bits, bytes);

    return make_const(x, t, nnc_blob_new(m, data, bytes, x->b.loc), 0, x->b.loc);
}

nnc_value nnc_lower_buffer(nnc_lower *x, nnc_value g)
{
    nnc_module *m = x->m;
    nnc_op op;

    assert(g.id && g.id < x->nbuffer);
    if (x->buffer[g.id].id)
        return x->buffer[g.id];
    if (nnc_value_is_const(m, g)) {
        x->buffer[g.id] = scalar_const(x, g);
    } else {
        nnc_value c;
        nnc_blob blob;
        op = nnc_value_op(m, g);
        assert(op.id && nnc_op_code(m, op) == NNC_OP_const);
        blob.id = (uint32_t)nnc_attr_int(m, op, NNC_W_blob, 0);
        c = make_const(x, nnc_entry_type(m, nnc_value_type(m, g), NNC_SPACE_weight), blob,
                       (uint64_t)nnc_attr_int(m, op, NNC_W_at, 0), nnc_op_loc(m, op));
        nnc_value_set_name(m, c, nnc_value_name(m, g));
        x->buffer[g.id] = c;
    }
    return x->buffer[g.id];
}

nnc_value nnc_lower_result(nnc_lower *x, nnc_value g)
{
    nnc_value *target = &nnc_entry_of(x)->target[g.id];

    x->buffer[g.id] =
        target->id ? *target : nnc_entry_alloc(x, nnc_value_type(x->m, g), nnc_value_name(x->m, g));
    return x->buffer[g.id];
}

nnc_value nnc_lower_dim(nnc_lower *x, nnc_dim d)
{
    return nnc_k_dim(&x->b, d, x->sym);
}

/* ---- symbols ---- */

static bool dim_known(nnc_lower *x, nnc_dim d, uint32_t *missing)
{
    nnc_dims *t = x->m->dims;
    uint32_t n;

    if (nnc_dim_is_const(d))
        return true;
    for (uint32_t i = 0; i < (nnc_dim_terms(t, d, &n), n); i++) {
        const nnc_dim_term *term = nnc_dim_terms(t, d, &n) + i;
        for (uint32_t j = 0; j < term->natom; j++) {
            nnc_dim_atom at = nnc_dim_atom_get(t, term->atom[j]);
            if (at.op == '$' ? !x->sym[at.a].id
                             : !dim_known(x, at.a, missing) || !dim_known(x, at.b, missing)) {
                if (at.op == '$')
                    *missing = (uint32_t)at.a;
                return false;
            }
        }
    }
    return true;
}

static nnc_status unknown_size(nnc_lower *x, uint32_t missing, nnc_loc loc)
{
    return nnc_error(x->m->diag, loc,
                     "size '%s' is not known here: no graph input has it and no op before this one "
                     "defines it",
                     nnc_sym_str(x->m, nnc_dim_symbol_name(x->m->dims, missing)));
}

static bool type_known(nnc_lower *x, nnc_type t, uint32_t *missing)
{
    nnc_type_rec r = *nnc_type_get(x->m, t);

    for (int i = 0; i < r.rank; i++)
        if (!dim_known(x, r.dim[i], missing))
            return false;
    return true;
}

nnc_status nnc_entry_known(nnc_lower *x, nnc_type t, nnc_loc loc)
{
    uint32_t missing = 0;
    return type_known(x, t, &missing) ? NNC_OK : unknown_size(x, missing, loc);
}

/* The sizes that an op needs: of its results, in its attributes, and in a fused body. */
static nnc_status op_known(nnc_lower *x, nnc_op op)
{
    static const nnc_word keys[] = {NNC_W_start, NNC_W_lo, NNC_W_hi, NNC_W_size};
    nnc_module *m = x->m;
    nnc_opcode code = nnc_op_code(m, op);
    uint32_t missing = 0;
    nnc_dim one = nnc_attr_int(m, op, code == NNC_OP_extent ? NNC_W_dim : NNC_W_trips, 0);

    for (unsigned i = 0; i < nnc_op_nout(m, op) && code != NNC_OP_prefix; i++)
        NNC_TRY(nnc_entry_known(x, nnc_value_type(m, nnc_op_out(m, op, i)), nnc_op_loc(m, op)));
    if ((code == NNC_OP_extent || code == NNC_OP_scan) && !dim_known(x, one, &missing))
        return unknown_size(x, missing, nnc_op_loc(m, op));
    for (unsigned k = 0; k < sizeof keys / sizeof keys[0] && code != NNC_OP_conv; k++) {
        unsigned n;
        const int64_t *dim = nnc_attr_ints(m, op, keys[k], &n);
        for (unsigned i = 0; i < n; i++)
            if (!dim_known(x, dim[i], &missing))
                return unknown_size(x, missing, nnc_op_loc(m, op));
    }
    if (code == NNC_OP_fused) {
        nnc_block body = nnc_op_region(m, op, 0);
        for (nnc_op inner = nnc_block_first(m, body); inner.id; inner = nnc_op_next(m, inner))
            NNC_TRY(op_known(x, inner));
    }
    return NNC_OK;
}

/* ---- blocks ---- */

unsigned nnc_entry_nyield(const nnc_module *m, nnc_block b)
{
    return nnc_op_nin(m, nnc_block_last(m, b));
}

bool nnc_entry_can_place(nnc_lower *x, nnc_block b, nnc_value g)
{
    nnc_module *m = x->m;
    nnc_op op = nnc_value_op(m, g);

    if (!op.id || nnc_op_get(m, op)->block.id != b.id || nnc_entry_of(x)->target[g.id].id)
        return false;
    return nnc_op_code(m, op) != NNC_OP_const && nnc_op_code(m, op) != NNC_OP_call &&
           !nnc_op_has(m, op, NNC_VIEW);
}

/* Make `g` in `where`, or what it is a reshape of in a view of it; if: only where that is found to be safe. */
static void place(nnc_lower *x, nnc_block b, nnc_value g, nnc_value where, bool wish,
                  nnc_placed *placed)
{
    nnc_module *m = x->m;
    nnc_op op = nnc_value_op(m, g);

    if (op.id && nnc_op_code(m, op) == NNC_OP_reshape && nnc_op_get(m, op)->block.id == b.id) {
        nnc_value from = nnc_op_in(m, op, 0);
        nnc_value seen;
        uint32_t missing;
        if (nnc_value_op(m, from).id && type_known(x, nnc_value_type(m, from), &missing) &&
            (seen = nnc_entry_reshaped(x, where, nnc_value_type(m, from))).id)
            place(x, b, from, seen, wish, placed);
        return;
    }
    if (nnc_entry_can_place(x, b, g) && !nnc_entry_of(x)->wish[g.id].id) {
        (wish ? nnc_entry_of(x)->wish : nnc_entry_of(x)->target)[g.id] = where;
        NNC_PUSH(x->cx->scratch, placed, g.id);
    }
}

/* The op just before the insertion point. */
static nnc_op last_made(const nnc_lower *x)
{
    return x->b.pos.before.id ? nnc_op_prev(x->m, x->b.pos.before)
                              : nnc_block_last(x->m, x->b.pos.block);
}

static nnc_status state_op(nnc_lower *x, nnc_op op)
{
    nnc_value in[2];
    unsigned n = nnc_op_nin(x->m, op);

    for (unsigned i = 0; i < n; i++)
        in[i] = nnc_lower_buffer(x, nnc_op_in(x->m, op, i));
    nnc_attr_copy(x->m, nnc_build_op(&x->b, NNC_OP_state, n, in, 0, NULL), op);
    return NNC_OK;
}

static nnc_status lower_one(nnc_lower *x, nnc_op op)
{
    nnc_module *m = x->m;
    nnc_opcode code = nnc_op_code(m, op);

    if (nnc_op_has(m, op, NNC_NAMED))
        return nnc_lower_named(x, op);
    if (nnc_op_has(m, op, NNC_VIEW))
        return nnc_entry_view(x, op);
    if (nnc_is_pick(m, op))
        return nnc_entry_pick(x, op);
    switch (code) {
    case NNC_OP_const: return NNC_OK; /* made when first needed */
    case NNC_OP_fused:
        if (nnc_entry_assemble(x, op))
            return NNC_OK;
        NNC_TRY(nnc_lower_fused(x, op));
        nnc_entry_in_place(x, op, last_made(x));
        return NNC_OK;
    case NNC_OP_extent: {
        nnc_dim d = nnc_attr_int(m, op, NNC_W_dim, 0);
        nnc_entry_set_cell(x, nnc_lower_result(x, nnc_op_out(m, op, 0)), nnc_lower_dim(x, d));
        return NNC_OK;
    }
    case NNC_OP_check: {
        nnc_value cond = nnc_entry_cell(x, nnc_lower_buffer(x, nnc_op_in(m, op, 0)));
        nnc_attr_copy(m, nnc_build_op(&x->b, NNC_OP_check, 1, &cond, 0, NULL), op);
        return NNC_OK;
    }
    case NNC_OP_host: nnc_entry_host(x, op); return NNC_OK;
    case NNC_OP_state: return state_op(x, op);
    case NNC_OP_if:
    case NNC_OP_while:
    case NNC_OP_scan:
    case NNC_OP_call: return nnc_entry_flow(x, op);
    default:
        return nnc_error(
            m->diag, x->b.loc,
            "'%s' stands outside of a kernel: the pass `group` has to run before `lower`",
            nnc_op_infos[code].name);
    }
}

static nnc_status lower_op(nnc_lower *x, nnc_op op)
{
    x->b.loc = nnc_op_loc(x->m, op);
    NNC_TRY(op_known(x, op));
    nnc_own_before(x, op);
    NNC_TRY(lower_one(x, op));
    nnc_own_after(x, op, last_made(x));
    return NNC_OK;
}

nnc_status nnc_entry_block(nnc_lower *x, nnc_block b, const nnc_value *target,
                           const nnc_value *wish, nnc_value *yields)
{
    nnc_module *m = x->m;
    nnc_op last = nnc_block_last(m, b);
    nnc_placed placed = {0};
    uint32_t granted = nnc_entry_of(x)->granted.n;

    for (unsigned i = 0; i < nnc_op_nin(m, last); i++)
        if (target && target[i].id)
            place(x, b, nnc_op_in(m, last, i), target[i], false, &placed);
    for (unsigned i = 0; i < nnc_op_nin(m, last); i++)
        if (wish && wish[i].id)
            place(x, b, nnc_op_in(m, last, i), wish[i], true, &placed);
    nnc_entry_concats(x, b, &placed);
    for (nnc_op op = nnc_block_first(m, b); op.id && op.id != last.id; op = nnc_op_next(m, op))
        NNC_TRY(lower_op(x, op));
    for (unsigned i = 0; i < nnc_op_nin(m, last); i++)
        yields[i] = nnc_lower_buffer(x, nnc_op_in(m, last, i));
    for (uint32_t i = 0; i < placed.n; i++)
        nnc_entry_of(x)->target[placed.at[i]] = nnc_entry_of(x)->wish[placed.at[i]] =
            (nnc_value){0};
    for (; nnc_entry_of(x)->granted.n > granted; nnc_entry_of(x)->granted.n--)
        nnc_entry_of(x)->target[nnc_entry_of(x)->granted.at[nnc_entry_of(x)->granted.n - 1]] =
            (nnc_value){0};
    return NNC_OK;
}

/* ---- the entry kernel ---- */

enum { ROLE_INPUT, ROLE_OUTPUT, ROLE_SYMBOL, ROLE_SYMBOL_OUT, ROLE_STATE };

typedef struct signature {
    NNC_BUF(int64_t) role;
    nnc_value *in, *out;    /* arguments for graph inputs and outputs */
    uint32_t *kept;         /* per output: the input that keeps it from run to run, + 1 (`state`) */
    NNC_BUF(uint32_t) late; /* symbols written back */
    NNC_BUF(nnc_value) late_arg;
} signature;

/* Call visit for every symbol of a type, in order. */
static void each_symbol(nnc_lower *x, nnc_dim d, signature *s,
                        void (*visit)(nnc_lower *, signature *, uint32_t))
{
    nnc_dims *t = x->m->dims;
    uint32_t n;

    if (nnc_dim_is_const(d))
        return;
    nnc_dim_terms(t, d, &n);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t natom = nnc_dim_terms(t, d, &n)[i].natom;
        for (uint32_t j = 0; j < natom; j++) {
            nnc_dim_atom at = nnc_dim_atom_get(t, nnc_dim_terms(t, d, &n)[i].atom[j]);
            if (at.op == '$') {
                visit(x, s, (uint32_t)at.a);
            } else {
                each_symbol(x, at.a, s, visit);
                each_symbol(x, at.b, s, visit);
            }
        }
    }
}

static void input_symbol(nnc_lower *x, signature *s, uint32_t i)
{
    nnc_module *m = x->m;

    if (x->sym[i].id)
        return;
    x->sym[i] = nnc_block_add_arg(m, nnc_entry_of(x)->top, nnc_type_scalar(m, NNC_DT_idx, 1),
                                  nnc_sym_str(m, nnc_dim_symbol_name(m->dims, i)));
    NNC_PUSH(x->cx->scratch, &s->role, ROLE_SYMBOL);
}

static void output_symbol(nnc_lower *x, signature *s, uint32_t i)
{
    nnc_module *m = x->m;
    nnc_value arg;

    if (x->sym[i].id)
        return;
    for (uint32_t k = 0; k < s->late.n; k++)
        if (s->late.at[k] == i)
            return;
    arg = nnc_block_add_arg(m, nnc_entry_of(x)->top,
                            nnc_type_buffer(m, NNC_DT_i64, 1, 0, NULL, NULL, NNC_SPACE_arg),
                            nnc_sym_str(m, nnc_dim_symbol_name(m->dims, i)));
    NNC_PUSH(x->cx->scratch, &s->late, i);
    NNC_PUSH(x->cx->scratch, &s->late_arg, arg);
    NNC_PUSH(x->cx->scratch, &s->role, ROLE_SYMBOL_OUT);
}

static void type_symbols(nnc_lower *x, nnc_type t, signature *s,
                         void (*visit)(nnc_lower *, signature *, uint32_t))
{
    nnc_type_rec r = *nnc_type_get(x->m, t);

    for (int i = 0; i < r.rank; i++)
        each_symbol(x, r.dim[i], s, visit);
}

static nnc_status find_state(nnc_lower *x, nnc_block g, signature *s)
{
    nnc_module *m = x->m;
    unsigned nout = nnc_entry_nyield(m, g);

    s->kept = nnc_arena_array(x->cx->scratch, nout + 1u, sizeof *s->kept);
    for (nnc_op op = nnc_block_first(m, g); op.id; op = nnc_op_next(m, op)) {
        if (nnc_op_code(m, op) != NNC_OP_state)
            continue;
        nnc_value arg = nnc_op_in(m, op, 0);
        int64_t to = nnc_attr_int(m, op, NNC_W_index, 0);
        if (to >= nout || s->kept[to] || nnc_value_get(m, arg)->def != g.id ||
            !nnc_type_is_static(m, nnc_value_type(m, arg)) ||
            nnc_value_type(m, arg).id !=
                nnc_value_type(m, nnc_op_in(m, nnc_block_last(m, g), (unsigned)to)).id)
            return nnc_error(m->diag, nnc_op_loc(m, op),
                             "result %lld of the graph cannot be the next value of this state",
                             (long long)to);
        s->kept[to] = nnc_value_get(m, arg)->index + 1;
    }
    return NNC_OK;
}

/* Arguments in the order that lower.h documents. */
static void make_arguments(nnc_lower *x, nnc_block g, signature *s)
{
    nnc_module *m = x->m;
    nnc_block top = nnc_entry_of(x)->top;
    nnc_op last = nnc_block_last(m, g);
    unsigned nin = nnc_block_narg(m, g), nout = nnc_op_nin(m, last);

    s->in = nnc_arena_array(x->cx->scratch, nin + 1u, sizeof *s->in);
    s->out = nnc_arena_array(x->cx->scratch, nout + 1u, sizeof *s->out);
    for (unsigned i = 0; i < nin; i++) {
        nnc_value v = nnc_block_arg(m, g, i);
        s->in[i] = nnc_block_add_arg(m, top, nnc_entry_type(m, nnc_value_type(m, v), NNC_SPACE_arg),
                                     nnc_value_name(m, v));
        NNC_PUSH(x->cx->scratch, &s->role, ROLE_INPUT);
    }
    for (unsigned i = 0; i < nout; i++) {
        nnc_value v = nnc_op_in(m, last, i);
        if (s->kept[i]) {
            s->out[i] = s->in[s->kept[i] - 1];
            s->role.at[s->kept[i] - 1] = ROLE_STATE;
            continue;
        }
        s->out[i] = nnc_block_add_arg(
            m, top, nnc_entry_type(m, nnc_value_type(m, v), NNC_SPACE_arg), nnc_value_name(m, v));
        NNC_PUSH(x->cx->scratch, &s->role, ROLE_OUTPUT);
    }
    for (unsigned i = 0; i < nin; i++)
        type_symbols(x, nnc_value_type(m, nnc_block_arg(m, g, i)), s, input_symbol);
    for (unsigned i = 0; i < nout; i++)
        type_symbols(x, nnc_value_type(m, nnc_op_in(m, last, i)), s, output_symbol);
    nnc_attr_set_ints(m, x->kernel, NNC_W_role, s->role.n, s->role.at);
}

/* The names of inputs or outputs: as the graph says, else the names of the values; without those of `kept` ones. */
static void set_names(nnc_lower *x, nnc_word key, unsigned n, const nnc_value *arg,
                      const uint32_t *kept)
{
    nnc_module *m = x->m;
    const char *given = nnc_attr_str(m, x->graph, key, NULL), *text = "", *comma = "";

    for (unsigned i = 0; i < n; i++) {
        size_t len = given ? strcspn(given, "\n") : 0;
        if (!kept || !kept[i]) {
            text = given ? nnc_arena_printf(m->arena, "%s%s%.*s", text, comma, (int)len, given)
                         : nnc_arena_printf(m->arena, "%s%s%s", text, comma,
                                            nnc_value_name(m, arg[i]));
            comma = "\n";
        }
        if (given)
            given += given[len] ? len + 1 : len;
    }
    nnc_attr_set_str(m, x->kernel, key, text);
}

static bool is_plain(const nnc_module *m, nnc_value buffer)
{
    const nnc_type_rec *t = nnc_value_ty(m, buffer);
    return nnc_entry_plain(m->dims, t->rank, t->dim);
}

static void import_inputs(nnc_lower *x, nnc_block g, const signature *s)
{
    nnc_module *m = x->m;

    for (unsigned i = 0; i < nnc_block_narg(m, g); i++) {
        nnc_value v = nnc_block_arg(m, g, i);
        x->buffer[v.id] = s->in[i];
        if (is_plain(m, s->in[i]) || nnc_value_nuse(m, v) == 0)
            continue;
        x->buffer[v.id] = nnc_entry_alloc(x, nnc_value_type(m, v), nnc_value_name(m, v));
        nnc_entry_import(x, x->buffer[v.id], s->in[i]);
    }
}

/* What was not made in its place is copied there: state last, all of it at once. */
static nnc_status export_outputs(nnc_lower *x, const signature *s, unsigned nout, nnc_value *yield)
{
    nnc_module *m = x->m;
    nnc_value *to = nnc_arena_array(x->cx->scratch, nout + 1u, sizeof *to), *from = yield;
    unsigned n = 0;

    for (unsigned i = 0; i < nout; i++) {
        NNC_TRY(nnc_entry_known(x, nnc_value_type(m, s->out[i]), x->b.loc));
        if (s->kept[i]) {
            to[n] = s->out[i];
            from[n++] = yield[i];
        } else if (!is_plain(m, s->out[i])) {
            nnc_entry_export(x, s->out[i], yield[i]);
        } else if (nnc_entry_base(m, yield[i]).id != s->out[i].id) {
            nnc_entry_copy(x, s->out[i], yield[i]);
        }
    }
    nnc_entry_copy_all(x, n, to, from);
    return NNC_OK;
}

static nnc_status lower_entry(nnc_lower *x)
{
    nnc_module *m = x->m;
    nnc_block g = nnc_op_region(m, x->graph, 0);
    unsigned nout = nnc_entry_nyield(m, g);
    nnc_value *target = nnc_arena_array(x->cx->scratch, nout + 1u, sizeof *target);
    nnc_value *wish = nnc_arena_array(x->cx->scratch, nout + 1u, sizeof *wish);
    nnc_value *yield = nnc_arena_array(x->cx->scratch, nout + 1u, sizeof *yield);
    signature s = {0};

    NNC_TRY(find_state(x, g, &s));
    make_arguments(x, g, &s);
    set_names(x, NNC_W_input, nnc_block_narg(m, g), s.in, NULL);
    set_names(x, NNC_W_output, nout, s.out, s.kept);
    nnc_attr_set_str(m, x->kernel, NNC_W_name, nnc_attr_str(m, x->graph, NNC_W_name, "run"));
    x->b = nnc_builder_at_end(m, nnc_entry_of(x)->top);
    x->b.loc = nnc_op_loc(m, x->graph);
    import_inputs(x, g, &s);
    for (unsigned i = 0; i < nout; i++)
        if (is_plain(m, s.out[i])) {
            *(s.kept[i] ? &wish[i] : &target[i]) = s.out[i];
            NNC_PUSH(x->cx->scratch, &nnc_entry_of(x)->outputs, s.out[i]);
        }
    for (unsigned i = 0; i < nnc_block_narg(m, g); i++)
        nnc_own_note(x, nnc_block_arg(m, g, i));
    NNC_TRY(nnc_entry_block(x, g, target, wish, yield));
    x->b.loc = nnc_op_loc(m, x->graph);
    NNC_TRY(export_outputs(x, &s, nout, yield));
    for (uint32_t i = 0; i < s.late.n; i++)
        nnc_entry_set_cell(x, s.late_arg.at[i], x->sym[s.late.at[i]]);
    return NNC_OK;
}

static nnc_status lower_graph(nnc_pass_cx *cx, nnc_op graph)
{
    nnc_module *m = cx->m;
    nnc_entry e = {0};
    nnc_lower *x = &e.x;

    x->cx = cx;
    x->m = m;
    x->graph = graph;
    x->nbuffer = m->value.n;
    x->nsym = nnc_dim_nsymbol(m->dims);
    x->buffer = nnc_arena_array(cx->scratch, x->nbuffer, sizeof *x->buffer);
    x->sym = nnc_arena_array(cx->scratch, x->nsym + 1u, sizeof *x->sym);
    e.target = nnc_arena_array(cx->scratch, x->nbuffer, sizeof *e.target);
    e.wish = nnc_arena_array(cx->scratch, x->nbuffer, sizeof *e.wish);
    e.pieces = nnc_arena_array(cx->scratch, x->nbuffer, sizeof *e.pieces);
    e.stamp = nnc_arena_array(cx->scratch, x->nbuffer, sizeof *e.stamp);
    x->kernel =
        nnc_build_func(m, NNC_OP_kernel, nnc_func_name(m, graph), true, nnc_op_loc(m, graph));
    e.top = nnc_op_region(m, x->kernel, 0);
    return lower_entry(x);
}

nnc_status nnc_pass_lower(nnc_pass_cx *cx)
{
    nnc_module *m = cx->m;
    nnc_op entry = nnc_func_entry(m, NNC_OP_graph), next;

    if (!entry.id)
        return nnc_error(m->diag, (nnc_loc){0}, "there is no graph to lower");
    NNC_TRY(lower_graph(cx, entry));
    cx->changed++;
    for (nnc_op op = nnc_block_first(m, m->top); op.id; op = next) {
        next = nnc_op_next(m, op);
        if (nnc_op_code(m, op) == NNC_OP_graph)
            nnc_op_erase(m, op);
    }
    return NNC_OK;
}
