/* The K interpreter: a walk over the ops of a kernel with every address checked.
 *
 * A buffer is (allocation, size, byte position of its cell 0); views and call arguments share the allocation.  Memory of
 * a fresh alloc is filled with 0xFF: a NaN in every float dtype, so that reading what nobody wrote spreads to the result
 * (0xA5 would be -2.9e-16 in f32 and vanish in a sum).  Planned allocs, those with [offset], share one arena that is
 * poisoned once at the start: two that overlap while both live destroy each other as they would in the emitted code. */
#include "ir/eval.h"
#include "ir/interp.h"
#include "ir/pack.h"
#include <math.h>
#include <string.h>

enum { MAX_LANES = 64, MAX_CALLS = 64, POISON = 0xFF };

typedef struct memory {
    char *base;
    int64_t size, at; /* bytes */
} memory;
typedef struct kval {
    union {
        nnc_num n;  /* scalar */
        nnc_num *v; /* vector: as many as its type has lanes */
        memory m;   /* buffer */
    } u;
} kval;

typedef struct run {
    nnc_module *m;
    nnc_arena *a;
    kval *val;     /* by value id */
    memory *alloc; /* by op id: memory of allocs and consts, made once */
    memory arena;  /* planned allocs */
    int calls;
    const nnc_interp_options *options; /* NULL: no host */
} run;

static nnc_status run_block(run *x, nnc_block b, bool *yielded);

static nnc_status fail(run *x, nnc_op op, const char *what)
{
    nnc_op f = op;

    while (nnc_op_code(x->m, f) != NNC_OP_kernel &&
           nnc_block_parent(x->m, nnc_op_get(x->m, f)->block).id)
        f = nnc_block_parent(x->m, nnc_op_get(x->m, f)->block);
    return nnc_error(x->m->diag, nnc_op_loc(x->m, op), "kernel '%s', %s: %s",
                     nnc_func_name(x->m, f), nnc_op_infos[nnc_op_code(x->m, op)].name, what);
}

/* ---- values ---- */
static nnc_num num_of(const run *x, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(x->m, v);

    if (r->kind == NNC_VALUE_const)
        return nnc_num_of_bits((nnc_dtype)nnc_type_get(x->m, r->type)->dtype, r->bits);
    return x->val[v.id].u.n;
}

static int64_t int_of(const run *x, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(x->m, v);

    if (r->kind == NNC_VALUE_const)
        return num_of(x, v).i;
    return x->val[v.id].u.n.i;
}

static int lanes_of(const run *x, nnc_value v)
{
    return nnc_value_ty(x->m, v)->lanes;
}

static nnc_num lane(const run *x, nnc_value v, int k)
{
    if (lanes_of(x, v) == 1 || nnc_value_is_const(x->m, v))
        return num_of(x, v);
    return x->val[v.id].u.v[k];
}

static nnc_num *lanes_for(run *x, nnc_value v)
{
    if (lanes_of(x, v) == 1)
        return &x->val[v.id].u.n;
    if (!x->val[v.id].u.v)
        x->val[v.id].u.v = nnc_arena_array(x->a, lanes_of(x, v), sizeof(nnc_num));
    return x->val[v.id].u.v;
}

static nnc_dtype dtype_of(const run *x, nnc_value v)
{
    return (nnc_dtype)nnc_value_ty(x->m, v)->dtype;
}

