/* One fused op becomes a kernel and its call.
 *
 * The region is classified (kernel.h), its axes are found, the plan is read and completed, parameters are made for the
 * buffers the kernel touches, and the nest is emitted.  Everything about loops is in kernel_loops.c, about values in
 * kernel_value.c, about reductions in kernel_root.c. */
#include "passes/lower/kernel.h"
#include "passes/lower/entry.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* ---- what kind of kernel ---- */

typedef NNC_BUF(nnc_value) values;

static bool listed(const values *l, nnc_value v)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->at[i].id == v.id)
            return true;
    return false;
}

/* The reductions of a region and everything computed from them. */
static values root_readers(const nnc_module *m, nnc_block b, nnc_arena *a)
{
    values l = {0};
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        bool reads = nnc_kx_is_root(m, op);
        for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
            reads |= listed(&l, nnc_op_in(m, op, i));
        for (unsigned i = 0; reads && i < nnc_op_nout(m, op); i++)
            NNC_PUSH(a, &l, nnc_op_out(m, op, i));
    }
    return l;
}

static bool is_heavy(const nnc_kx *x, nnc_value v, int depth)
{
    nnc_op op = nnc_value_op(x->m, v);
    if (!op.id || depth > 12 || nnc_kx_is_root(x->m, op))
        return false;
    switch (nnc_op_code(x->m, op)) {
    case NNC_OP_exp:
    case NNC_OP_expm1:
    case NNC_OP_log:
    case NNC_OP_log1p:
    case NNC_OP_sin:
    case NNC_OP_cos:
    case NNC_OP_tan:
    case NNC_OP_tanh:
    case NNC_OP_erf:
    case NNC_OP_sigmoid:
    case NNC_OP_pow:
    case NNC_OP_sinh:
    case NNC_OP_cosh: return true;
    default: break;
    }
    for (unsigned i = 0; i < nnc_op_nin(x->m, op); i++)
        if (is_heavy(x, nnc_op_in(x->m, op, i), depth + 1))
            return true;
    return false;
}

/* Has v one element per row (the reduced dims are 1)? */
static bool is_row(const nnc_kx *x, nnc_value v)
{
    const nnc_type_rec *t = nnc_value_ty(x->m, v);
    if (t->rank != x->nax)
        return t->rank < x->nax;
    for (int a = 0; a < x->nax; a++)
        if (x->ax[a].red && t->dim[a] != 1)
            return false;
    return true;
}

static bool is_full(const nnc_kx *x, nnc_value v)
{
    const nnc_type_rec *t = nnc_value_ty(x->m, v);
    if (t->rank != x->nax)
        return false;
    for (int a = 0; a < x->nax; a++)
        if (t->dim[a] != x->ax[a].extent)
            return false;
    return true;
}

static bool has_full_user(const nnc_kx *x, nnc_value v)
{
    for (uint32_t u = nnc_value_get(x->m, v)->first_use; u; u = x->m->use.at[u].next) {
        nnc_op user = x->m->use.at[u].user;
        if (nnc_op_nout(x->m, user) && !is_row(x, nnc_op_out(x->m, user, 0)))
            return true;
    }
    return false;
}

static void add_stage(nnc_kx *x, nnc_kstage s)
{
    assert(x->nstage < sizeof x->stage / sizeof x->stage[0]);
    x->stage[x->nstage++] = s;
}

static const char *cell_name(const nnc_kx *x, nnc_op op)
{
    nnc_word k = nnc_op_code(x->m, op) == NNC_OP_reduce
                     ? nnc_attr_word(x->m, op, NNC_W_kind, NNC_W_sum)
                     : NNC_W_none;
    return k == NNC_W_max ? "peak" : k == NNC_W_sum ? "total" : "cell";
}

