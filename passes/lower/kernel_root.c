/* The reductions: which axes each has, where its result sits on them, and one step of its update.
 *
 * Axis names (a schedule row speaks of them).  Dims of maps and of reduced tensors, by position from the last: c r q p
 * o n m l.  dot: batch b d e f, rows m p q r (m innermost), columns n s t u, contraction k l i j.  conv: batch b, group
 * g, output position w, h w or d h w, output channel o, kernel x, y x or z y x, input channel i; t = (x, i) when both
 * run as one.  Windows: the dim's letter, and in upper case for the position inside the window. */
#include "passes/lower/kernel.h"
#include <assert.h>
#include <ctype.h>
#include <string.h>

bool nnc_kx_is_root(const nnc_module *m, nnc_op op)
{
    return op.id && nnc_op_has(m, op, NNC_REDUCES);
}

static int add_axis(nnc_kx *x, char name, bool red, nnc_dim extent)
{
    assert(x->nax < NNC_AXES);
    x->ax[x->nax] = (nnc_kaxis){name, red, extent, nnc_dim_hi(x->m->dims, extent)};
    return x->nax++;
}

static char dim_letter(unsigned rank, unsigned d)
{
    return "lmnopqrc"[8 - rank + d];
}

static nnc_type_rec operand_type(const nnc_kx *x, unsigned i)
{
    return *nnc_value_ty(x->m, nnc_op_in(x->m, x->root, i));
}
static nnc_dtype result_dtype(const nnc_kx *x)
{
    return (nnc_dtype)nnc_value_ty(x->m, nnc_op_out(x->m, x->root, 0))->dtype;
}

static unsigned ints(const nnc_kx *x, nnc_op op, nnc_word key, int64_t *to, int64_t dflt,
                     unsigned n)
{
    unsigned k;
    const int64_t *a = nnc_attr_ints(x->m, op, key, &k);
    for (unsigned i = 0; i < n; i++)
        to[i] = i < k ? a[i] : dflt;
    return k;
}

static bool has(const int64_t *a, unsigned n, int64_t v)
{
    for (unsigned i = 0; i < n; i++)
        if (a[i] == v)
            return true;
    return false;
}

/* ---- reduce, argreduce ---- */

static void reduce_axes(nnc_kx *x)
{
    nnc_type_rec t = operand_type(x, 0);
    int64_t axes[NNC_MAX_RANK] = {0};
    unsigned n = 1;
    if (nnc_op_code(x->m, x->root) == NNC_OP_argreduce)
        axes[0] = nnc_attr_int(x->m, x->root, NNC_W_axis, 0);
    else
        n = ints(x, x->root, NNC_W_axes, axes, 0, NNC_MAX_RANK);
    bool keep = nnc_value_ty(x->m, nnc_op_out(x->m, x->root, 0))->rank == t.rank && n;
    for (unsigned d = 0; d < t.rank; d++) {
        bool red = has(axes, n, d);
        int a = add_axis(x, dim_letter(t.rank, d), red, t.dim[d]);
        if (!red)
            x->out[x->nout++] = nnc_kix_axis(x, a);
        else if (keep)
            x->out[x->nout++] = nnc_kix_const(0);
    }
}

/* ---- dot ---- */

typedef struct dot_axes {
    int a[NNC_MAX_RANK], b[NNC_MAX_RANK];
} dot_axes;

/* The letter of a free dim: the last one that is not 1 gets the first, so that a row tile never falls on a dim of 1. */
static char free_letter(const nnc_type_rec *t, const bool *taken, unsigned d, const char *letters)
{
    unsigned at = 0;
    for (unsigned e = 0; e < t->rank; e++) {
        bool later = t->dim[e] != 1 && (t->dim[d] == 1 || e > d),
             one = t->dim[e] == 1 && t->dim[d] == 1 && e > d;
        at += !taken[e] && e != d && (later || one);
    }
    return letters[at];
}

