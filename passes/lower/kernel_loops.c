/* The one recursion over a plan's loops.
 *
 * At the first loop over a reduction axis the accumulators are allocated, shaped by the output loops still to come and
 * by reduction loops that keep partial results (kinds v and s); the remaining loops are then emitted three times: init,
 * update, epilogue.  A step that does not divide its extent makes pieces: vector loops get widths that are powers of
 * two, loops with a vector inside (and those of packed or reduced axes) whole steps and a smaller tail, all others
 * balanced pieces whose sizes differ by one.  Pieces continue one counter, which is what packed layouts are indexed by.
 *
 * Accumulators of different vector widths are different buffers, so that each is only ever touched whole and can become
 * vector registers.
 *
 * A run-time extent has whole steps and a tail in steps of one; its loops stand outside the accumulators. */
#include "passes/lower/kernel.h"
#include <assert.h>
#include <string.h>

static void loops(nnc_kx *x, unsigned i);
static void stages(nnc_kx *x);

static int log2_of(int64_t n)
{
    int r = 0;
    while (n > 1) {
        n >>= 1;
        r++;
    }
    return r;
}

/* ---- accumulators and cells ---- */

/* The counters of loops `from`.. that shape a buffer: output loops, and with `partial` the partial reductions. */
static unsigned cell_index(const nnc_kx *x, int from, bool partial, nnc_value *ix)
{
    unsigned n = 0;
    for (unsigned j = (unsigned)from; j < x->plan.n; j++) {
        const nnc_kaxis *a = &x->ax[x->loop_axis[j]];
        bool part = a->red && (x->plan.loop[j].kind == 'v' || x->plan.loop[j].kind == 's');
        if (!a->red || (partial && part))
            ix[n++] = x->actr[j];
    }
    return n;
}

/* Cells of a stage have the width of a vector loop over an output axis; a vector loop over a reduced axis reads one. */
static int cell_width(const nnc_kx *x)
{
    return x->vred ? 0 : x->vlog;
}

static nnc_value load_cell(nnc_kx *x, nnc_value buf, unsigned n, const nnc_value *ix)
{
    return nnc_k_load(&x->b, buf, n, ix);
}

nnc_value nnc_kx_acc_load(nnc_kx *x, int which)
{
    nnc_value ix[NNC_MAX_RANK];
    if (x->probe)
        return (nnc_value){0};
    unsigned n = cell_index(x, x->acc_from, true, ix);
    return load_cell(x, x->acc[which].buf[x->vlog], n, ix);
}

void nnc_kx_acc_store(nnc_kx *x, int which, nnc_value v)
{
    nnc_value ix[NNC_MAX_RANK];
    if (x->probe) {
        x->acc[which].want[x->vlog] = true;
        return;
    }
    unsigned n = cell_index(x, x->acc_from, true, ix);
    nnc_k_store(&x->b, v, x->acc[which].buf[x->vlog], n, ix);
}

nnc_value nnc_kx_cell_load(nnc_kx *x, const nnc_kacc *cell)
{
    nnc_value ix[NNC_MAX_RANK];
    unsigned n = cell_index(x, (int)x->plan.nouter, false, ix);
    return load_cell(x, cell->buf[cell_width(x)], n, ix);
}