static void find_stages(nnc_kx *x)
{
    values from_root = root_readers(x->m, x->body, x->scratch);
    for (nnc_op op = nnc_block_first(x->m, x->body); op.id; op = nnc_op_next(x->m, op)) {
        if (nnc_op_has(x->m, op, NNC_TERMINATOR) || !nnc_op_nout(x->m, op))
            continue;
        nnc_value v = nnc_op_out(x->m, op, 0);
        bool elementwise = nnc_op_has(x->m, op, NNC_ELEMENTWISE);
        nnc_kstage s = {.v = v, .result = -1, .name = cell_name(x, op)};
        if (nnc_kx_is_root(x->m, op)) {
            s.kind = NNC_STAGE_REDUCE;
            add_stage(x, s);
        } else if (elementwise && is_row(x, v) && nnc_value_ty(x->m, v)->rank &&
                   listed(&from_root, v) && has_full_user(x, v)) {
            s.kind = NNC_STAGE_CELL;
            add_stage(x, s);
        } else if (elementwise && is_full(x, v) && nnc_value_nuse(x->m, v) > 1 &&
                   is_heavy(x, v, 0)) {
            s.kind = NNC_STAGE_KEEP;
            bool same = x->nresult == 1 && is_full(x, x->result[0]) &&
                        nnc_value_ty(x->m, x->result[0])->dtype == nnc_value_ty(x->m, v)->dtype;
            for (unsigned i = 0; i < x->nstage; i++)
                same &= x->stage[i].kind != NNC_STAGE_KEEP;
            s.result = same ? 0 : -1;
            add_stage(x, s);
        }
    }
    for (unsigned r = 0; r < x->nresult; r++)
        add_stage(x, (nnc_kstage){.v = x->result[r],
                                  .kind = NNC_STAGE_RESULT,
                                  .row = is_row(x, x->result[r]),
                                  .result = (int)r});
}

void nnc_kx_axes(nnc_kx *x, nnc_op root, nnc_value v)
{
    x->root = root;
    x->nax = x->nout = 0;
    if (root.id) {
        nnc_kx_root_axes(x);
        return;
    }
    nnc_type_rec t = *nnc_value_ty(x->m, v);
    for (unsigned d = 0; d < t.rank; d++) {
        x->ax[x->nax++] = (nnc_kaxis){"lmnopqrc"[8 - t.rank + d], false, t.dim[d],
                                      nnc_dim_hi(x->m->dims, t.dim[d])};
        x->out[x->nout++] = nnc_kix_axis(x, (int)d);
    }
}

int nnc_kx_axis(const nnc_kx *x, char name)
{
    for (int a = 0; a < x->nax; a++)
        if (x->ax[a].name == name)
            return a;
    return -1;
}

/* Is v only a result?  A pad that other ops of the kernel read is computed cell by cell, at their indices. */
static bool only_yielded(const nnc_module *m, nnc_value v, nnc_op yield)
{
    for (uint32_t u = nnc_value_get(m, v)->first_use; u; u = m->use.at[u].next)
        if (m->use.at[u].user.id != yield.id)
            return false;
    return true;
}

static bool same_dims(const nnc_module *m, nnc_value a, nnc_value b)
{
    const nnc_type_rec *x = nnc_value_ty(m, a), *y = nnc_value_ty(m, b);
    return x->rank == y->rank && !memcmp(x->dim, y->dim, x->rank * sizeof x->dim[0]);
}

static bool same_axes(const nnc_module *m, nnc_op a, nnc_op b)
{
    unsigned n, k;
    const int64_t *x = nnc_attr_ints(m, a, NNC_W_axes, &n),
                  *y = nnc_attr_ints(m, b, NNC_W_axes, &k);
    return n == k && (!n || !memcmp(x, y, n * sizeof *x));
}

static bool may_stand_inside(const nnc_module *m, nnc_op op)
{
    switch (nnc_op_code(m, op)) {
    case NNC_OP_const:
    case NNC_OP_prefix:
    case NNC_OP_yield: return nnc_op_has(m, op, NNC_TERMINATOR);
    default: break;
    }
    return nnc_op_has(m, op, NNC_PURE) && !nnc_op_has(m, op, NNC_NAMED) &&
           !nnc_op_has(m, op, NNC_COMPOSITE) && !nnc_op_nregion(m, op);
}

