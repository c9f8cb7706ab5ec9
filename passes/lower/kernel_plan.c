/* A plan line made fit for one kernel: axes it does not mention are added, steps are cut to the extents, kernel x and input
 * channel are joined where the line asks for it and the buffers allow it; and what cannot be lowered is told. */
#include "passes/lower/kernel.h"
#include <string.h>

/* May the last spatial kernel axis and the input channels run as one?  The input must be read in place, dense, without
 * padding or dilation in the last spatial dim, and the weights be packed (their x and i then are one dim). */
static bool runs_joined(nnc_kx *x)
{
    if (x->shape != NNC_SHAPE_ROOT || nnc_op_code(x->m, x->root) != NNC_OP_conv || !x->plan.pack)
        return false;
    nnc_op op = x->root;
    nnc_value in = nnc_op_in(x->m, op, 0);
    unsigned s = nnc_value_ty(x->m, in)->rank - 2u, k;
    if (nnc_attr_word(x->m, op, NNC_W_layout, NNC_W_nchw) != NNC_W_nhwc ||
        nnc_attr_int(x->m, op, NNC_W_groups, 1) != 1)
        return false;
    nnc_word key[4] = {NNC_W_dilation, NNC_W_lhs_dilation, NNC_W_lo, NNC_W_hi};
    for (unsigned i = 0; i < 4; i++) {
        const int64_t *a = nnc_attr_ints(x->m, op, key[i], &k);
        if (k == s && a[s - 1] != (i < 2))
            return false;
    }
    const nnc_value_rec *r = nnc_value_get(x->m, in);
    if (r->kind != NNC_VALUE_arg || r->def != x->body.id || !nnc_kx_packable(x).id)
        return false;
    if (x->param) { /* the buffer itself: dense in its last two dims? */
        const nnc_type_rec *t = nnc_value_ty(x->m, x->param[r->index]);
        return t->stride[s + 1] == 1 && t->stride[s] == t->dim[s + 1];
    }
    return nnc_dim_is_const(nnc_value_ty(x->m, in)->dim[s + 1]);
}

static void join_axes(nnc_kx *x)
{
    int a = nnc_kx_axis(x, 'x'), b = nnc_kx_axis(x, 'i');
    nnc_dim n = nnc_dim_mul(x->m->dims, x->ax[a].extent, x->ax[b].extent);
    x->ax[x->nax] = (nnc_kaxis){'t', true, n, nnc_dim_hi(x->m->dims, n)};
    x->t_axis = x->nax++;
}

static bool mentions(const nnc_plan *p, char axis)
{
    for (unsigned i = 0; i < p->n; i++)
        if (p->loop[i].axis == axis)
            return true;
    return false;
}

/* Where a reduction axis that the line does not mention goes. */
static unsigned reduction_place(const nnc_kx *x)
{
    for (unsigned i = x->plan.nouter; i < x->plan.n; i++)
        if (x->plan.loop[i].kind != ' ' || x->ax[nnc_kx_axis(x, x->plan.loop[i].axis)].red)
            return i;
    return x->plan.n;
}

static void drop_loop(nnc_plan *p, unsigned i)
{
    memmove(p->loop + i, p->loop + i + 1, (p->n - i - 1) * sizeof p->loop[0]);
    p->n--;
    if (i < p->nouter)
        p->nouter--;
}