/* ---- memory ---- */
/* Address of the cell that operands [first ..] of op index; `bytes` from there must exist. */
static nnc_status address(run *x, nnc_op op, nnc_value buf, unsigned first, int64_t bytes,
                          char **out)
{
    const nnc_type_rec *ty = nnc_value_ty(x->m, buf);
    memory mem = x->val[buf.id].u.m;
    int64_t at = 0, cell = (int64_t)nnc_dtype_bytes((nnc_dtype)ty->dtype) * ty->lanes;
    unsigned n = nnc_op_nin(x->m, op) - first;

    if (n != ty->rank)
        return fail(x, op,
                    nnc_arena_printf(x->a, "%u indices for a buffer '%s' of rank %d", n,
                                     nnc_value_name(x->m, buf), ty->rank));
    for (unsigned d = 0; d < n; d++) {
        int64_t i = int_of(x, nnc_op_in(x->m, op, first + d));
        if (i < 0 || i >= nnc_dim_hi(x->m->dims, ty->dim[d]))
            return fail(x, op,
                        nnc_arena_printf(x->a,
                                         "index %lld of '%s' in dimension %u is outside 0..%lld",
                                         (long long)i, nnc_value_name(x->m, buf), d,
                                         (long long)nnc_dim_hi(x->m->dims, ty->dim[d]) - 1));
        at += i * ty->stride[d];
    }
    at = mem.at + at * cell;
    if (!mem.base || at < 0 || at + bytes > mem.size)
        return fail(
            x, op,
            nnc_arena_printf(x->a, "bytes %lld..%lld of '%s' lie outside its memory of %lld bytes",
                             (long long)at, (long long)(at + bytes - 1), nnc_value_name(x->m, buf),
                             (long long)mem.size));
    *out = mem.base + at;
    return NNC_OK;
}

static nnc_status do_load(run *x, nnc_op op)
{
    nnc_value to = nnc_op_out(x->m, op, 0);
    nnc_dtype dt = dtype_of(x, to);
    int n = lanes_of(x, to);
    int64_t size = (int64_t)nnc_dtype_bytes(dt);
    nnc_num *v = lanes_for(x, to);
    char *p = NULL;

    NNC_TRY(address(x, op, nnc_op_in(x->m, op, 0), 1, size * n, &p));
    if (dt == NNC_DT_f32) {
        for (int k = 0; k < n; k++) {
            float f;
            memcpy(&f, p + k * size, sizeof f);
            v[k] = (nnc_num){(double)f, 0};
        }
        return NNC_OK;
    }
    for (int k = 0; k < n; k++)
        v[k] = nnc_num_load(dt, p + k * size);
    return NNC_OK;
}

static nnc_status do_store(run *x, nnc_op op)
{
    nnc_value v = nnc_op_in(x->m, op, 0), buf = nnc_op_in(x->m, op, 1);
    nnc_dtype dt = dtype_of(x, v);
    int n = lanes_of(x, v);
    int64_t size = (int64_t)nnc_dtype_bytes(dt);
    char *p = NULL;

    if (nnc_value_ty(x->m, buf)->space == NNC_SPACE_weight)
        return fail(x, op, "a store to a weight");
    NNC_TRY(address(x, op, buf, 2, size * n, &p));
    for (int k = 0; k < n; k++)
        nnc_num_store(dt, p + k * size, lane(x, v, k));
    return NNC_OK;
}

/* The whole memory of a buffer; with symbolic sizes, as much of it as there is (callers pass real sizes). */
static nnc_status whole(run *x, nnc_op op, nnc_value buf, char **p, int64_t *bytes)
{
    memory mem = x->val[buf.id].u.m;
    int64_t n = nnc_type_bytes(x->m, nnc_value_type(x->m, buf));

    if (mem.at + n > mem.size && !nnc_type_is_static(x->m, nnc_value_type(x->m, buf)))
        n = mem.size - mem.at;
    if (n < 0 || mem.at < 0 || mem.at + n > mem.size)
        return fail(x, op,
                    nnc_arena_printf(x->a,
                                     "'%s' needs %lld bytes from byte %lld of a memory of %lld",
                                     nnc_value_name(x->m, buf), (long long)n, (long long)mem.at,
                                     (long long)mem.size));
    *p = mem.base + mem.at;
    *bytes = n;
    return NNC_OK;
}

static nnc_status do_fill(run *x, nnc_op op)
{
    nnc_value buf = nnc_op_in(x->m, op, 0), v = nnc_op_in(x->m, op, 1);
    nnc_dtype dt = dtype_of(x, buf);
    int64_t n, size = (int64_t)nnc_dtype_bytes(dt);
    char *p = NULL;

    NNC_TRY(whole(x, op, buf, &p, &n));
    for (int64_t i = 0; i < n / size; i++)
        nnc_num_store(dt, p + i * size,
                      lanes_of(x, v) > 1 ? lane(x, v, (int)(i % lanes_of(x, v))) : num_of(x, v));
    return NNC_OK;
}