/* Axis numbers are assigned in the order batch, rows, columns, contraction, so they can be found again. */
static void dot_map(nnc_kx *x, dot_axes *to, bool make)
{
    int64_t ba[8], bb[8], ca[8], cb[8];
    unsigned nb = ints(x, x->root, NNC_W_batch_a, ba, 0, 8),
             nc = ints(x, x->root, NNC_W_contract_a, ca, 0, 8);
    ints(x, x->root, NNC_W_batch_b, bb, 0, 8);
    ints(x, x->root, NNC_W_contract_b, cb, 0, 8);
    nnc_type_rec a = operand_type(x, 0), b = operand_type(x, 1);
    bool ta[NNC_MAX_RANK], tb[NNC_MAX_RANK];
    int at = 0;
    for (unsigned d = 0; d < NNC_MAX_RANK; d++) {
        ta[d] = has(ba, nb, d) || has(ca, nc, d);
        tb[d] = has(bb, nb, d) || has(cb, nc, d);
    }
    for (unsigned i = 0; i < nb; i++, at++) {
        if (make)
            x->out[x->nout++] = nnc_kix_axis(x, add_axis(x, "bdefghjv"[i], false, a.dim[ba[i]]));
        to->a[ba[i]] = to->b[bb[i]] = at;
    }
    for (unsigned d = 0; d < a.rank; d++) {
        if (ta[d])
            continue;
        if (make)
            x->out[x->nout++] =
                nnc_kix_axis(x, add_axis(x, free_letter(&a, ta, d, "mpqrwxyz"), false, a.dim[d]));
        to->a[d] = at++;
    }
    for (unsigned d = 0; d < b.rank; d++) {
        if (tb[d])
            continue;
        if (make)
            x->out[x->nout++] =
                nnc_kix_axis(x, add_axis(x, free_letter(&b, tb, d, "nstuMNPQ"), false, b.dim[d]));
        to->b[d] = at++;
    }
    for (unsigned i = 0; i < nc; i++, at++) {
        if (make)
            add_axis(x, "klijKLIJ"[nc - 1 - i], true, a.dim[ca[i]]);
        to->a[ca[i]] = to->b[cb[i]] = at;
    }
}

static nnc_value at_axes(nnc_kx *x, unsigned operand, const int *axes)
{
    nnc_kix ix[NNC_MAX_RANK];
    nnc_type_rec t = operand_type(x, operand);
    for (unsigned d = 0; d < t.rank; d++)
        ix[d] = nnc_kix_axis(x, axes[d]);
    return nnc_kx_value(x, nnc_op_in(x->m, x->root, operand), ix);
}

/* acc + a * b in the accumulator's dtype; of packed cells, the four products at once. */
static nnc_value multiply_add(nnc_kx *x, nnc_value acc, nnc_value a, nnc_value b)
{
    nnc_dtype dt = nnc_kx_acc_dtype(x, 0);
    if (x->cell && !x->probe) {
        nnc_value in[3] = {acc, a, b};
        nnc_type t = nnc_value_type(x->m, acc);
        return nnc_op_out(x->m, nnc_build_op(&x->b, NNC_OP_dot4, 3, in, 1, &t), 0);
    }
    nnc_value p = nnc_kx_bin(x, NNC_OP_mul, nnc_kx_cast(x, a, dt), nnc_kx_cast(x, b, dt));
    return nnc_kx_bin(x, NNC_OP_add, acc, p);
}

static void dot_update(nnc_kx *x)
{
    dot_axes d;
    dot_map(x, &d, false);
    nnc_value acc = nnc_kx_acc_load(x, 0), a = at_axes(x, 0, d.a), b = at_axes(x, 1, d.b);
    nnc_kx_acc_store(x, 0, multiply_add(x, acc, a, b));
}

/* ---- conv ---- */

typedef struct conv_info {
    unsigned s; /* spatial dims */
    bool nhwc;
    int64_t groups, stride[3], lo[3], hi[3], dil[3], ldil[3];
    nnc_type_rec x, w;
    unsigned xs, xc, ws, wo, wi; /* first spatial dim and channel dims of x and w */
} conv_info;

