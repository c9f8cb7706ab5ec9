/* Vector loops.  The body is copied once with the variable at its first value.  A load whose address moves by one
 * element per iteration becomes a vector load, one that does not move stays scalar; what has a vector operand becomes a
 * vector operation.  Anything else (a gather, a lane number used as a value, an operation without a vector form)
 * leaves the loop a serial one. */
#include "passes/kexpand/kexpand.h"
#include "passes/kmem.h"
#include "passes/legalise.h"
#include "passes/linear.h"

static bool is_float(nnc_dtype dt)
{
    return dt == NNC_DT_f32 || dt == NNC_DT_f64;
}

static bool is_lane_int(nnc_dtype dt)
{
    return nnc_dtype_is_int(dt) && dt != NNC_DT_idx && nnc_dtype_infos[dt].bits >= 8;
}

static bool cast_has(nnc_dtype from, nnc_dtype to)
{
    bool ff = is_float(from), tf = is_float(to);

    if (!(ff || is_lane_int(from) || from == NNC_DT_bool) ||
        !(tf || is_lane_int(to) || to == NNC_DT_bool))
        return false;
    if (ff && !tf && to != NNC_DT_bool) /* saturating conversions exist up to i32 */
        return nnc_dtype_infos[to].bits < 32 || to == NNC_DT_i32;
    return true;
}

bool nnc_vector_has(nnc_opcode code, nnc_dtype from, nnc_dtype to)
{
    switch (code) {
    case NNC_OP_cast: return cast_has(from, to);
    case NNC_OP_select: return is_float(to) || is_lane_int(to) || to == NNC_DT_bool;
    case NNC_OP_eq:
    case NNC_OP_lt:
    case NNC_OP_le: return is_float(from) || is_lane_int(from);
    case NNC_OP_and:
    case NNC_OP_or:
    case NNC_OP_xor:
    case NNC_OP_not: return from == NNC_DT_bool || is_lane_int(from);
    case NNC_OP_add:
    case NNC_OP_sub:
    case NNC_OP_mul:
    case NNC_OP_neg:
    case NNC_OP_max:
    case NNC_OP_min: return is_float(from) || is_lane_int(from);
    case NNC_OP_div:
    case NNC_OP_fma:
    case NNC_OP_abs:
    case NNC_OP_sqrt:
    case NNC_OP_rsqrt:
    case NNC_OP_isnan: return is_float(from);
    case NNC_OP_dot4: return true;
    case NNC_OP_bitcast:
        return (is_float(from) || is_lane_int(from)) &&
               (is_float(to) || is_lane_int(to) || to == NNC_DT_u8q || to == NNC_DT_i8q);
    default: return nnc_math_has(code, from);
    }
}

typedef struct lanes {
    nnc_expand *x;
    nnc_module *m;
    nnc_op loop;
    nnc_value var;
    int n;
    bool *vector; /* per value of the body: one per lane */
} lanes;

static bool const_trips(const nnc_module *m, nnc_op loop, int64_t *lo, int64_t *n)
{
    int64_t hi, step;

    if (!nnc_value_idx(m, nnc_op_in(m, loop, 0), lo) ||
        !nnc_value_idx(m, nnc_op_in(m, loop, 1), &hi) ||
        !nnc_value_idx(m, nnc_op_in(m, loop, 2), &step))
        return false;
    *n = hi - *lo;
    return step == 1 && *n > 1 && *n <= 64 && (*n & (*n - 1)) == 0;
}

static bool fits(const lanes *l, nnc_dtype dt)
{
    return nnc_dtype_bytes(dt) * (size_t)l->n <= l->x->vector_bytes;
}

/* Elements the address moves per iteration; false: not a fixed number. */
static bool moves(const lanes *l, nnc_op op, int64_t *by)
{
    unsigned first = nnc_op_code(l->m, op) == NNC_OP_store ? 2 : 1;
    const nnc_type_rec *t = nnc_value_ty(l->m, nnc_op_in(l->m, op, first - 1));
    bool ok = true;

    *by = 0;
    for (unsigned i = 0; i < t->rank; i++)
        *by += t->stride[i] * nnc_linear_coef(l->m, nnc_op_in(l->m, op, first + i), l->var, &ok);
    for (unsigned i = first; i < nnc_op_nin(l->m, op); i++)
        ok = ok && !l->vector[nnc_op_in(l->m, op, i).id];
    return ok && t->lanes == 1;
}