static nnc_status do_copy(run *x, nnc_op op)
{
    char *to = NULL, *from = NULL;
    int64_t n, k;

    NNC_TRY(whole(x, op, nnc_op_in(x->m, op, 0), &to, &n));
    NNC_TRY(whole(x, op, nnc_op_in(x->m, op, 1), &from, &k));
    n = n < k ? n : k;
    if (n > 0)
        memmove(to, from, (size_t)n);
    return NNC_OK;
}

static nnc_status do_alloc(run *x, nnc_op op)
{
    nnc_value v = nnc_op_out(x->m, op, 0);
    int64_t bytes = nnc_type_bytes(x->m, nnc_value_type(x->m, v));
    memory *own = &x->alloc[op.id];

    if (nnc_value_ty(x->m, v)->space == NNC_SPACE_arena && nnc_attr_find(x->m, op, NNC_W_offset)) {
        int64_t at = nnc_attr_int(x->m, op, NNC_W_offset, 0);
        x->val[v.id].u.m = (memory){x->arena.base + at, bytes, 0};
        return NNC_OK;
    }
    if (bytes > INT64_MAX / 16)
        return fail(x, op, "a buffer too large to interpret");
    if (!own->base)
        *own = (memory){nnc_arena_alloc(x->a, (size_t)bytes), bytes, 0};
    memset(own->base, POISON, (size_t)bytes);
    x->val[v.id].u.m = *own;
    return NNC_OK;
}

static nnc_status do_const(run *x, nnc_op op)
{
    memory *own = &x->alloc[op.id];

    if (!own->base) {
        *own = (memory){nnc_arena_alloc(x->a, nnc_const_bytes(x->m, op)),
                        (int64_t)nnc_const_bytes(x->m, op), 0};
        NNC_TRY(nnc_const_pack(x->m, op, own->base));
    }
    x->val[nnc_op_out(x->m, op, 0).id].u.m = *own;
    return NNC_OK;
}

static nnc_status do_view(run *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0);
    const nnc_type_rec *ty = nnc_value_ty(x->m, from);
    memory mem = x->val[from.id].u.m;

    if (nnc_op_nin(x->m, op) > 1)
        mem.at += int_of(x, nnc_op_in(x->m, op, 1)) *
                  (int64_t)nnc_dtype_bytes((nnc_dtype)ty->dtype) * ty->lanes;
    x->val[nnc_op_out(x->m, op, 0).id].u.m = mem;
    return NNC_OK;
}

/* ---- arithmetic ---- */
static nnc_num op_on(nnc_opcode code, nnc_dtype dt, const nnc_num *in, bool flag)
{
    if (dt == NNC_DT_idx) /* index arithmetic is most of what a kernel does */
        switch (code) {
        case NNC_OP_add: return (nnc_num){0, (int64_t)((uint64_t)in[0].i + (uint64_t)in[1].i)};
        case NNC_OP_mul: return (nnc_num){0, (int64_t)((uint64_t)in[0].i * (uint64_t)in[1].i)};
        default: break;
        }
    if (dt == NNC_DT_f32)
        switch (code) {
        case NNC_OP_add: return (nnc_num){(double)((float)in[0].f + (float)in[1].f), 0};
        case NNC_OP_mul: return (nnc_num){(double)((float)in[0].f * (float)in[1].f), 0};
        case NNC_OP_fma: return (nnc_num){(double)(float)(in[0].f * in[1].f + in[2].f), 0};
        default: break;
        }
    return nnc_eval_scalar(code, dt, in, flag);
}

/* The lanes of an operand: the first, and the step to the next (0 for scalars and constants). */
typedef struct source {
    const nnc_num *p;
    int step;
    nnc_num own;
} source;