static conv_info conv_of(const nnc_kx *x)
{
    conv_info c = {.x = operand_type(x, 0), .w = operand_type(x, 1)};
    c.s = c.x.rank - 2u;
    c.nhwc = nnc_attr_word(x->m, x->root, NNC_W_layout, NNC_W_nchw) == NNC_W_nhwc;
    c.groups = nnc_attr_int(x->m, x->root, NNC_W_groups, 1);
    ints(x, x->root, NNC_W_stride, c.stride, 1, c.s);
    ints(x, x->root, NNC_W_dilation, c.dil, 1, c.s);
    ints(x, x->root, NNC_W_lhs_dilation, c.ldil, 1, c.s);
    ints(x, x->root, NNC_W_lo, c.lo, 0, c.s);
    ints(x, x->root, NNC_W_hi, c.hi, 0, c.s);
    c.xs = c.nhwc ? 1 : 2;
    c.xc = c.nhwc ? c.s + 1 : 1;
    c.ws = c.nhwc ? 0 : 2;
    c.wo = c.nhwc ? c.s + 1 : 0;
    c.wi = c.nhwc ? c.s : 1;
    return c;
}

static void conv_axes(nnc_kx *x)
{
    conv_info c = conv_of(x);
    nnc_type_rec y = *nnc_value_ty(x->m, nnc_op_out(x->m, x->root, 0));
    const char *pos = "dhw" + 3 - c.s, *ker = "zyx" + 3 - c.s;
    nnc_kix channel, space[3];
    nnc_kix batch = nnc_kix_axis(x, add_axis(x, 'b', false, y.dim[0]));
    for (unsigned i = 0; i < c.s; i++)
        space[i] = nnc_kix_axis(x, add_axis(x, pos[i], false, y.dim[c.xs + i]));
    int64_t og = c.w.dim[c.wo] / c.groups;
    nnc_kix group = nnc_kix_axis(x, add_axis(x, 'g', false, c.groups));
    channel = nnc_kix_axis(x, add_axis(x, 'o', false, og));
    group = nnc_kix_mul(x, &group, og);
    channel = nnc_kix_add(x, &group, &channel);
    for (unsigned i = 0; i < c.s; i++)
        add_axis(x, ker[i], true, c.w.dim[c.ws + i]);
    add_axis(x, 'i', true, c.w.dim[c.wi]);
    x->out[0] = batch;
    for (unsigned i = 0; i < c.s; i++)
        x->out[c.xs + i] = space[i];
    x->out[c.nhwc ? c.s + 1 : 1] = channel;
    x->nout = (int)c.s + 2;
}

static nnc_kix named(const nnc_kx *x, char name)
{
    return nnc_kix_axis(x, nnc_kx_axis(x, name));
}

/* Position in x of output position `pos` and kernel position `ker`; *valid: none when always inside. */
static nnc_kix conv_position(nnc_kx *x, const conv_info *c, unsigned i, nnc_value *valid)
{
    const char *pos = "dhw" + 3 - c->s, *ker = "zyx" + 3 - c->s;
    nnc_kix o = named(x, pos[i]), k = named(x, ker[i]);
    o = nnc_kix_mul(x, &o, c->stride[i]);
    k = nnc_kix_mul(x, &k, c->dil[i]);
    nnc_kix p = nnc_kix_add(x, &o, &k);
    p = nnc_kix_addk(p, -c->lo[i]);
    nnc_dim n = c->x.dim[c->xs + i];
    if (c->lo[i] <= 0 && c->hi[i] <= 0 && c->ldil[i] == 1)
        return p;
    bool always;
    nnc_dims *ds = x->m->dims;
    nnc_dim span = nnc_dim_add(ds, nnc_dim_mul(ds, nnc_dim_sub(ds, n, 1), c->ldil[i]), 1);
    nnc_value in = nnc_kix_inside(x, &p, span, &always);
    if (c->ldil[i] > 1) {
        p = nnc_kix_clamp(x, &p, span);
        nnc_kix r = nnc_kix_mod(x, &p, c->ldil[i]);
        x->novec |= nnc_kix_dep(&p);
        if (!x->probe) {
            nnc_value hit =
                nnc_k_binary(&x->b, NNC_OP_eq, nnc_kix_value(x, &r), nnc_const_idx(x->m, 0));
            in = always ? hit : nnc_k_binary(&x->b, NNC_OP_and, in, hit);
        }
        always = false;
        p = nnc_kix_div(x, &p, c->ldil[i]);
    }
    if (!always && !x->probe)
        *valid = valid->id ? nnc_k_binary(&x->b, NNC_OP_and, *valid, in) : in;
    return nnc_kix_clamp(x, &p, n);
}