/* Does an idx value depend on the variable? */
static bool depends(const lanes *l, nnc_value v)
{
    bool ok = true;

    return nnc_linear_coef(l->m, v, l->var, &ok) != 0 || !ok;
}

/* Cells of a buffer of cells; those gathered from bytes move by four elements per lane and stay scalars. */
static bool packs_bytes(const nnc_module *m, nnc_op load, nnc_dtype dt)
{
    return (dt == NNC_DT_u8q || dt == NNC_DT_i8q) &&
           nnc_value_ty(m, nnc_op_in(m, load, 0))->dtype == dt;
}

static bool check_load(lanes *l, nnc_op op)
{
    nnc_value v = nnc_op_out(l->m, op, 0);
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(l->m, v)->dtype;
    int64_t by;

    if (!moves(l, op, &by) || (by != 0 && by != 1) || nnc_value_ty(l->m, v)->lanes > 1)
        return false;
    l->vector[v.id] = by == 1;
    return by == 0 || (fits(l, dt) && (is_float(dt) || is_lane_int(dt) || dt == NNC_DT_bool ||
                                       packs_bytes(l->m, op, dt)));
}

static bool check_store(lanes *l, nnc_op op)
{
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(l->m, nnc_op_in(l->m, op, 0))->dtype;
    int64_t by;

    return moves(l, op, &by) && by == 1 && fits(l, dt) &&
           (is_float(dt) || is_lane_int(dt) || dt == NNC_DT_bool);
}

static bool check_op(lanes *l, nnc_op op)
{
    nnc_opcode code = nnc_op_code(l->m, op);
    bool any = false, lane_number = false;

    if (nnc_op_nregion(l->m, op) || nnc_op_nout(l->m, op) > 1)
        return false;
    if (code == NNC_OP_load)
        return check_load(l, op);
    if (code == NNC_OP_store)
        return check_store(l, op);
    if (!nnc_op_has(l->m, op, NNC_PURE) || nnc_op_nout(l->m, op) != 1 || code == NNC_OP_view)
        return false;
    for (unsigned i = 0; i < nnc_op_nin(l->m, op); i++) {
        any = any || l->vector[nnc_op_in(l->m, op, i).id];
        lane_number = lane_number ||
                      (!l->vector[nnc_op_in(l->m, op, i).id] && depends(l, nnc_op_in(l->m, op, i)));
    }
    nnc_value v = nnc_op_out(l->m, op, 0);
    nnc_dtype from = (nnc_dtype)nnc_value_ty(l->m, nnc_op_in(l->m, op, 0))->dtype,
              to = (nnc_dtype)nnc_value_ty(l->m, v)->dtype;
    if (nnc_value_ty(l->m, v)->lanes > 1)
        return false;
    if (lane_number && !any) {
        bool ok =
            true; /* sums of indices stay sums; anything else uses the lane number as a value */
        (void)nnc_linear_coef(l->m, v, l->var, &ok);
        return ok && to == NNC_DT_idx;
    }
    if (lane_number)
        return false;
    l->vector[v.id] = any;
    int64_t k;
    if (any && (code == NNC_OP_shl || code == NNC_OP_shr))
        return is_lane_int(from) && fits(l, to) &&
               nnc_value_idx(l->m, nnc_op_in(l->m, op, 1), &k) && k >= 0 &&
               k < nnc_dtype_infos[from].bits;
    if (code == NNC_OP_select)
        from = to;
    return !any || (fits(l, from) && fits(l, to) && nnc_vector_has(code, from, to));
}