/* Buffers for the widths wanted; dims: trip counts of the loops from `from` on that shape them. */
static void alloc_cells(nnc_kx *x, nnc_kacc *c, nnc_dtype dt, int from, bool partial,
                        const char *name)
{
    for (int w = 0; w < 7; w++) {
        int64_t dim[NNC_MAX_RANK], cur[NNC_AXES];
        int rank = 0;
        bool serial = false;
        if (!c->want[w])
            continue;
        memcpy(cur, x->cur, sizeof cur);
        for (unsigned j = (unsigned)from; j < x->plan.n; j++) {
            int a = x->loop_axis[j];
            const nnc_plan_loop *l = &x->plan.loop[j];
            int64_t trips = cur[a] < 0 ? 1 : (cur[a] + l->step - 1) / l->step;
            cur[a] = cur[a] >= 0 && cur[a] < l->step ? cur[a] : l->step;
            bool part = x->ax[a].red && (l->kind == 'v' || l->kind == 's');
            if (x->ax[a].red && !(partial && part))
                continue;
            dim[rank++] = l->kind == 'v' ? (INT64_C(1) << w) : trips;
            serial |= l->kind == ' ' && trips > 1;
            assert(rank < NNC_MAX_RANK);
        }
        nnc_type t =
            nnc_type_buffer(x->m, dt, 1, rank, dim, NULL, serial ? NNC_SPACE_stack : NNC_SPACE_reg);
        c->buf[w] = nnc_k_alloc(&x->b, t, name);
    }
}

/* ---- one loop ---- */

static nnc_value k2(nnc_kx *x, nnc_opcode code, nnc_value a, nnc_value b)
{
    return nnc_k_binary(&x->b, code, a, b);
}

typedef struct piece {
    int64_t trips, step, base, count;
} piece;

static nnc_word kind_word(char k)
{
    return k == 'u' || k == 's' ? NNC_W_unroll
           : k == 'v'           ? NNC_W_vector
           : k == 'p'           ? NNC_W_parallel
                                : NNC_W_serial;
}

static void run_piece(nnc_kx *x, unsigned i, piece p)
{
    int a = x->loop_axis[i];
    nnc_value idx0 = x->idx[a];
    int64_t cur0 = x->cur[a];
    int vlog0 = x->vlog;
    bool vred0 = x->vred;
    const nnc_plan_loop *l = &x->plan.loop[i];
    bool vector = l->kind == 'v';
    if (p.trips == 0)
        return;
    if (vector) {
        x->vlog = log2_of(p.trips);
        x->vred = x->ax[a].red;
    }
    x->cur[a] = p.step;
    if (x->probe) {
        loops(x, i + 1);
    } else {
        nnc_value c = nnc_const_idx(x->m, 0);
        bool loop = p.trips > 1;
        if (loop) {
            char name[2] = {x->ax[a].name, 0};
            c = nnc_k_for(&x->b, nnc_const_idx(x->m, 0), nnc_const_idx(x->m, p.trips),
                          nnc_const_idx(x->m, 1), kind_word(l->kind), name);
        }
        x->ctr[i] = k2(x, NNC_OP_add, c, nnc_const_idx(x->m, p.count));
        x->actr[i] = vector ? c : x->ctr[i];
        nnc_value at = k2(x, NNC_OP_add, k2(x, NNC_OP_mul, c, nnc_const_idx(x->m, p.step)),
                          nnc_const_idx(x->m, p.base));
        x->idx[a] = k2(x, NNC_OP_add, idx0, at);
        loops(x, i + 1);
        if (loop)
            nnc_k_end(&x->b);
    }
    x->idx[a] = idx0;
    x->cur[a] = cur0;
    x->vlog = vlog0;
    x->vred = vred0;
}

/* A loop over the run-time extent: whole steps, then the rest one by one. */
static void run_dynamic(nnc_kx *x, unsigned i)
{
    int a = x->loop_axis[i];
    nnc_value idx0 = x->idx[a], n = x->ext[a];
    const nnc_plan_loop *l = &x->plan.loop[i];
    char name[2] = {x->ax[a].name, 0};
    if (x->probe) {
        x->cur[a] = l->step;
        loops(x, i + 1);
        x->cur[a] = -1;
        return;
    }
    nnc_value step = nnc_const_idx(x->m, l->step), zero = nnc_const_idx(x->m, 0),
              one = nnc_const_idx(x->m, 1);
    nnc_value whole = k2(x, NNC_OP_div, n, step);
    x->ctr[i] = x->actr[i] =
        nnc_k_for(&x->b, zero, whole, one, kind_word(l->kind == 'v' ? ' ' : l->kind), name);
    x->idx[a] = k2(x, NNC_OP_add, idx0, k2(x, NNC_OP_mul, x->ctr[i], step));
    x->cur[a] = l->step;
    loops(x, i + 1);
    nnc_k_end(&x->b);
    if (l->step > 1 && !x->whole_only) {
        nnc_value v = nnc_k_for(&x->b, k2(x, NNC_OP_mul, whole, step), n, one, NNC_W_serial, name);
        x->ctr[i] = x->actr[i] = v;
        x->idx[a] = k2(x, NNC_OP_add, idx0, v);
        x->cur[a] = 1;
        loops(x, i + 1);
        nnc_k_end(&x->b);
    }
    x->idx[a] = idx0;
    x->cur[a] = -1;
}