static void conv_update(nnc_kx *x)
{
    conv_info c = conv_of(x);
    nnc_kix xi[NNC_MAX_RANK], wi[NNC_MAX_RANK];
    const char *ker = "zyx" + 3 - c.s;
    nnc_value valid = {0}, acc = nnc_kx_acc_load(x, 0);
    nnc_kix group = named(x, 'g'), in = named(x, 'i'), out = named(x, 'o');
    int64_t og = c.w.dim[c.wo] / c.groups, ig = c.w.dim[c.wi];
    xi[0] = named(x, 'b');
    for (unsigned i = 0; i < c.s; i++) {
        xi[c.xs + i] = conv_position(x, &c, i, &valid);
        wi[c.ws + i] = named(x, ker[i]);
    }
    nnc_kix gi = nnc_kix_mul(x, &group, ig), go = nnc_kix_mul(x, &group, og);
    xi[c.xc] = nnc_kix_add(x, &gi, &in);
    wi[c.wo] = nnc_kix_add(x, &go, &out);
    wi[c.wi] = in;
    nnc_value w = nnc_kx_value(x, nnc_op_in(x->m, x->root, 1), wi), a;
    if (x->t_axis >= 0 && !x->probe) { /* last spatial dim and channel are one dim of the view */
        nnc_kix t = named(x, 'w');
        t = nnc_kix_mul(x, &t, c.stride[c.s - 1] * c.x.dim[c.xc]);
        nnc_kix run = nnc_kix_axis(x, x->t_axis);
        t = nnc_kix_add(x, &t, &run);
        xi[c.xs + c.s - 1] = nnc_kix_addk(t, -c.lo[c.s - 1] * c.x.dim[c.xc]);
        a = x->cell ? nnc_kx_load_cell(x, x->t_view, c.s + 1, xi)
                    : nnc_kx_load(x, x->t_view, c.s + 1, xi);
    } else {
        a = nnc_kx_value(x, nnc_op_in(x->m, x->root, 0), xi);
    }
    if (valid.id)
        a = nnc_kx_select(x, valid, a,
                          nnc_kx_number(x, nnc_compute_dtype((nnc_dtype)c.x.dtype), 0));
    nnc_kx_acc_store(x, 0, multiply_add(x, acc, a, w));
}

/* ---- windows ---- */

static void window_axes(nnc_kx *x)
{
    nnc_type_rec t = operand_type(x, 0), y = *nnc_value_ty(x->m, nnc_op_out(x->m, x->root, 0));
    int64_t size[NNC_MAX_RANK];
    ints(x, x->root, NNC_W_size, size, 1, t.rank);
    for (unsigned d = 0; d < t.rank; d++)
        x->out[x->nout++] = nnc_kix_axis(x, add_axis(x, dim_letter(t.rank, d), false, y.dim[d]));
    for (unsigned d = 0; d < t.rank; d++)
        if (size[d] != 1)
            add_axis(x, (char)toupper((unsigned char)dim_letter(t.rank, d)), true, size[d]);
}

