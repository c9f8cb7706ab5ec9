/* Packing: the constant operand of a contraction is laid out in the order in which the loops read it, so the layout is
 * the list of trip counts of the loops that touch it and its index their counters.  Nobody writes a packing function:
 * the operand's address is a linear form over the axes (through any views), a loop over axis a in steps of s moves it
 * by s * coefficient, and a K `const` with [src_*] says just that.  Coordinates past the end (tail panels) are zero. */
#include "passes/lower/kernel.h"
#include <string.h>

nnc_value nnc_kx_packable(nnc_kx *x)
{
    nnc_value none = {0};
    if (x->shape != NNC_SHAPE_ROOT || !x->root.id)
        return none;
    nnc_opcode code = nnc_op_code(x->m, x->root);
    if (code != NNC_OP_dot && code != NNC_OP_conv)
        return none;
    nnc_value v = nnc_op_in(x->m, x->root, 1);
    for (nnc_op op = nnc_value_op(x->m, v);
         op.id && (nnc_op_has(x->m, op, NNC_VIEW) || nnc_op_code(x->m, op) == NNC_OP_cast ||
                   nnc_op_code(x->m, op) == NNC_OP_mul); /* views, and bytes converted and scaled */
         op = nnc_value_op(x->m, v)) {
        if (nnc_value_nuse(x->m, v) != 1)
            return none;
        v = nnc_op_in(x->m, op, 0);
    }
    const nnc_value_rec *r = nnc_value_get(x->m, v);
    if (r->kind != NNC_VALUE_arg || r->def != x->body.id || nnc_value_nuse(x->m, v) != 1)
        return none;
    nnc_op source = nnc_value_op(x->m, nnc_op_in(x->m, x->fused, r->index));
    if (!source.id || nnc_op_code(x->m, source) != NNC_OP_const)
        return none;
    nnc_kx p = *x;
    p.probe = true;
    p.memo.n = 0;
    p.pack_arg = v;
    p.pack_loads = 0;
    p.mode = NNC_MODE_MAIN;
    p.t_axis = -1;
    nnc_kx_root_update(&p);
    x->pack_address = p.pack_address;
    return p.pack_loads == 1 && !p.pack_address.opaque ? v : none;
}

typedef struct pack_dim {
    int64_t n, mult;
    int axis;
} pack_dim; /* axis: of the kernel */

/* Where the numbers are: the source constant, or what Winograd's transform makes of it. */
static void set_source(nnc_kx *x, nnc_op op, nnc_op source)
{
    int64_t blob = nnc_attr_int(x->m, source, NNC_W_blob, 0),
            at = nnc_attr_int(x->m, source, NNC_W_at, 0);
    if (x->plan.winograd) {
        blob = nnc_kx_winograd_weights(x, source).id;
        at = 0;
    }
    nnc_attr_set_int(x->m, op, NNC_W_blob, blob);
    nnc_attr_set_int(x->m, op, NNC_W_at, at);
}

static void set_attributes(nnc_kx *x, nnc_op op, const pack_dim *d, unsigned n)
{
    int64_t axis[NNC_MAX_RANK + 1], mult[NNC_MAX_RANK + 1], extent[NNC_AXES], stride[NNC_AXES],
        logical[NNC_AXES], k = 0;
    nnc_module *m = x->m;
    for (int a = 0; a < x->nax; a++)
        if (x->pack_address.c[a]) {
            extent[k] = x->ax[a].extent;
            stride[k] = x->pack_address.c[a];
            logical[a] = k++;
        }
    for (unsigned i = 0; i < n; i++) {
        axis[i] = logical[d[i].axis];
        mult[i] = d[i].mult;
    }
    nnc_attr_set_ints(m, op, NNC_W_src_axis, n, axis);
    nnc_attr_set_ints(m, op, NNC_W_src_mult, n, mult);
    nnc_attr_set_ints(m, op, NNC_W_src_extent, (unsigned)k, extent);
    nnc_attr_set_ints(m, op, NNC_W_src_stride, (unsigned)k, stride);
    nnc_attr_set_int(m, op, NNC_W_offset, x->pack_address.k);
}