static bool inner_vector(const nnc_kx *x, unsigned i)
{
    for (unsigned j = i + 1; j < x->plan.n; j++)
        if (x->loop_axis[j] == x->loop_axis[i] && x->plan.loop[j].kind == 'v')
            return true;
    return false;
}

static bool packs(const nnc_kx *x, int axis)
{
    for (int j = 0; j < x->npacked; j++)
        if (x->loop_axis[x->packed_loop[j]] == axis)
            return true;
    return false;
}

static void run_loop(nnc_kx *x, unsigned i)
{
    int a = x->loop_axis[i];
    int64_t e = x->cur[a], s = x->plan.loop[i].step;
    if (e < 0) {
        run_dynamic(x, i);
        return;
    }
    if (x->plan.loop[i].kind == 'v') { /* powers of two, widest first */
        int64_t base = 0;
        assert(s == 1 && e <= 64);
        for (int64_t w = 64; w >= 1; w /= 2)
            for (; e - base >= w; base += w)
                run_piece(x, i, (piece){w, 1, base, base});
        return;
    }
    if (e % s == 0) {
        run_piece(x, i, (piece){e / s, s, 0, 0});
    } else if (inner_vector(x, i) || packs(x, a) || x->ax[a].red) {
        run_piece(x, i, (piece){e / s, s, 0, 0});
        run_piece(x, i, (piece){1, e % s, e / s * s, e / s});
    } else {
        int64_t n = (e + s - 1) / s, b = e / n, big = e % n;
        if (big)
            run_piece(x, i, (piece){big, b + 1, 0, 0});
        run_piece(x, i, (piece){n - big, b, big * (b + 1), big});
    }
}

/* ---- bodies ---- */

/* A padded result is stored behind its border. */
static void into_interior(nnc_kx *x, unsigned r, unsigned n, nnc_kix *at)
{
    unsigned k;
    int64_t lo[NNC_MAX_RANK];
    if (!x->pad[r].id)
        return;
    const int64_t *a = nnc_attr_ints(x->m, x->pad[r], NNC_W_lo, &k);
    memcpy(lo, a, k * sizeof *lo);
    for (unsigned d = 0; d < n; d++)
        at[d] = nnc_kix_add_dim(x, &at[d], lo[d]);
}