/* Index of the window's current element; *valid none: always inside. */
static void window_index(nnc_kx *x, nnc_kix *ix, nnc_value *valid)
{
    nnc_type_rec t = operand_type(x, 0);
    int64_t size[8], stride[8], dil[8], lo[8], hi[8];
    ints(x, x->root, NNC_W_size, size, 1, t.rank);
    ints(x, x->root, NNC_W_stride, stride, 1, t.rank);
    ints(x, x->root, NNC_W_dilation, dil, 1, t.rank);
    ints(x, x->root, NNC_W_lo, lo, 0, t.rank);
    ints(x, x->root, NNC_W_hi, hi, 0, t.rank);
    for (unsigned d = 0; d < t.rank; d++) {
        char letter = dim_letter(t.rank, d);
        nnc_kix o = named(x, letter);
        ix[d] = nnc_kix_mul(x, &o, stride[d]);
        if (size[d] != 1) {
            nnc_kix k = named(x, (char)toupper((unsigned char)letter));
            k = nnc_kix_mul(x, &k, dil[d]);
            ix[d] = nnc_kix_add(x, &ix[d], &k);
        }
        if (lo[d] == 0 && hi[d] == 0)
            continue;
        ix[d] = nnc_kix_sub_dim(x, &ix[d], lo[d]);
        bool always;
        nnc_value in = nnc_kix_inside(x, &ix[d], t.dim[d], &always);
        if (!always && !x->probe)
            *valid = valid->id ? nnc_k_binary(&x->b, NNC_OP_and, *valid, in) : in;
        ix[d] = nnc_kix_clamp(x, &ix[d], t.dim[d]);
    }
}

/* ---- the common part ---- */

void nnc_kx_root_axes(nnc_kx *x)
{
    dot_axes unused;
    switch (nnc_op_code(x->m, x->root)) {
    case NNC_OP_reduce:
    case NNC_OP_argreduce: reduce_axes(x); break;
    case NNC_OP_dot: dot_map(x, &unused, true); break;
    case NNC_OP_conv: conv_axes(x); break;
    default: window_axes(x); break;
    }
}

static bool is_arg(const nnc_kx *x)
{
    nnc_opcode c = nnc_op_code(x->m, x->root);
    return c == NNC_OP_argreduce || c == NNC_OP_window_argmax;
}

int nnc_kx_nacc(const nnc_kx *x)
{
    return is_arg(x) ? 2 : 1;
}

nnc_dtype nnc_kx_acc_dtype(const nnc_kx *x, int which)
{
    if (is_arg(x))
        return which ? NNC_DT_i64 : nnc_compute_dtype((nnc_dtype)operand_type(x, 0).dtype);
    return nnc_compute_dtype(result_dtype(x));
}

static nnc_word kind_of(const nnc_kx *x)
{
    switch (nnc_op_code(x->m, x->root)) {
    case NNC_OP_dot:
    case NNC_OP_conv: return NNC_W_sum;
    case NNC_OP_window_argmax: return NNC_W_max;
    default: return nnc_attr_word(x->m, x->root, NNC_W_kind, NNC_W_sum);
    }
}

nnc_opcode nnc_kx_combine(const nnc_kx *x)
{
    bool b = nnc_kx_acc_dtype(x, 0) == NNC_DT_bool;
    switch (kind_of(x)) {
    case NNC_W_prod: return NNC_OP_mul;
    case NNC_W_max: return b ? NNC_OP_or : NNC_OP_max;
    case NNC_W_min: return b ? NNC_OP_and : NNC_OP_min;
    case NNC_W_and: return NNC_OP_and;
    case NNC_W_or: return NNC_OP_or;
    default: return NNC_OP_add;
    }
}