static void open_source(const run *x, nnc_value v, source *s)
{
    if (nnc_value_is_const(x->m, v)) {
        s->own = num_of(x, v);
        s->p = &s->own;
        s->step = 0;
    } else {
        s->step = lanes_of(x, v) > 1;
        s->p = s->step ? x->val[v.id].u.v : &x->val[v.id].u.n;
    }
}

static nnc_status do_scalar(run *x, nnc_op op)
{
    nnc_opcode code = nnc_op_code(x->m, op);
    unsigned nin = nnc_op_nin(x->m, op);
    nnc_value to = nnc_op_out(x->m, op, 0);
    nnc_dtype dt = dtype_of(x, nnc_op_in(x->m, op, 0));
    bool flag = code == NNC_OP_rem && nnc_attr_int(x->m, op, NNC_W_fmod, 0);
    nnc_num *v = lanes_for(x, to), in[3];
    int n = lanes_of(x, to);
    source s[3];

    for (unsigned i = 0; i < nin && i < 3; i++)
        open_source(x, nnc_op_in(x->m, op, i), &s[i]);
    for (int k = 0; k < n; k++) { /* operands are other values: SSA */
        for (unsigned i = 0; i < nin && i < 3; i++)
            in[i] = s[i].p[k * s[i].step];
        v[k] = op_on(code, dt, in, flag);
    }
    return NNC_OK;
}

static nnc_num cast_one(const run *x, nnc_op op, nnc_num v, nnc_dtype from, nnc_dtype to)
{
    if (nnc_op_code(x->m, op) == NNC_OP_bitcast)
        return nnc_num_of_bits(to, nnc_num_bits(from, v));
    return nnc_eval_cast(v, from, to, nnc_attr_int(x->m, op, NNC_W_saturate, 1) != 0,
                         nnc_attr_word(x->m, op, NNC_W_mode, NNC_W_up));
}

/* Vectors of equal bit width may differ in lanes under bitcast (u8x4 <-> i32). */
static nnc_status bitcast_lanes(run *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0), to = nnc_op_out(x->m, op, 0);
    nnc_dtype df = dtype_of(x, from), dt = dtype_of(x, to);
    size_t sf = nnc_dtype_bytes(df), st = nnc_dtype_bytes(dt);
    char cells[MAX_LANES * 8];
    nnc_num *v = lanes_for(x, to);

    if (sf * (size_t)lanes_of(x, from) != st * (size_t)lanes_of(x, to))
        return fail(x, op, "operand and result differ in size");
    for (int k = 0; k < lanes_of(x, from); k++)
        nnc_num_store(df, cells + (size_t)k * sf, lane(x, from, k));
    for (int k = 0; k < lanes_of(x, to); k++)
        v[k] = nnc_num_load(dt, cells + (size_t)k * st);
    return NNC_OK;
}

static nnc_status do_cast(run *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0), to = nnc_op_out(x->m, op, 0);
    nnc_num *v = lanes_for(x, to);

    if (lanes_of(x, from) != lanes_of(x, to) ||
        (nnc_op_code(x->m, op) == NNC_OP_bitcast &&
         nnc_dtype_infos[dtype_of(x, from)].bits != nnc_dtype_infos[dtype_of(x, to)].bits))
        return bitcast_lanes(x, op);
    for (int k = 0; k < lanes_of(x, to); k++)
        v[k] = cast_one(x, op, lane(x, from, k), dtype_of(x, from), dtype_of(x, to));
    return NNC_OK;
}

static void do_select(run *x, nnc_op op)
{
    nnc_value c = nnc_op_in(x->m, op, 0), to = nnc_op_out(x->m, op, 0);
    nnc_num *v = lanes_for(x, to);

    for (int k = 0; k < lanes_of(x, to); k++)
        v[k] = lane(x, nnc_op_in(x->m, op, lane(x, c, k).i ? 1 : 2), k);
}