/* What the loops of a result run over: what a constant pad pads. */
static nnc_value looped(const nnc_module *m, nnc_value v, nnc_op yield)
{
    nnc_op op = nnc_value_op(m, v);
    bool pad = op.id && nnc_op_code(m, op) == NNC_OP_pad &&
               nnc_attr_word(m, op, NNC_W_mode, NNC_W_constant) == NNC_W_constant &&
               only_yielded(m, v, yield);
    return pad ? nnc_op_in(m, op, 0) : v;
}

/* What is computed from a reduction must be elementwise, up to a pad at the end: it is made at the reduction's index. */
static bool is_epilogue(const nnc_module *m, nnc_op op, nnc_op yield, const values *from_root)
{
    if (nnc_op_has(m, op, NNC_ELEMENTWISE) || nnc_op_has(m, op, NNC_TERMINATOR))
        return true;
    bool reads = false, last = false;
    for (unsigned i = 0; i < nnc_op_nin(m, op); i++)
        reads |= listed(from_root, nnc_op_in(m, op, i));
    for (unsigned i = 0; i < nnc_op_nin(m, yield); i++)
        last |= nnc_value_op(m, nnc_op_in(m, yield, i)).id == op.id;
    return !reads || (nnc_kx_is_root(m, op) && nnc_op_code(m, op) == NNC_OP_reduce) ||
           (last && nnc_op_code(m, op) == NNC_OP_pad);
}

nnc_status nnc_kx_check(nnc_module *m, nnc_op fused)
{
    nnc_block b = nnc_op_region(m, fused, 0);
    nnc_op first = {0}, yield = nnc_block_last(m, b);
    unsigned n = nnc_op_nin(m, yield), roots = 0;
    bool rows = true;
    values from_root = root_readers(m, b, m->arena);
    if (n < 1 || n > 8)
        return nnc_error(m->diag, nnc_op_loc(m, fused),
                         "a fused op with %u results; 1 to 8 can be lowered", n);
    for (nnc_op op = nnc_block_first(m, b); op.id; op = nnc_op_next(m, op)) {
        if (!may_stand_inside(m, op))
            return nnc_error(m->diag, nnc_op_loc(m, op), "'%s' cannot stand inside a fused op",
                             nnc_op_infos[nnc_op_code(m, op)].name);
        if (!is_epilogue(m, op, yield, &from_root))
            return nnc_error(m->diag, nnc_op_loc(m, op),
                             "'%s' reads a reduction of the same fused op at another index",
                             nnc_op_infos[nnc_op_code(m, op)].name);
        if (!nnc_kx_is_root(m, op))
            continue;
        bool reduce = nnc_op_code(m, op) == NNC_OP_reduce;
        if (first.id && reduce && rows &&
            (!same_axes(m, first, op) ||
             !same_dims(m, nnc_op_in(m, first, 0), nnc_op_in(m, op, 0))))
            return nnc_error(m->diag, nnc_op_loc(m, op),
                             "the reductions of a fused op are over different axes or shapes");
        rows &= reduce;
        first = first.id ? first : op;
        if (++roots > 16 || (roots > 1 && !rows))
            return nnc_error(m->diag, nnc_op_loc(m, op),
                             "a fused op with two reductions that do not share their rows");
    }
    if (roots && rows)
        return NNC_OK;
    nnc_value space = roots ? nnc_op_out(m, first, 0) : looped(m, nnc_op_in(m, yield, 0), yield);
    for (unsigned i = 0; i < n; i++)
        if (!same_dims(m, looped(m, nnc_op_in(m, yield, i), yield), space))
            return nnc_error(m->diag, nnc_op_loc(m, fused),
                             "result %u of a fused op has other dimensions than its loops", i);
    return NNC_OK;
}