static void store_results(nnc_kx *x)
{
    if (x->keep.id) {
        nnc_value v = nnc_kx_value(x, x->keep, x->out);
        nnc_dtype dt = (nnc_dtype)nnc_value_ty(x->m, x->keep)->dtype;
        if (x->probe && x->stage_probe) {
            nnc_kx_note_store(x, x->keep, x->out);
        } else if (x->to.id) {
            nnc_kx_store(x, v, dt, x->to, (unsigned)x->nout, x->out);
        } else if (x->probe) {
            x->to_cell.want[cell_width(x)] = true;
        } else {
            nnc_value ix[NNC_MAX_RANK];
            unsigned n = cell_index(x, (int)x->plan.nouter, false, ix);
            nnc_k_store(&x->b, v, x->to_cell.buf[cell_width(x)], n, ix);
        }
        return;
    }
    for (unsigned r = 0; r < x->nresult; r++) {
        const nnc_type_rec *t = nnc_value_ty(x->m, x->result[r]);
        nnc_dtype dt = (nnc_dtype)t->dtype;
        nnc_kix ix[NNC_MAX_RANK], at[NNC_MAX_RANK];
        nnc_value target = x->pad[r].id ? nnc_op_out(x->m, x->pad[r], 0) : x->result[r];
        unsigned n = t->rank;
        if (x->shape == NNC_SHAPE_CONCAT) {
            nnc_op op = nnc_value_op(x->m, x->result[0]);
            unsigned axis = (unsigned)nnc_attr_int(x->m, op, NNC_W_axis, 0);
            nnc_dim base = 0;
            for (int p = 0; p < x->part; p++)
                base = nnc_dim_add(x->m->dims, base,
                                   nnc_value_ty(x->m, nnc_op_in(x->m, op, (unsigned)p))->dim[axis]);
            for (unsigned d = 0; d < n; d++)
                at[d] = x->out[d];
            at[axis] = nnc_kix_add_dim(x, &at[axis], base);
            into_interior(x, r, n, at);
            nnc_value v = nnc_kx_value(x, nnc_op_in(x->m, op, (unsigned)x->part), x->out);
            if (x->probe)
                nnc_kx_note_store(x, target, at);
            else
                nnc_kx_store(x, v, dt, x->store[0], n, at);
            return;
        }
        for (unsigned d = 0; d < n; d++)
            ix[d] = at[d] = x->out[d];
        into_interior(x, r, n, at);
        nnc_value v = nnc_kx_value(x, x->result[r], ix);
        if (x->probe)
            nnc_kx_note_store(x, target, at);
        else
            nnc_kx_store(x, v, dt, x->store[r], n, at);
    }
}

void nnc_kx_body(nnc_kx *x)
{
    x->memo.n = 0;
    if (x->mode == NNC_MODE_INIT)
        nnc_kx_root_init(x);
    else if (x->root.id && x->mode == NNC_MODE_MAIN)
        nnc_kx_root_update(x);
    else if (x->root.id && x->mode == NNC_MODE_EPILOGUE && x->shape == NNC_SHAPE_ROWS) {
        if (x->probe) {
            x->to_cell.want[cell_width(x)] = true;
            return;
        }
        nnc_value ix[NNC_MAX_RANK];
        unsigned n = cell_index(x, (int)x->plan.nouter, false, ix);
        nnc_k_store(&x->b, nnc_kx_root_value(x), x->to_cell.buf[cell_width(x)], n, ix);
    } else {
        store_results(x);
    }
}

/* ---- the root's value after the reduction: partial results combined, rounded to its dtype ---- */

static nnc_value combine(nnc_kx *x, nnc_value a, nnc_value b)
{
    return a.id ? k2(x, nnc_kx_combine(x), a, b) : b;
}

static nnc_value across_lanes(nnc_kx *x, nnc_value v)
{
    nnc_opcode c = nnc_kx_combine(x), h = c == NNC_OP_max   ? NNC_OP_hmax
                                          : c == NNC_OP_min ? NNC_OP_hmin
                                                            : NNC_OP_hsum;
    nnc_type t = nnc_type_scalar(x->m, nnc_kx_acc_dtype(x, 0), 1);
    assert(c == NNC_OP_add || h != NNC_OP_hsum);
    return nnc_op_out(x->m, nnc_build_op(&x->b, h, 1, &v, 1, &t), 0);
}

