/* The builder's core and its K half.  K constructors fold constants and the arithmetic identities that index
 * expressions are full of, so a lowering may write i * 1 + 0 without thought. */
#include "ir/build.h"
#include "ir/eval.h"
#include <assert.h>

nnc_builder nnc_builder_at_end(nnc_module *m, nnc_block b)
{
    nnc_op parent = nnc_block_parent(m, b);
    return (nnc_builder){
        .m = m, .pos = {b, {0}}, .loc = parent.id ? nnc_op_loc(m, parent) : (nnc_loc){0}};
}

nnc_builder nnc_builder_before(nnc_module *m, nnc_op op)
{
    return (nnc_builder){.m = m, .pos = {nnc_op_get(m, op)->block, op}, .loc = nnc_op_loc(m, op)};
}

nnc_op nnc_build_op(nnc_builder *b, nnc_opcode code, unsigned nin, const nnc_value *in,
                    unsigned nout, const nnc_type *out)
{
    return nnc_op_new(b->m, b->pos, code, nin, in, nout, out, b->loc);
}

nnc_op nnc_build_func(nnc_module *m, nnc_opcode code, const char *name, bool entry, nnc_loc loc)
{
    nnc_op f = nnc_op_new(m, (nnc_pos){m->top, {0}}, code, 0, NULL, 0, NULL, loc);
    nnc_attr_set_str(m, f, NNC_W_sym, name);
    if (entry)
        nnc_attr_set_int(m, f, NNC_W_entry, 1);
    nnc_op_add_region(m, f);
    return f;
}

void nnc_build_yield(nnc_builder *b, unsigned n, const nnc_value *v)
{
    nnc_build_op(b, NNC_OP_yield, n, v, 0, NULL);
}

/* ---- scalars and vectors ---- */

static nnc_value build1(nnc_builder *b, nnc_opcode code, unsigned n, const nnc_value *in,
                        nnc_type t)
{
    return nnc_op_out(b->m, nnc_build_op(b, code, n, in, 1, &t), 0);
}

static nnc_dtype dtype_of(const nnc_builder *b, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(b->m, v)->dtype;
}
static int lanes_of(const nnc_builder *b, nnc_value v)
{
    return nnc_value_ty(b->m, v)->lanes;
}

static bool gives_bool(nnc_opcode code)
{
    return code == NNC_OP_eq || code == NNC_OP_lt || code == NNC_OP_le || code == NNC_OP_isnan ||
           code == NNC_OP_isinf;
}

nnc_value nnc_k_unary(nnc_builder *b, nnc_opcode code, nnc_value x)
{
    nnc_dtype dt = dtype_of(b, x), to = gives_bool(code) ? NNC_DT_bool : dt;
    nnc_type t = nnc_type_scalar(b->m, to, lanes_of(b, x));
    if (nnc_value_is_const(b->m, x)) {
        nnc_num n = nnc_num_of_bits(dt, nnc_value_get(b->m, x)->bits);
        return nnc_const_bits(b->m, t, nnc_num_bits(to, nnc_eval_scalar(code, dt, &n, false)));
    }
    return build1(b, code, 1, &x, t);
}

/* x op y for integers when one side is a constant that decides; none when it does not. */
static nnc_value int_identity(nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value y)
{
    int64_t c;
    bool right = nnc_value_idx(b->m, y, &c);
    if (!right && !nnc_value_idx(b->m, x, &c))
        return (nnc_value){0};
    nnc_value other = right ? x : y;
    switch (code) {
    case NNC_OP_add: return c == 0 ? other : (nnc_value){0};
    case NNC_OP_mul: return c == 1 ? other : c == 0 ? (right ? y : x) : (nnc_value){0};
    case NNC_OP_sub: return right && c == 0 ? x : (nnc_value){0};
    case NNC_OP_div: return right && c == 1 ? x : (nnc_value){0};
    case NNC_OP_rem:
        return right && c == 1 ? nnc_const_int(b->m, nnc_value_type(b->m, x), 0) : (nnc_value){0};
    default: return (nnc_value){0};
    }
}

/* (x + c1) + c2 and (x * c1) * c2 over idx. */
static nnc_value idx_reassociate(nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value y)
{
    int64_t c1, c2;
    nnc_op d = nnc_value_op(b->m, x);
    if (dtype_of(b, x) != NNC_DT_idx || (code != NNC_OP_add && code != NNC_OP_mul) || !d.id ||
        nnc_op_code(b->m, d) != code)
        return (nnc_value){0};
    if (!nnc_value_idx(b->m, y, &c2) || !nnc_value_idx(b->m, nnc_op_in(b->m, d, 1), &c1))
        return (nnc_value){0};
    int64_t c = code == NNC_OP_add ? c1 + c2 : c1 * c2;
    return nnc_k_binary(b, code, nnc_op_in(b->m, d, 0), nnc_const_idx(b->m, c));
}