void nnc_kx_init(nnc_kx *x, nnc_module *m, nnc_arena *scratch, nnc_op fused)
{
    memset(x, 0, sizeof *x);
    x->m = m;
    x->scratch = scratch;
    x->fused = fused;
    x->body = nnc_op_region(m, fused, 0);
    x->t_axis = -1;
    nnc_op yield = nnc_block_last(m, x->body), first = {0};
    x->nresult = nnc_op_nin(m, yield);
    assert(x->nresult <= 8);
    for (unsigned i = 0; i < x->nresult; i++)
        x->result[i] = nnc_op_in(m, yield, i);
    bool rows = true;
    for (nnc_op op = nnc_block_first(m, x->body); op.id; op = nnc_op_next(m, op))
        if (nnc_kx_is_root(m, op)) {
            first = first.id ? first : op;
            rows &= nnc_op_code(m, op) == NNC_OP_reduce;
        }
    for (unsigned i = 0; i < x->nresult && !(first.id && rows); i++) {
        nnc_op made = nnc_value_op(m, x->result[i]);
        if (made.id && nnc_op_code(m, made) == NNC_OP_pad &&
            nnc_attr_word(m, made, NNC_W_mode, NNC_W_constant) == NNC_W_constant &&
            only_yielded(m, x->result[i], yield)) {
            x->pad[i] = made;
            x->result[i] = nnc_op_in(m, made, 0);
        }
    }
    nnc_op made = nnc_value_op(m, x->result[0]);
    x->shape = !first.id ? (x->nresult == 1 && made.id && nnc_op_code(m, made) == NNC_OP_concat
                                ? NNC_SHAPE_CONCAT
                                : NNC_SHAPE_MAP)
               : rows    ? NNC_SHAPE_ROWS
                         : NNC_SHAPE_ROOT;
    nnc_kx_axes(x, first, x->result[0]);
    if (x->shape == NNC_SHAPE_ROWS) {
        find_stages(x);
        x->root.id = 0;
    }
}

/* ---- probe ---- */

void nnc_kx_probe(nnc_kx *x)
{
    x->probe = x->stage_probe = true;
    x->novec = x->contig = 0;
    x->flops = x->heavy = x->loads = 0;
    x->scalar_only = false;
    x->mode = NNC_MODE_MAIN;
    x->acc_ready = true;
    if (x->shape == NNC_SHAPE_ROWS) {
        for (unsigned i = 0; i < x->nstage; i++) {
            x->root = x->stage[i].kind == NNC_STAGE_REDUCE ? nnc_value_op(x->m, x->stage[i].v)
                                                           : (nnc_op){0};
            nnc_kx_stage_index(x, x->stage[i].v);
            x->keep = x->stage[i].v;
            if (!x->stage[i].row && x->stage[i].kind != NNC_STAGE_CELL)
                nnc_kx_body(x);
        }
        x->root.id = x->keep.id = 0;
    } else if (x->shape == NNC_SHAPE_CONCAT) {
        for (x->part = 0; x->part < (int)nnc_op_nin(x->m, nnc_value_op(x->m, x->result[0]));
             x->part++) {
            nnc_kx_axes(x, (nnc_op){0},
                        nnc_op_in(x->m, nnc_value_op(x->m, x->result[0]), (unsigned)x->part));
            nnc_kx_body(x);
        }
        x->part = 0;
        nnc_kx_axes(x, (nnc_op){0}, x->result[0]);
    } else {
        nnc_kx_body(x);
        if (x->root.id) {
            x->mode = NNC_MODE_EPILOGUE;
            nnc_kx_body(x);
        }
    }
    x->mode = NNC_MODE_MAIN;
    x->acc_ready = x->probe = x->stage_probe = false;
}

/* ---- parameters ---- */

static void note_symbols(nnc_module *m, nnc_dim d, bool *used)
{
    uint32_t n;
    if (nnc_dim_is_const(d))
        return;
    const nnc_dim_term *t = nnc_dim_terms(m->dims, d, &n);
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < t[i].natom; j++) {
            nnc_dim_atom a = nnc_dim_atom_get(m->dims, t[i].atom[j]);
            if (a.op == '$') {
                used[a.a] = true;
            } else {
                note_symbols(m, a.a, used);
                note_symbols(m, a.b, used);
            }
        }
}