nnc_value nnc_kx_root_value(nnc_kx *x)
{
    if (x->winograd.result.id)
        return x->winograd.result;
    int parts[NNC_PLAN_LOOPS], np = 0, lanes = -1;
    int64_t trips[NNC_PLAN_LOOPS], total = 1, cur[NNC_AXES];
    memcpy(cur, x->cur, sizeof cur);
    for (unsigned j = (unsigned)x->acc_from; j < x->plan.n; j++)
        if (x->ax[x->loop_axis[j]].red && x->plan.loop[j].kind == 'v')
            lanes = (int)j;
        else if (x->ax[x->loop_axis[j]].red && x->plan.loop[j].kind == 's') {
            parts[np] = (int)j;
            trips[np] = x->trips[j];
            total *= trips[np++];
        }
    int which = nnc_kx_nacc(x) - 1, w = lanes >= 0 ? log2_of(x->trips[lanes]) : x->vlog;
    nnc_value sum = {0};
    for (int64_t t = 0; t < total; t++) {
        int64_t rest = t;
        for (int k = np - 1; k >= 0; k--) {
            x->actr[parts[k]] = nnc_const_idx(x->m, rest % trips[k]);
            rest /= trips[k];
        }
        nnc_value ix[NNC_MAX_RANK], v;
        if (lanes >= 0)
            x->actr[lanes] = nnc_const_idx(x->m, 0);
        unsigned n = cell_index(x, x->acc_from, true, ix);
        if (lanes >= 0) {
            nnc_value in[NNC_MAX_RANK + 1] = {x->acc[which].buf[w]};
            memcpy(in + 1, ix, n * sizeof *ix);
            nnc_type vt = nnc_type_scalar(x->m, nnc_kx_acc_dtype(x, which), (int)x->trips[lanes]);
            v = nnc_op_out(x->m, nnc_build_op(&x->b, NNC_OP_load, n + 1, in, 1, &vt), 0);
        } else {
            v = load_cell(x, x->acc[which].buf[w], n, ix);
        }
        sum = combine(x, sum, v);
    }
    if (lanes >= 0)
        sum = across_lanes(x, sum);
    nnc_dtype dt = (nnc_dtype)nnc_value_ty(x->m, nnc_op_out(x->m, x->root, 0))->dtype;
    return nnc_k_cast(&x->b, nnc_k_cast(&x->b, sum, dt), nnc_compute_dtype(dt));
}

/* ---- the three nests ---- */

/* Trip counts of the loops from i on, of whole pieces. */
static void note_trips(nnc_kx *x, unsigned i)
{
    int64_t cur[NNC_AXES];
    memcpy(cur, x->cur, sizeof cur);
    for (unsigned j = i; j < x->plan.n; j++) {
        int a = x->loop_axis[j];
        int64_t s = x->plan.loop[j].step;
        x->trips[j] = cur[a] < 0 ? 1 : (cur[a] + s - 1) / s;
        cur[a] = cur[a] >= 0 && cur[a] < s ? cur[a] : s;
    }
}

static void accumulate(nnc_kx *x, unsigned i)
{
    static const char *const names[2] = {"acc", "at"};
    x->acc_from = (int)i;
    x->acc_ready = true;
    note_trips(x, i);
    memset(x->acc, 0, sizeof x->acc);
    if (!x->probe) { /* which vector widths are there? */
        nnc_kx save = *x;
        x->probe = true;
        x->mode = NNC_MODE_INIT;
        loops(x, i);
        nnc_kacc want[2] = {x->acc[0], x->acc[1]};
        *x = save;
        memcpy(x->acc, want, sizeof want);
        for (int w = 0; w < nnc_kx_nacc(x); w++)
            alloc_cells(x, &x->acc[w], nnc_kx_acc_dtype(x, w), (int)i, true, names[w]);
    }
    x->mode = NNC_MODE_INIT;
    loops(x, i);
    x->mode = NNC_MODE_MAIN;
    loops(x, i);
    x->mode = NNC_MODE_EPILOGUE;
    if (x->shape != NNC_SHAPE_ROWS)
        loops(x, i);
    x->mode = NNC_MODE_MAIN;
    if (x->shape != NNC_SHAPE_ROWS)
        x->acc_ready = false;
}

/* ---- ROWS ---- */