/* Halves are combined until one lane is left. */
static void do_horizontal(run *x, nnc_op op, nnc_opcode with)
{
    nnc_value from = nnc_op_in(x->m, op, 0);
    nnc_num v[MAX_LANES], pair[2];
    int n = lanes_of(x, from);

    for (int k = 0; k < n; k++)
        v[k] = lane(x, from, k);
    for (; n > 1; n = (n + 1) / 2)
        for (int k = 0; k < n / 2; k++) {
            pair[0] = v[k];
            pair[1] = v[k + (n + 1) / 2];
            v[k] = op_on(with, dtype_of(x, from), pair, false);
        }
    x->val[nnc_op_out(x->m, op, 0).id].u.n = v[0];
}

static void do_dot4(run *x, nnc_op op)
{
    nnc_value to = nnc_op_out(x->m, op, 0), p = nnc_op_in(x->m, op, 1), q = nnc_op_in(x->m, op, 2);
    nnc_num *v = lanes_for(x, to);

    for (int k = 0; k < lanes_of(x, to); k++) {
        uint32_t sum = (uint32_t)lane(x, nnc_op_in(x->m, op, 0), k).i,
                 a = (uint32_t)lane(x, p, k).i, b = (uint32_t)lane(x, q, k).i;
        for (int i = 0; i < 32; i += 8) {
            int fa = dtype_of(x, p) == NNC_DT_u8q ? (int)(a >> i & 255) : (int8_t)(a >> i & 255);
            int fb = dtype_of(x, q) == NNC_DT_u8q ? (int)(b >> i & 255) : (int8_t)(b >> i & 255);
            sum += (uint32_t)(fa * fb);
        }
        v[k] = (nnc_num){0, (int32_t)sum};
    }
}

static void do_splat(run *x, nnc_op op)
{
    nnc_value to = nnc_op_out(x->m, op, 0);
    nnc_num n = num_of(x, nnc_op_in(x->m, op, 0)), *v = lanes_for(x, to);

    for (int k = 0; k < lanes_of(x, to); k++)
        v[k] = n;
}

static nnc_status do_extract(run *x, nnc_op op)
{
    nnc_value from = nnc_op_in(x->m, op, 0);
    int64_t i = nnc_attr_int(x->m, op, NNC_W_index, 0);

    if (i < 0 || i >= lanes_of(x, from))
        return fail(x, op, "there is no such lane");
    x->val[nnc_op_out(x->m, op, 0).id].u.n = lane(x, from, (int)i);
    return NNC_OK;
}

/* ---- structure ---- */
static nnc_status do_for(run *x, nnc_op op)
{
    nnc_block b = nnc_op_region(x->m, op, 0);
    int64_t lo = int_of(x, nnc_op_in(x->m, op, 0)), hi = int_of(x, nnc_op_in(x->m, op, 1)),
            step = int_of(x, nnc_op_in(x->m, op, 2));
    nnc_value i = nnc_block_arg(x->m, b, 0);

    if (step <= 0)
        return fail(x, op, "the step of a loop must be positive");
    for (int64_t k = lo; k < hi; k += step) {
        x->val[i.id].u.n = (nnc_num){0, k};
        NNC_TRY(run_block(x, b, NULL));
    }
    return NNC_OK;
}

static nnc_status do_while(run *x, nnc_op op)
{
    bool go;

    for (;;) {
        NNC_TRY(run_block(x, nnc_op_region(x->m, op, 0), &go));
        if (!go)
            return NNC_OK;
        NNC_TRY(run_block(x, nnc_op_region(x->m, op, 1), NULL));
    }
}

static nnc_status do_call(run *x, nnc_op op)
{
    const char *name = nnc_attr_str(x->m, op, NNC_W_callee, "");
    nnc_op callee = nnc_func_find(x->m, name);
    unsigned n = nnc_op_nin(x->m, op);
    nnc_block b;

    if (!callee.id || nnc_op_code(x->m, callee) != NNC_OP_kernel)
        return fail(x, op, nnc_arena_printf(x->a, "there is no kernel '%s'", name));
    b = nnc_op_region(x->m, callee, 0);
    if (n != nnc_block_narg(x->m, b))
        return fail(x, op,
                    nnc_arena_printf(x->a, "%u operands for '%s', which takes %u", n, name,
                                     nnc_block_narg(x->m, b)));
    if (++x->calls > MAX_CALLS)
        return fail(x, op, "calls nest too deep");
    for (unsigned i = 0; i < n; i++) {
        nnc_value v = nnc_op_in(x->m, op, i), p = nnc_block_arg(x->m, b, i);
        if (nnc_value_ty(x->m, p)->kind == NNC_TYPE_buffer)
            x->val[p.id].u.m = x->val[v.id].u.m;
        else
            x->val[p.id].u.n = num_of(x, v);
    }
    NNC_TRY(run_block(x, b, NULL));
    x->calls--;
    return NNC_OK;
}