static void note_type(nnc_module *m, nnc_value v, bool *used)
{
    nnc_type_rec t = *nnc_value_ty(m, v);
    for (unsigned d = 0; d < t.rank; d++)
        note_symbols(m, t.dim[d], used);
}

/* Symbols of every shape and of every attribute that holds dimensions. */
static void find_symbols(nnc_kx *x, bool *used)
{
    static const nnc_word keys[] = {NNC_W_start, NNC_W_lo, NNC_W_hi, NNC_W_size, NNC_W_dim};
    nnc_module *m = x->m;
    for (unsigned i = 0; i < nnc_block_narg(m, x->body); i++)
        note_type(m, nnc_block_arg(m, x->body, i), used);
    for (nnc_op op = nnc_block_first(m, x->body); op.id; op = nnc_op_next(m, op)) {
        for (unsigned i = 0; i < nnc_op_nout(m, op); i++)
            note_type(m, nnc_op_out(m, op, i), used);
        if (nnc_op_code(m, op) == NNC_OP_conv)
            continue; /* lo, hi are plain integers there */
        for (unsigned k = 0; k < sizeof keys / sizeof keys[0]; k++) {
            unsigned n;
            note_symbols(m, nnc_attr_int(m, op, keys[k], 0), used);
            const int64_t *a = nnc_attr_ints(m, op, keys[k], &n);
            for (unsigned i = 0; i < n; i++)
                note_symbols(m, a[i], used);
        }
    }
}

static nnc_type param_type(nnc_module *m, nnc_value buf)
{
    nnc_type_rec t = *nnc_value_ty(m, buf);
    if (t.space != NNC_SPACE_weight)
        t.space = NNC_SPACE_arg;
    return nnc_type_put(m, &t);
}

typedef NNC_BUF(nnc_value) value_list;

static nnc_value add_param(nnc_kx *x, value_list *args, nnc_value buf, const char *name)
{
    NNC_PUSH(x->scratch, args, buf);
    return nnc_block_add_arg(x->m, x->kernel, param_type(x->m, buf), name);
}

/* ---- names ---- */

static const char *kernel_name(nnc_kx *x, uint32_t serial)
{
    nnc_module *m = x->m;
    nnc_arena *a = m->arena;
    const char *given = nnc_attr_str(m, x->fused, NNC_W_name, NULL);
    if (given)
        return nnc_arena_printf(a, "%s_%u", given, serial);
    if (x->shape == NNC_SHAPE_CONCAT)
        return nnc_arena_printf(a, "concat_%u", serial);
    if (x->shape == NNC_SHAPE_ROWS && x->nstage > 2)
        return nnc_arena_printf(a, "rows_%u", serial);
    nnc_op op = x->root.id
                    ? x->root
                    : nnc_value_op(m, x->shape == NNC_SHAPE_ROWS ? x->stage[0].v : x->result[0]);
    if (!op.id)
        return nnc_arena_printf(a, "copy_%u", serial);
    nnc_opcode code = nnc_op_code(m, op);
    if (code == NNC_OP_conv) {
        nnc_type_rec w = *nnc_value_ty(m, nnc_op_in(m, op, 1));
        unsigned s = w.rank - 2u,
                 at = nnc_attr_word(m, op, NNC_W_layout, NNC_W_nchw) == NNC_W_nhwc ? 0 : 2, n;
        char size[64] = "";
        for (unsigned i = 0; i < s; i++)
            snprintf(size + strlen(size), sizeof size - strlen(size), "%s%lld", i ? "x" : "_",
                     (long long)w.dim[at + i]);
        const int64_t *stride = nnc_attr_ints(m, op, NNC_W_stride, &n);
        if (x->plan.winograd)
            return nnc_arena_printf(a, "winograd%d%s_%u", x->plan.winograd, size, serial);
        return nnc_arena_printf(a, "%s%s_s%lld_%u",
                                nnc_attr_int(m, op, NNC_W_groups, 1) > 1 ? "gconv" : "conv", size,
                                n ? (long long)stride[0] : 1LL, serial);
    }
    if (code == NNC_OP_dot)
        return nnc_arena_printf(
            a, "%s_%u",
            nnc_kx_axis(x, 'm') >= 0 && x->ax[nnc_kx_axis(x, 'm')].hi > 1 ? "gemm" : "gemv",
            serial);
    if (nnc_kx_is_root(m, op) && nnc_attr_find(m, op, NNC_W_kind))
        return nnc_arena_printf(a, "%s_%s_%u", nnc_op_infos[code].name,
                                nnc_sym_str(m, nnc_w(nnc_attr_word(m, op, NNC_W_kind, NNC_W_sum))),
                                serial);
    return nnc_arena_printf(a, "%s%s_%u", nnc_kx_is_root(m, op) ? "" : "map_",
                            nnc_op_infos[code].name, serial);
}