static bool can_do(nnc_expand *x, nnc_op loop, lanes *l)
{
    int64_t lo, n;

    *l = (lanes){.x = x,
                 .m = x->m,
                 .loop = loop,
                 .var = nnc_block_arg(x->m, nnc_op_region(x->m, loop, 0), 0)};
    if (!const_trips(x->m, loop, &lo, &n))
        return false;
    l->n = (int)n;
    if (x->nvector <
        x->m->value.n) { /* flags of other loops may stay: their values are not seen here */
        x->nvector = x->m->value.n + x->m->value.n / 2;
        x->vector = nnc_arena_array(x->cx->scratch, x->nvector, sizeof *x->vector);
    }
    l->vector = x->vector;
    for (nnc_op op = nnc_block_first(x->m, nnc_op_region(x->m, loop, 0)); op.id;
         op = nnc_op_next(x->m, op))
        if (!check_op(l, op))
            return false;
    return true;
}

/* ---- carrying it out ---- */

static nnc_value splat(lanes *l, nnc_pos p, nnc_value v, nnc_loc loc)
{
    const nnc_type_rec *t = nnc_value_ty(l->m, v);

    if (t->lanes > 1)
        return v;
    nnc_type vt = nnc_type_scalar(l->m, (nnc_dtype)t->dtype, l->n);
    return nnc_op_out(l->m, nnc_op_new(l->m, p, NNC_OP_splat, 1, &v, 1, &vt, loc), 0);
}

/* Shift counts and the condition of a select that all lanes share stay scalar. */
static bool stays_scalar(nnc_opcode code, unsigned i)
{
    return ((code == NNC_OP_shl || code == NNC_OP_shr) && i == 1) ||
           (code == NNC_OP_select && i == 0);
}

static void widen(lanes *l, nnc_op op, nnc_pos p)
{
    nnc_module *m = l->m;
    nnc_op_rec r = *nnc_op_get(m, op);
    nnc_opcode code = (nnc_opcode)r.code;
    nnc_value in[NNC_MAX_RANK + 2], *map = l->x->map;
    nnc_builder b = {.m = m, .pos = p, .loc = r.loc};
    bool memory = code == NNC_OP_load || code == NNC_OP_store,
         vector = r.nout ? l->vector[r.out.id] : true;

    for (unsigned i = 0; i < r.nin; i++) {
        nnc_value v = nnc_op_in(m, op, i);
        in[i] = v.id < l->x->nmap && map[v.id].id ? map[v.id] : v;
    }
    if (code == NNC_OP_store)
        in[0] = splat(l, p, in[0], r.loc);
    else if (!memory && vector)
        for (unsigned i = 0; i < r.nin; i++)
            in[i] = stays_scalar(code, i) ? in[i] : splat(l, p, in[i], r.loc);
    if (!memory && !vector && r.nin == 2) {
        map[r.out.id] = nnc_k_binary(&b, code, in[0], in[1]);
        return;
    }
    nnc_type t = {0};
    if (r.nout) {
        const nnc_type_rec *old = nnc_value_ty(m, r.out);
        t = vector ? nnc_type_scalar(m, (nnc_dtype)old->dtype, l->n) : nnc_value_type(m, r.out);
    }
    nnc_op made = nnc_op_new(m, p, code, r.nin, in, r.nout, &t, r.loc);
    nnc_attr_copy(m, made, op);
    if (r.nout) {
        map[r.out.id] = nnc_op_out(m, made, 0);
        m->value.at[nnc_op_out(m, made, 0).id].name = m->value.at[r.out.id].name;
    }
}

static void carry_out(nnc_expand *x, lanes *l)
{
    nnc_op loop = l->loop;
    nnc_pos p = {nnc_op_get(x->m, loop)->block, loop};

    (void)nnc_expand_map(x);
    x->map[l->var.id] = nnc_op_in(x->m, loop, 0);
    for (nnc_op op = nnc_block_first(x->m, nnc_op_region(x->m, loop, 0)); op.id;
         op = nnc_op_next(x->m, op))
        widen(l, op, p);
    nnc_op_erase(x->m, loop);
    x->cx->changed++;
}