nnc_value nnc_k_binary(nnc_builder *b, nnc_opcode code, nnc_value x, nnc_value y)
{
    nnc_dtype dt = dtype_of(b, x), to = gives_bool(code) ? NNC_DT_bool : dt;
    int lanes = lanes_of(b, x) > lanes_of(b, y) ? lanes_of(b, x) : lanes_of(b, y);
    assert(dt == dtype_of(b, y));
    nnc_type t = nnc_type_scalar(b->m, to, lanes);
    bool cx = nnc_value_is_const(b->m, x), cy = nnc_value_is_const(b->m, y);
    if (cx && cy && lanes == 1) {
        nnc_num n[2] = {nnc_num_of_bits(dt, nnc_value_get(b->m, x)->bits),
                        nnc_num_of_bits(dt, nnc_value_get(b->m, y)->bits)};
        return nnc_const_bits(b->m, t, nnc_num_bits(to, nnc_eval_scalar(code, dt, n, false)));
    }
    if (cx && !cy && nnc_op_infos[code].traits & NNC_COMMUTES) { /* constants on the right */
        nnc_value s = x;
        x = y;
        y = s;
    }
    if (nnc_dtype_is_int(dt) && lanes == 1) {
        nnc_value r = int_identity(b, code, x, y);
        if (!r.id)
            r = idx_reassociate(b, code, x, y);
        if (r.id)
            return r;
    }
    nnc_value in[2] = {x, y};
    return build1(b, code, 2, in, t);
}

nnc_value nnc_k_select(nnc_builder *b, nnc_value c, nnc_value x, nnc_value y)
{
    int64_t k;
    if (x.id == y.id)
        return x;
    if (nnc_value_idx(b->m, c, &k))
        return k ? x : y;
    int lanes = lanes_of(b, x) > lanes_of(b, y) ? lanes_of(b, x) : lanes_of(b, y);
    if (lanes_of(b, c) > lanes)
        lanes = lanes_of(b, c);
    nnc_value in[3] = {c, x, y};
    return build1(b, NNC_OP_select, 3, in, nnc_type_scalar(b->m, dtype_of(b, x), lanes));
}

nnc_value nnc_k_cast(nnc_builder *b, nnc_value x, nnc_dtype dt)
{
    nnc_dtype from = dtype_of(b, x);
    if (from == dt)
        return x;
    nnc_type t = nnc_type_scalar(b->m, dt, lanes_of(b, x));
    if (nnc_value_is_const(b->m, x)) {
        nnc_num n = nnc_eval_cast(nnc_num_of_bits(from, nnc_value_get(b->m, x)->bits), from, dt,
                                  true, NNC_W_none);
        return nnc_const_bits(b->m, t, nnc_num_bits(dt, n));
    }
    return build1(b, NNC_OP_cast, 1, &x, t);
}

nnc_value nnc_k_idx(nnc_builder *b, int64_t v)
{
    return nnc_const_idx(b->m, v);
}

/* ---- memory ---- */

nnc_value nnc_k_alloc(nnc_builder *b, nnc_type t, const char *name)
{
    nnc_value v = build1(b, NNC_OP_alloc, 0, NULL, t);
    if (name && *name)
        nnc_value_set_name(b->m, v, name);
    return v;
}

nnc_value nnc_k_view(nnc_builder *b, nnc_value buf, nnc_value offset, nnc_type t)
{
    int64_t c;
    bool zero = !offset.id || (nnc_value_idx(b->m, offset, &c) && c == 0);
    if (zero && nnc_value_type(b->m, buf).id == t.id)
        return buf;
    nnc_value in[2] = {buf, offset};
    nnc_value v = build1(b, NNC_OP_view, zero ? 1 : 2, in, t);
    b->m->value.at[v.id].name = nnc_value_get(b->m, buf)->name;
    return v;
}

nnc_value nnc_k_load(nnc_builder *b, nnc_value buf, unsigned n, const nnc_value *index)
{
    const nnc_type_rec *r = nnc_value_ty(b->m, buf);
    assert(r->kind == NNC_TYPE_buffer && r->rank == n);
    nnc_value in[NNC_MAX_RANK + 1] = {buf};
    for (unsigned i = 0; i < n; i++)
        in[1 + i] = index[i];
    nnc_type t = nnc_type_scalar(b->m, (nnc_dtype)r->dtype, r->lanes);
    nnc_value v = build1(b, NNC_OP_load, n + 1, in, t);
    b->m->value.at[v.id].name = nnc_value_get(b->m, buf)->name;
    return v;
}