/* ---- the kernel ---- */

static void make_view(nnc_kx *x)
{
    if (x->t_axis < 0)
        return;
    nnc_value in = nnc_op_in(x->m, x->root, 0), buf = x->param[nnc_value_get(x->m, in)->index];
    nnc_type_rec t = *nnc_value_ty(x->m, buf);
    unsigned s = t.rank - 2u;
    t.dim[s] = nnc_dim_mul(x->m->dims, t.dim[s], t.dim[s + 1]);
    t.stride[s] = 1;
    t.rank--;
    t.dim[s + 1] = 0;
    t.stride[s + 1] = 0;
    x->t_view = nnc_k_view(&x->b, buf, (nnc_value){0}, nnc_type_put(x->m, &t));
}

/* Dim d of a padded result from `from` to `to`, dims before d inside, dims behind d whole. */
static void fill_slab(nnc_kx *x, unsigned r, unsigned d, nnc_value value, nnc_value from,
                      nnc_value to, const nnc_dim *lo)
{
    nnc_module *m = x->m;
    nnc_type_rec full = *nnc_value_ty(m, nnc_op_out(m, x->pad[r], 0)),
                 in = *nnc_value_ty(m, x->result[r]);
    nnc_value ix[NNC_MAX_RANK], zero = nnc_const_idx(m, 0), one = nnc_const_idx(m, 1);
    for (unsigned i = 0; i < full.rank; i++) {
        nnc_value low = i < d ? nnc_kx_dim(x, lo[i]) : i == d ? from : zero;
        nnc_value high = i < d    ? nnc_k_binary(&x->b, NNC_OP_add, low, nnc_kx_dim(x, in.dim[i]))
                         : i == d ? to
                                  : nnc_kx_dim(x, full.dim[i]);
        ix[i] = nnc_k_for(&x->b, low, high, one, NNC_W_serial, "i");
    }
    nnc_k_store(&x->b, value, x->store[r], full.rank, ix);
    for (unsigned i = 0; i < full.rank; i++)
        nnc_k_end(&x->b);
}

static void fill_border(nnc_kx *x, unsigned r)
{
    nnc_module *m = x->m;
    nnc_type_rec full = *nnc_value_ty(m, nnc_op_out(m, x->pad[r], 0)),
                 in = *nnc_value_ty(m, x->result[r]);
    nnc_dim lo[NNC_MAX_RANK], hi[NNC_MAX_RANK];
    unsigned n;
    const int64_t *a = nnc_attr_ints(m, x->pad[r], NNC_W_lo, &n);
    memcpy(lo, a, n * sizeof *lo);
    a = nnc_attr_ints(m, x->pad[r], NNC_W_hi, &n);
    memcpy(hi, a, n * sizeof *hi);
    x->memo.n = 0;
    nnc_value value =
        nnc_kx_cast(x, nnc_kx_value(x, nnc_op_in(m, x->pad[r], 1), NULL), (nnc_dtype)full.dtype);
    for (unsigned d = 0; d < full.rank; d++) {
        if (lo[d] != 0)
            fill_slab(x, r, d, value, nnc_const_idx(m, 0), nnc_kx_dim(x, lo[d]), lo);
        if (hi[d] != 0)
            fill_slab(x, r, d, value, nnc_kx_dim(x, nnc_dim_add(m->dims, lo[d], in.dim[d])),
                      nnc_kx_dim(x, full.dim[d]), lo);
    }
}