static nnc_status do_host(run *x, nnc_op op)
{
    unsigned n = 0, at;
    int id = (int)nnc_attr_int(x->m, op, NNC_W_id, 0), status;
    void **data;
    const int64_t **dim;

    while (n < nnc_op_nin(x->m, op) &&
           nnc_value_ty(x->m, nnc_op_in(x->m, op, n))->kind == NNC_TYPE_buffer)
        n++;
    data = nnc_arena_array(x->a, n + 1, sizeof *data);
    dim = nnc_arena_array(x->a, n + 1, sizeof *dim);
    at = n;
    for (unsigned i = 0; i < n; i++) {
        nnc_value v = nnc_op_in(x->m, op, i);
        const nnc_type_rec *ty = nnc_value_ty(x->m, v);
        memory mem = x->val[v.id].u.m;
        int64_t *size = nnc_arena_array(x->a, ty->rank + 1u, sizeof *size);
        int64_t bytes = (int64_t)nnc_dtype_bytes((nnc_dtype)ty->dtype) * ty->lanes;
        for (int d = 0; d < ty->rank; d++)
            bytes *= size[d] = int_of(x, nnc_op_in(x->m, op, at++));
        if (mem.at < 0 || bytes < 0 || mem.at + bytes > mem.size)
            return fail(x, op, "a buffer is smaller than its sizes say");
        data[i] = mem.base + mem.at;
        dim[i] = size;
    }
    if (!x->options || !x->options->call)
        return fail(x, op, "there is no host here");
    status = x->options->call(x->options->context, id, data, dim);
    if (status)
        return nnc_error(x->m->diag, nnc_op_loc(x->m, op),
                         "function %d of the host program failed with status %d", id, status);
    return NNC_OK;
}

static nnc_status run_op(run *x, nnc_op op)
{
    nnc_opcode code = nnc_op_code(x->m, op);

    switch (code) {
    case NNC_OP_load: return do_load(x, op);
    case NNC_OP_store: return do_store(x, op);
    case NNC_OP_for: return do_for(x, op);
    case NNC_OP_if:
        if (num_of(x, nnc_op_in(x->m, op, 0)).i)
            return run_block(x, nnc_op_region(x->m, op, 0), NULL);
        return nnc_op_nregion(x->m, op) > 1 ? run_block(x, nnc_op_region(x->m, op, 1), NULL)
                                            : NNC_OK;
    case NNC_OP_while: return do_while(x, op);
    case NNC_OP_call: return do_call(x, op);
    case NNC_OP_host: return do_host(x, op);
    case NNC_OP_alloc: return do_alloc(x, op);
    case NNC_OP_const: return do_const(x, op);
    case NNC_OP_view: return do_view(x, op);
    case NNC_OP_fill: return do_fill(x, op);
    case NNC_OP_copy: return do_copy(x, op);
    case NNC_OP_check:
        if (num_of(x, nnc_op_in(x->m, op, 0)).i)
            return NNC_OK;
        return nnc_error(
            x->m->diag, nnc_op_loc(x->m, op), "check failed: %s",
            nnc_attr_str(x->m, op, NNC_W_message, "a run-time condition does not hold"));
    case NNC_OP_barrier:
    case NNC_OP_state:
    case NNC_OP_prefetch: return NNC_OK;
    case NNC_OP_cast:
    case NNC_OP_bitcast: return do_cast(x, op);
    case NNC_OP_select: do_select(x, op); return NNC_OK;
    case NNC_OP_splat: do_splat(x, op); return NNC_OK;
    case NNC_OP_extract: return do_extract(x, op);
    case NNC_OP_hsum: do_horizontal(x, op, NNC_OP_add); return NNC_OK;
    case NNC_OP_hmax: do_horizontal(x, op, NNC_OP_max); return NNC_OK;
    case NNC_OP_hmin: do_horizontal(x, op, NNC_OP_min); return NNC_OK;
    case NNC_OP_dot4: do_dot4(x, op); return NNC_OK;
    default:
        if (nnc_op_has(x->m, op, NNC_ELEMENTWISE) && nnc_op_nout(x->m, op) == 1 &&
            (nnc_op_infos[code].levels & NNC_LEVEL_K))
            return do_scalar(x, op);
        return fail(x, op, "this operation does not belong into a kernel");
    }
}