nnc_value nnc_k_load_cell(nnc_builder *b, nnc_value buf, unsigned n, const nnc_value *index)
{
    const nnc_type_rec *r = nnc_value_ty(b->m, buf);
    assert(r->kind == NNC_TYPE_buffer && r->rank == n && n && r->stride[n - 1] == 1);
    nnc_value in[NNC_MAX_RANK + 1] = {buf};
    for (unsigned i = 0; i < n; i++)
        in[1 + i] = index[i];
    nnc_type t = nnc_type_scalar(b->m, r->dtype == NNC_DT_u8 ? NNC_DT_u8q : NNC_DT_i8q, 1);
    nnc_value v = build1(b, NNC_OP_load, n + 1, in, t);
    b->m->value.at[v.id].name = nnc_value_get(b->m, buf)->name;
    return v;
}

void nnc_k_store(nnc_builder *b, nnc_value v, nnc_value buf, unsigned n, const nnc_value *index)
{
    assert(nnc_value_ty(b->m, buf)->rank == n &&
           nnc_value_ty(b->m, buf)->dtype == nnc_value_ty(b->m, v)->dtype);
    nnc_value in[NNC_MAX_RANK + 2] = {v, buf};
    for (unsigned i = 0; i < n; i++)
        in[2 + i] = index[i];
    nnc_build_op(b, NNC_OP_store, n + 2, in, 0, NULL);
}

/* ---- structure ---- */

nnc_value nnc_k_for(nnc_builder *b, nnc_value lo, nnc_value hi, nnc_value step, nnc_word kind,
                    const char *name)
{
    nnc_value in[3] = {lo, hi, step};
    nnc_op f = nnc_build_op(b, NNC_OP_for, 3, in, 0, NULL);
    if (kind != NNC_W_serial && kind != NNC_W_none)
        nnc_attr_set_word(b->m, f, NNC_W_kind, kind);
    nnc_block body = nnc_op_add_region(b->m, f);
    b->pos = (nnc_pos){body, {0}};
    return nnc_block_add_arg(b->m, body, nnc_type_scalar(b->m, NNC_DT_idx, 1), name);
}

nnc_op nnc_k_if(nnc_builder *b, nnc_value cond)
{
    nnc_op op = nnc_build_op(b, NNC_OP_if, 1, &cond, 0, NULL);
    nnc_block yes = nnc_op_add_region(b->m, op);
    nnc_op_add_region(b->m, op);
    b->pos = (nnc_pos){yes, {0}};
    return op;
}

void nnc_k_else(nnc_builder *b)
{
    nnc_op op = nnc_block_parent(b->m, b->pos.block);
    b->pos = (nnc_pos){nnc_op_region(b->m, op, 1), {0}};
}

void nnc_k_end(nnc_builder *b)
{
    nnc_op op = nnc_block_parent(b->m, b->pos.block);
    b->pos = (nnc_pos){nnc_op_get(b->m, op)->block, nnc_op_next(b->m, op)};
}

/* ---- dimensions ---- */

static nnc_value k_atom(nnc_builder *b, nnc_dim_atom a, const nnc_value *sym)
{
    if (a.op == '$')
        return sym[a.a];
    nnc_value x = nnc_k_dim(b, a.a, sym), y = nnc_k_dim(b, a.b, sym);
    switch (a.op) {
    case '/': { /* div truncates: shift a negative x by y - 1 */
        nnc_value neg = nnc_k_binary(b, NNC_OP_lt, x, nnc_k_idx(b, 0));
        nnc_value low =
            nnc_k_binary(b, NNC_OP_sub, x, nnc_k_binary(b, NNC_OP_sub, y, nnc_k_idx(b, 1)));
        return nnc_k_binary(b, NNC_OP_div, nnc_k_select(b, neg, low, x), y);
    }
    case '%': return nnc_k_binary(b, NNC_OP_rem, x, y);
    case '<': return nnc_k_binary(b, NNC_OP_min, x, y);
    default: return nnc_k_binary(b, NNC_OP_max, x, y);
    }
}

nnc_value nnc_k_dim(nnc_builder *b, nnc_dim d, const nnc_value *sym)
{
    if (d >= 0)
        return nnc_k_idx(b, d);
    uint32_t n;
    const nnc_dim_term *term = nnc_dim_terms(b->m->dims, d, &n);
    nnc_value sum = nnc_k_idx(b, 0);
    for (uint32_t i = 0; i < n; i++) {
        nnc_value p = nnc_k_idx(b, term[i].coef);
        for (uint32_t j = 0; j < term[i].natom; j++)
            p = nnc_k_binary(b, NNC_OP_mul, p,
                             k_atom(b, nnc_dim_atom_get(b->m->dims, term[i].atom[j]), sym));
        sum = nnc_k_binary(b, NNC_OP_add, sum, p);
    }
    return sum;
}