static void emit(nnc_kx *x, const char *text)
{
    for (unsigned r = 0; r < x->nresult; r++)
        if (x->pad[r].id)
            fill_border(x, r);
    if (x->plan.winograd) {
        nnc_kx_winograd_nest(x);
        return;
    }
    if (x->shape != NNC_SHAPE_CONCAT) {
        nnc_kx_nest(x);
        return;
    }
    nnc_op op = nnc_value_op(x->m, x->result[0]);
    for (x->part = 0; x->part < (int)nnc_op_nin(x->m, op); x->part++) {
        nnc_kx_axes(x, (nnc_op){0}, nnc_op_in(x->m, op, (unsigned)x->part));
        nnc_kx_plan(x, text);
        nnc_kx_nest(x);
    }
}

static nnc_value scratch(nnc_kx *x, nnc_lower *l, value_list *args, nnc_type t)
{
    return add_param(x, args, nnc_k_alloc(&l->b, t, "scratch"), "scratch");
}

/* Scratch for values that a row pass or a transform keeps, and where results go. */
static void stage_buffers(nnc_kx *x, nnc_lower *l, value_list *args)
{
    if (x->plan.winograd) {
        x->winograd.lanes = l->cx->opt->target->lanes;
        x->winograd.v = scratch(x, l, args, nnc_kx_winograd_buffer(x, false));
        x->winograd.p = scratch(x, l, args, nnc_kx_winograd_buffer(x, true));
    }
    for (unsigned i = 0; i < x->nstage; i++) {
        nnc_kstage *s = &x->stage[i];
        if (s->kind == NNC_STAGE_RESULT || (s->kind == NNC_STAGE_KEEP && s->result >= 0)) {
            s->buffer = x->store[s->result];
        } else if (s->kind == NNC_STAGE_KEEP) {
            nnc_type_rec t = *nnc_value_ty(x->m, s->v);
            nnc_type bt =
                nnc_type_buffer(x->m, (nnc_dtype)t.dtype, 1, t.rank, t.dim, NULL, NNC_SPACE_arena);
            s->buffer = scratch(x, l, args, bt);
        }
    }
}

static nnc_status check_supported(nnc_kx *x)
{
    if (x->shape == NNC_SHAPE_ROOT && nnc_op_code(x->m, x->root) == NNC_OP_conv &&
        !nnc_type_is_static(x->m, nnc_value_type(x->m, nnc_op_in(x->m, x->root, 1))))
        return nnc_error(x->m->diag, nnc_op_loc(x->m, x->root),
                         "convolution with weights of a dynamic shape is not supported; "
                         "pin the dimension with --dim NAME=SIZE");
    return NNC_OK;
}

/* Packed weights stand with the others at the head of the entry kernel. */
static nnc_value pack_at_top(nnc_kx *x, nnc_lower *l)
{
    nnc_entry *e = nnc_entry_of(l);
    nnc_builder top = nnc_builder_at_end(x->m, e->top);
    top.loc = nnc_op_loc(x->m, x->fused);
    top.pos.before =
        e->last_const.id ? nnc_op_next(x->m, e->last_const) : nnc_block_first(x->m, e->top);
    nnc_value v = nnc_kx_pack(x, &top);
    if (v.id)
        e->last_const = nnc_value_op(x->m, v);
    return v;
}