static nnc_status run_block(run *x, nnc_block b, bool *yielded)
{
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op)) {
        if (nnc_op_code(x->m, op) == NNC_OP_yield) {
            if (yielded && nnc_op_nin(x->m, op) == 1)
                *yielded = num_of(x, nnc_op_in(x->m, op, 0)).i != 0;
            return NNC_OK;
        }
        NNC_TRY(run_op(x, op));
    }
    return NNC_OK;
}

/* ---- entry ---- */
/* Bytes of the planned arena, and no lanes beyond what our scratch holds. */
static nnc_status survey(run *x, nnc_block b)
{
    for (nnc_op op = nnc_block_first(x->m, b); op.id; op = nnc_op_next(x->m, op)) {
        for (unsigned i = 0; i < nnc_op_nout(x->m, op); i++)
            if (nnc_value_ty(x->m, nnc_op_out(x->m, op, i))->lanes > MAX_LANES)
                return fail(x, op, "vectors of more than 64 lanes are not interpreted");
        if (nnc_op_code(x->m, op) == NNC_OP_alloc && nnc_attr_find(x->m, op, NNC_W_offset)) {
            int64_t end = nnc_attr_int(x->m, op, NNC_W_offset, 0) +
                          nnc_type_bytes(x->m, nnc_value_type(x->m, nnc_op_out(x->m, op, 0)));
            x->arena.size = end > x->arena.size ? end : x->arena.size;
        }
        for (unsigned i = 0; i < nnc_op_nregion(x->m, op); i++)
            NNC_TRY(survey(x, nnc_op_region(x->m, op, i)));
    }
    return NNC_OK;
}

nnc_status nnc_interp_kernel(nnc_module *m, nnc_op kernel, nnc_arena *a, unsigned n,
                             nnc_kernel_arg *arg)
{
    return nnc_interp_kernel_with(m, kernel, a, n, arg, NULL);
}

nnc_status nnc_interp_kernel_with(nnc_module *m, nnc_op kernel, nnc_arena *a, unsigned n,
                                  nnc_kernel_arg *arg, const nnc_interp_options *options)
{
    run x = {.m = m, .a = a, .options = options};
    nnc_block b = nnc_op_region(m, kernel, 0);

    if (n != nnc_block_narg(m, b))
        return nnc_error(m->diag, nnc_op_loc(m, kernel),
                         "kernel '%s' has %u parameters, %u were given", nnc_func_name(m, kernel),
                         nnc_block_narg(m, b), n);
    x.val = nnc_arena_array(a, m->value.n, sizeof *x.val);
    x.alloc = nnc_arena_array(a, m->op.n, sizeof *x.alloc);
    NNC_TRY(survey(&x, m->top));
    x.arena.base = nnc_arena_alloc(a, (size_t)x.arena.size);
    memset(x.arena.base, POISON, (size_t)x.arena.size);
    for (unsigned i = 0; i < n; i++) {
        nnc_value p = nnc_block_arg(m, b, i);
        if (nnc_value_ty(m, p)->kind == NNC_TYPE_buffer)
            x.val[p.id].u.m = (memory){arg[i].buf, (int64_t)arg[i].bytes, 0};
        else
            x.val[p.id].u.n = (nnc_num){0, arg[i].idx};
    }
    return run_block(&x, b, NULL);
}