/* Where v sits on the axes: reduced dims are there with extent 1, or not there. */
void nnc_kx_stage_index(nnc_kx *x, nnc_value v)
{
    const nnc_type_rec *t = nnc_value_ty(x->m, v);
    bool all = t->rank == x->nax;
    x->nout = 0;
    for (int a = 0; a < x->nax; a++) {
        if (all && t->dim[a] == 1)
            x->out[x->nout++] = nnc_kix_const(0);
        else if (all || !x->ax[a].red)
            x->out[x->nout++] = nnc_kix_axis(x, a);
    }
}

/* Values of the current stage into cells made here. */
static void into_cells(nnc_kx *x, nnc_dtype dt, const char *name)
{
    unsigned n0 = x->plan.nouter;
    nnc_kx save = *x;
    memset(&x->to_cell, 0, sizeof x->to_cell);
    x->probe = true;
    x->mode = NNC_MODE_EPILOGUE;
    loops(x, n0);
    nnc_kacc want = x->to_cell;
    *x = save;
    x->to_cell = want;
    alloc_cells(x, &x->to_cell, nnc_compute_dtype(dt), (int)n0, false, name);
    x->mode = NNC_MODE_EPILOGUE;
    loops(x, n0);
    x->mode = NNC_MODE_MAIN;
}

/* The elements of a reduced axis that fill no vector: straight into the cell. */
static void lane_tail(nnc_kx *x, int a, int64_t e, int64_t lanes, nnc_value whole)
{
    nnc_plan plan = x->plan;
    int axis[NNC_PLAN_LOOPS];
    memcpy(axis, x->loop_axis, sizeof axis);
    x->plan.n = x->plan.nouter;
    for (int r = 0; r < x->nax; r++)
        if (x->ax[r].red) {
            x->loop_axis[x->plan.n] = r;
            x->plan.loop[x->plan.n++] = (nnc_plan_loop){x->ax[r].name, ' ', 1};
        }
    nnc_value idx0 = x->idx[a], ext0 = x->ext[a];
    x->idx[a] = k2(x, NNC_OP_add, idx0, whole);
    x->cur[a] = e < 0 ? -1 : e % lanes;
    if (e < 0)
        x->ext[a] = k2(x, NNC_OP_sub, ext0, whole);
    x->acc[0] = x->to_cell;
    x->acc_from = (int)x->plan.nouter;
    x->acc_ready = true;
    loops(x, x->plan.nouter);
    x->idx[a] = idx0;
    x->ext[a] = ext0;
    x->cur[a] = e;
    x->plan = plan;
    memcpy(x->loop_axis, axis, sizeof axis);
}

static void reduce_stage(nnc_kx *x, const nnc_kstage *s)
{
    unsigned n0 = x->plan.nouter, last = x->plan.n - 1;
    int a = x->plan.n > n0 ? x->loop_axis[last] : -1;
    bool lanes = a >= 0 && x->ax[a].red && x->plan.loop[last].kind == 'v' && last > n0;
    int64_t e = a >= 0 ? x->cur[a] : 0, w = 1;
    nnc_value whole = nnc_const_idx(x->m, 0);
    x->root = nnc_value_op(x->m, s->v);
    x->acc_ready = false;
    if (lanes) {
        for (unsigned j = n0; j < last && (e >= 0 || w == 1);
             j++) /* run-time extent: whole steps of the outermost loop */
            if (x->loop_axis[j] == a)
                w = x->plan.loop[j].step;
        whole = e < 0 ? k2(x, NNC_OP_mul, k2(x, NNC_OP_div, x->ext[a], nnc_const_idx(x->m, w)),
                           nnc_const_idx(x->m, w))
                      : nnc_const_idx(x->m, e / w * w);
        x->whole_only = true;
        if (e >= 0)
            x->cur[a] = e / w * w;
    }
    loops(x, n0);
    x->whole_only = false;
    if (a >= 0)
        x->cur[a] = e;
    into_cells(x, (nnc_dtype)nnc_value_ty(x->m, s->v)->dtype, s->name);
    if (lanes && (e < 0 || e % w))
        lane_tail(x, a, e, w, whole);
    x->acc_ready = false;
    NNC_PUSH(x->scratch, &x->done, (nnc_kdone){s->v, {0}, x->to_cell});
    x->root.id = 0;
}