nnc_status nnc_lower_fused(nnc_lower *l, nnc_op fused)
{
    nnc_kx *x = nnc_arena_alloc(l->cx->scratch, sizeof *x);
    nnc_module *m = l->m;
    NNC_TRY(nnc_kx_check(m, fused));
    nnc_kx_init(x, m, l->cx->scratch, fused);
    NNC_TRY(check_supported(x));
    unsigned narg = nnc_block_narg(m, x->body), nsym = nnc_dim_nsymbol(m->dims);
    x->param = nnc_arena_array(x->scratch, narg + 1, sizeof *x->param);
    x->store = nnc_arena_array(x->scratch, x->nresult + 1, sizeof *x->store);
    x->sym = nnc_arena_array(x->scratch, nsym + 1, sizeof *x->sym);
    nnc_value *buffer = nnc_arena_array(x->scratch, narg + 1, sizeof *buffer);
    const char *text = nnc_attr_str(m, fused, NNC_W_plan, ""), *at;
    nnc_value packed = {0}, want = {0};
    if (!nnc_plan_parse(&x->plan, text, &at))
        return nnc_error(m->diag, nnc_op_loc(m, fused), "plan '%s' cannot be read from '%s' on",
                         text, at);
    if (x->plan.pack)
        want = nnc_kx_packable(x);
    for (unsigned i = 0; i < narg; i++) {
        nnc_value a = nnc_block_arg(m, x->body, i);
        if (nnc_value_nuse(m, a) && a.id != want.id)
            x->param[i] = buffer[i] = nnc_lower_buffer(l, nnc_op_in(m, fused, i));
    }
    nnc_kx_plan(x, text);
    nnc_kx_find_bias(x);
    const char *fault = nnc_kx_plan_fault(x);
    if (fault)
        return nnc_error(m->diag, nnc_op_loc(m, fused), "plan '%s' cannot be carried out: %s", text,
                         fault);
    if (want.id) {
        unsigned i = nnc_value_get(m, want)->index;
        packed = pack_at_top(x, l);
        if (!packed.id)
            x->param[i] = buffer[i] = nnc_lower_buffer(l, nnc_op_in(m, fused, i));
    }
    if (!packed.id && x->t_axis >= 0)
        return nnc_error(m->diag, nnc_op_loc(m, fused),
                         "plan '%s' joins kernel and channels but the weights cannot be packed",
                         text);

    nnc_op kernel =
        nnc_build_func(m, NNC_OP_kernel, kernel_name(x, ++l->serial), false, nnc_op_loc(m, fused));
    x->kernel = nnc_op_region(m, kernel, 0);
    x->b = nnc_builder_at_end(m, x->kernel);
    value_list args = {0};
    for (unsigned i = 0; i < narg; i++) {
        nnc_value a = nnc_block_arg(m, x->body, i);
        if (packed.id && a.id == x->packed_arg.id)
            x->packed = add_param(x, &args, packed, nnc_value_name(m, a));
        else if (buffer[i].id)
            x->param[i] = add_param(x, &args, buffer[i], nnc_value_name(m, a));
    }
    for (unsigned i = 0; i < x->nresult; i++)
        x->store[i] = add_param(x, &args, nnc_lower_result(l, nnc_op_out(m, fused, i)),
                                nnc_value_name(m, nnc_op_out(m, fused, i)));
    stage_buffers(x, l, &args);
    bool *used = nnc_arena_array(x->scratch, nsym + 1, sizeof *used);
    find_symbols(x, used);
    for (uint32_t i = 0; i < nsym; i++)
        if (used[i]) {
            nnc_dim d = nnc_dim_symbol_at(m->dims, i);
            NNC_PUSH(x->scratch, &args, nnc_lower_dim(l, d));
            x->sym[i] = nnc_block_add_arg(m, x->kernel, nnc_type_scalar(m, NNC_DT_idx, 1),
                                          nnc_sym_str(m, nnc_dim_symbol_name(m->dims, i)));
        }
    make_view(x);
    emit(x, text);
    nnc_op call = nnc_build_op(&l->b, NNC_OP_call, args.n, args.at, 0, NULL);
    nnc_attr_set_str(m, call, NNC_W_callee, nnc_func_name(m, kernel));
    return NNC_OK;
}