static nnc_value identity(nnc_kx *x)
{
    nnc_dtype acc = nnc_kx_acc_dtype(x, 0),
              dt = is_arg(x) ? (nnc_dtype)operand_type(x, 0).dtype : result_dtype(x);
    nnc_word k = kind_of(x);
    if (acc == NNC_DT_bool)
        return nnc_kx_number(x, acc, k == NNC_W_and || k == NNC_W_min);
    switch (k) {
    case NNC_W_prod: return nnc_kx_number(x, acc, 1);
    case NNC_W_max: return nnc_kx_limit(x, dt, true);
    case NNC_W_min: return nnc_kx_limit(x, dt, false);
    case NNC_W_and: return nnc_kx_number(x, acc, -1);
    default: return nnc_kx_number(x, acc, 0);
    }
}

/* Is v the same for all positions of the result: an argument, or a constant, with 1 or the last dim's size? */
static bool is_per_output(const nnc_kx *x, nnc_value v)
{
    const nnc_value_rec *r = nnc_value_get(x->m, v);
    const nnc_type_rec *t = nnc_value_ty(x->m, v);
    for (int d = 0; d + 1 < t->rank; d++)
        if (t->dim[d] != 1)
            return false;
    return nnc_value_is_const(x->m, v) || (r->kind == NNC_VALUE_arg && r->def == x->body.id);
}

/* Integers may be added in any order, so a sum behind the root costs nothing as the start of the accumulators; partial
 * results would add it several times. */
void nnc_kx_find_bias(nnc_kx *x)
{
    x->bias.id = 0;
    if (x->shape != NNC_SHAPE_ROOT || kind_of(x) != NNC_W_sum || result_dtype(x) != NNC_DT_i32)
        return;
    for (unsigned i = 0; i < x->plan.n; i++)
        if (x->ax[x->loop_axis[i]].red && strchr("vs", x->plan.loop[i].kind))
            return;
    nnc_value v = nnc_op_out(x->m, x->root, 0);
    nnc_op user = nnc_value_single_user(x->m, v);
    if (!user.id || nnc_op_code(x->m, user) != NNC_OP_add ||
        nnc_value_type(x->m, nnc_op_out(x->m, user, 0)).id != nnc_value_type(x->m, v).id)
        return;
    unsigned other = nnc_op_in(x->m, user, 0).id == v.id;
    if (nnc_op_in(x->m, user, other).id != v.id && is_per_output(x, nnc_op_in(x->m, user, other)))
        x->bias = user;
}

static nnc_value bias_value(nnc_kx *x, const nnc_kix *ix)
{
    nnc_value v =
        nnc_op_in(x->m, x->bias, nnc_op_in(x->m, x->bias, 0).id == nnc_op_out(x->m, x->root, 0).id);
    nnc_type_rec t = *nnc_value_ty(x->m, v);
    nnc_kix at[NNC_MAX_RANK];
    for (int d = 0; d < t.rank; d++)
        at[d] = t.dim[d] == 1 ? nnc_kix_const(0) : ix[x->nout - t.rank + d];
    return nnc_kx_value(x, v, at);
}

void nnc_kx_root_init(nnc_kx *x)
{
    nnc_kx_acc_store(x, 0, x->bias.id && !x->probe ? bias_value(x, x->out) : identity(x));
    if (is_arg(x))
        nnc_kx_acc_store(
            x, 1,
            nnc_kx_number(x, NNC_DT_i64,
                          nnc_op_code(x->m, x->root) == NNC_OP_window_argmax ? -1 : 0));
}

static nnc_value is_nan(nnc_kx *x, nnc_value v)
{
    return nnc_kx_un(x, NNC_OP_isnan, v);
}

/* Does v displace best?  nan displaces numbers, and with `last` whatever is equal does too. */
static nnc_value displaces(nnc_kx *x, nnc_value v, nnc_value best, bool last)
{
    bool min = kind_of(x) == NNC_W_min;
    nnc_value a = min ? v : best, b = min ? best : v;
    nnc_value take = nnc_kx_bin(x, last ? NNC_OP_le : NNC_OP_lt, a, b);
    if (!nnc_dtype_is_float(nnc_kx_acc_dtype(x, 0)))
        return take;
    nnc_value nan = is_nan(x, v);
    if (!last)
        nan = nnc_kx_bin(x, NNC_OP_and, nan, nnc_kx_un(x, NNC_OP_not, is_nan(x, best)));
    return nnc_kx_bin(x, NNC_OP_or, take, nan);
}