static void stages(nnc_kx *x)
{
    x->staging = true;
    x->done.n = 0;
    for (unsigned i = 0; i < x->nstage; i++) {
        const nnc_kstage *s = &x->stage[i];
        x->root.id = 0;
        x->mode = NNC_MODE_MAIN;
        nnc_kx_stage_index(x, s->v);
        x->keep = s->v;
        x->to = s->buffer;
        if (s->kind == NNC_STAGE_REDUCE) {
            reduce_stage(x, s);
        } else if (s->kind == NNC_STAGE_CELL) {
            into_cells(x, (nnc_dtype)nnc_value_ty(x->m, s->v)->dtype, s->name);
            NNC_PUSH(x->scratch, &x->done, (nnc_kdone){s->v, {0}, x->to_cell});
        } else {
            x->mode = s->row ? NNC_MODE_EPILOGUE : NNC_MODE_MAIN;
            loops(x, x->plan.nouter);
            x->mode = NNC_MODE_MAIN;
            if (s->kind == NNC_STAGE_KEEP)
                NNC_PUSH(x->scratch, &x->done, (nnc_kdone){.v = s->v, .full = s->buffer});
        }
        x->keep.id = 0;
    }
    x->staging = false;
}

void nnc_kx_nest(nnc_kx *x)
{
    for (int a = 0; a < x->nax; a++) {
        if (!x->ax[a].red && x->ax[a].extent == 0)
            return; /* nothing to write */
        x->idx[a] = nnc_const_idx(x->m, 0);
        x->cur[a] = nnc_dim_is_const(x->ax[a].extent) ? x->ax[a].extent : -1;
        if (x->cur[a] < 0 && !x->probe)
            x->ext[a] = nnc_kx_dim(x, x->ax[a].extent);
    }
    x->mode = NNC_MODE_MAIN;
    x->acc_ready = x->staging = x->whole_only = x->vred = false;
    x->vlog = 0;
    loops(x, 0);
}

static void loops(nnc_kx *x, unsigned i)
{
    if (x->shape == NNC_SHAPE_ROWS && i == x->plan.nouter && !x->staging) {
        stages(x);
        return;
    }
    if (i == x->plan.n) {
        if (x->root.id && x->mode == NNC_MODE_MAIN && !x->acc_ready)
            accumulate(x, i); /* nothing is reduced */
        else
            nnc_kx_body(x);
        return;
    }
    int a = x->loop_axis[i];
    bool red = x->ax[a].red;
    char kind = x->plan.loop[i].kind;
    if (red && !x->root.id &&
        x->mode == NNC_MODE_MAIN) { /* a map stage of ROWS runs over these as well */
        run_loop(x, i);
        return;
    }
    if (red && x->mode == NNC_MODE_MAIN && !x->acc_ready) {
        accumulate(x, i);
        return;
    }
    if (kind == 'd' &&
        x->mode == NNC_MODE_MAIN) { /* one packed product, of fewer bytes at the end */
        x->ctr[i] = x->actr[i] = nnc_const_idx(x->m, 0);
        x->cell_axis = a;
        x->cell = (int)x->cur[a];
        nnc_kx_body(x);
        x->cell = 0;
        return;
    }
    bool partial = kind == 'v' || kind == 's';
    if (red && x->mode != NNC_MODE_MAIN && !(partial && x->mode == NNC_MODE_INIT)) {
        int64_t cur = x->cur[a];
        x->ctr[i] = x->actr[i] = nnc_const_idx(x->m, 0);
        if (cur < 0 || cur > x->plan.loop[i].step)
            x->cur[a] = x->plan.loop[i].step;
        loops(x, i + 1);
        x->cur[a] = cur;
        return;
    }
    run_loop(x, i);
}