bool nnc_kx_plan(nnc_kx *x, const char *text)
{
    const char *at;
    nnc_plan *p = &x->plan;
    if (!nnc_plan_parse(p, text, &at))
        return false;
    if (p->winograd) {
        if (!p->pack || !nnc_kx_winograd_fits(x, p->winograd))
            return true; /* nnc_kx_plan_fault says so */
        nnc_kx_winograd_axes(x);
    }
    if (mentions(p, 't') && nnc_kx_axis(x, 't') < 0 && runs_joined(x))
        join_axes(x);
    for (unsigned i = p->n; i-- > 0;)
        if (nnc_kx_axis(x, p->loop[i].axis) < 0 ||
            (x->t_axis >= 0 && strchr("xi", p->loop[i].axis)))
            drop_loop(p, i);
    if (x->shape == NNC_SHAPE_ROWS &&
        !p->nouter) /* leading output loops are shared by the stages */
        while (p->nouter < p->n && !x->ax[nnc_kx_axis(x, p->loop[p->nouter].axis)].red &&
               p->loop[p->nouter].kind == ' ')
            p->nouter++;
    for (int a = x->nax; a-- > 0;) {
        if (mentions(p, x->ax[a].name) || (x->t_axis >= 0 && strchr("xi", x->ax[a].name)))
            continue;
        unsigned n = p->nouter;
        nnc_plan_insert(p, x->ax[a].red ? reduction_place(x) : 0, x->ax[a].name, 1, ' ');
        if (x->shape == NNC_SHAPE_ROWS)
            p->nouter = n + !x->ax[a].red;
    }
    int64_t cur[NNC_AXES];
    int last[NNC_AXES];
    for (int a = 0; a < x->nax; a++) {
        cur[a] = x->ax[a].hi > 0 ? x->ax[a].hi : 1;
        last[a] = -1;
    }
    for (unsigned i = 0; i < p->n; i++) {
        int a = nnc_kx_axis(x, p->loop[i].axis);
        if (p->loop[i].step > cur[a])
            p->loop[i].step = cur[a];
        cur[a] = p->loop[i].step;
        last[a] = (int)i;
    }
    for (int a = 0; a < x->nax; a++)
        if (last[a] >= 0 && p->loop[last[a]].step != 1) { /* every axis ends in single steps */
            nnc_plan_insert(p, (unsigned)last[a] + 1, x->ax[a].name, 1, ' ');
            for (int b = 0; b < x->nax; b++)
                last[b] += last[b] > last[a];
        }
    for (unsigned i = 0; i < p->n; i++)
        x->loop_axis[i] = nnc_kx_axis(x, p->loop[i].axis);
    return true;
}

/* What a packed product at the end of the line needs. */
static const char *cell_fault(nnc_kx *x)
{
    const nnc_plan *p = &x->plan;
    nnc_opcode code = x->root.id ? nnc_op_code(x->m, x->root) : NNC_OP_yield;
    int a = x->loop_axis[p->n - 1];
    if (x->shape != NNC_SHAPE_ROOT || (code != NNC_OP_dot && code != NNC_OP_conv) || !x->ax[a].red)
        return "a packed product stands outside of a contraction";
    if (!p->pack || !nnc_kx_packable(x).id)
        return "packed products need packed weights";
    for (unsigned i = 0; i + 1 < p->n; i++)
        if (p->loop[i].axis == p->loop[p->n - 1].axis && p->loop[i].step % 4 &&
            p->loop[i].step < x->ax[a].hi)
            return "a loop around a packed product does not step by fours";
    int64_t left = x->ax[a].hi;
    for (unsigned i = 0; i + 1 < p->n; i++)
        if (p->loop[i].axis == p->loop[p->n - 1].axis && p->loop[i].step < left)
            left = p->loop[i].step;
    if (left > 4)
        return "a packed product of more than four bytes";
    if (p->n > 1 && p->loop[p->n - 2].kind == 'v' && x->ax[x->loop_axis[p->n - 2]].red)
        return "a packed product inside a vector of partial results";
    if (a == x->t_axis && !nnc_kx_joins_bytes(x))
        return "kernel and channels cannot be joined in cells of four bytes";
    bool adjacent;
    return nnc_kx_bytes(x, a, &adjacent)
               ? NULL
               : "packed products need several u8 by i8, read in place and without padding";
}