static void arg_update(nnc_kx *x)
{
    nnc_type_rec t = operand_type(x, 0);
    nnc_kix ix[NNC_MAX_RANK], where = nnc_kix_const(0);
    nnc_value valid = {0};
    bool window = nnc_op_code(x->m, x->root) == NNC_OP_window_argmax;
    if (window) {
        window_index(x, ix, &valid);
        for (unsigned d = 0; d < t.rank; d++) {
            where = nnc_kix_mul_dim(x, &where, t.dim[d]);
            where = nnc_kix_add(x, &where, &ix[d]);
        }
    } else {
        for (unsigned d = 0; d < t.rank; d++)
            ix[d] = nnc_kix_axis(x, (int)d);
        where = ix[nnc_attr_int(x->m, x->root, NNC_W_axis, 0)];
    }
    x->scalar_only = true;
    nnc_value v = nnc_kx_value(x, nnc_op_in(x->m, x->root, 0), ix), best = nnc_kx_acc_load(x, 0),
              at = nnc_kx_acc_load(x, 1);
    nnc_value take = displaces(x, v, best, nnc_attr_int(x->m, x->root, NNC_W_last, 0) != 0);
    if (window) /* nothing seen yet: the first valid element */
        take = nnc_kx_bin(x, NNC_OP_or, take,
                          nnc_kx_bin(x, NNC_OP_lt, at, nnc_kx_number(x, NNC_DT_i64, 0)));
    if (valid.id)
        take = nnc_kx_bin(x, NNC_OP_and, take, valid);
    nnc_kx_acc_store(x, 0, nnc_kx_select(x, take, v, best));
    nnc_kx_acc_store(
        x, 1, nnc_kx_select(x, take, nnc_kx_cast(x, nnc_kix_value(x, &where), NNC_DT_i64), at));
}

/* Partial results in lanes need a horizontal operation at the end: sums and extremes of 32-bit numbers have one. */
static void note_lanes(nnc_kx *x)
{
    nnc_opcode c = nnc_kx_combine(x);
    nnc_dtype dt = nnc_kx_acc_dtype(x, 0);
    if ((dt == NNC_DT_f32 || dt == NNC_DT_i32) &&
        (c == NNC_OP_add || c == NNC_OP_max || c == NNC_OP_min))
        return;
    for (int a = 0; a < x->nax; a++)
        if (x->ax[a].red)
            x->novec |= 1u << a;
}

static void reduce_update(nnc_kx *x)
{
    nnc_kix ix[NNC_MAX_RANK];
    nnc_value valid = {0};
    if (x->probe)
        note_lanes(x);
    if (nnc_op_code(x->m, x->root) == NNC_OP_window_reduce) {
        window_index(x, ix, &valid);
    } else {
        for (unsigned d = 0; d < operand_type(x, 0).rank; d++)
            ix[d] = nnc_kix_axis(x, (int)d);
    }
    nnc_value acc = nnc_kx_acc_load(x, 0), v = nnc_kx_value(x, nnc_op_in(x->m, x->root, 0), ix);
    v = nnc_kx_cast(x, v, nnc_kx_acc_dtype(x, 0));
    if (valid.id)
        v = nnc_kx_select(x, valid, v, identity(x));
    nnc_kx_acc_store(x, 0, nnc_kx_bin(x, nnc_kx_combine(x), acc, v));
}

void nnc_kx_root_update(nnc_kx *x)
{
    switch (nnc_op_code(x->m, x->root)) {
    case NNC_OP_dot: dot_update(x); break;
    case NNC_OP_conv:
        if (x->winograd.weights.id)
            nnc_kx_winograd_update(x);
        else
            conv_update(x);
        break;
    case NNC_OP_argreduce:
    case NNC_OP_window_argmax: arg_update(x); break;
    default: reduce_update(x); break;
    }
}