/* The dims that loop j adds: one, or two for t = (x, i) that is not one stretch of the source. */
static unsigned dims_of_loop(const nnc_kx *x, unsigned j, int64_t trips, pack_dim *to)
{
    int a = x->loop_axis[j];
    int64_t s = x->plan.loop[j].step;
    if (a != x->t_axis || x->pack_address.c[a]) {
        if (!x->pack_address.c[a])
            return 0;
        to[0] = (pack_dim){trips, s, a};
        return 1;
    }
    unsigned n = 0;
    int in = nnc_kx_axis(x, 'i');
    if (x->plan.loop[j].kind == 'd') {
        to[0] = (pack_dim){trips, 1, in};
        return 1;
    }
    if (s == 4) { /* cells do not reach from one position of the kernel into the next */
        int ker = nnc_kx_axis(x, 'x');
        if (x->pack_address.c[ker])
            to[n++] = (pack_dim){x->ax[ker].hi, 1, ker};
        to[n++] = (pack_dim){x->ax[in].hi / 4, 4, in};
        return n;
    }
    for (int k = 0; k < 2; k++) {
        int part = nnc_kx_axis(x, "xi"[k]);
        if (x->pack_address.c[part])
            to[n++] = (pack_dim){x->ax[part].hi, 1, part};
    }
    return n;
}

/* When kernel x and channel are one stretch of the source, t is a logical axis of its own. */
static void join_address(nnc_kx *x)
{
    if (x->t_axis < 0)
        return;
    int ker = nnc_kx_axis(x, 'x'), in = nnc_kx_axis(x, 'i');
    int64_t *c = x->pack_address.c;
    if (x->ax[ker].hi > 1 && x->ax[in].hi > 1 && c[ker] != c[in] * x->ax[in].hi)
        return;
    c[x->t_axis] = x->ax[in].hi > 1 ? c[in] : c[ker];
    c[ker] = c[in] = 0;
}

bool nnc_kx_joins_bytes(nnc_kx *x)
{
    nnc_kx try = *x;
    if (try.t_axis < 0 || !nnc_kx_packable(&try).id)
        return false;
    join_address(&try);
    return try.pack_address.c[try.t_axis] != 0 || try.ax[nnc_kx_axis(&try, 'i')].hi % 4 == 0;
}

nnc_value nnc_kx_pack(nnc_kx *x, nnc_builder *entry)
{
    nnc_value none = {0}, arg = x->plan.winograd ? x->winograd.weights : nnc_kx_packable(x);
    nnc_module *m = x->m;
    pack_dim d[NNC_PLAN_LOOPS];
    nnc_dim dim[NNC_PLAN_LOOPS], seen[NNC_PLAN_LOOPS];
    int64_t cur[NNC_AXES];
    unsigned n = 0;
    int np = 0;
    bool cells = x->plan.n && x->plan.loop[x->plan.n - 1].kind == 'd';
    if (!arg.id)
        return none;
    join_address(x);
    for (int a = 0; a < x->nax; a++) {
        if (x->pack_address.c[a] && !nnc_dim_is_const(x->ax[a].extent))
            return none;
        cur[a] = x->ax[a].hi;
    }
    for (unsigned j = 0; j < x->plan.n; j++) {
        int a = x->loop_axis[j];
        int64_t s = x->plan.loop[j].step, trips = (cur[a] + s - 1) / s;
        cur[a] = cur[a] < s ? cur[a] : s;
        if (cells && j + 1 == x->plan.n) { /* the bytes of a cell */
            n += dims_of_loop(x, j, 4, d + n);
            continue;
        }
        if (trips <= 1)
            continue;
        unsigned k = dims_of_loop(x, j, trips, d + n);
        if (!k)
            continue;
        seen[np] = trips;
        x->packed_loop[np++] = (int)j;
        n += k;
        if (n + cells > NNC_MAX_RANK)
            return none;
    }
    unsigned rank = n - cells;
    for (unsigned i = 0; i < rank; i++)
        dim[i] = d[i].n;
    nnc_op source = nnc_value_op(m, nnc_op_in(m, x->fused, nnc_value_get(m, arg)->index));
    nnc_dtype dt = cells ? NNC_DT_i8q : (nnc_dtype)nnc_value_ty(m, arg)->dtype;
    nnc_type t = nnc_type_buffer(m, dt, 1, (int)rank, dim, NULL, NNC_SPACE_weight);
    nnc_op op = nnc_build_op(entry, NNC_OP_const, 0, NULL, 1, &t);
    nnc_value v = nnc_op_out(m, op, 0);
    set_source(x, op, source);
    set_attributes(x, op, d, n);
    m->value.at[v.id].name = nnc_value_get(m, nnc_op_out(m, source, 0))->name;
    x->packed_arg = arg;
    x->npacked = np;
    return nnc_k_view(entry, v, none, nnc_type_buffer(m, dt, 1, np, seen, NULL, NNC_SPACE_weight));
}