bool nnc_kx_bytes(nnc_kx *x, int axis, bool *adjacent)
{
    nnc_value a = nnc_op_in(x->m, x->root, 0), b = nnc_op_in(x->m, x->root, 1);
    bool conv = nnc_op_code(x->m, x->root) == NNC_OP_conv;
    nnc_word key[3] = {NNC_W_lo, NNC_W_hi, NNC_W_lhs_dilation};
    *adjacent = axis == x->t_axis;
    if (x->ax[axis].hi < 2 || nnc_value_ty(x->m, a)->dtype != NNC_DT_u8 ||
        nnc_value_ty(x->m, b)->dtype != NNC_DT_i8 ||
        nnc_value_ty(x->m, nnc_op_out(x->m, x->root, 0))->dtype != NNC_DT_i32)
        return false;
    for (unsigned k = 0, n; conv && k < 3; k++) {
        const int64_t *v = nnc_attr_ints(x->m, x->root, key[k], &n);
        for (unsigned i = 0; i < n; i++)
            if (k < 2 ? v[i] > 0 : v[i] != 1)
                return false;
    }
    for (nnc_op op = nnc_value_op(x->m, a); op.id; op = nnc_value_op(x->m, a)) {
        if (!nnc_op_has(x->m, op, NNC_VIEW) || nnc_op_code(x->m, op) == NNC_OP_broadcast)
            return false;
        a = nnc_op_in(x->m, op, 0);
    }
    if (axis == x->t_axis)
        return true;
    nnc_kx p = *x;
    p.contig = p.opaque = 0;
    p.pack_arg = nnc_kx_packable(x);
    p.probe = true;
    p.memo.n = 0;
    p.t_axis = -1;
    p.mode = NNC_MODE_MAIN;
    p.acc_ready = true;
    nnc_kx_body(&p);
    *adjacent = x->ax[axis].hi > 1 && p.contig >> axis & 1;
    return !(p.opaque >> axis & 1);
}

const char *nnc_kx_plan_fault(nnc_kx *x)
{
    const nnc_plan *p = &x->plan;
    int64_t cur[NNC_AXES];
    unsigned cells = 0;
    bool reducing = false, rows = x->shape == NNC_SHAPE_ROWS;
    if (p->winograd && !x->winograd.weights.id)
        return "winograd needs a 3x3 f32 convolution, channels last, of stride 1 without dilation, "
               "groups or padding, with packed constant weights, and an output no smaller than a "
               "tile";
    for (int a = 0; a < x->nax; a++)
        cur[a] = nnc_dim_is_const(x->ax[a].extent) ? x->ax[a].hi : -1;
    for (unsigned i = 0; i < p->n; i++) {
        int a = x->loop_axis[i];
        bool red = x->ax[a].red, partial = red && strchr("vs", p->loop[i].kind) != NULL;
        if (rows && i < p->nouter && red)
            return "a reduced axis is among the outer loops";
        if (p->loop[i].kind == 'd' && i + 1 != p->n)
            return "the packed product is not the last loop";
        if (p->loop[i].kind == 'v' && i + 1 != p->n &&
            !(i + 2 == p->n && p->loop[i + 1].kind == 'd'))
            return "the vector loop is not the last one";
        if (p->loop[i].kind == 'v' && (cur[a] < 0 || cur[a] > 64))
            return "a vector has more than 64 lanes or a run-time number of them";
        reducing |= rows ? i >= p->nouter : red && x->root.id != 0;
        if (reducing && !red && cur[a] < 0)
            return "a loop of run-time length stands inside a reduction";
        if (partial && !rows && nnc_kx_nacc(x) > 1)
            return "this reduction has no partial results";
        if (partial && p->loop[i].kind == 'v' && !rows && x->ax[a].hi % (cur[a] > 0 ? cur[a] : 1))
            return "the lanes do not divide the reduced axis";
        cells += reducing && (!red || partial);
        cur[a] = cur[a] >= 0 && cur[a] < p->loop[i].step ? cur[a] : p->loop[i].step;
    }
    if (p->n && p->loop[p->n - 1].kind == 'd') {
        const char *fault = cell_fault(x);
        if (fault)
            return fault;
    }
    return cells >= NNC_MAX_RANK ? "too many loops inside a reduction" : NULL;
}