static bool is_vector_loop(const nnc_module *m, nnc_op op)
{
    return nnc_op_code(m, op) == NNC_OP_for &&
           nnc_attr_word(m, op, NNC_W_kind, NNC_W_serial) == NNC_W_vector;
}

static bool any_block(nnc_expand *x, nnc_block b)
{
    lanes l;

    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op)) {
        if (is_vector_loop(x->m, op) && can_do(x, op, &l))
            return true;
        for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++)
            if (any_block(x, nnc_op_region(x->m, op, r)))
                return true;
    }
    return false;
}

bool nnc_expand_has_vector(nnc_expand *x)
{
    return any_block(x, nnc_op_region(x->m, x->func, 0));
}

static void vector_block(nnc_expand *x, nnc_block b)
{
    nnc_op next;
    lanes l;

    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = next) {
        next = nnc_op_next(x->m, op);
        for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++)
            vector_block(x, nnc_op_region(x->m, op, r));
        if (!is_vector_loop(x->m, op))
            continue;
        if (can_do(x, op, &l))
            carry_out(x, &l);
        else
            nnc_attr_remove(x->m, op, NNC_W_kind);
    }
}

void nnc_expand_vector(nnc_expand *x)
{
    vector_block(x, nnc_op_region(x->m, x->func, 0));
}

/* ---- vector registers ---- */

/* Every access is a vector of the whole last dimension. */
static bool whole_only(const nnc_module *m, nnc_value b)
{
    const nnc_type_rec *t = nnc_value_ty(m, b);
    int64_t k;

    for (uint32_t u = nnc_value_get(m, b)->first_use; u; u = m->use.at[u].next) {
        nnc_op op = m->use.at[u].user;
        if (nnc_op_buffer(m, op).id != b.id)
            return false;
        bool st = nnc_op_code(m, op) == NNC_OP_store;
        unsigned last = nnc_op_nin(m, op) - 1;
        if (nnc_value_ty(m, st ? nnc_op_in(m, op, 0) : nnc_op_out(m, op, 0))->lanes !=
            t->dim[t->rank - 1])
            return false;
        for (unsigned i = st ? 2 : 1; i <= last;
             i++) /* cells that stay an array stay scalars: no vector arrays */
            if (!nnc_value_idx(m, nnc_op_in(m, op, i), &k) || (i == last && k != 0))
                return false;
    }
    return nnc_value_get(m, b)->first_use != 0;
}

static void retype(nnc_module *m, nnc_op op)
{
    nnc_value b = nnc_op_out(m, op, 0);
    nnc_type_rec t = *nnc_value_ty(m, b);

    if ((t.space != NNC_SPACE_reg && t.space != NNC_SPACE_stack) || t.lanes > 1 || !t.rank ||
        t.dtype == NNC_DT_bool || t.stride[t.rank - 1] != 1 || !whole_only(m, b))
        return;
    nnc_value_set_type(m, b,
                       nnc_type_buffer(m, (nnc_dtype)t.dtype, (int)t.dim[t.rank - 1], t.rank - 1,
                                       t.dim, NULL, (nnc_space)t.space));
    for (uint32_t u = nnc_value_get(m, b)->first_use, next; u; u = next) { /* drop the lane index */
        nnc_op user = m->use.at[u].user;
        nnc_value in[NNC_MAX_RANK + 2];
        unsigned n = nnc_op_nin(m, user) - 1;
        next = m->use.at[u].next;
        for (unsigned i = 0; i < n; i++)
            in[i] = nnc_op_in(m, user, i);
        nnc_op_set_ins(m, user, n, in);
    }
}

static void registers_block(nnc_expand *x, nnc_block b)
{
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op)) {
        if (nnc_op_code(x->m, op) == NNC_OP_alloc)
            retype(x->m, op);
        for (unsigned r = 0; r < nnc_op_nregion(x->m, op); r++)
            registers_block(x, nnc_op_region(x->m, op, r));
    }
}

void nnc_expand_registers(nnc_expand *x)
{
    registers_block(x, nnc_op_region(x->m, x->func, 0));
}
